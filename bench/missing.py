"""Imputation: entries removed at random from training and test rows; how many of the test rows' come back.

    FASTRBM_DATA=... python bench/missing.py [--seeds 3] [--hidden 64] [--epochs N] [--only WORD] [--mixed]

The bundled digits (1,400 rows to learn from, 397 to fill in), and mushrooms (2,000 and 1,000) of the density estimation
benchmarks in the folder debd of FASTRBM_DATA. All methods learn from incomplete rows. Those of scikit-learn give
numbers, which are rounded to 0 and 1. The table has means over the seeds of what is removed, and the largest distance
from them.

--mixed: instead scikit-learn's iris and wine, every second column cut at its quartiles into four categories, and the
kind as one more; rows are filled in that the model learned from. Those of scikit-learn have codes for categories
(ordered ones for the quartiles), standardized, and their numbers are rounded to codes. Two figures: the root of the
mean squared error of real columns, in their standard deviations; accuracy of categories. Requires scikit-learn and,
with --mixed, pandas.
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


def tables():
    """Name: a data frame of real columns beside categories."""
    import pandas as pd
    from sklearn.datasets import load_iris, load_wine

    for name, load in (("iris", load_iris), ("wine", load_wine)):
        found = load(as_frame=True)
        frame = found.data.copy()
        for column in frame.columns[::2]:
            frame[column] = pd.qcut(frame[column], 4, labels=["low", "middle", "high", "top"])
        frame["kind"] = pd.Categorical.from_codes(found.target, found.target_names)
        yield name, frame


class _Coded:
    """An imputer of numbers for frames: categories as standardized codes, rounded back."""

    def __init__(self, imputer):
        self.imputer = imputer

    def fit_transform(self, frame):
        numbers = frame.apply(lambda x: x.cat.codes.where(x.notna()) if hasattr(x, "cat") else x).astype(float)
        mean, scale = numbers.mean(), numbers.std()
        filled = self.imputer.fit_transform((numbers - mean) / scale) * scale.to_numpy() + mean.to_numpy()
        out = frame.copy()
        for k, name in enumerate(frame):
            if hasattr(frame[name], "cat"):
                categories = frame[name].cat.categories
                codes = filled[:, k].round().clip(0, len(categories) - 1).astype(int)
                out[name] = type(frame[name].array).from_codes(codes, dtype=frame[name].dtype)
            else:
                out[name] = filled[:, k]
        return out


class _Column:
    """The mean of a real column, the most frequent category."""

    def fit_transform(self, frame):
        return frame.apply(lambda x: x.fillna(x.mode().iloc[0] if hasattr(x, "cat") else x.mean()))


def mixed(options):
    found = {}
    for name, frame in tables():
        for part in (0.1, 0.3):
            for seed in range(options.seeds):
                gaps = np.random.default_rng(seed).random(frame.shape) < part
                shared = {"random_state": seed, "n_iter": options.epochs}
                for method, imputer in (
                    ("mean, most frequent category", _Column()),
                    ("KNNImputer, 10 neighbors", _Coded(KNNImputer(n_neighbors=10))),
                    ("IterativeImputer (Bayesian ridge)", _Coded(IterativeImputer(max_iter=10, random_state=seed))),
                    ("RBMImputer", RBMImputer(options.hidden, **shared)),
                ):
                    if options.only not in method:
                        continue
                    figures = _figures(imputer.fit_transform(frame.mask(gaps)), frame, gaps)
                    for what, figure in zip(("RMSE", "accuracy"), figures, strict=True):
                        found.setdefault(method, {}).setdefault(f"{name}, {part:.0%}, {what}", []).append(figure)
                    print(f"# {name}, {part:.0%} removed, seed {seed}: {method} {figures}", flush=True)
    print_table(found)


def _figures(filled, frame, gaps):
    """(root mean squared error of real numbers in standard deviations of their columns, accuracy of categories)."""
    errors, right = [], []
    for k, name in enumerate(frame):
        own, known = filled[name][gaps[:, k]], frame[name][gaps[:, k]]
        if hasattr(frame[name], "cat"):
            right.append(own.astype(str) == known.astype(str))
        else:
            errors.append(((own - known) / frame[name].std()) ** 2)
    return float(np.sqrt(np.concatenate(errors).mean())), float(np.concatenate(right).mean())


def print_table(found):
    columns = list(next(iter(found.values())))
    print("| |" + "".join(f" {column} |" for column in columns))
    print("|---|" + "---|" * len(columns))
    for method, by_column in found.items():
        cells = [f" {np.mean(x):.3f} ± {np.abs(x - np.mean(x)).max():.3f} |" for x in by_column.values()]
        print(f"| {method} |{''.join(cells)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--epochs", type=int, help="by default as fit chooses")
    parser.add_argument("--only", default="", metavar="WORD", help="methods whose name has this word")
    parser.add_argument("--mixed", action="store_true", help="tables of real columns beside categories")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.mixed:
        mixed(options)
        return
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
                    found.setdefault(method, {}).setdefault(f"{name}, {part:.0%}", []).append(right)
                    print(f"# {name}, {part:.0%} removed, seed {seed}: {method} {right:.4f}", flush=True)
    print_table(found)


if __name__ == "__main__":
    main()
