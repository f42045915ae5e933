"""Limbs: offsets read at the peaks, scores by hand, the gate."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gog_pose.assembly.limbs import Limbs, follow_offsets, merge_directions, read_spreads, score_limbs
from gog_pose.maps.peaks import Peaks

GATES = {"gate": 5.0, "gate_ratio": 0.5, "min_length": 0.5}


def test_offsets_at_the_peaks_are_those_of_the_upsampled_map():
    generator = torch.Generator().manual_seed(0)
    limbs = [(0, 1), (2, 0), (1, 2)]
    offsets = torch.randn(2, 6, 5, 7, generator=generator) * 30
    x = torch.randint(0, 28, (2, 3, 40), generator=generator)
    y = torch.randint(0, 20, (2, 3, 40), generator=generator)
    x[..., :4], y[..., :4] = torch.tensor([0, 27, 0, 27]), torch.tensor([0, 0, 19, 19])  # the corners are read, too
    peaks = Peaks(torch.stack([x, y], -1).float(), torch.ones(2, 3, 40))
    upsampled = F.interpolate(offsets, scale_factor=4, mode="bilinear", align_corners=False)
    for maps in (offsets, offsets.contiguous(memory_format=torch.channels_last)):
        guides = follow_offsets(peaks, maps, limbs, stride=4)
        for limb, (start, _) in enumerate(limbs):
            for b in range(2):
                read = upsampled[b, 2 * limb : 2 * limb + 2, y[b, start], x[b, start]].T
                torch.testing.assert_close(guides[b, limb], peaks.xy[b, start] + read)


def test_spreads_are_interpolated_as_logarithms():
    """A limb from type 1: halfway between cells of 2 and 8 px, a quarter of the way, and beyond the outer cell."""
    logs = torch.tensor([2.0, 8.0]).log()[None, None, None]  # cells at 1.5 and 5.5 px
    xy = torch.tensor([[[0.0, 0.0]] * 3, [[3.5, 1.5], [2.5, 1.5], [9.0, 1.5]]])[None]
    peaks = Peaks(xy, torch.ones(1, 2, 3))
    spreads = read_spreads(peaks, logs, [(1, 0)], stride=4)
    torch.testing.assert_close(spreads, torch.tensor([[[4.0, 2 * 4**0.25, 8.0]]]))
    broken = torch.tensor([math.nan, math.inf, 100.0])
    at_cells = Peaks(torch.tensor([[[1.5, 1.5], [5.5, 1.5], [9.5, 1.5]]] * 2)[None], torch.ones(1, 2, 3))
    read = read_spreads(at_cells, broken[None, None, None], [(1, 0)], stride=4)[0, 0]
    assert read.isnan().tolist() == [True, True, False]
    assert read[2].item() == np.float32(math.exp(20))


def test_the_score_by_hand():
    xy = np.array([[[10.0, 20.0]], [[40.0, 60.0]]])  # 50 px apart
    limbs = score_limbs(xy, np.array([[0.8], [0.5]]), np.array([[[43.0, 56.0]]]), [(0, 1)], **GATES)
    assert limbs.starts.tolist() == [[0, 0]]
    assert limbs.ends.tolist() == [[1, 0]]
    np.testing.assert_allclose(limbs.errors, [5.0])
    np.testing.assert_allclose(limbs.scores, [0.8 * 0.5 * math.exp(-5 / 50)])


def test_a_limb_without_length_has_a_finite_score():
    xy = np.array([[[10.0, 20.0]], [[10.0, 20.0]]])
    limbs = score_limbs(xy, np.array([[0.8], [0.5]]), np.array([[[10.0, 21.0]]]), [(0, 1)], **GATES)
    np.testing.assert_allclose(limbs.scores, [0.4 * math.exp(-1 / 0.5)])


def test_the_score_with_a_decay_by_hand():
    """The guide misses its target by 5 px; the decay of the second start counts, or the lower bound of 2 px."""
    xy = np.array([[[0.0, 0.0], [10.0, 20.0]], [[40.0, 60.0], [0.0, 0.0]]])
    responses = np.array([[0.0, 0.8], [0.5, 0.0]])
    guides = np.array([[[0.0, 0.0], [43.0, 56.0]]])
    options = {**GATES, "min_length": 2.0}
    for decay, expected in ((10.0, 0.4 * math.exp(-0.5)), (0.1, 0.4 * math.exp(-2.5))):
        limbs = score_limbs(xy, responses, guides, [(0, 1)], decays=np.array([[99.0, decay]]), **options)
        np.testing.assert_allclose(limbs.scores, [expected])
        np.testing.assert_allclose(limbs.errors, [5])
    undefined = score_limbs(xy, responses, guides, [(0, 1)], decays=np.array([[99.0, math.nan]]), **options)
    assert len(undefined.scores) == 0


def test_the_gate_is_wide_for_long_limbs_only():
    xy = np.array([[[0.0, 0.0], [0.0, 50.0]], [[8.0, 0.0], [100.0, 50.0]]])
    guides = np.array([[[8.0, 7.0], [100.0, 90.0]]])  # both miss: by 7 of 8 px and by 40 of 100 px
    limbs = score_limbs(xy, np.ones((2, 2)), guides, [(0, 1)], **GATES)
    assert limbs.starts.tolist() == [[0, 1]]
    assert limbs.ends.tolist() == [[1, 1]]


def test_every_pair_in_the_gate_is_a_candidate():
    xy = np.array([[[0.0, 0.0], [0.0, 2.0]], [[50.0, 0.0], [50.0, 2.0]]])
    limbs = score_limbs(xy, np.ones((2, 2)), xy[1][None], [(0, 1)], **GATES)
    assert len(limbs.scores) == 4


def test_pairs_without_peak_or_finite_guide_are_none():
    xy = np.zeros((2, 3, 2))
    responses = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    guides = np.array([[[math.nan, 0.0], [math.inf, -math.inf], [0.0, 0.0]]])
    assert len(score_limbs(xy, responses, guides, [(0, 1)], **GATES).scores) == 0
    empty = score_limbs(np.zeros((2, 0, 2)), np.zeros((2, 0)), np.zeros((1, 0, 2)), [(0, 1)], **GATES)
    assert len(empty.scores) == 0


@pytest.mark.parametrize("with_decays", [False, True])
def test_the_candidates_are_those_of_the_plain_formula(with_decays):
    random = np.random.default_rng(0)
    limbs = [(0, 1), (2, 1), (0, 2)]
    xy, guides = random.random((3, 12, 2)) * 30, random.random((3, 12, 2)) * 30
    responses = random.random((3, 12)) * (random.random((3, 12)) < 0.8)
    decays = 10 * random.random((3, 12)) if with_decays else None
    expected = {}
    for limb, (start, end) in enumerate(limbs):
        for a in range(12):
            for b in range(12):
                error, length = math.dist(guides[limb, a], xy[end, b]), math.dist(xy[start, a], xy[end, b])
                score = (
                    responses[start, a]
                    * responses[end, b]
                    * math.exp(-error / max(decays[limb, a] if with_decays else length, 0.5))
                )
                if error < max(5.0, 0.5 * length) and score > 0 and score >= 0.05:
                    expected[start, a, end, b] = score, error
    found = score_limbs(xy, responses, guides, limbs, decays=decays, threshold=0.05, **GATES)
    rows = zip(found.starts.tolist(), found.ends.tolist(), found.scores, found.errors, strict=True)
    actual = {(*start, *end): (score, error) for start, end, score, error in rows}
    assert 5 < len(actual) < 200
    assert actual.keys() == expected.keys()
    for key, values in expected.items():
        np.testing.assert_allclose(actual[key], values)


def limbs_of(*candidates):
    """Make candidates of (start, end, score, error)."""
    starts, ends, scores, errors = zip(*candidates, strict=True)
    return Limbs(np.array(starts), np.array(ends), np.array(scores), np.array(errors))


def test_both_directions_of_a_limb_count_half_each():
    both = [(0, 1), (1, 0), (1, 2)]
    candidates = limbs_of(
        ((0, 0), (1, 3), 0.8, 1.0),
        ((1, 3), (0, 0), 0.4, 3.0),  # the way back
        ((1, 2), (0, 1), 0.6, 2.0),  # nobody led the other way
        ((1, 3), (2, 0), 0.5, 4.0),  # a limb of one direction
    )
    merged = merge_directions(candidates, both, (3, 4))
    found = {
        (tuple(start), tuple(end)): (round(score, 9), error)
        for start, end, score, error in zip(*(field.tolist() for field in merged), strict=True)
    }
    assert found == {
        ((0, 0), (1, 3)): (0.6, 2.0),
        ((0, 1), (1, 2)): (0.3, 2.0),
        ((1, 3), (2, 0)): (0.5, 4.0),
    }


def test_limbs_of_one_direction_are_left_alone():
    candidates = limbs_of(((0, 0), (1, 3), 0.8, 1.0), ((1, 3), (2, 0), 0.5, 4.0))
    assert merge_directions(candidates, [(0, 1), (1, 2)], (3, 4)) is candidates
