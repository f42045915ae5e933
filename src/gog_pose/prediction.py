"""Prediction of the people in images, videos and camera streams, with results in files (``gog-predict``).

Frames are read, predicted and written one batch after the other, so memory does not grow with the length of a video.
"""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gog_pose.drawing import contact_sheet, draw_people, fit
from gog_pose.errors import InputError
from gog_pose.estimator import PoseEstimator, Prediction
from gog_pose.imaging.writing import write_picture
from gog_pose.media.frames import Frame, Medium
from gog_pose.media.overlays import OverlayFiles, OverlayNames, Spread
from gog_pose.media.sources import find_media
from gog_pose.media.stream import Frames
from gog_pose.methods import load_method, method_of
from gog_pose.methods.method import View
from gog_pose.poses import Poses
from gog_pose.system.files import replaced
from gog_pose.system.interrupts import Interrupt
from gog_pose.system.memory import is_out_of_memory
from gog_pose.system.progress import Progress, silent
from gog_pose.tracking import Tracker

PREDICTIONS = "predictions.json"
IMAGES = "images.json"
SHEET = "contact_sheet.png"
_SHEET_IMAGES = 24
_MOMENT = 1e-3  # s between frames with wrong time stamps
_SHEET_COLUMNS = 4
_SHEET_CELL_HW = (360, 480)  # px


class PredictionRecord(NamedTuple):
    """Summary of a prediction.

    Attributes:
        people: Number of people whose score is high enough to be drawn.
        frames: Number of images and video frames.
        images_only: True if all sources are single images, not videos, cameras, animations or pages.
        unreadable: Errors of sources that could not be read, or only in part.
        interrupted: True if Ctrl+C or SIGTERM ended the prediction; the files of the frames until then are complete.
        passed_over: Number of files in a folder that are neither images nor videos, by suffix.
    """

    people: int
    frames: int
    images_only: bool
    unreadable: list[InputError]
    interrupted: bool
    passed_over: Counter[str]


def predict_files(
    estimator: PoseEstimator,
    source: str,
    output: str | Path,
    *,
    every: int = 1,
    limit: int | None = None,
    views: Sequence[str] = (),
    min_score: float = 0.25,
    codec: str | None = None,
    rate: float | None = None,
    tracker: Callable[[], Tracker] | None = None,
    progress: Progress = silent,
) -> PredictionRecord:
    """Predict the people in each frame of a source; unreadable images and frames are left out.

    The function writes overlays (``<name>.png`` for an image, ``<name>.mp4`` for a video or an animation),
    ``contact_sheet.png``, ``predictions.json`` in COCO's results format, and ``images.json``. For each ``image_id``,
    ``images.json`` lists the file, its size and overlay, for a frame also its number and time, and for a page after the
    first its number. Coordinates are px of the upright image. Each file appears when it is complete.

    Args:
        estimator: Predicts batches of ``estimator.batch_size`` frames.
        source: An image, a video, a folder, a pattern or a camera (see ``find_media``).
        output: Output folder; created if it does not exist.
        every: Use only every n-th frame of a video, a camera or an animation, and every n-th page.
        limit: Use only this many frames, the first of all sources together; None = all.
        views: Names of the method's views of the maps to write as pictures.
        min_score: People with a lower score are not drawn; ``predictions.json`` contains all people.
        codec: Codec of overlay videos: ``h264``, with the source's sound and time stamps, or another four-letter code
            of FFmpeg, except MPEG-4 part 2; None = H.264 if PyAV is installed, otherwise VP9.
        rate: Frames per second of the source, for frames of equal duration; None = use the time stamps.
        tracker: Makes a tracker for each video, camera or animation; people then have ids in ``predictions.json`` and
            colors by id. None = no tracking.
        progress: Wraps the loop over the frames.

    Raises:
        InputError: The source or a view does not exist, or the output cannot be written.
    """
    output = Path(output)
    media, passed_over, unreadable = find_media(source, output)
    drawers = _views(estimator, views)
    names = OverlayNames(media, output, views, taken=(SHEET,))
    frames = Frames(media, every)
    total = min((number for number in (frames.count(), limit) if number is not None), default=None)
    num_people = num_frames = 0
    images_only = True
    cells = Spread(_SHEET_IMAGES)
    too_large: Counter[Medium] = Counter()  # number of frames that need too much memory
    try:
        output.mkdir(parents=True, exist_ok=True)
        with (
            JsonList(output / PREDICTIONS) as predictions,
            JsonList(output / IMAGES) as images,
            OverlayFiles(output, names, every=every, codec=codec, rate=rate) as files,
            Interrupt() as interrupt,
        ):
            found = predicted(itertools.islice(frames, limit), estimator, too_large)
            if tracker is not None:
                found = tracked(found, tracker)
            for frame, prediction in progress(found, "finding people", total):
                shown = prediction.poses.above(min_score)
                try:
                    overlay = draw_people(
                        frame.image, shown.keypoints, estimator.skeleton, shown.inferred, colors=shown.track_ids
                    )
                    drawn = {name: draw_view(view, prediction, shown, estimator) for name, view in drawers.items()}
                    written = files.write(frame, {"overlay": overlay, **drawn})
                    cells.add(fit(overlay, _SHEET_CELL_HW))
                except Exception as error:
                    if not is_out_of_memory(error):
                        raise
                    too_large[frame.medium] += 1
                    continue
                for entry in prediction.poses.to_coco(num_frames):
                    predictions.append(entry)
                images.append({"id": num_frames, **_description(frame), **written})
                num_people += len(shown)
                num_frames += 1
                images_only &= frame.number is None
                if interrupt.requested:
                    break
        if cells.kept:
            write_picture(output / SHEET, contact_sheet(cells.kept, _SHEET_COLUMNS, _SHEET_CELL_HW))
    except OSError as error:
        raise InputError(f"output: {output} cannot be written ({error.strerror}); give another folder") from error
    unreadable += frames.unreadable
    unreadable += [
        InputError(f"{medium.name}: there is not enough memory for {number} of its images; use a smaller input")
        for medium, number in too_large.items()
    ]
    return PredictionRecord(num_people, num_frames, images_only, unreadable, interrupt.requested, passed_over)


