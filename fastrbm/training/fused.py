"""Many updates in one call of a kernel, where a training is of the common kind: the same bits, without the way through
Python that small models spend most of their time on.

Ranks of one machine do such updates together: their threads are those of one process, in memory that they share.
"""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING

import numpy as np

from .._core import threads, validate, workload
from .._core.dispatch import kernels
from .._core.layout import FIXED_BITS, TILE
from .._core.segments import empty_tiles, placed, segments_of, size_of_tiles
from ..gradient.centering import Centering
from ..gradient.pcd import PCD
from ..gradient.weighted import factor
from ..moments import whole_weights
from ..optim.sgd import SGD
from ..sampling import gibbs

if TYPE_CHECKING:
    from .._core.parameters import Parameters
    from ..ranks import Ranks
    from ..rbm import RBM

FEWEST = 4  # updates that are worth a call, whose copies of the weights take as long as one of them;
_SMALL = 1 << 16  # of models of at most so many weights one is
_LARGEST_BATCH = 4096  # examples, or chains; above, an update is long enough by itself


def possible(rbm: RBM, gradient, optimizer, centering, batch_size: int) -> bool:
    """Whether this is persistent contrastive divergence by plain ascent, with nothing changed by a subclass, of units
    without real values, all in one process."""
    return (
        rbm._parameters.division is None
        and not rbm.visible.real
        and not rbm.hidden.real
        and type(gradient) is PCD
        and gradient.n_sweeps <= 2  # from three on, what flips is worth keeping track of
        and type(optimizer) is SGD
        and not optimizer.momentum
        and not optimizer.l1b
        and optimizer.max_norm == math.inf
        and (centering is None or type(centering) is Centering)
        and batch_size <= _LARGEST_BATCH
    )


class Together:
    """Ranks whose threads do updates together.

    Attributes
    ----------
    ranks : Ranks
    n_threads : int
        Of all of them.
    alike : bool
        Whether all have the same kernels, which lay out memory alike.
    """

    def __init__(self, ranks: Ranks, n_threads: int | None) -> None:
        self.ranks, self._own = ranks, threads.resolve(n_threads, math.inf)
        every = ranks.all((self._own, kernels.__name__))
        self.n_threads = sum(n for n, _ in every)
        self.alike = all(level == kernels.__name__ for _, level in every)
        self._memory: np.ndarray | None = np.empty(0, np.uint8)

    def meet(self, rates: np.ndarray, settings: tuple[float, ...] = ()) -> None:
        """Wait until all ranks come, done with what was before; RanksDiffer where they have other learning rates or
        settings of an update: they would not wait for each other in the same places."""
        given = zlib.crc32(np.array(settings, np.float64).data, zlib.crc32(rates.data))
        self.ranks.same(given, "the learning rate, and what else an update goes by,")

    def memory(self, n_bytes: int) -> np.ndarray | None:
        """So much memory that all share; its start, zeros at first, is the kernel's. None where it is not to be had."""
        if self._memory is not None and self._memory.size < n_bytes:
            self._memory = None  # before there is more
            self._memory = self.ranks.memory(n_bytes)
        return self._memory

    def own_threads(self, resolved: int) -> int:
        """Of so many threads, how many this rank may have."""
        return min(resolved, self._own)


