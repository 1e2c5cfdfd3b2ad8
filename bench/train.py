"""Time against likelihood: train 784 x 500 on the binarised MNIST of Salakhutdinov & Murray, and score on its test set.

    python bench/train.py BITS [--settings SETTING ...] [--hidden 500] [--l2 0] [--betas 10000]

BITS: sm2008_binarized_mnist_bits.npz (arrays train and test, packed by numpy.packbits along axis 1). SETTING:
chains,batch,rate,sweeps,epochs; the rate falls linearly to 0. Log Z by annealed importance sampling up and down, in
brackets the interval of each; the training data and the chains never see the test set.
"""

import argparse
import time

import numpy as np

import fastrbm as fr

SETTINGS = ["128,128,0.05,1,100", "256,128,0.1,1,100", "256,128,0.1,1,128", "256,256,0.1,2,128"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bits")
    parser.add_argument("--settings", nargs="+", default=SETTINGS, metavar="SETTING")
    parser.add_argument("--hidden", type=int, default=500)
    parser.add_argument("--l2", type=float, default=0.0)
    parser.add_argument("--betas", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with np.load(options.bits) as bits:
        train, test = (np.unpackbits(bits[name], axis=1) for name in ("train", "test"))
    print(
        f"{'chains':>6} {'batch':>5} {'rate':>5} {'sweeps':>6} {'updates':>8} {'seconds':>8}  test by AIS up, and down"
    )
    for setting in options.settings:
        chains, batch, rate, sweeps, epochs = (float(part) for part in setting.split(","))
        rbm = fr.RBM.from_data(train, options.hidden, seed=options.seed)
        pcd = fr.gradient.PCD(int(chains), int(sweeps), options.seed)
        sgd = fr.optim.SGD(fr.optim.Linear(rate, 0.0), l2=options.l2)
        started = time.perf_counter()
        history = fr.fit(rbm, train, pcd, sgd, int(epochs), int(batch), options.seed)
        seconds = time.perf_counter() - started
        free_energy = rbm.free_energy(test).mean()
        line = f"{chains:6.0f} {batch:5.0f} {rate:5.2f} {sweeps:6.0f} {history.last['update']:8} {seconds:8.1f} "
        for z in (
            fr.likelihood.ais(rbm, 100, options.betas, options.seed),
            fr.likelihood.reverse_ais(rbm, train[::600], n_betas=options.betas, seed=options.seed, n_sweeps=1000),
        ):
            line += f" {-free_energy - z.value:7.2f} ({-free_energy - z.upper:.2f} to {-free_energy - z.lower:.2f})"
        print(line, flush=True)


if __name__ == "__main__":
    main()
