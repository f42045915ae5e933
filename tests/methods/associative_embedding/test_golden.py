"""Recorded inputs and outputs of HigherHRNet's program: targets, losses, decoded people, aggregation and sizes."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from recorded import recorded_state

from gog_pose.checkpoints.public import import_weights
from gog_pose.estimator import PoseEstimator
from gog_pose.geometry import apply_affine, short_sided
from gog_pose.maps.fields import merge_flipped
from gog_pose.methods.associative_embedding.encoder import AssociativeEncoder
from gog_pose.methods.associative_embedding.higherhrnet import HigherHRNetDecoder, enlarged
from gog_pose.methods.associative_embedding.loss import AssociativeLoss, tag_losses
from gog_pose.methods.associative_embedding.records import AssociativeMaps, AssociativeTargets, fields
from gog_pose.methods.people import People
from gog_pose.skeleton import load_skeleton

COCO = load_skeleton("coco_16")
GOLDEN = os.environ.get("GOG_GOLDEN")
CORNER = 0.5  # px: the program's cell u begins at R u, ours half a px before
WEIGHT = 1e-3  # the program's, of push and pull


def recordings(kind):
    """Every recorded file of a kind; without the folder one entry that skips."""
    files = sorted(Path(GOLDEN).glob(f"ae_{kind}_*.npz")) if GOLDEN else [None]
    assert files, kind
    return pytest.mark.parametrize("file", files, ids=lambda file: file.stem if file else "missing")


@pytest.fixture(autouse=True)
def _needs_the_folder(golden):
    """Skip all of it where GOG_GOLDEN is not set."""


def listed(visible, side):
    """The program's list of a person's flat indices, as our (P, K) cells."""
    cells = np.full(visible.shape[:2], -1)
    for person, entries in enumerate(visible):
        kind, cell = np.divmod(entries[entries[:, 1] > 0, 0], side * side)
        cells[person, kind] = cell
    return cells[(cells >= 0).any(axis=1)]


@recordings("targets")
@pytest.mark.parametrize("stride", [4, 2])
def test_targets(file, stride):
    recorded = np.load(file)
    side = 512 // stride
    keypoints = recorded["keypoints"].astype(np.float32)
    # int() rounds towards 0: what lies less than a cell before the border counts as inside. Beyond it is dropped.
    keypoints[..., :2] = np.where((keypoints[..., :2] > -stride) & (keypoints[..., :2] < 0), 0, keypoints[..., :2])
    keypoints[((keypoints[..., :2] < 0) | (keypoints[..., :2] >= 512)).any(axis=2), 2] = 0
    keypoints[..., :2] -= CORNER
    people = People(keypoints, np.ones(len(keypoints), dtype=np.float32), np.zeros((len(keypoints), 4)))
    encoder = AssociativeEncoder(COCO, stride=stride, sigma=2 * stride, min_response=4.7e-6, quantize=True)
    targets = encoder.render(encoder.marks(people, (512, 512)))

    np.testing.assert_array_equal(targets.people[0], listed(recorded[f"visible_{side}"], side))
    ours, theirs = targets.heatmaps[0].numpy(), recorded[f"heatmaps_{side}"]
    # Theirs end at squares of 15 x 15 cells, 8 cells from the center; ours are round, and reach a little further.
    least = np.float32(np.exp(-(8**2) / 8))
    np.testing.assert_allclose(np.maximum(ours, least), np.maximum(theirs, least), atol=1e-6)


@recordings("targets")
@pytest.mark.parametrize("stride", [4, 2])
def test_masks_agree_where_all_pixels_of_a_cell_do(file, stride):
    recorded = np.load(file)
    side = 512 // stride
    supervised = np.unpackbits(recorded["mask"]).reshape(512, 512).astype(bool)
    theirs = np.unpackbits(recorded[f"mask_{side}"])[: side * side].reshape(side, side)
    nobody = People(np.zeros((0, 17, 3), dtype=np.float32), np.zeros(0), np.zeros((0, 4)))
    marks = AssociativeEncoder(COCO, stride=stride).marks(nobody, (512, 512), ~supervised)
    cells = supervised.reshape(side, stride, side, stride)
    uniform = cells.all(axis=(1, 3)) | ~cells.any(axis=(1, 3))
    assert uniform.mean() > 0.9
    np.testing.assert_array_equal(marks.grids[0].mask[0, 0].numpy()[uniform], theirs[uniform])


@recordings("loss")
def test_losses_and_their_gradients(file):
    recorded = {name: torch.from_numpy(array) for name, array in np.load(file).items()}
    coarse, fine = (recorded[f"pred_{stage}"].float().requires_grad_() for stage in (0, 1))
    people = [torch.from_numpy(listed(visible, 16)) for visible in recorded["visible_0"].numpy()]
    targets = AssociativeTargets(
        recorded["heatmaps_0"], recorded["mask_0"][:, None].float(), people,
        recorded["heatmaps_1"], recorded["mask_1"][:, None].float(),
    )  # fmt: skip
    maps = AssociativeMaps(coarse[:, :17], coarse[:, 17:], fine)

    pull, push = tag_losses(maps.tags, people)
    torch.testing.assert_close(WEIGHT * pull, recorded["pull"], atol=1e-9, rtol=1e-5)
    torch.testing.assert_close(WEIGHT * push, recorded["push"], atol=1e-9, rtol=1e-5)

    # A mean over cells there, half of the sum here.
    weights = {"heatmap_weight": 2 / coarse[0, :17].numel(), "fine_heatmap_weight": 2 / fine[0].numel()}
    loss = AssociativeLoss(gamma=0.0, pull_weight=WEIGHT, push_weight=WEIGHT, **weights)
    terms = loss([maps], targets)
    for part, weight, stage in (("heatmap", "heatmap_weight", 0), ("fine_heatmap", "fine_heatmap_weight", 1)):
        theirs = recorded[f"heatmap_loss_{stage}"].mean()
        torch.testing.assert_close(weights[weight] * terms.parts[part][0], theirs, atol=0, rtol=1e-5)
    torch.testing.assert_close(terms.total, recorded["total"], atol=0, rtol=1e-5)

    terms.total.backward()
    expected = torch.zeros_like(coarse[:, 17:])
    expected[tuple(recorded["grad_tags_at"].long().T)] = recorded["grad_tags"]
    torch.testing.assert_close(coarse.grad[:, 17:], expected, atol=1e-9, rtol=1e-4)
    gradient = coarse.grad[:, :17].double()
    for ours, name in ((gradient, "sum"), (gradient.square(), "square_sum")):
        torch.testing.assert_close(ours.sum(dim=(2, 3)), recorded[f"grad_heatmaps_0_{name}"], atol=1e-9, rtol=1e-4)


def by_place(keypoints, scores):
    """People without an order: rows sorted by all their numbers."""
    rows = np.concatenate([keypoints.reshape(len(keypoints), 17 * 3), scores[:, None]], axis=1)
    return rows[np.lexsort(np.round(rows, 2).T)]


@recordings("decode")
@pytest.mark.parametrize("run", ["direct", "projected"])
@pytest.mark.parametrize(("number", "cost", "names"), [(0, "public", ""), (1, "distance", "plain_cost_")])
def test_decoded_people(file, run, number, cost, names):
    recorded = np.load(file)
    if not recorded[f"{run}_independent_of_solver"][number]:
        pytest.skip("the recorded people depend on how the program's solver breaks ties")
    heatmaps, tags = (torch.from_numpy(recorded[name]).float() for name in ("heatmaps", "tags"))
    maps = AssociativeMaps(heatmaps[None], tags.permute(3, 0, 1, 2).flatten(0, 1)[None])
    project = run == "projected"
    window = int(recorded["nms"][0])
    for refine in (False, True) if number == 0 else (True,):
        decoder = HigherHRNetDecoder(
            COCO, stride=4 if project else 1, project=project, window=window, cost=cost, refine=refine
        )
        (poses,) = decoder(maps)
        theirs = recorded[f"{run}_{names}final" if refine else f"{run}_adjusted"][..., :3]
        scores = recorded[f"{run}_{names}scores"]
        assert len(poses) == len(scores)
        found = theirs[..., 2] > 0
        ours = by_place(poses.keypoints, poses.scores)
        np.testing.assert_allclose(ours, by_place(theirs * found[..., None], scores), atol=1e-4)
        assert poses.inferred.any() == (
            refine and bool((recorded[f"{run}_adjusted"][..., 2] == 0).any() and found.any())
        )


@recordings("aggregate")
def test_aggregation_of_resolutions_mirror_image_and_scales(file):
    recorded = np.load(file)
    width, height = recorded["base_size"]
    merged = []
    for scale in recorded["scales"]:
        views = []
        for view in ("image", "mirrored"):
            coarse, fine = (torch.from_numpy(recorded[f"s{scale:g}_{view}_{stage}"]).float() for stage in (0, 1))
            views.append(AssociativeMaps(coarse[:, :17], coarse[:, 17:], fine))
        merged.append(enlarged(merge_flipped(*views, fields(COCO, 4)), (int(height), int(width))))
    heatmaps = torch.stack([heatmaps for heatmaps, _ in merged]).mean(dim=0)
    tags = merged[[float(scale) for scale in recorded["scales"]].index(1.0) if len(merged) > 1 else 0][1]
    np.testing.assert_allclose(heatmaps[0], recorded["heatmaps"], atol=1e-5)
    np.testing.assert_allclose(tags[0].permute(0, 2, 3, 1), recorded["tags"], atol=1e-5)


def test_sizes(golden):
    """The map from images to inputs of the short side 512; the side is rounded up at the smallest scale."""
    rows = np.load(golden / "ae_sizes.npz")["rows"]
    for height, width, smallest, scale, *expected in rows:
        placed = short_sided((int(height), int(width)), round(512 * scale), round(64 * scale / smallest))
        assert placed.padded_hw == (expected[1], expected[0])
        points = np.array([(0, 0), (10.25, 20.75), (expected[0] - 0.75, expected[1] - 0.25)])
        back = apply_affine(points, np.linalg.inv(placed.matrix))
        np.testing.assert_allclose(back.ravel(), expected[6:], atol=1e-3)


@pytest.mark.parametrize(("family", "resolutions"), [("bottomup_hrnet_w32", 1), ("higherhrnet_w32", 2)])
def test_the_imported_networks_predict_what_the_program_does(golden, family, resolutions, tmp_path):
    torch.save(recorded_state(golden / f"{family}_keys.json"), tmp_path / "public.pth")
    imported = import_weights(tmp_path / "public.pth", tmp_path / "ours.ckpt", "auto", {16: COCO})
    assert (imported.weights.kind, imported.weights.heads) == ("higherhrnet", {"resolutions": resolutions})
    assert imported.num_parameters == {1: 28_536_674, 2: 28_645_331}[resolutions]
    estimator = PoseEstimator.from_checkpoint(tmp_path / "ours.ckpt")
    assert isinstance(estimator.decoder, HigherHRNetDecoder)
    assert estimator.preprocessing.short_side == 512
    files = sorted(golden.glob(f"{family}_[0-9]*x[0-9]*.npz"))
    assert files
    for file in files:
        recorded = np.load(file)
        with torch.inference_mode():
            (maps,) = estimator.network(torch.from_numpy(recorded["x"]).float())
        outputs = [torch.cat([maps.heatmaps, maps.tags], dim=1)]
        outputs += [] if maps.fine_heatmaps is None else [maps.fine_heatmaps]
        assert len(outputs) == sum(name.startswith("output_") for name in recorded.files) == resolutions
        for number, output in enumerate(outputs):
            theirs = recorded[f"output_{number}"]
            assert np.abs(output.numpy() - theirs).max() < 1e-5 * np.abs(theirs).max(), (file.name, number)
