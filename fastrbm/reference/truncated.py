"""The reference implementation of truncated normal numbers, in float64: y is standard normal, given that y >= a.

R(a), the integral from a to infinity of exp((a^2 - y^2) / 2) dy, is the Mills ratio, and D(a) = 1/R(a) - a = E[y - a].
Q(a) is the probability of a standard normal number above a, T(a) = Q(a) exp(max(a, 0)^2 / 2) the same without what
makes it underflow. R(a) = sqrt(2 pi) exp(m^2 / 2) T(a), where m = max(-a, 0) is the mode of y - a.
``src/truncated.pxi`` says where the coefficients come from.
"""

from __future__ import annotations

import numpy as np

from .floats import exp_negative_d, log

FAR = 5.0  # from this a on, quantiles are computed as excesses over a
_ROOT = 0.3989422804014327  # 1 / sqrt(2 pi)

# Coefficients, the highest power first: D(b) = top / bottom, 1 - b D(b) = second / bottom, for b >= 0
_TOP = (
    1.0, 28.449025885584803, 413.04229306025763, 3930.4846463998683, 26821.713254494214, 136279.53701869663,
    520807.92476616625, 1479237.585183331, 3000649.8910352755, 3959013.482295128, 2621132.0573298773,
)  # fmt: skip
_BOTTOM = (
    1.0, 28.449025885584803, 415.04229306025763, 3987.3826981710454, 27641.79784061057, 143969.81215704905,
    572015.0974254577, 1729408.6161260912, 3898269.005929337, 6253120.428050446, 6458020.117551654,
    3285101.863222396,
)  # fmt: skip
_SECOND = (
    2.0, 56.89805177117705, 820.0845861163543, 7690.2751383524155, 51207.17265929142, 250171.03094276018,
    897619.1148940613, 2294106.9457553183, 3836888.0602217764, 3285101.863222396,
)  # fmt: skip
# abs y = top / bottom, of sqrt(-log min(t, 1 - t))
_QUANTILE_TOP = (
    1.4142835600780883, 36.07554409944037, 219.48602423081684, 684.4622206738067, 1793.634114757253,
    1208.8632215284524, -1467.0048972788395, -984.7256034443847, -79.89330561065266,
)  # fmt: skip
_QUANTILE_BOTTOM = (
    1.0, 25.517713438471237, 157.9434829212939, 531.0748939739138, 1476.7434269310443, 1533.1120032980577,
    437.72395113802594, 21.82194339989918,
)  # fmt: skip


def truncated(a):
    """log R(a), D(a) = E[y - a] and E[(y - a)^2] = 1 - a D(a), for |a| <= 1e8, of any shape.

    >>> import numpy as np
    >>> from fastrbm import reference
    >>> [x.round(6).tolist() for x in reference.truncated(np.array([-1e4, 0.0, 1e4]))]
    [[50000000.918939, 0.225791, -9.21034], [10000.0, 0.797885, 0.0001], [100000001.0, 1.0, 0.0]]
    """
    a = np.asarray(a, np.float64)
    scaled, mean, second = scaled_moments(a)
    return log_mills(a, scaled), mean, second


def scaled_moments(a):
    """T(a), D(a) and 1 - a D(a)."""
    b, below, e = np.abs(a), a < 0, _bell(a)
    scaled = scaled_tail(a)
    inverse = 1.0 / np.where(below, scaled, _polynomial(_BOTTOM, b))
    mean = np.where(below, _ROOT * e, _polynomial(_TOP, b)) * inverse + np.where(below, b, 0.0)
    return scaled, mean, np.where(below, 1.0 + b * mean, _polynomial(_SECOND, b) * inverse)


def scaled_tail(a):
    """T(a)."""
    b = np.abs(a)
    bottom = _polynomial(_BOTTOM, b)
    t = _ROOT * bottom / (_polynomial(_TOP, b) + b * bottom)
    return np.where(a < 0, 1.0 - _bell(a) * t, t)


def mode_of(a):
    """m."""
    return np.maximum(0.0 - a, 0.0)


def log_mills(a, scaled):
    """log R(a), of T(a)."""
    m = mode_of(a)
    return log(scaled) + 0.9189385332046727 + 0.5 * m * m  # log(2 pi) / 2


def normal_at(t):
    """The y with Q(y) = t, of numbers t from exp(-53) to 1; from 1 - 2^-53 on it is that of 1 - 2^-53.

    >>> import numpy as np
    >>> from fastrbm import reference
    >>> reference.normal_at(np.array([0.975, 0.9, 0.025])).round(6).tolist()
    [-1.959964, -1.281552, 1.959964]
    """
    r = np.sqrt(0.0 - log(np.minimum(t, np.maximum(1.0 - t, 2.0**-53))))
    y = _polynomial(_QUANTILE_TOP, r) / _polynomial(_QUANTILE_BOTTOM, r)
    return np.where(t < 1.0 - t, y, 0.0 - y)


def tail_draw(u, a):
    """y - a >= 0 with Q(y) = u Q(a), of u from 2^-53 to 1 and |a| <= 1e8."""
    near, tail = a < FAR, np.where(a < 0, 1.0, _bell(a)) * scaled_tail(a)  # Q(a)
    x = np.where(near, normal_at(u * tail) - a, _excess(0.0 - log(u), np.maximum(a, FAR)))
    return np.maximum(x, 0.0)


def truncated_moments(a, out):
    """out (3, n): log R, E[y - a] and E[(y - a)^2] of a (n,)."""
    out[...] = truncated(a)


def truncated_draws(u, a, out):
    """out (n,): tail_draw of u (n,) and a (n,)."""
    out[...] = tail_draw(u, a)


def normal_draws(t, out):
    """out (n,): normal_at of t (n,)."""
    out[...] = normal_at(t)


def _bell(a):
    """exp(-a^2 / 2), or exp(-100) where that is less."""
    return exp_negative_d(np.maximum(-0.5 * a * a, -100.0))


def _excess(w, a):
    """The x with a x + x^2 / 2 + log(R(a) / R(a + x)) = w, for a >= FAR: two steps of Newton's method."""
    mean = _polynomial(_TOP, a) / _polynomial(_BOTTOM, a)
    hazard = a + mean
    first = (w + w) / (hazard + np.sqrt(hazard * hazard + (w + w) * (mean * hazard)))
    x = np.minimum(first, (w + w) / (a + np.sqrt(a * a + (w + w))))
    for _ in range(2):
        y = a + x
        bottom = _polynomial(_BOTTOM, y)
        mills = bottom / (_polynomial(_TOP, y) + y * bottom)
        x = x - (x * (a + 0.5 * x) - log(hazard * mills) - w) * mills
    return np.where(w < 0.0005, first, x)


def _polynomial(coefficients, x):
    """By Horner's rule, the highest power first."""
    p = coefficients[0]
    for c in coefficients[1:]:
        p = p * x + c
    return p
