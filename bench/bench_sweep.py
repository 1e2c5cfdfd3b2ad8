"""pytest-benchmark: one Gibbs sweep, fastrbm against the NumPy baseline.

python -m pytest bench/bench_sweep.py
"""

import pytest
from checks import check_sweep

import fastrbm as fr
from fastrbm.cli.speed import NumpyRBM, check_mean_hidden, problem

CHAINS = [128, 1024]


@pytest.mark.parametrize("n_chains", CHAINS)
def test_fastrbm(benchmark, n_chains):
    *parameters, states = problem(n_chains)
    rbm = fr.RBM(*parameters)
    check_sweep(rbm, states)
    benchmark.group = f"sweep, {n_chains} chains"
    benchmark(fr.Chains(rbm, n_chains, start=states).sweep)


@pytest.mark.parametrize("n_chains", CHAINS)
def test_numpy(benchmark, n_chains):
    *parameters, states = problem(n_chains)
    baseline = NumpyRBM(*parameters, states)
    check_mean_hidden(fr.RBM(*parameters), states, baseline.mean_hidden(baseline.v), "NumPy")
    benchmark.group = f"sweep, {n_chains} chains"
    benchmark(baseline.sweep)
