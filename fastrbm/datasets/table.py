"""A table of numbers that was read from a file, and how its places are named."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .._core.reading import shown


class Table(NamedTuple):
    """Numbers (n, columns); the names of the columns and the line of a row, where the file has such things."""

    array: np.ndarray
    names: list[str] | None = None
    line_of: Callable[[int], int] | None = None

    def without(self, j: int) -> tuple[Table, np.ndarray]:
        """(the table without column j, that column)."""
        names = None if self.names is None else [*self.names[:j], *self.names[j + 1 :]]
        return self._replace(array=np.delete(self.array, j, axis=1), names=names), self.array[:, j]

    def column(self, path: str, j: int) -> str:
        """Column j in words, which count from 1."""
        return f"{path}, {self._column(j)}"

    def cell(self, path: str, i: int, j: int) -> str:
        """Row i, or its line, and column j in words, which count from 1."""
        row = f"row {i + 1}" if self.line_of is None else f"line {self.line_of(i)}"
        return f"{path}, {row}, {self._column(j)}"

    def _column(self, j: int) -> str:
        return f"column {j + 1}" + (f" ('{shown(self.names[j], 40)}')" if self.names else f" of {self.array.shape[1]}")
