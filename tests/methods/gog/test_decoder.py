"""The decoder as a whole: people come back exactly, and no map breaks a guarantee."""

import math

import numpy as np
import pytest
import torch
from gog_maps import check_guarantees, draw_maps
from hypothesis import given, settings
from hypothesis import strategies as st

from gog_pose.decoding import GogDecoder, PoseMaps
from gog_pose.errors import InputError
from gog_pose.maps.fields import flip_maps
from gog_pose.methods.gog.reference import DenseDecoder
from gog_pose.skeleton import Skeleton, load_skeleton

COCO = load_skeleton("coco_19")
# A nose with two hands: small enough to draw by plain loops, with a limb of each kind under mirroring.
SMALL = Skeleton("small", ["nose", "left", "right"], [(0, 1), (0, 2), (1, 2)], [(1, 2)], [0.1, 0.1, 0.1])
ONE_WAY = Skeleton("one_way", ["nose", "left", "right"], [(0, 1), (0, 2)], [(1, 2)], [0.1, 0.1, 0.1])
KINDS = [GogDecoder, DenseDecoder]


def a_person(skeleton, x, y, size, seed):
    """Return (K, 3) integer keypoints in a box, all labelled."""
    spread = np.random.default_rng(seed).permutation(size * size)[: skeleton.num_keypoints]
    return np.stack([x + spread % size, y + spread // size, np.full(len(spread), 2)], axis=1).astype(float)


@pytest.mark.parametrize("kind", KINDS)
def test_every_integer_keypoint_comes_back_exactly(kind):
    people = np.stack([a_person(COCO, 6, 6, 40, 1), a_person(COCO, 50, 6, 40, 2), a_person(COCO, 20, 50, 40, 3)])
    people[1, :5, 2] = 0  # a head that is turned away; shoulders and below stay connected
    maps = draw_maps(COCO, people)
    (poses,) = kind(COCO, localizer="bicubic")(maps)
    expected = people.copy()
    expected[expected[..., 2] == 0] = 0
    assert sorted(poses.keypoints[..., :2].tolist()) == sorted(expected[..., :2].tolist())
    np.testing.assert_allclose(poses.scores, [1, 1, 12 / 17], atol=0.02)

    (bilinear,) = kind(COCO, localizer="bilinear", min_keypoints=9)(maps)
    assert len(bilinear) == 3
    assert sorted(bilinear.keypoints[..., :2].tolist()) != sorted(expected[..., :2].tolist())


@st.composite
def small_people(draw):
    """People of three keypoints: outside the image, coincident, one pixel apart, on halves, unlabelled."""
    coordinate = st.one_of(st.integers(-8, 56), st.sampled_from([20, 21, 20.5, 0, 47]))
    keypoint = st.tuples(coordinate, coordinate, st.integers(0, 2))
    return draw(st.lists(st.tuples(keypoint, keypoint, keypoint), max_size=4))


@settings(max_examples=40, deadline=None)
@given(small_people(), st.sampled_from([1, 2]), st.booleans())
def test_random_people_break_nothing(people, min_keypoints, complete):
    maps = draw_maps(SMALL, people, image_hw=(48, 48))
    check_guarantees(GogDecoder(SMALL, min_keypoints=min_keypoints, complete=complete), maps)


@st.composite
def random_maps(draw):
    """Maps that no network should predict, but a diverged one may."""
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    maps = []
    for channels, scale in ((3, 0.5), (6, 20.0)):
        values = torch.randn(2, channels, height, width, generator=generator) * scale
        kind = draw(st.sampled_from(["noise", "broken", "huge", "constant", "plateaus"]))
        if kind == "broken":
            for broken in (math.nan, math.inf, -math.inf):
                values[torch.rand(values.shape, generator=generator) < 0.1] = broken
        elif kind == "huge":
            values = values * 1e37
        elif kind == "constant":
            values = torch.full_like(values, draw(st.sampled_from([0.0, 0.5, math.nan, math.inf, -1.0])))
        elif kind == "plateaus":
            values = values.round()
        maps.append(values.to(draw(st.sampled_from([torch.float32, torch.float16, torch.bfloat16]))))
    return PoseMaps(*maps)


@settings(max_examples=80, deadline=None)
@given(random_maps(), st.sampled_from(KINDS), st.sampled_from([1, 2, 32]), st.sampled_from(["sum", "mean"]))
def test_random_maps_break_nothing(maps, kind, topk, score):
    decoder = kind(SMALL, topk=topk, score=score, complete=topk != 2)
    poses = check_guarantees(decoder, maps)
    for image in range(2):  # and the other image of the batch has no say
        (alone,) = decoder(PoseMaps(maps.heatmaps[image : image + 1], maps.offsets[image : image + 1]))
        np.testing.assert_array_equal(alone.keypoints, poses[image].keypoints)
        np.testing.assert_array_equal(alone.scores, poses[image].scores)


def assert_mirrored(decoder, maps):
    """Assert that the mirrored maps decode to the mirrored poses."""
    skeleton, width = decoder.skeleton, maps.heatmaps.shape[-1] * decoder.stride
    (poses,), (mirrored,) = decoder(maps), decoder(flip_maps(maps, decoder.fields))
    flip = list(skeleton.flip_index)
    back, inferred = mirrored.keypoints[:, flip], mirrored.inferred[:, flip]
    back[..., 0] = np.where(back[..., 2] > 0, width - 1 - back[..., 0], 0)
    # The best pixels are equal to the last bit, inferred keypoints to rounding.
    detected, detected_back = (
        np.where(marks[..., None], 0, keypoints)
        for keypoints, marks in ((poses.keypoints, poses.inferred), (back, inferred))
    )
    order, order_back = (
        np.lexsort(people.reshape(-1, 3 * skeleton.num_keypoints).T) for people in (detected, detected_back)
    )
    np.testing.assert_array_equal(detected_back[order_back], detected[order])
    np.testing.assert_array_equal(inferred[order_back], poses.inferred[order])
    np.testing.assert_allclose(back[order_back], poses.keypoints[order], rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(mirrored.scores, poses.scores, rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(KINDS))
def test_mirrored_maps_give_mirrored_poses(seed, kind):
    generator = torch.Generator().manual_seed(seed)
    heatmaps = torch.rand(1, 3, 6, 9, generator=generator)
    maps = PoseMaps(heatmaps, torch.randn(1, 4, 6, 9, generator=generator) * 15)
    assert_mirrored(kind(ONE_WAY, localizer="bicubic"), maps)


@settings(max_examples=40, deadline=None)
@given(small_people())
def test_a_mirrored_scene_gives_mirrored_poses(people):
    assert_mirrored(GogDecoder(ONE_WAY, localizer="bicubic"), draw_maps(ONE_WAY, people, image_hw=(48, 48)))


def test_more_people_than_topk():
    people = [[(x, y, 2), (x + 8, y, 2), (x, y + 8, 2)] for x in range(8, 88, 24) for y in range(8, 88, 24)]
    maps = draw_maps(SMALL, people)
    (everyone,) = check_guarantees(GogDecoder(SMALL), maps)
    assert len(everyone) == len(people)
    (poses,) = check_guarantees(GogDecoder(SMALL, topk=3), maps)
    assert ((poses.keypoints[..., 2] > 0).sum(axis=0) == 3).all()


@pytest.mark.parametrize(
    "option",
    [
        {"score": "max"},
        {"localizer": "nearest"},
        {"topk": 0},
        {"stride": 0},
        {"threshold": 0},
        {"reach": -1},
        {"agreement": float("nan")},
        {"spread_factor": -1.0},
    ],
)
def test_bad_options_are_refused(option):
    with pytest.raises(InputError, match=next(iter(option))):
        GogDecoder(COCO, **option)


@pytest.mark.parametrize(
    "shapes", [((1, 17, 4, 4), (1, 32, 4, 4)), ((1, 16, 4, 4), (1, 38, 4, 4)), ((17, 4, 4), (38, 4, 4))]
)
def test_maps_of_another_skeleton_are_refused(shapes):
    with pytest.raises(InputError, match="does not fit method gog"):
        GogDecoder(COCO)(PoseMaps(*(torch.zeros(shape) for shape in shapes)))


def contested_limb():
    """Maps of two noses whose offsets lead to one hand, the first by 6 px wrong, the second by 3 px."""
    pair = Skeleton("pair", ["nose", "hand"], [(0, 1)], [], [0.1, 0.1])
    noses, hand = [(22, 22), (70, 22)], (46, 70)
    maps = draw_maps(pair, [[(*nose, 2), (*hand, 2)] for nose in noses])
    offsets, spreads = maps.offsets.clone(), torch.zeros(1, 1, 24, 24)
    offsets[:, :, :, :12] += torch.tensor([6.0, 0.0])[:, None, None]
    offsets[:, :, :, 12:] += torch.tensor([3.0, 0.0])[:, None, None]
    spreads[..., :12], spreads[..., 12:] = math.log(12.0), math.log(2.0)
    return pair, maps._replace(offsets=offsets, spreads=spreads), noses, hand


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("spread_factor", "winner"),
    [(0.0, 1), (1.0, 0), (100.0, 0)],  # errors of 6 and 3 px: by L exp(-0.11), exp(-0.06); by b exp(-0.5), exp(-1.5)
)
def test_the_certain_offset_wins_a_contested_keypoint(kind, spread_factor, winner):
    pair, maps, noses, hand = contested_limb()
    (poses,) = kind(pair, localizer="bicubic", spread_factor=spread_factor, reach=0, complete=False)(maps)
    owner = poses.keypoints[poses.keypoints[:, 1, 2] > 0]
    assert owner[0, :, :2].tolist() == [list(noses[winner]), list(hand)]
    assert len(poses) == 2


def test_a_spread_factor_of_0_ignores_the_spreads():
    people = np.stack([a_person(COCO, 6, 6, 40, 1), a_person(COCO, 30, 20, 40, 2)])
    maps = draw_maps(COCO, people)
    spreads = torch.randn(1, COCO.num_limbs, 24, 24, generator=torch.Generator().manual_seed(0))
    (without,), (own,) = GogDecoder(COCO)(maps), GogDecoder(COCO)(maps._replace(spreads=spreads))
    np.testing.assert_array_equal(own.keypoints, without.keypoints)
    np.testing.assert_array_equal(own.scores, without.scores)


def test_spreads_that_are_missing_or_do_not_fit_are_refused():
    _, maps, _, _ = contested_limb()
    pair = Skeleton("pair", ["nose", "hand"], [(0, 1)], [], [0.1, 0.1])
    with pytest.raises(InputError, match=r"decoder\.spread_factor: the maps have no spreads \(2.0\)"):
        GogDecoder(pair, spread_factor=2.0)(maps._replace(spreads=None))
    with pytest.raises(InputError, match=r"spreads: shape .* does not fit method gog"):
        GogDecoder(pair)(maps._replace(spreads=maps.offsets))


@settings(max_examples=40, deadline=None)
@given(random_maps(), st.sampled_from(KINDS), st.integers(0, 2**31), st.sampled_from([0.01, 2.0, 1e6]))
def test_random_spreads_break_nothing(maps, kind, seed, spread_factor):
    generator = torch.Generator().manual_seed(seed)
    spreads = torch.randn(2, 3, *maps.heatmaps.shape[2:], generator=generator) * 30
    for broken in (math.nan, math.inf, -math.inf):
        spreads[torch.rand(spreads.shape, generator=generator) < 0.05] = broken
    check_guarantees(kind(SMALL, spread_factor=spread_factor), maps._replace(spreads=spreads))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_mirrored_maps_with_spreads_give_mirrored_poses(seed):
    generator = torch.Generator().manual_seed(seed)
    heatmaps = torch.rand(1, 3, 6, 9, generator=generator)
    offsets, spreads = (torch.randn(1, maps, 6, 9, generator=generator) for maps in (4, 2))
    decoder = GogDecoder(ONE_WAY, localizer="bicubic", spread_factor=2.0)
    assert_mirrored(decoder, PoseMaps(heatmaps, offsets * 15, spreads=spreads + 2))


@pytest.mark.parametrize("kind", KINDS)
def test_the_people_the_authors_find(golden, kind):
    recorded = np.load(golden / "dec_0.npz")
    maps = PoseMaps(torch.from_numpy(recorded["heatmaps"])[None], torch.from_numpy(recorded["offsets"])[None])
    decoder = kind(COCO, localizer="bicubic", min_keypoints=2, reach=0, complete=False)
    (poses,) = decoder(maps)
    theirs = recorded["poses"][np.argsort(-recorded["scores"])]
    assert len(poses) == len(theirs)
    np.testing.assert_allclose(poses.keypoints[..., :2], theirs[..., :2], atol=1)
    np.testing.assert_allclose(poses.keypoints[..., 2], theirs[..., 2], atol=1e-5)
    np.testing.assert_allclose(poses.scores, np.sort(recorded["scores"])[::-1], atol=1e-5)
