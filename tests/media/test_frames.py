"""Media: files and cameras give upright RGB frames; unreadable parts are reported."""

import itertools
import os
import re
import struct

import cv2
import numpy as np
import pytest
from failing_media import FailingFile
from PIL import Image

from gog_pose.errors import InputError
from gog_pose.media.frames import Camera, ImageFile, VideoFile
from gog_pose.media.stream import Frames

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
    """Replaces ``cv2.VideoCapture``: a camera that is unplugged after some frames."""

    rate = 10.0
    pictures = colors(5)

    def __init__(self, source, *options):
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
    number = len(found) - 1
    words = {
        "truncated": f"clip.avi: the file ends after {number} frames",
        "zeros": f"clip.avi: may be incomplete: {number} frames were read, but the decoder reports: [",
    }
    assert words[damage] in str(frames.unreadable[0])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not a video that can be read, or is damaged; replace or convert it"),
        (bytes(range(256)) * 9, "is not a video that can be read, or is damaged; replace or convert it"),
        (b"no video" * 100, "is not a video that can be read: it holds text; remove or rename it"),
        (b"#EXTM3U\n/etc/passwd\n", "is not a video that can be read: it holds text; remove or rename it"),
    ],
)
def test_what_is_no_video_is_named(tmp_path, content, words):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    frames = Frames([VideoFile(path), VideoFile(tmp_path / "absent.mp4")])
    assert frames.count() == 0
    assert list(frames) == []
    assert [str(error) for error in frames.unreadable] == [
        f"{path}: {words}",
        f"{tmp_path}/absent.mp4: there is no such video file; check the path",
    ]


def test_frames_of_another_size_end_a_video(tmp_path, monkeypatch):
    save_video(tmp_path / "clip.avi", colors(1))
    monkeypatch.setattr(cv2, "VideoCapture", _Capture)
    monkeypatch.setattr(_Capture, "isOpened", lambda self: True)
    monkeypatch.setattr(_Capture, "pictures", [*colors(2), np.zeros((9, 9, 3), np.uint8)])
    frames = VideoFile(tmp_path / "clip.avi").frames()
    assert [next(frames).number, next(frames).number] == [0, 1]
    with pytest.raises(InputError, match="frame 2 has another size than the first"):
        next(frames)


@pytest.mark.parametrize("name", [b"caf\xe9.mp4", b"%03d.mp4", b"concat:a|b.mp4", b"-i.mp4", b"a\nb.mp4", b"clip"])
def test_a_video_is_read_whatever_its_name(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    save_video(tmp_path / "video.mp4", colors(3), "mp4v").rename(path)
    frames = Frames([VideoFile(path)])
    assert [frame.number for frame in frames] == [0, 1, 2]
    assert frames.unreadable == []


def test_the_number_of_frames_that_a_container_claims_is_no_fact(tmp_path):
    """The header of an AVI is changed to promise more; nothing is missing."""
    path = save_video(tmp_path / "clip.avi", colors(6))
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"avih", 8 + 16), (b"strh", 8 + 32)):
        place = content.index(mark) + offset
        assert struct.unpack_from("<i", content, place) == (6,)
        struct.pack_into("<i", content, place, 50)
    path.write_bytes(content)
    frames = Frames([VideoFile(path)])
    assert frames.count() == 50
    assert len(list(frames)) == 6
    assert frames.unreadable == []


def with_durations(path, durations):
    """Give the frames of an MP4 of one track these durations, in ticks, instead of equal ones."""
    content = path.read_bytes()
    place = content.index(b"stts") - 4
    (size,) = struct.unpack_from(">i", content, place)
    runs = b"".join(struct.pack(">ii", 1, duration) for duration in durations)
    table = struct.pack(">i4sii", 16 + len(runs), b"stts", 0, len(durations)) + runs
    changed = bytearray(content[:place] + table + content[place + size :])
    for box in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        at = content.index(box) - 4
        struct.pack_into(">i", changed, at, struct.unpack_from(">i", content, at)[0] + len(table) - size)
    assert content.index(b"mdat") < place  # where the pixels lie has not changed
    at = changed.index(b"edts")  # it would end the film where it ended before
    changed[at : at + 4] = b"free"
    path.write_bytes(changed)
    return path


