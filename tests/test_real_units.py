"""Descriptions of real units: their moments against numerical integrals, their grid, their parameters, rows of them."""

import json
import pickle
import warnings

import numpy as np
import pytest

import fastrbm as fr
from fastrbm import units as u
from fastrbm._core import layout, model_file, validate
from fastrbm.units.layer import from_segments

STEP = 2.0**-12
FIELDS = np.array([-50.0, -7.3, -1.0, 0.0, 1e-3, 2.5, 50.0])
SHAPES = [(delta, xi, gamma) for delta in (-5.0, 0.0, 5.0) for xi in (-20.0, 0.0, 0.7, 20.0) for gamma in (0.04, 1, 30)]
NODES, WEIGHTS = np.polynomial.legendre.leggauss(20)

# one of each type, of three units that differ
EACH = [
    u.Gaussian(3, [0.5, 1.0, 4.0], [-3.0, 0.0, 1000.0], [0.1, 1.0, 50.0]),
    u.ReLU(3, [0.5, 1.0, 4.0]),
    u.DReLU(3, [-1.0, 0.0, 2.0], [0.5, 0.0, -3.0], [1.0, 2.0, 0.25]),
]


@pytest.fixture(params=EACH, ids=lambda unit: unit.name)
def unit(request):
    return request.param


# ---------------------------------------------------------------- moments


def half(theta, gamma):
    """(log of the integral, E[x], E[x^2]) of exp(theta x - gamma x^2 / 2) over x >= 0, by Gauss's rule in 40 pieces of
    where it is above e^-50 of its peak."""
    a = -theta / np.sqrt(gamma)
    peak = max(-a, 0.0)
    low, high = max(0.0, peak - 10.0), 10.0 - a if a <= 0 else 100.0 / (a + np.sqrt(a * a + 100.0))
    edges = np.linspace(low, high, 41)
    middle, size = (edges[1:] + edges[:-1]) / 2, (high - low) / 80
    s = (middle[:, None] + size * NODES).reshape(-1)
    height = np.exp(-(a * (s - peak) + (s * s - peak * peak) / 2)) * np.tile(WEIGHTS, 40) * size
    mass = height.sum()
    log = np.log(mass) - a * peak - peak * peak / 2 - np.log(gamma) / 2
    return log, (height * s).sum() / mass / np.sqrt(gamma), (height * s * s).sum() / mass / gamma


def sides_of(theta, delta, xi, gamma):
    """theta_plus, theta_minus, gamma_plus, gamma_minus."""
    eta = xi / (1 + abs(xi))
    return theta + delta / (1 + eta), theta - delta / (1 - eta), gamma / (1 + eta), gamma / (1 - eta)


def expected(theta, delta, xi, gamma):
    """(cgf, E[x], E[x^2], E|x|) of a double ReLU."""
    theta_plus, theta_minus, gamma_plus, gamma_minus = sides_of(theta, delta, xi, gamma)
    plus, minus = half(theta_plus, gamma_plus), half(-theta_minus, gamma_minus)
    cgf = np.logaddexp(plus[0], minus[0])
    p, q = np.exp(plus[0] - cgf), np.exp(minus[0] - cgf)
    return cgf, p * plus[1] - q * minus[1], p * plus[2] + q * minus[2], p * plus[1] + q * minus[1]


def check(unit, field, exact, column):
    """Relative to E|x|, since the two sides may cancel. Float64 has 1e-16 of the logarithms, which are below 2e3 here,
    in either side's weight; the integrals are as exact."""
    cgf, mean, second, size = np.array(exact).T
    found, square = unit.moments_of(field)
    assert np.array_equal(unit.mean_of(field), found)
    assert (np.abs(unit.cgf(field)[:, column] - cgf) < 1e-12 * (1 + np.abs(cgf))).all()
    assert (np.abs(found[:, column] - mean) < 2e-11 * size).all()
    assert (np.abs(square[:, column] - second) < 2e-11 * second).all()


@pytest.mark.parametrize("parameters", SHAPES)
def test_double_relu_against_integrals(parameters):
    unit = u.DReLU(2, *([0.1, x] for x in parameters[:2]), [0.5, parameters[2]])
    delta, xi, gamma = unit.delta[1], unit.xi[1], unit.gamma[1]  # float32
    exact = [expected(field, float(delta), float(xi), float(gamma)) for field in FIELDS]
    check(unit, np.stack([np.ones(7), FIELDS], axis=1), exact, 1)


@pytest.mark.parametrize("gamma", [2.0**-8, 0.3, 1.0, 2.0**12])
def test_relu_and_gaussian_against_integrals(gamma):
    gamma = float(np.float32(gamma))
    relu = [half(field, gamma) for field in FIELDS]
    check(u.ReLU(1, gamma), FIELDS[:, None], [(*each, each[1]) for each in relu], 0)
    check(u.Gaussian(1, gamma), FIELDS[:, None], [expected(field, 0.0, 0.0, gamma) for field in FIELDS], 0)


