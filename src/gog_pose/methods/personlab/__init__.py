"""PersonLab: poses grow from keypoint to keypoint along offsets, each corrected by the offsets of a disk's cells.

Papandreou, Zhu, Chen, Gidaris, Tompson, Murphy, "PersonLab: Person Pose Estimation and Instance Segmentation with a
Bottom-Up, Part-Based, Geometric Embedding Model" (2018), without the segmentation.
"""

from gog_pose.methods.method import Method
from gog_pose.methods.personlab.decoder import PersonLabDecoder
from gog_pose.methods.personlab.encoder import PersonLabEncoder
from gog_pose.methods.personlab.heads import PersonLabHeads
from gog_pose.methods.personlab.loss import PersonLabLoss
from gog_pose.methods.personlab.views import VIEWS

METHOD = Method(
    encoder=PersonLabEncoder,
    heads=PersonLabHeads,
    loss=PersonLabLoss,
    decoders={"fast": PersonLabDecoder},
    views=VIEWS,
)
