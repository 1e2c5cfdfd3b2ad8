"""The reference implementation of real-valued units: Gaussian, ReLU and dReLU units; see src/real.pxi.

A unit is described by six numbers, sides (6, n_units): of the positive side, then of the negative one, theta less the
bias (rows 0, 1), 1 / sqrt(gamma) (2, 3) and log(gamma) / 2 (4, 5). Fields are float64 (n, n_units), with beta in them.
"""

from __future__ import annotations

import numpy as np

from .floats import exp_negative_d, log
from .truncated import log_mills, mode_of, normal_at, scaled_moments, scaled_tail, tail_draw

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
    width, log_gamma = sides[2], sides[4]
    if name == "gaussian":
        x = field * width
        return x * x * 0.5 + (0.9189385332046727 - log_gamma)
    a, b = bounds(name, sides, field, beta)
    if name == "relu":
        return log_mills(a, scaled_tail(a)) - log_gamma
    plus, minus = weights(sides, a, b, scaled_tail(a), scaled_tail(b))
    m = np.maximum(mode_of(a), mode_of(b))
    return log(plus + minus) + (0.9189385332046727 + 0.5 * m * m)


def mean(name, sides, field, beta):
    """E[x]."""
    width_plus, width_minus = sides[2:4]
    if name == "gaussian":
        return field * width_plus * width_plus
    a, b = bounds(name, sides, field, beta)
    plus, mean_plus, _ = scaled_moments(a)
    if name == "relu":
        return mean_plus * width_plus
    minus, mean_minus, _ = scaled_moments(b)
    plus, minus = weights(sides, a, b, plus, minus)
    return (plus * (mean_plus * width_plus) - minus * (mean_minus * width_minus)) / (plus + minus)


def fixed_point(mean, fixed_bits):
    """In units of 2^-f, whole numbers of up to 22 bits."""
    return np.rint(np.clip(mean * 2.0**fixed_bits, -(2.0**22), 2.0**22))


def quantile(name, sides, field, beta, u):
    """The value that a uniform number u in (0, 1) draws; of a dReLU unit it says on which side first."""
    width_plus, width_minus = sides[2:4]
    if name == "gaussian":
        return field * width_plus * width_plus + normal_at(u) * width_plus
    a, b = bounds(name, sides, field, beta)
    if name == "relu":
        return tail_draw(u, a) * width_plus
    plus, minus = weights(sides, a, b, scaled_tail(a), scaled_tail(b))
    total = plus + minus
    less = u * total < np.minimum(plus, minus)  # on the less likely side
    negative = (plus < minus) ^ less
    u = np.where(less, u, 1.0 - u) * total / np.where(negative, minus, plus)
    return tail_draw(u, np.where(negative, b, a)) * np.where(negative, 0.0 - width_minus, width_plus)


def bounds(name, sides, field, beta):
    """a of the positive side, and that of the negative one, mirrored; None of a ReLU unit, which has none."""
    theta_plus, theta_minus, width_plus, width_minus, _, _ = sides
    if name == "relu":
        return _bounded(0.0 - field * width_plus), None
    a = _bounded(0.0 - (field + theta_plus * beta) * width_plus)
    return a, _bounded((field + theta_minus * beta) * width_minus)


def weights(sides, a, b, plus, minus):
    """In proportion to the probabilities of x >= 0 and x < 0, of T(a) and T(b)."""
    x, y = mode_of(a), mode_of(b)
    log_ratio = 0.5 * (x - y) * (x + y)
    e = exp_negative_d(np.maximum(0.0 - np.abs(log_ratio), -600.0))
    plus = plus * sides[2] * np.where(log_ratio < 0, e, 1.0)
    return plus, minus * sides[3] * np.where(log_ratio < 0, 1.0, e)


def drelu_means(sides, field):
    """E[max(x, 0)], E[min(x, 0)], E[max(x, 0)^2] and E[min(x, 0)^2] of dReLU units, at beta 1."""
    width_plus, width_minus = sides[2:4]
    a, b = bounds("drelu", sides, field, 1.0)
    (plus, mean_plus, second_plus), (minus, mean_minus, second_minus) = scaled_moments(a), scaled_moments(b)
    plus, minus = weights(sides, a, b, plus, minus)
    p_plus, p_minus = plus / (plus + minus), minus / (plus + minus)
    return (
        p_plus * (mean_plus * width_plus), 0.0 - p_minus * (mean_minus * width_minus),
        p_plus * (second_plus * (width_plus * width_plus)), p_minus * (second_minus * (width_minus * width_minus)),
    )  # fmt: skip


def sums_of_means(sides, field, weight, fixed_bits):
    """The sums over rows of field (n, n_units) of these four, each times weight (n,) or 1 and rounded to a multiple
    of 2^-g, and of what that leaves of them, to one of 2^-(g + 30): float64 (8, n_units)."""
    g = 2 * fixed_bits - 15
    weight, coarse, fine = 1.0 if weight is None else weight[:, None], 1.5 * 2.0 ** (52 - g), 1.5 * 2.0 ** (22 - g)
    sums, rests = [], []
    for mean in drelu_means(sides, field):
        x = mean * weight
        rounded = (x + coarse) - coarse
        sums.append(rounded.sum(axis=0))
        rests.append((((x - rounded) + fine) - fine).sum(axis=0))
    return np.stack([*sums, *rests])


def _bounded(a):
    """What truncated normal numbers take: at most 1e8 in size."""
    return np.clip(a, -1e8, 1e8)
