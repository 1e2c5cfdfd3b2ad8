"""Averaging of parameters over the last part of a training."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import saved, threads, validate
from .._core.describe import Described
from .._core.layout import from_tiles
from .._core.parameters import Parameters
from .._core.settings import Setting
from .._core.synonyms import keywords
from ..sampling.model import model

if TYPE_CHECKING:
    from ..rbm import RBM


class Averaging(Described):
    """The model that a training offers is an average of those it went through (Ruppert 1988; Polyak & Juditsky 1992).

    A learning rate that does not fall to 0 leaves the parameters shaking about the optimum; their average sits in the
    middle. Weights rise with a power of the number of the update (Shamir & Zhang 2013), so that the average is of use
    whenever the training stops. After update t the average a becomes

        a <- a + (eta + 1) / (t + eta) (theta - a),

    where `eta = 2 / last - 2` makes the mean age of what it holds that of a plain mean over the last part.

    The gammas of Gaussian visible units are averaged as they are, although training moves their logarithms: the energy
    is linear in them, as it is in weights and biases, and so an average of models that have a distribution has one.

    Parameters
    ----------
    last : float
        The part of the training that counts, above 0 and at most 1, which is a plain mean of all of it.
    every : int
        Only every so many updates are averaged, which changes next to nothing and costs less.

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.load_digits()
    >>> rbm = fr.RBM.from_data(X, n_hidden=16, seed=0)
    >>> averaging = fr.optim.Averaging(last=0.25)
    >>> history = fr.fit(rbm, X, optimizer=fr.optim.SGD(0.05), epochs=5, averaging=averaging)
    """

    divides, divided_entries = True, ("mean0",)
    last = Setting(validate.positive, 1.0)
    every = Setting(validate.integer, 1)

    @keywords()
    def __init__(self, last: float = 0.25, every: int = 32) -> None:
        self.last, self.every = last, every
        self.start()

    def start(self) -> None:
        """Forget what was averaged; fit does so when it starts, and when it goes back to an earlier model."""
        self._means: list[np.ndarray] = []
        self._t = 0

    def update(self, rbm: RBM, update: int) -> None:
        """Take in the parameters after this update (counted from 1)."""
        if validate.integer(update, "update", 1) % self.every:
            return
        self._must_fit(rbm)
        now = _averaged(model(rbm)._parameters)
        self._t += 1
        if not self._means:
            self._means = [part.astype(np.float64) for part in now]
            return
        eta = 2.0 / self.last - 2.0
        weight = (eta + 1.0) / (self._t + eta)
        for mean, part in zip(self._means, now, strict=True):
            change = np.subtract(part, mean)
            change *= weight
            mean += change

    def offer(self, rbm: RBM, offered: RBM, n_threads: int | None = None) -> None:
        """Set offered to the average, or to rbm as it is while there is none."""
        saved.fits(model(rbm)._parameters.shape, model(offered, "offered")._parameters.shape, "rbm")
        self._must_fit(rbm)
        threads.resolve(n_threads)
        if not self._means:
            offered._parameters = rbm._parameters.whole(n_threads)
            return
        tiles, b, c, *more = (mean.astype(np.float32) for mean in self._means)
        division = rbm._parameters.division
        tiles = tiles if division is None else division.hidden.whole(tiles)
        weights = np.ascontiguousarray(from_tiles(tiles, *rbm._parameters.shape))
        visible, hidden = rbm._parameters.units
        if hidden.own is not None:
            hidden = hidden.with_own(more.pop(0))
        if visible.gammas is not None:
            visible = visible.with_gammas(more.pop(0))
        offered._take(Parameters.of(weights, b, c, (visible, hidden), n_threads))

    def _convert(self, tiles_to: Callable[[np.ndarray], np.ndarray]) -> None:
        """See fastrbm/training/divided.py."""
        self._means[:1] = [tiles_to(tiles) for tiles in self._means[:1]]

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"t": self._t} | {f"mean{k}": mean.copy() for k, mean in enumerate(self._means)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a state that get_state gave."""
        t, means = saved.count(state, "t"), saved.parts(state, tuple(f"mean{k}" for k in range(5)), np.float64)
        if (t > 0) != bool(means):
            raise ValueError(f"the state's t is {t}, and it has {'' if means else 'no '}means")
        self._t, self._means = t, means

    def _must_fit(self, rbm: RBM) -> None:
        """Raise where the average is of a model of another shape, or of other units."""
        if self._means:
            saved.fits((self._means[1].size, self._means[2].size), (rbm.n_visible, rbm.n_hidden), "the average")
            shapes = [part.shape for part in _averaged(rbm._parameters)[1:]]
            if [mean.shape for mean in self._means[1:]] != shapes:
                raise ValueError(f"the average is not of units like {rbm.visible!r} and {rbm.hidden!r}")

    def __setstate__(self, state: dict[str, Any]) -> None:
        """From a pickle; one that was read from a memory map holds arrays that cannot be written."""
        self.__dict__.update(state)
        self._means = [np.array(mean) for mean in self._means]

    def __repr__(self) -> str:
        return f"Averaging(last={self.last!r}, every={self.every!r})"


def _averaged(parameters: Parameters) -> list[np.ndarray]:
    """What is averaged: weights in tiles, biases, what else is trained of hidden units, and gammas of visible ones."""
    visible, hidden = parameters.units
    more = [part for part in (hidden.own, visible.gammas) if part is not None]
    return [parameters.to_hidden.tiles_array, parameters.visible_bias, parameters.hidden_bias, *more]
