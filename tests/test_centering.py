"""The centered gradient: its formula, what it leaves alone, and what it is for."""

import numpy as np
import pytest
from helpers import Enumerated, random_rbm

import fastrbm as fr

X = fr.datasets.load_digits()


def corrected(plain, mu, lam):
    """The centered gradient from a plain one, straight from its formula."""
    W = plain.weights - np.outer(mu, plain.hidden_bias) - np.outer(plain.visible_bias, lam)
    return W, plain.visible_bias - W @ lam, plain.hidden_bias - W.T @ mu


def close(gradient, expected, tolerance):
    parts = gradient.weights, gradient.visible_bias, gradient.hidden_bias
    return all(np.abs(a - b).max() < tolerance for a, b in zip(parts, expected, strict=True))


def estimates(rbm, weight):
    """The same estimate twice, from states or, with weights, from moments: each gradient keeps what it computes."""
    return [fr.gradient.PCD(n_chains=75, seed=2)(rbm, X[:130], weight) for _ in range(2)]


@pytest.mark.parametrize("weight", [None, np.linspace(0, 1, 130)], ids=["states", "moments"])
def test_formula(weight):
    rbm = fr.RBM.from_data(X, 21, seed=1, weight_scale=0.3)
    rng = np.random.default_rng(0)
    mu, lam = rng.random(64), rng.random(21)
    plain, other = estimates(rbm, weight)
    # float32 rounds a weight's part, of size below 3, by 1e-7 of itself; sums of 64 of them
    assert close(other.centered(mu, lam), corrected(plain, mu, lam), 2e-5)


@pytest.mark.parametrize("weight", [None, np.linspace(0, 1, 130)], ids=["states", "moments"])
def test_an_update_is_the_same_bits_whether_the_gradient_was_looked_at_or_not(weight):
    rbm = fr.RBM.from_data(X, 21, seed=1, weight_scale=0.3)
    mu, lam = np.full(64, 0.3), np.full(21, 0.6)
    unseen, seen = (g.centered(mu, lam) for g in estimates(rbm, weight))
    _ = seen.weights, seen.hidden_bias
    models = rbm.copy(), rbm.copy()
    for model, gradient in zip(models, (unseen, seen), strict=True):
        model.step(gradient, 0.1)
    for name in ("weights", "visible_bias", "hidden_bias"):
        assert np.array_equal(getattr(models[0], name), getattr(models[1], name))


def test_offsets_follow_the_data():
    rbm = fr.RBM.from_data(X, 8, seed=0)
    centering = fr.gradient.Centering(0.25)
    means = []
    for start in (0, 100, 200):
        batch = X[start : start + 100]
        centering(fr.gradient.CD()(rbm, batch))
        means.append((batch.mean(axis=0), rbm.mean_hidden(batch).mean(axis=0)))
    for offset, (a, b, c) in zip(
        (centering.visible_offset, centering.hidden_offset), zip(*means, strict=True), strict=True
    ):
        assert np.allclose(offset, 0.75 * (0.75 * a + 0.25 * b) + 0.25 * c, atol=1e-6)
    centering(fr.gradient.CD()(fr.RBM.from_data(X, 9), X[:50]))  # another shape: the offsets begin anew
    assert np.allclose(centering.visible_offset, X[:50].mean(axis=0)) and centering.hidden_offset.size == 9


def flipped(rbm):
    """The same distribution of 1 - v."""
    return fr.RBM(-rbm.weights, -rbm.visible_bias, rbm.hidden_bias + rbm.weights.sum(axis=0))


def test_negatives_are_learned_alike():
    """A centered step on data and on their negative gives two models that are negatives of each other; a plain step
    does not."""
    rbm = random_rbm(6, 4, seed=3)
    data = (np.random.default_rng(1).random((40, 6)) < 0.2).astype(np.uint8)

    def after(model, data, centered):
        gradient = fr.gradient.Exact()(model, data)
        model.step(fr.gradient.Centering()(gradient) if centered else gradient, 0.5)
        return Enumerated(model).p_v

    for centered, alike in ((True, True), (False, False)):
        there = after(rbm.copy(), data, centered)
        back = after(flipped(rbm), 1 - data, centered)[::-1]  # state number k of v is 2^V - 1 - k of 1 - v
        assert (np.abs(there - back).max() < 1e-6) == alike


