"""Warnings that point at the line of the user's that led to them, however deep inside they arise. In a notebook what
Python would write of them to standard error, on red ground, is normal output; filters and those who record warnings see
them as everywhere.

Of several processes that do one computation, one alone warns and shows progress; the others are silent."""

from __future__ import annotations

import io
import sys
import threading
import warnings
from contextlib import nullcontext, redirect_stderr

from . import notebook

_BETWEEN = ("fastrbm", "sklearn", "joblib")  # packages through which a call may come here

_local = threading.local()


def silence(on: bool) -> None:
    """Let this thread say nothing, since another process says it (fastrbm/ranks.py)."""
    _local.silent = on


def silent() -> bool:
    """Whether this thread is to say nothing."""
    return getattr(_local, "silent", False)


def warn(message: str | Warning, category: type[Warning] = UserWarning) -> None:
    """warnings.warn, at the first frame outside of this package and of what calls it for a user."""
    if silent():
        return
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        frame, level = frame.f_back, level + 1
    written = io.StringIO()
    with redirect_stderr(written) if notebook.running() else nullcontext():
        warnings.warn(message, category, stacklevel=level)
    if written.getvalue():
        kind = type(message) if isinstance(message, Warning) else category
        notebook.paragraph(kind.__name__, str(message))
