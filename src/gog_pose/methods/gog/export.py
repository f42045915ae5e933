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

TOLERANCE = 0.01  # px


@torch.no_grad()
def match(first: Candidates, second: Candidates, limbs: Sequence[Sequence[int]]) -> Difference:
    """Match candidates of the same images and types by position; their order may differ."""
    first, second = (Candidates(*map(torch.as_tensor, candidates)) for candidates in (first, second))
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
    largest = {"xy": max(xy), "responses": max(responses), "guides": max(guides)}
    return Difference(count, unmatched, largest)


def compare(decoder: GogDecoder, maps: PoseMaps, windows: PeakWindows) -> Difference:
    """Compare the candidates that the decoder reads from the windows of a file with those from maps."""
    return match(decoder.candidates(maps), decoder.candidates(windows), decoder.skeleton.limbs)


EXPORT = Export(
    graph=PeakGraph,
    host=HOST,
    compare=compare,
)
