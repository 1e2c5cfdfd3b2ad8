"""Parameters: one immutable set of weights and biases, as the kernels read them.

A change of parameters is a new object. So a step either happens wholly or not at all, whatever interrupts it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import threads, validate
from .coupling import check_coupling
from .direction import Direction, Update, along_offsets
from .dispatch import kernels
from .layout import FIXED_BITS, REAL_BITS, REAL_LARGEST, REAL_RANGE, TILE, from_tiles, to_tiles
from .segments import empty_tiles, placed, placed_shape, placed_tiles, segments_of
from .settings import once

if TYPE_CHECKING:
    from ..units.unit import Unit
    from .division import Division

_LARGEST_SUM = 2**31 - 1
_LARGEST_OF_REALS = 2**29 - 1  # times 2^23, the integers of real units, it is below 2^53
_LARGEST_VALUE = (REAL_LARGEST + 1) * 2.0**-REAL_BITS  # of a real unit


def exponent(largest_sum: float, n_in: int, real: bool = False) -> int:
    """The finest grid 2^-e on which no sum of n_in rounded weights leaves int32; where real units send, no sum of
    their integers' products leaves the whole numbers that float64 holds.

    floor(log2((2^31 - 1 - n_in) / largest_sum)), where largest_sum = max_j sum_i |W_ij|: rounding adds at most 1/2 a
    weight; with 2^29 in place of 2^31 where units are real. At most 60, so that the grid itself is never a subnormal
    number.
    """
    if largest_sum == 0.0:
        return 60
    most = _LARGEST_OF_REALS if real else _LARGEST_SUM
    return min(60, math.frexp((most - n_in) / largest_sum)[1] - 1)


def fixed_bits(units: tuple[Unit, Unit], bias: np.ndarray, largest_sum: float) -> int:
    """f, where means of hidden units are counted in units of 2^-f: 22 of two values; of real units the finest on which
    none is above 2^22, whatever the visible states.

    largest_sum is of the sizes of the weights of a hidden unit.
    """
    visible, hidden = units
    if not hidden.real:
        return FIXED_BITS
    sides, largest_input = hidden.sides(), largest_sum * (_LARGEST_VALUE if visible.real else 1.0)
    theta = np.abs(sides[:2] + bias.astype(np.float64)) + largest_input
    most = float((sides[2:4] * (theta * sides[2:4] + 1.0)).max())  # D(a) < |a| + 1 of truncated.pxi
    return min(40, math.frexp(float(1 << FIXED_BITS) / most)[1] - 1)


class Spoiled(FloatingPointError):
    """A step would spoil a parameter. Ranks that train together find the same."""

    _agreed = True  # see fastrbm/ranks.py


class Parameters:
    """Weights in tiles, both ways round, and biases; checked by the caller, read-only from here on.

    What a step makes may pass through several: check is for the last of them, which a model goes on with.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        weights: np.ndarray,
        transposed: Any,
        largest_sums: Sequence[float],
        visible_bias: np.ndarray,
        hidden_bias: np.ndarray,
        units: tuple[Unit, Unit],
        division: Division | None = None,
    ) -> None:
        n_visible, n_hidden = self.shape = shape
        self.units = units
        self.division = division  # among ranks: this one has its tiles of the weights, and all biases
        self.grid_checked = False  # see _grid
        self._largest_sums = largest_sums
        self.transposed = transposed  # units in a row, whatever their places in tiles; of a part see to_visible
        segments, real = segments_of(units[0].layout), segments_of(units[1].layout)
        visible_padded, hidden_padded = placed(visible_bias, segments), placed(hidden_bias, None)
        self.hidden_bias = hidden_padded[:n_hidden]
        names = _kernel_name(units[0]), _kernel_name(units[1])
        if segments is None:
            self.visible_bias, largest_input = visible_padded[:n_visible], largest_sums[0]
        else:
            self.visible_bias = np.array(visible_bias, np.float32)
            self.visible_bias.flags.writeable = False
            largest_input = kernels.largest_input(weights, segments) if len(weights) else 0.0
            if division is not None:
                largest_input = division.ranks.largest(largest_input)[0]
            if segments.n_inputs > weights.shape[1]:
                given, weights = weights, empty_tiles(weights.shape, segments)
                weights[...] = given
        self._padded_visible_bias = visible_padded
        self.to_hidden = kernels.Layer(
            weights, exponent(largest_input, n_visible, units[0].real), hidden_padded, n_hidden, names[1], names[0],
            real, segments, placed_shape(units[1], real), fixed_bits(units, self.hidden_bias, largest_input),
            *((0, None) if division is None else (division.hidden.own_tiles.start, division.hidden)),
        )  # fmt: skip
        if division is None:
            _ = self.to_visible

    @once
    def to_visible(self) -> kernels.Layer:
        """For h -> v. The tiles of a divided model may be on their way from other ranks until somebody asks for
        them."""
        (n_visible, n_hidden), units, division = self.shape, self.units, self.division
        segments, real = segments_of(units[0].layout), segments_of(units[1].layout)
        tiles = self.transposed() if callable(self.transposed) else self.transposed
        if division is None and segments is not None:
            tiles = placed_tiles(tiles, segments)
        return kernels.Layer(
            tiles, exponent(self._largest_sums[1], n_hidden, units[1].real), self._padded_visible_bias, n_visible,
            _kernel_name(units[0]), _kernel_name(units[1]), segments, real, placed_shape(units[0], segments),
            FIXED_BITS,
            *((0, None) if division is None else (division.visible.own_tiles.start, division.visible)),
        )  # fmt: skip

    @classmethod
    def of(
        cls,
        weights: np.ndarray,
        visible_bias: np.ndarray,
        hidden_bias: np.ndarray,
        units: tuple[Unit, Unit],
        n_threads: int | None = None,
    ) -> Parameters:
        """From checked arrays (V, H), (V,), (H,), which are copied."""
        return cls._of_whole(to_tiles(weights), visible_bias, hidden_bias, units, n_threads)

    @classmethod
    def _of_whole(
        cls, tiles: np.ndarray, visible_bias: np.ndarray, hidden_bias: np.ndarray, units: tuple[Unit, Unit],
        n_threads: int | None,
    ) -> Parameters:  # fmt: skip
        nowhere = Direction(tiles, visible_bias, hidden_bias)
        shape = visible_bias.size, hidden_bias.size
        new, transposed, _, sums = _ascend(tiles, nowhere, shape[1], 0.0, 0.0, 0.0, n_threads)
        return cls(shape, new, transposed, sums, visible_bias, hidden_bias, units)

    def moved(self, direction: Update, rate: float, l2: float, l1: float, n_threads: int | None = None) -> Parameters:
        """theta + rate * direction, with decay of the weights, as kernels.ascend has it. FloatingPointError where a
        parameter would not stay finite; the rest is for check."""
        if direction.shape != self.shape:
            raise ValueError(f"a direction must be of a model of {self.shape} units, got one of {direction.shape}")
        new, transposed, bad, sums = self._ascend(self.to_hidden.tiles_array, direction, rate, l2, l1, n_threads)
        if bad:
            tiles = new if self.division is None else self.division.hidden.whole(new)
            refuse("weights", from_tiles(tiles, *self.shape))
        visible, hidden = direction.bias_parts()
        return self.replaced(
            new, transposed, sums, moved_values(self.visible_bias, visible, rate, "visible_bias"),
            moved_values(self.hidden_bias, hidden, rate, "hidden_bias"), self._moved_units(direction, rate),
        )  # fmt: skip

    def with_units(self, units: tuple[Unit, Unit]) -> Parameters:
        """The same weights and biases with other parameters of the units' own energies."""
        weights = self.to_hidden.tiles_array, self.transposed
        return self.replaced(*weights, self._largest_sums, self.visible_bias, self.hidden_bias, units)

    def lowered(
        self, factor: float, n_threads: int | None = None, offsets: tuple[np.ndarray, np.ndarray] | None = None
    ) -> Parameters:
        """With the weights of real visible units times a factor; offsets: what updates are centered by, if they are."""
        tiles, real = self.to_hidden.tiles_array, self.units[0].sides()[2] > 0
        factors = np.ones(tiles.shape[1], np.float32)
        factors[: real.size][real] = factor
        lowered = self._of_tiles(tiles * factors[:, None], self.visible_bias, self.hidden_bias, n_threads)
        return lowered.cut_from(self, offsets, n_threads)

    @property
    def may_saturate(self) -> bool:
        """Whether some visible state may take a real hidden unit near the end of its values."""
        return self.units[1].real and 2.0 ** (FIXED_BITS - self.to_hidden.fixed_bits) > REAL_RANGE / 2  # see fixed_bits

    def check(self, step: bool = False) -> None:
        """Whether a model may go on with these: NotNormalizable where both layers have real units, and their joint
        distribution has no finite integral, as far as coupling_of can tell; Spoiled where means of real visible units
        are beyond the grid of their values. step: whether a step has led here, for the words."""
        visible, hidden = self.units
        if not visible.real:
            return
        largest_sum = self._largest_sums[1]  # max_i sum_j |W_ij|, which bounds what units of two values send
        if hidden.real:
            check_coupling(from_tiles(self.to_hidden.tiles_array, *self.shape), self.units)
            largest_sum = 0.0
        widths = np.square(visible.sides()[2:4].max(axis=0))  # 1 / gamma, 0 of units that are not real
        if (largest_sum + float(np.abs(self.visible_bias).max())) * float(widths.max()) < REAL_RANGE:
            return
        most = np.abs(self.wide_visible_bias)
        if largest_sum:
            most += np.add.accumulate(np.abs(self.weights.astype(np.float64)), axis=1)[:, -1]
        most *= widths
        if not most.max() < REAL_RANGE:
            unit = int(most.argmax())
            raise Spoiled(
                f"{'the step would' if step else 'weights and biases can'} take the mean of visible unit {unit} up to "
                f"{most[unit]:.3g}, where values of real units end at {REAL_RANGE:g}"
                + (": the training diverges; the model keeps the parameters it had (try a smaller learning rate)"
                   if step else " (a larger scale or gamma of the unit makes its values smaller)")
            )  # fmt: skip

    def _moved_units(self, direction: Update, rate: float) -> tuple[Unit, Unit]:
        """The units after an update, with what else of the hidden ones it changes."""
        visible, hidden = self.units
        own = hidden.own
        change = None if own is None else direction.own
        if own is None or change is None:
            return self.units
        names = " and ".join(hidden.trained)
        return visible, hidden.with_own(moved_values(own, change, rate, f"{names} of the hidden units"))

    def clipped(self, max_norm: float, n_threads: int | None = None) -> Parameters:
        """With the weights of each hidden unit scaled down to a Euclidean norm of at most max_norm, up to rounding."""
        tiles = self.to_hidden.tiles_array
        # sums over visible units, one after the other in every column: the same bits on any machine
        norms = np.sqrt(np.square(tiles, dtype=np.float64).sum(axis=1))
        above = bool((norms > max_norm).any())
        if not (above if self.division is None else self.division.ranks.largest(above)[0]):
            return self
        scale = np.where(norms > max_norm, max_norm / np.maximum(norms, max_norm), 1.0)
        smaller = (tiles * scale[:, None, :]).astype(np.float32)
        return self._of_tiles(smaller, self.visible_bias, self.hidden_bias, n_threads)

    def zero_summed(self, n_threads: int | None = None, before: Parameters | None = None) -> Parameters:
        """The same model in the gauge in which the weights of a site to each hidden unit, and its biases, sum to zero
        over its categories. What is taken off weights goes to the hidden biases.

        before: what these parameters were before an update without centering. Of the update, what the gauge takes off
        weights goes nowhere then: hidden biases have a part of the update of their own, and would come to rest beside
        the means of the data where weights decay. (Centered, the gauge gives them back what the weights took.)
        """
        segments = segments_of(self.units[0].layout)
        if segments is None:
            return self
        tiles, shifts = self._in_gauge(segments, n_threads)
        if before is not None:
            shifts = before._in_gauge(segments, n_threads)[1]
        visible_bias = self.units[0].zero_sum(self.visible_bias.astype(np.float64))[0].astype(np.float32)
        hidden_bias = moved_values(self.hidden_bias, shifts, 1.0, "hidden_bias")
        return self._of_tiles(tiles, visible_bias, hidden_bias, n_threads)

    def _in_gauge(self, segments: kernels.Segments, n_threads: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Weights in tiles whose sums over a site's categories are zero, and what is taken off those of each hidden
        unit, float64 (H,)."""
        tiles = self.to_hidden.tiles_array
        out, shift = np.empty_like(tiles), np.empty((tiles.shape[0], TILE))
        if len(tiles):
            kernels.zero_sum(tiles, segments, out, shift, threads.resolve(n_threads, threads.PASS * tiles.size))
        shifts = shift.reshape(-1)
        if self.division is not None:
            shifts = self.division.hidden.all_units(shifts[: self.division.own_hidden])
        return out, shifts[: self.shape[1]]

    def cut_from(
        self, before: Parameters, offsets: tuple[np.ndarray, np.ndarray] | None, n_threads: int | None = None
    ) -> Parameters:
        """With biases that follow what was cut off the weights of before, where updates are centered by these offsets:
        it is a change of W (see Update.bias_parts). Errors as for moved."""
        if offsets is None or self is before:
            return self
        lost = before.to_hidden.tiles_array - self.to_hidden.tiles_array
        visible, hidden = along_offsets(lost, offsets, n_threads, self.division)
        return self.replaced(
            self.to_hidden.tiles_array, self.transposed, self._largest_sums,
            moved_values(self.visible_bias, visible, 1.0, "visible_bias"),
            moved_values(self.hidden_bias, hidden, 1.0, "hidden_bias"),
        )  # fmt: skip

    def replaced(
        self, weights: np.ndarray, transposed: Any, largest_sums: Sequence[float], visible_bias: np.ndarray,
        hidden_bias: np.ndarray, units: tuple[Unit, Unit] | None = None,
    ) -> Parameters:  # fmt: skip
        """Others of the same shape; weights and their transpose in tiles, which are kept."""
        units = self.units if units is None else units
        biases = visible_bias, hidden_bias
        return Parameters(self.shape, weights, transposed, largest_sums, *biases, units, self.division)

    def _of_tiles(
        self, tiles: np.ndarray, visible_bias: np.ndarray, hidden_bias: np.ndarray, n_threads: int | None
    ) -> Parameters:
        """Others of the same shape."""
        nowhere = Direction(tiles, visible_bias, hidden_bias)
        new, transposed, _, sums = self._ascend(tiles, nowhere, 0.0, 0.0, 0.0, n_threads)
        return self.replaced(new, transposed, sums, visible_bias, hidden_bias)

    def _ascend(
        self, tiles: np.ndarray, direction: Update, rate: float, l2: float, l1: float, n_threads: int | None
    ) -> tuple[np.ndarray, Any, int, list[float]]:
        return _ascend(tiles, direction, self.shape[1], rate, l2, l1, n_threads, self.division)

    def divided(self, division: Division) -> Parameters:
        """This rank's part of these parameters, a copy."""
        to_hidden, to_visible = self.to_hidden.tiles_array, self.to_visible.tiles_array
        sizes = self._largest_sums
        own = division.hidden.own_tiles, division.visible.own_tiles
        tiles = to_hidden[own[0]].copy(), to_visible[own[1]].copy()
        return Parameters(self.shape, *tiles, sizes, self.visible_bias, self.hidden_bias, self.units, division)

    def whole(self, n_threads: int | None = None) -> Parameters:
        """The parameters of which this rank has its part; themselves where they are not divided."""
        if self.division is None:
            return self
        self.division.settle()
        tiles, biases = self.division.hidden.whole(self.to_hidden.tiles_array), (self.visible_bias, self.hidden_bias)
        if self.units[0].layout is not None:  # whose tiles for h -> v are not those of units in a row
            return Parameters._of_whole(tiles, *biases, self.units, n_threads)
        transposed = self.division.visible.whole(self.to_visible.tiles_array)
        return Parameters(self.shape, tiles, transposed, self._largest_sums, *biases, self.units)

    @property
    def norm(self) -> float:
        """The Euclidean (Frobenius) norm of W."""
        if self.division is not None:
            refuse_whole("weights")
        # tile by tile: of all weights at once, doubles would take as much memory as the model has
        squares = [np.square(tile, dtype=np.float64).sum(axis=0) for tile in self.to_hidden.tiles_array]
        return math.sqrt(float(np.stack(squares).sum()))

    @once
    def weights(self) -> np.ndarray:
        """W (V, H), float32, contiguous, read-only."""
        if self.division is not None:
            refuse_whole("weights")
        weights = np.ascontiguousarray(from_tiles(self.to_hidden.tiles_array, *self.shape))
        weights.flags.writeable = False
        return weights.view()  # which cannot be made writable, unlike the array that owns its memory

    @once
    def wide_visible_bias(self) -> np.ndarray:
        """float64: what bias_sums reads."""
        return self.visible_bias.astype(np.float64)

    @once
    def wide_hidden_bias(self) -> np.ndarray:
        return self.hidden_bias.astype(np.float64)


def _kernel_name(unit: Unit) -> str:
    """How the kernels call the type of a layer; segments say the rest."""
    return unit.name if unit.layout is None else "bernoulli"


def _ascend(
    tiles: np.ndarray,
    direction: Update,
    n_hidden: int,
    rate: float,
    l2: float,
    l1: float,
    n_threads: int | None,
    division: Division | None = None,
) -> tuple[np.ndarray, Any, int, list[float]]:
    n_hidden = n_hidden if division is None else division.own_hidden
    used = threads.resolve(n_threads, threads.PASS * tiles.size + direction.work)
    new = np.empty(tiles.shape, np.float32)
    transposed = np.empty((-(-tiles.shape[1] // TILE), -(-n_hidden // 8) * 8, TILE), np.float32)
    bad, *sums = direction.ascend(tiles, rate, l2, l1, validate.LARGEST, new, transposed, used, division)
    return new, transposed if division is None else division.turned(transposed, used), bad, sums


def moved_values(old: np.ndarray, change: np.ndarray, rate: float, name: str) -> np.ndarray:
    """old + rate * change, computed in float64 and rounded once to float32; FloatingPointError if not finite."""
    if change.shape != old.shape:
        raise ValueError(f"the change of {name} must have shape {old.shape}, got {change.shape}")
    with np.errstate(over="ignore"):
        new = (old + rate * change).astype(np.float32)
    if not np.abs(new).max() < validate.LARGEST:  # false for NaN
        refuse(name, new)
    return new


def refuse_whole(what: str) -> Any:
    """Say that this rank has only its part."""
    raise RuntimeError(
        f"the {what} of this model are divided among ranks while it is trained; a callback's state.rbm has them all"
    )


def refuse(name: str, values: np.ndarray) -> None:
    """Say which parameter a step would spoil."""
    where, value = validate.first_bad(values)
    raise Spoiled(
        f"the step would make {name}[{where}] = {value:g}; the model keeps the parameters it had (try a smaller "
        "learning rate)"
    )
