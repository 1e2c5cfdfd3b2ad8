"""Truncated normal numbers: the same bits at every level, and right in both tails."""

import math

import numpy as np
import pytest
from helpers import modules

from fastrbm import reference
from fastrbm._core import floatmath

MODULES = modules()
EPS = 2.0**-52
EXTREME = [0.0, -0.0, 5.0, np.nextafter(5.0, 0.0), -8.3, 1e8, -1e8, 37.7, -37.7, 1e-300, -1e-300, 5e-324, 1e4, -1e4]
U = [2.0**-53, 1e-15, 1e-9, 1e-4, math.exp(-1.0), 0.4999, 0.5, 0.5001, 0.9995, 0.9999, 1 - 1e-9, 1 - EPS, 1 - EPS / 2]
BEYOND = [1.0, 1.0 + EPS]  # what is left of a uniform number on one of two sides may round to these


def arguments(n, seed=0):
    """n of a, both signs and all sizes, the extreme ones among them, and of u."""
    rng = np.random.default_rng(seed)
    a = np.where(rng.random(n) < 0.7, rng.normal(0, 4, n), rng.choice([-1.0, 1.0], n) * 10.0 ** rng.uniform(-8, 8, n))
    small = 2.0 ** rng.uniform(-53, -1, n)
    u = np.where(
        rng.random(n) < 0.5, rng.uniform(2.0**-53, 1 - EPS, n), np.where(rng.random(n) < 0.5, small, 1 - small)
    )
    pairs = np.array([(x, v) for x in EXTREME for v in (*U, *BEYOND)])
    k = min(n, len(pairs))
    a[:k], u[:k] = pairs[:k].T
    return a, u


def results(module, a, u):
    """All that a module makes of them."""
    moments, draws, normals = np.full((3, len(a)), np.nan), np.full(len(a), np.nan), np.full(len(a), np.nan)
    module.truncated_moments(a, moments)
    module.truncated_draws(u, a, draws)
    module.normal_draws(u, normals)
    return moments, draws, normals


def draws(u, a):
    out = np.empty(len(a))
    floatmath.kernels.truncated_draws(np.asarray(u, np.float64), np.asarray(a, np.float64), out)
    return out


def normals(t):
    out = np.empty(len(t))
    floatmath.kernels.normal_draws(np.asarray(t, np.float64), out)
    return out


@pytest.mark.parametrize("level", MODULES)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 8, 9, 5000])
def test_the_bits_are_those_of_the_reference(level, n):
    a, u = arguments(n)
    for got, expected in zip(results(MODULES[level], a, u), results(reference, a, u), strict=True):
        assert np.array_equal(got.view(np.int64), expected.view(np.int64))


def test_a_number_s_place_does_not_matter():
    """Branches are taken by whole vectors; lanes that do not need them must not notice."""
    a, u = arguments(4000)
    alone = np.concatenate([draws(u[k : k + 1], a[k : k + 1]) for k in range(len(a))])
    assert np.array_equal(draws(u, a), alone)
    alone = np.concatenate([normals(u[k : k + 1]) for k in range(len(a))])
    assert np.array_equal(normals(u), alone)


def test_any_shape():
    a = np.arange(24.0).reshape(4, 6)
    whole = floatmath.truncated(a)
    for x, y in zip(whole, floatmath.truncated(a[:, ::2].T), strict=True):
        assert x.shape == (4, 6) and y.shape == (3, 4) and np.array_equal(x[:, ::2].T, y)
    assert [x.shape for x in floatmath.truncated(np.empty((0, 3)))] == [(0, 3)] * 3
    assert [float(x) for x in floatmath.truncated(np.array(2.0))] == [x[0, 2] for x in whole]


class Exact:
    """R, D and 1 - a D, and the tail Q, to 60 digits or more."""

    def __init__(self, mp, a):
        a = mp.mpf(a)
        if a < 30:
            with mp.workdps(100):
                self.mills = mp.sqrt(mp.pi / 2) * mp.exp(a * a / 2) * mp.erfc(a / mp.sqrt(2))
                self.mean = 1 / self.mills - a
                self.second = 1 - a * self.mean
        else:  # Laplace's continued fraction, D = 1 / (a + 2 / (a + 3 / (a + ..
            rest = mp.mpf(0)
            for k in range(200, 1, -1):
                rest = k / (a + rest)
            self.mean, self.second = 1 / (a + rest), rest / (a + rest)
            self.mills = 1 / (a + self.mean)
        self.log_mills = mp.log(self.mills)
        self.log_tail = self.log_mills - a * a / 2 - mp.log(2 * mp.pi) / 2


