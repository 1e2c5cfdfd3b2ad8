"""Paths: their points, the distributions at them, weights that are ratios of partition functions, spacing."""

import numpy as np
import pytest
from helpers import Enumerated, printed_at_every_level, random_rbm

import fastrbm as fr
from fastrbm._core import philox
from fastrbm.sampling import Path
from fastrbm.sampling.resampling import anneal, descendants, effective_size, normalized

U = fr.units


def models(kind, seed=0):
    """Three models of the same units, the last with strong weights."""
    rng = np.random.default_rng(seed)
    visible = {"bernoulli": "bernoulli", "spin": "spin", "sites": U.Categorical(3, 3)}.get(
        kind, [U.Bernoulli(2), U.Categorical(2, 3), U.Spin(1)]
    )
    n = {"bernoulli": 6, "spin": 6}.get(kind, 9)
    hidden = "spin" if kind == "spin" else "bernoulli"
    W, b, c = rng.normal(size=(n, 4)), rng.normal(size=n), rng.normal(size=4)
    return [fr.RBM(s * W, b + s, c, visible=visible, hidden=hidden) for s in (0.1, 0.6, 1.2)]


KINDS = ["bernoulli", "spin", "sites", "mixed"]


def test_points():
    one, three = random_rbm(5, 4), models("bernoulli")
    assert Path(one).n_steps == 200 and Path(one, 4).points.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert Path(three).points[-3:].tolist() == [1, 2, 3] and Path(three, 7).n_steps == 7
    assert Path(three, points=[0, 0.5, 3]).points.tolist() == [0, 0.5, 1, 2, 3]  # where the models are
    assert Path(one, points=[0, 0.1, 1]).points[1] == np.float32(0.1)  # as the kernels take it
    path = Path(three, 30)
    assert path.with_steps(60).n_steps == 60 and np.isin(path.points, path.with_steps(60).points).all()
    assert path.with_steps(1).points.tolist() == [0, 1, 2, 3]
    assert not path.points.flags.writeable and not path.base_bias.flags.writeable
    assert path.rbm is three[-1] and path.model_at(2) is three[1] and "n_models=3" in repr(path)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"models": 3}, TypeError, "models must be an RBM or several, not int"),
        ({"models": []}, ValueError, "models must have at least one RBM"),
        ({"models": [random_rbm(5, 4), random_rbm(5, 3)]}, ValueError, "must have 5 visible and 4 hidden units"),
        ({"n_steps": 0}, ValueError, "n_steps must be at least 1"),
        ({"n_steps": 3, "points": [0, 1]}, ValueError, "n_steps and points"),
        ({"points": [0.5, 1]}, ValueError, "points must go from 0 up to 1"),
        ({"points": [0, 0.7, 0.6, 1]}, ValueError, "none below the one before"),
        ({"points": [0, np.nan, 1]}, ValueError, "points must go"),
        ({"points": ["a", "b"]}, TypeError, "points must be an array of numbers"),
        ({"base_bias": np.zeros(4)}, ValueError, r"base_bias must have shape \(5,\)"),
        ({"base_bias": np.zeros(5), "data": np.zeros((2, 5))}, ValueError, "base_bias and data"),
        ({"data": np.zeros((2, 4))}, ValueError, "data"),
    ],
)  # fmt: skip
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        Path(**({"models": random_rbm(5, 4)} | arguments))


@pytest.mark.parametrize("kind", KINDS)
def test_between_models_parameters_are_on_the_line(kind):
    first, second, _ = models(kind)
    half = Path([first, second]).model_at(1.25)
    for name in ("weights", "visible_bias", "hidden_bias"):
        assert np.allclose(getattr(half, name), 0.75 * getattr(first, name) + 0.25 * getattr(second, name), atol=1e-6)
    assert (half.visible, half.hidden) == (first.visible, first.hidden)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("up", [True, False])
