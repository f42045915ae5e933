"""Checks of image files: each kind of damage and each doubt has its own finding."""

import re

import cv2
import numpy as np
import pytest
from inspected import HEIGHT, WIDTH
from PIL import Image

from gog_pose.data.inspection.files import ImageJob, check_file


def saved(folder, name="image.jpg", image=None, **options):
    path = folder / name
    (image or Image.new("RGB", (WIDTH, HEIGHT), (90, 120, 30))).save(path, **options)
    return path


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def cut(folder):
    path = saved(folder)
    path.write_bytes(path.read_bytes()[:-200])
    return path


def replaced(folder, content):
    path = folder / "image.jpg"
    path.write_bytes(content)
    return path


def wide(folder, name, channels):
    path = folder / name
    assert cv2.imwrite(str(path), np.full((HEIGHT, WIDTH, channels), 40000, np.uint16).squeeze())
    return path


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (saved, {}),
        (lambda f: saved(f, "image.png"), {}),
        (lambda f: saved(f, "image.jpg", format="MPO", save_all=True, append_images=[Image.new("RGB", (9, 9))]), {}),
        (cut, {"image corrupt": "damaged"}),
        (lambda f: replaced(f, b""), {"image corrupt": "empty"}),
        (lambda f: replaced(f, b"<html>404</html>"), {"image corrupt": "not an image"}),
        (lambda f: saved(f, "image.tif", Image.new("F", (WIDTH, HEIGHT))), {"image corrupt": "floating-point"}),
        (lambda f: saved(f, "image.jpg", format="PNG"), {"image misnamed": "holds PNG"}),
        (lambda f: saved(f, "image", format="PNG"), {"image misnamed": "holds PNG"}),
        (lambda f: saved(f, exif=exif(3)), {"EXIF rotation": "orientation 3"}),
        (
            lambda f: saved(f, "image.jpg", Image.new("RGB", (HEIGHT, WIDTH)), exif=exif(6)),
            {"EXIF rotation": "orientation 6", "image size differs": "as its EXIF tag rotates it"},
        ),
        (lambda f: saved(f, "image.png", exif=exif(1)), {}),
        (lambda f: saved(f, "image.jpg", Image.new("CMYK", (WIDTH, HEIGHT))), {"CMYK": "print"}),
        (lambda f: wide(f, "image.png", 1), {"16 bits": "16 bits"}),
        (lambda f: wide(f, "image.png", 3), {"16 bits": "16 bits"}),
        (lambda f: wide(f, "image.tif", 3), {"16 bits": "16 bits"}),
        (
            lambda f: saved(f, "image.jpg", Image.new("RGB", (WIDTH, 99))),
            {"image size differs": "is 120x99 px, but .* says 120x100"},
        ),
    ],
)  # fmt: skip
def test_image_files(tmp_path, make, expected):
    path = make(tmp_path)
    findings = check_file(ImageJob(5, path, (HEIGHT, WIDTH), tmp_path / "people.json")).findings
    assert sorted(finding.kind for finding in findings) == sorted(expected)
    for finding in findings:
        assert finding.image_id == 5
        assert str(path) in finding.message
        assert re.search(expected[finding.kind], finding.message)
