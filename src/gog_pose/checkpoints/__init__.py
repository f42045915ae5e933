"""Checkpoints: weights with a description of the network in plain values, read without running code.

Public functions: ``read_checkpoint``, ``read_network``, ``describe``. ``public.py`` imports public weights.
"""

from gog_pose.checkpoints.description import describe, read_checkpoint, read_network

__all__ = ["describe", "read_checkpoint", "read_network"]
