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


def checked_model(rbm: RBM, followed: RBM) -> RBM:
    """rbm, if it is a model that chains which followed another one can follow: one with the same units."""
    if (model(rbm).visible, rbm.hidden) != (followed.visible, followed.hidden):
        raise ValueError(
            f"rbm must have {followed.n_visible} visible and {followed.n_hidden} hidden units of the types that the "
            f"chains have, {followed.visible} and {followed.hidden}, not {rbm.visible} and {rbm.hidden}"
        )
    return rbm


def enumerated_units(rbm: RBM) -> int:
    """Units of the layer that an enumeration goes through: of the smaller one, or of the hidden one where a visible
    unit may have more than two values."""
    return rbm.n_hidden if rbm.visible.layout is not None else min(rbm.n_visible, rbm.n_hidden)
