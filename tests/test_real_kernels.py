"""Kernels of layers with real-valued units: every one equals its reference implementation, bits, integers and float64
exactly, at every level and for any number of threads; and products of real units are those of Python's integers."""

import numpy as np
import pytest
from helpers import modules, placed, tiles_for, with_slack
from test_segments import GUARD, THREADS, guarded, intact, strided, valid

from fastrbm import reference
from fastrbm import units as u
from fastrbm._core.parameters import exponent, fixed_bits

MODULES = modules()
SEED = 0xFEDCBA9876543210
LARGEST = 2**23 - 1  # of a real unit's integer
each_level = pytest.mark.parametrize("level", MODULES)


def of_type(name, n, rng):
    """Real units with parameters of all sizes that they may have."""
    gamma = np.where(rng.random(n) < 0.3, 2.0 ** rng.uniform(-8, 12, n), rng.uniform(0.5, 2.0, n))
    if name == "gaussian":
        return u.Gaussian(n, gamma)
    if name == "relu":
        return u.ReLU(n, gamma)
    xi = np.where(rng.random(n) < 0.5, rng.normal(0, 1, n), rng.choice([0.0, -15.0, 15.0], n))
    return u.DReLU(n, rng.normal(0, 2, n), xi, gamma)


def layer_of(spec, rng):
    """(name, n), ("categorical", sizes) or a list of these, as the description of a layer."""
    if isinstance(spec, list):
        return u.Row([layer_of(part, rng) for part in spec])
    name, n = spec
    if name == "categorical":
        return u.Categorical(len(n), list(n))
    return {"bernoulli": u.Bernoulli, "spin": u.Spin}[name](n) if name in ("bernoulli", "spin") else of_type(*spec, rng)


ROW = [("bernoulli", 9), ("gaussian", 5), ("categorical", (3, 70, 2))]  # a site of two tiles
WIDE = [("gaussian", 65), ("spin", 64), ("categorical", (255, 21)), ("bernoulli", 63), ("drelu", 1)]
# (visible layer, hidden layer, chains, scale of the weights)
EXAMPLES = [
    (("bernoulli", 1), ("gaussian", 1), 1, 0.7),
    (("bernoulli", 130), ("gaussian", 65), 65, 0.7),
    (("bernoulli", 63), ("relu", 65), 1100, 0.7),
    (("bernoulli", 64), ("drelu", 64), 64, 8.0),
    (("bernoulli", 65), ("drelu", 63), 5, 0.7),
    (("spin", 63), ("gaussian", 64), 5, 200.0),  # fields that saturate: values end at 2048
    (("spin", 1), ("relu", 1), 65, 0.7),
    (("spin", 130), ("drelu", 65), 64, 0.7),
    (("categorical", (21,) * 7), ("gaussian", 63), 64, 8.0),
    (("categorical", (255, 1, 64)), ("relu", 65), 65, 0.7),
    (("categorical", (5,) * 13), ("drelu", 130), 64, 0.7),
    (ROW, ("gaussian", 64), 65, 0.7),
    (ROW, ("relu", 63), 5, 0.7),
    (ROW, ("drelu", 9), 1100, 0.1),
    (WIDE, ("drelu", 3), 65, 0.7),
    (WIDE, ("spin", 65), 130, 0.02),
    (("gaussian", 1), ("bernoulli", 1), 1, 0.7),
    (("gaussian", 65), ("bernoulli", 130), 1100, 0.1),
    (("gaussian", 130), ("spin", 63), 65, 0.02),
    (("gaussian", 63), ("gaussian", 65), 64, 0.7),
    (("gaussian", 64), ("drelu", 64), 5, 0.0),
    (ROW, ("bernoulli", 65), 1100, 0.1),
    (ROW, ("spin", 1), 64, 0.7),
    ([("relu", 2), ("gaussian", 64), ("drelu", 66)], ("bernoulli", 64), 65, 0.3),  # nothing but real units, of types
]


def segments_of(module, unit):
    return None if unit.layout is None else module.Segments(unit.layout)


def shape_of(unit, segments):
    """As _core.segments.placed_shape makes it, column by column."""
    if not unit.real:
        return None
    out = np.zeros((6, 64 * segments.n_tiles))
    for tile, (first, n) in enumerate(segments.places):
        out[:, 64 * tile : 64 * tile + n] = unit.sides()[:, first : first + n]
    return out


