"""History: what was measured during training."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from html import escape
from importlib import import_module
from os import PathLike
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from .._core import validate
from .._core.display import curve, grid, titled
from .._core.output import replace_file
from .._core.reading import open_regular, refusing
from .columns import Column, columns_of, known

if TYPE_CHECKING:
    from ..sampling.trajectory import Trajectory
    from .verdict import Finding

__all__ = ["History"]

_KINDS = (".csv", ".jsonl")


class History:
    """A table that grows by a row at each measurement; ``history["epoch"]`` is a column, as an array.

    It is read as a dict of columns: ``in``, ``keys()``, ``values()``, ``items()``, ``get()`` and loops go over columns,
    and ``dict(history)`` has them all. Its length is the number of rows, though. ``about(name)`` says what a column is.

    What was not measured that time is NaN. ``findings`` are what the end of the training shows, each a ``kind`` ("still
    rising", "overfitting", ...), its ``words`` and whether it is a ``fault``; None where nobody looked: before the end,
    and of a table that was read from a file. ``verdict`` is their words, what would help included; it is empty where
    there is nothing to say. ``trajectory`` has the models that ``fit(trajectory=)`` kept, or is None.

    Parameters
    ----------
    about : dict of str to :class:`metrics.Column <fastrbm.training.metrics.Column>`, optional
        What columns are that the package does not know. ``fit`` puts in what its metrics say.

    Examples
    --------
    >>> from fastrbm import History
    >>> history = History()
    >>> history.record(epoch=1, reconstruction_error=0.25)
    >>> history.record(epoch=2, reconstruction_error=0.125)
    >>> history["reconstruction_error"]
    array([0.25 , 0.125])
    >>> history.last
    {'epoch': 2, 'reconstruction_error': 0.125}
    >>> "epoch" in history, list(history), len(history)
    (True, ['epoch', 'reconstruction_error'], 2)
    >>> history.about("reconstruction_error")
    Column(label='reconstruction error', unit='fraction of units', mode='min')
    """

    def __init__(self, about: Mapping[str, Column] | None = None) -> None:
        self._about = columns_of({} if about is None else about)
        self._rows: list[dict[str, float]] = []
        self.findings: tuple[Finding, ...] | None = None
        self.trajectory: Trajectory | None = None

    @property
    def verdict(self) -> str:
        """What the end of the training shows, in words, a line for each finding."""
        return "\n".join(finding.words for finding in self.findings or ())

    def record(self, **values: float) -> None:
        """Add a row; its names must be those of the rows before."""
        if self._rows and values.keys() != self._rows[0].keys():
            raise ValueError(f"the columns are {', '.join(self._rows[0])}; got {', '.join(values)}")
        plain = {name: x.item() if isinstance(x, (np.generic, np.ndarray)) else x for name, x in values.items()}
        self._rows.append(plain)

    def forget_last(self) -> None:
        """Take the newest row away."""
        self._rows.pop()

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self._rows[0]) if self._rows else []

    def about(self, column: str) -> Column:
        """What a column is: its label, its unit, and whether it should be large or small."""
        if column in self._about:
            return self._about[column]
        self._must_have(column)
        return known(column)

    def keys(self) -> KeysView[str]:
        """The names of the columns."""
        return dict.fromkeys(self.columns).keys()

    def values(self) -> ValuesView[np.ndarray]:
        """The columns."""
        return dict(self.items()).values()

    def items(self) -> ItemsView[str, np.ndarray]:
        """The columns with their names."""
        return {name: self[name] for name in self.columns}.items()

    def get(self, column: str, default: Any = None) -> Any:
        """A column, or default where there is none of this name."""
        return self[column] if column in self else default

    def to_dataframe(self) -> Any:
        """A pandas DataFrame with the same columns and rows.

        Raises
        ------
        ImportError
            Without pandas.
        """
        try:
            pandas: Any = import_module("pandas")
        except ImportError as error:
            raise ImportError("History.to_dataframe needs pandas: pip install pandas") from error
        return pandas.DataFrame(dict(self.items()))

    @property
    def last(self) -> dict[str, float]:
        """The newest row."""
        if not self._rows:
            raise IndexError("nothing has been measured yet")
        return dict(self._rows[-1])

    def save(self, path: str | PathLike[str]) -> None:
        """Write a table: .csv, with a line of names, or .jsonl, an object a line. NaN and infinity become nothing and
        null."""
        path = validate.path(path)
        if path.suffix not in _KINDS:
            raise ValueError(f"{path}: a history is written to {' or '.join(_KINDS)}")
        missing = "" if path.suffix == ".csv" else None
        rows = [
            {name: missing if isinstance(x, float) and not math.isfinite(x) else x for name, x in row.items()}
            for row in self._rows
        ]
        text = io.StringIO()
        if path.suffix == ".csv":
            table = csv.DictWriter(text, self.columns, lineterminator="\n")
            table.writeheader()
            table.writerows(rows)
        else:
            text.writelines(json.dumps(row) + "\n" for row in rows)
        replace_file(path, text.getvalue().encode())

    @classmethod
    def load(cls, path: str | PathLike[str]) -> History:
        """Read a table that :meth:`save` wrote; what is missing in it is NaN.

        Raises
        ------
        OSError
            When the file cannot be read.
        ValueError
            When it is not such a table.

        Examples
        --------
        >>> import os, tempfile
        >>> from fastrbm import History
        >>> history = History()
        >>> history.record(epoch=1, reconstruction_error=0.25)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     history.save(os.path.join(folder, "run.csv"))
        ...     History.load(os.path.join(folder, "run.csv")).last
        {'epoch': 1, 'reconstruction_error': 0.25}
        """
        path = validate.path(path)
        if path.suffix not in _KINDS:
            raise ValueError(f"{path}: a history is read from {' or '.join(_KINDS)}")
        history = cls()
        with open_regular(path, "r", encoding="utf-8-sig", newline="") as file, refusing(path, "is not a history"):
            rows = _csv_rows(file) if path.suffix == ".csv" else map(json.loads, file)
            for number, row in enumerate(rows, 1):
                if not isinstance(row, dict):
                    raise ValueError(f"row {number} is no object")
                if history._rows and row.keys() != history._rows[0].keys():
                    raise ValueError(f"row {number} has other columns than the first")
                history._rows.append({name: _number(x, f"{name} of row {number}") for name, x in row.items()})
        return history

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps: the columns."""
        return dict(self.items())

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a state that get_state gave."""
        for name, column in state.items():
            if not isinstance(column, np.ndarray) or column.ndim != 1 or column.dtype.kind not in "iuf":
                raise ValueError(f"the state's {name} must be a column of numbers")
        if len({len(column) for column in state.values()}) > 1:
            raise ValueError(f"the state's columns, {', '.join(state)}, must have as many rows as each other")
        columns = {name: column.tolist() for name, column in state.items()}
        self._rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def _must_have(self, column: object) -> None:
        if column not in self:
            raise KeyError(f"no column {column!r}; there are {', '.join(self.columns) or 'none yet'}")

    def __getitem__(self, column: str) -> np.ndarray:
        self._must_have(column)
        return np.array([row[column] for row in self._rows])

    def __contains__(self, column: object) -> bool:
        return column in self.columns

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def _ipython_key_completions_(self) -> list[str]:
        return self.columns

    def __len__(self) -> int:
        return len(self._rows)

    def _repr_html_(self) -> str:
        """A line a column, with its first and last value and a small curve; NaN is left out."""
        rows = []
        for name, column in self.items():
            known = column[~np.isnan(column)]
            ends = [f"{x:,}" if column.dtype.kind == "i" else f"{x:.5g}" for x in (*known[:1], *known[-1:])]
            about = self.about(name)
            cells = (name, about.unit, *(ends or ("not measured", "")))
            rows.append([*map(escape, cells), curve(column)])
        title = f"History, {len(self):,} row{'s'[: len(self) != 1]}"
        head = ("column", "unit", "first", "last", "curve")
        return titled(title, grid(head, rows) if rows else "", self.verdict)

    def __repr__(self) -> str:
        return f"History({len(self)} rows of {', '.join(self.columns) or 'nothing yet'})"


def _csv_rows(file: IO[str]) -> Iterator[dict[str, str]]:
    reader = csv.reader(file)
    names = next(reader, [])
    if len(set(names)) != len(names):
        raise ValueError("two columns have one name")
    for cells in reader:
        if cells and len(cells) != len(names):
            raise ValueError(f"line {reader.line_num} has {len(cells)} cells below {len(names)} names")
        if cells:
            yield dict(zip(names, cells, strict=True))


def _number(value: Any, what: str) -> float:
    """A number as it was before it was written: whole ones stay whole; nothing is NaN."""
    if value is None or value == "":
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"{what} is no number")
    try:
        number = int(value) if isinstance(value, str) else value
    except ValueError:
        try:
            number = float(value)
        except ValueError:
            raise ValueError(f"{what} is no number") from None
    if isinstance(number, int) and not -(1 << 63) <= number < 1 << 63:
        raise ValueError(f"{what} is too large")
    return number
