"""Weights of the examples in a training: what a batch counts beside the others."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .base import Gradient
from .fast_pcd import FastPCD


def weighted_gradient(
    estimator: Callable[..., Any],
    rbm: Any,
    X: Any,
    sample_weight: np.ndarray,
    mean_weight: float,
    n_threads: int | None = None,
) -> Any:
    """An estimator's gradient for a batch, times the mean weight of the batch over that of all data.

    An estimator divides by the weight of its batch. Taken as it is, weights would act within batches alone: with
    batches of one row, not at all. Times r = sum_batch w / (rows * mean_weight), the mean over batches is the gradient
    of sum_i w_i log p(v_i) / sum_i w_i, whatever their size. Both phases are scaled alike, so that at the optimum,
    where they cancel, r adds no noise.

    sample_weight : float64 (rows,), of the batch; mean_weight : of all data.
    """
    scale = relative_weight(math.fsum(sample_weight), len(sample_weight), mean_weight)
    if isinstance(estimator, FastPCD):
        estimator.scale_next(scale)
    return scaled(estimator(rbm, X, sample_weight=sample_weight, n_threads=n_threads), scale)


def relative_weight(total: float, n: int, mean_weight: float) -> float:
    """The mean weight of n rows over that of all data."""
    return total / (n * mean_weight)


def scaled(estimate: Any, scale: float) -> Any:
    """A gradient, or a user's object with its three arrays, times a number."""
    return estimate.scaled(scale) if isinstance(estimate, Gradient) else _Scaled(estimate, scale)


class _Scaled:
    """The three arrays of a user's object, scaled."""

    def __init__(self, estimate: Any, scale: float) -> None:
        self.weights, self.visible_bias, self.hidden_bias = (
            scale * np.asarray(getattr(estimate, name), np.float64)
            for name in ("weights", "visible_bias", "hidden_bias")
        )
