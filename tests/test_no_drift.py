"""Chains that start exactly at p stay there: their total variation to p is at most 4 times the floor.

Broken kernels fail.

The floor is the expected total variation between p and n exact samples: half the sum over states of E|p_hat - p|,
which is at most sum sqrt(p (1 - p) / n) / 2.
"""

from functools import cache

import numpy as np
import pytest
from helpers import BINARY, LEVELS, Enumerated, build_layers, pack, random_rbm, state_numbers

import fastrbm as fr
from fastrbm import reference
from fastrbm._core import dispatch

N_CHAINS = 200_000  # ten times the usual 20,000: the floor falls, and the test sees three times smaller faults
MODELS = {
    "4x3": random_rbm(4, 3, scale=1.0, seed=1),
    "8x5": random_rbm(8, 5, seed=1),
    "5x9": random_rbm(5, 9, seed=2),
    "1x1": random_rbm(1, 1, seed=3),
}


def total_variation(states, p):
    counts = np.bincount(state_numbers(states), minlength=len(p))
    return float(np.abs(counts / len(states) - p).sum() / 2)


def floor(p):
    return float(np.sqrt(p * (1 - p) / N_CHAINS).sum() / 2)


def good(module, layers, v, h, n_sweeps):
    module.sweep(v, h, *layers, None, 1, 0, 1, n_sweeps, 0, None, None, None, 2)


def reused_uniforms(module, layers, v, h, n_sweeps):
    """Every sweep draws the numbers of the first again."""
    for _ in range(n_sweeps):
        module.sweep(v, h, *layers, None, 1, 0, 1, 1, 0, None, None, None, 2)


def wrong_bias(module, layers, v, h, n_sweeps):
    """The hidden layer is drawn without its bias."""
    to_visible, to_hidden = layers
    wrong = module.Layer(
        to_hidden.tiles_array, to_hidden.exponent, np.zeros_like(to_hidden.bias_array), to_hidden.n_units, *BINARY
    )
    module.sweep(v, h, to_visible, wrong, None, 1, 0, 1, n_sweeps, 0, None, None, None, 2)


def one_uniform_a_chain(module, layers, v, h, n_sweeps):
    """All units of a chain are compared with the first unit's number."""
    for s in range(n_sweeps):
        for planes_in, planes_out, layer, kind in ((h, v, layers[0], 0), (v, h, layers[1], 1)):
            p = np.empty((N_CHAINS, layer.n_units), np.float32)
            module.half_step(planes_in, layer, None, 1, 0, 1 + s, kind, 0, None, None, p, 2)
            u = np.random.default_rng([s, kind]).random((N_CHAINS, 1), dtype=np.float32)
            module.pack((u < p).view(np.uint8), planes_out, 2)


@cache
def start_of(rbm):
    """Exact samples, packed."""
    return pack(Enumerated(rbm).sample_visible(N_CHAINS, seed=7))


def worst_ratio(level, rbm, sweep):
    """The largest of TV / floor after 1, 4 and 16 sweeps, over the visible states."""
    exact = Enumerated(rbm)
    module = dispatch.load(level)
    layers = build_layers(module, rbm.weights, rbm.visible_bias, rbm.hidden_bias)
    start = start_of(rbm)
    ratios = []
    for n_sweeps in (1, 4, 16):
        v = start.copy()
        h = np.empty((-(-rbm.n_hidden // 8), N_CHAINS), np.uint8)
        module.half_step(v, layers[1], None, 1, 0, 0, 1, 0, h, None, None, 2)
        sweep(module, layers, v, h, n_sweeps)
        states = np.empty((N_CHAINS, rbm.n_visible), np.uint8)
        reference.unpack(v, states)
        ratios.append(total_variation(states, exact.p_v) / floor(exact.p_v))
    return max(ratios)


@pytest.mark.parametrize(
    "level, model",
    [
        # lower levels have the same bits (test_kernels.py)
        pytest.param(level, model, marks=() if level == LEVELS[-1] or model == "4x3" else pytest.mark.slow)
        for level in LEVELS
        for model in MODELS
    ],
)
def test_no_drift(level, model):
    assert worst_ratio(level, MODELS[model], good) < 4


@pytest.mark.parametrize("broken", [reused_uniforms, wrong_bias, one_uniform_a_chain])
def test_a_broken_kernel_fails(broken):
    """At any level: what is broken is here."""
    assert worst_ratio(LEVELS[-1], MODELS["4x3"], broken) > 4


def test_joint_distribution_of_chains():
    """The public Chains: the joint state (v, h) does not drift either."""
    rbm = random_rbm(5, 4, seed=4)
    exact = Enumerated(rbm)
    chains = fr.Chains(rbm, N_CHAINS, seed=3, start=exact.sample_visible(N_CHAINS, seed=8))
    p = exact.p.reshape(-1)
    for n_sweeps in (0, 1, 4, 16):
        chains.sweep(n_sweeps)
        pairs = np.concatenate([chains.hidden, chains.visible], axis=1)  # the hidden state counts fastest
        assert total_variation(pairs, p) < 4 * floor(p)


@pytest.mark.slow
def test_chains_at_other_temperatures():
    """Each chain samples exp(-beta_k E) with its own beta."""
    rbm = random_rbm(5, 4, seed=5)
    betas = np.repeat([0.0, 0.5, 2.0], N_CHAINS)
    v = rbm.sample(3 * N_CHAINS, n_sweeps=60, seed=1, beta=betas).reshape(3, N_CHAINS, -1)
    for states, beta in zip(v, (0.0, 0.5, 2.0), strict=True):
        hot = fr.RBM(beta * rbm.weights, beta * rbm.visible_bias, beta * rbm.hidden_bias)
        p = Enumerated(hot).p_v
        assert total_variation(states, p) < 4 * floor(p)
