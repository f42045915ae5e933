"""Checks of image files, which are read completely, as in training."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from PIL import ExifTags, Image

from gog_pose.data.inspection.findings import Finding, objection
from gog_pose.data.rules import check_size
from gog_pose.errors import InputError
from gog_pose.imaging.reading import open_image, resolve_inside, to_rgb

_WIDE_PIXELS = re.compile(r";16[BLN]")  # in Pillow's names of stored pixels, which it decodes to 8 bits per channel
_SAME_FORMAT = {"MPO": "JPEG"}  # MPO is a JPEG of a phone with further pictures behind the first


class ImageJob(NamedTuple):
    """An image file to check.

    Attributes:
        image_id: COCO's id.
        path: The file, which exists.
        size: ``(H, W)`` px as annotated.
        annotations: The annotation file, for messages.
    """

    image_id: int
    path: Path
    size: tuple[int, int]
    annotations: Path


def file_jobs(images: list[dict[str, Any]], root: Path, annotations: Path) -> tuple[list[ImageJob], list[Finding]]:
    """Return the files to check, in the reader's order (by image id), and findings about missing files.

    Args:
        images: Entries of the annotation file without errors.
        root: Folder of the images.
        annotations: The annotation file.
    """
    jobs, missing = [], []
    neighbors: dict[Path, dict[str, str]] = {}  # folders with a missing file -> stems and names of their files
    for image in sorted(images, key=lambda image: int(image["id"])):
        path = resolve_inside(root, image["file_name"])
        if os.path.isfile(path):
            jobs.append(ImageJob(image["id"], path, (image["height"], image["width"]), annotations))
        else:
            if path.parent not in neighbors:
                others = path.parent.iterdir() if path.parent.is_dir() else ()
                neighbors[path.parent] = {other.stem.lower(): other.name for other in others}
            meant = neighbors[path.parent].get(path.stem.lower())
            remedy = f"but there is {meant}: correct file_name" if meant else "add it or remove its entry"
            missing.append(Finding("image missing", f"{path}: there is no such file; {remedy}", image["id"]))
    return jobs, missing


class CheckedFile(NamedTuple):
    """An image file after its check.

    Attributes:
        findings: Errors and warnings.
        digest: Digest of its pixels; None if they cannot be read.
    """

    findings: list[Finding]
    digest: bytes | None


def check_file(job: ImageJob) -> CheckedFile:
    """Read and check an image file."""
    findings = []
    try:
        with open_image(job.path) as image:
            findings += [Finding(kind, f"{job.path}: {message}", job.image_id) for kind, message in _oddities(image)]
            rotated = image.getexif().get(ExifTags.Base.Orientation, 1)
            image.load()
            pixels = to_rgb(image)
    except InputError as error:
        return CheckedFile([*findings, Finding("image corrupt", str(error), job.image_id)], None)
    pixel_hw = pixels.shape[:2]
    message = objection(check_size, job.path, pixel_hw, job.size, job.annotations)
    if message:
        if rotated in (5, 6, 7, 8) and job.size == pixel_hw[::-1]:
            message += "; the annotations fit the image as its EXIF tag rotates it: store it rotated, without the tag"
        findings.append(Finding("image size differs", message, job.image_id))
    return CheckedFile(findings, hashlib.blake2b(pixels.tobytes(), digest_size=16).digest())


def _oddities(image: Image.Image) -> Iterator[tuple[str, str]]:
    """Yield kind and message of each unusual property of an opened image."""
    stored = _SAME_FORMAT.get(str(image.format), image.format)
    suffix = Path(str(getattr(image, "filename", ""))).suffix.lower()
    if Image.registered_extensions().get(suffix) != stored:
        yield "image misnamed", f"holds {stored}; rename it"
    if image.mode == "CMYK":
        yield "CMYK", "has colors for print (CMYK); convert it to RGB"
    if image.mode.startswith("I;16") or any(_WIDE_PIXELS.search(str(tile)) for tile in getattr(image, "tile", ())):
        yield "16 bits", "has 16 bits per channel; convert it to 8 bits"
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    if orientation != 1:
        yield (
            "EXIF rotation",
            f"has EXIF orientation {orientation}; check that keypoints fit the stored pixels, then remove the tag",
        )
