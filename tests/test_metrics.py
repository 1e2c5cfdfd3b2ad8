"""What is measured during training: diagnostics of chains, metrics, early stopping, histories on file."""

import csv
import json
import math

import numpy as np
import pytest
from helpers import Enumerated, random_rbm

import fastrbm as fr
from fastrbm import diagnostics

X = fr.datasets.load_digits()


def ar1(n, chains, phi, seed=0):
    """x_t = phi x_{t-1} + noise, from its stationary distribution: tau = (1 + phi) / (1 - phi)."""
    rng = np.random.default_rng(seed)
    x = np.empty((n, chains))
    x[0] = rng.normal(size=chains) / math.sqrt(1 - phi**2)
    for t in range(1, n):
        x[t] = phi * x[t - 1] + rng.normal(size=chains)
    return x


# ---------------------------------------------------------------- diagnostics


def test_autocorrelation_is_its_definition():
    x = np.random.default_rng(0).normal(size=(50, 3))
    y = x - x.mean()
    expected = [(y[: 50 - t] * y[t:]).sum() / 50 / 3 for t in range(50)]
    assert np.allclose(diagnostics.autocorrelation(x), np.array(expected) / expected[0], atol=1e-12)
    assert np.isnan(diagnostics.autocorrelation(np.full(5, 0.1))).all()


@pytest.mark.parametrize("phi", [-0.99, -0.9, -0.5, 0.0, 0.5, 0.9, 0.99])
def test_autocorrelation_time_of_a_known_process(phi):
    truth = (1 + phi) / (1 - phi)
    result = diagnostics.autocorrelation_time(ar1(20_000, 4, phi))
    # Sokal: the variance of tau over N numbers with window w is 2 (2 w + 1) / N tau^2
    error = truth * math.sqrt(2 * (2 * result.window + 1) / 80_000)
    # what is beyond the window; the mean is estimated; C_t of a series of n numbers has n - t terms
    bias = truth * abs(phi) ** result.window + (2 * result.window + 1) * truth / 80_000
    bias += 2 * abs(phi) / (1 - phi) ** 2 / 20_000
    assert abs(result.value - truth) < 4 * error + bias
    memory = max(truth, 1 / truth)  # 1 / truth: of the series with alternating signs
    assert result.enough and result.window >= 4 * max(memory, 1)


def test_a_short_alternating_series_is_not_enough():
    """tau is 1/39, but what the series remembers takes 39 numbers to die out."""
    assert not diagnostics.autocorrelation_time(ar1(500, 1, -0.95)).enough


def test_chains_that_stand_still_are_reported():
    """Whatever rounding does to their means."""
    for value in (0.1, -37.3, 123.456):
        assert math.isnan(diagnostics.split_rhat(np.full((200, 4), value)))
        apart = np.repeat([[value, 1.5 * value]], 200, axis=0)
        assert diagnostics.split_rhat(apart) == math.inf


def test_short_and_constant_series():
    assert not diagnostics.autocorrelation_time(ar1(100, 1, 0.95)).enough
    constant = diagnostics.autocorrelation_time(np.ones(10))
    assert math.isnan(constant.value) and not constant.enough
    assert math.isnan(diagnostics.split_rhat(np.ones((10, 2))))
    assert diagnostics.split_rhat(np.repeat([[0.0, 1.0]], 10, axis=0)) == math.inf


def test_split_rhat():
    x = ar1(1000, 4, 0.3)
    assert diagnostics.split_rhat(x) < 1.01
    assert diagnostics.split_rhat(x + np.array([0, 0, 0, 1.5])) > 1.05  # a chain apart
    assert diagnostics.split_rhat(x + np.linspace(0, 3, 1000)[:, None]) > 1.05  # a drift, the same in all chains
    halves = np.concatenate([x[:500], x[500:]], axis=1)
    W, B = halves.var(axis=0, ddof=1).mean(), 500 * halves.mean(axis=0).var(ddof=1)
    assert diagnostics.split_rhat(x) == pytest.approx(math.sqrt((499 / 500 * W + B / 500) / W))


