"""The reference implementation of bits, product, random numbers and sweeps."""

from __future__ import annotations

import numpy as np

from . import categorical, real, units
from .activation import FIXED_BITS, fixed_probability, less_likely, log_odds, probability
from .segments import CATEGORICAL, of_one_type
from .tiles import TILE, from_tiles, quantized_weights

VISIBLE, HIDDEN, TIE = 0, 1, 2
Name = tuple[int, int, int, int, int]  # of random numbers: seed, stream, sweep, kind, first chain
CODED = 12  # categories of a site: see transpose
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


def transpose(planes, n_units, segments, out, n_threads=1):
    """Swap units and chains: planes of segments (None: (ceil(U/8), n), of bits) to out (ceil(n/8), U). The columns of a
    site of CODED categories and more begin with the categories of eight examples, in place of bits."""
    pack(np.ascontiguousarray(units_on(planes, n_units, segments).T), out)
    for row, unit, size in _coded_sites(segments):
        codes = np.zeros(8 * len(out), np.uint8)
        codes[: planes.shape[1]] = planes[row]
        out[:, unit : unit + size] = 0
        out[:, unit : unit + 8] = codes.reshape(-1, 8)


def _coded_sites(segments):
    """(row of planes, first unit, categories) of the sites that transposed states keep as categories."""
    for part in [] if segments is None else segments.parts:
        unit = part.units.start
        for row, size in enumerate(part.sizes if part.name == CATEGORICAL else (), part.rows.start):
            if size >= CODED:
                yield row, unit, size
            unit += size


def transposed_states(transposed, segments):
    """Which units are on, float64 (U, 8 ceil(n/8)), of transposed states; past the n-th anything."""
    states = np.empty((transposed.shape[1], 8 * transposed.shape[0]), np.uint8)
    unpack(transposed, states)
    for _, unit, size in _coded_sites(segments):
        codes = transposed[:, unit : unit + 8].reshape(-1)
        states[unit : unit + size] = codes == np.arange(size)[:, None]
    return states.astype(np.float64)


def units_on(planes, n_units, segments):
    """Which units are on, uint8 (n, n_units); segments None: all are bits."""
    return (segments or of_one_type("bernoulli", n_units)).units_on(planes)


# ---------------------------------------------------------------- product


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


def draw(odds, seed, stream, sweep, kind, first_chain, places=None):
    """Bits (n, U), uint8, with P(on) = sigmoid(log odds), from the random numbers that have this name, at places (U,)
    among them; None: 0, 1, ..."""
    less = _below(less_likely(odds), seed, stream, sweep, kind, first_chain, places)
    return (less ^ ~np.signbit(odds)).astype(np.uint8)


