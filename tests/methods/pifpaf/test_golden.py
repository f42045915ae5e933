"""Recorded inputs and outputs of PIFPAF's program: targets, losses with gradients, seeds and decoded people."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from gog_pose.methods.people import People
from gog_pose.methods.pifpaf import decoder as decoding
from gog_pose.methods.pifpaf.decoder import PifpafDecoder
from gog_pose.methods.pifpaf.encoder import PifpafEncoder
from gog_pose.methods.pifpaf.loss import laplace, mean_cross_entropy, sum_l1
from gog_pose.methods.pifpaf.records import PifpafMaps
from gog_pose.skeleton import Skeleton, load_skeleton

COCO = load_skeleton("coco_19")
GOLDEN = os.environ.get("GOG_GOLDEN")


def recordings(kind):
    """Every recorded file of a kind; without the folder one entry that skips."""
    files = sorted(Path(GOLDEN).glob(f"pifpaf_{kind}*.npz")) if GOLDEN else [None]
    assert files, kind
    return pytest.mark.parametrize("file", files, ids=lambda file: file.stem if file else "missing")


@pytest.fixture(autouse=True)
def _needs_the_folder(golden):
    """Skip all of it where GOG_GOLDEN is not set."""


def skeleton_of(recorded):
    """COCO's keypoints with the program's limbs."""
    limbs = recorded["skeleton"].tolist()
    return Skeleton("public", COCO.keypoints, limbs, COCO.flip_pairs, COCO.oks_sigmas)


def shifted(stride):
    """Return the px by which our cell u lies after the program's, which is at R u."""
    return (stride - 1) / 2


@recordings("v*_targets_")
def test_targets(file):
    recorded = np.load(file)
    stride = int(recorded["stride"])
    keypoints = recorded["keypoints"].astype(np.float32)
    keypoints[..., :2] += shifted(stride)
    sizes = (recorded["image_size"] - 1) // stride + 1
    people = People(keypoints, np.ones(len(keypoints), dtype=np.float32), np.zeros((len(keypoints), 4)))
    encoder = PifpafEncoder(skeleton_of(recorded), stride=stride)
    targets = encoder.render(encoder.marks(people, tuple(stride * sizes)))

    height, width = sizes
    seen = np.ones((height, width), dtype=bool)  # outside of the valid area there are no responses
    if len(recorded["valid_area"]):
        x, y, w, h = recorded["valid_area"] / stride
        columns, rows = np.arange(width), np.arange(height)[:, None]
        seen = (columns >= int(x)) & (columns < np.ceil(x + w)) & (rows >= int(y)) & (rows < np.ceil(y + h))
    lit, limb_lit = targets.heatmaps[0].numpy(), targets.limb_heatmaps[0].numpy()
    assert lit.any()
    assert limb_lit.any()
    np.testing.assert_array_equal(lit * seen, recorded["pif_intensity"][:-1])
    np.testing.assert_array_equal(limb_lit * seen, recorded["paf_intensity"][:-1])

    def in_cells(field, vectors):
        return np.where(vectors, getattr(targets, field)[0].numpy() / stride, 0)

    twice = np.repeat(lit > 0, 2, axis=0)
    np.testing.assert_allclose(in_cells("vectors", twice), recorded["pif_reg"].reshape(-1, *sizes), atol=1e-4)
    sigmas = np.array(COCO.oks_sigmas)[:, None, None]
    ours = in_cells("scales", lit > 0) / sigmas
    # Where two people have a keypoint in one place, either person's scale may be taught.
    once = unequal(keypoints, lit.shape, stride)
    assert once[lit > 0].mean() > 0.5
    np.testing.assert_allclose((ours * once), recorded["pif_scale"] * once, atol=1e-4)
    theirs = np.concatenate([recorded["paf_reg1"], recorded["paf_reg2"]]).reshape(-1, *sizes)
    at_limbs = np.tile(np.repeat(limb_lit > 0, 2, axis=0), (2, 1, 1))
    np.testing.assert_allclose(in_cells("limb_vectors", at_limbs), theirs, atol=1e-4)


