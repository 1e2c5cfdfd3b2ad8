"""Categorical units, alone and beside others: everything that a model of bits can do, against brute force (potts.py),
and against rings of any size whose log Z and moments are known (rings.py)."""

import json
import pickle
import signal
import warnings

import numpy as np
import potts
import pytest
import rings
from helpers import LEVELS, printed_by_level

import fastrbm as fr
from fastrbm import likelihood

PARTS = "weights", "visible_bias", "hidden_bias"
MODELS = {
    "potts": ([("categorical", (3, 3, 3))], "bernoulli"),
    "potts-spin": ([("categorical", (4, 4))], "spin"),
    "sizes": ([("categorical", (2, 5, 1, 3))], "bernoulli"),
    "mixed": ([("bernoulli", 3), ("categorical", (3, 4))], "bernoulli"),
    "mixed-spin": ([("categorical", (3,)), ("spin", 2), ("bernoulli", 1), ("categorical", (2, 3))], "spin"),
    "bits": ([("bernoulli", 5)], "bernoulli"),  # what the same tests say of a model of bits
}
FEW = ["potts", "mixed-spin", "bits"]


def built(name, n_hidden=4, **options):
    segments, hidden = MODELS[name]
    return potts.model(segments, n_hidden, hidden, **options)


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    return built(request.param)


@pytest.fixture(scope="module", params=FEW)
def some(request):
    return built(request.param)


def ring_of(N, q, hidden="bernoulli", **options):
    ring = rings.Ring.of_test(N, q, hidden, **options)
    return ring, ring.model()


def same(a, b):
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in PARTS)


def random_codes(n, sizes, seed=0):
    """Uneven codes (n, N), uint8."""
    u = np.random.default_rng(seed).random((n, len(sizes)))
    return (np.square(u) * np.asarray(sizes)).astype(np.uint8)


# ---------------------------------------------------------------- descriptions


def test_descriptions():
    u = fr.units.Categorical(31, 21)
    assert (u.n_sites, u.n_states, u.n, u.n_columns, u.sizes) == (31, 21, 651, 31, (21,) * 31)
    other = fr.units.Categorical(3, [2, 255, 1])
    assert (other.n_sites, other.n, other.n_columns, other.sizes) == (3, 258, 3, (2, 255, 1))
    assert tuple(other.n_states) == (2, 255, 1)
    assert u == fr.units.Categorical(31, 21) != fr.units.Categorical(31, 20) and u != other
    assert fr.units.Bernoulli(5).n_columns == 5 and fr.units.Spin(5).n_columns == 5
    for unit in (u, other):
        assert pickle.loads(pickle.dumps(unit)) == unit and hash(pickle.loads(pickle.dumps(unit))) == hash(unit)


@pytest.mark.parametrize(
    "arguments", [(0, 3), (3, 0), (3, 256), (3, -1), (3, [2, 3]), (3, [2, 3, 0]), (3, [2, 3, 256]), (2, [])]
)
def test_descriptions_that_cannot_be(arguments):
    with pytest.raises(ValueError):
        fr.units.Categorical(*arguments)


def test_layers(model):
    rbm, exact = model
    layer = rbm.visible
    assert rbm.n_visible == layer.n == exact.x.shape[1] and layer.n_columns == exact.v.shape[1]
    names = [type(segment).__name__.lower() for segment in layer.segments]
    assert names == [kind for kind, _ in exact.segments]
    for segment, (kind, size) in zip(layer.segments, exact.segments, strict=True):
        assert segment.sizes == tuple(size) if kind == "categorical" else segment.n == size
    assert rbm.weights.shape == (rbm.n_visible, 4)


def test_layers_that_cannot_be():
    six = np.zeros((6, 2))
    with pytest.raises(ValueError, match="6 units"):
        fr.RBM(six, visible=fr.units.Categorical(2, 4))
    with pytest.raises(ValueError, match="6 units"):
        fr.RBM(six, visible=[fr.units.Bernoulli(2), fr.units.Categorical(1, 3)])
    with pytest.raises(ValueError):  # how many states?
        fr.RBM(six, visible="categorical")
    with pytest.raises((ValueError, TypeError)):
        fr.RBM(np.zeros((2, 6)), hidden=fr.units.Categorical(2, 3))


def test_states_are_given_and_not_the_largest_code():
    """The shape of the model does not depend on what occurs in the data."""
    X = random_codes(50, [2, 2, 2])
    rbm = fr.RBM.from_data(X, 4, visible=fr.units.Categorical(3, 5))
    assert rbm.weights.shape == (15, 4) and rbm.visible == fr.units.Categorical(3, 5)
    assert np.isfinite(rbm.free_energy(np.full((1, 3), 4))).all()


# ---------------------------------------------------------------- energies and conditional distributions


def test_energies(model):
    """A weight is off by half a step of the grid at most; a column uses one row of them."""
    rbm, exact = model
    step = max(rbm.grid) * rbm.visible.n_columns * rbm.n_hidden + 1e-12
    for j in range(1 << rbm.n_hidden):
        h = np.repeat(exact.h[j : j + 1], len(exact.v), axis=0)
        assert np.abs(rbm.energy(exact.v, h) - exact.energies[:, j]).max() < step
    assert np.abs(rbm.free_energy(exact.v) - exact.free).max() < step


def test_conditional_means(model):
    """In float32: fields of up to 8 with an error of 5e-7, and exp of their differences."""
    rbm, exact = model
    assert np.abs(rbm.mean_hidden(exact.v) - exact.mean_hidden(exact.v)).max() < 3e-6
    means = rbm.mean_visible(exact.h)
    assert means.dtype == np.float32 and means.shape == (len(exact.h), rbm.n_visible)
    assert np.abs(means - exact.mean_visible()).max() < 3e-6
    for kind, unit, q in potts.places_of(exact.segments):
        if kind == "categorical":
            assert np.abs(means[:, unit : unit + q].astype(np.float64).sum(axis=1) - 1).max() < 1e-6


def within(counts, p, n, sigmas=5):
    """Whether frequencies are within so many standard errors of p; rare events come in lumps."""
    return (np.abs(counts - p) < sigmas * np.sqrt(p * (1 - p) / n) + 2 * sigmas / n).all()


