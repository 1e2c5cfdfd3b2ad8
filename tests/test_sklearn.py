"""The scikit-learn estimator: its contract, scikit-learn's own tests of its class, and the faults that are not
repeated."""

import importlib.util
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import Enumerated, random_rbm, state_numbers

pytest.importorskip("sklearn", minversion="1.6")
from scipy import sparse  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

import fastrbm as fr  # noqa: E402
from fastrbm import BitMatrix  # noqa: E402
from fastrbm.sklearn import BernoulliRBM, GaussianRBM, RBMClassifier, RBMImputer  # noqa: E402
from fastrbm.states.totals import weighted_sums  # noqa: E402
from fastrbm.training import fused  # noqa: E402
from fastrbm.training.by_contents import ByContents  # noqa: E402
from fastrbm.units import Bernoulli  # noqa: E402

X = fr.datasets.load_digits()[:200]
GRAY = np.random.default_rng(0).integers(0, 17, (60, 20)) / 16.0


def model_of(rbm):
    """An estimator with the parameters of an RBM."""
    model = BernoulliRBM(rbm.n_hidden, n_iter=0, random_state=0).fit(np.eye(rbm.n_visible))
    model.components_, model.intercept_visible_ = rbm.weights.T, rbm.visible_bias
    model.intercept_hidden_ = rbm.hidden_bias
    return model


def small(**options):
    return BernoulliRBM(**{"n_components": 16, "n_iter": 2, "random_state": 0} | options)


def same(a, b):
    return all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for name in ("components_", "intercept_visible_", "intercept_hidden_")
    )


@pytest.mark.filterwarnings("ignore:X has values from:UserWarning")
# No argument here says that a check is expected to fail.
@parametrize_with_checks([BernoulliRBM(), BernoulliRBM(dynamic_binarization=False, centered=False, n_sweeps=3)])
def test_every_check_of_scikit_learn(estimator, check):
    check(estimator)


# What these of scikit-learn's own tests ask for that is not behavior.
OTHERWISE = {
    "test_fit": "a pseudo-likelihood of -21.0 within 1.5; here it is -19.0, which is better",
    "test_fit_gibbs": "the weights that its own generator gives for one seed",
}


def test_scikit_learns_own_tests(tmp_path):
    found = importlib.util.find_spec("sklearn.neural_network.tests.test_rbm")
    if found is None:
        pytest.skip("scikit-learn was installed without its tests")
    text = Path(found.origin).read_text(encoding="utf-8")
    theirs = "from sklearn.neural_network import BernoulliRBM"
    assert text.count(theirs) == 1
    (tmp_path / "test_theirs.py").write_text(text.replace(theirs, "from fastrbm.sklearn import BernoulliRBM"))
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "test_theirs.py"]
    env = os.environ | {"PYTHONPATH": str(Path(fr.__file__).parents[1])}
    printed = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True).stdout
    outcomes = re.findall(r"^(PASSED|FAILED|ERROR) test_theirs\.py::(\w+)", printed, re.MULTILINE)
    assert len(outcomes) >= 15, printed
    assert {name for outcome, name in outcomes if outcome != "PASSED"} <= set(OTHERWISE), printed


# ---------------------------------------------------------------- the same meaning


def test_transform_is_the_conditional_distribution():
    rbm = random_rbm(6, 4, seed=2)
    exact = Enumerated(rbm)
    assert np.allclose(model_of(rbm).transform(exact.v), exact.hidden_given_v, atol=1e-6)
    fractions = np.random.default_rng(0).random((5, 6))
    by_hand = 1 / (1 + np.exp(-(fractions @ rbm.weights + rbm.hidden_bias)))
    assert np.allclose(model_of(rbm).transform(fractions), by_hand, atol=1e-6)


def test_score_samples_is_the_pseudo_likelihood_whatever_the_order():
    rbm = random_rbm(6, 4, seed=2)
    exact, model = Enumerated(rbm), model_of(rbm)
    flipped = [np.log(exact.p_v / (exact.p_v + exact.p_v[np.arange(64) ^ 1 << i])) for i in range(6)]
    assert np.allclose(model.score_samples(exact.v), np.sum(flipped, axis=0), atol=1e-5)
    assert np.array_equal(model.score_samples(exact.v[::-1]), model.score_samples(exact.v)[::-1])
    # numbers that are not bits go another way; on their grid these are 0 and 1
    nearly = exact.v * (1 - 1e-9)
    assert np.array_equal(model.score_samples(nearly), model.score_samples(exact.v))


