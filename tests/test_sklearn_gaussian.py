"""The scikit-learn estimator of real-valued data."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")
from sklearn.base import clone  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from fastrbm.sklearn import GaussianRBM  # noqa: E402


@parametrize_with_checks([GaussianRBM(n_components=16), GaussianRBM(n_components=30, centered=True, n_sweeps=2)])
def test_every_check_of_scikit_learn(estimator, check):
    check(estimator)


def data(n=300, seed=0):
    rng = np.random.default_rng(seed)
    centers = np.array([[2.0, -2.0, 1.0, 0.0], [-1.0, 2.0, 0.0, -2.0]])
    classes = rng.integers(0, 2, n)
    return (centers[classes] + rng.normal(size=(n, 4))) * [1, 20, 0.1, 1] + [0, 170, 0, 1e6], classes


X, Y = data()


def fitted(**options):
    return GaussianRBM(**{"n_components": 6, "n_iter": 5, "random_state": 0} | options).fit(X)


def same(a, b):
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in (
        "components_", "intercept_visible_", "intercept_hidden_", "mean_", "scale_"
    )) and a.rbm_.visible == b.rbm_.visible  # fmt: skip


def test_everything_is_in_the_units_of_the_data():
    model = fitted(n_iter=60)
    assert np.allclose(model.mean_, X.mean(0), rtol=1e-12) and np.allclose(model.scale_, X.std(0), rtol=1e-9)
    for found in (model.sample(500, 50), model.gibbs(X), model.inverse_transform(model.transform(X))):
        assert (np.abs(found.mean(0) - X.mean(0)) < 0.5 * X.std(0)).all()
    assert model.gibbs(X).dtype == np.float64 and model.gibbs(X[0]).shape == (4,)
    gaps = np.where(np.eye(300, 4, dtype=bool), np.nan, X)
    filled = model.inpaint(gaps, 20)
    assert np.array_equal(filled[~np.isnan(gaps)], X[~np.isnan(gaps)]) and np.isfinite(filled).all()


def test_score_samples_is_a_density_of_the_data():
    """Its integral over one feature, by the trapezoidal rule far below 1e-6 off for a smooth density, is 1."""
    feature = X[:, 1:2]
    model = GaussianRBM(3, n_iter=20, random_state=0).fit(feature)
    grid = np.linspace(170 - 400, 170 + 400, 20_001)
    density = np.exp(model.score_samples(grid[:, None]))
    assert abs(density.sum() * (grid[1] - grid[0]) - 1) < 1e-3  # the grid of states is 2^-12 of a deviation
    assert np.isclose(model.score(feature), model.score_samples(feature).mean(), rtol=1e-12)
    many = GaussianRBM(25, n_iter=3, random_state=0).fit(X)
    assert np.allclose(many.score_samples(X[:9]), many.score_samples(X)[:9], rtol=0, atol=0)
    assert abs(many.score(X) - many.score_samples(X).mean()) < 0.3  # log Z is annealed in both


def test_order_storage_and_weights():
    order = np.random.default_rng(1).permutation(300)
    assert same(fitted(), GaussianRBM(6, n_iter=5, random_state=0).fit(X[order]))
    assert same(fitted(), GaussianRBM(6, n_iter=5, random_state=0, n_jobs=2).fit(np.asfortranarray(X)))
    weight = np.random.default_rng(2).integers(0, 3, 300)
    one = GaussianRBM(6, n_iter=2, random_state=0).fit(X, sample_weight=weight)
    two = GaussianRBM(6, n_iter=2, random_state=0).fit(np.repeat(X, weight, axis=0))
    assert np.allclose(one.components_, two.components_, atol=1e-4) and np.allclose(one.scale_, two.scale_)
    assert fitted().transform(X.astype(np.float32)).dtype == np.float32


@pytest.mark.slow
def test_variances_are_learned_unless_they_are_not_to_be():
    assert (fitted().rbm_.visible.gamma != 1.0).all() and (fitted(learn_variance=False).rbm_.visible.gamma == 1.0).all()
    model = fitted(n_iter=100)
    assert model.score(X) > fitted(n_iter=100, learn_variance=False).score(X) > fitted(n_iter=0).score(X)


def test_partial_fit_and_what_is_kept():
    model = GaussianRBM(6, random_state=0)
    for start in range(0, 300, 50):
        model.partial_fit(X[start : start + 50])
    assert np.allclose(model.mean_, X[:50].mean(0)) and np.isfinite(model.score(X))
    assert same(pickle.loads(pickle.dumps(model)), model) and clone(model).get_params() == model.get_params()
    given = GaussianRBM(2)
    given.components_ = np.zeros((2, 4))
    assert given.transform(np.zeros((1, 4))).tolist() == [[0.5, 0.5]] and given.scale_.tolist() == [1.0] * 4
    given.partial_fit(np.zeros((3, 4)))


def test_in_a_pipeline(capsys):
    plain = make_pipeline(GaussianRBM(16, n_iter=30, random_state=0), LogisticRegression()).fit(X, Y)
    scaled = make_pipeline(StandardScaler(), GaussianRBM(16, n_iter=30, random_state=0), LogisticRegression()).fit(X, Y)
    new, classes = data(seed=1)
    assert plain.score(new, classes) > 0.9 and scaled.score(new, classes) > 0.9
    assert list(plain[:-1].get_feature_names_out()) == [f"gaussianrbm{k}" for k in range(16)]
    capsys.readouterr()
    GaussianRBM(2, n_iter=2, verbose=1, random_state=0).fit(X)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and "Iteration 2, reconstruction error = 0." in lines[1]


def test_errors_say_which_step_is_missing():
    for bad, words in (
        (np.nan, "(?s)contains NaN.*SimpleImputer, a step before"),
        ("a", "string.*; ColumnTransformer"),
    ):
        table = X.astype(object)
        table[1, 0] = bad
        with pytest.raises(ValueError, match=words):
            GaussianRBM(2).fit(table)


def test_what_diverges_is_refused():
    model = GaussianRBM(6, learning_rate=300.0, random_state=0)
    with pytest.raises(FloatingPointError, match="diverges|would make"):
        model.fit(X)
    with pytest.raises(ValueError, match="beyond 2048 standard deviations"):
        fitted().transform(X * 1e6)
