"""The points of a path: numbers from 0 up to the number of its models."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._core import arrays, validate

N_STEPS = 200  # of a path of which nothing is said
MOST_STEPS = 1 << 24
_FIRST_STEPS = 20  # up to the first of several models, which is an easy one


def even_points(n_models: int, n_steps: int | None) -> np.ndarray:
    """Evenly spaced points: in n_steps steps over all, each whole number being one."""
    if n_models == 1:
        n_steps = N_STEPS if n_steps is None else validate.integer(n_steps, "n_steps", 1, MOST_STEPS)
        return _exact(np.linspace(0.0, 1.0, n_steps + 1))
    if n_steps is None:
        return _exact(np.concatenate([np.linspace(0.0, 1.0, _FIRST_STEPS + 1), np.arange(2.0, n_models + 1)]))
    n_steps = validate.integer(n_steps, "n_steps", n_models, MOST_STEPS)
    each = np.diff(np.rint(np.arange(n_models + 1) * (n_steps / n_models)).astype(int))
    return _exact(np.concatenate([[0.0], *(k + np.arange(1, m + 1) / m for k, m in enumerate(each))]))


def given_points(points: ArrayLike, n_models: int) -> np.ndarray:
    array = arrays.numbers(points, "points")
    if array.dtype.kind not in "iuf" or array.ndim != 1 or not 2 <= len(array) <= MOST_STEPS + 1:
        raise ValueError(f"points must be a sequence of at least two numbers, from 0 to {n_models}")
    array = array.astype(np.float64)
    if array[0] != 0 or array[-1] != n_models or not bool((np.diff(array) >= 0).all()):
        raise ValueError(f"points must go from 0 up to {n_models}, none below the one before")
    whole = np.setdiff1d(np.arange(n_models + 1.0), array)
    return _exact(np.insert(array, np.searchsorted(array, whole), whole))


def _exact(points: np.ndarray) -> np.ndarray:
    """As the kernels take temperatures."""
    return np.where(points <= 1.0, points.astype(np.float32).astype(np.float64), points)
