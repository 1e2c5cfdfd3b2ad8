"""EarlyStopping: a callback that ends a training which no longer improves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import saved, validate
from .._core.describe import Described
from .._core.settings import Setting
from .._core.synonyms import keywords
from ..units.real import LARGEST_GAMMA, SMALLEST_GAMMA
from .columns import known

if TYPE_CHECKING:
    from ..rbm import RBM
    from .contracts import FitState

__all__ = ["EarlyStopping"]

_PARAMETERS = ("weights", "visible_bias", "hidden_bias")
_OWN = "own"  # what else is trained of the hidden units
_GAMMAS = "gammas"  # of Gaussian visible units
_PART = 0.05  # of what was gained: an error below it is small


def _mode(value: str | None, name: str) -> str | None:
    return None if value is None else validate.one_of(value, name, ("max", "min"))


class EarlyStopping(Described):
    """Watch a column of the history, and leave the model as it was when the column was at its best.

    The score may stall while the learning rate is still high. Then the training does not end at once. It goes back to
    the best model so far, runs through the rest of the rate's schedule in fewer updates, and ends where the schedule
    does. At a high rate models are noisy; the last part of a schedule is worth nats, and lets the score be measured. A
    best value that was measured with an error is then forgotten: the best of many uncertain values is too good. An
    average (:class:`fastrbm.optim.Averaging`) starts anew from the best model: those that came after it are no part of
    the result. With a constant rate the training ends at once.

    Some scores are measured with an error, which another column has: that of ``log_likelihood`` is
    ``log_likelihood_error``. A measurement counts neither as better nor as worse if its error is not finite. The same
    holds if its error is larger than all of these: the change from the best value, ``min_delta``, and 5 % of what was
    gained since the first measurement.

    Parameters
    ----------
    column : str
        Such as ``"log_likelihood"`` or ``"pseudo_likelihood"``, with the metric of that name among fit's metrics and
        validation data to take it on. A metric that leaves open when it is due is then taken 50 times or more.
    patience : int
        The score has stalled when so many measurements in a row were no better than the best.
    min_delta : float
        The smallest change that counts as better: it must be larger than this.
    mode : "max" or "min", optional
        Whether the column should be large or small. By default what ``history.about(column)`` says: "min" for
        ``reconstruction_error``, ``free_energy_gap``, ``tau_int`` and ``rhat``, for a metric of your own what its
        :class:`metrics.Column <fastrbm.training.metrics.Column>` has; "max" where nothing says it.
    cool_down : float
        How many updates the rest of the rate's schedule gets when the score stalls, as a part of those that are done,
        and at most as many as are left. With 0 the training ends at once.

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
    >>> score = fr.metrics.PseudoLikelihood()
    >>> stop = fr.EarlyStopping("pseudo_likelihood", patience=3)
    >>> history = fr.fit(rbm, X[:1000], epochs=20, validation=X[1000:], metrics=[score], callbacks=[stop])
    >>> bool(stop.best == max(history["pseudo_likelihood"]))
    True
    """

    patience = Setting(validate.integer, 1)
    min_delta = Setting(validate.real, 0.0)
    mode = Setting(_mode)
    cool_down = Setting(validate.real, 0.0)

    @keywords()
    def __init__(
        self, column: str, patience: int = 10, min_delta: float = 0.0, mode: str | None = None, cool_down: float = 0.5
    ) -> None:
        if not isinstance(column, str):
            raise TypeError(f"column must be the name of a column, not {type(column).__name__}")
        self.column = column
        self.patience, self.min_delta, self.cool_down = patience, min_delta, cool_down
        self.mode = known(column).mode if mode is None else mode
        self._start()

    def _start(self) -> None:
        self.best, self.best_epoch, self._first = math.nan, 0, math.nan
        self._best_error = 0.0
        self._parameters: tuple[np.ndarray, ...] = ()
        self._gammas: np.ndarray | None = None
        self._seen = self._waited = 0

    def __call__(self, state: FitState) -> bool:
        if state.epoch <= self._seen:  # another training
            self._start()
        self._seen = state.epoch
        if len(state.history) and state.history.last["epoch"] == state.epoch:
            row = state.history.last
            if not math.isnan(row[self.column]):
                self._look(state, row[self.column], row.get(f"{self.column}_error", 0.0))
        return self._waited >= self.patience

    def finish(self, rbm: RBM) -> None:
        """Set rbm to the best model so far; fit does so when the training ends, however it ends."""
        if self._parameters:
            weights, b, c, *own = self._parameters
            visible = None if self._gammas is None else rbm.visible.with_gammas(self._gammas)
            rbm.set_parameters(weights, b, c, visible=visible, hidden=rbm.hidden.with_own(own[0]) if own else None)

    def restart(self, rbm: RBM) -> None:
        """Set rbm to the best model so far, from which the rate is to fall; fit does so when the score has stalled."""
        self.finish(rbm)
        self._waited = 0
        if self._best_error > 0.0:
            self.best, self.best_epoch, self._first, self._parameters = math.nan, 0, math.nan, ()

    def _look(self, state: FitState, value: float, error: float) -> None:
        mode = self.mode or state.history.about(self.column).mode
        gain = self.best - value if mode == "min" else value - self.best
        first = math.isnan(self.best)
        if first:
            self._first = value
        gained = 0.0 if first else abs(self.best - self._first)
        if not math.isfinite(error) or not first and error > max(self.min_delta, abs(gain), _PART * gained):
            return
        if first or gain > self.min_delta:
            self.best, self.best_epoch, self._best_error, self._waited = value, state.epoch, error, 0
            own, self._gammas = state.rbm.hidden.own, state.rbm.visible.gammas
            self._parameters = (
                state.rbm.weights, state.rbm.visible_bias, state.rbm.hidden_bias, *([] if own is None else [own])
            )  # fmt: skip
        else:
            self._waited += 1

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps: the best model, and how long it has been the best."""
        best = dict(zip((*_PARAMETERS, _OWN), self._parameters, strict=False))
        if self._parameters and self._gammas is not None:
            best[_GAMMAS] = self._gammas
        return best | {
            "best": self.best, "best_epoch": self.best_epoch, "best_error": self._best_error, "first": self._first,
            "waited": self._waited, "seen": self._seen,
        }  # fmt: skip

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a state that get_state gave."""
        if not state:
            self._start()
            return
        parameters: tuple[np.ndarray, ...] = ()
        if any(name in state for name in _PARAMETERS):
            weights = saved.array(state, _PARAMETERS[0], np.float32, (None, None))
            sizes = zip(_PARAMETERS[1:], weights.shape, strict=True)
            parameters = weights, *(saved.array(state, name, np.float32, (size,)) for name, size in sizes)
            if _OWN in state:
                parameters = *parameters, saved.array(state, _OWN, np.float32, (None, weights.shape[1]))
        best, best_error, first = (saved.number(state, name, finite=False) for name in ("best", "best_error", "first"))
        best_epoch, waited, seen = (saved.count(state, name) for name in ("best_epoch", "waited", "seen"))
        self._parameters, self.best, self.best_epoch = parameters, best, best_epoch
        self._gammas = None
        if parameters and _GAMMAS in state:
            self._gammas = saved.array(state, _GAMMAS, np.float32, (len(parameters[1]),), SMALLEST_GAMMA, LARGEST_GAMMA)
        self._best_error, self._first, self._waited, self._seen = best_error, first, waited, seen

    def _must_fit(self, rbm: RBM) -> None:
        """Raise where the best model is one of another shape."""
        if self._parameters:
            shape = self._parameters[1].size, self._parameters[2].size
            saved.fits(shape, (rbm.n_visible, rbm.n_hidden), "the best model")

    def __repr__(self) -> str:
        return (
            f"EarlyStopping({self.column!r}, patience={self.patience}, min_delta={self.min_delta!r}, "
            f"mode={self.mode!r}, cool_down={self.cool_down!r})"
        )
