"""Examples of a layer of segments whose units of two values are fractions of on, from which states are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import arrays, validate
from .bits import BitMatrix, of_planes, packed
from .planes import places

if TYPE_CHECKING:
    from ..units.unit import Unit


class Fractions:
    """Each unit of two values is on with a probability of its own; sites and real units are as they are.

    Attributes
    ----------
    states : BitMatrix
        Of the layer, with all units of two values off.
    probabilities : float32 (n, units of two values)
        Of on, segment by segment.
    unit : description
        The layer.
    shape : (n, V)
    dtype : of what :meth:`toarray` gives
    """

    dtype = np.dtype(np.float32)

    def __init__(self, states: BitMatrix, probabilities: np.ndarray, unit: Unit) -> None:
        self.states, self.probabilities, self.unit = states, np.ascontiguousarray(probabilities, np.float32), unit
        self.shape = states.shape

    @classmethod
    def read(
        cls, X: Any, unit: Unit, name: str, rows: Sequence[int] | np.ndarray | None = None
    ) -> BitMatrix | Fractions:
        """A user's array of a layer's values, or of numbers between those of its units of two values; a BitMatrix
        where there are none between. rows: as for validate.states."""
        array = arrays.numbers(X, name, sparse=True)
        validate.check_width(array, unit.n_columns, name, unit)
        if arrays.is_sparse(array):
            if array.shape[1] != unit.n:
                raise ValueError(f"{name} must be dense where a layer has several segments")
            array = array.toarray()
        wide = array.shape[1] == unit.n and unit.n != unit.n_columns
        parts: list[np.ndarray] = []
        fractions: list[np.ndarray] = []
        start = 0
        for segment in unit.segments:
            own = array[:, start : start + (segment.n if wide else segment.n_columns)]
            drawn = segment.layout is None
            part = segment.parts(own, drawn)
            if part is None:
                raise ValueError(segment.complaint(own, name, drawn, rows, first_column=start))
            parts.append(part)
            fractions += [part] if drawn else []
            start += own.shape[1]
        if all(part.dtype == np.uint8 for part in fractions):
            return packed(np.concatenate(parts, axis=1), unit, name)
        off = [
            np.zeros(part.shape, np.uint8) if segment.layout is None else part
            for segment, part in zip(unit.segments, parts, strict=True)
        ]
        return cls(packed(np.concatenate(off, axis=1), unit, name), np.concatenate(fractions, axis=1), unit)

    def __len__(self) -> int:
        return len(self.states)

    def __getitem__(self, examples: slice | np.ndarray) -> Fractions:
        return Fractions(self.states[examples], self.probabilities[examples], self.unit)

    def with_bits(self, bits: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """These rows (...) of the states as bytes, uint8 (..., rows of planes), in which the units of two values are
        those of bits (..., ceil(units/8)), 8 to a byte, segment by segment."""
        out = np.ascontiguousarray(self.states.planes.T[rows])
        segments = [(place, segment.n) for segment, place, _ in places(self.unit) if segment.layout is None]
        if len(segments) == 1:
            out[..., segments[0][0]] = bits
            return out
        on, start = np.unpackbits(bits, axis=-1, bitorder="little"), 0
        for place, n in segments:  # which begin at a byte of their own
            out[..., place] = np.packbits(on[..., start : start + n], axis=-1, bitorder="little")
            start += n
        return out

    def hardened(self) -> BitMatrix:
        """The likeliest states."""
        bits = np.packbits(self.probabilities >= 0.5, axis=1, bitorder="little")
        planes = self.with_bits(bits, np.arange(len(self)))
        return of_planes(np.ascontiguousarray(planes.T), self.unit)

    def settled(self) -> BitMatrix | Fractions:
        """These examples as states, where none of their units is between two values."""
        whole = bool(((self.probabilities == 0) | (self.probabilities == 1)).all())
        return self.hardened() if whole else self

    def toarray(self) -> np.ndarray:
        """(n, V): probabilities of on, and which units of sites are; the values of real units."""
        return self.filled(self.states.to_values(), self.probabilities)

    def filled(self, numbers: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Numbers (..., V) with those of the units of two values, (..., these), in their places."""
        unit = start = 0
        for segment in self.unit.segments:
            if segment.layout is None:
                numbers[..., unit : unit + segment.n] = own[..., start : start + segment.n]
                start += segment.n
            unit += segment.n
        return numbers
