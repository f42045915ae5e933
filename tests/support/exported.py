"""One scene of people, written by the documented export format of each annotation program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image

from gog_pose.data.importing.known import MPII_KEYPOINTS
from gog_pose.skeleton import load_skeleton

COCO = load_skeleton("coco_19")
SIZE = (320, 240)  # width, height, px


class Figure(NamedTuple):
    """A person: keypoints by name with visibility 0/1/2, and the box x, y, width, height."""

    points: dict
    box: tuple


class Scene(NamedTuple):
    """Images by name, each with its people, and the names of keypoints in order."""

    names: tuple
    images: dict


# Fractions of a box, COCO's order: a standing body, so that the inspection finds nothing unusual.
BODY = np.array([
    (0.5, 0.08), (0.55, 0.05), (0.45, 0.05), (0.6, 0.07), (0.4, 0.07), (0.7, 0.22), (0.3, 0.22), (0.82, 0.38),
    (0.18, 0.38), (0.86, 0.52), (0.14, 0.52), (0.62, 0.52), (0.38, 0.52), (0.64, 0.74), (0.36, 0.74), (0.65, 0.95),
    (0.35, 0.95),
])  # fmt: skip


def make_scene(names=COCO.keypoints, images=3, seed=0, visibilities=(0, 1, 2)):
    """Return people of random places and visibility; coordinates have two digits after the point."""
    random = np.random.default_rng(seed)
    scene = {}
    for number in range(images):
        people = []
        for left in (20, 170):
            x, y = left + random.uniform(0, 20), random.uniform(5, 30)
            width, height = random.uniform(90, 120), random.uniform(160, 200)
            points = {}
            for name, (u, v) in zip(names, BODY[: len(names)], strict=True):
                unlabelled = 0 in visibilities and random.random() < 0.15
                visibility = 0 if unlabelled else int(random.choice([v for v in visibilities if v]))
                place = (x + u * width + random.uniform(-2, 2), y + v * height + random.uniform(-2, 2))
                points[name] = (*(round(float(end), 2) for end in place), visibility)
            points[names[0]] = (*points[names[0]][:2], 2)  # never a person without any
            box = tuple(round(float(end), 2) for end in (x, y, width, height))
            people.append(Figure(points, box))
        scene[f"photo {number}.png"] = people
    return Scene(tuple(names), scene)


def write_images(folder, scene, names=None):
    """Write noise as the images of a scene."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(scene.images if names is None else names):
        pixels = np.random.default_rng(number).integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)


def coco_content(scene):
    images, annotations = [], []
    for number, (name, people) in enumerate(scene.images.items(), 1):
        images.append({"id": number, "width": SIZE[0], "height": SIZE[1], "file_name": name, "license": 0})
        for person in people:
            flat = [value for point in person.points.values() for value in (point if point[2] else (0, 0, 0))]
            annotations.append({
                "id": len(annotations) + 1, "image_id": number, "category_id": 1, "segmentation": [], "iscrowd": 0,
                "area": person.box[2] * person.box[3], "bbox": list(person.box), "keypoints": flat,
                "num_keypoints": sum(point[2] > 0 for point in person.points.values()),
                "attributes": {"occluded": False},
            })  # fmt: skip
    limbs = [[start + 1, end + 1] for start, end in COCO.limbs] if scene.names == COCO.keypoints else []
    category = {"id": 1, "name": "person", "supercategory": "", "keypoints": list(scene.names), "skeleton": limbs}
    return {"licenses": [], "info": {}, "categories": [category], "images": images, "annotations": annotations}


def write_coco(root, scene, subset="default"):
    """CVAT's COCO keypoints: ``annotations/person_keypoints_<subset>.json``, ``images/<subset>/``."""
    write_images(root / "images" / subset, scene)
    (root / "annotations").mkdir(exist_ok=True)
    (root / f"annotations/person_keypoints_{subset}.json").write_text(json.dumps(coco_content(scene)))


def write_roboflow(root, scene, splits=("train",)):
    """Roboflow's COCO keypoints: an unused category 0, and the annotations beside the images of each split."""
    for split in splits:
        write_images(root / split, scene)
        content = coco_content(scene)
        content["categories"].insert(0, {"id": 0, "name": "people-Qg7R", "supercategory": "none"})
        (root / split / "_annotations.coco.json").write_text(json.dumps(content))


