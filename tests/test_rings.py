"""What the tests of categorical units rest on: rings.py and potts.py, against enumeration, published numbers and plain
loops. Nothing of the package is tested here."""

import itertools
import math

import numpy as np
import potts
import pytest
import rings

HIDDEN = ["bernoulli", "spin"]
ALL = [*HIDDEN, *rings.GAMMA]


def brute(ring):
    W, g, c = rings.parameters(ring.g, ring.A, ring.B, ring.bias)
    return potts.Brute([("categorical", (ring.q,) * ring.N)], W, g, c, ring.hidden)


@pytest.mark.parametrize("hidden", ALL)
@pytest.mark.parametrize("N, q", rings.SIZES)
def test_log_partition_of_the_table(N, q, hidden):
    """float32 moves a parameter by 2^-25 of it, and log Z by that times a mean statistic: of real units up to 10 or so
    (gamma E[x^2], W E[x]), and there are N of them."""
    assert abs(rings.Ring.of_test(N, q, hidden, rounded=False).log_z - rings.LOG_PARTITION[hidden][N, q]) < 1e-9
    moved = 1e-6 if hidden in HIDDEN else N * 10 * 2.0**-24
    assert abs(rings.Ring.of_test(N, q, hidden).log_z - rings.LOG_PARTITION[hidden][N, q]) < moved


@pytest.mark.parametrize("hidden", ALL)
def test_first_marginal_of_the_table(hidden):
    ring = rings.Ring.of_test(31, 21, hidden, rounded=False)
    assert abs(ring.sites[0, 0] - rings.FIRST_MARGINAL[hidden]) < 1e-9


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("N, q", [(4, 3), (3, 4), (5, 2), (6, 1)])
def test_rings_against_enumeration(N, q, hidden):
    """Sums of at most 250 x 32 terms of order one, in float64."""
    ring = rings.Ring.of_test(N, q, hidden, rounded=False, strength=1.5)
    exact = brute(ring)
    assert abs(ring.log_z - exact.log_z) < 1e-11
    assert np.abs(ring.log_probability(exact.v) - np.log(exact.p_v)).max() < 1e-11
    for i in range(N):
        pair = exact.marginal([i, (i + 1) % N]).reshape(q, q)
        assert np.abs(ring.pairs[i] - pair).max() < 1e-12
    for ours, theirs in zip(ring.moments, exact.moments(), strict=True):
        assert np.abs(ours - theirs).max() < 1e-12
    X = exact.sample(50, 1)
    for ours, theirs in zip(ring.gradient(X), exact.gradient(X), strict=True):
        assert np.abs(ours - theirs).max() < 1e-12


@pytest.mark.parametrize("hidden", rings.GAMMA)
@pytest.mark.parametrize("N, q", [(4, 3), (3, 4), (5, 2)])
def test_rings_of_real_hidden_units_against_enumeration(N, q, hidden):
    """Of the visible states alone, since hidden ones are summed out by their cgf: <x h> = sum_v p(v) x E[h | v]."""
    ring = rings.Ring.of_test(N, q, hidden, rounded=False, strength=1.5)
    v = np.array(list(itertools.product(range(q), repeat=N)))
    free = ring.free_energies(v)
    log_z = potts.log_sum_exp(-free)
    p = np.exp(-free - log_z)
    assert abs(ring.log_z - log_z) < 1e-11
    x, h = potts.units_of([("categorical", (q,) * N)], v), rings.mean(ring.fields(v), hidden, **ring.options)
    for ours, theirs in zip(ring.moments, ((x * p[:, None]).T @ h, p @ x, p @ h), strict=True):
        assert np.abs(ours - theirs).max() < 1e-12


@pytest.mark.parametrize("hidden", rings.GAMMA)
def test_moments_of_real_units_are_derivatives(hidden):
    """Central differences of step 1e-4: the error is 1e-8 third derivatives, which are below 1 here, and 1e-12."""
    x, step = np.linspace(-4, 4, 33), 1e-4
    up, here, down = (np.array(rings.of_real(x + k * step, hidden)) for k in (1, 0, -1))
    assert np.abs((up[0] - down[0]) / (2 * step) - here[1]).max() < 1e-7
    assert np.abs((up[1] - down[1]) / (2 * step) - (here[2] - here[1] ** 2)).max() < 1e-7


