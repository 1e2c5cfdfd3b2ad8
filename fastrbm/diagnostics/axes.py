"""The directions along which states vary most, and where states are along them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ..rbm import RBM
    from ..states.bits import BitMatrix

_DIRECTIONS, _MORE = 32, 4  # of the space of the search for axes, and more for each of them
_ROUNDING = 1e-8  # of a direction: less than that left of it is none
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
    """The first n principal axes of rows (m, V) of mean 0, or as many as they vary along, (at most n, V), very nearly.
    The largest component of each is positive.

    They are the best ones in a space of few dimensions, by Lanczos's iteration: each direction of the space is S'S
    times the one before, S the rows, less what the space has already (Golub & Van Loan, "Matrix computations", 10.1).
    """
    space, places = np.zeros((0, spread.shape[1])), np.zeros((0, len(spread)))
    least, direction = _NOTHING * float(np.square(spread).sum()), _longest(spread)
    while len(space) < min(_DIRECTIONS + _MORE * n, spread.shape[1]):
        before = _length(direction)
        for _ in range(2):  # once leaves rounding errors as large as what is subtracted has them
            direction = direction - np.einsum("i,ij->j", along(space, direction), space)
        if not _length(direction) > _ROUNDING * before:  # from here there is nothing else to reach
            left = spread - np.einsum("ki,kj->ij", places, space)
            if not float(np.square(left).sum()) > least:
                break
            direction = _longest(left)
            continue
        space = np.vstack([space, direction / _length(direction)])
        places = np.vstack([places, along(spread, space[-1])])
        direction = along(spread.T, places[-1])
    variances, turns = np.linalg.eigh(np.einsum("ik,jk->ij", places, places))
    axes = np.einsum("ki,kj->ij", turns[:, variances > least][:, : -n - 1 : -1], space)
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    return axes * np.where(largest < 0, -1.0, 1.0)


def _longest(rows: np.ndarray) -> np.ndarray:
    """The row of the largest Euclidean norm."""
    row: np.ndarray = rows[int(np.argmax(np.square(rows).sum(axis=1)))]
    return row


def _length(direction: np.ndarray) -> float:
    return float(np.sqrt(np.square(direction).sum()))


def along(rows: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """rows @ axis, but not by BLAS, whose threads would keep the CPUs from the next call's for a while."""
    return np.einsum("ij,j->i", rows, axis)
