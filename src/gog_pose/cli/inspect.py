"""``gog-inspect``: check of a COCO-format data set, with pictures of the training samples and targets.

The command prints statistics and findings and writes the full lists as JSON. ``<split>.png`` shows samples as loaded
for training and validation, ``<split>_ignored.png`` samples with people who are not supervised. If the reader rejects
annotations of some images, ``<split>_sound.json`` is the annotation file without these images, and statistics and
pictures show the other images.

The exit code is 0 if there are no errors (warnings are possible), 1 if there are errors (training would stop or be
wrong), 2 if an option is wrong.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from rich.console import Console
from rich.markup import escape

from gog_pose.cli.console import table
from gog_pose.cli.runtime import command, instantiate, resolved
from gog_pose.errors import InputError
from gog_pose.system.progress import bar
from gog_pose.system.results import results_path, versions, write_results

_SPLITS = ("train", "val")
_EXAMPLES = 3  # printed findings per kind
_COUNTS = (
    "images", "images_with_labelled_people", "images_without_people", "people", "labelled_people", "crowds",
)  # fmt: skip
_DISTRIBUTIONS = {
    "scale": "scale, px",
    "scale_at_evaluation": "scale in evaluation",
    "labelled_keypoints_of_a_person": "keypoints per person",
    "labelled_people_of_an_image": "people per image",
    "overlap": "overlap of boxes, IoU",
}


@command("inspect", folder="output")
def main(config: DictConfig) -> None:
    """Inspect the splits of a data set."""
    options = resolved(config)
    check(options)

    from gog_pose.data.inspection.run import inspect
    from gog_pose.system.processes import available_cores

    results = results_path(options["results"])
    record = inspect(
        instantiate(config.data),
        options["output"],
        splits=_SPLITS if options["split"] is None else (options["split"],),
        read_images=options["images"],
        limit=options["limit"],
        previews=options["previews"],
        workers=available_cores() if options["workers"] is None else options["workers"],
        progress=bar,
    )
    choices = HydraConfig.get().runtime.choices
    record["settings"] = {
        **{group: choices[group] for group in ("data", "skeleton", "method", "augmentation")},
        **{name: options[name] for name in ("split", "images", "limit", "previews", "seed")},
        "root": options["data"]["root"],
    }
    record["versions"] = versions()
    write_results(results, record)
    show_statistics({split: own for split, own in record["statistics"].items() if own is not None})
    show_findings(record["findings"], tuple(record["statistics"]), options["data"]["root"])
    errors, warnings = record["errors"], record["warnings"]
    print(f"{errors} errors, {warnings} warnings -> {results}; pictures in {options['output']}")
    if errors:
        sys.exit(1)


def check(options: dict[str, Any]) -> None:
    """Raise ``InputError`` if an option is out of range."""
    if options["split"] not in (None, *_SPLITS):
        raise InputError(f"split: must be train, val, or null for both, got {options['split']}")
    root = options["data"]["root"]
    if not Path(root).is_dir():
        raise InputError(f"data.root: {root} is not a folder; give data.root=DIR")


def show_statistics(statistics: dict[str, dict[str, Any]]) -> None:
    """Print the statistics of the splits."""
    from gog_pose.data.inspection.statistics import QUANTILES

    if not statistics:
        return
    console = Console()
    counts = table("", *statistics)
    for name in _COUNTS:
        counts.add_row(name.replace("_", " "), *(f"{own[name]:,}" for own in statistics.values()))
    for least in next(iter(statistics.values()))["share_of_people_overlapping"]:
        shares = [own["share_of_people_overlapping"][least] for own in statistics.values()]
        counts.add_row(f"people with an overlap above {least}", *(f"{share:.1%}" for share in shares))
    console.print(counts)

    keypoints = table("keypoints", *(f"{split}, {of}" for split in statistics for of in ("labeled", "visible")))
    keypoints.caption = "labeled: share of labeled people; visible: share of labeled keypoints"
    for name in next(iter(statistics.values()))["keypoints"]:
        row = []
        for own in statistics.values():
            seen = own["keypoints"][name]
            row += [_share(seen["labelled"], own["labelled_people"]), _share(seen["visible"], seen["labelled"])]
        keypoints.add_row(name, *row)
    console.print(keypoints)

    distributions = table("labeled people", "", *(f"{part:.0%}" for part in QUANTILES))
    distributions.caption = "quantiles; scale: root of the box area; overlap: with the nearest other person"
    for name, title in _DISTRIBUTIONS.items():
        for split, own in statistics.items():
            digits = 2 if name == "overlap" else 0
            distributions.add_row(title, split, *(f"{value:.{digits}f}" for value in own[name] or []))
            title = ""
    console.print(distributions)


def show_findings(findings: Sequence[dict[str, Any]], splits: Sequence[str], root: str) -> None:
    """Print the number of findings per kind, and the first few of each kind."""
    from gog_pose.data.inspection.findings import ERRORS, WARNINGS

    console = Console()
    counts = Counter((finding["kind"], finding["split"]) for finding in findings)
    kinds = [kind for kind in (*ERRORS, *WARNINGS) if any(counts[kind, split] for split in splits)]
    if not kinds:
        return
    overview = table("findings", "", *splits, "consequence")
    for column in (1, len(overview.columns) - 1):
        overview.columns[column].justify = "left"
    for kind in kinds:
        severity = "[red]error[/]" if kind in ERRORS else "[yellow]warning[/]"
        numbers = (f"{counts[kind, split]:,}" for split in splits)
        overview.add_row(kind, severity, *numbers, {**ERRORS, **WARNINGS}[kind])
    console.print(overview)
    for kind in kinds:
        messages = [finding["message"].replace(f"{root}/", "") for finding in findings if finding["kind"] == kind]
        console.print(f"[bold]{kind}[/]", soft_wrap=True)
        for message in messages[:_EXAMPLES]:
            console.print(f"  {escape(message)}", soft_wrap=True, highlight=False)
        if len(messages) > _EXAMPLES:
            console.print(f"  and {len(messages) - _EXAMPLES:,} more", highlight=False)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""


if __name__ == "__main__":
    main()
