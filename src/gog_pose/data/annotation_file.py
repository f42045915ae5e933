"""COCO-format annotation files: reading, checking by the rules, and selection of the people."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from gog_pose.data.rules import (
    PERSON_RULES,
    check_category,
    check_image,
    check_reference,
    complete,
    keypoint_categories,
)
from gog_pose.errors import InputError


class AnnotationFile(NamedTuple):
    """A checked COCO-format file; it may be a list of images without people, as for test-dev.

    Code that uses the entries must not change them.

    Attributes:
        path: Path of the file.
        images: The entries of the images.
        people: The annotations of people by their indices in the file, with all optional fields filled in. Annotations
            of other categories are neither included nor checked.
        categories: Id and name of the categories of people.
    """

    path: Path
    images: list[dict[str, Any]]
    people: dict[int, dict[str, Any]]
    categories: dict[int, str]

    @classmethod
    def of(cls, annotations: str | Path | AnnotationFile, category: Any = None) -> AnnotationFile:
        """Read a file; return an ``AnnotationFile`` unchanged.

        Args:
            annotations: The file.
            category: Name, or list of names, of the categories whose annotations are the people; case is ignored.
                None = the only category, else the only one that lists keypoints, else the one called person.

        Raises:
            InputError: The file is missing or malformed, the category is ambiguous, or an entry breaks a rule.
        """
        if isinstance(annotations, AnnotationFile):
            return annotations
        path = Path(annotations)
        with uncollected():
            return cls.checked(read_coco_lists(path), path, category)

    @classmethod
    def checked(cls, content: dict[str, Any], path: Path, category: Any = None) -> AnnotationFile:
        """Check the lists of a file and fill in the optional fields of its people in place; otherwise as ``of``."""
        image_ids = set()
        for place, image in enumerate(content["images"]):
            check_image(image, f"{path}: images[{place}]")
            image_ids.add(image["id"])
        if len(image_ids) != len(content["images"]):
            raise InputError(f"{path}: images: ids repeat; give each image a unique id")
        categories = keypoint_categories(content, path, category)
        people = {}
        for place, annotation in enumerate(content["annotations"]):
            where = f"{path}: annotations[{place}]"
            check_category(annotation, where)
            if annotation["category_id"] in categories:
                for rule in PERSON_RULES.values():
                    rule(annotation, where)
                check_reference(annotation, where, image_ids)
                people[place] = complete(annotation)
        return cls(path, content["images"], people, categories)

    @property
    def category_id(self) -> int:
        """Category id of detections: that of the first category."""
        return next(iter(self.categories))

    def where(self, place: int) -> str:
        """Return the file and index of a person's annotation, for messages."""
        return f"{self.path}: annotations[{place}]"


@contextmanager
def uncollected() -> Iterator[None]:
    """Disable Python's garbage collection, which repeatedly scans the millions of lists of a file without effect."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def read_coco_lists(path: Path) -> dict[str, Any]:
    """Read a JSON file and check that it has COCO's lists; their entries are not checked.

    A file without annotations, such as COCO's ``image_info_test-dev2017.json``, gets an empty list of annotations.

    Raises:
        InputError: The file is missing or malformed, or has no list of images or categories.
    """
    content = read_json(path, "annotation file; check the path")
    if isinstance(content, dict) and "images" in content:
        content.setdefault("annotations", [])
    for field in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(field), list):
            raise InputError(f"{path}: the list {field!r} is missing; this is not a COCO-format keypoint file")
    return dict(content)


def read_json(path: Path, what: str) -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        what: Kind of file and the remedy if it is missing, for messages.

    Raises:
        InputError: The file is missing or malformed.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))  # some programs write a byte order mark
    except FileNotFoundError:
        raise InputError(f"{path}: no such {what}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a readable JSON file ({error}); restore it from its source") from None
