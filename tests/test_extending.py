"""Classes of a user's own in fit: they take part in everything, and what breaks the contract is an error by name."""

import functools

import numpy as np
import pytest

import fastrbm as fr
from fastrbm._core.describe import Described, describe

X = fr.datasets.load_digits()[:400]
PARTS = ("weights", "visible_bias", "hidden_bias")


class OwnPCD:
    """A gradient estimator with a state: chains of its own."""

    def __init__(self, n_chains=20, seed=0):
        self.n_chains, self.seed, self.chains = n_chains, seed, None

    def _start(self, rbm):
        return fr.Chains(rbm, self.n_chains, seed=self.seed)

    def __call__(self, rbm, X, sample_weight=None, n_threads=None):
        self.chains = self.chains or self._start(rbm)
        self.chains.sweep(1, n_threads=n_threads)
        positive = fr.Moments.of_data(rbm, X, sample_weight, n_threads)
        return fr.gradient.Gradient(positive, fr.Moments.of_chains(rbm, self.chains, n_threads), n_threads)

    def describe(self):
        return {"n_chains": self.n_chains, "seed": self.seed}

    def get_state(self):
        return {} if self.chains is None else self.chains.get_state()

    def set_state(self, state, rbm):
        self.chains = None
        if state:
            self.chains = self._start(rbm)
            self.chains.set_state(state)


class HeavyBall:
    """An optimizer with a momentum of its own."""

    def __init__(self, start=0.1, momentum=0.5):
        self.start, self.momentum, self.velocity = start, momentum, None

    def rate(self, progress):
        return self.start * (1.0 - progress)

    def update(self, rbm, gradient, progress, n_threads):
        parts = [np.asarray(getattr(gradient, name), np.float64) for name in PARTS]
        if self.velocity is not None:
            parts = [self.momentum * old + new for old, new in zip(self.velocity, parts, strict=True)]
        self.velocity = parts
        rbm.add(*parts, rate=self.rate(progress), n_threads=n_threads)

    def describe(self):
        return f"HeavyBall({self.start}, {self.momentum})"

    def get_state(self):
        return dict(zip(PARTS, self.velocity or (), strict=False))

    def set_state(self, state):
        self.velocity = [state[name] for name in PARTS] if state else None


class Hidden:
    """A metric with two columns."""

    columns, every = ("dead_units", "largest_weight"), 2

    def __call__(self, snapshot):
        activity = snapshot.rbm.mean_hidden(snapshot.examples).mean(axis=0)
        dead = (activity < 0.01) | (activity > 0.99)
        return {"dead_units": int(dead.sum()), "largest_weight": np.abs(snapshot.rbm.weights).max()}

    def describe(self):
        return {"every": self.every}


class KeepMean:
    """A callback with a state and a last word: the result has the mean of the biases of all epochs."""

    def __init__(self):
        self.total, self.n = 0.0, 0

    def __call__(self, state):
        self.total, self.n = self.total + state.rbm.visible_bias.astype(np.float64), self.n + 1

    def finish(self, rbm):
        rbm.set_parameters(visible_bias=self.total / self.n)

    def describe(self):
        return {}

    def get_state(self):
        return {"total": self.total, "n": self.n}

    def set_state(self, state):
        self.total, self.n = (state["total"], state["n"]) if state else (0.0, 0)


class Stop(Exception):
    pass


def stop_after(epoch):
    """A callback without a state."""

    def callback(state):
        if state.epoch == epoch:
            raise Stop

    return callback


def train(path=None, more=(), resume=True, **options):
    """Everything on: averaging, centering, early stopping, validation, weights."""
    rbm = fr.RBM.from_data(X, 12, seed=1)
    keep, stop = KeepMean(), fr.EarlyStopping("largest_weight", patience=3, mode="min", cool_down=0.0)
    parts = {"gradient": OwnPCD(), "optimizer": HeavyBall(), "callbacks": [stop, keep, *more], "metrics": Hidden()}
    parts |= {"averaging": fr.optim.Averaging(0.5, 1), "centered": True, "sample_weight": 1.0 + X[:, 20]}
    if path is not None:
        parts |= {"checkpoint": path, "checkpoint_seconds": 0.0, "resume": resume}
    history = fr.fit(rbm, X, epochs=20, batch_size=50, validation=X[:50], **(parts | options))
    return rbm, history, keep, stop


def bits(rbm):
    return b"".join(getattr(rbm, name).tobytes() for name in PARTS)