@pytest.mark.parametrize(
    "field, delta, xi, gamma", [(0.3, 1.5, 0.5, 1.0), (-50.0, 5.0, -20.0, 2.0), (4.0, -5.0, 20.0, 0.1)]
)
def test_integrals_against_mpmath(field, delta, xi, gamma):
    """That the integrals above are right."""
    mpmath = pytest.importorskip("mpmath")
    mpmath.mp.dps = 40
    theta_plus, theta_minus, gamma_plus, gamma_minus = sides_of(*map(mpmath.mpf, (field, delta, xi, gamma)))

    def integral(power):
        def f(x):
            theta, gamma = (theta_plus, gamma_plus) if x >= 0 else (theta_minus, gamma_minus)
            return x**power * mpmath.exp(theta * x - gamma * x * x / 2)

        peaks = [min(theta_minus / gamma_minus, 0), 0, max(theta_plus / gamma_plus, 0)]
        spread = [k / mpmath.sqrt(min(gamma_minus, gamma_plus)) for k in (1, 4, 16)]
        places = sorted({peak + sign * w for peak in peaks for w in spread for sign in (-1, 1)} | set(peaks))
        return mpmath.quad(f, places)

    mass, first, second = (integral(power) for power in range(3))
    found = expected(field, delta, xi, gamma)
    assert abs(found[0] - mpmath.log(mass)) < 1e-12 * abs(found[0])
    assert abs(found[1] - first / mass) < 1e-11 * found[3] and abs(found[2] - second / mass) < 1e-11 * found[2]


def test_a_double_relu_without_a_kink_is_gaussian():
    gamma = np.array([0.1, 1.0, 20.0])
    field = np.repeat(FIELDS[:, None], 3, axis=1)
    gaussian, double = u.Gaussian(3, gamma), u.DReLU(3, gamma=gamma)
    assert np.allclose(gaussian.cgf(field), double.cgf(field), rtol=1e-13, atol=1e-13)
    for one, other in zip(gaussian.moments_of(field), double.moments_of(field), strict=True):
        assert np.allclose(one, other, rtol=1e-12, atol=1e-12)


def test_moments_are_derivatives_of_the_cgf(unit):
    """Differences over 2e-4: of third derivatives, 1e-8 of them; of rounding, 1e-12."""
    field, e = np.linspace(-4, 4, 9)[:, None] + np.zeros(3), 1e-4
    mean, second = unit.moments_of(field)
    below, here, above = (unit.cgf(field + shift) for shift in (-e, 0.0, e))
    scale = 1 / unit.gamma.astype(np.float64)
    assert (np.abs((above - below) / (2 * e) - mean) < 1e-5 * (1 + scale**1.5)).all()
    variance = (unit.mean_of(field + e) - unit.mean_of(field - e)) / (2 * e)
    assert (np.abs(second - mean**2 - variance) < 1e-5 * (1 + scale**2) + 1e-12 * second).all()
    assert here.shape == (9, 3) and unit.cgf(field[0]).shape == (3,)


def test_sides_say_what_the_kernels_need():
    unit = EACH[2]
    plus, minus, root_plus, root_minus, log_plus, log_minus = unit.sides()
    delta, xi, gamma = (a.astype(np.float64) for a in (unit.delta, unit.xi, unit.gamma))
    eta = xi / (1 + abs(xi))
    close = dict(rtol=1e-15, atol=0)
    assert np.allclose(unit.eta, eta, **close)
    assert np.allclose(plus, delta / (1 + eta), **close) and np.allclose(minus, -delta / (1 - eta), **close)
    for g, own, root, log in (
        (gamma / (1 + eta), unit.gamma_plus, root_plus, log_plus),
        (gamma / (1 - eta), unit.gamma_minus, root_minus, log_minus),
    ):
        assert np.allclose(own, g, **close) and np.allclose(root, g**-0.5, **close)
        assert np.allclose(log, np.log(g) / 2, rtol=1e-15, atol=1e-16)
    for unit in EACH[:2]:
        wanted = [np.zeros(3)] * 2 + [unit.gamma**-0.5] * 2 + [np.log(unit.gamma) / 2] * 2
        assert np.allclose(unit.sides(), wanted, rtol=1e-6) and unit.sides().dtype == np.float64
    for unit in (u.Bernoulli(4), u.Spin(4), u.Categorical(2, 2)):
        assert np.array_equal(unit.sides(), np.zeros((6, 4)))


def test_a_nearly_one_sided_unit_keeps_its_digits():
    """1 + eta is 1 / (1 + |xi|), of which 1 + xi / (1 + |xi|) would have lost four digits."""
    unit = u.DReLU(1, delta=1.0, xi=-60000.0)
    assert abs(unit.gamma_plus[0] / 60001.0 - 1) < 1e-15 and abs(unit.sides()[0, 0] / 60001.0 - 1) < 1e-15


