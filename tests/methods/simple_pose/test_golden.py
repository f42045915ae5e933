"""Recordings of Simple Pose's public program: targets, losses, flipping, grouping."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from gog_pose.assembly.lines import all_lines, choose_one_to_one
from gog_pose.assembly.listed import group_listed
from gog_pose.geometry import rotation, stretch, translation
from gog_pose.maps.fields import merge_flipped
from gog_pose.methods.losses import focal_l2
from gog_pose.methods.people import People
from gog_pose.methods.simple_pose.body import body_of, public_order
from gog_pose.methods.simple_pose.encoder import SimplePoseEncoder
from gog_pose.methods.simple_pose.loss import SimplePoseLoss
from gog_pose.methods.simple_pose.official import OfficialDecoder, box_peaks, enlarged, pixel_lines
from gog_pose.methods.simple_pose.records import SimplePoseMaps, SimplePoseTargets, fields
from gog_pose.skeleton import load_skeleton

COCO = load_skeleton("coco_19")
GOLDEN = os.environ.get("GOG_GOLDEN")
LIMBS, TYPES = 30, 18
SIDE = 128  # cells of 512 px
FLOOR, LEAST = 0.01, 0.015  # what responses of LEAST and below become in the rectangle of a limb


def recordings(kind):
    """Every recorded file of a kind; without the folder one entry that skips."""
    files = sorted(Path(GOLDEN).glob(f"sp_{kind}*.npz")) if GOLDEN else [None]
    assert files, kind
    return pytest.mark.parametrize("file", files, ids=lambda file: file.stem if file else "missing")


@pytest.fixture(autouse=True)
def _needs_the_folder(golden):
    """Skip all of it where GOG_GOLDEN is not set."""


def alone(person):
    """Return the heatmaps and limb maps of one person, hardly cut off."""
    encoder = SimplePoseEncoder(COCO, sigma=9.0, limb_sigma=7.0, min_response=1e-6, body="neck")
    people = People(person[None].astype(np.float32), np.ones(1), np.zeros((1, 4)))
    targets = encoder.render(encoder.marks(people, (4 * SIDE, 4 * SIDE)))
    return targets.heatmaps[0].numpy(), targets.limbs[0].numpy(), encoder.points(people)[0, :TYPES]


def rectangle(first, last):
    """Mark the cells from one (x, y) to another, both included."""
    cells = np.arange(SIDE)
    across, down = ((cells >= first[axis]) & (cells <= last[axis]) for axis in range(2))
    return down[:, None] & across


@recordings("targets")
def test_the_neck(file):
    recorded = np.load(file)
    for person, joints in zip(recorded["keypoints"], recorded["joints"], strict=True):
        points = alone(person)[2]
        theirs = joints[public_order(COCO)]
        np.testing.assert_array_equal(points[:, 2] > 0, theirs[:, 2] < 2)
        labeled = points[:, 2] > 0
        np.testing.assert_allclose(points[labeled, :2], theirs[labeled, :2], atol=1e-4)


@recordings("targets")
def test_heatmaps(file):
    """The program's end at squares of 15 x 15 cells around the rounded keypoint; ours are round."""
    recorded = np.load(file)
    expected = np.zeros((TYPES, SIDE, SIDE), dtype=np.float32)
    for person in recorded["keypoints"]:
        heatmaps, _, points = alone(person)
        for target, heatmap, (x, y, _) in zip(expected, heatmaps, points, strict=True):
            middle = np.rint(np.array([x, y]) / 4)
            np.maximum(target, heatmap * rectangle(middle - 7, middle + 7), out=target)
    theirs = recorded["maps"][LIMBS : LIMBS + TYPES][public_order(COCO)]
    np.testing.assert_allclose(expected, theirs, atol=2e-6)


@recordings("targets")
def test_limb_maps(file):
    """The program takes the mean over the people whose rectangle covers a cell, none less than a floor.

    Its rectangles begin and end half a cell earlier than ours, which are the mirrored ones of the mirrored scene.
    """
    recorded = np.load(file)
    limbs = body_of(COCO, "neck").limbs
    total, count, unlike = (np.zeros((LIMBS, SIDE, SIDE)) for _ in range(3))
    for person in recorded["keypoints"]:
        _, maps, points = alone(person)
        for number, (start, end) in enumerate(limbs):
            ends = points[[start, end]]
            if (ends[:, 2] > 0).all() and (ends[0, :2] != ends[1, :2]).any():
                low, high = ends[:, :2].min(axis=0), ends[:, :2].max(axis=0)
                theirs = rectangle(np.rint((low - 4) / 4), np.rint((high + 4) / 4))
                ours = rectangle(np.floor((low - 5.5) / 4 + 0.5), np.floor((high + 2.5) / 4 + 0.5))
                assert not maps[number][~ours].any()
                total[number] += np.where(maps[number] > LEAST, maps[number], FLOOR) * theirs
                count[number] += theirs
                unlike[number] += (ours != theirs) | ((np.abs(maps[number] - LEAST) < 1e-6) & theirs)
    compared = unlike == 0
    expected = np.where(count > 0, total / np.maximum(count, 1), 0)
    np.testing.assert_allclose(recorded["maps"][:LIMBS][compared], expected[compared], atol=2e-6)
    assert (compared & (expected > 0.5)).sum() > 0.5 * (recorded["maps"][:LIMBS] > 0.5).sum()


