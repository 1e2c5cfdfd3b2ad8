"""Both phases of the gradient of log p(label | the rest)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .._core import workload
from .._core.layout import FIXED_BITS, ROWS, to_tiles
from ..moments import ROWS_A_PART, Moments, PhaseStates, add, nothing, of_values
from ..sampling import gibbs
from ..sampling.columns import LabelColumn
from ..sampling.labels import LabelSums, label_sums
from ..states.bits import BitMatrix

if TYPE_CHECKING:
    from ..rbm import RBM


class LabelPhase(PhaseStates):
    """Examples without their labels, with the mean of P(h | x, y) over p(y | x); and what goes with each label, as
    examples more: of a label by itself, whose P(h) add up to the sum of p(y | x) P(h | x, y) over the examples. They do
    not count as examples, nor in hidden_sum."""

    @classmethod
    def of_sums(
        cls, rbm: RBM, column: LabelColumn, states: BitMatrix, sums: LabelSums, n_threads: int | None
    ) -> LabelPhase:
        n, first = len(states), 0 if column.can_miss else 1  # of a unit of two values, the higher one is on
        one = float(1 << FIXED_BITS)
        counts = [max(1, math.ceil(float(pairs.max()) / one)) for pairs in sums.pairs[first:]]
        fixed = gibbs.fixed_buffer(n + sum(counts), rbm._parameters)
        fixed[:, :n] = sums.negative[:, :n]
        labels, row = np.repeat(np.arange(first, column.n_states, dtype=np.int32), counts), n
        for pairs, count in zip(sums.pairs[first:], counts, strict=True):
            left = to_tiles(pairs[None], np.float64)[:, 0]
            for _ in range(count):  # whole numbers, none of them above 2^22
                fixed[:, row] = np.minimum(left, one)
                left -= fixed[:, row]
                row += 1
        both = column.joined_states(column.with_labels(states, None), labels)
        phase = cls(rbm, both, fixed, n_threads)
        phase.total = float(n)
        phase.hidden_sum -= sums.pairs[first:].sum(axis=0) / one
        phase.visible_sum[column.units] = sums.counts[first:] / one
        return phase


def of_labels(
    rbm: RBM, column: LabelColumn, states: BitMatrix | np.ndarray, labels: np.ndarray, weight: np.ndarray | None,
    scale: float, n_threads: int | None,
) -> tuple[PhaseStates | Moments, PhaseStates | Moments]:  # fmt: skip
    """Both phases of labels' gradient, h ~ p(h | x, y) and (y, h) ~ p(y, h | x), of examples whose labels y are known,
    int32 (n,). weight: float64 (n,) of integers up to 2^22, in units of scale / 2^22."""
    n, unit = states.shape[0], 2.0**-FIXED_BITS
    if weight is None and isinstance(states, BitMatrix) and n <= ROWS_A_PART and not rbm.visible.real:
        sums = label_sums(rbm, column, states, labels, None, n_threads)
        known = PhaseStates(rbm, column.with_labels(states, labels), sums.positive, n_threads)
        return known, LabelPhase.of_sums(rbm, column, states, sums, n_threads)
    positive, negative, layer = nothing(rbm), nothing(rbm), rbm._parameters.to_hidden
    pairs, counts = np.zeros((column.n_states, rbm.n_hidden)), np.zeros(column.n_states)
    for rows in workload.parts(n, workload.moments(rbm.n_visible, rbm.n_hidden), most=ROWS_A_PART, blocks=(ROWS,)):
        own = None if weight is None else weight[rows]
        sums = label_sums(rbm, column, states[rows], labels[rows], own, n_threads)
        add(positive, column.with_labels(states[rows], labels[rows]), sums.positive, layer, own, scale, n_threads)
        add(negative, column.with_labels(states[rows], None), sums.negative, layer, own, scale, n_threads)
        pairs += sums.pairs
        counts += sums.counts
    # of a unit of two values, the higher one is on
    first = 0 if column.can_miss else 1
    unit = unit if weight is None else unit * scale
    negative.weight_sum[column.units] = pairs[first:] * unit
    negative.visible_sum[column.units] = counts[first:] * unit
    return of_values(positive, (rbm.visible, rbm.hidden)), of_values(negative, (rbm.visible, rbm.hidden))
