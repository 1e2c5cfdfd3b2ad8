"""log Z to a tolerance: intervals hold the truth, missed modes are warned of, known bounds are never excluded."""

import dataclasses
import sys
import warnings
from pathlib import Path as File

import numpy as np
import pytest
from helpers import printed_at_every_level, random_rbm

import fastrbm as fr
from fastrbm import likelihood
from fastrbm.likelihood import bounds, tolerance

sys.path.insert(0, str(File(__file__).parent.parent / "bench"))
import coverage  # noqa: E402

U = fr.units
FEW = 512, 200  # chains and steps of a round, where only bits are compared, or types of units


def checked(rbm, X, truth, **how):
    """(the interval holds the truth, both sides agree, error)"""
    z = likelihood.bidirectional(rbm, X, **how)
    assert z.lower <= z.value <= z.upper and z.upper >= z.bound
    return z.lower <= truth <= z.upper, z.agree, z.value - truth


@pytest.mark.slow
def test_some_of_the_models_of_known_log_z():
    """One of each kind; bench/coverage.py has a hundred. Intervals of three standard errors, and no less than 0.05
    nats either way, miss about once in a hundred: at most one of these."""
    found = []
    for k, (_, rbm, X) in enumerate(coverage.models(4)):
        found.append(checked(rbm, X, likelihood.exact(rbm).value, seed=k))
    assert sum(not holds for holds, _, _ in found) <= 1
    assert all(abs(error) < 0.1 for _, agree, error in found if agree)


@pytest.mark.slow
def test_a_hundred_models_of_known_log_z():
    found = [checked(rbm, X, likelihood.exact(rbm).value, seed=k) for k, (_, rbm, X) in enumerate(coverage.models(100))]
    assert sum(holds for holds, _, _ in found) >= 98
    assert all(abs(error) < 0.1 for holds, agree, error in found if agree and not holds)
    assert sum(not agree for _, agree, _ in found) <= 10  # warnings are rare


@pytest.mark.slow
@pytest.mark.parametrize("log_ratio", [3, 100])
def test_a_mode_that_data_do_not_show(log_ratio):
    """One hidden unit switches all visible units on, in a mode that is heavier by e^log_ratio: right, or warned of."""
    rbm, X = coverage.hidden_mode(log_ratio)
    truth = likelihood.exact(rbm).value
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        score = likelihood.score(rbm, X, method="bidirectional", tolerance=1, seconds=0)
    z = score.log_partition
    assert z.lower <= truth <= z.upper
    assert z.agree or any(z.reason in str(warning.message) for warning in caught)
    assert abs(z.value - truth) < 0.1 or not z.agree


@pytest.mark.slow
def test_without_the_nets_it_is_silently_wrong(monkeypatch):
    """The test above would see it."""
    rbm, X = coverage.hidden_mode(3)
    truth = likelihood.exact(rbm).value
    monkeypatch.setattr(tolerance, "_modes", lambda *_: [])
    nothing = tolerance._Side(-np.inf, 0.0, 1.0, True, None)
    monkeypatch.setattr(tolerance, "_mixture", lambda *_: nothing)
    monkeypatch.setattr(tolerance, "lower_bound", lambda *_: -np.inf)
    paths = lambda given, data, modes, seed, n: (fr.sampling.Path(given, data=data), None)  # noqa: E731
    monkeypatch.setattr(tolerance, "_paths", paths)
    z = likelihood.bidirectional(rbm, X)
    assert z.agree and z.upper < truth - 1


@pytest.mark.slow
def test_the_tolerance_is_met_or_said_not_to_be():
    rbm = random_rbm(60, 40, scale=1.0, seed=2)
    wide = likelihood.bidirectional(rbm, tolerance=1.0)
    narrow = likelihood.bidirectional(rbm, tolerance=0.1)
    assert (wide.upper - wide.lower) / 2 <= 1.0 and (narrow.upper - narrow.lower) / 2 <= 0.1
    assert narrow.n_steps >= wide.n_steps and not narrow.warning
    hard = random_rbm(60, 60, scale=4.0)
    with pytest.warns(UserWarning, match="score: .*the time came to an end"):
        score = likelihood.score(hard, np.zeros((2, 60)), tolerance=0.01, seconds=0)
    assert "the tolerance of 0.01" in str(score) and "the time came to an end" in score.log_partition.short


