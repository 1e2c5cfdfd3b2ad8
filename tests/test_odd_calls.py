"""Odd values for every argument of every public function: a result that is right, or a refusal that says which argument
was wrong. Never a crash, a hang, or an error of NumPy's or Python's own.

A number is what Python and NumPy call one. Text, dates, time spans, complex numbers, lists and arrays that happen to
hold one are none, and True is no count.
"""

import datetime
import decimal
import fractions
import warnings

import numpy as np
import pytest
from helpers import random_rbm

import fastrbm as fr
from fastrbm import gradient, likelihood, optim
from fastrbm.training import metrics

V, H, N = 5, 3, 6
X = (np.random.default_rng(0).random((N, V)) < 0.5).astype(np.uint8)
HIDDEN = (np.random.default_rng(1).random((N, H)) < 0.5).astype(np.uint8)
FRACTIONS = np.random.default_rng(2).random((N, V))

COUNTS = {
    "n", "n_sweeps", "n_chains", "n_betas", "n_hidden", "n_units", "n_hidden_samples", "n_joint_samples", "n_threads",
    "seed", "epochs", "batch_size", "every", "patience", "update", "n_steps", "most",
}  # fmt: skip
REALS = {
    "learning_rate", "rate", "decay", "momentum", "l1", "l2", "max_norm", "eps", "beta1", "beta2", "last", "fraction",
    "stop", "weight_scale", "min_delta", "target_rate", "checkpoint_seconds", "total", "tolerance", "seconds",
}  # fmt: skip
FLAGS = {"dynamic_binarization", "resume", "nesterov"}
NONE_IS_A_DEFAULT = {
    ("ais", "n_betas"), ("reverse_ais", "n_betas"), ("bidirectional", "n_betas"), ("bidirectional", "n_chains"),
    ("score", "n_betas"), ("score", "n_chains"), ("population_annealing", "n_steps"), ("Path", "n_steps"),
    ("Path.adapted", "n_steps"), ("TemperedChains", "n_betas"), ("along", "n_chains"),
    ("bidirectional to a tolerance", "seconds"),
}  # fmt: skip
MAY_BE_NONE = {"n_threads", "every", "target_rate", "epochs"}
UNBOUNDED = {"every", "patience", "update", "most"}  # a count of this size is of use to nobody, but costs nothing

REFUSED = {  # by all scalar arguments
    "complex": 2 + 0j, "complex64": np.complex64(1), "time span": np.timedelta64(2, "s"),
    "bare time span": np.timedelta64(1), "date": np.datetime64("2020-01-01"), "day": datetime.date(2020, 1, 1),
    "duration": datetime.timedelta(1), "text": "1", "bytes": b"1", "NumPy's text": np.str_("1"), "list": [1],
    "tuple": (1,), "array of one": np.array([1]), "matrix of one": np.array([[1]]), "array of 2.7": np.array(2.7),
    "array of True": np.array(True), "empty array": np.zeros(0), "object array": np.array(None), "dict": {},
    "object": object(), "type": int, "NaN": float("nan"), "NumPy's NaN": np.float32("nan"), "minus inf": -np.inf,
    "decimal": decimal.Decimal(1), "generator": np.random.default_rng(0), "10**400": 10**400, "-10**400": -(10**400),
    "None": None,
}  # fmt: skip
NO_COUNT = {
    "float": 1.0, "half": 0.5, "float64": np.float64(1), "True": True, "NumPy's True": np.True_, "inf": np.inf,
    "fraction": fractions.Fraction(1), "-1": -1, "2**65": 2**65, "-2**63": -(2**63),
}  # fmt: skip
AS_ONE = {
    "int64": np.int64(1), "uint8": np.uint8(1), "uint64": np.uint64(1), "array ()": np.array(1),
    "array () of uint16": np.array(1, np.uint16),
}  # fmt: skip
NO_REAL = {"True": True, "NumPy's True": np.True_, "-0.5": -0.5, "array ()": np.array(0.5)}
AS_HALF = {
    "float32": np.float32(0.5), "float16": np.float16(0.5), "fraction": fractions.Fraction(1, 2),
    "longdouble": np.longdouble(0.5),
}  # fmt: skip
NO_FLAG = {"1": 1, "0": 0, "yes": "yes", "inf": np.inf, "array of True": np.array(True), "half": 0.5}
ODD = REFUSED | NO_COUNT | AS_ONE | AS_HALF | {
    "csr": X, "strings": np.array([["a"] * V] * N), "objects": np.full((N, V), None), "ragged": [[1], [1, 2]],
    "three axes": np.zeros((2, 2, 2)), "complex array": X + 0j, "other shape": np.zeros((N, V + 1)),
    "no rows": np.zeros((0, V)), "huge": np.full((N, V), 1e300), "NaNs": np.full((N, V), np.nan),
    "backwards": X[::-1, ::-1], "read-only": np.broadcast_to(X[:1], (N, V)), "another model": random_rbm(9, 4),
    "other bits": fr.BitMatrix.from_states(np.eye(9)), "other chains": fr.Chains(random_rbm(9, 4), 3),
    "a gradient": gradient.Exact()(random_rbm(9, 4), np.eye(9)), "float128": np.ones((N, V), np.longdouble),
}  # fmt: skip


