"""Poses from an exported file with NumPy and ONNX Runtime alone; PyTorch, Lightning and Hydra are not loaded.

For users:

- ``PoseRuntime``: image in, ``Poses`` out; batches and videos too.
- ``OnnxFile``: the file itself, arrays in and out.
"""

from gog_pose.runtime.file import OnnxFile
from gog_pose.runtime.poses import PoseRuntime

__all__ = ["OnnxFile", "PoseRuntime"]