def test_all_of_it_at_once(tmp_path):
    rbm, history, keep, stop = train()
    # three measurements, which are two epochs apart, were no better than the best
    assert history.last["epoch"] == keep.n == stop.best_epoch + 6 < 20
    assert np.array_equal(rbm.visible_bias, (keep.total / keep.n).astype(np.float32))
    measured = ~np.isnan(history["dead_units"])
    assert measured.tolist() == [epoch % 2 == 0 for epoch in history["epoch"]]
    with pytest.raises(Stop):
        train(tmp_path / "c.npz", [stop_after(4)])
    again, resumed, *_ = train(tmp_path / "c.npz")
    assert bits(again) == bits(rbm)
    for column in set(history.columns) - {"seconds"}:
        assert np.array_equal(resumed[column], history[column], equal_nan=True)


def test_gradients_of_plain_arrays_are_taken_as_they_are(tmp_path):
    """Centering is for Gradients; what has three arrays alone is what the update goes by."""

    class Arrays:
        def __init__(self, gradient):
            for name in PARTS:
                setattr(self, name, getattr(gradient, name))

    class Wrapped(OwnPCD):
        def __call__(self, *arguments, **options):
            return Arrays(super().__call__(*arguments, **options))

    models = [train(gradient=Wrapped(), centered=centering)[0] for centering in (True, False)]
    assert bits(models[0]) == bits(models[1]) != bits(train()[0])
    with pytest.raises(TypeError, match="gradient must be a Gradient, to be centered, not Arrays"):
        train(gradient=Wrapped(), centered=fr.gradient.Centering(), sample_weight=None)


# ---------------------------------------------------------------- what a checkpoint knows of a part


@pytest.mark.parametrize(
    "change, words",
    [
        ({"gradient": OwnPCD(21)}, r"gradient OwnPCD\(n_chains=20, seed=0\), not OwnPCD\(n_chains=21, seed=0\)"),
        ({"optimizer": HeavyBall(0.1, 0.6)}, r"optimizer HeavyBall\(0\.1, 0\.5\), not HeavyBall\(0\.1, 0\.6\)"),
        ({"metrics": fr.metrics.PseudoLikelihood()}, r"metrics \[Hidden\(every=2\)\], not \[PseudoLikelihood"),
        ({"callbacks": [KeepMean()]}, r"callbacks \[EarlyStopping.*, KeepMean\(\)\], not \[KeepMean\(\)\]"),
    ],
)
def test_other_settings_are_refused(tmp_path, change, words):
    path = tmp_path / "c.npz"
    with pytest.raises(Stop):
        train(path, [stop_after(2)])
    with pytest.raises(ValueError, match=f"is of a training with {words}"):
        options = {"callbacks": [KeepMean()]} if "metrics" in change else {}  # nobody watches a column that is gone
        if options:
            change = change | {"callbacks": [KeepMean(), fr.EarlyStopping("pseudo_likelihood")]}
        train(path, **change)


def named_rate(progress):
    return 0.05


class Bare:
    def __init__(self, rate=0.1):
        self.rate = rate

    def __call__(self, progress):
        return self.rate


@pytest.mark.parametrize(
    "rate",
    [
        lambda progress: 0.1, Bare(), Bare().__call__, functools.partial(pow, 2.0), fr.optim.WarmUp(Bare()),
        fr.optim.WarmUp(lambda progress: 0.1),
    ],
    ids=["lambda", "object", "method", "partial", "within", "lambda within"],
)  # fmt: skip
@pytest.mark.parametrize("optimizer", [fr.optim.SGD, fr.optim.Adam])
def test_settings_that_nobody_can_tell_apart_are_refused(tmp_path, rate, optimizer):
    options = {"averaging": None, "optimizer": optimizer(rate)}
    if "partial" in repr(rate):
        assert describe(rate, "rate") == "functools.partial(<built-in function pow>, 2.0)"  # which says all
        return
    with pytest.raises(TypeError, match=r"(learning_rate|schedule) must have a method describe\(\) to be kept"):
        train(tmp_path / "c.npz", **options)
    assert not (tmp_path / "c.npz").exists()
    train(**options)  # without a checkpoint there is nothing to tell


def test_what_is_known_of_a_part():
    class Mine(fr.gradient.PCD):
        pass

    def bound(progress, rate=0.1):
        return rate

    rate = 0.1

    def closed(progress):
        return rate

    assert describe(fr.optim.SGD(named_rate, l2=0.1), "x") == f"SGD({__name__}.named_rate, l2=0.1)"
    assert describe(Mine(3), "x") == "Mine: PCD(n_chains=3, n_sweeps=1, seed=0)"
    assert describe(fr.optim.Linear(0.1), "x") == repr(fr.optim.Linear(0.1))
    assert describe(None, "x") == "None" and describe(OwnPCD, "x") == repr(OwnPCD)
    for function in (bound, closed, lambda progress: 0.1):
        with pytest.raises(TypeError, match="x must have a method describe"):
            describe(function, "x")


