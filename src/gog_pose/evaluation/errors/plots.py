"""Plots of an error analysis: the cost of each kind of error, and the affected keypoints and people.

The figures do not use pyplot, so they need no display and leave no global state.
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
SCORES = "scores"  # name of the plot of precision, recall and F1 over the score threshold
_ORIGINAL = "#e4e7ec"
_CURVES_AT = (0, 5)  # indices of the OKS thresholds 0.5 and 0.75
_RECALLS = np.linspace(0, 1, 101)  # recalls at which COCO samples the precision


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
    axes.set_title(f"Detections kept by score; correct from OKS {numbers.options.f1_oks:g}")
    _legend_beside(axes)
    return _png(_plain(figure))


def words(kind: str) -> str:
    """Return the display name of a kind of error."""
    return kind.replace("_", " ")


def _gains(record: Mapping[str, Any]) -> Figure:
    """Plot the AP gained by each repair, alone and after the repairs above it."""
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
    axes.set_xlabel("AP gained (hatched: this repair alone; plain: after the repairs above it)")
    axes.set_title(f"AP gained by repairs; original AP {record['AP']:.3f}")
    return _plain(figure)


def _precision(analysis: ErrorAnalysis) -> Figure:
    """Plot precision over recall while the kinds of errors are repaired one after the other."""
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    for column, place in enumerate(_CURVES_AT):
        axes = figure.add_subplot(1, 2, column + 1)
        before = analysis.precision.curves[place]
        axes.fill_between(_RECALLS, before, color=_ORIGINAL, label=f"original: {_area(before)}")
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
    """Plot AP at each OKS threshold, original and after each repair."""
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes = figure.add_subplot()
    positions = np.arange(len(OKS_THRESHOLDS))
    reached = _ap(analysis.precision.curves)
    axes.bar(positions, reached, color=_ORIGINAL, label="original AP")
    for repair in analysis.repairs:
        after = _ap(repair.together.curves)
        axes.bar(positions, after - reached, bottom=reached, color=COLORS[repair.kind], label=words(repair.kind))
        reached = after
    axes.set_xticks(positions, [f"{threshold:.2f}" for threshold in OKS_THRESHOLDS])
    axes.set(ylim=(0, 1.01), xlabel="OKS threshold", ylabel="AP")
    axes.set_title("AP added by each repair in turn")
    _legend_beside(axes)
    return _plain(figure)


def _keypoints(record: Mapping[str, Any]) -> Figure:
    """Plot the kinds of errors per keypoint type."""
    counts = record["by_keypoint"]
    figure = Figure(figsize=(9, 1.2 + 0.3 * len(counts)), layout="constrained")
    axes = figure.add_subplot()
    _stack(axes, {words(name): own for name, own in counts.items()}, KINDS)
    axes.set_xlabel("% of the labeled keypoints of matched people")
    axes.set_title("Errors by keypoint type")
    _legend_beside(axes)
    return _plain(figure)


def _people(record: Mapping[str, Any]) -> Figure:
    """Plot the kinds of errors by size of the person and by number of overlapping people."""
    rows = {}
    for group, label in (("by_size", "{}"), ("by_crowding", "{} overlapping")):
        for name, counts in record[group].items():
            if counts["people"]["labelled"]:
                title = f"{label.format(name)} ({counts['people']['labelled']} people)"
                rows[title] = {**counts["keypoints"], "false_negative": counts["keypoints"]["of_false_negatives"]}
    figure = Figure(figsize=(9, 1.2 + 0.4 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    _stack(axes, rows, (*KINDS, "false_negative"))
    axes.set_xlabel("% of the labeled keypoints")
    axes.set_title("Errors by size of the person, and by number of people with overlapping boxes")
    _legend_beside(axes)
    return _plain(figure)


def _stack(axes: Axes, rows: Mapping[str, Mapping[str, int]], kinds: tuple[str, ...]) -> None:
    """Draw the share of each kind per row as stacked bars, with numbers on large shares."""
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
    """Return ``(10,)`` AP per OKS threshold."""
    return np.asarray(curves.mean(axis=1))


def _area(curve: np.ndarray) -> str:
    return f"{curve.mean():.3f}"


def _legend_beside(axes: Axes) -> None:
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9)


def _plain(figure: Figure) -> Figure:
    """Remove the upper and right side of the frame."""
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
