"""Bernoulli units: 0 or 1, U(x) = -b x, cgf(f) = softplus(f)."""

import numpy as np

OFF, ON = 0.0, 1.0  # its two values


def kink(log_odds):
    """cgf less log(1 + exp(-|log odds|))."""
    return np.maximum(log_odds, 0.0)
