"""A layer: units of one type, or a row of segments of several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from .._core import validate
from .bernoulli import Bernoulli
from .spin import Spin
from .unit import Unit

LayerLike: TypeAlias = str | Unit | Sequence[Unit]
TYPES: dict[str, type[Unit]] = {kind.name: kind for kind in (Bernoulli, Spin)}


def layer(description: Any, n: int, name: str) -> Unit:
    """The layer of n units that a user described: the name of a type, a description such as ``Spin(64)``, or a sequence
    of descriptions, its segments.

    TypeError or ValueError, which calls the argument by this name, where it is none of these, or of other than n units.
    """
    if isinstance(description, str):
        if description not in TYPES:
            raise ValueError(f"{name} must be one of {', '.join(TYPES)}, got {validate.shown(description)}")
        return TYPES[description](n)
    segments = [description] if isinstance(description, Unit) else description
    if not isinstance(segments, Iterable) or isinstance(segments, (dict, set)):
        raise TypeError(f"{name} must be the name of a unit type, or a description of units, not {_kind(description)}")
    segments = list(segments)
    for segment in segments:
        if not isinstance(segment, Unit):
            raise TypeError(f"{name} must be made of descriptions of units, such as Spin({n}), not {_kind(segment)}")
    if not segments:
        raise ValueError(f"{name} must describe {n} units, got none")
    total = sum(segment.n for segment in segments)
    if total != n:
        raise ValueError(f"{name} must describe {n} units, got {total}")
    if len({type(segment) for segment in segments}) != 1:
        kinds = ", ".join(dict.fromkeys(type(segment).__name__ for segment in segments))
        raise ValueError(f"{name} must be of one unit type; layers of several ({kinds}) are not supported yet")
    return type(segments[0])(n)


def reader(description: Any, name: str) -> Unit:
    """What reads the data of a layer, whose number of units is not known yet."""
    return layer(description, 1 if isinstance(description, str) else _size(description), name)


def from_segments(segments: list[tuple[str, int]], name: str) -> Unit:
    """A layer from (type, units) of each of its segments, as a file has them."""
    for kind, _ in segments:
        if kind not in TYPES:
            raise ValueError(f"{name} has units of type {validate.shown(kind)}, which is not one of {', '.join(TYPES)}")
    return layer([TYPES[kind](n) for kind, n in segments], sum(n for _, n in segments), name)


def _size(description: Any) -> int:
    """The number of units of a description, if it is one."""
    segments = [description] if isinstance(description, Unit) else description
    return sum(getattr(segment, "n", 0) for segment in segments) if isinstance(segments, (list, tuple)) else 0


def _kind(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else validate.kind(value)
