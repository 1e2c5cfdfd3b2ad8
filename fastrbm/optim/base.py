"""What every optimizer shares: its rate, what keeps weights small, and how it is written down."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .._core import saved, validate
from .._core.describe import Described
from .._core.direction import Direction, Update, along_offsets
from .._core.settings import Setting

if TYPE_CHECKING:
    from ..rbm import RBM


def _rate_or_schedule(value: float | Callable[[float], float], name: str) -> float | Callable[[float], float]:
    return value if callable(value) else validate.real(value, name, 0.0)


class Optimizer(Described):
    """Checks and keeps learning_rate, l2, l1, l1b and max_norm."""

    _open = ("learning_rate",)
    _leaves_gauge = False  # whether steps of weights have sums over a site's categories that the gradient has not

    learning_rate = Setting(_rate_or_schedule)
    l2 = Setting(validate.real, 0.0)
    l1 = Setting(validate.real, 0.0)
    l1b = Setting(validate.real, 0.0)
    max_norm = Setting(validate.limit)

    def __init__(
        self, learning_rate: float | Callable[[float], float], l2: float, l1: float, max_norm: float, l1b: float = 0.0
    ) -> None:
        self.learning_rate, self.l2, self.l1, self.l1b, self.max_norm = learning_rate, l2, l1, l1b, max_norm
        self._rbm: RBM | None = None
        self._start()

    def _start(self) -> None:
        """Forget what earlier updates left."""

    def _kept(self) -> Sequence[np.ndarray]:
        """What earlier updates left, as parts_of has it; empty where there is nothing."""
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
            saved.fits((kept[1].size, kept[2].size), (rbm.n_visible, rbm.n_hidden), "what the optimizer keeps")

    def rate(self, progress: float) -> float:
        """The learning rate when this fraction of the training is done, from 0 to 1."""
        progress, rate = validate.real(progress, "progress", 0.0, 1.0), self.learning_rate
        return validate.real(rate(progress), "the schedule's learning rate", 0.0) if callable(rate) else rate

    def _move(
        self, rbm: RBM, direction: Update, progress: float, l2: float, l1: float, n_threads: int | None,
        offsets: tuple[np.ndarray, np.ndarray] | None,
    ) -> None:  # fmt: skip
        """An update along a direction that is centered by these offsets, if any; wholly or not at all."""
        start = rbm._parameters
        moved = start.moved(direction, self.rate(progress), l2, l1, n_threads)
        if rbm.visible.layout is not None and not rbm._has_absent and (self._leaves_gauge or self.l1 or self.l1b):
            moved = moved.zero_summed(n_threads, start if offsets is None else None)
        if self.max_norm < math.inf:
            moved = moved.clipped(self.max_norm, n_threads).cut_from(moved, offsets, n_threads)
        rbm._take(moved)

    def _decay(self) -> str:
        """For __repr__, which names what is not as it is by default, without rounding."""
        words = "".join(f", {name}={getattr(self, name)!r}" for name in ("l2", "l1", "l1b") if getattr(self, name))
        return words + (f", max_norm={self.max_norm!r}" if self.max_norm < math.inf else "")


def less_l1b(direction: Update, rbm: RBM, l1b: float) -> Update:
    """A direction less l1b sign(W) mean_i |W_ij|, the mean over the weights of hidden unit j: the gradient of l1b / (2
    V) sum_j (sum_i |W_ij|)^2 (Tubiana, Cocco & Monasson 2019, eq. 8)."""
    if not l1b:
        return direction
    tiles = direction.tiles - _penalty(rbm, l1b)
    return Direction(tiles, direction.visible_bias, direction.hidden_bias, direction.own)


def less_decay(direction: Update, rbm: RBM, l2: float, l1: float, l1b: float, n_threads: int | None) -> Update:
    """A direction less the gradients of l2 / 2 |W|^2, l1 sum |W| and what less_l1b has; where it is centered, in the
    biases' parts, too: see Update.bias_parts."""
    if not (l2 or l1 or l1b):
        return direction
    weights = rbm._parameters.to_hidden.tiles_array
    tiles = direction.tiles
    tiles = tiles - _penalty(rbm, l1b) if l1b else tiles
    tiles = tiles - np.float32(l2) * weights if l2 else tiles
    tiles = tiles - np.float32(l1) * np.sign(weights) if l1 else tiles
    if direction.offsets is None:
        visible, hidden = direction.visible_bias, direction.hidden_bias
    else:
        along = along_offsets(tiles, direction.offsets, n_threads, rbm._parameters.division)
        visible, hidden = (plain - part for plain, part in zip(direction.plain_biases, along, strict=True))
    return Direction(tiles, visible, hidden, direction.own)


def _penalty(rbm: RBM, l1b: float) -> np.ndarray:
    weights = rbm._parameters.to_hidden.tiles_array
    # one row after the other in every column: the same bits on any machine
    means = np.abs(weights).sum(axis=1, dtype=np.float64) * (l1b / rbm.n_visible)
    return np.sign(weights) * means.astype(np.float32)[:, None, :]
