"""Checks of an annotation file, entry by entry."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gog_pose.data.annotation_file import read_coco_lists
from gog_pose.data.inspection.findings import REFUSED, Finding, objection
from gog_pose.data.inspection.suspicions import LabeledPerson, skeleton_suspicions, suspicions
from gog_pose.data.outlines import encloses
from gog_pose.data.rules import (
    PERSON_RULES,
    check_category,
    check_image,
    check_reference,
    complete,
    flat_keypoints,
    is_supervised,
    keypoint_categories,
    outline,
)
from gog_pose.errors import InputError
from gog_pose.imaging.reading import resolve_inside
from gog_pose.skeleton import Skeleton

# Every labeled person of COCO val2017 is within both limits, although COCO's boxes enclose only visible parts.
_FAR_OUTSIDE = 0.5  # largest distance of a keypoint from its box, in longer sides of the box
_LEAST_AREA = 0.05  # least area of a person, as share of its box
_ROUNDING = 1.0  # px by which boxes and keypoints may leave an image


class CheckedAnnotations(NamedTuple):
    """An annotation file after its check.

    Attributes:
        findings: Errors and warnings.
        images: The entries of images whose files can be checked.
        content: The whole content of the file; None if it cannot be used.
    """

    findings: list[Finding]
    images: list[dict[str, Any]]
    content: dict[str, Any] | None


class _Checks(NamedTuple):
    """Input of the checks of all entries: the file, the skeleton, and the options of the reader."""

    path: Path
    skeleton: Skeleton
    min_area: float


def check_annotations(
    path: Path,
    image_root: Path,
    skeleton: Skeleton,
    *,
    category: Any = None,
    min_area: float = 0,
) -> CheckedAnnotations:
    """Check all entries of an annotation file, but no image files.

    Args:
        path: The JSON file.
        image_root: Folder that file names must not leave.
        skeleton: The expected keypoints.
        category: As in ``AnnotationFile.of``.
        min_area: As in ``CocoKeypoints``.
    """
    checks = _Checks(path, skeleton, min_area)
    try:
        content = read_coco_lists(path)
    except InputError as error:
        return CheckedAnnotations([Finding("annotations unreadable", str(error))], [], None)
    findings: list[Finding] = []
    images = _known_images(content["images"], checks, image_root, findings)
    categories: dict[int, str] | None = None
    try:
        categories = keypoint_categories(content, path, category)
        findings += _category_findings(content["categories"], categories, checks)
    except InputError as error:
        findings.append(Finding("category absent", str(error)))
    findings += skeleton_suspicions(skeleton)
    people: list[LabeledPerson] = []
    findings += _annotation_list_findings(content, categories, checks, people)
    findings += suspicions(people, skeleton)
    return CheckedAnnotations(findings, images, None if categories is None else content)


def without_refused(content: dict[str, Any], findings: Iterable[Finding]) -> dict[str, Any]:
    """Return the part of an annotation file that the reader accepts.

    An image is removed with all its people if the reader refuses any of them, because training would treat a person
    without annotation as background.

    Args:
        content: Content of the file.
        findings: All findings about it.
    """
    refused = {None, *(finding.image_id for finding in findings if finding.kind in REFUSED)}
    images = {_id(image): image for image in content["images"] if _id(image) not in refused}
    people = [entry for entry in content["annotations"] if _image_id(entry) in images]
    return {**content, "images": list(images.values()), "annotations": people}


def _known_images(
    entries: list[Any], checks: _Checks, image_root: Path, findings: list[Finding]
) -> list[dict[str, Any]]:
    """Return the image entries without errors; all entries with a repeated id are left out, because it is ambiguous."""
    known = []
    repeated = _repeated(entries, "id")
    files = _repeated(entries, "file_name")
    for place, image in enumerate(entries):
        where = f"{checks.path}: images[{place}]"
        message = objection(check_image, image, where)
        if message:
            findings.append(Finding("image entry malformed", message, _id(image)))
            continue
        image_id, name = image["id"], image["file_name"]
        if name in files:
            message = f"{where}.file_name: {name!r} is listed {files[name]} times; keep one entry"
            findings.append(Finding("image listed twice", message, image_id))
        message = objection(resolve_inside, image_root, name)
        if message:
            findings.append(Finding("path leaves the folder", message, image_id))
        elif image_id in repeated:
            message = f"{where}.id: {repeated[image_id]} images have the id {image_id}; give each a unique id"
            findings.append(Finding("image id repeated", message, image_id))
        else:
            known.append(image)
    return known


def _category_findings(entries: list[dict[str, Any]], categories: dict[int, str], checks: _Checks) -> Iterator[Finding]:
    """Compare the keypoint names of the people's categories with those of the skeleton."""
    for place, entry in enumerate(entries):
        names = entry.get("keypoints")
        if _id(entry) in categories and isinstance(names, list) and names:
            yield from _name_findings(names, f"{checks.path}: categories[{place}].keypoints:", checks.skeleton)