def test_score_is_the_mean_log_likelihood():
    rbm = random_rbm(6, 4, seed=2)
    exact, model = Enumerated(rbm), model_of(rbm)
    states = exact.sample_visible(50, seed=1)
    assert np.isclose(model.score(states), exact.log_likelihood(states), atol=1e-5)
    nearly = states * (1 - 1e-9)
    assert np.isclose(model.score(nearly), exact.log_likelihood(states), atol=1e-5)


def test_gibbs_draws_anew_at_each_call():
    model = small().fit(X)
    one, two = model.gibbs(X), model.gibbs(X)
    assert one.dtype == np.bool_ and one.shape == X.shape and (one != two).any()
    assert (small().fit(X).gibbs(X) == one).all()  # and reproducibly
    assert model.gibbs(X / 2.0).shape == X.shape


def test_gibbs_follows_the_distribution():
    rbm = random_rbm(4, 3, seed=6)
    exact, model = Enumerated(rbm), model_of(rbm)
    states = exact.sample_visible(200_000, seed=3)
    counts = np.bincount(state_numbers(model.gibbs(states).view(np.uint8)), minlength=16)
    p = exact.p_v  # one step leaves it as it is
    assert np.abs(counts / len(states) - p).sum() < 4 * np.sqrt(p * (1 - p) / len(states)).sum()


# ---------------------------------------------------------------- faults that are not repeated


def test_partial_fit_with_more_rows_than_a_batch():
    """scikit-learn divides both phases by the rows given: here 1,000 with 10 chains drive every feature to 1."""
    rng = np.random.default_rng(0)
    data = (rng.random((1000, 30)) < 0.3).astype(np.uint8)
    model = BernoulliRBM(20, batch_size=10, random_state=0)
    for _ in range(100):
        assert model.partial_fit(data) is model
    assert 0.05 < model.transform(data).mean() < 0.95
    assert abs(model.sample(2000, 100).mean() - 0.3) < 0.05


def test_a_short_last_batch_is_not_biased():
    """101 examples, batches of 100: the last one is a single example against 100 chains. With phases divided by the
    same count its negative phase would weigh 100 times too much, and the biases would run away."""
    data = np.repeat([[1, 0, 1]], 101, axis=0)
    model = BernoulliRBM(4, batch_size=100, n_iter=50, random_state=0).fit(data)
    assert np.abs(model.intercept_visible_).max() < 20
    assert np.abs(model.sample(500, 50).mean(axis=0) - [1, 0, 1]).max() < 0.1


def test_float32_stays_float32_and_integers_become_float64():
    model = small().fit(X)
    kinds = {np.float32: np.float32, np.float64: np.float64, np.uint8: np.float64, np.bool_: np.float64}
    for given, wanted in kinds.items():
        assert model.transform(X.astype(given)).dtype == wanted


# ---------------------------------------------------------------- what data may be


