"""The weights of modes in default samples and after default training: right, warned of, or silently wrong; the costs.

    python bench/modes.py [--seeds 20] [--samples 1000] [--fast] [--only samples training cost] [--threads 1]

samples: a row a model: coins that always agree; the 8 x 8 Ising model as spins; mixtures of far prototypes, by exact
gradients. Each seed draws other samples. Exact weights are by enumeration of the hidden units; of Ising models a half
each, by symmetry. An error is that of the worst mode's weight. "right" are samples without a warning and within four
standard errors of 25 families, "silent" those beyond that without a warning. Beside it, plain chains.

training: the same data (of the Ising model 2,000 draws, by population annealing), trained on by default with 12 hidden
units; each seed makes other data. The total variation between the model's exact weights and those of the data is right
up to 0.2, from where a TrainingWarning is due; "not known" is what the verdict says without a warning. Then default
samples of these models against the models' own weights, as above.

--fast leaves out the models that take minutes to train.
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

KINDS = "right", "warned", "silent"
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


def data_of(fast):
    """(name, function of a seed that makes data and their prototypes)."""
    yield "coins", lambda seed: (coin()[0], coin()[1])
    for temperature in (2.0, 1.5):
        yield (
            f"Ising, T = {temperature}",
            lambda seed, t=temperature: (draws_of_ising(t, seed), np.repeat([[0], [1]], 64, 1)),
        )
    for n_modes, n_visible in MIXTURES[: 4 if fast else None]:
        yield f"{n_modes} of {n_visible}", lambda seed, m=n_modes, v=n_visible: mixture(m, v, seed)


def draws_of_ising(temperature, seed):
    """2,000 states of 0 and 1, with signs drawn anew: both have a half."""
    states = fr.population_annealing(torus(8, 1 / temperature)[0], 2000, 500, seed=seed).visible.to_states()
    flipped = np.random.default_rng(seed).random((2000, 1)) < 0.5
    return ((states > 0) ^ flipped).astype(np.uint8)


def is_wrong(weights, truth, n):
    """Whether a weight in n samples is beyond four standard errors of 25 families."""
    return bool((np.abs(weights - truth) > 4 * np.sqrt(truth * (1 - truth) * (1 / 25 + 1 / n))).any())


def quietly(call, *how, **more):
    """(what it returns, the categories of its warnings)."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        return call(*how, **more), [w.category for w in caught]


def timed(call, *how, **more):
    start = time.perf_counter()
    result = call(*how, **more)
    return result, time.perf_counter() - start


def samples(options):
    n, threads = options.samples, options.threads
    print("samples          error: median, largest  right  warned  silent  s a sample() | gibbs: error   s")
    for name, rbm, truth, weigh in models(options.fast):
        errors, seconds, plain_errors, plain_seconds, counts = [], [], [], [], dict.fromkeys(KINDS, 0)
        for seed in range(options.seeds):
            (drawn, took), caught = quietly(timed, rbm.sample, n, seed=seed, n_threads=threads)
            plain, plainly = timed(rbm.sample, n, seed=seed, method="gibbs", n_threads=threads)
            weights = weigh(drawn)
            counts[kind_of(is_wrong(weights, truth, n), bool(caught))] += 1
            errors.append(np.abs(weights - truth).max())
            plain_errors.append(np.abs(weigh(plain) - truth).max())
            seconds.append(took)
            plain_seconds.append(plainly)
        print(
            f"{name:16s} {statistics.median(errors):13.3f} {max(errors):8.3f} {in_columns(counts)} "
            f"{statistics.median(seconds):14.3f} | {statistics.median(plain_errors):12.3f} "
            f"{statistics.median(plain_seconds):5.3f}",
            flush=True,
        )


def training(options):
    n, threads = options.samples, options.threads
    print("training         total variation: median, largest  right  warned  silent  not known  largest silent, s | "
          "samples: right  warned  silent")  # fmt: skip
    for name, make in data_of(options.fast):
        apart, silent, seconds, unknown = [], [0.0], [], 0
        counts, of_samples = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0)
        for seed in range(options.seeds):
            data, prototypes = make(seed)
            rbm = fr.RBM.from_data(data, 12, seed=seed)
            (history, took), caught = quietly(timed, fr.fit, rbm, data, seed=seed, n_threads=threads)
            truth = exact_weights(rbm, prototypes, 20_000)
            apart.append(0.5 * np.abs(truth - weights_of(data, prototypes)).sum())
            seconds.append(took)
            warned = fr.TrainingWarning in caught
            if not warned and "not known" in history.verdict:
                unknown += 1
            else:
                kind = kind_of(apart[-1] > 0.2, warned)
                counts[kind] += 1
                silent.append(apart[-1] if kind == "silent" else 0.0)
            drawn, caught = quietly(rbm.sample, n, seed=seed, n_threads=threads)
            of_samples[kind_of(is_wrong(weights_of(drawn, prototypes), truth, n), bool(caught))] += 1
        print(
            f"{name:16s} {statistics.median(apart):23.3f} {max(apart):8.3f} {in_columns(counts)} {unknown:10d} "
            f"{max(silent):14.3f} {statistics.median(seconds):5.1f} | {in_columns(of_samples)}",
            flush=True,
        )


def kind_of(wrong, warned):
    return "warned" if warned else "silent" if wrong else "right"


def in_columns(counts):
    return " ".join(f"{counts[kind]:6d} " for kind in KINDS)


def cost(options):
    threads = options.threads
    print("cost, 784 x 500, weights of 0.05 N(0, 1): seconds")
    rbm = fr.RBM(np.random.default_rng(0).normal(0, 0.05, (784, 500)))
    for count in (100, 1000):
        rows = {
            "1,000 plain sweeps": lambda c=count: rbm.sample(c, method="gibbs", n_threads=threads),
            "sample": lambda c=count: rbm.sample(c, n_threads=threads),
            "tempered": lambda c=count: rbm.sample(c, method="tempered", n_threads=threads),
            "population annealing": lambda c=count: fr.population_annealing(rbm, c, n_threads=threads),
        }
        words = [f"{what} {quietly(timed, call)[0][1]:.2f}" for what, call in rows.items()]
        print(f"{count:5d} samples: " + ", ".join(words))


PARTS = {"samples": samples, "training": training, "cost": cost}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    for part in options.only:
        PARTS[part](options)
        print()


if __name__ == "__main__":
    main()
