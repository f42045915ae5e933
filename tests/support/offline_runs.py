"""Reads what W&B wrote of a run that was offline."""

import struct

from wandb.proto.wandb_internal_pb2 import Record

_BLOCK = 1 << 15  # bytes; no part of a record reaches from one into the next
_FILE_HEADER = _PART_HEADER = 7  # bytes; that of a part is a checksum, its length and its kind
_WHOLE, _LAST = 1, 4


def records(output, kind):
    """Return the records of a kind that the only run below a folder has, in order: run, history, artifact, ..."""
    (file,) = output.glob("wandb/offline-run-*/run-*.wandb")
    return [getattr(record, kind) for record in _all(file.read_bytes()) if record.WhichOneof("record_type") == kind]


def _all(content):
    """LevelDB's log format: blocks of parts, of which one or several make a record."""
    position, parts = _FILE_HEADER, b""
    while position + _PART_HEADER <= len(content):
        left = _BLOCK - position % _BLOCK
        if left < _PART_HEADER:
            position += left
            continue
        length, kind = struct.unpack_from("<HB", content, position + 4)
        position += _PART_HEADER
        parts += content[position : position + length]
        position += length
        if kind in (_WHOLE, _LAST):
            yield Record.FromString(parts)
            parts = b""
