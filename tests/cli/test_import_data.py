"""gog-import-data as users run it: its exit codes, and gog-inspect and gog-oracle on what it wrote."""

import json
import subprocess
import sys

import pytest
from exported import WRITERS, scene_for

from gog_pose.cli.import_data import chosen_name
from gog_pose.errors import InputError


def run(command, *arguments, cwd):
    line = [sys.executable, "-m", f"gog_pose.cli.{command}", *map(str, arguments), "hydra.run.dir=run"]
    return subprocess.run(line, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "format", ["yolo", *(pytest.param(other, marks=pytest.mark.slow) for other in WRITERS if other != "yolo")]
)
def test_what_is_imported_is_sound_and_can_be_decoded(tmp_path, format):
    (tmp_path / "export").mkdir()
    WRITERS[format](tmp_path / "export", scene_for(format, complete=True, images=4))
    process = run("import_data", "source=export", "output=people", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert f"{format} -> people: 0 left out" in process.stdout
    assert "limbs: " in process.stdout
    assert "oks_sigmas: " in process.stdout

    choices = ["--config-dir", "people/conf", "skeleton=people"]
    small = ("augmentation=small", "preprocessing.long_side=128", "previews=0", "workers=0")
    process = run("inspect", *choices, "data=people", *small, cwd=tmp_path)
    assert process.returncode == 0, process.stdout + process.stderr
    assert "0 errors" in process.stdout

    annotations = "annotations=people/annotations/person_keypoints_train.json"
    process = run("oracle", *choices, annotations, "workers=0", "worst=0", "results=bound.json", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert json.loads((tmp_path / "bound.json").read_text())["AP"] > 0.95


def test_what_was_left_out_is_named_and_ends_with_1_a_wrong_option_with_2(tmp_path):
    WRITERS["yolo"](tmp_path / "export", scene_for("yolo"))
    (tmp_path / "export/images/val/photo 1.png").write_bytes(b"no image")
    process = run("import_data", "source=export", "output=people", "link=true", cwd=tmp_path)
    assert process.returncode == 1
    assert process.stderr.count("left out: ") == 1
    assert "photo 1.png: is not an image" in process.stderr
    assert "1 left out" in process.stdout

    for options, words in (
        (("source=export", "output=people"), "not empty"),
        (("source=export",), "output: is not set"),
        (("source=none", "output=new"), "does not exist"),
        (("source=export", "output=new", "val_share=2"), "val_share"),
        (("source=export", "output=new", "format=labelme"), "labelme|Labelme"),
        (("source=export", "output=coco"), "belongs to this package"),
    ):
        process = run("import_data", *options, cwd=tmp_path)
        assert process.returncode == 2, options
        (line,) = process.stderr.splitlines()
        assert any(word in line for word in words.split("|")), line
    assert not (tmp_path / "new").exists()


def test_names_follow_from_the_folder(tmp_path):
    assert chosen_name(None, tmp_path / "My Kites-2") == "my_kites_2"
    for name in ("2", "a b", "a/b", "", "coco_19", "folder"):
        with pytest.raises(InputError, match="name: "):
            chosen_name(name, tmp_path)
