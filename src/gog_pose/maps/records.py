"""Batches of records of any method: NamedTuples of tensors, of lists with one entry per image, or of None."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import torch

Record = TypeVar("Record", bound=tuple[Any, ...])


def images_of(batch: Record, rows: slice) -> Record:
    """Return some images of a batch, as a batch."""
    return _make(batch, [None if field is None else field[rows] for field in batch])


def image_of(batch: Record, place: int) -> Record:
    """Return one image of a batch: tensors without the batch dimension, lists with one entry."""
    rows = slice(place, place + 1)
    return _make(
        batch, [field if field is None else field[rows if isinstance(field, list) else place] for field in batch]
    )


def as_batch(image: Record) -> Record:
    """Return one image as a batch of one."""
    return _make(image, [field[None] if isinstance(field, torch.Tensor) else field for field in image])


def stacked(images: Sequence[Record]) -> Record:
    """Join single images of one size into a batch."""
    columns = zip(*images, strict=True)
    return _make(images[0], [_joined(column, torch.stack) for column in columns])


def joined(batches: Sequence[Record]) -> Record:
    """Join batches of images of one size."""
    columns = zip(*batches, strict=True)
    return _make(batches[0], [_joined(column, torch.cat) for column in columns])


def moved(batch: Record, device: torch.device) -> Record:
    """Return the batch on a device."""
    return _make(batch, [_moved(field, device) for field in batch])


def _joined(column: tuple[Any, ...], join: Any) -> Any:
    if column[0] is None:
        return None
    return [entry for one in column for entry in one] if isinstance(column[0], list) else join(list(column))


def _moved(field: Any, device: torch.device) -> Any:
    if isinstance(field, list):
        return [entry.to(device) for entry in field]
    return None if field is None else field.to(device)


def _make(like: Record, fields: Sequence[Any]) -> Record:
    record: Record = type(like)._make(fields)  # type: ignore[attr-defined]  # a NamedTuple
    return record
