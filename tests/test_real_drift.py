"""Models with real-valued units against their exact distributions: small ones by enumeration of the layer that is not
real, rings of any size, and spins that all couple to each other. Chains that start exactly stay there, within 4 times
the Monte Carlo floor of the total variation and 5 standard errors of moments; broken ones do not."""

import itertools
import math

import numpy as np
import potts
import pytest
import rings

import fastrbm as fr
from fastrbm import likelihood
from fastrbm import units as u
from fastrbm._core.dispatch import kernels

N_CHAINS = 40_000
VISIBLE = {
    "bernoulli": [("bernoulli", 4)],
    "spin": [("spin", 4)],
    "categorical": [("categorical", (3, 4))],
    "mixed": [("bernoulli", 2), ("categorical", (3,)), ("spin", 1)],
}
HIDDEN = {
    "gaussian": u.Gaussian(3, [0.5, 1.0, 3.0]),
    "relu": u.ReLU(3, [0.5, 1.0, 3.0]),
    "drelu": u.DReLU(3, [-1.0, 0.0, 1.0], [0.5, -2.0, 0.0], [0.5, 1.0, 3.0]),
}
REAL = {
    **HIDDEN,
    "mixed": u.Row([u.Bernoulli(2), u.Gaussian(2, [0.5, 2.0]), u.Categorical(1, 3)]),
    "several": u.Row([u.Gaussian(2, [0.5, 2.0]), u.DReLU(2, [1.0, -1.0], [0.0, 2.0]), u.ReLU(1)]),
}


class Discrete:
    """A model of discrete visible and real hidden units: all visible states, hidden ones summed out."""

    def __init__(self, segments, hidden, scale=0.6, seed=1):
        self.W, self.b, self.c = W, b, c = potts.parameters(segments, hidden.n, scale, seed)
        self.rbm = fr.RBM(W, b, c, visible=potts.described(segments), hidden=hidden)
        self.brute = potts.Brute(segments, W[:, :1], b, c[:1])  # for its list of states
        self.v, self.x = self.brute.v, self.brute.x
        self.fields = self.x @ W + c
        log = self.x @ b + hidden.cgf(self.fields).sum(axis=1)
        self.log_z = float(potts.log_sum_exp(log))
        self.p = np.exp(log - self.log_z)
        self.mean, self.second = hidden.moments_of(self.fields)

    def sample(self, n, seed):
        return self.brute.as_users(self.v[np.random.default_rng(seed).choice(len(self.p), n, p=self.p)])

    def ratio(self, v):
        """Total variation over its floor."""
        return potts.total_variation(self.brute.numbers(v), self.p) / potts.floor(self.p, len(v))

    def deviation(self, v, h):
        """How many standard errors the moments <h>, <h^2>, <x h'> are off, at most."""
        x, n = self.brute.units(v), len(v)
        first, second = self.p @ self.mean, self.p @ self.second
        z = [(h.mean(axis=0) - first) / np.sqrt((second - first**2) / n)]
        z.append(((h * h).mean(axis=0) - second) / ((h * h).std(axis=0) / math.sqrt(n)))
        pairs, squares = (self.x * self.p[:, None]).T @ self.mean, (self.x**2 * self.p[:, None]).T @ self.second
        z.append(((x.T @ h / n - pairs) / np.sqrt((squares - pairs**2) / n)).reshape(-1))
        return float(np.abs(np.concatenate(z)).max())


