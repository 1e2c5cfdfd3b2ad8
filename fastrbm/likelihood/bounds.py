"""Lower bounds of log Z that hold whatever a sampler saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .._core import floatmath, threads
from ..sampling.model import model
from ..states.bits import BitMatrix

if TYPE_CHECKING:
    from ..rbm import RBM

_NUMBERS = 1 << 20  # fields at a time: bounds the memory


def lower_bound(rbm: RBM, X: ArrayLike | None = None, n_threads: int | None = None) -> float:
    """A number that log Z is not below, in nats: the larger of two sums that are parts of Z.

    Z = sum_h m(h), with m(h) = sum_v exp(-E(v, h)) = exp(c'h + sum_i cgf_i(b_i + (W h)_i)). The states in which no
    hidden unit is on, and in which one is, are H + 1 terms of it. A mode that a single hidden unit switches on is seen
    so, even where no chain found it. And Z = sum_v exp(-F(v)), of which the different examples of X are some terms; F
    takes the weights on the kernels' grid (:attr:`RBM.grid`), which may move this sum by 1e-5 nats or so.

    Parameters
    ----------
    rbm : RBM
    X : array (n, columns) or BitMatrix, optional
        Any states of the visible layer: data, samples.
    n_threads : int, optional
        No effect on the result.

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.bars_and_stripes(2)
    >>> rbm = fr.RBM.from_data(X, n_hidden=4, seed=0)
    >>> fr.likelihood.lower_bound(rbm, X) <= fr.likelihood.exact(rbm).value
    True
    """
    threads.resolve(n_threads)
    bound = log_sum(hidden_masses(model(rbm)))
    if X is None:
        return bound
    states = rbm._states(X, "X")
    return max(bound, visible_mass(rbm, states, n_threads)) if len(states) else bound


def hidden_masses(rbm: RBM) -> np.ndarray:
    """log m(h) of the state in which no hidden unit is on, then of those in which one is, float64 (H + 1,)."""
    hidden, W = rbm.hidden, rbm.weights.T
    c = rbm.hidden_bias.astype(np.float64)
    fields = fields_of_none(rbm)
    biases = hidden.off * floatmath.total(c)
    out = np.empty(rbm.n_hidden + 1)
    out[0] = biases + floatmath.total(rbm.visible.cgf(fields))
    rows = max(1, _NUMBERS // rbm.n_visible)
    for start in range(0, rbm.n_hidden, rows):
        part = slice(start, min(start + rows, rbm.n_hidden))
        own = fields + hidden.step * W[part].astype(np.float64)
        out[1:][part] = biases + hidden.step * c[part] + floatmath.row_sums(rbm.visible.cgf(own))
    return out


def fields_of_none(rbm: RBM) -> np.ndarray:
    """b + W h where no hidden unit is on, float64 (V,)."""
    b = rbm.visible_bias.astype(np.float64)
    if not rbm.hidden.off:
        return b
    return b + rbm.hidden.off * floatmath.row_sums(rbm.weights)


def visible_mass(rbm: RBM, states: BitMatrix, n_threads: int | None = None) -> float:
    """log of the sum of exp(-F(v)) over the different ones of these states."""
    _, first = np.unique(np.ascontiguousarray(states.planes.T), axis=0, return_index=True)
    return log_sum(-rbm._free_energy(states[np.sort(first)], n_threads))


def log_sum(values: np.ndarray) -> float:
    """log sum exp, its terms added one after the other: the same bits on any machine."""
    top = float(values.max())
    return top + float(floatmath.log(floatmath.total(floatmath.exp(np.maximum(values - top, -708.0)))))