def test_draws_have_the_means_and_values_of_the_units(model):
    rbm, exact = model
    n = 40_000
    given = exact.h[3]
    drawn = rbm.sample_visible(np.repeat(given[None], n, axis=0), seed=1)
    assert drawn.dtype == potts.dtype_of(exact.segments) and drawn.shape == (n, rbm.visible.n_columns)
    for column, values in enumerate(exact.columns):
        assert set(np.unique(drawn[:, column])) <= set(values)
    # the columns are independent given h: every pair of them, too
    p = exact.p[:, 3] / exact.p[:, 3].sum()
    for columns in [[k] for k in range(drawn.shape[1])] + [[0, k] for k in range(1, drawn.shape[1])]:
        expected = exact.marginal(columns, p)
        assert within(np.bincount(exact.reduced(drawn, columns), minlength=len(expected)) / n, expected, n)
    row = exact.v[len(exact.v) // 2]
    hidden = rbm.sample_hidden(np.repeat(row[None], n, axis=0), seed=1)
    low, high = potts.VALUES[exact.hidden]
    assert set(np.unique(hidden)) <= {low, high}
    assert within((hidden == high).mean(axis=0), (exact.mean_hidden(row[None])[0] - low) / (high - low), n)


def test_draws_of_different_rows_and_seeds_are_independent():
    """The fault of a recommender package: one random vector a call, shared by all rows."""
    rbm = fr.RBM(np.zeros((4, 1)), visible=fr.units.Categorical(1, 4))
    n, h = 4000, np.zeros((4000, 1))
    first, second = (rbm.sample_visible(h, seed=seed)[:, 0].astype(int) for seed in (1, 2))
    for a, b in ((first[:-1], first[1:]), (first[:-16], first[16:]), (first[:-64], first[64:]), (first, second)):
        assert within(np.bincount(4 * a + b, minlength=16) / len(a), np.full(16, 1 / 16), len(a))
    wide = fr.RBM(np.zeros((3 * 90, 1)), visible=fr.units.Categorical(90, 3)).sample_visible(h, seed=3).astype(int)
    for shift in (1, 21, 64):
        pairs = np.bincount((3 * wide[:, :-shift] + wide[:, shift:]).reshape(-1), minlength=9)
        assert within(pairs / pairs.sum(), np.full(9, 1 / 9), n * (90 - shift) / 3)  # pairs overlap


def test_categories_of_probability_near_0():
    """A category 40 nats below the others does not come, nor does a site of certain outcome move."""
    b = np.array([0.0, -40.0, 0.0, 60.0, 0.0, 0.0])
    rbm = fr.RBM(np.zeros((6, 1)), b, visible=fr.units.Categorical(2, 3))
    v = rbm.sample_visible(np.zeros((50_000, 1)), seed=1)
    assert not (v[:, 0] == 1).any() and (v[:, 1] == 0).all()
    assert within(np.array([(v[:, 0] == 0).mean()]), np.array([0.5]), 50_000)
    for bias in (1e20, -1e20):
        rbm = fr.RBM(np.zeros((3, 1)), [0.0, bias, 0.0], visible=fr.units.Categorical(1, 3))
        v = rbm.sample_visible(np.zeros((100, 1)), seed=1)
        assert (v == 1).all() if bias > 0 else not (v == 1).any()
        assert np.isfinite(rbm.mean_visible(np.zeros((1, 1)))).all()


# ---------------------------------------------------------------- no drift


DRIFT = {  # segments, hidden units; the layers' tiles are of 64 units
    "q=1": ([("categorical", (1, 1))], 2),
    "q=2": ([("categorical", (2,) * 4)], 3),
    "q=3": ([("categorical", (3,) * 4)], 3),
    "q=5": ([("categorical", (5,) * 3)], 4),
    "q=21": ([("categorical", (21,) * 2)], 3),
    "q=64": ([("categorical", (64,))], 3),
    "q=65": ([("categorical", (65,))], 3),
    "q=255": ([("categorical", (255,))], 2),
    "one site": ([("categorical", (3,))], 5),
    "64 and 65": ([("categorical", (64, 65))], 2),
    "sizes": ([("categorical", (3, 1, 6, 2, 4))], 3),
    "straddling": ([("categorical", (40, 30, 20))], 3),
    "mixed": ([("bernoulli", 3), ("categorical", (3, 5)), ("spin", 1)], 4),
    "mixed, straddling": ([("bernoulli", 2), ("categorical", (62, 7)), ("bernoulli", 3)], 3),
    "label": ([("spin", 4), ("categorical", (10,))], 5),
}
ALL_STATES = 2000  # above, marginals of one and of two columns
N_DRIFT = 30_000


def worst_drift(exact, v, n):
    """The largest of TV / floor: over all states of a small model, else over the marginals of pairs of columns."""
    if len(exact.p_v) <= ALL_STATES:
        tables = [(exact.numbers(v), exact.p_v)]
    else:
        k = range(len(exact.columns))
        tables = [(exact.reduced(v, pair), exact.marginal(pair)) for pair in ([a, b] for a in k for b in k if a <= b)]
    return max(potts.total_variation(numbers, p) / max(potts.floor(p, n), 1e-12) for numbers, p in tables)


def ratio_after_sweeps(rbm, exact, n, start=None, seed=2):
    start = exact.sample(n, 3) if start is None else start
    chains, worst = fr.Chains(rbm, n, seed=seed, start=start), 0.0
    for n_sweeps in (1, 3, 12):
        chains.sweep(n_sweeps)
        worst = max(worst, worst_drift(exact, chains.visible, n))
    return worst


@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
@pytest.mark.parametrize("name", DRIFT)
def test_no_drift(name, hidden):
    """Weights 0.6 N(0,1): chains that start exactly at p stay within 4 times the Monte Carlo floor."""
    segments, n_hidden = DRIFT[name]
    rbm, exact = potts.model(segments, n_hidden, hidden, seed=1)
    assert ratio_after_sweeps(rbm, exact, N_DRIFT) < 4


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
@pytest.mark.parametrize("name", DRIFT)
def test_no_drift_of_strong_models_by_many_chains(name, hidden, seed):
    segments, n_hidden = DRIFT[name]
    rbm, exact = potts.model(segments, n_hidden, hidden, scale=1.2, seed=seed)
    assert ratio_after_sweeps(rbm, exact, 400_000, seed=seed) < 4


def test_joint_states_do_not_drift(some):
    rbm, exact = some
    n, p = 60_000, exact.p.reshape(-1)
    chains = fr.Chains(rbm, n, seed=3, start=exact.sample(n, 8))
    for n_sweeps in (0, 1, 7):
        chains.sweep(n_sweeps)
        hidden = (chains.hidden == potts.VALUES[exact.hidden][1]) @ (1 << np.arange(rbm.n_hidden)[::-1])
        pairs = exact.numbers(chains.visible) * len(exact.h) + hidden
        assert potts.total_variation(pairs, p) < 4 * potts.floor(p, n)


@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
def test_categories_taken_for_bits_would_drift(hidden):
    """The same parameters with a bit for each category: most states have no or two categories at once."""
    segments = [("categorical", (3, 3, 3))]
    W, b, c = potts.parameters(segments, 3, seed=1)
    exact, n = potts.Brute(segments, W, b, c, hidden), N_DRIFT
    chains = fr.Chains(fr.RBM(W, b, c, hidden=hidden), n, seed=2, start=exact.units(exact.sample(n, 3)))
    chains.sweep(1)
    bits = chains.visible.reshape(n, 3, 3)
    one = (bits.sum(axis=2) == 1).all(axis=1)
    numbers = np.where(one, exact.numbers(bits.argmax(axis=2)), len(exact.p_v))
    assert potts.total_variation(numbers, np.append(exact.p_v, 0.0)) > 4 * potts.floor(exact.p_v, n)


@pytest.mark.parametrize("fault", ["neighbor", "bias", "first", "site"])
def test_small_faults_would_drift(fault):
    """What a kernel could get wrong, made by the parameters of a model that is given to right kernels: a category's
    weights are its neighbor's, a site's biases are left out, its first category is, its weights are another one's."""
    segments = [("categorical", (3, 3, 3))]
    W, b, c = potts.parameters(segments, 3, seed=1)
    exact = potts.Brute(segments, W, b, c)
    if fault == "neighbor":
        W[4] = W[5]
    elif fault == "bias":
        b[6:] = 0.0
    elif fault == "first":
        b[3] = -30.0
    else:
        W[3:6] = W[:3]
    rbm = fr.RBM(W, b, c, visible=fr.units.Categorical(3, 3))
    assert ratio_after_sweeps(rbm, exact, N_DRIFT) > 4


@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
@pytest.mark.parametrize("N, q", [(31, 21), (136, 5)])
def test_rings_do_not_drift(N, q, hidden):
    """31 sites of 21 categories and 136 of 5, whose sites are in several tiles: the marginals of all neighbors."""
    ring, rbm = ring_of(N, q, hidden)
    n = 20_000
    chains, worst = fr.Chains(rbm, n, seed=1, start=ring.sample(n, 2)), 0.0
    for n_sweeps in (1, 4):
        chains.sweep(n_sweeps)
        v = chains.visible.astype(np.int64)
        for i in range(N):
            numbers, p = q * v[:, i] + v[:, (i + 1) % N], ring.pairs[i].reshape(-1)
            worst = max(worst, potts.total_variation(numbers, p) / potts.floor(p, n))
    assert worst < 4


def test_chains_at_other_temperatures():
    """Each chain samples exp(-beta_k E) with its own beta."""
    segments, n = MODELS["mixed"][0], 20_000
    W, b, c = potts.parameters(segments, 4)
    rbm = fr.RBM(W, b, c, visible=potts.described(segments))
    values = (0.0, 0.5, 2.0)
    v = rbm.sample(3 * n, n_sweeps=60, seed=1, beta=np.repeat(values, n)).reshape(3, n, -1)
    for states, beta in zip(v, values, strict=True):
        exact = potts.Brute(segments, beta * W, beta * b, beta * c)
        assert potts.total_variation(exact.numbers(states), exact.p_v) < 4 * potts.floor(exact.p_v, n)


# ---------------------------------------------------------------- two categories are a bit


@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
def test_two_categories_are_a_bit(hidden):
    """Where only differences count: W_B = W_1 - W_0, b_B likewise, and the hidden biases take sum_i W_0. Equal up to
    float32's rounding of the new parameters."""
    N, H = 6, 5
    W, b, c = potts.parameters([("categorical", (2,) * N)], H, seed=4)
    rbm = fr.RBM(W, b, c, visible=fr.units.Categorical(N, 2), hidden=hidden)
    bits = fr.RBM(W[1::2] - W[::2], b[1::2] - b[::2], c + W[::2].sum(axis=0), hidden=hidden)
    size = (np.abs(W).sum() + np.abs(b).sum() + np.abs(c).sum()) * 2.0**-22
    v = potts.Brute([("bernoulli", N)], np.zeros((N, 1)), np.zeros(N), np.zeros(1)).v
    constant = b[::2].sum()
    assert np.abs(rbm.free_energy(v) - (bits.free_energy(v) - constant)).max() < size
    assert abs(likelihood.exact(rbm).value - (likelihood.exact(bits).value + constant)) < size
    assert np.abs(rbm.mean_hidden(v) - bits.mean_hidden(v)).max() < size
    h = np.asarray(potts.VALUES[hidden])[np.random.default_rng(0).integers(0, 2, (40, H))]
    assert np.abs(rbm.mean_visible(h)[:, 1::2] - bits.mean_visible(h)).max() < size
    assert np.abs(likelihood.pseudo(rbm, v) - likelihood.pseudo(bits, v)).max() < 10 * size
    n = 40_000
    p = potts.Brute([("bernoulli", N)], bits.weights, bits.visible_bias, bits.hidden_bias, hidden)
    chains = fr.Chains(rbm, n, seed=2, start=p.sample(n, 3))
    chains.sweep(5)
    assert potts.total_variation(p.numbers(chains.visible), p.p_v) < 4 * potts.floor(p.p_v, n)


def test_one_category_is_no_choice():
    """Sites of one category only move the hidden biases."""
    W, b, c = potts.parameters([("categorical", (1, 3, 1))], 3)
    rbm = fr.RBM(W, b, c, visible=fr.units.Categorical(3, [1, 3, 1]))
    plain = fr.RBM(W[1:4], b[1:4], c + W[0] + W[4], visible=fr.units.Categorical(1, 3))
    v = np.array([[0, k, 0] for k in range(3)])
    assert np.abs(rbm.free_energy(v) - plain.free_energy(v[:, 1:2]) + b[0] + b[4]).max() < 1e-5
    assert (rbm.sample(50, 5)[:, [0, 2]] == 0).all()


# ---------------------------------------------------------------- log Z, gradients


def test_exact_log_partition(model):
    rbm, exact = model
    assert abs(likelihood.exact(rbm).value - exact.log_z) < 1e-9


@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
def test_exact_log_partition_of_a_large_layer(hidden):
    """Ten hidden units below 31 x 21."""
    W, b, c = potts.parameters([("categorical", (21,) * 31)], 10, scale=0.2)
    rbm = fr.RBM(W, b, c, visible=fr.units.Categorical(31, 21), hidden=hidden)
    low, high = potts.VALUES[hidden]
    h = low + (high - low) * ((np.arange(1024)[:, None] >> np.arange(10)) & 1)
    sites = potts.log_sum_exp((h @ W.T + b).reshape(1024, 31, 21)).sum(axis=1)
    assert abs(likelihood.exact(rbm).value - potts.log_sum_exp(h @ c + sites)) < 1e-8


@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
@pytest.mark.parametrize("N, q", [(8, 21), (12, 5)])
def test_exact_log_partition_of_rings(N, q, hidden):
    ring, rbm = ring_of(N, q, hidden)
    assert abs(likelihood.exact(rbm).value - ring.log_z) < 1e-9
    X = ring.sample(60, 1)
    assert np.abs(rbm.free_energy(X) - ring.free_energies(X)).max() < max(rbm.grid) * N * 2 + 1e-9
    for ours, theirs in zip(
        (getattr(fr.gradient.Exact()(rbm, X), name) for name in PARTS), ring.gradient(X), strict=True
    ):
        assert np.abs(ours - theirs).max() < 1e-9


def test_exact_gradient(model):
    """float64 on both sides; brute force itself is compared with finite differences in test_rings.py."""
    rbm, exact = model
    X, weight = exact.sample(60, 5), np.arange(60) % 4
    for given in (None, weight):
        gradient = fr.gradient.Exact()(rbm, X, given)
        for name, truth in zip(PARTS, exact.gradient(X, given), strict=True):
            assert np.abs(getattr(gradient, name) - truth).max() < 1e-10


def test_exact_gradient_against_finite_differences(some):
    """Of the package's own log-likelihood: a central difference errs by h^2 times a third derivative of order one, and
    by float32's rounding of a parameter over h."""
    rbm, exact = some
    X = exact.sample(40, 5)
    gradient = fr.gradient.Exact()(rbm, X)
    for name in PARTS:
        old, parts = getattr(rbm, name).astype(np.float64), getattr(gradient, name)
        for place in list(np.ndindex(old.shape))[::5]:
            ends = []
            for step in (-0.01, 0.01):
                new, moved = old.copy(), rbm.copy()
                new[place] += step
                moved.set_parameters(**{name: new})
                ends.append((float(getattr(moved, name)[place]), likelihood.score(moved, X).mean))
            (x0, f0), (x1, f1) = ends
            assert abs((f1 - f0) / (x1 - x0) - parts[place]) < 1e-3


N_CD = 20_000
ESTIMATORS = {  # and the number of independent states in the negative phase
    "cd": (lambda: fr.gradient.CD(100), N_CD),
    "pcd": (lambda: fr.gradient.PCD(40_000, 40), 40_000),
    "fast_pcd": (lambda: fr.gradient.FastPCD(40_000, 40), 40_000),
    "tempered": (lambda: fr.gradient.Tempered(10_000, 3, 40), 10_000),
}


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_gradients_are_the_exact_one_up_to_noise(some, estimator):
    """Long chains of a model that mixes at once: what is left is the noise of a mean over n exact samples, here 5 of
    its standard errors, known from enumeration, and float32's rounding."""
    rbm, exact = some
    make, n = ESTIMATORS[estimator]
    X = exact.sample(N_CD if estimator == "cd" else 300, 7)
    gradient = make()(rbm, X)
    for name, truth, variance in zip(PARTS, exact.gradient(X), exact.variances(), strict=True):
        assert (np.abs(getattr(gradient, name) - truth) < 5 * np.sqrt(variance / n) + 10 / n + 5e-6).all()


def test_errors_of_the_monte_carlo_gradient(some):
    """Its own standard errors are those of the noise."""
    rbm, exact = some
    X = exact.sample(50, 8)
    gradient = fr.gradient.MonteCarlo(50, 30_000, 40, seed=3)(rbm, X)
    for name, truth in zip(PARTS, exact.gradient(X), strict=True):
        error = getattr(gradient, f"{name}_error")
        assert error.shape == truth.shape and (error > 0).all()
        z = np.abs(getattr(gradient, name) - truth) / error
        assert z.max() < 5 and 0.2 < np.sqrt(np.square(z).mean()) < 1.8


def test_gradient_of_a_ring_by_chains():
    """31 x 21 x 31, chains that start at exact samples: 20,181 components within 6 standard errors."""
    ring, rbm = ring_of(31, 21)
    n = 20_000
    pcd = fr.gradient.PCD(n)
    pcd.chains = fr.Chains(rbm, n, seed=1, start=ring.sample(n, 2))
    X = ring.sample(700, 3)
    gradient = pcd(rbm, X)
    for ours, theirs in zip(
        (getattr(gradient.negative, name) for name in ("weights", "visible", "hidden")), ring.moments, strict=True
    ):
        assert (np.abs(ours - theirs) < 6 * np.sqrt(theirs / n) + 20 / n).all()
    for ours, theirs in zip(
        (getattr(gradient.positive, name) for name in ("weights", "visible", "hidden")),
        ring.data_moments(X),
        strict=True,
    ):
        assert np.abs(ours - theirs).max() < 2e-6


def test_the_centered_gradient(model):
    """<(x - mu)(s - lambda)'> by its definition, from states and from moments alike."""
    from fastrbm.moments import PhaseStates

    rbm, exact = model
    X, Y = exact.sample(300, 9), exact.sample(200, 10)
    mu, lam = np.linspace(-0.5, 0.7, rbm.n_visible), np.linspace(0.3, -0.4, rbm.n_hidden)
    expected = 0.0
    for sign, states in ((1, X), (-1, Y)):
        s = exact.mean_hidden(states)
        expected = expected + sign * (exact.units(states) - mu).T @ (s - lam) / len(states)
    for kind in (fr.Moments, PhaseStates):
        plain = fr.gradient.base.Gradient(*(kind.of_data(rbm, states) for states in (X, Y)))
        moved = plain.centered(mu, lam)
        assert np.abs(moved.weights - expected).max() < 3e-6
        assert np.abs(moved.visible_bias - (plain.visible_bias - expected @ lam)).max() < 2e-5
        assert np.abs(moved.hidden_bias - (plain.hidden_bias - expected.T @ mu)).max() < 2e-5


def site_sums(segments, array):
    """Sums over the categories of each categorical site."""
    places = [(unit, q) for kind, unit, q in potts.places_of(segments) if kind == "categorical"]
    return np.array([array[unit : unit + q].astype(np.float64).sum(axis=0) for unit, q in places])


@pytest.mark.parametrize("name", ["potts", "potts-spin", "sizes", "mixed", "mixed-spin"])
def test_the_centered_gradient_is_zero_sum(name):
    """Of each site, where the offsets are means: sum_a (x_a - mu_a) = 0. The plain one's sum is the hidden biases' own
    gradient, once for each site. Up to float32's rounding of q numbers below 1."""
    rbm, exact = built(name)
    X = exact.sample(130, 9)
    for weight in (None, np.linspace(0, 1, 130)):
        plain = fr.gradient.PCD(75, seed=2)(rbm, X, weight)
        assert np.abs(site_sums(exact.segments, plain.weights) - plain.hidden_bias).max() < 2e-6
        assert np.abs(site_sums(exact.segments, plain.visible_bias)).max() < 1e-12
        centered = fr.gradient.Centering()(plain)
        for part in (centered.weights, centered.visible_bias):
            assert np.abs(site_sums(exact.segments, part)).max() < 3e-6


def test_training_keeps_the_zero_sum_gauge():
    """Centered ascent without decay: 60 updates, each rounded to float32."""
    X = random_codes(200, [4, 4, 4])
    rbm = fr.RBM.from_data(X, 6, seed=1, weight_scale=0.3, visible=fr.units.Categorical(3, 4))
    rbm.zero_sum()
    fr.fit(rbm, X, fr.gradient.PCD(50), fr.optim.SGD(0.1), epochs=3, batch_size=10)
    for part in (rbm.weights, rbm.visible_bias):
        assert np.abs(site_sums([("categorical", (4, 4, 4))], part)).max() < 60 * 4 * 2.0**-23


# ---------------------------------------------------------------- moments and weights of the examples


def test_moments_of_data(model):
    rbm, exact = model
    X, weight = exact.sample(700, 6), np.random.default_rng(0).random(700)
    for given in (None, weight):
        m = fr.Moments.of_data(rbm, X, given)
        pairs, visible, hidden = exact.data_moments(X, given)
        assert m.weights.shape == (rbm.n_visible, rbm.n_hidden) and m.visible.shape == (rbm.n_visible,)
        assert np.abs(m.weights - pairs).max() < 3e-6 and np.abs(m.hidden - hidden).max() < 3e-6
        assert np.abs(m.visible - visible).max() < 1e-6


def test_weight_two_is_a_row_given_twice(model):
    """The same bits, where weights are given on both sides: they decide how finely a product is rounded."""
    rbm, exact = model
    X = exact.sample(700, 6)
    twice = fr.Moments.of_data(rbm, np.repeat(X, 2, axis=0), np.ones(1400))
    weighted = fr.Moments.of_data(rbm, X, np.full(700, 2.0))
    for name in ("weight_sum", "visible_sum", "hidden_sum", "total"):
        assert np.array_equal(getattr(weighted, name), getattr(twice, name)), name
    counts = np.arange(700) % 4
    weighted, repeated = fr.Moments.of_data(rbm, X, counts), fr.Moments.of_data(rbm, np.repeat(X, counts, axis=0))
    assert weighted.total == repeated.total and np.array_equal(weighted.visible, repeated.visible)
    for name in ("weights", "hidden"):  # each product is rounded to 2^-22 of the largest weight, 4
        off = np.abs(getattr(weighted, name) - getattr(repeated, name)).max()
        assert off < 2 * 4 * 2.0**-22 * 700 / counts.sum()


def test_moments_add_up_exactly():
    """The same bits for the whole, for parts and for another order, whatever the threads."""
    sizes = (21,) * 9
    rbm = fr.RBM(*potts.parameters([("categorical", sizes)], 70, 0.2), visible=fr.units.Categorical(9, 21))
    X = random_codes(2500, sizes)
    whole = fr.Moments.of_data(rbm, X, n_threads=1)
    order = np.random.default_rng(1).permutation(len(X))
    shuffled = fr.Moments.of_data(rbm, X[order], n_threads=3)
    parts = fr.Moments.of_data(rbm, X[:17]) + fr.Moments.of_data(rbm, X[17:600]) + fr.Moments.of_data(rbm, X[600:])
    for other in (shuffled, parts):
        for name in ("weight_sum", "visible_sum", "hidden_sum", "total"):
            assert np.array_equal(getattr(other, name), getattr(whole, name)), name
    counts = [np.bincount(X[:, i], minlength=21) for i in range(9)]
    assert np.array_equal(whole.visible_sum, np.concatenate(counts))


WEIGHTED = {
    "exact": lambda: fr.gradient.Exact(),
    "cd": lambda: fr.gradient.CD(1),
    "pcd": lambda: fr.gradient.PCD(50),
    "fast_pcd": lambda: fr.gradient.FastPCD(50),
    "tempered": lambda: fr.gradient.Tempered(50, 2),
}


@pytest.mark.parametrize("estimator", WEIGHTED)
def test_weights_enter_all_statistics(some, estimator):
    """The fault of rbms: <v> and <h> were weighted, the gradient of W was not. Rows of weight 0 count for nothing."""
    rbm, exact = some
    X, weight = exact.sample(300, 6), np.random.default_rng(1).random(300) * (np.arange(300) % 3)
    gradient = WEIGHTED[estimator]()(rbm, X, sample_weight=weight)
    for name, expected in zip(("weights", "visible", "hidden"), exact.data_moments(X, weight), strict=True):
        assert np.abs(getattr(gradient.positive, name) - expected).max() < 5e-6
    unweighted = exact.data_moments(X)
    assert all(np.abs(a - b).max() > 1e-3 for a, b in zip(exact.data_moments(X, weight), unweighted, strict=True))
    negative = [getattr(gradient.negative, name) for name in ("weights", "visible", "hidden")]
    for part, ours, theirs in zip(PARTS, exact.data_moments(X, weight), negative, strict=True):
        assert np.abs(getattr(gradient, part) - (ours - theirs)).max() < 1e-5


def test_weights_in_training():
    """Exact gradients of all rows at once: weights are rows given several times, also in the first biases."""
    X, weight = random_codes(40, [3, 4]), np.arange(40) % 3
    X[:, 1] = X[:, 0]
    twice, visible = np.repeat(X, weight, axis=0), fr.units.Categorical(2, [3, 4])
    a, b = fr.RBM.from_data(X, 3, sample_weight=weight, visible=visible), fr.RBM.from_data(twice, 3, visible=visible)
    assert np.array_equal(a.visible_bias, b.visible_bias) and np.array_equal(a.weights, b.weights)
    rate = fr.optim.SGD(0.5, l2=0.001)
    fr.fit(a, X, fr.gradient.Exact(), rate, 200, 1000, sample_weight=weight)
    fr.fit(b, twice, fr.gradient.Exact(), rate, 200, 1000)
    assert np.abs(a.weights - b.weights).max() < 1e-4 and np.abs(a.weights).max() > 0.1


# ---------------------------------------------------------------- likelihoods


@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
@pytest.mark.parametrize(
    "N, q, n_chains, n_betas",
    [(31, 21, 200, 400), (136, 5, 100, 1000), pytest.param(200, 21, 200, 3000, marks=pytest.mark.slow)],
)
def test_annealing_of_rings(N, q, n_chains, n_betas, hidden):
    """log Z is in the interval, and that is below half a nat, where plain NumPy annealing has a spread of 0.1 to 0.5 a
    chain: both ways, and combined."""
    ring, rbm = ring_of(N, q, hidden)
    X = ring.sample(1000, 1)
    forward = likelihood.ais(rbm, n_chains, n_betas, seed=1, data=X)
    backward = likelihood.reverse_ais(rbm, X, n_chains, n_betas, seed=1)
    both = likelihood.bidirectional(rbm, X, n_chains, n_betas, seed=2)
    assert both.agree
    for estimate in (forward, backward, both):
        assert estimate.lower <= ring.log_z <= estimate.upper and estimate.upper - estimate.lower < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("N, q", [(31, 21), (136, 5)])
def test_annealing_of_rings_of_strong_weights(N, q):
    ring, rbm = ring_of(N, q, strength=2.0)
    both = likelihood.bidirectional(rbm, ring.sample(1000, 1), 200, 10_000, seed=2)
    assert both.agree and both.lower <= ring.log_z <= both.upper and both.upper - both.lower < 0.5


@pytest.mark.slow
def test_annealing_of_the_homogeneous_ring():
    (W, g, c), log_z, _ = rings.homogeneous(31, 21, 1.7, -2.0)
    rbm = fr.RBM(W, g, c, visible=fr.units.Categorical(31, 21))
    # weights of 1.7 in float32 are 2^-25 off at most, 2 x 31 of them in use at a time
    both = likelihood.bidirectional(rbm, n_chains=200, n_betas=2000, seed=1, n_sweeps=200)
    assert both.lower <= log_z <= both.upper and both.upper - both.lower < 0.5


def test_annealing(model):
    rbm, exact = model
    forward = likelihood.ais(rbm, 300, 200, seed=1)
    backward = likelihood.reverse_ais(rbm, exact.sample(300, 11), 300, 200, seed=1)
    both = likelihood.bidirectional(rbm, exact.sample(300, 12), 300, 200)
    for estimate in (forward, backward, both):
        assert estimate.lower <= exact.log_z <= estimate.upper and estimate.upper - estimate.lower < 0.4


def test_annealing_without_weights_is_exact():
    """With r = b the path stands still: every chain has weight 1, and log Z is that of independent sites."""
    _, b, c = potts.parameters([("categorical", (3, 5))], 4)
    rbm = fr.RBM(np.zeros((8, 4)), b, c, visible=fr.units.Categorical(2, [3, 5]))
    truth = potts.log_sum_exp(b[:3]) + potts.log_sum_exp(b[3:]) + np.logaddexp(0, c).sum()
    result = likelihood.ais(rbm, 20, 50, base_bias=b)
    assert abs(result.value - truth) < 1e-5 and result.ess == pytest.approx(20) and result.upper - result.lower < 1e-6


def test_scores(model):
    rbm, exact = model
    X = exact.sample(50, 14)
    score = likelihood.score(rbm, X)
    assert np.abs(score.per_example - exact.log_probability(X)).max() < 1e-5  # the kernels' grid
    assert abs(score.mean - exact.log_likelihood(X)) < 1e-5 and score.lower <= score.mean <= score.upper


def test_pseudo_likelihood(model):
    """The sum over sites, exactly."""
    rbm, exact = model
    X = exact.sample(60, 13)
    assert np.abs(likelihood.pseudo(rbm, X) - exact.pseudo(X)).max() < 1e-5


def test_pseudo_likelihood_of_a_ring_and_of_heavy_weights():
    ring, rbm = ring_of(31, 21)
    X = ring.sample(20, 1)
    expected = np.zeros(20)
    for i in range(31):
        others = []
        for a in range(21):
            moved = X.copy()
            moved[:, i] = a
            others.append(-ring.free_energies(moved))
        expected += -ring.free_energies(X) - potts.log_sum_exp(np.array(others), axis=0)
    assert np.abs(likelihood.pseudo(rbm, X) - expected).max() < 1e-4  # 31 sites, each to about 1e-6
    heavy = fr.RBM(1000 * rbm.weights, visible=rbm.visible)
    values = likelihood.pseudo(heavy, X)
    assert np.isfinite(values).all() and (values <= 0).all()


def test_conditional_scores(model):
    """units are columns: sites, bits or spins."""
    rbm, exact = model
    X = exact.sample(60, 13)
    for columns in ([0], [len(exact.columns) - 1, 0]):
        assert np.abs(likelihood.conditional(rbm, X, columns) - exact.conditional(X, columns)).max() < 1e-5
    with pytest.raises(ValueError, match="units"):
        likelihood.conditional(rbm, X, [len(exact.columns)])


def test_labels_given_pixels():
    """p(y | x) = softmax_y(d_y + sum_j softplus(c_j + I_j(x) + U_yj)) (Larochelle & Bengio 2008)."""
    W, b, c = potts.parameters([("bernoulli", 70), ("categorical", (10,))], 20, 0.3)
    rbm = fr.RBM(W, b, c, visible=[fr.units.Bernoulli(70), fr.units.Categorical(1, 10)])
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 2, (30, 70)), rng.integers(0, 10, 30)
    score = b[70:] + np.logaddexp(0, (x @ W[:70] + c)[:, None, :] + W[70:]).sum(axis=2)
    log_p = score - potts.log_sum_exp(score)[:, None]
    X = np.concatenate([x, y[:, None]], axis=1)
    assert np.abs(likelihood.conditional(rbm, X, [70]) - log_p[np.arange(30), y]).max() < 1e-5
    clamp = np.append(x[0].astype(float), np.nan)
    n = 20_000
    labels = rbm.sample(n, 20, clamp=clamp)[:, 70]
    assert within(np.bincount(labels, minlength=10) / n, np.exp(log_p[0]), n)


