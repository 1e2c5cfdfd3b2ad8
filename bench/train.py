"""Time against likelihood: train 784 x 500 on the binarized MNIST of Salakhutdinov & Murray, and score on its test set.

    python bench/train.py BITS [--settings SETTING ...] [--gray IDX] [--sklearn SECONDS] [--hidden 500] [--betas 10000]

BITS: sm2008_binarized_mnist_bits.npz (arrays train and test, packed by numpy.packbits along axis 1). SETTING:
chains,batch,rate,sweeps,l1,epochs; the rate falls linearly to 0; all else is as fit has it. --gray: train on the gray
values that the bits were drawn from, drawn anew in each epoch (MNIST's train-images-idx3-ubyte.gz; the bits are of the
transposed pictures). --sklearn: train scikit-learn's BernoulliRBM instead, for so long. Log Z by annealed importance
sampling up and down, in brackets the interval of each; neither the training nor the chains ever see the test set.
"""

import argparse
import time

import numpy as np

import fastrbm as fr

SETTINGS = [
    "128,128,0.05,1,0,100",
    "256,128,0.1,1,0,100",
    "256,128,0.1,1,0,128",
    "256,256,0.1,2,0,128",
    "256,128,0.1,1,6e-5,450",
]


def ours(train, setting, hidden, seed, draw):
    """(model, words about it, updates, seconds)"""
    chains, batch, rate, sweeps, l1, epochs = (float(part) for part in setting.split(","))
    rbm = fr.RBM.from_data(train, hidden, seed=seed)
    pcd = fr.gradient.PCD(int(chains), int(sweeps), seed)
    sgd = fr.optim.SGD(fr.optim.Linear(rate, 0.0), l1=l1)
    started = time.perf_counter()
    history = fr.fit(rbm, train, pcd, sgd, int(epochs), int(batch), seed, dynamic_binarization=draw)
    seconds = time.perf_counter() - started
    words = f"{chains:6.0f} {batch:5.0f} {rate:5.2f} {sweeps:6.0f} {l1:7.0e}{' gray' if draw else '     '}"
    return rbm, words, history.last["update"], seconds


def scikit_learn(train, rate, batch, limit, hidden, seed):
    """The same of BernoulliRBM, epoch by epoch until the time is up."""
    from sklearn.neural_network import BernoulliRBM

    model = BernoulliRBM(hidden, learning_rate=rate, batch_size=batch, n_iter=1, random_state=seed)
    rng, train, started, updates = np.random.default_rng(seed), train.astype(np.float32), time.perf_counter(), 0
    while time.perf_counter() - started < limit:
        order = rng.permutation(len(train))
        for first in range(0, len(train) - batch + 1, batch):  # whole batches: it is biased on short ones
            model.partial_fit(train[order[first : first + batch]])
            updates += 1
    rbm = fr.RBM(model.components_.T, model.intercept_visible_, model.intercept_hidden_)
    return rbm, f"scikit-learn, batch {batch}, rate {rate:g}", updates, time.perf_counter() - started


def score(rbm, train, test, betas, seed):
    """Test log-likelihood by AIS up and down, as text."""
    free_energy, text = rbm.free_energy(test).mean(), ""
    for z in (
        fr.likelihood.ais(rbm, 100, betas, seed),
        fr.likelihood.reverse_ais(rbm, train[::600], n_betas=betas, seed=seed, n_sweeps=1000),
    ):
        text += f" {-free_energy - z.value:8.2f} ({-free_energy - z.upper:.2f} to {-free_energy - z.lower:.2f})"
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bits")
    parser.add_argument("--settings", nargs="+", default=SETTINGS, metavar="SETTING")
    parser.add_argument("--gray", metavar="IDX")
    parser.add_argument("--sklearn", type=float, metavar="SECONDS")
    parser.add_argument("--rate", type=float, default=0.01, help="of scikit-learn (default %(default)s)")
    parser.add_argument("--hidden", type=int, default=500)
    parser.add_argument("--betas", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with np.load(options.bits) as bits:
        train, test = (np.unpackbits(bits[name], axis=1) for name in ("train", "test"))
    given = train
    if options.gray:
        gray = fr.datasets.load_fractions(options.gray)
        given = gray.reshape(-1, 28, 28).transpose(0, 2, 1).reshape(-1, 784)
    print("chains batch  rate sweeps      l1       updates  seconds   test by AIS up, and down")
    if options.sklearn:
        runs = [scikit_learn(train, options.rate, 100, options.sklearn, options.hidden, options.seed)]
    else:
        runs = (ours(given, s, options.hidden, options.seed, bool(options.gray)) for s in options.settings)
    for rbm, words, updates, seconds in runs:
        line = f"{words:37} {updates:8} {seconds:8.1f}"
        print(line + score(rbm, train, test, options.betas, options.seed), flush=True)


if __name__ == "__main__":
    main()