def _name_findings(names: list[Any], where: str, skeleton: Skeleton) -> Iterator[Finding]:
    theirs, ours = [_plain(name) for name in names], [_plain(name) for name in skeleton.keypoints]
    if len(theirs) != len(ours):
        yield Finding(
            "category keypoints differ",
            f"{where} {len(theirs)} names, but the skeleton {skeleton.name} has {len(ours)}; choose another skeleton",
        )
    elif theirs != ours:
        pairs = [f"{a} is {b}" for a, b in zip(names, skeleton.keypoints, strict=True) if _plain(a) != _plain(b)]
        told = f"{', '.join(pairs[:3])}{' ...' if len(pairs) > 3 else ''} in the skeleton {skeleton.name}"
        if sorted(theirs) == sorted(ours):
            yield Finding("category keypoints differ", f"{where} in another order: {told}; adapt it to the file")
        else:
            yield Finding("category keypoint names", f"{where} {told}; check that they mean the same")


def _annotation_list_findings(
    content: dict[str, Any], people: dict[int, str] | None, checks: _Checks, sound: list[LabeledPerson]
) -> Iterator[Finding]:
    """Check all annotations; if the categories of people are unknown, check all as people.

    Args:
        content: The lists of the file.
        people: The categories of people; None = unknown.
        checks: Common input of the checks.
        sound: List to which labeled people that the reader accepts are added.
    """
    sizes = {
        image["id"]: (image["height"], image["width"])
        for image in content["images"]
        if not objection(check_image, image, "")
    }
    listed = {_id(image) for image in content["images"]}
    categories = {_id(entry) for entry in content["categories"]}
    repeated = _repeated(content["annotations"], "id")
    for place, entry in enumerate(content["annotations"]):
        where = f"{checks.path}: annotations[{place}]"
        if message := objection(check_category, entry, where):
            yield _about(entry, "annotation malformed", message)
            continue
        if (count := repeated.get(_id(entry), 0)) > 1:
            message = f"{where}.id: {count} annotations have the id {_id(entry)}; give each a unique id"
            yield _about(entry, "annotation id repeated", message)
        if entry["category_id"] not in categories:
            message = f"{where}.category_id: no category has the id {entry['category_id']}"
            yield _about(entry, "category unknown", f"{message}; add it or correct the annotation")
        if people is None or entry["category_id"] in people:
            refused = list(_refusals(entry, where, listed))
            yield from refused
            if not refused and entry["image_id"] in sizes:
                person = complete(dict(entry))  # a copy, so that the file's entries are not changed
                yield from _person_findings(entry, person, where, sizes[entry["image_id"]], checks, sound)


def _refusals(entry: dict[str, Any], where: str, listed: set[int | None]) -> Iterator[Finding]:
    """Yield the reasons for which the reader refuses a person."""
    for kind, rule in PERSON_RULES.items():
        if message := objection(rule, entry, where):
            yield _about(entry, kind, message)
            if kind == "annotation malformed":  # the other rules need the missing fields
                return
    if message := objection(check_reference, entry, where, listed):
        yield _about(entry, "image unknown", message)


def _person_findings(
    entry: dict[str, Any],
    person: dict[str, Any],
    where: str,
    size: tuple[int, int],
    checks: _Checks,
    sound: list[LabeledPerson],
) -> Iterator[Finding]:
    """Check a person that follows the rules.

    Args:
        entry: The entry in the file.
        person: The result of ``complete`` for this entry.
        where: File and index of the entry.
        size: ``(H, W)`` px of the image.
        checks: Common input of the checks.
        sound: List to which the person is added if it is labeled.
    """
    skeleton = checks.skeleton
    yield from _outline_findings(person, where, size, is_supervised(person, checks.min_area))
    yield from _box_findings(person, where, size)
    message = objection(flat_keypoints, person, skeleton.num_keypoints, where)
    if message:
        yield _about(person, "keypoint count wrong", message)
        return
    keypoints = np.array(flat_keypoints(person, skeleton.num_keypoints, where), dtype=np.float64).reshape(-1, 3)
    yield from _keypoint_findings(person, where, size, keypoints, skeleton)
    labelled = keypoints[keypoints[:, 2] > 0, :2]
    if len(labelled) and person["iscrowd"]:
        yield _about(
            person, "crowd with keypoints", f"{where}: iscrowd is 1, but {len(labelled)} keypoints are labeled"
        )
    elif len(labelled):
        yield from _size_findings(entry, where, labelled)
        box = np.array(person["bbox"], dtype=np.float64)
        sound.append(LabeledPerson(where, person["image_id"], _id(person), size, box, person["area"], keypoints))


