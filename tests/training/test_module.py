"""The module refuses parts of different methods or strides when it is built, before any data are read."""

from types import SimpleNamespace

import pytest
from small_networks import network_of

from gog_pose.decoding import GogDecoder
from gog_pose.encoding import PoseEncoder
from gog_pose.errors import InputError
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.methods.centernet.decoder import CenterDecoder
from gog_pose.methods.centernet.encoder import CenterEncoder
from gog_pose.methods.centernet.loss import CenterLoss
from gog_pose.methods.gog.loss import GogLoss
from gog_pose.skeleton import load_skeleton
from gog_pose.training.module import PoseModule

SKELETON = load_skeleton("coco_19")
LOSSES = {"gog": GogLoss, "centernet": CenterLoss}
DECODERS = {"gog": GogDecoder, "centernet": CenterDecoder}
ENCODERS = {"gog": PoseEncoder, "centernet": CenterEncoder}


def module(heads, loss, decoder, stride=4):
    parts = network_of(heads), LOSSES[loss](), DECODERS[decoder](SKELETON, stride=stride)
    return PoseModule(*parts, Preprocessing(), optimizer=None, schedule=None)


@pytest.mark.parametrize(("method", "other"), [("gog", "centernet"), ("centernet", "gog")])
def test_loss_and_decoder_of_another_method_are_refused(method, other):
    assert module(method, method, method).network.method == method
    with pytest.raises(InputError, match=rf"method\.loss: belongs to method {other}.*set method={method}"):
        module(method, other, method)
    with pytest.raises(InputError, match=rf"method\.decoder: belongs to method {other}.*set method={method}"):
        module(method, method, other)


def test_another_stride_than_the_trunks_is_refused():
    with pytest.raises(InputError, match=r"method\.decoder\.stride: 8 differs from the trunk.s stride 4"):
        module("gog", "gog", "gog", stride=8)


@pytest.mark.parametrize(("method", "other"), [("gog", "centernet"), ("centernet", "gog")])
def test_an_encoder_of_another_method_or_stride_is_refused(method, other):
    built = module(method, method, method)

    def setup(encoder):
        built.trainer = SimpleNamespace(datamodule=SimpleNamespace(encoder=encoder))
        built.setup("fit")

    setup(ENCODERS[method](SKELETON))
    for encoder in (ENCODERS[other](SKELETON), ENCODERS[method](SKELETON, stride=8)):
        with pytest.raises(InputError, match=r"method\.encoder: belongs to method"):
            setup(encoder)
