"""Ranks: processes that share one computation, on one machine or on many; one process is a rank by itself.

All ranks make the same calls with the same arguments, and all have the same results. What takes long is shared out: of
samples and likelihoods each rank takes some of the chains, of a training (``fit(comm=)``) some of the units, or of an
update's work. Nothing is added up across ranks whose sum would depend on its order, so that results are the same bits
for any number of them.

A communicator is mpi4py's, or any object with its methods ``Get_rank``, ``Get_size``, ``Allgatherv``, ``Alltoallv``,
``allgather``, ``bcast`` and ``Abort``: this package imports no MPI.
"""

from __future__ import annotations

import fcntl
import inspect
import os
import socket
import stat
import sys
import termios
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ._core import shared_memory, threads
from ._core.agreement import agreed, alike, exit_code, in_words, is_agreed, tried
from ._core.dispatch import kernels
from ._core.fingerprint import fingerprint
from ._core.version import __version__
from ._core.warn import silence

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_METHODS = "Get_rank", "Get_size", "Allgatherv", "Alltoallv", "allgather", "bcast", "Abort"
_FEWEST_CHAINS = 32  # of a rank: fewer are hardly quicker than these
_LEAST_WORK = threads.SERIAL_BELOW  # that ranks share: an exchange takes longer than to wake threads
_MAY_DIFFER = "comm", "n_threads", "progress"  # arguments of ranks that are called alike
_UNTIL_READ = 0.5  # seconds for mpiexec to read what a rank wrote last
_PATIENCE = 10.0  # seconds at most, where it can be seen that it has not
_WORLD_SIZES = "SLURM_STEP_NUM_TASKS", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE"  # of what started the process

_local = threading.local()


class RanksDiffer(ValueError):
    """Ranks called with different arguments."""


class Alone:
    """One process by itself: it has all that there is to share out, and exchanges nothing."""

    size, rank, beside = 1, 0, 1

    def shares(self, n: int) -> list[slice]:
        """Which of n chains each rank takes."""
        return [slice(0, n)]

    def agree(self, action: Callable[[], T]) -> T:
        """What an action returns."""
        return action()

    def agreeing(self) -> AbstractContextManager[None]:
        """A context that nothing happens in."""
        return nullcontext()

    def first(self, value: T) -> T:
        """The value that rank 0 has."""
        return value

    def all(self, value: T) -> list[T]:
        """The values of all ranks."""
        return [value]

    def largest(self, *numbers: float) -> list[float]:
        """The largest value of each number among all ranks."""
        return list(numbers)

    def same(self, number: float, what: str) -> None:
        """RanksDiffer where ranks have other numbers."""


