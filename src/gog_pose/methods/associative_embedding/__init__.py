"""Associative Embedding: grouping of keypoints by tags, numbers that are similar only within a person.

Source: Newell, Huang, Deng, "Associative Embedding" (2017). With one output of stride 4 it is "Bottom-up HRNet" of the
paper's Table 3; with additional heatmaps at stride 2 it is HigherHRNet (Cheng et al., 2020). ``rules=higherhrnet``
decodes like the public program of both.
"""

from gog_pose.methods.associative_embedding.decoder import AssociativeDecoder
from gog_pose.methods.associative_embedding.encoder import AssociativeEncoder
from gog_pose.methods.associative_embedding.heads import AssociativeHeads
from gog_pose.methods.associative_embedding.higherhrnet import HigherHRNetDecoder
from gog_pose.methods.associative_embedding.loss import AssociativeLoss
from gog_pose.methods.associative_embedding.reference import REFERENCE
from gog_pose.methods.associative_embedding.views import VIEWS
from gog_pose.methods.method import Method

METHOD = Method(
    encoder=AssociativeEncoder,
    heads=AssociativeHeads,
    loss=AssociativeLoss,
    decoders={"associative_embedding": AssociativeDecoder, "higherhrnet": HigherHRNetDecoder},
    views=VIEWS,
    reference=REFERENCE,
)
