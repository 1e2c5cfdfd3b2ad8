"""Sums of the units over data of any form: exact, so the same bits whatever the data come from."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Set
from typing import TYPE_CHECKING

import numpy as np

from .._core import arrays, validate
from .._core.dispatch import kernels
from .._core.layout import FIXED_BITS, to_fixed_point
from .bits import BitMatrix, packed
from .missing import are_sites, has_missing, known_parts

if TYPE_CHECKING:
    from ..units.unit import Unit

BATCH = "a batch of X"
_PART = 1 << 24  # numbers of an array on disk that are read at a time
_NUMBERS = 1 << 13  # that are read at a time, so that what is made of them stays in cache
_ROWS = 1024  # that are weighted at a time


def refuse_no_batches(X: object) -> None:
    """Text and mappings can be iterated over, too, but what comes is not batches."""
    if isinstance(X, (Mapping, Set, str, bytes)) and not is_array(X):
        raise TypeError(f"X must be an array (n, V), a BitMatrix or batches to iterate over, not {type(X).__name__}")


def is_array(X: object) -> bool:
    return isinstance(X, (BitMatrix, list, tuple)) or hasattr(X, "__array__") or hasattr(X, "shape")


def totals(X, unit: Unit) -> tuple[np.ndarray, float | np.ndarray]:
    """(in how many examples each visible unit is on, examples; where entries are missing, in how many each unit is
    known) of data whose numbers are values of such units: exact, so the same bits whatever the data come from; a part
    at a time."""
    refuse_no_batches(X)
    if type(X) is np.ndarray:
        unit.check_data(X, "X")
    total, n = np.zeros(0), 0
    gone: float | np.ndarray = 0.0
    name = "X" if is_array(X) else BATCH
    for part in _parts(X):
        rows = range(n, sys.maxsize) if is_array(X) else None
        if not isinstance(part, (np.ndarray, BitMatrix)):
            part = arrays.numbers(part, name, missing=True, sparse=True)
        if not arrays.is_sparse(part) and has_missing(part, _sized(unit, part)):
            data, missing = _known(part, _sized(unit, part), name, rows)
            gone = gone + _sums(missing)
        else:
            given = isinstance(part, BitMatrix)
            data = part if given else validate.states(part, _columns(unit), name, True, rows, unit)
        if unit.layout is not None and not isinstance(data, BitMatrix) and data.dtype == np.uint8:
            data = packed(data, unit)
        if n and data.shape[1] != total.size:
            raise ValueError(f"X has batches of {total.size} units and of {data.shape[1]}")
        sums = _sums(data)
        total, n = total + sums if n else sums, n + data.shape[0]
    if n == 0 or total.size == 0:
        raise ValueError(f"X must have at least one example and one unit, got {n} examples of {np.size(total)} units")
    return total, n - gone if np.ndim(gone) else n


def _sized(unit: Unit, X) -> Unit:
    """The units that X has a column for each of: those of one type of two values may be described by their type."""
    shape = X.shape
    return unit if unit.layout is not None or len(shape) != 2 or 0 in shape else type(unit)(shape[1])


def _known(X, unit: Unit, name: str, rows) -> tuple[BitMatrix, BitMatrix]:
    """(states, in which what is missing counts for nothing; which units are missing)."""
    parts, missing = known_parts(X, unit, name, rows)
    absent = np.where(missing & are_sites(unit), np.array(unit.n_states_of_columns, np.uint8), parts)
    return packed(absent, unit, name), BitMatrix.from_states(np.repeat(missing, unit.units_of_columns, axis=1))


def _columns(unit: Unit) -> int | None:
    """Which data must have, where that is known."""
    return None if unit.layout is None else unit.n_columns


def _sums(data) -> np.ndarray:
    """Of the columns of states: BitMatrix, uint8 or float64, dense or CSR."""
    if isinstance(data, BitMatrix):
        sums = np.zeros(data.n_units)
        kernels.count_bits(data.planes, data.n_units, data.segments, sums, 1)
        return sums
    unit = 1.0
    if data.dtype == np.float64:  # whole numbers, whatever order they are added in
        unit = 2.0**-FIXED_BITS
        if arrays.is_sparse(data):
            data = data.copy()
            data.data = to_fixed_point(data.data)
        else:
            data = to_fixed_point(data)
    return np.asarray(data.sum(axis=0, dtype=np.float64)).reshape(-1) * unit


def weighted_totals(X, sample_weight, unit: Unit) -> tuple[np.ndarray, float | np.ndarray]:
    """(the same by weight, how many examples they count as), likewise exact."""
    if not is_array(X):
        raise ValueError("sample_weight needs X to be an array: batches of your own carry no weights")
    if not isinstance(X, BitMatrix):
        X = arrays.numbers(X, "X", missing=True, sparse=True)
    if not arrays.is_sparse(X) and has_missing(X, _sized(unit, X)):
        data, missing = _known(X, _sized(unit, X), "X", None)
        weight = validate.sample_weight(sample_weight, len(data))
        sums, n = weighted_sums(data, weight)
        return sums, n - weighted_sums(missing, weight)[0]
    data = X if isinstance(X, BitMatrix) else validate.states(X, _columns(unit), "X", fractions=True, unit=unit)
    if not isinstance(data, BitMatrix) and data.dtype != np.float64:
        data = packed(data, unit, "X")
    if 0 in data.shape:
        raise ValueError(
            f"X must have at least one example and one unit, got {data.shape[0]} examples of {data.shape[1]} units"
        )
    return weighted_sums(data, validate.sample_weight(sample_weight, data.shape[0]))


def _parts(X):
    if isinstance(X, BitMatrix):
        yield X
    elif is_array(X):
        if not isinstance(X, np.ndarray) or isinstance(X, np.ma.MaskedArray):
            X = arrays.numbers(X, "X", missing=True, sparse=True)
        rows = X.shape[0] if X.ndim else 1
        step = max(1, _PART // max(1, X.shape[1])) if X.ndim == 2 else max(1, rows)
        yield from (X[start : start + step] if X.ndim else X for start in range(0, max(1, rows), step))
    elif hasattr(X, "__iter__"):
        yield from X
    else:
        raise TypeError(f"X must be an array (n, V), a BitMatrix or batches to iterate over, not {type(X).__name__}")


def weighted_sums(states, sample_weight: np.ndarray | None) -> tuple[np.ndarray, float]:
    """Weighted sums of the units and over how many examples: sums of integers, the same in any order."""
    if sample_weight is None:
        return _unweighted(states), float(states.shape[0])
    # whole numbers whose sum fits 40 bits, beside which 22 bits of a unit fit int64
    unit = 2.0 ** (math.frexp(float(sample_weight.sum()))[1] - 40)
    weight = np.rint(sample_weight / unit).astype(np.int64)
    total = np.zeros(states.shape[1], np.int64)
    for start in range(0, states.shape[0], _ROWS):
        rows = slice(start, start + _ROWS)
        part = states[rows]
        if isinstance(part, BitMatrix):
            total += part.weighted_sums(weight[rows]).astype(np.int64) << FIXED_BITS
        else:
            total += weight[rows] @ to_fixed_point(dense(part)).astype(np.int64)
    n = float(weight.sum()) * unit
    examples = max(n, float(np.count_nonzero(sample_weight)))  # as OrderedExamples counts them
    return total * (unit * 2.0**-FIXED_BITS * (examples / n)), examples


def _unweighted(states) -> np.ndarray:
    sums = np.zeros(states.shape[1])
    if isinstance(states, BitMatrix):
        kernels.count_bits(states.planes, states.n_units, states.segments, sums, 1)
        return sums
    parts = [states] if is_plain(states) else (np.ascontiguousarray(dense(states[rows])) for rows in pieces(states))
    for part in parts:
        kernels.sum_fractions(part, sums)
    return sums * 2.0**-FIXED_BITS


def is_plain(X) -> bool:
    """Whether the kernels read these numbers as they are."""
    return isinstance(X, np.ndarray) and X.flags.c_contiguous and X.dtype in (np.float32, np.float64)


def pieces(X):
    """Slices of the rows of X, of some thousand numbers each."""
    numbers = _NUMBERS * 8 if X.dtype.itemsize == 1 else _NUMBERS
    step = max(1, numbers // max(1, math.prod(X.shape[1:])))
    for start in range(0, X.shape[0], step):
        yield slice(start, min(start + step, X.shape[0]))


def dense(X) -> np.ndarray:
    """Rows, dense or sparse, as float64."""
    return np.asarray(X.toarray() if hasattr(X, "toarray") else X, np.float64)
