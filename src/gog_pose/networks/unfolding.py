"""Restoration of folded batch normalization, so that a network can be trained."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import torch
from torch import nn

from gog_pose.errors import InputError


@torch.no_grad()
def put_norms_back(normed: nn.Module, folded: nn.Module, batches: Iterable[torch.Tensor]) -> int:
    """Copy the weights of a folded network to its form with batch normalization. Both are then equal in evaluation.

    The running statistics are measured at the outputs of the convolutions on real images. The factor and the shift of
    a norm are chosen to cancel its normalization; the original values cannot be recovered from folded weights and are
    not required. Folding leaves output channels of very different scales, for which one learning rate is unsuitable.
    The weights of each output channel are therefore scaled to the root mean square 1 / sqrt(inputs), and the norm
    compensates for this.

    Args:
        normed: Network with convolutions without bias, each followed by a norm in its sequence, and other modules.
        folded: Network of the same modules under the same names, with convolutions with bias in place of those with a
            norm.
        batches: ``(B, 3, H, W)`` normalized images, sides multiples of the largest stride.

    Returns:
        Number of restored norms.

    Raises:
        InputError: There is no batch, or the two are not forms of one network.
    """
    norms = dict(_norms(normed))
    convolutions = dict(folded.named_modules())
    sums: dict[str, list[torch.Tensor]] = {}

    def collect(name: str, output: torch.Tensor) -> None:
        conv = convolutions[name]
        assert isinstance(conv, nn.Conv2d)
        bias = 0 if conv.bias is None else conv.bias[:, None, None]
        values = (output - bias).double()
        parts = [values.new_tensor(values.numel() / values.shape[1]), values.sum((0, 2, 3)), (values**2).sum((0, 2, 3))]
        sums[name] = [old + new for old, new in zip(sums.get(name, [values.new_tensor(0.0)] * 3), parts, strict=True)]

    hooks = [
        convolutions[name].register_forward_hook(lambda module, inputs, output, name=name: collect(name, output))
        for name in norms
    ]
    folded.eval()
    for images in batches:
        folded(images)
    for hook in hooks:
        hook.remove()
    if len(sums) != len(norms):
        raise InputError("init: no images to measure the statistics of batch normalization; give training images")

    state = {name: tensor for name, tensor in folded.state_dict().items() if name in normed.state_dict()}
    normed.load_state_dict(state, strict=False)
    for name, norm in norms.items():
        count, total, squares = sums[name]
        mean = total / count
        variance = (squares / count - mean**2).clamp(min=0)
        conv = convolutions[name]
        assert isinstance(conv, nn.Conv2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        rms = conv.weight[0].numel() ** 0.5 * conv.weight.double().square().mean((1, 2, 3)).sqrt()
        scale = torch.where(rms > 0, 1 / rms, 1.0)  # per output channel
        convolution = normed.get_submodule(name)
        assert isinstance(convolution, nn.Conv2d)
        convolution.weight.copy_(conv.weight * scale[:, None, None, None])
        norm.running_mean.copy_(mean * scale)
        norm.running_var.copy_(variance * scale**2)
        norm.weight.copy_((norm.running_var + norm.eps).sqrt() / scale)
        norm.bias.copy_(mean if conv.bias is None else conv.bias + mean)
    return len(norms)


def _norms(network: nn.Module) -> Iterable[tuple[str, nn.BatchNorm2d]]:
    """Yield the norms that follow a convolution in a sequence, with the names of the convolutions."""
    for path, module in network.named_modules():
        if isinstance(module, nn.Sequential):
            for (name, conv), (_, norm) in pairwise(module.named_children()):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    yield f"{path}.{name}" if path else name, norm
