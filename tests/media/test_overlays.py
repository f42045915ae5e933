"""Overlay files: names never clash, no source is overwritten, a video keeps its size, its frames and its time."""

import os

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gog_pose.errors import InputError
from gog_pose.media.frames import Camera, Frame, ImageFile, VideoFile
from gog_pose.media.overlays import OverlayFiles, OverlayNames, Spread
from gog_pose.media.video import VideoWriter

PICTURE = np.full((48, 64, 3), (255, 0, 0), np.uint8)


def files(folder, media, views=(), every=1, rate=None, codec="vp09"):
    return OverlayFiles(folder, OverlayNames(media, folder, views), codec=codec, rate=rate, every=every)


def frame(medium, **changes):
    video = {} if isinstance(medium, ImageFile) else {"number": 0, "seconds": 0.0, "rate": 10.0}
    return Frame(**{"medium": medium, "image": PICTURE} | video | changes)


def read(path):
    capture = cv2.VideoCapture(str(path))
    rate, frames = capture.get(cv2.CAP_PROP_FPS), []
    while True:
        readable, pixels = capture.read()
        if not readable:
            return rate, frames
        frames.append(pixels[..., ::-1])


def test_names_never_clash(tmp_path):
    names = ("x/a.jpg", "y/a.jpg", "a_2.jpg", "A.png", "contact_sheet.jpg", "b.tar.gif")
    media = [*(ImageFile(tmp_path / name) for name in names), VideoFile(tmp_path / "a.avi"), Camera(0)]
    names = OverlayNames(media, tmp_path, taken=["contact_sheet.png"])
    overlays = [names.of(frame(medium))["overlay"] for medium in media]
    assert overlays == [
        "a.png", "a_2.png", "a_2_2.png", "A_3.png", "contact_sheet_2.png", "b.tar.png", "a.mp4", "camera_0.mp4"
    ]  # fmt: skip


def test_names_of_views_never_clash_with_overlays(tmp_path):
    media = [ImageFile(tmp_path / name) for name in ("a_heatmaps.jpg", "a.jpg", "b.jpg")]
    names = OverlayNames(media, tmp_path, ["heatmaps"])
    assert [names.of(frame(medium)) for medium in media] == [
        {"overlay": "a_heatmaps.png", "heatmaps": "a_heatmaps_heatmaps.png"},
        {"overlay": "a_2.png", "heatmaps": "a_2_heatmaps.png"},
        {"overlay": "b.png", "heatmaps": "b_heatmaps.png"},
    ]


def test_pages_and_animations_have_names_of_their_own(tmp_path):
    scan, moving, film = ImageFile(tmp_path / "a.tif"), ImageFile(tmp_path / "a.gif"), VideoFile(tmp_path / "a.avi")
    names = OverlayNames([scan, moving, film], tmp_path)
    assert names.of(frame(moving, number=1, seconds=0.1))["overlay"] == "a_2.mp4"
    assert names.of(frame(moving, number=2, seconds=0.2))["overlay"] == "a_2.mp4"
    assert names.of(frame(film))["overlay"] == "a.mp4"
    assert [names.of(frame(scan, number=page))["overlay"] for page in (None, 1, 2)] == [
        "a.png", "a_page_2.png", "a_page_3.png"
    ]  # fmt: skip


def test_the_video_of_an_animation_never_replaces_a_source(tmp_path):
    moving, film = ImageFile(tmp_path / "a.gif"), VideoFile(tmp_path / "sub" / "film.avi")
    source = VideoFile(tmp_path / "a.mp4")
    for name in ("a.mp4", "A.MP4"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match="is one of the sources"):
        OverlayNames([moving, source], tmp_path)
    names = OverlayNames([moving, film, ImageFile(tmp_path / "A.MP4")], tmp_path)  # a misnamed image
    assert names.of(frame(moving, seconds=0.0))["overlay"] == "a_2.mp4"


