"""The scikit-learn estimator that fills in what is missing: RBMImputer."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

from .._core import arrays, defaults, frames
from .._core.frame_output import filled_in
from .._core.warn import warn
from ..optim.schedules import Linear
from ..optim.sgd import SGD
from ..rbm import RBM
from ..training.fit import fit
from ..training.rate import default_rate
from ..training.verdict import TrainingWarning
from ..units.layer import of_table
from .common import COUNT, DECAY, HIDDEN, RATE, SWEEPS, THREADS, Estimator
from .held_out import held_out, held_out_error

if TYPE_CHECKING:
    from ..training.history import History
    from ..units.unit import Unit

__all__ = ["RBMImputer"]

_RATE = 0.3  # of tables of categories
_SHORTEST, _LONGEST, _PASSES = 500, 20_000, 100  # updates of trainings with held-out entries, or passes of large data
_GAIN = 0.98  # of the error, that a training twice as long is for;
_TRIED = 3  # but the first trainings may be too short to learn anything
_FEWEST, _MOST = 100, 0.3  # entries that are held out, at least, though not more than this part


class RBMImputer(OneToOneFeatureMixin, TransformerMixin, Estimator):
    """Fills in missing entries of tables of categories and numbers by a restricted Boltzmann machine that learned from
    them.

    Each column is a unit: one of two values where it has two, else a site of as many categories as it has values; a
    Gaussian unit where it holds real numbers, or more different whole ones than max_levels. The
    model learns from all that is known, incomplete rows included (``fastrbm.fit(missing="latent")``), so that what it
    fills in depends on all that is known of a row, by more than pairs of columns.

    Parameters
    ----------
    n_components : int
        Hidden units.
    strategy : "most_probable" or "draw"
        What fills an entry: the value of the largest probability given what is known of the row, of real numbers their
        mean given that; or a draw given that, which keeps the spread of the data (the same draw each time:
        ``rbm_.inpaint`` has others).
    n_draws : int
        Draws whose mean estimates these probabilities and means.
    n_sweeps : int
        Gibbs sweeps before each draw.
    n_iter : int or None
        Passes through the data. None: as many as are best for known entries that are held out (see Notes).
    validation_fraction : float
        Which part of the known entries is held out for that, from 0 to 0.5; at least 100 entries, but not more than
        0.3 of all for that. With 0 there are as many passes as ``fastrbm.fit`` chooses, 20,000 updates for small data,
        which are too many for most tables of some hundred rows.
    learning_rate : float or None
        At the start; it falls to 0 linearly. None: 0.3, and as ``fastrbm.fit`` chooses where columns are real.
    l2 : float
        Decay of the weights, against overfitting.
    batch_size : int
        Examples per update.
    max_levels : int
        With more different whole numbers than this a column that is not declared categorical is a quantity, which is
        taken as real numbers.
    verbose : int
        Above 0 there is a progress line on standard error.
    random_state : int, RandomState or None
        With an int, all results are the same bits on any machine.
    n_jobs : int or None
        Threads; None: as :mod:`fastrbm` chooses, -1: all CPUs. No effect on the results.

    Attributes
    ----------
    rbm_ : fastrbm.RBM
        The model; its ``visible_categories`` are the values of the columns, None of those of real numbers.
    history_ : fastrbm.History
        What was measured while it learned.
    n_iter_ : int
        Passes through the data.
    held_out_errors_ : dict
        Of each number of passes that was tried, the squared error of the entries that were held out, as a part of the
        error that the means of the columns have (a category counts as a column of 0 and 1): 0 if all were right. Empty
        where none were held out.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    Notes
    -----
    A model that learns for too long knows the rows by their noise, and fills in worse. So by default some of the known
    entries are held out, and models are trained without them, each for twice as many passes as the one before, from 500
    updates to 20,000 (or 100 passes), until one fills them in no better, by 2 % at least, but up to 2,000 in any event.
    The model that is kept learns from all entries, for the best number of passes. If held-out entries are filled in no
    better than by the means of their columns, there is a warning, and the model is one of independent columns. With
    n_iter there is one training, of so many passes.

    X is a numeric array with NaN where an entry is missing (masked arrays will do), an array of objects, or a data
    frame of pandas or polars, of text, categories, truth values and numbers. What comes out is of the same kind, with
    the same values where they were known. Real numbers in a column of whole ones are rounded where its type in a frame
    has no others. A category that fit did not see is an error.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrbm.sklearn import RBMImputer
    >>> X = np.array([[0, 2], [0, 2], [1, 5], [1, 5], [0, np.nan], [np.nan, 5]] * 5)
    >>> RBMImputer(n_components=4, learning_rate=1.0, n_iter=1000, random_state=0).fit_transform(X)[4:6]
    array([[0., 2.],
           [1., 5.]])
    """

    _parameter_constraints = {
        "n_components": [HIDDEN],
        "strategy": [StrOptions({"most_probable", "draw"})],
        "n_draws": [COUNT],
        "n_sweeps": [SWEEPS],
        "n_iter": [Interval(Integral, 0, None, closed="left"), None],
        "validation_fraction": [Interval(Real, 0, 0.5, closed="both")],
        "learning_rate": [RATE, None],
        "l2": [DECAY],
        "batch_size": [COUNT],
        "max_levels": [Interval(Integral, 2, 255, closed="both")],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "n_jobs": THREADS,
    }

    def __init__(
        self,
        n_components=64,
        *,
        strategy="most_probable",
        n_draws=30,
        n_sweeps=100,
        n_iter=None,
        validation_fraction=0.1,
        learning_rate=None,
        l2=1e-3,
        batch_size=128,
        max_levels=20,
        verbose=0,
        random_state=None,
        n_jobs=None,
    ):
        self.n_components = n_components
        self.strategy = strategy
        self.n_draws = n_draws
        self.n_sweeps = n_sweeps
        self.n_iter = n_iter
        self.validation_fraction = validation_fraction
        self.learning_rate = learning_rate
        self.l2 = l2
        self.batch_size = batch_size
        self.max_levels = max_levels
        self.verbose = verbose
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X, y=None):
        """Learn from X (n_samples, n_features), of which entries may be missing; y is not used. Returns self."""
        self._check_arguments()
        _, table = self._table(X, reset=True)
        described = frames.describe_frame(table, int(self.max_levels), name="X", real=True)
        units, codes, names, categories = of_table(described)
        seed = self._new_seed()
        data = frames.nan_where_missing(codes)
        n_iter, self.held_out_errors_ = self.n_iter, {}
        rbm = RBM.from_data(data, int(self.n_components), seed, visible=units)
        if n_iter is None and self.validation_fraction:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", TrainingWarning)  # of samples: here entries decide
                self.held_out_errors_ = self._errors(data, units, seed)
                n_iter = self._best()
                self.history_ = self._train(rbm, data, seed, n_iter)
        else:
            self.history_ = self._train(rbm, data, seed, n_iter)
        rbm._visible_names, rbm._visible_categories = names, categories
        self.n_iter_ = int(self.history_.last["epoch"]) if len(self.history_) else 0
        self.rbm_ = rbm
        return self

    def _errors(self, data: np.ndarray, units: Unit, seed: int) -> dict[int, float]:
        """The errors of held-out entries after trainings of more and more passes through the data, at least three, up
        to the first that is less than 2 % better than the best one."""
        n_known = int(np.count_nonzero(~np.isnan(data)))
        held = held_out(data, max(float(self.validation_fraction), min(_FEWEST / max(1, n_known), _MOST)), seed)
        errors: dict[int, float] = {}
        known, best = np.where(held, np.nan, data), math.inf
        n_batches = -(-len(data) // int(self.batch_size))
        n_iter = -(-_SHORTEST // n_batches)
        while held.any():
            rbm = RBM.from_data(known, int(self.n_components), seed, visible=units)
            longest = defaults.epochs(n_batches, rbm.n_visible, rbm.n_hidden)
            longest = min(longest, max(-(-_LONGEST // n_batches), _PASSES))
            try:
                self._train(rbm, known, seed, n_iter)
                error = held_out_error(rbm, data, held, seed, self._threads())
            except FloatingPointError:  # which longer trainings come to more easily
                if not errors:
                    raise
                error = math.inf
            errors[n_iter] = error
            if error > _GAIN * best and len(errors) >= _TRIED or n_iter >= longest or error == math.inf:
                break
            n_iter, best = min(2 * n_iter, longest), min(error, best)
        return errors

    def _best(self) -> int:
        """The number of passes with the smallest error; 0, and a warning, where means of columns are as good."""
        errors = self.held_out_errors_
        best = min(errors, key=errors.__getitem__, default=0)
        if errors and errors[best] < 1.0:
            return best
        if not errors:
            warn(
                "no entry could be held out, since no column has three that are known: what is missing gets the mean, "
                "or the most frequent category, of its column; with n_iter an RBM is trained all the same"
            )
            return 0
        warn(
            "an RBM fills in entries that were held out no better than the means of their columns do (held_out_errors_ "
            f"has {errors[best]:.2f}): the columns tell little of each other, or the rows are too few. What is missing "
            "gets the mean, or the most frequent category, of its column; with n_iter an RBM is trained all the same"
        )
        return 0

    def _train(self, rbm: RBM, data: np.ndarray, seed: int, n_iter: int | None) -> History:
        """Train a model for so many passes through data."""
        rate = self.learning_rate
        if rate is None:
            rate = default_rate(rbm) if rbm.visible.real else _RATE
        return fit(
            rbm, data, optimizer=SGD(Linear(float(rate), 0.0), l2=float(self.l2)),
            epochs=None if n_iter is None else int(n_iter), batch_size=int(self.batch_size), seed=seed,
            missing="latent", n_threads=self._threads(), progress=bool(self.verbose),
        )  # fmt: skip

    def transform(self, X):
        """X with its missing entries filled in, of the same kind: array, or data frame."""
        rbm = self._fitted()
        X, table = self._table(X, reset=False)
        names, categories = rbm.visible_names, rbm.visible_categories
        assert categories is not None  # as _takes says
        codes = frames.encode_frame(table, names, categories, "X")
        missing = np.isnan(codes) if codes.dtype.kind == "f" else codes < 0
        rows = np.flatnonzero(missing.any(axis=1))
        if len(rows):
            most_probable = self.strategy == "most_probable"
            given = frames.nan_where_missing(codes[rows])
            codes[rows] = rbm.inpaint(
                given, int(self.n_sweeps), self._seed, self._threads(),
                n_draws=int(self.n_draws) if most_probable else None, most_probable=most_probable,
            )  # fmt: skip
        if not isinstance(table, Mapping):
            return filled_in(X, frames.to_frame(codes, names, categories, like=X), missing)
        out = np.array(X)
        for column, labels in enumerate(categories):
            gone = missing[:, column]
            if gone.any():
                own = codes[gone, column]
                out[gone, column] = np.array(labels)[own.astype(np.intp)] if labels else own
        return out

    def _takes(self, rbm: RBM) -> bool:
        return rbm.visible_categories is not None

    def _table(self, X: Any, reset: bool) -> tuple[Any, Any]:
        """X, checked; and X as a table: itself, if it is a data frame, else a dict of its columns."""
        if arrays.is_frame(X):
            validate_data(self, X, reset=reset, skip_check_array=True)
            if len(X) == 0:
                raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required.")
            return X, X
        if isinstance(X, np.ma.MaskedArray) or arrays.is_tensor(X):
            X = arrays.numbers(X, "X", missing=True)
        X = validate_data(self, arrays.readable(X), reset=reset, dtype=None, ensure_all_finite="allow-nan")
        if X.dtype.kind not in "biufOU":
            raise ValueError(f"X must hold numbers or text, not {X.dtype}")
        if X.dtype.kind == "O":
            bad = next((x for x in X.flat if type(x).__hash__ is None), None)
            if bad is not None:
                raise TypeError(f"X must hold numbers and text: argument must be a string or a number, not {type(bad)}")
        return X, dict(enumerate(X.T))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
