"""Skeletons must be closed under mirroring; others are refused."""

import pytest

from gog_pose.decoding import GogDecoder
from gog_pose.encoding import PoseEncoder
from gog_pose.errors import InputError
from gog_pose.methods import load_method
from gog_pose.methods.gog.heads import GogHeads
from gog_pose.skeleton import Skeleton, load_skeleton

NAMES = ["coco_16", "coco_19", "coco_31", "coco_39", "coco_44", "coco_19_bidirectional"]


@pytest.mark.parametrize("name", NAMES)
def test_coco_skeletons_have_the_limbs_of_their_name(name):
    skeleton = load_skeleton(name)
    assert len({frozenset(limb) for limb in skeleton.limbs}) == int(name.split("_")[1])
    assert skeleton.num_limbs == int(name.split("_")[1]) * (2 if name.endswith("bidirectional") else 1)
    assert skeleton.num_keypoints == 17
    assert Skeleton(**skeleton.to_dict()) == skeleton


@pytest.mark.parametrize("name", [*NAMES, "crowdpose"])
def test_flip_swaps_left_and_right_and_is_its_own_inverse(name):
    skeleton = load_skeleton(name)
    for index, mirror in enumerate(skeleton.flip_index):
        assert skeleton.flip_index[mirror] == index
        swapped = {"left": "right", "right": "left"}
        side, _, part = skeleton.keypoints[index].partition("_")
        expected = f"{swapped[side]}_{part}" if part else side
        assert skeleton.keypoints[mirror] == expected


@pytest.mark.parametrize("name", [*NAMES, "crowdpose"])
def test_limbs_tie_all_keypoints_together(name):
    skeleton = load_skeleton(name)
    reached = {0}
    for _ in skeleton.limbs:
        reached |= {keypoint for limb in skeleton.limbs if reached & set(limb) for keypoint in limb}
    assert reached == set(range(skeleton.num_keypoints))


@pytest.mark.parametrize("name", [*NAMES, "crowdpose"])
def test_mirror_of_a_limb_is_the_limb_that_the_flip_indices_name(name):
    skeleton = load_skeleton(name)
    for limb, (start, end) in enumerate(skeleton.limbs):
        mirrored = (skeleton.flip_index[start], skeleton.flip_index[end])
        counterpart = skeleton.limbs[skeleton.limb_flip_index[limb]]
        assert mirrored == (counterpart[::-1] if skeleton.limb_flip_reversed[limb] else counterpart)


def test_only_limbs_between_a_keypoint_and_its_own_mirror_run_backwards():
    skeleton = load_skeleton("coco_44")
    reversed_limbs = {limb for limb, flag in zip(skeleton.limbs, skeleton.limb_flip_reversed, strict=True) if flag}
    assert reversed_limbs == {(1, 2), (3, 4), (5, 6), (11, 12), (7, 8), (9, 10), (13, 14), (15, 16)}


def test_in_both_directions_no_limb_runs_backwards():
    skeleton = load_skeleton("coco_19_bidirectional")
    assert {(end, start) for start, end in skeleton.limbs} == set(skeleton.limbs)
    assert not any(skeleton.limb_flip_reversed)


def test_39_limbs_are_44_without_five_mirror_limbs():
    removed = set(load_skeleton("coco_44").limbs) - set(load_skeleton("coco_39").limbs)
    assert removed == {(3, 4), (7, 8), (9, 10), (13, 14), (15, 16)}


def test_crowdpose_has_the_sigmas_of_its_evaluation_program():
    skeleton = load_skeleton("crowdpose")
    assert (skeleton.num_keypoints, skeleton.num_limbs) == (14, 15)
    program = (0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89, 0.79, 0.79)
    assert skeleton.oks_sigmas == pytest.approx([sigma / 10 for sigma in program])


