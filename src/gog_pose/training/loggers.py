"""Loggers: Weights & Biases (also without an account), TensorBoard and MLflow."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Mapping, Sequence

import numpy as np
import requests
from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from gog_pose.errors import InputError
from gog_pose.evaluation.coco import CROWD_METRICS, METRICS

_log = logging.getLogger(__name__)
_HOST = "https://api.wandb.ai"
_PATIENCE = 10  # s, until W&B counts as unreachable; the timeout of wandb is 100 s
_YES = ("1", "true", "yes", "on")
_ELSE = "WANDB_MODE=offline or logger.wandb.offline=true logs to disk, logger=csv without W&B"
_LONGEST_TAG = 64  # characters, W&B's limit


def wandb_logger(
    *,
    project: str,
    save_dir: str,
    name: str | None = None,
    group: str | None = None,
    tags: Sequence[str] = (),
    choices: Mapping[str, str | None] | None = None,
    offline: bool | None = None,
) -> WandbLogger:
    """Build a W&B logger. Without an API key it logs to disk, for a later ``wandb sync``, and does not ask for a key.

    Args:
        project: W&B project.
        save_dir: Parent folder of ``wandb/``.
        name: Name of the run.
        group: Group of the run.
        tags: Tags of the run.
        choices: Options by group, such as the skeleton; each option that is not None becomes a tag such as
            ``skeleton=coco_19``.
        offline: True = log to disk. None = follow ``WANDB_MODE`` or, if it is unset, log to disk if neither
            ``WANDB_API_KEY`` nor a netrc entry contains a key. ``WANDB_MODE=disabled`` disables logging.

    Raises:
        InputError: W&B would reject a tag, or cannot be reached.
    """
    tags = [*tags, *(f"{group}={option}" for group, option in (choices or {}).items() if option is not None)]
    for tag in tags:
        if not 1 <= len(tag) <= _LONGEST_TAG:
            raise InputError(f"tags: {tag!r} has {len(tag)} characters; W&B accepts 1 to {_LONGEST_TAG}")
    mode = os.environ.get("WANDB_MODE", "")
    if mode == "disabled" or os.environ.get("WANDB_DISABLED", "").lower() in _YES:
        return WandbLogger(project=project, save_dir=save_dir, mode="disabled", log_model=False)
    if offline is None:
        offline = mode in ("offline", "dryrun") or (mode == "" and not _has_key())
        if offline and mode == "":
            _log.info("no W&B API key: logging offline to %s/wandb; upload it later with `wandb sync`", save_dir)
    if not offline:
        _require_reachable()
    return WandbLogger(
        project=project, save_dir=save_dir, name=name, group=group, tags=tags, offline=offline, log_model=False
    )


def tensorboard_logger(*, save_dir: str, name: str = "tensorboard") -> TensorBoardLogger:
    """Build a TensorBoard logger that writes to ``save_dir/name/version_0``.

    Raises:
        InputError: The package tensorboard is not installed.
    """
    _require("tensorboard", "tensorboard")
    return TensorBoardLogger(save_dir, name=name)


def mlflow_logger(
    *, experiment: str, uri: str, name: str | None = None, tags: Mapping[str, str | None] | None = None
) -> MLFlowLogger:
    """Build an MLflow logger.

    Args:
        experiment: Name of the experiment.
        uri: URI of the tracking server, or ``sqlite:///FILE``.
        name: Name of the run.
        tags: Tags of the run; tags with the value None are left out.

    Raises:
        InputError: The package mlflow is not installed.
    """
    _require("mlflow", "mlflow")
    shown = {key: value for key, value in (tags or {}).items() if value is not None}
    return MLFlowLogger(experiment_name=experiment, tracking_uri=uri, run_name=name, tags=shown)


def log_pictures(logger: Logger, name: str, pictures: Sequence[np.ndarray], captions: Sequence[str], step: int) -> None:
    """Log pictures if the logger supports them (W&B, TensorBoard, MLflow).

    Args:
        logger: Any logger.
        name: Name of the pictures, such as ``val/poses``.
        pictures: Pictures, ``(H, W, 3)`` uint8 RGB each.
        captions: One caption per picture.
        step: Training step.
    """
    if isinstance(logger, WandbLogger):
        jpeg = ["jpg"] * len(pictures)  # a quarter of the size of PNG
        logger.log_image(name, list(pictures), step=step, caption=list(captions), file_type=jpeg)
    elif isinstance(logger, TensorBoardLogger):
        for picture, caption in zip(pictures, captions, strict=True):
            logger.experiment.add_image(f"{name}/{caption}", picture, step, dataformats="HWC")
    elif isinstance(logger, MLFlowLogger):
        for picture, caption in zip(pictures, captions, strict=True):
            logger.experiment.log_image(logger.run_id, picture, key=f"{name}/{caption}", step=step)


def place_of(logger: Logger) -> str:
    """Return where a logger writes: a folder, or the URI of a tracking server."""
    if isinstance(logger, MLFlowLogger):
        return str(logger.experiment.tracking_uri)
    return str(logger.log_dir or logger.save_dir)


def _require(package: str, option: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise InputError(
            f"logger={option}: the package {package} is not installed; run pip install 'gog-pose[{option}]'"
        )


def start(logger: WandbLogger) -> None:
    """Start the run of a W&B logger and define its summary.

    Raises:
        InputError: W&B rejects the key, the project or the run, or cannot be reached.
    """
    import wandb

    try:
        summarize_by_best(logger)
    except (wandb.errors.Error, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"logger.wandb: W&B rejects the run ({reason}); {_ELSE}") from error


def summarize_by_best(logger: WandbLogger) -> None:
    """Show the best COCO metrics and validation loss in the summary of a run; W&B shows the last by default."""
    best = {**{f"val/{name}": "max" for name in (*METRICS, *CROWD_METRICS)}, "val/loss": "min"}
    for name, summary in best.items():
        # step_metric is repeated here, because Lightning's definition for all metrics does not apply to defined ones.
        logger.experiment.define_metric(name, summary=summary, step_metric="trainer/global_step")


def _host() -> str:
    return os.environ.get("WANDB_BASE_URL", _HOST)


def _has_key() -> bool:
    return bool(os.environ.get("WANDB_API_KEY")) or requests.utils.get_netrc_auth(_host()) is not None


def _require_reachable() -> None:
    """Check that W&B's server replies, through proxies if they are set.

    Raises:
        InputError: The server does not reply.
    """
    try:
        requests.head(_host(), timeout=_PATIENCE)
    except requests.RequestException as error:
        reason = getattr(error.args[0], "reason", error) if error.args else type(error).__name__
        raise InputError(
            f"logger.wandb: W&B cannot be reached at {_host()} ({' '.join(str(reason).split())[:200]}); {_ELSE}"
        ) from None
