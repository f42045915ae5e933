"""Settings of all tests: quiet libraries, few threads, and fixtures for data that only some machines have."""

import os
from importlib import metadata
from pathlib import Path

# Before the libraries are imported, and inherited by the processes that tests start.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it asks the network for newer versions
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("WANDB_SILENT", "true")
# The networks here are too small for more; side by side, each process has one core.
os.environ["OMP_NUM_THREADS"] = "1" if "PYTEST_XDIST_WORKER" in os.environ else os.environ.get("OMP_NUM_THREADS", "2")

import pytest
import torch

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


def _operators_of_another_build() -> torch.library.Library | None:
    """Declare two operators that torchvision names when it is imported, where its own library does not bring them.

    The library of a CUDA build does not load beside a CPU build of torch, which is what PyPI and a mirror can give.
    """
    try:
        version = metadata.version("torchvision")
    except metadata.PackageNotFoundError:
        return None
    if not torch.__version__.endswith("+cpu") or version.endswith("+cpu"):
        return None
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


_OPERATORS = _operators_of_another_build()  # declared for as long as it lives


def _folder_from(variable: str, what: str) -> Path:
    """Return the folder that an environment variable names; skip the test if it is unset, fail if it is wrong."""
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"needs {what}: set {variable} to its folder")
    folder = Path(value)
    if not folder.is_dir():
        pytest.fail(f"{variable}={value} is not a folder; it should hold {what}")
    return folder.resolve()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the root of a COCO-format folder of photographs: ``annotations/`` beside ``train/`` and ``val/``."""
    return _folder_from("GOG_REAL_DATA", "real photographs with COCO keypoints")


@pytest.fixture(scope="session")
def golden() -> Path:
    """Return the folder with recorded inputs and outputs of the authors' programs."""
    return _folder_from("GOG_GOLDEN", "recorded outputs of the authors' programs")
