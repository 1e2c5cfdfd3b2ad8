"""Layers in a saved state, as get_state gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core import saved
from .bits import BitMatrix, of_planes, zeros

if TYPE_CHECKING:
    from ..units.unit import Unit


def saved_bits(state: saved.State, name: str, n: int | None, unit: Unit) -> BitMatrix:
    """The states of n examples (None: of at least one) of a layer in an entry of a saved state, a copy."""
    planes = saved.array(state, name, np.uint8, (len(zeros(0, unit).planes), n), 0, 255)
    if planes.shape[1] == 0:
        raise ValueError(f"the state's {name} must have at least one example")
    try:
        return of_planes(planes, unit)
    except ValueError as error:
        raise ValueError(f"the state's {name}: {error}") from None
