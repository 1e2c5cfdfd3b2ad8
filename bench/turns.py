"""How bench/categorical.py and bench/real.py time contenders: each in a process of its own, checked in another one
before, in turns with a pause between them."""

import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from compare import PAUSE, ROUND, environment

from fastrbm._core.threads import default_threads

CHECKED = 4000  # chains


class Bench(NamedTuple):
    """What is timed. Processes import it anew: all its functions have a name in a module."""

    contenders: dict  # name: (build, what its process finds in the environment)
    # build(size, parameters, states, exact=None): a contender's steps by name; with exact, it checks itself
    problem: Callable  # of (size, n_chains): (*parameters, states)
    exact: Callable  # of (size, *parameters): what is right
    steps: list[str]
    bases: tuple[str, ...]  # contenders: the fastest of these is what ratios refer to


def check(right, message):
    if not right:
        raise ArithmeticError(message)


def seconds(step, repeats=3):
    """The shortest of a few runs."""
    best = np.inf
    for _ in range(repeats):
        started = time.perf_counter()
        step()
        best = min(best, time.perf_counter() - started)
    return best


def peak_kilobytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def verify(bench, name, size, threads, pipe):
    """A process that checks a contender: sends None, or a sentence where its library is not installed."""
    *parameters, states = bench.problem(size, CHECKED)
    check(default_threads() == threads, f"{name} has {default_threads()} threads in place of {threads}")
    try:
        bench.contenders[name][0](size, parameters, states, bench.exact(size, *parameters))
        pipe.send(None)
    except ImportError as error:
        pipe.send(f"{name} is left out: {error}")


def work(bench, name, size, n_chains, pipe):
    """A contender's process: build, then time rounds of a step whenever asked."""
    *parameters, states = bench.problem(size, n_chains)
    build = bench.contenders[name][0]
    for step in build(size, parameters, states[:2]).values():  # its libraries
        step()
    before, loops = peak_kilobytes(), {}
    steps = build(size, parameters, states)
    for kind, step in steps.items():
        step()
        loops[kind] = max(1, int(ROUND / seconds(step, 1)))
    pipe.send(None)
    while kind := pipe.recv():
        time.sleep(PAUSE)
        steps[kind]()  # threads and caches wake outside the clock
        started = time.perf_counter()
        for _ in range(loops[kind]):
            steps[kind]()
        pipe.send((time.perf_counter() - started) / loops[kind])
    pipe.send((peak_kilobytes() - before) / n_chains)


def started(variables, target, *arguments):
    """A process that finds these variables in its environment, and our end of the pipe to it."""
    context = multiprocessing.get_context("spawn")
    pipe, end = context.Pipe()
    with environment(**variables):
        context.Process(target=target, args=(*arguments, end), daemon=True).start()
    end.close()
    return pipe


def compare(bench, names, size, n_chains, threads, repeats):
    """({(step, contender): median seconds}, {contender: kB a chain}, sentences about those that are left out)."""
    pipes, times, memory, missing = {}, {}, {}, []
    for name in names:
        variables = bench.contenders[name][1]
        sentence = started(variables, verify, bench, name, size, threads).recv()
        if sentence:
            missing.append(sentence)
            continue
        pipes[name] = started(variables, work, bench, name, size, n_chains)
        pipes[name].recv()
    for _ in range(repeats):
        for kind in bench.steps:
            for name, pipe in pipes.items():
                pipe.send(kind)
                times.setdefault((kind, name), []).append(pipe.recv())
    for name, pipe in pipes.items():
        pipe.send(None)
        memory[name] = pipe.recv()
    return {key: statistics.median(values) for key, values in times.items()}, memory, missing


def table(bench, times, memory):
    """Lines, a contender each."""
    yield f"{'':<18}" + "".join(f"{step + ' ms':>18} {'ratio':>6}" for step in bench.steps) + f"{'kB a chain':>13}"
    for name in memory:
        line = f"{name:<18}"
        for step in bench.steps:
            base = min((times[step, other] for other in bench.bases if other in memory), default=float("nan"))
            line += f"{1e3 * times[step, name]:>18.3f} {base / times[step, name]:>6.2f}"
        yield line + f"{memory[name]:>13.2f}"
