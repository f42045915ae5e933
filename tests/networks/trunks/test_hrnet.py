"""HRNet: the public names, the published sizes, and the recorded outputs with the heads of both public networks."""

import numpy as np
import pytest
import torch
from recorded import drawn, num_parameters, recorded_state
from torch import nn
from torch.nn import functional

from gog_pose.checkpoints.hrnet_names import our_name, translate
from gog_pose.errors import InputError
from gog_pose.networks.blocks import Residual
from gog_pose.networks.trunk import build_trunk, describe_trunk, trunk_names
from gog_pose.networks.trunks.hrnet import HRNet

TINY = {"width": 4, "exchanges": (1, 1), "blocks": 1, "stem_channels": 4}
FAMILIES = {"bottomup_hrnet_w32": 28_536_674, "higherhrnet_w32": 28_645_331}


@pytest.mark.parametrize(("width", "parameters"), [(32, 28_535_552), (48, 63_594_912)])
def test_the_size_is_the_published_one(width, parameters):
    with torch.device("meta"):
        trunk = HRNet(width=width)
        tags_and_heatmaps = nn.Conv2d(width, 34, 1)
    count = sum(parameter.numel() for parameter in trunk.parameters())
    assert count == parameters
    if width == 32:
        assert count + sum(p.numel() for p in tags_and_heatmaps.parameters()) == FAMILIES["bottomup_hrnet_w32"]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_trunk_of_a_public_file_loads_strictly(golden, family):
    public = recorded_state(golden / f"{family}_keys.json")
    assert num_parameters(public) == FAMILIES[family]
    with torch.device("meta"):
        trunk = HRNet()
    trunk.load_state_dict(translate({f"module.{name}": tensor for name, tensor in public.items()}), assign=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_outputs_are_those_recorded(golden, family):
    files = sorted(golden.glob(f"{family}_[0-9]*x[0-9]*.npz"))
    assert files
    public = recorded_state(golden / f"{family}_keys.json")
    with torch.device("meta"):
        trunk = HRNet().eval()
    trunk.load_state_dict(translate(public), assign=True)
    for file in files:
        recorded = np.load(file)
        with torch.inference_mode():
            outputs = _public_heads(trunk(torch.from_numpy(recorded["x"]).float())[-1], public)
        assert len(outputs) == sum(name.startswith("output_") for name in recorded.files)
        for number, output in enumerate(outputs):
            expected = recorded[f"output_{number}"]
            error = np.abs(output.numpy() - expected).max()
            assert error < 1e-5 * np.abs(expected).max(), (file.name, number)


def _public_heads(features, public):
    """Return the maps at stride 4 and, where the file has heads for it, those at stride 2 that HigherHRNet adds."""

    def maps(features, number):
        return functional.conv2d(
            features, public[f"final_layers.{number}.weight"], public[f"final_layers.{number}.bias"]
        )

    outputs = [maps(features, 0)]
    if "deconv_layers.0.0.0.weight" in public:
        norm = [public[f"deconv_layers.0.0.1.{field}"] for field in ("running_mean", "running_var", "weight", "bias")]
        finer = torch.cat((features, outputs[0]), dim=1)
        finer = functional.conv_transpose2d(finer, public["deconv_layers.0.0.0.weight"], stride=2, padding=1)
        finer = functional.batch_norm(finer, *norm).relu()
        for block in range(1, 5):
            residual = Residual(32, 32).eval()
            prefix = f"deconv_layers.0.{block}.0."
            residual.load_state_dict(
                {
                    f"body.{layer - 1}.{place}.{field}": public[f"{prefix}{kind}{layer}.{field}"]
                    for layer in (1, 2)
                    for place, kind in enumerate(("conv", "bn"))
                    for field in residual.body[layer - 1][place].state_dict()
                }
            )
            finer = residual(finer)
        outputs.append(maps(finer, 1))
    return outputs


@pytest.mark.parametrize(
    ("public", "ours"),
    [
        ("conv2.weight", "stem.1.0.weight"),
        ("layer1.0.downsample.1.bias", "bottlenecks.0.skip.1.bias"),
        ("layer1.3.bn3.running_var", "bottlenecks.3.body.2.1.running_var"),
        ("transition1.1.0.0.weight", "stages.0.enter.1.0.weight"),
        ("stage4.2.branches.3.1.conv2.weight", "stages.2.exchanges.2.branches.3.1.body.1.0.weight"),
        ("stage3.0.fuse_layers.0.2.0.weight", "stages.1.exchanges.0.fusions.0.paths.2.0.0.weight"),
        ("stage3.0.fuse_layers.2.0.1.1.bias", "stages.1.exchanges.0.fusions.2.paths.0.1.1.bias"),
        ("final_layers.0.weight", None),
        ("stage5.0.branches.0.0.conv1.weight", None),
    ],
)
def test_names_are_translated(public, ours):
    assert our_name(public) == ours


@pytest.mark.parametrize("name", ["stage5.0.branches.0.0.conv1.weight", "classifier.weight", "final_layers.0.weight"])
def test_a_file_of_another_network_is_refused(name):
    with pytest.raises(InputError, match="not a public file of bottom-up HRNet"):
        translate({name: drawn(name, [1])})


def test_the_feature_map_is_as_announced():
    trunk = HRNet(**TINY)
    assert trunk.max_stride == 16
    (announced,) = trunk.feature_maps
    (feature,) = trunk(torch.randn(2, 3, 32, 64))
    assert feature.shape == (2, announced.channels, 32 // announced.stride, 64 // announced.stride)


@pytest.mark.parametrize("options", [{"width": 0}, {"exchanges": ()}, {"exchanges": (1, 0)}, {"blocks": 0}])
def test_options_that_do_not_fit_are_refused(options):
    with pytest.raises(ValueError, match="hrnet"):
        HRNet(**{**TINY, **options})


def test_its_file_is_its_name_and_its_options_build_it_again():
    assert "hrnet" in trunk_names()
    trunk = HRNet(recompute=True, **TINY)
    again = build_trunk(**describe_trunk(trunk))
    assert describe_trunk(again) == describe_trunk(trunk)
    again.load_state_dict(trunk.state_dict())
    assert not again.recompute  # how it was trained