@pytest.mark.parametrize("series", [[], "abc", np.zeros((2, 2, 2)), [1.0, math.nan, 2.0, 3.0], [None]])
def test_bad_series(series):
    for function in (diagnostics.autocorrelation, diagnostics.autocorrelation_time, diagnostics.split_rhat):
        with pytest.raises(
            TypeError if isinstance(series, str) else ValueError, match="series (must be|has missing values)"
        ):
            function(series)
    with pytest.raises(ValueError, match="at least 4 numbers"):
        diagnostics.split_rhat([1.0, 2.0, 3.0])


def test_trace():
    rbm = random_rbm(9, 5)
    chains, other = fr.Chains(rbm, 7, seed=1), fr.Chains(rbm, 7, seed=1)
    trace = diagnostics.free_energy_trace(chains, 5)
    other.sweep(3)
    assert np.array_equal(trace[2], rbm.free_energy(other.visible)) and chains.n_sweeps_done == 5


# ---------------------------------------------------------------- metrics


def test_the_basic_columns():
    rbm = fr.RBM.from_data(X, 30, seed=0)
    history = fr.fit(rbm, X[:200], epochs=300, validation=X[200:400])
    assert history["weight_norm"][-1] == pytest.approx(np.linalg.norm(rbm.weights.astype(float)))
    examples = X[np.linspace(0, 199, 200).astype(int)]
    assert history["hidden_activity"][-1] == pytest.approx(rbm.mean_hidden(examples).mean(), rel=1e-5)
    gap = rbm.free_energy(X[200:400]).mean() - rbm.free_energy(X[:200]).mean()
    assert history["free_energy_gap"][-1] == pytest.approx(gap)
    assert history["free_energy_gap"][-1] > history["free_energy_gap"][0]  # 200 examples, 30 units: overfitting


def test_metrics_and_when_they_are_due():
    rbm = fr.RBM.from_data(X, 10, seed=0)
    metrics = [
        fr.metrics.PseudoLikelihood(every=2), fr.metrics.LogLikelihood(every=3), fr.metrics.Mixing(50, every=4),
        Parameters(),
    ]  # fmt: skip
    history = fr.fit(rbm, X, epochs=13, metrics=metrics, validation=X[:300])
    known = {c: history["epoch"][~np.isnan(history[c])].tolist() for c in history.columns}
    assert known["pseudo_likelihood"] == [2, 4, 6, 8, 10, 12, 13]
    assert known["log_likelihood"] == [3, 6, 9, 12, 13] and known["rhat"] == [4, 8, 12, 13]
    assert known["n_parameters"] == [
        13
    ]  # no "every" of its own: 200 times its cost of 2 updates, in epochs of 15 updates
    assert known["shuffled_gap"] == list(range(1, 14))
    examples = X[np.linspace(0, 299, 256).astype(int)]
    assert history["pseudo_likelihood"][-1] == fr.likelihood.pseudo(rbm, examples).mean()
    assert history["log_likelihood"][-1] == fr.likelihood.score(rbm, X[:300]).mean
    assert history["log_likelihood_error"][-1] == 0
    assert 1 <= history["tau_int"][-1] < 50 and 0.9 < history["rhat"][-1] < 1.5


class Parameters:
    """A metric of a user's own."""

    columns = ("n_parameters",)
    cost = 2.0

    def __call__(self, snapshot):
        assert snapshot.chains is not None and snapshot.epoch == 13 and len(snapshot.examples) == 256
        return {"n_parameters": float(snapshot.rbm.weights.size)}


@pytest.mark.slow
def test_log_likelihood_where_it_is_annealed():
    rbm = fr.RBM.from_data(X, 24, seed=0)
    metric = fr.metrics.LogLikelihood("ais", n_chains=20, n_betas=100, every=1)
    history = fr.fit(rbm, X, epochs=1, metrics=metric)
    exact = fr.likelihood.score(rbm, X[np.linspace(0, 1796, 256).astype(int)], "exact").mean
    assert abs(history["log_likelihood"][0] - exact) < 3 * history["log_likelihood_error"][0] + 1e-3
    hard = fr.RBM(100 * np.ones((64, 24)))
    with np.errstate(all="raise"):
        history = fr.fit(hard, X, epochs=0, metrics=metric)
    assert len(history) == 0


