"""Spins on either side: everything that a model of 0 and 1 can do, against enumeration in the spins' own terms."""

import signal
import warnings

import numpy as np
import pytest
from helpers import PAIRS, all_states, logsumexp, state_numbers

import fastrbm as fr
from fastrbm._core.dispatch import kernels
from fastrbm.cli import main
from fastrbm.plot import sites

VALUES = {"bernoulli": (0.0, 1.0), "spin": (-1.0, 1.0)}
N_CHAINS = 60_000


def values_of(bits, unit):
    low, high = VALUES[unit]
    return low + (high - low) * np.asarray(bits, np.float64)


def random_model(units, shape=(6, 4), scale=0.5, seed=0, biases=1.0):
    rng = np.random.default_rng([seed, *shape])
    W, b, c = rng.normal(0, scale, shape), rng.normal(0, scale, shape[0]), rng.normal(0, scale, shape[1])
    return fr.RBM(W, biases * b, biases * c, visible=units[0], hidden=units[1])


class Brute:
    """Every joint state of a model, with the values that its units have."""

    def __init__(self, rbm):
        self.units = rbm.visible.name, rbm.hidden.name
        W, b, c = (np.asarray(a, np.float64) for a in (rbm.weights, rbm.visible_bias, rbm.hidden_bias))
        self.v, self.h = values_of(all_states(len(b)), self.units[0]), values_of(all_states(len(c)), self.units[1])
        self.energies = -(self.v @ W @ self.h.T + (self.v @ b)[:, None] + (self.h @ c)[None, :])
        self.log_z = float(logsumexp(-self.energies.reshape(-1)))
        self.p = np.exp(-self.energies - self.log_z)
        self.p_v = self.p.sum(axis=1)
        self.free = -logsumexp(-self.energies, axis=1)

    def numbers(self, v):
        return state_numbers(np.asarray(v) == VALUES[self.units[0]][1])

    def sample(self, n, seed):
        rows = np.random.default_rng(seed).choice(len(self.p_v), n, p=self.p_v)
        return self.v[rows].astype(np.int8)


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def model(request):
    rbm = random_model(request.param)
    return rbm, Brute(rbm)


def test_energies(model):
    """A weight is off by half a step of the grid at most."""
    rbm, exact = model
    step = max(rbm.grid) * rbm.n_visible * rbm.n_hidden
    for j in range(1 << rbm.n_hidden):
        h = np.repeat(exact.h[j : j + 1], len(exact.v), axis=0)
        assert np.abs(rbm.energy(exact.v, h) - exact.energies[:, j]).max() < step
    assert np.abs(rbm.free_energy(exact.v) - exact.free).max() < step


def test_conditional_means(model):
    rbm, exact = model
    hidden = (exact.p @ exact.h) / exact.p_v[:, None]
    visible = (exact.p.T @ exact.v) / exact.p.sum(axis=0)[:, None]
    assert np.abs(rbm.mean_hidden(exact.v) - hidden).max() < 2e-6  # float32: src/activation.pxi
    assert np.abs(rbm.mean_visible(exact.h) - visible).max() < 2e-6


def test_draws_have_the_units_values_and_means(model):
    rbm, exact = model
    for draw, mean, given, unit in (
        (rbm.sample_hidden, rbm.mean_hidden, exact.v[5], rbm.hidden),
        (rbm.sample_visible, rbm.mean_visible, exact.h[3], rbm.visible),
    ):
        drawn = draw(np.repeat(given[None], 40_000, axis=0), seed=1)
        assert drawn.dtype == unit.dtype and set(np.unique(drawn)) == set(VALUES[unit.name])
        m = mean(given[None])[0].astype(np.float64)
        low, high = VALUES[unit.name]
        error = np.sqrt((m - low) * (high - m) / 40_000)
        assert (np.abs(drawn.mean(axis=0) - m) < 5 * error).all()


def total_variation(numbers, p):
    return float(np.abs(np.bincount(numbers, minlength=len(p)) / len(numbers) - p).sum() / 2)


