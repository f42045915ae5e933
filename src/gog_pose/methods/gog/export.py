"""Export of the paper's decoder: the file finds the peaks; the host part refines and groups them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from gog_pose.methods.gog.candidates import Candidates, PeakWindows
from gog_pose.methods.gog.decoder import GogDecoder
from gog_pose.methods.gog.graph import PeakGraph
from gog_pose.methods.gog.host import HOST
from gog_pose.methods.gog.records import PoseMaps
from gog_pose.methods.method import Difference, Export


@torch.no_grad()
def match(first: Candidates, second: Candidates, limbs: Sequence[Sequence[int]], tolerance: float = 0.01) -> Difference:
    """Match candidates of the same images and types by position; their order may differ.

    Args:
        first: Candidates.
        second: Candidates of the same images.
        limbs: Pairs of keypoint types.
        tolerance: Largest distance of matched candidates, px; the nearest one is matched.
    """
    first, second = (
        Candidates(*(None if field is None else torch.as_tensor(field) for field in candidates))
        for candidates in (first, second)
    )
    count, unmatched, missing = 0, 0, 0
    xy, responses, guides, spreads = [0.0], [0.0], [0.0], [0.0]
    for image in range(len(first.xy)):
        for kind in range(first.xy.shape[1]):
            ours, theirs = (candidates.responses[image, kind] > 0 for candidates in (first, second))
            count += int(ours.sum())
            a, b = first.xy[image, kind, ours], second.xy[image, kind, theirs]
            distance = torch.cdist(a.double(), b.double(), compute_mode="donot_use_mm_for_euclid_dist")
            near = distance <= tolerance
            place = near.any(dim=1).nonzero()[:, 0]
            missing += len(a) - len(place)
            unmatched += len(a) - len(place) + len(b) - int(near.any(dim=0).sum())
            if not len(place):
                continue
            partner = distance[place].argmin(dim=1)
            xy.append(float(distance[place, partner].max()))
            of_ours, of_theirs = ours.nonzero()[place, 0], theirs.nonzero()[partner, 0]
            pair = first.responses[image, kind, of_ours] - second.responses[image, kind, of_theirs]
            responses.append(float(pair.abs().max()))
            for limb, (start, _) in enumerate(limbs):
                if start == kind:
                    gap = first.guides[image, limb, of_ours] - second.guides[image, limb, of_theirs]
                    guides.append(float(gap.norm(dim=-1).max()))
                    if first.spreads is not None and second.spreads is not None:
                        ratio = first.spreads[image, limb, of_ours] / second.spreads[image, limb, of_theirs]
                        spreads.append(float((ratio - 1).abs().max()))
    largest = {"xy": max(xy), "responses": max(responses), "guides": max(guides)}
    if first.spreads is not None:
        largest["spreads"] = max(spreads)
    return Difference(count, unmatched, missing, largest)


def compare(decoder: GogDecoder, maps: PoseMaps, windows: PeakWindows, tolerance: float = 0.01) -> Difference:
    """Compare the candidates that the decoder reads from the windows of a file with those from maps.

    Args:
        decoder: Reads both.
        maps: Of PyTorch.
        windows: Of the file.
        tolerance: As of ``match``.
    """
    return match(decoder.candidates(maps), decoder.candidates(windows), decoder.skeleton.limbs, tolerance)


EXPORT = Export(
    graph=PeakGraph,
    host=HOST,
    compare=compare,
)
