"""Decoding by all rules: what is found, what is suppressed, any skeleton, and maps of a diverged network."""

import math

import numpy as np
import pytest
import torch
from annotated import standing
from hypothesis import given, settings
from hypothesis import strategies as st

from gog_pose.errors import InputError
from gog_pose.geometry import cells_to_image
from gog_pose.maps.fields import merge_flipped, merge_scales
from gog_pose.methods.decoders import build_decoder, change_decoder, describe_decoder
from gog_pose.methods.people import People
from gog_pose.methods.personlab.decoder import PersonLabDecoder
from gog_pose.methods.personlab.encoder import PersonLabEncoder
from gog_pose.methods.personlab.greedy import GreedyDecoder, apart
from gog_pose.methods.personlab.grouping import Roots, rank_people
from gog_pose.methods.personlab.hough import hough_maps
from gog_pose.methods.personlab.paper import PaperDecoder
from gog_pose.methods.personlab.records import PersonLabMaps, edges
from gog_pose.methods.personlab.reference import exhaustive, hough_plainly
from gog_pose.skeleton import Skeleton, load_skeleton

COCO = load_skeleton("coco_16")
SIZE = (256, 384)
RULES = pytest.mark.parametrize("rules", [PersonLabDecoder, PaperDecoder, GreedyDecoder])


def maps_of(people, skeleton=COCO, size=SIZE, radius=32.0):
    keypoints = np.array(people, dtype=np.float32).reshape(-1, skeleton.num_keypoints, 3)
    encoder = PersonLabEncoder(skeleton, radius=radius)
    marks = encoder.marks(People(keypoints, np.ones(len(keypoints)), np.zeros((len(keypoints), 4))), size)
    return encoder.render(marks).as_maps()


def gaps(poses, person):
    """Largest distances of each pose's keypoints from the labeled ones of a person, px."""
    labeled = person[:, 2] > 0
    return np.linalg.norm(poses.keypoints[:, labeled, :2] - person[labeled, :2], axis=2).max(axis=1)


@RULES
@pytest.mark.parametrize("name", ["coco_16", "coco_19", "coco_19_bidirectional", "coco_44"])
def test_people_are_found_by_any_skeleton_of_their_keypoints(rules, name):
    skeleton = load_skeleton(name)
    people = [standing(20, 40, scale=1.1), standing(150, 90, scale=1.3), standing(270, 20)]
    (poses,) = rules(skeleton)(maps_of(people, skeleton))
    assert len(poses) == 3
    for person in people:
        assert gaps(poses, person).min() < 1, "px"
    assert (poses.keypoints[..., 2] > 0).all()
    assert (np.diff(poses.scores) <= 0).all()


@RULES
def test_crowdpose(rules):
    skeleton = load_skeleton("crowdpose")
    random = np.random.default_rng(0)
    people = [
        np.c_[random.uniform((10 + shift, 10), (240 + shift, 240), (14, 2)), np.full(14, 2)] for shift in (0, 130)
    ]
    (poses,) = rules(skeleton)(maps_of(people, skeleton))
    for person in people:
        assert gaps(poses, person).min() < 1.5, "px"


@RULES
def test_a_skeleton_in_two_pieces_gives_people_of_the_pieces(rules):
    """A keypoint to which no edge leads is not found, and its position (0, 0) suppresses nothing."""
    skeleton = Skeleton("pieces", ("a", "b", "c", "alone"), ((0, 1),), (), (0.05,) * 4)
    people = [[(100, 100, 2), (150, 100, 2), (4, 4, 2), (6, 4, 2)]]
    (poses,) = rules(skeleton)(maps_of(people, skeleton))
    found = sorted(tuple(np.flatnonzero(row).tolist()) for row in poses.keypoints[..., 2])
    assert found == [(0, 1), (2,), (3,)]
    assert (poses.keypoints[poses.keypoints[..., 2] == 0] == 0).all()


@RULES
def test_a_tree_that_is_cut_gives_two_people(rules):
    """Without a nose no edge connects the two sides, which lowers the upper bound of PersonLab."""
    labeled = [kind for kind in range(17) if kind != 0]
    cut = maps_of([standing(50, 50, labelled=labeled, scale=1.5)])
    (poses,) = rules(COCO, **({"reach": 0.0} if rules is GreedyDecoder else {}))(cut)
    assert len(poses) >= 2
    (joined,) = GreedyDecoder(COCO)(cut)
    assert len(joined) == 1
    (whole,) = rules(COCO)(maps_of([standing(50, 50, scale=1.5)]))
    assert len(whole) == 1