def test_fields_of_any_size_have_finite_moments(unit):
    for field in (-1e30, -1e9, 1e9, 1e30):
        moments = np.stack(unit.moments_of(np.full((1, 3), field)))
        assert np.isfinite(moments).all() and np.isfinite(unit.cgf(np.full((1, 3), field))).all()


# ---------------------------------------------------------------- own energies


def test_own_energies():
    x = np.array([[1.5, 2.0, 0.25], [0.0, 0.0, 0.0], [3.0, 1.0, 8.0]])
    for unit in EACH[:2]:
        parts = np.rint(x / STEP).astype(np.int32)
        assert np.allclose(unit.own_energy(parts), (unit.gamma * x**2 / 2).sum(axis=1), rtol=1e-15)
    unit = EACH[2]
    x[0] *= -1
    theta = 0.7
    exact = np.zeros(3)
    for j in range(3):
        theta_plus, theta_minus, gamma_plus, gamma_minus = sides_of(
            theta, *(float(a[j]) for a in (unit.delta, unit.xi, unit.gamma))
        )
        for row in range(3):
            t, g = (theta_plus, gamma_plus) if x[row, j] >= 0 else (theta_minus, gamma_minus)
            exact[row] += g * x[row, j] ** 2 / 2 - t * x[row, j] + theta * x[row, j]
    assert np.allclose(unit.own_energy(np.rint(x / STEP).astype(np.int32)), exact, rtol=1e-14)
    for unit in (*EACH, u.Bernoulli(3)):
        assert unit.own_energy(np.zeros((0, 3), np.int32)).shape == (0,)
    assert np.array_equal(u.Spin(2).own_energy(np.ones((4, 2), np.uint8)), np.zeros(4))


def test_the_inverse_temperature_scales_fields_alone():
    for unit in EACH[:2]:
        assert unit.with_beta(0.25) is unit
    unit, cold = EACH[2], EACH[2].with_beta(0.25)
    assert np.array_equal(cold.delta, unit.delta / 4) and cold == u.DReLU(3, unit.delta / 4, unit.xi, unit.gamma)
    row = u.layer([u.Bernoulli(1), *EACH], 10, "hidden")
    assert row.with_beta(0.25) == u.Row([u.Bernoulli(1), EACH[0], EACH[1], cold])
    assert u.Spin(3).with_beta(0.5) == u.Spin(3)


@pytest.mark.parametrize("n", [0.0, 1.0, 30.0, np.array([30.0, 2.0, 1e6])])
def test_first_biases_have_the_means_of_the_data(n):
    mean = np.array([0.25, 1.0, 3.0])
    sums = mean * n
    bias = EACH[0].bias_of(sums, n, np.log)
    assert np.allclose(EACH[0].mean_of(bias), mean * (np.asarray(n) > 0), rtol=1e-14)
    for unit in EACH[1:]:
        goal = (sums + unit.mean_of(np.zeros(3))) / (n + 1)
        assert np.allclose(unit.mean_of(unit.bias_of(sums, n, np.log)), goal, rtol=1e-12)
        assert (np.abs(unit.bias_of(np.zeros(3), 1e12, np.log)) <= 2.0**22).all()
        assert (unit.bias_of(np.full(3, 1e30), 1e12, np.log) == 2.0**22).all()


# ---------------------------------------------------------------- parameters


def test_two_parametrizations_of_a_double_relu():
    theta, delta, xi, gamma = np.array([0.3, -2.0, 1.0]), [1.0, -3.0, 0.0], [-2.0, 0.5, 20.0], [1.0, 0.5, 100.0]
    sides = sides_of(theta, np.array(delta), np.array(xi), np.array(gamma))
    given = dict(zip(("theta_plus", "theta_minus", "gamma_plus", "gamma_minus"), sides, strict=True))
    bias, unit = u.DReLU.of_parameters(3, given)
    assert np.allclose(bias, theta, rtol=1e-13) and bias.dtype == np.float64
    for name, wanted in (("delta", delta), ("xi", xi), ("gamma", gamma)):
        assert np.allclose(getattr(unit, name), wanted, rtol=1e-6, atol=1e-6)  # float32
    found = sides_of(bias, *(a.astype(np.float64) for a in (unit.delta, unit.xi, unit.gamma)))
    assert all(np.allclose(a, b, rtol=1e-5) for a, b in zip(found, sides, strict=True))
    assert np.allclose(unit.gamma_plus, sides[2], rtol=1e-6) and np.allclose(unit.gamma_minus, sides[3], rtol=1e-6)
    bias, same = u.DReLU.of_parameters(3, dict(theta=theta, delta=delta, xi=xi, gamma=gamma))
    assert np.array_equal(bias, theta) and same == u.DReLU(3, delta, xi, gamma)


