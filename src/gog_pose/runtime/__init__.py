"""Prediction with an exported file, using only NumPy and ONNX Runtime, without PyTorch, Lightning and Hydra.

Public classes:

- ``PoseRuntime``: predicts ``Poses`` for images, batches and videos.
- ``OnnxFile``: runs the file on arrays.
"""

from gog_pose.runtime.file import OnnxFile
from gog_pose.runtime.poses import PoseRuntime

__all__ = ["OnnxFile", "PoseRuntime"]
