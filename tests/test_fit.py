"""fit, SGD, History: training climbs, reproduces its bits, and stops well."""

import os
import sys
from functools import cache

import numpy as np
import pytest
from helpers import LEVELS, Enumerated, printed_by_level

import fastrbm as fr
from fastrbm._core import progress as _progress

X = fr.datasets.load_digits()
THREADS = [1, 2, 3, 7]
SAME = """
X, digest = fr.datasets.load_digits(), hashlib.sha256()
rbm = fr.RBM.from_data(X, n_hidden=37, seed=5)
fr.fit(rbm, X, fr.gradient.PCD(n_chains=70, n_sweeps=2, seed=1), fr.optim.SGD(fr.optim.Linear(0.1, 0.0)), epochs=2,
       batch_size=100, seed=3, n_threads=n_threads)
sgd = fr.optim.SGD(0.1, momentum=0.5, l2=1e-4)
fr.fit(rbm, X, gradient=fr.gradient.CD(n_sweeps=1, seed=1), optimizer=sgd, epochs=1, n_threads=n_threads)
for a in (rbm.weights, rbm.visible_bias, rbm.hidden_bias, rbm.free_energy(X), rbm.sample(10, 5)):
    digest.update(a.tobytes())
"""
METHODS = """
X, digest = fr.datasets.load_digits(), hashlib.sha256()
linear = fr.optim.Linear(0.1, 0.0)
for gradient, optimizer, options in (
    (fr.gradient.Tempered(30, 4), fr.optim.SGD(linear, max_norm=2.0), {"averaging": fr.optim.Averaging(every=3)}),
    (fr.gradient.FastPCD(30, seed=1), fr.optim.Adam(fr.optim.WarmUp(fr.optim.Cosine(0.01), 0.2)), {}),
    (fr.gradient.PCD(30, seed=1), fr.optim.SGD(fr.optim.InverseTime(0.1, 0.01), 0.5, l1=1e-4, nesterov=True), {}),
    (fr.gradient.CD(seed=1), fr.optim.SGD(linear), {"dynamic_binarization": True, "X": X * 0.75 + 0.125}),
):
    rbm = fr.RBM.from_data(X, n_hidden=37, seed=5)
    data = options.pop("X", X)
    fr.fit(rbm, data, gradient, optimizer, 2, 100, 3, n_threads=n_threads, **options)
    for a in (rbm.weights, rbm.visible_bias, rbm.hidden_bias):
        digest.update(a.tobytes())
"""
PROGRAMS = {"basic": SAME, "methods": METHODS}
# The promise of the same bits on any machine, for this version. A change of it is a change of results: say so in
# CHANGELOG.md, and put here what the test prints.
EXPECTED = {
    "basic": "f3c452ae0e6ebe9ba30341e4d1288c4e473dab3551201c68e7bfc0fa00487a4f",
    "methods": "d95f545a79eae8e87aa1acc3d87db9ada69d86fd42d620b4372949c6a1530275",
}


