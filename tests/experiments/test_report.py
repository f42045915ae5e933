"""The report: seeds, own results and gaps; it is reproducible, up to date, and shows every recorded result."""

import json
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
ONLY_IN_TEXT = {"data": {"data_idle", "keypoints", "memory"}}  # cells that a study's reading quotes


@pytest.fixture
def report():
    pytest.importorskip("matplotlib")
    import report

    return report


@pytest.fixture
def recorded(report, tmp_path, monkeypatch):
    """A study with results, and a folder of a user's own results."""
    import study

    results = {"1-0": 0.25, "1-1": 0.75, "2-0": 0.5}
    for folder, cells in (("results", results), ("own", {"1-0": 0.125})):
        (tmp_path / folder).mkdir()
        records = {name: {"AP": value, "people": {"merged": 1200}} for name, value in cells.items()}
        (tmp_path / folder / "width.json").write_text(json.dumps(records))
    (tmp_path / "studies").mkdir()
    content = {
        "title": "Width: wide or narrow", "command": "make width", "setting": "Nowhere.", "date": "2026",
        "axis": "width", "rows": [1, 2, 3], "reading": "Narrow.", "paper": ["1"],
        "columns": [
            {"title": "paper", "published": {"1": 0.3}}, {"title": "full size", "cells": "full_{row}-*"},
            {"title": "small", "cells": "{row}-*"},
            {"title": "merged", "cells": "{row}-0", "metric": "people.merged"},
            {"title": "terms", "text": {"2": "others"}}, {"title": "elsewhere", "cells": "{row}-0", "results": "none"},
        ],
        "cells": {"full_{row}-{seed}": {"train": "experiment=demo {photographs}", "evaluate": "flip=true"}},
    }  # fmt: skip
    (tmp_path / "studies" / "width.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    (tmp_path / "report.yaml").write_text(yaml.safe_dump({"introduction": "# Page", "studies": ["width"]}))
    monkeypatch.setattr(study, "STUDIES", tmp_path / "studies")
    monkeypatch.setattr(report, "FOLDER", tmp_path)
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    return tmp_path


def test_report_shows_seeds_own_results_and_gaps(report, recorded):
    page = report.main(recorded / "page", recorded / "own").read_text()
    assert "| 1 | 0.300 |  | 0.500 (0.250 to 0.750, 2 seeds) (here 0.125) | 1,200 (here 1,200) |  |  |" in page
    assert "| 2 |  |  | 0.500 | 1,200 | others |  |" in page
    assert "| 3 |  |  |  |  |  |  |" in page
    commands = "`gog-train experiment=demo`<br>`gog-evaluate flip=true checkpoint=FILE`"
    assert f"| Width | 1 | {commands} | 0.300 | needs GPUs | 0.500" in page
    assert (recorded / "page" / "width.png").stat().st_size > 1000


def test_the_same_results_give_the_same_report(report, recorded):
    pages = [report.main(recorded / name, None) for name in ("one", "two")]
    assert pages[0].read_bytes() == pages[1].read_bytes()
    assert (recorded / "one" / "width.png").read_bytes() == (recorded / "two" / "width.png").read_bytes()


def test_the_page_in_the_repository_is_that_of_its_results(report, tmp_path):
    page = report.main(tmp_path, None)
    assert page.read_text() == (REPOSITORY / "experiments" / "report" / "report.md").read_text(), (
        "results or studies have changed since: make report REPORT=experiments/report RESULTS="
    )


def test_the_report_has_all_studies_and_shows_every_recorded_cell(report):
    from study import RESULTS, load_study, read_results, rows, study_names

    studies = yaml.safe_load((REPOSITORY / "experiments" / "report.yaml").read_text(encoding="utf-8"))["studies"]
    assert sorted(studies) == study_names()
    patterns = {}
    for study in map(load_study, studies):
        for column in study["columns"]:
            found = {column["cells"].replace("{row}", row) for row in rows(study)} if "cells" in column else set()
            patterns.setdefault(column.get("results", study.get("results", study["name"])), set()).update(found)
    for file in RESULTS.glob("*.json"):
        names = set(read_results(RESULTS, file.stem))
        shown = {name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns[file.stem])}
        assert names - shown == ONLY_IN_TEXT.get(file.stem, set()), file.stem
