"""MobileNetV2 with its pyramid: one network in two forms, which any method can train."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from gog_pose.methods import load_method
from gog_pose.methods.people import People
from gog_pose.networks import PoseNetwork
from gog_pose.networks.folding import fold_norms
from gog_pose.networks.trunk import build_trunk, describe_trunk
from gog_pose.networks.trunks.mobilenet_fpn import MobileNetFPN
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")
MOVENETS = {"form": "separable", "refinements": "per_type"}  # options of its heads
SIZE = (64, 96)


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def network_of(method, *, norm=True, **options):
    torch.manual_seed(0)
    return PoseNetwork(SKELETON, MobileNetFPN(norm=norm), partial(load_method(method).heads, **options))


@pytest.mark.parametrize("norm", [True, False])
def test_it_has_one_feature_map_at_stride_4_and_its_options_build_it_again(norm):
    trunk = MobileNetFPN(norm=norm).eval()
    again = build_trunk(**describe_trunk(trunk))
    again.load_state_dict(trunk.state_dict())
    assert [tuple(feature) for feature in again.feature_maps] == [(24, 4)]
    with torch.inference_mode():
        (feature,) = again.eval()(torch.randn(2, 3, *SIZE))
    assert feature.shape == (2, 24, SIZE[0] // again.feature_maps[0].stride, SIZE[1] // 4)
    assert again.max_stride == 32


def test_folded_with_movenets_heads_it_is_as_large_as_movenet():
    network = network_of("centernet", norm=False, **MOVENETS)
    assert parameters(network) == 4_723_346
    assert parameters(network.trunk) == 4_698_920


def test_a_stride_of_2_pads_at_the_right_and_below_alone():
    """The first cell of the stem sees pixels 0 to 2, so that a change of pixel 3 leaves it as it was."""
    stem = MobileNetFPN(norm=False).stem
    image = torch.randn(1, 3, 8, 8)
    other = image.clone()
    other[..., 3:, :] = other[..., 3:] = 0
    last = image.clone()
    last[..., 7] = 0
    assert torch.equal(stem(image)[..., 0, 0], stem(other)[..., 0, 0])
    assert torch.equal(stem(image)[..., :3], stem(last)[..., :3])
    assert not torch.equal(stem(image)[..., 3], stem(last)[..., 3])


def test_a_folded_trunk_is_the_form_without_norms():
    torch.manual_seed(0)
    trunk = MobileNetFPN()
    with torch.no_grad():
        for _ in range(3):
            trunk(torch.randn(4, 3, *SIZE))  # norms with statistics of their own
    trunk.eval()
    folded = MobileNetFPN(norm=False).eval()
    folded.load_state_dict(fold_norms(copy.deepcopy(trunk)).state_dict())
    image = torch.randn(1, 3, *SIZE)
    with torch.inference_mode():
        (expected,), (answer,) = trunk(image), folded(image)
    assert expected.std() > 0
    torch.testing.assert_close(answer, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("method", "options"), [("gog", {}), ("centernet", MOVENETS)])
def test_methods_learn_with_it(method, options):
    parts = load_method(method)
    network = network_of(method, offset_unit=32.0, **options)
    own = {"refinements": options["refinements"]} if options else {}
    encoder = parts.encoder(SKELETON, **own)
    random = np.random.default_rng(0)
    keypoints = np.concatenate([random.uniform(10, 60, (1, 17, 2)), np.full((1, 17, 1), 2)], axis=2)
    person = People(keypoints.astype(np.float32), np.array([40.0]), np.array([[5.0, 5.0, 60.0, 58.0]]))
    targets = encoder.render(encoder.marks(person, SIZE))
    image = torch.from_numpy(random.standard_normal((1, 3, *SIZE), dtype=np.float32))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    losses = []
    for _ in range(5):
        loss = parts.loss()(network(image), targets).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
