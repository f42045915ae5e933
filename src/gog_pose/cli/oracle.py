"""``gog-oracle``: upper bound of encoder and decoder, with a diagnosis of the remaining errors.

Beside the results, the command writes ``people.json``, the verdict on each labeled person, and ``worst/``, pictures of
the images that lose most recall, with annotations on the left and detections on the right.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from rich.console import Console

from gog_pose.cli.console import table
from gog_pose.cli.runtime import command, instantiate, resolved
from gog_pose.errors import InputError
from gog_pose.system.progress import bar
from gog_pose.system.results import results_path, table_path, values, versions, write_results, write_table

_PARTS = ("encoder", "decoder")  # used parts of the method


@command("oracle", folder="output")
def main(config: DictConfig) -> None:
    """Decode the ground truth of all images with labeled people, evaluate the detections and diagnose the errors."""
    options = resolved(config)
    check(options)

    from gog_pose.data.annotation_file import AnnotationFile
    from gog_pose.evaluation.oracle.oracle import Oracle
    from gog_pose.evaluation.oracle.run import PEOPLE, measure
    from gog_pose.system.processes import available_cores

    results = results_path(options["results"])
    oracle = Oracle(
        instantiate(config.method.encoder),
        instantiate(config.method.decoder),
        instantiate(config.noise),
        **{option: options[option] for option in ("seed", "long_side", "multiple")},
    )
    record = measure(
        oracle,
        AnnotationFile.of(options["annotations"], options["category"]),
        workers=available_cores() if options["workers"] is None else options["workers"],
        progress=bar,
        **{option: options[option] for option in ("limit", "output", "images", "worst")},
    )
    choices = HydraConfig.get().runtime.choices
    parts = {**{part: options["method"][part] for part in _PARTS}, "noise": options["noise"]}
    record["settings"] = {
        **{group: choices[group] for group in ("skeleton", "method", "noise")},
        **record["settings"],
        "options": {
            name: {key: value for key, value in part.items() if key not in ("_target_", "skeleton")}
            for name, part in parts.items()
        },
    }
    record["versions"] = versions()
    write_results(results, record)
    numbers = values(record, without=("settings", "versions", "worst"))
    write_table(table_path(results), [{"metric": name, "value": value} for name, value in numbers])
    show(record)
    for picture in record["worst"]:
        if picture["blank"] is not None:
            print(f"gog-oracle: drawn on a blank canvas: {picture['blank']}", file=sys.stderr)
    people = Path(options["output"]) / PEOPLE
    print(f"{record['images']} images of {options['annotations']} -> {results}; verdict per person: {people}")


def check(options: dict[str, Any]) -> None:
    """Raise ``InputError`` if an option is missing or out of range."""
    if options["annotations"] is None:
        raise InputError("annotations: is not set; give annotations=FILE, a COCO-format keypoint JSON")
    if options["images"] is not None and not Path(options["images"]).is_dir():
        raise InputError(f"images: {options['images']} is not a folder; omit it to draw on blank canvases")


def show(record: dict[str, Any]) -> None:
    """Print the tables."""
    from gog_pose.evaluation.coco import METRICS
    from gog_pose.evaluation.oracle.diagnosis import CAUSES

    console = Console()
    scores = table(METRICS[0], *METRICS[1:], title="COCO metrics of decoded ground truth")
    scores.add_row(*(f"{record[name]:.3f}" for name in METRICS))
    console.print(scores)

    people, lost = record["people"], record["recall_lost"]
    number = people["labelled"]
    title = f"{number} people, {people['detections']} detections"
    causes = table("", "people", "share", "recall lost, first cause", title=title)
    causes.caption = "one person can have several causes"
    for cause in CAUSES:
        count = people[cause]
        causes.add_row(cause.replace("_", " "), str(count), f"{count / number:.1%}", f"{lost[cause]:.4f}")
    causes.add_row("all", str(number), "", f"{lost['all']:.4f}")
    console.print(causes)

    parts = [f"{count} {name.replace('_', ' ')}" for name, count in record["keypoints"].items()]
    console.print("keypoints: " + ", ".join(parts), soft_wrap=True)
    limits = record["limits_of_the_graph"]
    console.print(
        f"AP with perfect grouping along the limbs: {limits['components']:.3f},"
        f" {limits['components_and_single_keypoints']:.3f} with single keypoints",
        soft_wrap=True,
    )


if __name__ == "__main__":
    main()