class Updates:
    """Updates of one model.

    The kernel goes back and forth between two places of the weights, both ways round: each update reads the one and
    writes the other. Both belong to this object and to no model; a model gets a copy of what is in one of them.
    """

    def __init__(
        self, rbm: RBM, gradient: PCD, optimizer: SGD, centering: Centering | None, n_threads=None,
        together: Together | None = None,
    ) -> None:  # fmt: skip
        self.rbm, self._together = rbm, together
        self.gradient, self.optimizer, self.centering, self.n_threads = gradient, optimizer, centering, n_threads
        self._segments = segments_of(rbm.visible.layout)
        shapes = rbm._parameters.to_hidden.tiles_array.shape, rbm._parameters.transposed.shape
        self._shapes = (shapes[0], self._segments), (shapes[0], self._segments), (shapes[1], None), (shapes[1], None)
        self._memory: np.ndarray | None = None  # that ranks share, and the four arrays are in
        self._arrays: list[np.ndarray] = []
        self._known: tuple[Parameters | None, int] = None, 0  # what was copied last, and from which place

    def are_of(self, *parts: object) -> bool:
        """Whether these are updates by what __init__ takes."""
        own = self.rbm, self.gradient, self.optimizer, self.centering, self.n_threads, self._together
        return all(one is other for one, other in zip(own, parts, strict=True))

    @property
    def fewest(self) -> int:
        """Updates that are worth a call."""
        return 1 if self.rbm.n_visible * self.rbm.n_hidden <= _SMALL else FEWEST

    def most(self, batch_size: int) -> int:
        """Updates of a call that Ctrl-C need not wait for; 0 where none can be done in such a call."""
        if self._n_chains() > _LARGEST_BATCH:
            return 0
        sizes = self.rbm.n_visible, self.rbm.n_hidden, batch_size, self._n_chains(), self.gradient.n_sweeps
        waits = self._together is not None or self._threads(batch_size, False) > 1
        return workload.steps_a_call(workload.update(*sizes), workload.WAITING if waits else 1)

    def reserve(self, batch_size: int) -> bool:
        """Whether ranks that work together can have the memory for it."""
        return self._is_short(batch_size) or self._places(batch_size) is not None

    def _places(self, batch_size: int) -> np.ndarray | None:
        """Have room for the weights. Where ranks work together it is in memory that they share, which is returned."""
        memory, together = None, self._together
        sizes = [size_of_tiles(*shape) for shape in self._shapes]
        if together is not None and not self._is_short(batch_size):
            n_bytes = kernels.training_memory(
                self.rbm.n_visible, self.rbm.n_hidden, self._segments, self._n_chains(), batch_size, together.n_threads
            )
            memory = together.memory(n_bytes + 4 * sum(sizes))
        if memory is not self._memory or not self._arrays:
            ends = np.add.accumulate([0, *sizes]).tolist()
            # at its end, which does not move with the size of a batch
            flat = np.empty(ends[-1], np.float32) if memory is None else memory[-4 * ends[-1] :].view(np.float32)
            pairs = zip(self._shapes, ends, ends[1:], strict=False)
            self._arrays = [empty_tiles(*shape, flat[start:stop]) for shape, start, stop in pairs]
            self._memory, self._known = memory, (None, 0)
        return memory

    def _n_chains(self) -> int:
        chains = self.gradient.chains
        return len(chains) if chains is not None and chains.rbm is self.rbm else self.gradient.n_chains

    def _work(self, batch_size: int) -> int:
        examples = 2 * batch_size + (1 + 2 * self.gradient.n_sweeps) * self._n_chains() + threads.PASS
        return 10 * self.rbm.n_visible * self.rbm.n_hidden * examples

    def _is_short(self, batch_size: int) -> bool:
        """Whether an update is so short that each rank does it by itself."""
        return self._work(batch_size) < threads.SERIAL_BELOW

    def _threads(self, batch_size: int, waits: bool = True) -> int:
        """For a call, in which threads wait for each other several times an update; waits=False: at most."""
        return threads.resolve(self.n_threads, self._work(batch_size), waits)

    def run(
        self, packed: np.ndarray, examples: np.ndarray, ends: np.ndarray, rates: np.ndarray,
        weights_of_examples: np.ndarray | None = None, mean_weight: float = 1.0,
    ) -> int:  # fmt: skip
        """An update for each of rates, the k-th by rows examples[ends[k] : ends[k + 1]] of packed, uint8 (rows,
        ceil(V/8)); returns how many could be done. weights_of_examples: of each of examples, or None; mean_weight: of
        all data. A batch of no weight is left to the loop, and so are those after it."""
        given = None
        if weights_of_examples is not None:
            given = _weights_of_batches(weights_of_examples, ends, mean_weight)
            rates, ends = rates[: len(given[1])], ends[: len(given[1]) + 1]
        if len(rates) < self.fewest:
            return 0
        rbm, chains = self.rbm, self.gradient._start(self.rbm, self.n_threads)
        if len(chains) > _LARGEST_BATCH:
            return 0
        parameters, first_sweep = rbm._parameters, chains.n_sweeps_done + 1
        gibbs.check_capacity(first_sweep, len(rates) * self.gradient.n_sweeps)
        to_hidden, to_visible = parameters.to_hidden, parameters.to_visible
        n_threads, shared, together = self._threads(int(ends[1] - ends[0])), None, self._together
        if together is not None:
            sgd, centering = self.optimizer, self.centering
            rate = -1.0 if centering is None else centering.rate
            together.meet(rates, (self.gradient.n_sweeps, len(chains), sgd.l2, sgd.l1, rate))
        memory = self._places(int(np.diff(ends).max()))
        if memory is not None and together is not None:
            n_threads = together.own_threads(n_threads)
            shared = memory, together.ranks.size, together.ranks.rank, together.n_threads
        (known, place), self._known = self._known, (None, 0)
        weights, transposed = (self._arrays[0], self._arrays[1]), (self._arrays[2], self._arrays[3])
        if parameters is not known:
            place = 0
        elif place:
            weights, transposed = weights[::-1], transposed[::-1]
        if parameters is not known and (shared is None or shared[2] == 0):
            weights[0][...], transposed[0][...] = to_hidden.tiles_array, parameters.transposed
        visible_bias, hidden_bias = placed(rbm.visible_bias, None).copy(), to_hidden.bias_array.copy()
        centering, offsets = self._offsets()
        examples = examples.astype(np.int64, copy=False)
        ends = ends.astype(np.int64, copy=False)
        outcome = np.zeros(4)
        try:
            kernels.train(
                packed, examples, ends, rates, chains._visible.planes, chains._hidden.planes, chains._seed,
                chains._stream, first_sweep, self.gradient.n_sweeps, chains._first_chain, weights, transposed,
                visible_bias, hidden_bias, to_visible.exponent, to_hidden.exponent, rbm.n_visible, rbm.n_hidden,
                rbm.visible.name if self._segments is None else "bernoulli", self._segments, rbm.hidden.name,
                centering, given, self.optimizer.l2, self.optimizer.l1, validate.LARGEST, outcome, n_threads, shared,
            )  # fmt: skip
        finally:  # Ctrl-C comes up as the call ends: what it has done is done
            done, which = int(outcome[0]), int(outcome[1])
            chains.n_sweeps_done += done * self.gradient.n_sweeps
            if done:
                biases = visible_bias[: rbm.n_visible], hidden_bias[: rbm.n_hidden]
                new = weights[which].copy(), transposed[which].copy()
                rbm._parameters = parameters.replaced(*new, outcome[2:].tolist(), *biases)
                self._known = rbm._parameters, place ^ which
                if self.centering is not None and offsets is not None:
                    self.centering.visible_offset = offsets[0][: rbm.n_visible]
                    self.centering.hidden_offset = offsets[1][: rbm.n_hidden]
        return done

    def _offsets(self):
        """Centering as the kernel takes it, and the padded offsets that it moves."""
        if self.centering is None:
            return None, None
        known = self.centering.visible_offset, self.centering.hidden_offset
        sizes = tuple(0 if offset is None else offset.size for offset in known)
        fits = sizes == self.rbm._parameters.shape
        offsets = []
        for size, values in zip(self.rbm._parameters.shape, known, strict=True):
            offsets.append(np.zeros(-(-size // TILE) * TILE))
            if fits:
                offsets[-1][:size] = values
        return (self.centering.rate, *offsets, fits), offsets


def _weights_of_batches(weights: np.ndarray, ends: np.ndarray, mean_weight: float) -> tuple[np.ndarray, np.ndarray]:
    """As kernels.train takes weights: whole numbers, and of each batch (total, one, factor), up to one of no weight."""
    whole, batches = np.zeros(ends[-1]), np.empty((len(ends) - 1, 3))
    for k, (start, stop) in enumerate(zip(ends[:-1], ends[1:], strict=True)):
        own = weights[start:stop]
        if not own.any():
            return whole, batches[:k]
        whole[start:stop], scale = whole_weights(own)
        total = float(whole[start:stop].sum()) * (2.0**-FIXED_BITS * scale)
        batches[k] = total, scale, factor(len(own), own, mean_weight)
    return whole, batches