class Place:
    """Fresh objects for each call."""

    def __init__(self):
        self.rbm = random_rbm(V, H)
        self.chains = fr.Chains(self.rbm, 4)
        self.tempered = fr.TemperedChains(self.rbm, 4, n_betas=2)
        self.path = fr.sampling.Path(self.rbm, 2)
        self.gradient = gradient.Exact()(self.rbm, X)
        self.moments = fr.Moments.of_data(self.rbm, X)
        self.bits = fr.BitMatrix.from_states(X)
        self.history = fr.History()
        self.history.record(epoch=1, shuffled_gap=0.5)


def steps(make):
    return lambda p: (make().__call__, {"rbm": p.rbm, "X": X, "sample_weight": None, "n_threads": 1})


def of(function, **arguments):
    """A call of a function or class of the package; strings that begin with a point are attributes of a Place."""
    return lambda p: (
        function,
        {k: getattr(p, x[1:]) if isinstance(x, str) and x.startswith(".") else x for k, x in arguments.items()},
    )


def method(name, **arguments):
    """A call of a method of what a Place has: "rbm.sample"."""
    whose, what = name.split(".")
    return lambda p: (getattr(getattr(p, whose), what), of(None, **arguments)(p)[1])


AIS = {"n_chains": 3, "n_betas": 4, "seed": 1, "progress": False, "n_threads": 1}
CALLS = {
    "RBM": of(fr.RBM, weights=np.ones((V, H)), visible_bias=np.ones(V), hidden_bias=np.ones(H)),
    "from_data": of(fr.RBM.from_data, X=X, n_hidden=1, seed=1, weight_scale=0.5),
    "set_parameters": method("rbm.set_parameters", weights=np.ones((V, H)), visible_bias=None, hidden_bias=None),
    "add": method(
        "rbm.add", weights=np.ones((V, H)), visible_bias=np.ones(V), hidden_bias=np.ones(H), rate=0.5, n_threads=1
    ),
    "step": method("rbm.step", gradient=".gradient", learning_rate=0.5, n_threads=1),
    "energy": method("rbm.energy", v=X, h=HIDDEN, n_threads=1),
    "free_energy": method("rbm.free_energy", v=X, n_threads=1),
    "mean_hidden": method("rbm.mean_hidden", v=FRACTIONS, n_threads=1),
    "mean_visible": method("rbm.mean_visible", h=HIDDEN, n_threads=1),
    "sample_hidden": method("rbm.sample_hidden", v=X, seed=1, n_threads=1),
    "sample_visible": method("rbm.sample_visible", h=HIDDEN, seed=1, n_threads=1),
    "sample": method(
        "rbm.sample", n=1, n_sweeps=1, seed=1, start=None, beta=1.0, n_threads=1, clamp=None, clamp_hidden=None
    ),
    "inpaint": method("rbm.inpaint", X=X, n_sweeps=1, seed=1, n_threads=1),
    "reconstruct": method("rbm.reconstruct", v=X, seed=1, n_threads=1),
    "BitMatrix": of(fr.BitMatrix, planes=np.zeros((1, 4), np.uint8), n_units=1),
    "empty": of(fr.BitMatrix.empty, n=1, n_units=1),
    "from_states": of(fr.BitMatrix.from_states, states=X, n_threads=1),
    "to_states": method("bits.to_states", n_threads=1),
    "item": method("bits.__getitem__", examples=slice(2)),
    "Moments": of(fr.Moments, weight_sum=np.ones((V, H)), visible_sum=np.ones(V), hidden_sum=np.ones(H), total=0.5),
    "Moments.of_data": of(fr.Moments.of_data, rbm=".rbm", X=X, sample_weight=np.ones(N), n_threads=1),
    "Moments.of_chains": of(fr.Moments.of_chains, rbm=".rbm", chains=".chains", n_threads=1),
    "Moments +": method("moments.__add__", other=".moments"),
    "Chains": of(
        fr.Chains, rbm=".rbm", n_chains=1, seed=1, start=None, beta=1.0, n_threads=1, clamp=None, clamp_hidden=None
    ),
    "Chains.sweep": method("chains.sweep", n_sweeps=1, n_threads=1),
    "Chains.set_state": method("chains.set_state", state={}),
    "TemperedChains": of(
        fr.TemperedChains,
        path=".rbm",
        n_chains=1,
        n_betas=1,
        betas=None,
        target_rate=0.5,
        seed=1,
        start=None,
        n_threads=1,
    ),
    "TemperedChains.sweep": method("tempered.sweep", n_sweeps=1, n_threads=1),
    "TemperedChains.set_state": method("tempered.set_state", state={}),
    "fit": of(
        fr.fit,
        rbm=".rbm",
        X=X,
        gradient=None,
        optimizer=None,
        epochs=1,
        batch_size=1,
        seed=1,
        sample_weight=None,
        callbacks=(),
        progress=False,
        n_threads=1,
        centered=True,
        dynamic_binarization=False,
        averaging=None,
        validation=None,
        metrics=(),
        checkpoint_seconds=0.5,
        resume=False,
    ),
    "EarlyStopping": of(fr.EarlyStopping, column="shuffled_gap", patience=1, min_delta=0.5, mode=None),
    "record": method("history.record", epoch=1, shuffled_gap=1.0),
    "CD": of(gradient.CD, n_sweeps=1, seed=1),
    "PCD": of(gradient.PCD, n_chains=1, n_sweeps=1, seed=1),
    "FastPCD": of(gradient.FastPCD, n_chains=1, n_sweeps=1, rate=0.5, decay=0.5, seed=1),
    "Tempered": of(gradient.Tempered, n_chains=1, n_betas=1, n_sweeps=1, betas=None, target_rate=0.5, seed=1),
    "MonteCarlo": of(gradient.MonteCarlo, n_hidden_samples=1, n_joint_samples=1, n_sweeps=1, seed=1),
    "Centering": of(gradient.Centering, rate=0.5),
    "Gradient": of(gradient.Gradient, positive=".moments", negative=".moments", n_threads=1, offsets=None),
    "centered": method("gradient.centered", visible_offset=np.ones(V), hidden_offset=np.ones(H)),
    "Centering()": of(gradient.Centering().__call__, gradient=".gradient"),
    "Exact()": steps(lambda: gradient.Exact()),
    "CD()": steps(lambda: gradient.CD(1)),
    "PCD()": steps(lambda: gradient.PCD(4)),
    "FastPCD()": steps(lambda: gradient.FastPCD(4)),
    "Tempered()": steps(lambda: gradient.Tempered(4, 2)),
    "MonteCarlo()": steps(lambda: gradient.MonteCarlo(1, 4, 1)),
    "SGD": of(optim.SGD, learning_rate=0.5, momentum=0.5, l2=0.5, l1=0.5, nesterov=False, max_norm=0.5),
    "Adam": of(optim.Adam, learning_rate=0.5, beta1=0.5, beta2=0.5, eps=0.5, l2=0.5, l1=0.5, max_norm=0.5),
    "Averaging": of(optim.Averaging, last=0.5, every=1),
    "SGD.update": lambda p: (optim.SGD(0.1).update, {"rbm": p.rbm, "gradient": p.gradient, "n_threads": 1}),
    "Adam.update": lambda p: (optim.Adam(0.1).update, {"rbm": p.rbm, "gradient": p.gradient, "n_threads": 1}),
    "Averaging.update": lambda p: (optim.Averaging().update, {"rbm": p.rbm, "update": 1}),
    "Averaging.offer": lambda p: (optim.Averaging().offer, {"rbm": p.rbm, "offered": p.rbm.copy(), "n_threads": 1}),
    "Linear": of(optim.Linear, start=1.0, stop=0.5),
    "Cosine": of(optim.Cosine, start=1.0, stop=0.5),
    "InverseTime": of(optim.InverseTime, start=1.0, stop=0.5),
    "WarmUp": of(optim.WarmUp, schedule=0.5, fraction=0.5),
    "ais": of(likelihood.ais, path=".rbm", data=None, base_bias=None, betas=None, **AIS),
    "reverse_ais": of(likelihood.reverse_ais, path=".rbm", start=X, n_sweeps=1, data=None, betas=None, **AIS),
    "bidirectional": of(likelihood.bidirectional, path=".rbm", data=X, n_sweeps=1, betas=None, **AIS),
    "bidirectional to a tolerance": of(likelihood.bidirectional, path=".rbm", data=X, tolerance=0.5, seconds=0.5),
    "along": of(likelihood.along, path=".path", X=X, n_sweeps=2, n_chains=2, seed=1, n_threads=1),
    "lower_bound": of(likelihood.lower_bound, rbm=".rbm", X=X, n_threads=1),
    "Path": of(fr.sampling.Path, models=".rbm", n_steps=1, points=None, base_bias=None, data=None),
    "Path.adapted": method("path.adapted", n_steps=1, seed=1, n_chains=16, n_threads=1),
    "Path.thinned": method("path.thinned", rate=0.5, seed=1, n_chains=16, n_threads=1),
    "Path.with_steps": method("path.with_steps", n_steps=1),
    "Path.with_points": method("path.with_points", points=[0, 1]),
    "Path.model_at": method("path.model_at", point=1),
    "mode_biases": of(fr.sampling.mode_biases, rbm=".rbm", n_sweeps=1, seed=1, n_threads=1),
    "population_annealing": of(
        fr.population_annealing,
        path=".rbm",
        n_chains=1,
        n_steps=1,
        seed=1,
        base_bias=None,
        progress=False,
        n_threads=1,
        modes=None,
    ),
    "Trajectory": of(fr.sampling.Trajectory, target_rate=0.5, n_chains=1, most=2),
    "exact": of(likelihood.exact, rbm=".rbm", progress=False, n_threads=1),
    "pseudo": of(likelihood.pseudo, rbm=".rbm", X=X, n_threads=1),
    "conditional": of(likelihood.conditional, rbm=".rbm", X=X, units=[0, 1], n_threads=1),
    "score": of(likelihood.score, rbm=".rbm", X=X, method="ais", **AIS),
    "standard_betas": of(likelihood.standard_betas, n_betas=1),
    "autocorrelation": of(fr.diagnostics.autocorrelation, series=np.arange(9.0)),
    "autocorrelation_time": of(fr.diagnostics.autocorrelation_time, series=np.arange(9.0)),
    "split_rhat": of(fr.diagnostics.split_rhat, series=np.arange(9.0)),
    "rhat": of(fr.diagnostics.rhat, series=np.arange(9.0)),
    "ess": of(fr.diagnostics.ess, series=np.arange(9.0), kind="tail"),
    "mcse": of(fr.diagnostics.mcse, series=np.arange(9.0)),
    "summary": of(fr.diagnostics.summary, traces={"a": np.arange(9.0)}),
    "traces": of(fr.diagnostics.traces, chains=".chains", n_sweeps=1, data=X, n_axes=1, n_threads=1),
    "meet": of(fr.diagnostics.meet, rbm=".rbm", X=X, n_chains=1, n_sweeps=1, seed=1, progress=False, n_threads=1),
    "free_energy_trace": of(fr.diagnostics.free_energy_trace, chains=".chains", n_sweeps=1, n_threads=1),
    "PseudoLikelihood": of(metrics.PseudoLikelihood, every=1),
    "LogLikelihood": of(metrics.LogLikelihood, method="auto", n_chains=1, n_betas=1, every=1),
    "Mixing": of(metrics.Mixing, n_sweeps=5, every=1),
    "bars_and_stripes": of(fr.datasets.bars_and_stripes, n=2),
    "load": of(fr.load, path="no such file"),
    "History.load": of(fr.History.load, path="no such file.csv"),
    "datasets.load": of(fr.datasets.load, path="no such file.csv", threshold=None, key=None),
    "datasets.load_fractions": of(fr.datasets.load_fractions, path="no such file.csv", key=None),
}
LEAST = {
    ("Mixing", "n_sweeps"): 5,
    ("bars_and_stripes", "n"): 2,
    ("Trajectory", "most"): 2,
    ("along", "n_sweeps"): 2,
    ("along", "n_chains"): 2,
    ("Path.adapted", "n_chains"): 16,
    ("Path.thinned", "n_chains"): 16,
}  # where 1 is too few


