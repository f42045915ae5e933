"""Draws every table and plot of the ledger from results/*.json.

    python experiments/report.py OUTPUT [OWN]

cells.yaml says what the studies are. OUTPUT gets report.md and a plot a study; OWN is a folder of one's own results, as
the Makefile's targets write them, which are shown beside those of the ledger.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import matplotlib
import yaml

matplotlib.use("Agg")
import matplotlib.pyplot as plt

LEDGER = Path(__file__).resolve().parent
EXPERIMENTS = LEDGER.parent / "conf" / "experiment"
Study = dict[str, Any]


class Cell(NamedTuple):
    """What one cell of a table says.

    Attributes:
        ledger: Values of the ledger's runs, one a seed, or the published one; empty: not run.
        own: Values of one's own runs.
    """

    ledger: list[float]
    own: list[float]

    def __str__(self) -> str:
        """Return the text of the cell."""
        return f"{_text(self.ledger)}{f' (here {_text(self.own)})' if self.own else ''}".strip()


def _text(values: list[float]) -> str:
    if not values:
        return ""
    if isinstance(values[0], int):
        return ", ".join(f"{value:,}" for value in values)
    spread = f" ({min(values):.3f} to {max(values):.3f}, {len(values)} seeds)" if len(values) > 1 else ""
    return f"{mean(values):.3f}{spread}"


def look_up(folder: Path, files: str, metric: str) -> list[float]:
    """Return a number of each results file; ``metric`` may be a path such as ``people.merged``."""
    values = []
    for file in sorted(folder.glob(f"{files}.json")):
        value: Any = json.loads(file.read_text(encoding="utf-8"))
        for key in metric.split("."):
            value = value[int(key)] if isinstance(value, list) else (value or {}).get(key)
        if value is not None:
            values.append(value)
    return values


def cell(study: Study, row: str, column: dict[str, Any], own: Path | None) -> Cell:
    """Read a cell: a published number, or that of the files that the column names."""
    if "published" in column:
        number = column["published"].get(row)
        return Cell([] if number is None else [number], [])
    files, metric = column["files"].replace("{row}", row), column.get("metric", "AP")
    ledger, mine = (Path(root or LEDGER, study["study"], "results") for root in (LEDGER, own))
    return Cell(look_up(ledger, files, metric), look_up(mine, files, metric) if own else [])


def rows(study: Study) -> dict[str, str]:
    """Return what the rows are called, by the names they have in files."""
    given = study["rows"] if isinstance(study["rows"], dict) else {row: row for row in study["rows"]}
    return {str(row): str(label) for row, label in given.items()}


def table(header: list[str], body: list[list[str]]) -> str:
    """Return a Markdown table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *body])


def cells(study: Study, own: Path | None) -> dict[str, list[Cell]]:
    """Return the table of a study, by rows."""
    return {row: [cell(study, row, column, own) for column in study["columns"]] for row in rows(study)}


def plot(study: Study, found: dict[str, list[Cell]], path: Path) -> bool:
    """Draw a study: lines over rows that are numbers, bars over others. Return whether there is anything to draw."""
    drawn = [index for index, column in enumerate(study["columns"]) if column.get("plot", "metric" not in column)]
    drawn = [
        index for index in drawn if sum(bool(line[index].ledger or line[index].own) for line in found.values()) > 1
    ]
    if not drawn:
        return False
    labels = list(rows(study).values())
    is_line = all(label.isdigit() for label in labels)
    figure, axes = plt.subplots(
        figsize=(6, 3.2 if is_line else 0.9 + 0.2 * len(labels) * len(drawn)), layout="constrained"
    )
    for place, index in enumerate(drawn):
        title = study["columns"][index]["title"]
        for own in (False, True):
            values = [(at, line[index].own if own else line[index].ledger) for at, line in enumerate(found.values())]
            values = [(at, mean(numbers)) for at, numbers in values if numbers]
            name, style = (f"{title}, here", "--") if own else (title, "-")
            if not values:
                continue
            if is_line:
                axes.plot(
                    [int(labels[at]) for at, _ in values],
                    [y for _, y in values],
                    f"o{style}",
                    color=f"C{place}",
                    label=name,
                )
            elif not own:
                height = 0.8 / len(drawn)
                bars = axes.barh(
                    [at + (place + 0.5) * height - 0.4 for at, _ in values],
                    [y for _, y in values],
                    height,
                    label=name,
                    color=f"C{place}",
                )
                axes.bar_label(bars, fmt="%.3f", fontsize=7, padding=2)
            else:
                height = 0.8 / len(drawn)
                axes.plot(
                    [y for _, y in values], [at + (place + 0.5) * height - 0.4 for at, _ in values], "k|", label=name
                )
    if is_line:
        axes.set(xlabel=study["axis"], ylabel="AP", xticks=[int(label) for label in labels])
    else:
        axes.set(yticks=range(len(labels)), yticklabels=labels, xlabel="AP")
        axes.invert_yaxis()
        axes.margins(x=0.15)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside upper center", ncols=2, fontsize=7, frameon=False)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
    return True


def command(experiment: str) -> str:
    """Return the command line that the header of an experiment gives."""
    lines = (EXPERIMENTS / f"{experiment}.yaml").read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix("# ") for line in lines if line.startswith("# gog-"))


def ledger(studies: list[Study], own: Path | None) -> str:
    """Return the table of the paper's cells: how each is made, what was published, what was measured."""
    lines = []
    for study in studies:
        for row, experiments in study.get("experiments", {}).items():
            published, full, small = (cell(study, row, column, own) for column in study["columns"][:3])
            lines.append(
                [
                    study["title"].split(":")[0],
                    rows(study)[row],
                    "<br>".join(f"`{command(experiment)}`" for experiment in experiments),
                    str(published),
                    str(full) or "needs GPUs",
                    str(small),
                    study["date"],
                ]
            )
    return table(["where", "cell", "commands", "paper", "full size", "small", "date"], lines)


def section(study: Study, output: Path, own: Path | None) -> str:
    """Return the part of the page about a study; draw its plot."""
    found = cells(study, own)
    titles = [str(column["title"]) for column in study["columns"]]
    body = [[label, *map(str, found[row])] for row, label in rows(study).items()]
    picture = f"{study['study']}.png"
    parts = [
        f"## {study['title']}",
        f"`{study['command']}`. {study['setting']} {study['date']}.",
        table(["", *titles], body),
        f"![{study['title']}]({picture})" if plot(study, found, output / picture) else "",
        study.get("reading", "").strip(),
    ]
    return "\n\n".join(part for part in parts if part)


def main(output: Path, own: Path | None) -> Path:
    """Write the page and its plots; return the page."""
    content = yaml.safe_load((LEDGER / "cells.yaml").read_text(encoding="utf-8"))
    output.mkdir(parents=True, exist_ok=True)
    studies = content["studies"]
    parts = [content["introduction"].strip(), ledger(studies, own), *(section(study, output, own) for study in studies)]
    page = output / "report.md"
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return page


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    print(main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else None))