@pytest.mark.parametrize("hidden", HIDDEN)
def test_samples_of_rings(hidden):
    ring, n = rings.Ring.of_test(4, 3, hidden, strength=1.5), 100_000
    exact = brute(ring)
    sample = ring.sample(n, 1)
    assert sample.dtype == np.uint8
    assert potts.total_variation(exact.numbers(sample), exact.p_v) < 4 * potts.floor(exact.p_v, n)


@pytest.mark.parametrize("hidden", ALL)
def test_gradient_of_a_large_ring(hidden):
    """d log Z / d W against a central difference of step 1e-4, whose error is of the order of 1e-8, as is that of log Z
    (400 times 1e-16, a few times) over the step."""
    ring, step = rings.Ring.of_test(136, 5, hidden, rounded=False), 1e-4
    weights, visible, hidden_mean = ring.moments
    assert np.abs(visible.reshape(136, 5).sum(axis=1) - 1).max() < 1e-12
    # each site's units add up to one: so do their moments, to <h>
    assert np.abs(weights.reshape(136, 5, 136).sum(axis=1) - hidden_mean).max() < 1e-12
    for i, a in ((0, 1), (77, 4), (135, 0)):
        for name, place in (("A", i * 5 + a), ("B", (i + 1) % 136 * 5 + a)):
            ends = []
            for sign in (1, -1):
                arrays = {key: getattr(ring, key).copy() for key in "gAB"}
                arrays[name][i, a] += sign * step
                ends.append(rings.Ring(**arrays, bias=ring.bias, hidden=hidden, rounded=False).log_z)
            assert abs((ends[0] - ends[1]) / (2 * step) - weights[place, i]) < 1e-7


def test_moments_far_apart():
    """E[x h] of sites that are no ends of the pair, by exact samples, within 6 standard errors of 1/2 at most."""
    ring, n = rings.Ring.of_test(31, 21), 20_000
    sampled, exact = ring.data_moments(ring.sample(n, 3))[0], ring.moments[0]
    assert (np.abs(sampled - exact) < 6 * np.sqrt(exact / n) + 20 / n).all()


def test_homogeneous_ring():
    (W, g, c), log_z, agree = rings.homogeneous(31, 21, 1.7, -2.0)
    assert W.shape == (651, 651) and abs(log_z - 204.803064747) < 1e-9 and abs(agree - 0.0865032888) < 1e-10
    (W, g, c), log_z, agree = rings.homogeneous(3, 3, 1.7, -2.0)
    exact = potts.Brute([("categorical", (3, 3, 3))], W, g, c)
    assert abs(exact.log_z - log_z) < 1e-11
    alike = (exact.v == np.roll(exact.v, -1, axis=1)).mean(axis=1)
    assert abs(exact.p_v @ alike - agree) < 1e-12


def test_brute_force_against_loops():
    """Every number of a small mixed model by sums written out."""
    segments = [("spin", 1), ("categorical", (3, 2)), ("bernoulli", 1)]
    W, b, c = potts.parameters(segments, 2, seed=3)
    exact = potts.Brute(segments, W, b, c, "spin")
    states = list(itertools.product((-1, 1), range(3), range(2), (0, 1)))
    assert [tuple(v) for v in exact.v] == states
    weight, pairs, z = {}, np.zeros((7, 2)), 0.0
    for s, a, d, t in states:
        x = [s, *(float(a == k) for k in range(3)), *(float(d == k) for k in range(2)), t]
        for h in itertools.product((-1, 1), repeat=2):
            energy = -sum(x[i] * W[i, j] * h[j] for i in range(7) for j in range(2))
            energy -= sum(x[i] * b[i] for i in range(7)) + sum(c[j] * h[j] for j in range(2))
            weight[s, a, d, t] = weight.get((s, a, d, t), 0.0) + math.exp(-energy)
            pairs += math.exp(-energy) * np.outer(x, h)
            z += math.exp(-energy)
    p = np.array([weight[state] / z for state in states])
    assert abs(exact.log_z - math.log(z)) < 1e-12 and np.abs(exact.p_v - p).max() < 1e-13
    assert np.abs(exact.moments()[0] - pairs / z).max() < 1e-13
    row = np.array([[1, 2, 0, 1]])
    site = [weight[1, k, 0, 1] for k in range(3)]
    assert abs(exact.conditional(row, [1])[0] - math.log(site[2] / sum(site))) < 1e-12
    missing = np.array([[1, np.nan, 0, np.nan]])
    expected = sum(weight[1, k, 0, t] for k in range(3) for t in (0, 1)) / z
    assert abs(math.exp(exact.log_probability(missing)[0]) - expected) < 1e-12
    others = [[1, 2, 0, 1], [-1, 2, 0, 1]], [[1, 2, 0, 1], [1, 2, 1, 1]], [[1, 2, 0, 1], [1, 2, 0, 0]]
    expected = math.log(site[2] / sum(site))
    expected += sum(math.log(weight[tuple(own)] / (weight[tuple(own)] + weight[tuple(other)])) for own, other in others)
    assert abs(exact.pseudo(row)[0] - expected) < 1e-12
    clamp = [np.nan, 1, np.nan, 0]
    kept = np.array([weight[state] * (state[1] == 1 and state[3] == 0) for state in states])
    assert np.abs(exact.given(clamp) - kept / kept.sum()).max() < 1e-13
    assert exact.sample(3, 0).dtype == np.int16


