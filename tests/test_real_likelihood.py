"""Sampling and likelihoods where units are real, against quadrature, enumeration and formulas of this file's own."""

import itertools
import math

import numpy as np
import pytest

import fastrbm as fr
from fastrbm import likelihood
from fastrbm import units as u
from fastrbm._core.coupling import coupling_of
from fastrbm.likelihood.bounds import fields_of_single, hidden_masses
from fastrbm.sampling.ladder import Temperatures
from fastrbm.sampling.modes import _log_conditional, _random_parts, log_masses, single_parts
from fastrbm.states.bits import packed
from fastrbm.states.missing import absent_sites, has_missing, known_parts, with_absent

NAN = float("nan")
GRID = 2.0**-12  # of values of real units
NODES, WEIGHTS = np.polynomial.legendre.leggauss(200)
REACH = 25.0  # of quadratures: no distribution here has mass beyond
AXIS = np.concatenate([-REACH * (1 - NODES[::-1]) / 2, REACH * (1 + NODES) / 2])  # either side of the kink at 0
AXIS_WEIGHTS = np.tile(WEIGHTS * REACH / 2, 2)

HIDDEN = {
    "gaussian": u.Gaussian(3, gamma=[1.0, 1.5, 0.7]),
    "relu": u.ReLU(3, gamma=[1.2, 0.8, 2.0]),
    "drelu": u.DReLU(3, delta=[1.0, -0.5, 0.3], xi=[0.5, -1.0, 0.0], gamma=[1.0, 1.5, 2.0]),
}
VISIBLE = {
    "bernoulli": u.Bernoulli(4),
    "spin": u.Spin(4),
    "categorical": u.Categorical(2, [3, 2]),
    "row": [u.Bernoulli(2), u.Categorical(1, 3), u.Spin(1)],
}
MIXED = [u.Bernoulli(2), u.Gaussian(2, gamma=[1.0, 2.0], mean=[10.0, -3.0], scale=[2.0, 0.5]), u.Categorical(1, 3)]


def size(layer):
    return sum(s.n for s in layer) if isinstance(layer, list) else layer.n


def model(visible, hidden, seed=0, scale=0.6, bias=0.3):
    rng = np.random.default_rng(seed)
    V, H = size(visible), size(hidden)
    parts = scale * rng.normal(size=(V, H)), bias * rng.normal(size=V), bias * rng.normal(size=H)
    return fr.RBM(*parts, visible=visible, hidden=hidden)


def own_energies(unit, x):
    """U of each unit, by the definitions of the types."""
    if unit.name == "drelu":
        eta = unit.xi.astype(float) / (1 + np.abs(unit.xi.astype(float)))
        sign = np.where(x >= 0, 1.0, -1.0)
        return unit.gamma / (1 + sign * eta) * x**2 / 2 - sign * unit.delta / (1 + sign * eta) * x
    return unit.gamma * x**2 / 2 if unit.real else np.zeros_like(x)


def energy_of(layer, x):
    at, total = 0, 0.0
    for segment in layer.segments:
        total = total + own_energies(segment, x[..., at : at + segment.n]).sum(axis=-1)
        at += segment.n
    return total


def energy(rbm, v, h):
    """E of units' values (..., V) and (..., H)."""
    W, b, c = (array.astype(float) for array in (rbm.weights, rbm.visible_bias, rbm.hidden_bias))
    pairs = np.einsum("...i,ij,...j->...", v, W, h)
    return energy_of(rbm.visible, v) + energy_of(rbm.hidden, h) - pairs - v @ b - h @ c


def axes(unit, k):
    """(values, weights of a quadrature) of unit k of a segment that is not categorical."""
    if not unit.real:
        return np.array([unit.off, unit.off + unit.step], float), np.ones(2)
    low = len(NODES) if unit.name == "relu" else 0
    return AXIS[low:], AXIS_WEIGHTS[low:]


def integral(unit, fields):
    """log of the integral over each unit of exp(field x - U(x)), by quadrature, (..., n)."""
    out = []
    for k in range(unit.n):
        x, w = axes(unit, k)
        own = own_energies(unit, np.repeat(x[:, None], unit.n, axis=1))[:, k]
        terms = fields[..., k, None] * x - own
        top = terms.max(axis=-1)
        out.append(top + np.log((np.exp(terms - top[..., None]) * w).sum(axis=-1)))
    return np.stack(out, axis=-1)


def free_energy(rbm, v):
    fields = v @ rbm.weights.astype(float) + rbm.hidden_bias
    return energy_of(rbm.visible, v) - v @ rbm.visible_bias.astype(float) - integral(rbm.hidden, fields).sum(axis=-1)


def nodes(rbm):
    """Values (n, V) of the visible layer and log weights (n,) of a quadrature, or all states."""
    columns = []
    for segment in rbm.visible.segments:
        if segment.name == "categorical":
            columns += [(np.eye(n), np.ones(n)) for n in segment.sizes]
        else:
            columns += [(x[:, None], w) for x, w in (axes(segment, k) for k in range(segment.n))]
    values = [np.concatenate(rows) for rows in itertools.product(*(x for x, _ in columns))]
    weights = [math.prod(ws) for ws in itertools.product(*(w.tolist() for _, w in columns))]
    return np.array(values), np.log(weights)


def log_sum(x):
    return x.max() + math.log(np.exp(x - x.max()).sum())


def log_z(rbm):
    v, log_w = nodes(rbm)
    return log_sum(log_w - free_energy(rbm, v))


def all_states(rbm):
    """Codes of all states of a discrete visible layer, and their units' values."""
    columns = [range(n) for n in rbm.visible.n_states_of_columns]
    parts = np.array(list(itertools.product(*columns)), np.uint8)
    return rbm.visible.values(parts), rbm.visible.unit_values(parts), parts


def rows_of(X, states):
    """Which row of states each row of X is."""
    place = {row.tobytes(): k for k, row in enumerate(np.ascontiguousarray(states, np.float64))}
    return np.array([place[row.tobytes()] for row in np.ascontiguousarray(X, np.float64)])


def assert_frequencies(counts, p, n):
    """Counts of n independent draws of few states: chi squared at 5 sigma."""
    kept = p * n > 5
    chi = ((counts - n * p)[kept] ** 2 / (n * p)[kept]).sum()
    k = kept.sum()
    assert chi < k + 5 * math.sqrt(2 * k), (chi, k)


def assert_mean(x, mean, variance, worth=None):
    """Of draws (n, ...), within 5 standard errors."""
    error = np.sqrt(variance / (worth or len(x)))
    assert (np.abs(x.mean(axis=0) - mean) < 5 * error + GRID).all(), (x.mean(axis=0), mean, error)


PAIRS = [(visible, hidden) for visible in VISIBLE for hidden in HIDDEN]


# ---------------------------------------------------------------- energies


