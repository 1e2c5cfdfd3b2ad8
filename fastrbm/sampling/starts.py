"""Where chains start and where they end: what RBM.sample, Chains and the annealers share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .._core import philox
from .._core.progress import Countdown
from .._core.warn import warn
from ..states.bits import BitMatrix, zeros
from . import gibbs
from .gibbs import independent_states
from .model import check_beta

if TYPE_CHECKING:
    from ..rbm import RBM
    from .clamp import Clamp

FEW = 25  # families or round trips: below this, the weight of a mode may be off by 0.1, one standard error


def chain_ends(
    rbm: RBM, n: int, n_sweeps: int, seed: int, stream: int, start=None, beta=None, n_threads=None, clamp=None,
    first_chain: int = 0, progress: bool = False,
) -> BitMatrix:  # fmt: skip
    """The visible states in which n chains of n_sweeps sweeps end, from the numbers of a stream: those of chains
    first_chain, first_chain + 1, ..."""
    visible, hidden = start_chains(
        rbm, n, seed, stream, start, n_threads, clamp=clamp, beta=beta, first_chain=first_chain
    )
    with Countdown("sampling", n * n_sweeps, progress) as countdown:
        gibbs.sweep(
            rbm._parameters, visible, hidden, n_sweeps, seed=seed, stream=stream, first_sweep=1,
            first_chain=first_chain, beta=beta, clamp=clamp, n_threads=n_threads, countdown=countdown,
        )  # fmt: skip
    return visible


def start_chains(
    rbm: RBM, n: int, seed: int, stream: int, start, n_threads, sweep: int = 0, clamp: Clamp | None = None,
    beta: np.ndarray | None = None, first_chain: int = 0,
) -> tuple[BitMatrix, BitMatrix]:  # fmt: skip
    """Joint states (visible, hidden) for n new chains, from one sweep number of a stream: those of chains first_chain,
    first_chain + 1, ...

    Visible states are copied from start (n, V), or drawn from sigmoid(b), the model without its weights. Hidden states
    are drawn given them: given start at each chain's own beta, None or float32 (n,), so that a start that follows the
    model at this beta gives joint states that do. Draws from the biases follow no beta. What is clamped is clamped from
    the start.
    """
    check_beta(rbm, beta)
    if start is None:
        beta = None
        visible = independent_states(rbm.visible, rbm.visible_bias, n, seed, stream, n_threads, sweep, first_chain)
    else:
        visible = rbm._states(start, "start").copy()
        if len(visible) != n:
            raise ValueError(f"start must have as many examples as there are chains, {n}, got {len(visible)}")
    if clamp is not None:
        clamp.apply(visible)
    hidden = zeros(n, rbm.hidden)
    gibbs.half_step(
        rbm._parameters.to_hidden, visible, kind=philox.HIDDEN, seed=seed, stream=stream, sweep=sweep, beta=beta,
        out=hidden, first_chain=first_chain, n_threads=n_threads,
    )  # fmt: skip
    if clamp is not None:
        clamp.apply(visible, hidden)
    return visible, hidden


def warn_of_few(number: float, why: str) -> None:
    """Say that samples know the weights of modes from a number of visits that is small, and why."""
    if number < FEW:
        spread = min(0.5, 0.5 / math.sqrt(max(number, 1.0)))
        warn(f"sample: the weight of a mode is known to +-{spread:.2f} only, since {why}")
