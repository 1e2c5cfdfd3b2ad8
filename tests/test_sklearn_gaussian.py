"""The scikit-learn estimator of real-valued data."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")
from sklearn.base import clone  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from fastrbm.sklearn import GaussianRBM  # noqa: E402


@parametrize_with_checks([GaussianRBM(n_components=16), GaussianRBM(n_components=30, centered=True, n_sweeps=2)])
def test_every_check_of_scikit_learn(estimator, check):
    check(estimator)
