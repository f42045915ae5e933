"""A step sees the same crops however it is divided, and an epoch can be entered anywhere."""

import pytest

from gog_pose.data.sampler import CropKey, CropSampler


def draws(**options):
    """The crops of the second epoch of ten images in steps of four, with a seed of their own."""
    sampler = CropSampler(range(10), batch_size=4, seed=3, **options)
    sampler.set_epoch(1)
    return list(sampler)


@pytest.mark.parametrize("num_devices", [2, 4])
def test_devices_divide_every_step_among_themselves(num_devices):
    alone = draws()
    assert len(alone) == len({draw.item for draw in alone}) == 8
    assert {draw.epoch for draw in alone} == {1}
    divided = [draws(num_devices=num_devices, device=device) for device in range(num_devices)]
    share = 4 // num_devices
    for step in range(2):
        together = [draw for device in divided for draw in device[step * share : (step + 1) * share]]
        assert sorted(together) == sorted(alone[step * 4 : (step + 1) * 4])


def test_epochs_leave_out_different_images():
    sampler = CropSampler(range(10), batch_size=4)
    left_out = set()
    for epoch in range(20):
        sampler.set_epoch(epoch)
        left_out.add(frozenset(range(10)) - {draw.item for draw in sampler})
    assert len(left_out) > 10


def test_only_the_first_epoch_is_entered_in_its_middle():
    sampler = CropSampler(range(10), batch_size=4, seed=3, epoch=1, crops=4)
    assert list(sampler) == draws()[4:]
    assert len(sampler) == 8  # of a whole epoch: Lightning counts what was drawn before
    sampler.set_epoch(2)
    assert len(list(sampler)) == 8


def test_crops_differ_by_seed_epoch_and_image_only():
    def number(seed, epoch, item):
        return CropKey(epoch, item).random(seed).integers(2**62)

    places = [(seed, epoch, item) for seed in range(3) for epoch in range(3) for item in range(3)]
    assert len({number(*place) for place in places}) == 27
    assert number(1, 2, 0) == number(1, 2, 0)
