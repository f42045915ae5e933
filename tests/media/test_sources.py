"""Sources: files, folders, patterns and cameras; the content of a file determines its kind, and no file is lost."""

import os

import cv2
import numpy as np
import pytest
from PIL import Image

from gog_pose.errors import InputError
from gog_pose.media.contents import kind_of
from gog_pose.media.frames import Camera, ImageFile, VideoFile
from gog_pose.media.sources import described, find_media


def media(source, output):
    return find_media(str(source), output).media


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "photos"
    (folder / "deeper.jpg").mkdir(parents=True)
    for name in ("a.jpg", "a.png", "notes.txt", "clip.MP4", "deeper.jpg/b.JPG"):
        (folder / name).touch()
    return folder


def test_sources_are_files_folders_patterns_and_cameras(folder, tmp_path):
    out = tmp_path / "out"
    deep = ImageFile(folder / "deeper.jpg" / "b.JPG")
    assert media(folder / "a.png", out) == [ImageFile(folder / "a.png")]
    assert media(folder / "clip.MP4", out) == [VideoFile(folder / "clip.MP4")]
    assert media(folder, out) == [
        ImageFile(folder / "a.jpg"), ImageFile(folder / "a.png"), VideoFile(folder / "clip.MP4"), deep
    ]  # fmt: skip
    assert media(folder / "*.p*g", out) == [ImageFile(folder / "a.png")]
    assert media(folder / "**" / "*.JPG", out) == [deep]
    assert media(folder / "deeper.jpg", out) == [deep]
    assert media("0", out) == [Camera(0)]
    assert media("camera:12", out) == [Camera(12)]


@pytest.mark.parametrize("pattern", ["", "*", "**/*.png"])
def test_overlays_of_an_earlier_run_are_no_input(folder, pattern):
    (folder / "out").mkdir()
    before = media(folder / pattern, folder / "out")
    (folder / "out" / "a.png").touch()
    assert media(folder / pattern, folder / "out") == before


@pytest.mark.parametrize("source", ["absent", "absent/*.jpg", "empty"])
def test_nothing_to_look_at_is_an_error(tmp_path, source):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"source: .*check the path"):
        find_media(str(tmp_path / source), tmp_path / "out")


@pytest.fixture
def picture(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "picture.png")
    return (tmp_path / "picture.png").read_bytes()


@pytest.fixture
def clip(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    return (tmp_path / "film.avi").read_bytes()


def test_the_content_says_what_a_file_is_and_others_are_counted(tmp_path, picture, clip):
    folder = tmp_path / "mixed"
    folder.mkdir()
    packets = (b"\x47" + bytes(187)) * 4
    contents = {
        "photo.JFIF": picture, "photo": picture, "photo.mp4": picture, "film.divx": clip, "film.jpg": clip,
        "broadcast.ts": packets, "broken.jpg": b"text", "broken.mp4": b"", "phone.heic": bytes(4) + b"ftypheic",
        "page.ts": b"export const a = 1;", "notes.txt": b"notes", "Thumbs.db": bytes(99), "README": b"text",
        "more.TXT": b"",
    }  # fmt: skip
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    found = find_media(str(folder), tmp_path / "out")
    assert {medium.path.name for medium in found.media if isinstance(medium, ImageFile)} == {
        "photo.JFIF", "photo", "photo.mp4", "broken.jpg", "phone.heic"
    }  # fmt: skip
    assert {medium.path.name for medium in found.media if isinstance(medium, VideoFile)} == {
        "film.divx", "film.jpg", "broadcast.ts", "broken.mp4"
    }  # fmt: skip
    assert found.passed_over == {".ts": 1, ".txt": 2, ".db": 1, "": 1}
    assert described(found.passed_over).startswith("5 files with other endings (2 .txt, ")
    assert found.unreadable == []


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x18ftypisom", "video"),
        (b"\0\0\0\x18ftypqt  ", "video"),
        (b"\0\0\0\x18ftypM4A ", None),
        (b"\0\0\0\x18ftypavif", "image"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "video"),
        (b"\x1a\x45\xdf\xa3", "video"),
        ((b"TIME" + b"\x47" + bytes(187)) * 3, "video"),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"RIFF\0\0\0\0WEBP", "image"),
        (b"II*\0\x08\0\0\0", "image"),
        (b"BM are not the first letters of a bitmap here", "text"),
        ("Grüße".encode(), "text"),
        (b"#EXTM3U\n", "text"),
        (b"", None),
        (bytes(64), None),
    ],
)
def test_kinds_are_told_by_the_first_bytes(tmp_path, head, kind):
    (tmp_path / "file").write_bytes(head)
    assert kind_of(tmp_path / "file") == kind


def test_linked_folders_are_searched_once_and_dead_links_are_kept(tmp_path, picture):
    folder, elsewhere = tmp_path / "photos", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (elsewhere / "a.png").write_bytes(picture)
    (folder / "link").symlink_to(elsewhere)
    (folder / "loop").symlink_to(folder)
    (folder / "dead.jpg").symlink_to(tmp_path / "absent")
    found = find_media(str(folder), tmp_path / "out")
    assert found.media == [ImageFile(folder / "dead.jpg"), ImageFile(folder / "link" / "a.png")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(tmp_path, picture):
    (tmp_path / "closed").mkdir(mode=0)
    found = find_media(str(tmp_path), tmp_path / "out")
    assert "closed: the folder cannot be read" in str(found.unreadable[0])


def test_a_folder_of_digits_is_no_camera(tmp_path, picture, monkeypatch):
    (tmp_path / "2024").mkdir()
    (tmp_path / "2024" / "a.png").write_bytes(picture)
    monkeypatch.chdir(tmp_path)
    assert len(media("2024", tmp_path / "out")) == 1
    assert media("7", tmp_path / "out") == [Camera(7)]
