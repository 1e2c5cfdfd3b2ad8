"""Time real-valued units side by side, at equal threads: one sweep, both layers of all chains drawn.

    python bench/real.py [drelu gaussian spikes] [--chains 1000] [--threads 2] [--only fastrbm ...]

drelu: categorical visible and dReLU hidden units, sites x categories x hidden units. fastrbm, NumPy in float32, and the
way of PGM (Tubiana, Cocco & Monasson's program): scalar loops in Numba, an error function of three terms. gaussian:
Gaussian visible and Bernoulli hidden units. fastrbm, NumPy, and PyTorch. As in bench/categorical.py each contender
lives in a process of its own, they are timed in turns with a pause between them, and the table has medians. *ratio*:
the time of the fastest NumPy over the contender's own. *kB a chain*: by how much the peak memory of the process grew
beyond its libraries, over the chains. Of NumPy's programs one draws dReLU units by scipy.special, the others by float32
polynomials.

Every contender is checked before it is timed, in another process: given the other layer, units have the means and the
second moments of their formula, float64, within 6 standard errors, each and (of real units) all together, and their
differences from these means do not go with the other layer's units. The means that fastrbm gives are those of the
formula.

spikes: Bernoulli visible and dReLU hidden units, sparse synthetic spike trains of a few assemblies; PCD-1 updates by
gradient.PCD and optim.Adam, and the memory that they need.

SciPy, Numba and PyTorch take part where they are installed.
"""

import argparse
import functools
import math
import os
import statistics
import sys
import time
from functools import partial

import numpy as np
from categorical import Blocks, NumpyPotts, to_probabilities
from categorical import problem as potts_problem
from real_draws import Sides, by_polynomials, by_scipy
from real_exact import Exact
from turns import Bench, compare, peak_kilobytes, seconds, started, table

import fastrbm as fr
from fastrbm._core.threads import default_threads
from fastrbm.units.real import GRID

FRAMES, BATCH = 5000, 100  # of the spike trains; examples, and chains
ASSEMBLIES, BACKGROUND, ACTIVE = 20, 0.02, 0.3  # probabilities of a spike, in an assembly that is off and on
UPDATES = 20


# ---------------------------------------------------------------- categorical x dReLU


def drelu_problem(size, n_chains):
    """(W (N q, H), b, c, delta, xi, codes): as for Bernoulli hidden units, and delta and xi N(0, 0.3^2)."""
    W, b, c, codes = potts_problem(size, n_chains)
    rng = np.random.default_rng(1)
    delta, xi = (rng.normal(0, 0.3, size[2]).astype(np.float32) for _ in range(2))
    return W, b, c, delta, xi, codes


def drelu_units(size, delta, xi):
    return fr.units.Categorical(*size[:2]), fr.units.DReLU(size[2], delta, xi)


def drelu_exact(size, W, b, c, delta, xi):
    return Exact(W, b, c, *drelu_units(size, delta, xi))


def drelu_fastrbm(size, parameters, codes, exact=None):
    W, b, c, *own = parameters
    visible, hidden = drelu_units(size, *own)
    return fastrbm_sweeps(fr.RBM(W, b, c, visible=visible, hidden=hidden), codes, exact)


def fastrbm_sweeps(rbm, states, exact):
    chains = fr.Chains(rbm, len(states), start=states)
    if exact:
        before = chains.hidden
        exact.check_means(rbm, states, before)
        chains.sweep()
        exact.check_sweep(before, chains.visible, chains.hidden)
    return {"sweep": chains.sweep}


class NumpyDReLU(NumpyPotts):
    """draw(sides, fields, rng) draws hidden units."""

    def __init__(self, size, W, b, c, delta, xi, codes, gather, draw, workers=1):
        self.draw, self.sides = draw, Sides(delta, xi)
        super().__init__(size, W, b, c, codes, gather, workers)

    @property
    def states(self):
        return self.codes

    def draw_hidden(self, k):
        rows = self.blocks[k]
        self.h[rows] = self.draw(self.sides, self.hidden_fields(self.codes[rows]), self.rngs[k])


def drelu_numpy(draws, workers, size, parameters, codes, exact=None):
    """The fastest of the ways, with so many workers; None: as many as there are threads."""
    count = default_threads() if workers is None else workers
    found = [NumpyDReLU(size, *parameters, codes, gather, draw, count) for draw in draws for gather in (True, False)]
    return sweeps_of(found, exact)


def sweeps_of(found, exact):
    """The fastest sweep of some Blocks."""
    for baseline in found if exact else ():
        before = baseline.h.copy()
        baseline.sweep()
        exact.check_sweep(before, baseline.states, baseline.h)
    return {"sweep": found[0].sweep if len(found) == 1 else min((one.sweep for one in found), key=seconds)}


