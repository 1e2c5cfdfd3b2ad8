"""A training on several ranks: what cannot be divided among them, and how a model, and what belongs to it, is divided
and made whole again.

While a training goes on, a rank has its part of the weights, and of whatever has a number for each weight: velocities,
running means, averages. (Ranks of one machine may share the memory of all: Loop.work_together.) Such a part of a
training has a method ``_convert``, which puts what a function makes of them in the place of weights' tiles, and names
the entries of its state that hold them (``divided_entries``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core.division import Division
from ..gradient.tempered import Tempered
from ..moments import ROWS_A_PART
from ..ranks import Alone, Ranks

if TYPE_CHECKING:
    from ..rbm import RBM
    from .loop import Loop


def refuse(rbm: RBM, gradient: Any, optimizer: Any, trajectory: Any, batch_size: int, averaging: Any) -> None:
    """ValueError, which says why, where a training cannot be done on several ranks."""
    reason = ""
    for name, part in (("gradient", gradient), ("optimizer", optimizer), ("averaging", averaging)):
        # of each class by itself: one of the user's that inherits may ask for all of the model
        if part is not None and not vars(type(part)).get("divides", False):
            reason = f"{name} {type(part).__name__} needs all of the model on one rank"
            if getattr(part, "divides", False):
                reason = f"{name} {type(part).__name__} may need all of the model, unless it says divides = True"
    if getattr(gradient, "path", None) is not None:
        reason = "gradient.Tempered with a path needs other models beside this one"
    if rbm.visible.real:
        reason = "the visible units are real"
    if rbm.hidden.real and isinstance(gradient, Tempered):
        reason = "gradient.Tempered needs energies, which need all weights on one rank where hidden units are real"
    if not rbm.visible.even:
        reason = "visible units with steps of their own need moments, which need all weights on one rank"
    if trajectory is not None and trajectory is not False:
        reason = "a trajectory keeps whole models"
    if batch_size > ROWS_A_PART:
        reason = f"batch_size must be at most {ROWS_A_PART:,}, and is {batch_size:,}"
    if reason:
        raise ValueError(f"several ranks cannot do this training together (comm, --mpi): {reason}")


def divide(loop: Loop, ranks: Alone | Ranks, most: int) -> None:
    """Leave this rank its part of the model, and of what belongs to it; or all of it, where ranks share memory and do
    updates together. most: how many of these may go into a call."""
    if isinstance(ranks, Ranks) and loop.rbm._parameters.division is None and not loop.work_together(ranks, most):
        division = Division(ranks, loop.rbm._parameters.units)
        loop.rbm._parameters = loop.rbm._parameters.divided(division)
        own = division.hidden.own_tiles
        _convert(loop, lambda tiles: tiles[own].copy())


def make_whole(loop: Loop, parameters: Any = None) -> None:
    """Let every rank have all of the model, or these parameters in its place, and of what belongs to it."""
    division = loop.rbm._parameters.division
    loop.rbm._parameters = loop.rbm._parameters.whole(loop.n_threads) if parameters is None else parameters
    if division is not None:
        _convert(loop, division.hidden.whole)


def complete(part: Any, state: dict[str, Any], division: Division | None) -> None:
    """Let a state that this part of a training gave be as one process has it."""
    if division is not None:
        for name in getattr(part, "divided_entries", ()):
            if name in state:
                state[name] = division.hidden.whole(state[name])


def _convert(loop: Loop, tiles_to: Callable[[np.ndarray], np.ndarray]) -> None:
    parts: tuple[Any, ...] = loop.gradient, loop.optimizer, loop.averaging
    for part in parts:
        owner = getattr(part, "_rbm", None)
        if hasattr(part, "_convert") and (owner is None or owner is loop.rbm):  # else it is of another model
            part._convert(tiles_to)
