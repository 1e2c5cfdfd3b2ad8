"""Warnings that point at the line of the user's that led to them, however deep inside they arise."""

from __future__ import annotations

import sys
import warnings

_BETWEEN = ("fastrbm", "sklearn", "joblib")  # packages through which a call may come here


def warn(message: str | Warning, category: type[Warning] = UserWarning) -> None:
    """warnings.warn, at the first frame outside of this package and of what calls it for a user."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
