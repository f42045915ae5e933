"""PersonLab: poses grow from keypoint to keypoint along mid-range offsets, which short-range offsets refine.

Source: Papandreou, Zhu, Chen, Gidaris, Tompson, Murphy, "PersonLab: Person Pose Estimation and Instance Segmentation
with a Bottom-Up, Part-Based, Geometric Embedding Model" (2018), without the segmentation. ``rules=fast`` decodes like
Google's public program, ``rules=paper`` like the paper, which has no public program. ``rules=greedy`` groups by the
rules of GOG.
"""

from gog_pose.methods.method import Method
from gog_pose.methods.personlab.decoder import PersonLabDecoder
from gog_pose.methods.personlab.encoder import PersonLabEncoder
from gog_pose.methods.personlab.greedy import GreedyDecoder
from gog_pose.methods.personlab.heads import PersonLabHeads
from gog_pose.methods.personlab.loss import PersonLabLoss
from gog_pose.methods.personlab.paper import PaperDecoder
from gog_pose.methods.personlab.reference import REFERENCE
from gog_pose.methods.personlab.views import VIEWS

METHOD = Method(
    encoder=PersonLabEncoder,
    heads=PersonLabHeads,
    loss=PersonLabLoss,
    decoders={"fast": PersonLabDecoder, "paper": PaperDecoder, "greedy": GreedyDecoder},
    views=VIEWS,
    reference=REFERENCE,
)