def unequal(keypoints, shape, stride):
    """Return the cells ``(K, h, w)`` that are not near a place that two people share."""
    away = np.ones(shape, dtype=bool)
    for kind in range(shape[0]):
        labeled = keypoints[keypoints[:, kind, 2] > 0, kind, :2]
        places, counts = np.unique(labeled, axis=0, return_counts=True)
        for x, y in (places[counts > 1] - shifted(stride)) / stride:
            rows, columns = np.indices(shape[1:])
            away[kind] &= (abs(rows - y) > 3) | (abs(columns - x) > 3)
    return away


@recordings("v*_loss_")
def test_losses_and_their_gradients(file):
    recorded = {name: torch.from_numpy(array) for name, array in np.load(file).items()}
    stride, sigmas = 1, torch.tensor(COCO.oks_sigmas)[:, None, None]  # all is in cells
    fields = {
        name: recorded[name].float().requires_grad_()
        for name in (
            "pif_intensity_logits", "pif_reg", "pif_logb", "pif_scale",
            "paf_intensity_logits", "paf_reg1", "paf_reg2", "paf_logb1", "paf_logb2",
        )
    }  # fmt: skip

    def entropy(name):
        """The program takes one mean over the batch: images weigh as many cells as they have supervised."""
        target = recorded[f"target_{name}_intensity"]
        positive = target[:, :-1]
        own = (positive + target[:, -1:] > 0).float()  # each map's own cells, and the background
        mask = own if "v010" in file.stem else target.amax(dim=1, keepdim=True)
        cells = mask.expand_as(positive).sum(dim=(1, 2, 3))
        means = mean_cross_entropy(fields[f"{name}_intensity_logits"].sigmoid(), positive, mask)
        return (means * cells).sum() / cells.sum()

    def likelihood(name, number=""):
        weights = (recorded[f"target_{name}_intensity"][:, :-1] > 0.5).float()
        vectors, target = fields[f"{name}_reg{number}"], recorded[f"target_{name}_reg{number}"]
        spreads = fields[f"{name}_logb{number}"]
        return laplace(vectors.flatten(1, 2), target.flatten(1, 2), spreads, weights, stride).mean()

    lit = (recorded["target_pif_intensity"][:, :-1] > 0.5).float()
    parts = [
        entropy("pif"),
        likelihood("pif"),
        sum_l1(fields["pif_scale"], recorded["target_pif_scale"] * sigmas, lit, stride).mean(),
        entropy("paf"),
        likelihood("paf", 1),
        likelihood("paf", 2),
    ]
    for ours, theirs in zip(parts, recorded["parts"], strict=True):
        torch.testing.assert_close(ours.double(), theirs, atol=1e-6, rtol=1e-6)
    total = sum(weight * part for weight, part in zip(recorded["lambdas"].double(), parts, strict=True))
    torch.testing.assert_close(total, recorded["total"].squeeze(), atol=0, rtol=1e-6)
    total.backward()
    for name, field in fields.items():
        torch.testing.assert_close(field.grad, recorded[f"grad_{name}"].float(), atol=1e-7, rtol=1e-4)


RULES = {
    "v03": {},
    "v05": {"score": "best_mean", "clip": False, "softness_range": (1e-9, 1e9), "suppressed_occupy": False},
    "v010": {
        "seeds": "cells", "distance": "scale", "reach": 5.0, "softness": 1.0, "softness_range": (1e-9, 1e9),
        "floor": 0.1, "connection": "blend", "score": "weighted", "suppressed_occupy": False,
    },
}  # fmt: skip


def fields_of(file):
    """The fields that a recording was made of; the outputs of one version may name those of another."""
    recorded = np.load(file)
    return np.load(file.parent / str(recorded["fields_file"].item())) if "fields_file" in recorded else recorded