def test_mixing_tells_slow_chains_from_fast_ones():
    """Of a model whose chains hardly move, tau is long; of independent units it is 1."""
    slow = fr.RBM(np.full((8, 1), 3.0), np.full(8, -2.5), [-8.0])  # all units on, or all off
    fast = fr.RBM(np.zeros((8, 4)), np.linspace(-1, 1, 8))
    times = []
    for rbm in (slow, fast):
        still, mixing = fr.optim.SGD(0.0), fr.metrics.Mixing(1000, every=3)
        history = fr.fit(rbm, np.eye(8), fr.gradient.PCD(64), still, epochs=3, metrics=mixing)
        times.append(history["tau_int"][-1])
    assert times[0] > 5 and abs(times[1] - 1) < 0.2
    history = fr.fit(fast, np.eye(8), fr.gradient.CD(), epochs=1, metrics=fr.metrics.Mixing(10, every=1))
    assert np.isnan(history["tau_int"]).all()  # CD has no chains that go on


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: fr.metrics.PseudoLikelihood(every=0), "every must be at least 1"),
        (lambda: fr.metrics.LogLikelihood("guess"), "method must be one of"),
        (lambda: fr.metrics.LogLikelihood(n_betas=0), "n_betas must be at least 1"),
        (lambda: fr.metrics.Mixing(3), "n_sweeps must be at least 4"),
        (lambda: fr.EarlyStopping("x", patience=0), "patience must be at least 1"),
        (lambda: fr.EarlyStopping("x", min_delta=-1.0), "min_delta must be finite"),
    ],
)
def test_bad_metrics(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"metrics": [fr.metrics.Mixing]}, TypeError, "metrics must be such as metrics.PseudoLikelihood"),
        ({"metrics": ["score"]}, TypeError, "metrics must be such as"),
        ({"validation": X[:0]}, ValueError, "validation must have at least one example"),
        ({"validation": X[:, :3]}, ValueError, "validation has 3 units"),
        ({"validation": X * 0.5}, ValueError, "validation must hold 0 or 1"),
        ({"averaging": 0.5}, TypeError, "averaging must be an optim.Averaging"),
        ({"callbacks": [fr.EarlyStopping]}, TypeError, "callbacks must be functions"),
    ],
)
def test_bad_arguments_of_fit(options, error, message):
    with pytest.raises(error, match=message):
        fr.fit(fr.RBM.from_data(X, 3), X, epochs=1, **options)


# ---------------------------------------------------------------- early stopping


def test_early_stopping_keeps_the_best_model():
    rbm = fr.RBM.from_data(X[:100], 40, seed=0)
    examples = X[500:][np.linspace(0, len(X[500:]) - 1, 256).astype(int)]
    stop, scores = fr.EarlyStopping("pseudo_likelihood", patience=4), []

    def keep(state):
        scores.append(fr.likelihood.pseudo(state.rbm, examples).mean())

    metric = fr.metrics.PseudoLikelihood(every=5)
    history = fr.fit(
        rbm, X[:100], fr.gradient.PCD(50), fr.optim.SGD(0.2), 500, 20, validation=X[500:], metrics=metric,
        callbacks=[keep, stop],
    )  # fmt: skip
    column = history["pseudo_likelihood"]
    best = int(np.nanargmax(column))
    assert history["epoch"][-1] < 500 and stop.best_epoch == history["epoch"][best] and stop.best == column[best]
    assert (~np.isnan(column[best + 1 :])).sum() == 4
    # the model is the best one, not the last
    assert fr.likelihood.pseudo(rbm, examples).mean() == stop.best == scores[stop.best_epoch - 1]
    # used again, it starts anew
    other = fr.RBM.from_data(X[:100], 40, seed=0)
    again = fr.fit(
        other, X[:100], fr.gradient.PCD(50), fr.optim.SGD(0.2), 500, 20, validation=X[500:], metrics=metric,
        callbacks=stop,
    )  # fmt: skip
    assert len(again) == len(history) and np.array_equal(other.weights, rbm.weights)


def test_early_stopping_at_the_last_epoch_and_with_averaging():
    for averaging in (None, fr.optim.Averaging(every=2)):
        rbm = fr.RBM.from_data(X, 8, seed=0)
        stop = fr.EarlyStopping("reconstruction_error", patience=100, mode="min")
        models = []
        fr.fit(
            rbm, X, fr.gradient.PCD(20), fr.optim.SGD(2.0), 45, averaging=averaging,
            callbacks=[lambda s, models=models: models.append(s.rbm.weights), stop],
        )  # fmt: skip
        assert stop.best_epoch in range(5, 46, 5) and np.array_equal(rbm.weights, models[stop.best_epoch - 1])


