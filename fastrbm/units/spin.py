"""Spins: -1 or 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._core import floatmath, validate
from .unit import Unit


class Spin(Unit):
    """Binary units of -1 and 1, as in the Ising model: E has `-b s` for each, and `P(s = 1) = sigmoid(2 field)`.

    Without biases energies and free energies stay the same, to the last bit, when all spins change sign; means of the
    other layer, and what is drawn of it, change sign with them.

    Parameters
    ----------
    n : int
        How many.

    Examples
    --------
    >>> import fastrbm as fr
    >>> rbm = fr.RBM([[0.5], [-1.0]], visible="spin", hidden="spin")
    >>> rbm.visible, rbm.hidden
    (Spin(2), Spin(1))
    >>> rbm.energy([[1, -1]], [[1]])
    array([-1.5])
    >>> bool(rbm.free_energy([[1, 1]]) == rbm.free_energy([[-1, -1]]))
    True
    """

    name, off, step, dtype = "spin", -1.0, 2.0, np.int8
    numbers = "-1 and 1"

    def parts(self, array: np.ndarray, fractions: bool) -> np.ndarray | None:
        if array.dtype.kind == "b":
            return None
        if array.dtype.kind in "iu":
            up = array == 1
            return np.ascontiguousarray(up).view(np.uint8) if bool((up | (array == -1)).all()) else None
        up, down = _ends(array)
        if bool((up | down).all()):
            return np.ascontiguousarray(up).view(np.uint8)
        if not fractions or not bool((up | down | (np.abs(array) < 1)).all()):  # false for NaN too
            return None
        halved = (array.astype(np.float64, order="C") + 1.0) * 0.5
        return np.where(up, 1.0, np.where(down, 0.0, halved))

    def complaint(
        self, array: np.ndarray, name: str, fractions: bool, rows: Sequence[int] | np.ndarray | None,
        places: tuple[np.ndarray, np.ndarray] | None = None, first_column: int = 0,
    ) -> str:  # fmt: skip
        if places is not None:
            return f"{name} must be dense where units are spins: the zeros that a sparse matrix leaves out are no spins"
        if array.dtype.kind == "b" or _are_bits(array):
            return _bits(name)
        up, down = _ends(array)
        good = up | down | (np.abs(array) < 1) if fractions and array.dtype.kind == "f" else up | down
        first = int(np.argmax(~good.reshape(-1)))
        row, column = divmod(first, array.shape[1])
        at, bad = (
            f"{name}[{row if rows is None else rows[row]}, {first_column + column}]",
            float(array.reshape(-1)[first]),
        )
        if np.isnan(bad):
            return f"{name} contains NaN, the first at {at}: leave such rows out, or fill them in (RBM.inpaint)"
        required = "-1 or 1, or numbers from -1 to 1" if fractions else "-1 or 1"
        low, high = np.nanmin(array), np.nanmax(array)
        return f"{name} must hold {required}, got values from {low:g} to {high:g} ({at} is {bad:g})"

    def check_data(self, array: np.ndarray, name: str) -> None:
        if array.size and _are_bits(array):
            raise ValueError(_bits(name))

    def values(self, parts: np.ndarray) -> np.ndarray:
        if parts.dtype == np.uint8:
            return 2 * parts.view(np.int8) - np.int8(1)
        return 2.0 * parts - 1.0

    def mean(self, probability: np.ndarray) -> np.ndarray:
        # by the larger one of P(1) and P(-1): so it changes sign where the two are swapped, to the last bit
        return np.copysign(2.0 * np.maximum(probability, 1.0 - probability) - 1.0, probability - 0.5)

    def cgf(self, field: np.ndarray) -> np.ndarray:
        size = np.abs(field)
        return size + floatmath.softplus(-2.0 * size)


def _ends(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which numbers are 1, and which are -1, but for rounding."""
    near = 2 * validate.rounding(array.dtype)
    return np.abs(array - 1) <= near, np.abs(array + 1) <= near


def _bits(name: str) -> str:
    return f"{name} must hold -1 or 1 where units are spins; 0 and 1 become -1 and 1 by 2 * {name} - 1"


def _are_bits(array: np.ndarray) -> bool:
    """Whether numbers were meant as 0 and 1: none is -1, and some are 0."""
    return bool(((array == 0) | (array == 1)).all()) and bool((array == 0).any())
