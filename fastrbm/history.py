"""History: what was measured during training."""

from __future__ import annotations

import numpy as np

__all__ = ["History"]


class History:
    """A table that grows by a row at each measurement; ``history["epoch"]`` is a column, as an array.

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
    """

    def __init__(self) -> None:
        self._rows: list[dict[str, float]] = []

    def record(self, **values: float) -> None:
        """Add a row; its names must be those of the rows before."""
        if self._rows and values.keys() != self._rows[0].keys():
            raise ValueError(f"the columns are {', '.join(self._rows[0])}; got {', '.join(values)}")
        self._rows.append(values)

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self._rows[0]) if self._rows else []

    @property
    def last(self) -> dict[str, float]:
        """The newest row."""
        if not self._rows:
            raise IndexError("nothing has been measured yet")
        return dict(self._rows[-1])

    def __getitem__(self, column: str) -> np.ndarray:
        if column not in self.columns:
            raise KeyError(f"no column {column!r}; there are {', '.join(self.columns) or 'none yet'}")
        return np.array([row[column] for row in self._rows])

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"History({len(self)} rows of {', '.join(self.columns) or 'nothing yet'})"
