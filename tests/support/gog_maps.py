"""Ground-truth maps of the paper's method, rendered by plain loops, and the guarantees for all its poses."""

from __future__ import annotations

import math

import numpy as np
import torch

from gog_pose.decoding import GogDecoder, PoseMaps
from gog_pose.maps.peaks import find_peaks


def draw_maps(skeleton, people, image_hw=(96, 96), stride=4, sigma=7.0, reach=3) -> PoseMaps:
    """Render the maps of one image, cell by cell: the nearest keypoint owns a cell (Sec. 2.2, 2.3)."""
    height, width = image_hw[0] // stride, image_hw[1] // stride
    heatmaps = torch.zeros(1, skeleton.num_keypoints, height, width)
    offsets = torch.zeros(1, 2 * skeleton.num_limbs, height, width)
    for v in range(height):
        for u in range(width):
            x, y = u * stride + stride / 2 - 0.5, v * stride + stride / 2 - 0.5
            for kind in range(skeleton.num_keypoints):
                distances = [math.hypot(p[kind][0] - x, p[kind][1] - y) for p in people if p[kind][2] > 0]
                if distances:
                    response = math.exp(-(min(distances) ** 2) / (2 * sigma**2))
                    heatmaps[0, kind, v, u] = response if response >= 0.01 else 0
            for limb, (start, end) in enumerate(skeleton.limbs):
                near = [
                    (math.hypot(p[start][0] - x, p[start][1] - y), p[end][0] - x, p[end][1] - y)
                    for p in people
                    if p[start][2] > 0
                    and p[end][2] > 0
                    and max(abs(p[start][0] - x), abs(p[start][1] - y)) <= (reach + 0.5) * stride
                ]
                if near:
                    offsets[0, 2 * limb : 2 * limb + 2, v, u] = torch.tensor(min(near)[1:])
    return PoseMaps(heatmaps, offsets)


def check_guarantees(decoder: GogDecoder, maps: PoseMaps) -> list:
    """Decode and assert what holds for any maps whatever; return the poses."""
    all_poses = decoder(maps)
    peaks = find_peaks(
        maps.heatmaps,
        stride=decoder.stride,
        topk=decoder.topk,
        threshold=decoder.threshold,
        localizer=decoder.localizer,
        interpolate=decoder.interpolate,
    )
    for poses, xy, responses in zip(all_poses, peaks.xy.numpy(), peaks.responses.numpy(), strict=True):
        assert poses.keypoints.dtype == poses.scores.dtype == np.float32
        assert poses.keypoints.shape == (len(poses), decoder.skeleton.num_keypoints, 3)
        assert np.isfinite(poses.keypoints).all()
        assert np.isfinite(poses.scores).all()
        assert (np.diff(poses.scores) <= 0).all()
        missing = poses.keypoints[:, :, 2] == 0
        assert (poses.keypoints[missing] == 0).all()
        if decoder.complete:
            assert poses.inferred.shape == missing.shape
            assert not (poses.inferred & missing).any()
            missing = missing | poses.inferred  # what is marked as inferred need not be a peak
        else:
            assert poses.inferred is None
        assert ((~missing).sum(axis=1) >= decoder.min_keypoints).all()
        for kind in range(decoder.skeleton.num_keypoints):
            detected = {(*p, r) for p, r in zip(xy[kind].tolist(), responses[kind].tolist(), strict=True) if r > 0}
            used = [tuple(k) for k in poses.keypoints[~missing[:, kind], kind].tolist()]
            assert len(used) == len(set(used)), "a peak serves two people"
            assert set(used) <= detected, "a keypoint that is no peak"
    return all_poses
