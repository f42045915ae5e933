"""The paper's tables as things one runs: experiments compose with their commands, make runs a cell once, the report."""

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

sys.path.insert(0, str(Path(__file__).parent / "evaluation"))
from annotated import standing, write_annotations

from gog_pose.cli.runtime import config_dir, instantiate, resolved

REPOSITORY = Path(__file__).resolve().parents[1]
EXPERIMENTS = sorted(path.stem for path in (REPOSITORY / "conf" / "experiment").glob("*.yaml"))
NODES = {
    "train": ("skeleton", "encoder", "decoder", "loss", "preprocessing", "augmentation", "data", "model"),
    "oracle": ("skeleton", "encoder", "decoder", "noise"),
    "evaluate": ("skeleton",),
}
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def command_of(experiment):
    """The command line in the header of an experiment: what to run, and with which overrides."""
    text = (REPOSITORY / "conf" / "experiment" / f"{experiment}.yaml").read_text(encoding="utf-8")
    program, *overrides = re.search(r"^# gog-(.*)$", text, re.MULTILINE).group(1).split()
    return program, overrides


def composed(program, overrides, output):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        cfg = compose(program, [*overrides, f"hydra.runtime.output_dir={output}"], return_hydra_config=True)
    HydraConfig.instance().set_config(cfg)
    OmegaConf.set_readonly(cfg.hydra, False)
    return cfg


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_composes_with_the_command_of_its_header(experiment, tmp_path):
    program, overrides = command_of(experiment)
    assert f"experiment={experiment}" in overrides
    cfg = composed(program, overrides, tmp_path)
    if program == "evaluate":
        cfg.data = OmegaConf.masked_copy(cfg.data, ["root", "images", "annotations", "train_split", "val_split"])
    options = resolved(OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"]))
    if program == "train" and "centernet" in cfg.hydra.runtime.choices.model:
        cfg.model = OmegaConf.create({**composed("train", ["model=hourglass104"], tmp_path).model})
    nodes = [cfg[name] for name in NODES[program]]
    if program == "train":
        nodes += [cfg.optim.optimizer, cfg.optim.schedule, *cfg.callbacks.values()]
    with torch.device("meta"):
        for node in nodes:
            assert instantiate(node) is not None
    if program == "evaluate":
        from gog_pose.cli.evaluate import check

        check(options)


def published():
    """Each experiment's own statement of what the paper reports, and what the ledger says of the same cell."""
    for study in yaml.safe_load((REPOSITORY / "experiments" / "cells.yaml").read_text(encoding="utf-8"))["studies"]:
        for row, experiments in study.get("experiments", {}).items():
            number = study["columns"][0]["published"].get(row)
            if number is not None:
                yield pytest.param(
                    experiments[-1 if "flip" in experiments[-1] else 0], number, id=f"{study['study']}-{row}"
                )


@pytest.mark.parametrize(("experiment", "number"), list(published()))
def test_experiments_and_ledger_quote_the_same_numbers(experiment, number):
    text = (REPOSITORY / "conf" / "experiment" / f"{experiment}.yaml").read_text(encoding="utf-8")
    assert f"{number:.3f}" in text


def test_columns_of_table_2_differ_in_what_they_say(tmp_path):
    def choices(experiment):
        cfg = composed(*command_of(experiment), tmp_path)
        return cfg.encoder.quantise, cfg.encoder.refinement, cfg.decoder.localiser, cfg.decoder.refine

    for size in ("", "small_"):
        assert choices(f"{size}table2_ours") == (False, 0, "bicubic", False)
        assert choices(f"{size}table2_ours_ro") == (False, 3, "bicubic", True)
        assert choices(f"{size}table2_qnt") == (True, 0, "cell", False)
        assert choices(f"{size}table2_qnt_ro") == (True, 3, "cell", True)
        for name in ("dark", "bilinear", "subpixel"):
            assert composed(*command_of(f"{size}table2_{name}"), tmp_path).decoder.localiser == name


@pytest.mark.parametrize(
    "name", ["gamma0", "gamma2", "sigma5", "sigma9", "support3", "support11", "limbs16", "limbs44"]
)
@pytest.mark.parametrize("size", ["", "small_"])
def test_an_ablation_differs_from_ours_in_its_one_option(name, size, tmp_path):
    option, number = re.fullmatch(r"([a-z]+)(\d+)", name).groups()
    place = {"gamma": ("loss", "gamma"), "sigma": ("encoder", "sigma"), "support": ("encoder", "support")}
    cfg, ours = (composed("train", [f"experiment={size}{which}"], tmp_path) for which in (name, "table2_ours"))
    for config in (cfg, ours):
        config.group = None
        config.name = None
    if option == "limbs":
        assert cfg.skeleton.name == f"coco_{number}"
        cfg.skeleton.name = ours.skeleton.name
    else:
        node, leaf = place[option]
        assert cfg[node][leaf] == float(number) != ours[node][leaf]
        cfg[node][leaf] = ours[node][leaf]
    plain = [
        OmegaConf.to_container(OmegaConf.masked_copy(c, [k for k in c if k not in ("hydra", "data")]))
        for c in (cfg, ours)
    ]
    assert plain[0] == plain[1]


# make


def make(*arguments, cwd=REPOSITORY):
    """Run make; the environment is there already, whatever the times of its files say."""
    arguments = ["make", "-o", ".venv/.installed", "MAKEFLAGS=", *arguments]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, check=False, env=environment)


