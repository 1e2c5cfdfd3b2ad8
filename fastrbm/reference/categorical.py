"""Categorical sites: one of q categories, P(a) proportional to exp(field of a).

Fields and weights are those of one site of n chains, float32 (n, q).
"""

from __future__ import annotations

import numpy as np

from .activation import exp_negative

MOST = 255  # categories of a site


def weigh(fields):
    """exp(field - largest field) of each category, float32 (n, q); exp(-87) where it would be smaller."""
    return exp_negative(np.maximum(fields - fields.max(axis=1, keepdims=True), np.float32(-87.0)))


def probabilities(weights):
    """Of the categories, float32 (n, q): their weights by the sum of all, added one after the other."""
    return weights / np.add.accumulate(weights, axis=1)[:, -1:]


def choose(weights, words):
    """Categories (n,), uint8, in proportion to rint(weight 2^S), by words (n,) of 32 random bits.

    S = 30 - floor(log2 q) is the largest for which q times 2^S is below 2^31. A word U points at one of all the places,
    number floor(U total / 2^32); categories have theirs one after the other.

    >>> import numpy as np
    >>> from fastrbm.reference import categorical
    >>> weights = np.array([[0.5, 1.0, 0.5]] * 4, np.float32)
    >>> categorical.choose(weights, np.array([0, 2**30, 2**32 - 2**30 - 1, 2**32 - 1], np.uint32)).tolist()
    [0, 1, 1, 2]
    """
    bits = 30 - (weights.shape[1].bit_length() - 1)
    ends = np.add.accumulate(np.rint(weights.astype(np.float64) * 2.0**bits).astype(np.uint64), axis=1)
    place = (words.astype(np.uint64) * ends[:, -1]) >> np.uint64(32)
    return (ends <= place[:, None]).sum(axis=1).astype(np.uint8)
