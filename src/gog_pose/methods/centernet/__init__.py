"""CenterNet, the paper's baseline, with the same networks, data, training and evaluation.

Source: "Objects as Points" (Zhou, Wang, Krähenbühl, 2019). A person is a peak at the center of its box. Offsets lead
from the peak to all of its keypoints. Each keypoint then moves to the nearest peak of its type's heatmap if that lies
within the box.
"""

from gog_pose.methods.centernet.decoder import CenterDecoder
from gog_pose.methods.centernet.encoder import CenterEncoder
from gog_pose.methods.centernet.heads import CenterHeads
from gog_pose.methods.centernet.loss import CenterLoss
from gog_pose.methods.centernet.movenet import MoveNetDecoder
from gog_pose.methods.centernet.views import VIEWS
from gog_pose.methods.method import Method

METHOD = Method(
    encoder=CenterEncoder,
    heads=CenterHeads,
    loss=CenterLoss,
    decoders={"centernet": CenterDecoder, "movenet": MoveNetDecoder},
    views=VIEWS,
)
