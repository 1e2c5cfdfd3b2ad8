"""The columns of data beside the visible units of a model: a categorical column has a unit for each of its categories,
a column of bits, spins or real numbers has one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .._core import arrays, validate
from ..states.bits import BitMatrix, CodeMatrix
from ..units.categorical import Categorical

CATEGORICAL, TWO, REAL = "categorical", "two values", "real"
_MOST = 255  # categories of a site
_BLOCK = 1 << 22  # numbers of a block of examples


@dataclass(frozen=True)
class Sites:
    """Columns, in order. sizes: the visible units of each; kinds: of each CATEGORICAL, TWO or REAL; values: (lowest,
    highest) of each, as data have them; of a real column (0, 1), which says nothing."""

    sizes: tuple[int, ...]
    kinds: tuple[str, ...]
    values: tuple[tuple[float, float], ...]

    @property
    def n_columns(self) -> int:
        return len(self.sizes)

    @cached_property
    def n_units(self) -> int:
        return sum(self.sizes)

    @cached_property
    def starts(self) -> np.ndarray:
        """(n_columns,): the first unit of each column."""
        return np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(np.intp)

    @cached_property
    def column(self) -> np.ndarray:
        """(n_units,): the column of each unit."""
        return np.repeat(np.arange(self.n_columns), self.sizes)

    @cached_property
    def categorical(self) -> np.ndarray:
        """(n_columns,): which columns are categorical."""
        return np.array([kind == CATEGORICAL for kind in self.kinds])

    @cached_property
    def real(self) -> np.ndarray:
        """(n_columns,): which columns hold real numbers."""
        return np.array([kind == REAL for kind in self.kinds])

    @cached_property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and the highest values, each (n_columns,)."""
        low, high = np.array(self.values, np.float64).T
        return low, high

    @cached_property
    def bits(self) -> bool:
        """Whether all columns of two values hold 0 and 1."""
        return all(ends == (0, 1) for kind, ends in zip(self.kinds, self.values, strict=True) if kind == TWO)

    def take(self, columns: np.ndarray) -> Sites:
        sizes, kinds = tuple(self.sizes[i] for i in columns), tuple(self.kinds[i] for i in columns)
        return Sites(sizes, kinds, tuple(self.values[i] for i in columns))


def of_model(rbm: Any) -> Sites:
    """The columns of a model's visible layer."""
    visible = getattr(rbm, "visible", None)
    if visible is None or not hasattr(rbm, "weights"):
        raise TypeError(f"rbm must be an RBM, not {type(rbm).__name__}")
    return of_layer(visible)


def of_layer(visible: Any) -> Sites:
    """The columns of a layer."""
    sizes: list[int] = []
    kinds: list[str] = []
    values: list[tuple[float, float]] = []
    for segment in getattr(visible, "segments", (visible,)):
        if isinstance(segment, Categorical):
            sizes += segment.sizes
            kinds += [CATEGORICAL] * len(segment.sizes)
            values += [(0, q - 1) for q in segment.sizes]
            continue
        sizes += [1] * segment.n
        kinds += [REAL if segment.real else TWO] * segment.n
        values += [(0, 1) if segment.real else (segment.off, segment.off + segment.step)] * segment.n
    return Sites(tuple(sizes), tuple(kinds), tuple(values))


def labels_of(rbm: Any) -> list[tuple[str, ...]]:
    """What each value of each column is called: the model's categories, or numbers. () of real columns."""
    sites = of_model(rbm)
    known = getattr(rbm, "visible_categories", None) or (None,) * sites.n_columns
    plain = [
        range(q) if kind == CATEGORICAL else () if kind == REAL else (f"{low:g}", f"{high:g}")
        for kind, q, (low, high) in zip(sites.kinds, sites.sizes, sites.values, strict=True)
    ]
    return [tuple(map(str, numbers if own is None else own)) for numbers, own in zip(plain, known, strict=True)]


def names_of(rbm: Any) -> list[str]:
    """What each column is called: its name, or its number."""
    return [str(name) for name in getattr(rbm, "visible_names", None) or range(of_model(rbm).n_columns)]


def pictured(visible: Any) -> tuple[slice, slice] | None:
    """(columns, units) of the largest segment of columns with one unit each, of two values or real, if there is one."""
    best, column, unit = None, 0, 0
    for segment in visible.segments:
        single = not isinstance(segment, Categorical)
        if single and (best is None or segment.n > best[0].stop - best[0].start):
            best = slice(column, column + segment.n), slice(unit, unit + segment.n)
        column, unit = column + segment.n_columns, unit + segment.n
    return best


