"""Genomes: train on haplotypes of 805 variable sites, bound the test log-likelihood from both sides, and draw data and
samples.

    python bench/genomes.py BITS [--picture FILE.png] [--hidden 100] [--epochs 500] ...

BITS: .npz with bits (packed by numpy.packbits along axis 1), n_vis and ids. Every fifth individual, which is two
neighboring rows, is held out. The picture has training data, held-out data and samples of the model on the first two
principal axes of the training data.
"""

import argparse
import time

import numpy as np

import fastrbm as fr


def picture(path, train, test, samples):
    """Points on the first two principal axes of train, one panel each."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    mean = train.mean(axis=0)
    axes = np.linalg.svd(train - mean, full_matrices=False)[2][:2]
    panels = (("training data", train), ("held-out data", test), ("samples of the model", samples))
    figure, plots = plt.subplots(1, 3, figsize=(10, 3.6), sharex=True, sharey=True, layout="constrained")
    for plot, (name, states) in zip(plots, panels, strict=True):
        x, y = axes @ (states - mean).T
        plot.plot(x, y, ".", markersize=2, alpha=0.5)
        plot.set_title(f"{name} ({len(states):,})")
        plot.set_xlabel("first principal axis")
    plots[0].set_ylabel("second principal axis")
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bits")
    parser.add_argument("--picture")
    parser.add_argument("--hidden", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--chains", type=int, default=128)
    parser.add_argument("--sweeps", type=int, default=1)
    parser.add_argument("--n-betas", type=int, default=10, help="temperatures; with 1, plain PCD")
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--l1", type=float, default=0.0)
    parser.add_argument("--betas", type=int, default=20_000, help="of annealed importance sampling")
    options = parser.parse_args()
    with np.load(options.bits) as file:
        X = np.unpackbits(file["bits"], axis=1)[:, : int(file["n_vis"])]
    held_out = np.arange(len(X)) // 2 % 5 == 4
    train, test = X[~held_out], X[held_out]
    rbm = fr.RBM.from_data(train, options.hidden, seed=0)
    if options.n_betas > 1:
        gradient = fr.gradient.Tempered(options.chains, options.n_betas, options.sweeps)
    else:
        gradient = fr.gradient.PCD(options.chains, options.sweeps)
    started = time.perf_counter()
    sgd = fr.optim.SGD(fr.optim.Linear(options.rate, 0.0), l1=options.l1)
    metrics = [fr.metrics.Mixing()]
    history = fr.fit(rbm, train, gradient, sgd, options.epochs, 128, validation=test, metrics=metrics)
    last = history.last
    print(
        f"{last['update']:,} updates in {time.perf_counter() - started:.0f} s; tau_int {last['tau_int']:.0f} sweeps, "
        f"split R-hat {last['split_rhat']:.3f}"
    )
    if options.n_betas > 1:
        chains = gradient.chains
        print(
            f"ladder {chains.betas.round(2).tolist()}, swap rates {chains.swap_rates.round(2).tolist()}, "
            f"round trips {chains.round_trip_rate:.4f} a chain and sweep"
        )
    z = fr.likelihood.bidirectional(rbm, test, n_betas=options.betas, n_sweeps=1000)
    free_energy = rbm.free_energy(test).mean()
    for name, value, lower, upper in (
        ("AIS", z.forward.value, z.forward.lower, z.forward.upper),
        ("reverse AIS", z.reverse.value, z.reverse.lower, z.reverse.upper),
    ):
        print(f"test {name:12} {-free_energy - value:8.2f} ({-free_energy - upper:.2f} to {-free_energy - lower:.2f})")
    independent = -np.logaddexp(0, np.where(test == 1, -rbm_bias(train), rbm_bias(train))).sum(axis=1).mean()
    print(f"test independent   {independent:8.2f}")
    if options.picture:
        chains = fr.TemperedChains(rbm, 2 * len(test), n_betas=12, seed=1)
        chains.sweep(1000)
        print(f"samples: swap rates {chains.swap_rates.round(2).tolist()}, ladder down to {chains.betas[-1]:.2f}")
        picture(options.picture, train, test, chains.visible)


def rbm_bias(train):
    """The logit of the smoothed means: the model of independent sites."""
    return fr.RBM.from_data(train, 1).visible_bias.astype(np.float64)


if __name__ == "__main__":
    main()
