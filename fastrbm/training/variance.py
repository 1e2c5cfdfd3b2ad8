"""Variances of Gaussian visible units, which training changes beside weights and biases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core import defaults, floatmath
from .._core.layout import REAL_BITS
from ..states.bits import CodeMatrix

if TYPE_CHECKING:
    from ..rbm import RBM
    from ..sampling.chains import Chains
    from ..states.bits import BitMatrix

SMALLEST, LARGEST = 2.0**-4, 2.0**10  # of gamma: standard deviations of 4 and of 1/32, in those of the data
_MOST = 0.1  # that log gamma moves in an update


def update(
    rbm: RBM, batch: BitMatrix, weight: np.ndarray | None, mean_weight: float, chains: Chains, progress: float
) -> None:
    """Move log gamma of the model's Gaussian visible units along its gradient,

        d log p / d log gamma = -gamma (<z^2>_data - <z^2>_model) / 2,

    by a batch and the states of chains, at a rate of its own that falls to 0 linearly. A step is at most 0.1, and gamma
    stays between 2^-4 and 2^10: outliers, and columns that are constant, have no limit by themselves.
    """
    visible = rbm.visible
    given = visible.gammas
    assert given is not None  # fit asks for it
    gamma = given.astype(np.float64)
    scale = 1.0 if weight is None else float(np.add.accumulate(weight)[-1]) / (len(batch) * mean_weight)
    apart = (_mean_squares(batch, weight) - _mean_squares(chains.visible_bits, None)) * scale
    step = (defaults.VARIANCE_RATE * (1.0 - progress)) * (-0.5 * gamma * apart)
    moved = (gamma * floatmath.exp(step.clip(-_MOST, _MOST))).clip(SMALLEST, LARGEST)
    rbm._take(rbm._parameters.with_units((visible.with_gammas(moved), rbm.hidden)))


def _mean_squares(states: BitMatrix, weight: np.ndarray | None) -> np.ndarray:
    """<z^2> of each real unit, float64 (V,): sums of whole numbers, or one after the other."""
    if weight is None:
        assert isinstance(states, CodeMatrix)  # as states with real units are
        return states.squares() / (float(len(states)) * float(1 << 2 * REAL_BITS))
    sums = np.add.accumulate(weight[:, None] * np.square(states.to_values()), axis=0)[-1]
    return sums / float(np.add.accumulate(weight)[-1])


def visible_size(rbm: RBM) -> float:
    """How many visible units there are; a Gaussian one of a small variance, whose free energies are the larger for it,
    counts as several."""
    root = rbm.visible.sides()[2]  # 1 / sqrt(gamma)
    return float(np.maximum(1.0, 1.0 / np.square(np.where(root > 0, root, 1.0))).sum())
