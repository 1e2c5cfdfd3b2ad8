"""RBMClassifier: scikit-learn's checks, accuracy, classes of any kind, examples without labels, samples by class."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")
from scipy import sparse  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

import fastrbm as fr  # noqa: E402
from fastrbm.sklearn import RBMClassifier  # noqa: E402

D, Y = load_digits(return_X_y=True)
BITS = (D >= 8).astype(np.uint8)
ORDER = np.random.default_rng(0).permutation(len(Y))
TRAIN, TEST = ORDER[:1200], ORDER[1200:]
SMALL = slice(0, 200)


def small(**options):
    return RBMClassifier(**{"n_components": 16, "n_iter": 3, "random_state": 0} | options)


def same(a, b):
    return all(
        np.array_equal(getattr(a.rbm_, name), getattr(b.rbm_, name))
        for name in ("weights", "visible_bias", "hidden_bias")
    )


@pytest.mark.filterwarnings("ignore:X has values from:UserWarning")
# No argument here says that a check is expected to fail.
@parametrize_with_checks([RBMClassifier(64, n_iter=60)])
def test_every_check_of_scikit_learn(estimator, check):
    check(estimator)


def test_it_is_better_than_a_linear_classifier():
    linear = LogisticRegression(max_iter=200).fit(BITS[TRAIN], Y[TRAIN]).score(BITS[TEST], Y[TEST])
    model = RBMClassifier(128, n_iter=50, random_state=0).fit(BITS[TRAIN], Y[TRAIN])
    assert model.score(BITS[TEST], Y[TEST]) > linear and model.score(BITS[TEST], Y[TEST]) > 0.93
    drawn, labels = model.sample(100, np.repeat(np.arange(10), 10), n_sweeps=300)
    assert np.array_equal(labels, np.repeat(np.arange(10), 10)) and drawn.shape == (100, 64)
    assert (model.predict(drawn) == labels).mean() > 0.8


def test_probabilities_and_decisions_agree():
    model = small().fit(BITS[SMALL], Y[SMALL])
    p, log_p = model.predict_proba(BITS), model.predict_log_proba(BITS)
    assert np.allclose(p.sum(axis=1), 1.0, atol=1e-12) and np.allclose(np.log(p), log_p)
    assert np.array_equal(model.predict(BITS), model.classes_[p.argmax(axis=1)])
    assert np.array_equal(model.decision_function(BITS), log_p)
    joint = np.column_stack([BITS, np.zeros(len(BITS), np.uint8)])
    assert np.array_equal(p, fr.likelihood.label_probabilities(model.rbm_, joint))
    two = small().fit(BITS[SMALL], Y[SMALL] > 4)
    log_p = two.predict_log_proba(BITS)
    assert np.array_equal(two.decision_function(BITS), log_p[:, 1] - log_p[:, 0])


@pytest.mark.parametrize("labels", [np.array(list("abcdefghij")), np.arange(10) * 7 - 3, np.arange(10) % 2 > 0])
def test_labels_of_any_kind(labels):
    model = small().fit(BITS[SMALL], labels[Y[SMALL]])
    assert np.array_equal(model.classes_, np.unique(labels)) and model.predict(BITS).dtype == labels.dtype
    assert np.array_equal(model.sample(3, labels[1])[1], labels[[1, 1, 1]])
    if len(model.classes_) == 10:
        assert same(model, small().fit(BITS[SMALL], Y[SMALL]))


def test_dense_sparse_any_dtype_and_any_order():
    first = small().fit(BITS[SMALL], Y[SMALL])
    for X in (BITS[SMALL].astype(float), BITS[SMALL] > 0, sparse.csr_matrix(BITS[SMALL])):
        assert same(first, small().fit(X, Y[SMALL]))
        assert np.array_equal(first.predict_proba(X), first.predict_proba(BITS[SMALL]))
    order = np.random.default_rng(1).permutation(200)
    assert same(first, small().fit(BITS[SMALL][order], Y[SMALL][order]))
    assert same(first, small(n_jobs=1).fit(BITS[SMALL], Y[SMALL]))
    again = pickle.loads(pickle.dumps(first))
    assert np.array_equal(again.predict_proba(BITS), first.predict_proba(BITS)) and not hasattr(clone(first), "rbm_")


@pytest.mark.parametrize("draw", [True, False])
def test_weights_are_repetitions(draw):
    times = np.arange(200) % 3
    for X in (BITS[SMALL], D[SMALL] / 16):
        a = small(dynamic_binarization=draw).fit(X, Y[SMALL], sample_weight=times)
        b = small(dynamic_binarization=draw).fit(np.repeat(X, times, axis=0), np.repeat(Y[SMALL], times))
        assert same(a, b)


def test_fractions():
    model = RBMClassifier(64, n_iter=40, random_state=0).fit(D[TRAIN] / 16, Y[TRAIN])
    assert model.score(D[TEST] / 16, Y[TEST]) > 0.95
    with pytest.warns(UserWarning, match="X has values from 0 to 16"):
        small(n_iter=1).fit(D[SMALL], Y[SMALL])
    with_draws, as_they_are = (small(dynamic_binarization=draw).fit(D[SMALL] / 16, Y[SMALL]) for draw in (True, False))
    assert not same(with_draws, as_they_are)


def test_examples_without_a_label():
    """They count for nothing where alpha is 0, and change the model where it is not; -1 is a label if not named."""
    y = np.where(np.arange(200) % 2, Y[SMALL], -1)
    known = y >= 0
    model = small(unlabeled=-1).fit(BITS[SMALL], y)
    assert np.array_equal(model.classes_, np.arange(10))
    assert not same(model, small().fit(BITS[SMALL][known], y[known]))
    assert same(model, small(unlabeled=-1, n_jobs=1).fit(BITS[SMALL], y))
    assert -1 in small().fit(BITS[SMALL], y).classes_
    text = np.array(["", *"abcdefghij"])
    named = small(unlabeled="").fit(BITS[SMALL], text[y + 1])
    assert named.classes_.tolist() == list("abcdefghij") and same(model, named)
    with pytest.raises(ValueError, match="no labeled example"):
        small(unlabeled=-1).fit(BITS[SMALL], np.full(200, -1))


@pytest.mark.filterwarnings("ignore:The number of unique classes:UserWarning")
def test_one_class_and_too_many():
    for X in (BITS[SMALL], D[SMALL] / 16):
        model = small().fit(X, np.full(200, "only"))
        assert (model.predict_proba(X) == 1.0).all() and (model.predict(X) == "only").all()
        assert (model.sample(5)[1] == "only").all()
    with pytest.raises(ValueError, match="at most 255 classes, got 300"):
        small().fit(np.zeros((300, 2)), np.arange(300))
    with pytest.raises(ValueError, match="label must be one of the classes, 0, 1, 2"):
        small().fit(BITS[SMALL], Y[SMALL]).sample(2, 10)


def test_verbose_and_search(capsys):
    small(verbose=1).fit(BITS[SMALL], Y[SMALL])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[0].startswith("[RBMClassifier] Iteration 1, log p(y | x) = -")
    search = GridSearchCV(small(), {"alpha": [0.0, 0.1]}, cv=2).fit(BITS[SMALL], Y[SMALL])
    assert search.best_params_["alpha"] in (0.0, 0.1)


def test_columns_have_names():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(BITS[SMALL], columns=[f"p{k}" for k in range(64)])
    model = small().fit(frame, Y[SMALL])
    assert model.feature_names_in_.tolist() == list(frame.columns)
    assert np.array_equal(model.predict(frame), small().fit(BITS[SMALL], Y[SMALL]).predict(BITS[SMALL]))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[frame.columns[::-1]])


# ---------------------------------------------------------------- partial_fit


def chunks(model, X, y, size=100, **more):
    for start in range(0, len(X), size):
        model.partial_fit(X[start : start + size], y[start : start + size], **more)
    return model


def test_partial_fit_learns_and_goes_on():
    model = small(n_components=32)
    for _ in range(8):
        chunks(model, BITS[TRAIN], Y[TRAIN], 300, classes=np.arange(10))
    assert model.score(BITS[TEST], Y[TEST]) > 0.8  # of ten classes
    # a copy that was kept in between goes on to the same bits: chains, Adam's means and draws are with it
    other = pickle.loads(pickle.dumps(model))
    assert same(chunks(model, BITS[SMALL], Y[SMALL]), chunks(other, BITS[SMALL], Y[SMALL]))
    # and one without them does not
    other._partial = None
    assert not same(chunks(model, BITS[SMALL], Y[SMALL]), chunks(other, BITS[SMALL], Y[SMALL]))


def test_partial_fit_is_a_loop_of_batches():
    model = small(alpha=0.0, batch_size=50, l2=0.01).partial_fit(BITS[:100], Y[:100], classes=range(10))
    rbm = small(n_iter=0).fit(BITS[:100], Y[:100]).rbm_  # the same start
    assert not np.array_equal(rbm.weights, model.rbm_.weights)
    data, optimizer = np.column_stack([BITS[:100], Y[:100]]), fr.optim.Adam(0.01, l2=0.01)
    one = small(alpha=0.0, batch_size=100, l2=0.01).partial_fit(BITS[:100], Y[:100], classes=range(10))
    optimizer.update(rbm, fr.gradient.Discriminative()(rbm, data))
    assert np.array_equal(rbm.weights, one.rbm_.weights)
    one.set_params(learning_rate=0.001).partial_fit(BITS[100:200], Y[100:200])
    optimizer.learning_rate = 0.001
    optimizer.update(rbm, fr.gradient.Discriminative()(rbm, np.column_stack([BITS[100:200], Y[100:200]])))
    assert np.array_equal(rbm.weights, one.rbm_.weights)


def test_partial_fit_after_fit_weights_and_examples_without_a_label():
    fitted = small().fit(BITS[SMALL], Y[SMALL])
    before = fitted.rbm_.weights
    fitted.partial_fit(BITS[200:300], Y[200:300])
    assert not np.array_equal(before, fitted.rbm_.weights) and np.array_equal(fitted.classes_, np.arange(10))
    weight = np.arange(100) % 3
    rows = np.repeat(np.arange(100), weight)
    one = small().partial_fit(BITS[:100], Y[:100], classes=range(10), sample_weight=weight)
    assert same(one, small().partial_fit(BITS[rows], Y[rows], classes=range(10)))
    none = np.full(100, -1)
    model = small(unlabeled=-1).partial_fit(BITS[:100], none, classes=range(10))  # learns pixels alone
    assert np.allclose(model.predict_proba(BITS[:5]).sum(axis=1), 1.0)
    model.partial_fit(BITS[:100], Y[:100])
    first = small(unlabeled=-1).fit(BITS[SMALL], np.where(np.arange(200) < 150, Y[SMALL], -1))
    assert same(first, small(unlabeled=-1).fit(BITS[SMALL], np.where(np.arange(200) < 150, Y[SMALL], -1)))


def test_what_partial_fit_refuses():
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        small().partial_fit(BITS[:9], Y[:9])
    with pytest.raises(ValueError, match="y has labels that are not in classes, such as"):
        small().partial_fit(BITS[:20], Y[:20], classes=[0, 1])
    with pytest.raises(ValueError, match="marks examples without a label"):
        small(unlabeled=-1).partial_fit(BITS[:20], Y[:20], classes=range(-1, 10))
    model = small().partial_fit(BITS[:20], Y[:20], classes=range(10))
    with pytest.raises(ValueError, match="not the same as on the last call"):
        model.partial_fit(BITS[:20], Y[:20], classes=range(11))
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(BITS[:20, 1:], Y[:20])
    with pytest.raises(ValueError, match="requires y"):
        model.partial_fit(BITS[:20], None)


def test_score_takes_weights():
    model = small().fit(BITS[SMALL], Y[SMALL])
    weight = np.arange(500) % 4
    right = model.predict(BITS[:500]) == Y[:500]
    assert model.score(BITS[:500], Y[:500], sample_weight=weight) == pytest.approx(
        (right * weight).sum() / weight.sum()
    )
