"""Free energies of visible units that hold fractions: the same bits on any machine; of 0 and 1, as for bits."""

from __future__ import annotations

import numpy as np

from . import _gibbs, _threads, _work
from ._kernels import FIXED_BITS, kernels
from .bits import BitMatrix
from .rbm import RBM


def free_energy(rbm: RBM, states: BitMatrix | np.ndarray, n_threads: int | None = None) -> np.ndarray:
    """-b'v - sum_j softplus(c_j + (v'W)_j) of checked states, bits or float64 (n, V) of fractions, float64 (n,).

    Fractions enter as multiples of 2^-22, weights on the kernels' grid.
    """
    if isinstance(states, BitMatrix):
        return rbm.free_energy(states, n_threads)
    p, n, connections = rbm._parameters, len(states), rbm.n_visible * rbm.n_hidden
    out, one = np.empty(n), np.ones(1)
    for part in _work.parts(n, _work.float_product(rbm.n_visible, rbm.n_hidden)):
        numbers = _gibbs.on_grid(states[part])
        threads = _threads.resolve(n_threads, _gibbs.FRACTION * len(numbers) * connections)
        kernels.softplus_sums_of_fractions(numbers, p.to_hidden, one, out[part], threads)
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