@cache
def digests():
    """Those of each program with each number of threads, by level: one process a level."""
    script = (
        f"import hashlib\nimport numpy as np\nimport fastrbm as fr\nfor n_threads in {THREADS}:\n"
        f"    for name, program in {PROGRAMS}.items():\n        exec(program)\n"
        "        print(name, n_threads, digest.hexdigest())"
    )
    lines = {level: out.splitlines() for level, out in printed_by_level(script).items()}
    return {(level, *line.split()[:2]): line.split()[2] for level in lines for line in lines[level]}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("n_threads", THREADS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_training_is_the_same_bits_anywhere(level, n_threads, name):
    assert digests()[level, name, str(n_threads)] == EXPECTED[name]


@pytest.mark.slow
def test_bars_and_stripes_are_learned():
    """Exact mean log-likelihood above -3.2 on 3 x 3 bars and stripes; the maximum is -log 14 = -2.6391."""
    data = fr.datasets.bars_and_stripes(3)
    rbm = fr.RBM.from_data(data, n_hidden=16, seed=0)
    assert Enumerated(rbm).log_likelihood(data) < -6.2  # it starts at about the uniform distribution, -9 log 2 = -6.24
    pcd = fr.gradient.PCD(n_chains=128, n_sweeps=5, seed=0)
    rate = fr.optim.SGD(fr.optim.Linear(0.2, 0.0))
    fr.fit(rbm, data, gradient=pcd, optimizer=rate, epochs=4000, batch_size=14, seed=0)
    assert -2.6391 > Enumerated(rbm).log_likelihood(data) > -3.2


def test_exact_gradient_climbs_monotonically():
    data = fr.datasets.bars_and_stripes(2)
    rbm = fr.RBM.from_data(data, n_hidden=4, seed=1)
    scores = []
    for _ in range(40):
        scores.append(Enumerated(rbm).log_likelihood(data))
        rbm.step(fr.gradient.Exact()(rbm, data), learning_rate=0.2)
    assert np.all(np.diff(scores) > 0)


def test_digits_are_learned_and_the_history_shows_it():
    rbm = fr.RBM.from_data(X, n_hidden=64, seed=0)
    start = rbm.copy()
    history = fr.fit(rbm, X, gradient=fr.gradient.PCD(n_chains=128), optimizer=fr.optim.SGD(0.1), epochs=60)
    assert history.columns == [
        "epoch", "update", "seconds", "learning_rate", "reconstruction_error", "shuffled_gap",
        "hidden_activity", "weight_norm",
    ]  # fmt: skip
    assert history["epoch"][-1] == 60 and history["update"][-1] == 60 * 15
    assert history["epoch"].tolist() == list(range(5, 61, 5))  # every 75 updates
    assert history["reconstruction_error"][-1] < 0.8 * history["reconstruction_error"][0]
    assert history["shuffled_gap"][-1] > 5
    # the same gap on all of the data: more likely than noise of the same means by that many nats
    noise = np.stack([np.random.default_rng(i).permutation(X[:, i]) for i in range(64)], axis=1)
    assert (rbm.free_energy(noise).mean() - rbm.free_energy(X).mean()) > 5
    assert abs(start.free_energy(noise).mean() - start.free_energy(X).mean()) < 0.1


def test_data_kinds_give_the_same_bits():
    results = []
    for data in (X, X.astype(bool), X.astype(np.float64), fr.BitMatrix.from_states(X), np.asfortranarray(X)):
        rbm = fr.RBM.from_data(X, 8)
        fr.fit(rbm, data, epochs=1)
        results.append(rbm.weights)
    assert all(np.array_equal(results[0], w) for w in results)


def test_batches_cover_every_example_once_an_epoch():
    seen = []

    def spy(rbm, batch, n_threads=None):
        seen.append(batch.to_states())
        return fr.gradient.PCD(4)(rbm, batch)

    marked = np.eye(50, dtype=np.uint8)  # each example is identified by its unit
    fr.fit(fr.RBM.from_data(marked, 3), marked, gradient=spy, epochs=3, batch_size=16, seed=2)
    assert [len(s) for s in seen] == [16, 16, 16, 2] * 3
    orders = [np.concatenate(seen[4 * k : 4 * k + 4]).argmax(axis=1) for k in range(3)]
    for order in orders:
        assert sorted(order) == list(range(50))
    assert not np.array_equal(orders[0], orders[1])


def test_a_short_last_batch_is_not_biased():
    """The fault of scikit-learn 1.9.1. With hidden units clamped on, <h> is 1 in both phases whatever their sizes."""
    rbm = fr.RBM(np.zeros((64, 3)), None, np.full(3, 80.0))
    fr.fit(rbm, X[:101], gradient=fr.gradient.PCD(50), epochs=2, batch_size=100)
    assert np.array_equal(rbm.hidden_bias, np.full(3, 80.0))


def test_sample_weights():
    weight = np.zeros(200)
    weight[:100] = 1
    rbm = fr.RBM.from_data(X, 8)
    fr.fit(rbm, X[:200], epochs=2, batch_size=1, sample_weight=weight, gradient=fr.gradient.PCD(16))
    positive = fr.Moments.of_data(rbm, X[:200], sample_weight=weight)
    assert positive.total == 100
    before = rbm.weights
    seen = []

    def spy(rbm, batch, sample_weight=None, n_threads=None):
        seen.append(float(sample_weight.sum()))
        return fr.gradient.PCD(4)(rbm, batch, sample_weight)

    fr.fit(rbm, X[:200], gradient=spy, epochs=1, batch_size=1, sample_weight=weight)
    assert seen == [1.0] * 100 and not np.array_equal(before, rbm.weights)


def test_fractions_train():
    rbm = fr.RBM.from_data(X * 0.9, 8)
    history = fr.fit(rbm, X * 0.9, epochs=2)
    assert np.isfinite(history["shuffled_gap"]).all()


def test_callbacks_and_stopping():
    states = []
    rbm = fr.RBM.from_data(X, 8)
    history = fr.fit(rbm, X, epochs=5, callbacks=[states.append, lambda state: state.epoch == 3])
    assert [s.epoch for s in states] == [1, 2, 3]
    assert history["epoch"].tolist() == [1, 2, 3]  # measured where it stopped
    assert states[0].rbm is rbm and states[0].n_updates == 75 and states[2].update == 45


def test_ctrl_c_leaves_the_last_good_model():
    rbm = fr.RBM.from_data(X, 8)
    kept = []

    def interrupt(state):
        kept.append(state.rbm.weights.copy())
        if state.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fr.fit(rbm, X, epochs=5, callbacks=[interrupt])
    assert np.array_equal(rbm.weights, kept[-1]) and np.isfinite(rbm.free_energy(X)).all()


def test_divergence_raises_and_leaves_the_last_good_model():
    rbm = fr.RBM.from_data(X, 8)
    with pytest.raises(FloatingPointError, match="the step would make .* the model keeps the parameters it had"):
        fr.fit(rbm, X, optimizer=fr.optim.SGD(1e30), epochs=5)
    assert np.isfinite(rbm.weights).all() and np.isfinite(rbm.free_energy(X)).all()


def test_no_epochs():
    rbm = fr.RBM.from_data(X, 8)
    before = rbm.weights
    history = fr.fit(rbm, X, epochs=0)
    assert len(history) == 0 and np.array_equal(rbm.weights, before)
    with pytest.raises(IndexError, match="nothing has been measured"):
        history.last  # noqa: B018


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"epochs": -1}, ValueError, "epochs must be at least 0"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"batch_size": 1.5}, TypeError, "batch_size must be an integer, not float"),
        ({"seed": -1}, ValueError, "seed must be an integer from 0 to"),
        ({"gradient": fr.gradient.PCD}, TypeError, "gradient must be an estimator such as gradient.PCD"),
        ({"gradient": "pcd"}, TypeError, "gradient must be an estimator"),
        ({"optimizer": 0.1}, TypeError, "optimizer must be one such as optim.SGD"),
        ({"callbacks": [3]}, TypeError, "callbacks must be functions"),
        ({"rbm": X}, TypeError, "rbm must be an RBM, not ndarray"),
        ({"X": X[:0]}, ValueError, "X must have at least one example"),
        ({"X": X[:, :3]}, ValueError, "X has 3 units per example where the model has 64"),
        ({"sample_weight": [1.0]}, ValueError, "sample_weight must have shape"),
    ],
)
def test_bad_arguments(options, error, message):
    rbm = fr.RBM.from_data(X, 8)
    with pytest.raises(error, match=message):
        fr.fit(**({"rbm": rbm, "X": X} | options))


