"""Batch normalization that is put back changes nothing in evaluation, and has the statistics of real outputs."""

import pytest
import torch
from torch import nn

from gog_pose.errors import InputError
from gog_pose.networks.folding import fold_norms
from gog_pose.networks.trunks.mobilenet_fpn import MobileNetFPN
from gog_pose.networks.unfolding import put_norms_back


def test_the_function_stays_the_same():
    torch.manual_seed(0)
    folded = MobileNetFPN(norm=False).eval()
    for module in folded.modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.normal_(module.bias, std=0.1)
    normed = MobileNetFPN(norm=True)
    batches = torch.randn(2, 2, 3, 64, 96)
    count = put_norms_back(normed, folded, batches)
    assert count == sum(isinstance(module, nn.BatchNorm2d) for module in normed.modules())
    images = torch.randn(1, 3, 96, 64)
    with torch.no_grad():
        (expected,), (found,) = folded(images), normed.eval()(images)
    scale = float(expected.abs().max())
    torch.testing.assert_close(found, expected, atol=1e-4 * scale, rtol=0)


def test_folding_again_gives_the_folded_weights():
    torch.manual_seed(0)
    folded, normed = MobileNetFPN(norm=False).eval(), MobileNetFPN(norm=True)
    put_norms_back(normed, folded, [torch.randn(2, 3, 64, 64)])
    again = fold_norms(normed.eval()).state_dict()
    for name, tensor in folded.state_dict().items():
        torch.testing.assert_close(again[name], tensor, atol=1e-3, rtol=1e-3)


def test_all_channels_of_a_convolution_get_one_scale():
    torch.manual_seed(0)
    folded = nn.Sequential(nn.Conv2d(3, 4, 3))
    folded[0].weight.data *= torch.tensor([1e-3, 1.0, 0.0, 50.0])[:, None, None, None]
    normed = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4))
    images = torch.randn(2, 3, 9, 9)
    put_norms_back(normed, folded, [images])
    rms = normed[0].weight.detach().square().mean((1, 2, 3)).sqrt()
    torch.testing.assert_close(rms, torch.tensor([1.0, 1.0, 0.0, 1.0]) / 27**0.5)
    torch.testing.assert_close(normed.eval()(images), folded(images), rtol=1e-4, atol=1e-4)


def test_the_statistics_are_those_of_all_batches_together():
    torch.manual_seed(0)
    folded = nn.Sequential(nn.Conv2d(3, 4, 3))
    normed = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4))
    images = torch.randn(6, 3, 8, 8)
    put_norms_back(normed, folded, [images[:1], images[1:]])
    with torch.no_grad():
        outputs = normed[0](images)
    torch.testing.assert_close(normed[1].running_mean, outputs.mean((0, 2, 3)), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(normed[1].running_var, outputs.var((0, 2, 3), unbiased=False), atol=1e-5, rtol=1e-5)


def test_without_images_nothing_is_put_back():
    folded = nn.Sequential(nn.Conv2d(3, 4, 3))
    normed = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4))
    before = normed[0].weight.clone()
    with pytest.raises(InputError, match="no images"):
        put_norms_back(normed, folded, [])
    assert torch.equal(normed[0].weight, before)
