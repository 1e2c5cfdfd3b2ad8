"""Weights of examples weigh, whatever the batches: what is learned has the weighted moments."""

import math

import numpy as np
import pytest
from helpers import Enumerated

import fastrbm as fr
from fastrbm.gradient.weighted import weighted_gradient

# 500 zeros of weight 1, 500 ones of weight 9: P(v = 1) = 0.9
X = np.repeat([[0], [1]], 500, axis=0).astype(np.uint8)
WEIGHT = np.repeat([1.0, 9.0], 500)
P = 0.9
RATE = 1.0
BATCHES = [1, 2, 10, 128, 1000]
ESTIMATORS = {
    "exact": lambda: fr.gradient.Exact(),
    "cd": lambda: fr.gradient.CD(),
    "pcd": lambda: fr.gradient.PCD(64),
    "fast": lambda: fr.gradient.FastPCD(64),
    "tempered": lambda: fr.gradient.Tempered(64, 2),
}


def learned(rbm):
    return float(Enumerated(rbm).p_v[1])


def tolerance(batch_size, n_updates, n_chains=math.inf):
    """4 standard errors of P(v = 1) after n_updates at a rate that falls linearly from RATE to 0.

    An update's noise has variance s = 0.18^2 / batch + <r^2> p (1 - p) / chains: r (v - p) is 1.8 * 0.1 or -0.2 * 0.9.
    What it leaves in the bias: s integral (RATE u / N)^2 exp(-h RATE u^2 / N) du over the u updates that are left, with
    h = p (1 - p): s sqrt(pi) / 4 sqrt(RATE / N) h^-3/2. The weight and the hidden bias move the same logit: at most
    twice the rate."""
    h = P * (1 - P)
    noise = (0.18**2 / batch_size if batch_size < len(X) else 0.0) + 1.64 * h / n_chains
    spread = math.sqrt(noise * math.sqrt(math.pi) / 4 * math.sqrt(2 * RATE / n_updates) * h**-1.5)
    return 4 * h * spread + 2e-3  # the second term: what is left of the start, and the curvature of the logit