def loaded(file):
    """Return the recorded arrays, those of the network's outputs stack by stack, the coarsest first."""
    recorded = {name: torch.from_numpy(np.asarray(array)) for name, array in np.load(file).items()}
    outputs = [recorded[f"pred_{stack}_{scale}"].float() for stack in range(4) for scale in reversed(range(5))]
    return recorded, outputs


def maps_of(channels):
    """Return the heatmaps and, with the maximum over them, the limb maps among the 50 channels, and the person mask."""
    maximum = channels[:, 49:]
    return (
        SimplePoseMaps(channels[:, LIMBS : LIMBS + TYPES], torch.cat([channels[:, :LIMBS], maximum], dim=1)),
        SimplePoseMaps(channels[:, :0], channels[:, 48:49]),
    )


def all_channels(loss_options, outputs, recorded):
    """Return the program's objective: heatmaps weigh 3, limbs and maximum 1, the person mask 0.1; no factor of 1/2."""
    total = 0.0
    for part, limb_weight in ((0, 2.0), (1, 0.2)):
        loss = SimplePoseLoss(heatmap_weight=6.0, limb_weight=limb_weight, **loss_options)
        targets = SimplePoseTargets(*maps_of(recorded["target"])[part], recorded["mask"])
        total = total + loss([maps_of(output)[part] for output in outputs], targets).total
    return total


@recordings("crop")
def test_crops(file):
    """The program's crop is made of our maps: the main person's box is 0.6 of it high, times the drawn scale."""
    for row in np.load(file)["rows"]:
        (x, y, height, flipped, degrees, *shift, scale), matrix, theirs = row[:8], row[8:14], row[14]
        factor = 0.6 / (height * 512 / 511) * scale
        turned = stretch(-factor if flipped else factor, factor) @ rotation(-degrees) @ translation(-x, -y)
        ours = translation(255.5 + shift[0], 255.5 + shift[1]) @ turned
        np.testing.assert_allclose(ours[:2].ravel(), matrix, atol=1e-3)
        assert factor == pytest.approx(theirs)


