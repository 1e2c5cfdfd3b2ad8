"""Measure what this machine can do, and how near to it the kernels come.

    python bench/roofline.py [--threads N] [--visible 784] [--hidden 512]

First the limits: vector loads from L1, fused multiply-adds, vector operations of any kind, NumPy's matrix product with
each of OpenBLAS's kernels, and copying arrays of the size of W. Then each kernel beside the limit that binds it. Needs
a C compiler (cc) and an x86-64 CPU with AVX2.
"""

import argparse
import ctypes
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import fastrbm as fr
from fastrbm._core import threads as _threads
from fastrbm._core.dispatch import kernels
from fastrbm.cli.speed import problem
from fastrbm.moments import PhaseStates

SGEMM = """
import time, numpy as np
a, b = np.ones((1024, 784), np.float32), np.ones((784, 512), np.float32)
out, times = a @ b, []
for _ in range(60):
    start = time.perf_counter(); np.matmul(a, b, out=out); times.append(time.perf_counter() - start)
print(sorted(times)[30])
"""
# vector operations for LANES units, counted in src/activation.pxi: the field 3, its size 2, exp 22, quotient 2, sign
# and fixed point 6; and for a draw: scaling 2, comparisons 3, an eighth of the units' Philox rounds 15
OPERATIONS, OPERATIONS_OF_A_DRAW = 35, 20


def compiled(folder):
    library = Path(folder) / "limits.so"
    source = Path(__file__).with_name("limits.c")
    subprocess.run(["cc", "-O2", "-march=native", "-shared", "-fPIC", source, "-o", library], check=True)
    limits = ctypes.CDLL(str(library))
    for name in ("loads", "fmas", "operations"):
        getattr(limits, name).restype = ctypes.c_double
        getattr(limits, name).argtypes = [ctypes.c_long]
    return limits


def rate(function, operations, threads):
    """Operations a second, all threads together, the best of several rounds: what the machine can do when let."""
    n, best = 200_000, 0.0
    with ThreadPoolExecutor(threads) as pool:  # ctypes lets other threads run
        for _ in range(7):
            best = max(best, sum(n * operations / seconds for seconds in pool.map(function, [n] * threads)))
    return best


def median(step, rounds=15, seconds=0.03):
    step()
    started = time.perf_counter()
    step()
    loops = max(1, int(seconds / (time.perf_counter() - started)))
    times = []
    for _ in range(rounds):
        time.sleep(0.02)
        step()
        started = time.perf_counter()
        for _ in range(loops):
            step()
        times.append((time.perf_counter() - started) / loops)
    return statistics.median(times)


