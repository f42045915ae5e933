"""For all people, targets equal their definition; the order of people and the rest of a batch do not matter."""

import numpy as np
import pytest
import torch
from gog_definition import CHAIN, assert_equals_definition
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gog_pose.encoding import PoseEncoder
from gog_pose.maps.marks import TargetMarks
from gog_pose.maps.records import image_of
from gog_pose.methods.people import People

SIZE = (24, 32)
# Integers are COCO's, and give every kind of tie; thirds lie off the borders between cells, where float32 and float64
# may choose differently.
INTEGERS = st.integers(-12, 44).map(float)
THIRDS = st.integers(-36, 130).map(lambda third: third / 3 + 0.1)
WILD = st.one_of(INTEGERS, st.floats(width=32), st.sampled_from([1e30, -1e9, np.nan, np.inf, -np.inf]))


def people(coordinates, most=4):
    """Strategy: keypoints (P, 3, 3) and scales (P,), sometimes with a person twice or shifted by a px."""

    @st.composite
    def draw(draw):
        count = draw(st.integers(0, most))
        xy = draw(hnp.arrays(np.float64, (count, 3, 2), elements=coordinates))
        if count > 1 and draw(st.booleans()):
            xy[-1] = xy[0] + draw(st.sampled_from([0, 1]))
        visibility = draw(hnp.arrays(np.float64, (count, 3, 1), elements=st.sampled_from([0, 1, 2])))
        scales = draw(hnp.arrays(np.float32, count, elements=st.integers(0, 50).map(float)))
        return np.concatenate([xy, visibility], axis=-1).astype(np.float32), scales

    return draw()


def encoders():
    """Strategy: encoders of all options."""
    return st.builds(
        PoseEncoder,
        st.just(CHAIN),
        stride=st.sampled_from([1, 2, 4]),
        sigma=st.sampled_from([1.5, 3.0, 7.0]),
        support=st.sampled_from([1, 3, 7]),
        min_response=st.sampled_from([0.01, 0.3]),
        quantize=st.booleans(),
        refinement=st.sampled_from([0, 1, 3]),
    )


def fields(targets):
    return [field for field in targets if field is not None]


@settings(max_examples=60, deadline=None)
@given(encoder=encoders(), scene=st.one_of(people(INTEGERS), people(THIRDS)))
def test_targets_equal_their_definition(encoder, scene):
    size = (8, 12) if encoder.stride == 1 else SIZE  # the definition is slow
    assert_equals_definition(encoder, *scene, size)


@settings(max_examples=60, deadline=None)
@given(encoder=encoders(), scene=people(INTEGERS, most=6), data=st.data())
def test_order_of_people_does_not_matter(encoder, scene, data):
    keypoints, scales = scene
    order = data.draw(st.permutations(range(len(scales))))
    for one, other in zip(
        fields(encoder(keypoints, scales, SIZE)),
        fields(encoder(keypoints[order], scales[order], SIZE)),
        strict=True,
    ):
        assert torch.equal(one, other)


@settings(max_examples=60, deadline=None)
@given(encoder=encoders(), scene=people(WILD))
def test_wild_coordinates_give_sane_targets(encoder, scene):
    keypoints, scales = scene
    targets = encoder(keypoints, scales, SIZE)
    assert all(field.isfinite().all() for field in fields(targets))
    assert targets.heatmaps.min() >= 0
    assert targets.heatmaps.max() <= 1
    assert not targets.heatmaps[(targets.heatmaps > 0) & (targets.heatmaps < encoder.min_response)].numel()
    assert not targets.offsets.view(2, 2, -1)[(targets.offset_weights == 0).view(2, 1, -1).expand(2, 2, -1)].any()
    sane = (np.abs(keypoints[..., :2]) < 1e6).all(axis=-1)
    without = np.where(sane[..., None], keypoints, 0)
    for one, other in zip(fields(targets), fields(encoder(without, scales, SIZE)), strict=True):
        assert torch.equal(one, other)


@settings(max_examples=40, deadline=None)
@given(encoder=encoders(), scenes=st.lists(people(WILD), min_size=1, max_size=4))
def test_a_batch_is_drawn_as_its_images_are(encoder, scenes):
    """The device renders for a batch exactly the targets that a worker renders for each image."""
    ignored = np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) % 7 < 4
    batch = TargetMarks.join([encoder.marks(People(*scene, np.zeros((0, 4))), SIZE, ignored) for scene in scenes])
    together = encoder.render(batch)
    for place, scene in enumerate(scenes):
        alone = encoder(*scene, SIZE, ignored)
        for one, other in zip(fields(alone), fields(image_of(together, place)), strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize("refinement", [0, 3])
def test_nobody_makes_empty_targets(refinement):
    targets = PoseEncoder(CHAIN, refinement=refinement)(np.zeros((0, 3, 3)), np.zeros(0), SIZE)
    assert not any(field.any() for field in fields(targets._replace(mask=None)))
    assert targets.mask.all()
