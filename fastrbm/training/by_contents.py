"""Data in an order that depends on their rows alone, not on how these were given: what scikit-learn asks of a fit."""

from __future__ import annotations

import numpy as np

from .._core import philox
from .._core.dispatch import kernels
from ..states.totals import dense, pieces
from ..units.unit import Unit
from .data import InMemory

_MOST = 100_000_000  # examples of an epoch, whose numbers take 2 GB


class ByContents(InMemory):
    """Rows that are given in another order make the same training, and a weight of 2 is a row that is given twice. A
    weight that is no whole number is rounded up or down from epoch to epoch, so that its mean is right.

    states : BitMatrix, or numbers from 0 to 1, dense or CSR (n, V); checked.

    Attributes
    ----------
    n : int
        Examples of an epoch: the total weight, rounded; where weights are small, the number of rows with one.
    """

    def __init__(
        self,
        states,
        unit: Unit,
        batch_size: int,
        seed: int,
        sample_weight: np.ndarray | None,
        dynamic_binarization: bool,
    ) -> None:
        single = dynamic_binarization and isinstance(states, np.ndarray)
        super().__init__(_single(states) if single else states, unit, batch_size, seed, None, dynamic_binarization)
        hashes = _hashes(self._data, single) if self._packed is None else _hashes(self._packed, True)
        self._by_contents, self._ends = _ascending(hashes), None
        if sample_weight is not None:
            self._ends = np.cumsum(sample_weight[self._by_contents])
            total = float(self._ends[-1])
            if total > _MOST:
                raise ValueError(f"sample_weight must not make more than {_MOST:,} examples, got a total of {total:g}")
            self.n = max(round(total), int(np.count_nonzero(sample_weight)))
            self.n_batches = -(-self.n // batch_size)

    def _keep(self, X):
        return X

    def _new_orders(self, epochs: range) -> np.ndarray:
        shuffled = super()._new_orders(epochs)
        if self._ends is None:
            return self._by_contents[shuffled]
        slots = [self._slots(epoch, self._ends) for epoch in epochs]
        return np.stack([slot[order] for slot, order in zip(slots, shuffled, strict=True)])

    def _slots(self, epoch: int, ends: np.ndarray) -> np.ndarray:
        """The row of each example of an epoch, in an order that never changes: equally spaced points of the total
        weight, from a random one on, each in the row that it falls to. A whole number k always has k of them."""
        start = int(philox.words(1, self._seed, philox.WEIGHING, epoch)[0]) * 2.0**-32
        points = (np.arange(self.n) + start) * (ends[-1] / self.n)
        return self._by_contents[np.minimum(np.searchsorted(ends, points, side="right"), len(ends) - 1)]


def order_of(numbers: np.ndarray) -> np.ndarray:
    """Where rows (n, m) are in an order that depends on their contents alone."""
    return _ascending(_hashes(np.ascontiguousarray(numbers, np.float64) + 0.0, True))


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
