"""CVAT for images 1.1: an XML file, ``annotations.xml``, beside ``images/``.

Format: https://docs.cvat.ai/docs/other/xml_format. A ``skeleton`` element contains one ``points`` element per keypoint;
the task's labels list the names of the keypoints in order, and their limbs as SVG lines. Outside skeletons, ``points``
elements with one point are keypoints, grouped into people, with their ``box``, by ``group_id``; ``points`` elements
with several points are people with numbered keypoints.

Visibility: ``outside="1"`` is unlabeled (0), ``occluded="1"`` labeled but hidden (1), otherwise visible (2).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from gog_pose.data.importing.grouping import LabelledBox, LabelledPoint, group_people
from gog_pose.data.importing.reading import files_named, find_image, load_xml, number, parse_xml, whole
from gog_pose.data.importing.record import Import, Options, Person, Picture, Point, only, split_named
from gog_pose.errors import InputError


def find(source: Path) -> list[Path]:
    """Return the XML files of a source that are CVAT's."""
    return [path for path in files_named(source, ".xml") if _is_cvat(path)]


def read(source: Path, options: Options) -> Import:
    """Read a data set.

    Raises:
        InputError: There is no readable file, or it contains tracks of a video or several skeletons.
    """
    found = Import("cvat")
    files = find(source)
    if not files:
        raise InputError(f"{source}: no XML file of CVAT for images 1.1")
    for file in files:
        root = load_xml(file)
        if root.find("track") is not None:
            raise InputError(f"{file}: contains tracks of a video; export the task as 'CVAT for images 1.1'")
        images = root.findall("image")
        style = _style(root, images, file, options, found)
        for image in images:
            _read_image(image, style, file, options, found)
    return found


