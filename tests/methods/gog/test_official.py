"""The public program's rules: its recorded poses, and its quirks one by one."""

import json
import math

import numpy as np
import pytest
import torch

from gog_pose.decoding import PoseMaps
from gog_pose.errors import InputError
from gog_pose.methods.gog.official import OfficialDecoder
from gog_pose.skeleton import Skeleton, load_skeleton

COCO = load_skeleton("coco_19")
CHAIN = Skeleton("chain", ["a", "b", "c"], [(0, 1), (1, 2)], [], [0.1, 0.1, 0.1])


def decode(skeleton, peaks, guides, size=40, **options):
    """Decode a map whose peaks stand in single cells: {(type, x, y): response}, {(limb, x, y): (x, y) it leads to}."""
    heatmaps = torch.zeros(1, skeleton.num_keypoints, size, size)
    offsets = torch.full((1, 2 * skeleton.num_limbs, size, size), 1e6)
    for (kind, x, y), response in peaks.items():
        heatmaps[0, kind, y, x] = response
    for (limb, x, y), (to_x, to_y) in guides.items():
        offsets[0, 2 * limb : 2 * limb + 2, y, x] = torch.tensor([to_x - x, to_y - y], dtype=torch.float32)
    (poses,) = OfficialDecoder(skeleton, stride=1, **options)(PoseMaps(heatmaps, offsets))
    return poses


def test_the_poses_of_the_public_program(golden):
    files = sorted(golden.glob("dec_*.npz"))
    assert files
    for file in files:
        compare_with_recording(file)


def compare_with_recording(file):
    recorded = np.load(file)
    settings = json.loads(str(recorded["settings"]))
    assert settings["sort_dim"] == 2, "the decoder drops people by their mean response"
    unpredicted_scale = 4.0 if settings["use_scale"] else 0.0  # px; the program widens a smaller gate to it
    decoder = OfficialDecoder(
        load_skeleton(f"coco_{len(recorded['offsets']) // 2}"),
        topk=settings["topk"],
        threshold=settings["thre_hmp"],
        gate=max(settings["dist_max"], unpredicted_scale),
        min_length=settings["min_len"],
        person_threshold=settings["person_thre"],
    )
    (poses,) = decoder(PoseMaps(*(torch.from_numpy(recorded[name])[None] for name in ("heatmaps", "offsets"))))
    assert len(poses) == len(recorded["poses"]), file.name
    theirs = recorded["poses"][..., :3].reshape(len(poses), -1)
    ours = poses.keypoints.reshape(len(poses), -1)
    for rows in (theirs, ours):  # people of equal scores have no order: sort all numbers alike
        rows[:] = rows[np.lexsort(np.round(rows, 2).T)]
    np.testing.assert_allclose(ours, theirs, atol=1e-4, err_msg=file.name)
    np.testing.assert_allclose(poses.scores, np.sort(recorded["scores"])[::-1], atol=1e-5, err_msg=file.name)


def test_two_limbs_make_a_person_and_single_keypoints_none():
    peaks = {(0, 5, 5): 0.9, (1, 15, 5): 0.8, (2, 25, 5): 0.7, (2, 35, 35): 1.0}
    poses = decode(CHAIN, peaks, {(0, 5, 5): (15, 5), (1, 15, 5): (25, 6)})
    np.testing.assert_allclose(poses.keypoints, [[[5, 5, 0.9], [15, 5, 0.8], [25, 5, 0.7]]])
    np.testing.assert_allclose(poses.scores, 0.8)


def test_a_start_has_one_partner_the_nearest_and_an_end_its_best_start():
    peaks = {(0, 5, 5): 0.9, (0, 5, 20): 0.8, (1, 15, 5): 0.8, (1, 15, 30): 0.5}
    poses = decode(CHAIN, peaks, {(0, 5, 5): (15, 6), (0, 5, 20): (15, 10)})  # both starts want the upper end
    np.testing.assert_allclose(poses.keypoints[:, :2, :2], [[[5, 5], [15, 5]]])


