"""States drawn from fractions, the probabilities of on, to compare data with a model, which has states alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core import philox

if TYPE_CHECKING:
    from ..units.unit import Unit

_NUMBERS = 1 << 20  # that are drawn at a time: bounds the memory


def drawn(examples: np.ndarray, unit: Unit, seed: int, stream: int, place: int = 0, first: int = 0) -> np.ndarray:
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
