"""Options that change the execution of a training but not its result: the weights are the same."""

import sys

import pytest
import torch
from small_runs import SMALL, small_scenes
from torch.nn import functional

from gog_pose.cli import train
from gog_pose.networks import PoseNetwork

RUN = [
    "data=folder",
    *SMALL,
    "model.trunk.channels=[8,12]",
    "model.trunk.blocks=[1,1]",
    "trainer.max_epochs=1",
    "trainer.num_sanity_val_steps=0",
    "~callbacks.pictures",
]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return small_scenes(tmp_path_factory.mktemp("scenes"), num_train=10, num_val=1)


@pytest.fixture(scope="module")
def checkpoint(scenes, tmp_path_factory):
    """Train two steps with some options; return the last checkpoint."""

    def run(*overrides):
        output = tmp_path_factory.mktemp("run")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                sys, "argv", ["gog-train", *RUN, f"data.root={scenes}", f"hydra.run.dir={output}", *overrides]
            )
            train.main()
        torch.use_deterministic_algorithms(False)
        return torch.load(output / "checkpoints/last.ckpt")

    return run


@pytest.fixture(scope="module")
def plain(checkpoint):
    return checkpoint()


@pytest.mark.parametrize(
    "option", ["trainer.deterministic=true", "optim.optimizer.fused=true", "compile={backend: eager}"]
)
def test_weights_are_those_of_the_plain_run_under_the_same_names(checkpoint, plain, option):
    other = checkpoint(option)
    assert other["global_step"] == plain["global_step"] == 2
    torch.testing.assert_close(other["state_dict"], plain["state_dict"], rtol=1e-3, atol=1e-4)
    (group,) = other["optimizer_states"][0]["param_groups"]
    assert group["fused"] == ("fused" in option or None)


def test_compilation_takes_place(checkpoint, monkeypatch):
    compiled = []
    monkeypatch.setattr(PoseNetwork, "compile", lambda network, **arguments: compiled.append(arguments))
    checkpoint("compile={mode: max-autotune, dynamic: true}")
    assert compiled == [{"mode": "max-autotune", "dynamic": True}]


@pytest.mark.parametrize("words", ["true", "{no_such: 1}"])
def test_what_torch_compile_does_not_understand_is_told(checkpoint, words, capfd):
    with pytest.raises(SystemExit) as stop:
        checkpoint(f"compile={words}")
    assert stop.value.code == 2
    assert "error: compile: " in capfd.readouterr().err.splitlines()[-1]


def test_accumulated_batches_share_the_batch_size_and_sum_up_to_the_same_update(checkpoint, monkeypatch):
    """Batch statistics are fixed, because each part of an accumulated batch would have its own."""

    def fixed(norm, x):
        return functional.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)

    sizes = set()
    forward = PoseNetwork.forward

    def recorded(network, images):
        if network.training:
            sizes.add(len(images))
        return forward(network, images)

    monkeypatch.setattr(torch.nn.BatchNorm2d, "forward", fixed)
    monkeypatch.setattr(PoseNetwork, "forward", recorded)
    descent = ("optim.optimizer._target_=torch.optim.SGD", "optim.optimizer.lr=1e-4")
    whole = checkpoint(*descent)
    assert sizes == {4}
    sizes.clear()
    halves = checkpoint(*descent, "trainer.accumulate_grad_batches=2")
    assert sizes == {2}
    assert halves["global_step"] == whole["global_step"] == 2
    torch.testing.assert_close(halves["state_dict"], whole["state_dict"], rtol=1e-4, atol=1e-6)


def test_a_batch_that_cannot_be_divided_is_told(checkpoint, capfd):
    with pytest.raises(SystemExit) as stop:
        checkpoint("trainer.accumulate_grad_batches=3")
    assert stop.value.code == 2
    told = capfd.readouterr().err.splitlines()[-1]
    assert "data.batch_size: 4 is not a multiple of 3, the 1 devices times trainer.accumulate_grad_batches=3" in told