def trained(estimator, batch_size, n_updates, centered=True, **options):
    rbm = fr.RBM(np.zeros((1, 1)))
    epochs = -(-n_updates // -(-len(X) // batch_size))
    rate = fr.optim.SGD(fr.optim.Linear(RATE, 0.0))
    options = {"sample_weight": WEIGHT} | options
    fr.fit(rbm, X, estimator, rate, epochs, batch_size, centered=centered, n_threads=1, **options)
    return rbm


@pytest.mark.parametrize("batch_size", [1, 2, 8, 32, 128, 1000])
def test_weights_act_between_batches_too(batch_size):
    assert abs(learned(trained(fr.gradient.Exact(), batch_size, 500)) - P) < tolerance(batch_size, 500)


@pytest.mark.slow
@pytest.mark.parametrize("centering", [True, False], ids=["centered", "plain"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_learns_the_weighted_mean(name, centering):
    for batch_size in BATCHES:
        chains = math.inf if name == "exact" else batch_size if name == "cd" else 64
        p = learned(trained(ESTIMATORS[name](), batch_size, 300, centering))
        assert abs(p - P) < tolerance(batch_size, 300, chains), batch_size


class Mine:
    """A user's estimator, whose gradient is any object with the three arrays."""

    def __call__(self, rbm, X, sample_weight=None, n_threads=None):
        g = fr.gradient.Exact()(rbm, X, sample_weight)
        return type("Arrays", (), {"weights": g.weights, "visible_bias": g.visible_bias, "hidden_bias": g.hidden_bias})


def test_a_users_estimator_and_other_optimizers():
    assert abs(learned(trained(Mine(), 2, 500, centered=False)) - P) < tolerance(2, 500)
    rbm = fr.RBM(np.zeros((1, 1)))
    momentum = fr.optim.SGD(fr.optim.Linear(RATE / 2, 0.0), momentum=0.5)  # the same rate in the long run
    fr.fit(rbm, X, fr.gradient.Exact(), momentum, 1, 2, sample_weight=WEIGHT)
    assert abs(learned(rbm) - P) < tolerance(2, 500)


@pytest.mark.parametrize("n_hidden", [2, 5])
def test_pairs_and_hidden_units_are_weighted_alike(n_hidden):
    """The exact gradient of the weighted log-likelihood vanishes where a training by batches of 5 ends; without the
    weights it does not."""
    rng = np.random.default_rng(0)
    data = (rng.random((200, 3)) < 0.5).astype(np.uint8)
    weight = np.where(data.sum(axis=1) > 1, 4.0, 1.0) * np.where(data[:, 0] == data[:, 1], 3.0, 1.0)
    rbm = fr.RBM.from_data(data, n_hidden, seed=0, weight_scale=0.3, sample_weight=weight)
    fr.fit(rbm, data, fr.gradient.Exact(), fr.optim.SGD(fr.optim.Linear(0.5, 0.0)), 30, 5, sample_weight=weight)
    left, unweighted = fr.gradient.Exact()(rbm, data, weight), fr.gradient.Exact()(rbm, data)
    size = max(np.abs(part).max() for part in (left.weights, left.visible_bias, left.hidden_bias))
    # the noise that the last updates leave in a moment: below sqrt(rate * variance / batch) of the last tenth
    assert size < 4 * math.sqrt(0.025 * 0.25 * 2 / 5) / 4 and size < 0.25 * np.abs(unweighted.weights).max()


def test_weight_two_is_a_row_given_twice():
    """With all rows in a batch and the exact gradient: the same but for rounding."""
    data = fr.datasets.bars_and_stripes(2)
    weight = np.arange(len(data)) % 2 + 1
    a, b = (fr.RBM.from_data(data, 4, seed=0) for _ in range(2))
    rate = fr.optim.SGD(0.5, l2=0.01)
    fr.fit(a, data, fr.gradient.Exact(), rate, 100, 1000, sample_weight=weight)
    fr.fit(b, np.repeat(data, weight, axis=0), fr.gradient.Exact(), rate, 100, 1000)
    assert np.allclose(a.weights, b.weights, rtol=0, atol=1e-4)
    twice = np.repeat(data, weight, axis=0)
    c, d = fr.RBM.from_data(data, 4, sample_weight=weight), fr.RBM.from_data(twice, 4)
    assert np.array_equal(c.visible_bias, d.visible_bias)


def test_only_the_proportions_of_weights_matter():
    a, b = trained(fr.gradient.PCD(8), 10, 200), trained(fr.gradient.PCD(8), 10, 200, sample_weight=WEIGHT * 4)
    assert np.array_equal(a.weights, b.weights) and np.array_equal(a.visible_bias, b.visible_bias)


@pytest.mark.parametrize("offsets", [False, True])
def test_a_scaled_gradient_is_scaled_in_all_its_parts(offsets):
    """By states, by moments, centered or not; and an update by it is an update at the rate times the factor."""
    data = fr.datasets.load_digits()[:100]
    rbm = fr.RBM.from_data(data, 20, seed=0)
    for weight in (None, np.arange(100.0)):
        g = fr.gradient.PCD(30)(rbm, data, weight)
        if offsets:
            g = g.centered(data.mean(axis=0), np.full(20, 0.4))
        for s in (g.scaled(2.0), g.scaled(4.0).scaled(0.5)):
            for name in ("weights", "visible_bias", "hidden_bias"):
                assert np.array_equal(getattr(s, name), 2 * getattr(g, name))
        moved, other = rbm.copy(), rbm.copy()
        moved.step(g.scaled(2.0), 0.125)
        other.step(g, 0.25)
        assert np.array_equal(moved.weights, other.weights)
        assert np.array_equal(moved.hidden_bias, other.hidden_bias)
    with pytest.raises(ValueError, match="factor must be finite"):
        g.scaled(math.nan)


def test_offsets_follow_weighted_means():
    centering = fr.gradient.Centering(rate=0.01)
    trained(fr.gradient.Exact(), 1, 1000, centering)
    # a moving average over about 100 updates of r v, r = 1.8 for ones
    error = 4 * math.sqrt(0.01 / 2 * 0.18**2)
    assert abs(centering.visible_offset[0] - P) < error


def test_measurements_are_weighted():
    """Of data of weight 0 nothing is seen."""
    data = np.repeat([[0, 0, 1, 1], [1, 1, 0, 0]], 300, axis=0).astype(np.uint8)
    weight = np.repeat([1.0, 0.0], 300)
    seen = []

    class Look:
        columns, every = ("x",), 1

        def __call__(self, snapshot):
            seen.append(snapshot.examples.to_states().mean(axis=0).tolist())
            return {"x": 0.0}

    fr.fit(fr.RBM(np.zeros((4, 2))), data, epochs=1, sample_weight=weight, metrics=Look())
    assert seen == [[0, 0, 1, 1]]


def test_from_data_takes_weights():
    b = fr.RBM.from_data(X, 3, sample_weight=WEIGHT).visible_bias[0]
    assert b == pytest.approx(math.log((4500 + 0.5) / (500 + 0.5)), rel=1e-6)
    small = fr.RBM.from_data(X, 3, sample_weight=WEIGHT / WEIGHT.sum()).visible_bias[0]  # as 1,000 rows
    assert small == pytest.approx(math.log((900 + 0.5) / (100 + 0.5)), rel=1e-5)
    half = fr.RBM.from_data(X * 0.5, 3, sample_weight=WEIGHT).visible_bias[0]
    assert half == pytest.approx(math.log((2250 + 0.5) / (2750 + 0.5)), rel=1e-5)
    with pytest.raises(ValueError, match="sample_weight must have shape"):
        fr.RBM.from_data(X, 3, sample_weight=[1.0])
    with pytest.raises(ValueError, match="sample_weight needs X to be an array"):
        fr.RBM.from_data(
            type("B", (), {"__iter__": lambda s: iter([X]), "__len__": lambda s: 1})(), 3, sample_weight=WEIGHT
        )


# ---------------------------------------------------------------- the scikit-learn class


def estimator(batch_size, n_iter=1, centered=False):
    pytest.importorskip("sklearn")
    from fastrbm.sklearn import BernoulliRBM

    return BernoulliRBM(1, learning_rate=0.05, batch_size=batch_size, n_iter=n_iter, n_chains=64, random_state=0,
                        centered=centered, n_jobs=1)  # fmt: skip


def stationary(batch_size):
    """4 standard errors at a constant rate: the bias's variance is rate s / 2h, with rows drawn by weight."""
    h = P * (1 - P)
    noise = h / batch_size + h / 64
    return 4 * h * math.sqrt(2 * 0.05 * noise / (2 * h)) + 2e-3


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("batch_size", [1, 2, 10, 128, 5000])
def test_scikit_learn_fit_draws_rows_by_weight(batch_size, centered):
    model = estimator(batch_size, max(1, 1000 * batch_size // 5000), centered).fit(X, sample_weight=WEIGHT)
    assert abs(learned(model.rbm_) - P) < stationary(batch_size)


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("batch_size", [1, 2, 10, 128])
def test_scikit_learn_partial_fit_weighs_calls_against_each_other(batch_size, centered):
    """The relative weight of a call is that to all before it; its first ones are forgotten."""
    model, rng = estimator(batch_size, centered=centered), np.random.default_rng(0)
    for _ in range(700):  # the first logit, 2.2 off, is forgotten to 2.2 exp(-700 * 0.1 * 0.09): 4e-4 of P
        rows = rng.integers(0, len(X), batch_size)
        model.partial_fit(X[rows], sample_weight=WEIGHT[rows])
    noise = 0.18**2 / batch_size + 1.64 * 0.09 / 64
    assert abs(learned(model.rbm_) - P) < 4 * 0.09 * math.sqrt(2 * 0.05 * noise / (2 * 0.09)) + 5e-3


def test_fast_weights_learn_from_the_scaled_gradient():
    """phi after one call is rate times the gradient that the model gets."""
    data = fr.datasets.load_digits()[:50]
    rbm, weight = fr.RBM.from_data(data, 5, seed=0), np.full(50, 3.0)
    plain, scaled = fr.gradient.FastPCD(20, rate=0.1), fr.gradient.FastPCD(20, rate=0.1)
    plain(rbm, data, weight)
    g = weighted_gradient(scaled, rbm, data, weight, 1.0)
    assert g.scale == 3.0
    for ours, theirs, part in zip(scaled._fast[1:], plain._fast[1:], (g.visible_bias, g.hidden_bias), strict=True):
        assert np.allclose(ours, 3 * theirs, rtol=1e-6) and np.allclose(ours, 0.1 * part, rtol=1e-6)
