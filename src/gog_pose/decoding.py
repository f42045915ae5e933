"""Short import path of the paper's decoder, which converts maps to poses."""

from gog_pose.methods.gog.decoder import GogDecoder
from gog_pose.methods.gog.records import PoseMaps

__all__ = ["GogDecoder", "PoseMaps"]