def test_every_class_of_the_package_describes_itself():
    modules = fr.gradient, fr.optim, fr.metrics
    found = {thing for module in modules for name in module.__all__ if isinstance(thing := getattr(module, name), type)}
    results = {fr.gradient.Gradient, fr.gradient.MonteCarloGradient, fr.metrics.Column, fr.metrics.Snapshot}
    assert {thing for thing in found if not issubclass(thing, Described)} == results
    assert issubclass(fr.EarlyStopping, Described)


@pytest.mark.parametrize("description", [None, 3, {"a": object()}, {"a": np.zeros(2)}, {1: 2}, {"a": [{}]}])
def test_descriptions_are_of_plain_values(tmp_path, description):
    pcd = OwnPCD()
    pcd.describe = lambda: description
    with pytest.raises(TypeError, match=r"gradient: describe\(\) must return a str, or a dict of numbers, strings"):
        train(tmp_path / "c.npz", gradient=pcd)
    pcd.describe = lambda: {"a": [1, ("x", 2.5)], "b": None, "c": np.float32(0.5)}
    assert describe(pcd, "gradient") == "OwnPCD(a=[1, ('x', 2.5)], b=None, c=0.5)"


# ---------------------------------------------------------------- what breaks the contract


def changed(thing, **attributes):
    """An object of a class of its own, with other attributes; None takes one away."""
    kind = type(type(thing).__name__, (type(thing),), attributes)
    other = kind.__new__(kind)
    vars(other).update(vars(thing))
    return other


class Without:
    """A thing without some of its methods."""

    def __init__(self, thing, *names):
        self._thing, self._names = thing, names

    def __getattr__(self, name):
        if name.startswith("__") or name in self._names:
            raise AttributeError(name)
        return getattr(self._thing, name)

    def __call__(self, *arguments, **options):
        return self._thing(*arguments, **options)


class Short:
    def __init__(self, weights):
        self.weights, self.visible_bias, self.hidden_bias = weights, np.zeros(64), np.zeros(12)


WRONG = {
    "gradient: a class": ({"gradient": OwnPCD}, TypeError, "gradient must be an estimator"),
    "gradient: no weights": (
        {"gradient": lambda rbm, X, n_threads: None}, TypeError,
        r"gradient must be callable as \(rbm, X, sample_weight=, n_threads=\): got an unexpected .*'sample_weight'",
    ),
    "gradient: nothing": (
        {"gradient": changed(OwnPCD(), __call__=lambda *a, **k: None)}, TypeError,
        "gradient must return an object with weights, visible_bias, hidden_bias, not None",
    ),
    "gradient: another shape": (
        {"gradient": changed(OwnPCD(), __call__=lambda *a, **k: Short(np.zeros((64, 3))))}, ValueError,
        r"gradient must return weights of shape \(64, 12\), got \(64, 3\)",
    ),
    "gradient: NaN": (
        {"gradient": changed(OwnPCD(), __call__=lambda *a, **k: Short(np.full((64, 12), np.nan)))},
        (ValueError, FloatingPointError), "weights",
    ),
    "optimizer: no rate": ({"optimizer": Without(HeavyBall(), "rate")}, TypeError, "optimizer must be one such as"),
    "optimizer: an attribute": ({"optimizer": changed(HeavyBall(), rate=0.1)}, TypeError, "optimizer must be one"),
    "optimizer: update": (
        {"optimizer": changed(HeavyBall(), update=lambda self, rbm, gradient: None)}, TypeError,
        r"optimizer\.update must be callable as \(rbm, gradient, progress, n_threads\): too many",
    ),
    "optimizer: rate takes": (
        {"optimizer": changed(HeavyBall(), rate=lambda self: 0.1)}, TypeError, r"optimizer\.rate must be callable as",
    ),
    "optimizer: rate returns": (
        {"optimizer": changed(HeavyBall(), update=lambda *a: None, rate=lambda self, progress: "fast")}, TypeError,
        "what optimizer.rate returns must be a number, not ",
    ),
    "metric: no columns": ({"metrics": [lambda snapshot: {}]}, TypeError, "metrics must be such as"),
    "metric: one name": (
        {"metrics": changed(Hidden(), columns="abc")}, TypeError, "metrics: columns of .* must be a tuple of names",
    ),
    "metric: no names": ({"metrics": changed(Hidden(), columns=())}, TypeError, "metrics: columns of .* not"),
    "metric: twice": ({"metrics": [Hidden(), Hidden()]}, ValueError, "metrics must have columns of their own"),
    "metric: a basic column": (
        {"metrics": [Hidden(), changed(Hidden(), columns=("epoch",))]}, ValueError, "more than one epoch",
    ),
    "metric: takes": (
        {"metrics": changed(Hidden(), __call__=lambda self: {})}, TypeError, r"metrics: .* callable as \(snapshot\)",
    ),
    "metric: returns": (
        {"metrics": changed(Hidden(), __call__=lambda self, s: {"dead_units": 1})}, TypeError,
        "metrics: .* must return a dict of dead_units, largest_weight, not",
    ),
    "metric: text": (
        {"metrics": changed(Hidden(), __call__=lambda self, s: {"dead_units": "1", "largest_weight": 1})}, TypeError,
        "metrics: dead_units of .* must be a number, not '1'",
    ),
    "metric: an array": (
        {"metrics": changed(Hidden(), __call__=lambda self, s: {"dead_units": np.ones(2), "largest_weight": 1})},
        TypeError, "metrics: dead_units of .* must be a number",
    ),
    "metric: every": ({"metrics": changed(Hidden(), every=0)}, ValueError, "every of .* must be"),
    "metric: cost": ({"metrics": changed(Hidden(), every=None, cost="x")}, TypeError, "cost of .* must be a number"),
    "callback: a class": ({"callbacks": [KeepMean]}, TypeError, "callbacks must be functions of a FitState"),
    "callback: takes": ({"callbacks": [lambda: None]}, TypeError, r"callbacks: .* must be callable as \(state\)"),
    "callback: finish": ({"callbacks": [changed(KeepMean(), finish=3)]}, TypeError, "callbacks: finish of .* a method"),
    "callback: finish takes": (
        {"callbacks": [changed(KeepMean(), finish=lambda self: None)]}, TypeError, r"callbacks: finish of .* \(rbm\)",
    ),
}  # fmt: skip

