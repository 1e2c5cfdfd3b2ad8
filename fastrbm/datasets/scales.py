"""What the numbers of a file mean: answers of 0 and 1, or real values of one scale."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .._core import validate
from .table import Table

_MIDDLES = {1.0: 0.5, 15.0: 8.0, 16.0: 8.0, 255.0: 128.0}  # of gray scales, by their end
_ROUNDING = 1e-6  # a fraction may be beyond 0 or 1 by so much: the rounding of float32, in decimals too
_CODES = (-9, -99, -999, -1, 9, 99, 999)  # that people write where an answer is missing
_SOME = 0.25  # part of the columns of pictures: more reach the middle of the scale, and fewer never go beyond 1,
_FEW = 0.1  # or, in ten pictures or more, far fewer
_BLOCK = 1 << 20  # numbers that are looked at in one go, so that masks stay small
_UNKNOWN = "scales that end at 1, 15, 16 or 255 are known"
_BY_THRESHOLD = "say with threshold (--threshold) from which value on a unit is 1"
_BY_SCALE = "say with scale (--scale) what the largest value could be, such as 100 for percents"
UNPACK = "unpack them first, by numpy.unpackbits(array, axis=1, count=units), and save that"
_LEAST_SCALE = 1e-30
_CURE = "an RBM needs every value: fill it in, or leave out its row or column"


class NoScale(ValueError):
    """Numbers of no scale that is known here, or of several: codes of categories, say."""


def binarize(data: Table | np.ndarray, threshold: float | None, name: str) -> tuple[np.ndarray, float | None]:
    """(uint8 of 0 and 1, the threshold that was used or None)."""
    table = _finite(data, name)
    array = table.array
    if threshold is None:
        if validate.all_binary(array):
            return array.astype(np.uint8), None
        _refuse_odd_columns(table, name, _BY_THRESHOLD)
        threshold = _middle(array, name)
    else:
        threshold = validate.real(threshold, "threshold")
    return (array >= threshold).astype(np.uint8), threshold


def scaled(data: Table | np.ndarray, name: str, scale: float | None = None) -> tuple[np.ndarray, float]:
    """(real-valued data in [0, 1], float32, the end of their scale, by which they were divided)."""
    table = _finite(data, name)
    array = table.array
    if scale is not None:
        scale = validate.real(scale, "scale", _LEAST_SCALE)
        array = _within_rounding(array / scale)
        low, high = array.min(axis=0), array.max(axis=0)
        beyond = (low < 0) | (high > 1)
        if beyond.any():
            j = int(np.argmax(beyond))
            raise ValueError(
                f"{table.column(name, j)}: values from {low[j] * scale:g} to {high[j] * scale:g}; with this scale "
                f"(--scale) they must be from 0 to {scale:g}"
            )
        return array.astype(np.float32), scale
    low, high = float(array.min()), float(array.max())
    if 0 <= low and high <= 1:
        return array.astype(np.float32), 1.0
    _refuse_odd_columns(table, name, _BY_SCALE)
    top = _scale(low, high)
    if top is None:
        raise ValueError(f"{name} has values from {low:g} to {high:g}; {_UNKNOWN}: {_BY_SCALE}")
    return array.astype(np.float32) / np.float32(top), top


def _scale(low: float, high: float) -> float | None:
    """The end of the scale, where the largest value tells it: 10, 18 or 100, say, tell none."""
    for top, middle in _MIDDLES.items():
        if low >= 0 and (high == top or top in (1.0, 255.0) and middle <= high < top):
            return top
    return None


def _middle(array: np.ndarray, name: str) -> float:
    low, high = float(array.min()), float(array.max())
    top = _scale(low, high)
    if top is not None and low < _MIDDLES[top]:
        return _MIDDLES[top]
    raise NoScale(f"{name} has values from {low:g} to {high:g}; {_UNKNOWN}: {_BY_THRESHOLD}")


def _finite(data: Table | np.ndarray, name: str) -> Table:
    """The table, if it has all its values, with fractions put back into [0, 1] where rounding put them outside."""
    table = data if isinstance(data, Table) else Table(data)
    if table.array.dtype.kind != "f":
        return table
    for start, rows in _blocks(table.array):
        good = np.isfinite(rows)
        if not good.all():
            i, j = np.unravel_index(int(np.argmin(good)), good.shape)
            raise ValueError(f"{table.cell(name, start + int(i), int(j))}: the value is missing or infinite; {_CURE}")
    return table._replace(array=_within_rounding(table.array))


def _within_rounding(array: np.ndarray) -> np.ndarray:
    low, high = array.min(), array.max()
    if (low < 0 or high > 1) and low >= -_ROUNDING and high <= 1 + _ROUNDING:
        return array.clip(0, 1)
    return array


# ---------------------------------------------------------------- columns that are no answers


def _refuse_odd_columns(table: Table, name: str, cure: str) -> None:
    """Raise where the columns are not of one scale: a threshold for all would turn the answers of some into zeros.

    Pictures have columns that reach the middle of their scale, and few that never go beyond 1. Of spins, of codes for
    missing answers and of columns that count the rows, the message says what they are.
    """
    array = table.array
    low, high = array.min(axis=0), array.max(axis=0)
    if low.min() >= 0 and high.max() <= 1:
        return  # fractions
    binary = np.ones(array.shape[1], bool)
    for _, rows in _blocks(array):
        binary &= ((rows == 0) | (rows == 1)).all(axis=0)
    _refuse_codes(table, name, int(np.argmax((low < 0) | (high > 1))), cure)
    for j in np.flatnonzero(~binary & (high - low == len(array) - 1)):
        if len(array) > 3 and bool((np.diff(array[:, j].astype(np.float64)) == 1).all()):
            raise ValueError(
                f"{table.column(name, int(j))}: it counts the rows, from {low[j]:g} to {high[j]:g}; an index? Write "
                "the table without it (index=False in pandas)"
            )
    used = (low != 0) | (high != 0)
    some = _SOME * used.sum()
    few = _FEW * used.sum() if len(array) >= 10 else some
    if (binary & used).sum() > max(min(1, some), few):
        _refuse(table, name, np.flatnonzero(~binary), "where other columns hold 0 and 1", cure)
    top = _scale(float(low.min()), float(high.max()))
    if array.dtype == np.uint8 and top == 255 and _is_padded(array):
        raise ValueError(f"{name} holds packed bits: {UNPACK}")
    if top is not None and (high >= _MIDDLES[top]).sum() < some:
        most = float(high[high < _MIDDLES[top]].max())
        _refuse(
            table, name, np.flatnonzero(high >= _MIDDLES[top]), f"where most columns end at {most:g} or below", cure
        )


def _refuse(table: Table, name: str, odd: np.ndarray, where: str, cure: str) -> None:
    j = int(odd[0])
    low, high = float(table.array[:, j].min()), float(table.array[:, j].max())
    values = f"the value {low:g}" if low == high else f"values from {low:g} to {high:g}"
    more = f" (and {len(odd) - 1} more such columns)" if len(odd) > 1 else ""
    raise NoScale(f"{table.column(name, j)}: {values}, {where}{more}: leave it out, make it 0 and 1, or {cure}")


def _refuse_codes(table: Table, name: str, column: int, cure: str) -> None:
    """Raise for spins, and for one number beside [0, 1] that stands for a missing answer; column has such a number."""
    array = table.array
    part = array[:, column]
    row = int(np.argmax((part < 0) | (part > 1)))
    code = float(part[row])
    if code not in _CODES or not all(bool((((b >= 0) & (b <= 1)) | (b == code)).all()) for _, b in _blocks(array)):
        return
    if code == -1 and not bool(((array != 1) & (array != -1)).any()):
        raise ValueError(
            f"{name} has values from -1 to 1, of spins: train with --visible spin (in Python: numpy.load, and "
            f"visible='spin'), save (x + 1) / 2, or {cure}"
        )
    if not bool((part == code).all()):
        raise ValueError(
            f"{table.cell(name, row, column)}: {code:g} beside values from 0 to 1, a missing one? If so, {_CURE}"
        )


def _is_padded(array: np.ndarray) -> bool:
    """Whether the last column has even numbers only, unlike the others: bytes of bits that no multiple of 8 fills."""
    last, others = array[:, -1], array[:, :-1]
    if len(np.unique(last)) < 2 or np.count_nonzero(last) < 16 or bool((last & 1).any()):
        return False  # of 16 real values, all are even once in 65,536 times
    return bool(np.count_nonzero(others & 1) > 0.25 * np.count_nonzero(others))


def _blocks(array: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(first row, rows) in parts."""
    step = max(1, _BLOCK // array.shape[1])
    return ((start, array[start : start + step]) for start in range(0, len(array), step))
