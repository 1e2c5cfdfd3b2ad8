"""Checkpoints: an interrupted training goes on to the same bits, kill -9 included; bad files are refused."""

import os
import shutil
import signal
import time

import numpy as np
import pytest

import fastrbm as fr

X = fr.datasets.load_digits()[:500]


class Stop(Exception):
    pass


def stop_after(n):
    """A callback without a state that breaks a training off."""

    def callback(state):
        if state.epoch == n:
            raise Stop

    return callback


def setting(name):
    """Everything that has a state, in a few combinations: (gradient, optimizer, other arguments)."""
    linear = fr.optim.Linear(0.1, 0.0)
    return {
        "plain": lambda: (fr.gradient.PCD(40, seed=1), fr.optim.SGD(linear), {"centered": False}),
        "momentum": lambda: (fr.gradient.CD(2, seed=1), fr.optim.SGD(0.05, momentum=0.5, l2=1e-4), {}),
        "adam": lambda: (fr.gradient.PCD(40, 2, seed=1), fr.optim.Adam(fr.optim.Cosine(0.01)), {}),
        "tempered": lambda: (fr.gradient.Tempered(20, 4, seed=1), fr.optim.SGD(linear, max_norm=3.0), {}),
        "fast": lambda: (fr.gradient.FastPCD(40, seed=1), fr.optim.SGD(linear, l1=1e-5), {}),
        "averaging": lambda: (
            fr.gradient.PCD(40, seed=1),
            fr.optim.SGD(0.1),
            {"averaging": fr.optim.Averaging(0.5, 3)},
        ),
        "weights": lambda: (fr.gradient.PCD(40), fr.optim.SGD(linear), {"sample_weight": np.arange(500) % 3}),
        "draw": lambda: (fr.gradient.PCD(40), fr.optim.SGD(linear), {"X": X * 0.8 + 0.1, "dynamic_binarization": True}),
    }[name]()


NAMES = ["plain", "momentum", "adam", "tempered", "fast", "averaging", "weights", "draw"]


def train(name, path=None, **more):
    gradient, optimizer, options = setting(name)
    rbm = fr.RBM.from_data(X, 20, seed=2)
    options = {"X": X, "epochs": 6, "batch_size": 64, "seed": 3} | options | more
    score = fr.metrics.PseudoLikelihood(every=2)
    history = fr.fit(
        rbm, options.pop("X"), gradient, optimizer, metrics=[score, fr.metrics.Mixing(20, every=3)],
        validation=X[:100], checkpoint=path, **options,
    )  # fmt: skip
    return rbm, history


def same_model(a, b):
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in ("weights", "visible_bias", "hidden_bias"))


def same_history(a, b):
    return a.columns == b.columns and all(
        np.array_equal(a[c], b[c], equal_nan=True) for c in a.columns if c != "seconds"
    )


def entries(path):
    """The arrays of a checkpoint but for the clock's."""
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files if not name.endswith("/seconds")}


def assert_same_files(a, b):
    ours, theirs = entries(a), entries(b)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert ours[name].dtype == theirs[name].dtype and ours[name].tobytes() == theirs[name].tobytes(), name


class Break:
    """An optimizer that breaks off in the middle of an epoch."""

    def __init__(self, inner, update):
        self.inner, self.left = inner, update

    def update(self, *arguments, **options):
        if self.left == 0:
            raise Stop
        self.left -= 1
        self.inner.update(*arguments, **options)

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def __repr__(self):
        return repr(self.inner)


@pytest.mark.parametrize("name", NAMES)
def test_resuming_gives_the_same_bits(tmp_path, name, monkeypatch):
    whole, history = train(name, tmp_path / "whole.npz", checkpoint_seconds=1e9)
    path = tmp_path / "cut.npz"
    unkept, _ = train(name)
    assert same_model(whole, unkept)  # checkpoints change nothing
    gradient, optimizer, options = setting(name)
    # broken off in the middle of an epoch, then at the end of one, then to the end
    original = fr.fit
    monkeypatch.setattr(fr, "fit", lambda r, x, g, o, **k: original(r, x, g, Break(o, 21), **k))
    with pytest.raises(Stop):
        train(name, path, checkpoint_seconds=0.0)
    monkeypatch.undo()
    assert entries(path)["training/update"] == 21
    with pytest.raises(Stop):
        train(name, path, checkpoint_seconds=0.0, resume=True, callbacks=[stop_after(5)])
    assert entries(path)["training/update"] == 39  # the end of the fifth epoch, 40, is saved after its callbacks
    rbm, resumed = train(name, path, checkpoint_seconds=1e9, resume=True)
    assert same_model(rbm, whole) and same_history(resumed, history)
    assert_same_files(path, tmp_path / "whole.npz")
    assert same_model(fr.load(path), whole)
    again, finished = train(name, path, resume=True)  # nothing left to do
    assert same_model(again, whole) and same_history(finished, history)


