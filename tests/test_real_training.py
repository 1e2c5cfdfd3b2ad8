"""Training with real hidden units: gradients of every parameter, and the same bits however it is done."""

from functools import cache

import numpy as np
import pytest
from helpers import printed_at_every_level

import fastrbm as fr
from fastrbm import units

X = fr.datasets.load_digits()[:300]
CODES = np.random.default_rng(5).integers(0, [2, 3, 4], (60, 3))
HIDDEN = {
    "gaussian": units.Gaussian(3, gamma=[0.7, 1.0, 1.9]),
    "relu": units.ReLU(3, gamma=[0.7, 1.0, 1.9]),
    "drelu": units.DReLU(3, delta=[0.5, -0.5, 1.0], xi=[0.5, -1.0, 2.0], gamma=1.3),
}


def visible_layers():
    rng = np.random.default_rng(1)
    bits = rng.random((60, 9)) < 0.4
    mixed = [units.Bernoulli(4), units.Categorical(1, 3), units.Spin(2)]
    parts = bits[:, :4], CODES[:, 1:2], 2 * bits[:, 4:6].astype(int) - 1
    return {
        "bernoulli": ("bernoulli", bits.astype(np.uint8)),
        "spin": ("spin", 2 * bits.astype(np.int8) - 1),
        "categorical": (units.Categorical(3, [2, 3, 4]), CODES),
        "mixed": (mixed, np.concatenate(parts, axis=1)),
    }


def log_likelihood(rbm, data):
    return float(-rbm.free_energy(data).mean()) - fr.likelihood.exact(rbm).value


@pytest.mark.parametrize("name", visible_layers())
@pytest.mark.parametrize("hidden", HIDDEN)
def test_exact_gradients_are_those_of_the_log_likelihood(name, hidden):
    visible, data = visible_layers()[name]
    rng = np.random.default_rng(2)
    W, b, c = (0.6 * rng.normal(size=9 * 3).reshape(9, 3), 0.3 * rng.normal(size=9), 0.3 * rng.normal(size=3))
    step = 2.0**-7

    def model(W=W, b=b, c=c, hidden=HIDDEN[hidden]):
        return fr.RBM(W, b, c, visible=visible, hidden=hidden)

    def slope(**moved):
        """Central differences of two steps: what is left is of the fourth order in them."""
        ends = [
            log_likelihood(model(**{key: make(k * step) for key, make in moved.items()}), data) for k in (1, -1, 2, -2)
        ]
        return (8 * (ends[0] - ends[1]) - (ends[2] - ends[3])) / (12 * step)

    rbm = model()
    g = fr.gradient.Exact()(rbm, data)
    # free energies are rounded to the grid of weights, 1e-8, and differences are of numbers near 10 by steps of 1/64
    for i, j in ((0, 0), (3, 1), (8, 2)):
        assert np.isclose(slope(W=lambda x, i=i, j=j: W + x * (np.indices(W.shape) == [[[i]], [[j]]]).all(0)),
                          g.weights[i, j], atol=2e-6)  # fmt: skip
    assert np.isclose(slope(b=lambda x: b + x * (np.arange(9) == 4)), g.visible_bias[4], atol=2e-6)
    assert np.isclose(slope(c=lambda x: c + x * (np.arange(3) == 1)), g.hidden_bias[1], atol=2e-6)
    own = HIDDEN[hidden].own
    assert (own is None) == (hidden != "drelu") == (g.own is None)
    if own is not None:
        for k, j in np.ndindex(2, 3):
            at = (np.arange(6) == 3 * k + j).reshape(2, 3)
            moved = slope(hidden=lambda x, at=at: HIDDEN[hidden].with_own(own + np.float32(x) * at))
            assert np.isclose(moved, g.own[k, j], atol=5e-6), (k, j)


