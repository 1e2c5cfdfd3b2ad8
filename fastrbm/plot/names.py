"""What pictures call columns and units, and which of them they show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import arrays, validate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LONGEST, LONGEST_TICK = 40, 24  # letters of a name, and of one below an axis


def hidden_units(weights: np.ndarray, hidden: Any, n: int | None, default: int) -> list[int]:
    """The hidden units to show."""
    there = weights.shape[1]
    if hidden is None:
        n = default if n is None else validate.integer(n, "n", 1)
        return np.argsort(-np.linalg.norm(weights, axis=0), kind="stable")[:n].tolist()
    return indices(hidden, "hidden", there, "hidden units")


def indices(value: Any, name: str, there: int, what: str) -> list[int]:
    if arrays.index(value) is not None:
        value = [value]
    if not isinstance(value, (Sequence, np.ndarray, range)) or isinstance(value, str):
        raise TypeError(f"{name} must be an integer or a sequence of integers, not {validate.kind(value)}")
    result = [validate.integer(i, f"{name}[{k}]", 0) for k, i in enumerate(value)]
    if not result or max(result) >= there:
        got = f"{max(result)} where there are {there:,}, from 0" if result else "none"
        raise ValueError(f"{name} must be numbers of {what}, got {got}")
    return result


def site_ticks(ax: Axes, names: Sequence[str]) -> None:
    """Names at the places 0, 1, ... of x."""
    n = len(names)
    if [str(i) for i in range(n)] == list(names):
        ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    else:
        names = [short(name, LONGEST_TICK) for name in names]
        longest = max(map(len, names))
        upright = longest > 2 and n > 6 or n > 40 or n * longest > 60
        every = max(1, math.ceil(n / 100))
        ax.set_xticks(range(0, n, every), names[::every], rotation=90 if upright else 0, fontsize="small")
    ax.set_xlim(-0.7, n - 0.3)


def head(weights: np.ndarray, unit: int) -> str:
    """What a hidden unit is called, and the norm of its weights."""
    return f"hidden unit {unit}, norm {np.linalg.norm(weights[:, unit]):.3g}"


def short(name: str, longest: int = _LONGEST) -> str:
    """A name of bounded length, in which matplotlib sees no formula."""
    return escaped(shortened(name, longest))


def shortened(name: str, longest: int = _LONGEST) -> str:
    """The beginning and the end of a long name: many names of one table begin alike."""
    end = (longest - 3) // 3
    return name if len(name) <= longest else f"{name[: longest - 3 - end]}...{name[len(name) - end :]}"


def escaped(text: str) -> str:
    return text.replace("$", r"\$")