# ---------------------------------------------------------------- SGD


class Fixed:
    """A gradient of known values."""

    def __init__(self, value):
        self.weights, self.visible_bias, self.hidden_bias = np.full((2, 3), value), np.full(2, value), np.full(3, value)


def test_sgd_momentum_and_l2_follow_their_formula():
    rbm = fr.RBM(np.ones((2, 3)))
    sgd = fr.optim.SGD(0.5, momentum=0.25, l2=0.125)
    W, b, u, ub = 1.0, 0.0, 0.0, 0.0
    for value in (1.0, -2.0, 0.5):
        sgd.update(rbm, Fixed(value))
        u = 0.25 * u + value - 0.125 * W
        ub = 0.25 * ub + value
        W, b = W + 0.5 * u, b + 0.5 * ub
        assert rbm.weights[0, 0] == np.float32(W) and rbm.visible_bias[0] == np.float32(b)


@pytest.mark.parametrize("momentum", [0.0, 0.25])
def test_l1_follows_its_formula(momentum):
    rbm = fr.RBM(np.array([[1.0, -1.0, 0.0]] * 2))
    sgd = fr.optim.SGD(0.5, momentum=momentum, l1=0.125)
    W, u = np.array([1.0, -1.0, 0.0]), 0.0
    for value in (1.0, -2.0, 0.5):
        sgd.update(rbm, Fixed(value))
        u = momentum * u + value - 0.125 * np.sign(W)
        W = W + 0.5 * u
        assert np.array_equal(rbm.weights[0], W.astype(np.float32))


