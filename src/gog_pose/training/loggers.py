"""Loggers: Weights & Biases, which needs no account to be tried, TensorBoard and MLflow."""

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
_PATIENCE = 10  # s, until W&B counts as out of reach; wandb itself takes 100
_YES = ("1", "true", "yes", "on")
_ELSE = "WANDB_MODE=offline or logger.wandb.offline=true logs to disk, logger=csv without W&B"
_LONGEST_TAG = 64  # characters, what W&B allows


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
    """Build a W&B logger; without an API key it logs to disk, for a later ``wandb sync``, instead of asking for one.

    Args:
        project: W&B project.
        save_dir: Folder that holds ``wandb/``.
        name: Name of the run.
        group: Runs that belong together.
        tags: Labels of the run.
        choices: Options by group, such as the skeleton; each becomes a tag, ``skeleton=coco_19``, unless it is None.
        offline: Whether to log to disk; None means as ``WANDB_MODE`` says, and without it where neither
            ``WANDB_API_KEY`` nor a netrc entry gives a key. ``WANDB_MODE=disabled`` means that nothing is logged.

    Raises:
        InputError: W&B would refuse a tag, or it cannot be reached.
    """
    tags = [*tags, *(f"{group}={option}" for group, option in (choices or {}).items() if option is not None)]
    for tag in tags:
        if not 1 <= len(tag) <= _LONGEST_TAG:
            raise InputError(f"tags: {tag!r} has {len(tag)} characters, W&B takes 1 to {_LONGEST_TAG}")
    mode = os.environ.get("WANDB_MODE", "")
    if mode == "disabled" or os.environ.get("WANDB_DISABLED", "").lower() in _YES:
        return WandbLogger(project=project, save_dir=save_dir, mode="disabled", log_model=False)
    if offline is None:
        offline = mode in ("offline", "dryrun") or (mode == "" and not _has_key())
        if offline and mode == "":
            _log.info("no W&B API key: logging offline below %s/wandb; `wandb sync` sends it later", save_dir)
    if not offline:
        _require_reachable()
    return WandbLogger(
        project=project, save_dir=save_dir, name=name, group=group, tags=tags, offline=offline, log_model=False
    )


def tensorboard_logger(*, save_dir: str, name: str = "tensorboard") -> TensorBoardLogger:
    """Build a TensorBoard logger, whose files lie in ``save_dir/name/version_0``.

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
        uri: Of the tracking server, or ``sqlite:///FILE``.
        name: Name of the run.
        tags: Tags of the run; those that are None are left out.

    Raises:
        InputError: The package mlflow is not installed.
    """
    _require("mlflow", "mlflow")
    shown = {key: value for key, value in (tags or {}).items() if value is not None}
    return MLFlowLogger(experiment_name=experiment, tracking_uri=uri, run_name=name, tags=shown)


def log_pictures(logger: Logger, name: str, pictures: Sequence[np.ndarray], captions: Sequence[str], step: int) -> None:
    """Log pictures to a logger that takes them; others ignore them.

    Args:
        logger: Any.
        name: What they show, such as ``val/poses``.
        pictures: ``(H, W, 3)`` uint8 RGB each.
        captions: One per picture.
        step: Of the training.
    """
    if isinstance(logger, WandbLogger):
        jpeg = ["jpg"] * len(pictures)  # a quarter of the bytes of PNG, epoch after epoch
        logger.log_image(name, list(pictures), step=step, caption=list(captions), file_type=jpeg)
    elif isinstance(logger, TensorBoardLogger):
        for picture, caption in zip(pictures, captions, strict=True):
            logger.experiment.add_image(f"{name}/{caption}", picture, step, dataformats="HWC")
    elif isinstance(logger, MLFlowLogger):
        for picture, caption in zip(pictures, captions, strict=True):
            logger.experiment.log_image(logger.run_id, picture, key=f"{name}/{caption}", step=step)


def _require(package: str, option: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise InputError(
            f"logger={option}: the package {package} is not installed; run pip install 'gog-pose[{option}]'"
        )


def start(logger: WandbLogger) -> None:
    """Start the run of a logger, which W&B may refuse, and say how it is summarized.

    Raises:
        InputError: W&B refuses the key, the project or the run, or it cannot be reached.
    """
    import wandb

    try:
        summarize_by_best(logger)
    except (wandb.errors.Error, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"logger.wandb: W&B refuses the run ({reason}); {_ELSE}") from error


def summarize_by_best(logger: WandbLogger) -> None:
    """Show the best COCO metrics and validation loss of a run in its summary, where W&B shows the last."""
    best = {**{f"val/{name}": "max" for name in (*METRICS, *CROWD_METRICS)}, "val/loss": "min"}
    for name, summary in best.items():
        # The axis must be given again: a metric with a definition of its own does not take Lightning's for all.
        logger.experiment.define_metric(name, summary=summary, step_metric="trainer/global_step")


def _host() -> str:
    return os.environ.get("WANDB_BASE_URL", _HOST)


def _has_key() -> bool:
    return bool(os.environ.get("WANDB_API_KEY")) or requests.utils.get_netrc_auth(_host()) is not None


def _require_reachable() -> None:
    """Ask W&B's server for anything, through proxies where they are set.

    Raises:
        InputError: It does not reply.
    """
    try:
        requests.head(_host(), timeout=_PATIENCE)
    except requests.RequestException as error:
        reason = getattr(error.args[0], "reason", error) if error.args else type(error).__name__
        raise InputError(
            f"logger.wandb: W&B cannot be reached at {_host()} ({' '.join(str(reason).split())[:200]}); {_ELSE}"
        ) from None
