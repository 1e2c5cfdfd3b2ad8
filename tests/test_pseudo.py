"""Pseudo-likelihoods and conditional scores, against their definitions and against enumeration."""

import numpy as np
import pytest
from helpers import Enumerated, all_states, random_rbm, state_numbers

import fastrbm as fr
from fastrbm import likelihood


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (5, 70), (13, 9)], ids=str)
def test_pseudo_against_flips(shape):
    """From its definition: free energies with each unit flipped."""
    rbm = random_rbm(*shape, scale=1.0, seed=7)
    X = (np.random.default_rng(0).random((50, shape[0])) < 0.5).astype(np.uint8)
    free, expected = rbm.free_energy(X), np.zeros(50)
    for unit in range(shape[0]):
        flipped = X.copy()
        flipped[:, unit] ^= 1
        expected -= np.logaddexp(0, free - rbm.free_energy(flipped))
    assert np.abs(likelihood.pseudo(rbm, X) - expected).max() < 1e-4  # free energies of weights on the grid
    exact = fr.RBM(np.round(rbm.weights * 64) / 64, rbm.visible_bias, rbm.hidden_bias)  # weights that lie on it
    free, expected = exact.free_energy(X), np.zeros(50)
    for unit in range(shape[0]):
        flipped = X.copy()
        flipped[:, unit] ^= 1
        expected -= np.logaddexp(0, free - exact.free_energy(flipped))
    assert np.abs(likelihood.pseudo(exact, X) - expected).max() < 1e-11


@pytest.mark.parametrize(
    "parameters",
    [
        ([[1000.0]], [-900.0], [0.0]),
        ([[1500.0]], [-250.0], [-1000.0]),
        ([[1e29]], [-1e28], [0.0]),
        (np.full((1, 500), 700.0), [0.0], [-1000.0] * 500),
        (np.full((1, 500), 590.0), [0.0], [-1000.0] * 500),
        (np.full((6, 70), 90.0), np.full(6, -3000.0), None),
    ],
)
def test_pseudo_of_extreme_weights(parameters):
    rbm = fr.RBM(*parameters)
    X = all_states(rbm.n_visible)
    W, b, c = (np.asarray(p, float) for p in (rbm.weights, rbm.visible_bias, rbm.hidden_bias))
    expected = np.zeros(len(X))
    for unit in range(rbm.n_visible):
        low, high = X.astype(float), X.astype(float)
        low[:, unit], high[:, unit] = 0, 1
        change = b[unit] + (np.logaddexp(0, high @ W + c) - np.logaddexp(0, low @ W + c)).sum(axis=1)
        expected -= np.logaddexp(0, np.where(X[:, unit] == 1, -change, change))
    assert np.allclose(likelihood.pseudo(rbm, X), expected, rtol=1e-6, atol=1e-6)


def test_pseudo_threads():
    other = random_rbm(70, 66)
    Y = other.sample(100, 5)
    assert np.array_equal(likelihood.pseudo(other, Y, n_threads=1), likelihood.pseudo(other, Y, n_threads=7))
    assert likelihood.pseudo(other, Y[:0]).shape == (0,)


def test_conditional_against_enumeration():
    rbm = random_rbm(7, 5, seed=8)
    X, p = all_states(7), Enumerated(rbm).p_v
    for units in ([0], [6, 2], [1, 3, 4], list(range(7))):
        mask = sum(1 << u for u in units)
        rest = state_numbers(X) & ~mask
        totals = np.bincount(rest, weights=p, minlength=128)
        assert np.abs(likelihood.conditional(rbm, X, units) - np.log(p / totals[rest])).max() < 1e-5
    assert likelihood.conditional(rbm, X, 3).shape == (128,)


def test_conditionals_of_single_units_make_the_pseudo_likelihood():
    rbm = random_rbm(7, 5, seed=8)
    X = all_states(7)
    total = sum(likelihood.conditional(rbm, X, [unit]) for unit in range(7))
    assert np.abs(total - likelihood.pseudo(rbm, X)).max() < 1e-5