def targets():
    text = (REPOSITORY / "experiments" / "tables.mk").read_text(encoding="utf-8")
    return re.findall(r"^([a-z0-9-]+):.*?##", text, re.MULTILINE)


@needs_make
@pytest.mark.parametrize("scale", ["small", "full"])
def test_targets_run_commands_that_exist_and_compose(scale, tmp_path):
    commands = set()
    for target in targets():
        process = make(
            "-n", target, f"SCALE={scale}", f"RESULTS={tmp_path}/results", f"RUNS={tmp_path}/runs", "BIN=bin"
        )
        assert process.returncode == 0, process.stderr
        found = {line for line in process.stdout.replace("\\\n", " ").splitlines() if line.startswith("bin/")}
        assert found, target
        commands |= found
    assert len(commands) > 60
    kinds = {}
    for line in commands:
        program, *overrides = shlex.split(line.split("/", 1)[1])
        choices = [part for part in overrides if part.startswith("experiment=")] or [
            part.split("=")[0] for part in overrides
        ]
        kinds[(program, *choices)] = overrides
    for (program, choice, *_), overrides in kinds.items():
        if program == "python":
            assert (REPOSITORY / overrides[0]).is_file()
            continue
        name = program.removeprefix("gog-")
        assert (REPOSITORY / "src" / "gog_pose" / "cli" / f"{name}.py").is_file()
        if choice.startswith("experiment="):
            assert command_of(choice.removeprefix("experiment="))[0] == name
        else:
            composed(name, overrides, tmp_path)


@needs_make
def test_full_size_is_the_papers(tmp_path):
    process = make("-n", "table1", "SCALE=full", f"RESULTS={tmp_path}", f"RUNS={tmp_path}", "BIN=bin")
    assert "gog-train experiment=table2_ours seed=0 data=coco data.root=data/coco" in process.stdout
    assert process.stdout.count("gog-train") == 2  # one network for "Ours 1" and "Ours 2", one for "Ours 3"
    assert make("-n", "table1", "SCALE=huge").returncode == 2


@pytest.fixture
def checkout(tmp_path):
    """A folder with the Makefile, commands that note that they ran, and a tiny data set."""
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    (tmp_path / "experiments").mkdir()
    shutil.copy(REPOSITORY / "experiments" / "tables.mk", tmp_path / "experiments")
    (tmp_path / "bin").mkdir()
    for name in ("oracle", "train", "evaluate"):
        script = tmp_path / "bin" / f"gog-{name}"
        script.write_text(f'#!/bin/sh\necho {name} "$@" >> calls\n{sys.executable} -m gog_pose.cli.{name} "$@"\n')
        script.chmod(0o755)
    annotations = tmp_path / "data" / "annotations"
    annotations.mkdir(parents=True)
    write_annotations(annotations / "person_keypoints_val.json", {1: [standing(20, 20)], 2: [standing(90, 60)]})
    shutil.copy(annotations / "person_keypoints_val.json", annotations / "person_keypoints_train.json")
    return tmp_path


@needs_make
def test_a_cell_runs_once_and_again_when_its_file_is_removed(checkout):
    cell = checkout / "out" / "sigma" / "results" / "5-medium.json"

    def run():
        process = make(
            "RESULTS=out", "BIN=bin", "DATA=data", "ORACLE=workers=0", str(cell.relative_to(checkout)), cwd=checkout
        )
        assert process.returncode == 0, process.stderr
        return len((checkout / "calls").read_text().splitlines())

    assert run() == 1
    record = json.loads(cell.read_text())
    assert record["images"] == 2
    assert record["settings"]["options"]["encoder"]["sigma"] == 5
    assert record["settings"]["noise"] == "medium"
    assert run() == 1
    cell.unlink()
    assert run() == 2


