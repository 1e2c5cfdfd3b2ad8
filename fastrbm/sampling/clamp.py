"""Units that are clamped to a value while the others are drawn: sampling from a conditional distribution."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import arrays, floatmath, saved, validate
from ..states.bits import BitMatrix, packed, parts_dtype
from ..states.planes import free_columns, free_planes
from ..states.saved import saved_bits

if TYPE_CHECKING:
    from ..rbm import RBM
    from ..units.unit import Unit

_SIDES = ("visible", "hidden")
_LARGEST = 9e29  # of parameters that are made here; those of a model must be below 1e30


class Clamp:
    """The clamped units of both layers of n chains. A layer is None where no unit of it is clamped."""

    def __init__(self, visible: ClampedLayer | None, hidden: ClampedLayer | None) -> None:
        self._layers = visible, hidden

    @classmethod
    def of(cls, visible: ArrayLike | None, hidden: ArrayLike | None, n: int, units: tuple[Unit, Unit]) -> Clamp | None:
        """Of a user's arrays (V,) or (n, V) and (H,) or (n, H) of the units' values and NaN; each may be None."""
        if visible is None and hidden is None:
            return None
        return cls(ClampedLayer.of(visible, n, units[0], "clamp"), ClampedLayer.of(hidden, n, units[1], "clamp_hidden"))

    def get_state(self, units: tuple[Unit, Unit]) -> dict[str, Any]:
        """What a file keeps: of a layer with clamped units its values, and which columns are free."""
        state: dict[str, Any] = {}
        for side, layer, unit in zip(_SIDES, self._layers, units, strict=True):
            if layer is not None:
                free = BitMatrix.from_states(free_columns(layer.free, unit))
                state |= {f"clamped_{side}": layer.values.planes.copy(), f"free_{side}": free.planes}
        return state

    @classmethod
    def of_state(cls, state: dict[str, Any], n: int, units: tuple[Unit, Unit]) -> Clamp | None:
        """Of a state that get_state gave, of n chains."""
        layers = [
            ClampedLayer.of_state(state, n, unit, side) if f"clamped_{side}" in state else None
            for side, unit in zip(_SIDES, units, strict=True)
        ]
        return None if layers == [None, None] else cls(*layers)

    def apply(self, visible: BitMatrix, hidden: BitMatrix | None = None) -> None:
        """Set the clamped units in states to their values."""
        for clamped, states in zip(self._layers, (visible, hidden), strict=True):
            if clamped is not None and states is not None:
                states.planes[...] = (states.planes & clamped.free) | clamped.values.planes

    def free_planes(self, chains: slice) -> tuple[np.ndarray | None, np.ndarray | None]:
        """For both layers, which units of these chains may change, as kernels.sweep takes it."""
        visible, hidden = (None if clamped is None else clamped.free[:, chains] for clamped in self._layers)
        return visible, hidden


class ClampedLayer:
    """Of one layer: values, zeros where a unit is drawn, and planes whose bits are set there."""

    def __init__(self, values: BitMatrix, free: np.ndarray) -> None:
        self.values, self.free = values, free

    @classmethod
    def of_known(cls, parts: np.ndarray, missing: np.ndarray, unit: Unit) -> ClampedLayer:
        """Of states (n, columns), and which of them are missing: these are free."""
        return cls(packed(parts, unit), free_planes(missing, unit))

    @classmethod
    def of_state(cls, state: dict[str, Any], n: int, unit: Unit, side: str) -> ClampedLayer:
        values = saved_bits(state, f"clamped_{side}", n, unit).to_states()
        planes = saved.array(state, f"free_{side}", np.uint8, (-(-unit.n_columns // 8), n), 0, 255)
        free = BitMatrix(planes, unit.n_columns).to_states().astype(bool)
        return cls.of_known(np.where(free, 0, values).astype(values.dtype, order="C"), free, unit)

    @classmethod
    def of(cls, given: ArrayLike | None, n: int, unit: Unit, name: str) -> ClampedLayer | None:
        if given is None:
            return None
        array = validate.clamped_states(given, n, unit, name)
        free = np.isnan(array)
        values, masks = packed(_parts(array, unit), unit), free_planes(free, unit)
        if array.ndim == 2 and len(array) == n:
            return cls(values, masks)
        return cls(values[np.zeros(n, np.intp)], np.repeat(masks, n, axis=1))


def clamped_columns(
    given: Mapping[Any, Any], n_columns: int, names: Sequence[str], categories: Sequence[Sequence[Any] | None] | None
) -> np.ndarray:
    """A clamp, float64 (columns,) with NaN where free, of the values or labels of some columns, by name or number."""
    array = np.full(n_columns, np.nan)
    for column, label in given.items():
        if isinstance(column, str) and names and names.count(column) != 1:
            raise ValueError(
                f"clamp has the column {column!r}, which the model has not; its columns are "
                f"{', '.join(map(repr, names[:10]))}{', ...' if len(names) > 10 else ''}"
                if column not in names
                else f"clamp has the column {column!r}, a name of several columns: take a number, from 0"
            )
        at = names.index(column) if column in names else column
        at = validate.integer(at, "a column of clamp", 0, array.size - 1) if at is column else at
        labels = None if categories is None else categories[at]
        if labels is None:
            array[at] = validate.real(label, f"clamp[{column!r}]")
        elif np.ndim(label) or label not in labels:
            raise ValueError(
                f"clamp has {validate.shown(label)} for column {column!r}, which is none of "
                f"{', '.join(map(repr, labels))}"
            )
        else:
            array[at] = labels.index(label)
    return array


def exactly(given: Any, name: str, values: np.ndarray, unit: Unit) -> np.ndarray:
    """Values of a layer, (n, columns) or (n, V), but of real units that were given, (columns,) or (n, columns) with NaN
    where free, these numbers: states hold them on a grid."""
    if given is None or not unit.real or isinstance(given, BitMatrix):
        return values
    columns = np.flatnonzero(np.array(unit.n_states_of_columns) == 0)
    units = np.add.accumulate(unit.units_of_columns)[columns] - 1 if values.shape[1] == unit.n else columns
    numbers, out = arrays.numbers(given, name, missing=True)[..., columns], values.astype(np.float64)
    out[:, units] = np.where(np.isnan(numbers), out[:, units], numbers)
    return out


def _parts(array: np.ndarray, unit: Unit) -> np.ndarray:
    """Of what validate.clamped_states gives, states as Unit.parts gives them, 0 where units are free."""
    return np.where(np.isnan(array), 0.0, array).astype(parts_dtype(unit), order="C")


def _conditioned(rbm: RBM, values: np.ndarray) -> RBM:
    """The model of the free visible units given the clamped ones, float64 (columns,): states, NaN where free, as some
    are. It has their own biases and weights, and hidden biases c + W_clamped' v_clamped."""
    unit, free = rbm.visible, np.isnan(values)
    clamped = ~np.repeat(free, unit.units_of_columns)
    on = unit.unit_values(_parts(values[None], unit))[0]
    c = rbm.hidden_bias + floatmath.row_sums(rbm.weights[clamped].T, on[clamped])
    segments, column = [], 0
    for segment in unit.segments:
        own = free[column : column + segment.n_columns]
        column += segment.n_columns
        if own.any():
            segments.append(segment.part(own))
    return type(rbm)(rbm.weights[~clamped], rbm.visible_bias[~clamped], _within(c), visible=segments, hidden=rbm.hidden)


