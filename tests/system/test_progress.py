"""Progress output in a terminal and in a file."""

import re

import pytest

from gog_pose.system import progress


def test_a_file_gets_the_final_count_only_in_the_first_minute(capsys):
    assert list(progress.bar(iter("abc"), "reading", 3)) == ["a", "b", "c"]
    assert capsys.readouterr().err == "reading  3/3  0:00:00\n"


def test_a_file_gets_whole_lines_at_intervals(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_BETWEEN_LINES", 0.0)
    with progress.ProgressLine("epoch 3", 2, transient=True) as line:
        line.update(1, "loss 2.5")
        line.update(2)
    shown = capsys.readouterr().err
    assert "\r" not in shown
    assert [text.split()[:3] for text in shown.splitlines()] == [["epoch", "3", "1/2"], ["epoch", "3", "2/2"]]
    assert "loss 2.5" in shown.splitlines()[0]


def test_an_estimated_total_grows_and_an_unknown_one_is_not_shown(capsys):
    list(progress.bar(range(3), "frames", 2))
    list(progress.bar(range(3), "frames", None))
    assert [line.split()[1] for line in capsys.readouterr().err.splitlines()] == ["3/3", "3"]


@pytest.mark.parametrize(("seconds", "text"), [(0.9, "0:00:00"), (61, "0:01:01"), (36_125, "10:02:05")])
def test_clock(seconds, text):
    assert progress.clock(seconds) == text


def test_the_bar_of_a_terminal_is_one_line_of_80_columns(monkeypatch, capsys):
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "80", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    with progress.ProgressLine("epoch 139", 12_345) as line:
        line.update(12_000, "loss 125.6")
    written = capsys.readouterr().err
    assert "\x1b[1A" not in written  # the cursor goes up only to redraw a bar of several lines
    frames = [text.strip() for text in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written))]
    assert "loss 125.6" in frames[-1] or "loss 125.6" in frames[-2]
    assert max(map(len, frames)) <= 80
