"""The plots of an error analysis: what each kind of error costs, and which keypoints and people it affects.

Figures are made without pyplot, so that they need no display and leave no global state behind.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gog_pose.evaluation.errors.analysis import ErrorAnalysis
from gog_pose.evaluation.errors.keypoint_errors import KINDS
from gog_pose.evaluation.numbers.numbers import Numbers
from gog_pose.evaluation.oks import OKS_THRESHOLDS

COLORS = {
    "good": "#35b36a",
    "jitter": "#f5c518",
    "inversion": "#2a9df4",
    "swap": "#b04ad8",
    "miss": "#e5383b",
    "score": "#8d99ae",
    "false_positive": "#f08a24",
    "false_negative": "#3b3b46",
}
SCORES = "scores"  # name of the plot of the numbers over the score threshold
_ORIGINAL = "#e4e7ec"
_CURVES_AT = (0, 5)  # places of the OKS thresholds 0.5 and 0.75
_RECALLS = np.linspace(0, 1, 101)  # where COCO looks at the precision


def plots(analysis: ErrorAnalysis) -> dict[str, bytes]:
    """Return the plots as PNG files, by name."""
    record = analysis.to_dict()
    figures = {
        "gains": _gains(record),
        "precision": _precision(analysis),
        "thresholds": _thresholds(analysis),
        "keypoints": _keypoints(record),
        "people": _people(record),
    }
    return {name: _png(figure) for name, figure in figures.items()}


def score_plot(numbers: Numbers) -> bytes:
    """Return the plot of precision, recall and F1 over the score threshold as a PNG file."""
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes = figure.add_subplot()
    scores, best = numbers.scores, numbers.scores.best()
    for name, values, color in (
        ("precision", scores.precision, "#2a9df4"),
        ("recall", scores.recall, "#f08a24"),
        ("F1", scores.f1, "#22262e"),
    ):
        axes.plot(scores.thresholds, values, color=color, label=name, linewidth=1.5)
    if not np.isnan(best["threshold"]):
        axes.axvline(best["threshold"], color="#8d99ae", linestyle="--", label=f"best: {best['threshold']:.3g}")
    axes.set(ylim=(0, 1.01), xlabel="score threshold")
    axes.set_title(f"Detections kept by score; right from OKS {numbers.options.f1_oks:g}")
    _legend_beside(axes)
    return _png(_plain(figure))


def words(kind: str) -> str:
    """Return the name of a kind of error as a reader should see it."""
    return kind.replace("_", " ")


def _gains(record: Mapping[str, Any]) -> Figure:
    """AP gained by each repair, alone and after those above it."""
    repairs = record["repairs"]
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes = figure.add_subplot()
    rows = np.arange(len(repairs))
    colors = [COLORS[kind] for kind in repairs]
    longest = 0.0
    for offset, way, hatch in ((-0.2, "alone", "///"), (0.2, "together", "")):
        gains = np.array([repair[way]["gain"] for repair in repairs.values()])
        bars = axes.barh(rows + offset, gains, 0.38, color=colors, hatch=hatch, edgecolor="white", linewidth=0.5)
        axes.bar_label(bars, [f"{gain:+.3f}" for gain in gains], padding=4, fontsize=9)
        longest = max(longest, float(np.nan_to_num(gains).max()))
    axes.set_yticks(rows, [words(kind) for kind in repairs])
    axes.invert_yaxis()
    axes.set_xlim(min(0.0, axes.get_xlim()[0]), 1.15 * max(longest, 0.01))
    axes.set_xlabel("AP gained (hatched: this repair alone; plain: after those above it)")
    axes.set_title(f"What repairing would gain; AP now {record['AP']:.3f}")
    return _plain(figure)


def _precision(analysis: ErrorAnalysis) -> Figure:
    """Precision over recall while one kind after the other is repaired."""
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    for column, place in enumerate(_CURVES_AT):
        axes = figure.add_subplot(1, 2, column + 1)
        before = analysis.precision.curves[place]
        axes.fill_between(_RECALLS, before, color=_ORIGINAL, label=f"as it is: {_area(before)}")
        for repair in analysis.repairs:
            after = repair.together.curves[place]
            label = f"{words(repair.kind)}: {_area(after)}"
            axes.fill_between(
                _RECALLS, before, after, where=after >= before, color=COLORS[repair.kind], linewidth=0, label=label
            )
            before = after
        axes.plot(_RECALLS, analysis.precision.curves[place], color="#22262e", linewidth=1.5)
        axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel="recall", ylabel="precision")
        axes.set_title(f"OKS threshold {OKS_THRESHOLDS[place]:.2f}")
        axes.legend(
            loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9, title="AP, repaired up to"
        )
    return _plain(figure)


def _thresholds(analysis: ErrorAnalysis) -> Figure:
    """What AP lacks at each OKS threshold, one repair upon the other."""
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes = figure.add_subplot()
    positions = np.arange(len(OKS_THRESHOLDS))
    reached = _ap(analysis.precision.curves)
    axes.bar(positions, reached, color=_ORIGINAL, label="AP as it is")
    for repair in analysis.repairs:
        after = _ap(repair.together.curves)
        axes.bar(positions, after - reached, bottom=reached, color=COLORS[repair.kind], label=words(repair.kind))
        reached = after
    axes.set_xticks(positions, [f"{threshold:.2f}" for threshold in OKS_THRESHOLDS])
    axes.set(ylim=(0, 1.01), xlabel="OKS threshold", ylabel="AP")
    axes.set_title("What is missing to AP 1, one repair upon the other")
    _legend_beside(axes)
    return _plain(figure)


def _keypoints(record: Mapping[str, Any]) -> Figure:
    """Kinds of errors of each keypoint type."""
    counts = record["by_keypoint"]
    figure = Figure(figsize=(9, 1.2 + 0.3 * len(counts)), layout="constrained")
    axes = figure.add_subplot()
    _stack(axes, {words(name): own for name, own in counts.items()}, KINDS)
    axes.set_xlabel("% of the labelled keypoints of matched people")
    axes.set_title("Which keypoints")
    _legend_beside(axes)
    return _plain(figure)


def _people(record: Mapping[str, Any]) -> Figure:
    """Kinds of errors by the size of people and by how many others overlap them."""
    rows = {}
    for group, label in (("by_size", "{}"), ("by_crowding", "{} overlapping")):
        for name, counts in record[group].items():
            if counts["people"]["labelled"]:
                title = f"{label.format(name)} ({counts['people']['labelled']} people)"
                rows[title] = {**counts["keypoints"], "false_negative": counts["keypoints"]["of_false_negatives"]}
    figure = Figure(figsize=(9, 1.2 + 0.4 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    _stack(axes, rows, (*KINDS, "false_negative"))
    axes.set_xlabel("% of the labelled keypoints")
    axes.set_title("Which people: by size, and by the number of others whose boxes overlap theirs")
    _legend_beside(axes)
    return _plain(figure)


def _stack(axes: Axes, rows: Mapping[str, Mapping[str, int]], kinds: tuple[str, ...]) -> None:
    """Draw the shares of the kinds in each row as stacked bars, large shares with their number."""
    counts = np.array([[row[kind] for kind in kinds] for row in rows.values()], dtype=float)
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    left = np.zeros(len(rows))
    for kind, share in zip(kinds, shares.T, strict=True):
        bars = axes.barh(list(rows), share, left=left, color=COLORS[kind], label=words(kind))
        axes.bar_label(
            bars,
            [f"{value:.0f}" if value >= 3 else "" for value in share],
            label_type="center",
            fontsize=8,
            color="white" if kind == "false_negative" else "black",
        )
        left += share
    axes.set_xlim(0, 100)
    axes.invert_yaxis()


def _ap(curves: np.ndarray) -> np.ndarray:
    """Return ``(10,)`` AP by OKS threshold."""
    return np.asarray(curves.mean(axis=1))


def _area(curve: np.ndarray) -> str:
    return f"{curve.mean():.3f}"


def _legend_beside(axes: Axes) -> None:
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9)


def _plain(figure: Figure) -> Figure:
    """Take away the frame's upper and right side."""
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
