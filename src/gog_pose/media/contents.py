"""The kind of a file by its first bytes, because names may be wrong: TypeScript files also end in ``.ts``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["image", "video", "text"]

_IMAGES = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    *(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),  # TIFF, and cameras' raw files
)
_VIDEOS = (
    b"\x1a\x45\xdf\xa3",  # Matroska, WebM
    b"FLV\x01",
    b"\0\0\x01\xba",  # MPEG program stream
    b"\0\0\x01\xb3",  # MPEG video
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF, WMV
    b"YUV4MPEG2",
    b"DKIF",  # IVF
    b"\x06\x0e\x2b\x34",  # MXF
    b".RMF",  # RealMedia
)
_BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")  # first boxes of QuickTime files without a file type
_STILL_BRANDS = (b"mif1", b"msf1", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"avif", b"avis")
_SOUND_BRANDS = (b"M4A ", b"M4B ", b"M4P ")
_HEAD = 512  # bytes


def kind_of(path: Path) -> Kind | None:
    """Return the kind of a file by its first bytes; None if they do not show it.

    HEIF and AVIF count as images although they are not supported: as videos, FFmpeg would read a single tile of them.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    brand = head[8:12] if head[4:8] == b"ftyp" else None
    is_riff = head.startswith(b"RIFF")
    if head.startswith(_IMAGES) or brand in _STILL_BRANDS or (is_riff and head[8:12] == b"WEBP") or _is_bmp(head):
        return "image"
    if head.startswith(_VIDEOS) or head[4:8] in _BOXES or (is_riff and head[8:12] == b"AVI ") or _is_transport(head):
        return "video"
    if brand is not None:
        return None if brand in _SOUND_BRANDS else "video"
    return "text" if _is_text(head) else None


def _is_bmp(head: bytes) -> bool:
    return head.startswith(b"BM") and len(head) > 18 and head[6:10] == bytes(4) and 12 <= head[14] <= 124


def _is_transport(head: bytes) -> bool:
    """Return whether these are packets of an MPEG transport stream: 188 bytes, or 192 bytes with time stamps."""
    return any(
        len(head) > 2 * size + start and {head[start], head[start + size], head[start + 2 * size]} == {0x47}
        for start, size in ((0, 188), (4, 192))
    )


def _is_text(head: bytes) -> bool:
    """Return whether these bytes are ASCII or UTF-8 text, such as a playlist, which names other files to open."""
    if not head or any(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head):
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3  # an incomplete last character
    return True
