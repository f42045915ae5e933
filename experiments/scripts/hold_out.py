"""Holds out some training photographs, for tuning that is independent of training and validation images.

    python experiments/scripts/hold_out.py DATA OUTPUT

DATA is a folder of COCO (``train2017/``, ``val2017/``) or a COCO-format folder (``train/``, ``val/``). OUTPUT becomes a
COCO-format folder with the splits ``train``, ``held_out`` and ``val``; its image folders are links. Of the training
images with people, in the order of their ids, every tenth is held out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

EVERY = 10


def divided(annotations: dict[str, Any], every: int = EVERY) -> dict[str, dict[str, Any]]:
    """Divide the content of an annotation file.

    Args:
        annotations: Annotations in COCO's format.
        every: Every n-th image with people, in the order of ids, is held out.

    Returns:
        The content of ``train`` and of ``held_out``.
    """
    with_people = sorted({person["image_id"] for person in annotations["annotations"]})
    held_out = set(with_people[::every])
    return {
        name: {
            **annotations,
            "images": [image for image in annotations["images"] if (image["id"] in held_out) == held],
            "annotations": [
                person for person in annotations["annotations"] if (person["image_id"] in held_out) == held
            ],
        }
        for name, held in (("train", False), ("held_out", True))
    }


def main(data: Path, output: Path) -> None:
    """Write the folder; existing files are replaced."""
    suffix = "" if (data / "annotations" / "person_keypoints_train.json").is_file() else "2017"
    (output / "annotations").mkdir(parents=True, exist_ok=True)
    for name, source in (("train", "train"), ("held_out", "train"), ("val", "val")):
        link = output / name
        link.unlink(missing_ok=True)
        link.symlink_to((data / f"{source}{suffix}").resolve(), target_is_directory=True)
    contents = {
        split: json.loads((data / "annotations" / f"person_keypoints_{split}{suffix}.json").read_text(encoding="utf-8"))
        for split in ("train", "val")
    }
    # The validation file is written last; if it exists, the folder is complete.
    for name, content in (*divided(contents["train"]).items(), ("val", contents["val"])):
        file = output / "annotations" / f"person_keypoints_{name}.json"
        file.write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
