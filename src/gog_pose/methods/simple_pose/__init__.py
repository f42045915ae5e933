"""Simple Pose: limbs are maps of responses, high along the line between two keypoints.

Source: Li, Su, Wang, "Simple Pose: Rethinking and Improving a Bottom-up Approach for Multi-Person Pose Estimation"
(AAAI 2020), the predecessor of the paper's method. ``rules=official`` decodes like its public program.
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