@RULES
def test_nobody(rules):
    (poses,) = rules(COCO)(maps_of([]))
    assert poses.keypoints.shape == (0, 17, 3)


def test_a_root_near_the_keypoint_of_a_pose_starts_none_and_far_ones_do():
    skeleton = Skeleton("stick", ("top", "bottom"), ((0, 1),), (), (0.05, 0.05))
    people = [[(60, 60, 2), (60, 120, 2)], [(72, 60, 2), (72, 120, 2)]]
    maps = maps_of(people, skeleton, radius=8.0)
    for radius, count in ((11.0, 2), (13.0, 1)):
        (poses,) = PersonLabDecoder(skeleton, nms_radius=radius)(maps)
        assert len(poses) == count


def test_keypoints_at_those_of_a_better_person_do_not_count():
    """Two people whose lower keypoints coincide: the worse one keeps half of its score."""
    skeleton = Skeleton("stick", ("top", "bottom"), ((0, 1),), (), (0.05, 0.05))
    maps = maps_of([[(60, 60, 2), (80, 120, 2)], [(100, 60, 2), (80, 120, 2)]], skeleton, radius=12.0)
    maps.heatmaps[:, 0, :, 20:] *= 0.6  # the right one is less sure
    (poses,) = PersonLabDecoder(skeleton)(maps)
    assert len(poses) == 2
    assert poses.scores[0] == pytest.approx(1, abs=0.01)
    assert poses.scores[1] == pytest.approx(0.3, abs=0.01)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), topk=st.sampled_from([5, 40]))
def test_the_poses_are_those_of_walking_from_all_roots(seed, topk):
    """Many people grow in waves, few of them one by one."""
    random = torch.Generator().manual_seed(seed)
    maps = maps_of([standing(20, 40, scale=1.1), standing(70, 50, scale=0.9)], size=(160, 192))
    noisy = PersonLabMaps(*(field + level * torch.randn(field.shape, generator=random)
                            for field, level in zip(maps, (0.2, 3.0, 8.0), strict=True)))  # fmt: skip
    noisy = noisy._replace(heatmaps=noisy.heatmaps.clamp(0, 1))
    decoder = PersonLabDecoder(COCO, threshold=0.6, score_threshold=0.3, topk=topk)
    (ours,), (plain,) = decoder(noisy), exhaustive(decoder)(noisy)
    np.testing.assert_array_equal(ours.keypoints, plain.keypoints)
    np.testing.assert_array_equal(ours.scores, plain.scores)


@given(seed=st.integers(0, 10_000), number=st.integers(0, 6))
def test_scores_are_sums_of_the_keypoints_that_no_better_person_has(seed, number):
    random = np.random.default_rng(seed)
    people = [np.c_[random.integers(0, 4, (3, 2)), random.choice([0, 0.3, 0.6, 0.9], 3)] for _ in range(number)]
    for person in people:
        person[person[:, 2] == 0] = 0
    poses = rank_people(people, num_keypoints=3, radius=1.0, least=0.0)
    means = [-np.float32(person[:, 2].mean()) for person in people]
    order = sorted(range(number), key=lambda n: (means[n], *people[n][::-1, 1], *people[n][::-1, 0]))
    scores = []
    for rank, index in enumerate(order):
        scores.append(0.0)
        for kind, (x, y, response) in enumerate(people[index]):
            others = [people[other][kind] for other in order[:rank]]
            if not any(other[2] > 0 and math.dist(other[:2], (x, y)) <= 1 for other in others):
                scores[-1] += response / 3
    expected = sorted((score for score in scores if score > 0), reverse=True)
    np.testing.assert_allclose(poses.scores, expected, rtol=1e-6)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), stride=st.sampled_from([1, 2, 3, 4, 8]), spread=st.sampled_from([0.0, 0.3, 12.0]))
