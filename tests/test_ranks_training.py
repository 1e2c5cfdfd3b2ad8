"""fit(comm=): several ranks train one model, to the bits of one process. Ranks are threads here, jobs in test_mpi."""

import functools
import hashlib
import math
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from ranks_by_threads import on_ranks
from test_checkpoint import Stop, assert_same_files, entries, stop_after
from test_fit import EXPECTED, PROGRAMS

import fastrbm as fr
from fastrbm._core import output, progress
from fastrbm._core.signals import Ended, Signals
from fastrbm.training import checkpoint

pytestmark = pytest.mark.filterwarnings("ignore::fastrbm.TrainingWarning")

X = fr.datasets.load_digits()[:300]
RNG = np.random.default_rng(0)
WIDE = (RNG.random((90, 203)) < RNG.random(203)).astype(np.uint8)  # four tiles of visible units, the last of 11
SITES = RNG.integers(0, 21, (90, 13))
MANY = np.c_[RNG.integers(0, 150, (90, 2)), RNG.integers(0, 3, (90, 1))]  # a site of more than two tiles
MIXED = np.c_[RNG.integers(0, 2, (90, 70)), RNG.integers(0, 5, (90, 4))]
UNEVEN = np.c_[X[:, :32], 2.0 * X[:, 32:] - 1.0]
WEIGHT = RNG.random(300) * RNG.integers(0, 2, 300)
LINEAR = fr.optim.Linear(0.1, 0.0)


def with_gaps(states, missing=np.nan):
    out = states.astype(float)
    out[np.random.default_rng(1).random(out.shape) < 0.1] = missing
    return out


def result_of(rbm, history, **parts):
    """All that two trainings must have in common."""
    units = {"weights": rbm.weights, "visible_bias": rbm.visible_bias, "hidden_bias": rbm.hidden_bias}
    columns = {f"column {name}": history[name] for name in history.columns if name != "seconds"}
    left = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.get_state().items()}
    everything = units | columns | left | {"verdict": history.verdict}
    return {name: np.asarray(value) for name, value in everything.items()}


def differing(results, expected):
    """The names of what some rank has otherwise."""
    return sorted({
        name for result in results for name in expected.keys() | result.keys()
        if name not in result or name not in expected
        or result[name].dtype != expected[name].dtype or result[name].tobytes() != expected[name].tobytes()
    })  # fmt: skip


class Batches:
    """Batches of one's own, of uneven sizes."""

    def __init__(self, states):
        self.parts = [states[:50], states[50:51], states[51:]]

    def __iter__(self):
        return iter(self.parts)

    def __len__(self):
        return len(self.parts)


PCD, CD, FastPCD, Tempered = fr.gradient.PCD, fr.gradient.CD, fr.gradient.FastPCD, fr.gradient.Tempered
SGD, Adam = fr.optim.SGD, fr.optim.Adam
LATENT, ABSENT = {"missing": "latent", "missing_sweeps": 2}, {"missing": "absent"}
PLAIN = (lambda: PCD(70, seed=1)), (lambda: SGD(LINEAR))