def test_the_mean_weight_is_the_ratio_of_partition_functions(kind, up):
    """From exact draws at one end, of 10,000 chains along a rough path over three models: within five standard errors
    of the exact ratio, whose log of the mean is off by half the relative variance."""
    path, n = Path(models(kind), 12), 10_000
    truth = fr.likelihood.exact(path.rbm).value - path.log_base
    if up:
        visible = path.base_states(n, 1, philox.ANNEAL)
    else:  # exact draws: a population of many more steps, whose families are nearly all of one
        visible = fr.population_annealing(path.with_steps(200), n, seed=3).visible
    log_weights = path.move(visible, *((0, 12) if up else (12, 0)), 1, philox.ANNEAL, 1)
    w = np.exp(log_weights - (truth if up else -truth))
    assert w.std() > 0.1  # a path that asks something of the weights
    assert abs(w.mean() - 1) < 5 * w.std() / np.sqrt(n) + (0 if up else 5 / np.sqrt(n / 2))


def test_ends_follow_the_model_by_weight():
    """Weighted ends of a rough path have the model's means, within five standard errors of the weighted mean."""
    path, n = Path(models("bernoulli"), 6), 40_000
    visible = path.base_states(n, 2, philox.ANNEAL)
    w, _ = normalized(path.move(visible, 0, 6, 2, philox.ANNEAL, 1))
    v, exact = visible.to_states().astype(float), Enumerated(path.rbm)
    p = np.exp(-path.rbm.free_energy((np.arange(64)[:, None] >> np.arange(6)) & 1) - exact.log_z)
    means = p @ ((np.arange(64)[:, None] >> np.arange(6)) & 1)
    mean = w @ v / w.sum()
    error = np.sqrt((w**2) @ (v - mean) ** 2) / w.sum()
    assert np.all(np.abs(mean - means) < 5 * error) and np.any(np.abs(v.mean(axis=0) - means) > 5 * error)


@pytest.mark.parametrize("kind", KINDS)
def test_same_bits_for_any_threads_and_shares(kind, monkeypatch):
    from fastrbm._core import workload

    path = Path(models(kind), 15)
    start = path.base_states(700, 1, philox.ANNEAL)
    one, parts = start.copy(), [start[:299].copy(), start[299:].copy()]
    weights = path.move(one, 0, 15, 1, philox.ANNEAL, 1, n_threads=1)
    monkeypatch.setattr(workload, "A_CALL", 1)
    for threads in (2, 3):
        other = start.copy()
        assert np.array_equal(path.move(other, 0, 15, 1, philox.ANNEAL, 1, n_threads=threads), weights)
        assert np.array_equal(other.planes, one.planes)
    shares = [
        path.move(part, 0, 15, 1, philox.ANNEAL, 1, first_chain=first)
        for part, first in zip(parts, (0, 299), strict=True)
    ]
    assert np.array_equal(np.concatenate(shares), weights)
    again = start.copy()  # in two calls
    split = path.move(again, 0, 4, 1, philox.ANNEAL, 1) + path.move(again, 4, 15, 1, philox.ANNEAL, 5)
    assert np.allclose(split, weights, rtol=0, atol=1e-12) and np.array_equal(again.planes, one.planes)


def test_adapted_points_even_out_the_spreads():
    """Of points that crowd at one end, adapted ones leave chains with as little spread as even ones, or less: this
    model changes about evenly. The same bits for any threads."""
    rbm = fr.RBM(10.0 * np.eye(30), np.full(30, -3.0), np.full(30, -6.0))
    even = Path(rbm, 60, base_bias=np.zeros(30))
    crowded = even.with_points(np.linspace(0.0, 1.0, 61) ** 4)
    path = crowded.adapted(seed=1)
    assert path.n_steps == 60 and np.array_equal(crowded.adapted(seed=1, n_threads=2).points, path.points)

    def spread(path):
        return np.mean([fr.likelihood.ais(path, 400, seed=s).log_ratios.var() for s in range(4)])

    assert spread(path) < 1.1 * spread(even) < 0.7 * spread(crowded)
    many = crowded.adapted(600, seed=1)
    assert many.length == path.length and spread(many) < 3 * many.length**2 / 600
    flat = Path(fr.RBM(np.zeros((3, 2))), 10).adapted()
    assert np.allclose(flat.points, np.linspace(0, 1, 11)) and flat.length == 0