def cases():
    """(call, argument, kind, name of the value) of all there are; kind is how the outcome is judged."""
    for call, make in CALLS.items():
        for argument, usual in make(Place())[1].items():
            if argument in COUNTS:
                kinds = {"refused": REFUSED | NO_COUNT, "as one": AS_ONE}
            elif argument in REALS:
                kinds = {"refused": REFUSED | NO_REAL, "as half": AS_HALF}
            elif argument in FLAGS or argument == "progress":
                kinds = {"refused": REFUSED | NO_FLAG}
            else:
                kinds = {"any": ODD}
            for kind, values in kinds.items():
                for name in values:
                    if kind == "refused" and (
                        name == "None"
                        and (argument in MAY_BE_NONE or (call, argument) in NONE_IS_A_DEFAULT)
                        or name in ("2**65", "10**400")
                        and argument in UNBOUNDED
                        or name == "-0.5"
                        and (call, argument) in (("add", "rate"), ("step", "learning_rate"))
                        or isinstance(values[name], np.random.Generator)
                        and callable(usual)
                        or name == "type"
                        and argument == "learning_rate"  # int(progress) is a schedule
                    ):
                        continue
                    yield call, argument, kind, name


ALL = list(cases())


def value_of(kind, name):
    by_kind = {"as one": AS_ONE, "as half": AS_HALF, "refused": REFUSED | NO_FLAG | NO_REAL | NO_COUNT, "any": ODD}
    return by_kind[kind][name]


