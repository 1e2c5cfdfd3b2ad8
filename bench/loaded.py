"""Sweeps, updates and AIS with one and two threads, on a machine that does other things too.

    python bench/loaded.py [--rounds 15] [--only sweeps] [--chains 1024]

784 x 500; 128, 512 and 1,024 chains. Milliseconds, medians of rounds in turns, and the ratio of two threads to one:
quiet; right after a NumPy product in the same process, whose library lets its threads spin for a while; beside one and
beside two other busy processes. The results with one and two threads are compared in the same run.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

import fastrbm as fr
from fastrbm.training.fused import FEWEST, Updates

SHAPE = 784, 500
CHAINS = 128, 512, 1024
BATCH = 128
BUSY = (
    "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(100_000))"  # ends with its parent
)
SLOWER, LOADED = 1.15, 2.6  # at most: two threads to one; 1,024 chains beside two busy processes to their quiet time
CONDITIONS = {"quiet": 0, "after a product": 0, "one busy": 1, "two busy": 2}


@contextmanager
def busy_processes(n: int) -> Iterator[None]:
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(n)]
    try:
        time.sleep(0.3 if n else 0.0)
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def model() -> fr.RBM:
    rng = np.random.default_rng(0)
    return fr.RBM(rng.normal(0, 0.05, SHAPE), rng.normal(0, 1, SHAPE[0]), rng.normal(0, 1, SHAPE[1]))


def data(n: int) -> np.ndarray:
    return (np.random.default_rng(1).random((n, SHAPE[0])) < 0.3).astype(np.uint8)


class Sweeps:
    """Sweeps of a fixed model."""

    def __init__(self, n_chains: int, n_threads: int) -> None:
        self.chains, self.n_threads = fr.Chains(model(), n_chains, n_threads=1), n_threads
        self.n_sweeps = 20 * 1024 // n_chains

    def __call__(self) -> None:
        self.chains.sweep(self.n_sweeps, self.n_threads)

    def result(self) -> np.ndarray:
        return self.chains.hidden_bits.planes


class Fused:
    """Updates of persistent contrastive divergence, many in a call of the kernel."""

    def __init__(self, n_chains: int, n_threads: int) -> None:
        self.rbm, self.packed = model(), np.packbits(data(4096), axis=1, bitorder="little")
        pcd = fr.gradient.PCD(n_chains)
        self.updates = Updates(self.rbm, pcd, fr.optim.SGD(), None, n_threads)
        self.n = 40 * 256 // (256 + n_chains)

    def __call__(self) -> None:
        done = 0
        while done < self.n:
            now = min(self.updates.most(BATCH), self.n - done)
            if self.n - done - now < FEWEST:  # too few for a call of their own
                now = self.n - done
            ends = np.arange(now + 1) * BATCH
            rows = (np.arange(now * BATCH) + done * BATCH) % len(self.packed)
            done += self.updates.run(self.packed, rows, ends, np.full(now, 0.01))

    def result(self) -> np.ndarray:
        return self.rbm.weights


class OneByOne:
    """Updates with momentum, through Python one at a time."""

    def __init__(self, n_chains: int, n_threads: int) -> None:
        self.rbm, self.data, self.n_threads = model(), fr.BitMatrix.from_states(data(BATCH)), n_threads
        self.pcd, self.sgd = fr.gradient.PCD(n_chains), fr.optim.SGD(0.01, momentum=0.5)
        self.n = 40 * 256 // (256 + n_chains)

    def __call__(self) -> None:
        for _ in range(self.n):
            self.sgd.update(self.rbm, self.pcd(self.rbm, self.data, None, self.n_threads), 0.0, self.n_threads)

    def result(self) -> np.ndarray:
        return self.rbm.weights


class Annealing:
    """Annealed importance sampling."""

    def __init__(self, n_chains: int, n_threads: int) -> None:
        self.rbm, self.n_chains, self.n_threads = model(), n_chains, n_threads
        self.betas = np.linspace(0, 1, 1 + 14 * 1024 // n_chains)

    def __call__(self) -> None:
        self.estimate = fr.likelihood.ais(
            self.rbm, self.n_chains, base_bias=np.zeros(SHAPE[0]), betas=self.betas, n_threads=self.n_threads
        )

    def result(self) -> np.ndarray:
        return self.estimate.log_ratios


JOBS = {"sweeps": Sweeps, "updates, fused": Fused, "updates, one by one": OneByOne, "AIS": Annealing}


def seconds(job: Callable[[], None]) -> float:
    started = time.perf_counter()
    job()
    return time.perf_counter() - started


def measure(jobs: dict, rounds: int, condition: str) -> dict:
    """Median seconds of each job under a condition."""
    times: dict = {name: [] for name in jobs}
    square = np.random.default_rng(2).random((1000, 1000), np.float32)
    for turn in range(rounds + 1):
        for name, job in jobs.items():
            if condition == "after a product":
                square @ square
            else:
                time.sleep(0.05)
            passed = seconds(job)
            if turn:  # the first round is for what is only known once it has run
                times[name].append(passed)
    return {name: statistics.median(passed) for name, passed in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", choices=list(JOBS), nargs="+", default=list(JOBS))
    parser.add_argument("--chains", type=int, nargs="+", default=CHAINS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # so few temperatures tell little of log Z
    jobs = {(name, n, t): JOBS[name](n, t) for name in options.only for n in options.chains for t in (1, 2)}
    medians = {}
    for condition, n_busy in CONDITIONS.items():
        with busy_processes(n_busy):
            medians[condition] = measure(jobs, options.rounds, condition)
    print(f"{'ms':20}{'chains':>7}" + "".join(f" | {condition:^20}" for condition in CONDITIONS))
    print(" " * 27 + f" | {'one':>6}{'two':>7}{'ratio':>7}" * len(CONDITIONS))
    slow = []
    for name in options.only:
        for n in options.chains:
            line = f"{name:20}{n:7}"
            for condition in CONDITIONS:
                one, two = (1e3 * medians[condition][name, n, t] for t in (1, 2))
                line += f" | {one:6.0f}{two:7.0f}{two / one:7.2f}"
                if two > SLOWER * one:
                    slow.append(f"{name}, {n} chains, {condition}: {two / one:.2f}")
            print(line)
            assert np.array_equal(jobs[name, n, 1].result(), jobs[name, n, 2].result()), (name, n)
    print(f"two threads slower than {SLOWER} x one: {'; '.join(slow) or 'nowhere'}")
    sweeps = "sweeps", 1024, 2
    if sweeps in jobs:
        ratio = medians["two busy"][sweeps] / medians["quiet"][sweeps]
        print(f"sweeps of 1,024 chains, two threads, beside two busy processes: {ratio:.2f} x quiet (at most {LOADED})")


if __name__ == "__main__":
    main()
