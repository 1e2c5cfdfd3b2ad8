"""Metrics: what fit records in its history.

The basic columns are always there and cheap. Metrics beyond them are objects with ``columns`` (their names, or a dict
of names with what each is, a :class:`Column`), ``every`` (epochs between two measurements, or None) and a call that
takes a :class:`Snapshot` and returns a dict with a value for each column. With None they are due so often that they
take about half a percent of the time, and always at the end; about 5 % and 50 times where an
:class:`fastrbm.EarlyStopping` watches them. This goes by their ``cost`` in updates, not by the clock, so that it is the
same in every run. In other rows of the history their columns are NaN.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from .._core import philox, validate
from .._core.describe import Described
from .._core.settings import Setting
from .._core.spectrum import singular_values
from ..diagnostics.summary import summary
from ..diagnostics.tracing import traces
from ..likelihood.pseudo import pseudo, refuse_real
from ..likelihood.results import METHODS
from ..likelihood.score import score
from ..sampling.chains import Chains
from ..sampling.points import MOST_STEPS
from .columns import Column, columns_of
from .contracts import Snapshot
from .measuring import some

if TYPE_CHECKING:
    from ..rbm import RBM

__all__ = ["Column", "LogLikelihood", "Mixing", "PseudoLikelihood", "SingularValues", "Snapshot"]


def _epochs(value: int | None, name: str) -> int | None:
    return None if value is None else validate.integer(value, name, 1)


class _Metric(Described):
    columns: Mapping[str, Column] = MappingProxyType({})
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

    columns = columns_of(["pseudo_likelihood"])
    cost = 40.0

    def __init__(self, every: int | None = None) -> None:
        super().__init__(every)

    def _check_model(self, rbm: RBM) -> None:
        """ValueError where it cannot be taken of this model."""
        refuse_real(rbm, "metrics.PseudoLikelihood")

    def __call__(self, snapshot: Snapshot) -> dict[str, float]:
        examples = some(snapshot.examples if snapshot.validation is None else snapshot.validation)
        return {"pseudo_likelihood": float(pseudo(snapshot.rbm, examples, snapshot.n_threads).mean())}

    def __repr__(self) -> str:
        return f"PseudoLikelihood(every={self.every})"


class LogLikelihood(_Metric):
    """Columns ``log_likelihood`` and ``log_likelihood_error``: the mean log-likelihood of the validation data (of up to
    256 training examples where there are none), in nats per example, and half the width of its interval by the
    uncertainty of log Z.

    Where AIS and reverse AIS disagree, as they do at a high learning rate, the first column is the lower end of the
    interval (the middle would be too high), and the second infinite: neither of the two is to be trusted.

    Parameters
    ----------
    method : str
        As for :func:`likelihood.score`: "ais" takes half the time of "bidirectional", but is too high on average.
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

    columns = columns_of(["log_likelihood", "log_likelihood_error"])
    method = Setting(validate.one_of, METHODS)
    n_chains = Setting(validate.integer, 1, philox.MOST_CHAINS)
    n_betas = Setting(validate.integer, 1, MOST_STEPS)

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
            result = score(
                snapshot.rbm, examples, self.method, self.n_chains, self.n_betas, snapshot.seed,
                n_threads=snapshot.n_threads,
            )  # fmt: skip
        value, error = result.mean, (result.upper - result.lower) / 2
        if not getattr(result.log_partition, "agree", True):
            value, error = result.lower, math.inf
        return {"log_likelihood": value, "log_likelihood_error": error if math.isfinite(error) else math.inf}

    def __repr__(self) -> str:
        return (
            f"LogLikelihood(method={self.method!r}, n_chains={self.n_chains}, n_betas={self.n_betas}, "
            f"every={self.every})"
        )


