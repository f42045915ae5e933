"""Writing of imported data as a COCO-format folder: images, annotations, skeleton, data configuration, report."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from gog_pose.data.importing.record import Import, Person, Picture
from gog_pose.data.rules import PERSON_RULES, check_image, outline
from gog_pose.errors import InputError
from gog_pose.imaging.reading import open_image, read_image
from gog_pose.skeleton import Skeleton
from gog_pose.system.files import PART, describe_os_error, made_folder
from gog_pose.system.progress import Progress

REPORT = "import.json"
_ORIENTATION = 0x0112  # EXIF tag
_MARGIN = 0.1  # share of the larger side added around the keypoints of a person without a box
_AREA_OF_BOX = 0.53  # share of a box that a person covers, as for annotations without an area


def write(
    found: Import,
    skeleton: Skeleton,
    said: dict[str, str],
    output: Path,
    *,
    source: Path,
    val_share: float,
    link: bool,
    progress: Progress,
) -> dict[str, Any]:
    """Write a data set; the folder appears only when it is complete.

    Args:
        found: The imported data set.
        skeleton: The skeleton of its keypoints.
        said: Descriptions of the origin of the parts of the skeleton.
        output: The folder, which must be new or empty.
        source: Path of the source, for the report.
        val_share: Share of the images that become ``val`` if the source has no such split.
        link: Link to the images instead of copying them.
        progress: Shows the number of finished images.

    Returns:
        The report, which is also written to ``import.json``.

    Raises:
        InputError: The folder is not empty or cannot be written, or no image with people remains.
    """
    check_output(output)
    parent = made_folder(output.absolute().parent, "output")
    part = Path(tempfile.mkdtemp(prefix=f"{output.name[:40]}.", suffix=PART, dir=parent))
    try:
        part.chmod(0o777 & ~_umask())
        report = _write_all(found, skeleton, said, part, output, source, val_share, link, progress)
        check_output(output)
        if output.is_dir():
            output.rmdir()
        os.rename(part, output)
    except OSError as error:
        raise InputError(f"output: {output} cannot be written: {describe_os_error(error)}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return report


def check_output(output: Path) -> None:
    """Check that the output folder is new or empty.

    Raises:
        InputError: The output is another file, a link or a folder with files.
    """
    if output.is_symlink() or (output.exists() and (not output.is_dir() or any(output.iterdir()))):
        raise InputError(f"output: {output} exists and is not empty; give a new folder, nothing is overwritten")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write_all(
    found: Import,
    skeleton: Skeleton,
    said: dict[str, str],
    folder: Path,
    output: Path,
    source: Path,
    val_share: float,
    link: bool,
    progress: Progress,
) -> dict[str, Any]:
    contents: dict[str, dict[str, Any]] = {}
    turned = 0
    names: set[tuple[str, str]] = set()
    for picture in progress(_with_splits(found, val_share), "images", len(found.pictures)):
        split = picture.split or "train"
        content = contents.setdefault(split, {"images": [], "annotations": []})
        try:
            entry, upright = _image_entry(picture, len(content["images"]) + 1)
            if (split, entry["file_name"].casefold()) in names:
                raise InputError(f"another image of the split {split} has the name {entry['file_name']}; rename one")
            target = folder / split / entry["file_name"]
            target.parent.mkdir(parents=True, exist_ok=True)
            _write_image(picture.path, target, upright, link)
        except InputError as error:
            found.leave_out(picture.path, "", error)
            continue
        turned += upright
        names.add((split, entry["file_name"].casefold()))
        content["images"].append(entry)
        size = (entry["width"], entry["height"])
        for person in picture.people:
            try:
                annotation = _annotation(person, skeleton, size, entry["id"], len(content["annotations"]) + 1)
            except InputError as error:
                found.leave_out(picture.path, person.item, error)
                continue
            content["annotations"].append(annotation)
            if "segmentation" in annotation:
                try:
                    outline(annotation, size[::-1], person.item)
                except InputError as error:
                    found.leave_out(picture.path, person.item, error)
                    del annotation["segmentation"]
    counts = {split: _counts(content) for split, content in contents.items()}
    if not any(count["labelled people"] for count in counts.values()):
        reasons = f"; the first of {len(found.left_out)} left out: {found.left_out[0]}" if found.left_out else ""
        raise InputError(f"{source}: no image with labeled people remains{reasons}")
    for split in ("train", "val"):
        if split not in contents:
            found.notes.append(f"splits: there is no {split}; set the existing split in commands (split=, data.*)")
    if turned:
        found.notes.append(f"{turned} images were rotated by their EXIF orientation and written as PNG")
    category = {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(skeleton.keypoints),
        "skeleton": [[start + 1, end + 1] for start, end in skeleton.limbs],
    }
    (folder / "annotations").mkdir()
    for split, content in contents.items():
        (folder / split).mkdir(exist_ok=True)
        text = json.dumps({**content, "categories": [category]}, separators=(",", ":"))
        (folder / "annotations" / f"person_keypoints_{split}.json").write_text(text, encoding="utf-8")
    _write_conf(folder / "conf", skeleton, said, found, output)
    report = {
        "source": str(source),
        "format": found.format,
        "name": skeleton.name,
        "counts": counts,
        "skeleton": said,
        "notes": found.notes,
        "left_out": [one._asdict() for one in found.left_out],
        "passed_over": {kind: number for kind, number in found.passed_over.items() if number},
    }
    (folder / REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def _with_splits(found: Import, val_share: float) -> list[Picture]:
    """Return the images, each with its split.

    If the source has no ``val``, the images of ``train`` and those without a split are ordered by the SHA-256 of their
    names, and the first ``round(val_share * number)`` of them, at least one of two or more, become ``val``. The result
    depends only on the names.
    """
    own = [picture for picture in found.pictures if picture.split in (None, "train")]
    chosen: set[int] = set()
    if val_share and not any(picture.split == "val" for picture in found.pictures) and len(own) > 1:
        number = min(max(1, round(val_share * len(own))), len(own) - 1)
        ordered = sorted(own, key=lambda picture: hashlib.sha256(picture.name.encode()).digest())
        chosen = {id(picture) for picture in ordered[:number]}
        found.notes.append(
            f"splits: the source has no val; {number} of {len(own)} images became val, those whose names have the"
            f" smallest SHA-256 (val_share={val_share:g})"
        )
    return [picture._replace(split="val") if id(picture) in chosen else picture for picture in found.pictures]


def _image_entry(picture: Picture, identity: int) -> tuple[dict[str, Any], bool]:
    """Return the entry of an image, and whether the file must be rotated by its EXIF orientation.

    Raises:
        InputError: The file is damaged, its size differs from that in the annotations, or its name is not valid.
    """
    with open_image(picture.path) as image:
        stored = image.size
        orientation = image.getexif().get(_ORIENTATION, 1)
    shown = stored[::-1] if orientation in (5, 6, 7, 8) else stored
    tells = picture.size is not None and shown != stored
    upright = orientation in range(2, 9) and (picture.size == shown if tells else picture.upright)
    size = shown if upright else stored
    if picture.size is not None and picture.size != size:
        raise InputError(
            f"is {size[0]}x{size[1]} px, but its annotations are for {picture.size[0]}x{picture.size[1]}; replace it"
        )
    name = str(Path(picture.name).with_suffix(".png").as_posix()) if upright else picture.name
    entry = {"id": identity, "file_name": name, "width": size[0], "height": size[1]}
    check_image(entry, "image")
    return entry, upright


def _write_image(path: Path, target: Path, upright: bool, link: bool) -> None:
    if upright:
        Image.fromarray(read_image(path, exif=True)).save(target, format="PNG")
    elif link:
        target.symlink_to(path.resolve())
    else:
        shutil.copyfile(path, target)


def _annotation(
    person: Person, skeleton: Skeleton, size: tuple[int, int], image_id: int, identity: int
) -> dict[str, Any]:
    """Return the annotation of a person.

    Raises:
        InputError: The person has neither keypoints nor a box, or a keypoint that is not in the skeleton.
    """
    unknown = [name for name in person.points if name not in skeleton.keypoints]
    if unknown:
        raise InputError(f"{', '.join(unknown)}: not among the keypoints; correct the name, or add it to keypoints=")
    flat: list[float] = []
    for name in skeleton.keypoints:
        x, y, visibility = person.points.get(name, (0, 0, 0))
        flat += (_short(x), _short(y), visibility)
    box = [_short(value) for value in person.box or _box_around(person, size)]
    annotation = {
        "id": identity,
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": 0,
        "area": _short(_AREA_OF_BOX * box[2] * box[3]),
        **person.extra,
        "bbox": box,
        "num_keypoints": len(person.points),
        "keypoints": flat,
    }
    for rule in PERSON_RULES.values():
        rule(annotation, person.item)
    return annotation


def _box_around(person: Person, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the box of the keypoints with a margin; the margin is clipped to the image, the keypoints are not."""
    if not person.points:
        raise InputError("no labeled keypoint and no box; label or remove the person")
    xs, ys = ([point[axis] for point in person.points.values()] for axis in (0, 1))
    margin = max(1.0, _MARGIN * max(max(xs) - min(xs), max(ys) - min(ys)))
    left, top = (min(min(values), max(0.0, min(values) - margin)) for values in (xs, ys))
    right, bottom = (
        max(max(values), min(float(side), max(values) + margin)) for values, side in zip((xs, ys), size, strict=True)
    )
    return left, top, right - left, bottom - top


