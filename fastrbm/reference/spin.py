"""Spins: -1 or 1, U(s) = -b s, cgf(f) = log(2 cosh f)."""

import numpy as np

OFF, ON = -1.0, 1.0  # its two values


def kink(log_odds):
    """cgf less log(1 + exp(-|log odds|)); the log odds are twice the field."""
    return np.abs(log_odds) * 0.5