@needs_make
def test_an_interrupted_training_goes_on_and_a_finished_one_is_not_repeated(checkout):
    for name in ("train", "evaluate"):  # that leave what the real ones leave
        (checkout / "bin" / f"gog-{name}").write_text(
            f'#!/bin/sh\necho {name} "$@" >> calls\nfor word in "$@"; do case $word in\n'
            "hydra.run.dir=*) dir=${word#*=} ;; results=*) file=${word#*=} ;; esac; done\n"
            'mkdir -p "$(dirname "${file:-$dir/results.json}")" && echo {} > "${file:-$dir/results.json}"\n'
        )
    last = checkout / "runs" / "small_gamma0-0" / "checkpoints" / "last.ckpt"
    last.parent.mkdir(parents=True)
    last.touch()

    def run(target, *more):
        (checkout / "calls").unlink(missing_ok=True)
        process = make("RESULTS=out", "RUNS=runs", "BIN=bin", "DATA=data", target, *more, cwd=checkout)
        assert process.returncode == 0, process.stderr
        calls = checkout / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    first = run("ablation-loss")
    assert [line.split()[0] for line in first] == ["train", "evaluate"] * 3
    resumed = [line for line in first if "resume=" in line]
    assert len(resumed) == 1
    assert "experiment=small_gamma0 seed=0" in resumed[0]
    assert "resume=runs/small_gamma0-0/checkpoints/last.ckpt" in resumed[0]
    assert "checkpoint=runs/small_gamma0-0/checkpoints/best.ckpt" in "".join(first)
    assert run("ablation-loss") == []
    assert [line.split()[0] for line in run("ablation-loss", "SEEDS=0 1")] == ["train", "evaluate"] * 3
    (checkout / "out" / "loss" / "results" / "small_gamma2-1.json").unlink()
    assert [line.split()[0] for line in run("ablation-loss", "SEEDS=0 1")] == ["evaluate"]
    shutil.rmtree(checkout / "runs")  # finished cells do not need the runs any more
    assert run("ablation-loss", "SEEDS=0 1") == []


# The report


@pytest.fixture
def report():
    pytest.importorskip("matplotlib")
    spec = importlib.util.spec_from_file_location("report", REPOSITORY / "experiments" / "report.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ledger(report, tmp_path, monkeypatch):
    """A ledger of one study, and a folder of one's own results."""
    for folder, name, average_precision in (
        ("ledger", "1-0", 0.25), ("ledger", "1-1", 0.75), ("ledger", "2-0", 0.5), ("own", "1-0", 0.125),
    ):  # fmt: skip
        results = tmp_path / folder / "width" / "results"
        results.mkdir(parents=True, exist_ok=True)
        (results / f"{name}.json").write_text(json.dumps({"AP": average_precision, "people": {"merged": 1200}}))
    study = {
        "study": "width", "title": "Width: wide or narrow", "command": "make width", "setting": "Nowhere.",
        "date": "2026",
        "axis": "width", "rows": [1, 2, 3], "reading": "Narrow.", "experiments": {"1": ["small", "upper_19"]},
        "columns": [
            {"title": "paper", "published": {"1": 0.3}}, {"title": "full", "files": "none"},
            {"title": "small", "files": "{row}-*"},
            {"title": "merged", "files": "{row}-0", "metric": "people.merged"},
        ],
    }  # fmt: skip
    (tmp_path / "ledger" / "cells.yaml").write_text(yaml.safe_dump({"introduction": "# Page", "studies": [study]}))
    monkeypatch.setattr(report, "LEDGER", tmp_path / "ledger")
    return tmp_path


def test_report_tabulates_seeds_own_results_and_gaps(report, ledger):
    page = report.main(ledger / "page", ledger / "own").read_text()
    assert "| 1 | 0.300 |  | 0.500 (0.250 to 0.750, 2 seeds) (here 0.125) | 1,200 (here 1,200) |" in page
    assert "| 2 |  |  | 0.500 | 1,200 |" in page
    assert "| 3 |  |  |  |  |" in page
    assert "| Width | 1 | `gog-train experiment=small data.root=DIR`<br>`gog-oracle experiment=upper_19" in page
    assert "needs GPUs" in page
    assert (ledger / "page" / "width.png").stat().st_size > 1000


def test_report_draws_the_same_from_the_same(report, ledger):
    pages = [report.main(ledger / name, None) for name in ("one", "two")]
    assert pages[0].read_bytes() == pages[1].read_bytes()
    assert (ledger / "one" / "width.png").read_bytes() == (ledger / "two" / "width.png").read_bytes()


def test_the_page_in_the_repository_is_that_of_its_results(report, tmp_path):
    page = report.main(tmp_path, None)
    assert page.read_text() == (REPOSITORY / "experiments" / "report" / "report.md").read_text(), (
        "results or cells.yaml have changed since: make report REPORT=experiments/report RESULTS="
    )


def test_every_results_file_of_the_studies_is_on_the_page(report):
    studies = yaml.safe_load((REPOSITORY / "experiments" / "cells.yaml").read_text(encoding="utf-8"))["studies"]
    for study in studies:
        folder = REPOSITORY / "experiments" / study["study"] / "results"
        shown = {
            file.name
            for row in report.rows(study)
            for column in study["columns"]
            if "files" in column
            for file in folder.glob(column["files"].replace("{row}", row) + ".json")
        }
        if study["study"] != "upper_bound":  # its README has more
            assert shown == {file.name for file in folder.glob("*.json")}, study["study"]
