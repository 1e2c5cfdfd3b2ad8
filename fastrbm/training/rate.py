"""The learning rate that is taken where none is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core.defaults import RATE, REAL_RATE, REALS_RATE

if TYPE_CHECKING:
    from ..rbm import RBM


def default_rate(rbm: RBM) -> float:
    """The rate of SGD at the start: 0.1, of real visible units 0.01, and 0.003 where hidden units are real, too.

    Where only hidden units are real it is 0.1, halved until it is at most one by the sum of the variances of the
    visible units, as their biases alone have them. An update of the weights of a hidden unit changes its input by about
    this sum times its own mean and the rate, and no bound of the mean keeps that small.
    """
    if rbm.visible.real:
        return REALS_RATE if rbm.hidden.real else REAL_RATE
    rate = RATE
    if rbm.hidden.real:
        off, step = rbm.visible.off, rbm.visible.step
        mean = rbm.visible.mean_of(rbm.visible_bias.astype(np.float64))
        spread = float(((mean - off) * (off + step - mean)).sum())
        while rate * spread > 1.0:
            rate *= 0.5
    return rate
