"""Writing of synthetic scenes as a COCO-format folder."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gog_pose.data.synthetic.labels import Annotation
from gog_pose.data.synthetic.scene import render_scene
from gog_pose.errors import InputError
from gog_pose.skeleton import load_skeleton
from gog_pose.system.files import LOCK, only_writer, write_whole
from gog_pose.system.processes import map_in_processes
from gog_pose.system.progress import bar

SPLITS = ("train", "val")
_MARKER = "synthesis.json"  # marks folders of this program; written first, so that interrupted runs have it too
_JPEG_QUALITY = 92
_FIRST_IMAGE_ID = {"train": 1, "val": 1_000_001}  # ids do not depend on the size of the other split


def synthesize(
    output: Path,
    *,
    num_train: int,
    num_val: int,
    seed: int,
    image_size: tuple[int, int],
    max_people: int = 8,
    height_range: tuple[float, float] = (60.0, 400.0),
    protectors: bool = True,
    workers: int = 0,
) -> None:
    """Write ``train/``, ``val/`` and ``annotations/person_keypoints_{train,val}.json``.

    The same arguments give the same bytes for any number of workers. The annotations are written last, so a folder
    that contains them is complete.

    Args:
        output: Output folder; created, or replaced if an earlier call wrote it.
        num_train: Number of training images.
        num_val: Number of validation images.
        seed: Seed of all scenes; the two splits have different scenes.
        image_size: ``(height, width)`` px.
        max_people: Largest number of people with keypoints per image.
        height_range: Least and largest standing height, px.
        protectors: Whether people wear colored protectors on their joints, which makes keypoints much easier to learn.
        workers: Processes that draw scenes; 0 = only this process.

    Raises:
        InputError: A number is out of range, or ``output`` contains other files or is being written.
    """
    output = Path(output)
    counts = {"train": num_train, "val": num_val}
    settings = {
        "seed": seed,
        "image_size": [int(side) for side in image_size],
        "max_people": max_people,
        "height_range": [float(height) for height in height_range],
        "protectors": bool(protectors),
    }
    _check(counts, settings, workers)
    with only_writer(output, "output"):
        _clear(output)
        (output / "annotations").mkdir(parents=True, exist_ok=True)
        _write_json(output / _MARKER, {"num_train": num_train, "num_val": num_val, **settings})
        for split in SPLITS:
            (output / split).mkdir(exist_ok=True)

        jobs = [(split, index) for split in SPLITS for index in range(counts[split])]
        results: dict[str, list[list[Annotation]]] = {split: [] for split in SPLITS}
        draw = partial(_write_scene, output, settings)
        drawn = zip(jobs, map_in_processes(draw, jobs, workers), strict=True)
        for (split, _), annotations in bar(drawn, "drawing scenes", len(jobs)):
            results[split].append(annotations)

        for split in SPLITS:
            _write_json(_annotation_file(output, split), _coco(split, results[split], settings))
        print(_summary(output, results))


def _check(counts: dict[str, int], settings: dict[str, Any], workers: int) -> None:
    for split, count in counts.items():
        if not 0 <= count < 1_000_000:
            raise InputError(f"num_{split}: {count} must be 0 or more and below a million")
    if settings["seed"] < 0:
        raise InputError(f"seed: {settings['seed']} must be 0 or more")
    if len(settings["image_size"]) != 2 or min(settings["image_size"]) < 32:
        raise InputError(f"image_size: {settings['image_size']} must be [height, width], at least 32 px each")
    if not 1 <= settings["max_people"] <= 8:
        raise InputError(f"max_people: {settings['max_people']} must be 1 to 8")
    if len(settings["height_range"]) != 2 or not 20 <= settings["height_range"][0] <= settings["height_range"][1]:
        raise InputError(
            f"height_range: {settings['height_range']} must be [least, largest] px, ascending, at least 20"
        )
    if workers < 0:
        raise InputError(f"workers: {workers} must be 0 or more")


def _clear(output: Path) -> None:
    """Remove the files of an earlier call, annotations first.

    Raises:
        InputError: The output is a file or contains other files.
    """
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: output must be a folder, but is a file; choose another name")
    if not output.is_dir() or all(entry.name == LOCK for entry in output.iterdir()):
        return
    if not (output / _MARKER).is_file():
        raise InputError(
            f"{output}: output is not empty and was not written by gog-synthesize; choose another folder or empty it"
        )
    for split in SPLITS:
        _annotation_file(output, split).unlink(missing_ok=True)
    for split in SPLITS:
        shutil.rmtree(output / split, ignore_errors=True)


def _write_scene(output: Path, settings: dict[str, Any], job: tuple[str, int]) -> list[Annotation]:
    """Draw one scene and write its image; return its annotations."""
    split, index = job
    sequence = np.random.SeedSequence(settings["seed"], spawn_key=(SPLITS.index(split), index))
    height, width = settings["image_size"]
    least, largest = settings["height_range"]
    scene = render_scene(
        sequence,
        image_size=(height, width),
        max_people=settings["max_people"],
        height_range=(least, largest),
        protectors=settings["protectors"],
    )
    bgr = cv2.cvtColor(scene.image, cv2.COLOR_RGB2BGR)
    encoded, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not encoded:
        raise RuntimeError("OpenCV could not encode a JPEG")
    write_whole(output / split / _file_name(split, index), data.tobytes())
    return scene.annotations


def _file_name(split: str, index: int) -> str:
    return f"{_FIRST_IMAGE_ID[split] + index:012d}.jpg"


def _annotation_file(output: Path, split: str) -> Path:
    return output / "annotations" / f"person_keypoints_{split}.json"


def _coco(split: str, scenes: list[list[Annotation]], settings: dict[str, Any]) -> dict[str, Any]:
    """Return the content of the annotation file of a split."""
    skeleton = load_skeleton("coco_19")
    height, width = settings["image_size"]
    first = _FIRST_IMAGE_ID[split]
    annotations = [
        {"id": 0, "image_id": first + index, "category_id": 1, **annotation}
        for index, scene in enumerate(scenes)
        for annotation in scene
    ]
    for number, annotation in enumerate(annotations):
        annotation["id"] = first + number
    return {
        "info": {"description": "Synthetic people by gog_pose", "version": "1.0", **settings},
        "licenses": [{"id": 1, "name": "CC0 1.0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"}],
        "categories": [
            {
                "id": 1,
                "name": "person",
                "supercategory": "person",
                "keypoints": list(skeleton.keypoints),
                "skeleton": [[start + 1, end + 1] for start, end in skeleton.limbs],  # COCO counts from 1
            }
        ],
        "images": [
            {"id": first + index, "file_name": _file_name(split, index), "width": width, "height": height, "license": 1}
            for index in range(len(scenes))
        ],
        "annotations": annotations,
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file atomically."""
    write_whole(path, json.dumps(content, separators=(",", ":")).encode())


def _summary(output: Path, results: dict[str, list[list[Annotation]]]) -> str:
    scenes = [scene for split in SPLITS for scene in results[split]]
    annotations = [annotation for scene in scenes for annotation in scene]
    crowds = sum(annotation["iscrowd"] for annotation in annotations)
    labelled = sum(annotation["num_keypoints"] > 0 for annotation in annotations)
    images = " + ".join(f"{len(results[split])} {split}" for split in SPLITS)
    return (
        f"Wrote {images} images to {output}: {len(annotations) - crowds} people,"
        f" {labelled} of them with keypoints, and {crowds} crowds."
    )
