"""Layouts of arrays that Python and the kernels share: see src/README.md. Every constant of them is here, once."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

TILE = 64  # output units in a tile of weights
FIXED_BITS = 22  # fixed-point probabilities are multiples of 2^-22
ROWS = 504  # rows whose fixed-point probabilities sum in int32
REAL_BITS = 12  # values of real units are multiples of 2^-12,
REAL_BYTES = 3  # whole numbers of so many bytes,
REAL_LARGEST = (1 << 23) - 1  # at most this in size:
REAL_RANGE = 2048.0  # values are below this
REAL_UNITS = "gaussian", "relu", "drelu"  # the types whose values are real


def to_tiles(matrix: np.ndarray, dtype: DTypeLike = np.float32) -> np.ndarray:
    """A matrix (n_units, n_out) in tiles (ceil(n_out/64), 8 ceil(n_units/8), 64), padded with zeros."""
    n_units, n_out = matrix.shape
    n_tiles = -(-n_out // TILE)
    padded = np.zeros((-(-n_units // 8) * 8, n_tiles * TILE), dtype)
    padded[:n_units, :n_out] = matrix
    return np.ascontiguousarray(padded.reshape(-1, n_tiles, TILE).transpose(1, 0, 2))


def from_tiles(tiles: np.ndarray, n_units: int, n_out: int) -> np.ndarray:
    """The matrix (n_units, n_out) that tiles (ceil(n_out/64), >= n_units, 64) hold."""
    return np.concatenate(list(tiles), axis=1)[:n_units, :n_out]


def to_fixed_point(fractions: np.ndarray) -> np.ndarray:
    """Fractions in [0, 1] to the nearest multiple of 2^-22, as float64 integers, contiguous: sums of their products
    with 31-bit integers are below 2^53, so exact in whatever order they are added."""
    return np.rint(np.multiply(fractions, float(1 << FIXED_BITS), order="C"))
