"""PIFPAF: composite fields, in which each cell predicts its keypoint or both ends of its limb, with a spread.

Source: Kreiss, Bertoni, Alahi, "PifPaf: Composite Fields for Human Pose Estimation" (2019).
"""

from gog_pose.methods.method import Method
from gog_pose.methods.pifpaf.decoder import PifpafDecoder
from gog_pose.methods.pifpaf.encoder import PifpafEncoder
from gog_pose.methods.pifpaf.heads import PifpafHeads
from gog_pose.methods.pifpaf.loss import PifpafLoss
from gog_pose.methods.pifpaf.reference import REFERENCE
from gog_pose.methods.pifpaf.views import VIEWS

METHOD = Method(
    encoder=PifpafEncoder,
    heads=PifpafHeads,
    loss=PifpafLoss,
    decoders={"pifpaf": PifpafDecoder},
    views=VIEWS,
    reference=REFERENCE,
)
