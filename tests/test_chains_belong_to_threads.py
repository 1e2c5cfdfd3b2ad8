"""Threads take blocks of chains through all steps of a call, without waiting for each other; and where threads have to
wait for one that does not run, there are fewer of them. The bits are the same either way."""

import math
from functools import cache

import numpy as np
import pytest
from helpers import build_layers, modules, pack

import fastrbm as fr
from fastrbm import reference
from fastrbm._core import _cpu, dispatch, philox, workload
from fastrbm._core import threads as _threads
from fastrbm.sampling import gibbs
from fastrbm.sampling.gibbs import independent_states
from fastrbm.sampling.path import Path
from fastrbm.sampling.starts import chain_ends, start_chains
from fastrbm.training import fused

MODULES = modules()
OPENMP = pytest.mark.skipif(_cpu.openmp_version() == 0, reason="this build has no OpenMP")
A_THREAD = dispatch.kernels.LEVEL_CHAINS_A_THREAD
SHAPE = 75, 130  # two tiles and three, the last ones short


def share(cpus):
    """A machine where teams of two get so many CPUs."""
    spent = [0, 0]

    def team_time():
        spent[0] += 100_000_000
        spent[1] += int(50_000_000 * cpus)
        return tuple(spent)

    return _threads.Share(team_time, lambda: 0.0)


@cache
def layers(module, scale):
    rng = np.random.default_rng(0)
    weights, *biases = (rng.normal(0, scale, shape).astype(np.float32) for shape in (SHAPE, *SHAPE))
    return build_layers(module, weights, *biases)


def states(n):
    rng = np.random.default_rng(1)
    return [pack((rng.random((n, units)) < 0.5).astype(np.uint8)) for units in SHAPE]


