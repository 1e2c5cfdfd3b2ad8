"""fit(comm=): several ranks train one model, to the bits of one process. Ranks are threads here; test_mpi.py has jobs."""

import functools
import hashlib
import threading

import numpy as np
import pytest
from ranks_by_threads import on_ranks
from test_fit import EXPECTED, METHODS, SAME

import fastrbm as fr

pytestmark = pytest.mark.filterwarnings("ignore::fastrbm.TrainingWarning")

X = fr.datasets.load_digits()[:300]
RNG = np.random.default_rng(0)
WIDE = (RNG.random((90, 203)) < RNG.random(203)).astype(np.uint8)  # four tiles of visible units, the last of 11
SITES = RNG.integers(0, 21, (90, 13))
MANY = np.c_[RNG.integers(0, 150, (90, 2)), RNG.integers(0, 3, (90, 1))]  # a site of more than two tiles
MIXED = np.c_[RNG.integers(0, 2, (90, 70)), RNG.integers(0, 5, (90, 4))]
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
    "categories": (PLAIN, SITES, {"visible": fr.units.Categorical(13, 21)}, {}),
    "categories, adam": (
        ((lambda: CD()), (lambda: Adam(0.01, l1=1e-3))), SITES, {"visible": fr.units.Categorical(13, 21)}, {},
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
    "large batches": (((lambda: PCD(1009)), PLAIN[1]), np.tile(X, (4, 1))[:1009], {}, {"batch_size": 1009}),
    "large batches, cd": (((lambda: CD()), PLAIN[1]), np.tile(X, (4, 1))[:1200], {}, {"batch_size": 505}),
    "one hidden unit": (PLAIN, WIDE, {"n_hidden": 1}, {}),
    "one visible unit": (PLAIN, X[:, 20:21], {}, {}),
}  # fmt: skip


def train(comm, name, n_threads=1, epochs=3):
    """A training of CASES, of 3 epochs, and all that it leaves."""
    (gradient, optimizer), states, units, options = CASES[name]
    gradient, optimizer = gradient(), optimizer()
    options = {key: value() if callable(value) else value for key, value in options.items()}
    given = states.parts[0] if isinstance(states, Batches) else states
    given = given if "missing" not in options else np.where(np.isnan(given), 0, given).clip(0)
    rbm = fr.RBM.from_data(given, **{"n_hidden": 150, "seed": 5} | units)
    centering = options.setdefault("centered", fr.gradient.Centering())
    options = {"batch_size": 101, "seed": 3, "epochs": epochs, "n_threads": n_threads, "comm": comm} | options
    history = fr.fit(rbm, states, gradient, optimizer, **options)
    parts = {"centering": centering, "averaging": options.get("averaging")}
    parts = {key: part for key, part in parts.items() if part}
    return result_of(rbm, history, gradient=gradient, optimizer=optimizer, **parts)


# ------------------------------------------------------------ the same bits


@functools.cache
def digests(program, comm=None):
    printed = []
    lines = program.replace("fr.fit(", "fit(").replace("int(sys.argv[1])", "1")
    exec(lines, {"fit": functools.partial(fr.fit, comm=comm), "print": printed.append})
    return printed


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("name, program", [("basic", SAME), ("methods", METHODS)], ids=["basic", "methods"])
def test_the_digests_that_are_written_down(size, name, program):
    """test_fit has them."""
    assert on_ranks(size, lambda comm: digests(program, comm)) == [[EXPECTED[name]]] * size


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


@pytest.mark.parametrize("name", ["pcd", "fast", "momentum", "adam", "tempered", "averaging"])
@pytest.mark.parametrize("divided", [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("other", [False, True], ids=["the same model", "another model"])
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
