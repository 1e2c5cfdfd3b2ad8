"""What tells the arguments of one rank from those of another (see fastrbm/ranks.py)."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from typing import Any

import numpy as np

from .arrays import plain

_HASHED = 1 << 24  # bytes of an array that tell it from others; of a larger one, evenly spaced rows


def fingerprint(value: Any) -> str:
    """A short text that tells a value from others: of arrays and models a checksum."""
    parameters: Any = getattr(value, "_parameters", None)
    if hasattr(parameters, "to_hidden"):
        arrays = [parameters.to_hidden.tiles_array, parameters.visible_bias, parameters.hidden_bias]
        arrays += [unit.sides() for unit in parameters.units if unit.real]
        return f"{value!r} ({_checksum(*arrays)})"
    if hasattr(value, "planes"):
        return f"{type(value).__name__}{value.shape} ({_checksum(value.planes)})"
    if callable(getattr(value, "describe", None)):
        with suppress(TypeError):  # a function among its settings, say, that nothing is known of
            return str(value.describe())
    if isinstance(value, np.ndarray) or hasattr(value, "__array__"):
        with suppress(TypeError):  # of what is refused later
            array = plain(value, "an argument")
            return f"{array.dtype} {array.shape} ({_checksum(array)})"
    if isinstance(value, dict):
        text = ", ".join(f"{name} {fingerprint(part)}" for name, part in value.items()) or "none"
    else:
        text = re.sub(r" at 0x[0-9a-f]+", "", repr(value))
    return text if len(text) <= 100 else f"{text[:60]}... ({hashlib.sha256(text.encode()).hexdigest()[:8]})"


def _checksum(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        if array.nbytes > _HASHED and len(array) > 1:
            rows = max(2, _HASHED * len(array) // array.nbytes)
            array = array[np.linspace(0, len(array) - 1, rows).astype(np.intp)]
        if array.dtype == object:  # the words of each entry
            array = np.frombuffer("\n".join(map(str, array.ravel())).encode(), np.uint8)
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:8]
