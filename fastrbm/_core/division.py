"""Division: how the units of a model that is trained are divided among ranks.

Each rank has some tiles of hidden units, which are columns of W, for v -> h, and some tiles of visible units, rows of
W, for h -> v; it draws these units for all chains. Ranks exchange the states of their units, and once an update the
weights of their columns turned round. All that has the size of a layer, such as biases, all ranks have.

Whatever is added up in floating-point numbers is added up by the tiles and chunks of one process, in its order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .dispatch import kernels
from .layout import TILE
from .segments import placed_tiles, segments_of

if TYPE_CHECKING:
    from ..ranks import Ranks
    from ..units.unit import Unit


@dataclass(frozen=True)
class LayerParts:
    """The parts of a layer that ranks have: each a run of its tiles, with their units and their rows of planes."""

    ranks: Ranks
    tiles: Sequence[slice]
    units: Sequence[slice]
    rows: Sequence[slice]

    @classmethod
    def of(cls, ranks: Ranks, unit: Unit) -> LayerParts:
        segments = segments_of(unit.layout)
        if segments is None:
            n_tiles = -(-unit.n // TILE)
            places = [(k * TILE, min(TILE, unit.n - k * TILE)) for k in range(n_tiles)]
            rows = [(first // 8, -(-n // 8)) for first, n in places]
        else:
            n_tiles, places, rows = segments.n_tiles, segments.places, segments.rows_of_tiles
        # a site of many tiles is not cut
        starts = [tile for tile, (_, n_rows) in enumerate(rows) if n_rows] + [n_tiles]
        cuts = [min(s for s in starts if s >= n_tiles * k // ranks.size) for k in range(ranks.size + 1)]
        unit_starts = [*(first for first, _ in places), unit.n]
        n_rows = max(first + n for first, n in rows)
        row_starts = [*(first for first, _ in rows), n_rows]
        pairs = list(zip(cuts, cuts[1:], strict=False))
        parts = [[slice(ends[a], ends[b]) for a, b in pairs] for ends in (range(n_tiles + 1), unit_starts, row_starts)]
        return cls(ranks, *parts)

    def gather_planes(self, planes: np.ndarray) -> None:
        """Let all ranks have all units' states, in place."""
        self.ranks.gather(planes, self.rows)

    @property
    def own_tiles(self) -> slice:
        return self.tiles[self.ranks.rank]

    @property
    def own_units(self) -> slice:
        return self.units[self.ranks.rank]

    def whole(self, own: np.ndarray) -> np.ndarray:
        """All tiles (tiles, ...), of which each rank has its own."""
        return self.ranks.gathered(own, self.tiles)

    def all_units(self, own: np.ndarray) -> np.ndarray:
        """Numbers of all units (n,), of which each rank has those of its own."""
        return self.ranks.gathered(own, self.units)


class Turning:
    """Tiles that are on their way from other ranks, while there is other work to do."""

    def __init__(self, join: Callable[[], np.ndarray]) -> None:
        self._join: Callable[[], np.ndarray] | None = join
        self._tiles: np.ndarray | None = None

    def __call__(self) -> np.ndarray:
        """The tiles, as soon as all have come."""
        if self._join is not None:
            self._tiles, self._join = self._join(), None
        assert self._tiles is not None
        return self._tiles


