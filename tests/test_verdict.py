"""What the end of a training says: each fault by its name, and nothing of a good training."""

import math
import warnings

import numpy as np
import pytest

import fastrbm as fr
from fastrbm.training.verdict import Closing, TrainingWarning, findings

DIGITS = fr.datasets.load_digits()


def kinds(**numbers):
    """Of a good training, but for these numbers."""
    good = {
        "n_updates": 20_000, "n_visible": 64, "hidden_input": 3.0, "updates": np.arange(1, 11) * 2000,
        "gaps": np.array([5, 10, 14, 16, 17, 18, 18.5, 18.8, 19, 19.0]), "excess_gap": 1.5, "margin": 8.0,
        "off_means": 0.025, "means_error": 0.03, "off_axis": 0.05, "axis_error": 0.1,
    }  # fmt: skip
    return [(f.kind, f.fault) for f in findings(Closing(**(good | numbers)))]


@pytest.mark.parametrize(
    "numbers, kind, fault",
    [
        ({"hidden_input": 80.0}, "diverged", True),
        ({"hidden_input": math.nan}, "diverged", True),
        ({"gaps": np.array([1.0, 14380.7]), "updates": np.array([1, 75])}, "diverged", True),
        ({"gaps": np.array([1.0, math.inf]), "updates": np.array([1, 75])}, "diverged", True),
        ({"gaps": np.zeros(10), "n_updates": 100}, "nothing learned", True),
        ({"hidden_input": 80.0, "n_visible": 784}, None, False),  # of far prototypes
        ({"off_clusters": 0.3, "cluster_errors": 5.7, "n_clusters": 8}, "samples unlike the data", True),
        ({"off_clusters": 0.3, "cluster_errors": 4.1, "n_clusters": 2}, "samples unlike the data", True),
        ({"off_clusters": 0.3, "cluster_errors": 5.6, "n_clusters": 8}, None, False),  # within the error
        ({"off_clusters": 0.19, "cluster_errors": 9.0, "n_clusters": 8}, None, False),  # too little for words
        ({"off_clusters": 0.0, "cluster_errors": 0.0, "n_clusters": 1}, None, False),
        ({"families": 7.0}, "weights of modes unknown", False),
        ({"families": 8.0}, None, False),
        ({"too_costly": True}, "weights of modes unknown", False),
        ({"families": 30.0, "too_costly": True, "off_clusters": 0.3, "cluster_errors": 4.0, "n_clusters": 8},
         "weights of modes unknown", False),
        ({"off_clusters": 0.3, "cluster_errors": 5.7, "n_clusters": 8, "moving": True}, "weights of modes unknown",
         False),
        ({"off_axis": 0.88, "axis_error": 0.06, "moving": True}, "weights of modes unknown", False),
        ({"off_axis": 0.88, "axis_error": 0.06, "moving": True, "off_means": 0.2}, "samples unlike the data", True),
        ({"gaps": np.zeros(10), "n_updates": 99}, "nothing learned", False),  # a step of a loop: no warning
        ({"gaps": np.array([0.0008]), "updates": np.array([30]), "n_updates": 30}, "nothing learned", False),
        ({"off_axis": 0.88, "axis_error": 0.06}, "samples unlike the data", True),
        ({"off_axis": 0.56, "axis_error": 0.23}, None, False),  # within the error
        ({"off_axis": 0.35, "axis_error": 0.01}, None, False),  # too little for words
        ({"off_means": 0.2}, "samples unlike the data", True),
        ({"off_means": 0.2, "means_error": 0.1}, None, False),  # few chains
        ({"excess_gap": 6.0}, "overfitting", True),
        ({"margin": -3.0}, "overfitting", True),
        ({"excess_gap": math.nan, "margin": math.nan, "off_axis": math.nan, "off_means": math.nan}, None, False),
        ({"gaps": np.linspace(1, 10, 10)}, "still rising", False),
        ({"scores": np.array([-25, -20, -17, -19, -20.0]), "score_updates": np.arange(1, 6), "score_name": "s"},
         "overfitting", True),
        ({"scores": np.array([-25, -20, -17, -16.9, -17.0]), "score_updates": np.arange(1, 6), "score_name": "s"},
         None, False),
        ({"scores": np.array([-25, -23, -21, -19, -17.0]), "score_updates": np.arange(1, 6), "score_name": "s"},
         "still rising", False),
        ({"scores": np.array([-25, -20, -17, -19, -20.0]), "score_updates": np.arange(1, 6), "score_error": 9.0},
         None, False),
        ({}, None, False),
    ],
)  # fmt: skip
def test_what_numbers_say(numbers, kind, fault):
    assert kinds(**numbers) == ([] if kind is None else [(kind, fault)])


