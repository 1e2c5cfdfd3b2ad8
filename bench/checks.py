"""Checks by the reference implementation."""

import numpy as np

import fastrbm as fr
from fastrbm import reference


def check_sweep(rbm, states, n_threads=None):
    """One sweep of Chains gives the reference implementation's bits."""
    chains = fr.Chains(rbm, len(states), seed=1, start=states, n_threads=n_threads)
    visible, hidden = chains.visible_bits.planes.copy(), chains.hidden_bits.planes.copy()
    chains.sweep(1, n_threads=n_threads)
    p = rbm._parameters
    to_visible, to_hidden = (
        reference.Layer(layer.tiles_array, layer.exponent, layer.bias_array, layer.n_units, "bernoulli", "bernoulli")
        for layer in (p.to_visible, p.to_hidden)
    )
    reference.sweep(visible, hidden, to_visible, to_hidden, None, 1, 0, 1, 1, 0, None, None, None)
    for name, ours, theirs in (("visible", chains.visible_bits, visible), ("hidden", chains.hidden_bits, hidden)):
        if not np.array_equal(ours.planes, theirs):
            raise ArithmeticError(f"the sweep's {name} states are not the reference implementation's")
