"""PersonLab: poses grow from keypoint to keypoint along offsets, each corrected by the offsets of a disk's cells.

Papandreou, Zhu, Chen, Gidaris, Tompson, Murphy, "PersonLab: Person Pose Estimation and Instance Segmentation with a
Bottom-Up, Part-Based, Geometric Embedding Model" (2018), without the segmentation. ``rules=fast`` decodes as Google's
public program does, ``rules=paper`` as the paper, of which no program is public.
"""

from gog_pose.methods.method import Method
from gog_pose.methods.personlab.decoder import PersonLabDecoder
from gog_pose.methods.personlab.encoder import PersonLabEncoder
from gog_pose.methods.personlab.heads import PersonLabHeads
from gog_pose.methods.personlab.loss import PersonLabLoss
from gog_pose.methods.personlab.paper import PaperDecoder
from gog_pose.methods.personlab.reference import REFERENCE
from gog_pose.methods.personlab.views import VIEWS

METHOD = Method(
    encoder=PersonLabEncoder,
    heads=PersonLabHeads,
    loss=PersonLabLoss,
    decoders={"fast": PersonLabDecoder, "paper": PaperDecoder},
    views=VIEWS,
    reference=REFERENCE,
)
