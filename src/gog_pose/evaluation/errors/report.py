"""Report of an error analysis: an HTML page with embedded pictures, and the pictures as separate files."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gog_pose.evaluation.canvases import canvas
from gog_pose.evaluation.errors.analysis import ErrorAnalysis, ImageErrors
from gog_pose.evaluation.errors.keypoint_errors import KINDS
from gog_pose.evaluation.errors.pictures import picture
from gog_pose.evaluation.errors.plots import COLORS, SCORES, plots, score_plot, words
from gog_pose.evaluation.numbers.numbers import Numbers
from gog_pose.evaluation.numbers.table import entry, keypoint_rows, texts
from gog_pose.evaluation.oks import MATCHED
from gog_pose.system.files import made_folder, write_whole

PAGE = "errors.html"
_PICTURE = "worst_{}.jpg"
_MEANINGS = {
    "good": "within the agreement of human annotators (similarity 0.85 or more)",
    "jitter": "near the labeled keypoint (similarity 0.5 or more)",
    "inversion": "at the keypoint of the other side of the same person",
    "swap": "at a keypoint of another person",
    "miss": "at none of these, or not detected",
    "score": "the ranking of the detections: detections with a higher OKS should have higher scores",
    "false_positive": "a detection in the background, or a second detection of a person",
    "false_negative": "a person without a detection",
}
_REPAIRS = (
    "The repair moves a miss to a similarity of 0.5 with its labeled keypoint, jitter to 0.85, and an inversion or a"
    " swap as near to its labeled keypoint as it was to the wrong one; detections are then ranked by OKS. False"
    " positives and negatives are the detections and people that remain unmatched after all other repairs, separately"
    " for each OKS threshold. Once the scores are repaired, false positives rank last and cost no further AP."
)
_CAPTIONS = {
    "gains": "AP gained by each repair: alone (hatched) and after the repairs above it (plain).",
    "precision": "Precision over recall, original (line) and while the kinds are repaired one after the other.",
    "thresholds": "Cost of each kind at each OKS threshold. At high thresholds many people count as false negatives,"
    " because the repair of their keypoints does not reach the threshold.",
    "keypoints": "Keypoints of matched people.",
    "people": "All labeled people; the dark part shows keypoints of people without a detection.",
}
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #22262e; max-width: 1200px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
img { max-width: 100%; } figure { margin: 1em 0; } figcaption { color: #5b6270; font-size: .92em; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: .2em 1.2em .2em 0; text-align: left; } th { border-bottom: 1px solid #c8ccd4; }
.chip { display: inline-block; width: .8em; height: .8em; border-radius: 50%; margin-right: .5em; }
"""


def write_report(
    analysis: ErrorAnalysis,
    folder: str | Path,
    images: str | Path | None = None,
    *,
    numbers: Numbers | None = None,
    worst: int = 10,
) -> Path:
    """Write the self-contained page ``errors.html`` and its plots and pictures; an earlier report is replaced.

    Args:
        analysis: The error analysis.
        folder: Folder of the report; created if missing.
        images: Folder of the images; None = draw on blank canvases.
        numbers: Metrics beyond COCO's for the same detections; None = leave them out.
        worst: Number of pictures, of the images that lose most recall.

    Returns:
        The path of the page.

    Raises:
        InputError: The folder cannot be created.
    """
    folder = made_folder(folder, "report")
    drawn = plots(analysis)
    curve = {} if numbers is None else {SCORES: score_plot(numbers)}
    for name, content in (drawn | curve).items():
        write_whole(folder / f"{name}.png", content)
    for stale in folder.glob(_PICTURE.format("*")):
        stale.unlink()
    pictures = []
    for rank, image in enumerate(analysis.worst(worst), start=1):
        pixels, reason = canvas(images, image.file_name, image.image_hw)
        content = picture(image, pixels, analysis.skeleton)
        write_whole(folder / _PICTURE.format(f"{rank:02d}"), content)
        remark = "" if reason is None else f" Blank canvas: {html.escape(reason)}."
        pictures.append(_figure(content, "jpeg", f"{rank}. {_describe(image)}{remark}"))
    page = folder / PAGE
    sections = [] if numbers is None else _numbers(numbers, curve[SCORES])
    write_whole(page, _page(analysis.to_dict(), drawn, sections, pictures).encode())
    return page


