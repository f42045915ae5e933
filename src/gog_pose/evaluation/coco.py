"""COCO keypoint AP and AR of poses, by pycocotools."""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from gog_pose.data.coco import load_coco_json
from gog_pose.skeleton import Skeleton

METRICS = ("AP", "AP50", "AP75", "AP_M", "AP_L", "AR", "AR50", "AR75", "AR_M", "AR_L")


class CocoKeypointEvaluator:
    """Compares detections with the annotations of a COCO-format file, which is read once.

    Args:
        annotations: The JSON file.
        skeleton: Gives the number of keypoints and their OKS sigmas.

    Raises:
        InputError: The file is missing or malformed.
    """

    def __init__(self, annotations: str | Path, skeleton: Skeleton) -> None:
        content = load_coco_json(annotations)
        for place, person in enumerate(content["annotations"], start=1):
            person["id"] = place  # pycocotools takes an id of 0 for "no match"
            person.setdefault("area", person["bbox"][2] * person["bbox"][3])
            if not person.get("keypoints"):
                person["keypoints"] = [0] * (3 * skeleton.num_keypoints)
        self._category_id = next(entry["id"] for entry in content["categories"] if entry["name"] == "person")
        self._sigmas = np.array(skeleton.oks_sigmas)
        with contextlib.redirect_stdout(io.StringIO()):
            self._truth = COCO()
            self._truth.dataset = content
            self._truth.createIndex()

    def evaluate(self, detections: Mapping[int, Sequence[Mapping[str, Any]]]) -> dict[str, float]:
        """Return COCO's ten numbers over exactly the images that are given.

        Args:
            detections: For each image id, its people in COCO's results format (``Poses.to_coco``); an image without
                people has an empty list and counts all the same.

        Returns:
            ``METRICS`` as fractions of 1; nan where no annotated person is in the range that a metric looks at.
        """
        # loadRes adds fields to what it is given, and fails on an empty list.
        entries = [
            {**copy.copy(dict(person)), "category_id": self._category_id}
            for people in detections.values()
            for person in people
        ]
        if not entries:
            return dict.fromkeys(METRICS, 0.0)
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = COCOeval(self._truth, self._truth.loadRes(entries), "keypoints")
            evaluation.params.imgIds = sorted(detections)
            evaluation.params.kpt_oks_sigmas = self._sigmas
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return {
            name: float(value) if value >= 0 else float("nan")
            for name, value in zip(METRICS, evaluation.stats, strict=True)
        }
