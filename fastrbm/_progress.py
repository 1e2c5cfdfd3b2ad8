"""The progress line of a training run: rewritten in place on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, TextIO

import numpy as np

if TYPE_CHECKING:
    from .history import History

_TERMINAL_PAUSE = 0.25  # seconds between two looks at the line
_LOG_PAUSE = 10.0  # seconds between two lines of a countdown in a log
_LOG_LINES = 10  # lines in a log, beside the first
_SCORES = {
    "validation_gap": "validation gap", "pseudo_likelihood": "pseudo-likelihood", "log_likelihood": "log-likelihood",
}  # fmt: skip


class ProgressLine:
    """Show how far a run is. A call costs a clock reading unless there is something to show."""

    def __init__(self, epochs: int, n_updates: int, first: int = 0, stream: TextIO | None = None) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.terminal = bool(getattr(self.stream, "isatty", lambda: False)())
        self.epochs, self.n_updates, self.first = epochs, n_updates, first  # first: updates that were done before
        self.started = self.shown = time.perf_counter()
        self.width = 0
        self.next_log_epoch = 1.0
        self.measured = ""

    def update(self, epoch: int, update: int) -> None:
        """After each update; only a terminal sees anything between measurements."""
        if self.terminal:
            now = time.perf_counter()
            if now - self.shown >= _TERMINAL_PAUSE:
                self._show(epoch, update, now)

    def measurement(self, epoch: int, update: int, history: History) -> None:
        """After each measurement."""
        row = history.last
        self.measured = (
            f"  reconstruction error {row['reconstruction_error']:.4f}"
            f"  free-energy gap {row['free_energy_gap']:.2f} nats"
        )
        for column, words in _SCORES.items():
            if column in row:
                values = history[column]
                known = values[~np.isnan(values)]
                self.measured += f"  {words} {known[-1]:.2f}" if known.size else ""
        if self.terminal:
            self._show(epoch, update, time.perf_counter())
        elif epoch >= self.next_log_epoch or update == self.n_updates:
            self._show(epoch, update, time.perf_counter())
            self.next_log_epoch = max(epoch + 1, self.next_log_epoch + self.epochs / _LOG_LINES)

    def _show(self, epoch: int, update: int, now: float) -> None:
        elapsed = max(now - self.started, 1e-9)
        done = update - self.first
        left = elapsed * (self.n_updates - update) / max(done, 1)
        speed = f"{done / elapsed:,.0f} updates/s"
        line = f"epoch {epoch}/{self.epochs}{self.measured}  {speed}  {_clock(left)} left"
        if self.terminal:
            room = _columns(self.stream)
            if len(line) > room:  # a longer one would wrap, and leave a copy on every rewrite
                line = f"epoch {epoch}/{self.epochs}  {_clock(left)} left  {speed}{self.measured}"[:room]
            self.stream.write("\r" + line.ljust(self.width))
            self.width = len(line)
        else:
            self.stream.write(line + "\n")
        self.stream.flush()
        self.shown = now

    def close(self) -> None:
        """End the line, so that what follows starts on its own."""
        if self.terminal and self.width:
            self.stream.write("\n")
            self.stream.flush()


class Countdown:
    """A line for one long computation: how much of it is done, and the time left. Used as a context."""

    def __init__(self, name: str, total: int, show: bool, stream: TextIO | None = None) -> None:
        self.name, self.total, self.show, self.width = name, total, show, 0
        self.stream = sys.stderr if stream is None else stream
        self.terminal = bool(getattr(self.stream, "isatty", lambda: False)())
        self.started = self.shown = time.perf_counter()
        self.pause = _TERMINAL_PAUSE if self.terminal else _LOG_PAUSE

    def __enter__(self) -> Countdown:
        return self

    def done(self, count: int) -> None:
        """So many of the total are done."""
        now = time.perf_counter()
        if self.show and (now - self.shown >= self.pause or count == self.total):
            left = (now - self.started) * (self.total - count) / count
            line = f"{self.name} {count / self.total:4.0%}  {_clock(left)} left"
            self.stream.write(f"\r{line.ljust(self.width)}" if self.terminal else f"{line}\n")
            self.stream.flush()
            self.shown, self.width = now, len(line)

    def __exit__(self, *error: object) -> None:
        if self.show and self.terminal:
            self.stream.write("\n")
            self.stream.flush()


def _columns(stream: TextIO) -> int:
    """Characters that fit on a line of a terminal; any number where it does not say."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (AttributeError, ValueError, OSError):
        columns = 0
    return columns - 1 if columns > 1 else sys.maxsize


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