WRONG_IN_CHECKPOINTS = {
    "gradient: no state": ({"gradient": Without(OwnPCD(), "set_state")}, "gradient must have get_state and set_state"),
    "optimizer: no state": ({"optimizer": Without(HeavyBall(), "get_state")}, "optimizer must have get_state and"),
    "gradient: set_state": (
        {"gradient": changed(OwnPCD(), set_state=lambda self, state: None)},
        r"set_state of gradient must be callable as \(state, rbm\): too many",
    ),
    "optimizer: set_state": (
        {"optimizer": changed(HeavyBall(), set_state=lambda self, state, rbm: None)},
        r"set_state of optimizer must be callable as \(state\): missing",
    ),
    "optimizer: get_state": (
        {"optimizer": changed(HeavyBall(), get_state=lambda self: [1])}, "the state of optimizer must be a dict",
    ),
    "gradient: in a state": (
        {"gradient": changed(OwnPCD(), get_state=lambda self: {"chains": self})},
        "the state of gradient must hold numbers, strings and arrays of them; chains is",
    ),
    "callback: no set_state": (
        {"callbacks": [Without(KeepMean(), "set_state")]}, "callback 0 must have get_state and set_state",
    ),
    "gradient: describe": ({"gradient": changed(OwnPCD(), describe=None)}, r"gradient must have a method describe\(\)"),
    "optimizer: describe": ({"optimizer": changed(HeavyBall(), describe=None)}, r"optimizer must have a method"),
    "metric: describe": ({"metrics": changed(Hidden(), describe=None)}, r"metrics must have a method describe\(\)"),
    "callback: describe": ({"callbacks": [changed(KeepMean(), describe=None)]}, r"callbacks must have a method desc"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_broken_contract_is_an_error_by_name(name):
    options, error, words = WRONG[name]
    more = {} if "callbacks" in options else {"callbacks": []}
    with pytest.raises(error, match=words):
        train(averaging=None, **options, **more)


@pytest.mark.parametrize("name", WRONG_IN_CHECKPOINTS)
def test_what_cannot_be_kept_is_reported_before_the_first_update(tmp_path, name):
    options, words = WRONG_IN_CHECKPOINTS[name]
    more = {} if "callbacks" in options else {"callbacks": [lambda state: pytest.fail("an epoch was trained")]}
    with pytest.raises(TypeError, match=words):
        train(tmp_path / "c.npz", **options, **more)
    assert not (tmp_path / "c.npz").exists()


def test_callbacks_without_a_state_need_no_description(tmp_path):
    seen = []
    train(tmp_path / "c.npz", callbacks=[lambda state: seen.append(state.epoch), print, stop_after(99)])
    assert seen == list(range(1, 21))