def _page(record: dict[str, Any], drawn: dict[str, bytes], sections: Sequence[str], pictures: Sequence[str]) -> str:
    """Return the HTML of the page."""
    people, detections = record["people"], record["detections"]
    summary = (
        f"{people['labelled']} labeled people, {people['matched']} with a detection (OKS {MATCHED} or more);"
        f" {people['outranked']} people have a better detection with a lower score;"
        f" {detections['evaluated']} detections evaluated,"
        f" {detections['background']} in the background, {detections['duplicate']} duplicates."
    )
    metrics = _table(
        ("", "AP", "AP50", "AP75", "AP_M", "AP_L", "gain", "gain alone"),
        [
            ("original", *_metrics(record), "", ""),
            *(
                (
                    f"{_chip(kind)}+ {words(kind)} repaired",
                    *_metrics(repair["together"]),
                    f"{repair['together']['gain']:+.3f}",
                    f"{repair['alone']['gain']:+.3f}",
                )
                for kind, repair in record["repairs"].items()
            ),
        ],
    )
    total = max(1, sum(record["keypoints"][kind] for kind in KINDS))
    numbers = {
        **{kind: f"{record['keypoints'][kind]} keypoints, {record['keypoints'][kind] / total:.1%}" for kind in KINDS},
        "score": f"{people['outranked']} people outranked",
        "false_positive": f"{detections['background'] + detections['duplicate']} detections",
        "false_negative": f"{people['false_negative']} people",
    }
    meanings = _table(
        ("", "number", "definition"),
        [(f"{_chip(kind)}{words(kind)}", numbers[kind], meaning) for kind, meaning in _MEANINGS.items()],
    )
    figures = [_figure(content, "png", html.escape(_CAPTIONS[name])) for name, content in drawn.items()]
    return "\n".join(
        [
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Error analysis</title>',
            f"<style>{_STYLE}</style></head><body>",
            f"<h1>Error analysis: AP {record['AP']:.3f}</h1>",
            f"<p>{summary}</p>",
            "<h2>Errors</h2>",
            meanings,
            f"<p>Of the misses, {record['keypoints']['not_detected']} were not detected at all. Definitions after"
            " Ronchi and Perona, <i>Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation</i>, ICCV"
            " 2017.</p>",
            "<h2>Cost of the errors</h2>",
            f"<p>{_REPAIRS}</p>",
            metrics,
            *figures,
            *sections,
            "<h2>Images with the largest losses</h2>",
            *(pictures or ["<p>No image loses recall.</p>"]),
            "</body></html>",
        ]
    )


def _numbers(numbers: Numbers, curve: bytes) -> list[str]:
    """Return the sections of the metrics per keypoint type and per score threshold."""
    record = numbers.to_dict()
    keypoints, scores = record["keypoints"], record["score_threshold"]
    rows = keypoint_rows(keypoints)
    unit, missing = keypoints["pck_size"], keypoints["people_without_size"]
    remark = f" PCK leaves out {missing} people, whose {unit} size is undefined." if missing else ""
    best = scores["best"]
    return [
        "<h2>Metrics per keypoint type</h2>",
        "<p>AP: computed as if only this type were labeled. PCK: share of labeled keypoints that are detected within"
        f" this fraction of the person's {unit} size.{remark} Errors: mean distance of the detected keypoints, in px"
        f" and in units of the person's scale (the square root of the area). Detections and people are matched from an"
        f" OKS of {keypoints['match_oks']:g}.</p>",
        _table(tuple(map(words, rows[0])), [[html.escape(text) for text in texts(row)] for row in rows]),
        "<h2>Score threshold</h2>",
        "<p>The threshold with the highest F1: "
        + ", ".join(f"{words(name)} {entry(name, value)}" for name, value in best.items())
        + ".</p>",
        _figure(
            curve,
            "png",
            "Precision, recall and F1 of people if only detections with at least this score are kept. A detection is"
            f" correct from an OKS of {scores['oks']:g}.",
        ),
    ]


def _describe(image: ImageErrors) -> str:
    """Return the caption of a picture."""
    counts = [(int((image.kinds == index).sum()), words(kind)) for index, kind in enumerate(KINDS) if kind != "good"]
    counts.append((int((image.detection_of < 0).sum()), "false negative"))
    counts.append((int((image.is_background | image.is_duplicate).sum()), "false positive"))
    told = ", ".join(f"{count} {name}" for count, name in counts if count)
    return (
        f"{html.escape(image.file_name)}: lost recall of {image.recall_lost:.1f} of {len(image.people)} people; {told}."
    )


def _metrics(record: dict[str, Any]) -> list[str]:
    values = [record[name] for name in ("AP", "AP50", "AP75", "AP_M", "AP_L")]
    return ["-" if np.isnan(value) else f"{value:.3f}" for value in values]


def _chip(kind: str) -> str:
    return f'<span class="chip" style="background:{COLORS[kind]}"></span>'


def _figure(content: bytes, kind: str, caption: str) -> str:
    """Return the HTML of an embedded picture, a ``png`` or ``jpeg``."""
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return f'<figure><img alt="" src="{source}"><figcaption>{caption}</figcaption></figure>'


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"<tr>{''.join(f'<th>{cell}</th>' for cell in header)}</tr>"]
    lines += [f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows]
    return f"<table>{''.join(lines)}</table>"
