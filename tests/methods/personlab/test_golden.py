"""Recorded inputs and outputs of the public programs: targets, losses with their gradients, decoded people."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gog_pose.methods.people import People
from gog_pose.methods.personlab.decoder import PersonLabDecoder
from gog_pose.methods.personlab.encoder import PersonLabEncoder
from gog_pose.methods.personlab.hough import hough_maps
from gog_pose.methods.personlab.loss import PersonLabLoss
from gog_pose.methods.personlab.paper import PaperDecoder
from gog_pose.methods.personlab.records import PersonLabMaps, PersonLabTargets, edges
from gog_pose.skeleton import load_skeleton

COCO = load_skeleton("coco_16")
GOLDEN = os.environ.get("GOG_GOLDEN")


def recordings(kind):
    """Every recorded file of a kind; without the folder one entry that skips."""
    files = sorted(Path(GOLDEN).glob(f"personlab_{kind}_*.npz")) if GOLDEN else [None]
    assert files, kind
    return pytest.mark.parametrize("file", files, ids=lambda file: file.stem if file else "missing")


@pytest.fixture(autouse=True)
def _needs_the_folder(golden):
    """Skip all of it where GOG_GOLDEN is not set."""


def ours(array, order=None):
    """The programs' ``(..., h, w, C[, 2])`` as our ``(..., C or 2C, h, w)``, items in another order where given."""
    array = torch.as_tensor(array).float()
    if order is not None:
        array = array[..., order, :] if array.shape[-1] == 2 else array[..., order]
    interleaved = array.flatten(-2) if array.shape[-1] == 2 else array
    return interleaved.movedim(-1, -3).contiguous()


def edge_order(recorded):
    """For each of our edges its place in the recorded list."""
    theirs = [tuple(edge) for edge in recorded["edges"].tolist()]
    return [theirs.index(edge) for edge in edges(COCO)]


@recordings("targets")
def test_targets(file):
    recorded = np.load(file)
    keypoints = recorded["keypoints"].astype(np.float32)
    height, width = recorded["image_size"].tolist()
    encoder = PersonLabEncoder(COCO, stride=1, radius=float(recorded["radius"]))
    people = People(keypoints, np.ones(len(keypoints), dtype=np.float32), np.zeros((len(keypoints), 4)))
    targets = encoder.render(encoder.marks(people, (height, width)))

    # A px at the same distance from two people's keypoints is the first person's there.
    rows, columns = np.indices((height, width))
    squared = np.square(columns - keypoints[..., 0, None, None]) + np.square(rows - keypoints[..., 1, None, None])
    nearest = np.sort(np.where(keypoints[..., 2, None, None] > 0, squared, np.inf), axis=0)
    tied = torch.from_numpy((nearest[0] == nearest[1]) & np.isfinite(nearest[0]))
    starts = [start for start, _ in edges(COCO)]
    assert tied.float().mean() < 0.05

    np.testing.assert_array_equal(targets.heatmaps[0], ours(recorded["maps"]))
    for name, field, items in (("short", "short_offsets", range(17)), ("mid", "mid_offsets", starts)):
        theirs = ours(recorded[name], edge_order(recorded) if name == "mid" else None)
        clear = ~tied[list(items)].repeat_interleave(2, dim=0)
        np.testing.assert_array_equal(getattr(targets, field)[0] * clear, theirs * clear)
        assert (theirs * clear).any()
    ends = [end for _, end in edges(COCO)]
    has_end = torch.from_numpy((keypoints[..., 2] > 0).all(axis=0))[ends]
    expected = targets.heatmaps[0, starts]
    np.testing.assert_array_equal(targets.mid_weights[0, has_end], expected[has_end])


class Recorded:
    """The batch of a recorded loss, whose means are over both images together; ours are over one first."""

    def __init__(self, file):
        self.arrays = np.load(file)
        self.order = edge_order(self.arrays)
        self.maps = PersonLabMaps(
            ours(self.arrays["logits"]).requires_grad_(),
            ours(self.arrays["short_predicted"]).requires_grad_(),
            ours(self.arrays["mid_predicted"], self.order).requires_grad_(),
        )
        heatmaps = ours(self.arrays["maps"])
        starts = [start for start, _ in edges(COCO)]  # the program teaches 0 where an end is missing
        self.targets = PersonLabTargets(
            heatmaps,
            ours(self.arrays["short"]),
            ours(self.arrays["mid"], self.order),
            heatmaps[:, starts],
            torch.ones(2, 1, *heatmaps.shape[2:]),
        )

    def loss(self, part, steps):
        """The loss of one part over the batch, each image weighed by its number of cells or coordinates."""
        weights = {f"{name}_weight": float(name == part) for name in ("heatmap", "short", "mid")}
        loss = PersonLabLoss(COCO, stride=1, radius=float(self.arrays["radius"]), steps=steps, **weights)
        counted = {"short": self.targets.heatmaps, "mid": self.targets.mid_weights}.get(part, torch.ones(2, 1))
        shares = counted.flatten(1).sum(dim=1) / counted.sum()
        maps = self.maps._replace(heatmaps=self.maps.heatmaps.sigmoid())
        rows = [slice(image, image + 1) for image in range(2)]
        of_images = [
            loss(
                [PersonLabMaps(*(field[row] for field in maps))],
                PersonLabTargets(*(field[row] for field in self.targets)),
            )
            for row in rows
        ]
        total = sum(share * terms.total for share, terms in zip(shares, of_images, strict=True))
        return total * float(self.arrays["weights"][["heatmap", "short", "mid"].index(part)])


