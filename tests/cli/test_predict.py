"""gog-predict: every source has its own overlay; bad files and Ctrl+C do not lose earlier results."""

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from gog_pose.checkpoints.description import KEY, describe
from gog_pose.cli.predict import check
from gog_pose.cli.runtime import config_dir
from gog_pose.decoding import GogDecoder
from gog_pose.errors import InputError
from gog_pose.imaging.letterbox import prepare_image
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.methods.gog.heads import GogHeads
from gog_pose.networks import PoseNetwork
from gog_pose.networks.trunks.hourglass import Hourglass
from gog_pose.skeleton import load_skeleton

MODULE = ("-m", "gog_pose.cli.predict")


def predict(*overrides, cwd, program=MODULE, env=None):
    command = [sys.executable, *program, *overrides, "output=out", "pictures.min_score=0", "hydra.run.dir=run"]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=env)


def noise(seed, height, width, channels=3):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def written(folder):
    """Return what a run has written: images by their file and frame, people by image id."""
    images = json.loads((folder / "images.json").read_text())
    people = {image["id"]: [] for image in images}
    for entry in json.loads((folder / "predictions.json").read_text()):
        assert set(entry) == {"image_id", "category_id", "keypoints", "score"}
        assert len(entry["keypoints"]) == 51
        people[entry["image_id"]].append((entry["keypoints"], entry["score"]))
    return images, people


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    skeleton = load_skeleton("coco_19")
    trunk = Hourglass(stacks=1, channels=(8, 12), blocks=(1, 1), stem_channels=4)
    network = PoseNetwork(skeleton, trunk, GogHeads)
    content = {
        KEY: describe(network, GogDecoder(skeleton, threshold=1e-9, topk=2), Preprocessing(long_side=64)),
        "state_dict": {f"network.{key}": value for key, value in network.state_dict().items()},
    }
    torch.save(content, tmp_path / "model.ckpt")
    return tmp_path / "model.ckpt"


