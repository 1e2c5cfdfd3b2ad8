"""The boundary: every check of what a user passes in. A message names the argument, what was wrong, what is
required."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from . import arrays
from .arrays import index, kind, shown

if TYPE_CHECKING:
    from ..units.unit import Unit

ROUNDING = 1e-6  # what is as near as this to 0 or 1 was meant to be 0 or 1
LARGEST = 1e30  # parameters stay below this, so that no field overflows float32


def integer(value: Any, name: str, minimum: int = 0, maximum: int | None = None) -> int:
    """An integer from minimum to maximum."""
    result = index(value)
    if result is None:
        raise TypeError(f"{name} must be an integer, not {kind(value)}")
    if result < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {shown(result)}")
    if maximum is not None and result > maximum:
        raise ValueError(f"{name} must be at most {maximum}, got {shown(result)}")
    return result


def seed(value: Any, name: str = "seed") -> int:
    """A seed: an integer from 0 to 2^64 - 1."""
    result = index(value)
    if result is None:
        raise TypeError(f"{name} must be an integer from 0 to 2**64 - 1, not {kind(value)}")
    if not 0 <= result < 1 << 64:
        raise ValueError(f"{name} must be an integer from 0 to 2**64 - 1, got {shown(result)}")
    return result


def real(value: Any, name: str, minimum: float = -np.inf, maximum: float = np.inf) -> float:
    """A finite number in [minimum, maximum]."""
    result = value if type(value) is float else _float(value, name)
    if not math.isfinite(result) or not minimum <= result <= maximum:
        bounds = f"between {minimum:g} and {maximum:g}" if maximum < np.inf else f"finite and at least {minimum:g}"
        raise ValueError(f"{name} must be {bounds if minimum > -np.inf else 'finite'}, got {result:g}")
    return result


def _float(value: Any, name: str) -> float:
    if isinstance(value, (bool, np.bool_, np.timedelta64)) or not isinstance(value, (numbers.Real, np.floating)):
        raise TypeError(f"{name} must be a number, not {kind(value)}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} must be a number that float64 holds, got {shown(value)}") from None


def positive(value: Any, name: str, maximum: float = np.inf) -> float:
    """A finite number in (0, maximum]."""
    result = real(value, name, 0.0, maximum)
    if result == 0.0:
        raise ValueError(f"{name} must be above 0, got 0")
    return result


def below_one(value: Any, name: str) -> float:
    """A number in [0, 1)."""
    result = real(value, name, 0.0, 1.0)
    if result == 1.0:
        raise ValueError(f"{name} must be below 1, got 1")
    return result


def limit(value: Any, name: str) -> float:
    """A number above 0, or infinity for none."""
    return math.inf if isinstance(value, (float, np.floating)) and value == math.inf else positive(value, name)


def flag(value: Any, name: str) -> bool:
    """True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, not {kind(value)}")
    return bool(value)


def path(value: Any, name: str = "path") -> Path:
    """The name of a file, str or os.PathLike. (A number would be a file that is open already.)"""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} must be a path, str or os.PathLike, not {kind(value)}")
    given = Path(value)
    if not os.fspath(value):
        raise ValueError(f"{name} must not be empty")
    if "\0" in str(given):
        raise ValueError(f"{name} must not hold a null character, got {str(given)!r}")
    return given


