"""Checkpoints of a training: when they are written, what is in them, what must be the same, and how it goes on."""

from __future__ import annotations

import time
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import model_file, output, saved, validate
from .._core.describe import describe
from .._core.warn import warn
from ..states.missing import are_sites
from ..units.layer import from_segments
from ..units.real import LARGEST_GAMMA, SMALLEST_GAMMA
from . import checkpoint, divided
from .contracts import check_states
from .data import InMemory, UserBatches

if TYPE_CHECKING:
    from .._core.parameters import Parameters
    from ..units.unit import Unit
    from .run import Training

_RAW = ("raw_weights", "raw_visible_bias", "raw_hidden_bias")
_RAW_OWN = "raw_own"
_RAW_GAMMAS = "raw_gammas"


class Checkpoints:
    """The checkpoint file of a training, which is its own until release()."""

    def __init__(
        self, training: Training, path: str | PathLike[str], seconds: float, resume: bool, setup: dict[str, object]
    ) -> None:
        """Write to path every so many seconds; with resume, take over what is there. setup: the arguments that must be
        the same where a training goes on, beside those of its parts."""
        given = validate.path(path, "checkpoint")
        self.training, self.path, self.pause, self.setup = training, given.absolute(), seconds, setup
        self.ranks = ranks = training.ranks
        self.lock: output.Lock | None = None
        ranks.agree(self._check)
        try:
            read = ranks.first(ranks.agree(lambda: self._claim(given, resume) if ranks.rank == 0 else None))
            if read is not None:
                ranks.agree(lambda: self._resume(given, *read))
        except BaseException:
            self.release()
            raise
        self._saved = time.perf_counter()

    def _check(self) -> None:
        check_states(self._parts())
        self.setup = self.setup | self._describe()
        states = {name: part.get_state() for name, part in self._parts()}
        checkpoint.arrays_of(states)  # to hear of what cannot be kept before, not after an hour

    def _claim(self, path: Path, resume: bool) -> Any:
        """Make the file this training's own; what is in it, if the training goes on from it. On rank 0 alone, since all
        ranks may not see the same folder."""
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"checkpoint {path}: there is no folder {self.path.parent}")
        self.lock = output.Lock(path)
        output.check(path)
        output.clean_up(path)
        if resume and self.path.exists():
            return checkpoint.read(path)
        if self.path.exists():
            raise FileExistsError(f"checkpoint {path} exists: pass resume=True to go on from it, or remove it")
        return None

    def release(self) -> None:
        """Let another training use the file."""
        if self.lock is not None:
            self.lock.release()

    def due(self) -> bool:
        """Whether so many seconds have passed since the last one."""
        return time.perf_counter() - self._saved >= self.pause

    def try_to_save(self, raw: Parameters | None = None) -> None:
        """A checkpoint that cannot be written, on a full disk say, costs no training; raw: as for _save, at the end.
        All ranks put it together; rank 0 writes it."""
        try:
            states = self._collected(raw)
            if self.ranks.rank == 0:
                checkpoint.write(self.path, self.training.offered, states, self.setup)
        except Exception as error:
            ending = "this was the last one" if raw is not None else "trying again later"
            words = f"no checkpoint could be written: {error}; {ending}"
            warn(checkpoint.CheckpointWarning(words, last=raw is not None))
        self._saved = time.perf_counter()

    # ------------------------------------------------------------ what takes part

    def _parts(self) -> list[tuple[str, Any]]:
        """Whatever has a state, by its name in the file."""
        loop = self.training.loop
        parts: list[tuple[str, Any]] = [("gradient", loop.gradient), ("optimizer", loop.optimizer)]
        if self.training.trajectory is not None:  # first: the chains of a gradient may be those of its models
            parts.insert(0, ("trajectory", self.training.trajectory))
        others = [("centering", loop.centering), ("averaging", loop.averaging), ("history", self.training.history)]
        parts += [(name, part) for name, part in others if part is not None]
        if self.training.source.refills:
            parts.append(("missing", self.training.source))
        return parts + [(f"callback {k}", callback) for k, callback in enumerate(self._stateful())]

    def _stateful(self) -> list[Any]:
        return [callback for callback in self.training.callbacks if hasattr(callback, "get_state")]

    def _describe(self) -> dict[str, object]:
        """What the parts are."""
        loop, measuring = self.training.loop, self.training.measuring
        validation = measuring.validation and InMemory(measuring.validation, loop.rbm.visible).describe()
        parts: dict[str, object] = {
            "model": repr(loop.rbm), "data": self.training.source.describe(), "validation": validation,
            "epochs": self.training.epochs,
        }  # fmt: skip
        for name, part in (
            ("gradient", loop.gradient), ("optimizer", loop.optimizer), ("centering", loop.centering),
            ("averaging", loop.averaging), ("trajectory", self.training.trajectory),
        ):  # fmt: skip
            parts[name] = describe(part, name)
        for name, several in (("metrics", measuring.metrics), ("callbacks", self._stateful())):
            parts[name] = f"[{', '.join(describe(part, name) for part in several)}]"
        return parts

    def _states(self) -> dict[str, dict[str, Any]]:
        parts, division = self._parts(), self.training.loop.rbm._parameters.division
        states = self.ranks.agree(lambda: {name: part.get_state() for name, part in parts})
        for name, part in parts:
            divided.complete(part, states[name], division)
        return states

    # ------------------------------------------------------------ to the file

    def _collected(self, raw: Parameters | None = None) -> dict[str, dict[str, Any]]:
        """What goes into the file, beside the model that the training offers. raw: at the end, when rbm is already what
        the training offers, its parameters before that."""
        run, loop = self.training, self.training.loop
        training: dict[str, Any] = {"update": loop.update, "seconds": run.elapsed(), "stopped": run.stopped}
        if run.unmeasured:
            training["unmeasured"] = True
        if loop.left_out:
            training["left_out"] = loop.left_out
        if loop.schedule.cooling:
            training["cooling"] = np.array(loop.schedule.cooling)
        if isinstance(run.source, UserBatches):
            training["examples"] = run.source.some_examples()
        if raw is None:
            run.offer()
            raw = run.whole(loop.rbm._parameters)
        if raw is not run.offered._parameters:
            training |= dict(zip(_RAW, (raw.weights, raw.visible_bias, raw.hidden_bias), strict=True))
            if raw.units[1].own is not None:
                training[_RAW_OWN] = raw.units[1].own
            if raw.units[0].gammas is not None:
                training[_RAW_GAMMAS] = raw.units[0].gammas
        return {"training": training} | self._states()

    # ------------------------------------------------------------ from the file

    def _resume(
        self, path: Path, parameters: model_file.Read, states: dict[str, dict[str, Any]], setup: dict[str, object]
    ) -> None:
        checkpoint.refuse_other(path, setup, self.setup)
        try:
            update = saved.count(states.get("training", {}), "update")
            if update <= self.training.n_updates:
                self._go_on_from(update, parameters, states)
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path} is damaged: {error}") from error
        if update > self.training.n_updates:
            raise ValueError(f"{path} is {update} updates on, more than the {self.training.n_updates} asked for")

    def _go_on_from(self, update: int, parameters: model_file.Read, states: dict[str, dict[str, Any]]) -> None:
        """Take over what a checkpoint holds, all of which is checked: a file may hold anything."""
        run, loop, training = self.training, self.training.loop, states["training"]
        if "cooling" in training:
            since, epochs = saved.array(training, "cooling", np.int64, (2,), 0, run.n_updates).tolist()
            if not since < epochs * run.n_batches <= run.n_updates:
                raise ValueError(f"its learning rate falls until epoch {epochs}; {run.epochs} epochs are asked for")
            run.cool(since, epochs)
        seconds, stopped = saved.number(training, "seconds"), saved.flag(training, "stopped")
        unmeasured = "unmeasured" in training and saved.flag(training, "unmeasured")
        loop.left_out = saved.count(training, "left_out") if "left_out" in training else 0
        offered = raw = loop.rbm.copy()
        visible, hidden = map(from_segments, parameters.segments, ("visible_units", "hidden_units"))
        offered.set_parameters(*parameters.parameters, visible=visible, hidden=hidden)
        if any(name in training for name in _RAW):  # the model of the file is an average, or the best of several
            shapes = zip(_RAW, ((None, None), (None,), (None,)), strict=True)
            raw = loop.rbm.copy()
            raw.set_parameters(*(saved.array(training, name, np.float32, shape) for name, shape in shapes))
            if raw.hidden.own is not None:
                own = saved.array(training, _RAW_OWN, np.float32, raw.hidden.own.shape)
                raw.set_parameters(hidden=raw.hidden.with_own(own))
            if raw.visible.gammas is not None:
                gammas = saved.array(
                    training, _RAW_GAMMAS, np.float32, raw.visible.gammas.shape, SMALLEST_GAMMA, LARGEST_GAMMA
                )
                raw.set_parameters(visible=raw.visible.with_gammas(gammas))
        for name, part in self._parts():
            more = (loop.rbm,) if name == "gradient" else ()
            try:
                part.set_state(states.get(name, {}), *more)
                if hasattr(part, "_must_fit"):
                    part._must_fit(loop.rbm)
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError(f"{name}: {error}") from error
        columns, required = run.history.columns, run.measuring.columns
        if set(columns) - set(required):
            raise ValueError(f"its history has columns {', '.join(columns)}, not {', '.join(required)}")
        if isinstance(run.source, UserBatches):
            run.source.keep_examples(_kept_examples(training, loop.rbm.visible))
        loop.update, run.seconds, run.stopped, run.unmeasured = update, seconds, stopped, unmeasured
        run.offered._parameters, loop.rbm._parameters = offered._parameters, raw._parameters


def _kept_examples(state: saved.State, unit: Unit) -> np.ndarray:
    """The examples on which a checkpoint of batches measures: states, or fractions of on."""
    value = state.get("examples")
    if not isinstance(value, np.ndarray) or value.dtype not in (np.uint8, np.float64) or value.size == 0:
        raise ValueError("the state's examples must be an array of uint8 or float64")
    if unit.layout is None:
        validate.states(value, unit.n, "examples", fractions=True)
    elif value.dtype != np.uint8 or value.ndim != 2 or value.shape[1] != unit.n_columns:
        raise ValueError(f"the state's examples must be uint8 of shape (any, {unit.n_columns})")
    elif bool((value >= np.array(unit.n_states_of_columns) + are_sites(unit)).any()):  # a site may be absent
        raise ValueError("the state's examples must hold categories of their sites")
    return value
