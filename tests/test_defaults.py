"""Good by default: a budget in updates, one set of defaults for Python and the command line, rows of the history."""

import inspect

import numpy as np
import pytest
from test_cli import fastrbm

import fastrbm as fr
from fastrbm._core import defaults
from fastrbm.training.rate import default_rate

X = fr.datasets.load_digits()


@pytest.mark.parametrize(
    "n_batches, shape, epochs",
    [
        (15, (64, 64), 1334),  # digits: 20,010 updates
        (1, (16, 128), 20_000),  # bars and stripes
        (100, (111, 128), 200),  # 12,758 rows
        (469, (784, 500), 100),  # MNIST: as ever
        (1_000, (784, 500), 50),  # 128,000 rows: half the time that 100 passes take
        (7_813, (784, 500), 7),  # a million
        (100_000, (784, 500), 1),
        (4, (5_000, 1_000), 525),  # a large model: 2,100 updates
        (4, (50_000, 2_000), 500),
        (100, (50_000, 2_000), 100),
    ],
)
def test_the_budget_counts_updates(n_batches, shape, epochs):
    assert defaults.epochs(n_batches, *shape) == epochs


def test_the_budget_is_never_far_from_what_is_needed():
    for n_batches in (1, 3, 17, 156, 200, 201, 499, 500, 501, 49_999, 50_001, 10**7):
        for connections in (1, 1 << 19, (1 << 19) + 1, 10**7, 10**9):
            updates = n_batches * defaults.epochs(n_batches, connections, 1)
            assert updates >= 2_000 and updates < max(100 * n_batches, 20_000) + n_batches
            assert updates < 50_000 + n_batches and (connections > 1 << 19 or updates >= 20_000)


def test_fit_takes_the_budget(monkeypatch):
    monkeypatch.setattr(defaults, "UPDATES", 100)
    monkeypatch.setattr(defaults, "_PASSES", 3)
    rbm, other = fr.RBM.from_data(X, 8), fr.RBM.from_data(X, 8)
    history = fr.fit(rbm, X)
    assert history.last["update"] == 105 and history.last["epoch"] == 7
    linear = fr.optim.Linear(0.1, 0.0)
    fr.fit(other, X, fr.gradient.PCD(256), fr.optim.SGD(linear, l2=1e-3), 7, 128)
    assert np.array_equal(rbm.weights, other.weights)
    for message, epochs in (("at least 0", -1), ("an integer, not a bool", True), ("an integer", "many")):
        with pytest.raises((ValueError, TypeError), match=f"epochs must be {message}"):
            fr.fit(rbm, X, epochs=epochs)


@pytest.mark.parametrize(
    "options, arguments",
    [
        ([], {}),
        (["--method", "tempered"], {"gradient": fr.gradient.Tempered()}),
        (["--method", "fast-pcd"], {"gradient": fr.gradient.FastPCD()}),
        (["--optimizer", "adam"], {"optimizer": fr.optim.Adam()}),
        (["--l2", "0"], {"optimizer": fr.optim.SGD()}),
    ],
    ids=["all", "tempered", "fast", "adam", "sgd"],
)
def test_the_command_line_has_the_defaults_of_python(tmp_path, monkeypatch, capsys, options, arguments):
    monkeypatch.setattr(defaults, "UPDATES", 20)
    monkeypatch.setattr(defaults, "_PASSES", 1)
    path = str(tmp_path / "m.npz")
    assert fastrbm(capsys, "train", "bars-and-stripes", "--hidden", "6", "--quiet", "--out", path, *options)[0] == 0
    data = fr.datasets.bars_and_stripes(4)
    rbm = fr.RBM.from_data(data, 6)
    fr.fit(rbm, data, **arguments)
    assert np.array_equal(fr.load(path).weights, rbm.weights)


def test_one_number_of_chains():
    for estimator in (fr.gradient.PCD, fr.gradient.FastPCD):
        assert inspect.signature(estimator).parameters["n_chains"].default == 256
    assert fr.gradient.PCD().n_chains == 256 and fr.gradient.Tempered().n_chains == 128
    assert repr(fr.optim.SGD()) == "SGD(Linear(start=0.1, stop=0.0))"
    assert fr.optim.SGD().rate(0.0) == 0.1 and fr.optim.Adam().rate(0.5) == 0.00025


