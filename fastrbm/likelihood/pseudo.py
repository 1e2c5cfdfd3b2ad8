"""Pseudo-log-likelihood, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .._core import floatmath, threads, workload
from .._core.dispatch import kernels
from .._core.layout import FIXED_BITS, to_fixed_point
from ..sampling.model import model
from ..states.bits import BitMatrix
from .fractions import free_energy

if TYPE_CHECKING:
    from ..rbm import RBM

_CAPACITY = 600.0  # a product of factors exp(+-w) stays in float64's range while the sum of |w| is below this
_FLIP = 32  # connections that a flip costs each hidden unit; see threads.PASS


def pseudo(rbm: RBM, X: ArrayLike, n_threads: int | None = None) -> np.ndarray:
    """sum_i log p(v_i | v_1 .. v_V without v_i) of each example, over all units: deterministic, no log Z, no sampling.

    log p(v_i | rest) = -softplus(-+(b_i + sum_j [softplus(f_j with v_i on) - softplus(f_j with v_i off)])), where the
    fields f = c + W'v are computed once per example (Besag 1975). Costs two multiplications for each weight and
    example. The fields are on the kernels' grid (:attr:`RBM.grid`), the flips are not.

    Parameters
    ----------
    rbm : RBM
    X : array (n, V) or BitMatrix, of 0 and 1

    Returns
    -------
    float64 (n,), in nats, the same bits on any machine.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrbm as fr
    >>> bool(np.isclose(fr.likelihood.pseudo(fr.RBM(np.zeros((10, 3))), np.zeros((1, 10))), -10 * np.log(2)))
    True
    """
    return pseudo_of(rbm, model(rbm)._states(X, "X"), n_threads)


def pseudo_of(rbm: RBM, states: BitMatrix | np.ndarray, n_threads: int | None = None, every: int = 1) -> np.ndarray:
    """pseudo, of checked states, which may be fractions, float64 (n, V): sum_i log(p(v) / (p(v) + p(v'))), where v' is
    v with v_i turned into 1 - v_i. every: of example k only the units i with i mod every = k mod every (fractions
    alone).
    """
    threads.resolve(n_threads)
    p = rbm._parameters
    layer, bias = p.to_hidden, p.visible_bias.astype(np.float64)
    largest = float(np.abs(layer.tiles_array).max())
    if largest > _CAPACITY:
        return _by_flips(rbm, states, n_threads, every)
    n = states.shape[0]
    out = np.empty(n)
    capacity = max(1, int(_CAPACITY / max(largest, 1e-3)))
    shape = rbm.n_visible, rbm.n_hidden
    if isinstance(states, BitMatrix):
        parts = workload.parts(n, workload.pseudo(*shape))
    else:
        parts = workload.fraction_parts(n, workload.pseudo_of_fractions(*shape, every), rbm.n_visible, 32 * every)
    for part in parts:
        used = threads.resolve(n_threads, _FLIP * (part.stop - part.start) * shape[0] * shape[1] // every)
        if isinstance(states, BitMatrix):
            kernels.pseudo_sums(states._planes[:, part], layer, bias, capacity, out[part], used)
        else:
            numbers = to_fixed_point(states[part])
            kernels.pseudo_sums_of_fractions(numbers, layer, bias, capacity, every, out[part], used)
    return out


def _by_flips(rbm: RBM, states: BitMatrix | np.ndarray, n_threads: int | None, every: int = 1) -> np.ndarray:
    """The same from V + 1 free energies per example, for weights whose exponentials leave float64's range."""
    flipped: BitMatrix | np.ndarray
    if isinstance(states, BitMatrix):
        flipped = states.copy()
    else:
        flipped = to_fixed_point(states) * 2.0**-FIXED_BITS  # on which 1 - (1 - v) is v
    free, out = free_energy(rbm, states, n_threads), np.zeros(states.shape[0])
    for unit in range(rbm.n_visible):
        _flip(flipped, unit)
        rows = slice(unit % every, None, every)
        out[rows] -= floatmath.softplus((free - free_energy(rbm, flipped, n_threads))[rows])
        _flip(flipped, unit)
    return out


def _flip(states: BitMatrix | np.ndarray, unit: int) -> None:
    if isinstance(states, BitMatrix):
        states._planes[unit // 8] ^= np.uint8(1 << unit % 8)
    else:
        states[:, unit] = 1.0 - states[:, unit]
