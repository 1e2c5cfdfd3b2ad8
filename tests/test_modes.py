"""The weights of modes: default samples are right, or there is a warning. Never silently wrong."""

import warnings

import numpy as np
import pytest
from helpers import Enumerated, random_rbm, state_numbers
from test_annealing import two_modes, weight_of_on
from test_ising import torus

import fastrbm as fr
from fastrbm.sampling import annealing, modes, tempering

SEEDS = 20


def coin():
    """Ten coins that always agree, heads 0.55 of the time, and their two states."""
    heads = np.random.default_rng(0).random((1000, 1)) < 0.55
    return np.repeat(heads, 10, axis=1).astype(np.uint8), np.repeat([[0], [1]], 10, axis=1)


def mixture(n_modes, n_visible, seed=0, n=2000):
    """Examples of prototypes that agree in half of the units, with one unit in 50 changed and weights of 0.05 to 0.5;
    the prototypes."""
    rng = np.random.default_rng(seed)
    prototypes = rng.integers(0, 2, (n_modes, n_visible))
    weights = np.clip(rng.dirichlet(np.full(n_modes, 2.0)), 0.05, 0.5)
    which = rng.choice(n_modes, n, p=weights / weights.sum())
    return (prototypes[which] ^ (rng.random((n, n_visible)) < 0.02)).astype(np.uint8), prototypes


def weights_of(states, prototypes):
    """The parts of states that are nearest to each prototype."""
    far = states.sum(axis=1, keepdims=True) + prototypes.sum(axis=1) - 2.0 * states @ prototypes.T.astype(np.float64)
    return np.bincount(far.argmin(axis=1), minlength=len(prototypes)) / len(states)


def exact_weights(rbm, prototypes, n=100_000):
    """The same of the model: by enumeration of its hidden units, and n draws of v given these."""
    h = (np.arange(1 << rbm.n_hidden)[:, None] >> np.arange(rbm.n_hidden)) & 1
    fields = h @ rbm.weights.T.astype(np.float64) + rbm.visible_bias
    log_p = h @ rbm.hidden_bias.astype(np.float64) + np.logaddexp(0, fields).sum(axis=1)
    p = np.exp(log_p - log_p.max())
    rng = np.random.default_rng(1)
    counts = rng.multinomial(n, p / p.sum())
    out = np.zeros(len(prototypes))
    for k in np.flatnonzero(counts):
        drawn = rng.random((counts[k], rbm.n_visible)) < 1 / (1 + np.exp(-fields[k]))
        out += weights_of(drawn, prototypes) * counts[k] / n
    return out


def signs(states):
    """Of spins: the parts with more up, and with more down (ties half and half)."""
    total = states.sum(axis=1, dtype=np.int64)
    up = float((total > 0).mean() + 0.5 * (total == 0).mean())
    return np.array([up, 1.0 - up])


def audit(rbm, truth, weigh, n=1000, seeds=range(SEEDS), monkeypatch=None, **how):
    """(largest error in standard errors where there was no warning, warnings). An error is that of the families and
    of n samples: sqrt(p (1 - p) (1 / families + 1 / n))."""
    families, worst, warned = [], 0.0, 0
    before = annealing._annealed

    def watched(*arguments):
        population = before(*arguments)
        families.append(population.families)
        return population

    monkeypatch.setattr(annealing, "_annealed", watched)
    for seed in seeds:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = weigh(rbm.sample(n, seed=seed, **how))
        warned += len(caught)
        error = np.sqrt(np.maximum(truth * (1 - truth), 1 / n) * (1 / families[-1] + 1 / n))
        if not caught:
            worst = max(worst, float((np.abs(found - truth) / error).max()))
    return worst, warned