def maps_of(recorded):
    """Lengths in px."""
    stride = float(recorded["stride"])
    one = {name: torch.from_numpy(recorded[name].astype(np.float32))[None] for name in recorded if name[0] == "p"}
    ends = torch.cat([one["paf_reg1"], one["paf_reg2"]], dim=1)
    spreads = torch.cat([one["paf_logb1"], one["paf_logb2"]], dim=1)
    return PifpafMaps(
        one["pif_intensity"], stride * one["pif_reg"].flatten(1, 2), one["pif_logb"] + np.log(stride),
        stride * one["pif_scale"], one["paf_intensity"], stride * ends.flatten(1, 2), spreads + np.log(stride),
    )  # fmt: skip


@pytest.fixture
def _cells_at_their_corners(monkeypatch):
    """The program's cell u lies at R u. Whole px are half a px apart from ours, so that results cannot be moved."""
    monkeypatch.setattr(decoding, "cells_to_image", lambda cells, stride: cells * stride)


def decoder_of(file, recorded, **options):
    version = file.stem.split("_")[1]
    return PifpafDecoder(skeleton_of(recorded), stride=int(recorded["stride"]), **{**RULES[version], **options})


@recordings("v0[35]_decode_")
@pytest.mark.parametrize("run", ["plain", "complete"])
@pytest.mark.usefixtures("_cells_at_their_corners")
def test_decoded_people(file, run):
    recorded, fields = np.load(file), fields_of(file)
    (poses,) = decoder_of(file, fields, complete=run == "complete")(maps_of(fields))
    theirs, scores = recorded[f"{run}_keypoints"], recorded[f"{run}_scores"]
    assert len(poses) == len(scores)
    np.testing.assert_allclose(poses.scores, scores, atol=1e-4)
    found = theirs[..., 2] > 0
    np.testing.assert_allclose(poses.keypoints[..., 2], theirs[..., 2], atol=1e-4)
    np.testing.assert_allclose(poses.keypoints[found], theirs[found], atol=1e-3)
    assert not (poses.inferred & ~found).any()
    assert poses.inferred.any() <= (run == "complete")


@recordings("v05_decode_")
@pytest.mark.usefixtures("_cells_at_their_corners")
def test_seeds_and_confidence(file, monkeypatch):
    recorded = np.load(file)
    taken = {}
    monkeypatch.setattr(PifpafDecoder, "_grown", _spy(PifpafDecoder._grown, taken))
    decoder_of(file, recorded)(maps_of(recorded))
    seeds, confidence = taken["seeds"], taken["confidence"]
    np.testing.assert_allclose(np.column_stack([seeds.values, seeds.types, *seeds.xy]), recorded["seeds"], atol=1e-4)
    kinds, height, width = recorded["hr_shape"]
    rows, columns = (index.ravel() for index in np.indices((height, width)))
    for kind in range(kinds):
        map_of_kind = confidence.at(np.full(len(rows), kind), np.stack([columns, rows]))
        np.testing.assert_allclose(map_of_kind.sum(), recorded["hr_sum"][kind], rtol=1e-4)
        np.testing.assert_allclose(map_of_kind.max(), recorded["hr_max"][kind], atol=1e-4)


def _spy(method, taken):
    """Keep what a decoder grows poses from: the seeds that are left when each has occupied its square."""

    def spied(self, seeds, links, confidence, image_size):
        squares = decoding.Occupancy(self.skeleton.num_keypoints, image_size, len(seeds.types))
        kept = squares.occupy_in_turn(seeds, decoding.seed_radii(confidence))
        taken.update(seeds=seeds.chosen(kept), confidence=confidence)
        return method(self, seeds, links, confidence, image_size)

    return spied


@recordings("v010_decode_")
@pytest.mark.usefixtures("_cells_at_their_corners")
def test_people_of_the_last_version_are_found(file):
    """Its Gaussians are approximate, so that scores differ: every person that it is sure of is found, in place."""
    recorded = np.load(file)
    (poses,) = decoder_of(file, recorded)(maps_of(recorded))
    for person, score in zip(recorded["plain_keypoints"], recorded["plain_scores"], strict=True):
        if score > 0.3:
            found = person[:, 2] > 0.1
            errors = np.linalg.norm(poses.keypoints[:, found, :2] - person[found, :2], axis=2)
            assert np.median(errors, axis=1).min() < 2.0, "px"
