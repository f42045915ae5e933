"""Greedy offset-guided keypoint grouping, the paper's method.

Heatmaps locate keypoints, guiding offsets point from a keypoint to the next one of the same person, and a greedy pass
over the limbs groups the keypoints into people. ``rules=official`` decodes as the authors' public program does.
"""

from gog_pose.methods.gog.decoder import GogDecoder
from gog_pose.methods.gog.encoder import PoseEncoder
from gog_pose.methods.gog.export import EXPORT
from gog_pose.methods.gog.heads import GogHeads
from gog_pose.methods.gog.loss import GogLoss
from gog_pose.methods.gog.official import OfficialDecoder
from gog_pose.methods.gog.reference import REFERENCE
from gog_pose.methods.gog.views import VIEWS
from gog_pose.methods.method import Method

METHOD = Method(
    encoder=PoseEncoder,
    heads=GogHeads,
    loss=GogLoss,
    decoders={"gog": GogDecoder, "official": OfficialDecoder},
    views=VIEWS,
    export=EXPORT,
    reference=REFERENCE,
)
