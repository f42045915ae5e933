"""Paths of a COCO-format data set, and reading of its annotations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gog_pose.data.annotation_file import AnnotationFile
from gog_pose.data.rules import category_names


@dataclass(frozen=True)
class DataLayout:
    """Paths of annotations and images by split, and the categories of people.

    Attributes:
        root: Folder of the data set.
        images: Folder of a split's images, below the root; ``{split}`` is replaced by the split.
        annotations: JSON file of a split, below the root; ``{split}`` is replaced by the split.
        train_split: The data set's name of the split ``train``.
        val_split: The data set's name of the split ``val``.
        category: Name, or list of names, of the categories whose annotations are the people; None = as
            ``AnnotationFile.of`` chooses.

    Raises:
        InputError: ``category`` is neither a name nor a list of names.
    """

    root: Path
    images: str = "{split}"
    annotations: str = "annotations/person_keypoints_{split}.json"
    train_split: str = "train"
    val_split: str = "val"
    category: Any = None

    def __post_init__(self) -> None:
        """Check the names of categories."""
        category_names(self.category)

    def name(self, split: str) -> str:
        """Return the data set's name of ``train`` or ``val``; return other names unchanged."""
        return {"train": self.train_split, "val": self.val_split}.get(split, split)

    def annotation_file(self, split: str) -> Path:
        """Return the annotation file of a split."""
        return self.root / self.annotations.replace("{split}", self.name(split))

    def image_folder(self, split: str) -> Path:
        """Return the folder of a split's images."""
        return self.root / self.images.replace("{split}", self.name(split))

    def read(self, split: str) -> AnnotationFile:
        """Read the annotation file of a split.

        Raises:
            InputError: The file is missing or malformed.
        """
        return AnnotationFile.of(self.annotation_file(split), self.category)
