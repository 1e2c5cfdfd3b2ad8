"""Known entries of a table that a training does not see, and how well a model fills them in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import philox
from ..sampling import inpainting
from ..states.missing import known_parts
from ..training.columns import Column

if TYPE_CHECKING:
    from ..training.contracts import Snapshot
    from ..units.unit import Unit

ERROR = "held_out_error"

_EXAMPLES = 512  # that have the entries of a measurement, at most
_DRAWS, _SWEEPS = 10, 20  # of each of them; a mean is needed, not an entry


def held_out(data: np.ndarray, part: float, seed: int) -> np.ndarray:
    """Which of the known entries of data, float (n, columns) with NaN, to hold out, bool: so many of each column, but
    for a column of which less than two would be left."""
    held = np.zeros(data.shape, bool)
    for column in range(data.shape[1]):
        known = np.flatnonzero(~np.isnan(data[:, column]))
        n = min(round(part * len(known)), len(known) - 2)
        if n > 0:
            held[known[philox.permutation(len(known), seed, philox.HELD_OUT, column)[:n]], column] = True
    return held


class HeldOutError:
    """A metric, column ``held_out_error``: the mean squared error of entries that are held out, filled in with their
    expectation given what is known of their rows, as a part of the error that the means of the columns have. A category
    counts as a column of 0 and 1.

    data, float (n, columns) : with NaN where an entry is missing; held, bool (n, columns) : which of the known ones
    are held out; every : epochs between two measurements.
    """

    columns = {ERROR: Column("held-out error", "part of the variance", "min")}
    cost = 10.0

    def __init__(self, data: np.ndarray, held: np.ndarray, unit: Unit, every: int) -> None:
        examples = np.flatnonzero(held.any(axis=1))
        some = examples[np.linspace(0, len(examples) - 1, min(len(examples), _EXAMPLES)).astype(np.intp)]
        sizes = unit.units_of_columns
        self.every, self._held = every, np.repeat(held[some], sizes, axis=1)
        parts, _ = known_parts(data[some], unit, "X")
        self._truth = unit.units_on(parts).astype(np.float64)
        self._parts, self._missing = known_parts(np.where(held[some], np.nan, data[some]), unit, "X")
        means = (self._truth * self._held).sum(axis=0) / np.maximum(self._held.sum(axis=0), 1)
        self._variance = self._squares(means)

    def __call__(self, snapshot: Snapshot) -> dict[str, float]:
        filled = inpainting.probabilities(
            snapshot.rbm, self._parts, self._missing, _SWEEPS, _DRAWS, snapshot.seed, snapshot.n_threads
        )
        return {ERROR: self._squares(filled) / self._variance if self._variance else 1.0}

    def _squares(self, filled: Any) -> float:
        """One after the other: the same bits on any machine."""
        squares = np.where(self._held, np.square(filled - self._truth), 0.0)
        return float(np.add.accumulate(squares.reshape(-1))[-1])
