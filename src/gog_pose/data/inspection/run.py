"""Inspection of a COCO-format data set, for ``gog-inspect`` and notebooks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gog_pose.data.datamodule import PoseDataModule
from gog_pose.data.inspection.findings import Finding
from gog_pose.data.inspection.split import SplitReport, inspect_split
from gog_pose.imaging.writing import write_picture
from gog_pose.system.files import made_folder
from gog_pose.system.progress import Progress, silent


def inspect(
    data: PoseDataModule,
    output: str | Path,
    *,
    splits: Sequence[str] = ("train", "val"),
    read_images: bool = True,
    limit: int | None = None,
    previews: int = 12,
    workers: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Check the splits of a data set and draw pictures of their samples with targets.

    Args:
        data: Paths and loading options of the data set.
        output: Output folder. Its files are ``<split>.png``, samples as training and validation load them,
            ``<split>_ignored.png``, samples with people who are not supervised, and ``<split>_sound.json``, the
            annotations without the images that the reader refuses, if there are any.
        splits: ``train``, ``val``, or both.
        read_images: Whether to read image files; without them there are no pictures.
        limit: Largest number of image files to read per split, the first ones by id; all annotations are checked.
        previews: Samples per picture.
        workers: Processes that read images; 0 = only this process.
        progress: Wraps the loop over the image files of a split.

    Returns:
        ``errors`` and ``warnings``, numbers of findings; ``findings``; ``statistics`` and ``files_read`` per split;
        ``pictures``, names of files.
    """
    folder = made_folder(output, "output")
    reports = {
        split: inspect_split(
            data,
            split,
            sound_file=folder / f"{split}_sound.json",
            read_images=read_images,
            limit=limit,
            previews=previews,
            workers=workers,
            progress=progress,
        )
        for split in map(data.layout.name, splits)
    }
    for split, report in reports.items():
        report.findings.extend(_shared_images(split, reports))
        for name, sheet in report.sheets.items():
            write_picture(folder / name, sheet)
    findings = [_entry(split, finding) for split, report in reports.items() for finding in report.findings]
    errors = sum(finding["severity"] == "error" for finding in findings)
    return {
        "errors": errors,
        "warnings": len(findings) - errors,
        "findings": findings,
        "statistics": {split: report.statistics for split, report in reports.items()},
        "files_read": {split: report.files_read for split, report in reports.items()},
        "pictures": [name for report in reports.values() for name in report.sheets],
    }


def _shared_images(split: str, reports: Mapping[str, SplitReport]) -> Iterator[Finding]:
    """Find images of a split that are also in an earlier split."""
    own = reports[split].digests
    for before in itertools.takewhile(lambda name: name != split, reports):
        for digest in own.keys() & reports[before].digests.keys():
            other = reports[before].digests[digest]
            message = f"{own[digest].path}: is the same image as {other.path} of {before}; keep it in only one split"
            yield Finding("image in two splits", message, own[digest].image_id)


def _entry(split: str, finding: Finding) -> dict[str, Any]:
    """Return a finding in the format of the results."""
    return {"split": split, "severity": "error" if finding.is_error else "warning", **finding._asdict()}
