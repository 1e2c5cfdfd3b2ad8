"""Signals that end a process, as exceptions, which can wait until nothing is left half done."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

_ECHO = 1.0  # seconds; wrappers and process groups deliver one Ctrl-C or SIGTERM twice


class Ended(SystemExit):
    """SIGTERM or SIGHUP, with the exit code that a shell gives them: 143 or 129."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number, self.name = number, signal.Signals(number).name

    def __reduce__(self) -> tuple[type, tuple[int]]:
        return type(self), (self.number,)


BREAKS = KeyboardInterrupt, Ended


class Signals:
    """A context in which Ctrl-C, SIGTERM and SIGHUP are exceptions, or wait for one who looks.

    Only in the main thread, and only those that nobody else handles or ignores. A forked child is ended by them as if
    there were no such context.

    Parameters
    ----------
    held : bool
        Whether signals wait: the object is then true from the first one on, and reraise() raises it. A second Ctrl-C
        waits no longer.
    """

    _when = -math.inf  # the last signal, whichever object noted it

    def __init__(self, held: bool) -> None:
        self.held = held
        self._number = 0
        self._process = os.getpid()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for number, default in _defaults().items():
                handler = signal.getsignal(number)
                if handler is default or getattr(handler, "__func__", None) is Signals._note:
                    self._before[number] = handler
                    signal.signal(number, self._note)
            if all(getattr(handler, "__func__", None) is not Signals._note for handler in self._before.values()):
                Signals._when = -math.inf  # no echo of what came before
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __bool__(self) -> bool:
        return self._number != 0

    def _note(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            signal.signal(number, _defaults()[number])
            os.kill(os.getpid(), number)
            return
        echo = time.monotonic() - Signals._when < _ECHO
        Signals._when = time.monotonic()
        if echo:
            return
        if not self.held or self._number and number == signal.SIGINT:
            raise exception_of(number)
        self._number = self._number or number

    def wait(self) -> None:
        """Where another process of a job had its signal, wait for a moment for that of this one: the same Ctrl-C or
        SIGTERM as a rule, and later it would end this process in the middle of whatever comes next."""
        end = time.monotonic() + _ECHO
        while self._before and not self._number and time.monotonic() < end:
            time.sleep(0.01)

    @property
    def number(self) -> int:
        """Of the signal that was noted; 0: none."""
        return self._number

    def reraise(self) -> None:
        """Raise what the signal that was noted means, if there was one."""
        if self._number:
            raise exception_of(self._number)


def _defaults() -> dict[int, Callable[..., Any] | int | None]:
    """The signals that end a process, and the handlers they have where nobody has set others."""
    return {
        signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL,
    }  # fmt: skip


def exception_of(number: int) -> BaseException:
    """What a signal means."""
    return KeyboardInterrupt() if number == signal.SIGINT else Ended(number)
