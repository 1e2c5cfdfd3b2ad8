"""From a gradient to new parameters: what an update accepts, keeps and leaves alone."""

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

import fastrbm as fr

X = fr.datasets.load_digits()


def plain(weights, visible_bias, hidden_bias):
    return SimpleNamespace(weights=weights, visible_bias=visible_bias, hidden_bias=hidden_bias)


@pytest.mark.parametrize("shape", [(3, 2), (64, 1), (300, 64), (60, 290), (64, 320), (64,)])
def test_weights_of_a_wrong_shape_are_refused(shape):
    rbm = fr.RBM.from_data(X, 300)
    before = rbm.weights.copy()
    for step in (lambda g: rbm.step(g, 0.1), lambda g: fr.optim.SGD(0.1).update(rbm, g)):
        with pytest.raises(ValueError, match=r"gradient.weights must have shape \(64, 300\)"):
            step(plain(np.ones(shape), np.zeros(64), np.zeros(300)))
    with pytest.raises(ValueError, match=r"gradient.visible_bias must have shape \(64,\)"):
        rbm.step(plain(np.ones((64, 300)), np.zeros((64, 1)), np.zeros(300)), 0.1)
    with pytest.raises(ValueError, match="gradient must be of RBM"):
        rbm.step(fr.gradient.CD()(fr.RBM.from_data(X, 299), X[:10]), 0.1)
    assert np.array_equal(rbm.weights, before)


def test_a_step_along_arrays_is_the_addition_of_them():
    rng = np.random.default_rng(0)
    rbm = fr.RBM.from_data(X, 50, seed=1)
    parts = [rng.normal(0, 1, shape).astype(np.float32) for shape in ((64, 50), (64,), (50,))]
    added, stepped = rbm.copy(), rbm.copy()
    added.add(*parts, rate=0.3)
    stepped.step(plain(*parts), 0.3)
    for name in ("weights", "visible_bias", "hidden_bias"):
        assert np.array_equal(getattr(added, name), getattr(stepped, name))


@pytest.mark.parametrize(
    "first, second", [((60, 20), (61, 20)), ((60, 20), (60, 21)), ((1, 4), (5, 4)), ((5, 4), (1, 4))]
)
def test_velocity_is_of_one_shape(first, second):
    rng = np.random.default_rng(0)
    used, fresh = (fr.optim.SGD(0.1, momentum=0.5) for _ in range(2))

    def gradient(shape):
        return plain(rng.normal(0, 1, shape), rng.normal(0, 1, shape[0]), rng.normal(0, 1, shape[1]))

    used.update(fr.RBM(np.zeros(first)), gradient(first))
    models, direction = [fr.RBM(np.zeros(second)) for _ in range(2)], gradient(second)
    for sgd, rbm in zip((used, fresh), models, strict=True):
        sgd.update(rbm, direction)
    assert np.array_equal(models[0].weights, models[1].weights)
    assert np.array_equal(models[0].visible_bias, models[1].visible_bias)


@pytest.mark.parametrize("weight", [None, np.ones(100)])
def test_what_a_gradient_shows_cannot_be_edited(weight):
    g = fr.gradient.PCD(n_chains=64)(fr.RBM.from_data(X, 20), X[:100], weight)
    for name in ("weights", "visible_bias", "hidden_bias"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(g, name)[...] = 0
        with pytest.raises(AttributeError):
            setattr(g, name, 0)


def test_fit_takes_gradients_of_other_classes():
    rbm = fr.RBM.from_data(X, 5)
    seen = []

    def estimator(rbm, X, sample_weight=None, n_threads=None):
        seen.append(len(X))
        return plain(np.ones((64, 5)), np.zeros(64), np.zeros(5))

    fr.fit(rbm, X[:10], gradient=estimator, epochs=1)
    assert seen == [10]
    with pytest.raises(TypeError, match="to be centered"):
        fr.fit(rbm, X[:10], gradient=estimator, epochs=1, centered=fr.gradient.Centering())


def test_a_gradient_travels():
    g = fr.gradient.PCD(n_chains=64)(fr.RBM.from_data(X, 20), X[:100])
    for other in (pickle.loads(pickle.dumps(g)), copy.deepcopy(g)):
        assert np.array_equal(other.weights, g.weights) and other.positive.total == 100


@pytest.mark.parametrize("mu, lam", [(np.zeros(3), np.zeros(16)), (np.zeros(64), np.zeros(64)), (0, 0)])
def test_offsets_must_fit(mu, lam):
    g = fr.gradient.CD()(fr.RBM.from_data(X, 16), X[:20])
    with pytest.raises(ValueError, match="offset must hold (64 |16 |)finite numbers"):
        g.centered(mu, lam)


def test_gradients_kept_while_training_goes_on():
    """What a gradient computes late is of its own time, whatever scratch memory was used again since."""
    rbm, pcd = fr.RBM.from_data(X, 30, seed=2), fr.gradient.PCD(n_chains=40, seed=3)
    late, early = [], []
    for k in range(8):
        late.append(pcd(rbm, X[20 * k : 20 * k + 33]))
        copied = copy.deepcopy(late[-1])
        early.append((copied.weights, copied.visible_bias, copied.positive.weights, copied.negative.weights))
        rbm.step(late[-1], 0.2)
    for g, (weights, bias, positive, negative) in zip(late, early, strict=True):
        assert np.array_equal(g.weights, weights) and np.array_equal(g.visible_bias, bias)
        assert np.array_equal(g.positive.weights, positive) and np.array_equal(g.negative.weights, negative)
