"""Variants of the method, the columns of Table 2: each has a target and a localizer that belong together."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from gog_pose.checkpoints.description import KEY, NETWORK_PREFIX, describe
from gog_pose.cli.runtime import config_dir, instantiate
from gog_pose.errors import InputError
from gog_pose.estimator import PoseEstimator
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.maps.records import as_batch
from gog_pose.methods.gog.heads import GogHeads
from gog_pose.networks import PoseNetwork
from gog_pose.networks.trunks.hourglass import Hourglass

COLUMNS = ["gog_bicubic", "gog_bilinear", "gog_qnt", "gog_qnt_ro", "gog_ro_bicubic", "gog_dark"]
OTHERS = ["gog", "gog_ro", "gog_clear", "gog_official", "gog_photos", "gog_spread"]


def nodes(option, *overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        cfg = compose("train", [f"method={option}", "model=hourglass_tiny", *overrides])
    del cfg.paths
    OmegaConf.resolve(cfg.method)
    return cfg


def placement_errors(keypoints, option, *overrides):
    """Return the distance, px, of each keypoint of one person from its position after encoding and decoding."""
    method = nodes(option, *overrides).method
    targets = instantiate(method.encoder)(keypoints, np.array([100.0]), (256, 256))
    (poses,) = instantiate(method.decoder)(as_batch(targets).as_maps())
    assert len(poses) == 1
    return np.linalg.norm(poses.keypoints[0, :, :2] - keypoints[0, :, :2], axis=-1)


def person(integers):
    """Keypoints far enough apart for each to own the refinement offsets around it."""
    random = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(5), np.arange(4)), axis=-1).reshape(-1, 2)[:17]
    xy = 24 + 48 * grid + random.uniform(-10, 10, (17, 2))
    return np.concatenate([np.round(xy) if integers else xy, np.full((17, 1), 2)], axis=-1)[None].astype(np.float32)


def test_there_is_a_variant_for_each_column():
    assert sorted(file.stem for file in Path(config_dir(), "method").glob("gog*.yaml")) == sorted(COLUMNS + OTHERS)


@pytest.mark.parametrize(
    ("options", "of_integers", "of_fractions"),
    [
        (["gog"], (0, 0.5), (0, 1.0)),
        (["gog_bicubic"], (0, 1e-3), (0.5, 1.0)),  # the nearest px or the one beside it
        (["gog_ro"], (0, 1e-3), (0, 1e-3)),
        (["gog_ro_bicubic"], (0, 1e-3), (0, 1e-3)),
        (["gog_bilinear"], (0.9, 1.5), (0.9, 2.2)),  # cannot restore integers
        (["gog_qnt"], (2.1, 2.9), (2.1, 2.9)),  # up to half a cell's diagonal
        (["gog_qnt_ro"], (0, 1e-3), (0, 1e-3)),
        (["gog_dark"], (0, 0.5), (0, 0.5)),
    ],
)
def test_each_variant_reads_back_what_it_encodes(options, of_integers, of_fractions):
    """The largest error of 17 keypoints, px, lies in a range."""
    for integers, (low, high) in ((True, of_integers), (False, of_fractions)):
        assert low <= placement_errors(person(integers), *options).max() <= high


@pytest.mark.parametrize("option", ["gog_bicubic", "gog_bilinear", "gog_dark"])
def test_variants_that_only_read_otherwise_decode_a_checkpoint_of_gog(option, tmp_path):
    ours, other = nodes("gog").method, nodes(option).method
    for part in ("encoder", "heads", "loss"):
        assert other[part] == ours[part]
    decoder = instantiate(ours.decoder)
    trunk = Hourglass(channels=(8, 12), blocks=(1, 1), stem_channels=4, stacks=1)
    network = PoseNetwork(decoder.skeleton, trunk, GogHeads)
    weights = {f"{NETWORK_PREFIX}{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save({KEY: describe(network, decoder, Preprocessing()), "state_dict": weights}, tmp_path / "gog.ckpt")

    change = {name: other.decoder[name] for name in other.decoder if other.decoder[name] != ours.decoder[name]}
    estimator = PoseEstimator.from_checkpoint(tmp_path / "gog.ckpt", decoder=change)
    assert list(change) == ["localizer"]
    assert estimator.decoder == instantiate(other.decoder)


def test_a_network_with_spreads_is_decoded_by_them_on_request(tmp_path):
    """Its checkpoint decodes with either length in the score; a network without spreads refuses the option."""
    paths = {}
    for spread in (False, True):
        method = nodes("gog", f"method.heads.spread={spread}").method
        decoder = instantiate(method.decoder)
        torch.manual_seed(0)
        trunk = Hourglass(channels=(8, 12), blocks=(1, 1), stem_channels=4, stacks=1)
        network = PoseNetwork(decoder.skeleton, trunk, instantiate(method.heads)).eval()
        torch.manual_seed(1)  # the head for spreads drew further numbers
        torch.nn.init.normal_(network.heads.heatmap[-1].weight, std=0.2)
        crop = as_batch(instantiate(method.encoder)(np.zeros((0, 17, 3)), np.zeros(0), (64, 64)))
        terms = instantiate(method.loss)(network(torch.zeros(1, 3, 64, 64)), crop)
        assert ("spread" in terms.parts) == spread
        weights = {f"{NETWORK_PREFIX}{name}": tensor for name, tensor in network.state_dict().items()}
        path = tmp_path / f"{spread}.ckpt"
        torch.save({KEY: describe(network, decoder, Preprocessing()), "state_dict": weights}, path)
        paths[spread] = path
    image = np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    plain, same = (PoseEstimator.from_checkpoint(path).predict(image) for path in paths.values())
    np.testing.assert_array_equal(same.keypoints, plain.keypoints)
    by_spreads = PoseEstimator.from_checkpoint(paths[True], decoder={"spread_factor": 2.0})
    assert by_spreads.decoder.spread_factor == 2
    assert len(by_spreads.predict(image)) > 0
    refused = PoseEstimator.from_checkpoint(paths[False], decoder={"spread_factor": 2.0})
    with pytest.raises(InputError, match=r"decoder\.spread_factor: the maps have no spreads"):
        refused.predict(image)


@pytest.mark.parametrize("option", ["gog", "gog_ro", *COLUMNS])
def test_a_network_has_a_refinement_head_where_the_encoder_draws_refinements(option):
    cfg = nodes(option)
    decoder, encoder = instantiate(cfg.method.decoder), instantiate(cfg.method.encoder)
    trunk = instantiate(cfg.model.trunk)
    network = PoseNetwork(encoder.skeleton, trunk, instantiate(cfg.method.heads))
    assert network.heads.options()["refinement"] == decoder.refine == ("_ro" in option)
    crop = encoder(np.zeros((0, 17, 3)), np.zeros(0), (64, 64))
    outputs = network.eval()(torch.zeros(1, 3, 64, 64))
    assert instantiate(cfg.method.loss)(outputs, as_batch(crop)).total.isfinite()
