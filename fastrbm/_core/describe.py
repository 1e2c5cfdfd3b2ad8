"""What a part of a training is, in words that are the same in every run: how a checkpoint knows what it is of."""

from __future__ import annotations

import re
from types import FunctionType
from typing import Any

import numpy as np

_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


class Described:
    """Whoever has a repr that names all settings is described by it; a subclass by its name as well.

    _open names the settings that may be objects of a user's own: they are described in their own way.
    """

    _open: tuple[str, ...] = ()

    def describe(self) -> str:
        """All settings, in words that are the same in every run: a checkpoint goes on only where they are equal."""
        text, name = repr(self), type(self).__name__
        for setting in self._open:
            value = getattr(self, setting)
            text = text.replace(repr(value), describe(value, setting))
        return text if text.startswith(f"{name}(") else f"{name}: {text}"


def describe(thing: Any, name: str) -> str:
    """What thing.describe() says, a str or a dict of plain values; without such a method, its repr.

    A function counts as its name, if that says which it is. TypeError, which calls the thing by this name, where two
    things of other settings would look alike.
    """
    method = getattr(thing, "describe", None)
    if callable(method) and not isinstance(thing, type):
        return _words(method(), thing, name)
    if isinstance(thing, FunctionType) and _is_known_by_name(thing):
        return f"{thing.__module__}.{thing.__qualname__}"
    text = repr(thing)
    if _ADDRESS.search(text):
        raise TypeError(
            f"{name} must have a method describe() to be kept in checkpoints, which returns its settings as a str or a "
            f"dict; by {text} nobody can tell it from one with other settings"
        )
    return text


def _is_known_by_name(function: FunctionType) -> bool:
    """Whether nothing but its source says what a function does: no values that it was made or bound with."""
    bound = function.__closure__ or function.__defaults__ or function.__kwdefaults__
    return not bound and function.__name__ != "<lambda>"


def _words(description: Any, thing: object, name: str) -> str:
    if isinstance(description, str):
        return description
    if isinstance(description, dict):
        values = {key: value.item() if isinstance(value, np.generic) else value for key, value in description.items()}
        if all(isinstance(key, str) and _is_plain(value) for key, value in values.items()):
            return f"{type(thing).__name__}({', '.join(f'{key}={value!r}' for key, value in values.items())})"
    raise TypeError(
        f"{name}: describe() must return a str, or a dict of numbers, strings and lists of them, not {description!r}"
    )


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))
