"""States drawn from fractions, the probabilities of on, to compare data with a model, which has states alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from .._core import philox
from .bits import of_planes
from .fractions import Fractions

if TYPE_CHECKING:
    from ..units.unit import Unit

_NUMBERS = 1 << 20  # that are drawn at a time: bounds the memory


def drawn_parts(
    examples: np.ndarray | Fractions, unit: Unit, seed: int, stream: int, place: int = 0, first: int = 0
) -> np.ndarray:
    """States, as Unit.parts gives them, of examples that it gave: drawn from fractions, float64 (n, V), or Fractions;
    others as they are. The random numbers are those of the first-th example of a place of the stream, and of those that
    follow.

    Fractions count as float32, as in a training, so that it does not matter as what they are kept.
    """
    if isinstance(examples, Fractions):
        p = examples.probabilities
        on = [numbers < p[rows] for rows, numbers in _numbers(len(p), p.shape[1], seed, stream, place, first)]
        bits = np.packbits(np.concatenate([np.zeros((0, p.shape[1]), bool), *on]), axis=1, bitorder="little")
        planes = examples.with_bits(bits, np.arange(len(p)))
        states: np.ndarray = of_planes(np.ascontiguousarray(planes.T), unit).to_states()
        return states
    if examples.dtype != np.float64:
        return examples
    out = np.empty((len(examples), unit.n_columns), np.uint8)
    for rows, numbers in _numbers(*out.shape, seed, stream, place, first):
        out[rows] = unit.drawn(examples[rows].astype(np.float32), numbers)
    return out


def _numbers(
    n: int, n_columns: int, seed: int, stream: int, place: int, first: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """Uniform random numbers between 0 and 1 for some rows after the other, (rows, n_columns)."""
    width = -(-n_columns // 4) * 4
    step = max(1, _NUMBERS // width)
    for start in range(0, n, step):
        rows = slice(start, min(n, start + step))
        count = (rows.stop - start) * width
        words = philox.words(count, seed, stream, place, (first + start) * width)
        yield rows, (words.reshape(-1, width)[:, :n_columns] + 0.5) * 2.0**-32
