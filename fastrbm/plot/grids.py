"""Grids of pictures, all in one image: weights of hidden units, and states."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .._core import validate
from ..sampling.model import model
from .common import axes_of, numbers_of, states_of
from .names import LONGEST_TICK, site_ticks
from .sites import names_of, of_model, packed, pictured

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

    from ..rbm import RBM
    from ..states.bits import BitMatrix

PICTURES = 64  # where n is not given
NAMED = 8  # the side of the smallest picture whose pixels may have names: yes and no of a survey are none
_GAP = "0.75"  # gray between pictures
_INCHES = 0.07  # of a letter of a name


def filters(rbm: RBM, shape=None, n: int | None = None, *, ax: Axes | None = None) -> Axes:
    """Draw the weights of hidden units as pictures over the visible units, largest Euclidean norms first.

    Of a layer of several segments, over the largest segment of units of two values or of real ones; categories have
    :func:`logos`.

    Parameters
    ----------
    rbm : RBM
    shape : (height, width), optional
        Of a picture; height x width visible units. By default a square where their number is one (with names, from
        8 x 8 up), else a table: a hidden unit a row, a visible unit a column, with the names of ``rbm.visible_names``.
    n : int, optional
        Hidden units to show, at least 1; 64, or as many as there are.
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes
        With one color scale for all pictures, from -m to m nats, m the largest weight shown.

    Raises
    ------
    TypeError, ValueError
        Where an argument is of the wrong kind, shape does not hold the visible units, or all units are categorical.
    ImportError
        Without matplotlib.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import fastrbm as fr, fastrbm.plot
    >>> rbm = fr.RBM.from_data(fr.datasets.load_digits(), n_hidden=16, seed=0)
    >>> fr.plot.filters(rbm, n=9).get_xlabel()
    '9 of 16 hidden units, largest norms first'
    """
    segment = pictured(model(rbm).visible)
    if segment is None:
        raise ValueError(
            "rbm must have units of two values or real ones; weights of categories have logos and category_weights"
        )
    weights = rbm.weights[segment[1]].T.astype(np.float64)
    n = _count(n, len(weights))
    names = names_of(rbm)[segment[0]] if rbm.visible_names else None
    shape = checked_shape(shape, weights.shape[1], 2 if names is None else NAMED)
    norms = np.sqrt((weights**2).sum(axis=1))
    shown = weights[np.argsort(-norms, kind="stable")[:n]]
    top = float(np.abs(shown).max()) or 1.0
    words = f"{n:,} of {len(weights):,} hidden units, largest norms first"
    ax, image = _pictures(ax, shown, shape, words, names, cmap="RdBu_r", vmin=-top, vmax=top)
    ax.figure.colorbar(image, ax=ax, label="weight (nats)", shrink=0.8)
    ax.set_title("Weights of hidden units")
    return ax


def samples(
    states, shape=None, n: int | None = None, *, limits: tuple[float, float] | None = None, rbm: RBM | None = None,
    ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Draw states of the visible units as pictures; 0 is white, 1 is black, and probabilities are gray.

    Parameters
    ----------
    states : array (n, V) or BitMatrix
        0 and 1, or fractions from 0 to 1; with limits any real numbers; with rbm, of the values of its units.
    shape, ax
        As for :func:`filters`; a table has a state a row.
    n : int, optional
        States to show, at least 1: the first 64, or as many as there are.
    limits : (low, high), optional
        Of states of real units: the number that is white and the number that is black.
    rbm : RBM, optional
        The model whose visible layer says what the columns are. Each column is white at its lowest value and black at
        its highest: the first and the last of its categories, or the ends of a real column in all of the states. A
        table has the names of ``rbm.visible_names``.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError, ImportError
        As for :func:`filters`.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import fastrbm as fr, fastrbm.plot
    >>> fr.plot.samples(fr.datasets.load_digits(), n=10).get_xlabel()
    '10 of 1,797 states; 1 is black'
    """
    if limits is not None and rbm is not None:
        raise ValueError("give limits or rbm, not both")
    low, high = (0.0, 1.0) if limits is None else _limits(limits)
    names, scale = None, "1 is black" if limits is None else f"{low:.4g} is white, {high:.4g} is black"
    if rbm is not None:
        table, scale = _scaled(rbm, packed(rbm, states, "states")), "black: a column's highest value"
        names = names_of(rbm) if rbm.visible_names else None
    elif limits is not None:
        table = numbers_of(states, "states")
    else:
        table = states_of(states, None, "states", fractions=True)
    n = _count(n, len(table))
    shown = table[:n].astype(np.float64)
    shape = checked_shape(shape, shown.shape[1], 2 if names is None else NAMED)
    words = f"{n:,} of {len(table):,} states; {scale}"
    ax, _ = _pictures(ax, shown, shape, words, names, cmap="gray_r", vmin=low, vmax=high)
    ax.set_title("States of the visible units")
    return ax


