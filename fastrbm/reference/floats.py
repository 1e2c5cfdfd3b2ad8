"""The reference implementation of exp, log and softplus in float64."""

from __future__ import annotations

import numpy as np


def exp_negative_d(x):
    """exp(x) in float64 for -708 <= x <= 0, and up to 700: exp(r) 2^k, where x = r + k log 2 with |r| <= log(2) / 2."""
    magic = np.float64(6755399441055744.0)
    t = x * 1.4426950408889634 + magic
    n = t - magic
    r = x - n * 6.93147180369123816490e-01 - n * 1.90821492927058770002e-10
    p = np.full_like(r, 1.0 / 6227020800.0)
    for c in (479001600.0, 39916800.0, 3628800.0, 362880.0, 40320.0, 5040.0, 720.0, 120.0, 24.0, 6.0, 2.0):
        p = p * r + 1.0 / c
    p = p * (r * r) + r + 1.0
    power = (t.view(np.int64) - magic.view(np.int64) + np.int64(1023)) << np.int64(52)
    return p * power.view(np.float64)


def softplus(x):
    """log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)), float64, with log1p(e) = 2 artanh(e / (2 + e)).

    >>> import numpy as np
    >>> from fastrbm import reference
    >>> reference.softplus(np.array([-1000.0, 0.0, 1000.0])).round(6).tolist()
    [0.0, 0.693147, 1000.0]
    """
    e = exp_negative_d(np.maximum(-np.abs(x), -708.0))
    s = e / (2.0 + e)
    return np.maximum(x, 0.0) + (s + s) * _artanh_series(s * s)


def _artanh_series(z):
    """artanh(s) / s for z = s^2 <= 1/9, to s^32."""
    p = np.full_like(z, 1.0 / 33.0)
    for k in range(31, 0, -2):
        p = p * z + 1.0 / k
    return p


def log(x):
    """Natural logarithm in float64, the same bits on any machine: x = m 2^k with m in [0.7, 1.42), log m = 2 artanh."""
    m, k = np.frexp(np.asarray(x, np.float64))
    low = m < 0.7071067811865476
    m, k = np.where(low, 2.0 * m, m), np.where(low, k - 1, k)
    s = (m - 1.0) / (m + 1.0)
    return (s + s) * _artanh_series(s * s) + k * 0.6931471805599453
