"""Bennett's acceptance ratio: the ratio of two partition functions from chains that went from either to the other."""

from __future__ import annotations

import math

import numpy as np

from .._core import floatmath


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
    offset = float(floatmath.log(n / m))
    low = float(min(forward.min(), reverse.min())) - 1.0 - abs(offset)
    high = float(max(forward.max(), reverse.max())) + 1.0 + abs(offset)
    while high - low > 1e-12 * max(1.0, abs(low)):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        # P(forward | x) by itself: one minus P(reverse | x) is 0 where that is small
        if _shares(forward, middle + offset) > _shares(-reverse, -middle - offset):
            low = middle
        else:
            high = middle
    ratio = (low + high) / 2
    share = reverse_share(np.concatenate([forward, reverse]), ratio + offset)
    information = floatmath.total(share * (1.0 - share))
    variance = 1.0 / information - 1.0 / n - 1.0 / m if information > 0 else math.inf
    return ratio, math.sqrt(max(variance, 0.0))


def _shares(x: np.ndarray, ratio: float) -> float:
    return floatmath.total(reverse_share(x, ratio))


def reverse_share(x: np.ndarray, ratio: float) -> np.ndarray:
    """1 / (1 + exp(ratio - x))."""
    z = x - ratio
    e = floatmath.exp(np.maximum(-np.abs(z), -708.0))
    return np.where(z > 0, 1.0, e) / (1.0 + e)