# (gradient, optimizer), data, from_data's arguments, fit's arguments
CASES = {
    "pcd": (PLAIN, X, {}, {}),
    "pcd, sweeps, uncentered": (((lambda: PCD(33, 3)), PLAIN[1]), X, {}, {"centered": False}),
    "cd": (((lambda: CD(seed=2)), PLAIN[1]), X, {}, {"validation": X[:40]}),
    "cd, sweeps": (((lambda: CD(3)), (lambda: SGD(0.1, l1=1e-3, l2=1e-3))), X, {}, {}),
    "fast": (((lambda: FastPCD(40, 2)), (lambda: SGD(0.1, max_norm=0.5))), X, {}, {}),
    "tempered": (((lambda: Tempered(20, 4, 2)), PLAIN[1]), X, {}, {}),
    "tempered, fixed": (((lambda: Tempered(20, betas=[1.0, 0.8, 0.3])), PLAIN[1]), WIDE, {}, {}),
    "momentum": ((PLAIN[0], (lambda: SGD(0.05, 0.5, l2=1e-3, l1=1e-4))), X, {}, {}),
    "nesterov": ((PLAIN[0], (lambda: SGD(LINEAR, 0.9, nesterov=True, max_norm=1.0))), WIDE, {}, {}),
    "adam": ((PLAIN[0], (lambda: Adam(fr.optim.WarmUp(fr.optim.Cosine(0.01), 0.2), l2=0.01))), X, {}, {}),
    "adam, l1b": (((lambda: CD()), (lambda: Adam(0.01, l1b=0.1, max_norm=0.6))), WIDE, {}, {}),
    "inverse time, l1b": ((PLAIN[0], (lambda: SGD(fr.optim.InverseTime(0.1, 0.01), l1b=0.5))), X, {}, {}),
    "averaging": (PLAIN, X, {}, {"averaging": lambda: fr.optim.Averaging(0.5, 2)}),
    "spins": (PLAIN, WIDE * 2.0 - 1.0, {"visible": "spin", "hidden": "spin"}, {}),
    "spins on one side": (PLAIN, X, {"hidden": "spin"}, {"averaging": lambda: fr.optim.Averaging(every=1)}),
    "gaussian hidden units": (((lambda: PCD(70)), (lambda: SGD(0.01))), X, {"hidden": "gaussian"}, {}),
    "relu": (((lambda: CD()), (lambda: SGD(0.01, 0.5))), WIDE, {"hidden": "relu"}, {}),
    "drelu": (
        ((lambda: FastPCD(40)), (lambda: Adam(0.001))), X, {"hidden": "drelu"}, {"averaging": fr.optim.Averaging},
    ),
    "drelu and categories": (
        ((lambda: PCD(50)), (lambda: SGD(0.01, 0.5, l1=1e-3))), SITES,
        {"visible": fr.units.Categorical(13, 21), "hidden": "drelu"}, {},
    ),
    "categories": (PLAIN, SITES, {"visible": fr.units.Categorical(13, 21)}, {}),
    "categories, adam, uncentered": (
        ((lambda: CD()), (lambda: Adam(0.01, l1=1e-3))), SITES, {"visible": fr.units.Categorical(13, 21)},
        {"centered": False},
    ),
    "many categories": (
        (PLAIN[0], (lambda: SGD(0.1, l1b=0.1, momentum=0.5))), MANY,
        {"visible": [fr.units.Categorical(2, 150), fr.units.Categorical(1, 3)]}, {},
    ),
    "mixed": (PLAIN, MIXED, {"visible": [fr.units.Bernoulli(70), fr.units.Categorical(4, 5)]}, {}),
    "mixed, fast": (
        ((lambda: FastPCD(40)), (lambda: SGD(0.1, l1=1e-3, max_norm=1.0))), MIXED,
        {"visible": [fr.units.Bernoulli(70), fr.units.Categorical(4, 5)]}, {},
    ),
    "latent": (PLAIN, with_gaps(X), {}, LATENT),
    "latent categories": (PLAIN, with_gaps(SITES, -1), {"visible": fr.units.Categorical(13, 21)}, LATENT),
    "absent": (
        ((lambda: CD(2)), (lambda: SGD(0.1, l1=1e-3))), with_gaps(SITES, -1),
        {"visible": fr.units.Categorical(13, 21)}, ABSENT,
    ),
    "dynamic binarization": (PLAIN, X * 0.75 + 0.125, {}, {"dynamic_binarization": True}),
    "batches": (PLAIN, Batches(X), {}, {}),
    "batches, dynamic": (PLAIN, Batches(X * 0.5), {}, {"dynamic_binarization": True}),
    "one example": (PLAIN, X[:5], {}, {"batch_size": 2}),
    "one chain": (((lambda: PCD(1)), PLAIN[1]), X, {}, {}),
    "weights": (PLAIN, X, {}, {"sample_weight": WEIGHT}),
    "weights, drelu and categories": (
        ((lambda: CD()), (lambda: Adam(0.01, l1b=0.1))), SITES,
        {"visible": fr.units.Categorical(13, 21), "hidden": "drelu"}, {"sample_weight": WEIGHT[:90]},
    ),
    "weights, fast, mixed": (
        ((lambda: FastPCD(40)), PLAIN[1]), MIXED, {"visible": [fr.units.Bernoulli(70), fr.units.Categorical(4, 5)]},
        {"sample_weight": WEIGHT[:90]},
    ),
    "weights, latent": (PLAIN, with_gaps(X), {}, LATENT | {"sample_weight": WEIGHT}),
    "large batches": (((lambda: PCD(1009)), PLAIN[1]), np.tile(X, (4, 1))[:1009], {}, {"batch_size": 1009}),
    "large batches, cd": (((lambda: CD()), PLAIN[1]), np.tile(X, (4, 1))[:1200], {}, {"batch_size": 505}),
    "one hidden unit": (PLAIN, WIDE, {"n_hidden": 1}, {}),
    "one visible unit": (PLAIN, X[:, 20:21], {}, {}),
}  # fmt: skip


def train(comm, name, n_threads=1, epochs=3, **more):
    """A training of CASES, and all that it leaves."""
    (gradient, optimizer), states, units, options = CASES[name]
    gradient, optimizer = gradient(), optimizer()
    options = {key: value() if callable(value) else value for key, value in options.items()}
    given = states.parts[0] if isinstance(states, Batches) else states
    given = given if "missing" not in options else np.where(np.isnan(given), 0, given).clip(0)
    rbm = fr.RBM.from_data(given, **{"n_hidden": 150, "seed": 5} | units)
    centering = options.setdefault("centered", fr.gradient.Centering())
    options = {"batch_size": 101, "seed": 3, "epochs": epochs, "n_threads": n_threads, "comm": comm} | options | more
    history = fr.fit(rbm, states, gradient, optimizer, **options)
    parts = {"centering": centering, "averaging": options.get("averaging")}
    parts = {key: part for key, part in parts.items() if part}
    return result_of(rbm, history, gradient=gradient, optimizer=optimizer, **parts)


