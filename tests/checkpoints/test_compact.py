"""A compact checkpoint gives the predictions of its source in half the bytes, and can be trained further."""

from functools import partial

import torch

from gog_pose.checkpoints import describe, read_network
from gog_pose.checkpoints.compact import write_compact
from gog_pose.checkpoints.transfer import start_from
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.methods import load_method
from gog_pose.networks import PoseNetwork
from gog_pose.networks.trunk import build_trunk
from gog_pose.skeleton import load_skeleton


def mobilenet():
    trunk = build_trunk("mobilenet_fpn", norm=True)
    return PoseNetwork(load_skeleton("coco_19"), trunk, partial(load_method("gog").heads, form="separable"))


def test_the_network_is_the_same_without_norms_and_state_of_the_training(tmp_path):
    torch.manual_seed(0)
    network = mobilenet()
    images = torch.randn(2, 3, 64, 64)
    network.train()(images)  # statistics that are not those of the start
    network.eval()
    state = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    decoder = load_method("gog").decoder(network.skeleton, threshold=0.1)
    description = describe(network, decoder, Preprocessing(long_side=320))
    source, output = tmp_path / "last.ckpt", tmp_path / "compact.ckpt"
    torch.save({"state_dict": state, "gog_pose": description, "optimizer_states": [torch.zeros(100)]}, source)

    write_compact(source, output)
    content = torch.load(output, weights_only=True)
    assert set(content) == {"state_dict", "gog_pose"}
    assert all(tensor.dtype == torch.float16 for tensor in content["state_dict"].values())
    compact = read_network(output)
    assert compact.decoder == decoder
    assert compact.preprocessing == Preprocessing(long_side=320)
    assert all(tensor.dtype == torch.float32 for tensor in compact.network.state_dict().values())
    with torch.no_grad():
        (expected,), (found,) = network(images), compact.network.eval()(images)
    for own, other in zip(expected[:2], found[:2], strict=True):
        torch.testing.assert_close(other, own, rtol=0, atol=float(5e-3 * own.abs().max()))

    again = mobilenet()
    transfer = start_from(again, output, lambda: [images])
    assert transfer.norms
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(images)[0].heatmaps, found[0], rtol=1e-3, atol=1e-3)
