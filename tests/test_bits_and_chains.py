"""BitMatrix and Chains."""

import numpy as np
import pytest
from helpers import random_rbm

import fastrbm as fr
from fastrbm.states.planes import free_columns, free_planes, places

MIXED = [fr.units.Bernoulli(9), fr.units.Categorical(3, 4), fr.units.Gaussian(2), fr.units.Spin(8)]


@pytest.mark.parametrize("n", [0, 1, 5])
@pytest.mark.parametrize("visible", [fr.units.Bernoulli(1), fr.units.Spin(9), MIXED])
def test_masks_of_what_may_change(n, visible):
    """Of units of two values a bit, of sites a byte, of real units three; in whatever order numbers lie in memory."""
    rbm = fr.RBM(np.zeros((31 if visible is MIXED else visible.n, 1)), visible=visible)
    unit, free = rbm.visible, np.random.default_rng(n).random((n, rbm.visible.n_columns)) < 0.5
    planes = free_planes(np.asfortranarray(free), unit)
    assert planes.dtype == np.uint8 and planes.flags.c_contiguous and np.array_equal(free_columns(planes, unit), free)
    expected = []
    for segment, _, columns in places(unit):
        own = free[:, columns]
        expected += [own.T * 255] if segment.layout else [fr.BitMatrix.from_states(own).planes]
        expected[-1] = np.repeat(expected[-1], 3 if segment.real else 1, axis=0)
    assert np.array_equal(planes, np.concatenate(expected))


@pytest.mark.parametrize("shape", [(1, 1), (0, 5), (3, 8), (10, 9), (130, 784)])
def test_bit_matrix_keeps_states(shape):
    x = (np.random.default_rng(0).random(shape) < 0.5).astype(np.uint8)
    bits = fr.BitMatrix.from_states(x)
    assert bits.shape == shape and len(bits) == shape[0]
    assert np.array_equal(bits.to_states(), x) and np.array_equal(np.asarray(bits), x)
    assert np.array_equal(np.asarray(bits, np.float32), x)
    assert bits.planes.nbytes == -(-shape[1] // 8) * shape[0]
    assert fr.BitMatrix.from_states(bits) is bits


def test_bit_matrix_indexing():
    x = (np.random.default_rng(0).random((20, 11)) < 0.5).astype(np.uint8)
    bits = fr.BitMatrix.from_states(x)
    for examples in (slice(3, 9), slice(None, None, -2), [4, 4, 1], np.arange(20) % 3 == 0):
        assert np.array_equal(bits[examples].to_states(), x[examples])
    assert np.shares_memory(bits[2:5].planes, bits.planes)
    assert not np.shares_memory(bits.copy().planes, bits.planes)
    with pytest.raises(TypeError, match="slice or an array"):
        bits[3]


def test_bit_matrix_checks():
    with pytest.raises(TypeError, match="planes must be a uint8 array"):
        fr.BitMatrix(np.zeros((1, 2)), 8)
    with pytest.raises(ValueError, match="planes must have 2 rows for 9 units, got 1"):
        fr.BitMatrix(np.zeros((1, 2), np.uint8), 9)
    with pytest.raises(ValueError, match="bits set past unit 4"):
        fr.BitMatrix(np.full((1, 2), 255, np.uint8), 5)
    with pytest.raises(ValueError, match="at least one unit"):
        fr.BitMatrix.from_states(np.zeros((3, 0)))
    with pytest.raises(ValueError, match="states must hold 0 or 1"):
        fr.BitMatrix.from_states(np.full((3, 2), 0.5))


def test_chains_go_on_where_they_stopped():
    rbm = random_rbm(20, 9)
    once, parts = fr.Chains(rbm, 70, seed=3), fr.Chains(rbm, 70, seed=3)
    once.sweep(12)
    for n_sweeps, n_threads in ((5, 1), (0, 2), (1, 3), (6, 7)):
        parts.sweep(n_sweeps, n_threads=n_threads)
    assert once.n_sweeps_done == parts.n_sweeps_done == 12
    assert np.array_equal(once.visible, parts.visible) and np.array_equal(once.hidden, parts.hidden)
    once.sweep(1)
    assert not np.array_equal(once.visible, parts.visible)


def test_chains_split_into_small_calls_are_the_same(monkeypatch):
    """Calls are cut short for Ctrl-C; where they are cut does not matter."""
    from fastrbm._core import workload

    rbm = random_rbm(20, 9)
    whole = fr.Chains(rbm, 1300, seed=3)
    whole.sweep(7)
    monkeypatch.setattr(workload, "A_CALL", workload.sweep(20, 9).of(600))
    parts = fr.Chains(rbm, 1300, seed=3)
    parts.sweep(7)
    assert np.array_equal(whole.visible, parts.visible) and np.array_equal(whole.hidden, parts.hidden)


def test_chains_use_the_models_new_parameters():
    rbm = random_rbm(6, 4)
    chains = fr.Chains(rbm, 200, seed=1)
    rbm.set_parameters(weights=np.zeros((6, 4)), visible_bias=np.full(6, 80.0))
    chains.sweep()
    assert chains.visible.all()


def test_chain_start():
    rbm = fr.RBM(np.zeros((5, 3)), [80, -80, 80, -80, 80])
    assert np.array_equal(fr.Chains(rbm, 3).visible, np.tile([1, 0, 1, 0, 1], (3, 1)))
    start = np.eye(5, dtype=np.uint8)
    chains = fr.Chains(rbm, 5, start=start)
    assert np.array_equal(chains.visible, start)
    chains.sweep()
    assert start.sum() == 5  # the caller's array is not touched


def test_the_end_of_the_stream():
    chains = fr.Chains(random_rbm(3, 2), 4)
    chains.n_sweeps_done = 2**32 - 2
    chains.sweep(1)
    with pytest.raises(ValueError, match=r"at most 2\*\*32 - 1 sweeps under one seed; 4294967295 are done"):
        chains.sweep(1)


def test_the_model_of_chains_may_be_replaced_by_one_of_its_shape():
    chains = fr.Chains(random_rbm(8, 8), 5)
    chains.rbm = random_rbm(8, 8, seed=1)
    chains.sweep()
    with pytest.raises(ValueError, match="rbm must have 8 visible and 8 hidden units of the types"):
        chains.rbm = fr.RBM(np.zeros((400, 400)))
    with pytest.raises(TypeError, match="rbm must be an RBM, not str"):
        chains.rbm = "rbm"


def test_a_refused_call_leaves_the_chains_as_they_were():
    chains, untouched = fr.Chains(random_rbm(8, 8), 5), fr.Chains(random_rbm(8, 8), 5)
    for call in (lambda: chains.sweep(10, n_threads=0), lambda: chains.sweep(2**32), lambda: chains.sweep(-1)):
        with pytest.raises(ValueError):
            call()
    chains.sweep(3)
    untouched.sweep(3)
    assert np.array_equal(chains.visible, untouched.visible)
    with pytest.raises(ValueError, match="read-only"):
        chains.visible[:] = 0
