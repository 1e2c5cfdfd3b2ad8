"""Every estimator of the gradient, on models that can be enumerated: its mean is zero where the model is the data's
distribution, and where it leads, the model's exact moments are the data's."""

import numpy as np
import pytest
from helpers import Enumerated, all_states, random_rbm

import fastrbm as fr
from fastrbm.gradient import fast_pcd

RBM = random_rbm(5, 4, scale=0.8, seed=11)
EXACT = Enumerated(RBM)
STATES = all_states(5)
WEIGHT = EXACT.p_v * 32  # weighted so, the 32 states are the model's own distribution

ESTIMATORS = {
    "CD": lambda seed, n: fr.gradient.CD(n_sweeps=1, seed=seed),
    "PCD": lambda seed, n: fr.gradient.PCD(n, n_sweeps=1, seed=seed),
    "Tempered": lambda seed, n: fr.gradient.Tempered(n, n_betas=3, seed=seed),
    "FastPCD": lambda seed, n: fr.gradient.FastPCD(n, rate=0.01, seed=seed),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_mean_is_zero_at_the_model_itself(name):
    """The mean over independent estimators, each after its burn-in, is within 5 standard errors of 0 in every
    component (29 of them), and these errors are small."""
    values = []
    for seed in range(40):
        estimator = ESTIMATORS[name](seed, 500)
        parts = []
        for call in range(40):
            g = estimator(RBM, STATES, sample_weight=WEIGHT)
            if call >= 20:
                parts.append(np.concatenate([g.weights.ravel(), g.visible_bias, g.hidden_bias]))
        values.append(np.mean(parts, axis=0))
    values = np.array(values)
    errors = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    # weights of 2^-22 of the largest round the data's distribution: up to 2^-23 x 32 of its sum
    assert (np.abs(values.mean(axis=0)) < 5 * errors + 4e-6).all()
    assert errors.max() < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", ["PCD", "Tempered", "FastPCD"])
@pytest.mark.parametrize("centering", [True, False])
def test_moments_at_the_fixed_point_are_the_data_s(name, centering):
    X = random_rbm(6, 3, scale=1.0, seed=4).sample(400, n_sweeps=100, seed=5)
    rbm = random_rbm(6, 4, seed=9)
    n = 1000
    start = fr.gradient.Exact()(rbm, X)
    fr.fit(
        rbm, X, ESTIMATORS[name](1, n), fr.optim.SGD(fr.optim.Linear(0.4)), epochs=1500, batch_size=400,
        centered=centering,
    )  # fmt: skip
    g = fr.gradient.Exact()(rbm, X)  # data's exact moments minus the model's
    # a moment over n chains has a standard deviation of at most 1/2 / sqrt(n); a rate that falls to 0 averages further
    allowed = 4 * 0.5 / np.sqrt(n)
    for part in (g.weights, g.visible_bias, g.hidden_bias):
        assert np.abs(part).max() < allowed
    assert np.abs(start.weights).max() > allowed  # it was not there from the start


def test_fast_weights_of_rate_0_are_pcd(monkeypatch):
    pcd = fr.gradient.pcd._TrainingChains
    monkeypatch.setattr(fast_pcd._FastChains, "_stream", pcd._stream)
    monkeypatch.setattr(fast_pcd._FastChains, "_start_stream", pcd._start_stream)
    X = fr.datasets.load_digits()[:200]
    models = []
    for gradient in (fr.gradient.FastPCD(50, rate=0.0, seed=3), fr.gradient.PCD(50, seed=3)):
        rbm = fr.RBM.from_data(X, 20, seed=0)
        fr.fit(rbm, X, gradient, epochs=5, batch_size=64)
        models.append(rbm)
    assert np.array_equal(models[0].weights, models[1].weights)
    assert np.array_equal(models[0].hidden_bias, models[1].hidden_bias)


def test_fast_weights_follow_their_formula():
    X = fr.datasets.load_digits()[:100]
    rbm = fr.RBM.from_data(X, 70, seed=0)
    fast = fr.gradient.FastPCD(30, rate=0.25, decay=0.5, seed=1)
    first, second = fast(rbm, X), fast(rbm, X)
    # the chains of the second call saw theta + rate g1
    seen = fast.chains.rbm
    assert np.allclose(seen.weights, rbm.weights + 0.25 * first.weights, atol=1e-6)
    assert np.allclose(seen.hidden_bias, rbm.hidden_bias + 0.25 * first.hidden_bias, atol=1e-6)
    fast(rbm, X)
    assert np.allclose(seen.weights, rbm.weights + 0.125 * first.weights + 0.25 * second.weights, atol=1e-6)
    fast(rbm.copy(), X)  # another model: new chains, no fast weights
    assert fast.chains.n_sweeps_done == 1 and np.array_equal(fast.chains.rbm.weights, rbm.weights)


def test_fast_weights_mix_better():
    """What they are for: between two modes that plain chains do not leave, chains that are driven do cross."""
    rbm = fr.RBM(np.full((12, 1), 8.0), np.full(12, -4.0), [-48.0])  # all on or all off, each with probability 1/2
    X = np.repeat([[0], [1]], [30, 70], axis=0) * np.ones((1, 12))
    crossed = []
    for gradient in (fr.gradient.FastPCD(200, rate=0.5, seed=1), fr.gradient.PCD(200, seed=1)):
        gradient(rbm, X)
        before = gradient.chains.visible.sum(axis=1) > 6
        for _ in range(100):
            gradient(rbm, X)
        crossed.append(float(((gradient.chains.visible.sum(axis=1) > 6) != before).mean()))
    assert crossed[0] > 0.1 > crossed[1]


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("n_threads", [2, 3, 7])
def test_threads_change_nothing(name, n_threads):
    X = np.random.default_rng(0).integers(0, 2, (50, 70))
    results = []
    for threads in (1, n_threads):
        rbm = random_rbm(70, 65, scale=0.1, seed=1)
        estimator = ESTIMATORS[name](3, 40)
        for _ in range(3):
            rbm.step(estimator(rbm, X, n_threads=threads), 0.1, n_threads=threads)
        results.append(rbm.weights)
    assert np.array_equal(*results)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"n_chains": 0}, "n_chains must be at least 1"),
        ({"n_sweeps": 0}, "n_sweeps must be at least 1"),
        ({"rate": -1.0}, "rate must be finite and at least 0"),
        ({"decay": 1.5}, "decay must be between 0 and 1"),
        ({"decay": 1.0}, "decay must be below 1"),
        ({"seed": 2**64}, "seed must be an integer from 0 to"),
    ],
)
def test_bad_fast_weights(options, message):
    with pytest.raises(ValueError, match=message):
        fr.gradient.FastPCD(**options)
