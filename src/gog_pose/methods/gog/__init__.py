"""Greedy offset-guided keypoint grouping, the paper's method.

Heatmaps locate keypoints, guiding offsets point from a keypoint to the next one of the same person, and a greedy pass
over the limbs groups the keypoints into people. ``rules=official`` decodes like the authors' public program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gog_pose.methods.gog.parts import METHOD

__all__ = ["METHOD"]


def __getattr__(name: str) -> Any:
    """Import the parts on first use, so that the host part works without PyTorch."""
    if name == "METHOD":
        from gog_pose.methods.gog.parts import METHOD

        return METHOD
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
