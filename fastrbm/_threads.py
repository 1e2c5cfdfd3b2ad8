"""How many threads a call runs on.

The argument ``n_threads`` if it is given; else ``OMP_NUM_THREADS``; else as many as the process may really use: its
CPU affinity and its container's quota, both of which OpenMP runtimes are known to overlook. Results never depend on it.
"""

from __future__ import annotations

import math
import os
from functools import lru_cache
from pathlib import Path

from . import _cpu, _validate

# An OpenMP runtime hangs in a forked child when the parent has used it, whether through this package or another one.
_forked = False


def _after_fork_in_child() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)

# Below this many connections (units of one layer times units of the other times chains) a call is so short that
# waking threads costs more than they save.
SERIAL_BELOW = 1 << 24

PASS = 64  # an element of a pass over arrays costs about as much as so many connections: 0.3 ns against 4 ps

MOST = 1024  # threads; each takes 0.3 to 1.1 MB of scratch space, 0.5 more at level amx


def cgroup_quota(root: Path = Path("/sys/fs/cgroup")) -> float:
    """CPUs that the container's quota allows, infinity without one. Reads cgroup v2, then v1."""
    try:
        quota, period = (root / "cpu.max").read_text().split()[:2]
        return math.inf if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    try:
        limit = int((root / "cpu" / "cpu.cfs_quota_us").read_text())
        return math.inf if limit <= 0 else limit / int((root / "cpu" / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return math.inf


@lru_cache(maxsize=1)
def _machine_threads() -> int:
    if hasattr(os, "sched_getaffinity"):
        cpus = len(os.sched_getaffinity(0))
    else:
        cpus = os.cpu_count() or 1
    quota = cgroup_quota()
    return max(1, min(cpus, math.ceil(quota) if quota < math.inf else cpus))


def default_threads() -> int:
    """Threads used where n_threads is None."""
    if _cpu.openmp_version() == 0 or _forked:
        return 1
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if wanted.isdigit() and int(wanted) > 0:
        return min(int(wanted), MOST)
    return _machine_threads()


def resolve(n_threads: int | None, work: float = math.inf) -> int:
    """Threads for a call; n_threads as the user gave it.

    work is what there is to share out between two points where the threads wait for each other, in connections.
    """
    if n_threads is None:
        return 1 if work < SERIAL_BELOW else default_threads()
    if type(n_threads) is not int or not 1 <= n_threads <= MOST:  # the common case needs no look at what else it is
        n_threads = _validate.integer(n_threads, "n_threads", 1, MOST)
    return 1 if _forked else n_threads