def test_the_best_model_is_the_result_whatever_ends_the_training():
    rbm, models = fr.RBM.from_data(X, 8, seed=0), []
    stop = fr.EarlyStopping("reconstruction_error", patience=100)
    metric = fr.metrics.PseudoLikelihood(every=1)
    fr.fit(
        rbm, X, fr.gradient.PCD(20), fr.optim.SGD(3.0), 50, metrics=metric,
        callbacks=[stop, lambda state: models.append(state.rbm.weights), lambda state: np.bool_(state.epoch == 20)],
    )  # fmt: skip
    assert len(models) == 20 and np.array_equal(rbm.weights, models[stop.best_epoch - 1])


def test_a_training_that_is_ended_is_measured_at_its_end():
    rbm = fr.RBM.from_data(X, 8, seed=0)
    history = fr.fit(
        rbm, X, epochs=10, metrics=[fr.metrics.PseudoLikelihood(every=7), fr.metrics.Mixing(20, every=2)],
        callbacks=lambda state: state.epoch == 4,
    )  # fmt: skip
    assert history["epoch"].tolist() == [1, 2, 3, 4] and np.isfinite(history["pseudo_likelihood"][-1])


def test_a_watched_metric_is_taken_often_enough():
    rbm = fr.RBM.from_data(X, 6)
    stop = fr.EarlyStopping("pseudo_likelihood", patience=5)
    history = fr.fit(
        rbm, X[:300], fr.gradient.PCD(10), fr.optim.SGD(5.0), epochs=100, validation=X[300:], callbacks=stop,
        metrics=fr.metrics.PseudoLikelihood(),
    )  # fmt: skip
    taken = history["epoch"][~np.isnan(history["pseudo_likelihood"])]
    assert taken[:3].tolist() == [2, 4, 6] and history["epoch"][-1] < 100


def test_known_columns_that_should_be_small():
    assert [fr.EarlyStopping(name).mode for name in ("reconstruction_error", "log_likelihood")] == ["min", "max"]
    assert fr.EarlyStopping("tau_int", mode="max").mode == "max"


class Wrong:
    """A metric that does not do what it declares."""

    def __init__(self, columns, values, every=1):
        self.columns, self.values, self.every = columns, values, every

    def __call__(self, snapshot):
        return self.values

    def __repr__(self):
        return "Wrong()"


@pytest.mark.parametrize(
    "metric, error, message",
    [
        (Wrong(("a", "b"), {"a": 1}), TypeError, r"Wrong\(\) must return a dict of a, b, not {'a': 1}"),
        (Wrong(("a",), 3.0), TypeError, "must return a dict of a, not 3.0"),
        (Wrong(("epoch",), {"epoch": 1}), ValueError, "there is more than one epoch"),
        (Wrong(("a",), {"a": 1}, every=0), ValueError, r"every of Wrong\(\) must be at least 1, got 0"),
        (lambda snapshot: {}, TypeError, "metrics must be such as"),
    ],
)
def test_wrong_metrics(metric, error, message):
    with pytest.raises(error, match=message):
        fr.fit(fr.RBM.from_data(X, 3), X, epochs=1, metrics=metric)


def test_early_stopping_names_its_column():
    with pytest.raises(ValueError, match="EarlyStopping watches 'score'; the history will have epoch, "):
        fr.fit(fr.RBM.from_data(X, 3), X, epochs=18, callbacks=fr.EarlyStopping("score"))


# ---------------------------------------------------------------- history


