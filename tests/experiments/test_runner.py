"""The runner: its commands compose, a cell is measured once, an interrupted training resumes, make passes options."""

import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from annotated import standing, write_annotations
from hydra import compose, initialize_config_dir

from gog_pose.cli.runtime import config_dir

REPOSITORY = Path(__file__).resolve().parents[2]
RUN = REPOSITORY / "experiments" / "run.py"


def runner(*arguments, cwd=REPOSITORY):
    """Run the runner; return the commands that it prints."""
    process = subprocess.run(
        [sys.executable, RUN, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    return [line for line in process.stdout.splitlines() if "/gog-" in line]


def choices(command):
    """The program of a command and each override that is not a file, a folder or a seed, with it."""
    program, *overrides = shlex.split(command.partition("/gog-")[2])
    return {(program, text) for text in overrides if "/" not in text and not text.startswith(("seed=", "name="))}


@pytest.fixture
def all_studies():
    from study import study_names

    return study_names()


def test_all_commands_of_all_studies_compose(all_studies, tmp_path):
    folders = ("--results", tmp_path / "results", "--runs", tmp_path / "runs", "--data", tmp_path)
    small, full = (runner(*all_studies, "--dry-run", "--scale", scale, *folders) for scale in ("small", "full"))
    assert min(len(small), len(full)) > 200
    commands = sorted({*small, *full}, key=lambda command: (-len(command), command))  # most choices first
    composed = set()
    with initialize_config_dir(config_dir(), version_base="1.3"):
        for command in commands:
            if choices(command) <= composed:  # each override once with each program
                continue
            composed |= choices(command)
            program, *overrides = shlex.split(command.partition("/gog-")[2])
            assert (REPOSITORY / "src" / "gog_pose" / "cli" / f"{program}.py").is_file()
            compose(program, overrides)


def test_trainings_of_one_name_are_the_same(all_studies):
    from run import name_of_training
    from study import cells, load_study

    settings = {
        "photographs": "data.root=P",
        "scenes": "data.root=S",
        "held_out": "data.root=H",
        "features": "callbacks.freeze.store=F",
        "runs": "R",
        "data": "D",
        "limit": "null",
    }
    found = {}
    for study in map(load_study, all_studies):
        for cell in cells(study, [0], settings):
            if "train" in cell.options:
                found.setdefault(name_of_training(cell.options["train"]), set()).add(cell.options["train"])
    assert len(found) > 20
    assert all(len(options) == 1 for options in found.values())


def test_a_cell_may_evaluate_another_checkpoint_than_the_best():
    commands = runner("methods", "--dry-run", "--cells", "*_gog-0", "--data", "data/coco")
    assert sum("/gog-train" in command for command in commands) == 1
    evaluated = [word for command in commands for word in shlex.split(command) if word.startswith("checkpoint=")]
    places = {Path(word).relative_to(Path(word).parents[-4]).name for word in evaluated}
    assert places == {"last.ckpt", "step_58.ckpt", "step_174.ckpt"}


def test_every_row_of_the_tables_with_other_systems_has_commands_at_full_size():
    from study import load_study, rows

    for name in ("table1", "table3"):
        study = load_study(name)
        commands = runner(name, "--dry-run", "--scale", "full", "--data", "data/coco", "--results", "none")
        for row in rows(study):
            assert any(f"/{name}/full_{row}-0 " in f"{command} " for command in commands), row


def test_full_size_is_the_papers():
    commands = runner("table1", "flip", "--dry-run", "--scale", "full", "--seeds", 0)
    train = [command for command in commands if "/gog-train" in command]
    # One network for "Ours 1", "Ours 2" and the study of flip, one for "Ours 3", six for the other systems.
    ours = [command for command in train if "=table2_ours" in command]
    assert len(train) == 8
    assert len(ours) == 1
    assert "experiment=table2_ours data=coco data.root=data/coco name=table2_ours seed=0" in ours[0]
    assert all("device=cuda" in command for command in commands if "/gog-evaluate" in command)


@pytest.fixture
def checkout(tmp_path):
    """A folder with a tiny data set, and commands that record their calls and leave what the real ones leave."""
    (tmp_path / "bin").mkdir()
    for name in ("train", "evaluate", "oracle", "synthesize"):
        script = tmp_path / "bin" / f"gog-{name}"
        script.write_text(
            f'#!/bin/sh\necho {name} "$@" >> calls\nfor word in "$@"; do case $word in\n'
            "hydra.run.dir=*) dir=${word#*=} ;; results=*) file=${word#*=} ;; esac; done\n"
            'file=${file:-$dir/results.json}; mkdir -p "$(dirname "$file")"; echo \'{"AP": 0.5}\' > "$file"\n'
        )
        script.chmod(0o755)
    annotations = tmp_path / "data" / "annotations"
    annotations.mkdir(parents=True)
    write_annotations(annotations / "person_keypoints_val.json", {1: [standing(20, 20)], 2: [standing(90, 60)]})
    shutil.copy(annotations / "person_keypoints_val.json", annotations / "person_keypoints_train.json")
    return tmp_path


def calls(checkout, *arguments):
    """The calls of commands that running studies makes."""
    file = checkout / "calls"
    file.unlink(missing_ok=True)
    runner(*arguments, "--bin", "bin", "--data", "data", "--results", "out", "--runs", "runs", cwd=checkout)
    return file.read_text().splitlines() if file.exists() else []


def test_a_cell_is_measured_once_and_added_to_the_results_of_its_study(checkout):
    (checkout / "bin" / "gog-oracle").write_text(
        f'#!/bin/sh\necho "$@" >> calls\nexec {sys.executable} -m gog_pose.cli.oracle "$@"\n'
    )
    (checkout / "out").mkdir()
    results = checkout / "out" / "sigma.json"
    results.write_text('{"7-none": {"AP": 0.25}}')
    one = ("sigma", "--cells", "5-medium", "--oracle", "workers=0")
    assert len(calls(checkout, *one)) == 1
    record = json.loads(results.read_text())
    assert list(record) == ["5-medium", "7-none"]
    assert record["7-none"] == {"AP": 0.25}
    assert record["5-medium"]["images"] == 2
    assert record["5-medium"]["settings"]["options"]["encoder"]["sigma"] == 5
    assert record["5-medium"]["settings"]["noise"] == "medium"
    first, second = csv.DictReader(results.with_suffix(".csv").read_text().splitlines())
    assert (first["cell"], float(first["AP"])) == ("5-medium", record["5-medium"]["AP"])
    assert int(first["people.labelled"]) == record["5-medium"]["people"]["labelled"]
    assert (second["cell"], second["AP"], second["people.labelled"]) == ("7-none", "0.25", "")
    assert calls(checkout, *one) == []
    assert len(calls(checkout, *one, "--again")) == 1
    assert not list(checkout.glob("out/*.part"))


def test_a_dry_run_writes_nothing(checkout):
    assert calls(checkout, "loss", "--dry-run") == []
    assert not (checkout / "out").exists()
    assert not (checkout / "runs").exists()


def test_an_interrupted_training_resumes_and_a_finished_one_is_not_repeated(checkout):
    last = checkout / "runs" / "gamma0-small-0" / "checkpoints" / "last.ckpt"
    last.parent.mkdir(parents=True)
    last.touch()

    def programs(*arguments):
        return [line.split()[0] for line in calls(checkout, *arguments)]

    first = calls(checkout, "loss")
    assert [line.split()[0] for line in first] == ["train", "evaluate"] * 3
    resumed = [line for line in first if "resume=" in line]
    assert len(resumed) == 1
    assert "experiment=gamma0 scale=small data=folder data.root=data" in resumed[0]
    assert "resume=runs/gamma0-small-0/checkpoints/last.ckpt" in resumed[0]
    assert "checkpoint=runs/gamma0-small-0/checkpoints/best.ckpt" in "".join(first)
    assert programs("loss") == []
    assert programs("loss", "--seeds", 0, 1) == ["train", "evaluate"] * 3
    assert programs("loss", "--cells", "small_gamma2-0", "--again") == ["evaluate"]
    assert programs("sigma_trained") == ["train", "evaluate", "evaluate", "train", "evaluate"]  # shares table2_ours
    shutil.rmtree(checkout / "runs")  # cells with a result do not need the runs any more
    assert programs("loss", "--seeds", 0, 1) == []


def test_scenes_are_made_where_a_command_needs_them(checkout):
    programs = [line.split()[0] for line in calls(checkout, "flip")]
    assert programs == ["synthesize", "train", "evaluate", "evaluate"]


def test_a_failure_ends_the_run_with_its_code_and_records_nothing(checkout):
    (checkout / "bin" / "gog-evaluate").write_text("#!/bin/sh\nexit 2\n")
    process = subprocess.run(
        [sys.executable, RUN, "loss", "--bin", "bin", "--data", "data", "--results", "out", "--runs", "runs"],
        cwd=checkout, capture_output=True, check=False,
    )  # fmt: skip
    assert process.returncode == 2
    assert not (checkout / "out").exists()


@pytest.mark.skipif(os.name != "posix", reason="sends signals to a process group")
def test_on_ctrl_c_a_training_may_finish_its_checkpoint(checkout):
    (checkout / "bin" / "gog-train").write_text(
        "#!/bin/sh\ntrap 'sleep 1; touch saved; exit 130' INT\ntouch started\nsleep 60 & wait $!\n"
    )
    process = subprocess.Popen(
        [sys.executable, RUN, "loss", "--bin", "bin", "--data", "data", "--results", "out", "--runs", "runs"],
        cwd=checkout, start_new_session=True, stdout=subprocess.DEVNULL,
        # Tests that run in the background of a shell inherit that Ctrl+C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    while not (checkout / "started").exists():
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert (checkout / "saved").exists()


# make


def make(*arguments):
    """Run make; the environment is there already, whatever the times of its files say."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    arguments = ["make", "-o", ".venv/.installed", f"BIN={Path(sys.executable).parent}", *arguments]
    return subprocess.run(arguments, cwd=REPOSITORY, capture_output=True, text=True, check=False, env=environment)


needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@needs_make
def test_every_target_runs_its_study(tmp_path):
    text = (REPOSITORY / "experiments" / "tables.mk").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):.*?##", text, re.MULTILINE)) - {"report"}
    assert len(targets) == 19
    process = make("-n", *sorted(targets), f"RESULTS={tmp_path}", "SCALE=full", "SEEDS=0 3", "LIMIT=7", "DATA=photos")
    assert process.returncode == 0, process.stderr
    commands = [line for line in process.stdout.splitlines() if "/gog-" in line]
    assert len(commands) > 150
    assert any("seed=3" in command for command in commands)
    assert any("limit=7" in command and "annotations=photos/annotations" in command for command in commands)
    assert list(tmp_path.iterdir()) == []


@needs_make
def test_make_refuses_an_unknown_scale():
    process = make("-n", "table1", "SCALE=huge")
    assert process.returncode == 2
    assert "invalid choice: 'huge'" in process.stderr


def test_photographs_are_held_out_once_and_nothing_is_lost(checkout):
    """The split depends on the ids alone, and images without people stay in training."""
    from scripts.hold_out import divided

    annotations = {
        "images": [{"id": number} for number in range(50)],
        "annotations": [{"id": number, "image_id": number // 2} for number in range(80, 0, -1)],
        "categories": ["person"],
    }
    parts = divided(annotations, every=10)
    ids = {name: [image["id"] for image in part["images"]] for name, part in parts.items()}
    assert ids["held_out"] == [0, 10, 20, 30, 40]
    assert sorted(ids["train"] + ids["held_out"]) == list(range(50))
    for name, part in parts.items():
        assert {person["image_id"] for person in part["annotations"]} <= set(ids[name])
        assert part["categories"] == ["person"]
    assert sum(len(part["annotations"]) for part in parts.values()) == 80


def test_photographs_are_held_out_before_the_first_training_that_needs_them(checkout):
    trainings = calls(checkout, "methods_search", "--cells", "gog-*")
    assert len(trainings) == 4
    assert all("data.root=outputs/held_out data.val_split=held_out" in line for line in trainings)
    made = checkout / "outputs" / "held_out"
    assert sorted(file.name for file in (made / "annotations").iterdir()) == [
        f"person_keypoints_{split}.json" for split in ("held_out", "train", "val")
    ]
    assert (made / "held_out").readlink() == (checkout / "data" / "train").resolve()
    assert calls(checkout, "methods_search", "--cells", "gog-*") == []
