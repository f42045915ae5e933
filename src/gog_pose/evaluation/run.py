"""Evaluation of an estimator or of a file of detections on an annotated data set (``gog-evaluate``)."""

from __future__ import annotations

import itertools
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from gog_pose.data.annotation_file import AnnotationFile
from gog_pose.data.annotations import CocoKeypoints
from gog_pose.errors import InputError
from gog_pose.estimator import PoseEstimator
from gog_pose.evaluation.coco import CocoKeypointEvaluator
from gog_pose.evaluation.comparison import compare as compare_detections
from gog_pose.evaluation.data_set import find_people, subsets
from gog_pose.evaluation.detections import read_detections, write_detections
from gog_pose.evaluation.numbers.numbers import NumberOptions, measure_numbers
from gog_pose.methods.decoders import describe_decoder
from gog_pose.skeleton import Skeleton
from gog_pose.system.files import made_folder, replaced
from gog_pose.system.progress import Progress, silent

Detections: TypeAlias = dict[int, list[dict[str, Any]]]  # by image id, the input of CocoKeypointEvaluator

SUBSETS = ("labelled", "people", "all")  # each contains the previous one
DETECTIONS = "detections.json"


def evaluate(
    estimator: PoseEstimator,
    annotations: str | Path | AnnotationFile,
    images: str | Path,
    *,
    split: str = "val",
    subset: str = "people",
    limit: int | None = None,
    max_people: int = 20,
    num_workers: int = 0,
    devices: Sequence[str] = (),
    make_estimator: Callable[[str], PoseEstimator] | None = None,
    output: str | Path | None = None,
    report: str | Path | None = None,
    compare: str | Path | None = None,
    numbers: NumberOptions | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Find the people in the images of a data set and compare them with the annotations.

    Args:
        estimator: Finds the people in batches of ``estimator.batch_size`` images.
        annotations: COCO-format keypoint JSON, or an ``AnnotationFile``. If it annotates no people, as the files of
            COCO's test sets, nothing is compared.
        images: Folder of the images.
        split: Name of the split, which is part of the name of the file for COCO's server.
        subset: Evaluated images: ``labelled`` (with keypoints), ``people`` (with any person), ``all``.
        limit: Use only this many images, the first of the subset; None = all.
        max_people: Largest number of people per image; those with the highest scores are kept.
        num_workers: Loading processes per device.
        devices: Devices that share the images, one process per device; empty = the device of ``estimator``.
        make_estimator: Builds an equal estimator on one of ``devices``; must be picklable.
        output: Folder for ``detections.json`` or, for a test set, the archive for COCO's server. None = write nothing.
        report: Folder for the report of the error analysis; None = no analysis.
        compare: File with other detections of the same images to compare the AP with; None = no comparison.
        numbers: Options of the metrics per keypoint type and score threshold; None = the defaults.
        progress: Wraps the loop over the images.

    Returns:
        COCO's metrics on ``subset`` and ``images``, the number of images; ``subsets``, the same for each smaller
        subset that differs; ``people``, the number of detections; ``keypoints`` and ``score_threshold``, see
        ``Numbers.to_dict``; ``detections``, the file; ``seconds`` and ``images_per_second``; ``settings``; ``errors``,
        the error analysis, if a report is written; ``comparison``, see ``comparison.compare``, with ``compare``.

    Raises:
        InputError: The annotations or an image cannot be used, or there is nothing to evaluate.
    """
    if bool(devices) != (make_estimator is not None):
        raise ValueError("devices and make_estimator go together")
    file = AnnotationFile.of(annotations)
    numbers = _checked(numbers, estimator.skeleton)
    chosen = _choose(file, images, estimator.skeleton, subset, limit)
    truth = _truth(chosen, file, estimator.skeleton, report)
    others = None if compare is None else _others(compare, file, chosen, estimator.skeleton)
    target = None if output is None else made_folder(output, "output")

    start = time.perf_counter()
    found = find_people(
        make_estimator or (lambda _: estimator),
        chosen.images,
        chosen.indices,
        devices=devices or [str(estimator.device)],
        num_workers=num_workers,
    )
    category = 1 if truth is None else truth.category_id
    detections = {
        image_id: poses.best(max_people).to_coco(image_id, category)
        for image_id, poses in progress(found, "finding people", len(chosen.indices))
    }
    detections = dict(sorted(detections.items()))
    written = None if target is None else _write(detections, target, None if truth is not None else split)
    seconds = time.perf_counter() - start

    record: dict[str, Any] = {
        **_compared(chosen, truth, detections),
        "detections": None if written is None else str(written),
        **_speed(seconds, len(detections)),
        "settings": {
            "annotations": str(file.path),
            "categories": list(file.categories.values()),
            "split": split,
            "limit": limit,
            "skeleton": estimator.skeleton.name,
            "images": str(images),
            "preprocessing": estimator.preprocessing.to_dict(),
            "multiple": estimator.input_format.multiple,
            "scales": estimator.input_format.scales,
            "decoder": describe_decoder(estimator.decoder),
            "precision": estimator.precision,
            "flip": estimator.flip or bool(getattr(estimator.network, "flip", False)),  # an exported file may flip
            "max_people": max_people,
            "batch_size": estimator.batch_size,
            "num_workers": num_workers,
        },
    }
    if truth is not None:
        record |= _explained(report, file, detections, estimator.skeleton, images, numbers)
    if others is not None:
        record["comparison"] = compare_detections(file, detections, others, estimator.skeleton)
    return record


def evaluate_detections(
    detections: str | Path,
    skeleton: Skeleton,
    annotations: str | Path | AnnotationFile,
    images: str | Path | None = None,
    *,
    split: str = "val",
    subset: str = "people",
    limit: int | None = None,
    report: str | Path | None = None,
    compare: str | Path | None = None,
    numbers: NumberOptions | None = None,
) -> dict[str, Any]:
    """Compare the detections in a file, written by any program, with the annotations.

    Args:
        detections: JSON in COCO's results format.
        skeleton: Keypoints and their OKS sigmas.
        annotations: See ``evaluate``.
        images: Folder of the images, for the pictures of the report; None = blank canvases.
        split: See ``evaluate``.
        subset: See ``evaluate``.
        limit: See ``evaluate``.
        report: See ``evaluate``.
        compare: See ``evaluate``.
        numbers: See ``evaluate``.

    Returns:
        The same as ``evaluate``, and ``detections_of_other_categories``, the number of detections left out.

    Raises:
        InputError: A file cannot be used, or a detection belongs to an image that the annotations do not list.
    """
    file = AnnotationFile.of(annotations)
    numbers = _checked(numbers, skeleton)
    chosen = _choose(file, None, skeleton, subset, limit)
    truth = _truth(chosen, file, skeleton, report)
    if truth is None:
        raise InputError(f"{file.path}: has no people to compare detections with; choose another split")

    start = time.perf_counter()
    found, left_out = _read(detections, file, chosen, skeleton)
    others = None if compare is None else _others(compare, file, chosen, skeleton)
    seconds = time.perf_counter() - start

    record: dict[str, Any] = {
        **_compared(chosen, truth, found),
        "detections": str(detections),
        "detections_of_other_categories": left_out,
        **_speed(seconds, len(found)),
        "settings": {
            "annotations": str(file.path),
            "categories": list(file.categories.values()),
            "split": split,
            "limit": limit,
            "skeleton": skeleton.name,
        },
    }
    record |= _explained(report, file, found, skeleton, images, numbers)
    if others is not None:
        record["comparison"] = compare_detections(file, found, others, skeleton)
    return record


class _Chosen(NamedTuple):
    """The images of an evaluation: the data set, their indices, the name of their subset, and all subsets."""

    images: CocoKeypoints
    indices: np.ndarray
    subset: str
    subsets: dict[str, np.ndarray]

    @property
    def is_annotated(self) -> bool:
        return len(self.subsets["people"]) > 0


def _choose(
    file: AnnotationFile, folder: str | Path | None, skeleton: Skeleton, subset: str, limit: int | None
) -> _Chosen:
    """Return the images to evaluate: those of the subset, or all images if nobody is annotated."""
    if subset not in SUBSETS:
        raise InputError(f"subset: {subset!r} is unknown; choose {', '.join(SUBSETS)}")
    images = CocoKeypoints(file, folder, skeleton.num_keypoints)
    members = subsets(images)
    name = subset if len(members["people"]) else "all"
    indices = members[name][:limit]
    if not len(indices):
        raise InputError(f"{file.path}: no image to evaluate on (subset={name}); choose another subset")
    return _Chosen(images, indices, name, members)


def _truth(
    chosen: _Chosen, file: AnnotationFile, skeleton: Skeleton, report: str | Path | None
) -> CocoKeypointEvaluator | None:
    """Return the evaluator, or None if nobody is annotated, and check that a requested report is possible."""
    if report is not None:
        if not chosen.is_annotated:
            raise InputError(f"report: {file.path} has no people, so errors cannot be analyzed; omit report")
        made_folder(report, "report")
    return CocoKeypointEvaluator(file, skeleton) if chosen.is_annotated else None


def _read(detections: str | Path, file: AnnotationFile, chosen: _Chosen, skeleton: Skeleton) -> tuple[Detections, int]:
    """Read the detections of the evaluated images; return them and the number of detections of other categories."""
    found, left_out = read_detections(detections, skeleton.num_keypoints, file.categories)
    foreign = found.keys() - set(chosen.images.image_ids.tolist())
    if foreign:
        raise InputError(
            f"{detections}: image_id: {min(foreign)} is not in {file.path}; choose the split of these detections"
        )
    image_ids = chosen.images.image_ids[chosen.indices].tolist()
    return {image_id: found.get(image_id, []) for image_id in image_ids}, left_out


def _others(compare: str | Path, file: AnnotationFile, chosen: _Chosen, skeleton: Skeleton) -> Detections:
    """Read the detections to compare with, before the images are looked at."""
    if not chosen.is_annotated:
        raise InputError(f"compare: {file.path} has no people to compare detections by; leave it out")
    return _read(compare, file, chosen, skeleton)[0]


def _compared(chosen: _Chosen, truth: CocoKeypointEvaluator | None, detections: Detections) -> dict[str, Any]:
    """Return the metrics of the subset and of each smaller subset that contains fewer images."""
    metrics: dict[str, dict[str, float]] = {}
    if truth is not None:
        for name in SUBSETS[: SUBSETS.index(chosen.subset) + 1]:
            members = chosen.images.image_ids[np.intersect1d(chosen.indices, chosen.subsets[name])].tolist()
            if name == chosen.subset or 0 < len(members) < len(chosen.indices):
                found = {image_id: detections[image_id] for image_id in members}
                metrics[name] = {"images": len(members), **truth.evaluate(found)}
    return {
        **metrics.get(chosen.subset, {"images": len(detections)}),
        "subset": chosen.subset,
        "subsets": metrics,
        "people": sum(map(len, detections.values())),
    }


def _speed(seconds: float, num_images: int) -> dict[str, float]:
    return {"seconds": seconds, "images_per_second": num_images / seconds}


def _write(detections: Detections, output: Path, test_set: str | None) -> Path:
    """Write detections in COCO's results format; for a test set, with the file name and archive for COCO's server."""
    name = DETECTIONS if test_set is None else f"person_keypoints_{test_set}_gog_results.json"
    write_detections(output / name, itertools.chain.from_iterable(detections.values()))
    if test_set is None:
        return output / name
    archive = (output / name).with_suffix(".zip")
    with replaced(archive) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(output / name, name)
    return archive


def _checked(numbers: NumberOptions | None, skeleton: Skeleton) -> NumberOptions:
    """Return the options of the metrics, checked before the prediction starts."""
    numbers = numbers or NumberOptions()
    numbers.check(skeleton)
    return numbers


def _explained(
    report: str | Path | None,
    file: AnnotationFile,
    detections: Detections,
    skeleton: Skeleton,
    images: str | Path | None,
    options: NumberOptions,
) -> dict[str, Any]:
    """Return the metrics beyond COCO's and, if a report is requested, write it and add the error analysis."""
    numbers = measure_numbers(file, detections, skeleton, options)
    if report is None:
        return numbers.to_dict()
    from gog_pose.evaluation.errors.analysis import analyse
    from gog_pose.evaluation.errors.report import write_report  # imports Matplotlib, which takes a second

    analysis = analyse(file, detections, skeleton)
    folder = images if images is not None and Path(images).is_dir() else None
    write_report(analysis, report, folder, numbers=numbers)
    return {**numbers.to_dict(), "errors": analysis.to_dict()}
