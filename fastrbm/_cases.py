"""The cases of a scikit-learn user: dense or sparse, binary or not, with weights, in an order of their own."""

from __future__ import annotations

import math

import numpy as np

from . import _random
from ._gibbs import on_grid
from ._kernels import FIXED_BITS, kernels
from ._source import dense, drawn_states
from .bits import BitMatrix

_WORDS = 1 << 13  # that are hashed at a time, so that they stay in cache
_ROWS = 1024  # that go through dense arithmetic at a time
_MOST = 100_000_000  # cases of an iteration, whose numbers take 2 GB


def states_of(X) -> BitMatrix | np.ndarray:
    """Checked numbers (n, V), dense or CSR (no entry twice), as a BitMatrix where all are 0 or 1, else as they are."""
    if not hasattr(X, "toarray"):
        return _packed(X) if _is_binary(X) else X
    if not _is_binary(X.data):
        return X
    bits = BitMatrix.empty(*X.shape)
    for start in range(0, X.shape[0], _ROWS):
        bits.planes[:, start : start + _ROWS] = _packed(X[start : start + _ROWS].toarray()).planes
    return bits


def _packed(states: np.ndarray) -> BitMatrix:
    """BitMatrix.from_states, of states known to be 0 and 1."""
    bits = BitMatrix.empty(*states.shape)
    kernels.pack(np.ascontiguousarray(states, np.uint8), bits.planes, 1)
    return bits


