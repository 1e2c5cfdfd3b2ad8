"""What every optimizer shares: its rate, what keeps weights small, and how it is written down."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .._core import saved, validate
from .._core.describe import Described
from .._core.settings import Setting

if TYPE_CHECKING:
    from .._core.parameters import Update
    from ..rbm import RBM


def _rate_or_schedule(value: float | Callable[[float], float], name: str) -> float | Callable[[float], float]:
    return value if callable(value) else validate.real(value, name, 0.0)


class Optimizer(Described):
    """Checks and keeps learning_rate, l2, l1 and max_norm."""

    _open = ("learning_rate",)

    learning_rate = Setting(_rate_or_schedule)
    l2 = Setting(validate.real, 0.0)
    l1 = Setting(validate.real, 0.0)
    max_norm = Setting(validate.limit)

    def __init__(self, learning_rate: float | Callable[[float], float], l2: float, l1: float, max_norm: float) -> None:
        self.learning_rate, self.l2, self.l1, self.max_norm = learning_rate, l2, l1, max_norm
        self._rbm: RBM | None = None
        self._start()

    def _start(self) -> None:
        """Forget what earlier updates left."""

    def _kept(self) -> Sequence[np.ndarray]:
        """What earlier updates left, the biases' parts last; empty where there is nothing."""
        return ()

    def _follow(self, rbm: RBM) -> None:
        """What was kept belongs to one model; another starts anew."""
        if self._rbm is None:
            self._must_fit(rbm)  # what is there comes from set_state
        elif self._rbm is not rbm:
            self._start()
        self._rbm = rbm

    def _must_fit(self, rbm: RBM) -> None:
        """Raise where what is kept is of a model of another shape."""
        kept = self._kept()
        if kept:
            saved.fits((kept[-2].size, kept[-1].size), (rbm.n_visible, rbm.n_hidden), "what the optimizer keeps")

    def rate(self, progress: float) -> float:
        """The learning rate when this fraction of the training is done."""
        progress, rate = validate.real(progress, "progress"), self.learning_rate
        return validate.real(rate(progress), "the schedule's learning rate", 0.0) if callable(rate) else rate

    def _move(self, rbm: RBM, direction: Update, progress: float, l2: float, l1: float, n_threads: int | None) -> None:
        rbm._move(direction, self.rate(progress), l2, l1, n_threads=n_threads)
        max_norm = self.max_norm
        if max_norm < math.inf:
            rbm._clip(max_norm, n_threads)

    def _decay(self) -> str:
        """For __repr__, which names what is not as it is by default, without rounding."""
        words = "".join(f", {name}={getattr(self, name)!r}" for name in ("l2", "l1") if getattr(self, name))
        return words + (f", max_norm={self.max_norm!r}" if self.max_norm < math.inf else "")


def parts_of(direction: Update) -> list[np.ndarray]:
    """The weights' part in tiles, the biases' parts."""
    return [direction.tiles, direction.visible_bias, direction.hidden_bias]
