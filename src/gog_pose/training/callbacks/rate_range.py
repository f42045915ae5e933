"""Learning-rate range test: the rate increases with each step, and the loss shows the suitable rates."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from matplotlib.figure import Figure

from gog_pose.errors import InputError
from gog_pose.system.files import write_whole

_MEMORY = 0.9  # weight of the previous mean in the smoothed loss
_DIVERGED = 4.0  # the test ends if the smoothed loss exceeds this multiple of its minimum
_LEAST_FALL = 0.01  # lowest relative decrease of the smoothed loss
_LEAST_STEPS = 10


class RateRange(pl.Callback):
    """Increases the learning rate exponentially and records the loss (Smith, WACV 2017).

    The rates of parameter groups keep their ratios, such as ``optim.trunk_rate``. The schedule has no effect.
    The test ends after its last step, or earlier if the smoothed loss exceeds four times its minimum.

    Args:
        folder: Existing folder for ``learning_rate.csv`` and ``learning_rate.png``.
        steps: Number of optimizer steps, at least 10.
        lowest: First rate.
        highest: Last rate.
    """

    def __init__(self, folder: str | Path, steps: int, lowest: float = 1e-6, highest: float = 1.0) -> None:
        if steps < _LEAST_STEPS:
            raise InputError(f"find_rate: must be at least {_LEAST_STEPS} steps, got {steps}")
        self._folder = Path(folder)
        self._rates = np.geomspace(lowest, highest, steps)
        self._ratios: list[float] = []  # rates of the parameter groups relative to the highest
        self._sums: dict[int, list[float]] = {}  # step -> losses of its batches

    @property
    def losses(self) -> np.ndarray:
        """``(steps so far,)`` mean loss at each rate."""
        return np.array([np.mean(losses) for losses in self._sums.values()])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record the ratios of the parameter groups' rates."""
        initial = [float(group["initial_lr"]) for group in trainer.optimizers[0].param_groups]
        self._ratios = [rate / max(initial) for rate in initial]

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Set the rate of this step."""
        for group, ratio in zip(trainer.optimizers[0].param_groups, self._ratios, strict=True):
            group["lr"] = self._rates[min(trainer.global_step, len(self._rates) - 1)] * ratio

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Record the loss; end the test if it diverges."""
        loss = trainer.strategy.reduce(outputs["loss"].detach(), reduce_op="mean")
        step = trainer.fit_loop.total_batch_idx // trainer.accumulate_grad_batches
        self._sums.setdefault(step, []).append(float(loss))
        means = smoothed(self.losses)
        if len(means) >= _LEAST_STEPS and means[-1] > _DIVERGED * means.min():
            trainer.should_stop = True

    def suggestion(self) -> float:
        """Return the rate at which the smoothed loss decreases fastest.

        Raises:
            InputError: The loss did not decrease.
        """
        rate = steepest(self._rates[: len(self.losses)], self.losses)
        if rate is None:
            raise InputError(
                f"find_rate: the loss did not decrease within {len(self.losses)} steps (see"
                f" {self._folder / 'learning_rate.csv'}); set more steps"
            )
        return rate

    def write(self) -> None:
        """Write the curve as a CSV table and as a picture."""
        losses = self.losses
        rates, means = self._rates[: len(losses)], smoothed(losses)
        table = io.StringIO()
        rows = csv.writer(table)
        rows.writerow(("learning_rate", "loss", "smoothed_loss"))
        rows.writerows(
            (f"{rate:.6g}", f"{loss:.6g}", f"{mean:.6g}") for rate, loss, mean in zip(rates, losses, means, strict=True)
        )
        write_whole(self._folder / "learning_rate.csv", table.getvalue().encode())
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.add_subplot(xscale="log", xlabel="learning rate", ylabel="training loss")
        axes.plot(rates, losses, color="0.8", label="loss")
        axes.plot(rates, means, label="smoothed loss")
        rate = steepest(rates, losses)
        if rate is not None:
            axes.axvline(rate, color="tab:red", linestyle="--", label=f"suggestion {rate:.1e}")
        axes.set_ylim(top=min(losses.max(), 2 * means[0]))
        axes.legend()
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=120)
        write_whole(self._folder / "learning_rate.png", picture.getvalue())


def smoothed(losses: np.ndarray) -> np.ndarray:
    """Return the bias-corrected exponential running mean of losses ``(S,)``."""
    mean, means = 0.0, []
    for number, loss in enumerate(losses, start=1):
        mean = _MEMORY * mean + (1 - _MEMORY) * float(loss)
        means.append(mean / (1 - _MEMORY**number))
    return np.array(means)


def steepest(rates: np.ndarray, losses: np.ndarray) -> float | None:
    """Return the rate with the steepest decrease of the smoothed loss over log(rate), between its peak and minimum.

    Args:
        rates: ``(S,)`` ascending.
        losses: ``(S,)`` losses at these rates.

    Returns:
        The rate; None if the loss decreases by less than 1 %.
    """
    means = smoothed(losses)
    if len(means) < _LEAST_STEPS:
        return None
    # The first means average only a few batches, so they are not considered as minimum.
    end = _LEAST_STEPS + int(means[_LEAST_STEPS - 1 :].argmin())
    start = int(means[:end].argmax())
    if end - start < 3 or means[end - 1] > (1 - _LEAST_FALL) * means[start]:
        return None
    return float(rates[start + np.gradient(means[start:end], np.log(rates[start:end])).argmin()])