def _is_binary(array: np.ndarray) -> bool:
    if array.dtype == np.bool_:
        return True
    some = array[: _ROWS // 16]  # which mostly tell fractions at once
    return all(bool(((part == 0) | (part == 1)).all()) for part in (some, array[_ROWS // 16 :]))


def parts_of(states):
    """(slice, cases) of some at a time; all at once where they are bits."""
    if isinstance(states, BitMatrix):
        yield slice(0, len(states)), states
        return
    for start in range(0, states.shape[0], _ROWS):
        rows = slice(start, min(start + _ROWS, states.shape[0]))
        yield rows, states[rows]


def totals(states, sample_weight: np.ndarray | None) -> tuple[np.ndarray, float]:
    """Weighted sums of the units, cut to [0, 1], and over how many cases: sums of integers, the same in any order."""
    if sample_weight is None:
        return _sums(states), float(states.shape[0])
    # whole numbers of 2^-20 where their sum fits 40 bits, beside which 22 bits of a unit fit int64
    unit = 2.0 ** max(-20, math.frexp(float(sample_weight.sum()))[1] - 40)
    if sample_weight.max() < 2.0**-10:
        unit = 2.0 ** (math.frexp(float(sample_weight.sum()))[1] - 40)
    weight = np.rint(sample_weight / unit).astype(np.int64)
    total = np.zeros(states.shape[1], np.int64)
    for start in range(0, states.shape[0], _ROWS):
        rows = slice(start, start + _ROWS)
        part = states[rows]
        if isinstance(part, BitMatrix):
            total += (weight[rows] @ part.to_states().astype(np.int64)) << FIXED_BITS
        else:
            total += weight[rows] @ on_grid(dense(part).clip(0.0, 1.0)).astype(np.int64)
    n = float(weight.sum()) * unit
    cases = max(n, float(np.count_nonzero(sample_weight)))  # as Cases counts them
    return total * (unit * 2.0**-FIXED_BITS * (cases / n)), cases


def _sums(states) -> np.ndarray:
    sums = np.zeros(states.shape[1])
    if isinstance(states, BitMatrix):
        kernels.count_bits(states.planes, states.n_units, sums, 1)
        return sums
    for start in range(0, states.shape[0], _ROWS):
        sums += on_grid(dense(states[start : start + _ROWS]).clip(0.0, 1.0)).sum(axis=0)
    return sums * 2.0**-FIXED_BITS


class Cases:
    """Training data in an order that depends on the cases alone, not on how the rows were given: rows that are given
    in another order make the same training, and a weight of 2 is a row that is given twice. A weight that is no whole
    number is rounded up or down from epoch to epoch, so that its mean is right.

    Attributes
    ----------
    n : int
        Cases an epoch: the total weight, rounded; where weights are small, the number of rows with one.
    packed : uint8 (rows, ceil(V/8)) or None
        The rows' bytes, where their states are bits.
    """

    def __init__(self, states: BitMatrix | np.ndarray, sample_weight: np.ndarray | None, seed: int) -> None:
        self._states, self._seed = states, seed
        self.packed = np.ascontiguousarray(states.planes.T) if isinstance(states, BitMatrix) else None
        self._rows = np.argsort(_hashes(states, self.packed), kind="stable")
        self._weighted = sample_weight is not None
        weight = np.ones(states.shape[0]) if sample_weight is None else sample_weight[self._rows]
        self._ends = np.cumsum(weight)
        total = float(self._ends[-1])
        if total > _MOST:
            raise ValueError(f"sample_weight must not make more than {_MOST:,} cases, got a total of {total:g}")
        self.n = max(round(total), int(np.count_nonzero(weight)))

    def _slots(self, epoch: int) -> np.ndarray:
        """The row of each case of an epoch, in an order that never changes: equally spaced points of the total
        weight, from a random one on, each in the row that it falls to. A whole number k always has k of them."""
        if not self._weighted:
            return self._rows
        start = int(_random.words(1, self._seed, _random.WEIGHING, epoch)[0]) * 2.0**-32
        points = (np.arange(self.n) + start) * (self._ends[-1] / self.n)
        return self._rows[np.minimum(np.searchsorted(self._ends, points, side="right"), len(self._ends) - 1)]

    def order(self, epoch: int) -> np.ndarray:
        """The rows of an epoch's cases, in a random order."""
        return self._slots(epoch)[_random.permutation(self.n, self._seed, _random.SHUFFLE, epoch)]

    def batches(self, epochs: range, size: int, draw: bool, n_threads: int | None = 1) -> Batches:
        """All batches of some epochs. With draw, each unit is on with the probability that the number here says."""
        first = np.arange(-(-self.n // size)) * size
        ends = np.append((first + self.n * np.arange(len(epochs))[:, None]).reshape(-1), self.n * len(epochs))
        shuffled = _random.permutations(self.n, self._seed, _random.SHUFFLE, epochs)
        slots = np.stack([self._slots(epoch) for epoch in epochs])
        if not draw or self.packed is not None:
            return Batches(self.packed, self._states, np.take_along_axis(slots, shuffled, axis=1).reshape(-1), ends)
        if isinstance(self._states, np.ndarray):
            self._states = np.ascontiguousarray(self._states, np.float32)  # as they are drawn from
        drawn = drawn_states(self._states, slots, self._seed, epochs.start, 0, n_threads)
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


def _hashes(states, packed: np.ndarray | None) -> np.ndarray:
    """A number for each row that depends on its contents alone, uint64 (n,)."""
    rows = states if packed is None else packed
    out = np.empty(rows.shape[0], np.uint64)
    per_word = 8 if packed is not None else 2
    width = -(-rows.shape[1] // per_word)
    step = max(1, _WORDS // max(1, width))
    numbers = np.arange(1, width + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    words, shifted = (np.zeros((min(step, len(out)), width), np.uint64) for _ in range(2))
    for start in range(0, len(out), step):
        part = rows[start : start + step]
        words, shifted = words[: part.shape[0]], shifted[: part.shape[0]]
        cells = words.view(np.float32 if packed is None else np.uint8)
        cells[:, part.shape[1] :] = 0
        with np.errstate(over="ignore"):  # float32 and float64 data are alike, and so are 0.0 and -0.0
            cells[:, : part.shape[1]] = part if packed is not None else dense(part) + 0.0
        words += numbers
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # splitmix64 (Steele et al. 2014)
            words ^= np.right_shift(words, np.uint64(shift), out=shifted)
            words *= np.uint64(factor)
        words ^= np.right_shift(words, np.uint64(31), out=shifted)
        np.add.reduce(words, axis=1, dtype=np.uint64, out=out[start : start + step])
    return out
