"""COCO keypoints as exported by CVAT: ``annotations/person_keypoints_<subset>.json`` beside ``images/<subset>/``.

Formats: https://cocodataset.org/#format-data and
https://docs.cvat.ai/docs/dataset_management/formats/format-coco-keypoints/. Keypoints are in px, visibility is 0, 1
or 2, and indices in ``skeleton`` of the category start at 1. JSON files may have other names, and images may be in
``<subset>/``, in ``images/`` or beside the file.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gog_pose.data.annotation_file import read_coco_lists
from gog_pose.data.importing.reading import files_named, find_image, load_json
from gog_pose.data.importing.record import Import, Options, Person, Picture, only, split_named
from gog_pose.data.rules import PERSON_RULES, check_category, check_image, complete, flat_keypoints, keypoint_categories
from gog_pose.errors import InputError

ROBOFLOW_FILE = "_annotations.coco.json"
_PREFIXES = ("person_keypoints_", "instances_", "keypoints_")
_KEPT = ("area", "iscrowd", "segmentation")


def find(source: Path) -> list[Path]:
    """Return the JSON files of a source that have COCO's lists."""
    if source.is_dir():
        files = [*sorted(source.glob("annotations/*.json")), *sorted(source.glob("*.json"))]
    else:
        files = files_named(source, ".json")
    return [path for path in files if path.name != ROBOFLOW_FILE and _has_lists(path)]


def read(source: Path, options: Options) -> Import:
    """Read a data set: all files with COCO's lists and a category with keypoints.

    Raises:
        InputError: There is no such file, or the files have different keypoints.
    """
    found = Import("coco")
    files = [(path, subset_of(path)) for path in find(source)]
    read_files(files, options, found, source)
    return found


def read_files(files: Sequence[tuple[Path, str]], options: Options, found: Import, source: Path) -> None:
    """Read COCO-format files, given with the names of their subsets, into one record."""
    named: list[tuple[str, ...]] = []
    for file, subset in files:
        try:
            content = read_coco_lists(file)
            categories = keypoint_categories(content, file, options.category)
        except InputError as error:
            found.leave_out(file, "", error)
            continue
        names = _keypoints(content, categories, file, options, found)
        if not names:
            found.passed_over["files without keypoints"] += 1
            continue
        named.append(names)
        found.keypoints = names
        _read_content(content, categories, file, subset, options, found)
    if not named:
        reasons = "".join(f"; {one}" for one in found.left_out[:1])
        raise InputError(f"{source}: no readable COCO file with keypoints{reasons}")
    only((", ".join(names) for names in named), f"{source}: keypoints of the files")


def subset_of(path: Path) -> str:
    """Return the name of the subset in a file name."""
    stem = path.stem
    for prefix in _PREFIXES:
        stem = stem.removeprefix(prefix)
    return stem


def _has_lists(path: Path) -> bool:
    try:
        content = load_json(path)
    except InputError:
        return False
    return isinstance(content, dict) and all(isinstance(content.get(key), list) for key in ("images", "categories"))


