"""``gog-evaluate``: evaluation of a checkpoint, or of a file of detections, on an annotated data set.

The command writes ``detections.json`` in COCO's results format, and COCO's metrics on the chosen images and on the
subsets with people and with keypoints, where these have fewer images. For a test set without annotations it writes the
detections with the file name and archive format that COCO's server requires.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from gog_pose.cli.console import table
from gog_pose.cli.estimator import build_estimator
from gog_pose.cli.runtime import command, instantiate, resolved
from gog_pose.errors import InputError
from gog_pose.system.progress import bar
from gog_pose.system.results import (
    commit,
    results_path,
    sha256,
    table_path,
    values,
    versions,
    write_results,
    write_table,
)

if TYPE_CHECKING:
    from gog_pose.data.layout import DataLayout

_LAYOUT = ("root", "images", "annotations", "train_split", "val_split", "category")  # options of data used here
_TITLES = {"labelled": "with keypoints", "people": "with people", "all": "all"}  # column titles of subsets
_SHORT = {"labeled": "n", "error_px": "px", "error_scales": "scales"}  # short titles, for 80 columns


def only_layout(config: DictConfig) -> None:
    """Keep only the data options that locate files; the others are for training."""
    config.data = OmegaConf.masked_copy(config.data, list(_LAYOUT))


@command("evaluate", folder="output", prepare=only_layout)
def main(config: DictConfig) -> None:
    """Find the people in the images of a data set, or read detections, and compare them with the annotations."""
    options = resolved(config)
    check(options)

    from gog_pose.data.layout import DataLayout

    results = results_path(options["results"])
    layout = DataLayout(**{**options["data"], "root": Path(options["data"]["root"])})
    if results.exists():
        print(f"gog-evaluate: {results} exists and will be overwritten", file=sys.stderr)
    if options["checkpoint"] is None:
        record = evaluate_file(options, config, layout)
    else:
        record = evaluate_checkpoint(options, layout)
    write_results(results, {**record, "versions": versions(), "commit": commit()})
    if record["subsets"]:
        write_tables(results, record)
        show(record["subsets"])
        show_numbers(record)
    if "comparison" in record:
        show_comparison(record["comparison"], options["compare"])
    if options["report"] is not None:
        from gog_pose.evaluation.errors.report import PAGE

        print(f"errors: {Path(options['report']) / PAGE}")
    settings = record["settings"]
    if left_out := record.get("detections_of_other_categories"):
        print(f"gog-evaluate: {left_out} detections of other categories were left out", file=sys.stderr)
    print(
        f"{record['people']} people on {record['images']} images of {settings['annotations']}"
        f" -> {record['detections']}, {results}"
    )


def check(options: dict[str, Any]) -> None:
    """Raise ``InputError`` if an option is missing or out of range."""
    if (options["checkpoint"] is None) == (options["detections"] is None):
        raise InputError("checkpoint: give either checkpoint=FILE or detections=FILE")
    if options["subset"] not in _TITLES:
        raise InputError(f"subset: {options['subset']!r} is unknown; choose {', '.join(_TITLES)}")


def evaluate_file(options: dict[str, Any], config: DictConfig, layout: DataLayout) -> dict[str, Any]:
    """Evaluate a file of detections and return the record."""
    from gog_pose.evaluation.numbers.numbers import NumberOptions
    from gog_pose.evaluation.run import evaluate_detections

    return evaluate_detections(
        options["detections"],
        instantiate(config.skeleton),
        layout.read(options["split"]),
        layout.image_folder(options["split"]),
        split=layout.name(options["split"]),
        numbers=NumberOptions(**options["keypoints"]),
        **{name: options[name] for name in ("subset", "limit", "report", "compare")},
    )


def evaluate_checkpoint(options: dict[str, Any], layout: DataLayout) -> dict[str, Any]:
    """Evaluate a checkpoint or an exported file and return the record."""
    from gog_pose.checkpoints.registry import find_weights
    from gog_pose.evaluation.numbers.numbers import NumberOptions
    from gog_pose.evaluation.run import evaluate

    make_estimator = partial(build_estimator, options, batch_size=options["batch_size"])
    devices = device_names(options["device"], options["devices"])
    several = len(devices) > 1
    record = evaluate(
        make_estimator("cpu" if several else devices[0]),
        layout.read(options["split"]),
        layout.image_folder(options["split"]),
        split=layout.name(options["split"]),
        devices=devices if several else (),
        make_estimator=make_estimator if several else None,
        numbers=NumberOptions(**options["keypoints"]),
        progress=bar,
        **{
            name: options[name]
            for name in ("subset", "limit", "max_people", "num_workers", "output", "report", "compare")
        },
    )
    checkpoint = {"file": str(options["checkpoint"]), "sha256": sha256(find_weights(options["checkpoint"]))}
    record["settings"] |= {"checkpoint": checkpoint, **{name: options[name] for name in ("device", "devices")}}
    return record


def device_names(device: str, count: int) -> list[str]:
    """Return the device of each process.

    Raises:
        InputError: There are fewer devices than processes.
    """
    if count == 1 or device == "cpu":
        return [device] * count
    import torch

    if device != "cuda" or count > torch.cuda.device_count():
        raise InputError(
            f"devices: {count} processes with device={device} need {count} GPUs, but this machine has"
            f" {torch.cuda.device_count()}; give device=cuda and a smaller number, or device=cpu"
        )
    return [f"cuda:{index}" for index in range(count)]


def show(metrics: dict[str, dict[str, float]]) -> None:
    """Print the metrics of all subsets side by side."""
    numbers = table("", *(_TITLES[subset] for subset in metrics))
    for name in next(iter(metrics.values())):
        values = (own[name] for own in metrics.values())
        numbers.add_row(name, *(f"{value:,}" if name == "images" else f"{value:.3f}" for value in values))
    Console().print(numbers)


def show_comparison(comparison: dict[str, float], file: str) -> None:
    """Print the difference to the AP of other detections."""
    text = "AP {AP:.3f} against {other_AP:.3f}: {difference:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}"
    drawn = "({resamples:,} resamples of the {images:,} images)"
    print(f"compared with {file}: {text.format(**comparison)} {drawn.format(**comparison)}")


def show_numbers(record: dict[str, Any]) -> None:
    """Print the metrics per keypoint type and the best score threshold."""
    from gog_pose.evaluation.numbers.table import entry, keypoint_rows, texts

    keypoints, scores = record["keypoints"], record["score_threshold"]
    rows = [{name: row[name] for name in row if name != "detected"} for row in keypoint_rows(keypoints)]  # 80 columns
    numbers = table(*(_SHORT.get(name, name.replace("PCK@0.", "PCK .")) for name in rows[0]))
    for row in rows:
        numbers.add_row(*texts(row))
    console = Console()
    console.print(numbers)
    if missing := keypoints["people_without_size"]:
        print(
            f"gog-evaluate: PCK leaves out {missing} people, whose {keypoints['pck_size']} size is undefined",
            file=sys.stderr,
        )
    best = ", ".join(f"{name} {entry(name, value)}" for name, value in scores["best"].items())
    console.print(f"best F1 of people at OKS {scores['oks']:g}: {best}", soft_wrap=True)


def write_tables(results: Path, record: dict[str, Any]) -> None:
    """Write the metrics, also per keypoint type and per score threshold, as CSV files beside the results."""
    from gog_pose.evaluation.numbers.table import keypoint_rows

    rows = [(subset, *pair) for subset, metrics in record["subsets"].items() for pair in values(metrics)]
    parts = {name: record[name] for name in ("keypoints", "score_threshold")}
    left_out = ("by_type", "curve", "pck_size")
    rows += [(record["subset"], *pair) for pair in values(parts, left_out)]
    write_table(table_path(results), [dict(zip(("subset", "metric", "value"), row, strict=True)) for row in rows])
    write_table(table_path(results, "keypoints"), keypoint_rows(record["keypoints"]))
    write_table(table_path(results, "scores"), record["score_threshold"]["curve"])


if __name__ == "__main__":
    main()
