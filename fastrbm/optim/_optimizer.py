"""What every optimizer shares: its rate, what keeps weights small, and how it is written down."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .. import _validate
from .._parameters import Update
from ..rbm import RBM


class Optimizer:
    """Checks and keeps learning_rate, l2, l1 and max_norm."""

    def __init__(self, learning_rate: float | Callable[[float], float], l2: float, l1: float, max_norm: float) -> None:
        if not callable(learning_rate):
            learning_rate = _validate.real(learning_rate, "learning_rate", 0.0)
        self.learning_rate = learning_rate
        self.l2 = _validate.real(l2, "l2", 0.0)
        self.l1 = _validate.real(l1, "l1", 0.0)
        if max_norm != math.inf and _validate.real(max_norm, "max_norm", 0.0) == 0.0:
            raise ValueError("max_norm must be above 0, got 0")
        self.max_norm = float(max_norm)
        self._rbm: RBM | None = None
        self._start()

    def _start(self) -> None:
        """Forget what earlier updates left."""

    def _follow(self, rbm: RBM) -> None:
        """What was kept belongs to one model; another starts anew."""
        if self._rbm is not None and self._rbm is not rbm:
            self._start()
        self._rbm = rbm

    def rate(self, progress: float) -> float:
        """The learning rate when this fraction of the training is done."""
        if callable(self.learning_rate):
            return _validate.real(self.learning_rate(progress), "the schedule's learning rate", 0.0)
        return self.learning_rate

    def _move(self, rbm: RBM, direction: Update, progress: float, l2: float, l1: float, n_threads: int | None) -> None:
        rbm._move(direction, self.rate(progress), l2, l1, n_threads=n_threads)
        if self.max_norm < math.inf:
            rbm._clip(self.max_norm, n_threads)

    def _decay(self) -> str:
        """For __repr__, which names what is not as it is by default, without rounding."""
        words = "".join(f", {name}={getattr(self, name)!r}" for name in ("l2", "l1") if getattr(self, name))
        return words + (f", max_norm={self.max_norm!r}" if self.max_norm < math.inf else "")


def parts_of(direction: Update) -> list[np.ndarray]:
    """The weights' part in tiles, the biases' parts."""
    return [direction.tiles, direction.visible_bias, direction.hidden_bias]
