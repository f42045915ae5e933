"""Results files: valid JSON for all readers, and the settings and versions of a result."""

import hashlib
import json
import re

import pytest
import torch

from gog_pose.errors import InputError
from gog_pose.system.results import (
    commit,
    results_path,
    sha256,
    table_path,
    values,
    versions,
    write_results,
    write_table,
)


def test_numbers_are_rounded_and_those_that_json_lacks_become_null(tmp_path):
    path = results_path(str(tmp_path / "made" / "results.json"))
    write_results(path, {"AP": 0.123456789, "undefined": float("nan"), 3: (float("inf"), [1, "a", None, True])})
    assert json.loads(path.read_text()) == {"AP": 0.123457, "undefined": None, "3": [None, [1, "a", None, True]]}


def test_a_table_has_all_columns_and_empty_cells_for_what_is_missing(tmp_path):
    rows = [dict(values({"a": 0.12345678, "b": {"c": [1, float("nan")], "d": 2}}, without=("d",))), {"a": "x, y"}]
    write_table(table_path(tmp_path / "some.json", "part"), rows)
    assert (tmp_path / "some_part.csv").read_text() == 'a,b.c.0,b.c.1\n0.123457,1,\n"x, y",,\n'


def test_places_that_cannot_be_written_are_refused_before_any_work(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path, tmp_path / "file" / "results.json"):
        with pytest.raises(InputError, match="results: "):
            results_path(str(place))


def test_the_digest_is_that_of_the_whole_file(tmp_path):
    content = bytes(range(256)) * 5000  # more than a block
    (tmp_path / "file").write_bytes(content)
    assert sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_what_a_result_depends_on_is_named():
    assert versions()["torch"] == torch.__version__.partition("+")[0] or versions()["torch"] == torch.__version__
    found = commit()
    assert found is None or re.fullmatch(r"[0-9a-f]{40}(-dirty)?", found)
