"""Estimators for scikit-learn users."""

try:
    from sklearn.utils.validation import validate_data  # noqa: F401, of scikit-learn 1.6, as all modules here take it
except ImportError as error:
    raise ImportError(
        f'fastrbm.sklearn needs scikit-learn 1.6 or newer: pip install "scikit-learn>=1.6" ({error})'
    ) from error

from .bernoulli import BernoulliRBM
from .classifier import RBMClassifier
from .gaussian import GaussianRBM
from .imputer import RBMImputer

__all__ = ["BernoulliRBM", "GaussianRBM", "RBMClassifier", "RBMImputer"]