@pytest.fixture
def mp():
    module = pytest.importorskip("mpmath").mp
    with module.workdps(60):
        yield module


GRID = [-1e8, -1e3, -40.0, -37.6, -20.0, -8.0, -3.0, -1.0, -0.25, -1e-3, -1e-9, 0.0, 1e-9, 1e-3, 0.1, 0.3, 0.5, 1.0,
        2.3, 4.0, 6.3, 7.7, 10.0, 17.0, 30.0, 100.0, 1e3, 1e4, 1e6, 1e8]  # fmt: skip


def test_values_against_mpmath(mp):
    """D and E x^2 to 1e-14, of which the fit takes 6e-15. log R is half a^2 and a logarithm, both rounded."""
    for a, log_mills, mean, second in zip(GRID, *floatmath.truncated(np.array(GRID)), strict=True):
        exact = Exact(mp, a)
        assert abs(log_mills - exact.log_mills) <= 1e-14 + 2e-16 * a * a, a
        assert abs(mean / exact.mean - 1) < 1e-14, a
        assert abs(second / exact.second - 1) < 1e-14, a


def test_values_everywhere_against_mpmath(mp):
    a = np.concatenate([np.linspace(-10, 12, 150), 10.0 ** np.linspace(1, 8, 30)])
    for x, log_mills, mean, second in zip(a, *floatmath.truncated(a), strict=True):
        exact = Exact(mp, x)
        assert abs(log_mills - exact.log_mills) <= 1e-14 + 2e-16 * x * x, x
        assert abs(mean / exact.mean - 1) < 1e-14 and abs(second / exact.second - 1) < 1e-14, x


def test_derivatives():
    """d log R / da = -D and dD / da = D (D + a) - 1, whence E x^2 = 1 - a D = D^2 - dD/da. Central differences err by
    h^2 / 6 times the third derivative, which is below 1, and by the rounding of the values, over h."""
    a, h = np.linspace(-12.0, 40.0, 400), 2.0**-12
    up, down, here = (floatmath.truncated(x) for x in (a + h, a - h, a))
    size = 1.0 + np.abs(here[0])
    assert np.all(np.abs((up[0] - down[0]) / (2 * h) + here[1]) < h * h / 6 + 4 * EPS * size / h)
    slope = (up[1] - down[1]) / (2 * h)
    assert np.all(np.abs(here[1] ** 2 - slope - here[2]) < h * h / 6 + 8 * EPS * (1.0 + np.abs(a)) / h)


def test_expansions_of_the_tail():
    """D = 1/a - 2/a^3 + 10/a^5 - .. and E x^2 = 2/a^2 - 10/a^4 + 74/a^6 - ..: each sum is within its next term."""
    a = 10.0 ** np.linspace(1.5, 8, 50)
    log_mills, mean, second = floatmath.truncated(a)
    assert np.all(np.abs(mean * a - (1 - 2 / a**2)) < 10 / a**4 + 1e-14)
    assert np.all(np.abs(second * a**2 / 2 - (1 - 5 / a**2)) < 37 / a**4 + 1e-14)
    assert np.all(np.abs(log_mills + np.log(a) + 1 / a**2) < 2.5 / a**4 + 4 * EPS * (1 + np.log(a)))


def test_normal_quantiles_against_mpmath(mp):
    """Each lies where it should to 4e-13: an error of its logarithm, over the slope of that, the hazard 1/R."""
    t = np.exp(-np.concatenate([np.linspace(1e-3, 1, 40), np.linspace(1, 53, 100)]))
    for x, y in zip(t, normals(t), strict=True):
        exact = Exact(mp, y)
        assert abs(float((exact.log_tail - mp.log(mp.mpf(x))) * exact.mills)) < 4e-13, x


def test_normal_quantiles_of_t_near_one(mp):
    t = 1.0 - 2.0 ** np.linspace(-53, -0.5, 100)
    for x, y in zip(t, normals(t), strict=True):
        exact = Exact(mp, -y)
        assert abs(float((exact.log_tail - mp.log(1 - mp.mpf(x))) * exact.mills)) < 4e-13, x
    assert normals([0.5])[0] == pytest.approx(0.0, abs=4e-13)
    assert np.array_equal(normals(BEYOND), normals([1 - EPS / 2] * 2))


