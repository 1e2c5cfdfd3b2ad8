"""Scratch arrays that are used again once nobody else holds them.

A training step makes a handful of arrays of the size of W. Asking the system for fresh memory each time costs more
than the arithmetic (page by page, the kernel hands it out and clears it), so a model keeps the last few.
"""

from __future__ import annotations

import sys
import threading
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
        self._lock = threading.Lock()

    def take(self, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
        key = (shape, np.dtype(dtype))
        with self._lock:
            kept = self._arrays[key] = self._arrays.pop(key, [])  # to the end of the line
            for index in range(len(kept)):
                # the list's own reference and getrefcount's argument: no view, no attribute, no variable elsewhere
                if sys.getrefcount(kept[index]) == _REFERENCES_WHEN_FREE:
                    return kept[index]
            array = np.zeros(shape, dtype)
            if len(kept) < _KEPT and array.nbytes <= _LARGEST:
                kept.append(array)
            if len(self._arrays) > _KINDS:
                del self._arrays[next(iter(self._arrays))]
            return array

    def __reduce__(self) -> tuple[Any, ...]:
        return Buffers, ()  # a copy starts without


def _references_when_free() -> int:
    """What getrefcount says of an array that only a list holds; interpreters count differently."""
    kept = [np.empty(1)]
    return sys.getrefcount(kept[0])


_REFERENCES_WHEN_FREE = _references_when_free()
