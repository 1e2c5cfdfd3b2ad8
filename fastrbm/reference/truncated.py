"""The reference implementation of truncated normal numbers, in float64: y is standard normal, given that y >= a.

R(a), the integral from a to infinity of exp((a^2 - y^2) / 2) dy, is the Mills ratio, and D(a) = 1/R(a) - a = E[y - a].
``src/truncated.pxi`` says where the coefficients come from.
"""

from __future__ import annotations

import numpy as np

from .floats import exp_minus_one_d, exp_negative_d, log

FAR = 5.0  # from this a on, quantiles are computed as excesses over a
_LOG_MILLS_FAR, _MINUS_LOG_TAIL_FAR = -1.646059860784053, 15.064998393988725  # log R(5), -log Q(5)

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
    b, below = np.abs(a), a < 0
    top, bottom = _polynomial(_TOP, b), _polynomial(_BOTTOM, b)
    half = 0.5 * b * b
    e = exp_negative_d(np.maximum(0.0 - half, -708.0))
    mills = bottom / (top + b * bottom)
    s = 2.5066282746310007 - e * mills  # sqrt(2 pi) less the other tail
    log_mills = log(np.where(below, s, mills)) + np.where(below, half, 0.0)
    inverse = 1.0 / np.where(below, s, bottom)
    mean = np.where(below, e, top) * inverse + np.where(below, b, 0.0)
    return log_mills, mean, np.where(below, 1.0 + b * mean, _polynomial(_SECOND, b) * inverse)


def normal_of(log_t):
    """The y with Q(y) = t, where Q(y) is the probability of a standard normal number above y, and log t < 0.

    >>> import numpy as np
    >>> from fastrbm import reference
    >>> reference.normal_of(np.log([0.975, 0.9, 0.025])).round(6).tolist()
    [-1.959964, -1.281552, 1.959964]
    """
    above = log_t < -0.6931471805599453
    rest = 0.0 - exp_minus_one_d(np.maximum(log_t, -708.0))
    w = 0.0 - np.where(above, log_t, log(np.maximum(rest, 2.3e-308)))
    r = np.sqrt(np.where(w < 53.0, w, 53.0))
    y = _polynomial(_QUANTILE_TOP, r) / _polynomial(_QUANTILE_BOTTOM, r)
    y = np.where(w > 53.0, FAR + _excess(np.maximum(w - _MINUS_LOG_TAIL_FAR, 1.0), FAR, _LOG_MILLS_FAR), y)
    return np.where(above, y, 0.0 - y)


def normal_at(t):
    """normal_of log t, of numbers t from 2^-53 to 1 - 2^-53."""
    above = t < 1.0 - t
    r = np.sqrt(0.0 - log(np.where(above, t, 1.0 - t)))
    y = _polynomial(_QUANTILE_TOP, r) / _polynomial(_QUANTILE_BOTTOM, r)
    return np.where(above, y, 0.0 - y)


def tail_draw(log_u, a, log_mills):
    """y - a >= 0 with Q(y) = u Q(a), of log u < 0, |a| <= 1e8 and log R(a)."""
    near = a < FAR
    log_q = (log_mills - 0.9189385332046728) - 0.5 * a * a  # log(2 pi) / 2
    log_q = 0.0 - np.maximum(0.0 - log_q, 0.0)
    log_q = np.where(a < -8.3, 0.0, log_q)
    x = np.maximum(normal_of(np.where(near, log_u + log_q, -1.0)) - a, 0.0)
    return np.where(near, x, _excess(0.0 - log_u, np.maximum(a, FAR), np.where(near, _LOG_MILLS_FAR, log_mills)))


def truncated_moments(a, out):
    """out (3, n): log R, E[y - a] and E[(y - a)^2] of a (n,)."""
    out[...] = truncated(a)


def truncated_draws(log_u, a, out):
    """out (n,): tail_draw of log_u (n,) and a (n,)."""
    out[...] = tail_draw(log_u, a, truncated(a)[0])


def normal_draws(log_t, out):
    """out (n,): normal_of of log_t (n,)."""
    out[...] = normal_of(log_t)


def _excess(w, a, log_mills):
    """The x with a x + x^2 / 2 + log R(a) - log R(a + x) = w, for a >= FAR: two steps of Newton's method."""
    mean = _polynomial(_TOP, a) / _polynomial(_BOTTOM, a)
    hazard = a + mean
    first = (w + w) / (hazard + np.sqrt(hazard * hazard + (w + w) * (mean * hazard)))
    x = np.minimum(first, (w + w) / (a + np.sqrt(a * a + (w + w))))
    for _ in range(2):
        y = a + x
        bottom = _polynomial(_BOTTOM, y)
        mills = bottom / (_polynomial(_TOP, y) + y * bottom)
        x = x - (x * (a + 0.5 * x) + (log_mills - log(mills)) - w) * mills
    return np.where(w < 0.0005, first, x)


def _polynomial(coefficients, x):
    """By Horner's rule, the highest power first."""
    p = coefficients[0]
    for c in coefficients[1:]:
        p = p * x + c
    return p
