"""Time fastrbm and its peers side by side, at equal threads, and print a table of ratios.

    python bench/compare.py [--chains 1024 128] [--sizes 784x500] [--steps sweep "PCD-1 update"] [--only NumPy fastrbm]
    python bench/compare.py --full      all sizes, numbers of chains and steps (about 40 minutes)
    python bench/compare.py --write     as --full; then docs/benchmarks.md and its chart anew

Contenders (bench/contenders.py): NumPy as shipped and with its best kernels, scikit-learn, PyTorch and rbms where they
are installed. Each lives in a process of its own, since idle threads of one library slow the next; they are timed in
turns, with a pause between them, and the table has medians. Every contender's result is checked first: fastrbm's bits
against its reference implementation, the others' conditional distribution against fastrbm's.
"""

import argparse
import contextlib
import multiprocessing
import os
import resource
import statistics
import time

import contenders
import report

import fastrbm as fr
from fastrbm._core import dispatch

ROUND = 0.05  # seconds that a round of one contender takes at least
PAUSE = 0.1  # seconds before a round, in which the threads of the contender before stop spinning
SIZES = ["64x128", "784x500", "784x1000", "1024x4096"]
CHAINS = [64, 128, 512, 1024, 4096]
STEPS = ["sweep", "PCD-1 update", "CD-1 update", "moments", "free energy", "AIS, ten steps"]


@contextlib.contextmanager
def environment(**values):
    """Variables that a process started here inherits."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def work(name, n_chains, n_visible, n_hidden, asked, pipe):
    """A contender's process: build, check, then time rounds of a step whenever asked."""
    steps = contenders.build(name, n_chains, n_visible, n_hidden)
    if steps is None:
        pipe.send(None)
        return
    steps, loops = {kind: step for kind, step in steps.items() if kind in asked}, {}
    for kind, step in steps.items():
        step()
        started = time.perf_counter()
        step()
        loops[kind] = max(1, int(ROUND / (time.perf_counter() - started)))
    pipe.send(list(steps))
    while kind := pipe.recv():
        time.sleep(PAUSE)
        steps[kind]()  # threads and caches wake outside the clock
        started = time.perf_counter()
        for _ in range(loops[kind]):
            steps[kind]()
        pipe.send((time.perf_counter() - started) / loops[kind])
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def compare(names, size, n_chains, asked, repeats):
    """Rows (size, chains, step, contender, median seconds, peak MB of its process)."""
    n_visible, n_hidden = map(int, size.split("x"))
    context = multiprocessing.get_context("spawn")
    pipes, kinds, times, rows = {}, {}, {}, []
    for name in names:
        pipes[name], end = context.Pipe()
        with environment(**contenders.CONTENDERS[name][1]):
            arguments = name, n_chains, n_visible, n_hidden, asked, end
            context.Process(target=work, args=arguments, daemon=True).start()
        end.close()
        kinds[name] = pipes[name].recv() or []
    for _ in range(repeats):
        for kind in asked:
            for name in names:
                if kind in kinds[name]:
                    pipes[name].send(kind)
                    times.setdefault((kind, name), []).append(pipes[name].recv())
    memory = {}
    for name in names:
        if kinds[name]:
            pipes[name].send(None)
            memory[name] = pipes[name].recv()
    for (kind, name), seconds in times.items():
        rows.append((size, n_chains, kind, name, statistics.median(seconds), memory[name]))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chains", type=int, nargs="+", default=[1024, 128])
    parser.add_argument("--sizes", nargs="+", default=["784x500"], metavar="VxH")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS[:2])
    parser.add_argument("--only", nargs="+", choices=contenders.CONTENDERS, help="contenders (default: all)")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, help="for all contenders (default: all that the process may use)")
    parser.add_argument("--full", action="store_true", help="all sizes, chains and steps")
    parser.add_argument("--write", action="store_true", help="as --full, and write the documents")
    options = parser.parse_args()
    if options.threads:  # the contenders' processes inherit these, and their libraries read them when loaded
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(options.threads)
    if options.full or options.write:
        options.sizes, options.chains, options.steps = SIZES, CHAINS, STEPS
    names = list(options.only or contenders.CONTENDERS)
    levels = dispatch.available_levels()
    if "avx512" not in levels:  # they would repeat the plain ones
        names = [name for name in names if name not in ("NumPy, SkylakeX", "fastrbm, AVX2")]
    if "amx" not in levels:
        names = [name for name in names if name != "fastrbm, AVX-512"]
    fr.show_config()
    rows = []
    for size in options.sizes:
        for n_chains in options.chains:
            rows += compare(names, size, n_chains, options.steps, options.repeats)
            print("\n".join(report.table(rows[-len(names) * len(options.steps) :], options.steps, size, n_chains)))
    if options.write:
        report.write(rows, STEPS)


if __name__ == "__main__":
    main()