def _within(parameter: np.ndarray) -> np.ndarray:
    """float32, within the bound of a parameter."""
    return parameter.clip(-_LARGEST, _LARGEST).astype(np.float32)


def drawn_given(
    draw: Callable[[RBM, int, int, int, int | None], BitMatrix], rbm: RBM, clamp: np.ndarray | None, beta: float,
    n: int, n_sweeps: int, seed: int, n_threads: int | None,
) -> BitMatrix:  # fmt: skip
    """What draw gives of the model at this beta given the clamped units, (columns,) with NaN where a unit is free, as
    states of all units."""
    values = np.full(rbm.visible.n_columns, np.nan)
    if clamp is not None:
        values = validate.clamped_states(clamp, n, rbm.visible, "clamp")[0].astype(np.float64)
    free = np.isnan(values)
    model = rbm if free.all() or not free.any() else _conditioned(rbm, values)
    if beta != 1.0:
        model = _heated(model, beta)
    if free.all():
        return draw(model, n, n_sweeps, seed, n_threads)
    states = np.repeat(_parts(values[None], rbm.visible), n, axis=0)
    if free.any():
        states[:, free] = draw(model, n, n_sweeps, seed, n_threads).to_states()
    return packed(states, rbm.visible)


def _heated(rbm: RBM, beta: float) -> RBM:
    """The model at an inverse temperature: with beta times the weights and fields, of real units the quadratic part of
    their energy as it is."""
    weights, b, c = (
        _within(beta * array.astype(np.float64)) for array in (rbm.weights, rbm.visible_bias, rbm.hidden_bias)
    )
    return type(rbm)(weights, b, c, visible=rbm.visible.with_beta(beta), hidden=rbm.hidden.with_beta(beta))