@pytest.mark.parametrize("hidden", HIDDEN)
def test_gradient_of_brute_force(hidden):
    """Against central differences of step 1e-4 of the weighted log-likelihood: error of the order of 1e-8."""
    segments, step = [("categorical", (3, 2)), ("spin", 1)], 1e-4
    W, b, c = potts.parameters(segments, 3, seed=1)
    exact = potts.Brute(segments, W, b, c, hidden)
    X, weight = exact.sample(30, 2), np.arange(30) % 4
    for k, gradient in enumerate(exact.gradient(X, weight)):
        for place in np.ndindex(gradient.shape):
            ends = []
            for sign in (1, -1):
                moved = [array.copy() for array in (W, b, c)]
                moved[k][place] += sign * step
                ends.append(potts.Brute(segments, *moved, hidden).log_likelihood(X, weight))
            assert abs((ends[0] - ends[1]) / (2 * step) - gradient[place]) < 1e-7


def drift(exact, draw, n=100_000, n_sweeps=3):
    """Total variation over its floor after sweeps of plain NumPy from exact samples."""
    rng, v = np.random.default_rng(5), exact.sample(n, 4)
    for _ in range(n_sweeps):
        v = exact.sweep(v, rng, draw)
    return potts.total_variation(exact.numbers(v), exact.p_v) / potts.floor(exact.p_v, n)


def one_uniform_for_all_chains(p, rng):
    return (np.cumsum(p, axis=1) < rng.random()).sum(axis=1).clip(max=p.shape[1] - 1)


def sign_of_a_difference(p, rng):
    """The 'multinomial' draw of a recommender package: argmax of sign(p - g), one vector g a call."""
    return np.sign(p - rng.random(p.shape[1])).argmax(axis=1)


def off_by_one(p, rng):
    """The last category takes the first one's probability."""
    return potts.draw_category(np.roll(p, 1, axis=1), rng)


def most_probable(p, rng):
    return p.argmax(axis=1)


def rounded_to_a_byte(p, rng):
    return potts.draw_category(np.floor(p * 16) + 1e-9, rng)


def bernoulli_each(p, rng):
    """Each category by itself, and the first one that came."""
    return (rng.random(p.shape) < p).argmax(axis=1)


BROKEN = [
    one_uniform_for_all_chains, sign_of_a_difference, off_by_one, most_probable, rounded_to_a_byte, bernoulli_each
]  # fmt: skip


@pytest.mark.parametrize("hidden", HIDDEN)
def test_what_does_not_drift_and_what_does(hidden):
    """The bound of the tests of no drift, 4 floors: a right sampler stays below it, and broken draws do not."""
    segments = [("categorical", (3, 4)), ("spin", 1)]
    exact = potts.Brute(segments, *potts.parameters(segments, 3, seed=2), hidden)
    assert drift(exact, None) < 4
    for draw in BROKEN:
        assert drift(exact, draw) > 4, draw.__name__