# ---------------------------------------------------------------- sampling


def test_samples(some):
    rbm, exact = some
    n = 20_000
    for samples in (rbm.sample(n, 40, seed=1), rbm.sample(n, 40, seed=1, method="gibbs")):
        assert samples.dtype == potts.dtype_of(exact.segments) and samples.shape == (n, rbm.visible.n_columns)
        assert potts.total_variation(exact.numbers(samples), exact.p_v) < 4 * potts.floor(exact.p_v, n)


def test_tempered_chains(some):
    rbm, exact = some
    n = 10_000
    chains = fr.TemperedChains(rbm, n, 3, seed=2)
    chains.sweep(40)
    assert potts.total_variation(exact.numbers(chains.visible), exact.p_v) < 4 * potts.floor(exact.p_v, n)


def two_modes(hidden="bernoulli", sites=8):
    """Nearly all sites in category 0, or nearly all in category 2, as the hidden unit has it: 0.7 to 0.3."""
    b, W = np.array([0.0, -4.0, -4.0]), np.array([0.0, 0.0, 8.0])
    values = potts.VALUES[hidden]
    ends = [sites * potts.log_sum_exp(b + W * (value - values[0]) / (values[1] - values[0])) for value in values]
    step = values[1] - values[0]
    c = (np.log(0.3 / 0.7) - (ends[1] - ends[0])) / step
    weights, bias = np.tile(W / step, sites)[:, None], np.tile(b - W * values[0] / step, sites)
    segments = [("categorical", (3,) * sites)]
    rbm = fr.RBM(weights, bias, [c], visible=fr.units.Categorical(sites, 3), hidden=hidden)
    return rbm, potts.Brute(segments, rbm.weights, rbm.visible_bias, rbm.hidden_bias, hidden)


