"""Weights in tiles, as the kernels read them: [tile][input][64]."""

from __future__ import annotations

import numpy as np

TILE = 64


def from_tiles(tiles, n_units, n_out):
    """The matrix (n_units, n_out) that tiles (ceil(n_out/64), >= n_units, 64) hold."""
    return np.concatenate(list(tiles), axis=1)[:n_units, :n_out]


def to_tiles(matrix, dtype=np.float32):
    """A matrix (n_units, n_out) in tiles (ceil(n_out/64), 8 ceil(n_units/8), 64), padded with zeros."""
    n_units, n_out = matrix.shape
    n_tiles = -(-n_out // TILE)
    padded = np.zeros((-(-n_units // 8) * 8, n_tiles * TILE), dtype)
    padded[:n_units, :n_out] = matrix
    return np.ascontiguousarray(padded.reshape(-1, n_tiles, TILE).transpose(1, 0, 2))


def quantized_weights(tiles, exponent):
    """rint(W 2^exponent), float64: the integers that a product adds up."""
    return np.rint(tiles * np.float32(2.0**exponent)).astype(np.float64)
