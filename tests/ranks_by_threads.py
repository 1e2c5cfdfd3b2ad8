"""Ranks that are threads of one process: a communicator with mpi4py's methods, for tests that need no MPI."""

from __future__ import annotations

import copy
import threading

import numpy as np

PATIENCE = 60.0  # seconds that a rank waits for the others: a test that would hang fails


class Aborted(RuntimeError):
    """Another rank ended the job."""


class _Job:
    """Where ranks meet. Who leaves a meeting to which all have come has what they brought, whatever happens after it:
    that one rank fails next is seen at the next one, by all that come to it, and in each run alike."""

    def __init__(self, size: int) -> None:
        self.size, self.ended = size, False
        self.aborted_by: list[int] = []
        self._brought: dict[int, object] = {}  # by rank, to the meeting that is on
        self._moved = threading.Condition()

    def meet(self, rank: int, what) -> list | None:
        """What all ranks brought; None where one has ended the job, or does not come."""
        with self._moved:
            brought = self._brought
            if not self.ended:
                brought[rank] = what
            if len(brought) == self.size:
                self._brought = {}
                self._moved.notify_all()
            elif not self._moved.wait_for(lambda: len(brought) == self.size or self.ended, PATIENCE):
                self.end()
        return [brought[rank] for rank in range(self.size)] if len(brought) == self.size else None

    def end(self) -> None:
        with self._moved:
            self.ended = True
            self._moved.notify_all()


class _Request:
    def __init__(self, sent, received, arriving) -> None:
        self._sent, self._then, self._received, self._arriving = sent, sent.copy(), received, arriving

    def Wait(self) -> None:
        assert np.array_equal(self._sent, self._then, equal_nan=True) and np.isnan(self._received).all()
        self._received[...] = self._arriving


class ThreadComm:
    """What a rank sees of the job. Its methods take what mpi4py's take; other forms are errors here."""

    def __init__(self, job: _Job, rank: int, size: int) -> None:
        self._job, self._rank, self._size = job, rank, size
        self.calls = 0

    def Get_rank(self) -> int:
        return self._rank

    def Get_size(self) -> int:
        return self._size

    def _exchange(self, value, kind: str):
        """What all ranks put in; a rank in another kind of call is an error, where MPI would hang."""
        self.calls += 1
        brought = self._job.meet(self._rank, (kind, value))
        if brought is None:
            raise Aborted(f"rank {self._rank}: another rank ended the job, or did not come")
        kinds = {kind for kind, _ in brought}
        if len(kinds) > 1:
            raise Aborted(f"ranks are in different calls: {sorted(kinds)}")
        return [value for _, value in brought]

    def Allgatherv(self, send, receive) -> None:
        whole, (counts, starts) = receive
        assert send.flags.c_contiguous and whole.flags.c_contiguous and not np.shares_memory(send, whole)
        assert send.size == counts[self._rank] and send.dtype == whole.dtype
        every = self._exchange((send.copy(), tuple(counts)), "Allgatherv")
        for (part, theirs), count, start in zip(every, counts, starts, strict=True):
            assert theirs == tuple(counts) and part.size == count
            whole[start : start + count] = part

    def Alltoallv(self, send, receive) -> None:
        (parts, (counts, starts)), (received, (own, places)) = send, receive
        assert parts.flags.c_contiguous and received.flags.c_contiguous and parts.dtype == received.dtype
        assert parts.ndim == received.ndim == 1
        mine = [parts[start : start + count].copy() for count, start in zip(counts, starts, strict=True)]
        every = self._exchange(mine, "Alltoallv")
        for theirs, count, place in zip(every, own, places, strict=True):
            assert theirs[self._rank].size == count
            received[place : place + count] = theirs[self._rank]

    def Ialltoallv(self, send, receive):
        """Nothing of it is there before its Wait; until then nobody may write to what is sent, nor where it goes."""
        arriving = np.empty_like(receive[0])
        self.Alltoallv(send, [arriving, receive[1]])
        receive[0].fill(np.nan)
        return _Request(send[0], receive[0], arriving)

    def allgather(self, value):
        return [copy.deepcopy(each) for each in self._exchange(copy.deepcopy(value), "allgather")]

    def bcast(self, value, root: int = 0):
        mine = copy.deepcopy(value) if self._rank == root else None
        return copy.deepcopy(self._exchange(mine, "bcast")[root])

    def Abort(self, code: int) -> None:
        self._job.aborted_by.append(self._rank)
        self._job.end()


def on_ranks(size: int, program, *arguments) -> list:
    """What program(comm, *arguments) returns on each of so many ranks; the first error of a rank that was not merely
    ended by another one is raised."""
    job = _Job(size)
    results, errors = [None] * size, [None] * size

    def run(rank: int) -> None:
        try:
            results[rank] = program(ThreadComm(job, rank, size), *arguments)
        except BaseException as error:
            errors[rank] = error
            job.end()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE)
    raised = [error for error in errors if error is not None]
    if raised:
        raise next((error for error in raised if not isinstance(error, Aborted)), raised[0])
    return results
