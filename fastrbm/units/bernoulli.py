"""Bernoulli units: 0 or 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._core import floatmath, validate
from .unit import Unit


class Bernoulli(Unit):
    """Binary units of 0 and 1: E has `-b x` for each, and `P(x = 1) = sigmoid(field)`.

    Parameters
    ----------
    n : int
        How many.

    Examples
    --------
    >>> import fastrbm as fr
    >>> fr.RBM([[1.0], [2.0]]).visible
    Bernoulli(2)
    """

    name, off, step, dtype = "bernoulli", 0.0, 1.0, np.uint8
    numbers = "0 and 1"

    def parts(self, array: np.ndarray, fractions: bool) -> np.ndarray | None:
        return validate.bits_or_fractions(array, fractions)

    def complaint(
        self, array: np.ndarray, name: str, fractions: bool, rows: Sequence[int] | np.ndarray | None,
        places: tuple[np.ndarray, np.ndarray] | None = None, first_column: int = 0,
    ) -> str:  # fmt: skip
        return validate.what_is_wrong(array, name, fractions, rows, places, first_column)

    def values(self, parts: np.ndarray) -> np.ndarray:
        return parts

    def mean(self, probability: np.ndarray) -> np.ndarray:
        return probability

    def cgf(self, field: np.ndarray) -> np.ndarray:
        return floatmath.softplus(field)