@pytest.mark.parametrize("visible, hidden", [*PAIRS, ("mixed", "bernoulli"), ("mixed", "spin"), ("gaussian", "drelu")])
def test_energies_by_formula(visible, hidden):
    layers = {**VISIBLE, "mixed": MIXED, "gaussian": u.Gaussian(2, gamma=2.0, mean=5.0)}
    units = {**HIDDEN, "bernoulli": u.Bernoulli(3), "spin": u.Spin(3)}
    rbm = model(layers[visible], units[hidden], scale=0.3)
    chains = fr.Chains(rbm, 7, seed=1)
    chains.sweep(3)
    v = rbm.visible.unit_values(chains.visible_bits.to_states())
    h = rbm.hidden.unit_values(chains.hidden_bits.to_states())
    assert np.allclose(rbm.energy(chains.visible, chains.hidden), energy(rbm, v, h), rtol=1e-6, atol=1e-5)
    assert np.allclose(rbm.free_energy(chains.visible), free_energy(rbm, v), rtol=1e-6, atol=1e-5)
    assert np.array_equal(
        rbm.energy(chains.visible_bits, chains.hidden_bits), rbm.energy(chains.visible, chains.hidden)
    )


@pytest.mark.parametrize("hidden", HIDDEN)
def test_free_energies_of_fractions(hidden):
    rbm = model(u.Spin(4), HIDDEN[hidden])
    x = np.random.default_rng(1).uniform(-1, 1, (5, 4))
    states = rbm._states(x, "X", fractions=True)
    assert np.allclose(likelihood.fractions.free_energy(rbm, states), free_energy(rbm, x), atol=1e-5)


# ---------------------------------------------------------------- log Z


@pytest.mark.parametrize("visible, hidden", PAIRS)
def test_exact_by_visible_states(visible, hidden):
    rbm = model(VISIBLE[visible], HIDDEN[hidden])
    assert abs(likelihood.exact(rbm).value - log_z(rbm)) < 1e-9
    X, _, _ = all_states(rbm)
    score = likelihood.score(rbm, X)
    assert abs(np.exp(score.per_example).sum() - 1) < 1e-5 and score.lower == score.mean == score.upper
    bound = likelihood.lower_bound(rbm, X[1:])
    assert score.log_partition.value - 5 < bound < score.log_partition.value + 1e-6
    assert likelihood.lower_bound(rbm) == -math.inf  # hidden states are no part of an integral


@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
def test_exact_by_hidden_states_and_the_density_of_data(hidden):
    rbm = model(u.Gaussian(2, gamma=[1.0, 2.0], mean=[10.0, -3.0], scale=[2.0, 0.5]), getattr(u, hidden.title())(3))
    z, log_w = nodes(rbm)
    exact = likelihood.exact(rbm).value
    assert abs(exact - log_sum(log_w - free_energy(rbm, z))) < 1e-9
    # by the rectangle rule on an even grid of the data's own numbers, on which values are whole numbers of grid steps
    side = np.arange(-10, 10, 0.125)
    x = np.array(list(itertools.product(10 + 2 * side, -3 + 0.5 * side)))
    score = likelihood.score(rbm, x)
    assert abs(np.exp(score.per_example).sum() * 0.25 * 0.0625 - 1) < 1e-6
    assert likelihood.lower_bound(rbm, x) < exact  # of hidden states alone
    assert likelihood.lower_bound(rbm, x) == likelihood.lower_bound(rbm)


def test_exact_of_mixed_visible_units():
    rbm = model([u.Bernoulli(1), u.Gaussian(1, gamma=0.5), u.ReLU(1, gamma=2.0)], u.Spin(3))
    assert abs(likelihood.exact(rbm).value - log_z(rbm)) < 1e-9


@pytest.mark.parametrize("V, H", [(1, 1), (2, 2), (5, 2), (2, 5)])
def test_exact_of_gaussian_units_alone(V, H):
    rng = np.random.default_rng(V)
    gammas = rng.uniform(0.5, 2, V), rng.uniform(0.5, 2, H)
    visible, hidden = u.Gaussian(V, gammas[0], mean=3.0, scale=4.0), u.Gaussian(H, gammas[1])
    rbm = model(visible, hidden, scale=0.2)
    A = np.block([[np.diag(visible.gamma), -rbm.weights], [-rbm.weights.T, np.diag(hidden.gamma)]]).astype(float)
    t = np.concatenate([rbm.visible_bias, rbm.hidden_bias]).astype(float)
    value = 0.5 * ((V + H) * math.log(2 * math.pi) + t @ np.linalg.solve(A, t) - np.linalg.slogdet(A)[1])
    assert abs(likelihood.exact(rbm).value - value) < 1e-12 * (1 + abs(value))
    if V == H == 1:
        assert abs(log_z(rbm) - value) < 1e-8
    x = 3 + 4 * rng.normal(size=(3, V)).round(3)
    z, cov = (x - 3) / 4, np.linalg.inv(A)[:V, :V]
    off = z - np.linalg.solve(A, t)[:V]
    wanted = -0.5 * (np.einsum("ni,ij,nj->n", off, np.linalg.inv(cov), off) + np.linalg.slogdet(2 * math.pi * cov)[1])
    score = likelihood.score(rbm, x)
    assert score.log_partition.method == "exact"
    assert np.allclose(score.per_example, wanted - V * math.log(4), atol=2e-3)  # data are rounded to the grid


def test_what_has_no_exact_log_z():
    rbm = model(u.Gaussian(2), u.DReLU(2), scale=0.2)
    with pytest.raises(ValueError, match=r"Gaussian\(2\) with DReLU\(2\) has no closed form"):
        likelihood.exact(rbm)
    with pytest.raises(ValueError, match="no closed form"):
        likelihood.score(rbm, [[0.0, 0.0]], "exact")
    with pytest.raises(ValueError, match="at most 25 units"):
        likelihood.exact(model(u.Bernoulli(30), u.Gaussian(40)))


# ---------------------------------------------------------------- normalizable models


def test_a_model_that_cannot_be_normalized_is_refused():
    layers = {"visible": u.Gaussian(2, gamma=[1.0, 4.0]), "hidden": u.Gaussian(2, gamma=[1.0, 0.25])}
    W = np.array([[0.6, 0.2], [0.9, 0.5]])
    M = W / np.sqrt(np.outer([1, 4], [1, 0.25]))
    limit = 1 / np.linalg.norm(M, 2)
    fr.RBM(W * limit * 0.9999, **layers)
    with pytest.raises(ValueError, match="could not be normalized.*must be below 1, and it is 1.0001"):
        fr.RBM(W * limit * 1.0001, **layers)
    # a positive determinant is not enough: both eigenvalues of I - M'M may be negative
    with pytest.raises(ValueError, match="could not be normalized"):
        fr.RBM(np.eye(2) * 3, visible="gaussian", hidden="gaussian")
    fr.RBM(np.eye(2) * 3, visible="gaussian", hidden="spin")
    # the smaller gamma of a DReLU unit counts: 1 / 2 where eta is 1 / 2 and gamma 3 / 4
    drelu = u.DReLU(1, xi=1.0, gamma=0.75)
    fr.RBM([[0.7]], visible="gaussian", hidden=drelu)
    with pytest.raises(ValueError, match="it is 1.01"):
        fr.RBM([[0.7142]], visible="gaussian", hidden=drelu)
    # weights of visible units that are not real are free
    rbm = fr.RBM([[9.0], [0.5]], visible=[u.Bernoulli(1), u.Gaussian(1)], hidden="gaussian")
    with pytest.raises(ValueError, match="could not be normalized"):
        rbm.set_parameters(weights=[[9.0], [1.0]])
    assert rbm.weights.ravel().tolist() == [9.0, 0.5]


