"""CenterNet's targets equal their definition written as loops, and no vector is lost."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gog_pose.maps.marks import TargetMarks
from gog_pose.maps.records import image_of, joined
from gog_pose.methods.centernet.encoder import CenterEncoder, gaussian_radius
from gog_pose.methods.people import People
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_16")
HEIGHT, WIDTH, STRIDE = 24, 32, 4


def scene(seed, count):
    random = np.random.default_rng(seed)
    keypoints = np.zeros((count, 17, 3), dtype=np.float32)
    keypoints[..., 0] = random.uniform(-0.49, STRIDE * WIDTH - 0.51, (count, 17))
    keypoints[..., 1] = random.uniform(-0.49, STRIDE * HEIGHT - 0.51, (count, 17))
    keypoints[..., 2] = random.integers(0, 3, (count, 17))
    corner = random.uniform(0, 50, (count, 2))
    sides = random.uniform(3, 45, (count, 2))
    return People(keypoints, np.sqrt(sides.prod(axis=1)), np.concatenate([corner, sides], axis=1).astype(np.float32))


def by_loops(people, support, refinements):
    """The definition, cell by cell and person by person."""
    kinds = 17 if refinements == "per_type" else 1
    lengths = {"centers": 1, "heatmaps": 17, "offsets": 34, "offset_weights": 17, "sizes": 2, "center_refinements": 2,
               "center_weights": 1, "refinements": 2 * kinds, "refinement_weights": kinds}  # fmt: skip
    maps = {name: np.zeros((length, HEIGHT, WIDTH)) for name, length in lengths.items()}
    nearest_center, nearest_point = np.full((HEIGHT, WIDTH), np.inf), np.full((kinds, HEIGHT, WIDTH), np.inf)

    def cell(x, y):
        return math.floor((x - 1.5) / STRIDE + 0.5), math.floor((y - 1.5) / STRIDE + 0.5)

    def blob(heatmap, u0, v0, radius):
        for v in range(max(0, v0 - radius), min(HEIGHT, v0 + radius + 1)):
            for u in range(max(0, u0 - radius), min(WIDTH, u0 + radius + 1)):
                value = math.exp(-((u - u0) ** 2 + (v - v0) ** 2) / (2 * ((2 * radius + 1) / 6) ** 2))
                heatmap[v, u] = max(heatmap[v, u], value)

    for keypoints, (left, top, width, height) in zip(people.keypoints, people.boxes.astype(float), strict=True):
        if not (keypoints[:, 2] > 0).any():
            continue
        x0, y0 = left + width / 2, top + height / 2
        radius = gaussian_radius(math.ceil(height / STRIDE), math.ceil(width / STRIDE))
        u0, v0 = cell(x0, y0)
        blob(maps["centers"][0], u0, v0, radius)
        for v in range(max(0, v0 - support // 2), min(HEIGHT, v0 + support // 2 + 1)):
            for u in range(max(0, u0 - support // 2), min(WIDTH, u0 + support // 2 + 1)):
                x, y = STRIDE * u + 1.5, STRIDE * v + 1.5
                distance = (x - x0) ** 2 + (y - y0) ** 2
                if distance >= nearest_center[v, u]:
                    continue
                nearest_center[v, u] = distance
                maps["center_weights"][0, v, u] = 1
                maps["sizes"][:, v, u] = width, height
                maps["center_refinements"][:, v, u] = x0 - x, y0 - y
                for k, (kx, ky, visibility) in enumerate(keypoints.astype(float)):
                    known = visibility > 0
                    maps["offset_weights"][k, v, u] = known
                    maps["offsets"][2 * k : 2 * k + 2, v, u] = (kx - x, ky - y) if known else 0
        for k, (kx, ky, visibility) in enumerate(keypoints.astype(float)):
            if visibility > 0:
                u, v = cell(kx, ky)
                blob(maps["heatmaps"][k], u, v, radius)
                x, y = STRIDE * u + 1.5, STRIDE * v + 1.5
                own = k if refinements == "per_type" else 0
                if (kx - x) ** 2 + (ky - y) ** 2 < nearest_point[own, v, u]:
                    nearest_point[own, v, u] = (kx - x) ** 2 + (ky - y) ** 2
                    maps["refinement_weights"][own, v, u] = 1
                    maps["refinements"][2 * own : 2 * own + 2, v, u] = kx - x, ky - y
    return maps


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(0, 5),
    support=st.sampled_from([1, 3]),
    refinements=st.sampled_from(["shared", "per_type"]),
)
def test_targets_equal_their_definition(seed, count, support, refinements):
    people = scene(seed, count)
    encoder = CenterEncoder(SKELETON, support=support, refinements=refinements)
    targets = image_of(encoder.render(encoder.marks(people, (STRIDE * HEIGHT, STRIDE * WIDTH))), 0)
    for name, expected in by_loops(people, support, refinements).items():
        np.testing.assert_allclose(getattr(targets, name), expected, atol=1e-4, err_msg=name)
    assert (targets.mask == 1).all()


def test_images_of_a_batch_are_drawn_as_alone():
    encoder, size = CenterEncoder(SKELETON), (STRIDE * HEIGHT, STRIDE * WIDTH)
    marks = [encoder.marks(scene(seed, 3), size) for seed in (1, 2)]
    batch = encoder.render(TargetMarks.join(marks))
    alone = joined([encoder.render(one) for one in marks])
    for one, other in zip(batch, alone, strict=True):
        assert torch.equal(one, other)


def test_ignored_cells_are_not_supervised():
    ignore = np.zeros((STRIDE * HEIGHT, STRIDE * WIDTH), dtype=bool)
    ignore[:, :40] = True
    (grid,) = CenterEncoder(SKELETON).marks(scene(0, 1), ignore.shape, ignore).grids
    assert not grid.mask[..., :10].any()
    assert grid.mask[..., 10:].all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (10, 10), (24, 12), (100, 7)])
def test_a_gaussian_reaches_as_far_as_corners_may_move(height, width):
    """The third case, both corners outwards, is the smallest: 0.7 (w + h) r + 0.7 r^2 is what the overlap allows."""
    radius = gaussian_radius(height, width)
    assert radius >= 0

    def room(r):  # the program's quadratic with its own root formula: 2 x = -b + sqrt(b^2 - 4 a c)
        b, c, a = -2 * 0.7 * (height + width), -0.3 * height * width, 4 * 0.7
        return (2 * r - b) ** 2 - (b * b - 4 * a * c)

    assert room(radius) <= 1e-9
    assert room(radius + 1) > 0
