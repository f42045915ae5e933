"""The inspection of one split: annotations, files, statistics, pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gog_pose.data.coco import CocoKeypoints
from gog_pose.data.datamodule import PoseDataModule
from gog_pose.data.inspection.annotations import check_annotations, without_refused
from gog_pose.data.inspection.files import ImageJob, check_file, file_jobs
from gog_pose.data.inspection.findings import Finding
from gog_pose.data.inspection.preview import choose, training_sheet, validation_sheet
from gog_pose.data.inspection.statistics import summarise_split

# Applies a function to the files, with whatever processes and progress bar.
Mapper = Callable[[Callable[[ImageJob], list[Finding]], Sequence[ImageJob]], Iterable[list[Finding]]]


class SplitReport(NamedTuple):
    """What the inspection of a split found.

    Attributes:
        findings: All that is wrong.
        statistics: Of what the reader takes; None where it takes nothing.
        sheets: Pictures by file name, ``(H, W, 3)`` uint8 RGB.
        files_read: How many image files were read.
    """

    findings: list[Finding]
    statistics: dict[str, Any] | None
    sheets: dict[str, np.ndarray]
    files_read: int


def inspect_split(
    data: PoseDataModule,
    split: str,
    *,
    sound_file: Path,
    read_images: bool,
    limit: int | None,
    previews: int,
    map_files: Mapper,
) -> SplitReport:
    """Check a split and draw what would be taught from it.

    Args:
        data: Says where the split lies and how it is loaded.
        split: Name of the split.
        sound_file: Where the annotation file goes without the images of which the reader refuses anything, if any.
        read_images: Whether to look at image files at all; without, there are no pictures.
        limit: Read only the first so many image files, by id; annotations are all checked.
        previews: Samples a picture.
        map_files: Runs the checks of files.
    """
    path, root, skeleton = data.annotations(split), data.image_folder(split), data.encoder.skeleton
    checked = check_annotations(path, root, skeleton)
    findings = list(checked.findings)
    read: list[ImageJob] = []
    has_images = read_images and root.is_dir()
    if has_images:
        jobs, missing = file_jobs(checked.images, root, path)
        read = jobs[:limit]
        findings += missing + [finding for own in map_files(check_file, read) for finding in own]
    elif read_images:
        findings.append(Finding("image folder missing", f"{root}: no such folder of images; check data.root"))
    if checked.content is None:
        return SplitReport(findings, None, {}, len(read))

    content = without_refused(checked.content, findings)
    if any(len(content[entries]) < len(checked.content[entries]) for entries in ("images", "annotations")):
        sound_file.write_text(json.dumps(content), encoding="utf-8")
        path = sound_file
    images = CocoKeypoints(path, root if has_images else None, skeleton.num_keypoints)
    if not len(images.with_labelled_people()):
        findings.append(Finding("nobody labelled", f"{path}: no image that can be used has a labelled person"))
    statistics = summarise_split(images, skeleton, data.preprocessing.long_side)
    sheets = {}
    if has_images and previews:
        draw = training_sheet if split == data.train_split else validation_sheet
        usable = np.isin(images.image_ids, [job.image_id for job in read])
        for name, with_ignored in ((f"{split}.png", False), (f"{split}_ignored.png", True)):
            chosen = choose(images, previews, usable, with_ignored=with_ignored)
            if chosen:
                sheets[name] = draw(data, images, chosen)
    return SplitReport(findings, statistics, sheets, len(read))
