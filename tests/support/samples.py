"""Small COCO-format folders made for a test."""

import json

import cv2
import numpy as np

from gog_pose.skeleton import load_skeleton

KEYPOINTS = list(load_skeleton("coco_19").keypoints)


def person(image_id, xy=(60.0, 60.0), size=40.0, labelled=17, **fields):
    """A person whose keypoints lie on a diagonal of a box of that size around ``xy``."""
    steps = np.linspace(-0.5, 0.5, 17)
    keypoints = []
    for index, step in enumerate(steps):
        keypoints += [xy[0] + step * size, xy[1] + step * size, 2] if index < labelled else [0, 0, 0]
    return {
        "image_id": image_id,
        "category_id": 1,
        "bbox": [xy[0] - size / 2, xy[1] - size / 2, size, size],
        "area": size * size / 2,
        "iscrowd": 0,
        "num_keypoints": labelled,
        "keypoints": keypoints,
        **fields,
    }


def write_folder(root, images, people, split="train"):
    """Write images, given as arrays by file name, and annotations; image ids count from 1."""
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / split).mkdir(exist_ok=True)
    entries = []
    for image_id, (name, pixels) in enumerate(images.items(), start=1):
        cv2.imwrite(str(root / split / name), pixels[..., ::-1])
        entries.append({"id": image_id, "file_name": name, "height": pixels.shape[0], "width": pixels.shape[1]})
    content = {
        "images": entries,
        "annotations": [{"id": place, **entry} for place, entry in enumerate(people, start=1)],
        "categories": [{"id": 1, "name": "person", "keypoints": KEYPOINTS}],
    }
    path = root / "annotations" / f"person_keypoints_{split}.json"
    path.write_text(json.dumps(content))
    return path
