"""Skeletons of imported keypoints: limbs, flip pairs and OKS sigmas, each with a description of its origin."""

from __future__ import annotations

from collections.abc import Container, Sequence

import numpy as np
from scipy.sparse.csgraph import minimum_spanning_tree

from gog_pose.data.importing.known import known_limbs, known_sigmas, plain
from gog_pose.data.importing.mirroring import has_side, pairs_by_name
from gog_pose.data.importing.record import Import
from gog_pose.skeleton import Skeleton

Pairs = list[tuple[int, int]]

_SIDES = ("left", "right", "l", "r")
_OFFSET = 1.0  # added to all distances, because SciPy takes 0 as no connection; it does not change the tree
_NEVER_TOGETHER = 1e6  # distance of two keypoints that never occur together in a person, in scales


def make_skeleton(found: Import, name: str) -> tuple[Skeleton, dict[str, str]]:
    """Make the skeleton of imported people.

    Returns:
        The skeleton, and descriptions of the origin of its ``limbs``, ``flip_pairs`` and ``oks_sigmas``.
    """
    place = {keypoint: index for index, keypoint in enumerate(found.keypoints)}
    said = {}
    flip_pairs, said["flip_pairs"] = _flip_pairs(found, place)
    limbs, said["limbs"] = _limbs(found, place, flip_pairs)
    sigmas, said["oks_sigmas"] = _sigmas(found.keypoints)
    return Skeleton(name, found.keypoints, limbs, flip_pairs, sigmas), said


def _flip_pairs(found: Import, place: dict[str, int]) -> tuple[Pairs, str]:
    if found.flip is not None:
        pairs = [(place[one], place[other]) for one, other in found.flip.items() if place[one] < place[other]]
        return pairs, "given by the source"
    pairs = pairs_by_name(found.keypoints)
    paired = {end for pair in pairs for end in pair}
    alone = [name for index, name in enumerate(found.keypoints) if index not in paired and has_side(name)]
    said = "found by name" if pairs else "none: no two names differ only in left and right"
    return pairs, said + (f"; without a partner: {', '.join(alone)}" if alone else "")


def _limbs(found: Import, place: dict[str, int], flip_pairs: Pairs) -> tuple[Pairs, str]:
    if found.limbs:
        pairs, said = found.limbs, "given by the source"
    elif known := known_limbs(found.keypoints):
        title, pairs = known
        said = f"the usual ones, because the keypoints are {title}"
    else:
        return _mirror_closed(_tree(found, place, flip_pairs), flip_pairs)[0], (
            "chosen: a minimum spanning tree over the mean distances of keypoints, and its mirror images"
        )
    limbs, added = _mirror_closed([(place[start], place[end]) for start, end in pairs], flip_pairs)
    names = ", ".join(f"{found.keypoints[start]}-{found.keypoints[end]}" for start, end in added)
    joined = {end for limb in limbs for end in limb}
    alone = ", ".join(name for index, name in enumerate(found.keypoints) if index not in joined)
    said += f"; added as mirror images: {names}" if added else ""
    return limbs, said + (f"; keypoints without a limb, which cannot be grouped: {alone}" if alone else "")


def _mirror_closed(pairs: Sequence[tuple[int, int]], flip_pairs: Pairs) -> tuple[Pairs, Pairs]:
    """Return limbs, each in one direction, with missing mirror images added, and the added ones."""
    mirror = {end: other for pair in flip_pairs for end, other in (pair, pair[::-1])}
    limbs: Pairs = []
    for limb in pairs:
        if limb not in limbs and limb[::-1] not in limbs:
            limbs.append(limb)
    added: Pairs = []
    for start, end in list(limbs):
        image = (mirror.get(start, start), mirror.get(end, end))
        if image not in limbs and image[::-1] not in limbs:
            limbs.append(image)
            added.append(image)
    return limbs, added


def _tree(found: Import, place: dict[str, int], flip_pairs: Pairs) -> Pairs:
    """Return the minimum spanning tree over mean distances of keypoints, in scales, averaged over mirror images."""
    count = len(found.keypoints)
    total, number = np.zeros((count, count)), np.zeros((count, count))
    for picture in found.pictures:
        for person in picture.people:
            own = [place[name] for name in person.points if name in place]
            points = np.array([person.points[name][:2] for name in person.points if name in place]).reshape(-1, 2)
            if len(own) < 2:
                continue
            size = np.sqrt(np.prod(np.ptp(points, axis=0)) if person.box is None else person.box[2] * person.box[3])
            distances = np.linalg.norm(points[:, None] - points[None], axis=2) / max(float(size), 1.0)
            total[np.ix_(own, own)] += distances
            number[np.ix_(own, own)] += 1
    mirror = np.arange(count)
    for left, right in flip_pairs:
        mirror[left], mirror[right] = right, left
    total, number = total + total[np.ix_(mirror, mirror)], number + number[np.ix_(mirror, mirror)]
    mean = np.where(number > 0, total / np.maximum(number, 1), _NEVER_TOGETHER) + _OFFSET
    np.fill_diagonal(mean, 0)
    tree = minimum_spanning_tree(np.triu(mean)).tocoo()
    return sorted((int(start), int(end)) for start, end in zip(tree.row, tree.col, strict=True))


def _sigmas(keypoints: Sequence[str]) -> tuple[list[float], str]:
    """Return OKS sigmas: the known ones by part of the body, for other keypoints the mean of the known ones.

    They cannot be estimated here: COCO's were measured on people labeled by several annotators.
    """
    known = known_sigmas()
    equal = round(float(np.mean(list(known.values()))), 3)
    parts = [_part(name, known) for name in keypoints]
    sigmas = [known.get(part, equal) for part in parts]
    others = [name for name, part in zip(keypoints, parts, strict=True) if part not in known]
    if not others:
        return sigmas, "COCO's, by name"
    which = "all" if len(others) == len(keypoints) else ", ".join(others)
    rest = "; others: COCO's, by name" if len(others) < len(keypoints) else ""
    return sigmas, f"equal, {equal}, the mean of COCO's parts: {which}{rest}"


def _part(name: str, known: Container[str]) -> str:
    """Return the part of the body without the side, such as ``knee`` for ``right_knee``, ``KneeRight`` and ``RKnee``.

    A single letter counts as the side only if the rest is a known part.
    """
    whole = plain(name)
    rests = (rest for side in _SIDES for rest in (whole.removeprefix(side), whole.removesuffix(side)))
    return whole if whole in known else next((rest for rest in rests if rest in known), whole)