def row_vectors(n, n_in, n_out):
    """Vectors of table rows that a product adds."""
    k, full = (4, 8) if n < kernels.LEVEL_MANY else (6, 6)
    n_bytes = -(-n_in // 8)
    groups = n_bytes // full * (full * 8 // k) + -(-(n_bytes % full) * 8 // k)
    return n * groups * -(-n_out // kernels.LEVEL_LANES)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=_threads.default_threads())
    parser.add_argument("--visible", type=int, default=784)
    parser.add_argument("--hidden", type=int, default=512)
    options = parser.parse_args()
    V, H, threads = options.visible, options.hidden, options.threads
    fr.show_config()
    with tempfile.TemporaryDirectory() as folder:
        limits = compiled(folder)
        lanes = limits.vector_bytes() // 4
        loads, fmas = rate(limits.loads, 16, threads), rate(limits.fmas, 10, threads)
        operations = rate(limits.operations, 16, threads)
    peak = 2 * lanes * fmas
    print(f"\nlimits of {threads} threads, vectors of {lanes} float32")
    print(f"  loads from L1, each added   {loads * 1e-9:8.2f} G vectors/s  {loads * 4 * lanes * 1e-9:8.0f} GB/s")
    print(f"  vector operations           {operations * 1e-9:8.2f} G/s")
    print(f"  fused multiply-adds         {fmas * 1e-9:8.2f} G vectors/s  {peak * 1e-9:8.0f} GFLOP/s")
    for core in (None, "Haswell", "SkylakeX"):
        environment = dict(os.environ, OPENBLAS_NUM_THREADS=str(threads), OMP_NUM_THREADS=str(threads))
        if core:
            environment["OPENBLAS_CORETYPE"] = core
        run = subprocess.run([sys.executable, "-c", SGEMM], env=environment, capture_output=True, text=True)
        if run.returncode == 0:
            flops = 2 * 1024 * 784 * 512 / float(run.stdout)
            print(
                f"  NumPy sgemm, {core or 'as shipped':<15}{flops * 1e-9:8.0f} GFLOP/s  {flops / peak:6.0%} of the peak"
            )
    W = np.ones((4, V * H), np.float32)
    turn = iter(range(1 << 62))
    copy = median(lambda: np.copyto(W[(k := next(turn) % 2)], W[k + 2])) / (8 * V * H)
    print(f"  copying arrays like W       {1e-9 / copy:8.1f} GB/s moved, one thread")

    print(f"\nkernels, {V} x {H}")
    scale = loads * (1 if kernels.LEVEL_LANES == lanes else lanes / kernels.LEVEL_LANES)
    for n in (16, 64, 128, 256, 1024, 4096):
        *parameters, states = problem(n, V, H)
        rbm, data = fr.RBM(*parameters), fr.BitMatrix.from_states(states)
        layer, acc = rbm._parameters.to_hidden, np.empty((n, H), np.int32)
        arguments = data.planes, layer.tiles_array, layer.exponent, acc, threads
        seconds = median(lambda a=arguments: kernels.product(*a))
        flops = 2 * n * V * H / seconds
        rows = f";  table rows {row_vectors(n, V, H) / seconds / scale:4.0%} of the loads from L1"
        print(f"  product, {n:5} chains  {1e3 * seconds:8.3f} ms  {flops * 1e-9:6.0f} GFLOP-equivalents/s = "
              f"{flops / peak:4.2f} x the peak{'' if kernels.LEVEL_MATRICES else rows}")  # fmt: skip
    n = 1024
    out, fixed = fr.BitMatrix.empty(n, H), np.zeros((-(-H // 64), n, 64), np.float32)
    few = fr.BitMatrix.empty(n, 8)
    small = fr.RBM(np.zeros((8, H)))._parameters.to_hidden
    for name, bits, numbers, count in (
        ("draw", out.planes, None, OPERATIONS + OPERATIONS_OF_A_DRAW - 6),
        ("probability", None, fixed, OPERATIONS),
    ):
        seconds = median(
            lambda b=bits, f=numbers: kernels.half_step(few.planes, small, None, 1, 0, 1, 1, 0, b, f, None, threads)
        )
        bound = count * n * H / kernels.LEVEL_LANES / operations
        each = 1e9 * seconds / n / H
        print(f"  activation, {name:<12} {each:7.3f} ns a unit;  {bound / seconds:4.0%} of the operations")
    n = 128
    *parameters, states = problem(n, V, H)
    rbm, data = fr.RBM(*parameters), fr.BitMatrix.from_states(states)
    phase = PhaseStates.of_data(rbm, data)
    p = rbm._parameters.to_hidden.tiles_array
    new = [np.empty_like(p) for _ in range(2)]
    back = [np.empty_like(rbm._parameters.to_visible.tiles_array) for _ in range(2)]

    def ascend():
        k = next(turn) % 2
        kernels.ascend(new[k - 1], p, 1e-9, 0.0, 0.0, 1e30, new[k], back[k], threads)

    for each in new:
        each[...] = p
    seconds = median(ascend)
    moved = 4 * p.nbytes / seconds
    print(f"  update of W and its transpose {1e3 * seconds:.3f} ms;  {moved * 1e-9:.0f} GB/s moved, {moved * copy:.2f} "
          "x one thread's copying")  # fmt: skip
    direction = np.empty_like(p)
    args = phase.transposed, phase.fixed, 2.0**-29, phase.transposed, phase.fixed, 2.0**-29, False, None, H
    seconds = median(lambda: kernels.difference(*args, direction, None, None, threads))
    flops = 4 * n * V * H / seconds
    print(f"  difference of phases, {n} examples each {1e3 * seconds:.3f} ms  {flops * 1e-9:.0f} GFLOP-equivalents/s = "
          f"{flops / peak:4.2f} x the peak")  # fmt: skip


if __name__ == "__main__":
    main()
