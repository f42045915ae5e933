"""gog-import-weights: strict check of every tensor, safe reading, and a checkpoint of this package as the result."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from graph_models import movenet_arrays, write_graph_model
from public_names import centernet_tensors, offsetguided_tensors

from gog_pose.checkpoints.public import import_weights
from gog_pose.checkpoints.transfer import start_from
from gog_pose.errors import InputError
from gog_pose.estimator import PoseEstimator
from gog_pose.methods.centernet.decoder import CenterDecoder
from gog_pose.methods.centernet.movenet import MoveNetDecoder
from gog_pose.methods.gog.heads import GogHeads
from gog_pose.networks import PoseNetwork
from gog_pose.networks.trunks.hourglass import Hourglass
from gog_pose.skeleton import load_skeleton

SKELETONS = {skeleton.num_limbs: skeleton for skeleton in map(load_skeleton, ("coco_19", "coco_44"))}


def tensors(shapes):
    """Return tensors of full size that need no space in a file: each is one repeated number."""
    return {
        name: torch.tensor(hash(name) % 7 / 7 if shape else 0, dtype=torch.float32 if shape else torch.int64).expand(
            shape
        )
        for name, shape in shapes.items()
    }


def test_the_authors_file_becomes_a_complete_network(tmp_path):
    shapes = {f"module.{name}": shape for name, shape in offsetguided_tensors(44).items()}
    source = {"epoch": 77, "train_loss": 1.5, "model_state_dict": tensors(shapes)}
    torch.save(source, tmp_path / "PoseNet_77_epoch.pth")
    imported = import_weights(tmp_path / "PoseNet_77_epoch.pth", tmp_path / "gog.ckpt", "auto", SKELETONS)
    assert (imported.skeleton.name, imported.num_parameters) == ("coco_44", 187_754_322)

    estimator = PoseEstimator.from_checkpoint(tmp_path / "gog.ckpt")
    assert estimator.skeleton == load_skeleton("coco_44")
    assert (estimator.preprocessing.channel_order, estimator.preprocessing.coordinates) == ("rgb", "align_corners")
    head = source["model_state_dict"]["module.headnets.1.reg_convs.1.weight"]
    assert torch.equal(estimator.network.heads.offset[1].weight, head)


def test_centernets_file_becomes_the_baseline_and_a_trunk_to_train_from(tmp_path):
    source = {"epoch": 150, "state_dict": tensors(centernet_tensors()), "optimizer": {"state": {}}}
    torch.save(source, tmp_path / "multi_pose_hg_3x.pth")
    imported = import_weights(tmp_path / "multi_pose_hg_3x.pth", tmp_path / "trunk.ckpt", "centernet", SKELETONS)
    assert (len(imported.weights.tensors), imported.num_parameters) == (1008, 194_811_124)

    estimator = PoseEstimator.from_checkpoint(tmp_path / "trunk.ckpt")
    assert (estimator.network.method, estimator.decoder) == ("centernet", CenterDecoder(load_skeleton("coco_19")))
    assert estimator.preprocessing.channel_order == "bgr"
    network = PoseNetwork(load_skeleton("coco_16"), Hourglass(), GogHeads)
    start_from(network, tmp_path / "trunk.ckpt")
    assert torch.equal(network.trunk.features[1][0].weight, source["state_dict"]["cnvs.1.conv.weight"])
    with pytest.raises(InputError, match=r"shape|missing|does not exist"):
        start_from(PoseNetwork(load_skeleton("coco_16"), Hourglass(stacks=1), GogHeads), tmp_path / "trunk.ckpt")


def command(folder, *overrides):
    arguments = [sys.executable, "-m", "gog_pose.cli.import_weights", "hydra.run.dir=run", *overrides]
    return subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)


def test_the_command_accounts_for_what_it_took(tmp_path):
    torch.save(tensors(centernet_tensors()), tmp_path / "a.pth")
    process = command(tmp_path, "source=a.pth", "output=weights/a.ckpt")
    assert process.returncode == 0, process.stderr
    assert "kind centernet; 1008 tensors imported, 194,811,124 parameters; none missing" in process.stdout
    assert "model=hourglass104_centernet" in process.stdout
    assert (tmp_path / "weights/a.ckpt").is_file()


def test_movenets_graph_model_becomes_a_network_of_the_baseline(tmp_path):
    arrays = movenet_arrays()
    write_graph_model(tmp_path, arrays)
    process = command(tmp_path, "source=movenet.json", "output=movenet.ckpt")
    assert process.returncode == 0, process.stderr
    assert "kind movenet; 151 tensors imported, 4,723,346 parameters; none missing" in process.stdout

    estimator = PoseEstimator.from_checkpoint(tmp_path / "movenet.ckpt")
    assert estimator.network.method == "centernet"
    assert isinstance(estimator.decoder, MoveNetDecoder)
    assert estimator.decoder.refinements == "per_type"
    (stem,) = (array for name, array in arrays.items() if name.endswith("/Conv1/Conv2D_weights"))
    assert torch.equal(estimator.network.trunk.stem[1].weight, torch.from_numpy(stem).permute(3, 2, 0, 1))
    poses = estimator.predict(np.zeros((64, 96, 3), dtype=np.uint8))
    assert np.isfinite(poses.keypoints).all()


class Opaque:
    """Something whose loading would run code."""


def damaged(change):
    state = tensors(offsetguided_tensors(19))
    change(state)
    return state


def rename(state):
    state["basenet.pre.2.conv1.weight"] = state.pop("basenet.pre.1.conv1.weight")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: damaged(lambda state: state.pop("basenet.kps.1.up1.0.bn1.bias")), "is missing"),
        (lambda: damaged(rename), "basenet.pre.2.conv1.weight: no such tensor"),
        (lambda: damaged(lambda state: state.update({"headnets.0.hp_convs.0.bias": torch.zeros(18)})), "shape (18,)"),
        (lambda: damaged(lambda state: state.update({"headnets.0.hp_convs.0.bias": Opaque()})), "would run code"),
        (lambda: damaged(lambda state: state.update(epoch=3)), "contains no state dict"),
        (lambda: [1, 2], "contains no state dict"),
        (lambda: tensors(offsetguided_tensors(29)), "29 limbs"),
    ],
    ids=["missing", "extra", "misshapen", "pickled object", "mixed", "list", "limbs"],
)
def test_what_does_not_fit_is_refused(tmp_path, content, message):
    torch.save(content(), tmp_path / "a.pth")
    with pytest.raises(InputError) as refusal:
        import_weights(tmp_path / "a.pth", tmp_path / "a.ckpt", "auto", SKELETONS)
    assert message in str(refusal.value)
    assert "a.pth" in str(refusal.value)
    assert not (tmp_path / "a.ckpt").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["output=a.ckpt"], "source: is not set"),
        (["source=none.pth", "output=a.ckpt"], "none.pth: there is no such file"),
        (["source=text.pth", "output=a.ckpt"], "text.pth: is not a file of torch.save"),
        (["source=text.pth", "output=a.ckpt", "kind=hrnet"], "kind: 'hrnet' is unknown"),
        (["source=a.json", "output=a.ckpt", "kind=centernet"], "a.json is a graph model (kind movenet)"),
        (["source=a.json", "output=a.ckpt"], "a.json: there is no such file"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path, overrides, message):
    (tmp_path / "text.pth").write_text("no weights")
    process = command(tmp_path, *overrides)
    assert process.returncode == 2
    assert message in process.stderr
    assert len(process.stderr.splitlines()) == 1
