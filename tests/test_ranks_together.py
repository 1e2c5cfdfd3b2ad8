"""Ranks of one machine whose threads do updates together, in memory that they share: the bits of one process."""

import itertools
import os
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from ranks_by_threads import on_ranks
from test_fit import EXPECTED, PROGRAMS
from test_ranks_training import PCD, SGD, WIDE, X, differing, digest_of, result_of, train

import fastrbm as fr
from fastrbm import ranks
from fastrbm._core import shared_memory, threads
from fastrbm._core.dispatch import kernels
from fastrbm.training import fused

pytestmark = [
    pytest.mark.filterwarnings("ignore::fastrbm.TrainingWarning"),
    pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="this system has no such memory"),
]
TOGETHER = [
    "pcd", "spins", "categories", "mixed", "one chain", "weights", "large batches",
    "one hidden unit", "one visible unit",
]  # fmt: skip


@pytest.fixture(autouse=True)
def memory(monkeypatch):
    """The folder of what ranks share: the test's own, whatever other programs do, or have left, beside it."""
    with tempfile.TemporaryDirectory(dir=shared_memory._FOLDER) as folder:
        monkeypatch.setattr(shared_memory, "_FOLDER", Path(folder))
        yield Path(folder)


@pytest.fixture
def calls(monkeypatch):
    """Who was in each call of the kernel: (ranks, rank, threads of all), or None. CPUs for eight ranks, and no update
    that is too short to be shared."""
    found, kernel = [], kernels.train

    class Noted:
        levels = {}  # by thread

        @property
        def __name__(self):
            return self.levels.setdefault(threading.get_ident(), kernels.__name__)

        def __getattr__(self, name):
            return getattr(kernels, name)

        def train(self, *arguments):
            found.append(None if arguments[-1] is None else arguments[-1][1:])
            return kernel(*arguments)

    monkeypatch.setattr(fused, "kernels", Noted())
    monkeypatch.setattr(ranks, "_place", lambda: ("this machine", tuple(range(8)), 8))
    monkeypatch.setattr(threads, "SERIAL_BELOW", 0)
    return found


@pytest.mark.parametrize("name", TOGETHER)
def test_three_ranks_give_the_bits_of_one_process(calls, memory, name):
    """With a number of threads of its own on each rank."""
    alone = train(None, name, epochs=3, batch_size=20)
    assert set(calls) == {None}
    calls.clear()
    results = on_ranks(3, lambda comm: train(comm, name, n_threads=1 + comm.Get_rank() % 2, epochs=3, batch_size=20))
    assert {None, *calls} >= {(3, rank, 4) for rank in range(3)}, set(calls)
    assert differing(results, alone) == []
    assert not list(memory.iterdir())


@pytest.mark.parametrize("size", [2, 5])
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_digests_that_are_written_down(calls, size, name):
    """test_fit has them."""
    assert on_ranks(size, lambda comm: digest_of(PROGRAMS[name], comm)) == [EXPECTED[name]] * size


def test_memory_grows_with_the_batches(calls):
    """And what ranks have of it is the same memory."""

    def run(comm):
        rbm, pcd, sgd, results = fr.RBM.from_data(WIDE, 150, seed=5), PCD(70), SGD(0.1), []
        for size in (10, 45):
            history = fr.fit(rbm, WIDE, pcd, sgd, epochs=4, batch_size=size, seed=1, n_threads=1, comm=comm)
            results.append(result_of(rbm, history, gradient=pcd))
        return {f"{k} {name}": value for k, result in enumerate(results) for name, value in result.items()}

    alone = run(None)
    calls.clear()
    assert differing(on_ranks(2, run), alone) == []
    assert set(calls) == {(2, 0, 2), (2, 1, 2)}


def without_memory(monkeypatch):
    def create(n_bytes):
        raise OSError("no space left")

    monkeypatch.setattr(shared_memory, "create", create)


def out_of_reach(monkeypatch):
    def open_by(path, n_bytes):
        raise FileNotFoundError(path)

    monkeypatch.setattr(shared_memory, "open_by", open_by)


def on_machines(monkeypatch):
    names = itertools.cycle("abc")
    monkeypatch.setattr(ranks, "_place", lambda: (next(names), (0, 1), 2))


def on_one_cpu(monkeypatch):
    monkeypatch.setattr(ranks, "_place", lambda: ("this machine", (0, 1), 2))


@pytest.mark.parametrize("how", [without_memory, out_of_reach, on_machines, on_one_cpu])
def test_ranks_that_cannot_share_memory_share_the_units(calls, memory, monkeypatch, how):
    """As on several machines."""
    alone = train(None, "pcd", batch_size=20)
    calls.clear()
    how(monkeypatch)
    assert differing(on_ranks(3, lambda comm: train(comm, "pcd", batch_size=20)), alone) == []
    assert not calls
    assert not list(memory.iterdir())


def test_kernels_of_two_levels_do_not_share_memory(calls):
    """They lay it out otherwise."""
    alone = train(None, "pcd", batch_size=20)
    names = iter(["avx2", "avx2", "base"])

    class Levels(dict):
        def setdefault(self, thread, name):
            return super().setdefault(thread, next(names)) if thread not in self else self[thread]

    fused.kernels.levels = Levels()
    calls.clear()
    assert differing(on_ranks(3, lambda comm: train(comm, "pcd", batch_size=20)), alone) == []
    assert not calls


def test_an_update_that_is_short_is_done_by_each_rank(calls, monkeypatch):
    monkeypatch.setattr(threads, "SERIAL_BELOW", 1 << 60)
    alone = train(None, "pcd", batch_size=20)
    assert differing(on_ranks(3, lambda comm: train(comm, "pcd", batch_size=20)), alone) == []
    assert set(calls) == {None}


