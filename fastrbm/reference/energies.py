"""The reference implementation of free energies, annealing, enumeration and pseudo-likelihood, in float64."""

from __future__ import annotations

import numpy as np

from .sampling import (
    FIXED_BITS,
    HIDDEN,
    TILE,
    VISIBLE,
    draw,
    fields,
    from_tiles,
    pack,
    product,
    sum8,
    sums_of_fractions,
    unpack,
)

# ---------------------------------------------------------------- free energy


def exp_negative_d(x):
    """exp(x) in float64 for -708 <= x <= 0, and up to 700."""
    magic = np.float64(6755399441055744.0)
    t = x * 1.4426950408889634 + magic
    n = t - magic
    r = x - n * 6.93147180369123816490e-01 - n * 1.90821492927058770002e-10
    p = np.full_like(r, 1.0 / 6227020800.0)
    for c in (479001600.0, 39916800.0, 3628800.0, 362880.0, 40320.0, 5040.0, 720.0, 120.0, 24.0, 6.0, 2.0):
        p = p * r + 1.0 / c
    p = p * (r * r) + r + 1.0
    power = (t.view(np.int64) - magic.view(np.int64) + np.int64(1023)) << np.int64(52)
    return p * power.view(np.float64)


def softplus(x):
    """log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)), float64, with log1p(e) = 2 artanh(e / (2 + e)).

    >>> import numpy as np
    >>> from fastrbm import reference
    >>> reference.softplus(np.array([-1000.0, 0.0, 1000.0])).round(6).tolist()
    [0.0, 0.693147, 1000.0]
    """
    e = exp_negative_d(np.maximum(-np.abs(x), -708.0))
    s = e / (2.0 + e)
    return np.maximum(x, 0.0) + (s + s) * _artanh_series(s * s)


def _artanh_series(z):
    """artanh(s) / s for z = s^2 <= 1/9, to s^32."""
    p = np.full_like(z, 1.0 / 33.0)
    for k in range(31, 0, -2):
        p = p * z + 1.0 / k
    return p


def log(x):
    """Natural logarithm in float64, the same bits on any machine: x = m 2^k with m in [0.7, 1.42), log m = 2 artanh."""
    m, k = np.frexp(np.asarray(x, np.float64))
    low = m < 0.7071067811865476
    m, k = np.where(low, 2.0 * m, m), np.where(low, k - 1, k)
    s = (m - 1.0) / (m + 1.0)
    return (s + s) * _artanh_series(s * s) + k * 0.6931471805599453


def logs(x, out):
    """out (n,) = log(x)."""
    out[...] = log(x)


def _one_plus_exp(x):
    """1 + exp(-|x|): softplus(x) = max(x, 0) + log of this."""
    return 1.0 + exp_negative_d(np.maximum(-np.abs(x), -708.0))


