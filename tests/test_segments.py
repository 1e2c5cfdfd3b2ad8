"""Layers of several segments and of categorical sites: every kernel equals its reference implementation, bits, integers
and float64 exactly, at every level and for any number of threads; and the reference's draws follow the distribution."""

from functools import cache

import numpy as np
import pytest
from helpers import LEVELS, build_layers, modules, placed, tiles_for

from fastrbm import reference

MODULES = modules()
THREADS = [1, 2, 3, 7]
SEED = 0xFEDCBA9876543210
GUARD = 0xA5
CHAINS = [1, 3, 17, 130, 1100]
STATES = [1, 2, 3, 5, 21, 64, 65, 255]
BITS = [1, 7, 8, 9, 63, 64, 65, 130]


def sites(*sizes):
    return "categorical", sizes


# (layout of the visible layer, hidden units, their type, chains)
CHOSEN = [
    ([sites(1)], 1, "bernoulli", 3),
    ([sites(*[1] * 70)], 9, "spin", 17),  # more sites than a tile has
    ([sites(*[2] * 40)], 65, "bernoulli", 130),  # 32 sites, and 8
    ([sites(*[3] * 25)], 20, "spin", 1100),
    ([sites(*[5] * 14)], 130, "bernoulli", 1100),
    ([sites(*[21] * 7)], 70, "bernoulli", 130),
    ([sites(64, 64)], 5, "spin", 17),
    ([sites(65, 65)], 64, "bernoulli", 130),
    ([sites(255, 255, 255)], 16, "bernoulli", 1100),  # more tables than a pass has
    ([sites(255, 1, 64, 1, 130, 2, 2, 63, 3)], 33, "spin", 130),
    ([("bernoulli", 130), sites(10)], 24, "bernoulli", 1100),  # a label beside pixels
    ([sites(3), ("bernoulli", 9)], 8, "bernoulli", 17),  # bits from unit 3 on
    ([sites(21, 21), ("spin", 7), ("bernoulli", 65)], 40, "spin", 130),
    ([("spin", 8), ("bernoulli", 63), ("spin", 1)], 17, "bernoulli", 3),
    ([("spin", 130), sites(65, 2), ("bernoulli", 64), sites(5), ("spin", 9)], 66, "spin", 1100),
    ([sites(7), sites(7), ("bernoulli", 1), ("bernoulli", 7)], 3, "bernoulli", 1),
]


def drawn(count):
    """Segments of any type and size in any order."""
    rng = np.random.default_rng(7)
    for _ in range(count):
        layout = []
        for kind in rng.choice(["bernoulli", "spin", "categorical", "categorical"], rng.integers(1, 6)):
            if kind == "categorical":
                layout.append(sites(*rng.choice(STATES, rng.integers(1, 5)).tolist()))
            else:
                layout.append((str(kind), int(rng.choice(BITS))))
        yield layout, int(rng.integers(1, 90)), str(rng.choice(["bernoulli", "spin"])), int(rng.choice(CHAINS[:4]))


ALL = [*CHOSEN, *drawn(14)]
SCALES = 0.7, 8.0, 0.0  # of weights: fields also further apart than exp has room for, and all alike


