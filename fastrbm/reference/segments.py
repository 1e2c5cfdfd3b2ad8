"""Segments: several unit types side by side in one layer, or categorical sites; the reference implementation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import categorical, real, units
from .tiles import TILE, from_tiles

CATEGORICAL = "categorical"
SITES = 32  # most sites in a tile: their random words, four a block, are in the eight blocks that a tile has


class Part(NamedTuple):
    """A segment."""

    name: str  # of its type
    units: slice  # of the layer
    rows: slice  # of planes
    sizes: tuple[int, ...]  # units in each row; of a real unit, which has several, in the first
    columns: np.ndarray  # of each unit, in all tiles side by side: also its place among the numbers of 16 random bits
    words: np.ndarray  # of each row: its place among the words of 32 random bits; only sites draw those


class Segments:
    """What the units of a layer are, and where: in weights, planes and tiles.

    A row of planes is 8 units of two values, or the category of one site (q: the site is absent, none of its units is
    on), or a byte of a real unit's integer, the lowest first. Each row belongs to one group, and each group to one
    segment: as many whole rows as make at most 64 units, of sites at most 32 rows. A group has a tile of columns by
    itself; a row of more than 64 units is a group by itself, and has as many tiles as it takes.

    Parameters
    ----------
    layout : sequence of (name of the type, sizes)
        sizes: how many units of two values, or real ones, or of each site, how many categories.

    Attributes
    ----------
    n_units, n_rows, n_tiles : int
    n_inputs : int
        Rows of weights that a product may read: those of whole rows of planes, rounded up to a multiple of 8.
    steps : tuple of float or None
        Between the values of each unit; None: 1 everywhere.
    places : list of (int, int)
        Of each tile: its first unit, and how many there are.
    parts : list of Part
    groups : list of (int, slice)
        First tile and rows of each.
    rows_of_tiles : list of (int, int)
        Of each tile: its first row, and how many there are; none of one that belongs to the tile before.

    >>> from fastrbm import reference
    >>> layer = reference.Segments([("spin", 9), ("categorical", (3, 70, 2))])
    >>> layer.n_units, layer.n_rows, layer.places
    (84, 5, [(0, 9), (9, 3), (12, 64), (76, 6), (82, 2)])
    """

    def __init__(self, layout):
        self.parts: list[Part] = []
        self.groups: list[tuple[int, slice]] = []
        self.places: list[tuple[int, int]] = []
        self.n_units, self.n_rows, read = 0, 0, 0
        steps: list[float] = []
        for name, sizes in layout:
            if name in real.NAMES:
                steps += [1.0] * sizes
                self._add_reals(name, sizes)
                continue
            if name != CATEGORICAL:
                steps += [units.step(name)] * sizes
                sizes = [8] * (sizes // 8) + [sizes % 8] * (sizes % 8 > 0)
                read = max(read, self.n_units + 8 * len(sizes))
            else:
                steps += [1.0] * sum(sizes)
            self._add(name, tuple(sizes))
        self.n_tiles = len(self.places)
        self.n_inputs = -(-max(read, self.n_units) // 8) * 8
        self.steps = None if set(steps) == {1.0} else tuple(steps)
        self.real = any(part.name in real.NAMES for part in self.parts)

    def _add_reals(self, name, n):
        first, row, columns = self.n_units, self.n_rows, [np.arange(0)]
        for k in range(0, n, TILE):
            size, tile = min(TILE, n - k), len(self.places)
            columns.append(tile * TILE + np.arange(size))
            self.groups.append((tile, slice(row + real.BYTES * k, row + real.BYTES * (k + size))))
            self.places.append((first + k, size))
        self.n_units, self.n_rows = first + n, row + real.BYTES * n
        where, sizes = (slice(first, self.n_units), slice(row, self.n_rows)), (1, *[0] * (real.BYTES - 1)) * n
        self.parts.append(Part(name, *where, sizes, np.concatenate(columns), np.arange(0)))

    def _add(self, name, sizes):
        unit, row, columns, words = self.n_units, self.n_rows, [np.arange(0)], [np.arange(0)]
        for size in sizes:
            if not 1 <= size <= categorical.MOST:
                raise ValueError(f"a site must have from 1 to {categorical.MOST} categories, got {size}")
        for group in _groups(sizes):
            n, tile = sum(group), len(self.places)
            columns.append(tile * TILE + np.arange(n))
            words.append(tile * SITES + np.arange(len(group)))
            self.groups.append((tile, slice(row, row + len(group))))
            self.places += [(unit + k, min(TILE, n - k)) for k in range(0, n, TILE)]
            unit, row = unit + n, row + len(group)
        where = slice(self.n_units, unit), slice(self.n_rows, row)
        self.parts.append(Part(name, *where, sizes, np.concatenate(columns), np.concatenate(words)))
        self.n_units, self.n_rows = unit, row

    @property
    def columns(self):
        """Of each unit, in all tiles side by side."""
        return np.concatenate([part.columns for part in self.parts])

    @property
    def off(self):
        """What each unit counts for where it is off, float64 (n_units,)."""
        return np.repeat([_off(part.name) for part in self.parts], [sum(part.sizes) for part in self.parts])

    @property
    def rows_of_tiles(self):
        begun = {tile: (rows.start, rows.stop - rows.start) for tile, rows in self.groups}
        own: list[tuple[int, int]] = []
        for tile in range(self.n_tiles):
            own.append(begun[tile] if tile in begun else (own[-1][0], 0))
        return own

    def parts_in(self, first_tile, n_tiles):
        """Of the parts, what is in some of the tiles, which have whole sites."""
        parts = []
        rows = [own for tile, own in self.groups if first_tile <= tile < first_tile + n_tiles]
        for part in self.parts:
            there = np.flatnonzero((part.columns // TILE >= first_tile) & (part.columns // TILE < first_tile + n_tiles))
            if there.size:
                first, stop = max(part.rows.start, rows[0].start), min(part.rows.stop, rows[-1].stop)
                units = slice(part.units.start + int(there[0]), part.units.start + int(there[-1]) + 1)
                own = slice(first - part.rows.start, stop - part.rows.start)
                parts.append(
                    Part(part.name, units, slice(first, stop), part.sizes[own], part.columns[there], part.words[own])
                )
        return parts

    def units_on(self, planes):
        """Which units are on, uint8 (n, n_units); no real one is."""
        on = np.zeros((planes.shape[1], self.n_units), np.uint8)
        for part in self.parts:
            if part.name in real.NAMES:
                continue
            rows, own = np.ascontiguousarray(planes[part.rows].T), on[:, part.units]
            if part.name == CATEGORICAL:
                site = np.repeat(np.arange(len(part.sizes)), part.sizes)
                own[...] = rows[:, site] == np.concatenate([np.arange(size) for size in part.sizes])
            else:
                own[...] = np.unpackbits(rows, axis=1, count=sum(part.sizes), bitorder="little")
        return on

    def values(self, planes):
        """What the units count for, float64 (n, n_units)."""
        steps = 1.0 if self.steps is None else np.array(self.steps)
        values = self.off + steps * self.units_on(planes)
        for part in self.parts:
            if part.name in real.NAMES:
                values[:, part.units] = real.values(planes[part.rows])
        return values

    def bias_of(self, planes, rows, bias):
        """The sum of bias (n_units,) times value over the units of some rows of planes, (n,): within a row from its
        first unit on, then the rows; of a real unit, what each of its bytes stands for."""
        terms, total, stops = self.values(planes) * bias, np.zeros(planes.shape[1]), self._stops
        bytes_: dict[int, int] = {}
        for part in self.parts:
            if part.name in real.NAMES:
                bytes_ |= {row: (row - part.rows.start) % real.BYTES for row in range(part.rows.start, part.rows.stop)}
        for row in range(rows.start, rows.stop):
            if row in bytes_:
                unit = stops[row - bytes_[row]]
                total = total + real.value_of_byte(planes[row], bytes_[row]) * bias[unit]
                continue
            total = total + np.add.accumulate(terms[:, stops[row] : stops[row + 1]], axis=1)[:, -1]
        return total

    @property
    def _stops(self):
        """Where the units of each row begin and end."""
        return np.add.accumulate([0, *(size for part in self.parts for size in part.sizes)])


def of_one_type(name, n):
    """n units of one type of two values: a layer of a single segment."""
    return Segments(((name, n),))


def _off(name):
    return units.UNITS[name].OFF if name in units.UNITS else 0.0


def _groups(sizes):
    """Sizes of rows, in the groups that they make."""
    groups: list[list[int]] = []
    for size in sizes:
        if not groups or sum(groups[-1]) + size > TILE or len(groups[-1]) == SITES:
            groups.append([])
        groups[-1].append(size)
    return groups


def place_tiles(tiles, segments, out, n_threads=1, first_chunk=0, first_tile=0):
    """out (some of the layer's tiles, from first_tile on, inputs, 64): the columns of tiles (any, inputs, 64), which
    begin with that of unit 64 first_chunk, each in its place; zeros beside them."""
    out[...] = 0.0
    for tile, (unit, n) in zip(out, segments.places[first_tile : first_tile + len(out)], strict=True):
        first = unit - TILE * first_chunk
        tile[:, :n] = from_tiles(tiles, None, None)[:, first : first + n]


def largest_input(tiles, segments):
    """The largest sum, over the columns of tiles (tiles, inputs, 64), of the sizes of what the layer can send: of each
    bit, and of the largest of each site's categories. float64, row by row."""
    sizes, terms = np.abs(from_tiles(tiles, None, None)).astype(np.float64), []
    for part in segments.parts:
        own = sizes[part.units]
        if part.name == CATEGORICAL:
            own = np.maximum.reduceat(own, np.add.accumulate([0, *part.sizes[:-1]]), axis=0)
        terms.append(own)
    return float(np.add.accumulate(np.concatenate(terms), axis=0)[-1].max())
