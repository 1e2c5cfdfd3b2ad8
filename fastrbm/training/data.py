"""Where the batches of a training come from: an array in memory, one on disk, or batches that the user makes."""

from __future__ import annotations

import math
import mmap
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from .._core import arrays, philox, validate
from .._core.agreement import agreed
from ..moments import ROWS_A_PART
from ..ranks import Alone, Ranks
from ..sampling import gibbs
from ..states.bits import BitMatrix, packed, zeros
from ..states.drawn import drawn_parts
from ..states.fractions import Fractions
from ..states.missing import with_absent
from ..states.totals import BATCH, dense, is_array, refuse_no_batches
from ..units.unit import Unit
from .examples import DRAWN, as_numbers, as_values, drawn_states, given, of_bytes

MEASURED = 256  # examples that are measured as training goes on
_RUN = 64 << 20  # bytes of bits that are made of an array on disk at a time
ON_RANKS = (
    "several ranks cannot do this training together (comm, --mpi): a batch must be states, not fractions "
    f"(dynamic_binarization=True draws states from them), of at most {ROWS_A_PART:,} examples"
)
_ORDERED = 1 << 12  # examples whose orders are drawn at a time, of small data for several epochs
_CHECKED = 1 << 26  # numbers that a checksum is of, at most


def source_of(
    X, unit: Unit, batch_size: int, seed: int, sample_weight=None, dynamic_binarization: bool = False,
    names: tuple[str, ...] | None = None, absent: bool = False,
):  # fmt: skip
    """The source for fit's X, of units of the visible layer; names: of these, where they have any. absent: whether
    missing entries of X are sites that are not there."""
    refuse_no_batches(X)
    if is_array(X):
        if absent and not arrays.is_sparse(X):
            X = with_absent(X, unit, "X")
        kind = OnDisk if is_on_disk(X) and not isinstance(X, np.ma.MaskedArray) else InMemory
        return kind(X, unit, batch_size, seed, sample_weight, dynamic_binarization)
    if sample_weight is not None:
        raise ValueError("sample_weight needs X to be an array: batches of your own carry no weights")
    return UserBatches(X, unit, seed, dynamic_binarization, names, absent)


def is_on_disk(X: object) -> bool:
    """Whether X is a memory-mapped array, or a view of one."""
    while isinstance(X, np.ndarray):
        if getattr(X, "_mmap", None) is not None:
            return True
        X = X.base
    return isinstance(X.obj if isinstance(X, memoryview) else X, mmap.mmap)


