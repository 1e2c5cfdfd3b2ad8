"""Weights of the examples in a training: what a batch counts beside the others."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._core import arrays
from .base import Gradient

_PARTS = ("weights", "visible_bias", "hidden_bias")


def weighted_gradient(
    estimator: Callable[..., Any],
    rbm: Any,
    X: Any,
    sample_weight: np.ndarray | None,
    mean_weight: float,
    n_threads: int | None = None,
) -> Any:
    """An estimator's gradient for a batch, times the mean weight of the batch over that of all data.

    An estimator divides by the weight of its batch. Taken as it is, weights would act within batches alone: with
    batches of one row, not at all. Times r = sum_batch w / (rows * mean_weight), the mean over batches is the gradient
    of sum_i w_i log p(v_i) / sum_i w_i, whatever their size. Both phases are scaled alike, so that at the optimum,
    where they cancel, r adds no noise.

    sample_weight : float64 (rows,), of the batch, or None, each 1; mean_weight : of all data.
    """
    if sample_weight is None and mean_weight == 1.0:
        return _checked(estimator(rbm, X, n_threads=n_threads), rbm)
    scale = factor(X.shape[0], sample_weight, mean_weight)
    if hasattr(estimator, "scale_next"):
        estimator.scale_next(scale)
    return scaled(_checked(estimator(rbm, X, sample_weight=sample_weight, n_threads=n_threads), rbm), scale)


def factor(n: int, sample_weight: np.ndarray | None, mean_weight: float) -> float:
    """The mean weight of a batch of n rows over that of all data."""
    return (float(n) if sample_weight is None else math.fsum(sample_weight)) / (n * mean_weight)


def _checked(estimate: Any, rbm: Any) -> Any:
    """What an estimator returned; TypeError or ValueError where that is no gradient of the model."""
    if isinstance(estimate, Gradient):
        return estimate
    for name in _PARTS:
        if not hasattr(estimate, name):
            raise TypeError(f"gradient must return an object with {', '.join(_PARTS)}, not {estimate!r}")
        shape, required = np.shape(arrays.readable(getattr(estimate, name))), getattr(rbm, name).shape
        if shape != required:
            raise ValueError(f"gradient must return {name} of shape {required}, got {shape}")
    return estimate


def scaled(estimate: Any, scale: float) -> Any:
    """A gradient, or a user's object with its three arrays, times a number."""
    if scale == 1.0:
        return estimate
    if isinstance(estimate, Gradient) and estimate._keeps_parts("scaled"):
        return estimate.scaled(scale)
    return _Scaled(estimate, scale)


class _Scaled:
    """The arrays of a user's object, scaled."""

    own: np.ndarray | None = None

    def __init__(self, estimate: Any, scale: float) -> None:
        self.weights, self.visible_bias, self.hidden_bias = (
            scale * arrays.numbers(getattr(estimate, name), f"gradient.{name}").astype(np.float64) for name in _PARTS
        )
        if getattr(estimate, "own", None) is not None:
            self.own = scale * arrays.numbers(estimate.own, "gradient.own").astype(np.float64)
