"""Bidirectional AIS: log Z from both sides, and combined."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import floatmath
from ..sampling.path import Path
from .ais import MARKOV, ais, annealing_path, checked, reverse_ais
from .results import Bidirectional, LogPartition

if TYPE_CHECKING:
    from ..rbm import RBM

_CLOSE = 1.0  # nats: what counts as agreement where the weights are too few to give an error
_ENOUGH = 10  # chains each way, from which the combined estimate's error, a large-sample formula, is to be trusted


def bidirectional(
    path: RBM | Path,
    data: ArrayLike | None = None,
    n_chains: int = 100,
    n_betas: int | None = None,
    seed: int = 0,
    n_sweeps: int = 0,
    betas: ArrayLike | None = None,
    progress: bool = False,
    n_threads: int | None = None,
) -> Bidirectional:
    """Run AIS and reverse AIS along one path, and say whether they agree.

    On average AIS gives too small a log Z. Reverse AIS, started from states that follow the model, gives too large a
    one (Grosse, Ghahramani & Adams 2015, "Sandwiching the marginal likelihood using bidirectional Monte Carlo"). Where
    they agree, Bennett's acceptance ratio (Bennett 1976; Shirts et al. 2003) combines the two: the log Z at which, of
    all the chains, as many up-going ones would pass for down-going as the other way round. Where they do not agree, the
    result says so in words.

    Parameters
    ----------
    path : RBM or Path
        As for :func:`ais`.
    data : array (n, V) or BitMatrix, optional
        The starting states of reverse AIS, and the base rates where a model is given. By default both come from chains
        of the model.
    n_chains, n_betas, seed, betas, progress, n_threads
        As for :func:`ais`.
    n_sweeps : int
        Sweeps of the model that the starting states of reverse AIS do first.

    Examples
    --------
    >>> import fastrbm as fr
    >>> rbm = fr.RBM.from_data(fr.datasets.load_digits(), n_hidden=10, seed=0)
    >>> both = fr.likelihood.bidirectional(rbm, n_betas=200)
    >>> both.agree, abs(both.value - fr.likelihood.exact(rbm).value) < 0.1
    (True, True)
    """
    n_chains, seed = checked(n_chains, seed, progress, n_threads)
    if not isinstance(path, Path):
        path = annealing_path(path, n_betas, betas, data, None, seed, n_threads)
    elif n_betas is not None or betas is not None:
        raise ValueError("a Path has its own steps: leave out n_betas and betas")
    how: dict[str, Any] = {"n_chains": n_chains, "seed": seed, "progress": progress, "n_threads": n_threads}
    forward, reverse = ais(path, **how), reverse_ais(path, data, n_sweeps=n_sweeps, **how)
    assert forward.log_ratios is not None and reverse.log_ratios is not None and forward.ess and reverse.ess  # annealed
    ess = min(forward.ess, reverse.ess)
    ratio, error = acceptance_ratio(forward.log_ratios, reverse.log_ratios)
    value = path.log_base + ratio
    ratios = np.concatenate([forward.log_ratios, reverse.log_ratios])
    combined = LogPartition(value, value - 3 * error, value + 3 * error, "Bennett's ratio", ess, ratios)
    meet = forward.lower <= reverse.upper and reverse.lower <= forward.upper
    bounded = math.isfinite(forward.upper - reverse.lower) and n_chains >= _ENOUGH
    agree = meet and (bounded or abs(forward.value - reverse.value) <= _CLOSE)
    if agree and bounded:
        return Bidirectional(value, combined.lower, combined.upper, forward, reverse, combined, True)
    ends = [forward.lower, reverse.upper]
    ends += [min(forward.upper, forward.value + MARKOV), max(reverse.lower, reverse.value - MARKOV)]
    if n_chains < _ENOUGH:  # the spread of so few weights says little: Markov's inequality holds for any
        ends += [forward.value - MARKOV, reverse.value + MARKOV]
    middle = value if agree else (forward.value + reverse.value) / 2
    return Bidirectional(middle, min(ends), max(ends), forward, reverse, combined, agree)


def acceptance_ratio(forward: np.ndarray, reverse: np.ndarray) -> tuple[float, float]:
    """Bennett's estimate of the log ratio of two partition functions, and its standard error.

    Parameters
    ----------
    forward, reverse : float64 (n,), (m,)
        Per chain, log weights of one direction, and minus the log weights of the other: both estimate the log ratio.

    Notes
    -----
    The densities of the two are related by p_reverse(x) = p_forward(x) exp(x - L) (Crooks 2000). Seen as
    labels of pooled chains, P(reverse | x) = 1 / (1 + exp(log(n/m) - (x - L))), and L is where the likelihood of the
    labels is largest: sum_forward P(reverse | x) = sum_reverse P(forward | x). The left side falls and the right side
    grows with L.
    """
    n, m = len(forward), len(reverse)
    offset = math.log(n / m)

    def reversed_share(x: np.ndarray, ratio: float) -> np.ndarray:
        z = (x - ratio) - offset
        e = floatmath.exp(np.maximum(-np.abs(z), -708.0))
        return np.where(z > 0, 1.0, e) / (1.0 + e)

    low = float(min(forward.min(), reverse.min())) - 1.0 - abs(offset)
    high = float(max(forward.max(), reverse.max())) + 1.0 + abs(offset)
    while high - low > 1e-12 * max(1.0, abs(low)):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if reversed_share(forward, middle).sum() > (1.0 - reversed_share(reverse, middle)).sum():
            low = middle
        else:
            high = middle
    ratio = (low + high) / 2
    share = reversed_share(np.concatenate([forward, reverse]), ratio)
    information = float((share * (1.0 - share)).sum())
    variance = 1.0 / information - 1.0 / n - 1.0 / m if information > 0 else math.inf
    return ratio, math.sqrt(max(variance, 0.0))