def default_shape(n_units: int, least: int = 2) -> tuple[int, int] | None:
    """A square where the number of units is one, of sides of at least that many, else none."""
    side = math.isqrt(n_units)
    return (side, side) if side >= least and side * side == n_units else None


def checked_shape(shape, n_units: int, least: int = 2) -> tuple[int, int] | None:
    """(height, width) of a picture, or None for a row of a table; by default, as :func:`default_shape` has it."""
    if shape is None:
        return default_shape(n_units, least)
    try:
        height, width = shape
    except (TypeError, ValueError):
        raise TypeError(f"shape must be (height, width), got {shape!r}") from None
    height, width = validate.integer(height, "shape[0]", 1), validate.integer(width, "shape[1]", 1)
    if height * width != n_units:
        raise ValueError(f"shape must hold {n_units} units, got {height} x {width} = {height * width}")
    return height, width


def _limits(value) -> tuple[float, float]:
    try:
        low, high = value
    except (TypeError, ValueError):
        raise TypeError(f"limits must be (low, high), got {value!r}") from None
    low, high = validate.real(low, "limits[0]"), validate.real(high, "limits[1]")
    if low >= high:
        raise ValueError(f"limits must be (low, high), low below high, got {low:g} and {high:g}")
    return low, high


def _count(n: int | None, there: int) -> int:
    return min(PICTURES if n is None else validate.integer(n, "n", 1), there)


def _scaled(rbm: RBM, states: BitMatrix) -> np.ndarray:
    """The columns of states, float64 (n, columns), each from 0 at its lowest value to 1 at its highest; 0.5 where
    these are one."""
    values, sites = rbm.visible.values(states.to_states()).astype(np.float64), of_model(rbm)
    ends = zip((np.min, np.max), sites.ends, strict=True)
    low, high = (np.where(sites.real, end(values, axis=0), own) for end, own in ends)
    return np.where(high > low, (values - low) / np.where(high > low, high - low, 1.0), 0.5)


def _pictures(
    ax: Axes | None, rows: np.ndarray, shape, words: str, names: list[str] | None, **how
) -> tuple[Axes, AxesImage]:
    """Draw rows (n, units) as pictures of a shape, with gaps of NaN between them, or as the table that they are."""
    if shape is None:
        room = 0.0 if names is None else _INCHES * max(min(len(name), LONGEST_TICK) for name in names)
        ax = axes_of(ax, (6.4, 4.8 + room))
        image = ax.imshow(rows, aspect="auto", interpolation="nearest", **how)
        ax.set_xlabel("visible unit" if names is None else "column of the data")
        ax.set_ylabel(words)
        for axis in (ax.xaxis, ax.yaxis):
            axis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        if names is not None:
            site_ticks(ax, names)
            ax.set_xlim(-0.5, rows.shape[1] - 0.5)
        return ax, image
    ax = axes_of(ax)
    height, width = shape
    n = len(rows)
    columns = min(n, max(1, round(math.sqrt(n * height / width))))  # about as wide as high
    lines = -(-n // columns)
    mosaic = np.full((lines * (height + 1) + 1, columns * (width + 1) + 1), np.nan)
    for k, row in enumerate(rows):
        top, left = k // columns * (height + 1) + 1, k % columns * (width + 1) + 1
        mosaic[top : top + height, left : left + width] = row.reshape(height, width)
    image = ax.imshow(mosaic, **how)
    ax.set_facecolor(_GAP)  # what is NaN is transparent
    ax.set_xlabel(words)
    ax.set_ylabel(f"each {height} x {width} visible units")
    ax.set_xticks([])
    ax.set_yticks([])
    return ax, image