def real_layers(module, weights, visible_bias, hidden_bias, units, n_threads=1):
    """(to_visible, to_hidden) as fastrbm._core.parameters builds them, from one module's own functions."""
    n_visible, n_hidden = weights.shape
    tiles = reference.to_tiles(weights)
    to_hidden = np.empty_like(tiles)
    to_visible = np.empty((tiles_for(n_visible), -(-n_hidden // 8) * 8, 64), np.float32)
    _, column, row = module.ascend(tiles, tiles, 0.0, 0.0, 0.0, 1e30, to_hidden, to_visible, n_threads)
    visible, hidden = (segments_of(module, unit) for unit in units)
    places = [(k, 64) for k in range(0, n_visible, 64)]
    if visible is not None:
        places, column = visible.places, module.largest_input(to_hidden, visible)
        to_hidden, flat = with_slack(to_hidden, visible.n_inputs), to_visible
        to_visible = np.full((visible.n_tiles, *flat.shape[1:]), np.nan, np.float32)
        module.place_tiles(flat, visible, to_visible, n_threads)
    exponents = exponent(column, n_visible, units[0].real), exponent(row, n_hidden, units[1].real)
    names = [unit.name if unit.layout is None else "bernoulli" for unit in units]
    biases = placed(visible_bias, places), placed(hidden_bias, [(k, 64) for k in range(0, n_hidden, 64)])
    bits = fixed_bits(units, hidden_bias, column)
    shapes = shape_of(units[0], visible), shape_of(units[1], hidden)
    return (
        module.Layer(to_visible, exponents[1], biases[0], n_visible, *names, visible, hidden, shapes[0]),
        module.Layer(to_hidden, exponents[0], biases[1], n_hidden, *names[::-1], hidden, visible, shapes[1], bits),
    )


def planes_of(unit, integers, n, rng):
    """Random states of n examples: integers(shape) gives those of real units."""
    rows = []
    for part in unit.segments:
        if part.real:
            whole = integers((part.n, n))
            if part.name == "relu":
                whole = np.abs(whole)
            rows.append(np.stack([(whole >> 8 * byte) & 255 for byte in range(3)], axis=1).reshape(-1, n))
        elif part.name == "categorical":
            rows.append(np.array([rng.integers(0, size + 1, n) for size in part.sizes]))  # absent ones, too
        else:
            rows.append(np.array([rng.integers(0, 1 << min(8, part.n - k), n) for k in range(0, part.n, 8)]))
    return np.concatenate(rows).astype(np.uint8)


def free_of(unit, planes, rng):
    """What may change: some bits; all or nothing of a site, but nothing of an absent one; all or nothing of a real
    unit."""
    free, row, n = np.empty_like(planes), 0, planes.shape[1]
    for part in unit.segments:
        if part.real:
            own = np.repeat(rng.random((part.n, n)) < 0.7, 3, axis=0) * 255
        elif part.name == "categorical":
            there = planes[row : row + part.n_sites] < np.array(part.sizes)[:, None]
            own = (there & (rng.random(there.shape) < 0.7)) * 255
        else:
            own = rng.integers(0, 256, (-(-part.n // 8), n))
        free[row : row + len(own)] = own
        row += len(own)
    return free


class Example:
    """Random parameters and states of a model, and what the reference implementation makes of them."""

    def __init__(self, visible, hidden, n, scale):
        self.rng = rng = np.random.default_rng([n, int(1000 * scale), len(str(visible) + str(hidden))])
        self.units, self.n = (layer_of(visible, rng), layer_of(hidden, rng)), n
        self.sizes = self.units[0].n, self.units[1].n
        self.weights = rng.normal(0, scale, self.sizes).astype(np.float32)
        self.biases = [rng.normal(0, 1, size).astype(np.float32) for size in self.sizes]

        def integers(shape):
            whole = np.rint(rng.normal(0, 4096, shape)).astype(np.int32)
            return np.where(rng.random(shape) < 0.02, rng.choice([-LARGEST, LARGEST, 0, -1], shape), whole)

        self.states = [planes_of(unit, integers, n, rng) for unit in self.units]
        self.free = [free_of(unit, planes, rng) for unit, planes in zip(self.units, self.states, strict=True)]
        self.beta = rng.random(n).astype(np.float32)
        self.beta[::5] = 0.0
        self.fractions = [self.random_fractions(unit) for unit in self.units]
        self.expected = run(reference, self, 1)

    def random_fractions(self, unit):
        """What units count for, in units of 2^-22; None of real ones, which are never fractions."""
        if unit.real:
            return None
        numbers = self.rng.integers(0, (1 << 22) + 1, (self.n, unit.n)).astype(np.float64)
        if unit.layout is not None:
            first = 0
            for size in unit.sizes:
                own = numbers[:, first : first + size]
                own[...] = np.rint(own / np.maximum(own.sum(axis=1, keepdims=True), 1.0) * 2.0**22)
                first += size
        return numbers


_examples = {}


def example_of(k):
    if k not in _examples:
        _examples[k] = Example(*EXAMPLES[k])
    return _examples[k]


def run(module, e, n_threads):
    """Every result of every kernel that knows real units, by name."""
    n, (n_visible, n_hidden) = e.n, e.sizes
    layers = to_visible, to_hidden = real_layers(module, e.weights, *e.biases, e.units, n_threads)
    visible, hidden = to_visible.to, to_hidden.to
    results, flats = {"exponents": [layer.exponent for layer in layers], "fixed_bits": to_hidden.fixed_bits}, []
    results["tiles"] = to_visible.tiles_array
    for name, segments in (("visible", visible), ("hidden", hidden)):
        if segments is not None:
            facts = "n_units", "n_rows", "n_tiles", "n_inputs", "steps", "places", "real"
            results[name] = [getattr(segments, fact) for fact in facts]

    def room(name, *shape, dtype=np.float32):
        flat, results[name] = guarded(shape, dtype)
        flats.append((flat, results[name].size, name))
        return results[name]

    ends = [strided(e.states[0]), strided(e.states[1])]  # visible, hidden
    places = (SEED, 3, 5, 1, 2**32 - 7), (SEED, 3, 6, 0, 11)  # chains whose numbers come round
    fixed = {}
    for k, (name, layer) in enumerate((("up", to_hidden), ("down", to_visible))):
        given, like = ends[k], e.states[1 - k]
        for tempered, beta in (("", None), ("tempered_", e.beta)):
            out = strided(np.zeros_like(like))
            chances = room(f"p_{tempered}{name}", n, layer.n_units)
            numbers = np.zeros((tiles_for(n_hidden), -(-n // 8) * 8, 64), np.float32) if name == "up" else None
            module.half_step(given, layer, beta, *places[k], out, numbers, chances, n_threads)
            results[tempered + name] = out.copy()
            assert intact(out)
            if numbers is not None:
                fixed[tempered] = numbers
                results[f"fixed_{tempered}{name}"] = valid(numbers, n_hidden)
        if e.fractions[k] is not None:
            out, chances = strided(np.zeros_like(like)), room(f"p_{name}_f", n, layer.n_units)
            module.half_step_of_fractions(e.fractions[k], layer, *places[k], out, None, chances, n_threads)
            results[f"{name}_f"] = out.copy()
            assert intact(out)
    betas = ("cgf", np.ones(1)), ("tempered_cgf", e.beta.astype(np.float64))
    for name, beta in betas:
        module.cgf_sums(ends[0], to_hidden, beta, room(name, n, dtype=np.float64), n_threads)
        if len(e.units[0].segments) == 1 and e.units[0].real:
            module.cgf_sums(ends[1], to_visible, beta, room(f"visible_{name}", n, dtype=np.float64), n_threads)
        if e.fractions[0] is not None:
            out = room(f"{name}_f", n, dtype=np.float64)
            module.cgf_sums_of_fractions(e.fractions[0], to_hidden, beta, out, n_threads)
    wide = [np.random.default_rng(2).normal(0, 1, size) for size in e.sizes]  # with all the bits of float64
    for planes, unit, segments, bias in zip(ends, e.units, (visible, hidden), wide, strict=True):
        name = unit.name if unit.layout is None else "bernoulli"
        out = room(f"bias_{len(results)}", n, dtype=np.float64)
        module.bias_sums(planes, name, segments, bias, out, n_threads)
    assert intact(ends[0]) and intact(ends[1])
    if e.units[1].name == "drelu":
        weight = np.rint(np.random.default_rng(5).random(n) * 2**22) * 2.0**-22
        for end in ("", "_f")[: 1 + (e.fractions[0] is not None)]:
            fields = np.zeros((tiles_for(n_hidden), -(-n // 8) * 8, 64))
            if end:
                module.half_step_of_fractions(e.fractions[0], to_hidden, *places[0], None, fields, None, n_threads)
            else:
                module.half_step(ends[0], to_hidden, None, *places[0], None, fields, None, n_threads)
            results["fields" + end] = valid(fields, n_hidden)
            for name, factors in (("statistics", None), ("weighted_statistics", weight)):
                out, means = room(name + end, 8, n_hidden, dtype=np.float64), np.full(fields.shape, 7.0, np.float32)
                module.real_means(fields, to_hidden, factors, means, out, n, n_threads)
                assert (means[:, n:] == 7.0).all()
                results[f"{name}_means{end}"] = valid(means, n_hidden)[:n]
                if not end:  # what a half step gives at once
                    assert np.array_equal(valid(means, n_hidden)[:n], valid(fixed[""], n_hidden)[:n])
    if e.units[0].real:
        numbers = reference.Segments(e.units[0].layout).values(e.states[0]) * 4096.0
        sums = results["moments_of_numbers"] = np.ones((n_visible, n_hidden))
        module.moments_of_numbers(numbers, fixed[""], 252, 2.0**-12, sums, n_threads)
    else:
        results |= run_updates(module, e, layers, ends[0], fixed, n_threads)

    v, h = strided(e.states[0]), strided(e.states[1])
    numbers = np.zeros((tiles_for(n_hidden), n + 3, 64), np.float32)
    clamped = SEED, 4, 2**32 - 2, 3, 2**31 - 5, *(strided(free) for free in e.free), numbers[:, 1:]
    module.sweep(v, h, *layers, e.beta, *clamped, n_threads)
    results |= {"clamped_v": v.copy(), "clamped_h": h.copy(), "swept_fixed": valid(numbers, n_hidden)}
    assert not numbers[:, 0].any() and not numbers[:, n + 1 :].any()
    fields = np.zeros((tiles_for(n_hidden), n, 64)) if e.units[1].name == "drelu" else None
    module.sweep(v, h, *layers, None, SEED, 4, 9, 2, 0, None, None, fields, n_threads)
    results |= {"swept_v": v.copy(), "swept_h": h.copy()}
    if fields is not None:
        results["swept_fields"] = valid(fields, n_hidden)

    base = np.random.default_rng(1).normal(0, 1, n_visible).astype(np.float32)
    base = placed(base, [(k, 64) for k in range(0, n_visible, 64)] if visible is None else visible.places)
    log_weights = np.ones((to_hidden.tiles_array.shape[0] + to_visible.tiles_array.shape[0], n))
    ladder = np.array([0.0, 0.3, 0.35, 1.0], np.float32)
    bases = np.stack([base, 0.5 * base, -base])  # of each step
    both = ladder, np.square(ladder, dtype=float)
    module.anneal(v, h, *layers, bases, wide[0], *both, SEED, 5, 7, 3, log_weights, n_threads)
    results |= {"annealed_v": v.copy(), "annealed_h": h.copy(), "log_weights": log_weights}
    assert intact(v) and intact(h)
    for flat, size, name in flats:
        assert (flat[:32] == flat.dtype.type(GUARD)).all() and (flat[32 + size :] == flat.dtype.type(GUARD)).all(), name
    return results


def run_updates(module, e, layers, planes, fixed, n_threads):
    """Moments and training steps of bits or sites and of means of real units, which have either sign."""
    (n_visible, n_hidden), n, results = e.sizes, e.n, {}
    unit, few = 2.0 ** -layers[1].fixed_bits, -(-n // 16)  # bytes of the negative phase: half of the chains
    bits = np.empty((-(-n // 8), n_visible), np.uint8)
    module.transpose(planes, n_visible, layers[0].to, bits, n_threads)
    means = fixed[""].copy()
    means[:, n:] = 0.0
    for name, accumulate in (("moments", False), ("more_moments", True)):
        sums = np.ones((n_visible, n_hidden)), np.ones(n_hidden)
        module.moments(bits, means, True, unit, accumulate, *sums, n_threads)
        results |= {name: sums[0], f"{name}_hidden": sums[1]}
    phase = np.empty_like(bits), np.full(n_visible, np.nan), np.full(n_hidden, np.nan)
    module.prepare_phase(planes, layers[0].to, means, unit, *phase, None, n_threads)
    results |= {f"phase_{k}": array for k, array in enumerate(phase)}

    rows, columns = -(-n_visible // 8) * 8, 64 * tiles_for(n_hidden)
    rng = np.random.default_rng(4)
    mu, dv, lam, dh = (
        np.concatenate([rng.normal(0, 1, k), np.zeros(all_of_it - k)])
        for k, all_of_it in ((n_visible, rows), (n_visible, rows), (n_hidden, columns), (n_hidden, columns))
    )
    other = bits[:few].copy(), np.ascontiguousarray(fixed["tempered_"][:, : 8 * few]), unit / 7
    if 8 * few > n:
        other[1][:, n:] = 0.0
    first = bits, means, unit / max(1, n)
    tiles = reference.to_tiles(e.weights)
    for name, centering in (("plain", None), ("centered", (mu, lam, mu - 0.25, lam, dv, dh))):
        out, along = np.empty_like(tiles), (np.zeros(rows), np.zeros(columns))
        module.difference(*first, *other, True, centering, n_hidden, out, *along, n_threads)
        results |= {f"{name}_difference": out, f"{name}_along": np.concatenate(along)}
        new = np.empty_like(tiles), np.zeros((tiles_for(n_visible), -(-n_hidden // 8) * 8, 64), np.float32)
        sums = module.step(
            *first, *other, True, centering, n_hidden, tiles, 0.1, 1e-3, 1e-4, 1e30, *new, *along, n_threads
        )
        results |= {f"{name}_sums": np.array(sums), f"{name}_weights": new[0], f"{name}_transposed": new[1]}
    return results


@pytest.mark.parametrize("k", range(len(EXAMPLES)), ids=lambda k: f"{k}-{EXAMPLES[k][1][0]}-{EXAMPLES[k][2]}")
@each_level
def test_kernels_of_real_units_equal_the_reference(level, k):
    example = example_of(k)
    for n_threads in THREADS:
        for name, result in run(MODULES[level], example, n_threads).items():
            expected = example.expected[name]
            if isinstance(result, np.ndarray):
                assert result.dtype == expected.dtype and result.shape == expected.shape, name
                assert np.isfinite(expected).all(), name
                assert np.array_equal(result, expected), (name, n_threads)
            assert isinstance(result, np.ndarray) or result == expected, (name, n_threads)


@pytest.mark.parametrize("k", [1, 7, 13, 17, 21, 23])
@pytest.mark.parametrize("cuts", [(1,), (3, 60), (8, 16, 63)])
@each_level
def test_a_chain_is_the_same_in_any_batch(level, k, cuts):
    """The chains in pieces, each in a strided slice, give the bits of the chains in one call."""
    module, e, n = MODULES[level], example_of(k), 64
    layers = real_layers(module, e.weights, *e.biases, e.units)
    whole = [planes[:, :n].copy() for planes in e.states]
    parts = [planes.copy() for planes in whole]
    module.sweep(*whole, *layers, e.beta[:n].copy(), 5, 0, 1, 3, 100, None, None, None, 2)
    for start, stop in zip((0, *cuts), (*cuts, n), strict=True):
        part = slice(start, stop)
        place = 5, 0, 1, 3, 100 + start
        module.sweep(*(planes[:, part] for planes in parts), *layers, e.beta[part].copy(), *place, None, None, None, 3)
    assert all(np.array_equal(*pair) for pair in zip(whole, parts, strict=True))


@pytest.mark.parametrize("k", [3, 8, 18, 20])
@each_level
def test_sweeps_in_one_call_or_several(level, k):
    module, e = MODULES[level], example_of(k)
    layers = real_layers(module, e.weights, *e.biases, e.units)
    once, parts = ([planes.copy() for planes in e.states] for _ in range(2))
    module.sweep(*once, *layers, None, 5, 0, 1, 12, 0, None, None, None, 1)
    for first, count in ((1, 1), (2, 9), (11, 2)):
        module.sweep(*parts, *layers, None, 5, 0, first, count, 0, None, None, None, 3)
    assert all(np.array_equal(*pair) for pair in zip(once, parts, strict=True))


@pytest.mark.parametrize("module", [reference, *MODULES.values()], ids=["reference", *MODULES])
@pytest.mark.parametrize("k", [2, 13, 19])
def test_no_chains_and_read_only_input(module, k):
    e = example_of(k)
    layers = real_layers(module, e.weights, *e.biases, e.units)
    v, h = (planes[:, :0].copy() for planes in e.states)
    module.sweep(v, h, *layers, None, 0, 0, 1, 3, 0, None, None, None, 2)
    for given, out, layer in ((v, h, layers[1]), (h, v, layers[0])):
        module.half_step(given, layer, None, 0, 0, 0, 0, 0, out, None, None, 2)
    module.cgf_sums(v, layers[1], np.ones(1), np.empty(0), 2)
    module.bias_sums(h, "bernoulli", layers[1].to, np.ones(e.sizes[1]), np.empty(0), 2)
    states, free, beta = e.states[0].copy(), [planes.copy() for planes in e.free], e.beta.copy()
    arrays = [states, *free, beta, *(a for layer in layers for a in (layer.tiles_array, layer.bias_array))]
    for array in (*arrays, *(layer.shape_array for layer in layers if layer.shape_array is not None)):
        array.flags.writeable = False
    out = np.empty_like(e.states[1])
    module.half_step(states, layers[1], beta, *(SEED, 3, 5, 1, 2**32 - 7), out, None, None, 2)
    assert np.array_equal(out, e.expected["tempered_up"])
    module.sweep(states.copy(), out, *layers, beta, 1, 0, 1, 1, 0, *free, None, 2)


@pytest.mark.parametrize("k", range(len(EXAMPLES)))
def test_units_that_are_clamped_stay(k):
    """All three bytes of a real unit, and bits and sites beside it; and some change, where they may."""
    e = example_of(k)
    for layer, name in enumerate(("clamped_v", "clamped_h")):
        before, after, free = e.states[layer], e.expected[name], e.free[layer]
        assert np.array_equal(after & ~free, before & ~free)
        assert e.n < 5 or (after != before).any()


def test_values_saturate():
    """Where the field is so large that the value would be beyond 2048."""
    e = example_of(5)
    part = reference.Segments([("gaussian", 64)]).parts[0]
    assert np.abs(reference.real.values(e.expected["up"][part.rows])).max() == LARGEST / 4096
    assert np.abs(e.expected["p_up"]).max() > 2048


def test_means_of_hidden_units_are_never_cut_off():
    """Whatever the visible values: as fixed-point numbers they are as long as the largest ones there can be."""
    import fastrbm as fr

    values = np.array([[3.0, 1.0], [-30.0, 7.0], [LARGEST / 4096, LARGEST / 4096], [0.0, -2e3]])
    for hidden in (u.Gaussian(2, [0.5, 2.0]), u.ReLU(2), u.DReLU(2, 1.0, [-1.5, 1.5])):
        for X, visible in ((values, u.Gaussian(2, 1e3)), (values > 0, u.Bernoulli(2)), (values[:3] > 0, u.Spin(2))):
            X = 2.0 * X - 1.0 if visible.name == "spin" else X
            rbm = fr.RBM([[10.0, -3.0], [0.1, 2.0]], hidden_bias=[1.0, -40.0], visible=visible, hidden=hidden)
            step = 2.0**-rbm._parameters.to_hidden.fixed_bits
            for row in np.asarray(X, np.float64):
                exact = hidden.mean_of(row @ rbm.weights.astype(np.float64) + rbm.hidden_bias)
                found = fr.Moments.of_data(rbm, row[None]).hidden
                assert (np.abs(found - exact) <= step / 2 + 1e-6 * np.abs(exact)).all()  # of the grid of weights


# ---------------------------------------------------------------- the product is exact


@pytest.mark.parametrize("layout", [[], [("bernoulli", 9)], [("spin", 130), ("categorical", (70, 3))]])
@pytest.mark.parametrize("n_real", [1, 7, 300])
@each_level
def test_products_are_those_of_whole_numbers(level, layout, n_real):
    """The cgf of a spin is |field| where that is above 20, exactly: so it gives away the sum of the products, at the
    largest integers and weights there can be, of one sign and of both, against Python's integers."""
    module, rng = MODULES[level], np.random.default_rng(n_real)
    visible = u.Row([layer_of(part, rng) for part in layout] + [u.Gaussian(n_real)])
    plan, n = reference.Segments(visible.layout), 37

    def extreme(shape):
        whole = rng.choice([-LARGEST, LARGEST], shape)
        whole[:, ::3] = LARGEST
        whole[:, 1::3] = rng.integers(-LARGEST, LARGEST + 1, whole[:, 1::3].shape)
        return whole

    planes = planes_of(visible, extreme, n, rng)
    values = np.rint(plan.values(planes) * 4096).astype(np.int64)
    for kind in ("equal", "signs", "wild"):
        weights = np.full((visible.n, 1), 3e4, np.float32)
        if kind != "equal":
            weights *= rng.choice([-1, 1], weights.shape)
        if kind == "wild":
            weights *= (10.0 ** rng.uniform(-5, 5, weights.shape)).astype(np.float32)
        zeros = np.zeros(visible.n, np.float32), np.zeros(1, np.float32)
        layer = real_layers(module, weights, *zeros, (visible, u.Spin(1)))[1]
        whole = [int(q) for q in np.rint(weights[:, 0].astype(np.float64) * 2.0**layer.exponent)]
        largest = reference.largest_input(layer.tiles_array, plan) * 2.0**layer.exponent  # of a site one category
        assert (2**27 if kind != "wild" else 0) < largest < 2**29
        exact = [abs(sum(int(h) * q for h, q in zip(row, whole, strict=True))) for row in values]
        assert kind != "equal" or n_real < 300 or max(exact) > 2**49
        found = np.empty(n)
        module.cgf_sums(planes, layer, np.ones(1), found, 2)
        scale = 12 + layer.exponent
        for number, sent in zip(found.tolist(), exact, strict=True):
            assert sent < 20 * 2.0**scale or int(number * 2.0**scale) == sent == number * 2.0**scale
        assert sum(sent >= 20 * 2.0**scale for sent in exact) > n // 2


# ---------------------------------------------------------------- draws


def drawn(unit, fields, n, level="base", beta=None, seed=7):
    """n draws of each unit with these fields, float64 (n, units)."""
    module = MODULES[level]
    weights = np.zeros((1, unit.n), np.float32)
    layer = real_layers(module, weights, np.zeros(1, np.float32), np.asarray(fields, np.float32), (u.Spin(1), unit))[1]
    out = np.empty((3 * unit.n, n), np.uint8)
    beta = None if beta is None else np.full(n, beta, np.float32)
    module.half_step(np.zeros((1, n), np.uint8), layer, beta, seed, 0, 1, 1, 0, out, None, None, 2)
    return reference.real.values(out)


def log_mills(a):
    """log R(a) of an array: by math.erfc, or from 5 on by Laplace's continued fraction 1 / (a + 1 / (a + 2 / (a + .."""
    import math

    a = np.asarray(a, np.float64)
    rest = np.zeros(a.shape)
    for k in range(200, 0, -1):
        rest = k / (np.maximum(a, 5.0) + rest)
    near = [0.5 * x * x + math.log(math.sqrt(math.pi / 2) * math.erfc(x / math.sqrt(2))) for x in
            np.minimum(a, 5.0).reshape(-1)]  # fmt: skip
    return np.where(a > 5, -np.log(np.maximum(a, 5.0) + rest), np.reshape(near, a.shape))


def distribution(x, theta, gamma):
    """(log of the integral, P(X <= x)) of exp(theta x - gamma x^2 / 2) over x >= 0."""
    root = np.sqrt(gamma)
    a, y = -theta / root, np.maximum(x, 0.0) * root
    tail = np.exp(log_mills(a + y) - log_mills(a) - a * y - y * y / 2)
    return log_mills(a) - np.log(gamma) / 2, np.where(x >= 0, 1.0 - tail, 0.0)


def probability_below(unit, k, field, beta, x):
    """P(unit k, rounded to the grid, <= x), at multiples x of 2^-12."""
    x = x + 2.0**-13
    gamma = float(unit.gamma[k])
    if unit.name == "relu":
        return distribution(x, beta * field, gamma)[1]
    if unit.name == "gaussian":
        sides = (beta * field,) * 2, (gamma,) * 2
    else:
        eta = float(unit.xi[k]) / (1 + abs(float(unit.xi[k])))
        theta = field + float(unit.delta[k]) / (1 + eta), field - float(unit.delta[k]) / (1 - eta)
        sides = [beta * t for t in theta], (gamma / (1 + eta), gamma / (1 - eta))
    (log_plus, plus), (log_minus, minus) = (
        distribution(sign * x, sign * theta, g) for sign, theta, g in zip((1, -1), *sides, strict=True)
    )
    p = 1.0 / (1.0 + np.exp(np.clip(log_minus - log_plus, -700, 700)))
    return np.where(x >= 0, 1.0 - p + p * plus, (1.0 - p) * (1.0 - minus))


FIELDS = np.array([-30.0, -10.0, -3.0, -0.5, 0.0, 0.5, 3.0, 10.0, 30.0])
EXTREMES = [
    u.Gaussian(9), u.Gaussian(9, [2.0**-8, 0.1, 0.5, 1, 2, 7, 30, 500, 2.0**12]),
    u.ReLU(9), u.ReLU(9, [30, 10, 3, 1, 0.1, 0.3, 1, 3, 30]),
    u.DReLU(9), u.DReLU(9, 5.0, 20.0, 0.04), u.DReLU(9, -5.0, [-20, 20, 1, -1, 0, 0.3, -0.3, 7, -7], 2.0),
    u.DReLU(9, [30, 10, 3, 1, 0, -1, -3, -10, -30], 0.5), u.DReLU(9, 3.0, 1000.0, 50.0),
    u.DReLU(9, 45.0, 5e-4),  # two modes, between which exp(-a^2 / 2) underflows
]  # fmt: skip


def distances(unit, fields, x, beta=1.0):
    """Of each unit, the largest difference of its draws' distribution function and the exact one."""
    found = []
    for k, field in enumerate(fields):
        values, counts = np.unique(x[:, k], return_counts=True)
        share = np.cumsum(counts) / len(x)
        found.append(np.abs(share - probability_below(unit, k, float(np.float32(field)), beta, values)).max())
    return np.array(found)


def most_apart(n, tests=500):
    """What a distance of n draws passes once in 1e9 runs of so many tests: P(distance > t) <= 2 exp(-2 n t^2)
    (Dvoretzky, Kiefer & Wolfowitz; Massart)."""
    return np.sqrt(np.log(2e9 * tests) / (2 * n))


@pytest.mark.parametrize("beta", [1.0, 0.25])
@pytest.mark.parametrize("k", range(len(EXTREMES)), ids=lambda k: f"{k}-{EXTREMES[k].name}")
def test_draws_follow_their_distribution(k, beta):
    """From the far tail of one side to that of the other, Kolmogorov and Smirnov's distance."""
    n = 40_000
    x = drawn(EXTREMES[k], FIELDS, n, beta=beta)
    assert (distances(EXTREMES[k], FIELDS, x, beta) < most_apart(n)).all()


@pytest.mark.parametrize("beta", [1.0, 0.25])
@pytest.mark.parametrize("k", range(len(EXTREMES)), ids=lambda k: f"{k}-{EXTREMES[k].name}")
def test_quantiles_invert_the_distribution(k, beta):
    """What is at least as far out as a quantile, on its side, has probability u on the less likely side and 1 - u on
    the other one; on the only one u. Of an excess x, 1e-10 x times a density below 1 / (e x) is an error of 4e-11,
    and other quantiles err by less. The exponents that the exact side rounds are up to 1.2e5, 4 roundings of which
    are 1e-10."""
    unit, n = EXTREMES[k], 401
    u = np.concatenate([np.linspace(0.0, 1.0, n)[1:-1], 2.0 ** np.linspace(-53, -8, 40)])
    u = np.concatenate([u, 1.0 - u[n - 2 :]])[:, None]
    x = reference.real.quantile(unit.name, unit.sides(), beta * FIELDS + 0.0 * u, np.full(u.shape, beta), u)
    for j, field in enumerate(FIELDS):
        at = np.concatenate([x[:, j], [0.0]])
        *below, minus = probability_below(unit, j, float(field), beta, at - 2.0**-13)
        expected, beyond = u[:, 0], 1.0 - np.array(below)
        if unit.name == "drelu":
            positive = x[:, j] >= 0
            expected = np.where(positive == (minus > 0.5), expected, 1.0 - expected)
            beyond = np.where(positive, beyond, below)
        assert np.abs(beyond - expected).max() < 1.4e-10


@pytest.mark.parametrize("name", ["relu", "drelu"])
@pytest.mark.parametrize("a", [5.0, 10.0, 30.0, 100.0])
def test_tails(name, a):
    """Peers return 0 beyond a = 7.7. With a / sqrt(gamma) the depth, x a / sqrt(gamma) is nearly exponential: by the
    exact distribution function, and the mean against 1 - 2 / a^2 + 10 / a^4."""
    n, gamma = 40_000, 2.0**-8
    unit = u.ReLU(2, gamma) if name == "relu" else u.DReLU(2, -3.0 * a * 2.0**-4, 0.0, gamma)
    field = -a * 2.0**-4 if name == "relu" else 2.0 * a * 2.0**-4  # theta_plus is -a / 16, theta_minus 5 a / 16
    x = drawn(unit, [field, field], n, seed=int(a))
    assert (distances(unit, [field, field], x) < most_apart(n)).all()
    own = x[x > 0] * a / 16
    assert own.size > 0.4 * n and np.unique(own).size > 2000 / a
    expected = 1 - 2 / a**2 + 10 / a**4
    assert abs(own.mean() - expected) < 6 / np.sqrt(own.size) + 74 / a**6 + a * 2.0**-15


def test_a_wrong_distribution_would_show():
    """A mean without gamma, a tail that is cut off, and both sides of one half: all far apart."""
    n = 40_000
    x = drawn(u.Gaussian(9, 1.5), FIELDS, n)
    assert (distances(u.Gaussian(9, 1.5), FIELDS, x * 1.05) > most_apart(n))[[0, 1, 2, 6, 7, 8]].all()
    x = drawn(u.ReLU(9, 1.0), FIELDS, n)
    assert (distances(u.ReLU(9, 1.1), FIELDS, x) > most_apart(n))[4:].all()
    x = drawn(u.DReLU(9, 1.0), FIELDS, n)
    assert (distances(u.DReLU(9, 1.2), FIELDS, x) > most_apart(n))[3:6].all()


@each_level
def test_draws_are_independent(level):
    """Two units share a block of random words, and chains, sweeps and kinds have others: ranks are not correlated by
    more than 6 standard errors, 1 / sqrt(n)."""
    n = 20_000
    x = np.concatenate([drawn(u.Gaussian(5), np.zeros(5), n, level, seed=seed) for seed in (1, 2)], axis=1)
    ranks = np.argsort(np.argsort(x, axis=0), axis=0) / n - 0.5
    columns = np.concatenate([ranks, np.roll(ranks, 1, axis=0)], axis=1) * np.sqrt(12.0)
    correlation = columns.T @ columns / n - np.eye(20)
    assert np.abs(correlation).max() < 6 / np.sqrt(n)
