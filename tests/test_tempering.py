"""Parallel tempering: swaps leave the exact distribution, broken ones do not; both modes are found; the ladder
adapts."""

import copy
import pickle
import sys

import numpy as np
import pytest
from helpers import Enumerated, logsumexp, random_rbm, state_numbers

import fastrbm as fr

BETAS = [1.0, 0.5, 0.0]


def hot(rbm, beta):
    return Enumerated(fr.RBM(beta * rbm.weights, beta * rbm.visible_bias, beta * rbm.hidden_bias))


def at_equilibrium(kind, rbm, n, betas=BETAS, seed=0):
    """Chains whose states (v, h) are exact draws at every temperature."""
    chains = kind(rbm, n, betas=betas, target_rate=None, seed=seed)
    rng = np.random.default_rng(seed)
    visible, hidden = [], []
    for beta in betas:
        exact = hot(rbm, beta)
        pair = rng.choice(exact.p.size, n, p=exact.p.reshape(-1))
        visible.append(exact.v[pair // len(exact.h)])
        hidden.append(exact.h[pair % len(exact.h)])
    states = (fr.BitMatrix.from_states(np.concatenate(each)) for each in (visible, hidden))
    chains._hold(*states, chains._trip)
    return chains


def worst_drift(kind, rbm, n=40_000, only_swaps=False):
    """The largest ratio of total variation to 4 times its Monte Carlo floor, over temperatures and sweeps."""
    chains, worst = at_equilibrium(kind, rbm, n), 0.0
    for n_sweeps in (1, 3, 12):
        if only_swaps:
            for _ in range(3 * n_sweeps):
                chains._swap(None)
        else:
            chains.sweep(n_sweeps)
        v = chains._visible.to_states().reshape(len(BETAS), n, -1)
        h = chains._hidden.to_states().reshape(len(BETAS), n, -1)
        for k, beta in enumerate(BETAS):
            p = hot(rbm, beta).p.reshape(-1)
            pairs = state_numbers(v[k]) * (1 << rbm.n_hidden) + state_numbers(h[k])
            counts = np.bincount(pairs, minlength=p.size)
            floor = np.sqrt(p * (1 - p) / n).sum() / 2
            worst = max(worst, np.abs(counts / n - p).sum() / 2 / floor / 4)
    return worst


@pytest.mark.parametrize("shape", [(3, 2), (4, 3)])
def test_swaps_leave_the_exact_distribution(shape):
    assert worst_drift(fr.TemperedChains, random_rbm(*shape, scale=1.0, seed=3)) < 1


def test_swaps_alone_leave_the_exact_distribution():
    """No sweep mends what a swap spoils."""
    rbm = random_rbm(4, 3, scale=2.0, seed=3)
    assert worst_drift(fr.TemperedChains, rbm, only_swaps=True) < 1
    assert worst_drift(CarelessSwaps, rbm, only_swaps=True) > 1


class CarelessSwaps(fr.TemperedChains):
    """One swap in ten is made or left at the toss of a coin."""

    def _exchange(self, moved):
        n = len(self)
        careless = np.random.default_rng(self._n_swaps).random(n) < 0.1
        place = np.arange(moved.size).reshape(-1, n)
        first = self._n_swaps % 2
        tossed = place.copy()
        coin = np.random.default_rng([self._n_swaps, 1]).random(n) < 0.5
        tossed[[first, first + 1]] = np.where(coin, tossed[[first + 1, first]], tossed[[first, first + 1]])
        super()._exchange(np.where(careless, tossed, moved.reshape(-1, n)).reshape(-1))


class FreeEnergySwaps(fr.TemperedChains):
    """The fault of rbms 0.6.0: swaps by beta F_1(v), where states (v, h) follow exp(-beta E)."""

    class _Wrong:
        def __init__(self, rbm):
            self.rbm = rbm

        def __getattr__(self, name):
            return getattr(self.rbm, name)

        def energy(self, v, h, n_threads=None):
            return self.rbm.free_energy(v, n_threads)

    def __init__(self, rbm, *arguments, **options):
        super().__init__(rbm, *arguments, **options)
        self._rbm = self._Wrong(rbm)


class EagerSwaps(fr.TemperedChains):
    """Every swap is made."""

    def _swap(self, n_threads):
        n = len(self)
        for bits in (self._visible, self._hidden):
            bits.planes[:, : 2 * n] = np.roll(bits.planes[:, : 2 * n], n, axis=1)


@pytest.mark.parametrize("broken", [FreeEnergySwaps, EagerSwaps])
def test_broken_swaps_fail(broken):
    assert worst_drift(broken, random_rbm(3, 2, scale=1.0, seed=3)) > 1


def bimodal():
    """Twelve visible units all nearly on where the one hidden unit is on, and all nearly off where it is not: with
    probabilities 0.3 and 0.7."""
    W, b, V = 8.0, -4.0, 12
    c = np.log(0.3 / 0.7) - V * (np.logaddexp(0, b + W) - np.logaddexp(0, b))
    return fr.RBM(np.full((V, 1), W), np.full(V, b), [c])


def on(states):
    return float((states.sum(axis=1) > states.shape[1] / 2).mean())


def test_both_modes_are_found_where_plain_chains_stay_in_one():
    rbm = bimodal()
    exact = Enumerated(rbm)
    weight = exact.p_v[exact.v.sum(axis=1) > 6].sum()
    assert 0.29 < weight < 0.31
    n = 4000
    start = np.zeros((n, 12))  # all in the mode of 0.7
    plain = fr.Chains(rbm, n, start=start)
    plain.sweep(300)
    assert on(plain.visible) < 0.05
    chains = fr.TemperedChains(rbm, n, n_betas=8, start=start, seed=1)
    chains.sweep(300)
    # n chains, each worth an independent draw by now; the rate of round trips says that they have been around
    assert abs(on(chains.visible) - weight) < 4 * np.sqrt(weight * (1 - weight) / n)
    assert chains.round_trip_rate * 300 > 5


def test_a_model_trained_with_tempering_has_both_modes():
    """Data of two modes, 0.3 and 0.7: the exact weights of the trained model's modes are the data's. Plain chains get
    them wrong, since they never learn how heavy the mode is that they are not in."""
    truth = Enumerated(bimodal())
    X = truth.sample_visible(2000, seed=0)
    tempered = fr.gradient.Tempered(n_chains=500, n_betas=6, seed=2)
    weights = []
    for gradient in (tempered, fr.gradient.PCD(n_chains=500, seed=2)):
        rbm = fr.RBM.from_data(X, 2, seed=2)
        fr.fit(rbm, X, gradient, fr.optim.SGD(fr.optim.Linear(0.2)), epochs=300, batch_size=500)
        model = Enumerated(rbm)
        weights.append(float(model.p_v[model.v.sum(axis=1) > 6].sum()))
    noise = np.sqrt(0.3 * 0.7 / 500)  # of one estimate by 500 chains; the falling rate averages many
    assert abs(weights[0] - on(X)) < 4 * noise < abs(weights[1] - on(X))
    assert len(tempered.chains.swap_rates) == 5 and tempered.chains.round_trip_rate > 0


def test_the_ladder_adapts_to_the_target():
    rbm = random_rbm(30, 20, scale=0.8, seed=5)
    chains = fr.TemperedChains(rbm, 100, n_betas=6, target_rate=0.4)
    assert np.array_equal(chains.betas, np.linspace(1, 0, 6).astype(np.float32))
    chains.sweep(3000)
    ladder = chains.betas
    assert ladder[0] == 1 and (np.diff(ladder) < 0).all() and ladder[-1] > 0
    fixed = fr.TemperedChains(rbm, 400, betas=ladder, target_rate=None, seed=1)
    fixed.sweep(400)
    # 400 chains x 200 swap attempts: the rates' own noise is far below the 0.05 allowed for an adaptation that is still
    # fading
    assert np.abs(fixed.swap_rates - 0.4).max() < 0.05
    assert np.array_equal(fixed.betas, ladder)


def test_the_adaptation_fades():
    """The n-th swap moves the logarithm of a gap by n^(-3/4) times how far its rate is off."""
    chains = fr.TemperedChains(random_rbm(9, 5), 10, n_betas=4, target_rate=0.3)
    for n, gain in ((1, 1.0), (16, 1 / 8), (256, 1 / 64)):
        before, chains._n_swaps = chains._rungs.log_gaps, n
        chains._adapt(np.array([1]), np.array([0.1]), chains.target_rate)
        assert np.allclose(chains._rungs.log_gaps - before, [0, gain * (0.1 - 0.3), 0], atol=1e-12)


def test_a_ladder_of_ones_own_stays():
    chains = fr.TemperedChains(random_rbm(9, 5), 10, betas=[1.0, 0.5])
    chains.sweep(50)
    assert chains.betas.tolist() == [1.0, 0.5] and chains.target_rate is None


def test_states_are_copies_and_are_checked():
    rbm = random_rbm(9, 5)
    chains = fr.TemperedChains(rbm, 10, n_betas=3, seed=4)
    chains.sweep(3)
    state = chains.get_state()
    kept = {name: np.copy(value) for name, value in state.items()}
    other = fr.TemperedChains(rbm, 10, n_betas=3)
    other.set_state(state)
    chains.sweep(5)
    other.sweep(5)
    assert all(np.array_equal(state[name], kept[name], equal_nan=True) for name in state)
    assert np.array_equal(chains.visible, other.visible) and np.array_equal(chains.betas, other.betas)
    with pytest.raises(ValueError, match=r"the state's trip must be uint8 of shape \(2, 10\)"):
        fr.TemperedChains(rbm, 10, n_betas=2).set_state(state)
    with pytest.raises(ValueError, match="rbm must have 9 visible and 5 hidden units"):
        chains.rbm = random_rbm(9, 4)
    with pytest.raises(TypeError, match="rbm must be an RBM, not int"):
        chains.rbm = 3
    with pytest.raises(ValueError, match="n_threads must be at least 1"):
        chains.sweep(1, n_threads=0)
    other.rbm = rbm.copy()
    chains.sweep(1)
    other.sweep(1)
    assert np.array_equal(chains.visible, other.visible)  # the refused call left no trace


def test_a_ladder_that_reaches_the_bottom_stays_above_0():
    chains = fr.TemperedChains(random_rbm(4, 2, scale=0.1), 50, n_betas=5, target_rate=0.2)
    chains.sweep(200)
    assert (chains.betas >= 0).all() and (chains.betas <= 1).all() and chains.betas[-1] == 0


def test_the_distribution_at_beta_1_while_the_ladder_adapts():
    """From a start far away: the visible distribution at the end is the exact one."""
    rbm, n = random_rbm(4, 3, scale=1.0, seed=6), 50_000
    p = Enumerated(rbm).p_v
    chains = fr.TemperedChains(rbm, n, n_betas=3, seed=4)
    chains.sweep(60)
    counts = np.bincount(state_numbers(chains.visible), minlength=p.size)
    assert np.abs(counts / n - p).sum() / 2 < 4 * np.sqrt(p * (1 - p) / n).sum() / 2


@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
def test_threads_change_nothing(n_threads):
    chains = fr.TemperedChains(random_rbm(70, 33, seed=1), 90, n_betas=4, seed=3, n_threads=n_threads)
    other = fr.TemperedChains(random_rbm(70, 33, seed=1), 90, n_betas=4, seed=3, n_threads=1)
    chains.sweep(7, n_threads=n_threads)
    for _ in range(7):
        other.sweep(1, n_threads=1)
    assert np.array_equal(chains.visible, other.visible) and np.array_equal(chains.hidden, other.hidden)
    assert np.array_equal(chains.betas, other.betas)


def test_one_temperature_is_plain_gibbs():
    rbm = random_rbm(4, 3, scale=1.0, seed=2)
    chains = fr.TemperedChains(rbm, 3, n_betas=1)
    chains.sweep(5)
    assert chains.swap_rates.shape == (0,) and chains.round_trip_rate == 0 and chains.betas.tolist() == [1.0]
    g = fr.gradient.Tempered(n_chains=1, n_betas=1)(rbm, np.eye(4))
    assert g.negative.total == 1 and np.isfinite(g.weights).all()


def test_the_gradient_is_of_the_coldest_chains():
    rbm = random_rbm(9, 5, seed=2)
    X = np.random.default_rng(0).integers(0, 2, (20, 9))
    tempered = fr.gradient.Tempered(n_chains=13, n_betas=3, seed=1)
    for _ in range(3):
        g = tempered(rbm, X)
        expected = fr.Moments.of_data(rbm, tempered.chains.visible)
        assert np.array_equal(g.negative.weights, expected.weights)
        assert np.array_equal(g.negative.hidden, expected.hidden)
    assert np.array_equal(tempered.chains.visible, tempered.chains.visible_bits.to_states())
    assert tempered(rbm.copy(), X) is not None and tempered.chains.n_sweeps_done == 1  # another model, new chains


@pytest.mark.parametrize("K", [2, 3, 6])
@pytest.mark.parametrize("n_sweeps", [5, 20, 100])
def test_round_trips_are_counted_from_the_coldest_to_the_hottest_and_back(K, n_sweeps):
    """Against labels that travel with the states."""
    n = 50
    chains = Watched(random_rbm(4, 3, scale=0.3, seed=3), n, betas=np.linspace(1, 0, K))
    labels, trips = np.arange(K * n), 0
    way = dict.fromkeys(range(n), "down")  # of the states that have been the coldest
    for _ in range(n_sweeps):
        chains.moved = np.arange(K * n)
        chains.sweep(1)
        labels = labels[chains.moved]
        way |= {label: "up" for label in labels[-n:].tolist() if way.get(label) == "down"}
        trips += sum(way.get(label) == "up" for label in labels[:n].tolist())
        way |= dict.fromkeys(labels[:n].tolist(), "down")
    assert chains.round_trip_rate == trips / (n * n_sweeps)
    assert trips > 0 or n_sweeps < 100


class Watched(fr.TemperedChains):
    """Notes which states changed places."""

    moved = None

    def _exchange(self, moved):
        self.moved = moved
        super()._exchange(moved)


def test_swap_probability_follows_the_joint_energies():
    """Rates of one pair against the exact mean of min(1, exp(...)) over both distributions."""
    rbm = random_rbm(3, 2, scale=1.0, seed=8)
    chains = at_equilibrium(fr.TemperedChains, rbm, 100_000, betas=[1.0, 0.25])
    cold, warm = hot(rbm, 1.0), hot(rbm, 0.25)
    energy = Enumerated(rbm).energies.reshape(-1)
    accept = np.minimum(1, np.exp(0.75 * (energy[:, None] - energy[None, :])))
    mean = cold.p.reshape(-1) @ accept @ warm.p.reshape(-1)
    chains.sweep(2)  # one swap attempt of the pair
    assert abs(chains.swap_rates[0] - mean) < 5 * 0.5 / np.sqrt(100_000)
    assert logsumexp(-energy) == pytest.approx(cold.log_z)


def test_ctrl_c_leaves_joint_states_whole():
    """Broken off at any line of an exchange, each place has v, h and the way of one state: here, its number in all
    three."""
    rbm, code = random_rbm(6, 6), fr.TemperedChains._exchange.__code__
    lines = sorted({line for *_, line in code.co_lines() if line and line > code.co_firstlineno})
    assert len(lines) >= 2
    for stop in lines:
        chains = fr.TemperedChains(rbm, 10, n_betas=3)
        number = np.arange(30, dtype=np.uint8)
        chains._rows[:] = number
        moved = np.roll(np.arange(30), 10)

        def break_off(frame, event, argument, stop=stop):
            if frame.f_code is code and event == "line" and frame.f_lineno == stop:
                raise KeyboardInterrupt
            return break_off

        before = sys.gettrace()
        sys.settrace(break_off)
        try:
            with pytest.raises(KeyboardInterrupt):
                chains._exchange(moved)
        finally:
            sys.settrace(before)
        visible, hidden = chains._visible.planes[0], chains._hidden.planes[0]
        assert np.array_equal(visible, hidden) and np.array_equal(np.sort(visible), number)
        if stop == lines[-1]:
            assert np.array_equal(visible, moved)


def test_copies_of_chains_hold_their_own_states():
    chains = fr.TemperedChains(random_rbm(6, 6), 10, n_betas=3)
    chains.sweep(3)
    for other in (copy.deepcopy(chains), pickle.loads(pickle.dumps(chains))):
        again = copy.deepcopy(chains)
        other.sweep(4)
        again.sweep(4)
        assert np.array_equal(other._visible.planes, again._visible.planes)
        assert np.array_equal(other._hidden.planes, again._hidden.planes) and np.array_equal(other._trip, again._trip)
        assert other.round_trip_rate == again.round_trip_rate
        assert np.shares_memory(other._rows, other._trip) and np.shares_memory(other._rows, other._hidden.planes)
        assert not np.shares_memory(other._rows, chains._rows)


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"n_chains": 0}, ValueError, "n_chains must be at least 1"),
        ({"n_betas": 0}, ValueError, "n_betas must be at least 1"),
        ({"betas": [0.9, 0.5]}, ValueError, "betas must start at 1"),
        ({"betas": [1.0, 1.0]}, ValueError, "betas must start at 1 and go down"),
        ({"betas": [1.0, np.nan]}, ValueError, "betas must start at 1 and go down"),
        ({"betas": "hot"}, TypeError, "betas must be an array of numbers"),
        ({"betas": []}, ValueError, "betas must be a sequence of numbers"),
        ({"target_rate": 1.0}, ValueError, "target_rate must be above 0 and below 1"),
        ({"target_rate": "high"}, TypeError, "target_rate must be a number"),
        ({"seed": -1}, ValueError, "seed must be an integer from 0 to"),
    ],
)
def test_bad_arguments(options, error, message):
    with pytest.raises(error, match=message):
        fr.TemperedChains(random_rbm(4, 3), **options)
    with pytest.raises(error, match=message):
        fr.gradient.Tempered(**options)


def test_bad_starts_and_models():
    with pytest.raises(ValueError, match="start must have as many examples as there are chains, 3, got 2"):
        fr.TemperedChains(random_rbm(4, 3), 3, start=np.zeros((2, 4)))
    with pytest.raises(TypeError, match="path must be an RBM or a Path, not int"):
        fr.TemperedChains(3)
