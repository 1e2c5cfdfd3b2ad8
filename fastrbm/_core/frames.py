"""Tables of categories: data frames become codes, and codes become data frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from . import arrays, validate
from .arrays import library, shown
from .frame_codes import MOST, decoded, encoded, is_category, numbers, ordered, quantity
from .frame_columns import Column, Label, columns_of, frame_labels, written
from .frame_output import listed, pandas_frame, polars_frame

MAX_LEVELS = 20  # different whole numbers of a column that is a category; more of them are a quantity


class CodedTable(NamedTuple):
    """A table whose columns are units: its numbers, and what they mean.

    Attributes
    ----------
    segments : tuple of (str, ...)
        The units, in the order of the columns: ("bernoulli", how many), ("categorical", (categories of each site)), or
        ("gaussian", how many). Adjacent columns of one kind are one segment.
    codes : array (n, columns)
        Which category, from 0. uint8; int16 where values are missing, which are -1. Where there are columns of real
        numbers float64: those have the numbers, and NaN is missing.
    names : tuple of str, or None
        Of the columns; None where they are not all text.
    categories : tuple, one entry a column
        The labels that the codes stand for, a tuple of str, int, float or bool; None of a column of real numbers.
    """

    segments: tuple[tuple[str, Any], ...]
    codes: np.ndarray
    names: tuple[str, ...] | None
    categories: tuple[tuple[Label, ...] | None, ...]


def describe_frame(
    frame: Any, max_levels: int = MAX_LEVELS, categories: Mapping[Any, Sequence[Label]] | None = None,
    name: str = "frame", real: bool | Iterable[Any] | None = None,
) -> CodedTable:  # fmt: skip
    """The units that fit the columns of a data frame, and the frame as their codes.

    A column of two values is a Bernoulli unit: truth values, 0 and 1, any two texts, numbers or categories. A column of
    more values is a categorical site: text, categories (pandas "category", polars Enum), whole numbers of at most
    max_levels different values. Categories keep their order; text and numbers are sorted; 0 is 0 and 1 is 1 in any
    order. A column of one value is a site with one category, or a Bernoulli unit, if that is 0, 1, False or True.
    Beside columns of text, truth values or categories, one of real numbers, or of more whole numbers, is a Gaussian
    unit.

    Parameters
    ----------
    frame : pandas.DataFrame, polars.DataFrame, or dict of columns
        None, NaN, pandas.NA and null are missing values.
    max_levels : int from 2 to 255
        With more different whole numbers than this a column is a quantity.
    categories : mapping from the name of a column to a sequence of labels, optional
        Categories, in their order, of columns where not all of them occur or another order is required. There is no
        limit but 255 for them, and they may be any numbers.
    name : str
        What messages call the frame.
    real : bool or names of columns, optional
        Whether columns of real numbers and quantities are Gaussian units; otherwise they are refused. By default where
        some other column holds text, truth values or categories: a table of numbers alone may be meant in several ways,
        and ``visible="gaussian"`` says that they are real. With names of columns these are Gaussian units whatever
        numbers they hold, and others as with True.

    Returns
    -------
    CodedTable

    Raises
    ------
    TypeError
        When a column holds something else than numbers, text, truth values or categories.
    ValueError
        When a column is real-valued or a quantity, and may not be (real), or has to be, and is not; when it has too
        many values, none at all, or an infinite one, or is an identifier: text that is another in each of more than 20
        rows, or numbers of all rows in turn.

    Examples
    --------
    >>> import fastrbm as fr
    >>> colors, rooms = ["red", None, "blue"], [3, 1, 2]
    >>> survey = {"smokes": [True, False, True], "color": colors, "rooms": rooms, "answer": ["no", "yes", "no"]}
    >>> table = fr.datasets.describe_frame(survey)
    >>> table.segments
    (('bernoulli', 2), ('categorical', (3,)), ('bernoulli', 1))
    >>> table.categories
    ((False, True), ('blue', 'red'), (1, 2, 3), ('no', 'yes'))
    >>> table.codes
    array([[ 1,  1,  2,  0],
           [ 0, -1,  0,  1],
           [ 1,  0,  1,  0]], dtype=int16)
    >>> table = fr.datasets.describe_frame({"color": colors, "area": [71.5, 48.0, None]})
    >>> table.segments, table.categories
    ((('bernoulli', 1), ('gaussian', 1)), (('blue', 'red'), None))
    """
    labels, columns = columns_of(frame, name)
    return describe_columns(
        columns, labels, lambda k: f"column {labels[k]!r} of {name}", name, max_levels=max_levels,
        categories=categories, real=real,
    )  # fmt: skip


def describe_columns(
    columns: Iterable[Column], labels: Sequence[Any], where: Callable[[int], str], name: str,
    max_levels: int = MAX_LEVELS, categories: Mapping[Any, Sequence[Label]] | None = None,
    real: bool | Iterable[Any] | None = None,
) -> CodedTable:  # fmt: skip
    """describe_frame, of columns that were read. labels: their names; where(k): column k in words."""
    max_levels = validate.integer(max_levels, "max_levels", 2, MOST)
    given = _given_categories(categories, labels, name)
    columns = list(columns)
    forced = _forced(real, labels, given, name)
    if forced:
        may = True
    else:
        may = any(map(is_category, columns)) if real is None else validate.flag(real, "real")
    kinds: list[tuple[str, int]] = []
    codes: list[np.ndarray] = []
    found: list[tuple[Label, ...] | None] = []
    for k, column in enumerate(columns):
        if not len(column.codes):
            raise ValueError(f"{name} has no rows")
        if labels[k] in given:
            chosen = given[labels[k]]
            column = Column(list(chosen), encoded(column, chosen, where(k)), declared=True)
        real_numbers = None
        if labels[k] in forced:
            real_numbers = numbers(column, where(k)) if column.labels else None  # else an error, below
        elif may:
            real_numbers = quantity(column, max_levels, where(k))
        if real_numbers is not None:
            found.append(None)
            codes.append(real_numbers)
            kinds.append(("gaussian", 1))
            continue
        in_order = ordered(column, max_levels, where(k))
        found.append(tuple(in_order.labels))
        codes.append(in_order.codes)
        two = len(in_order.labels) == 2
        kinds.append(("bernoulli", 1) if two else ("categorical", len(in_order.labels)))
    if not codes:
        raise ValueError(f"{name} has no columns")
    names = tuple(labels) if all(isinstance(label, str) for label in labels) else None
    return CodedTable(_segments(kinds), _stacked(codes), names, tuple(found))


def encode_frame(
    frame: Any, names: tuple[str, ...] | None, categories: Sequence[tuple[Label, ...] | None], name: str = "frame"
) -> np.ndarray:
    """A data frame as codes of categories that are known: later data for a model.

    Parameters
    ----------
    frame : pandas.DataFrame, polars.DataFrame, or dict of columns
        With the same columns in the same order.
    names : tuple of str, or None
        The names of the columns; None: they are not checked.
    categories : sequence, one entry a column
        The labels in the order of their codes; None, or none, for a column of numbers, which stay as they are.
    name : str
        What messages call the frame.

    Returns
    -------
    array (n, columns): uint8; int16 where values are missing, which are -1. Where a column has no categories, float64,
    and NaN where values are missing.

    Raises
    ------
    ValueError
        When the columns are others, or in another order; when a value is none of its column's categories.

    Examples
    --------
    >>> import fastrbm as fr
    >>> fr.datasets.encode_frame({"color": ["red", "blue"]}, ("color",), [("blue", "green", "red")])
    array([[2],
           [0]], dtype=uint8)
    """
    labels, columns = columns_of(frame, name)
    validate.check_names(_text(labels), names, name)
    if len(labels) != len(categories):
        raise ValueError(f"{name} has {len(labels)} columns where {len(categories)} are required")
    codes = []
    for label, column, known in zip(labels, columns, categories, strict=True):
        where = f"column {label!r} of {name}"
        codes.append(encoded(column, known, where) if known else numbers(column, where))
    return _stacked(codes)


def to_frame(
    values: Any, names: Sequence[str] | None, categories: Sequence[tuple[Label, ...] | None], like: Any = None
) -> Any:
    """Codes as a data frame of the labels that they stand for: the inverse of :func:`encode_frame`.

    Parameters
    ----------
    values : array (n, columns)
        Codes, such as samples of a model; -1 and NaN are missing values.
    names : sequence of str, or None
        The names of the columns; None: those of like, or 0, 1, 2 ...
    categories : sequence, one entry a column
        The labels in the order of their codes; None for a column whose values stay as they are, but for those of a
        column of whole numbers in like, which are rounded.
    like : pandas.DataFrame, polars.DataFrame or dict, optional
        A frame with the same columns, such as the one that was described: the result is of its library, with its types
        of columns. A dict gives lists. By default a pandas.DataFrame: text becomes "category", numbers and truth values
        stay what they are, in pandas' nullable types where some are missing.

    Raises
    ------
    ImportError
        When pandas is required, and is not installed.
    ValueError
        When a value is no code of its column.

    Examples
    --------
    >>> import fastrbm as fr
    >>> fr.datasets.to_frame([[1, 2], [0, -1]], ("smokes", "color"), [(False, True), ("blue", "green", "red")], like={})
    {'smokes': [True, False], 'color': ['red', None]}
    """
    array = arrays.numbers(values, "values", missing=True)
    if array.ndim != 2 or array.shape[1] != len(categories):
        raise ValueError(f"values must have shape (n, {len(categories)}), one column for each entry of categories, got "
                         f"{array.shape}")  # fmt: skip
    if names is not None and len(names) != len(categories):
        raise ValueError(f"names has {len(names)} names where categories has {len(categories)} entries")
    shape_of = None if like is None or isinstance(like, Mapping) and not like else frame_labels(like, "like")
    if shape_of is not None and len(shape_of) != len(categories):
        raise ValueError(f"like has {len(shape_of)} columns where categories has {len(categories)} entries")
    if shape_of is not None:
        validate.check_names(_text(shape_of), None if names is None else tuple(names), "like")
    titles = list(names) if names is not None else list(range(len(categories))) if shape_of is None else shape_of
    columns = [
        decoded(array[:, k], len(known), f"values[:, {k}]") if known else None for k, known in enumerate(categories)
    ]
    if isinstance(like, Mapping):
        return {
            title: array[:, k].tolist() if codes is None else listed(codes, categories[k])
            for k, (title, codes) in enumerate(zip(titles, columns, strict=True))
        }
    if like is not None and library(like) == "polars":
        return polars_frame(array, titles, columns, categories, like)
    return pandas_frame(array, titles, columns, categories, like)


def _segments(kinds: list[tuple[str, int]]) -> tuple[tuple[str, Any], ...]:
    groups = [(kind, tuple(size for _, size in group)) for kind, group in groupby(kinds, key=lambda pair: pair[0])]
    return tuple((kind, sizes if kind == "categorical" else len(sizes)) for kind, sizes in groups)


def _stacked(codes: list[np.ndarray]) -> np.ndarray:
    """Columns side by side; where some hold numbers, missing codes are NaN as missing numbers are."""
    if any(column.dtype.kind == "f" for column in codes):
        return np.stack(
            [column if column.dtype.kind == "f" else np.where(column < 0, np.nan, column) for column in codes], axis=1
        )
    missing = any(bool((column < 0).any()) for column in codes)
    result = np.empty((len(codes[0]) if codes else 0, len(codes)), np.int16 if missing else np.uint8)
    for k, column in enumerate(codes):
        result[:, k] = column
    return result


def _given_categories(categories: Any, labels: Sequence[Any], name: str) -> dict[Any, list[Label]]:
    if categories is None:
        return {}
    if not isinstance(categories, Mapping):
        raise TypeError(f"categories must map names of columns to labels, not {validate.kind(categories)}")
    given = {}
    for label, chosen in categories.items():
        if label not in labels:
            raise ValueError(f"categories has {shown(label)}, which is no column of {name}")
        if isinstance(chosen, str) or not isinstance(chosen, Iterable):
            raise TypeError(f"categories[{shown(label)}] must be a sequence of labels, not {validate.kind(chosen)}")
        given[label] = [written(x) for x in chosen]
        if not 1 <= len(given[label]) <= MOST or len(set(given[label])) < len(given[label]):
            raise ValueError(f"categories[{shown(label)}] must be from 1 to {MOST} different labels")
    return given


def _forced(real: Any, labels: Sequence[Any], given: Mapping[Any, Any], name: str) -> set[Any]:
    """The names of columns that have to be real."""
    if not isinstance(real, (str, Iterable)):
        return set()
    if isinstance(real, str):
        raise TypeError("real must be several names, not one string")
    forced = set(real)
    for label in sorted(forced, key=str):
        if label not in labels:
            raise ValueError(f"real has {shown(label)}, which is no column of {name}")
        if label in given:
            raise ValueError(f"real has {shown(label)}, of which categories has labels: choose one")
    return forced


def nan_where_missing(codes: np.ndarray) -> np.ndarray:
    """Codes, in which -1 is missing, as :func:`encode_frame` gives them; float32 with NaN where there is any."""
    return np.where(codes < 0, np.float32(np.nan), codes.astype(np.float32)) if codes.dtype == np.int16 else codes


def _text(labels: list[Any]) -> tuple[str, ...] | None:
    return tuple(labels) if all(isinstance(label, str) for label in labels) else None
