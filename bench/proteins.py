"""Train categorical x dReLU models of aligned proteins, as Tubiana, Cocco and Monasson do, and bound their likelihood.

    python bench/proteins.py WW_domain_MSA.fasta --gap --weights 0.1 --epochs 500
    python bench/proteins.py Lattice_Proteins_MSA.fasta --test 10000 --hidden-units 100 --sweeps 5 --l1b 0.025

The files are those of jertubiana/PGM (eLife 2019; Neural Computation 2019), whose notebooks print -1.3183 nats a site
for the first (weighted) and -1.7998 / -1.8134 for the second (training / test). Settings are theirs: Adam at 0.005,
falling to 1 % of it over the second half; batches and chains of 100; L1b 0.25 and 10 sweeps (in ours L1b acts beside
Adam's step, in theirs within it); duplicates dropped where sequences have weights. Printed: log p(sequence) a site,
with the interval of log Z from annealing both ways, the independent-site model's, and the time.
"""

import argparse
import time

import numpy as np

import fastrbm as fr

GAP_LAST, NO_GAP = "protein", "protein_no_gap"


class Decay:
    """A constant rate, which falls by powers to 1 % over the second half."""

    def __init__(self, rate):
        self.rate = rate

    def __call__(self, progress):
        return self.rate * 0.01 ** max(0.0, 2 * progress - 1)

    def describe(self):
        return {"rate": self.rate}


def per_site(values, weight, n_sites):
    """The weighted mean of log-likelihoods, a site."""
    return float(np.average(values, weights=weight)) / n_sites


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--gap", action="store_true", help="21 letters, the gap last (default: 20)")
    parser.add_argument("--weights", type=float, help="sequences that differ at less than this count as one")
    parser.add_argument("--test", type=int, default=0, help="so many rows at the end are test data")
    parser.add_argument("--hidden", default="drelu", help="the type of the hidden units")
    parser.add_argument("--hidden-units", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--sweeps", type=int, default=10)
    parser.add_argument("--l1b", type=float, default=0.25)
    parser.add_argument("--rate", type=float, default=0.005)
    parser.add_argument("--tolerance", type=float, default=0.1, help="of log Z, nats")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="where to save the model")
    args = parser.parse_args()
    alphabet = fr.datasets.Alphabet(GAP_LAST if args.gap else NO_GAP)
    codes = fr.datasets.read_fasta(args.file, alphabet.letters)
    train, test = codes[: len(codes) - args.test], codes[len(codes) - args.test :]
    weight = None
    if args.weights is not None:
        train = np.unique(train, axis=0)
        weight = fr.datasets.sequence_weights(train, args.weights)
    n_sites = train.shape[1]
    visible = fr.units.Categorical(n_sites, alphabet.n_states)
    effective = "" if weight is None else f", {weight.sum():.1f} effective ones"
    print(f"{len(train):,} sequences{effective}, {n_sites} sites of {alphabet.n_states} letters")
    rbm = fr.RBM.from_data(
        train, args.hidden_units, args.seed, visible=visible, hidden=args.hidden, sample_weight=weight
    )
    alone = fr.RBM.from_data(train, 1, weight_scale=0.0, visible=visible, sample_weight=weight)
    start = time.perf_counter()
    fr.fit(
        rbm, train, sample_weight=weight, epochs=args.epochs, batch_size=100, seed=args.seed, metrics=[],
        gradient=fr.gradient.PCD(100, args.sweeps), optimizer=fr.optim.Adam(Decay(args.rate), l1b=args.l1b),
    )  # fmt: skip
    print(f"training: {time.perf_counter() - start:.0f} s; {rbm.hidden}")
    start = time.perf_counter()
    log_z = fr.likelihood.score(rbm, train, tolerance=args.tolerance).log_partition
    for name, data, w in (("training", train, weight), ("test", test, None)):
        if len(data):
            own = per_site(fr.likelihood.score(alone, data).per_example, w, n_sites)
            mean = per_site(-rbm.free_energy(data) - log_z.value, w, n_sites)
            low, high = (mean + (log_z.value - z) / n_sites for z in (log_z.upper, log_z.lower))
            print(f"{name}: {mean:.4f} nats a site ({low:.4f} to {high:.4f}); independent sites {own:.4f}")
    print(f"log Z {log_z.value:.3f} ({log_z.lower:.3f} to {log_z.upper:.3f}), "
          f"{time.perf_counter() - start:.0f} s")  # fmt: skip
    if args.out:
        rbm.save(args.out)


if __name__ == "__main__":
    main()
