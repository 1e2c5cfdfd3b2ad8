"""Warnings that point at the line of the user's that led to them, however deep inside they arise.

Of several processes that do one computation, one alone warns and shows progress; the others are silent."""

from __future__ import annotations

import sys
import threading
import warnings

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
    warnings.warn(message, category, stacklevel=level)