def one_of(value: Any, name: str, choices: Sequence[str]) -> str:
    """One of some words."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {shown(value)}")
    return value


def parameter(value: ArrayLike, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """A parameter array: float32, C-contiguous, finite, of this shape (None: any length)."""
    array = _shaped(value, name, shape)
    if array.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {array.shape}")
    with np.errstate(over="ignore"):
        result = np.ascontiguousarray(array, np.float32)
    check_finite(result, name)
    return result


def change(value: ArrayLike, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """What is added to a parameter: float64 of this shape. What does not stay finite is found by the sum."""
    return _shaped(value, name, shape).astype(np.float64)


def offset(value: ArrayLike | None, name: str) -> np.ndarray | None:
    """None, or finite numbers (any,), float64."""
    if value is None:
        return None
    array = _numeric(value, name)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError(f"{name} must hold finite numbers, one for each unit, got shape {array.shape}")
    return array.astype(np.float64)


def _shaped(value: ArrayLike, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
    array = _numeric(value, name)
    if array.ndim != len(shape) or any(
        want is not None and have != want for have, want in zip(array.shape, shape, strict=True)
    ):
        required = (
            "(" + ", ".join("any" if s is None else str(s) for s in shape) + ("," if len(shape) == 1 else "") + ")"
        )
        raise ValueError(f"{name} must have shape {required}, got {array.shape}")
    return array


def check_finite(array: np.ndarray, name: str) -> None:
    """Raise where a parameter is not finite or absurdly large."""
    if not bool((np.abs(array) < LARGEST).all()):
        where, value = first_bad(array)
        raise ValueError(f"{name}[{where}] is {value:g}; parameters must be finite and below {LARGEST:g}")


def first_bad(array: np.ndarray) -> tuple[str, float]:
    """The index, as text, and the value of the first element that is not finite or not below LARGEST in size."""
    bad = int(np.argmin(np.abs(array).reshape(-1) < LARGEST))  # the comparison is false for NaN too
    return ", ".join(str(int(i)) for i in np.unravel_index(bad, array.shape)), float(array.reshape(-1)[bad])


def _numeric(value: Any, name: str) -> np.ndarray:
    return arrays.numbers(value, name)


def states(
    value: Any, n_units: int | None, name: str, fractions: bool = False,
    rows: Sequence[int] | np.ndarray | None = None, unit: Unit | None = None,
) -> Any:  # fmt: skip
    """Which units of a layer are on, (n, n_units): uint8 of 0 and 1; where fractions are welcome and there are any,
    float64. Of a sparse matrix, CSR with such entries. unit: whose numbers these are; None: 0 and 1.

    Accepts whatever _given knows, of bool, any integer and any float dtype, contiguous or not. Numbers within rounding
    of 0 and 1 count as 0 and 1. rows: where value is a part of more rows, their numbers, for messages.
    """
    read, complaint = (bits_or_fractions, what_is_wrong) if unit is None else (unit.parts, unit.complaint)
    array = arrays.numbers(value, name, sparse=True)
    check_width(array, n_units, name, unit)
    if arrays.is_sparse(array) and unit is not None and unit.layout is not None and array.shape[1] == unit.n:
        return _dense_states(array, name, fractions, unit)
    if arrays.is_sparse(array):
        bits = unit is None or (unit.layout is None and not unit.shifted)
        entries = bits_or_fractions(array.data[None], fractions) if bits else None
        if entries is None:
            places = array.tocoo()
            raise ValueError(complaint(array.data, name, fractions, rows, (places.row, places.col)))
        return type(array)((entries[0], array.indices, array.indptr), shape=array.shape)
    result = read(array, fractions)
    if result is None:
        raise ValueError(complaint(array, name, fractions, rows))
    return result


def check_width(array: Any, n_units: int | None, name: str, unit: Unit | None) -> None:
    """ValueError where an array has no two dimensions, or other columns than these (None: any); those of a layer (None:
    of 0 and 1) may also be one for each unit."""
    if array.ndim != 2:
        x = arrays.variable(name)
        hints = {1: f"; for a single example use {x}[None, :]", 0: ""}
        hint = hints.get(array.ndim, f"; use {x}.reshape(len({x}), -1)")
        raise ValueError(f"{name} must have two dimensions, (examples, units), got shape {array.shape}{hint}")
    if n_units is not None and array.shape[1] != n_units and not (unit is not None and array.shape[1] == unit.n):
        if unit is not None and unit.n != unit.n_columns:
            raise ValueError(
                f"{name} has {array.shape[1]} columns where the model has {n_units} ({unit!r}), or {unit.n} with one "
                f"for each category{transposed(array, n_units, name)}"
            )
        raise ValueError(other_width(array, n_units, name))


def other_width(array: Any, n_units: int, name: str) -> str:
    """What is wrong with an array (n, units) of another width than the model's."""
    words = f"{name} has {array.shape[1]} units per example where the model has {n_units}"
    return words + transposed(array, n_units, name)


