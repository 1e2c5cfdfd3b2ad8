"""Whether chains agree, and how many independent draws they are worth: R-hat, effective sample sizes, MCSE."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from .._core import validate
from .series import checked_series, covariances, roundoff

KINDS = ("bulk", "tail", "mean")  # of ess
_TAILS = (0.05, 0.95)


def split_rhat(series: ArrayLike) -> float:
    """Split R-hat: how much chains, and halves of chains, differ beyond what their spread explains (Gelman et al. 2013,
    "Bayesian Data Analysis", section 11.4).

        sqrt(((m - 1)/m W + B/m) / W)

    over the 2 x chains half series of m numbers, with W their mean variance and `B/m` the variance of their means. Near
    1, below 1.01 or so, when all have seen the same distribution. Chains that differ in spread but not in mean go
    unseen, and so do those with a few huge numbers: :func:`rhat` sees them.

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
    return _rhat(_halves(_long_enough(series)))


def rhat(series: ArrayLike) -> float:
    """The worse of rank-normalized split R-hat and of that of the folded series (Vehtari et al. 2021, Bayesian Analysis
    16:667, section 4.1), as ArviZ has it.

    Split R-hat (:func:`split_rhat`) is taken of normal scores: number k in order of S becomes the quantile
    `(k - 3/8) / (S + 1/4)` of the normal distribution, equal numbers that of their mean place. So it exists where the
    variance does not. It is taken once more of the scores of the distances from the median, which differ where chains
    differ in spread.

    Parameters
    ----------
    series : array (n,) or (n, chains)
        At least 4 numbers a chain. Of one chain, its halves are compared (ArviZ gives NaN there).

    Returns
    -------
    float
        Near 1, below 1.01 or so, when all chains have seen the same distribution; inf where each chain stands still and
        they differ; NaN where all numbers are alike.

    Raises
    ------
    ValueError
        Where series is no such array, or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrbm.diagnostics import rhat, split_rhat
    >>> x = np.random.default_rng(0).normal(size=(1000, 4)) * [1, 1, 1, 3]
    >>> split_rhat(x) < 1.01 < rhat(x)
    True
    """
    halves = _halves(_long_enough(series))
    return _worse_rhat(halves, normal_scores(halves))


def ess(series: ArrayLike, kind: str = "bulk") -> float:
    """Effective sample size: how many independent draws the chains are worth (Vehtari et al. 2021, sections 3.2 and
    4.3), as ArviZ has it.

    `S / tau` of S numbers, with `tau = 1 + 2 sum_t rho_t` over the half chains, where `rho_t` takes the variance
    between them in, so that chains that disagree are worth little. The sum goes over pairs of neighboring lags as long
    as they are positive, none larger than the one before (Geyer 1992: the initial monotone sequence). At most
    `S log10 S`, for chains whose terms alternate.

    Parameters
    ----------
    series : array (n,) or (n, chains)
        At least 4 numbers a chain.
    kind : "bulk", "tail" or "mean"
        "bulk": of the normal scores, for where most of the distribution is. "tail": the smaller one of the indicators
        x <= 5 % quantile and x <= 95 % quantile, for its ends. "mean": of the numbers themselves, for their mean.

    Returns
    -------
    float
        NaN where all numbers are alike (ArviZ: S). Of chains that each stand still and differ, about the number of
        chains.

    Raises
    ------
    ValueError
        Where series is no such array, or not finite; for another kind.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrbm.diagnostics import ess
    >>> x = np.random.default_rng(0).normal(size=(1000, 4))
    >>> 3500 < ess(x) < 4500, ess(x + [0, 0, 9, 9]) < 10
    (True, True)
    """
    x = _long_enough(series)
    validate.one_of(kind, "kind", KINDS)
    if _alike(x):
        return math.nan
    if kind == "tail":
        return _tail_ess(x)
    halves = _halves(x)
    return _ess(halves if kind == "mean" else normal_scores(halves))


