"""Rectified linear units (ReLU), and double ones (DReLU): real values of one sign, or of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import floatmath, validate
from .._core.layout import REAL_LARGEST
from .._core.settings import once
from .real import Real, check_names, numbers_of
from .unit import Unit, read_only

_MOST_GAMMA = 2.0**16  # of a side: a standard deviation is at least 16 steps of the grid
_MOST_BIAS, _HALVINGS = 2.0**22, 76  # to 2^-54
_FARTHEST = 1e8  # standard deviations from zero: as far as floatmath.truncated goes, and beyond all values
_OWN = "theta", "delta", "xi", "gamma"
_SIDES = "theta_plus", "theta_minus", "gamma_plus", "gamma_minus"


class _Halves(Real):
    """What is normal on either side of zero, or on one side."""

    def bias_of(self, sums: np.ndarray, n: float | np.ndarray, log: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """The bias of each unit that has the mean of the data, smoothed by one example with the mean of a unit without
        a field, and at most `2^22` in size. By bisection, since the mean grows with the field."""
        goal = (sums + self.mean_of(np.zeros(self.n))) / (np.asarray(n, np.float64) + 1.0)
        low, high = np.full(self.n, -_MOST_BIAS), np.full(self.n, _MOST_BIAS)
        for _ in range(_HALVINGS):
            middle = (low + high) * 0.5
            under = self.mean_of(middle) < goal
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        return (low + high) * 0.5


class ReLU(_Halves):
    """Rectified linear units: real `x >= 0`, E has `gamma x^2 / 2 - b x` for each. Given a field f, x is normal with
    mean `f / gamma` and variance `1 / gamma`, but for what is below zero, which is cut off.

    Parameters
    ----------
    n : int
        How many.
    gamma : float or array (n,)
        From `2^-8` to `2^12`; 1 by default.

    Attributes
    ----------
    gamma : float32 (n,)

    Examples
    --------
    >>> import numpy as np
    >>> import fastrbm as fr
    >>> fr.units.ReLU(1).mean_of(np.array([[-5.0], [0.0], [5.0]])).round(4).ravel().tolist()
    [0.1865, 0.7979, 5.0]
    """

    name = "relu"
    numbers = "numbers of at least 0"
    defaults = {"gamma": 1.0}

    def __init__(self, n: int, gamma: ArrayLike | None = None) -> None:
        self._keep(n, gamma=gamma)

    def _in_range(self, grid: np.ndarray) -> np.ndarray:
        return (grid >= 0) & (grid <= REAL_LARGEST)

    def _out_of_range(self, name: str, at: str, bad: float, column: int, first_column: int) -> str:
        return f"{name} must hold numbers of at least 0 and below 2048; {at} is {bad:g}"

    def far_values(self) -> tuple[np.ndarray, ...]:
        return super().far_values()[:1]

    def cgf(self, field: np.ndarray) -> np.ndarray:
        """`log R(a) - log(gamma) / 2` with `a = -field / sqrt(gamma)` and the Mills ratio R."""
        _, _, root, _, log, _ = self.sides()
        return _half(field, root, log)[0]

    def moments_of(self, field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        _, _, root, _, log, _ = self.sides()
        return _half(field, root, log)[1:]


class DReLU(_Halves):
    """Double rectified linear units (Tubiana, Cocco & Monasson 2019): real x, of which either side of zero has a normal
    distribution of its own, cut off at zero.

    E has `gamma_plus x^2 / 2 - theta_plus x` where `x >= 0`, `gamma_minus x^2 / 2 - theta_minus x` where `x < 0`. With
    the bias theta of the model and `eta = xi / (1 + |xi|)` these are

        theta_plus = theta + delta / (1 + eta),    gamma_plus = gamma / (1 + eta),
        theta_minus = theta - delta / (1 - eta),    gamma_minus = gamma / (1 - eta).

    With `delta = xi = 0` they are Gaussian units. A positive delta makes two modes, a negative one a peak at zero; a
    positive xi makes the positive side the wider one.

    Parameters
    ----------
    n : int
        How many.
    delta, xi : float or array (n,)
        0 by default.
    gamma : float or array (n,)
        From `2^-8` to `2^12`; 1 by default. The gamma of a side is at most `2^16`.

    Attributes
    ----------
    delta, xi, gamma : float32 (n,)
    eta, gamma_plus, gamma_minus : float64 (n,)

    Examples
    --------
    >>> import numpy as np
    >>> import fastrbm as fr
    >>> unit = fr.units.DReLU(1, delta=3.0)
    >>> mean, second = unit.moments_of(np.zeros((1, 1)))  # at 3 or at -3, about
    >>> mean.round(3).tolist(), second.round(3).tolist()
    ([[0.0]], [[10.013]])
    """

    name = "drelu"
    defaults = {"delta": 0.0, "xi": 0.0, "gamma": 1.0}
    trained = "delta", "xi"

    def __init__(
        self, n: int, delta: ArrayLike | None = None, xi: ArrayLike | None = None, gamma: ArrayLike | None = None
    ) -> None:
        self._keep(n, delta=delta, xi=xi, gamma=gamma)
        largest = np.maximum(self.gamma_plus, self.gamma_minus)
        if not bool((largest <= _MOST_GAMMA).all()):
            where, bad = validate.first_of(largest > _MOST_GAMMA, largest, (0,))
            raise ValueError(
                f"xi[{where}] = {self.xi[int(where)]:g} makes gamma {bad:g} on one side; at most {_MOST_GAMMA:g} fits "
                "the grid of values"
            )

    @classmethod
    def of_parameters(cls, n: int, parameters: Mapping[str, ArrayLike]) -> tuple[np.ndarray | None, Real]:
        """As for other types, of theta, delta, xi and gamma. Or of `theta_plus`, `theta_minus`, `gamma_plus` and
        `gamma_minus`, of which each pair may be left out: then theta and delta are 0, or xi is 0 and gamma 1."""
        check_names(cls, parameters, (*_OWN, *_SIDES))
        given = {name: numbers_of(x, name, n, np.float64) for name, x in parameters.items() if x is not None}
        if not any(name in given for name in _SIDES):
            return given.pop("theta", None), cls(n, **given)
        check_names(cls, given, _SIDES)
        for pair in (_SIDES[:2], _SIDES[2:]):
            if len(given.keys() & set(pair)) == 1:
                raise ValueError(f"{pair[0]} and {pair[1]} must be given together, or neither")
        gammas = [given.get(name, np.ones(n)) for name in _SIDES[2:]]
        for name, gamma in zip(_SIDES[2:], gammas, strict=True):
            if not bool((gamma > 0).all()):
                raise ValueError(f"{name} must be above 0, got {gamma.min():g}")
        plus, minus = (1.0 / gamma for gamma in gammas)
        gamma, xi = 2.0 / (plus + minus), (plus - minus) / (2.0 * np.minimum(plus, minus))
        if _SIDES[0] not in given:
            return None, cls(n, xi=xi, gamma=gamma)
        upper, lower = gamma * plus, gamma * minus  # 1 + eta and 1 - eta
        theta_plus, theta_minus = given["theta_plus"], given["theta_minus"]
        delta = (theta_plus - theta_minus) * (upper * lower) * 0.5
        return (theta_plus * upper + theta_minus * lower) * 0.5, cls(n, delta, xi, gamma)

    @property
    def delta(self) -> np.ndarray:
        return self._own["delta"]

    @property
    def xi(self) -> np.ndarray:
        return self._own["xi"]

    @property
    def eta(self) -> np.ndarray:
        xi = self.xi.astype(np.float64)
        return xi / (1.0 + np.abs(xi))

    @property
    def gamma_plus(self) -> np.ndarray:
        return self.gamma / self._widths()[0]

    @property
    def gamma_minus(self) -> np.ndarray:
        return self.gamma / self._widths()[1]

    def _widths(self) -> tuple[np.ndarray, np.ndarray]:
        """1 + eta and 1 - eta, float64, of which neither loses digits where the other is nearly 2."""
        xi = self.xi.astype(np.float64)
        size = 1.0 + np.abs(xi)
        narrow, wide = 1.0 / size, (size + np.abs(xi)) / size
        return np.where(xi >= 0, wide, narrow), np.where(xi >= 0, narrow, wide)

    def _between(self, other: Any, bias: np.ndarray, other_bias: np.ndarray, s: float) -> tuple[np.ndarray, Unit]:
        pairs = zip(self._parameters_of_sides(bias), other._parameters_of_sides(other_bias), strict=True)
        sides = ((1.0 - s) * one + s * two for one, two in pairs)
        theta, unit = self.of_parameters(self.n, dict(zip(_SIDES, sides, strict=True)))
        assert theta is not None
        return theta, unit

    def _parameters_of_sides(self, bias: np.ndarray) -> tuple[np.ndarray, ...]:
        """theta_plus, theta_minus, gamma_plus and gamma_minus."""
        upper, lower = self._widths()
        return bias + self.delta / upper, bias - self.delta / lower, self.gamma_plus, self.gamma_minus

    @property
    def own(self) -> np.ndarray:
        return np.stack([self.delta, self.xi])

    def with_own(self, values: np.ndarray) -> DReLU:
        """What a training may not reach is cut: xi stays where the gamma of neither side is above `2^16`."""
        most = _MOST_GAMMA / self.gamma - 2.0
        return DReLU(self.n, values[0], values[1].clip(-most, most), self.gamma)

    def half_means(self, field: np.ndarray) -> np.ndarray:
        """`E[max(x, 0)]`, `E[min(x, 0)]`, `E[max(x, 0)^2]` and `E[min(x, 0)^2]` of units with these fields, float64 (4,
        ..., n): the statistics of `theta_plus` and `theta_minus`, and twice those of `gamma_plus` and `gamma_minus` but
        for their sign."""
        p_plus, p_minus, positive, negative = self._parts_of(field)
        return np.stack([p_plus * positive[0], -p_minus * negative[0], p_plus * positive[1], p_minus * negative[1]])

    def own_gradient(self, sums: np.ndarray) -> np.ndarray:
        upper, lower = self._widths()
        gamma, size = self.gamma.astype(np.float64), 1.0 + np.abs(self.xi.astype(np.float64))
        plus, minus, square_plus, square_minus = sums
        of_delta = plus / upper - minus / lower
        # by eta, where theta_plus = theta + delta / (1 + eta), gamma_plus = gamma / (1 + eta), and so on
        of_eta = gamma * (square_plus / (upper * upper) - square_minus / (lower * lower)) * 0.5
        of_eta -= self.delta * (plus / (upper * upper) + minus / (lower * lower))
        return np.stack([of_delta, of_eta / (size * size)])  # d eta / d xi = 1 / (1 + |xi|)^2

    def with_beta(self, beta: float) -> DReLU:
        return DReLU(self.n, self.delta.astype(np.float64) * beta, self.xi, self.gamma)

    @once
    def _sides(self) -> np.ndarray:
        gammas, (upper, lower) = (self.gamma_plus, self.gamma_minus), self._widths()
        roots, logs = [1.0 / np.sqrt(gamma) for gamma in gammas], [floatmath.log(gamma) * 0.5 for gamma in gammas]
        return read_only(np.stack([self.delta / upper, -self.delta / lower, *roots, *logs]))

    def _own_energies(self, x: np.ndarray) -> np.ndarray:
        upper, lower = self._widths()
        positive = x >= 0
        gamma = np.where(positive, self.gamma_plus, self.gamma_minus)
        return gamma * 0.5 * (x * x) - np.where(positive, self.delta / upper, -self.delta / lower) * x

    def _sides_of(self, field: np.ndarray) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
        """_half of the positive side, and of the negative one as its mirror image."""
        plus, minus, *rest = self.sides()
        return _half(field + plus, rest[0], rest[2]), _half(-(field + minus), rest[1], rest[3])

    def cgf(self, field: np.ndarray) -> np.ndarray:
        """log(exp(cgf of the positive side) + exp(cgf of the negative side)), each as for :class:`ReLU`."""
        (plus, _, _), (minus, _, _) = self._sides_of(field)
        return np.maximum(plus, minus) + floatmath.softplus(-np.abs(plus - minus))

    def moments_of(self, field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        plus, minus, square_plus, square_minus = self.half_means(field)
        return plus + minus, square_plus + square_minus

    def _parts_of(self, field: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], list[np.ndarray]]:
        """The probabilities of both sides, and each side's mean and second moment, as positive numbers."""
        (plus, *positive), (minus, *negative) = self._sides_of(field)
        ratio = floatmath.exp(np.maximum(-np.abs(plus - minus), -708.0))  # of the smaller side to the larger one
        larger, smaller = 1.0 / (1.0 + ratio), ratio / (1.0 + ratio)
        p_plus, p_minus = np.where(plus >= minus, (larger, smaller), (smaller, larger))
        return p_plus, p_minus, positive, negative


def _half(field: np.ndarray, root: np.ndarray, log: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of x >= 0 with exp(field x - gamma x^2 / 2): the logarithm of the integral, E[x] and E[x^2]; root is 1 /
    sqrt(gamma), log is log(gamma) / 2."""
    log_ratio, first, second = floatmath.truncated(np.clip(-field * root, -_FARTHEST, _FARTHEST))
    return log_ratio - log, first * root, second * (root * root)
