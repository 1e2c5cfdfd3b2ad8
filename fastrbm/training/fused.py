"""Many updates in one call of a kernel, where a training is of the common kind: the same bits, without the way through
Python that small models spend most of their time on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .._core import threads, validate, workload
from .._core.dispatch import kernels
from .._core.layout import FIXED_BITS, TILE
from .._core.segments import empty_tiles, placed, segments_of
from ..gradient.centering import Centering
from ..gradient.pcd import PCD
from ..gradient.weighted import factor
from ..moments import whole_weights
from ..optim.sgd import SGD
from ..sampling import gibbs

if TYPE_CHECKING:
    from .._core.parameters import Parameters
    from ..rbm import RBM

FEWEST = 4  # updates that are worth a call
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


class Updates:
    """Updates of one model.

    The kernel goes back and forth between two places of the weights, both ways round: each update reads the one and
    writes the other. Both belong to this object and to no model; a model gets a copy of what is in one of them.
    """

    def __init__(self, rbm: RBM, gradient: PCD, optimizer: SGD, centering: Centering | None, n_threads=None) -> None:
        self.rbm = rbm
        self.gradient, self.optimizer, self.centering, self.n_threads = gradient, optimizer, centering, n_threads
        weights, transposed = rbm._parameters.to_hidden.tiles_array, rbm._parameters.transposed
        self._segments = segments_of(rbm.visible.layout)
        self._weights = empty_tiles(weights.shape, self._segments), empty_tiles(weights.shape, self._segments)
        self._transposed = np.empty_like(transposed), np.empty_like(transposed)
        self._known: tuple[Parameters | None, int] = None, 0  # what was copied last, and from which place

    def most(self, batch_size: int) -> int:
        """Updates of a call that Ctrl-C need not wait for; 0 where none can be done in such a call."""
        if self._n_chains() > _LARGEST_BATCH:
            return 0
        sizes = self.rbm.n_visible, self.rbm.n_hidden, batch_size, self._n_chains(), self.gradient.n_sweeps
        return workload.steps_a_call(
            workload.update(*sizes), 1 if self._threads(batch_size, False) == 1 else workload.WAITING
        )

    def _n_chains(self) -> int:
        chains = self.gradient.chains
        return len(chains) if chains is not None and chains.rbm is self.rbm else self.gradient.n_chains

    def _threads(self, batch_size: int, waits: bool = True) -> int:
        """For a call, in which threads wait for each other several times an update; waits=False: at most."""
        examples = 2 * batch_size + (1 + 2 * self.gradient.n_sweeps) * self._n_chains() + threads.PASS
        return threads.resolve(self.n_threads, 10 * self.rbm.n_visible * self.rbm.n_hidden * examples, waits)

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
        if len(rates) < FEWEST:
            return 0
        rbm, chains = self.rbm, self.gradient._start(self.rbm, self.n_threads)
        if len(chains) > _LARGEST_BATCH:
            return 0
        parameters, first_sweep = rbm._parameters, chains.n_sweeps_done + 1
        gibbs.check_capacity(first_sweep, len(rates) * self.gradient.n_sweeps)
        to_hidden, to_visible = parameters.to_hidden, parameters.to_visible
        (known, place), self._known = self._known, (None, 0)
        weights, transposed = self._weights, self._transposed
        if parameters is known:
            weights, transposed = (pair if place == 0 else pair[::-1] for pair in (weights, transposed))
        else:
            place = 0
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
                centering, given, self.optimizer.l2, self.optimizer.l1, validate.LARGEST, outcome,
                self._threads(int(ends[1] - ends[0])),
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
