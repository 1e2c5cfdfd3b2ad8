"""The examples of a scikit-learn user: dense or sparse, binary or not, with weights, in an order of their own."""

from __future__ import annotations

import numpy as np

from .._core import philox
from .._core.dispatch import kernels
from ..states.bits import BitMatrix
from ..states.totals import dense, is_plain, pieces
from .data import drawn_states

_ROWS = 1024  # that go through products at a time
_USUAL = (np.float64, np.float32, np.uint8, np.bool_)
_MOST = 100_000_000  # examples of an iteration, whose numbers take 2 GB


def states_of(X) -> BitMatrix | np.ndarray:
    """Checked numbers (n, V), dense or CSR (no entry twice), as a BitMatrix where all are 0 or 1, else as they are."""
    bits = BitMatrix.empty(*X.shape)
    if hasattr(X, "toarray"):
        if not _are_bits(X.data):
            return X
        for rows in pieces(X):
            _pack(X[rows].toarray(), bits.planes[:, rows])
        return bits
    if is_plain(X):
        return bits if kernels.pack_numbers(X, bits.planes) else X
    for rows in pieces(X):
        if not _are_bits(X[rows]):
            return X
        _pack(X[rows], bits.planes[:, rows])
    return bits


def states_of_good(X) -> tuple[BitMatrix | np.ndarray | None, tuple[float, float] | None]:
    """states_of and limits_of, of whatever a user passes, where that is an array of finite numbers of the usual dtypes;
    else None, None."""
    if type(X) is not np.ndarray or X.ndim != 2 or X.size == 0 or X.dtype not in _USUAL:
        return None, None
    states = states_of(X)
    limits = limits_of(states)
    return (states, limits) if np.isfinite(limits).all() else (None, None)


def limits_of(states) -> tuple[float, float]:
    """Two numbers between which all are: the smallest and the largest, or 0 and 1."""
    if isinstance(states, BitMatrix) or states.shape[0] == 0:
        return 0.0, 1.0
    with np.errstate(invalid="ignore"):
        return states.min(), states.max()


def _are_bits(numbers: np.ndarray) -> bool:
    return numbers.dtype == np.bool_ or bool(((numbers == 0) | (numbers == 1)).all())


def _pack(bits: np.ndarray, planes: np.ndarray) -> None:
    if bits.dtype == np.bool_:
        bits = bits.view(np.uint8) != 0  # a True may be any byte
    kernels.pack(np.ascontiguousarray(bits, np.uint8), planes, 1)


def parts_of(states):
    """(slice, examples) of some at a time, as float64; all at once where they are bits."""
    if isinstance(states, BitMatrix):
        yield slice(0, len(states)), states
        return
    for start in range(0, states.shape[0], _ROWS):
        rows = slice(start, min(start + _ROWS, states.shape[0]))
        yield rows, dense(states[rows])


def cut(numbers) -> BitMatrix | np.ndarray:
    """states_of numbers, those outside [0, 1] as the nearer end."""
    if hasattr(numbers, "toarray"):
        numbers = numbers.copy()
        numbers.data = numbers.data.clip(0, 1)
    else:
        numbers = numbers.clip(0, 1)
    return states_of(numbers)


