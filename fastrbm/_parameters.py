"""Parameters: one immutable set of weights and biases, with the integer copies that the kernels read.

A change of parameters is a new object. So a step either happens wholly or not at all, whatever interrupts it.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from . import _threads
from ._buffers import Buffers
from ._kernels import TILE, kernels

_LARGEST_SUM = 2**31 - 1


def exponent(largest_sum: float, n_in: int) -> int:
    """The finest grid 2^-e on which no sum of n_in rounded weights leaves int32.

    floor(log2((2^31 - 1 - n_in) / largest_sum)), where largest_sum = max_j sum_i |W_ij|: rounding adds at most 1/2 a
    weight. At most 60, so that the grid itself is never a subnormal number.
    """
    if largest_sum == 0.0:
        return 60
    return min(60, math.frexp((_LARGEST_SUM - n_in) / largest_sum)[1] - 1)


def _padded(bias: np.ndarray) -> np.ndarray:
    out = np.zeros(-(-bias.size // TILE) * TILE, np.float32)
    out[: bias.size] = bias
    out.flags.writeable = False
    return out


class Parameters:
    """Weights (V, H), visible bias (V,), hidden bias (H,): float32, checked by the caller, read-only from here on."""

    def __init__(self, weights, visible_bias, hidden_bias, buffers: Buffers, n_threads: int | None = None) -> None:
        n_visible, n_hidden = self.shape = weights.shape
        threads = _threads.resolve(n_threads, _threads.PASS * weights.size)
        visible_padded, hidden_padded = _padded(visible_bias), _padded(hidden_bias)
        self.weights = weights.view()
        self.weights.flags.writeable = False
        self.visible_bias = visible_padded[:n_visible]
        self.hidden_bias = hidden_padded[:n_hidden]

        columns, rows = np.empty(n_hidden), np.empty(n_visible)
        kernels.absolute_sums(weights, columns, rows, threads)
        hidden_exponent = exponent(float(columns.max()), n_visible)
        visible_exponent = exponent(float(rows.max()), n_hidden)
        to_hidden = buffers.take((-(-n_hidden // TILE), -(-n_visible // 8) * 8, TILE), np.int32)
        to_visible = buffers.take((-(-n_visible // TILE), -(-n_hidden // 8) * 8, TILE), np.int32)
        kernels.quantize(weights, hidden_exponent, visible_exponent, to_hidden, to_visible, threads)
        self.to_hidden = kernels.Layer(to_hidden, hidden_exponent, hidden_padded, n_hidden)
        self.to_visible = kernels.Layer(to_visible, visible_exponent, visible_padded, n_visible)

    @cached_property
    def wide_visible_bias(self) -> np.ndarray:
        """float64, padded to whole bytes: what bias_sums reads."""
        return _wide(self.visible_bias)

    @cached_property
    def wide_hidden_bias(self) -> np.ndarray:
        return _wide(self.hidden_bias)


def _wide(bias: np.ndarray) -> np.ndarray:
    out = np.zeros(-(-bias.size // 8) * 8)
    out[: bias.size] = bias
    return out


def integer_weights(layer) -> np.ndarray:
    """The integers of a layer's tiles as one float64 matrix (inputs, n_units): for inputs that are no bits."""
    return np.concatenate(list(layer.tiles_array), axis=1)[:, : layer.n_units].astype(np.float64)
