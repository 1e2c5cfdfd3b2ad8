"""Adam."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import saved, validate
from .._core.defaults import ADAM_RATE
from .._core.direction import Direction, along_offsets, parts_of
from .._core.settings import Setting
from .._core.synonyms import keywords
from ..sampling.model import model
from .base import Optimizer, less_l1b
from .schedules import Linear

if TYPE_CHECKING:
    from ..gradient import Gradient
    from ..rbm import RBM

_RATE = Linear(ADAM_RATE, 0.0)


class Adam(Optimizer):
    """Ascent along the gradient's running mean over the root of its running mean square, component by component.

        m <- beta1 m + (1 - beta1) g,    s <- beta2 s + (1 - beta2) g^2
        m_hat = m / (1 - beta1^t),    s_hat = s / (1 - beta2^t)
        theta <- theta + epsilon (m_hat / (sqrt(s_hat) + eps) - l2 W - l1 sign(W))

    g is the gradient of update t (Kingma & Ba 2015). The decay of the weights is apart from the scaling (Loshchilov &
    Hutter 2019). Of a centered gradient (:class:`fastrbm.gradient.Centering`) these are steps of the parameters of the
    centered model: W, and `b + W lambda` and `c + W' mu`, whose gradient is the plain model's by b and c. Steps have
    the size of the rate, whatever the gradient's: rates are smaller than SGD's, 0.001 or less. For persistent chains
    SGD is the better choice (docs/training.md).

    Parameters
    ----------
    learning_rate : float or callable
        epsilon, or a schedule. By default from 0.0005 linearly to 0.
    beta1, beta2 : float
        From 0 up to, but not including, 1.
    eps : float
        Above 0.
    l2, l1, l1b, max_norm : float
        As for :class:`SGD`, but not scaled by the gradient's size.

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.bars_and_stripes(2)
    >>> rbm = fr.RBM.from_data(X, n_hidden=4, seed=0)
    >>> fr.optim.Adam(0.01).update(rbm, fr.gradient.Exact()(rbm, X))
    """

    divides, divided_entries = True, ("mean0", "square0")
    beta1 = Setting(validate.below_one)
    beta2 = Setting(validate.below_one)
    eps = Setting(validate.positive)

    @keywords()
    def __init__(
        self,
        learning_rate: float | Callable[[float], float] = _RATE,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        l2: float = 0.0,
        l1: float = 0.0,
        max_norm: float = math.inf,
        l1b: float = 0.0,
    ) -> None:
        super().__init__(learning_rate, l2, l1, max_norm, l1b)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps

    _leaves_gauge = True  # each weight has a scale of its own

    def _start(self) -> None:
        self._means: list[np.ndarray] = []
        self._squares: list[np.ndarray] = []
        self._other: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._powers = np.ones(2)  # beta1^t and beta2^t, by multiplication: no library's pow

    def _kept(self) -> Sequence[np.ndarray]:
        return self._means

    def update(self, rbm: RBM, gradient: Gradient, progress: float = 0.0, n_threads: int | None = None) -> None:
        """As :meth:`SGD.update`."""
        given = model(rbm)._direction(gradient)
        parts = parts_of(given)
        self._follow(rbm)
        old = list(zip(self._means, self._squares, strict=True)) or [
            (np.zeros_like(g), np.zeros_like(g)) for g in parts
        ]
        new = self._other_place(parts, old)
        powers = self._powers * (self.beta1, self.beta2)
        old1, old2 = np.float32(self.beta1), np.float32(self.beta2)
        new1, new2 = np.float32(1.0 - self.beta1), np.float32(1.0 - self.beta2)
        unbiased1, unbiased2 = (1.0 - powers).astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found by the move
            for g, (m, s), (mean, square, step) in zip(parts, old, new, strict=True):
                # mean = old1 m + new1 g
                np.multiply(old1, m, out=mean)
                mean += np.multiply(new1, g, out=step)
                # square = old2 s + new2 g^2
                np.multiply(old2, s, out=square)
                np.multiply(g, g, out=step)
                square += np.multiply(new2, step, out=step)
                # step = (mean / unbiased1) / (sqrt(square / unbiased2) + eps)
                np.sqrt(np.divide(square, unbiased2, out=step), out=step)
                step += np.float32(self.eps)
                np.divide(mean / unbiased1, step, out=step)
        means, squares, steps = (list(part) for part in zip(*new, strict=True))
        direction = less_l1b(Direction(*steps), rbm, self.l1b)
        if given.offsets is not None:  # back to b and c
            p, decay = rbm._parameters, (self.l2, self.l1)
            along = along_offsets(
                direction.tiles, given.offsets, n_threads, p.division, p.to_hidden.tiles_array, *decay
            )  # fmt: skip
            biases = direction.visible_bias - along[0], direction.hidden_bias - along[1]
            direction = Direction(direction.tiles, *biases, direction.own)
        self._move(rbm, direction, progress, self.l2, self.l1, n_threads, given.offsets)
        self._other = [(m, s, step) for (m, s), step in zip(old, steps, strict=True)]
        self._means, self._squares, self._powers = means, squares, powers

    def _other_place(
        self, parts: list[np.ndarray], old: list[tuple[np.ndarray, np.ndarray]]
    ) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Where an update writes means and squares, which two updates take in turns, and its steps. One that fails
        leaves what the updates before it kept."""
        other, self._other = self._other, []
        kinds = [(g.shape, np.result_type(g, m)) for g, (m, _) in zip(parts, old, strict=True)]
        writable = all(array.flags.writeable for arrays in other for array in arrays)  # not all that a pickle gives are
        if not writable or [(arrays[0].shape, arrays[0].dtype) for arrays in other] != kinds:
            other = [(np.empty(*kind), np.empty(*kind), np.empty(*kind)) for kind in kinds]
        return other

    def _convert(self, tiles_to: Callable[[np.ndarray], np.ndarray]) -> None:
        """See fastrbm/training/divided.py."""
        for kept in (self._means, self._squares):
            kept[:1] = [tiles_to(tiles) for tiles in kept[:1]]

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps: both running means, and how far they are from unbiased."""
        state: dict = {"powers": self._powers.copy()}
        for k, (mean, square) in enumerate(zip(self._means, self._squares, strict=True)):
            state[f"mean{k}"], state[f"square{k}"] = mean.copy(), square.copy()
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on, with the model of the next update, from a state that get_state gave."""
        powers = saved.array(state, "powers", np.float64, (2,), 0.0, 1.0)
        means, squares = (saved.parts(state, tuple(f"{name}{k}" for k in range(4))) for name in ("mean", "square"))
        if [part.shape for part in means] != [part.shape for part in squares]:
            raise ValueError("the state's means and squares must be of one model")
        if any(bool((square < 0).any()) for square in squares):
            raise ValueError("the state's squares must be at least 0")
        self._rbm, self._powers, self._means, self._squares = None, powers, means, squares

    def __repr__(self) -> str:
        return (
            f"Adam({self.learning_rate!r}, beta1={self.beta1!r}, beta2={self.beta2!r}, eps={self.eps!r}{self._decay()})"
        )