@pytest.mark.parametrize("units", PAIRS, ids="-".join)
@pytest.mark.parametrize("shape", [(4, 3), (3, 6), (1, 1)])
def test_no_drift(units, shape):
    """Weights 0.6 N(0,1): chains that start exactly at p stay within 4 times the Monte Carlo floor (test_no_drift)."""
    rbm = random_model(units, shape, scale=0.6, seed=1)
    exact = Brute(rbm)
    floor = float(np.sqrt(exact.p_v * (1 - exact.p_v) / N_CHAINS).sum() / 2)
    chains = fr.Chains(rbm, N_CHAINS, seed=2, start=exact.sample(N_CHAINS, 3))
    for n_sweeps in (1, 3, 12):
        chains.sweep(n_sweeps)
        assert total_variation(exact.numbers(chains.visible), exact.p_v) < 4 * floor


@pytest.mark.parametrize("fault", ["a tenth", "bias", "column", "numbers"])
@pytest.mark.parametrize("units", PAIRS, ids="-".join)
def test_small_faults_would_drift(units, fault):
    """Weights a tenth too small, no hidden bias, two hidden units that have each other's weights, the same random
    numbers in every sweep."""
    rbm = random_model(units, (3, 6), scale=0.6, seed=1)
    exact, weights, c = Brute(rbm), rbm.weights.copy(), rbm.hidden_bias.copy()
    if fault == "a tenth":
        weights *= 0.9
    elif fault == "bias":
        c[:] = 0.0
    elif fault == "column":
        weights[:, :2] = weights[:, 1::-1]
    wrong = fr.RBM(weights, rbm.visible_bias, c, visible=units[0], hidden=units[1])
    chains = fr.Chains(wrong, N_CHAINS, seed=2, start=exact.sample(N_CHAINS, 3))
    for _ in range(12):
        chains.n_sweeps_done *= fault != "numbers"
        chains.sweep(1)
    floor = float(np.sqrt(exact.p_v * (1 - exact.p_v) / N_CHAINS).sum() / 2)
    assert total_variation(exact.numbers(chains.visible), exact.p_v) > 4 * floor


def test_units_that_are_not_what_they_are_taken_for_would_drift():
    spins = random_model(("spin", "spin"), (4, 3), scale=0.6, seed=1)
    bits = fr.RBM(spins.weights, spins.visible_bias, spins.hidden_bias)
    exact = Brute(spins)
    floor = float(np.sqrt(exact.p_v * (1 - exact.p_v) / N_CHAINS).sum() / 2)
    chains = fr.Chains(bits, N_CHAINS, seed=2, start=exact.sample(N_CHAINS, 3) > 0)
    chains.sweep(4)
    assert total_variation(state_numbers(chains.visible), exact.p_v) > 4 * floor


def test_symmetric_to_the_bit_without_biases():
    """F(s) = F(-s), E(s, t) = E(-s, -t), and P(t = 1 | s) = P(t = -1 | -s) in the kernels' fixed point, so that chains
    that begin on both sides stay there."""
    rbm = random_model(("spin", "spin"), (137, 75), biases=0.0)
    s, t = (np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (400, n)) for n in (137, 75))
    assert np.array_equal(rbm.free_energy(s), rbm.free_energy(-s))
    assert np.array_equal(rbm.energy(s, t), rbm.energy(-s, -t))
    ours, theirs = (fr.Moments.of_data(rbm, x) for x in (s, -s))
    assert np.array_equal(ours.weights, theirs.weights) and np.array_equal(ours.hidden, -theirs.hidden)
    assert np.array_equal(rbm.mean_hidden(s), -rbm.mean_hidden(-s))
    assert np.array_equal(rbm.mean_visible(t), -rbm.mean_visible(-t))
    assert np.array_equal(rbm.sample_hidden(s, seed=1), -rbm.sample_hidden(-s, seed=1))
    assert np.array_equal(rbm.sample_visible(t, seed=1), -rbm.sample_visible(-t, seed=1))
    chains = [fr.Chains(rbm, 400, seed=2, start=x) for x in (s, -s)]
    for each in chains:
        each.sweep(5)  # from the third sweep on, sums may be kept
    assert np.array_equal(chains[0].visible, -chains[1].visible)
    assert np.abs(fr.likelihood.pseudo(rbm, s) - fr.likelihood.pseudo(rbm, -s)).max() < 1e-9


