"""``gog-inspect``: check a COCO-format data set and show what a network would be taught from it.

It prints what the data set holds and what is wrong with it, and writes the same in full as JSON. ``<split>.png`` shows
samples as training and validation load them, ``<split>_ignored.png`` those with people who are not supervised. Where
there are images of which the reader refuses anything, ``<split>_sound.json`` is the annotation file without them;
statistics and pictures are of the rest.

The exit code is 0 where nothing is wrong or there are warnings only, 1 where there are errors (training would stop or
be wrong), 2 where an option is.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from gog_pose.cli.results import results_path, versions, write_results
from gog_pose.cli.runtime import command, instantiate, resolved
from gog_pose.errors import InputError

if TYPE_CHECKING:
    from gog_pose.data.datamodule import PoseDataModule
    from gog_pose.data.inspection.findings import Finding
    from gog_pose.data.inspection.split import SplitReport

_EXAMPLES = 3  # findings of a kind that are printed
_COUNTS = (
    "images", "images_with_labelled_people", "images_without_people", "people", "labelled_people", "crowds",
)  # fmt: skip
_DISTRIBUTIONS = {
    "scale": "scale, px",
    "scale_at_evaluation": "the same at evaluation",
    "labelled_keypoints_of_a_person": "keypoints of a person",
    "labelled_people_of_an_image": "people of an image",
    "overlap": "overlap of boxes, IoU",
}


@command("inspect")
def main(config: DictConfig) -> None:
    """Inspect the splits of a data set."""
    options = resolved(config)
    check(options)

    from PIL import Image

    from gog_pose.data.inspection.split import inspect_split
    from gog_pose.processes import available_cores, map_in_processes

    results, output = results_path(options["results"]), Path(options["output"])
    output.mkdir(parents=True, exist_ok=True)
    data: PoseDataModule = instantiate(config.data)
    splits = {"train": data.train_split, "val": data.val_split}
    workers = available_cores() if options["workers"] is None else options["workers"]

    reports: dict[str, SplitReport] = {}
    for split in [splits[options["split"]]] if options["split"] else splits.values():

        def map_files(
            function: Callable[[Any], Any], jobs: Sequence[Any], title: str = f"reading {split}"
        ) -> Iterable[Any]:
            checked = map_in_processes(function, jobs, min(workers, len(jobs)))
            return track(checked, title, len(jobs), console=Console(stderr=True))

        reports[split] = inspect_split(
            data,
            split,
            sound_file=output / f"{split}_sound.json",
            read_images=options["images"],
            limit=options["limit"],
            previews=options["previews"],
            map_files=map_files,
        )
        for name, sheet in reports[split].sheets.items():
            Image.fromarray(sheet).save(output / name)

    choices = HydraConfig.get().runtime.choices
    findings = [(split, finding) for split, report in reports.items() for finding in report.findings]
    errors = sum(finding.is_error for _, finding in findings)
    record = {
        "errors": errors,
        "warnings": len(findings) - errors,
        "findings": [entry(split, finding) for split, finding in findings],
        "statistics": {split: report.statistics for split, report in reports.items()},
        "files_read": {split: report.files_read for split, report in reports.items()},
        "pictures": [name for report in reports.values() for name in report.sheets],
        "settings": {
            **{group: choices[group] for group in ("data", "skeleton", "encoding", "augmentation")},
            **{name: options[name] for name in ("split", "images", "limit", "previews", "seed")},
            "root": str(data.root),
        },
        "versions": versions(),
    }
    write_results(results, record)
    show_statistics({split: report.statistics for split, report in reports.items() if report.statistics})
    show_findings(findings, tuple(reports), data.root)
    print(f"{errors} errors, {len(findings) - errors} warnings -> {results}; pictures in {output}")
    if errors:
        sys.exit(1)


def check(options: dict[str, Any]) -> None:
    """Raise ``InputError`` on an option that makes no sense."""
    if options["split"] not in (None, "train", "val"):
        raise InputError(f"split: must be train, val or null for both, got {options['split']}")
    for option, least in (("limit", 1), ("previews", 0), ("workers", 0)):
        value = options[option]
        if value is not None and (not isinstance(value, int) or value < least):
            raise InputError(f"{option}: must be {least} or more, got {value}")
    root = options["data"]["root"]
    if not Path(root).is_dir():
        raise InputError(f"data.root: {root} is no folder; give data.root=DIR")


def entry(split: str, finding: Finding) -> dict[str, Any]:
    """Return a finding as the results have it."""
    return {"split": split, "severity": "error" if finding.is_error else "warning", **finding._asdict()}


def show_statistics(statistics: dict[str, dict[str, Any]]) -> None:
    """Print what the splits hold."""
    from gog_pose.data.inspection.statistics import QUANTILES

    if not statistics:
        return
    console = Console()
    counts = _table("", *statistics)
    for name in _COUNTS:
        counts.add_row(name.replace("_", " "), *(f"{own[name]:,}" for own in statistics.values()))
    for least in next(iter(statistics.values()))["share_of_people_overlapping"]:
        shares = [own["share_of_people_overlapping"][least] for own in statistics.values()]
        counts.add_row(f"people with an overlap above {least}", *(f"{share:.1%}" for share in shares))
    console.print(counts)

    keypoints = _table("keypoints", *(f"{split}, {of}" for split in statistics for of in ("labelled", "visible")))
    keypoints.caption = "labelled: share of labelled people; visible: share of labelled keypoints"
    for name in next(iter(statistics.values()))["keypoints"]:
        row = []
        for own in statistics.values():
            seen = own["keypoints"][name]
            row += [_share(seen["labelled"], own["labelled_people"]), _share(seen["visible"], seen["labelled"])]
        keypoints.add_row(name, *row)
    console.print(keypoints)

    distributions = _table("of labelled people", "", *(f"{part:.0%}" for part in QUANTILES))
    distributions.caption = "quantiles; scale: root of the box area; overlap: with the nearest other person"
    for name, title in _DISTRIBUTIONS.items():
        for split, own in statistics.items():
            digits = 2 if name == "overlap" else 0
            distributions.add_row(title, split, *(f"{value:.{digits}f}" for value in own[name] or []))
            title = ""
    console.print(distributions)


def show_findings(findings: Sequence[tuple[str, Finding]], splits: Sequence[str], root: Path) -> None:
    """Print how many findings of each kind there are, and the first few of each."""
    from gog_pose.data.inspection.findings import ERRORS, WARNINGS

    console = Console()
    counts = Counter((finding.kind, split) for split, finding in findings)
    kinds = [kind for kind in (*ERRORS, *WARNINGS) if any(counts[kind, split] for split in splits)]
    if not kinds:
        return
    table = _table("findings", "", *splits, "what follows")
    for column in (1, len(table.columns) - 1):
        table.columns[column].justify = "left"
    for kind in kinds:
        severity = "[red]error[/]" if kind in ERRORS else "[yellow]warning[/]"
        numbers = (f"{counts[kind, split]:,}" for split in splits)
        table.add_row(kind, severity, *numbers, {**ERRORS, **WARNINGS}[kind])
    console.print(table)
    for kind in kinds:
        told = [finding.message.replace(f"{root}/", "") for _, finding in findings if finding.kind == kind]
        console.print(f"[bold]{kind}[/]", soft_wrap=True)
        for message in told[:_EXAMPLES]:
            console.print(f"  {escape(message)}", soft_wrap=True, highlight=False)
        if len(told) > _EXAMPLES:
            console.print(f"  and {len(told) - _EXAMPLES:,} more", highlight=False)


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""


if __name__ == "__main__":
    main()
