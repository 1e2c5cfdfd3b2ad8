"""Moments: exact sums, however the examples are cut; weights; fractions."""

import numpy as np
import pytest
from helpers import random_rbm

import fastrbm as fr


def data(n, n_visible, seed=0):
    return (np.random.default_rng(seed).random((n, n_visible)) < 0.4).astype(np.uint8)


def float64_moments(rbm, v, w=None):
    w = np.ones(len(v)) if w is None else w
    s = 1 / (1 + np.exp(-(v @ rbm.weights.astype(float) + rbm.hidden_bias)))
    return (v * w[:, None]).T @ s / w.sum(), w @ v / w.sum(), w @ s / w.sum()


def assert_close(moments, expected, tolerance):
    for ours, theirs in zip((moments.weights, moments.visible, moments.hidden), expected, strict=True):
        assert ours.shape == theirs.shape and np.abs(ours - theirs).max() < tolerance


# a fixed-point probability is within 2^-23 + 1.2e-7 of the float32 one (test_numerics.py), a field within about 1e-6
TOLERANCE = 1e-6


@pytest.mark.parametrize("n", [1, 7, 8, 504, 505, 1013, 9000])
@pytest.mark.parametrize("shape", [(1, 1), (13, 70), (100, 7)], ids=str)
def test_against_float64(shape, n):
    rbm, v = random_rbm(*shape), data(n, shape[0])
    moments = fr.Moments.of_data(rbm, v)
    assert moments.total == n
    assert_close(moments, float64_moments(rbm, v), TOLERANCE)
    assert np.array_equal(moments.visible_sum, v.sum(axis=0))


@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
def test_moments_of_parts_add_up_exactly(n_threads):
    """The same bits for the whole, for parts added up, for another order, for any n_threads."""
    rbm, v = random_rbm(20, 70), data(9001, 20)
    whole = fr.Moments.of_data(rbm, v, n_threads=1)
    order = np.random.default_rng(1).permutation(len(v))
    shuffled = fr.Moments.of_data(rbm, v[order], n_threads=n_threads)
    parts = fr.Moments.of_data(rbm, v[:17], n_threads=n_threads)
    for start, stop in ((17, 600), (600, 8500), (8500, 9001)):
        parts = parts + fr.Moments.of_data(rbm, v[start:stop], n_threads=n_threads)
    for other in (shuffled, parts):
        assert other.total == whole.total
        for name in ("weight_sum", "visible_sum", "hidden_sum"):
            assert np.array_equal(getattr(other, name), getattr(whole, name)), name


def test_weights_count_examples():
    rbm, v = random_rbm(20, 30), data(300, 20)
    counts = np.random.default_rng(2).integers(0, 4, 300)
    weighted = fr.Moments.of_data(rbm, v, sample_weight=counts)
    repeated = fr.Moments.of_data(rbm, np.repeat(v, counts, axis=0))
    assert weighted.total == repeated.total
    assert np.array_equal(weighted.visible, repeated.visible)
    # each product of a weight and a probability is rounded to 2^-22 of the largest weight, 4
    assert np.abs(weighted.weights - repeated.weights).max() < 4 * 2.0**-23 * 300 / counts.sum() + 1e-12
    some = np.random.default_rng(3).random(300)
    assert_close(fr.Moments.of_data(rbm, v, sample_weight=some), float64_moments(rbm, v, some), 2 * TOLERANCE)


def test_zero_weights_count_for_nothing():
    rbm, v = random_rbm(20, 30), data(300, 20)
    weight = np.ones(300)
    weight[100:] = 0
    kept = fr.Moments.of_data(rbm, v[:100], sample_weight=weight[:100])
    whole = fr.Moments.of_data(rbm, v, sample_weight=weight)
    assert np.array_equal(kept.weight_sum, whole.weight_sum) and kept.total == whole.total == 100


def test_fractions():
    rbm = random_rbm(20, 30)
    gray = np.random.default_rng(0).random((700, 20))
    assert_close(fr.Moments.of_data(rbm, gray), float64_moments(rbm, gray), 10 * TOLERANCE)
    some = np.random.default_rng(3).random(700)
    assert_close(fr.Moments.of_data(rbm, gray, some), float64_moments(rbm, gray, some), 10 * TOLERANCE)
    mixed = np.concatenate([data(300, 20).astype(float), np.full((1, 20), 0.5)])
    by_parts = fr.Moments.of_data(rbm, mixed[:300]) + fr.Moments.of_data(rbm, mixed[300:])
    assert np.abs(fr.Moments.of_data(rbm, mixed).weights - by_parts.weights).max() < 1e-14


def test_of_chains_is_of_their_visible_states():
    rbm = random_rbm(12, 9)
    chains = fr.Chains(rbm, 100, seed=1)
    chains.sweep(3)
    ours, theirs = fr.Moments.of_chains(rbm, chains), fr.Moments.of_data(rbm, chains.visible)
    assert np.array_equal(ours.weight_sum, theirs.weight_sum)


def test_constant_columns_and_dead_units():
    v = data(200, 10)
    v[:, 3], v[:, 4] = 0, 1
    rbm = fr.RBM(np.zeros((10, 4)), None, [-1e29, 1e29, 0, 0])
    moments = fr.Moments.of_data(rbm, v)
    assert moments.visible[3] == 0 and moments.visible[4] == 1
    assert moments.hidden[0] == 0 and moments.hidden[1] == 1
    assert np.array_equal(moments.weights[:, 1], moments.visible)


@pytest.mark.parametrize(
    "weight, message",
    [
        (np.ones(3), r"sample_weight must have shape \(4,\), got \(3,\)"),
        ([1, 1, 1, -1], "sample_weight must be finite and not negative"),
        ([1, 1, 1, np.nan], "sample_weight must be finite and not negative"),
        ([0, 0, 0, 0], "the largest sample_weight must be above 0"),
    ],
)
def test_bad_weights(weight, message):
    with pytest.raises(ValueError, match=message):
        fr.Moments.of_data(random_rbm(5, 3), data(4, 5), sample_weight=weight)


def test_no_examples():
    with pytest.raises(ValueError, match="X must have at least one example"):
        fr.Moments.of_data(random_rbm(5, 3), np.zeros((0, 5)))
