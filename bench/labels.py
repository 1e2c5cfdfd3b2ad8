"""Test errors on MNIST's labels of joint, discriminative and hybrid training, against those that are published.

    FASTRBM_DATA=FOLDER python bench/labels.py [--methods joint discriminative hybrid] [--epochs 40] [--test]

FOLDER holds mnist/ (IDX files, also .gz). A model has a unit for each pixel and a categorical one for the label; an
example gets the label with the largest p(y | x). As in the paper, 10,000 of the 60,000 training examples are kept aside
for choosing: after each epoch the error on them is shown, training stops when it no longer falls, and the model is the
one with the smallest. The test set is looked at with --test alone, once, at the end. Published (Larochelle & Bengio
2008, Table 1): joint, 6,000 hidden units, 3.39 %; discriminative, 500, 1.81 %; hybrid, 1,500, 1.28 %.

--pixels says what training makes of a pixel from 0 to 255: "threshold", 0 or 1 by 1/2; "gray", a number from 0 to 1
that stands in place of a state; "drawn", a state drawn with that number as its probability, anew at
each use. Labels are predicted from the numbers from 0 to 1, with "threshold" from its 0 and 1. Times are of this
machine as it is, and hold the measurements on the 10,000 (a few percent).
"""

from __future__ import annotations

import argparse
import gzip
import os
import struct
import time
from pathlib import Path

import numpy as np

import fastrbm as fr

PUBLISHED = {"joint": (6000, 3.39), "discriminative": (500, 1.81), "hybrid": (1500, 1.28)}
N_VALIDATION = 10_000


