"""Properties of all trunks: training with less memory, folding, channels last, export."""

import pytest
import torch
from timm_models import CHANNELS, needs_timm
from torch import nn

from gog_pose.networks.folding import fold_norms
from gog_pose.networks.trunk import build_trunk

SMALL = {
    "hourglass": {"stacks": 2, "channels": (8, 12, 16), "blocks": (1, 2, 1), "stem_channels": 4},
    "hrnet": {"width": 4, "exchanges": (1, 2), "blocks": 2, "stem_channels": 4},
    "identity_mapping_hourglass": {
        "stacks": 2,
        "scales": 3,
        "channels": (8, 12, 16),
        "feature_channels": 8,
        "guide_channels": 3,
    },
}
CASES = [pytest.param(name, options, id=name) for name, options in SMALL.items()] + [
    pytest.param("timm", {"architecture": model}, id=model, marks=needs_timm) for model in CHANNELS
]

every_trunk = pytest.mark.parametrize(("name", "options"), CASES)


def built(name, options):
    torch.manual_seed(0)
    return build_trunk(name, **options)


def trained(name, options):
    """Return a trunk in evaluation whose norms have statistics and factors of their own."""
    trunk = built(name, options)
    for module in trunk.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    with torch.no_grad():
        for _ in range(3):
            trunk(torch.randn(4, 3, 64, 64))
    return trunk.eval()


@every_trunk
def test_recomputing_changes_memory_and_nothing_else(name, options):
    def step(recompute):
        trunk = built(name, {**options, "recompute": recompute})
        saved = []

        def keep(tensor):
            saved.append(tensor)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            features = trunk(torch.randn(2, 3, 64, 64))
        kept = {tensor.data_ptr(): tensor.nbytes for tensor in saved}  # what several operations save is there once
        sum(feature.square().mean() for feature in features).backward()
        activations = kept.keys() - {parameter.data_ptr() for parameter in trunk.parameters()}
        gradients = {name: parameter.grad for name, parameter in trunk.named_parameters()}
        return sum(kept[place] for place in activations), gradients, dict(trunk.named_buffers())

    plain_bytes, plain_gradients, plain_buffers = step(recompute=False)
    bytes_, gradients, buffers = step(recompute=True)
    assert bytes_ < 0.5 * plain_bytes
    assert all(gradient is not None for gradient in plain_gradients.values())  # DDP fails on those
    torch.testing.assert_close(gradients, plain_gradients)
    torch.testing.assert_close(buffers, plain_buffers, rtol=0, atol=0)


@every_trunk
def test_a_folded_trunk_gives_the_same(name, options):
    trunk = trained(name, options)
    images = torch.randn(1, 3, 64, 128)
    with torch.inference_mode():
        expected = trunk(images)
        folded = fold_norms(trunk)
        assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
        torch.testing.assert_close(folded(images), expected, rtol=1e-3, atol=1e-4)


@every_trunk
def test_channels_last_gives_the_same_and_stays(name, options):
    trunk = trained(name, options)
    images = torch.randn(2, 3, 64, 128)
    with torch.inference_mode():
        expected = trunk(images)
        trunk.to(memory_format=torch.channels_last)
        features = trunk(images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(features, expected, rtol=1e-3, atol=1e-4)
    assert all(feature.is_contiguous(memory_format=torch.channels_last) for feature in features)


@every_trunk
def test_an_exported_trunk_gives_the_same(name, options):
    trunk = trained(name, options)
    images = torch.randn(1, 3, 64, 128)
    with torch.inference_mode():
        expected = trunk(images)
    exported = torch.export.export(trunk, (images,)).module()
    with torch.inference_mode():
        torch.testing.assert_close(list(exported(images)), list(expected), rtol=1e-4, atol=1e-5)
