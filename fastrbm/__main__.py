"""The command: fastrbm, or python -m fastrbm."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def main() -> int:
    """Run the command line. What keeps the package from being loaded is reported in one line, too."""
    try:
        with _ending_on_interrupt():
            from .cli.commands import main as run
    except KeyboardInterrupt:
        return _end("interrupted", 130)
    except ImportError as error:
        return _end(str(error), 2)
    return run()


@contextmanager
def _ending_on_interrupt() -> Iterator[None]:
    """Let Ctrl-C end the process at once: modules that are loaded would turn a KeyboardInterrupt into errors of their
    own."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    try:
        before = signal.signal(signal.SIGINT, lambda *_: os._exit(_end("interrupted", 130)))
    except ValueError:  # in another thread than the main one
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end(line: str, code: int) -> int:
    with suppress(Exception):  # a standard error that is closed (None) or full
        sys.stderr.write(f"fastrbm: {line}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
