"""Export of a trained network to one file for other programs. The file finds keypoint peaks; the host groups them.

Public names:

- ``Deployable``: normalization, network and peak search as one module.
- ``write_onnx``, ``write_torch``: write the module to a file that contains its description.
- ``write_checked``: writes a file of either kind and compares it with PyTorch before it gets its final name.
- ``OnnxNetwork``: runs such a file by ONNX Runtime; ``PoseEstimator.from_onnx`` uses it.
"""

from gog_pose.export.check import write_checked
from gog_pose.export.deployable import Deployable
from gog_pose.export.files import write_onnx, write_torch
from gog_pose.export.runtime import OnnxNetwork

__all__ = ["Deployable", "OnnxNetwork", "write_checked", "write_onnx", "write_torch"]
