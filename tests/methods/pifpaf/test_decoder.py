"""The decoder: whole maps and one pose at a time give the same, any skeleton works, options do what they say."""

import numpy as np
import pytest
import torch

from gog_pose.errors import InputError
from gog_pose.methods.people import People
from gog_pose.methods.pifpaf.decoder import PifpafDecoder
from gog_pose.methods.pifpaf.encoder import PifpafEncoder
from gog_pose.methods.pifpaf.reference import dense
from gog_pose.skeleton import Skeleton, load_skeleton

COCO = load_skeleton("coco_19")
SIZE = (96, 128)


def scene(skeleton, count, seed, size=SIZE):
    random = np.random.default_rng(seed)
    low = random.uniform(0, 0.5, (count, 1, 2)) * size[::-1]
    xy = low + random.uniform(0, 0.5, (count, skeleton.num_keypoints, 2)) * size[::-1]
    return np.concatenate([xy, np.full((count, skeleton.num_keypoints, 1), 2)], axis=2).astype(np.float32)


def maps_of(keypoints, skeleton=COCO, size=SIZE, **options):
    encoder = PifpafEncoder(skeleton, **options)
    people = People(keypoints, np.ones(len(keypoints), dtype=np.float32), np.zeros((len(keypoints), 4)))
    return encoder.render(encoder.marks(people, size)).as_maps()


def disturbed(maps, seed):
    """Responses that fade and blur, vectors and scales that err, as a network's."""
    torch.manual_seed(seed)

    def faded(field):
        blurred = torch.nn.functional.avg_pool2d(field, 3, 1, 1)
        return (field + blurred) / 2 * (0.4 + 0.6 * torch.rand_like(field))

    return maps._replace(
        heatmaps=faded(maps.heatmaps),
        limb_heatmaps=faded(maps.limb_heatmaps),
        vectors=maps.vectors + torch.randn_like(maps.vectors),
        limb_vectors=maps.limb_vectors + 2 * torch.randn_like(maps.limb_vectors),
        spreads=maps.spreads + 0.5 * torch.randn_like(maps.spreads),
        limb_spreads=maps.limb_spreads + 1 + 0.5 * torch.randn_like(maps.limb_spreads),
        scales=maps.scales * (0.7 + 0.6 * torch.rand_like(maps.scales)),
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("options", [{}, {"seeds": "cells", "connection": "blend", "distance": "scale", "reach": 5.0}])
def test_whole_maps_and_one_pose_at_a_time_give_the_same(seed, options):
    maps = disturbed(maps_of(scene(COCO, seed, seed)), seed)
    decoder = PifpafDecoder(COCO, **options)
    (fast,), (slow,) = decoder(maps), dense(decoder)(maps)
    np.testing.assert_allclose(fast.keypoints, slow.keypoints, atol=1e-4)
    np.testing.assert_allclose(fast.scores, slow.scores, atol=1e-6)
    np.testing.assert_array_equal(fast.inferred, slow.inferred)


class OneAtATime(PifpafDecoder):
    """A decoder that grows one pose at a time."""

    @staticmethod
    def together(squares):
        """Return the first seed."""
        return np.zeros(1, dtype=np.intp)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("options", [{}, {"seeds": "cells"}, {"connection": "blend"}])
def test_seeds_that_race_and_one_pose_at_a_time_give_exactly_the_same(seed, noisy, options):
    maps = maps_of(scene(COCO, 2 + 4 * seed, seed))
    if noisy:
        maps = disturbed(maps, seed)
    (fast,), (slow,) = (kind(COCO, **options)(maps) for kind in (PifpafDecoder, OneAtATime))
    assert len(fast) > 1
    np.testing.assert_array_equal(fast.keypoints, slow.keypoints)
    np.testing.assert_array_equal(fast.scores, slow.scores)
    np.testing.assert_array_equal(fast.inferred, slow.inferred)


OWN = Skeleton("star", ["m", "l", "r"], [(1, 0), (2, 0)], [(1, 2)], [0.05, 0.1, 0.1])


@pytest.mark.parametrize(
    "skeleton", [load_skeleton("crowdpose"), load_skeleton("coco_19_bidirectional"), OWN], ids=lambda one: one.name
)
@pytest.mark.parametrize("coarser", [1, 2])
def test_any_skeleton_works(skeleton, coarser):
    keypoints = scene(skeleton, 1, 3, (256, 256))
    maps = maps_of(keypoints, skeleton, (256, 256), coarser=coarser)
    (poses,) = PifpafDecoder(skeleton, coarser=coarser)(maps)
    assert len(poses) == 1
    assert np.abs(poses.keypoints[0, :, :2] - keypoints[0, :, :2]).max() < 1.0, "px"
    assert not poses.inferred.any()


def test_weak_limbs_complete_people_with_inferred_keypoints():
    keypoints = scene(COCO, 1, 1)
    maps = maps_of(keypoints)
    maps.heatmaps[:, 10] = 0
    weak = maps._replace(limb_heatmaps=maps.limb_heatmaps.clone())
    wrist = COCO.limbs.index((8, 10))
    weak.limb_heatmaps[:, wrist] *= 0.05
    (plain,), (complete,) = (PifpafDecoder(COCO, complete=value)(weak) for value in (False, True))
    assert plain.keypoints[0, 10, 2] == 0
    assert not plain.inferred.any()
    np.testing.assert_array_equal(np.argwhere(complete.inferred), [[0, 10]])
    assert complete.keypoints[0, 10, 2] == pytest.approx(0.001)
    assert np.abs(complete.keypoints[0, 10, :2] - keypoints[0, 10, :2]).max() < 0.1, "px"


@pytest.mark.parametrize(
    ("score", "expected"),
    [("mean_square", 1.25 / 4), ("best_mean", 0.1 + 0.9 * 1.25 / 4), ("weighted", (3 * 1 + 3 * 0.5) / 10)],
)
def test_scores_by_hand(score, expected):
    four = Skeleton("four", ["a", "b", "c", "d"], [(0, 1)], [], [0.1] * 4)
    np.testing.assert_allclose(PifpafDecoder(four, score=score)._scores(np.array([[0.5, 0, 1.0, 0]])), [expected])


def test_numbers_that_are_not_finite_do_not_stop_the_decoder():
    maps = maps_of(scene(COCO, 2, 0))
    for value in (float("nan"), float("inf"), -float("inf")):
        broken = type(maps)(*(torch.where(torch.rand_like(field) < 0.3, value, field) for field in maps))
        (poses,) = PifpafDecoder(COCO)(broken)
        assert np.isfinite(poses.keypoints).all()
        assert np.isfinite(poses.scores).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score": "best"}, r"decoder\.score.*mean_square or best_mean or weighted"),
        ({"seeds": "all"}, r"decoder\.seeds"),
        ({"stride": 0}, r"decoder\.stride"),
        ({"threshold": 0.0}, r"decoder\.threshold"),
        ({"softness_range": (1.0, 0.5)}, r"decoder\.softness_range"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        PifpafDecoder(COCO, **options)
