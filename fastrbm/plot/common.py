"""What the pictures share: matplotlib, axes, colors, and checks of what is to be drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core import arrays, validate
from ..states.bits import BitMatrix
from ..units.bernoulli import Bernoulli
from ..units.spin import Spin
from ..units.unit import Unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DATA, MODEL = "#0072B2", "#D55E00"  # blue and vermilion: data and model, in every picture
LINES = (DATA, MODEL, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def need_matplotlib() -> None:
    """Raise an ImportError that says what to do, where matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError('pictures need matplotlib: pip install "fastrbm[plot]"') from error


def axes_of(ax: Axes | None, size: tuple[float, float] | None = None) -> Axes:
    """The user's axes, or those of a new figure, of a size in inches."""
    need_matplotlib()
    from matplotlib.axes import Axes

    if ax is None:
        import matplotlib.pyplot as plt

        return plt.subplots(figsize=size, layout="constrained")[1]
    if not isinstance(ax, Axes):
        raise TypeError(f"ax must be a matplotlib Axes, not {type(ax).__name__}")
    return ax


def _unit_of(value, fractions: bool) -> Unit | None:
    """A unit of the first type that all of these numbers could be of."""
    if not isinstance(value, np.ndarray) or value.ndim != 2 or value.size == 0:
        return None
    return next((unit for kind in (Bernoulli, Spin) if (unit := kind(1)).parts(value, fractions) is not None), None)


def states_of(value, n_units: int | None, name: str, most: int | None = None, fractions: bool = False) -> np.ndarray:
    """Which units are on, (n, units), of at least one example: uint8, or float64 where fractions are welcome and there
    are any.

    With most, so many examples from all over them; the others are not looked at."""
    if not isinstance(value, BitMatrix):
        value = arrays.numbers(value, name, sparse=True)
    if most is not None and len(value.shape) == 2 and value.shape[0] > most:
        value = value[np.linspace(0, value.shape[0] - 1, most).astype(np.intp)]
    if isinstance(value, BitMatrix):
        if n_units is not None and value.n_units != n_units:
            raise ValueError(f"{name} has {value.n_units} units per example where {n_units} are required")
        value = value.to_states()
    states = validate.states(value, n_units, name, fractions, unit=_unit_of(value, fractions))
    if arrays.is_sparse(states):
        states = states.toarray()
    if states.size == 0:
        raise ValueError(f"{name} must have at least one example and one unit, got shape {states.shape}")
    return states
