"""The reference implementation of real-valued units: Gaussian, ReLU and dReLU units; see src/real.pxi.

A unit is described by six numbers, sides (6, n_units): of the positive side, then of the negative one, theta less the
bias (rows 0, 1), 1 / sqrt(gamma) (2, 3) and log(gamma) / 2 (4, 5). Fields are float64 (n, n_units), with beta in them.
"""

from __future__ import annotations

import numpy as np

from .floats import exp_negative_d, log
from .truncated import normal_at, tail_draw, truncated

NAMES = "gaussian", "relu", "drelu"
BYTES = 3
KIND = 4  # added to the kind of draw
_LARGEST = 8388607.0


def value_of_byte(numbers, byte):
    """What a byte of a unit's integer stands for."""
    return numbers.view(np.int8) * 16.0 if byte == 2 else numbers * (0.0625 if byte else 2.0**-12)


def values(planes):
    """Of units with rows of planes (3 n_units, n), (n, n_units)."""
    low, middle, high = (planes[byte::BYTES] for byte in range(BYTES))
    integers = low | middle.astype(np.int32) << 8 | np.ascontiguousarray(high).view(np.int8).astype(np.int32) << 16
    return integers.T * 2.0**-12


def put(x, rows):
    """Round values (n, n_units) to the grid, and write their bytes to rows (3 n_units, n)."""
    integers = np.rint(np.clip(x * 4096.0, -_LARGEST, _LARGEST)).astype(np.int32).T
    for byte in range(BYTES):
        rows[byte::BYTES] = (integers >> 8 * byte) & 255


def fields(sent, layer, beta, reference):
    """((bias + sent 2^-e) beta [+ reference (1 - beta)], beta), float64 (n, n_units) and (n, 1)."""
    field = sent * 2.0**-layer.exponent + layer.in_place(layer.bias_array).astype(np.float64)
    if beta is None:
        return field, np.ones((len(sent), 1))
    beta = np.asarray(beta, np.float32).astype(np.float64)[:, None]
    field = field * beta
    if reference is not None:
        field = field + layer.in_place(reference).astype(np.float64) * (1.0 - beta)
    return field, beta


def cgf(name, sides, field, beta):
    """The cumulant generating function at beta."""
    theta_plus, theta_minus, width_plus, width_minus, log_plus, log_minus = sides
    if name == "gaussian":
        x = field * width_plus
        return x * x * 0.5 + (0.9189385332046727 - log_plus)
    if name == "relu":
        return truncated(_bounded(0.0 - field * width_plus))[0] - log_plus
    plus = truncated(_bounded(0.0 - (field + theta_plus * beta) * width_plus))[0] - log_plus
    minus = truncated(_bounded((field + theta_minus * beta) * width_minus))[0] - log_minus
    small = exp_negative_d(np.maximum(0.0 - np.abs(plus - minus), -708.0))
    return np.maximum(plus, minus) + log(1.0 + small)


def mean(name, sides, field, beta):
    """E[x]."""
    theta_plus, theta_minus, width_plus, width_minus, log_plus, log_minus = sides
    if name == "gaussian":
        return field * width_plus * width_plus
    if name == "relu":
        return truncated(_bounded(0.0 - field * width_plus))[1] * width_plus
    plus, mean_plus, _ = truncated(_bounded(0.0 - (field + theta_plus * beta) * width_plus))
    minus, mean_minus, _ = truncated(_bounded((field + theta_minus * beta) * width_minus))
    odds = (plus - log_plus) - (minus - log_minus)
    e = exp_negative_d(np.maximum(0.0 - np.abs(odds), -708.0))
    mean_plus, mean_minus = mean_plus * width_plus, mean_minus * width_minus
    return (np.where(odds < 0, e, 1.0) * mean_plus - np.where(odds < 0, 1.0, e) * mean_minus) / (1.0 + e)


def quantile(name, sides, field, beta, u):
    """The value that a uniform number u in (0, 1) draws; of a dReLU unit it says on which side first."""
    theta_plus, theta_minus, width_plus, width_minus, log_plus, log_minus = sides
    if name == "gaussian":
        return field * width_plus * width_plus + normal_at(u) * width_plus
    a = _bounded(0.0 - field * width_plus)
    if name == "relu":
        return tail_draw(log(u), a, truncated(a)[0]) * width_plus
    a = _bounded(0.0 - (field + theta_plus * beta) * width_plus)
    b = _bounded((field + theta_minus * beta) * width_minus)
    plus, minus = truncated(a)[0], truncated(b)[0]
    odds = (plus - log_plus) - (minus - log_minus)
    e = exp_negative_d(np.maximum(0.0 - np.abs(odds), -708.0))
    less = u * (1.0 + e) < e  # the less likely side has probability e / (1 + e)
    y = np.where(less, u, 1.0 - u) * (1.0 + e) / np.where(less, e, 1.0)
    y = 1.0 - np.maximum(1.0 - y, 2.0**-53)
    negative = (odds < 0) ^ less
    x = tail_draw(log(y), np.where(negative, b, a), np.where(negative, minus, plus))
    return x * np.where(negative, 0.0 - width_minus, width_plus)


def drelu_means(sides, field):
    """E[max(x, 0)], E[min(x, 0)], E[max(x, 0)^2] and E[min(x, 0)^2] of dReLU units, at beta 1."""
    theta_plus, theta_minus, width_plus, width_minus, log_plus, log_minus = sides
    plus, mean_plus, second_plus = truncated(_bounded(0.0 - (field + theta_plus) * width_plus))
    minus, mean_minus, second_minus = truncated(_bounded((field + theta_minus) * width_minus))
    odds = (plus - log_plus) - (minus - log_minus)
    e = exp_negative_d(np.maximum(0.0 - np.abs(odds), -708.0))
    p_plus, p_minus = np.where(odds < 0, e, 1.0) / (1.0 + e), np.where(odds < 0, 1.0, e) / (1.0 + e)
    return (
        p_plus * (mean_plus * width_plus), 0.0 - p_minus * (mean_minus * width_minus),
        p_plus * (second_plus * (width_plus * width_plus)), p_minus * (second_minus * (width_minus * width_minus)),
    )  # fmt: skip


def sums_of_means(sides, field, weight, fixed_bits):
    """The sums over rows of field (n, n_units) of these four, float64 (4, n_units), each times weight (n,) or 1 and
    rounded to a multiple of 2^-g."""
    g = min(20, 2 * fixed_bits - 15)
    weight, magic = 1.0 if weight is None else weight[:, None], 1.5 * 2.0 ** (52 - g)
    return np.stack([((mean * weight + magic) - magic).sum(axis=0) for mean in drelu_means(sides, field)])


def _bounded(a):
    """What truncated takes: at most 1e8 in size."""
    return np.clip(a, -1e8, 1e8)
