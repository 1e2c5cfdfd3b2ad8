"""The training loop behind fit: batches, updates, measurements, callbacks, checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import output, saved, validate
from .._core.progress import ProgressLine
from .._core.signals import BREAKS, Signals
from .._core.warn import warn
from ..gradient.base import Gradient
from ..gradient.fast_pcd import FastPCD
from ..gradient.weighted import weighted_gradient
from . import checkpoint
from .basics import Basics, Snapshot
from .data import InMemory, UserBatches
from .fused import FEWEST, Updates, possible
from .history import History
from .verdict import Closing, TrainingWarning, findings

if TYPE_CHECKING:
    from .._core.parameters import Parameters
    from ..gradient.centering import Centering
    from ..optim import Averaging
    from ..rbm import RBM
    from ..states.bits import BitMatrix

_UPDATES_A_MEASUREMENT = 256  # so that measuring stays near 1 % of the work
_ROWS = 20  # of the history: where measuring costs more than 1 % for them, it may cost more
_FEWEST_UPDATES = 64  # between two measurements, which take as long as 10 updates; epochs up to _ROWS have a row each
_RAW = ("raw_weights", "raw_visible_bias", "raw_hidden_bias")
_BASIC_COLUMNS = (
    "epoch", "update", "seconds", "learning_rate", "reconstruction_error", "shuffled_gap", "hidden_activity",
    "weight_norm",
)  # fmt: skip
_PART_OF_COST = 0.005  # each metric's, where it leaves open when it is due
_PART_OF_COST_WATCHED = 0.05  # likewise, where the training may end by it
_TIMES_WATCHED = 50  # and then it is taken so many times at least


@dataclass(frozen=True)
class FitState:
    """What a callback is given at the end of an epoch.

    Attributes
    ----------
    rbm : RBM
        The model as the training offers it: the average, where parameters are averaged. A callback may keep
        ``rbm.copy()``; if it ends the training, rbm as it leaves it is the result.
    history : History
        What was measured so far; the newest row may be some epochs old, and at first there is none.
    epoch, epochs : int
        Epochs that are complete, and asked for.
    update, n_updates : int
        Updates that are done, and asked for.
    """

    rbm: RBM
    history: History
    epoch: int
    epochs: int
    update: int
    n_updates: int


class _Schedule:
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


class Training:
    """One call of fit; its arguments are checked."""

    def __init__(
        self, rbm: RBM, source: InMemory | UserBatches, gradient, optimizer, centering: Centering | None, strict: bool,
        averaging: Averaging | None, epochs: int, batch_size: int, seed: int, validation: BitMatrix | None, metrics,
        callbacks: list[Callable], progress: bool, n_threads: int | None,
    ) -> None:  # fmt: skip
        self.rbm, self.source, self.gradient, self.optimizer = rbm, source, gradient, optimizer
        self.centering, self.strict = centering, strict  # strict: complain of gradients that cannot be centered
        self.averaging, self.epochs, self.batch_size, self.seed = averaging, epochs, batch_size, seed
        self.validation, self.metrics, self.callbacks = validation, list(metrics), callbacks
        self.progress, self.n_threads = progress, n_threads
        self.offered = rbm
        if averaging is not None:
            self.offered = rbm.copy()
            averaging.start()
        self.n_updates = epochs * source.n_batches
        least, most = (-(-updates // source.n_batches) for updates in (_FEWEST_UPDATES, _UPDATES_A_MEASUREMENT))
        self.interval = 1 if epochs <= _ROWS else min(most, max(least, epochs // _ROWS))
        # updates between two measurements of an epoch, where epochs are too few for so many rows
        self.piece = max(_FEWEST_UPDATES, -(-source.n_batches // -(-_ROWS // max(1, epochs))))
        self.history = History()
        self.schedule = _Schedule(self.n_updates)
        self.update, self.stopped, self.seconds = 0, False, 0.0
        self.unmeasured = False  # whether the end of the epoch is done but for its measurement and callbacks
        self.path: Path | None = None
        self.lock: output.Lock | None = None
        self.line: ProgressLine | None = None

    # ------------------------------------------------------------ checkpoints

    def keep_checkpoints(self, path, seconds: float, resume: bool) -> None:
        """Write a checkpoint to path every so many seconds; with resume, start from the one that is there."""
        given = validate.path(path, "checkpoint")
        self.path, self.pause, self.setup = given.absolute(), seconds, self._describe()
        for name, part in (("gradient", self.gradient), ("optimizer", self.optimizer)):
            if not (hasattr(part, "get_state") and hasattr(part, "set_state")):
                raise TypeError(f"{name} must have get_state and set_state to be kept in checkpoints; {part!r} has not")
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"checkpoint {path}: there is no folder {self.path.parent}")
        checkpoint.arrays_of(self._states())  # to hear of what cannot be kept before, not after an hour
        self.lock = output.Lock(path)
        try:
            output.check(path)
            output.clean_up(path)
            if resume and self.path.exists():
                self._resume(given)
            elif self.path.exists():
                raise FileExistsError(f"checkpoint {path} exists: pass resume=True to go on from it, or remove it")
        except BaseException:
            self.lock.release()
            raise

    def _describe(self) -> dict[str, object]:
        """What must be the same where a training goes on."""
        stateful = [callback for callback in self.callbacks if hasattr(callback, "get_state")]
        parts: dict[str, object] = {
            "gradient": self.gradient, "optimizer": self.optimizer, "centering": self.centering,
            "averaging": self.averaging, "metrics": self.metrics, "callbacks": stateful,
        }  # fmt: skip
        validation = self.validation and InMemory(self.validation, self.rbm.visible).describe()
        setup: dict[str, object] = {
            "model": repr(self.rbm), "data": self.source.describe(), "validation": validation, "epochs": self.epochs,
            "batch_size": self.batch_size, "seed": self.seed,
        }  # fmt: skip
        return setup | {name: checkpoint.describe(part) for name, part in parts.items()}

    def _resume(self, path: Path) -> None:
        parameters, states, setup = checkpoint.read(path)
        checkpoint.refuse_other(path, setup, self.setup)
        try:
            update = saved.count(states.get("training", {}), "update")
            if update <= self.n_updates:
                self._go_on_from(update, parameters, states)
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path} is damaged: {error}") from error
        if update > self.n_updates:
            raise ValueError(f"{path} is {update} updates on, more than the {self.n_updates} asked for")

    def _go_on_from(self, update: int, parameters: tuple[np.ndarray, ...], states: dict[str, dict[str, Any]]) -> None:
        """Take over what a checkpoint holds, all of which is checked: a file may hold anything."""
        training = states["training"]
        if "cooling" in training:
            since, epochs = saved.array(training, "cooling", np.int64, (2,), 0, self.n_updates).tolist()
            if not since < epochs * self.source.n_batches <= self.n_updates:
                raise ValueError(f"its learning rate falls until epoch {epochs}; {self.epochs} epochs are asked for")
            self._cool(since, epochs)
        seconds, stopped = saved.number(training, "seconds"), saved.flag(training, "stopped")
        unmeasured = "unmeasured" in training and saved.flag(training, "unmeasured")
        offered = raw = self.rbm.copy()
        offered.set_parameters(*parameters)
        if any(name in training for name in _RAW):  # the model of the file is an average, or the best of several
            shapes = zip(_RAW, ((None, None), (None,), (None,)), strict=True)
            raw = self.rbm.copy()
            raw.set_parameters(*(saved.array(training, name, np.float32, shape) for name, shape in shapes))
        for name, part in [("gradient", self.gradient), ("optimizer", self.optimizer), *self._others()]:
            more = (self.rbm,) if name == "gradient" else ()
            try:
                part.set_state(states.get(name, {}), *more)
                if hasattr(part, "_must_fit"):
                    part._must_fit(self.rbm)
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError(f"{name}: {error}") from error
        if set(self.history.columns) - set(self.columns):
            raise ValueError(
                f"its history has columns {', '.join(self.history.columns)}, not {', '.join(self.columns)}"
            )
        if isinstance(self.source, UserBatches):
            self.source.keep_examples(_kept_examples(training, self.rbm.n_visible))
        self.update, self.seconds, self.stopped, self.unmeasured = update, seconds, stopped, unmeasured
        self.offered._parameters, self.rbm._parameters = offered._parameters, raw._parameters

    def _others(self) -> list[tuple[str, Any]]:
        """Whatever else has a state, by its name in a checkpoint."""
        parts: list[tuple[str, Any]] = [
            ("centering", self.centering),
            ("averaging", self.averaging),
            ("history", self.history),
        ]
        stateful = [callback for callback in self.callbacks if hasattr(callback, "get_state")]
        parts += [(f"callback {k}", callback) for k, callback in enumerate(stateful)]
        return [(name, part) for name, part in parts if hasattr(part, "get_state")]

    def _states(self) -> dict[str, dict[str, Any]]:
        """The states of all that takes part."""
        states = {"gradient": self.gradient.get_state(), "optimizer": self.optimizer.get_state()}
        return states | {name: part.get_state() for name, part in self._others()}

    def _save(self, raw: Parameters | None = None) -> None:
        """raw: at the end, when rbm is already what the training offers, its parameters before that."""
        training: dict[str, Any] = {"update": self.update, "seconds": self._elapsed(), "stopped": self.stopped}
        if self.unmeasured:
            training["unmeasured"] = True
        if self.schedule.cooling:
            training["cooling"] = np.array(self.schedule.cooling)
        if isinstance(self.source, UserBatches):
            training["examples"] = self.source.some_examples()
        if raw is None and self.averaging is not None:
            self.averaging.offer(self.rbm, self.offered, self.n_threads)
        raw = self.rbm._parameters if raw is None else raw
        if raw is not self.offered._parameters:
            training |= dict(zip(_RAW, (raw.weights, raw.visible_bias, raw.hidden_bias), strict=True))
        assert self.path is not None
        checkpoint.write(self.path, self.offered, {"training": training} | self._states(), self.setup)
        self.saved = time.perf_counter()

    # ------------------------------------------------------------ the loop

    def run(self, closing: Callable[..., Closing]) -> History:
        """Train. closing gives the numbers by which the end is judged."""
        self.started = self.saved = time.perf_counter()
        try:
            self.basics = Basics(self.source.some_examples(), self.validation, self.seed)
            if self.stopped or self.update == self.n_updates and not self.unmeasured:
                self._finish()
            else:
                self._run()
            self._judge(closing)
        except BaseException as error:
            with suppress(AttributeError):  # an exception that takes no attributes
                error.history = self.history  # type: ignore[attr-defined]
            raise
        finally:
            if self.lock:
                self.lock.release()
        return self.history

    def _run(self) -> None:
        self.line = ProgressLine(self.epochs, self.n_updates, self.update) if self.progress else None
        try:
            with self._interrupts() as interrupted:
                epoch = self.update // self.source.n_batches - self.unmeasured
                self.unmeasured = False
                while epoch < self.epochs and not self.stopped:
                    epoch += 1
                    self._epoch(epoch, interrupted)
                raw = self.rbm._parameters
                self._finish()
                if self.path is not None:
                    self._try_to_save(raw)
                interrupted.reraise()
        finally:
            if self.line:
                self.line.close()

    def _epoch(self, epoch: int, interrupted: Signals) -> None:
        n_batches = self.source.n_batches
        self._many_steps(epoch, interrupted)
        # what is left: everything, or a last few, or what would make a parameter bad and says so here
        if self.update < epoch * n_batches:
            for batch, weight in self.source.batches(epoch, self.update % n_batches):
                self._step(batch, weight)
                self._stepped(epoch, 1, interrupted)
        if self.averaging is not None:
            self.averaging.offer(self.rbm, self.offered, self.n_threads)
        last = epoch == self.epochs
        due = [last or epoch % self._every(metric) == 0 for metric in self.metrics]
        measured = last or epoch % self.interval == 0 or any(due)
        if measured:
            self._measure_unless_broken_off(epoch, due, interrupted)
        state = FitState(self.offered, self.history, epoch, self.epochs, self.update, self.n_updates)
        # every callback is called, whatever the others return
        answers = [callback(state) for callback in self.callbacks]
        ending = [
            callback
            for callback, answer in zip(self.callbacks, answers, strict=True)
            if isinstance(answer, (bool, np.bool_)) and answer and not self._cools(callback)
        ]
        if ending:
            self.stopped = True
            if not measured or not all(due):
                if measured:
                    self.history.forget_last()
                self._measure(epoch, [True] * len(self.metrics))
        if self.schedule.cooling and self.update == self.n_updates:
            self.stopped = True
        if not last and not self.stopped:
            self._save_if_due(interrupted)

    def _many_steps(self, epoch: int, interrupted: Signals) -> None:
        """Updates of an epoch in calls of many, where that can be (a callback may have changed it), as far as they
        go."""
        source = self.source
        if not isinstance(source, InMemory) or not source.in_bits or self.averaging is not None:
            return
        if not possible(self.gradient, self.optimizer, self.centering, self.batch_size):
            return
        many = Updates(self.rbm, self.gradient, self.optimizer, self.centering, self.n_threads)
        most = 1 if self.path is not None and self.pause < 1.0 else many.most(self.batch_size)
        left = done = epoch * self.source.n_batches - self.update
        while left and done:
            ahead = min(left, self.piece - self.update % source.n_batches % self.piece)
            if min(ahead, most) < FEWEST:
                break
            calls = -(-ahead // most)  # of about the same size, so that none is too short for the kernel
            updates = self.update + np.arange(-(-ahead // calls))
            rates = self._rates(updates.tolist())
            batches = source.part(epoch, source.n_batches - left, len(rates), self.n_threads)
            done = many.run(*batches, rates[: len(batches[2]) - 1])
            left -= done
            if done:
                self._stepped(epoch, done, interrupted)

    def _rates(self, updates: list[int]) -> np.ndarray:
        """The learning rates of these updates, up to one that cannot be had: that update will say why."""
        rates = []
        for update in updates:
            try:
                rates.append(self.optimizer.rate(self.schedule(update)))
            except Exception:
                break
        return np.array(rates)

    def _stepped(self, epoch: int, n: int, interrupted: Signals) -> None:
        """Note that n more updates are done."""
        self.update += n
        if self.line:
            self.line.update(epoch, self.update)
        if self.update % self.source.n_batches:
            if self.update % self.source.n_batches % self.piece == 0:
                if self.averaging is not None:
                    self.averaging.offer(self.rbm, self.offered, self.n_threads)
                self._measure(epoch, [False] * len(self.metrics))
            self._save_if_due(interrupted)

    def _cools(self, callback: Any) -> bool:
        """Whether a training that this callback would end lets its learning rate fall first: it does so where the rate
        has a way to go, and then the rest of the schedule is gone through in fewer updates."""
        part = getattr(callback, "cool_down", 0.0)
        if part and self.schedule.cooling:
            return self.update < self.n_updates
        if not part or not self.optimizer.rate(self.schedule(self.update)) > self.optimizer.rate(1.0):
            return False
        n_batches = self.source.n_batches
        epochs = min(self.epochs, self.update // n_batches + max(1, round(part * self.update / n_batches)))
        if self.update < epochs * n_batches:
            self._cool(self.update, epochs)
            callback.restart(self.rbm)
        return self.update < self.n_updates

    def _cool(self, update: int, epochs: int) -> None:
        """Go through what is left of the schedule between this update and the end of this many epochs."""
        self.epochs, self.n_updates = epochs, epochs * self.source.n_batches
        self.schedule.shorten(update, epochs, self.n_updates)
        if self.line:
            self.line.epochs, self.line.n_updates = self.epochs, self.n_updates

    def _step(self, batch, weight) -> None:
        if weight is None:
            estimate = self.gradient(self.rbm, batch, n_threads=self.n_threads)
        elif weight.any():
            mean = self.source.mean_weight
            estimate = weighted_gradient(self.gradient, self.rbm, batch, weight, mean, self.n_threads)
        else:
            return
        if self.centering is not None and (self.strict or isinstance(estimate, Gradient)):
            estimate = self.centering(estimate)
        self.optimizer.update(self.rbm, estimate, self.schedule(self.update), self.n_threads)
        if self.averaging is not None:
            self.averaging.update(self.rbm, self.update + 1)

    def _judge(self, closing: Callable[..., Closing]) -> None:
        """Say in words what was reached: in the history, and as a warning where it is a fault."""
        if not len(self.history):
            return
        chains = None if isinstance(self.gradient, FastPCD) else getattr(self.gradient, "chains", None)
        kept = any(hasattr(callback, "finish") for callback in self.callbacks)
        found = findings(closing(self.rbm, self.basics, self.history, chains, kept, self.seed, self.n_threads))
        self.history.verdict = "\n".join(finding.words for finding in found)
        for finding in found:
            if finding.fault:
                warn(finding.words, TrainingWarning)

    def _finish(self) -> None:
        """Let rbm be what the training offers, after callbacks had a last word on it."""
        for callback in self.callbacks:
            if hasattr(callback, "finish"):
                callback.finish(self.offered)
        self.rbm._parameters = self.offered._parameters

    def _save_if_due(self, interrupted: Signals) -> None:
        if self.path is not None and (interrupted or time.perf_counter() - self.saved >= self.pause):
            self._try_to_save()
            interrupted.reraise()

    def _try_to_save(self, raw: Parameters | None = None) -> None:
        """A checkpoint that cannot be written, on a full disk say, costs no training; raw: as for _save, at the end."""
        try:
            self._save(raw)
        except Exception as error:
            ending = "this was the last one" if raw is not None else "trying again later"
            words = f"no checkpoint could be written: {error}; {ending}"
            warn(checkpoint.CheckpointWarning(words, last=raw is not None))
            self.saved = time.perf_counter()

    @contextmanager
    def _interrupts(self):
        """With checkpoints, the first Ctrl-C or SIGTERM waits for the end of the update and a checkpoint."""
        signals = Signals(held=True)
        if self.path is None:
            yield signals
            return
        with signals:
            yield signals

    def _measure_unless_broken_off(self, epoch: int, due: list[bool], interrupted: Signals) -> None:
        """A measurement may take long, so that Ctrl-C and SIGTERM end it; whoever resumes takes it anew."""
        rows, self.unmeasured = len(self.history), True
        # not as a context: a signal that came between its frames would find nobody to save
        try:
            interrupted.held = False
            interrupted.reraise()
            self._measure(epoch, due)
            interrupted.held = True
        except BREAKS:
            interrupted.held = True
            if self.path is not None:
                while len(self.history) > rows:
                    self.history.forget_last()
                self._try_to_save()
            raise
        self.unmeasured = False

    # ------------------------------------------------------------ measurements

    @property
    def columns(self) -> list[str]:
        """Of the history that there will be."""
        more = [name for metric in self.metrics for name in metric.columns]
        return [*_BASIC_COLUMNS, *(["free_energy_gap"] if self.validation else []), *more]

    def _every(self, metric) -> int:
        """Epochs between two measurements."""
        every = getattr(metric, "every", None)
        if every is not None:
            return every
        watched = any(getattr(callback, "column", None) in metric.columns for callback in self.callbacks)
        part = _PART_OF_COST_WATCHED if watched else _PART_OF_COST
        every = max(1, math.ceil(getattr(metric, "cost", 1.0) / part / self.source.n_batches))
        return min(every, max(1, self.epochs // _TIMES_WATCHED)) if watched else every

    def _elapsed(self) -> float:
        return self.seconds + time.perf_counter() - self.started

    def _measure(self, epoch: int, due: list[bool]) -> None:
        row: dict[str, float] = {
            "epoch": epoch,
            "update": self.update,
            "seconds": self._elapsed(),
            "learning_rate": self.optimizer.rate(self.schedule(self.update - 1)),
            **self.basics.measure(self.offered, epoch, self.n_threads),
        }
        chains = getattr(self.gradient, "chains", None)
        snapshot = Snapshot(
            self.offered, self.basics.bits, self.validation, getattr(chains, "visible_bits", None), epoch, self.seed,
            self.n_threads,
        )  # fmt: skip
        for metric, now in zip(self.metrics, due, strict=True):
            values = metric(snapshot) if now else dict.fromkeys(metric.columns, math.nan)
            if not isinstance(values, dict) or set(values) != set(metric.columns):
                raise TypeError(f"{metric!r} must return a dict of {', '.join(metric.columns)}, not {values!r}")
            row |= values
        self.history.record(**row)
        if self.line:
            self.line.measurement(epoch, self.update, self.history)


def _kept_examples(state: saved.State, n_visible: int) -> np.ndarray:
    """The examples on which a checkpoint of batches measures: bits or fractions."""
    value = state.get("examples")
    if not isinstance(value, np.ndarray) or value.dtype not in (np.uint8, np.float64) or value.size == 0:
        raise ValueError("the state's examples must be an array of uint8 or float64")
    validate.states(value, n_visible, "examples", fractions=True)
    return value
