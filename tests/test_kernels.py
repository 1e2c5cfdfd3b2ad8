"""Every kernel equals its reference implementation, bits and integers exactly: odd shapes, any n_threads, every ISA
level."""

from functools import cache

import numpy as np
import pytest
from helpers import BINARY, PAIRS, build_layers, modules, pack, tiles_for

from fastrbm import reference

# (visible, hidden, chains): one of everything; below, at and above a byte, a nibble table, a tile, a block, a pass, and
# the 64 tiles after which cgf_sums takes a logarithm
SHAPES = [
    (1, 1, 1),
    (9, 5, 3),
    (64, 64, 64),
    (70, 130, 100),
    (33, 16, 513),
    (31, 81, 1030),
    (300, 20, 300),
    (65, 1, 17),
    (784, 500, 37),
    (3, 4200, 9),
]
THREADS = [1, 2, 3, 7]
SEED = 0xFEDCBA9876543210
MODULES = modules()


class Case:
    """Random input of one shape, and what the reference implementation makes of it."""

    def __init__(self, n_visible, n_hidden, n, units=BINARY):
        self.units = units
        rng = np.random.default_rng([n_visible, n_hidden, n])
        self.shape = n_visible, n_hidden, n
        self.weights = rng.normal(0, 0.4, (n_visible, n_hidden)).astype(np.float32)
        self.visible_bias = rng.normal(0, 1, n_visible).astype(np.float32)
        self.hidden_bias = rng.normal(0, 1, n_hidden).astype(np.float32)
        self.states = (rng.random((n, n_visible)) < 0.3).astype(np.uint8)
        self.beta = rng.random(n).astype(np.float32)
        self.expected = run(reference, self, 1)


_cases = {}


def case_of(shape, units=BINARY):
    if (shape, units) not in _cases:
        _cases[shape, units] = Case(*shape, units)
    return _cases[shape, units]


