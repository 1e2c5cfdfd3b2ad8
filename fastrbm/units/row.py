"""A row of segments: units of several types side by side in one layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._core.settings import once
from .unit import Unit, read_only


class Row(Unit):
    """A layer of several segments, in the order of the data's columns: pixels and a label, answers of several kinds.

    It is made of a list of descriptions, as ``visible=[Bernoulli(784), Categorical(1, 10)]``.

    Attributes
    ----------
    segments : tuple of descriptions
    n, n_columns : int
        Units and columns of all of them.
    """

    name = "segments"
    _segments: tuple[Unit, ...]

    def __init__(self, segments: Sequence[Unit]) -> None:
        object.__setattr__(self, "_segments", tuple(segments))
        spins = any(segment.shifted for segment in segments)
        for name, value in (
            ("off", np.concatenate([np.full(s.n, s.off) for s in segments]) if spins else 0.0),
            ("step", np.concatenate([np.full(s.n, s.step) for s in segments]) if spins else 1.0),
            ("dtype", _dtype(segments)),
        ):
            object.__setattr__(self, name, value)
        super().__init__(sum(segment.n for segment in segments))

    @property
    def segments(self) -> tuple[Unit, ...]:
        return self._segments

    @property
    def n_columns(self) -> int:
        return sum(segment.n_columns for segment in self.segments)

    @once
    def layout(self) -> tuple[tuple[str, Any], ...]:
        return tuple(pair for s in self.segments for pair in (s.layout or ((s.name, s.n),)))

    @once
    def real(self) -> bool:
        return any(segment.real for segment in self.segments)

    @once
    def plain(self) -> Row:
        return Row([segment.plain for segment in self.segments])

    def with_beta(self, beta: float) -> Row:
        return Row([segment.with_beta(beta) for segment in self.segments])

    def between(self, other: Unit, bias: np.ndarray, other_bias: np.ndarray, s: float) -> tuple[np.ndarray, Unit]:
        pairs = [
            one.between(two, bias[at], other_bias[at], s)
            for (one, at), two in zip(self._units(), other.segments, strict=True)
        ]
        return np.concatenate([part for part, _ in pairs]), Row([unit for _, unit in pairs])

    @property
    def gammas(self) -> np.ndarray | None:
        own = [segment.gammas for segment in self.segments]
        if all(gammas is None for gammas in own):
            return None
        ones = (np.ones(segment.n, np.float32) for segment in self.segments)
        return np.concatenate([one if given is None else given for one, given in zip(ones, own, strict=True)])

    def with_gammas(self, gammas: np.ndarray) -> Row:
        row, _ = object.__new__(Row), self.plain
        vars(row).update(vars(self))  # which gammas are no part of, but for these:
        vars(row).pop("_sides", None)
        vars(row)["_segments"] = tuple(segment.with_gammas(gammas[at]) for segment, at in self._units())
        return row

    def sides(self) -> np.ndarray:
        return self._sides

    @once
    def _sides(self) -> np.ndarray:
        return read_only(np.concatenate([segment.sides() for segment in self.segments], axis=1))

    @property
    def numbers(self) -> str:  # type: ignore[override]
        return ", ".join(dict.fromkeys(segment.numbers for segment in self.segments))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Row) and self.segments == other.segments

    def __hash__(self) -> int:
        return hash((Row, self.segments))

    def _columns(self) -> list[tuple[Unit, slice]]:
        """Each segment with its columns."""
        return _slices(self.segments, [segment.n_columns for segment in self.segments])

    def _units(self) -> list[tuple[Unit, slice]]:
        return _slices(self.segments, [segment.n for segment in self.segments])

    def parts(self, array: np.ndarray, fractions: bool) -> np.ndarray | None:
        wide = array.shape[1] == self.n and self.n != self.n_columns  # a column for each unit
        fractions = fractions and not self.real
        read = [s.parts(array[:, at], fractions) for s, at in (self._units() if wide else self._columns())]
        parts = [part for part in read if part is not None]
        if len(parts) < len(read):
            return None
        if self.real or all(part.dtype == np.uint8 for part in parts):
            return np.concatenate(parts, axis=1)  # int32 where any is real
        return np.concatenate([_fractions(s, part) for s, part in zip(self.segments, parts, strict=True)], axis=1)

    def complaint(
        self, array: np.ndarray, name: str, fractions: bool, rows: Sequence[int] | np.ndarray | None,
        places: tuple[np.ndarray, np.ndarray] | None = None, first_column: int = 0,
    ) -> str:  # fmt: skip
        if places is not None:
            return f"{name} must be dense where a layer has several segments"
        wide = array.shape[1] == self.n and self.n != self.n_columns
        fractions = fractions and not self.real
        for segment, at in self._units() if wide else self._columns():
            if segment.parts(array[:, at], fractions) is None:
                return segment.complaint(array[:, at], name, fractions, rows, first_column=first_column + at.start)
        return f"{name} must hold {self.numbers}"

    def values(self, parts: np.ndarray) -> np.ndarray:
        if parts.dtype.kind == "f":  # fractions, one a unit
            return self.off + self.step * parts
        return np.concatenate([s.values(parts[:, at]).astype(self.dtype) for s, at in self._columns()], axis=1)

    def units_on(self, parts: np.ndarray) -> np.ndarray:
        return np.concatenate([segment.units_on(parts[:, at]) for segment, at in self._columns()], axis=1)

    def mean(self, probability: np.ndarray) -> np.ndarray:
        return np.concatenate([segment.mean(probability[..., at]) for segment, at in self._units()], axis=-1)

    def log_odds(self, field: np.ndarray) -> np.ndarray:
        return self.step * field

    def cgf(self, field: np.ndarray) -> np.ndarray:
        return np.concatenate([segment.cgf(field[..., at]) for segment, at in self._units()], axis=-1)

    def mean_of(self, field: np.ndarray) -> np.ndarray:
        return np.concatenate([segment.mean_of(field[..., at]) for segment, at in self._units()], axis=-1)

    def expected(self, means: np.ndarray) -> np.ndarray:
        return np.concatenate([segment.expected(means[:, at]) for segment, at in self._units()], axis=1)

    def hardened(self, fractions: np.ndarray) -> np.ndarray:
        return np.concatenate([segment.hardened(fractions[:, at]) for segment, at in self._units()], axis=1)

    def drawn(self, fractions: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        pairs = zip(self._units(), self._columns(), strict=True)
        return np.concatenate([one.drawn(fractions[:, at], numbers[:, by]) for (one, at), (_, by) in pairs], axis=1)

    @property
    def n_states_of_columns(self) -> tuple[int, ...]:
        return tuple(n for segment in self.segments for n in segment.n_states_of_columns)

    @property
    def units_of_columns(self) -> tuple[int, ...]:
        return tuple(n for segment in self.segments for n in segment.units_of_columns)

    @property
    def log_scales(self) -> np.ndarray:
        return np.concatenate([segment.log_scales for segment in self.segments])

    def own_energy(self, parts: np.ndarray) -> np.ndarray:
        energies = [segment.own_energy(parts[:, at]) for segment, at in self._columns()]
        return np.add.accumulate(energies, axis=0)[-1]

    def bias_of(self, sums: np.ndarray, n: float | np.ndarray, log: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        n = np.broadcast_to(n, sums.shape)
        return np.concatenate([segment.bias_of(sums[at], n[at], log) for segment, at in self._units()])

    def zero_sum(self, field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts = [segment.zero_sum(field[at]) for segment, at in self._units()]
        return np.concatenate([part for part, _ in parts]), np.sum([off for _, off in parts], axis=0)

    def __reduce__(self) -> tuple[Any, ...]:
        return Row, (self.segments,)

    def __repr__(self) -> str:
        return f"[{', '.join(map(repr, self.segments))}]"


def _dtype(segments: Sequence[Unit]) -> Any:
    """What holds the values of all segments."""
    if any(segment.real for segment in segments):
        return np.float64
    if not any(segment.shifted for segment in segments):
        return np.uint8
    return np.int16 if any(segment.layout for segment in segments) else np.int8  # codes and -1 fit int16


def _slices(segments: tuple[Unit, ...], lengths: list[int]) -> list[tuple[Unit, slice]]:
    ends = np.add.accumulate([0, *lengths]).tolist()
    return [(segment, slice(a, b)) for segment, a, b in zip(segments, ends[:-1], ends[1:], strict=True)]


def _fractions(segment: Unit, part: np.ndarray) -> np.ndarray:
    """Of which units are on, one a unit."""
    return part if part.dtype != np.uint8 else segment.units_on(part).astype(np.float64)
