"""MoveNet's decoder: its rules one by one, and against a reference written as loops."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gog_pose.errors import InputError
from gog_pose.maps.records import joined
from gog_pose.methods.centernet.encoder import CenterEncoder
from gog_pose.methods.centernet.movenet import MoveNetDecoder
from gog_pose.methods.centernet.records import CenterMaps
from gog_pose.methods.decoders import build_decoder, change_decoder, describe_decoder
from gog_pose.methods.people import People
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")
SIZE = (256, 384)


def people(seed, count):
    """Standing people far enough apart to have peaks of their own."""
    random = np.random.default_rng(seed)
    sides = random.uniform(60, 90, (count, 1)) * [0.8, 2.2]
    corners = np.stack([20 + 110 * np.arange(count), random.uniform(5, 40, count)], axis=1)
    grid = np.stack(np.meshgrid(np.arange(3), np.arange(6)), axis=-1).reshape(-1, 2)[:17] / [3, 6] + 0.1
    xy = corners[:, None] + grid * sides[:, None] + random.uniform(-1, 1, (count, 17, 2))
    keypoints = np.concatenate([xy, np.full((count, 17, 1), 2)], axis=2)
    return People(keypoints.astype(np.float32), sides.prod(axis=1) ** 0.5, np.concatenate([corners, sides], axis=1))


def encoded(scene, **options):
    encoder = CenterEncoder(SKELETON, **options)
    return encoder.render(encoder.marks(scene, SIZE)).as_maps()


def noise(seed, refinements):
    """Maps of no scene at all, 12 x 16 cells."""
    random = np.random.default_rng(seed)

    def draw(channels, low=-12.0, high=12.0):
        return torch.from_numpy(random.uniform(low, high, (1, channels, 12, 16)).astype(np.float32))

    steps = draw(34 if refinements == "per_type" else 2, -2, 2)
    return CenterMaps(draw(1, 0, 1), draw(17, 0, 1), draw(34, -30, 30), draw(2, -2, 50), draw(2, -2, 2), steps)


def by_loops(decoder, maps):
    """The definition: scores and keypoints ``(K, 3)`` of each person, the best first."""
    centers, heatmaps, offsets, sizes, middles, steps = (np.asarray(field[0], dtype=np.float64) for field in maps)
    height, width = centers.shape[1:]
    found = []
    for v in range(height):
        for u in range(width):
            around = centers[0, max(0, v - 2) : v + 3, max(0, u - 2) : u + 3]
            if centers[0, v, u] == around.max() > 0:
                found.append((centers[0, v, u], v, u))
    answers = []
    for response, v, u in sorted(found, reverse=True)[: decoder.topk]:
        x, y = 4 * u + 1.5, 4 * v + 1.5
        box = [
            (start + middles[axis, v, u] - sign * max(0, sizes[axis, v, u]) / 2)
            for axis, start in ((0, x), (1, y))
            for sign in (1, -1)
        ]
        keypoints = np.zeros((17, 3))
        for k in range(17):
            goal = x + offsets[2 * k, v, u], y + offsets[2 * k + 1, v, u]
            for row in range(height):
                for column in range(width):
                    if not (box[0] <= 4 * column < box[1] and box[2] <= 4 * row < box[3]):
                        continue
                    cells = ((4 * column - goal[0]) ** 2 + (4 * row - goal[1]) ** 2) / 16
                    weighed = heatmaps[k, row, column] * math.exp(-cells / (decoder.spread * min(height, width)))
                    if weighed > keypoints[k, 2]:
                        own = k if decoder.refinements == "per_type" else 0
                        step = steps[2 * own : 2 * own + 2, row, column]
                        keypoints[k] = 4 * column + 1.5 + step[0], 4 * row + 1.5 + step[1], weighed
        counted = keypoints[keypoints[:, 2] > decoder.threshold, 2]
        if len(counted):
            answers.append((response * counted.mean(), keypoints))
    return sorted(answers, key=lambda answer: -answer[0])


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000), refinements=st.sampled_from(["shared", "per_type"]), spread=st.floats(0.1, 2))
def test_it_equals_its_definition(seed, refinements, spread):
    decoder, maps = MoveNetDecoder(SKELETON, topk=4, spread=spread, refinements=refinements), noise(seed, refinements)
    (poses,) = decoder(maps)
    expected = by_loops(decoder, maps)
    assert len(poses) == len(expected)
    for place, (score, keypoints) in enumerate(expected):
        assert poses.scores[place] == pytest.approx(score, rel=1e-4)
        np.testing.assert_allclose(poses.keypoints[place], keypoints, rtol=1e-3, atol=1e-3)
        np.testing.assert_array_equal(poses.inferred[place], keypoints[:, 2] <= decoder.threshold)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 3), refinements=st.sampled_from(["shared", "per_type"]))
def test_what_was_encoded_is_read_back(seed, count, refinements):
    scene = people(seed, count)
    (poses,) = MoveNetDecoder(SKELETON, refinements=refinements)(encoded(scene, refinements=refinements))
    assert len(poses) == count
    assert not poses.inferred.any()
    order = np.argsort(poses.keypoints[:, 0, 0])
    np.testing.assert_allclose(poses.keypoints[order, :, :2], scene.keypoints[..., :2], atol=1e-3)
    assert (poses.scores > 0.9).all()


def test_faint_keypoints_do_not_count_and_faint_people_are_dropped():
    maps = encoded(people(1, 2))
    heatmaps = maps.heatmaps.clone()
    heatmaps[:, 5] *= 0.1
    (poses,) = MoveNetDecoder(SKELETON)(maps._replace(heatmaps=heatmaps))
    assert poses.inferred[:, 5].all()
    assert poses.inferred.sum() == 2
    assert (poses.scores > 0.9).all()  # the mean of the others
    (nobody,) = MoveNetDecoder(SKELETON)(maps._replace(heatmaps=0.1 * maps.heatmaps))
    assert len(nobody) == 0
    shaded = maps._replace(centers=0.5 * maps.centers)
    assert len(MoveNetDecoder(SKELETON, score_threshold=0.4)(shaded)[0]) == 2
    assert len(MoveNetDecoder(SKELETON, score_threshold=0.6)(shaded)[0]) == 0


def test_an_empty_image_has_nobody_and_images_do_not_mix():
    one, other = encoded(people(3, 2)), encoded(people(4, 2))
    together, alone = MoveNetDecoder(SKELETON)(joined([one, other])), MoveNetDecoder(SKELETON)(other)
    np.testing.assert_array_equal(together[1].keypoints, alone[0].keypoints)
    (nobody,) = MoveNetDecoder(SKELETON)(CenterMaps._make(torch.zeros_like(field) for field in one))
    assert nobody.keypoints.shape == (0, 17, 3)


def test_a_checkpoint_can_say_that_it_means_these_rules():
    decoder = MoveNetDecoder(SKELETON, topk=6, refinements="per_type")
    assert describe_decoder(decoder)["rules"] == "movenet"
    assert build_decoder(SKELETON, "centernet", describe_decoder(decoder)) == decoder
    assert change_decoder(decoder, {"spread": 1.0}) == MoveNetDecoder(
        SKELETON, topk=6, spread=1.0, refinements="per_type"
    )
    for option in ({"spread": 0}, {"topk": 0}, {"threshold": -1}, {"refinements": "x"}):
        with pytest.raises(InputError, match=next(iter(option))):
            MoveNetDecoder(SKELETON, **option)
    with pytest.raises(InputError, match="does not fit method centernet"):
        MoveNetDecoder(SKELETON)(noise(0, "per_type"))
