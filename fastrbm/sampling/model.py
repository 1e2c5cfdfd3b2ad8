"""What sampling knows of a model. RBM stands above this package: its own methods sample."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import numpy as np

from .._core.coupling import coupling_of

if TYPE_CHECKING:
    from ..rbm import RBM


_OR = {"path": " or a Path", "models": " or several"}  # what else may be in the place of a model


class Model:
    """The base class of RBM, by which a model is known."""


def model(rbm: object, name: str = "rbm") -> RBM:
    """rbm, an argument of this name, if it is a model."""
    if not isinstance(rbm, Model):
        raise TypeError(f"{name} must be an RBM{_OR.get(name, '')}, not {type(rbm).__name__}")
    return cast("RBM", rbm)


def checked_model(rbm: RBM, followed: RBM) -> RBM:
    """rbm, if it is a model that chains which followed another one can follow: one with the same units, whatever the
    parameters of their own energies."""
    if (model(rbm).visible.plain, rbm.hidden.plain) != (followed.visible.plain, followed.hidden.plain):
        raise ValueError(
            f"rbm must have {followed.n_visible} visible and {followed.n_hidden} hidden units of the types that the "
            f"chains have, {followed.visible} and {followed.hidden}, not {rbm.visible} and {rbm.hidden}"
        )
    return rbm


def check_beta(rbm: RBM, beta: np.ndarray | None) -> None:
    """ValueError where the model at one of these inverse temperatures cannot be normalized."""
    if beta is None or not (rbm.visible.real and rbm.hidden.real) or not beta.size:
        return
    largest = float(beta.max())
    if largest > 1.0 and not coupling_of(largest * rbm.weights.astype(np.float64), (rbm.visible, rbm.hidden)) < 1.0:
        raise ValueError(
            f"beta {largest:g} is too large: where both layers have real units, the model could not be normalized"
        )


def enumerated_units(rbm: RBM) -> float:
    """Of the layer that an enumeration goes through, the one of fewer states: how many units of two values have as many
    states, log2 of their number."""
    return min(hidden_bits(rbm), visible_bits(rbm))


def hidden_bits(rbm: RBM) -> float:
    """log2 of the number of hidden states."""
    return math.inf if rbm.hidden.real else float(rbm.n_hidden)


def visible_bits(rbm: RBM) -> float:
    """log2 of the number of visible states."""
    if rbm.visible.real:
        return math.inf
    if rbm.visible.layout is None:
        return float(rbm.n_visible)
    return math.fsum(math.log2(n) for n in rbm.visible.n_states_of_columns)


def hidden_states(rbm: RBM, start: int, stop: int) -> np.ndarray:
    """The hidden states numbered start .. stop - 1, bits (stop - start, H): unit k is bit k of the number."""
    return ((np.arange(start, stop)[:, None] >> np.arange(rbm.n_hidden)) & 1).astype(np.uint8)


def visible_states(rbm: RBM, start: int, stop: int) -> np.ndarray:
    """The visible states numbered start .. stop - 1 of all that there are, uint8 (stop - start, columns)."""
    rest = np.arange(start, stop)
    out = np.empty((stop - start, rbm.visible.n_columns), np.uint8)
    for column, n in enumerate(rbm.visible.n_states_of_columns):
        rest, out[:, column] = np.divmod(rest, n)
    return out