# ------------------------------------------------------------ the same bits


def digest_of(program, comm):
    names = {"fr": fr, "hashlib": hashlib, "n_threads": 1, "fit": functools.partial(fr.fit, comm=comm)}
    exec(program.replace("fr.fit(", "fit("), names)
    return names["digest"].hexdigest()


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_digests_that_are_written_down(size, name):
    """test_fit has them."""
    assert on_ranks(size, lambda comm: digest_of(PROGRAMS[name], comm)) == [EXPECTED[name]] * size


@pytest.mark.parametrize("name", CASES)
def test_three_ranks_give_the_bits_of_one_process(name):
    """With a number of threads of its own on each rank."""
    alone = train(None, name)
    assert alone["weights"].std() > 0 and len(alone) > 10
    results = on_ranks(3, lambda comm: train(comm, name, n_threads=1 + comm.Get_rank()))
    assert differing(results, alone) == []


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_memory_mapped_array_is_trained_on_to_the_same_bits(tmp_path, dynamic):
    np.save(tmp_path / "x.npy", np.repeat(X, 2, axis=0) * (0.5 if dynamic else 1))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")

    def run(comm):
        rbm = fr.RBM.from_data(mapped, 100)
        pcd = PCD(50)
        history = fr.fit(rbm, mapped, pcd, epochs=3, batch_size=200, dynamic_binarization=dynamic, comm=comm)
        return result_of(rbm, history, gradient=pcd)

    assert differing(on_ranks(3, run), run(None)) == []


@pytest.mark.parametrize("size", [2, 7])
@pytest.mark.parametrize("name", ["momentum", "mixed, fast", "many categories", "latent"])
def test_any_number_of_ranks(size, name):
    """More than there are tiles, too: of two and one, of five and three."""
    assert differing(on_ranks(size, lambda comm: train(comm, name)), train(None, name)) == []


@pytest.mark.parametrize("divided", [(True, False), (False, True)], ids=["divided first", "divided then"])
@pytest.mark.parametrize("name, other", [
    ("pcd", False), ("tempered", False), ("averaging", False), ("momentum", False), ("adam", False), ("fast", False),
    ("momentum", True), ("fast", True),
], ids=str)  # fmt: skip
def test_what_is_left_of_a_training_goes_on(name, divided, other):
    """Two trainings in a row with the same estimator and optimizer, each divided among ranks or not; of another model
    they start anew."""
    (gradient, optimizer), _, _, options = CASES[name]

    def run(comm, divided):
        g, o = gradient(), optimizer()
        more = {key: value() for key, value in options.items()}
        rbm = fr.RBM.from_data(X, 150, seed=5)
        for again, by_ranks in enumerate(divided):
            if again and other:
                rbm = fr.RBM.from_data(X, 150, seed=6)
            how = {"epochs": 2, "batch_size": 101, "n_threads": 1, "comm": comm if by_ranks else None}
            history = fr.fit(rbm, X, g, o, **more, **how)
        return result_of(rbm, history, gradient=g, optimizer=o)

    assert differing(on_ranks(3, run, divided), run(None, divided)) == []


def test_what_is_of_another_model_stays_as_it_is():
    """An error before the first update finds an estimator and an optimizer that were used with a smaller model."""

    class Late(Batches):
        def __iter__(self):
            self.again = hasattr(self, "again")  # the first examples are read beforehand
            if self.again:
                raise OSError("no file")
            return super().__iter__()

    def run(comm):
        g, o = FastPCD(40), Adam(0.01)
        fr.fit(fr.RBM.from_data(X, 20), X, g, o, epochs=1)
        before, rbm = {"fast": g.get_state(), "adam": o.get_state()}, fr.RBM.from_data(X, 150)
        start = rbm.weights.copy()
        with pytest.raises(OSError, match="no file"):
            fr.fit(rbm, Late(X), g, o, epochs=1, comm=comm)
        assert (rbm.weights == start).all()
        after = {"fast": g.get_state(), "adam": o.get_state()}
        return all(np.array_equal(after[part][name], before[part][name]) for part in before for name in before[part])

    assert on_ranks(3, run) == [True] * 3