def trained(data, n_hidden, *how, **more):
    rbm = fr.RBM.from_data(data, n_hidden, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fr.fit(rbm, data, *how, **({"n_threads": 1} | more))
    return rbm


# ---------------------------------------------------------------- quick


@pytest.mark.parametrize("n", [500, 20_000])
@pytest.mark.parametrize("n_steps", [10, 60])
def test_any_modes_give_the_model_s_distribution(n, n_steps):
    """Of arbitrary bases, among them wrong and equal ones: every state's frequency, and log Z."""
    rbm = random_rbm(6, 4, scale=1.5, seed=3)
    exact = Enumerated(rbm)
    p = np.exp(-rbm.free_energy((np.arange(64)[:, None] >> np.arange(6)) & 1) - exact.log_z)
    bases = np.random.default_rng(0).normal(0.0, 3.0, (5, 6))
    bases[3] = bases[4]
    population = fr.population_annealing(rbm, n, n_steps, seed=1, modes=bases)
    counts = np.bincount(state_numbers(population.visible.to_states()), minlength=64)
    variance = n * p * (1 - p) * n / population.families
    assert np.all(np.abs(counts - n * p) < 5 * np.sqrt(variance) + 5)
    assert abs(population.log_partition - exact.log_z) < 5 / np.sqrt(population.families)


def test_single_steps_leave_the_mixture_as_it_is():
    """Along three steps, whose moves must have bases that are drawn at the end of each: the mean of Z over 500,000
    chains is exact within five standard errors. Of bases drawn at the start of each it is off by seven."""
    rng = np.random.default_rng(0)
    rbm = fr.RBM(rng.normal(0, 2, (5, 2)), rng.normal(0, 1, 5), rng.normal(size=2))
    bases = rng.normal(0, 4, (2, 5))
    runs = [fr.population_annealing(rbm, 100_000, 3, seed=seed, modes=bases) for seed in range(5)]
    error = np.sqrt(np.mean([run.standard_error**2 for run in runs]) / len(runs))
    assert abs(np.mean([run.log_partition for run in runs]) - fr.likelihood.exact(rbm).value) < 5 * error


def test_wrong_norms_would_be_seen(monkeypatch):
    """The test above can fail: bases whose sums are taken for 1."""
    before = annealing._Mixture._fields
    monkeypatch.setattr(annealing._Mixture, "_fields", lambda self, v: before(self, v) + np.arange(6))
    with pytest.raises(AssertionError):
        test_any_modes_give_the_model_s_distribution(20_000, 60)


@pytest.mark.parametrize("ratio", [1 / 9, 4.0])
def test_modes_of_spins_and_categories(ratio):
    """The two modes of a Bernoulli model, as spins (v = (1 + s) / 2) and as sites of two categories."""
    rbm = two_modes(ratio)
    W, b, c = rbm.weights, rbm.visible_bias, rbm.hidden_bias
    spins = fr.RBM(W / 2, b / 2, c + W.sum(axis=0) / 2, visible="spin")
    sites = np.zeros((40, 2), np.float32)
    sites[1::2] = W
    biases = np.zeros(40, np.float32)
    biases[1::2] = b
    pairs = fr.RBM(sites, biases, c, visible=fr.units.Categorical(20, 2))
    for model in (rbm, spins, pairs):
        found = [weight_of_on(model.sample(500, 200, seed=seed) > 0) for seed in range(4)]
        # 4 x 500 samples of at least 200 families each
        assert abs(np.mean(found) - ratio / (1 + ratio)) < 0.05 / np.sqrt(4) + 0.05  # 0.05: what two_modes promises


def test_far_modes_are_found():
    """Two prototypes of 784 units, of which temperatures alone lead to one."""
    data, prototypes = mixture(2, 784, n=500)
    rbm = trained(data, 6, fr.gradient.Exact(), fr.optim.SGD(fr.optim.Linear(0.05, 0.0)), epochs=60, batch_size=50)
    truth = exact_weights(rbm, prototypes, 20_000)
    assert truth.min() > 0.2
    plain = weights_of(fr.population_annealing(rbm, 300, seed=0).visible.to_states(), prototypes)
    found = weights_of(rbm.sample(300, 100, seed=0), prototypes)
    assert abs(plain[0] - truth[0]) > 0.2 and abs(found[0] - truth[0]) < 4 * np.sqrt(0.25 * (1 / 100 + 1 / 300))


def test_given_a_clamp_and_beta():
    """p(free | clamped) at beta, of units of all types, by the model's own enumeration; modes and tempered alike."""
    u = fr.units
    rng = np.random.default_rng(5)
    rbm = fr.RBM(rng.normal(0, 1.2, (4 * 3 + 3 + 2, 5)), rng.normal(size=17), rng.normal(size=5),
                 visible=[u.Categorical(4, 3), u.Bernoulli(3), u.Spin(2)])  # fmt: skip
    clamp = np.array([2, np.nan, np.nan, 0, 1, np.nan, np.nan, -1, np.nan])
    beta, n = 1.4, 10_000
    free = [1, 2, 5, 6, 8]
    grid = np.array(np.meshgrid(range(3), range(3), range(2), range(2), (-1, 1), indexing="ij")).reshape(5, -1).T
    states = np.repeat(clamp[None], len(grid), axis=0)
    states[:, free] = grid
    hot = fr.RBM(beta * rbm.weights, beta * rbm.visible_bias, beta * rbm.hidden_bias, visible=rbm.visible)
    log_p = -hot.free_energy(states.astype(int))
    p = np.exp(log_p - np.logaddexp.reduce(log_p))
    for method in (None, "annealed", "tempered"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            drawn = rbm.sample(n, 60, seed=1, clamp=clamp, beta=beta, method=method)
        assert (drawn[:, ~np.isnan(clamp)] == clamp[~np.isnan(clamp)]).all()
        place = (drawn[:, None, free] == grid[None]).all(axis=2).argmax(axis=1)
        counts = np.bincount(place, minlength=len(grid))
        # families, or states of one tempered chain, make counts other than multinomial: 9 times the variance at most
        assert np.all(np.abs(counts - n * p) < 4 * 3 * np.sqrt(n * p * (1 - p)) + 5)
    full = rbm.sample(1, seed=2)[0]
    for method in (None, "annealed", "tempered"):
        assert (rbm.sample(3, clamp=full, method=method) == full).all()


def test_a_clamp_leaves_two_modes_their_weights():
    """One unit more, which does not matter, clamped; plain chains would stay in the mode that they start in."""
    rbm = two_modes(4.0)
    more = fr.RBM(np.concatenate([rbm.weights, np.zeros((1, 2))]), np.append(rbm.visible_bias, 0.3), rbm.hidden_bias)
    clamp = np.append(np.full(20, np.nan), 1.0)
    found = [weight_of_on(more.sample(500, 50, seed=seed, clamp=clamp)[:, :20]) for seed in range(5)]
    assert abs(np.mean(found) - weight_of_on(fr.population_annealing(rbm, 20_000).visible.to_states())) < 0.06
    plain = weight_of_on(more.sample(500, 50, clamp=clamp, method="gibbs")[:, :20])
    assert abs(plain - 0.8) > 0.15


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1)])
def test_edges(shape):
    rbm = random_rbm(*shape, seed=1)
    for method in (None, "annealed", "tempered", "gibbs"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for n, n_sweeps in ((1, 1), (3, 2), (2, 0), (0, 3)):
                assert rbm.sample(n, n_sweeps, method=method).shape == (n, shape[0])
                assert rbm.sample(n, n_sweeps, method=method, beta=0.0).shape == (n, shape[0])
    assert modes.mode_biases(rbm, 1).shape[1] == shape[0]


def test_tempered_samples_know_the_modes_or_warn():
    rbm = two_modes(4.0)
    found = [weight_of_on(rbm.sample(300, 1000, seed=seed, method="tempered")) for seed in range(4)]
    truth = weight_of_on(fr.population_annealing(rbm, 20_000).visible.to_states())
    assert abs(np.mean(found) - truth) < 0.1  # four runs of hundreds of round trips
    with pytest.warns(UserWarning, match=r"tempered chains made \d+ round trips. More sweeps"):
        rbm.sample(10, 20, method="tempered")


def test_tempered_samples_cost_no_more_than_plain_ones(monkeypatch):
    """Sweeps of all temperatures together: those of n chains of n_sweeps sweeps."""
    rbm, swept = two_modes(1.0), []
    before = tempering.TemperedChains.sweep

    def counted(chains, n_sweeps=1, n_threads=None):
        assert n_sweeps > 0  # no state is taken twice
        swept.append(chains.n_states * n_sweeps)
        before(chains, n_sweeps, n_threads)

    monkeypatch.setattr(tempering.TemperedChains, "sweep", counted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n_sweeps in (1, 2, 5, 10):
            assert len(rbm.sample(30, n_sweeps, method="tempered")) == 30
    for n, n_sweeps in ((300, 200), (1, 1000), (30, 500)):
        swept.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rbm.sample(n, n_sweeps, method="tempered")
        assert 0.5 * n * n_sweeps <= sum(swept) <= 1.3 * n * n_sweeps


# ---------------------------------------------------------------- slow: twenty seeds each


@pytest.mark.slow
def test_coin(monkeypatch):
    data, states = coin()
    rbm = trained(data, 10, fr.gradient.Tempered(64, 6), epochs=200)
    worst, warned = audit(rbm, exact_weights(rbm, states), lambda v: weights_of(v, states), monkeypatch=monkeypatch)
    assert worst < 4 and warned == 0


@pytest.mark.parametrize("temperature", [2.0, 1.5, 1.0])
@pytest.mark.parametrize("n", [100, 1000])
@pytest.mark.slow
def test_both_signs_of_ising(temperature, n, monkeypatch):
    rbm, _ = torus(8, 1 / temperature)
    worst, warned = audit(rbm, np.array([0.5, 0.5]), signs, n, monkeypatch=monkeypatch)
    assert worst < 4 and warned <= SEEDS * (0.2 if n == 1000 else 1)


@pytest.mark.parametrize("n_modes, n_visible", [(2, 64), (2, 784), (4, 64), (4, 256), (8, 64), (8, 256), (8, 784)])
@pytest.mark.slow
def test_mixtures(n_modes, n_visible, monkeypatch):
    data, prototypes = mixture(n_modes, n_visible)
    rate = fr.optim.SGD(fr.optim.Linear(0.1 if n_visible < 500 else 0.05, 0.0))
    rbm = trained(data, 10 if n_modes == 8 else 8, fr.gradient.Exact(), rate, epochs=60, batch_size=100)
    truth = exact_weights(rbm, prototypes)
    worst, warned = audit(rbm, truth, lambda v: weights_of(v, prototypes), monkeypatch=monkeypatch)
    assert worst < 4 and warned <= 1


# ---------------------------------------------------------------- slow: after default training


@pytest.mark.parametrize(
    "n_modes, n_visible, n_seeds", [(0, 10, 20), (2, 64, 10), (3, 64, 10), (4, 100, 10), (8, 64, 10), (2, 256, 3)]
)
@pytest.mark.slow
def test_default_training_is_right_or_warns(n_modes, n_visible, n_seeds):
    """Of default trainings of 12 hidden units: the weights of modes are within 0.25 of the data's in total variation,
    or there is a TrainingWarning, which is of more than 0.2, as far as samples tell."""
    for seed in range(n_seeds):
        data, prototypes = mixture(n_modes, n_visible, seed) if n_modes else coin()
        rbm = fr.RBM.from_data(data, 12, seed=seed)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fr.fit(rbm, data, seed=seed, n_threads=1)
        apart = 0.5 * np.abs(exact_weights(rbm, prototypes, 20_000) - weights_of(data, prototypes)).sum()
        assert apart < 0.25 or any(issubclass(w.category, fr.TrainingWarning) for w in caught), seed
