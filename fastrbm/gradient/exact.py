"""The exact gradient, by enumeration of the smaller layer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import threads, validate
from .._core.describe import Described
from ..moments import Moments
from ..sampling.model import enumerated_units, hidden_bits, hidden_states, model, visible_bits, visible_states
from ..states.bits import BitMatrix
from .base import Gradient, refuse_absent

if TYPE_CHECKING:
    from ..rbm import RBM

MAX_UNITS = 20
_BLOCK = 1 << 12  # states at a time


class Exact(Described):
    """The exact gradient of the mean log-likelihood: every state of the smaller layer is visited.

    The other layer is summed out. A state s of the smaller one has a probability in proportion to

        exp(a's) prod_k exp(cgf(d_k + (s'M)_k)),

    with its bias a, the other's bias d, and `M = W` or `M = W'`. All in float64, on the float32 parameters themselves
    (not on the kernels' grid). It costs `2^min(V, H) V H` multiplications. Its matrix products are NumPy's, so that,
    unlike everything sampled, its last bits may differ between machines.

    Raises
    ------
    ValueError
        When the smaller layer has more than 20 units.

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.bars_and_stripes(2)
    >>> rbm = fr.RBM.from_data(X, n_hidden=4, seed=0)
    >>> for _ in range(50):
    ...     rbm.step(fr.gradient.Exact()(rbm, X), learning_rate=0.5)
    """

    def __call__(
        self, rbm: RBM, X: ArrayLike, sample_weight: ArrayLike | None = None, n_threads: int | None = None
    ) -> Gradient:
        threads.resolve(n_threads)
        refuse_absent(X, self)
        smaller = enumerated_units(model(rbm))
        if smaller > MAX_UNITS:
            raise ValueError(
                f"the exact gradient enumerates the smaller layer, at most {MAX_UNITS} units; this model has "
                f"{rbm.n_visible} visible and {rbm.n_hidden} hidden units: use gradient.PCD"
            )
        return Gradient(_data_moments(rbm, X, sample_weight), model_moments(rbm))

    def get_state(self) -> dict[str, Any]:
        """Nothing: each call stands alone."""
        return {}

    def set_state(self, state: dict[str, Any], rbm: RBM) -> None:
        """Nothing to set."""

    def __repr__(self) -> str:
        return "Exact()"


def _data_moments(rbm: RBM, X: ArrayLike, sample_weight: ArrayLike | None) -> Moments:
    data = rbm._states(X, "X", fractions=True)
    n = data.shape[0]
    if n == 0:
        raise ValueError("X must have at least one example")
    weight = np.ones(n) if sample_weight is None else validate.sample_weight(sample_weight, n)
    W, c = rbm.weights.astype(np.float64), rbm.hidden_bias.astype(np.float64)
    pairs, visible, hidden = np.zeros(W.shape), np.zeros(W.shape[0]), np.zeros(W.shape[1])
    halves = np.zeros((4, W.shape[1]))
    for start in range(0, n, _BLOCK):
        part = data[start : start + _BLOCK]
        v = rbm.visible.unit_values(part.to_states()) if isinstance(part, BitMatrix) else rbm.visible.values(part)
        field, w = v @ W + c, weight[start : start + _BLOCK]
        s = rbm.hidden.mean_of(field)
        if rbm.hidden.trained:
            halves += w @ rbm.hidden.half_means(field)
        pairs += (v * w[:, None]).T @ s
        visible += w @ v
        hidden += w @ s
    own = rbm.hidden.own_gradient(halves) if rbm.hidden.trained else None
    return Moments(pairs, visible, hidden, float(weight.sum()), own)


def model_moments(rbm: RBM) -> Moments:
    """Moments of the model itself, by enumeration of the smaller layer; total is 1."""
    W = rbm.weights.astype(np.float64)
    visible_bias, hidden_bias = rbm.visible_bias.astype(np.float64), rbm.hidden_bias.astype(np.float64)
    transposed = hidden_bits(rbm) < visible_bits(rbm)  # enumerate the hidden layer
    own, other = rbm.visible, rbm.hidden
    if transposed:
        W, visible_bias, hidden_bias, own, other = W.T, hidden_bias, visible_bias, other, own
    n_states = 1 << rbm.n_hidden if transposed else math.prod(rbm.visible.n_states_of_columns)
    peak, z = -np.inf, 0.0
    pairs, small, large = np.zeros(W.shape), np.zeros(W.shape[0]), np.zeros(W.shape[1])
    halves = np.zeros((4, W.shape[1]))
    for start in range(0, n_states, _BLOCK):
        stop = min(start + _BLOCK, n_states)
        states = own.unit_values((hidden_states if transposed else visible_states)(rbm, start, stop))
        field = states @ W + hidden_bias
        log_weight = states @ visible_bias + other.cgf(field).sum(axis=1)
        new_peak = max(peak, float(log_weight.max()))
        shrink = np.exp(peak - new_peak)
        weight = np.exp(log_weight - new_peak)
        mean = other.mean_of(field)
        z = z * shrink + weight.sum()
        pairs = pairs * shrink + (states * weight[:, None]).T @ mean
        small = small * shrink + weight @ states
        large = large * shrink + weight @ mean
        if other.trained:
            halves = halves * shrink + weight @ other.half_means(field)
        peak = new_peak
    pairs, small, large = pairs / z, small / z, large / z
    if transposed:
        return Moments(pairs.T, large, small, 1.0)
    return Moments(pairs, small, large, 1.0, other.own_gradient(halves / z) if other.trained else None)