def transposed(array: Any, n_units: int, name: str) -> str:
    """A hint for an array that has its examples in columns; nothing where its rows are of no such number."""
    return f"; it has {n_units} rows: take {arrays.variable(name)}.T" if array.shape[0] == n_units else ""


def _dense_states(array: Any, name: str, fractions: bool, unit: Unit) -> np.ndarray:
    """Of a sparse matrix with a column for each unit, some rows at a time."""
    parts = []
    for rows, block in arrays.dense_blocks(array):
        part = unit.parts(block, fractions)
        if part is None:
            raise ValueError(unit.complaint(block, name, fractions, range(rows.start, rows.stop)))
        parts.append(part)
    kinds = {part.dtype for part in parts}
    if len(kinds) > 1:
        raise ValueError(f"{name} must hold categories in all rows, or probabilities in all")
    return np.concatenate(parts) if parts else np.zeros((0, unit.n_columns), np.int32 if unit.real else np.uint8)


def bits_or_fractions(array: np.ndarray, fractions: bool) -> np.ndarray | None:
    """Numbers (n, m) as uint8 of 0 and 1, or float64 fractions where welcome; None where they are neither."""
    if array.dtype == np.bool_:
        return np.ascontiguousarray(array).view(np.uint8)
    if array.size == 0:
        return np.zeros(array.shape, np.uint8)
    binary = array.max() <= 1 if array.dtype.kind == "u" else all_binary(array)
    if binary:
        return np.ascontiguousarray(array, np.uint8)
    if array.dtype.kind != "f":
        return None
    zeros, ones = _ends(array)
    if not bool((zeros | ones | (array > 0) & (array < 1)).all()):  # false for NaN too
        return None
    if bool((zeros | ones).all()):
        return np.ascontiguousarray(ones).view(np.uint8)
    # number by number: what a row is read as must not depend on the other rows
    return np.where(ones, 1.0, np.where(zeros, 0.0, array)).astype(np.float64, order="C") if fractions else None


