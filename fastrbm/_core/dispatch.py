"""Choose the kernels for this CPU, once, at import. The only module that imports compiled ones.

``FASTRBM_ISA=base|avx2|avx512|amx`` caps the choice; it never raises it above what the CPU has.
"""

from __future__ import annotations

import importlib.util
import os
from types import ModuleType
from typing import TYPE_CHECKING

try:
    from . import _cpu
except ImportError as error:
    raise ImportError(
        "fastrbm's compiled modules are not here. If this is its source folder, run 'pip install -e .' in it, or start "
        "Python in another folder."
    ) from error

LEVELS = ("base", "avx2", "avx512", "amx")


def available_levels(cap: str = LEVELS[-1]) -> tuple[str, ...]:
    """The ISA levels up to cap that this CPU has and this build holds, lowest first."""
    highest = _cpu.level()
    if highest < 0:
        raise ImportError("fastrbm needs a CPU with SSE4.2 and POPCNT (x86-64-v2, any since about 2009)")
    levels = tuple(
        level
        for level in LEVELS[: min(highest, LEVELS.index(cap)) + 1]
        if importlib.util.find_spec(f"{__package__}._kernels_{level}") is not None
    )
    if "amx" in levels and not _cpu.ask_for_matrices():
        levels = levels[:-1]
    return levels


def load(level: str) -> ModuleType:
    """The kernel module of one ISA level."""
    return importlib.import_module(f"._kernels_{level}", __package__)


def _choose() -> str:
    cap = os.environ.get("FASTRBM_ISA") or LEVELS[-1]
    if cap not in LEVELS:
        raise ImportError(f"FASTRBM_ISA={cap!r} is not one of {', '.join(LEVELS)}")
    return available_levels(cap)[-1]


LEVEL = _choose()
if TYPE_CHECKING:  # every level has the names and signatures of the lowest
    from . import _kernels_base as kernels
else:
    kernels = load(LEVEL)
