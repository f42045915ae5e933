"""COCO keypoint AP and AR of poses, by pycocotools; of images with a crowd index also the AP by crowding."""

from __future__ import annotations

import bisect
import contextlib
import copy
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from gog_pose.data.coco import keypoint_category, load_coco_json
from gog_pose.errors import InputError
from gog_pose.skeleton import Skeleton

METRICS = ("AP", "AP50", "AP75", "AP_M", "AP_L", "AR", "AR50", "AR75", "AR_M", "AR_L")
CROWD_METRICS = ("AP_easy", "AP_medium", "AP_hard")
CROWD_BOUNDS = (0.2, 0.8)  # where CrowdPose's evaluation program lets medium and hard images begin


class CocoKeypointEvaluator:
    """Compares detections with the annotations of a COCO-format file, which is read once.

    Args:
        annotations: The JSON file. Where its images have a ``crowdIndex``, as CrowdPose's have, there is an AP of the
            easy, medium and hard images too.
        skeleton: Gives the number of keypoints and their OKS sigmas.

    Attributes:
        category_id: Of the annotated people, and so of detections that pycocotools shall compare with them.

    Raises:
        InputError: The file is missing or malformed.
    """

    def __init__(self, annotations: str | Path, skeleton: Skeleton) -> None:
        content = load_coco_json(annotations)
        for place, person in enumerate(content["annotations"], start=1):
            person["id"] = place  # pycocotools takes an id of 0 for "no match"
            if not person.get("keypoints"):
                person["keypoints"] = [0] * (3 * skeleton.num_keypoints)
        self.category_id = keypoint_category(content, Path(annotations))
        self._crowding = {
            image["id"]: _crowding(image, annotations) for image in content["images"] if "crowdIndex" in image
        }
        self._sigmas = np.array(skeleton.oks_sigmas)
        with contextlib.redirect_stdout(io.StringIO()):
            self._truth = COCO()
            self._truth.dataset = content
            self._truth.createIndex()

    def evaluate(self, detections: Mapping[int, Sequence[Mapping[str, Any]]]) -> dict[str, float]:
        """Return COCO's ten numbers over exactly the images that are given, and the AP by crowding if they have it.

        Args:
            detections: For each image id, its people in COCO's results format (``Poses.to_coco``); an image without
                people has an empty list and counts all the same.

        Returns:
            ``METRICS`` and, where the file has crowd indices, ``CROWD_METRICS``, as fractions of 1; nan where no
            annotated person is in the range that a metric looks at.
        """
        result = self._evaluate(detections)
        if self._crowding:
            for name in CROWD_METRICS:
                images = {image: people for image, people in detections.items() if self._crowding.get(image) == name}
                result[name] = self._evaluate(images)["AP"] if images else math.nan
        return result

    def _evaluate(self, detections: Mapping[int, Sequence[Mapping[str, Any]]]) -> dict[str, float]:
        # loadRes adds fields to what it is given, and fails on an empty list.
        entries = [
            {**copy.copy(dict(person)), "category_id": self.category_id}
            for people in detections.values()
            for person in people
        ]
        if not entries:
            return dict.fromkeys(METRICS, 0.0)
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = COCOeval(self._truth, self._truth.loadRes(entries), "keypoints")
            evaluation.params.imgIds = sorted(detections)
            evaluation.params.catIds = [self.category_id]
            evaluation.params.kpt_oks_sigmas = self._sigmas
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return {
            name: float(value) if value >= 0 else float("nan")
            for name, value in zip(METRICS, evaluation.stats, strict=True)
        }


def _crowding(image: Mapping[str, Any], path: str | Path) -> str:
    """Return which of ``CROWD_METRICS`` an image counts in."""
    index = image["crowdIndex"]
    if not isinstance(index, (int, float)):
        raise InputError(f"{path}: image {image['id']}: crowdIndex: {index!r} must be a number from 0 to 1")
    return CROWD_METRICS[bisect.bisect(CROWD_BOUNDS, index)]
