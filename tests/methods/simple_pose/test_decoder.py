"""The decoder: both ways of assembling, both bodies, any skeleton, broken maps; bodies and targets."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from annotated import standing
from hypothesis import given, settings
from hypothesis import strategies as st

from gog_pose.errors import InputError
from gog_pose.methods.gog import METHOD as GOG
from gog_pose.methods.people import People
from gog_pose.methods.simple_pose.body import PUBLIC_POINTS, body_of, public_order
from gog_pose.methods.simple_pose.decoder import SimplePoseDecoder
from gog_pose.methods.simple_pose.encoder import SimplePoseEncoder
from gog_pose.methods.simple_pose.official import OfficialDecoder
from gog_pose.methods.simple_pose.records import SimplePoseMaps
from gog_pose.methods.simple_pose.reference import dense, encode_plainly
from gog_pose.methods.simple_pose.views import VIEWS
from gog_pose.skeleton import Skeleton, load_skeleton

COCO = load_skeleton("coco_19")
TWO = ((20, 40, 1.1), (200, 60, 1.2))
CLOSE = ((60, 40, 1.6), (110, 60, 1.7))


def people_of(keypoints):
    keypoints = np.asarray(keypoints, dtype=np.float32)
    return People(keypoints, np.full(len(keypoints), 100, dtype=np.float32), np.zeros((len(keypoints), 4)))


def scene(*places, skeleton=COCO, size=(256, 384), **options):
    people = people_of(np.stack([standing(x, y, scale=scale) for x, y, scale in places])[:, : skeleton.num_keypoints])
    encoder = SimplePoseEncoder(skeleton, **options)
    return people, encoder.render(encoder.marks(people, size)).as_maps()


def assert_found(poses, people, within=1.0):
    assert len(poses) == len(people.keypoints)
    for person in people.keypoints:
        errors = np.linalg.norm(poses.keypoints[..., :2] - person[:, :2], axis=-1).max(axis=1)
        assert errors.min() < within, "px"


@pytest.mark.parametrize("assemble", ["listed", "joint"])
@pytest.mark.parametrize("body", ["skeleton", "neck"])
@pytest.mark.parametrize("places", [TWO, CLOSE])
def test_perfect_maps_give_all_people(assemble, body, places):
    people, maps = scene(*places, body=body)
    assert maps.heatmaps.shape[1] == (18 if body == "neck" else 17)
    (poses,) = SimplePoseDecoder(COCO, assemble=assemble, body=body)(maps)
    assert poses.keypoints.shape == (2, 17, 3)
    assert_found(poses, people)


@pytest.mark.parametrize("assemble", ["listed", "joint"])
def test_fragments_that_no_limb_connects_are_joined_unless_the_reach_is_0(assemble):
    _, maps = scene(*TWO)
    maps.heatmaps[0, 7] = 0  # nobody's left elbow is seen: the wrist is cut off
    for reach, expected in ((0.8, 2), (0.0, 4)):
        (poses,) = SimplePoseDecoder(COCO, assemble=assemble, reach=reach)(maps)
        assert len(poses) == expected
        assert (poses.keypoints[..., 2] > 0).sum() == 2 * 16
    assert len(SimplePoseDecoder(COCO, assemble=assemble, reach=0.0, min_keypoints=2)(maps)[0]) == 2


@pytest.mark.parametrize("body", ["skeleton", "neck"])
def test_the_public_rules_find_the_people_of_perfect_maps(body):
    people, maps = scene(*TWO, body=body)
    (poses,) = OfficialDecoder(COCO, body=body, both_ends=True)(maps)
    assert_found(poses, people, within=2.0)


@pytest.mark.parametrize("rules", [SimplePoseDecoder, OfficialDecoder])
@pytest.mark.parametrize("name", ["coco_16", "coco_31", "coco_44", "coco_19_bidirectional"])
def test_skeletons_with_other_limbs(rules, name):
    skeleton = load_skeleton(name)
    people, maps = scene(*TWO, skeleton=skeleton)
    assert maps.limbs.shape[1] == body_of(skeleton).num_limbs
    options = {} if rules is SimplePoseDecoder else {"body": "skeleton", "both_ends": True}
    assert_found(rules(skeleton, **options)(maps)[0], people, within=2.0)


def test_any_skeleton():
    chain = Skeleton("chain", ["a", "b", "c"], [(0, 1), (1, 2)], [], [0.1] * 3)
    people, maps = scene(*TWO, skeleton=chain)
    for assemble in ("listed", "joint"):
        assert_found(SimplePoseDecoder(chain, assemble=assemble)(maps)[0], people)
    words = "body: neck requires COCO's 17 keypoints, but skeleton chain differs in a, b, c,"
    with pytest.raises(InputError, match=words):
        body_of(chain, "neck")
    with pytest.raises(InputError, match="there are none, but method=simple_pose"):
        body_of(replace(chain, limbs=[]))
    with pytest.raises(InputError, match="body: 'torso' is unknown"):
        body_of(chain, "torso")


def test_a_limb_in_both_directions_has_one_map():
    twice = body_of(load_skeleton("coco_19_bidirectional"))
    assert twice.limbs == COCO.limbs
    assert body_of(COCO) == COCO


def test_the_public_body():
    body = body_of(COCO, "neck")
    assert (body.num_keypoints, body.num_limbs) == (18, 30)
    assert [PUBLIC_POINTS[channel] for channel in public_order(COCO)] == list(body.keypoints)
    # The orders of the mirror image in the program's configuration.
    mirrored = [
        0,
        2,
        1,
        4,
        3,
        6,
        5,
        8,
        7,
        12,
        13,
        14,
        9,
        10,
        11,
        18,
        19,
        20,
        15,
        16,
        17,
        22,
        21,
        25,
        26,
        23,
        24,
        28,
        27,
        29,
    ]
    assert list(body.limb_flip_index) == mirrored
    channels = [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16]
    order = public_order(COCO)
    assert [order.index(channels[channel]) for channel in order] == list(body.flip_index)


def test_heatmaps_are_those_of_the_papers_method():
    random = np.random.default_rng(0)
    people = people_of(np.concatenate([random.uniform(-5, 130, (4, 17, 2)), random.integers(0, 3, (4, 17, 1))], axis=2))
    ours, gog = SimplePoseEncoder(COCO), GOG.encoder(COCO)
    heatmaps, expected = (encoder.render(encoder.marks(people, (128, 128))).heatmaps for encoder in (ours, gog))
    torch.testing.assert_close(heatmaps, expected, atol=0, rtol=0)


def test_a_limb_has_a_response_where_both_ends_are_labeled():
    keypoints = standing(40, 40)
    keypoints[7, 2] = 0  # the left elbow
    keypoints[8] = (np.nan, 0, 2)  # the right elbow is nowhere
    keypoints[9, :2] = keypoints[5, :2]
    encoder = SimplePoseEncoder(COCO)
    limbs = encoder.render(encoder.marks(people_of([keypoints]), (256, 256))).limbs[0]
    lost = {number for number, limb in enumerate(COCO.limbs) if {7, 8} & set(limb)}
    assert {number for number, one in enumerate(limbs) if not one.any()} == lost
    assert limbs.max() <= 1


def test_the_middles_of_limbs_are_points():
    keypoints = standing(0, 0)
    keypoints[2, 2] = 0
    for body, extra in (("skeleton", 0), ("neck", 1)):
        encoder = SimplePoseEncoder(COCO, body=body)
        points = encoder.points(people_of([keypoints]))
        limbs = body_of(COCO, body).limbs
        assert points.shape == (1, 17 + extra + len(limbs), 3)
        place = limbs.index((5, 7)) if body == "skeleton" else [set(limb) for limb in limbs].index({5, 7})
        np.testing.assert_allclose(points[0, 17 + extra + place, :2], keypoints[[5, 7], :2].mean(axis=0))
        unlabeled = [number for number, limb in enumerate(limbs) if 2 in limb]
        assert not points[0, 17 + extra + np.array(unlabeled)].any()
    np.testing.assert_allclose(points[0, 17], [50, 28, 2])  # the neck, in the middle of the shoulders


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["listed", "joint"]))
def test_the_decoder_gives_what_the_dense_one_gives(seed, assemble):
    random = np.random.default_rng(seed)
    pair = Skeleton("pair", ["a", "b", "c"], [(0, 1), (1, 2), (0, 2)], [(0, 1)], [0.1] * 3)
    shape = (1, 3, 7, 8)
    maps = SimplePoseMaps(*(torch.from_numpy(random.uniform(-0.3, 0.8, shape)).float() for _ in range(2)))
    decoder = SimplePoseDecoder(pair, assemble=assemble, consistency=(0.3, 0.8)[seed % 2])
    (fast,), (slow,) = decoder(maps), dense(decoder)(maps)
    np.testing.assert_array_equal(fast.keypoints, slow.keypoints)
    np.testing.assert_array_equal(fast.scores, slow.scores)


@pytest.mark.parametrize("rules", [SimplePoseDecoder(COCO), OfficialDecoder(COCO, body="skeleton")])
def test_maps_that_are_empty_or_not_numbers_are_decoded(rules):
    _, maps = scene(*TWO)
    maps.heatmaps[0, 4, :5] = torch.inf
    maps.limbs[0, 3] = torch.nan
    (poses,) = rules(maps)
    assert np.isfinite(poses.keypoints).all()
    empty = SimplePoseMaps(torch.zeros(2, 17, 0, 5), torch.zeros(2, 19, 0, 5))
    assert [len(one) for one in rules(empty)] == [0, 0]
    assert [len(one) for one in rules(SimplePoseMaps(*(field[:0] for field in maps)))] == []


def test_pictures_of_a_body_with_a_neck():
    _, maps = scene(*TWO, body="neck")
    image = np.full((256, 384, 3), 128, dtype=np.uint8)
    for view in VIEWS.values():
        assert view.predicted(image, maps, np.zeros((0, 17, 3)), COCO, 4).shape == image.shape


@pytest.mark.parametrize(
    ("rules", "options", "message"),
    [
        (SimplePoseDecoder, {"assemble": "random"}, r"decoder\.assemble: 'random'"),
        (SimplePoseDecoder, {"localizer": "x"}, r"decoder\.localizer"),
        (SimplePoseDecoder, {"samples": 1}, r"decoder\.samples"),
        (SimplePoseDecoder, {"consistency": 1.5}, r"decoder\.consistency"),
        (SimplePoseDecoder, {"limb_threshold": -0.1}, r"decoder\.limb_threshold"),
        (SimplePoseDecoder, {"body": "torso"}, "body: 'torso'"),
        (OfficialDecoder, {"threshold": 0.0}, r"decoder\.threshold"),
        (OfficialDecoder, {"consistency": 1.5}, r"decoder\.consistency"),
    ],
)
def test_options_out_of_range_are_refused(rules, options, message):
    with pytest.raises(InputError, match=message):
        rules(COCO, **options)


@pytest.mark.parametrize("options", [{"sigma": 0.0}, {"limb_sigma": 0.0}, {"min_response": 1.0}, {"body": "torso"}])
def test_options_of_the_encoder_out_of_range_are_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        SimplePoseEncoder(COCO, **options)


def test_shapes_that_do_not_fit_are_refused():
    encoder = SimplePoseEncoder(COCO)
    with pytest.raises(ValueError, match="keypoints must be"):
        encoder.marks(people_of(np.zeros((1, 5, 3))), (64, 64))
    with pytest.raises(ValueError, match="multiple of the stride"):
        encoder.marks(people_of(np.zeros((1, 17, 3))), (63, 64))
    with pytest.raises(InputError, match="limbs: shape"):
        SimplePoseDecoder(COCO)(SimplePoseMaps(torch.zeros(1, 17, 4, 4), torch.zeros(1, 30, 4, 4)))


def test_the_plain_implementations_are_for_the_default_targets_and_rules():
    with pytest.raises(InputError, match=r"method\.decoder"):
        dense(OfficialDecoder(COCO))
    with pytest.raises(InputError, match=r"method\.encoder"):
        encode_plainly(SimplePoseEncoder(COCO, body="neck"), np.zeros((0, 17, 3)), np.zeros(0), (64, 64))
