"""The mean of importance weights: its logarithm, and how far that may be off."""

from __future__ import annotations

import math

import numpy as np

from .._core import floatmath
from ..sampling.resampling import normalized

# A mean of weights that are not negative exceeds k times its expectation with a probability of at most 1/k (Markov),
# here that of a normal number beyond three sigma: however skew the weights, log Z is above AIS less this, and below
# reverse AIS from exact samples plus this.
MARKOV = -math.log(0.5 * math.erfc(3 / math.sqrt(2)))


def mean_weight(log_weights: np.ndarray) -> tuple[float, float, float]:
    """(log of the mean weight, its standard error relative to it, effective sample size)."""
    n = len(log_weights)
    w, top = normalized(log_weights)
    total, squares = floatmath.total(w), floatmath.total(w * w)
    mean = total / n
    # the sum over chains of (w - mean)^2, over n (n - 1), is the variance of the mean
    error = math.sqrt(max(squares - n * mean * mean, 0.0) / (n * (n - 1))) / mean if n > 1 else math.inf
    return top + float(floatmath.log(mean)), error, total * total / squares


def width(error: float) -> float:
    return -float(floatmath.log(1 - 3 * error)) if 3 * error < 1 else math.inf
