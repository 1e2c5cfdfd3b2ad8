"""The reference implementation of what goes site by site: pseudo-likelihoods of segments, labels, the zero-sum
gauge."""

from __future__ import annotations

import numpy as np

from . import units
from .energies import exp_negative_d, log, log_odds_given, logs_in_lanes, two_probabilities
from .sampling import FIXED_BITS, sum8
from .segments import CATEGORICAL
from .tiles import TILE, from_tiles

# ---------------------------------------------------------------- sites


def rows_of(segments):
    """(type, first unit, units) of each row of planes."""
    rows = []
    for part in segments.parts:
        unit = part.units.start
        for size in part.sizes:
            rows.append((part.name, unit, size))
            unit += size
    return rows


def _site(layer, segments, row, bit, visible_bias):
    """(own, factors) of the site of a row (bit -1), or of a bit of it, in each of its states: its part of log p*, and
    exp of what it adds to the log odds of each hidden unit, padded to whole eights."""
    name, unit, size = rows_of(segments)[row]
    if bit < 0:
        places, values = np.arange(unit, unit + size), np.ones(size)
    else:
        places, values = np.array([unit + bit] * 2), np.array([units.UNITS[name].OFF, units.UNITS[name].ON])
    n_padded = -(-layer.n_units // 8) * 8
    W = from_tiles(layer.tiles_array, layer.tiles_array.shape[1], n_padded).astype(np.float64)
    weights = values[:, None] * (units.step(layer.unit) * W[places])
    hidden = units.UNITS[layer.unit]
    lanes = np.add.accumulate(weights.reshape(len(weights), -1, 8), axis=1)[:, -1]
    shift = hidden.OFF / units.step(layer.unit) * sum8(lanes) if hidden.OFF else 0.0
    small = exp_negative_d(-np.abs(weights))
    return values * visible_bias[places] + shift, np.where(weights < 0, small, 1.0 / small)


def _terms(on, off, now, own, factors, capacity):
    """(terms (n, states), the logarithm of the sum of their exponentials (n,), on less the state now): log p*(site in
    a, rest) - log p*(v), v with the site in state now (n,), or absent where that is the number of states."""
    n, n_states = len(on), len(own)
    there = now < n_states
    scaled, first = on.copy(), np.zeros(n)
    scaled[there] /= factors[now[there]]
    first[there] = own[now[there]]
    terms = np.zeros((n, n_states))
    for state in range(n_states):
        products = (off + scaled * factors[state]).reshape(n, -1, 8)
        change = (own[state] - first) + sum8(logs_in_lanes(products, capacity))
        terms[:, state] = np.where(now == state, 0.0, change)
    top = terms.max(axis=1)
    total = np.add.accumulate(exp_negative_d(np.maximum(terms - top[:, None], -708.0)), axis=1)[:, -1]
    return terms, top + log(total), scaled


def pseudo_of_sites(planes, layer, segments, visible_bias, capacity, out, n_threads=1):
    """out (n, columns) = log p(site | the others) of each, 0 of an absent one; one logarithm for `capacity` factors."""
    on, off = two_probabilities(log_odds_given(planes, None, layer))
    column = 0
    for row, (name, _, size) in enumerate(rows_of(segments)):
        for bit in [-1] if name == CATEGORICAL else range(size):
            own, factors = _site(layer, segments, row, bit, visible_bias)
            now = planes[row].astype(np.intp) if bit < 0 else (planes[row].astype(np.intp) >> bit) & 1
            _, total, _ = _terms(on, off, now, own, factors, capacity)
            out[:, column] = np.where(now < len(own), -total, 0.0)
            column += 1


# ---------------------------------------------------------------- labels


def label_terms(planes, numbers, layer, segments, row, bit, visible_bias, capacity, log_p, sums, n_threads=1):
    """log_p (n, states) = log p(site in each state | the others), of the site of a row (bit -1) that is absent in
    planes, or of a bit of it that is off; and what the gradient sums up, see src/labels.pxi."""
    on, off = two_probabilities(log_odds_given(planes, numbers, layer))
    own, factors = _site(layer, segments, row, bit, visible_bias)
    now = np.full(len(on), len(own) if bit < 0 else 0)
    terms, total, scaled = _terms(on, off, now, own, factors, capacity)
    log_p[...] = terms - total[:, None]
    if sums is None:
        return
    labels, weight, positive, negative, pairs, counts = sums
    n_units, one = layer.n_units, float(1 << FIXED_BITS)
    unit = (np.ones(len(on)) if weight is None else weight) * one
    p = exp_negative_d(np.maximum(log_p, -708.0))
    mean, own_label = np.zeros(on.shape), np.zeros(on.shape)
    for state in range(len(own)):
        s = scaled * factors[state]
        s = s / (off + s)
        own_label[labels == state] = s[labels == state]
        s = s * p[:, state, None]
        mean = mean + s
        pairs[state] = np.rint(s * unit[:, None])[:, :n_units].sum(axis=0)
        counts[state] = np.rint(p[:, state] * unit).sum()
    for given, out in ((own_label, positive), (mean, negative)):
        fixed = np.rint(given[:, :n_units] * one)
        for tile in range(out.shape[0]):
            part = fixed[:, tile * TILE : (tile + 1) * TILE]
            out[tile, : len(part), : part.shape[1]] = part


# ---------------------------------------------------------------- gauge


def zero_sum(tiles, segments, out, shift, n_threads=1):
    """out = tiles, each site's weights less their mean over its categories; shift (tiles, 64): the sum of these
    means."""
    out[...], shift[...] = tiles, 0.0
    for name, unit, size in rows_of(segments):
        if name == CATEGORICAL:
            own = tiles[:, unit : unit + size].astype(np.float64)
            mean = np.add.accumulate(own, axis=1)[:, -1] / size
            out[:, unit : unit + size] = own - mean[:, None]
            shift += mean
