"""Draws scenes side by side with annotations and predictions of two networks.

    python experiments/scripts/scene_pictures.py SCENES OURS.ckpt CENTERNETS.ckpt OUTPUT.jpg

SCENES is a COCO-format folder; four of its validation images are drawn.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from gog_pose import PoseEstimator
from gog_pose.data.annotations import CocoKeypoints
from gog_pose.drawing import contact_sheet, draw_people

NUM_SCENES = 4
CELL_HW = (240, 320)  # px
MIN_SCORE = 0.25


def main(scenes: Path, ours: Path, centernets: Path, output: Path) -> None:
    """Write the sheet, one row per scene."""
    images = CocoKeypoints(scenes / "annotations/person_keypoints_val.json", scenes / "val", 17)
    networks = {"ours": PoseEstimator.from_checkpoint(ours), "CenterNet's": PoseEstimator.from_checkpoint(centernets)}
    cells, captions = [], []
    for index in np.linspace(0, len(images) - 1, NUM_SCENES).astype(int).tolist():
        pixels, people = images.read_image(index), images.people(index)
        cells.append(draw_people(pixels, people.keypoints[people.is_labelled], networks["ours"].skeleton))
        captions.append("annotated")
        for name, estimator in networks.items():
            cells.append(np.asarray(estimator.predict(pixels).above(MIN_SCORE).draw(pixels)))
            captions.append(name)
    Image.fromarray(contact_sheet(cells, 1 + len(networks), CELL_HW, captions)).save(output, quality=80)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
