"""Models of timm that tests try, and the mark of tests that need it."""

from importlib.util import find_spec

import pytest

# The third has normalizations that are joined with their activations.
CHANNELS = {
    "resnet50": (256, 512, 1024, 2048),
    "hgnetv2_b0": (64, 256, 512, 1024),
    "mobilenetv4_conv_small": (32, 64, 96, 960),
}

needs_timm = pytest.mark.skipif(find_spec("timm") is None, reason="needs timm: pip install 'gog-pose[trunks]'")