def result_of(function, arguments):
    """What comes out, as something to compare."""
    return outcome(function(**arguments))


def outcome(x):
    if isinstance(x, fr.RBM):
        return [x.weights, x.visible_bias]
    if isinstance(x, (fr.Chains, fr.TemperedChains)):
        return [x.visible, x.hidden]
    if isinstance(x, gradient.Gradient):
        return [x.weights, x.visible_bias]
    if isinstance(x, fr.BitMatrix):
        return [x.planes]
    if isinstance(x, fr.History):
        return [x["update"], x["weight_norm"]]
    return x if isinstance(x, np.ndarray) else repr(x)


def judge(call, argument, kind, name):
    """Make the call; None, or what is wrong with its outcome."""
    place = Place()
    before = place.rbm.weights.copy()
    function, arguments = CALLS[call](place)
    least = LEAST.get((call, argument), 1)
    value = value_of(kind, name)
    if kind == "as one":
        value = np.array(least, value.dtype) if isinstance(value, np.ndarray) else type(value)(least)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a complex number that loses its imaginary part, say
            warnings.simplefilter("ignore", UserWarning)
            result = result_of(function, arguments | {argument: value})
    except (TypeError, ValueError, FloatingPointError, OSError) as error:
        if kind == "any":
            return None
        if kind != "refused":
            return f"refused: {error!r}"
        if argument not in str(error):
            return f"a refusal that does not name it: {error!r}"
        return None if np.array_equal(place.rbm.weights, before) else "the model has changed"
    except Exception as error:
        return None if kind == "any" and isinstance(error, (AttributeError, KeyError, IndexError)) else f"{error!r}"
    if kind == "refused":
        return f"taken: {result!r:.100}"
    if kind in ("as one", "as half"):
        usual = least if kind == "as one" else 0.5
        place = Place()
        function, arguments = CALLS[call](place)
        plain = result_of(function, arguments | {argument: usual})
        same = all(map(np.array_equal, result, plain)) if isinstance(plain, list) else np.array_equal(result, plain)
        return None if same else f"{result!r:.100}, not {plain!r:.100}"
    return None


