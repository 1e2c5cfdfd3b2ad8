"""Tables of categories: data frames become codes, and codes become data frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from . import arrays, validate
from .arrays import library, shown
from .frame_columns import Column, Label, columns_of, frame_labels, plain_label, written
from .frame_output import listed, pandas_frame, polars_frame

MAX_LEVELS = 20  # different whole numbers of a column that is a category; more of them are a quantity
MOST = 255  # categories of a site
_IDENTIFIER = 20  # rows from which on a column of text that has another value in each is no category


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
        may = any(map(_is_category, columns)) if real is None else validate.flag(real, "real")
    kinds: list[tuple[str, int]] = []
    codes: list[np.ndarray] = []
    found: list[tuple[Label, ...] | None] = []
    for k, column in enumerate(columns):
        if not len(column.codes):
            raise ValueError(f"{name} has no rows")
        if labels[k] in given:
            chosen = given[labels[k]]
            column = Column(list(chosen), _encoded(column, chosen, where(k)), declared=True)
        numbers = None
        if labels[k] in forced:
            numbers = _numbers(column, where(k)) if column.labels else None  # else an error, below
        elif may:
            numbers = _quantity(column, max_levels, where(k))
        if numbers is not None:
            found.append(None)
            codes.append(numbers)
            kinds.append(("gaussian", 1))
            continue
        ordered = _ordered(column, max_levels, where(k))
        found.append(tuple(ordered.labels))
        codes.append(ordered.codes)
        two = len(ordered.labels) == 2
        kinds.append(("bernoulli", 1) if two else ("categorical", len(ordered.labels)))
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
        codes.append(_encoded(column, known, where) if known else _numbers(column, where))
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
        _decoded(array[:, k], len(known), f"values[:, {k}]") if known else None for k, known in enumerate(categories)
    ]
    if isinstance(like, Mapping):
        return {
            title: array[:, k].tolist() if codes is None else listed(codes, categories[k])
            for k, (title, codes) in enumerate(zip(titles, columns, strict=True))
        }
    if like is not None and library(like) == "polars":
        return polars_frame(array, titles, columns, categories, like)
    return pandas_frame(array, titles, columns, categories, like)


# ---------------------------------------------------------------- labels and codes


def _ordered(column: Column, max_levels: int, where: str) -> Column:
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


def _is_category(column: Column) -> bool:
    """Whether somebody declared the column to be one, or it holds text or truth values."""
    return column.declared or any(isinstance(label, (str, bool, np.bool_)) for label in column.labels)


def _quantity(column: Column, max_levels: int, where: str) -> np.ndarray | None:
    """The numbers of a column that are no categories: real ones, or more different whole ones than max_levels. None of
    other columns."""
    labels = [plain_label(label) for label in column.labels]
    if not labels or _is_category(column) or any(label is None for label in labels):
        return None
    if len(labels) <= max_levels and all(float(label).is_integer() for label in labels if label is not None):
        return None
    numbers, n = _numbers(column, where), int((column.codes >= 0).sum())
    values = np.array(labels, np.float64)
    if len(labels) == n > _IDENTIFIER and bool((values % 1 == 0).all()) and values.max() - values.min() == n - 1:
        raise ValueError(f"{where} counts its {n} rows, from {values.min():g}: an identifier? Leave it out")
    return numbers


def _numbers(column: Column, where: str) -> np.ndarray:
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


def _encoded(column: Column, known: Sequence[Label], where: str) -> np.ndarray:
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


def _decoded(values: np.ndarray, n_states: int, where: str) -> np.ndarray:
    """Codes as intp, -1 where they are missing."""
    missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)
    missing = missing | (values == -1) if values.dtype.kind in "if" else missing
    good = missing | (values >= 0) & (values < n_states) & (values % 1 == 0) if values.dtype.kind != "b" else ~missing
    if not bool(good.all()):
        bad = float(values[int(np.argmin(good))])
        raise ValueError(f"{where} has the value {bad:g}; codes from 0 to {n_states - 1} are required")
    return np.where(missing, -1, np.where(missing, 0, values)).astype(np.intp)


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