def load(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """(pixels, labels) of training and test data, uint8 (n, 784) from 0 to 255 and (n,)."""
    parts = []
    for name in ("train", "t10k"):
        images, labels = (
            next(path for path in (folder / f"{name}-{kind}", folder / f"{name}-{kind}.gz") if path.exists())
            for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
        )
        parts.append((read_idx(images).reshape(-1, 784), read_idx(labels)))
    return parts


def read_idx(path: Path) -> np.ndarray:
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        _, _, _, n_axes = struct.unpack(">BBBB", file.read(4))
        shape = struct.unpack(f">{n_axes}I", file.read(4 * n_axes))
        return np.frombuffer(file.read(), np.uint8).reshape(shape)


class Batches:
    """Batches (n, 785) of pixels and a label, in a new order each epoch."""

    def __init__(self, pixels: np.ndarray, labels: np.ndarray, options: argparse.Namespace) -> None:
        self.pixels, self.labels, self.size, self.how = pixels, labels, options.batch, options.pixels
        self.rng = np.random.default_rng(options.seed)

    def __len__(self) -> int:
        return -(-len(self.labels) // self.size)

    def __iter__(self):
        order = self.rng.permutation(len(self.labels))
        for start in range(0, len(order), self.size):
            rows = order[start : start + self.size]
            pixels = self.pixels[rows]
            if self.how == "drawn":
                pixels = (pixels > self.rng.integers(0, 255, pixels.shape, dtype=np.uint8)).astype(np.uint8)
            else:
                pixels = entered(pixels, self.how)
            yield np.column_stack([pixels, self.labels[rows]])


def entered(pixels: np.ndarray, how: str) -> np.ndarray:
    """Pixels as p(y | x) takes them."""
    return (pixels > 127).astype(np.uint8) if how == "threshold" else pixels / np.float32(255)


class Errors:
    """Percent of wrong labels, and mean log p(y | x) in nats, of examples (pixels, labels)."""

    columns = {
        "wrong": fr.metrics.Column("wrong labels", unit="%", mode="min"),
        "log_p": fr.metrics.Column("log p(y | x)", unit="nats"),
    }
    every = 1

    def __init__(self, pixels: np.ndarray, labels: np.ndarray, how: str) -> None:
        self.pixels, self.labels, self.started = entered(pixels, how), labels.astype(np.intp), time.perf_counter()

    def __call__(self, snapshot) -> dict[str, float]:
        found = self.of(snapshot.rbm, snapshot.n_threads)
        print(
            f"epoch {snapshot.epoch}: {found['wrong']:.2f} % wrong of validation data, log p {found['log_p']:.4f}; "
            f"{time.perf_counter() - self.started:.0f} s",
            flush=True,
        )
        return found

    def of(self, rbm: fr.RBM, n_threads: int | None) -> dict[str, float]:
        log_p = fr.likelihood.label_probabilities(rbm, self.pixels, log=True, n_threads=n_threads)
        wrong = log_p.argmax(axis=1) != self.labels
        return {"wrong": 100 * wrong.mean(), "log_p": log_p[np.arange(len(log_p)), self.labels].mean()}

    def describe(self) -> dict[str, int]:
        return {"n": len(self.labels)}


def estimator(method: str, options: argparse.Namespace):
    chains = fr.gradient.PCD(options.batch, seed=options.seed)
    if method == "joint":
        return chains
    if method == "discriminative":
        return fr.gradient.Discriminative()
    return fr.gradient.Hybrid(chains, options.alpha, seed=options.seed)


def run(method: str, train: tuple, test: tuple, options: argparse.Namespace) -> None:
    hidden, published = PUBLISHED[method]
    n_hidden = options.hidden or hidden
    kept, aside = ([part[rows] for part in train] for rows in np.split(np.arange(len(train[1])), [-N_VALIDATION]))
    adam = options.adam or method != "joint"
    schedule = fr.optim.Linear(options.rate or (0.002 if adam else 0.2), 0.0)
    optimizer = fr.optim.Adam(schedule, l2=options.l2) if adam else fr.optim.SGD(schedule, l2=options.l2)
    print(f"{method}, {n_hidden} hidden units, {options.pixels} pixels, {optimizer}", flush=True)
    first = np.column_stack([entered(kept[0], options.pixels), kept[1]])
    visible = [fr.units.Bernoulli(784), fr.units.Categorical(1, 10)]
    rbm = fr.RBM.from_data(first, n_hidden, seed=options.seed, visible=visible)
    del first
    errors = Errors(*aside, options.pixels)
    fr.fit(
        rbm, Batches(*kept, options), estimator(method, options), optimizer, epochs=options.epochs, seed=options.seed,
        metrics=errors, callbacks=fr.EarlyStopping("wrong", options.patience, cool_down=options.cool_down),
        centered=method == "joint", n_threads=options.threads,
        averaging=fr.optim.Averaging(options.average) if options.average else None,
    )  # fmt: skip
    passed, found = time.perf_counter() - errors.started, errors.of(rbm, options.threads)
    words = f"{method}: {found['wrong']:.2f} % of validation data, log p {found['log_p']:.4f}, after {passed:.0f} s"
    if options.test:
        own = Errors(*test, options.pixels).of(rbm, options.threads)["wrong"]
        words += f"; {own:.2f} % of test data; published, with {hidden:,} hidden units: {published:.2f} %"
    print(words, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=list(PUBLISHED), default=list(PUBLISHED))
    parser.add_argument("--hidden", type=int, help="by default as many as published")
    parser.add_argument("--epochs", type=int, default=30, help="at most")
    parser.add_argument("--patience", type=int, default=10, help="epochs without a smaller error")
    parser.add_argument("--cool-down", type=float, default=0.5, help="see EarlyStopping")
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--pixels", choices=["threshold", "gray", "drawn"], default="drawn")
    parser.add_argument("--adam", action="store_true", help="for joint training, too, which is by SGD")
    parser.add_argument("--rate", type=float, help="at the start; it falls to 0")
    parser.add_argument("--alpha", type=float, default=0.01, help="weight of the generative part of the hybrid")
    parser.add_argument("--l2", type=float, default=0.0)
    parser.add_argument("--average", type=float, help="the last part of the training whose weights are averaged")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--test", action="store_true")
    options = parser.parse_args()
    folder = os.environ.get("FASTRBM_DATA")
    if not folder:
        parser.error("FASTRBM_DATA must name the folder that holds mnist/")
    train, test = load(Path(folder) / "mnist")
    for method in options.methods:
        run(method, train, test, options)


if __name__ == "__main__":
    main()
