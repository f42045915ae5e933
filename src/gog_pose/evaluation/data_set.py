"""Prediction for all images of a data set, on one or several devices."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import torch
import torch.multiprocessing
from torch.multiprocessing.spawn import start_processes
from torch.utils.data import DataLoader, Dataset

from gog_pose.data.annotations import CocoKeypoints
from gog_pose.errors import InputError
from gog_pose.estimator import PoseEstimator
from gog_pose.imaging.letterbox import InputFormat, Views, grouped
from gog_pose.poses import Poses
from gog_pose.system.processes import available_cores

_PATIENCE = 1.0  # s between checks that the other processes are alive


def subsets(images: CocoKeypoints) -> dict[str, np.ndarray]:
    """Return the image indices of each subset; each subset contains the previous one."""
    everything = np.arange(len(images))
    return {"labelled": images.with_labelled_people(), "people": images.with_people(), "all": everything}


class PreparedImages(Dataset[tuple[int, Views]]):
    """Image ids and preprocessed images.

    Args:
        images: The data set.
        input_format: Converts images to network inputs.
    """

    def __init__(self, images: CocoKeypoints, input_format: InputFormat) -> None:
        self._images = images
        self._format = input_format

    def __getitem__(self, index: int) -> tuple[int, Views]:
        return int(self._images.image_ids[index]), self._format.views(self._images.read_image(index))


def batches_of_one_size(sizes: np.ndarray, input_format: InputFormat, batch_size: int) -> list[list[int]]:
    """Group images into batches of equal input size, so that no image needs padding to the size of another.

    Args:
        sizes: ``(N, 2)`` height and width of the original images, px.
        input_format: Converts images to network inputs.
        batch_size: Largest number of images per batch.

    Returns:
        Indices into ``sizes``, each exactly once.
    """
    groups = grouped([input_format.sizes((height, width)) for height, width in sizes.tolist()])
    return [group[start : start + batch_size] for group in groups for start in range(0, len(group), batch_size)]


def find_people(
    make_estimator: Callable[[str], PoseEstimator],
    images: CocoKeypoints,
    indices: np.ndarray,
    *,
    devices: Sequence[str] = ("cpu",),
    num_workers: int = 0,
) -> Iterator[tuple[int, Poses]]:
    """Yield the id and the people (px, original image) of each image, in the order in which batches finish.

    The people of an image do not depend on other images or on the number of devices.

    Args:
        make_estimator: Builds the estimator on a device; must be picklable if there are several devices. The
            estimator's ``batch_size`` sets the number of images per batch.
        images: The data set.
        indices: Indices of the images to process.
        devices: Devices that share the batches. Several devices run in one process each.
        num_workers: Loading processes per device.

    Raises:
        InputError: An image cannot be read, or the estimator cannot be built.
    """
    if len(devices) == 1:
        yield from _find(make_estimator(devices[0]), images, indices, num_workers, slice(None))
        return
    found: Any = torch.multiprocessing.get_context("spawn").Queue()
    shared = (make_estimator, images, indices, tuple(devices), num_workers, found)
    running = start_processes(_process, shared, len(devices), join=False, start_method="spawn")  # type: ignore[no-untyped-call]
    try:
        for _ in range(len(indices)):
            yield _next(found, running)
        running.join()
    finally:
        for process in running.processes:
            process.terminate()


def _find(
    estimator: PoseEstimator,
    images: CocoKeypoints,
    indices: np.ndarray,
    num_workers: int,
    share: slice,
) -> Iterator[tuple[int, Poses]]:
    """Yield the people that an estimator finds in its share of the batches."""
    batches = batches_of_one_size(images.sizes[indices], estimator.input_format, estimator.batch_size)
    loader = DataLoader(
        PreparedImages(images, estimator.input_format),
        batch_sampler=[[int(indices[place]) for place in batch] for batch in batches[share]],
        collate_fn=list,
        num_workers=num_workers,
        worker_init_fn=_start_worker,
    )
    for batch in loader:
        predictions = estimator.predict_views([views for _, views in batch])
        for (image_id, _), prediction in zip(batch, predictions, strict=True):
            yield image_id, prediction.poses


def _process(
    rank: int,
    make_estimator: Callable[[str], PoseEstimator],
    images: CocoKeypoints,
    indices: np.ndarray,
    devices: Sequence[str],
    num_workers: int,
    found: Any,
) -> None:
    """Find the people in one device's share of the images, and send results and errors to the main process."""
    torch.set_num_threads(max(1, available_cores() // len(devices)))
    try:
        estimator = make_estimator(devices[rank])
        share = slice(rank, None, len(devices))
        for image in _find(estimator, images, indices, num_workers, share):
            found.put(image)
    except InputError as error:
        found.put(error)


def _next(found: Any, running: Any) -> tuple[int, Poses]:
    """Return the next result, or raise the error of a process."""
    while True:
        try:
            image = found.get(timeout=_PATIENCE)
        except queue.Empty:
            running.join(timeout=0)  # raises if a process has failed
            continue
        if isinstance(image, InputError):
            raise image
        return image  # type: ignore[no-any-return]


def _start_worker(worker: int) -> None:
    """Prevent OpenCV from starting threads in a loading process."""
    cv2.setNumThreads(0)
