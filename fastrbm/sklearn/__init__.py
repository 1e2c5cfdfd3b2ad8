"""Estimators for scikit-learn users."""

from .bernoulli import BernoulliRBM

__all__ = ["BernoulliRBM"]