@pytest.mark.parametrize("name", ["x" * 250 + ".jpg", "é" * 124 + ".jpg", os.fsdecode(b"\xe9" * 250 + b".jpg")])
def test_long_names_are_cut(tmp_path, name):
    media = [ImageFile(tmp_path / "a" / name), ImageFile(tmp_path / "b" / name)]
    with files(tmp_path, media, ["heatmaps"]) as written:
        for medium in media:
            written.write(frame(medium), {"overlay": PICTURE, "heatmaps": PICTURE})
    assert len(list(tmp_path.iterdir())) == 4


def test_naming_takes_as_many_steps_as_there_are_files(tmp_path, monkeypatch):
    """Counted are the names that are tried, for files of one name and for those that look numbered already."""
    tried = []
    numbered = OverlayNames._numbered
    monkeypatch.setattr(OverlayNames, "_numbered", lambda self, *name: tried.append(name) or numbered(self, *name))
    same = [ImageFile(tmp_path / str(number) / "rgb.png") for number in range(500)]
    OverlayNames([*same, *(ImageFile(tmp_path / f"rgb_{number}.png") for number in range(500))], tmp_path / "out")
    assert len(tried) <= 2 * 1000


@pytest.mark.parametrize("name", ["a.png", "clip.mp4"])
def test_an_overlay_never_replaces_a_source(tmp_path, name):
    (tmp_path / "sub").mkdir()
    (tmp_path / name).touch()
    medium = (ImageFile if name == "a.png" else VideoFile)(tmp_path / name)
    for folder in (tmp_path, tmp_path / "sub" / ".."):
        with pytest.raises(InputError, match="is one of the sources"):
            OverlayNames([Camera(0), medium], folder)
    OverlayNames([medium], tmp_path / "sub")


@pytest.mark.parametrize("every", [1, 2])
def test_a_video_keeps_size_frames_and_time(tmp_path, every):
    medium = VideoFile(tmp_path / "source.avi")
    with files(tmp_path, [medium], every=every) as written:
        for number in range(0, 10, every):
            written.write(Frame(medium, PICTURE, number, number / 12.5, rate=12.5), {"overlay": PICTURE})
    rate, frames = read(tmp_path / "source.mp4")
    assert rate == pytest.approx(12.5 / every)
    assert len(frames) == 10 / every
    for frame in frames:
        assert frame.shape == PICTURE.shape
        assert np.abs(frame.astype(int) - PICTURE).max() <= 4  # RGB, not BGR


def test_a_video_of_a_slow_camera_lasts_as_long_as_it_was_filmed(tmp_path):
    with files(tmp_path, [Camera(0)]) as written:
        for seconds in (0.0, 0.5, 0.55, 1.25):
            written.write(Frame(Camera(0), PICTURE, 0, seconds, rate=10.0), {"overlay": PICTURE})
    rate, frames = read(tmp_path / "camera_0.mp4")
    assert rate == 10
    assert len(frames) == 1 + 5 + 1 + 6


def test_each_medium_has_files_of_its_own(tmp_path):
    media = [VideoFile(tmp_path / "a.avi"), ImageFile(tmp_path / "b.jpg"), VideoFile(tmp_path / "c.avi")]
    small = PICTURE[:32, :32]
    with files(tmp_path, media, ["heatmaps"]) as written:
        for medium, picture in zip(media, (PICTURE, PICTURE, small), strict=True):
            written.write(frame(medium, image=picture), {"overlay": picture, "heatmaps": small})
    assert read(tmp_path / "a.mp4")[1][0].shape == PICTURE.shape
    assert read(tmp_path / "a_heatmaps.mp4")[1][0].shape == read(tmp_path / "c.mp4")[1][0].shape == small.shape
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "b.png"))[..., ::-1], PICTURE)


def test_a_rate_that_nobody_tells_must_be_given(tmp_path):
    silent = frame(Camera(0), rate=None)
    with (
        files(tmp_path, [Camera(0)]) as written,
        pytest.raises(InputError, match=r"video\.rate: camera:0 does not state"),
    ):
        written.write(silent, {"overlay": PICTURE})
    with files(tmp_path, [Camera(0)], rate=4) as written:
        written.write(silent, {"overlay": PICTURE})
    assert read(tmp_path / "camera_0.mp4")[0] == 4


