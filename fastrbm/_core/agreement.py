"""Errors that several ranks have alike (see fastrbm/ranks.py): marked as such, and put in words for the others."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


def agreed(error: T) -> T:
    """An error that all ranks raise at the same place."""
    error._agreed = True  # type: ignore[attr-defined]
    return error


def is_agreed(error: BaseException) -> bool:
    """Whether all ranks raise this error: one by :func:`agreed`, or of parameters, which all have alike."""
    return getattr(error, "_agreed", False)


def tried(action: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    """What an action returns, or its error."""
    try:
        return action(), None
    except BaseException as error:
        return None, error


def exit_code(error: BaseException) -> int:
    """Of a process that an error ends."""
    if isinstance(error, KeyboardInterrupt):
        return 130
    return error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1


def in_words(error: BaseException | None) -> tuple[str, str] | None:
    return None if error is None else (type(error).__name__, str(error))


def alike(kind: str, words: str, where: str) -> BaseException:
    """An error as another rank has it; RuntimeError for one that Python does not have, or not with words alone."""
    found = getattr(builtins, kind, None)
    if isinstance(found, type) and issubclass(found, BaseException):
        with suppress(TypeError):
            return found(f"{where}: {words}")
    return RuntimeError(f"{where}: {kind}: {words}")
