"""Media: files, folders, patterns and cameras give upright RGB frames, and what cannot be read is named, not lost."""

import itertools
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from gog_pose.errors import InputError
from gog_pose.media.frames import Camera, Frames, ImageFile, VideoFile, find_media

HW = (48, 64)
RATE = 12.5


def colors(count):
    """Return plain pictures whose red channel tells which one it is."""
    return [np.full((*HW, 3), (10 * number, 200, 30), np.uint8) for number in range(count)]


def save_video(path, pictures, codec="MJPG"):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), RATE, HW[::-1])
    assert writer.isOpened()
    for picture in pictures:
        writer.write(np.ascontiguousarray(picture[..., ::-1]))
    writer.release()
    return path


class _Capture:
    """Stands for ``cv2.VideoCapture``: a camera that is unplugged after some frames."""

    rate = 10.0
    pictures = colors(5)

    def __init__(self, source):
        self.index = source
        self.taken = -1

    def isOpened(self):
        return self.index == 0

    def grab(self):
        self.taken += 1
        return self.taken < len(self.pictures)

    def retrieve(self):
        return True, np.ascontiguousarray(self.pictures[self.taken][..., ::-1])

    def get(self, option):
        return self.rate if option == cv2.CAP_PROP_FPS else -1.0

    def release(self):
        self.index = None


@pytest.fixture
def camera(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", _Capture)
    return Camera(0)


@pytest.mark.parametrize(("name", "codec"), [("clip.avi", "MJPG"), ("clip.mp4", "mp4v"), ("clip.mkv", "mp4v")])
@pytest.mark.parametrize("every", [1, 3])
def test_a_video_gives_each_nth_frame_with_its_number_and_time(tmp_path, name, codec, every):
    video = VideoFile(save_video(tmp_path / name, colors(8), codec))
    frames = Frames([video], every)
    found = list(frames)
    assert frames.unreadable == []
    assert [frame.number for frame in found] == list(range(0, 8, every))
    assert frames.count() == len(found)
    for frame in found:
        assert frame.medium == video
        assert frame.rate == pytest.approx(RATE)
        assert frame.seconds == pytest.approx(frame.number / RATE, abs=1e-3)
        np.testing.assert_allclose(frame.image.mean(axis=(0, 1)), [10 * frame.number, 200, 30], atol=4)


def test_a_video_filmed_upright_is_read_upright(tmp_path):
    path = save_video(tmp_path / "phone.mp4", colors(2), "mp4v")
    content = bytearray(path.read_bytes())
    plain = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    place = content.index(plain, content.index(b"tkhd"))  # the track's matrix; the film's stands before it
    content[place : place + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)  # a quarter turn
    path.write_bytes(content)
    assert [frame.image.shape for frame in VideoFile(path).frames()] == [(HW[1], HW[0], 3)] * 2


@pytest.mark.parametrize("damage", ["truncated", "zeros"])
def test_a_video_with_damaged_later_frames_gives_the_rest_and_is_named(tmp_path, damage):
    content = bytearray(save_video(tmp_path / "clip.avi", colors(20)).read_bytes())
    if damage == "truncated":
        del content[len(content) * 6 // 10 :]
    else:
        content[len(content) // 2 : len(content) * 6 // 10] = bytes(len(content) // 10)
    (tmp_path / "clip.avi").write_bytes(content)
    image = tmp_path / "image.png"
    Image.fromarray(colors(1)[0]).save(image)

    frames = Frames([VideoFile(tmp_path / "clip.avi"), ImageFile(image)])
    found = list(frames)
    assert 1 <= len(found) - 1 < 20
    assert found[-1].medium == ImageFile(image)  # it went on
    assert len(frames.unreadable) == 1
    assert f"clip.avi: only {len(found) - 1} of 20 frames can be read" in str(frames.unreadable[0])


@pytest.mark.parametrize("content", [b"", b"no video" * 100])
def test_what_is_no_video_is_named(tmp_path, content):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    frames = Frames([VideoFile(path), VideoFile(tmp_path / "absent.mp4")])
    assert frames.count() == 0
    assert list(frames) == []
    assert [str(error) for error in frames.unreadable] == [
        f"{path}: is not a video that can be read, or is damaged; replace or convert it",
        f"{tmp_path}/absent.mp4: there is no such video file; check the path",
    ]


def test_frames_of_another_size_end_a_video(tmp_path, monkeypatch):
    save_video(tmp_path / "clip.avi", colors(1))
    monkeypatch.setattr(cv2, "VideoCapture", _Capture)
    monkeypatch.setattr(_Capture, "isOpened", lambda self: True)
    monkeypatch.setattr(_Capture, "pictures", [*colors(2), np.zeros((9, 9, 3), np.uint8)])
    frames = Frames([VideoFile(tmp_path / "clip.avi")])
    assert len(list(frames)) == 2
    assert "frame 2 has another size than the first" in str(frames.unreadable[0])


def test_a_camera_gives_frames_until_it_is_unplugged(camera):
    frames = Frames([camera], every=2)
    assert frames.count() is None
    found = list(frames)
    assert [frame.number for frame in found] == [0, 2, 4]
    assert all(earlier.seconds <= later.seconds for earlier, later in itertools.pairwise(found))
    assert [int(frame.image[0, 0, 0]) for frame in found] == [0, 20, 40]
    assert {frame.rate for frame in found} == {10.0}
    assert str(frames.unreadable[0]).startswith("camera:0: stopped after 5 frames")


def test_a_camera_that_is_not_there_is_named(camera):
    frames = Frames([Camera(7)])
    assert list(frames) == []
    assert str(frames.unreadable[0]).startswith("camera:7: cannot be opened")


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
    assert find_media(str(folder / "a.png"), out) == [ImageFile(folder / "a.png")]
    assert find_media(str(folder / "clip.MP4"), out) == [VideoFile(folder / "clip.MP4")]
    assert find_media(str(folder), out) == [
        ImageFile(folder / "a.jpg"), ImageFile(folder / "a.png"), VideoFile(folder / "clip.MP4"), deep
    ]  # fmt: skip
    assert find_media(str(folder / "*.p*g"), out) == [ImageFile(folder / "a.png")]
    assert find_media(str(folder / "**" / "*.JPG"), out) == [deep]
    assert find_media(str(folder / "deeper.jpg"), out) == [deep]
    assert find_media("0", out) == [Camera(0)]
    assert find_media("camera:12", out) == [Camera(12)]


@pytest.mark.parametrize("pattern", ["", "*", "**/*.png"])
def test_overlays_of_an_earlier_run_are_no_input(folder, pattern):
    (folder / "out").mkdir()
    before = find_media(str(folder / pattern), folder / "out")
    (folder / "out" / "a.png").touch()
    assert find_media(str(folder / pattern), folder / "out") == before


@pytest.mark.parametrize("source", ["absent", "absent/*.jpg", "empty"])
def test_nothing_to_look_at_is_an_error(tmp_path, source):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"source: .*check the path"):
        find_media(str(tmp_path / source), tmp_path / "out")
