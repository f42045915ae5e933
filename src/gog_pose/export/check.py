"""Whether an exported file gives the candidates that the network and its decoder give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F

from gog_pose.decoding.decoder import Candidates
from gog_pose.export.deployable import Deployable

TOLERANCE = 0.01  # px
_BLOBS = 32  # px, size of the coarse noise that images are made of


class Difference(NamedTuple):
    """How two sets of candidates differ.

    Attributes:
        total: Candidates of the first.
        unmatched: Of both, without a counterpart of the same type within ``TOLERANCE``.
        xy: Largest distance of counterparts, px.
        responses: Largest difference of their responses.
        guides: Largest distance of where their offsets lead, px.
    """

    total: int
    unmatched: int
    xy: float
    responses: float
    guides: float


@torch.no_grad()
def compare(first: Candidates, second: Candidates, limbs: Sequence[Sequence[int]]) -> Difference:
    """Match candidates of the same images and types by place; their order may differ."""
    count, unmatched = 0, 0
    xy, responses, guides = [0.0], [0.0], [0.0]
    for image in range(len(first.xy)):
        for kind in range(first.xy.shape[1]):
            ours, theirs = (candidates.responses[image, kind] > 0 for candidates in (first, second))
            count += int(ours.sum())
            a, b = first.xy[image, kind, ours], second.xy[image, kind, theirs]
            near = torch.cdist(a.double(), b.double(), compute_mode="donot_use_mm_for_euclid_dist")
            place, partner = (near <= TOLERANCE).nonzero(as_tuple=True)
            unmatched += len(a) - len(set(place.tolist())) + len(b) - len(set(partner.tolist()))
            if not len(place):
                continue
            xy.append(float(near[place, partner].max()))
            of_ours, of_theirs = ours.nonzero()[place, 0], theirs.nonzero()[partner, 0]
            pair = first.responses[image, kind, of_ours] - second.responses[image, kind, of_theirs]
            responses.append(float(pair.abs().max()))
            for limb, (start, _) in enumerate(limbs):
                if start == kind:
                    gap = first.guides[image, limb, of_ours] - second.guides[image, limb, of_theirs]
                    guides.append(float(gap.norm(dim=-1).max()))
    return Difference(count, unmatched, max(xy), max(responses), max(guides))


@torch.no_grad()
def worst_case(deployable: Deployable, run: Callable[[torch.Tensor], Candidates]) -> Difference:
    """Compare a file with PyTorch, the decoder's own candidates, on coarse noise of several sizes.

    Args:
        deployable: What was exported.
        run: The file: pixels to candidates.

    Returns:
        Sums of the counts, maxima of all else.
    """
    decoder = deployable.candidates.decoder
    parts = [
        compare(decoder.candidates(deployable.maps(images)), run(images), decoder.skeleton.limbs)
        for images in _noise(deployable.network.max_stride)
    ]
    counts, unmatched, *largest = zip(*parts, strict=True)
    return Difference(sum(counts), sum(unmatched), *map(max, largest))


def _noise(multiple: int) -> Iterator[torch.Tensor]:
    """Yield batches of ``(B, H, W, 3)`` uint8 images; no size is that of the example at the export."""
    random = torch.Generator().manual_seed(0)
    for batch, rows, columns in ((1, 3, 2), (3, 2, 4)):
        height, width = rows * multiple, columns * multiple
        coarse = torch.rand(batch, 3, -(-height // _BLOBS) + 1, -(-width // _BLOBS) + 1, generator=random)
        smooth = F.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
        yield (255 * smooth).round().byte().permute(0, 2, 3, 1).contiguous()
