"""Flip test: maps of the mirrored image, mirrored back and merged with those of the image."""

from __future__ import annotations

import torch

from gog_pose.records import PoseMaps
from gog_pose.skeleton import Skeleton


def flip_maps(maps: PoseMaps, skeleton: Skeleton) -> PoseMaps:
    """Return the maps that the mirrored scene has: cell u becomes w - 1 - u, left and right swap, vectors turn round.

    A limb whose mirror image runs the other way (shoulder to shoulder) lands in the channels of its counterpart all
    the same, but around the end of that limb and pointing at its start; see ``merge_flipped``.

    Args:
        maps: ``(B, K, h, w)`` heatmaps, ``(B, 2L, h, w)`` offsets and, where there are any, refinement offsets.
        skeleton: What the channels are.
    """
    heatmaps = maps.heatmaps.flip(-1)[:, list(skeleton.flip_index)]
    offsets = maps.offsets.flip(-1).reshape(-1, skeleton.num_limbs, 2, *maps.offsets.shape[2:])
    turn = offsets.new_tensor([-1.0, 1.0])[:, None, None]
    turned = (offsets[:, list(skeleton.limb_flip_index)] * turn).flatten(1, 2)
    refinements = None if maps.refinements is None else maps.refinements.flip(-1) * turn
    return PoseMaps(heatmaps, turned, refinements)


def merge_flipped(maps: PoseMaps, mirrored_maps: PoseMaps, skeleton: Skeleton) -> PoseMaps:
    """Return the mean of the maps of an image and of its mirror image.

    Limbs whose mirror image runs the other way keep the prediction for the image: the other one is about the opposite
    limb, so the two have no cell in common.

    Args:
        maps: What the network says about the image.
        mirrored_maps: What it says about the mirrored image, as the network gave it.
        skeleton: What the channels are.
    """
    back = flip_maps(mirrored_maps, skeleton)
    heatmaps = (maps.heatmaps + back.heatmaps) / 2
    offsets = (maps.offsets + back.offsets) / 2
    keep = torch.tensor(skeleton.limb_flip_reversed, device=offsets.device).repeat_interleave(2)
    refinements = None
    if maps.refinements is not None and back.refinements is not None:
        refinements = (maps.refinements + back.refinements) / 2
    return PoseMaps(heatmaps, torch.where(keep[:, None, None], maps.offsets, offsets), refinements)