def words_of(visible: Any, hidden: Any) -> str:
    """The units of both layers in words."""
    if visible.layout is None:
        return f"{visible.name} and {hidden.name}"
    parts = []
    for segment in visible.segments:
        if not isinstance(segment, Categorical):
            parts.append(f"{segment.n:,} {segment.name}")
            continue
        low, high, n = min(segment.sizes), max(segment.sizes), len(segment.sizes)
        each = f"{low}" if low == high else f"{low} to {high}"
        parts.append(f"{n:,} site{'s' * (n > 1)} of {each} categories")
    return f"{', '.join(parts)}; hidden {hidden.name}"


def ranges_of(layer: Any) -> dict[str, tuple[float, float]]:
    """The smallest and the largest of each parameter of the real units of a layer, by name: delta, xi, gamma and the
    like."""
    found: dict[str, tuple[float, float]] = {}
    for segment in layer.segments:
        for name, values in segment.parameters.items():
            low, high = found.get(name, (np.inf, -np.inf))
            found[name] = min(low, float(values.min())), max(high, float(values.max()))
    return found


def of_sizes(sizes: Any, n_columns: int) -> Sites:
    """Categorical columns with these numbers of categories."""
    if arrays.index(sizes) is not None:
        sizes = [sizes] * n_columns
    if not isinstance(sizes, (Sequence, np.ndarray)) or isinstance(sizes, str):
        raise TypeError(f"sizes must be an integer or a sequence of integers, not {validate.kind(sizes)}")
    if len(sizes) != n_columns:
        raise ValueError(f"sizes must have an integer for each of {n_columns} columns, got {len(sizes)}")
    each = tuple(validate.integer(q, f"sizes[{i}]", 1, _MOST) for i, q in enumerate(sizes))
    return Sites(each, (CATEGORICAL,) * n_columns, tuple((0, q - 1) for q in each))


def guess(*states: Any) -> Sites:
    """The columns of data without a model: bits where all numbers of a column are 0 or 1, spins where they are -1 or 1,
    else categories, as many as the largest code requires. Of columns that are 1 throughout nothing more is known."""
    tables = [s.to_states() if isinstance(s, BitMatrix) else s for s in states]
    low, high = (
        np.array([getattr(t, name)(axis=0).toarray()[0] if arrays.is_sparse(t) else getattr(t, name)(axis=0)
                  for t in tables]) for name in ("min", "max")
    )  # fmt: skip
    low, high = low.min(axis=0).astype(np.float64), high.max(axis=0).astype(np.float64)
    spins = (low == -1) & (high <= 1)
    codes = ~spins & (high > 1)
    if codes.any() and high[codes].max() >= _MOST:
        i = int(np.argmax(np.where(codes, high, 0)))
        raise ValueError(
            f"codes of categories must be below {_MOST}, got {high[i]:g} in column {i}: put values in groups, or, of "
            "a model with real columns, give rbm"
        )
    sizes = tuple(int(q) + 1 if c else 1 for q, c in zip(high, codes, strict=True))
    kinds = tuple(CATEGORICAL if c else TWO for c in codes)
    values = tuple((0, q - 1) if c else (-1, 1) if s else (0, 1) for q, c, s in zip(sizes, codes, spins, strict=True))
    return Sites(sizes, kinds, values)


def table(value: Any, name: str) -> Any:
    """Examples (n, columns) of at least one example and one column: an array, a CSR matrix or a BitMatrix."""
    if isinstance(value, CodeMatrix):
        if value.unit.real:
            raise ValueError(f"{name} has real columns, which only the model can tell: give rbm")
        value = np.asarray(value)
    if not isinstance(value, BitMatrix):
        value = arrays.numbers(value, name, sparse=True)
    if len(value.shape) != 2:
        raise ValueError(f"{name} must have two dimensions, (examples, columns), got shape {value.shape}")
    if 0 in value.shape:
        raise ValueError(f"{name} must have at least one example and one column, got shape {value.shape}")
    return value


