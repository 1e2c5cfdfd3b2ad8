"""fastrbm.sklearn without a fit: weights and chains that are assigned, against scikit-learn's own class."""

import io
import itertools
import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")
import joblib  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.neural_network import BernoulliRBM as Theirs  # noqa: E402
from sklearn.utils.validation import check_is_fitted  # noqa: E402

from fastrbm.sklearn import BernoulliRBM  # noqa: E402

RNG = np.random.default_rng(0)
W, B, C = RNG.normal(0, 1, (5, 8)), RNG.normal(0, 1, 8), RNG.normal(0, 1, 5)  # as components_, visible, hidden
V = RNG.random((40, 8))
V[::2] = V[::2] > 0.5
ARRAYS = {"components_": W, "intercept_visible_": B, "intercept_hidden_": C}


def assigned(kind=BernoulliRBM, names=ARRAYS, **options):
    model = kind(**{"random_state": 0} | options)
    for name in names:
        setattr(model, name, ARRAYS[name])
    return model


@pytest.mark.parametrize("names", list(itertools.permutations(ARRAYS)), ids="-".join)
def test_any_order_of_assignment(names):
    model, theirs = assigned(names=names), assigned(Theirs)
    check_is_fitted(model)
    assert np.abs(model.transform(V) - theirs.transform(V)).max() < 1e-6
    for name in names:
        assert np.array_equal(getattr(model, name), np.float32(ARRAYS[name])), name
    assert model.n_features_in_ == 8 and list(model.get_feature_names_out()) == [f"bernoullirbm{j}" for j in range(5)]


def test_what_it_says_is_what_scikit_learn_says():
    """Fields are off by the grids of weights (30 bits a column) and of fractions (2^-23): below 1e-5 an example
    here."""
    model, theirs = assigned(), assigned(Theirs)
    free = theirs._free_energy(V)
    assert np.abs(model.free_energy(V) - free).max() < 1e-5
    assert np.array_equal(model._free_energy(V), model.free_energy(V)) and model.free_energy(V).dtype == np.float64
    assert np.abs(model._mean_hiddens(V) - theirs._mean_hiddens(V)).max() < 1e-6
    assert np.array_equal(model._mean_hiddens(V[0]), model._mean_hiddens(V[:1])[0])
    flips = np.zeros(40)
    for i in range(8):
        other = V.copy()
        other[:, i] = 1 - other[:, i]
        flips -= np.logaddexp(0, free - theirs._free_energy(other))
    assert np.abs(model.score_samples(V) - flips).max() < 8e-5
    # the same numbers of the same generator: the same states, but for those within 1e-6 of their probability
    h = [each._sample_hiddens(V, np.random.RandomState(1)) for each in (model, theirs)]
    assert h[0].dtype == bool and np.array_equal(*h)
    v = [each._sample_visibles(h[0], np.random.RandomState(2)) for each in (model, theirs)]
    assert v[0].dtype == bool and np.array_equal(*v)
    assert model._sample_visibles(h[0][0], np.random.default_rng(0)).shape == (8,)
    assert model._sample_hiddens(V[0], np.random.default_rng(0)).shape == (5,)


@pytest.mark.parametrize("row", [0, 1])
def test_gibbs_frequencies_are_scikit_learns(row):
    """Of bits and of fractions: the difference of two means of n draws, within 5 standard errors."""
    n = 20_000
    start = np.repeat(V[row : row + 1], n, axis=0)
    model, theirs = assigned(), assigned(Theirs)
    one, other = model.gibbs(start), theirs.gibbs(start)
    pairs = [v.astype(float).T @ v / n for v in (one, other)]
    assert np.abs(pairs[0] - pairs[1]).max() < 5 * np.sqrt(2 * 0.25 / n)
    assert model.gibbs(V[row]).shape == (8,) and model.gibbs(V[row]).dtype == bool


def test_missing_biases_are_zero_and_parameters_stay_arguments():
    model = assigned(names=["components_"])
    assert not model.intercept_visible_.any() and not model.intercept_hidden_.any()
    assert model.n_components == 256 and model.h_samples_.shape == (10, 5) and not model.h_samples_.any()
    assert model.sample(3, 5).shape == (3, 8) and np.isfinite(model.score(V))
    model.components_ = W[:3, :4]  # never trained: a new model
    assert model.transform(V[:, :4]).shape == (40, 3) and model.n_features_in_ == 4


def test_nothing_and_biases_alone_are_no_fit():
    for model in (BernoulliRBM(), assigned(names=["intercept_visible_", "intercept_hidden_"])):
        for method in (model.transform, model.score_samples, model.free_energy, model.gibbs, model.score):
            with pytest.raises(NotFittedError):
                method(V)
        assert not hasattr(model, "components_") and not hasattr(model, "h_samples_")
        with pytest.raises(AttributeError, match="BernoulliRBM has no components_ before it is fitted"):
            _ = model.components_
    assert np.array_equal(model.intercept_visible_, np.float32(B))


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("components_", W[0], r"components_ must have shape \(any, any\), got \(8,\)"),
        ("components_", W * np.nan, r"components_\[0, 0\] is nan"),
        ("components_", "weights", "components_"),
        ("intercept_visible_", B[1:], r"intercept_visible_ must have shape \(8,\), as the model has, got \(7,\)"),
        ("intercept_hidden_", B, r"intercept_hidden_ must have shape \(5,\), as the model has, got \(8,\)"),
        ("h_samples_", np.zeros((3, 8)), "h_samples_ has 8 units per example where the model has 5"),
        ("h_samples_", np.full((3, 5), 0.5), "h_samples_ must hold 0 or 1"),
        ("h_samples_", np.zeros((0, 5)), "h_samples_ must have at least one chain"),
    ],
)
def test_what_does_not_fit_is_named_and_changes_nothing(name, value, message):
    model = assigned()
    with pytest.raises((ValueError, TypeError), match=message):
        setattr(model, name, value)
    assert np.array_equal(model.transform(V), assigned().transform(V))