def _short(value: float) -> float:
    """Round a number to four decimals; return whole numbers as integers, which are shorter in JSON."""
    rounded = round(value, 4)
    return int(rounded) if math.isfinite(rounded) and rounded == int(rounded) else rounded


def _counts(content: dict[str, Any]) -> dict[str, int]:
    people = content["annotations"]
    return {
        "images": len(content["images"]),
        "people": len(people),
        "labelled people": sum(one["num_keypoints"] > 0 for one in people),
        "labelled keypoints": sum(one["num_keypoints"] for one in people),
    }


def _write_conf(conf: Path, skeleton: Skeleton, said: dict[str, str], found: Import, output: Path) -> None:
    lines = [f"# Imported by gog-import-data from {found.format}."]
    lines += [f"# {part}: {_comment(said[part])}" for part in ("limbs", "flip_pairs", "oks_sigmas")]
    lines += ["_target_: gog_pose.skeleton.Skeleton", f"name: {json.dumps(skeleton.name)}"]
    for part in ("keypoints", "limbs", "flip_pairs", "oks_sigmas"):
        lines.append(f"{part}: {_listed(getattr(skeleton, part))}")
    _write_lines(conf / "skeleton" / f"{skeleton.name}.yaml", lines)
    root = _listed([str(output.resolve())])[1:-1]
    lines = [
        f"# Imported by gog-import-data from {found.format}; together with skeleton={skeleton.name}.",
        "defaults:",
        "  - folder",
        f"root: {root}   # change it when the folder moves",
    ]
    _write_lines(conf / "data" / f"{skeleton.name}.yaml", lines)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _listed(values: Sequence[Any]) -> str:
    """Return a list as JSON, which is also YAML, with ``${`` escaped for OmegaConf."""
    return json.dumps(list(values), ensure_ascii=False).replace("${", "\\\\${")


def _comment(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
