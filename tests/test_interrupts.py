"""Calls of kernels end after about 100 ms, so that Ctrl-C works and progress lines move, at any size."""

import io
import os
import subprocess
import sys
import types

import numpy as np
import pytest

import fastrbm as fr
from fastrbm._core import progress, workload
from fastrbm.training import fused

X = fr.datasets.load_digits()
SIZES = [(1, 1), (64, 16), (64, 128), (784, 500), (100_000, 1), (1, 100_000), (10_000, 10_000)]
CHAINS = [1, 64, 512, 100_000, 1_000_000]
COSTS = [
    workload.half_step,
    workload.sweep,
    workload.annealing,
    workload.free_energy,
    workload.pseudo,
    workload.moments,
]
# ns at level avx512, measured: of a half step by itself, of a unit's draw, of a connection
HALF_STEP, UNIT, CONNECTION = 400, 0.7, 0.0033


@pytest.mark.parametrize("n", CHAINS)
@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("cost", COSTS)
def test_no_call_has_more_work_than_meant(cost, shape, n):
    """But for a single step of the smallest block of chains, where that alone is more. And what is counted covers what
    was measured: a half step, a draw for each unit and chain, the connections."""
    work = cost(*shape)
    budget = 0.1e9 / CONNECTION / (16 / max(4, fr._core.dispatch.kernels.LEVEL_LANES))
    for part in workload.chain_parts(n, work) if n < 1 << 32 else []:
        size = part.stop - part.start
        a_step = work.of(size)
        assert a_step >= (HALF_STEP + UNIT * size * min(shape[1], 64)) / CONNECTION + shape[0] * shape[1] * size
        assert a_step <= budget or size <= 128
        assert workload.steps_a_call(a_step) * a_step <= max(budget * 1.01, a_step)


def test_parts_cover_all_chains_once():
    for n in (0, 1, 127, 128, 1300, 5000):
        for work in (workload.Work(1, 1), workload.Work(1 << 20, 1 << 27), workload.Work(1 << 50, 1 << 40)):
            for blocks in ((1024, 128), (504,), (1,)):
                parts = workload.parts(n, work, most=10_000, blocks=blocks)
                assert [k for part in parts for k in range(part.start, part.stop)] == list(range(n))
                assert all(part.start % blocks[-1] == 0 and part.stop - part.start <= 10_000 for part in parts)
    with pytest.raises(ValueError, match="at most 2..32 chains"):
        workload.chain_parts((1 << 32) + 1, workload.sweep(1, 1))


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.15, 1.0])
def test_calls_cover_all_steps_once_and_shrink_where_they_take_too_long(monkeypatch, seconds):
    now = [0.0]
    monkeypatch.setattr(workload.time, "perf_counter", lambda: now[0])
    work, n = workload.sweep(64, 16).of(1), 10**6
    done, counts = 0, []
    for first, count, _ in workload.calls(n, work):
        assert first == done and 1 <= count <= workload.steps_a_call(work)
        done += count
        counts.append(count)
        now[0] += seconds if seconds < 1 else count * 1e-3
        if len(counts) == 500:
            break
    assert done == n or len(counts) == 500
    if seconds == 1.0:  # a step takes 1 ms: calls come down to what 0.2 s allow
        assert max(counts[5:]) <= 200
    if seconds == 0.0:
        assert max(counts) == workload.steps_a_call(work)
    assert list(workload.calls(0, work)) == []


