"""pytest-benchmark: one PCD-1 update with as many chains as examples, fastrbm against the NumPy baseline.

python -m pytest bench/bench_update.py
"""

import numpy as np
import pytest

import fastrbm as fr
from fastrbm.cli.speed import NumpyRBM, check_update, problem

EXAMPLES = [128, 1024]


@pytest.mark.parametrize("n", EXAMPLES)
def test_fastrbm(benchmark, n):
    *parameters, states = problem(n)
    rbm, pcd, sgd = fr.RBM(*parameters), fr.gradient.PCD(n), fr.optim.SGD(1e-9)
    check_update(fr.RBM(*parameters), NumpyRBM(*parameters, states), states, states)
    data = fr.BitMatrix.from_states(states)
    benchmark.group = f"PCD-1 update, {n} examples"
    benchmark(lambda: sgd.update(rbm, pcd(rbm, data)))


@pytest.mark.parametrize("n", EXAMPLES)
def test_numpy(benchmark, n):
    *parameters, states = problem(n)
    baseline, data = NumpyRBM(*parameters, states), states.astype(np.float32)
    benchmark.group = f"PCD-1 update, {n} examples"
    benchmark(baseline.pcd_update, data, 1e-9)