@functools.cache
def loops():
    """The loops of PGM's way, compiled."""
    sys.modules.setdefault("coverage", None)  # Numba would take bench/coverage.py for the package
    import numba

    root_half_pi, root_two_pi, root_half = math.sqrt(math.pi / 2), math.sqrt(2 * math.pi), math.sqrt(0.5)
    exp, log, sqrt = math.exp, math.log, math.sqrt

    @numba.njit
    def mills(a):
        """By Abramowitz & Stegun 7.1.25, and two terms of the series from 4 on."""
        if a > 4:
            return (1 - 1 / (a * a)) / a
        t = 1 / (1 + 0.47047 * root_half * abs(a))
        r = root_half_pi * t * (0.3480242 + t * (-0.0958798 + t * 0.7478556))
        return r if a >= 0 else root_two_pi * exp(a * a / 2) - r

    @numba.njit
    def above(tail):
        """Abramowitz & Stegun 26.2.23."""
        s = sqrt(-2 * log(tail if tail < 0.5 else 1 - tail))
        y = s - (2.515517 + s * (0.802853 + s * 0.010328)) / (1 + s * (1.432788 + s * (0.189269 + s * 0.001308)))
        return y if tail < 0.5 else -y

    @numba.njit(nogil=True)
    def draw_hidden(codes, W, c, theta_plus, theta_minus, width_plus, width_minus, h):
        for k in range(len(codes)):
            for m in range(len(W)):
                field = c[m]
                for i in range(codes.shape[1]):
                    field += W[m, i, codes[k, i]]
                plus, minus = -(field + theta_plus[m]) * width_plus[m], (field + theta_minus[m]) * width_minus[m]
                if min(plus, minus) < -35:  # beyond float64
                    positive = plus < minus
                else:
                    one, other = mills(plus) * width_plus[m], mills(minus) * width_minus[m]
                    positive = np.random.random() * (one + other) < one
                cut = plus if positive else minus
                tail, x = 1.0, -cut
                if cut > -35:
                    tail, x = mills(cut) * exp(-cut * cut / 2) / root_two_pi, 0.0
                if tail > 1e-14:
                    x = max(above(tail * (1 - np.random.random())) - cut, 0.0)
                h[k, m] = x * width_plus[m] if positive else -x * width_minus[m]

    @numba.njit(nogil=True)
    def draw_visible(fields, b, codes):
        n_states = b.shape[1]
        for k in range(len(codes)):
            sums = np.empty(n_states, np.float32)
            for i in range(codes.shape[1]):
                largest = np.float32(-np.inf)
                for a in range(n_states):
                    sums[a] = fields[k, i, a] + b[i, a]
                    largest = max(largest, sums[a])
                total = np.float32(0)
                for a in range(n_states):
                    total += exp(sums[a] - largest)
                    sums[a] = total
                u, low, high = np.random.random() * total, 0, n_states - 1
                while low < high:
                    middle = (low + high) // 2
                    if sums[middle] > u:
                        high = middle
                    else:
                        low = middle + 1
                codes[k, i] = low

    return draw_hidden, draw_visible


class PGM(Blocks):
    """int16 codes; v -> h by adding up single weights, h -> v by np.dot; draws in scalar loops. Here in blocks, and by
    all threads."""

    def __init__(self, size, W, b, c, delta, xi, codes):
        self.N, self.q, H = size
        super().__init__(len(codes), self.N * self.q, default_threads())
        self.draws, self.sides = loops(), Sides(delta, xi).astype(np.float32)
        self.W, self.b, self.c = np.ascontiguousarray(W.T).reshape(H, self.N, self.q), b.reshape(self.N, self.q), c
        self.states, self.h = codes.astype(np.int16), np.empty((len(codes), H), np.float32)
        self.each(self.draw_hidden)

    def draw_hidden(self, k):
        rows = self.blocks[k]
        self.draws[0](self.states[rows], self.W, self.c, *self.sides, self.h[rows])

    def draw_visible(self, k):
        rows = self.blocks[k]
        fields = np.dot(self.h[rows], self.W.reshape(len(self.c), -1))
        self.draws[1](fields.reshape(-1, self.N, self.q), self.b, self.states[rows])


def drelu_pgm(size, parameters, codes, exact=None):
    return sweeps_of([PGM(size, *parameters, codes)], exact)


# ---------------------------------------------------------------- Gaussian x Bernoulli


