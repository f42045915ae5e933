"""The parts of the paper's method."""

from __future__ import annotations

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
