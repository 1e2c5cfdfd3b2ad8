"""The numbers behind the kernels: activation, softplus, logarithm, and the distribution of what is drawn.

The kernels equal the reference implementation bit for bit (test_kernels.py), so accuracy is tested on that.
"""

import math
from fractions import Fraction

import numpy as np
import pytest
from helpers import BINARY, LEVELS, modules, pack, tiles_for

from fastrbm import reference
from fastrbm._core import floatmath
from fastrbm._core.parameters import exponent

# a field times 1 / log 2 is rounded once, and the constant was: both errors are relative to the field's size
A_FIELDS_ERROR = 2.0**-24 + abs(float(np.float32(1.44269504)) * math.log(2) - 1)


def test_exp_is_as_good_as_its_argument():
    """The polynomial is within 1e-7, its evaluation adds about a unit in the last place."""
    x = np.concatenate([np.linspace(-87, 0, 200_001), -np.geomspace(1e-30, 1, 1000)]).astype(np.float32)
    exact = np.exp(x.astype(np.float64))
    error = np.abs(reference.exp_negative(x) / exact - 1)
    assert (error < 2e-7 + A_FIELDS_ERROR * np.abs(x)).all()
    assert reference.exp_negative(np.zeros(1, np.float32)) == 1


def test_probability_is_accurate_in_both_tails():
    x = np.concatenate([np.linspace(-80, 80, 100_001), [0.0, -0.0]]).astype(np.float32)
    q = 1 / (1 + np.exp(np.abs(x.astype(np.float64))))
    # exp, then two roundings of 2^-24 each
    error = np.abs(reference.less_likely(x) / q - 1)
    assert (error < 2e-7 + A_FIELDS_ERROR * np.abs(x) + 2 * 2.0**-24).all()
    assert reference.less_likely(x).max() == 0.5
    exact = 1 / (1 + np.exp(-x.astype(np.float64)))
    assert np.abs(reference.probability(x) - exact).max() < 1.5 * 2.0**-24 + 1e-7
    assert np.abs(reference.fixed_probability(x) * 2.0**-22 - exact).max() < 0.5 * 2.0**-22 + 1.2e-7
    assert np.array_equal(reference.fixed_probability(x) + reference.fixed_probability(-x), np.full(x.shape, 2**22))


def test_softplus_against_extended_precision():
    """Relative error of a few units in the last place over the whole range, the tails included."""
    x = np.concatenate([np.linspace(-700, 700, 20_001), np.linspace(-40, 40, 20_001), [0.0, 1e-300, -1e-9]])
    wide = x.astype(np.longdouble)
    exact = np.maximum(wide, 0) + np.log1p(np.exp(-np.abs(wide)))
    relative = np.abs((reference.softplus(x) - exact) / exact).astype(float)
    assert relative.max() < 4 * 2.0**-52
    assert reference.softplus(np.array([1e5]))[0] == 1e5
    assert 0 <= reference.softplus(np.array([-1e5]))[0] < 1e-300


def test_softplus_has_no_shortcut():
    """No peer's cut softplus(x) = x from 10 on: that is 4.5e-5 wrong there."""
    x = np.array([10.0, 20.0, 30.0])
    assert np.all(reference.softplus(x) > x)
    assert reference.softplus(x)[0] - 10 == pytest.approx(4.539889921682063e-05, rel=1e-10)


def test_log():
    x = np.geomspace(1e-12, 1e12, 10_001)
    assert np.abs(reference.log(x) - np.log(x)).max() < 4 * 2.0**-52 * 28


@pytest.mark.parametrize("largest_sum", [1e-40, 1e-9, 0.1, 1.0, 78.4, 1e8, 1e30])
@pytest.mark.parametrize("n_in", [1, 784, 100_000])
def test_exponent_is_the_finest_that_is_safe(largest_sum, n_in):
    e = exponent(largest_sum, n_in)
    worst = Fraction(largest_sum) * Fraction(2) ** e + Fraction(n_in, 2)
    assert worst <= 2**31 - 1
    if e < 60:
        assert Fraction(largest_sum) * Fraction(2) ** (e + 1) > 2**31 - 1 - n_in
    assert exponent(0.0, n_in) == 60


def drawn_fraction(level, field, n_chains=200_000, n_units=64):
    """How often units with this field come on, in n_chains * n_units draws."""
    module = modules()[level]
    bias = np.full(tiles_for(n_units) * 64, field, np.float32)
    layer = module.Layer(np.zeros((tiles_for(n_units), 8, 64), np.float32), 0, bias, n_units, *BINARY)
    planes = np.zeros((1, n_chains), np.uint8)
    out = np.empty((n_units // 8, n_chains), np.uint8)
    module.half_step(planes, layer, None, 20, 0, 1, 1, 0, out, None, None, 2)
    return np.unpackbits(out).mean(dtype=np.float64), n_chains * n_units


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("field", [-11.5, -6.0, -1.0, 0.0, 0.3, 2.0, 11.5])
def test_units_are_drawn_with_the_right_probability(level, field):
    """Five standard errors of a binomial. At +-11.5 the probability is 1.0e-5, below 2^-16: only ties can give it."""
    p = 1 / (1 + math.exp(-field))
    fraction, n = drawn_fraction(level, field)
    assert abs(fraction - p) < 5 * math.sqrt(p * (1 - p) / n)


def test_certain_units_are_certain():
    assert drawn_fraction(LEVELS[-1], 80.0, 20_000)[0] == 1.0
    assert drawn_fraction(LEVELS[-1], -80.0, 20_000)[0] == 0.0
    assert drawn_fraction(LEVELS[-1], 1e30, 1000)[0] == 1.0


def test_draws_of_neighbors_are_uncorrelated():
    """Units of a chain, a unit in neighboring chains, and in neighboring sweeps: correlations within 5 / sqrt(n)."""
    field = np.zeros((20_000, 64), np.float32)
    now = reference.draw(field, 7, 0, 1, 0, 0).astype(np.float64) - 0.5
    later = reference.draw(field, 7, 0, 2, 0, 0) - 0.5
    other = reference.draw(field, 7, 0, 1, 1, 0) - 0.5
    for a, b in ((now[:, 1:], now[:, :-1]), (now[1:], now[:-1]), (now, later), (now, other), (now[:, 8:], now[:, :-8])):
        assert abs(4 * (a * b).mean()) < 5 / math.sqrt(a.size)


def test_pack_is_little_endian():
    assert pack(np.array([[1, 0, 0, 0, 0, 0, 0, 1, 1]], np.uint8)).tolist() == [[129], [1]]


def test_sums_in_one_order(monkeypatch):
    """One term after the other, whatever the layout and the number of rows at a time."""
    x = np.random.default_rng(0).normal(size=(9, 300)).astype(np.float32) * 1e6
    factors = np.random.default_rng(1).normal(size=300)
    expected = np.zeros(9), np.zeros(9)
    for k in range(300):
        expected[0][:] += x[:, k]
        expected[1][:] += x[:, k] * factors[k]
    for numbers in (1, 700, 1 << 20):
        monkeypatch.setattr(floatmath, "_NUMBERS", numbers)
        for layout in (x, np.asfortranarray(x)):
            assert (floatmath.row_sums(layout) == expected[0]).all()
            assert (floatmath.row_sums(layout, factors) == expected[1]).all()
    assert floatmath.total(x[0].astype(np.float64)) == expected[0][0]
