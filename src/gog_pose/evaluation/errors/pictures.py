"""Pictures of the errors of an image: annotations on the left, detections colored by error on the right."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, Stroke

from gog_pose.drawing.people import draw_people, drawn_limbs
from gog_pose.evaluation.errors.analysis import ImageErrors
from gog_pose.evaluation.errors.keypoint_errors import GOOD, KINDS, UNLABELED
from gog_pose.evaluation.errors.plots import COLORS, words
from gog_pose.skeleton import Skeleton

_WIDTH, _HEIGHT = 12.0, 7.0  # largest size of two images side by side, inches
_DPI = 100
_OUTLINED = [Stroke(linewidth=2.5, foreground="black"), Normal()]
_FRAMED = [Stroke(linewidth=4, foreground="white"), Normal()]
_LIMB = "#f4f4f4"


def picture(image: ImageErrors, pixels: np.ndarray, skeleton: Skeleton) -> bytes:
    """Draw the errors of an image.

    A keypoint has the color of its error, and a line of the same color leads to its labeled position. A keypoint that
    was not detected is a cross at its labeled position. A person without a detection has a frame. False positives are
    drawn in one color, those with the highest scores only and at most as many as there are people, because some
    decoders output many faint ones.

    Args:
        image: Errors of the image.
        pixels: ``(H, W, 3)`` uint8 RGB.
        skeleton: Keypoints and limbs.

    Returns:
        A JPEG file.
    """
    height, width = pixels.shape[:2]
    figure = Figure(figsize=(_WIDTH, min(_HEIGHT, _WIDTH / 2 * height / width) + 0.8), layout="constrained")
    truth, found = figure.subplots(1, 2)
    truth.imshow(draw_people(pixels, image.people, skeleton))
    truth.set_title("annotated", fontsize=10)
    found.imshow(pixels)
    found.set_title(f"detected ({len(image.scores)})", fontsize=10)
    limbs = drawn_limbs(skeleton)
    for detection in np.flatnonzero(image.is_background | image.is_duplicate)[: len(image.people)]:
        _draw_false_positive(found, image.places[detection], limbs)
    for person in np.flatnonzero(image.detection_of >= 0):
        _draw_errors(found, image, int(person), limbs)
    for person in np.flatnonzero(image.detection_of < 0):
        for axes in (truth, found):
            axes.add_patch(_frame(image.people[person]))
    for axes in (truth, found):
        axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
        axes.set_axis_off()
    figure.legend(handles=_legend(), loc="outside lower center", ncols=8, frameon=False, fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="jpeg", dpi=_DPI, pil_kwargs={"quality": 88, "subsampling": 0})
    return buffer.getvalue()


def _draw_errors(axes: Axes, image: ImageErrors, person: int, limbs: tuple[tuple[int, int], ...]) -> None:
    """Draw a matched detection."""
    places, kinds = image.places[image.detection_of[person]], image.kinds[person]
    truth = image.people[person, :, :2]
    detected = ~(places == 0).all(axis=1)
    _draw_limbs(axes, places, detected, limbs, _LIMB, 1.2)
    for index in np.flatnonzero(kinds != UNLABELED):
        color = COLORS[KINDS[kinds[index]]]
        if not detected[index]:
            axes.plot(*truth[index], "x", color=color, markersize=6, markeredgewidth=2, path_effects=_OUTLINED)
        elif kinds[index] > GOOD:
            axes.plot(*np.stack([places[index], truth[index]], axis=1), color=color, linewidth=1.2)
    for shown, height in ((kinds == GOOD, 3.0), (kinds > GOOD, 3.5)):  # errors are drawn above good keypoints
        x, y = places[detected & shown].T
        colors = [COLORS[KINDS[kind]] for kind in kinds[detected & shown]]
        axes.scatter(x, y, s=22, c=colors, edgecolors="black", linewidths=0.6, zorder=height)


def _draw_false_positive(axes: Axes, places: np.ndarray, limbs: tuple[tuple[int, int], ...]) -> None:
    detected = ~(places == 0).all(axis=1)
    _draw_limbs(axes, places, detected, limbs, COLORS["false_positive"], 1.0)
    x, y = places[detected].T
    axes.scatter(x, y, s=9, c=COLORS["false_positive"], edgecolors="black", linewidths=0.4, zorder=2.5)


def _draw_limbs(
    axes: Axes,
    places: np.ndarray,
    detected: np.ndarray,
    limbs: tuple[tuple[int, int], ...],
    color: str,
    linewidth: float,
) -> None:
    lines = [places[[start, end]] for start, end in limbs if detected[start] and detected[end]]
    axes.add_collection(
        LineCollection(lines, colors=color, linewidths=linewidth, path_effects=_OUTLINED), autolim=False
    )


def _frame(person: np.ndarray) -> Rectangle:
    """Return a frame around the labeled keypoints of a person."""
    places = person[person[:, 2] > 0, :2]
    low, high = places.min(axis=0) - 6, places.max(axis=0) + 6
    return Rectangle(
        tuple(low.tolist()),
        *(high - low).tolist(),
        fill=False,
        edgecolor=COLORS["false_negative"],
        linewidth=2,
        path_effects=_FRAMED,
    )


def _legend() -> list[Line2D | Rectangle]:
    dots: list[Line2D | Rectangle] = [
        Line2D([], [], linestyle="", marker="o", color=COLORS[kind], markeredgecolor="black", label=words(kind))
        for kind in (*KINDS, "false_positive")
    ]
    cross = Line2D([], [], linestyle="", marker="x", color=COLORS["miss"], markeredgewidth=2, label="not detected")
    frame = Rectangle((0, 0), 1, 1, fill=False, edgecolor=COLORS["false_negative"], linewidth=2, label="false negative")
    return [*dots, cross, frame]
