"""Links that agree count once, and of the best ones the first cell counts."""

import numpy as np
import pytest

from gog_pose.methods.pifpaf.growing import Links, SortedLinks


def links_of(count, seed):
    random = np.random.default_rng(seed)
    places = random.uniform(0, 100, (4, count))
    lengths = random.uniform(1, 20, (2, count))
    return Links(random.integers(0, 4, count), np.arange(count), places[:2], places[2:], *lengths, random.random(count))


@pytest.mark.parametrize("seed", range(3))
def test_links_that_agree_count_once_with_the_first_of_their_cells(seed):
    random = np.random.default_rng(seed)
    links = links_of(20, seed)
    copied = np.concatenate([np.arange(20), random.integers(0, 20, 80)])
    cells = random.permutation(100)
    copies = links.chosen(copied)._replace(cells=cells)
    copies = copies._replace(sources=copies.sources + random.uniform(0, 1e-4, (2, 100)))
    distinct = copies.distinct()
    firsts = {int(cells[copied == link].min()): link for link in range(20)}
    assert sorted(distinct.cells.tolist()) == sorted(firsts)
    expected = links.chosen(np.array([firsts[cell] for cell in distinct.cells.tolist()]))
    np.testing.assert_array_equal(distinct.walks, expected.walks)
    np.testing.assert_allclose(distinct.sources, expected.sources, atol=1e-4)
    np.testing.assert_array_equal(distinct.targets, expected.targets)


@pytest.mark.parametrize("field", [name for name in Links._fields if name != "cells"])
def test_links_that_differ_in_one_number_all_count(field):
    links = links_of(1, 0).chosen(np.array([0, 0]))
    links = links._replace(cells=np.array([5, 3]))
    changed = getattr(links, field).copy()
    changed[..., 1] = changed[..., 1] + 1
    assert links.distinct().cells.tolist() == [3]
    assert sorted(links._replace(**{field: changed}).distinct().cells.tolist()) == [3, 5]


def test_no_links_are_no_links():
    assert len(links_of(0, 0).distinct().walks) == 0


def test_links_in_memory_are_those_within_reach():
    links = links_of(200, 1)
    walks, places = np.array([2, 0, 2]), np.array([[20.0, 50.0, 80.0], [70.0, 50.0, 10.0]])
    query, index, of = SortedLinks(links, 4).near(walks, places)
    close = (np.abs(links.sources[:, None] - places[..., None]) <= links.reaches).all(axis=0)
    expected = np.argwhere(close & (links.walks == walks[:, None]))
    assert len(expected) > 3
    assert sorted(zip(query.tolist(), of.cells[index].tolist(), strict=True)) == [tuple(row) for row in expected]