def test_calls_are_short_again_where_there_are_more_threads():
    """Of two threads on one CPU a step may take a thousand times as long: a call must not have as many of them."""
    work, numbers = workload.sweep(16, 8).of(1), iter([2, 1, *[1] * 20, 2, 2, 1, 2, *[1] * 20])
    most = workload.steps_a_call(work)
    counts = [(count, used) for _, count, used in workload.calls(26 * most, work, threads=lambda: next(numbers, 1))]
    assert [count for count, _ in counts[:4]] == [8, 16, 32, 64] and counts[21] == (most, 1)
    assert counts[22:27] == [(8, 2), (16, 2), (32, 1), (8, 2), (16, 1)]


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("batch, n_chains, n_sweeps", [(1, 1, 1), (10, 10, 2), (128, 512, 1), (4096, 4096, 2)])
def test_updates_of_a_call(shape, batch, n_chains, n_sweeps):
    work = workload.update(*shape, batch, n_chains, n_sweeps)
    assert work > workload.half_step(*shape).of(batch) + n_sweeps * workload.sweep(*shape).of(n_chains)
    assert (
        1 <= workload.steps_a_call(work) <= max(1, workload.A_CALL // ((2 + 2 * n_sweeps) * HALF_STEP / CONNECTION / 2))
    )


def test_updates_ask_the_one_model_of_costs():
    rbm = fr.RBM.from_data(X, 16)
    most = fused.Updates(rbm, fr.gradient.PCD(1), fr.optim.SGD(), None).most(1)
    assert most == workload.steps_a_call(workload.update(64, 16, 1, 1, 1)) < 40_000
    assert fused.Updates(rbm, fr.gradient.PCD(5000), fr.optim.SGD(), None).most(1) == 0


def counted(monkeypatch):
    counts = []
    monkeypatch.setattr(progress.Countdown, "done", lambda self, count: counts.append(count / self.total))
    return counts


@pytest.mark.parametrize("annealer", [fr.likelihood.ais, fr.likelihood.reverse_ais])
def test_progress_of_small_annealing(monkeypatch, annealer):
    """64 x 128, the usual number of chains and steps: no long silence."""
    rbm, counts = fr.RBM.from_data(X, 128), counted(monkeypatch)
    least = 2000 * workload.annealing(64, 128).of(100) // workload.A_CALL
    assert least >= 1
    start = {} if annealer is fr.likelihood.ais else {"start": X}
    annealer(rbm, n_betas=2000, n_chains=100, base_bias=np.zeros(64), **start)
    assert len(counts) >= least + 3 and counts == sorted(counts) and counts[-1] == 1  # and the first calls are short


def test_progress_of_enumeration(monkeypatch):
    """Where the other layer is large, a call has few states."""
    rbm, counts = fr.RBM(np.zeros((13, 20_000))), counted(monkeypatch)
    value = fr.likelihood.exact(rbm).value
    assert abs(value - 20_013 * np.log(2)) < 1e-6 and len(counts) >= 2 and counts[-1] == 1


def test_cuts_change_no_bits(monkeypatch):
    """All that is cut: energies, free energies, pseudo-likelihoods, moments, packing, enumeration, sweeps, first
    weights."""
    rng = np.random.default_rng(0)
    rbm = fr.RBM(rng.normal(0, 0.5, (13, 9)), rng.normal(0, 1, 13), rng.normal(0, 1, 9))
    v, h = (rng.random((3000, 13)) < 0.5).astype(np.uint8), (rng.random((3000, 9)) < 0.5).astype(np.uint8)
    gray, weight = rng.random((3000, 13)), rng.random(3000)

    def all_of_it():
        yield rbm.energy(v, h)
        yield rbm.free_energy(v)
        yield rbm.mean_hidden(v)
        yield rbm.mean_hidden(gray)
        yield rbm.sample_hidden(gray, seed=1)
        yield fr.likelihood.pseudo(rbm, v)
        yield rbm.sample(300, n_sweeps=30)
        yield fr.RBM.from_data(v, 20_000).weights
        yield rbm.sample(300, n_sweeps=30, beta=0.5, clamp=[1] + 12 * [np.nan])
        yield fr.likelihood.ais(rbm, n_betas=50).log_ratios
        yield np.array(fr.likelihood.exact(rbm).value)
        for moments in (fr.Moments.of_data(rbm, v), fr.Moments.of_data(rbm, gray), fr.Moments.of_data(rbm, v, weight)):
            yield from (moments.weights, moments.visible, moments.hidden)
        yield fr.BitMatrix.from_states(v).planes
        yield fr.BitMatrix.from_states(v).to_states()

    whole = list(all_of_it())
    monkeypatch.setattr(workload, "A_CALL", 1)
    for one, other in zip(whole, all_of_it(), strict=True):
        assert np.array_equal(one, other)


# a program in which Ctrl-C comes in the middle of a call, once its kernel has had CPUs for 0.3 s; what it prints: how
# long the call had CPUs from then on, which other programs do not change
INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np, fastrbm as fr
from fastrbm._core.dispatch import kernels
digits, wide = fr.RBM.from_data(fr.datasets.load_digits(), 16, seed=0), fr.RBM(np.zeros((784, 500)))
n_threads, call, kernel = int(sys.argv[1]), compile(sys.argv[2], "call", "exec"), getattr(kernels, sys.argv[3])
begun, at = threading.Event(), []

def noted(*arguments):
    begun.set()
    return kernel(*arguments)

def press():
    begun.wait()
    end = time.process_time() + 0.3 * n_threads
    while time.process_time() < end:
        time.sleep(0.01)
    at.append(time.process_time())
    os.kill(os.getpid(), signal.SIGINT)

setattr(kernels, sys.argv[3], noted)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have set it to be ignored
threading.Thread(target=press, daemon=True).start()
try:
    exec(call)
except KeyboardInterrupt:
    print((time.process_time() - at[0]) / n_threads)
"""
CALLS = {
    "sweeps": (1, "fr.Chains(digits, 1).sweep(2**31)", "sweep"),
    "sweeps of two threads": (2, "fr.Chains(digits, 1).sweep(2**31, n_threads=2)", "sweep"),
    "annealing of a small model": (
        1, "fr.likelihood.ais(digits, 1000, 10**6, base_bias=np.zeros(64), n_threads=1)", "anneal"
    ),
    "tempered chains": (1, "fr.TemperedChains(digits, 1, 3).sweep(2**31)", "sweep"),
    "sampling": (1, "wide.sample(2000, n_sweeps=10**7, n_threads=1)", "sweep"),
    "annealing": (1, "fr.likelihood.ais(wide, 2000, 10**5, base_bias=np.zeros(784), n_threads=1)", "anneal"),
    "enumeration": (1, "fr.likelihood.exact(fr.RBM(np.zeros((25, 50_000))), n_threads=1)", "enumerate_states"),
    "pseudo-likelihood": (
        1, "fr.likelihood.pseudo(wide, fr.BitMatrix.empty(2_000_000, 784), n_threads=1)", "pseudo_sums"
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def interrupted():
    """The programs of all calls, which run at the same time."""
    runs = {
        name: subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED, *map(str, call)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )
        for name, call in CALLS.items()
    }  # fmt: skip
    yield runs
    for run in runs.values():
        run.kill()
        run.communicate()


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("name", CALLS)
def test_ctrl_c_ends_long_calls(interrupted, name):
    """Of work that takes minutes. The bound is 50 to 100 times what a call of a kernel takes on a quiet machine."""
    printed, errors = interrupted[name].communicate(timeout=300)
    assert printed and float(printed) < 10, errors or "the call came to its end"


def test_counts_beyond_32_bits():
    """Sweeps are counted without end in Python, and up to 2**32 - 1 in the random numbers."""
    rbm = fr.RBM.from_data(X, 4)
    chains = fr.Chains(rbm, 2)
    for n in (2**32, 2**63, 2**64, 10**400):
        with pytest.raises(ValueError, match="n_sweeps must be at most 4294967295, got"):
            chains.sweep(n)
        with pytest.raises(ValueError, match="n_sweeps must be at most 4294967295, got"):
            rbm.sample(1, n_sweeps=n)
    assert chains.n_sweeps_done == 0
    chains.n_sweeps_done = 2**32 - 3
    chains.sweep(2)  # the last ones
    with pytest.raises(ValueError, match="4294967295 are done"):
        chains.sweep(1)


@pytest.mark.parametrize("n", [2**32 + 1, 2**63, 2**64, 10**400])
def test_more_chains_than_random_numbers(n):
    rbm = fr.RBM.from_data(X, 4)
    for call in (
        lambda: fr.Chains(rbm, n),
        lambda: rbm.sample(n),
        lambda: fr.likelihood.ais(rbm, n_chains=n, base_bias=np.zeros(64)),
        lambda: fr.TemperedChains(rbm, n),
    ):
        with pytest.raises(ValueError, match=r"n(_chains)? must be at most 4294967296, got"):
            call()
    with pytest.raises(ValueError, match="n_betas must be at most 16777216, got"):
        fr.likelihood.ais(rbm, n_betas=n)


def test_a_countdown_shows_what_is_done(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(progress, "_LOG_PAUSE", 0.0)
    with progress.Countdown("AIS", 4, True, stream) as line:
        line.done(1)
        line.before = 2
        line.done(2)
    assert [words.split()[1] for words in stream.getvalue().splitlines()] == ["25%", "100%"]


def test_a_log_of_a_day_has_about_a_hundred_lines(monkeypatch):
    """Each ten seconds, until 8 % of the time is more than that: after 125 s each line is at 1.08 times the one before,
    log(86400 / 125) / log(1.08) = 85 of them; the clock here goes in steps of a second, which costs one or two."""
    now = 0.0
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now)
    lines, stream = [], types.SimpleNamespace(isatty=lambda: False, flush=lambda: None)
    stream.write = lambda _: lines.append(now)
    with progress.Countdown("AIS", 1 << 40, True, stream) as line:
        for now in range(86_401):  # noqa: B007 (the clock)
            line.done(now)
    assert lines[:12] == list(range(10, 121, 10))
    assert all(1.08 * one <= other < 1.08 * one + 1 for one, other in zip(lines[12:], lines[13:], strict=False))
    assert 12 + 85 - 2 <= len(lines) <= 12 + 85