class Division:
    """The parts of both layers of a model.

    Attributes
    ----------
    ranks : Ranks
    hidden, visible : LayerParts
    """

    def __init__(self, ranks: Ranks, units: tuple[Unit, Unit]) -> None:
        self.ranks = ranks
        self.visible, self.hidden = LayerParts.of(ranks, units[0]), LayerParts.of(ranks, units[1])
        self._segments = segments_of(units[0].layout)
        self._received = np.empty(0, np.float32)
        self._turning: Turning | None = None
        # 64 visible units are a chunk; those in which the units of a rank are, its neighbors' perhaps too
        self.chunks = [
            slice(own.start // TILE, -(-own.stop // TILE) if own.stop > own.start else own.start // TILE)
            for own in self.visible.units
        ]
        n_chunks = -(-units[0].n // TILE)
        self._summed = [slice(n_chunks * k // ranks.size, n_chunks * (k + 1) // ranks.size) for k in range(ranks.size)]

    @property
    def own_hidden(self) -> int:
        """How many hidden units this rank has."""
        own = self.hidden.own_units
        return own.stop - own.start

    def turned(self, transposed: np.ndarray, n_threads: int) -> Turning:
        """The tiles of this rank's visible units, for h -> v, from what each rank has of them: the weights of its
        hidden units the other way round, float32 (chunks, its hidden units rounded up to 8, 64)."""
        self.settle()  # what comes would be written over
        ranks, own = self.ranks, self.chunks[self.ranks.rank]
        lengths = [8 * -(-(units.stop - units.start) // 8) for units in self.hidden.units]
        n_chunks, mine = own.stop - own.start, lengths[ranks.rank]
        alike = sum(chunks.stop - chunks.start for chunks in self.chunks) == len(transposed)
        parts = transposed if alike else np.concatenate([transposed[chunks] for chunks in self.chunks])
        size = n_chunks * sum(lengths) * TILE
        if self._received.size != size:  # memory that is new costs more than what is written to it
            self._received = np.empty(size, np.float32)
        arrive = ranks.start_to_each(
            parts.reshape(-1), [(chunks.stop - chunks.start) * mine * TILE for chunks in self.chunks],
            self._received, [n_chunks * length * TILE for length in lengths],
        )  # fmt: skip

        def join() -> np.ndarray:
            arrive()
            joined = np.empty((n_chunks, sum(lengths), TILE), np.float32)
            if n_chunks:
                kernels.join_parts(self._received, lengths, joined, n_threads)
            if self._segments is None:
                return joined
            tiles = self.visible.own_tiles
            return placed_tiles(joined, self._segments, tiles.stop - tiles.start, own.start, tiles.start)

        self._turning = Turning(join)
        return self._turning

    def settle(self) -> None:
        """Let all come that is on its way."""
        if self._turning is not None:
            self._turning()
            self._turning = None

    def totals(
        self, by_tile: Sequence[np.ndarray], hidden: np.ndarray | None = None, numbers: Sequence[float] = ()
    ) -> tuple[list[np.ndarray], np.ndarray | None, list[float]]:
        """What an update adds up over ranks, in two exchanges: of each of some arrays of numbers of visible units,
        float64 (own tiles, at least V), the sums over all hidden tiles, tile by tile, float64 (64 chunks,); numbers of
        all hidden units, given those of this rank's; and the largest among ranks of each of some numbers, where NaN
        counts as infinite."""
        ranks, n_tiles = self.ranks, [tiles.stop - tiles.start for tiles in self.hidden.tiles]
        units = [slice(chunks.start * TILE, chunks.stop * TILE) for chunks in self._summed]
        sizes, sums = [len(by_tile) * (part.stop - part.start) for part in units], np.empty(0)
        if by_tile:
            wide = [_widened(array, units[-1].stop) for array in by_tile]
            parts = [np.concatenate([array[:, part] for array in wide], axis=1).reshape(-1) for part in units]
            received = np.empty(sum(n_tiles) * sizes[ranks.rank])
            ranks.to_each(
                np.concatenate(parts), [n_tiles[ranks.rank] * size for size in sizes],
                received, [n * sizes[ranks.rank] for n in n_tiles],
            )  # fmt: skip
            # one tile after the other, as add_in_order of src/centering.pxi; bad weights are refused later
            with np.errstate(invalid="ignore"):
                sums = received.reshape(sum(n_tiles), sizes[ranks.rank]).sum(axis=0)
        finite = [number if number == number else np.inf for number in numbers]
        mine = np.concatenate([sums, np.empty(0) if hidden is None else hidden, finite])
        n_hidden = [0 if hidden is None else part.stop - part.start for part in self.hidden.units]
        counts = [size + n + len(finite) for size, n in zip(sizes, n_hidden, strict=True)]
        ends = np.add.accumulate([0, *counts]).tolist()
        every = ranks.gathered(mine, [slice(*pair) for pair in zip(ends, ends[1:], strict=False)])
        added = [np.empty(units[-1].stop) for _ in by_tile]
        all_hidden = None if hidden is None else np.empty(sum(n_hidden))
        for rank, (part, theirs) in enumerate(zip(units, self.hidden.units, strict=True)):
            at = ends[rank]
            for array in added:
                array[part] = every[at : at + part.stop - part.start]
                at += part.stop - part.start
            if all_hidden is not None:
                all_hidden[theirs] = every[at : at + n_hidden[rank]]
        largest = np.max([every[end - len(finite) : end] for end in ends[1:]], axis=0)
        return added, all_hidden, largest.tolist()


def _widened(array: np.ndarray, width: int) -> np.ndarray:
    """Zeros behind each row, up to this length; or what is behind it cut off."""
    if array.shape[1] >= width:
        return array[:, :width]
    out = np.zeros((len(array), width))
    out[:, : array.shape[1]] = array
    return out
