"""The best ways to draw dReLU units in NumPy that bench/real.py knows: by scipy.special, and by float32 polynomials."""

import functools
import math

import numpy as np
from categorical import to_probabilities


class Sides:
    """The parameters of both sides of dReLU units, float64 (H,): what is added to the field, 1 / sqrt(gamma)."""

    def __init__(self, delta, xi):
        xi = xi.astype(np.float64)
        eta = xi / (1 + np.abs(xi))
        self.theta = delta / (1 + eta), -delta / (1 - eta)
        self.width = np.sqrt(1 + eta), np.sqrt(1 - eta)

    def astype(self, dtype):
        """theta_plus, theta_minus, width_plus, width_minus."""
        return [array.astype(dtype) for array in (*self.theta, *self.width)]


def by_scipy(sides, fields, rng):
    """A side, and an inverse of its tail, by scipy.special in float64."""
    from scipy.special import expit, log_ndtr, ndtri

    theta_plus, theta_minus, width_plus, width_minus = sides.astype(np.float64)
    plus, minus = -(fields + theta_plus) * width_plus, (fields + theta_minus) * width_minus  # where sides are cut off
    tail_plus, tail_minus = log_ndtr(-plus), log_ndtr(-minus)
    odds = tail_plus - tail_minus + (plus**2 - minus**2) / 2 + np.log(width_plus / width_minus)
    positive = rng.random(odds.shape) < expit(odds)
    cut = np.where(positive, plus, minus)
    tail = np.exp(np.where(positive, tail_plus, tail_minus))  # above 0 to 37 standard deviations
    x = np.maximum(-ndtri(tail * (1 - rng.random(odds.shape))) - cut, 0)
    return np.where(positive, x * width_plus, -x * width_minus)


def by_polynomials(sides, fields, rng):
    """The same in float32, by whole passes of few operations."""
    theta_plus, theta_minus, width_plus, width_minus = sides.astype(np.float32)
    plus = fields + theta_plus
    plus *= -width_plus
    minus = fields + theta_minus
    minus *= width_minus
    tail_plus, tail_minus = log_tail(plus), log_tail(minus)
    odds = plus * plus
    odds -= minus * minus
    odds *= np.float32(0.5)
    odds += tail_plus
    odds -= tail_minus
    odds += np.log(width_plus / width_minus)
    with np.errstate(over="ignore"):
        positive = (rng.random(odds.shape, np.float32) < to_probabilities(odds)).astype(np.float32)
    cut = blend(positive, plus, minus)
    tail = blend(positive, tail_plus, tail_minus)
    u = rng.random(odds.shape, np.float32)
    np.subtract(1, u, out=u)
    tail += np.log(u, out=u)
    x = normal_above(tail)
    x -= cut
    np.maximum(x, 0, out=x)
    x *= blend(positive, width_plus, -width_minus)
    return x


def blend(chosen, one, other):
    """one where chosen is 1, other where it is 0: np.where takes ten times as long on a coin's tosses."""
    x = one - other
    x = chosen * x if x.ndim < chosen.ndim else np.multiply(chosen, x, out=x)
    x += other
    return x


def horner(coefficients, x):
    y = coefficients[-1] * x
    for c in coefficients[-2:0:-1]:
        y += c
        y *= x
    y += coefficients[0]
    return y


SCALE = 2 * math.sqrt(2)


@functools.cache
def mills_coefficients():
    """log(R(a) / t) of the Mills ratio R as a polynomial in t = 1 / (1 + a / SCALE), to 5e-7 for all a >= 0."""

    def ratio(a):
        if a > 30:
            return (1 - 1 / a**2 + 3 / a**4 - 15 / a**6) / a
        return math.sqrt(math.pi / 2) * math.exp(a * a / 2) * math.erfc(a / math.sqrt(2))

    def values(ts):
        return np.array([math.log(ratio(SCALE * (1 / t - 1)) / t) for t in ts])

    fit = np.polynomial.Chebyshev.interpolate(values, 9, [0, 1])
    return fit.convert(kind=np.polynomial.Polynomial).coef.astype(np.float32)


def log_tail(a):
    """log P(y > a) of a normal number y, float32."""
    t = np.abs(a)
    t *= np.float32(1 / SCALE)
    t += 1
    np.reciprocal(t, out=t)
    far = horner(mills_coefficients(), t)
    far += np.log(t, out=t)
    np.multiply(a, a, out=t)
    t *= np.float32(0.5)
    t += np.float32(0.5 * math.log(2 * math.pi))
    far -= t  # log P(y > |a|)
    np.exp(far, out=t)
    np.subtract(1, t, out=t)
    np.log(t, out=t)  # log P(y > -|a|)
    return blend((a < 0).astype(np.float32), t, far)


# Wichura 1988, algorithm AS 241, PPND7: numerators and denominators, lowest powers first
MIDDLE = ([3.3871327179, 50.434271938, 159.29113202, 59.109374720], [1, 17.895169469, 78.757757664, 67.187563600])
NEAR = ([1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103], [1, 0.73700164250, 0.12021132975])
FAR = ([6.6579051150, 3.0812263860, 0.42868294337, 0.017337203997], [1, 0.24197894225, 0.012258202635])
MIDDLE, NEAR, FAR = ([np.array(c, np.float32) for c in pair] for pair in (MIDDLE, NEAR, FAR))


def rational(pair, x):
    y = horner(pair[0], x)
    y /= horner(pair[1], x)
    return y


def normal_above(log_tail):
    """y of which log P(normal > y) is log_tail, float32."""
    t = np.exp(log_tail)
    q = np.float32(0.5) - t
    np.subtract(1, t, out=t)
    np.maximum(t, np.float32(2**-25), out=t)
    np.log(t, out=t)
    np.minimum(t, log_tail, out=t)  # of the smaller tail
    np.negative(t, out=t)
    r = np.sqrt(t, out=t)
    middle = np.float32(0.180625) - q * q
    y = rational(MIDDLE, middle)
    y *= q
    outer = rational(NEAR, r - np.float32(1.6))
    beyond = np.flatnonzero(r > 5)
    if len(beyond):
        outer.reshape(-1)[beyond] = rational(FAR, r.reshape(-1)[beyond] - np.float32(5))
    np.copysign(outer, q, out=outer)
    return blend((middle < 0).astype(np.float32), outer, y)
