"""How slowly chains forget."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .series import checked_series, covariances, roundoff

_WINDOW = 5.0  # times tau: Sokal's window
_LENGTH = 50.0  # times tau: a shorter series says little about tau


def autocorrelation(series: ArrayLike) -> np.ndarray:
    """Autocorrelation function of one or more chains: `rho_t = C_t / C_0`, `C_t = mean_s (x_s - m)(x_{s+t} - m)`.

    Parameters
    ----------
    series : array (n,) or (n, chains)
        One number a sweep for each chain. All chains are assumed to sample one distribution: m is their common mean,
        C_t the average over them.

    Returns
    -------
    float64 (n,), from `rho_0 = 1`; NaN where the series is constant.

    Examples
    --------
    >>> from fastrbm.diagnostics import autocorrelation
    >>> autocorrelation([1.0, -1.0, 1.0, -1.0]).round(6).tolist()
    [1.0, -0.75, 0.5, -0.25]
    """
    x = checked_series(series)
    covariance = covariances(x - x.mean())
    if covariance[0] <= roundoff(x):
        return np.full(len(x), math.nan)
    return covariance / covariance[0]


@dataclass(frozen=True)
class AutocorrelationTime:
    """An integrated autocorrelation time.

    Attributes
    ----------
    value : float
        `tau = 1 + 2 sum_t rho_t`, in sweeps: n sweeps are worth `n / tau` independent draws. NaN for a constant series,
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
    mechanics", section 3).

    The window is the smallest that is at least 5, and at least 5 times the tau that it gives. It must be so for the
    series, and for the series with alternating signs, `(-1)^t x_t`. A chain whose terms alternate has a small tau and a
    long memory, which the second series shows: of AR(1) with coefficient -0.9 tau is 1/19, and the memory is 19 sweeps.
    (Chains in detailed balance have real eigenvalues: their memory is at one of these two ends of the spectrum.) The
    last term counts half, so that as many alternating terms count with either sign.

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
