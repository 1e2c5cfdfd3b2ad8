"""Train by tempered chains on data with groups, such as genomes, and compare data and samples on the principal axes.

    python examples/genomes.py DATA [--epochs 200] [--hidden 100] [--betas 10] [--picture genomes.png]

DATA: a 0/1 matrix, one example a row (.npy, .npz, .csv); or an .npz of packed rows: ``bits`` as numpy.packbits(axis=1)
makes them, and ``n_vis``, how many of the bits are units. Every fifth pair of rows is held back: the two haplotypes
of a person are neighbors in the files that this was written for.

What to expect of 805 variable sites of 5,008 human haplotypes, in about a minute on two cores: a test log-likelihood
of about -401 nats, where independent sites have -491; neighboring temperatures swap in about 40 of 100 attempts; and
samples that lie where the data lie on the first two principal axes, in every group. With ``--betas 1`` (plain chains)
groups come out too heavy or too light, or are missing. The picture needs matplotlib.
"""

import argparse

import matplotlib.pyplot as plt
import numpy as np

import fastrbm as fr
import fastrbm.plot


def load(path):
    """The matrix of a file, packed or not."""
    if path.endswith(".npz"):
        with np.load(path) as file:
            if "bits" in file and "n_vis" in file:
                return np.unpackbits(file["bits"], axis=1)[:, : int(file["n_vis"])]
    return fr.datasets.load(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--hidden", type=int, default=100)
    parser.add_argument("--chains", type=int, default=128, help="at each temperature")
    parser.add_argument("--betas", type=int, default=10, help="temperatures; 1 for plain chains")
    parser.add_argument("--sweeps", type=int, default=1000, help="of the chains that give the samples")
    parser.add_argument("--picture", default="genomes.png")
    options = parser.parse_args()

    X = load(options.data)
    held_back = np.arange(len(X)) // 2 % 5 == 4
    train, test = X[~held_back], X[held_back]
    rbm = fr.RBM.from_data(train, options.hidden, seed=0)
    means_only = fr.likelihood.score(fr.RBM.from_data(train, 1, weight_scale=0.0), test)
    if options.betas > 1:
        gradient = fr.gradient.Tempered(options.chains, options.betas)
    else:
        gradient = fr.gradient.PCD(options.chains)
    history = fr.fit(rbm, train, gradient, epochs=options.epochs, seed=0, validation=test, progress=True)
    print(f"{len(train):,} examples of {train.shape[1]} units, {history.last['update']:,} updates")
    print(f"test: {fr.likelihood.score(rbm, test, n_betas=5000)}")
    print(f"the same by the means alone: {means_only.mean:.2f}")

    if options.betas > 1:
        # a longer ladder than in training: nobody waits for these chains
        chains = fr.TemperedChains(rbm, len(test), n_betas=options.betas + 2, seed=1)
    else:
        chains = fr.Chains(rbm, len(test), seed=1)
    chains.sweep(options.sweeps)
    if options.betas > 1:
        rates = ", ".join(f"{rate:.2f}" for rate in chains.swap_rates)
        print(f"temperatures from 1 to {chains.betas[-1]:.2f}; neighbors swap at {rates}")
    figure, ax = plt.subplots(figsize=(6, 5), layout="constrained")
    fr.plot.principal_axes(train, chains.visible, ax=ax)
    figure.savefig(options.picture, dpi=110)
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
