"""What a model knows of its training: kept with its parameters and no longer, in files without dates, read without
trust."""

import json
import pickle

import numpy as np
import pytest

import fastrbm as fr
from fastrbm._core import record as _record
from fastrbm.training.record import last_row

X = fr.datasets.load_digits()[:200, 20:36]


class Batches:
    def __iter__(self):
        return iter((X[:100], X[100:]))

    def __len__(self):
        return 2


def trained(epochs=3, **options):
    rbm = fr.RBM.from_data(X, 6, seed=0)
    options = {"gradient": fr.gradient.PCD(10), "epochs": epochs, "batch_size": 50, "seed": 4} | options
    return rbm, fr.fit(rbm, X, **options)


def test_what_a_training_leaves():
    rbm, history = trained(validation=X[:7], optimizer=fr.optim.SGD(0.01), averaging=fr.optim.Averaging(0.5))
    found = rbm.training_record
    last = {name: value for name, value in history.last.items() if name != "seconds"}
    assert dict(found["last"]) == last and len(last) == 8
    assert found["data"].startswith("200 examples of 16 units, checksum ")
    assert found["validation"].startswith("7 examples of 16 units, checksum ")
    expected = {
        "fastrbm": fr.__version__, "gradient": "PCD(n_chains=10, n_sweeps=1, seed=0)", "optimizer": "SGD(0.01)",
        "centered": True, "averaging": repr(fr.optim.Averaging(0.5)), "batch_size": 50, "seed": 4, "epochs": 3,
        "updates": 12, "ended": "complete",
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected
    assert set(found) == {*expected, "data", "validation", "last", "verdict"}
    assert found["verdict"] == history.verdict and "12 updates are few" in history.verdict
    with pytest.raises(TypeError):
        found["seed"] = 5
    with pytest.raises(TypeError):
        found["last"]["epoch"] = 5
    assert fr.RBM.from_data(X, 6).training_record is None


def test_it_belongs_to_the_parameters():
    """Copies and files have it; whatever changes a parameter ends it."""
    rbm, _ = trained()
    known = rbm.training_record
    changed = fr.gradient.Exact()(rbm, X)
    for change in (
        lambda r: r.set_parameters(hidden_bias=np.zeros(6)), lambda r: r.step(changed, 0.1),
        lambda r: r.add(np.zeros((16, 6)), np.zeros(16), np.zeros(6)), lambda r: r.__init__(np.zeros((16, 6))),
    ):  # fmt: skip
        other = rbm.copy()
        assert other.training_record == known == pickle.loads(pickle.dumps(other)).training_record
        change(other)
        assert other.training_record is None and rbm.training_record == known
        assert pickle.loads(pickle.dumps(other)).training_record is None
    fr.fit(rbm, X, epochs=0)  # trains nothing
    assert rbm.training_record == known
    fr.fit(rbm, X, epochs=1, seed=9)
    assert rbm.training_record["seed"] == 9 and rbm.training_record["updates"] == 2


@pytest.mark.parametrize("wide", [False, True])
def test_the_same_training_makes_the_same_file(tmp_path, wide):
    """No date, no times, nothing of threads; nor whether it was interrupted."""
    paths = [tmp_path / f"{k}.npz" for k in range(3)]
    visible = {"visible": "categorical"} if wide else {}
    data = X.astype(np.int16) + X if wide else X

    def one(path, **options):
        rbm = fr.RBM.from_data(data, 6, **visible)
        try:
            fr.fit(rbm, data, fr.gradient.PCD(10), batch_size=50, epochs=6, **options)
        except KeyboardInterrupt:
            assert rbm.training_record["ended"] == "broken off" and rbm.training_record["updates"] == 12
            return
        rbm.save(path)
        assert fr.load(path).training_record == rbm.training_record

    def stop(state):
        if state.epoch == 3:
            raise KeyboardInterrupt

    one(paths[0], n_threads=1)
    one(paths[1], n_threads=2)
    run = {"checkpoint": tmp_path / "run.npz", "checkpoint_seconds": 0.0}
    one(paths[2], callbacks=stop, **run)
    one(paths[2], resume=True, **run)
    contents = {path.read_bytes() for path in paths}
    assert len(contents) == 1
    assert fr.load(paths[0]).training_record["ended"] == "complete"


def test_how_it_ended():
    rbm, _ = trained(9, callbacks=lambda state: state.epoch == 2)
    assert rbm.training_record["ended"] == "early" and rbm.training_record["epochs"] == 2
    broken, _ = trained(1)
    with pytest.raises(FloatingPointError):
        fr.fit(broken, X, optimizer=fr.optim.SGD(1e29, momentum=0.99), epochs=400)
    found = broken.training_record
    assert found["ended"] == "broken off" and found["updates"] > 0 and found["optimizer"].startswith("SGD(1e+29")
    with pytest.raises(ValueError):
        fr.fit(rbm, X, validation=X[:0])  # refused before it starts
    assert rbm.training_record["epochs"] == 2


def test_parts_of_ones_own():
    """One that does not describe itself is called by its name; batches and files on disk are what they are."""

    class Own:
        def __call__(self, rbm, states, sample_weight=None, n_threads=None):
            return fr.gradient.Exact()(rbm, states)

    rbm, _ = trained(1, gradient=Own())
    assert rbm.training_record["gradient"] == "Own"
    fr.fit(rbm, Batches(), epochs=1, batch_size=3)
    assert rbm.training_record["data"] == "2 batches of 16 units" and "batch_size" not in rbm.training_record


def test_data_on_disk_are_not_read_for_it(tmp_path):
    np.save(tmp_path / "x.npy", X)
    rbm = fr.RBM.from_data(X, 6)
    fr.fit(rbm, np.load(tmp_path / "x.npy", mmap_mode="r"), epochs=1)
    assert rbm.training_record["data"] == "200 examples of 16 units, on disk"


def test_what_is_no_number_is_left_out():
    text = _record.as_text(
        {"a": float("nan"), "last": {"b": float("inf"), "c": 1.5, "d": np.float64(2)}, "e": "x" * 9999}
    )
    assert json.loads(text) == {"last": {"c": 1.5, "d": 2.0}, "e": "x" * 2000}
    many = _record.as_text({"seed": 1, "last": {f"column {k}": 0.1 for k in range(20_000)}})
    assert json.loads(many) == {"seed": 1}


def test_a_last_row_of_a_file():
    """Whatever it holds, numbers are taken and nothing else."""
    assert last_row(None) is last_row({}) is last_row({"last": 3}) is last_row({"last": {"a": "b", "c": None}}) is None
    row = last_row({"last": {"update": 10**400, "gap": 1.5, "x": (1,), "self": 2}})
    assert row.last == {"gap": 1.5, "self": 2}


def rewritten(path, value):
    rbm, _ = trained(1)
    rbm.save(path)
    with np.load(path) as archive:
        arrays = dict(archive.items())
    np.savez(path, **(arrays | {"training_record": value} if value is not None else arrays))


@pytest.mark.parametrize(
    "value, words",
    [
        (np.array("{"), "is damaged: training_record must be a JSON object ("),
        (np.array("[1]"), "(it is no JSON object of numbers and words)"),
        (np.array('"text"'), "(it is no JSON object"),
        (np.array('{"a": NaN}'), "(it is no JSON object"),
        (np.array('{"a": 1e999}'), "(it is no JSON object"),
        (np.array('{"a": [[[[[1]]]]]}'), "(it is no JSON object"),
        (np.array('{"a": ' + "[" * 50_000), "(it is nested too deeply)"),
        (np.array('{"a": 1' + "0" * 5000 + "}"), "(it has a number of too many digits)"),
        (np.array(['{"a": 1}']), "training_record must be a JSON object"),
        (np.zeros(3), "training_record must be a JSON object"),
        (np.array("x" * (1 << 19)), "(training_record has 2,097,280 bytes, and at most 1,048,576 make sense)"),
    ],
)
def test_records_that_are_none(tmp_path, value, words):
    rewritten(tmp_path / "m.npz", value)
    with pytest.raises(ValueError) as caught:
        fr.load(tmp_path / "m.npz")
    assert str(caught.value).startswith(str(tmp_path / "m.npz")) and words in str(caught.value)


def test_files_of_other_versions(tmp_path):
    """One without a record has none; one with more in it than is known here is taken as it is."""
    rewritten(tmp_path / "m.npz", np.array('{"new": {"a": [1, null, "b"]}}'))
    found = fr.load(tmp_path / "m.npz").training_record
    assert found["new"]["a"] == (1, None, "b")
    fr.RBM.from_data(X, 6).save(tmp_path / "m.npz")
    assert fr.load(tmp_path / "m.npz").training_record is None
    with np.load(tmp_path / "m.npz") as archive:
        assert "training_record" not in archive.files