def test_resampling_keeps_shares_within_one_copy():
    log_weights = np.random.default_rng(0).normal(size=1000) * 3
    shares = np.exp(log_weights) / np.exp(log_weights).sum() * 1000
    for step in range(20):
        chosen, log_mean = descendants(log_weights, 1, philox.RESAMPLE, step)
        copies = np.bincount(chosen, minlength=1000)
        assert (np.abs(copies - shares) < 1).all() and (np.diff(chosen) >= 0).all()
        assert log_mean == pytest.approx(np.log(np.exp(log_weights).mean()))
        for cut in (100, 500):  # families, which are neighbors, too
            assert abs(copies[:cut].sum() - shares[:cut].sum()) < 1
    assert effective_size(np.array([1.0, 1.0, 0.0])) == 2.0


def test_the_error_of_a_population_is_of_the_right_size():
    """Over 100 populations of a hard model that are resampled often, the spread of log Z is that which the families
    tell: its square within a factor of 2 of the mean (the standard error of a variance of 100 is 14 %)."""
    rbm = random_rbm(20, 12, scale=2.5, seed=5)
    path, found, errors = Path(rbm, 5), [], []
    for seed in range(100):
        run = anneal(path, path.base_states(200, seed, 1), True, seed, (1, 2), 0.5, 1, None)
        found.append(run.log_ratio)
        errors.append(run.error)
        assert run.resampled and run.ess < 100
    assert 0.5 < np.var(found) / np.mean(np.square(errors)) < 2
    truth = fr.likelihood.exact(rbm).value - path.log_base
    assert abs(np.mean(np.exp(np.array(found) - truth)) - 1) < 4 * np.std(np.exp(np.array(found) - truth)) / 10


def test_estimators_take_a_path():
    path = Path(models("bernoulli"), 60)
    truth = fr.likelihood.exact(path.rbm).value
    for estimate in (
        fr.likelihood.ais(path), fr.likelihood.reverse_ais(path), fr.likelihood.bidirectional(path, n_chains=100),
        fr.likelihood.bidirectional(path),
    ):  # fmt: skip
        assert estimate.lower <= truth <= estimate.upper
    assert abs(fr.population_annealing(path).log_partition - truth) < 0.2
    for call in (fr.likelihood.ais, fr.likelihood.bidirectional):
        with pytest.raises(ValueError, match="a Path has its own steps"):
            call(path, n_betas=3)
    with pytest.raises(ValueError, match="a Path has its own steps and base"):
        fr.population_annealing(path, n_steps=3)
    X = np.zeros((3, 6))
    score = fr.likelihood.score(path.rbm, X, method="bidirectional", n_chains=100, path=path)
    assert score.lower <= fr.likelihood.score(path.rbm, X).mean <= score.upper
    with pytest.raises(ValueError, match="path must be a Path whose last model is rbm"):
        fr.likelihood.score(path.models[0], X, path=path)


EXPECTED = "39e958de71099bf356d4539ac716f3eab7a24c63502343e93c213bdc6f80a282"  # on any machine: see test_fit.py


def test_same_bits_at_every_level():
    script = (
        "import fastrbm as fr, numpy as np, hashlib; X = fr.datasets.load_digits()\n"
        "low, high = (fr.RBM.from_data(X, 16, seed=1, weight_scale=s) for s in (0.3, 0.6))\n"
        "path = fr.sampling.Path([low, high]).adapted(40)\n"
        "z = fr.likelihood.bidirectional(path, X, n_chains=50)\n"
        "numbers = z.value, z.lower, z.upper, z.forward.value, z.reverse.value\n"
        "p = fr.population_annealing(path, 100)\n"
        "print(hashlib.sha256(path.points.tobytes() + p.visible.planes.tobytes() + repr(numbers).encode()).hexdigest())"
    )
    assert printed_at_every_level(script) == {EXPECTED}


def test_a_copy_cannot_be_written_either():
    import copy
    import pickle

    path = Path(models("bernoulli"), 12)
    for other in (pickle.loads(pickle.dumps(path)), copy.deepcopy(path), copy.copy(path)):
        assert (other.points == path.points).all() and other.describe() == path.describe()
        assert not (other.points.flags.writeable or other.base_bias.flags.writeable)


def test_a_path_of_what_is_no_model():
    for models_ in (3, [3], "abc"):
        with pytest.raises(TypeError, match="models must be an RBM or several, not"):
            Path(models_)
    with pytest.raises(ValueError, match="models must have at least one RBM"):
        Path([])
