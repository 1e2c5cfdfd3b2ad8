"""Random numbers by name: streams, and the few draws that are made outside the kernels.

A number is Philox4x32-10 of what it is for: the user's seed is the key; the counter's words are (index, chain, sweep,
stream * 256 + kind). See src/README.md. Nothing has a state, so nothing can be drawn twice by accident or in another
order.
"""

from __future__ import annotations

import numpy as np

from . import threads, workload
from .dispatch import kernels

# Chains and sweeps have words of the counter to themselves: so many of them have numbers of their own.
MOST_CHAINS = 1 << 32
MOST_SWEEPS = (1 << 32) - 1

# Streams: one for each use, so that two uses of one seed never share a number.
CHAINS = 0  # Chains: sweeps
CHAIN_START = 1  # Chains: where they start
ONCE = 2  # RBM.sample_hidden, RBM.sample_visible
SAMPLE = 3  # RBM.sample
CD = 4  # gradient.CD
WEIGHTS = 5  # RBM.from_data: initial weights
SHUFFLE = 6  # fit: order of the rows
MEASURE = 7  # fit: what is measured as it goes
PCD = 8  # gradient.PCD: sweeps
PCD_START = 9  # gradient.PCD: where the chains start
ANNEAL = 10  # likelihood: annealed importance sampling
REVERSE = 11  # likelihood: annealing the other way
MONTE_CARLO = 12  # gradient.MonteCarlo
BASE_RATE = 13  # likelihood: samples whose means the base-rate model takes
REVERSE_START = 14  # likelihood: where reverse AIS starts
TEMPERED = 15  # TemperedChains: sweeps
TEMPERED_START = 16  # TemperedChains: where they start
SWAP = 17  # TemperedChains: swaps
TEMPERED_PCD = 18  # gradient.Tempered: sweeps
TEMPERED_PCD_START = 19  # gradient.Tempered: where the chains start
TEMPERED_PCD_SWAP = 20  # gradient.Tempered: swaps
FAST = 21  # gradient.FastPCD: sweeps
FAST_START = 22  # gradient.FastPCD: where the chains start
DRAW = 23  # fit: states drawn from fractions
MIXING = 24  # metrics.Mixing: the chains that it lets run on
INPAINT = 25  # RBM.inpaint
FACE = 26  # sklearn.BernoulliRBM: seeds of its draws
WEIGHING = 27  # sklearn.BernoulliRBM: examples by their weights
POPULATION = 28  # population_annealing: starts and moves
RESAMPLE = 29  # population_annealing: which chains go on; RBM.sample: which of them are the samples
LATENT = 30  # fit: entries of the data that are missing
LABELS = 31  # gradient.Hybrid: labels of examples that have none
PILOT = 32  # Path.adapted: pilot runs
PILOT_RESAMPLE = 33  # Path.adapted: which of their chains go on
ANNEAL_RESAMPLE = 34  # likelihood: which of the chains that are annealed up go on
REVERSE_RESAMPLE = 35  # likelihood: which of those that are annealed down from data go on
ENDS = 36  # likelihood: annealing down from the ends of chains that were annealed up
ENDS_RESAMPLE = 37  # likelihood: which of these go on
OTHER_BASE = 38  # likelihood: annealing up from another base-rate model
OTHER_RESAMPLE = 39  # likelihood: which of these go on
MODES = 40  # likelihood: annealing up from what single hidden units look for
MODES_RESAMPLE = 41  # likelihood: which of these go on
MODES_DOWN = 42  # likelihood: annealing down from where they ended
TRAJECTORY = 43  # sampling.Trajectory: draws from the base-rate model, and chains of its own
MODE_SEARCH = 44  # RBM.sample: chains that look for modes
BASE = 45  # population_annealing: the mode with whose base a chain moves
SAMPLE_TEMPERED = 46  # RBM.sample: tempered chains
SAMPLE_SWAP = 47  # RBM.sample: their swaps
HELD_OUT = 48  # which examples fastrbm train --validation 0.2 holds out, which entries RBMImputer
CLOSING = 49  # fit: the samples that its end is judged by
MEASURED_STATES = 50  # fit: states drawn from fractions that are measured
COMPARED_STATES = 51  # fastrbm train, score, report: states drawn from fractions that a model is compared with

_NORMALS = 1 << 16  # normal numbers of one sweep number, as the kernel has it

# Kinds of draw (ties of a kind are kind + 2)
VISIBLE = 0
HIDDEN = 1


def words(n: int, seed: int, stream: int, sweep: int = 0, first: int = 0) -> np.ndarray:
    """n 32-bit words of a stream, uint32, in the order of the counter, from the first-th on, a multiple of 4."""
    out = np.empty(n, np.uint32)
    kernels.words(first // 4, seed, sweep, stream << 8, out, 1)
    return out


def normal(shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
    """Very nearly standard normal numbers, float32: twelve uniforms summed, less six (variance 1, none beyond 6).

    Sums of integers, so that they are the same bits on any machine, which logarithms and sines of a library are not.
    """
    out = np.empty(shape, np.float32)
    used, flat = threads.resolve(None, 12 * threads.PASS * out.size), out.reshape(-1)
    for part in workload.parts(out.size, workload.elements(12), blocks=(_NORMALS,)):
        kernels.normals(seed, part.start // _NORMALS, stream << 8, flat[part], used)
    return out


def permutation(n: int, seed: int, stream: int, sweep: int) -> np.ndarray:
    """A random order of n things, intp."""
    return permutations(n, seed, stream, range(sweep, sweep + 1))[0]


def permutations(n: int, seed: int, stream: int, sweeps: range) -> np.ndarray:
    """A random order of n things for each sweep number, intp (len(sweeps), n), by sorting 64-bit numbers whose lowest
    bits say whose they are: so equal ones have an order too, and a plain sort will do, which is several times faster
    than argsort."""
    keys = np.empty((len(sweeps), n), np.uint64)
    for row, sweep in zip(keys, sweeps, strict=True):
        kernels.words(0, seed, sweep, stream << 8, row.view(np.uint32), 1)
    bits = np.uint64(n.bit_length())
    keys >>= bits
    keys <<= bits
    keys |= np.arange(n, dtype=np.uint64)
    keys.sort()
    keys &= (np.uint64(1) << bits) - np.uint64(1)
    return keys.view(np.intp)
