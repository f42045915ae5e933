"""``gog-evaluate``: how good a checkpoint, or a file of detections, is on an annotated data set.

It writes ``detections.json``, in COCO's results format, and the results: COCO's numbers over the images asked for and
over those of them with people and with keypoints, where these are fewer. Of a test set without annotations it writes
the detections under the name and in the archive that COCO's server wants.
"""

from __future__ import annotations

import itertools
import sys
import time
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from omegaconf import DictConfig, OmegaConf
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from gog_pose.cli.estimator import build_estimator
from gog_pose.cli.results import commit, results_path, sha256, versions, write_results
from gog_pose.cli.runtime import command, instantiate, resolved
from gog_pose.errors import InputError
from gog_pose.files import replaced

if TYPE_CHECKING:
    import numpy as np

    from gog_pose.data.coco import CocoKeypoints
    from gog_pose.inference import PoseEstimator
    from gog_pose.skeleton import Skeleton

Detections: TypeAlias = dict[int, list[dict[str, Any]]]  # of each image id, as CocoKeypointEvaluator takes them

DETECTIONS = "detections.json"
SUBSETS = ("labelled", "people", "all")  # each holds those before it
_TITLES = {"labelled": "with keypoints", "people": "with people", "all": "all"}
_LAYOUT = ("root", "images", "annotations", "train_split", "val_split")  # of a data option; the rest is for training


@command("evaluate")
def main(config: DictConfig) -> None:
    """Find the people in a data set's images, or read who was found, and compare them with the annotations."""
    config.data = OmegaConf.masked_copy(config.data, list(_LAYOUT))
    options = resolved(config)
    check(options)

    import numpy as np

    from gog_pose.data.coco import CocoKeypoints
    from gog_pose.evaluation import CocoKeypointEvaluator
    from gog_pose.evaluation.data_set import subsets

    results, output = results_path(options["results"]), Path(options["output"])
    results_path(str(output / DETECTIONS))
    layout = options["data"]
    split = {"train": layout["train_split"], "val": layout["val_split"]}.get(options["split"], options["split"])
    annotations, folder = files(layout, split)
    estimator = None if options["checkpoint"] is None else build(options)
    skeleton = instantiate(config.skeleton) if estimator is None else estimator.skeleton
    images = CocoKeypoints(annotations, None if estimator is None else folder, skeleton.num_keypoints)
    chosen = subsets(images)
    is_annotated = len(chosen["people"]) > 0
    name = options["subset"] if is_annotated else "all"
    indices = chosen[name][: options["limit"]]
    if not len(indices):
        raise InputError(f"{annotations}: no image to evaluate on (subset={name})")
    if estimator is None and not is_annotated:
        raise InputError(f"{annotations}: has no people to compare detections with; give another split")
    if options["report"] is not None and not is_annotated:
        raise InputError(f"report: {annotations} has no people to find errors by; leave it out")
    evaluator = CocoKeypointEvaluator(annotations, skeleton) if is_annotated else None
    if results.exists():
        print(f"gog-evaluate: {results} is there and will be replaced", file=sys.stderr)

    start = time.perf_counter()
    if estimator is None:
        written = Path(options["detections"])
        detections = read(written, images, indices, skeleton.num_keypoints)
    else:
        detections = find(options, estimator, images, indices, evaluator.category_id if evaluator else 1)
        written = write(detections, output, None if is_annotated else split)
    seconds = time.perf_counter() - start

    metrics = {}
    if evaluator is not None:
        for subset in SUBSETS[: SUBSETS.index(name) + 1]:
            members = images.image_ids[np.intersect1d(indices, chosen[subset])].tolist()
            if subset == name or 0 < len(members) < len(indices):
                found = {image_id: detections[image_id] for image_id in members}
                metrics[subset] = {"images": len(members), **evaluator.evaluate(found)}
    people = sum(map(len, detections.values()))
    record = {
        **metrics.get(name, {"images": len(indices)}),
        "subset": name,
        "subsets": metrics,
        "people": people,
        "detections": str(written),
        "seconds": seconds,
        "images_per_second": len(indices) / seconds,
        "settings": settings(options, estimator, skeleton.name, annotations, folder),
        "versions": versions(),
        "commit": commit(),
    }
    write_results(results, record)
    if metrics:
        show(metrics)
    if options["report"] is not None:
        page, record["errors"] = explain(options["report"], annotations, detections, skeleton, folder)
        write_results(results, record)
        print(f"errors: {page}")
    print(f"{people} people on {len(indices)} images of {annotations} -> {written}, {results}")


def check(options: dict[str, Any]) -> None:
    """Raise ``InputError`` on an option that makes no sense."""
    if (options["checkpoint"] is None) == (options["detections"] is None):
        raise InputError("checkpoint: give checkpoint=FILE or detections=FILE, one of them")
    if options["subset"] not in SUBSETS:
        raise InputError(f"subset: {options['subset']!r} is unknown; choose {', '.join(SUBSETS)}")
    for option, least in (("limit", 1), ("devices", 1), ("batch_size", 1), ("num_workers", 0), ("max_people", 1)):
        value = options[option]
        if (value is not None or option != "limit") and (not isinstance(value, int) or value < least):
            raise InputError(f"{option}: must be {least} or more, got {value}")