@recordings("loss")
def test_losses_and_their_gradients(file):
    recorded, outputs = loaded(file)
    for output in outputs:
        output.requires_grad_()
    total = all_channels({}, outputs, recorded)
    torch.testing.assert_close(total.double(), recorded["total"], rtol=1e-5, atol=0)
    total.backward()
    gradients = {divmod(place, 5): output.grad for place, output in enumerate(outputs)}
    for stack in range(4):
        for scale in range(5):
            gradient = gradients[stack, 4 - scale].double()
            for name, ours in (("sums", gradient.sum()), ("square_sums", gradient.square().sum())):
                torch.testing.assert_close(ours, recorded[f"grad_{name}"][stack, scale], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(gradients[0, 4], recorded["grad_0_0"], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(gradients[3, 0], recorded["grad_3_4"], rtol=1e-4, atol=1e-6)


@recordings("loss")
def test_the_losses_of_each_scale(file):
    recorded, outputs = loaded(file)
    for scale in range(5):
        only = [float(place == scale) for place in range(5)]
        own = all_channels({"scale_weights": only}, outputs, recorded)
        # The batch has two images; recorded are sums over it.
        torch.testing.assert_close(2 * own.double(), recorded["per_scale"][scale], rtol=1e-5, atol=0)


@recordings("loss")
@pytest.mark.parametrize(
    ("gamma", "weights", "name"),
    [
        (2.0, (1.0, 1.0, 1.0), "focal_gamma2_scale0"),
        (0.0, (3.0, 1.0, 0.1), "l2_scale0"),
        (0.0, (1.0, 1.0, 1.0), "l2_plain_scale0"),
    ],
)
def test_other_exponents_at_the_finest_scale(file, gamma, weights, name):
    """The mask is the recorded one here, which only the sum over the scales cuts off below one half."""
    recorded, outputs = loaded(file)
    targets, person = maps_of(recorded["target"])
    total = 0.0
    for output in outputs[4::5]:
        maps, mask_map = maps_of(output)
        for weight, one, other in zip(weights, (*maps, mask_map.limbs), (*targets, person.limbs), strict=True):
            total = total + weight * focal_l2(one, other, recorded["mask"], gamma=gamma, tau=0.01).sum()
    # The mean over four stacks; no factor of 1/2.
    torch.testing.assert_close(2 * total.double() / 4, recorded[name], rtol=1e-5, atol=0)


@recordings("flip")
def test_merging_with_the_mirror_image(file):
    recorded = np.load(file)
    maps, mirrored = (SimplePoseMaps(*own_order(recorded[name])) for name in ("maps", "mirrored"))
    merged = merge_flipped(maps, mirrored, fields(COCO, 4, "neck"))
    heatmaps, limbs = (enlarged(field[0], 4)[:, ::3, ::3] for field in merged)
    np.testing.assert_allclose(heatmaps, recorded["heat"][..., public_order(COCO)].transpose(2, 0, 1), atol=1e-5)
    np.testing.assert_allclose(limbs, recorded["paf"].transpose(2, 0, 1), atol=1e-5)


def own_order(channels):
    """Return heatmaps and limb maps of the body with a neck, from the 50 channels of one image."""
    maps = torch.from_numpy(channels.astype(np.float32))[None]
    return maps[:, LIMBS : LIMBS + TYPES][:, public_order(COCO)], maps[:, :LIMBS]


def searched(recorded):
    """Return the peaks by the rules of the program, and the limbs between them."""
    heatmaps, limb_maps = (enlarged(field[0], 4) for field in own_order(recorded["maps"]))
    xy, responses = box_peaks(heatmaps, 0.1)
    limbs = body_of(COCO, "neck").limbs
    lines = pixel_lines(all_lines(xy, responses, limbs), xy, limbs, limb_maps, threshold=0.1, consistency=0.8)
    return xy, responses, choose_one_to_one(lines, xy, responses, limbs)


@recordings("decode")
def test_peaks(file):
    recorded = np.load(file)
    xy, responses, _ = searched(recorded)
    place = {channel: kind for kind, channel in enumerate(public_order(COCO))}
    assert (responses > 0).sum() == len(recorded["peaks"])
    for channel in range(TYPES):
        theirs = recorded["peaks"][recorded["peaks"][:, 0] == channel]
        found = responses[place[channel]] > 0
        np.testing.assert_allclose(xy[place[channel]][found], theirs[:, 1:3], atol=1e-4)
        np.testing.assert_allclose(responses[place[channel]][found], theirs[:, 3], atol=1e-5)


@recordings("decode")
def test_connections(file):
    recorded = np.load(file)
    lines = searched(recorded)[2]
    theirs = recorded["connections"]
    ours = np.column_stack([lines.limb, lines.start, lines.end, lines.strength, lines.length])
    np.testing.assert_allclose(ours, theirs[:, [0, 4, 5, 3, 6]], atol=1e-4)


@recordings("decode")
def test_people(file):
    recorded = np.load(file)
    _, responses, lines = searched(recorded)
    limbs = body_of(COCO, "neck").limbs
    rows = group_listed(lines, responses, limbs, length_ratio=16.0, merge_tolerance=0.7, both_ends=False)
    count = (rows.people >= 0).sum(axis=1)
    kept = (count >= 2) & (rows.totals >= 0.45 * count)
    subset = recorded["subset"]
    theirs = subset[:, public_order(COCO)]
    # Candidates are numbered through all types, in the order of the program's channels.
    first = np.array([recorded["peaks"][:, 0].searchsorted(channel) for channel in public_order(COCO)])
    people = np.where(rows.people >= 0, rows.people + first, -1)
    np.testing.assert_array_equal(people[kept], theirs[..., 0])
    np.testing.assert_allclose(rows.strengths[kept], np.where(theirs[..., 0] >= 0, theirs[..., 1], 0), atol=1e-4)
    np.testing.assert_allclose(rows.totals[kept], subset[:, 18, 0], atol=1e-3)
    np.testing.assert_array_equal(count[kept], subset[:, 19, 0])
    np.testing.assert_allclose(rows.longest[kept], subset[:, 19, 1], atol=1e-3)


@recordings("decode")
def test_decoded_people(file):
    recorded = np.load(file)
    (poses,) = OfficialDecoder(COCO)(SimplePoseMaps(*own_order(recorded["maps"])))
    order = np.argsort(-recorded["scores"], kind="stable")
    np.testing.assert_allclose(poses.scores, recorded["scores"][order], atol=1e-5)
    np.testing.assert_allclose(poses.keypoints[..., :2], recorded["keypoints_out"][order][..., :2], atol=1e-3)
    np.testing.assert_array_equal(poses.keypoints[..., 2] > 0, recorded["keypoints_out"][order].any(axis=2))