def draw_site(weights, seed, stream, sweep, kind, first_chain, place):
    """Categories (n,), uint8, in proportion to weights (n, q), by the word of 32 random bits at this place."""
    chains = np.arange(first_chain, first_chain + len(weights)).astype(np.uint32)
    words = blocks(seed, stream << 8 | kind, sweep, chains, np.array([place // 4]))
    return categorical.choose(weights, words[:, 0, place % 4])


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


def _below(p, seed, stream, sweep, kind, first_chain, places=None):
    """Which of the units' uniform numbers are below p (n, U), float32: by 16 bits, and 24 more where those tie."""
    n, n_units = p.shape
    places = np.arange(n_units) if places is None else places
    chains = np.arange(first_chain, first_chain + n).astype(np.uint32)
    bytes_, which = np.unique(places // 8, return_inverse=True)
    words = blocks(seed, stream << 8 | kind, sweep, chains, bytes_)
    number = words.reshape(n, 4 * len(bytes_)).view(np.uint16)[:, 8 * which + places % 8].astype(np.int32)
    y = p * np.float32(65536.0)
    whole = y.astype(np.int32)
    less = number < whole
    for i, j in np.argwhere(number == whole):
        word = blocks(seed, stream << 8 | (kind + TIE), sweep, chains[i : i + 1], places[j : j + 1])[0, 0, 0]
        less[i, j] = np.float32(int(word) >> 8) * np.float32(2.0**-24) < y[i, j] - np.float32(whole[i, j])
    return less


# ---------------------------------------------------------------- sweeps


class Layer:
    """What it takes to draw a layer given the other: tiles of weights, the exponent of their grid, the padded bias, and
    what the units of both layers are: of one type, or segments, to of the layer itself and given of the other one. Of
    real units shape, float64 (6, 64 tiles), describes them, and means are counted in units of 2^-fixed_bits.

    A part of a layer has some of its tiles, from first_tile on, with whole sites, and all else of the whole: half
    steps, inputs and statistics are of its units alone, with the random numbers that these have in the whole. The
    kernels refuse it in all other functions; these do not look."""

    def __init__(self, tiles, exponent, bias, n_units, unit, sent, to=None, given=None, shape=None,
                 fixed_bits=FIXED_BITS, first_tile=0, division=None):  # fmt: skip
        self.tiles_array, self.bias_array, self.exponent, self.n_units = tiles, bias, exponent, n_units
        self.shape_array, self.fixed_bits = shape, fixed_bits
        self.unit, self.sent, self.to, self.given = unit, sent, to, given
        self.first_tile, self.division = first_tile, division
        self.receiving = to or of_one_type(unit, n_units)
        self.sending = given or of_one_type(sent, tiles.shape[1])
        self.parts = self.receiving.parts_in(first_tile, len(tiles))
        self.columns = np.concatenate([part.columns for part in self.parts])  # of all tiles of the layer

    def integers(self, n_in):
        """Q = rint(W 2^exponent), float64 (n_in, units)."""
        columns = from_tiles(self.tiles_array, n_in, None)[:, self.columns - TILE * self.first_tile]
        return quantized_weights(columns, self.exponent)

    def in_place(self, values):
        """Of numbers for each column of all tiles of the layer, those of the units (units,)."""
        return values[self.columns]

    def put_fixed(self, fixed, part, numbers):
        """numbers (n, units of a part) in their places among those of all tiles that there are."""
        fixed[part.columns // TILE - self.first_tile, : len(numbers), part.columns % TILE] = numbers.T


def sent_sums(planes, layer):
    """sum_i Q_i value_i over the units of the other layer, float64 (n, units): exactly, since no partial sum leaves
    int32."""
    values = layer.sending.values(planes)
    return values @ layer.integers(values.shape[1]) + 0.0  # which has no sign of zero


def inputs(planes, layer, out, n_threads=1):
    """out (n, units), int32: 2^exponent times what the other layer, which is of segments, sends."""
    out[...] = sent_sums(planes, layer)


def fields(sent, layer, beta=None, reference=None):
    """field = (bias + sent 2^-e) beta [+ reference (1 - beta)], float32 (n, units), of what is sent; beta (n,)."""
    field = sent.astype(np.float32) * np.float32(2.0**-layer.exponent)
    field = field + layer.in_place(layer.bias_array)
    if beta is None:
        return field
    beta = np.asarray(beta, np.float32)[:, None]
    field = field * beta
    return field if reference is None else field + layer.in_place(reference) * (np.float32(1.0) - beta)


def half_step(planes, layer, beta, seed, stream, sweep, kind, first_chain, out, fixed, probabilities, n_threads=1,
              free=None):  # fmt: skip
    """Draw a layer given planes of the other; any of out, fixed and probabilities may be None. Of units that are not in
    the planes of free, if given, out keeps what it has."""
    name = seed, stream, sweep, kind, first_chain
    draw_layer(sent_sums(planes, layer), layer, name, out, free, fixed, probabilities, beta)


def half_step_of_fractions(numbers, layer, seed, stream, sweep, kind, first_chain, out, fixed, probabilities,
                           n_threads=1):  # fmt: skip
    """half_step, given whole numbers as sums_of_fractions takes them."""
    sent, name = sums_of_fractions(numbers, layer) * 2.0**-FIXED_BITS, (seed, stream, sweep, kind, first_chain)
    draw_layer(sent, layer, name, out, None, fixed, probabilities)


def sums_of_fractions(numbers, layer):
    """What the other layer sends, in units of 2^-22, its units on by whole numbers (n, units), from 0 to 2^22; of
    segments these are what the units count for, from -2^22 to 2^22. Exactly: all sums are below 2^53."""
    if layer.given is None:
        values = units.UNITS[layer.sent].OFF * 2.0**FIXED_BITS + units.step(layer.sent) * numbers
    else:
        values = numbers
    return values @ layer.integers(numbers.shape[1]) + 0.0


def draw_layer(sent, layer, name: Name, out, free=None, fixed=None, probabilities=None, beta=None, reference=None):
    """What a half step gives out, given 2^e times what is sent, float64 (n, units), and the name of the random
    numbers."""
    drawn, field = None if out is None else out.copy(), fields(sent, layer, beta, reference)
    for part in layer.parts:
        first = layer.parts[0].units.start
        units_ = slice(part.units.start - first, part.units.stop - first)  # of those that there are
        own, rows = field[:, units_], None if drawn is None else drawn[part.rows]
        chances = None if probabilities is None else probabilities[:, part.units]
        if part.name in real.NAMES:
            own, betas = real.fields(sent, layer, beta, reference)
            _give_reals(own[:, units_], betas, layer, part, name, rows, fixed, chances)
        elif part.name == CATEGORICAL:
            _give_sites(own, part, name, rows, chances)
        else:
            _give_bits(log_odds(own, part.name), layer, part, name, rows, fixed, chances)
    if drawn is not None:
        out[...] = drawn if free is None else (out & ~free) | (drawn & free)


def _give_bits(odds, layer, part, name: Name, rows, fixed, chances):
    if rows is not None:
        pack(draw(odds, *name, part.columns), rows)
    if fixed is not None:
        layer.put_fixed(fixed, part, fixed_probability(odds))
    if chances is not None:
        chances[...] = probability(odds)


def _give_reals(field, beta, layer, part, name: Name, rows, fixed, chances):
    sides = layer.shape_array[:, part.columns]
    if fixed is not None or chances is not None:
        means = real.mean(part.name, sides, field, beta)
    if fixed is not None:
        wide = fixed.dtype == np.float64
        layer.put_fixed(fixed, part, field if wide else real.fixed_point(means, layer.fixed_bits))
    if chances is not None:
        chances[...] = means
    if rows is not None:
        seed, stream, sweep, kind, first_chain = name
        chains = np.arange(first_chain, first_chain + len(field)).astype(np.uint32)
        words = blocks(seed, stream << 8 | (kind + real.KIND), sweep, chains, np.unique(part.columns // 2))
        words = words.reshape(len(field), 2 * words.shape[1], 2)[:, : len(part.columns)].astype(np.uint64)
        u = ((words[..., 0] << np.uint64(20) | words[..., 1] >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
        real.put(real.quantile(part.name, sides, field, beta, u), rows)


def _give_sites(field, part, name: Name, rows, chances):
    stops = np.add.accumulate([0, *part.sizes])
    for site, (first, stop) in enumerate(zip(stops[:-1], stops[1:], strict=True)):
        weights = categorical.weigh(field[:, first:stop])
        if rows is not None:
            rows[site] = draw_site(weights, *name, part.words[site])
        if chances is not None:
            chances[:, first:stop] = categorical.probabilities(weights)


def sweep(visible, hidden, to_visible, to_hidden, beta, seed, stream, first_sweep, n_sweeps, first_chain, free_visible,
          free_hidden, fixed, n_threads=1, apart=False):  # fmt: skip
    """n_sweeps times: visible given hidden, then hidden given visible; both planes in place. Only units in the planes
    of free_visible and free_hidden change, if these are given."""
    for s in range(n_sweeps):
        now = (first_sweep + s) & 0xFFFFFFFF
        last = fixed if s == n_sweeps - 1 else None
        name = beta, seed, stream, now
        half_step(hidden, to_visible, *name, VISIBLE, first_chain, visible, None, None, free=free_visible)
        half_step(visible, to_hidden, *name, HIDDEN, first_chain, hidden, last, None, free=free_hidden)