def test_what_a_score_prints():
    X = fr.datasets.load_digits()[:50]
    rbm = fr.RBM.from_data(X, 12, seed=0, weight_scale=0.1)
    score = likelihood.score(rbm, X, method="bidirectional")
    assert score.log_z_error == score.log_partition.standard_error < 0.05 / 3.5
    assert score.upper - score.lower == pytest.approx(0.1, abs=0.02)  # modes that no chain saw may weigh 0.05 nats
    assert "(data) nats, " in str(score) and "(log Z)" not in str(score)
    assert "modes that no chain saw included" in score._repr_html_()
    z = dataclasses.replace(score.log_partition.combined, standard_error=(score.upper - score.lower) / 6)
    chance = dataclasses.replace(score, log_partition=z)
    assert "(data) +- 0.02 (log Z) nats, " in str(chance) and "no chain saw" not in chance._repr_html_()
    exact = likelihood.score(rbm, X, method="exact")
    assert exact.log_z_error == 0 and "log Z exact" in str(exact)
    assert score.lower <= exact.mean <= score.upper
    one = likelihood.score(rbm, X[:1], method="exact")
    assert "(data)" not in str(one) and "(1 example, log Z exact)" in str(one)


@pytest.mark.parametrize("layers", [("bernoulli",) * 2, ("spin",) * 2, ("sites", "bernoulli"), ("mixed", "spin")])
def test_types_of_units(layers, monkeypatch):
    if layers != ("bernoulli",) * 2:  # of the others few are enough
        monkeypatch.setattr(tolerance, "_SMALL_CHAINS", FEW[0])
        monkeypatch.setattr(tolerance, "_SMALL_STEPS", FEW[1])
    rng = np.random.default_rng(3)
    units = {"sites": U.Categorical(5, 4), "mixed": [U.Bernoulli(4), U.Categorical(3, 4), U.Spin(4)]}
    visible = units.get(layers[0], layers[0])
    rbm = fr.RBM(rng.normal(size=(20, 8)), rng.normal(size=20), visible=visible, hidden=layers[1])
    holds, agree, error = checked(rbm, rbm.sample(50, 50), likelihood.exact(rbm).value)
    assert holds and agree and abs(error) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (8, 8)])
def test_small_models(shape):
    rbm = random_rbm(*shape, seed=1)
    truth = likelihood.exact(rbm).value
    assert checked(rbm, None, truth)[0] and checked(rbm, np.ones((1, shape[0])), truth)[0]


def test_same_result_for_any_threads_and_calls(monkeypatch):
    from fastrbm._core import workload

    rbm = random_rbm(20, 21, scale=1.0, seed=3)
    monkeypatch.setattr(tolerance, "_SMALL_CHAINS", FEW[0])
    monkeypatch.setattr(tolerance, "_SMALL_STEPS", FEW[1])
    one = likelihood.bidirectional(rbm, n_threads=1)
    assert (one.n_chains, one.n_steps) == FEW
    monkeypatch.setattr(workload, "A_CALL", 1 << 16)
    for threads in (2, 3):
        assert likelihood.bidirectional(rbm, n_threads=threads) == one


EXPECTED = "d0ae488658557a3995d027827bdec13b73a09bbd8d1f03b58ed2fd8bee0e9c0b"  # on any machine: see test_fit.py


def test_same_result_at_every_level():
    script = (
        "import fastrbm as fr, hashlib; from fastrbm.likelihood import tolerance\n"
        f"tolerance._SMALL_CHAINS, tolerance._SMALL_STEPS = {FEW}\n"
        "rbm = fr.RBM.from_data(fr.datasets.bars_and_stripes(3), 30, seed=1, weight_scale=1)\n"
        "z = fr.likelihood.bidirectional(rbm, seconds=0)\n"
        "numbers = z.value, z.lower, z.upper, z.forward.value, z.reverse.value, z.n_chains, z.n_steps\n"
        "print(hashlib.sha256(repr(numbers).encode()).hexdigest())"
    )
    assert printed_at_every_level(script) == {EXPECTED}


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"tolerance": 0}, "tolerance must be above 0"), ({"tolerance": -1}, "tolerance"),
        ({"tolerance": np.nan}, "tolerance"),
        ({"seconds": -1}, "seconds"), ({"data": np.zeros((0, 5))}, "data must have at least one example"),
        ({"n_sweeps": -1}, "n_sweeps"),
    ],
)  # fmt: skip
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        likelihood.bidirectional(**({"path": random_rbm(5, 4)} | arguments))


# ---------------------------------------------------------------- the lower bound


