"""The difference in AP between two sets of detections of the same images, with its uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gog_pose.data.annotation_file import AnnotationFile
from gog_pose.evaluation.coco import coco_truth
from gog_pose.evaluation.errors.precision import KeypointEvaluation, best_detections
from gog_pose.skeleton import Skeleton

Detections = Mapping[int, Sequence[Mapping[str, Any]]]

RESAMPLES = 1000
_INTERVAL = (2.5, 97.5)  # percentiles


def compare(
    annotations: AnnotationFile,
    detections: Detections,
    others: Detections,
    skeleton: Skeleton,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, float]:
    """Compare two sets of detections by a paired bootstrap over images.

    Each resample draws as many images as there are, with replacement, the same ones for both sets. The interval covers
    only the choice of images; trainings with different seeds add a spread that it does not contain.

    Args:
        annotations: Annotations of the images.
        detections: For each image id, its people in COCO's results format.
        others: Detections of the same images to compare them with.
        skeleton: Keypoint types and their OKS sigmas.
        resamples: Number of resamples.
        seed: Seed of the resampling.

    Returns:
        ``AP`` and ``other_AP``; ``difference`` between them and its 95 % interval ``low`` to ``high``;
        ``better``, the share of resamples in which ``detections`` have the higher AP; ``difference_A`` and
        ``difference_B``, the difference on every second image in the order of ids, from the first one, and on the
        others, so that an option can be chosen on one half and confirmed on the other; ``images``; ``resamples``.

    Raises:
        ValueError: The detections are of different images.
    """
    if detections.keys() != others.keys():
        raise ValueError("detections: the two sets have different images; give two sets of the same images")
    truth = coco_truth(annotations, skeleton)
    evaluations = [
        KeypointEvaluation(
            truth, best_detections(annotations, one, skeleton), annotations.category_id, skeleton, sizes=1
        )
        for one in (detections, others)
    ]
    num_images = len(detections)
    own, other = (one.average_precision(np.arange(num_images)) for one in evaluations)
    places = [np.arange(first, num_images, 2) for first in (0, 1)]
    halves = [[one.average_precision(half) for one in evaluations] for half in places]
    random = np.random.default_rng(seed)
    samples = [random.integers(num_images, size=num_images) for _ in range(resamples)]
    precisions = np.array([[one.average_precision(sample) for sample in samples] for one in evaluations])
    differences = precisions[0] - precisions[1]
    differences = differences[~np.isnan(differences)]  # nan: a resample without people
    low, high = np.percentile(differences, _INTERVAL).tolist()
    return {
        "AP": own,
        "other_AP": other,
        "difference": own - other,
        "low": low,
        "high": high,
        "better": float((differences > 0).mean()),
        "difference_A": halves[0][0] - halves[0][1],
        "difference_B": halves[1][0] - halves[1][1],
        "images": num_images,
        "resamples": resamples,
    }
