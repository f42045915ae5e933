"""gog-benchmark as users run it."""

import json
import subprocess
import sys

import pytest


def benchmark(*overrides, cwd):
    command = [sys.executable, "-m", "gog_pose.cli.benchmark", *overrides, "hydra.run.dir=run"]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_codec_prints_and_writes_ratios(tmp_path):
    process = benchmark("what=codec", "people=[1,2]", "sizes=[64]", "repeats=2", "results=out/codec.json", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    record = json.loads((tmp_path / "out" / "codec.json").read_text())
    assert record["what"] == "codec"
    assert [row["people"] for row in record["rows"]] == [1, 2]
    assert record["settings"]["repeats"] == 2
    assert record["settings"]["choices"]["skeleton"] == "coco_19"
    assert record["machine"]
    for title in ("Encoding, 19 limbs", "Decoding, 19 limbs"):
        assert title in process.stdout


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("what=weather",), "Could not find 'what/weather'"),
        (("sizes=[63]",), "sizes: must be multiples of the stride 4"),
    ],
)
def test_mistakes_are_told_in_one_line_with_code_2(tmp_path, overrides, words):
    process = benchmark(*overrides, cwd=tmp_path)
    assert process.returncode == 2
    assert words in process.stderr.splitlines()[-1]
    assert "Traceback" not in process.stderr
