"""Tables of categories as text: .csv."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike

import numpy as np

from .._core import validate
from .._core.frames import MAX_LEVELS, CodedTable, Column, Label, describe_columns
from .._core.reading import shown
from .csv import INDEX_HINT, WORDS, records, split, to_number

_MISSING = ("", "NA", "NaN", "N/A", "<NA>", "null", "?", "#N/A")  # "none" or "-" may be an answer
_HEADER_HINT = "without a line of names: header=False"
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")


def load_categories(
    path: str | PathLike[str], header: bool = True, missing: Iterable[str] = (), max_levels: int = MAX_LEVELS,
    categories: Mapping[str, Sequence[Label]] | None = None,
) -> CodedTable:  # fmt: skip
    """Read a table of text, whole numbers and truth values as categories: the units that fit it, and its codes.

    What :func:`describe_frame` makes of a data frame, without pandas. A column is of numbers where all of its cells are
    numbers, of truth values where all are True or False, else of text.

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
    max_levels, categories
        As for :func:`describe_frame`.

    Returns
    -------
    CodedTable
        segments, codes (n, columns), names, categories; -1 where a cell is missing.

    Raises
    ------
    OSError
        When the file cannot be read.
    TypeError, ValueError
        When it is no table, or a column is real-valued, has too many values, or is an identifier.

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
    columns: list[_Cells] = [_Cells(gone) for _ in names]
    for line, cells in rows:
        if len(cells) != len(names):
            raise ValueError(f"{path}, line {line}: it has {len(cells)} cells, the first line has {len(names)}")
        for column, cell in zip(columns, cells, strict=True):
            column.add(cell)
    if not columns[0].codes:
        raise ValueError(f"{path} has a line of names and no examples")
    return describe_columns(
        (column.read(layout.separator) for column in columns), names,
        lambda k: f"{path}, column {k + 1} ('{shown(names[k], 40)}')", str(path),
        max_levels=max_levels, categories=categories,
    )  # fmt: skip


def read_coded(
    path: str | PathLike[str], names: tuple[str, ...] | None, categories: Sequence[tuple[Label, ...]],
    header: bool = True, missing: Iterable[str] = (),
) -> np.ndarray:  # fmt: skip
    """A table of text as codes of categories that are known, as :func:`encode_frame` reads a data frame: later data for
    a model. uint8, or int16 where cells are missing, which are -1. ValueError names the line and the column."""
    gone = {text.strip().lower() for text in (*_MISSING, *missing)}
    layout, _ = split(path)
    rows = records(path, layout)
    titles = _names_above(path, *next(rows), gone) if header else [str(k) for k in range(len(layout.first))]
    validate.check_names(tuple(titles), names, str(path))
    if len(titles) != len(categories):
        raise ValueError(f"{path} has {len(titles)} columns where {len(categories)} are required")
    columns = [_Known(known, gone, layout.separator) for known in categories]
    codes = [array("h") for _ in columns]
    for line, cells in rows:
        if len(cells) != len(columns):
            raise ValueError(f"{path}, line {line}: it has {len(cells)} cells where {len(columns)} are required")
        for k, (column, cell) in enumerate(zip(columns, cells, strict=True)):
            code = column[cell]
            if code is None:
                listed = ", ".join(map(str, categories[k][:6])) + (" ..." if len(categories[k]) > 6 else "")
                raise ValueError(
                    f"{path}, line {line}, column {k + 1} ('{shown(titles[k], 40)}'): '{shown(cell.strip(), 40)}' is "
                    f"none of its categories: {shown(listed, 200)}"
                )
            codes[k].append(code)
    if not codes[0]:
        raise ValueError(f"{path} has a line of names and no examples")
    result = np.stack([np.asarray(column, np.int16) for column in codes], axis=1)
    return result if bool((result < 0).any()) else result.astype(np.uint8)


def code_of(text: str, known: Sequence[Label] | None) -> int | float | None:
    """The code of a label that is written as text; without categories, the number. None where there is none."""
    return to_number(text) if known is None else _Known(known, set(), ";")[text]


class _Known(dict[str, "int | None"]):
    """The codes of the cells of a column: -1 where one is missing, None where it is none of the categories."""

    def __init__(self, known: Sequence[Label], gone: set[str], separator: str) -> None:
        super().__init__()
        self.text = any(isinstance(label, str) for label in known)
        self.codes: dict[Label, int] = {str(label) if self.text else label: k for k, label in enumerate(known)}
        self.gone, self.separator = gone, separator

    def __missing__(self, cell: str) -> int | None:
        plain = cell.strip()
        value = plain if self.text else to_number(plain, self.separator)
        code = None if value is None else self.codes.get(value)
        if code is None and plain.lower() in self.gone:
            code = -1
        self[cell] = code
        return code


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
    """A cell as a number, an int where it is written as one; None where it is none, or infinite."""
    if _INTEGER.fullmatch(cell):
        return int(cell)
    number = to_number(cell, separator)
    return None if number is None or not np.isfinite(number) else number


def _names_above(path: str | PathLike[str], line: int, cells: list[str], gone: set[str]) -> list[str]:
    """The cells of the first line, if they can be the names of columns."""
    names = [cell.strip() for cell in cells]
    where = f"{path}, line {line}"
    seen: set[str] = set()
    for k, name in enumerate(names):
        if not name or name.startswith("Unnamed: "):
            raise ValueError(f"{where}, column {k + 1}: a column without a name ({INDEX_HINT})")
        if name in seen:
            raise ValueError(f"{where}: two columns have the name '{shown(name, 40)}' ({_HEADER_HINT})")
        seen.add(name)
    counted = names == [str(k) for k in range(len(names))]  # as pandas writes them above columns without names
    if not counted and all(to_number(name) is not None or name.lower() in gone for name in names):
        raise ValueError(f"{where}: it has values where names of columns are required ({_HEADER_HINT})")
    return names
