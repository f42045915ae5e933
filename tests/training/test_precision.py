"""Mixed precision halves the work of the trunk; heads and losses stay in float32, and training works."""

import csv
import sys
from functools import partial

import torch

from gog_pose.cli import train
from gog_pose.data.synthetic import synthesize
from gog_pose.methods.gog.heads import GogHeads
from gog_pose.methods.gog.loss import GogLoss
from gog_pose.methods.gog.records import PoseTargets
from gog_pose.networks.network import PoseNetwork
from gog_pose.networks.trunks.hourglass import Hourglass
from gog_pose.skeleton import load_skeleton


def targets_for(maps):
    """Targets with the shapes of a prediction, all supervised."""
    batch, _, height, width = maps.heatmaps.shape
    one = torch.ones(batch, 1, height, width)
    weights = one.expand(-1, maps.offsets.shape[1] // 2, -1, -1)
    return PoseTargets(torch.rand(maps.heatmaps.shape), torch.zeros(maps.offsets.shape), weights, one, 0 * maps[2], one)


def test_heads_and_losses_are_float32_where_the_trunk_is_not():
    trunk = Hourglass(stacks=2, channels=(8, 12), blocks=(1, 1), stem_channels=4)
    network = PoseNetwork(load_skeleton("coco_19"), trunk, partial(GogHeads, refinement=3, spread=True))
    images = torch.randn(2, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        assert {features.dtype for features in network.trunk(images)} == {torch.bfloat16}
        stacks = network(images)
        terms = GogLoss()(stacks, targets_for(stacks[-1]))
    assert {field.dtype for maps in stacks for field in maps} == {torch.float32}
    assert {term.dtype for term in (terms.total, *terms.parts.values())} == {torch.float32}
    for maps in stacks:  # float32 in more than in name: not one of the values that bfloat16 has
        for field in maps:
            assert (field != field.bfloat16().float()).float().mean() > 0.9
    plain = GogLoss()(stacks, targets_for(stacks[-1]))
    torch.testing.assert_close(plain.parts["offset"], terms.parts["offset"], rtol=0, atol=0)


def test_training_in_bfloat16_brings_the_loss_down(tmp_path, monkeypatch):
    scenes = tmp_path / "scenes"
    synthesize(scenes, num_train=4, num_val=1, seed=0, image_size=(96, 128), height_range=(50, 90), workers=0)
    overrides = [
        "experiment=overfit",
        f"data.root={scenes}",
        "data.val_limit=1",
        "data.multiple=16",
        f"hydra.run.dir={tmp_path}",
        "model.trunk.channels=[8,12,16]",
        "model.trunk.blocks=[1,1,1]",
        "preprocessing.long_side=64",
        "trainer.precision=bf16-mixed",
        "trainer.max_epochs=30",
        "trainer.check_val_every_n_epoch=30",
        "trainer.log_every_n_steps=1",
        "trainer.enable_progress_bar=false",
        "~callbacks.pictures",
    ]
    monkeypatch.setattr(sys, "argv", ["gog-train", *overrides])
    train.main()
    with (tmp_path / "csv/version_0/metrics.csv").open() as file:
        losses = [float(row["train/loss"]) for row in csv.DictReader(file) if row["train/loss"]]
    assert len(losses) == 30
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
