"""Columns of data frames, as different labels and which of them each row has.

No other library is imported: frames are known by the module of their type.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from . import arrays, validate
from .arrays import is_frame, library

Label: TypeAlias = str | int | float | bool


class Column(NamedTuple):
    """The values of a column: its different labels, and which of them each row has (-1: none).

    declared: whether the labels and their order are the user's; otherwise they are as they were found.
    """

    labels: list[Any]
    codes: np.ndarray
    declared: bool = False


def plain_label(label: Any) -> Label | None:
    """A label as the Python object that a model's file can hold; None where it is of no such type."""
    if isinstance(label, (bool, np.bool_)):
        return bool(label)
    if isinstance(label, str):
        return str(label)
    index = arrays.index(label)
    if index is not None:
        return index
    return float(label) if isinstance(label, Real) or type(label).__name__ == "Decimal" else None


def written(label: Any) -> Label:
    """A label of the user's categories; what is of another type, such as pandas' intervals, as text."""
    plain = plain_label(label)
    return str(label) if plain is None else plain


def has_categories(frame: Any) -> bool:
    """Whether a pandas or polars frame has columns that are no plain numbers from 0 to 1: text, categories, or whole
    numbers other than 0 and 1 (as floats only where some are missing, as pandas has them then)."""
    if isinstance(frame, Mapping) or arrays.is_lazy(frame):
        return False
    polars = library(frame) == "polars"
    for column in frame.get_columns() if polars else (frame.iloc[:, k] for k in range(frame.shape[1])):
        kind = getattr(column.dtype, "kind", None)
        if kind is None:  # polars
            kind = "b" if str(column.dtype) == "Boolean" else "f" if column.dtype.is_float() else "i"
            kind = kind if kind == "b" or column.dtype.is_numeric() else "O"
        if kind not in "biuf":
            return True
        if kind == "b":
            continue
        known = arrays.of_polars(column.drop_nulls(), "") if polars else column.dropna().to_numpy()
        known = known[known == known] if kind == "f" else known
        whole = kind != "f" or len(known) < len(column) and bool((known % 1 == 0).all())
        if whole and len(known) and (known.max() > 1 or kind != "f" and known.min() < 0):
            return True
    return False


def frame_labels(frame: Any, name: str) -> list[Any]:
    """The names of the columns of a frame."""
    if isinstance(frame, Mapping):
        return list(frame)
    if not is_frame(frame):
        raise TypeError(
            f"{name} must be a data frame of pandas or polars, or a dict of columns, not {validate.kind(frame)}"
        )
    if arrays.is_lazy(frame):
        raise TypeError(f"{name} is a polars LazyFrame: use {name}.collect()")
    return list(frame.columns)


def columns_of(frame: Any, name: str) -> tuple[list[Any], Iterable[Column]]:
    """(names, columns), which are read one by one."""
    labels = frame_labels(frame, name)
    places = [f"column {label!r} of {name}" for label in labels]
    if isinstance(frame, Mapping):
        parts = [_sized(frame[label], where) for label, where in zip(labels, places, strict=True)]
        if len(set(map(len, parts))) > 1:
            raise ValueError(f"{name} has columns of several lengths")
        return labels, (_of_values(part, where) for part, where in zip(parts, places, strict=True))
    if library(frame) == "polars":
        return labels, (_of_polars(part, where) for part, where in zip(frame.get_columns(), places, strict=True))
    return labels, (_of_pandas(frame.iloc[:, k], where) for k, where in enumerate(places))


def _sized(values: Any, where: str) -> Any:
    if isinstance(values, str) or not hasattr(values, "__len__") or not hasattr(values, "__iter__"):
        raise TypeError(f"{where} must be a list or an array of values, not {validate.kind(values)}")
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise ValueError(f"{where} must have one dimension, got shape {values.shape}")
    return values


def _of_pandas(series: Any, where: str) -> Column:
    dtype = series.dtype
    if hasattr(dtype, "categories"):
        return Column(list(dtype.categories), series.cat.codes.to_numpy().astype(np.intp), declared=True)
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf":
        return _of_values(series.to_numpy(), where)
    try:
        codes, uniques = series.factorize()
    except TypeError as error:
        raise TypeError(f"{where} cannot be read as categories: {error}") from error
    return Column(list(uniques), np.asarray(codes, np.intp))


def _of_polars(series: Any, where: str) -> Column:
    polars: Any = sys.modules["polars"]
    dtype = series.dtype
    if hasattr(polars, "Enum") and dtype == polars.Enum:
        codes = series.to_physical().cast(polars.Int64).fill_null(-1).to_numpy()
        return Column(dtype.categories.to_list(), codes.astype(np.intp), declared=True)
    if dtype == polars.Categorical:
        series = series.cast(polars.String)
    elif dtype == polars.Boolean or dtype.is_integer() or dtype.is_float():
        if not series.null_count() and not str(dtype).endswith("128"):  # NumPy has no such integers
            return _of_values(series.to_numpy(), where)
    return _of_values(series.to_list(), where)


def _of_values(values: Any, where: str) -> Column:
    """A column of an array or a list."""
    mask = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    array = np.asarray(values.data if mask is not None else values) if isinstance(values, np.ndarray) else None
    if array is not None and array.dtype.kind in "biufU":
        mask = np.zeros(len(array), bool) if mask is None else mask
        mask = mask | np.isnan(array) if array.dtype.kind == "f" else mask
        codes = np.full(len(array), -1, np.intp)
        uniques, codes[~mask] = np.unique(arrays.true_is_one(array)[~mask], return_inverse=True)
        return Column(uniques.tolist(), codes)
    index: dict[Any, int] = {}
    codes = np.full(len(values), -1, np.intp)
    try:
        for k, value in enumerate(values):
            if not _is_missing(value):
                codes[k] = index.setdefault(value, len(index))
    except TypeError as error:
        raise TypeError(f"{where} cannot be read as categories: {error}") from error
    return Column(list(index), codes)


def _is_missing(value: Any) -> bool:
    kind = type(value)
    if kind is str:
        return False
    return (
        value is None or value is np.ma.masked or kind.__name__ in ("NAType", "NaTType")
        or isinstance(value, (float, np.floating)) and value != value
    )  # fmt: skip