# ---------------------------------------------------------------- rows of the history


@pytest.mark.parametrize(
    "epochs, batch_size, rows",
    [(1, 2, 15), (3, 2, 21), (10, 128, 10), (19, 128, 19), (20, 128, 20), (45, 128, 9), (100, 128, 20)],
)
def test_a_history_has_about_twenty_rows_where_there_are_updates_for_them(epochs, batch_size, rows):
    rbm = fr.RBM.from_data(X, 4)
    history = fr.fit(rbm, X, fr.gradient.PCD(4), epochs=epochs, batch_size=batch_size)
    assert len(history) == rows
    updates = history["update"]
    assert (np.diff(updates) > 0).all() and updates[-1] == epochs * -(-1797 // batch_size)
    assert (history["epoch"] == -(-updates // -(-1797 // batch_size))).all()


class Plain(fr.gradient.PCD):
    """The same, update by update."""


def test_rows_within_epochs_change_no_bits_of_the_training(tmp_path):
    """By calls of many updates, update by update, and resumed in the middle of an epoch: the same model and rows."""

    def run(kind=fr.gradient.PCD, **options):
        rbm = fr.RBM.from_data(X, 5, seed=1)
        return rbm, fr.fit(rbm, X, kind(6), epochs=2, batch_size=14, n_threads=1, **options)

    def same(a, b):
        assert np.array_equal(a[0].weights, b[0].weights)
        for column in set(a[1].columns) - {"seconds"}:
            assert np.array_equal(a[1][column], b[1][column])

    whole = run()
    assert len(whole[1]) == 6
    same(whole, run(Plain))

    class Broken(fr.optim.SGD):
        left = 80

        def update(self, *arguments, **options):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
            super().update(*arguments, **options)

        def describe(self):
            return fr.optim.SGD(self.learning_rate, l2=self.l2).describe()

    path, rate = tmp_path / "c.npz", fr.optim.Linear(0.1, 0.0)
    with pytest.raises(KeyboardInterrupt):
        run(optimizer=Broken(rate, l2=1e-3), checkpoint=path, checkpoint_seconds=0.0)
    same(whole, run(checkpoint=path, checkpoint_seconds=0.0, resume=True))


def test_the_rate_of_real_hidden_units_falls_with_the_variance_of_the_visible_ones():
    for n, rate in ((16, 0.1), (40, 0.1), (41, 0.05), (80, 0.05), (81, 0.025), (10_000, 0.1 / 256)):
        for visible in ("bernoulli", fr.units.Categorical(n // 2, 2)):  # whose units have a variance of 1/4 each
            width = n // 2 * 2 if visible != "bernoulli" else n
            assert default_rate(fr.RBM(np.zeros((width, 2)), visible=visible, hidden="drelu")) == (
                rate if width == n else default_rate(fr.RBM(np.zeros((width, 2)), hidden="drelu"))
            )
        assert default_rate(fr.RBM(np.zeros((n, 2)))) == 0.1
    assert default_rate(fr.RBM(np.zeros((10, 2)), visible="spin", hidden="relu")) == 0.1  # a spin's is 1
    assert default_rate(fr.RBM(np.zeros((11, 2)), visible="spin", hidden="relu")) == 0.05
    for hidden, shape, rate in (  # sqrt(V H) is at most 50, 100, 200, 400 at these rates, of spins a quarter
        ("bernoulli", (50, 50), 0.1), ("bernoulli", (50, 51), 0.05), ("bernoulli", (784, 50), 0.025),
        ("bernoulli", (784, 500), 0.01), ("spin", (12, 13), 0.1), ("spin", (13, 13), 0.05), ("spin", (500, 50), 0.01),
    ):  # fmt: skip
        assert default_rate(fr.RBM(np.zeros(shape), visible="gaussian", hidden=hidden)) == rate
    assert default_rate(fr.RBM(np.zeros((11, 2)), visible="gaussian", hidden="gaussian")) == 0.003
