"""CodeMatrix: the states of many chains of a layer of categories, or of several segments."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import validate
from .._core.dispatch import kernels
from .._core.parameters import segments_of
from .bits import BitMatrix

if TYPE_CHECKING:
    from ..units.unit import Unit

__all__ = ["CodeMatrix"]


class CodeMatrix(BitMatrix):
    """States of n examples of a layer that has categorical sites: a byte a site, which is its category.

    ``planes`` is uint8 (rows, n): the categories of a site in a row of their own, units of two values 8 to a row as in a
    BitMatrix, segment by segment. A site in category q, one more than there are, is absent: it counts for nothing.
    Whatever takes the model's states takes a CodeMatrix too.

    Parameters
    ----------
    planes : uint8 array (rows, n)
        Kept, not copied.
    unit : description
        The layer, as ``rbm.visible``.

    Examples
    --------
    >>> import fastrbm as fr
    >>> visible = fr.units.Categorical(3, 4)
    >>> rbm = fr.RBM.from_data([[0, 3, 1], [2, 2, 0]], n_hidden=2, visible=visible)
    >>> chains = fr.Chains(rbm, 5)
    >>> chains.visible_bits
    CodeMatrix of 5 examples x [Categorical(3, 4)]
    """

    __slots__ = ("_unit",)

    def __init__(self, planes: np.ndarray, unit: Unit) -> None:
        n_rows, most = _rows(unit.layout)
        if not isinstance(planes, np.ndarray) or planes.dtype != np.uint8 or planes.ndim != 2:
            raise TypeError("planes must be a uint8 array of two dimensions, (rows, examples)")
        if isinstance(planes, np.ma.MaskedArray):
            raise TypeError("planes must be an array without a mask")
        if planes.shape[0] != n_rows:
            raise ValueError(f"planes must have {n_rows} rows for {unit!r}, got {planes.shape[0]}")
        if planes.shape[1] > 1 and planes.strides[1] != 1:
            planes = np.ascontiguousarray(planes)
        if planes.size and bool((planes.max(axis=1) > most).any()):
            row = int(np.argmax(planes.max(axis=1) > most))
            raise ValueError(f"planes must hold at most {most[row]} in row {row}, got {planes[row].max()}")
        self._planes, self._n_units, self._unit = planes, unit.n, unit

    @classmethod
    def zeros(cls, n: int, unit: Unit) -> CodeMatrix:
        """n examples with all sites in category 0 and all units off."""
        n = validate.integer(n, "n", 0, 1 << 40)
        try:
            planes = np.zeros((len(_rows(unit.layout)[1]), n), np.uint8)
        except (MemoryError, ValueError):
            raise MemoryError(f"no memory for the states of {n:,} examples of {unit.n:,} units") from None
        return cls(planes, unit)

    @classmethod
    def packed(cls, parts: np.ndarray, unit: Unit) -> CodeMatrix:
        """Of uint8 (n, columns): codes of sites, and which units are on."""
        states, row, column = cls.zeros(len(parts), unit), 0, 0
        for segment in unit.segments:
            own = parts[:, column : column + segment.n_columns]
            if segment.layout:
                states._planes[row : row + segment.n_columns] = own.T
                row += segment.n_columns
            else:
                n_rows = -(-segment.n // 8)
                states._planes[row : row + n_rows] = BitMatrix.of(np.ascontiguousarray(own), "states")._planes
                row += n_rows
            column += segment.n_columns
        return states

    def to_states(self, n_threads: int | None = None) -> np.ndarray:
        """uint8 (n, columns): codes of sites, and which units are on."""
        parts, row = [], 0
        for segment in self._unit.segments:
            if segment.layout:
                parts.append(self._planes[row : row + segment.n_columns].T)
                row += segment.n_columns
            else:
                n_rows = -(-segment.n // 8)
                parts.append(BitMatrix(self._planes[row : row + n_rows], segment.n).to_states(n_threads))
                row += n_rows
        return np.ascontiguousarray(np.concatenate(parts, axis=1))

    def to_units(self) -> np.ndarray:
        return self._unit.units_on(self.to_states())

    @property
    def unit(self) -> Unit:
        """The layer's description."""
        return self._unit

    @property
    def segments(self) -> kernels.Segments:
        return segments_of(self._unit.layout)

    def _like(self, planes: np.ndarray) -> CodeMatrix:
        same = object.__new__(CodeMatrix)  # of planes that are known to be good
        if planes.shape[1] > 1 and planes.strides[1] != 1:
            planes = np.ascontiguousarray(planes)
        same._planes, same._n_units, same._unit = planes, self._n_units, self._unit
        return same

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        states = self._unit.values(self.to_states())
        return states if dtype is None else states.astype(dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self._planes, self._unit)

    def __repr__(self) -> str:
        return f"CodeMatrix of {len(self)} examples x {list(self._unit.segments)!r}"


def _restored(planes: np.ndarray, unit: Unit) -> CodeMatrix:
    return CodeMatrix(planes if planes.flags.writeable else np.array(planes), unit)


@lru_cache(maxsize=64)
def _rows(layout: tuple[tuple[str, Any], ...]) -> tuple[int, np.ndarray]:
    """How many rows planes have, and the most that each may hold."""
    most: list[int] = []
    for name, sizes in layout:
        if name == "categorical":
            most += sizes
        else:
            most += [255] * (sizes // 8) + [(1 << sizes % 8) - 1] * (sizes % 8 > 0)
    return len(most), np.array(most)


def zeros(n: int, unit: Unit) -> BitMatrix:
    """States of n examples of a layer, all of them zero, to be written."""
    return BitMatrix.empty(n, unit.n) if unit.layout is None else CodeMatrix.zeros(n, unit)


def packed(parts: np.ndarray, unit: Unit, name: str = "states") -> BitMatrix:
    """States of a layer, of what Unit.parts gives where it is not fractions."""
    return BitMatrix.of(parts, name) if unit.layout is None else CodeMatrix.packed(parts, unit)


def of_planes(planes: np.ndarray, unit: Unit) -> BitMatrix:
    """States of a layer from its planes."""
    return BitMatrix(planes, unit.n) if unit.layout is None else CodeMatrix(planes, unit)