def test_a_number_that_would_not_be_finite_is_the_same_error_everywhere(calls):
    """The update in which it would come to be is undone on all ranks."""

    def run(comm):
        rbm, pcd = fr.RBM.from_data(WIDE, 150), PCD(50)
        steep = SGD(lambda progress: 0.1 if progress < 0.5 else 1e34)
        with pytest.raises(FloatingPointError) as error:
            fr.fit(rbm, WIDE, pcd, steep, epochs=6, batch_size=15, n_threads=1, comm=comm)
        words = {"words": np.array(str(error.value))}
        return result_of(rbm, error.value.history, gradient=pcd, optimizer=steep) | words

    alone = run(None)
    calls.clear()
    assert differing(on_ranks(3, run), alone) == []
    assert set(calls) >= {(3, rank, 3) for rank in range(3)}


@pytest.mark.parametrize("epochs", [1, 8], ids=["one by one", "many a call"])
def test_a_schedule_that_is_unlike_is_an_error_on_all_ranks(calls, epochs):
    def run(comm):
        rbm, rank = fr.RBM.from_data(X, 150), comm.Get_rank()
        with pytest.raises(ValueError, match="the learning rate, and what else .* must be the same on all ranks"):
            fr.fit(
                rbm, X, PCD(50), SGD(lambda progress: 0.1 + 0.01 * rank * (progress > 0.5)), epochs=epochs,
                batch_size=50, n_threads=1, comm=comm,
            )  # fmt: skip
        return result_of(rbm, fr.History())["weights"]

    first, second = on_ranks(2, run)
    assert np.array_equal(first, second)


@pytest.mark.parametrize("name, value", [("n_sweeps", 2), ("l2", 0.5), ("rate", 0.5)])
def test_a_setting_that_one_rank_alone_changes_is_an_error_on_all(calls, name, value):
    """Ranks would wait for each other in other places, or mix two models."""

    def run(comm):
        rbm, pcd, sgd, centering = fr.RBM.from_data(X, 150), PCD(50), SGD(0.1), fr.gradient.Centering()

        def callback(state):
            if comm.Get_rank() == 1:
                setattr({"n_sweeps": pcd, "l2": sgd, "rate": centering}[name], name, value)

        with pytest.raises(ValueError, match="what else an update goes by"):
            fr.fit(
                rbm, X, pcd, sgd, epochs=3, batch_size=50, n_threads=1, centered=centering, callbacks=callback,
                comm=comm,
            )  # fmt: skip
        return True

    assert on_ranks(2, run) == [True, True]


def test_ranks_are_together_where_each_has_a_cpu(monkeypatch):
    def found(*places):
        """What each rank finds, the k-th at places[k]."""
        monkeypatch.setattr(ranks, "_place", lambda: places[int(threading.current_thread().name)])

        def start(comm):
            threading.current_thread().name = str(comm.Get_rank())
            both = ranks.Ranks(comm)
            both.start({})
            return both.together

        return on_ranks(len(places), start)

    a, b, c = ("a", (0, 1), np.inf), ("a", (0,), np.inf), ("a", (1,), np.inf)
    assert found(a, a) == [True] * 2
    assert found(b, c) == [True] * 2  # each bound to one
    assert found(b, b) == found(a, a, a)[:2] == [False] * 2
    assert found(a, ("b", (0, 1), np.inf)) == [False] * 2  # another machine
    assert found(("a", (0, 1), 1.5), ("a", (0, 1), 1.5)) == [False] * 2  # a quota
    assert found(a, b, c) == [False] * 3  # sets that overlap
    monkeypatch.setattr(ranks.kernels, "MOST_RANKS", 1)
    assert found(a, a) == [False] * 2  # more than their shared memory has places for


@pytest.mark.parametrize("change", ["momentum", "weights by name", "weights of the state"])
def test_a_callback_may_change_what_ranks_do_together(calls, change):
    def run(comm):
        rbm, sgd, pcd = fr.RBM.from_data(X, 150, seed=5), SGD(0.1), PCD(50)

        def callback(state):
            if state.epoch == 2 and change == "momentum":
                sgd.momentum = 0.5
            elif state.epoch == 2:
                model = rbm if change == "weights by name" else state.rbm
                model.set_parameters(weights=model.weights * np.float32(0.5))

        history = fr.fit(rbm, X, pcd, sgd, epochs=6, batch_size=50, n_threads=1, seed=3, callbacks=callback, comm=comm)
        return result_of(rbm, history, gradient=pcd, optimizer=sgd)

    alone = run(None)
    assert differing(on_ranks(3, run), alone) == []


# ------------------------------------------------------------ the memory itself


def test_memory_is_shared_and_found_until_it_is_removed():
    path, mine = shared_memory.create(1 << 16)
    theirs = shared_memory.open_by(path, 1 << 16)
    assert not mine.any() and mine.shape == theirs.shape == (1 << 16,)
    mine[7] = 3
    assert theirs[7] == 3
    assert os.stat(path).st_mode & 0o077 == 0
    with pytest.raises(OSError):
        shared_memory.open_by(path, 1 << 17)
    shared_memory.remove(path)
    shared_memory.remove(path)
    theirs[8] = 4
    assert mine[8] == 4
    with pytest.raises(FileNotFoundError):
        shared_memory.open_by(path, 1 << 16)


def test_more_memory_than_there_is_is_an_error_and_leaves_nothing(memory):
    with pytest.raises(OSError):
        shared_memory.create(1 << 60)
    assert not list(memory.iterdir())