class Mixing(_Metric):
    """Columns ``tau_int`` and ``rhat`` of the chains of the negative phase, held at the model as it is: copies of up to
    64 of them run on, so that the training stays as it was. Both are the largest over several traces: free energy, mean
    activity, and the data's first two principal axes (:func:`fastrbm.diagnostics.traces`,
    :func:`fastrbm.diagnostics.rhat`).

    Where tau_int is a large part of n_sweeps, or rhat above 1.1 or so, the chains lag behind the model, or stay in
    their modes: more sweeps an update, a smaller rate, or tempering. Of tempered chains, the copies are plain ones. A
    tau_int beyond n_sweeps / 50 or so is a lower bound. CD has no chains that go on: NaN.

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
    ['tau_int', 'rhat']
    """

    columns = columns_of(["tau_int", "rhat"])
    n_sweeps = Setting(validate.integer, 4, philox.MOST_SWEEPS)

    def __init__(self, n_sweeps: int = 200, every: int | None = None) -> None:
        super().__init__(every)
        self.n_sweeps = n_sweeps
        self.cost = 0.3 * self.n_sweeps

    def __call__(self, snapshot: Snapshot) -> dict[str, float]:
        if snapshot.chains is None:
            return {"tau_int": math.nan, "rhat": math.nan}
        start = snapshot.chains[:64]
        chains = _Copies(snapshot.rbm, len(start), snapshot.seed, start, n_threads=snapshot.n_threads)
        seen = summary(traces(chains, self.n_sweeps, snapshot.examples, n_threads=snapshot.n_threads))
        taus = [trace.tau.value for trace in seen.traces.values()]
        return {"tau_int": max((tau for tau in taus if not math.isnan(tau)), default=math.nan), "rhat": seen.rhat}

    def __repr__(self) -> str:
        return f"Mixing(n_sweeps={self.n_sweeps}, every={self.every})"


class SingularValues(_Metric):
    """Columns ``sv1``, ``sv2``, ...: the k largest singular values of W, by the eigenvalues of `W'W` in float64.

    In a training that learns, one after another leaves the bulk of the random start; each that does is a direction of
    the data that the model has found (Decelle, Fissore & Furtlehner 2017). Draw them with
    ``plot.learning_curve(history, ["sv1", "sv2"])``. They are LAPACK's: their last bits may differ from one machine to
    another, and those below 1e-7 of the largest are rounding. Nothing in the training goes by them.

    Parameters
    ----------
    k : int
        At most as many as the smaller layer has units.
    every : int, optional
        Epochs between two measurements.

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.load_digits()
    >>> rbm = fr.RBM.from_data(X, n_hidden=16, seed=0)
    >>> history = fr.fit(rbm, X, epochs=2, metrics=[fr.metrics.SingularValues(3, every=1)])
    >>> history.columns[-3:], history.about("sv1").label
    (['sv1', 'sv2', 'sv3'], 'singular value 1')
    >>> bool(history["sv1"][-1] > history["sv2"][-1] > 0)
    True
    """

    cost = 20.0
    k = Setting(validate.integer, 1, 1 << 16)

    def __init__(self, k: int = 10, every: int | None = None) -> None:
        super().__init__(every)
        self.k = k

    @property
    def columns(self) -> Mapping[str, Column]:  # type: ignore[override]
        return columns_of(f"sv{i}" for i in range(1, self.k + 1))

    def _check_model(self, rbm: RBM) -> None:
        """ValueError where the model has fewer."""
        most = min(rbm.n_visible, rbm.n_hidden)
        if self.k > most:
            raise ValueError(f"metrics.SingularValues: k must be at most {most} for {rbm!r}, got {self.k}")

    def __call__(self, snapshot: Snapshot) -> dict[str, float]:
        return dict(zip(self.columns, singular_values(snapshot.rbm.weights)[: self.k].tolist(), strict=True))

    def __repr__(self) -> str:
        return f"SingularValues(k={self.k}, every={self.every})"


class _Copies(Chains):
    _stream = _start_stream = philox.MIXING  # sweeps count from 1, the start is 0