def judge_all(picked):
    reported = ((call, argument, name, judge(call, argument, kind, name)) for call, argument, kind, name in picked)
    return [f"{call}({argument}={name}): {wrong}" for call, argument, name, wrong in reported if wrong]


def test_some_odd_calls():
    """A few of each function and argument; the slow test makes them all."""
    rng = np.random.default_rng(17)
    picked = [ALL[k] for k in rng.permutation(len(ALL))[:800]]
    wrong = judge_all(picked)
    assert not wrong, "\n".join(wrong)


TOO_MANY = [
    ("from_data", "n_hidden"), ("sample", "n"), ("sample", "n_sweeps"), ("inpaint", "n_sweeps"), ("Chains", "n_chains"),
    ("Chains.sweep", "n_sweeps"), ("TemperedChains", "n_chains"), ("TemperedChains", "n_betas"),
    ("TemperedChains.sweep", "n_sweeps"), ("fit", "epochs"), ("fit", "batch_size"), ("CD", "n_sweeps"),
    ("PCD", "n_chains"), ("PCD", "n_sweeps"), ("FastPCD", "n_chains"), ("Tempered", "n_betas"), ("ais", "n_chains"),
    ("ais", "n_betas"), ("reverse_ais", "n_sweeps"), ("bidirectional", "n_chains"), ("score", "n_betas"),
    ("standard_betas", "n_betas"), ("free_energy_trace", "n_sweeps"), ("traces", "n_sweeps"),
    ("traces", "n_axes"), ("meet", "n_chains"), ("meet", "n_sweeps"), ("Mixing", "n_sweeps"), ("sample", "n_threads"),
]  # fmt: skip