def _outline_findings(person: dict[str, Any], where: str, size: tuple[int, int], supervised: bool) -> Iterator[Finding]:
    """Check the outline of a person; the reader does not need that of a supervised person."""
    if not person.get("segmentation"):
        return
    message = objection(outline, person, size, where)
    if message:
        yield _about(person, "outline not read" if supervised else "outline malformed", message)
    elif not supervised and not encloses(outline(person, size, where), size):
        message = f"{where}.segmentation: encloses no pixels of the image; correct or remove it"
        yield _about(person, "outline without area", message)


def _box_findings(person: dict[str, Any], where: str, size: tuple[int, int]) -> Iterator[Finding]:
    x, y, width, height = person["bbox"]
    beyond = max(-x, -y, x + width - size[1], y + height - size[0])
    if beyond > _ROUNDING:
        message = (
            f"{where}.bbox: {_short(person['bbox'])} leaves the image of {size[1]}x{size[0]} px by {beyond:.1f} px"
        )
        yield _about(person, "box outside the image", message)


def _keypoint_findings(
    person: dict[str, Any], where: str, size: tuple[int, int], keypoints: np.ndarray, skeleton: Skeleton
) -> Iterator[Finding]:
    """Compare keypoints with the size of the image, with COCO's visibilities and with ``num_keypoints``.

    Args:
        person: The annotation.
        where: File and index of the annotation.
        size: ``(H, W)`` px of its image.
        keypoints: ``(K, 3)`` px of the image, and visibility.
        skeleton: Names of the keypoints.
    """
    labelled = keypoints[:, 2] > 0
    beyond = np.maximum(-keypoints[:, :2], keypoints[:, :2] - (size[1], size[0])).max(axis=1)
    outside = np.flatnonzero(labelled & (beyond > _ROUNDING))
    if len(outside):
        told = ", ".join(f"{skeleton.keypoints[index]} {_short(keypoints[index, :2])}" for index in outside[:3])
        message = f"{where}.keypoints: {len(outside)} outside the image of {size[1]}x{size[0]} px: {told}"
        yield _about(person, "keypoint outside the image", message)
    unusual = sorted(set(keypoints[:, 2].tolist()) - {0.0, 1.0, 2.0})
    if unusual:
        yield _about(person, "visibility unusual", f"{where}.keypoints: visibility {_short(unusual)} is not 0, 1 or 2")
    count, told_count = int(labelled.sum()), person["num_keypoints"]
    if told_count != count:
        kind = "num_keypoints differs" if told_count or person["iscrowd"] else "labelled but not counted"
        yield _about(person, kind, f"{where}.num_keypoints: is {told_count}, but {count} keypoints are labeled")


def _size_findings(person: dict[str, Any], where: str, labelled: np.ndarray) -> Iterator[Finding]:
    """Compare box and area of a person with its labeled keypoints, ``(N, 2)`` px."""
    x, y, width, height = person["bbox"]
    if width <= 0 or height <= 0:
        yield _about(person, "box without area", f"{where}.bbox: {_short(person['bbox'])} has no area; correct it")
        return
    beyond = float(np.maximum((x, y) - labelled, labelled - (x + width, y + height)).max())
    if beyond > _FAR_OUTSIDE * max(width, height):
        message = f"{where}: a keypoint is {beyond:.0f} px outside the box {_short(person['bbox'])}"
        yield _about(person, "box contradicts keypoints", message)
    share = person.get("area", width * height) / (width * height)
    if share <= 0:
        yield _about(
            person, "area not positive", f"{where}.area: {person['area']} is not positive; correct or remove it"
        )
    elif not _LEAST_AREA <= share <= 1 + _ROUNDING / min(width, height):
        message = f"{where}.area: {person['area']:.0f} px^2 are {share:.0%} of the box {_short(person['bbox'])}"
        yield _about(person, "area contradicts box", message)


def _about(annotation: Any, kind: str, message: str) -> Finding:
    return Finding(kind, message, _image_id(annotation), _id(annotation))


def _id(entry: Any, field: str = "id") -> int | None:
    value = entry.get(field) if isinstance(entry, dict) else None
    return value if type(value) is int else None


def _image_id(annotation: Any) -> int | None:
    return _id(annotation, "image_id")


def _repeated(entries: list[Any], field: str) -> dict[Any, int]:
    """Return the values of a field that occur in several entries, and the number of entries of each."""
    values = (entry.get(field) for entry in entries if isinstance(entry, dict))
    counts = Counter(value for value in values if isinstance(value, (int, str)))
    return {value: count for value, count in counts.items() if count > 1}


def _plain(name: Any) -> str:
    """Return a keypoint name in lower case, with underscores for hyphens and spaces."""
    return re.sub(r"[\s_-]+", "_", str(name).strip().lower())


def _short(values: Any) -> str:
    return "[" + ", ".join(f"{float(value):.6g}" for value in values) + "]"
