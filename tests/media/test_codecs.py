"""Codecs of overlay videos: MPEG-4 part 2 is refused, a missing PyAV is reported, the fallback is reported once."""

import logging

import pytest

from gog_pose.errors import InputError
from gog_pose.media import codecs, h264


@pytest.fixture
def without_pyav(monkeypatch):
    monkeypatch.setattr(h264, "encoder", lambda: None)
    codecs._say_fallback.cache_clear()
    yield
    codecs._say_fallback.cache_clear()


@pytest.mark.parametrize("codec", ["mp4v", "MP4V", "xvid", "DIVX", "FMP4"])
def test_mpeg_4_part_2_is_refused_with_the_remedy(codec):
    with pytest.raises(InputError, match=rf"^video\.codec: {codec} is MPEG-4 part 2.*; set video\.codec=null .*vp09$"):
        codecs.check_codec(codec)


def test_h264_without_pyav_is_refused_with_the_remedy(without_pyav):
    with pytest.raises(InputError, match=r"^video\.codec: h264 needs PyAV .*pip install 'gog-pose\[video\]'.*=vp09$"):
        codecs.check_codec("h264")


def test_the_fallback_is_said_once_and_only_where_it_happens(without_pyav, caplog):
    with caplog.at_level(logging.INFO):
        assert codecs.chosen_codec("vp09", (48, 64)) == "vp09"
        assert not caplog.records
        assert [codecs.chosen_codec(None, (48, 64)) for _ in range(3)] == ["vp09"] * 3
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == (
        "INFO", "Overlay videos are VP9 without sound; for H.264 with sound run pip install 'gog-pose[video]'"
    )  # fmt: skip


def test_with_pyav_pictures_are_h264_unless_they_are_too_small_for_it(monkeypatch):
    monkeypatch.setattr(h264, "encoder", lambda: "libx264")
    sizes = ((48, 64), (15, 64))
    assert [codecs.chosen_codec(None, size_hw) for size_hw in sizes] == ["h264", "vp09"]
    assert [codecs.chosen_codec("avc1", size_hw) for size_hw in sizes] == ["h264", "h264"]
