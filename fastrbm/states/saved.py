"""Layers of bits in a saved state, as get_state gives it."""

from __future__ import annotations

import numpy as np

from .._core import saved
from .bits import BitMatrix


def saved_bits(state: saved.State, name: str, n: int | None, n_units: int) -> BitMatrix:
    """The states of n examples (None: of at least one) in an entry of a saved state, a copy."""
    planes = saved.array(state, name, np.uint8, (-(-n_units // 8), n), 0, 255)
    if planes.shape[1] == 0:
        raise ValueError(f"the state's {name} must have at least one example")
    try:
        return BitMatrix(planes, n_units)
    except ValueError as error:
        raise ValueError(f"the state's {name}: {error}") from None