def gaussian_problem(size, n_chains):
    """(W (V, H), b, c, v): weights N(0, 0.05^2), biases and v N(0, 1), float32, v on fastrbm's grid; gamma is 1."""
    V, H = size
    rng = np.random.default_rng(0)
    W, b, c = rng.normal(0, 0.05, (V, H)), rng.normal(0, 1, V), rng.normal(0, 1, H)
    v = rng.standard_normal((n_chains, V), np.float32)
    v /= GRID
    np.rint(v, out=v)
    v *= GRID
    return *(a.astype(np.float32) for a in (W, b, c)), v


def gaussian_exact(size, W, b, c):
    return Exact(W, b, c, fr.units.Gaussian(size[0]), fr.units.Bernoulli(size[1]))


def gaussian_fastrbm(size, parameters, v, exact=None):
    return fastrbm_sweeps(fr.RBM(*parameters, visible="gaussian"), v, exact)


class NumpyGaussian(Blocks):
    """Model and chains in float32: products, and NumPy's own normal numbers."""

    def __init__(self, W, b, c, v, workers=1):
        super().__init__(*v.shape, workers)
        self.W, self.W_down, self.b, self.c, self.states = W, np.ascontiguousarray(W.T), b, c, v.copy()
        self.h = np.empty((len(v), len(c)), np.float32)
        self.each(self.draw_hidden)

    def draw_visible(self, k):
        rows = self.blocks[k]
        v = self.states[rows]
        np.matmul(self.h[rows], self.W_down, out=v)
        v += self.b
        v += self.rngs[k].standard_normal(v.shape, np.float32)

    def draw_hidden(self, k):
        rows = self.blocks[k]
        p = self.states[rows] @ self.W
        p += self.c
        to_probabilities(p)
        np.less(self.rngs[k].random(p.shape, np.float32), p, out=self.h[rows], casting="unsafe")


def gaussian_numpy(workers, size, parameters, v, exact=None):
    return sweeps_of([NumpyGaussian(*parameters, v, default_threads() if workers is None else workers)], exact)


def gaussian_pytorch(size, parameters, v, exact=None):
    import torch

    torch.set_num_threads(default_threads())
    torch.set_grad_enabled(False)
    W, b, c = (torch.from_numpy(p.copy()) for p in parameters)
    v = torch.from_numpy(v.copy())
    h, noise = torch.empty(len(v), len(c)), torch.empty_like(v)

    def draw_hidden():
        p = torch.addmm(c, v, W).sigmoid_()
        torch.lt(torch.rand_like(p), p, out=h)

    def sweep():
        torch.addmm(b, h, W.T, out=v)
        v.add_(noise.normal_())
        draw_hidden()

    draw_hidden()
    if exact:
        before = h.numpy().copy()
        sweep()
        exact.check_sweep(before, v.numpy(), h.numpy())
    return {"sweep": sweep}


# ---------------------------------------------------------------- Bernoulli x dReLU


