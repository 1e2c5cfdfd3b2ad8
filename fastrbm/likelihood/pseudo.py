"""Pseudo-log-likelihood, exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .. import _threads, _work, reference
from .._kernels import kernels
from ..bits import BitMatrix
from ..rbm import RBM, model

_ROOM = 600.0  # a product of factors exp(+-w) stays in float64's range while the sum of |w| is below this


def pseudo(rbm: RBM, X: ArrayLike, n_threads: int | None = None) -> np.ndarray:
    """sum_i log p(v_i | v_1 .. v_V without v_i) of each case, over all units: deterministic, no log Z, no sampling.

    log p(v_i | rest) = -softplus(-+(b_i + sum_j [softplus(f_j with v_i on) - softplus(f_j with v_i off)])), where the
    fields f = c + W'v are computed once a case (Besag 1975). Costs two multiplications for each weight and case. The
    fields are on the kernels' grid (:attr:`RBM.grid`), the flips are not.

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
    bits = model(rbm)._states(X, "X")
    _threads.resolve(n_threads)
    largest = float(np.abs(rbm.weights).max())
    if largest > _ROOM:
        return _by_flips(rbm, bits, n_threads)
    out = np.empty(len(bits))
    W = np.zeros((rbm.n_visible, -(-rbm.n_hidden // 8) * 8))
    W[:, : rbm.n_hidden] = rbm.weights
    small = reference.exp_negative_d(-np.abs(W))
    up, down = np.where(W > 0, 1.0 / small, small), np.where(W > 0, small, 1.0 / small)
    room = max(1, int(_ROOM / max(largest, 1e-3)))
    bias = rbm.visible_bias.astype(np.float64)
    for part in _work.parts(len(bits), _work.pseudo(rbm.n_visible, rbm.n_hidden)):
        threads = _threads.resolve(n_threads, (part.stop - part.start) * W.size)
        planes, layer = bits.planes[:, part], rbm._parameters.to_hidden
        kernels.pseudo_sums(planes, layer, up, down, bias, room, out[part], threads)
    return out


def _by_flips(rbm: RBM, bits: BitMatrix, n_threads: int | None) -> np.ndarray:
    """The same from V + 1 free energies a case, for weights whose exponentials leave float64's range."""
    free, flipped, out = rbm.free_energy(bits, n_threads), bits.copy(), np.zeros(len(bits))
    for unit in range(rbm.n_visible):
        flipped.planes[unit // 8] ^= np.uint8(1 << unit % 8)
        out -= reference.softplus(free - rbm.free_energy(flipped, n_threads))
        flipped.planes[unit // 8] ^= np.uint8(1 << unit % 8)
    return out