def mcse(series: ArrayLike) -> float:
    """Monte Carlo standard error of the mean of a series: its standard deviation over the root of ``ess(series,
    "mean")``, as ArviZ has it.

    Parameters
    ----------
    series : array (n,) or (n, chains)
        At least 4 numbers a chain.

    Returns
    -------
    float
        In the unit of the series; NaN where all numbers are alike.

    Raises
    ------
    ValueError
        Where series is no such array, or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrbm.diagnostics import mcse
    >>> x = np.random.default_rng(0).normal(size=(1000, 4))
    >>> 0.9 < mcse(x) * 4000**0.5 < 1.1
    True
    """
    x = _long_enough(series)
    return math.nan if _alike(x) else _mcse(x, _halves(x))


def all_of(x: np.ndarray) -> tuple[float, float, float, float]:
    """(R-hat, bulk ESS, tail ESS, MCSE) of a checked series, whose ranks are found once."""
    if _alike(x):
        return (math.nan,) * 4
    halves = _halves(x)
    scores = normal_scores(halves)
    return _worse_rhat(halves, scores), _ess(scores), _tail_ess(x), _mcse(x, halves)


def normal_scores(x: np.ndarray) -> np.ndarray:
    """Numbers as the quantiles of the normal distribution that their places in the order of all of them have, equal
    ones alike; the same shape."""
    _, places, counts = np.unique(x, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - 0.5 * (counts - 1)
    quantiles = (ranks - 0.375) / (x.size + 0.25)
    scores = np.fromiter(map(NormalDist().inv_cdf, quantiles.tolist()), np.float64, len(quantiles))
    return scores[places.reshape(x.shape)]


def folded(x: np.ndarray) -> np.ndarray:
    """How far numbers are from their median: what differs where spreads do."""
    return np.abs(x - np.median(x))


def _long_enough(series: ArrayLike) -> np.ndarray:
    x = checked_series(series)
    if len(x) < 4:
        raise ValueError(f"series must have at least 4 numbers a chain, got {len(x)}")
    return x


def _alike(x: np.ndarray) -> bool:
    return bool(x.min() == x.max())


def _halves(x: np.ndarray) -> np.ndarray:
    """The first and the second half of each chain as chains of their own; of an odd number, all but the middle one."""
    half = len(x) // 2
    return np.concatenate([x[:half], x[-half:]], axis=1)


def _rhat(halves: np.ndarray) -> float:
    n = len(halves)
    within = float(halves.var(axis=0, ddof=1).mean())
    between = float(halves.mean(axis=0).var(ddof=1))
    if within <= roundoff(halves):
        return math.nan if between <= roundoff(halves) else math.inf
    return math.sqrt((n - 1) / n + between / within)


def _worse_rhat(halves: np.ndarray, scores: np.ndarray) -> float:
    location, spread = _rhat(scores), _rhat(normal_scores(folded(halves)))
    return location if math.isnan(spread) else max(location, spread)  # two values alike in number: no spread


def _tail_ess(x: np.ndarray) -> float:
    return min(_ess(_halves((x <= quantile).astype(np.float64))) for quantile in np.quantile(x, _TAILS))


def _mcse(x: np.ndarray, halves: np.ndarray) -> float:
    return float(x.std(ddof=1)) / math.sqrt(_ess(halves))


def _ess(x: np.ndarray) -> float:
    """Of (n, chains) that are not split any more, at least 2 numbers a chain."""
    if _alike(x):  # indicators of a tail that all or none are in
        return float(x.size)
    n = len(x)
    covariance = covariances(x - x.mean(axis=0))
    within = covariance[0] * n / (n - 1)
    rho = 1.0 - (within - covariance) / (covariance[0] + x.mean(axis=0).var(ddof=1))
    rho[0] = 1.0
    n_pairs = max(1, (n - 1) // 2)
    pairs = rho[: 2 * n_pairs].reshape(-1, 2).sum(axis=1)
    ended = np.flatnonzero(pairs <= 0.0)
    last = int(ended[0]) if ended.size else n_pairs - 1  # counts by its first lag alone, if that says anything
    rest = float(rho[2 * last])
    if pairs[last] < 0.0:
        rest = max(rest, 0.0)
    tau = 2.0 * float(np.minimum.accumulate(pairs[:last]).sum()) + rest - 1.0
    return x.size / max(tau, 1.0 / math.log10(x.size))
