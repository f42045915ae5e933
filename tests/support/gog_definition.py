"""Targets of the paper's encoder by their definition, cell by cell."""

import math

import numpy as np

from gog_pose.skeleton import Skeleton

CHAIN = Skeleton("chain", ["a", "b", "c"], [[0, 1], [1, 2]], [], [0.1, 0.1, 0.1])


def encode_by_definition(encoder, keypoints, scales, size):
    """Return heatmaps, offsets, their weights, refinements and their weights of people with finite coordinates.

    Sec. 2.2 and 2.3 of the paper: a Gaussian around the nearest keypoint; around the nearest start of a limb, vectors
    to its end; around the nearest keypoint of any type, vectors to it. In float64.
    """
    stride, skeleton = encoder.stride, encoder.skeleton
    height, width = size[0] // stride, size[1] // stride
    heatmaps = np.zeros((skeleton.num_keypoints, height, width))
    offsets = np.zeros((2 * skeleton.num_limbs, height, width))
    weights = np.zeros((skeleton.num_limbs, height, width))
    refinements = np.zeros((2, height, width))
    refinement_weights = np.zeros((1, height, width))
    keypoints, scales = keypoints.astype(np.float64), np.maximum(scales.astype(np.float64), 1)

    def nearest_cell(point):
        return [math.floor((value - stride / 2 + 0.5) / stride + 0.5) for value in point]

    def place(cell):
        return [stride * value + stride / 2 - 0.5 for value in cell]

    def squared(one, other):
        return (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2

    def supports(point, cell, side):
        return max(abs(a - b) for a, b in zip(nearest_cell(point), cell, strict=True)) <= side // 2

    for v in range(height):
        for u in range(width):
            x, y = place((u, v))
            for channel in range(skeleton.num_keypoints):
                for *point, visibility in keypoints[:, channel]:
                    if visibility > 0:
                        drawn = place(nearest_cell(point)) if encoder.quantize else point
                        response = math.exp(-squared((x, y), drawn) / (2 * encoder.sigma**2))
                        if response >= encoder.min_response:
                            heatmaps[channel, v, u] = max(heatmaps[channel, v, u], response)

            for limb, (start, end) in enumerate(skeleton.limbs):
                owners = [
                    (squared((x, y), person[start]), 1 / scale, *person[end, :2])
                    for person, scale in zip(keypoints, scales, strict=True)
                    if min(person[[start, end], 2]) > 0 and supports(person[start, :2], (u, v), encoder.support)
                ]
                if owners:
                    _, weights[limb, v, u], end_x, end_y = min(owners)
                    offsets[2 * limb : 2 * limb + 2, v, u] = end_x - x, end_y - y

            if encoder.refinement:
                owners = [
                    (squared((x, y), point), point[0], point[1])
                    for *point, visibility in keypoints.reshape(-1, 3)
                    if visibility > 0 and supports(point, (u, v), encoder.refinement)
                ]
                if owners:
                    refinement_weights[0, v, u] = 1
                    refinements[:, v, u] = min(owners)[1] - x, min(owners)[2] - y
    return heatmaps, offsets, weights, refinements, refinement_weights


def assert_equals_definition(encoder, keypoints, scales, size):
    targets = encoder(keypoints, scales, size)
    heatmaps, offsets, weights, refinements, refinement_weights = encode_by_definition(encoder, keypoints, scales, size)
    np.testing.assert_allclose(targets.heatmaps, heatmaps, atol=2e-5)
    np.testing.assert_allclose(targets.offset_weights, weights, rtol=1e-5)
    np.testing.assert_allclose(targets.offsets, offsets, atol=1e-4)
    if encoder.refinement:
        np.testing.assert_array_equal(targets.refinement_weights, refinement_weights)
        np.testing.assert_allclose(targets.refinements, refinements, atol=1e-4)
    else:
        assert targets.refinements is None
        assert targets.refinement_weights is None
