"""Kinds of errors and warnings about a data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from gog_pose.errors import InputError

# Errors that the reader refuses.
REFUSED = {
    "annotations unreadable": "nothing of the split can be used",
    "image folder missing": "training stops",
    "category absent": "it is unknown whose keypoints these are; training stops",
    "nobody labelled": "there is nothing to train on; training stops",
    "image entry malformed": "training stops",
    "image id repeated": "training stops",
    "path leaves the folder": "training stops",
    "image missing": "training stops",
    "image corrupt": "training skips it, or stops",
    "image size differs": "keypoints do not fit the pixels; training skips the image, or stops",
    "annotation malformed": "training stops",
    "image unknown": "an annotation of no image; training stops",
    "box malformed": "training stops",
    "numbers malformed": "keypoints, area, iscrowd or num_keypoints are not what they must be; training stops",
    "keypoint count wrong": "the skeleton has more or fewer; training stops",
    "outline malformed": "training stops",
}
# Errors that the reader accepts.
MISTAKES = {
    "category keypoints differ": "keypoints are confused with others",
    "keypoints in shares": "all of the person is taught in the corner of the image",
    "keypoints as y, x": "people are taught where nobody is",
    "keypoints in the box": "people are taught where nobody is",
    "boxes as corners": "the people's scales are wrong",
    "boxes as centers": "ignored regions are at the wrong place",
    "box without area": "the person's offsets get an absurd weight",
    "area not positive": "no detection can match the person; AP is wrong",
    "labelled but not counted": "AP leaves the person out, for num_keypoints is 0",
}
ERRORS = {**REFUSED, **MISTAKES}
# Oddities that may be intended.
WARNINGS = {
    "category keypoint names": "they may be others than the skeleton's",
    "category unknown": "the annotation is not used",
    "flip pair forgotten": "mirrored images teach left as right",
    "left and right swapped": "the sides may be those of the image instead of the person's",
    "labels of smaller images": "coordinates may be in another unit, or of resized images",
    "labels copied": "one of the two images has another's keypoints",
    "person listed twice": "one detection cannot match both; AP cannot reach 1",
    "keypoint at the origin": "taught in the corner of the image",
    "keypoints on one spot": "they may be default values",
    "crowd with keypoints": "not taught",
    "outline not read": "of a labelled person no outline is needed",
    "outline without area": "the box is ignored instead",
    "image stored twice": "two files hold the same image; it is trained on twice",
    "image in two splits": "it is trained on and evaluated on; AP is too high",
    "image listed twice": "it is trained on twice",
    "image misnamed": "another format than its name says; read anyway",
    "EXIF rotation": "read as stored; viewers rotate it, annotators may have too",
    "CMYK": "colors may be off",
    "16 bits": "scaled to 8",
    "annotation id repeated": "other programs may lose annotations",
    "keypoint outside the image": "taught only where a crop shows what lies beyond the image",
    "visibility unusual": "above 0 counts as labelled",
    "num_keypoints differs": "only whether it is 0 is used",
    "box outside the image": "the person's scale is too large",
    "box contradicts keypoints": "the person's scale is doubtful",
    "area contradicts box": "AP judges the person by a doubtful size",
}


class Finding(NamedTuple):
    """One thing that is wrong.

    Attributes:
        kind: One of ``ERRORS`` (training would stop or be wrong) or ``WARNINGS``.
        message: Which entry or file, what is wrong with it and the remedy, in one line.
        image_id: COCO's id of the image concerned; None where there is none.
        annotation_id: COCO's id of the annotation concerned; None where there is none.
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
