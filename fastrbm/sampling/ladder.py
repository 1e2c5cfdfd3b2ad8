"""Rungs of tempered chains that are one model at several temperatures: a ladder, which adapts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import arrays, floatmath, saved, validate
from ..states.bits import BitMatrix
from . import gibbs

if TYPE_CHECKING:
    from ..rbm import RBM

MOST_BETAS = 1 << 16
TARGET_RATE = 0.4  # of swaps, where none is given


def ladder(betas: ArrayLike, name: str) -> np.ndarray:
    """A checked ladder of inverse temperatures, float64, from 1 downward."""
    array = arrays.numbers(betas, name)
    if array.dtype.kind not in "iuf" or array.ndim != 1 or not 0 < array.size <= MOST_BETAS:
        raise ValueError(f"{name} must be a sequence of numbers, from 1 downward")
    array = array.astype(np.float64)
    if array[0] != 1 or not bool((np.diff(array) < 0).all()) or not array[-1] >= 0:
        raise ValueError(f"{name} must start at 1 and go down, each below the one before, to 0 at the least")
    return array


def check_target_rate(value: float | None, name: str) -> float | None:
    """None, or a rate strictly between 0 and 1."""
    if value is None:
        return None
    rate = validate.real(value, name, 0.0, 1.0)
    if rate in (0.0, 1.0):
        raise ValueError(f"{name} must be above 0 and below 1, got {rate:g}")
    return rate


class Temperatures:
    """The distributions exp(-beta_k E) of a ladder of inverse temperatures, 1 first. States are pairs (v, h)."""

    def __init__(self, betas: np.ndarray) -> None:
        self.betas = _rounded(betas)
        # logarithms of the gaps between them
        self.log_gaps = floatmath.log(np.maximum(-np.diff(betas), 1e-6)) if betas.size > 1 else np.zeros(0)

    def __len__(self) -> int:
        return self.betas.size

    def exponents(
        self, rbm: RBM, visible: BitMatrix, hidden: BitMatrix, first: np.ndarray, n_threads: int | None
    ) -> np.ndarray:
        """Of each chain of the pairs (first, first + 1), the logarithm of how much likelier the exchanged states are,
        float64 (len(first), n): of real units the quadratic part of E, which is the same at all temperatures, is none
        of it."""
        energy = rbm.energy(visible, hidden, n_threads)
        for unit, states in ((rbm.visible, visible), (rbm.hidden, hidden)):
            if unit.real:
                energy -= unit.with_beta(0.0).own_energy(states.to_states())
        energy = energy.reshape(len(self), -1)
        gap = (self.betas[first] - self.betas[first + 1])[:, None]
        return gap * (energy[first] - energy[first + 1])

    def sweep(
        self, rbm: RBM, visible: BitMatrix, hidden: BitMatrix, n: int, seed: int, stream: int, sweep: int,
        fixed: np.ndarray | None, n_threads: int | None,
    ) -> None:  # fmt: skip
        """A sweep of all chains, in place; fixed, if given, gets P(h | v), as in gibbs.sweep."""
        gibbs.sweep(
            rbm._parameters, visible, hidden, 1, seed=seed, stream=stream, first_sweep=sweep, beta=self.of_chains(n),
            fixed=fixed, n_threads=n_threads,
        )  # fmt: skip

    def adapt(self, pairs: np.ndarray, errors: np.ndarray, gain: float) -> None:
        """Move the logarithms of the gaps of these pairs by what their rates of swaps are above the target."""
        log_gaps = self.log_gaps.copy()
        log_gaps[pairs] = np.minimum(log_gaps[pairs] + gain * errors, 0.0)
        gaps = floatmath.exp(np.maximum(log_gaps, -700.0))
        self.log_gaps = log_gaps
        self.betas = _rounded(np.maximum(1.0 - np.concatenate([[0.0], np.add.accumulate(gaps)]), 0.0))

    def of_chains(self, n: int) -> np.ndarray:
        """Of all chains, the coldest first, float32 (K n,)."""
        return np.repeat(self.betas, n).astype(np.float32)

    def get_state(self) -> dict[str, Any]:
        """The ladder."""
        return {"betas": self.betas.copy(), "log_gaps": self.log_gaps.copy()}

    def read_state(self, state: dict[str, Any]) -> Any:
        """A checked ladder of a saved state."""
        K = len(self)
        betas = saved.array(state, "betas", np.float64, (K,), 0.0, 1.0)
        if betas[0] != 1.0 or not bool((np.diff(betas) <= 0).all()) or not np.array_equal(betas, _rounded(betas)):
            raise ValueError("the state's betas must go down from 1, as float32 has them")
        return betas, saved.array(state, "log_gaps", np.float64, (K - 1,), high=0.0)

    def set_state(self, read: Any) -> None:
        """Go on from what read_state gave."""
        self.betas, self.log_gaps = read


def _rounded(betas: np.ndarray) -> np.ndarray:
    """As the kernels take them: swaps must know the very distributions that are sampled."""
    return betas.astype(np.float32).astype(np.float64)