class InMemory:
    """Batches of an array, in an order that is drawn anew for each epoch.

    Attributes
    ----------
    n : int
        Examples.
    n_batches : int
        Batches an epoch; the last one is shorter where the size does not divide n.
    mean_weight : float
        Of the examples; 1 where they have no weights.
    draws : bool
        Whether fractions are probabilities, from which states are drawn.
    """

    refills = False  # whether examples change as the training goes on

    def __init__(
        self,
        X,
        unit: Unit,
        batch_size: int = 128,
        seed: int = 0,
        sample_weight=None,
        dynamic_binarization: bool = False,
    ) -> None:
        self._unit, self._n_units = unit, unit.n
        self._n_bytes = len(zeros(0, unit).planes)  # of an example
        self.draws = dynamic_binarization
        if dynamic_binarization and all(segment.layout for segment in unit.segments):
            raise ValueError(f"dynamic_binarization draws states of units of two values, which {unit!r} has not")
        self._data: Any = self._keep(X)
        self.n = self._n_rows = self._data.shape[0]
        # the bytes of an example side by side: from planes each would come by a cache line of its own
        self._packed: np.ndarray | None = None
        if isinstance(self._data, BitMatrix):
            self._packed = self._data = np.ascontiguousarray(self._data.planes.T)
        if self.n == 0:
            raise ValueError("X must have at least one example")
        self._weight = None if sample_weight is None else validate.sample_weight(sample_weight, self.n)
        self.mean_weight = 1.0 if self._weight is None else math.fsum(self._weight) / self.n
        self.batch_size, self._seed = batch_size, seed
        if dynamic_binarization and type(self._data) is np.ndarray and not isinstance(self, OnDisk):
            self._data = np.ascontiguousarray(self._data, np.float32)  # as they are drawn from
        self.n_batches = -(-self.n // batch_size)
        self._ordered: tuple[range, np.ndarray] = range(0), np.zeros((0, 0), np.intp)

    def _keep(self, X) -> BitMatrix | Fractions | np.ndarray:
        if isinstance(X, Fractions):
            return X
        if isinstance(X, BitMatrix) or self.draws and self._unit.layout is not None:
            return given(X, self._unit, "X", self.draws)
        data = validate.states(X, self._unit.n_columns, "X", fractions=True, unit=self._unit)
        if data.dtype == np.float64 and type(X) is np.ndarray:
            self._unit.check_data(X, "X")
        if data.dtype != np.float64:
            return packed(data, self._unit, "X")
        bits = self._unit.layout is None and not self._unit.shifted
        plain = bits and type(X) is np.ndarray and X.dtype in (np.float32, np.float64)
        if plain and X.min() >= 0 and X.max() <= 1:
            return X  # fractions, which may take less memory as they are
        return data

    def _rows(self, examples: np.ndarray):
        if self._packed is not None:
            return of_bytes(self._packed.take(examples, axis=0), self._unit)
        rows = self._data[examples]
        return rows if isinstance(rows, Fractions) else dense(rows)

    def orders(self, epochs: range) -> np.ndarray:
        """The rows of the examples of some epochs (counted from 1), each in the order of its epoch, (epochs, n)."""
        known, orders = self._ordered
        if not (known.start <= epochs.start and epochs.stop <= known.stop):
            known = range(epochs.start, max(epochs.stop, epochs.start + _ORDERED // self.n))
            orders = self._new_orders(known)
            self._ordered = known, orders
        return orders[epochs.start - known.start : epochs.stop - known.start]

    def _new_orders(self, epochs: range) -> np.ndarray:
        return philox.permutations(self.n, self._seed, philox.SHUFFLE, epochs)

    @property
    def in_bits(self) -> bool:
        """Whether all batches are bits, as far as is known, which part() gives many of at a time."""
        return self._packed is not None or self.draws

    def part(
        self, epochs: range, first: int, n: int, n_threads: int | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
        """(packed, rows, ends, weights) of n batches of each of these epochs, from the first-th on: batch k of them is
        the rows rows[ends[k] : ends[k + 1]] of packed, uint8 (any, ceil(V/8)), of weights[ends[k] : ends[k + 1]],
        or None. There may be fewer batches than that."""
        cuts = np.minimum(np.arange(first, first + n + 1) * self.batch_size, self.n)
        length = int(cuts[-1] - cuts[0])
        ends = np.append(((cuts[:-1] - cuts[0]) + length * np.arange(len(epochs))[:, None]), length * len(epochs))
        rows = self.orders(epochs)[:, cuts[0] : cuts[-1]]
        weights = None if self._weight is None else self._weight[rows.reshape(-1)]
        if self._packed is not None:
            return self._packed, rows.reshape(-1), ends, weights
        packed = self._drawn(rows, epochs.start, int(cuts[0]), n_threads)
        return packed, np.arange(len(packed)), ends[ends <= len(packed)], weights

    def _drawn(self, rows: np.ndarray, epoch: int, first: int, n_threads: int | None) -> np.ndarray:
        """States, packed, drawn from these rows (epochs, m): the first-th of each epoch's order, and those that
        follow."""
        drawn = drawn_states(self._data, rows, self._seed, epoch, first, n_threads)
        return drawn.reshape(-1, drawn.shape[-1])

    def batches(self, epoch: int, first: int = 0) -> Iterator[tuple[BitMatrix | np.ndarray, np.ndarray | None]]:
        """(states, weights or None) of the batches of an epoch (counted from 1), from the first-th on."""
        order = self.orders(range(epoch, epoch + 1))
        for start in range(first * self.batch_size, self.n, self.batch_size):
            rows = order[:, start : start + self.batch_size]
            if self.draws and self._packed is None:
                states = of_bytes(self._drawn(rows, epoch, start, 1), self._unit)
            else:
                states = as_values(self._rows(rows[0]), self._unit)
            yield states, None if self._weight is None else self._weight[rows[0]]

    def some_examples(self, n: int = MEASURED) -> np.ndarray:
        """Up to n examples from all over the data, states (n, columns) or float64 (n, V); where they have weights, at
        even steps of weight, so that means over them are weighted ones."""
        examples = np.linspace(0, self._n_rows - 1, min(self._n_rows, n)).astype(np.intp)
        if self._weight is not None:
            ends = np.add.accumulate(self._weight)
            examples = np.searchsorted(ends, (np.arange(n) + 0.5) / n * ends[-1], side="right")
        return as_numbers(self._rows(examples), self._seed)

    def describe(self) -> str:
        """What a checkpoint remembers of the data, so as not to go on with others. The same for an array in memory and
        on disk, and for any dtype: a checksum of all examples, or of some from all over them where they are very
        many."""
        weight = "" if self._weight is None else f", weights {zlib.crc32(self._weight.tobytes()):08x}"
        drawn = ", drawn" if self.draws else ""
        return f"{self._n_rows} examples of {self._n_units} units, checksum {self._checksum():08x}{weight}{drawn}"

    def brief(self) -> str:
        """What a model remembers of the data that it was trained on."""
        return self.describe().replace(f"{self._n_rows} ", f"{self._n_rows:,} ", 1)

    def _checksum(self) -> int:
        n = min(self._n_rows, max(1, _CHECKED // self._n_units))
        examples = np.linspace(0, self._n_rows - 1, n).astype(np.intp)
        parts = [examples[start : start + self._step] for start in range(0, len(examples), self._step)]
        planes: list[np.ndarray] = []
        for part in parts:
            rows = self._states(part)
            if not isinstance(rows, BitMatrix):
                break
            planes.append(rows.planes)
        else:
            return zlib.crc32(np.concatenate(planes, axis=1).data)
        sum_ = 0
        for part in parts:
            rows = self._states(part)
            numbers = rows.to_values() if isinstance(rows, BitMatrix) else dense(rows)
            sum_ = zlib.crc32(np.ascontiguousarray(numbers, np.float32).data, sum_)
        return sum_

    def _states(self, examples: np.ndarray):
        """Of these examples: a BitMatrix where all are 0 or 1, whatever the others are."""
        rows = self._rows(examples)
        if isinstance(rows, Fractions):
            return rows.settled()
        if isinstance(rows, BitMatrix) or self._unit.layout is not None:
            return rows
        return gibbs.states_given(rows, self._n_units, "X", fractions=True)

    @property
    def _step(self) -> int:
        """Examples that are read at a time."""
        return max(1, DRAWN // self._n_units)


class OnDisk(InMemory):
    """Of a memory-mapped array: the rows of each batch, or of a run of batches, are read, and checked, when it is their
    turn. Ranks that train together read a share of the rows each, unless states are to be drawn from fractions.

    Attributes
    ----------
    ranks : Alone or Ranks
    """

    ranks: Alone | Ranks = Alone()
    _seen_fractions = False

    def brief(self) -> str:
        """Without a checksum, for which a large part of the file would have to be read."""
        return f"{self._n_rows:,} examples of {self._n_units:,} units, on disk"

    def _keep(self, X):
        if X.ndim != 2:
            raise ValueError(f"X must have two dimensions, (examples, units), got shape {X.shape}")
        given(X[:1], self._unit, "X", self.draws)  # says what is wrong with its shape or kind
        return X.view(np.ndarray)  # which is quicker to index

    @property
    def in_bits(self) -> bool:
        return self.draws or not self._seen_fractions

    def part(
        self, epochs: range, first: int, n: int, n_threads: int | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
        """As in memory; but of the first epoch only, not more batches than a bounded memory holds, and none from one
        with fractions on, unless states are drawn from them."""
        n = min(n, max(1, _RUN // (self.batch_size * self._n_bytes)))
        return super().part(epochs[:1], first, n, n_threads)

    def _drawn(self, rows: np.ndarray, epoch: int, first: int, n_threads: int | None) -> np.ndarray:
        """The states of these rows (1, m), packed; where they are not to be drawn, up to those that are fractions."""
        out = [np.empty((0, self._n_bytes), np.uint8)]
        for start in range(0, rows.shape[1], self._step):
            part = self._rows(rows[0, start : start + self._step])
            if isinstance(part, BitMatrix):
                out.append(part.planes.T)
            elif self.draws:
                out.append(drawn_states(part, np.arange(len(part)), self._seed, epoch, first + start, n_threads))
            else:
                self._seen_fractions = True
                break
        return np.concatenate(out)

    def _rows(self, examples: np.ndarray):
        order = np.argsort(examples)  # in the order of the file, then put back
        states = self._read(examples[order])
        back = np.empty_like(order)
        back[order] = np.arange(order.size)
        return states[back]

    def _read(self, examples: np.ndarray):
        """These rows of the file."""
        ranks = self.ranks
        shares = ranks.shares(len(examples))
        own = examples if self.draws else examples[shares[ranks.rank]]  # fractions take longer to send than to read
        states = ranks.agree(lambda: given(self._data[own], self._unit, "X", self.draws, own))
        if isinstance(ranks, Alone) or self.draws:
            return states
        if ranks.largest(not isinstance(states, BitMatrix))[0] or not isinstance(states, BitMatrix):
            raise agreed(ValueError(ON_RANKS))
        all_states = zeros(len(examples), self._unit)
        all_states.planes[:, shares[ranks.rank]] = states.planes
        ranks.gather(all_states.planes, shares, axis=1)
        return all_states


class OneBatch:
    """A batch by itself: states, BitMatrix or float64 (n, V); the weights of its examples, (n,) or None; and the mean
    weight that theirs is compared with."""

    n_batches = 1

    def __init__(self, states, sample_weight: np.ndarray | None, mean_weight: float) -> None:
        self._batch, self.mean_weight = (states, sample_weight), mean_weight

    def batches(self, epoch: int, first: int = 0) -> Iterator[tuple[BitMatrix | np.ndarray, np.ndarray | None]]:
        yield self._batch


class UserBatches:
    """Batches (n, V) that the user's object yields, the same number in every epoch. What their order is, is its
    affair: a training is reproducible, and goes on from a checkpoint to the same bits, if it yields the same batches
    again. Ranks that train together must all be given the same.

    Attributes
    ----------
    ranks : Alone or Ranks
    """

    mean_weight, refills = 1.0, False
    ranks: Alone | Ranks = Alone()

    def __init__(
        self, X, unit: Unit, seed: int, dynamic_binarization: bool, names: tuple[str, ...] | None = None,
        absent: bool = False,
    ) -> None:  # fmt: skip
        if not hasattr(X, "__iter__") or not hasattr(X, "__len__"):
            raise TypeError(
                f"X must be an array (n, V), a BitMatrix, or an object to iterate over once an epoch, whose len() is "
                f"its number of batches, not {type(X).__name__}"
            )
        if hasattr(X, "__next__"):
            raise TypeError("X must give a new iterator for each epoch; an iterator of its own is used up by the first")
        self._batches, self._seed, self.draws, self._names = X, seed, dynamic_binarization, names
        self._unit, self._n_units, self._absent = unit, unit.n, absent
        self.n_batches = len(X)
        if self.n_batches < 1:
            raise ValueError("X must have at least one batch")
        self._some: np.ndarray | None = None

    def batches(self, epoch: int, first: int = 0) -> Iterator[tuple[BitMatrix | np.ndarray, np.ndarray | None]]:
        batches = self._own_batches(epoch, first)
        while (states := self.ranks.agree(lambda: next(batches, None))) is not None:
            if isinstance(self.ranks, Ranks):
                self._look_at_others(states, epoch)
            yield states, None
        if isinstance(self.ranks, Ranks):
            self._look_at_others(None, epoch)

    def _look_at_others(self, states: BitMatrix | np.ndarray | None, epoch: int) -> None:
        """RanksDiffer where this is not the batch that all ranks have; None: the end of the epoch."""
        numbers = states.planes if isinstance(states, BitMatrix) else np.zeros(0) if states is None else states
        self.ranks.same(zlib.crc32(np.ascontiguousarray(numbers).data), f"the batches of X in epoch {epoch}")

    def _own_batches(self, epoch: int, first: int) -> Iterator[BitMatrix | np.ndarray]:
        count = 0
        for batch in self._batches:
            if count == self.n_batches:
                raise ValueError(f"X yields more than the {self.n_batches} batches that its len() promises")
            if count >= first:
                states = self._states(batch)
                if states.shape[0] == 0:
                    raise ValueError("a batch of X has no examples")
                if self.draws and not isinstance(states, BitMatrix):
                    place = (epoch - 1) * self.n_batches + count
                    states = of_bytes(drawn_states(states, np.arange(states.shape[0]), self._seed, place), self._unit)
                yield as_values(states, self._unit)
            count += 1
        if count < self.n_batches:
            raise ValueError(f"X yields {count} batches where its len() promises {self.n_batches}")

    def some_examples(self, n: int = MEASURED) -> np.ndarray:
        """The first 256 examples that there are; no more, whatever n."""
        if self._some is None:
            parts, count = [], 0
            for batch in self._batches:
                states = self._states(batch)
                numbers = as_numbers(states[: MEASURED - count], self._seed, count)
                if self._unit.layout is not None:  # states of others may have fewer columns
                    numbers = drawn_parts(numbers, self._unit, self._seed, philox.MEASURED_STATES, first=count)
                parts.append(numbers)
                count += len(parts[-1])
                if count >= MEASURED:
                    break
            if not parts:
                raise ValueError(f"X yields no batches where its len() promises {self.n_batches}")
            self._some = np.concatenate(parts)[:MEASURED]
        return self._some

    def _states(self, batch):
        batch = arrays.batch_of(batch)
        validate.check_names(arrays.names_of(batch), self._names, BATCH)
        if self._absent and not arrays.is_sparse(batch):
            return with_absent(batch, self._unit, BATCH)
        return given(batch, self._unit, BATCH, self.draws)

    def keep_examples(self, examples: np.ndarray) -> None:
        """Measure these examples, as before an interruption."""
        self._some = examples

    def brief(self) -> str:
        return self.describe()

    def describe(self) -> str:
        return f"{self.n_batches} batches of {self._n_units} units{', drawn' * self.draws}{', absent' * self._absent}"