def _softplus_lanes(x):
    """Of x (n, U), by lane: the sums of max(x, 0), (n, 8), and the factors 1 + exp(-|x|), (n, ceil(U/8), 8)."""
    lanes = np.full((len(x), -(-x.shape[1] // 8) * 8), -np.inf)
    lanes[:, : x.shape[1]] = x
    lanes = lanes.reshape(len(x), -1, 8)
    lines = np.add.accumulate(np.maximum(lanes, 0.0), axis=1)[:, -1]
    return lines, np.where(np.isinf(lanes), 1.0, _one_plus_exp(np.maximum(lanes, -1e300)))


def _wide_fields(planes, layer):
    """bias + acc 2^-e in float64, (n, n_units)."""
    acc = np.empty((planes.shape[1], layer.n_units), np.int32)
    product(planes, layer.tiles_array, layer.exponent, acc)
    return acc.astype(np.float64) * 2.0**-layer.exponent + layer.bias_array[: layer.n_units].astype(np.float64)


def _wide_fields_of_fractions(numbers, layer):
    """The same, of whole numbers (n, units of the other layer) in units of 2^-22."""
    scale = 2.0 ** -(layer.exponent + FIXED_BITS)
    return sums_of_fractions(numbers, layer) * scale + layer.bias_array[: layer.n_units].astype(np.float64)


def softplus_sums(planes, layer, beta, out, n_threads=1):
    """out (n,) = sum over units j of softplus(beta (bias_j + acc_j 2^-e)), in eight lanes by j mod 8.

    A lane adds up max(x, 0) and multiplies 1 + exp(-|x|), taking the logarithm every 512 factors.
    """
    _sum_softplus(_wide_fields(planes, layer), beta, out)


def softplus_sums_of_fractions(numbers, layer, beta, out, n_threads=1):
    """softplus_sums, given whole numbers (n, units of the other layer) in units of 2^-22."""
    _sum_softplus(_wide_fields_of_fractions(numbers, layer), beta, out)


def _sum_softplus(x, beta, out):
    lines, factors = _softplus_lanes(x * np.asarray(beta, np.float64)[:, None])
    out[...] = sum8(lines) + sum8(_logs_in_lanes(factors, 512))


def bias_sums(planes, bias, out, n_threads=1):
    """out (n,) = sum of the biases of the units that are on: within each byte from its low bit up, then the bytes."""
    out[...] = 0.0
    for byte in range(planes.shape[0]):
        part = np.zeros(planes.shape[1])
        for k in range(8):
            part = part + ((planes[byte] >> k) & 1) * bias[8 * byte + k]
        out += part


# ---------------------------------------------------------------- annealing


def anneal(visible, hidden, to_visible, to_hidden, reference, bias_difference, betas, seed, stream, first_sweep,
           first_chain, log_weights, n_threads=1):  # fmt: skip
    """Take chains from betas[0] to betas[-1] and add each step's log p*_beta'(v) - log p*_beta(v) to their log weights,
    tile by tile: log_weights (hidden tiles + visible tiles, n)."""
    n, n_hidden_tiles = visible.shape[1], to_hidden.tiles_array.shape[0]
    for k in range(len(betas) - 1):
        beta0, beta1 = betas[k], betas[k + 1]
        acc = np.empty((n, to_hidden.n_units), np.int32)
        product(visible, to_hidden.tiles_array, to_hidden.exponent, acc)
        x = acc.astype(np.float64) * 2.0**-to_hidden.exponent + to_hidden.bias_array[: to_hidden.n_units].astype(float)
        for tile in range(n_hidden_tiles):
            part = x[:, tile * TILE : (tile + 1) * TILE]
            _weigh_hidden(part, float(beta0), float(beta1), log_weights[tile])
        for tile in range(to_visible.tiles_array.shape[0]):
            rows = slice(tile * TILE // 8, (tile + 1) * TILE // 8)
            sums = np.empty(n)
            bias_sums(visible[rows], bias_difference[tile * TILE : (tile + 1) * TILE], sums)
            log_weights[n_hidden_tiles + tile] += (float(beta1) - float(beta0)) * sums
        now, all_beta1 = (first_sweep + k) & 0xFFFFFFFF, np.full(n, beta1, np.float32)
        pack(draw(fields(visible, to_hidden, all_beta1), seed, stream, now, HIDDEN, first_chain), hidden)
        field = fields(hidden, to_visible, all_beta1, reference)
        pack(draw(field, seed, stream, now, VISIBLE, first_chain), visible)


def _weigh_hidden(x, beta0, beta1, out):
    """Add to out (n,) the sum over the columns of x (n, up to 64) of softplus(beta1 x) - softplus(beta0 x)."""
    line, _ = _softplus_lanes(x)
    products = [np.multiply.accumulate(_softplus_lanes(x * beta)[1], axis=1)[:, -1] for beta in (beta0, beta1)]
    r = products[1] / products[0]
    ratio = ((r[:, 0] * r[:, 1]) * (r[:, 2] * r[:, 3])) * ((r[:, 4] * r[:, 5]) * (r[:, 6] * r[:, 7]))
    out += (beta1 - beta0) * sum8(line)
    out += log(ratio)


# ---------------------------------------------------------------- enumeration and pseudo-likelihood


def _logs_in_lanes(factors, capacity):
    """Of factors (n, groups, 8): the sum of their logarithms (n, 8), a logarithm of a product every capacity groups."""
    logs = np.zeros((len(factors), 8))
    for start in range(0, factors.shape[1], capacity):
        logs = logs + log(np.multiply.accumulate(factors[:, start : start + capacity], axis=1)[:, -1])
    return logs


def enumerate_states(high, high_bias, low, low_bias, peak, total, n_threads=1):
    """Of log weights high_bias_m + low_bias_l + sum_k softplus(high_mk + low_lk): the largest over l, peak (M,), and
    total (M,), the sum over l of exp(log weight - peak)."""
    for m in range(len(high)):
        lines, factors = _softplus_lanes(high[m] + low)
        log_weights = (high_bias[m] + low_bias) + (sum8(lines) + sum8(_logs_in_lanes(factors, 512)))
        peak[m] = log_weights.max()
        total[m] = np.add.accumulate(exp_negative_d(np.maximum(log_weights - peak[m], -708.0)))[-1]


def pseudo_sums(planes, layer, visible_bias, capacity, out, n_threads=1):
    """out (n,) = sum_i log p(v_i | v without i), a logarithm every capacity factors of each of eight lanes."""
    states = np.empty((planes.shape[1], len(visible_bias)), np.uint8)
    unpack(planes, states)
    _sum_pseudo(_wide_fields(planes, layer), 1.0 - 2.0 * states, layer, visible_bias, capacity, 1, out)


def pseudo_sums_of_fractions(numbers, layer, visible_bias, capacity, every, out, n_threads=1):
    """out (n,) = sum_i log(p(v) / (p(v) + p(v'))), where v' is v with v_i turned into 1 - v_i; numbers (n, V), whole,
    in units of 2^-22. Of row r only the units i with i mod every = r mod every."""
    x, turns = _wide_fields_of_fractions(numbers, layer), 1.0 - numbers * 2.0 ** (1 - FIXED_BITS)
    _sum_pseudo(x, turns, layer, visible_bias, capacity, every, out)


def _sum_pseudo(x, turns, layer, visible_bias, capacity, every, out):
    """Of fields x (n, n_units); turns (n, V) = 1 - 2 v."""
    (n, n_units), n_padded = x.shape, -(-x.shape[1] // 8) * 8
    W = from_tiles(layer.tiles_array, len(visible_bias), n_padded).astype(np.float64)
    e = exp_negative_d(np.maximum(-np.abs(x), -708.0))
    on, off = np.zeros((n, n_padded)), np.ones((n, n_padded))
    on[:, :n_units] = np.where(x >= 0, 1.0 / (1.0 + e), e / (1.0 + e))
    off[:, :n_units] = np.where(x >= 0, e / (1.0 + e), 1.0 / (1.0 + e))
    out[...] = 0.0
    for unit in range(len(visible_bias)):
        rows = slice(unit % every, None, every)
        turn = turns[rows, unit, None]
        change = turn * W[unit]
        small = exp_negative_d(-np.abs(change))
        factors = np.where(change > 0, 1.0 / small, small)
        between = np.abs(turn[:, 0]) != 1.0
        factors[between] = exp_negative_d(change[between])
        factors = off[rows] + on[rows] * factors
        change = sum8(_logs_in_lanes(factors.reshape(len(factors), n_padded // 8, 8), capacity))
        change = turn[:, 0] * visible_bias[unit] + change
        out[rows] -= np.maximum(change, 0.0) + log(_one_plus_exp(change))