class RealVisible:
    """A model of visible units some of which are real, and hidden ones of two values: all hidden states."""

    def __init__(self, visible, hidden="bernoulli", scale=0.6, seed=1):
        rng = np.random.default_rng(seed)
        self.visible, self.values = visible, potts.VALUES[hidden]
        W, b, c = (rng.normal(0, scale, k).astype(np.float32) for k in ((visible.n, 3), visible.n, 3))
        self.rbm = fr.RBM(W, b, c, visible=visible, hidden=hidden)
        self.h = np.array(list(itertools.product(self.values, repeat=3)), np.float64)
        self.fields = self.h @ W.T.astype(np.float64) + b
        log = self.h @ c.astype(np.float64) + visible.cgf(self.fields).sum(axis=1)
        if visible.layout[-1][0] == "categorical":  # whose cgf of a site is not a sum over its units
            site = self.fields[:, -3:]
            log = self.h @ c.astype(np.float64) + potts.log_sum_exp(site)
            log += sum(part.cgf(self.fields[:, at]).sum(axis=1) for part, at in self.visible._units()[:-1])
        self.log_z = float(potts.log_sum_exp(log))
        self.p = np.exp(log - self.log_z)

    def sample(self, n, seed):
        """Hidden states by enumeration, then visible ones given them: of Gaussian units here, of others by kernels."""
        rng = np.random.default_rng(seed)
        at = rng.choice(len(self.p), n, p=self.p)
        if isinstance(self.visible, u.Gaussian):
            gamma = self.visible.gamma.astype(np.float64)
            return rng.normal(self.fields[at] / gamma, 1 / np.sqrt(gamma))
        return self.rbm.sample_visible(self.h[at], seed=seed)

    def ratio(self, h):
        numbers = (h == self.values[1]).astype(np.int64) @ (1 << np.arange(3)[::-1])
        return potts.total_variation(numbers, self.p) / potts.floor(self.p, len(h))

    def deviation(self, v):
        """How many standard errors the means and mean products of real units are off, at most."""
        parts = [(part, at) for part, at in u.Row(self.visible.segments)._units() if part.real]
        columns = np.concatenate([np.arange(at.start, at.stop) for _, at in parts])
        mean, second = (
            np.concatenate(moments, axis=1)
            for moments in zip(*(part.moments_of(self.fields[:, at]) for part, at in parts), strict=True)
        )
        own = v[:, columns]  # real units come before sites, so that their columns are those of the units
        products = own[:, :, None] * own[:, None, :]
        exact = (mean * self.p[:, None]).T @ mean
        np.fill_diagonal(exact, self.p @ second)
        z = [(own.mean(axis=0) - self.p @ mean) / own.std(axis=0)]
        z.append(((products.mean(axis=0) - exact) / products.std(axis=0)).reshape(-1))
        return float(np.abs(np.concatenate(z)).max()) * math.sqrt(len(v))


def drift(exact, n, seed=2):
    """(the largest ratio, the largest deviation) at the start and after 1, 4 and 16 sweeps."""
    chains, found = fr.Chains(exact.rbm, n, seed=seed, start=exact.sample(n, seed + 1)), []
    for n_sweeps in (0, 1, 3, 12):
        chains.sweep(n_sweeps)
        if isinstance(exact, Discrete):
            found.append((exact.ratio(chains.visible), exact.deviation(chains.visible, chains.hidden)))
        else:
            found.append((exact.ratio(chains.hidden), exact.deviation(chains.visible)))
    return np.max(found, axis=0)


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("visible", VISIBLE)
def test_no_drift(visible, hidden):
    ratio, deviation = drift(Discrete(VISIBLE[visible], HIDDEN[hidden]), N_CHAINS)
    assert ratio < 4 and deviation < 5


@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
@pytest.mark.parametrize("visible", REAL)
def test_no_drift_where_visible_units_are_real(visible, hidden):
    ratio, deviation = drift(RealVisible(REAL[visible], hidden), N_CHAINS)
    assert ratio < 4 and deviation < 5


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("visible", VISIBLE)
def test_no_drift_of_strong_models_by_many_chains(visible, hidden, seed):
    ratio, deviation = drift(Discrete(VISIBLE[visible], HIDDEN[hidden], 1.2, seed), 200_000, seed)
    assert ratio < 4 and deviation < 5


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
@pytest.mark.parametrize("visible", REAL)
def test_no_drift_of_strong_models_with_real_visible_units(visible, hidden, seed):
    ratio, deviation = drift(RealVisible(REAL[visible], hidden, 1.2, seed), 200_000, seed)
    assert ratio < 4 and deviation < 5


