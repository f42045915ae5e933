"""Greedy offset-guided grouping: from peaks and the ends of their offsets to people (Sec. 2.3 and 2.4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gog_pose.assembly.agreement import add_agreement
from gog_pose.assembly.completion import infer_missing
from gog_pose.assembly.greedy import group_limbs
from gog_pose.assembly.joining import join_fragments
from gog_pose.assembly.limbs import merge_directions, score_limbs


def group_by_guides(
    xy: np.ndarray,
    responses: np.ndarray,
    guides: np.ndarray,
    limbs: Sequence[Sequence[int]],
    *,
    gate: float,
    gate_ratio: float,
    min_length: float,
    decays: np.ndarray | None = None,
    limb_threshold: float,
    agreement: float,
    reach: float,
    complete: bool,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Group the peaks of one image by the offsets that lead from each peak to the next keypoints.

    Args:
        xy: ``(K, n, 2)`` peaks, px, input image.
        responses: ``(K, n)`` their responses; 0 = no peak.
        guides: ``(L, n, 2)`` J_guid of the starts of each limb, px, input image.
        limbs: L pairs of keypoint types.
        gate: As in ``score_limbs``, px, input image.
        gate_ratio: As in ``score_limbs``.
        min_length: As in ``score_limbs``, px, input image.
        decays: As in ``score_limbs``, px, input image; None: the length of each limb.
        limb_threshold: Lowest connection score S of a candidate limb.
        agreement: As in ``add_agreement``; 0 = no gain.
        reach: As in ``join_fragments``; 0 = fragments are not joined.
        complete: Infer missing keypoints (``infer_missing``).

    Returns:
        ``(N, K)`` ranks of each person's peaks, -1 = none; and ``(N, K, 3)`` x, y (px, input image) and response of
        inferred keypoints, response 0 = not inferred, or None without completion.
    """
    candidates = score_limbs(
        xy,
        responses,
        guides,
        limbs,
        gate=gate,
        gate_ratio=gate_ratio,
        min_length=min_length,
        decays=decays,
        threshold=limb_threshold,
    )
    candidates = merge_directions(candidates, limbs, responses.shape)
    people = group_limbs(xy, responses, add_agreement(candidates, limbs, responses.shape, agreement))
    if reach:
        people = join_fragments(people, xy, responses, limbs, reach)
    return people, infer_missing(people, xy, responses, guides, limbs, min_length) if complete else None