def test_hough_scores_are_those_of_all_px(seed, stride, spread):
    """Offsets lead to a place, less and less exactly: all px of a square to one px, some, or none."""
    random = np.random.default_rng(seed)
    heatmaps = random.random((2, 9, 11)).astype(np.float32) * (random.random((2, 9, 11)) < 0.4)
    cells = cells_to_image(np.stack(np.meshgrid(np.arange(11), np.arange(9))), stride)
    goals = random.uniform((-1, -1), (11 * stride, 9 * stride), (2, 2))
    short_offsets = (goals[:, :, None, None] - cells + random.normal(0, spread, (2, 2, 9, 11))).astype(np.float32)
    short_offsets = short_offsets.reshape(4, 9, 11)
    plain = hough_plainly(heatmaps, short_offsets, stride=stride, radius=5.0)
    scores = hough_maps(heatmaps, short_offsets, stride=stride, radius=5.0, least=0.0)
    height, width = plain.shape[1:]
    whole = scores.scores[:, 1:-1, 1:-1]
    # A vote is split among four px in float32: the rounding is a part of the whole vote, not of a px's share.
    np.testing.assert_allclose(whole, plain, atol=1e-5 * max(1, plain.max()), rtol=1e-5)

    kinds, xy, values = scores.peaks(0.01)
    framed = np.pad(whole, ((0, 0), (1, 1), (1, 1)))
    around = np.stack([framed[:, y : y + height, x : x + width] for y in range(3) for x in range(3)])
    expected = (whole >= 0.01) & (whole == around.max(axis=0)) & (whole > around[:4].max(axis=0))
    assert {(kind, y, x) for kind, (x, y) in zip(kinds.tolist(), xy.tolist(), strict=True)} == set(
        map(tuple, np.argwhere(expected).tolist())
    )
    np.testing.assert_array_equal(values, whole[kinds, xy[:, 1], xy[:, 0]])


def test_expected_oks_by_hand():
    """One keypoint votes for a px at its place and, half as much, for one 3 px further; OKS of both, weighed."""
    skeleton = Skeleton("stick", ("top", "bottom"), ((0, 1),), (), (0.05, 0.05))
    maps = maps_of([[(61, 61, 2), (101, 101, 2)]], skeleton, size=(160, 160), radius=8.0)
    decoder = PaperDecoder(skeleton, radius=8.0)
    reader = decoder.read(*(field[0].numpy() for field in maps))
    reader.hough.scores[:] = 0
    for x, value in ((61, 1.0), (64, 0.5)):
        reader.hough.scores[0, 61 + 1, x + 1] = value
    person = reader.grow(0, np.array([61.0, 61.0]))
    spread = 40 * 2 * 0.05  # root of the area of the box x kappa
    assert person[0, 2] == pytest.approx((1 + 0.5 * math.exp(-9 / (2 * spread**2))) / 1.5, abs=1e-5)


def test_hough_scores_as_scores_of_keypoints():
    people = [standing(50, 50, scale=1.5)]
    (poses,) = PaperDecoder(COCO, score="hough")(maps_of(people))
    assert len(poses) == 1
    assert gaps(poses, people[0]).min() < 1, "px"


@RULES
@pytest.mark.parametrize("value", [0.0, 1.0, np.nan, np.inf, -1e30])
def test_maps_of_a_diverged_network_give_finite_people(rules, value):
    maps = PersonLabMaps(*(torch.full_like(field, value) for field in maps_of([], size=(64, 64))))
    for broken in (maps, maps._replace(heatmaps=maps_of([standing(5, 5, scale=0.5)], size=(64, 64)).heatmaps)):
        (poses,) = rules(COCO, topk=3)(broken)
        assert np.isfinite(poses.keypoints).all()
        assert np.isfinite(poses.scores).all()


def test_rules_are_chosen_by_name():
    decoder = build_decoder(COCO, "personlab", {"rules": "paper", "radius": 16.0})
    assert isinstance(decoder, PaperDecoder)
    assert build_decoder(COCO, "personlab", describe_decoder(decoder)) == decoder
    assert describe_decoder(build_decoder(COCO, "personlab", {}))["rules"] == "fast"
    assert change_decoder(decoder, {"rules": "fast"}) == PersonLabDecoder(COCO)


@pytest.mark.parametrize(
    ("rules", "option", "value"),
    [
        (PersonLabDecoder, "topk", 0),
        (PersonLabDecoder, "threshold", 0.0),
        (PersonLabDecoder, "steps", -1),
        (PersonLabDecoder, "nms_radius", math.inf),
        (PaperDecoder, "radius", 0.0),
        (PaperDecoder, "score", "mean"),
        (GreedyDecoder, "topk", 0),
        (GreedyDecoder, "vote_threshold", -0.1),
        (GreedyDecoder, "radius", 0.0),
        (GreedyDecoder, "gate", math.nan),
    ],
)
def test_senseless_options_are_refused(rules, option, value):
    with pytest.raises(InputError, match=f"decoder.{option}: "):
        rules(COCO, **{option: value})