@pytest.mark.parametrize("call, argument", TOO_MANY)
def test_more_than_there_can_be(call, argument):
    """Reported before any work, and before any memory is asked for."""
    for number in (2**33, 2**40, np.uint64(2**63)):
        function, arguments = CALLS[call](Place())
        with pytest.raises(ValueError, match=f"{argument} must be at .*at most|{argument} must be at most"):
            function(**arguments | {argument: number})


def test_what_the_new_user_gets_wrong():
    for arguments in ((64, 16), (64,), (None,), ("digits",)):
        with pytest.raises(TypeError, match=r"RBM.from_data\(X, n_hidden=16\)"):
            fr.RBM(*arguments)
    with pytest.raises(TypeError, match="n_hidden"):
        fr.RBM.from_data(X)
    with pytest.raises(TypeError, match="path must be a path"):
        fr.load(0)  # standard input, else, which would be closed


CODED = fr.RBM(np.zeros((4, 2)), visible=fr.units.Categorical(2, 2))
CODED_STATES = fr.CodeMatrix(np.zeros((2, 3), np.uint8), CODED.visible)
REAL = fr.RBM(np.full((3, 3), 0.3), visible=fr.units.Gaussian(3), hidden=fr.units.Gaussian(3))


@pytest.mark.parametrize("unit", [None, 1, "categorical", CODED, CODED_STATES, fr.units.Spin(4), fr.units.Unit])
def test_states_of_what_describes_no_such_layer(unit):
    sparse = pytest.importorskip("scipy.sparse").csr_matrix(np.ones((3, 2)))
    for call in (fr.CodeMatrix, lambda planes, unit: fr.CodeMatrix.zeros(3, unit)):
        with pytest.raises(
            TypeError, match="^unit must describe categorical sites or real units, as rbm.visible may, not"
        ):
            call(CODED_STATES.planes, unit)
    with pytest.raises(TypeError, match="^unit must describe"):
        fr.CodeMatrix.from_sparse(sparse, unit)


def test_refusals_name_the_argument_and_not_what_it_is_inside():
    place = Place()
    for call, error, words in (
        (lambda: likelihood.ais("x"), TypeError, "path must be an RBM or a Path, not str"),
        (lambda: likelihood.bidirectional(1, X), TypeError, "path must be an RBM or a Path, not int"),
        (lambda: fr.TemperedChains(None), TypeError, "path must be an RBM or a Path, not NoneType"),
        (lambda: fr.population_annealing({}), TypeError, "path must be an RBM or a Path, not dict"),
        (lambda: fr.sampling.Path([place.rbm, 1]), TypeError, "models must be an RBM or several, not int"),
        (lambda: fr.sampling.Path(np.array(2.5)), TypeError, "models must be an RBM or several, not ndarray"),
        (lambda: optim.Averaging().offer(place.rbm, "x"), TypeError, "offered must be an RBM, not str"),
        (
            lambda: fr.RBM.from_data(X, 2, hidden=np.array(2.5)),
            TypeError,
            r"hidden must be .*not an array of shape \(\)",
        ),
        (lambda: fr.units.Categorical(3, CODED_STATES), TypeError, "n_states must be an integer, not list"),
        (lambda: fr.units.Categorical(2, np.ones((2, 2))), TypeError, "n_states must be an integer, not list"),
        (lambda: REAL.sample(2, 2, beta=255), ValueError, "beta 255 is too large"),
        *(
            (
                lambda bad=bad: gradient.Gradient(place.moments, place.moments, offsets=bad),
                TypeError,
                "offsets must be a pair",
            )
            for bad in (1, (), np.ones(V), "ab", place.chains)
        ),
    ):
        with pytest.raises(error, match=f"^{words}"):
            call()


def test_no_examples_of_real_units():
    empty = REAL.reconstruct(np.zeros((0, 3)))
    assert empty.shape == (0, 3) and REAL.sample_hidden(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.slow
def test_all_odd_calls():
    wrong = judge_all(ALL)
    assert len(ALL) > 10_000 and not wrong, "\n".join(wrong)
