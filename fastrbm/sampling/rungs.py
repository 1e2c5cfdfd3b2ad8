"""Rungs of tempered chains that are models of their own, such as those that a training went through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import gibbs
from .resampling import log_ratio

if TYPE_CHECKING:
    from ..rbm import RBM
    from ..states.bits import BitMatrix


class Models:
    """The distributions of a model, the coldest rung, and of the models below it, each hotter than the one before.

    States are visible ones. Neighbors exchange them with the probability

        min(1, exp(F_k(v_k) + F_l(v_l) - F_k(v_l) - F_l(v_k))),

    and each then draws h anew from its own p(h | v). With h summed out, swaps are accepted more often than those of
    pairs (v, h) would be: 1 minus the mean acceptance is the total variation between the pair of states and the
    exchanged pair, which no marginal distribution makes larger. A rung of independent units draws afresh each time.
    """

    def __init__(self, hotter: Sequence[RBM]) -> None:
        self.hotter = tuple(hotter)

    def __len__(self) -> int:
        return 1 + len(self.hotter)

    def exponents(
        self, rbm: RBM, visible: BitMatrix, hidden: BitMatrix, first: np.ndarray, n_threads: int | None
    ) -> np.ndarray:
        """Of each chain of the pairs (first, first + 1), the logarithm of how much likelier the exchanged states are,
        float64 (len(first), n)."""
        inside, outside = self.log_ratios(rbm, visible, first, n_threads)
        return outside - inside

    def log_ratios(
        self, rbm: RBM, visible: BitMatrix, first: np.ndarray, n_threads: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """log p*_k(v) - log p*_(k + 1)(v), of pairs (k, k + 1), at the states of the colder and of the hotter one: each
        float64 (len(first), n)."""
        models, n = (rbm, *self.hotter), len(visible) // len(self)
        out = np.empty((len(first), 2 * n))
        for row, k in zip(out, first.tolist(), strict=True):
            row[:] = log_ratio(models[k], models[k + 1], visible[k * n : (k + 2) * n], n_threads)
        return out[:, :n], out[:, n:]

    def sweep(
        self, rbm: RBM, visible: BitMatrix, hidden: BitMatrix, n: int, seed: int, stream: int, sweep: int,
        fixed: np.ndarray | None, n_threads: int | None,
    ) -> None:  # fmt: skip
        """h from v, then v from h, of all chains, in place; fixed, if given, gets P(h | v) of the coldest ones."""
        for k, each in enumerate((rbm, *self.hotter)):
            place = slice(k * n, (k + 1) * n)
            gibbs.refresh(each._parameters, visible[place], hidden[place], seed, stream, sweep, k * n, n_threads)
        if fixed is not None:
            gibbs.half_step(rbm._parameters.to_hidden, visible[:n], fixed=fixed[:, :n], n_threads=n_threads)

    def adapt(self, pairs: np.ndarray, errors: np.ndarray, gain: float) -> None:
        """Models stay as they are."""

    def get_state(self) -> dict[str, Any]:
        """Nothing: the models belong to a path."""
        return {}

    def read_state(self, state: dict[str, Any]) -> Any:
        """Nothing, likewise."""

    def set_state(self, read: Any) -> None:
        """Nothing, likewise."""
