"""Weights of chains: populations that are annealed along a path and resampled on the way; ratios of distributions, and
rates of swaps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .._core import floatmath, philox
from .._core.progress import Countdown

if TYPE_CHECKING:
    from ..rbm import RBM
    from ..states.bits import BitMatrix
    from .path import Path


@dataclass(frozen=True, eq=False)
class Annealed:
    """What chains that were annealed along a path, and resampled on the way, end with.

    log_ratio: the logarithm of the mean weight, whose own mean is the ratio of the end's partition function to the
    start's; family: the chain of the start that each descends from; log_weights: since they were last resampled; ess:
    the smallest effective sample size that was seen; resampled: whether they ever were; spreads: of each stretch of the
    path, in the order in which they went, the square root of its number of steps times the variance over the chains of
    what it added to their log weights.
    """

    log_ratio: float
    family: np.ndarray
    log_weights: np.ndarray
    ess: float
    resampled: bool
    spreads: np.ndarray

    @property
    def families(self) -> float:
        """Their effective number, see families_of."""
        return families_of(self.family, self.log_weights)

    @property
    def error(self) -> float:
        """The standard error of log_ratio, from the sizes of the families (Lee & Whiteley 2018); of chains that were
        never resampled, that of their mean weight relative to it."""
        return error_of(self.families, len(self.family))


def families_of(family: np.ndarray, log_weights: np.ndarray) -> float:
    """The effective number of families, 1 / sum_k f_k^2, with f_k the part of the weight that family k has; the same
    bits on any machine: it decides what is done next."""
    weights, _ = normalized(log_weights)
    return effective_size(np.bincount(family, weights, minlength=len(weights)))  # in the order of the chains


def error_of(families: float, n: int) -> float:
    """The standard error of log Z by a population of n chains; that of one chain is unknown."""
    return math.sqrt(max(1.0 / families - 1.0 / n, 0.0)) if n > 1 else math.inf


def anneal(
    path: Path, visible: BitMatrix, up: bool, seed: int, streams: tuple[int, int], below: float, every: int,
    n_threads: int | None, countdown: Countdown | None = None, first_chain: int = 0,
) -> Annealed:  # fmt: skip
    """Take chains from one end of a path to the other, in place. After each stretch of so many steps but the last they
    are looked at, and resampled where their effective sample size is below this part of their number. The streams are
    of moves and of resampling."""
    n, n_steps = len(visible), path.n_steps
    log_ratio, family, log_weights, smallest, resampled = 0.0, np.arange(n), np.zeros(n), float(n), False
    spreads = []
    for done in range(0, n_steps, every):
        count = min(every, n_steps - done)
        first, last = (done, done + count) if up else (n_steps - done, n_steps - done - count)
        gained = path.move(visible, first, last, seed, streams[0], 1 + done, n_threads, first_chain=first_chain)
        spreads.append(math.sqrt(count * _variance(gained)))
        log_weights += gained
        ess = effective_size(normalized(log_weights)[0])
        smallest = min(smallest, ess)
        if ess < below * n and done + count < n_steps:
            chosen, log_mean = descendants(log_weights, seed, streams[1], done + count - 1, first_chain)
            visible.planes[:] = visible.planes[:, chosen]
            log_ratio += log_mean
            family, log_weights, resampled = family[chosen], np.zeros(n), True
        if countdown:
            countdown.done(n * (done + count))
    weights, top = normalized(log_weights)
    log_ratio += top + float(floatmath.log(floatmath.total(weights) / n))
    return Annealed(log_ratio, family, log_weights, smallest, resampled, np.array(spreads))


def normalized(log_weights: np.ndarray) -> tuple[np.ndarray, float]:
    """(weights, the largest of which is 1, and the logarithm of what they were divided by)."""
    top = float(log_weights.max())
    return floatmath.exp(np.maximum(log_weights - top, -708.0)), top


def descendants(
    log_weights: np.ndarray, seed: int, stream: int, step: int, first_chain: int = 0
) -> tuple[np.ndarray, float]:
    """(which chain each place of the next population is a copy of, int (n,); the logarithm of the mean weight).

    Systematic: n even points of the weights' running sum, from a random one on, each of the chain that it falls to. So
    a chain has a number of copies that is n times its share of the weight, rounded up or down, and neighbors stay
    neighbors: all chains of one family together have a number of copies that is right within one, too. Populations of
    other first chains have other random points.
    """
    weights, top = normalized(log_weights)
    n, total = len(weights), np.add.accumulate(weights)  # one after the other: the same bits on any machine
    start = (int(philox.words(4, seed, stream, step + 1, 4 * first_chain)[0]) + 0.5) * 2.0**-32
    points = (np.arange(n) + start) * (total[-1] / n)
    chosen = np.minimum(np.searchsorted(total, points, side="right"), n - 1)
    return chosen, top + float(floatmath.log(total[-1] / n))


def effective_size(weights: np.ndarray) -> float:
    """(sum w)^2 / sum w^2, sums one after the other."""
    return floatmath.total(weights) ** 2 / floatmath.total(weights * weights)


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
    """The same bits on any machine."""
    return floatmath.total(x) / len(x)


def _variance(x: np.ndarray) -> float:
    """The same bits on any machine."""
    return floatmath.total(np.square(x - mean(x))) / max(len(x) - 1, 1)
