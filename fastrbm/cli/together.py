"""--mpi: a command that the processes of mpiexec or srun do together. Rank 0 speaks and writes; all come to one end."""

from __future__ import annotations

from typing import Any

from ..ranks import Alone, Ranks, of, started

comm: Any = None  # of the command that runs
ranks: Alone | Ranks = Alone()


def add_mpi(parser) -> None:
    parser.add_argument(
        "--mpi", action="store_true",
        help="share the work with the other processes that mpiexec or srun started, to the same result (needs mpi4py)",
    )  # fmt: skip


def start(asked: bool) -> None:
    """Find the other processes, if the command is to be done with them. ValueError says what keeps them apart."""
    global comm, ranks
    comm, ranks = None, Alone()
    if not asked:
        return
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: no MPI library
        raise ValueError(f'--mpi needs mpi4py and an MPI library: pip install "fastrbm[mpi]" mpich ({error})') from None
    try:
        comm, ranks = MPI.COMM_WORLD, of(MPI.COMM_WORLD)
    except RuntimeError as error:
        raise ValueError(f"--mpi: {error}") from None


def each_alone() -> str:
    """What to say where mpiexec or srun started several processes that do not know of each other; '' elsewhere."""
    name, size = started()
    if comm is not None or size == 1:
        return ""
    return f"{name} says that {size} processes were started: each does all of the work (add --mpi to share it)"


def speaks() -> bool:
    """Whether this process is the one that says and writes what all have come to."""
    return ranks.rank == 0