def custom(**changes):
    options = {
        "name": "hand",
        "keypoints": ["root", "left", "right"],
        "limbs": [[0, 1], [0, 2]],
        "flip_pairs": [[1, 2]],
        "oks_sigmas": [0.1, 0.1, 0.1],
    }
    return Skeleton(**{**options, **changes})


def test_a_skeleton_may_be_given_by_plain_lists():
    assert custom().flip_index == (0, 2, 1)
    assert custom().limb_flip_index == (1, 0)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"limbs": [[0, 1]]}, "limbs"),  # no mirror image
        ({"limbs": [[0, 3], [0, 2]]}, "limbs"),  # out of range
        ({"limbs": [[1, 1]]}, "limbs"),
        ({"limbs": [[0, 1], [0, 1], [0, 2]]}, "limbs"),  # the same limb twice
        ({"limbs": [[0, 1], [1, 0], [0, 2]]}, "limbs"),  # both directions of one, of its mirror image not
        ({"flip_pairs": [[1, 2], [0, 1]]}, "flip_pairs"),
        ({"oks_sigmas": [0.1, 0.1]}, "oks_sigmas"),
        ({"oks_sigmas": [0.1, 0.1, 0.0]}, "oks_sigmas"),
        ({"keypoints": ["root", "left", "left"]}, "keypoints"),
        ({"keypoints": [True, False, "left"]}, "keypoints"),
        ({"keypoints": [0, 1, 2]}, "keypoints"),
        ({"keypoints": ["", "left", "right"]}, "keypoints"),
        ({"keypoints": 3}, "keypoints"),
        ({"keypoints": "abc"}, "keypoints"),
        ({"keypoints": [], "limbs": [], "flip_pairs": [], "oks_sigmas": []}, "keypoints"),
        ({"limbs": [["root", "left"], ["root", "right"]]}, "limbs"),
        ({"limbs": [[0, 1, 2]]}, "limbs"),
        ({"limbs": [0, 1]}, "limbs"),
        ({"limbs": ["01", "02"]}, "limbs"),
        ({"limbs": [[0, 1.5], [0, 2]]}, "limbs"),
        ({"limbs": [[False, True], [0, 2]]}, "limbs"),
        ({"limbs": None}, "limbs"),
        ({"flip_pairs": None}, "flip_pairs"),
        ({"flip_pairs": [[1], [2]]}, "flip_pairs"),
        ({"flip_pairs": {1: 2}}, "flip_pairs"),
        ({"oks_sigmas": 0.1}, "oks_sigmas"),
        ({"oks_sigmas": ["0,1", 0.1, 0.1]}, "oks_sigmas"),
        ({"oks_sigmas": [float("nan"), 0.1, 0.1]}, "oks_sigmas"),
        ({"oks_sigmas": [float("inf"), 0.1, 0.1]}, "oks_sigmas"),
        ({"oks_sigmas": [True, 0.1, 0.1]}, "oks_sigmas"),
        ({"oks_sigmas": [10**400, 0.1, 0.1]}, "oks_sigmas"),
    ],
)
def test_what_does_not_fit_is_refused_by_field(changes, field):
    with pytest.raises(InputError, match=f"skeleton hand: {field}"):
        custom(**changes)


@pytest.mark.parametrize("name", [None, "", 7, ["hand"]])
def test_a_skeleton_has_a_name(name):
    with pytest.raises(InputError, match="skeleton: name"):
        custom(name=name)


def test_the_papers_method_needs_limbs_and_others_do_not():
    points = custom(limbs=[])
    for build in (PoseEncoder, lambda skeleton: GogHeads(skeleton, []), lambda skeleton: GogDecoder(skeleton).fields):
        with pytest.raises(InputError, match=r"skeleton hand: limbs: there are none.* method=centernet"):
            build(points)
    assert load_method("centernet").encoder(points).fields


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match="coco_19"):
        load_skeleton("coco_18")
    with pytest.raises(InputError, match="coco_19"):
        load_skeleton(["coco_19"])