class Example:
    """Random parameters and states of a model, and what the reference implementation makes of them."""

    def __init__(self, layout, n_hidden, hidden, n, scale=0.7):
        self.layout, self.n_hidden, self.hidden, self.n = layout, n_hidden, hidden, n
        self.segments = reference.Segments(layout)
        self.rng = rng = np.random.default_rng([n, n_hidden, self.segments.n_units])
        n_visible = self.segments.n_units
        self.weights = rng.normal(0, scale, (n_visible, n_hidden)).astype(np.float32)
        self.biases = [rng.normal(0, 1, size).astype(np.float32) for size in (n_visible, n_hidden)]
        self.states = self.random_planes(absent=0.1)
        self.hidden_states = rng.integers(0, 256, (-(-n_hidden // 8), n), dtype=np.uint8)
        if n_hidden % 8:
            self.hidden_states[-1] &= (1 << n_hidden % 8) - 1
        # of a site, all or none; an absent one is never drawn
        self.free = self.random_planes(absent=0.0)
        for part in self.segments.parts:
            if part.name == "categorical":
                there = self.states[part.rows] < np.array(part.sizes)[:, None]
                self.free[part.rows] = np.where(there & (rng.random((len(part.sizes), n)) < 0.7), 255, 0)
        self.free_hidden = self.hidden_states[:, ::-1].copy()
        self.beta = rng.random(n).astype(np.float32)
        self.beta[::5] = 0.0
        self.fractions = self.random_fractions()
        self.hidden_fractions = rng.integers(0, (1 << 22) + 1, (n, n_hidden)).astype(np.float64)
        self.expected = run(reference, self, 1)

    def random_planes(self, absent):
        planes = np.empty((self.segments.n_rows, self.n), np.uint8)
        for part in self.segments.parts:
            for row, size in zip(planes[part.rows], part.sizes, strict=True):
                most = size if part.name == "categorical" else 1 << size
                row[:] = self.rng.integers(0, most, self.n)
                if part.name == "categorical":
                    row[self.rng.random(self.n) < absent] = size
        return planes

    def random_fractions(self):
        """What units count for, in units of 2^-22; half of the sites are in one category."""
        numbers = self.rng.integers(0, (1 << 22) + 1, (self.n, self.segments.n_units)).astype(np.float64)
        first = 0
        for part in self.segments.parts:
            for size in part.sizes:
                own = numbers[:, first : first + size]
                if part.name == "categorical":
                    own[...] = np.rint(own / np.maximum(own.sum(axis=1, keepdims=True), 1.0) * 2.0**22)
                    whole = self.rng.random(self.n) < 0.5
                    own[whole] = np.eye(size)[self.rng.integers(0, size, whole.sum())] * 2.0**22
                first += size
        steps = 1.0 if self.segments.steps is None else np.array(self.segments.steps)
        return numbers * steps + self.segments.off * 2.0**22


_examples = {}


def example_of(k):
    if k not in _examples:
        _examples[k] = Example(*ALL[k], SCALES[max(0, k % 5 - 2)])
    return _examples[k]


def strided(states):
    """The same in the middle of a larger array."""
    rows, n = states.shape
    whole = np.full((rows + 2, n + 13), GUARD, np.uint8)
    whole[1:-1, 5 : 5 + n] = states
    return whole[1:-1, 5 : 5 + n]


def intact(view):
    """Whether nothing was written beside the states."""
    whole = view.base.copy()
    whole[1:-1, 5 : 5 + view.shape[1]] = GUARD
    return bool((whole == GUARD).all())


def guarded(shape, dtype=np.float32):
    """An array, and numbers before and behind it that are to stay as they are."""
    size = int(np.prod(shape))
    flat = np.full(size + 64, GUARD, dtype)
    return flat, flat[32 : 32 + size].reshape(shape)


def run(module, example, n_threads):
    """Every result of every kernel that knows segments, by name."""
    e, segments, n = example, module.Segments(example.layout), example.n
    n_visible, n_hidden = segments.n_units, e.n_hidden
    names = ("n_units", "n_rows", "n_tiles", "n_inputs", "steps", "places")
    results = {name: getattr(segments, name) for name in names}
    results["steps"] = np.ones(0) if segments.steps is None else np.array(segments.steps)
    layers = build_layers(
        module, e.weights, *e.biases, n_threads=n_threads, units=("bernoulli", e.hidden), layout=e.layout
    )
    to_visible, to_hidden = layers
    results["largest_input"] = module.largest_input(to_hidden.tiles_array, segments)
    results |= {"to_visible": to_visible.tiles_array, "exponents": [layer.exponent for layer in layers]}

    planes, flats = strided(e.states), []

    def room(name, *shape, dtype=np.float32):
        flat, results[name] = guarded(shape, dtype)
        flats.append((flat, results[name].size, name))
        return results[name]

    module.transpose(planes, n_visible, segments, room("transposed", -(-n // 8), n_visible, dtype=np.uint8), n_threads)
    counts = room("counts", n_visible, dtype=np.float64)
    counts[:] = 0.25
    module.count_bits(planes, n_visible, segments, counts, n_threads)
    module.inputs(planes, to_hidden, room("inputs", n, n_hidden, dtype=np.int32), n_threads)
    wide = np.random.default_rng(2).normal(0, 1, n_visible)  # with all the bits of float64, so that the order shows
    module.bias_sums(planes, "bernoulli", segments, wide, room("bias", n, dtype=np.float64), n_threads)

    fixed = np.zeros((tiles_for(n_hidden), -(-n // 8) * 8, 64), np.float32)
    place = SEED, 3, 5, 1, 2**32 - 7  # chains whose numbers come round
    up = strided(np.zeros_like(e.hidden_states))
    module.half_step(planes, to_hidden, None, *place, up, fixed, room("p_hidden", n, n_hidden), n_threads)
    results |= {"up": up.copy(), "fixed": valid(fixed, n_hidden)}
    phase = (
        room("phase_bits", -(-n // 8), n_visible, dtype=np.uint8),
        *(room(f"phase_{size}", size, dtype=np.float64) for size in (n_visible, n_hidden)),
    )
    fixed = np.concatenate([fixed[:, :n], np.zeros_like(fixed[:, n:])], axis=1)
    module.prepare_phase(planes, segments, fixed, 2.0**-22, *phase, None, n_threads)
    pairs = room("pairs", n_visible, n_hidden, dtype=np.float64), room("sums", n_hidden, dtype=np.float64)
    for accumulate in (False, True):
        module.moments(phase[0], fixed, False, 2.0**-22, accumulate, *pairs, n_threads, segments)
    if n:
        weighted = fixed.copy(), np.random.default_rng(3).integers(0, 2**22 + 1, n).astype(np.float64)
        other = phase[0].copy(), *(room(f"weighted_{size}", size, dtype=np.float64) for size in (n_visible, n_hidden))
        module.prepare_phase(planes, segments, weighted[0], 2.0**-23, *other, (weighted[1], 2.0**-23), n_threads)
        results["weighted"] = valid(weighted[0], n_hidden)
        tiles = to_hidden.tiles_array
        padded = tiles.shape[1], 64 * len(tiles)
        difference = room("difference", *tiles.shape)
        along = [room(f"along_{side}", size, dtype=np.float64) for side, size in enumerate(padded)]
        sides = phase[0], fixed, 2.0**-22 / n, other[0], weighted[0], 2.0**-21 / n, False
        offsets = tuple(np.random.default_rng(4).random(size) for size in padded * 3)
        for tail, size in zip(offsets, (n_visible, n_hidden) * 3, strict=True):
            tail[size:] = 0.0
        module.difference(*sides, offsets, n_hidden, difference, *along, n_threads, None, segments)
        moved = room("moved", *tiles.shape), np.empty((-(-n_visible // 64), -(-n_hidden // 8) * 8, 64), np.float32)
        results["step"] = np.array(
            module.step(*sides, offsets, n_hidden, tiles, 0.1, 1e-3, 0.0, 1e30, *moved, *along, n_threads, None, None,
                        segments)
        )  # fmt: skip
    for name, beta in (("down", None), ("tempered_down", e.beta)):
        down = strided(np.zeros_like(e.states))
        chances = room("p_" + name, n, n_visible)
        module.half_step(strided(e.hidden_states), to_visible, beta, SEED, 3, 6, 0, 11, down, None, chances, n_threads)
        results[name] = down.copy()
        assert intact(down)
    assert intact(planes) and intact(up)

    for name, numbers, layer, like in (
        ("up_f", e.fractions, to_hidden, e.hidden_states),
        ("down_f", e.hidden_fractions, to_visible, e.states),
    ):
        out, chances = strided(np.zeros_like(like)), room("p_" + name, n, layer.n_units)
        module.half_step_of_fractions(numbers, layer, *place, out, None, chances, n_threads)
        results[name] = out.copy()
        assert intact(out)

    for name, beta in (("cgf", np.ones(1)), ("tempered_cgf", e.beta.astype(np.float64))):
        module.cgf_sums(planes, to_hidden, beta, room(name, n, dtype=np.float64), n_threads)
        module.cgf_sums_of_fractions(e.fractions, to_hidden, beta, room(name + "_f", n, dtype=np.float64), n_threads)

    visible, hidden = strided(e.states), strided(e.hidden_states)
    fixed = np.zeros((tiles_for(n_hidden), n + 3, 64), np.float32)
    clamped = SEED, 4, 2**32 - 2, 3, 2**31 - 5, strided(e.free), strided(e.free_hidden), fixed[:, 1:]
    module.sweep(visible, hidden, *layers, e.beta, *clamped, n_threads)
    results |= {"clamped_v": visible.copy(), "clamped_h": hidden.copy(), "swept_fixed": valid(fixed, n_hidden)}
    assert not fixed[:, 0].any() and not fixed[:, n + 1 :].any()
    module.sweep(visible, hidden, *layers, None, SEED, 4, 9, 2, 0, None, None, None, n_threads)
    results |= {"swept_v": visible.copy(), "swept_h": hidden.copy()}

    base = np.random.default_rng(1).normal(0, 1, n_visible).astype(np.float32)
    log_weights = np.ones((to_hidden.tiles_array.shape[0] + segments.n_tiles, n))
    betas = np.array([0.0, 0.3, 0.35, 1.0], np.float32)
    bases = placed(base, segments.places), wide
    place = SEED, 5, 7, 3
    both = betas, betas.astype(np.float64)
    module.anneal(visible, hidden, *layers, bases[0][None], wide, *both, *place, log_weights, n_threads)
    several = np.stack([bases[0], -bases[0], 0.5 * bases[0]])  # of each step
    both = betas, np.square(betas, dtype=np.float64)
    module.anneal(visible, hidden, *layers, several, wide, *both, *place, log_weights, n_threads)
    results |= {"annealed_v": visible.copy(), "annealed_h": hidden.copy(), "log_weights": log_weights}
    assert intact(visible) and intact(hidden)

    rng = np.random.default_rng(0)
    padded = -(-n_visible // 8) * 8 + 8
    for name, scale in (("", 0.3), ("far_", 300.0)):  # fields also further apart than exp has room for
        high, low = rng.normal(0, scale, (5, padded)), rng.normal(0, scale, (6, padded))
        sums = room(name + "peak", 5, dtype=np.float64), room(name + "total", 5, dtype=np.float64)
        biases = rng.normal(0, 1, 5), rng.normal(0, 1, 6)
        module.enumerate_states(high, biases[0], low, biases[1], "bernoulli", segments, n_visible, *sums, n_threads)

    for flat, size, name in flats:
        assert (flat[:32] == flat.dtype.type(GUARD)).all() and (flat[32 + size :] == flat.dtype.type(GUARD)).all(), name
    return results


def valid(fixed, n_units):
    return np.concatenate(list(fixed), axis=1)[:, :n_units]


@pytest.mark.parametrize("k", range(len(ALL)), ids=lambda k: f"{k}-{'-'.join(name[0] for name, _ in ALL[k][0])}")
@pytest.mark.parametrize("level", MODULES)
def test_kernels_of_segments_equal_the_reference(level, k):
    example = example_of(k)
    # all numbers of threads at the highest level; at the others every second one, in turn
    for n_threads in THREADS if level == LEVELS[-1] else THREADS[k % 2 :: 2]:
        for name, result in run(MODULES[level], example, n_threads).items():
            expected = example.expected[name]
            if isinstance(result, np.ndarray):
                assert result.dtype == expected.dtype and result.shape == expected.shape, name
            assert np.array_equal(result, expected), (name, n_threads)


@pytest.mark.parametrize("k", range(len(ALL)))
def test_sites_keep_to_their_categories(k):
    """Those that are clamped or absent to the one that they have; and some change."""
    example, moved = example_of(k), 0
    before, after = example.states, example.expected["clamped_v"]
    assert np.array_equal(after & ~example.free, before & ~example.free)
    for part in example.segments.parts:
        if part.name == "categorical":
            sizes = np.array(part.sizes)[:, None]
            absent = before[part.rows] == sizes
            assert np.array_equal(after[part.rows] == sizes, absent)
            assert (example.expected["swept_v"][part.rows] < sizes).all()
            moved += (after[part.rows] != before[part.rows]).sum()
    largest = max([0, *(max(part.sizes) for part in example.segments.parts if part.name == "categorical")])
    assert moved > 0 or largest < 2 or example.n < 17


@pytest.mark.parametrize("k", range(len(ALL)))
def test_no_two_share_random_numbers(k):
    """Words of 32 bits: one for each site, half of one for each unit of two values."""
    segments = example_of(k).segments
    numbers = [part.columns for part in segments.parts if part.name != "categorical"]
    words = [part.words for part in segments.parts if part.name == "categorical"]
    halves = np.concatenate([*numbers, *(2 * w for w in words), *(2 * w + 1 for w in words)])
    assert len(set(halves.tolist())) == halves.size and halves.max() < 64 * segments.n_tiles


@pytest.mark.parametrize("size", [1, 2, 3, 21, 64, 127, 128, 255])
def test_categories_follow_their_probabilities(size):
    """Of the 2^32 words that a site may draw, each category has its share: rint(w) is off by at most 1/2 of 2^S, and
    so are q of them together by q/2, of the total, which is 2^S at least; a word is 2^-32; float32 has e^x to 2e-7 +
    8e-8 |x|, of which e^x (2e-7 + 8e-8 |x|) <= 2e-7 remains, twice where the total is off by as much of it."""
    rng = np.random.default_rng(size)
    for scale in (0.0, 1.0, 6.0, 60.0):
        fields = rng.normal(0, scale, (1, size)).astype(np.float32)
        weights = reference.categorical.weigh(fields)
        bits = 30 - int(np.floor(np.log2(size)))
        ends = np.cumsum([int(w) for w in np.rint(weights[0].astype(float) * 2.0**bits)])
        total = int(ends[-1])
        assert 2**bits <= total < 2**31
        firsts = [0, *(-(-(int(end) << 32) // total) for end in ends)]  # word from which on a category is passed
        assert firsts[-1] == 1 << 32
        for category in range(size):
            share = range(firsts[category], firsts[category + 1])
            if share:
                words = np.array([share[0], share[-1]], np.uint32)
                assert reference.categorical.choose(np.repeat(weights, 2, axis=0), words).tolist() == [category] * 2
        exact = np.exp(fields[0].astype(float) - fields.max())
        exact /= exact.sum()
        tolerance = (1 + size) * 2.0 ** -(bits + 1) + 2.0**-32 + 4e-7
        assert np.abs(np.diff(firsts) / 2.0**32 - exact).max() < tolerance
        assert np.abs(reference.categorical.probabilities(weights)[0] - exact).max() < 4e-7 + size * 2.0**-24


@cache
def least_words():
    """Chains whose first word is among the least, in this order."""
    words = reference.blocks(SEED, 0, 4, np.arange(1 << 20, dtype=np.uint32), np.array([0]))[:, 0, 0]
    least = np.argpartition(words, 40)[:40]
    return least[np.argsort(words[least])].tolist()


@pytest.mark.parametrize("size", [65, 127, 128, 255])
@pytest.mark.parametrize("level", MODULES)
def test_categories_that_hardly_ever_come(level, size):
    """All but the last one have just less than 1.5 of 2^S: of 2^20 chains those that draw the least numbers are in
    them, the same ones as of the reference. With a bit more or less in S they would be in others."""
    bits = 30 - int(np.log2(size))
    fields = np.full(size, np.log(1.49 * 2.0**-bits), np.float32)
    fields[-1] = 0.0
    chosen = {}
    for module in (reference, MODULES[level]):
        segments = module.Segments([sites(size)])
        tiles = np.zeros((segments.n_tiles, 8, 64), np.float32)
        layer = module.Layer(tiles, 0, placed(fields, segments.places), size, "bernoulli", "bernoulli", segments)
        out = np.empty((1, 1), np.uint8)
        for chain in least_words():
            module.half_step(np.zeros((1, 1), np.uint8), layer, None, SEED, 0, 4, 0, chain, out, None, None, 1)
            chosen.setdefault(module, []).append(int(out[0, 0]))
    assert chosen[reference] == chosen[MODULES[level]]
    assert len(set(chosen[reference])) > 2 and chosen[reference] == sorted(chosen[reference])


@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("k", [4, 9, 12, 14])
@pytest.mark.parametrize("cuts", [(1,), (3, 60), (8, 16, 129)])
def test_a_chain_is_the_same_in_any_batch(level, k, cuts):
    """The chains in pieces, each in a strided slice, give the bits of the chains in one call."""
    module, e, n = MODULES[level], example_of(k), 130
    layers = build_layers(module, e.weights, *e.biases, units=("bernoulli", e.hidden), layout=e.layout)
    whole = [e.states[:, :n].copy(), e.hidden_states[:, :n].copy()]
    parts = [planes.copy() for planes in whole]
    module.sweep(*whole, *layers, e.beta[:n].copy(), 5, 0, 1, 3, 100, None, None, None, 2)
    for start, stop in zip((0, *cuts), (*cuts, n), strict=True):
        part = slice(start, stop)
        place = 5, 0, 1, 3, 100 + start
        module.sweep(*(planes[:, part] for planes in parts), *layers, e.beta[part].copy(), *place, None, None, None, 2)
    assert all(np.array_equal(*pair) for pair in zip(whole, parts, strict=True))


@pytest.mark.parametrize("level", MODULES)
def test_sums_reach_but_never_pass_int32(level):
    """Equal weights, of one sign or of both, all bits on: the largest sums there can be, at the grid chosen for them,
    whatever rows of other categories would add to them."""
    rng = np.random.default_rng(0)
    for layout in ([sites(*[21] * 30)], [("spin", 300), sites(*[21] * 30, 255, 65), ("bernoulli", 100)]):
        segments, n = reference.Segments(layout), 40
        planes = np.zeros((segments.n_rows, n), np.uint8)
        for part in segments.parts:
            for row, size in zip(planes[part.rows], part.sizes, strict=True):
                row[:] = rng.integers(0, size, n) if part.name == "categorical" else (1 << size) - 1
        values = segments.values(planes).astype(np.int64)
        for value in (1e-3, 0.7, 1e29):
            for signs in (np.ones((segments.n_units, 70)), rng.choice([-1.0, 1.0], (segments.n_units, 70))):
                weights = (value * signs).astype(np.float32)
                zeros = np.zeros(segments.n_units, np.float32), np.zeros(70, np.float32)
                layer = build_layers(MODULES[level], weights, *zeros, layout=layout)[1]
                out = np.empty((n, 70), np.int32)
                MODULES[level].inputs(planes, layer, out, 2)
                whole = np.rint(weights.astype(float) * 2.0**layer.exponent).astype(np.int64)
                assert np.array_equal(out, values @ whole)
                assert (signs < 0).any() or 2**30 < out.max() < 2**31


@pytest.mark.parametrize("level", MODULES)
def test_read_only_input(level):
    """Inputs may be read-only; only outputs are written."""
    module, e = MODULES[level], example_of(12)
    layers = build_layers(module, e.weights, *e.biases, units=("bernoulli", e.hidden), layout=e.layout)
    states, free, beta = e.states.copy(), e.free.copy(), e.beta.copy()
    for array in (states, free, beta, *(a for layer in layers for a in (layer.tiles_array, layer.bias_array))):
        array.flags.writeable = False
    out = np.empty((e.n, e.n_hidden), np.int32)
    module.inputs(states, layers[1], out, 2)
    module.largest_input(layers[1].tiles_array, layers[0].to)
    module.sweep(e.states.copy(), e.hidden_states.copy(), *layers, beta, 1, 0, 1, 1, 0, free, None, None, 2)
    assert np.array_equal(out, e.expected["inputs"])


@pytest.mark.parametrize("module", [reference, *MODULES.values()], ids=["reference", *MODULES])
def test_no_chains_and_layers_that_cannot_be(module):
    e = example_of(12)
    layers = build_layers(module, e.weights, *e.biases, units=("bernoulli", e.hidden), layout=e.layout)
    assert layers[0].to is layers[1].given is not None and layers[0].given is layers[1].to is None
    visible, hidden = np.zeros((e.segments.n_rows, 0), np.uint8), np.zeros((-(-e.n_hidden // 8), 0), np.uint8)
    module.sweep(visible, hidden, *layers, None, 0, 0, 1, 3, 0, None, None, None, 2)
    module.half_step(hidden, layers[0], None, 0, 0, 0, 0, 0, visible, None, None, 2)
    module.inputs(visible, layers[1], np.empty((0, e.n_hidden), np.int32), 2)
    module.bias_sums(visible, "bernoulli", layers[0].to, e.biases[0].astype(float), np.empty(0), 2)
    module.transpose(visible, e.segments.n_units, layers[0].to, np.empty((0, e.segments.n_units), np.uint8), 2)
    for size in (0, 256):
        with pytest.raises(ValueError, match=f"a site must have from 1 to 255 categories, got {size}"):
            module.Segments([sites(3, size)])
    with pytest.raises(KeyError):
        module.Segments([("ordinal", 3)])