def test_early_stopping_is_resumed(tmp_path):
    def run(path, resume=False, epochs=40, more=()):
        rbm = fr.RBM.from_data(X, 60, seed=0)
        stop = fr.EarlyStopping("pseudo_likelihood", patience=3)
        history = fr.fit(
            rbm, X[:60], fr.gradient.PCD(40), fr.optim.SGD(0.3), epochs, validation=X[300:], batch_size=20,
            metrics=fr.metrics.PseudoLikelihood(every=1), callbacks=[stop, *more], checkpoint=path,
            checkpoint_seconds=0.0, resume=resume,
        )  # fmt: skip
        return rbm, history, stop

    whole, history, stop = run(tmp_path / "a.npz")
    assert len(history) < 40 and stop.best_epoch == len(history) - 3
    with pytest.raises(Stop):
        run(tmp_path / "b.npz", more=[stop_after(stop.best_epoch + 1)])
    rbm, resumed, other = run(tmp_path / "b.npz", resume=True)
    assert same_model(rbm, whole) and same_history(resumed, history)
    assert (other.best, other.best_epoch) == (stop.best, stop.best_epoch)
    rbm, resumed, other = run(tmp_path / "b.npz", resume=True)  # it had stopped, and stays so
    assert same_model(rbm, whole) and len(resumed) == len(history)


def test_batches_of_ones_own_are_resumed(tmp_path):
    batches = Loader()
    whole = fr.RBM.from_data(X, 10)
    rate = fr.optim.SGD(fr.optim.Linear(0.1, 0.0))
    fr.fit(whole, batches, fr.gradient.PCD(20), rate, epochs=4)
    path, rbm = tmp_path / "c.npz", fr.RBM.from_data(X, 10)
    with pytest.raises(Stop):
        fr.fit(rbm, batches, fr.gradient.PCD(20), Break(rate, 13), epochs=4,
               checkpoint=path, checkpoint_seconds=0.0)  # fmt: skip
    rbm = fr.RBM.from_data(X, 10)
    fr.fit(rbm, batches, fr.gradient.PCD(20), rate, epochs=4, checkpoint=path, resume=True)
    assert same_model(rbm, whole)


class Loader:
    def __len__(self):
        return 5

    def __iter__(self):
        return (X[k::5] for k in range(5))


def test_chains_of_ones_own_are_resumed(tmp_path):
    def run(epochs, path, resume=False):
        rbm, pcd = fr.RBM.from_data(X, 8), fr.gradient.PCD(64)
        pcd.chains = fr.Chains(rbm, 30, seed=5, start=X[:30])
        fr.fit(rbm, X, pcd, fr.optim.SGD(0.1), epochs, checkpoint=path, resume=resume)
        return rbm

    whole = run(6, tmp_path / "a.npz")
    run(3, tmp_path / "b.npz")
    assert same_model(run(6, tmp_path / "b.npz", resume=True), whole)


def test_more_epochs(tmp_path):
    """With a rate that does not depend on the end, a training can be prolonged to the same bits."""
    path, models = tmp_path / "c.npz", []
    for runs in ([3, 7], [7]):
        for epochs in runs:
            rbm = fr.RBM.from_data(X, 10)
            fr.fit(rbm, X, fr.gradient.PCD(20), fr.optim.SGD(0.1), epochs, checkpoint=path, resume=True)
        models.append(rbm)
        path.unlink()
    assert same_model(*models)
    rbm = fr.RBM.from_data(X, 10)
    fr.fit(rbm, X, fr.gradient.PCD(20), fr.optim.SGD(0.1), 3, checkpoint=path)
    with pytest.raises(ValueError, match="is 12 updates on, more than the 4 asked for"):
        fr.fit(rbm, X, fr.gradient.PCD(20), fr.optim.SGD(0.1), 1, checkpoint=path, resume=True)


def test_a_training_of_no_epochs_is_kept_and_goes_on(tmp_path):
    rbm, straight = fr.RBM.from_data(X, 5, seed=1), fr.RBM.from_data(X, 5, seed=1)
    fr.fit(rbm, X, epochs=0, checkpoint=tmp_path / "none")
    assert np.array_equal(fr.load(tmp_path / "none").weights, straight.weights)
    again = fr.RBM.from_data(X, 5, seed=1)
    optimizers = fr.optim.SGD(0.1), fr.optim.SGD(0.1)
    fr.fit(again, X, optimizer=optimizers[0], epochs=0, checkpoint=tmp_path / "more")
    fr.fit(again, X, optimizer=optimizers[0], epochs=2, checkpoint=tmp_path / "more", resume=True)
    fr.fit(straight, X, optimizer=optimizers[1], epochs=2)
    assert np.array_equal(again.weights, straight.weights)


