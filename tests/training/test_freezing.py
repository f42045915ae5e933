"""A frozen trunk keeps its weights and statistics; a trunk with a separate learning rate uses this rate."""

import copy
import sys

import pytest
import torch
from small_runs import SMALL, small_scenes

from gog_pose.cli import train
from gog_pose.errors import InputError
from gog_pose.methods.gog.heads import GogHeads
from gog_pose.networks import PoseNetwork
from gog_pose.networks.stored_features import StoredFeatures
from gog_pose.networks.trunks.hourglass import Hourglass
from gog_pose.skeleton import load_skeleton
from gog_pose.training.groups import build_optimizer


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return small_scenes(tmp_path_factory.mktemp("scenes"), num_train=4, num_val=1)


@pytest.fixture
def trained(scenes, tmp_path, monkeypatch):
    def run(name, *overrides):
        output = tmp_path / name
        run = ["data=folder", *SMALL, f"data.root={scenes}", "trainer.max_epochs=2", "~callbacks.pictures"]
        monkeypatch.setattr(sys, "argv", ["gog-train", *run, f"hydra.run.dir={output}", *overrides])
        train.main()
        return output / "checkpoints/last.ckpt"

    return run


def part(path, name):
    state = torch.load(path)["state_dict"]
    return {key: tensor for key, tensor in state.items() if key.startswith(f"network.{name}.")}


def moved(before, after):
    return {key for key, tensor in before.items() if not torch.equal(tensor, after[key])}


def test_a_frozen_trunk_stays_as_it_was(trained):
    start = trained("start")
    after = trained("frozen", "callbacks=frozen_trunk", f"init={start}")
    assert not moved(part(start, "trunk"), part(after, "trunk"))
    assert moved(part(start, "heads"), part(after, "heads"))


def test_frozen_norms_keep_their_statistics_while_weights_learn(trained):
    start = trained("start")
    after = trained("frozen", "callbacks=frozen_norms", f"init={start}")
    changed = moved(part(start, "trunk"), part(after, "trunk"))
    assert changed
    assert not any("running" in name or "num_batches" in name for name in changed)


def test_named_parts_of_the_trunk_stay_as_they_were(trained):
    start = trained("start")
    after = trained("frozen", "callbacks=frozen_norms", "callbacks.freeze.part=[norms, stem]", f"init={start}")
    changed = moved(part(start, "trunk"), part(after, "trunk"))
    assert changed
    assert not any(name.startswith("network.trunk.stem.") for name in changed)
    assert not any("running" in name for name in changed)


def test_a_new_branch_can_learn_while_all_others_stay_exactly_as_they_were(trained):
    start = trained("start")
    frozen = "callbacks.freeze.part=[trunk, heads.heatmap, heads.offset]"
    after = trained("branch", "callbacks=frozen_trunk", frozen, "method.heads.spread=true", f"init={start}")
    for name in ("trunk", "heads.heatmap", "heads.offset"):
        before = part(start, name)
        assert before
        assert not moved(before, part(after, name))
    learned = part(after, "heads.spread")
    assert any(tensor.abs().max() > 0 for name, tensor in learned.items() if name.endswith("bias"))  # 0 at the start


@pytest.mark.parametrize("part", ["head", "heads.spread", "neck"])  # the last two are in other networks
def test_a_part_that_the_network_does_not_have_is_refused(trained, capsys, part):
    with pytest.raises(SystemExit) as ended:
        trained("frozen", "callbacks=frozen_norms", f"callbacks.freeze.part=[stem, {part}]")
    assert ended.value.code == 2
    message = f"'{part}' is not a part of the network; choose norms, trunk, heads, heads.heatmap, heads.offset, stem"
    assert message in capsys.readouterr().err


def network():
    torch.manual_seed(0)
    trunk = Hourglass(stacks=1, channels=(8, 12), blocks=(1, 1), stem_channels=4)
    return PoseNetwork(load_skeleton("coco_19"), trunk, GogHeads)


