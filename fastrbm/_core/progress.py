"""The progress line of a training run: rewritten in place on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, TextIO

import numpy as np

from .warn import silent

if TYPE_CHECKING:
    from ..training.history import History

_TERMINAL_PAUSE = 0.25  # seconds between two looks at the line
_LOG_PAUSE = 10.0  # seconds between two lines in a log
_SCORES = {
    "free_energy_gap": "free-energy gap", "pseudo_likelihood": "pseudo-likelihood", "log_likelihood": "log-likelihood",
}  # fmt: skip


class _Line:
    """A line on a stream. A stream that cannot be written, such as a closed one or a full disk, is left alone from
    then on: no work is lost for a line that tells of it."""

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.terminal = self._is_terminal()
        self.pause = _TERMINAL_PAUSE if self.terminal else _LOG_PAUSE
        self.started = self.shown = time.perf_counter()
        self.width = 0

    def _is_terminal(self) -> bool:
        try:
            return bool(self.stream.isatty())
        except Exception:  # None, where standard error is closed; or an object that has no such method
            return False

    def show(self, line: str, now: float) -> None:
        """Rewrite the line on a terminal, add one to a log."""
        self.write(f"\r{line.ljust(self.width)}" if self.terminal else f"{line}\n")
        self.shown, self.width = now, len(line)

    def write(self, text: str) -> None:
        if self.stream is not None:
            try:
                self.stream.write(text)
                self.stream.flush()
            except Exception:
                self.stream = None

    def end(self) -> None:
        """What follows starts on a line of its own."""
        if self.terminal and self.width:
            self.write("\n")


class ProgressLine:
    """Show how far a run is. A call costs a clock reading unless there is something to show."""

    def __init__(self, epochs: int, n_updates: int, first: int = 0, stream: TextIO | None = None) -> None:
        self.line = _Line(stream)
        self.epochs, self.n_updates, self.first = epochs, n_updates, first  # first: updates that were done before
        self.measured: list[str] = []  # what the last measurement gave, the score first

    def update(self, epoch: int, update: int) -> None:
        """After each update; the last is followed by a measurement."""
        now = time.perf_counter()
        if update < self.n_updates and now - self.line.shown >= self.line.pause:
            self._show(epoch, update, now)

    def measurement(self, epoch: int, update: int, history: History) -> None:
        """After each measurement; a terminal shows them all, a log the last and those that are due, or have no line
        before them."""
        row = history.last
        scores = []
        for column, words in _SCORES.items():
            if column in row:
                values = history[column]
                known = values[~np.isnan(values)]
                scores += [f"{words} {known[-1]:.2f}"] if known.size else []
        self.measured = [
            *reversed(scores),
            f"shuffled gap {row['shuffled_gap']:.2f} nats",
            f"reconstruction error {row['reconstruction_error']:.4f}",
        ]
        if self.line.terminal or not self.line.width or update == self.n_updates:
            self._show(epoch, update, time.perf_counter())
        else:
            self.update(epoch, update)

    def _show(self, epoch: int, update: int, now: float) -> None:
        elapsed = max(now - self.line.started, 1e-9)
        done = update - self.first
        left = elapsed * (self.n_updates - update) / max(done, 1)
        speed = f"{done / elapsed:,.0f} updates/s"
        first, last = f"epoch {epoch}/{self.epochs}", f"{_clock(left)} left"
        line = "  ".join([first, *reversed(self.measured), speed, last])
        width = _columns(self.line.stream) if self.line.terminal else sys.maxsize
        if len(line) > width:  # a longer one would wrap, and leave a copy on every rewrite
            line = f"{first}  {last}"
            for field in [*self.measured, speed]:
                if len(line) + 2 + len(field) <= width:
                    line += f"  {field}"
            line = line[:width]
        self.line.show(line, now)

    def close(self) -> None:
        """End the line, so that what follows starts on its own."""
        self.line.end()


class Countdown:
    """A line for one long computation: how much of it is done, and the time left. Used as a context."""

    def __init__(self, name: str, total: int, show: bool, stream: TextIO | None = None) -> None:
        self.name, self.total, self.show = name, total, show and not silent()
        self.line = _Line(stream)

    def __enter__(self) -> Countdown:
        return self

    def done(self, count: int) -> None:
        """So many of the total are done."""
        now = time.perf_counter()
        if self.show and (now - self.line.shown >= self.line.pause or count == self.total):
            left = (now - self.line.started) * (self.total - count) / count
            self.line.show(f"{self.name} {count / self.total:4.0%}  {_clock(left)} left", now)

    def __exit__(self, *error: object) -> None:
        self.line.end()


def _columns(stream: TextIO | None) -> int:
    """Characters that fit on a line of a terminal; any number where it does not say."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns  # type: ignore[union-attr]
    except Exception:  # a stream that is no file
        columns = 0
    return columns - 1 if columns > 1 else sys.maxsize


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
