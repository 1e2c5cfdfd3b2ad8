"""A quick check of speed on this machine, and what every benchmark shares: a baseline, problems, checks of results.

The baseline is one Gibbs sweep and one PCD-1 update in well-written float32 NumPy: in-place sigmoid, float32 uniforms,
matrix products by BLAS. The order is fastrbm's: v given h, then h given v, so that the chains' own P(h | v) serves the
negative phase and neither side computes it twice.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import numpy as np

from .._core import validate
from ..gradient.pcd import PCD
from ..optim.sgd import SGD
from ..rbm import RBM
from ..sampling.chains import Chains
from ..states.bits import BitMatrix

__all__ = ["NumpyRBM", "Timing", "check_mean_hidden", "check_sweep", "check_update", "compare", "problem"]

_RATE = 1e-9  # of the timed updates: the model stays as it is
_PAUSE = 0.05  # seconds before a round, in which the threads of the other side stop spinning
_ROUND = 0.05  # seconds that a round takes at least


@dataclass(frozen=True)
class Timing:
    """How long one step takes, in seconds, medians.

    Attributes
    ----------
    step : str
    fastrbm, numpy : float
    ratio : float
        NumPy's time over fastrbm's.
    """

    step: str
    fastrbm: float
    numpy: float

    @property
    def ratio(self) -> float:
        return self.numpy / self.fastrbm


def compare(n_visible: int = 784, n_hidden: int = 500, n_chains: int = 512, rounds: int = 7) -> list[Timing]:
    """Time a Gibbs sweep and a PCD-1 update against the NumPy baseline, in turns, after a check of their results.

    A few seconds that tell the order of magnitude: both sides share one process, and whatever else the machine does
    counts. Both take the threads that the process started with (``OMP_NUM_THREADS``).

    Parameters
    ----------
    n_visible, n_hidden : int
        Units.
    n_chains : int
        Gibbs chains, and examples of an update.
    rounds : int
        Of which the median is taken.

    Returns
    -------
    list of Timing

    Raises
    ------
    ArithmeticError
        Where a result is wrong.

    Examples
    --------
    >>> from fastrbm.cli import speed
    >>> [timing.step for timing in speed.compare(16, 8, 32, rounds=1)]
    ['sweep', 'PCD-1 update']
    """
    n_visible, n_hidden = validate.integer(n_visible, "n_visible", 1), validate.integer(n_hidden, "n_hidden", 1)
    n_chains, rounds = validate.integer(n_chains, "n_chains", 1), validate.integer(rounds, "rounds", 1)
    W, b, c, states = problem(n_chains, n_visible, n_hidden)
    rbm, baseline, checked = RBM(W, b, c), NumpyRBM(W, b, c, states), states[:256]
    check_sweep(rbm, baseline, checked)
    check_mean_hidden(rbm, checked, baseline.mean_hidden(checked.astype(np.float32)), "NumPy")
    check_update(rbm.copy(), NumpyRBM(W, b, c, checked), checked, checked)
    chains, pcd, sgd = Chains(rbm, n_chains, start=states), PCD(n_chains), SGD(_RATE)
    trained, bits, floats = rbm.copy(), BitMatrix.from_states(states), states.astype(np.float32)
    steps = {
        "sweep": (chains.sweep, baseline.sweep),
        "PCD-1 update": (lambda: sgd.update(trained, pcd(trained, bits)), lambda: baseline.pcd_update(floats, _RATE)),
    }
    timings = []
    for step, sides in steps.items():
        times = [[_seconds(side) for side in sides] for _ in range(rounds)]
        timings.append(Timing(step, *(statistics.median(column) for column in zip(*times, strict=True))))
    return timings


def _seconds(step) -> float:
    """Of one call, from a round of as many as it takes."""
    time.sleep(_PAUSE)
    step()  # threads and caches wake outside the clock
    count, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < _ROUND or count == 0:
        step()
        count += 1
    return passed / count


def sigmoid_(x):
    """1 / (1 + exp(-x)), in place."""
    np.negative(x, out=x)
    np.exp(x, out=x)
    x += 1
    return np.reciprocal(x, out=x)


class NumpyRBM:
    """Model and chains as float32 arrays."""

    def __init__(self, weights, visible_bias, hidden_bias, visible, seed=0):
        self.W, self.b, self.c = (np.array(a, np.float32) for a in (weights, visible_bias, hidden_bias))
        self.rng = np.random.default_rng(seed)
        self.v = visible.astype(np.float32)
        self.h = self.bernoulli(self.mean_hidden(self.v))

    def bernoulli(self, p):
        return (self.rng.random(p.shape, dtype=np.float32) < p).astype(np.float32)

    def mean_hidden(self, v):
        x = v @ self.W
        x += self.c
        return sigmoid_(x)

    def mean_visible(self, h):
        x = h @ self.W.T
        x += self.b
        return sigmoid_(x)

    def sweep(self):
        """One sweep of every chain; returns the last P(h | v)."""
        self.v = self.bernoulli(self.mean_visible(self.h))
        p = self.mean_hidden(self.v)
        self.h = self.bernoulli(p)
        return p

    def moments(self, data):
        """Sums of v p', v and p over data."""
        p = self.mean_hidden(data)
        return data.T @ p, data.sum(axis=0), p.sum(axis=0)

    def free_energy(self, v):
        """-b'v - sum_j softplus(c_j + (v'W)_j), with softplus(x) = max(x, 0) + log1p(exp(-|x|))."""
        x = v @ self.W
        x += self.c
        total = np.maximum(x, 0).sum(axis=1)
        np.abs(x, out=x)
        np.negative(x, out=x)
        np.exp(x, out=x)
        np.log1p(x, out=x)
        return -(v @ self.b) - total - x.sum(axis=1)

    def pcd_update(self, data, learning_rate):
        """One update by persistent contrastive divergence with one sweep."""
        positive, negative = self.mean_hidden(data), self.sweep()
        self.follow(data, positive, self.v, negative, learning_rate)

    def cd_update(self, data, learning_rate):
        """One update by contrastive divergence with one sweep."""
        positive = self.mean_hidden(data)
        v = self.bernoulli(self.mean_visible(self.bernoulli(positive)))
        self.follow(data, positive, v, self.mean_hidden(v), learning_rate)

    def follow(self, data, positive, v, negative, learning_rate):
        """theta <- theta + learning_rate (<v p'>_data - <v p'>_model), and likewise for the biases."""
        gradient = data.T @ positive
        gradient *= np.float32(learning_rate / len(data))
        other = v.T @ negative
        other *= np.float32(learning_rate / len(v))
        gradient -= other
        self.W += gradient
        self.b += np.float32(learning_rate) * (data.mean(axis=0) - v.mean(axis=0))
        self.c += np.float32(learning_rate) * (positive.mean(axis=0) - negative.mean(axis=0))


