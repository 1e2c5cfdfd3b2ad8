"""Units that are clamped: samples follow the exact conditional distribution, and nothing that is clamped moves."""

import numpy as np
import pytest
from helpers import Enumerated, random_rbm, state_numbers

import fastrbm as fr

NAN = np.nan
N = 50_000
RBM = random_rbm(7, 5, scale=0.8, seed=4)


def total_variation_over_floor(states, p):
    """Of samples against an exact distribution: the distance over its expected value for exact samples, at most."""
    counts = np.bincount(state_numbers(states), minlength=len(p))
    return np.abs(counts / len(states) - p).sum() / np.sqrt(p * (1 - p) / len(states)).sum()


def distribution(clamped=(), hidden=()):
    """p(v | clamped units), by enumeration: clamped and hidden are (unit, value) pairs."""
    exact = Enumerated(RBM)
    p = exact.p.copy()
    for unit, value in clamped:
        p[exact.v[:, unit] != value, :] = 0
    for unit, value in hidden:
        p[:, exact.h[:, unit] != value] = 0
    return p.sum(axis=1) / p.sum()


def clamp_of(pairs, n_units):
    clamp = np.full(n_units, NAN)
    for unit, value in pairs:
        clamp[unit] = value
    return clamp


CASES = [
    ([(0, 1), (3, 0)], []),
    ([(6, 1)], [(2, 0), (4, 1)]),
    ([], [(0, 1)]),
    ([(k, k % 2) for k in range(6)], []),
]


@pytest.mark.parametrize("clamped, hidden", CASES)
def test_samples_follow_the_conditional_distribution(clamped, hidden):
    p = distribution(clamped, hidden)
    clamps = {"clamp": clamp_of(clamped, 7), "clamp_hidden": clamp_of(hidden, 5)}
    samples = RBM.sample(N, n_sweeps=60, seed=2, **clamps)
    assert total_variation_over_floor(samples, p) < 4
    for unit, value in clamped:
        assert (samples[:, unit] == value).all()


def test_samples_that_ignored_the_clamp_would_fail():
    """The same distance tells the unconditional distribution, and a clamp that is written only at the end, from the
    right one."""
    clamped = CASES[0][0]
    free = RBM.sample(N, n_sweeps=60, seed=2, method="gibbs")
    late = free.copy()
    for unit, value in clamped:
        late[:, unit] = value
    assert total_variation_over_floor(free, distribution(clamped)) > 4
    assert total_variation_over_floor(late, distribution(clamped)) > 4


def test_inpainting_follows_the_distribution_of_each_example():
    """Three patterns of missing units in turns, each sampled at once with the others."""
    patterns = [{0: 1, 3: 0}, {6: 1, 5: 1, 4: 0, 1: 1}, {}]
    X = np.stack([clamp_of(pattern.items(), 7) for pattern in patterns] * N)
    filled = RBM.inpaint(X, n_sweeps=60, seed=1)
    assert filled.dtype == np.uint8 and filled.shape == X.shape
    known = ~np.isnan(X)
    assert np.array_equal(filled[known], X[known])
    for k, pattern in enumerate(patterns):
        assert total_variation_over_floor(filled[k::3], distribution(pattern.items())) < 4


@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
def test_the_same_bits_for_any_number_of_threads(n_threads):
    rbm = random_rbm(130, 70, seed=1)
    rng = np.random.default_rng(0)
    X = np.where(rng.random((500, 130)) < 0.5, NAN, rng.integers(0, 2, (500, 130)))
    assert np.array_equal(rbm.inpaint(X, 5, n_threads=n_threads), rbm.inpaint(X, 5, n_threads=1))


def test_many_sweeps_in_one_call_of_cold_chains():
    """Long calls keep sums and add flips; chains that sweep by sweep come to the same."""
    rbm = random_rbm(200, 100, scale=0.3, seed=3)
    clamp = np.where(np.arange(200) % 3 == 0, 1.0, NAN)
    hidden = np.where(np.arange(100) % 4 == 0, 0.0, NAN)
    whole, single = (fr.Chains(rbm, 300, seed=5, clamp=clamp, clamp_hidden=hidden) for _ in range(2))
    whole.sweep(12)
    for _ in range(12):
        single.sweep(1)
    assert np.array_equal(whole.visible, single.visible) and np.array_equal(whole.hidden, single.hidden)
    assert (whole.visible[:, ::3] == 1).all() and (whole.hidden[:, ::4] == 0).all()
    assert 0 < whole.visible[:, 1::3].mean() < 1