def test_a_step_that_would_make_it_so_is_refused():
    rbm = fr.RBM([[0.5]], visible="gaussian", hidden="gaussian")
    before, change = rbm._parameters, ([[1.0]], [0.0], [0.0])
    with pytest.raises(FloatingPointError, match="could not be normalized"):
        rbm.add(*change, rate=0.5)

    class Direction:
        weights, visible_bias, hidden_bias = np.ones((1, 1)), np.zeros(1), np.zeros(1)

    with pytest.raises(FloatingPointError, match="could not be normalized"):
        rbm.step(Direction(), 0.5)
    assert rbm._parameters is before
    for optimizer in (fr.optim.SGD(0.5), fr.optim.SGD(0.5, momentum=0.5), fr.optim.Adam(0.6)):
        with pytest.raises(FloatingPointError, match="could not be normalized"):
            optimizer.update(rbm, Direction())
        assert rbm._parameters is before
    rbm.add(*change, rate=0.4)
    assert rbm.weights[0, 0] == np.float32(0.9)


def test_the_bound_of_the_coupling_is_one():
    """Where the product of the largest row and column sums is below 1, no singular value is found."""
    rng = np.random.default_rng(0)
    layers = u.Gaussian(6), u.Gaussian(4, gamma=2.0)
    for scale in (0.05, 0.3, 0.45):
        W = scale * rng.normal(size=(6, 4))
        true = np.linalg.norm(W / math.sqrt(2), 2)
        assert (coupling_of(W, layers) < 1) == (true < 1) and coupling_of(W, layers) > true - 1e-12


def test_a_beta_above_1_that_breaks_it_is_refused():
    rbm = fr.RBM([[0.6]], visible="gaussian", hidden="gaussian")
    for draw in (lambda b: rbm.sample(3, 2, beta=b), lambda b: fr.Chains(rbm, 3, beta=b)):
        draw(1.5)
        with pytest.raises(ValueError, match="normalized"):
            draw(2.0)
    with pytest.raises(ValueError, match="beta 3 is too large"):
        fr.Chains(rbm, 3, beta=[0, 1, 3])


# ---------------------------------------------------------------- paths


def within(estimate, truth, slack=0.01):
    assert estimate.lower - slack <= truth <= estimate.upper + slack, (estimate, truth)


AIS_MODELS = [
    model(VISIBLE["spin"], HIDDEN["drelu"]), model(VISIBLE["row"], HIDDEN["relu"]),
    model(MIXED, u.Bernoulli(3)), model([u.DReLU(2, delta=[1.0, -1.0], xi=0.5), u.Bernoulli(2)], u.Spin(3)),
    model(u.Gaussian(2, mean=3.0, scale=2.0), u.Gaussian(2), scale=0.25),
]  # fmt: skip


@pytest.mark.parametrize("rbm", AIS_MODELS, ids=repr)
def test_annealing_both_ways(rbm):
    truth = likelihood.exact(rbm).value
    how = {"n_chains": 300, "n_betas": 150, "seed": 1}
    within(likelihood.ais(rbm, **how), truth)
    within(likelihood.reverse_ais(rbm, **how, n_sweeps=0), truth)
    population = fr.population_annealing(rbm, 500, 50, seed=2)
    assert abs(population.log_partition - truth) < 5 * population.standard_error + 0.02
    population = fr.population_annealing(rbm, 500, 50, seed=2, modes=fr.sampling.mode_biases(rbm, 20))
    assert abs(population.log_partition - truth) < 5 * population.standard_error + 0.02


def test_base_rates_of_data():
    """Units as they are at beta 0, with the means of data."""
    rbm, X = AIS_MODELS[3], np.array([[1.0, -2.0, 1, 0], [3.0, 0.5, 1, 0]])
    bias = fr.sampling.base_rate.data_bias(rbm, X)
    hot = rbm.visible.with_beta(0.0)
    at_zero = hot.mean_of(np.zeros((1, 4)))[0]
    wanted = np.append((X[:, :2].sum(axis=0) + at_zero[:2]) / 3, (X[:, 2:].sum(axis=0) + 0.5) / 3)
    assert np.allclose(hot.mean_of(bias[None].astype(float))[0], wanted, atol=1e-6)
    assert np.allclose(fr.sampling.base_rate.data_bias(AIS_MODELS[0], np.ones((2, 4))), math.atanh(2 / 3))


def test_log_base_is_that_of_the_models_at_beta_0():
    for rbm in AIS_MODELS:
        path = fr.sampling.Path(rbm, 4)
        assert abs(path.log_base - likelihood.exact(path.model_at(0.0)).value) < 1e-9
        assert path.model_at(0.0).hidden == rbm.hidden.with_beta(0.0)


@pytest.mark.parametrize("rbm", AIS_MODELS, ids=repr)
def test_models_on_a_path_have_the_paths_distributions(rbm):
    """The kernel's weights are log p*_b(v) - log p*_a(v), of the models at the points."""
    path = fr.sampling.Path(rbm, points=[0.0, 0.3, 0.7, 1.0])
    for k in range(3):
        visible = path.base_states(20, 0, 1)
        before, after = path.model_at(path.points[k]), path.model_at(path.points[k + 1])
        wanted = before.free_energy(visible) - after.free_energy(visible)
        assert np.allclose(path.move(visible, k, k + 1, 0, 2, 1), wanted, atol=1e-5)


