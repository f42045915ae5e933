"""Studies and their results.

A study is a file ``studies/<name>.yaml``. In addition to the contents of the report (title, command, setting, date,
rows, columns, reading), it lists its cells (the measurements) and their commands::

    limit: 600                   # number of images, for {limit} in commands
    values:
      noise: [none, medium]      # or {text in names: text in commands}
    phrases: {budget: "trainer.max_epochs=5 {held_out}"}   # text for {budget} in commands
    cells:
      "{row}-{noise}":           # one cell per row and noise
        oracle: method.encoder.sigma={row} noise={noise} limit={limit}
      small_{row}-{seed}:        # names that begin with small_ or full_ belong only to this scale
        train: experiment={row} scale=small {photographs}
        checkpoint: last.ckpt        # of the training, for evaluate; best.ckpt where it is not given
        evaluate: protocol=learned {photographs}

A placeholder in the name of a cell is replaced by each of its ``values``, ``{row}`` by each row unless it is listed in
``values``, and ``{seed}`` by each seed. Other placeholders in commands are replaced by ``phrases`` of the study or by
the settings of ``run.py``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from string import Formatter
from typing import Any, NamedTuple

import yaml

from gog_pose.system.results import values, write_table

FOLDER = Path(__file__).resolve().parent
STUDIES = FOLDER / "studies"
RESULTS = FOLDER / "results"

# Entries of results that are not numbers, or long lists of numbers.
_NOT_IN_TABLES = ("settings", "versions", "detections", "subsets", "worst", "by_type", "curve", "errors")

Study = dict[str, Any]
Results = dict[str, Any]


class Cell(NamedTuple):
    """One measurement.

    Attributes:
        name: Name in the results file of the study.
        seed: Seed of the training; None without training.
        options: Overrides of each command, in order: ``train``, ``evaluate``, ``oracle``, ``benchmark``.
        checkpoint: The checkpoint of the training that is evaluated.
    """

    name: str
    seed: int | None
    options: dict[str, str]
    checkpoint: str = "best.ckpt"


def load_study(name: str) -> Study:
    """Read a study and add its ``name``."""
    content = yaml.safe_load((STUDIES / f"{name}.yaml").read_text(encoding="utf-8"))
    return {"name": name, **content}


def study_names() -> list[str]:
    """Return the names of all studies."""
    return sorted(path.stem for path in STUDIES.glob("*.yaml"))


def rows(study: Study) -> dict[str, str]:
    """Return the labels of the rows by name."""
    given = study["rows"] if isinstance(study["rows"], dict) else {row: row for row in study["rows"]}
    return {str(row): str(label) for row, label in given.items()}


def cells(study: Study, seeds: Sequence[int], settings: Mapping[str, str]) -> Iterator[Cell]:
    """Yield the cells of a study.

    Args:
        study: The study.
        seeds: Seeds of the trainings.
        settings: Values of placeholders in commands that are not in the name.
    """
    phrases = {name: text.format(**settings) for name, text in study.get("phrases", {}).items()}
    settings = {**settings, **phrases}
    choices = {"row": list(rows(study)), **study.get("values", {}), "seed": list(seeds)}
    for pattern, commands in study.get("cells", {}).items():
        places = [field for _, field, _, _ in Formatter().parse(pattern) if field]
        for picked in product(*(_pairs(choices[place]) for place in places)):
            name = pattern.format(**{place: text for place, (text, _) in zip(places, picked, strict=True)})
            texts = {**settings, **{place: text for place, (_, text) in zip(places, picked, strict=True)}}
            options = {program: " ".join(given.format(**texts).split()) for program, given in commands.items()}
            checkpoint = options.pop("checkpoint", "best.ckpt")
            yield Cell(name, int(texts["seed"]) if "seed" in places else None, options, checkpoint)


def _pairs(values: Sequence[Any] | Mapping[Any, str]) -> list[tuple[str, str]]:
    """Return the text in names and the text in commands for each value of a placeholder."""
    pairs = values.items() if isinstance(values, Mapping) else zip(values, values, strict=True)
    return [(str(name), str(text)) for name, text in pairs]


def read_results(folder: Path, name: str) -> Results:
    """Return the results of a study by cell; empty if there are none."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def add_result(folder: Path, name: str, cell: str, record: Any) -> None:
    """Add a cell to the results of a study, or replace it.

    ``<name>.json`` contains the complete records. ``<name>.csv`` has one row per cell; its columns are the paths of the
    values in the records. Both files are written atomically.
    """
    results = {**read_results(folder, name), cell: record}
    lines = (f"{json.dumps(key)}: {json.dumps(results[key])}" for key in sorted(results))
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{name}.json.part"
    part.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    os.replace(part, folder / f"{name}.json")
    table = ({"cell": key, **dict(values(results[key], _NOT_IN_TABLES))} for key in sorted(results))
    write_table(folder / f"{name}.csv", list(table))
