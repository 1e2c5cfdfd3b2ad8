"""The NumPy twin: every kernel in plain NumPy, with the same name, arguments and result, bit for bit.

It is the oracle of the tests, the reading copy of the compiled code in ``src/``, and nobody's fast path. Each
function allocates freely and takes ``n_threads`` only to have the kernel's signature. The layouts are those of
``src/README.md``: ``planes[byte, chain]`` for states and ``tiles[tile, unit, 64]`` for weights.

Equality of bits rests on three things: sums of states times weights are exact integers; everything after them is a
sequence of single IEEE operations (+, -, *, /, comparison, rounding to integer) done in the same order here and there;
and random numbers are a pure function of what they are for.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "Layer", "anneal", "ascend", "bias_sums", "count_bits", "difference", "enumerate_states", "half_step",
    "less_likely", "log", "moments", "pack", "philox_blocks", "prepare_phase", "product", "pseudo_sums", "softplus",
    "softplus_sums", "step", "sweep", "transpose", "unpack",
]  # fmt: skip

TILE = 64
FIXED_BITS = 22
ROWS = 504
VISIBLE, HIDDEN, TIE = 0, 1, 2
LEVEL_LANES = 0  # no vectors here
LEVEL_MANY = 0


# ---------------------------------------------------------------- bits


def pack(states, planes, n_threads=1):
    """Pack states (n, U) of 0 and 1 into planes (ceil(U/8), n): bit k of byte b is unit 8b + k."""
    planes[...] = np.packbits(states, axis=1, bitorder="little").T


def unpack(planes, states, n_threads=1):
    """Unpack planes (ceil(U/8), n) into states (n, U)."""
    n, n_units = states.shape
    states[...] = np.unpackbits(np.ascontiguousarray(planes.T), axis=1, count=n_units, bitorder="little")


def transpose(planes, n_units, out, n_threads=1):
    """Swap units and chains: planes (ceil(U/8), n) to out (ceil(n/8), U)."""
    states = np.empty((planes.shape[1], n_units), np.uint8)
    unpack(planes, states)
    pack(np.ascontiguousarray(states.T), out)


# ---------------------------------------------------------------- product


def on_grid(tiles, exponent):
    """rint(W 2^exponent), float64: the integers that a product adds up."""
    return np.rint(tiles * np.float32(2.0**exponent)).astype(np.float64)


def from_tiles(tiles, n_units, n_out):
    """The matrix (n_units, n_out) that tiles (ceil(n_out/64), >= n_units, 64) hold."""
    return np.concatenate(list(tiles), axis=1)[:n_units, :n_out]


def to_tiles(matrix, dtype=np.float32):
    """A matrix (n_units, n_out) in tiles (ceil(n_out/64), 8 ceil(n_units/8), 64), padded with zeros."""
    n_units, n_out = matrix.shape
    n_tiles = -(-n_out // TILE)
    padded = np.zeros((-(-n_units // 8) * 8, n_tiles * TILE), dtype)
    padded[:n_units, :n_out] = matrix
    return np.ascontiguousarray(padded.reshape(-1, n_tiles, TILE).transpose(1, 0, 2))


def product(planes, tiles, exponent, out, n_threads=1):
    """out (n, n_out) = S rint(W 2^exponent) for the bits S of planes and the weights W of tiles, exactly."""
    n, n_out = out.shape
    states = np.empty((n, 8 * planes.shape[0]), np.uint8)
    unpack(planes, states)
    # float64 holds every partial sum exactly (they are below 2^31), whatever order BLAS takes
    out[...] = states.astype(np.float64) @ on_grid(from_tiles(tiles, states.shape[1], n_out), exponent)


def _sum8(x):
    return ((x[:, 0] + x[:, 1]) + (x[:, 2] + x[:, 3])) + ((x[:, 4] + x[:, 5]) + (x[:, 6] + x[:, 7]))


# ---------------------------------------------------------------- activation


def _exp_negative(x):
    """exp(x) in float32 for -87 <= x <= 0, relative error below 2e-7 (see src/activation.pxi)."""
    f = np.float32
    magic = f(12582912.0)
    t = x * f(1.44269504) + magic
    n = t - magic
    r = x - n * f(0.693359375) - n * f(-2.12194440e-4)
    p = np.full_like(r, f(0.0013926184037700295))
    for c in (0.008363178931176662, 0.041666556149721146, 0.16666576266288757, 0.5):
        p = p * r + f(c)
    p = p * (r * r) + r + f(1.0)
    power = (t.view(np.int32) - magic.view(np.int32) + np.int32(127)) << 23
    return p * power.view(np.float32)


def less_likely(field):
    """q = sigmoid(-|field|), the probability of a unit's less likely state, float32."""
    e = _exp_negative(np.maximum(-np.abs(field), np.float32(-87.0)))
    return e / (np.float32(1.0) + e)