def test_histories_on_file(tmp_path):
    history = fr.fit(fr.RBM.from_data(X, 3), X, epochs=3, metrics=fr.metrics.PseudoLikelihood(every=2))
    history.record(**dict.fromkeys(history.columns, math.inf))
    for name in ("h.csv", "h.jsonl"):
        history.save(tmp_path / name)
    with open(tmp_path / "h.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (tmp_path / "h.jsonl").read_text().splitlines()]
    assert len(rows) == len(lines) == len(history) == 4
    for column in history.columns:
        for k, value in enumerate(history[column]):
            finite = math.isfinite(value)
            assert (float(rows[k][column]) == value) if finite else rows[k][column] == ""
            assert lines[k][column] == (value if finite else None)
    with pytest.raises(ValueError, match="a history is written to .csv or .jsonl"):
        history.save(tmp_path / "h.txt")
    fr.History().save(tmp_path / "empty.csv")
    fr.History().save(tmp_path / "empty.jsonl")
    copy = fr.History()
    copy.set_state(history.get_state())
    assert copy.columns == history.columns and copy["update"].dtype == history["update"].dtype


def test_a_history_is_read_back(tmp_path):
    """Numbers to the last bit, whole ones as such; what was not finite is NaN."""
    history = fr.fit(fr.RBM.from_data(X, 3), X, epochs=3, metrics=fr.metrics.PseudoLikelihood(every=2))
    history.record(**dict.fromkeys(history.columns, math.inf))
    for name in ("h.csv", "h.jsonl"):
        history.save(tmp_path / name)
        read = fr.History.load(tmp_path / name)
        assert read.columns == history.columns and len(read) == len(history) == 4
        for column in history.columns:
            values = np.where(np.isinf(history[column]), np.nan, history[column])
            assert np.array_equal(read[column], values, equal_nan=True)
    fr.History().save(tmp_path / "empty.csv")
    assert len(fr.History.load(tmp_path / "empty.csv")) == 0
    for name, text in (
        ("bad.csv", "epoch\nmany\n"),
        ("bad.jsonl", "[1]\n"),
        ("long.csv", "epoch\n1,2\n"),
        ("b.csv", "\xff"),
    ):
        (tmp_path / name).write_text(text, encoding="latin-1")
        with pytest.raises(ValueError, match=f"{name} is not a history"):
            fr.History.load(tmp_path / name)
    with pytest.raises(ValueError, match="a history is read from .csv or .jsonl"):
        fr.History.load(tmp_path / "h.txt")
    with pytest.raises(FileNotFoundError):
        fr.History.load(tmp_path / "no.csv")


def test_exact_scores_agree():
    """The log-likelihood column of a small model is that of brute force."""
    rbm = fr.RBM.from_data(X[:, 20:28], 4, seed=0)
    history = fr.fit(rbm, X[:, 20:28], epochs=5, metrics=fr.metrics.LogLikelihood(every=5), validation=X[:, 20:28])
    assert history["log_likelihood"][-1] == pytest.approx(Enumerated(rbm).log_likelihood(X[:, 20:28]), abs=1e-5)


@pytest.mark.filterwarnings("ignore::fastrbm.training.verdict.TrainingWarning")
def test_the_reconstruction_error_counts_every_column_once():
    """Without weights a sweep draws each column afresh: it changes with 1 - P(value it has). Sites of few and of many
    categories, units of two values beside them, and absent sites."""
    p = [0.25, 0.5, 0.125, 0.0625, 0.0625], [0.75, 0.25], [0.5, 0.25, 0.25]
    X = np.array([[0, 1, 1, 2], [1, 0, -1, 0], [4, 0, 1, 1], [0, 1, -1, 2]])
    u = fr.units
    mixed = [u.Categorical(1, 5), u.Bernoulli(1), u.Spin(1), u.Categorical(1, 3)]
    for visible, of_columns, data, missing in (
        (mixed, (p[0], p[1], {1: 0.25, -1: 0.75}, p[2]), X, None),
        (u.Categorical(3, [5, 2, 3]), p, np.where(X[:, [0, 1, 3]] == 2, -1, X[:, [0, 1, 3]]), "absent"),
    ):
        bias = [np.log(p[0]), [np.log(1 / 3)], [np.log(1 / 3) / 2], np.log(p[2])]
        bias = np.concatenate(bias if missing is None else [np.log(q) for q in p])
        rbm = fr.RBM(np.zeros((len(bias), 2)), bias, visible=visible)
        rest = fr.gradient.CD(), fr.optim.SGD(0.0)
        error = fr.fit(rbm, data, *rest, epochs=1, missing=missing)["reconstruction_error"][-1]
        there = [(of_columns[k][x]) for row in data for k, x in enumerate(row) if missing is None or x >= 0]
        assert abs(error - (1.0 - np.mean(there))) < 1e-6  # probabilities are float32
