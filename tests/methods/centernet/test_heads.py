"""CenterNet's heads: two forms, refinement offsets for all types or for each, all lengths in px."""

import pytest
import torch

from gog_pose.errors import InputError
from gog_pose.methods.centernet.heads import CenterHeads
from gog_pose.methods.centernet.records import CenterMaps, fields
from gog_pose.methods.method import FeatureMap
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")
FEATURES = (FeatureMap(24, 4), FeatureMap(12, 8))


def parameters(heads):
    return sum(parameter.numel() for parameter in heads.parameters())


@pytest.mark.parametrize("form", ["conv", "separable"])
@pytest.mark.parametrize("refinements", ["shared", "per_type"])
def test_maps_are_those_of_the_fields_and_options_build_the_same_again(form, refinements):
    heads = CenterHeads(SKELETON, FEATURES, offset_unit=32.0, form=form, refinements=refinements)
    outputs = heads([torch.randn(2, 24, 6, 5), torch.randn(2, 12, 3, 4)])
    for maps, feature in zip(outputs, FEATURES, strict=True):
        for field in fields(SKELETON, feature.stride, refinements):
            assert getattr(maps, field.name).shape[1] == field.num_maps
    again = CenterHeads(SKELETON, FEATURES, **heads.options())
    again.load_state_dict(heads.state_dict())
    assert again.options() == heads.options()


def test_separable_heads_are_as_small_as_movenets():
    heads = CenterHeads(SKELETON, FEATURES[:1], form="separable", refinements="per_type")
    assert parameters(heads) == 24_426
    assert parameters(CenterHeads(SKELETON, FEATURES[:1])) > parameters(heads)


def test_vectors_are_px():
    heads = CenterHeads(SKELETON, FEATURES[:1], offset_unit=32.0, form="separable")
    with torch.no_grad():
        for one in (heads.offsets, heads.sizes, heads.center_refinements, heads.refinements):
            one[0][-1].weight.zero_()
            one[0][-1].bias.fill_(0.5)
    (maps,) = heads([torch.randn(1, 24, 2, 2)])
    expected = {"offsets": 16.0, "sizes": 16.0, "center_refinements": 2.0, "refinements": 2.0}
    assert {name: getattr(maps, name).unique().tolist() for name in expected} == {
        name: [value] for name, value in expected.items()
    }
    assert isinstance(maps, CenterMaps)


@pytest.mark.parametrize(("option", "message"), [({"form": "round"}, "heads.form"), ({"refinements": "x"}, "refine")])
def test_unknown_options_are_refused(option, message):
    with pytest.raises(InputError, match=message):
        CenterHeads(SKELETON, FEATURES, **option)