def swept(module, n, n_sweeps, n_threads, scale=0.3, beta=False, clamped=False, apart=()):
    """All that a call of sweep leaves."""
    rng = np.random.default_rng(2)
    visible, hidden = states(n)
    betas = rng.random(n).astype(np.float32) if beta else None
    free = [pack((rng.random((n, units)) < 0.7).astype(np.uint8)) if clamped else None for units in SHAPE]
    fixed = np.zeros((-(-SHAPE[1] // 64), n, 64), np.float32)
    place = 2**40 + 3, 8, 2**32 - 2, n_sweeps, 1000
    module.sweep(visible, hidden, *layers(module, scale), betas, *place, *free, fixed, n_threads, *apart)
    fixed[-1, :, SHAPE[1] % 64 :] = 0  # anything
    return visible, hidden, fixed


def annealed(module, n, n_steps, n_threads, *apart):
    rng = np.random.default_rng(3)
    to_visible, to_hidden = layers(module, 0.3)
    visible, hidden = states(n)
    base = np.zeros(to_visible.bias_array.size, np.float32)
    base[: SHAPE[0]] = rng.normal(0, 1, SHAPE[0])
    difference = to_visible.bias_array[: SHAPE[0]].astype(float) - base[: SHAPE[0]]
    weights = np.zeros((5, n))
    betas = np.linspace(0, 1, n_steps + 1).astype(np.float32)
    bases = np.outer(np.linspace(1, 2, n_steps), base).astype(np.float32)
    both = betas, np.square(betas, dtype=float)
    place = 5, 9, 7, 1000
    module.anneal(visible, hidden, to_visible, to_hidden, bases, difference, *both, *place, weights, n_threads, *apart)
    return visible, hidden, weights


def same(ours, theirs):
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


COUNTS = [1, 63, 64, 65, 255, 256, 257, 512, 1000, 1023, 1024, 1025, 1537, 2100, 3600]
# of every count the highest level, and one more; the rest with -m slow
each_count = pytest.mark.parametrize(
    "level, n",
    [
        pytest.param(level, n, marks=() if k == len(MODULES) - 1 or j % 2 == k % 2 else pytest.mark.slow)
        for k, level in enumerate(MODULES)
        for j, n in enumerate(COUNTS)
    ],
)


@each_count
def test_sweeps(level, n):
    module = MODULES[level]
    options = [{}, {"beta": True}, {"clamped": True}, {"beta": True, "clamped": True}]
    for k, option in enumerate(options):
        one = swept(module, n, 2, 1, **option)
        assert all(same(one, swept(module, n, 2, threads, **option)) for threads in (2, 3, 7))
        if k == len(options) - 1 and n in (1, 1025):
            assert same(one, swept(reference, n, 2, 1, **option))


@each_count
def test_sweeps_that_keep_their_sums(level, n):
    """Of a model whose visible units hardly change, so that sums are kept from sweep to sweep; and of one whose units
    change so much that they are not."""
    n_sweeps = max(4, -(-2048 // n)) if n >= 63 else 4
    for scale in (3.0, 0.1):
        one = swept(MODULES[level], n, n_sweeps, 1, scale)
        assert all(same(one, swept(MODULES[level], n, n_sweeps, threads, scale)) for threads in (2, 3, 7))
        # a sweep a call keeps nothing
        alone = states(n)
        for sweep in range(n_sweeps):
            MODULES[level].sweep(
                *alone, *layers(MODULES[level], scale), None, 2**40 + 3, 8, (2**32 - 2 + sweep) % 2**32, 1, 1000, None,
                None, None, 1,
            )  # fmt: skip
        assert same(one[:2], alone)


@each_count
def test_annealing(level, n):
    one = annealed(MODULES[level], n, 3, 1)
    assert all(same(one, annealed(MODULES[level], n, 3, threads)) for threads in (2, 3, 7))
    if n in (1, 1025):
        assert same(one, annealed(reference, n, 3, 1))


@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("threads", [2, 7])
def test_chains_that_are_passed_on(level, threads):
    """A thread that is through gets half of another one's chains, between two steps: over and over where there are more
    threads than CPUs, at the end of nearly every call elsewhere."""
    n = threads * A_THREAD
    for scale in (3.0, 0.1):
        one = swept(MODULES[level], n, 30, 1, scale)
        assert all(same(one, swept(MODULES[level], n, 30, threads, scale)) for _ in range(2))
    one = annealed(MODULES[level], n, 30, 1)
    assert all(same(one, annealed(MODULES[level], n, 30, threads)) for _ in range(3))


@OPENMP
@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("n", [1, 2, 65, 130])
def test_threads_that_stay_apart(level, n):
    """However few chains there are, more threads than chains included: the same bits, and nobody waits."""
    module = MODULES[level]
    for scale in (3.0, 0.1):
        one = swept(module, n, 20, 1, scale)
        for threads in (2, 3, 7):
            before = module.barrier_count()
            assert same(one, swept(module, n, 20, threads, scale, apart=(True,)))
            assert module.barrier_count() == before
    one, before = annealed(module, n, 5, 1), module.barrier_count()
    assert all(same(one, annealed(module, n, 5, threads, True)) for threads in (2, 3, 7))
    assert module.barrier_count() == before


@OPENMP
@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_who_waits(level, threads):
    """Where chains are enough, no thread waits for another within a call; else all do after each layer."""
    module = MODULES[level]
    for n in (threads * A_THREAD - 1, threads * A_THREAD, 3600):
        waits = threads > 1 and n < threads * A_THREAD
        assert waits != _threads.own_chains(n, threads)
        before = module.barrier_count()
        swept(module, n, 2, threads)
        assert module.barrier_count() - before == (4 if waits else 0)
        before = module.barrier_count()
        swept(module, n, 20, threads)  # with what flipped listed between the layers
        assert module.barrier_count() - before == (60 if waits else 0)
        before = module.barrier_count()
        annealed(module, n, 3, threads)
        assert module.barrier_count() - before == (6 if waits else 0)


@OPENMP
def test_tempered_sweeps_do_not_wait(monkeypatch):
    monkeypatch.setattr(_threads, "_share", share(2.0))
    rbm = fr.RBM.from_data(fr.datasets.load_digits(), 100, seed=0)
    results = []
    for threads in (1, 2):
        chains = fr.TemperedChains(rbm, 256, 4, n_threads=threads)
        before = dispatch.kernels.barrier_count()
        chains.sweep(5, n_threads=threads)
        assert dispatch.kernels.barrier_count() == before
        results.append((chains.visible, chains.hidden, chains.betas, chains.swap_rates))
    assert same(*results)


# ------------------------------------------------------------ a share of the chains


def test_a_share_of_the_chains_takes_the_path_of_its_place_in_the_whole():
    rbm = fr.RBM.from_data(fr.datasets.load_digits(), 70, seed=0)
    whole = fr.Chains(rbm, 300, seed=4)
    whole.sweep(3)
    for first, n in ((0, 10), (10, 290), (299, 1)):
        part = fr.Chains(rbm, n, seed=4, first_chain=first)
        part.sweep(2)
        again = fr.Chains(rbm, n, seed=4)  # another place, until it has the state
        again.set_state(part.get_state())
        for chains in (part, again):
            chains.sweep(1)
            assert np.array_equal(chains.visible, whole.visible[first : first + n])
            assert np.array_equal(chains.hidden, whole.hidden[first : first + n])
    with pytest.raises(ValueError, match="first_chain must be at most 4294967291, got"):
        fr.Chains(rbm, 5, first_chain=2**32 - 4)


def test_shares_of_starts_and_ends():
    rbm = fr.RBM.from_data(fr.datasets.load_digits(), 70, seed=0)
    wholes = [
        independent_states(rbm.visible, rbm.visible_bias, 40, 1, philox.SAMPLE, None).planes,
        *(bits.planes for bits in start_chains(rbm, 40, 1, philox.SAMPLE, None, None)),
        chain_ends(rbm, 40, 3, 1, philox.SAMPLE).planes,
    ]
    parts = [
        independent_states(rbm.visible, rbm.visible_bias, 9, 1, philox.SAMPLE, None, first_chain=31).planes,
        *(bits.planes for bits in start_chains(rbm, 9, 1, philox.SAMPLE, None, None, first_chain=31)),
        chain_ends(rbm, 9, 3, 1, philox.SAMPLE, first_chain=31).planes,
    ]
    assert same(parts, [planes[:, 31:] for planes in wholes])


def test_a_share_of_annealed_chains():
    rbm = fr.RBM.from_data(fr.datasets.load_digits(), 70, seed=0)
    path = Path([rbm, fr.RBM(1.5 * rbm.weights)], 10, base_bias=rbm.visible_bias)
    start = path.base_states(40, 1, philox.ANNEAL)
    part = start[31:].copy()
    weights = path.move(start, 0, 10, 1, philox.ANNEAL, 1)
    assert np.array_equal(path.move(part, 0, 10, 1, philox.ANNEAL, 1, first_chain=31), weights[31:])
    assert np.array_equal(part.planes, start.planes[:, 31:])


@pytest.mark.parametrize("kind", ["bits", "fractions"])
def test_a_share_of_a_batch(kind):
    """Negative phases of parts of a batch add up to that of the batch, exactly."""
    X = fr.datasets.load_digits()[:64].astype(float) * (1.0 if kind == "bits" else 0.625)
    rbm = fr.RBM.from_data(fr.datasets.load_digits(), 70, seed=0)
    sums = []
    for parts in ([slice(0, 64)], [slice(0, 16), slice(16, 64)]):
        total = 0.0
        for part in parts:
            negative = fr.gradient.CD(2, seed=3, first_chain=part.start)(rbm, X[part]).negative
            total = total + negative.visible * negative.total
        sums.append(total)
    assert np.array_equal(*sums)
    assert "first_chain=7" in repr(fr.gradient.CD(first_chain=7)) and "first" not in repr(fr.gradient.CD())


def test_a_fused_training_draws_for_its_chains():
    """Of chains that are a share of others, as update by update."""
    X, results = fr.datasets.load_digits()[:200], []
    for batches in (1, 8):  # updates of a call
        rbm, pcd = fr.RBM.from_data(X, 20, seed=1), fr.gradient.PCD(30)
        pcd.chains = fr.Chains(rbm, 30, seed=2, first_chain=5)
        if batches == 1:
            for k in range(8):
                fr.optim.SGD(0.1).update(rbm, pcd(rbm, X[25 * k : 25 * k + 25]))
        else:
            updates = fused.Updates(rbm, pcd, fr.optim.SGD(0.1), None)
            packed = np.packbits(X, axis=1, bitorder="little")
            assert updates.run(packed, np.arange(200), np.arange(9) * 25, np.full(8, 0.1)) == 8
        results.append((rbm.weights, pcd.chains.visible))
    assert same(*results)


# ------------------------------------------------------------ threads that do not run


@OPENMP
def test_threads_that_are_asked_for_are_left_out_where_they_do_not_run(monkeypatch):
    work = 1e6
    monkeypatch.setattr(_threads, "_share", share(2.0))
    assert _threads.resolve(2, work) == 2
    monkeypatch.setattr(_threads, "_share", share(1.0))
    assert _threads.resolve(2, work) == 1
    assert _threads.resolve(2, work, waits=False) == 2
    assert _threads.resolve(2) == 2  # of no call
    assert _threads.resolve(1, work) == 1


@OPENMP
@pytest.mark.parametrize("n", [60, 100, 2 * A_THREAD, 5000])
@pytest.mark.parametrize("cpus", [1.0, 2.0])
def test_calls_of_chains(monkeypatch, n, cpus):
    """They cover all chains and steps once; have all threads where each has chains enough and a call is long,
    whatever runs beside them; and are shorter where threads wait for each other."""
    monkeypatch.setattr(_threads, "_share", share(cpus))
    sizes, n_steps = (784, 500), 100
    work, done = workload.sweep(*sizes), np.zeros((n, n_steps), int)
    for part, first, count, (threads, apart) in gibbs.chain_calls(n, n_steps, sizes, work, 2):
        done[part, first : first + count] += 1
        size = part.stop - part.start
        own = _threads.own_chains(size, 2)
        long = 2 * math.prod(sizes) * size * count >= _threads.LONG
        assert apart == (long and (own or cpus == 1.0 and size >= 64))
        assert threads == (2 if apart or cpus == 2.0 else 1)
        most = workload.A_CALL * (min(2, _threads.default_threads()) if own else 0.25)
        assert count == 1 or work.of(size) * count <= most
    assert (done == 1).all()


@OPENMP
@pytest.mark.parametrize("cpus", [1.0, 2.0])
def test_updates_in_one_call_are_fewer_where_threads_wait(monkeypatch, cpus):
    """Whether or not there are fewer threads for now: they may be tried again in the next call."""
    monkeypatch.setattr(_threads, "_share", share(cpus))
    rbm = fr.RBM.from_data(np.eye(784), 500)
    one, two = (fused.Updates(rbm, fr.gradient.PCD(128), fr.optim.SGD(), None, k).most(128) for k in (1, 2))
    assert 3 * two < one
