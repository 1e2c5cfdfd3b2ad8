"""One column of the data apart from the others: the label of a joint model."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._core import arrays, frames, validate
from .._core.layout import to_fixed_point
from ..states.bits import BitMatrix, CodeMatrix, packed
from ..states.fractions import Fractions
from ..states.planes import places
from ..units.categorical import Categorical
from ..units.layer import layer
from ..units.unit import Unit

MISSING = -1  # of a label: absent


class LabelColumn:
    """A column of the data of a layer, a site or a unit of two values, and the layer that the others are.

    Attributes
    ----------
    index : int
        Of the column.
    n_states : int
        Of the site; 2 of a unit.
    units : slice
        The column's units: one for each category, or one.
    row, bit : int
        Where planes have it; bit -1: all of the row is a site.
    can_miss : bool
        Whether an example may be without it: a site.
    """

    def __init__(self, unit: Unit, column: int, name: str = "column") -> None:
        n_columns = unit.n_columns
        at = arrays.index(column)
        if at is None:
            cure = f": rbm.visible_names.index({column!r}) is that of a name" if isinstance(column, str) else ""
            raise TypeError(f"{name} must be the number of a column, not {arrays.kind(column)}{cure}")
        if not -n_columns <= at < n_columns:
            raise ValueError(f"{name} must be one of the {n_columns} columns of the data, got {column}")
        if n_columns < 2:
            raise ValueError("the model has a single column: a label needs others that it is given")
        self.unit, self.index = unit, at % n_columns
        self.n_states = unit.n_states_of_columns[self.index]
        self._find()

    def _find(self) -> None:
        others: list[Unit] = []
        first = 0
        for segment, rows, columns in places(self.unit):
            own, row = self.index - columns.start, rows.start
            if not 0 <= own < segment.n_columns:
                others.append(segment)
            else:
                self.segment = segment
                if segment.real:
                    raise ValueError(
                        f"column {self.index} has real values: a label must be a site or a unit of two values"
                    )
                if isinstance(segment, Categorical):
                    start = first + int(segment.offsets[own])
                    self.units, self.row, self.bit = slice(start, start + self.n_states), row + own, -1
                    sizes = segment.sizes[:own] + segment.sizes[own + 1 :]
                    others += [Categorical(len(sizes), sizes)] if sizes else []
                else:
                    self.units, self.row, self.bit = slice(first + own, first + own + 1), row + own // 8, own % 8
                    others += [type(segment)(segment.n - 1)] if segment.n > 1 else []
            first += segment.n
        self.others = layer(others, sum(segment.n for segment in others), "visible")

    @property
    def can_miss(self) -> bool:
        return self.bit < 0

    # ------------------------------------------------------------ states

    def labels(self, states: BitMatrix | np.ndarray) -> np.ndarray:
        """The states that the column is in, int32 (n,), -1 where it is absent; of checked states, or float64 (n, V) of
        which part units are on, whose label must not be between its states."""
        if isinstance(states, BitMatrix):
            row = states._planes[self.row]
            if self.bit >= 0:
                return ((row >> np.uint8(self.bit)) & 1).astype(np.int32)
            codes = row.astype(np.int32)
            codes[codes >= self.n_states] = MISSING
            return codes
        own = states[:, self.units]
        if not bool(((own == 0) | (own == 1)).all()):
            raise ValueError(f"X must hold labels in column {self.index}, not fractions of them")
        if self.bit >= 0:
            return own[:, 0].astype(np.int32)
        return np.where(own.any(axis=1), own.argmax(axis=1), MISSING).astype(np.int32)

    def with_labels(self, states: BitMatrix | np.ndarray, labels: np.ndarray | None) -> Any:
        """A copy of states with these labels (n,), -1: absent; None: all of them absent, or off."""
        if not isinstance(states, BitMatrix):
            fractions = states.copy()
            fractions[:, self.units] = 0.0
            if labels is not None and self.can_miss:
                rows = np.flatnonzero(labels >= 0)
                fractions[rows, self.units.start + labels[rows]] = 1.0
            elif labels is not None:
                fractions[:, self.units.start] = labels
            return fractions
        out = states.copy()
        row = out._planes[self.row]
        if self.can_miss:
            row[...] = self.n_states if labels is None else np.where(labels < 0, self.n_states, labels)
        else:
            mask = np.uint8(1 << self.bit)
            row &= ~mask
            if labels is not None:
                row |= np.where(labels > 0, mask, np.uint8(0))
        return out

    def joined_states(self, states: BitMatrix, labels: np.ndarray) -> BitMatrix:
        """These states, and behind them some of a label by itself: all other sites absent, all other units off, or
        0."""
        n, planes = len(states), states._planes
        out = np.zeros((len(planes), n + len(labels)), np.uint8)
        out[:, :n] = planes
        for segment, rows, _ in places(self.unit):
            if segment.layout and not segment.real:
                out[rows, n:] = np.array(segment.n_states_of_columns, np.uint8)[:, None]
        out[self.row, n:] = labels if self.can_miss else np.where(labels > 0, 1 << self.bit, 0)
        return states._like(out)

    def numbers(self, states: np.ndarray, steps: Any) -> np.ndarray:
        """Fractions of on without the label as kernels.label_terms takes them. steps: between the values of each
        unit."""
        out = to_fixed_point(self.with_labels(states, None))
        return out if steps is None else out * np.asarray(steps)

    # ------------------------------------------------------------ what users pass

    def read(self, rbm: Any, X: Any, labels: bool, name: str = "X") -> Any:
        """A user's X as states of the layer: a BitMatrix, or float64 (n, V) of which part units are on.

        The label's column counts where labels are to be read: a state of it, or, of a site, -1, NaN or one more than
        the largest category where the label is absent. Else whatever is there counts for nothing, and X may lack the
        column.
        """
        if isinstance(X, BitMatrix):
            return self._of_states(X, name)
        if arrays.is_frame(X) and rbm.visible_categories is not None:
            X = self._coded(rbm, X, labels, name)
        else:
            known = rbm.visible_names
            if known is not None and not labels:
                known = known if len(known) == _width(X) else self._without(known)
            validate.check_names(arrays.names_of(X), known, name)
        array = arrays.numbers(X, name, missing=True)
        if array.ndim != 2:
            raise ValueError(f"{name} must have two dimensions, (examples, columns), got shape {array.shape}")
        codes, rest = self._split(array, labels, name)
        others = self.others
        parts = others.parts(rest, True)
        if parts is None:
            raise ValueError(others.complaint(rest, name, True, None))
        return self.joined(parts, codes)

    def fractions(self, X: Any, name: str = "X") -> BitMatrix | Fractions:
        """A user's X with its labels, as read takes them, and units of two values that may be fractions of on."""
        if isinstance(X, BitMatrix):
            return self._of_states(X, name)
        array = arrays.numbers(X, name, missing=True)
        validate.check_width(array, self.unit.n_columns, name, self.unit)
        codes, rest = self._split(array, True, name)
        if not self.can_miss:
            return Fractions.read(array, self.unit, name)
        others = Fractions.read(rest, self.others, name)
        if isinstance(others, BitMatrix):
            return self.joined(others.to_states(), codes)
        return Fractions(self.joined(others.states.to_states(), codes), others.probabilities, self.unit)

    def joined(self, parts: np.ndarray, labels: np.ndarray | None) -> Any:
        """States of the layer, of those of the other columns as Unit.parts gives them, and labels (n,); -1, or None for
        all: absent, or off."""
        n = len(parts)
        if parts.dtype != np.float64:
            codes = np.full(n, self.n_states if self.can_miss else 0, parts.dtype)
            if labels is not None:
                codes[labels >= 0] = labels[labels >= 0]
            whole = np.concatenate([parts[:, : self.index], codes[:, None], parts[:, self.index :]], axis=1)
            return packed(whole, self.unit)
        start, stop = self.units.start, self.units.stop
        wide = np.concatenate([parts[:, :start], np.zeros((n, stop - start)), parts[:, start:]], axis=1)
        return self.with_labels(wide, labels)

    def _of_states(self, states: BitMatrix, name: str) -> Any:
        own = states.unit if isinstance(states, CodeMatrix) else None
        if _alike(own, self.unit) or (own is None and self.unit.layout is None and states.n_units == self.unit.n):
            return states
        if _alike(own, self.others) or (own is None and self.others.layout is None and states.n_units == self.others.n):
            return self.joined(states.to_states(), None)
        raise ValueError(f"{name} holds states of other units than the model's {self.unit!r}")

    def _coded(self, rbm: Any, frame: Any, labels: bool, name: str) -> np.ndarray:
        names, categories = rbm.visible_names, rbm.visible_categories
        if labels or _width(frame) == len(categories):
            return frames.encode_frame(frame, names, categories, name)
        return frames.encode_frame(frame, self._without(names), self._without(categories), name)

    def _without(self, values: Any) -> Any:
        return None if values is None else values[: self.index] + values[self.index + 1 :]

    def _split(self, array: np.ndarray, labels: bool, name: str) -> tuple[np.ndarray | None, np.ndarray]:
        """The labels (n,), None where there are none, and the other columns."""
        width, unit, others = array.shape[1], self.unit, self.others
        own = slice(self.index, self.index + 1)
        if width == unit.n_columns:
            rest = np.delete(array, own, axis=1)
            return (self._codes(array[:, self.index], name) if labels else None), rest
        if width == others.n_columns and not labels:
            return None, array
        if width == unit.n:
            codes = self._codes_of_units(array[:, self.units], name) if labels else None
            return codes, np.delete(array, self.units, axis=1)
        if width == others.n and not labels:
            return None, array
        more = f" (or {others.n_columns}, without the label)" if not labels else ""
        raise ValueError(f"{name} has {width} columns where the model has {unit.n_columns}{more}")

    def _codes(self, column: np.ndarray, name: str) -> np.ndarray:
        """Labels of a column of numbers, int32 (n,), -1 where they are absent."""
        if self.bit >= 0:
            parts = self.segment.parts(column[:, None], False) if not _has_nan(column) else None
            if parts is None:
                low, high = self.segment.off, self.segment.off + self.segment.step
                raise ValueError(
                    f"{name} must hold {low:g} or {high:g} in column {self.index}, the label (one that may be absent "
                    "needs a categorical unit)"
                )
            return parts[:, 0].astype(np.int32)
        missing = np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), bool)
        codes = np.where(missing, MISSING, column)
        bad = (np.abs(codes - np.rint(codes)) > validate.ROUNDING) | (codes < -1.5) | (codes > self.n_states + 0.5)
        if bool(bad.any()):
            row = int(np.argmax(bad))
            raise ValueError(
                f"{name} must hold labels from 0 to {self.n_states - 1} in column {self.index}, or -1 or NaN where "
                f"there is none; {name}[{row}, {self.index}] is {float(column[row]):g}"
            )
        codes = np.rint(codes).astype(np.int32)
        return np.where(codes == self.n_states, np.int32(MISSING), codes)

    def _codes_of_units(self, on: np.ndarray, name: str) -> np.ndarray:
        on = np.where(np.isnan(on), 0, on) if on.dtype.kind == "f" else on
        if not bool(((on == 0) | (on == 1)).all()) or bool((on.sum(axis=1) > 1).any()):
            raise ValueError(f"{name} must have at most a single 1 among the {self.n_states} columns of the label")
        return np.where(on.any(axis=1), on.argmax(axis=1), MISSING).astype(np.int32)


def _alike(one: Unit | None, other: Unit) -> bool:
    return one is not None and one.plain == other.plain


def _has_nan(array: np.ndarray) -> bool:
    return array.dtype.kind == "f" and bool(np.isnan(array).any())


def _width(X: Any) -> int | None:
    """The number of columns of an array or a data frame, dicts included."""
    if isinstance(X, dict):
        return len(X)
    shape = getattr(X, "shape", None)
    return shape[1] if isinstance(shape, tuple) and len(shape) == 2 else None
