"""Estimators of the log-likelihood gradient, one a file: positive phase minus negative phase.

An estimator is called as ``estimator(rbm, X, sample_weight=None, n_threads=None)`` and returns a :class:`Gradient`.
"""

from ._gradient import Gradient
from .cd import CD
from .centring import Centring
from .exact import Exact
from .monte_carlo import MonteCarlo, MonteCarloGradient
from .pcd import PCD

__all__ = ["CD", "PCD", "Centring", "Exact", "Gradient", "MonteCarlo", "MonteCarloGradient"]
