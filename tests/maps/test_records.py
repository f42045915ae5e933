"""Records of any method: splitting into images and joining, for all kinds of fields."""

from typing import Any, NamedTuple

import torch

from gog_pose.maps.records import as_batch, image_of, images_of, joined, moved, stacked


class Record(NamedTuple):
    """A map, what it may lack, and a list with one entry per image."""

    maps: torch.Tensor
    refinements: torch.Tensor | None
    members: list[torch.Tensor]


def batch_of(*sizes):
    """A batch with one image per size of its list's entry."""
    return Record(torch.randn(len(sizes), 2, 3, 4), None, [torch.arange(size) for size in sizes])


def assert_same(one, other):
    assert type(one) is type(other)
    for left, right in zip(one, other, strict=True):
        if isinstance(left, list):
            assert len(left) == len(right)
            assert all(torch.equal(*pair) for pair in zip(left, right, strict=True))
        else:
            assert left is right is None or torch.equal(left, right)


def test_a_batch_is_the_stack_of_its_images():
    batch = batch_of(3, 0, 5)
    images = [image_of(batch, place) for place in range(3)]
    assert images[2].maps.shape == (2, 3, 4)
    assert [len(entry) for entry in images[2].members] == [5]
    assert_same(stacked(images), batch)
    assert_same(stacked(images[1:2]), images_of(batch, slice(1, 2)))


def test_a_batch_is_made_of_smaller_batches():
    batch = batch_of(3, 0, 5)
    assert_same(joined([images_of(batch, slice(0, 1)), images_of(batch, slice(1, 3))]), batch)


def test_one_image_is_a_batch_of_one():
    batch = batch_of(4, 2)
    assert_same(as_batch(image_of(batch, 1)), images_of(batch, slice(1, 2)))


def test_a_batch_moves_as_a_whole():
    batch = batch_of(4, 2)._replace(refinements=torch.zeros(2, 2, 3, 4))
    there: Any = moved(batch, torch.device("meta"))
    assert isinstance(there, Record)
    assert {field.device.type for field in (there.maps, there.refinements, *there.members)} == {"meta"}
    assert moved(batch_of(1), torch.device("cpu")).refinements is None
