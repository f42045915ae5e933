"""The Identity Mapping Hourglass: the published size, the recorded maps, and features of one to all scales."""

import re

import numpy as np
import pytest
import torch
from recorded import num_parameters, recorded_state
from torch import nn

from gog_pose.checkpoints.simple_pose_names import translate_network
from gog_pose.networks.trunk import build_trunk, describe_trunk, trunk_names
from gog_pose.networks.trunks.identity_mapping_hourglass import IdentityMappingHourglass

TINY = {"stacks": 2, "channels": (8, 12, 16), "feature_channels": 8, "guide_channels": 3}


@pytest.fixture(scope="module")
def published(golden):
    """Return the published network of the recordings: its trunk at five scales, and its last stack's heads."""
    public = recorded_state(golden / "imhn4_posenet_keys.json")
    assert num_parameters(public) == 128_998_760
    tensors = translate_network(public).tensors
    state = {name.removeprefix("trunk."): tensor for name, tensor in tensors.items() if name.startswith("trunk.")}
    heads = nn.ModuleList(nn.Conv2d(256, 50, 1) for _ in range(5))
    heads.load_state_dict(
        {
            f"{scale}.{field}": public[f"posenet.outs.3.{scale}.conv.{field}"]
            for scale in range(5)
            for field in ("weight", "bias")
        }
    )
    with torch.device("meta"):
        trunk = IdentityMappingHourglass(scales=5)
    trunk.load_state_dict(state, assign=True)  # strictly
    return trunk.eval(), heads


def test_the_published_network_is_the_trunk_and_the_heads_of_the_last_stack():
    with torch.device("meta"):
        trunks = {scales: IdentityMappingHourglass(scales=scales) for scales in (1, 5)}
    count = {scales: sum(p.numel() for p in trunk.parameters()) for scales, trunk in trunks.items()}
    assert count == {1: 95_814_934, 5: 128_934_510}
    assert count[5] + 5 * (256 * 50 + 50) == 128_998_760


def test_the_maps_are_those_recorded(golden, published):
    trunk, heads = published
    files = sorted(golden.glob("imhn4_posenet_[0-9]*x[0-9]*.npz"))
    assert files
    for file in files:
        recorded = np.load(file)
        images = torch.from_numpy(recorded["x"]).float().permute(0, 3, 1, 2)
        with torch.inference_mode():
            features = trunk(images)
            for name in recorded.files:
                if name == "x":
                    continue
                stack, scale = map(int, re.fullmatch(r"stack_(\d)_scale_(\d)", name).groups())
                head = heads[scale] if stack == 3 else trunk.carries[stack][scale].guides
                maps = head(features[5 * stack + 4 - scale])
                error = np.abs(maps.numpy() - recorded[name]).max()
                assert error < 1e-5 * np.abs(recorded[name]).max(), (file.name, name)


def test_one_scale_is_the_finest_of_five(published):
    every, _ = published
    with torch.device("meta"):
        finest = IdentityMappingHourglass()
    state = every.state_dict()
    finest.load_state_dict({name: state[name] for name in finest.state_dict()}, assign=True)
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(finest.eval()(image), every(image)[4::5], rtol=0, atol=0)


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_the_feature_maps_are_as_announced(scales):
    trunk = IdentityMappingHourglass(scales=scales, **TINY)
    features = trunk(torch.randn(2, 3, 32, 64))
    assert [feature.stride for feature in trunk.feature_maps] == [16, 8, 4][-scales:] * 2
    assert trunk.max_stride == 16
    for feature, announced in zip(features, trunk.feature_maps, strict=True):
        assert feature.shape == (2, announced.channels, 32 // announced.stride, 64 // announced.stride)
    sum(feature.square().sum() for feature in features).backward()
    assert all(parameter.grad is not None for parameter in trunk.parameters())  # nothing is built in vain


@pytest.mark.parametrize("options", [{"stacks": 0}, {"channels": (8,)}, {"channels": (6, 8)}, {"scales": 4}])
def test_options_that_do_not_fit_are_refused(options):
    with pytest.raises(ValueError, match="identity_mapping_hourglass"):
        IdentityMappingHourglass(**{**TINY, **options})


def test_its_file_is_its_name_and_its_options_build_it_again():
    assert "identity_mapping_hourglass" in trunk_names()
    trunk = IdentityMappingHourglass(scales=3, recompute=True, **TINY)
    again = build_trunk(**describe_trunk(trunk))
    assert describe_trunk(again) == describe_trunk(trunk)
    assert again.feature_maps == trunk.feature_maps
    again.load_state_dict(trunk.state_dict())
    assert not again.recompute  # how it was trained