def test_the_affine_map():
    """s = 2 v - 1 makes a spin model of a model of 0 and 1: W_B = 4 W, b_B = 2 b - 2 W 1, c_B = 2 c - 2 W' 1, and log Z
    less by b'1 + c'1 - 1'W 1. Equal up to float32's rounding of the new parameters."""
    rbm = random_model(("spin", "spin"), (9, 7))
    W, b, c = (np.asarray(a, np.float64) for a in (rbm.weights, rbm.visible_bias, rbm.hidden_bias))
    binary = fr.RBM(4 * W, 2 * b - 2 * W.sum(axis=1), 2 * c - 2 * W.sum(axis=0))
    constant = b.sum() + c.sum() - W.sum()
    v = all_states(9)
    size = np.abs(4 * W).sum() + np.abs(2 * b).sum() + np.abs(2 * c).sum()
    assert np.abs(rbm.free_energy(2.0 * v - 1) - (binary.free_energy(v) + constant)).max() < size * 2.0**-22
    z = fr.likelihood.exact(rbm).value, fr.likelihood.exact(binary).value
    assert abs(z[0] - (z[1] - constant)) < size * 2.0**-22


def test_exact_log_partition(model):
    rbm, exact = model
    assert abs(fr.likelihood.exact(rbm).value - exact.log_z) < 1e-9
    turned = fr.RBM(rbm.weights.T, rbm.hidden_bias, rbm.visible_bias, visible=rbm.hidden.name, hidden=rbm.visible.name)
    assert abs(fr.likelihood.exact(turned).value - exact.log_z) < 1e-9


def log_likelihood(rbm, X):
    exact = Brute(rbm)
    return float(np.log(exact.p_v[exact.numbers(X)]).mean())


def test_exact_gradient_against_finite_differences(model):
    """A central difference errs by h^2 times a third derivative of order one, and by float32's rounding of a parameter
    over h."""
    rbm, exact = model
    X = exact.sample(40, 5)
    gradient = fr.gradient.Exact()(rbm, X)
    for name in ("weights", "visible_bias", "hidden_bias"):
        old, parts = getattr(rbm, name).astype(np.float64), getattr(gradient, name)
        for place in list(np.ndindex(old.shape))[::3]:
            values = []
            for step in (-0.01, 0.01):
                moved = rbm.copy()
                new = old.copy()
                new[place] += step
                moved.set_parameters(**{name: new})
                values.append((float(getattr(moved, name)[place]), log_likelihood(moved, X)))
            (x0, f0), (x1, f1) = values
            assert abs((f1 - f0) / (x1 - x0) - parts[place]) < 1e-3


def test_moments_of_data_and_weights(model):
    rbm, exact = model
    X, weight = exact.sample(500, 6), np.arange(500) % 3
    s = rbm.mean_hidden(X).astype(np.float64)
    m = fr.Moments.of_data(rbm, X)
    assert np.abs(m.weights - X.T @ s / 500).max() < 1e-6 and np.abs(m.hidden - s.mean(axis=0)).max() < 1e-6
    assert np.array_equal(m.visible, X.mean(axis=0))
    repeated = fr.Moments.of_data(rbm, np.repeat(X, weight, axis=0))
    weighted = fr.Moments.of_data(rbm, X, weight)
    assert np.abs(weighted.weights - repeated.weights).max() < 1e-6
    assert np.abs(weighted.visible - repeated.visible).max() < 1e-12


ESTIMATORS = {
    "cd": lambda: fr.gradient.CD(200),
    "pcd": lambda: fr.gradient.PCD(100_000, 60),
    "fast_pcd": lambda: fr.gradient.FastPCD(100_000, 60),
    "tempered": lambda: fr.gradient.Tempered(40_000, 3, 60),
    "monte_carlo": lambda: fr.gradient.MonteCarlo(20, 100_000, 60),
}


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_gradients_are_the_exact_one_up_to_noise(model, estimator):
    """Long chains of a model that mixes at once: what is left is noise, of 1 / sqrt(chains) at most (units have a
    variance of 1 at most), here 5 such standard errors."""
    rbm, exact = model
    X = exact.sample(20_000 if estimator == "cd" else 300, 7)
    gradient = ESTIMATORS[estimator]()(rbm, X)
    truth = fr.gradient.Exact()(rbm, X)
    n = {"cd": 20_000, "tempered": 40_000, "monte_carlo": 6_000}.get(estimator, 100_000)
    for name in ("weights", "visible_bias", "hidden_bias"):
        assert np.abs(getattr(gradient, name) - getattr(truth, name)).max() < 5 / np.sqrt(n)


