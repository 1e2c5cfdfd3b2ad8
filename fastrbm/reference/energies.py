"""The reference implementation of free energies, annealing, enumeration and pseudo-likelihood, in float64."""

from __future__ import annotations

import numpy as np

from . import real, units
from .activation import FIXED_BITS, exp_negative, log_odds
from .floats import exp_negative_d, log
from .sampling import HIDDEN, VISIBLE, draw_layer, sent_sums, sum8, sums_of_fractions, unpack
from .segments import CATEGORICAL, of_one_type
from .tiles import TILE, from_tiles

# ---------------------------------------------------------------- free energy


def logs(x, out):
    """out (n,) = log(x)."""
    out[...] = log(x)


def _one_plus_exp(x):
    """1 + exp(-|x|): a cgf is kink(x) + log of this."""
    return 1.0 + exp_negative_d(np.maximum(-np.abs(x), -708.0))


def _cgf_lanes(x, unit):
    """Of log odds x (n, U), by lane: the sums of kink(x), (n, 8), and the factors 1 + exp(-|x|), (n, ceil(U/8), 8)."""
    kinks, factors = np.zeros((2, len(x), -(-x.shape[1] // 8) * 8))
    factors[...] = 1.0
    kinks[:, : x.shape[1]], factors[:, : x.shape[1]] = units.UNITS[unit].kink(x), _one_plus_exp(x)
    shape = len(x), kinks.shape[1] // 8, 8
    return np.add.accumulate(kinks.reshape(shape), axis=1)[:, -1], factors.reshape(shape)


def _log_odds(planes, layer):
    """Of the units of a layer, float64 (n, n_units): bias + sent 2^-e, times the step between their values."""
    field = sent_sums(planes, layer) * 2.0**-layer.exponent + layer.in_place(layer.bias_array).astype(np.float64)
    return log_odds(field, layer.unit)


def _log_odds_of_fractions(numbers, layer):
    """The same, of whole numbers as sums_of_fractions takes them."""
    scale = 2.0 ** -(layer.exponent + FIXED_BITS)
    field = sums_of_fractions(numbers, layer) * scale + layer.in_place(layer.bias_array).astype(np.float64)
    return log_odds(field, layer.unit)


def log_odds_given(planes, numbers, layer):
    """Of a layer given planes of the other one or, where these are None, whole numbers."""
    return _log_odds(planes, layer) if numbers is None else _log_odds_of_fractions(numbers, layer)


def cgf_sums(planes, layer, beta, out, n_threads=1):
    """out (n,) = sum over units j of cgf(beta field_j), in eight lanes by j mod 8.

    A lane adds up kink(x) and multiplies 1 + exp(-|x|), x the log odds, taking the logarithm every 512 factors.
    """
    _sum_cgf(_log_odds(planes, layer), layer, beta, out)


def cgf_sums_of_fractions(numbers, layer, beta, out, n_threads=1):
    """cgf_sums, given whole numbers as sums_of_fractions takes them."""
    _sum_cgf(_log_odds_of_fractions(numbers, layer), layer, beta, out)


def _sum_cgf(x, layer, beta, out):
    beta = np.asarray(beta, np.float64)[:, None]
    if layer.to is None:
        out[...] = _cgf_of(x * beta, layer.unit)
    else:
        out[...] = sum8(_real_cgf_lanes(x, layer, slice(0, layer.n_units), beta)) + 0.0


def _real_cgf_lanes(x, layer, units_, beta):
    """Of fields x (n, some units) at beta 1, by lane: the sums of cgfs at beta, (n, 8)."""
    part = layer.to.parts[0]
    terms = real.cgf(part.name, layer.shape_array[:, part.columns[units_]], x * beta, beta)
    lanes = np.zeros((len(x), -(-x.shape[1] // 8) * 8))
    lanes[:, : x.shape[1]] = terms
    return np.add.accumulate(lanes.reshape(len(x), lanes.shape[1] // 8, 8), axis=1)[:, -1]


def real_means(fields, layer, weight, fixed, out, n, n_threads=1):
    """Of fields (tiles, >= n, 64) of dReLU units: fixed (tiles, >= n, 64) their means in units of 2^-f, out (8, units)
    the sums over n chains of means of either side; see src/real_means.pxi."""
    part = layer.parts[0]
    sides, units_ = layer.shape_array[:, part.columns], np.concatenate(list(fields[:, :n]), axis=1)
    own = units_[:, : len(part.columns)]
    out[...] = real.sums_of_means(sides, own, weight, layer.fixed_bits)
    layer.put_fixed(fixed, part, real.fixed_point(real.mean(part.name, sides, own, 1.0), layer.fixed_bits))


def bias_sums(planes, unit, segments, bias, out, n_threads=1):
    """out (n,) = sum of bias (U,) times value over the units, of one type or of segments: within each row of planes
    from its low bit up, then the rows."""
    layer = segments or of_one_type(unit, len(bias))
    out[...] = layer.bias_of(planes, slice(0, layer.n_rows), bias)


# ---------------------------------------------------------------- annealing


def anneal(visible, hidden, to_visible, to_hidden, reference, bias_difference, betas, visible_betas, seed, stream,
           first_sweep, first_chain, log_weights, n_threads=1, apart=False):  # fmt: skip
    """Take chains from betas[0] to betas[-1] and add each step's log p*_beta'(v) - log p*_beta(v) to their log weights,
    tile by tile: log_weights (hidden tiles + visible tiles, n); a site of several tiles has its part in the first.
    reference (1 or steps, 64 tiles): of all steps or of each; visible_betas: of the visible biases' part of weights."""
    n, n_hidden_tiles = visible.shape[1], to_hidden.tiles_array.shape[0]
    for k in range(len(betas) - 1):
        beta0, beta1 = betas[k], betas[k + 1]
        x = _log_odds(visible, to_hidden)
        for tile in range(n_hidden_tiles):
            units_ = slice(tile * TILE, (tile + 1) * TILE)
            if to_hidden.to is not None or (to_hidden.given is not None and to_hidden.given.real):
                _weigh_wide(x[:, units_], to_hidden, units_, float(beta0), float(beta1), log_weights[tile])
            else:
                _weigh_hidden(x[:, units_], to_hidden.unit, float(beta0), float(beta1), log_weights[tile])
        for tile, rows in to_visible.receiving.groups:
            sums = to_visible.receiving.bias_of(visible, rows, bias_difference)
            log_weights[n_hidden_tiles + tile] += (visible_betas[k + 1] - visible_betas[k]) * sums
        now, all_beta1 = (first_sweep + k) & 0xFFFFFFFF, np.full(n, beta1, np.float32)
        name, sent = (seed, stream, now, HIDDEN, first_chain), sent_sums(visible, to_hidden)
        draw_layer(sent, to_hidden, name, hidden, beta=all_beta1)
        name, sent = (seed, stream, now, VISIBLE, first_chain), sent_sums(hidden, to_visible)
        draw_layer(sent, to_visible, name, visible, beta=all_beta1, reference=reference[k % len(reference)])


def _weigh_wide(x, layer, units_, beta0, beta1, out):
    """The same where either layer has real units, each cgf by itself."""
    if layer.to is not None:
        low, high = (sum8(_real_cgf_lanes(x, layer, units_, beta)) for beta in (beta0, beta1))
    else:
        sums = []
        for beta in (beta0, beta1):
            lines, factors = _cgf_lanes(x * beta, layer.unit)
            sums.append(sum8(lines + logs_in_lanes(factors, 512)))
        low, high = sums
    out += high - low


def _weigh_hidden(x, unit, beta0, beta1, out):
    """Add to out (n,) the sum over units of log odds x (n, up to 64) of cgf(beta1 x) - cgf(beta0 x)."""
    line, _ = _cgf_lanes(x, unit)
    products = [np.multiply.accumulate(_cgf_lanes(x * beta, unit)[1], axis=1)[:, -1] for beta in (beta0, beta1)]
    r = products[1] / products[0]
    ratio = ((r[:, 0] * r[:, 1]) * (r[:, 2] * r[:, 3])) * ((r[:, 4] * r[:, 5]) * (r[:, 6] * r[:, 7]))
    out += (beta1 - beta0) * sum8(line)
    out += log(ratio)


# ---------------------------------------------------------------- enumeration and pseudo-likelihood


def logs_in_lanes(factors, capacity):
    """Of factors (n, groups, lanes): the sum of their logarithms (n, lanes), one of a product for `capacity` groups."""
    logs = np.zeros((len(factors), factors.shape[2]))
    for start in range(0, factors.shape[1], capacity):
        products = np.multiply.accumulate(factors[:, start : start + capacity], axis=1)[:, -1]
        logs = logs + log(np.float64(products))
    return logs


def enumerate_states(high, high_bias, low, low_bias, unit, segments, n_units, peak, total, n_threads=1):
    """Of log weights high_bias_m + low_bias_l + sum_k cgf of log odds high_mk + low_lk, over the first n_units of them,
    of one type or of segments: the largest over l, peak (M,), and total (M,), the sum over l of exp(log weight - peak).

    Of categories, high and low are parts of fields."""
    for m in range(len(high)):
        x = (high[m] + low)[:, :n_units]
        cgf = _cgf_of(x, unit) if segments is None else _cgf_of_segments(x, segments)
        log_weights = (high_bias[m] + low_bias) + cgf
        peak[m] = log_weights.max()
        total[m] = np.add.accumulate(exp_negative_d(np.maximum(log_weights - peak[m], -708.0)))[-1]


def _cgf_of(x, unit):
    """sum_k cgf of log odds x (n, U), (n,)."""
    lines, factors = _cgf_lanes(x, unit)
    return sum8(lines) + sum8(logs_in_lanes(factors, 512))


def _cgf_of_segments(x, segments):
    """The same of segments: the sums of segments of bits, and the cgf of each site, added up in turn."""
    total = np.zeros(len(x))
    for part in segments.parts:
        own = x[:, part.units]
        if part.name != CATEGORICAL:
            total = total + _cgf_of(own, part.name)
            continue
        for site in np.split(own, np.add.accumulate(part.sizes)[:-1], axis=1):
            total = total + _cgf_of_site(site)
    return total


def _cgf_of_site(fields):
    """log sum_a exp(field_a), fields float64 (n, q): the terms in eight lanes by a mod 8."""
    (n, q), top = fields.shape, fields.max(axis=1)
    lanes = np.zeros((n, -(-q // 8) * 8))
    lanes[:, :q] = exp_negative_d(np.maximum(fields - top[:, None], -708.0))
    return top + log(sum8(np.add.accumulate(lanes.reshape(n, -1, 8), axis=1)[:, -1]))


def pseudo_sums(planes, layer, visible_bias, capacity, out, n_threads=1):
    """out (n,) = sum_i log p(v_i | v without i), one logarithm for `capacity` factors of each of eight lanes."""
    states = np.empty((planes.shape[1], len(visible_bias)), np.uint8)
    unpack(planes, states)
    on, off = two_probabilities(_log_odds(planes, layer))
    turns = 1.0 - 2.0 * states
    out[...] = 0.0
    for unit, (W, own) in enumerate(_changes_of_odds(layer, visible_bias, on.shape[1])):
        change = turns[:, unit, None] * W
        small = exp_negative_d(-np.abs(change))
        factors = off + on * np.where(change > 0, 1.0 / small, small)
        change = sum8(logs_in_lanes(factors.reshape(len(factors), on.shape[1] // 8, 8), capacity))
        out -= _flip_terms(turns[:, unit] * own + change)


def pseudo_sums_of_fractions(numbers, layer, visible_bias, capacity, every, out, n_threads=1):
    """out (n,) = sum_i log(p(v) / (p(v) + p(v'))), where v' is v with v_i turned into 1 - v_i; numbers (n, V), whole,
    in units of 2^-22. Of row r only the units i with i mod every = r mod every. Factors are float32, in 16 lanes."""
    on, off = (p.astype(np.float32) for p in two_probabilities(_log_odds_of_fractions(numbers, layer), 16))
    turns = 1.0 - numbers * 2.0 ** (1 - FIXED_BITS)
    out[...] = 0.0
    for unit, (W, own) in enumerate(_changes_of_odds(layer, visible_bias, on.shape[1])):
        rows = slice(unit % every, None, every)
        turn = turns[rows, unit]
        factors = off[rows] + on[rows] * exp_negative(turn.astype(np.float32)[:, None] * W.astype(np.float32))
        logs = logs_in_lanes(factors.reshape(len(factors), on.shape[1] // 16, 16), capacity)
        change = sum8(logs[:, :8]) + sum8(logs[:, 8:])
        out[rows] -= _flip_terms(turn * own + change)


def two_probabilities(x, multiple=8):
    """sigmoid(x) and sigmoid(-x) of log odds x (n, n_units), in the padding to a multiple 0 and 1."""
    (n, n_units), e = x.shape, exp_negative_d(np.maximum(-np.abs(x), -708.0))
    n_padded = -(-n_units // multiple) * multiple
    on, off = np.zeros((n, n_padded)), np.ones((n, n_padded))
    on[:, :n_units] = np.where(x >= 0, 1.0 / (1.0 + e), e / (1.0 + e))
    off[:, :n_units] = np.where(x >= 0, e / (1.0 + e), 1.0 / (1.0 + e))
    return on, off


def _changes_of_odds(layer, visible_bias, n_padded):
    """Of each visible unit that is turned from off to on: by how much the log odds of hidden units change (n_padded,),
    and minus the free energy apart from their cgf."""
    visible_step, hidden = units.step(layer.sent), units.UNITS[layer.unit]
    W = from_tiles(layer.tiles_array, len(visible_bias), n_padded).astype(np.float64)
    for row, bias in zip(visible_step * units.step(layer.unit) * W, visible_bias, strict=True):
        lanes = np.add.accumulate(row.reshape(-1, 8), axis=0)[-1:]
        shift = hidden.OFF / units.step(layer.unit) * sum8(lanes)[0] if hidden.OFF else 0.0
        yield row, visible_step * bias + shift


def _flip_terms(change):
    return np.maximum(change, 0.0) + log(_one_plus_exp(change))
