"""Measurement of the upper bound on an annotated data set (``gog-oracle``)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gog_pose.data.annotation_file import AnnotationFile
from gog_pose.data.annotations import CocoKeypoints
from gog_pose.drawing import contact_sheet, draw_people
from gog_pose.errors import InputError
from gog_pose.evaluation.canvases import canvas
from gog_pose.evaluation.coco import CocoKeypointEvaluator
from gog_pose.evaluation.oracle.diagnosis import summarize
from gog_pose.evaluation.oracle.limb_graph import best_possible_poses
from gog_pose.evaluation.oracle.oracle import AnnotatedImage, Oracle, OracleResult, images_with_labelled_people
from gog_pose.imaging.writing import write_picture
from gog_pose.poses import Poses
from gog_pose.skeleton import Skeleton
from gog_pose.system.files import made_folder
from gog_pose.system.processes import map_in_processes
from gog_pose.system.progress import Progress, silent
from gog_pose.system.results import write_results

PEOPLE = "people.json"
_PICTURES = "worst"
_SHEET_CELL_HW = (300, 640)  # px
_LIMITS = {"components": 2, "components_and_single_keypoints": 1}  # lowest number of keypoints per component


def measure(
    oracle: Oracle,
    annotations: str | Path | AnnotationFile,
    *,
    limit: int | None = None,
    workers: int = 0,
    output: str | Path | None = None,
    images: str | Path | None = None,
    worst: int = 10,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Decode the ground truth of all images with labeled people, evaluate the detections and diagnose the errors.

    Args:
        oracle: Encoder, noise and decoder.
        annotations: COCO-format keypoint JSON, or an ``AnnotationFile``.
        limit: Use only this many images, the first of the file; None = all.
        workers: Number of single-threaded processes; 0 = this process only.
        output: Folder for ``people.json``, the verdict on each labeled person, and ``worst/``, pictures of the images
            that lose most recall (annotations on the left, detections on the right). None = write nothing.
        images: Folder of the images, as background of the pictures; None = blank canvases.
        worst: Number of pictures.
        progress: Wraps the loop over the images.

    Returns:
        COCO's metrics; ``images``; the counts of ``summarize``; ``limits_of_the_graph``, the AP with perfect peaks and
        grouping; ``worst``, the contents of the pictures; ``seconds``; ``settings``.

    Raises:
        InputError: The annotations cannot be used, or no image has a labeled person.
    """
    skeleton = oracle.encoder.skeleton
    file = AnnotationFile.of(annotations)
    chosen = images_with_labelled_people(CocoKeypoints(file, None, skeleton.num_keypoints), limit)
    if not chosen:
        raise InputError(f"annotations: {file.path} has no person with labeled keypoints; give another file")
    evaluator = CocoKeypointEvaluator(file, skeleton)
    target = None if output is None else made_folder(output, "output")

    start = time.perf_counter()
    workers = min(workers, len(chosen))
    decoded = map_in_processes(oracle, chosen, workers)
    results = list(progress(decoded, "decoding the ground truth", len(chosen)))
    seconds = time.perf_counter() - start

    record: dict[str, Any] = {
        **_evaluated(evaluator, chosen, [result.poses for result in results]),
        "images": len(results),
        **summarize(result.diagnosis for result in results),
        "limits_of_the_graph": {
            name: _limit(evaluator, chosen, skeleton, min_keypoints)["AP"] for name, min_keypoints in _LIMITS.items()
        },
        "worst": [],
        "seconds": seconds,
        "settings": {
            "annotations": str(file.path),
            "categories": list(file.categories.values()),
            "limit": limit,
            "long_side": oracle.long_side,
            "multiple": oracle.multiple,
            "seed": oracle.seed,
            "workers": workers,
        },
    }
    if target is not None:
        record["worst"] = _write_pictures(target / _PICTURES, chosen, results, skeleton, worst, images)
        write_results(target / PEOPLE, _people(chosen, results))
    return record


def _evaluated(
    evaluator: CocoKeypointEvaluator, images: Sequence[AnnotatedImage], poses: Sequence[Poses]
) -> dict[str, float]:
    detections = {image.image_id: found.to_coco(image.image_id) for image, found in zip(images, poses, strict=True)}
    return evaluator.evaluate(detections)


def _limit(
    evaluator: CocoKeypointEvaluator, images: Sequence[AnnotatedImage], skeleton: Skeleton, min_keypoints: int
) -> dict[str, float]:
    """Return the metrics of the best possible detections with this limb graph."""
    best = [best_possible_poses(image.keypoints, skeleton, min_keypoints=min_keypoints) for image in images]
    return _evaluated(evaluator, images, best)


def _people(images: Sequence[AnnotatedImage], results: Sequence[OracleResult]) -> list[dict[str, Any]]:
    """Return one entry per labeled person: image, box, failures and verdict."""
    return [
        {
            "image_id": image.image_id,
            "bbox": image.boxes[index].tolist(),
            "failures": verdict.failures,
            **verdict._asdict(),
        }
        for image, result in zip(images, results, strict=True)
        for index, verdict in enumerate(result.diagnosis.people)
    ]


def _write_pictures(
    target: Path,
    images: Sequence[AnnotatedImage],
    results: Sequence[OracleResult],
    skeleton: Skeleton,
    count: int,
    folder: str | Path | None,
) -> list[dict[str, Any]]:
    """Draw the images that lose most recall, in order of decreasing loss, and return one entry per picture."""
    losses = np.array([result.diagnosis.recall_lost for result in results])
    chosen = [int(place) for place in np.argsort(-losses, kind="stable")[:count] if losses[place] > 0]
    target.mkdir(parents=True, exist_ok=True)
    drawn, sheets = [], []
    for rank, place in enumerate(chosen, start=1):
        image, result = images[place], results[place]
        pixels, blank = canvas(folder, image.file_name, image.image_hw)
        pair = [
            draw_people(pixels, image.keypoints, skeleton),
            draw_people(pixels, result.poses.keypoints, skeleton, result.poses.inferred),
        ]
        sheets.append(contact_sheet(pair, 2, image.image_hw))
        name = f"{rank:02d}_{image.image_id}.png"
        write_picture(target / name, sheets[-1])
        failures = [" ".join(verdict.failures) for verdict in result.diagnosis.people if verdict.recall_lost]
        drawn.append(
            {
                "image_id": image.image_id,
                "picture": name,
                "recall_lost": float(losses[place]),
                "people": failures,
                "blank": blank,
            }
        )
    if sheets:
        write_picture(target / "contact_sheet.png", contact_sheet(sheets, 2, _SHEET_CELL_HW))
    return drawn
