"""The weights of modes in default samples, against exact ones; what they cost.

    python bench/modes.py [--seeds 20] [--samples 1000] [--fast]

A row a model: coins that always agree; the 8 x 8 Ising model as spins; mixtures of far prototypes, by exact gradients.
Exact weights are by enumeration of the hidden units; of Ising models a half each, by symmetry. An error is that of the
worst mode's weight; "wrong" are samples with one beyond four standard errors of 25 families, and "silent" those of
these without a warning. --fast leaves out the models that take minutes to train.
"""

import argparse
import statistics
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import fastrbm as fr

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from test_ising import torus  # noqa: E402
from test_modes import coin, exact_weights, mixture, signs, trained, weights_of  # noqa: E402

MIXTURES = [(2, 64), (4, 64), (8, 64), (4, 256), (2, 784), (8, 256), (8, 784)]


def models(fast):
    """(name, model, exact weights, function of samples that gives theirs)."""
    data, states = coin()
    rbm = trained(data, 10, fr.gradient.Tempered(64, 6), epochs=200)
    yield "coins", rbm, exact_weights(rbm, states), lambda v: weights_of(v, states)
    for temperature in (2.0, 1.5, 1.0):
        yield f"Ising, T = {temperature}", torus(8, 1 / temperature)[0], np.array([0.5, 0.5]), signs
    for n_modes, n_visible in MIXTURES[: 4 if fast else None]:
        data, prototypes = mixture(n_modes, n_visible)
        rate = fr.optim.SGD(fr.optim.Linear(0.1 if n_visible < 500 else 0.05, 0.0))
        n_hidden = 10 if n_modes == 8 else 8
        rbm = trained(data, n_hidden, fr.gradient.Exact(), rate, epochs=60, batch_size=100)
        truth = exact_weights(rbm, prototypes)
        yield f"{n_modes} of {n_visible}", rbm, truth, lambda v, p=prototypes: weights_of(v, p)


def timed(call):
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--fast", action="store_true")
    options = parser.parse_args()
    n = options.samples
    print("model            error: median, largest  wrong  silent  warnings  s a sample() | gibbs: error   s")
    for name, rbm, truth, weigh in models(options.fast):
        errors, seconds, plain_errors, plain_seconds, warned, wrong, silent = [], [], [], [], 0, 0, 0
        for seed in range(options.seeds):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                samples, took = timed(lambda rbm=rbm, seed=seed: rbm.sample(n, seed=seed))
            plain, plainly = timed(lambda rbm=rbm, seed=seed: rbm.sample(n, seed=seed, method="gibbs"))
            apart = np.abs(weigh(samples) - truth)
            # 25 families at least, or a warning
            far = bool((apart > 4 * np.sqrt(truth * (1 - truth) * (1 / 25 + 1 / n))).any())
            errors.append(apart.max())
            plain_errors.append(np.abs(weigh(plain) - truth).max())
            seconds.append(took)
            plain_seconds.append(plainly)
            warned += bool(caught)
            wrong += far
            silent += far and not caught
        print(
            f"{name:16s} {statistics.median(errors):13.3f} {max(errors):8.3f} {wrong:6d} {silent:7d} {warned:9d} "
            f"{statistics.median(seconds):14.3f} | {statistics.median(plain_errors):12.3f} "
            f"{statistics.median(plain_seconds):5.3f}",
            flush=True,
        )
    print("\ncost, 784 x 500, weights of 0.05 N(0, 1): seconds")
    rbm = fr.RBM(np.random.default_rng(0).normal(0, 0.05, (784, 500)))
    for count in (100, 1000):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rows = {
                "1,000 plain sweeps": lambda c=count: rbm.sample(c, method="gibbs"),
                "sample": lambda c=count: rbm.sample(c),
                "tempered": lambda c=count: rbm.sample(c, method="tempered"),
                "population annealing": lambda c=count: fr.population_annealing(rbm, c),
            }
            print(f"{count:5d} samples: " + ", ".join(f"{what} {timed(call)[1]:.2f}" for what, call in rows.items()))


if __name__ == "__main__":
    main()
