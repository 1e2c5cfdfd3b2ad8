"""Fractions in place of bits: kernels equal the reference implementation, and nothing depends on level, threads or
other rows."""

import os
import subprocess
import sys

import numpy as np
import pytest
from helpers import BINARY, PAIRS, build_layers, modules, random_rbm, tiles_for

import fastrbm as fr
from fastrbm import reference
from fastrbm.likelihood import fractions
from fastrbm.likelihood.pseudo import pseudo_of
from fastrbm.sampling import gibbs

MODULES = modules()
# (visible, hidden, rows): one of everything; around a pass of 256 inputs, a tile, four rows, a block of 32 or 128 rows
SHAPES = [(1, 1, 1), (9, 5, 3), (256, 64, 33), (257, 16, 131), (30, 130, 100), (513, 65, 7)]
SEED = 0xFEDCBA9876543210


def fractions_of(shape, seed=0):
    """Some numbers are 0, some 1, some between, some a tie on the grid."""
    rng = np.random.default_rng([seed, *shape])
    v = rng.random(shape)
    kind = rng.random(shape)
    v[kind < 0.3], v[kind > 0.8], v[(kind > 0.4) & (kind < 0.5)] = 0.0, 1.0, 2.0**-23
    return v


def results_of(module, shape, n_threads, units=BINARY):
    n_visible, n_hidden, n = shape
    rng = np.random.default_rng(shape)
    W, b, c = rng.normal(0, 0.6, (n_visible, n_hidden)), rng.normal(0, 1, n_visible), rng.normal(0, 1, n_hidden)
    layer = build_layers(module, *(np.float32(array) for array in (W, b, c)), units=units)[1]
    numbers = gibbs.to_fixed_point(fractions_of((n, n_visible)))
    out = np.zeros((-(-n_hidden // 8), n), np.uint8)
    fixed = np.zeros((tiles_for(n_hidden), -(-n // 8) * 8, 64), np.float32)
    probabilities, softplus, pseudo, some = np.empty((n, n_hidden), np.float32), *np.empty((3, n))
    module.half_step_of_fractions(numbers, layer, SEED, 3, 5, 1, 11, out, fixed, probabilities, n_threads)
    module.cgf_sums_of_fractions(numbers, layer, np.array([0.7]), softplus, n_threads)
    module.pseudo_sums_of_fractions(numbers, layer, b, 3, 1, pseudo, n_threads)
    module.pseudo_sums_of_fractions(numbers, layer, b, 100, 5, some, n_threads)
    assert not fixed[:, n:].any()
    return out, np.concatenate(list(fixed), axis=1)[:, :n_hidden], probabilities, softplus, pseudo, some


@pytest.mark.parametrize("units", [BINARY, *PAIRS], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_kernels_equal_their_reference(shape, units):
    expected = results_of(reference, shape, 1, units)
    for module in MODULES.values():
        for n_threads in (1, 3):
            for got, wanted in zip(results_of(module, shape, n_threads, units), expected, strict=True):
                assert np.array_equal(got, wanted)


def test_no_rows_at_all():
    rbm = random_rbm(9, 5)
    none = np.empty((0, 9))
    assert rbm.mean_hidden(none).shape == (0, 5)
    assert fractions.free_energy(rbm, none).shape == pseudo_of(rbm, none).shape == (0,)


def test_against_float64():
    """Weights that lie on the grid, fractions that do not: each field is off by at most sum_i |W_ij| 2^-23, and float32
    holds what comes of it to 2^-24 of the field and to 5e-7 of a probability (src/activation.pxi)."""
    rng = np.random.default_rng(1)
    rbm = fr.RBM(np.round(rng.normal(0, 32, (40, 30))) / 64, rng.normal(0, 1, 40), rng.normal(0, 1, 30))
    W, b, c = (np.asarray(a, np.float64) for a in (rbm.weights, rbm.visible_bias, rbm.hidden_bias))
    v = fractions_of((50, 40))
    error = np.abs(W).sum(axis=0).max() * 2.0**-23
    fields = v @ W + c
    p = 1 / (1 + np.exp(-fields))
    assert np.abs(rbm.mean_hidden(v) - p).max() < error / 4 + np.abs(fields).max() * 2.0**-24 + 5e-7
    free = -(v @ b) - np.logaddexp(0, fields).sum(axis=1)
    off = 30 * error + np.abs(b).sum() * 2.0**-23
    assert np.abs(fractions.free_energy(rbm, v) - free).max() < off
    pseudo = np.zeros(50)
    for i in range(40):
        other = v.copy()
        other[:, i] = 1 - other[:, i]
        pseudo -= np.logaddexp(0, free + other @ b + np.logaddexp(0, other @ W + c).sum(axis=1))
    assert np.abs(pseudo_of(rbm, v) - pseudo).max() < 2 * 40 * off
    # those of half of the units of each row: with both halves together, all
    parts = pseudo_of(rbm, v, every=2) + pseudo_of(rbm, np.insert(v, 0, v[0], axis=0), every=2)[1:]
    assert np.allclose(parts, pseudo_of(rbm, v), rtol=1e-13)


@pytest.mark.parametrize("scale", [0.5, 300.0], ids=["common", "extreme"])
def test_a_row_has_the_same_bits_whatever_is_beside_it(scale):
    """Rows of 0 and 1 too, which alone are bits. Biases of all sizes, so that the order of a sum is seen."""
    rbm = random_rbm(21, 70, scale=scale)
    sizes = 10.0 ** np.random.default_rng(1).integers(-8, 5, 21)
    rbm.set_parameters(visible_bias=rbm.visible_bias * sizes)
    assert (np.abs(rbm.weights).max() > 600) == (scale == 300.0)
    v = fractions_of((300, 21))
    v[::3] = v[::3] > 0.5
    for function in (rbm.mean_hidden, lambda v: fractions.free_energy(rbm, v), lambda v: pseudo_of(rbm, v)):
        whole = function(v)
        assert np.array_equal(function(v[::-1]), whole[::-1])
        assert np.array_equal(np.concatenate([function(v[:131]), function(v[131:])]), whole)
        assert np.array_equal(function(np.asfortranarray(v)), whole)
        assert np.array_equal(function(fr.BitMatrix.from_states(v[::3])), whole[::3])


def test_states_are_drawn_as_from_bits():
    rbm = random_rbm(21, 70)
    v = fractions_of((300, 21))
    v[::3] = v[::3] > 0.5
    drawn = rbm.sample_hidden(v, seed=5)
    assert np.array_equal(drawn[::3], rbm.sample_hidden(np.where(v > 0.5, 1, 0), seed=5)[::3])
    v = np.repeat(v[1:2], 40_000, axis=0)
    p = rbm.mean_hidden(v[:1])[0]
    assert np.abs(rbm.sample_hidden(v, seed=6).mean(axis=0) - p).max() < 5 * 0.5 / np.sqrt(40_000)


def test_extreme_weights_against_flips_of_fractions():
    rbm = fr.RBM(np.full((2, 3), 700.0), [-900.0, 3.0], [-350.0] * 3)
    v = np.array([[0.25, 0.5], [1.0, 0.75], [0.5, 0.0]])
    W, b, c = (np.asarray(p, float) for p in (rbm.weights, rbm.visible_bias, rbm.hidden_bias))
    expected = np.zeros(3)
    for i in range(2):
        other = v.copy()
        other[:, i] = 1 - other[:, i]
        gain = [x @ b + np.logaddexp(0, x @ W + c).sum(axis=1) for x in (v, other)]
        expected -= np.logaddexp(0, gain[1] - gain[0])
    assert np.allclose(pseudo_of(rbm, v), expected, rtol=1e-6)


SCRIPT = """
import hashlib
import numpy as np
from fastrbm.sklearn import BernoulliRBM
rng = np.random.default_rng(0)
X = np.where(rng.random((90, 70)) < 0.5, rng.random((90, 70)), 0.0)
digest = hashlib.sha256()
for draw in (True, False):
    model = BernoulliRBM(40, n_iter=2, random_state=0, dynamic_binarization=draw, n_jobs={n_jobs}).fit(X)
    for result in (model.components_, model.transform(X), model.score_samples(X), model.free_energy(X), model.gibbs(X),
                   model._shown(X)):
        digest.update(np.ascontiguousarray(result).tobytes())
print(digest.hexdigest())
"""


@pytest.mark.slow
def test_the_scikit_learn_class_gives_the_same_bits_at_every_level_and_by_any_library():
    """Also where NumPy's BLAS takes another kernel, which adds up in another order."""
    pytest.importorskip("sklearn", minversion="1.6")
    digests = set()
    for n_jobs, (level, core) in enumerate(zip([*MODULES], ["Prescott", "Haswell", "Nehalem", "Zen"], strict=False), 1):
        env = os.environ | {"FASTRBM_ISA": level, "OPENBLAS_CORETYPE": core}
        command = [sys.executable, "-c", SCRIPT.format(n_jobs=n_jobs)]
        run = subprocess.run(command, env=env, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        digests.add(run.stdout)
    assert len(digests) == 1
