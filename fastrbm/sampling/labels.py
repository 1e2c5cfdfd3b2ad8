"""The distribution of one column, the label, given all the others; exactly, and what its gradient sums up."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .._core import floatmath, threads, workload
from .._core.dispatch import kernels
from .._core.layout import FIXED_BITS, TILE
from .._core.segments import segments_of
from ..states.bits import BitMatrix
from . import gibbs
from .columns import LabelColumn

if TYPE_CHECKING:
    from ..rbm import RBM

_CAPACITY = 600.0  # a product of factors exp(+-w) stays in float64's range while the sum of |w| is below this
_STATE = 8  # connections that a state of the label costs each hidden unit; see threads.PASS


class LabelSums(NamedTuple):
    """Sums over examples: see src/labels.pxi. fixed-point numbers are those of Moments.

    positive, negative : float32 (tiles, 8 ceil(n/8), 64)
        P(h on | x, y), and its mean over p(y | x), each times 2^22.
    pairs : float64 (states, H)
        Sums of weight p(y = a | x) P(h on | x, y = a), times 2^22.
    counts : float64 (states,)
        Sums of weight p(y = a | x), times 2^22.
    """

    positive: np.ndarray
    negative: np.ndarray
    pairs: np.ndarray
    counts: np.ndarray


def log_label_probabilities(
    rbm: RBM, column: LabelColumn, states: BitMatrix | np.ndarray, n_threads: int | None = None
) -> np.ndarray:
    """log p(y = a | x), float64 (n, states), of checked states, whose label counts for nothing."""
    out = np.empty((states.shape[0], column.n_states))
    for part in _parts(rbm, column, states):
        _terms(rbm, column, states[part], out[part], None, n_threads)
    return out


def label_sums(
    rbm: RBM, column: LabelColumn, states: BitMatrix | np.ndarray, labels: np.ndarray, weight: np.ndarray | None,
    n_threads: int | None = None,
) -> LabelSums:  # fmt: skip
    """The sums over examples with labels, int32 (n,), of states that hold the labels or do not. weight: of examples,
    float64 (n,) of integers up to 2^22, in units of 2^-22."""
    n = states.shape[0]
    fixed = gibbs.fixed_buffer(n, rbm._parameters), gibbs.fixed_buffer(n, rbm._parameters)
    pairs, counts = np.zeros((column.n_states, rbm.n_hidden)), np.zeros(column.n_states)
    own_pairs, own_counts = np.empty(pairs.shape), np.empty(counts.shape)
    labels = np.ascontiguousarray(labels, np.int32)
    part_of = None if weight is None else weight * 2.0**-FIXED_BITS
    for part in _parts(rbm, column, states):
        length = part.stop - part.start
        own = gibbs.fixed_buffer(length, rbm._parameters), gibbs.fixed_buffer(length, rbm._parameters)
        log_p = np.empty((length, column.n_states))
        sums = (labels[part], None if part_of is None else part_of[part], *own, own_pairs, own_counts)
        _terms(rbm, column, states[part], log_p, sums, n_threads)
        for whole, some in zip(fixed, own, strict=True):
            whole[:, part] = some[:, :length]
        pairs += own_pairs
        counts += own_counts
    return LabelSums(*fixed, pairs, counts)


def drawn_labels(log_p: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """A label for each row of log_p (n, states), by a number from 0 to 1 (n,); int32."""
    ends = np.add.accumulate(floatmath.exp(np.maximum(log_p, -708.0)), axis=1)
    codes = (ends <= uniform[:, None] * ends[:, -1:]).sum(axis=1)
    return np.minimum(codes, log_p.shape[1] - 1).astype(np.int32)


def _parts(rbm: RBM, column: LabelColumn, states: BitMatrix | np.ndarray) -> list[slice]:
    work = workload.labels(rbm.n_visible, rbm.n_hidden, column.n_states)
    if isinstance(states, BitMatrix):
        return workload.parts(len(states), work)
    more = workload.FRACTION * rbm.n_visible * rbm.n_hidden
    return workload.fraction_parts(len(states), work._replace(chain=work.chain + more), rbm.n_visible)


def _terms(
    rbm: RBM, column: LabelColumn, states: BitMatrix | np.ndarray, log_p: np.ndarray, sums: tuple | None,
    n_threads: int | None,
) -> None:  # fmt: skip
    """kernels.label_terms."""
    p = rbm._parameters
    if rbm.hidden.real or rbm.visible.real:
        _by_states(rbm, column, states, log_p, sums)
        return
    rows = p.weights[column.units]
    largest = (1.0 if column.can_miss else 2.0) * column.segment.step * rbm.hidden.step * float(np.abs(rows).max())
    if largest > _CAPACITY:
        _by_states(rbm, column, states, log_p, sums)
        return
    segments = segments_of(rbm.visible.layout or ((rbm.visible.name, rbm.visible.n),))
    used = threads.resolve(n_threads, len(log_p) * rbm.n_hidden * (rbm.n_visible + _STATE * column.n_states))
    planes = numbers = None
    if isinstance(states, BitMatrix):
        planes = column.with_labels(states, None)._planes
    else:
        given = p.to_hidden.given
        numbers = column.numbers(states, None if given is None else given.steps)
    capacity = max(1, int(_CAPACITY / max(largest, 1e-3)))
    kernels.label_terms(
        planes, numbers, p.to_hidden, segments, column.row, column.bit, p.wide_visible_bias, capacity, log_p, sums, used
    )  # fmt: skip


def _by_states(
    rbm: RBM, column: LabelColumn, states: BitMatrix | np.ndarray, log_p: np.ndarray, sums: tuple | None
) -> None:
    """The same from fields for each label, for weights whose exponentials leave float64's range, and for real units."""
    n, hidden = len(log_p), rbm.hidden
    no_label = column.with_labels(states, None)
    fields = fields_of(rbm, no_label)
    rows, bias = _label_rows(rbm, column)
    for state in range(column.n_states):
        cgf = hidden.cgf(fields + rows[state])
        log_p[:, state] = bias[state] + np.add.accumulate(cgf, axis=1)[:, -1]
    log_p -= log_p.max(axis=1, keepdims=True)
    total = np.add.accumulate(floatmath.exp(np.maximum(log_p, -708.0)), axis=1)[:, -1]
    log_p -= floatmath.log(total)[:, None]
    if sums is None:
        return
    labels, weight, positive, negative, pairs, counts = sums
    unit = float(1 << FIXED_BITS)
    share = unit if weight is None else unit * weight[:, None]
    mean, own = np.zeros(fields.shape), np.empty(fields.shape)
    for state in range(column.n_states):
        log_odds = hidden.log_odds(fields + rows[state])
        e = floatmath.exp(np.maximum(-np.abs(log_odds), -708.0))
        on = np.where(log_odds < 0, e, 1.0) / (1.0 + e)
        p = floatmath.exp(np.maximum(log_p[:, state], -708.0))[:, None]
        own[labels == state] = on[labels == state]
        mean += p * on
        pairs[state] = np.rint(p * on * share).sum(axis=0)
        counts[state] = np.rint(p * share).sum()
    for fixed, values in ((positive, own), (negative, mean)):
        for tile in range(len(fixed)):
            some = np.rint(values[:, tile * TILE : (tile + 1) * TILE] * unit)
            fixed[tile, :n, : some.shape[1]] = some


