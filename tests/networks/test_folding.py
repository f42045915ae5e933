"""Folding: a network without its norms gives the same predictions, except for rounding."""

import pytest
import torch
from small_networks import network_of
from torch import nn

from gog_pose.networks.folding import fold_norms


@pytest.mark.parametrize("with_neck", [False, True])
def test_a_folded_network_predicts_the_same(with_neck):
    torch.manual_seed(0)
    network = network_of("gog", stacks=2, with_neck=with_neck)
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(4, 3, 32, 32))  # norms with statistics of their own
    network.eval()
    image = torch.randn(1, 3, 32, 64)
    with torch.inference_mode():
        expected = network(image)
    folded = fold_norms(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    with torch.inference_mode():
        for ours, theirs in zip(folded(image), expected, strict=True):
            for one, other in zip(ours[:2], theirs[:2], strict=True):
                torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
