"""Overlay files: names never clash, no source is overwritten, a video keeps its size, its frames and its time."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gog_pose.errors import InputError
from gog_pose.media.frames import Camera, Frame, ImageFile, VideoFile
from gog_pose.media.overlays import OverlayFiles, Spread, overlay_names, refuse_to_overwrite

PICTURE = np.full((48, 64, 3), (255, 0, 0), np.uint8)


def files(folder, media, views=(), every=1, rate=None, codec="mp4v"):
    return OverlayFiles(folder, overlay_names(media, views), codec=codec, rate=rate, every=every)


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
    overlays = [own["overlay"] for own in overlay_names(media, taken=["contact_sheet.png"]).values()]
    assert overlays == [
        "a.png", "a_2.png", "a_2_2.png", "A_3.png", "contact_sheet_2.png", "b.tar.png", "a.mp4", "camera_0.mp4"
    ]  # fmt: skip


def test_names_of_views_never_clash_with_overlays(tmp_path):
    media = [ImageFile(tmp_path / name) for name in ("a_heatmaps.jpg", "a.jpg", "b.jpg")]
    names = overlay_names(media, ["heatmaps"])
    assert names[media[0]] == {"overlay": "a_heatmaps.png", "heatmaps": "a_heatmaps_heatmaps.png"}
    assert names[media[1]] == {"overlay": "a_2.png", "heatmaps": "a_2_heatmaps.png"}
    assert names[media[2]] == {"overlay": "b.png", "heatmaps": "b_heatmaps.png"}


@pytest.mark.parametrize("name", ["a.png", "clip.mp4"])
def test_an_overlay_never_replaces_a_source(tmp_path, name):
    (tmp_path / "link").symlink_to(tmp_path / name)
    (tmp_path / name).touch()
    medium = (ImageFile if name == "a.png" else VideoFile)(tmp_path / name)
    for target in (tmp_path / "sub" / ".." / name, tmp_path / "link"):
        with pytest.raises(InputError, match="is one of the sources"):
            refuse_to_overwrite([Camera(0), medium], [tmp_path / "other", target])
    refuse_to_overwrite([medium], [tmp_path / "other"])


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
            written.write(Frame(medium, picture, 0, 0.0, rate=5.0), {"overlay": picture, "heatmaps": small})
    assert read(tmp_path / "a.mp4")[1][0].shape == PICTURE.shape
    assert read(tmp_path / "a_heatmaps.mp4")[1][0].shape == read(tmp_path / "c.mp4")[1][0].shape == small.shape
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "b.png"))[..., ::-1], PICTURE)


def test_a_rate_that_nobody_tells_must_be_given(tmp_path):
    frame = Frame(Camera(0), PICTURE, 0, 0.0, rate=None)
    with (
        files(tmp_path, [Camera(0)]) as written,
        pytest.raises(InputError, match=r"video\.rate: camera:0 does not say"),
    ):
        written.write(frame, {"overlay": PICTURE})
    with files(tmp_path, [Camera(0)], rate=4) as written:
        written.write(frame, {"overlay": PICTURE})
    assert read(tmp_path / "camera_0.mp4")[0] == 4


def test_an_unknown_codec_is_told_and_leaves_no_file(tmp_path):
    frame = Frame(Camera(0), PICTURE, 0, 0.0, rate=4.0)
    with (
        files(tmp_path, [Camera(0)], codec="none") as written,
        pytest.raises(InputError, match=r"video\.codec: .*none"),
    ):
        written.write(frame, {"overlay": PICTURE})
    assert not list(tmp_path.iterdir())


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
