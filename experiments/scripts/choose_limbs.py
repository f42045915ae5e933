"""Chooses limbs by label statistics, such that few labeled people are broken into several fragments.

    python experiments/scripts/choose_limbs.py ANNOTATIONS NUMBER [--price PEOPLE] [--name NAME] [--output FILE.yaml]

A person whose labeled keypoints are not connected by limbs cannot be detected whole. Limbs are added one by one with
their mirror images; each step adds the limbs that join most fragments per limb. The number of joined fragments is the
rank of a graph, so the result is near the optimum. Then limbs are exchanged as long as this reduces the number of
broken people. Long limbs connect as well as short ones, but their offsets are harder to learn. With ``--price``, a limb
as long as the square root of a person's box area costs as much as this number of broken people, a shorter limb less in
proportion.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from gog_pose.data.annotations import CocoKeypoints
from gog_pose.evaluation.oracle.oracle import images_with_labelled_people
from gog_pose.skeleton import Skeleton, load_skeleton

Limb = tuple[int, int]
Group = tuple[Limb, ...]  # a limb and its mirror image


class People:
    """Labeled people: patterns of their keypoints, and mean lengths of limbs.

    Args:
        path: COCO-format annotations.
    """

    def __init__(self, path: str) -> None:
        images = images_with_labelled_people(CocoKeypoints(path, None, load_skeleton("coco_19").num_keypoints))
        keypoints = np.concatenate([image.keypoints for image in images])
        scales = np.sqrt(np.concatenate([image.boxes[:, 2] * image.boxes[:, 3] for image in images]))
        labelled = keypoints[:, :, 2] > 0
        self.patterns, self.counts = np.unique(labelled, axis=0, return_counts=True)
        distances = np.linalg.norm(keypoints[:, :, None, :2] - keypoints[:, None, :, :2], axis=-1)
        both = labelled[:, :, None] & labelled[:, None, :]
        self.lengths = (distances / scales[:, None, None] * both).sum(axis=0) / np.maximum(both.sum(axis=0), 1)

    def pieces(self, limbs: Sequence[Limb]) -> np.ndarray:
        """Return the number of fragments of each pattern of labeled keypoints, ``(N,)``."""
        number = self.patterns.shape[1]
        piece = np.where(self.patterns, np.arange(number), number)  # lowest keypoint connected to each keypoint
        before = None
        while before is None or (piece != before).any():
            before = piece.copy()
            for start, end in limbs:
                both = self.patterns[:, start] & self.patterns[:, end]
                piece[both, start] = piece[both, end] = np.minimum(piece[both, start], piece[both, end])
        return (piece == np.arange(number)).sum(axis=1)

    def fragments(self, limbs: Sequence[Limb]) -> int:
        """Return the number of fragments in excess of one per person."""
        return int(((self.pieces(limbs) - 1) * self.counts).sum())

    def broken(self, limbs: Sequence[Limb]) -> int:
        """Return the number of people with more than one fragment."""
        return int(((self.pieces(limbs) > 1) * self.counts).sum())

    def length(self, limbs: Sequence[Limb]) -> float:
        """Return the sum of the limbs' mean lengths, in units of the square root of the box area."""
        return float(sum(self.lengths[limb] for limb in limbs))


def groups(skeleton: Skeleton) -> list[Group]:
    """Return all pairs of keypoints, each together with its mirror image."""
    flip = skeleton.flip_index
    pairs = combinations(range(skeleton.num_keypoints), 2)
    return sorted({tuple(sorted({(a, b), (min(flip[a], flip[b]), max(flip[a], flip[b]))})) for a, b in pairs})


def flat(chosen: Sequence[Group]) -> list[Limb]:
    """Return the limbs of groups."""
    return [limb for group in chosen for limb in group]


def choose(people: People, candidates: Sequence[Group], number: int, price: float) -> list[Group]:
    """Return groups with ``number`` limbs in total that minimize broken people plus ``price`` times limb length."""

    def gain(group: Group) -> float:
        joined = people.fragments(flat(chosen)) - people.fragments(flat([*chosen, group]))
        return (joined - price * people.length(group)) / len(group)

    chosen: list[Group] = []
    while left := number - len(flat(chosen)):
        chosen.append(max((group for group in candidates if group not in chosen and len(group) <= left), key=gain))
    while better := exchange(people, candidates, chosen, price):
        chosen = better
    return chosen


def exchange(people: People, candidates: Sequence[Group], chosen: Sequence[Group], price: float) -> list[Group] | None:
    """Return the best set that differs by one group; None if it is not better."""

    def cost(groups: Sequence[Group]) -> float:
        return people.broken(flat(groups)) + price * people.length(flat(groups))

    neighbors = [
        [*(group for group in chosen if group != out), into]
        for out in chosen
        for into in candidates
        if into not in chosen and len(into) == len(out)
    ]
    best = min(neighbors, key=cost)
    return best if cost(best) < cost(chosen) else None


def write(path: Path, skeleton: Skeleton, comment: str) -> None:
    """Write a skeleton as an option of the group ``skeleton``."""
    fields = skeleton.to_dict()
    lines = [f"# {comment}", "_target_: gog_pose.skeleton.Skeleton", f"name: {fields['name']}"]
    for field in ("keypoints", "limbs", "flip_pairs", "oks_sigmas"):
        items = ", ".join(f"[{item[0]}, {item[1]}]" if isinstance(item, list) else str(item) for item in fields[field])
        lines.append(f"{field}: [{items}]")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Choose limbs, print them, and write them to a file if one is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("annotations")
    parser.add_argument("number", type=int)
    parser.add_argument("--price", type=float, default=0.0, help="cost of a limb of length 1 scale, in broken people")
    parser.add_argument("--name")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()

    base = load_skeleton("coco_19")
    people = People(arguments.annotations)
    limbs = flat(choose(people, groups(base), arguments.number, arguments.price))
    name = arguments.name or f"chosen_{arguments.number}"
    skeleton = Skeleton(name, base.keypoints, limbs, base.flip_pairs, base.oks_sigmas)
    for start, end in limbs:
        print(f"{base.keypoints[start]} - {base.keypoints[end]}: {people.length([(start, end)]):.2f} of the scale")
    for shown in (skeleton, *map(load_skeleton, ("coco_16", "coco_19", "coco_31", "coco_39", "coco_44"))):
        print(
            f"{shown.name}: {people.broken(shown.limbs)} of {people.counts.sum()} people broken,"
            f" {people.fragments(shown.limbs)} excess fragments,"
            f" mean length {people.length(shown.limbs) / shown.num_limbs:.3f}"
        )
    if arguments.output:
        write(arguments.output, skeleton, f"{len(limbs)} limbs chosen by label statistics")


if __name__ == "__main__":
    main()
