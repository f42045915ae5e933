"""Roboflow's COCO export: ``_annotations.coco.json`` in the folder of each split, beside its images.

Format: https://roboflow.com/formats/coco-keypoint. The content is in COCO format. Category 0 is a group without
keypoints, and an export of a single split is a folder ``train``.
"""

from __future__ import annotations

from pathlib import Path

from gog_pose.data.importing.coco import ROBOFLOW_FILE, read_files
from gog_pose.data.importing.record import Import, Options


def find(source: Path) -> list[Path]:
    """Return the annotation files of a source."""
    if source.is_file():
        return [source] if source.name == ROBOFLOW_FILE else []
    return sorted(source.rglob(ROBOFLOW_FILE))


def read(source: Path, options: Options) -> Import:
    """Read a data set.

    Raises:
        InputError: There is no readable file, or the files have different keypoints.
    """
    found = Import("roboflow")
    read_files([(file, file.resolve().parent.name) for file in find(source)], options, found, source)
    return found
