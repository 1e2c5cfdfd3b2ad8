"""What each type of hidden units reaches by defaults, with as many hidden units: test log-likelihood and training time.

    python bench/hidden_types.py [--data mnist_bits.npy] [--hidden-units 32] [--test 0.2] [--epochs 100]

Without --data: the bundled digits. Data are bits (n, V); the last part of the rows is test data. The table is that of
docs/hidden_units.md.
"""

import argparse
import time

import numpy as np

import fastrbm as fr


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--hidden-units", type=int, nargs="*", default=[32])
    parser.add_argument("--types", nargs="*", default=["bernoulli", "gaussian", "relu", "drelu"])
    parser.add_argument("--test", type=float, default=0.2)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--tolerance", type=float, default=0.5)
    args = parser.parse_args()
    X = np.load(args.data) if args.data else fr.datasets.load_digits()
    n_test = round(args.test * len(X))
    train, test = X[:-n_test], X[-n_test:]
    print(f"{len(train):,} training and {n_test:,} test examples of {X.shape[1]} units")
    for n_hidden in args.hidden_units:
        for kind in args.types:
            rbm = fr.RBM.from_data(train, n_hidden, hidden=kind, seed=0)
            start = time.perf_counter()
            history = fr.fit(rbm, train, epochs=args.epochs, seed=0, metrics=[])
            seconds = time.perf_counter() - start
            score = fr.likelihood.score(rbm, test, tolerance=args.tolerance)
            print(
                f"{n_hidden} {kind}: {score.mean:.1f} ({score.lower:.1f} to {score.upper:.1f}) nats, {seconds:.1f} s, "
                f"{int(history.last['update']):,} updates"
            )


if __name__ == "__main__":
    main()
