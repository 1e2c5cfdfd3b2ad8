"""Sums of the units over data of any form: exact, so the same bits whatever the data come from."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Set
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from .._core import arrays, validate
from .._core.dispatch import kernels
from .._core.layout import FIXED_BITS, REAL_BITS, to_fixed_point
from .bits import BitMatrix, CodeMatrix, packed
from .fractions import Fractions
from .missing import are_sites, has_missing, known_parts
from .planes import places

if TYPE_CHECKING:
    from ..units.unit import Unit

BATCH = "a batch of X"
_PART = 1 << 24  # numbers of an array on disk that are read at a time
_NUMBERS = 1 << 13  # that are read at a time, so that what is made of them stays in cache
_ROWS = 1024  # that are weighted at a time
_MOMENTS = 1 << 20  # numbers whose moments are taken at a time
_HALF = 20  # bits of half a weight: with 23 of a value, and the sum of 1024 rows, they fit 53


def refuse_no_batches(X: object) -> None:
    """Text and mappings can be iterated over, too, but what comes is not batches."""
    if isinstance(X, (Mapping, Set, str, bytes)) and not is_array(X):
        raise TypeError(f"X must be an array (n, V), a BitMatrix or batches to iterate over, not {type(X).__name__}")


def is_array(X: object) -> bool:
    return (
        isinstance(X, (BitMatrix, list, tuple)) or hasattr(X, "__array__") or hasattr(X, "shape") or arrays.is_frame(X)
    )


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
        if unit.real and isinstance(part, BitMatrix) and not isinstance(part, CodeMatrix):
            part = part.to_states()
        if not isinstance(part, (np.ndarray, BitMatrix)):
            part = arrays.numbers(part, name, missing=True, sparse=True)
        if not arrays.is_sparse(part) and has_missing(part, _sized(unit, part)):
            data, missing = _known(part, _sized(unit, part), name, rows)
            gone = gone + _sums(missing)
        else:
            data = part if isinstance(part, BitMatrix) else _read(part, unit, name, rows)
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


def _known(X, unit: Unit, name: str, rows) -> tuple[BitMatrix | Fractions, BitMatrix]:
    """(states, in which what is missing counts for nothing; which units are missing). Beside sites that are missing,
    such as labels, units of two values may be fractions of on."""
    fractions: dict[int, np.ndarray] = {}
    if unit.layout is not None and not isinstance(X, BitMatrix) and X.shape[1] == unit.n_columns:
        for segment, _, columns in places(unit):
            between = segment.parts(X[:, columns], True) if segment.layout is None else None
            if between is not None and between.dtype == np.float64:
                X = X if fractions else np.array(X)
                fractions[columns.start], X[:, columns] = between, segment.off
    parts, missing = known_parts(X, unit, name, rows)
    absent = np.where(missing & are_sites(unit), np.array(unit.n_states_of_columns, np.uint8), parts)
    gone = BitMatrix.from_states(np.repeat(missing, unit.units_of_columns, axis=1))
    own = [
        fractions.get(columns.start, parts[:, columns]) for segment, _, columns in places(unit) if not segment.layout
    ]
    data = packed(absent, unit, name)
    return Fractions(data, np.concatenate(own, axis=1), unit) if fractions else data, gone


def _read(X, unit: Unit, name: str, rows):
    """A user's numbers as a BitMatrix, as uint8 or float64 (n, V) where all units have two values, or else Fractions:
    beside real units, those of two values may be fractions of on."""
    if unit.real and any(segment.layout is None for segment in unit.segments):
        return Fractions.read(X, unit, name, rows)
    columns = None if unit.layout is None else unit.n_columns
    states = validate.states(X, columns, name, fractions=True, rows=rows, unit=unit)
    return states if unit.layout is None or states.dtype == np.float64 else packed(states, unit, name)


def _sums(data) -> np.ndarray:
    """Of the columns of states: BitMatrix, uint8 or float64, dense or CSR."""
    if isinstance(data, (BitMatrix, Fractions)):
        return _unweighted(data)
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
    if unit.real and isinstance(X, BitMatrix) and not isinstance(X, CodeMatrix):
        X = X.to_states()
    if not isinstance(X, BitMatrix):
        X = arrays.numbers(X, "X", missing=True, sparse=True)
    if not arrays.is_sparse(X) and has_missing(X, _sized(unit, X)):
        data, missing = _known(X, _sized(unit, X), "X", None)
        weight = validate.sample_weight(sample_weight, len(data))
        sums, n = weighted_sums(data, weight)
        return sums, n - weighted_sums(missing, weight)[0]
    data = X if isinstance(X, BitMatrix) else _read(X, unit, "X", None)
    if not isinstance(data, (BitMatrix, Fractions)) and data.dtype != np.float64:
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
        yield from map(arrays.batch_of, X)
    else:
        raise TypeError(f"X must be an array (n, V), a BitMatrix or batches to iterate over, not {type(X).__name__}")


def weighted_sums(states, sample_weight: np.ndarray | None) -> tuple[np.ndarray, float]:
    """Weighted sums of the units and over how many examples: sums of integers, the same in any order."""
    if sample_weight is None:
        return _unweighted(states), float(states.shape[0])
    # whole numbers whose sum fits 40 bits, beside which 22 bits of a unit fit int64
    unit = 2.0 ** (math.frexp(float(sample_weight.sum()))[1] - 40)
    weight = np.rint(sample_weight / unit).astype(np.int64)
    n = float(weight.sum()) * unit
    examples = max(n, float(np.count_nonzero(sample_weight)))  # as OrderedExamples counts them
    if isinstance(states, Fractions):
        sums, n = weighted_sums(states.states, sample_weight)
        return states.filled(sums, weighted_sums(states.probabilities, sample_weight)[0]), n
    if _are_real(states):
        return _real_sums(states, weight) * (unit * (examples / n)), examples
    total = np.zeros(states.shape[1], np.int64)
    for start in range(0, states.shape[0], _ROWS):
        rows = slice(start, start + _ROWS)
        part = states[rows]
        if isinstance(part, BitMatrix):
            total += part.weighted_sums(weight[rows]).astype(np.int64) << FIXED_BITS
        else:
            total += weight[rows] @ to_fixed_point(dense(part)).astype(np.int64)
    return total * (unit * 2.0**-FIXED_BITS * (examples / n)), examples


def _are_real(states) -> TypeGuard[CodeMatrix]:
    """Whether any unit of these states is real."""
    return isinstance(states, BitMatrix) and states.segments is not None and states.segments.real


def _real_sums(states: CodeMatrix, weight: np.ndarray | None) -> np.ndarray:
    """sum_i weight_i v_i of units some of which are real, for whole numbers below 2^40 (None: ones): integers, in any
    order the same, rounded once."""
    total = np.zeros(states.n_units, object)
    for start in range(0, len(states), _ROWS):
        rows = slice(start, start + _ROWS)
        part = states[rows]
        assert isinstance(part, CodeMatrix)
        whole = part.to_grid().astype(np.int64)
        own = np.ones(len(whole), np.int64) if weight is None else weight[rows]
        for half, bits in ((own >> _HALF, _HALF), (own & (1 << _HALF) - 1, 0)):
            total += (half[:, None] * whole).sum(axis=0).astype(object) << bits
    return (total / (1 << REAL_BITS)).astype(np.float64)


def _unweighted(states) -> np.ndarray:
    if isinstance(states, Fractions):
        return states.filled(_unweighted(states.states), _unweighted(states.probabilities))
    if _are_real(states):
        return _real_sums(states, None)
    sums = np.zeros(states.shape[1])
    if isinstance(states, BitMatrix):
        kernels.count_bits(states.planes, states.n_units, states.segments, sums, 1)
        return sums
    parts = [states] if is_plain(states) else (np.ascontiguousarray(dense(states[rows])) for rows in pieces(states))
    for part in parts:
        kernels.sum_fractions(part, sums)
    return sums * 2.0**-FIXED_BITS


def column_moments(X, sample_weight=None) -> tuple[np.ndarray, np.ndarray]:
    """Means and variances of the columns of data of any form, float64 (columns,); missing entries (NaN) are left out.

    Numbers count from the first known one of their column, so that an offset costs no digits, and are added up one row
    after the other, so that the bits do not depend on how X is cut into parts or batches. Iterated over once.
    """
    refuse_no_batches(X)
    if not is_array(X):
        if sample_weight is not None:
            raise ValueError("sample_weight needs X to be an array: batches of your own carry no weights")
        if hasattr(X, "__next__"):
            raise TypeError(
                "X must give a new iterator each time, where its columns are standardized: it is gone through twice; "
                "or describe them, Gaussian(n, mean=..., scale=...)"
            )
    name, weight, row = "X" if is_array(X) else BATCH, None, 0
    first, sums = np.zeros(0), np.zeros((3, 0))
    for part in _parts(np.asarray(X) if isinstance(X, BitMatrix) else X):
        part = arrays.numbers(part, name, missing=True, sparse=True)
        if len(part.shape) != 2:
            raise ValueError(f"{name} must have two dimensions, (examples, units), got shape {part.shape}")
        if row == 0:
            first, sums = np.full(part.shape[1], np.nan), np.zeros((3, part.shape[1]))
        if sample_weight is not None and weight is None:
            weight = validate.sample_weight(sample_weight, X.shape[0] if hasattr(X, "shape") else len(X))
        if part.shape[1] != first.size:
            raise ValueError(f"X has batches of {first.size} units and of {part.shape[1]}")
        for rows in _slices(part):
            numbers = dense(part[rows])
            if bool(np.isinf(numbers).any()):
                where, bad = validate.first_of(np.isinf(numbers), numbers, (row, 0))
                raise ValueError(f"{name} must hold finite numbers; {name}[{where}] is {bad:g}")
            own = np.ones(len(numbers)) if weight is None else weight[row : row + len(numbers)]
            first, sums = _moments_after(first, sums, numbers, own)
            row += len(numbers)
    if row == 0 or first.size == 0:
        raise ValueError(f"X must have at least one example and one unit, got {row} examples of {first.size} units")
    n = np.where(sums[0] > 0, sums[0], 1.0)
    shift = sums[1] / n
    return np.where(np.isnan(first), 0.0, first) + shift, np.maximum(sums[2] / n - shift * shift, 0.0)


def _slices(part):
    step = max(1, _MOMENTS // max(1, part.shape[1]))
    return (slice(start, start + step) for start in range(0, part.shape[0], step))


def _moments_after(
    first: np.ndarray, sums: np.ndarray, numbers: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The first known number of each column, and the sums of 1, x and x^2 by weight, of x from there, after some more
    rows."""
    known = ~np.isnan(numbers) & (weight > 0)[:, None]
    begins = np.isnan(first) & known.any(axis=0)
    first = np.where(begins, numbers[known.argmax(axis=0), np.arange(first.size)], first)
    with np.errstate(over="ignore", invalid="ignore"):  # of columns too wide for any scale, which say so
        x = np.where(known, numbers - first, 0.0)
        one = known * weight[:, None]
        terms = np.stack([one, one * x, one * (x * x)])
        return first, np.add.accumulate(np.concatenate([sums[:, None], terms], axis=1), axis=1)[:, -1]


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
