"""Draws the people that several networks find in the same photographs, side by side.

    python experiments/scripts/method_pictures.py OUTPUT.jpg PHOTO[,PHOTO...] TITLE=CHECKPOINT=MIN_SCORE ...

MIN_SCORE is the lowest score of a person that is drawn: scores of different methods are not comparable, and
``gog-evaluate`` gives the one of the best F1.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from gog_pose import PoseEstimator
from gog_pose.drawing import contact_sheet

CELL_HW = (240, 240)  # px


def main(output: Path, photographs: list[Path], networks: list[tuple[str, Path, float]]) -> None:
    """Write the sheet, one row per photograph."""
    estimators = [(title, PoseEstimator.from_checkpoint(path), least) for title, path, least in networks]
    cells, captions = [], []
    for photograph in photographs:
        for title, estimator, least in estimators:
            cells.append(np.asarray(estimator.predict(photograph).above(least).draw(photograph, min_score=least)))
            captions.append(title)
    Image.fromarray(contact_sheet(cells, len(networks), CELL_HW, captions)).save(output, quality=80)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    parts = [argument.split("=") for argument in sys.argv[3:]]
    main(
        Path(sys.argv[1]),
        [Path(name) for name in sys.argv[2].split(",")],
        [(title, Path(checkpoint), float(least)) for title, checkpoint, least in parts],
    )
