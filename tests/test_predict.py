"""gog-predict: every image gets its own overlay, nothing is overwritten, and one bad file does not stop the rest."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from gog_pose.checkpoint import KEY, describe
from gog_pose.cli.predict import JsonList, find_images, overlay_names, refuse_to_overwrite
from gog_pose.decoding import GogDecoder
from gog_pose.errors import InputError
from gog_pose.models import Hourglass, PoseNetwork
from gog_pose.preprocessing import Preprocessing
from gog_pose.skeleton import load_skeleton


def predict(*overrides, cwd):
    command = [sys.executable, "-m", "gog_pose.cli.predict", *overrides, "hydra.run.dir=run"]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "deeper").mkdir(parents=True)
    generator = np.random.default_rng(0)
    for name, hw in (("a.jpg", (40, 60)), ("a.png", (60, 40)), ("deeper/b.JPG", (50, 50))):
        Image.fromarray(generator.integers(0, 256, (*hw, 3), dtype=np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    skeleton = load_skeleton("coco_19")
    network = PoseNetwork(skeleton, Hourglass(stacks=1, channels=(8, 12), blocks=(1, 1), stem_channels=4))
    content = {
        KEY: describe(network, GogDecoder(skeleton, threshold=1e-9, topk=2), Preprocessing(long_side=64)),
        "state_dict": {f"network.{key}": value for key, value in network.state_dict().items()},
    }
    torch.save(content, tmp_path / "model.ckpt")
    return tmp_path / "model.ckpt"


def test_predicts_past_a_broken_file(photos, checkpoint, tmp_path):
    whole = (photos / "a.jpg").read_bytes()
    (photos / "broken.jpg").write_bytes(whole[: len(whole) // 2])
    process = predict(
        f"source={photos}", f"checkpoint={checkpoint}", "output=out", "pictures.min_score=0", cwd=tmp_path
    )
    assert process.returncode == 1, process.stderr
    assert "broken.jpg: the image is damaged" in process.stderr
    assert "3 of 4 images" in process.stdout.splitlines()[-1]

    out = tmp_path / "out"
    images = json.loads((out / "images.json").read_text())
    assert {image["id"]: image["overlay"] for image in images} == {0: "a.png", 1: "a_2.png", 3: "b.png"}
    for image in images:
        assert Image.open(out / image["overlay"]).size == (image["width"], image["height"])
        assert image["file_name"].startswith(str(photos))
    entries = json.loads((out / "predictions.json").read_text())
    assert entries
    for entry in entries:
        assert set(entry) == {"image_id", "category_id", "keypoints", "score"}
        assert entry["image_id"] in (0, 1, 3)
        assert len(entry["keypoints"]) == 51
    assert Image.open(out / "contact_sheet.png").size == (3 * 484 + 4, 364 + 4)


def test_mistakes_are_told_in_one_line_with_code_2(photos, checkpoint, tmp_path):
    for overrides, words in (
        ((f"source={photos}",), "checkpoint: is not set"),
        ((f"source={photos}/absent", f"checkpoint={checkpoint}"), "absent: there is no such file"),
    ):
        process = predict(*overrides, cwd=tmp_path)
        assert process.returncode == 2
        assert words in process.stderr.splitlines()[-1]
        assert "Traceback" not in process.stderr


def test_sources_are_files_folders_and_patterns(photos, tmp_path):
    out = tmp_path / "out"
    assert find_images(str(photos / "a.png"), out) == [photos / "a.png"]
    assert find_images(str(photos), out) == [photos / "a.jpg", photos / "a.png", photos / "deeper" / "b.JPG"]
    assert find_images(str(photos / "*.p*g"), out) == [photos / "a.png"]
    assert find_images(str(photos / "**" / "*.JPG"), out) == [photos / "deeper" / "b.JPG"]


def test_overlays_of_an_earlier_run_are_no_input(photos):
    before = find_images(str(photos), photos / "out")
    (photos / "out").mkdir()
    (photos / "a.png").rename(photos / "out" / "a.png")
    assert find_images(str(photos), photos / "out") == [path for path in before if path.name != "a.png"]


@pytest.mark.parametrize("source", ["absent", "absent/*.jpg", "empty"])
def test_nothing_to_look_at_is_an_error(tmp_path, source):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"source: .*check the path"):
        find_images(str(tmp_path / source), tmp_path / "out")


def test_overlay_names_never_clash(tmp_path):
    names = ("x/a.jpg", "y/a.jpg", "a_2.jpg", "A.png", "contact_sheet.jpg", "b.tar.gif")
    overlays = overlay_names([tmp_path / name for name in names])
    assert overlays == ["a.png", "a_2.png", "a_2_2.png", "A_3.png", "contact_sheet_2.png", "b.tar.png"]
    assert len({name.lower() for name in overlays}) == len(names)


def test_an_overlay_never_replaces_an_image(tmp_path):
    with pytest.raises(InputError, match=r"a\.png is one of the images"):
        refuse_to_overwrite([tmp_path / "a.png"], [tmp_path / "sub" / ".." / "a.png"])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_json_list_is_valid_even_when_broken_off(tmp_path, count):
    entries = [{"id": number} for number in range(count)]

    def write():
        with JsonList(tmp_path / "list.json") as written:
            for entry in entries:
                written.append(entry)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert json.loads((tmp_path / "list.json").read_text()) == entries
