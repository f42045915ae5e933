"""The notebooks run from the first cell to the last, in a folder with only the photograph."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((REPOSITORY / "docs" / "tutorials").glob("*.ipynb"))


def cells(notebook):
    """The code of a notebook."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]


def test_notebooks_are_found_and_hold_no_outputs():
    assert NOTEBOOKS
    for notebook in NOTEBOOKS:
        content = json.loads(notebook.read_text(encoding="utf-8"))
        assert all(not cell.get("outputs") for cell in content["cells"]), notebook.name
        for number, cell in enumerate(cells(notebook)):
            compile(cell, f"{notebook.name}, cell {number}", "exec")


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_a_notebook_runs(notebook, tmp_path):
    (tmp_path / "docs").mkdir()
    shutil.copy(REPOSITORY / "docs" / "photo.jpg", tmp_path / "docs")
    script = tmp_path / "notebook.py"
    script.write_text("import matplotlib\n\nmatplotlib.use('Agg')\n" + "\n\n".join(cells(notebook)), encoding="utf-8")
    process = subprocess.run([sys.executable, script.name], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    results = {
        name: json.loads((tmp_path / "first_steps" / name / "results.json").read_text()) for name in ("before", "after")
    }
    assert results["before"]["AP"] > 0.5
    assert results["after"]["AP"] > results["before"]["AP"] - 0.1