@pytest.mark.parametrize("store", [np.asarray, sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("dtype", [np.uint8, np.bool_, np.float32, np.float64, np.int64])
def test_how_data_are_stored_does_not_matter(store, dtype):
    data = store(X.astype(dtype))
    model, wanted = small().fit(data), small().fit(X)
    assert same(model, wanted)
    assert np.array_equal(model.transform(data), wanted.transform(X).astype(model.transform(data).dtype))
    assert np.array_equal(model.score_samples(data), wanted.score_samples(X))
    assert same(small().partial_fit(data), small().partial_fit(X))


@pytest.mark.parametrize("draw", [True, False])
def test_sparse_fractions(draw):
    model, wanted = (small(dynamic_binarization=draw).fit(store(GRAY)) for store in (sparse.csr_array, np.asarray))
    assert same(model, wanted)
    assert np.array_equal(model.transform(sparse.csr_array(GRAY)), wanted.transform(GRAY))
    assert np.array_equal(model.score_samples(sparse.csr_array(GRAY)), wanted.score_samples(GRAY))
    assert same(
        small(dynamic_binarization=draw).partial_fit(sparse.csr_array(GRAY)),
        small(dynamic_binarization=draw).partial_fit(GRAY),
    )


def test_the_order_of_rows_does_not_matter_and_weights_are_repeats():
    rng = np.random.default_rng(1)
    for data in (X, GRAY):
        wanted = small().fit(data)
        assert same(small().fit(data[::-1]), wanted)
        assert same(small().fit(data, sample_weight=np.ones(len(data))), wanted)
        weight = rng.integers(0, 4, len(data))
        assert same(small().fit(data, sample_weight=weight), small().fit(np.repeat(data, weight, axis=0)))
        assert not same(small().fit(data, sample_weight=weight), wanted)
        assert same(small().fit(data, sample_weight=weight * 0.0 + 1e-3), wanted)


def test_weights_that_are_no_whole_numbers_count_on_average():
    """Examples of weights 1.5 and 0.25 come up so often an iteration, within one."""
    data = np.eye(8, dtype=np.uint8)
    weight = np.repeat([1.5, 0.25], 4)
    source = ByContents(BitMatrix.from_states(data), Bernoulli(8), 8, 3, weight, False)
    counts = np.bincount(source.orders(range(1, 4001)).reshape(-1), minlength=8) / 4000
    # n is 8 where the weights add up to 7; 5 standard errors of at most 1/2 each
    assert np.abs(counts - weight * 8 / 7).max() < 5 * 0.5 / np.sqrt(4000)


def test_equal_examples_keep_their_order():
    """As numbers and as bits; else what follows from their weights would hang on how a library sorts."""
    kinds = np.random.default_rng(2).integers(0, 3, 1000)
    for values in (np.eye(3), np.eye(3) / 2):
        states = values[kinds] if values.max() < 1 else BitMatrix.from_states(values[kinds])
        rows = ByContents(states, Bernoulli(3), 10, 0, np.ones(1000), True)._by_contents
        for kind in range(3):
            assert np.array_equal(rows[kinds[rows] == kind], np.flatnonzero(kinds == kind))


def test_weights_too_large_for_memory_are_refused():
    with pytest.raises(
        ValueError, match="sample_weight must not make more than 100,000,000 examples, got a total of 2e"
    ):
        small().fit(X, sample_weight=np.full(200, 1e9))
    small().partial_fit(X, sample_weight=np.full(200, 1e9))  # one update by their mean


def test_sparse_data_with_entries_given_twice_stay_as_they_are():
    half = sparse.csr_array(X[:60] / 2.0)
    twice = sparse.csr_array((np.repeat(half.data, 2), np.repeat(half.indices, 2), half.indptr * 2), shape=half.shape)
    twice.data.flags.writeable = False
    assert same(small().fit(twice), small().fit(X[:60])) and twice.nnz == 2 * half.nnz


def test_the_width_of_numbers_does_not_matter():
    gray = (GRAY * 16).astype(np.uint8)
    with pytest.warns(UserWarning):
        wanted = small().fit(gray.astype(float))
    for dtype in (np.uint8, np.int64, np.float32):
        with pytest.warns(UserWarning):
            assert same(small().fit(gray.astype(dtype)), wanted)
    assert same(small(batch_size=np.int8(7), n_chains=np.uint8(3)).fit(X), small(batch_size=7, n_chains=3).fit(X))


def test_the_start_does_not_depend_on_the_order_of_rows():
    numbers = np.random.default_rng(0).random((300, 40))
    (sums, n), (other, _) = weighted_sums(numbers, None), weighted_sums(numbers[::-1], None)
    assert np.array_equal(sums, other) and n == 300
    assert np.allclose(sums, numbers.sum(axis=0), atol=300 * 2.0**-22)


def test_values_outside_0_and_1_are_taken_with_a_warning():
    data = GRAY * 3 - 1
    with pytest.warns(UserWarning, match="X has values from -1 to 2; an RBM is for numbers from 0 to 1"):
        model = small().fit(data)
    with pytest.warns(UserWarning, match="an RBM is for numbers"):
        assert np.array_equal(model.transform(data), model.transform(data.clip(0, 1)))
    with pytest.warns(UserWarning, match="an RBM is for numbers"):
        assert np.isfinite(small(dynamic_binarization=False, learning_rate=0.01).fit(data).components_).all()


def test_drawn_fractions_are_drawn_with_their_probabilities():
    """One iteration with a learning rate of next to nothing leaves the offsets at the last batch's means, ..."""
    p = np.linspace(0, 1, 9)
    data = np.repeat(p[None, :], 20_000, axis=0)
    model = BernoulliRBM(2, batch_size=20_000, n_iter=1, learning_rate=1e-9, centered=True).fit(data)
    # ... which are those of the states that were drawn: within 5 standard errors
    assert np.abs(model._offsets.visible_offset - p).max() <= 5 * np.sqrt(0.25 / 20_000)
    assert (model._offsets.visible_offset[[0, -1]] == [0, 1]).all()


def test_pandas_in_and_out():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])
    model = small().fit(frame).set_output(transform="pandas")
    out = model.transform(frame)
    assert list(out.columns) == [f"bernoullirbm{i}" for i in range(16)] == list(model.get_feature_names_out())
    assert np.array_equal(out.to_numpy(), small().fit(X).transform(X))
    assert list(model.feature_names_in_) == list(frame.columns) and model.n_features_in_ == 64
    # an array has no names: that is said of one after the frame, and forgotten with the fit
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.transform(X)
    assert not hasattr(model.fit(X), "feature_names_in_")
    with pytest.warns(UserWarning, match="X has feature names, but BernoulliRBM was fitted without"):
        model.transform(frame)


