"""The paper's decoder by its short name: maps to poses."""

from gog_pose.methods.gog.decoder import GogDecoder
from gog_pose.methods.gog.records import PoseMaps

__all__ = ["GogDecoder", "PoseMaps"]
