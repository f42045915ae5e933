"""Public files of HigherHRNet: which tensors decide what, and what is refused."""

import pytest
import torch

from gog_pose.checkpoints.hrnet_names import is_hrnet, translate_network
from gog_pose.checkpoints.public import import_weights
from gog_pose.checkpoints.public_names import require_fit
from gog_pose.errors import InputError
from gog_pose.methods.associative_embedding.heads import AssociativeHeads
from gog_pose.networks import PoseNetwork
from gog_pose.networks.trunks.hrnet import HRNet
from gog_pose.skeleton import load_skeleton

SKELETONS = {skeleton.num_limbs: skeleton for skeleton in map(load_skeleton, ("coco_19", "crowdpose"))}
CONVS = {"0": "conv", "1": "bn"}


def public_tensors(width=32, types=17, resolutions=2):
    """Tensors without numbers by the public names, written down as the public network is built."""
    with torch.device("meta"):
        trunk = HRNet(width=width)
    shapes = {}

    def norm(name, channels):
        for field in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{field}"] = (channels,)
        shapes[f"{name}.num_batches_tracked"] = ()

    def conv(name, before, after, kernel=3, *, bias=False):
        shapes[f"{name}.weight"] = (after, before, kernel, kernel)
        if bias:
            shapes[f"{name}.bias"] = (after,)

    conv("final_layers.0", width, 2 * types, 1, bias=True)
    if resolutions == 2:
        conv("final_layers.1", width, types, 1, bias=True)
        shapes["deconv_layers.0.0.0.weight"] = (width + 2 * types, width, 4, 4)
        norm("deconv_layers.0.0.1", width)
        for block in range(1, 5):
            for layer in (1, 2):
                conv(f"deconv_layers.0.{block}.0.conv{layer}", width, width)
                norm(f"deconv_layers.0.{block}.0.bn{layer}", width)
    heads = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    return {**{theirs(name): tensor for name, tensor in trunk.state_dict().items()}, **heads}


def theirs(name):
    """The public name of one of our trunk's tensors."""
    parts = name.split(".")
    field = parts.pop()
    if parts[0] == "stem":
        return f"{CONVS[parts[2]]}{int(parts[1]) + 1}.{field}"
    if parts[0] == "bottlenecks":
        kind = f"{CONVS[parts[4]]}{int(parts[3]) + 1}" if parts[2] == "body" else ""
        return f"layer1.{parts[1]}." + (f"{kind}.{field}" if kind else f"downsample.{parts[3]}.{field}")
    stage = int(parts[1]) + 1
    if parts[2] == "enter":
        new = ".0" if int(parts[3]) == stage or (stage == 1 and parts[3] == "1") else ""
        return f"transition{stage}.{parts[3]}{new}.{parts[4]}.{field}"
    prefix = f"stage{stage + 1}.{parts[3]}"
    if parts[4] == "branches":
        return f"{prefix}.branches.{parts[5]}.{parts[6]}.{CONVS[parts[9]]}{int(parts[8]) + 1}.{field}"
    target, source = parts[5], parts[7]
    inner = f"{parts[8]}.{parts[9]}" if int(source) < int(target) else parts[9]
    return f"{prefix}.fuse_layers.{target}.{source}.{inner}.{field}"


@pytest.mark.parametrize("width", [32, 48])
@pytest.mark.parametrize("resolutions", [1, 2])
@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda skeleton: skeleton.name)
def test_every_tensor_fits_and_the_file_decides_the_options(width, resolutions, skeleton):
    state = public_tensors(width, skeleton.num_keypoints, resolutions)
    assert is_hrnet(state)
    weights = translate_network({f"module.{name}": tensor for name, tensor in state.items()})
    assert (weights.kind, weights.trunk, weights.heads) == (
        "higherhrnet",
        {"width": width},
        {"resolutions": resolutions},
    )
    assert weights.num_keypoints == skeleton.num_keypoints
    with torch.device("meta"):
        network = PoseNetwork(skeleton, HRNet(width=width), lambda *parts: AssociativeHeads(*parts, **weights.heads))
    expected = network.state_dict()
    assert set(weights.tensors) == set(expected)
    assert all(tensor.shape == expected[name].shape for name, tensor in weights.tensors.items())


def test_heatmaps_come_before_tags():
    state = public_tensors()
    state["final_layers.0.bias"] = torch.arange(34.0)
    weights = translate_network(state)
    assert weights.tensors["heads.heatmap.0.bias"].tolist() == list(range(17))
    assert weights.tensors["heads.tag.0.bias"].tolist() == list(range(17, 34))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("final_layers.0.weight"), "final_layers.0.weight: is missing"),
        (lambda state: state.pop("deconv_layers.0.2.0.bn1.bias"), "is missing"),
        (
            lambda state: state.update({"deconv_layers.1.0.0.weight": torch.zeros(1)}),
            "deconv_layers.1.0.0.weight: no such",
        ),
        (lambda state: state.update({"stage5.0.weight": torch.zeros(1)}), "stage5.0.weight: not a public file"),
    ],
    ids=["no head", "no norm", "a third resolution", "another stage"],
)
def test_what_does_not_fit_is_refused(change, message):
    state = public_tensors()
    change(state)
    with pytest.raises(InputError, match=message):
        require_fit(translate_network(state).tensors, translate_network(public_tensors()).tensors)


def test_a_file_for_other_keypoints_is_refused(tmp_path):
    state = {name: torch.zeros(tensor.shape) for name, tensor in public_tensors(types=5, resolutions=1).items()}
    torch.save(state, tmp_path / "five.pth")
    with pytest.raises(InputError, match=r"five\.pth: has heads for 5 keypoints"):
        import_weights(tmp_path / "five.pth", tmp_path / "five.ckpt", "higherhrnet", SKELETONS)
