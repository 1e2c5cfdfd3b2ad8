"""What sampling knows of a model. RBM stands above this package: its own methods sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from ..rbm import RBM


class Model:
    """The base class of RBM, by which a model is known."""


def model(rbm: object) -> RBM:
    """rbm, if it is a model."""
    if not isinstance(rbm, Model):
        raise TypeError(f"rbm must be an RBM, not {type(rbm).__name__}")
    return cast("RBM", rbm)


def checked_model(rbm: RBM, n_visible: int, n_hidden: int) -> RBM:
    """rbm, if it is a model that chains with so many units can follow."""
    if (model(rbm).n_visible, rbm.n_hidden) != (n_visible, n_hidden):
        raise ValueError(
            f"rbm must have {n_visible} visible and {n_hidden} hidden units, as the chains have, not {rbm}"
        )
    return rbm