class Ranks:
    """The ranks of a communicator of at least two.

    Attributes
    ----------
    size, rank : int
        How many there are, and which one this process is.
    beside : int
        How many of them may use the CPUs of this one, itself included.
    together : bool
        Whether all run on one machine, with at least a CPU for each.
    received : int
        Bytes of arrays that came from other ranks so far.
    exchanges : int
        Collective calls so far.
    """

    def __init__(self, comm: Any) -> None:
        self._comm = comm
        self.size, self.rank = int(comm.Get_size()), int(comm.Get_rank())
        self.beside, self.together = 1, False
        self.received = self.exchanges = 0

    # ------------------------------------------------------------ shares

    def shares(self, n: int) -> list[slice]:
        """Which of n chains each rank takes: about as many, but at least 32, so that some may have none."""
        some = max(1, min(self.size, n // _FEWEST_CHAINS))
        cuts = [n * k // some for k in range(some + 1)] + [n] * (self.size - some)
        return [slice(start, stop) for start, stop in zip(cuts, cuts[1:], strict=False)]

    # ------------------------------------------------------------ exchanges

    def gather(self, array: np.ndarray, shares: Sequence[slice], axis: int = 0) -> None:
        """Let all ranks have all of an array, in place, of which each has its share along an axis."""
        moved = np.moveaxis(array, axis, 0)
        rest = moved.shape[1:]
        counts = _counts(rest, shares)
        own = np.ascontiguousarray(moved[shares[self.rank]])
        if axis == 0 and array.flags.c_contiguous:
            self._allgatherv(own.reshape(-1), array.reshape(-1), counts)
            return
        received = np.empty(sum(counts), array.dtype)
        self._allgatherv(own.reshape(-1), received, counts)
        start = 0
        for rank, (share, count) in enumerate(zip(shares, counts, strict=True)):
            if rank != self.rank:
                moved[share] = received[start : start + count].reshape(-1, *rest)
            start += count

    def gathered(self, own: np.ndarray, shares: Sequence[slice]) -> np.ndarray:
        """All of an array, of which each rank has its share of the first axis."""
        whole = np.empty((shares[-1].stop, *own.shape[1:]), own.dtype)
        self._allgatherv(np.ascontiguousarray(own).reshape(-1), whole.reshape(-1), _counts(own.shape[1:], shares))
        return whole

    def _allgatherv(self, own: np.ndarray, whole: np.ndarray, counts: list[int]) -> None:
        self._count(whole.nbytes - own.nbytes)
        own = own.copy() if np.shares_memory(own, whole) else own
        self._comm.Allgatherv(own, [whole, _in_a_row(counts)])

    def to_each(self, parts: np.ndarray, counts: Sequence[int], received: np.ndarray, own: Sequence[int]) -> None:
        """Send to each rank its part of an array, so many numbers one after the other, and receive so many from each,
        likewise."""
        self._count(received.nbytes - own[self.rank] * received.itemsize)
        self._comm.Alltoallv([parts, _in_a_row(counts)], [received, _in_a_row(own)])

    def start_to_each(
        self, parts: np.ndarray, counts: Sequence[int], received: np.ndarray, own: Sequence[int]
    ) -> Callable[[], object]:
        """:meth:`to_each`, which may go on while this rank has other work to do, until the function that is returned
        was called. Until then parts and received belong to it."""
        start = getattr(self._comm, "Ialltoallv", None)
        if start is None:
            self.to_each(parts, counts, received, own)
            return lambda: None
        self._count(received.nbytes - own[self.rank] * received.itemsize)
        return start([parts, _in_a_row(counts)], [received, _in_a_row(own)]).Wait

    def largest(self, *numbers: float) -> list[float]:
        """The largest value of each number among all ranks; NaN counts as infinite."""
        own = np.array([x if x == x else np.inf for x in numbers], np.float64)
        every = np.empty((self.size, own.size))
        self._allgatherv(own, every.reshape(-1), [own.size] * self.size)
        return every.max(axis=0).tolist()

    def total(self, whole: np.ndarray) -> np.ndarray:
        """The sums over all ranks of whole numbers, int64 (n,): exact, whatever the order."""
        every = np.empty((self.size, whole.size), np.int64)
        self._allgatherv(whole, every.reshape(-1), [whole.size] * self.size)
        return every.sum(axis=0)

    def memory(self, n_bytes: int) -> np.ndarray | None:
        """Memory that all ranks share, zeros at first, uint8 (n_bytes,); None where they do not run together, or it is
        not to be had."""
        if not self.together:
            return None
        path, own = "", None
        with suppress(OSError):
            if self.rank == 0:
                path, own = shared_memory.create(n_bytes)
        path = self.first(path)
        try:
            with suppress(OSError):
                if path and self.rank > 0:
                    own = shared_memory.open_by(path, n_bytes)
            return None if self.largest(own is None)[0] else own
        finally:
            if self.rank == 0 and path:
                shared_memory.remove(path)

    def first(self, value: T) -> T:
        """The value that rank 0 has."""
        self._count(0)
        return self._comm.bcast(value, root=0)

    def all(self, value: T) -> list[T]:
        """The values of all ranks."""
        self._count(0)
        return self._comm.allgather(value)

    def _count(self, n_bytes: int) -> None:
        self.received += n_bytes
        self.exchanges += 1

    # ------------------------------------------------------------ agreement

    def same(self, number: float, what: str) -> None:
        """RanksDiffer, on all ranks, where they have other numbers."""
        self.refuse_unlike(what, *self.largest(number, -number))

    def refuse_unlike(self, what: str, largest: float, smallest: float) -> None:
        """As same, where the largest value of a number, and of its negative, are known."""
        if largest != -smallest:
            raise agreed(RanksDiffer(f"{what} must be the same on all ranks"))

    def agree(self, action: Callable[[], T]) -> T:
        """What an action returns that may fail on some ranks alone: then it fails on all of them, with the words of the
        first rank that it failed on, and as an error of the same kind where Python has it."""
        result, error = tried(action)
        self._raise(error, self.all(in_words(error)))
        return result  # type: ignore[return-value]

    def _raise(self, error: BaseException | None, failed: Sequence[tuple[str, str] | None]) -> None:
        """Raise this rank's error, or that of the first rank that failed, if any did."""
        if error is not None:
            raise agreed(error)
        for rank, what in enumerate(failed):
            if what is not None:
                raise agreed(alike(*what, f"rank {rank} of {self.size} failed"))

    @contextmanager
    def agreeing(self) -> Iterator[None]:
        """A context of what may fail on some ranks alone: as agree."""
        error: BaseException | None = None
        try:
            yield
        except BaseException as caught:
            error = caught
        self._raise(error, self.all(in_words(error)))

    def start(self, given: dict[str, Any]) -> None:
        """Look at what all ranks were called with, and at where they run.

        RanksDiffer names what is not alike. Ranks that may use the same CPUs share them: each gets its part of the
        threads.
        """
        versions = {"the version of fastrbm": __version__, "that of numpy": np.__version__}
        prints, error = tried(lambda: {name: fingerprint(value) for name, value in given.items()} | versions)
        every: list[Any] = self.all((in_words(error), prints, _place()))
        self._raise(error, [what for what, *_ in every])
        for rank, (_, other, _) in enumerate(every):
            for name, value in every[0][1].items():
                if other.get(name) != value:
                    raise agreed(
                        RanksDiffer(
                            f"all ranks must be called alike; {name} is {value} on rank 0, {other.get(name)} on rank "
                            f"{rank} (a seed made from the rank? files in another order?)"
                        )
                    )
        places = [place for *_, place in every]
        self.beside = places.count(places[self.rank])
        # each with a CPU, whatever sets of CPUs they may use and share
        cpus = {cpu for place in places for cpu in place[1]}
        self.together = self.size <= kernels.MOST_RANKS and all(
            place[0] == places[0][0] and places.count(place) <= len(place[1]) and self.size <= min(len(cpus), place[2])
            for place in places
        )
        threads.share_with(self.beside)

    def end(self, error: BaseException, exchanges: int) -> None:
        """Let an error through that all ranks have alike; one that this rank may have alone ends all of them, with its
        words: others would wait for this one for ever. exchanges: those at the start of what failed."""
        if isinstance(error, (ValueError, TypeError)) and self.exchanges == exchanges:
            agreed(error)
        if is_agreed(error):
            return
        try:
            what = "" if isinstance(error, Exception) else f" {type(error).__name__}"
            lines = [f"fastrbm, rank {self.rank} of {self.size}, ends all ranks:{what}\n"]
            if not what:
                lines += traceback.format_exception(type(error), error, error.__traceback__)
            sys.stderr.write("".join(lines))  # at once: lines of other ranks come between, not into them
            sys.stderr.flush()
        finally:
            self.abort(exit_code(error))

    def abort(self, code: int) -> None:
        """End all ranks, with this exit code, once mpiexec has read what this one wrote: it drops what it has not read
        when a rank aborts."""
        time.sleep(_UNTIL_READ)
        end = time.monotonic() + _PATIENCE
        while (_unread(1) or _unread(2)) and time.monotonic() < end:
            time.sleep(0.01)
        self._comm.Abort(code)


_ALONE = Alone()


def of(comm: Any) -> Alone | Ranks:
    """The ranks of a communicator; None: one process by itself.

    TypeError where it is no communicator; RuntimeError where several processes were started that do not know of each
    other, each a rank 0 of 1.
    """
    if comm is None:
        return _ALONE
    lacking = [name for name in _METHODS if not callable(getattr(comm, name, None))]
    if lacking:
        raise TypeError(
            f"comm must be a communicator of mpi4py, such as MPI.COMM_WORLD, or None; {type(comm).__name__} has no "
            f"{lacking[0]}"
        )
    if comm.Get_size() > 1:
        return Ranks(comm)
    world = getattr(sys.modules.get("mpi4py.MPI"), "COMM_WORLD", comm)
    name, size = started()
    if size > 1 and world.Get_size() == 1:
        raise RuntimeError(
            f"{name} says that {size} processes were started, but MPI knows of one: each would do all of the work "
            "(srun --mpi=pmix, or --mpi=pmi2 with MPICH and Intel MPI; mpiexec of the MPI library that mpi4py uses)"
        )
    return _ALONE


def started() -> tuple[str, int]:
    """How many processes mpiexec or srun started beside this one, itself included, and the variable that says so."""
    for name in _WORLD_SIZES:
        value = os.environ.get(name, "")
        if value.isdigit() and int(value) > 1:
            return name, int(value)
    return "", 1


def current() -> Alone | Ranks:
    """The ranks that share the work of this thread."""
    return getattr(_local, "ranks", _ALONE)


@contextmanager
def sharing(comm: Any, **given: Any) -> Iterator[Alone | Ranks]:
    """A context in which the ranks of a communicator share the work. given: the arguments of the call, which must be
    alike on all ranks."""
    ranks = of(comm)
    if isinstance(ranks, Alone):
        yield ranks
        return
    exchanges = ranks.exchanges
    before = getattr(_local, "ranks", _ALONE)
    try:
        ranks.start(given)
        exchanges = ranks.exchanges
        _local.ranks = ranks
        silence(ranks.rank > 0)  # it would say what rank 0 says
        yield ranks
    except BaseException as error:
        ranks.end(error, exchanges)
        raise
    finally:
        _local.ranks = before
        threads.share_with(before.beside)
        silence(before.rank > 0)


def shared(function: F) -> F:
    """A function, or method, whose work the ranks of its argument comm share: called with the same arguments, but for
    threads and progress lines."""

    @wraps(function)
    def call(*args: Any, comm: Any = None, **kwargs: Any) -> Any:
        if comm is None:
            return function(*args, **kwargs)
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        given = {name: value for name, value in bound.arguments.items() if name not in _MAY_DIFFER}
        own = given.pop("self", None)
        if hasattr(own, "_parameters") or hasattr(own, "describe"):
            given[f"the {type(own).__name__}"] = own
        with sharing(comm, **given):
            return function(*args, comm=comm, **kwargs)

    return call  # type: ignore[return-value]


@contextmanager
def among(ranks: Alone | Ranks) -> Iterator[None]:
    """A context in which these ranks share the work, which all of them are in."""
    before, _local.ranks = getattr(_local, "ranks", _ALONE), ranks
    try:
        yield
    finally:
        _local.ranks = before


def alone() -> AbstractContextManager[None]:
    """A context in which a rank does all that it is given itself: its own share."""
    return among(_ALONE)


class own_share:  # noqa: N801, a context
    """A context for what is done for each of n chains by itself: those that this rank does.

    work is what there is to do, in connections, as for threads. arrays: what it is done in, each with its axis of
    chains; afterwards all ranks have all of them. Where there is little to do, or chains are few, each rank does it all
    and waits for none.
    """

    __slots__ = "_arrays", "_n", "_ranks", "_shares"

    def __init__(self, n: int, work: int, *arrays: tuple[np.ndarray | None, int]) -> None:
        ranks = current()
        self._n, self._arrays = n, arrays
        self._ranks: Ranks | None = None  # one process by itself, as a rule: short calls come through here
        if isinstance(ranks, Ranks) and work >= _LEAST_WORK:
            self._shares = ranks.shares(n)
            self._ranks = ranks if self._shares[0].stop < n else None

    def __enter__(self) -> slice:
        if self._ranks is None:
            return slice(0, self._n)
        _local.ranks = _ALONE
        return self._shares[self._ranks.rank]

    def __exit__(self, kind: object, *error: object) -> None:
        ranks = self._ranks
        if ranks is None:
            return
        _local.ranks = ranks
        for array, axis in self._arrays if kind is None else ():
            if array is not None:
                ranks.gather(array, self._shares, axis)


def _place() -> tuple[str, tuple[int, ...], float]:
    """The machine, the CPUs that this process may use, and the time of how many its container gets."""
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    try:  # containers of one machine have names of their own, and machines may have one name
        machine = Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        machine = socket.gethostname()
    return machine, tuple(cpus), threads.cgroup_quota()


def _unread(file: int) -> bool:
    """Whether somebody has yet to read what was written to a descriptor. Of what is no pipe this cannot be seen."""
    try:
        if stat.S_ISFIFO(os.fstat(file).st_mode):
            return any(fcntl.ioctl(file, termios.FIONREAD, bytes(4)))
    except OSError:  # closed
        pass
    return False


def _length(share: slice) -> int:
    return share.stop - share.start


def _in_a_row(counts: Sequence[int]) -> tuple[list[int], list[int]]:
    """So many numbers one after the other, as MPI takes them: counts, and where each begins."""
    return list(counts), [0, *np.add.accumulate(counts)[:-1].tolist()]


def _counts(rest: tuple[int, ...], shares: Sequence[slice]) -> list[int]:
    """Numbers in each share of an array whose other axes have these lengths."""
    return [int(np.prod(rest, dtype=np.int64)) * _length(share) for share in shares]
