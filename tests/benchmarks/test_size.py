"""Parameters and multiplications of a network, against counting by hand."""

from torch import nn

from gog_pose.benchmarks.size import size_of


def test_a_convolution_multiplies_each_weight_once_per_place():
    network = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 1, bias=False))
    size = size_of(network, (64, 96))
    assert size["parameters"] == 3 * 8 * 9 + 8 + 8 * 2
    assert size["gmac"] == (3 * 8 * 9 + 8 * 2) * 32 * 48 / 1e9
