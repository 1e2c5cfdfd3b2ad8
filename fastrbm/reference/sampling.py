"""The reference implementation of bits, product, activation, random numbers and sweeps."""

from __future__ import annotations

import numpy as np

TILE = 64
FIXED_BITS = 22
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


def quantized_weights(tiles, exponent):
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
    out[...] = states.astype(np.float64) @ quantized_weights(from_tiles(tiles, states.shape[1], n_out), exponent)


def sum8(x):
    """The sum of eight lanes (n, 8), in the kernels' order."""
    return ((x[:, 0] + x[:, 1]) + (x[:, 2] + x[:, 3])) + ((x[:, 4] + x[:, 5]) + (x[:, 6] + x[:, 7]))


# ---------------------------------------------------------------- activation


def exp_negative(x):
    """exp(x) in float32 for -87 <= x <= 0, relative error below 2e-7 + 8e-8 |x| (see src/activation.pxi)."""
    f = np.float32
    y = x * f(1.44269504)
    t = y + f(12583039.0)
    r = y - (t - f(12583039.0))
    p = np.full_like(r, f(0.001326482160948217))
    for c in (0.00967153999954462, 0.05550722777843475, 0.24022242426872253, 0.6931470036506653, 1.0):
        p = p * r + f(c)
    return p * (t.view(np.int32) << 23).view(np.float32)


def less_likely(field):
    """q = sigmoid(-|field|), the probability of a unit's less likely state, float32."""
    e = exp_negative(np.maximum(-np.abs(field), np.float32(-87.0)))
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


def words(first, seed, sweep, kind, out, n_threads=1):
    """out (n,): the words of blocks first, first + 1, ..., the first two words of whose counters are this number."""
    numbers = np.uint64(first) + np.arange(-(-out.size // 4), dtype=np.uint64)
    counters = np.empty((numbers.size, 4), np.uint32)
    counters[:, 0], counters[:, 1] = numbers & np.uint64(0xFFFFFFFF), numbers >> np.uint64(32)
    counters[:, 2], counters[:, 3] = sweep, kind
    blocks = np.empty_like(counters)
    philox_blocks(counters, seed, blocks)
    out[...] = blocks.reshape(-1)[: out.size]


def blocks(seed, kind, sweep, chains, first_words):
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
    less = _below(less_likely(field), seed, stream, sweep, kind, first_chain)
    return (less ^ ~np.signbit(field)).astype(np.uint8)


def normals(seed, sweep, kind, out, n_threads=1):
    """out (n,), float32: sums of twelve uniforms less six, in blocks of 65,536, each from a sweep number of its own."""
    for block, start in enumerate(range(0, out.size, 1 << 16)):
        part = out[start : start + (1 << 16)]
        uniforms = np.empty(12 * part.size, np.uint32)
        words(0, seed, sweep + block, kind, uniforms)
        sums = uniforms.reshape(12, -1).sum(axis=0, dtype=np.uint64).astype(np.float64)
        part[...] = (sums + 6.0) * 2.0**-32 - 6.0


def draw_states(fractions, rows, seed, stream, sweep, first, out, n_threads=1):
    """out (m, n, ceil(V/8)): bits that are on with probability fractions[rows], cut to [0, 1]; each of the m sets of
    rows from a sweep number of its own."""
    for s, examples in enumerate(rows):
        p = fractions[examples].clip(np.float32(0.0), np.float32(1.0))
        pack(_below(p, seed, stream, sweep + s, VISIBLE, first).astype(np.uint8), out[s].T)


def _below(p, seed, stream, sweep, kind, first_chain):
    """Which of the units' uniform numbers are below p (n, U), float32: by 16 bits, and 24 more where those tie."""
    n, n_units = p.shape
    chains = np.arange(first_chain, first_chain + n).astype(np.uint32)
    words = blocks(seed, stream << 8 | kind, sweep, chains, np.arange(-(-n_units // 8)))
    number = words.reshape(n, -1).view(np.uint16)[:, :n_units].astype(np.int32)
    y = p * np.float32(65536.0)
    whole = y.astype(np.int32)
    less = number < whole
    for i, j in np.argwhere(number == whole):
        word = blocks(seed, stream << 8 | (kind + TIE), sweep, chains[i : i + 1], np.array([j]))[0, 0, 0]
        less[i, j] = np.float32(int(word) >> 8) * np.float32(2.0**-24) < y[i, j] - np.float32(whole[i, j])
    return less


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
    _half_step(planes, layer, beta, seed, stream, sweep, kind, first_chain, out, None, fixed, probabilities)


def _half_step(planes, layer, beta, seed, stream, sweep, kind, first_chain, out, free, fixed, probabilities=None):
    """half_step; of units that are not in the planes of free, out keeps what it has."""
    _give_out(fields(planes, layer, beta), seed, stream, sweep, kind, first_chain, out, free, fixed, probabilities)


def half_step_of_fractions(numbers, layer, seed, stream, sweep, kind, first_chain, out, fixed, probabilities,
                           n_threads=1):  # fmt: skip
    """half_step, given whole numbers (n, units of the other layer) in units of 2^-22."""
    acc = (sums_of_fractions(numbers, layer) * 2.0**-FIXED_BITS).astype(np.float32)
    field = acc * np.float32(2.0**-layer.exponent) + layer.bias_array[: layer.n_units]
    _give_out(field, seed, stream, sweep, kind, first_chain, out, None, fixed, probabilities)


def sums_of_fractions(numbers, layer):
    """Whole numbers (n, units of the other layer), from 0 to 2^22, times rint(W 2^e), exactly: below 2^53."""
    tiles = from_tiles(layer.tiles_array, numbers.shape[1], layer.n_units)
    return numbers @ quantized_weights(tiles, layer.exponent) + 0.0  # which has no sign of zero


def _give_out(field, seed, stream, sweep, kind, first_chain, out, free, fixed, probabilities):
    n = len(field)
    if out is not None:
        drawn = np.empty_like(out)
        pack(draw(field, seed, stream, sweep, kind, first_chain), drawn)
        out[...] = drawn if free is None else (out & ~free) | (drawn & free)
    if fixed is not None:
        numbers = fixed_probability(field)
        for tile in range(fixed.shape[0]):
            part = numbers[:, tile * TILE : (tile + 1) * TILE]
            fixed[tile, :n, : part.shape[1]] = part
    if probabilities is not None:
        probabilities[...] = probability(field)


def sweep(visible, hidden, to_visible, to_hidden, beta, seed, stream, first_sweep, n_sweeps, first_chain, free_visible,
          free_hidden, fixed, n_threads=1):  # fmt: skip
    """n_sweeps times: visible given hidden, then hidden given visible; both planes in place. Only units in the planes
    of free_visible and free_hidden change, if these are given."""
    for s in range(n_sweeps):
        now = (first_sweep + s) & 0xFFFFFFFF
        last = fixed if s == n_sweeps - 1 else None
        name = beta, seed, stream, now
        _half_step(hidden, to_visible, *name, VISIBLE, first_chain, visible, free_visible, None)
        _half_step(visible, to_hidden, *name, HIDDEN, first_chain, hidden, free_hidden, last)