@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
@pytest.mark.parametrize("visible", [*HIDDEN, "mixed"])
def test_energies_and_exact_gradients_where_visible_units_are_real(visible, hidden):
    unit = units.Row([HIDDEN["relu"], units.Bernoulli(1), HIDDEN["drelu"]]) if visible == "mixed" else HIDDEN[visible]
    rng, step, n = np.random.default_rng(4), 2.0**-7, unit.n
    W, b, c = 0.4 * rng.normal(size=(n, 2)), 0.3 * rng.normal(size=n), 0.3 * rng.normal(size=2)

    def model(W=W, b=b, c=c):
        return fr.RBM(W, b, c, visible=unit, hidden=hidden)

    rbm = model()
    data, h = rbm.sample(40, 1, method="gibbs"), rbm.sample_hidden(rbm.sample(40, 1, method="gibbs"), seed=2)
    energies, column = -(data * (h @ rbm.weights.T + rbm.visible_bias)).sum(axis=1) - h @ rbm.hidden_bias, 0
    for part in unit.segments:
        x, column = data[:, column : column + part.n], column + part.n
        if part.name == "drelu":  # by its two sides
            eta = part.xi / (1 + np.abs(part.xi))
            plus, minus = 0.5 * x**2 * part.gamma / (1 + eta), 0.5 * x**2 * part.gamma / (1 - eta)
            own = np.where(x > 0, plus - part.delta / (1 + eta) * x, minus + part.delta / (1 - eta) * x)
        else:
            own = 0.5 * part.gamma * x**2 if part.real else 0.0 * x
        energies += own.sum(axis=1)
    # weights on their grid, and sums of float32 parameters
    assert np.allclose(rbm.energy(data, h), energies, rtol=1e-6, atol=1e-5)

    def slope(name, at):
        ends = [log_likelihood(model(**{name: {"W": W, "b": b, "c": c}[name] + k * step * at}), data)
                for k in (1, -1, 2, -2)]  # fmt: skip
        return (8 * (ends[0] - ends[1]) - (ends[2] - ends[3])) / (12 * step)

    g = fr.gradient.Exact()(rbm, data)
    for k in range(n):
        assert np.isclose(slope("W", np.eye(n)[k][:, None] * [0.0, 1.0]), g.weights[k, 1], atol=1e-5)
        assert np.isclose(slope("b", np.eye(n)[k]), g.visible_bias[k], atol=1e-5)
    assert np.isclose(slope("c", np.array([1.0, 0.0])), g.hidden_bias[0], atol=1e-5)


@pytest.mark.parametrize("visible", ["relu", "drelu"])
def test_rectified_visible_units_learn(visible):
    """Two kinds of numbers of at least 0, by which columns depend on each other."""
    rng = np.random.default_rng(0)
    data = rng.gamma(np.where(rng.integers(0, 2, 400)[:, None], [4.0, 1.0], [1.0, 4.0]))
    rbm = fr.RBM.from_data(data, 3, visible=visible, hidden="spin", seed=0)
    start = fr.likelihood.score(rbm, data).mean
    fr.fit(rbm, data, optimizer=fr.optim.SGD(fr.optim.Linear(0.05)), epochs=40, seed=0, metrics=[])
    assert fr.likelihood.score(rbm, data).mean > start + 0.5
    samples = rbm.sample(1000, seed=1)
    assert (samples.min() >= 0) == (visible == "relu")
    # the means of chains of 256 and of 1,000 samples, five standard errors of each
    assert np.abs(samples.mean(axis=0) - data.mean(axis=0)).max() < 5 * data.std() * (256**-0.5 + 1000**-0.5)


@pytest.mark.parametrize("hidden", ["gaussian", "relu", "drelu"])
def test_fast_weights_count_means_in_a_unit_of_their_own(hidden):
    """What a fixed-point mean counts in is a power of two that depends on the weights."""
    rbm, estimator = fr.RBM.from_data(X, 6, hidden=hidden, seed=0), fr.gradient.FastPCD(200, rate=1.0, seed=0)
    units_of_means = set()
    for _ in range(4):
        negative, own = estimator(rbm, X).negative, estimator.chains.rbm
        bits = own._parameters.to_hidden.fixed_bits
        expected = own.mean_hidden(estimator.chains.visible_bits).astype(np.float64)
        # half a unit of a mean, and half a unit of float32
        assert np.abs(negative.hidden - expected.mean(axis=0)).max() <= 2.0 ** -(bits + 1) + 2.0**-24 * expected.max()
        units_of_means.add(bits)
    assert rbm._parameters.to_hidden.fixed_bits in units_of_means and len(units_of_means) > 1