@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
def test_both_modes_are_found_where_plain_chains_stay_in_one(hidden):
    rbm, exact = two_modes(hidden)
    weight = exact.p_v[(exact.v == 2).sum(axis=1) > 4].sum()
    assert 0.28 < weight < 0.32
    n, start = 3000, np.zeros((3000, 8), np.uint8)
    plain = fr.Chains(rbm, n, start=start)
    plain.sweep(100)
    assert ((plain.visible == 2).sum(axis=1) > 4).mean() < 0.05
    chains = fr.TemperedChains(rbm, n, n_betas=8, start=start, seed=1)
    chains.sweep(300)
    found = ((chains.visible == 2).sum(axis=1) > 4).mean()
    assert abs(found - weight) < 4 * np.sqrt(weight * (1 - weight) / n)
    assert chains.round_trip_rate * 300 > 5


def test_population_annealing(some):
    rbm, exact = some
    population = fr.population_annealing(rbm, 10_000, 50, seed=2)
    assert abs(population.log_partition - exact.log_z) < 0.1
    mean = float(exact.p_v @ exact.free)
    error = np.sqrt((exact.p_v @ (exact.free - mean) ** 2) / population.families)
    assert abs(rbm.free_energy(population.visible).mean() - mean) < 5 * error + 1e-5
    modes = fr.population_annealing(two_modes()[0], 5000, 100, seed=3)
    assert abs(modes.log_partition - two_modes()[1].log_z) < 0.2


