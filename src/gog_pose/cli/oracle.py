"""``gog-oracle``: the upper bound of encoder and decoder, and why it is not 1.

Beside the results it writes ``people.json``, which says of every labelled person what became of it, and ``worst/``,
pictures of the images that lose most: annotations at the left, detections at the right.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from gog_pose.cli.results import results_path, versions, write_results
from gog_pose.cli.runtime import command, instantiate, resolved
from gog_pose.errors import InputError

if TYPE_CHECKING:
    from gog_pose.evaluation.oracle import AnnotatedImage, OracleAnswer
    from gog_pose.skeleton import Skeleton

_LIMITS = {"components": 2, "components_and_single_keypoints": 1}  # fewest keypoints of a component that counts
_BLANK = 48  # grey of a canvas without image


@command("oracle")
def main(config: DictConfig) -> None:
    """Decode the ground truth of every image with labelled people, evaluate and explain it."""
    from gog_pose.data.coco import CocoKeypoints
    from gog_pose.evaluation import CocoKeypointEvaluator, Oracle, best_possible_poses, summarise
    from gog_pose.evaluation.oracle import images_with_labelled_people
    from gog_pose.processes import available_cores, map_in_processes

    options = resolved(config)
    check(options)
    results, output = results_path(options["results"]), Path(options["output"])
    skeleton: Skeleton = instantiate(config.skeleton)
    oracle = Oracle(
        instantiate(config.encoder),
        instantiate(config.decoder),
        instantiate(config.noise),
        **{option: options[option] for option in ("seed", "long_side", "multiple")},
    )
    annotations = options["annotations"]
    images = images_with_labelled_people(CocoKeypoints(annotations, None, skeleton.num_keypoints), options["limit"])
    if not images:
        raise InputError(f"annotations: {annotations} has no person with keypoints; give another file")
    evaluator = CocoKeypointEvaluator(annotations, skeleton)

    workers = available_cores() if options["workers"] is None else options["workers"]
    start = time.perf_counter()
    answered = map_in_processes(oracle, images, min(workers, len(images)))
    answers = list(track(answered, "decoding the truth", len(images), console=Console(stderr=True)))
    seconds = time.perf_counter() - start

    def evaluate(poses: Sequence[Any]) -> dict[str, float]:
        return evaluator.evaluate(
            {image.image_id: found.to_coco(image.image_id) for image, found in zip(images, poses, strict=True)}
        )

    metrics = evaluate([answer.poses for answer in answers])
    limits = {
        name: evaluate([best_possible_poses(image.keypoints, skeleton, min_keypoints=least) for image in images])["AP"]
        for name, least in _LIMITS.items()
    }
    causes = summarise(answer.diagnosis for answer in answers)
    worst = write_pictures(output, images, answers, skeleton, options["worst"], options["images"])
    write_results(output / "people.json", people(images, answers))
    choices = HydraConfig.get().runtime.choices
    record = {
        **metrics,
        "images": len(images),
        **causes,
        "limits_of_the_graph": limits,
        "worst": worst,
        "seconds": seconds,
        "settings": {
            **{group: choices[group] for group in ("skeleton", "encoding", "decoder", "noise")},
            **{name: options[name] for name in ("annotations", "limit", "long_side", "multiple", "seed")},
            "workers": workers,
            "options": {
                node: {key: value for key, value in options[node].items() if key not in ("_target_", "skeleton")}
                for node in ("encoder", "decoder", "noise")
            },
        },
        "versions": versions(),
    }
    write_results(results, record)
    show(record)
    print(f"{len(images)} images of {annotations} -> {results}; person by person: {output / 'people.json'}")


def check(options: dict[str, Any]) -> None:
    """Raise ``InputError`` on an option that makes no sense."""
    if options["annotations"] is None:
        raise InputError("annotations: is not set; give annotations=FILE, a COCO-format keypoint JSON")
    for option, least in (("limit", 1), ("workers", 0), ("worst", 0)):
        value = options[option]
        if value is not None and (not isinstance(value, int) or value < least):
            raise InputError(f"{option}: must be {least} or more, got {value}")
    if options["images"] is not None and not Path(options["images"]).is_dir():
        raise InputError(f"images: {options['images']} is no folder; leave it out to draw on blank canvases")


def people(images: Sequence[AnnotatedImage], answers: Sequence[OracleAnswer]) -> list[dict[str, Any]]:
    """Return one entry a labelled person: where it is, its verdict and what failed."""
    return [
        {
            "image_id": image.image_id,
            "bbox": image.boxes[index].tolist(),
            "failures": verdict.failures,
            **verdict._asdict(),
        }
        for image, answer in zip(images, answers, strict=True)
        for index, verdict in enumerate(answer.diagnosis.people)
    ]


def write_pictures(
    output: Path,
    images: Sequence[AnnotatedImage],
    answers: Sequence[OracleAnswer],
    skeleton: Skeleton,
    count: int,
    folder: str | None,
) -> list[dict[str, Any]]:
    """Draw the images that lose most recall, the worst first, and return what they are."""
    import numpy as np
    from PIL import Image

    from gog_pose.drawing import contact_sheet, draw_ground_truth, draw_poses

    losses = np.array([answer.diagnosis.recall_lost for answer in answers])
    chosen = [int(place) for place in np.argsort(-losses, kind="stable")[:count] if losses[place] > 0]
    target = output / "worst"
    target.mkdir(parents=True, exist_ok=True)
    drawn, sheets = [], []
    for rank, place in enumerate(chosen, start=1):
        image, answer = images[place], answers[place]
        canvas = _canvas(image, folder)
        pair = [draw_ground_truth(canvas, image.keypoints, skeleton), draw_poses(canvas, answer.poses, skeleton)]
        sheets.append(contact_sheet(pair, 2, image.image_hw))
        name = f"{rank:02d}_{image.image_id}.png"
        Image.fromarray(sheets[-1]).save(target / name)
        failures = [" ".join(verdict.failures) for verdict in answer.diagnosis.people if verdict.recall_lost]
        drawn.append(
            {"image_id": image.image_id, "picture": name, "recall_lost": float(losses[place]), "people": failures}
        )
    if sheets:
        Image.fromarray(contact_sheet(sheets, 2, (300, 640))).save(target / "contact_sheet.png")
    return drawn


def _canvas(image: AnnotatedImage, folder: str | None) -> Any:
    import numpy as np

    from gog_pose.images import read_image, resolve_inside

    if folder is not None:
        try:
            return read_image(resolve_inside(folder, image.file_name))
        except InputError as error:
            print(f"gog-oracle: drawn on a blank canvas: {error}", file=sys.stderr)
    return np.full((*image.image_hw, 3), _BLANK, dtype=np.uint8)


def show(record: dict[str, Any]) -> None:
    """Print the tables."""
    from gog_pose.evaluation.coco import METRICS
    from gog_pose.evaluation.diagnosis import CAUSES

    console = Console()
    scores = Table(title="COCO metrics of decoded ground truth", box=box.SIMPLE, pad_edge=False)
    for name in METRICS:
        scores.add_column(name, justify="right")
    scores.add_row(*(f"{record[name]:.3f}" for name in METRICS))
    console.print(scores)

    number, befallen, lost = record["people"]["labelled"], record["people"], record["recall_lost"]
    title = f"{number} people, {befallen['detections']} detections"
    causes = Table(title=title, caption="one person can be several", box=box.SIMPLE)
    for name in ("", "people", "share", "recall lost, first cause"):
        causes.add_column(name, justify="left" if not name else "right")
    for cause in CAUSES:
        count = befallen[cause]
        causes.add_row(cause.replace("_", " "), str(count), f"{count / number:.1%}", f"{lost[cause]:.4f}")
    causes.add_row("all", str(number), "", f"{lost['all']:.4f}")
    console.print(causes)

    counts = record["keypoints"]
    parts = [f"{count} {name.replace('_', ' ')}" for name, count in counts.items()]
    console.print("keypoints: " + ", ".join(parts), soft_wrap=True)
    limits = record["limits_of_the_graph"]
    console.print(
        f"flawless pairing along the limbs allows AP {limits['components']:.3f},"
        f" {limits['components_and_single_keypoints']:.3f} with single keypoints",
        soft_wrap=True,
    )


if __name__ == "__main__":
    main()
