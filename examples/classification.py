"""A scikit-learn pipeline whose import was changed by one line: features of an RBM for a classifier.

    python examples/classification.py [--iterations 30] [--compare]

Digits of 8 x 8 grey pixels go through 200 hidden units, whose probabilities are what a logistic regression sees.

What to expect: about 96 of 100 held-back digits are told right from the features, and some two fewer from the pixels
themselves. With --compare, scikit-learn's own RBM is trained by the same arguments, for its accuracy and its time. Needs
scikit-learn.
"""

import argparse
import time

from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import BernoulliRBM as TheirRBM
from sklearn.pipeline import make_pipeline

from fastrbm.sklearn import BernoulliRBM  # was: from sklearn.neural_network import BernoulliRBM


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=30)
    parser.add_argument("--compare", action="store_true")
    options = parser.parse_args()

    X, y = load_digits(return_X_y=True)
    split = train_test_split(X / 16, y, test_size=0.3, random_state=0, stratify=y)
    settings = {"n_components": 200, "learning_rate": 0.05, "n_iter": options.iterations, "random_state": 0}
    pixels = make_pipeline(LogisticRegression(max_iter=1000))
    report("pixels", pixels, *split)
    report("features", make_pipeline(BernoulliRBM(**settings), LogisticRegression(max_iter=1000)), *split)
    if options.compare:
        theirs = make_pipeline(TheirRBM(**settings), LogisticRegression(max_iter=1000))
        report("features by scikit-learn's RBM", theirs, *split)


def report(name, model, train, test, y_train, y_test):
    """Fit a model and print how many of 100 it tells right."""
    started = time.perf_counter()
    model.fit(train, y_train)
    seconds = time.perf_counter() - started
    print(f"{name}: {100 * model.score(test, y_test):.1f} % right, trained in {seconds:.1f} s")


if __name__ == "__main__":
    main()
