"""What the pictures share: matplotlib, axes, colors, and checks of what is to be drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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


def axes_of(ax: Axes | None, size: tuple[float, float] | None = None, color: Any = None) -> Axes:
    """The user's axes, or those of a new figure, of a size in inches; the user's color is checked before."""
    need_matplotlib()
    from matplotlib.axes import Axes
    from matplotlib.colors import is_color_like

    if color is not None and not is_color_like(color):
        raise ValueError(f"color must be a color of matplotlib, got {color!r}")
    if ax is None:
        import matplotlib.pyplot as plt

        return plt.subplots(figsize=size, layout="constrained")[1]
    if not isinstance(ax, Axes):
        raise TypeError(f"ax must be a matplotlib Axes, not {type(ax).__name__}")
    return ax


def next_color(ax: Axes) -> str:
    """The first of LINES that no line and no points on the axes have."""
    from matplotlib.colors import to_hex

    drawn = [line.get_color() for line in ax.lines]
    drawn += [colors[0] for points in ax.collections if len(colors := points.get_facecolor())]
    used = [to_hex(color) for color in drawn]
    return min(LINES, key=lambda color: used.count(color.lower()))


def named(value: Any, kind: type, what: str, name: str, label: Any, color: Any) -> list[tuple[str | None, Any]]:
    """(label, value) of one value of a kind, in words what, or of each value of a mapping from labels to them."""
    if not isinstance(value, Mapping):
        given = [(None if label is None else str(label), value)]
    elif label is not None or color is not None:
        raise ValueError(f"label and color are of one curve: where {name} is a mapping, its keys are the labels")
    elif not value:
        raise ValueError(f"{name} must have at least one entry, got an empty mapping")
    else:
        given = [(str(key), own) for key, own in value.items()]
    for key, own in given:
        if not isinstance(own, kind):
            where = f"{name}[{key!r}]" if isinstance(value, Mapping) else name
            raise TypeError(f"{where} must be {what}, not {type(own).__name__}")
    return given


def pair(labels: Any, colors: Any) -> tuple[tuple[str, Any], tuple[str, Any]]:
    """(label, color) of data, and of samples."""
    one, other = ("data", "samples") if labels is None else tuple(map(str, _two(labels, "labels")))
    need_matplotlib()
    from matplotlib.colors import is_color_like

    shown = (DATA, MODEL) if colors is None else _two(colors, "colors")
    for k, color in enumerate(shown):
        if not is_color_like(color):
            raise ValueError(f"colors must be two colors of matplotlib, colors[{k}] is {color!r}")
    return (one, shown[0]), (other, shown[1])


def _two(value: Any, name: str) -> tuple[Any, Any]:
    """What is for data and for samples."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"{name} must be (of data, of samples), not {validate.kind(value)}")
    if len(value) != 2:
        raise ValueError(f"{name} must be two, of data and of samples, got {len(value)}")
    return value[0], value[1]


def steps(ax: Axes, values: np.ndarray, edges: np.ndarray, color: Any, label: str, weights=None) -> None:
    """A histogram of values, or of their weights: the fraction in each bin."""
    fractions = np.histogram(values, edges, weights=weights)[0]
    fractions = fractions / fractions.sum()
    ax.stairs(fractions, edges, fill=True, color=color, alpha=0.25)
    ax.stairs(fractions, edges, color=color, linewidth=1.5, label=label)


def set_scales(ax: Axes, log: str | None) -> None:
    """Make the axes that log names logarithmic, with numbers at 1, 2 and 5 times powers of ten; over more than three
    decades, at powers of ten alone."""
    from matplotlib.ticker import LogLocator

    for letter in log or "":
        getattr(ax, f"set_{letter}scale")("log")
        axis = getattr(ax, f"{letter}axis")
        axis.set_minor_locator(LogLocator(subs=(2, 5)))
        axis.set_tick_params(which="both", length=3.5, pad=3.5)  # all numbers stand on one line
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_formatter(lambda value, _, axis=axis: f"{value:g}" if _decades(axis) <= 3 else "")


def _decades(axis: Any) -> float:
    low, high = axis.get_view_interval()
    return math.log10(high / low)


def panels(ax: Axes, n: int, right: bool = False, lines: int = 1) -> list[Axes]:
    """n small axes in the place of one, row by row, whose title and labels are those of all. right: they have numbers
    at the right, too; lines: of their titles."""
    columns = columns_of(n)
    rows = -(-n // columns)
    box = ax.get_window_extent()
    # between panels, as a part of the whole: room for numbers and titles, in inches
    across = (0.95 if right else 0.5) / (box.width / ax.figure.dpi)
    down = (0.4 + 0.15 * lines) / (box.height / ax.figure.dpi)
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


def label_panels(ax: Axes, title: str, x: str, y: str, lines: int = 1) -> None:
    """The title and labels of axes with panels, outside of their numbers and titles, of so many lines."""
    ax.set_title(title, pad=10 + 12 * lines)
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
