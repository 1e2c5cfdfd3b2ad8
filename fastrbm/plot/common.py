"""What the pictures share: matplotlib, axes, colors, and checks of what is to be drawn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import arrays, validate
from ..states.bits import BitMatrix, CodeMatrix
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
        raise ImportError("pictures need matplotlib: pip install matplotlib") from error


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


def panels(ax: Axes, n: int, right: bool = False) -> list[Axes]:
    """n small axes in the place of one, row by row, whose title and labels are those of all. right: they have numbers
    at the right, too."""
    columns = columns_of(n)
    rows = -(-n // columns)
    box = ax.get_window_extent()
    # between panels, as a part of the whole: room for numbers and titles, in inches
    across, down = ((0.95 if right else 0.5) / (box.width / ax.figure.dpi)), 0.55 / (box.height / ax.figure.dpi)
    width = max((1.0 - across * (columns - 1)) / columns, 0.4 / columns)
    height = max((1.0 - down * (rows - 1)) / rows, 0.4 / rows)
    across, down = ((1.0 - k * size) / max(k - 1, 1) for k, size in ((columns, width), (rows, height)))
    ax.set_frame_on(False)
    ax.set_xticks([])
    ax.set_yticks([])
    made = []
    for k in range(n):
        row, column = divmod(k, columns)
        panel = ax.inset_axes((column * (width + across), 1.0 - height - row * (height + down), width, height))
        panel.tick_params(labelsize="small")
        panel.locator_params(nbins=4)
        made.append(panel)
    return made


def columns_of(n: int) -> int:
    """How many of n panels stand side by side."""
    return n if n <= 3 else math.ceil(math.sqrt(n))


def label_panels(ax: Axes, title: str, x: str, y: str) -> None:
    """The title and labels of axes with panels, outside of their numbers and titles."""
    ax.set_title(title, pad=22)
    ax.set_xlabel(x, labelpad=20)
    ax.set_ylabel(y, labelpad=38)


def bins(*numbers: np.ndarray, n: int = 40) -> np.ndarray:
    """The edges of n bins over all numbers; where they differ by rounding alone, over one unit around them."""
    low, high = (float(end([end(x) for x in numbers])) for end in (np.min, np.max))
    if not high - low > 1e-9 * max(abs(low), abs(high)):
        low, high = (low + high) / 2 - 0.5, (low + high) / 2 + 0.5
    return np.linspace(low, high, n + 1)


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
        value = np.asarray(value) if isinstance(value, CodeMatrix) else value.to_states()
    states = validate.states(value, n_units, name, fractions, unit=_unit_of(value, fractions))
    if arrays.is_sparse(states):
        states = states.toarray()
    if states.size == 0:
        raise ValueError(f"{name} must have at least one example and one unit, got shape {states.shape}")
    return states


def numbers_of(value, name: str) -> np.ndarray:
    """Finite numbers (n, columns), float64, of at least one example."""
    table: Any = np.asarray(value) if isinstance(value, BitMatrix) else arrays.numbers(value, name, sparse=True)
    array = np.asarray(table.toarray() if arrays.is_sparse(table) else table, np.float64)
    if array.ndim != 2 or not array.size:
        raise ValueError(f"{name} must be (examples, columns), with at least one of each, got shape {array.shape}")
    if not bool(np.isfinite(array).all()):
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise ValueError(f"{name} must hold finite numbers; {name}[{row}, {column}] is {array[row, column]:g}")
    return array