@pytest.mark.slow
def test_clamped_sites_stay_and_the_others_follow(model):
    rbm, exact = model
    n, row = 20_000, exact.v[len(exact.v) // 2].astype(float)
    clamp = np.full(len(exact.columns), np.nan)
    clamped = np.arange(len(clamp)) % 2 == 1
    clamp[clamped] = row[clamped]
    p = exact.given(clamp)
    samples = rbm.sample(n, 40, clamp=clamp)
    assert (samples[:, clamped] == clamp[clamped]).all()
    assert potts.total_variation(exact.numbers(samples), p) < 4 * potts.floor(p, n)
    filled = rbm.inpaint(np.repeat(clamp[None], n, axis=0), 40, seed=3)
    assert filled.dtype == samples.dtype and potts.total_variation(exact.numbers(filled), p) < 4 * potts.floor(p, n)


def test_clamping_in_chains():
    """-1 is a free site, as NaN is; each chain may have clamps of its own; hidden units may be clamped, too."""
    rbm, exact = built("potts")
    for free in (np.nan, -1):
        clamp = np.array([[2, free, free], [free, 0, 1]] * 10_000)
        chains = fr.Chains(rbm, 20_000, seed=1, clamp=clamp)
        chains.sweep(30)
        for k, row in enumerate(([2, np.nan, np.nan], [np.nan, 0, 1])):
            p = exact.given(row)
            assert potts.total_variation(exact.numbers(chains.visible[k::2]), p) < 4 * potts.floor(p, 10_000)
    codes = rbm.sample(50, 5, clamp=np.array([1, -1, -1]))
    assert (codes[:, 0] == 1).all() and np.array_equal(codes, rbm.sample(50, 5, clamp=[1, np.nan, np.nan]))
    hidden = np.array([1, np.nan, 0, np.nan])
    v = rbm.sample(10_000, 40, clamp_hidden=hidden)
    p = exact.of_hidden(hidden)
    assert potts.total_variation(exact.numbers(v), p) < 4 * potts.floor(p, 10_000)
    for wrong in ([3, np.nan, np.nan], [0.5, np.nan, np.nan], [-2, 0, 0], [0, 0], np.zeros((4, 3))):
        with pytest.raises(ValueError, match="clamp"):
            rbm.sample(2, 3, clamp=wrong)


def test_minus_one_is_a_spin_and_no_free_unit():
    rbm, exact = built("mixed-spin")
    clamp = np.full(6, np.nan)
    clamp[1] = -1
    v, p = rbm.sample(10_000, 40, clamp=clamp), exact.given(clamp)
    assert (v[:, 1] == -1).all() and potts.total_variation(exact.numbers(v), p) < 4 * potts.floor(p, 10_000)


# ---------------------------------------------------------------- chains: paths, states, threads, levels


def straddling(n_hidden=70, hidden="bernoulli"):
    """31 sites of 21 categories: 651 units, 11 tiles of three sites; weights 0.2 N(0,1)."""
    W, b, c = potts.parameters([("categorical", (21,) * 31)], n_hidden, 0.2)
    return fr.RBM(W, b, c, visible=fr.units.Categorical(31, 21), hidden=hidden)


def beside(n_hidden=33):
    """Bits, sites of several sizes and spins in one layer."""
    segments = [("bernoulli", 70), ("categorical", (21, 3, 65, 2)), ("spin", 9)]
    W, b, c = potts.parameters(segments, n_hidden, 0.2)
    return fr.RBM(W, b, c, visible=potts.described(segments))


@pytest.mark.parametrize("make", [straddling, beside])
def test_parts_of_the_chains_take_the_paths_of_the_whole(make):
    rbm = make()
    whole = fr.Chains(rbm, 150, seed=4)
    whole.sweep(3)
    for first, n in ((0, 10), (10, 140), (149, 1)):
        part = fr.Chains(rbm, n, seed=4, first_chain=first)
        part.sweep(2)
        part.sweep(1)
        assert np.array_equal(part.visible, whole.visible[first : first + n])
        assert np.array_equal(part.hidden, whole.hidden[first : first + n])
    X = whole.visible
    sums = [
        sum(
            (g := fr.gradient.CD(2, seed=3, first_chain=part.start)(rbm, X[part]).negative).visible * g.total
            for part in parts
        )
        for parts in ([slice(0, 128)], [slice(0, 32), slice(32, 128)])
    ]
    assert np.array_equal(*sums)


@pytest.mark.parametrize("kind", [fr.Chains, fr.TemperedChains])
@pytest.mark.parametrize("make", [straddling, beside])
def test_states_of_chains(make, kind):
    rbm = make()
    options = {"n_betas": 3} if kind is fr.TemperedChains else {}
    chains, other = kind(rbm, 20, seed=4, **options), kind(rbm, 20, seed=9, **options)
    chains.sweep(3)
    state = chains.get_state()
    kept = {name: np.copy(value) for name, value in state.items()}
    other.set_state(state)
    chains.sweep(4)
    other.sweep(4)
    assert all(np.array_equal(state[name], kept[name]) or np.isnan(kept[name]).any() for name in state)
    assert np.array_equal(chains.visible, other.visible) and np.array_equal(chains.hidden, other.hidden)
    assert chains.visible.shape == (20, rbm.visible.n_columns)
    assert kind is fr.TemperedChains or not chains.visible.flags.writeable
    broken = state | {"visible": np.zeros((1, 1), np.uint8)}
    with pytest.raises(ValueError, match="visible"):
        other.set_state(broken)
    assert np.array_equal(chains.visible, other.visible)


def test_codes_in_a_state_are_checked():
    """A state with a code that a site does not have would index past the tables."""
    rbm, _ = built("potts")
    chains = fr.Chains(rbm, 8, seed=1)
    state = chains.get_state()
    state["visible"] = np.full_like(state["visible"], 255)
    with pytest.raises(ValueError):
        chains.set_state(state)
    chains.sweep(1)


SAME = """
import hashlib, json, sys, warnings
import numpy as np
import fastrbm as fr
warnings.simplefilter("ignore")
u, rng = fr.units, np.random.default_rng(0)
codes = (np.square(rng.random((150, 31))) * 21).astype(np.uint8)
mixed = np.concatenate([rng.integers(0, 2, (150, 70)), codes[:, :3] % 3, 2 * rng.integers(0, 2, (150, 9)) - 1], axis=1)
found = {}
for threads in (1, 2, 3, 7):
    digest, n = hashlib.sha256(), {"n_threads": threads}
    for X, visible, hidden in (
        (codes, u.Categorical(31, 21), "bernoulli"), (codes[:, :2], u.Categorical(2, [255, 65]), "spin"),
        (mixed, [u.Bernoulli(70), u.Categorical(3, 3), u.Spin(9)], "bernoulli"),
    ):
        for gradient, optimizer in (
            (fr.gradient.PCD(70, 2, seed=1), fr.optim.SGD(fr.optim.Linear(0.1, 0.0), l2=1e-3)),
            (fr.gradient.CD(seed=1), fr.optim.SGD(0.1, momentum=0.5)),
            (fr.gradient.Tempered(20, 3), fr.optim.Adam(0.01)),
            (fr.gradient.FastPCD(30, seed=1), fr.optim.SGD(0.1, l1=1e-4)),
        ):
            rbm = fr.RBM.from_data(X, 37, seed=5, weight_scale=0.1, visible=visible, hidden=hidden)
            weight = None if isinstance(gradient, fr.gradient.CD) else np.arange(150) % 3
            fr.fit(rbm, X, gradient, optimizer, 1, 60, 3, sample_weight=weight, **n)
            for a in (rbm.weights, rbm.visible_bias, rbm.hidden_bias):
                digest.update(a.tobytes())
        rbm.zero_sum()
        small = fr.RBM(rbm.weights[:, :5], rbm.visible_bias, rbm.hidden_bias[:5], visible=visible, hidden=hidden)
        for a in (
            rbm.weights, rbm.free_energy(X, **n), rbm.mean_hidden(X, **n), rbm.sample(40, 3, **n),
            rbm.mean_visible(rbm.sample_hidden(X, seed=2, **n), **n), fr.likelihood.pseudo(rbm, X[:20], **n),
            fr.likelihood.conditional(rbm, X[:20], [1], **n), np.array(fr.likelihood.exact(small, **n).value),
            np.array(fr.likelihood.ais(rbm, 20, 10, base_bias=rbm.visible_bias, **n).value),
            rbm.inpaint(np.where(X == 1, np.nan, X), 3, **n),
            np.array(fr.population_annealing(rbm, 40, 5, **n).log_partition),
        ):
            digest.update(np.ascontiguousarray(a).tobytes())
    found[threads] = digest.hexdigest()
print(json.dumps(found))
"""


def test_units_beyond_the_255th_are_where_they_belong():
    """NumPy 1 adds a small offset to codes as uint8."""
    on = fr.units.Categorical(3, [255, 65, 3]).units_on(np.array([[3, 60, 2], [254, 0, 0]], np.uint8))
    assert np.argwhere(on).tolist() == [[0, 3], [0, 315], [0, 322], [1, 254], [1, 255], [1, 320]]


EXPECTED = "dd6786d8c350186ed458541e9942aab49d304f4ab546af67aeffb4276c724d56"  # on any machine: see test_fit.py


def test_the_same_bits_for_any_threads_and_level():
    """Training, samples and likelihoods with 1, 2, 3 and 7 threads at every instruction set."""
    digests = {
        (level, threads): digest
        for level, printed in printed_by_level(SAME).items()
        for threads, digest in json.loads(printed).items()
    }
    assert len(digests) == 4 * len(LEVELS) and set(digests.values()) == {EXPECTED}, digests


# ---------------------------------------------------------------- gauge


def test_zero_sum_keeps_the_distribution(model):
    rbm, exact = model
    moved = rbm.copy()
    moved.zero_sum()
    size = sum(np.abs(getattr(rbm, name)).sum() for name in PARTS) * 2.0**-22
    if any(kind == "categorical" for kind, _ in exact.segments):
        for part in (moved.weights, moved.visible_bias):
            assert np.abs(site_sums(exact.segments, part)).max() < 1e-6
    shift = moved.free_energy(exact.v) - rbm.free_energy(exact.v)
    assert np.abs(shift - shift.mean()).max() < size  # differences of free energies are as before
    log_p = -moved.free_energy(exact.v) - likelihood.exact(moved).value
    assert np.abs(log_p - np.log(exact.p_v)).max() < size
    assert np.abs(moved.mean_hidden(exact.v) - rbm.mean_hidden(exact.v)).max() < size
    again = moved.copy()
    again.zero_sum()
    assert all(np.abs(getattr(again, name) - getattr(moved, name)).max() < 1e-6 for name in PARTS)


@pytest.mark.parametrize("sites", [1, 3])
def test_zero_sum_moves_each_hidden_bias_by_its_own_sum(sites):
    """The fault of rbms: with one site, squeeze() took the wrong axis, and every bias got the sum over all hidden
    units."""
    rbm, exact = potts.model([("categorical", (4,) * sites)], 3, seed=5)
    moved = rbm.copy()
    moved.zero_sum()
    means = exact.W.reshape(sites, 4, 3).mean(axis=1)
    assert np.abs(moved.hidden_bias - (exact.c + means.sum(axis=0))).max() < 1e-6
    assert np.abs(moved.weights - (exact.W.reshape(sites, 4, 3) - means[:, None]).reshape(-1, 3)).max() < 1e-6
    assert np.abs(moved.visible_bias.reshape(sites, 4).sum(axis=1)).max() < 1e-6
    assert np.abs(moved.visible_bias).max() > 0.1 < np.abs(moved.weights).max()  # nothing was frozen


def test_zero_sum_leaves_bits_and_spins():
    rbm, exact = built("mixed-spin")
    moved = rbm.copy()
    moved.zero_sum()
    for kind, unit, _ in potts.places_of(exact.segments):
        if kind != "categorical":
            assert np.array_equal(moved.weights[unit], rbm.weights[unit])
            assert moved.visible_bias[unit] == rbm.visible_bias[unit]


# ---------------------------------------------------------------- data


def test_kinds_of_arrays_give_the_same_bits():
    X = random_codes(60, [5, 3, 21])
    visible = fr.units.Categorical(3, [5, 3, 21])
    rbm = fr.RBM(*potts.parameters([("categorical", (5, 3, 21))], 6), visible=visible)
    first, found = rbm.free_energy(X), []
    kinds = [X.astype(kind) for kind in (np.int8, np.int64, np.uint16, np.float32, np.float64)]
    kinds += [np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2], X.tolist(), np.concatenate([X, X], axis=1)[:, :3]]
    for data in kinds:
        assert np.array_equal(rbm.free_energy(data), first)
        trained = fr.RBM.from_data(data, 4, seed=1, visible=visible)
        fr.fit(trained, data, epochs=1, batch_size=20)
        found.append(trained)
    assert all(same(found[0], other) for other in found)
    X.flags.writeable = False
    assert np.array_equal(rbm.free_energy(X), first)


