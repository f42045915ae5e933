"""gog-inspect as users run it: its output, its files and its exit codes."""

import json
import shutil
import subprocess
import sys

import pytest
from inspected import LARGE, change, write
from PIL import Image

from gog_pose.cli.inspect import check
from gog_pose.errors import InputError


@pytest.fixture
def root(tmp_path):
    write(tmp_path)
    return tmp_path


def run(*overrides, cwd):
    command = [sys.executable, "-m", "gog_pose.cli.inspect", "data=folder", *overrides, "hydra.run.dir=run"]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


SMALL = ("augmentation=small", "preprocessing.long_side=128", "previews=2")


def test_command_prints_and_writes_everything_and_ends_with_1_on_errors(root):
    write(root, "val")
    (root / "train" / "2.jpg").write_bytes(b"")
    change(
        root, lambda c: [one.update(LARGE) or one["keypoints"].__setitem__(0, -9) for one in c["annotations"]], "val"
    )
    change(root, lambda c: c["annotations"].extend({**c["annotations"][0], "id": n} for n in (8, 9)), "val")
    process = run("data.root=.", *SMALL, "output=out", "results=out/all.json", "workers=2", cwd=root)
    assert process.returncode == 1, process.stderr
    record = json.loads((root / "out" / "all.json").read_text())
    assert (record["errors"], record["warnings"]) == (1, 8)  # of the three, two and two are the same person
    assert record["files_read"] == {"train": 3, "val": 3}
    assert record["statistics"]["train"]["labelled_people"] == 2
    first = record["findings"][0]
    assert (first["split"], first["severity"], first["kind"], first["image_id"]) == (
        "train",
        "error",
        "image corrupt",
        2,
    )
    assert {finding["annotation_id"] for finding in record["findings"][1:]} == {1, 2, 3, 8, 9}
    assert record["settings"]["skeleton"] == "coco_19"
    for name in ("train.png", "val.png"):
        assert name in record["pictures"]
        assert min(Image.open(root / "out" / name).size) > 100
    assert (root / "out" / "train_sound.json").is_file()
    assert "2.jpg: the file is empty" in process.stdout
    assert "annotations[0].keypoints: 1 outside the image of 120x100 px: nose [-9, 30]" in process.stdout
    assert "and 2 more" in process.stdout
    assert "left_shoulder" in process.stdout


def test_centernet_is_shown_by_its_own_pictures(root):
    process = run("data.root=.", "split=train", "method=centernet", *SMALL, "output=out", cwd=root)
    assert process.returncode == 0, process.stderr
    record = json.loads((root / "run" / "results.json").read_text())
    assert record["settings"]["method"] == "centernet"
    assert Image.open(root / "out" / "train.png").size[0] == 4 * 364 + 4  # people, heatmaps, centers, offsets


def test_command_ends_with_0_on_warnings_and_looks_at_what_it_is_told(root):
    shutil.rmtree(root / "train")
    change(root, lambda c: c["annotations"][0].update(num_keypoints=3))
    process = run("data.root=.", "split=train", "images=false", "results=run/all.json", cwd=root)
    assert process.returncode == 0, process.stderr
    record = json.loads((root / "run" / "all.json").read_text())
    assert (record["errors"], record["warnings"], record["pictures"]) == (0, 1, [])
    assert list(record["statistics"]) == ["train"]


@pytest.mark.parametrize(
    ("overrides", "words"), [((), "data.root"), (("data.root=absent",), "data.root: absent is not a folder")]
)
def test_mistakes_are_told_in_one_line_with_code_2(root, overrides, words):
    process = run(*overrides, cwd=root)
    assert process.returncode == 2
    assert words in process.stderr.splitlines()[-1]
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize(
    ("option", "words"),
    [({"split": "test"}, "split: must be train, val")],
)
def test_senseless_options_are_refused(tmp_path, option, words):
    options = {"split": None, "data": {"root": str(tmp_path)}}
    check(options)
    with pytest.raises(InputError, match=words):
        check({**options, **option})
