"""``gog-predict``: find the people in images, videos and before a camera.

It writes overlays, ``<name>.png`` of an image and ``<name>.mp4`` of a video, ``contact_sheet.png``, and
``predictions.json`` in COCO's results format. ``images.json`` says to each ``image_id`` the file, its size and its
overlay, and of a video's frame its number and its time. Coordinates are px of the image as it is shown, that is turned
upright as its EXIF orientation says. Everything is read, predicted and written frame by frame: the length of a video
costs no memory.

The exit code is 0 if all could be read, 1 if something was left out, 2 if an option is wrong, 130 after Ctrl+C; in any
case what was found before is written.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from gog_pose.cli.estimator import build_estimator, is_exported
from gog_pose.cli.interrupt import Interrupt
from gog_pose.cli.runtime import command, resolved
from gog_pose.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from gog_pose.inference import Answer, PoseEstimator
    from gog_pose.media import Frame
    from gog_pose.records import Poses

VIEWS = ("heatmaps", "offsets")
SHEET = "contact_sheet.png"
SHEET_IMAGES = 24
SHEET_COLUMNS = 4
SHEET_CELL_HW = (360, 480)  # px
BATCH_ON_GPU = 8  # a CPU gains nothing from more than 1


@command("predict")
def main(config: DictConfig) -> None:
    """Find the people in every frame of the source, past what cannot be read."""
    options = resolved(config)
    check(options)

    from PIL import Image
    from rich.console import Console
    from rich.progress import track

    from gog_pose.drawing import contact_sheet, draw_poses, fit
    from gog_pose.media import Frames, ImageFile, find_media
    from gog_pose.overlays import OverlayFiles, Spread, overlay_names, refuse_to_overwrite

    output, every, limit, views = (options[name] for name in ("output", "every", "limit", "views"))
    output = Path(output)
    media = find_media(str(options["source"]), output)
    names = overlay_names(media, views, taken=(SHEET,))
    refuse_to_overwrite(media, (output / name for own in names.values() for name in own.values()))
    batch_size = options["batch_size"] or (1 if options["device"] == "cpu" else BATCH_ON_GPU)
    estimator = build_estimator(options, options["device"], batch_size)
    frames = Frames(media, every)
    count = frames.count()
    total = min((number for number in (count, limit) if number is not None), default=None)
    num_people = num_frames = 0
    cells = Spread(SHEET_IMAGES)
    try:
        output.mkdir(parents=True, exist_ok=True)
        with (
            JsonList(output / "predictions.json") as predictions,
            JsonList(output / "images.json") as images,
            OverlayFiles(output, names, every=every, **options["video"]) as files,
            Interrupt() as interrupt,
        ):
            answered = predicted(itertools.islice(frames, limit), estimator, batch_size)
            for frame, answer in track(answered, "finding people", total, console=Console(stderr=True)):
                shown = answer.poses.above(options["pictures"]["min_score"])
                overlay = draw_poses(frame.image, shown, estimator.skeleton)
                drawn = {view: draw_view(view, answer, shown, estimator) for view in views}
                files.write(frame, {"overlay": overlay, **drawn})
                for entry in answer.poses.to_coco(num_frames):
                    predictions.append(entry)
                images.append({"id": num_frames, **description(frame), **names[frame.medium]})
                cells.add(fit(overlay, SHEET_CELL_HW))
                num_people += len(shown)
                num_frames += 1
                if interrupt.requested:
                    break
        if cells.kept:
            Image.fromarray(contact_sheet(cells.kept, SHEET_COLUMNS, SHEET_CELL_HW)).save(output / SHEET)
    except OSError as error:
        raise InputError(f"output: {output} cannot be written ({error.strerror}); give another folder") from error

    for damage in frames.unreadable:
        print(f"gog-predict: left out: {damage}", file=sys.stderr)
    images_only = all(isinstance(medium, ImageFile) for medium in media)
    if interrupt.requested:
        print(f"gog-predict: interrupted; what was found in {num_frames} frames is complete", file=sys.stderr)
    print(
        f"{num_people} people on {num_frames} {'images' if images_only else 'frames'} -> {output}:"
        f" overlays, predictions.json, images.json{f', {SHEET}' if cells.kept else ''}"
    )
    if interrupt.requested or frames.unreadable:
        sys.exit(130 if interrupt.requested else 1)


def check(options: dict[str, Any]) -> None:
    """Raise ``InputError`` on an option that is missing or makes no sense."""
    for option in ("source", "checkpoint"):
        if options[option] is None:
            raise InputError(f"{option}: is not set; give source=IMAGE|VIDEO|FOLDER|PATTERN|CAMERA checkpoint=FILE")
    for option in ("batch_size", "every", "limit"):
        value = options[option]
        if (value is None and option == "every") or (value is not None and (not isinstance(value, int) or value < 1)):
            raise InputError(f"{option}: must be 1 or more, got {value}")
    if not isinstance(options["views"], list) or not set(options["views"]) <= set(VIEWS):
        raise InputError(f"views: must be a list of {' and '.join(VIEWS)}, got {options['views']}")
    if options["views"] and is_exported(options["checkpoint"]):
        raise InputError("views: an exported file keeps its maps to itself; give the checkpoint")
    codec, rate = options["video"]["codec"], options["video"]["rate"]
    if not isinstance(codec, str) or len(codec) != 4:
        raise InputError(f"video.codec: must be four letters such as mp4v, got {codec}")
    if rate is not None and not (isinstance(rate, int | float) and rate > 0):
        raise InputError(f"video.rate: must be above 0, or null for the source's, got {rate}")


def predicted(frames: Iterable[Frame], estimator: PoseEstimator, batch_size: int) -> Iterator[tuple[Frame, Answer]]:
    """Yield each frame with what the estimator makes of it; no more than a batch of them is held."""
    frames = iter(frames)
    while batch := list(itertools.islice(frames, batch_size)):
        answers = estimator.predict_with_maps([frame.image for frame in batch])
        while batch:
            yield batch.pop(0), answers.pop(0)


def draw_view(view: str, answer: Answer, shown: Poses, estimator: PoseEstimator) -> np.ndarray:
    """Draw what the network answered on what it saw.

    Args:
        view: ``heatmaps``, or ``offsets``: where those at the detected keypoints lead, as in the pictures of training.
        answer: Of one image.
        shown: The people whose offsets are drawn.
        estimator: Made the answer.

    Returns:
        ``(H, W, 3)`` uint8 RGB, px of the network input.

    Raises:
        InputError: The network answers without guiding offsets.
    """
    import numpy as np

    from gog_pose.drawing import draw_heatmaps, draw_offsets
    from gog_pose.records import PoseMaps

    (height, width), (top, left) = answer.prepared.image_hw, answer.prepared.corner
    shown_area = slice(top, top + height), slice(left, left + width)
    seen = estimator.preprocessing.to_image(answer.prepared.tensor)
    heatmaps = np.asarray(answer.maps.heatmaps[0].float().cpu())
    if view == "heatmaps":
        return draw_heatmaps(seen, heatmaps, estimator.skeleton)[shown_area]
    if not isinstance(answer.maps, PoseMaps):
        raise InputError("views: the network of this checkpoint has no guiding offsets; leave offsets out")
    keypoints = shown.transformed(answer.prepared.matrix).keypoints
    if shown.inferred is not None:
        keypoints[shown.inferred] = 0
    offsets = np.asarray(answer.maps.offsets[0].float().cpu())
    stride = seen.shape[0] // heatmaps.shape[1]
    return draw_offsets(seen, offsets, keypoints, estimator.skeleton, stride)[shown_area]


def description(frame: Frame) -> dict[str, Any]:
    """Return what ``images.json`` says about a frame."""
    record = {"file_name": frame.medium.name, "height": frame.image.shape[0], "width": frame.image.shape[1]}
    if frame.seconds is None:
        return record
    return {**record, "frame": frame.number, "seconds": round(frame.seconds, 6)}


class JsonList:
    """A JSON array written entry by entry, so that memory stays constant; valid even if the writing is broken off.

    Args:
        path: The file; replaced if it exists.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._file.write("[")
        self._separator = "\n"

    def __enter__(self) -> JsonList:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.write("\n]\n")
        self._file.close()

    def append(self, entry: dict[str, Any]) -> None:
        """Write one entry."""
        self._file.write(self._separator + json.dumps(entry))
        self._separator = ",\n"


if __name__ == "__main__":
    main()