@pytest.mark.parametrize("vote_threshold", [0.0, 0.01])
def test_greedy_grouping_follows_refined_offsets(vote_threshold):
    """Wrong mid-range offsets that end inside the disk of the next keypoint are corrected, and miss it otherwise."""
    people = [standing(20, 40, scale=1.1), standing(150, 90, scale=1.3)]
    maps = maps_of(people)
    maps.mid_offsets[:, ::2] += 15 * (maps.mid_offsets[:, ::2] != 0)  # px
    options = {"vote_threshold": vote_threshold, "gate": 5.0, "gate_ratio": 0.0, "reach": 0.0, "complete": False}
    (refined,) = GreedyDecoder(COCO, **options)(maps)
    assert len(refined) == 2
    for person in people:
        assert gaps(refined, person).min() < 1, "px"
    (straight,) = GreedyDecoder(COCO, steps=0, **options)(maps)
    assert len(straight) == 2 * 17


def test_greedy_grouping_infers_a_keypoint_without_a_disk():
    person = standing(50, 50, scale=1.5)
    maps = maps_of([person])
    wrist = 9
    maps.heatmaps[:, wrist], maps.short_offsets[:, 2 * wrist : 2 * wrist + 2] = 0, 0
    (poses,) = GreedyDecoder(COCO)(maps)
    assert len(poses) == 1
    assert np.flatnonzero(poses.inferred[0]).tolist() == [wrist]
    assert gaps(poses, person)[0] < 1, "px"
    (poses,) = GreedyDecoder(COCO, complete=False)(maps)
    assert poses.keypoints[0, wrist].tolist() == [0, 0, 0]


@given(seed=st.integers(0, 10_000), radius=st.floats(0, 30))
def test_roots_near_a_better_one_are_no_candidates(seed, radius):
    random = np.random.default_rng(seed)
    roots = Roots.sorted(random.integers(0, 2, 30), random.integers(0, 50, (30, 2)), random.random(30))
    kept = apart(roots, 1, radius)
    own = roots.xy[roots.kinds == 1]
    ranks = [own.tolist().index(xy) for xy in kept.tolist()]
    assert ranks == sorted(ranks)
    for rank, xy in enumerate(own):
        better = kept[[place < rank for place in ranks]]
        near = (np.linalg.norm(better - xy, axis=1) <= radius).any()
        assert near != (rank in ranks) or own[:rank].tolist().count(xy.tolist()), "kept unless a better one is near"


def test_the_plain_form_is_of_the_fast_rules():
    with pytest.raises(InputError, match="no reference"):
        exhaustive(PaperDecoder(COCO))


def test_a_walk_takes_the_surest_way_around_a_ring():
    """From a to c directly or by b; the direct way leads to a place that responds less."""
    skeleton = Skeleton("ring", ("a", "b", "c"), ((0, 1), (1, 2), (0, 2)), (), (0.05,) * 3)
    maps = maps_of([[(40, 40, 2), (80, 40, 2), (80, 80, 2)]], skeleton, size=(128, 128), radius=12.0)
    maps.mid_offsets[:, 2 * edges(skeleton).index((0, 2))] += 25  # px, out of the disk
    (poses,) = PersonLabDecoder(skeleton, steps=0, threshold=0.99)(maps)
    np.testing.assert_allclose(poses.keypoints[0, 2, :2], (80, 80), atol=0.1)


def test_a_view_that_sees_no_keypoint_does_not_bend_the_offsets_of_one_that_does():
    maps = maps_of([standing(150, 90, scale=1.3)])
    nothing = PersonLabMaps(*(torch.zeros_like(field) for field in maps))
    fields = PersonLabDecoder(COCO).fields
    inside = maps.heatmaps > 0
    starts = [start for start, _ in edges(COCO)]
    matrix = np.eye(3)[None]
    for merged in (merge_flipped(maps, nothing, fields), merge_scales([maps, nothing], [matrix, matrix], fields)):
        for field, where in (("short_offsets", inside), ("mid_offsets", inside[:, starts])):
            ours, single = (getattr(one, field) * where.repeat_interleave(2, dim=1) for one in (merged, maps))
            torch.testing.assert_close(ours, single, atol=1e-3, rtol=1e-4)
        torch.testing.assert_close(merged.heatmaps, maps.heatmaps / 2)
