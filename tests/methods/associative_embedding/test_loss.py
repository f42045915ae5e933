"""Losses: pull and push against their definition, and combinations that fit."""

import numpy as np
import pytest
import torch
from torch import nn

from gog_pose.errors import InputError
from gog_pose.methods.associative_embedding.encoder import AssociativeEncoder
from gog_pose.methods.associative_embedding.heads import AssociativeHeads
from gog_pose.methods.associative_embedding.loss import AssociativeLoss, tag_losses
from gog_pose.methods.associative_embedding.records import AssociativeMaps
from gog_pose.methods.method import FeatureMap
from gog_pose.methods.people import People
from gog_pose.skeleton import load_skeleton

COCO = load_skeleton("coco_16")
PERSON = [[0, 1, -1]]


def by_definition(tags, people):
    """Pull and push of one image by loops over people and pairs."""
    values = [[tags[kind].flatten()[cell] for kind, cell in enumerate(person) if cell >= 0] for person in people]
    means = [np.mean(own) for own in values]
    pull = [np.mean((np.array(own) - mean) ** 2) for own, mean in zip(values, means, strict=True)]
    pairs = [np.exp(-((a - b) ** 2)) / 2 for i, a in enumerate(means) for j, b in enumerate(means) if i != j]
    return np.mean(pull) if pull else 0.0, np.mean(pairs) if pairs else 0.0


def test_pull_and_push_are_those_of_the_definition():
    random = np.random.default_rng(0)
    tags = torch.from_numpy(random.standard_normal((4, 3, 5, 6)))
    people = [random.integers(-1, 30, (count, 3)) for count in (5, 0, 1, 2)]
    people = [one[(one >= 0).any(axis=1)] for one in people]
    pull, push = tag_losses(tags, [torch.from_numpy(one) for one in people])
    expected = [by_definition(tags[image].numpy(), one) for image, one in enumerate(people)]
    np.testing.assert_allclose(torch.stack([pull, push], dim=1), expected, atol=1e-12)


def test_nobody_and_one_person_give_zero_with_a_gradient():
    for people in (torch.zeros((0, 3), dtype=torch.int64), torch.tensor(PERSON)):
        tags = torch.ones((1, 3, 2, 2), requires_grad=True)
        pull, push = tag_losses(tags, [people])
        assert float(pull.detach()) == float(push.detach()) == 0.0
        (pull + push).sum().backward()
        assert not tags.grad.any()


def test_a_single_keypoint_is_not_pulled_but_pushes():
    tags = torch.zeros((1, 3, 2, 2))
    pull, push = tag_losses(tags, [torch.tensor([*PERSON, [3, -1, -1]])])
    assert (float(pull), float(push)) == (0.0, 0.5)


def maps_and_targets(resolutions):
    encoder = AssociativeEncoder(COCO, resolutions=resolutions)
    keypoints = np.full((2, 17, 3), 20, dtype=np.float32)
    keypoints[1, :, :2] = 50
    targets = encoder.render(encoder.marks(People(keypoints, np.ones(2), np.zeros((2, 4))), (64, 64)))
    heads = AssociativeHeads(COCO, [FeatureMap(8, 4)], resolutions=resolutions)
    return heads([torch.randn(1, 8, 16, 16)])[0], targets


@pytest.mark.parametrize("resolutions", [1, 2])
def test_every_part_of_the_heads_learns(resolutions):
    torch.manual_seed(0)
    heads = AssociativeHeads(COCO, [FeatureMap(8, 4)], resolutions=resolutions)
    _, targets = maps_and_targets(resolutions)
    terms = AssociativeLoss()(heads([torch.randn(1, 8, 16, 16)]), targets)
    assert set(terms.parts) == {"heatmap", "pull", "push"} | ({"fine_heatmap"} if resolutions == 2 else set())
    terms.total.backward()
    assert all(parameter.grad is not None for parameter in heads.parameters())


def test_resolutions_of_network_and_targets_must_be_equal():
    one, two = (maps_and_targets(resolutions) for resolutions in (1, 2))
    for (maps, _), (_, targets) in ((one, two), (two, one)):
        with pytest.raises(InputError, match=r"method\.heads\.resolutions and method\.encoder\.resolutions"):
            AssociativeLoss()([maps], targets)


def test_heads_refuse_other_resolutions_and_start_with_equal_tags():
    with pytest.raises(InputError, match=r"heads\.resolutions"):
        AssociativeHeads(COCO, [], resolutions=3)
    heads = AssociativeHeads(COCO, [FeatureMap(8, 4)], resolutions=2)
    assert AssociativeHeads(COCO, [], **heads.options()).options() == heads.options()
    (maps,) = heads([torch.randn(1, 8, 16, 16)])
    logits = AssociativeHeads(COCO, [FeatureMap(8, 4)], resolutions=2, response="sigmoid")
    logits.load_state_dict(heads.state_dict())
    (responses,) = logits.eval()([feature := torch.randn(1, 8, 16, 16)])
    (expected,) = heads.eval()([feature])
    torch.testing.assert_close(responses.heatmaps, expected.heatmaps.sigmoid())
    torch.testing.assert_close(responses.fine_heatmaps, expected.fine_heatmaps.sigmoid())
    torch.testing.assert_close(responses.tags, expected.tags)
    assert isinstance(maps, AssociativeMaps)
    assert maps.fine_heatmaps.shape == (1, 17, 32, 32)
    assert maps.tags.abs().max() < 0.05
    assert isinstance(heads.finer[0][0], nn.ConvTranspose2d)