@pytest.fixture
def clip(tmp_path):
    """Return a video of 20 frames, 64x48 px, each compressed by itself."""
    writer = cv2.VideoWriter(str(tmp_path / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 12.5, (64, 48))
    for number in range(20):
        writer.write(cv2.resize(noise(number, 6, 8), (64, 48)))
    writer.release()
    return tmp_path / "clip.avi"


def test_ten_kinds_of_bad_input_are_handled_or_named(checkpoint, clip, tmp_path):
    folder = tmp_path / "photos"
    (folder / "folder.jpg").mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn
    plain = Image.fromarray(noise(0, 40, 60))
    plain.save(folder / "folder.jpg" / "inside.jpg")
    plain.save(folder / "rotated.jpg", exif=exif)
    plain.convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(noise(1, 40, 60, 4)).save(folder / "alpha.png")
    Image.fromarray(noise(1, 40, 60)[..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    Image.new("RGB", (1, 1)).save(folder / "pixel.png")
    Image.fromarray(noise(2, 10, 20000)).save(folder / "thin.png")
    (folder / "notes.jpg").write_text("no image")
    (folder / "empty.jpg").touch()
    (folder / "truncated.jpg").write_bytes((folder / "rotated.jpg").read_bytes()[:1000])
    (folder / "notes.mp4").write_text("no video")
    (folder / "truncated.avi").write_bytes(clip.read_bytes()[: clip.stat().st_size * 3 // 4])

    process = predict(f"source={folder}", f"checkpoint={checkpoint}", "views=[heatmaps,offsets]", cwd=tmp_path)
    assert process.returncode == 1, process.stderr
    named = [line for line in process.stderr.splitlines() if line.startswith("gog-predict: left out:")]
    problems = {
        "empty.jpg: the file is empty",
        "notes.jpg: is not an image of a known format",
        "truncated.jpg: the image is damaged",
        "notes.mp4: is not a video that can be read",
        "truncated.avi: the file ends after",
    }
    assert len(named) == len(problems)
    for problem in problems:
        assert sum(f"{folder}/{problem}" in line for line in named) == 1
    assert len(process.stderr.splitlines()) == 1 + len(named)  # the progress bar; neither OpenCV nor FFmpeg

    images, people = written(tmp_path / "out")
    stills = [image for image in images if "frame" not in image]
    assert {image["file_name"].removeprefix(f"{folder}/"): (image["width"], image["height"]) for image in stills} == {
        "alpha.png": (60, 40), "cmyk.jpg": (60, 40), "deep.png": (60, 40), "folder.jpg/inside.jpg": (60, 40),
        "pixel.png": (1, 1), "rotated.jpg": (40, 60), "thin.png": (20000, 10),
    }  # fmt: skip
    for image in stills:
        assert Image.open(tmp_path / "out" / image["overlay"]).size == (image["width"], image["height"])
        for view in ("heatmaps", "offsets"):
            width, height = Image.open(tmp_path / "out" / image[view]).size
            assert max(width, height) == 64
    frames = [image["frame"] for image in images if "frame" in image]
    assert frames == list(range(len(frames)))
    assert 5 < len(frames) < 20
    assert sum(map(len, people.values())) > 0
    assert process.stdout.splitlines()[-1].split(" -> ")[0].endswith(f"people on {len(images)} frames")


def test_a_long_thin_image_makes_a_small_input():
    tensor, _, image_hw, _ = prepare_image(noise(0, 10, 20000), Preprocessing(long_side=640), 128)
    assert tensor.shape == (3, 128, 640)
    assert image_hw == (1, 640)


def test_a_frame_of_a_video_has_the_poses_of_the_same_image(checkpoint, clip, tmp_path):
    """Nor does it matter how many frames go through the network together."""
    folder = tmp_path / "source"
    folder.mkdir()
    clip.rename(folder / "clip.avi")
    capture = cv2.VideoCapture(str(folder / "clip.avi"))
    for number in range(20):
        cv2.imwrite(str(folder / f"still_{number:02}.png"), capture.read()[1])
    options = ("batch_size=3", "every=2", "limit=29")
    process = predict(f"source={folder}", f"checkpoint={checkpoint}", *options, cwd=tmp_path)
    assert process.returncode == 0, process.stderr

    images, people = written(tmp_path / "out")
    assert [image["id"] for image in images] == list(range(29))
    frames, stills = images[:10], images[10:]
    assert [frame["frame"] for frame in frames] == list(range(0, 20, 2))
    assert [frame["seconds"] for frame in frames] == pytest.approx([0.08 * number for number in range(0, 20, 2)])
    assert {frame["overlay"] for frame in frames} == {"clip.mp4"}
    for frame in frames:
        still = stills[frame["frame"]]
        assert still["overlay"] == f"still_{frame['frame']:02}.png"
        assert len(people[frame["id"]]) == len(people[still["id"]]) > 0
        for (keypoints, score), (others, other_score) in zip(people[frame["id"]], people[still["id"]], strict=True):
            assert keypoints == pytest.approx(others, abs=0.01)
            assert score == pytest.approx(other_score, abs=1e-5)
    overlay = cv2.VideoCapture(str(tmp_path / "out" / "clip.mp4"))
    assert [overlay.get(option) for option in (cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FPS)] == [10, 6.25]


INTERRUPTED = """
import signal, sys
import cv2, numpy as np
class Camera:  # a signal comes as it takes the third picture
    taken = 0
    def __init__(self, source): assert source == 0
    def isOpened(self): return True
    def get(self, option): return 10.0
    def grab(self):
        Camera.taken += 1
        if Camera.taken == 3: signal.raise_signal(signal.SIGNAL)
        return True
    def retrieve(self): return True, np.full((48, 64, 3), Camera.taken, np.uint8)
    def release(self): pass
files = cv2.VideoCapture
cv2.VideoCapture = lambda *source: Camera(*source) if source == (0,) else files(*source)
from gog_pose.cli.predict import main
main()
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_ctrl_c_and_sigterm_end_after_the_frame_under_way_with_everything_written(checkpoint, tmp_path, name):
    (tmp_path / "interrupted.py").write_text(INTERRUPTED.replace("SIGNAL", name))
    process = predict("source=camera:0", f"checkpoint={checkpoint}", cwd=tmp_path, program=("interrupted.py",))
    assert process.returncode == 130, process.stderr
    assert "Traceback" not in process.stderr
    assert "interrupted; the files of the first 3 frames are complete" in process.stderr
    images, people = written(tmp_path / "out")
    assert [image["frame"] for image in images] == [0, 1, 2]
    assert {image["file_name"] for image in images} == {"camera:0"}
    assert all(people.values())
    overlay = cv2.VideoCapture(str(tmp_path / "out" / images[0]["overlay"]))
    assert overlay.get(cv2.CAP_PROP_FRAME_COUNT) >= 3
    assert Image.open(tmp_path / "out" / "contact_sheet.png").size == (3 * 484 + 4, 364 + 4)


def test_a_killed_run_leaves_the_files_of_the_run_before(checkpoint, tmp_path):
    (tmp_path / "interrupted.py").write_text(INTERRUPTED.replace("SIGNAL", "SIGKILL"))
    names = ("predictions.json", "images.json", "camera_0.mp4", "contact_sheet.png")
    (tmp_path / "out").mkdir()
    for name in names:
        (tmp_path / "out" / name).write_text("old")
    process = predict("source=camera:0", f"checkpoint={checkpoint}", cwd=tmp_path, program=("interrupted.py",))
    assert process.returncode == -9
    for name in names:
        assert (tmp_path / "out" / name).read_text() == "old"


def test_odd_names_and_files_that_are_no_media_cost_nothing(checkpoint, clip, tmp_path):
    """A folder with names in Latin-1, with control characters, and a PostScript file that Ghostscript must not see."""
    folder = tmp_path / "photos"
    folder.mkdir()
    clip.rename(folder / os.fsdecode(b"caf\xe9.avi"))
    Image.fromarray(noise(0, 40, 60)).save(folder / "photo.png")
    (folder / "photo.png").rename(folder / os.fsdecode(b"na\xefve\x1b[2J\n.JFIF"))
    (folder / "drawing.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    (folder / "notes.txt").touch()
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/started\nexit 1\n")
    (programs / "gs").chmod(0o755)

    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    process = predict(f"source={folder}", f"checkpoint={checkpoint}", cwd=tmp_path, env=environment)
    assert process.returncode == 1, process.stderr
    assert process.stderr.splitlines()[1:] == [
        f"gog-predict: left out: {folder}/drawing.png: is not an image of a known format"
        " (BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP); remove it or convert it",
        "gog-predict: not used: 1 file with other endings (1 .txt)",
    ]
    assert not (tmp_path / "started").exists()
    images, _ = written(tmp_path / "out")
    assert len(images) == 20 + 1
    for image in images:
        assert (tmp_path / "out" / image["overlay"]).is_file()


def test_mistakes_are_told_in_one_line_with_code_2(checkpoint, clip, tmp_path):
    (tmp_path / "out").mkdir()
    mp4 = clip.rename(tmp_path / "out" / "clip.mp4")
    before = mp4.read_bytes()
    for overrides, words in (
        ((f"source={mp4}", "checkpoint=null"), "checkpoint: is not set"),
        ((f"source={tmp_path}/absent", f"checkpoint={checkpoint}"), "absent: there is no such file"),
        ((f"source={mp4}", f"checkpoint={checkpoint}", "views=[maps]"), "choose heatmaps, offsets"),
        ((f"source={mp4}", f"checkpoint={checkpoint}"), "clip.mp4 is one of the sources and would be overwritten"),
    ):
        process = predict(*overrides, cwd=tmp_path)
        assert process.returncode == 2
        assert words in process.stderr.splitlines()[-1]
        assert "Traceback" not in process.stderr
    assert mp4.read_bytes() == before


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"source": None}, "source: is not set"),
        ({"views": ["heatmaps"], "checkpoint": "model.onnx"}, "views: an exported file does not output its maps"),
        ({"video": {"codec": "h264x", "rate": None}}, "video.codec: must be four letters"),
        ({"video": {"codec": "mp4v", "rate": None}}, "is MPEG-4 part 2, which browsers do not play; set video.codec="),
    ],
)
def test_options_are_checked_before_anything_is_read(changed, words):
    options = OmegaConf.to_container(OmegaConf.load(Path(config_dir()) / "predict.yaml"))
    options |= {"source": "absent", "checkpoint": "absent"}
    check(options)
    with pytest.raises(InputError, match=re.escape(words)):
        check(options | changed)


def test_people_keep_their_ids_in_a_video(tmp_path):
    """The bundled weights follow the people of a photograph that moves by 2 px per frame."""
    photo = cv2.imread(str(Path(__file__).parents[2] / "docs" / "photo.jpg"))
    writer = cv2.VideoWriter(str(tmp_path / "pan.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (480, 480))
    for number in range(6):
        writer.write(photo[:480, 2 * number : 2 * number + 480])
    writer.release()
    process = predict(f"source={tmp_path}/pan.avi", "track=true", "device=cpu", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    frames = [[] for _ in range(6)]
    for entry in json.loads((tmp_path / "out" / "predictions.json").read_text()):
        frames[entry["image_id"]].append(entry)
    for people in frames:
        numbers = [entry["track_id"] for entry in people if entry["track_id"]]
        assert len(set(numbers)) == len(numbers) > 0
    followed = 0
    for before, after in itertools.pairwise(frames):
        for person in before:
            near = [other["track_id"] for other in after if other["score"] >= 0.25 and moved_by(person, other) < 5]
            if person["score"] >= 0.4 and near:
                assert near == [person["track_id"]]
                followed += 1
    assert followed >= 5
    assert (tmp_path / "out" / "pan.mp4").is_file()


def moved_by(person, other):
    """Return the median distance, px, of the keypoints of two entries, and infinity where they share fewer than 6."""
    first, second = (np.reshape(entry["keypoints"], (-1, 3)) for entry in (person, other))
    both = (first[:, 2] > 0) & (second[:, 2] > 0)
    return np.median(np.linalg.norm(first - second, axis=1)[both]) if both.sum() >= 6 else np.inf
