"""Tables of numbers as text: .csv."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from os import PathLike
from typing import IO, NamedTuple

import numpy as np

from .._core.reading import open_regular, shown
from .table import Table

_REQUIRED = "required are numbers separated by commas, semicolons or tabs, below at most one line of names"
_MISSING_HINT = "an RBM needs every value: fill it in, or leave out its row or column"
INDEX_HINT = "an index column? Write the table without it: index=False in pandas, row.names = FALSE in R"
_ERRORS = {"#n/a", "#null!", "#div/0!", "#value!", "#ref!", "#name?", "#num!"}  # of spreadsheets
_MISSING = {"", "na", "nan", "null", "none", "n/a", "<na>", "nat", "nil", "?", ".", "-", *_ERRORS}
WORDS = {"true": 1.0, "false": 0.0}
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?")


class NotNumbers(ValueError):
    """A table that has words where numbers are required."""


class Layout(NamedTuple):
    separator: str
    skip: int  # lines above the first row
    names: list[str] | None
    first: list[str]  # the first record, names or not, and the one after it
    second: list[str]
    line_2: int = 0  # where that one ends


def read_csv(path: str | PathLike[str]) -> Table:
    """The numbers of a table: finite, as many in each row.

    Separated by commas, semicolons or tabs; beside the latter two, with decimal commas too; True and False are 1 and 0.
    Lines that start with # are left out. A first line is names where it has words; where it counts the columns, from 0
    or 1; where it has other numbers than all other lines. ValueError names the line and the column.
    """
    layout = _layout(path)
    array = _read_plain(path, layout)
    if array is None:
        array = _read_cells(path, layout)
    names = layout.names
    if names is None and counts_or_differs(array, layout):
        names, array = [cell.strip() for cell in layout.first], array[1:]
    shift = names is not layout.names
    return Table(array, names, lambda row: _line_of(path, layout, row + shift))


def _line_of(path: str | PathLike[str], layout: Layout, row: int) -> int:
    """The line of the file where a row of it is."""
    return next(line for count, (line, _) in enumerate(records(path, layout)) if count == row)


# ---------------------------------------------------------------- how the file is laid out


def _open(path: str | PathLike[str]) -> IO[str]:
    return open_regular(path, "r", encoding="utf-8-sig")


def split(path: str | PathLike[str]) -> tuple[Layout, list[str]]:
    """(how the file is split, with no names; the remarks above its first row)."""
    with open_regular(path) as file:
        start = file.read(4)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in start:
        raise ValueError(f"{path} is not UTF-8 text (UTF-16?): save it as UTF-8")
    try:
        return _split(path)
    except UnicodeDecodeError:
        raise _not_utf8(path) from None


def _split(path: str | PathLike[str]) -> tuple[Layout, list[str]]:
    comments: list[str] = []
    lines: list[str] = []
    with _open(path) as file:
        for number, line in enumerate(file):
            if number == 0 and not line.strip():
                break
            if line.strip():
                (comments if _is_comment(line.split(",")[0]) else lines).append(line)
            if len(lines) == 2:
                break
    if not lines:
        raise ValueError(f"{path} has no rows" if comments else f"{path} is empty, or its first line is")
    unquoted = re.sub(r'"[^"]*"', "", lines[-1])
    separator = next((mark for mark in ";\t" if mark in unquoted), ",")
    _refuse_other_separators(path, lines)
    rows = records(path, Layout(separator, 0, None, [], []))
    line_1, first = next(rows)
    line_2, second = next(rows, (0, []))
    return Layout(separator, line_1 - 1, None, first, second, line_2), comments


def _refuse_other_separators(path: str | PathLike[str], lines: list[str]) -> None:
    """Raise where the first lines are split by bars or spaces: each would be one long cell."""
    if lines[0].startswith("sep="):
        raise ValueError(f"{path}: its first line, {shown(lines[0].strip(), 40)!r}, is for Excel alone: remove it")
    if any(mark in line for line in lines for mark in ",;\t"):
        return
    bars = {line.count("|") for line in lines}
    numbers = [list(map(to_number, line.split())) for line in lines]
    spaced = len(numbers[-1]) > 1 and len({len(cells) for cells in numbers}) == 1 and None not in numbers[-1]
    if spaced or len(bars) == 1 and bars != {0}:
        raise ValueError(f"{path}: its cells are separated by {'spaces' if spaced else 'bars'}; {_REQUIRED}")


def _layout(path: str | PathLike[str]) -> Layout:
    layout, comments = split(path)
    first, second = layout.first, layout.second
    line_1 = layout.skip + 1
    if _are_names(first, second, f"{path}, line {line_1}", f"{path}, line {layout.line_2}"):
        if not second:
            raise ValueError(f"{path} has a line of names and no examples")
        return layout._replace(skip=line_1, names=[name.strip() for name in first])
    above = [name.strip() for name in comments[-1][1:].split(layout.separator)] if comments else []  # numpy.savetxt's
    if len(above) == len(first) and all(map(is_word, above)):
        return layout._replace(names=above)
    return layout


def _are_names(first: list[str], second: list[str], place_1: str, place_2: str) -> bool:
    """Whether the first record has words that are names of the columns below."""
    words = [cell for cell in first if is_word(cell)]
    if not words:
        return False
    if second and len(first) != len(second):
        if len(second) - len(first) == 1 and len(words) == len(first) > 1 and second[-1].strip():
            raise ValueError(f"{place_2}: it has {len(second)} cells below {len(first)} names ({INDEX_HINT})")
        if at_end(second, len(first)) and len(words) == len(first):
            raise ValueError(
                f"{place_2}: it has {len(second)} cells below {len(first)} names{at_end(second, len(first))}"
            )
        return False
    if not first[0].strip() or first[0].startswith("Unnamed: "):
        raise ValueError(f"{place_1}, column 1: a column without a name ({INDEX_HINT})")
    if len(words) == len(first) - 1 and at_end(first, len(words)):
        raise ValueError(f"{place_1}, column {len(first)}: a column without a name{at_end(first, len(words))}")
    if not all(cell.strip() for cell in first):
        return False
    if any(map(is_word, second)) and not any(to_number(cell) is not None for cell in second):
        # names above words such as "yes"
        return len(set(first)) == len(first) and not set(first) & set(second) and not any(c[0].isdigit() for c in words)
    others = [to_number(cell) for cell in first if not is_word(cell) and cell.strip().lower() not in _MISSING]
    return not others or len(others) > 1 and others in (list(range(len(others))), list(range(1, len(others) + 1)))


def at_end(cells: list[str], n: int) -> str:
    """A remark on a line that has n cells and an empty one; empty for others."""
    return " (a separator at the end of the line? Remove it)" if len(cells) == n + 1 and not cells[-1].strip() else ""


def counts_or_differs(array: np.ndarray, layout: Layout) -> bool:
    """Whether the first row of numbers is names: what pandas writes above columns that have none is 0, 1, 2 ..."""
    first, below = array[0], array[1:]
    n, missing = len(first), np.isnan(below)
    if not len(below):
        return False
    if np.array_equal(first, np.arange(n)) or np.array_equal(first, np.arange(1, n + 1)):
        if n > 2:
            return True
        # one or two columns: 0 and 1 could be data, but not above 0.0 and 1.0, or True and False
        plain = all(cell.strip().isdigit() for cell in layout.first)
        return plain and all("." in cell or cell.strip().lower() in WORDS for cell in layout.second)
    if len(np.unique(first)) < n or not bool((first % 1 == 0).all()):
        return False
    if bool((missing | (below >= 0) & (below <= 1)).all()):
        return int(((first < 0) | (first > 1)).sum()) > 1  # one such number may be a slip in a row of data
    return n >= 8 and bool((np.diff(first) > 0).all()) and first[-1] > np.where(missing, -np.inf, below).max()


# ---------------------------------------------------------------- rows


def _read_plain(path: str | PathLike[str], layout: Layout) -> np.ndarray | None:
    """By NumPy's reader, which takes plain numbers only; None where there is anything else."""
    try:
        with _open(path) as file:
            for _ in range(layout.skip):
                file.readline()
            array = np.loadtxt(file, delimiter=layout.separator, comments=None, ndmin=2)
    except (ValueError, RuntimeError, OverflowError):
        return None
    return array if array.size and bool(np.isfinite(array).all()) else None


