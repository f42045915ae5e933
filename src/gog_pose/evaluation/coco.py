"""COCO keypoint AP and AR of poses by pycocotools, and AP by crowding for images with a crowd index."""

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

from gog_pose.data.annotations import AnnotationFile
from gog_pose.data.rules import keypoint_category
from gog_pose.errors import InputError
from gog_pose.skeleton import Skeleton

METRICS = ("AP", "AP50", "AP75", "AP_M", "AP_L", "AR", "AR50", "AR75", "AR_M", "AR_L")
CROWD_METRICS = ("AP_easy", "AP_medium", "AP_hard")
CROWD_BOUNDS = (0.2, 0.8)  # lowest crowd index of medium and of hard images in CrowdPose's evaluation program


class CocoKeypointEvaluator:
    """Compares detections with the annotations of a COCO-format file, which is read once.

    Args:
        annotations: The JSON file, or its content where that has been read. If its images have a ``crowdIndex``, as
            CrowdPose's have, the metrics include an AP of the easy, medium and hard images.
        skeleton: Gives the number of keypoints and their OKS sigmas.

    Attributes:
        category_id: Of the annotated people; detections need it to be compared with them.

    Raises:
        InputError: The file is missing or malformed.
    """

    def __init__(self, annotations: str | Path | AnnotationFile, skeleton: Skeleton) -> None:
        path, content = AnnotationFile.of(annotations)
        nowhere = [0] * (3 * skeleton.num_keypoints)
        people = [
            # pycocotools takes an id of 0 for "no match"
            {**person, "id": place, "keypoints": person.get("keypoints") or nowhere}
            for place, person in enumerate(content["annotations"], start=1)
        ]
        self.category_id = keypoint_category(content, path)
        self._crowding = {image["id"]: _crowding(image, path) for image in content["images"] if "crowdIndex" in image}
        self._sigmas = np.array(skeleton.oks_sigmas)
        with contextlib.redirect_stdout(io.StringIO()):
            self._truth = COCO()
            self._truth.dataset = {**content, "annotations": people}
            self._truth.createIndex()

    def evaluate(self, detections: Mapping[int, Sequence[Mapping[str, Any]]]) -> dict[str, float]:
        """Return COCO's ten numbers over exactly the images that are given, and the AP by crowding if they have it.

        Args:
            detections: For each image id, its people in COCO's results format (``Poses.to_coco``); an image without
                people has an empty list, and counts too.

        Returns:
            ``METRICS`` and, where the file has crowd indices, ``CROWD_METRICS``, as fractions of 1; nan where no
            annotated person is in a metric's range of sizes.
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
        with contextlib.redirect_stdout(io.StringIO()):
            found = self._truth.loadRes(entries) if entries else COCO()
            evaluation = COCOeval(self._truth, found, "keypoints")
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


def _crowding(image: Mapping[str, Any], path: Path) -> str:
    """Return which of ``CROWD_METRICS`` an image counts in."""
    index = image["crowdIndex"]
    if not isinstance(index, (int, float)):
        raise InputError(f"{path}: image {image['id']}: crowdIndex: {index!r} must be a number from 0 to 1")
    return CROWD_METRICS[bisect.bisect(CROWD_BOUNDS, index)]
