"""The decoder: filled-in keypoints against their definition, both resolutions, any skeleton, tags of two views."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from annotated import standing
from hypothesis import given, settings
from hypothesis import strategies as st

from gog_pose.errors import InputError
from gog_pose.evaluation.oracle.noise import MapNoise
from gog_pose.maps.fields import flip_maps, merge_flipped
from gog_pose.methods.associative_embedding.decoder import AssociativeDecoder
from gog_pose.methods.associative_embedding.encoder import AssociativeEncoder
from gog_pose.methods.associative_embedding.higherhrnet import HigherHRNetDecoder
from gog_pose.methods.associative_embedding.records import AssociativeMaps
from gog_pose.methods.associative_embedding.reference import encode_plainly, projecting
from gog_pose.methods.people import People
from gog_pose.skeleton import Skeleton, load_skeleton

COCO = load_skeleton("coco_16")
PAIR = Skeleton("pair", ["a", "b"], [(0, 1)], [(0, 1)], [0.1, 0.1])


def scene(*places, skeleton=COCO, size=(256, 384), **options):
    keypoints = np.stack([standing(x, y, scale=scale) for x, y, scale in places]).astype(np.float32)
    keypoints = keypoints[:, : skeleton.num_keypoints]
    people = People(keypoints, np.full(len(keypoints), 100, dtype=np.float32), np.zeros((len(keypoints), 4)))
    encoder = AssociativeEncoder(skeleton, **options)
    return people, encoder, encoder.render(encoder.marks(people, size)).as_maps()


TWO = ((20, 40, 1.1), (200, 60, 1.2))


def assert_found(poses, people, within=1.0):
    assert len(poses) == len(people.keypoints)
    for person in people.keypoints:
        errors = np.linalg.norm(poses.keypoints[..., :2] - person[:, :2], axis=-1).max(axis=1)
        assert errors.min() < within, "px"


def random_maps(seed, shape=(2, 6, 7), views=1):
    """Two types, noise in all cells, a third of it negative, tags of three people."""
    random = np.random.default_rng(seed)
    heatmaps = random.uniform(-0.3, 0.6, shape)
    tags = random.integers(0, 3, (views, *shape)) * 1.5 + random.normal(0, 0.3, (views, *shape))
    tags = tags.reshape(-1, *shape[1:])
    return AssociativeMaps(*(torch.from_numpy(field).float()[None] for field in (heatmaps, tags)))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2]), st.sampled_from([0.05, 0.3, 0.5]))
def test_the_decoder_gives_what_the_projection_of_all_maps_gives(seed, views, threshold):
    decoder = AssociativeDecoder(PAIR, threshold=threshold)
    maps = random_maps(seed, views=views)
    (fast,), (slow,) = decoder(maps), projecting(decoder)(maps)
    np.testing.assert_array_equal(fast.keypoints, slow.keypoints)
    np.testing.assert_array_equal(fast.inferred, slow.inferred)


def test_missing_keypoints_are_filled_in_where_the_tags_are_the_persons():
    people, _, maps = scene(*TWO)
    faint = maps._replace(heatmaps=maps.heatmaps.clone())
    x, y = (int(value) // 4 for value in people.keypoints[0, 9, :2])
    faint.heatmaps[0, 9, y - 6 : y + 7, x - 6 : x + 7] *= 0.09  # below the threshold of a candidate
    (poses,) = AssociativeDecoder(COCO)(faint)
    assert_found(poses, people)
    assert poses.inferred.sum() == 1
    kept = replace(AssociativeDecoder(COCO), refine=False)(faint)[0]
    assert (kept.keypoints[..., 2] == 0).sum() == 1
    np.testing.assert_array_equal(poses.scores, kept.scores)  # inferred keypoints do not count
    faint.tags[0, 9] = 100.0  # nobody's
    (poses,) = AssociativeDecoder(COCO)(faint)
    assert not poses.inferred.any()


def test_two_tags_of_one_person_are_joined_within_reach():
    """The lower body has another tag than the upper body; both fit into one body, and a second person is separate."""
    people, _, maps = scene(*TWO)
    lower = [COCO.keypoints.index(name) for name in COCO.keypoints if name.split("_")[-1] in ("hip", "knee", "ankle")]
    maps.tags[:, lower] += 5
    (apart,) = AssociativeDecoder(COCO, refine=False)(maps)
    (joined,) = AssociativeDecoder(COCO, reach=1.5, refine=False)(maps)
    assert len(apart) == 4
    assert_found(joined, people)


@pytest.mark.parametrize("rules", [AssociativeDecoder, HigherHRNetDecoder])
def test_two_resolutions_find_the_same_people(rules):
    people, _, maps = scene(*TWO, resolutions=2)
    sigma = {"sigma": 3.5} if rules is AssociativeDecoder else {}
    assert_found(rules(COCO, **sigma)(maps)[0], people, within=1.5)


def test_the_public_rules_find_the_people_of_perfect_maps():
    people, _, maps = scene(*TWO)
    (poses,) = HigherHRNetDecoder(COCO)(maps)
    assert_found(poses, people, within=2.0)


def test_any_skeleton():
    chain = Skeleton("chain", ["a", "b", "c"], [(0, 1), (1, 2)], [], [0.1] * 3)
    people, _, maps = scene(*TWO, skeleton=chain)
    assert_found(AssociativeDecoder(chain)(maps)[0], people)
    assert_found(AssociativeDecoder(chain, order=[2, 0, 1])(maps)[0], people)
    assert_found(HigherHRNetDecoder(chain)(maps)[0], people, within=2.0)


def test_the_mirror_image_gives_a_second_tag():
    """Two people whose tags are alike in the image are told apart by those of the mirror image."""
    people, encoder, maps = scene(*TWO)
    alike = maps._replace(tags=torch.where(maps.tags > 0, 4.0, 0.0))
    merged = merge_flipped(alike, flip_maps(maps, encoder.fields), encoder.fields)
    assert merged.tags.shape[1] == 2 * 17
    assert_found(AssociativeDecoder(COCO)(merged)[0], people)


def test_maps_that_are_not_numbers_are_decoded():
    _, _, maps = scene(*TWO)
    maps.tags[0, 3] = torch.nan
    maps.heatmaps[0, 4, :5] = torch.inf
    for decoder in (AssociativeDecoder(COCO), HigherHRNetDecoder(COCO)):
        (poses,) = decoder(maps)
        assert np.isfinite(poses.keypoints).all()


def test_noise_changes_tags_by_person_and_type():
    people, encoder, maps = scene(*TWO)
    noisy = MapNoise(tag_noise=0.3).disturbed(maps, people, np.ones(2), encoder, np.random.default_rng(0))
    torch.testing.assert_close(noisy.heatmaps, maps.heatmaps, atol=0, rtol=0)
    change = (noisy.tags - maps.tags)[0]
    assert all(len(set(one.flatten().round(decimals=4).tolist())) == 2 for one in change), "one for each person"
    assert_found(AssociativeDecoder(COCO)(noisy)[0], people)


@pytest.mark.parametrize(
    ("rules", "options", "message"),
    [
        (AssociativeDecoder, {"cost": "cheap"}, r"decoder\.cost: 'cheap'"),
        (AssociativeDecoder, {"localizer": "x"}, r"decoder\.localizer"),
        (AssociativeDecoder, {"order": [0, 1]}, r"decoder\.order"),
        (AssociativeDecoder, {"threshold": 0.0}, r"decoder\.threshold"),
        (HigherHRNetDecoder, {"cost": "cheap"}, r"decoder\.cost: 'cheap'"),
        (HigherHRNetDecoder, {"window": 4}, r"decoder\.window"),
        (HigherHRNetDecoder, {"topk": 0}, r"decoder\.topk"),
    ],
)
def test_options_out_of_range_are_refused(rules, options, message):
    with pytest.raises(InputError, match=message):
        rules(COCO, **options)


def test_the_plain_implementations_are_for_the_default_targets_and_rules():
    with pytest.raises(InputError, match=r"method\.decoder"):
        projecting(HigherHRNetDecoder(COCO))
    with pytest.raises(InputError, match=r"method\.encoder"):
        encode_plainly(AssociativeEncoder(COCO, resolutions=2), np.zeros((0, 17, 3)), np.zeros(0), (64, 64))
