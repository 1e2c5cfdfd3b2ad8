"""Trajectories: PCD, tempered PCD, and tempered PCD along the training's own trajectory, at equal numbers of sweeps, on
data whose modes are far apart.

    python bench/trajectory.py [GENOMES] [--sweeps 100000] [--hidden 100] [--chains 128] [--only WORD] [--picture FILE]

GENOMES: .npz as for bench/genomes.py; without it, the coin alone: ten columns that are all alike, 0.45 of the rows 1.
Sweeps are those of all rungs for a chain and update, so that a training with ten rungs has a tenth of the updates. For
a trajectory, whose rungs grow in number, that is as many as a first short training comes to; what it came to is
printed.

Of each: updates, seconds; held-out log-likelihood by AIS, up and down; rates of swaps and round trips a chain and
sweep, of the training's chains, and of new ones along the trajectory of the training; total variation between the
clusters of the held-out data and those of samples. Samples: 1,000 sweeps of plain chains ("plain"), population
annealing ("annealed"), 300 sweeps of tempered chains along temperatures with as many rungs as the path has
("tempered"), and along the path ("path"). Clusters are those of k-means on the first principal axes of the training
data; each row belongs to the nearest center. The picture has held-out data and the samples of the last model on the
data's first two principal axes.
"""

import argparse
import time

import numpy as np

import fastrbm as fr

N_CLUSTERS, N_AXES = 8, 4
SAMPLES = 1000


class Clusters:
    """k-means on the first principal axes of the data; which of the centers each row is nearest to."""

    def __init__(self, data, n_clusters, n_axes, seed=0):
        rng = np.random.default_rng(seed)
        self.mean = data.mean(axis=0)
        self.axes = np.linalg.svd(data - self.mean, full_matrices=False)[2][:n_axes]
        points = self.project(data)
        self.centers = points[rng.choice(len(points), 1)]
        while len(self.centers) < n_clusters:  # k-means++ (Arthur & Vassilvitskii 2007)
            apart = np.square(points[:, None] - self.centers).sum(axis=2).min(axis=1)
            if apart.sum() == 0.0:  # no more points than centers
                break
            self.centers = np.append(self.centers, points[[rng.choice(len(points), p=apart / apart.sum())]], axis=0)
        for _ in range(50):
            which = self.nearest(points)
            self.centers = np.array([points[which == k].mean(axis=0) for k in np.unique(which)])

    def project(self, states):
        return (states - self.mean) @ self.axes.T

    def nearest(self, points):
        return np.square(points[:, None] - self.centers).sum(axis=2).argmin(axis=1)

    def weights(self, states):
        return np.bincount(self.nearest(self.project(states)), minlength=len(self.centers)) / len(states)


def methods(n_chains, n_betas):
    """Name: the gradient, made anew, and how many rungs it has at first."""
    return {
        "PCD": lambda: fr.gradient.PCD(n_chains),
        f"tempered, {n_betas}": lambda: fr.gradient.Tempered(n_chains, n_betas),
        "trajectory": lambda: fr.gradient.Tempered(n_chains, path=fr.sampling.Trajectory(n_chains=n_chains)),
    }


