"""A minimal method: a person is a peak at the mean of its keypoints, and vectors lead from there to all of them.

It tests the recipe of ``gog_pose.methods``: a method needs only this folder and one YAML file. Its two maps have
different strides, and the targets of its vectors are lists beside the maps.
"""

from gog_pose.methods.minimal.decoder import MinimalDecoder
from gog_pose.methods.minimal.encoder import MinimalEncoder
from gog_pose.methods.minimal.heads import MinimalHeads
from gog_pose.methods.minimal.loss import MinimalLoss
from gog_pose.methods.minimal.views import VIEWS

from gog_pose.methods.method import Method

METHOD = Method(
    encoder=MinimalEncoder,
    heads=MinimalHeads,
    loss=MinimalLoss,
    decoders={"minimal": MinimalDecoder},
    views=VIEWS,
)
