"""Networks, which convert images to maps. A network is a trunk, an optional neck, and the heads of a method.

For users: ``PoseNetwork(skeleton, trunk, heads)``. ``trunks/`` has one file per trunk, ``trunk.py`` the protocol of
trunks and the recipe for a new one, ``necks.py`` the layers between trunk and heads, and ``folding.py`` the conversion
for inference.
"""

from gog_pose.networks.network import PoseNetwork

__all__ = ["PoseNetwork"]
