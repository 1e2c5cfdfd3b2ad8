"""The learning rate that is taken where none is chosen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .._core.defaults import RATE, REAL_RATE, REALS_RATE

if TYPE_CHECKING:
    from ..rbm import RBM


_REAL_STEP = 5.0  # bench/NOTES.md: trainings diverge from about five times this on


def default_rate(rbm: RBM) -> float:
    """The rate of SGD at the start: 0.1, and 0.003 where both layers have real units.

    Where only visible units are real it is 0.1, halved until it is at most 5 / (d^2 sqrt(V H)), with the distance d
    between the two values of a hidden unit; and at least 0.01. An update changes the input of a hidden unit by about
    the rate times V, if all columns say the same, and the mean of a visible one by the rate times H: where the product
    of both is too large, they chase each other.

    Where only hidden units are real it is 0.1, halved until it is at most one by the sum of the variances of the
    visible units, as their biases alone have them. An update of the weights of a hidden unit changes its input by about
    this sum times its own mean and the rate, and no bound of the mean keeps that small.
    """
    if rbm.visible.real and rbm.hidden.real:
        return REALS_RATE
    rate = RATE
    if rbm.visible.real:
        while rate * rbm.hidden.step**2 * math.sqrt(rbm.n_visible * rbm.n_hidden) > _REAL_STEP:
            rate *= 0.5
        return max(rate, REAL_RATE)
    if rbm.hidden.real:
        off, step = rbm.visible.off, rbm.visible.step
        mean = rbm.visible.mean_of(rbm.visible_bias.astype(np.float64))
        spread = float(((mean - off) * (off + step - mean)).sum())
        while rate * spread > 1.0:
            rate *= 0.5
    return rate
