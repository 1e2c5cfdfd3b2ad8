"""Choose the kernels for this CPU, once, at import. The only module that imports compiled ones.

``FASTRBM_ISA=base|avx2|avx512|amx`` caps the choice; it never raises it above what the CPU has.
"""

from __future__ import annotations

import importlib.util
import os
from types import ModuleType
from typing import TYPE_CHECKING

from . import _cpu

LEVELS = ("base", "avx2", "avx512", "amx")
TILE = 64  # output units in a tile of weights
FIXED_BITS = 22  # fixed-point probabilities are multiples of 2^-22
ROWS = 504  # rows whose fixed-point probabilities sum in int32


def available_levels() -> tuple[str, ...]:
    """The ISA levels that this CPU has and this build holds, lowest first."""
    highest = _cpu.level()
    if highest < 0:
        raise ImportError("fastrbm needs a CPU with SSE4.2 and POPCNT (x86-64-v2, any since about 2009)")
    return tuple(
        level
        for level in LEVELS[: highest + 1]
        if importlib.util.find_spec(f"{__package__}._kernels_{level}") is not None
    )


def load(level: str) -> ModuleType:
    """The kernel module of one ISA level."""
    return importlib.import_module(f"._kernels_{level}", __package__)


def _choose() -> str:
    levels = available_levels()
    cap = os.environ.get("FASTRBM_ISA", "")
    if not cap:
        return levels[-1]
    if cap not in LEVELS:
        raise ImportError(f"FASTRBM_ISA={cap!r} is not one of {', '.join(LEVELS)}")
    allowed = [level for level in levels if LEVELS.index(level) <= LEVELS.index(cap)]
    return allowed[-1]


LEVEL = _choose()
if TYPE_CHECKING:  # every level has the names and signatures of the lowest
    from . import _kernels_base as kernels
else:
    kernels = load(LEVEL)
