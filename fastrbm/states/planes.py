"""How the states of a layer lie in planes, a column an example: the rows of each segment, the bytes of real units, and
masks of what may change."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core.dispatch import kernels
from .._core.layout import REAL_BYTES

if TYPE_CHECKING:
    from ..units.unit import Unit


@lru_cache(maxsize=64)
def places(unit: Unit) -> list[tuple[Unit, slice, slice]]:
    """Each segment of a layer, with its rows of planes and its columns of the data."""
    found, row, column = [], 0, 0
    for segment in unit.segments:
        n_rows = segment.n_columns if segment.layout else -(-segment.n // 8)
        n_rows *= REAL_BYTES if segment.real else 1
        found.append((segment, slice(row, row + n_rows), slice(column, column + segment.n_columns)))
        row, column = row + n_rows, column + segment.n_columns
    return found


@lru_cache(maxsize=64)
def limits(layout: tuple[tuple[str, Any], ...]) -> np.ndarray:
    """The most that each row of planes may hold."""
    most: list[int] = []
    for name, sizes in layout:
        if name == "categorical":
            most += sizes
        elif name in kernels.REAL_KINDS:
            most += [255] * (REAL_BYTES * sizes)
        else:
            most += [255] * (sizes // 8) + [(1 << sizes % 8) - 1] * (sizes % 8 > 0)
    return np.array(most)


def integers(planes: np.ndarray) -> np.ndarray:
    """The whole numbers of real units, int32 (units, n), of their rows of planes."""
    low, middle, high = (planes[byte::REAL_BYTES] for byte in range(REAL_BYTES))
    out = high.view(np.int8).astype(np.int32)  # which has the sign
    for byte in (middle, low):
        out <<= 8
        out |= byte
    return out


def put_integers(whole: np.ndarray, planes: np.ndarray) -> None:
    """The other way round."""
    for byte in range(REAL_BYTES):
        planes[byte::REAL_BYTES] = (whole >> 8 * byte) & 255


def free_planes(free: np.ndarray, unit: Unit) -> np.ndarray:
    """Which bits of planes may change, uint8 (rows, n), of bool (n, columns): of a site, all or none."""
    planes = []
    for segment, _, columns in places(unit):
        own = free[:, columns].T
        if segment.layout:
            planes.append(np.repeat(own * np.uint8(255), REAL_BYTES if segment.real else 1, axis=0))
        else:
            planes.append(np.packbits(own, axis=0, bitorder="little"))
    return np.ascontiguousarray(np.concatenate(planes))


def free_columns(planes: np.ndarray, unit: Unit) -> np.ndarray:
    """The other way round: which columns may change, bool (n, columns)."""
    free = np.empty((planes.shape[1], unit.n_columns), bool)
    for segment, rows, columns in places(unit):
        own = planes[rows]
        if segment.layout:
            free[:, columns] = own[:: REAL_BYTES if segment.real else 1].T != 0
        else:
            free[:, columns] = np.unpackbits(own.T, axis=1, count=segment.n, bitorder="little")
    return free
