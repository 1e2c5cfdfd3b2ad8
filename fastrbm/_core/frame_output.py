"""Frames of labels, of pandas or polars, made of codes. The library of the frame that is asked for is imported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

from .arrays import library, shown
from .frame_columns import Label, written


def listed(codes: np.ndarray, labels: Any) -> list[Any]:
    """Labels, None where they are missing."""
    return [*map([*labels, None].__getitem__, codes.tolist())]


def pandas_frame(array: np.ndarray, titles: list[Any], columns: list[Any], categories: Any, like: Any) -> Any:
    try:
        pandas: Any = import_module("pandas")
    except ImportError:
        raise ImportError(
            "to_frame needs pandas (pip install pandas), or an argument like: a polars frame, or {} for a dict of lists"
        ) from None
    parts = []
    for k, codes in enumerate(columns):
        dtype = None if like is None else like.dtypes.iloc[k]
        with _fitting(dtype, f"column {titles[k]!r} of like"):
            if codes is None:
                whole = dtype is not None and getattr(dtype, "kind", "f") in "iu"
                part = pandas.Series(np.rint(array[:, k]) if whole else array[:, k])
                parts.append(part if dtype is None else part.astype(dtype))
            else:
                parts.append(_pandas_column(pandas, codes, list(categories[k]), dtype))
    frame = pandas.concat(parts, axis=1) if parts else pandas.DataFrame(index=range(len(array)))
    frame.columns = titles if like is None else like.columns
    return frame


_NULLABLE = {bool: "boolean", int: "Int64", float: "Float64", str: "object"}  # pandas' types


def _kind(labels: list[Label]) -> type:
    """The type that all labels have, or can be."""
    kinds = {type(label) for label in labels}
    return str if str in kinds else kinds.pop() if len(kinds) == 1 else float


def _pandas_column(pandas: Any, codes: np.ndarray, labels: list[Label], dtype: Any) -> Any:
    missing = bool((codes < 0).any())
    if dtype is not None and hasattr(dtype, "categories"):
        places = {written(label): k for k, label in enumerate(dtype.categories)}
        table = np.array([*(places.get(label, -2) for label in labels), -1])
        found = table[codes]
        if bool((found == -2).any()):
            value = labels[int(codes[int(np.argmax(found == -2))])]
            raise ValueError(f"there is no category {shown(value)}")
        return pandas.Series(pandas.Categorical.from_codes(found, dtype=dtype))
    if dtype is None and any(isinstance(label, str) for label in labels):
        return pandas.Series(pandas.Categorical.from_codes(codes, labels))
    kind = _kind(labels)
    part = pandas.Series(np.array([*labels, pandas.NA], object)[codes], dtype=_NULLABLE[kind])
    if dtype is None:
        dtype = kind if kind is float or not missing else _NULLABLE[kind]
    if not missing or not isinstance(dtype, (np.dtype, type)):
        return part.astype(dtype)
    chosen = np.dtype(dtype)
    if chosen.kind == "f":
        return pandas.Series(part.to_numpy(chosen, na_value=np.nan))
    if chosen.kind == "O":
        return pandas.Series(listed(codes, labels), dtype=object)
    return part  # NumPy's other types have no place for what is missing


def polars_frame(array: np.ndarray, titles: list[Any], columns: list[Any], categories: Any, like: Any) -> Any:
    polars: Any = import_module("polars")
    parts = []
    for k, (codes, dtype) in enumerate(zip(columns, like.dtypes, strict=True)):
        numbers = np.rint(array[:, k]) if dtype.is_integer() else array[:, k]
        values = numbers if codes is None else listed(codes, categories[k])
        with _fitting(dtype, f"column {titles[k]!r} of like"):
            parts.append(polars.Series(str(titles[k]), values).cast(dtype))
    return polars.DataFrame(parts)


def filled_in(frame: Any, complete: Any, missing: np.ndarray) -> Any:
    """A frame with those entries that are missing, bool (n, columns), as in a complete one of the same types; all
    others stay as they are."""
    gaps = np.flatnonzero(missing.any(axis=0))
    if library(frame) == "polars":
        names = frame.columns
        columns = {names[k]: frame[names[k]].zip_with(_series(~missing[:, k]), complete[names[k]]) for k in gaps}
        return frame.with_columns(**columns)
    out = frame.copy()
    for k in gaps:
        rows, column = np.flatnonzero(missing[:, k]), frame.iloc[:, k].copy()
        column.iloc[rows] = complete.iloc[:, k].array[rows]
        out.isetitem(k, column)
    return out


def _series(values: np.ndarray) -> Any:
    return import_module("polars").Series(values)


@contextmanager
def _fitting(dtype: Any, where: str) -> Iterator[None]:
    """Say which column's type cannot hold the values that it is to have."""
    try:
        yield
    except Exception as error:  # polars has kinds of its own
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{where} is of type {dtype}, which cannot hold the model's labels: {reason}") from error