def test_parameters_by_name():
    for kind in (u.Gaussian, u.ReLU, u.DReLU):
        assert kind.of_parameters(2, {}) == (None, kind(2))
        bias, unit = kind.of_parameters(2, {"theta": 3, "gamma": [2.0, 4.0]})
        assert bias.tolist() == [3.0, 3.0] and unit == kind(2, gamma=[2.0, 4.0])
    bias, unit = u.DReLU.of_parameters(2, dict(gamma_plus=2.0, gamma_minus=2.0))
    assert bias is None and unit == u.DReLU(2, gamma=2.0)
    bias, unit = u.DReLU.of_parameters(2, dict(theta_plus=1.0, theta_minus=-1.0))
    assert bias.tolist() == [0.0, 0.0] and unit == u.DReLU(2, delta=1.0)


@pytest.mark.parametrize(
    "kind, parameters, message",
    [
        (u.Gaussian, {"tau": 1}, "Gaussian units are theta, gamma, got 'tau'"),
        (u.ReLU, {"delta": 1}, "ReLU units are theta, gamma, got 'delta'"),
        (u.DReLU, {"theta+": 1}, "DReLU units are theta, delta, xi, gamma, theta_plus, .*got 'theta\\+'"),
        (u.DReLU, {"theta_plus": 1, "theta_minus": 1, "xi": 1}, "are theta_plus, .*, gamma_minus, got 'xi'"),
        (u.DReLU, {"gamma_plus": 1}, "gamma_plus and gamma_minus must be given together"),
        (u.DReLU, {"gamma_plus": 1, "gamma_minus": -1}, "gamma_minus must be above 0, got -1"),
        (u.DReLU, {"gamma_plus": 1e-9, "gamma_minus": 1e-9}, r"gamma\[0\] is 1e-09, outside"),
        (u.DReLU, {"theta": [1, 2, 3]}, r"theta must be a number or an array of shape \(2,\)"),
        (u.ReLU, {"theta": np.nan}, r"theta\[0\] is nan"),
    ],
)  # fmt: skip
def test_parameters_that_cannot_be(kind, parameters, message):
    with pytest.raises(ValueError, match=message):
        kind.of_parameters(2, parameters)


def test_parameters_that_are_none():
    with pytest.raises(TypeError, match="dict of theta, gamma, not"):
        u.ReLU.of_parameters(2, [1, 2])
    with pytest.raises(TypeError, match="gamma must be an array of numbers"):
        u.ReLU(2, "one")


@pytest.mark.parametrize("kind", [u.Gaussian, u.ReLU, u.DReLU])
@pytest.mark.parametrize("gamma", [0, -1, 2.0**-9, 2.0**13, [1.0, 5000.0]])
def test_gamma_out_of_range(kind, gamma):
    with pytest.raises(
        ValueError, match=r"gamma\[\d\] is .*, outside 0.00390625 to 4096: rescale the unit.*gamma l\^2"
    ):
        kind(2, gamma=gamma)
    assert kind(2, gamma=[2.0**-8, 2.0**12]).gamma.tolist() == [2.0**-8, 2.0**12]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300, [1.0, -np.inf]])
def test_parameters_must_be_finite(bad):
    for kind, names in ((u.Gaussian, ["gamma", "mean", "scale"]), (u.DReLU, ["delta", "xi", "gamma"])):
        for name in names:
            with pytest.raises(ValueError, match=rf"{name}\[\d\] is"):
                kind(2, **{name: bad})


def test_parameters_of_other_shapes_and_scales():
    with pytest.raises(ValueError, match=r"mean must be a number or an array of shape \(2,\), got shape \(3,\)"):
        u.Gaussian(2, mean=[1, 2, 3])
    for scale in (0, -1, [1.0, 0.0]):
        with pytest.raises(ValueError, match=r"scale must be above 0, got scale\[\d\]"):
            u.Gaussian(2, scale=scale)
    with pytest.raises(ValueError, match=r"xi\[1\] = -1e\+06 makes gamma 1e\+06 on one side"):
        u.DReLU(2, xi=[0, -1e6])
    with pytest.raises(ValueError, match="n must be at least 1"):
        u.ReLU(0)


def test_descriptions(unit):
    kind = type(unit)
    assert (unit.n, unit.n_columns, unit.layout, unit.real) == (3, 3, ((unit.name, 3),), True)
    assert unit.n_states_of_columns == (0, 0, 0) and unit.units_of_columns == (1, 1, 1)
    assert not unit.shifted and unit.even and unit.dtype == np.float64 and unit.segments == (unit,)
    columns = {name: array for name, array in unit._own.items() if name in ("mean", "scale")}  # how data are read
    assert unit.plain == kind(3, **columns) != unit and unit == kind(3, **unit._own) and unit != kind(4)
    for name, array in unit._own.items():
        assert array.dtype == (np.float64 if name in ("mean", "scale") else np.float32)
        with pytest.raises(ValueError):
            array[0] = 2.0
        with pytest.raises(ValueError):
            array.flags.writeable = True
        moved = kind(3, **unit._own | {name: array * np.float32(1.5)})
        assert moved != unit and (hash(moved) != hash(unit) or np.array_equal(moved._own[name], array))
    again = pickle.loads(pickle.dumps(unit))
    assert again == unit and hash(again) == hash(unit) and not again.gamma.flags.writeable
    assert kind(3, gamma=1.0) == kind(3) and u.DReLU(2, -0.0) == u.DReLU(2)
    with pytest.raises(AttributeError):
        unit.gamma = 1.0


