"""Each option of the noise has the documented effect, on the right people; the same seed gives the same noise."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from annotated import standing

from gog_pose.encoding import PoseEncoder
from gog_pose.errors import InputError
from gog_pose.evaluation import MapNoise
from gog_pose.maps.records import as_batch
from gog_pose.methods.gog.records import PoseMaps
from gog_pose.methods.people import People
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")
SIZE = (256, 384)
PEOPLE = np.stack([standing(20, 40), standing(200, 20, range(11)), standing(270, 120)])
SCALES = np.full(3, 96.0)
ENCODER = PoseEncoder(SKELETON)
ALL = {field.name: 0.3 for field in fields(MapNoise)}


@pytest.fixture(scope="module")
def maps():
    return as_batch(ENCODER(PEOPLE, SCALES, SIZE)).as_maps()


def disturb(maps, seed=0, difficulties=None, **strengths):
    difficulties = np.ones(3) if difficulties is None else difficulties
    random = np.random.default_rng(seed)
    people = People(PEOPLE, SCALES, boxes=np.zeros((3, 4)))
    return MapNoise(**strengths).disturbed(maps, people, difficulties, ENCODER, random)


def cell(keypoint):
    """Row and column of the cell nearest to a keypoint."""
    return tuple(np.round((keypoint[1::-1] - 1.5) / 4).astype(int))


def test_no_noise_changes_nothing(maps):
    quiet = disturb(maps)
    assert torch.equal(quiet.heatmaps, maps.heatmaps)
    assert torch.equal(quiet.offsets, maps.offsets)
    random = np.random.default_rng(0)
    np.testing.assert_array_equal(MapNoise().displaced(PEOPLE, SCALES, np.ones(3), SKELETON, random), PEOPLE)


def test_the_same_seed_gives_the_same_noise_and_the_input_stays(maps):
    before = PoseMaps(maps.heatmaps.clone(), maps.offsets.clone())
    one, again, other = (disturb(maps, seed, **ALL) for seed in (1, 1, 2))
    assert torch.equal(one.heatmaps, again.heatmaps)
    assert torch.equal(one.offsets, again.offsets)
    assert not torch.equal(one.heatmaps, other.heatmaps)
    assert torch.equal(maps.heatmaps, before.heatmaps)
    assert torch.equal(maps.offsets, before.offsets)


@pytest.mark.parametrize("name", sorted(set(ALL) - {"displacement"}))
def test_every_option_matters_and_stays_finite(maps, name):
    noisy = disturb(maps, **{name: 3.0 if name == "spurious" else 0.8})
    changed = not torch.equal(noisy.heatmaps, maps.heatmaps), not torch.equal(noisy.offsets, maps.offsets)
    expected = {
        "coarse": (True, True), "confusion": (True, True), "offset_shrink": (False, True),
        "offset_noise": (False, True), "background": (False, True), "tag_noise": (False, False),
        "spurious": (True, True),
    }  # fmt: skip
    assert changed == expected.get(name, (True, False))
    assert noisy.heatmaps.isfinite().all()
    assert noisy.offsets.isfinite().all()


def test_displacement_is_in_units_of_oks_and_spares_the_unlabelled():
    random = np.random.default_rng(0)
    moved = np.stack(
        [MapNoise(displacement=0.4).displaced(PEOPLE, SCALES, np.ones(3), SKELETON, random) for _ in range(400)]
    )
    unit = 2 * np.array(SKELETON.oks_sigmas) * 96
    np.testing.assert_allclose(moved[:, 0, :, 0].std(axis=0), 0.4 * unit, rtol=0.15)
    np.testing.assert_array_equal(moved[:, 1, 11:], np.zeros((400, 6, 3)))


def test_fading_lowers_each_keypoint_by_a_factor_of_its_own(maps):
    faded = disturb(maps, fading=1.0).heatmaps[0] / maps.heatmaps[0].clamp(min=1e-9)
    drawn = maps.heatmaps[0] > 0
    assert (faded[drawn] <= 1).all()
    peaks = [float(faded[(index, *cell(PEOPLE[0, index]))]) for index in range(17)]
    assert np.std(peaks) > 0.1
    row, column = cell(PEOPLE[0, 9])
    np.testing.assert_allclose(faded[9, row - 1 : row + 2, column], float(faded[9, row, column]), rtol=1e-5)


def test_missing_takes_whole_keypoints(maps):
    heatmaps = disturb(maps, missing=0.5).heatmaps[0]
    peaks = np.array([float(heatmaps[(index, *cell(PEOPLE[0, index]))]) for index in range(17)])
    before = np.array([float(maps.heatmaps[(0, index, *cell(PEOPLE[0, index]))]) for index in range(17)])
    assert 2 <= (peaks == 0).sum() <= 15
    np.testing.assert_array_equal(peaks[peaks > 0], before[peaks > 0])


def test_the_difficult_person_bears_the_noise(maps):
    noisy = disturb(maps, fading=0.5, difficulties=np.array([4.0, 0.0, 0.0]))
    for person, spared in ((0, False), (2, True)):
        same = [
            noisy.heatmaps[(0, index, *cell(PEOPLE[person, index]))]
            == maps.heatmaps[(0, index, *cell(PEOPLE[person, index]))]
            for index in range(17)
        ]
        assert all(same) == spared
    small, large = (MapNoise().difficulties(np.full(4000, s), np.random.default_rng(0)).mean() for s in (30.0, 300.0))
    assert small > 2 * large


def test_offset_errors_are_shared_around_a_start_and_grow_with_the_limb(maps):
    limb = SKELETON.limbs.index((15, 13) if (15, 13) in SKELETON.limbs else (13, 15))
    row, column = cell(PEOPLE[0, SKELETON.limbs[limb][0]])
    errors = []
    for seed in range(60):
        difference = (disturb(maps, seed, offset_noise=0.3).offsets - maps.offsets)[0, 2 * limb]
        errors.append(difference[row - 2 : row + 3, column - 2 : column + 3].numpy())
    errors = np.array(errors)
    length = np.hypot(*(PEOPLE[0, 15] - PEOPLE[0, 13])[:2])
    assert errors.mean(axis=(1, 2)).std() == pytest.approx(0.3 * length, rel=0.3)
    assert errors.std(axis=(1, 2)).mean() == pytest.approx(0.06 * length, rel=0.3)


def test_shrunk_offsets_point_the_right_way_but_fall_short(maps):
    limb = SKELETON.limbs.index((13, 15))
    place = (0, 2 * limb + 1, *cell(PEOPLE[0, 13]))
    for seed in range(5):
        assert 0 < float(disturb(maps, seed, offset_shrink=0.5).offsets[place]) < float(maps.offsets[place])


def test_confusion_shows_the_left_wrist_on_the_right_too(maps):
    noisy = disturb(maps, seed=3, confusion=1.0, difficulties=np.full(3, 2.0)).heatmaps[0]
    place = cell(PEOPLE[0, 9])
    kept, moved = float(noisy[(9, *place)]), float(noisy[(10, *place)])
    assert moved > 0.01
    assert kept + moved == pytest.approx(float(maps.heatmaps[(0, 9, *place)]), abs=1e-5)


def test_false_people_are_copies_whose_vectors_lead_from_point_to_point(maps):
    lengths, misses = [], []
    for seed in range(40):
        noisy = disturb(maps, seed, spurious=0.3)  # at most one as a rule
        new = (noisy.heatmaps - maps.heatmaps)[0].clamp(min=0).numpy()
        tops = {
            point: np.unravel_index(new[point].argmax(), new[point].shape) for point in np.flatnonzero(new.max((1, 2)))
        }
        for index, (start, end) in enumerate(SKELETON.limbs):
            if start in tops and end in tops:
                between = 4 * np.subtract(tops[end], tops[start])[::-1]
                guide = noisy.offsets[(0, slice(2 * index, 2 * index + 2), *tops[start])].numpy()
                lengths.append(np.hypot(*between))
                misses.append(np.hypot(*(guide - between)))
    assert len(misses) > 20
    assert np.median(misses) < 4  # px: the tops are cells
    assert np.median(lengths) > 20


def test_false_people_differ_in_strength(maps):
    strengths = [float((disturb(maps, seed, spurious=3.0).heatmaps - maps.heatmaps).max()) for seed in range(60)]
    assert min(strengths) < 0.2
    assert 0.5 < max(strengths) <= 1.5


@pytest.mark.parametrize("strengths", [{"fading": -1}, {"missing": 1.5}, {"blur": float("nan")}])
def test_senseless_strengths_are_refused(strengths):
    with pytest.raises(InputError, match=r"noise\."):
        MapNoise(**strengths)
