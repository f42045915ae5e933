"""Networks of timm: their features, what is refused, and all that a run does with them."""

from importlib.util import find_spec

import pytest
import torch
from hydra import compose, initialize_config_dir
from torch import nn

from gog_pose.checkpoints.description import KEY, describe, read_network
from gog_pose.cli.runtime import config_dir
from gog_pose.decoding import GogDecoder
from gog_pose.errors import InputError
from gog_pose.export import Deployable, write_checked
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.methods import load_method
from gog_pose.methods.method import FeatureMap
from gog_pose.networks import PoseNetwork
from gog_pose.networks.folding import fold_norms
from gog_pose.networks.necks import build_neck
from gog_pose.networks.trunk import build_trunk, describe_trunk
from gog_pose.networks.trunks import timm as trunk_module
from gog_pose.skeleton import load_skeleton

# The third has normalizations that are joined with their activations.
CHANNELS = {
    "resnet50": (256, 512, 1024, 2048),
    "hgnetv2_b0": (64, 256, 512, 1024),
    "mobilenetv4_conv_small": (32, 64, 96, 960),
}
PRESETS = {
    "resnet50_fpn": 24_147_776,
    "resnet101_fpn": 43_139_904,
    "hgnetv2_b4_fpn": 14_176_736,
    "mobilenetv4_fpn": 7_511_120,
}
SKELETON = load_skeleton("coco_19")

needs_timm = pytest.mark.skipif(find_spec("timm") is None, reason="needs timm: pip install 'gog-pose[trunks]'")


def trunk_of(architecture, **options):
    torch.manual_seed(0)
    return build_trunk("timm", architecture=architecture, **options)


def trained(architecture):
    """Return a trunk in evaluation whose norms have statistics and factors of their own."""
    trunk = trunk_of(architecture)
    for module in trunk.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    with torch.no_grad():
        for _ in range(2):
            trunk(torch.randn(2, 3, 64, 64))
    return trunk.eval()


def network_of(trunk, method="gog"):
    neck = build_neck(trunk.feature_maps, name="feature_pyramid", channels=32)
    return PoseNetwork(SKELETON, trunk, load_method(method).heads, neck)


