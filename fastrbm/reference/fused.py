"""The reference implementation of kernels.train: many updates, from those of what an update is made of."""

import math

import numpy as np

from . import units
from .activation import FIXED_BITS
from .sampling import HIDDEN, Layer, half_step, sweep
from .segments import largest_input, place_tiles
from .steps import prepare_phase, step
from .tiles import TILE


def train(packed, examples, ends, rates, visible, hidden, seed, stream, first_sweep, n_sweeps, first_chain, weights,
          transposed, visible_bias, hidden_bias, to_visible_exponent, to_hidden_exponent, n_visible, n_hidden,
          visible_unit, segments, hidden_unit, centering, weights_of_examples, l2, l1, limit, outcome,
          n_threads=1, processes=None):  # fmt: skip
    """An update for each of rates, by rows examples[ends[k]:ends[k + 1]] of packed; see src/train.pxi.

    outcome: updates done, in which of the two weights the model is, largest sums of |W|."""
    which, sums, exponents = 0, (0.0, 0.0), (to_visible_exponent, to_hidden_exponent)
    for update, rate in enumerate(rates):
        tiles, bias = _in_place(transposed[which], visible_bias, segments)
        to_visible = Layer(tiles, exponents[0], bias, n_visible, visible_unit, hidden_unit, segments)
        to_hidden = Layer(
            weights[which], exponents[1], hidden_bias, n_hidden, hidden_unit, visible_unit, None, segments
        )
        before = [x.copy() for x in (visible, hidden, *(centering[1:3] if centering else ()))]
        batch = np.ascontiguousarray(packed[examples[ends[update] : ends[update + 1]]].T)
        data = _Phase(batch, n_visible, to_hidden, segments)
        half_step(batch, to_hidden, None, seed, stream, 0, HIDDEN, 0, None, data.fixed, None)
        factor = 1.0
        if weights_of_examples is not None:
            data.weight = weights_of_examples[0][ends[update] : ends[update + 1]]
            data.n, data.one, factor = weights_of_examples[1][update]
        model = _Phase(visible, n_visible, to_hidden, segments)
        number = first_sweep + update * n_sweeps
        layers = to_visible, to_hidden
        place = seed, stream, number, n_sweeps, first_chain
        sweep(visible, hidden, *layers, None, *place, None, None, model.fixed)
        for phase in (data, model):
            phase.sum()
        steps = units.step(visible_unit), units.step(hidden_unit)
        values_off = [units.UNITS[unit].OFF for unit in (visible_unit, hidden_unit)]
        dv, dh = (s * (d / data.n - m / model.n) * factor for s, d, m in zip(steps, data.sums, model.sums, strict=True))
        given: tuple[np.ndarray, ...] | None = None
        along: tuple[np.ndarray | None, np.ndarray | None] = (None, None)
        if centering is not None or any(values_off):
            offsets = [np.zeros(n_visible), np.zeros(n_hidden)]
            if centering is not None:
                means = [off + s * (d / data.n) for off, s, d in zip(values_off, steps, data.sums, strict=True)]
                offsets = _follow(centering, means, update > 0, factor)
            shifts = [offset - off for offset, off in zip(offsets, values_off, strict=True)]
            lengths = (weights[0].shape[1], weights[0].shape[0] * TILE) * 3
            given = tuple(_padded(x, n) for x, n in zip((*offsets, *shifts, dv, dh), lengths, strict=True))
            along = np.empty(lengths[0]), np.empty(lengths[1])
        unit, new = 2.0**-FIXED_BITS * steps[0] * steps[1], 1 - which
        bad, *new_sums = step(
            data.transposed, data.fixed, unit * data.one * factor / data.n, model.transposed, model.fixed,
            unit * factor / model.n, False, given, n_hidden, weights[which], rate, l2, l1, limit, weights[new],
            transposed[new], *along, segments=segments,
        )  # fmt: skip
        if centering is not None:
            assert along[0] is not None and along[1] is not None
            dv, dh = dv - along[0][:n_visible], dh - along[1][:n_hidden]
        moved = visible_bias[:n_visible] + rate * dv, hidden_bias[:n_hidden] + rate * dh
        biases = tuple(bias.astype(np.float32) for bias in moved)
        if bad or not all(np.abs(bias).max() < np.float32(limit) for bias in biases):
            for now, then in zip((visible, hidden, *(centering[1:3] if centering else ())), before, strict=True):
                now[...] = then
            outcome[...] = update, which, *sums
            return
        visible_bias[:n_visible], hidden_bias[:n_hidden] = biases
        if segments is not None:  # of which one category a site sends
            new_sums[0] = largest_input(weights[new], segments)
        which, sums = new, tuple(new_sums)
        exponents = _exponent(sums[1], n_hidden), _exponent(sums[0], n_visible)
    outcome[...] = len(rates), which, *sums


def _in_place(transposed, visible_bias, segments):
    """The tiles and the bias of a visible layer, from those of its units in a row."""
    if segments is None:
        return transposed, visible_bias
    tiles = np.zeros((segments.n_tiles, *transposed.shape[1:]), np.float32)
    place_tiles(transposed, segments, tiles)
    bias = np.zeros(segments.n_tiles * TILE, np.float32)
    for tile, (first, n) in enumerate(segments.places):
        bias[tile * TILE : tile * TILE + n] = visible_bias[first : first + n]
    return tiles, bias


class _Phase:
    """Examples, their probabilities and their sums."""

    def __init__(self, planes, n_visible, to_hidden, segments):
        self.planes, self.n, self.segments = planes, planes.shape[1], segments
        self.weight, self.one = None, 1.0
        n_bytes, n_tiles = -(-planes.shape[1] // 8), -(-to_hidden.n_units // TILE)
        self.fixed = np.zeros((n_tiles, 8 * n_bytes, TILE), np.float32)
        self.transposed = np.empty((n_bytes, n_visible), np.uint8)
        self.sums = np.empty(n_visible), np.empty(to_hidden.n_units)

    def sum(self):
        one = 2.0**-FIXED_BITS * self.one
        weight = None if self.weight is None else (self.weight, one)
        prepare_phase(self.planes, self.segments, self.fixed, one, self.transposed, *self.sums, weight)


def _follow(centering, means, known, factor):
    """The offsets, moved toward the data's means; at those where there are none yet."""
    rate, *offsets, given = centering
    rate = min(1.0, rate * factor)
    for offset, mean in zip(offsets, means, strict=True):
        n = len(mean)
        offset[:n] = offset[:n] + rate * (mean - offset[:n]) if known or given else mean
    return [offset[: len(mean)] for offset, mean in zip(offsets, means, strict=True)]


def _padded(values, length):
    out = np.zeros(length)
    out[: len(values)] = values
    return out


def _exponent(largest_sum, n_in):
    """As fastrbm/_core/parameters.py has it."""
    return 60 if largest_sum == 0.0 else min(60, math.frexp((2**31 - 1 - n_in) / largest_sum)[1] - 1)
