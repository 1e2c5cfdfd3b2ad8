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
    if not e.units[0].real:
        results |= run_updates(module, e, layers, ends[0], fixed, n_threads)

    v, h = strided(e.states[0]), strided(e.states[1])
    numbers = np.zeros((tiles_for(n_hidden), n + 3, 64), np.float32)
    clamped = SEED, 4, 2**32 - 2, 3, 2**31 - 5, *(strided(free) for free in e.free), numbers[:, 1:]
    module.sweep(v, h, *layers, e.beta, *clamped, n_threads)
    results |= {"clamped_v": v.copy(), "clamped_h": h.copy(), "swept_fixed": valid(numbers, n_hidden)}
    assert not numbers[:, 0].any() and not numbers[:, n + 1 :].any()
    module.sweep(v, h, *layers, None, SEED, 4, 9, 2, 0, None, None, None, n_threads)
    results |= {"swept_v": v.copy(), "swept_h": h.copy()}

    base = np.random.default_rng(1).normal(0, 1, n_visible).astype(np.float32)
    base = placed(base, [(k, 64) for k in range(0, n_visible, 64)] if visible is None else visible.places)
    log_weights = np.ones((to_hidden.tiles_array.shape[0] + to_visible.tiles_array.shape[0], n))
    ladder = np.array([0.0, 0.3, 0.35, 1.0], np.float32)
    module.anneal(v, h, *layers, base, wide[0], ladder, SEED, 5, 7, 3, log_weights, n_threads)
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
    module.prepare_phase(planes, layers[0].to, means, unit, *phase, n_threads)
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
