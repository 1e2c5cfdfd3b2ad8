"""Statistics at the edges: starts at a temperature, intervals that hold their value, a grid that is too coarse."""

import math
import warnings

import numpy as np
import pytest
from helpers import all_states, joint_energies, logsumexp, random_rbm, state_numbers

import fastrbm as fr
from fastrbm.likelihood import Bidirectional, LogPartition, Score

BETA, N = 0.5, 200_000


def at_beta(rbm, beta):
    """P(v) of exp(-beta E), (2^V,), and that of p(h | v) at this beta, (2^V, 2^H)."""
    W, b, c = (np.asarray(a, np.float64) for a in (rbm.weights, rbm.visible_bias, rbm.hidden_bias))
    energies = -beta * joint_energies(W, b, c)
    joint = np.exp(energies - logsumexp(energies.reshape(-1)))
    return joint.sum(axis=1), joint


def distance(states, p):
    """Total variation from p, and what the Monte Carlo noise of so many draws explains: its mean and four deviations.
    sum_k |count_k / n - p_k| / 2 has a mean of at most sum_k sqrt(p_k / n) / 2, and moves by 1/n with a draw, so that
    its deviation is at most 1 / (2 sqrt n) (Efron & Stein)."""
    found = np.bincount(state_numbers(states), minlength=len(p)) / len(states)
    floor = np.sqrt(p / len(states)).sum() / 2 + 4 / (2 * math.sqrt(len(states)))
    return np.abs(found - p).sum() / 2, floor


RBM = random_rbm(4, 3, scale=1.5, seed=3)


def exact_start():
    p, _ = at_beta(RBM, BETA)
    return all_states(4)[np.random.default_rng(0).choice(16, N, p=p)]


def chains_of(kind, start, n_sweeps):
    if kind == "chains":
        chains = fr.Chains(RBM, N, seed=1, start=start, beta=BETA)
        chains.sweep(n_sweeps)
        return chains.visible, chains.hidden
    if kind == "an array of betas":
        chains = fr.Chains(RBM, N, seed=1, start=start, beta=np.full(N, BETA))
        chains.sweep(n_sweeps)
        return chains.visible, chains.hidden
    chains = fr.TemperedChains(RBM, N, 2, betas=[1.0, BETA], seed=1, start=start)
    if n_sweeps:  # without swaps: the hotter half alone
        chains._swap = lambda n_threads: None
        chains.sweep(n_sweeps)
    return chains._visible[N:].to_states(), chains._hidden[N:].to_states()


@pytest.mark.parametrize("n_sweeps", [0, 1])
@pytest.mark.parametrize("kind", ["chains", "an array of betas", "tempered"])
def test_chains_that_start_at_their_temperature_stay_there(kind, n_sweeps):
    """From exact draws of v, (v, h) follows exp(-beta E) at once and after a sweep."""
    _, joint = at_beta(RBM, BETA)
    visible, hidden = chains_of(kind, exact_start(), n_sweeps)
    tv, floor = distance(np.concatenate([visible, hidden], axis=1), joint.T.reshape(-1))
    assert tv < floor


def test_samples_that_start_at_a_temperature():
    p, _ = at_beta(RBM, BETA)
    start = exact_start()
    tv, floor = distance(RBM.sample(N, n_sweeps=1, seed=2, start=start, beta=BETA), p)
    assert tv < floor
    tv, floor = distance(RBM.sample(N, n_sweeps=1, seed=2, start=start), p)  # another temperature: the test can tell
    assert tv > floor


def test_clamped_chains_that_start_at_a_temperature():
    """Given v_0 = 1 and h_0 = 1 the rest follows its conditional distribution."""
    _, joint = at_beta(RBM, BETA)
    given = joint.copy()
    given[all_states(4)[:, 0] == 0] = 0.0
    given[:, all_states(3)[:, 0] == 0] = 0.0
    given /= given.sum()
    start = all_states(4)[np.random.default_rng(0).choice(16, N, p=given.sum(axis=1))]
    nan = math.nan
    chains = fr.Chains(RBM, N, seed=1, start=start, beta=BETA, clamp=[1, nan, nan, nan], clamp_hidden=[1, nan, nan])
    for _ in range(2):
        states = np.concatenate([chains.visible, chains.hidden], axis=1)
        tv, floor = distance(states, given.T.reshape(-1))
        assert tv < floor
        chains.sweep(1)


# ---------------------------------------------------------------- intervals


def test_an_exact_score_is_in_its_interval():
    X = fr.datasets.load_digits()
    for seed in range(20):
        rbm = random_rbm(64, 6, seed=seed)
        score = fr.likelihood.score(rbm, X[: 50 + 7 * seed])
        assert score.lower == score.mean == score.upper
        assert "log Z exact" in str(score)
        assert score.mean == pytest.approx(score.per_example.mean(), rel=1e-12)


@pytest.mark.parametrize("n_chains", [1, 2, 12])
def test_every_estimate_is_in_its_interval(n_chains):
    X = fr.datasets.load_digits()[:50]
    for seed in range(4):
        rbm = random_rbm(64, 30, scale=0.2 + 0.3 * seed, seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for method in ("ais", "bidirectional"):
                score = fr.likelihood.score(rbm, X, method, n_chains, 20)
                z = score.log_partition
                assert score.lower <= score.mean <= score.upper and z.lower <= z.value <= z.upper


def test_an_interval_holds_its_value_whatever_the_ends():
    value = 1.0
    z = LogPartition(value, value + 1e-9, value - 1e-9, "exact")
    assert (z.lower, z.value, z.upper) == (value, value, value)
    both = Bidirectional(value, 2.0, 3.0, z, z, z, True)
    assert (both.lower, both.upper) == (1.0, 3.0)
    score = Score(np.zeros(2), -1.0, 0.0, -0.5, -2.0, z)
    assert (score.lower, score.mean, score.upper) == (-1.0, -1.0, -1.0)


# ---------------------------------------------------------------- the grid


@pytest.mark.parametrize("largest, off", [(1e8, True), (1e10, True), (1e6, True), (1e4, False), (1.0, False)])
def test_a_grid_that_is_too_coarse_is_reported_once(largest, off):
    rng = np.random.default_rng(0)
    weights, v = rng.normal(0, 0.3, (64, 16)), rng.integers(0, 2, (40, 64))
    weights[3, 4] = largest
    rbm = fr.RBM(weights)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        free = rbm.free_energy(v)
        rbm.free_energy(v)
    assert len(caught) == off
    W = np.float64(rbm.weights)
    error = np.abs(free + np.logaddexp(0, v @ W).sum(axis=1)).max()
    assert (error > 1e-3) == off
    if off:
        assert caught[0].filename == __file__ and f"weights of up to {largest:.3g} " in str(caught[0].message)
        with pytest.warns(UserWarning, match="free energies of this model are off by up to"):
            fr.likelihood.score(fr.RBM(weights), v)


def test_trained_models_have_a_fine_grid():
    rbm = random_rbm(784, 500, scale=0.14)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rbm.free_energy(np.random.default_rng(0).integers(0, 2, (20, 784)))