@needs_timm
@pytest.mark.parametrize("architecture", CHANNELS)
def test_features_are_those_of_four_strides(architecture):
    trunk = trunk_of(architecture)
    strides = (4, 8, 16, 32)
    assert trunk.feature_maps == tuple(map(FeatureMap, CHANNELS[architecture], strides))
    features = trunk(torch.randn(2, 3, 64, 96))
    assert [feature.shape for feature in features] == [
        (2, channels, 64 // stride, 96 // stride)
        for channels, stride in zip(CHANNELS[architecture], strides, strict=True)
    ]
    sum(feature.sum() for feature in features).backward()
    assert [name for name, parameter in trunk.named_parameters() if parameter.grad is None] == []  # DDP fails on those


@needs_timm
@pytest.mark.parametrize("architecture", CHANNELS)
def test_the_features_are_timms_own(architecture):
    trunk = trunk_of(architecture).eval()
    torch.manual_seed(0)
    theirs = trunk_module._timm().create_model(architecture, features_only=True, out_indices=(-4, -3, -2, -1)).eval()
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(trunk(images), list(theirs(images)), rtol=1e-5, atol=1e-6)


@needs_timm
@pytest.mark.parametrize("architecture", CHANNELS)
def test_recomputing_changes_memory_and_nothing_else(architecture):
    def step(recompute):
        trunk = trunk_of(architecture, recompute=recompute)
        saved = {}

        def keep(tensor):
            saved[tensor.data_ptr()] = tensor
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            features = trunk(torch.randn(2, 3, 64, 96))
        sum(feature.square().mean() for feature in features).backward()
        weights = {parameter.data_ptr() for parameter in trunk.parameters()}
        kept = sum(tensor.nbytes for place, tensor in saved.items() if place not in weights)
        return kept, {name: parameter.grad for name, parameter in trunk.named_parameters()}, dict(trunk.named_buffers())

    plain_bytes, plain_gradients, plain_buffers = step(recompute=False)
    bytes_, gradients, buffers = step(recompute=True)
    assert bytes_ < 0.5 * plain_bytes
    torch.testing.assert_close(gradients, plain_gradients)
    torch.testing.assert_close(buffers, plain_buffers, rtol=0, atol=0)


@needs_timm
def test_recomputing_is_refused_where_there_are_no_stages():
    with pytest.raises(InputError, match=r"model\.trunk\.recompute: hrnet_w18_small is not one stage after another"):
        trunk_of("hrnet_w18_small", recompute=True)


@needs_timm
@pytest.mark.parametrize("architecture", CHANNELS)
def test_a_folded_trunk_gives_the_same(architecture):
    trunk = trained(architecture)
    images = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        expected = trunk(images)
        folded = fold_norms(trunk)
        assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
        torch.testing.assert_close(folded(images), expected, rtol=1e-3, atol=1e-4)


@needs_timm
@pytest.mark.parametrize("architecture", CHANNELS)
def test_channels_last_gives_the_same_and_stays(architecture):
    trunk = trained(architecture)
    images = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        expected = trunk(images)
        trunk.to(memory_format=torch.channels_last)
        features = trunk(images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(features, expected, rtol=1e-3, atol=1e-4)
    assert all(feature.is_contiguous(memory_format=torch.channels_last) for feature in features)


@needs_timm
@pytest.mark.parametrize("architecture", CHANNELS)
def test_statistics_over_several_devices_leave_the_activations(architecture):
    trunk = trained(architecture)
    images = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        expected = trunk(images)
        synchronized = nn.SyncBatchNorm.convert_sync_batchnorm(trunk)
        torch.testing.assert_close(synchronized(images), expected)


@needs_timm
@pytest.mark.parametrize(
    ("architecture", "kind"),
    [("resnet50", "onnx"), ("mobilenetv4_conv_small", "torch")],
)
def test_an_exported_network_gives_the_same(tmp_path, architecture, kind):
    if kind == "onnx":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("onnxscript")
    network = network_of(trained(architecture)).eval()
    nn.init.normal_(network.heads.heatmap[-1].weight, std=0.2)
    deployable = Deployable(network, GogDecoder(SKELETON), Preprocessing())
    difference = write_checked(deployable, tmp_path / f"network.{kind}", kind)
    assert difference.total > 0


@needs_timm
@pytest.mark.parametrize("method", ["gog", "centernet"])
def test_a_checkpoint_brings_the_network_back(tmp_path, method):
    trunk = trunk_of("resnet50.a1_in1k", recompute=True)
    assert describe_trunk(trunk) == {"name": "timm", "architecture": "resnet50.a1_in1k"}
    network = network_of(trunk, method).eval()
    decoder = load_method(method).decoder(SKELETON, stride=network.stride)
    path = tmp_path / "network.ckpt"
    weights = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save({"state_dict": weights, KEY: describe(network, decoder, Preprocessing())}, path)
    again = read_network(path).network.eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for ours, theirs in zip(again(images)[-1], network(images)[-1], strict=True):
            assert ours is theirs is None or torch.equal(ours, theirs)


@needs_timm
@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_has_its_size_and_the_image_statistics_of_its_weights(preset):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        cfg = compose("train", [f"model={preset}"])
    about = trunk_module._timm().get_pretrained_cfg(cfg.model.trunk.architecture)
    assert cfg.model.trunk.architecture.endswith(about.tag)
    assert tuple(cfg.preprocessing.mean) == about.mean
    assert tuple(cfg.preprocessing.std) == about.std
    assert cfg.preprocessing.channel_order == "rgb"
    with torch.device("meta"):
        trunk = build_trunk("timm", architecture=cfg.model.trunk.architecture)
        neck = build_neck(trunk.feature_maps, **cfg.model.neck)
    assert neck.feature_maps == (FeatureMap(128, cfg.model.stride),)
    assert sum(parameter.numel() for part in (trunk, neck) for parameter in part.parameters()) == PRESETS[preset]


@needs_timm
@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        ("giraffe", "timm has no model 'giraffe'"),
        ("hf-hub:timm/resnet50", "timm has no model 'hf-hub:timm/resnet50'"),
        ("resnet50.giraffe", r"Invalid pretrained tag \(giraffe\)"),
        ("convnextv2_tiny", r"the license of convnextv2_tiny is cc-by-nc-4\.0"),
        ("resnet50.fb_ssl_yfcc100m_ft_in1k", r"the license of .* is cc-by-nc-4\.0"),
        ("resnet50.fb_swsl_ig1b_ft_in1k", r"the license of .* is cc-by-nc-4\.0"),
        ("resnet50.bamboo", r"the license of .* is not stated"),
        ("vit_tiny_patch16_224", "takes images of one size only"),
        ("inception_v3", "does not take images of 64x96 px"),
        ("selecsls42b", "not such of strides 4, 8, 16 and 32"),
    ],
)
def test_models_that_do_not_fit_are_refused_in_one_line(architecture, words):
    with pytest.raises(InputError, match=rf"^model\.trunk\.architecture: .*{words}") as refused:
        trunk_of(architecture)
    assert "\n" not in str(refused.value)


@needs_timm
def test_weights_that_cannot_be_downloaded_are_reported_in_one_line(monkeypatch):
    def no_network(*_, **__):
        raise FileNotFoundError("no\nnetwork")

    monkeypatch.setattr(trunk_module._timm(), "create_model", no_network)
    with pytest.raises(InputError, match=r"^model\.trunk\.pretrained: the weights of resnet50 .*\(no network\)"):
        trunk_of("resnet50", pretrained=True)


def test_without_timm_one_line_names_the_extra(monkeypatch):
    monkeypatch.setattr(trunk_module, "find_spec", lambda _: None)
    with pytest.raises(InputError) as refused:
        build_trunk("timm", architecture="resnet50")
    assert str(refused.value) == "model.trunk: needs timm; install it by: pip install 'gog-pose[trunks]'"


def test_a_timm_that_cannot_be_imported_is_reported_in_one_line(monkeypatch):
    def fail(_):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(trunk_module, "find_spec", lambda _: object())
    monkeypatch.setattr(trunk_module, "import_module", fail)
    with pytest.raises(
        InputError, match=r"torchvision::nms does not exist\); install torch and torchvision of the same"
    ):
        build_trunk("timm", architecture="resnet50")
