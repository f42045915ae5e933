"""Maps, targets and fields of Simple Pose."""

from __future__ import annotations

from typing import NamedTuple

import torch

from gog_pose.maps.fields import Field
from gog_pose.methods.simple_pose.body import body_of
from gog_pose.skeleton import Skeleton


class SimplePoseMaps(NamedTuple):
    """The maps that the network predicts.

    Attributes:
        heatmaps: ``(B, K, h, w)`` responses of the points of the body: the keypoints, then the neck if there is one.
        limbs: ``(B, L, h, w)`` responses of the limbs, high along the line between their ends.
    """

    heatmaps: torch.Tensor
    limbs: torch.Tensor


class SimplePoseTargets(NamedTuple):
    """The targets of the network; one image, or a batch with a leading dimension.

    Attributes:
        heatmaps: ``(K, h, w)`` Gaussian responses in [0, 1].
        limbs: ``(L, h, w)`` responses in [0, 1], Gaussian across the limb.
        mask: ``(1, h, w)`` 1 = supervised, 0 = ignored.
    """

    heatmaps: torch.Tensor
    limbs: torch.Tensor
    mask: torch.Tensor

    def as_maps(self) -> SimplePoseMaps:
        """Return the maps of a network that predicts the targets of a batch exactly."""
        return SimplePoseMaps(self.heatmaps, self.limbs)


def fields(skeleton: Skeleton, stride: int, body: str) -> tuple[Field, ...]:
    """Return the fields of ``SimplePoseMaps``.

    The response of a limb lies around the middle of the limb, which is an additional point
    (``SimplePoseEncoder.points``).

    Args:
        skeleton: Keypoints and limbs.
        stride: Px of the input image per cell.
        body: Kind of the body (``body_of``).

    Raises:
        InputError: The skeleton has no such body.
    """
    own = body_of(skeleton, body)
    points, middles = range(own.num_keypoints), range(own.num_keypoints, own.num_keypoints + own.num_limbs)
    return (
        Field("heatmaps", "responses", stride, tuple(points), own.flip_index),
        Field("limbs", "responses", stride, tuple(middles), own.limb_flip_index),
    )