def test_what_is_passed_is_copied():
    gamma = np.ones(3, np.float32)
    unit = u.ReLU(3, gamma)
    gamma[:] = 2.0
    assert unit.gamma.tolist() == [1.0, 1.0, 1.0]


def test_types_are_known():
    assert {name for name, kind in u.TYPES.items() if kind.real} == set(layout.REAL_UNITS)
    assert not any(unit.real for unit in (u.Bernoulli(1), u.Spin(1), u.Categorical(1, 2)))
    assert (
        repr(u.Gaussian(3, mean=[1, 2, 3])) == "Gaussian(3, mean=1..3)" and repr(u.DReLU(2, 1)) == "DReLU(2, delta=1)"
    )
    assert fr.units.layer("relu", 5, "hidden") == u.ReLU(5)


def test_joined_neighbors_and_parts(unit):
    kind = type(unit)
    row = u.layer([unit, kind(1), u.Spin(2), unit], 9, "visible")
    assert [segment.n for segment in row.segments] == [4, 2, 3] and row.segments[2] == unit
    for name, array in row.segments[0]._own.items():
        assert array.tolist() == [*unit._own[name], kind(1)._own[name][0]] and not array.flags.writeable
    some = unit.part(np.array([True, False, True]))
    assert some == kind(2, **{name: array[[0, 2]] for name, array in unit._own.items()})
    assert (
        u.layer([some, unit.part(np.array([False, True, False]))], 3, "visible").gamma.tolist()
        == unit.gamma[[0, 2, 1]].tolist()
    )


def test_of_moments():
    unit = u.Gaussian.of_moments(5, [0.0, 5.0, 1e6, 1e6, -2.0], [4.0, 0.0, 0.05, 0.06, 1e-20])
    assert unit.data_mean.tolist() == [0.0, 5.0, 1e6, 1e6, -2.0]
    assert unit.scale.tolist() == [2.0, 1.0, 1.0, np.sqrt(0.06), 1.0]  # 2^-22 of 1e6 is 0.238
    assert u.Gaussian.of_moments(1, 0.0, 1e-20).scale.tolist() == [1e-10]
    assert u.Gaussian.of_moments(1, 3.0, -1e-18).scale.tolist() == [1.0]  # by rounding
    for mean, variance in ((np.nan, 1.0), (1.0, np.nan)):
        with pytest.raises(ValueError, match="finite"):
            u.Gaussian.of_moments(1, mean, variance)


# ---------------------------------------------------------------- files


def saved(layer):
    """What a model's file makes of a layer."""
    return from_segments(json.loads(json.dumps([segment.describe() for segment in layer.segments])), "visible_units")


def test_descriptions_in_files(unit):
    kind = type(unit)
    assert saved(unit) == unit and saved(kind(3)) == kind(3)
    assert kind(3).describe() == {"type": unit.name, "n": 3}
    row = u.layer([u.Bernoulli(2), unit, u.Categorical(2, 3), unit], 14, "visible")
    assert saved(row) == row
    segments = [segment.describe() for segment in row.segments]
    assert model_file._states_of_columns(segments) == list(row.n_states_of_columns) == [2, 2, 0, 0, 0, 3, 3, 0, 0, 0]


@pytest.mark.parametrize(
    "own",
    [
        [1.0],
        [1.0, 2.0, 3.0],
        1.0,
        "1.0",
        [1.0, "2"],
        [1.0, None],
        [True, 1.0],
        [[1.0], [1.0]],
        {"0": 1.0},
        [1.0, 10**400],
    ],
)
def test_files_with_parameters_that_cannot_be(own):
    with pytest.raises(ValueError, match="hidden_units must have a list of 2 numbers as gamma"):
        from_segments([{"type": "relu", "n": 2, "gamma": own}], "hidden_units")


@pytest.mark.parametrize(
    "segment, message",
    [
        ({"type": "gaussian", "gamma": [1.0, 1e9]}, "outside"),
        ({"type": "gaussian", "scale": [1.0, 0.0]}, "above 0"),
        ({"type": "gaussian", "mean": [1.0, float("nan")]}, "nan"),
        ({"type": "drelu", "xi": [1.0, float("inf")]}, "inf"),
        ({"type": "drelu", "delta": [1e40, 0.0]}, "inf"),
    ],
)
def test_files_with_values_that_cannot_be(segment, message):
    with pytest.raises(ValueError, match=message):
        from_segments([json.loads(json.dumps(segment | {"n": 2}))], "hidden_units")


# ---------------------------------------------------------------- states


