"""Known entries of a table that a training does not see, and how well a model fills them in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core import philox
from ..sampling import inpainting
from ..states.missing import known_parts

if TYPE_CHECKING:
    from ..rbm import RBM

_EXAMPLES = 512  # whose entries are filled in, at most
_DRAWS, _SWEEPS = 20, 30  # of each of them


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


def held_out_error(rbm: RBM, data: np.ndarray, held: np.ndarray, seed: int, n_threads: int | None) -> float:
    """The squared error of the held-out entries of data, filled in with their expectation given what else is known of
    their rows, as a part of the error that the means of what else is known of their columns have: 0 if all are right. A
    category counts as a column of 0 and 1. Of up to 512 rows."""
    examples = np.flatnonzero(held.any(axis=1))
    some = examples[np.linspace(0, len(examples) - 1, min(len(examples), _EXAMPLES)).astype(np.intp)]
    data, held, unit = data[some], held[some], rbm.visible
    parts, missing = known_parts(np.where(held, np.nan, data), unit, "X")
    filled = inpainting.probabilities(rbm, parts, missing, _SWEEPS, _DRAWS, seed, n_threads)
    right = unit.units_on(known_parts(data, unit, "X")[0]).astype(np.float64)
    own, known = (np.repeat(x, unit.units_of_columns, axis=1) for x in (held, ~missing))
    means = np.add.accumulate(np.where(known, right, 0.0))[-1] / np.maximum(known.sum(axis=0), 1)
    variance = _sum(np.where(own, np.square(means - right), 0.0))
    return _sum(np.where(own, np.square(filled - right), 0.0)) / variance if variance else 1.0


def _sum(numbers: np.ndarray) -> float:
    """One after the other: the same bits on any machine."""
    return float(np.add.accumulate(numbers.reshape(-1))[-1])
