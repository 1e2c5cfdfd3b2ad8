"""Fields, free energies and pseudo-likelihoods of visible units that hold any numbers, as float64.

The kernels take bits; scikit-learn's users also pass fractions, and its checks anything at all.
"""

from __future__ import annotations

import numpy as np

from ._cases import parts_of
from ._source import dense
from .bits import BitMatrix
from .likelihood import pseudo as pseudo_of_bits
from .rbm import RBM


def fields(rbm: RBM, v) -> np.ndarray:
    """c + W'v, (n, H)."""
    return dense(v) @ rbm.weights.astype(np.float64) + rbm.hidden_bias


def free_energy(rbm: RBM, v) -> np.ndarray:
    """-b'v - sum_j softplus(c_j + (v'W)_j), (n,)."""
    v = dense(v)
    return -(v @ rbm.visible_bias.astype(np.float64)) - np.logaddexp(0.0, fields(rbm, v)).sum(axis=1)


def pseudo(rbm: RBM, states, n_threads: int | None = None) -> np.ndarray:
    """sum_i log sigmoid(F(v') - F(v)), where v' is v with v_i turned into 1 - v_i, (n,): the pseudo-log-likelihood."""
    if isinstance(states, BitMatrix):
        return pseudo_of_bits(rbm, states, n_threads)
    W, b = rbm.weights.astype(np.float64), rbm.visible_bias.astype(np.float64)
    out = np.zeros(states.shape[0])
    for rows, part in parts_of(states):
        v = dense(part)
        now = fields(rbm, v)
        total = np.logaddexp(0.0, now).sum(axis=1)
        for i in range(v.shape[1]):
            change = 1.0 - 2.0 * v[:, i]
            flipped = np.logaddexp(0.0, now + np.outer(change, W[i])).sum(axis=1)
            out[rows] -= np.logaddexp(0.0, change * b[i] + flipped - total)
    return out
