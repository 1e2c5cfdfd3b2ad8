"""Metrics: what fit records in its history.

The basic columns are always there and cheap. Metrics beyond them are objects with ``columns`` (their names), ``every``
(epochs between two measurements, or None) and a call that takes a :class:`Snapshot` and returns a dict with a value for
each column. With None they are due so often that they take about half a percent of the time, and always at the end;
about 5 % and 50 times where an :class:`fastrbm.EarlyStopping` watches them. This goes by their ``cost`` in updates, not
by the clock, so that it is the same in every run. In other rows of the history their columns are NaN.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import diagnostics, likelihood
from .._core import philox, validate
from .._core.settings import Setting
from ..likelihood.ais import MOST_BETAS
from ..rbm import RBM
from ..sampling import gibbs
from ..sampling.annealing import population_annealing
from ..sampling.chains import Chains
from ..sampling.tempering import TemperedChains
from ..states.bits import BitMatrix
from .verdict import Closing

if TYPE_CHECKING:
    from .history import History

__all__ = ["LogLikelihood", "Mixing", "PseudoLikelihood", "Snapshot"]

_VALIDATION_EXAMPLES = 256
_ANNEALED, _FEWEST_STEPS, _STEPS = 128, 50, 500  # chains that the end of a training is judged by, and their steps
_ITERATIONS = 30  # of the search for the data's main axis
_UPDATES_A_STEP, _FEWEST_UPDATES = 20, 1000  # so that this takes a tenth of a training, or little more
_ENOUGH = 8.0  # families, from which they say something
_LOOKED_AT = 32  # rows whose hidden inputs are
_SCORE_COLUMNS = ("log_likelihood", "pseudo_likelihood")


@dataclass(frozen=True)
class Snapshot:
    """What a metric is called with.

    Attributes
    ----------
    rbm : RBM
        The model as it is.
    examples : BitMatrix
        Up to 256 examples of the training data.
    validation : BitMatrix or None
        The validation data.
    chains : BitMatrix or None
        Visible states of the chains of the negative phase, where it has any.
    epoch : int
    seed : int
        Of the training.
    n_threads : int or None
    """

    rbm: RBM
    examples: BitMatrix
    validation: BitMatrix | None
    chains: BitMatrix | None
    epoch: int
    seed: int
    n_threads: int | None


def _epochs(value: int | None, name: str) -> int | None:
    return None if value is None else validate.integer(value, name, 1)


class _Metric:
    columns: tuple[str, ...] = ()
    cost = 1.0  # in updates of a training, measured at 784 x 500 and 64 x 128

    every = Setting(_epochs)

    def __init__(self, every: int | None) -> None:
        self.every = every


class PseudoLikelihood(_Metric):
    """Column ``pseudo_likelihood``: mean of :func:`likelihood.pseudo`, in nats per example, over up to 256 examples,
    evenly spaced, of the validation data (of the training data where there are none).

    Deterministic and without log Z, which makes it a score to stop early by.

    Parameters
    ----------
    every : int, optional
        Epochs between two measurements.

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.load_digits()
    >>> rbm = fr.RBM.from_data(X, n_hidden=16, seed=0)
    >>> history = fr.fit(rbm, X, epochs=2, metrics=[fr.metrics.PseudoLikelihood(every=1)])
    >>> history["pseudo_likelihood"].shape
    (2,)
    """

    columns = ("pseudo_likelihood",)
    cost = 40.0

    def __init__(self, every: int | None = None) -> None:
        super().__init__(every)

    def __call__(self, snapshot: Snapshot) -> dict[str, float]:
        examples = _some(snapshot.examples if snapshot.validation is None else snapshot.validation)
        return {"pseudo_likelihood": float(likelihood.pseudo(snapshot.rbm, examples, snapshot.n_threads).mean())}

    def __repr__(self) -> str:
        return f"PseudoLikelihood(every={self.every})"


class LogLikelihood(_Metric):
    """Columns ``log_likelihood`` and ``log_likelihood_error``: the mean log-likelihood of the validation data (of up to
    256 training examples where there are none), in nats per example, and half the width of its interval by the
    uncertainty of log Z.

    Where AIS and reverse AIS disagree, as they do at a high learning rate, the first column is the lower end of the
    interval (the middle would flatter), and the second infinite: neither of the two is to be trusted.

    Parameters
    ----------
    method : str
        As for :func:`likelihood.score`: "ais" takes half the time of "bidirectional", but flatters.
    n_chains, n_betas : int
        Of annealed importance sampling.
    every : int, optional
        Epochs between two measurements.

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.load_digits()
    >>> rbm = fr.RBM.from_data(X, n_hidden=16, seed=0)
    >>> history = fr.fit(rbm, X, epochs=2, metrics=[fr.metrics.LogLikelihood(every=1)])
    >>> bool(history["log_likelihood"][1] > history["log_likelihood"][0])
    True
    """

    columns = ("log_likelihood", "log_likelihood_error")
    method = Setting(validate.one_of, likelihood.METHODS)
    n_chains = Setting(validate.integer, 1, philox.MOST_CHAINS)
    n_betas = Setting(validate.integer, 1, MOST_BETAS)

    def __init__(
        self, method: str = "auto", n_chains: int = 100, n_betas: int = 1000, every: int | None = None
    ) -> None:
        super().__init__(every)
        self.method, self.n_chains, self.n_betas = method, n_chains, n_betas
        self.cost = 0.5 * self.n_betas

    def __call__(self, snapshot: Snapshot) -> dict[str, float]:
        examples = snapshot.examples if snapshot.validation is None else snapshot.validation
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an error that is not finite says as much
            score = likelihood.score(
                snapshot.rbm, examples, self.method, self.n_chains, self.n_betas, snapshot.seed,
                n_threads=snapshot.n_threads,
            )  # fmt: skip
        value, error = score.mean, (score.upper - score.lower) / 2
        if not getattr(score.log_partition, "agree", True):
            value, error = score.lower, math.inf
        return {"log_likelihood": value, "log_likelihood_error": error if math.isfinite(error) else math.inf}

    def __repr__(self) -> str:
        return (
            f"LogLikelihood(method={self.method!r}, n_chains={self.n_chains}, n_betas={self.n_betas}, "
            f"every={self.every})"
        )


class Mixing(_Metric):
    """Columns ``tau_int`` and ``split_rhat`` of the free energy of the chains of the negative phase, held at the model
    as it is: copies of up to 64 of them run on, so that the training stays as it was.

    Where tau_int is a large part of n_sweeps, or split_rhat above 1.05 or so, the chains lag behind the model: more
    sweeps an update, a smaller rate, or tempering. Of tempered chains, the copies are plain ones. A tau_int beyond
    n_sweeps / 50 or so is a lower bound. CD has no chains that go on: NaN.

    Parameters
    ----------
    n_sweeps : int
        Of the copies.
    every : int, optional
        Epochs between two measurements.

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.load_digits()
    >>> rbm = fr.RBM.from_data(X, n_hidden=16, seed=0)
    >>> history = fr.fit(rbm, X, epochs=2, metrics=[fr.metrics.Mixing(every=1)])
    >>> history.columns[-2:]
    ['tau_int', 'split_rhat']
    """

    columns = ("tau_int", "split_rhat")
    n_sweeps = Setting(validate.integer, 4, philox.MOST_SWEEPS)

    def __init__(self, n_sweeps: int = 200, every: int | None = None) -> None:
        super().__init__(every)
        self.n_sweeps = n_sweeps
        self.cost = 0.3 * self.n_sweeps

    def __call__(self, snapshot: Snapshot) -> dict[str, float]:
        if snapshot.chains is None:
            return {"tau_int": math.nan, "split_rhat": math.nan}
        start = snapshot.chains[:64]
        chains = _Copies(snapshot.rbm, len(start), snapshot.seed, start, n_threads=snapshot.n_threads)
        trace = diagnostics.free_energy_trace(chains, self.n_sweeps, snapshot.n_threads)
        return {
            "tau_int": diagnostics.autocorrelation_time(trace).value, "split_rhat": diagnostics.split_rhat(trace),
        }  # fmt: skip

    def __repr__(self) -> str:
        return f"Mixing(n_sweeps={self.n_sweeps}, every={self.every})"


class _Copies(Chains):
    _stream = _start_stream = philox.MIXING  # sweeps count from 1, the start is 0


def _some(examples: BitMatrix) -> BitMatrix:
    return examples[np.linspace(0, len(examples) - 1, min(len(examples), _VALIDATION_EXAMPLES)).astype(np.intp)]


class Basics:
    """The columns that are always there, on a few examples chosen once."""

    def __init__(self, examples: np.ndarray, validation: BitMatrix | None, seed: int) -> None:
        self.seed = seed
        self.states = (examples >= 0.5).astype(np.uint8) if examples.dtype == np.float64 else examples
        self.bits = BitMatrix.from_states(self.states)
        columns = [
            self.states[philox.permutation(len(self.states), seed, philox.MEASURE, unit), unit]
            for unit in range(self.states.shape[1])
        ]
        self.noise = BitMatrix.from_states(np.stack(columns, axis=1))
        self.validation = None if validation is None else _some(validation)

    def measure(self, rbm: RBM, epoch: int, n_threads: int | None) -> dict[str, float]:
        """Of the model as it is."""
        hidden = BitMatrix.empty(len(self.bits), rbm.n_hidden)
        means = np.empty(hidden.shape, np.float32)
        gibbs.half_step(
            rbm._parameters.to_hidden, self.bits, kind=philox.HIDDEN, seed=self.seed, stream=philox.MEASURE,
            sweep=epoch, out=hidden, probabilities=means, n_threads=n_threads,
        )  # fmt: skip
        changed = np.empty(self.states.shape, np.float32)
        gibbs.half_step(rbm._parameters.to_visible, hidden, probabilities=changed, n_threads=n_threads)
        error = np.abs(self.states - changed).mean(dtype=np.float64)
        free_energy = rbm._free_energy(self.bits, n_threads).mean()
        row = {
            "reconstruction_error": float(error),
            "shuffled_gap": float(rbm._free_energy(self.noise, n_threads).mean() - free_energy),
            "hidden_activity": float(means.mean(dtype=np.float64)),
            "weight_norm": rbm._parameters.norm,
        }
        if self.validation is not None:
            row["free_energy_gap"] = float(rbm._free_energy(self.validation, n_threads).mean() - free_energy)
        return row


def closing(
    rbm: RBM, basics: Basics, history: History, chains: Any, kept: bool, seed: int, n_threads: int | None
) -> Closing:
    """The numbers that say how a training ended. kept: whether the model is one of before the end."""
    n_updates, states = int(history.last["update"]), basics.states.astype(np.float64)
    # not by BLAS, whose threads would slow down what follows a short training
    seen = rbm.visible.values(basics.states[:_LOOKED_AT]).astype(np.float64)
    inputs = np.einsum("ij,jk->ik", seen, rbm.weights.astype(np.float64)) + rbm.hidden_bias
    gap = float(rbm._free_energy(basics.noise, n_threads).mean() - rbm._free_energy(basics.bits, n_threads).mean())
    return Closing(
        n_updates,
        rbm.n_visible,
        float(np.abs(inputs).mean()),
        history["update"],
        np.append(history["shuffled_gap"][:-1], gap),
        **_chains_apart(rbm, states.mean(axis=0), len(states), chains),
        **_model_apart(rbm, basics, states, n_updates, seed, n_threads),
        **({} if kept or basics.validation is None else _scores(history)),
    )


def _chains_apart(rbm: RBM, means: np.ndarray, n: int, chains: Any) -> dict[str, Any]:
    """How far the chains of the training are from the data, in the means of their units."""
    if not isinstance(chains, (Chains, TemperedChains)) or chains.rbm is not rbm:
        return {}
    error = np.sqrt(means * (1.0 - means) * (1.0 / n + 1.0 / len(chains)))
    apart = np.abs(chains.visible_bits.to_states().mean(axis=0) - means)
    return {"off_means": float(apart.mean()), "means_error": float(error.mean())}


def _model_apart(
    rbm: RBM, basics: Basics, states: np.ndarray, n_updates: int, seed: int, n_threads: int | None
) -> dict[str, Any]:
    """How far the model is from the data along their main axis, and from validation data, by annealed samples."""
    numbers: dict[str, Any] = {}
    likely = math.nan
    if n_updates >= _FEWEST_UPDATES and len(states) > 1:
        n_steps = min(_STEPS, max(_FEWEST_STEPS, n_updates // _UPDATES_A_STEP))
        population = population_annealing(rbm, _ANNEALED, n_steps, seed, n_threads=n_threads)
        samples = population.visible.to_states()
        spread = states - states.mean(axis=0)
        axis = _main_axis(spread)
        deviation = float(_along(spread, axis).std())
        along = _along(samples - states.mean(axis=0), axis)
        error = math.hypot(deviation / math.sqrt(len(states)), float(along.std()) / math.sqrt(population.families))
        if deviation > 0.0 and population.families >= _ENOUGH:
            numbers |= {"off_axis": abs(float(along.mean())) / deviation, "axis_error": error / deviation}
        likely = -population.log_partition
    if basics.validation is not None:
        independent = RBM.from_data(basics.bits, 1, weight_scale=0.0, visible=rbm.visible)
        free, plain = (
            [float(model._free_energy(examples, n_threads).mean()) for examples in (basics.validation, basics.bits)]
            for model in (rbm, independent)
        )
        numbers["excess_gap"] = free[0] - free[1] - (plain[0] - plain[1])
        numbers["margin"] = likely - free[0] - likelihood.score(independent, basics.validation).mean
    return numbers


def _main_axis(spread: np.ndarray) -> np.ndarray:
    """The unit vector along which rows (n, V) of mean 0 vary most, very nearly, by power iteration."""
    axis = spread[int(np.argmax(np.square(spread).sum(axis=1)))]
    for _ in range(_ITERATIONS):
        axis = _along(spread.T, _along(spread, axis))
        axis = axis / max(float(np.sqrt(np.square(axis).sum())), 1e-300)
    return axis


def _along(rows: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """rows @ axis, but not by BLAS, whose threads would keep the CPUs from the next call's for a while."""
    return np.einsum("ij,j->i", rows, axis)


def _scores(history: History) -> dict[str, Any]:
    """What was measured of a score."""
    for name in _SCORE_COLUMNS:
        if name in history.columns:
            error = f"{name}_error"
            errors = history[error] if error in history.columns else np.zeros(len(history))
            known = np.flatnonzero(np.isfinite(history[name]) & np.isfinite(errors))
            return {
                "score_name": name.replace("_", "-"), "score_updates": history["update"][known],
                "scores": history[name][known], "score_error": float(errors[known[-1]]) if known.size else 0.0,
            }  # fmt: skip
    return {}
