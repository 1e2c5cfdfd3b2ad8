"""Base-rate models: independent visible units, from which paths go up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .._core import floatmath
from .._core.layout import REAL_RANGE

if TYPE_CHECKING:
    from ..rbm import RBM
    from ..units.unit import Unit

_LARGEST_BIAS = 1e29  # of the base-rate model that is chosen here: any will do, but parameters have a bound


def hot_bias(rbm: RBM) -> np.ndarray:
    """b + W E[h] at beta 0, float32 (V,): sums in one order, so the same bits on any machine."""
    hidden = rbm.hidden
    if hidden.real:
        inputs = floatmath.row_sums(rbm.weights, hidden.with_beta(0.0).mean_of(np.zeros(hidden.n)))
    else:
        inputs = (hidden.off + 0.5 * hidden.step) * floatmath.row_sums(rbm.weights)
    return bounded(rbm.visible_bias + inputs, rbm.visible)


def largest_bias(visible: Unit) -> np.ndarray:
    """Below which biases take the means of real units by themselves, as they are at beta 0, no farther than values go,
    float64 (V,); infinite for other units."""
    widths = np.square(visible.sides()[2:4].max(axis=0))  # 1 / gamma, 0 of units that are not real
    with np.errstate(divide="ignore"):
        return np.float64(REAL_RANGE) / widths


def bounded(bias: np.ndarray, visible: Unit) -> np.ndarray:
    """The bias of a base-rate model, float32, that is like this one, float64 (V,), within the bounds of parameters, and
    of values of real units."""
    most = np.minimum(largest_bias(visible) * (1.0 - 2.0**-10), _LARGEST_BIAS)
    return bias.clip(-most, most).astype(np.float32)


def data_bias(rbm: RBM, data: ArrayLike) -> np.ndarray:
    """The bias of independent units, as they are at beta 0, that have the smoothed means of data, float32 (V,)."""
    return rbm._bias_of(rbm._states(data, "data", fractions=True))
