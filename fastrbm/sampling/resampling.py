"""Resampling: which chains go on, and in how many copies, by their weights."""

from __future__ import annotations

import numpy as np

from .._core import floatmath, philox


def normalized(log_weights: np.ndarray) -> tuple[np.ndarray, float]:
    """(weights, the largest of which is 1, and the logarithm of what they were divided by)."""
    top = float(log_weights.max())
    return floatmath.exp(np.maximum(log_weights - top, -708.0)), top


def descendants(log_weights: np.ndarray, seed: int, stream: int, step: int) -> tuple[np.ndarray, float]:
    """(which chain each place of the next population is a copy of, int (n,); the logarithm of the mean weight).

    Systematic: n even points of the weights' running sum, from a random one on, each of the chain that it falls to. So a
    chain has a number of copies that is n times its share of the weight, rounded up or down, and neighbors stay
    neighbors: all chains of one family together have a number of copies that is right within one, too.
    """
    weights, top = normalized(log_weights)
    n, total = len(weights), np.add.accumulate(weights)  # one after the other: the same bits on any machine
    start = (int(philox.words(4, seed, stream, step + 1)[0]) + 0.5) * 2.0**-32
    points = (np.arange(n) + start) * (total[-1] / n)
    chosen = np.minimum(np.searchsorted(total, points, side="right"), n - 1)
    return chosen, top + float(floatmath.log(total[-1] / n))


def effective_size(weights: np.ndarray) -> float:
    """(sum w)^2 / sum w^2, sums one after the other."""
    return float(np.add.accumulate(weights)[-1]) ** 2 / float(np.add.accumulate(weights * weights)[-1])
