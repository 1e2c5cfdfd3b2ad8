"""Energies and free energies of states, by weights on the kernels' grid: the same bits on any machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core import floatmath, threads, workload
from .._core.dispatch import kernels
from ..states.bits import BitMatrix

if TYPE_CHECKING:
    from ..rbm import RBM
    from ..units.unit import Unit

_SUMS = 1 << 22  # that are kept at a time: bounds the memory


def energies(rbm: RBM, visible: BitMatrix, hidden: BitMatrix, n_threads: int | None) -> np.ndarray:
    """E(v, h) of each pair of states, float64 (n,)."""
    p, n = rbm._parameters, len(visible)
    result = _bias_sums(visible, rbm.visible, p.wide_visible_bias)
    result += _bias_sums(hidden, rbm.hidden, p.wide_hidden_bias)
    all_inputs = _all_inputs(rbm) if rbm.visible.layout is None and rbm.visible.shifted else 0
    for unit, states in ((rbm.visible, visible), (rbm.hidden, hidden)):
        if unit.real:
            result -= unit.own_energy(states.to_states())
    own = slice(None) if p.division is None else p.division.hidden.own_units
    n_hidden = rbm.n_hidden if p.division is None else p.division.own_hidden
    for part in workload.parts(n, workload.half_step(*p.shape), most=max(1, _SUMS // rbm.n_hidden)):
        if rbm.visible.real or rbm.hidden.real:
            result[part] += _pairs(rbm, visible[part], hidden[part])
            continue
        acc = np.zeros((part.stop - part.start, n_hidden), np.int32)
        used = threads.resolve(n_threads, acc.size * rbm.n_visible)
        # int64 sums of int32 are exact
        if n_hidden == 0:
            sent = acc.astype(np.int64)
        elif rbm.visible.layout is None:
            kernels.product(visible.planes[:, part], p.to_hidden.tiles_array, p.to_hidden.exponent, acc, used)
            sent = int(rbm.visible.step) * acc.astype(np.int64) + int(rbm.visible.off) * all_inputs
        else:
            kernels.inputs(visible.planes[:, part], p.to_hidden, acc, used)
            sent = acc.astype(np.int64)
        values = rbm.hidden.values(hidden[part].to_states())[:, own]
        pairs = np.einsum("ij,ij->i", sent, values, dtype=np.int64)
        if p.division is not None:
            pairs = p.division.ranks.total(pairs)
        result[part] += pairs * 2.0**-p.to_hidden.exponent
    return -result


def _pairs(rbm: RBM, visible: BitMatrix, hidden: BitMatrix) -> np.ndarray:
    """v'W h of each pair of states, some of whose units are real: weights on the grid, so that v'W is exact."""
    scale = 2.0**rbm._parameters.to_hidden.exponent
    weights = np.rint(rbm.weights * np.float32(scale)).astype(np.float64)
    values = rbm.visible.unit_values(visible.to_states())
    inputs = np.einsum("ij,jk->ik", values, weights) / scale
    return floatmath.row_sums(inputs * rbm.hidden.unit_values(hidden.to_states()))


def free_energies(rbm: RBM, bits: BitMatrix, n_threads: int | None) -> np.ndarray:
    """F(v) of each state, float64 (n,)."""
    p = rbm._parameters
    result = np.empty(len(bits))
    one = np.ones(1)
    for part in workload.parts(len(bits), workload.free_energy(*p.shape)):
        used = threads.resolve(n_threads, (part.stop - part.start) * rbm.n_visible * rbm.n_hidden)
        kernels.cgf_sums(bits.planes[:, part], p.to_hidden, one, result[part], used)
    result = -(result + _bias_sums(bits, rbm.visible, p.wide_visible_bias))
    return result + rbm.visible.own_energy(bits.to_states()) if rbm.visible.real else result


def _all_inputs(rbm: RBM) -> np.ndarray:
    """The sums of all the integers that the weights of each hidden unit are in the kernels, int64 (H,)."""
    to_hidden, division = rbm._parameters.to_hidden, rbm._parameters.division
    n_hidden = rbm.n_hidden if division is None else division.own_hidden
    on, out = BitMatrix.from_states(np.ones((1, rbm.n_visible), np.uint8)), np.empty((1, n_hidden), np.int32)
    if n_hidden:
        kernels.product(on.planes, to_hidden.tiles_array, to_hidden.exponent, out, 1)
    return out[0].astype(np.int64)


def _bias_sums(states: BitMatrix, unit: Unit, wide_bias: np.ndarray) -> np.ndarray:
    """sum_i bias_i value_i of each state."""
    out = np.empty(len(states))
    for part in workload.parts(len(states), workload.elements(states.n_units)):
        name = unit.name if unit.layout is None else "bernoulli"
        kernels.bias_sums(states.planes[:, part], name, states.segments, wide_bias, out[part], 1)
    return out