@pytest.mark.parametrize("name", ["potts", "potts-spin", "sizes", "mixed"])
def test_one_hot_rows_are_codes(name):
    rbm, exact = built(name)
    X = exact.sample(80, 1)
    hot = exact.units(X)
    for kind in (np.uint8, np.float64, bool):
        assert np.array_equal(rbm.free_energy(hot.astype(kind)), rbm.free_energy(X))
    assert np.array_equal(rbm.mean_hidden(hot), rbm.mean_hidden(X))
    assert np.array_equal(fr.Moments.of_data(rbm, hot).weights, fr.Moments.of_data(rbm, X).weights)
    models = [fr.RBM.from_data(data, 5, seed=1, visible=rbm.visible) for data in (X, hot)]
    assert same(*models)
    for trained, data in zip(models, (X, hot), strict=True):
        fr.fit(trained, data, fr.gradient.PCD(20), epochs=2, batch_size=30)
    assert same(*models)


@pytest.mark.parametrize(
    "X, message",
    [
        ([[0, 1, 3]], r"v.*\[0, 2\].*3"),
        ([[0, 1, 2], [-1, 0, 0]], r"v.*\[1, 0\].*-1"),
        ([[0, 1, 2], [0, 255, 0]], r"v.*\[1, 1\].*255"),
        ([[0, 1, 2], [0, 0, 2**40]], r"v.*\[1, 2\].*(1099511627776|1\.09951e\+12)"),
        ([[0, 0.5, 2]], r"v.*\[0, 1\].*0\.5"),
        ([[0, np.nan, 2]], r"v.*NaN.*\[0, 1\]"),
        ([[0, np.inf, 2]], r"v.*\[0, 1\].*inf"),
        ([[0, 1]], "v"),
        ([[0, 1, 2, 0]], "v"),
        ([[1, 0, 0, 0, 1, 1, 0, 0, 1]], "v"),  # two categories at once
        ([[1, 0, 0, 0, 0, 0, 0, 0, 1]], "v"),  # none
    ],
)
def test_what_is_no_code(X, message):
    """The message names the place and the number that is there."""
    with pytest.raises(ValueError, match=message):
        built("potts")[0].free_energy(np.array(X))