class OrderedExamples:
    """Training data in an order that depends on the examples alone, not on how the rows were given: rows that are given
    in another order make the same training, and a weight of 2 is a row that is given twice. A weight that is no whole
    number is rounded up or down from epoch to epoch, so that its mean is right. dynamic_binarization: whether numbers
    are probabilities from which batches are drawn, or are passed on.

    Attributes
    ----------
    n : int
        Examples per epoch: the total weight, rounded; where weights are small, the number of rows with one.
    packed : uint8 (rows, ceil(V/8)) or None
        The rows' bytes, where their states are bits.
    """

    def __init__(
        self,
        states: BitMatrix | np.ndarray,
        sample_weight: np.ndarray | None,
        seed: int,
        dynamic_binarization: bool = True,
    ) -> None:
        self.packed = np.ascontiguousarray(states.planes.T) if isinstance(states, BitMatrix) else None
        if ready := dynamic_binarization and isinstance(states, np.ndarray):
            states = _single(states)  # as they are drawn from
        self._states, self._seed, self._dynamic = states, seed, dynamic_binarization
        hashes = _hashes(states, ready) if self.packed is None else _hashes(self.packed, True)
        self._rows = _ascending(hashes)
        self.n, self._ends = len(self._rows), None
        if sample_weight is not None:
            self._ends = np.cumsum(sample_weight[self._rows])
            total = float(self._ends[-1])
            if total > _MOST:
                raise ValueError(f"sample_weight must not make more than {_MOST:,} examples, got a total of {total:g}")
            self.n = max(round(total), int(np.count_nonzero(sample_weight)))

    def _slots(self, epoch: int) -> np.ndarray:
        """The row of each example of an epoch, in an order that never changes: equally spaced points of the total
        weight, from a random one on, each in the row that it falls to. A whole number k always has k of them."""
        if self._ends is None:
            return self._rows
        start = int(philox.words(1, self._seed, philox.WEIGHING, epoch)[0]) * 2.0**-32
        points = (np.arange(self.n) + start) * (self._ends[-1] / self.n)
        return self._rows[np.minimum(np.searchsorted(self._ends, points, side="right"), len(self._ends) - 1)]

    def order(self, epoch: int) -> np.ndarray:
        """The rows of an epoch's examples, in a random order."""
        return self._slots(epoch)[philox.permutation(self.n, self._seed, philox.SHUFFLE, epoch)]

    def batches(self, epochs: range, size: int, n_threads: int | None = 1) -> Batches:
        """All batches of some epochs. Drawn states are on with the probability that the number here says."""
        first = np.arange(-(-self.n // size)) * size
        ends = np.append((first + self.n * np.arange(len(epochs))[:, None]).reshape(-1), self.n * len(epochs))
        shuffled = philox.permutations(self.n, self._seed, philox.SHUFFLE, epochs)
        slots = [self._slots(epoch) for epoch in epochs]
        if not self._dynamic or self.packed is not None:
            rows = np.concatenate([slot.take(order) for slot, order in zip(slots, shuffled, strict=True)])
            return Batches(self.packed, self._states, rows, ends)
        drawn = drawn_states(self._states, np.array(slots), self._seed, epochs.start, 0, n_threads)
        rows = shuffled + self.n * np.arange(len(epochs))[:, None]
        return Batches(drawn.reshape(-1, drawn.shape[2]), self._states, rows.reshape(-1), ends)


class Batches:
    """Batch k is the rows rows[ends[k] : ends[k + 1]], of packed if there is any, else of states."""

    def __init__(self, packed: np.ndarray | None, states, rows: np.ndarray, ends: np.ndarray) -> None:
        self.packed, self.rows, self.ends = packed, rows, ends
        self._states = states

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, k: int) -> BitMatrix | np.ndarray:
        rows = self.rows[self.ends[k] : self.ends[k + 1]]
        if self.packed is None:
            return self._states[rows]
        return BitMatrix(np.ascontiguousarray(self.packed.take(rows, axis=0).T), self._states.shape[1])


def _single(numbers: np.ndarray) -> np.ndarray:
    """As float32, contiguous, -0.0 as 0.0."""
    with np.errstate(over="ignore"):
        out = numbers.astype(np.float32, order="C")
    out += np.float32(0.0)
    return out


def _ascending(hashes: np.ndarray) -> np.ndarray:
    """Where they are in ascending order, equal ones as they come. Where all differ there is one such order, which a
    sort that is not stable finds in a third of the time or less."""
    order = np.argsort(hashes)
    there = hashes[order]
    return order if (there[1:] > there[:-1]).all() else np.argsort(hashes, kind="stable")


def _hashes(rows, ready: bool) -> np.ndarray:
    """A number for each row that depends on its contents alone, uint64 (n,). ready: rows are bytes, or numbers as
    _single makes them."""
    out = np.empty(rows.shape[0], np.uint64)
    kind = rows.dtype if ready else np.dtype(np.float32)
    length = rows.shape[1] * kind.itemsize
    if ready and length % 8 == 0:
        kernels.hash_rows(rows.view(np.uint64), out)
        return out
    words = np.zeros((0, -(-length // 8)), np.uint64)
    for part in pieces(rows):
        n = part.stop - part.start
        if len(words) < n:
            words = np.zeros((n, words.shape[1]), np.uint64)
        words[:n].view(kind)[:, : rows.shape[1]] = rows[part] if ready else _single(dense(rows[part]))
        kernels.hash_rows(words[:n], out[part])
    return out
