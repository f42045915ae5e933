"""Kinds of errors and warnings about a data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from gog_pose.errors import InputError

# Errors at which the reader stops, with their effects.
REFUSED = {
    "annotations unreadable": "the split cannot be used",
    "image folder missing": "training stops",
    "category absent": "the category of people is unknown; training stops",
    "nobody labelled": "there is nothing to train on; training stops",
    "image entry malformed": "training stops",
    "image id repeated": "training stops",
    "path leaves the folder": "training stops",
    "image missing": "training stops",
    "image corrupt": "training replaces it or stops",
    "image size differs": "keypoints do not fit the pixels; training replaces the image or stops",
    "annotation malformed": "training stops",
    "image unknown": "the annotation has no image; training stops",
    "box malformed": "training stops",
    "numbers malformed": "keypoints, area, iscrowd or num_keypoints are invalid; training stops",
    "keypoint count wrong": "the skeleton has another number of keypoints; training stops",
    "outline malformed": "training stops",
}
# Errors that the reader accepts, with their effects.
MISTAKES = {
    "category keypoints differ": "keypoints are mistaken for others",
    "keypoints in shares": "all keypoints of the person are trained in the corner of the image",
    "keypoints as y, x": "keypoints are trained at wrong positions",
    "keypoints in the box": "keypoints are trained at wrong positions",
    "boxes as corners": "the scales of people are wrong",
    "boxes as centers": "ignored regions are at wrong positions",
    "box without area": "the person's offsets get a very large weight",
    "area not positive": "no detection can match the person; AP is wrong",
    "labelled but not counted": "AP ignores the person, because num_keypoints is 0",
}
ERRORS = {**REFUSED, **MISTAKES}
# Unusual data that may be intended, with its effects.
WARNINGS = {
    "category keypoint names": "they may mean other keypoints than the skeleton's",
    "category unknown": "the annotation is not used",
    "flip pair forgotten": "training on mirrored images confuses left and right",
    "left and right swapped": "the sides may be those of the image instead of the person's",
    "labels of smaller images": "coordinates may be in another unit or of resized images",
    "labels copied": "one of the two images has the keypoints of the other",
    "person listed twice": "one detection cannot match both; AP cannot reach 1",
    "keypoint at the origin": "it is trained in the corner of the image",
    "keypoints on one spot": "they may be default values",
    "crowd with keypoints": "they are not used in training",
    "outline not read": "the outline of a labeled person is not needed",
    "outline without area": "the box is ignored instead",
    "image stored twice": "two files contain the same image; it is used twice in training",
    "image in two splits": "it is used in training and evaluation; AP is too high",
    "image listed twice": "it is used twice in training",
    "image misnamed": "its format differs from its name; it is read anyway",
    "EXIF rotation": "it is read as stored; viewers rotate it, so annotations may be for the rotated image",
    "CMYK": "colors may be inaccurate",
    "16 bits": "it is scaled to 8 bits",
    "annotation id repeated": "other programs may lose annotations",
    "keypoint outside the image": "it is used only in crops that extend beyond the image",
    "visibility unusual": "values above 0 count as labeled",
    "num_keypoints differs": "it is only compared with 0",
    "box outside the image": "the person's scale is too large",
    "box contradicts keypoints": "the person's scale may be wrong",
    "area contradicts box": "AP may use a wrong size of the person",
}


class Finding(NamedTuple):
    """An error or a warning.

    Attributes:
        kind: One of ``ERRORS`` (training would stop or be wrong) or ``WARNINGS``.
        message: The entry or file, the problem and the remedy, in one line.
        image_id: COCO's id of the image concerned; None if there is none.
        annotation_id: COCO's id of the annotation concerned; None if there is none.
    """

    kind: str
    message: str
    image_id: int | None = None
    annotation_id: int | None = None

    @property
    def is_error(self) -> bool:
        """Whether training would stop or be wrong."""
        return self.kind in ERRORS


def objection(rule: Callable[..., Any], *arguments: Any) -> str | None:
    """Return the error message of a rule of the reader; None if the rule accepts its arguments."""
    try:
        rule(*arguments)
    except InputError as error:
        return str(error)
    return None
