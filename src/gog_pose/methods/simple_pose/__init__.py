"""Simple Pose: limbs are maps of responses, high along the line between two keypoints.

Li, Su, Wang, "Simple Pose: Rethinking and Improving a Bottom-up Approach for Multi-Person Pose Estimation" (AAAI 2020),
the system that the paper's method grew out of. ``rules=official`` decodes as its public program does.
"""

from gog_pose.methods.method import Method
from gog_pose.methods.simple_pose.decoder import SimplePoseDecoder
from gog_pose.methods.simple_pose.encoder import SimplePoseEncoder
from gog_pose.methods.simple_pose.heads import SimplePoseHeads
from gog_pose.methods.simple_pose.loss import SimplePoseLoss
from gog_pose.methods.simple_pose.official import OfficialDecoder
from gog_pose.methods.simple_pose.reference import REFERENCE
from gog_pose.methods.simple_pose.views import VIEWS

METHOD = Method(
    encoder=SimplePoseEncoder,
    heads=SimplePoseHeads,
    loss=SimplePoseLoss,
    decoders={"simple_pose": SimplePoseDecoder, "official": OfficialDecoder},
    views=VIEWS,
    reference=REFERENCE,
    several_strides=True,
)