def test_another_training_is_refused(tmp_path):
    path = tmp_path / "c.npz"
    base = {"X": X, "gradient": fr.gradient.PCD(20), "optimizer": fr.optim.SGD(0.1), "epochs": 2}
    fr.fit(fr.RBM.from_data(X, 10), **base, checkpoint=path)
    with pytest.raises(FileExistsError, match="exists: pass resume=True to go on from it, or remove it"):
        fr.fit(fr.RBM.from_data(X, 10), **base, checkpoint=path)
    for change, words in (
        ({"optimizer": fr.optim.SGD(0.2)}, r"with optimizer SGD\(0.1\), not SGD\(0.2\): give the same arguments"),
        ({"gradient": fr.gradient.PCD(21)}, "with gradient PCD"),
        ({"batch_size": 100}, "with batch_size 128, not 100"),
        ({"seed": 1}, "with seed 0, not 1"),
        ({"centered": False}, "with centering Centering"),
        ({"X": X[:400]}, "with data 500 examples"),
        ({"X": np.concatenate([X[:1], 1 - X[1:2], X[2:]])}, "with data 500 examples of 64 units, checksum"),
        ({"sample_weight": np.ones(500)}, "with data 500 examples"),
        ({"averaging": fr.optim.Averaging()}, "with averaging None"),
        ({"metrics": fr.metrics.Mixing()}, "with metrics"),
        ({"validation": X[:3]}, "with validation None"),
        ({"X": X * 0.5, "dynamic_binarization": True}, "with data 500 examples"),
        ({"callbacks": fr.EarlyStopping("weight_norm")}, r"with callbacks \[\], not \[EarlyStopping"),
    ):
        with pytest.raises(ValueError, match=words):
            fr.fit(fr.RBM.from_data(X, 10), **(base | change), checkpoint=path, resume=True)
    with pytest.raises(ValueError, match=r"with model RBM\(n_visible=64, n_hidden=10\)"):
        fr.fit(fr.RBM.from_data(X, 11), **base, checkpoint=path, resume=True)


def test_bad_arguments(tmp_path):
    rbm = fr.RBM.from_data(X, 4)
    with pytest.raises(ValueError, match="resume needs a checkpoint"):
        fr.fit(rbm, X, resume=True)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        fr.fit(rbm, X, checkpoint=tmp_path / "no" / "c.npz")
    with pytest.raises(ValueError, match="checkpoint_seconds must be finite and at least 0"):
        fr.fit(rbm, X, checkpoint=tmp_path / "c.npz", checkpoint_seconds=-1.0)
    with pytest.raises(TypeError, match="gradient must have get_state and set_state"):
        fr.fit(rbm, X, gradient=lambda *a, **k: None, checkpoint=tmp_path / "c.npz")


class Own:
    """A metric and a callback of the user's own, with a state."""

    columns, every = ("own/column",), 1

    def __init__(self, state=None):
        self.state = state or {"count": 0, "a/b": np.arange(3), "text": "x"}

    def __call__(self, given):
        if isinstance(given, fr.FitState):
            self.state["count"] += 1
            return None
        return {"own/column": np.float32(0.5)}

    def describe(self):
        return {}

    def get_state(self):
        return self.state

    def set_state(self, state):
        self.state = state


def test_metrics_and_callbacks_of_ones_own_are_resumed(tmp_path):
    def run(path, *more, own=None):
        own = own or Own()
        rbm = fr.RBM.from_data(X, 5)
        history = fr.fit(
            rbm, X, fr.gradient.PCD(20), epochs=4, metrics=Own(), callbacks=[*more, own], checkpoint=path,
            checkpoint_seconds=0.0, resume=True,
        )  # fmt: skip
        return history, own

    whole, _ = run(tmp_path / "a.npz")
    with pytest.raises(Stop):
        run(tmp_path / "b.npz", stop_after(3))
    history, own = run(tmp_path / "b.npz")
    assert same_history(history, whole) and history["own/column"].tolist() == [0.5] * 4
    assert own.state["count"] == 4 and own.state["a/b"].tolist() == [0, 1, 2] and own.state["text"] == "x"
    history.save(tmp_path / "h.jsonl")
    with pytest.raises(TypeError, match="the state of callback 0 must hold numbers, strings and arrays"):
        run(tmp_path / "c.npz", own=Own({"bad": {"a": 1}}))
    assert not (tmp_path / "c.npz").exists()


def test_a_refused_checkpoint_leaves_the_model_alone(tmp_path):
    path, rbm = tmp_path / "c.npz", fr.RBM.from_data(X, 5)
    fr.fit(rbm, X, fr.gradient.PCD(20), epochs=4, checkpoint=path)
    other = fr.RBM.from_data(X, 5)
    before = other.weights
    with pytest.raises(ValueError, match="updates on, more than"):
        fr.fit(other, X, fr.gradient.PCD(20), epochs=2, checkpoint=path, resume=True)
    assert np.array_equal(other.weights, before)