def test_moments_at_the_fixed_point_are_the_data_s():
    data = fr.datasets.bars_and_stripes(2)
    rbm = fr.RBM.from_data(data, 3, seed=1, weight_scale=0.5)
    rng = np.random.default_rng(0)
    data = np.vstack([data, (rng.random((60, 4)) < 0.5).astype(np.uint8)])  # every state occurs: a finite optimum
    centering = fr.gradient.Centering()
    for _ in range(6000):
        rbm.step(centering(fr.gradient.Exact()(rbm, data)), 0.5)
    plain = fr.gradient.Exact()(rbm, data)
    # what is left of the ascent, and float32 parameters
    assert max(np.abs(plain.weights).max(), np.abs(plain.visible_bias).max(), np.abs(plain.hidden_bias).max()) < 1e-3


@pytest.mark.parametrize("optimizer", [
    "SGD(0.5, l2=0.05)", "SGD(0.5, 0.5, l2=0.05)", "SGD(0.5, l1b=0.05)", "SGD(0.5, 0.5, l1b=0.05, nesterov=True)",
    "SGD(0.5, l1=0.01)", "SGD(0.5, max_norm=0.7)", "SGD(0.5, 0.5, max_norm=0.7)", "Adam(Linear(0.02, 0), l2=0.3)",
    "Adam(Linear(0.02, 0), l1b=0.25)",
])  # fmt: skip
def test_decay_ends_where_the_penalized_likelihood_is_highest(optimizer):
    """As without centering: the model's means are those of the data, and of SGD the weights' gradient is the penalty's.
    (With decay left out of the biases' parts, means were off by 0.025, or all weights went to 0.)"""
    rng = np.random.default_rng(0)
    pairs = np.repeat((rng.random((60, 2)) < 0.8).astype(np.uint8), 2, axis=1)  # often on, two by two alike
    data = np.vstack([pairs, (rng.random((20, 4)) < 0.5).astype(np.uint8)])
    rbm, exact = fr.RBM.from_data(data, 3, seed=1, weight_scale=0.5), fr.gradient.Exact()
    moving, centering = eval(optimizer, vars(fr.optim)), fr.gradient.Centering()
    for k in range(800):
        moving.update(rbm, centering(exact(rbm, data)), k / 800)
    plain = exact(rbm, data)
    assert max(np.abs(plain.visible_bias).max(), np.abs(plain.hidden_bias).max()) < 1e-3
    if optimizer in ("SGD(0.5, l2=0.05)", "SGD(0.5, 0.5, l2=0.05)"):  # of others, weights at 0 go back and forth
        penalty = 0.05 * rbm.weights
        assert np.abs(penalty).max() > 0.01
        assert np.abs(plain.weights - penalty).max() < 1e-3


@pytest.mark.parametrize("decay", [{"l2": 0.05, "l1": 0.01}, {"l2": 0.05, "l1": 0.01, "momentum": 0.5}], ids=str)
@pytest.mark.parametrize("weight", [None, np.linspace(0, 1, 130)], ids=["states", "moments"])
def test_the_update_with_decay(decay, weight):
    """theta + 0.1 (G, db - G lambda, dc - G' mu), where G is the weights' part less their decay."""
    rbm, mu, lam = fr.RBM.from_data(X, 21, seed=1, weight_scale=0.3), np.full(64, 0.3), np.full(21, 0.6)
    plain, other = estimates(rbm, weight)
    G = corrected(plain, mu, lam)[0] - 0.05 * rbm.weights - 0.01 * np.sign(rbm.weights)
    moved = rbm.copy()
    fr.optim.SGD(0.1, **decay).update(moved, other.centered(mu, lam))
    steps = [(getattr(moved, name) - getattr(rbm, name)) / 0.1 for name in ("weights", "visible_bias", "hidden_bias")]
    # parameters below 4 are rounded by 2.4e-7, so steps by 2.4e-6, and sums of 64 of them
    for ours, theirs in zip(steps, (G, plain.visible_bias - G @ lam, plain.hidden_bias - G.T @ mu), strict=True):
        assert np.abs(ours - theirs).max() < 2e-5


@pytest.mark.parametrize("decay", [{"l2": 0.05, "l1": 0.01}, {"l1b": 0.3}, {"l2": 0.05, "momentum": 0.5}], ids=str)
@pytest.mark.parametrize("weight", [None, np.linspace(0, 1, 130)], ids=["states", "moments"])
def test_decay_is_the_same_bits_whether_the_gradient_was_looked_at_or_not(decay, weight):
    rbm = fr.RBM.from_data(X, 21, seed=1, weight_scale=0.3)
    mu, lam = np.full(64, 0.3), np.full(21, 0.6)
    unseen, seen = (g.centered(mu, lam) for g in estimates(rbm, weight))
    _ = seen.weights, seen.hidden_bias
    models = rbm.copy(), rbm.copy()
    for model, gradient in zip(models, (unseen, seen), strict=True):
        fr.optim.SGD(0.1, **decay).update(model, gradient)
    for name in ("weights", "visible_bias", "hidden_bias"):
        assert np.array_equal(getattr(models[0], name), getattr(models[1], name))


