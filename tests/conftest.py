"""What all tests share: quiet libraries, a modest number of threads, and data that only some machines have."""

import os
from pathlib import Path

# Before the libraries are imported, and inherited by the processes that tests start.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it asks the network for newer versions
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("WANDB_SILENT", "true")
os.environ.setdefault("OMP_NUM_THREADS", "2")  # the networks here are too small for more

import pytest
import torch

torch.set_num_threads(2)


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