@pytest.mark.parametrize("name", visible_layers())
@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_kernels_moments_are_the_exact_ones(name, hidden):
    visible, data = visible_layers()[name]
    W = 0.6 * np.random.default_rng(3).normal(size=(9, 3))
    rbm = fr.RBM(W, visible=visible, hidden=HIDDEN[hidden])
    for weight in (None, np.arange(60) % 4):
        ours = fr.Moments.of_data(rbm, data, weight)
        exact = fr.gradient.Exact()(rbm, data, weight).positive
        # means on a grid of 2^-f, half of it at most a mean, and weights on one of 2^-22 of the largest
        unit = 2.0**-rbm._parameters.to_hidden.fixed_bits
        assert np.abs(ours.weights - exact.weights).max() < 2 * unit + 1e-5
        assert np.abs(ours.hidden - exact.hidden).max() < 2 * unit + 1e-5
        assert np.abs(ours.visible - exact.visible).max() < 1e-5
        if hidden == "drelu":
            assert np.abs(ours.own - exact.own).max() < 1e-4
            parts = [fr.Moments.of_data(rbm, data[k::2], None if weight is None else weight[k::2]) for k in range(2)]
            if weight is None:
                assert np.allclose((parts[0] + parts[1]).own, ours.own, rtol=0, atol=1e-15)


def test_weights_are_copies():
    visible, data = visible_layers()["categorical"]
    rbm = fr.RBM(0.6 * np.random.default_rng(3).normal(size=(9, 3)), visible=visible, hidden=HIDDEN["drelu"])
    weighted = fr.Moments.of_data(rbm, data, np.where(np.arange(60) % 2, 2.0, 1.0))
    repeated = fr.Moments.of_data(rbm, np.concatenate([data, data[1::2]]))
    for name in ("weights", "visible", "hidden", "own"):
        assert np.abs(getattr(weighted, name) - getattr(repeated, name)).max() < 1e-5


ESTIMATORS = {
    "pcd": lambda: fr.gradient.PCD(40, seed=1),
    "cd": lambda: fr.gradient.CD(2, seed=1),
    "fast": lambda: fr.gradient.FastPCD(40, seed=1),
    "tempered": lambda: fr.gradient.Tempered(20, 4, seed=1),
    "monte carlo": lambda: fr.gradient.MonteCarlo(2, 200, 10, seed=1),
}
OPTIMIZERS = {
    "sgd": lambda: fr.optim.SGD(fr.optim.Linear(0.02), l2=1e-3),
    "momentum": lambda: fr.optim.SGD(0.01, momentum=0.5, l1b=0.1, nesterov=True),
    "adam": lambda: fr.optim.Adam(0.005, l1b=0.1),
    "max norm": lambda: fr.optim.SGD(0.02, max_norm=1.0),
}


def trained(estimator="pcd", optimizer="sgd", hidden="drelu", **options):
    rbm = fr.RBM.from_data(X, 12, hidden=hidden, seed=2)
    given = {"epochs": 4, "batch_size": 64, "seed": 3, "metrics": []} | options
    fr.fit(rbm, X, ESTIMATORS[estimator](), OPTIMIZERS[optimizer](), **given)
    return rbm


def same(a, b):
    arrays = ("weights", "visible_bias", "hidden_bias")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in arrays) and a.hidden == b.hidden


@pytest.mark.filterwarnings("ignore::fastrbm.training.verdict.TrainingWarning")
@pytest.mark.parametrize(
    "estimator, optimizer", [*((name, "sgd") for name in ESTIMATORS), *(("pcd", name) for name in OPTIMIZERS)]
)
def test_resumed_trainings_have_the_same_bits(tmp_path, estimator, optimizer):
    class Stop(Exception):
        pass

    def callback(state):
        if state.epoch == 2:
            raise Stop

    options = {"averaging": fr.optim.Averaging(0.5, 3)} if optimizer != "momentum" else {}
    wanted = trained(estimator, optimizer, **options)
    assert wanted.hidden.own.any()
    options = {"averaging": fr.optim.Averaging(0.5, 3)} if optimizer != "momentum" else {}
    with pytest.raises(Stop):
        trained(
            estimator, optimizer, checkpoint=tmp_path / "c.npz", checkpoint_seconds=0, callbacks=[callback], **options
        )
    stopped = fr.load(tmp_path / "c.npz")
    assert not same(stopped, wanted)
    options = {"averaging": fr.optim.Averaging(0.5, 3)} if optimizer != "momentum" else {}
    assert same(trained(estimator, optimizer, checkpoint=tmp_path / "c.npz", resume=True, **options), wanted)


