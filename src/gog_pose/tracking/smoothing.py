"""The One-Euro filter: strong smoothing of slow motion, little lag in fast motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gog_pose.errors import InputError


@dataclass(frozen=True)
class OneEuro:
    """The One-Euro filter (Casiez, Roussel and Vogel, CHI 2012) for keypoints.

    Speeds are measured in sizes of the person per second, so that the same parameters suit near and far people.

    Attributes:
        min_cutoff: Cutoff frequency at rest, Hz; lower values remove more jitter.
        speed_gain: Increase of the cutoff, Hz for each size of the person per second; higher values reduce the lag.
        speed_cutoff: Cutoff frequency of the speed, Hz.

    Raises:
        InputError: A value is out of range.
    """

    min_cutoff: float = 1.0
    speed_gain: float = 2.0
    speed_cutoff: float = 1.0

    def __post_init__(self) -> None:
        for name, least in (("min_cutoff", 1e-6), ("speed_gain", 0.0), ("speed_cutoff", 1e-6)):
            value = getattr(self, name)
            if not least <= value < np.inf:
                raise InputError(f"one_euro.{name}: must be a number of at least {least:g}, got {value}")

    def step(
        self, points: np.ndarray, last: np.ndarray, speed: np.ndarray, elapsed: float, size: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Filter the next positions.

        Args:
            points: ``(K, 2)`` px, measured positions.
            last: ``(K, 2)`` px, filtered positions of the previous step.
            speed: ``(K, 2)`` px per second, filtered speeds of the previous step.
            elapsed: Time since the previous step, s, above 0.
            size: Size of the person, px, above 0.

        Returns:
            The filtered positions and speeds.
        """
        speed = speed + _share(self.speed_cutoff, elapsed) * ((points - last) / elapsed - speed)
        cutoff = self.min_cutoff + self.speed_gain * np.linalg.norm(speed, axis=-1, keepdims=True) / size
        return last + _share(cutoff, elapsed) * (points - last), speed


def _share(cutoff: np.ndarray | float, elapsed: float) -> np.ndarray | float:
    """Return the weight of a new value in exponential smoothing with a cutoff frequency in Hz."""
    turn = 2 * np.pi * cutoff * elapsed
    return turn / (turn + 1)
