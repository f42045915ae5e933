"""``gog-predict``: find the people in images; write overlays, COCO results and a contact sheet.

Beside the overlays ``<name>.png`` and ``contact_sheet.png`` it writes ``predictions.json``, in COCO's results format,
and ``images.json``, which says to each ``image_id`` the file, its size and its overlay. Coordinates are px of the image
as it is shown, that is turned upright as its EXIF orientation says.
"""

from __future__ import annotations

import glob
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from gog_pose.cli.runtime import command, resolved
from gog_pose.errors import InputError

IMAGE_SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"))
SHEET = "contact_sheet.png"
SHEET_IMAGES = 24
SHEET_COLUMNS = 4
SHEET_CELL_HW = (360, 480)  # px


@command("predict")
def main(config: DictConfig) -> None:
    """Find the people in every image of the source, one image at a time, past those that cannot be read."""
    from PIL import Image
    from rich.console import Console
    from rich.progress import track

    from gog_pose.drawing import contact_sheet, draw_poses, fit
    from gog_pose.images import read_image
    from gog_pose.inference import PoseEstimator

    options = resolved(config)
    for option in ("source", "checkpoint"):
        if options[option] is None:
            raise InputError(f"{option}: is not set; give source=IMAGE|FOLDER|PATTERN checkpoint=FILE")
    output = Path(options["output"])
    paths = find_images(str(options["source"]), output)
    names = overlay_names(paths)
    refuse_to_overwrite(paths, [output / name for name in names])
    estimator = PoseEstimator.from_checkpoint(
        options["checkpoint"],
        options["device"],
        flip=options["flip"],
        long_side=options["input"]["long_side"],
        decoder={key: value for key, value in options["decoder"].items() if value is not None},
    )
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"output: {output} cannot be made ({error.strerror}); give another folder") from None

    num_people = 0
    unreadable: list[InputError] = []
    cells: list[np.ndarray] = []
    with JsonList(output / "predictions.json") as predictions, JsonList(output / "images.json") as images:
        for image_id, path in enumerate(track(paths, "finding people", console=Console(stderr=True))):
            try:
                image = read_image(path, exif=True)
            except InputError as error:
                unreadable.append(error)
                continue
            poses = estimator.predict(image)
            shown = poses.above(options["pictures"]["min_score"])
            overlay = draw_poses(image, shown, estimator.skeleton)
            Image.fromarray(overlay).save(output / names[image_id])
            for entry in poses.to_coco(image_id):
                predictions.append(entry)
            images.append(
                {
                    "id": image_id,
                    "file_name": str(path),
                    "height": image.shape[0],
                    "width": image.shape[1],
                    "overlay": names[image_id],
                }
            )
            num_people += len(shown)
            if len(cells) < SHEET_IMAGES:
                cells.append(fit(overlay, SHEET_CELL_HW))
    if cells:
        Image.fromarray(contact_sheet(cells, SHEET_COLUMNS, SHEET_CELL_HW)).save(output / SHEET)

    for damage in unreadable:
        print(f"gog-predict: left out: {damage}", file=sys.stderr)
    print(
        f"{num_people} people on {len(paths) - len(unreadable)} of {len(paths)} images -> {output}:"
        f" an overlay of each, predictions.json, images.json{f', {SHEET}' if cells else ''}"
    )
    if unreadable:
        sys.exit(1)


def find_images(source: str, output: Path) -> list[Path]:
    """Return the image files that a source means, sorted.

    Args:
        source: A file, a folder, whose subfolders count, or a pattern, in which ``**`` stands for any folders.
        output: Left out of the search if it lies inside the source: overlays are no input.

    Raises:
        InputError: There are none.
    """
    path = Path(source)
    if path.is_file():
        return [path]
    if path.is_dir():
        found = [file for file in path.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()]
        remedy = f"it holds no file that ends in {', '.join(sorted(IMAGE_SUFFIXES))}"
    else:
        found = [file for file in map(Path, glob.glob(source, recursive=True)) if file.is_file()]
        remedy = "there is no such file or folder, and as a pattern it matches no file"
    root, made = path.resolve(), output.resolve()
    if root in made.parents:
        found = [file for file in found if made not in file.resolve().parents]
    if not found:
        raise InputError(f"source: {source}: {remedy}; check the path")
    return sorted(found)


def overlay_names(paths: Sequence[Path]) -> list[str]:
    """Return the file name of each image's overlay: ``<stem>.png``, with a number where that is taken."""
    taken = {SHEET}
    names = []
    for path in paths:
        name, number = f"{path.stem}.png", 1
        while name.lower() in taken:  # some file systems know no case
            number += 1
            name = f"{path.stem}_{number}.png"
        taken.add(name.lower())
        names.append(name)
    return names


def refuse_to_overwrite(paths: Sequence[Path], overlays: Sequence[Path]) -> None:
    """Raise ``InputError`` if an overlay would take the place of one of the images."""
    images = {path.resolve() for path in paths}
    for overlay in overlays:
        if overlay.resolve() in images:
            raise InputError(f"output: {overlay} is one of the images and would be overwritten; give another folder")


class JsonList:
    """A JSON array written entry by entry, so that memory stays constant; valid even if the writing is broken off.

    Args:
        path: The file; replaced if it exists.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._separator = "[\n"

    def __enter__(self) -> JsonList:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.write("\n]\n" if self._separator != "[\n" else "[]\n")
        self._file.close()

    def append(self, entry: dict[str, Any]) -> None:
        """Write one entry."""
        self._file.write(self._separator + json.dumps(entry))
        self._separator = ",\n"


if __name__ == "__main__":
    main()
