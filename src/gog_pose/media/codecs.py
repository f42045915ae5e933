"""Choice of the codec of overlay videos: H.264 if PyAV has an encoder, otherwise VP9; never MPEG-4 part 2."""

from __future__ import annotations

import functools
import logging

from gog_pose.errors import InputError
from gog_pose.media import h264

H264 = "h264"
_VP9 = "vp09"  # OpenCV's wheels have no H.264 encoder
_H264_NAMES = (H264, "avc1", "x264")
_MPEG4_PART_2 = ("mp4v", "xvid", "divx", "dx50", "fmp4", "mp4s", "m4s2", "div3", "mp43")
_LEAST_SIDE = 16  # px; H.264 encoders refuse smaller pictures
_INSTALL = "pip install 'gog-pose[video]'"

_log = logging.getLogger(__name__)


def check_codec(codec: str | None) -> None:
    """Raise ``InputError`` if a codec's name is invalid, browsers do not play it or its package is not installed."""
    if codec is None:
        return
    if len(codec) != 4:
        raise InputError(f"video.codec: must be four letters such as vp09, or h264, got {codec}")
    if codec.lower() in _MPEG4_PART_2:
        raise InputError(
            f"video.codec: {codec} is MPEG-4 part 2, which browsers do not play; set video.codec=null (H.264 or VP9),"
            " h264 or vp09"
        )
    if codec.lower() in _H264_NAMES and h264.encoder() is None:
        raise InputError(
            f"video.codec: {codec} needs PyAV with an encoder of H.264; run {_INSTALL}, or set video.codec=vp09"
        )


def chosen_codec(codec: str | None, size_hw: tuple[int, int]) -> str:
    """Return ``h264`` for ``H264Writer``, or a four-letter code for ``VideoWriter``.

    Args:
        codec: A name that ``check_codec`` accepts; None = H.264 if PyAV can encode it, otherwise VP9.
        size_hw: Height and width of the pictures, px.
    """
    if codec is None:
        if h264.encoder() is None:
            _say_fallback()
            return _VP9
        return H264 if min(size_hw) >= _LEAST_SIDE else _VP9
    return H264 if codec.lower() in _H264_NAMES else codec


@functools.cache  # once per process
def _say_fallback() -> None:
    _log.info("Overlay videos are VP9 without sound; for H.264 with sound run %s", _INSTALL)
