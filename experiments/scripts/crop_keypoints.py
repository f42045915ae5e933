"""Counts the labeled keypoints that training crops contain.

python experiments/scripts/crop_keypoints.py ANNOTATIONS RESULTS.json [augmentation]
"""

import json
import sys
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir

from gog_pose.cli.runtime import config_dir, instantiate
from gog_pose.data.annotations import CocoKeypoints
from gog_pose.data.augmentation import warp_keypoints
from gog_pose.data.sampler import CropKey
from gog_pose.skeleton import load_skeleton

EPOCHS = 10

annotations, results, *option = sys.argv[1:]
skeleton = load_skeleton("coco_19")
images = CocoKeypoints(annotations, None, skeleton.num_keypoints)
with initialize_config_dir(config_dir(), version_base="1.3"):
    augmentation = instantiate(compose("train", [f"augmentation={option[0] if option else 'default'}"]).augmentation)

crops = middles = without = 0
chosen, everyone = np.zeros(2, dtype=int), np.zeros(2, dtype=int)  # keypoints inside the crop, and all keypoints
indices = images.with_labelled_people()
for epoch in range(EPOCHS):
    for item, index in enumerate(indices):
        people = images.people(index)
        keypoints = people.keypoints[people.is_labelled]
        random = CropKey(epoch, item).random(0)
        person = random.integers(len(keypoints))
        labelled = keypoints[person][keypoints[person][:, 2] > 0, :2]
        middle = (labelled.min(axis=0) + labelled.max(axis=0)) / 2
        warp = augmentation.sample_warp(tuple(images.sizes[index]), middle, random)
        with_middle = np.concatenate([keypoints, keypoints[person : person + 1]])
        with_middle[-1] = [*middle, 2]
        kept = warp_keypoints(with_middle, warp, augmentation.crop_size, skeleton)[..., 2] > 0
        crops += 1
        middles += kept[-1].all()
        without += not kept[person].any()
        chosen += kept[person].sum(), len(labelled)
        everyone += kept[:-1].sum(), (keypoints[..., 2] > 0).sum()

record = {
    "images": len(indices),
    "crops": crops,
    "middle of the chosen person": int(middles) / crops,
    "keypoints of the chosen person": chosen[0] / chosen[1],
    "keypoints of all people": everyone[0] / everyone[1],
    "crops without a keypoint of the chosen person": int(without) / crops,
}
Path(results).write_text(json.dumps(record, indent=2) + "\n")
print(json.dumps(record, indent=2))
