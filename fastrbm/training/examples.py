"""Examples as trainings take them: a user's numbers as states, or as fractions from which states are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._core import philox, threads
from .._core.dispatch import kernels
from ..sampling import gibbs
from ..states.bits import BitMatrix, of_good_planes
from ..states.drawn import drawn_parts
from ..states.fractions import Fractions
from ..states.totals import dense
from ..units.unit import Unit

DRAWN = 1 << 20  # numbers that are read, and made into bits, at a time
_DRAW = 32  # drawing a state costs as much as so many connections; see threads.PASS


def given(
    X: Any, unit: Unit, name: str, drawn: bool, rows: np.ndarray | None = None
) -> BitMatrix | Fractions | np.ndarray:
    """A user's examples: a BitMatrix, or fractions of on as gibbs.states_given reads them; where states of a layer of
    segments are to be drawn from these, Fractions."""
    if drawn and unit.layout is not None and not isinstance(X, BitMatrix):
        return Fractions.read(X, unit, name, rows)
    return gibbs.states_given(X, unit.n, name, True, rows, unit)


def as_numbers(states: BitMatrix | Fractions | np.ndarray, seed: int, first: int = 0) -> np.ndarray:
    """States as an array, to be measured; of Fractions, states drawn from these by the numbers of the first-th example
    and of those that follow."""
    if isinstance(states, Fractions):
        return drawn_parts(states, states.unit, seed, philox.MEASURED_STATES, first=first)
    return states.to_states() if isinstance(states, BitMatrix) else states


def as_values(states: Any, unit: Unit) -> Any:
    """States as gradient estimators take them from anybody: fractions of on as numbers between the units' values."""
    return states if isinstance(states, BitMatrix) else unit.values(states)


def of_bytes(packed: np.ndarray, unit: Unit) -> BitMatrix:
    return of_good_planes(np.ascontiguousarray(packed.T), unit)


def drawn_states(
    states: Any, rows: np.ndarray, seed: int, place: int, first: int = 0, n_threads: int | None = 1
) -> np.ndarray:
    """States for these rows (n,) of fractions (dense, CSR or Fractions), which are the probabilities of ones, as bytes
    (n, ceil(V/8)), of Fractions (n, rows of planes); numbers outside [0, 1] count as the nearer end. The random numbers
    are those of the first-th example of a place and of those that follow. With rows (m, n), the same for each of m
    places in sequence: (m, n, ceil(V/8))."""
    if isinstance(states, Fractions):
        return states.with_bits(drawn_states(states.probabilities, rows, seed, place, first, n_threads), rows)
    n_units = states.shape[1]
    out = np.empty((*rows.shape, -(-n_units // 8)), np.uint8)
    which = np.ascontiguousarray(np.atleast_2d(rows), np.int64)
    drawn = out.reshape(*which.shape, out.shape[-1])
    used = threads.resolve(n_threads, _DRAW * which.size * n_units)
    if isinstance(states, np.ndarray) and states.dtype == np.float32 and states.flags.c_contiguous:
        kernels.draw_states(states, which, seed, philox.DRAW, place, first, drawn, used)
        return out
    step = max(1, DRAWN // n_units)
    for s in range(len(which)):
        for start in range(0, which.shape[1], step):
            part = np.ascontiguousarray(dense(states[which[s, start : start + step]]), np.float32)
            every = np.arange(len(part))[None]
            to = drawn[s : s + 1, start : start + step]
            kernels.draw_states(part, every, seed, philox.DRAW, place + s, first + start, to, used)
    return out


def drawn_bits(states: Any, seed: int, place: int) -> BitMatrix:
    """A state for each row of fractions (dense or CSR), as drawn_states draws them."""
    drawn = drawn_states(states, np.arange(states.shape[0]), seed, place)
    return BitMatrix(np.ascontiguousarray(drawn.T), states.shape[1])
