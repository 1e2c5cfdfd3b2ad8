"""Gradient: positive phase minus negative phase."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from .. import _threads
from .._kernels import FIXED_BITS, TILE, kernels
from ..moments import Moments, Phase
from ..reference import from_tiles, to_tiles


class Gradient:
    """The gradient of the mean log-likelihood, or an estimate of it: one subtraction of one type.

    d log p(v)/dtheta = -E_{p(h|v)}[dE/dtheta] + E_{p(v,h)}[dE/dtheta], and with E linear in its parameters:
    dW = <v s'>_data - <v s'>_model, db = <v>_data - <v>_model, dc = <s>_data - <s>_model.

    Each phase is an average over its own number of cases. What a training step does not need is computed when it is
    asked for.

    Attributes
    ----------
    positive, negative : Moments
        Of the data, and of the model or its chains.
    weights : (V, H)
        float64 where it comes from Moments; float32 where it comes from the states themselves.
    visible_bias : float64 (V,)
    hidden_bias : float64 (H,)
        In nats per unit of the parameter.
    """

    def __init__(self, positive: Moments | Phase, negative: Moments | Phase, n_threads: int | None = None) -> None:
        self._phases = positive, negative
        self._shape = tuple(_shape(phase) for phase in self._phases)[0]
        if _shape(positive) != _shape(negative):
            raise ValueError(
                f"both phases must be moments of one model, got shapes {_shape(positive)} and {_shape(negative)}"
            )
        self._n_threads = n_threads

    @cached_property
    def positive(self) -> Moments:
        return _moments(self._phases[0])

    @cached_property
    def negative(self) -> Moments:
        return _moments(self._phases[1])

    @cached_property
    def weights(self) -> np.ndarray:
        if self._from_states:
            return np.ascontiguousarray(from_tiles(self.tiles, *self._shape))
        return self.positive.weights - self.negative.weights

    @cached_property
    def tiles(self) -> np.ndarray:
        """The weights' part, float32, in the kernels' layout (see src/README.md): what an update reads."""
        if not self._from_states:
            return to_tiles(self.weights)
        n_visible, n_hidden = self._shape
        out = self._phases[0].buffers.take((-(-n_hidden // TILE), -(-n_visible // 8) * 8, TILE), np.float32)
        threads = _threads.resolve(self._n_threads, out.size * int(sum(phase.total for phase in self._phases)))
        kernels.difference(*self._states(), None, n_hidden, out, None, None, threads)
        return out

    def ascend(self, weights, rate, l2, l1, limit, out, transposed, n_threads) -> tuple[int, float, float]:
        """The update of the weights, in one pass with the difference of the phases where that is not yet known."""
        decay = rate, l2, l1, limit, out, transposed
        if "tiles" in self.__dict__ or not self._from_states:
            return kernels.ascend(weights, self.tiles, *decay, n_threads)
        return kernels.step(*self._states(), None, self._shape[1], weights, *decay, None, None, n_threads)

    def _states(self) -> tuple:
        """The phases as kernels.difference takes them."""
        unit, (positive, negative) = 2.0**-FIXED_BITS, self._phases
        return (
            positive.transposed, positive.fixed, unit / positive.total,
            negative.transposed, negative.fixed, unit / negative.total,
        )  # fmt: skip

    @property
    def _from_states(self) -> bool:
        return isinstance(self._phases[0], Phase) and isinstance(self._phases[1], Phase)

    @cached_property
    def visible_bias(self) -> np.ndarray:
        positive, negative = self._phases
        return positive.visible_sum / positive.total - negative.visible_sum / negative.total

    @cached_property
    def hidden_bias(self) -> np.ndarray:
        positive, negative = self._phases
        return positive.hidden_sum / positive.total - negative.hidden_sum / negative.total

    def __repr__(self) -> str:
        positive, negative = self._phases
        return f"{type(self).__name__}{self._shape} of {positive.total:g} cases and {negative.total:g} of the model"


def _shape(phase: Moments | Phase) -> tuple[int, ...]:
    return phase.shape if isinstance(phase, Phase) else phase.weight_sum.shape


def _moments(phase: Moments | Phase) -> Moments:
    return phase.moments() if isinstance(phase, Phase) else phase