def blocks(value: Any, sites: Sites, name: str) -> Iterator[tuple[slice, np.ndarray]]:
    """Blocks of the rows of a table: which rows, and (rows, n_columns) the unit that is on in each column; n_units
    where none is. The table has codes, bits and spins (n, n_columns), or a 0 or 1 for each unit (n, n_units)."""
    n, width = value.shape
    if width not in (sites.n_columns, sites.n_units):
        either = "" if sites.n_units == sites.n_columns else f", or {sites.n_units} for one-hot data,"
        raise ValueError(f"{name} has {width} columns where {sites.n_columns}{either} are required")
    step = max(1, _BLOCK // max(width, sites.n_units))
    read = _from_values if width == sites.n_columns else _from_one_hot
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        part = value[rows]
        bits = isinstance(part, BitMatrix)
        dense = part.to_states() if bits else part.toarray() if arrays.is_sparse(part) else part
        yield rows, read(dense, sites, name, start, bits)


def units(value: Any, sites: Sites, name: str, dtype: Any) -> Iterator[tuple[slice, np.ndarray]]:
    """Blocks of the rows of a table: which rows, and (rows, n_units) which units are on, as 0 and 1 of a dtype; of real
    columns, which only a CodeMatrix may have, the units' values, all float64."""
    if not sites.real.any():
        for rows, on in blocks(value, sites, name):
            yield rows, one_hot(on, sites.n_units, dtype)
        return
    step = max(1, _BLOCK // sites.n_units)
    for start in range(0, len(value), step):
        rows = slice(start, min(start + step, len(value)))
        yield rows, value[rows].to_units()


def packed(rbm: Any, states: Any, name: str) -> BitMatrix:
    """States of the visible layer of a model, of at least one example."""
    given: BitMatrix = rbm._states(states, name)
    if not len(given):
        raise ValueError(f"{name} must have at least one example")
    return given


def one_hot(on: np.ndarray, n_units: int, dtype: Any) -> np.ndarray:
    """(rows, n_units) of 0 and 1, from what :func:`blocks` gives."""
    result = np.zeros((len(on), n_units + 1), dtype)
    np.put_along_axis(result, on, 1, axis=1)
    return result[:, :n_units]


def _from_values(part: np.ndarray, sites: Sites, name: str, start: int, bits: bool) -> np.ndarray:
    low, high = _ends(sites, bits)
    good = (part == low) | (part == high)
    good |= sites.categorical & (part >= low) & (part <= high) & (part == np.rint(part))
    if not bool(good.all()):
        row, i = np.unravel_index(int(np.argmin(good)), good.shape)
        required = f"codes from 0 to {high[i]:g}" if sites.categorical[i] else f"{low[i]:g} or {high[i]:g}"
        bad = float(part[row, i])
        hint = "; of a model with real columns give rbm" if bad % 1.0 else ""
        raise ValueError(f"{name} must hold {required} in column {i}; {name}[{start + row}, {i}] is {bad:g}{hint}")
    codes = np.where(sites.categorical, part, 0).astype(np.intp)
    return np.where(sites.categorical | (part == high), sites.starts + codes, sites.n_units)


def _ends(sites: Sites, bits: bool) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest values of the columns of a table; bits: one in which units of two values are bits."""
    low, high = sites.ends
    return (np.where(sites.categorical, low, 0), np.where(sites.categorical, high, 1)) if bits else (low, high)


def _from_one_hot(part: np.ndarray, sites: Sites, name: str, start: int, bits: bool) -> np.ndarray:
    low, high = (
        np.repeat(np.where(sites.categorical, k, ends), sites.sizes) for k, ends in enumerate(_ends(sites, bits))
    )
    on, off = part == high, part == low
    if not bool((on | off).all()):
        row, unit = np.unravel_index(int(np.argmin(on | off)), on.shape)
        raise ValueError(
            f"{name} must hold 0 or 1 for each unit of one-hot data; {name}[{start + row}, {unit}] is "
            f"{float(part[row, unit]):g}"
        )
    count = np.add.reduceat(on.astype(np.intp), sites.starts, axis=1)
    wrong = (count != 1) & sites.categorical
    if wrong.any():
        row, i = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        raise ValueError(
            f"{name} must have one category on at each site; row {start + row} has {count[row, i]} in column {i}"
        )
    units = np.arange(sites.n_units)
    which = np.add.reduceat(np.where(on, units, 0), sites.starts, axis=1)
    return np.where(count == 1, which, sites.n_units)
