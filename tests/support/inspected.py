"""Small COCO-format folders to inspect, valid unless a test changes them."""

import json
from collections import Counter

import numpy as np
from PIL import Image

from gog_pose.data.augmentation import Augmentation
from gog_pose.data.datamodule import PoseDataModule
from gog_pose.encoding import PoseEncoder
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")
WIDTH, HEIGHT = 120, 100
LARGE = {"bbox": [0, 0, WIDTH, HEIGHT], "area": 6000}  # of a person who fills the image


def person(image_id=1, xy=(60.0, 50.0), size=40.0, **fields):
    """A person whose 17 keypoints lie on a diagonal of a box of that size around ``xy``."""
    keypoints = [
        value
        for step in np.linspace(-0.5, 0.5, 17)
        for value in (xy[0] + step * size + image_id / 100, xy[1] + step * size, 2)  # no two images have the same
    ]
    return {
        "image_id": image_id, "category_id": 1, "bbox": [xy[0] - size / 2, xy[1] - size / 2, size, size],
        "area": size * size / 2, "iscrowd": 0, "num_keypoints": 17, "keypoints": keypoints, **fields,
    }  # fmt: skip


def write(root, split="train", people=None, num_images=3):
    """Write a sound split: plain images, a person on each unless others are given."""
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / split).mkdir(exist_ok=True)
    for image_id in range(1, num_images + 1):
        Image.new("RGB", (WIDTH, HEIGHT), (20 * len(split), 128, 40 * image_id)).save(root / split / f"{image_id}.jpg")
    people = [person(image_id) for image_id in range(1, num_images + 1)] if people is None else people
    content = {
        "images": [
            {"id": image_id, "file_name": f"{image_id}.jpg", "height": HEIGHT, "width": WIDTH}
            for image_id in range(1, num_images + 1)
        ],
        "annotations": [{"id": place, **entry} for place, entry in enumerate(people, start=1)],
        "categories": [{"id": 1, "name": "person", "keypoints": list(SKELETON.keypoints)}],
    }
    annotations(root, split).write_text(json.dumps(content))


def annotations(root, split="train"):
    return root / "annotations" / f"person_keypoints_{split}.json"


def change(root, edit, split="train"):
    content = json.loads(annotations(root, split).read_text())
    edit(content)
    annotations(root, split).write_text(json.dumps(content))


def data_module(root, **options):
    return PoseDataModule(
        root=str(root),
        **{
            "encoder": PoseEncoder(SKELETON),
            "augmentation": Augmentation(crop_size=(64, 64), translation=5.0),
            "preprocessing": Preprocessing(long_side=64),
            "multiple": 32,
            **options,
        },
    )


def kinds(report):
    return Counter(finding.kind for finding in report.findings)