def _ends(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which floats are 0, and which are 1, but for rounding."""
    return np.abs(array) <= ROUNDING, np.abs(array - 1) <= rounding(array.dtype)


def rounding(dtype: np.dtype) -> float:
    """How far from 1 a number of this dtype may be that was meant to be 1."""
    return max(ROUNDING, 8 * float(np.finfo(dtype).eps)) if dtype.kind == "f" else 0.0


def clamped_states(
    value: ArrayLike, n: int, unit: Unit, name: str, word: str = "free", rows: Sequence[int] | None = None
) -> np.ndarray:
    """Which units of n chains are clamped, and to what: floats (1, n_columns) or (n, n_columns) of 0 (off), 1 and NaN
    (free); of a site its category or NaN; of a real unit its whole number or NaN. word: what NaN stands for, for
    messages; rows: as for :func:`states`."""
    n_units = unit.n_columns
    array = arrays.numbers(value, name, missing=True)
    if array.ndim == 2 and array.shape[1] != n_units:
        raise ValueError(other_width(array, n_units, name))
    if array.shape not in ((n_units,), (n, n_units)):
        raise ValueError(f"{name} must have shape ({n_units},) or ({n}, {n_units}), got {array.shape}")
    array = array.reshape(-1, n_units)
    first = 0 if rows is None or not len(rows) else rows[0]
    array = array if array.dtype.kind == "f" else array.astype(np.float64 if unit.real else np.float32)
    if unit.layout is None:
        return _clamped_bits(array, unit, name, word, (first, 0))
    parts, column = [], 0
    for segment in unit.segments:
        own = array[:, column : column + segment.n_columns]
        if segment.real:
            parts.append(_clamped_numbers(own, segment, name, word, (first, column)))
        elif segment.layout is None:
            own = _minus_one_as_nan(own) if segment.off == 0 else own
            parts.append(_clamped_bits(own, segment, name, word, (first, column)))
        else:
            parts.append(_clamped_codes(own, segment, name, word, (first, column)))
        column += segment.n_columns
    return np.concatenate(parts, axis=1)


def _minus_one_as_nan(array: np.ndarray) -> np.ndarray:
    """Tables of codes have -1 for what is missing in columns of two values, too."""
    return np.where(array == -1, np.nan, array).astype(np.float64 if array.dtype == np.float64 else np.float32)


def _clamped_numbers(array: np.ndarray, unit: Unit, name: str, word: str, origin: tuple[int, int]) -> np.ndarray:
    free = np.isnan(array)
    known = np.where(free, unit.values(np.zeros((1, unit.n), np.int32)), array)
    parts = unit.parts(known, False)
    if parts is None:
        rows = range(origin[0], origin[0] + len(array))
        raise ValueError(unit.complaint(known, name, False, rows, first_column=origin[1]))
    return np.where(free, np.nan, parts)


def _clamped_codes(array: np.ndarray, unit: Unit, name: str, word: str, origin: tuple[int, int]) -> np.ndarray:
    free = np.isnan(array) | (array == -1)
    codes, sizes = np.where(free, 0.0, array), unit.n_states_of_columns
    good = (np.abs(codes - np.rint(codes)) <= ROUNDING) & (codes > -0.5) & (codes < np.array(sizes) - 0.5)
    if not bool(good.all()):
        row, at = np.argwhere(~good)[0]
        raise ValueError(
            f"{name} must hold codes from 0 to {sizes[at] - 1} in column {origin[1] + at}, or NaN or -1 ({word}); "
            f"{name}[{origin[0] + row}, {origin[1] + at}] is {array[row, at]:g}"
        )
    return np.where(free, np.nan, np.rint(codes))


def _clamped_bits(array: np.ndarray, unit: Unit, name: str, word: str, first: tuple[int, int]) -> np.ndarray:
    low, high = unit.off, unit.off + unit.step
    free, on = np.isnan(array), np.abs(array - high) <= ROUNDING
    good = free | on | (np.abs(array - low) <= ROUNDING)
    if not bool(good.all()):
        where, bad = first_of(~good, array, first)
        hint = "; make -1 NaN where it stands for a missing value" if bad == -1 and low == 0 else ""
        raise ValueError(f"{name} must hold {low:g}, {high:g}, or NaN ({word}); {name}[{where}] is {bad:g}{hint}")
    return np.where(free, np.nan, on)


def all_binary(array: np.ndarray) -> bool:
    """Whether all numbers (n, m) are 0 or 1."""
    step = max(1, (1 << 20) // max(1, array.shape[1]))  # rows at a time, so that masks stay small
    parts = (array[start : start + step] for start in range(0, array.shape[0], step))
    return all(bool(((part == 0) | (part == 1)).all()) for part in parts)


def what_is_wrong(
    array: np.ndarray,
    name: str,
    fractions: bool,
    rows: Sequence[int] | np.ndarray | None,
    places: tuple[np.ndarray, np.ndarray] | None = None,
    first_column: int = 0,
) -> str:
    """Which number is no state, and what may be done. places: rows and columns of the numbers of a sparse matrix."""
    zeros, ones = _ends(array) if array.dtype.kind == "f" else (array == 0, array == 1)
    good = zeros | ones | (array > 0) & (array < 1) if fractions else zeros | ones
    first = int(np.argmax(~good.reshape(-1)))
    bad = float(array.reshape(-1)[first])
    row, column = divmod(first, array.shape[1]) if places is None else (places[0][first], places[1][first])
    at = f"{name}[{row if rows is None else rows[row]}, {first_column + column}]"
    if np.isnan(bad):
        return f"{name} contains NaN, the first at {at}: leave such rows out, or fill them in (RBM.inpaint)"
    if np.isinf(bad):
        return f"{name} must hold finite numbers; {at} is {bad:g}"
    required = "0 or 1, or fractions from 0 to 1" if fractions else "0 or 1"
    low, high = np.nanmin(array), np.nanmax(array)
    hint = ""
    if low == -1 and high == 1 and bool((np.abs(array) == 1).all()):
        hint = f"; spins need a model of spins (visible='spin'), or become 0 and 1 by ({name} + 1) / 2"
    elif low >= 0 and high > 1:
        whole = bool((array == np.floor(array)).all())
        codes = ", codes of categories need visible='categorical'" if whole else ""
        hint = f"; real values need Gaussian units (visible='gaussian'){codes}, or a threshold, such as {name} >= "
        hint += f"{high / 2:g}"
    elif low >= 0:
        hint = f"; probabilities need a draw or a threshold, such as {name} >= 0.5"
    return f"{name} must hold {required}, got values from {low:g} to {high:g} ({at} is {bad:g}){hint}"


def first_of(mask: np.ndarray, array: np.ndarray, origin: tuple[int, ...] = (0, 0)) -> tuple[str, float]:
    """The index, as text, and the value of the first number that is marked, of an array that begins at an origin."""
    first = np.unravel_index(int(np.argmax(mask.reshape(-1))), mask.shape)
    return ", ".join(str(int(i) + start) for i, start in zip(first, origin, strict=True)), float(array[first])


def sample_weight(value: ArrayLike, n: int) -> np.ndarray:
    """Weights of n examples: float64, finite, not negative, not all zero."""
    array = arrays.numbers(value, "sample_weight").astype(np.float64)
    if array.shape != (n,):
        raise ValueError(f"sample_weight must have shape ({n},), got {array.shape}")
    if not bool((array >= 0).all()) or not bool(np.isfinite(array).all()):
        raise ValueError("sample_weight must be finite and not negative")
    if n and not 1 / LARGEST < array.max() < LARGEST:
        raise ValueError(f"the largest sample_weight must be above 0, from {1 / LARGEST:g} to {LARGEST:g}")
    return array


def check_names(given: tuple[str, ...] | None, known: tuple[str, ...] | None, name: str, file: bool = False) -> None:
    """Raise where the columns of a data frame, or of a file, are others than the model's, or in another order."""
    if given is None or known is None or given == known:
        return
    if sorted(given) == sorted(known):
        first = next(a for a, b in zip(given, known, strict=True) if a != b)
        raise ValueError(
            f"{name} has the model's columns in another order, the first that differs is {first!r}: put them in that "
            f"of the model's visible_names{'' if file else ', as in frame[list(rbm.visible_names)]'}"
        )
    lacks = [label for label in known if label not in given]
    extra = [label for label in given if label not in known]
    parts = [f"it lacks {', '.join(map(repr, lacks[:3]))}"] if lacks else []
    parts += [f"it has {', '.join(map(repr, extra[:3]))}, which the model has not"] if extra else []
    cure = ": leave out such columns (--drop)" if file else ": take frame[list(rbm.visible_names)]"
    cure = cure if extra and not lacks else ""
    raise ValueError(f"{name} has other columns than the model: {'; '.join(parts) or 'some are there twice'}{cure}")


def inverse_temperature(value: ArrayLike, n: int) -> np.ndarray | None:
    """beta for n chains: None where it is 1 everywhere, else float32 (n,)."""
    array = arrays.numbers(value, "beta")
    if array.dtype.kind not in "iuf":
        raise TypeError(f"beta must be a number or an array of numbers, not of dtype {array.dtype}")
    array = array.astype(np.float64)
    if array.shape not in ((), (n,)):
        raise ValueError(f"beta must be a number or an array of shape ({n},), got shape {array.shape}")
    if not bool((array >= 0).all()) or not bool((array < LARGEST).all()):
        raise ValueError(f"beta must be at least 0 and below {LARGEST:g}")
    if bool((array == 1).all()):
        return None
    return np.ascontiguousarray(np.broadcast_to(array, (n,)), np.float32)
