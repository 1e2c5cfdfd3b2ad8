"""Weights of chains: ratios of distributions, rates of swaps, and resampling, which chains go on and in how many
copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core import floatmath, philox

if TYPE_CHECKING:
    from ..rbm import RBM
    from ..states.bits import BitMatrix


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


def log_ratio(one: RBM, other: RBM, visible: BitMatrix, n_threads: int | None) -> np.ndarray:
    """log p*_one(v) - log p*_other(v), of unnormalized distributions, float64 (n,)."""
    return other._free_energy(visible, n_threads) - one._free_energy(visible, n_threads)


def swap_rate(one: RBM, other: RBM, own: BitMatrix, others: BitMatrix, n_threads: int | None) -> float:
    """The mean probability that two models exchange states of their own, as many pairs as there are."""
    n = min(len(own), len(others))
    exponent = log_ratio(one, other, others[:n], n_threads) - log_ratio(one, other, own[:n], n_threads)
    return mean(acceptance(exponent))


def acceptance(exponents: np.ndarray) -> np.ndarray:
    """min(1, exp(x))."""
    return floatmath.exp(np.clip(exponents, -700.0, 0.0))


def mean(x: np.ndarray) -> float:
    """Summed one after the other: the same bits on any machine."""
    return float(np.add.accumulate(x)[-1]) / len(x)
