"""Free energies of visible units that hold fractions: the same bits on any machine; of 0 and 1, as for bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core import threads, workload
from .._core.dispatch import kernels
from .._core.layout import FIXED_BITS, to_fixed_point
from ..states.bits import BitMatrix

if TYPE_CHECKING:
    from ..rbm import RBM


def free_energy(rbm: RBM, states: BitMatrix | np.ndarray, n_threads: int | None = None) -> np.ndarray:
    """-b'v - sum_j softplus(c_j + (v'W)_j) of checked states, bits or float64 (n, V) of fractions, float64 (n,).

    Fractions enter as multiples of 2^-22, weights on the kernels' grid.
    """
    if isinstance(states, BitMatrix):
        return rbm.free_energy(states, n_threads)
    p, n, shape = rbm._parameters, len(states), (rbm.n_visible, rbm.n_hidden)
    out, one = np.empty(n), np.ones(1)
    for part in workload.fraction_parts(n, workload.free_energy_of_fractions(*shape), rbm.n_visible):
        numbers = to_fixed_point(states[part])
        used = threads.resolve(n_threads, workload.FRACTION * len(numbers) * shape[0] * shape[1])
        kernels.softplus_sums_of_fractions(numbers, p.to_hidden, one, out[part], used)
        out[part] += _bias_sums(numbers, p.wide_visible_bias)
    return -out


def _bias_sums(numbers: np.ndarray, wide_bias: np.ndarray) -> np.ndarray:
    """b'v of numbers in units of 2^-22, added up as kernels.bias_sums does: within each eight units, then these."""
    terms = np.zeros((len(numbers), wide_bias.size))
    np.multiply(numbers, wide_bias[: numbers.shape[1]] * 2.0**-FIXED_BITS, out=terms[:, : numbers.shape[1]])
    total = np.zeros((len(numbers), wide_bias.size // 8))
    for k in range(8):
        total += terms[:, k::8]
    return np.add.accumulate(total, axis=1)[:, -1]
