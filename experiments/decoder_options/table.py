"""Draws the table of README.md from results/*.json; run it with Python, without arguments."""

from __future__ import annotations

import json
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
OPTIONS = (
    "default",
    "support=0",
    "reach=0",
    "complete=false",
    "min_keypoints=2",
    "gate=40",
    "gate_ratio=0",
    "gate_ratio=1",
    "localiser=bicubic",
    "score=mean",
    "threshold=0.1",
)
CASES = tuple((limbs, noise) for limbs in ("19", "19_bidirectional", "44") for noise in ("none", "medium"))


def scores(limbs: str, noise: str) -> dict[str, float]:
    """Return the AP of each option."""
    records = {option: RESULTS / f"coco_{limbs}_{noise}_{option.replace('=', '-')}.json" for option in OPTIONS}
    return {option: json.loads(path.read_text(encoding="utf-8"))["AP"] for option, path in records.items()}


if __name__ == "__main__":
    columns = [scores(*case) for case in CASES]
    print("| option | " + " | ".join(f"{limbs.replace('_', ' ')}, {noise}" for limbs, noise in CASES) + " |")
    print("|---|" + "---|" * len(CASES))
    for option in OPTIONS:
        cells = [
            f"{column[option]:.3f}" if option == "default" else f"{column[option] - column['default']:+.3f}"
            for column in columns
        ]
        print(f"| {option} | " + " | ".join(cells) + " |")
