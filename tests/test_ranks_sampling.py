"""Ranks that share chains have the bits of one process, each having done its share of the work."""

import copy
import itertools
import os
import pickle
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from helpers import random_rbm
from ranks_by_threads import Aborted, on_ranks

import fastrbm as fr
from fastrbm import ranks
from fastrbm._core import threads
from fastrbm._core.dispatch import kernels
from fastrbm._core.fingerprint import fingerprint
from fastrbm._core.progress import Countdown
from fastrbm.sampling import Path

SIZES = 1, 2, 3, 5
N = 203  # chains: sizes that divide nothing, and five ranks of at least 32
_HERE = threading.local()


@pytest.fixture(autouse=True)
def _however_little_work(monkeypatch):
    """Small models are shared, too."""
    monkeypatch.setattr(ranks, "_LEAST_WORK", 0)


def model(visible, hidden, seed=0, scale=0.4):
    rng = np.random.default_rng(seed)
    n_visible = visible.n if isinstance(visible, fr.units.Unit) else sum(unit.n for unit in visible)
    W, b, c = (rng.normal(0, scale, shape) for shape in ((n_visible, hidden.n), n_visible, hidden.n))
    return fr.RBM(W, b, c, visible=visible, hidden=hidden)


U = fr.units
MODELS = {
    "bernoulli": model(U.Bernoulli(19), U.Bernoulli(9)),
    "spin": model(U.Spin(12), U.Spin(7)),
    "categorical": model([U.Categorical(5, 3), U.Bernoulli(4)], U.Bernoulli(6)),
    "real": model([U.Gaussian(4, mean=[0.5] * 4, scale=[2.0] * 4), U.Bernoulli(5)], U.Bernoulli(6)),
    "relu": model(U.Bernoulli(11), U.ReLU(5), scale=0.2),
}
each_model = pytest.mark.parametrize("rbm", MODELS.values(), ids=MODELS.keys())
X = MODELS["bernoulli"].sample(70, 5, method="gibbs")
LARGE = random_rbm(40, 30)


def bits(result):
    """All that a result holds, as bytes."""
    if isinstance(result, (tuple, list)):
        return [bits(each) for each in result]
    if isinstance(result, fr.BitMatrix):
        return result.planes.tobytes()
    if isinstance(
        result, (fr.Population, fr.likelihood.Bidirectional, fr.likelihood.LogPartition, fr.likelihood.Score)
    ):
        return [(name, bits(value)) for name, value in vars(result).items()]
    return result.tobytes() if isinstance(result, np.ndarray) else repr(result)