def spikes(n_units, n, seed=0):
    """BitMatrix (n, n_units): each unit is in one assembly of fifty or in none, and spikes often in frames where the
    assembly is on."""
    rng = np.random.default_rng(seed)
    member = rng.random((ASSEMBLIES, n_units)) < 1 / 50
    on = rng.random((n, ASSEMBLIES)) < 0.1
    bits = fr.BitMatrix.empty(n, n_units)
    step = max(1, 1_000_000 // n_units)  # frames at a time, so that what is made of them stays small
    for start in range(0, n, step):
        rows = slice(start, start + step)
        rate = np.where((on[rows].astype(np.float32) @ member.astype(np.float32)) > 0, ACTIVE, BACKGROUND)
        spiking = rng.random(rate.shape, np.float32) < rate
        bits.planes[:, rows] = fr.BitMatrix.from_states(spiking.astype(np.uint8)).planes
    return bits


def verify_updates(size, pipe):
    """A process that checks draws and the gradient of the spike trains' model, with larger weights than at the
    start."""
    V, H = size
    rng = np.random.default_rng(0)
    W, b, c = rng.normal(0, 0.05, (V, H)), np.full(V, math.log(0.03 / 0.97)), np.zeros(H)
    W, b, c, delta, xi = (a.astype(np.float32) for a in (W, b, c, rng.normal(0, 0.3, H), rng.normal(0, 0.3, H)))
    rbm = fr.RBM(W, b, c, hidden=fr.units.DReLU(H, delta, xi))
    exact, data = Exact(W, b, c, rbm.visible, rbm.hidden), spikes(V, 4 * BATCH)
    fastrbm_sweeps(rbm, data.to_states(), exact)
    pcd = fr.gradient.PCD(BATCH)
    gradient = pcd(rbm, data[:BATCH])
    exact.check_gradient(rbm, gradient, data[:BATCH].to_values(), pcd.chains.visible_bits.to_values())
    pipe.send(None)


def work_updates(size, pipe):
    """A process that trains: sends (seconds of each update, activity, bytes of data, kB beyond its libraries)."""
    V, H = size
    _train(spikes(64, BATCH), 8, 1)  # its libraries
    before = peak_kilobytes()
    data = spikes(V, FRAMES)
    times = _train(data, H, UPDATES + 1)
    grown = peak_kilobytes() - before
    activity = data[:BATCH].to_states().mean()
    pipe.send((times[1:], float(activity), data.planes.nbytes, grown))


def _train(data, n_hidden, n_updates):
    """Seconds of each update."""
    rbm = fr.RBM.from_data(data, n_hidden, hidden="drelu")
    pcd, adam = fr.gradient.PCD(BATCH), fr.optim.Adam(1e-4)
    times = []
    for k in range(n_updates):
        begun = time.perf_counter()
        start = k * BATCH % len(data)
        adam.update(rbm, pcd(rbm, data[start : start + BATCH]))
        times.append(time.perf_counter() - begun)
    return times


def updates(size, threads):
    """Lines."""
    started({}, verify_updates, size).recv()
    times, activity, n_bytes, grown = started({}, work_updates, size).recv()
    V, H = size
    yield f"\nspikes, {V}x{H}, {BATCH} examples and {BATCH} chains, {threads} threads"
    yield f"{FRAMES:,} frames of {V:,} units, {activity:.1%} of them on: {n_bytes / 2**20:.1f} MB as bits"
    yield f"weights: {4 * V * H / 2**20:.1f} MB; peak memory beyond the libraries: {grown / 2**10:.0f} MB"
    middle, largest = statistics.median(times), max(times)
    yield f"PCD-1 update with Adam: {1e3 * middle:.1f} ms, median of {len(times)}, {1e3 * largest:.1f} at most"


# ---------------------------------------------------------------- tables

ONE = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
BENCHES = {
    "drelu": Bench(
        {
            "NumPy": (partial(drelu_numpy, (by_polynomials,), 1), {}),
            "NumPy, SciPy": (partial(drelu_numpy, (by_scipy,), 1), {}),
            "NumPy, threads": (partial(drelu_numpy, (by_polynomials,), None), ONE),
            "PGM's way, Numba": (drelu_pgm, ONE),
            "fastrbm": (drelu_fastrbm, {}),
            "fastrbm, AVX2": (drelu_fastrbm, {"FASTRBM_ISA": "avx2"}),
        },
        drelu_problem,
        drelu_exact,
        ["sweep"],
        ("NumPy", "NumPy, SciPy", "NumPy, threads"),
    ),
    "gaussian": Bench(
        {
            "NumPy": (partial(gaussian_numpy, 1), {}),
            "NumPy, threads": (partial(gaussian_numpy, None), ONE),
            "PyTorch": (gaussian_pytorch, {}),
            "fastrbm": (gaussian_fastrbm, {}),
            "fastrbm, AVX2": (gaussian_fastrbm, {"FASTRBM_ISA": "avx2"}),
        },
        gaussian_problem,
        gaussian_exact,
        ["sweep"],
        ("NumPy", "NumPy, threads"),
    ),
}
SIZES = {"drelu": ["31x21x100", "200x21x200"], "gaussian": ["784x500"], "spikes": ["20000x100"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="drelu, gaussian, spikes (default: all)")
    for part, sizes in SIZES.items():
        parser.add_argument(f"--{part}-sizes", nargs="+", default=sizes, metavar="SIZE")
    parser.add_argument("--chains", type=int, nargs="+", default=[1000])
    names = dict.fromkeys(name for bench in BENCHES.values() for name in bench.contenders)
    parser.add_argument("--only", nargs="+", choices=names, help="contenders (default: all)")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2, help="of every contender")
    options = parser.parse_args()
    unknown = set(options.parts) - set(SIZES)
    if unknown:
        parser.error(f"a part is one of {', '.join(SIZES)}, not {unknown.pop()}")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(options.threads)  # the contenders' processes inherit these
    fr.show_config()
    for part in options.parts or SIZES:
        for text in getattr(options, f"{part}_sizes"):
            size = tuple(map(int, text.split("x")))
            if part == "spikes":
                print("\n".join(updates(size, options.threads)), flush=True)
                continue
            bench = BENCHES[part]
            for n_chains in options.chains:
                names = [name for name in bench.contenders if name in (options.only or bench.contenders)]
                times, memory, missing = compare(bench, names, size, n_chains, options.threads, options.repeats)
                print(f"\n{part}, {text}, {n_chains:,} chains, {options.threads} threads; ratio: to the fastest NumPy")
                print("\n".join([*table(bench, times, memory), *missing]), flush=True)


if __name__ == "__main__":
    main()