@recordings("loss")
def test_losses_and_their_gradients(file):
    recorded = Recorded(file)
    arrays, maps = recorded.arrays, recorded.maps
    mask = torch.from_numpy(arrays["unannotated_mask"] * arrays["crowd_mask"]).float().movedim(-1, 1)
    assert 0 < mask.mean() < 1

    taught_everywhere = recorded.targets
    recorded.targets = taught_everywhere._replace(mask=mask)  # the program's heatmap loss alone is masked
    heatmap = recorded.loss("heatmap", steps=0)
    recorded.targets = taught_everywhere
    short, mid = recorded.loss("short", steps=0), recorded.loss("mid", steps=0)
    assert heatmap.item() == pytest.approx(arrays["loss_maps"].item(), rel=4e-6)
    assert short.item() == pytest.approx(arrays["loss_short"].item(), rel=4e-6)
    assert mid.item() == pytest.approx(arrays["loss_mid"].item(), rel=4e-6)
    gradients = torch.autograd.grad(heatmap + short + mid, maps)
    order = (None, None, recorded.order)
    for gradient, name, items in zip(gradients, ("logits", "short", "mid"), order, strict=True):
        torch.testing.assert_close(gradient, ours(arrays[f"grad_{name}"], items), rtol=1e-5, atol=1e-7)


@recordings("loss")
def test_the_loss_of_refined_offsets_and_its_gradients(file):
    recorded = Recorded(file)
    arrays, maps = recorded.arrays, recorded.maps
    mid = recorded.loss("mid", steps=2)
    assert mid.item() == pytest.approx(arrays["loss_mid_refined"].item(), rel=4e-6)
    short, mid = torch.autograd.grad(mid, maps[1:])
    torch.testing.assert_close(short, ours(arrays["grad_short_by_refined"]), rtol=1e-5, atol=1e-7)
    theirs = ours(arrays["grad_mid_by_refined"], recorded.order)
    # On the lines through the centers of cells a bilinear surface has a kink, so no slope; theirs is 0 there.
    reached = maps.mid_offsets.detach().unflatten(1, (-1, 2))  # whole numbers lead from px to px
    smooth = (reached != reached.round()).all(dim=2).repeat_interleave(2, dim=1)
    assert smooth.float().mean() > 0.95
    torch.testing.assert_close(mid * smooth, theirs * smooth, rtol=1e-5, atol=1e-7)


def recorded_maps(recorded):
    """The recorded fields as our maps; the programs' cell u is at stride u, ours (stride - 1) / 2 px further."""
    mid = ours(recorded["mid"], edge_order(recorded))
    return PersonLabMaps(ours(recorded["logits"])[None].sigmoid(), ours(recorded["short"])[None], mid[None])


@recordings("decode")
@pytest.mark.parametrize("run", ["coral", "coral2"])
def test_people_decoded_by_the_fast_rules(file, run):
    recorded = np.load(file)
    stride = int(recorded["stride"])
    topk, threshold, steps, radius = recorded[f"{run}_options"].tolist()
    decoder = PersonLabDecoder(
        COCO,
        stride=stride,
        threshold=threshold + 1e-6,  # as the program
        steps=int(steps),
        nms_radius=radius,
        topk=int(topk),
        score_threshold=threshold,
    )
    (poses,) = decoder(recorded_maps(recorded))
    theirs = recorded[f"{run}_keypoints"].copy()
    theirs[..., :2] += (stride - 1) / 2
    np.testing.assert_allclose(poses.scores, recorded[f"{run}_scores"], atol=1e-5)
    np.testing.assert_allclose(poses.keypoints[..., :2], theirs[..., :2], atol=2e-3)
    np.testing.assert_allclose(poses.keypoints[..., 2], theirs[..., 2], atol=1e-4)


@recordings("decode")
def test_hough_scores(file):
    """Theirs are of maps upsampled with aligned corners, which are maps of stride 1 for us."""
    recorded = np.load(file)
    size = recorded["image_size"].tolist()
    heatmaps, short_offsets, _ = (
        F.interpolate(field, size, mode="bilinear", align_corners=True)[0].numpy() for field in recorded_maps(recorded)
    )
    scores = hough_maps(heatmaps, short_offsets, stride=1, radius=32.0, least=0.0)
    whole = scores.scores[:, 1:-1, 1:-1]
    np.testing.assert_allclose(whole.max(axis=(1, 2)), recorded["keras_hough_max"], atol=1e-6, rtol=2e-5)
    if "keras_hough" in recorded:
        types = recorded["keras_hough_types"]
        np.testing.assert_allclose(whole[types], np.moveaxis(recorded["keras_hough"], -1, 0), atol=1e-6, rtol=2e-5)
    voting = hough_maps(heatmaps, short_offsets, stride=1, radius=32.0)
    np.testing.assert_allclose(voting.scores[:, 1:-1, 1:-1], whole, atol=1e-5)


@recordings("own_paper")
def test_people_decoded_by_the_rules_of_the_paper(file):
    """The recording is an independent calculation; its px lie half a px beside ours, so maxima may differ."""
    recorded = np.load(file)
    fields = np.load(file.with_name(str(recorded["fields_file"])))
    stride = int(fields["stride"])
    radius, nms_radius, threshold = recorded["options"].tolist()
    decoder = PaperDecoder(COCO, stride=stride, radius=radius, nms_radius=nms_radius, threshold=threshold)
    (poses,) = decoder(recorded_maps(fields))
    clear = recorded["scores"] > 0.1
    assert (poses.scores > 0.1).sum() in range(clear.sum() - 1, clear.sum() + 2)
    for person, score in zip(recorded["keypoints"][clear], recorded["scores"][clear], strict=True):
        gaps = np.linalg.norm(poses.keypoints[..., :2] - person[:, :2] - (stride - 1) / 2, axis=2).mean(axis=1)
        assert gaps.min() < 1, "px"
        assert poses.scores[gaps.argmin()] == pytest.approx(score, abs=0.05)
