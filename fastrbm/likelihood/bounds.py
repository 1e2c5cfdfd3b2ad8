"""Lower bounds of log Z that hold whatever a sampler saw."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .._core import floatmath, threads
from ..sampling.model import model
from ..sampling.modes import log_masses, single_parts
from ..states.bits import BitMatrix, packed

if TYPE_CHECKING:
    from ..rbm import RBM

_NUMBERS = 1 << 20  # fields at a time: bounds the memory


def lower_bound(rbm: RBM, X: ArrayLike | None = None, n_threads: int | None = None) -> float:
    """A number that log Z is not below, in nats: the larger of two sums that are parts of Z. -inf where neither is one.

        Z = sum_h m(h),    m(h) = sum_v exp(-E(v, h)) = exp(c'h + sum_i cgf_i(b_i + (W h)_i))

    The states in which no hidden unit is on, and those in which one is, are `H + 1` terms of the sum. A mode that a
    single hidden unit switches on is seen so, even where no chain found it. The second sum is

        Z = sum_v exp(-F(v)),

    of which the different examples of X are some terms. F takes the weights on the kernels' grid (:attr:`RBM.grid`),
    which may move this sum by 1e-5 nats or so.

    A layer with real units has an integral in the place of its sum, of which single states are no part: so the first
    sum is only there where hidden units have two values, the second one where no visible unit is real.

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
    bound = -math.inf if model(rbm).hidden.real else log_sum(hidden_masses(rbm))
    if X is None:
        return bound
    states = rbm._states(X, "X")
    return max(bound, visible_mass(rbm, states, n_threads)) if len(states) and not rbm.visible.real else bound


def hidden_masses(rbm: RBM) -> np.ndarray:
    """log m(h) of the state in which no hidden unit is on, then of those in which one is, float64 (H + 1,). Of real
    units the state of zeros, then those of single_parts: logarithms of a density."""
    if rbm.hidden.real:
        parts = np.concatenate([np.zeros((1, rbm.n_hidden), np.int32), single_parts(rbm)])
        return log_masses(rbm, packed(parts, rbm.hidden))
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


def fields_of_single(rbm: RBM, state: int) -> np.ndarray:
    """b + W h of one of the states of hidden_masses, float64 (V,)."""
    fields = fields_of_none(rbm)
    if state == 0:
        return fields
    if not rbm.hidden.real:
        return fields + rbm.hidden.step * rbm.weights[:, state - 1].astype(np.float64)
    h = rbm.hidden.unit_values(single_parts(rbm)[state - 1 : state])[0]
    unit = (state - 1) % rbm.n_hidden
    return fields + h[unit] * rbm.weights[:, unit].astype(np.float64)


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
