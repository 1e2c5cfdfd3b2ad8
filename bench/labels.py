"""Test errors on MNIST's labels of joint, discriminative and hybrid training, against those that are published.

    FASTRBM_DATA=FOLDER python bench/labels.py [--methods joint hybrid classifier] [--hidden 500] [--epochs 30]

FOLDER holds mnist/ (IDX files, also .gz). Pixels are 0 and 1, by the threshold 1/2 or (--drawn) by a draw that is made
once. A model has a unit for each pixel and a categorical one for the label; it is trained on the 60,000 training
examples, and an example of the test set gets the label with the largest p(y | x). Published (Larochelle & Bengio 2008,
Table 1, which kept 10,000 of the 60,000 to choose settings): joint, 6,000 hidden units, 3.39 %; discriminative, 500,
1.81 %; hybrid, 1,500, 1.28 %. "classifier" is fastrbm.sklearn.RBMClassifier, which takes pixels from 0 to 1 and draws
states from them, anew each time. After each epoch: errors and nats. Times are of this machine as it is.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np

import fastrbm as fr

PUBLISHED = {
    "joint": (6000, 3.39), "discriminative": (500, 1.81), "hybrid": (1500, 1.28), "classifier": (1500, 1.28),
}  # fmt: skip


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


def joint(pixels: np.ndarray, labels: np.ndarray, drawn: bool) -> np.ndarray:
    """uint8 (n, 785): pixels of 0 and 1, and a label."""
    threshold = np.random.default_rng(0).integers(0, 255, pixels.shape, dtype=np.uint8) if drawn else 127
    return np.column_stack([(pixels > threshold).astype(np.uint8), labels])


def read_idx(path: Path) -> np.ndarray:
    import gzip
    import struct

    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        _, _, _, n_axes = struct.unpack(">BBBB", file.read(4))
        shape = struct.unpack(f">{n_axes}I", file.read(4 * n_axes))
        return np.frombuffer(file.read(), np.uint8).reshape(shape)


def estimator(method: str, options: argparse.Namespace):
    chains = fr.gradient.PCD(options.batch, seed=options.seed)
    if method == "joint":
        return chains
    if method == "discriminative":
        return fr.gradient.Discriminative()
    return fr.gradient.Hybrid(chains, options.alpha, seed=options.seed)


def said(rbm: fr.RBM, data: np.ndarray) -> tuple[float, float]:
    """(percent of errors, mean log p(y | x) in nats)."""
    log_p = fr.likelihood.label_probabilities(rbm, data, log=True)
    labels = data[:, -1].astype(np.intp)
    return 100.0 * float((log_p.argmax(axis=1) != labels).mean()), float(log_p[np.arange(len(data)), labels].mean())


def run(method: str, train: np.ndarray, test: np.ndarray, options: argparse.Namespace) -> None:
    visible = [fr.units.Bernoulli(784), fr.units.Categorical(1, 10)]
    rbm = fr.RBM.from_data(train, options.hidden, seed=options.seed, visible=visible)
    rate = options.rate or (0.05 if method == "joint" else 0.001)
    schedule = fr.optim.Linear(rate, 0.0)
    optimizer = fr.optim.SGD(schedule) if method == "joint" else fr.optim.Adam(schedule, l2=options.l2)
    lost = [0.0, time.perf_counter()]  # in the measurements, and when the training began

    def show(state: fr.FitState) -> None:
        started = time.perf_counter()
        passed = started - lost[1] - lost[0]
        (error, nats), (own, own_nats) = said(state.rbm, test), said(state.rbm, train[:10_000])
        print(
            f"{method}, {options.hidden} hidden, epoch {state.epoch}: test error {error:.2f} %, log p {nats:.4f}; "
            f"of training data {own:.2f} %, {own_nats:.4f}; {passed:.0f} s",
            flush=True,
        )
        lost[0] += time.perf_counter() - started

    fr.fit(
        rbm, train, estimator(method, options), optimizer, epochs=options.epochs, batch_size=options.batch,
        seed=options.seed, callbacks=show, centered=method == "joint", n_threads=options.threads,
    )  # fmt: skip
    hidden, published = PUBLISHED[method]
    print(
        f"{method}: {said(rbm, test)[0]:.2f} %; published, with {hidden:,} hidden units: {published:.2f} %", flush=True
    )


def run_classifier(train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], options) -> None:
    from fastrbm.sklearn import RBMClassifier

    model = RBMClassifier(
        options.hidden, learning_rate=options.rate or 0.003, batch_size=options.batch, n_iter=options.epochs,
        alpha=options.alpha, l2=options.l2, random_state=options.seed, verbose=1, n_jobs=options.threads,
    )  # fmt: skip
    (X, y), (X_test, y_test) = ((pixels / np.float32(255), labels) for pixels, labels in (train, test))
    started = time.perf_counter()
    model.fit(X, y)
    passed, (hidden, published) = time.perf_counter() - started, PUBLISHED["classifier"]
    error = 100 * (1 - model.score(X_test, y_test))
    print(f"classifier: {error:.2f} % in {passed:.0f} s; published, with {hidden:,} hidden units: {published:.2f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=list(PUBLISHED), default=list(PUBLISHED))
    parser.add_argument("--hidden", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rate", type=float, help="at the start; it falls to 0")
    parser.add_argument("--alpha", type=float, default=0.01, help="weight of the generative part of the hybrid")
    parser.add_argument("--l2", type=float, default=0.0)
    parser.add_argument("--drawn", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    folder = os.environ.get("FASTRBM_DATA")
    if not folder:
        parser.error("FASTRBM_DATA must name the folder that holds mnist/")
    train, test = load(Path(folder) / "mnist")
    for method in options.methods:
        if method == "classifier":
            run_classifier(train, test, options)
        else:
            run(method, joint(*train, options.drawn), joint(*test, options.drawn), options)


if __name__ == "__main__":
    main()
