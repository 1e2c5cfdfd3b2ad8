"""The directions along which states vary most, and where states are along them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ..rbm import RBM
    from ..states.bits import BitMatrix

_ITERATIONS = 30  # of the search for an axis
_NOTHING = 1e-9  # of the variance: an axis along which there is no more than that is rounding
_GRID, _GRID_OF_REALS = float(1 << 30), float(1 << 18)
_ROWS, _FEWEST_ROWS, _NUMBERS = 1000, 64, 1 << 22  # states that axes are found from: so many, or numbers of them


class Axes(NamedTuple):
    """Principal axes of the values of visible units: vectors of length 1 (n, V), in multiples of 2^-30 (where there are
    real units 2^-18), so that sums over units are exact in any order and equal states have equal places; and where the
    center of the states is along them, (n,)."""

    directions: np.ndarray
    centers: np.ndarray


def axes_of(rbm: RBM, states: BitMatrix, n: int) -> Axes:
    """The first n principal axes of states of the visible layer, or as many as they vary along, found from some of
    them."""
    some = evenly(states, min(_ROWS, max(_FEWEST_ROWS, _NUMBERS // rbm.n_visible)))
    values = rbm.visible.unit_values(some.to_states())
    center = values.mean(axis=0)
    grid = _GRID_OF_REALS if rbm.visible.real else _GRID
    directions = np.rint(principal_axes(values - center, n) * grid) / grid
    return Axes(directions, along(directions, center))


def projections(rbm: RBM, states: BitMatrix, axes: Axes) -> np.ndarray:
    """Where states are along axes, float64 (n axes, states)."""
    out = np.empty((len(axes.directions), len(states)))
    step = max(1, _NUMBERS // rbm.n_visible)
    for start in range(0, len(states) if len(out) else 0, step):
        values = rbm.visible.unit_values(states[start : start + step].to_states())
        for axis, row in zip(axes.directions, out, strict=True):
            row[start : start + step] = along(values, axis)
    return out - axes.centers[:, None]


def evenly(states: BitMatrix, n: int) -> BitMatrix:
    """At most n of the states, from all over them."""
    return states[np.linspace(0, len(states) - 1, min(len(states), n)).astype(np.intp)]


def principal_axes(spread: np.ndarray, n: int) -> np.ndarray:
    """The first n principal axes of rows (m, V) of mean 0, or as many as they vary along, (at most n, V)."""
    axes: list[np.ndarray] = []
    least = _NOTHING * float(np.square(spread).sum())
    while len(axes) < n:
        axis = main_axis(spread)
        places = along(spread, axis)
        if not float(np.square(places).sum()) > least:
            break
        axes.append(axis)
        spread = spread - places[:, None] * axis
    return np.array(axes).reshape(-1, spread.shape[1])


def main_axis(spread: np.ndarray) -> np.ndarray:
    """The unit vector along which rows (n, V) of mean 0 vary most, very nearly, by power iteration."""
    axis = spread[int(np.argmax(np.square(spread).sum(axis=1)))]
    for _ in range(_ITERATIONS):
        axis = along(spread.T, along(spread, axis))
        axis = axis / max(float(np.sqrt(np.square(axis).sum())), 1e-300)
    return axis


def along(rows: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """rows @ axis, but not by BLAS, whose threads would keep the CPUs from the next call's for a while."""
    return np.einsum("ij,j->i", rows, axis)
