"""Scratch arrays that are used again once nobody else holds them.

A training step makes a handful of arrays of the size of W. Asking the system for fresh memory each time costs more
than the arithmetic (page by page, the kernel hands it out and clears it), so a model keeps the last few.

There is no lock, which a child that is forked meanwhile, or a signal handler, would wait for without end. Whoever looks
at an array has taken it out of its list before, in one operation that no other thread can be part of.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

_KEPT = 4  # arrays of one kind
_KINDS = 12  # shapes and types, those used last
_LARGEST = 64 << 20  # bytes of an array that is kept


class Buffers:
    """take(shape, dtype) gives an array that nobody else refers to; its contents are arbitrary, but finite."""

    def __init__(self) -> None:
        self._arrays: dict[tuple[Any, ...], list[np.ndarray]] = {}

    def take(self, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
        key = (shape, np.dtype(dtype))
        kept = self._arrays.pop(key, None)
        self._arrays[key] = kept = [] if kept is None else kept  # to the end of the line
        busy: list[np.ndarray] = []
        found = None
        while found is None:
            try:
                array = kept.pop(0)
            except IndexError:
                found = np.zeros(shape, dtype)
                if len(busy) < _KEPT and found.nbytes <= _LARGEST:
                    busy.append(found)
                break
            # this name and getrefcount's argument: no view, no attribute, no variable elsewhere
            found = array if sys.getrefcount(array) == _REFERENCES_WHEN_FREE else None
            busy.append(array)
        kept[:0] = busy  # where they were
        if len(self._arrays) > _KINDS:
            for old in list(self._arrays)[:-_KINDS]:
                self._arrays.pop(old, None)
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return Buffers, ()  # a copy starts without


def _references_when_free() -> int:
    """What getrefcount says of an array that only one name refers to; interpreters count differently."""
    array = np.empty(1)
    return sys.getrefcount(array)


_REFERENCES_WHEN_FREE = _references_when_free()
