"""A trained network as one file for other programs: pixels in, keypoint peaks out; the host groups them.

For users:

- ``Deployable``: network, normalization and the search for peaks as one module.
- ``write_onnx``, ``write_torch``: the module as a file that carries its description.
- ``write_checked``: either, put in its place only after a comparison with PyTorch.
- ``OnnxNetwork``: such a file, run by ONNX Runtime; ``PoseEstimator.from_onnx`` uses it.
"""

from gog_pose.export.check import write_checked
from gog_pose.export.deployable import Deployable
from gog_pose.export.files import write_onnx, write_torch
from gog_pose.export.runtime import OnnxNetwork

__all__ = ["Deployable", "OnnxNetwork", "write_checked", "write_onnx", "write_torch"]