def write_yolo(root, scene, splits=("train", "val"), dims=3, names=True):
    """Ultralytics: ``data.yaml``, ``images/<split>/``, ``labels/<split>/``."""
    flip = [scene.names.index(_mirrored(name, scene.names)) for name in scene.names]
    lines = ["path: .", *(f"{split}: images/{split}" for split in splits)]
    lines += [f"kpt_shape: [{len(scene.names)}, {dims}]", f"flip_idx: {flip}", "names:", "  0: person"]
    if names:
        lines += ["kpt_names:", "  0:", *(f"    - {name}" for name in scene.names)]
    root.mkdir(parents=True, exist_ok=True)
    (root / "data.yaml").write_text("\n".join(lines) + "\n")
    width, height = SIZE
    for split in splits:
        write_images(root / "images" / split, scene)
        (root / "labels" / split).mkdir(parents=True)
        for name, people in scene.images.items():
            rows = []
            for person in people:
                x, y, w, h = person.box
                row = [(x + w / 2) / width, (y + h / 2) / height, w / width, h / height]
                for px, py, v in person.points.values():
                    row += ([px / width, py / height] if v else [0, 0]) + [v] * (dims == 3)
                rows.append(
                    "0 " + " ".join(f"{value:.6f}" if isinstance(value, float) else str(value) for value in row)
                )
            (root / "labels" / split / name).with_suffix(".txt").write_text("\n".join(rows) + "\n")


def write_cvat(root, scene):
    """CVAT for images 1.1 with skeletons: places with two digits, the drawing of the skeleton as escaped SVG."""
    write_images(root / "images", scene)
    drawing = "".join(
        f'<line x1="1" y1="1" x2="2" y2="2" data-type="edge" data-node-from="{start + 1}" stroke-width="0.5"'
        f' data-node-to="{end + 1}"></line>'
        for start, end in COCO.limbs
    ) + "".join(
        f'<circle r="0.75" data-type="element node" data-element-id="{place}" data-node-id="{place}"'
        f' data-label-name="{name}"></circle>'
        for place, name in enumerate(scene.names, 1)
    )  # fmt: skip
    labels = (
        f"<label><name>person</name><type>skeleton</type><attributes></attributes><svg>{escape(drawing)}</svg></label>"
    )
    labels += "".join(
        f"<label><name>{name}</name><type>points</type><attributes></attributes><parent>person</parent></label>"
        for name in scene.names
    )
    images = ""
    for number, (name, people) in enumerate(scene.images.items()):
        images += f'<image id="{number}" name="{name}" width="{SIZE[0]}" height="{SIZE[1]}">'
        for person in people:
            images += '<skeleton label="person" source="manual" z_order="0">'
            for point, (x, y, v) in person.points.items():
                flags = f'outside="{int(v == 0)}" occluded="{int(v == 1)}"'
                images += f'<points label="{point}" source="manual" {flags} points="{x:.2f},{y:.2f}"></points>'
            images += "</skeleton>"
        images += "</image>"
    (root / "annotations.xml").write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta><task><id>1</id>'
        f"<labels>{labels}</labels></task></meta>{images}</annotations>\n"
    )


def write_label_studio(root, scene, join="parentID"):
    """Label Studio's JSON: per cent, uploads with a random prefix, hidden keypoints by a per-region choice."""
    prefixed = {name: f"1a2b3c4d-{name.replace(' ', '_')}" for name in scene.images}
    write_images(root, scene, prefixed.values())
    width, height = SIZE
    sides = {"original_width": width, "original_height": height, "image_rotation": 0}
    tasks = []
    for number, (name, people) in enumerate(scene.images.items(), 1):
        result = []
        for who, person in enumerate(people):
            box = f"box{number}{who}"
            x, y, w, h = person.box
            value = {"x": x / width * 100, "y": y / height * 100, "width": w / width * 100, "height": h / height * 100}
            common = {"to_name": "img", "source": "$img", **sides}
            result.append({
                "id": box, "type": "rectanglelabels", "from_name": "box", **common,
                "value": {**value, "rotation": 0, "rectanglelabels": ["person"]},
            })  # fmt: skip
            for point, (px, py, v) in person.points.items():
                if v == 0:
                    continue
                identity = f"{box}{point}"
                region = {
                    "id": identity, "type": "keypointlabels", "from_name": "kp", **common,
                    "value": {"x": px / width * 100, "y": py / height * 100, "width": 0.3, "keypointlabels": [point]},
                }  # fmt: skip
                if join == "parentID":
                    region["parentID"] = box
                else:
                    result.append({"type": "relation", "from_id": identity, "to_id": box, "direction": "right"})
                result.append(region)
                if v == 1:
                    choices = {"choices": ["occluded"]}
                    result.append({"id": identity, "type": "choices", "from_name": "seen", "value": choices, **common})
        tasks.append({
            "id": number, "data": {"img": f"/data/upload/7/{prefixed[name]}"}, "predictions": [],
            "annotations": [{"id": number, "was_cancelled": False, "ground_truth": False, "result": result}],
        })  # fmt: skip
    (root / "project-1-at-2026.json").write_text(json.dumps(tasks))