def _read_cells(path: str | PathLike[str], layout: Layout) -> np.ndarray:
    """Cell by cell; ValueError names the first that is no number."""
    rows: list[np.ndarray] = []
    values = _Values(layout.separator)
    for line, cells in records(path, layout):
        row = np.array(list(map(values.__getitem__, cells)))
        if not np.isfinite(row).all():
            raise _fault(path, layout, line, int(np.argmin(np.isfinite(row))), cells, not rows)
        if rows and len(row) != len(rows[0]):
            raise ValueError(f"{path}, line {line}: it has {len(row)} numbers, the lines before have {len(rows[0])}")
        rows.append(row)
    return np.array(rows)


def records(path: str | PathLike[str], layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each row that is not blank and no comment."""
    with _open(path) as file:
        reader = csv.reader(_text_of(file, path), delimiter=layout.separator, skipinitialspace=True)
        try:
            for cells in reader:
                blank = not cells or cells == [""] or len(cells) == 1 and not cells[0].strip()
                if reader.line_num > layout.skip and not blank and not _is_comment(cells[0]):
                    yield reader.line_num, cells
        except csv.Error as error:
            raise ValueError(
                f"{path}, line {reader.line_num}: it cannot be split into cells ({error}; {_REQUIRED})"
            ) from error
        except UnicodeDecodeError:
            raise _not_utf8(path) from None


def _text_of(file: IO[str], path: str | PathLike[str]) -> Iterator[str]:
    for number, line in enumerate(file, 1):
        if "\0" in line:
            raise ValueError(f"{path}, line {number}: it is not text (it has null characters)")
        yield line


def _fault(
    path: str | PathLike[str], layout: Layout, line: int, column: int, cells: list[str], top: bool
) -> ValueError:
    cell = cells[column].strip()
    word = is_word(cell, layout.separator)
    if word:
        reason, hint = f"'{shown(cell, 40)}' is not a number", _REQUIRED
    else:
        reason, hint = f"'{shown(cell, 40)}' is missing or infinite" if cell else "it is empty", _MISSING_HINT
        if top and not cell and column == 0 and layout.names is None:
            hint = INDEX_HINT
        elif top and not cell and column == len(cells) - 1:
            hint = f"{hint}; or a separator at the end of the line, to be removed"
    name = f"column '{shown(layout.names[column], 40)}'; " if layout.names and column < len(layout.names) else ""
    return (NotNumbers if word else ValueError)(f"{path}, line {line}, column {column + 1}: {reason} ({name}{hint})")


def _not_utf8(path: str | PathLike[str]) -> ValueError:
    number = 0
    with open_regular(path) as file:
        for line in file:
            number += 1
            try:
                line.decode()
            except UnicodeDecodeError:
                break
    return ValueError(f"{path}, line {number}: it is not UTF-8 text (Latin-1?): save the file as UTF-8")


# ---------------------------------------------------------------- cells


class _Values(dict[str, float]):
    """Cells as numbers, NaN where they are none; the first few different ones are kept."""

    def __init__(self, separator: str) -> None:
        super().__init__()
        self.separator = separator

    def __missing__(self, cell: str) -> float:
        value = to_number(cell, self.separator)
        value = np.nan if value is None else value
        if len(self) < 1000:
            self[cell] = value
        return value


def to_number(cell: str, separator: str = ";") -> float | None:
    """A cell as a number; None where it is none."""
    cell = cell.strip()
    if separator != "," and _DECIMAL_COMMA.fullmatch(cell):
        cell = cell.replace(",", ".")
    if not cell.isascii() or "_" in cell:  # which float takes, and no other reader of tables
        return None
    try:
        return float(cell)
    except ValueError:
        return WORDS.get(cell.lower())


def is_word(cell: str, separator: str = ";") -> bool:
    """Neither a number nor what stands for a missing one."""
    return cell.strip().lower() not in _MISSING and to_number(cell, separator) is None


def _is_comment(cell: str) -> bool:
    """Whether a line that starts with this cell is a remark."""
    return cell.startswith("#") and cell.strip().lower() not in _ERRORS
