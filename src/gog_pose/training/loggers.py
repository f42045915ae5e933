"""The Weights & Biases logger, which needs no account to be tried."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence

import requests.utils
from pytorch_lightning.loggers import WandbLogger

from gog_pose.errors import InputError
from gog_pose.evaluation.coco import CROWD_METRICS, METRICS

_log = logging.getLogger(__name__)
_HOST = "https://api.wandb.ai"
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
        offline: Whether to log to disk; None means where neither ``WANDB_API_KEY`` nor a netrc entry gives a key.

    Raises:
        InputError: W&B would refuse a tag.
    """
    tags = [*tags, *(f"{group}={option}" for group, option in (choices or {}).items() if option is not None)]
    for tag in tags:
        if not 1 <= len(tag) <= _LONGEST_TAG:
            raise InputError(f"tags: {tag!r} has {len(tag)} characters, W&B takes 1 to {_LONGEST_TAG}")
    if offline is None:
        host = os.environ.get("WANDB_BASE_URL", _HOST)
        has_key = bool(os.environ.get("WANDB_API_KEY")) or requests.utils.get_netrc_auth(host) is not None
        offline = not has_key or os.environ.get("WANDB_MODE") == "offline"
        if not has_key:
            _log.info("no W&B API key: logging offline below %s/wandb; `wandb sync` sends it later", save_dir)
    return WandbLogger(
        project=project, save_dir=save_dir, name=name, group=group, tags=tags, offline=offline, log_model=False
    )


def summarize_by_best(logger: WandbLogger) -> None:
    """Show the best COCO metrics and validation loss of a run in its summary, where W&B shows the last."""
    best = {**{f"val/{name}": "max" for name in (*METRICS, *CROWD_METRICS)}, "val/loss": "min"}
    for name, summary in best.items():
        # The axis must be given again: a metric with a definition of its own does not take Lightning's for all.
        logger.experiment.define_metric(name, summary=summary, step_metric="trainer/global_step")