def write_labelme(root, scene):
    """Labelme: one JSON file per image, points and the rectangle of a person with one group_id."""
    write_images(root, scene)
    for name, people in scene.images.items():
        shapes = []
        common = {"description": "", "mask": None}
        for group, person in enumerate(people, 1):
            x, y, w, h = person.box
            corners = [[x, y], [x + w, y + h]]
            shape = {"label": "person", "points": corners, "group_id": group, "shape_type": "rectangle", "flags": {}}
            shapes.append({**shape, **common})
            for point, (px, py, v) in person.points.items():
                if v:
                    shape = {"label": point, "points": [[px, py]], "group_id": group, "shape_type": "point"}
                    shapes.append({**shape, **common, "flags": {"occluded": v == 1}})
        content = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": name, "imageData": None}
        content |= {"imageHeight": SIZE[1], "imageWidth": SIZE[0]}
        (root / name).with_suffix(".json").write_text(json.dumps(content))


def write_mpii(root, scene):
    """MPII: one entry per person, coordinates from 1, ``annot/{train,valid}.json`` beside ``images/``."""
    write_images(root / "images", scene)
    (root / "annot").mkdir()
    entries = []
    for name, people in scene.images.items():
        for person in people:
            x, y, w, h = person.box
            joints = [[px + 1, py + 1] if v else [-1, -1] for px, py, v in person.points.values()]
            seen = [int(v > 0) for _, _, v in person.points.values()]
            center, scale = [x + w / 2 + 1, y + h / 2 + 1], h / 200
            entries.append({"image": name, "joints": joints, "joints_vis": seen, "center": center, "scale": scale})
    for split in ("train", "valid"):
        (root / f"annot/{split}.json").write_text(json.dumps(entries))


WRITERS = {
    "yolo": write_yolo, "coco": write_coco, "roboflow": write_roboflow, "cvat": write_cvat,
    "label_studio": write_label_studio, "labelme": write_labelme, "mpii": write_mpii,
}  # fmt: skip
ROUNDING = {"yolo": 1e-6 * max(SIZE)}  # px; all formats: two digits, and four in the imported file


def scene_for(format, *, complete=False, **options):
    """Return a scene of what a format can say: MPII has 16 joints of its own and no hidden ones.

    Complete people have every keypoint labelled.
    """
    visibilities = tuple(v for v in (0, 1, 2) if (v or not complete) and (v != 1 or format != "mpii"))
    names = MPII_KEYPOINTS if format == "mpii" else COCO.keypoints
    return make_scene(names, visibilities=visibilities, **options)


def imported_people(root, split, stems=False):
    """Return the keypoints by name and the boxes of all people, by image, of an imported data set."""
    content = json.loads((Path(root) / f"annotations/person_keypoints_{split}.json").read_text())
    names = content["categories"][0]["keypoints"]
    files = {image["id"]: image["file_name"] for image in content["images"]}
    people = {file: [] for file in files.values()}
    for annotation in content["annotations"]:
        flat = annotation["keypoints"]
        points = dict(zip(names, zip(flat[0::3], flat[1::3], flat[2::3], strict=True), strict=True))
        people[files[annotation["image_id"]]].append(Figure(points, tuple(annotation["bbox"])))
    return people


def _mirrored(name, names):
    other = name.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right")
    return other if other in names else name
