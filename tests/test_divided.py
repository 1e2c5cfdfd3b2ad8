"""Parts of layers: what a rank with some of a layer's tiles draws, adds up and hands on has the bits of the whole."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers import modules, tiles_for
from ranks_by_threads import on_ranks
from test_real_kernels import free_of, layer_of, planes_of, real_layers

import fastrbm as fr
from fastrbm import ranks as fr_ranks
from fastrbm import reference
from fastrbm import units as u
from fastrbm._core import dispatch
from fastrbm._core.direction import Direction
from fastrbm._core.division import Division, LayerParts
from fastrbm._core.parameters import Parameters
from fastrbm.gradient.base import Gradient
from fastrbm.moments import Moments, PhaseStates

MODULES = modules()
EVERY = {"reference": reference, **MODULES}
THREADS = [1, 2, 3, 7]
SEED = 0xFEDCBA9876543210
GUARD = 0xA5
SOMEONE = object()  # who knows of the other parts

ROW = [("spin", 130), ("categorical", (65, 2)), ("bernoulli", 64), ("categorical", (5,)), ("spin", 9)]
REALS = [("bernoulli", 9), ("gaussian", 70), ("categorical", (3, 70, 2)), ("drelu", 5)]
MODELS = {
    "one unit": (("bernoulli", 1), ("bernoulli", 1)),
    "bits": (("bernoulli", 70), ("bernoulli", 200)),
    "spins": (("spin", 150), ("spin", 129)),
    "bits and spins": (("spin", 65), ("bernoulli", 130)),
    "small sites": (("categorical", (21,) * 10), ("bernoulli", 70)),
    "large sites": (("categorical", (255, 70, 3, 1, 130)), ("spin", 66)),
    "segments": (ROW, ("bernoulli", 65)),
    "gaussian": (("spin", 70), ("gaussian", 65)),
    "relu": (("bernoulli", 40), ("relu", 129)),
    "drelu": (("categorical", (65, 2)), ("drelu", 66)),
    "real visible": (REALS, ("spin", 70)),
}
each_level = pytest.mark.parametrize("level", EVERY)
each_model = pytest.mark.parametrize("name", MODELS)


class Model:
    """A random one, states of its layers, and what the reference implementation draws given them."""

    def __init__(self, name, n=19):
        self.n, self.rng = n, np.random.default_rng(list(MODELS).index(name))
        rng = self.rng
        self.units = [layer_of(spec, rng) for spec in MODELS[name]]
        self.sizes = [unit.n for unit in self.units]
        self.weights = rng.normal(0, 0.5, self.sizes).astype(np.float32)
        self.biases = [rng.normal(0, 1, size).astype(np.float32) for size in self.sizes]
        self.states = [
            planes_of(unit, lambda shape: np.rint(rng.normal(0, 4096, shape)).astype(np.int32), n, rng)
            for unit in self.units
        ]
        self.free = [free_of(unit, planes, rng) for unit, planes in zip(self.units, self.states, strict=True)]
        self.beta = rng.random(n).astype(np.float32)
        self.numbers = [
            None if unit.real else rng.integers(0, (1 << 22) + 1, (n, unit.n)).astype(np.float64) for unit in self.units
        ]
        self.layers = {}
        self.expected = [self.drawn(reference, k, None, 1) for k in (0, 1)]

    def layer(self, module, k, tiles=None):
        """The visible (0) or hidden (1) layer, or some of its tiles."""
        if module not in self.layers:
            self.layers[module] = real_layers(module, self.weights, *self.biases, self.units)
        whole = self.layers[module][k]
        if tiles is None:
            return whole
        own = whole.tiles_array[tiles].copy()
        slack = 0 if whole.given is None else max(0, whole.given.n_inputs - own.shape[1]) * 64
        flat = np.concatenate([own.reshape(-1), np.full(slack, np.nan, np.float32)])
        return module.Layer(
            flat[: own.size].reshape(own.shape), whole.exponent, whole.bias_array, whole.n_units,
            *(unit.name if unit.layout is None else "bernoulli" for unit in (self.units[k], self.units[1 - k])),
            whole.to, whole.given, whole.shape_array, whole.fixed_bits, tiles.start, SOMEONE,
        )  # fmt: skip

    def drawn(self, module, k, tiles, n_threads):
        """What half steps to a layer, or to a part of it, give out, by name; GUARD where they do not write."""
        layer, unit, results = self.layer(module, k, tiles), self.units[k], {}
        n_tiles = layer.tiles_array.shape[0]

        def room(name):
            results[name], results[name + " p"] = self.states[k].copy(), np.full((self.n, unit.n), GUARD, np.float32)
            results[name + " fixed"] = np.full((n_tiles, self.n + 2, 64), GUARD, np.float32)
            if tiles is not None:
                results[name][...] = GUARD
            return results[name], results[name + " fixed"][:, 1:-1], results[name + " p"]

        given, place = self.states[1 - k], (SEED, 3, 5, k, 2**32 - 7)  # chains whose numbers come round
        module.half_step(given, layer, None, *place, *room("plain"), n_threads)
        out, *others = room("tempered")
        out[...] = self.states[k]
        module.half_step(given, layer, self.beta, *place, out, *others, n_threads, free=self.free[k])
        if self.numbers[1 - k] is not None:
            module.half_step_of_fractions(self.numbers[1 - k], layer, *place, *room("fractions"), n_threads)
        if layer.given is not None and layer.to is None:
            results["inputs"] = np.full((self.n, units_in(layer)), GUARD, np.int32)
            if not layer.given.real:
                module.inputs(given, layer, results["inputs"], n_threads)
        if self.units[k].name == "drelu":
            results["fields fixed"] = np.full((n_tiles, self.n + 2, 64), float(GUARD))
            results["means fixed"] = np.full((n_tiles, self.n + 2, 64), GUARD, np.float32)
            fields, means = (results[name + " fixed"][:, 1:-1] for name in ("fields", "means"))
            module.half_step(given, layer, None, *place, None, fields, None, n_threads)
            results["statistics"] = np.full((8, units_in(layer)), np.nan)
            weight = self.beta.astype(np.float64)
            module.real_means(fields, layer, weight, means, results["statistics"], self.n, n_threads)
        return results


_models = {}


def model_of(name):
    if name not in _models:
        _models[name] = Model(name)
    return _models[name]


def units_in(layer):
    return min(64 * layer.tiles_array.shape[0], layer.n_units - 64 * layer.first_tile)


def places_of(unit):
    """(first unit, units) and (first row of planes, rows) of each tile."""
    if unit.layout is not None:
        segments = reference.Segments(unit.layout)
        return segments.places, segments.rows_of_tiles
    units = [(k, min(64, unit.n - k)) for k in range(0, unit.n, 64)]
    return units, [(first // 8, -(-n // 8)) for first, n in units]


def parts_of(unit):
    """Every run of tiles that a rank may have: none cuts a site."""
    starts = [tile for tile, (_, n_rows) in enumerate(places_of(unit)[1]) if n_rows]
    ends = [*starts[1:], len(places_of(unit)[0])]
    return [slice(start, end) for start in starts for end in ends if end > start]


def check_part(model, k, tiles, results, expected):
    """That it has all of its own bits, and wrote nothing else."""
    units, rows = (places[tiles] for places in places_of(model.units[k]))
    of_units = slice(units[0][0], sum(units[-1]))
    of_rows = slice(rows[0][0], max(map(sum, rows)))
    fixed = np.zeros((tiles.stop - tiles.start, 64), bool)
    for tile, (_, n) in enumerate(units):
        fixed[tile, :n] = True
    for name, result in results.items():
        whole = expected[name]
        if name.endswith(" fixed"):
            inner = np.moveaxis(result, 1, 0)[:, fixed], np.moveaxis(whole[tiles], 1, 0)[:, fixed]
            assert np.array_equal(*inner), name
        elif name.endswith(" p"):
            assert np.array_equal(result[:, of_units], whole[:, of_units]), name
            assert (np.delete(result, np.r_[of_units], axis=1) == GUARD).all(), name
        elif name in ("inputs", "statistics"):
            assert np.array_equal(result, whole[:, of_units]), name
        else:
            assert np.array_equal(result[of_rows], whole[of_rows]), name
            others = np.delete(model.states[k], np.r_[of_rows], axis=0) if name == "tempered" else GUARD
            assert (np.delete(result, np.r_[of_rows], axis=0) == others).all(), name


# ---------------------------------------------------------------- kernels


@each_model
@each_level
def test_parts_draw_what_the_whole_does(level, name):
    """Planes, fixed numbers, probabilities, inputs and statistics of every run of tiles, and nothing beside them."""
    model, module = model_of(name), EVERY[level]
    for k in (0, 1):
        for n_threads in THREADS if level in MODULES else THREADS[:1]:
            parts = parts_of(model.units[k])
            for tiles in parts if n_threads < 3 else parts[n_threads % 2 :: 3]:
                check_part(model, k, tiles, model.drawn(module, k, tiles, n_threads), model.expected[k])


@pytest.mark.parametrize("level", MODULES)
def test_parts_of_many_chains(level):
    """In blocks of chains, with a part that has one tile, so that blocks are cut for the threads."""
    if "many" not in _models:
        _models["many"] = Model("bits", 1100)
    model = _models["many"]
    for n_threads in (1, 3):
        for tiles in (slice(1, 2), slice(1, 4)):
            check_part(model, 1, tiles, model.drawn(MODULES[level], 1, tiles, n_threads), model.expected[1])


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("level", MODULES)
def test_other_kernels_refuse_parts(level, whole):
    """On a rank that has all tiles, too: all ranks raise alike."""
    module, model = MODULES[level], model_of("bits")
    tiles = slice(0, 4 if whole else 3)
    n, n_visible = model.n, model.sizes[0]
    to_visible, to_hidden = model.layer(module, 0), model.layer(module, 1)
    divided = model.layer(module, 1, tiles)
    v, h = (planes.copy() for planes in model.states)
    one, sums, numbers, bias = np.ones(1), np.empty(n), model.numbers[0], np.zeros(n_visible)
    segments, betas = module.Segments((("bernoulli", n_visible),)), np.array([0, 1], np.float32)
    calls = {
        "sweep up": (module.sweep, v, h, to_visible, divided, None, 1, 1, 1, 1, 0, None, None, None),
        "sweep down": (
            module.sweep, v, h, model.layer(module, 0, slice(1, 2)), to_hidden, None, 1, 1, 1, 1, 0, None, None, None,
        ),
        "anneal": (
            module.anneal, v, h, to_visible, divided, np.zeros((1, 128), np.float32), bias, betas, betas.astype(float),
            1, 1, 1, 0, np.zeros((6, n)),
        ),
        "cgf": (module.cgf_sums, v, divided, one, sums),
        "cgf of fractions": (module.cgf_sums_of_fractions, numbers, divided, one, sums),
        "pseudo": (module.pseudo_sums, v, divided, bias, 1, sums),
        "pseudo of fractions": (module.pseudo_sums_of_fractions, numbers, divided, bias, 1, 1, sums),
        "pseudo of sites": (module.pseudo_of_sites, v, divided, segments, bias, 1, np.empty((n, n_visible))),
        "labels": (module.label_terms, v, None, divided, segments, 0, 0, bias, 1, np.empty((n, 2)), None),
        "labels of fractions": (
            module.label_terms, None, numbers, divided, segments, 0, 0, bias, 1, np.empty((n, 2)), None,
        ),
    }  # fmt: skip
    for name, (kernel, *arguments) in calls.items():
        with pytest.raises(RuntimeError, match="divided among ranks"):
            kernel(*arguments, 1)
            pytest.fail(name)
    assert np.array_equal(v, model.states[0]) and np.array_equal(h, model.states[1])


class Phases:
    """Two phases of a gradient, offsets and weights; what the reference makes of them."""

    def __init__(self, n_visible=70, n_hidden=200, n=37):
        rng = np.random.default_rng(n)
        self.sizes, few = (n_visible, n_hidden), -(-n // 16)
        bits = rng.integers(0, 256, (-(-n // 8), n_visible), dtype=np.uint8)
        fixed = rng.integers(0, (1 << 22) + 1, (tiles_for(n_hidden), 8 * len(bits), 64)).astype(np.float32)
        fixed[-1, :, n_hidden % 64 :] = 0
        self.bits, self.fixed = (bits, bits[:few].copy()), (fixed, np.ascontiguousarray(fixed[:, : 8 * few]))
        self.factors, padded = (2.0**-22 / n, 2.0**-22 / 7), -(-n_visible // 8) * 8
        self.offsets = []
        for size, length in ((n_visible, padded), (n_hidden, 64 * len(fixed))) * 3:
            self.offsets.append(np.zeros(length))
            self.offsets[-1][:size] = rng.normal(0, 1, size)
        self.weights = reference.to_tiles(rng.normal(0, 0.1, self.sizes))
        self.expected = self.run(reference, slice(0, len(fixed)), 1)

    def run(self, module, tiles, n_threads, sums=True):
        """Of some tiles of hidden units; sums: whether the caller adds up what goes over tiles."""
        n_visible, n_hidden = self.sizes
        own = min(n_hidden, 64 * tiles.stop) - 64 * tiles.start
        weights, padded, columns = (
            self.weights[tiles].copy(),
            self.weights.shape[1],
            slice(64 * tiles.start, 64 * tiles.stop),
        )
        centering = tuple(x if k % 2 == 0 else x[columns].copy() for k, x in enumerate(self.offsets))
        phases, results = [], {}
        for bits, fixed, factor in zip(self.bits, self.fixed, self.factors, strict=True):
            phases += [bits, fixed[tiles].copy(), factor]
        n_tiles = tiles.stop - tiles.start

        def room(name, *shape, dtype=np.float64):
            results[name] = np.full(shape, np.nan, dtype)
            return results[name]

        def sums_by(name, length):
            return room(name, n_tiles, length) if sums else None

        def along(name):
            return room(name + " along hidden", padded), room(name + " along visible", 64 * n_tiles)

        def moved(name):
            return (
                room(name, *weights.shape, dtype=np.float32),
                room(name + " transposed", tiles_for(n_visible), -(-own // 8) * 8, 64, dtype=np.float32),
            )

        width, decay = 64 * tiles_for(n_visible), (0.3, 0.2, 0.1, 0.3)
        for name, given in (("plain", None), ("centered", centering)):
            where = along(name) if given else (None, None)
            by_tile = sums_by(name + " by tile", padded) if given else None
            direction = room(name, *weights.shape, dtype=np.float32)
            module.difference(*phases, False, given, own, direction, *where, n_threads, by_tile=by_tile)
            rows = sums_by(name + " ascended rows", width)
            new = moved(name + " ascended")
            results[name + " ascended outcome"] = module.ascend(weights, direction, *decay, *new, n_threads, rows=rows)
            rows = sums_by(name + " step rows", width)
            where = along(name + " step") if given else (None, None)
            by_tile = sums_by(name + " step by tile", padded) if given else None
            new = moved(name + " step")
            results[name + " step outcome"] = module.step(
                *phases, False, given, own, weights, *decay, *new, *where, n_threads, rows=rows, by_tile=by_tile
            )
        return results


PHASES = {n: Phases(n=n) for n in (37, 600)}  # beyond 504 sums are folded
CUTS = [(0, 4), (0, 1, 4), (0, 3, 4), (0, 1, 2, 3, 4), (0, 2, 4)]


@pytest.mark.parametrize("n", PHASES)
@each_level
def test_updates_of_parts_add_up_to_that_of_the_whole(level, n):
    """Tiles side by side; sums over tiles, added in order; the largest ones; and those in all parts alike."""
    phases, module = PHASES[n], EVERY[level]
    for n_threads in THREADS if level in MODULES else THREADS[:1]:
        whole = phases.run(module, slice(0, 4), n_threads, sums=False)
        for cuts in CUTS:
            parts = [phases.run(module, slice(a, b), n_threads) for a, b in zip(cuts, cuts[1:], strict=False)]
            for name in phases.expected:
                pieces = [part[name] for part in parts]
                if name.endswith("outcome"):
                    bad, column, row = zip(*pieces, strict=True)
                    rows = np.concatenate([part[name.replace("outcome", "rows")] for part in parts])
                    largest = float(np.add.accumulate(rows, axis=0)[-1].max())
                    assert row == (0.0,) * len(parts) and bad[0] > 0
                    assert (sum(bad), max(column), largest) == whole[name], name
                    continue
                if name.endswith("along hidden"):  # a part's is of its own tiles
                    by_tile = np.concatenate([part[name.replace("along hidden", "by tile")] for part in parts])
                    assert np.array_equal(np.add.accumulate(by_tile, axis=0)[-1], whole[name]), name
                    continue
                joined = np.concatenate(pieces, axis=1 if name.endswith("transposed") else 0)
                assert np.array_equal(joined, phases.expected[name]), name
                assert name.endswith(("rows", "by tile")) or np.array_equal(joined, whole[name]), name


@each_level
def test_tiles_of_a_part_are_placed(level):
    """Given the chunks that their units are in, those of a rank's neighbors too."""
    module, unit = EVERY[level], layer_of(ROW, np.random.default_rng(0))
    segments = module.Segments(unit.layout)
    tiles = reference.to_tiles(np.random.default_rng(1).normal(0, 1, (16, unit.n)))
    whole = np.empty((segments.n_tiles, 16, 64), np.float32)
    reference.place_tiles(tiles, reference.Segments(unit.layout), whole)
    for part in parts_of(unit):
        first, stop = segments.places[part][0][0], sum(segments.places[part][-1])
        chunks = slice(first // 64, -(-stop // 64))
        for n_threads in (1, 3):
            out = np.full((part.stop - part.start, 16, 64), np.nan, np.float32)
            module.place_tiles(tiles[chunks].copy(), segments, out, n_threads, chunks.start, part.start)
            assert np.array_equal(out, whole[part])


@pytest.mark.parametrize("lengths", [[8], [64, 64, 8], [0, 64, 0, 128, 16, 0]], ids=str)
@each_level
def test_parts_are_joined(level, lengths):
    rng = np.random.default_rng(0)
    parts = [rng.normal(0, 1, (3, length, 64)).astype(np.float32) for length in lengths]
    for n_threads in THREADS:
        out = np.full((3, sum(lengths), 64), np.nan, np.float32)
        EVERY[level].join_parts(np.concatenate([part.reshape(-1) for part in parts]), lengths, out, n_threads)
        assert np.array_equal(out, np.concatenate(parts, axis=1))


@each_model
def test_rows_of_tiles(name):
    for unit in model_of(name).units:
        if unit.layout is not None:
            expected = reference.Segments(unit.layout).rows_of_tiles
            assert all(module.Segments(unit.layout).rows_of_tiles == expected for module in MODULES.values())


# ---------------------------------------------------------------- division


@pytest.mark.parametrize("size", [2, 3, 5, 40])
@each_model
def test_every_tile_has_one_rank(name, size):
    """And each rank its tiles' units and rows of planes; no site is cut."""
    units = model_of(name).units
    divisions = [Division(SimpleNamespace(size=size, rank=rank), units) for rank in range(size)]
    for k, unit in enumerate(units):
        layer = (divisions[0].visible, divisions[0].hidden)[k]
        places, rows = places_of(unit)
        n_rows = max(map(sum, rows))
        for parts, end in ((layer.tiles, len(places)), (layer.units, unit.n), (layer.rows, n_rows)):
            assert len(parts) == size and parts[0].start == 0 and parts[-1].stop == end
            assert all(a.stop == b.start for a, b in zip(parts, parts[1:], strict=False))
        allowed = parts_of(unit)
        for tiles, own_units, own_rows in zip(layer.tiles, layer.units, layer.rows, strict=True):
            if tiles.start == tiles.stop:
                assert own_units.start == own_units.stop and own_rows.start == own_rows.stop
                continue
            assert tiles in allowed
            assert own_units == slice(places[tiles.start][0], sum(places[tiles.stop - 1]))
            assert own_rows == slice(rows[tiles.start][0], max(map(sum, rows[tiles])))
    for rank, division in enumerate(divisions):
        own, chunks = division.visible.own_units, division.chunks[rank]
        assert (
            chunks.stop == chunks.start
            if own.start == own.stop
            else (
                64 * chunks.start <= own.start < 64 * chunks.start + 64 and own.stop <= 64 * chunks.stop < own.stop + 64
            )
        )
        assert division.own_hidden == division.hidden.own_units.stop - division.hidden.own_units.start


def test_sites_of_many_tiles_stay_with_one_rank():
    parts = LayerParts.of(SimpleNamespace(size=4, rank=0), u.Categorical(2, [255, 255]))
    assert parts.tiles == [slice(0, 4), slice(4, 4), slice(4, 8), slice(8, 8)]
    assert parts.units == [slice(0, 255), slice(255, 255), slice(255, 510), slice(510, 510)]
    assert parts.rows == [slice(0, 1), slice(1, 1), slice(1, 2), slice(2, 2)]


def divide(comm, units):
    return Division(fr_ranks.of(comm), tuple(units))


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("name", ["one unit", "bits", "small sites", "large sites", "segments"])
def test_weights_are_turned_round(name, size):
    """Each rank gets the rows of its visible units, in their places, from the columns that ranks have."""
    model = model_of(name)
    expected = model.layer(dispatch.kernels, 0).tiles_array

    def program(comm):
        division = divide(comm, model.units)
        own = division.hidden.own_units
        mine = np.zeros((model.sizes[0], -(-(own.stop - own.start) // 8) * 8), np.float32)
        mine[:, : own.stop - own.start] = model.weights[:, own]
        padded = np.zeros((64 * tiles_for(len(mine)), mine.shape[1]), np.float32)
        padded[: len(mine)] = mine
        transposed = np.ascontiguousarray(padded.reshape(tiles_for(len(mine)), 64, mine.shape[1]).transpose(0, 2, 1))
        first = division.turned(transposed, 1 + comm.Get_rank() % 2)
        second = division.turned(-transposed, 1)  # while nobody has asked for the first
        return division.visible.own_tiles, first(), second()

    for tiles, first, second in on_ranks(size, program):
        assert np.array_equal(first, expected[tiles]) and np.array_equal(second, -expected[tiles])


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("name", ["one unit", "bits", "segments"])
@pytest.mark.filterwarnings("error")
def test_sums_over_tiles_are_added_in_their_order(name, size):
    """Of one or two kinds of numbers, of the units or of whole chunks; what is not finite is no error yet."""
    model, rng = model_of(name), np.random.default_rng(0)
    n_tiles, width = tiles_for(model.sizes[1]), 64 * tiles_for(model.sizes[0])
    numbers = [rng.normal(0, 10.0 ** rng.uniform(-8, 8, (n_tiles, n))) for n in (width, model.sizes[0])]
    numbers[0][0, 0], numbers[0][-1, 0] = np.inf, -np.inf
    with np.errstate(invalid="ignore"):
        expected = [np.add.accumulate(x, axis=0)[-1] for x in numbers]

    def program(comm):
        division = divide(comm, model.units)
        own = [x[division.hidden.own_tiles] for x in numbers]
        return [*division.totals(own[:1])[0], *division.totals(own)[0]]

    for alone, first, second in on_ranks(size, program):
        for sums, of_one in ((alone, expected[0]), (first, expected[0]), (second, expected[1])):
            assert len(sums) == width and np.array_equal(sums[: len(of_one)], of_one, equal_nan=True)


# ---------------------------------------------------------------- parameters


def same_parameters(a, b):
    for x, y in ((a.to_hidden, b.to_hidden), (a.to_visible, b.to_visible)):
        assert np.array_equal(x.tiles_array, y.tiles_array) and x.exponent == y.exponent
        assert np.array_equal(x.bias_array, y.bias_array) and x.fixed_bits == y.fixed_bits
    assert np.array_equal(a.visible_bias, b.visible_bias) and np.array_equal(a.hidden_bias, b.hidden_bias)


def same_part(own, whole, division):
    """That parameters are the part of others that this rank has."""
    assert np.array_equal(own.to_hidden.tiles_array, whole.to_hidden.tiles_array[division.hidden.own_tiles])
    assert np.array_equal(own.to_visible.tiles_array, whole.to_visible.tiles_array[division.visible.own_tiles])
    for x, y, parts in (
        (own.to_hidden, whole.to_hidden, division.hidden), (own.to_visible, whole.to_visible, division.visible),
    ):  # fmt: skip
        assert x.exponent == y.exponent and np.array_equal(x.bias_array, y.bias_array) and x.fixed_bits == y.fixed_bits
        assert x.first_tile == parts.own_tiles.start and x.division is parts and y.division is None


DIVIDED = ["one unit", "bits", "spins", "large sites", "segments", "relu"]


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("name", DIVIDED)
def test_parameters_of_a_part_are_those_of_the_whole(name, size):
    """divided, moved, clipped, zero_summed, whole: the part of what one process has, and all of it again."""
    model, rng = model_of(name), np.random.default_rng(1)
    units = tuple(model.units)
    start = Parameters.of(model.weights, *model.biases, units, 1)
    tiles = reference.to_tiles(rng.normal(0, 1, model.sizes))
    biases = [rng.normal(0, 1, n) for n in model.sizes]
    decay = 0.1, 0.2, 0.3
    steps = [
        lambda p, own: p.moved(Direction(tiles[own], *biases), *decay, 1),
        lambda p, own: p.clipped(0.8, 1),
        lambda p, own: p.clipped(1e9, 1),  # of which nothing is above
        lambda p, own: p.zero_summed(1),
        lambda p, own: p.moved(Direction(-tiles[own], *biases), 0.2, 0.0, 0.0, 2),
    ]
    expected = [start]
    for step in steps:
        expected.append(step(expected[-1], slice(None)))

    def program(comm):
        division = divide(comm, units)
        parameters = start.divided(division)
        for step, whole in zip([None, *steps], expected, strict=True):
            parameters = parameters if step is None else step(parameters, division.hidden.own_tiles)
            same_part(parameters, whole, division)
        again = parameters.whole(1)
        same_parameters(again, expected[-1])
        assert again.division is None and again.whole() is again
        for forbidden in (lambda: parameters.weights, lambda: parameters.norm):
            with pytest.raises(RuntimeError, match="divided among ranks"):
                forbidden()

    on_ranks(size, program)


def data_of(model):
    """Rows of a model's data: no site is absent."""
    columns = []
    for part in model.units[0].segments:
        if part.name == "categorical":
            columns += [model.rng.integers(0, q, model.n) for q in part.sizes]
        else:
            values = (-1, 1) if part.name == "spin" else (0, 1)
            columns += [model.rng.choice(values, model.n) for _ in range(part.n)]
    return np.array(columns).T


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("name", ["one unit", "bits", "spins", "large sites", "drelu"])
def test_gradients_of_a_part(name, size):
    """Of the states, centered or not, taken in one pass with the update or before it; of what else is trained."""
    model = model_of(name)
    visible, hidden = model.units
    rbm = fr.RBM(model.weights, *model.biases, visible=visible, hidden=hidden)
    X = data_of(model)
    offsets = [model.rng.random(n) for n in model.sizes]

    def results(rbm):
        found = []
        for before in (False, True):
            for centered in (False, True):
                own = rbm.copy()
                own._parameters = rbm._parameters
                bits = own._states(X, "X")
                g = Gradient(
                    PhaseStates.of_data(own, bits, n_threads=1), PhaseStates.of_data(own, bits[: model.n // 2])
                )
                g = g.centered(*offsets) if centered else g
                if before:
                    _ = g.tiles
                own._parameters = own._parameters.moved(g, 0.1, 0.01, 0.0, 1)
                found.append((own._parameters.whole(1), g.visible_bias, g.hidden_bias, g.own))
        return found

    expected = results(rbm)

    def program(comm):
        own = rbm.copy()
        own._parameters = rbm._parameters.divided(divide(comm, (visible, hidden)))
        for (parameters, *parts), (whole, *wholes) in zip(results(own), expected, strict=True):
            same_parameters(parameters, whole)
            assert all(a is b is None or np.array_equal(a, b) for a, b in zip(parts, wholes, strict=True))
            assert parameters.units[1].own is whole.units[1].own is None or np.array_equal(
                parameters.units[1].own, whole.units[1].own
            )
        phase = PhaseStates.of_data(own, own._states(X, "X"))
        for forbidden in (
            lambda: phase.moments(), lambda: Moments.of_data(own, X), lambda: Gradient(phase, phase).weights,
        ):  # fmt: skip
            with pytest.raises(RuntimeError, match="divided among ranks"):
                forbidden()

    on_ranks(size, program)


@pytest.mark.parametrize("name", ["one unit", "bits", "segments"])
def test_probabilities_of_a_part_are_those_of_all_units(name):
    model = model_of(name)
    visible, hidden = model.units
    rbm = fr.RBM(model.weights, *model.biases, visible=visible, hidden=hidden)
    X = data_of(model)

    def means(rbm):
        return rbm._mean(rbm._parameters.to_hidden, rbm._states(X, "X"), 1)

    expected = means(rbm)

    def program(comm):
        own = rbm.copy()
        own._parameters = rbm._parameters.divided(divide(comm, (visible, hidden)))
        assert np.array_equal(means(own), expected)

    on_ranks(3, program)


@pytest.mark.parametrize("what", ["weights", "visible_bias", "hidden_bias"])
@pytest.mark.parametrize("value", [np.inf, -3e38, np.nan])
def test_all_ranks_refuse_a_bad_update_with_the_same_words(what, value):
    """Though one rank alone has the bad weight: the words are those of one process, of units of the whole model."""
    model = model_of("bits")
    units, (n_visible, n_hidden) = tuple(model.units), model.sizes
    start = Parameters.of(model.weights, *model.biases, units, 1)
    parts = {"weights": np.zeros(model.sizes), "visible_bias": np.zeros(n_visible), "hidden_bias": np.zeros(n_hidden)}
    where = (n_visible - 2, 150) if what == "weights" else (parts[what].size - 2,)
    parts[what][where] = value
    tiles, biases = reference.to_tiles(parts["weights"]), (parts["visible_bias"], parts["hidden_bias"])
    with pytest.raises(FloatingPointError) as alone:
        start.moved(Direction(tiles, *biases), 10.0, 0.0, 0.0, 1)
    assert f"{what}[{', '.join(map(str, where))}]" in str(alone.value)

    def program(comm):
        division = divide(comm, units)
        with pytest.raises(FloatingPointError) as refused:
            start.divided(division).moved(Direction(tiles[division.hidden.own_tiles], *biases), 10.0, 0.0, 0.0, 1)
        return str(refused.value)

    assert on_ranks(3, program) == [str(alone.value)] * 3


def test_a_training_of_uneven_units_is_refused():
    """Bits and spins in one layer, whose gradient is made of moments: on all ranks, before anything is divided."""
    model = model_of("segments")
    rbm = fr.RBM(model.weights, *model.biases, visible=model.units[0], hidden=model.units[1])
    X = data_of(model)

    def program(comm):
        with pytest.raises(ValueError, match="steps of their own"):
            fr.fit(rbm.copy(), X, comm=comm)

    on_ranks(2, program)
