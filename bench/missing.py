"""Accuracy of imputation: entries removed at random from training and test rows; how many of the test rows' come back.

    FASTRBM_DATA=... python bench/missing.py [--seeds 3] [--hidden 64] [--epochs N] [--only WORD]

The bundled digits (1,400 rows to learn from, 397 to fill in), and mushrooms (2,000 and 1,000) of the density estimation
benchmarks in the folder debd of FASTRBM_DATA. All methods learn from incomplete rows. Those of scikit-learn give
numbers, which are rounded to 0 and 1. The table has means over the seeds of what is removed, and the largest distance
from them. Requires scikit-learn.
"""

import argparse
import os
import warnings
from pathlib import Path

import numpy as np
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

import fastrbm as fr
from fastrbm.sklearn import RBMImputer


def data():
    """Name: (rows to learn from, rows to fill in)."""
    digits = fr.datasets.load_digits().astype(float)
    sets = {"digits": (digits[:1400], digits[1400:])}
    path = Path(os.environ.get("FASTRBM_DATA", "nowhere")) / "debd" / "mushrooms.npz"
    if path.is_file():
        with np.load(path) as parts:
            n = int(parts["n_vis"])
            train, test = (np.unpackbits(parts[name], axis=1, count=n).astype(float) for name in ("train", "test"))
        sets["mushrooms"] = train, test[:1000]
    return sets


def methods(options, seed):
    shared = {"n_iter": options.epochs, "random_state": seed}
    rbm = RBMImputer(options.hidden, **shared)
    return {
        "most frequent value of the column": SimpleImputer(strategy="most_frequent"),
        "KNNImputer, 10 neighbors": KNNImputer(n_neighbors=10, keep_empty_features=True),
        "IterativeImputer (Bayesian ridge)": IterativeImputer(max_iter=10, random_state=seed, keep_empty_features=True),
        "RBM, most probable": rbm,
        "RBM, a draw": _Draw(rbm),
    }


class _Draw:
    """The same model, by a draw."""

    def __init__(self, imputer):
        self.imputer = imputer

    def fit(self, X):
        return self

    def transform(self, X):
        return self.imputer.set_params(strategy="draw").transform(X)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--epochs", type=int, help="by default as fit chooses")
    parser.add_argument("--only", default="", metavar="WORD", help="methods whose name has this word")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    found = {}
    for name, (train, test) in data().items():
        for part in (0.1, 0.5):
            for seed in range(options.seeds):
                rng = np.random.default_rng(seed)
                gaps = [rng.random(rows.shape) < part for rows in (train, test)]
                known, holes = (np.where(gap, np.nan, rows) for gap, rows in zip(gaps, (train, test), strict=True))
                for method, imputer in methods(options, seed).items():
                    if options.only not in method:
                        continue
                    filled = imputer.fit(known).transform(holes)
                    right = ((filled >= 0.5) == test)[gaps[1]].mean()
                    found.setdefault(method, {}).setdefault((name, part), []).append(right)
                    print(f"# {name}, {part:.0%} removed, seed {seed}: {method} {right:.4f}", flush=True)
    columns = list(next(iter(found.values())))
    print("| right, of the entries removed |" + "".join(f" {name}, {part:.0%} |" for name, part in columns))
    print("|---|" + "---|" * len(columns))
    for method, by_column in found.items():
        cells = [f" {np.mean(x):.3f} ± {np.abs(x - np.mean(x)).max():.3f} |" for x in by_column.values()]
        print(f"| {method} |{''.join(cells)}")


if __name__ == "__main__":
    main()
