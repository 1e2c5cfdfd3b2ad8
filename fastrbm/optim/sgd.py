"""Stochastic gradient ascent."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import saved, validate
from .._core.defaults import RATE
from .._core.direction import Direction, Update, Velocity, parts_of
from .._core.settings import Setting
from .._core.synonyms import keywords
from ..sampling.model import model
from .base import Optimizer, less_decay
from .schedules import Linear

if TYPE_CHECKING:
    from .._core.division import Division
    from ..gradient import Gradient
    from ..rbm import RBM

_RATE = Linear(RATE, 0.0)

_NAMES = "tiles", "visible_bias", "hidden_bias", "own"


class _Accelerated(Update):
    """The step along momentum times the velocity plus a direction, less decay: see SGD. The kernels make the weights'
    part while they take the step."""

    def __init__(self, direction: Update, velocity: Direction | None, momentum: float, nesterov: bool) -> None:
        fits = velocity is not None and velocity.shape == direction.shape
        self._direction, self._momentum, self._nesterov = direction, momentum, nesterov
        self._before = dict(zip(_NAMES, parts_of(velocity), strict=False)) if fits and velocity is not None else {}
        self._after: dict[str, np.ndarray] = {}

    @property
    def shape(self) -> tuple[int, int]:
        return self._direction.shape

    @property
    def work(self) -> int:
        return self._direction.work

    def ascend(
        self, weights: np.ndarray, rate: float, l2: float, l1: float, limit: float, out: np.ndarray,
        transposed: np.ndarray, n_threads: int, division: Division | None = None, velocity: Velocity | None = None,
    ) -> tuple[int, float, float]:  # fmt: skip
        before, new = self._before.get("tiles"), np.empty(weights.shape, np.float32)
        if before is not None and before.shape != weights.shape:
            raise ValueError(f"a velocity must have tiles of shape {weights.shape}, got {before.shape}")
        self._after["tiles"] = new
        velocity = self._momentum, self._nesterov, before, new
        return self._direction.ascend(weights, rate, l2, l1, limit, out, transposed, n_threads, division, velocity)

    def bias_parts(self) -> tuple[np.ndarray, np.ndarray]:
        visible, hidden = self._direction.bias_parts()
        return self._step("visible_bias", visible), self._step("hidden_bias", hidden)

    @property
    def own(self) -> np.ndarray | None:
        own = self._direction.own
        return None if own is None else self._step("own", own)

    def _step(self, name: str, part: np.ndarray) -> np.ndarray:
        """What rate multiplies; the velocity is kept."""
        before = self._before.get(name)
        new = self._after[name] = part if before is None else self._momentum * before + part
        return self._momentum * new + part if self._nesterov else new

    def velocity(self) -> Direction:
        """After the step."""
        return Direction(**self._after)


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
        rounding (Srebro & Shraibman 2005). Whether a model of real units can be normalized is asked after that.

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
        direction, momentum = model(rbm)._direction(gradient), self.momentum
        l2, l1, offsets = self.l2, self.l1, direction.offsets
        if self.l1b or (offsets is not None and not direction.decays):
            direction = less_decay(direction, rbm, l2, l1, self.l1b, n_threads)
            l2 = l1 = 0.0
        self._follow(rbm)
        if not momentum:
            self._move(rbm, direction, progress, l2, l1, n_threads, offsets)
            return
        step = _Accelerated(direction, self._velocity, momentum, self.nesterov)
        self._move(rbm, step, progress, l2, l1, n_threads, offsets)
        self._velocity = step.velocity()

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
