"""A layer: units of one type, or a row of segments of several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from .._core import arrays, validate
from .._core.frame_columns import written
from .._core.reading import shown
from .bernoulli import Bernoulli
from .categorical import MOST_STATES, Categorical
from .gaussian import Gaussian
from .real import Real
from .relu import DReLU, ReLU
from .row import Row
from .spin import Spin
from .unit import Unit

LayerLike: TypeAlias = str | Unit | Sequence[Unit]
TYPES: dict[str, type[Unit]] = {kind.name: kind for kind in (Bernoulli, Spin, Categorical, Gaussian, ReLU, DReLU)}


def layer(description: Any, n: int, name: str) -> Unit:
    """The layer of n units that a user described: the name of a type, a description such as ``Spin(64)``, or a sequence
    of descriptions, its segments.

    TypeError or ValueError, which calls the argument by this name, where it is none of these, or of other than n units.
    """
    if isinstance(description, str):
        if description not in TYPES:
            raise ValueError(f"{name} must be one of {', '.join(TYPES)}, got {validate.shown(description)}")
        if description == Categorical.name:
            raise ValueError(
                f"{name} must say how many categories there are: Categorical(n_sites, n_states), whose n_sites times "
                f"n_states are {n} units"
            )
        return TYPES[description](n).settled()
    if isinstance(description, Row):
        description = description.segments
    segments = [description] if isinstance(description, Unit) else description
    if not isinstance(segments, Iterable) or isinstance(segments, (dict, set, np.ndarray)):
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
    return _joined(segments)


def _joined(segments: list[Unit]) -> Unit:
    """One layer of segments, neighbors of one type together."""
    joined: list[Unit] = []
    for segment in segments:
        segment = segment.settled()
        last = joined[-1] if joined else None
        if type(last) is not type(segment):
            joined.append(segment)
        elif isinstance(last, Categorical) and isinstance(segment, Categorical):
            joined[-1] = Categorical(last.n_sites + segment.n_sites, last.sizes + segment.sizes)
        elif isinstance(last, Real) and isinstance(segment, Real):
            joined[-1] = last.joined(segment)
        elif last is not None:
            joined[-1] = type(segment)(last.n + segment.n)
    return joined[0] if len(joined) == 1 else Row(joined)


def of_columns(description: Any, mean: np.ndarray, variance: np.ndarray) -> Any:
    """The description, with what it leaves open of real units taken from the data's columns, which have these means and
    variances, (columns,) each."""
    if isinstance(description, str):
        description = TYPES[description](mean.size)
    segments, column = [], 0
    for segment in _parts(description):
        own = slice(column, column + segment.n_columns)
        column = own.stop
        if isinstance(segment, Gaussian) and segment.open and column <= mean.size:
            segment = segment.of_columns(mean[own], variance[own])
        segments.append(segment)
    return segments


def is_open(description: Any) -> bool:
    """Whether a description of a layer leaves something open that data tell: of real units how many, or the mean and
    scale of their columns."""
    if isinstance(description, str):
        return description in TYPES and TYPES[description].real
    return any(getattr(segment, "open", False) for segment in _parts(description))


def _parts(description: Any) -> Sequence[Any]:
    """The segments of a description that need not be one."""
    if isinstance(description, Unit):
        return description.segments
    return description if isinstance(description, (list, tuple)) else ()


def reader(description: Any, name: str) -> Unit:
    """What reads the data of a layer, whose number of units is not known yet."""
    if isinstance(description, Row):
        return description
    return layer(description, 1 if isinstance(description, str) else _size(description), name)


def counted(description: Any, X: Any) -> Any:
    """The description, in which "categorical" is replaced by how many categories the data X show."""
    if not isinstance(description, str) or description != Categorical.name:
        return description
    array = arrays.numbers(X, "X", missing=True)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"X must have two dimensions, (examples, sites), and at least one of each, got {array.shape}")
    with np.errstate(invalid="ignore"):
        largest = np.nanmax(array) if array.dtype.kind == "f" else array.max()
    if not 0 <= largest < MOST_STATES:
        raise ValueError(f"X must hold codes from 0 to {MOST_STATES - 1} where units are categorical, got {largest:g}")
    return Categorical(array.shape[1], int(largest) + 1)


def of_table(table: Any) -> tuple[Any, np.ndarray, tuple[str, ...] | None, tuple[tuple[Any, ...] | None, ...]]:
    """(layer, codes, names, categories) of a described table; of real columns mean and scale are open."""
    units = [
        Categorical(len(sizes), sizes) if kind == Categorical.name else TYPES[kind](sizes)
        for kind, sizes in table.segments
    ]
    return side_by_side(units), table.codes, table.names, table.categories


def side_by_side(segments: list[Unit]) -> Unit:
    """A layer of segments; those whose mean and scale are open stay so until there are data."""
    if not is_open(segments):
        return _joined(segments)
    return Row(segments) if len(segments) > 1 else segments[0]


def values_of_columns(unit: Unit) -> tuple[tuple[int, ...] | None, ...]:
    """The values of each column: codes of a site, both of a unit of two; None of real ones."""
    values: list[tuple[int, ...] | None] = []
    for segment in unit.segments:
        if isinstance(segment, Categorical):
            values += [tuple(range(size)) for size in segment.sizes]
        else:
            own = None if segment.real else (int(segment.off), int(segment.off + segment.step))
            values += [own] * segment.n_columns
    return tuple(values)


def named(
    unit: Unit, names: Sequence[str] | None, categories: Any
) -> tuple[tuple[str, ...] | None, tuple[tuple[Any, ...] | None, ...] | None]:
    """The names of the columns of a layer, and the labels that their codes stand for, as a user gave them: labels of
    all columns, or a mapping from names or numbers of columns to labels. Columns without labels keep their values."""
    if names is not None:
        names = (names,) if isinstance(names, str) else tuple(names)
        if len(names) != unit.n_columns or len(set(names)) < len(names) or not all(type(n) is str for n in names):
            raise ValueError(f"names must be {unit.n_columns} different str, one a column, got {shown(str(names))}")
    if categories is None:
        return names, None
    labels: list[tuple[Any, ...] | None] = list(values_of_columns(unit))
    if isinstance(categories, Mapping):
        given = [(_column(key, names, unit.n_columns), own) for key, own in categories.items()]
    else:
        given = list(enumerate(categories))
        if len(given) != unit.n_columns:
            raise ValueError(f"categories must have an entry for each of {unit.n_columns} columns, got {len(given)}")
    for column, own in given:
        own, known = tuple(map(written, () if own is None else own)), labels[column]
        if own and known is None:
            raise ValueError(f"categories has labels of column {column}, which is of real numbers: {shown(str(own))}")
        if own and known is not None and (len(set(own)) != len(own) or len(own) != len(known)):
            raise ValueError(
                f"categories must be {len(known)} different labels of column {column}, got {shown(str(own))}"
            )
        labels[column] = own or known
    return names, tuple(labels)


def _column(key: Any, names: tuple[str, ...] | None, n_columns: int) -> int:
    """The number of a column that is named."""
    if names is not None and key in names:
        return names.index(key)
    at = arrays.index(key)
    if at is None or not 0 <= at < n_columns:
        raise ValueError(f"categories has {shown(str(key))}, which is no name of a column, and no number of one")
    return at


def from_segments(segments: list[dict[str, Any]], name: str) -> Unit:
    """A layer from what Unit.describe says of each of its segments, as a file has it."""
    units: list[Unit] = []
    for segment in segments:
        kind, n = segment["type"], segment["n"]
        if kind not in TYPES:
            raise ValueError(f"{name} has units of type {validate.shown(kind)}, which is not one of {', '.join(TYPES)}")
        if kind == Categorical.name:
            states: Any = segment.get("n_states")
            sites = segment.get("n_sites")
            each = states if isinstance(states, list) else [states]
            if type(sites) is not int or {type(n) for n in each} != {int}:
                raise ValueError(f"{name} must have n_sites and n_states where units are categorical")
            unit: Unit = Categorical(sites, states)
        else:
            unit = TYPES[kind](n, **_parameters(TYPES[kind], segment, name))
        if unit.n != n:
            raise ValueError(f"{name} must describe {n} units, got {unit.n}")
        units.append(unit)
    return layer(units, sum(unit.n for unit in units), name)


def _parameters(kind: type[Unit], segment: dict[str, Any], name: str) -> dict[str, np.ndarray]:
    """The parameters of real units in what a file says of them; their values are checked by the constructor."""
    found = {}
    for parameter in kind.defaults if issubclass(kind, Real) else ():
        if parameter in segment:
            given = segment[parameter]
            if not isinstance(given, list) or len(given) != segment["n"] or {type(x) for x in given} != {float}:
                raise ValueError(f"{name} must have a list of {segment['n']} numbers as {parameter}")
            found[parameter] = np.array(given)
    return found


def _size(description: Any) -> int:
    """The number of units of a description, if it is one."""
    segments = [description] if isinstance(description, Unit) else description
    return sum(getattr(segment, "n", 0) for segment in segments) if isinstance(segments, (list, tuple)) else 0


def _kind(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else validate.kind(value)
