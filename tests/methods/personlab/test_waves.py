"""Walks of many poses at once: the poses of single walks, at any place of any maps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gog_pose.methods.personlab.decoder import PersonLabDecoder
from gog_pose.methods.personlab.grouping import Roots, grow_people
from gog_pose.methods.personlab.records import edges
from gog_pose.methods.personlab.walk import PointReader
from gog_pose.methods.personlab.waves import PointsReader
from gog_pose.skeleton import Skeleton, load_skeleton

PIECES = Skeleton("pieces", ("a", "b", "c", "d", "alone"), ((0, 1), (1, 2), (0, 2), (2, 3)), (), (0.05,) * 5)
SEEDS = st.integers(0, 10_000)


def positions(random, number, height, width):
    """``(2, number)`` positions on a map, half of them at centers of cells, the last row and column among them."""
    last = np.array([[width - 1.0], [height - 1.0]])
    xy = random.random((2, number)) * last
    return np.where(random.random(number) < 0.5, np.minimum(np.ceil(xy), last), xy)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, height=st.integers(1, 9), width=st.integers(1, 9))
def test_many_positions_are_read_like_single_ones(seed, height, width):
    random = np.random.default_rng(seed)
    maps = random.normal(0, 20, (6, height, width)).astype(np.float32)
    maps[random.random(maps.shape) < 0.05] = random.choice([np.nan, np.inf, -np.inf, 3e38])
    xy, items = positions(random, 50, height, width), random.integers(0, 3, 50)
    single = PointReader(maps)
    with np.errstate(invalid="ignore"):
        moved = PointsReader(maps).moved(items, xy, 4)
    ours = [single.moved(item, *place, 4) for item, place in zip(items.tolist(), xy.T.tolist(), strict=True)]
    np.testing.assert_array_equal(moved.T, ours)

    responses = np.clip(random.normal(0.5, 0.5, maps.shape), -0.1, 1.1).astype(np.float32)
    single = PointReader(responses)
    with np.errstate(divide="ignore", invalid="ignore"):
        logits = PointsReader(responses).logits(items, xy)
    ours = [single.logit(item, *place) for item, place in zip(items.tolist(), xy.T.tolist(), strict=True)]
    np.testing.assert_allclose(logits, ours, rtol=1e-12, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    seed=SEEDS,
    skeleton=st.sampled_from([PIECES, *map(load_skeleton, ("coco_16", "coco_19", "crowdpose"))]),
    steps=st.integers(0, 2),
    flat=st.booleans(),
    number=st.sampled_from([1, 40]),
)
def test_poses_of_a_wave_are_those_of_single_walks(seed, skeleton, steps, flat, number):
    """In flat maps all responses are 0 or 1 and all offsets are whole cells, so many ways are equally good."""
    random = np.random.default_rng(seed)
    decoder = PersonLabDecoder(skeleton, steps=steps)
    types = skeleton.num_keypoints
    channels = types, 2 * types, 2 * len(edges(skeleton))
    heatmaps, short, mid = (random.normal(0, 1, (count, 8, 10)).astype(np.float32) for count in channels)
    maps = 1 / (1 + np.exp(-heatmaps)), 3 * short, 12 * mid
    if flat:
        maps = (heatmaps > 0).astype(np.float32), 4 * np.round(short), 4 * np.round(mid)
    reader = decoder.read(*maps)
    kinds, xy = random.integers(0, types, number), 4 * positions(random, number, 8, 10).T + 1.5
    poses = reader.grow_all(kinds, xy)
    single = np.stack([reader.grow(kind, place) for kind, place in zip(kinds.tolist(), xy, strict=True)])
    np.testing.assert_array_equal(poses[..., :2], single[..., :2])
    np.testing.assert_allclose(poses[..., 2], single[..., 2], rtol=1e-12)  # logarithms may differ in the last bit
    assert (poses[np.arange(number), kinds, :2] == xy).all()


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, people=st.integers(1, 60), topk=st.sampled_from([1, 20, 100]), least=st.sampled_from([0.0, 0.5]))
def test_waves_do_not_change_which_poses_are_kept(seed, people, topk, least):
    """Roots scatter around the keypoints of people; each root's own pose is near those of its person."""
    random = np.random.default_rng(seed)
    anchors = random.uniform(0, 300, (people, 17, 2))
    owners, kinds = random.integers(0, people, 800), random.integers(0, 17, 800)
    roots = Roots.sorted(kinds, anchors[owners, kinds] + random.normal(0, 4, (800, 2)), random.random(800))
    sizes = []

    def grow(kind, xy):
        nearest = np.linalg.norm(anchors[:, kind] - xy, axis=1).argmin()
        own = np.random.default_rng((seed, int(1000 * abs(xy[0]))))
        found = own.random(17) < 0.9
        return np.column_stack([anchors[nearest] + own.normal(0, 4, (17, 2)), found * own.random(17)]) * found[:, None]

    def grow_all(kinds, xy):
        sizes.append(len(kinds))
        return np.stack([grow(kind, place) for kind, place in zip(kinds.tolist(), xy, strict=True)])

    options = {"radius": 10.0, "topk": topk, "least": least}
    plain, ours = grow_people(roots, grow, **options), grow_people(roots, grow, **options, grow_all=grow_all)
    np.testing.assert_array_equal(np.array(ours), np.array(plain))
    assert bool(sizes) == (topk > 1), "single poses are not worth a wave"
    assert max(sizes, default=0) <= 2 * topk


@pytest.mark.parametrize("free", [0, 1, 600])
def test_each_pose_is_that_of_the_first_free_root(free):
    """Roots that no pose comes near start a pose each, however many grow at once."""
    roots = Roots(np.zeros(free, dtype=np.int64), np.stack([20.0 * np.arange(free), np.zeros(free)], axis=1))
    poses = np.concatenate([roots.xy, np.ones((free, 1))], axis=1)[:, None]
    options = {"radius": 10.0, "topk": 450, "least": 0.0}
    found = grow_people(
        roots,
        lambda kind, xy: np.array([[*xy, 1.0]]),
        grow_all=lambda kinds, xy: np.concatenate([xy, np.ones((len(xy), 1))], axis=1)[:, None],
        **options,
    )
    np.testing.assert_array_equal(np.array(found).reshape(-1, 1, 3), poses[:450])
