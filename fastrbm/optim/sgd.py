"""Stochastic gradient ascent."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import saved, validate
from .._core.defaults import RATE
from .._core.parameters import Direction, parts_of
from .._core.settings import Setting
from .._core.synonyms import keywords
from ..sampling.model import model
from .base import Optimizer, less_l1b
from .schedules import Linear

if TYPE_CHECKING:
    from ..gradient import Gradient
    from ..rbm import RBM

_RATE = Linear(RATE, 0.0)

_NAMES = "tiles", "visible_bias", "hidden_bias", "own"


class SGD(Optimizer):
    """Stochastic gradient ascent, with momentum and decay of the weights.

        u <- momentum * u + gradient - l2 * W - l1 * sign(W)
        theta <- theta + epsilon * u

    Parameters
    ----------
    learning_rate : float or callable
        epsilon; or a schedule: a function of the fraction of the training that is done, such as :class:`Linear`. By
        default from 0.1 linearly to 0.
    momentum : float
        From 0 up to, but not including, 1. With persistent chains, 0 is best: they must keep up with the parameters.
    l2 : float
        Decay of the weights (not of the biases): ascends log-likelihood - `l2/2 |W|^2`.
    l1 : float
        Likewise, log-likelihood - `l1 sum_ij |W_ij|`: pulls small weights to 0.
    l1b : float
        Likewise, log-likelihood - `l1b / (2 V) sum_j (sum_i |W_ij|)^2`: pulls weights to 0 the more, the more weights
        a hidden unit has, so that its weights become few and no unit dies (Tubiana, Cocco & Monasson, eLife 2019, eq.
        8: the usual choice for sequences, with :class:`Adam`; 0.25 for their WW domain).
    nesterov : bool
        Move along `gradient + momentum * u` in place of u: the look-ahead of Nesterov (1983), in the form that takes
        the gradient where the parameters are (Bengio et al. 2013).
    max_norm : float
        After each update, the weights of a hidden unit whose Euclidean norm is above this are scaled down to it, up to
        rounding (Srebro & Shraibman 2005).

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.bars_and_stripes(2)
    >>> rbm = fr.RBM.from_data(X, n_hidden=4, seed=0)
    >>> sgd = fr.optim.SGD(fr.optim.Linear(0.1, 0.0), momentum=0.5)
    >>> sgd.update(rbm, fr.gradient.Exact()(rbm, X), progress=0.0)
    """

    divides, divided_entries = True, (_NAMES[0],)
    momentum = Setting(validate.below_one)
    nesterov = Setting(validate.flag)

    @keywords()
    def __init__(
        self,
        learning_rate: float | Callable[[float], float] = _RATE,
        momentum: float = 0.0,
        l2: float = 0.0,
        l1: float = 0.0,
        nesterov: bool = False,
        max_norm: float = math.inf,
        l1b: float = 0.0,
    ) -> None:
        super().__init__(learning_rate, l2, l1, max_norm, l1b)
        self.momentum, self.nesterov = momentum, nesterov
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0")

    def _start(self) -> None:
        self._velocity: Direction | None = None

    def _kept(self) -> Sequence[np.ndarray]:
        return () if self._velocity is None else parts_of(self._velocity)

    def update(self, rbm: RBM, gradient: Gradient, progress: float = 0.0, n_threads: int | None = None) -> None:
        """Move rbm along gradient, at the rate for this fraction of the training, from 0 to 1. FloatingPointError, and
        no change, where a parameter would not stay finite."""
        direction, momentum = less_l1b(model(rbm)._direction(gradient), rbm, self.l1b), self.momentum
        self._follow(rbm)
        if not momentum:
            self._move(rbm, direction, progress, self.l2, self.l1, n_threads)
            return
        # the decay belongs to the velocity, so it is not left to the update of the weights
        gradient_parts = parts_of(direction)
        weights = rbm._parameters.to_hidden.tiles_array
        if self.l2:
            gradient_parts[0] = gradient_parts[0] - np.float32(self.l2) * weights
        if self.l1:
            gradient_parts[0] = gradient_parts[0] - np.float32(self.l1) * np.sign(weights)
        velocity = self._faster(Direction(*gradient_parts), np.float32(momentum))
        step = velocity
        if self.nesterov:
            pairs = zip(parts_of(velocity), gradient_parts, strict=True)
            step = Direction(*(np.float32(momentum) * u + g for u, g in pairs))
        self._move(rbm, step, progress, 0.0, 0.0, n_threads)
        self._velocity = velocity

    def _faster(self, gradient: Direction, momentum: np.float32) -> Direction:
        """momentum times the velocity, plus the gradient."""
        velocity = self._velocity
        if velocity is None or velocity.shape != gradient.shape:
            return gradient
        pairs = zip(parts_of(velocity), parts_of(gradient), strict=True)
        return Direction(*(momentum * u + g for u, g in pairs))

    def _convert(self, tiles_to: Callable[[np.ndarray], np.ndarray]) -> None:
        """See fastrbm/training/divided.py."""
        if self._velocity is not None:
            tiles, *others = parts_of(self._velocity)
            self._velocity = Direction(tiles_to(tiles), *others)

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps: the velocity."""
        return dict(zip(_NAMES, (part.copy() for part in self._kept()), strict=False))

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on, with the model of the next update, from a state that get_state gave."""
        parts = saved.parts(state, _NAMES)
        self._rbm, self._velocity = None, Direction(*parts) if parts else None

    def __repr__(self) -> str:
        momentum = f", momentum={self.momentum!r}{', nesterov=True' * self.nesterov}" if self.momentum else ""
        return f"SGD({self.learning_rate!r}{momentum}{self._decay()})"