# ---------------------------------------------------------------- where it is used


def test_arguments_set_anew_count_in_partial_fit():
    model, other = small().partial_fit(X), small().partial_fit(X)
    other.set_params(learning_rate=0.01, n_sweeps=2)
    before = np.array(model.components_)
    moved = [np.abs(m.partial_fit(X).components_ - before).max() for m in (model, other)]
    assert moved[1] < 0.2 * moved[0]
    assert other._gradient.chains.n_sweeps_done == 3


def test_clone_and_pickle():
    model = small(n_chains=7, n_sweeps=2, centered=False, dynamic_binarization=False, n_jobs=1).fit(X)
    assert clone(model).get_params() == model.get_params()
    back = pickle.loads(pickle.dumps(model))
    assert np.array_equal(back.transform(X), model.transform(X)) and np.array_equal(back.gibbs(X), model.gibbs(X))
    assert same(back.partial_fit(X), model.partial_fit(X))
    assert np.array_equal(back.h_samples_, model.h_samples_) and back.h_samples_.shape == (7, 16)


def test_grid_search_over_a_pipeline_and_by_likelihood():
    y = np.arange(200) % 2
    pipeline = make_pipeline(small(), LogisticRegression())
    search = GridSearchCV(pipeline, {"bernoullirbm__learning_rate": [0.05, 0.1]}, cv=2).fit(X, y)
    assert search.predict(X).shape == (200,)
    search = GridSearchCV(small(n_components=4), {"n_iter": [1, 20]}, cv=2).fit(X)
    assert search.best_params_ == {"n_iter": 20} and search.best_score_ < 0


@pytest.mark.parametrize("n_jobs", [1, 2, 3, -1, None])
def test_threads_do_not_matter(n_jobs):
    assert same(small(n_jobs=n_jobs).fit(X), small(n_jobs=1).fit(X))


def test_many_updates_in_a_call_are_the_same_bits(monkeypatch):
    wanted = small().fit(X)
    monkeypatch.setattr("fastrbm.training.loop.possible", lambda *a: False)
    assert same(small().fit(X), wanted)
    assert fused.possible(fr.RBM([[0.0]]), wanted._gradient, fr.optim.SGD(0.1), None, 10)


def test_attributes_can_be_set():
    model = small().fit(X)
    model.components_ = np.zeros((16, 64))
    model.intercept_hidden_ = np.full(16, 2.0)
    assert np.allclose(model.transform(X), 1 / (1 + np.exp(-2.0)))
    assert model.rbm_.weights.max() == 0 and model.score(X) < -10
    with pytest.raises(ValueError, match=r"components_ must have shape \(16, 64\), as the model has"):
        model.components_ = np.zeros((15, 64))
    with pytest.raises(ValueError, match="read-only"):
        model.components_[0, 0] = 1.0


def test_sample_and_inpaint():
    model = small().fit(X)
    samples = model.sample(5, 10)
    assert samples.shape == (5, 64) and samples.dtype == np.uint8 and (samples != model.sample(5, 10)).any()
    holes = X[:5].astype(float)
    holes[:, 10:30] = np.nan
    filled = model.inpaint(holes, 10)
    assert np.array_equal(np.delete(filled, slice(10, 30), axis=1), np.delete(X[:5], slice(10, 30), axis=1))