def files(data: dict[str, Any], split: str) -> tuple[Path, Path]:
    """Return the annotation file of a split and the folder of its images."""
    annotations, images = (
        Path(data["root"], data[name].replace("{split}", split)) for name in ("annotations", "images")
    )
    return annotations, images


def devices(device: str, count: int) -> list[str]:
    """Return the device of each process.

    Raises:
        InputError: There are not so many.
    """
    if count == 1 or device == "cpu":
        return [device] * count
    import torch

    if device != "cuda" or count > torch.cuda.device_count():
        raise InputError(
            f"devices: {count} processes of device={device} need as many GPUs, there are {torch.cuda.device_count()};"
            " give device=cuda and a smaller number, or device=cpu"
        )
    return [f"cuda:{index}" for index in range(count)]


def build(options: dict[str, Any], device: str | None = None) -> PoseEstimator:
    """Build the estimator on a device; where several will do the work, on the CPU, to ask it for its settings."""
    if device is None:
        device = options["device"] if options["devices"] == 1 else "cpu"
    return build_estimator(options, device, options["batch_size"])


def find(
    options: dict[str, Any], estimator: PoseEstimator, images: CocoKeypoints, indices: np.ndarray, category_id: int
) -> Detections:
    """Find the people in images, those of the best scores."""
    from gog_pose.evaluation.data_set import find_people

    answers = find_people(
        partial(build, options) if options["devices"] > 1 else lambda _: estimator,
        images,
        indices,
        devices=devices(options["device"], options["devices"]),
        batch_size=options["batch_size"],
        num_workers=options["num_workers"],
    )
    found = {
        image_id: poses.best(options["max_people"]).to_coco(image_id, category_id)
        for image_id, poses in track(answers, "finding people", len(indices), console=Console(stderr=True))
    }
    return dict(sorted(found.items()))


def read(path: Path, images: CocoKeypoints, indices: np.ndarray, num_keypoints: int) -> Detections:
    """Read the detections of images from a file.

    Raises:
        InputError: The file is missing or malformed, or it is about images that the data set does not have.
    """
    from gog_pose.evaluation import read_detections

    detections = read_detections(path, num_keypoints)
    foreign = detections.keys() - set(images.image_ids.tolist())
    if foreign:
        raise InputError(f"{path}: image_id {min(foreign)} is not in {images.path}; give the split they were made of")
    return {image_id: detections.get(image_id, []) for image_id in images.image_ids[indices].tolist()}


def write(detections: Detections, output: Path, test_set: str | None) -> Path:
    """Write detections as COCO's results; those of a test set as its server wants them, and the archive to upload."""
    from gog_pose.evaluation.detections import write_detections

    name = DETECTIONS if test_set is None else f"person_keypoints_{test_set}_gog_results.json"
    write_detections(output / name, itertools.chain.from_iterable(detections.values()))
    if test_set is None:
        return output / name
    archive = (output / name).with_suffix(".zip")
    with replaced(archive) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(output / name, name)
    return archive


def explain(
    report: str, annotations: Path, detections: Detections, skeleton: Skeleton, folder: Path
) -> tuple[Path, dict[str, Any]]:
    """Write what keeps the AP from 1; return the page and its numbers. Without images, people are on blank canvases."""
    from gog_pose.evaluation.error_analysis import analyse
    from gog_pose.evaluation.error_report import write_report

    analysis = analyse(annotations, detections, skeleton)
    return write_report(analysis, report, folder if folder.is_dir() else None), analysis.to_dict()


def settings(
    options: dict[str, Any], estimator: PoseEstimator | None, skeleton: str, annotations: Path, folder: Path
) -> dict[str, Any]:
    """Return all that the numbers depend on."""
    said: dict[str, Any] = {
        "annotations": str(annotations),
        **{name: options[name] for name in ("split", "limit")},
        "skeleton": skeleton,
    }
    if estimator is None:
        return said
    from gog_pose.decoding import describe_decoder

    return {
        **said,
        "images": str(folder),
        "checkpoint": {"file": str(options["checkpoint"]), "sha256": sha256(options["checkpoint"])},
        "preprocessing": estimator.preprocessing.to_dict(),
        "multiple": estimator.input_format.multiple,
        "scales": estimator.input_format.scales,
        "decoder": describe_decoder(estimator.decoder),
        "precision": estimator.precision,
        "flip": estimator.flip or bool(getattr(estimator.network, "flip", False)),  # the latter in an exported file
        **{name: options[name] for name in ("max_people", "batch_size", "num_workers", "device", "devices")},
    }


def show(metrics: dict[str, dict[str, float]]) -> None:
    """Print the numbers of all subsets side by side."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("")
    for subset in metrics:
        table.add_column(_TITLES[subset], justify="right")
    for name in next(iter(metrics.values())):
        values = (own[name] for own in metrics.values())
        table.add_row(name, *(f"{value:,}" if name == "images" else f"{value:.3f}" for value in values))
    Console().print(table)


if __name__ == "__main__":
    main()