def test_times_are_those_of_the_container_where_its_rate_varies(tmp_path):
    path = save_video(tmp_path / "clip.mp4", colors(8), "mp4v")
    (_, tick) = struct.unpack_from(">ii", path.read_bytes(), path.read_bytes().index(b"stts") + 12)  # 0.08 s
    with_durations(path, [tick] * 4 + [5 * tick] * 4)
    found = list(VideoFile(path).frames())
    assert [round(frame.seconds / 0.08) for frame in found] == [0, 1, 2, 3, 4, 9, 14, 19]
    assert [frame.rate for frame in found] == pytest.approx([RATE] * 8)


ANIMATIONS = ("clip.gif", "clip.webp", "clip.png")


def save_pictures(path, number, **options):
    first, *others = [Image.fromarray(picture) for picture in colors(number)]
    first.save(path, save_all=True, append_images=others, **options)
    return path


@pytest.mark.parametrize("name", ANIMATIONS)
@pytest.mark.parametrize("every", [1, 2])
def test_an_animation_gives_all_its_pictures_and_their_times(tmp_path, name, every):
    path = save_pictures(tmp_path / name, 4, duration=[100, 250, 40, 3000])
    frames = Frames([ImageFile(path)], every)
    found = list(frames)
    assert frames.unreadable == []
    assert [frame.number for frame in found] == list(range(0, 4, every))
    assert [frame.seconds for frame in found] == pytest.approx([0, 0.1, 0.35, 0.39][::every])
    assert [frame.duration for frame in found] == pytest.approx([0.1, 0.25, 0.04, 3.0][::every])
    assert [frame.rate for frame in found] == pytest.approx([25] * len(found))
    for frame in found:
        np.testing.assert_allclose(frame.image.mean(axis=(0, 1)), [10 * frame.number, 200, 30], atol=8)


def test_the_pages_of_a_tiff_are_pictures_without_times(tmp_path):
    frames = list(Frames([ImageFile(save_pictures(tmp_path / "scan.tif", 3))]))
    assert [(frame.number, frame.seconds, frame.rate) for frame in frames] == [
        (None, None, None), (1, None, None), (2, None, None)
    ]  # fmt: skip
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [0, 10, 20]


@pytest.mark.parametrize("name", ["clip.gif", "clip.png", "scan.tif"])
def test_a_cut_animation_gives_the_pictures_before_the_cut_and_is_named(tmp_path, name):
    path = save_pictures(tmp_path / name, 6)
    noise = np.random.default_rng(0).integers(0, 256, (6, *HW, 3), dtype=np.uint8)
    first, *others = map(Image.fromarray, noise)
    first.save(path, save_all=True, append_images=others)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 7 // 10])
    frames = Frames([ImageFile(path)])
    assert 1 <= len(list(frames)) < 6
    assert str(path) in str(frames.unreadable[0])


def test_a_gif_that_ends_between_two_pictures_is_named(tmp_path):
    path = save_pictures(tmp_path / "clip.gif", 3)
    content = path.read_bytes()
    path.write_bytes(content[:-1])  # the trailer
    frames = Frames([ImageFile(path)])
    assert len(list(frames)) == 3
    assert "the file ends after 3 pictures and is incomplete" in str(frames.unreadable[0])


def test_a_phones_photo_with_a_smaller_gain_map_is_one_picture(tmp_path):
    photo, gain = Image.new("RGB", (64, 48)), Image.new("RGB", (16, 12))
    photo.save(tmp_path / "photo.jpg", format="MPO", save_all=True, append_images=[gain])
    photo.save(tmp_path / "stereo.jpg", format="MPO", save_all=True, append_images=[photo])
    assert len(list(Frames([ImageFile(tmp_path / "photo.jpg")]))) == 1
    assert len(list(Frames([ImageFile(tmp_path / "stereo.jpg")]))) == 2


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("crash", r"the decoder crashes \(SIGSEGV\) after 1 frames"),
        ("kill", r"the decoder crashes \(SIGKILL\) after 1 frames"),
        ("memory", "there is not enough memory"),
        ("surprise", "cannot be read \\(KeyError"),
    ],
)
def test_a_decoder_that_fails_loses_its_file_only(tmp_path, kind, words):
    save_pictures(tmp_path / "image.png", 1)
    image = ImageFile(tmp_path / "image.png")
    frames = Frames([image, FailingFile(tmp_path / kind), image])
    assert [frame.medium for frame in frames] == [image, FailingFile(tmp_path / kind), image]
    assert len(frames.unreadable) == 1
    assert re.search(words, str(frames.unreadable[0]))
    assert str(tmp_path / kind) in str(frames.unreadable[0])


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
