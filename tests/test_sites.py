"""Kernels of what goes site by site: the bits of their reference implementation, at every level and for any threads."""

from functools import cache

import numpy as np
import pytest
from helpers import build_layers, modules, random_planes

from fastrbm import reference

MODULES = modules()
LAYOUTS = [
    (("categorical", (3, 5, 1, 21)),),
    (("bernoulli", 9), ("categorical", (4, 70)), ("spin", 3)),
    (("spin", 13),),
    (("categorical", (255,)), ("bernoulli", 8)),
]


def case(layout, n_hidden, n, hidden, scale=0.4):
    rng = np.random.default_rng(n_hidden + n)
    segments = reference.Segments(layout)
    weights = rng.normal(0, scale, (segments.n_units, n_hidden)).astype(np.float32)
    biases = [rng.normal(0, 1, size).astype(np.float32) for size in weights.shape]
    return weights, biases, random_planes(layout, n, rng), rng


def pseudo_likelihoods(module, layout, hidden, n_hidden, n, capacity, n_threads):
    weights, biases, planes, _ = case(layout, n_hidden, n, hidden)
    n_columns = sum(len(sizes) if name == "categorical" else sizes for name, sizes in layout)
    _, layer = build_layers(module, weights, *biases, units=("bernoulli", hidden), layout=layout)
    result = np.full((n, n_columns), np.nan)
    bias = biases[0].astype(np.float64)
    module.pseudo_of_sites(planes, layer, module.Segments(layout), bias, capacity, result, n_threads)
    return result


@cache  # for every level
def expected(*how):
    return pseudo_likelihoods(reference, *how, 1)


@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
@pytest.mark.parametrize("layout", LAYOUTS, ids=["sites", "mixed", "spins", "large"])
@pytest.mark.parametrize("n_hidden, n, capacity", [(7, 3, 100), (65, 40, 2), (130, 33, 1)])
def test_pseudo_likelihoods(level, layout, hidden, n_hidden, n, capacity):
    how = layout, hidden, n_hidden, n, capacity
    assert (expected(*how) <= 0).all()
    for n_threads in (1, 3):
        assert np.array_equal(pseudo_likelihoods(MODULES[level], *how, n_threads), expected(*how))


@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
@pytest.mark.parametrize(
    "layout, row, bit", [(LAYOUTS[0], 3, -1), (LAYOUTS[1], 3, -1), (LAYOUTS[1], 1, 0), (LAYOUTS[2], 0, 5)]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_labels(level, layout, row, bit, hidden, weighted):
    n, n_hidden = 70, 130
    weights, biases, planes, rng = case(layout, n_hidden, n, hidden)
    name, _, size = reference.sites.rows_of(reference.Segments(layout))[row]
    n_states = size if bit < 0 else 2
    planes[row] = size if bit < 0 else planes[row] & ~np.uint8(1 << bit)
    labels = rng.integers(0, n_states, n).astype(np.int32)
    weight = np.rint(rng.random(n) * 2**22) * 2.0**-22 if weighted else None
    results = []
    for module, n_threads in ((reference, 1), (MODULES[level], 1), (MODULES[level], 3)):
        _, layer = build_layers(module, weights, *biases, units=("bernoulli", hidden), layout=layout)
        fixed = [np.zeros((3, 72, 64), np.float32) for _ in range(2)]
        log_p, pairs, counts = np.empty((n, n_states)), np.empty((n_states, n_hidden)), np.empty(n_states)
        module.label_terms(
            planes, None, layer, module.Segments(layout), row, bit, biases[0].astype(np.float64), 50, log_p,
            (labels, weight, *fixed, pairs, counts), n_threads,
        )  # fmt: skip
        results.append([log_p, *fixed, pairs, counts])
    assert np.allclose(np.exp(results[0][0]).sum(axis=1), 1.0, atol=1e-12)
    for result in results[1:]:
        assert all(np.array_equal(ours, theirs) for ours, theirs in zip(result, results[0], strict=True))


@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("layout", LAYOUTS, ids=["sites", "mixed", "spins", "large"])
def test_zero_sum(level, layout):
    weights, _, _, _ = case(layout, 70, 1, "bernoulli", 3.0)
    tiles, results = reference.to_tiles(weights), []
    for module, n_threads in ((reference, 1), (MODULES[level], 1), (MODULES[level], 3)):
        results.append((np.full_like(tiles, np.nan), np.full((2, 64), np.nan)))
        module.zero_sum(tiles, module.Segments(layout), *results[-1], n_threads)
    assert all(np.array_equal(a, b) for result in results for a, b in zip(result, results[0], strict=True))
    moved = results[0][1].reshape(-1)[:70]
    sites = [
        (unit, size)
        for name, unit, size in reference.sites.rows_of(reference.Segments(layout))
        if name == "categorical"
    ]
    assert np.allclose(
        moved, sum((weights[unit : unit + size].mean(axis=0) for unit, size in sites), np.zeros(70)), atol=1e-5
    )
