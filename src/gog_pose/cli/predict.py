"""``gog-predict``: prediction of the people in images, videos and camera streams.

The command writes overlays (``<name>.png`` for an image, ``<name>.mp4`` for a video or an animation),
``contact_sheet.png``, and ``predictions.json`` in COCO's results format. For each ``image_id``, ``images.json`` lists
the file, its size and overlay, and for a frame also its number and time. Coordinates are px of the displayed image,
after rotation by its EXIF orientation. Each file appears when it is complete.

The exit code is 0 if all sources could be read, 1 if something was left out, 2 if an option is wrong, 130 after Ctrl+C
or SIGTERM. In any case, all people found so far are written. Files in a folder that are neither images nor videos are
counted.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from omegaconf import DictConfig

from gog_pose.cli.console import printable
from gog_pose.cli.estimator import build_estimator, is_exported
from gog_pose.cli.runtime import command, resolved
from gog_pose.errors import InputError
from gog_pose.media.codecs import check_codec

_BATCH_ON_GPU = 8  # on CPUs, batches larger than 1 are not faster


@command("predict", folder="output")
def main(config: DictConfig) -> None:
    """Find the people in each frame of the source; unreadable images and frames are left out."""
    options = resolved(config)
    check(options)

    from gog_pose.media.sources import described
    from gog_pose.prediction import IMAGES, PREDICTIONS, SHEET, predict_files
    from gog_pose.system.progress import bar
    from gog_pose.tracking import OneEuro, Tracker

    batch_size = options["batch_size"] or (1 if options["device"] == "cpu" else _BATCH_ON_GPU)
    smooth = OneEuro(**options["one_euro"]) if options["smooth"] else None
    estimator = build_estimator(options, options["device"], batch_size)
    record = predict_files(
        estimator,
        str(options["source"]),
        min_score=options["pictures"]["min_score"],
        tracker=partial(Tracker, estimator.skeleton, smooth=smooth, **options["tracking"])
        if options["track"]
        else None,
        progress=bar,
        **options["video"],
        **{name: options[name] for name in ("output", "every", "limit", "views")},
    )
    for damage in record.unreadable:
        print(f"gog-predict: left out: {printable(str(damage))}", file=sys.stderr)
    if record.passed_over:
        print(f"gog-predict: not used: {printable(described(record.passed_over))}", file=sys.stderr)
    if record.interrupted:
        print(f"gog-predict: interrupted; the files of the first {record.frames} frames are complete", file=sys.stderr)
    print(
        f"{record.people} people on {record.frames} {'images' if record.images_only else 'frames'}"
        f" -> {options['output']}: overlays, {PREDICTIONS}, {IMAGES}{f', {SHEET}' if record.frames else ''}"
    )
    if record.interrupted or record.unreadable:
        sys.exit(130 if record.interrupted else 1)


def check(options: dict[str, Any]) -> None:
    """Raise ``InputError`` if an option is missing or contradicts another."""
    for option in ("source", "checkpoint"):
        if options[option] is None:
            raise InputError(
                f"{option}: is not set; give source=IMAGE|VIDEO|FOLDER|PATTERN|CAMERA [checkpoint=FILE|NAME]"
            )
    if options["views"] and is_exported(options["checkpoint"]):
        raise InputError("views: an exported file does not output its maps; give the checkpoint")
    if options["smooth"] and not options["track"]:
        raise InputError("smooth: needs tracking; set track=true")
    check_codec(options["video"]["codec"])


if __name__ == "__main__":
    main()
