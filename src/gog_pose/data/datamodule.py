"""The LightningDataModule of all COCO-format data sets: COCO, synthetic people and your own data."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import cv2
import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import Dataset, default_collate

from gog_pose.data.annotations import CocoKeypoints
from gog_pose.data.augmentation import Augmentation
from gog_pose.data.layout import DataLayout
from gog_pose.data.loader import Loader
from gog_pose.data.sampler import CropSampler
from gog_pose.data.samples import EvaluationSample, PoseBatch, TrainingCrops, WholeImages
from gog_pose.errors import InputError
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.maps.marks import TargetMarks
from gog_pose.maps.records import image_of
from gog_pose.methods.method import Encoder
from gog_pose.system.interrupts import leave_to_parent
from gog_pose.system.options import Count, CountOrZero, NotNegative, Pixels, Seed, Share

_log = logging.getLogger(__name__)


class PoseDataModule(pl.LightningDataModule):
    """Yields training crops with targets and whole images for evaluation.

    Args:
        root: The data set: by default ``annotations/person_keypoints_<split>.json`` beside image folders ``<split>/``.
        images: Folder of a split's images, below the root; ``{split}`` is replaced by the split.
        annotations: JSON file of a split, below the root; ``{split}`` is replaced by the split.
        train_split: Name of the training split.
        val_split: Name of the validation split.
        encoder: Renders targets; its skeleton sets the number of keypoints per person.
        augmentation: Samples training crops.
        preprocessing: Normalizes pixels and sets the size of evaluation inputs.
        multiple: Sides of evaluation inputs become multiples of this, px: the network's largest stride or a multiple of
            it. None = the network's largest stride in ``gog-train``, 128 in Python.
        batch_size: Training crops per optimizer step, summed over all devices and accumulated batches.
        val_batch_size: Whole images per step and device.
        num_workers: Loading processes per device.
        val_subset: Validation images to use: ``people`` = with any person (as in the paper), ``labelled`` = with
            keypoints, or ``all``.
        category: Name, or list of names, of the categories whose annotations are the people; case is ignored. None =
            the only category, else the only one that lists keypoints, else the one called person.
        min_area: Training ignores people with a smaller area, px^2 of the original image, as it ignores people without
            keypoints. The public code ignores areas up to 1024; the paper states no limit.
        train_limit: Largest number of training images, the first ones; None = all.
        train_exclude: Ids of images to leave out of training, such as images shown in a document.
        val_limit: Largest number of validation images, the first ones; None = all.
        pin_memory: Whether batches are in page-locked memory, for GPUs.
        encode_on: Where targets are rendered: on the ``device``, to which only cells other than 0 are transferred, or
            in the loading ``worker``, which transfers whole maps. The targets are the same.
        max_corrupt: Share of the training images of an epoch that may be corrupt, at least 0 and below 1. Each is
            reported once and replaced by the next readable image. The run stops if there are more; 0 stops it at the
            first. A corrupt validation image always stops the run, because skipping it would change the AP.
        seed: Seed of the order and the augmentation of the training crops.

    Raises:
        InputError: The value of an option is invalid.
    """

    def __init__(
        self,
        *,
        root: str,
        images: str = "{split}",
        annotations: str = "annotations/person_keypoints_{split}.json",
        train_split: str = "train",
        val_split: str = "val",
        encoder: Encoder,
        augmentation: Augmentation,
        preprocessing: Preprocessing,
        multiple: Pixels | None = None,
        batch_size: Count = 32,
        val_batch_size: Count = 1,
        num_workers: CountOrZero = 4,
        val_subset: str = "people",
        category: str | Sequence[str] | None = None,
        min_area: NotNegative = 0,
        train_limit: Count | None = None,
        train_exclude: Sequence[int] = (),
        val_limit: Count | None = None,
        pin_memory: bool = False,
        encode_on: str = "device",
        max_corrupt: Share = 0.01,
        seed: Seed = 0,
    ) -> None:
        super().__init__()
        if val_subset not in ("people", "labelled", "all"):
            raise InputError(f"data.val_subset: {val_subset!r} must be people, labelled or all")
        if encode_on not in ("worker", "device"):
            raise InputError(f"data.encode_on: {encode_on!r} must be worker or device")
        if not 0 <= max_corrupt < 1:
            raise InputError(f"data.max_corrupt: must be a share of at least 0 and below 1, got {max_corrupt}")
        self.layout = DataLayout(Path(root), images, annotations, train_split, val_split, category)
        self.encoder = encoder
        self.augmentation = augmentation
        self.preprocessing = preprocessing
        self.multiple = 128 if multiple is None else multiple
        self.batch_size = batch_size
        self.val_batch_size = val_batch_size
        self.val_subset = val_subset
        self.min_area = min_area
        self.train_limit = train_limit
        self.train_exclude = tuple(train_exclude)
        self.val_limit = val_limit
        self.encode_on = encode_on
        self.max_corrupt = max_corrupt
        self.seed = seed
        self._begun = {"epoch": 0, "crops": 0}
        self._corrupt: set[str] = set()  # errors of training images in this epoch
        self._told: set[str] = set()  # errors reported in this run
        self._loading: dict[str, Any] = {
            "num_workers": num_workers,
            "pin_memory": pin_memory,
            "persistent_workers": num_workers > 0,
            "worker_init_fn": _start_worker,
        }

    def setup(self, stage: str | None = None) -> None:
        """Read the annotations that a stage needs.

        Raises:
            InputError: A file or folder is missing or malformed, or there is no image to train or evaluate on.
        """
        if stage in (None, "fit"):
            images = self._read("train", self.min_area)
            self.train_set = TrainingCrops(
                images,
                self.augmentation,
                self.encoder,
                self.preprocessing,
                self.train_limit,
                exclude=self.train_exclude,
                encode=self.encode_on == "worker",
                max_corrupt=self.max_corrupt,
                seed=self.seed,
            )
            if not len(self.train_set):
                raise InputError(
                    f"{self.layout.annotation_file('train')}: no image has a person with labeled keypoints"
                )
        if stage in (None, "fit", "validate"):
            images = self._read("val")
            indices = np.arange(len(images))
            if self.val_subset == "people":
                indices = images.with_people()
            elif self.val_subset == "labelled":
                indices = images.with_labelled_people()
            indices = indices[: self.val_limit]
            if not len(indices):
                raise InputError(
                    f"{self.layout.annotation_file('val')}: no image to evaluate on (data.val_subset={self.val_subset})"
                )
            self.val_set = WholeImages(
                images, indices, self.encoder, self.preprocessing, self.multiple, encode=self.encode_on == "worker"
            )

    def _read(self, split: str, min_area: float = 0) -> CocoKeypoints:
        num_keypoints = self.encoder.skeleton.num_keypoints
        layout = self.layout
        return CocoKeypoints(layout.read(split), layout.image_folder(split), num_keypoints, min_area)

    def train_dataloader(self) -> Loader[PoseBatch]:
        """Return the loader of augmented crops.

        Raises:
            InputError: The batch size is not divisible by the number of devices and accumulated batches, or is larger
                than the data set.
        """
        devices, device, accumulated = 1, 0, 1
        if self.trainer is not None:
            devices, device = self.trainer.world_size, self.trainer.global_rank
            accumulated = self.trainer.accumulate_grad_batches
        if self.batch_size % (devices * accumulated):
            raise InputError(
                f"data.batch_size: {self.batch_size} is not a multiple of {devices * accumulated}, the {devices}"
                f" devices times trainer.accumulate_grad_batches={accumulated}; change one of them"
            )
        if len(self.train_set) < self.batch_size:
            raise InputError(
                f"data.batch_size: {self.batch_size} is more than the {len(self.train_set)} training images of"
                f" {self.layout.annotation_file('train')}; reduce it"
            )
        sampler = CropSampler(
            self.train_set, self.batch_size, num_devices=devices, device=device, seed=self.seed, **self._begun
        )
        return Loader(
            self.train_set,
            self.batch_size // (devices * accumulated),
            sampler=sampler,
            collate_fn=_as_batch,
            **self._loading,
        )

    def state_dict(self) -> dict[str, int]:
        """Return the progress for checkpoints: finished epochs, and crops of the current epoch on all devices."""
        assert self.trainer is not None
        loop = self.trainer.fit_loop
        epoch: Any = loop.epoch_progress.current
        batch: Any = loop.epoch_loop.batch_progress.current
        crops = batch.processed * self.batch_size // self.trainer.accumulate_grad_batches
        return {"epoch": epoch.processed, "crops": crops if epoch.started > epoch.processed else 0}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Continue from this progress. Lightning restores its epoch counter only after workers have begun to load."""
        self._begun = state_dict

    def val_dataloader(self) -> Loader[EvaluationSample | InputError]:
        """Return the loader of whole images; a batch is a list, because image sizes differ."""
        return Loader(_Caught(self.val_set), self.val_batch_size, collate_fn=_as_list, **self._loading)

    def on_before_batch_transfer(
        self, batch: PoseBatch | list[EvaluationSample], dataloader_idx: int
    ) -> PoseBatch | list[EvaluationSample]:
        """Report corrupt training images that were replaced, and their number at the end of an epoch.

        Raises:
            InputError: There are more than ``max_corrupt`` allows, or a validation image is corrupt.
        """
        if not isinstance(batch, PoseBatch):
            problems = self._told_by_all_devices(tuple(str(error) for error in batch if isinstance(error, InputError)))
            if problems:
                self._end(problems[0])
            return batch
        corrupt, first = self._told_by_all_devices(batch.corrupt), self._is_first_device()
        for problem in corrupt:
            if first and problem not in self._told:
                _log.warning("%s (replaced by the next readable image)", problem)
            self._told.add(problem)
            self._corrupt.add(problem)
        num_images = len(self.train_set)
        if len(self._corrupt) > self.max_corrupt * num_images:
            self._end(
                f"data.max_corrupt: {len(self._corrupt)} of the {num_images} training images of this epoch are corrupt,"
                f" more than a share of {self.max_corrupt}; replace them or raise the limit; the last: {corrupt[-1]}"
            )
        if self.trainer is not None and self.trainer.is_last_batch:
            if self._corrupt and first:
                _log.warning(
                    "epoch %d: %d of %d training images were corrupt and skipped",
                    self.trainer.current_epoch, len(self._corrupt), num_images,
                )  # fmt: skip
            self._corrupt.clear()
        return batch

    def _is_first_device(self) -> bool:
        return self.trainer is None or self.trainer.is_global_zero

    def _end(self, reason: str) -> NoReturn:
        """End the run on every device; the first device prints the reason."""
        if not self._is_first_device():
            sys.exit(2)
        raise InputError(reason)

    def _told_by_all_devices(self, problems: tuple[str, ...]) -> tuple[str, ...]:
        """Return the errors of the step's images on all devices, which must stop together to avoid a deadlock."""
        trainer = self.trainer
        if trainer is None or trainer.world_size == 1:
            return problems
        if not trainer.strategy.reduce_boolean_decision(bool(problems), all=False):
            return ()  # nearly always
        everywhere: list[Any] = [None] * trainer.world_size
        torch.distributed.all_gather_object(everywhere, problems)
        return tuple(problem for own in everywhere for problem in own)

    def on_after_batch_transfer(
        self, batch: PoseBatch | list[EvaluationSample], dataloader_idx: int
    ) -> PoseBatch | list[EvaluationSample]:
        """Render the targets of a batch on its device, unless the workers have rendered them."""
        if isinstance(batch, PoseBatch):
            marks = batch.targets
            return batch._replace(targets=self.encoder.render(marks)) if isinstance(marks, TargetMarks) else batch
        return [
            sample._replace(targets=image_of(self.encoder.render(sample.targets), 0))
            if isinstance(sample.targets, TargetMarks)
            else sample
            for sample in batch
        ]