def test_gaussian_layers_on_both_sides():
    """Jointly normal, with precision [[G_v, -W], [-W', G_h]]: start exactly, and compare second moments."""
    rng, n = np.random.default_rng(3), N_CHAINS
    visible, hidden = u.Gaussian(3, [1.0, 2.0, 0.7]), u.Gaussian(2, [1.5, 1.0])
    W = rng.normal(0, 0.3, (3, 2)).astype(np.float32).astype(np.float64)
    b, c = rng.normal(0, 0.6, 3), rng.normal(0, 0.6, 2)
    precision = np.block([[np.diag(visible.gamma.astype(float)), -W], [-W.T, np.diag(hidden.gamma.astype(float))]])
    covariance = np.linalg.inv(precision)
    assert np.linalg.eigvalsh(precision).min() > 0.05
    mean = covariance @ np.concatenate([b, c])
    x = rng.multivariate_normal(mean, covariance, n)
    chains = fr.Chains(fr.RBM(W, b, c, visible=visible, hidden=hidden), n, seed=1, start=x[:, :3])
    for n_sweeps in (0, 1, 3, 12):
        chains.sweep(n_sweeps)
        x = np.concatenate([chains.visible, chains.hidden], axis=1)
        z = (x.mean(axis=0) - mean) / np.sqrt(np.diag(covariance) / n)
        apart = x - mean
        # of a product of two normal numbers the variance is C_ii C_jj + C_ij^2
        spread = np.sqrt((np.outer(np.diag(covariance), np.diag(covariance)) + covariance**2) / n)
        assert np.abs(z).max() < 5 and np.abs((apart.T @ apart / n - covariance) / spread).max() < 5


# ---------------------------------------------------------------- what would drift


def crossed(exact, other, n_sweeps=4, n=N_CHAINS):
    """(ratio, deviation) where hidden units are drawn as another model has them."""
    p, q = exact.rbm._parameters, other._parameters
    chains = fr.Chains(exact.rbm, n, seed=2, start=exact.sample(n, 3))
    v, h = chains.visible_bits, fr.Chains(other, n, seed=2, start=chains.visible).hidden_bits
    kernels.sweep(v.planes, h.planes, p.to_visible, q.to_hidden, None, 2, 0, 1, n_sweeps, 0, None, None, None, 2)
    return exact.ratio(np.asarray(v)), exact.deviation(np.asarray(v), np.asarray(h))


