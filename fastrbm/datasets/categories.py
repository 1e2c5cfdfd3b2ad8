"""Tables of categories and numbers as text: .csv."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike

import numpy as np

from .._core import validate
from .._core.frames import MAX_LEVELS, CodedTable, Column, Label, describe_columns
from .._core.reading import shown
from .csv import INDEX_HINT, WORDS, at_end, counts_or_differs, is_word, records, split, to_number
from .table import Table

_MISSING = ("", "NA", "NaN", "N/A", "<NA>", "null", "?", "#N/A")  # "none" or "-" may be an answer
_HEADER_HINT = "without a line of names: header=False"
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")


def load_categories(
    path: str | PathLike[str], header: bool = True, missing: Iterable[str] = (), max_levels: int = MAX_LEVELS,
    categories: Mapping[str, Sequence[Label]] | None = None, drop: Iterable[str] = (),
    real: bool | Iterable[str] | None = None,
) -> CodedTable:  # fmt: skip
    """Read a table of text, truth values and numbers: the units that fit it, its codes of categories and real numbers.

    What :func:`describe_frame` makes of a data frame, without pandas. A column is of numbers where all of its cells are
    numbers, of truth values where all are True or False, else of text. Beside columns of text or truth values one of
    numbers with fractions, or of more than max_levels whole ones, is real.

    Parameters
    ----------
    path : path
        A regular file of text: one example a line, cells separated by commas, semicolons or tabs. Lines that start with
        # are left out.
    header : bool
        Whether the first line is the names of the columns. Without it their names are "0", "1", "2" ...
    missing : iterable of str
        Cells that stand for a missing value, in small letters or capitals, beside an empty one and NA, NaN, N/A, <NA>,
        null, ?, #N/A.
    max_levels, categories, real
        As for :func:`describe_frame`.
    drop : iterable of str
        Names of columns to leave out, such as identifiers.

    Returns
    -------
    CodedTable
        segments, codes (n, columns), names, categories; -1 where a cell is missing; with real columns codes are
        float64, and NaN is missing.

    Raises
    ------
    OSError
        When the file cannot be read.
    TypeError, ValueError
        When it is no table, or a column has too many values, is an identifier, or is real-valued, and may not be.

    Examples
    --------
    >>> import os, tempfile
    >>> import fastrbm as fr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "x.csv")
    ...     with open(path, "w") as file:
    ...         _ = file.write("color,rooms,smokes\\nred,3,yes\\nblue,?,no\\ngreen,1,no\\n")
    ...     table = fr.datasets.load_categories(path)
    >>> table.segments, table.categories
    ((('categorical', (3,)), ('bernoulli', 2)), (('blue', 'green', 'red'), (1, 3), ('no', 'yes')))
    >>> table.codes
    array([[ 2,  1,  1],
           [ 0, -1,  0],
           [ 1,  0,  0]], dtype=int16)
    """
    header = validate.flag(header, "header")
    if isinstance(missing, str):
        raise TypeError("missing must be several strings, not one")
    gone = {text.strip().lower() for text in (*_MISSING, *missing)}
    layout, _ = split(path)
    rows = records(path, layout)
    names = _names_above(path, *next(rows), gone) if header else [str(k) for k in range(len(layout.first))]
    kept = kept_columns(names, drop, str(path))
    columns: list[_Cells] = [_Cells(gone) for _ in kept]
    for line, cells in rows:
        if len(cells) != len(names):
            top = len(cells) == len(names) + 1 and not columns[0].codes
            hint = at_end(cells, len(names)) or (f" ({INDEX_HINT})" if top else "")
            raise ValueError(f"{path}, line {line}: it has {len(cells)} cells, the first line has {len(names)}{hint}")
        for column, k in zip(columns, kept, strict=True):
            column.add(cells[k])
    if not columns[0].codes:
        raise ValueError(f"{path} has a line of names and no examples")
    return describe_columns(
        (column.read(layout.separator) for column in columns), [names[k] for k in kept],
        lambda k: f"{path}, column {kept[k] + 1} ('{shown(names[kept[k]], 40)}')", str(path),
        max_levels=max_levels, categories=categories, real=real,
    )  # fmt: skip


def kept_columns(names: Sequence[str], drop: Iterable[str], path: str) -> list[int]:
    """The places of the columns that are not dropped."""
    if isinstance(drop, str):
        raise TypeError("drop must be several names, not one string")
    gone = list(drop)
    for name in gone:
        if name not in names:
            cure = ": drop several one by one" if "," in name else ""
            raise ValueError(f"{path} has no column '{shown(name, 40)}' to drop{cure}")
    kept = [k for k, name in enumerate(names) if name not in gone]
    if not kept:
        raise ValueError(f"{path}: no column is left")
    return kept


def load_codes(
    path: str | PathLike[str], names: Sequence[str] | None = None,
    categories: Sequence[Sequence[Label] | None] | None = None, missing: Iterable[str] = (), drop: Iterable[str] = (),
) -> np.ndarray:  # fmt: skip
    """Read a table in which cells may be missing as codes of categories that are known: later data for a model.

    Parameters
    ----------
    path : path
        As for :func:`load_categories`. A first line of words that are no categories, or of these names, is of names.
    names : sequence of str, optional
        The names of the columns, as ``rbm.visible_names``: where the file has names, they must be the same.
    categories : sequence, one entry a column, optional
        The labels in the order of their codes, as ``rbm.visible_categories``; None, all or one of them, or no labels:
        the cells are numbers, which stay as they are.
    missing : iterable of str
        Cells that stand for a missing value, beside those of :func:`load_categories`.
    drop : iterable of str
        Names of columns of the file to leave out; its first line must be names.

    Returns
    -------
    float32 (n, columns), float64 where columns have no categories; NaN where a cell is missing.

    Raises
    ------
    OSError
        When the file cannot be read.
    ValueError
        When it is no table of these columns, or a cell is none of its column's categories; it says where.

    Examples
    --------
    >>> import os, tempfile
    >>> import fastrbm as fr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "x.csv")
    ...     with open(path, "w") as file:
    ...         _ = file.write("color,smokes\\nred,\\n?,yes\\n")
    ...     fr.datasets.load_codes(path, ("color", "smokes"), [("blue", "red"), ("no", "yes")])
    array([[ 1., nan],
           [nan,  1.]], dtype=float32)
    """
    return read_codes(path, names, categories, missing, drop).array


def read_codes(
    path: str | PathLike[str], names: Sequence[str] | None = None,
    categories: Sequence[Sequence[Label] | None] | None = None, missing: Iterable[str] = (), drop: Iterable[str] = (),
) -> Table:  # fmt: skip
    """load_codes, with the names that the file has."""
    if isinstance(missing, str):
        raise TypeError("missing must be several strings, not one")
    gone = {text.strip().lower() for text in (*_MISSING, *missing)}
    layout, _ = split(path)
    drop = drop if isinstance(drop, str) else list(drop)
    width = len(layout.first)
    kept = kept_columns([cell.strip() for cell in layout.first], drop, str(path)) if drop else list(range(width))
    n = len(kept) if categories is None else len(categories)
    columns = [_Known(known or None, gone, layout.separator) for known in (categories or [None] * n)]
    numbers = all(column.labels is None for column in columns)
    head: list[str] | None = None
    rows: list[list[float]] = []
    lines: list[int] = []
    for number, (line, cells) in enumerate(records(path, layout)):
        cells = [cell.strip() for cell in (map(cells.__getitem__, kept) if drop and len(cells) == width else cells)]
        if number == 0 and names is None:
            _refuse_unnamed(cells, f"{path}, line {line}")
        if len(cells) != n:
            if number == 0 and names is not None and any(cell in names for cell in cells):
                validate.check_names(tuple(cells), tuple(names), str(path), file=True)
            raise ValueError(f"{path}, line {line}: it has {len(cells)} cells where {n} are required{at_end(cells, n)}")
        codes = [column.code(cell) for column, cell in zip(columns, cells, strict=True)]
        if number == 0 and _is_head(cells, codes, names):
            validate.check_names(tuple(cells), None if names is None else tuple(names), str(path), file=True)
            head = cells
            continue
        if None in codes:
            k = codes.index(None)
            where = f"{path}, line {line}, column {kept[k] + 1}" + (f" ('{shown(names[k], 40)}')" if names else "")
            raise ValueError(f"{where}: '{shown(cells[k], 40)}' {columns[k].required}")
        rows.append([float(code) for code in codes if code is not None])
        lines.append(line)
    if not rows:
        raise ValueError(f"{path} has no examples")
    array = np.array(rows, np.float64 if any(column.labels is None for column in columns) else np.float32)
    if head is None and names is None and numbers and counts_or_differs(array, layout):
        head, array, lines = [layout.first[k].strip() for k in kept], array[1:], lines[1:]
    return Table(array, head, lines.__getitem__)


def _refuse_unnamed(cells: list[str], where: str) -> None:
    """Raise where a line has names, but none for its first or last column."""
    words = [is_word(cell) and not cell.startswith("Unnamed: ") for cell in cells]
    if len(cells) > 1 and all(words[1:]) and not words[0] and (not cells[0] or is_word(cells[0])):
        raise ValueError(f"{where}, column 1: a column without a name ({INDEX_HINT})")
    if len(cells) > 1 and all(words[:-1]) and not cells[-1]:
        raise ValueError(f"{where}, column {len(cells)}: a column without a name{at_end(cells, len(cells) - 1)}")


def _is_head(cells: list[str], codes: list[float | None], names: Sequence[str] | None) -> bool:
    """Whether a first line is one of names: these, or words where values are required."""
    if names is not None and cells == list(names):
        return True
    return None in codes and all(code is None or code != code for code in codes) and all(cells)


class _Known:
    """A column whose categories are known (None: numbers)."""

    def __init__(self, labels: Sequence[Label] | None, gone: set[str], separator: str) -> None:
        self.gone, self.separator, self.labels = gone, separator, labels
        self.cells = {} if labels is None else {str(label): float(k) for k, label in enumerate(labels)}
        self.numbers = {} if labels is None else {
            float(label): float(k) for k, label in enumerate(labels) if not isinstance(label, str)
        }  # fmt: skip

    def code(self, cell: str) -> float | None:
        """The code of a cell, NaN where it is missing; None where it has none."""
        cell = cell.strip()
        if cell in self.cells:
            return self.cells[cell]
        if cell.lower() in self.gone:
            return np.nan
        number = to_number(cell, self.separator)
        if number is None or not np.isfinite(number):
            return None
        return number if self.labels is None else self.numbers.get(number)

    @property
    def required(self) -> str:
        """What is said of a cell without a code."""
        if self.labels is None:
            return "is not a number"
        listed = ", ".join(map(str, self.labels[:6])) + (" ..." if len(self.labels) > 6 else "")
        return f"is none of its categories: {listed}"


def code_of(text: str, known: Sequence[Label] | None) -> float | None:
    """The code of a label that is written as text; without categories, the number. None where there is none."""
    return _Known(known, set(), ";").code(text)


class _Cells:
    """The cells of a column, each different one once."""

    def __init__(self, gone: set[str]) -> None:
        self.gone, self.codes = gone, array("l")
        self.index: dict[str, int] = {}

    def add(self, cell: str) -> None:
        code = self.index.get(cell)
        if code is None:
            code = self.index[cell] = len(self.index)
        self.codes.append(code)

    def read(self, separator: str) -> Column:
        """Their values: of one type, if they can be."""
        cells = [cell.strip() for cell in self.index]
        there = [cell for cell in cells if cell.lower() not in self.gone]
        labels: list[Label] = list(there)
        if all(cell.lower() in WORDS for cell in there):
            labels = [bool(WORDS[cell.lower()]) for cell in there]
        else:
            numbers = [None if cell.lower() in WORDS else _number(cell, separator) for cell in there]
            known = [number for number in numbers if number is not None]
            labels = [*known] if len(known) == len(there) else labels
        index: dict[Label, int] = {}
        iterator = iter(labels)
        table = [-1 if cell.lower() in self.gone else index.setdefault(next(iterator), len(index)) for cell in cells]
        return Column(list(index), np.array(table, np.intp)[np.asarray(self.codes)])


def _number(cell: str, separator: str) -> int | float | None:
    """A cell as a number, an int where it is written as one; None where it is none."""
    if _INTEGER.fullmatch(cell):
        return int(cell)
    number = to_number(cell, separator)
    return None if number is None or np.isnan(number) else number


def _names_above(path: str | PathLike[str], line: int, cells: list[str], gone: set[str]) -> list[str]:
    """The cells of the first line, if they can be the names of columns."""
    names = [cell.strip() for cell in cells]
    where = f"{path}, line {line}"
    seen: set[str] = set()
    for k, name in enumerate(names):
        if not name or name.startswith("Unnamed: "):
            hint = at_end(names, len(names) - 1) if 0 < k == len(names) - 1 else f" ({INDEX_HINT})"
            raise ValueError(f"{where}, column {k + 1}: a column without a name{hint}")
        if name in seen:
            raise ValueError(f"{where}: two columns have the name '{shown(name, 40)}' ({_HEADER_HINT})")
        seen.add(name)
    counted = names == [str(k) for k in range(len(names))]  # as pandas writes them above columns without names
    if not counted and all(to_number(name) is not None or name.lower() in gone for name in names):
        raise ValueError(f"{where}: it has values where names of columns are required ({_HEADER_HINT})")
    return names
