"""Networks of timm: their features, refused options, and their use in all steps of a run."""

import pytest
import torch
from hydra import compose, initialize_config_dir
from timm_models import CHANNELS, needs_timm
from torch import nn

from gog_pose.checkpoints.description import KEY, describe, read_network
from gog_pose.cli.runtime import config_dir, instantiate
from gog_pose.decoding import GogDecoder
from gog_pose.errors import InputError
from gog_pose.export import Deployable, write_checked
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.methods import load_method
from gog_pose.methods.method import FeatureMap
from gog_pose.networks import PoseNetwork
from gog_pose.networks.necks import build_neck
from gog_pose.networks.trunk import build_trunk, describe_trunk
from gog_pose.networks.trunks import timm as trunk_module
from gog_pose.skeleton import load_skeleton

PRESETS = {
    "resnet50_fpn": 24_147_776,
    "resnet101_fpn": 43_139_904,
    "hgnetv2_b4_fpn": 14_176_736,
    "mobilenetv4_fpn": 7_511_120,
}
SKELETON = load_skeleton("coco_19")


def trunk_of(architecture, **options):
    torch.manual_seed(0)
    return build_trunk("timm", architecture=architecture, **options)


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
def test_recomputing_is_refused_where_there_are_no_stages():
    with pytest.raises(InputError, match=r"model\.trunk\.recompute: hrnet_w18_small is not a sequence of stages"):
        trunk_of("hrnet_w18_small", recompute=True)


@needs_timm
@pytest.mark.parametrize("architecture", CHANNELS)
def test_statistics_over_several_devices_leave_the_activations(architecture):
    trunk = trunk_of(architecture).eval()
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
    network = network_of(trunk_of(architecture)).eval()
    nn.init.normal_(network.heads.heatmap[-1].weight, std=0.2)
    deployable = Deployable(network, GogDecoder(SKELETON), Preprocessing())
    difference = write_checked(deployable, tmp_path / f"network.{kind}", kind).difference
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
    about = trunk_module._timm().get_pretrained_cfg(cfg.model.trunk.name)
    assert cfg.model.trunk.name.endswith(about.tag)
    assert instantiate(cfg.preprocessing) == Preprocessing(mean=about.mean, std=about.std, channel_order="rgb")
    with torch.device("meta"):
        trunk = instantiate(cfg.model.trunk)
        neck = build_neck(trunk.feature_maps, **cfg.model.neck)
    assert neck.feature_maps == (FeatureMap(128, cfg.model.stride),)
    assert sum(parameter.numel() for part in (trunk, neck) for parameter in part.parameters()) == PRESETS[preset]


@needs_timm
@pytest.mark.parametrize("command", [["train"], ["benchmark", "what=speed"]])
def test_any_model_has_the_image_statistics_that_timm_states_unless_others_are_given(command):
    name, *options = command
    options += ["model=timm", "model.trunk.name=resnetv2_50.a1h_in1k"]
    with initialize_config_dir(config_dir(), version_base="1.3"):
        stated = instantiate(compose(name, options).preprocessing)
        given = instantiate(compose(name, [*options, "preprocessing.std=[0.1,0.2,0.3]"]).preprocessing)
    assert (stated.mean, stated.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert (given.mean, given.std) == ((0.5, 0.5, 0.5), (0.1, 0.2, 0.3))


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
    with pytest.raises(InputError, match=rf"^model\.trunk\.name: .*{words}") as refused:
        trunk_of(architecture)
    assert "\n" not in str(refused.value)


@pytest.fixture
def hub(monkeypatch):
    """Replace the Hugging Face Hub by one that cannot be reached and a cache that holds the files in a set."""
    hub = pytest.importorskip("huggingface_hub")
    cached = set()

    def unreachable(*_, **__):
        raise RuntimeError("no\nnetwork")

    monkeypatch.setattr(hub.HfApi, "model_info", unreachable)
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda _, file: f"/cache/{file}" if file in cached else None)
    return cached


@needs_timm
def test_without_a_network_the_weights_are_refused_before_anything_is_downloaded(hub, monkeypatch):
    monkeypatch.setattr(trunk_module._timm(), "create_model", lambda *_, **__: pytest.fail("tried to download"))
    with pytest.raises(InputError, match=r"^model\.trunk\.pretrained: .* resnet50 .*\(no network\); .*HF_HOME"):
        trunk_of("resnet50", pretrained=True)


@needs_timm
def test_weights_of_the_cache_need_no_network(hub, monkeypatch):
    hub.add("model.safetensors")
    timm = trunk_module._timm()
    create, asked = timm.create_model, []

    def from_cache(name, *, pretrained, **options):
        asked.append(pretrained)
        return create(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", from_cache)
    trunk_of("resnet50", pretrained=True)
    assert asked == [True]


@needs_timm
def test_a_download_that_fails_is_reported_in_one_line(hub, monkeypatch):
    def lost(*_, **__):
        raise FileNotFoundError("connection\nlost")

    hub.add("model.safetensors")
    monkeypatch.setattr(trunk_module._timm(), "create_model", lost)
    with pytest.raises(InputError, match=r"^model\.trunk\.pretrained: .* resnet50 .*\(connection lost\)"):
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
