"""A small network whose maps have peaks, as a checkpoint to export, and images for it."""

import sys

import numpy as np
import torch
from torch import nn

from gog_pose.checkpoints.description import KEY, describe
from gog_pose.decoding import GogDecoder
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.methods import load_method
from gog_pose.networks import PoseNetwork
from gog_pose.networks.trunks.hourglass import Hourglass
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")


def small_network(method="gog"):
    """A network whose maps have peaks, and whose normalizations have an effect."""
    torch.manual_seed(0)
    trunk = Hourglass(stacks=2, channels=(8, 12), blocks=(1, 1), stem_channels=8)
    network = PoseNetwork(SKELETON, trunk, load_method(method).heads).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            for numbers in (module.bias, module.running_mean):
                nn.init.normal_(numbers, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network


def with_peaks(network):
    """Give the heads of a ``GogHeads`` network weights whose maps have peaks."""
    nn.init.normal_(network.heads.heatmap[-1].weight, std=0.2)
    nn.init.normal_(network.heads.offset[-1].weight, std=4.0)
    return network


def small_checkpoint(path):
    """Write a checkpoint of such a network with an unusual preprocessing; return the path."""
    network = with_peaks(small_network())
    preprocessing = Preprocessing(long_side=96, channel_order="bgr", mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    decoder = GogDecoder(SKELETON, topk=8, threshold=0.1)
    torch.save({KEY: describe(network, decoder, preprocessing), "state_dict": state}, path)
    return path


def photographs(count=6):
    """Coarse noise of several shapes: its peaks are sharp enough to have a place."""
    random = np.random.default_rng(0)
    for image in range(count):
        coarse = torch.from_numpy(random.random((1, 3, 5, 4 + image % 3)))
        size = (100, 80 + 20 * (image % 3))
        smooth = nn.functional.interpolate(coarse, size, mode="bicubic").clamp(0, 1)[0].permute(1, 2, 0)
        yield (255 * smooth.numpy()).astype(np.uint8)


def command(monkeypatch, main, *overrides):
    """Run a command in this process; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["command", *map(str, overrides)])
    try:
        main()
    except SystemExit as stop:
        return stop.code
    return 0
