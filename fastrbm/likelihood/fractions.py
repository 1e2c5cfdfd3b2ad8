"""Free energies of visible units that hold fractions: the same bits on any machine; of 0 and 1, as for bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core import threads, workload
from .._core.dispatch import kernels
from .._core.layout import FIXED_BITS, to_fixed_point
from ..sampling.gibbs import fixed_numbers
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
        sent = fixed_numbers(states[part], p.to_hidden)
        used = threads.resolve(n_threads, workload.FRACTION * len(numbers) * shape[0] * shape[1])
        kernels.cgf_sums_of_fractions(sent, p.to_hidden, one, out[part], used)
        values = rbm.visible.off + rbm.visible.step * (numbers * 2.0**-FIXED_BITS)
        out[part] += _bias_sums(values, p.wide_visible_bias)
    return -out


def _bias_sums(values: np.ndarray, wide_bias: np.ndarray) -> np.ndarray:
    """b'v, added up as kernels.bias_sums does: within each eight units, then these."""
    terms = np.zeros((len(values), -(-wide_bias.size // 8) * 8))
    np.multiply(values, wide_bias, out=terms[:, : wide_bias.size])
    total = np.zeros((len(values), terms.shape[1] // 8))
    for k in range(8):
        total += terms[:, k::8]
    return np.add.accumulate(total, axis=1)[:, -1]