def test_chains_start_at_what_is_clamped():
    chains = fr.Chains(
        RBM, 4, clamp=[1, 0, NAN, NAN, NAN, NAN, 1], clamp_hidden=[NAN, NAN, 1, 0, NAN], start=[[1] * 7] * 4
    )
    assert (chains.visible[:, [0, 1, 2, 6]] == [1, 0, 1, 1]).all() and (chains.hidden[:, 2:4] == [1, 0]).all()
    with pytest.raises(ValueError, match="all units free"):
        fr.gradient.PCD(4).chains = chains


def test_a_state_given_to_clamped_chains_is_clamped():
    one, two = (fr.Chains(RBM, 3, clamp=[value] * 2 + [NAN] * 5) for value in (0, 1))
    two.set_state(one.get_state())
    assert (two.visible[:, :2] == 1).all()


def test_masked_units_are_missing():
    X = np.ma.masked_array(np.zeros((2000, 7), int), mask=np.tile(np.arange(7) < 2, (2000, 1)))
    assert 0 < RBM.inpaint(X, 20)[:, :2].mean() < 1
    assert (RBM.inpaint(X, 20)[:, 2:] == 0).all()
    one = np.ma.masked_array(np.ones(7), mask=np.arange(7) < 2)
    assert 0 < RBM.sample(2000, 20, clamp=one)[:, :2].mean() < 1


def test_extremes():
    everything = RBM.sample(3, 5, clamp=np.ones(7))
    assert (everything == 1).all()
    nothing = RBM.sample(3, 5, seed=1, clamp=np.full((3, 7), NAN))
    assert np.array_equal(nothing, RBM.sample(3, 5, seed=1, method="gibbs"))
    assert RBM.inpaint(np.empty((0, 7))).shape == (0, 7)
    assert RBM.sample(0, clamp=np.full((0, 7), NAN)).shape == (0, 7)
    complete = np.array([[0, 1, 1, 0, 1, 0, 0]])
    assert np.array_equal(RBM.inpaint(complete), complete)  # integers: nothing is missing
    assert np.array_equal(RBM.inpaint(complete.astype(bool), 0), complete)
    assert random_rbm(1, 1).inpaint([[NAN]] * 3).shape == (3, 1)
    reversed_view = np.array([[NAN, 1, 0, NAN, 1, 0, NAN]], np.float32)[:, ::-1]
    assert np.array_equal(RBM.inpaint(reversed_view)[0, [1, 2, 4, 5]], [0, 1, 0, 1])


@pytest.mark.parametrize(
    "value, message",
    [
        (np.ones(6), r"clamp must have shape \(7,\) or \(3, 7\), got \(6,\)"),
        (np.ones((3, 6)), "clamp has 6 units per example where the model has 7"),
        (np.ones((2, 7)), r"clamp must have shape \(7,\) or \(3, 7\), got \(2, 7\)"),
        (np.full(7, 0.5), r"clamp must hold 0, 1, or NaN \(free\); clamp.* is 0.5"),
        (np.full(7, np.inf), "clamp must hold 0, 1, or NaN"),
        (["a"] * 7, "clamp must be an array of numbers"),
    ],
)
def test_what_cannot_be_clamped(value, message):
    with pytest.raises((ValueError, TypeError), match=message):
        RBM.sample(3, clamp=value)


def test_what_cannot_be_filled_in():
    with pytest.raises(ValueError, match="X must have two dimensions"):
        RBM.inpaint([NAN] * 7)
    with pytest.raises(ValueError, match="X has 9 units per example where the model has 7; it has 7 rows: take X.T$"):
        RBM.inpaint(np.ones((7, 9)))
    with pytest.raises(ValueError, match="X has 6 units per example where the model has 7$"):
        RBM.inpaint([[NAN] * 6])
    with pytest.raises(ValueError, match="clamp_hidden must have shape"):
        RBM.sample(3, clamp_hidden=[1])


def test_reconstruct():
    v = Enumerated(RBM).v[:40]
    expected = RBM.mean_visible(RBM.sample_hidden(v, seed=3))
    assert np.array_equal(RBM.reconstruct(v, seed=3), expected) and expected.dtype == np.float32
    many = np.mean([RBM.reconstruct(v, seed=seed) for seed in range(4000)], axis=0)
    exact = Enumerated(RBM)
    numbers = state_numbers(v.astype(np.uint8))
    hidden_distribution = exact.p[numbers] / exact.p_v[numbers][:, None]
    visible_mean = exact.p.T @ exact.v / exact.p.sum(axis=0)[:, None]
    # means of 4,000 draws of numbers from 0 to 1: 5 standard errors of at most 1/2 each
    assert np.abs(many - hidden_distribution @ visible_mean).max() < 5 * 0.5 / np.sqrt(4000)