def _is_cvat(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return b"<annotations" in file.read(4096)
    except OSError:
        return False


def _style(root: Element, images: Sequence[Element], file: Path, options: Options, found: Import) -> str:
    """Return the kind of annotation, ``skeleton``, ``points`` or ``point``, and store keypoints and limbs in ``found``.

    ``points`` elements contain several points, ``point`` means ``points`` elements with one point.
    """
    labels = [_label(label) for label in root.iterfind("meta//labels/label")]
    used = {one.get("label", "") for image in images for one in image.iterfind("skeleton")}
    chosen = only((label for label in used if options.wants(label)), f"{file}: skeletons")
    if chosen is not None:
        names = tuple(label["name"] for label in labels if label["parent"] == chosen)
        if not names:  # the file lists no labels: use the order in the skeletons
            names = tuple(dict.fromkeys(p.get("label", "") for i in images for p in i.iterfind("skeleton/points")))
        svg = next((label["svg"] for label in labels if label["name"] == chosen and not label["parent"]), "")
        found.limbs = _limbs(svg, names, file, found)
        _set_keypoints(names, file, found)
        return "skeleton"
    counts = [len(one.get("points", "").split(";")) for image in images for one in image.iterfind("points")]
    if counts and max(counts) > 1:
        count = max(set(counts), key=counts.count)
        _set_keypoints(options.numbered(count), file, found)
        return "points"
    single = (p.get("label", "") for image in images for p in image.iterfind("points"))
    names = tuple(dict.fromkeys(single)) if options.keypoints is None else tuple(options.keypoints)
    found.keypoints = tuple(dict.fromkeys((*found.keypoints, *names)))
    return "point"


def _set_keypoints(names: tuple[str, ...], file: Path, found: Import) -> None:
    if found.keypoints and found.keypoints != names:
        raise InputError(f"{file}: its keypoints differ from those of the previous file; import the files separately")
    found.keypoints = names


def _label(label: Element) -> dict[str, str]:
    return {key: (label.findtext(key) or "").strip() for key in ("name", "parent", "svg")}


def _limbs(svg: str, names: Sequence[str], file: Path, found: Import) -> list[tuple[str, str]] | None:
    """Return the limbs in the SVG drawing of a skeleton; None if there are none or it cannot be read."""
    if not svg:
        return None
    try:
        drawing = parse_xml(f"<svg>{svg}</svg>".encode())
    except InputError as error:
        found.notes.append(f"limbs: the drawing of the skeleton in {file.name} cannot be read ({error})")
        return None
    nodes = {}
    for circle in drawing.iter("circle"):
        node = circle.get("data-node-id") or circle.get("data-element-id") or ""
        place = int(node) - 1 if node.isdecimal() and len(node) < 6 else -1
        by_place = names[place] if 0 <= place < len(names) else ""
        nodes[node] = circle.get("data-label-name") or by_place
    ends = [(line.get("data-node-from"), line.get("data-node-to")) for line in drawing.iter("line")]
    pairs = [(nodes.get(start or "", ""), nodes.get(end or "", "")) for start, end in ends]
    return [(start, end) for start, end in pairs if start in names and end in names and start != end] or None


def _read_image(image: Element, style: str, file: Path, options: Options, found: Import) -> None:
    name = image.get("name", "")
    item = f"image {name!r:.100}"
    try:
        subset = image.get("subset", "")
        path, kept = _find(name, subset, file, options)
        size = (whole(image.get("width"), "width"), whole(image.get("height"), "height"))
    except InputError as error:
        found.leave_out(file, item, error)
        return
    points: list[LabelledPoint] = []
    boxes: list[LabelledBox] = []
    people: list[Person] = []
    for place, element in enumerate(image):
        where = f"{element.tag}[{place}]"
        try:
            if element.tag == style == "skeleton" and options.wants(element.get("label", "")):
                people.append(_skeleton(element, f"{item}: {where}", found.keypoints))
            elif element.tag == style == "points":
                people.append(_numbered(element, f"{item}: {where}", found.keypoints))
            elif element.tag == "points" and style == "point":
                point = _point(element, element.get("points", ""))
                points.append(LabelledPoint(where, element.get("label", ""), point, element.get("group_id")))
            elif element.tag == "box" and style == "point":
                boxes.append(LabelledBox(where, _box(element), element.get("group_id")))
            else:
                found.passed_over[f"{element.tag} elements"] += 1
        except InputError as error:
            found.leave_out(file, f"{item}: {where}", error)
    people += group_people(points, boxes, file, item, found)
    found.pictures.append(Picture(path, kept, split_named(subset), people, True, size))


def _find(name: str, subset: str, file: Path, options: Options) -> tuple[Path, str]:
    roots = [options.images] if options.images is not None else [file.parent / "images", file.parent]
    folders = [folder for root in roots for folder in (root / subset, root) if folder.is_dir()]
    for folder in folders:
        try:
            path = find_image(folder, name)
        except InputError as error:
            refused = error
        else:
            return path, path.relative_to(folder).as_posix()
    raise refused


def _skeleton(element: Element, item: str, names: Sequence[str]) -> Person:
    points = {}
    for one in element.iterfind("points"):
        label = one.get("label", "")
        if label not in names:
            raise InputError(f"{label!r:.60} is not a keypoint of the skeleton; correct it")
        if one.get("outside") != "1":
            points[label] = _point(one, one.get("points", ""))
    return Person(item, points)


def _numbered(element: Element, item: str, names: Sequence[str]) -> Person:
    places = element.get("points", "").split(";")
    if len(places) != len(names):
        raise InputError(f"{len(places)} points instead of {len(names)}; correct it")
    return Person(item, {name: _point(element, place) for name, place in zip(names, places, strict=True)})


def _point(element: Element, place: str) -> Point:
    ends = place.split(",")
    if len(ends) != 2:
        raise InputError(f"points: {place!r:.60} must be x,y; correct it")
    x, y = (number(end, "points") for end in ends)
    return x, y, 1 if element.get("occluded") == "1" else 2


def _box(element: Element) -> tuple[float, float, float, float]:
    left, top, right, bottom = (number(element.get(side), side) for side in ("xtl", "ytl", "xbr", "ybr"))
    return left, top, right - left, bottom - top
