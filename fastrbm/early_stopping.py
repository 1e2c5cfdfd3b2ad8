"""EarlyStopping: a callback that ends a training which no longer improves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import _state, _validate
from ._settings import Setting
from ._training import FitState
from .rbm import RBM

__all__ = ["EarlyStopping"]

_PARAMETERS = ("weights", "visible_bias", "hidden_bias")
_SMALL = ("reconstruction_error", "validation_gap", "tau_int", "split_rhat")


class EarlyStopping:
    """Watch a column of the history, and leave the model as it was when the column was at its best.

    Parameters
    ----------
    column : str
        Such as ``"log_likelihood"`` or ``"pseudo_likelihood"``, with the measure of that name among fit's measures and
        validation data to take it on. A measure that leaves open when it is due is then taken 50 times or more.
    patience : int
        The training ends when so many measurements in a row were no better than the best.
    least : float
        What counts as better: by more than this.
    smaller : bool, optional
        Whether the column should be small. By default that is known of ``reconstruction_error``, ``validation_gap``,
        ``tau_int`` and ``split_rhat``.

    Attributes
    ----------
    best : float
        The best value so far; NaN before the first.
    best_epoch : int

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.load_digits()
    >>> rbm = fr.RBM.from_data(X[:1000], n_hidden=16, seed=0)
    >>> score = fr.monitor.PseudoLikelihood()
    >>> stop = fr.EarlyStopping("pseudo_likelihood", patience=3)
    >>> history = fr.fit(rbm, X[:1000], epochs=20, validation=X[1000:], measures=[score], callbacks=[stop])
    >>> bool(stop.best == max(history["pseudo_likelihood"]))
    True
    """

    patience = Setting(_validate.integer, 1)
    least = Setting(_validate.real, 0.0)
    smaller = Setting(_validate.flag)

    def __init__(self, column: str, patience: int = 10, least: float = 0.0, smaller: bool | None = None) -> None:
        if not isinstance(column, str):
            raise TypeError(f"column must be the name of a column, not {type(column).__name__}")
        self.column = column
        self.patience, self.least = patience, least
        self.smaller = column in _SMALL if smaller is None else smaller
        self._start()

    def _start(self) -> None:
        self.best, self.best_epoch = math.nan, 0
        self._parameters: tuple[np.ndarray, ...] = ()
        self._seen = self._waited = 0

    def __call__(self, state: FitState) -> bool:
        if state.epoch <= self._seen:  # another training
            self._start()
        self._seen = state.epoch
        if len(state.history) and state.history.last["epoch"] == state.epoch:
            row = state.history.last
            if not math.isnan(row[self.column]):
                self._look(state, row[self.column])
        return self._waited >= self.patience

    def finish(self, rbm: RBM) -> None:
        """Set rbm to the best model so far; fit does so when the training ends, however it ends."""
        if self._parameters:
            rbm.set_parameters(*self._parameters)

    def _look(self, state: FitState, value: float) -> None:
        gain = self.best - value if self.smaller else value - self.best
        if math.isnan(self.best) or gain > self.least:
            self.best, self.best_epoch, self._waited = value, state.epoch, 0
            self._parameters = state.rbm.weights, state.rbm.visible_bias, state.rbm.hidden_bias
        else:
            self._waited += 1

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps: the best model, and how long it has been the best."""
        best = dict(zip(_PARAMETERS, self._parameters, strict=False))
        return best | {"best": self.best, "best_epoch": self.best_epoch, "waited": self._waited, "seen": self._seen}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a state that get_state gave."""
        if not state:
            self._start()
            return
        parameters: tuple[np.ndarray, ...] = ()
        if any(name in state for name in _PARAMETERS):
            weights = _state.array(state, _PARAMETERS[0], np.float32, (None, None))
            sizes = zip(_PARAMETERS[1:], weights.shape, strict=True)
            parameters = weights, *(_state.array(state, name, np.float32, (size,)) for name, size in sizes)
        best = _state.number(state, "best", finite=False)
        best_epoch, waited, seen = (_state.count(state, name) for name in ("best_epoch", "waited", "seen"))
        self._parameters, self.best, self.best_epoch = parameters, best, best_epoch
        self._waited, self._seen = waited, seen

    def _must_fit(self, rbm: RBM) -> None:
        """Raise where the best model is one of another shape."""
        if self._parameters:
            shape = self._parameters[1].size, self._parameters[2].size
            _state.fits(shape, (rbm.n_visible, rbm.n_hidden), "the best model")

    def __repr__(self) -> str:
        return f"EarlyStopping({self.column!r}, patience={self.patience}, least={self.least!r}, smaller={self.smaller})"
