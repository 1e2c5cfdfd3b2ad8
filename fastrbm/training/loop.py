"""The training loop: updates of a model by the batches of a source, for fit, the command line and scikit-learn.

An update is: gradient of a batch, centering, optimizer, averaging. It is here and, for trainings of the common kind, in
one kernel that does many updates a call (fused.py); to the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from .._core.agreement import agreed
from .._core.coupling import NotNormalizable
from ..gradient.base import Gradient
from ..gradient.centering import Centering
from ..gradient.pcd import PCD
from ..gradient.weighted import weighted_gradient
from ..moments import ROWS_A_PART
from ..optim.sgd import SGD
from ..states.bits import BitMatrix
from . import variance
from .data import ON_RANKS, InMemory
from .fused import FEWEST, Together, Updates, possible

if TYPE_CHECKING:
    from ..optim import Averaging
    from ..ranks import Ranks
    from ..rbm import RBM
    from .contracts import GradientEstimator, Optimizer
    from .data import OneBatch, UserBatches

_LOWERED = 63 / 64  # of weights between real units, in place of a step to where no distribution is
_AT_ONCE = 256  # updates of a call that goes through several epochs, at most


class Schedule:
    """What fraction of the training is done before an update: what schedules of the learning rate go by."""

    def __init__(self, n_updates: int) -> None:
        self._whole = n_updates
        self.cooling: tuple[int, int] | None = None  # since which update, and to the end of which epoch

    def __call__(self, update: int) -> float:
        if self.cooling is None or update < self.cooling[0]:
            return update / self._whole
        first, start = self.cooling[0], self.cooling[0] / self._whole
        return start + (1.0 - start) * ((update - first) / (self._end - first))

    def shorten(self, update: int, epochs: int, end: int) -> None:
        """Reach 1 at update end, which ends this many epochs, in even steps from update on."""
        self.cooling, self._end = (update, epochs), end


class Loop:
    """Updates of one model.

    Parameters
    ----------
    rbm : RBM
    source : InMemory, UserBatches or OneBatch
    gradient, optimizer : as for fit
    centering : Centering or None
    n_updates : int
        Of the whole training.
    averaging : Averaging or None
    strict : bool
        Complain of gradients that cannot be centered, rather than take them as they are.
    n_threads : int or None
    learn_variance : bool
        Of Gaussian visible units; the gradient has chains then.

    Attributes
    ----------
    update : int
        Updates that are done.
    left_out : int
        Of these, those that would have made a model with real units in both layers that cannot be normalized: weights
        between real units are lowered by a 64th instead.
    pause : int
        An update that no call of many may go beyond: somebody has to look at the model then. One that is past means
        nothing.
    """

    def __init__(
        self, rbm: RBM, source: InMemory | UserBatches | OneBatch, gradient: GradientEstimator, optimizer: Optimizer,
        centering: Centering | None, n_updates: int, averaging: Averaging | None = None, strict: bool = True,
        n_threads: int | None = None, learn_variance: bool = False,
    ) -> None:  # fmt: skip
        self.rbm, self.source, self.gradient, self.optimizer = rbm, source, gradient, optimizer
        self.centering, self.averaging, self.strict, self.n_threads = centering, averaging, strict, n_threads
        self.learn_variance, self.left_out = learn_variance, 0
        self.schedule, self.update, self.pause = Schedule(n_updates), 0, 0
        self._updates: Updates | None = None  # what the kernel of many has of this model
        self._together: Together | None = None  # ranks whose threads do updates of the kernel of many

    def run(self, stop: int) -> None:
        """Go on to update stop, the end of an epoch."""
        for _ in self.steps(stop):
            pass

    def steps(self, stop: int, piece: int | None = None, most: int | None = None) -> Iterator[int]:
        """Go on to update stop, the end of an epoch; yield after each call how many updates it did. No call has more
        than most updates, or goes beyond the end of a piece of an epoch, of so many updates."""
        n_batches = self.source.n_batches
        while self.update < stop:
            end = self.pause if self.update < self.pause < stop else stop
            yield from self._many(end, n_batches if piece is None else piece, most)
            # what is left of an epoch: all of it, or a last few, or what would make a parameter bad and says so here
            epoch, first = divmod(self.update, n_batches)
            if self.update < end:
                for batch, weight in self.source.batches(epoch + 1, first):
                    self.step(batch, weight, self.source.mean_weight)
                    self.update += 1
                    yield 1
                    if self.update == end and isinstance(self.source, InMemory):  # others would start their epoch anew
                        break

    def _many(self, stop: int, piece: int, most: int | None) -> Iterator[int]:
        """Updates in calls of many, where that can be (a callback may have changed it), as far as they go: to stop, or
        to a place in an epoch that one update at a time has to get past."""
        source, done, many = self.source, 1, self._kernel_of_many()
        if many is None:
            return
        assert isinstance(source, InMemory) and isinstance(self.optimizer, SGD)
        most = min(many.most(source.batch_size), _AT_ONCE if most is None else most)
        if most < 1:
            return
        fewest = many.fewest
        if source.refills:  # a batch depends on the update before
            most = piece = 1
        while self.update < stop and done:
            epoch, first = divmod(self.update, source.n_batches)
            whole = min(most, stop - self.update) // source.n_batches  # epochs
            whole = 0 if first or piece < source.n_batches else whole
            epochs = range(epoch + 1, epoch + 1 + max(1, whole))
            ahead = len(epochs) * source.n_batches if whole else min(source.n_batches - first, piece - first % piece)
            ahead = min(ahead, stop - self.update)
            if min(ahead, most) < fewest:
                return
            calls = -(-ahead // most)  # of about the same size, so that none is too short for the kernel
            rates = self._rates(self.optimizer, range(self.update, self.update + -(-ahead // calls)))
            batches = source.n_batches if whole else len(rates)
            packed, rows, ends, weights = source.part(epochs, first, batches, self.n_threads)
            n = min(len(rates), len(ends) - 1)
            done = many.run(packed, rows, ends[: n + 1], rates[:n], weights, source.mean_weight)
            self.update += done
            if done:
                yield done

    def _kernel_of_many(self) -> Updates | None:
        """The kernel of many updates; None where this training is none of those that it does."""
        source, gradient, optimizer = self.source, self.gradient, self.optimizer
        if not isinstance(source, InMemory) or not source.in_bits or self.averaging is not None:
            return None
        if not possible(self.rbm, gradient, optimizer, self.centering, source.batch_size):
            return None
        assert isinstance(gradient, PCD) and isinstance(optimizer, SGD)
        # the kernel's factor of a difference is one for all units, and it does not go back to the gauge
        if not self.rbm.visible.even or self.rbm.visible.layout is not None and optimizer.l1:
            return None
        parts = self.rbm, gradient, optimizer, self.centering, self.n_threads, self._together
        if self._updates is None or not self._updates.are_of(*parts):
            self._updates = Updates(*parts)
        return self._updates

    def work_together(self, ranks: Ranks, most: int) -> bool:
        """Let ranks have their threads do updates together, in memory that they share, so that each has all of the
        model. False where that cannot be: where they are not of one machine, or where few updates go into a call, which
        never has more than most."""
        n_updates = min(most, self.source.n_batches)
        if not ranks.together or n_updates < FEWEST or self._kernel_of_many() is None:
            return False
        assert isinstance(self.source, InMemory)
        if self.source.refills:  # whose batches are drawn one by one
            return False
        if self._together is None:
            self._together = Together(ranks, self.n_threads)
        many, batch_size = self._kernel_of_many(), self.source.batch_size
        assert many is not None
        return self._together.alike and many.most(batch_size) >= FEWEST and many.reserve(batch_size)

    def _rates(self, optimizer: SGD, updates: range) -> np.ndarray:
        """The learning rates of these updates, up to one that cannot be had: that update will say why."""
        if not callable(optimizer.learning_rate):
            return np.full(len(updates), optimizer.learning_rate)
        rates = []
        for update in updates:
            try:
                rates.append(optimizer.rate(self.schedule(update)))
            except Exception:
                break
        return np.array(rates)

    def step(self, batch, weight: np.ndarray | None, mean_weight: float) -> None:
        """One update by a batch, BitMatrix or float64 (n, V). weight: of its examples (n,), or None; mean_weight: of
        those of all data."""
        if weight is not None and not weight.any():
            return
        if self.rbm._parameters.division is not None:
            _refuse_undivided(batch)
        elif self._together is not None:
            rate = self.optimizer.rate(self.schedule(self.update))
            self._together.meet(np.array([rate]))
        estimate = weighted_gradient(self.gradient, self.rbm, batch, weight, mean_weight, self.n_threads)
        centered = isinstance(estimate, Gradient) and estimate._keeps_parts("centered")
        if self.centering is not None and (self.strict or centered):
            estimate = self.centering(estimate)
        try:
            self.optimizer.update(self.rbm, estimate, self.schedule(self.update), self.n_threads)
            if self.learn_variance:
                chains, progress = self.gradient.chains, self.schedule(self.update)  # type: ignore[attr-defined]
                variance.update(self.rbm, batch, weight, mean_weight, chains, progress)
        except NotNormalizable:  # data that are nearly in a plane lead up to where no distribution is, and noise beyond
            offsets = estimate.offsets if isinstance(estimate, Gradient) else None
            self.rbm._take(self.rbm._parameters.lowered(_LOWERED, self.n_threads, offsets))
            self.left_out += 1
        if self.averaging is not None:
            self.averaging.update(self.rbm, self.update + 1)


def _refuse_undivided(batch: BitMatrix | np.ndarray) -> None:
    """ValueError, on all ranks, where the moments of a batch have no exact sums by tile."""
    if not isinstance(batch, BitMatrix) or len(batch) > ROWS_A_PART:
        raise agreed(ValueError(ON_RANKS))