N_VISIBLE, N_HIDDEN = 784, 500


def problem(n_chains, n_visible=N_VISIBLE, n_hidden=N_HIDDEN, seed=0):
    """(weights, visible bias, hidden bias, states): weights N(0, 0.05^2), states one fifth on."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 0.05, (n_visible, n_hidden)).astype(np.float32)
    states = (rng.random((n_chains, n_visible)) < 0.2).astype(np.uint8)
    return weights, np.zeros(n_visible, np.float32), np.zeros(n_hidden, np.float32), states


def check_sweep(rbm, numpy_rbm, states):
    """One sweep draws from the baseline's P(v | h) and P(h | v): in each layer the number of units that are on is
    the expected one within 6 standard errors sqrt(sum p (1 - p)), which chance exceeds twice in 10^9."""
    chains = Chains(rbm, len(states), seed=1, start=states)
    p = numpy_rbm.mean_visible(chains.hidden.astype(np.float32)).astype(np.float64)
    chains.sweep(1)
    q = numpy_rbm.mean_hidden(chains.visible.astype(np.float32)).astype(np.float64)
    for layer, drawn, mean in (("visible", chains.visible, p), ("hidden", chains.hidden, q)):
        error = np.sqrt((mean * (1 - mean)).sum())
        off = abs((drawn - mean).sum())
        _check(
            off <= 6 * error + 1, f"the sweep's {layer} units are on {off:.0f} times more or less often than expected"
        )


def check_mean_hidden(rbm, states, theirs, who):
    """A peer computes the same conditional distribution: within the rounding of a float32 sum of 784 terms."""
    difference = np.abs(rbm.mean_hidden(states) - np.asarray(theirs)).max()
    _check(difference < 1e-5, f"P(h | v) of {who} differs by {difference:g}")


def check_update(rbm, numpy_rbm, data, states):
    """A PCD update from given chains moves the parameters as the baseline's formula says for the same states."""
    pcd = PCD(n_chains=len(states), n_sweeps=1, seed=2)
    gradient = pcd(rbm, data)
    assert pcd.chains is not None
    swept = pcd.chains.visible.astype(np.float32)
    positive, negative = numpy_rbm.mean_hidden(data.astype(np.float32)), numpy_rbm.mean_hidden(swept)
    expected = data.T.astype(np.float32) @ positive / len(data) - swept.T @ negative / len(swept)
    difference = np.abs(gradient.weights - expected).max()
    _check(difference < 1e-5, f"the gradient differs from the baseline's by {difference:g}")


def _check(right: bool, message: str) -> None:
    if not right:
        raise ArithmeticError(message)
