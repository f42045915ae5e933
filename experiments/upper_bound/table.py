"""Draws the tables of README.md from results/*.json; run it with Python, without arguments."""

from __future__ import annotations

import json
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
LIMBS = (16, 19, 31, 39, 44)
STRENGTHS = ("none", "light", "medium", "heavy")
CAUSES = ("lost", "merged", "split_by_decoder", "split_by_graph", "incomplete", "misplaced")


def read(name: str) -> dict | None:
    """Return a record, None if it was not measured."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def row(*cells: object) -> None:
    """Print a row of a Markdown table."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |")


def header(*names: str) -> None:
    """Print the head of a Markdown table."""
    print()
    row(*names)
    print("|" + "---|" * len(names))


def bound() -> None:
    """Print the upper bound on flawless maps."""
    header("limbs", "stride", "images", "AP", "AP50", "AP75", "limit of the graph", "with single keypoints")
    for limbs in LIMBS:
        for name, stride in ((f"{limbs}_default_all", 4), (f"{limbs}_stride1_default_all", 1)):
            record = read(name)
            if record is not None:
                scores = [f"{record[metric]:.3f}" for metric in ("AP", "AP50", "AP75")]
                limits = [f"{ap:.3f}" for ap in record["limits_of_the_graph"].values()]
                row(limbs, stride, record["images"], *scores, *limits)


def losses() -> None:
    """Print why the bound is not 1: people befallen, and recall lost by each first cause."""
    header("limbs", "people", *(cause.replace("_", " ") for cause in CAUSES))
    for limbs in LIMBS:
        record = read(f"{limbs}_default_all")
        if record is not None:
            people, lost = record["people"], record["recall_lost"]
            row(limbs, people["labelled"], *(f"{people[cause]} ({100 * lost[cause]:.2f})" for cause in CAUSES))


def decoders() -> None:
    """Print the AP of our decoder's defaults and of the public program's rules on the same disturbed maps."""
    header("limbs", "images", *(f"{strength}: ours / official" for strength in STRENGTHS))
    for limbs in LIMBS:
        cells, images = [], set()
        for strength in STRENGTHS:
            pair = [read(f"{limbs}_{decoder}_{strength}") for decoder in ("default", "official")]
            if all(pair):
                cells.append(" / ".join(f"{record['AP']:.3f}" for record in pair))
                images |= {record["images"] for record in pair}
            else:
                cells.append("")
        if images:
            row(limbs, ", ".join(map(str, sorted(images))), *cells)


if __name__ == "__main__":
    bound()
    losses()
    decoders()
