"""The reference implementation of activation: exponentials and probabilities in float32."""

from __future__ import annotations

import numpy as np

from . import units

FIXED_BITS = 22


def exp_negative(x):
    """exp(x) in float32 for -87 <= x <= 87, relative error below 2e-7 + 8e-8 |x| (see src/activation.pxi)."""
    f = np.float32
    y = x * f(1.44269504)
    t = y + f(12583039.0)
    r = y - (t - f(12583039.0))
    p = np.full_like(r, f(0.001326482160948217))
    for c in (0.00967153999954462, 0.05550722777843475, 0.24022242426872253, 0.6931470036506653, 1.0):
        p = p * r + f(c)
    return p * (t.view(np.int32) << 23).view(np.float32)


def log_odds(field, unit):
    """Of a unit's two values, float32 or float64 as the field."""
    return field * field.dtype.type(units.step(unit))


def less_likely(odds):
    """q = sigmoid(-|log odds|), the probability of a unit's less likely state, float32."""
    e = exp_negative(np.maximum(-np.abs(odds), np.float32(-87.0)))
    return e / (np.float32(1.0) + e)


def probability(odds):
    """P(unit on) = sigmoid(log odds), float32: what the kernels give out."""
    q = less_likely(odds)
    return np.where(np.signbit(odds), q, np.float32(1.0) - q)


def fixed_probability(odds):
    """P(unit on) in units of 2^-22: whole numbers in float32."""
    q = np.rint(less_likely(odds) * np.float32(2**FIXED_BITS))
    return np.where(np.signbit(odds), q, np.float32(2**FIXED_BITS) - q)
