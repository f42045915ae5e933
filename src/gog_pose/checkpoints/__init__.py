"""Checkpoints: networks that describe themselves in plain values, read without running code.

For users: ``read_checkpoint``, ``read_network``, ``describe``. ``public.py`` makes checkpoints of public weights.
"""

from gog_pose.checkpoints.description import describe, read_checkpoint, read_network

__all__ = ["describe", "read_checkpoint", "read_network"]