FAULTS = {
    "gamma": ("gaussian", u.Gaussian(3)),
    "gamma of a relu": ("relu", u.ReLU(3)),
    "sides": ("drelu", u.DReLU(3, [1.0, 0.0, -1.0], [-0.5, 2.0, 0.0], [0.5, 1.0, 3.0])),
    "delta": ("drelu", u.DReLU(3, 0.0, [0.5, -2.0, 0.0], [0.5, 1.0, 3.0])),
    "xi": ("drelu", u.DReLU(3, [-1.0, 0.0, 1.0], 0.0, [0.5, 1.0, 3.0])),
    "one side": ("drelu", u.ReLU(3, [0.5, 1.0, 3.0])),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_hidden_units_would_drift(fault):
    name, units = FAULTS[fault]
    exact = Discrete(VISIBLE["bernoulli"], HIDDEN[name])
    wrong = fr.RBM(exact.W, exact.b, exact.c, hidden=units)
    assert max(crossed(exact, exact.rbm)[0] / 4, crossed(exact, exact.rbm)[1] / 5) < 1
    ratio, deviation = crossed(exact, wrong)
    assert ratio > 4 and deviation > 5


def numpy_sweep(v, W, b, c, mean, spread, rng):
    """h ~ N(mean(c + v'W), spread^2), then bits given h."""
    h = rng.normal(mean(c + v @ W), spread)
    return (rng.random(v.shape) < 1 / (1 + np.exp(-(b + h @ W.T)))).astype(np.float64)


def test_a_peer_s_rule_drifts():
    """rbms 0.6.0 draws h ~ N(c + v'W, 1) where its energies have gamma = the number of visible units: one sweep moves
    exp(-F) by a total variation of 0.1 or so, by quadrature; a mean without gamma moves it, too. The same measure
    passes the right rule, and our chains."""
    exact = Discrete([("bernoulli", 3)], u.Gaussian(1, 3.0), scale=1.5, seed=3)
    n, rng = 100_000, np.random.default_rng(1)
    W, b, c, gamma = exact.W, exact.b, exact.c, 3.0
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    rules = {
        "right": (lambda field: field / gamma, gamma**-0.5),
        "peer": (lambda field: field, 1.0),
        "no gamma in the mean": (lambda field: field, gamma**-0.5),
    }
    moved = {}
    for name, (mean, spread) in rules.items():
        h = mean(exact.fields) + spread * nodes  # (states, nodes)
        on = 1 / (1 + np.exp(-(b + h[:, :, None] * W[:, 0])))  # (states, nodes, units)
        to = np.where(exact.x[:, None, None, :] == 1, on, 1 - on).prod(axis=3)  # (new states, states, nodes)
        after = (to @ (weights / weights.sum())) @ exact.p
        v = exact.sample(n, 4).astype(np.float64)
        moved[name] = float(np.abs(after - exact.p).sum() / 2)
        assert (exact.ratio(numpy_sweep(v, W, b, c, mean, spread, rng)) < 4) == (name == "right")
    assert moved["right"] < 1e-12 and moved["peer"] > 0.05 and moved["no gamma in the mean"] > 0.05
    assert drift(exact, N_CHAINS)[0] < 4


def test_a_cut_off_normal_number_is_no_relu():
    """max(0, N(field / gamma, 1 / gamma)), as of 'noisy ReLUs', drifts."""
    exact, n, rng = Discrete(VISIBLE["bernoulli"], u.ReLU(3)), N_CHAINS, np.random.default_rng(1)
    v = exact.sample(n, 4).astype(np.float64)
    for _ in range(4):
        h = np.maximum(rng.normal(v @ exact.W + exact.c), 0.0)
        v = (rng.random(v.shape) < 1 / (1 + np.exp(-(exact.b + h @ exact.W.T)))).astype(np.float64)
    assert exact.ratio(v) > 4 and exact.deviation(v, h) > 5


# ---------------------------------------------------------------- likelihoods and moments of small models


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("visible", VISIBLE)
def test_exact_likelihoods(visible, hidden):
    exact = Discrete(VISIBLE[visible], HIDDEN[hidden])
    assert abs(likelihood.exact(exact.rbm).value - exact.log_z) < 1e-12
    free = exact.rbm.free_energy(exact.brute.as_users(exact.v))
    # the grid of weights: half a step of it a unit, times the mean of h
    slack = max(exact.rbm.grid) * exact.x.shape[1] * np.abs(exact.mean).sum(axis=1) + 1e-12
    assert (np.abs(-free - exact.log_z - np.log(exact.p)) < slack).all()
    moments = fr.Moments.of_data(exact.rbm, exact.brute.as_users(exact.v))
    step = 2.0**-exact.rbm._parameters.to_hidden.fixed_bits
    assert np.abs(moments.weights - exact.x.T @ exact.mean / len(exact.v)).max() < step + 1e-6
    assert np.abs(moments.hidden - exact.mean.mean(axis=0)).max() < step + 1e-6


@pytest.mark.parametrize("hidden", ["bernoulli", "spin"])
@pytest.mark.parametrize("visible", REAL)
def test_exact_likelihoods_where_visible_units_are_real(visible, hidden):
    exact = RealVisible(REAL[visible], hidden)
    assert abs(likelihood.exact(exact.rbm).value - exact.log_z) < 1e-12


@pytest.mark.parametrize("hidden", [u.Bernoulli(3), u.Spin(3), *HIDDEN.values()], ids=lambda unit: unit.name)
@pytest.mark.parametrize("weighted", [False, True])
def test_moments_of_mixed_data(hidden, weighted):
    """Of bits, spins, sites and real units of all sizes, against sums in float64: means are off by half a step of their
    fixed point and by the grid of weights, each times the size of x."""
    visible = u.Row([u.Bernoulli(2), u.Gaussian(2), u.Spin(1), u.Categorical(1, 3), u.DReLU(1)])
    n, rng = 1500, np.random.default_rng(1)
    W, b, c = (rng.normal(0, 0.6, k).astype(np.float32) for k in ((visible.n, 3), visible.n, 3))
    if hidden.real:  # so that the model can be normalized
        W[[2, 3, 8]] *= np.float32(0.125)
    rbm = fr.RBM(W, b, c, visible=visible, hidden=hidden)
    real = np.rint(rng.normal(0, 3, (n, 3)) * 4096) / 4096
    real[:2] = [[2047, -2047, 5], [-1000, 3, 2047]]
    site = rng.integers(0, 3, n)
    X = np.column_stack([rng.integers(0, 2, (n, 2)), real[:, :2], rng.choice([-1, 1], n), site, real[:, 2]])
    x = np.column_stack([X[:, :5], np.eye(3)[site], real[:, 2]])
    weight = np.rint(rng.uniform(0, 16, n)) if weighted else None  # multiples of 2^-22 of the largest, exactly
    w = np.ones(n) if weight is None else weight
    field = x @ W.astype(np.float64) + c
    s = potts.hidden_mean(field, hidden.name) if hidden.layout is None else hidden.mean_of(field)
    found = fr.Moments.of_data(rbm, X, weight)
    bits = rbm._parameters.to_hidden.fixed_bits
    error = 2.0**-bits + max(rbm.grid) * np.abs(x).sum(axis=1).max() + 1e-6  # of a mean, times a weight below 1
    assert np.abs(found.visible - w @ x / w.sum()).max() < 1e-12
    assert np.abs(found.hidden - w @ s / w.sum()).max() < error
    assert (np.abs(found.weights - (x * w[:, None]).T @ s / w.sum()) < error * np.abs(x).max(axis=0)[:, None]).all()
    if hidden.trained:  # of delta and xi: no coarser than the fields, though 2047 may come from any visible unit
        apart = max(rbm.grid) * np.abs(x).sum(axis=1, keepdims=True)
        own, moved = (hidden.own_gradient(hidden.half_means(f)) for f in (field, field + apart))
        slack = (np.abs(moved - own) * w[:, None]).sum(axis=1) / w.sum() + 2.0**-30
        assert (np.abs(found.own - (own * w[:, None]).sum(axis=1) / w.sum()) < slack).all()


# ---------------------------------------------------------------- decorated rings


@pytest.mark.parametrize("hidden", rings.GAMMA)
@pytest.mark.parametrize("N, q", [(8, 4), (12, 2)])
def test_small_rings(N, q, hidden):
    ring = rings.Ring.of_test(N, q, hidden)
    rbm, X = ring.model(), ring.sample(60, 1)
    assert abs(likelihood.exact(rbm).value - ring.log_z) < 1e-11
    assert np.abs(rbm.free_energy(X) - ring.free_energies(X)).max() < max(rbm.grid) * 2 * N * 10 + 1e-12


@pytest.mark.parametrize("hidden", rings.GAMMA)
@pytest.mark.parametrize("N, q", [(31, 21), pytest.param(136, 5, marks=pytest.mark.slow)])
def test_rings_do_not_drift(N, q, hidden):
    """The marginals of all neighbors, from exact samples (forward filtering, backward sampling)."""
    ring, n = rings.Ring.of_test(N, q, hidden), 10_000
    chains, worst = fr.Chains(ring.model(), n, seed=1, start=ring.sample(n, 2)), 0.0
    for n_sweeps in (1, 4):
        chains.sweep(n_sweeps)
        v = chains.visible.astype(np.int64)
        for i in range(N):
            numbers, p = q * v[:, i] + v[:, (i + 1) % N], ring.pairs[i].reshape(-1)
            worst = max(worst, potts.total_variation(numbers, p) / potts.floor(p, n))
    assert worst < 4


@pytest.mark.parametrize("hidden", rings.GAMMA)
def test_moments_of_a_ring(hidden):
    """31 x 21 x 31: moments of data to the fixed point of the means, those of chains within 6 standard errors: of x s,
    with s = E[h | v] below 10 and x a bit, the variance is at most 10 times its mean size."""
    ring, n = rings.Ring.of_test(31, 21, hidden), 10_000
    rbm, X = ring.model(), ring.sample(700, 3)
    moments = fr.Moments.of_data(rbm, X)
    for ours, theirs in zip((moments.weights, moments.visible, moments.hidden), ring.data_moments(X), strict=True):
        assert np.abs(ours - theirs).max() < 1e-5
    chains = fr.Chains(rbm, n, seed=1, start=ring.sample(n, 2))
    chains.sweep(2)
    moments, most = fr.Moments.of_chains(rbm, chains), np.abs(rings.mean(ring.inputs, hidden, **ring.options)).max()
    x = ring.sites.reshape(-1)
    # Var(x s) <= E[x s^2] <= most^2 P(x = 1); rare ones come in lumps
    assert (np.abs(moments.weights - ring.moments[0]) < 6 * most * np.sqrt(x / n)[:, None] + 20 * most / n).all()
    assert (np.abs(moments.visible - ring.moments[1]) < 6 * np.sqrt(x / n) + 20 / n).all()
    assert (np.abs(moments.hidden - ring.moments[2]) < 6 * most / math.sqrt(n)).all()


@pytest.mark.parametrize("hidden", rings.GAMMA)
@pytest.mark.parametrize(
    "N, q, n_chains, n_betas",
    [
        (31, 21, 200, 400), pytest.param(136, 5, 200, 2000, marks=pytest.mark.slow),
        pytest.param(200, 21, 100, 2000, marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_annealing_of_rings(N, q, n_chains, n_betas, hidden):
    """log Z is in the interval, and that is below half a nat: both ways, and combined; so is the score."""
    ring = rings.Ring.of_test(N, q, hidden)
    rbm, X = ring.model(), ring.sample(1000, 1)
    both = likelihood.bidirectional(rbm, X, n_chains, n_betas, seed=2)
    assert both.agree
    for estimate in (both.forward, both.reverse, both):
        assert estimate.lower <= ring.log_z <= estimate.upper and estimate.upper - estimate.lower < 0.5
    if N == 31:
        score = likelihood.score(rbm, X, n_chains=n_chains, n_betas=n_betas, seed=3)
        assert score.lower <= ring.log_probability(X).mean() <= score.upper


# ---------------------------------------------------------------- Curie and Weiss: one Gaussian unit couples all spins


def curie_weiss(N, w, b, c, gamma):
    """(the model, log Z, the distribution of the number of spins that are up)."""
    rbm = fr.RBM(np.full((N, 1), w), np.full(N, b), [c], visible="spin", hidden=u.Gaussian(1, gamma))
    w, b, c, gamma = (float(np.float32(x)) for x in (w, b, c, gamma))
    up = np.arange(N + 1)
    log = np.array([math.lgamma(N + 1) - math.lgamma(k + 1) - math.lgamma(N - k + 1) for k in up])
    log += b * (2 * up - N) + (c + w * (2 * up - N)) ** 2 / (2 * gamma) + math.log(2 * math.pi / gamma) / 2
    log_z = float(potts.log_sum_exp(log))
    return rbm, log_z, np.exp(log - log_z)


@pytest.mark.parametrize("b, c", [(0.0, 0.0), (0.05, -0.1)])
def test_curie_weiss_partition_function(b, c):
    rbm, log_z, _ = curie_weiss(14, 0.4, b, c, 1.7)
    assert abs(likelihood.exact(rbm).value - log_z) < 1e-11


@pytest.mark.parametrize("w", [0.1, 0.1265, 0.14])  # above, at and below the critical temperature, N w^2 = gamma
def test_curie_weiss_magnetization(w):
    n, N = N_CHAINS, 125
    rbm, _, p = curie_weiss(N, w, 0.0, 0.0, 2.0)
    rng = np.random.default_rng(2)
    up = rng.choice(N + 1, n, p=p)
    start = np.where(np.argsort(rng.random((n, N)), axis=1) < up[:, None], 1, -1)
    chains = fr.Chains(rbm, n, seed=4, start=start)
    for n_sweeps in (1, 9):
        chains.sweep(n_sweeps)
        ups = (chains.visible == 1).sum(axis=1)
        assert potts.total_variation(ups, p) < 4 * potts.floor(p, n)


# ---------------------------------------------------------------- models that are the same


def test_a_double_relu_without_a_kink_is_gaussian():
    """In distribution, not bit for bit."""
    W, b, c = potts.parameters(VISIBLE["spin"], 3)
    gaussian, double = (
        fr.RBM(W, b, c, visible="spin", hidden=kind(3, gamma=[0.5, 1.0, 3.0])) for kind in (u.Gaussian, u.DReLU)
    )
    v = np.array(list(itertools.product((-1, 1), repeat=4)))
    assert np.abs(gaussian.free_energy(v) - double.free_energy(v)).max() < 1e-12
    assert np.allclose(gaussian.mean_hidden(v), double.mean_hidden(v), rtol=1e-6, atol=1e-6)
    h, k = (rbm.sample_hidden(np.repeat(v[3:4], 40_000, axis=0), seed=1) for rbm in (gaussian, double))
    assert not np.array_equal(h, k)
    for a, d in zip(np.sort(h, axis=0).T, np.sort(k, axis=0).T, strict=True):
        places = np.concatenate([a, d])
        apart = np.abs(np.searchsorted(a, places, "right") - np.searchsorted(d, places, "right")).max() / 40_000
        assert apart < 2 * math.sqrt(math.log(2e9) / 80_000)  # both within this of the distribution, as in one in 1e9


@pytest.mark.parametrize("hidden", HIDDEN)
def test_two_categories_are_a_bit(hidden):
    """W = W_1 - W_0, b likewise, and c takes the sum of W_0."""
    W, b, c = potts.parameters([("categorical", (2,) * 4)], 3)
    sites = fr.RBM(W, b, c, visible=u.Categorical(4, 2), hidden=HIDDEN[hidden])
    bits = fr.RBM(W[1::2] - W[::2], b[1::2] - b[::2], c + W[::2].sum(axis=0), hidden=HIDDEN[hidden])
    v = np.array(list(itertools.product((0, 1), repeat=4)))
    log_p = [-rbm.free_energy(v) - likelihood.exact(rbm).value for rbm in (sites, bits)]
    assert np.abs(log_p[0] - log_p[1]).max() < 1e-5  # parameters are float32: 2^-24 of each, times <h>
    n, exact = N_CHAINS, np.exp(log_p[0])
    start = v[np.random.default_rng(1).choice(16, n, p=exact / exact.sum())]
    for rbm in (sites, bits):
        chains = fr.Chains(rbm, n, seed=5, start=start)
        chains.sweep(3)
        assert potts.total_variation(chains.visible @ [8, 4, 2, 1], exact) < 4 * potts.floor(exact, n)


@pytest.mark.parametrize("power", [-3, 1, 2])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_scale_of_hidden_units_is_free(hidden, power):
    """h / l, W l, theta l, gamma l^2: log p(v) is the same, up to the rounding of logarithms, and log Z moves by log l
    a unit."""
    W, b, c = potts.parameters(VISIBLE["spin"], 3)
    unit, scale = HIDDEN[hidden], 2.0**power
    own = {name: array * {"gamma": scale**2, "delta": scale}.get(name, 1.0) for name, array in unit._own.items()}
    one = fr.RBM(W, b, c, visible="spin", hidden=unit)
    other = fr.RBM(W * scale, b, c * scale, visible="spin", hidden=type(unit)(3, **own))
    v = np.array(list(itertools.product((-1, 1), repeat=4)))
    z = [likelihood.exact(rbm).value for rbm in (one, other)]
    assert abs(z[0] - z[1] - 3 * math.log(scale)) < 1e-12
    assert np.abs((-one.free_energy(v) - z[0]) - (-other.free_energy(v) - z[1])).max() < 1e-12
    assert np.allclose(one.mean_hidden(v), other.mean_hidden(v) * scale, rtol=1e-6, atol=1e-7)
