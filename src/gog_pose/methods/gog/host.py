"""Host part of the paper's method: an exported file finds the peaks; the decoder refines and groups them."""

from __future__ import annotations

from gog_pose.methods.gog.candidates import PeakWindows
from gog_pose.methods.gog.decoder import GogDecoder
from gog_pose.methods.host import Host

HOST = Host(
    decoders={"gog": GogDecoder},
    record=PeakWindows,
    fixed=frozenset(("rules", "stride", "topk", "threshold", "localizer", "sigma", "refine", "spread_factor")),
)
