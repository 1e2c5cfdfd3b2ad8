"""The centered gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import saved, validate
from .._core.describe import Described
from .._core.settings import Setting
from .._core.synonyms import keywords
from .base import Gradient

if TYPE_CHECKING:
    from ..rbm import RBM


class Centering(Described):
    """Gradients with `v - mu` in place of v and `h - lambda` in place of h (Montavon & Mueller 2012; Melchior, Fischer
    & Wiskott 2016).

    With offsets mu and lambda that follow the means of the data, what a weight learns no longer depends on whether a
    unit is mostly on or mostly off: training on pictures and on their negatives is alike, and faster. The model stays
    what it was; only the metric of the ascent changes. In the parameters of the plain model,

        gW = <(v - mu)(s - lambda)'>_data - <(v - mu)(s - lambda)'>_model
           = dW - mu dc' - db lambda',    gb = db - gW lambda,    gc = dc - gW' mu,

    from the plain gradient (dW, db, dc): two corrections of rank one. It is zero exactly where the plain one is. Decay
    of the weights is a part of gW: optimizers take it into gb and gc, too, so that they end where they end without
    centering. Where they scale components, as Adam does, they move W and the biases of the centered model.

    Parameters
    ----------
    rate : float
        The offsets move by this fraction toward each batch's means, from 0 to 1; times the gradient's ``scale``, so
        that with weights of the examples they follow the weighted means. They start at the first batch's.
        (Offsets of the model's means, not the data's, can diverge.) With a gradient of another shape they start anew.

    Attributes
    ----------
    visible_offset, hidden_offset : float64 (V,), (H,) or None
        mu and lambda, once there was a gradient.

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.load_digits()
    >>> rbm = fr.RBM.from_data(X, n_hidden=16, seed=0)
    >>> centering = fr.gradient.Centering()
    >>> g = centering(fr.gradient.PCD(n_chains=64)(rbm, X[:100]))
    >>> g.weights.shape
    (64, 16)
    """

    rate = Setting(validate.real, 0.0, 1.0)
    visible_offset = Setting(validate.offset)
    hidden_offset = Setting(validate.offset)

    @keywords()
    def __init__(self, rate: float = 0.01) -> None:
        self.rate, self.visible_offset, self.hidden_offset = rate, None, None

    def __call__(self, gradient: Gradient) -> Gradient:
        """Follow the means of the gradient's data, then center it."""
        if not isinstance(gradient, Gradient):
            raise TypeError(f"gradient must be a Gradient, to be centered, not {type(gradient).__name__}")
        if not gradient._keeps_parts("centered"):
            raise TypeError(f"gradient must have a method centered of its own: {type(gradient).__name__} has own parts")
        visible, hidden = gradient.data_means
        mu, lam = self.visible_offset, self.hidden_offset
        if mu is not None and lam is not None and (mu.size, lam.size) == gradient.shape:
            rate = min(1.0, self.rate * gradient.scale)
            visible, hidden = mu + rate * (visible - mu), lam + rate * (hidden - lam)
        vars(self).update(visible_offset=visible, hidden_offset=hidden)  # means of the gradient's need no check
        return gradient.centered(visible, hidden)

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps: the offsets."""
        if self.visible_offset is None or self.hidden_offset is None:
            return {}
        return {"visible_offset": self.visible_offset.copy(), "hidden_offset": self.hidden_offset.copy()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a state that get_state gave."""
        names = "visible_offset", "hidden_offset"
        offsets = [saved.array(state, name, np.float64, (None,)) for name in names] if state else [None, None]
        self.visible_offset, self.hidden_offset = offsets

    def _must_fit(self, rbm: RBM) -> None:
        if self.visible_offset is not None and self.hidden_offset is not None:
            saved.fits((self.visible_offset.size, self.hidden_offset.size), (rbm.n_visible, rbm.n_hidden), "centering")

    def __repr__(self) -> str:
        return f"Centering(rate={self.rate!r})"
