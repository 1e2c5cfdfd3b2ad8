"""Ranks against threads: the time of an update of fit, CPU time, bytes and memory, with several processes and with one.

    python bench/ranks.py [--sizes 784x500x128 ...] [--updates N] [--rounds 5]
    python bench/ranks.py --large        # 65,536 x 8,192: memory and time on one process and on two ranks
    python bench/ranks.py --predict [--write]    # efficiencies on 2 to 64 ranks, from constants measured here

A size is visible x hidden units x examples of a batch, as many as chains. Contenders: one process with one and with
two threads, a communicator of one rank, and two ranks with a thread each, started by mpiexec (pip install mpi4py
mpich): as fit has them, which do updates of small models together, in memory that they share, and as ranks of several
machines, which divide the units. Each trains the same model on the same data, in processes of its own, in turns; all
must end with the same bits. An epoch has at most 64 updates, between which fit measures nothing; the clock is read
where its loop hands over what is done. The first call is not counted.

Bytes are those that a rank receives in an update, beside f (k C (V + H) / 8 + 4.25 V H / P): f = (P - 1) / P, P ranks,
C chains, k sweeps. These are the bits of both layers, and the weights of others, turned round, with the sums of their
rows. Layers are cut at tiles of 64 units: where these divide unevenly, one rank receives more.

--predict takes the time of an update on one core; divides it by 16 cores a rank, and by ranks as far as tiles go; and
adds what two ranks cost here beside arithmetic, a fixed time an update and a time a byte. Of the latter, the exchange
between two processes gives way to a network, which is assumed: NETWORKS; the rest, memory that is read and written, is
divided by cores as well. A gather takes log2 P latencies, an exchange of all with all P - 1. Nothing is taken to go on
at the same time. More than two ranks on two cores is not measured.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import fastrbm as fr
from fastrbm._core.layout import TILE
from fastrbm.training.loop import Loop

SIZES = {"784x500x128": 64, "784x500x500": 48, "2048x2048x500": 24, "4096x4096x250": 16}  # updates of an epoch
CONTENDERS = {  # ranks, 0 without a communicator; threads of each
    "1 process, 1 thread": (0, 1),
    "1 process, 2 threads": (0, 2),
    "1 rank, 1 thread": (1, 1),
    "2 ranks, 1 thread each": (2, 1),
    "2 ranks, units divided": (2, 1),
}
DIVIDED = "2 ranks, units divided"  # whatever the size
BASE = "1 process, 2 threads"  # what ratios refer to
LARGE = "65536x8192x128"
MEMORY = {
    "base": "before data and model", "before": "peak until updates", "divided": "at the start of updates",
    "updates": "peak of updates", "peak": "peak in all",
}  # fmt: skip
COPIES = 5  # of the weights, that a rank has at most, while it makes a whole model of its part
MOST = 64  # updates of an epoch without a measurement: measuring._FEWEST_UPDATES
PARTS = 16  # of an epoch, whose means are what is compared: calls of many updates, or single ones
PAUSE, PATIENCE = 0.1, 3600.0  # seconds

CORES = 16  # of a rank of --predict
PREDICTED = {  # updates that are measured; what follows from another size
    "784x500x128": 64, "784x500x1024": 16, "784x500x8000": 4,
    "4096x4096x128": 8, "4096x4096x1024": 4, "4096x4096x8000": 3,
    "65536x8192x128": "4096x4096x128", "65536x8192x1024": "4096x4096x1024", "65536x8192x8000": "4096x4096x8000",
}  # fmt: skip
TINY, COSTLY = "128x128x8", "4096x4096x128"  # two ranks: next to no arithmetic; many bytes
CHECKED = {"784x500x500": 48, "2048x2048x500": 16}
NETWORKS = {"25 Gbit, TCP": (20e-6, 2.9e9), "100 Gbit": (3e-6, 11.5e9)}  # seconds, bytes a second
RANKS = 2, 4, 8, 16, 32, 64
PAGE = Path(__file__).parent.parent / "docs" / "cluster.md"
START, END = "<!-- ranks: start -->", "<!-- ranks: end -->"


def numbers(size: str) -> tuple[int, int, int]:
    n_visible, n_hidden, n = map(int, size.split("x"))
    return n_visible, n_hidden, n


# ------------------------------------------------------------ a job: one training on its ranks


def status(name: str) -> float:
    """MB of this process by an entry of the kernel's, VmRSS or VmHWM."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.split(f"{name}:")[1].split()[0]) / 1e3