def predicted(
    frames: Iterable[Frame], estimator: PoseEstimator, too_large: Counter[Medium]
) -> Iterator[tuple[Frame, Prediction]]:
    """Yield each frame with its prediction, keeping at most one batch in memory.

    Args:
        frames: The frames.
        estimator: Finds the people.
        too_large: Counts the frames that are left out because they need too much memory.
    """
    frames = iter(frames)
    while batch := list(itertools.islice(frames, estimator.batch_size)):
        predictions = _predictions(batch, estimator)
        while batch:
            frame, prediction = batch.pop(0), predictions.pop(0)
            if prediction is None:
                too_large[frame.medium] += 1
            else:
                yield frame, prediction


def tracked(
    predictions: Iterable[tuple[Frame, Prediction]], tracker: Callable[[], Tracker]
) -> Iterator[tuple[Frame, Prediction]]:
    """Yield the frames and predictions with track ids, using a new tracker for each medium with a time axis."""
    medium, following, latest = None, tracker(), -math.inf
    for frame, prediction in predictions:
        if frame.medium != medium:
            medium, following, latest = frame.medium, tracker(), -math.inf
        if frame.seconds is not None:
            # Damaged time stamps may repeat or jump back; such frames get the last time plus _MOMENT.
            latest = max(frame.seconds, latest + _MOMENT)
            prediction = prediction._replace(poses=following.update(prediction.poses, latest))
        yield frame, prediction


def _predictions(frames: Sequence[Frame], estimator: PoseEstimator) -> list[Prediction | None]:
    """Return the prediction for each frame; None if the frame needs too much memory even in a batch of 1."""
    try:
        return list(estimator.predict_with_maps([frame.image for frame in frames]))
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    if len(frames) == 1:
        return [None]
    return [prediction for frame in frames for prediction in _predictions([frame], estimator)]


def draw_view(view: View, prediction: Prediction, shown: Poses, estimator: PoseEstimator) -> np.ndarray:
    """Draw the maps of one image on its network input.

    Args:
        view: One of the views of the method.
        prediction: Prediction for one image.
        shown: The people to show.
        estimator: Estimator of the prediction.

    Returns:
        ``(H, W, 3)`` uint8 RGB, px of the network input without its padding.
    """
    (height, width), (top, left) = prediction.prepared.image_hw, prediction.prepared.corner
    seen = estimator.preprocessing.to_image(prediction.prepared.tensor)
    keypoints = shown.transformed(prediction.prepared.matrix).keypoints
    if shown.inferred is not None:
        keypoints[shown.inferred] = 0
    picture = view.predicted(seen, prediction.maps, keypoints, estimator.skeleton, estimator.decoder.stride)
    return picture[top : top + height, left : left + width]


def _views(estimator: PoseEstimator, names: Sequence[str]) -> Mapping[str, View]:
    """Return the views of the estimator's method with the given names."""
    if not names:
        return {}
    method = method_of(estimator.decoder)
    views = load_method(method).views
    for name in names:
        if name not in views:
            raise InputError(
                f"views: {name!r} is not a view of {method}, this checkpoint's method; choose {', '.join(views)}"
            )
    return {name: views[name] for name in names}


def _description(frame: Frame) -> dict[str, Any]:
    """Return the entry of a frame in ``images.json``, without its id and files."""
    record: dict[str, Any] = {
        "file_name": frame.medium.name,
        "height": frame.image.shape[0],
        "width": frame.image.shape[1],
    }
    if frame.number is not None:
        record["frame"] = frame.number
    if frame.seconds is not None:
        record["seconds"] = round(frame.seconds, 6)
    return record


class JsonList:
    """A JSON array that is written entry by entry, with constant memory.

    The file appears when it is complete, also if an error ends the writing. Until then, an existing file is unchanged.

    Args:
        path: The file; an existing file is replaced.
    """

    def __init__(self, path: Path) -> None:
        self._replaced = ExitStack()
        self._file = self._replaced.enter_context(replaced(path)).open("w", encoding="utf-8")
        self._file.write("[")
        self._separator = "\n"

    def __enter__(self) -> JsonList:
        return self

    def __exit__(self, *error: object) -> None:
        with self._replaced:
            self._file.write("\n]\n")
            self._file.close()

    def append(self, entry: dict[str, Any]) -> None:
        """Write one entry."""
        self._file.write(self._separator + json.dumps(entry))
        self._separator = ",\n"