def test_states_on_the_grid(unit):
    rng = np.random.default_rng(0)
    z = rng.normal(0, 3, (200, 3))
    z = np.abs(z) if unit.name == "relu" else z
    scale = unit.scale if unit.name == "gaussian" else np.ones(3)
    mean = unit.data_mean if unit.name == "gaussian" else np.zeros(3)
    X = mean + scale * z
    parts = unit.parts(X, False)
    assert parts.dtype == np.int32 and parts.shape == X.shape and np.array_equal(parts, unit.parts(X, True))
    rounding = 1e-15 * (1 + np.abs(X))
    assert (np.abs(unit.values(parts) - X) <= scale * (STEP / 2 + 1e-12) + rounding).all()
    assert (np.abs(unit.unit_values(parts) - z) <= STEP / 2 + 1e-12).all()
    assert np.array_equal(unit.unit_values(parts), parts * STEP) and np.array_equal(unit.units_on(parts), parts * STEP)
    assert unit.values(parts).dtype == np.float64
    assert np.array_equal(unit.parts(unit.values(parts), False), parts)  # a draw that is given back is the same draw
    for other in (np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2], X.astype(np.longdouble)):
        found = unit.parts(other, False)
        assert np.array_equal(found, parts) and found.flags.c_contiguous
    assert unit.parts(np.zeros((0, 3)), False).shape == (0, 3)
    whole = np.array([[0, 1, 2], [3, 0, 1]])
    for kind in (np.int8, np.uint64, np.float16, np.float32):
        assert np.array_equal(u.ReLU(3).parts(whole.astype(kind), False), whole * 4096)
    assert np.array_equal(u.Gaussian(3).parts(np.array([[True, False, True]]), False), [[4096, 0, 4096]])


def test_the_ends_of_the_range():
    last = 2048 - STEP
    assert u.Gaussian(2).parts(np.array([[last, -last]]), False).tolist() == [
        [layout.REAL_LARGEST, -layout.REAL_LARGEST]
    ]
    for bad in (2048.0, -2048.0, 1e300, np.inf, -np.inf, np.nan):
        assert u.Gaussian(1).parts(np.array([[bad]]), False) is None
    assert u.ReLU(1).parts(np.array([[-STEP / 4]]), False).tolist() == [[0]]
    assert u.ReLU(1).parts(np.array([[-STEP]]), False) is None


def test_a_large_array_is_read_in_parts():
    X = np.random.default_rng(1).normal(size=(3000, 700))
    unit = u.Gaussian(700, mean=X.mean(axis=0), scale=2.0)
    assert np.array_equal(unit.parts(X, False), np.rint((X - unit.data_mean) / 2 * 4096))
    X[2999, 699] = np.nan
    assert unit.parts(X, False) is None and "X[2999, 699]" in unit.complaint(X, "X", False, None)


@pytest.mark.parametrize(
    "layer, X, message",
    [
        (u.Gaussian(2), [[0, 1], [np.nan, 1]], r"^X contains NaN, the first at X\[1, 0\]: leave such rows out"),
        (u.Gaussian(2), [[0, np.inf], [np.nan, 1]], r"^X must hold finite numbers; X\[0, 1\] is inf"),
        (u.Gaussian(2), [[0, 1], [0, -1e9]], r"numbers from -2048 to 2048.*X\[1, 1\] is -1e\+09"),
        (u.Gaussian(2, scale=[1, 3]), [[0, 1e9]], r"^X\[0, 1\] is 1e\+09, beyond 2048 standard deviations of column 1"),
        (u.Gaussian(2, mean=[7, 0]), [[3000, 0]], r"^X\[0, 0\] is 3000, beyond 2048 of column 0, whose mean is 7"),
        (u.ReLU(2), [[0, -0.5]], r"at least 0 and below 2048; X\[0, 1\] is -0\.5"),
        (u.ReLU(2), [[0, 2048]], r"at least 0 and below 2048; X\[0, 1\] is 2048"),
        (u.DReLU(2), [[5000, 0]], r"X\[0, 0\] is 5000"),
        ([u.Bernoulli(1), u.Gaussian(1)], [[1, 2], [0.5, 2]], r"must hold 0 or 1, got .*X\[1, 0\] is 0\.5"),
        ([u.Categorical(1, 3), u.Gaussian(2)], [[1, 2, np.nan]], r"^X contains NaN, the first at X\[0, 2\]"),
    ],
)  # fmt: skip
def test_numbers_that_are_no_states(layer, X, message):
    segments = layer if isinstance(layer, list) else [layer]
    layer = u.layer(layer, sum(segment.n for segment in segments), "visible")
    with pytest.raises(ValueError, match=message):
        validate.states(np.array(X, float), layer.n_columns, "X", fractions=True, unit=layer)