def test_errors_of_the_monte_carlo_gradient(model):
    rbm, exact = model
    X = exact.sample(50, 8)
    gradient = fr.gradient.MonteCarlo(50, 50_000, 60, seed=3)(rbm, X)
    truth = fr.gradient.Exact()(rbm, X)
    z = np.abs(gradient.weights - truth.weights) / gradient.weights_error
    assert z.max() < 5 and 0.4 < np.sqrt(np.square(z).mean()) < 1.8


def test_the_centered_gradient(model):
    """<(v - mu)(s - lambda)'> by its definition, from states and from moments alike."""
    rbm, exact = model
    X, Y = exact.sample(300, 9), exact.sample(200, 10)
    mu, lam = np.linspace(-0.5, 0.7, rbm.n_visible), np.linspace(0.3, -0.4, rbm.n_hidden)
    expected = 0.0
    for sign, states in ((1, X), (-1, Y)):
        s = rbm.mean_hidden(states).astype(np.float64)
        expected = expected + sign * (states - mu).T @ (s - lam) / len(states)
    plain = fr.gradient.base.Gradient(*(fr.Moments.of_data(rbm, states) for states in (X, Y)))
    from fastrbm.moments import PhaseStates

    kept = fr.gradient.base.Gradient(*(PhaseStates.of_data(rbm, states) for states in (X, Y)))
    assert np.abs(kept.weights - plain.weights).max() < 1e-6
    for gradient in (plain, kept):
        moved = gradient.centered(mu, lam)
        assert np.abs(moved.weights - expected).max() < 2e-6
        assert np.abs(moved.visible_bias - (plain.visible_bias - expected @ lam)).max() < 1e-5
        assert np.abs(moved.hidden_bias - (plain.hidden_bias - expected.T @ mu)).max() < 1e-5


def fitted(units, centered=True, threads=2, callback=(), epochs=6, **options):
    rng = np.random.default_rng(4)
    X = values_of(rng.random((230, 40)) < rng.random(40), units[0])
    rbm = fr.RBM.from_data(X, 30, seed=2, visible=units[0], hidden=units[1])
    pcd = fr.gradient.PCD(30, seed=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fr.TrainingWarning)
        fr.fit(
            rbm, X, pcd, fr.optim.SGD(fr.optim.Linear(0.05)), epochs, 20, 4, centered=centered, n_threads=threads,
            callbacks=callback, **options,
        )  # fmt: skip
    return rbm, pcd


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("units", PAIRS, ids="-".join)
def test_many_updates_at_once_are_the_same(units, centered, monkeypatch):
    from fastrbm.training import loop

    at_once, chains = fitted(units, centered)
    monkeypatch.setattr(loop, "possible", lambda *args: False)
    for threads in (1, 2):
        one_by_one, others = fitted(units, centered, threads)
        for name in ("weights", "visible_bias", "hidden_bias"):
            assert np.array_equal(getattr(at_once, name), getattr(one_by_one, name))
        assert np.array_equal(chains.chains.visible, others.chains.visible)


def test_resume(tmp_path):
    units, path = ("spin", "bernoulli"), tmp_path / "checkpoint.npz"

    def stop(state):
        if state.epoch == 3:
            signal.raise_signal(signal.SIGINT)

    whole = fitted(units)[0]
    with pytest.raises(KeyboardInterrupt):
        fitted(units, callback=stop, checkpoint=path)
    assert fr.load(path).visible == fr.units.Spin(40)
    resumed = fitted(units, checkpoint=path, resume=True)[0]
    assert np.array_equal(whole.weights, resumed.weights)
    with pytest.raises(ValueError, match="model"):
        fitted(("spin", "spin"), checkpoint=path, resume=True)