def trained(data, n_hidden, gradient=None, optimizer=None, **options):
    """(history, kinds of warnings)."""
    rbm, options = fr.RBM.from_data(data, n_hidden, seed=0), {"n_threads": 1} | options
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = fr.fit(rbm, data, gradient, optimizer, **options)
    reported = [str(w.message) for w in caught if w.category is TrainingWarning]
    assert all(words in history.verdict for words in reported)
    assert all(w.filename == __file__ for w in caught if w.category is TrainingWarning)
    return history.verdict, reported


def test_diverged():
    verdict, reported = trained(DIGITS, 64, None, fr.optim.SGD(fr.optim.Linear(1000.0, 0.0)), epochs=5)
    assert len(reported) == 1 and verdict.startswith("The training has diverged")


def test_nothing_learned():
    verdict, reported = trained(fr.datasets.bars_and_stripes(4), 16, epochs=100)
    assert len(reported) == 1 and verdict.startswith("Nothing was learned") and "100 updates are few" in verdict
    verdict, reported = trained(fr.datasets.bars_and_stripes(4), 16, epochs=10)
    assert not reported and verdict.startswith("Nothing was learned") and "10 updates are few" in verdict


def test_still_rising():
    verdict, reported = trained(DIGITS, 64, epochs=60)
    assert not reported and verdict.startswith("Still rising: the shuffled gap went from")


def test_overfitting():
    verdict, reported = trained(DIGITS[:100], 64, epochs=5000, validation=DIGITS[1400:])
    assert len(reported) == 1 and verdict.startswith("Overfitting: the validation data are")


def test_samples_unlike_the_data():
    """Ten coins that always agree: plain chains never turn over, and the model gets the wrong weights silently."""
    coin = np.repeat(np.random.default_rng(0).random((1000, 1)) < 0.55, 10, axis=1).astype(np.uint8)
    verdict, reported = trained(coin, 10, epochs=500)
    assert len(reported) == 1 and verdict.startswith("Samples of the model are unlike the data")
    verdict, reported = trained(coin, 10, fr.gradient.Tempered(64, 6), epochs=200)
    assert not reported


@pytest.mark.parametrize("name", ["digits", "bars and stripes", "survey"])
@pytest.mark.slow
def test_good_trainings_are_not_blamed(name):
    """By default, for their whole budget of 20,000 updates, on a few hidden units."""
    if name == "digits":
        verdict, reported = trained(DIGITS[:1400], 32, validation=DIGITS[1400:])
    elif name == "survey":
        rng = np.random.default_rng(0)
        factors, loadings = rng.normal(size=(1500, 3)), 1.2 * rng.normal(size=(3, 24))
        X = (rng.random((1500, 24)) < 1 / (1 + np.exp(-factors @ loadings))).astype(np.uint8)
        verdict, reported = trained(X[:1200], 32, validation=X[1200:])
    else:
        verdict, reported = trained(fr.datasets.bars_and_stripes(3), 32)
    assert (verdict, reported) == ("", [])


def test_no_epochs_no_words():
    assert trained(DIGITS, 4, epochs=0) == ("", [])


def test_a_resumed_training_says_the_same(tmp_path):
    options = {"epochs": 100, "checkpoint": tmp_path / "c.npz"}
    data = fr.datasets.bars_and_stripes(4)
    first = trained(data, 16, **options)
    assert trained(data, 16, resume=True, **options) == first and first[0]