def test_what_waits_must_fit():
    model = BernoulliRBM(4, random_state=0)
    model.intercept_hidden_ = C
    with pytest.raises(ValueError, match=r"intercept_hidden_ of shape \(5,\) does not fit 4 x 8 components"):
        model.components_ = W[:4]
    with pytest.raises(ValueError, match=r"intercept_hidden_ of shape \(5,\) does not fit 4 x 8 components"):
        model.partial_fit(V)
    assert not hasattr(model, "components_")
    assert model.set_params(n_components=5).partial_fit(V).components_.shape == (5, 8)
    assert np.abs(model.intercept_hidden_ - C).max() < 0.11  # one update of 0.1 from there
    assert np.abs(model.fit(V).intercept_hidden_ - C).max() > 0.2  # which begins anew


def test_partial_fit_goes_on_from_the_weights():
    model = assigned(learning_rate=1e-3)
    model.set_params(n_chains=7)  # not trained yet: still counts
    model.partial_fit(V)
    assert np.abs(model.components_ - W).max() <= 1.001e-3 and (model.components_ != np.float32(W)).any()
    assert model.h_samples_.shape == (7, 5)
    with pytest.raises(ValueError, match=r"components_ must have shape \(5, 8\), as the model has, got \(3, 8\)"):
        model.components_ = W[:3]
    with pytest.raises(ValueError, match="X has 7 features"):
        model.partial_fit(V[:, :7])


def test_chains_go_on_from_hidden_states_that_are_assigned():
    """Weights that tie each visible unit to its hidden one: after a sweep the chains are where they were put."""
    tie = 60.0 * np.eye(6)
    start = RNG.integers(0, 2, (9, 6))
    for before in (True, False):
        model = BernoulliRBM(6, learning_rate=1e-9, random_state=0)
        if before:
            model.h_samples_ = start
        model.components_ = tie
        model.intercept_visible_ = model.intercept_hidden_ = np.full(6, -30.0)
        if not before:
            model.partial_fit(np.zeros((2, 6)))  # ten chains, all off or on by the bias, then nine
            model.h_samples_ = start.astype(bool)
        assert np.array_equal(model.h_samples_, start) and model.h_samples_.dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            model.h_samples_[0, 0] = 1.0
        model.partial_fit(np.zeros((2, 6)))
        assert np.array_equal(model.h_samples_, start)
        assert model._gradient.chains.n_sweeps_done == (1 if before else 2)


def test_copies_and_output():
    pd = pytest.importorskip("pandas")
    model = assigned().set_output(transform="pandas")
    assert isinstance(model.transform(V), pd.DataFrame) and isinstance(model._mean_hiddens(V), np.ndarray)
    assert model._sample_hiddens(V, np.random.RandomState(0)).dtype == bool
    assert not hasattr(clone(model), "components_")
    waiting = assigned(names=["intercept_visible_"])
    waiting.h_samples_ = np.ones((2, 5))
    for back in (pickle.loads(pickle.dumps(waiting)), joblib.load(_dumped(waiting))):
        back.components_ = W
        assert np.array_equal(back.intercept_visible_, np.float32(B)) and back.h_samples_.shape == (2, 5)
    back = pickle.loads(pickle.dumps(assigned()))
    assert np.array_equal(back.gibbs(V), assigned().gibbs(V))
    again = pickle.loads(pickle.dumps(back))
    assert np.array_equal(back.partial_fit(V).components_, again.partial_fit(V).components_)
    assert np.array_equal(assigned().partial_fit(V).components_, assigned().partial_fit(V).components_)


def _dumped(thing):
    file = io.BytesIO()
    joblib.dump(thing, file)
    file.seek(0)
    return file


def test_state_from_read_only_memory_goes_on(tmp_path):
    """As Ray, dask and joblib's memory maps bring it back (scikit-learn issue 25584)."""
    model = BernoulliRBM(5, n_iter=2, random_state=0, centered=True).fit(V)
    model.h_samples_ = RNG.integers(0, 2, (4, 5))
    buffers = []
    data = pickle.dumps(model, protocol=5, buffer_callback=buffers.append)
    joblib.dump(model, tmp_path / "model")
    copies = [
        pickle.loads(data, buffers=[memoryview(bytes(b.raw())).toreadonly() for b in buffers]),
        joblib.load(tmp_path / "model", mmap_mode="r"),
    ]
    expected = [model.gibbs(V), model.partial_fit(V).components_, model.transform(V), model.h_samples_]
    for back in copies:
        got = [back.gibbs(V), back.partial_fit(V).components_, back.transform(V), back.h_samples_]
        assert all(map(np.array_equal, got, expected))
