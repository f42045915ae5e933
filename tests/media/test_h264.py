"""Overlays in H.264: codec, pixel format, time stamps and sound, read back by PyAV."""

from fractions import Fraction

import numpy as np
import pytest

from gog_pose.media import h264
from gog_pose.media.frames import VideoFile
from gog_pose.media.overlays import OverlayFiles, OverlayNames
from gog_pose.media.video import opened

TIMES = (0.0, 0.04, 0.12, 0.16, 0.30, 0.34)  # s, uneven
HW = (49, 65)  # odd


@pytest.fixture
def av():
    if h264.encoder() is None:
        pytest.skip("PyAV is not installed, or has no encoder of H.264")
    return pytest.importorskip("av")


def save_source(av, path):
    """Write a video of uneven frames with a sound."""
    with av.open(str(path), "w") as file:
        video = file.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        audio = file.add_stream("aac", rate=16000, layout="mono")
        for number, seconds in enumerate(TIMES):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = round(1000 * seconds), Fraction(1, 1000)
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        for block in range(8):
            sound = np.sin(np.arange(1024) * 0.2).astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16000, 1024 * block, Fraction(1, 16000)
            file.mux(audio.encode(frame))
        file.mux(audio.encode(None))
    return path


def overlay(folder, source, codec=None):
    medium = VideoFile(source)
    names = OverlayNames([medium], folder, ())
    with OverlayFiles(folder, names, codec=codec, rate=None, every=1) as files:
        for number, frame in enumerate(medium.frames()):
            written = files.write(frame, {"overlay": np.full((*HW, 3), 40 * number, np.uint8)})
    return folder / written["overlay"]


def test_overlay_is_h264_with_the_times_and_the_sound_of_the_source(av, tmp_path):
    source = save_source(av, tmp_path / "clip.mp4")
    (tmp_path / "out").mkdir()
    path = overlay(tmp_path / "out", source)
    with av.open(str(path)) as file:
        video, audio = file.streams.video[0], file.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (video.height, video.width) == (48, 64)
        times = [float(frame.pts * frame.time_base) for frame in file.decode(video)]
        assert audio.codec_context.name == "aac"
    np.testing.assert_allclose(times, TIMES, atol=1e-3)
    assert sound(av, path) == sound(av, source)[: len(sound(av, path))]
    assert len(sound(av, path)) > 4
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def sound(av, path):
    with av.open(str(path)) as file:
        return [bytes(packet) for packet in file.demux(audio=0) if packet.size]


def test_without_pyav_it_is_vp9(tmp_path, monkeypatch, av):
    source = save_source(av, tmp_path / "clip.mp4")
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(h264, "encoder", lambda: None)
    with av.open(str(overlay(tmp_path / "out", source))) as file:
        assert file.streams.video[0].codec_context.name == "vp9"


def test_opencv_reads_it(av, tmp_path):
    source = save_source(av, tmp_path / "clip.mp4")
    (tmp_path / "out").mkdir()
    with opened(overlay(tmp_path / "out", source)) as capture:
        assert capture.read()[0]