def test_training_learns_an_ising_chain():
    """A ring of ten spins with coupling 0.6, whose exact log-likelihood is known."""
    ring = np.zeros((10, 10))
    ring[np.arange(10), (np.arange(10) + 1) % 10] = 0.6
    s = values_of(all_states(10), "spin")
    energy = np.einsum("ni,ij,nj->n", s, ring, s)
    p = np.exp(energy - logsumexp(energy))
    X = s[np.random.default_rng(0).choice(1024, 5000, p=p)].astype(np.int8)
    rbm = fr.RBM.from_data(X, 20, seed=0, visible="spin", hidden="spin")
    fr.fit(rbm, X, fr.gradient.PCD(500), fr.optim.SGD(fr.optim.Linear(0.05, 0.0)), epochs=150)
    entropy = -float(p @ np.log(p))
    independent = 10 * np.log(2)
    learned = float(p @ (-rbm.free_energy(s) - fr.likelihood.exact(rbm).value))
    assert -entropy - learned < 0.1 * (independent - entropy)


def test_annealing(model):
    rbm, exact = model
    forward = fr.likelihood.ais(rbm, 500, 300, seed=1)
    backward = fr.likelihood.reverse_ais(rbm, exact.sample(500, 11), 500, 300, seed=1)
    both = fr.likelihood.bidirectional(rbm, exact.sample(500, 12), 500, 300)
    for estimate in (forward, backward, both):
        assert estimate.lower < exact.log_z < estimate.upper and estimate.upper - estimate.lower < 0.3
    population = fr.population_annealing(rbm, 20_000, 50, seed=2)
    assert abs(population.log_partition - exact.log_z) < 0.1
    floor = float(np.sqrt(exact.p_v * (1 - exact.p_v) / population.families).sum() / 2)
    assert total_variation(exact.numbers(rbm.visible.values(population.visible.to_states())), exact.p_v) < 4 * floor


@pytest.mark.slow
def test_sampling_and_tempering(model):
    rbm, exact = model
    floor = float(np.sqrt(exact.p_v * (1 - exact.p_v) / 50_000).sum() / 2)
    for samples in (rbm.sample(50_000, 60, seed=1), rbm.sample(50_000, 60, seed=1, method="gibbs")):
        assert samples.dtype == rbm.visible.dtype
        assert total_variation(exact.numbers(samples), exact.p_v) < 4 * floor
    chains = fr.TemperedChains(rbm, 50_000, 3, seed=2)
    chains.sweep(60)
    assert total_variation(exact.numbers(chains.visible), exact.p_v) < 4 * floor


def test_pseudo_likelihood_and_conditional_scores(model):
    rbm, exact = model
    X = exact.sample(60, 13)
    low, high = VALUES[exact.units[0]]
    log_p, expected = np.log(exact.p_v), np.zeros(60)
    for unit in range(rbm.n_visible):
        flipped = X.copy()
        flipped[:, unit] = low + high - X[:, unit]
        own, other = log_p[exact.numbers(X)], log_p[exact.numbers(flipped)]
        expected += own - np.logaddexp(own, other)
    assert np.abs(fr.likelihood.pseudo(rbm, X) - expected).max() < 1e-5
    heavy = fr.RBM(1000 * rbm.weights, visible=rbm.visible, hidden=rbm.hidden)  # by flips, one at a time
    assert (fr.likelihood.pseudo(heavy, X) <= 0).all()
    some = fr.likelihood.conditional(rbm, X, [0, 3])
    totals = np.full(60, -np.inf)
    for values in ((low, low), (low, high), (high, low), (high, high)):
        other = X.copy()
        other[:, [0, 3]] = values
        totals = np.logaddexp(totals, log_p[exact.numbers(other)])
    assert np.abs(some - (log_p[exact.numbers(X)] - totals)).max() < 1e-5


def test_scores(model):
    rbm, exact = model
    X = exact.sample(50, 14)
    score = fr.likelihood.score(rbm, X)
    assert abs(score.mean - np.log(exact.p_v[exact.numbers(X)]).mean()) < 1e-5
    assert score.lower <= score.mean <= score.upper


@pytest.mark.slow
def test_clamping_and_inpainting(model):
    rbm, exact = model
    low, high = VALUES[exact.units[0]]
    clamp = np.full(rbm.n_visible, np.nan)
    clamp[1], clamp[4] = high, low
    kept = (exact.v[:, 1] == high) & (exact.v[:, 4] == low)
    p = np.where(kept, exact.p_v, 0.0) / exact.p_v[kept].sum()
    floor = float(np.sqrt(p * (1 - p) / 50_000).sum() / 2)
    samples = rbm.sample(50_000, 60, clamp=clamp)
    assert (samples[:, 1] == high).all() and total_variation(exact.numbers(samples), p) < 4 * floor
    X = np.repeat(np.where(np.isnan(clamp), np.nan, clamp)[None], 50_000, axis=0)
    filled = rbm.inpaint(X, 60, seed=3)
    assert filled.dtype == rbm.visible.dtype and total_variation(exact.numbers(filled), p) < 4 * floor
    with pytest.raises(ValueError, match="clamp"):
        rbm.sample(2, clamp=np.full(rbm.n_visible, 0.5))


