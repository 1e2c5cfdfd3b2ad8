"""Time annealed importance sampling against the same schedule in well-written NumPy, and compare the estimates.

    python bench/ais.py [MODEL] [--chains 100] [--betas 1000] [--repeats 5]

MODEL: an .npz that fastrbm wrote, or one with arrays W, vbias, hbias; by default a random 784 x 500 model.
"""

import argparse
import math
import statistics
import time

import numpy as np

import fastrbm as fr


def numpy_ais(rbm, bias, betas, n_chains, seed=0):
    """log Z by AIS in float32 NumPy: matrix products by BLAS, one of them serving weight and draw of a step."""
    rng = np.random.default_rng(seed)
    W, b, c = np.array(rbm.weights), rbm.visible_bias, rbm.hidden_bias
    difference = (b - bias).astype(np.float32)

    def bernoulli(field):
        np.negative(field, out=field)
        np.exp(field, out=field)
        field += 1
        np.reciprocal(field, out=field)
        return (rng.random(field.shape, dtype=np.float32) < field).astype(np.float32)

    def softplus_sum(x):
        """log(1 + e^x) = max(x, 0) + log1p(e^-|x|), in place."""
        positive = np.maximum(x, 0).sum(axis=1, dtype=np.float64)
        np.abs(x, out=x)
        np.negative(x, out=x)
        np.exp(x, out=x)
        np.log1p(x, out=x)
        return positive + x.sum(axis=1, dtype=np.float64)

    log_weights = np.zeros(n_chains)
    v = bernoulli(np.tile(bias, (n_chains, 1)))
    for low, high in zip(betas[:-1], betas[1:], strict=True):
        field = v @ W
        field += c
        log_weights += (high - low) * (v @ difference) + softplus_sum(high * field) - softplus_sum(low * field)
        field *= high
        h = bernoulli(field)
        field = h @ W.T
        field += b
        field *= high
        field += (1 - high) * bias
        v = bernoulli(field)
    top = log_weights.max()
    log_z0 = rbm.n_hidden * math.log(2) + float(np.logaddexp(0, bias.astype(float)).sum())
    return log_z0 + top + math.log(np.exp(log_weights - top).mean())


def model(path):
    if path is None:
        rng = np.random.default_rng(0)
        return fr.RBM(rng.normal(0, 0.05, (784, 500)), rng.normal(-1, 1, 784), np.zeros(500))
    with np.load(path) as archive:
        if "vbias" in archive:
            return fr.RBM(archive["W"], archive["vbias"], archive["hbias"])
    return fr.load(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?")
    parser.add_argument("--chains", type=int, default=100)
    parser.add_argument("--betas", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    rbm = model(options.model)
    bias = fr.RBM.from_data(rbm.sample(512, 200), 1).visible_bias
    betas = fr.likelihood.standard_betas(options.betas)
    times, values = {"NumPy": [], "fastrbm": []}, {"NumPy": [], "fastrbm": []}
    for repeat in range(options.repeats):
        for name in times:
            time.sleep(0.1)  # threads of the one before stop spinning
            started = time.perf_counter()
            if name == "NumPy":
                value = numpy_ais(rbm, bias, betas, options.chains, repeat)
            else:
                value = fr.likelihood.ais(rbm, options.chains, seed=repeat, base_bias=bias, betas=betas).value
            times[name].append(time.perf_counter() - started)
            values[name].append(value)
    print(
        f"{rbm.n_visible} x {rbm.n_hidden}, {options.chains} chains, {options.betas} betas, {options.repeats} repeats"
    )
    base = statistics.median(times["NumPy"])
    for name in times:
        seconds = statistics.median(times[name])
        spread = f"log Z {min(values[name]):.2f} to {max(values[name]):.2f}"
        print(f"{name:<8} {1e3 * seconds / options.betas:7.3f} ms a beta  ratio {base / seconds:5.2f}  {spread}")


if __name__ == "__main__":
    main()