def test_two_trainings_side_by_side_on_halves_of_the_ranks():
    """Communicators of their own, as comm.Split makes them."""
    names = "momentum", "mixed"
    with_halves = {}

    def half(k):
        with_halves[k] = on_ranks(2, lambda comm: train(comm, names[k]))

    threads = [threading.Thread(target=half, args=(k,)) for k in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, name in enumerate(names):
        assert differing(with_halves[k], train(None, name)) == []


def test_one_rank_is_one_process():
    assert differing(on_ranks(1, lambda comm: train(comm, "pcd")), train(None, "pcd")) == []


# ------------------------------------------------------------ refused before any work


class NeedsAll(fr.optim.SGD):
    """A class of the user's, which may read all weights."""


REFUSED = {
    "gradient Exact": {"gradient": fr.gradient.Exact()},
    "gradient MonteCarlo": {"gradient": fr.gradient.MonteCarlo()},
    "gradient Discriminative": {"gradient": fr.gradient.Discriminative()},
    "gradient Hybrid": {"gradient": fr.gradient.Hybrid()},
    "Tempered with a path": {"gradient": Tempered(20, path=fr.sampling.Trajectory())},
    "gradient function": {"gradient": lambda rbm, batch, n_threads=None: PCD()(rbm, batch)},
    "optimizer NeedsAll may need all of the model, unless it says divides": {"optimizer": NeedsAll(0.1)},
    "trajectory": {"trajectory": True},
    "batch_size must be at most 8,064": {"batch_size": 8065},
    "not fractions": {"X": X * 0.5},
    "gradient.Tempered needs energies": {"rbm": lambda: fr.RBM.from_data(X, 8, hidden="relu"), "gradient": Tempered(9)},
    "visible units with steps of their own": {
        "rbm": lambda: fr.RBM.from_data(UNEVEN, 8, visible=[fr.units.Bernoulli(32), fr.units.Spin(32)]), "X": UNEVEN,
    },
    "the visible units are real": {"rbm": lambda: fr.RBM.from_data(X + 0.5, 8, visible="gaussian"), "X": X + 0.5},
}  # fmt: skip


@pytest.mark.parametrize("words", REFUSED)
def test_what_ranks_cannot_do_is_refused_on_all_of_them(words):
    given = {"X": X, "batch_size": 100} | REFUSED[words]
    make, seen = given.pop("rbm", lambda: fr.RBM.from_data(X, 8)), []

    def run(comm):
        rbm = make()
        before = rbm._parameters
        with pytest.raises(ValueError, match=f"several ranks cannot .*{words}"):
            fr.fit(rbm, **given, epochs=1, callbacks=seen.append, comm=comm)
        assert rbm._parameters is before
        return True

    assert on_ranks(3, run) == [True] * 3 and not seen


def test_fractions_that_come_later_are_refused_on_all_ranks(tmp_path):
    """Of a batch of one's own, and of a row of a file that one rank reads."""
    late = Batches(X.astype(float))
    late.parts[2] *= 0.5
    file = np.repeat(X, 3, axis=0).astype(float)
    file[801, 20] = 0.5
    np.save(tmp_path / "x.npy", file)

    def run(comm, given, how):
        rbm = fr.RBM.from_data(X, 70)
        with pytest.raises(ValueError, match="must be states, not fractions"):
            fr.fit(rbm, given, epochs=2, batch_size=200, comm=comm, **how)
        return rbm.weights.tobytes()  # whole

    for given in (late, np.load(tmp_path / "x.npy", mmap_mode="r")):
        assert len(set(on_ranks(3, run, given, {}))) == 1


UNLIKE = {
    "seed is 0 on rank 0, 1 on rank 1": lambda r: {"seed": int(r == 1)},
    "batch_size is 128 on rank 0, 64 on rank 2": lambda r: {"batch_size": 64 if r == 2 else 128},
    "epochs is 1 on rank 0, 2 on rank 1": lambda r: {"epochs": 1 + (r == 1)},
    "X is '300 examples of 64 units, checksum .* on rank 1": lambda r: {"X": X if r != 1 else X[::-1]},
    "first examples.* on rank 1": lambda r: {"X": Batches(X if r != 1 else X[::-1])},
    "validation is .* on rank 2": lambda r: {"validation": X[: 40 + r // 2]},
    "the model is .* on rank 1": lambda r: {"rbm": fr.RBM.from_data(X, 8, seed=int(r == 1))},
    "gradient is .*seed=0.* on rank 0, .*seed=1.* on rank 1": lambda r: {"gradient": PCD(50, seed=r)},
    "optimizer is SGD": lambda r: {"optimizer": SGD(0.1 + 0.1 * (r == 2))},
    "callbacks is .*'function'.* on rank 0, .* on rank 1": lambda r: {"callbacks": () if r else lambda state: None},
    "callbacks is .*patience=2.* on rank 0": lambda r: {"callbacks": fr.EarlyStopping("shuffled_gap", 2 + r)},
    "checkpoint is None on rank 0, 'a.npz' on rank 1": lambda r: {"checkpoint": "a.npz" if r == 1 else None},
    "missing is None on rank 0, 'latent' on rank 1": lambda r: {"missing": "latent" if r == 1 else None},
    "missing_sweeps is 1 on rank 0, 2 on rank 1": lambda r: {"missing": "latent", "missing_sweeps": 1 + r},
    "metrics is .*every=1.* on rank 0, .*every=2": lambda r: {"metrics": fr.metrics.PseudoLikelihood(every=1 + r)},
    "centered is True on rank 0, False on rank 2": lambda r: {"centered": r != 2},
}


@pytest.mark.parametrize("words", UNLIKE)
def test_unlike_calls_are_refused_by_name(words):
    """On all ranks, before any work."""

    def run(comm):
        given = {"rbm": fr.RBM.from_data(X, 8), "X": X, "epochs": 1, "comm": comm} | UNLIKE[words](comm.Get_rank())
        before = given["rbm"]._parameters
        with pytest.raises(ValueError, match=f"all ranks must be called alike; .*{words}"):
            fr.fit(**given)
        assert given["rbm"]._parameters is before
        return True

    assert on_ranks(3, run) == [True] * 3


def test_other_versions_are_refused_by_name():
    def run(comm):
        if comm.Get_rank() == 1:
            gather = comm.allgather
            old = {"the version of fastrbm": "0.1"}
            comm.allgather = lambda v: gather((v[0], v[1] | old, v[2]))
        with pytest.raises(ValueError, match=f"the version of fastrbm is {fr.__version__} on rank 0, 0.1 on rank 1"):
            fr.fit(fr.RBM.from_data(X, 8), X, epochs=1, comm=comm)
        return True

    assert on_ranks(2, run) == [True] * 2


@pytest.mark.parametrize("unlike", ["other", "fewer", "an error"])
def test_unlike_batches_are_refused_when_they_come(unlike):
    """Of an object of the user's that draws them by the rank, say: in the first epoch they were alike."""

    class Random(Batches):
        epoch = 0

        def __iter__(self):
            self.epoch += 1
            for k, part in enumerate(self.parts):
                if self.epoch == 4 and k == 1 and self.rank == 1:  # it is read once more beforehand
                    if unlike == "an error":
                        raise OSError("no file")
                    if unlike == "fewer":
                        return
                    part = 1 - part
                yield part

    def run(comm):
        rbm, batches = fr.RBM.from_data(X, 70), Random(X)
        batches.rank = comm.Get_rank()
        kind = {
            "other": "the batches of X in epoch 3 must be the same",
            "fewer": "X yields 1 batches",
            "an error": "no file",
        }
        with pytest.raises(OSError if unlike == "an error" else ValueError, match=kind[unlike]) as error:
            fr.fit(rbm, batches, epochs=5, callbacks=lambda _: None, comm=comm)
        return rbm.weights.tobytes(), error.value.history["update"].tolist()

    results = on_ranks(2, run)
    assert results[0] == results[1] and results[0][1] == [3, 6]


def test_what_earlier_trainings_left_must_be_alike():
    """The chains of an estimator that one rank alone has used before."""

    def run(comm):
        rbm, pcd = fr.RBM.from_data(X, 8), PCD(50)
        if comm.Get_rank() == 1:
            pcd(rbm, X[:100])
        with pytest.raises(
            ValueError, match=r"gradient \(what it kept of earlier updates\) is none on rank 0, visible"
        ):
            fr.fit(rbm, X, pcd, epochs=1, comm=comm)
        return True

    assert on_ranks(2, run) == [True] * 2


def test_an_argument_that_one_rank_alone_cannot_take():
    """The others hear of it: they do not wait."""

    def run(comm):
        rbm = fr.RBM.from_data(X, 8)
        bad = comm.Get_rank() == 1
        with pytest.raises(ValueError, match="X must hold" if bad else "rank 1 of 3 failed: X must hold"):
            fr.fit(rbm, X * 3 if bad else X, epochs=1, comm=comm)
        return True

    assert on_ranks(3, run) == [True] * 3


# ------------------------------------------------------------ callbacks


def test_callbacks_are_called_on_all_ranks_and_rank_0_says_what_they_return():
    def run(comm):
        seen = []

        def callback(state):
            seen.append((state.epoch, state.update, state.rbm.weights.tobytes()))
            # the others' answers do not count
            return state.epoch == 3 if comm.Get_rank() == 0 else state.epoch == 1

        history = fr.fit(fr.RBM.from_data(X, 100), X, epochs=9, batch_size=100, callbacks=callback, comm=comm)
        return seen, history["epoch"][-1]

    results = on_ranks(3, run)
    assert results[0] == results[1] == results[2]
    assert [epoch for epoch, *_ in results[0][0]] == [1, 2, 3] and results[0][1] == 3


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, type("Mine", (Exception,), {})])
@pytest.mark.parametrize("where", ["callback", "metric", "finish"])
def test_one_that_raises_on_one_rank_ends_all_with_its_words(error, where):
    """As an error of the same kind, where Python has it; the model is whole, and the same on all ranks."""

    class Raises:
        columns, every = ("mine",), 1

        def __init__(self, rank):
            self.rank = rank

        def __call__(self, given):
            if self.rank == 1 and given.epoch == 2 and where != "finish":
                raise error("not here")
            return {"mine": 1.0} if where == "metric" else None

        def finish(self, rbm):
            if self.rank == 1:
                raise error("not here")

    def run(comm):
        rbm, mine = fr.RBM.from_data(X, 100), Raises(comm.Get_rank())
        given = {"metrics": mine} if where == "metric" else {"callbacks": mine}
        kind = error if error.__module__ == "builtins" or mine.rank == 1 else RuntimeError
        if where != "finish":
            Raises.finish = lambda *_: None
        with pytest.raises(kind, match="not here" if mine.rank == 1 else "rank 1 of 3 failed: .*not here") as info:
            fr.fit(rbm, X, epochs=4, batch_size=100, comm=comm, **given)
        return rbm.weights.tobytes(), len(info.value.history)

    results = on_ranks(3, run)
    assert len(set(results)) == 1 and results[0][1] == {"callback": 2, "metric": 1, "finish": 4}[where]


@pytest.mark.parametrize("whose", ["state.rbm", "its own"])
@pytest.mark.parametrize("name", ["momentum", "averaging"])
def test_a_callback_may_change_the_model(whose, name):
    def run(comm):
        (gradient, optimizer), _, _, options = CASES[name]
        options = {key: value() for key, value in options.items()}
        rbm = fr.RBM.from_data(X, 150)

        def callback(state):
            if state.epoch == 2:
                changed = state.rbm if whose == "state.rbm" else rbm
                W = np.linspace(-0.2, 0.2, 64 * 150, dtype=np.float32).reshape(64, 150)
                changed.set_parameters(W, state.rbm.visible_bias, state.rbm.hidden_bias)

        history = fr.fit(rbm, X, gradient(), optimizer(), epochs=4, callbacks=callback, comm=comm, **options)
        return result_of(rbm, history)

    assert differing(on_ranks(3, run), run(None)) == []


@pytest.mark.parametrize("averaging", [False, True], ids=["plain", "averaging"])
@pytest.mark.parametrize("when", ["callback", "finish"])
def test_what_callbacks_make_of_the_model_on_rank_0_counts(when, averaging):
    """Their arithmetic may have other last bits on another machine. The last change is that of the last epoch."""

    class Changes:
        def __init__(self, rank):
            self.rank = rank

        def __call__(self, state):
            if when == "callback" and state.epoch >= 2:
                self.change(state.rbm)

        def finish(self, rbm):
            if when == "finish":
                self.change(rbm)

        def change(self, rbm):
            if self.rank != 1:  # which does nothing
                rbm.set_parameters(hidden_bias=rbm.hidden_bias + np.float32(1 + self.rank))

    def run(comm):
        rbm, g, o = fr.RBM.from_data(X, 150), PCD(50), SGD(0.1, 0.5)
        changes = Changes(0 if comm is None else comm.Get_rank())
        more = {"averaging": fr.optim.Averaging(every=1)} if averaging else {}
        history = fr.fit(rbm, X, g, o, epochs=3, callbacks=changes, comm=comm, **more)
        return result_of(rbm, history, gradient=g, optimizer=o, **more)

    alone = run(None)
    assert alone["hidden_bias"].mean() > 0.5
    assert differing(on_ranks(3, run), alone) == []


def test_a_model_that_another_rank_alone_changes_stays_as_it_is():
    def run(comm):
        rbm = fr.RBM.from_data(X, 70)
        other = comm is not None and comm.Get_rank() == 1

        def change(state):
            if other:
                state.rbm.set_parameters(hidden_bias=np.ones(70))

        return result_of(rbm, fr.fit(rbm, X, epochs=2, callbacks=change, comm=comm))

    assert differing(on_ranks(2, run), run(None)) == []


def test_a_divided_model_says_what_it_is():
    """Inside of a training the model itself has a part of the weights; state.rbm has all."""

    def run(comm):
        rbm, words = fr.RBM.from_data(X, 100), []

        def callback(state):
            for use in (
                lambda: rbm.weights,
                lambda: rbm.copy().weights,
                lambda: rbm.set_parameters(hidden_bias=[0] * 100),
            ):
                with pytest.raises(RuntimeError) as error:
                    use()
                words.append(str(error.value))
            assert state.rbm.weights.shape == (64, 100) and state.rbm.free_energy(X).shape == (300,)

        fr.fit(rbm, X, optimizer=SGD(0.1, 0.5), epochs=1, callbacks=callback, comm=comm)
        return words

    words = "the weights of this model are divided among ranks while it is trained; a callback's state.rbm has them all"
    assert on_ranks(2, run) == [[words] * 3] * 2


@pytest.mark.parametrize("cool_down", [0.0, 0.5])
@pytest.mark.parametrize("name", ["pcd", "momentum", "averaging", "fast"])
def test_early_stopping(name, cool_down):
    """The best model, and what is left of the schedule."""
    (gradient, optimizer), _, _, options = CASES[name]

    def run(comm):
        more = {key: value() for key, value in options.items()}
        rbm, g, o = fr.RBM.from_data(X, 130), gradient(), optimizer()
        stop = fr.EarlyStopping("reconstruction_error", patience=1, cool_down=cool_down, mode="max")
        history = fr.fit(rbm, X, g, o, epochs=12, batch_size=100, callbacks=stop, comm=comm, **more)
        return result_of(rbm, history, gradient=g, optimizer=o, stop=stop)

    alone = run(None)
    assert alone["column epoch"][-1] < 12
    assert differing(on_ranks(3, run), alone) == []


# ------------------------------------------------------------ failures


@pytest.mark.parametrize("optimizer", [lambda: SGD(lambda p: 0.1 if p < 0.5 else 1e38), lambda: SGD(0.1, 0.5)])
@pytest.mark.parametrize("late", [False, True], ids=["weights", "biases"])
def test_a_number_that_would_not_be_finite_is_the_same_error_everywhere(optimizer, late):
    """And the model is whole, and the last good one, as of one process."""

    class Steep(fr.optim.SGD):
        divides = True

        def rate(self, progress):
            return 0.1 if progress < 0.5 else 1e31 if late else 1e34

    def run(comm):
        rbm, pcd = fr.RBM.from_data(WIDE, 150), PCD(50)
        steep = Steep(momentum=optimizer().momentum)
        with pytest.raises(FloatingPointError) as error:
            fr.fit(rbm, WIDE, pcd, steep, epochs=4, batch_size=50, comm=comm)
        return result_of(rbm, error.value.history, gradient=pcd, optimizer=steep) | {
            "words": np.array(str(error.value))
        }

    alone = run(None)
    assert np.abs(alone["weights"]).max() < 10 and "learning rate" in str(alone["words"])
    assert differing(on_ranks(3, run), alone) == []


def test_a_schedule_that_is_unlike_is_an_error_on_all_ranks():
    """Of the update at which it is: no rank goes on with weights of its own."""

    def run(comm):
        rbm, rank = fr.RBM.from_data(X, 150), comm.Get_rank()
        with pytest.raises(ValueError, match="the learning rate must be the same on all ranks"):
            fr.fit(rbm, X, CD(), SGD(lambda p: 0.1 + 0.1 * (rank == 1 and p > 0.5), 0.5), epochs=3, comm=comm)
        return rbm.weights.tobytes()

    assert len(set(on_ranks(3, run))) == 1


def test_an_error_that_one_rank_alone_has_ends_the_job(capfd):
    """Of a schedule, or of batches; its words are on standard error, and the others do not wait."""

    def run(comm):
        rank, ended = comm.Get_rank(), comm._job.aborted_by

        def rate(progress):
            if rank == 1 and progress > 0.3:
                raise KeyError("no such rate")
            return 0.1

        try:
            fr.fit(fr.RBM.from_data(X, 70), X, optimizer=SGD(rate), epochs=3, batch_size=100, comm=comm)
        except Exception:
            return ended
        return None

    ended = on_ranks(3, run)[0]
    assert ended[0] == 1
    err = capfd.readouterr().err
    assert "fastrbm, rank 1 of 3, ends all ranks:\nTraceback" in err and "KeyError: 'no such rate'" in err


def test_progress_and_warnings_are_of_rank_0(capsys, monkeypatch):
    """The first and the last line of progress, others being due by the clock alone; one warning of what was reached."""
    monkeypatch.setattr(progress, "_LOG_PAUSE", math.inf)

    def run(comm):
        fr.fit(fr.RBM.from_data(X, 20), X, epochs=40, batch_size=100, progress=True, comm=comm)

    with pytest.warns() as caught:
        run(None)
    lines, said = capsys.readouterr().err.splitlines(), [str(w.message) for w in caught]
    with pytest.warns() as caught:
        on_ranks(3, run)
    epochs = [line.split("  ")[0] for line in lines]
    assert [line.split("  ")[0] for line in capsys.readouterr().err.splitlines()] == epochs != []
    assert [str(w.message) for w in caught] == said and len(said) == 1


# ------------------------------------------------------------ checkpoints


def on(size, program):
    """What a program(comm) returns on rank 0 of so many, or in one process by itself: None."""
    return program(None) if size is None else on_ranks(size, program)[0]


@pytest.mark.parametrize("name, sizes", [
    ("averaging", (3, 2, None)), ("adam", (3, 2, None)), ("mixed, fast", (None, 3)), ("mixed, fast", (2, 5)),
    ("tempered", (2, 1, 3)), ("latent", (None, 2)), ("batches", (3, 2)),
], ids=str)  # fmt: skip
def test_a_checkpoint_goes_on_on_any_number_of_ranks(tmp_path, name, sizes):
    """Broken off in the middle of epochs, and gone on with by others: to the bits of one process, in each array."""
    cut, whole = tmp_path / "cut.npz", tmp_path / "whole.npz"

    def run(comm, path, **more):
        stop = fr.EarlyStopping("reconstruction_error", patience=2, mode="max")
        callbacks = [stop, *more.pop("callbacks", [])]
        how = {"epochs": 5, "batch_size": 40, "checkpoint": path, "callbacks": callbacks, "resume": True}
        return train(comm, name, **how, **more)

    expected = run(None, whole, checkpoint_seconds=1e9)
    for k, size in enumerate(sizes[:-1]):
        with pytest.raises(Stop):
            on(size, lambda comm, k=k: run(comm, cut, checkpoint_seconds=0.0, callbacks=[stop_after(2 + k)]))
        assert entries(cut)["training/update"] == (2 + k) * (3 if name in ("batches", "mixed, fast") else 8) - 1
    assert differing([on(sizes[-1], lambda comm: run(comm, cut, checkpoint_seconds=1e9))], expected) == []
    assert_same_files(cut, whole)


def test_a_checkpoint_that_cannot_be_written_costs_no_training(tmp_path, monkeypatch):
    """A word of rank 0, whether the disk is full or the state of a callback cannot be had on another rank."""

    class Stateful:
        def __init__(self, rank):
            self.bad = rank == 1

        def __call__(self, state):
            self.late = True

        def get_state(self):
            if self.bad and hasattr(self, "late"):
                raise MemoryError("no room")
            return {}

        def set_state(self, state):
            pass

        def describe(self):
            return "Stateful"

    def run(comm, bad):
        mine = Stateful(comm.Get_rank() if bad else 0)
        return train(comm, "momentum", checkpoint=tmp_path / f"{bad}.npz", callbacks=mine)

    expected = train(None, "momentum")
    with pytest.warns(checkpoint.CheckpointWarning, match="no room; this was the last one") as caught:
        assert differing(on_ranks(3, run, True), expected) == []
    assert len(caught) == 1 and not (tmp_path / "True.npz").exists()

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr(checkpoint, "write", full)
    with pytest.warns(checkpoint.CheckpointWarning, match="disk full; this was the last one") as caught:
        assert differing(on_ranks(3, run, False), expected) == []
    assert len(caught) == 1


def test_a_checkpoint_that_cannot_be_taken_is_refused_alike(tmp_path):
    """The same kind of error on all ranks, though rank 0 alone looks at the file."""
    path = tmp_path / "c.npz"
    on_ranks(2, lambda comm: train(comm, "pcd", checkpoint=path))
    before = path.read_bytes()

    def refused(kind, words, name="pcd", path=path, **more):
        def run(comm):
            with pytest.raises(kind, match=words):
                train(comm, name, checkpoint=path, **more)
            return True

        assert on_ranks(3, run) == [True] * 3
        assert not path.exists() or path.read_bytes() == before

    refused(FileExistsError, "exists: pass resume=True")
    refused(FileNotFoundError, "there is no folder", path=tmp_path / "no" / "c.npz")
    refused(ValueError, "is of a training with seed 3, not 4", seed=4, resume=True)
    refused(ValueError, "is of a training with optimizer SGD", "momentum", resume=True)
    refused(ValueError, "is 9 updates on, more than the 3", epochs=1, resume=True)
    (tmp_path / "bad.npz").write_bytes(before := b"no archive")
    refused(ValueError, "bad.npz is", path=tmp_path / "bad.npz", resume=True)
    lock = output.Lock(tmp_path / "locked.npz")
    refused(BlockingIOError, "locked.npz", path=tmp_path / "locked.npz")
    lock.release()


def test_only_rank_0_looks_for_the_file(tmp_path, monkeypatch):
    """Others may be on machines that do not see it."""
    place, exists = threading.local(), Path.exists
    monkeypatch.setattr(Path, "exists", lambda self: getattr(place, "rank", 0) == 0 and exists(self))
    monkeypatch.setattr(
        Path, "is_dir", lambda self, is_dir=Path.is_dir: getattr(place, "rank", 0) == 0 and is_dir(self)
    )

    def run(comm, **more):
        place.rank = comm.Get_rank()
        return train(comm, "pcd", checkpoint=tmp_path / "c.npz", resume=True, **more)

    for _ in range(2):  # new, and complete
        assert differing(on_ranks(3, run), train(None, "pcd")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("kept", [True, False], ids=["checkpoint", "no checkpoint"])
def test_a_signal_to_one_rank_stops_all_after_the_same_update(tmp_path, monkeypatch, number, kept):
    place, path = threading.local(), tmp_path / "c.npz"

    class Noted(Signals):
        number = property(lambda self: getattr(place, "number", 0))

    monkeypatch.setattr("fastrbm.training.run.Signals", Noted)

    def schedule(progress):
        if place.rank == 1 and progress > 0.4:
            place.number = number
        return 0.1

    schedule.__qualname__ = schedule.__name__
    schedule.describe = lambda: "schedule"

    def run(comm):
        place.rank, rbm, pcd = comm.Get_rank(), fr.RBM.from_data(X, 100), PCD(50)
        with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else Ended) as error:
            fr.fit(rbm, X, pcd, SGD(schedule), 4, 50, comm=comm, checkpoint=path if kept else None)
        assert getattr(error.value, "code", 143) == 143
        return rbm.weights.tobytes(), pcd.chains.n_sweeps_done

    results = on_ranks(3, run)
    assert len(set(results)) == 1 and results[0][1] == 11  # the first update beyond 0.4 of 24, and no more
    if not kept:
        return

    def go_on(comm, how):
        place.rank, place.number, rbm, pcd = 0, 0, fr.RBM.from_data(X, 100), PCD(50)
        history = fr.fit(rbm, X, pcd, SGD(schedule), 4, 50, comm=comm, **how)
        return result_of(rbm, history, gradient=pcd)

    assert entries(path)["training/update"] == 11
    assert differing(on_ranks(2, go_on, {"checkpoint": path, "resume": True}), go_on(None, {})) == []
