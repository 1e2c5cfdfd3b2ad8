"""One call of fit: epochs of the training loop, and what comes between them: measurements, callbacks, checkpoints."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import validate, workload
from .._core.agreement import agreed, is_agreed
from .._core.fingerprint import fingerprint
from .._core.parameters import Parameters
from .._core.progress import ProgressLine
from .._core.signals import BREAKS, Signals, exception_of
from .._core.warn import warn
from ..ranks import among
from ..sampling.chains import Chains
from ..sampling.tempering import TemperedChains
from . import divided
from .contracts import Callback, FitState
from .data import OnDisk, UserBatches
from .early_stopping import EarlyStopping
from .measuring import n_at_the_end
from .record import outcome_of, settings_of
from .verdict import Closing, TrainingWarning, findings

if TYPE_CHECKING:
    from ..ranks import Alone, Ranks
    from ..sampling.trajectory import Trajectory
    from ..states.bits import BitMatrix
    from .data import InMemory
    from .history import History
    from .loop import Loop
    from .measuring import Measuring
    from .resume import Checkpoints


class Training:
    """A training; its parts are checked."""

    def __init__(
        self, loop: Loop, source: InMemory | UserBatches, measuring: Measuring, callbacks: list[Callback], epochs: int,
        progress: bool, trajectory: Trajectory | None, ranks: Alone | Ranks, batch_size: int,
    ) -> None:  # fmt: skip
        self.ranks, self.batch_size = ranks, batch_size
        self.loop, self.source, self.measuring, self.callbacks = loop, source, measuring, callbacks
        self.epochs, self.progress, self.trajectory = epochs, progress and ranks.rank == 0, trajectory
        self.offered = loop.rbm  # the model as the training offers it, whole
        if loop.averaging is not None or ranks.size > 1:
            self.offered = loop.rbm.copy()
        if loop.averaging is not None:
            loop.averaging.start()
        self._last_whole: tuple[Parameters | None, Parameters | None] = None, None  # a rank's part, and what it is of
        self.n_batches = source.n_batches
        self.n_updates = epochs * self.n_batches
        self.history = measuring.history
        self.history.trajectory = trajectory
        self.stopped, self.seconds = False, 0.0
        self.unmeasured = False  # whether the end of the epoch is done but for its measurement and callbacks
        self.checkpoints: Checkpoints | None = None
        self.line: ProgressLine | None = None

    def run(self, closing: Callable[..., Closing]) -> History:
        """Train from where it is to the end, which closing puts into numbers."""
        self.started = time.perf_counter()
        settings: dict[str, Any] = {}
        try:
            settings = self.ranks.agree(lambda: settings_of(self))
            self.measuring.start(self.source.some_examples(), self.loop.rbm.visible)
            if self.stopped or self.loop.update == self.n_updates and not self.unmeasured:
                raw = self.loop.rbm._parameters
                self._finish()
                if self.checkpoints is not None and not self.ranks.first(self.checkpoints.path.exists()):
                    self.checkpoints.try_to_save(raw)  # no epochs at all
            else:
                self._run()
            # a signal waits until all ranks have said what was reached
            with Signals(held=True) if self.ranks.size > 1 else nullcontext(Signals(held=True)) as interrupted:
                self._judge(closing)
                self._break_off(self.ranks.largest(interrupted.number)[0], interrupted)
            self._keep_record(settings, "early" if self.stopped else "complete")
        except BaseException as error:
            if is_agreed(error):
                divided.make_whole(self.loop)
                if self.loop.averaging is None or self.offered._parameters.division is not None:
                    self.offered._parameters = self.loop.rbm._parameters
            self._keep_record(settings, "broken off")
            with suppress(AttributeError):  # an exception that takes no attributes
                error.history = self.history  # type: ignore[attr-defined]
            raise
        finally:
            if self.checkpoints is not None:
                self.checkpoints.release()
        return self.history

    def elapsed(self) -> float:
        """Seconds of training, those before an interruption included."""
        return self.seconds + time.perf_counter() - self.started

    def given(self) -> dict[str, Any]:
        """What says which data are trained on, and where the training starts."""
        loop, validation = self.loop, self.measuring.validation
        parts = {"gradient": loop.gradient, "optimizer": loop.optimizer, "centered": loop.centering}
        return {
            "X": self.source.describe(), "X (its first examples)": fingerprint(self.source.some_examples()),
            "validation": None if validation is None else fingerprint(validation),
            "callbacks": [
                fingerprint(callback) if hasattr(callback, "describe") else type(callback).__name__
                for callback in self.callbacks
            ],
        } | {
            f"{name} (what it kept of earlier updates)": part.get_state()
            for name, part in parts.items() if hasattr(part, "get_state")
        }  # fmt: skip

    def offer(self) -> None:
        """Bring the model that the training offers up to date."""
        if self.loop.averaging is not None:
            self.loop.averaging.offer(self.loop.rbm, self.offered, self.loop.n_threads)
        elif self.offered is not self.loop.rbm:
            if self._last_whole[0] is not self.loop.rbm._parameters:
                self._let_go()  # before there is more to keep
            self.offered._parameters = self.whole(self.loop.rbm._parameters)

    def whole(self, parameters: Parameters) -> Parameters:
        """These parameters; where they are divided among ranks, what they are parts of."""
        if parameters.division is None:
            return parameters
        if self._last_whole[0] is not parameters:
            self._last_whole = parameters, parameters.whole(self.loop.n_threads)
        assert self._last_whole[1] is not None
        return self._last_whole[1]

    def _let_go(self) -> None:
        """Of a divided model, keep no more than this rank's part between two looks at all of it."""
        if self.loop.rbm._parameters.division is not None:
            self.offered._parameters, self._last_whole = self.loop.rbm._parameters, (None, None)

    def cool(self, update: int, epochs: int) -> None:
        """Go through what is left of the schedule between this update and the end of this many epochs."""
        self.epochs, self.n_updates = epochs, epochs * self.n_batches
        self.loop.schedule.shorten(update, epochs, self.n_updates)
        if self.line:
            self.line.epochs, self.line.n_updates = self.epochs, self.n_updates

    def _run(self) -> None:
        if self.progress:
            shown = self.measuring.shown(self.callbacks)
            self.line = ProgressLine(self.epochs, self.n_updates, self.loop.update, shown)
        complete = False
        try:
            self._divide()
            self._let_go()
            if isinstance(self.source, (OnDisk, UserBatches)):
                self.source.ranks = self.ranks
            with self._interrupts() as interrupted:
                epoch = self.loop.update // self.n_batches - self.unmeasured
                self.unmeasured = False
                while epoch < self.epochs and not self.stopped:
                    epoch += 1
                    self._epoch(epoch, interrupted)
                raw = self.whole(self.loop.rbm._parameters)
                self._finish()
                if self.checkpoints is not None:
                    self.checkpoints.try_to_save(raw)
                self._break_off(self.ranks.largest(interrupted.number)[0], interrupted)
            complete = True
        finally:
            if self.line:
                self.line.close(complete)

    @contextmanager
    def _interrupts(self) -> Iterator[Signals]:
        """With checkpoints, the first Ctrl-C or SIGTERM waits for the end of the update and a checkpoint; on several
        ranks, too, all of which end after the same update."""
        signals = Signals(held=True)
        if self.checkpoints is None and self.ranks.size == 1:
            yield signals
            return
        with signals:
            try:
                yield signals
            except Exception:
                if self.ranks.size == 1:
                    signals.reraise()  # which was noted, and would be lost with this error
                raise

    def _epoch(self, epoch: int, interrupted: Signals) -> None:
        piece = self.measuring.piece
        if self.trajectory is not None:
            self.loop.pause = self.trajectory.next_update
        for _ in self.loop.steps(epoch * self.n_batches, piece, self._most):
            self._look()
            if self.line:
                self.line.update(epoch, self.loop.update)
            if self.loop.update % self.n_batches:
                if self.loop.update % self.n_batches % piece == 0:
                    self.offer()
                    self._measure(epoch, [])
                self._save_if_due(interrupted)
                self._let_go()
        last = epoch == self.epochs
        due = self.measuring.due(epoch, self.epochs, self.callbacks)
        measured = self.measuring.row_is_due(epoch, self.epochs) or bool(due)
        if measured or self.callbacks:
            self.offer()
        if measured:
            self._measure_unless_broken_off(epoch, due, interrupted)
        if self._call_back(epoch):
            self.stopped = True
            if not measured or len(due) < len(self.measuring.metrics):
                if measured:
                    self.history.forget_last()
                self._measure(epoch, self.measuring.metrics)
        if self.loop.schedule.cooling and self.loop.update == self.n_updates:
            self.stopped = True
        if not last and not self.stopped:
            self._save_if_due(interrupted)
            self._let_go()

    @property
    def _most(self) -> int | None:
        """Updates of a call, at most, where checkpoints may be due after each."""
        return 1 if self.checkpoints is not None and self.checkpoints.pause < 1.0 else None

    def _divide(self) -> None:
        most = self.measuring.piece if self._most is None else self._most
        divided.divide(self.loop, self.ranks, most)

    def _look(self) -> None:
        """Let the trajectory look at the model, if it is time."""
        loop, trajectory = self.loop, self.trajectory
        if trajectory is not None and loop.update >= trajectory.next_update:
            trajectory.look(loop.rbm, loop.update, self._chains(), loop.n_threads)
            loop.pause = trajectory.next_update

    def _chains(self) -> BitMatrix | None:
        """Visible states of the negative phase's chains, where it has any of this model."""
        chains = getattr(self.loop.gradient, "chains", None)
        if isinstance(chains, (Chains, TemperedChains)) and chains.rbm is self.loop.rbm:
            return chains.visible_bits
        return None

    def _call_back(self, epoch: int) -> bool:
        """Call all callbacks, whatever the others return; whether one of them ends the training."""
        state = FitState(self.offered, self.history, epoch, self.epochs, self.loop.update, self.n_updates)
        if not self.callbacks:
            return False
        before = self.loop.rbm._parameters, self.offered._parameters
        answers = self.ranks.agree(lambda: [callback(state) for callback in self.callbacks])
        ends = self.ranks.first([isinstance(answer, (bool, np.bool_)) and bool(answer) for answer in answers])
        if self.ranks.size > 1:
            self._take_over(*before)
        ending = [
            callback for callback, end in zip(self.callbacks, ends, strict=True) if end and not self._cools(callback)
        ]
        return bool(ending)

    def _take_over(self, own: Parameters, offered: Parameters) -> None:
        """Go on from a model that callbacks changed on rank 0; own and offered as they were before."""
        rbm, state = self.loop.rbm, self.offered  # by a name of the callback's, and as it was given
        mine = rbm._parameters
        by_name, by_state = self.ranks.first((mine is not own, state._parameters is not offered))
        rbm._parameters = own
        state._parameters = self._of_rank_0(state._parameters) if by_state else offered
        if by_name:
            mine = self._of_rank_0(mine if mine.division is None else offered)
        elif by_state and self.loop.averaging is None:
            mine = state._parameters
        else:
            return
        if self.loop.averaging is None:
            state._parameters = mine
        divided.make_whole(self.loop, mine)
        self._divide()

    def _of_rank_0(self, parameters: Parameters) -> Parameters:
        """What callbacks made of the model. Where their arithmetic is not the same on all ranks, as by BLAS, what they
        made of it on rank 0."""
        arrays = parameters.weights, parameters.visible_bias, parameters.hidden_bias
        checksum = 0
        for array in arrays:
            checksum = zlib.crc32(array.data, checksum)
        largest, smallest = self.ranks.largest(checksum, -checksum)
        if largest == -smallest:
            return parameters
        return Parameters.of(*self.ranks.first(arrays), parameters.units, self.loop.n_threads)

    def _cools(self, callback: Any) -> bool:
        """Whether a training that this callback would end lets its learning rate fall first: it does so where the rate
        has a way to go, and then the rest of the schedule is gone through in fewer updates."""
        part, loop = callback.cool_down if isinstance(callback, EarlyStopping) else 0.0, self.loop
        if part and loop.schedule.cooling:
            return loop.update < self.n_updates
        if not part or not loop.optimizer.rate(loop.schedule(loop.update)) > loop.optimizer.rate(1.0):
            return False
        done = loop.update // self.n_batches
        epochs = min(self.epochs, done + max(1, round(part * loop.update / self.n_batches)))
        if loop.update < epochs * self.n_batches:
            self.cool(loop.update, epochs)
            if loop.averaging is not None:
                loop.averaging.start()  # what was averaged came after the best model
            divided.make_whole(loop, self.whole(loop.rbm._parameters))
            callback.restart(loop.rbm)
            self._divide()
        return loop.update < self.n_updates

    def _measure(self, epoch: int, due: list[Any]) -> None:
        loop = self.loop
        if self.source.refills:
            self.measuring.start(self.source.some_examples(), loop.rbm.visible)
        rate = validate.real(loop.optimizer.rate(loop.schedule(loop.update - 1)), "what optimizer.rate returns")
        chains = getattr(loop.gradient, "chains", None)
        self.measuring.measure(self.offered, epoch, loop.update, self.elapsed(), rate, chains, due)
        if self.line:
            self.line.measurement(epoch, loop.update, self.history)

    def _measure_unless_broken_off(self, epoch: int, due: list[Any], interrupted: Signals) -> None:
        """A measurement may take long, so that Ctrl-C and SIGTERM end it; whoever resumes takes it anew. Several ranks
        go through it together."""
        if self.ranks.size > 1:
            self._measure(epoch, due)
            return
        rows, self.unmeasured = len(self.history), True
        # not as a context: a signal that came between its frames would find nobody to save
        try:
            interrupted.held = False
            interrupted.reraise()
            self._measure(epoch, due)
            interrupted.held = True
        except BREAKS:
            interrupted.held = True
            if self.checkpoints is not None:
                while len(self.history) > rows:
                    self.history.forget_last()
                self.checkpoints.try_to_save()
            raise
        self.unmeasured = False

    def _save_if_due(self, interrupted: Signals) -> None:
        """By the clock of rank 0, or by the signal of any rank."""
        late = self.checkpoints is not None and self.ranks.rank == 0 and self.checkpoints.due()
        number, due = self.ranks.largest(interrupted.number, late)
        if self.checkpoints is not None and (number or due):
            self.checkpoints.try_to_save()
        self._break_off(number, interrupted)

    def _break_off(self, number: float, interrupted: Signals) -> None:
        """Raise, on all ranks, what a signal to one of them means; 0: none."""
        if number:
            interrupted.wait()
            raise agreed(exception_of(int(number)))

    def _finish(self) -> None:
        """Let rbm be what the training offers, after callbacks had a last word on it."""
        finishing = [callback for callback in self.callbacks if hasattr(callback, "finish")]
        if finishing:
            self.ranks.agree(lambda: [callback.finish(self.offered) for callback in finishing])
            self.offered._parameters = self._of_rank_0(self.offered._parameters)
        divided.make_whole(self.loop, self.offered._parameters)
        self.loop.rbm._parameters, self._last_whole = self.offered._parameters, (None, None)
        if self.trajectory is not None:
            self.trajectory.finish(self.loop.rbm, self.loop.update, self._chains(), self.loop.n_threads)

    def _keep_record(self, settings: dict[str, Any], ended: str) -> None:
        """Let the model know how it was trained, if it was."""
        rbm = self.loop.rbm
        if self.loop.update and rbm._parameters.division is None:
            rbm._keep_record(settings | outcome_of(self, ended))

    def _work(self) -> int:
        """Of the updates, in connections (workload): of an estimator that has no chains, as if it had one for each
        example of a batch."""
        rbm, chains, n, sweeps = self.loop.rbm, getattr(self.loop.gradient, "chains", None), self.batch_size, 1
        if isinstance(chains, (Chains, TemperedChains)):
            n = len(chains)
            sweeps = chains.n_states // n if isinstance(chains, TemperedChains) else 1
        own = getattr(self.loop.gradient, "n_sweeps", 1)
        sweeps *= own if isinstance(own, int) else 1
        return self.loop.update * workload.update(rbm.n_visible, rbm.n_hidden, self.batch_size, n, sweeps)

    def _judge(self, closing: Callable[..., Closing]) -> None:
        """Say in words what was reached: in the history, and as a warning where it is a fault."""
        if not len(self.history) or not getattr(self.loop.gradient, "generative", True):
            return  # of a classifier alone, samples and likelihoods say nothing
        loop, basics = self.loop, self.measuring.basics
        chains = getattr(loop.gradient, "chains", None)
        kept = any(hasattr(callback, "finish") for callback in self.callbacks)
        examples = self.source.some_examples(n_at_the_end(loop.rbm.n_visible))
        with among(self.ranks):
            numbers = closing(
                loop.rbm, basics, examples, self.history, chains, kept, self._work(), self.measuring.seed,
                loop.n_threads,
            )  # fmt: skip
        found = self.ranks.first(findings(replace(numbers, left_out=loop.left_out / max(1, loop.update))))
        self.history.findings = tuple(found)
        for finding in found:
            if finding.fault:
                warn(finding.words, TrainingWarning)