def test_what_is_no_code_elsewhere():
    rbm, _ = built("sizes")  # 2, 5, 1 and 3 categories
    good, bad = np.array([[1, 4, 0, 2]]), np.array([[1, 4, 0, 2], [1, 4, 1, 2]])
    for call in (
        lambda: fr.Moments.of_data(rbm, bad),
        lambda: fr.fit(rbm, bad, epochs=1),
        lambda: fr.RBM.from_data(bad, 3, visible=rbm.visible),
        lambda: likelihood.pseudo(rbm, bad),
        lambda: likelihood.score(rbm, bad),
        lambda: fr.gradient.PCD(5)(rbm, bad),
        lambda: fr.fit(rbm, good, epochs=1, validation=bad),
        lambda: fr.Chains(rbm, 2, start=bad),
    ):
        with pytest.raises(ValueError, match=r"\[1, 2\].*1"):
            call()
    assert np.isfinite(rbm.free_energy(good)).all()
    mixed, exact = built("mixed-spin")
    row = exact.v[:1].copy()
    for column, value in ((0, 3), (1, 0), (3, 2), (5, 3)):
        wrong = row.copy()
        wrong[0, column] = value
        with pytest.raises(ValueError, match=rf"\[0, {column}\].*{value}|-1 or 1"):
            mixed.free_energy(wrong)


