"""Best checkpoint of a run, also if the run was moved or copied."""

from __future__ import annotations

import logging
import shutil
import uuid
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from gog_pose.checkpoints.reading import read_torch_file
from gog_pose.errors import InputError
from gog_pose.system.files import replaced

_log = logging.getLogger(__name__)


class BestCheckpoint(ModelCheckpoint):
    """Lightning's ``ModelCheckpoint``, which also finds the best checkpoint if the run was moved or copied.

    If a run is resumed in a folder with another name, Lightning forgets the best score and overwrites the best
    checkpoint with a worse one. Here checkpoints store an id of the run, and the best checkpoint stores its score. A
    resumed run searches for its best checkpoint in its folder, beside the resumed checkpoint, and at the original path.
    If the checkpoint is found in another folder, it is copied to the folder of the run.

    Args:
        dirpath: Folder of the checkpoint.
        filename: File name without suffix.
        monitor: Metric that defines the best checkpoint.
        mode: ``max`` or ``min``.
        **options: Further options of ``ModelCheckpoint``.
    """

    def __init__(self, dirpath: str, filename: str, monitor: str, mode: str = "max", **options: Any) -> None:
        super().__init__(dirpath, filename, monitor, mode=mode, **options)
        self._run = uuid.uuid4().hex
        self._best_step = -1

    @property
    def state_key(self) -> str:
        """Key of the state in checkpoints: that of Lightning's callback, which earlier versions used."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def state_dict(self) -> dict[str, Any]:
        """Return Lightning's state, the id of the run and the step of the best score."""
        return {**super().state_dict(), "run": self._run, "best_step": self._best_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Do nothing: ``on_load_checkpoint`` restores the state, because it needs the checkpoint's path and step."""

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Restore the best checkpoint of the run so far, also if no training step is left."""
        before = checkpoint["callbacks"].get(self.state_key)
        if before is None:
            return
        self._run = before.get("run", self._run)
        self._best_step = before.get("best_step", -1)
        if before["best_model_score"] is None:
            return
        assert self.dirpath is not None
        own = Path(self.dirpath, f"{self.filename}{self.FILE_EXTENSION}")
        score = None
        if trainer.is_global_zero:
            self._take_over(before, own, Path(str(trainer.ckpt_path)), checkpoint["global_step"])
            score = self._score(own, before.get("run"))
        score = trainer.strategy.broadcast(score)
        if score is None:
            return
        self.best_model_score = self.kth_value = score
        self.best_model_path = self.kth_best_model_path = str(own)
        self.best_k_models = {str(own): score}

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the checkpoint if it is the best, and record its step."""
        before = self.best_model_score
        super().on_validation_end(trainer, pl_module)
        if self.best_model_score is not before:
            self._best_step = trainer.global_step

    def _take_over(self, before: dict[str, Any], own: Path, resumed: Path, step: int) -> None:
        """Copy the best checkpoint so far to the folder of the run, unless an equally good one is there."""
        run, best, was = before.get("run"), before["best_model_score"], Path(before["best_model_path"])
        found = self._score(own, run)
        if found is not None and not self._is_better(best, found):
            return
        places = [place for place in (resumed.with_name(own.name), was) if self._score(place, run, step) == best]
        if before.get("best_step") == step:  # the resumed checkpoint is the best one
            places.append(resumed)
        if not places:
            _log.warning(
                "the best checkpoint so far (%s %.4f) is neither beside %s nor at %s; from here, only the rest of the"
                " run counts; to keep the best checkpoint, copy it beside the resumed checkpoint",
                self.monitor, float(best), resumed, was,
            )  # fmt: skip
            return
        own.parent.mkdir(parents=True, exist_ok=True)
        with replaced(own) as part:
            shutil.copyfile(places[0], part)
        _log.info("best checkpoint so far: %s %.4f, %s", self.monitor, float(best), places[0])

    def _score(self, path: Path, run: str | None, step: int | None = None) -> torch.Tensor | None:
        """Return the score of a run's best checkpoint, saved at ``step`` or earlier; None if the file is not one."""
        try:
            content = read_torch_file(path, "resume=")
            state = content["callbacks"][self.state_key]
            if state.get("run") != run or (step is not None and content["global_step"] > step):
                return None
            return torch.as_tensor(state["best_model_score"]).cpu()
        except (InputError, KeyError, TypeError, AttributeError, RuntimeError):
            return None

    def _is_better(self, one: Any, other: Any) -> bool:
        return bool(one > other) if self.mode == "max" else bool(one < other)