def test_sparse_data():
    """Zeros that are not stored are numbers like others."""
    sparse = pytest.importorskip("scipy.sparse")
    X = np.array([[0.0, 5.0, 0.0], [2.0, 0.0, 0.0]])
    unit = u.Gaussian(3, mean=1.0)
    found = validate.states(sparse.csr_matrix(X), 3, "X", True, unit=unit)
    assert found.dtype == np.int32 and np.array_equal(found, unit.parts(X, False))
    assert validate.states(sparse.csr_matrix((0, 3)), 3, "X", unit=unit).dtype == np.int32
    with pytest.raises(ValueError, match="X has 2 units per example where the model has 3$"):
        validate.states(X[:, :2], 3, "X", unit=unit)


def test_rows_of_numbers_that_are_named():
    text = u.Gaussian(1, scale=2.0).complaint(np.array([[0.0], [1e9]]), "X", False, [10, 20], first_column=5)
    assert text.startswith("X[20, 5] is 1e+09, beyond 2048 standard deviations of column 5")
    assert "dense" in u.ReLU(2).complaint(np.array([1.0]), "X", False, None, (np.array([0]), np.array([0])))


def test_means_stand_for_the_likeliest_states(unit):
    means = np.array([[0.5, 1 / 3, 9999.0]])
    parts = unit.hardened(means)
    assert parts.dtype == np.int32 and parts.tolist() == [[2048, 1365, 2**23 - 1]]
    row = u.Row([u.Bernoulli(1), unit]).hardened(np.array([[0.7, *means[0]]]))
    assert row.dtype == np.int32 and row.tolist() == [[1, *parts[0]]]


@pytest.mark.parametrize("s", [0.25, 0.9])
def test_units_between_two_have_an_energy_between(unit, s):
    """U(x) - theta x is on the line, to the float32 rounding of parameters."""
    own = unit._own | {"gamma": unit.gamma * 2}
    own |= {"delta": unit.delta[::-1], "xi": -unit.xi} if unit.name == "drelu" else {}
    other, one, two = type(unit)(3, **own), np.array([0.5, -1.0, 0.0]), np.array([2.0, 0.0, 1.0])
    bias, between = unit.between(other, one, two, s)
    for x in ([[0.5, 2.0, 3.0]], [[0.25, 0.0, 7.0]]) + (([[-0.5, -2.0, -3.0]],) if unit.name != "relu" else ()):
        x = np.array(x)
        energies = [u_._own_energies(x) - theta * x for u_, theta in ((unit, one), (other, two), (between, bias))]
        size = sum(np.abs(e) for e in energies) + np.abs(two * x)
        assert (np.abs(energies[2] - (1 - s) * energies[0] - s * energies[1]) < 1e-6 * size + 1e-6).all()
    assert unit.between(unit, one, two, s)[1] == unit


def test_nothing_is_between_other_columns():
    with pytest.raises(ValueError, match="no model is between"):
        u.Gaussian(1).between(u.Gaussian(1, scale=2.0), np.zeros(1), np.zeros(1), 0.5)


def test_means_are_in_the_units_of_the_data(unit):
    z = np.array([[0.5, 1.0, 2.0]])
    assert unit.log_odds(z) is z
    wanted = unit.data_mean + unit.scale * z if unit.name == "gaussian" else z
    for kind in (np.float32, np.float64):
        found = unit.mean(z.astype(kind))
        assert found.dtype == kind and np.allclose(found, wanted, rtol=1e-6)


# ---------------------------------------------------------------- rows


@pytest.fixture(scope="module")
def row():
    gaussian = u.Gaussian(2, 2.0, [10.0, 0.0], [5.0, 1.0])
    return u.layer([u.Bernoulli(2), gaussian, u.Categorical(2, [2, 3]), u.Spin(1), u.ReLU(1)], 11, "visible")


def test_rows(row):
    X = np.array([[1, 0, 12.5, -0.25, 1, 2, -1, 3.0], [0, 1, 10.0, 7.0, 0, 0, 1, 0.0]])
    parts = row.parts(X, True)
    assert row.real and row.dtype == np.float64 and parts.dtype == np.int32 and row.n_columns == 8
    assert parts.tolist() == [[1, 0, 2048, -1024, 1, 2, 0, 12288], [0, 1, 0, 28672, 0, 0, 1, 0]]
    assert np.array_equal(row.values(parts), X) and row.values(parts).dtype == np.float64
    values = [[1, 0, 0.5, -0.25, 0, 1, 0, 0, 1, -1, 3], [0, 1, 0, 7, 1, 0, 1, 0, 0, 1, 0]]
    assert np.array_equal(row.unit_values(parts), values)
    hot = np.array(values)
    hot[:, 2] = X[:, 2]
    assert np.array_equal(row.parts(hot, True), parts)  # a column for each unit
    assert row.layout == (
        ("bernoulli", 2), ("gaussian", 2), ("categorical", (2, 3)), ("spin", 1), ("relu", 1)
    )  # fmt: skip
    assert row.n_states_of_columns == (2, 2, 0, 0, 2, 3, 2, 0) and row.numbers.startswith("0 and 1, numbers, codes")
    assert row.parts(np.where(X == 1, 0.5, X), True) is None  # fractions of bits
    assert np.allclose(row.own_energy(parts), [0.25 + 0.0625 + 4.5, 49.0], rtol=1e-15)
    assert pickle.loads(pickle.dumps(row)) == row and hash(pickle.loads(pickle.dumps(row))) == hash(row)
    assert (
        row.plain.segments[1]
        == u.Gaussian(2, mean=row.segments[1].data_mean, scale=row.segments[1].scale)
        != row.segments[1]
    )
    assert row.plain != row


