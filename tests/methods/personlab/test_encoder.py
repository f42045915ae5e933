"""Disks and the offsets inside them: by hand, by a plain loop, and for any skeleton."""

import numpy as np
import pytest
import torch
from annotated import standing
from hypothesis import given, settings
from hypothesis import strategies as st

from gog_pose.errors import InputError
from gog_pose.methods.people import People
from gog_pose.methods.personlab.encoder import PersonLabEncoder
from gog_pose.methods.personlab.records import edges, fields
from gog_pose.methods.personlab.reference import encode_plainly
from gog_pose.skeleton import Skeleton, load_skeleton

STICK = Skeleton("stick", ("top", "bottom"), ((0, 1),), (), (0.05, 0.05))
COCO = load_skeleton("coco_16")


def people_of(keypoints):
    keypoints = np.asarray(keypoints, dtype=np.float32)
    return People(keypoints, np.ones(len(keypoints), dtype=np.float32), np.zeros((len(keypoints), 4)))


def encode(encoder, keypoints, size, ignore=None):
    targets = encoder.render(encoder.marks(people_of(keypoints), size, ignore))
    return type(targets)(*(field[0].numpy() for field in targets))


def test_a_disk_and_its_offsets_by_hand():
    """Cells of 1 px; the disk of radius 1 around (2, 1) is a cross."""
    targets = encode(PersonLabEncoder(STICK, stride=1, radius=1.0), [[(2, 1, 2), (4, 3, 1)]], (4, 5))
    np.testing.assert_array_equal(targets.heatmaps[0], [[0, 0, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 0, 0], [0] * 5])
    np.testing.assert_array_equal(
        targets.short_offsets[0], [[0, 0, 0, 0, 0], [0, 1, 0, -1, 0], [0, 0, 0, 0, 0], [0] * 5]
    )
    np.testing.assert_array_equal(
        targets.short_offsets[1], [[0, 0, 1, 0, 0], [0, 0, 0, 0, 0], [0, 0, -1, 0, 0], [0] * 5]
    )
    np.testing.assert_array_equal(targets.mid_offsets[0], [[0, 0, 2, 0, 0], [0, 3, 2, 1, 0], [0, 0, 2, 0, 0], [0] * 5])
    np.testing.assert_array_equal(targets.mid_offsets[1], [[0, 0, 3, 0, 0], [0, 2, 2, 2, 0], [0, 0, 1, 0, 0], [0] * 5])
    np.testing.assert_array_equal(targets.mid_weights[0], targets.heatmaps[0])
    assert targets.mid_offsets[2, 3, 4] == -2  # the reversed edge leads back


def test_an_unlabeled_end_makes_no_target():
    targets = encode(PersonLabEncoder(STICK, stride=1, radius=1.0), [[(2, 1, 2), (4, 3, 0)]], (4, 5))
    assert targets.heatmaps[0].sum() == 5
    assert not targets.mid_weights.any()
    assert not targets.mid_offsets.any()


def test_an_end_outside_of_the_image_is_a_target_still():
    targets = encode(PersonLabEncoder(STICK, stride=1, radius=1.0), [[(2, 1, 2), (9, 1, 1)]], (4, 5))
    assert targets.mid_offsets[0, 1, 2] == 7
    assert not targets.heatmaps[1].any()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), stride=st.sampled_from([1, 2, 4]), radius=st.floats(4, 14))
def test_the_targets_are_those_of_a_plain_loop(seed, stride, radius):
    random = np.random.default_rng(seed)
    keypoints = random.uniform(-10, 60, (4, 17, 3)).astype(np.float32)
    keypoints[..., 2] = random.integers(0, 3, (4, 17))
    encoder = PersonLabEncoder(COCO, stride=stride, radius=radius)
    targets = encode(encoder, keypoints, (48, 56))
    plain = encode_plainly(encoder, keypoints, np.ones(4), (48, 56))
    for ours, theirs in zip(targets[:4], plain, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_people_at_the_same_distance_are_told_apart_by_their_keypoints_not_their_order():
    people = np.array([[(2, 2, 2), (9, 9, 2)], [(6, 2, 2), (1, 9, 2)], [(6, 2, 2), (3, 9, 2)]], dtype=np.float32)
    encoder = PersonLabEncoder(STICK, stride=1, radius=3.0)
    first = encode(encoder, people, (12, 12))
    for order in ([1, 0, 2], [2, 1, 0], [0, 2, 1]):
        for one, other in zip(first, encode(encoder, people[order], (12, 12)), strict=True):
            np.testing.assert_array_equal(one, other)


def test_keypoints_that_no_px_can_have_make_no_target():
    targets = encode(PersonLabEncoder(STICK, stride=1), [[(np.nan, 1, 2), (1e9, 3, 1)]], (4, 8))
    assert not targets.heatmaps.any()


def test_edges_are_the_limbs_and_their_reverses_each_once():
    both = load_skeleton("coco_19_bidirectional")
    assert edges(both) == edges(load_skeleton("coco_19"))
    assert len(edges(both)) == 38
    assert edges(COCO)[16:] == tuple((end, start) for start, end in edges(COCO)[:16])


@pytest.mark.parametrize("name", ["coco_16", "coco_19", "coco_44", "crowdpose"])
def test_mirrored_edges_lead_from_mirrored_starts_to_mirrored_ends(name):
    skeleton = load_skeleton(name)
    mid = fields(skeleton, 4)[2]
    for index, mirror in enumerate(mid.mirror):
        assert skeleton.flip_index[mid.points[index]] == mid.points[mirror]
        assert skeleton.flip_index[mid.goals[index]] == mid.goals[mirror]


def test_marks_are_small():
    """Three values in each of the 201 cells of a disk, of each type and each edge."""
    marks = PersonLabEncoder(COCO).marks(people_of([standing(200, 200, scale=2.0)]), (640, 640))
    assert marks.grids[0].places.numel() < 3 * 201 * (17 + 32) * 1.02


@pytest.mark.parametrize("options", [{"stride": 0}, {"radius": 3.0}, {"radius": float("nan")}])
def test_senseless_options_are_refused(options):
    with pytest.raises(InputError, match="encoder: "):
        PersonLabEncoder(COCO, **options)


def test_a_skeleton_without_limbs_is_refused_in_one_line():
    with pytest.raises(InputError, match=r"skeleton dots: limbs: there are none.*centernet"):
        PersonLabEncoder(Skeleton("dots", ("a", "b"), (), (), (0.1, 0.1)))


def test_shapes_are_checked():
    encoder = PersonLabEncoder(COCO)
    with pytest.raises(ValueError, match=r"\(P, 17, 3\)"):
        encoder.marks(people_of(np.zeros((1, 16, 3))), (64, 64))
    with pytest.raises(ValueError, match="multiple of the stride"):
        encoder.marks(people_of(np.zeros((0, 17, 3))), (63, 64))


def test_ignored_cells_are_in_the_mask():
    ignore = np.zeros((16, 16), dtype=bool)
    ignore[:, 8:] = True
    targets = encode(PersonLabEncoder(STICK), [[(2, 1, 2), (4, 3, 1)]], (16, 16), ignore)
    assert torch.equal(torch.from_numpy(targets.mask[0]), torch.tensor([1.0, 1, 0, 0]).expand(4, 4))