class Clock:
    """Notes the time after each call of a loop's updates, and at their start."""

    def __init__(self) -> None:
        self.marks: list[tuple[int, float, float, int, int]] = []
        self.memory = {"base": status("VmRSS")}

    def install(self) -> None:
        steps = Loop.steps

        def timed(loop, *arguments):
            self.start()
            self.note(loop, 0)
            for n in steps(loop, *arguments):
                self.note(loop, n)
                yield n
            self.memory["updates"] = status("VmHWM")

        Loop.steps = timed

    def start(self) -> None:
        """The model is divided. From here on the peak is that of updates."""
        self.memory |= {"before": status("VmHWM"), "divided": status("VmRSS")}
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")

    def note(self, loop: Loop, n: int) -> None:
        division = loop.rbm._parameters.division
        bytes_and_calls = (0, 0) if division is None else (division.ranks.received, division.ranks.exchanges)
        self.marks.append((n, time.perf_counter(), time.process_time(), *bytes_and_calls))

    def parts(self) -> list[list[float]]:
        """(seconds, CPU seconds, bytes, exchanges) of an update, means of runs of updates; without the first call, if
        there are others."""
        marks = self.marks[1:] if len(self.marks) > 2 else self.marks
        least, found, start, n = max(1, sum(mark[0] for mark in marks[1:]) // PARTS), [], marks[0], 0
        for mark in marks[1:]:
            n += mark[0]
            if n >= least:
                found.append([(now - before) / n for now, before in zip(mark[1:], start[1:], strict=True)])
                start, n = mark, 0
        return found


def train(size: str, updates: int, comm) -> dict:
    """What this rank found: parts, memory, a digest of the result."""
    if updates > MOST:
        raise ValueError(f"fit measures after {MOST} updates, got {updates}")
    n_visible, n_hidden, n = numbers(size)
    clock = Clock()
    X = (np.random.default_rng(0).integers(0, 256, (updates * n, n_visible), np.uint8) < 80).astype(np.uint8)
    rbm, pcd = fr.RBM.from_data(X, n_hidden, seed=0), fr.gradient.PCD(n, seed=0)
    clock.install()
    fr.fit(rbm, X, pcd, fr.optim.SGD(0.01, l2=1e-3), epochs=1, batch_size=n, seed=0, comm=comm)
    clock.memory["peak"] = max(status("VmHWM"), clock.memory["before"])
    digest, tiles = hashlib.sha256(), rbm._parameters.to_hidden.tiles_array
    for array in (tiles, rbm.visible_bias, rbm.hidden_bias, pcd.chains.visible_bits.planes):
        digest.update(np.ascontiguousarray(array).data)
    return {"parts": clock.parts(), "memory": clock.memory, "digest": digest.hexdigest()[:16]}


def exchange(n_bytes: int, repeats: int, comm) -> dict:
    """How long it takes until each of two ranks has so many bytes of the other, with nothing else to do."""
    sent, received = np.ones(n_bytes, np.uint8), np.empty(n_bytes, np.uint8)
    counts, parts = [0 if rank == comm.Get_rank() else n_bytes for rank in range(2)], []
    for _ in range(repeats):
        comm.Barrier()
        started, busy = time.perf_counter(), time.process_time()
        comm.Alltoallv([sent, (counts, [0, 0])], [received, (counts, [0, 0])])
        parts.append([time.perf_counter() - started, time.process_time() - busy])
    return {"parts": parts}


def job(size: str, updates: int, ranks: int, divided: bool) -> None:
    comm = None
    if divided:
        Loop.work_together = lambda *arguments: False
    if ranks:
        from mpi4py import MPI

        comm = MPI.COMM_WORLD
        if comm.Get_size() != ranks:
            raise RuntimeError(f"mpiexec started {comm.Get_size()} ranks, not {ranks}: is it of another MPI library?")
    found = train(size, updates, comm) if "x" in size else exchange(int(size), updates, comm)
    every = [found] if comm is None else comm.gather(found)
    if every is not None:
        print(json.dumps(every))


def mpiexec() -> str | None:
    """Of this environment, whose MPI library is the one that mpi4py uses; else of the system."""
    beside = Path(sys.executable).parent / "mpiexec"
    return str(beside) if beside.exists() else shutil.which("mpiexec")


def run(size: str, updates: int, ranks: int, threads: int, divided: bool = True) -> list[dict]:
    """What each rank of a job found. divided: ranks divide the units, as those of several machines do."""
    command = [__file__, "--job", size, str(updates), str(ranks), "divided" if divided else "as fit has it"]
    launcher = [mpiexec(), "-n", str(ranks), sys.executable, "-m", "mpi4py"] if ranks else [sys.executable]
    env = os.environ | {"OMP_NUM_THREADS": str(threads)}
    time.sleep(PAUSE)
    done = subprocess.run(
        launcher + command, env=env, stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=True
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


# ------------------------------------------------------------ what comes out


def quantiles(seconds: list[float]) -> tuple[float, float]:
    """A low one, which says what an update takes where nobody disturbs it, and the median; ms."""
    return 1e3 * float(np.quantile(seconds, 0.1)), 1e3 * statistics.median(seconds)


def expected_bytes(size: str, ranks: int) -> float:
    n_visible, n_hidden, n = numbers(size)
    return (ranks - 1) / ranks * (n * (n_visible + n_hidden) / 8 + 4.25 * n_visible * n_hidden / ranks)


def in_turns(size: str, updates: int, contenders: dict, rounds: int) -> dict[str, list[list[dict]]]:
    """What each rank of each contender found, round by round; ArithmeticError where not all have the same bits."""
    found: dict[str, list[list[dict]]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, (ranks, threads) in contenders.items():
            found[name].append(run(size, updates, ranks, threads, name == DIVIDED))
    digests = {rank["digest"] for turns in found.values() for every in turns for rank in every}
    if len(digests) != 1:
        raise ArithmeticError(f"{size}: results differ: {digests}")
    return found


def column(turns: list[list[dict]], k: int) -> list[float]:
    """One number of all parts: of the slowest rank, where ranks differ."""
    together = [parts for every in turns for parts in zip(*(rank["parts"] for rank in every), strict=True)]
    return [max(part[k] for part in parts) for parts in together]


def compare(sizes: dict[str, int], rounds: int) -> None:
    heads = "".join(f"{head:>9}{'ratio':>7}" for head in ("low", "median"))
    print(f"{'ms an update':<26}{heads}{'CPU':>9}{'bytes':>12}{'of formula':>11}")
    for size, updates in sizes.items():
        found = in_turns(size, updates, CONTENDERS, rounds)
        print(f"{size}, the same bits from all")
        base = quantiles(column(found[BASE], 0))
        for name, (ranks, _) in CONTENDERS.items():
            low, median = quantiles(column(found[name], 0))
            line = f"  {name:<24}{low:9.3f}{low / base[0]:7.2f}{median:9.3f}{median / base[1]:7.2f}"
            line += f"{quantiles(column(found[name], 1))[1]:9.3f}"
            received = statistics.median(column(found[name], 2))
            if ranks > 1 and not received:
                line += f"{'(shared memory)':>23}"
            elif ranks > 1:
                line += f"{received:12,.0f}{received / expected_bytes(size, ranks):11.3f}"
            print(line, flush=True)


def large(size: str, updates: int) -> None:
    free = int(Path("/proc/meminfo").read_text(encoding="ascii").split("MemAvailable:")[1].split()[0]) * 1e3
    needed = 2 * COPIES * 4 * math.prod(numbers(size)[:2])
    if needed > free:
        sys.exit(f"two ranks take up to {needed / 1e9:.1f} GB for {size}, and {free / 1e9:.1f} are free: --large VxHxN")
    contenders = {name: CONTENDERS[name] for name in (BASE, DIVIDED)}
    found = in_turns(size, updates, contenders, 1)
    print(f"{size}, {updates} updates, the same bits; MB by rank")
    for name, (every,) in found.items():
        low, median = quantiles(column([every], 0))
        print(f"  {name}: an update {low:,.0f} ms, median {median:,.0f}")
        for kind, text in MEMORY.items():
            print(f"    {text:<24}" + "".join(f"{rank['memory'][kind]:>10,.0f}" for rank in every), flush=True)


# ------------------------------------------------------------ predictions


def low(size: str, updates: int, ranks: int, rounds: int) -> tuple[float, float, float]:
    """(seconds, bytes, exchanges) of an update on one thread a rank. CPU time: what the clock shows where nobody else
    is at work, since ranks that wait do so on the CPU."""
    turns = [run(size, updates, ranks, 1) for _ in range(rounds)]
    return quantiles(column(turns, 1))[0] / 1e3, *(statistics.median(column(turns, k)) for k in (2, 3))


class Costs:
    """Of two ranks of a thread here, beside arithmetic.

    Attributes
    ----------
    fixed : float
        Seconds of an update, whatever its size; the latencies of this machine included.
    exchanges : float
        How many an update has.
    of_byte, of_exchange : float
        Seconds for each byte received: all that it costs; and to exchange it between two processes.
    """

    def __init__(self, rounds: int) -> None:
        self.fixed, _, self.exchanges = low(TINY, MOST, 2, rounds)
        alone, (together, n_bytes, _) = low(COSTLY, 8, 0, rounds)[0], low(COSTLY, 8, 2, rounds)
        self.of_byte = max(0.0, (together - alone / 2 - self.fixed) / n_bytes)
        bare = [run(str(int(n_bytes)), 32, 2, 1) for _ in range(rounds)]
        self.of_exchange = quantiles(column(bare, 1))[0] / 1e3 / n_bytes

    def seconds(self, size: str, alone: float, ranks: int, network: tuple[float, float] | None) -> float:
        """Of an update on ranks, one of which would take so long alone; network: latency and bandwidth, or None for
        ranks of a thread on this machine."""
        part = max(-(-n // ranks) / n for n in (-(-units // TILE) for units in numbers(size)[:2]))
        latency, of_byte = 0.0, self.of_byte
        if network is not None:
            latency, of_byte = network[0], max(0.0, self.of_byte - self.of_exchange) / CORES + 1 / network[1]
        latencies = (self.exchanges - 2) * math.ceil(math.log2(ranks)) + 2 * (ranks - 1)
        return alone * part + self.fixed + latencies * latency + of_byte * expected_bytes(size, ranks)


def predict(rounds: int) -> str:
    """A table of efficiencies in percent, with what it is made from."""
    costs = Costs(rounds)
    print(
        f"two ranks, beside arithmetic: {1e6 * costs.fixed:.0f} us an update of {costs.exchanges:.0f} exchanges, "
        f"{1e9 * costs.of_byte:.3f} ns a byte, of which the exchange {1e9 * costs.of_exchange:.3f}"
    )
    for size, updates in CHECKED.items():
        alone, together = low(size, updates, 0, rounds)[0], low(size, updates, 2, rounds)[0]
        said = costs.seconds(size, alone, 2, None)
        print(
            f"  {size}, two ranks of one thread: {1e3 * said:.3f} ms by this, {1e3 * together:.3f} measured", flush=True
        )
    heads = [f"{network}: {' '.join(map(str, RANKS))}" for network in NETWORKS]
    lines = [f"| model, examples | ms on one rank | {' | '.join(heads)} |", "|---|---:|" + "---|" * len(heads)]
    measured: dict[str, float] = {}
    for size, source in PREDICTED.items():
        n_visible, n_hidden, n = numbers(size)
        if isinstance(source, int):
            measured[size] = low(size, source, 0, rounds)[0]
        else:
            times = n_visible * n_hidden / math.prod(numbers(source)[:2])
            measured[size] = measured[source] * times
        alone = measured[size] / CORES
        cells = [
            " ".join(f"{100 * alone / (p * costs.seconds(size, alone, p, network)):.0f}" for p in RANKS)
            for network in NETWORKS.values()
        ]
        lines.append(f"| {n_visible:,} x {n_hidden:,}, {n:,} | {1e3 * alone:,.2f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def write(table: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(START)
    PAGE.write_text(f"{before}{START}\n{table}{END}{rest.split(END)[1]}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), metavar="VxHxN")
    parser.add_argument("--updates", type=int, help=f"of an epoch, at most {MOST}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", nargs="?", const=LARGE, metavar="VxHxN")
    parser.add_argument("--predict", action="store_true")
    parser.add_argument("--write", action="store_true", help=f"the predictions, to {PAGE.name}")
    parser.add_argument("--job", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if mpiexec() is None:
        sys.exit("bench/ranks.py needs mpiexec: pip install mpi4py mpich")
    if options.job:
        size, updates, ranks, how = options.job
        job(size, int(updates), int(ranks), how == "divided")
    elif options.large:
        large(options.large, options.updates or 4)
    elif options.predict:
        table = predict(options.rounds)
        print(table, end="")
        if options.write:
            write(table)
    else:
        compare({size: options.updates or SIZES.get(size, 16) for size in options.sizes}, options.rounds)


if __name__ == "__main__":
    main()