def test_people_that_a_limb_connects_are_merged_into_points_nobody_detected():
    limbs = [(0, 1), (0, 3), (2, 3), (1, 2)]
    skeleton = Skeleton("square", ["a", "b", "c", "d"], limbs, [], [0.1] * 4)
    # Each of the two people has a d of its own when the last limb, from b to c, makes them one.
    peaks = {(0, 5, 5): 0.9, (1, 15, 5): 0.8, (3, 35, 10): 0.4, (2, 15, 25): 0.7, (3, 10, 35): 0.6}
    guides = {(0, 5, 5): (15, 5), (1, 5, 5): (35, 10), (2, 15, 25): (10, 35), (3, 15, 5): (15, 25)}
    poses = decode(skeleton, peaks, guides)
    np.testing.assert_allclose(poses.keypoints, [[[5, 5, 0.9], [15, 5, 0.8], [15, 25, 0.7], [35, 35, 0.6]]])


def test_a_better_limb_takes_the_place_of_a_keypoint():
    skeleton = Skeleton("fork", ["a", "b", "c"], [(0, 1), (1, 2), (0, 2)], [], [0.1] * 3)
    # The last limb starts at the person's a and ends at a c that is nobody's; the person has a worse one.
    peaks = {(0, 5, 5): 0.9, (1, 15, 5): 0.8, (2, 25, 5): 0.3, (2, 5, 25): 0.9}
    guides = {(0, 5, 5): (15, 5), (1, 15, 5): (25, 5), (2, 5, 5): (5, 25)}
    poses = decode(skeleton, peaks, guides)
    np.testing.assert_allclose(poses.keypoints, [[[5, 5, 0.9], [15, 5, 0.8], [5, 25, 0.9]]])


def test_a_merged_person_is_known_by_the_keypoint_that_lies_lower():
    limbs = [(0, 1), (0, 3), (2, 3), (1, 2), (3, 4)]
    skeleton = Skeleton("square", ["a", "b", "c", "d", "e"], limbs, [], [0.1] * 5)
    # As above, merged with two different d. The last limb starts at the lower one and extends the merged person.
    peaks = {(0, 5, 5): 0.9, (1, 15, 5): 0.8, (3, 35, 10): 0.4, (2, 15, 25): 0.7, (3, 10, 35): 0.6, (4, 20, 35): 0.9}
    guides = {
        (0, 5, 5): (15, 5),
        (1, 5, 5): (35, 10),
        (2, 15, 25): (10, 35),
        (3, 15, 5): (15, 25),
        (4, 10, 35): (20, 35),
    }
    poses = decode(skeleton, peaks, guides)
    assert len(poses) == 1
    np.testing.assert_allclose(poses.keypoints[0, [3, 4], :2], [[10, 35], [20, 35]])


def test_keypoints_of_the_first_row_or_column_are_lost():
    for x, y in ((0, 5), (5, 0)):
        assert len(decode(CHAIN, {(0, x, y): 0.9, (1, 15, 5): 0.8}, {(0, x, y): (15, 5)})) == 0
    assert len(decode(CHAIN, {(0, 1, 5): 0.9, (1, 15, 5): 0.8}, {(0, 1, 5): (15, 5)})) == 1


def test_thresholds():
    peaks, guides = {(0, 5, 5): 0.5, (1, 15, 5): 0.3}, {(0, 5, 5): (15, 8)}
    assert len(decode(CHAIN, peaks, guides)) == 1
    assert len(decode(CHAIN, peaks, guides, threshold=0.4)) == 0
    assert len(decode(CHAIN, peaks, guides, gate=3.0)) == 0
    assert len(decode(CHAIN, peaks, guides, person_threshold=0.41)) == 0
    assert len(decode(CHAIN, peaks, guides, person_threshold=0.39)) == 1


@pytest.mark.parametrize("hw", [(0, 3), (1, 1), (2, 5)])
@pytest.mark.parametrize("value", [0.0, 1.0, math.nan, math.inf, -math.inf, 3e38])
def test_broken_maps_break_nothing(hw, value):
    maps = PoseMaps(torch.full((2, 17, *hw), value), torch.full((2, 38, *hw), value))
    for poses in OfficialDecoder(COCO)(maps):
        assert np.isfinite(poses.keypoints).all()
        assert np.isfinite(poses.scores).all()


@pytest.mark.parametrize("option", [{"topk": 0}, {"stride": 0}, {"threshold": 0}, {"min_length": math.nan}])
def test_bad_options_are_refused(option):
    with pytest.raises(InputError, match=next(iter(option))):
        OfficialDecoder(COCO, **option)


def test_maps_of_another_skeleton_are_refused():
    with pytest.raises(InputError, match="does not fit method gog"):
        OfficialDecoder(COCO)(PoseMaps(torch.zeros(1, 17, 4, 4), torch.zeros(1, 32, 4, 4)))
