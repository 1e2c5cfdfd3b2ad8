"""A scikit-learn pipeline with one line of its imports changed: features of an RBM for a classifier.

    python examples/classification.py [--iterations 30] [--compare]

Digits of 8 x 8 pixels, each as it is and shifted by a pixel in four directions, go through 200 hidden units, whose
probabilities are what a logistic regression sees. A quarter of the digits is held back, with all their shifts.

What to expect, in some seconds: 71 of 100 classified correctly from the pixels, since a shift confuses a linear
classifier, and 90 from the features. With --compare, scikit-learn's own RBM is trained by the same arguments, for its
accuracy (89 or 90) and its time. Needs scikit-learn.
"""

import argparse
import time

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import BernoulliRBM as TheirRBM
from sklearn.pipeline import make_pipeline

from fastrbm.sklearn import BernoulliRBM  # was: from sklearn.neural_network import BernoulliRBM


def shifted_digits(n_held_back=450):
    """(train, test, labels of train, labels of test); pixels are 0.0 and 1.0."""
    X, y = load_digits(return_X_y=True)
    pictures = X.reshape(-1, 8, 8) >= 8
    shifts = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
    shifted = np.stack([np.roll(pictures, shift, axis=(1, 2)).reshape(len(X), 64) for shift in shifts], axis=1)
    test = np.isin(np.arange(len(X)), np.random.default_rng(0).choice(len(X), n_held_back, replace=False))
    parts = [shifted[~test], shifted[test]]
    return *(part.reshape(-1, 64).astype(float) for part in parts), np.repeat(y[~test], 5), np.repeat(y[test], 5)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=30)
    parser.add_argument("--compare", action="store_true")
    options = parser.parse_args()

    split = shifted_digits()
    settings = {"n_components": 200, "learning_rate": 0.05, "n_iter": options.iterations, "random_state": 0}
    pixels = make_pipeline(LogisticRegression(max_iter=200))
    report("pixels", pixels, *split)
    report("features", make_pipeline(BernoulliRBM(**settings), LogisticRegression(max_iter=200)), *split)
    if options.compare:
        theirs = make_pipeline(TheirRBM(**settings), LogisticRegression(max_iter=200))
        report("features by scikit-learn's RBM", theirs, *split)


def report(name, model, train, test, y_train, y_test):
    """Fit a model and print how many of 100 it classifies correctly."""
    started = time.perf_counter()
    model.fit(train, y_train)
    seconds = time.perf_counter() - started
    print(f"{name}: {100 * model.score(test, y_test):.1f} % right, trained in {seconds:.1f} s")


if __name__ == "__main__":
    main()