def test_rows_answer_segment_by_segment(row):
    rng = np.random.default_rng(2)
    field = rng.normal(0, 2, (5, row.n))
    units = np.split(np.arange(row.n), np.cumsum([segment.n for segment in row.segments])[:-1])
    sums, n = np.array([3, 4, 8, -4, 5, 5, 1, 2, 7, 6, 9.0]), 10.0
    for answer in (
        lambda s, at: s.cgf(field[:, at]),
        lambda s, at: s.mean_of(field[:, at]),
        lambda s, at: s.log_odds(field[:, at]),
        lambda s, at: s.mean(np.abs(field[:, at]).astype(np.float32)),
        lambda s, at: s.zero_sum(field.T[at])[0].T,
        lambda s, at: s.bias_of(sums[at], n, np.log)[None],
        lambda s, at: s.sides(),
    ):
        whole = answer(row, np.arange(row.n))
        parts = [answer(segment, at) for segment, at in zip(row.segments, units, strict=True)]
        assert np.array_equal(whole, np.concatenate(parts, axis=-1)) and whole.dtype == parts[0].dtype
    assert row.mean(np.zeros((1, 11), np.float32))[0, 2:4].tolist() == [10.0, 0.0]
    assert row.zero_sum(field.T)[1].shape == (5,)


def test_rows_without_real_units_are_as_they_were():
    row = u.layer([u.Bernoulli(1), u.Categorical(1, 2), u.Spin(1)], 4, "visible")
    assert not row.real and row.dtype == np.int16 and row.plain == row and row.with_beta(0.5) == row
    assert row.parts(np.array([[1, 0, -1]]), False).dtype == np.uint8
    assert row.parts(np.array([[0.5, 0, -1]]), True).tolist() == [[0.5, 1.0, 0.0, 0.0]]
    assert np.array_equal(row.sides(), np.zeros((6, 4))) and row.own_energy(np.zeros((2, 3), np.uint8)).tolist() == [
        0,
        0,
    ]


def test_one_unit():
    for kind in (u.Gaussian, u.ReLU, u.DReLU):
        unit = kind(1)
        parts = unit.parts(np.array([[1.5]]), False)
        assert unit.values(parts).tolist() == [[1.5]] and unit.own_energy(parts).tolist() == [1.125]
        assert unit.cgf(np.zeros((1, 1))).shape == unit.mean_of(np.zeros((1, 1))).shape == (1, 1)
        assert unit.bias_of(np.array([0.0]), 1, np.log).shape == (1,)


# ---------------------------------------------------------------- the end of the range of values


def test_models_whose_visible_means_are_beyond_the_range_are_refused():
    fr.RBM([[2000.0]], visible="gaussian")
    fr.RBM([[8000.0]], visible=u.Gaussian(1, gamma=4.0))
    for build in (
        lambda: fr.RBM([[0.0], [2100.0]], visible="gaussian"),
        lambda: fr.RBM([[1000.0, -1000.0]], [100.0], visible="gaussian"),
        lambda: fr.RBM([[0.0]], [2048.0], visible="relu"),
        lambda: fr.RBM([[600.0]], visible=u.Gaussian(1, gamma=0.25)),
    ):
        with pytest.raises(
            ValueError, match=r"weights and biases can take the mean of visible unit \d up to 2\.\d\d?e\+03"
        ):
            build()
    rbm = fr.RBM([[2000.0]], visible="gaussian")
    with pytest.raises(ValueError, match="up to 2.1e"):
        rbm.set_parameters(visible_bias=[100.0])
    assert rbm.visible_bias[0] == 0


@pytest.mark.parametrize("hidden", ["gaussian", "relu", "drelu"])
def test_hidden_values_that_are_cut_off_are_a_warning(hidden):
    rbm = fr.RBM(np.full((3000, 2), [0.5, 1.0]), hidden=hidden)
    few, many = np.eye(1, 3000, dtype=int), np.ones((1, 3000), int)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rbm.sample_hidden(few)
    with pytest.warns(UserWarning, match="hidden unit 1 is at the end of the range of real values, 2048"):
        rbm.sample_hidden(many)
    with pytest.warns(UserWarning, match="hidden unit 1 is at the end"):
        rbm.sample(2, 1, start=np.repeat(many, 2, axis=0), method="gibbs", clamp=np.repeat(many, 2, axis=0))
    same = fr.RBM(2 * rbm.weights, hidden=type(rbm.hidden)(2, gamma=4.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert abs(same.sample_hidden(many)[0, 1] - 1500) < 10
