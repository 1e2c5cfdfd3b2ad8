"""Draws of what is missing of examples, given what is known of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from .._core import philox
from ..states.bits import BitMatrix, zeros
from . import gibbs
from .clamp import Clamp, ClampedLayer

if TYPE_CHECKING:
    from .._core.progress import Countdown
    from ..rbm import RBM

MANY = 30  # draws whose mean estimates a probability, where no number is given
_CHAINS = 1 << 12  # of several draws that are swept together


def completions(
    rbm: RBM, parts: np.ndarray, missing: np.ndarray, n_sweeps: int, n_draws: int, seed: int, n_threads: int | None,
    countdown: Countdown | None = None,
) -> Iterator[tuple[BitMatrix, BitMatrix]]:  # fmt: skip
    """(visible, hidden) states of the examples, of each draw: the end of a chain of its own, whose number is draw *
    examples + example. countdown: of n_draws * examples * n_sweeps."""
    n = len(parts)
    together = max(1, _CHAINS // max(1, n))
    for draw in range(0, n_draws, together):
        count = min(together, n_draws - draw)
        layer = ClampedLayer.of_known(np.tile(parts, (count, 1)), np.tile(missing, (count, 1)), rbm.visible)
        clamp, first = Clamp(layer, None), draw * n
        visible = gibbs.independent_states(
            rbm.visible, rbm.visible_bias, count * n, seed, philox.INPAINT, n_threads, first_chain=first
        )
        clamp.apply(visible)
        hidden = zeros(count * n, rbm.hidden)
        gibbs.half_step(
            rbm._parameters.to_hidden, visible, kind=philox.HIDDEN, seed=seed, stream=philox.INPAINT, out=hidden,
            first_chain=first, n_threads=n_threads,
        )  # fmt: skip
        gibbs.sweep(
            rbm._parameters, visible, hidden, n_sweeps, seed=seed, stream=philox.INPAINT, first_sweep=1,
            first_chain=first, clamp=clamp, n_threads=n_threads, countdown=countdown,
        )  # fmt: skip
        if countdown is not None:
            countdown.before += count * n * n_sweeps
        for k in range(count):
            yield visible[k * n : (k + 1) * n], hidden[k * n : (k + 1) * n]


def probabilities(
    rbm: RBM, parts: np.ndarray, missing: np.ndarray, n_sweeps: int, n_draws: int, seed: int, n_threads: int | None,
    countdown: Countdown | None = None,
) -> np.ndarray:  # fmt: skip
    """P(unit on | known), float64 (n, V): the mean of P(on | h) over draws of h (Rao-Blackwell); where the entry is
    known, 0 or 1. Of real units E[value | known], likewise."""
    out, one = np.zeros((len(parts), rbm.n_visible)), np.empty((len(parts), rbm.n_visible), np.float32)
    for _, hidden in completions(rbm, parts, missing, n_sweeps, n_draws, seed, n_threads, countdown):
        gibbs.half_step(rbm._parameters.to_visible, hidden, probabilities=one, n_threads=n_threads)
        out += one
    gone = np.repeat(missing, rbm.visible.units_of_columns, axis=1)
    return np.where(gone, out / n_draws, rbm.visible.units_on(parts))
