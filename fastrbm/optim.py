"""Update rules: how a gradient moves the parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import _validate
from ._parameters import Direction
from .gradient import Gradient
from .rbm import RBM

__all__ = ["SGD", "Linear"]


@dataclass(frozen=True)
class Linear:
    """A rate that goes linearly from start, at the beginning of training, to stop, at its end.

    Called with the fraction of the training that is done.

    >>> import fastrbm as fr
    >>> fr.optim.Linear(0.1, 0.0)(0.25)
    0.07500000000000001
    """

    start: float
    stop: float = 0.0

    def __post_init__(self) -> None:
        _validate.real(self.start, "start", 0.0)
        _validate.real(self.stop, "stop", 0.0)

    def __call__(self, progress: float) -> float:
        return self.start + (self.stop - self.start) * progress


class SGD:
    """Stochastic gradient ascent: theta <- theta + epsilon * u, u <- momentum * u + gradient - l2 * W - l1 * sign(W).

    Parameters
    ----------
    learning_rate : float or callable
        epsilon; or a schedule: a function of the fraction of the training that is done, such as :class:`Linear`.
    momentum : float
        From 0 up to, but not including, 1. With persistent chains, 0 is best: they must keep up with the parameters.
    l2 : float
        Decay of the weights (not of the biases): ascends log-likelihood - l2/2 |W|^2.
    l1 : float
        Likewise, log-likelihood - l1 sum |W_ij|: pulls small weights to 0.

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.bars_and_stripes(2)
    >>> rbm = fr.RBM.from_data(X, n_hidden=4, seed=0)
    >>> sgd = fr.optim.SGD(fr.optim.Linear(0.1, 0.0), momentum=0.5)
    >>> sgd.update(rbm, fr.gradient.Exact()(rbm, X), progress=0.0)
    """

    def __init__(
        self,
        learning_rate: float | Callable[[float], float] = 0.05,
        momentum: float = 0.0,
        l2: float = 0.0,
        l1: float = 0.0,
    ) -> None:
        if not callable(learning_rate):
            learning_rate = _validate.real(learning_rate, "learning_rate", 0.0)
        self.learning_rate = learning_rate
        self.momentum = _validate.real(momentum, "momentum", 0.0, 1.0)
        if self.momentum == 1.0:
            raise ValueError("momentum must be below 1, got 1")
        self.l2 = _validate.real(l2, "l2", 0.0)
        self.l1 = _validate.real(l1, "l1", 0.0)
        self._velocity: Direction | None = None

    def rate(self, progress: float) -> float:
        """The learning rate when this fraction of the training is done."""
        if callable(self.learning_rate):
            return _validate.real(self.learning_rate(progress), "the schedule's learning rate", 0.0)
        return self.learning_rate

    def update(self, rbm: RBM, gradient: Gradient, progress: float = 0.0, n_threads: int | None = None) -> None:
        """Move rbm along gradient. FloatingPointError, and no change, where a parameter would not stay finite."""
        direction, decay = rbm._direction(gradient), (self.l2, self.l1)
        if self.momentum:
            direction, decay = self._with_momentum(rbm, direction), (0.0, 0.0)
        rbm._move(direction, self.rate(progress), *decay, n_threads=n_threads)
        if self.momentum:
            self._velocity = direction

    def _with_momentum(self, rbm: RBM, gradient: Direction) -> Direction:
        """The velocity: the decay belongs to it, so it is not left to the update."""
        parts = [gradient.tiles, gradient.visible_bias, gradient.hidden_bias]
        weights = rbm._parameters.to_hidden.tiles_array
        if self.l2:
            parts[0] = parts[0] - np.float32(self.l2) * weights
        if self.l1:
            parts[0] = parts[0] - np.float32(self.l1) * np.sign(weights)
        if self._velocity is not None and self._velocity.shape == gradient.shape:
            old = self._velocity
            for k, velocity in enumerate((old.tiles, old.visible_bias, old.hidden_bias)):
                parts[k] = np.float32(self.momentum) * velocity + parts[k]
        return Direction(*parts)

    def __repr__(self) -> str:
        return f"SGD(learning_rate={self.learning_rate!r}, momentum={self.momentum:g}, l2={self.l2:g}, l1={self.l1:g})"
