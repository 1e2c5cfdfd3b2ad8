"""RBM.sample by tempered chains."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .._core import philox
from .._core.progress import Countdown
from ..states.bits import BitMatrix, of_planes
from .path import Path
from .starts import warn_of_few
from .tempering import TemperedChains

if TYPE_CHECKING:
    from ..rbm import RBM

_GAP = 1.2  # length of the path from one temperature to the next, for which about 0.4 of swaps are accepted
_MOST_OF_SAMPLE = 100  # temperatures of RBM.sample
_SWEEPS_A_LOOK = 50  # of RBM.sample, at the progress line


class _SampleChains(TemperedChains):
    """Chains with streams of their own: a user's TemperedChains of the same seed must not repeat their numbers."""

    _stream = _start_stream = philox.SAMPLE_TEMPERED
    _swap_stream = philox.SAMPLE_SWAP


def tempered_samples(
    rbm: RBM, n: int, n_sweeps: int, seed: int, n_threads: int | None, progress: bool = False
) -> BitMatrix:
    """n visible states of tempered chains that start at draws from the base-rate model and do n * n_sweeps sweeps in
    all.

    Betas are even in thermodynamic length, which makes rates of swaps about even, from 0 up to 1. The last state of
    each chain is taken, and those before it at even times of the second half. A warning where states made few round
    trips. With real hidden units the rungs are the points of a path, along which modes keep their weights.
    """
    pilot = Path(rbm, base_bias=np.zeros(rbm.n_visible)).adapted(seed=seed, n_threads=n_threads)
    assert pilot.length is not None
    n_betas = min(_MOST_OF_SAMPLE, 2 + math.ceil(pilot.length / _GAP))
    betas = np.interp(np.linspace(0.0, 1.0, n_betas), np.linspace(0.0, 1.0, pilot.n_steps + 1), pilot.points)
    betas = np.unique(betas.astype(np.float32))[::-1]
    each = min(len(betas), n, max(1, n_sweeps // 2))  # samples of a chain
    n_chains = -(-n // each)
    sweeps = max(2 * each, n * n_sweeps // (n_chains * len(betas)))  # no state is taken twice
    if rbm.hidden.real:
        path = pilot.with_points(betas[::-1].astype(np.float64))
        chains = _SampleChains(path, n_chains, seed=seed, n_threads=n_threads)
    else:
        base = Path(rbm).base_states(n_chains, seed, philox.SAMPLE_TEMPERED, n_threads)
        chains = _SampleChains(rbm, n_chains, betas=betas, seed=seed, start=base, n_threads=n_threads)
    times = np.rint(np.linspace(sweeps / 2, sweeps, each + 1)).astype(int)[1:]
    states = []
    with Countdown("tempered sampling", sweeps, progress) as countdown:
        for time in times.tolist():
            while chains.n_sweeps_done < time:
                chains.sweep(min(_SWEEPS_A_LOOK, time - chains.n_sweeps_done), n_threads)
                countdown.done(chains.n_sweeps_done)
            states.append(chains.visible_bits.planes.copy())
    round_trips = chains.round_trip_rate * n_chains * chains.n_sweeps_done
    made = f"{n_chains:,} tempered chains made {round_trips:.0f} round trips"
    warn_of_few(round_trips, f"{made}. More sweeps make it sharper")
    return of_planes(np.ascontiguousarray(np.concatenate(states[::-1], axis=1)[:, :n]), rbm.visible)
