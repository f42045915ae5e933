"""Annotated people of known shape, and annotation files made of them."""

import json

import numpy as np

from gog_pose.skeleton import load_skeleton

# A standing person, 100 px high, seen from the front.
STANDING = np.array(
    [(50, 10), (54, 6), (46, 6), (60, 10), (40, 10), (66, 28), (34, 28), (74, 44), (26, 44), (78, 58), (22, 58),
     (60, 60), (40, 60), (61, 80), (39, 80), (62, 98), (38, 98)],
    dtype=float,
)  # fmt: skip
HEAD, LEFT_SHIN, RIGHT_SHIN = list(range(5)), [13, 15], [14, 16]  # what hangs together if nothing between is labelled


def standing(x, y, labelled=range(17), scale=1.0):
    """(17, 3) keypoints of a person at (x, y), some labelled."""
    keypoints = np.zeros((17, 3), dtype=np.float32)
    labelled = list(labelled)
    keypoints[labelled, :2] = STANDING[labelled] * scale + (x, y)
    keypoints[labelled, 2] = 2
    return keypoints


def annotation(image_id, keypoints):
    """The COCO entry of a person whose box is 60 x 100 px and whose area is half of it."""
    found = keypoints[:, 2] > 0
    x, y = keypoints[found, :2].min(axis=0).tolist()
    return {
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": 0,
        "num_keypoints": int(found.sum()),
        "bbox": [x, y, 60.0, 100.0],
        "area": 3000.0,
        "keypoints": keypoints.ravel().tolist(),
    }


def write_annotations(path, people, size=(240, 320)):
    """Write a COCO-format file; ``people`` gives the keypoint arrays of each image id."""
    content = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "height": size[0], "width": size[1]} for i in people],
        "annotations": [annotation(i, keypoints) for i, persons in people.items() for keypoints in persons],
        "categories": [{"id": 1, "name": "person", "keypoints": list(load_skeleton("coco_19").keypoints)}],
    }
    path.write_text(json.dumps(content))
    return path
