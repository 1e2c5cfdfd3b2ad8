"""The reference implementation of what reads rows of floats as users have them."""

from __future__ import annotations

import numpy as np

from .activation import FIXED_BITS
from .sampling import pack


def pack_numbers(numbers, planes):
    """pack, of numbers (n, U) all of which are 0 or 1; whether they are."""
    if not ((numbers == 0) | (numbers == 1)).all():
        return False
    pack(numbers.astype(np.uint8), planes)
    return True


def sum_fractions(numbers, out):
    """Add to out (U,) the sums over the rows of numbers (n, U), cut to [0, 1], of rint(number 2^22)."""
    out += np.rint(numbers.clip(0.0, 1.0) * float(1 << FIXED_BITS)).sum(axis=0)


def hash_rows(rows, out):
    """out (n,): the sum, over the words k of a row (n, words), of splitmix64's output in state word + (k + 1) gamma."""
    with np.errstate(over="ignore"):
        x = rows + np.arange(1, rows.shape[1] + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
        out[...] = (x ^ (x >> np.uint64(31))).sum(axis=1, dtype=np.uint64)