@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
@pytest.mark.parametrize("visible", ["bernoulli", "spin", U.Categorical(3, 2), [U.Spin(2), U.Categorical(2, 2)]])
def test_the_bound_is_a_part_of_z(visible, hidden):
    """Of hidden states with at most one unit on, by enumeration of everything."""
    rng = np.random.default_rng(1)
    rbm = fr.RBM(rng.normal(size=(6, 4)), rng.normal(size=6), rng.normal(size=4), visible=visible, hidden=hidden)
    masses = bounds.hidden_masses(rbm)
    h = np.array([np.zeros(4), *np.eye(4)])
    h = rbm.hidden.off + rbm.hidden.step * h
    sizes = rbm.visible.n_states_of_columns
    v = np.array(list(np.ndindex(*sizes)), np.uint8)
    values = rbm.visible.values(v)
    for k in range(5):
        energies = rbm.energy(values, np.repeat(h[k : k + 1], len(v), axis=0))
        assert masses[k] == pytest.approx(np.logaddexp.reduce(-energies), abs=1e-5)
    truth = likelihood.exact(rbm).value
    assert likelihood.lower_bound(rbm) == pytest.approx(np.logaddexp.reduce(masses), abs=1e-12)
    assert likelihood.lower_bound(rbm) < truth
    assert likelihood.lower_bound(rbm, values) == pytest.approx(truth, abs=1e-4)  # all states
    repeated = likelihood.lower_bound(rbm, np.repeat(values[:3], 5, axis=0))
    assert repeated <= likelihood.lower_bound(rbm, values[:3]) + 1e-9


def test_bounds_of_random_models_hold():
    for _, rbm, X in coverage.models(40):
        assert likelihood.lower_bound(rbm, X) <= likelihood.exact(rbm).value + 1e-3  # F is on the grid


def test_no_two_populations_draw_the_same_numbers(monkeypatch):
    """Starts and resampling words of all populations of several rounds: each has chains, and words, of its own."""
    from fastrbm._core import philox
    from fastrbm.sampling import path

    words, starts, before, draw = [], [], philox.words, path.independent_states
    resampling = philox.ANNEAL_RESAMPLE, philox.REVERSE_RESAMPLE, philox.ENDS_RESAMPLE, philox.OTHER_RESAMPLE
    streams = *resampling, philox.MODES_RESAMPLE

    def noted_words(n, seed, stream, sweep=0, first=0):
        if stream in streams:
            words.append((stream, sweep, first))
        return before(n, seed, stream, sweep, first)

    def noted_draw(unit, bias, n, seed, stream, *how, first_chain=0):
        if stream in (philox.ANNEAL, philox.OTHER_BASE, philox.MODES):
            starts.extend((stream, chain) for chain in range(first_chain, first_chain + n))
        return draw(unit, bias, n, seed, stream, *how, first_chain=first_chain)

    monkeypatch.setattr(philox, "words", noted_words)
    monkeypatch.setattr(path, "independent_states", noted_draw)
    monkeypatch.setattr(tolerance, "_SMALL_CHAINS", 32)
    monkeypatch.setattr(tolerance, "_SMALL_STEPS", 20)
    monkeypatch.setattr(tolerance, "MOST_WORK", 1 << 14)
    monkeypatch.setattr(tolerance, "_BELOW", 0.9)
    rbm = random_rbm(12, 12, scale=2.0, seed=3)
    result = likelihood.bidirectional(rbm, tolerance=1e-9)
    assert result.n_steps > 40  # several rounds
    assert len(words) > 20 and len(set(words)) == len(words)
    assert len(set(starts)) == len(starts)


@pytest.mark.parametrize("kind", ["bernoulli", "spin"])
def test_huge_weights_have_modes_within_the_bound_of_parameters(kind):
    """Fields of single hidden units, sums of parameters, may be above it."""
    rbm = fr.RBM(np.full((6, 5), 9e29), np.full(6, 9e29), np.full(5, -9e29), visible=kind, hidden=kind)
    assert np.abs(bounds.fields_of_none(rbm)).max() + 9e29 > 1e30
    assert all(np.isfinite(mode.side.value) for mode in tolerance._modes(rbm, 0, 1))


def test_a_tiny_tolerance_is_no_error(monkeypatch):
    monkeypatch.setattr(tolerance, "_SMALL_CHAINS", FEW[0])
    monkeypatch.setattr(tolerance, "_SMALL_STEPS", FEW[1])
    rbm = random_rbm(22, 22, scale=0.1, seed=0)
    assert likelihood.bidirectional(rbm, tolerance=1e-200, seconds=0).short


def test_score_along_a_path_takes_no_betas():
    rbm = random_rbm(5, 4, seed=0)
    X = np.zeros((3, 5))
    for method in ("ais", "bidirectional"):
        with pytest.raises(ValueError, match="n_betas"):
            likelihood.score(rbm, X, method, n_betas=10, path=fr.sampling.Path(rbm, 10))