class _Caught(Dataset[EvaluationSample | InputError]):
    """Whole images; a corrupt image is replaced by its error, which must reach all devices."""

    def __init__(self, images: WholeImages) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, item: int) -> EvaluationSample | InputError:
        try:
            return self._images[item]
        except InputError as error:
            return error


def _as_batch(samples: list[PoseBatch]) -> PoseBatch:
    images, targets, image_ids, corrupt = (list(field) for field in zip(*samples, strict=True))
    if isinstance(targets[0], TargetMarks):
        joined: Any = TargetMarks.join(targets)
    else:
        # In a worker, default_collate writes directly to memory shared with the training process.
        fields = (_collated(column) for column in zip(*targets, strict=True))
        joined = type(targets[0])(*fields)
    return PoseBatch(default_collate(images), joined, default_collate(image_ids), sum(corrupt, ()))


def _collated(column: tuple[Any, ...]) -> Any:
    """Return a field of a batch: tensors are stacked, lists with entries per image joined, and None stays None."""
    if column[0] is None:
        return None
    return [entry for one in column for entry in one] if isinstance(column[0], list) else default_collate(list(column))


def _as_list(samples: list[EvaluationSample]) -> list[EvaluationSample]:
    return samples


def _start_worker(worker: int) -> None:
    """Keep OpenCV from starting threads in a loading process, and signals from ending the process."""
    leave_to_parent()
    cv2.setNumThreads(0)
