"""Units that are clamped to a value while the others are drawn: sampling from a conditional distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .._core import validate
from ..states.bits import BitMatrix, free_planes, packed

if TYPE_CHECKING:
    from ..units.unit import Unit


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
    def of(cls, given: ArrayLike | None, n: int, unit: Unit, name: str) -> ClampedLayer | None:
        if given is None:
            return None
        array = validate.clamped_states(given, n, unit, name)
        free = np.isnan(array)
        values, masks = packed(np.where(free, 0.0, array).astype(np.uint8, order="C"), unit), free_planes(free, unit)
        if array.ndim == 2 and len(array) == n:
            return cls(values, masks)
        return cls(values[np.zeros(n, np.intp)], np.repeat(masks, n, axis=1))
