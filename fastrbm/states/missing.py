"""States of which some entries are missing: what is known of them, and which units are not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import arrays, validate
from .bits import BitMatrix, CodeMatrix, packed, parts_dtype
from .planes import free_planes, places

if TYPE_CHECKING:
    from ..units.unit import Unit

_PART = 1 << 22  # numbers that are read at a time


def has_missing(X: Any, unit: Unit) -> bool:
    """Whether entries of X, which may be anything, are missing: NaN, None, pandas.NA, masked, -1 in columns of
    categories, or absent sites of a CodeMatrix. False of what cannot be read."""
    if isinstance(X, BitMatrix):
        return absent_sites(X) is not None
    if type(X) is not np.ndarray or X.dtype.kind not in "iuf":
        try:
            X = arrays.numbers(X, "X", missing=True)
        except (TypeError, ValueError):
            return False
    if X.ndim != 2 or X.size == 0:
        return False
    if X.dtype.kind == "f" and bool(np.isnan(X.min())):  # NaN, where there is any
        return True
    if X.dtype.kind not in "if" or X.shape[1] != unit.n_columns or unit.layout is None:
        return False
    column = 0
    for segment in unit.segments:
        own = X[:, column : column + segment.n_columns]
        # of two values beside categories, too; of spins and real units -1 is a value
        if segment.off == 0 and not segment.real and bool((own == -1).any()):
            return True
        column += segment.n_columns
    return False


def known_parts(X: Any, unit: Unit, name: str, rows: Sequence[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(states as Unit.parts gives them, 0 where they are missing, uint8, or int32 where there are real units; which are
    missing, bool), both (n, columns)."""
    if isinstance(X, BitMatrix):
        coded = isinstance(X, CodeMatrix) and X.unit.plain == unit.plain
        if unit.layout is not None and not coded or X.n_units != unit.n:
            raise ValueError(f"{name} holds states of other units than the model's, {unit!r}")
        parts = X.to_states()
        missing = _absent(parts, unit)
        return np.where(missing, parts.dtype.type(0), parts), missing
    array = arrays.numbers(X, name, missing=True)
    if array.ndim != 2:
        raise ValueError(f"{name} must have two dimensions, (examples, units), got shape {array.shape}")
    n, step = len(array), max(1, _PART // max(1, array.shape[1]))
    out, missing = np.zeros((n, unit.n_columns), parts_dtype(unit)), np.zeros((n, unit.n_columns), bool)
    for start in range(0, max(1, n), step):
        part = array[start : start + step]
        own = range(start, start + len(part)) if rows is None else rows[start : start + step]
        known = validate.clamped_states(part, len(part), unit, name, "missing", own)
        gone = np.isnan(known)
        missing[start : start + len(part)] = gone
        out[start : start + len(part)] = np.where(gone, 0.0, known)
    return out, missing


def are_sites(unit: Unit) -> np.ndarray:
    """Which columns are categorical sites, bool (columns,)."""
    return np.concatenate([np.full(s.n_columns, s.layout is not None and not s.real) for s in unit.segments])


def _absent(parts: np.ndarray, unit: Unit) -> np.ndarray:
    """Which entries of states are absent sites: in the category one above the last."""
    return are_sites(unit) & (parts >= np.array(unit.n_states_of_columns))


def absent_sites(states: Any) -> np.ndarray | None:
    """Which columns of examples are absent, bool (n, columns); None where none is, as of units of two values."""
    if not isinstance(states, CodeMatrix):
        return None
    rows, sizes = _site_rows(states.unit)
    if not rows.size or not bool((states.planes[rows] == sizes).any()):
        return None
    return _absent(states.to_states(), states.unit)


def free_if_present(states: Any) -> np.ndarray | None:
    """Which bits of planes may change, as free_planes has it, where absent sites stay absent; None where none is."""
    if not isinstance(states, CodeMatrix):
        return None
    rows, sizes = _site_rows(states.unit)
    absent = states.planes[rows] == sizes
    if not bool(absent.any()):
        return None
    free = np.repeat(_all_free(states.unit), len(states), axis=1)
    free[rows] = np.where(absent, np.uint8(0), np.uint8(255))
    return free


@lru_cache(maxsize=64)
def _all_free(unit: Unit) -> np.ndarray:
    return free_planes(np.ones((1, unit.n_columns), bool), unit)


@lru_cache(maxsize=64)
def _site_rows(unit: Unit) -> tuple[np.ndarray, np.ndarray]:
    """Which rows of planes are sites, and how many categories each has, (sites, 1)."""
    rows: list[int] = []
    sizes: list[int] = []
    for segment, place, _ in places(unit):
        if segment.layout is not None and not segment.real:
            rows += range(place.start, place.stop)
            sizes += segment.n_states_of_columns
    return np.array(rows, np.intp), np.array(sizes, np.uint8)[:, None]


def with_absent(X: Any, unit: Unit, name: str) -> BitMatrix:
    """States whose missing sites are absent: in the category one above the last. ValueError where a unit of two values
    is missing."""
    parts, missing = known_parts(X, unit, name)
    if not bool(missing.any()):
        return packed(parts, unit, name)
    units = missing & ~are_sites(unit)
    if bool(units.any()):
        row, column = np.argwhere(units)[0].tolist()
        raise ValueError(
            f"{name}[{row}, {column}] is missing: only categorical sites can be absent, and this is a unit of "
            f"{'real values' if unit.real else 'two values'}; make such columns sites, Categorical(n, 2), or take "
            "missing='latent'"
        )
    absent = np.array(unit.n_states_of_columns, parts.dtype)
    return packed(np.where(missing, absent, parts), unit, name)