def test_an_unknown_codec_is_told_and_leaves_no_file(tmp_path):
    with (
        files(tmp_path, [Camera(0)], codec="none") as written,
        pytest.raises(InputError, match=r"video\.codec: .*none"),
    ):
        written.write(frame(Camera(0)), {"overlay": PICTURE})
    assert not list(tmp_path.iterdir())


def test_pictures_are_shown_as_long_as_in_a_video_of_variable_rate(tmp_path):
    """Until the next, which gives the one before, not the next, for the time between."""
    medium, values = VideoFile(tmp_path / "a.avi"), [0, 60, 120, 180, 240]
    with files(tmp_path, [medium]) as written:
        for value, seconds in zip(values, (0.0, 0.1, 0.2, 0.7, 0.99), strict=True):
            written.write(frame(medium, seconds=seconds), {"overlay": np.full_like(PICTURE, value)})
    shown = [round(float(picture.mean()) / 60) for picture in read(tmp_path / "a.mp4")[1]]
    assert shown == [0, 1, 2, 2, 2, 2, 2, 3, 3, 3, 4]


def test_the_last_picture_of_an_animation_is_shown_as_long_as_it_says(tmp_path):
    medium = ImageFile(tmp_path / "a.gif")
    with files(tmp_path, [medium]) as written:
        for seconds, duration in ((0.0, 0.1), (0.1, 0.5)):
            changes = {"number": 0, "seconds": seconds, "duration": duration, "rate": 10.0}
            written.write(frame(medium, **changes), {"overlay": PICTURE})
    assert len(read(tmp_path / "a.mp4")[1]) == 6


def test_a_rate_that_is_set_shows_all_pictures_equally_long(tmp_path):
    medium = VideoFile(tmp_path / "a.avi")
    with files(tmp_path, [medium], rate=5) as written:
        for seconds in (0.0, 0.1, 9.0):
            written.write(frame(medium, seconds=seconds), {"overlay": PICTURE})
    rate, pictures = read(tmp_path / "a.mp4")
    assert (rate, len(pictures)) == (5, 3)


@pytest.mark.parametrize("name", ["clip.mp4", "a:b.mp4", "%03d.mp4", os.fsdecode(b"caf\xe9.mp4")])
def test_a_video_appears_when_it_is_complete(tmp_path, name):
    path = tmp_path / name
    path.write_text("old")
    writer = VideoWriter(path, PICTURE.shape[:2], 10, "mp4v")
    writer.write(PICTURE)
    assert path.read_text() == "old"
    writer.close()
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes()[4:8] == b"ftyp"


def test_a_video_that_does_not_hold_what_was_written_leaves_the_one_before(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_text("old")
    writer = VideoWriter(path, PICTURE.shape[:2], 10, "mp4v")
    writer.write(PICTURE)
    writer._written += 1  # as if the encoder had lost one
    with pytest.raises(InputError, match=r"clip\.mp4 holds 1 of 2 frames after writing"):
        writer.close()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_whose_name_is_not_utf8_is_refused_before_opencv_crashes(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    with pytest.raises(InputError, match="is not UTF-8"):
        VideoWriter(folder / "clip.mp4", PICTURE.shape[:2], 10, "mp4v")
    assert not list(folder.iterdir())


@given(count=st.integers(0, 200), most=st.sampled_from([2, 4, 24]))
def test_a_spread_is_even_whatever_the_length(count, most):
    spread = Spread(most)
    for number in range(count):
        spread.add(np.array(number))
    kept = [int(number) for number in spread.kept]
    assert min(count, most // 2) <= len(kept) <= most
    if kept:
        step = kept[1] if len(kept) > 1 else 1
        assert kept == list(range(0, count, step))
        assert step == 1 or count > most
