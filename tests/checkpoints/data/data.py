"""Wrote the files beside it with version 0.1 of the package, the last one that wrote format 1 (commit d7eff27).

    PYTHONPATH=src python tests/checkpoints/data/data.py FOLDER      # in a checkout of that commit

``format1_gog.ckpt`` and ``format1_centernet.ckpt`` are networks of random weights; ``format1.npz`` holds an image and
the people that each of them finds in it.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from gog_pose.center.decoder import CenterDecoder
from gog_pose.checkpoint import describe
from gog_pose.models import Hourglass, PoseNetwork
from gog_pose.preprocessing import Preprocessing

from gog_pose import PoseEstimator
from gog_pose.decoding import GogDecoder
from gog_pose.skeleton import load_skeleton


def main(folder):
    torch.manual_seed(0)
    skeleton = load_skeleton("coco_19")
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    arrays = {"image": image}
    for name, grouping, refinement, decoder in (
        ("gog", "gog", 3, GogDecoder(skeleton, localiser="bicubic", threshold=0.03, topk=4, refine=True)),
        ("centernet", "center", 0, CenterDecoder(skeleton, topk=5)),
    ):
        trunk = Hourglass(stacks=1, channels=(8, 8), blocks=(1, 1), stem_channels=4)
        network = PoseNetwork(skeleton, trunk, grouping=grouping, offset_unit=32.0, refinement=refinement).eval()
        with torch.no_grad():  # untrained heads predict nothing
            for parameter in network.heads.parameters():
                parameter.normal_(std=0.05)
        preprocessing = Preprocessing(long_side=64)
        state = {f"network.{key}": value for key, value in network.state_dict().items()}
        path = folder / f"format1_{name}.ckpt"
        torch.save({"state_dict": state, "gog_pose": describe(network, decoder, preprocessing)}, path)
        poses = PoseEstimator.from_checkpoint(path).predict(image)
        arrays |= {f"{name}_keypoints": poses.keypoints, f"{name}_scores": poses.scores}
    np.savez_compressed(folder / "format1.npz", **arrays)
    print({key: value.shape for key, value in arrays.items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
