"""Where the batches of a training come from: an array in memory, one on disk, or batches that the user makes."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import _gibbs, _random, _threads, _validate
from ._kernels import FIXED_BITS, kernels
from .bits import BitMatrix

SAMPLE = 256  # cases that are measured as training goes on
_DRAW = 32  # drawing a state costs as much as so many connections; see _threads.PASS
_DRAWN = 1 << 20  # numbers that are turned into float32 at a time, to draw from
_PART = 1 << 24  # numbers of an array on disk that are read at a time


def source_of(X, n_units: int, batch_size: int, seed: int, sample_weight=None, draw: bool = False):
    """The source for fit's X."""
    if isinstance(X, (list, tuple)) and len(X) and getattr(X[0], "ndim", 0) == 2:
        raise TypeError(
            f"X must not be a {type(X).__name__} of arrays: join them to one array (n, V), or give batches as an "
            "object of a class with __len__ and __iter__"
        )
    if is_array(X):
        kind = OnDisk if isinstance(X, np.memmap) else InMemory
        return kind(X, n_units, batch_size, seed, sample_weight, draw)
    if sample_weight is not None:
        raise ValueError("sample_weight needs X to be an array: batches of your own carry no weights")
    return Batches(X, n_units, seed, draw)


def is_array(X: object) -> bool:
    return isinstance(X, (BitMatrix, list, tuple)) or hasattr(X, "__array__") or hasattr(X, "shape")


