"""Imputation: entries removed at random; how well they come back.

    FASTRBM_DATA=... python bench/missing.py [--seeds 3] [--hidden 64] [--epochs N] [--only WORD] [--tables WORD,WORD]

New rows: the bundled digits (1,400 rows to learn from, 397 to fill in), and mushrooms (2,000 and 1,000) of the density
estimation benchmarks in the folder debd of FASTRBM_DATA. All methods learn from incomplete rows. Those of scikit-learn
give numbers, which are rounded to 0 and 1. The figure is the accuracy.

The rows that are learned from: scikit-learn's iris, wine and breast cancer, of real columns; its digits, 600 rows, two
values a pixel; a made survey of twelve questions (400 rows); a made table of six real columns and four of categories
(400 rows); and iris and wine again, every second column cut at its quartiles into four categories, and the kind as one
more. Those of scikit-learn have codes for categories (ordered ones for the quartiles), standardized, and their numbers
are rounded to codes. Figures: the root of the mean squared error of real columns, in their standard deviations;
accuracy of categories; seconds.

Tables have means over the seeds of what is removed, and the largest distance from them. Requires scikit-learn and
pandas.
"""

import argparse
import os
import time
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
    sets = {"new digits": (digits[:1400], digits[1400:])}
    path = Path(os.environ.get("FASTRBM_DATA", "nowhere")) / "debd" / "mushrooms.npz"
    if path.is_file():
        with np.load(path) as parts:
            n = int(parts["n_vis"])
            train, test = (np.unpackbits(parts[name], axis=1, count=n).astype(float) for name in ("train", "test"))
        sets["new mushrooms"] = train, test[:1000]
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
    """Name: a data frame."""
    import pandas as pd
    from sklearn.datasets import load_breast_cancer, load_iris, load_wine

    for name, load in (("iris", load_iris), ("wine", load_wine), ("breast cancer", load_breast_cancer)):
        yield name, load(as_frame=True).data
    yield "digits", pd.DataFrame(fr.datasets.load_digits()[:600]).astype("category")
    yield "survey", survey()
    yield "mixed", mixed()
    for name, load in (("iris", load_iris), ("wine", load_wine)):
        found = load(as_frame=True)
        frame = found.data.copy()
        for column in frame.columns[::2]:
            frame[column] = pd.qcut(frame[column], 4, labels=["low", "middle", "high", "top"])
        frame["kind"] = pd.Categorical.from_codes(found.target, found.target_names)
        yield f"{name} by quartiles", frame


def survey(n=400):
    """Answers to twelve questions, of two to five categories, of people of four kinds and three moods."""
    import pandas as pd

    rng = np.random.default_rng(0)
    sizes, kind, mood = rng.integers(2, 6, 12), rng.integers(0, 4, n), rng.integers(0, 3, n)
    columns = {}
    for j, size in enumerate(sizes):
        scores = rng.normal(0, 1.5, (4, size))[kind] + (rng.normal(0, 1.0, (3, size))[mood] if j % 2 else 0.0)
        columns[f"question {j}"] = _drawn(scores, rng)
    return pd.DataFrame(columns)


def mixed(n=400):
    """Six real columns, one of them skewed, and four of categories, which depend on two numbers and a kind."""
    import pandas as pd

    rng = np.random.default_rng(0)
    z, kind = rng.normal(size=(n, 2)), rng.integers(0, 3, n)
    columns = {}
    for j in range(6):
        x = z @ rng.normal(size=2) + rng.normal(0, 1, 3)[kind] + 0.5 * rng.normal(size=n)
        columns[f"number {j}"] = np.exp(x / 2) if j == 4 else x
    for j, size in enumerate((2, 3, 4, 5)):
        scores = z @ rng.normal(0, 1.5, (2, size)) + rng.normal(0, 1.5, (3, size))[kind]
        columns[f"answer {j}"] = _drawn(scores, rng)
    return pd.DataFrame(columns)


def _drawn(scores, rng):
    """A category for each row of scores, with probabilities that are proportional to exp(score)."""
    import pandas as pd

    p = np.exp(scores)
    codes = ((p / p.sum(axis=1, keepdims=True)).cumsum(axis=1) > rng.random((len(p), 1))).argmax(axis=1)
    return pd.Categorical.from_codes(codes, [f"a{k}" for k in range(scores.shape[1])])


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


def known_rows(options):
    found = {}
    for name, frame in tables():
        if not _is_asked_for(name, options):
            continue
        for part in (0.1, 0.5):
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
                    start = time.perf_counter()
                    filled = imputer.fit_transform(frame.mask(gaps))
                    figures = *_figures(filled, frame, gaps), time.perf_counter() - start
                    for what, figure in zip(("RMSE", "accuracy", "seconds"), figures, strict=True):
                        if figure is not None:
                            found.setdefault(method, {}).setdefault(f"{name}, {part:.0%}, {what}", []).append(figure)
                    print(f"# {name}, {part:.0%} removed, seed {seed}: {method} {figures}", flush=True)
    if found:
        print_table(found)


def _is_asked_for(name, options):
    return not options.tables or any(word in name for word in options.tables.split(","))


def _figures(filled, frame, gaps):
    """(root mean squared error of real numbers in standard deviations of their columns, accuracy of categories), None
    where there are none."""
    errors, right = [], []
    for k, name in enumerate(frame):
        own, known = filled[name][gaps[:, k]], frame[name][gaps[:, k]]
        if hasattr(frame[name], "cat"):
            right.append(own.astype(str) == known.astype(str))
        else:
            errors.append(((own - known) / frame[name].std()) ** 2)
    error = float(np.sqrt(np.concatenate(errors).mean())) if errors else None
    return error, float(np.concatenate(right).mean()) if right else None


def print_table(found):
    """Methods from left to right."""
    print("| |" + "".join(f" {method} |" for method in found))
    print("|---|" + "---|" * len(found))
    for column in next(iter(found.values())):
        of_methods = (by_column[column] for by_column in found.values())
        cells = [f" {np.mean(x):.3f} ± {np.abs(x - np.mean(x)).max():.3f} |" for x in of_methods]
        print(f"| {column} |{''.join(cells)}")


def new_rows(options):
    found = {}
    for name, (train, test) in data().items():
        if not _is_asked_for(name, options):
            continue
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
    if found:
        print_table(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--epochs", type=int, help="by default as fit chooses")
    parser.add_argument("--only", default="", metavar="WORD", help="methods whose name has this word")
    parser.add_argument("--tables", default="", metavar="WORD,WORD", help="those whose name has one of these words")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    new_rows(options)
    known_rows(options)


if __name__ == "__main__":
    main()
