"""Networks: image to maps. A network is a trunk, an optional neck, and the heads of a method.

For users: ``PoseNetwork(skeleton, trunk, heads)``. ``trunks/`` has one file per trunk (``trunk.py`` is the protocol and
the recipe for a new one), ``necks.py`` what can lie between trunk and heads, ``folding.py`` the form for inference.
"""

from gog_pose.networks.network import PoseNetwork

__all__ = ["PoseNetwork"]