class InMemory:
    """Batches of an array, in an order that is drawn anew for each epoch.

    Attributes
    ----------
    n : int
        Cases.
    n_batches : int
        Batches an epoch; the last one is shorter where the size does not divide n.
    mean_weight : float
        Of the cases; 1 where they have no weights.
    """

    def __init__(
        self, X, n_units: int, batch_size: int = 128, seed: int = 0, sample_weight=None, draw: bool = False
    ) -> None:
        self._data: Any = self._keep(X, n_units)
        self.n = self._data.shape[0]
        # the bytes of a case side by side: from planes each would come by a cache line of its own
        self._packed: np.ndarray | None = None
        if isinstance(self._data, BitMatrix):
            self._packed = self._data = np.ascontiguousarray(self._data.planes.T)
        if self.n == 0:
            raise ValueError("X must have at least one case")
        self._weight = None if sample_weight is None else _validate.sample_weight(sample_weight, self.n)
        self.mean_weight = 1.0 if self._weight is None else math.fsum(self._weight) / self.n
        self._n_units, self._size, self._seed, self._draw = n_units, batch_size, seed, draw
        if draw and isinstance(self._data, np.ndarray) and not isinstance(self._data, np.memmap):
            self._data = np.ascontiguousarray(self._data, np.float32)  # as they are drawn from
        self.n_batches = -(-self.n // batch_size)
        self._ordered: tuple[int, np.ndarray] = 0, np.zeros(0, np.intp)

    def _keep(self, X, n_units: int) -> BitMatrix | np.ndarray:
        data = _gibbs.states_given(X, n_units, "X", fractions=True)
        if isinstance(data, np.ndarray) and isinstance(X, np.ndarray) and X.dtype.kind == "f":
            return X  # fractions, which may take less memory as they are
        return data

    def _rows(self, cases: np.ndarray):
        if self._packed is not None:
            return BitMatrix(np.ascontiguousarray(self._packed.take(cases, axis=0).T), self._n_units)
        return self._data[cases].astype(np.float64)

    def order(self, epoch: int) -> np.ndarray:
        """The cases, in the order of an epoch (counted from 1)."""
        if self._ordered[0] != epoch:
            self._ordered = epoch, _random.permutation(self.n, self._seed, _random.SHUFFLE, epoch)
        return self._ordered[1]

    @property
    def in_bits(self) -> bool:
        """Whether all batches are bits without weights, which part() gives many of at a time."""
        return self._weight is None and (self._packed is not None or self._draw)

    def part(self, epoch: int, first: int, n: int, n_threads: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(packed, cases, ends) of n batches of an epoch, from the first-th on: batch k is the rows
        cases[ends[k] : ends[k + 1]] of packed, uint8 (rows, ceil(V/8))."""
        order, ends = self.order(epoch), np.minimum(np.arange(first, first + n + 1) * self._size, self.n)
        if self._packed is not None:
            return self._packed, order, ends
        drawn = self._drawn(order[ends[0] : ends[-1]], epoch, int(ends[0]), n_threads)
        return drawn, np.arange(len(drawn)), ends - ends[0]

    def _drawn(self, cases: np.ndarray, epoch: int, first: int, n_threads: int | None) -> np.ndarray:
        """States drawn from these cases, which are the first-th of the epoch's order and those that follow."""
        return drawn_states(self._data, cases, self._seed, epoch, first, n_threads)

    def batches(self, epoch: int, first: int = 0) -> Iterator[tuple[BitMatrix | np.ndarray, np.ndarray | None]]:
        """(states, weights or None) of the batches of an epoch (counted from 1), from the first-th on."""
        order = self.order(epoch)
        for k in range(first, self.n_batches):
            cases = order[k * self._size : (k + 1) * self._size]
            if self._draw and self._packed is None:
                states = _planes(self._drawn(cases, epoch, k * self._size, 1), self._n_units)
            else:
                states = self._rows(cases)
            yield states, None if self._weight is None else self._weight[cases]

    def sample(self) -> np.ndarray:
        """Up to 256 cases from all over the data, (n, V) uint8 or float64; where they have weights, at even steps of
        weight, so that means over the sample are weighted ones."""
        cases = np.linspace(0, self.n - 1, min(self.n, SAMPLE)).astype(np.intp)
        if self._weight is not None:
            ends = np.add.accumulate(self._weight)
            cases = np.searchsorted(ends, (np.arange(SAMPLE) + 0.5) / SAMPLE * ends[-1], side="right")
        rows = self._rows(cases)
        return rows.to_states() if isinstance(rows, BitMatrix) else rows

    def describe(self) -> str:
        """What a checkpoint remembers of the data, so as not to go on with others: a checksum of all of them, or of a
        sample of an array on disk."""
        weight = "" if self._weight is None else f", weights {zlib.crc32(self._weight.tobytes()):08x}"
        drawn = ", drawn" if self._draw else ""
        return f"{self.n} cases of {self._n_units} units, checksum {self._checksum():08x}{weight}{drawn}"

    def _checksum(self) -> int:
        sum_ = 0
        for row in self._data if self._packed is None else self._packed.T:
            sum_ = zlib.crc32(np.ascontiguousarray(row).data, sum_)
        return sum_


class OnDisk(InMemory):
    """Of a memory-mapped array: the rows of each batch are read, and checked, when it is their turn."""

    def _keep(self, X, n_units: int):
        if X.ndim != 2:
            raise ValueError(f"X must have two dimensions, (cases, units), got shape {X.shape}")
        _validate.states(X[:1], n_units, "X", fractions=True)  # says what is wrong with its shape or kind
        return X

    def _checksum(self) -> int:
        return zlib.crc32(self.sample().tobytes())

    def _drawn(self, cases: np.ndarray, epoch: int, first: int, n_threads: int | None) -> np.ndarray:
        out, step = [], max(1, _DRAWN // self._n_units)
        for start in range(0, len(cases), step):
            rows = self._rows(cases[start : start + step])
            if isinstance(rows, BitMatrix):
                out.append(rows.planes.T)
            else:
                out.append(drawn_states(rows, np.arange(len(rows)), self._seed, epoch, first + start, n_threads))
        return np.concatenate(out)

    def _rows(self, cases: np.ndarray):
        order = np.argsort(cases)  # in the order of the file, then put back
        rows = np.empty((cases.size, self._data.shape[1]), self._data.dtype)
        rows[order] = self._data[cases[order]]
        return _gibbs.states_given(rows, self._n_units, "X", fractions=True)


class Batches:
    """Batches (n, V) that the user's object yields, the same number in every epoch. What their order is, is its
    affair: a training is reproducible, and goes on from a checkpoint to the same bits, if it yields the same batches
    again."""

    mean_weight = 1.0

    def __init__(self, X, n_units: int, seed: int, draw: bool) -> None:
        if not hasattr(X, "__iter__") or not hasattr(X, "__len__"):
            raise TypeError(
                f"X must be an array (n, V), a BitMatrix, or an object to iterate over once an epoch, whose len() is "
                f"its number of batches, not {type(X).__name__}"
            )
        if hasattr(X, "__next__"):
            raise TypeError("X must give a new iterator for each epoch; an iterator of its own is used up by the first")
        self._batches, self._n_units, self._seed, self._draw = X, n_units, seed, draw
        self.n_batches = len(X)
        if self.n_batches < 1:
            raise ValueError("X must have at least one batch")
        self._sample: np.ndarray | None = None

    def batches(self, epoch: int, first: int = 0) -> Iterator[tuple[BitMatrix | np.ndarray, np.ndarray | None]]:
        count = 0
        for batch in self._batches:
            if count == self.n_batches:
                raise ValueError(f"X yields more than the {self.n_batches} batches that its len() promises")
            if count >= first:
                states = self._states(batch)
                if states.shape[0] == 0:
                    raise ValueError("a batch of X has no cases")
                if self._draw and not isinstance(states, BitMatrix):
                    place = (epoch - 1) * self.n_batches + count
                    states = _planes(drawn_states(states, np.arange(len(states)), self._seed, place), self._n_units)
                yield states, None
            count += 1
        if count < self.n_batches:
            raise ValueError(f"X yields {count} batches where its len() promises {self.n_batches}")

    def sample(self) -> np.ndarray:
        """The first 256 cases that there are."""
        if self._sample is None:
            parts, count = [], 0
            for batch in self._batches:
                states = self._states(batch)
                parts.append(states.to_states() if isinstance(states, BitMatrix) else states)
                count += len(parts[-1])
                if count >= SAMPLE:
                    break
            self._sample = np.concatenate(parts)[:SAMPLE]
        return self._sample

    def _states(self, batch):
        if isinstance(batch, (list, tuple)) and len(batch) and getattr(batch[0], "ndim", 0) == 2:
            raise TypeError(
                f"a batch of X must be the states alone, an array (n, V), not a {type(batch).__name__} of {len(batch)}"
            )
        return _gibbs.states_given(batch, self._n_units, "a batch of X", fractions=True)

    def keep_sample(self, sample: np.ndarray) -> None:
        """Measure these cases, as before an interruption."""
        self._sample = sample

    def describe(self) -> str:
        return f"{self.n_batches} batches of {self._n_units} units{', drawn' if self._draw else ''}"


def totals(X) -> tuple[np.ndarray, int]:
    """(sums of the visible units, cases), exact, so the same bits whatever the data come from; a part at a time."""
    total, n = np.zeros(0), 0
    for part in _parts(X):
        data = part if isinstance(part, BitMatrix) else _validate.states(part, None, "X", fractions=True)
        if n and data.shape[1] != total.size:
            raise ValueError(f"X has batches of {total.size} units and of {data.shape[1]}")
        if isinstance(data, BitMatrix):
            sums = np.zeros(data.n_units)
            kernels.count_bits(data.planes, data.n_units, sums, 1)
        elif data.dtype == np.float64:
            sums = _gibbs.on_grid(data).sum(axis=0) * 2.0**-FIXED_BITS  # whole numbers, whatever order NumPy adds in
        else:
            sums = data.sum(axis=0, dtype=np.float64)
        total, n = total + sums if n else sums, n + data.shape[0]
    if n == 0 or total.size == 0:
        raise ValueError(f"X must have at least one case and one unit, got {n} cases of {np.size(total)} units")
    return total, n


def weighted_totals(X, sample_weight) -> tuple[np.ndarray, float]:
    """(weighted sums of the visible units, how many cases they count as), likewise exact."""
    from ._cases import totals as totals_of  # which is made of this module

    if not is_array(X):
        raise ValueError("sample_weight needs X to be an array: batches of your own carry no weights")
    data = X if isinstance(X, BitMatrix) else _validate.states(X, None, "X", fractions=True)
    if 0 in data.shape:
        raise ValueError(
            f"X must have at least one case and one unit, got {data.shape[0]} cases of {data.shape[1]} units"
        )
    return totals_of(data, _validate.sample_weight(sample_weight, data.shape[0]))


def _parts(X):
    if isinstance(X, BitMatrix):
        yield X
    elif is_array(X):
        X = X if isinstance(X, np.ndarray) else np.asarray(X)
        rows = max(1, _PART // max(1, X[0].size)) if X.ndim == 2 and len(X) else max(1, X.size)
        yield from (X[start : start + rows] for start in range(0, max(1, len(X)) if X.ndim else 1, rows))
    elif hasattr(X, "__iter__"):
        yield from X
    else:
        raise TypeError(f"X must be an array (n, V), a BitMatrix or batches to iterate over, not {type(X).__name__}")


def _planes(packed: np.ndarray, n_units: int) -> BitMatrix:
    return BitMatrix(np.ascontiguousarray(packed.T), n_units)


def drawn_states(
    states, rows: np.ndarray, seed: int, place: int, first: int = 0, n_threads: int | None = 1
) -> np.ndarray:
    """States for these rows (n,) of fractions (dense or CSR), which are the probabilities of ones, as bytes (n,
    ceil(V/8)); numbers outside [0, 1] count as the nearer end. The random numbers are those of the first-th case of a
    place and of those that follow. With rows (m, n), the same for each of m places in sequence: (m, n, ceil(V/8))."""
    n_units = states.shape[1]
    out = np.empty((*rows.shape, -(-n_units // 8)), np.uint8)
    which = np.ascontiguousarray(np.atleast_2d(rows), np.int64)
    drawn = out.reshape(*which.shape, out.shape[-1])
    threads = _threads.resolve(n_threads, _DRAW * which.size * n_units)
    if isinstance(states, np.ndarray) and states.dtype == np.float32 and states.flags.c_contiguous:
        kernels.draw_states(states, which, seed, _random.DRAW, place, first, drawn, threads)
        return out
    step = max(1, _DRAWN // n_units)
    for s in range(len(which)):
        for start in range(0, which.shape[1], step):
            part = np.ascontiguousarray(dense(states[which[s, start : start + step]]), np.float32)
            every = np.arange(len(part))[None]
            to = drawn[s : s + 1, start : start + step]
            kernels.draw_states(part, every, seed, _random.DRAW, place + s, first + start, to, threads)
    return out


def dense(X) -> np.ndarray:
    """Rows, dense or sparse, as float64."""
    return np.asarray(X.toarray() if hasattr(X, "toarray") else X, np.float64)
