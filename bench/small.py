"""Small binary data sets: 23 hidden units, settings chosen on the validation examples, exact test log-likelihoods.

    python bench/small.py FILE ... [--hidden 23]

FILE: .npz with train, valid and test, packed by numpy.packbits along axis 1, and n_vis, the number of units. Every
setting is trained with early stopping on the validation examples (log-likelihood by AIS); the model that is best on
them is scored with log Z by enumeration.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import fastrbm as fr

# epochs, rate at the start, l1, l2; batches of 50, 500 chains
SETTINGS = [(400, 0.1, 0.0, 0.0), (400, 0.05, 3e-4, 1e-3), (1500, 0.1, 0.0, 0.0), (1500, 0.1, 1e-4, 0.0)]


def trained(train, valid, hidden, setting):
    """(validation log-likelihood by AIS, model)"""
    epochs, rate, l1, l2 = setting
    rbm = fr.RBM.from_data(train, hidden, seed=0)
    score = fr.metrics.LogLikelihood("ais", n_betas=1000, every=epochs // 20)
    stop = fr.EarlyStopping("log_likelihood", patience=5)
    sgd = fr.optim.SGD(fr.optim.Linear(rate, 0.0), l1=l1, l2=l2)
    fr.fit(
        rbm, train, fr.gradient.PCD(500), sgd, epochs, 50, validation=valid, metrics=score, callbacks=stop
    )  # fmt: skip
    return fr.likelihood.score(rbm, valid, "ais", 200, 5000).mean, rbm


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--hidden", type=int, default=23)
    options = parser.parse_args()
    print("             epochs  rate    l1    l2   valid by AIS   valid, test, train exactly   seconds")
    for name in options.files:
        with np.load(name) as bits:
            sets = [np.unpackbits(bits[k], axis=1)[:, : int(bits["n_vis"])] for k in ("train", "valid", "test")]
        train, valid, test = sets
        started, best = time.perf_counter(), None
        for setting in SETTINGS:
            value, rbm = trained(train, valid, options.hidden, setting)
            print(f"{Path(name).stem:12} {'{:6} {:5.2f} {:5.0e} {:5.0e}'.format(*setting)} {value:14.2f}", flush=True)
            if best is None or value > best[0]:
                best = value, rbm, setting
        value, rbm, setting = best
        exact = [fr.likelihood.score(rbm, data, "exact").mean for data in (valid, test, train)]
        words = "{:6} {:5.2f} {:5.0e} {:5.0e}".format(*setting)
        print(
            f"{Path(name).stem:12} {words} {value:14.2f}    {exact[0]:.2f} {exact[1]:.2f} {exact[2]:.2f}"
            f" {time.perf_counter() - started:18.0f}  <- chosen",
            flush=True,
        )


if __name__ == "__main__":
    main()
