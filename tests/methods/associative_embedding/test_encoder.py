"""Targets: the cells of each person, both resolutions, ideal tags."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gog_pose.errors import InputError
from gog_pose.methods.associative_embedding.encoder import AssociativeEncoder
from gog_pose.methods.gog import METHOD as GOG
from gog_pose.methods.people import People
from gog_pose.skeleton import Skeleton, load_skeleton

COCO = load_skeleton("coco_16")
PAIR = Skeleton("pair", ["a", "b"], [(0, 1)], [], [0.1, 0.1])


def people_of(keypoints):
    keypoints = np.asarray(keypoints, dtype=np.float32)
    return People(keypoints, np.ones(len(keypoints), dtype=np.float32), np.zeros((len(keypoints), 4)))


def drawn(keypoints, *, skeleton=PAIR, size=(32, 48), ignore=None, **options):
    encoder = AssociativeEncoder(skeleton, **options)
    return encoder.render(encoder.marks(people_of(keypoints), size, ignore))


def test_heatmaps_are_those_of_the_papers_method():
    random = np.random.default_rng(0)
    keypoints = np.concatenate([random.uniform(-5, 130, (4, 17, 2)), random.integers(0, 3, (4, 17, 1))], axis=2)
    gog = GOG.encoder(COCO)
    expected = gog.render(gog.marks(people_of(keypoints), (128, 128))).heatmaps
    torch.testing.assert_close(drawn(keypoints, skeleton=COCO, size=(128, 128)).heatmaps, expected, atol=0, rtol=0)


def test_cells_of_people():
    keypoints = [
        [[0, 0, 2], [47, 31, 1]],  # the corners of the map
        [[4, 3, 2], [9, 9, 0]],  # cell (1, 0); not labeled
        [[-1, 5, 2], [10, 32, 2]],  # both outside: nobody
        [[np.nan, 5, 2], [3.4, 3.6, 2]],  # no number; cell (0, 1)
    ]
    (people,) = drawn(keypoints).people
    assert people.tolist() == [[0, 7 * 12 + 11], [1, -1], [-1, 12]]


def test_keypoints_in_ignored_cells_have_none():
    ignore = np.zeros((32, 48), dtype=bool)
    ignore[:, 24:] = True
    (people,) = drawn([[[5, 5, 2], [30, 5, 2]], [[40, 5, 2], [30, 5, 2]]], ignore=ignore).people
    assert people.tolist() == [[13, -1]]


def test_two_resolutions():
    one = [[[10.0, 10.0, 2], [30.0, 21.0, 2]]]
    targets = drawn(one, resolutions=2, fine_sigma=3.5)
    alone = drawn(one, stride=2, sigma=3.5)
    torch.testing.assert_close(targets.fine_heatmaps, alone.heatmaps, atol=0, rtol=0)
    torch.testing.assert_close(targets.fine_mask, alone.mask, atol=0, rtol=0)
    assert targets.as_maps().fine_heatmaps is targets.fine_heatmaps
    assert drawn(one).fine_heatmaps is None


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 4))
def test_ideal_tags_against_a_loop(seed, count):
    random = np.random.default_rng(seed)
    keypoints = np.concatenate([random.integers(0, 48, (count, 2, 2)), random.integers(0, 2, (count, 2, 1))], axis=2)
    targets = drawn(keypoints)
    (cells,), tags = targets.people, targets.as_maps().tags[0]
    cells = cells.numpy()
    own = [{float(tags[kind].flatten()[cell]) for kind, cell in enumerate(person) if cell >= 0} for person in cells]
    for kind in range(2):
        for y, x in np.ndindex(8, 12):
            near = [
                ((cell // 12 - y) ** 2 + (cell % 12 - x) ** 2, person)
                for person, cell in enumerate(cells[:, kind])
                if cell >= 0 and max(abs(cell // 12 - y), abs(cell % 12 - x)) <= 6
            ]
            value = float(tags[kind, y, x])
            if not near:
                assert value == 0
            else:
                closest = [person for distance, person in near if distance == min(near)[0]]
                assert any(value in own[person] for person in closest)
    # Each tag that people have is at least 2 from the others and from the background.
    values = sorted({0.0} | set().union(*own))
    assert all(b - a >= 2 for a, b in pairwise(values))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stride": 0}, "stride"),
        ({"sigma": 0.0}, "sigma"),
        ({"fine_sigma": -1.0}, "fine_sigma"),
        ({"min_response": 1.0}, "min_response"),
        ({"resolutions": 3}, r"encoder\.resolutions"),
        ({"resolutions": 2, "stride": 3}, r"encoder\.resolutions"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        AssociativeEncoder(PAIR, **options)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"\(P, 2, 3\)"):
        drawn(np.zeros((1, 3, 3)))
    with pytest.raises(ValueError, match="multiple of the stride"):
        drawn(np.zeros((1, 2, 3)), size=(30, 48))
