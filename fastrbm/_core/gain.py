"""Whether models with real units in both layers can be normalized."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..units.unit import Unit
    from .parameters import Parameters

MOST = 31 / 32  # that a training may reach: chains take some 1 / (1 - gain) sweeps to forget, and variances grow by it
_STARTS = 4  # directions that are followed
_FIRST, _MORE = 60, 6  # steps along them: when they are new, and each time that they are looked at again
_NEAR = 1 / 128  # the least distance between two looks


class Gain:
    """The largest gain of a round through the hidden layer that was found, and how far weights may move until the next
    look.

    In a direction v of the real visible units, each in units of 1 / sqrt(gamma), far out, the exponent of p(v) is -(1 -
    f(v)) |v|^2 / 2 with f(v) = sum_j (w_j'v)^2 / gamma_j, |v| = 1, where gamma_j is that of the side of hidden unit j
    that w_j'v is on, and a ReLU has no negative one. So p can be normalized if f is below 1 everywhere. f is convex and
    homogeneous, and grows along v <- sum_j w_j (w_j'v) / gamma_j, which of Gaussian units is the power iteration for
    the largest singular value. From a few directions, kept from look to look, that finds a maximum, which need not be
    the largest one.
    """

    def __init__(self, found: float, left: float, directions: np.ndarray | None) -> None:
        self.found, self._left, self._directions = found, left, directions

    def after(self, before: Parameters, now: Parameters) -> Gain:
        """That of parameters that were moved from others, of which this is the gain."""
        apart = np.square(_scaled(now) - _scaled(before)).sum(axis=0)
        left = self._left - math.sqrt(float(np.add.accumulate(apart)[-1]))  # singular values move by less (Weyl 1912)
        if left > 0.0:
            return Gain(self.found, left, self._directions)
        weights = now.weights * _roots(now.units[0])[:, None]
        found, directions = _ascent(weights, _factors(now), self._directions)
        return Gain(found, max(_NEAR, (1.0 - math.sqrt(min(found, 1.0))) / 2.0), directions)

    def lowered(self) -> Gain:
        """That of weights that are scaled down to MOST."""
        return Gain(MOST, _NEAR, self._directions)


UNKNOWN = Gain(math.inf, 0.0, None)


def _roots(unit: Unit) -> np.ndarray:
    """1 / sqrt(gamma), of either side the larger one; 0 of units that are not real."""
    return unit.sides()[2:4].max(axis=0)


def _scaled(parameters: Parameters) -> np.ndarray:
    visible, hidden = map(_roots, parameters.units)
    return parameters.weights * visible[:, None] * hidden


def _factors(parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
    """1 / gamma of hidden units where their input is positive, and where it is negative."""
    hidden = parameters.units[1]
    plus, minus = np.square(hidden.sides()[2:4])
    return plus, np.zeros_like(minus) if getattr(hidden, "one_sided", False) else minus


def _ascent(
    weights: np.ndarray, factors: tuple[np.ndarray, np.ndarray], directions: np.ndarray | None
) -> tuple[float, np.ndarray]:
    """The largest f that is found from these directions (K, V), and where they went."""
    steps = _MORE
    if directions is None:
        norms = np.add.accumulate(np.square(weights), axis=0)[-1] * np.maximum(*factors)
        longest = weights.T[np.argsort(-norms, kind="stable")[: _STARTS // 2]]
        directions, steps = np.concatenate([longest, -longest]), _FIRST
    v, found = directions, np.zeros(len(directions))
    for _ in range(steps):
        norms = np.sqrt(np.add.accumulate(np.square(v), axis=1)[:, -1:])
        v = v / np.where(norms > 0, norms, 1.0)
        inputs = _product(v, weights)
        sent = inputs * np.where(inputs >= 0, factors[0], factors[1])
        found = np.add.accumulate(sent * inputs, axis=1)[:, -1]
        v = _product(sent, weights.T)
    return float(found.max()), v


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a (K, m) times b (m, n), one term after the other: the same bits on any machine, as BLAS has them not."""
    out = np.zeros((a.shape[0], b.shape[1]))
    for k in range(b.shape[0]):
        out += a[:, k, None] * b[k]
    return out
