"""Writes all tables and plots from the results files.

    python experiments/report.py OUTPUT [OWN]

OUTPUT is the folder of report.md and of one plot per study. OWN is a folder of your own results from ``run.py``, which
are shown beside the recorded results.
"""

from __future__ import annotations

import shutil
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import matplotlib
import yaml
from study import FOLDER, RESULTS, STUDIES, Results, Study, cells, load_study, read_results, rows

matplotlib.use("Agg")
import matplotlib.pyplot as plt

# Settings in the commands that the table of the paper's cells shows.
SHOWN = {
    "photographs": "",
    "scenes": "",
    "held_out": "",
    "features": "",
    "runs": "runs",
    "data": "data/coco",
    "limit": "null",
}


class Entry(NamedTuple):
    """One entry of a table.

    Attributes:
        recorded: Recorded values, one per seed, or the published value; empty = not measured.
        own: Values of the user's results.
        text: Text instead of numbers.
    """

    recorded: list[float]
    own: list[float]
    text: str = ""

    def __str__(self) -> str:
        """Return the text of the entry."""
        return self.text or f"{_text(self.recorded)}{f' (here {_text(self.own)})' if self.own else ''}".strip()


def _text(values: list[float]) -> str:
    if not values:
        return ""
    if isinstance(values[0], int):
        return ", ".join(f"{value:,}" for value in values)
    spread = f" ({min(values):.3f} to {max(values):.3f}, {len(values)} seeds)" if len(values) > 1 else ""
    return f"{mean(values):.3f}{spread}"


def look_up(results: Results, pattern: str, metric: str) -> list[float]:
    """Return a metric of each cell whose name matches; ``metric`` may be a path such as ``people.merged``."""
    values = []
    for name in sorted(results):
        if not fnmatchcase(name, pattern):
            continue
        value: Any = results[name]
        for key in metric.split("."):
            value = value[int(key)] if isinstance(value, list) else (value or {}).get(key)
        if value is not None:
            values.append(value)
    return values


def entry(study: Study, row: str, column: dict[str, Any], own: Path | None) -> Entry:
    """Return the text or the published number of a column, or the results of the cells that the column names."""
    if "text" in column:
        return Entry([], [], column["text"].get(row, ""))
    if "published" in column:
        number = column["published"].get(row)
        return Entry([] if number is None else [number], [])
    pattern, metric = (column.get(key, "AP").replace("{row}", row) for key in ("cells", "metric"))
    name = column.get("results", study.get("results", study["name"]))
    recorded, mine = (look_up(read_results(root, name), pattern, metric) if root else [] for root in (RESULTS, own))
    return Entry(recorded, mine)


def table(header: list[str], body: list[list[str]]) -> str:
    """Return a Markdown table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *body])


def entries(study: Study, own: Path | None) -> dict[str, list[Entry]]:
    """Return the entries of a study by row."""
    return {row: [entry(study, row, column, own) for column in study["columns"]] for row in rows(study)}


def plot(study: Study, found: dict[str, list[Entry]], path: Path) -> bool:
    """Plot a study, as lines if the rows are numbers, otherwise as bars. Return False if there is nothing to plot."""
    plotted = [index for index, column in enumerate(study["columns"]) if column.get("plot", "metric" not in column)]
    plotted = [
        index for index in plotted if sum(bool(line[index].recorded or line[index].own) for line in found.values()) > 1
    ]
    if not plotted:
        return False
    labels = list(rows(study).values())
    is_line = all(label.isdigit() for label in labels)
    # Inches; a bar is 0.2 high, and a character of a label is 0.075 wide. Labels need at most 2.4 of the 6.
    width, length = max(6, 3.6 + 0.075 * max(map(len, labels))), 0.9 + 0.2 * len(labels) * len(plotted)
    size = (6, 3.2) if is_line else (width, length)
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    height = 0.8 / len(plotted)  # of a bar
    for place, index in enumerate(plotted):
        title = study["columns"][index]["title"]
        for own in (False, True):
            values = [(at, line[index].own if own else line[index].recorded) for at, line in enumerate(found.values())]
            values = [(at, mean(numbers)) for at, numbers in values if numbers]
            if not values:
                continue
            name, style = (f"{title}, here", "--") if own else (title, "-")
            numbers = [number for _, number in values]
            if is_line:
                axes.plot([int(labels[at]) for at, _ in values], numbers, f"o{style}", color=f"C{place}", label=name)
                continue
            places = [at + (place + 0.5) * height - 0.4 for at, _ in values]
            if own:
                axes.plot(numbers, places, "k|", label=name)
            else:
                bars = axes.barh(places, numbers, height, label=name, color=f"C{place}")
                axes.bar_label(bars, fmt="%.3f", fontsize=7, padding=2)
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


def commands(study: Study, row: str) -> list[str]:
    """Return the command lines of a row at full size."""
    column = next(column for column in study["columns"] if column["title"] == "full size")
    pattern = column["cells"].replace("{row}", row)
    cell = next(cell for cell in cells(study, [0], SHOWN) if fnmatchcase(cell.name, pattern))
    lines = [f"gog-{program} {text}" for program, text in cell.options.items()]
    if "oracle" in cell.options:
        lines[-1] += " annotations=FILE"
    if "train" in cell.options:
        lines[-1] += " checkpoint=FILE"
    return lines


def paper(studies: list[Study], own: Path | None) -> str:
    """Return the table of the paper's cells with commands, published and measured values."""
    lines = []
    for study in studies:
        for row in study.get("paper", []):
            found = {column["title"]: str(entry(study, row, column, own)) for column in study["columns"]}
            lines.append(
                [
                    study["title"].split(":")[0],
                    rows(study)[row],
                    "<br>".join(f"`{line}`" for line in commands(study, row)),
                    found["paper"],
                    found["full size"] or "needs GPUs",
                    found.get("small", ""),
                    study["date"],
                ]
            )
    return table(["where", "cell", "commands", "paper", "full size", "small", "date"], lines)


def section(study: Study, output: Path, own: Path | None) -> str:
    """Return the section of the page about a study, and write its pictures."""
    found = entries(study, own)
    titles = [str(column["title"]) for column in study["columns"]]
    body = [[label, *map(str, found[row])] for row, label in rows(study).items()]
    chart, picture = f"{study['name']}.png", f"{study['name']}.jpg"
    if "picture" in study:
        shutil.copyfile(STUDIES / picture, output / picture)
    parts = [
        f"## {study['title']}",
        f"`{study['command']}`. {study['setting']} {study['date']}.",
        table(["", *titles], body),
        f"![{study['title']}]({chart})" if plot(study, found, output / chart) else "",
        study.get("reading", "").strip(),
        f"![{study['picture']}]({picture})" if "picture" in study else "",
    ]
    return "\n\n".join(part for part in parts if part)


def main(output: Path, own: Path | None) -> Path:
    """Write the page and its pictures, and return the path of the page."""
    content = yaml.safe_load((FOLDER / "report.yaml").read_text(encoding="utf-8"))
    output.mkdir(parents=True, exist_ok=True)
    studies = [load_study(name) for name in content["studies"]]
    parts = [content["introduction"].strip(), paper(studies, own), *(section(study, output, own) for study in studies)]
    page = output / "report.md"
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return page


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    print(main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else None))