def test_hot_models():
    """At beta DReLU units have beta times the delta. Visible biases are beta times theirs in samples, and beta^2 times
    theirs on a path, whose distribution of v is that of exp(-beta^2 E)."""
    rbm = fr.RBM([[1.0], [2.0]], [-1.0, -1.5], [-1.0], hidden=u.DReLU(1, delta=[2.0], xi=[1.0]))
    v, b = all_states(rbm)[1], rbm.visible_bias.astype(float)
    fields = 0.5 * (v @ rbm.weights.astype(float) + rbm.hidden_bias)
    cgf = integral(u.DReLU(1, delta=[1.0], xi=[1.0]), fields).sum(axis=1)
    hot = fr.sampling.Path(rbm, 2, base_bias=np.zeros(2)).model_at(0.5)
    assert np.allclose(hot.free_energy(v), -0.25 * v @ b - cgf, atol=1e-5)
    x = AXIS[:, None]
    whole = np.exp(0.25 * (v @ b + (2 * fields[:, 0]) * x - own_energies(rbm.hidden, x))) * AXIS_WEIGHTS[:, None]
    assert np.allclose(
        np.exp(-hot.free_energy(v)) / whole.sum(axis=0), 0.5, atol=1e-4
    )  # x and x / 2: a factor of 1 / 2
    log_p = 0.5 * v @ b + cgf
    for method in ("gibbs", "annealed", "tempered"):
        X = rbm.sample(4000, 20, beta=0.5, seed=1, method=method)
        worth = 400 if method == "tempered" else 4000
        counts = np.bincount(rows_of(X, v), minlength=4) * worth / 4000
        assert_frequencies(counts, np.exp(log_p - log_sum(log_p)), worth)


def test_a_path_of_models_of_other_shapes(tmp_path):
    """Of DReLU units that training changed: log Z along it, its files, and what a mixture of shapes is refused for."""
    rng = np.random.default_rng(3)
    models = [
        fr.RBM(k * 0.4 * rng.normal(size=(4, 2)), hidden=u.DReLU(2, delta=[-0.5 * k, 0.3 * k], xi=[0.4 * k, 0.0]))
        for k in range(1, 4)
    ]
    path = fr.sampling.Path(models, 90)
    truth = [likelihood.exact(each).value for each in models]
    within(likelihood.ais(path, 400, seed=1), truth[-1])
    within(likelihood.reverse_ais(path, n_chains=400, seed=1), truth[-1])
    X = all_states(models[0])[0]
    along = likelihood.along(path.with_steps(6), X, n_sweeps=40)
    assert (np.abs(along.log_z - truth) < 5 * along.log_z_error).all() and along.log_z_error.max() < 0.2
    path.save(tmp_path / "path.npz")
    again = fr.load_path(tmp_path / "path.npz")
    assert [each.hidden for each in again.models] == [each.hidden for each in models]
    assert again.describe() == path.describe()
    other = fr.sampling.Path([models[0].copy(), *models[1:]], 90)
    other._models[0]._parameters = fr.RBM(models[0].weights, hidden=u.DReLU(2))._parameters
    assert other.describe() != path.describe()
    with pytest.raises(ValueError, match="and the gamma of Gaussian visible units"):
        fr.sampling.Path([fr.RBM([[0.0]], hidden=u.Gaussian(1, gamma)) for gamma in (1, 2)]).save(tmp_path / "path.npz")
    scaled = [fr.RBM(np.zeros((1, 1)), visible=u.Gaussian(1, scale=k)) for k in (1.0, 2.0)]
    with pytest.raises(ValueError, match="of the types that the chains have"):
        fr.sampling.Path(scaled)


@pytest.mark.slow
@pytest.mark.parametrize("rbm", AIS_MODELS, ids=repr)
def test_both_sides_agree(rbm):
    z = likelihood.bidirectional(rbm, tolerance=0.2)
    assert z.agree and abs(z.value - likelihood.exact(rbm).value) < 0.1


