"""What fit reaches with nothing chosen, against the best of a small grid of settings.

    python bench/defaults.py --data FOLDER [--only digits survey] [--threads 2]

FOLDER holds mnist/ (IDX files) and genomes805/; without it those rows are left out. Held-out log-likelihoods are
those of likelihood.score with nothing chosen (exact where a layer has 20 units or less, else AIS from both sides).
Bars-and-stripes are their own held-out rows, since all that there is to learn is the probabilities of their patterns.
Allowed is a difference of 1 nat for 64 units.
"""

from __future__ import annotations

import argparse
import itertools
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import fastrbm as fr

GRID = {"learning_rate": (0.05, 0.1), "l2": (0.0, 1e-3), "n_sweeps": (1, 5), "n_updates": (5_000, 20_000)}
SMALL = {"learning_rate": (0.05, 0.1), "l2": (0.0, 1e-3), "n_sweeps": (1,), "n_updates": (20_000,)}


def bars_and_stripes() -> tuple[np.ndarray, np.ndarray]:
    X = fr.datasets.bars_and_stripes(4)
    return X, X


def digits() -> tuple[np.ndarray, np.ndarray]:
    X = fr.datasets.load_digits()
    return X[:1400], X[1400:]


def survey() -> tuple[np.ndarray, np.ndarray]:
    """1,500 people, 24 questions of yes or no: P(yes) = sigmoid(a_i + sum_k b_ki z_k), three factors z ~ N(0, 1),
    loadings b ~ N(0, 1.2^2), a ~ N(0, 0.8^2). 300 are held out."""
    rng = np.random.default_rng(0)
    factors, loadings, easiness = rng.normal(size=(1500, 3)), 1.2 * rng.normal(size=(3, 24)), 0.8 * rng.normal(size=24)
    X = (rng.random((1500, 24)) < 1 / (1 + np.exp(-factors @ loadings - easiness))).astype(np.uint8)
    return X[:1200], X[1200:]


def classes() -> tuple[np.ndarray, np.ndarray]:
    """The same by six latent classes, with P(yes) ~ Beta(0.7, 0.7) for each class and question."""
    rng = np.random.default_rng(0)
    of, p = rng.integers(0, 6, 1500), rng.beta(0.7, 0.7, (6, 24))
    X = (rng.random((1500, 24)) < p[of]).astype(np.uint8)
    return X[:1200], X[1200:]


def genomes(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(folder / "genomes805" / "genomes805_bits.npz") as file:
        X = np.unpackbits(file["bits"], axis=1)[:, : int(file["n_vis"])]
    X = X[np.random.default_rng(0).permutation(len(X))]
    return X[:4006], X[4006:]


def mnist(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    train, test = (fr.datasets.load(folder / "mnist" / f"{name}-images-idx3-ubyte.gz") for name in ("train", "t10k"))
    return train, test


def settings(grid: dict) -> Iterator[dict]:
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def held_out(rbm: fr.RBM, X: np.ndarray, n_threads: int) -> fr.likelihood.Score:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fr.likelihood.score(rbm, X, n_threads=n_threads)


def compare(
    name: str, data: Callable[[], tuple[np.ndarray, np.ndarray]], n_hidden: int, grid: dict, n_threads: int
) -> None:
    train, test = data()
    rbm = fr.RBM.from_data(train, n_hidden, seed=0)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        history = fr.fit(rbm, train, seed=0, n_threads=n_threads)
    seconds, ours = time.perf_counter() - start, held_out(rbm, test, n_threads)
    best, how = -np.inf, {}
    for setting in settings(grid):
        other = fr.RBM.from_data(train, n_hidden, seed=0)
        rate = fr.optim.SGD(fr.optim.Linear(setting["learning_rate"], 0.0), l2=setting["l2"])
        epochs = -(-setting["n_updates"] // -(-len(train) // 128))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            pcd = fr.gradient.PCD(n_sweeps=setting["n_sweeps"])
            fr.fit(other, train, pcd, rate, epochs, seed=0, n_threads=n_threads)
        score = held_out(other, test, n_threads)
        if getattr(score.log_partition, "agree", True) and score.mean > best:
            best, how = score.mean, setting
    allowed, difference = train.shape[1] / 64, best - ours.mean
    words = " ".join(f"{key} {value:g}" for key, value in how.items())
    print(
        f"{name:<16} {len(train):>6} x {train.shape[1]:<4} {n_hidden:>4} {int(history.last['update']):>7,} "
        f"{seconds:>7.1f}   {ours.mean:>8.2f} ({ours.lower:.2f} to {ours.upper:.2f})   {best:>8.2f}   "
        f"{difference:>5.2f} {allowed:>5.2f} {'yes' if difference <= allowed else 'NO':<3}   {words}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="FOLDER")
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--small", action="store_true", help="a grid of four settings for all sets")
    options = parser.parse_args()
    rows: list[tuple] = [
        ("bars-and-stripes", bars_and_stripes, 128, GRID),
        ("digits", digits, 64, GRID),
        ("digits", digits, 128, GRID),
        ("survey", survey, 128, GRID),
        ("classes", classes, 128, GRID),
    ]
    if options.data:
        rows.append(("genomes", lambda: genomes(options.data), 128, SMALL))
        rows.append(("mnist", lambda: mnist(options.data), 500, SMALL | {"learning_rate": (0.1,)}))
    print(
        "data             examples, hidden, updates, seconds, by default (interval), best of grid, difference, allowed"
    )
    for name, data, n_hidden, grid in rows:
        if not options.only or name in options.only:
            compare(name, data, n_hidden, SMALL if options.small and grid is GRID else grid, options.threads)


if __name__ == "__main__":
    main()
