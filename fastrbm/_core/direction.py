"""Directions: what an update of parameters needs of a gradient, or of whatever else says where to go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from . import threads
from .dispatch import kernels
from .layout import TILE

if TYPE_CHECKING:
    from .division import Division

# momentum, whether it looks ahead, the weights' velocity (None: 0) and where the next one goes: see kernels.ascend
Velocity = tuple[float, bool, np.ndarray | None, np.ndarray]


class Update:
    """What an update needs of a direction; Direction and Gradient are such.

    tiles, visible_bias and hidden_bias are its parts, own that of what else is trained of the hidden units (K, H), or
    None, shape the number of visible and of hidden units, and work what ascend has to do beside the update itself, in
    connections. offsets is None, or what it is centered by, (V,) and (H,). decays: whether ascend takes decay into the
    biases' parts, too, where there are offsets (see bias_parts).
    """

    decays = False
    has_own_parts = False  # whether its arrays alone say where to go: see Gradient
    offsets: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def plain_biases(self) -> tuple[np.ndarray, np.ndarray]:
        """The biases' parts without centering; of a direction that is not centered."""
        return self.visible_bias, self.hidden_bias

    if TYPE_CHECKING:

        @property
        def shape(self) -> tuple[int, int]: ...
        @property
        def work(self) -> int: ...
        @property
        def tiles(self) -> np.ndarray: ...
        @property
        def visible_bias(self) -> np.ndarray: ...
        @property
        def hidden_bias(self) -> np.ndarray: ...
        @property
        def own(self) -> np.ndarray | None: ...

    def ascend(
        self, weights: np.ndarray, rate: float, l2: float, l1: float, limit: float, out: np.ndarray,
        transposed: np.ndarray, n_threads: int, division: Division | None = None, velocity: Velocity | None = None,
    ) -> tuple[int, float, float]:  # fmt: skip
        """The update of the weights: see kernels.ascend. Of a divided model it is that of this rank's tiles; what is
        returned is of all."""
        if self.tiles.shape != weights.shape:
            raise ValueError(f"a direction must have tiles of shape {weights.shape}, got {self.tiles.shape}")
        given = weights, self.tiles, rate, l2, l1, limit, out, transposed, n_threads
        if division is None:
            return kernels.ascend(*given, None, velocity)
        rows, bad, column = rows_for(weights), 0, 0.0
        if len(weights):
            bad, column, _ = kernels.ascend(*given, rows, velocity)
        (sums,), _, numbers = division.totals([rows], None, outcome_of(bad, column, rate))
        return outcome(division, numbers, sums)

    def bias_parts(self) -> tuple[np.ndarray, np.ndarray]:
        """The biases' parts of the update whose weights were the last ascend.

        A centered direction gives the weights G = gW, and the biases gb = db - G lambda and gc = dc - G' mu, that is
        the ascent in the parameters of a centered model. Decay of the weights is a part of G, so it is in all three:
        otherwise the biases would be at rest where the means of the model are not those of the data.
        """
        return self.visible_bias, self.hidden_bias


class Direction(Update):
    """Where an update goes: the weights' part in tiles, the biases' parts (V,) and (H,), and own (K, H), if any."""

    work = 0

    def __init__(
        self, tiles: np.ndarray, visible_bias: np.ndarray, hidden_bias: np.ndarray, own: np.ndarray | None = None
    ) -> None:
        self._parts, self._own = (tiles, visible_bias, hidden_bias), own

    @property
    def shape(self) -> tuple[int, int]:
        return self._parts[1].size, self._parts[2].size

    @property
    def tiles(self) -> np.ndarray:
        return self._parts[0]

    @property
    def visible_bias(self) -> np.ndarray:
        return self._parts[1]

    @property
    def hidden_bias(self) -> np.ndarray:
        return self._parts[2]

    @property
    def own(self) -> np.ndarray | None:
        return self._own


def parts_of(direction: Update) -> list[np.ndarray]:
    """The weights' part in tiles, the biases' parts without centering, and that of what else is trained of the hidden
    units, if any."""
    parts = [direction.tiles, *direction.plain_biases]
    return parts if direction.own is None else [*parts, direction.own]


def rows_for(weights: np.ndarray) -> np.ndarray:
    """Where the kernels put the sums over visible units' weights, tile by tile, float64 (tiles, 64 chunks)."""
    return np.empty((len(weights), -(-weights.shape[1] // TILE) * TILE))


def outcome_of(bad: int, column: float, rate: float) -> list[float]:
    """What outcome takes the largest of: of this rank's part of an update how many weights are bad, and the largest sum
    over a hidden unit's; and its learning rate."""
    return [float(bad), column, rate, -rate]


def outcome(division: Division, largest_of: Sequence[float], rows: np.ndarray) -> tuple[int, float, float]:
    """What kernels.ascend returns, of all ranks; rows: the sums over all visible units' weights. ValueError where they
    have other rates."""
    of_all, largest, *rates = largest_of
    division.ranks.refuse_unlike("the learning rate", *rates)
    # where numbers are bad, so may their sums be
    return int(min(of_all, 1 << 62)), largest, float(rows.max())


def along_offsets(
    tiles: np.ndarray, offsets: tuple[np.ndarray, np.ndarray], n_threads: int | None, division: Division | None = None,
    weights: np.ndarray | None = None, l2: float = 0.0, l1: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The products G lambda (V,) and G' mu (H,) of G in tiles, with offsets mu and lambda; given weights, of G less l2
    weights + l1 sign(weights). Of a divided model G is this rank's part, and the products are of all."""
    (mu, lam), (n_tiles, padded, _) = offsets, tiles.shape
    own = slice(None) if division is None else division.hidden.own_units
    by_hidden, by_visible, by_tile = np.empty(padded), np.empty(n_tiles * TILE), np.empty((n_tiles, padded))
    if n_tiles:
        used = threads.resolve(n_threads, threads.PASS * tiles.size)
        both = padded_to(mu, padded), padded_to(lam[own], n_tiles * TILE)
        kernels.along(tiles, weights, l2, l1, *both, mu.size, by_hidden, by_visible, used, by_tile)
    if division is not None:
        (by_hidden,), all_hidden, _ = division.totals([by_tile], by_visible[: division.own_hidden])
        assert all_hidden is not None
        by_visible = all_hidden
    return by_hidden[: mu.size], by_visible[: lam.size]


def padded_to(values: np.ndarray, length: int) -> np.ndarray:
    """Zeros behind the values, up to this length."""
    out = np.zeros(length)
    out[: values.size] = values
    return out