EXPECTED = {  # on any machine: see test_fit.py
    "gaussian": "001a67bfde2187938d1616b116a6182944d2300972583cb5b42a120dcac082ee",
    "relu": "a47bbec4c8c5b669c78e44cb4e4453e039b5ecfa3ebfb80cf15b5f5ee0a70970",
    "drelu": "10f2a98e128806135df31d35545336fae37a1c59436a95181d69942e8404eedf",
}


@cache
def digests():
    """What a training of each type prints, a line each, at every level."""
    script = f"""
import hashlib, numpy as np, fastrbm as fr
X = fr.datasets.load_digits()[:200]
for hidden in {[*HIDDEN]}:
    rbm = fr.RBM.from_data(X, 12, hidden=hidden, seed=2)
    fr.fit(rbm, X, optimizer=fr.optim.Adam(0.005), epochs=2, batch_size=64, metrics=[])
    v = rbm.sample(50, 20, seed=1)
    arrays = rbm.weights, rbm.visible_bias, rbm.hidden_bias, rbm.hidden.sides(), v, rbm.free_energy(v)
    print(hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest())
"""
    return printed_at_every_level(script)


@pytest.mark.filterwarnings("ignore::fastrbm.training.verdict.TrainingWarning")
@pytest.mark.parametrize("hidden", HIDDEN)
def test_threads_and_levels_do_not_matter(hidden):
    wanted = trained(hidden=hidden, n_threads=1)
    assert all(same(trained(hidden=hidden, n_threads=n), wanted) for n in (2, 3, 7))
    of_each_level = {out.splitlines()[[*HIDDEN].index(hidden)] for out in digests()}
    assert of_each_level == {EXPECTED[hidden]}


@pytest.mark.filterwarnings("ignore::fastrbm.training.verdict.TrainingWarning")
def test_models_and_paths_keep_delta_and_xi(tmp_path):
    trajectory = fr.sampling.Trajectory(0.9)
    rbm = trained(optimizer="adam", trajectory=trajectory, epochs=30)
    rbm.save(tmp_path / "m.npz")
    assert same(fr.load(tmp_path / "m.npz"), rbm) and rbm.hidden.delta.any() and rbm.hidden.xi.any()
    trajectory.path.save(tmp_path / "p.npz")
    path = fr.load_path(tmp_path / "p.npz")
    assert len(path.models) > 1 and same(path.rbm, rbm)
    assert all(same(a, b) for a, b in zip(path.models, trajectory.path.models, strict=True))
    stop = fr.EarlyStopping("pseudo_likelihood", patience=1)
    metric = fr.metrics.PseudoLikelihood(every=1)
    best = trained(epochs=6, metrics=[metric], validation=X[:50], callbacks=[stop])
    assert np.isfinite(best.hidden.own).all()


def test_a_step_that_would_spoil_a_parameter_leaves_the_model():
    rbm = fr.RBM.from_data(X, 4, hidden="drelu")
    g = fr.gradient.PCD(20)(rbm, X)
    before = rbm.copy()
    with pytest.raises(FloatingPointError, match="would make"):
        rbm.step(g, 1e36)
    assert same(rbm, before)
    with pytest.raises(ValueError, match="units like"):
        rbm.set_parameters(hidden=units.ReLU(4))
    with pytest.raises(ValueError, match="units like"):
        rbm.set_parameters(hidden=units.DReLU(5))
    rbm.set_parameters(hidden=units.DReLU(4, delta=1.0))
    assert (rbm.hidden.delta == 1).all()


@pytest.mark.filterwarnings("ignore::fastrbm.training.verdict.TrainingWarning")
def test_two_wells_are_learned():
    """Of 8 copies of one coin, one dReLU unit learns the two modes, which no pair of probabilities of them has."""
    rng = np.random.default_rng(0)
    data = np.repeat(rng.random((2000, 1)) < 0.3, 8, axis=1) ^ (rng.random((2000, 8)) < 0.05)
    rbm = fr.RBM.from_data(data, 1, hidden="drelu", seed=1)
    fr.fit(rbm, data, epochs=60, metrics=[])
    noise, p = 0.05 * np.log(0.05) + 0.95 * np.log(0.95), np.array([0.3, 0.7])
    entropy = -float((p * np.log(p)).sum()) - 8 * noise  # of the data, up to overlaps of the modes
    assert log_likelihood(rbm, data) > -entropy - 0.1
