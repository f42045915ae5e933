"""Fields: descriptions of the maps of a method, which let code that is shared by all methods handle them.

A method lists its fields in ``records.py``. The flip test, the merging of several scales, the checks of shapes and the
noise of the oracle use that list and no other information about the method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch.nn import functional

from gog_pose.errors import InputError
from gog_pose.geometry import cells_to_cells, normalized_to_cells

Maps = TypeVar("Maps", bound=tuple[Any, ...])  # a NamedTuple of a method, one attribute per field

KINDS: Mapping[str, str] = {
    "responses": "confidences of points, 0 to 1",
    "vectors": "x and y from the cell to a point, px of the input image",
    "scales": "lengths in px of the input image: one per item, or one along x and one along y",
    "tags": "numbers that are similar within a person; only their differences count",
    "spreads": "logarithms of lengths in px of the input image",
}
_LEAST_WEIGHT = 1e-6  # smaller weights count as 0
_COMPONENTS: Mapping[str, tuple[int, ...]] = {"vectors": (2,), "scales": (1, 2)}  # the other kinds have 1


@dataclass(frozen=True)
class Field:
    """Maps of one kind. An item is one map, or a pair of maps for x and y.

    Attributes:
        name: Attribute of the method's record.
        kind: One of ``KINDS``.
        stride: Px of the input image per cell.
        points: For each item the type of the point that it lies around: a keypoint type, or a number from K on for
            points that the method adds (``Encoder.points``). -1: the item lies around the points of all types.
        mirror: For each item the corresponding item of the mirrored scene.
        goals: For each item of vectors the type of the point that it leads to. Empty: each leads to its own point.
        reversed: For each item whether its mirror image lies around the goal and leads to the point. Such an item has
            no cell in common with its counterpart and is not merged with it. Empty: no item is reversed.
        components: Maps per item: 2 for vectors and for scales along x and y, otherwise 1.
        merged: Whether several views of an image are averaged; otherwise the first view is kept.
        smooth: Whether the targets cover areas rather than single cells, so that the field can be interpolated.
            Otherwise views at other scales are ignored.
        optional: Whether a record may hold None.
        weighted_by: Name of the responses that weight the views in the average: the field is meaningful only where
            they are high. Empty: all views have the same weight.
        weight_items: For each item the item of those responses. Empty: the one around the same point.
    """

    name: str
    kind: str
    stride: int
    points: tuple[int, ...]
    mirror: tuple[int, ...]
    goals: tuple[int, ...] = ()
    reversed: tuple[bool, ...] = ()
    components: int = 1
    merged: bool = True
    smooth: bool = True
    optional: bool = False
    weighted_by: str = ""
    weight_items: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check that the attributes are consistent."""
        items = len(self.points)
        if (
            self.kind not in KINDS
            or self.components not in _COMPONENTS.get(self.kind, (1,))
            or len(self.mirror) != items
            or not {len(self.goals), len(self.reversed)} <= {0, items}
        ):
            raise ValueError(f"field {self.name}: {self} is inconsistent")

    @property
    def num_maps(self) -> int:
        """Number of maps of the field per image."""
        return self.components * len(self.points)


def flip_maps(maps: Maps, fields: Sequence[Field]) -> Maps:
    """Return the maps of the mirrored scene: cell u moves to w - 1 - u, left and right swap, vectors change sign in x.

    A reversed item also moves to the channels of its counterpart, but lies around the goal of that item; see
    ``merge_flipped``.

    Args:
        maps: ``(B, C, h, w)`` of each field.
        fields: Fields of the maps.
    """
    return _replaced(maps, {field.name: _mirrored(_value(maps, field), field) for field in _given(maps, fields)})


def merge_flipped(maps: Maps, mirrored_maps: Maps, fields: Sequence[Field]) -> Maps:
    """Merge the maps of images with those of their mirror images.

    Responses, vectors, scales and spreads are averaged, except in reversed items and in fields that are not merged,
    which keep the prediction for the image itself. Tags of both are kept and concatenated.

    Args:
        maps: Predictions for the images.
        mirrored_maps: Unchanged predictions of the network for the mirrored images.
        fields: Fields of the maps.
    """
    changed: dict[str, torch.Tensor] = {}
    flipped = flip_maps(mirrored_maps, fields)
    for field in _given(maps, fields):
        own, other = _value(maps, field), _value(flipped, field)
        if field.kind == "tags":
            changed[field.name] = torch.cat([own, other], dim=1)
        elif field.merged:
            mean = _mean([own, other], [_weights(view, field, fields) for view in (maps, flipped)])
            if any(field.reversed):
                kept = torch.tensor(field.reversed, device=own.device).repeat_interleave(field.components)
                mean = torch.where(kept[:, None, None], own, mean)
            changed[field.name] = mean
    return _replaced(maps, changed)


def merge_scales(views: Sequence[Maps], matrices: Sequence[np.ndarray], fields: Sequence[Field]) -> Maps:
    """Merge the maps of a batch of images at several scales.

    Args:
        views: Predictions for each view of the batch.
        matrices: ``(B, 3, 3)`` px of the original images -> px of the network input, for each view.
        fields: Fields of the maps.

    Returns:
        Maps of the size of the first view, with lengths in px of its inputs. Tags, and fields that are not merged or
        not smooth, are taken from the first view.
    """
    changed = {}
    for field in _given(views[0], fields):
        if field.merged and field.smooth and field.kind != "tags":
            first = _value(views[0], field)
            size = (int(first.shape[-2]), int(first.shape[-1]))
            moved = [
                _resampled(_value(maps, field), _weights(maps, field, fields), field, matrices[0], matrix, size)
                for maps, matrix in zip(views, matrices, strict=True)
            ]
            changed[field.name] = _mean([value for value, _ in moved], [weights for _, weights in moved])
    return _replaced(views[0], changed)


