"""A COCO-format annotation file: read, checked by the rules, and reduced to what is used of it."""

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
    """A COCO-format file that has been read and checked. A list of images without people, such as test-dev's, is one.

    Its readers leave the entries as they are.

    Attributes:
        path: Where it is.
        images: Its images.
        people: The annotations of people by their places in the file; all fields that may be absent are filled in.
            Annotations of other categories are not among them, and nothing about them is checked.
        categories: Id and name of the categories that are the people.
    """

    path: Path
    images: list[dict[str, Any]]
    people: dict[int, dict[str, Any]]
    categories: dict[int, str]

    @classmethod
    def of(cls, annotations: str | Path | AnnotationFile, category: Any = None) -> AnnotationFile:
        """Read a file, unless it has been read.

        Args:
            annotations: The file.
            category: Name, or list of names, of the categories whose annotations are the people, whatever their case.
                None: the only category, else the only one that lists keypoints, else the one called person.

        Raises:
            InputError: The file is missing or malformed, no single category is meant, or an entry breaks a rule.
        """
        if isinstance(annotations, AnnotationFile):
            return annotations
        path = Path(annotations)
        with uncollected():
            return cls.checked(read_coco_lists(path), path, category)

    @classmethod
    def checked(cls, content: dict[str, Any], path: Path, category: Any = None) -> AnnotationFile:
        """Check the lists of a file, whose people are completed in place; otherwise as ``of``."""
        image_ids = set()
        for place, image in enumerate(content["images"]):
            check_image(image, f"{path}: images[{place}]")
            image_ids.add(image["id"])
        if len(image_ids) != len(content["images"]):
            raise InputError(f"{path}: images: ids repeat; every image needs an id of its own")
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
        """The id that detections of its people get: that of the first category."""
        return next(iter(self.categories))

    def where(self, place: int) -> str:
        """Return the place of a person's annotation, for messages."""
        return f"{self.path}: annotations[{place}]"


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep Python from looking for garbage meanwhile: again and again among millions of lists, of which none is."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def read_coco_lists(path: Path) -> dict[str, Any]:
    """Read a JSON file and check that it has COCO's lists; their entries may be anything.

    A list of images without annotations, such as COCO's ``image_info_test-dev2017.json``, gets an empty one.

    Raises:
        InputError: The file is missing or malformed, or another list is absent.
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
        what: What it should be and the remedy where there is none, for messages.

    Raises:
        InputError: The file is missing or malformed.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))  # some programs begin with a byte order mark
    except FileNotFoundError:
        raise InputError(f"{path}: no such {what}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a readable JSON file ({error}); restore it from its source") from None