def run(module, case, n_threads):
    """Every result of every kernel, by name."""
    n_visible, n_hidden, n = case.shape
    results = {}
    to_visible, to_hidden = build_layers(
        module, case.weights, case.visible_bias, case.hidden_bias, n_threads, case.units
    )
    results |= {"exponents": np.array([to_hidden.exponent, to_visible.exponent])}
    results |= {"to_hidden": to_hidden.tiles_array, "to_visible": to_visible.tiles_array}

    planes = np.empty((-(-n_visible // 8), n), np.uint8)
    module.pack(case.states, planes, n_threads)
    unpacked = np.empty_like(case.states)
    module.unpack(planes, unpacked, n_threads)
    transposed = np.empty((-(-n // 8), n_visible), np.uint8)
    module.transpose(planes, n_visible, None, transposed, n_threads)
    acc = np.empty((n, n_hidden), np.int32)
    module.product(planes, to_hidden.tiles_array, to_hidden.exponent, acc, n_threads)
    results |= {"planes": planes.copy(), "unpacked": unpacked, "transposed": transposed, "acc": acc}

    hidden = np.empty((-(-n_hidden // 8), n), np.uint8)
    fixed = np.zeros((tiles_for(n_hidden), -(-n // 8) * 8, 64), np.float32)
    probabilities = np.empty((n, n_hidden), np.float32)
    module.half_step(planes, to_hidden, None, SEED, 3, 5, 1, 11, hidden, fixed, probabilities, n_threads)
    results |= {"hidden": hidden.copy(), "fixed": valid(fixed, n_hidden), "probabilities": probabilities}
    weights, hidden_sum = np.full((n_visible, n_hidden), np.nan), np.full(n_hidden, np.nan)
    module.moments(transposed, fixed, False, 2.0**-22, False, weights, hidden_sum, n_threads)
    more_weights, more_hidden = np.ones((n_visible, n_hidden)), np.ones(n_hidden)
    module.moments(transposed, fixed, False, 2.0**-21, True, more_weights, more_hidden, n_threads)
    counts = np.ones(n_visible)
    module.count_bits(planes, n_visible, None, counts, n_threads)
    results |= {"moments": weights, "hidden_sum": hidden_sum, "counts": counts}
    results |= {"more_moments": more_weights, "more_hidden_sum": more_hidden}
    phase = np.empty_like(transposed), np.full(n_visible, np.nan), np.full(n_hidden, np.nan)
    module.prepare_phase(planes, None, fixed, 2.0**-22, *phase, None, n_threads)
    results |= {f"phase_{k}": array for k, array in enumerate(phase)}

    before = transposed, fixed.copy()
    module.sweep(
        planes, hidden, to_visible, to_hidden, None, SEED, 4, 0xFFFFFFFE, 2, 2**31 - 5, None, None, fixed, n_threads
    )
    results |= {"swept_v": planes.copy(), "swept_h": hidden.copy(), "swept_fixed": valid(fixed, n_hidden)}
    # a third of the units of either layer clamped, other ones in each chain
    free = [pack((np.random.default_rng(n).random((n, u)) < 0.7).astype(np.uint8)) for u in (n_visible, n_hidden)]
    module.sweep(planes, hidden, to_visible, to_hidden, case.beta, SEED, 4, 9, 3, 11, *free, None, n_threads)
    results |= {"tempered_v": planes, "tempered_h": hidden}
    results |= run_update(module, case, n_threads, before, to_hidden, planes, fixed)

    reference = np.zeros_like(to_visible.bias_array)
    reference[:n_visible] = case.hidden_bias.mean() + case.visible_bias[::-1]
    difference = (case.visible_bias - reference[:n_visible]).astype(np.float64)
    log_weights = np.ones((tiles_for(n_hidden) + tiles_for(n_visible), n))
    annealed_v, annealed_h = planes.copy(), hidden.copy()
    betas = np.array([0.0, 0.3, 0.35, 1.0], np.float32)
    place = (SEED, 5, 7, 3)
    module.anneal(
        annealed_v,
        annealed_h,
        to_visible,
        to_hidden,
        reference[None],
        difference,
        betas,
        betas.astype(float),
        *place,
        log_weights,
        n_threads,
    )
    results |= {"annealed_v": annealed_v, "annealed_h": annealed_h, "log_weights": log_weights}

    padded = -(-n_hidden // 8) * 8
    bias = case.visible_bias.astype(np.float64)
    results["pseudo"] = np.empty(n)
    module.pseudo_sums(pack(case.states[:200]), to_hidden, bias, 3, results["pseudo"][:200], n_threads)
    results["pseudo"][200:] = 0
    rng = np.random.default_rng(0)
    high, low = rng.normal(0, 3, (9, padded)), rng.normal(0, 3, (16, padded))
    results |= {"peak": np.empty(9), "total": np.empty(9)}
    sums = results["peak"], results["total"]
    module.enumerate_states(
        high, rng.normal(0, 1, 9), low, rng.normal(0, 1, 16), case.units[1], None, n_hidden, *sums, n_threads
    )

    for name, beta in (("cgf", np.ones(1)), ("tempered_cgf", case.beta.astype(np.float64))):
        results[name] = np.empty(n)
        module.cgf_sums(planes, to_hidden, beta, results[name], n_threads)
    results["bias"] = np.empty(n)
    module.bias_sums(planes, case.units[0], None, case.visible_bias.astype(np.float64), results["bias"], n_threads)
    return results


def run_update(module, case, n_threads, before, to_hidden, planes, fixed):
    """The training step: the difference of two phases of different sizes, plain and centered, then the update."""
    n_visible, n_hidden, n = case.shape
    few = -(-n // 16)  # bytes of the negative phase: half of the chains
    transposed = np.empty((-(-n // 8), n_visible), np.uint8)
    module.transpose(planes, n_visible, None, transposed, n_threads)
    negative = transposed[:few].copy(), np.ascontiguousarray(fixed[:, : 8 * few]), 2.0**-22 / 7
    phases = (*before, 2.0**-22 / n, *negative, False)
    plain, centered = np.full((2, *to_hidden.tiles_array.shape), np.nan, np.float32)
    module.difference(*phases, None, n_hidden, plain, None, None, n_threads)
    rng = np.random.default_rng(1)
    offsets = []
    for n_units, length in ((n_visible, plain.shape[1]), (n_hidden, 64 * plain.shape[0])) * 3:
        offsets.append(np.zeros(length))
        offsets[-1][:n_units] = rng.normal(0, 1, n_units)
    mu, lam = offsets[:2]
    along_hidden, along_visible = np.empty(len(mu)), np.empty(len(lam))
    module.difference(*phases, tuple(offsets), n_hidden, centered, along_hidden, along_visible, n_threads)
    results = {"plain": plain, "centered": centered, "along_hidden": along_hidden, "along_visible": along_visible}
    for name, l1 in (("ascended", 0.0), ("sparser", 0.1)):
        out = np.empty_like(plain)
        back = np.empty((tiles_for(n_visible), -(-n_hidden // 8) * 8, 64), np.float32)
        outcome = module.ascend(to_hidden.tiles_array, centered, 0.3, 0.2, l1, 0.5, out, back, n_threads)
        results |= {name: out, name + "_transposed": back, name + "_outcome": np.array(outcome)}
    for name, before, nesterov in (("first", None, False), ("moving", plain, False), ("ahead", plain, True)):
        out, velocity = np.empty_like(plain), np.empty_like(plain)
        given = to_hidden.tiles_array, centered, 0.3, 0.2, 0.1, 0.5, out, back, n_threads
        module.ascend(*given, velocity=(0.9, nesterov, before, velocity))
        results |= {name: out, name + "_velocity": velocity}
    for name, centering in (("step", None), ("centered_step", tuple(offsets))):
        out, velocity = np.empty_like(plain), np.empty_like(plain)
        back = np.empty((tiles_for(n_visible), -(-n_hidden // 8) * 8, 64), np.float32)
        along = np.zeros_like(mu), np.zeros_like(lam)
        given = to_hidden.tiles_array, 0.3, 0.2, 0.1, 0.5, out, back, *along, n_threads
        module.step(*phases, centering, n_hidden, *given, velocity=(0.9, True, plain, velocity))
        results |= {name + "_ahead": out.copy(), name + "_velocity": velocity}
        outcome = module.step(*phases, centering, n_hidden, *given)
        results |= {name: out, name + "_transposed": back, name + "_outcome": np.array(outcome)}
        results |= {name + "_along_hidden": along[0], name + "_along_visible": along[1]}
    for name, weights in (("along_decayed", to_hidden.tiles_array), ("along", None)):
        products = np.empty_like(mu), np.empty_like(lam)
        module.along(centered, weights, 0.2, 0.1, mu, lam, n_visible, *products, n_threads)
        for k, product in enumerate(products):
            known = (along if name == "along_decayed" else (along_hidden, along_visible))[k]
            assert np.array_equal(product, known)  # what comes of the one pass of a step, or of the difference
            results[f"{name}_{k}"] = product
    return results


def valid(fixed, n_units):
    return np.concatenate(list(fixed), axis=1)[:, :n_units]


@pytest.mark.parametrize("n_threads", THREADS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("level", MODULES)
def test_kernels_equal_the_reference(level, shape, n_threads):
    compare(MODULES[level], case_of(shape), n_threads)


@pytest.mark.parametrize("units", PAIRS, ids=str)
@pytest.mark.parametrize("shape", [(1, 1, 1), (70, 130, 100), (31, 81, 1030)], ids=str)
@pytest.mark.parametrize("level", MODULES)
def test_kernels_of_other_units_equal_the_reference(level, shape, units):
    for n_threads in (1, 3):
        compare(MODULES[level], case_of(shape, units), n_threads)


def compare(module, case, n_threads):
    for name, result in run(module, case, n_threads).items():
        expected = case.expected[name]
        assert result.dtype == expected.dtype and result.shape == expected.shape
        assert np.array_equal(result, expected), name


@cache
def case_of_ties():
    """In a million draws about 16 tie in their first 16 bits."""
    case = Case(64, 256, 4096)
    layer = build_layers(reference, case.weights, case.visible_bias, case.hidden_bias)[1]
    field = reference.fields(reference.sent_sums(case.expected["planes"], layer), layer)
    numbers = reference.blocks(SEED, 3 << 8 | 1, 5, np.arange(11, 11 + 4096).astype(np.uint32), np.arange(32))
    whole = (reference.less_likely(field) * np.float32(65536)).astype(np.int32)
    assert (numbers.reshape(4096, -1).view(np.uint16) == whole).sum() > 3
    return case


@pytest.mark.parametrize("level", MODULES)
def test_ties_are_drawn_alike(level):
    """The rare path is compared too, and is really taken."""
    case = case_of_ties()
    assert np.array_equal(run(MODULES[level], case, 2)["hidden"], case.expected["hidden"])


@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("cuts", [(1,), (3, 600), (512,), (8, 16, 1029)])
def test_a_chain_is_the_same_in_any_batch(level, cuts):
    """The chains in pieces, each in a strided slice, give the bits of the chains in one call."""
    module, (n_visible, n_hidden, n) = MODULES[level], (31, 81, 1030)
    case = case_of((n_visible, n_hidden, n))
    to_visible, to_hidden = build_layers(module, case.weights, case.visible_bias, case.hidden_bias)
    whole_v, whole_h = pack(case.states), np.zeros((-(-n_hidden // 8), n), np.uint8)
    parts_v, parts_h = whole_v.copy(), whole_h.copy()
    module.sweep(whole_v, whole_h, to_visible, to_hidden, case.beta, 5, 0, 1, 3, 100, None, None, None, 2)
    for start, stop in zip((0, *cuts), (*cuts, n), strict=True):
        part = slice(start, stop)
        module.sweep(
            parts_v[:, part],
            parts_h[:, part],
            to_visible,
            to_hidden,
            case.beta[part],
            5,
            0,
            1,
            3,
            100 + start,
            *[None] * 3,
            2,
        )
    assert np.array_equal(whole_v, parts_v) and np.array_equal(whole_h, parts_h)


@pytest.mark.parametrize("level", MODULES)
def test_sweeps_in_one_call_or_several(level):
    module, case = MODULES[level], case_of((70, 130, 100))
    layers = build_layers(module, case.weights, case.visible_bias, case.hidden_bias)
    once_v, once_h = pack(case.states), np.zeros((17, 100), np.uint8)
    parts_v, parts_h = once_v.copy(), once_h.copy()
    module.sweep(once_v, once_h, *layers, None, 5, 0, 1, 6, 0, None, None, None, 1)
    for first, count in ((1, 1), (2, 3), (5, 2)):
        module.sweep(parts_v, parts_h, *layers, None, 5, 0, first, count, 0, None, None, None, 3)
    assert np.array_equal(once_v, parts_v) and np.array_equal(once_h, parts_h)


N_VISIBLE_OF_FEW_FLIPS = 205


def few_flips(module, parts, n_threads):
    """What sweeps of 1,500 chains leave, of which the first 600 are cold (few flips), 100 are hot, and the rest are in
    between: every way of a block occurs. parts: sweeps of each call. (states before the last call, the rest)"""
    rng = np.random.default_rng(3)
    n_visible, n_hidden, n = N_VISIBLE_OF_FEW_FLIPS, 150, 1500
    weights = rng.normal(0, 0.3, (n_visible, n_hidden)).astype(np.float32)
    visible_bias = rng.choice([-6.0, 6.0], n_visible).astype(np.float32)
    beta = np.repeat([1.0, 0.1, 0.8], [600, 100, 800]).astype(np.float32)
    start = (rng.random((n, n_visible)) < 0.5).astype(np.uint8)
    layers = build_layers(module, weights, visible_bias, np.zeros(n_hidden, np.float32))
    v, h, fixed, first = pack(start), pack(start[:, :n_hidden]), np.zeros((3, 1504, 64), np.float32), 1
    for part in parts:
        before = v.copy()
        module.sweep(v, h, *layers, beta, 5, 0, first, part, 0, None, None, fixed, n_threads)
        first += part
    return before, (v, h, valid(fixed, n_hidden))


@cache
def expected_of_few_flips():
    before, expected = few_flips(reference, (6, 1), 1)
    if hasattr(np, "bitwise_count"):
        flips = np.bitwise_count(before ^ expected[0])
        few = N_VISIBLE_OF_FEW_FLIPS / 12
        assert flips[:, :600].sum() < 600 * few and flips[:, 600:700].sum() > 100 * few
    return expected


@pytest.mark.parametrize("n_threads", THREADS)
@pytest.mark.parametrize("level", MODULES)
def test_sweeps_where_few_units_flip(level, n_threads):
    """From the third sweep of a call on, sums may be kept and only flips added: the same bits."""
    for ours, theirs in zip(few_flips(MODULES[level], (7,), n_threads)[1], expected_of_few_flips(), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("level", MODULES)
def test_read_only_input(level):
    """Inputs may be read-only; only outputs are written."""
    module, case = MODULES[level], case_of((70, 130, 100))
    planes = pack(case.states)
    layers = build_layers(module, case.weights, case.visible_bias, case.hidden_bias)
    for array in (planes, case.beta, layers[1].tiles_array, layers[1].bias_array):
        array.flags.writeable = False
    out = np.empty((17, 100), np.uint8)
    module.half_step(planes, layers[1], case.beta, 0, 0, 0, 1, 0, out, None, None, 2)
    acc = np.empty((100, 130), np.int32)
    module.product(planes, layers[1].tiles_array, layers[1].exponent, acc, 2)
    assert np.array_equal(acc, case.expected["acc"])


@pytest.mark.parametrize("level", MODULES)
def test_no_chains(level):
    module, case = MODULES[level], case_of((9, 5, 3))
    layers = build_layers(module, case.weights, case.visible_bias, case.hidden_bias)
    v, h = np.zeros((2, 0), np.uint8), np.zeros((1, 0), np.uint8)
    module.sweep(v, h, *layers, None, 0, 0, 1, 3, 0, None, None, None, 2)
    module.half_step(v, layers[1], None, 0, 0, 0, 1, 0, h, None, None, 2)
    module.cgf_sums(v, layers[1], np.ones(1), np.empty(0), 2)
    module.product(v, layers[1].tiles_array, layers[1].exponent, np.empty((0, 5), np.int32), 2)


@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("n_visible", [30, 64, 72, 128, 520, 1100])
def test_products_of_all_kinds_of_integers(level, n_visible):
    """Weights of one size or of very different ones, of both signs; groups of units that are off in all chains; as many
    chains as fill registers and one more or less: against sums in int64."""
    rng = np.random.default_rng(n_visible)
    for n, peak in ((15, 1.0), (16, 1e4), (17, 1e6), (100, 1.0), (130, 1e5)):
        weights = rng.normal(0, 0.1, (n_visible, 70)).astype(np.float32)
        weights[rng.integers(0, n_visible, 70), np.arange(70)] *= peak  # one integer with all of its bits
        states = (rng.random((n, n_visible)) < 0.4).astype(np.uint8)
        states[:, : n_visible // 2] = 0
        _, to_hidden = build_layers(MODULES[level], weights, np.zeros(n_visible, "f4"), np.zeros(70, "f4"))
        acc = np.empty((n, 70), np.int32)
        for planes in (pack(states), pack(states[:, ::-1]), pack(np.zeros_like(states))):
            MODULES[level].product(planes, to_hidden.tiles_array, to_hidden.exponent, acc, 2)
            whole = reference.quantized_weights(to_hidden.tiles_array, to_hidden.exponent).astype(np.int64)
            on = np.unpackbits(planes, axis=0, bitorder="little").T.astype(np.int64)
            exact = np.concatenate([on @ tile[: on.shape[1]] for tile in whole], axis=1)[:, :70]
            assert np.array_equal(acc, exact)


@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("largest", [2**29 - 1024, 2**29 - 512, 2**29, 2**30])
def test_products_of_integers_of_29_bits_and_more(level, largest):
    """Integers with nearly all the bits that int32 has, positive and negative, beside small ones."""
    rng = np.random.default_rng(0)
    weights = rng.integers(-(2**20), 2**20, (70, 70)).astype(np.float32)
    weights[3], weights[66] = largest, -largest
    weights[5, ::2], weights[67, ::2] = -largest / 2, largest / 2
    states = (rng.random((37, 70)) < 0.5).astype(np.uint8)
    tiles = reference.to_tiles(weights)
    acc = np.empty((37, 70), np.int32)
    MODULES[level].product(pack(states), tiles, 0, acc, 1)
    assert np.array_equal(acc, states.astype(np.int64) @ weights.astype(np.int64))


@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("n", [2, 40])
def test_sums_reach_but_never_pass_int32(level, n):
    """784 equal weights, all units on: the largest sum there can be, at the scale chosen for it."""
    for value in (1e-30, 1e-3, 0.7, 3e4, 1e29):
        weights = np.full((784, 70), value, np.float32)
        to_visible, to_hidden = build_layers(MODULES[level], weights, np.zeros(784, "f4"), np.zeros(70, "f4"))
        acc = np.empty((n, 70), np.int32)
        MODULES[level].product(pack(np.ones((n, 784), np.uint8)), to_hidden.tiles_array, to_hidden.exponent, acc, 1)
        exact = (
            reference.quantized_weights(to_hidden.tiles_array, to_hidden.exponent)
            .astype(np.int64)
            .sum(axis=1)
            .reshape(-1)[:70]
        )
        assert (acc == exact).all() and exact.max() < 2**31
        if value > 1e-10:  # below, the finest grid allowed is coarser than the weights
            assert exact.min() > 2**29  # no more than two bits are given away