def test_no_iterations_give_the_model_to_start_from():
    model = small(n_iter=0).fit(X)
    assert np.array_equal(model.h_samples_, np.zeros((10, 16)))
    assert np.allclose(1 / (1 + np.exp(-model.intercept_visible_)), (X.sum(axis=0) + 0.5) / 201, atol=1e-6)


def test_verbose_prints_a_line_an_iteration(capsys):
    small(verbose=1).fit(sparse.csr_array(X))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    for k, line in enumerate(lines, 1):
        assert re.fullmatch(rf"\[BernoulliRBM\] Iteration {k}, pseudo-likelihood = -\d+\.\d\d, time = \d+\.\d\ds", line)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"n_components": 0}, "n_components"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"n_chains": 0}, "n_chains"),
        ({"n_sweeps": 0}, "n_sweeps"),
        ({"dynamic_binarization": "yes"}, "dynamic_binarization"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        small(**options).fit(X)


def test_wrong_data_are_named():
    with pytest.raises(ValueError, match="NaN"):
        small().fit(np.full((3, 2), np.nan))
    with pytest.raises(ValueError, match=r"(?i)negative values in data passed to `?sample_weight"):
        small().fit(X, sample_weight=-np.ones(200))
    with pytest.raises(ValueError, match="all 0|zero"):
        small().fit(X, sample_weight=np.zeros(200))


def test_only_this_module_imports_scikit_learn():
    code = "import sys, fastrbm, fastrbm.cli; sys.exit('sklearn' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("kind", [BernoulliRBM, RBMClassifier])
def test_text_is_refused_with_what_takes_it(kind):
    with pytest.raises(ValueError, match="could not convert string to float: 'yes'; OneHotEncoder .*RBMImputer takes"):
        kind().fit(np.array([["yes", "no"]] * 4, object), [0, 1] * 2)
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"smokes": ["yes", "no"] * 2, "age": [1.0, 0.0] * 2})
    for columns in (["smokes", "age"], ["smokes"]):
        with pytest.raises(ValueError, match="OneHotEncoder .*RBMImputer takes text"):
            kind().fit(frame[columns], [0, 1] * 2)
    with pytest.raises(ValueError, match="(?s)contains NaN.*RBMImputer, a step before this one, fills in"):
        kind().fit(frame[["age"]].assign(age=[1.0, np.nan, 0.0, 1.0]), [0, 1] * 2)


def test_a_model_of_another_kind_is_refused():
    """rbm_ goes to the kernels as the estimator reads data: others' bits would be read past their end."""
    numbers = np.random.default_rng(0).normal(size=(30, 6))
    bits = (numbers > 0).astype(np.uint8)
    models = {
        BernoulliRBM: fr.RBM.from_data(bits, 2), GaussianRBM: fr.RBM.from_data(numbers, 2, visible="gaussian"),
        None: fr.RBM.from_data(bits[:, :3], 2, visible=fr.units.Categorical(3, 2)),
        "relu": fr.RBM.from_data(bits, 2, hidden="relu"),
    }  # fmt: skip
    for kind in (BernoulliRBM, GaussianRBM, RBMClassifier, RBMImputer):
        fitted = kind(2, n_iter=1, random_state=0).fit(numbers if kind is GaussianRBM else bits, bits[:, 0])
        before = fitted.rbm_
        for name, rbm in models.items():
            if name is kind:
                fitted.rbm_ = rbm
                assert fitted.rbm_ is rbm and hasattr(clone(fitted).set_params(n_iter=2), "n_iter")
                fitted.rbm_ = before
                continue
            with pytest.raises(ValueError, match="rbm_ must be a model of such units as fit makes one of, not RBM"):
                fitted.rbm_ = rbm
        with pytest.raises(TypeError, match="rbm_ must be a fastrbm.RBM, not int"):
            fitted.rbm_ = 3
        assert fitted.rbm_ is before and not hasattr(kind(), "rbm_")
        for name in ("n_components", "batch_size", "learning_rate"):
            with pytest.raises(ValueError, match=name):  # before memory is asked for
                clone(fitted).set_params(**{name: 10**400}).fit(bits, bits[:, 0])
