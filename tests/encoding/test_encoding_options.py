"""The columns of Table 2: every ``encoding=`` option brings target and localiser that belong together."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from gog_pose.checkpoint import KEY, NETWORK_PREFIX, describe
from gog_pose.cli.runtime import config_dir, instantiate
from gog_pose.inference import PoseEstimator
from gog_pose.models import Hourglass, PoseNetwork
from gog_pose.preprocessing import Preprocessing
from gog_pose.records import PoseMaps, PoseTargets

COLUMNS = ["ours", "ours_ro", "bilinear", "qnt", "qnt_ro", "dark"]


def nodes(option, *overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        cfg = compose("train", [f"encoding={option}", "model=hourglass_tiny", *overrides])
    del cfg.paths
    OmegaConf.resolve(cfg.model)
    return cfg


def placement_errors(keypoints, option, *overrides):
    """Distance, px, of each keypoint of one person from what encoder and decoder of an option make of it."""
    cfg = nodes(option, *overrides)
    targets = instantiate(cfg.encoder)(keypoints, np.array([100.0]), (256, 256))
    maps = (targets.heatmaps, targets.offsets, targets.refinements)
    (poses,) = instantiate(cfg.decoder)(PoseMaps(*(None if field is None else field[None] for field in maps)))
    assert len(poses) == 1
    return np.linalg.norm(poses.keypoints[0, :, :2] - keypoints[0, :, :2], axis=-1)


def person(integers):
    """Keypoints far enough apart for each to own the refinement offsets around it."""
    random = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(5), np.arange(4)), axis=-1).reshape(-1, 2)[:17]
    xy = 24 + 48 * grid + random.uniform(-10, 10, (17, 2))
    return np.concatenate([np.round(xy) if integers else xy, np.full((17, 1), 2)], axis=-1)[None].astype(np.float32)


def test_there_is_an_option_for_each_column_and_one_for_the_baseline():
    assert sorted(file.stem for file in Path(config_dir(), "encoding").glob("*.yaml")) == sorted([*COLUMNS, "center"])


@pytest.mark.parametrize(
    ("options", "of_integers", "of_fractions"),
    [
        (["ours"], (0, 0.5), (0, 1.0)),
        (["ours", "decoder.localiser=bicubic"], (0, 1e-3), (0.5, 1.0)),  # the nearest px or the one beside it
        (["ours_ro"], (0, 1e-3), (0, 1e-3)),
        (["bilinear"], (0.9, 1.5), (0.9, 2.2)),  # cannot restore integers
        (["qnt"], (2.1, 2.9), (2.1, 2.9)),  # up to half a cell's diagonal
        (["qnt_ro"], (0, 1e-3), (0, 1e-3)),
        (["dark"], (0, 0.5), (0, 0.5)),
    ],
)
def test_what_an_option_draws_it_reads_back(options, of_integers, of_fractions):
    """The largest error of 17 keypoints, px, lies in a range."""
    for integers, (low, high) in ((True, of_integers), (False, of_fractions)):
        assert low <= placement_errors(person(integers), *options).max() <= high


@pytest.mark.parametrize("option", ["bilinear", "dark"])
def test_options_that_only_read_otherwise_decode_a_checkpoint_of_ours(option, tmp_path):
    ours, other = nodes("ours"), nodes(option)
    assert other.encoder == ours.encoder
    assert other.model == ours.model
    decoder = instantiate(ours.decoder)
    network = PoseNetwork(decoder.skeleton, Hourglass(channels=(8, 12), blocks=(1, 1), stem_channels=4, stacks=1))
    weights = {f"{NETWORK_PREFIX}{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save({KEY: describe(network, decoder, Preprocessing()), "state_dict": weights}, tmp_path / "ours.ckpt")

    change = {name: other.decoder[name] for name in other.decoder if other.decoder[name] != ours.decoder[name]}
    estimator = PoseEstimator.from_checkpoint(tmp_path / "ours.ckpt", decoder=change)
    assert list(change) == ["localiser"]
    assert estimator.decoder == instantiate(other.decoder)


@pytest.mark.parametrize("option", COLUMNS)
def test_a_network_has_a_refinement_head_where_the_encoder_draws_refinements(option):
    cfg = nodes(option)
    network = instantiate(cfg.model)
    assert network.refinement == instantiate(cfg.decoder).refine == option.endswith("_ro")
    skeleton = network.skeleton
    crop = instantiate(cfg.encoder)(np.zeros((0, skeleton.num_keypoints, 3)), np.zeros(0), (64, 64))
    stacks = network.eval()(torch.zeros(1, 3, 64, 64))
    assert instantiate(cfg.loss)(stacks, PoseTargets.stack([crop])).total.isfinite()
