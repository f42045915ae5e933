"""A trained network as one file for other programs: pixels in, keypoint candidates out; grouping them is left to do.

For users:

- ``Deployable``: network, normalisation and the search for peaks and limbs as one module.
- ``write_onnx``, ``write_torch``: the module as a file that carries its description.
- ``OnnxNetwork``: such a file, run by ONNX Runtime; ``PoseEstimator.from_onnx`` uses it.
- ``compare``: how far its candidates are from those of the network itself.
"""

from gog_pose.export.check import compare
from gog_pose.export.deployable import Deployable
from gog_pose.export.files import write_onnx, write_torch
from gog_pose.export.runtime import OnnxNetwork

__all__ = ["Deployable", "OnnxNetwork", "compare", "write_onnx", "write_torch"]
