"""Small networks of any method."""

from functools import partial

from gog_pose.methods import load_method
from gog_pose.networks import PoseNetwork
from gog_pose.networks.necks import FeaturePyramid
from gog_pose.networks.trunks.hourglass import Hourglass
from gog_pose.skeleton import load_skeleton

TINY = {"channels": (8, 12, 16), "blocks": (1, 2, 1), "stem_channels": 4}


def network_of(method, *, skeleton="coco_19", stacks=1, with_neck=False, **options):
    """Build a network of a small hourglass; ``options`` are those of the heads."""
    trunk = Hourglass(stacks=stacks, **TINY)
    neck = FeaturePyramid(trunk.feature_maps, channels=16) if with_neck else None
    return PoseNetwork(load_skeleton(skeleton), trunk, partial(load_method(method).heads, **options), neck)