@pytest.mark.parametrize("m, n", [(1, 1), (3, 40), (40, 3), (65, 65)])
def test_whether_a_model_can_be_normalized_does_not_depend_on_lapack(m, n, monkeypatch):
    """Which adds up in other orders on other machines. Singular values that are all alike are the hardest for sums of
    sizes; those within the bound's own rounding, s, of 1 are refused."""
    rng, layers = np.random.default_rng(m), (u.Gaussian(m), u.Gaussian(n))
    orthogonal = np.linalg.qr(rng.normal(size=(max(m, n),) * 2))[0][:m, :n]
    s = 2.0 ** -((53 - (max(m, n) - 1).bit_length()) // 2 + 1) * math.sqrt(m * n)
    monkeypatch.setattr(np.linalg, "eigvalsh", lambda *_: [9.0])  # of what is refused, for the message alone
    assert coupling_of((1.0 - 3.0 * s) * orthogonal, layers) < 1.0
    assert coupling_of((1.0 + 1e-9) * orthogonal, layers) >= 1.0
    mixed = rng.normal(size=(m, n))
    mixed /= np.linalg.svd(mixed, compute_uv=False)[0]
    for scale in (0.5, 0.9, 1 - 1e-4, 1 + 1e-4, 1.5):
        assert (coupling_of(scale * mixed, layers) < 1.0) == (scale < 1.0)


def test_score_brackets_log_z():
    rbm = model(u.Gaussian(1, scale=5.0), u.DReLU(1, delta=[1.0], xi=[0.5]), scale=0.5)
    score, truth = likelihood.score(rbm, [[0.0], [5.0]], tolerance=0.1), log_z(rbm)
    assert score.log_partition.agree and abs(score.log_partition.value - truth) < 0.06
    wanted = -free_energy(rbm, np.array([[0.0], [1.0]])) - score.log_partition.value - math.log(5)
    assert np.allclose(score.per_example, wanted, atol=1e-5)


def test_a_trajectory_keeps_the_units_of_its_models():
    rbm = model(u.Bernoulli(4), HIDDEN["drelu"])
    trajectory = fr.sampling.Trajectory(0.99, n_chains=16)
    X = packed(all_states(rbm)[2], rbm.visible)
    trajectory.start(rbm, np.zeros(4, np.float32), X, 0, 10**9, 4)
    assert trajectory.base.rbm.hidden == rbm.hidden.with_beta(0.0)
    trajectory.look(rbm, 4, None)
    assert len(trajectory.models) == 1
    state, again = trajectory.get_state(), fr.sampling.Trajectory(0.99, n_chains=16)
    again.start(model(u.Bernoulli(4), u.DReLU(3, gamma=rbm.hidden.gamma)), np.zeros(4, np.float32), X, 0, 10**9, 4)
    again.set_state(state)
    assert again.models[0].hidden == rbm.hidden and again.path.describe() == trajectory.path.describe()
    state["hidden_own"] = state["hidden_own"][:, 1:]
    with pytest.raises(ValueError, match="hidden_own"):
        again.set_state(state)


# ---------------------------------------------------------------- samplers


def two_modes(hidden):
    """8 units that are all off or all on, by one hidden unit; and the probabilities of all states."""
    n, w = 8, {"gaussian": 1.7, "relu": 1.7, "drelu": 0.6}[hidden.name]
    off, on = (float(integral(hidden, np.array([k * w]))[0]) for k in (0, n))
    rbm = fr.RBM(np.full((n, 1), w), np.full(n, (off - on) / n), [0.0], hidden=hidden)  # 00..0 and 11..1 alike
    _, v, _ = all_states(rbm)
    F = free_energy(rbm, v)
    return rbm, np.exp(-F - log_sum(-F)), v


@pytest.mark.parametrize(
    "hidden", [u.Gaussian(1), u.ReLU(1), u.DReLU(1, delta=[4.0], xi=[0.2])], ids=lambda unit: unit.name
)
def test_modes_have_their_weights(hidden):
    rbm, p, v = two_modes(hidden)
    on = v.mean(axis=1)
    low, high = p[on < 0.3].sum(), p[on > 0.7].sum()
    assert low > 0.05 and high > 0.05, (low, high)
    n = 2000
    for method, worth in (("annealed", 500), ("tempered", 300)):
        X = rbm.sample(n, 100, seed=1, method=method)
        found = (X.mean(axis=1) > 0.7).mean()
        assert abs(found - high) < 5 * math.sqrt(high * (1 - high) / worth), (method, found, high)
    chains = fr.TemperedChains(fr.sampling.Path(rbm, 16, base_bias=np.zeros(8)), 200, seed=1)
    chains.sweep(100)
    assert abs((chains.visible.mean(axis=1) > 0.7).mean() - high) < 5 * math.sqrt(high * (1 - high) / 200)
    population = fr.population_annealing(rbm, 500, 100, modes=fr.sampling.mode_biases(rbm))
    assert abs(population.log_partition - likelihood.exact(rbm).value) < 5 * population.standard_error < 0.5


@pytest.mark.parametrize("rbm", [AIS_MODELS[0], AIS_MODELS[2], AIS_MODELS[3]], ids=repr)
def test_swaps_know_the_distributions_that_are_sampled(rbm):
    """Exponents are differences of the exponents of each temperature's distribution, at the states of both."""
    rungs, n = Temperatures(np.array([1.0, 0.6, 0.2])), 5
    chains = fr.Chains(rbm, 3 * n, seed=1, beta=rungs.of_chains(n))
    chains.sweep(3)
    v, h = (
        unit.unit_values(bits.to_states()).reshape(3, n, -1)
        for unit, bits in ((rbm.visible, chains.visible_bits), (rbm.hidden, chains.hidden_bits))
    )

    def minus_energy(k, v, h):
        beta = rungs.betas[k]
        weights, b, c = (beta * a.astype(float) for a in (rbm.weights, rbm.visible_bias, rbm.hidden_bias))
        own = energy_of(rbm.visible.with_beta(beta), v) + energy_of(rbm.hidden.with_beta(beta), h)
        return np.einsum("ni,ij,nj->n", v, weights, h) + v @ b + h @ c - own

    found = rungs.exponents(rbm, chains.visible_bits, chains.hidden_bits, np.array([0, 1]), None)
    for k in (0, 1):
        wanted = minus_energy(k, v[k + 1], h[k + 1]) + minus_energy(k + 1, v[k], h[k])
        wanted -= minus_energy(k, v[k], h[k]) + minus_energy(k + 1, v[k + 1], h[k + 1])
        assert np.allclose(found[k], wanted, atol=1e-5)


@pytest.mark.parametrize("hidden", HIDDEN)
def test_swaps_keep_each_temperature(hidden):
    """Tempered chains that start at exact draws of their rungs stay there: of the coldest, and of the hottest."""
    rbm = model(u.Bernoulli(3), HIDDEN[hidden], scale=1.0)
    chains = fr.TemperedChains(rbm, 4000, betas=[1.0, 0.5, 0.0], seed=3)
    chains.sweep(25)
    _, v, _ = all_states(rbm)
    F = free_energy(rbm, v)
    assert_frequencies(np.bincount(rows_of(chains.visible, v), minlength=8), np.exp(-F - log_sum(-F)), 4000)
    assert chains.swap_rates.min() > 0.05
    hot = chains._visible[8000:].to_states()
    assert_frequencies(np.bincount(rows_of(hot, v), minlength=8), np.full(8, 1 / 8), 4000)


def test_modes_are_looked_for_on_both_sides():
    rbm = model(u.Bernoulli(5), HIDDEN["drelu"])
    parts = single_parts(rbm)
    assert parts.shape == (12, 3) and ((parts != 0).sum(axis=1) == 1).all() and (parts[:3].max(axis=1) > 0).all()
    assert np.allclose(parts[3:6].min(axis=1) * GRID, -3 / np.sqrt(rbm.hidden.gamma_minus), atol=GRID)
    means = rbm.mean_hidden(all_states(rbm)[0])  # at the states that send the most, and the least
    assert np.allclose(np.diag(parts[6:9]) * GRID, means.max(axis=0), atol=1e-3)
    assert np.allclose(np.diag(parts[9:]) * GRID, means.min(axis=0), atol=1e-3)
    relu = single_parts(model([u.Categorical(1, 3), u.Gaussian(1, gamma=4.0), u.Spin(1)], u.ReLU(3)))
    assert relu.shape == (6, 3) and (relu >= 0).all()
    masses = hidden_masses(rbm)
    h = np.concatenate([np.zeros((1, 3)), parts * GRID])
    assert np.allclose(np.exp(log_masses(rbm, packed(np.rint(h / GRID).astype(np.int32), rbm.hidden))), np.exp(masses))
    fields = h @ rbm.weights.T.astype(float) + rbm.visible_bias
    for state in range(13):
        assert np.allclose(fields_of_single(rbm, state), fields[state])
    wanted = (
        h @ rbm.hidden_bias.astype(float)
        - own_energies(rbm.hidden, h).sum(axis=1)
        + np.logaddexp(0, fields).sum(axis=1)
    )
    assert np.allclose(masses, wanted, atol=1e-5)
    found = fr.sampling.mode_biases(fr.RBM(np.full((6, 1), 4.0), visible=u.Gaussian(6, gamma=4.0), hidden="spin"))
    assert sorted(found.tolist()) == [[-4.0] * 6, [4.0] * 6]  # biases of z = -1 and 1


@pytest.mark.parametrize("visible", [*VISIBLE, "mixed"])
@pytest.mark.parametrize("hidden", [*HIDDEN, "spin"])
def test_masses_of_hidden_states(visible, hidden):
    """log of the integral of exp(-E(v, h)) over v, by all states or quadrature."""
    layer = (
        u.Categorical(1, 3) if visible == "categorical" else VISIBLE.get(visible, [u.Categorical(1, 3), u.Gaussian(1)])
    )
    rbm = model(layer, HIDDEN.get(hidden, u.Spin(3)), scale=0.2)
    chains = fr.Chains(rbm, 5, seed=1)
    h = rbm.hidden.unit_values(chains.hidden_bits.to_states())
    v, log_w = nodes(rbm)
    wanted = [log_sum(log_w - energy(rbm, v, np.repeat(row[None], len(v), axis=0))) for row in h]
    assert np.allclose(log_masses(rbm, chains.hidden_bits), wanted, atol=1e-5)


def test_random_states_at_the_border_of_modes():
    """Hidden states given visible ones of which half the units are on: in a model whose units are all off, or all on,
    they are in the middle between both."""
    rbm, _, _ = two_modes(u.Gaussian(1))
    h = _random_parts(rbm, 500, 0, None) * GRID
    assert_mean(h[:, 0], 4 * 1.7, 1 + 8 * 0.25 * 1.7**2)


def test_densities_of_real_units_given_hidden_ones():
    rbm = model(u.Gaussian(3, gamma=[1.0, 2.0, 0.5]), u.Bernoulli(2))
    chains = fr.Chains(rbm, 20, seed=1)
    chains.sweep(2)
    visible, hidden = chains.visible_bits, chains.hidden_bits
    gamma, mean = rbm.visible.gamma, rbm.mean_visible(chains.hidden)
    wanted = 0.5 * (np.log(gamma / (2 * math.pi)) - gamma * (chains.visible - mean) ** 2).sum(axis=1)
    assert np.allclose(_log_conditional(rbm, visible, hidden, mean, None), wanted, atol=1e-5)


# ---------------------------------------------------------------- clamped units


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("method", ["gibbs", "annealed", "tempered"])
def test_clamped_visible_units(hidden, method):
    rbm = model(VISIBLE["row"], HIDDEN[hidden])
    X, v, _ = all_states(rbm)
    there = X[:, 2] == 1
    F = free_energy(rbm, v)[there]
    p = np.exp(-F - log_sum(-F))
    drawn = rbm.sample(2000, 20, seed=1, clamp=[NAN, NAN, 1, NAN], method=method)
    counts = np.bincount(rows_of(drawn, X[there]), minlength=there.sum())
    assert_frequencies(counts * (1 if method != "tempered" else 0.2), p, 2000 * (1 if method != "tempered" else 0.2))


@pytest.mark.parametrize("hidden", [u.Spin(3), u.Gaussian(3, gamma=2.0)], ids=lambda unit: unit.name)
@pytest.mark.parametrize("method", ["gibbs", "annealed"])
def test_real_units_that_are_clamped_or_drawn(hidden, method):
    """x_2 is clamped at 12; x_3 is drawn given it: moments by quadrature of the joint density."""
    rbm = model(u.Gaussian(2, gamma=[1.0, 2.0], mean=[10.0, -3.0], scale=[2.0, 0.5]), hidden, scale=0.5)
    z = np.stack([np.ones(AXIS.size), AXIS], axis=1)
    density = np.exp(-free_energy(rbm, z)) * AXIS_WEIGHTS
    density /= density.sum()
    mean, second = -3 + 0.5 * (AXIS * density).sum(), 0.25 * (AXIS**2 * density).sum()
    variance = second - (mean + 3) ** 2
    drawn = rbm.sample(3000, 30, seed=2, clamp={0: 12.0}, method=method)
    assert drawn.dtype == np.float64 and (drawn[:, 0] == 12.0).all()
    assert_mean(drawn[:, 1], mean, variance)
    assert_mean((drawn[:, 1] - mean) ** 2, variance, 2.5 * variance**2)
    chains = fr.Chains(rbm, 3, clamp=[[NAN, -1.0], [12.5, NAN], [NAN, NAN]])
    chains.sweep(2)
    assert chains.visible[0, 1] == -1.0 and chains.visible[1, 0] == 12.5 and chains.visible[2, 0] != 12.5


def test_clamped_hidden_units():
    rbm = model(u.Bernoulli(4), HIDDEN["drelu"], scale=1.0)
    clamp = [-1.5, NAN, 0.25]
    drawn = rbm.sample(4000, 20, seed=1, clamp_hidden=clamp)
    v = all_states(rbm)[1]
    fields = v @ rbm.weights.astype(float) + rbm.hidden_bias
    log_p = v @ rbm.visible_bias + integral(rbm.hidden, fields)[:, 1] - 1.5 * fields[:, 0] + 0.25 * fields[:, 2]
    p = np.exp(log_p - log_sum(log_p))
    assert_frequencies(np.bincount(rows_of(drawn, v), minlength=16), p, 4000)
    chains = fr.Chains(rbm, 2, clamp_hidden=clamp)
    chains.sweep(3)
    assert (chains.hidden[:, 0] == -1.5).all() and (chains.hidden[:, 2] == 0.25).all()


@pytest.mark.parametrize(
    "clamp, message",
    [
        ([NAN, NAN, 1e9, NAN, NAN], r"^clamp\[0, 2\] is 1e\+09, beyond 2048 standard deviations of column 2"),
        ([NAN, NAN, np.inf, NAN, NAN], r"clamp must hold finite numbers; clamp\[0, 2\] is inf"),
        ([2, NAN, NAN, NAN, NAN], r"clamp must hold 0, 1, or NaN"),
        ([NAN, NAN, NAN, NAN, 7], r"codes from 0 to 2 in column 4"),
    ],
)
def test_clamps_that_cannot_be(clamp, message):
    with pytest.raises(ValueError, match=message):
        model(MIXED, u.Bernoulli(2)).sample(3, 2, clamp=clamp)


def test_minus_one_is_a_number_where_units_are_real():
    rbm = model(MIXED, u.Bernoulli(2))
    X = np.array([[1, 0, 8.0, -1, 2], [0, 0, 12.0, -3, 0]])
    assert not has_missing(X, rbm.visible) and rbm.inpaint(X, 2).tolist() == X.tolist()
    X[0, 0] = X[1, 4] = -1
    X[1, 2] = NAN
    parts, missing = known_parts(X, rbm.visible, "X")
    assert missing.tolist() == [[True, *[False] * 4], [False, False, True, False, True]]
    assert parts.dtype == np.int32 and parts.tolist() == [[0, 0, -4096, 16384, 2], [0, 0, 0, 0, 0]]
    with pytest.raises(ValueError, match=r"X\[0, 0\] is missing: only categorical sites can be absent"):
        with_absent(X, rbm.visible, "X")
    X[0, 0], X[1, 2] = 1, 9.0
    states = with_absent(X, rbm.visible, "X")
    assert absent_sites(states).tolist() == [[False] * 5, [*[False] * 4, True]]
    again, missing = known_parts(states, rbm.visible, "X")
    assert missing.tolist() == absent_sites(states).tolist() and again[1].tolist() == [0, 0, -2048, 0, 0]
    assert np.array_equal(rbm.visible.values(again)[0], X[0])
    assert absent_sites(with_absent(X[:1], rbm.visible, "X")) is None


# ---------------------------------------------------------------- what is missing


@pytest.mark.parametrize("hidden", HIDDEN)
def test_inpainting_with_real_hidden_units(hidden):
    rbm = model(VISIBLE["row"], HIDDEN[hidden], scale=1.0)
    X, v, _ = all_states(rbm)
    row = [1, NAN, NAN, 1]
    there = (X[:, 0] == 1) & (X[:, 3] == 1)
    log_p = np.where(there, -free_energy(rbm, v), -np.inf)
    p = np.exp(log_p - log_sum(log_p))
    found = rbm.inpaint([row], 30, n_draws=2000, probabilities=True)[0]
    on = (v == 1) * p[:, None]
    assert np.abs(found - on.sum(axis=0))[:5].max() < 5 * 0.5 / math.sqrt(2000)
    assert abs(likelihood.marginal(rbm, [row])[0] - log_sum(log_p[there])) < 1e-5
    assert np.isclose(likelihood.score(rbm, [row]).mean, log_sum(log_p[there]) - log_z(rbm), atol=1e-5)


@pytest.mark.parametrize("hidden", [u.Bernoulli(3), u.Spin(3)], ids=lambda unit: unit.name)
def test_inpainting_real_units(hidden):
    rbm = model(u.Gaussian(2, gamma=[1.0, 2.0], mean=[10.0, -3.0], scale=[2.0, 0.5]), hidden, scale=1.0)
    z = np.stack([np.full(AXIS.size, -0.5), AXIS], axis=1)
    terms = -free_energy(rbm, z) + np.log(AXIS_WEIGHTS)
    p = np.exp(terms - log_sum(terms))
    mean = (AXIS * p).sum()
    variance = (AXIS**2 * p).sum() - mean**2
    X, n = [[9.0, NAN]], 3000
    draws = rbm.inpaint(X, 30, n_draws=n)[:, 0]
    assert draws.dtype == np.float64 and (draws[:, 0] == 9.0).all()
    assert_mean(draws[:, 1], -3 + 0.5 * mean, 0.25 * variance)
    means = rbm.inpaint(X, 30, n_draws=n, probabilities=True)
    assert means.shape == (1, 2) and means[0, 0] == 9.0
    assert abs(means[0, 1] + 3 - 0.5 * mean) < 5 * 0.5 * math.sqrt(variance / n)
    likely = rbm.inpaint(X, 30, n_draws=n, most_probable=True)
    assert likely[0, 0] == 9.0 and abs(likely[0, 1] - means[0, 1]) <= 0.5 * GRID
    # the likelihood of what is known: the density of x_0 alone
    marginal = likelihood.marginal(rbm, X)[0]
    assert abs(marginal - log_sum(terms)) < 1e-5
    score = likelihood.score(rbm, X)
    assert abs(score.mean - (marginal - likelihood.exact(rbm).value - math.log(2))) < 1e-9
    both = likelihood.score(rbm, [[9.0, NAN], [9.0, -2.5]]).per_example
    assert both[0] == score.mean and abs(both[1] - likelihood.score(rbm, [[9.0, -2.5]]).mean) < 1e-9
    nothing = likelihood.marginal(rbm, [[NAN, NAN]])[0]
    assert abs(nothing - likelihood.exact(rbm).value) < 1e-9


def test_marginals_of_mixed_units():
    """Some columns of a row are missing, in all ways; real ones by hidden states, others by completions or those."""
    rbm = model([u.Gaussian(1, gamma=2.0, mean=1.0), u.Categorical(1, 3), u.DReLU(1, delta=[-1.0])], u.Bernoulli(2))
    z, log_w = nodes(rbm)
    F = free_energy(rbm, z)
    truth = log_sum(log_w - F)
    assert abs(likelihood.marginal(rbm, [[NAN, NAN, NAN]])[0] - truth) < 1e-9
    found = likelihood.marginal(rbm, [[NAN, 2, -0.5], [1.5, NAN, -0.5], [1.5, -1, NAN]])
    one = np.array([[0.5, *np.eye(3)[k], -0.5] for k in range(3)])
    assert abs(found[1] - log_sum(-free_energy(rbm, one))) < 1e-5
    x = np.stack([AXIS, *np.zeros((2, AXIS.size)), np.ones(AXIS.size), np.full(AXIS.size, -0.5)], axis=1)
    assert abs(found[0] - log_sum(np.log(AXIS_WEIGHTS) - free_energy(rbm, x))) < 1e-5
    rows = [np.stack([np.full(AXIS.size, 0.5), *np.eye(3)[k][:, None] * np.ones(AXIS.size), AXIS], 1) for k in range(3)]
    terms = [np.log(AXIS_WEIGHTS) - free_energy(rbm, row) for row in rows]
    assert abs(found[2] - log_sum(np.concatenate(terms))) < 1e-5
    with pytest.raises(ValueError, match=r"up to 20 hidden units of two values, and this one has 1 real ones"):
        likelihood.marginal(model(u.Gaussian(2), u.Gaussian(1), scale=0.1), [[0.0, NAN]])
    with pytest.raises(ValueError, match="missing entries of inf joint states"):
        likelihood.marginal(model(u.Gaussian(2), u.Bernoulli(21), scale=0.1), [[0.0, NAN]])


# ---------------------------------------------------------------- conditional distributions


@pytest.mark.parametrize("visible, hidden", PAIRS)
def test_pseudo_likelihood_with_real_hidden_units(visible, hidden):
    rbm = model(VISIBLE[visible], HIDDEN[hidden])
    X, v, parts = all_states(rbm)
    log_p = -free_energy(rbm, v)
    wanted = np.zeros(X.shape)
    for column in range(X.shape[1]):
        others = np.delete(parts, column, axis=1)
        for row in range(len(X)):
            same = (others == others[row]).all(axis=1)
            wanted[row, column] = log_p[row] - log_sum(log_p[same])
    found = likelihood.pseudo(rbm, X, per_site=True)
    assert np.allclose(found, wanted, atol=1e-5)
    assert np.allclose(likelihood.pseudo(rbm, X), wanted.sum(axis=1), atol=1e-5)
    pair = likelihood.conditional(rbm, X, [0, 1])
    others = parts[:, 2:]
    same = (others == others[3]).all(axis=1)
    assert abs(pair[3] - (log_p[3] - log_sum(log_p[same]))) < 1e-5


def test_pseudo_likelihood_of_gaussian_units_is_that_of_their_cgf():
    rbm = model(u.Bernoulli(4), HIDDEN["gaussian"])
    wide = fr.RBM(rbm.weights, rbm.visible_bias, rbm.hidden_bias, hidden=u.DReLU(3, gamma=rbm.hidden.gamma))
    X = all_states(rbm)[0]
    assert np.allclose(likelihood.pseudo(rbm, X), likelihood.pseudo(wide, X), rtol=1e-12)
    site = model(u.Categorical(2, 3), HIDDEN["relu"])
    absent = with_absent([[0, -1], [2, 1]], site.visible, "X")
    found = likelihood.pseudo(site, absent, per_site=True)
    assert (
        found[0, 1] == 0.0 and found[0, 0] < 0 and found[1, 1] == likelihood.pseudo(site, [[2, 1]], per_site=True)[0, 1]
    )


def test_what_is_refused_by_name():
    rbm = model(MIXED, u.Bernoulli(2))
    X = [[0, 1, 9.0, -3.0, 2]]
    with pytest.raises(ValueError, match="pseudo has no closed form where visible units are real"):
        likelihood.pseudo(rbm, X)
    with pytest.raises(ValueError, match="column 2 has real values"):
        likelihood.conditional(rbm, X, [0, 2])
    with pytest.raises(ValueError, match="column 3 has real values: a label must be"):
        likelihood.label_probabilities(rbm, X, 3)
    assert likelihood.conditional(rbm, X, [0, 4]).shape == (1,)


@pytest.mark.parametrize("hidden", [*HIDDEN, "bernoulli", "spin"])
def test_labels_beside_real_units(hidden):
    unit = HIDDEN.get(hidden) or getattr(u, hidden.title())(3)
    rbm = model(MIXED if hidden in ("bernoulli", "spin") else [u.Bernoulli(2), u.Spin(1), u.Categorical(1, 3)], unit)
    X = np.array([[0, 1, 9.0, -3.25, 2], [1, 1, 14.0, -2.0, 0]] if rbm.visible.real else [[0, 1, 1, 2], [1, 0, -1, 0]])
    wanted = np.stack([-rbm.free_energy(np.column_stack([X[:, :-1], [k, k]])) for k in range(3)], axis=1)
    wanted -= [[log_sum(row)] for row in wanted]
    for given in (X, X[:, :-1]):
        assert np.allclose(likelihood.label_probabilities(rbm, given, log=True), wanted, atol=1e-5)
    turned = np.stack([-rbm.free_energy(np.column_stack([[k, k], X[:, 1:]])) for k in (0, 1)], axis=1)
    turned -= [[log_sum(row)] for row in turned]
    assert np.allclose(likelihood.label_probabilities(rbm, X, 0, log=True), turned, atol=1e-5)
    gradient = fr.gradient.Discriminative()
    if rbm.hidden.real:
        with pytest.raises(ValueError, match="needs hidden units of two values"):
            gradient(rbm, X)
        return
    found, step = gradient(rbm, X), 1e-2
    for at in ((0, 0), (2, 1), (5, 2), (3, 0)):
        gain = []
        for sign in (1, -1):
            W = rbm.weights.astype(float)
            W[at] += sign * step
            near = fr.RBM(W, rbm.visible_bias, rbm.hidden_bias, visible=rbm.visible, hidden=rbm.hidden)
            p = likelihood.label_probabilities(near, X, log=True)
            gain.append(p[[0, 1], X[:, -1].astype(int)].mean())
        assert abs(found.weights[at] - (gain[0] - gain[1]) / (2 * step)) < 2e-3, at


# ---------------------------------------------------------------- diagnostics, and what users get


@pytest.mark.parametrize("rbm", [AIS_MODELS[0], AIS_MODELS[2], AIS_MODELS[4]], ids=repr)
def test_diagnostics(rbm):
    X = rbm.sample(300, 50, seed=5)
    chains = fr.Chains(rbm, 20, seed=1)
    traces = fr.diagnostics.traces(chains, 200, data=X)
    z = rbm.visible.unit_values(chains.visible_bits.to_states())
    assert np.allclose(traces["mean_activity"][-1], z.mean(axis=1))
    assert np.array_equal(traces["free_energy"][-1], rbm.free_energy(chains.visible_bits))
    assert fr.diagnostics.summary(traces).rhat < 1.1
    met = fr.diagnostics.meet(rbm, X, 200, 50)
    assert met.agree and met.units.shape == (2, rbm.n_visible), met.words


def test_meetings_see_real_units_that_are_apart():
    """Two modes of a Gaussian unit, at z = -5 and 5, between which chains do not cross: the starts show."""
    rbm = fr.RBM([[10.0], [10.0]], [-5.0, -5.0], [0.0], visible=u.Gaussian(2, scale=3.0))
    rbm = fr.RBM(rbm.weights, rbm.visible_bias, [-0.5], visible=rbm.visible)
    X = np.full((50, 2), 15.0)
    met = fr.diagnostics.meet(rbm, X, 100, 20)
    assert not met.agree and met.units[0].min() > met.threshold


def test_what_users_get():
    rbm = model(MIXED, u.DReLU(3, delta=[1.0, 0.0, -1.0]), scale=0.3)
    X = rbm.sample(6, 5)
    assert X.dtype == np.float64 and X.shape == (6, 5) and rbm.sample_hidden(X).dtype == np.float64
    h = rbm.sample_hidden(X, seed=1)
    field = h @ rbm.weights.T.astype(float) + rbm.visible_bias
    gaussian = rbm.visible.segments[1]
    wanted = gaussian.data_mean + gaussian.scale * field[:, 2:4] / gaussian.gamma
    assert np.allclose(rbm.mean_visible(h)[:, 2:4], wanted, rtol=1e-5, atol=1e-5)
    assert np.array_equal(rbm.reconstruct(X, seed=1), rbm.mean_visible(h))
    v = rbm.visible.unit_values(rbm.visible.parts(X, False))
    x, w = AXIS, AXIS_WEIGHTS
    fields = v @ rbm.weights.astype(float) + rbm.hidden_bias
    own = own_energies(rbm.hidden, np.repeat(x[:, None], 3, axis=1))
    density = np.exp(fields[:, None] * x[:, None] - own) * w[:, None]
    assert np.allclose(rbm.mean_hidden(X), (density * x[:, None]).sum(axis=1) / density.sum(axis=1), atol=1e-5)
    with pytest.raises(ValueError, match=r"X contains NaN"):
        likelihood.pseudo(model(u.Bernoulli(2), u.Gaussian(1)), [[NAN, 1]])


def test_the_same_bits_for_any_threads():
    rbm = AIS_MODELS[2]
    X = rbm.sample(40, 20, seed=1, n_threads=1)
    assert np.array_equal(X, rbm.sample(40, 20, seed=1, n_threads=3))
    X[::3, 2] = NAN
    assert np.array_equal(rbm.inpaint(X, 5, n_threads=1), rbm.inpaint(X, 5, n_threads=3))
    assert likelihood.ais(rbm, 30, 20, n_threads=1).value == likelihood.ais(rbm, 30, 20, n_threads=3).value


def test_states_of_other_columns_are_refused():
    one, two = (fr.RBM([[0.0]], visible=u.Gaussian(1, scale=s)) for s in (1.0, 2.0))
    bits = fr.Chains(one, 3).visible_bits
    with pytest.raises(ValueError, match="v holds states of"):
        two.free_energy(bits)
    wide = fr.RBM([[0.0]], visible=u.Gaussian(1, gamma=2.0))
    assert wide.free_energy(bits).shape == (3,)
