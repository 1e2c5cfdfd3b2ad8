"""A training on several ranks: what cannot be divided among them, and how a model, and what belongs to it, is divided
and made whole again.

While a training goes on, a rank has its part of the weights, and of whatever has a number for each weight: velocities,
running means, averages. Such a part of a training names the entries of its state that hold weights' tiles first
(``divided_entries``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._core.division import Division
from ..gradient.tempered import Tempered
from ..moments import ROWS_A_PART
from ..ranks import Alone, Ranks

if TYPE_CHECKING:
    from ..rbm import RBM
    from .loop import Loop


def refuse(
    rbm: RBM, gradient: Any, optimizer: Any, sample_weight: Any, trajectory: Any, batch_size: int, averaging: Any
) -> None:
    """ValueError, which says why, where a training cannot be done on several ranks."""
    reason = ""
    for name, part in (("gradient", gradient), ("optimizer", optimizer), ("averaging", averaging)):
        if part is not None and not getattr(part, "divides", False):
            reason = f"{name} {type(part).__name__} needs all of the model on one rank"
    if getattr(gradient, "path", None) is not None:
        reason = "gradient.Tempered with a path needs other models beside this one"
    if rbm.visible.real:
        reason = "the visible units are real"
    if rbm.hidden.real and isinstance(gradient, Tempered):
        reason = "gradient.Tempered needs energies, which need all weights on one rank where hidden units are real"
    if not rbm.visible.even:
        reason = "visible units with steps of their own need moments, which need all weights on one rank"
    if sample_weight is not None:
        reason = "with sample_weight, sums depend on their order"
    if trajectory is not None and trajectory is not False:
        reason = "a trajectory keeps whole models"
    if batch_size > ROWS_A_PART:
        reason = f"batch_size must be at most {ROWS_A_PART:,}, and is {batch_size:,}"
    if reason:
        raise ValueError(f"comm: several ranks cannot do this training together: {reason}")


def divide(loop: Loop, ranks: Alone | Ranks) -> None:
    """Leave this rank its part of the model, and of what belongs to it."""
    if isinstance(ranks, Ranks) and loop.rbm._parameters.division is None:
        division = Division(ranks, loop.rbm._parameters.units)
        loop.rbm._parameters = loop.rbm._parameters.divided(division)
        own = division.hidden.own_tiles
        _convert(loop, lambda tiles: tiles[own])


def make_whole(loop: Loop, parameters: Any = None) -> None:
    """Let every rank have all of the model, or these parameters in its place, and of what belongs to it."""
    division = loop.rbm._parameters.division
    if division is not None:
        loop.rbm._parameters = loop.rbm._parameters.whole(loop.n_threads) if parameters is None else parameters
        _convert(loop, division.hidden.whole)


def complete(part: Any, state: dict[str, Any], division: Division | None) -> None:
    """Let a state that this part of a training gave be as one process has it."""
    if division is not None:
        for name in getattr(part, "divided_entries", ()):
            if name in state:
                state[name] = division.hidden.whole(state[name])


def _convert(loop: Loop, tiles_to: Any) -> None:
    parts: list[tuple[Any, tuple[Any, ...]]] = [
        (loop.gradient, (loop.rbm,)),
        (loop.optimizer, ()),
        (loop.averaging, ()),
    ]
    for part, more in parts:
        names = getattr(part, "divided_entries", ())
        if not names or getattr(part, "_rbm", None) not in (None, loop.rbm):  # what it has is of another model
            continue
        state = part.get_state()
        if any(name in state for name in names):
            part.set_state(state | {name: tiles_to(state[name]) for name in names if name in state}, *more)
            if hasattr(part, "_rbm"):
                part._rbm = loop.rbm