def test_early_stopping_and_a_longer_training(tmp_path):
    """The best model is the result; the training itself goes on from the latest."""
    path, results = tmp_path / "c.npz", []
    for runs in ([5, 9], [9]):
        for epochs in runs:
            rbm = fr.RBM.from_data(X, 8)
            stop = fr.EarlyStopping("pseudo_likelihood", patience=100)
            fr.fit(
                rbm, X, fr.gradient.PCD(20), fr.optim.SGD(1.0), epochs, callbacks=stop, checkpoint=path, resume=True,
                metrics=fr.metrics.PseudoLikelihood(every=1),
            )  # fmt: skip
        results.append((rbm, stop.best, stop.best_epoch))
        path.unlink()
    assert same_model(results[0][0], results[1][0]) and results[0][1:] == results[1][1:]


def test_a_checkpoint_that_cannot_be_written_does_not_end_the_training(tmp_path, monkeypatch):
    attempts = []

    def full(*arguments):
        attempts.append(1)
        if len(attempts) < 5:
            raise OSError(28, "No space left on device")
        original(*arguments)

    original = fr.training.checkpoint.write
    monkeypatch.setattr(fr.training.checkpoint, "write", full)
    rbm = fr.RBM.from_data(X, 5)
    with pytest.warns(
        UserWarning, match="no checkpoint could be written: .*No space left on device; trying again later"
    ):
        fr.fit(rbm, X, fr.gradient.PCD(20), epochs=4, checkpoint=tmp_path / "c.npz", checkpoint_seconds=0.0)
    assert same_model(fr.load(tmp_path / "c.npz"), rbm)


def test_an_interrupt_in_the_last_epoch_is_not_swallowed(tmp_path):
    def interrupt(state):
        if state.epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        rbm = fr.RBM.from_data(X, 5)
        with pytest.raises(KeyboardInterrupt):
            fr.fit(rbm, X, fr.gradient.PCD(20), epochs=3, callbacks=interrupt, checkpoint=tmp_path / "c.npz")
    finally:
        signal.signal(signal.SIGINT, before)
    assert same_model(fr.load(tmp_path / "c.npz"), rbm)


def test_damaged_and_foreign_files_are_refused(tmp_path):
    good, bad = tmp_path / "good.npz", tmp_path / "bad.npz"
    base = {"gradient": fr.gradient.PCD(20), "optimizer": fr.optim.SGD(0.1), "epochs": 2, "resume": True}
    fr.fit(fr.RBM.from_data(X, 10), X, **base, checkpoint=good)
    content = good.read_bytes()

    def attempt():
        rbm = fr.RBM.from_data(X, 10)
        fr.fit(rbm, X, **base, checkpoint=bad)
        return rbm

    for cut in (0, 1, 3, 100, len(content) // 2, len(content) - 1):
        bad.write_bytes(content[:cut])
        with pytest.raises(ValueError, match=r"bad\.npz is (damaged or )?not a fastrbm checkpoint"):
            attempt()
    result, harmless = fr.load(good), 0
    for place in np.random.default_rng(0).integers(0, len(content), 60):
        flipped = bytearray(content)
        flipped[place] ^= 0x10
        bad.write_bytes(flipped)
        try:
            assert same_model(attempt(), result)  # a byte that nobody reads, such as a date
            harmless += 1
        except ValueError as error:
            assert "bad.npz" in str(error)
    assert harmless < 20
    fr.RBM.from_data(X, 10).save(bad)
    with pytest.raises(ValueError, match="bad.npz is not a fastrbm checkpoint"):
        attempt()
    shutil.copy(good, bad)
    with np.load(good) as archive:
        arrays = {name: archive[name] for name in archive.files}
    np.savez(bad, **(arrays | {"fastrbm_checkpoint": 2}))
    with pytest.raises(ValueError, match="has fastrbm checkpoint format 2; this version reads format 1: upgrade"):
        attempt()
    np.savez(bad, **{k: v for k, v in arrays.items() if k != "setup"})
    with pytest.raises(ValueError, match="bad.npz is damaged"):
        attempt()
    np.savez(bad, **{k: v for k, v in arrays.items() if not k.startswith("gradient/")})
    with pytest.raises(
        ValueError, match="bad.npz is damaged: it lacks gradient/visible, gradient/hidden, gradient/seed"
    ):
        attempt()
    np.savez(bad, **(arrays | {"gradient/visible": np.array([{"a": 1}], object)}))
    with pytest.raises(ValueError, match="bad.npz"):
        attempt()  # a pickle is not opened
