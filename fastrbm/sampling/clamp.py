"""Units that are clamped to a value while the others are drawn: sampling from a conditional distribution."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._core import validate
from ..states.bits import BitMatrix


class Clamp:
    """What is clamped in either layer of n chains. A layer is None where nothing is."""

    def __init__(self, visible: ClampedLayer | None, hidden: ClampedLayer | None) -> None:
        self._layers = visible, hidden

    @classmethod
    def of(cls, visible: ArrayLike | None, hidden: ArrayLike | None, n: int, shape: tuple[int, int]) -> Clamp | None:
        """Of a user's arrays (V,) or (n, V) and (H,) or (n, H) of 0, 1 and NaN, each of which may be None."""
        if visible is None and hidden is None:
            return None
        return cls(ClampedLayer.of(visible, n, shape[0], "clamp"), ClampedLayer.of(hidden, n, shape[1], "clamp_hidden"))

    def apply(self, visible: BitMatrix, hidden: BitMatrix | None = None) -> None:
        """Write what is clamped into states."""
        for clamped, states in zip(self._layers, (visible, hidden), strict=True):
            if clamped is not None and states is not None:
                states.planes[...] = (states.planes & clamped.free.planes) | clamped.values.planes

    def free_planes(self, chains: slice) -> tuple[np.ndarray | None, np.ndarray | None]:
        """For both layers, which units of these chains may change, as kernels.sweep takes it."""
        visible, hidden = (None if clamped is None else clamped.free.planes[:, chains] for clamped in self._layers)
        return visible, hidden


class ClampedLayer:
    """Of one layer: free units (1 where a unit is drawn), and values, 0 at those."""

    def __init__(self, values: BitMatrix, free: BitMatrix) -> None:
        self.values, self.free = values, free

    @classmethod
    def of(cls, given: ArrayLike | None, n: int, n_units: int, name: str) -> ClampedLayer | None:
        if given is None:
            return None
        array = validate.clamped_states(given, n, n_units, name)
        free = np.isnan(array)
        packed = BitMatrix.from_states(np.where(free, 0.0, array)), BitMatrix.from_states(free)
        if array.ndim == 2 and len(array) == n:
            return cls(*packed)
        return cls(*(BitMatrix(np.repeat(bits.planes, n, axis=1), n_units) for bits in packed))
