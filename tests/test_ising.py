"""The Ising model on an L x L torus as a spin RBM with a hidden spin for each bond: exact since Kaufman (1949).

A bond's hidden spin with weight w to both ends couples them by K, e^(2K) = cosh 2w, so that log Z of the RBM is that of
the Ising model at K plus 2 L^2 log(2 sqrt(cosh 2w)).
"""

import numpy as np
import pytest

import fastrbm as fr

CRITICAL = np.log(1 + np.sqrt(2)) / 2


def torus(size, coupling):
    """(the RBM, the pairs of sites of its bonds)."""
    w = np.arccosh(np.exp(2 * coupling)) / 2
    sites = np.arange(size * size).reshape(size, size)
    ends = np.concatenate([sites.reshape(-1), sites.reshape(-1)])
    others = np.concatenate([np.roll(sites, -1, axis=1).reshape(-1), np.roll(sites, -1, axis=0).reshape(-1)])
    weights = np.zeros((size * size, ends.size))
    weights[ends, np.arange(ends.size)] += w
    weights[others, np.arange(ends.size)] += w
    return fr.RBM(weights, visible="spin", hidden="spin"), (ends, others)


def log_partition(size, coupling):
    """log Z of the torus: Kaufman's formula (Phys. Rev. 76, 1232), for even size."""
    K, n = coupling, size
    k = np.arange(2 * n)
    cosh = np.cosh(2 * K) ** 2 / np.sinh(2 * K) - np.cos(np.pi * k / n)
    gamma = np.arccosh(np.maximum(cosh, 1.0))
    gamma[0] = 2 * K + np.log(np.tanh(K))  # which has a sign
    odd, even = gamma[1::2], gamma[0::2]

    def log_2cosh(x):
        return np.abs(x) + np.log1p(np.exp(-2 * np.abs(x)))

    def log_2sinh(x):
        return np.abs(x) + np.log(-np.expm1(-2 * np.abs(x)))

    with np.errstate(divide="ignore"):
        terms = [
            (1.0, log_2cosh(n / 2 * odd).sum()),
            (1.0, log_2sinh(n / 2 * odd).sum()),
            (1.0, log_2cosh(n / 2 * even).sum()),
            (np.sign(gamma[0]) * -1.0 * -1.0, log_2sinh(n / 2 * even).sum()),
        ]
    peak = max(value for _, value in terms)
    total = sum(sign * np.exp(value - peak) for sign, value in terms)
    return n * n / 2 * np.log(2 * np.sinh(2 * K)) - np.log(2) + peak + np.log(total)


def of_the_rbm(size, coupling):
    w = np.arccosh(np.exp(2 * coupling)) / 2
    return log_partition(size, coupling) + 2 * size**2 * np.log(2 * np.sqrt(np.cosh(2 * w)))


@pytest.mark.parametrize(
    "size, coupling, value",
    [
        (8, 0.3, 177.732169610),
        (8, CRITICAL, 205.272529470),
        (16, 0.3, 710.874588709),
        (16, 0.4, 784.920203203),
        (16, CRITICAL, 819.165251359),
        (32, CRITICAL, 3274.740058443),
    ],
)
def test_kaufmans_formula(size, coupling, value):
    assert abs(of_the_rbm(size, coupling) - value) < 2e-8


def test_against_enumeration():
    """4 x 4: log Z of the RBM by enumeration of its visible layer."""
    rbm, _ = torus(4, 0.35)
    assert abs(fr.likelihood.exact(rbm).value - of_the_rbm(4, 0.35)) < 1e-4  # float32 weights: 64 x 2 x 2^-25 x 2


@pytest.mark.parametrize("coupling", [0.3, 0.4, CRITICAL])
@pytest.mark.parametrize("size", [8, pytest.param(16, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_log_partition_is_in_its_interval(size, coupling):
    """The starting states of reverse AIS are the ends of long chains, which follow the model but for the sign of its
    magnetization: log Z does not see that."""
    rbm, _ = torus(size, coupling)
    start = fr.population_annealing(rbm, 2000, 400, seed=1).visible
    both = fr.likelihood.bidirectional(rbm, start, 300, 3000, seed=2)
    assert both.agree and both.lower <= of_the_rbm(size, coupling) <= both.upper and both.upper - both.lower < 0.5


@pytest.mark.parametrize("size, tolerance", [(8, 0.1), (16, 0.3), (32, 1.0)])
@pytest.mark.slow
def test_log_partition_to_a_tolerance(size, tolerance):
    """At the critical coupling, nothing chosen but the tolerance; a population's within five of its standard errors."""
    rbm, _ = torus(size, CRITICAL)
    truth = of_the_rbm(size, CRITICAL)
    z = fr.likelihood.bidirectional(rbm, tolerance=tolerance, seed=1)
    assert z.agree and z.lower <= truth <= z.upper and z.upper - z.lower <= 2 * tolerance
    path = fr.sampling.Path(rbm, 1000).adapted(seed=1)
    population = fr.population_annealing(path, 500, seed=1)
    assert abs(population.log_partition - truth) < 5 * population.standard_error < 3


@pytest.mark.parametrize("coupling, correlation", [(0.3, 0.3522663354), (0.4, 0.5656589922)])
@pytest.mark.slow
def test_bond_correlation_by_tempered_chains(coupling, correlation):
    """16 x 16, within 4 standard errors, from the spread of independent groups of chains."""
    rbm, (ends, others) = torus(16, coupling)
    chains = fr.TemperedChains(rbm, 512, 4, betas=[1.0, 0.9, 0.8, 0.7], seed=3)
    chains.sweep(150)
    traces = []
    for _ in range(8):
        chains.sweep(25)
        s = chains.visible.astype(np.int32)
        traces.append((s[:, ends] * s[:, others]).mean(axis=1))
    of_chains = np.mean(traces, axis=0)
    error = of_chains.std(ddof=1) / np.sqrt(len(of_chains))
    assert abs(of_chains.mean() - correlation) < 4 * error
    assert error < 0.004
