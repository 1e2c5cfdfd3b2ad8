"""Columns of frames as codes of categories or as numbers, and codes as columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .arrays import shown
from .frame_columns import Column, Label, plain_label, written

MOST = 255  # categories of a site
_IDENTIFIER = 20  # rows from which on a column of text that has another value in each is no category


def ordered(column: Column, max_levels: int, where: str) -> Column:
    """The column with plain labels in the order of their codes."""
    if column.declared:
        labels = [written(label) for label in column.labels]
        if len(set(labels)) < len(labels):
            raise ValueError(f"{where} has two categories that read alike: {shown(_twice(labels))}")
        order = list(range(len(labels)))
    else:
        labels = _checked([plain_label(label) for label in column.labels], column, max_levels, where)
        order = sorted(range(len(labels)), key=labels.__getitem__)
    if not labels:
        raise ValueError(f"{where} has no values at all: leave it out")
    for label in labels:
        if isinstance(label, int) and not -(1 << 63) <= label < 1 << 64:  # which no file would hold
            raise ValueError(f"{where} has {shown(label)}, too large for a category: an identifier? Leave it out")
    if len(labels) > MOST:
        raise ValueError(
            f"{where} has {len(labels)} categories; at most {MOST} are possible: put rare ones together, or leave it "
            "out, if it is an identifier"
        )
    ranks = np.empty(len(labels) + 1, np.int16)
    if all(not isinstance(label, str) and label in (0, 1) for label in labels):  # 0 is 0, whatever the order
        kind = next((kind for kind in (float, int) if any(type(label) is kind for label in labels)), bool)
        ranks[:-1] = labels
        chosen: list[Label] = [kind(0), kind(1)]
    else:
        ranks[order] = np.arange(len(labels))
        chosen = [labels[k] for k in order]
    ranks[-1] = -1  # of those that are missing
    return Column(chosen, ranks[column.codes], column.declared)


def _checked(labels: list[Label | None], column: Column, max_levels: int, where: str) -> list[Label]:
    """Labels of a column that nobody declared a category, if they can be ones."""
    good: list[Label] = []
    for label, raw in zip(labels, column.labels, strict=True):
        if label is None:
            raise TypeError(
                f"{where} holds {type(raw).__name__} objects, neither numbers nor text nor categories: leave it out, "
                "or make it categories"
            )
        good.append(label)
    text = [label for label in good if isinstance(label, str)]
    numbers = [label for label in good if not isinstance(label, str)]
    if text and numbers:
        raise TypeError(
            f"{where} mixes numbers and text, such as {shown(numbers[0])} and {shown(text[0])}: make all of them text, "
            "or some of them missing"
        )
    real = next((label for label in numbers if isinstance(label, float) and not label.is_integer()), None)
    if real is not None:
        raise ValueError(
            f"{where} is real-valued ({real:g}), no category: say visible='gaussian' where all columns are numbers, or "
            "bin it (pandas.cut, pandas.qcut or the like), or leave it out"
        )
    if len(numbers) > max_levels:
        raise ValueError(
            f"{where} has {len(numbers)} different numbers, from {_short(min(numbers))} to {_short(max(numbers))}; of "
            f"more than {max_levels} it is a quantity, not a category: bin it (pandas.cut, pandas.qcut or the like), "
            "leave it out, or raise max_levels"
        )
    n = int((column.codes >= 0).sum())
    if text and len(text) == n > _IDENTIFIER:
        raise ValueError(
            f"{where} has another text in each of its {n} rows, such as {shown(text[0])}: an identifier? Leave it out"
        )
    return good


def is_category(column: Column) -> bool:
    """Whether somebody declared the column to be one, or it holds text or truth values."""
    return column.declared or any(isinstance(label, (str, bool, np.bool_)) for label in column.labels)


def quantity(column: Column, max_levels: int, where: str) -> np.ndarray | None:
    """The numbers of a column that are no categories: real ones, or more different whole ones than max_levels. None of
    other columns."""
    labels = [plain_label(label) for label in column.labels]
    if not labels or is_category(column) or any(label is None for label in labels):
        return None
    if len(labels) <= max_levels and all(float(label).is_integer() for label in labels if label is not None):
        return None
    found, n = numbers(column, where), int((column.codes >= 0).sum())
    values = np.array(labels, np.float64)
    if len(labels) == n > _IDENTIFIER and bool((values % 1 == 0).all()) and values.max() - values.min() == n - 1:
        raise ValueError(f"{where} counts its {n} rows, from {values.min():g}: an identifier? Leave it out")
    return found


def numbers(column: Column, where: str) -> np.ndarray:
    """A column of numbers as they are, NaN where they are missing."""
    values: list[float] = []
    for label in column.labels:
        plain = plain_label(label)
        if plain is None or isinstance(plain, str) or not np.isfinite(float(plain)):
            row = int(np.argmax(column.codes == len(values)))
            raise ValueError(f"{where} must hold finite numbers; row {row} (counted from 0) has {shown(label)}")
        values.append(float(plain))
    return np.array([*values, np.nan])[column.codes]


def _short(number: float) -> str:
    return shown(number) if isinstance(number, int) else f"{number:g}"


def _twice(labels: list[Label]) -> Label:
    return next(label for k, label in enumerate(labels) if label in labels[:k])


def encoded(column: Column, known: Sequence[Label], where: str) -> np.ndarray:
    """The codes of a column in categories that are known, -1 where a value is missing; int16."""
    lookup: dict[Any, int] = {label: k for k, label in enumerate(known)}
    codes = [lookup.get(written(label), -2) for label in column.labels]
    table = np.array([*codes, -1], np.int16)  # the last: missing
    result = table[column.codes]
    if bool((result == -2).any()):
        row = int(np.argmax(result == -2))
        value = written(column.labels[column.codes[row]])
        raise ValueError(f"{where} has the value {shown(value)} in row {row} (counted from 0), {_unlike(value, known)}")
    return result


def _unlike(value: Label, known: Sequence[Label]) -> str:
    """Why a value has no code."""
    listed = ", ".join(map(shown, known[:6])) + (" ..." if len(known) > 6 else "")
    same = next((label for label in known if str(label) == str(value)), None)
    hint = "" if same is None else f" ({type(same).__name__}, not {type(value).__name__})"
    return f"which is none of its categories: {listed}{hint}"


def decoded(values: np.ndarray, n_states: int, where: str) -> np.ndarray:
    """Codes as intp, -1 where they are missing."""
    missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)
    missing = missing | (values == -1) if values.dtype.kind in "if" else missing
    good = missing | (values >= 0) & (values < n_states) & (values % 1 == 0) if values.dtype.kind != "b" else ~missing
    if not bool(good.all()):
        bad = float(values[int(np.argmin(good))])
        raise ValueError(f"{where} has the value {bad:g}; codes from 0 to {n_states - 1} are required")
    return np.where(missing, -1, np.where(missing, 0, values)).astype(np.intp)
