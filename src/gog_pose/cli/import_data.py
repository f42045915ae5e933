"""``gog-import-data``: conversion of annotations of other programs to a COCO-format folder for all commands.

The command writes ``{train,val}/``, ``annotations/``, ``conf/skeleton/NAME.yaml``, ``conf/data/NAME.yaml`` and the
report ``import.json``. The folder appears when it is complete.

The exit code is 0 if everything was converted, 1 if something was left out, 2 if an option or the whole source is
wrong and nothing was written. Annotations that a keypoint data set cannot contain, such as polygons, are counted.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console

from gog_pose.cli.console import printable, table
from gog_pose.cli.runtime import command, config_dir, resolved
from gog_pose.errors import InputError

_SHOWN = 20  # printed entries of what was left out; import.json lists all


@command("import_data")
def main(config: DictConfig) -> None:
    """Import a data set; entries that cannot be converted are left out."""
    options = resolved(config)
    for option in ("source", "output"):
        if options[option] is None:
            raise InputError(f"{option}: is not set; give source=FOLDER|FILE output=DIR")
    name = chosen_name(options["name"], Path(options["output"]))

    from gog_pose.data.importing.record import Options
    from gog_pose.data.importing.run import import_data
    from gog_pose.system.progress import bar

    report = import_data(
        str(options["source"]),
        options["output"],
        name=name,
        options=Options(
            images=None if options["images"] is None else Path(options["images"]),
            **{option: options[option] for option in ("category", "keypoints", "one_based")},
        ),
        progress=bar,
        **{option: options[option] for option in ("format", "val_share", "link")},
    )
    show(report, options["output"])
    if report["left_out"]:
        sys.exit(1)


def chosen_name(name: str | None, output: Path) -> str:
    """Return the name of the skeleton and the data set; the default is the name of the folder.

    Raises:
        InputError: The name is not valid as an option, or this package has an option with this name.
    """
    if name is None:
        name = re.sub(r"\W+", "_", output.absolute().name, flags=re.ASCII).strip("_").lower()
    if not re.fullmatch(r"[A-Za-z_]\w*", name, flags=re.ASCII):
        raise InputError(
            f"name: {name!r} must consist of letters, digits and _, and not begin with a digit; give name=NAME"
        )
    for group in ("skeleton", "data"):
        if Path(config_dir(), group, f"{name}.yaml").exists():
            raise InputError(f"name: {group}={name} belongs to this package; give another name with name=NAME")
    return name


def show(report: dict[str, Any], output: str) -> None:
    """Print the imported counts, the decisions, and what was left out."""
    counts = report["counts"]
    rows = table("", *counts)
    for kind in next(iter(counts.values())):
        rows.add_row(kind, *(f"{own[kind]:,}" for own in counts.values()))
    Console().print(rows)
    for part, said in report["skeleton"].items():
        print(printable(f"{part}: {said}"))
    for note in report["notes"]:
        print(printable(note))
    for kind, number in report["passed_over"].items():
        print(printable(f"not imported: {number:,} {kind}"))
    left_out = report["left_out"]
    for one in left_out[:_SHOWN]:
        where = ": ".join(part for part in one.values() if part)
        print(printable(f"gog-import-data: left out: {where}"), file=sys.stderr)
    if len(left_out) > _SHOWN:
        print(f"gog-import-data: left out: {len(left_out) - _SHOWN:,} more, listed in import.json", file=sys.stderr)
    name = report["name"]
    print(f"{report['format']} -> {output}: {len(left_out)} left out; images, annotations, conf, import.json")
    print(f"next: gog-inspect --config-dir {Path(output) / 'conf'} skeleton={name} data={name}")


if __name__ == "__main__":
    main()
