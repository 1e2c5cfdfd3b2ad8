"""exp, log, softplus, truncated normal numbers and sums in float64: the functions and the bits of the kernels."""

from __future__ import annotations

import numpy as np

from .dispatch import kernels

_NUMBERS = 1 << 20  # of a sum's terms at a time: bounds the memory


def exp(x: np.ndarray) -> np.ndarray:
    """exp(x) for -708 <= x <= 700."""
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


def softplus(x: np.ndarray) -> np.ndarray:
    """log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)), with log1p(e) = 2 artanh(e / (2 + e)).

    >>> import numpy as np
    >>> from fastrbm._core import floatmath
    >>> floatmath.softplus(np.array([-1000.0, 0.0, 1000.0])).round(6).tolist()
    [0.0, 0.693147, 1000.0]
    """
    e = exp(np.maximum(-np.abs(x), -708.0))
    s = e / (2.0 + e)
    return np.maximum(x, 0.0) + (s + s) * _artanh_series(s * s)


def log(x: np.ndarray | float) -> np.ndarray:
    """log(x) for x > 0: x = m 2^k with m in [0.7, 1.42), log m = 2 artanh((m - 1) / (m + 1))."""
    m, k = np.frexp(np.asarray(x, np.float64))
    low = m < 0.7071067811865476
    m, k = np.where(low, 2.0 * m, m), np.where(low, k - 1, k)
    s = (m - 1.0) / (m + 1.0)
    return (s + s) * _artanh_series(s * s) + k * 0.6931471805599453


def truncated(a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log R(a), D(a) and 1 - a D(a), each of the shape of a, float64; |a| <= 1e8 and not NaN.

    R(a), the integral from a to infinity of exp((a^2 - y^2) / 2) dy, is the Mills ratio. For a standard normal number
    y, given that y >= a, D(a) = 1/R(a) - a is the mean of y - a, and 1 - a D(a) that of its square. Their relative
    errors are below 1e-14. The absolute error of log R(a) is below 1e-14 + 2e-16 a^2.

    >>> import numpy as np
    >>> from fastrbm._core import floatmath
    >>> [x.round(6).tolist() for x in floatmath.truncated(np.array([-10.0, 0.0, 10.0]))]
    [[50.918939, 0.225791, -2.312347], [10.0, 0.797885, 0.098093], [101.0, 1.0, 0.019068]]
    """
    out = np.empty((3, a.size))
    kernels.truncated_moments(np.ascontiguousarray(a, np.float64).reshape(-1), out)
    log_mills, mean, second = out.reshape(3, *a.shape)
    return log_mills, mean, second


def total(x: np.ndarray) -> float:
    """The sum of x (n,), one number after the other; NumPy's own sums have an order that depends on its version."""
    return float(np.add.accumulate(x)[-1])


def row_sums(x: np.ndarray, factors: np.ndarray | float = 1.0) -> np.ndarray:
    """sum_k x_ik f_k of each row, one term after the other, float64 (n,), for x (n, m) of any floating type and factors
    (m,) or one number; some rows at a time, so that there is no second array of that size.

    >>> import numpy as np
    >>> from fastrbm._core import floatmath
    >>> floatmath.row_sums(np.array([[1.0, 2.0], [3.0, 4.0]], np.float32), np.array([1.0, 10.0])).tolist()
    [21.0, 43.0]
    """
    out, rows = np.empty(len(x)), max(1, _NUMBERS // x.shape[1])
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        out[part] = np.add.accumulate(x[part] * np.asarray(factors, np.float64), axis=1, dtype=np.float64)[:, -1]
    return out


def _artanh_series(z: np.ndarray) -> np.ndarray:
    """artanh(s) / s for z = s^2 <= 1/9, to s^32."""
    p = np.full_like(z, 1.0 / 33.0)
    for k in range(31, 0, -2):
        p = p * z + 1.0 / k
    return p
