"""Entries of a state, as get_state gives them. They may come from a file that was damaged or edited, so that every
set_state reads them through here, all of them before it changes anything.

ValueError names the entry, what it is and what it must be.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .layout import TILE, from_tiles, to_tiles
from .validate import LARGEST, shown

State = Mapping[str, Any]

SEEDS = (1 << 64) - 1
STREAMS = (1 << 24) - 1
COUNTS = (1 << 63) - 1


def array(
    state: State, name: str, dtype: DTypeLike, shape: tuple[int | None, ...], low: float = -LARGEST,
    high: float = LARGEST, nan: bool = False,
) -> np.ndarray:  # fmt: skip
    """A copy of an array of exactly this dtype and shape (None: any length), all of it in [low, high] or, where that is
    allowed, NaN."""
    value = _entry(state, name)
    required = f"{np.dtype(dtype)} of shape ({', '.join('any' if n is None else str(n) for n in shape)})"
    if not isinstance(value, np.ndarray):
        raise ValueError(f"the state's {name} must be an array, {required}, not {type(value).__name__}")
    if (
        value.dtype != dtype
        or value.ndim != len(shape)
        or any(want is not None and have != want for have, want in zip(value.shape, shape, strict=True))
    ):
        raise ValueError(f"the state's {name} must be {required}, got {value.dtype} of shape {value.shape}")
    inside = (value >= low) & (value <= high)
    if not bool((inside | np.isnan(value) if nan else inside).all()):
        raise ValueError(f"the state's {name} must hold numbers from {low:g} to {high:g}")
    return value.copy(order="C")


def tiles(state: State, name: str, shape: tuple[int, int], dtype: DTypeLike) -> np.ndarray:
    """A copy of an array that belongs to weights of this shape, in tiles, zero in the padding."""
    n_visible, n_hidden = shape
    value = array(state, name, dtype, (-(-n_hidden // TILE), -(-n_visible // 8) * 8, TILE))
    if not np.array_equal(to_tiles(from_tiles(value, *shape), dtype), value):
        raise ValueError(f"the state's {name} must be zero in its padding")
    return value


def parts(state: State, names: tuple[str, ...], dtype: DTypeLike = np.float32) -> list[np.ndarray]:
    """Copies of three arrays that belong to weights (in tiles), visible and hidden biases of one shape, and of further
    ones, if there are any, that belong to what else is trained: of hidden units (K, H), and of visible ones (V,); an
    empty list where there is none of them. dtype is that of the weights' part."""
    if not any(name in state for name in names):
        return []
    visible, hidden = (array(state, name, np.float64, (None,)) for name in names[1:3])
    if visible.size == 0 or hidden.size == 0:
        raise ValueError(f"the state's {names[1]} and {names[2]} must not be empty")
    more = []
    for name in names[3:]:
        if name in state:
            of_visible = np.ndim(state[name]) == 1
            more.append(array(state, name, np.float64, (visible.size,) if of_visible else (None, hidden.size)))
    return [tiles(state, names[0], (visible.size, hidden.size), dtype), visible, hidden, *more]


def count(state: State, name: str, high: int = COUNTS) -> int:
    """An integer from 0 to high."""
    value = _entry(state, name)
    try:
        number = -1 if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except TypeError:
        number = -1
    if not 0 <= number <= high:
        raise ValueError(f"the state's {name} must be an integer from 0 to {high}, got {shown(value)}")
    return number


def number(state: State, name: str, finite: bool = True) -> float:
    """A number; where it need not be finite, also infinity or NaN."""
    value = _entry(state, name)
    if isinstance(value, (bool, np.timedelta64)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise ValueError(f"the state's {name} must be a number, got {shown(value)}")
    if finite and not -LARGEST < value < LARGEST:  # true for NaN
        raise ValueError(f"the state's {name} must be a finite number, got {shown(value)}")
    return value if isinstance(value, (int, float)) else value.item()


def flag(state: State, name: str) -> bool:
    """True or False."""
    value = _entry(state, name)
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"the state's {name} must be True or False, got {shown(value)}")
    return bool(value)


def _entry(state: State, name: str) -> Any:
    if not isinstance(state, Mapping):
        raise TypeError(f"state must be a dict, as get_state gives it, not {type(state).__name__}")
    if name not in state:
        raise ValueError(f"the state lacks {name}")
    return state[name]


def fits(kept: tuple[int, int], model: tuple[int, int], whose: str) -> None:
    """Raise where what was kept of one model meets another."""
    if kept != model:
        raise ValueError(
            f"{whose} is of a model of {kept[0]} visible and {kept[1]} hidden units, this one has {model[0]} and "
            f"{model[1]}"
        )
