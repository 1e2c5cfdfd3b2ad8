"""What the estimators share: checks of arguments and data, in scikit-learn's words; seeds; threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval, validate_parameter_constraints
from sklearn.utils.validation import check_is_fitted, check_non_negative, validate_data

from .._core import arrays, philox, threads, validate
from .._core.warn import warn
from ..rbm import MOST_HIDDEN, RBM
from ..states.numbers import cut, limits_of, states_of, states_of_good
from ..units.bernoulli import Bernoulli

_TEXT = (
    "; OneHotEncoder makes 0 and 1 of categories, and before that fastrbm.sklearn.RBMImputer takes text with missing "
    "entries; leave out identifiers"
)
# what to do, by what scikit-learn or pandas say
CURES = {
    "convert string": _TEXT,
    "Cannot cast": _TEXT,
    "contains NaN": "\nfastrbm.sklearn.RBMImputer, a step before this one, fills in missing values.",
}

# constraints that several estimators have
HIDDEN = Interval(Integral, 1, MOST_HIDDEN, closed="both")
COUNT = Interval(Integral, 1, philox.MOST_CHAINS, closed="both")
SWEEPS = Interval(Integral, 1, philox.MOST_SWEEPS, closed="both")
RATE = Interval(Real, 0, validate.LARGEST, closed="neither")
DECAY = Interval(Real, 0, validate.LARGEST, closed="left")
THREADS = [Interval(Integral, 1, None, closed="left"), Interval(Integral, None, -1, closed="right"), None]


class Estimator(BaseEstimator):
    """The base class of the estimators. rbm_ is the model once they are fitted."""

    _parameter_constraints: dict[str, list[Any] | str] = {}
    _good_arguments: dict = {}  # that were checked
    _seed: int
    _n_draws: int

    def __sklearn_is_fitted__(self):
        return "rbm_" in vars(self)

    @property
    def rbm_(self) -> RBM:
        try:
            return vars(self)["rbm_"]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no rbm_ before it is fitted") from None

    @rbm_.setter
    def rbm_(self, rbm: RBM) -> None:
        if not isinstance(rbm, RBM):
            raise TypeError(f"rbm_ must be a fastrbm.RBM, not {validate.kind(rbm)}")
        if not isinstance(rbm.hidden, Bernoulli) or not self._takes(rbm):
            raise ValueError(f"rbm_ must be a model of such units as fit makes one of, not {rbm!r}")
        self.__dict__["rbm_"] = rbm

    def _takes(self, rbm: RBM) -> bool:
        """Whether a model has visible units that this estimator is for."""
        raise NotImplementedError

    def _check_arguments(self) -> None:
        """As scikit-learn's decorator for fit does, which takes as long as three to six small updates more; again where
        one was set anew."""
        names = [name for name in sorted(self._parameter_constraints) if hasattr(self, name)]
        values = {name: getattr(self, name) for name in names}
        good = self._good_arguments
        if good.keys() == values.keys() and all(good[name] is values[name] for name in names):
            return
        if not get_config()["skip_parameter_validation"]:
            validate_parameter_constraints(self._parameter_constraints, values, type(self).__name__)
            self._good_arguments = values

    def _fitted(self) -> RBM:
        """The model: one and the same for all of a call, whatever other threads do."""
        check_is_fitted(self)
        return self.rbm_

    def _checked(self, X, reset: bool = False, rbm: RBM | None = None, features: int | None = None) -> tuple:
        """X as scikit-learn requires it checked, and its states: a BitMatrix, or numbers from 0 to 1, dense or CSR."""
        states, limits = states_of_good(X)
        # then check_array would find nothing, and take as long as three small updates
        good = states is not None and limits is not None
        if good and self._fits_in(X, reset):
            if reset:
                self.n_features_in_ = X.shape[1]
        else:
            with explaining(CURES):
                X = plain(X)
                X = validate_data(self, X, accept_sparse="csr", dtype="numeric", reset=reset, skip_check_array=good)
        if states is None or limits is None:
            X = arrays.numbers(X, "X", sparse=True)
            states = states_of(X)
            limits = limits_of(states)
        low, high = map(float, limits)
        if not np.isfinite((low, high)).all():
            raise ValueError(f"X must hold finite numbers, got values from {low:g} to {high:g}")
        if low < 0 or high > 1:
            warn_of(low, high)
            states = cut(states)
        features = features if rbm is None else rbm.n_visible
        if features not in (None, states.shape[1]):  # another thread may have fitted meanwhile
            raise ValueError(f"X has {states.shape[1]} features where the model has {features}")
        return X, states

    def _fits_in(self, X: np.ndarray, reset: bool) -> bool:
        """Whether all that validate_data would find is how many features there are: an array has no names for them. Its
        first call in a process looks for the plugins of data frames, which takes as long as 50 updates or more."""
        if hasattr(self, "feature_names_in_"):
            return False
        return reset or getattr(self, "n_features_in_", None) == X.shape[1]

    def _weights(self, sample_weight, X) -> np.ndarray | None:
        if sample_weight is None:
            return None
        one_for_all = isinstance(sample_weight, Real)
        given = np.full(X.shape[0], sample_weight) if one_for_all else arrays.numbers(sample_weight, "sample_weight")
        weight = check_array(given, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
        if weight.shape != X.shape[:1]:
            raise ValueError(f"sample_weight must have shape {X.shape[:1]}, got {weight.shape}")
        check_non_negative(weight, "sample_weight")
        if not weight.any():
            raise ValueError("sample_weight must not be zero for all examples")
        return weight

    def _next_seed(self) -> int:
        """A seed of its own for each call that draws."""
        return int(philox.words(4, self._seed, philox.FACE, first=4 * self._next_draw())[:2].view(np.uint64)[0])

    def _next_draw(self) -> int:
        self._n_draws = number = self._n_draws + 1
        return number

    def _threads(self) -> int | None:
        if self.n_jobs is None:
            return None
        from joblib import effective_n_jobs

        return min(effective_n_jobs(self.n_jobs), threads.MOST)

    def _new_seed(self) -> int:
        """Of a fit, by random_state; draws count anew."""
        if isinstance(self.random_state, Integral):
            self._seed = int(self.random_state)
        else:
            self._seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        self._n_draws = 0
        return self._seed


def plain(X, missing: bool = False):
    """X as scikit-learn reads it well. Of masked arrays it takes what lies under the mask, and of tensors it takes none
    that is part of a graph; if missing is welcome, what is missing is NaN."""
    given = isinstance(X, np.ma.MaskedArray) or arrays.is_tensor(X)
    given = given or missing and isinstance(X, np.ndarray) and not isinstance(X, np.matrix)
    return arrays.numbers(X, "X", missing) if given else arrays.readable(X)


@contextmanager
def explaining(cures: dict[str, str]) -> Iterator[None]:
    """Errors of what is done here say also what to do: cures by words of the error."""
    try:
        yield
    except ValueError as error:
        cure = next((cure for words, cure in cures.items() if words in str(error)), None)
        if cure is None:
            raise
        raise ValueError(f"{error}{cure}") from error


def warn_of(low: float, high: float) -> None:
    """Warn of numbers outside [0, 1] by more than rounding, and say what they count as."""
    if low >= -validate.ROUNDING and high <= 1 + validate.ROUNDING:
        return
    parts = ["those below 0 count as 0"] if low < 0 else []
    parts += ["those above 1 count as 1"] if high > 1 else []
    spins = low == -1 and high == 1
    # without clip, later data that are beyond those of the fit come out beyond 0 and 1
    more = ", so spins of -1 and 1 as 0 and 1" if spins else " (MinMaxScaler(clip=True) scales them)"
    words = " and ".join(parts) + more
    warn(f"X has values from {low:g} to {high:g}; an RBM is for numbers from 0 to 1: {words}")
