"""Diagnostics of Markov chains: how slowly they forget, and whether they agree."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ._core import philox, validate
from .sampling.chains import Chains
from .sampling.tempering import TemperedChains

__all__ = ["AutocorrelationTime", "autocorrelation", "autocorrelation_time", "free_energy_trace", "split_rhat"]

_LARGEST = 1e150  # squares stay finite
_WINDOW = 5.0  # times tau: Sokal's window
_LENGTH = 50.0  # times tau: a shorter series says little about tau


def autocorrelation(series: ArrayLike) -> np.ndarray:
    """Autocorrelation function of one or more chains: rho_t = C_t / C_0, C_t = mean_s (x_s - m)(x_{s+t} - m).

    Parameters
    ----------
    series : array (n,) or (n, chains)
        One number a sweep for each chain. All chains are assumed to sample one distribution: m is their common mean,
        C_t the average over them.

    Returns
    -------
    float64 (n,), from rho_0 = 1; NaN where the series is constant.

    Examples
    --------
    >>> from fastrbm.diagnostics import autocorrelation
    >>> autocorrelation([1.0, -1.0, 1.0, -1.0]).round(6).tolist()
    [1.0, -0.75, 0.5, -0.25]
    """
    x = _series(series)
    n = len(x)
    x = x - x.mean()
    spectrum = np.fft.rfft(x, 2 * n, axis=0)  # padded, so that the ends do not meet
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, 2 * n, axis=0)[:n].mean(axis=1) / n
    if covariance[0] <= _roundoff(series):
        return np.full(n, math.nan)
    return covariance / covariance[0]


@dataclass(frozen=True)
class AutocorrelationTime:
    """An integrated autocorrelation time.

    Attributes
    ----------
    value : float
        tau = 1 + 2 sum_t rho_t, in sweeps: n sweeps are worth n / tau independent draws. NaN for a constant series,
        and where the sum is not positive, which a series too short for it can give.
    window : int
        The sum goes up to here: at least 5 tau, and at least 5 times the tau of the series with alternating signs.
    enough : bool
        Whether the series is at least 50 times the longer of the two. A shorter one, as a rule, gives too small a
        value.
    """

    value: float
    window: int
    enough: bool


def autocorrelation_time(series: ArrayLike) -> AutocorrelationTime:
    """Integrated autocorrelation time with Sokal's automatic window (Sokal 1997, "Monte Carlo methods in statistical
    mechanics", section 3): the smallest window that is at least 5 and 5 times the tau it gives, of the series and of
    the series with alternating signs, (-1)^t x_t. A chain whose terms alternate has a small tau and a long memory,
    which the second one shows: of AR(1) with coefficient -0.9 tau is 1/19, and the window must hold 19 sweeps five
    times. (Chains in detailed balance have real eigenvalues: their memory is at one of these two ends of the spectrum.)
    The last term counts half, so that of alternating terms as many count with either sign.

    Parameters
    ----------
    series : array (n,) or (n, chains)
        As for :func:`autocorrelation`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrbm.diagnostics import autocorrelation_time
    >>> x, noise = np.zeros(20_000), np.random.default_rng(0).normal(size=20_000)
    >>> for t in range(1, x.size):
    ...     x[t] = 0.8 * x[t - 1] + noise[t]
    >>> abs(autocorrelation_time(x).value - (1 + 0.8) / (1 - 0.8)) < 1.5
    True
    """
    rho = autocorrelation(series)
    if math.isnan(rho[0]):
        return AutocorrelationTime(math.nan, 0, False)
    taus = _sums(rho)
    memory = np.maximum(taus, _sums(rho * (1.0 - 2.0 * (np.arange(rho.size) % 2))))
    wide = np.flatnonzero(np.arange(rho.size) >= _WINDOW * np.maximum(memory, 1.0))
    window = int(wide[0]) if wide.size else rho.size - 1
    tau = float(taus[window])
    if tau <= 0.0:
        return AutocorrelationTime(math.nan, window, False)
    return AutocorrelationTime(tau, window, bool(wide.size) and rho.size >= _LENGTH * float(memory[window]))


def _sums(rho: np.ndarray) -> np.ndarray:
    """1 + 2 sum of rho up to each window, the last term half."""
    return 2.0 * np.cumsum(rho) - 1.0 - rho


def split_rhat(series: ArrayLike) -> float:
    """Split R-hat: how much chains, and halves of chains, differ beyond what their spread explains (Gelman et al. 2013,
    "Bayesian Data Analysis", section 11.4).

    sqrt(((m - 1)/m W + B/m) / W) over the 2 x chains half series of m numbers, with W their mean variance and B/m the
    variance of their means. Near 1, below 1.01 or so, when all have seen the same distribution.

    Parameters
    ----------
    series : array (n,) or (n, chains)
        At least 4 numbers a chain.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrbm.diagnostics import split_rhat
    >>> x = np.random.default_rng(0).normal(size=(1000, 4))
    >>> split_rhat(x) < 1.01 < split_rhat(x + [0, 0, 0, 1])
    True
    """
    x = _series(series)
    half = len(x) // 2
    if half < 2:
        raise ValueError(f"series must have at least 4 numbers a chain, got {len(x)}")
    halves = np.concatenate([x[:half], x[-half:]], axis=1)
    within = halves.var(axis=0, ddof=1).mean()
    between = halves.mean(axis=0).var(ddof=1)
    if within <= _roundoff(series):
        return math.nan if between <= _roundoff(series) else math.inf
    return math.sqrt((half - 1) / half + between / within)


def free_energy_trace(chains: Chains, n_sweeps: int, n_threads: int | None = None) -> np.ndarray:
    """Run chains on, and note F(v) of each after each sweep: float64 (n_sweeps, chains), in nats.

    Examples
    --------
    >>> import fastrbm as fr
    >>> rbm = fr.RBM.from_data(fr.datasets.load_digits(), n_hidden=16, seed=0)
    >>> fr.diagnostics.free_energy_trace(fr.Chains(rbm, n_chains=3), 10).shape
    (10, 3)
    """
    if not isinstance(chains, (Chains, TemperedChains)):
        raise TypeError(f"chains must be Chains, not {type(chains).__name__}")
    n_sweeps = validate.integer(n_sweeps, "n_sweeps", 1, philox.MOST_SWEEPS)
    trace = np.empty((n_sweeps, len(chains)))
    for row in trace:
        chains.sweep(1, n_threads)
        row[:] = chains.rbm.free_energy(chains.visible_bits, n_threads)
    return trace


def _roundoff(series: ArrayLike) -> float:
    """A variance that is nothing but rounding."""
    return 1e-24 * float(np.abs(_series(series)).max()) ** 2


def _series(value: ArrayLike) -> np.ndarray:
    """Float64 (n, chains)."""
    x = np.asarray(value)
    if x.dtype.kind not in "biuf" or x.ndim not in (1, 2) or x.size == 0:
        raise ValueError(f"series must be an array of numbers, (n,) or (n, chains), got shape {x.shape}")
    x = x.astype(np.float64).reshape(len(x), -1)
    if not (np.abs(x) < _LARGEST).all():  # false for NaN
        raise ValueError(f"series must be finite, and below {_LARGEST:g}")
    return x
