"""What the command line says. No stream that cannot be written costs any work."""

from __future__ import annotations

import json
import math
import os
import sys
import traceback
from contextlib import suppress

from .._core.agreement import is_agreed
from ..ranks import Ranks
from . import together

failures: list[str] = []  # what was asked for and could not be written; the exit code is 2 then


class CommandError(Exception):
    """What a user did wrong, in one line that says what to do."""


def say(line: str) -> None:
    """A line on standard output. A reader that has seen enough, such as head, is no failure."""
    if not together.speaks():
        return
    try:
        _write(sys.stdout, line)
    except BrokenPipeError:
        _leave(sys.stdout)
    except Exception as error:
        _leave(sys.stdout)
        fail(f"standard output cannot be written: {reason(error)}")


def tell(line: str) -> None:
    """A line on standard error, where there is one to be written to."""
    if together.speaks():
        _tell(line)


def _tell(line: str) -> None:
    try:
        _write(sys.stderr, " ".join(line.splitlines()))
    except Exception:
        _leave(sys.stderr)


def say_json(values: dict) -> None:
    """One JSON object on a line. JSON has no infinity and no NaN: they are null."""
    finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
    say(json.dumps(finite))


def fail(line: str) -> None:
    """Tell of an output that could not be written as asked."""
    failures.append(line)
    tell(f"fastrbm: {line}")


def leave(error: BaseException, line: str | None, code: int) -> int:
    """The exit code after an error, with its line on standard error, or with its traceback. Other ranks that do not
    have this error are ended: they would wait for ever."""
    ranks = together.ranks
    if isinstance(ranks, Ranks) and not is_agreed(error):
        _tell(f"fastrbm, rank {ranks.rank} of {ranks.size}, ends all ranks: {line or type(error).__name__}")
        if line is None:
            traceback.print_exception(type(error), error, error.__traceback__)
        settle()
        ranks.abort(code)
    elif line is not None:
        tell(f"fastrbm: {line}")
    return code


def reason(error: BaseException) -> str:
    """What went wrong, without the number of the error and the name of the file."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def settle() -> None:
    """Write out what waits in the streams: Python would change the exit code where that fails at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except Exception:
            _leave(stream)


def fill_gaps() -> None:
    """Have something at the places of the standard streams, so that no file that is opened later becomes one."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)


def _write(stream, line: str) -> None:
    if stream is None:  # closed when Python started
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        line.encode(encoding)
    except UnicodeError:  # the name of a file, on a terminal that cannot show it
        line = line.encode(encoding, "backslashreplace").decode(encoding)
    stream.write(line + "\n")
    stream.flush()


def _leave(stream) -> None:
    """Let a stream that cannot be written lead nowhere, with what waits in it."""
    with suppress(Exception):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
