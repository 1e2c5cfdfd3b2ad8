"""States drawn from fractions, the probabilities of on: those of a training, and those to compare with a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import philox, threads
from .._core.dispatch import kernels
from .bits import BitMatrix
from .totals import dense

if TYPE_CHECKING:
    from ..units.unit import Unit

_DRAW = 32  # drawing a state costs as much as so many connections; see threads.PASS
_NUMBERS = 1 << 20  # that are drawn at a time: bounds the memory


def drawn_parts(examples: np.ndarray, unit: Unit, seed: int, stream: int, place: int = 0, first: int = 0) -> np.ndarray:
    """States, as Unit.parts gives them, of examples that it gave: drawn from fractions, float64 (n, V); others as they
    are. The random numbers are those of the first-th example of a place of the stream, and of those that follow.

    Fractions count as float32, as in a training, so that it does not matter as what they are kept.
    """
    if examples.dtype != np.float64:
        return examples
    out = np.empty((len(examples), unit.n_columns), np.uint8)
    width = -(-unit.n_columns // 4) * 4
    step = max(1, _NUMBERS // width)
    for start in range(0, len(examples), step):
        part = examples[start : start + step].astype(np.float32)
        words = philox.words(len(part) * width, seed, stream, place, (first + start) * width)
        numbers = (words.reshape(-1, width)[:, : unit.n_columns] + 0.5) * 2.0**-32
        out[start : start + step] = unit.drawn(part, numbers)
    return out


def drawn_states(
    states: Any, rows: np.ndarray, seed: int, place: int, first: int = 0, n_threads: int | None = 1
) -> np.ndarray:
    """States for these rows (n,) of fractions (dense or CSR), which are the probabilities of ones, as bytes (n,
    ceil(V/8)); numbers outside [0, 1] count as the nearer end. The random numbers are those of the first-th example of
    a place and of those that follow. With rows (m, n), the same for each of m places in sequence: (m, n, ceil(V/8))."""
    n_units = states.shape[1]
    out = np.empty((*rows.shape, -(-n_units // 8)), np.uint8)
    which = np.ascontiguousarray(np.atleast_2d(rows), np.int64)
    drawn = out.reshape(*which.shape, out.shape[-1])
    used = threads.resolve(n_threads, _DRAW * which.size * n_units)
    if isinstance(states, np.ndarray) and states.dtype == np.float32 and states.flags.c_contiguous:
        kernels.draw_states(states, which, seed, philox.DRAW, place, first, drawn, used)
        return out
    step = max(1, _NUMBERS // n_units)
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
