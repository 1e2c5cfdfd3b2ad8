"""fastrbm.sklearn: what its own way of checking arguments and data keeps of scikit-learn's."""

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")
from sklearn import config_context  # noqa: E402

from fastrbm.sklearn import BernoulliRBM  # noqa: E402


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_is_not_learned_where_scikit_learn_is_reported_not_to_look(dtype):
    X = np.random.default_rng(0).random((60, 13)).astype(dtype)
    X[3, 4] = np.nan
    with config_context(assume_finite=True):
        for fit in (BernoulliRBM(4).fit, BernoulliRBM(4).partial_fit):
            with pytest.raises(ValueError, match="nan"):
                fit(X)


def test_numbers_that_float32_has_not_are_no_error_by_themselves():
    X = np.random.default_rng(0).random((60, 13))
    X[3, 4] = 1e39
    with np.errstate(over="raise"), pytest.warns(UserWarning, match="X has values from"):
        BernoulliRBM(4, n_iter=0, dynamic_binarization=False).fit(X)


def test_the_warning_of_values_is_about_the_line_that_calls_fit():
    with pytest.warns(UserWarning, match="X has values from") as caught:
        BernoulliRBM(2, n_iter=1).fit(np.full((3, 2), 2.5))
    assert caught[0].filename == __file__


def test_arguments_are_checked_as_by_scikit_learn():
    """The first by name is named; a subclass may do without an argument; a context turns the check off."""
    X = np.eye(4)
    with pytest.raises(ValueError, match="The 'learning_rate' parameter of BernoulliRBM must be a float"):
        BernoulliRBM(n_components=0, learning_rate=-1).fit(X)
    with pytest.raises(ValueError, match="The 'n_components' parameter of Short must be an int"):
        type("Short", (BernoulliRBM,), {})(n_components=0).partial_fit(X)
    more = type("More", (BernoulliRBM,), {"_parameter_constraints": {"gone": [int]}})
    assert more(2, n_iter=1).fit(X).rbm_.n_hidden == 2
    with config_context(skip_parameter_validation=True):
        assert BernoulliRBM(2, n_jobs=1.0).partial_fit(X).rbm_.n_hidden == 2
