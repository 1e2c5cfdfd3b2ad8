"""How many threads a call runs on.

The argument ``n_threads`` if it is given; else ``OMP_NUM_THREADS``; else as many as the process may really use: its
CPU affinity and its container's quota, both of which OpenMP runtimes are known to overlook. Without the argument there
are fewer where ``threadpoolctl`` or ``omp_set_num_threads`` say so. Either way there are fewer for a while where other
programs leave no CPUs for so many, in calls whose threads wait for each other. Results never depend on it.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path, PurePosixPath
from typing import TypeVar

from . import arrays
from .dispatch import _cpu, kernels

T = TypeVar("T")

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

LONG = 1 << 32  # connections that take much longer than a turn of another program on the CPU, 10 ms and more

PASS = 64  # an element of a pass over arrays costs about as much as so many connections: 0.3 ns against 4 ps

MOST = 1024  # threads; each takes 0.3 to 1.1 MB of scratch space, 0.5 more at level amx
_A_CPU = 4  # threads on each CPU: more would only wait
_ALWAYS = 16  # threads that may be asked for on any machine

_AT_FIRST = _cpu.openmp_threads()  # what OpenMP itself would use, before anyone sets it


def _kept_for(seconds: float) -> Callable[[Callable[[], T]], Callable[[], T]]:
    """Decorator of a function without arguments: its value is used again for so long."""

    def decorate(function: Callable[[], T]) -> Callable[[], T]:
        kept: list[tuple[T, float]] = []  # at most one, replaced as a whole: threads see the old one or the new one

        @wraps(function)
        def last() -> T:
            now = time.monotonic()
            if not kept or now - kept[0][1] >= seconds:
                kept[:] = [(function(), now)]
            return kept[0][0]

        return last

    return decorate


# ------------------------------------------------------------ what the process may use


def cgroup_quota(root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> float:
    """CPUs that the quotas of the process's control group and of those around it allow, infinity without one. Reads
    cgroups of version 2 and 1."""
    groups = {"": "/", "cpu": "/"}  # by controllers; version 2 names none
    try:
        for line in membership.read_text().splitlines():
            controllers, path = line.split(":", 2)[1:]
            if controllers == "" or "cpu" in controllers.split(","):
                groups[controllers] = path
    except (OSError, ValueError):
        pass
    quota = math.inf
    for controllers, path in groups.items():
        for place in (root / controllers, root / ("unified" if controllers == "" else "cpu")):
            # in a container the path may be the host's, and what it names is then mounted as the root
            inner = PurePosixPath(*(part for part in PurePosixPath(path).parts if part not in ("/", "..")))
            for group in (inner, *inner.parents):
                quota = min(quota, _quota_of(place / group))
    return quota


def _quota_of(group: Path) -> float:
    try:
        quota, period = (group / "cpu.max").read_text().split()[:2]
        return math.inf if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        pass
    try:
        limit = int((group / "cpu.cfs_quota_us").read_text())
        return math.inf if limit <= 0 else limit / int((group / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf


_quota = _kept_for(10.0)(cgroup_quota)


@_kept_for(0.1)
def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _machine_threads() -> int:
    cpus, quota = _cpus(), _quota()
    return max(1, min(cpus, math.ceil(quota) if quota < math.inf else cpus))


_shared = threading.local()  # by: how many ranks of a computation may use the same CPUs


def share_with(n_ranks: int) -> None:
    """Let the calls of this thread leave CPUs for so many ranks, itself included (fastrbm/ranks.py)."""
    _shared.by = n_ranks


def default_threads() -> int:
    """Threads used where n_threads is None, if other programs leave CPUs for them."""
    if _cpu.openmp_version() == 0 or _forked:
        return 1
    setting = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    given = setting.isdigit() and int(setting) > 0
    threads = min(int(setting), MOST) if given else max(1, _machine_threads() // getattr(_shared, "by", 1))
    limit = _cpu.openmp_threads()
    return threads if limit == _AT_FIRST else min(threads, limit)


# ------------------------------------------------------------ what other programs leave


class Share:
    """How many threads get a CPU, by the time that threads of teams have spent, and how much of it with a CPU.

    Threads that wait for one that does not run make a call slower than one thread would. So where teams had fewer CPUs
    than they have threads, calls get as many threads as there were CPUs, for a while, whether the number of threads was
    asked for or not; then it is tried again.

    Parameters
    ----------
    team_time : function
        (time spent, time with a CPU), in ns, since the process started.
    clock : function
        Seconds.
    """

    WINDOW = 10_000_000  # ns for each thread, over which the share is taken
    SHORTEST, LONGEST = 0.5, 8.0  # seconds until it is tried again: twice as long each time that it fails, else half

    def __init__(self, team_time: Callable[[], tuple[int, int]], clock: Callable[[], float] = time.monotonic) -> None:
        self._team_time, self._clock = team_time, clock
        self._last = team_time()
        self._few = 0  # threads until then; 0: as many as are asked for
        self._until, self._pause = -math.inf, self.SHORTEST

    def threads(self, requested: int) -> int:
        """Of requested threads, how many to use."""
        if self._few:
            if self._clock() < self._until:
                return min(requested, self._few)
            self._few, self._last = 0, self._team_time()
        asked, had = (now - before for now, before in zip(self._team_time(), self._last, strict=True))
        if asked < requested * self.WINDOW:
            return requested
        self._last = self._team_time()
        # threads that were asleep lack a CPU for a moment on a quiet machine, too; and two are no faster than one where
        # one of them runs for half of the time
        running = max(1, int(requested * had / asked + (0.6 if requested > 2 else 0.4)))
        if running >= requested:
            self._pause = max(self._pause / 2, self.SHORTEST)  # one good moment on a busy machine says little
            return requested
        self._few, self._until = running, self._clock() + self._pause
        self._pause = min(2 * self._pause, self.LONGEST)
        return running


_share = Share(kernels.team_time)


# ------------------------------------------------------------ what a call gets

_started = threading.local()  # threads: how many this thread is known to be able to have beside it
_SURE = 4  # so many are not tried
_SPARE = 4  # threads that others may start meanwhile


def _that_start(n: int) -> int:
    """Of n threads, how many the limits of the system (ulimit -u, pids.max, memory) allow, found by starting them: an
    OpenMP runtime that cannot start a thread ends the process."""
    if n <= max(_SURE, getattr(_started, "n", 0)):
        return n
    release, threads = threading.Event(), []
    try:
        for _ in range(n - 1 + _SPARE):
            thread = threading.Thread(target=release.wait, daemon=True)
            thread.start()
            threads.append(thread)
        _started.n = n
    except (RuntimeError, MemoryError):  # RuntimeError: can't start new thread
        n = max(1, len(threads) - _SPARE)
    finally:
        release.set()
        for thread in threads:
            thread.join()
    return n


def resolve(n_threads: int | None, work: float = math.inf, waits: bool = True) -> int:
    """Threads for a call; n_threads as the user gave it.

    work is what there is to share out between two points where the threads wait for each other, in connections; none
    given: only the argument is looked at. Unless the call waits for its slowest thread so rarely that it does not
    matter (waits=False), there are fewer where other programs leave no CPUs.
    """
    waits = waits and work < math.inf
    if n_threads is None:
        if work < SERIAL_BELOW or (threads := default_threads()) == 1:
            return 1
        return _that_start(_share.threads(threads) if waits else threads)
    number = arrays.index(n_threads)
    if number is None:
        raise TypeError(f"n_threads must be an integer or None, not {arrays.kind(n_threads)}")
    if not 1 <= number <= MOST:
        raise ValueError(f"n_threads must be at least 1 and at most {MOST}, got {arrays.shown(number)}")
    if number == 1 or _forked:
        return 1
    number = _that_start(min(number, max(_ALWAYS, _A_CPU * _cpus())))
    return _share.threads(number) if waits else number


def own_chains(n: int, threads: int) -> bool:
    """Whether n chains are enough for each of so many threads to take its own through all steps of a call; else the
    threads wait for each other in each step (src/sweep.pxi)."""
    return threads == 1 or n >= threads * kernels.LEVEL_CHAINS_A_THREAD