def epochs_of(make, train, options, n_batches):
    """As many as have so many sweeps of a chain of all rungs."""
    gradient = make()
    if not isinstance(gradient, fr.gradient.Tempered):
        return max(1, options.sweeps // n_batches)
    rungs = gradient.n_betas
    if gradient.path is not None:  # about as many as a short training comes to
        rbm = fr.RBM.from_data(train, options.hidden, seed=0)
        fr.fit(rbm, train, gradient, sgd(options), max(1, options.sweeps // (50 * n_batches)), 128)
        rungs = len(gradient.path.kept) + 2
    return max(1, options.sweeps // (rungs * n_batches))


def sweeps_of(gradient, n_updates):
    """Of a chain of all rungs, in a training of so many updates."""
    if not isinstance(gradient, fr.gradient.Tempered):
        return n_updates
    if gradient.path is None:
        return n_updates * gradient.n_betas
    return 2 * n_updates + sum(n_updates - kept.update for kept in gradient.path.kept)


def sgd(options):
    return fr.optim.SGD(fr.optim.Linear(options.rate, 0.0), l2=1e-3)


def report(name, train, test, clusters, options):
    n_batches = -(-len(train) // 128)
    make = methods(options.chains, options.betas)[name]
    epochs = epochs_of(make, train, options, n_batches)
    gradient, rbm = make(), fr.RBM.from_data(train, options.hidden, seed=0)
    started = time.perf_counter()
    history = fr.fit(rbm, train, gradient, sgd(options), epochs, 128, trajectory=True)
    seconds, trajectory = time.perf_counter() - started, history.trajectory
    path = trajectory.path
    n_updates = int(history.last["update"])
    print(
        f"\n{name}: {n_updates:,} updates, {sweeps_of(gradient, n_updates):,} sweeps, {seconds:.0f} s; "
        f"{len(path.models)} models are kept, path of {path.n_steps} steps"
    )
    z = fr.likelihood.bidirectional(rbm, test, n_betas=options.ais, n_sweeps=100)
    free_energy = rbm.free_energy(test).mean()
    print(f"  held out    {-free_energy - z.forward.value:9.2f} by AIS up, {-free_energy - z.reverse.value:9.2f} down")
    along = fr.likelihood.along(trajectory, test)
    print(f"              {along.mean[-1]:9.2f} +- {along.log_z_error[-1]:.2f} along the trajectory")
    chains = gradient.chains
    if isinstance(chains, fr.TemperedChains):
        print(f"  training    {chains.n_rungs} rungs, {chains_words(chains)}")
    tempered = fr.TemperedChains(rbm, SAMPLES, n_betas=path.n_steps + 1, seed=1)
    along_path = fr.TemperedChains(path, SAMPLES, seed=1)
    for kind, each in (("tempered", tempered), ("path", along_path)):
        each.sweep(300)
        print(f"  {kind:11} {each.n_rungs} rungs, {chains_words(each)}")
    samples = {
        "plain": rbm.sample(SAMPLES, 1000, seed=1, method="gibbs"),
        "annealed": rbm.sample(SAMPLES, 1000, seed=1),
        "tempered": tempered.visible,
        "path": along_path.visible,
    }
    truth, off = clusters.weights(test), {}
    print("  clusters    " + " ".join(f"{p:5.3f}" for p in truth) + "  of the held-out data; total variation")
    for kind, states in samples.items():
        weights = clusters.weights(states)
        off[kind] = np.abs(weights - truth).sum() / 2
        print(f"  {kind:11} " + " ".join(f"{p:5.3f}" for p in weights) + f"  {off[kind]:5.3f}", flush=True)
    if options.picture:
        picture(options.picture, test, samples, off)


def picture(path, test, samples, off):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(samples), figsize=(14, 3.8), sharex=True, sharey=True, layout="constrained")
    for ax, (kind, states) in zip(panels, samples.items(), strict=True):
        fr.plot.principal_axes(test, states, ax=ax)
        ax.set(title=f"{kind}: total variation {off[kind]:.2f}", xlabel="first principal axis", ylabel="")
    panels[0].set_ylabel("second principal axis")
    figure.savefig(path, dpi=80)


def chains_words(chains):
    rates = chains.swap_rates
    if not rates.size:
        return "no swaps"
    low, middle = np.nanmin(rates), np.nanmedian(rates)
    return f"swap rates {low:.2f} at least, {middle:.2f} in the middle, {chains.round_trip_rate:.4f} round trips"


def coin(n=2000, seed=0):
    """Ten columns that are all alike: training and held-out data."""
    heads = (np.random.default_rng(seed).random((2 * n, 1)) < 0.45).astype(np.uint8)
    X = np.repeat(heads, 10, axis=1)
    return X[:n], X[n:]


def genomes(path):
    with np.load(path) as file:
        X = np.unpackbits(file["bits"], axis=1)[:, : int(file["n_vis"])]
    held_out = np.arange(len(X)) // 2 % 5 == 4
    return X[~held_out], X[held_out]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("genomes", nargs="?")
    parser.add_argument("--sweeps", type=int, default=100_000)
    parser.add_argument("--hidden", type=int, default=100, help="of genomes; the coin has 10")
    parser.add_argument("--chains", type=int, default=128)
    parser.add_argument("--betas", type=int, default=10, help="temperatures")
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--ais", type=int, default=10_000, help="betas of annealed importance sampling")
    parser.add_argument("--only", default="", metavar="WORD", help="methods whose name has this word")
    parser.add_argument("--picture", metavar="FILE.png")
    options = parser.parse_args()
    data = {"coin": (*coin(), 10, 2, 1)}
    if options.genomes:
        data["genomes"] = (*genomes(options.genomes), options.hidden, N_CLUSTERS, N_AXES)
    for name, (train, test, options.hidden, n_clusters, n_axes) in data.items():
        clusters = Clusters(train, n_clusters, n_axes)
        print(f"\n== {name}: {len(train):,} x {train.shape[1]}, {options.hidden} hidden units")
        for method in methods(options.chains, options.betas):
            if options.only in method:
                report(method, train, test, clusters, options)


if __name__ == "__main__":
    main()
