"""Population annealing: every mode has its weight, log Z is right, and the bits are the same everywhere."""

import warnings

import numpy as np
import pytest
from helpers import Enumerated, printed_at_every_level, random_rbm, state_numbers

import fastrbm as fr
from fastrbm.sampling import annealing, modes, resampling


def two_modes(ratio, n_visible=20, weight=3.0):
    """All units off or all on, with weights 1 : ratio; chains of a thousand sweeps do not cross."""
    rbm = fr.RBM(np.full((n_visible, 2), weight), np.full(n_visible, -weight), np.full(2, -weight * n_visible / 2))
    masses = [_mode_mass(rbm, on) for on in (0, 1)]
    shift = (np.log(ratio) - (masses[1] - masses[0])) / n_visible  # of every visible bias
    rbm.set_parameters(visible_bias=rbm.visible_bias + np.float32(shift))
    return rbm


def _mode_mass(rbm, on):
    """The log of the mass of states of which more (or fewer) units are on than off, by the number that is on."""
    n = rbm.n_visible
    log_count = np.cumsum(np.log(np.r_[1, np.arange(n, 0, -1) / np.arange(1, n + 1)]))
    states = np.tril(np.ones((n + 1, n)), -1)
    log_p = log_count - rbm.free_energy(states)
    mine = np.arange(n + 1) > n / 2 if on else np.arange(n + 1) < n / 2
    return float(np.logaddexp.reduce(log_p[mine]))


def weight_of_on(states):
    return float((states.mean(axis=1) > 0.5).mean())


@pytest.mark.parametrize("ratio", [1 / 9, 1.0, 4.0])
def test_modes_have_their_weights(ratio):
    """Over 20 populations, the mean weight of a mode is right within four standard errors, and sample's likewise, where
    plain chains are not."""
    rbm = two_modes(ratio)
    masses = np.array([_mode_mass(rbm, on) for on in (0, 1)])
    truth = 1 / (1 + np.exp(masses[0] - masses[1]))
    assert truth == pytest.approx(ratio / (1 + ratio), abs=0.05)
    found, samples = [], []
    for seed in range(20):
        population = fr.population_annealing(rbm, 500, seed=seed)
        found.append(weight_of_on(population.visible.to_states()))
        samples.append(weight_of_on(rbm.sample(500, 20, seed=seed)))
        # the standard error that the families tell is of the right size: within five of them
        assert abs(found[-1] - truth) < 5 * np.sqrt(truth * (1 - truth) / population.families)
    for weights in (found, samples):
        assert abs(np.mean(weights) - truth) < 4 * np.std(weights, ddof=1) / np.sqrt(20)
    plain = weight_of_on(rbm.sample(500, 1000, method="gibbs"))
    if ratio != 1.0:
        assert abs(plain - truth) > 5 * np.sqrt(truth * (1 - truth) / 500)


def test_the_distribution_is_the_model_s():
    """Every state of a small model with strong weights, against enumeration: chi-squared over 40,000 chains."""
    rbm = random_rbm(6, 4, scale=1.5, seed=3)
    exact = Enumerated(rbm)
    p = np.exp(-rbm.free_energy((np.arange(64)[:, None] >> np.arange(6)) & 1) - exact.log_z)
    n = 40_000
    population = fr.population_annealing(rbm, n, seed=1)
    counts = np.bincount(state_numbers(population.visible.to_states()), minlength=64)
    # systematic resampling and families make counts other than multinomial: variances at most n / families times larger
    variance = n * p * (1 - p) * n / population.families
    assert np.all(np.abs(counts - n * p) < 5 * np.sqrt(variance) + 5)
    assert abs(population.log_partition - exact.log_z) < 5 / np.sqrt(population.families)


def test_without_resampling_the_weights_are_wrong(monkeypatch):
    """The test above would see it."""
    rbm, n = two_modes(4.0), 2000
    for module in (annealing, resampling):
        monkeypatch.setattr(module, "descendants", lambda w, *how: (np.arange(len(w)), 0.0))
    wrong = [weight_of_on(fr.population_annealing(rbm, n, seed=seed).visible.to_states()) for seed in range(3)]
    assert all(abs(w - 0.8) > 0.1 for w in wrong)


@pytest.mark.parametrize("shape", [(1, 1), (9, 70), (130, 3)])
@pytest.mark.parametrize("n", [1, 7, 1030])
def test_same_bits_for_any_threads_and_parts(shape, n, monkeypatch):
    from fastrbm._core import workload

    rbm = random_rbm(*shape, seed=2)
    found = fr.sampling.mode_biases(rbm, seed=4, n_threads=1)
    how = {"n_chains": n, "n_steps": 12, "seed": 4}
    ones = [fr.population_annealing(rbm, **how, n_threads=1, modes=m) for m in (None, found)]
    monkeypatch.setattr(workload, "A_CALL", 1)
    monkeypatch.setattr(annealing, "_NUMBERS", 300)
    monkeypatch.setattr(modes, "_NUMBERS", 300)
    for threads, k in ((2, 0), (3, 0), (2, 1), (3, 1)):
        other = fr.population_annealing(rbm, **how, n_threads=threads, modes=(None, found)[k])
        assert (fr.sampling.mode_biases(rbm, seed=4, n_threads=threads) == found).all()
        one = ones[k]
        assert (other.visible.planes == one.visible.planes).all()
        assert other.log_partition == one.log_partition and other.families == one.families


