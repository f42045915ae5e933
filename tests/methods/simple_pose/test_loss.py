"""Losses: several scales and stacks, what the weights mean, every head learns."""

import numpy as np
import pytest
import torch
from annotated import standing

from gog_pose.errors import InputError
from gog_pose.methods.losses import focal_cross_entropy, focal_l2
from gog_pose.methods.method import FeatureMap
from gog_pose.methods.people import People
from gog_pose.methods.simple_pose.encoder import SimplePoseEncoder
from gog_pose.methods.simple_pose.heads import SimplePoseHeads
from gog_pose.methods.simple_pose.loss import SimplePoseLoss
from gog_pose.methods.simple_pose.records import SimplePoseMaps, SimplePoseTargets
from gog_pose.networks import PoseNetwork
from gog_pose.networks.trunks.identity_mapping_hourglass import IdentityMappingHourglass
from gog_pose.skeleton import load_skeleton

COCO = load_skeleton("coco_19")


def fields(size, seed):
    source = torch.Generator().manual_seed(seed)
    return [torch.rand(2, channels, size, size, generator=source) for channels in (17, 19)]


def targets(size=8):
    mask = torch.ones(2, 1, size, size)
    mask[0, :, : size // 2] = 0
    return SimplePoseTargets(*fields(size, 100), mask)


def outputs(stacks, sizes):
    return [SimplePoseMaps(*fields(size, 10 * stack + size)) for stack in range(stacks) for size in sizes]


def test_one_scale_is_the_focal_loss():
    own, (maps,) = targets(), outputs(1, [8])
    terms = SimplePoseLoss(heatmap_weight=2.0, limb_weight=0.5, gamma=1.5)([maps], own)
    heatmap, limb = (
        focal_l2(predicted, target, own.mask, gamma=1.5, tau=0.01).mean()
        for predicted, target in zip(maps, own[:2], strict=True)
    )
    torch.testing.assert_close(terms.total, 2 * heatmap + 0.5 * limb)
    torch.testing.assert_close(
        torch.stack([terms.parts["heatmap"][0], terms.parts["limb"][0]]), torch.stack([heatmap, limb])
    )


def test_sigmoid_responses_can_have_the_cross_entropy():
    own, (maps,) = targets(), outputs(1, [8])
    terms = SimplePoseLoss(heatmap_loss="cross_entropy", gamma=2.0)([maps], own)
    expected = focal_cross_entropy(maps.limbs, own.limbs, own.mask, gamma=2.0).mean()
    torch.testing.assert_close(terms.parts["limb"][0], expected)
    with pytest.raises(InputError, match="heatmap_loss"):
        SimplePoseLoss(heatmap_loss="l3")


def test_coarser_outputs_have_averaged_targets_and_their_weight():
    own, maps = targets(), outputs(2, [4, 8])
    terms = SimplePoseLoss(scale_weights=[1.0, 3.0], stack_weights=[1.0, 2.0])(maps, own)
    pooled = [torch.nn.functional.avg_pool2d(target, 2) for target in own[:2]]
    mask = own.mask[..., ::2, ::2]  # its border lies between the larger cells
    for place, (of_output, weight) in enumerate(zip(maps, (3, 1, 6, 2), strict=True)):
        at = [pooled, mask] if place % 2 == 0 else [own[:2], own.mask]
        loss = focal_l2(of_output.heatmaps, at[0][0], at[1], gamma=1.0, tau=0.01).mean()
        torch.testing.assert_close(terms.parts["heatmap"][place], loss)
        only = SimplePoseLoss(scale_weights=[1.0, 3.0], stack_weights=[1.0, 2.0], limb_weight=0.0)
        lonely = [
            one if number == place else SimplePoseMaps(*(at_target if one.limbs.shape[-1] == 8 else at_pooled))
            for number, (one, at_target, at_pooled) in enumerate(zip(maps, [own[:2]] * 4, [pooled] * 4, strict=True))
        ]
        torch.testing.assert_close(only(lonely, own).total, loss * weight / 12, atol=1e-4, rtol=1e-4)


def test_weights_that_do_not_fit_are_refused():
    own = targets()
    with pytest.raises(InputError, match=r"scale_weights: there are 1, but .* 2 scales"):
        SimplePoseLoss(scale_weights=[1.0])(outputs(1, [4, 8]), own)
    with pytest.raises(ValueError, match="stack_weights"):
        SimplePoseLoss(stack_weights=[1.0])(outputs(2, [8]), own)
    with pytest.raises(ValueError, match="stack_weights for 3 outputs of 2 stacks"):
        SimplePoseLoss()([*outputs(2, [8]), *outputs(1, [4])], own)
    with pytest.raises(ValueError, match="outputs of 0 stacks"):
        SimplePoseLoss()(outputs(1, [4]), own)


@pytest.mark.parametrize("body", ["skeleton", "neck"])
def test_every_part_of_the_heads_learns(body):
    torch.manual_seed(0)
    features = [FeatureMap(8, 8), FeatureMap(8, 4)]
    heads = SimplePoseHeads(COCO, features, body=body)
    maps = heads([torch.randn(2, 8, size, size) for size in (4, 8)])
    channels = {"skeleton": (17, 19), "neck": (18, 30)}[body]
    assert [tuple(field.shape) for field in maps[0]] == [(2, count, 4, 4) for count in channels]
    own = SimplePoseTargets(*(torch.rand(2, count, 8, 8) for count in channels), torch.ones(2, 1, 8, 8))
    SimplePoseLoss()(maps, own).total.backward()
    assert all(parameter.grad.any() for parameter in heads.parameters())
    assert SimplePoseHeads(COCO, [], **heads.options()).options() == heads.options()


def test_sigmoid_heads_give_the_responses_of_the_logits():
    torch.manual_seed(0)
    heads, logits = (SimplePoseHeads(COCO, [FeatureMap(8, 4)], response=kind) for kind in ("linear", "sigmoid"))
    logits.load_state_dict(heads.state_dict())
    feature = torch.randn(1, 8, 4, 4)
    for one, other in zip(heads([feature])[0], logits([feature])[0], strict=True):
        torch.testing.assert_close(one.sigmoid(), other)


def test_a_trunk_of_several_scales_is_trained_at_all_of_them():
    torch.manual_seed(0)
    trunk = IdentityMappingHourglass(stacks=2, scales=3, channels=(8, 12, 16), feature_channels=8, guide_channels=3)
    network = PoseNetwork(COCO, trunk, SimplePoseHeads)
    encoder = SimplePoseEncoder(COCO)
    keypoints = standing(10, 10)[None]
    own = encoder.render(encoder.marks(People(keypoints, np.ones(1), np.zeros((1, 4))), (128, 128)))
    terms = SimplePoseLoss()(network(torch.randn(1, 3, 128, 128)), own)
    assert terms.parts["limb"].shape == (6,)
    terms.total.backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
