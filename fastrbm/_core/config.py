"""show_config: what this installation runs on."""

from __future__ import annotations

import os
import platform

import numpy as np

from . import dispatch, threads
from .dispatch import _cpu
from .version import __version__


def get_config() -> dict[str, str]:
    """Versions, ISA level, threads and OpenMP runtime, by name."""
    openmp = _cpu.openmp_version()
    cap = os.environ.get("FASTRBM_ISA")
    levels = ", ".join(dispatch.available_levels())
    return {
        "fastrbm": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
        "ISA level": f"{dispatch.LEVEL} (this CPU and build have {levels}{f'; FASTRBM_ISA={cap}' if cap else ''})",
        "threads": str(threads.default_threads()),
        "OpenMP": str(openmp) if openmp else "none: built without it, serial",
    }


def show_config() -> None:
    """Print versions, ISA level, threads and OpenMP runtime.

    Threads are the argument ``n_threads`` of a call; else ``OMP_NUM_THREADS``; else the CPUs that the process may
    use, by its affinity and its container's quota. In a forked child everything runs on one thread. ``FASTRBM_ISA``
    caps the ISA level. Neither changes any result.

    Examples
    --------
    >>> import fastrbm as fr
    >>> fr.show_config()  # doctest: +ELLIPSIS
    fastrbm    ...
    """
    for name, value in get_config().items():
        print(f"{name:<10} {value}")
