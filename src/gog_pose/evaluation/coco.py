"""COCO keypoint AP and AR, computed with pycocotools, and AP per crowding level for images with a crowd index."""

from __future__ import annotations

import bisect
import contextlib
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from gog_pose.data.annotation_file import AnnotationFile
from gog_pose.data.rules import flat_keypoints
from gog_pose.skeleton import Skeleton

METRICS = ("AP", "AP50", "AP75", "AP_M", "AP_L", "AR", "AR50", "AR75", "AR_M", "AR_L")
CROWD_METRICS = ("AP_easy", "AP_medium", "AP_hard")
CROWD_BOUNDS = (0.2, 0.8)  # lowest crowd index of medium and hard images, as in CrowdPose's evaluation program


class CocoKeypointEvaluator:
    """Compares detections with the annotations of a COCO-format file, which is read once.

    Args:
        annotations: The JSON file, or an ``AnnotationFile``. If its images have a ``crowdIndex``, as in CrowdPose, the
            metrics include the AP of easy, medium and hard images.
        skeleton: Number of keypoints and their OKS sigmas.

    Attributes:
        category_id: Category of the annotated people; detections must have the same category to be compared.

    Raises:
        InputError: The file is missing or malformed.
    """

    def __init__(self, annotations: str | Path | AnnotationFile, skeleton: Skeleton) -> None:
        file = AnnotationFile.of(annotations)
        self.category_id = file.category_id
        self._crowding = {
            image["id"]: CROWD_METRICS[bisect.bisect(CROWD_BOUNDS, image["crowdIndex"])]
            for image in file.images
            if image.get("crowdIndex") is not None
        }
        self._sigmas = np.array(skeleton.oks_sigmas)
        self._truth = coco_truth(file, skeleton)

    def evaluate(self, detections: Mapping[int, Sequence[Mapping[str, Any]]]) -> dict[str, float]:
        """Return COCO's ten metrics over exactly the given images, and AP per crowding level given crowd indices.

        Args:
            detections: Detected people per image id in COCO's results format (``Poses.to_coco``). An image without
                detections must have an empty list to be evaluated.

        Returns:
            ``METRICS`` and, if the file has crowd indices, ``CROWD_METRICS``, as fractions of 1; nan if no annotated
            person is in the metric's size range.
        """
        result = self._evaluate(detections)
        if self._crowding:
            for name in CROWD_METRICS:
                images = {image: people for image, people in detections.items() if self._crowding.get(image) == name}
                result[name] = self._evaluate(images)["AP"] if images else math.nan
        return result

    def _evaluate(self, detections: Mapping[int, Sequence[Mapping[str, Any]]]) -> dict[str, float]:
        # Copies, because loadRes adds fields to its input.
        entries = [{**person, "category_id": self.category_id} for people in detections.values() for person in people]
        with contextlib.redirect_stdout(io.StringIO()):
            found = self._truth.loadRes(entries) if entries else _nothing()  # loadRes fails on an empty list
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


def _nothing() -> COCO:
    """Return an empty set of detections."""
    found = COCO()
    found.dataset = {"images": [], "annotations": []}
    found.createIndex()
    return found


def coco_truth(file: AnnotationFile, skeleton: Skeleton) -> COCO:
    """Return the people of an annotation file as a pycocotools ``COCO`` object, all in the file's ``category_id``.

    Ids are numbered from 1 in file order, because pycocotools uses 0 for "no match".

    Raises:
        InputError: The number of a person's keypoints differs from the skeleton's.
    """
    people = [
        {
            "id": number,
            "category_id": file.category_id,
            "keypoints": flat_keypoints(person, skeleton.num_keypoints, file.where(place)),
            **{field: person[field] for field in ("image_id", "bbox", "area", "iscrowd", "num_keypoints")},
        }
        for number, (place, person) in enumerate(file.people.items(), start=1)
    ]
    categories = [{"id": file.category_id, "name": file.categories[file.category_id]}]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"images": file.images, "categories": categories, "annotations": people}
        truth.createIndex()
    return truth
