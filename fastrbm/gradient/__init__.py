"""Estimators of the log-likelihood gradient, one a file: positive phase minus negative phase.

An estimator is called as ``estimator(rbm, X, sample_weight=None, n_threads=None)`` and returns a :class:`Gradient`.
To be kept in checkpoints, it also has ``get_state()``, ``set_state(state, rbm)`` and
``describe()``: see docs/extending.md.
"""

from .base import Gradient
from .cd import CD
from .centering import Centering
from .discriminative import Discriminative
from .exact import Exact
from .fast_pcd import FastPCD
from .hybrid import Hybrid
from .monte_carlo import MonteCarlo, MonteCarloGradient
from .pcd import PCD
from .tempered import Tempered

__all__ = [
    "CD", "PCD", "Centering", "Discriminative", "Exact", "FastPCD", "Gradient", "Hybrid", "MonteCarlo",
    "MonteCarloGradient", "Tempered",
]  # fmt: skip