def same_on_all(program, sizes=SIZES, alone=None):
    """Compare what program(comm) returns on ranks with what it returns alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = bits(program(None) if alone is None else alone)
        for size in sizes:
            for rank, result in enumerate(on_ranks(size, program)):
                assert bits(result) == expected, f"rank {rank} of {size}"


# ------------------------------------------------------------ same bits


@each_model
@pytest.mark.parametrize("method", ["gibbs", "annealed", "tempered"])
def test_samples(rbm, method):
    def program(comm):
        return rbm.sample(N, 4, seed=3, method=method, comm=comm)

    same_on_all(program, SIZES if method == "gibbs" else (3,))


@pytest.mark.parametrize("name", ["bernoulli", "relu"])
def test_probabilities_at_the_end_of_sweeps(name):
    """What gradients take of chains: rows of eight, which shares cut anywhere."""
    rbm = MODELS[name]

    def program(comm):
        chains, fixed = fr.Chains(rbm, N, seed=5), fr.sampling.gibbs.fixed_buffer(N, rbm._parameters)
        with ranks.sharing(comm):
            chains._sweep(3, fixed, None)
        return chains.hidden_bits, fixed

    same_on_all(program)


def test_samples_of_clamped_chains_at_several_temperatures():
    rbm, rng = MODELS["categorical"], np.random.default_rng(0)
    clamp = np.where(rng.random((N, 9)) < 0.5, np.nan, 1.0)
    start, beta = rbm.sample(N, 1, method="gibbs"), rng.random(N)

    def program(comm):
        return (
            rbm.sample(N, 3, start=start, beta=beta, clamp=clamp, comm=comm),
            rbm.inpaint(clamp[:40], 3, n_draws=3, comm=comm),
            rbm.inpaint(clamp[:80], 3, probabilities=True, comm=comm),
        )

    same_on_all(program)


@each_model
def test_chains(rbm):
    def program(comm):
        chains = fr.Chains(rbm.copy(), N, seed=5, first_chain=7, comm=comm)
        chains.sweep(3)
        chains.rbm.set_parameters(weights=0.5 * rbm.weights)
        chains.sweep(2)
        chains.sweep(0)
        return chains.visible_bits, chains.hidden_bits, chains.n_sweeps_done

    same_on_all(program)


@each_model
def test_tempered_chains(rbm):
    def program(comm):
        found = []
        for n, path, how in (
            (70, rbm, {"n_betas": 3}), (70, rbm, {"betas": [1.0, 0.4, 0.0]}), (N, Path(rbm, 3), {}),
        ):  # fmt: skip
            chains = fr.TemperedChains(path, n, seed=1, comm=comm, **how)
            chains.sweep(3)
            chains.sweep(2)
            found += [chains._visible, chains._hidden, chains.swap_rates, chains.round_trip_rate]
            found += [] if isinstance(path, Path) else [chains.betas]
        return found

    same_on_all(program)


@each_model
def test_populations(rbm):
    modes = np.random.default_rng(1).normal(0, 1, (2, rbm.n_visible))

    def program(comm):
        return (
            fr.population_annealing(rbm, N, 20, seed=2, comm=comm),
            fr.population_annealing(rbm, 2 * N, 30, seed=2, modes=modes, comm=comm),
        )

    same_on_all(program)


@each_model
def test_likelihoods(rbm):
    data = rbm.sample(80, 3, method="gibbs")

    def program(comm):
        how = {"n_chains": N, "n_betas": 20, "seed": 4, "comm": comm}
        found = [
            fr.likelihood.ais(rbm, **how),
            fr.likelihood.reverse_ais(rbm, data, n_sweeps=2, **how),
            fr.likelihood.reverse_ais(Path(rbm, 10), data, n_chains=N, comm=comm),
            fr.likelihood.bidirectional(rbm, data, **how),
            fr.likelihood.score(rbm, data, "ais", **how),
            fr.likelihood.score(rbm, data, "exact", comm=comm),
        ]
        if not rbm.visible.real:
            found += [fr.likelihood.pseudo(rbm, data, per_site=k, comm=comm) for k in (False, True)]
        return found

    same_on_all(program)


def test_paths_of_several_models():
    rbm = MODELS["bernoulli"]
    path = Path([random_rbm(19, 9, 0.2), rbm], n_steps=6)
    data = rbm.sample(N, 1, method="gibbs")

    def program(comm):
        along = fr.likelihood.along(path, data, 4, N, comm=comm)
        adapted, thinned = path.adapted(12, n_chains=N, comm=comm), path.thinned(n_chains=N, comm=comm)
        met = fr.diagnostics.meet(rbm, data, N, 3, comm=comm)
        ends = fr.likelihood.ais(path, N, comm=comm)
        return along.log_z, along.log_z_error, adapted.points, thinned.points, met.units, met.axes, ends

    same_on_all(program, (2, 3))


def test_log_z_to_a_tolerance_and_of_large_enumerations():
    small, wide = model(U.Bernoulli(8), U.Bernoulli(4)), model(U.Bernoulli(16), U.Bernoulli(14))
    large = fr.RBM(300.0 * wide.weights, wide.visible_bias, wide.hidden_bias)  # flips by free energies
    gone = np.where(np.random.default_rng(0).random((40, 8)) < 0.2, np.nan, 1.0)

    def program(comm):
        return (
            fr.likelihood.bidirectional(small, tolerance=0.4, seconds=0.0, comm=comm),
            fr.likelihood.exact(wide, comm=comm),
            fr.likelihood.score(small, gone, comm=comm),
            *(fr.likelihood.pseudo(large, X[:, :16], per_site=k, comm=comm) for k in (False, True)),
        )

    same_on_all(program, (3,))


def test_many_models_at_once():
    """Two halves of a job do different things at once, and a share holds for its own thread alone."""

    def program(comm):
        result = MODELS["spin"].sample(N, 3, method="gibbs", comm=comm)
        assert isinstance(ranks.current(), ranks.Alone)
        return result

    first = threading.Thread(target=lambda: results.append(on_ranks(2, program)))
    results = []
    first.start()
    results.append(on_ranks(3, program))
    first.join()
    assert len({array.tobytes() for each in results for array in each}) == 1


# ------------------------------------------------------------ each its share


@pytest.fixture
def work(monkeypatch):
    """How many chains, or rows, each rank gave to each kernel, and in how many sweeps or steps of them."""
    done = {}

    def count(name, chains, steps=lambda args: 1):
        kernel = getattr(kernels, name)

        def counted(*args):
            key = name, getattr(_HERE, "rank", None)
            done[key] = done.get(key, 0) + chains(args) * steps(args)
            return kernel(*args)

        monkeypatch.setattr(kernels, name, counted)

    count("sweep", lambda args: args[0].shape[1], lambda args: args[8])
    count("anneal", lambda args: args[0].shape[1], lambda args: len(args[6]) - 1)
    for name, chains in {
        "half_step": lambda args: args[0].shape[1],
        "cgf_sums": lambda args: args[0].shape[1],
        "product": lambda args: args[0].shape[1],
        "pseudo_sums": lambda args: args[0].shape[1],
        "pseudo_of_sites": lambda args: args[0].shape[1],
        "enumerate_states": lambda args: args[0].shape[0],
    }.items():
        count(name, chains)
    return done


def counted(program):
    def run(comm):
        _HERE.rank = comm.Get_rank()
        return program(comm)

    return run


def shares_of(work, name, size):
    return [work.get((name, rank), 0) for rank in range(size)]


def test_each_rank_does_its_share(work):
    rbm, n = MODELS["bernoulli"], 200
    states = rbm.sample(n, 1, method="gibbs")
    visible, hidden = rbm._states(states, "v"), rbm._states(rbm.sample_hidden(states), "h")

    def program(comm):
        chains = fr.Chains(rbm, n, comm=comm)
        chains.sweep(3)
        fr.TemperedChains(rbm, 50, 4, comm=comm).sweep(7)
        fr.likelihood.ais(Path(rbm, 6), n, comm=comm)
        fr.likelihood.pseudo(rbm, visible, comm=comm)
        fr.likelihood.pseudo(rbm, visible, per_site=True, comm=comm)
        fr.likelihood.exact(model(U.Bernoulli(16), U.Bernoulli(14)), comm=comm)
        with ranks.sharing(comm):
            rbm.free_energy(visible)

    on_ranks(2, counted(program))
    assert shares_of(work, "sweep", 2) == [100 * (3 + 7)] * 2
    assert shares_of(work, "anneal", 2) == [100 * 6] * 2
    assert shares_of(work, "product", 2) == [100 * 7] * 2  # energies, for swaps
    for name in ("pseudo_sums", "pseudo_of_sites", "cgf_sums"):
        assert shares_of(work, name, 2) == [100] * 2
    assert shares_of(work, "enumerate_states", 2) == [1 << 7] * 2
    work.clear()

    def refreshed(comm):
        with ranks.sharing(comm):
            rbm.energy(visible, hidden)
            fr.sampling.gibbs.refresh(rbm._parameters, visible.copy(), hidden.copy(), 0, 1, 1, 0, None)

    on_ranks(3, counted(refreshed))
    assert shares_of(work, "product", 3) == [66, 67, 67]
    assert shares_of(work, "half_step", 3) == [2 * 66, 2 * 67, 2 * 67]


def test_few_chains_are_not_shared(work):
    """Fewer than 32 a rank: fewer ranks share them; fewer than 64 in all, or than there are ranks: all do all, and none
    waits."""
    rbm = MODELS["bernoulli"]
    for n, size, shares in ((70, 5, [35, 35, 0, 0, 0]), (63, 5, [63] * 5), (3, 5, [3] * 5), (1, 2, [1, 1])):
        work.clear()

        def program(comm, n=n):
            before = comm.calls
            return rbm.sample(n, 4, method="gibbs", comm=comm), comm.calls - before

        alone = rbm.sample(n, 4, method="gibbs")
        for states, calls in on_ranks(size, counted(program)):
            assert np.array_equal(states, alone)
            assert calls == (3 if shares[-1] == 0 else 1)  # the arguments; visible and hidden states
        assert shares_of(work, "sweep", size) == [4 * share for share in shares]


def test_little_work_is_not_shared(work, monkeypatch):
    """What is not worth waking threads for, is not worth an exchange."""
    monkeypatch.setattr(ranks, "_LEAST_WORK", threads.SERIAL_BELOW)
    rbm = MODELS["bernoulli"]
    connections = 2 * 19 * 9 * 64
    enough = -(-threads.SERIAL_BELOW // connections)
    for n_sweeps, share in ((enough - 1, 64), (enough, 32)):
        work.clear()
        on_ranks(2, counted(lambda comm, n=n_sweeps: rbm.sample(64, n, method="gibbs", comm=comm)))
        assert shares_of(work, "sweep", 2) == [n_sweeps * share] * 2


def test_small_moves_of_a_mixture_exchange_nothing(work):
    """Chains of many modes are few of each."""
    rbm, modes = MODELS["bernoulli"], np.random.default_rng(1).normal(0, 1, (8, 19))

    def program(comm):
        before = comm.calls
        fr.population_annealing(rbm, 80, 40, modes=modes, comm=comm)
        return comm.calls - before

    assert on_ranks(2, counted(program)) == [1, 1]
    assert sum(shares_of(work, "anneal", 2)) == 2 * 80 * 40


# ------------------------------------------------------------ arguments, errors, words


@pytest.mark.parametrize("name", ["seed", "n_sweeps", "n", "start", "the RBM"])
def test_unlike_arguments_are_refused_by_name_on_all_ranks(name):
    rbm = MODELS["bernoulli"]
    given = {"n": 70, "n_sweeps": 2, "seed": 0, "start": X}
    other = {"n": 69, "n_sweeps": 3, "seed": 1, "start": 1 - X}

    def program(comm):
        own, how = rbm, given
        if comm.Get_rank() == 1 and name == "the RBM":
            own = fr.RBM(1.01 * rbm.weights, rbm.visible_bias, rbm.hidden_bias)
        elif comm.Get_rank() == 1:
            how = given | {name: other[name]}
        with pytest.raises(ranks.RanksDiffer, match=f"^all ranks must be called alike; {name} is "):
            own.sample(**how, comm=comm)
        return own.sample(5, 1, comm=comm).shape if name != "the RBM" else None  # nobody is left behind

    on_ranks(3, program)


def test_chains_that_part_are_refused():
    rbm = MODELS["bernoulli"]

    def program(comm):
        own = rbm.copy()
        chains, tempered = fr.Chains(own, 70, comm=comm), fr.TemperedChains(own, 70, 3, comm=comm)
        rank = comm.Get_rank()
        for each in (chains, tempered):
            with pytest.raises(ranks.RanksDiffer, match="; n_sweeps is 1 on rank 0, 2 on rank 1 "):
                each.sweep(1 + rank)
            each.sweep(1)
        if rank == 1:
            own.set_parameters(visible_bias=rbm.visible_bias + 1.0)
        for each in (chains, tempered):
            with pytest.raises(ranks.RanksDiffer, match="; rbm is None on rank 0, RBM"):
                each.sweep(1)

    on_ranks(2, program)


def test_parameters_of_real_units_must_be_alike():
    def program(comm):
        delta = np.full(5, 0.1 + 0.1 * comm.Get_rank())
        rbm = fr.RBM(np.zeros((11, 5)), hidden=U.DReLU(5, delta=delta))
        with pytest.raises(ranks.RanksDiffer, match="; the RBM is "):
            rbm.sample(2, comm=comm)

    on_ranks(2, program)


def test_threads_and_progress_may_differ():
    def program(comm):
        rank = comm.Get_rank()
        return fr.likelihood.ais(MODELS["spin"], 70, 5, n_threads=1 + rank, progress=rank == 1, comm=comm).value

    assert len(set(on_ranks(2, program))) == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda rbm, comm: rbm.sample(70, -1, comm=comm), "n_sweeps must be"),
        (lambda rbm, comm: rbm.sample(70, 2, start=X[:3], method="gibbs", comm=comm), "start must have as many"),
        (lambda rbm, comm: fr.Chains(rbm, 0, comm=comm), "n_chains must be"),
        (lambda rbm, comm: fr.TemperedChains(rbm, 70, betas=[0.5], comm=comm), "betas must start at 1"),
        (lambda rbm, comm: fr.population_annealing(rbm, 70, modes=[[1.0]], comm=comm), "modes"),
        (lambda rbm, comm: fr.likelihood.ais(rbm, 70, betas=[0.0], comm=comm), "betas must be"),
        (lambda rbm, comm: fr.likelihood.score(rbm, X, tolerance=0.0, comm=comm), "tolerance must be above 0"),
        (lambda rbm, comm: fr.likelihood.score(LARGE, np.zeros((70, 40)), "exact", comm=comm), "at most 25"),
        (lambda rbm, comm: fr.likelihood.bidirectional(rbm, X[:0], comm=comm), "data must have at least one"),
        (lambda rbm, comm: fr.likelihood.along(Path(rbm, 4), X[:0], comm=comm), "X must have at least one"),
    ],
)  # fmt: skip
def test_errors_of_arguments_are_those_of_one_process(call, words):
    """On all ranks, and before any work: nobody waits, and nothing ends the job."""
    rbm = MODELS["bernoulli"]

    def program(comm):
        with pytest.raises(ValueError, match=words) as error:
            call(rbm, comm)
        assert comm.allgather(str(error.value)) == [str(error.value)] * 3

    on_ranks(3, program)
    with pytest.raises(ValueError, match=words):
        call(rbm, None)


def test_an_error_on_one_rank_ends_all(monkeypatch, capsys):
    rbm, kernel = MODELS["bernoulli"], kernels.sweep

    def breaks(*args):
        if _HERE.rank == 1:
            raise MemoryError("no memory on this machine")
        return kernel(*args)

    monkeypatch.setattr(kernels, "sweep", breaks)
    ended = []

    def program(comm):
        try:
            rbm.sample(N, 3, method="gibbs", comm=comm)
        except Aborted:
            ended.append(comm.Get_rank())
            raise

    with pytest.raises(MemoryError):
        on_ranks(3, counted(program))
    assert sorted(ended) == [0, 2]
    assert "fastrbm, rank 1 of 3, ends all ranks:" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it cannot be seen")
def test_what_a_rank_wrote_is_read_before_it_ends_the_others(monkeypatch):
    """mpiexec drops the rest; here it reads once that was looked for."""
    reading, writing = os.pipe()
    ended, looks, unread = [], [], ranks._unread

    def looked_for(_):
        looks.append(unread(writing))
        if len(looks) == 3:
            os.read(reading, 10)
        return looks[-1]

    monkeypatch.setattr(ranks, "_UNTIL_READ", 0.0)
    monkeypatch.setattr(ranks, "_unread", looked_for)
    os.write(writing, b"words\n")

    def program(comm):
        if comm.Get_rank() == 0:
            monkeypatch.setattr(comm, "Abort", lambda code: ended.append((code, list(looks))))
            ranks.Ranks(comm).abort(3)

    on_ranks(2, program)
    assert ended == [(3, [True, True, True, False, False])]
    os.close(reading)
    os.close(writing)
    with open(__file__) as file:
        assert not unread(file.fileno()) and not unread(writing)


def test_one_rank_warns_and_shows_progress(monkeypatch, capsys):
    rbm, states = random_rbm(60, 30, 2.0), np.ones((70, 60))
    spoken = []
    monkeypatch.setattr(warnings, "warn", lambda message, *args, **more: spoken.append((_HERE.rank, str(message))))

    def program(comm):
        fr.likelihood.ais(rbm, 70, 3, progress=True, comm=comm)
        fr.likelihood.score(rbm, states, n_chains=70, n_betas=3, comm=comm)
        fr.likelihood.exact(model(U.Bernoulli(16), U.Bernoulli(14)), progress=True, comm=comm)

    on_ranks(3, counted(program))
    assert [words.split(":")[0] for _, words in spoken] == ["AIS", "AIS", "reverse AIS", "score"]
    assert {rank for rank, _ in spoken} == {0}
    lines = [line for line in capsys.readouterr().err.splitlines() if "100%" in line]
    assert [line.split()[0] for line in lines] == ["AIS", "enumeration"]
    _HERE.rank = None  # nor is one process by itself silent
    fr.likelihood.ais(rbm, 70, 3)
    assert spoken[-1][0] is None


def test_progress_of_a_share_is_that_of_all(monkeypatch):
    """Rank 0 does half of the chains: when it is done, all are."""
    seen = []
    monkeypatch.setattr(Countdown, "done", lambda self, count: seen.append((_HERE.rank, count)))
    path = Path([random_rbm(19, 9, 0.2), MODELS["bernoulli"]], n_steps=6)
    on_ranks(2, counted(lambda comm: fr.likelihood.ais(path, 101, comm=comm)))
    for rank in (0, 1):
        counts = [count for which, count in seen if which == rank]
        assert counts == sorted(counts) and counts[-1] == 101 * 6 and len(counts) >= 4


def test_the_clock_is_that_of_rank_0(monkeypatch):
    """That of rank 1 says at once that the time is over."""
    tolerance = fr.likelihood.tolerance
    for name, value in {"_SMALL_CHAINS": 128, "_SMALL_STEPS": 100, "MOST_WORK": 8 * 128 * 100}.items():
        monkeypatch.setattr(tolerance, name, value)
    real, ticks = time.perf_counter, itertools.count()
    clock = lambda: real() + (1e6 * next(ticks) if getattr(_HERE, "rank", 0) == 1 else 0.0)  # noqa: E731
    monkeypatch.setattr(time, "perf_counter", clock)
    rbm = MODELS["bernoulli"]

    def program(comm):
        return fr.likelihood.bidirectional(rbm, tolerance=1e-3, seconds=1e3, comm=comm).n_steps

    first = fr.likelihood.bidirectional(rbm, tolerance=1e-3, seconds=0.0).n_steps
    steps = on_ranks(2, counted(program))
    assert steps[0] == steps[1] > first


# ------------------------------------------------------------ chains that are copied


def test_copies_of_chains_belong_to_one_process():
    def program(comm):
        found = []
        for chains in (fr.Chains(MODELS["spin"], 70, comm=comm), fr.TemperedChains(MODELS["spin"], 70, 3, comm=comm)):
            others = copy.deepcopy(chains), pickle.loads(pickle.dumps(chains)), copy.copy(chains)
            if comm is None or comm.Get_rank() == 0:  # alone: the others would have to come, too
                for other in others[:2]:
                    other.sweep(2)
                    found.append(other.visible)
            chains.sweep(2)
            found += [chains.visible, others[2]._comm]
        return found if comm is None or comm.Get_rank() == 0 else None

    assert bits(on_ranks(2, program)[0]) == bits(program(None))


def test_what_is_no_communicator():
    for comm in (3, "MPI"):
        with pytest.raises(TypeError, match="comm must be a communicator of mpi4py"):
            fr.Chains(MODELS["spin"], 3, comm=comm)


def test_a_fingerprint_tells_values_of_any_kind():
    """A change of one entry in the middle of a frame of words, too, of which its print shows the ends alone."""
    pandas = pytest.importorskip("pandas")
    words = np.array([["yes", "no"]] * 500, object)
    for make in (lambda x: x, pandas.DataFrame, lambda x: x.tolist(), lambda x: (x == "yes").astype(np.float32)):
        other = words.copy()
        other[250, 1] = "maybe" if make(words) is words else "yes"
        assert fingerprint(make(words)) == fingerprint(make(words.copy())) != fingerprint(make(other))
        assert len(fingerprint(make(words))) < 200