def _label_rows(rbm: RBM, column: LabelColumn) -> tuple[np.ndarray, np.ndarray]:
    """What the label adds to the hidden units' fields in each of its states, beside what it does where it is absent or
    off, float64 (states, H), and its biases' part."""
    weights = rbm.weights[column.units].astype(np.float64)
    bias = rbm.visible_bias[column.units].astype(np.float64)
    if column.can_miss:
        return weights, bias
    step = float(column.segment.step)
    return np.concatenate([0.0 * weights, step * weights]), np.concatenate([0.0 * bias, step * bias])


def fields_of(rbm: RBM, states: BitMatrix | np.ndarray) -> np.ndarray:
    """c + W'x, float64 (n, H), on the kernels' grid."""
    to_hidden = rbm._parameters.to_hidden
    wide = rbm._parameters.wide_hidden_bias
    if isinstance(states, BitMatrix):
        values = rbm.visible.unit_values(states.to_states())
    else:
        values = rbm.visible.off + rbm.visible.step * np.rint(states * 2.0**FIXED_BITS) * 2.0**-FIXED_BITS
    scale = 2.0**to_hidden.exponent
    # of numbers on grids: sums are exact in any order
    return wide + values @ (np.rint(rbm.weights * np.float32(scale)).astype(np.float64) / scale)
