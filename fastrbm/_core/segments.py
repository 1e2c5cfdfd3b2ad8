"""How the kernels see a layer of several segments: see src/segments.pxi."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from .dispatch import kernels
from .layout import TILE

if TYPE_CHECKING:
    from ..units.unit import Unit


def placed(values: np.ndarray, segments: kernels.Segments | None) -> np.ndarray:
    """float32 numbers, one a unit, in the columns of the layer's tiles, zeros beside them; read-only."""
    if segments is None:
        out = np.zeros(-(-values.size // TILE) * TILE, np.float32)
        out[: values.size] = values
    else:
        out = np.zeros(segments.n_tiles * TILE, np.float32)
        for tile, (first, n) in enumerate(segments.places):
            out[tile * TILE : tile * TILE + n] = values[first : first + n]
    out.flags.writeable = False
    return out


@overload
def segments_of(layout: None) -> None: ...
@overload
def segments_of(layout: tuple[tuple[str, Any], ...]) -> kernels.Segments: ...
@lru_cache(maxsize=64)
def segments_of(layout: tuple[tuple[str, Any], ...] | None) -> kernels.Segments | None:
    """How the kernels see a layer; None where all its units are of one type of two values."""
    return None if layout is None else kernels.Segments(layout)


def placed_shape(unit: Unit, segments: kernels.Segments | None) -> np.ndarray | None:
    """What describes the real units of a layer (src/real.pxi), float64 (6, 64 tiles), in the columns of its tiles; None
    where none is real."""
    if not unit.real or segments is None:
        return None
    sides = unit.sides()
    out = np.zeros((len(sides), segments.n_tiles * TILE))
    for tile, (first, n) in enumerate(segments.places):
        out[:, tile * TILE : tile * TILE + n] = sides[:, first : first + n]
    return out


def empty_tiles(
    shape: tuple[int, ...], segments: kernels.Segments | None, memory: np.ndarray | None = None
) -> np.ndarray:
    """Room for tiles of weights (tiles, inputs, 64), float32, in memory (size_of_tiles(),) if that is given; where a
    layer of segments sends, with memory behind it, since products of bits read whole bytes of rows, past the last unit
    too, which no state has on."""
    size = shape[0] * shape[1] * shape[2]
    flat = np.empty(size_of_tiles(shape, segments), np.float32) if memory is None else memory
    flat[size:] = 0.0
    return flat[:size].reshape(shape)


def size_of_tiles(shape: tuple[int, ...], segments: kernels.Segments | None) -> int:
    """Numbers of empty_tiles, with what is behind them."""
    rows = 0 if segments is None else max(0, segments.n_inputs - shape[1])
    return shape[0] * shape[1] * shape[2] + rows * TILE


def placed_tiles(
    tiles: np.ndarray, segments: kernels.Segments, n_tiles: int | None = None, first_chunk: int = 0, first_tile: int = 0
) -> np.ndarray:
    """Tiles of a layer's units in a row, in the tiles of its segments; or some of these, from first_tile on, given
    those from unit 64 first_chunk on."""
    out = np.empty((segments.n_tiles if n_tiles is None else n_tiles, *tiles.shape[1:]), np.float32)
    if len(out):
        kernels.place_tiles(tiles, segments, out, 1, first_chunk, first_tile)
    return out
