"""How long Ctrl-C takes: SIGINT at random moments of long calls, until KeyboardInterrupt comes up.

    python bench/interrupts.py [--moments 20] [--threads N] [--only sample AIS tempering fit]

Models from 16 x 8 to 784 x 500, with 1 and with 100 chains. Milliseconds, median and longest; at most 500 on a quiet
machine. A child process makes the calls.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import statistics
import subprocess
import sys
import time

import numpy as np

import fastrbm as fr

SIZES = (16, 8), (64, 16), (64, 128), (784, 500)
CHAINS = 1, 100
LONGEST = 0.5  # seconds
ENDLESS = 2**31


def sample(rbm: fr.RBM, n: int, n_threads: int | None) -> None:
    rbm.sample(n, ENDLESS, n_threads=n_threads, method="gibbs")


def ais(rbm: fr.RBM, n: int, n_threads: int | None) -> None:
    fr.likelihood.ais(rbm, n, 10**7, base_bias=np.zeros(rbm.n_visible), n_threads=n_threads)


def tempering(rbm: fr.RBM, n: int, n_threads: int | None) -> None:
    fr.TemperedChains(rbm, n, n_threads=n_threads).sweep(ENDLESS, n_threads)


def fit(rbm: fr.RBM, n: int, n_threads: int | None) -> None:
    X = (np.random.default_rng(1).random((2000, rbm.n_visible)) < 0.3).astype(np.uint8)
    fr.fit(rbm, X, fr.gradient.PCD(n), epochs=10**6, batch_size=n, n_threads=n_threads)


CALLS = {"sample": sample, "AIS": ais, "tempering": tempering, "fit": fit}


def child(name: str, shape: tuple[int, int], n: int, n_threads: int | None) -> None:
    """Call until it is interrupted, and say when that was; without end."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have set it to be ignored
    rbm = fr.RBM(np.random.default_rng(0).normal(0, 0.05, shape))
    print("ready", flush=True)
    while True:
        try:
            CALLS[name](rbm.copy(), n, n_threads)
        except KeyboardInterrupt:
            print(time.monotonic(), flush=True)


def delays(name: str, shape: tuple[int, int], n: int, n_threads: int | None, moments: int) -> list[float]:
    """Seconds from each signal to its exception."""
    arguments = json.dumps([name, shape, n, n_threads])
    process = subprocess.Popen(
        [sys.executable, __file__, "--child", arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout.readline() == "ready\n"
        passed = []
        for _ in range(moments):
            time.sleep(random.uniform(0.05, 0.5))
            sent = time.monotonic()
            process.send_signal(signal.SIGINT)
            passed.append(float(process.stdout.readline()) - sent)
        return passed
    finally:
        process.kill()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--only", choices=list(CALLS), nargs="+", default=list(CALLS))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(*json.loads(options.child))
    print(f"{'ms':12}{'size':>10}{'chains':>8}{'median':>9}{'longest':>9}")
    late = 0
    for name in options.only:
        for shape in SIZES:
            for n in CHAINS:
                passed = delays(name, shape, n, options.threads, options.moments)
                late += max(passed) > LONGEST
                size, times = "{} x {}".format(*shape), (1e3 * statistics.median(passed), 1e3 * max(passed))
                print(f"{name:12}{size:>10}{n:8}{times[0]:9.0f}{times[1]:9.0f}", flush=True)
    print(f"{late} of {len(options.only) * len(SIZES) * len(CHAINS)} took longer than {1e3 * LONGEST:.0f} ms")


if __name__ == "__main__":
    main()
