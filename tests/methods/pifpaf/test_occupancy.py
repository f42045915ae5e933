"""Seeds keep the squares that are free on their turn, and drop out of a race when a better pose reaches them."""

import numpy as np
import pytest

from gog_pose.methods.pifpaf.occupancy import Occupancy, squares
from gog_pose.methods.pifpaf.seeds import Seeds
from gog_pose.methods.pifpaf.speculation import Race

SIZE = (60, 80)


def seeds_of(count, levels, seed):
    """Seeds at different pixels with few different values."""
    random = np.random.default_rng(seed)
    places = random.choice(2 * SIZE[0] * SIZE[1], count, replace=False)
    kind, y, x = np.unravel_index(places, (2, *SIZE))
    return Seeds(kind, np.stack([x, y]), random.integers(1, levels + 1, count) / levels)


def plain(seeds, radius):
    """Visit the completely sorted seeds one by one."""
    occupied = np.zeros((2, *SIZE), dtype=int)
    numbered = zip(
        seeds.values.tolist(), seeds.types.tolist(), *seeds.xy.tolist(), range(len(seeds.types)), strict=True
    )
    kept = []
    for _, kind, x, y, index in sorted(numbered, reverse=True):
        if not occupied[kind, y, x]:
            kept.append(index)
            low, high = squares(np.array([[x], [y]]), np.array([radius]), SIZE)
            occupied[kind, low[1, 0] : high[1, 0] + 1, low[0, 0] : high[0, 0] + 1] = len(kept)
    return kept, occupied


@pytest.mark.parametrize("levels", [1, 4, 10**9])
@pytest.mark.parametrize("count", [0, 1, 128, 129, 3000])
def test_seeds_keep_the_squares_that_are_free_on_their_turn(count, levels):
    seeds, radius = seeds_of(count, levels, count), 2.0
    owners = Occupancy(2, SIZE, count)
    kept = owners.occupy_in_turn(seeds, lambda types, xy: np.full(len(types), radius))
    expected, occupied = plain(seeds, radius)
    assert kept.tolist() == expected
    assert owners.count == len(expected)
    np.testing.assert_array_equal(owners.holders(np.arange(occupied.size)), occupied.ravel())


def test_a_seed_drops_out_when_the_pose_of_a_better_one_reaches_it_or_the_other_way_round():
    seeds = Seeds(np.array([0, 1, 0, 1]), np.array([[10, 30, 50, 70], [10] * 4]), np.array([0.9, 0.8, 0.7, 0.6]))
    owners = Occupancy(2, SIZE, 4)
    owners.occupy_in_turn(seeds, lambda types, xy: np.full(len(types), 2.0))
    race = Race(owners, np.array([1, 2, 4]))  # the seed of square 3 does not take part
    race.reach(np.array([0, 1, 2]), np.array([1, 0, 1]), np.array([[20.0, 50.0, 31.0], [10.0, 10.0, 11.6]]))
    assert race.running.tolist() == [True, True, False], "0 reaches no square, 1 the third, 2 the second"
    race.reach(np.array([0]), np.array([1]), np.array([[28.0], [8.0]]))
    assert race.running.tolist() == [True, False, False]