def probability(field):
    """P(unit on) = sigmoid(field), float32: what the kernels give out."""
    q = less_likely(field)
    return np.where(np.signbit(field), q, np.float32(1.0) - q)


def fixed_probability(field):
    """P(unit on) in units of 2^-22: whole numbers in float32."""
    q = np.rint(less_likely(field) * np.float32(2**FIXED_BITS))
    return np.where(np.signbit(field), q, np.float32(2**FIXED_BITS) - q)


# ---------------------------------------------------------------- random numbers


def philox_blocks(counters, seed, out, n_threads=1):
    """out (n, 4) = Philox4x32-10 of counters (n, 4), uint32, under the 64-bit key seed."""
    c = [counters[:, k].astype(np.uint64) for k in range(4)]
    key = [seed & 0xFFFFFFFF, seed >> 32]
    low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        p0, p1 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(p1 >> shift) ^ c[1] ^ np.uint64(key[0]), p1 & low, (p0 >> shift) ^ c[3] ^ np.uint64(key[1]), p0 & low]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    out[...] = np.stack(c, axis=1).astype(np.uint32)


def _blocks(seed, kind, sweep, chains, first_words):
    """Philox blocks of every chain (n,) and first word (m,): (n, m, 4) uint32."""
    counters = np.empty((len(chains), len(first_words), 4), np.uint32)
    counters[..., 0] = first_words
    counters[..., 1] = chains[:, None]
    counters[..., 2] = sweep
    counters[..., 3] = kind
    out = np.empty((counters.size // 4, 4), np.uint32)
    philox_blocks(counters.reshape(-1, 4), seed, out)
    return out.reshape(counters.shape)


def draw(field, seed, stream, sweep, kind, first_chain):
    """Bits (n, U), uint8, with P(on) = sigmoid(field), from the random numbers that have this name."""
    n, n_units = field.shape
    chains = np.arange(first_chain, first_chain + n).astype(np.uint32)
    blocks = _blocks(seed, stream << 8 | kind, sweep, chains, np.arange(-(-n_units // 8)))
    number = blocks.reshape(n, -1).view(np.uint16)[:, :n_units].astype(np.int32)
    y = less_likely(field) * np.float32(65536.0)
    whole = y.astype(np.int32)
    less = number < whole
    for i, j in np.argwhere(number == whole):
        word = _blocks(seed, stream << 8 | (kind + TIE), sweep, chains[i : i + 1], np.array([j]))[0, 0, 0]
        less[i, j] = np.float32(int(word) >> 8) * np.float32(2.0**-24) < y[i, j] - np.float32(whole[i, j])
    return (less ^ ~np.signbit(field)).astype(np.uint8)


# ---------------------------------------------------------------- sweeps


class Layer:
    """What it takes to draw a layer given the other: tiles of weights, the exponent of their grid, the padded bias."""

    def __init__(self, tiles, exponent, bias, n_units):
        self.tiles_array, self.bias_array, self.exponent, self.n_units = tiles, bias, exponent, n_units


def fields(planes, layer, beta=None, reference=None):
    """field = (bias + acc 2^-e) beta [+ reference (1 - beta)], float32 (n, n_units); beta (n,)."""
    acc = np.empty((planes.shape[1], layer.n_units), np.int32)
    product(planes, layer.tiles_array, layer.exponent, acc)
    field = acc.astype(np.float32) * np.float32(2.0**-layer.exponent) + layer.bias_array[: layer.n_units]
    if beta is None:
        return field
    beta = np.asarray(beta, np.float32)[:, None]
    field = field * beta
    return field if reference is None else field + reference[: layer.n_units] * (np.float32(1.0) - beta)


def half_step(planes, layer, beta, seed, stream, sweep, kind, first_chain, out, fixed, probabilities, n_threads=1):
    """Draw a layer given planes of the other; any of out, fixed and probabilities may be None."""
    field = fields(planes, layer, beta)
    n, n_units = field.shape
    if out is not None:
        pack(draw(field, seed, stream, sweep, kind, first_chain), out)
    if fixed is not None:
        numbers = fixed_probability(field)
        for tile in range(fixed.shape[0]):
            part = numbers[:, tile * TILE : (tile + 1) * TILE]
            fixed[tile, :n, : part.shape[1]] = part
    if probabilities is not None:
        probabilities[...] = probability(field)


def sweep(visible, hidden, to_visible, to_hidden, beta, seed, stream, first_sweep, n_sweeps, first_chain, fixed,
          n_threads=1):  # fmt: skip
    """n_sweeps times: visible given hidden, then hidden given visible; both planes in place."""
    for s in range(n_sweeps):
        now = (first_sweep + s) & 0xFFFFFFFF
        half_step(hidden, to_visible, beta, seed, stream, now, VISIBLE, first_chain, visible, None, None)
        last = fixed if s == n_sweeps - 1 else None
        half_step(visible, to_hidden, beta, seed, stream, now, HIDDEN, first_chain, hidden, last, None)


# ---------------------------------------------------------------- moments


def moments(transposed, fixed, scale, accumulate, weights, hidden, n_threads=1):
    """weights (V, H) = scale * sum_r v_ri fixed_rj, hidden (H,) = scale * sum_r fixed_rj; or added to what is there."""
    n_visible, n_hidden = weights.shape
    if not accumulate:
        weights[...], hidden[...] = 0.0, 0.0
    states = np.empty((n_visible, 8 * transposed.shape[0]), np.uint8)
    unpack(transposed, states)
    numbers = from_tiles(fixed, 8 * transposed.shape[0], n_hidden).astype(np.float64)
    for start in range(0, states.shape[1], ROWS):
        rows = slice(start, start + ROWS)
        weights += (states[:, rows].astype(np.float64) @ numbers[rows]) * scale
    hidden += numbers.sum(axis=0) * scale


def prepare_phase(planes, fixed, scale, transposed, visible, hidden, n_threads=1):
    """transposed, as transpose gives it; visible (V,), the number of cases in which each unit is on; hidden (H,) =
    scale * sum_r fixed_rj."""
    transpose(planes, visible.size, transposed)
    visible[...] = 0.0
    count_bits(planes, visible.size, visible)
    hidden[...] = from_tiles(fixed, fixed.shape[1], hidden.size).sum(axis=0, dtype=np.float64) * scale


def count_bits(planes, n_units, out, n_threads=1):
    """Add to out (U,) the number of chains in which each unit is on."""
    states = np.empty((planes.shape[1], n_units), np.uint8)
    unpack(planes, states)
    out += states.sum(axis=0)


# ---------------------------------------------------------------- update


def difference(positive_bits, positive, positive_factor, negative_bits, negative, negative_factor, centring, n_hidden,
               out, along_hidden, along_visible, n_threads=1):  # fmt: skip
    """out, in tiles = positive_factor sum_r v_r p_r' - negative_factor sum_r v_r p_r', rounded once to float32.

    centring: None, or (mu, lambda, dv, dh), padded; then mu_i dh_j + dv_i lambda_j is subtracted, and along_hidden is
    out lambda, along_visible out' mu.
    """
    n_visible, parts, last = positive_bits.shape[1], [], []
    for bits, fixed, factor in (
        (positive_bits, positive, positive_factor), (negative_bits, negative, -negative_factor)
    ):  # fmt: skip
        states = np.empty((n_visible, 8 * bits.shape[0]), np.uint8)
        unpack(bits, states)
        numbers = from_tiles(fixed, 8 * bits.shape[0], n_hidden).astype(np.float64)
        for start in range(0, states.shape[1], ROWS):
            rows = slice(start, start + ROWS)
            parts.append((states[:, rows].astype(np.float64) @ numbers[rows]) * factor)
        last.append(parts.pop())
    total = sum(parts[1:], parts[0]) + last[0] if parts else last[0]
    total = total + last[1]
    out[...] = to_tiles(total.astype(np.float32))
    if centring is None:
        return
    mu, lam, dv, dh = centring
    columns = lam.size
    wide = np.concatenate(list(out), axis=1).astype(np.float64)
    wide[:n_visible] -= mu[:n_visible, None] * dh + dv[:n_visible, None] * lam
    wide = wide.astype(np.float32).astype(np.float64)
    out[...] = to_tiles(wide.astype(np.float32))
    along_hidden[...] = 0.0
    for tile in range(columns // TILE):
        part = slice(tile * TILE, (tile + 1) * TILE)
        lanes = (wide[:, part] * lam[part]).reshape(len(wide), -1, 8)
        along_hidden += _sum8(np.add.accumulate(lanes, axis=1)[:, -1])
    along_hidden[n_visible:] = 0.0
    along_visible[...] = 0.0
    for start in range(0, n_visible, TILE):
        rows = slice(start, min(start + TILE, n_visible))
        along_visible += np.add.accumulate(wide[rows] * mu[rows, None], axis=0)[-1]


def ascend(weights, direction, rate, l2, l1, limit, out, transposed, n_threads=1):
    """out = weights + rate (direction - l2 weights - l1 sign(weights)), in tiles, rounded once to float32; transposed,
    the same the other way round. Returns how many are not below limit in size, and the largest sums of |out| over the
    weights of a hidden unit and of a visible unit."""
    w, d = weights.astype(np.float64), direction.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        out[...] = w + rate * ((d - l2 * w) - l1 * np.sign(w)) if l1 else w + rate * (d - l2 * w)
    n_tiles, padded, _ = out.shape
    square = np.zeros((transposed.shape[0] * TILE, n_tiles * TILE), np.float32)
    square[:padded] = np.concatenate(list(out), axis=1)
    transposed[...] = to_tiles(square.T)[:, : transposed.shape[1]]
    size = np.abs(square).astype(np.float64)
    rows, columns = np.zeros(len(square)), np.zeros(n_tiles * TILE)
    for tile in range(n_tiles):
        lanes = size[:, tile * TILE : (tile + 1) * TILE].reshape(len(square), -1, 8)
        rows = rows + _sum8(np.add.accumulate(lanes, axis=1)[:, -1])
    for share in range(transposed.shape[0]):
        columns = columns + np.add.accumulate(size[share * TILE : (share + 1) * TILE], axis=0)[-1]
    bad = int(out.size - (np.abs(out) < np.float32(limit)).sum())
    return bad, float(columns.max()), float(rows.max())


def step(positive_bits, positive, positive_factor, negative_bits, negative, negative_factor, centring, n_hidden,
         weights, rate, l2, l1, limit, out, transposed, along_hidden, along_visible, n_threads=1):  # fmt: skip
    """difference and ascend in one."""
    direction = np.empty_like(weights)
    difference(
        positive_bits, positive, positive_factor, negative_bits, negative, negative_factor, centring, n_hidden,
        direction, along_hidden, along_visible,
    )  # fmt: skip
    return ascend(weights, direction, rate, l2, l1, limit, out, transposed)


# ---------------------------------------------------------------- free energy


def _exp_negative_d(x):
    """exp(x) in float64 for -708 <= x <= 0."""
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
    e = _exp_negative_d(np.maximum(-np.abs(x), -708.0))
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


def _one_plus_exp(x):
    """1 + exp(-|x|): softplus(x) = max(x, 0) + log of this."""
    return 1.0 + _exp_negative_d(np.maximum(-np.abs(x), -708.0))


def _softplus_lanes(x):
    """Of x (n, U), by lane: the sums of max(x, 0), (n, 8), and the factors 1 + exp(-|x|), (n, ceil(U/8), 8)."""
    lanes = np.full((len(x), -(-x.shape[1] // 8) * 8), -np.inf)
    lanes[:, : x.shape[1]] = x
    lanes = lanes.reshape(len(x), -1, 8)
    lines = np.add.accumulate(np.maximum(lanes, 0.0), axis=1)[:, -1]
    return lines, np.where(np.isinf(lanes), 1.0, _one_plus_exp(np.maximum(lanes, -1e300)))


def softplus_sums(planes, layer, beta, out, n_threads=1):
    """out (n,) = sum over units j of softplus(beta (bias_j + acc_j 2^-e)), in eight lanes by j mod 8.

    A lane adds up max(x, 0) and multiplies 1 + exp(-|x|), taking the logarithm every 512 factors.
    """
    n, n_units = planes.shape[1], layer.n_units
    acc = np.empty((n, n_units), np.int32)
    product(planes, layer.tiles_array, layer.exponent, acc)
    x = acc.astype(np.float64) * 2.0**-layer.exponent + layer.bias_array[:n_units].astype(np.float64)
    x = x * np.asarray(beta, np.float64)[:, None]
    lines, factors = _softplus_lanes(x)
    out[...] = _sum8(lines) + _sum8(_logs_in_lanes(factors, 512))


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
    out += (beta1 - beta0) * _sum8(line)
    out += log(ratio)


# ---------------------------------------------------------------- enumeration and pseudo-likelihood


def _logs_in_lanes(factors, room):
    """Of factors (n, groups, 8): the sum of their logarithms (n, 8), a logarithm of a product every room groups."""
    logs = np.zeros((len(factors), 8))
    for start in range(0, factors.shape[1], room):
        logs = logs + log(np.multiply.accumulate(factors[:, start : start + room], axis=1)[:, -1])
    return logs


def enumerate_states(high, high_bias, low, low_bias, peak, total, n_threads=1):
    """Of log weights high_bias_m + low_bias_l + sum_k softplus(high_mk + low_lk): the largest over l, peak (M,), and
    total (M,), the sum over l of exp(log weight - peak)."""
    for m in range(len(high)):
        lines, factors = _softplus_lanes(high[m] + low)
        log_weights = (high_bias[m] + low_bias) + (_sum8(lines) + _sum8(_logs_in_lanes(factors, 512)))
        peak[m] = log_weights.max()
        total[m] = np.add.accumulate(_exp_negative_d(np.maximum(log_weights - peak[m], -708.0)))[-1]


def pseudo_sums(planes, layer, up, down, visible_bias, room, out, n_threads=1):
    """out (n,) = sum_i log p(v_i | v without i); up = exp(W), down = exp(-W), (V, hidden units padded to 8)."""
    n, n_units = planes.shape[1], layer.n_units
    acc = np.empty((n, n_units), np.int32)
    product(planes, layer.tiles_array, layer.exponent, acc)
    x = acc.astype(np.float64) * 2.0**-layer.exponent + layer.bias_array[:n_units].astype(np.float64)
    e = _exp_negative_d(np.maximum(-np.abs(x), -708.0))
    on, off = np.zeros((n, up.shape[1])), np.ones((n, up.shape[1]))
    on[:, :n_units] = np.where(x >= 0, 1.0 / (1.0 + e), e / (1.0 + e))
    off[:, :n_units] = np.where(x >= 0, e / (1.0 + e), 1.0 / (1.0 + e))
    out[...] = 0.0
    for unit in range(len(up)):
        bit = ((planes[unit // 8] >> (unit % 8)) & 1).astype(bool)
        factors = off + on * np.where(bit[:, None], down[unit], up[unit])
        change = _sum8(_logs_in_lanes(factors.reshape(n, -1, 8), room))
        change = np.where(bit, -(visible_bias[unit] - change), visible_bias[unit] + change)
        out -= np.maximum(change, 0.0) + log(_one_plus_exp(change))
