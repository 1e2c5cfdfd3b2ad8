"""Methods side by side: 784 x 500 on the binarized MNIST of Salakhutdinov & Murray, the same number of epochs each.

    python bench/methods.py BITS [--epochs 50] [--only WORD]

BITS as for bench/train.py. Test log-likelihood by AIS up and down; what is not said is as fit has it, with 256 chains
and batches of 128.
"""

import argparse
import time

import numpy as np
from train import score

import fastrbm as fr


def methods():
    """Name: (gradient, optimizer, other arguments of fit)."""
    linear, pcd = fr.optim.Linear(0.1, 0.0), fr.gradient.PCD
    sgd = fr.optim.SGD
    return {
        "as fit has it": (pcd(256), sgd(linear), {}),
        "not centered": (pcd(256), sgd(linear), {"centered": False}),
        "CD-1": (fr.gradient.CD(1), sgd(linear), {}),
        "CD-5": (fr.gradient.CD(5), sgd(linear), {}),
        "64 chains": (pcd(64), sgd(linear), {}),
        "1,024 chains": (pcd(1024), sgd(linear), {}),
        "5 sweeps an update": (pcd(256, 5), sgd(linear), {}),
        "tempered, 10 temperatures": (fr.gradient.Tempered(256, 10), sgd(linear), {}),
        "fast weights, rate 0.01": (fr.gradient.FastPCD(256), sgd(linear), {}),
        "momentum 0.5, rate halved": (pcd(256), sgd(fr.optim.Linear(0.05), momentum=0.5), {}),
        "Adam, rate 0.0005 to 0": (pcd(256), fr.optim.Adam(fr.optim.Linear(0.0005)), {}),
        "cosine": (pcd(256), sgd(fr.optim.Cosine(0.1)), {}),
        "constant rate 0.02": (pcd(256), sgd(0.02), {}),
        "constant rate 0.02, averaged": (pcd(256), sgd(0.02), {"averaging": fr.optim.Averaging()}),
        "L1 of 1e-4": (pcd(256), sgd(linear, l1=1e-4), {}),
        "L2 of 3e-4": (pcd(256), sgd(linear, l2=3e-4), {}),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bits")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--only", default="", metavar="WORD", help="methods whose name has this word")
    parser.add_argument("--betas", type=int, default=10_000)
    options = parser.parse_args()
    with np.load(options.bits) as bits:
        train, test = (np.unpackbits(bits[name], axis=1) for name in ("train", "test"))
    print("                               seconds   test by AIS up, and down")
    for name, (gradient, optimizer, more) in methods().items():
        if options.only not in name:
            continue
        rbm = fr.RBM.from_data(train, 500, seed=0)
        started = time.perf_counter()
        fr.fit(rbm, train, gradient, optimizer, options.epochs, 128, **more)
        seconds = time.perf_counter() - started
        print(f"{name:30} {seconds:7.1f} {score(rbm, train, test, options.betas, 0)}", flush=True)


if __name__ == "__main__":
    main()
