"""The progress of a long computation: a line that is rewritten on a terminal and in a notebook, a bar by tqdm in a
notebook that has it, and now and then a plain line elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from . import notebook
from .warn import silent

if TYPE_CHECKING:
    from ..training.history import History

_PAUSE = 0.25  # seconds between two looks at what is rewritten
_LOG_PAUSE, _LOG_GROWTH = 10.0, 0.08  # seconds between two lines in a log, or that part of the time until the first
# of the two where it is more: 13 lines in the first two minutes, 54 in an hour, about 100 in a day


class _Line:
    """A line on a stream. A stream that cannot be written, such as a closed one or a full disk, is left alone from
    then on: no work is lost for a line that tells of it."""

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.rewritten = self._is_terminal()
        self.started = self.shown = time.perf_counter()
        self.width = 0
        self.works = True

    def is_due(self, now: float) -> bool:
        """Whether it is time to show something again."""
        pause = _PAUSE if self.rewritten else max(_LOG_PAUSE, _LOG_GROWTH * (self.shown - self.started))
        return now - self.shown >= pause

    def _is_terminal(self) -> bool:
        try:
            return bool(self.stream.isatty())
        except Exception:  # None, where standard error is closed; or an object that has no such method
            return False

    def show(self, name: str, done: int, total: int, fields: list[str], speed: str, now: float) -> None:
        """Rewrite the line on a terminal, add one to a log.

        A line that wraps would leave a copy on every rewrite: what does not fit is dropped, fields as a whole, and the
        first one last."""
        width, left = self._columns(), (now - self.started) * (total - done) / max(done, 1)
        first, *others = *fields, speed
        line = name[:width]
        for field in (first, f"{_clock(left)} left", *others):
            if len(line) + 2 + len(field) <= width:
                line += f"  {field}"
        self._try(self._put, line)
        self.shown, self.width = now, len(line)

    def _columns(self) -> int:
        """Characters that fit on a line; any number where the terminal does not say."""
        try:
            columns = os.get_terminal_size(self.stream.fileno()).columns if self.rewritten else 0
        except Exception:  # a stream that is no file
            columns = 0
        return columns - 1 if columns > 1 else sys.maxsize

    def _put(self, line: str) -> None:
        self._write(f"\r{line.ljust(self.width)}" if self.rewritten else f"{line}\n")

    def _write(self, text: str) -> None:
        if self.stream is not None:
            self.stream.write(text)
            self.stream.flush()

    def _try(self, action: Callable[..., None], *arguments: Any) -> None:
        if self.works:
            try:
                action(*arguments)
            except Exception:
                self.works = False

    def end(self, complete: bool) -> None:
        """What follows starts on a line of its own."""
        if self.rewritten and self.width:
            self._try(self._write, "\n")


class _Cell(_Line):
    """A line in a notebook: an output that is replaced."""

    def __init__(self) -> None:
        super().__init__(None)
        self.rewritten, self.output = True, None  # type: bool, Any

    def _columns(self) -> int:
        return notebook.COLUMNS

    def _put(self, line: str) -> None:
        if self.output is None:
            self.output = notebook.show(line, display_id=True)
        else:
            self.output.update({"text/plain": line}, raw=True)

    def end(self, complete: bool) -> None:
        """It stays as it is."""


class _Bar(_Cell):
    """The same by tqdm, which keeps the time by itself; red where the computation was broken off."""

    def show(self, name: str, done: int, total: int, fields: list[str], speed: str, now: float) -> None:
        """Move the bar; the first time, make it."""
        self._try(self._move, name, done, total, fields, now)
        self.shown, self.width = now, 1

    def _move(self, name: str, done: int, total: int, fields: list[str], now: float) -> None:
        if self.output is None:
            self.output = import_module("tqdm.auto").tqdm(total=total, dynamic_ncols=True)
            self.output.start_t -= now - self.started
        if total != self.output.total:  # a training that ends earlier than was thought
            self.output.total = self.output.container.children[1].max = total
        self.output.n = done
        self.output.set_description_str(name, refresh=False)
        self.output.set_postfix_str(", ".join(fields))

    def end(self, complete: bool) -> None:
        """Leave the bar."""
        if self.output is not None:
            self._try(self._close, complete)

    def _close(self, complete: bool) -> None:
        if complete:
            self.output.total = self.output.n
        self.output.close()


class ProgressLine:
    """Show how far a run is. A call costs a clock reading unless there is something to show."""

    def __init__(
        self, epochs: int, n_updates: int, first: int = 0, shown: list[str] | None = None, stream: TextIO | None = None
    ) -> None:
        self.line = _display(stream)
        self.epochs, self.n_updates, self.first = epochs, n_updates, first  # first: updates that were done before
        self.columns = shown or []  # of the history, the score first
        self.measured: list[str] = []

    def update(self, epoch: int, update: int) -> None:
        """After each update; the last is followed by a measurement."""
        now = time.perf_counter()
        if update < self.n_updates and self.line.is_due(now):
            self._show(epoch, update, now)

    def measurement(self, epoch: int, update: int, history: History) -> None:
        """After each measurement; a terminal shows them all, a log the last and those that are due, or have no line
        before them."""
        self.measured = []
        for name in self.columns:
            values = history[name] if name in history else np.zeros(0)
            known = values[~np.isnan(values)]
            self.measured += [history.about(name).show(known[-1].item())] if known.size else []
        if self.line.rewritten or not self.line.width or update == self.n_updates:
            self._show(epoch, update, time.perf_counter())
        else:
            self.update(epoch, update)

    def _show(self, epoch: int, update: int, now: float) -> None:
        done = update - self.first
        speed = f"{done / max(now - self.line.started, 1e-9):,.0f} updates/s"
        self.line.show(f"epoch {epoch}/{self.epochs}", done, self.n_updates - self.first, self.measured, speed, now)

    def close(self, complete: bool = True) -> None:
        """End the line, so that what follows starts on its own."""
        self.line.end(complete)


class Countdown:
    """A line for one long computation: how much of it is done, and the time left. Used as a context."""

    def __init__(self, name: str, total: int, show: bool, stream: TextIO | None = None) -> None:
        self.name, self.total, self.show = name, total, show and not silent()
        self.before = 0  # what earlier parts of it have done
        self.line = _display(stream)

    def __enter__(self) -> Countdown:
        return self

    def done(self, count: int) -> None:
        """So many of the total are done, beside those before."""
        now, count = time.perf_counter(), self.before + count
        if self.show and (self.line.is_due(now) or count == self.total):
            self.line.show(self.name, count, self.total, [], f"{count / self.total:4.0%}", now)

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self.line.end(error is None)


def _display(stream: TextIO | None) -> _Line:
    """What shows progress here."""
    if stream is not None or not notebook.running():
        return _Line(stream)
    packages = ("tqdm", "ipywidgets")  # without the second, tqdm.auto warns and writes a line
    return _Bar() if all(map(find_spec, packages)) else _Cell()


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
