"""The models and data that the benchmarks run on, and the checks of their results against the twin."""

import numpy as np

import fastrbm as fr
from fastrbm import reference

N_VISIBLE, N_HIDDEN = 784, 500


def problem(n_chains, n_visible=N_VISIBLE, n_hidden=N_HIDDEN, seed=0):
    """(weights, visible bias, hidden bias, states): weights N(0, 0.05^2), states one fifth on."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 0.05, (n_visible, n_hidden)).astype(np.float32)
    states = (rng.random((n_chains, n_visible)) < 0.2).astype(np.uint8)
    return weights, np.zeros(n_visible, np.float32), np.zeros(n_hidden, np.float32), states


def check_sweep(rbm, states, n_threads=None):
    """One sweep of Chains gives the twin's bits."""
    chains = fr.Chains(rbm, len(states), seed=1, start=states, n_threads=n_threads)
    visible, hidden = chains.visible_bits.planes.copy(), chains.hidden_bits.planes.copy()
    chains.sweep(1, n_threads=n_threads)
    p = rbm._parameters
    layers = [
        reference.Layer(layer.tiles_array, layer.exponent, layer.bias_array, layer.n_units)
        for layer in (p.to_visible, p.to_hidden)
    ]
    reference.sweep(visible, hidden, *layers, None, 1, 0, 1, 1, 0, None, None, None)
    assert np.array_equal(visible, chains.visible_bits.planes), "the sweep's visible states are not the twin's"
    assert np.array_equal(hidden, chains.hidden_bits.planes), "the sweep's hidden states are not the twin's"


def check_mean_hidden(rbm, states, theirs, who):
    """A peer computes the same conditional law: within the rounding of a float32 sum of 784 terms."""
    difference = np.abs(rbm.mean_hidden(states) - np.asarray(theirs)).max()
    assert difference < 1e-5, f"P(h | v) of {who} differs by {difference:g}"


def check_update(rbm, numpy_rbm, data, states):
    """A PCD update from given chains moves the parameters as the baseline's formula says for the same states."""
    pcd = fr.gradient.PCD(n_chains=len(states), n_sweeps=1, seed=2)
    gradient = pcd(rbm, data)
    swept = pcd.chains.visible.astype(np.float32)
    positive, negative = numpy_rbm.mean_hidden(data.astype(np.float32)), numpy_rbm.mean_hidden(swept)
    expected = data.T.astype(np.float32) @ positive / len(data) - swept.T @ negative / len(swept)
    difference = np.abs(gradient.weights - expected).max()
    assert difference < 1e-5, f"the gradient differs from the baseline's by {difference:g}"