def test_first_biases_are_finite_and_fit_the_means():
    """A category that the data do not have gets 1/q of one example: (n_a + 1/q) / (n + 1)."""
    X = np.array([[0, 2], [0, 2], [1, 2]])
    rbm = fr.RBM.from_data(X, 4, weight_scale=0.0, visible=fr.units.Categorical(2, [3, 5]))
    assert np.isfinite(rbm.visible_bias).all() and np.abs(rbm.visible_bias).max() < 10
    expected = np.concatenate([(np.array([2, 1, 0]) + 1 / 3) / 4, (np.array([0, 0, 3, 0, 0]) + 1 / 5) / 4])
    assert np.abs(rbm.mean_visible(np.zeros((1, 4)))[0] - expected).max() < 1e-6
    beside = fr.RBM.from_data(
        np.array([[1, 0, 1], [1, 2, -1]]), 2, weight_scale=0.0,
        visible=[fr.units.Bernoulli(1), fr.units.Categorical(1, 3), fr.units.Spin(1)],
    )  # fmt: skip
    expected = [2.5 / 3, (1 + 1 / 3) / 3, (1 / 3) / 3, (1 + 1 / 3) / 3, 0.0]
    assert np.abs(beside.mean_visible(np.ones((1, 2)))[0] - expected).max() < 1e-6


def test_categories_that_the_data_do_not_have():
    """They stay possible, and training stays finite; so do constant columns."""
    X = random_codes(100, [3, 3, 3])
    X[:, 1] = 2
    rbm = fr.RBM.from_data(X, 6, seed=1, visible=fr.units.Categorical(3, 6))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fr.TrainingWarning)
        history = fr.fit(rbm, X, fr.gradient.PCD(50), epochs=20, batch_size=10)
    assert all(np.isfinite(getattr(rbm, name)).all() for name in PARTS)
    assert np.isfinite(history["shuffled_gap"]).all() and np.isfinite(rbm.free_energy([[5, 5, 5]])).all()


# ---------------------------------------------------------------- training, files, copies


def fitted(epochs=6, threads=2, callback=(), gradient=None, **options):
    X = random_codes(230, [21] * 9, seed=4)
    rbm = fr.RBM.from_data(X, 30, seed=2, visible=fr.units.Categorical(9, 21))
    pcd = fr.gradient.PCD(30, seed=3) if gradient is None else gradient
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fr.TrainingWarning)
        fr.fit(
            rbm, X, pcd, fr.optim.SGD(fr.optim.Linear(0.05)), epochs, 20, 4, n_threads=threads, callbacks=callback,
            **options,
        )  # fmt: skip
    return rbm, pcd


@pytest.mark.parametrize("make", [lambda: fr.gradient.PCD(30, seed=3), lambda: fr.gradient.Tempered(10, 3)])
def test_resume(tmp_path, make):
    path = tmp_path / "checkpoint.npz"

    def stop(state):
        if state.epoch == 3:
            signal.raise_signal(signal.SIGINT)

    whole = fitted(gradient=make())[0]
    with pytest.raises(KeyboardInterrupt):
        fitted(gradient=make(), callback=stop, checkpoint=path)
    assert fr.load(path).visible == fr.units.Categorical(9, 21)
    assert same(whole, fitted(gradient=make(), checkpoint=path, resume=True)[0])


@pytest.mark.parametrize("centered", [True, False])
def test_many_updates_at_once_are_the_same(centered, monkeypatch):
    from fastrbm.training import loop

    at_once, chains = fitted(centered=centered)
    monkeypatch.setattr(loop, "possible", lambda *args: False)
    for threads in (1, 2):
        one_by_one, others = fitted(centered=centered, threads=threads)
        assert same(at_once, one_by_one) and np.array_equal(chains.chains.visible, others.chains.visible)


def test_batches_of_ones_own():
    X = random_codes(60, [4, 3])

    class Loader:
        def __iter__(self):
            return iter([X[:20], X[20:60]])

        def __len__(self):
            return 2

    visible = fr.units.Categorical(2, [4, 3])
    rbm = fr.RBM.from_data(Loader(), 5, visible=visible)
    assert same(rbm, fr.RBM.from_data(X, 5, visible=visible))
    fr.fit(rbm, Loader(), epochs=2)
    assert np.isfinite(rbm.weights).all()


@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
def test_training_learns_a_ring(hidden):
    """Samples of a ring of seven sites and three categories, with spins between them, whose entropy is known: nine
    tenths of the way there from independent sites, which are 0.94 nats away."""
    ring = rings.Ring.of_test(7, 3, "spin", strength=1.5)
    exact = potts.Brute([("categorical", (3,) * 7)], *rings.parameters(ring.g, ring.A, ring.B, ring.bias), "spin")
    X = ring.sample(4000, 1)
    rbm = fr.RBM.from_data(X, 16, seed=0, visible=fr.units.Categorical(7, 3), hidden=hidden)
    fr.fit(rbm, X, fr.gradient.PCD(400), fr.optim.SGD(fr.optim.Linear(0.5, 0.0)), epochs=100)
    entropy = float(exact.p_v @ np.log(exact.p_v))
    independent = float((ring.sites * np.log(ring.sites)).sum())
    learned = float(exact.p_v @ (-rbm.free_energy(exact.v) - likelihood.exact(rbm).value))
    assert entropy - learned < 0.1 * (entropy - independent)


def test_model_files(model, tmp_path):
    rbm, exact = model
    rbm.save(tmp_path / "model.npz")
    again = fr.load(tmp_path / "model.npz")
    for other in (again, rbm.copy(), pickle.loads(pickle.dumps(rbm))):
        assert other.visible == rbm.visible and other.hidden == rbm.hidden and same(other, rbm)
        assert other.visible_names == rbm.visible_names and other.visible_categories == rbm.visible_categories
        assert np.array_equal(other.free_energy(exact.v), rbm.free_energy(exact.v))
        assert np.array_equal(other.sample(5, 3), rbm.sample(5, 3))
    assert repr(again) == repr(rbm) and f"n_visible={rbm.n_visible}" in repr(rbm)
    moved = again.copy()
    moved.zero_sum()
    assert np.array_equal(again.weights, rbm.weights)  # copies are independent


def test_files_that_cannot_be(tmp_path):
    rbm, _ = built("potts")
    rbm.save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz") as archive:
        entries = dict(archive)
    for text in (
        '[{"type": "categorical", "n": 9}]',
        '[{"type": "categorical", "sizes": [3, 3]}]',
        '[{"type": "potts"}]',
    ):
        np.savez(tmp_path / "bad.npz", **entries | {"visible_units": np.array(text)})
        with pytest.raises(ValueError, match="bad.npz"):
            fr.load(tmp_path / "bad.npz")