def test_real_valued_data_are_mean_spins():
    """Numbers from -1 to 1 drive the hidden layer as they are; with dynamic binarization, spins are drawn from them."""
    rbm = random_model(("spin", "spin"), (30, 20))
    x = np.random.default_rng(0).uniform(-1, 1, (40, 30))
    W, c = rbm.weights.astype(np.float64), rbm.hidden_bias.astype(np.float64)
    assert np.abs(rbm.mean_hidden(x) - np.tanh(x @ W + c)).max() < 5e-6
    m = fr.Moments.of_data(rbm, x)
    assert np.abs(m.visible - x.mean(axis=0)).max() < 1e-6
    assert np.abs(m.weights - x.T @ np.tanh(x @ W + c) / 40).max() < 1e-5
    for dynamic in (False, True):
        model = fr.RBM.from_data(x, 8, visible="spin", hidden="spin")
        history = fr.fit(model, x, epochs=3, batch_size=10, dynamic_binarization=dynamic)
        assert np.isfinite(model.weights).all() and len(history)


def test_a_row_is_read_the_same_whatever_the_others_are():
    """Real-valued rows, some of only 0 and 1; all data of 0 and 1 were meant for another type."""
    rbm = random_model(("spin", "spin"), (4, 3))
    x = np.array([[0.0, 1.0, 1.0, 0.0], [-1.0, 0.25, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    assert np.array_equal(np.concatenate([rbm.mean_hidden(row[None]) for row in x]), rbm.mean_hidden(x))

    class Loader:
        def __iter__(self):
            return iter([x[:1], x[1:]])

        def __len__(self):
            return 2

    fr.fit(rbm, Loader(), epochs=1)
    fr.fit(rbm, x, epochs=1, batch_size=1)
    bits = (x > 0.5).astype(np.float64)
    for call in (lambda: fr.fit(rbm, bits, epochs=1), lambda: fr.RBM.from_data(bits, 2, visible="spin")):
        with pytest.raises(ValueError, match=r"2 \* X - 1"):
            call()


def test_initial_biases_fit_the_means():
    X = values_of(np.random.default_rng(0).random((5000, 6)) < np.linspace(0.1, 0.9, 6), "spin")
    rbm = fr.RBM.from_data(X, 4, weight_scale=0.0, visible="spin", hidden="spin")
    means = rbm.mean_visible(np.ones((1, 4)))[0]
    assert np.abs(means - (5000 * X.mean(axis=0)) / 5001).max() < 1e-5
    assert rbm.hidden == fr.units.Spin(4)


def test_model_files(tmp_path):
    rbm = random_model(("spin", "bernoulli"))
    rbm.save(tmp_path / "model.npz")
    again = fr.load(tmp_path / "model.npz")
    assert again.visible == fr.units.Spin(6) and again.hidden == fr.units.Bernoulli(4)
    assert np.array_equal(again.weights, rbm.weights)
    with np.load(tmp_path / "model.npz") as archive:
        entries = dict(archive)
    assert int(entries["fastrbm_format"]) == 2
    old = {name: entries[name] for name in ("weights", "visible_bias", "hidden_bias")}
    np.savez(tmp_path / "old.npz", fastrbm_format=np.int64(1), **old)
    assert fr.load(tmp_path / "old.npz").visible == fr.units.Bernoulli(6)
    for text in ('[{"type": "quantum", "n": 6}]', '[{"type": "spin", "n": 7}]', "spin", "[]", '[{"type": 3}]'):
        np.savez(tmp_path / "bad.npz", **entries | {"visible_units": np.array(text)})
        with pytest.raises(ValueError, match="bad.npz.*visible_units|visible_units.*bad.npz"):
            fr.load(tmp_path / "bad.npz")


def test_copies_and_pickles_keep_the_types():
    import pickle

    rbm = random_model(("spin", "bernoulli"))
    for other in (rbm.copy(), pickle.loads(pickle.dumps(rbm))):
        assert other.visible == rbm.visible and other.hidden == rbm.hidden
        assert np.array_equal(other.free_energy(-np.ones((1, 6))), rbm.free_energy(-np.ones((1, 6))))
    assert repr(rbm) == "RBM(n_visible=6, n_hidden=4, visible='spin')"
    assert repr(random_model(("bernoulli", "spin"))) == "RBM(n_visible=6, n_hidden=4, hidden='spin')"


@pytest.mark.parametrize(
    "X, message",
    [
        (np.array([[0, 1, 1]]), r"2 \* v - 1"),
        (np.array([[True, False, True]]), r"2 \* v - 1"),
        (np.array([[True, True, True]]), r"2 \* v - 1"),
        (np.array([[-1, 1, 2]]), r"-1 to 2 \(v\[0, 2\] is 2\)"),
        (np.array([[-1, 1, np.nan]]), "NaN"),
        (np.array([[-1, 1, 0.5]]), "-1 or 1"),
        (np.array([[-1, 1]]), "2 units"),
    ],
)
def test_what_is_no_spin(X, message):
    rbm = random_model(("spin", "spin"), (3, 2))
    with pytest.raises(ValueError, match=message):
        rbm.free_energy(X)


def test_what_is_nearly_a_spin_is_one():
    rbm = random_model(("spin", "spin"), (3, 2))
    exact = rbm.free_energy([[-1, 1, 1]])
    assert np.array_equal(rbm.free_energy([[-1.0000001, 1, 0.9999999]]), exact)
    assert np.array_equal(rbm.free_energy(np.array([[-0.9995, 1, 1]], np.float16)), exact)
    assert np.array_equal(rbm.free_energy(fr.BitMatrix.from_states([[0, 1, 1]])), exact)
    assert np.array_equal(rbm.free_energy(np.array([[-1, 1, 1]], np.int64)), exact)


def test_sparse_matrices_of_spins_are_refused():
    scipy = pytest.importorskip("scipy.sparse")
    with pytest.raises(ValueError, match="dense"):
        random_model(("spin", "spin"), (3, 2)).free_energy(scipy.csr_array(np.array([[1, 0, -1]])))


@pytest.mark.parametrize(
    "description, error, message",
    [
        ("potts", ValueError, "one of bernoulli, spin"),
        (fr.units.Spin(5), ValueError, "6 units, got 5"),
        ("categorical", ValueError, "must say how many categories"),
        ([fr.units.Spin(3), fr.units.Bernoulli(2)], ValueError, "6 units, got 5"),
        (fr.units.Spin, TypeError, "class Spin"),
        (3, TypeError, "int"),
        (["spin"], TypeError, "str"),
        ([], ValueError, "got none"),
    ],
)
def test_layers_that_cannot_be(description, error, message):
    with pytest.raises(error, match=message):
        fr.RBM(np.zeros((6, 2)), visible=description)


def test_layers():
    rbm = fr.RBM(np.zeros((6, 2)), visible=[fr.units.Spin(2), fr.units.Spin(4)], hidden=fr.units.Bernoulli(2))
    assert rbm.visible == fr.units.Spin(6) and rbm.hidden == fr.units.Bernoulli(2)
    assert fr.units.Spin(6) != fr.units.Bernoulli(6)
    with pytest.raises(ValueError, match="at least 1"):
        fr.units.Spin(0)


def test_command_line(tmp_path, capsys, monkeypatch):
    """Spins from a file; and 0 and 1, which become -1 and 1."""

    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    spins = values_of((rng.random((60, 1)) < 0.5) ^ (rng.random((60, 9)) < 0.1), "spin").astype(int)
    np.savetxt("spins.csv", spins, fmt="%d", delimiter=",")
    np.save("bits.npy", (spins > 0).astype(np.uint8))
    models = []
    for data in ("spins.csv", "bits.npy"):
        train = [
            "train",
            data,
            "--hidden",
            "4",
            "--epochs",
            "5",
            "--visible",
            "spin",
            "--hidden-type",
            "spin",
            "--quiet",
        ]
        assert main([*train, "--out", "rbm.npz"]) == 0
        models.append(fr.load("rbm.npz"))
    assert models[0].visible == fr.units.Spin(9) and models[0].hidden == fr.units.Spin(4)
    assert np.array_equal(models[0].weights, models[1].weights)
    assert main(["sample", "rbm.npz", "-n", "5", "--sweeps", "10", "--out", "samples.csv"]) == 0
    assert set(np.unique(np.loadtxt("samples.csv", delimiter=","))) == {-1.0, 1.0}
    capsys.readouterr()
    for data in ("spins.csv", "bits.npy"):
        assert main(["score", "rbm.npz", data]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("mean log-likelihood") and first == second.replace("bits.npy", "spins.csv")
    assert main(["info", "rbm.npz"]) == 0
    assert "spin and spin" in capsys.readouterr().out


def test_report_and_pictures(tmp_path):
    pytest.importorskip("matplotlib")
    rbm = random_model(("spin", "spin"), (9, 4))
    spins = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (50, 9))
    score = fr.report.report(rbm, spins, tmp_path / "report.html", n_sweeps=20, n_samples=20)
    assert abs(score.mean - (-rbm.free_energy(spins).mean() - fr.likelihood.exact(rbm).value)) < 1e-9
    assert "spin and spin" in (tmp_path / "report.html").read_text(encoding="utf-8")
    for drawn in (fr.plot.samples(spins), fr.plot.energies(rbm, spins, rbm.sample(20, 10))):
        assert drawn is not None
    pictures = [fr.plot.samples(states).images[0].get_array().filled(-9) for states in (spins > 0, spins)]
    assert np.array_equal(*pictures)


@pytest.fixture
def mirror(monkeypatch):
    """A third type of two values: spins by another class and name, which nothing but the lists of types knows."""
    body = {name: value for name, value in vars(fr.units.Spin).items() if name not in ("__dict__", "__weakref__")}
    kind = type("Mirror", (fr.units.Unit,), body | {"name": "mirror"})
    monkeypatch.setitem(fr.units.TYPES, "mirror", kind)
    monkeypatch.setitem(kernels.UNITS, "mirror", kernels.UNITS["spin"])
    return kind


def outcomes(visible, hidden, X, path):
    """What all that goes by the types of units makes of a model."""
    rbm = fr.RBM.from_data(X, 4, visible=visible, hidden=hidden, seed=0)
    fr.fit(rbm, X, gradient=fr.gradient.PCD(20), epochs=2, batch_size=20)
    samples, given = rbm.sample(20, n_sweeps=20), X.astype(np.float64)
    given[:, 0] = np.nan
    rbm.save(path)
    assert fr.load(path).visible == rbm.visible and main(["info", str(path)]) == 0
    picture = fr.plot.samples(samples, rbm=rbm).images[0].get_array()
    (x, y), *_ = (points.get_offsets().T for points in fr.plot.site_frequencies(X, samples, rbm).collections)
    words = sites.words_of(rbm.visible, rbm.hidden), *sites.labels_of(rbm)
    return words, [
        rbm.weights, rbm.visible_bias, samples, rbm.inpaint(given, n_sweeps=20), rbm.energy(X, rbm.sample_hidden(X)),
        fr.likelihood.exact(rbm).value, fr.likelihood.ais(rbm, 10, n_betas=20).log_ratios, fr.likelihood.pseudo(rbm, X),
        fr.likelihood.conditional(rbm, X, [0]), picture, x, y,
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore::fastrbm.TrainingWarning")
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside sites"])
def test_a_new_type_of_two_values_is_known_by_the_lists_alone(mirror, beside, tmp_path):
    """Nothing asks a layer whether it is of spins: with the same questions answered, everything is the same."""
    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(0)
    X = rng.choice(np.array([-1, 1], np.int16), (60, 9))
    if beside:
        X[:, :2] = rng.integers(0, 3, (60, 2))
    results = []
    for kind in (fr.units.Spin, mirror):
        visible = [fr.units.Categorical(2, 3), kind(7)] if beside else kind.name
        results.append(outcomes(visible, kind.name, X, tmp_path / "rbm.npz"))
    (words, numbers), (our_words, our_numbers) = results
    assert words == (our_words[0].replace("mirror", "spin"), *our_words[1:])
    for one, other in zip(numbers, our_numbers, strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()
