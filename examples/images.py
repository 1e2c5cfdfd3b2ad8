"""Train on pictures in IDX files, such as MNIST's or Fashion-MNIST's, and fill in covered halves.

    python examples/images.py TRAIN-IMAGES TEST-IMAGES [--epochs 20] [--hidden 500] [--picture images.png]

The files are the .gz (or unpacked) IDX files of such a data set. Debian has those of Fashion-MNIST in its package
dataset-fashion-mnist; ``dpkg -L dataset-fashion-mnist`` says where they lie once it is installed. Real values are cut
at half of their scale.

What to expect, in under a minute on two cores: the log-likelihood of the test pictures, from both sides, far above
that of a model that knows only the pixels' means (-205.8 nats for MNIST, -383.1 for Fashion-MNIST). In the picture:
data; samples, which chains that start at data reach after 1,000 sweeps; test pictures whose lower half is drawn given
the upper one; and weights of hidden units. The interval of the score may be wide after so short a training, and its
warning means what it says. The picture needs matplotlib.
"""

import argparse

import matplotlib.pyplot as plt
import numpy as np

import fastrbm as fr
import fastrbm.plot


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", help="images, IDX")
    parser.add_argument("test", help="images, IDX")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--hidden", type=int, default=500)
    parser.add_argument("--betas", type=int, default=5000, help="steps of annealing")
    parser.add_argument("--picture", default="images.png")
    options = parser.parse_args()

    train, test = fr.datasets.load(options.train), fr.datasets.load(options.test)
    rbm = fr.RBM.from_data(train, options.hidden, seed=0)
    means_only = fr.likelihood.score(fr.RBM.from_data(train, 1, weight_scale=0.0), test)
    print(f"{len(train):,} pictures of {train.shape[1]} pixels")
    history = fr.fit(rbm, train, epochs=options.epochs, seed=0, validation=test, progress=True)
    print(f"shuffled gap {history['shuffled_gap'][-1]:.1f} nats")
    print(f"test: {fr.likelihood.score(rbm, test, n_betas=options.betas)}")
    print(f"the same by the pixels' means alone: {means_only.mean:.2f}")

    some = test[:64].astype(float)
    some[:, some.shape[1] // 2 :] = np.nan  # rows of pixels: the second half is the lower one
    panels = {
        "data": train[:64],
        "samples of the model": rbm.sample(64, n_sweeps=1000, seed=0, start=train[:64]),
        "test data, lower half drawn": rbm.inpaint(some, n_sweeps=1000, seed=0),
    }
    figure, plots = plt.subplots(1, 4, figsize=(18, 4.6), layout="constrained")
    for ax, (title, states) in zip(plots, panels.items(), strict=False):
        fr.plot.samples(states, ax=ax).set_title(title)
    fr.plot.filters(rbm, ax=plots[3]).set_title("weights")
    figure.savefig(options.picture, dpi=110)
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
