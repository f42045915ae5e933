"""The report of an error analysis: one HTML page with embedded pictures, and the pictures as files beside it."""

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
    "good": "as near to its place as human annotators are to each other (similarity from 0.85)",
    "jitter": "near its place (similarity from 0.5)",
    "inversion": "at the place of the other side of the same person",
    "swap": "at the place of another person's keypoint",
    "miss": "nowhere near any of these, or not detected",
    "score": "the order of the detections: the more like a person, the higher a score should be",
    "false_positive": "a detection that is nobody's, or the second of a person",
    "false_negative": "a person without a detection",
}
_REPAIRS = (
    "Repaired, a miss comes as near to its place as jitter (similarity 0.5), jitter becomes good (0.85), an"
    " inversion or a swap is as near to its own place as it was to the wrong one, and detections rank by their OKS."
    " False positives and negatives are, at each OKS threshold by itself, the detections and people that match nothing"
    " even after all other repairs; once the scores are repaired, false positives rank last and cost nothing more."
)
_CAPTIONS = {
    "gains": "AP gained: hatched, by this repair alone; plain, by it after those above it.",
    "precision": "Precision over recall as it is (line) and while one kind after the other is repaired.",
    "thresholds": "What each kind costs at each OKS threshold. At high thresholds many people count as false negatives"
    " whose keypoints cannot be repaired well enough.",
    "keypoints": "Keypoints of matched people.",
    "people": "All labelled people; keypoints of those without a detection are the dark part.",
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
    """Write ``errors.html``, which needs no other file, and its plots and pictures; an earlier report is replaced.

    Args:
        analysis: What to report.
        folder: Where to; made if it is not there.
        images: Folder of the images; None draws on blank canvases.
        numbers: Those beside COCO's of the same detections; None leaves them out.
        worst: How many pictures, of the images that lose most recall.

    Returns:
        The page.

    Raises:
        InputError: The folder cannot be made.
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
        f"{people['labelled']} labelled people, {people['matched']} with a detection (OKS {MATCHED} or more),"
        f" {people['outranked']} of them outranked by a worse one; {detections['evaluated']} detections evaluated,"
        f" {detections['background']} in the background, {detections['duplicate']} duplicates."
    )
    metrics = _table(
        ("", "AP", "AP50", "AP75", "AP_M", "AP_L", "gain", "gain alone"),
        [
            ("as it is", *_metrics(record), "", ""),
            *(
                (
                    f"{_chip(kind)}{words(kind)} repaired too",
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
        ("", "number", "what it is"),
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
            "<h2>What they cost</h2>",
            f"<p>{_REPAIRS}</p>",
            metrics,
            *figures,
            *sections,
            "<h2>The images that lose most</h2>",
            *(pictures or ["<p>None loses any recall.</p>"]),
            "</body></html>",
        ]
    )


def _numbers(numbers: Numbers, curve: bytes) -> list[str]:
    """Return the sections of the numbers per keypoint type and over the score threshold."""
    record = numbers.to_dict()
    keypoints, scores = record["keypoints"], record["score_threshold"]
    rows = keypoint_rows(keypoints)
    unit, missing = keypoints["pck_size"], keypoints["people_without_size"]
    remark = f" {missing} people have no such size, so PCK does not count their keypoints." if missing else ""
    best = scores["best"]
    return [
        "<h2>Numbers per keypoint type</h2>",
        "<p>AP as if only this type were labeled. PCK: the share of labeled keypoints that are detected within this"
        f" fraction of the person's {unit} size.{remark} Errors: mean distance of the detected keypoints, in px and in"
        f" units of the person's scale (the square root of the area). Detections and people are matched at an OKS of"
        f" {keypoints['match_oks']:g} or more.</p>",
        _table(tuple(map(words, rows[0])), [[html.escape(text) for text in texts(row)] for row in rows]),
        "<h2>Score threshold</h2>",
        "<p>The best threshold, that of the highest F1: "
        + ", ".join(f"{words(name)} {entry(name, value)}" for name, value in best.items())
        + ".</p>",
        _figure(
            curve,
            "png",
            "Precision, recall and F1 of people, if only detections from this score on are kept; a detection is right"
            f" from an OKS of {scores['oks']:g} on.",
        ),
    ]


def _describe(image: ImageErrors) -> str:
    """Return the caption of a picture."""
    counts = [(int((image.kinds == index).sum()), words(kind)) for index, kind in enumerate(KINDS) if kind != "good"]
    counts.append((int((image.detection_of < 0).sum()), "false negative"))
    counts.append((int((image.is_background | image.is_duplicate).sum()), "false positive"))
    told = ", ".join(f"{count} {name}" for count, name in counts if count)
    return (
        f"{html.escape(image.file_name)}: {image.recall_lost:.1f} of {len(image.people)} people's recall lost; {told}."
    )


def _metrics(record: dict[str, Any]) -> list[str]:
    values = [record[name] for name in ("AP", "AP50", "AP75", "AP_M", "AP_L")]
    return ["-" if np.isnan(value) else f"{value:.3f}" for value in values]


def _chip(kind: str) -> str:
    return f'<span class="chip" style="background:{COLORS[kind]}"></span>'


def _figure(content: bytes, kind: str, caption: str) -> str:
    """Return a picture that the page holds, a ``png`` or a ``jpeg``."""
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return f'<figure><img alt="" src="{source}"><figcaption>{caption}</figcaption></figure>'


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"<tr>{''.join(f'<th>{cell}</th>' for cell in header)}</tr>"]
    lines += [f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows]
    return f"<table>{''.join(lines)}</table>"