EXPECTED = "e99a22ef6a265f737e32a8366cc31e6e30356c66d4b286fd644463905d10a147"  # on any machine: see test_fit.py


def test_same_bits_at_every_level():
    script = (
        "import fastrbm as fr, hashlib; rbm = fr.RBM.from_data(fr.datasets.load_digits(), 16, seed=1, weight_scale=1)\n"
        "p = fr.population_annealing(rbm, 300, 20, seed=2); s = rbm.sample(33, 40, seed=2)\n"
        "t = rbm.sample(33, 40, seed=2, method='tempered')\n"
        "d = hashlib.sha256(p.visible.planes.tobytes() + s.tobytes() + t.tobytes() + p.log_partition.hex().encode())\n"
        "print(d.hexdigest())"
    )
    assert printed_at_every_level(script) == {EXPECTED}


def test_sample_warns_where_modes_are_weighed_by_chance():
    hard = random_rbm(60, 60, scale=4.0)
    with pytest.warns(UserWarning, match=r"sample: the weight of a mode is known to \+-0\.\d+ only") as caught:
        hard.sample(64, 30, seed=0)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        two_modes(1.0).sample(500, 200, seed=0)
        hard.sample(64, 5, method="gibbs")


def test_what_sample_starts_from():
    rbm = random_rbm(5, 4, seed=1)
    start = np.zeros((6, 5), np.uint8)
    assert (rbm.sample(6, 3, start=start) == rbm.sample(6, 3, start=start, method="gibbs")).all()
    assert (rbm.sample(6, 0) == rbm.sample(6, 0, method="gibbs")).all()  # no sweeps, no steps
    assert rbm.sample(0, 5).shape == (0, 5)
    for more in ({"start": start}, {"clamp": start}, {"clamp_hidden": np.zeros(4)}, {"beta": np.full(6, 0.5)}):
        assert (rbm.sample(6, 3, **more) == rbm.sample(6, 3, method="gibbs", **more)).all()
        for method in ("annealed", "tempered"):
            with pytest.raises(ValueError, match=f"method '{method}' takes no start, no clamped hidden units, and one"):
                rbm.sample(6, 3, method=method, **more)
    with pytest.raises(ValueError, match="method must be one of annealed, tempered, gibbs, got 'Gibbs'"):
        rbm.sample(6, 3, method="Gibbs")


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"path": 3}, TypeError, "path must be an RBM or a Path, not int"),
        ({"n_chains": 0}, ValueError, "n_chains must be at least 1"),
        ({"n_steps": 0}, ValueError, "n_steps must be at least 1"),
        ({"seed": -1}, ValueError, "seed must be"),
        ({"modes": np.zeros((2, 3))}, ValueError, r"modes must have shape \(any, 5\)"),
        ({"modes": np.zeros(5)}, ValueError, r"modes must have shape"),
        ({"base_bias": np.zeros(3)}, ValueError, r"base_bias must have shape \(5,\)"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        fr.population_annealing(**({"path": random_rbm(5, 4)} | arguments))


def test_huge_weights_are_no_fault_of_the_base():
    rbm = fr.RBM(np.full((3, 5), 9e29))
    assert rbm.sample(2, 3).shape == (2, 3)


def test_one_chain_knows_no_error():
    rbm = random_rbm(5, 4, seed=0)
    for bases in (None, np.zeros((1, 5))):
        assert fr.population_annealing(rbm, 1, 5, modes=bases).standard_error == np.inf
        assert 0 <= fr.population_annealing(rbm, 2, 5, modes=bases).standard_error < np.inf


@pytest.mark.parametrize("modes", [None, [[0.5, -0.5, 0.0, 1.0], [-1.0, 0.0, 0.5, 0.5]]])
def test_the_error_is_not_zero_where_each_chain_has_one_descendant(modes):
    """Of nearly equal weights the sizes of families say nothing, but log Z has the spread of the weights."""
    weights = np.random.default_rng(3).normal(0, 0.1, (4, 3))
    rbm = fr.RBM(weights, [0.5, -0.5, 0.0, 0.25])
    exact = fr.likelihood.exact(rbm).value
    for seed in range(20):
        found = fr.population_annealing(rbm, 64, 4, seed, modes=modes)
        assert abs(found.log_partition - exact) < 4.5 * found.standard_error