def test_an_update_whose_biases_cannot_follow_is_undone_wholly():
    """Weights that are cut move the biases, here beyond what float32 holds."""
    rbm = fr.RBM.from_data(X, 21, seed=1, weight_scale=0.3)
    gradient = estimates(rbm, None)[0].centered(np.full(64, 0.3), np.full(21, 1e39))
    before = rbm._parameters
    with pytest.raises(FloatingPointError):
        fr.optim.SGD(1e-45, max_norm=0.1).update(rbm, gradient)
    assert rbm._parameters is before


class Frozen(fr.gradient.Gradient):
    """Of a user's own: biases stay."""

    visible_bias = property(lambda self: np.zeros(64))
    hidden_bias = property(lambda self: np.zeros(21))


@pytest.mark.parametrize("optimizer", ["SGD(0.1)", "SGD(0.1, l2=0.1)", "Adam(0.01)"])
def test_a_gradient_of_a_users_own_says_how_biases_move(optimizer):
    rbm = fr.RBM.from_data(X, 21, seed=1, weight_scale=0.3)
    given = estimates(rbm, None)[0]
    frozen, before = Frozen(*given._phases), rbm.visible_bias.copy()
    eval(optimizer, vars(fr.optim)).update(rbm, frozen)
    assert np.array_equal(rbm.visible_bias, before)


def test_adam_asks_for_no_centered_biases():
    """It moves the biases of the centered model, whose gradient is the plain one."""
    rbm = fr.RBM.from_data(X, 21, seed=1, weight_scale=0.3)
    gradient = estimates(rbm, None)[0].centered(np.full(64, 0.3), np.full(21, 0.6))
    fr.optim.Adam(0.01).update(rbm, gradient)
    assert "_differences" in vars(gradient) and "_biases" not in vars(gradient)


def test_an_update_leaves_the_gradient_as_it_was():
    """Decay is the update's, not the gradient's."""
    rbm = fr.RBM.from_data(X, 21, seed=1, weight_scale=0.3)
    first, second = (g.centered(np.full(64, 0.3), np.full(21, 0.6)) for g in estimates(rbm, None))
    fr.optim.SGD(0.1, l2=0.5).update(rbm.copy(), first)
    for name in ("weights", "visible_bias", "hidden_bias"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
    models = rbm.copy(), rbm.copy()
    for model, gradient in zip(models, (first, second), strict=True):
        fr.optim.SGD(0.1).update(model, gradient)
    assert np.array_equal(models[0].visible_bias, models[1].visible_bias)


def test_constant_columns_and_dead_units_give_no_nan():
    data = X.copy()
    data[:, :8], data[:, 8:16] = 0, 1
    rbm = fr.RBM.from_data(data, 12, seed=0)
    rbm.set_parameters(hidden_bias=np.where(np.arange(12) < 3, -80.0, 0.0))  # dead: never on
    history = fr.fit(rbm, data, epochs=5, seed=0)
    for name in ("weights", "visible_bias", "hidden_bias"):
        assert np.isfinite(getattr(rbm, name)).all()
    assert np.isfinite(history["shuffled_gap"]).all()


def test_fit_centers_unless_asked_not_to():
    models = [fr.RBM.from_data(X, 8, seed=0) for _ in range(3)]
    centering = fr.gradient.Centering(0.05)
    for rbm, choice in zip(models, (True, False, centering), strict=True):
        fr.fit(rbm, X, epochs=2, centered=choice)
    assert not np.array_equal(models[0].weights, models[1].weights)
    assert centering.visible_offset.shape == (64,)


def test_bad_arguments():
    with pytest.raises(ValueError, match="rate must be between 0 and 1"):
        fr.gradient.Centering(1.5)
    with pytest.raises(TypeError, match="gradient must be a Gradient"):
        fr.gradient.Centering()(np.zeros(3))
    with pytest.raises(TypeError, match="centered must be True, False or a gradient.Centering"):
        fr.fit(fr.RBM.from_data(X, 4), X, centered=0.01)
    with pytest.raises(TypeError, match="centered must be True, False or a gradient.Centering, not None"):
        fr.fit(fr.RBM.from_data(X, 4), X, centered=None)


@pytest.mark.parametrize("given", [True, False])
def test_truths_of_numpy(given):
    weights = []
    for centered in (given, np.bool_(given)):
        rbm = fr.RBM.from_data(X, 4, seed=1)
        fr.fit(rbm, X, epochs=1, centered=centered)
        weights.append(rbm.weights)
    assert np.array_equal(*weights)
