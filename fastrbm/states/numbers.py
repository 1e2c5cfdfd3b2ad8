"""Numbers of users, already checked, as states: packed to bits where all are 0 or 1, else as they are."""

from __future__ import annotations

import numpy as np

from .._core.dispatch import kernels
from .bits import BitMatrix
from .totals import dense, is_plain, pieces

_ROWS = 1024  # that go through products at a time
_USUAL = (np.float64, np.float32, np.uint8, np.bool_)


def states_of(X) -> BitMatrix | np.ndarray:
    """Checked numbers (n, V), dense or CSR (no entry twice), as a BitMatrix where all are 0 or 1, else as they are."""
    bits = BitMatrix.empty(*X.shape)
    if hasattr(X, "toarray"):
        if not _are_bits(X.data):
            return X
        for rows in pieces(X):
            _pack(X[rows].toarray(), bits.planes[:, rows])
        return bits
    if is_plain(X):
        return bits if kernels.pack_numbers(X, bits.planes) else X
    for rows in pieces(X):
        if not _are_bits(X[rows]):
            return X
        _pack(X[rows], bits.planes[:, rows])
    return bits


def states_of_good(X) -> tuple[BitMatrix | np.ndarray | None, tuple[float, float] | None]:
    """states_of and limits_of, of whatever a user passes, where that is an array of finite numbers of the usual dtypes;
    else None, None."""
    if type(X) is not np.ndarray or X.ndim != 2 or X.size == 0 or X.dtype not in _USUAL:
        return None, None
    states = states_of(X)
    limits = limits_of(states)
    return (states, limits) if np.isfinite(limits).all() else (None, None)


def limits_of(states) -> tuple[float, float]:
    """Two numbers between which all are: the smallest and the largest, or 0 and 1."""
    if isinstance(states, BitMatrix) or states.shape[0] == 0:
        return 0.0, 1.0
    with np.errstate(invalid="ignore"):
        return states.min(), states.max()


def _are_bits(numbers: np.ndarray) -> bool:
    return numbers.dtype == np.bool_ or bool(((numbers == 0) | (numbers == 1)).all())


def _pack(bits: np.ndarray, planes: np.ndarray) -> None:
    if bits.dtype == np.bool_:
        bits = bits.view(np.uint8) != 0  # a True may be any byte
    kernels.pack(np.ascontiguousarray(bits, np.uint8), planes, 1)


def parts_of(states):
    """(slice, examples) of some at a time, as float64; all at once where they are bits."""
    if isinstance(states, BitMatrix):
        yield slice(0, len(states)), states
        return
    for start in range(0, states.shape[0], _ROWS):
        rows = slice(start, min(start + _ROWS, states.shape[0]))
        yield rows, dense(states[rows])


def cut(numbers) -> BitMatrix | np.ndarray:
    """states_of numbers, those outside [0, 1] as the nearer end."""
    if hasattr(numbers, "toarray"):
        numbers = numbers.copy()
        numbers.data = numbers.data.clip(0, 1)
    else:
        numbers = numbers.clip(0, 1)
    return states_of(numbers)