def test_schedules():
    assert fr.optim.SGD(0.3).rate(0.7) == 0.3
    linear = fr.optim.SGD(fr.optim.Linear(0.4, 0.0))
    assert linear.rate(0.0) == 0.4 and linear.rate(0.5) == 0.2 and linear.rate(1.0) == 0.0
    rates = []

    def schedule(progress):
        rates.append(progress)
        return 0.1

    fr.fit(fr.RBM.from_data(X, 4), X[:30], optimizer=fr.optim.SGD(schedule), epochs=1, batch_size=10)
    assert rates[:3] == [0, 1 / 3, 2 / 3]


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: fr.optim.SGD(-1.0), ValueError, "learning_rate must be finite and at least 0"),
        (lambda: fr.optim.SGD("fast"), TypeError, "learning_rate must be a number"),
        (lambda: fr.optim.SGD(0.1, momentum=1.0), ValueError, "momentum must be below 1"),
        (lambda: fr.optim.SGD(0.1, momentum=-0.1), ValueError, "momentum must be between 0 and 1"),
        (lambda: fr.optim.SGD(0.1, l2=np.nan), ValueError, "l2 must be finite"),
        (lambda: fr.optim.SGD(0.1, l1=-1.0), ValueError, "l1 must be finite and at least 0"),
        (lambda: fr.optim.Linear(np.inf), ValueError, "start must be finite"),
        (lambda: fr.optim.SGD(lambda t: np.nan).rate(0), ValueError, "the schedule's learning rate must be finite"),
    ],
)
def test_bad_optimizers(make, error, message):
    with pytest.raises(error, match=message):
        make()


# ---------------------------------------------------------------- History and the progress line


def test_history():
    history = fr.History()
    history.record(a=1, b=2.5)
    history.record(a=2, b=3.5)
    assert history["b"].tolist() == [2.5, 3.5] and history.last == {"a": 2, "b": 3.5} and len(history) == 2
    with pytest.raises(ValueError, match="the columns are a, b; got a"):
        history.record(a=1)
    with pytest.raises(KeyError, match="no column 'c'; there are a, b"):
        history["c"]


def test_progress_in_a_log(capsys):
    fr.fit(fr.RBM.from_data(X, 4), X, epochs=200, progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2 and lines[-1].startswith("epoch 200/200  shuffled gap ")
    assert all("updates/s" in line and "left" in line and "\r" not in line for line in lines)


class Terminal:
    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_progress_on_a_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    fr.fit(fr.RBM.from_data(X, 4), X, epochs=20, progress=True)
    assert terminal.text.startswith("\repoch 1/20") and terminal.text.endswith("updates/s\n")
    assert terminal.text.count("\n") == 1


def test_progress_on_a_narrow_terminal(monkeypatch):
    """A line that wraps would leave a copy of itself on every rewrite; the time left stays in view."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(_progress.os, "get_terminal_size", lambda _: os.terminal_size((50, 20)))
    terminal.fileno = lambda: 2
    fr.fit(fr.RBM.from_data(X, 4), X, epochs=20, progress=True)
    lines = [line.rstrip("\n") for line in terminal.text.split("\r")[1:]]
    assert lines and all(len(line) <= 49 and "left" in line for line in lines)