@pytest.mark.parametrize("rate", [1.0, 0.1])
def test_the_trunk_learns_at_its_own_rate(rate):
    one = network()
    before = copy.deepcopy(one.state_dict())
    optimizer = build_optimizer(one, lambda groups: torch.optim.SGD(groups, lr=0.5), rate)
    for parameter in one.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    for name, parameter in one.named_parameters():
        step = 0.5 * (rate if name.startswith("trunk.") else 1.0)
        torch.testing.assert_close(parameter.detach(), before[name] - step)


def test_what_needs_no_gradient_is_not_in_the_optimizer():
    one = network()
    one.trunk.requires_grad_(False)
    for rate in (1.0, 0.1):
        optimizer = build_optimizer(one, lambda groups: torch.optim.SGD(groups, lr=0.5), rate)
        held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        assert held == {id(parameter) for parameter in one.heads.parameters()}


def test_a_stored_trunk_is_not_run_again(tmp_path):
    frozen = network().eval().requires_grad_(False)
    crops = torch.randn(3, 3, 128, 128)
    stored = StoredFeatures(frozen.trunk, tmp_path)
    first = stored(crops)
    assert len(list(tmp_path.iterdir())) == 3
    torch.testing.assert_close(first, frozen.trunk(crops), rtol=2**-10, atol=1e-6)  # rounded to float16
    stored._trunk = None  # cannot be run
    again = stored(crops[[2, 0]])  # in another order
    for level, before in zip(again, first, strict=True):
        assert torch.equal(level, before[[2, 0]])


def test_stored_features_belong_to_pixels_weights_and_precision(tmp_path):
    frozen = network().eval().requires_grad_(False)
    crop = torch.randn(1, 3, 128, 128)
    StoredFeatures(frozen.trunk, tmp_path)(crop)
    moved = crop.clone()
    moved[0, 0, 0, 0] += 1e-6
    StoredFeatures(frozen.trunk, tmp_path)(moved)
    assert len(list(tmp_path.iterdir())) == 2
    with torch.autocast("cpu", torch.bfloat16):
        StoredFeatures(frozen.trunk, tmp_path)(crop)
    assert len(list(tmp_path.iterdir())) == 3
    next(frozen.trunk.parameters()).mul_(1.01)
    StoredFeatures(frozen.trunk, tmp_path)(crop)
    assert len(list(tmp_path.iterdir())) == 4


def test_features_are_not_stored_without_gradients(tmp_path):
    frozen = network().eval().requires_grad_(False)
    crop = torch.randn(1, 3, 128, 128)
    with torch.no_grad():
        assert all(map(torch.equal, StoredFeatures(frozen.trunk, tmp_path)(crop), frozen.trunk(crop)))
    assert not list(tmp_path.iterdir())


def test_a_broken_file_of_features_is_named(tmp_path):
    frozen = network().eval().requires_grad_(False)
    crop = torch.randn(1, 3, 128, 128)
    StoredFeatures(frozen.trunk, tmp_path)(crop)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match=rf"{file.name}.*delete the file"):
        StoredFeatures(frozen.trunk, tmp_path)(crop)


def test_trainings_on_the_same_crops_share_stored_features(trained, tmp_path):
    start = trained("start")
    store = tmp_path / "features"
    frozen = ["callbacks=frozen_trunk", f"init={start}", f"callbacks.freeze.store={store}"]
    one = trained("one", *frozen)
    files = sorted(store.iterdir())
    assert len(files) == 8  # four images in two epochs
    other = trained("other", *frozen)
    assert sorted(store.iterdir()) == files
    assert not moved(part(one, "heads"), part(other, "heads"))


def test_features_of_a_trunk_that_is_trained_are_not_stored(trained, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        trained("frozen", "callbacks=frozen_norms", f"+callbacks.freeze.store={tmp_path}")
    assert ended.value.code == 2
    assert "callbacks.freeze.store" in capsys.readouterr().err
