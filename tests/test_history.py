"""History: a mapping of columns, what is known of each of them, tables of other packages; singular values."""

import math
import subprocess
import sys

import numpy as np
import pytest

import fastrbm as fr
from fastrbm.training import columns
from fastrbm.training.measuring import _BASIC_COLUMNS

X = fr.datasets.load_digits()
Column = fr.metrics.Column


class Spread:
    """A metric that says what its columns are."""

    columns = {"spread": Column("spread of the weights", "nats", "min"), "plain": Column("plain")}
    every = 1

    def __call__(self, snapshot):
        return {"spread": float(snapshot.rbm.weights.std()), "plain": 1.0}


def table():
    history = fr.History()
    history.record(epoch=1, score=0.5)
    history.record(epoch=2, score=math.nan)
    return history


def test_a_history_is_a_mapping_of_columns():
    history = table()
    assert list(history) == list(history.keys()) == ["epoch", "score"] and "score" in history and "x" not in history
    assert 1 not in history and history.get("x") is None and history.get("epoch").tolist() == [1, 2]
    assert {name: column.tolist() for name, column in history.items()}["epoch"] == [1, 2]
    assert [column.shape for column in history.values()] == [(2,), (2,)] and len(history) == 2
    assert dict(history).keys() == {"epoch", "score"} and dict(**history)["epoch"].tolist() == [1, 2]
    empty = fr.History()
    assert list(empty) == [] and not empty and dict(empty) == {} and "epoch" not in empty


def test_a_history_is_a_dataframe():
    pandas = pytest.importorskip("pandas")
    frame = table().to_dataframe()
    assert list(frame.columns) == ["epoch", "score"] and len(frame) == 2
    assert frame["epoch"].dtype == np.int64 and frame["score"].isna().tolist() == [False, True]
    assert isinstance(fr.History().to_dataframe(), pandas.DataFrame)


def test_without_pandas_the_message_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        table().to_dataframe()


def test_what_every_column_is_is_stated_once():
    metrics = fr.metrics.PseudoLikelihood(), fr.metrics.LogLikelihood(n_betas=10), fr.metrics.Mixing()
    rbm = fr.RBM.from_data(X, n_hidden=4)
    history = fr.fit(rbm, X, epochs=1, validation=X[:50], metrics=[*metrics, Spread()])
    assert {*history} == {*columns.KNOWN, "spread", "plain"} and {*_BASIC_COLUMNS} < {*columns.KNOWN}
    for name in history:
        about = history.about(name)
        assert about == columns.KNOWN.get(name, Spread.columns.get(name)) and about.label
    assert history.about("spread").title == "spread of the weights (nats)" and history.about("plain").title == "plain"
    for metric in metrics:
        assert metric.columns == {name: history.about(name) for name in metric.columns}
    with pytest.raises(KeyError, match="no column 'x'"):
        history.about("x")


def test_real_units_have_other_columns():
    real = np.random.default_rng(0).normal(size=(200, 3))
    history = fr.fit(fr.RBM.from_data(real, n_hidden=2, visible="gaussian"), real, epochs=1)
    assert history.about("reconstruction_error").unit == "per column"
    assert history.about("hidden_activity").unit == "probability"


def test_of_a_table_from_a_file_the_known_columns_are_known(tmp_path):
    history = fr.History({"score": Column("my score", "", "min")})
    history.record(epoch=1, score=1.0, free_energy_gap=2.0, sv12=3.0)
    history.save(tmp_path / "run.csv")
    read = fr.History.load(tmp_path / "run.csv")
    assert history.about("score").mode == "min" and read.about("score") == Column("score")
    assert read.about("free_energy_gap") == columns.KNOWN["free_energy_gap"]
    assert read.about("sv12") == Column("singular value 12", "nats")


@pytest.mark.parametrize(
    "value, error, message",
    [
        (lambda: Column(1), TypeError, "label must be a str"),
        (lambda: Column("a", 2), TypeError, "unit must be a str"),
        (lambda: Column("a", mode="higher"), ValueError, "mode must be one of max, min"),
    ],
)
def test_bad_columns(value, error, message):
    with pytest.raises(error, match=message):
        value()


def test_columns_of_a_metric_must_be_columns():
    metric = Spread()
    metric.columns = {"spread": "nats"}
    with pytest.raises(TypeError, match=r"columns\['spread'\] of .* must be a metrics.Column, not 'nats'"):
        fr.fit(fr.RBM.from_data(X, 2), X, epochs=1, metrics=[metric])


@pytest.mark.parametrize("mode, best", [(None, "min"), ("max", "max")])
def test_early_stopping_goes_by_what_the_metric_says(mode, best):
    stop = fr.EarlyStopping("spread", patience=100, mode=mode)
    assert stop.mode == mode
    history = fr.fit(fr.RBM.from_data(X, 4, seed=0), X, epochs=4, metrics=[Spread()], callbacks=[stop])
    assert stop.best == getattr(np, best)(history["spread"]) and np.ptp(history["spread"]) > 0


def test_a_short_training_has_a_row_for_each_epoch():
    for epochs in (1, 10, 20):
        history = fr.fit(fr.RBM.from_data(X, 2), X, epochs=epochs)
        assert {*history["epoch"].tolist()} == {*range(1, epochs + 1)}


# ---------------------------------------------------------------- singular values


@pytest.mark.parametrize("shape", [(9, 5), (5, 9), (4, 1)])
def test_singular_values(shape):
    """The reference is the SVD."""
    rng = np.random.default_rng(0)
    k = min(shape)
    rbm = fr.RBM(rng.normal(size=shape))
    data = rng.integers(0, 2, (50, shape[0]))
    history = fr.fit(rbm, data, epochs=1, optimizer=fr.optim.SGD(0.1), metrics=fr.metrics.SingularValues(k))
    expected = np.linalg.svd(rbm.weights.astype(np.float64), compute_uv=False)
    seen = np.array([history[f"sv{i}"][-1] for i in range(1, k + 1)])
    # eigenvalues are off by ulps of the largest, and a root by at most the root of that
    assert np.abs(seen - expected).max() <= math.sqrt(k * max(shape) * np.finfo(float).eps) * expected[0]
    assert (np.diff(seen) <= 0).all() and history.columns[-k:] == [f"sv{i}" for i in range(1, k + 1)]


def test_more_singular_values_than_there_are():
    with pytest.raises(ValueError, match="k must be at most 4 for RBM"):
        fr.fit(fr.RBM.from_data(X, 4), X, epochs=1, metrics=fr.metrics.SingularValues(5))
    with pytest.raises(ValueError, match="k must be at least 1"):
        fr.metrics.SingularValues(0)


def test_fit_loads_no_package_for_people():
    code = (
        "import sys, fastrbm as fr, numpy as np\n"
        "X = np.eye(8, dtype=np.uint8)\n"
        "h = fr.fit(fr.RBM.from_data(X, 2), X, epochs=2, progress=True)\n"
        "print({'pandas', 'tqdm', 'IPython', 'matplotlib'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
