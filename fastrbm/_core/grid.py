"""Whether the kernels' grid is fine enough for a model's parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .warn import warn

if TYPE_CHECKING:
    from ..states.bits import BitMatrix
    from .parameters import Parameters

_WORTH_A_WORD = 1e-3  # nats
_SOME = 8  # rows that are looked at


def warn_if_coarse(parameters: Parameters, bits: BitMatrix, free_energies: np.ndarray) -> None:
    """Warn, once for these parameters, where their free energies are off by more than 1e-3 nats.

    A weight is off by at most half a step of the grid, and a cgf has a slope of at most 1, so F(v) is off by at most
    V H / 2 steps. Only where that is too much, F of some of the rows is compared with float64.
    """
    n_visible, n_hidden = parameters.shape
    step = 2.0**-parameters.to_hidden.exponent
    if parameters.grid_checked or n_visible * n_hidden * step / 2 <= _WORTH_A_WORD or len(bits) == 0:
        return
    parameters.grid_checked = True
    rows = np.linspace(0, len(bits) - 1, min(len(bits), _SOME)).astype(np.intp)
    weights, bias = parameters.weights, parameters.visible_bias
    # not by BLAS, whose threads would keep the CPUs from the next call's for a while
    visible, hidden = parameters.units
    states = visible.unit_values(bits[rows].to_states())
    inputs = np.einsum("ij,jk->ik", states, weights.astype(np.float64)) + parameters.hidden_bias
    own = np.einsum("ij,j->i", states, bias.astype(np.float64)) - visible.own_energy(bits[rows].to_states())
    exact = -(own + hidden.cgf(inputs).sum(axis=1))
    error = float(np.abs(exact - free_energies[rows]).max())
    if error > _WORTH_A_WORD:
        warn(
            f"free energies of this model are off by up to {error:.2g} nats, log-likelihoods and samples with them: "
            f"weights of up to {np.abs(weights).max():.3g} leave the kernels a grid of {step:.2g} for all of them "
            "(RBM.grid); scale the largest ones down"
        )