def check_maps(maps: Any, fields: Sequence[Field], method: str) -> None:
    """Check that maps have the fields of a method and that all cover the same input.

    Raises:
        InputError: A field is missing or has a wrong shape, or the maps cover different inputs.
    """
    covered = set()
    for field in fields:
        value = getattr(maps, field.name, None)
        if value is None and field.optional:
            continue
        shape = None if value is None else tuple(value.shape)
        if shape is None or len(shape) != 4 or not _has_maps_of(field, shape[1]):
            raise InputError(
                f"decoder: {field.name}: shape {shape} does not fit method {method};"
                f" give (B, {field.num_maps}, h, w) maps of the same method and skeleton"
            )
        covered.add((shape[0], shape[2] * field.stride, shape[3] * field.stride))
    if len(covered) > 1:
        shapes = {field.name: tuple(getattr(maps, field.name).shape) for field in _given(maps, fields)}
        raise InputError(f"decoder: maps: shapes {shapes} do not cover the same images; give the maps of one batch")


def _has_maps_of(field: Field, count: int) -> bool:
    """Return whether a field can have this number of maps; tags may be concatenated from several views."""
    return count == field.num_maps or (field.kind == "tags" and count > 0 and count % field.num_maps == 0)


def _given(maps: Any, fields: Sequence[Field]) -> list[Field]:
    """Return the fields that are not None in a record."""
    return [field for field in fields if getattr(maps, field.name) is not None]


def _value(maps: Any, field: Field) -> torch.Tensor:
    value: torch.Tensor = getattr(maps, field.name)
    return value


def _replaced(maps: Maps, changed: Mapping[str, torch.Tensor]) -> Maps:
    replaced: Maps = maps._replace(**changed)  # type: ignore[attr-defined]  # maps are a NamedTuple
    return replaced


def _mirrored(value: torch.Tensor, field: Field) -> torch.Tensor:
    """Return the ``(B, C, h, w)`` maps of the mirrored scene."""
    items = value.flip(-1).reshape(value.shape[0], -1, field.components, *value.shape[2:])  # len would fix B in exports
    repeats = items.shape[1] // len(field.mirror)  # merged tags have several maps per item
    order = [repeat * len(field.mirror) + item for repeat in range(repeats) for item in field.mirror]
    items = items[:, order]
    if field.kind == "vectors":
        items = items * value.new_tensor([-1.0, 1.0])[:, None, None]
    return items.flatten(1, 2)


def _weights(maps: Any, field: Field, fields: Sequence[Field]) -> torch.Tensor | None:
    """Return the ``(B, C, h, w)`` weights of the maps of a field in one view; None = all views have the same weight."""
    if not field.weighted_by:
        return None
    responses = next(one for one in fields if one.name == field.weighted_by)
    items = list(field.weight_items) or [responses.points.index(point) for point in field.points]
    return _value(maps, responses).clamp(min=0)[:, items].repeat_interleave(field.components, dim=1)


def _mean(values: Sequence[torch.Tensor], weights: Sequence[torch.Tensor | None]) -> torch.Tensor:
    """Return the weighted mean, or the plain mean where all weights are 0."""
    mean = torch.stack(list(values)).mean(0)
    given = [one for one in weights if one is not None]
    if not given:
        return mean
    total = torch.stack(given).sum(0)
    weighted = torch.stack([value * weight for value, weight in zip(values, given, strict=True)]).sum(0)
    return torch.where(total > _LEAST_WEIGHT, weighted / total.clamp(min=_LEAST_WEIGHT), mean)


def _resampled(
    value: torch.Tensor,
    weights: torch.Tensor | None,
    field: Field,
    start: np.ndarray,
    end: np.ndarray,
    size: tuple[int, int],
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Resample the maps of one view, and their weights, to the ``size`` cells of another; 0 outside of the view."""
    cells = [cells_to_cells(one, other, field.stride) for one, other in zip(start, end, strict=True)]
    own = (int(value.shape[-2]), int(value.shape[-1]))
    grids = np.stack([np.linalg.inv(normalized_to_cells(own)) @ cell @ normalized_to_cells(size) for cell in cells])
    grid = functional.affine_grid(
        torch.as_tensor(grids[:, :2], dtype=value.dtype, device=value.device),
        [len(value), 1, *size],
        align_corners=False,
    )
    growth = torch.as_tensor(
        np.stack([np.diag(cell)[:2] for cell in cells]), dtype=value.dtype, device=value.device
    )  # (B, 2) along x and y
    if field.components == 1:
        growth = growth.prod(dim=1, keepdim=True).sqrt()
    growth = growth.repeat(1, value.shape[1] // growth.shape[1])[..., None, None]
    mode = "bicubic" if field.kind == "responses" else "bilinear"

    def sampled(maps: torch.Tensor) -> torch.Tensor:
        return functional.grid_sample(maps, grid, mode=mode, align_corners=False)

    moved = sampled(value)
    if weights is not None:  # so that unsupervised neighbors do not affect the value between cells
        total = sampled(weights)
        moved = torch.where(total > _LEAST_WEIGHT, sampled(value * weights) / total.clamp(min=_LEAST_WEIGHT), moved)
        weights = total
    if field.kind in ("vectors", "scales"):
        moved = moved / growth
    elif field.kind == "spreads":
        moved = moved - growth.log()
    return moved, weights
