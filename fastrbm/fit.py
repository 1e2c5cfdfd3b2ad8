"""fit: the training loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from . import _gibbs, _random, _validate
from ._progress import ProgressLine
from .bits import BitMatrix
from .gradient import PCD, Centring, Gradient
from .history import History
from .optim import SGD, Linear
from .rbm import RBM

__all__ = ["FitState", "fit"]

_MEASURED_CASES = 256
_UPDATES_A_MEASUREMENT = 128  # so that measuring stays near 1 % of the work


@dataclass(frozen=True)
class FitState:
    """What a callback is given at the end of an epoch.

    Attributes
    ----------
    rbm : RBM
        The model as it is; a callback may keep ``rbm.copy()``.
    history : History
        What was measured so far; the newest row may be some epochs old, and at first there is none.
    epoch, epochs : int
        Epochs that are complete, and wanted.
    update, n_updates : int
        Updates that are done, and wanted.
    """

    rbm: RBM
    history: History
    epoch: int
    epochs: int
    update: int
    n_updates: int


def fit(
    rbm: RBM,
    X,
    gradient=None,
    optimizer: SGD | None = None,
    epochs: int = 100,
    batch_size: int = 128,
    seed: int = 0,
    sample_weight=None,
    callbacks: Iterable[Callable[[FitState], object]] = (),
    progress: bool = False,
    n_threads: int | None = None,
    centring: bool | Centring = True,
) -> History:
    """Train a model in place by stochastic gradient ascent of its log-likelihood.

    Parameters
    ----------
    rbm : RBM
        Changed by each update. :meth:`RBM.from_data` makes one to start from.
    X : array (n, V) or BitMatrix
        0 and 1, or fractions from 0 to 1. Packed once.
    gradient : estimator, optional
        By default ``gradient.PCD()``.
    optimizer : optim.SGD, optional
        By default ``optim.SGD(optim.Linear(0.1, 0.0))``: plain ascent at a rate that falls to 0.
    epochs : int
        Passes through the data.
    batch_size : int
        Cases an update. The last batch of an epoch is shorter where it does not divide n; each phase of the
        gradient is divided by its own number of cases, so that it counts as it should.
    seed : int
        Of the order of the cases, which is drawn anew for each epoch, and of what is measured.
    sample_weight : array (n,), optional
        Weights of the cases, not negative. A batch whose weights are all zero is passed over.
    callbacks : function of a :class:`FitState`, or several
        Called at the end of each epoch; one that returns True ends the training.
    progress : bool
        Show a progress line on standard error.
    n_threads : int, optional
        See :func:`fastrbm.show_config`. No effect on the result.
    centring : bool or gradient.Centring
        Whether gradients are centred, which helps (see :class:`fastrbm.gradient.Centring`); or a Centring that was
        used before, to go on with its offsets. Gradients of your own classes are taken as they are.

    Returns
    -------
    History
        Columns: ``epoch``, ``update``, ``seconds``, ``learning_rate``; ``reconstruction_error``, the expected
        fraction of visible units that one Gibbs sweep from data changes; and ``free_energy_gap``, in nats, the mean
        free energy of data whose columns were shuffled independently, minus that of the data: by how much the model
        finds the data more likely than noise with the same means (log Z cancels). It is about 0 for a model that has
        learned no more than the means. Both are measured on up to 256 cases, after each epoch of at least 128
        updates, else every few epochs, and at the end.

    Raises
    ------
    FloatingPointError
        When an update would make a parameter non-finite; the model keeps its last good parameters.
    KeyboardInterrupt
        On Ctrl-C; the model is as the last complete update left it.

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.load_digits()
    >>> rbm = fr.RBM.from_data(X, n_hidden=32, seed=0)
    >>> rate = fr.optim.SGD(fr.optim.Linear(0.1, 0.0))
    >>> history = fr.fit(rbm, X, gradient=fr.gradient.PCD(n_chains=128), optimizer=rate, epochs=50, seed=0)
    >>> bool(history["free_energy_gap"][-1] > 5)
    True
    """
    gradient = PCD() if gradient is None else gradient
    optimizer = SGD(Linear(0.1, 0.0)) if optimizer is None else optimizer
    centre = Centring() if centring is True else centring or None
    epochs = _validate.integer(epochs, "epochs", 0)
    batch_size = _validate.integer(batch_size, "batch_size", 1)
    seed = _validate.seed(seed)
    callbacks = [callbacks] if callable(callbacks) else list(callbacks)
    _check_kinds(rbm, gradient, optimizer, centre, callbacks)
    data = rbm._states(X, "X", fractions=True)
    n = data.shape[0]
    if n == 0:
        raise ValueError("X must have at least one case")
    weight = None if sample_weight is None else _validate.sample_weight(sample_weight, n)

    starts = range(0, n, batch_size)
    n_updates = epochs * len(starts)
    interval = -(-_UPDATES_A_MEASUREMENT // len(starts))
    monitor = _Monitor(data, seed)
    history = History()
    line = ProgressLine(epochs, n_updates) if progress else None
    started = time.perf_counter()
    epoch = update = 0

    def measure():
        history.record(
            epoch=epoch,
            update=update,
            seconds=time.perf_counter() - started,
            learning_rate=optimizer.rate((update - 1) / n_updates),
            **monitor.measure(rbm, epoch, n_threads),
        )
        if line:
            line.measurement(epoch, update, history.last)

    try:
        for epoch in range(1, epochs + 1):
            order = _random.permutation(n, seed, _random.SHUFFLE, epoch)
            shuffled = data[order]
            weights = None if weight is None else weight[order]
            for start in starts:
                rows = slice(start, min(start + batch_size, n))
                if weights is None:
                    estimate = gradient(rbm, shuffled[rows], n_threads=n_threads)
                elif weights[rows].any():
                    estimate = gradient(rbm, shuffled[rows], sample_weight=weights[rows], n_threads=n_threads)
                else:
                    estimate = None
                if estimate is not None:
                    if centre is not None and (centring is not True or isinstance(estimate, Gradient)):
                        estimate = centre(estimate)
                    optimizer.update(rbm, estimate, update / n_updates, n_threads)
                update += 1
                if line:
                    line.update(epoch, update)
            measured = epoch % interval == 0 or epoch == epochs
            if measured:
                measure()
            state = FitState(rbm, history, epoch, epochs, update, n_updates)
            # every callback is called, whatever the others return
            if any([callback(state) is True for callback in callbacks]):
                if not measured:
                    measure()
                break
    finally:
        if line:
            line.close()
    return history


def _check_kinds(rbm, gradient, optimizer, centre, callbacks) -> None:
    if not isinstance(rbm, RBM):
        raise TypeError(f"rbm must be an RBM, not {type(rbm).__name__}")
    if isinstance(gradient, type) or not callable(gradient):
        raise TypeError(f"gradient must be an estimator such as gradient.PCD(), not {gradient!r}")
    if isinstance(optimizer, type) or not hasattr(optimizer, "update"):
        raise TypeError(f"optimizer must be one such as optim.SGD(0.05), not {optimizer!r}")
    if centre is not None and not isinstance(centre, Centring):
        raise TypeError(f"centring must be True, False or a gradient.Centring, not {centre!r}")
    for callback in callbacks:
        if not callable(callback):
            raise TypeError(f"callbacks must be functions of a FitState, not {callback!r}")


class _Monitor:
    """What fit measures, on a few cases chosen once."""

    def __init__(self, data, seed: int) -> None:
        n = data.shape[0]
        cases = np.linspace(0, n - 1, min(n, _MEASURED_CASES)).astype(np.intp)
        sample = data[cases]
        self.seed = seed
        self.states = sample.to_states() if isinstance(sample, BitMatrix) else (sample >= 0.5).astype(np.uint8)
        self.bits = BitMatrix.from_states(self.states)
        columns = [
            self.states[_random.permutation(len(cases), seed, _random.MEASURE, unit), unit]
            for unit in range(self.states.shape[1])
        ]
        self.noise = BitMatrix.from_states(np.stack(columns, axis=1))

    def measure(self, rbm: RBM, epoch: int, n_threads) -> dict[str, float]:
        """reconstruction_error and free_energy_gap of the model as it is."""
        hidden = BitMatrix.empty(len(self.bits), rbm.n_hidden)
        _gibbs.half_step(
            rbm._parameters.to_hidden, self.bits, kind=_random.HIDDEN, seed=self.seed, stream=_random.MEASURE,
            sweep=epoch, out=hidden, n_threads=n_threads,
        )  # fmt: skip
        error = np.abs(self.states - rbm.mean_visible(hidden, n_threads)).mean(dtype=np.float64)
        gap = rbm.free_energy(self.noise, n_threads).mean() - rbm.free_energy(self.bits, n_threads).mean()
        return {"reconstruction_error": float(error), "free_energy_gap": float(gap)}