@pytest.mark.parametrize("a", [-1e4, -40.0, -8.3, -8.0, -3.0, 0.0, 1.0, 4.99, 5.0, 7.7, 10.0, 30.0, 100.0, 1e6, 1e8])
def test_quantiles_invert_the_tail(mp, a):
    """log Q(a + x) - log Q(a) = log u. What is left over, times R(a + x), is the error of x: relative where a >= 5."""
    u = np.concatenate([1.0 - 2.0 ** np.linspace(-53, -3, 20), np.exp(-np.linspace(0.2, 36, 25)), [2.0**-53]])
    at = Exact(mp, a)
    for v, x in zip(u, draws(u, np.full(len(u), a)), strict=True):
        beyond = Exact(mp, mp.mpf(a) + mp.mpf(x))
        left = a * mp.mpf(x) + mp.mpf(x) ** 2 / 2 + at.log_mills - beyond.log_mills + mp.log(mp.mpf(v))
        if a >= 5:
            assert abs(float(left * beyond.mills)) < 1e-10 * x, v
        else:  # y errs by 4e-13, y - a is rounded; and Q(a) errs by 3e-15 for that of a^2 / 2, and some roundings
            assert abs(float(left)) < (4e-13 + EPS * abs(a)) / float(beyond.mills) + 1e-14, v


def test_quantiles_fall_as_u_rises():
    """By more than they err."""
    u = np.exp(-(10.0 ** np.linspace(-3, math.log10(36.7), 3000)))
    for a in (-20.0, -8.3, -2.0, 0.0, 3.0, 4.9999, 5.0, 20.0, 1e3, 1e8):
        assert np.all(np.diff(draws(u, np.full(3000, a))) > 0), a
    assert np.all(np.diff(normals(u)) > 0)


def test_both_ways_agree_where_they_meet():
    """Below 5 quantiles are differences y - a, from there on excesses."""
    u = np.exp(-np.concatenate([10.0 ** np.linspace(-8, 0, 40), np.linspace(1, 36.7, 60)]))
    below, beyond = draws(u, np.full(100, np.nextafter(5.0, 0.0))), draws(u, np.full(100, 5.0))
    assert np.abs(below - beyond).max() < 1e-11


def test_nearly_all_of_the_normal_distribution():
    """Q(a) is 1 to 1e-16 below -8.3, so that y is a quantile of all."""
    a = -np.concatenate([np.linspace(8.31, 50.0, 100), 10.0 ** np.linspace(2, 8, 100)])
    for u in (2.0**-53, 0.03, 0.6, 0.999):
        assert np.array_equal(draws(np.full(200, u), a), normals([u]) - a)


@pytest.mark.parametrize("a", [5.0, 10.0, 30.0, 100.0, 1e4])
def test_exponential_limit(a):
    """With w = -log u, a x + x^2 / 2 <= w <= (a + 1/a) x + x^2 / 2, as 0 < D < 1/a: so a x -> w."""
    u = np.linspace(0.001, 0.999, 400)
    log_u, x = np.log(u), draws(u, np.full(400, a))
    low = a * x + x * x / 2
    assert np.all(low <= -log_u * (1 + 1e-10)) and np.all(-log_u <= (low + x / a) * (1 + 1e-10))
    assert np.all(np.abs(a * x / -log_u - 1) < (1.0 - log_u) / a**2)


def test_moments_of_the_quantiles():
    """Their mean over u is D, and that of their squares 1 - a D, by the midpoint rule with n cells. The exponential
    distribution, the limit, has the heaviest tail. Its quantile, -log u, has relative errors of log(2) / (2 n), by
    Stirling's formula, and of about log(n) / (2 n)."""
    n = 4000
    u = (np.arange(n) + 0.5) / n
    for a in (-9.0, -8.2, -1.0, 0.0, 2.0, 4.9, 5.1, 50.0):
        x = draws(u, np.full(n, a))
        _, mean, second = (float(v) for v in floatmath.truncated(np.array(a)))
        assert x.mean() == pytest.approx(mean, rel=1 / n)
        assert (x * x).mean() == pytest.approx(second, rel=math.log(n) / n)


def test_extreme_arguments():
    pairs = np.array([(x, v) for x in EXTREME for v in (*U, *BEYOND)])
    a, u = np.ascontiguousarray(pairs.T)
    for values in (*results(floatmath.kernels, a, u), draws(u, a)):
        assert np.isfinite(values).all()
    assert np.all(draws(u, a) >= 0)
    assert draws([1 - EPS / 2], [1e8])[0] == pytest.approx(EPS / 2 * 1e-8, rel=1e-9)
    assert draws([math.exp(-1.0)], [-1e8])[0] == pytest.approx(1e8 + 0.3375, abs=1e-4)
