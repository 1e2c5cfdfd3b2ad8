"""Gradient: positive phase minus negative phase."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from .. import _threads
from .._kernels import kernels
from ..moments import Moments


class Gradient:
    """The gradient of the mean log-likelihood, or an estimate of it: one subtraction of one type.

    d log p(v)/dtheta = -E_{p(h|v)}[dE/dtheta] + E_{p(v,h)}[dE/dtheta], and with E linear in its parameters:
    dW = <v s'>_data - <v s'>_model, db = <v>_data - <v>_model, dc = <s>_data - <s>_model.

    Each phase is an average over its own number of cases.

    Attributes
    ----------
    positive, negative : Moments
        Of the data, and of the model or its chains.
    weights : float64 (V, H)
    visible_bias : float64 (V,)
    hidden_bias : float64 (H,)
        In nats per unit of the parameter.
    """

    def __init__(self, positive: Moments, negative: Moments) -> None:
        if positive.weight_sum.shape != negative.weight_sum.shape:
            raise ValueError(
                f"both phases must be moments of one model, got shapes {positive.weight_sum.shape} and "
                f"{negative.weight_sum.shape}"
            )
        self.positive = positive
        self.negative = negative

    @cached_property
    def weights(self) -> np.ndarray:
        out = np.empty_like(self.positive.weight_sum)
        kernels.mean_difference(
            self.positive.weight_sum, self.positive.total, self.negative.weight_sum, self.negative.total, out,
            _threads.resolve(None, _threads.PASS * out.size),
        )  # fmt: skip
        return out

    @cached_property
    def visible_bias(self) -> np.ndarray:
        return self.positive.visible - self.negative.visible

    @cached_property
    def hidden_bias(self) -> np.ndarray:
        return self.positive.hidden - self.negative.hidden

    def __repr__(self) -> str:
        return f"Gradient(positive={self.positive!r}, negative={self.negative!r})"