def _keypoints(
    content: Mapping[str, Any], categories: Mapping[int, str], file: Path, options: Options, found: Import
) -> tuple[str, ...]:
    """Return the names of the keypoints, and store the limbs in ``found``."""
    entries = [entry for entry in content["categories"] if entry.get("id") in list(categories)]
    lists = [entry.get("keypoints") for entry in entries]
    names: tuple[str, ...] = ()
    if all(isinstance(own, list) and own for own in lists):
        only((", ".join(map(str, own)) for own in lists), f"{file}: keypoints of the categories")
        names = tuple(map(str, lists[0]))
    else:  # some programs write no names
        lengths = Counter(len(own) for one in content["annotations"] if (own := _flat(one)) is not None)
        if not lengths or lengths.most_common(1)[0][0] == 0:
            return ()
        names = options.numbered(lengths.most_common(1)[0][0] // 3)
        found.notes.append(f"keypoint names: not in {file.name}; numbered (set names with keypoints=[NAME, ...])")
    if options.keypoints is not None:
        names = options.numbered(len(names))
    limbs = entries[0].get("skeleton")
    if isinstance(limbs, list) and limbs:
        pairs = [pair for pair in limbs if _is_limb(pair, len(names))]
        if len(pairs) < len(limbs):
            found.notes.append(
                f"skeleton: {len(limbs) - len(pairs)} pairs of {file.name} are not two keypoint indices: left out"
            )
        found.limbs = [(names[start - 1], names[end - 1]) for start, end in pairs] or None
    return names


def _flat(annotation: Any) -> list[Any] | None:
    own = annotation.get("keypoints") if isinstance(annotation, dict) else None
    return own if isinstance(own, list) else None


def _is_limb(pair: Any, count: int) -> bool:
    return (
        isinstance(pair, list)
        and len(pair) == 2
        and all(type(end) is int and 1 <= end <= count for end in pair)
        and pair[0] != pair[1]
    )


def _read_content(
    content: Mapping[str, Any], categories: Mapping[int, str], file: Path, subset: str, options: Options, found: Import
) -> None:
    people: dict[Any, list[Person]] = defaultdict(list)
    for place, annotation in enumerate(content["annotations"]):
        item = f"annotations[{place}]"
        try:
            check_category(annotation, item)
            if annotation["category_id"] not in categories:
                found.passed_over["annotations of other categories"] += 1
                continue
            people[_image_id(annotation)].append(_person(annotation, item, found.keypoints))
        except InputError as error:
            found.leave_out(file, item, error)
    folders = _folders(file, subset, options)
    seen: set[int] = set()
    for place, image in enumerate(content["images"]):
        item = f"images[{place}]"
        try:
            check_image(image, item)
            if image["id"] in seen:
                raise InputError("its id repeats; give each image a unique id")
            seen.add(image["id"])
            own = people.pop(image["id"], [])
            path, name = _find(folders, image["file_name"])
        except InputError as error:
            found.leave_out(file, item, error)
            continue
        size = (image["width"], image["height"])
        found.pictures.append(Picture(path, name, split_named(subset), own, False, size))
    for missing, own in people.items():
        if missing not in seen:
            for person in own:
                found.leave_out(file, person.item, f"image_id: no image has the id {missing!r:.40}; add the image")


def _image_id(annotation: Any) -> Any:
    identity = annotation.get("image_id") if isinstance(annotation, dict) else None
    if type(identity) is not int:
        raise InputError("image_id: must be a whole number; correct or remove the annotation")
    return identity


def _person(annotation: dict[str, Any], item: str, names: Sequence[str]) -> Person:
    for rule in PERSON_RULES.values():
        rule(annotation, item)
    flat = flat_keypoints(complete(dict(annotation)), len(names), item)
    if not set(flat[2::3]) <= {0, 1, 2}:
        raise InputError("keypoints: visibility must be 0, 1 or 2; correct it")
    triples = zip(names, flat[0::3], flat[1::3], flat[2::3], strict=True)
    points = {name: (float(x), float(y), int(v)) for name, x, y, v in triples if v > 0}
    x, y, width, height = (float(value) for value in annotation["bbox"])
    extra = {key: annotation[key] for key in _KEPT if annotation.get(key) not in (None, [])}
    return Person(item, points, (x, y, width, height), extra)


def _folders(file: Path, subset: str, options: Options) -> list[Path]:
    """Return the folders that may contain the images of a file, the most likely first."""
    if options.images is not None:
        return [options.images / subset, options.images]
    roots = [file.parent.parent, file.parent] if file.parent.name == "annotations" else [file.parent]
    return [root / below for root in roots for below in (f"images/{subset}", subset, "images", ".")]


def _find(folders: Sequence[Path], name: str) -> tuple[Path, str]:
    """Return the path of an image file and its name in the data set."""
    for folder in folders:
        if folder.is_dir():
            try:
                path = find_image(folder, name)
            except InputError as error:
                refused = error
                continue
            return path, path.relative_to(folder).as_posix()
    raise refused
