"""Estimators for scikit-learn users."""

from .bernoulli import BernoulliRBM
from .imputer import RBMImputer

__all__ = ["BernoulliRBM", "RBMImputer"]
