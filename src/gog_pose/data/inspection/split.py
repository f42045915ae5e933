"""Inspection of one split: annotations, files, statistics, pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gog_pose.data.annotation_file import AnnotationFile
from gog_pose.data.annotations import CocoKeypoints
from gog_pose.data.datamodule import PoseDataModule
from gog_pose.data.inspection.annotations import check_annotations, without_refused
from gog_pose.data.inspection.files import ImageJob, check_file, file_jobs
from gog_pose.data.inspection.findings import Finding
from gog_pose.data.inspection.preview import choose, training_sheet, validation_sheet
from gog_pose.data.inspection.statistics import summarize_split
from gog_pose.system.files import write_whole
from gog_pose.system.processes import map_in_processes
from gog_pose.system.progress import Progress, silent


class SplitReport(NamedTuple):
    """The result of the inspection of a split.

    Attributes:
        findings: All errors and warnings.
        statistics: Statistics of the images that the reader accepts; None if the annotations cannot be used.
        sheets: Pictures by file name, ``(H, W, 3)`` uint8 RGB.
        files_read: Number of image files that were read.
        digests: Digest of pixels -> image file; the first one of files with the same image.
    """

    findings: list[Finding]
    statistics: dict[str, Any] | None
    sheets: dict[str, np.ndarray]
    files_read: int
    digests: dict[bytes, ImageJob]


def inspect_split(
    data: PoseDataModule,
    split: str,
    *,
    sound_file: Path,
    read_images: bool,
    limit: int | None,
    previews: int,
    workers: int = 0,
    progress: Progress = silent,
) -> SplitReport:
    """Check a split and draw pictures of its samples with targets.

    Args:
        data: Paths and loading options of the data set.
        split: Name of the split.
        sound_file: Output file of the annotations without the images that the reader refuses, if there are any.
        read_images: Whether to read image files; without them there are no pictures.
        limit: Largest number of image files to read, the first ones by id; all annotations are checked.
        previews: Samples per picture.
        workers: Processes that read images; 0 = only this process.
        progress: Wraps the loop over the image files.
    """
    path, root, skeleton = data.layout.annotation_file(split), data.layout.image_folder(split), data.encoder.skeleton
    min_area = data.min_area if split == data.layout.train_split else 0
    checked = check_annotations(path, root, skeleton, category=data.layout.category, min_area=min_area)
    findings = list(checked.findings)
    read: list[ImageJob] = []
    digests: dict[bytes, ImageJob] = {}
    has_images = read_images and root.is_dir()
    if has_images:
        jobs, missing = file_jobs(checked.images, root, path)
        read = jobs[:limit]
        checks = map_in_processes(check_file, read, min(workers, len(read)))
        findings += missing
        for job, image in zip(read, progress(checks, f"reading {split}", len(read)), strict=True):
            findings += image.findings
            first = job if image.digest is None else digests.setdefault(image.digest, job)
            if first.path != job.path:
                message = f"{job.path}: is the same image as {first.path}; remove one"
                findings.append(Finding("image stored twice", message, job.image_id))
    elif read_images:
        findings.append(Finding("image folder missing", f"{root}: no such folder of images; check data.root"))
    if checked.content is None:
        return SplitReport(findings, None, {}, len(read), digests)

    content = without_refused(checked.content, findings)
    if any(len(content[entries]) < len(checked.content[entries]) for entries in ("images", "annotations")):
        write_whole(sound_file, json.dumps(content).encode())
        path = sound_file
    file = AnnotationFile.checked(content, path, data.layout.category)
    images = CocoKeypoints(file, root if has_images else None, skeleton.num_keypoints)
    if not len(images.with_labelled_people()):
        findings.append(Finding("nobody labelled", f"{path}: no usable image has a labeled person"))
    statistics = summarize_split(images, skeleton, data.preprocessing.long_side)
    sheets = {}
    if has_images and previews:
        draw = training_sheet if split == data.layout.train_split else validation_sheet
        usable = np.isin(images.image_ids, [job.image_id for job in read])
        for name, with_ignored in ((f"{split}.png", False), (f"{split}_ignored.png", True)):
            chosen = choose(images, previews, usable, with_ignored=with_ignored)
            if chosen:
                sheets[name] = draw(data, images, chosen)
    return SplitReport(findings, statistics, sheets, len(read), digests)
