"""Import of annotations: detection of the format, reading, and writing of a COCO-format folder."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from gog_pose.data.importing import coco, cvat, label_studio, labelme, mpii, roboflow, yolo
from gog_pose.data.importing.known import in_known_order
from gog_pose.data.importing.record import Import, Options
from gog_pose.data.importing.skeletons import make_skeleton
from gog_pose.data.importing.writing import check_output, write
from gog_pose.errors import InputError
from gog_pose.system.progress import Progress, silent

_MOST_KEYPOINTS = 1000

# Each module has find(source), which returns the files that it would read, and read(source, options).
FORMATS: dict[str, ModuleType] = {
    "yolo": yolo, "roboflow": roboflow, "coco": coco, "cvat": cvat, "label_studio": label_studio, "mpii": mpii,
    "labelme": labelme,
}  # fmt: skip


def import_data(
    source: str | Path,
    output: str | Path,
    *,
    format: str = "auto",
    name: str,
    options: Options | None = None,
    val_share: float = 0.1,
    link: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Import annotations and their images.

    Args:
        source: File or folder exported by another program.
        output: Output folder, new or empty.
        format: One of ``FORMATS``, or ``auto``.
        name: Name of the skeleton and the data set in ``conf/``.
        options: Options that describe the source.
        val_share: Share of the images that become ``val`` if the source has no such split.
        link: Link to the images instead of copying them.
        progress: Shows the number of finished images.

    Returns:
        The report: counts by split, origin of the skeleton, items left out and passed over.

    Raises:
        InputError: The format of the source is unknown, the source is empty, or the output cannot be written.
    """
    source, output, options = Path(source), Path(output), options or Options()
    if not source.exists():
        raise InputError(f"source: {source} does not exist; check the path")
    if options.images is not None and not options.images.is_dir():
        raise InputError(f"images: {options.images} is not a folder; give images=DIR")
    check_output(output)
    found = FORMATS[_chosen(source, format)].read(source, options)
    _check_found(found, source, options)
    skeleton, said = make_skeleton(found, name)
    return write(
        found, skeleton, said, output, source=source, val_share=val_share, link=link, progress=progress
    )  # fmt: skip


def _chosen(source: Path, format: str) -> str:
    """Return the name of the format of a source."""
    if format != "auto":
        if format not in FORMATS:
            raise InputError(f"format: {format!r} is unknown; choose auto, {', '.join(FORMATS)}")
        return format
    likely = [name for name, module in FORMATS.items() if name != "labelme" and module.find(source)]
    if not likely and labelme.find(source):  # last, because it searches all folders
        likely = ["labelme"]
    if len(likely) != 1:
        seen = f"could be {' or '.join(likely)}" if likely else "is of no known format"
        raise InputError(f"source: {source} {seen}; choose format=NAME from {', '.join(FORMATS)}")
    return likely[0]


def _check_found(found: Import, source: Path, options: Options) -> None:
    if not found.keypoints:
        raise InputError(f"{source}: no labeled keypoints were found as {found.format}; choose another format=NAME")
    if len(found.keypoints) > _MOST_KEYPOINTS:
        raise InputError(f"{source}: {len(found.keypoints)} keypoints are more than {_MOST_KEYPOINTS}; correct it")
    for name in found.keypoints:
        if not name.isprintable():
            raise InputError(f"{source}: the keypoint name {name!a} is not printable text; correct it")
    if options.keypoints is None and found.format in ("label_studio", "labelme", "cvat") and found.limbs is None:
        # in these formats, keypoints are in the order of drawing or of their first occurrence
        found.keypoints = in_known_order(found.keypoints)
