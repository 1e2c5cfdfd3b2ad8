"""kernels.train, many updates in one call: the bits of its reference implementation, and of a training that goes update
by update."""

from functools import cache

import numpy as np
import pytest
from helpers import BINARY, PAIRS, build_layers, modules, pack, random_planes

import fastrbm as fr
from fastrbm import reference
from fastrbm.training import fused, loop

MODULES = modules()


def weights_of(n, ends, weighted):
    """As kernels.train takes them, some of them zero."""
    if not weighted:
        return None
    rng = np.random.default_rng(n)
    return fused._weights_of_batches(rng.random(n) * rng.integers(0, 3, n) + 1e-9, ends, 0.7)


def run(module, shape, n_chains, n_sweeps, batch, centered, known, n_threads, rate=0.1, l1=0.0, units=BINARY,
        weighted=False):  # fmt: skip
    """Everything that a call of train leaves, for five updates by 5 batches, the last one short."""
    n_visible, n_hidden = shape
    rng = np.random.default_rng(n_visible + 7 * n_hidden)
    states = (rng.random((4 * batch + batch // 2 + 1, n_visible)) < rng.random(n_visible)).astype(np.uint8)
    weights = rng.normal(0, 0.3, shape).astype(np.float32)
    biases = [rng.normal(0, 1, n).astype(np.float32) for n in shape]
    to_visible, to_hidden = build_layers(module, weights, *biases, units=units)
    tiles, transposed = (
        (layer.tiles_array.copy(), np.full_like(layer.tiles_array, 7)) for layer in (to_hidden, to_visible)
    )
    visible, hidden = (pack((rng.random((n_chains, n)) < 0.5).astype(np.uint8)) for n in shape)
    padded = [layer.bias_array.copy() for layer in (to_visible, to_hidden)]
    offsets = [np.zeros(bias.size) for bias in padded]
    if known:
        offsets[0][:n_visible], offsets[1][:n_hidden] = rng.random(n_visible), rng.random(n_hidden)
    packed, order = np.ascontiguousarray(pack(states).T), rng.permutation(len(states))
    ends = np.minimum(np.arange(6) * batch, len(states))
    outcome = np.full(4, np.nan)
    module.train(
        packed, order, ends, np.linspace(rate, 0.01, 5), visible, hidden, 2**40 + 3, 8, 2**32 - 4, n_sweeps, 1000,
        tiles, transposed, *padded, to_visible.exponent, to_hidden.exponent, n_visible, n_hidden, units[0], None,
        units[1],
        (0.05, *offsets, known) if centered else None, weights_of(len(states), ends, weighted), 1e-3, l1, 1e30, outcome,
        n_threads,
    )  # fmt: skip
    which = int(outcome[1])
    model = tiles[which], transposed[which][:, :n_hidden]
    return [outcome, visible, hidden, *padded, *model, *(offsets if centered else ())]


@cache  # for every level
def expected(*case, **more):
    return run(reference, *case, 1, **more)


CASES = [
    ((13, 7), 5, 1, 6, True, False),
    ((1, 1), 1, 1, 1, True, True),
    ((64, 64), 16, 2, 8, False, False),
    ((65, 130), 40, 1, 100, True, True),
    ((200, 129), 300, 1, 520, True, False),
    ((70, 65), 1100, 2, 30, False, False),
    ((130, 200), 20, 2, 50, False, False),  # few chains: threads exchange sums
    ((64, 256), 128, 1, 128, True, True),
]


@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("shape, n_chains, n_sweeps, batch, centered, known", CASES)
def test_equals_the_reference(level, shape, n_chains, n_sweeps, batch, centered, known):
    case = shape, n_chains, n_sweeps, batch, centered, known
    wanted = expected(*case)
    assert wanted[0][0] == 5
    for n_threads in (1, 2, 3, 7):
        for ours, theirs in zip(run(MODULES[level], *case, n_threads), wanted, strict=True):
            assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("units", [BINARY, PAIRS[-1]], ids=str)
@pytest.mark.parametrize("case", [CASES[0], CASES[3], CASES[4], CASES[6]], ids=str)
def test_weights_of_examples_equal_the_reference(level, case, units):
    wanted = expected(*case, units=units, weighted=True)
    assert wanted[0][0] == 5 and not np.array_equal(wanted[-1], expected(*case, units=units)[-1])
    for n_threads in (1, 2):
        for ours, theirs in zip(run(MODULES[level], *case, n_threads, units=units, weighted=True), wanted, strict=True):
            assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("units", PAIRS, ids=str)
@pytest.mark.parametrize("shape, n_chains, n_sweeps, batch, centered, known", [CASES[0], CASES[6], CASES[7]])
def test_other_units_equal_the_reference(level, shape, n_chains, n_sweeps, batch, centered, known, units):
    case = shape, n_chains, n_sweeps, batch, centered, known
    wanted = expected(*case, units=units)
    for n_threads in (1, 2):
        for ours, theirs in zip(run(MODULES[level], *case, n_threads, units=units), wanted, strict=True):
            assert np.array_equal(ours, theirs)


LAYOUTS = [
    (("categorical", (21,) * 31),),
    (("categorical", (2, 255, 7, 1, 65)),),
    (("bernoulli", 70), ("categorical", (3, 3, 5)), ("bernoulli", 13)),
]


def run_segments(module, layout, n_hidden, n_chains, n_sweeps, centered, n_threads, weighted=False):
    """The same of a layer of segments: everything that a call of train leaves."""
    rng, batch = np.random.default_rng(3), 40
    segments = module.Segments(layout)
    n_visible = segments.n_units
    weights = rng.normal(0, 0.2, (n_visible, n_hidden)).astype(np.float32)
    biases = [rng.normal(0, 1, n).astype(np.float32) for n in weights.shape]
    to_visible, to_hidden = build_layers(reference, weights, *biases)  # whose visible units are in a row
    shape = to_hidden.tiles_array.shape
    room = np.full((2, to_hidden.tiles_array.size + 8 * 64), 7, np.float32)  # products of bits read whole bytes
    tiles = [part[: to_hidden.tiles_array.size].reshape(shape) for part in room]
    tiles[0][...] = to_hidden.tiles_array
    transposed = [to_visible.tiles_array.copy(), np.full_like(to_visible.tiles_array, 7)]
    exponent = np.float64(reference.largest_input(to_hidden.tiles_array, reference.Segments(layout)))
    to_hidden_exponent = min(60, int(np.frexp((2**31 - 1 - n_visible) / exponent)[1]) - 1)
    rows = np.ascontiguousarray(random_planes(layout, n_chains + 4 * batch + 1, rng).T)
    visible = np.ascontiguousarray(rows[:n_chains].T)
    hidden = pack((rng.random((n_chains, n_hidden)) < 0.5).astype(np.uint8))
    packed = np.ascontiguousarray(rows[n_chains:])
    padded = [layer.bias_array.copy() for layer in (to_visible, to_hidden)]
    offsets, outcome = [np.zeros(bias.size) for bias in padded], np.full(4, np.nan)
    ends = np.minimum(np.arange(6) * batch, len(packed))
    module.train(
        packed, rng.permutation(len(packed)), ends, np.linspace(0.1, 0.01, 5), visible, hidden, 7, 8, 9, n_sweeps, 1000,
        tiles, transposed, *padded, to_visible.exponent, to_hidden_exponent, n_visible, n_hidden, "bernoulli", segments,
        "bernoulli", (0.05, *offsets, False) if centered else None, weights_of(len(packed), ends, weighted), 1e-3, 0.0,
        1e30, outcome, n_threads,
    )  # fmt: skip
    which = int(outcome[1])
    return [outcome, visible, hidden, *padded, tiles[which], transposed[which][:, :n_hidden], *offsets]


@cache
def expected_of_segments(*case):
    return run_segments(reference, *case[:-1], 1, case[-1])


@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("layout", LAYOUTS, ids=["sequences", "large", "mixed"])
@pytest.mark.parametrize(
    "n_hidden, n_chains, n_sweeps, centered, weighted",
    [(65, 50, 1, True, False), (20, 300, 2, False, False), (65, 50, 1, True, True)],
)
def test_segments_equal_the_reference(level, layout, n_hidden, n_chains, n_sweeps, centered, weighted):
    wanted = expected_of_segments(layout, n_hidden, n_chains, n_sweeps, centered, weighted)
    assert wanted[0][0] == 5
    for n_threads in (1, 2, 3):
        ours = run_segments(MODULES[level], layout, n_hidden, n_chains, n_sweeps, centered, n_threads, weighted)
        for mine, theirs in zip(ours, wanted, strict=True):
            assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("level", MODULES)
def test_l1(level):
    case = (30, 20), 10, 1, 10, True, False
    for ours, theirs in zip(run(MODULES[level], *case, 2, l1=1e-2), expected(*case, l1=1e-2), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("level", MODULES)
def test_a_bias_that_is_the_limit_when_rounded_is_bad(level):
    case = (30, 20), 4, 1, 5, False, True
    wanted = expected(*case, rate=1e30)
    assert wanted[0][0] == 0
    for ours, theirs in zip(run(MODULES[level], *case, 2, rate=1e30), wanted, strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("rate, done", [(1e30, 0), (-1e31, 0)])
def test_a_bad_update_is_not_done(level, rate, done):
    case = (30, 20), 10, 1, 10, True, True
    before = run(MODULES[level], *case, 1, rate=0.0)
    outcome, visible, hidden, *_ = wanted = expected(*case, rate=rate)
    assert outcome[0] == done
    for n_threads in (1, 3):
        for ours, theirs in zip(run(MODULES[level], *case, n_threads, rate=rate), wanted, strict=True):
            assert np.array_equal(ours, theirs)
    assert not np.array_equal(before[1], visible)  # where it could, the chains went on


def trained(monkeypatch, many, n_threads=2, V=48, H=30, n=230, epochs=3, optimizer=None, **options):
    monkeypatch.setattr(loop, "possible", fused.possible if many else lambda *a: False)
    rng = np.random.default_rng(5)
    X = (rng.random((n, V)) < rng.random(V)).astype(np.uint8)
    if options.get("dynamic_binarization"):
        X = rng.random((n, V))
    if "sample_weight" in options:
        options["sample_weight"] = np.where(np.arange(n) < options["sample_weight"], rng.random(n), 0.0)
    rbm, pcd = fr.RBM.from_data(X, H, seed=2), fr.gradient.PCD(30, options.pop("n_sweeps", 1), seed=3)
    history = fr.fit(
        rbm, X, pcd, optimizer or fr.optim.SGD(fr.optim.Linear(0.1), l1=1e-4), epochs, 20, 4, n_threads=n_threads,
        **options,
    )  # fmt: skip
    return [
        rbm.weights, rbm.visible_bias, rbm.hidden_bias, pcd.chains.visible, pcd.chains.hidden,
        np.array(pcd.chains.n_sweeps_done), history["weight_norm"], history["shuffled_gap"], history["update"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [{}, {"centered": False}, {"n_sweeps": 2}, {"n_threads": 1}, {"n_sweeps": 3}, {"dynamic_binarization": True},
     {"sample_weight": 200}, {"sample_weight": 220, "dynamic_binarization": True, "centered": False},
     {"sample_weight": 15}],  # most calls end before a batch of no weight
    ids=str,
)  # fmt: skip
def test_fit_is_the_same_either_way(monkeypatch, options):
    for ours, theirs in zip(trained(monkeypatch, True, **options), trained(monkeypatch, False, **options), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("options", [{}, {"dynamic_binarization": True}, {"sample_weight": 200}])
def test_many_updates_are_really_taken_at_once(monkeypatch, options):
    calls = []
    run = fused.Updates.run
    monkeypatch.setattr(fused.Updates, "run", lambda *a: calls.append(run(*a)) or calls[-1])
    trained(monkeypatch, True, **options)
    assert calls == [12, 12, 12]


@pytest.mark.parametrize("rate", [1e31, lambda progress: 0.1 if progress < 0.5 else 1e31])
def test_a_training_that_diverges_says_so_either_way(monkeypatch, rate):
    words = []
    for many in (True, False):
        with pytest.raises(FloatingPointError, match="the step would make") as caught:
            trained(monkeypatch, many, optimizer=fr.optim.SGD(rate))
        words.append(str(caught.value))
    assert words[0] == words[1]


@pytest.mark.parametrize(
    "change",
    [{"momentum": 0.5}, {"max_norm": 0.05}, {"l1": 1e-2}, {"learning_rate": 0.01}],
    ids=lambda change: next(iter(change)),
)
def test_a_callback_may_change_the_optimizer(monkeypatch, change):
    results = []
    for many in (True, False):
        sgd = fr.optim.SGD(0.1)

        def callback(state, sgd=sgd):
            vars(sgd).update(change)

        results.append(trained(monkeypatch, many, optimizer=sgd, callbacks=[callback]))
    for ours, theirs in zip(*results, strict=True):
        assert np.array_equal(ours, theirs)


def test_ctrl_c_leaves_chains_and_model_together(monkeypatch):
    """Ctrl-C comes up as the kernel returns, before what it says can be read."""
    train, done = fused.kernels.train, []

    class Interrupted:
        @staticmethod
        def train(*arguments):
            train(*arguments)
            done.append(arguments[-3][0])
            raise KeyboardInterrupt

    monkeypatch.setattr(fused, "kernels", Interrupted)
    X = fr.datasets.bars_and_stripes(3)
    rbm, pcd, centering = fr.RBM.from_data(X, 8), fr.gradient.PCD(16), fr.gradient.Centering()
    with pytest.raises(KeyboardInterrupt):
        fr.fit(rbm, X, pcd, fr.optim.SGD(0.1), epochs=3, batch_size=2, centered=centering)
    assert done == [7] and pcd.chains.n_sweeps_done == 7
    monkeypatch.undo()
    second, other = fr.RBM.from_data(X, 8), fr.gradient.PCD(16)
    fr.fit(second, X, other, fr.optim.SGD(0.1), epochs=1, batch_size=2)
    assert np.array_equal(rbm.weights, second.weights) and np.array_equal(pcd.chains.visible, other.chains.visible)


def test_a_schedule_that_fails_does_so_in_its_turn(monkeypatch):
    def rate(progress):
        if progress > 0.5:
            raise RuntimeError("no more")
        return 0.1

    results = []
    for many in (True, False):
        monkeypatch.setattr(loop, "possible", fused.possible if many else lambda *a: False)
        X = fr.datasets.bars_and_stripes(3)
        rbm, pcd = fr.RBM.from_data(X, 8), fr.gradient.PCD(16)
        with pytest.raises(RuntimeError, match="no more"):
            fr.fit(rbm, X, pcd, fr.optim.SGD(rate), epochs=1, batch_size=1)
        results.append((rbm.weights, pcd.chains.n_sweeps_done))
    assert np.array_equal(results[0][0], results[1][0]) and results[0][1] == results[1][1]


def test_calls_are_short_whoever_made_the_chains():
    X = fr.datasets.load_digits()
    rbm, pcd = fr.RBM.from_data(X, 512), fr.gradient.PCD(16)
    few = fused.Updates(rbm, pcd, fr.optim.SGD(), None).most(16)
    pcd.chains = fr.Chains(rbm, 4000)
    assert fused.Updates(rbm, pcd, fr.optim.SGD(), None).most(16) < few / 20


@pytest.mark.parametrize(
    "gradient, optimizer, centering",
    [
        (fr.gradient.CD(), fr.optim.SGD(), None),
        (fr.gradient.PCD(n_sweeps=3), fr.optim.SGD(), None),
        (fr.gradient.PCD(), fr.optim.SGD(momentum=0.5), None),
        (fr.gradient.PCD(), fr.optim.SGD(max_norm=1.0), None),
        (fr.gradient.PCD(), fr.optim.Adam(), None),
        (type("Mine", (fr.gradient.PCD,), {})(), fr.optim.SGD(), None),
        (fr.gradient.PCD(), type("Mine", (fr.optim.SGD,), {})(), None),
        (fr.gradient.PCD(), fr.optim.SGD(), type("Mine", (fr.gradient.Centering,), {})()),
    ],
)
def test_what_goes_update_by_update(gradient, optimizer, centering):
    rbm = fr.RBM([[0.0]])
    assert not fused.possible(rbm, gradient, optimizer, centering, 10)
    usual = fr.gradient.PCD(), fr.optim.SGD(l2=0.1), fr.gradient.Centering(), 10
    assert fused.possible(rbm, *usual)
    assert not fused.possible(fr.RBM([[0.0]], hidden="drelu"), *usual)
    assert not fused.possible(fr.RBM([[0.0]], visible="gaussian"), *usual)
