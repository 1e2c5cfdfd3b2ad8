"""The scikit-learn classifier: a joint model of data and labels, RBMClassifier."""

from __future__ import annotations

import time
from numbers import Integral

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite, check_consistent_length, column_or_1d

from .._core import arrays, floatmath, validate
from ..gradient.discriminative import Discriminative
from ..gradient.hybrid import Hybrid
from ..gradient.pcd import PCD
from ..optim.adam import Adam
from ..optim.schedules import Linear
from ..rbm import RBM
from ..sampling.columns import LabelColumn
from ..sampling.labels import log_label_probabilities
from ..states.bits import BitMatrix, CodeMatrix
from ..states.fractions import Fractions
from ..states.numbers import parts_of
from ..states.totals import dense, weighted_sums
from ..training.by_contents import ByContents
from ..training.loop import Loop
from ..units.bernoulli import Bernoulli
from ..units.categorical import MOST_STATES, Categorical
from ..units.row import Row
from .common import COUNT, DECAY, HIDDEN, RATE, SWEEPS, THREADS, Estimator

__all__ = ["RBMClassifier"]

_SHOWN = 1024  # examples behind the line of a verbose fit, at most


class RBMClassifier(ClassifierMixin, Estimator):
    """A classifier by a restricted Boltzmann machine whose visible layer holds the features and the label.

    `p(y | x)` of this model is exact (:func:`fastrbm.likelihood.label_probabilities`). What fit ascends is the mean of
    `log p(y | x)`, plus alpha times that of `log p(x, y)`: the hybrid training of Larochelle & Bengio (2008), by Adam
    at a rate that falls to 0. Beside a classifier of about the accuracy of a neural network with one hidden layer this
    gives a model that can be sampled (:meth:`sample`), and that learns from examples without a label.

    Parameters
    ----------
    n_components : int
        Hidden units.
    learning_rate : float
        At the start, above 0; it falls to 0 linearly.
    batch_size : int
        Examples per update.
    n_iter : int
        Times that fit goes through the data.
    alpha : float
        Weight of the generative part, from 0 up. With 0 the model is a classifier alone: samples mean nothing, and
        examples without a label count for nothing.
    l2 : float
        Decay of the weights: see :class:`fastrbm.optim.Adam`.
    n_sweeps, n_chains : int, int or None
        Of the persistent chains of the generative part; None: as many as batch_size.
    dynamic_binarization : bool
        Whether training takes numbers between 0 and 1 for probabilities of ones and draws binary states from them, anew
        each time; else they enter as they are, as they do in prediction.
    unlabeled : label or None
        The value of y that marks examples without a label, such as -1. None: there are no such examples. (-1 is an
        ordinary label unless it is named here.)
    verbose : int
        Above 0: a line an iteration.
    random_state : int, RandomState or None
        With an int, fit gives the same bits on any machine.
    n_jobs : int or None
        Threads; None: as :mod:`fastrbm` chooses, -1: all CPUs. No effect on the results.

    Attributes
    ----------
    classes_ : array (n_classes,)
        The labels, sorted; at most 255.
    rbm_ : fastrbm.RBM
        The model: features are the first columns of its data; the label's code, its place in ``classes_``, is the last.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    Notes
    -----
    Features are 0 and 1, or numbers from 0 to 1, dense or sparse; others count as the nearer of 0 and 1,
    with a warning (MinMaxScaler(clip=True) scales them). Numbers in between become a dense array of float32. What fit
    learns does not depend on the order of the rows, and a sample_weight of 2 is a row that is there twice. Predictions
    are the same bits on any machine.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrbm.sklearn import RBMClassifier
    >>> X = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 0], [1, 1, 0]] * 10)
    >>> model = RBMClassifier(8, n_iter=100, random_state=0).fit(X, ["low", "low", "high", "high"] * 10)
    >>> model.predict([[0, 1, 1], [1, 1, 0]])
    array(['low', 'high'], dtype='<U4')
    >>> model.sample(3, "low")[0].shape
    (3, 3)
    """

    _parameter_constraints = {
        "n_components": [HIDDEN],
        "learning_rate": [RATE],
        "batch_size": [COUNT],
        "n_iter": [Interval(Integral, 0, None, closed="left")],
        "alpha": [DECAY],
        "l2": [DECAY],
        "n_sweeps": [SWEEPS],
        "n_chains": [COUNT, None],
        "dynamic_binarization": ["boolean"],
        "unlabeled": "no_validation",
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "n_jobs": THREADS,
    }

    def __init__(
        self,
        n_components=256,
        *,
        learning_rate=0.01,
        batch_size=50,
        n_iter=100,
        alpha=0.03,
        l2=0.0,
        n_sweeps=1,
        n_chains=None,
        dynamic_binarization=True,
        unlabeled=None,
        verbose=0,
        random_state=None,
        n_jobs=None,
    ):
        self.n_components = n_components
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.alpha = alpha
        self.l2 = l2
        self.n_sweeps = n_sweeps
        self.n_chains = n_chains
        self.dynamic_binarization = dynamic_binarization
        self.unlabeled = unlabeled
        self.verbose = verbose
        self.random_state = random_state
        self.n_jobs = n_jobs

    # ------------------------------------------------------------ training

    _partial: tuple[Hybrid | Discriminative, Adam] | None = None  # what partial_fit goes on with

    def fit(self, X, y, sample_weight=None):
        """Learn from X (n_samples, n_features), dense or CSR, and labels y (n_samples,). Returns self.

        sample_weight (n_samples,), not negative: as for :class:`BernoulliRBM`.
        """
        self._check_arguments()
        self._require(y)
        X, states = self._checked(X, reset=True)
        y, known = self._labels(y, X)
        if not known.any():
            raise ValueError("y has no labeled example")
        self.classes_ = _classes(y[known])
        codes, weight = self._codes(y, known), self._weights(sample_weight, X)
        seed = self._new_seed()
        source = self._source(states, codes, weight, seed)
        self.rbm_ = rbm = self._first_model(states, codes, weight, seed)
        self._partial, n_updates = None, int(self.n_iter) * source.n_batches
        schedule = Linear(float(self.learning_rate), 0.0)
        loop = Loop(rbm, source, self._gradient(seed), self._optimizer(schedule), None, n_updates,
                    n_threads=self._threads())  # fmt: skip
        if not self.verbose:
            loop.run(n_updates)
            return self
        places = np.flatnonzero(known)
        places = places[np.linspace(0, len(places) - 1, min(len(places), _SHOWN)).astype(np.intp)]
        shown, began = states[places], time.perf_counter()
        for iteration in range(1, int(self.n_iter) + 1):
            loop.run(iteration * source.n_batches)
            log_p, now = self._log_p(rbm, shown), time.perf_counter()
            mean = log_p[np.arange(len(places)), codes[places]].mean()
            right = (log_p.argmax(axis=1) == codes[places]).mean()
            words = f"log p(y | x) = {mean:.4f}, accuracy = {right:.4f} on training data, time = {now - began:.2f}s"
            print(f"[{type(self).__name__}] Iteration {iteration}, {words}")
            began = now
        return self

    def _takes(self, rbm: RBM) -> bool:
        *features, label = rbm.visible.segments
        return (
            isinstance(label, Categorical) and label.n_columns == 1 and [type(unit) for unit in features] == [Bernoulli]
        )

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Go once through X (n_samples, n_features) and labels y (n_samples,), in batches of batch_size, at a constant
        rate, learning_rate; chains and Adam's means go on from the last call. Returns self.

        classes: all labels that there will be; the first call must have them, later ones may. The biases start from
        the examples of the first call. After fit, it goes on with the model that fit learned. learning_rate and l2 may
        change from call to call. sample_weight: as for fit, within a call.
        """
        self._check_arguments()
        self._require(y)
        first = "rbm_" not in vars(self)
        if first and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        X, states = self._checked(X, reset=first, features=None if first else self.rbm_.visible.n_columns - 1)
        y, known = self._labels(y, X)
        if classes is not None:
            given = _classes(classes)
            if self.unlabeled is not None and bool((given == self.unlabeled).any()):
                raise ValueError(f"classes must not have {self.unlabeled!r}, which marks examples without a label")
            if not first and not np.array_equal(given, self.classes_):
                raise ValueError(f"classes={classes!r} is not the same as on the last call, {self.classes_!r}")
            self.classes_ = given
        codes, weight = self._codes(y, known), self._weights(sample_weight, X)
        if first:
            seed = self._new_seed()
            self.rbm_ = self._first_model(states, codes, weight, seed)
        if self._partial is None:
            self._partial = self._gradient(self._seed), self._optimizer(float(self.learning_rate))
        rbm, (gradient, optimizer) = self.rbm_, self._partial
        optimizer.learning_rate, optimizer.l2 = float(self.learning_rate), float(self.l2)
        source = self._source(states, codes, weight, self._next_seed())
        loop = Loop(rbm, source, gradient, optimizer, None, source.n_batches, n_threads=self._threads())
        loop.run(source.n_batches)
        return self

    def _require(self, y) -> None:
        if y is None:
            name = type(self).__name__
            raise ValueError(f"This {name} estimator requires y to be passed, but the target y is None.")

    def _labels(self, y, X) -> tuple[np.ndarray, np.ndarray]:
        """y, checked, and which examples have a label."""
        y = column_or_1d(arrays.readable(y), warn=True)
        assert_all_finite(y, estimator_name=type(self).__name__, input_name="y")
        check_consistent_length(X, y)
        check_classification_targets(y)
        return y, np.ones(len(y), bool) if self.unlabeled is None else y != self.unlabeled

    def _codes(self, y: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Labels as codes, their places in classes_, int32 (n,); -1 where there is none."""
        out, classes = np.full(len(y), -1, np.int32), self.classes_
        codes = np.searchsorted(classes, y[known]).clip(0, len(classes) - 1)
        unknown = y[known][classes[codes] != y[known]]
        if len(unknown):
            raise ValueError(f"y has labels that are not in classes, such as {unknown[0]!r}")
        out[known] = codes
        return out

    def _first_model(self, states, codes: np.ndarray, weight: np.ndarray | None, seed: int) -> RBM:
        unit = self._unit(states)
        sums = _totals(states, codes, unit.n - states.shape[1], weight)
        return RBM._from_totals(*sums, (unit, Bernoulli(int(self.n_components))), seed)

    def _unit(self, states) -> Row:
        # a category of its own needs another one
        return Row([Bernoulli(states.shape[1]), Categorical(1, max(2, len(self.classes_)))])

    def _source(self, states, codes: np.ndarray, weight: np.ndarray | None, seed: int) -> ByContents:
        label = LabelColumn(self._unit(states), -1)
        drawn = self.dynamic_binarization and not isinstance(states, BitMatrix)
        joint = _fractions(states, codes, label) if drawn else _joint(states, codes, label)
        return ByContents(joint, label.unit, int(self.batch_size), seed, weight, drawn)

    def _gradient(self, seed: int) -> Hybrid | Discriminative:
        chains = PCD(int(self.n_chains or self.batch_size), int(self.n_sweeps), seed)
        return Hybrid(chains, float(self.alpha), seed=seed) if self.alpha else Discriminative()

    def _optimizer(self, rate) -> Adam:
        return Adam(rate, l2=float(self.l2))

    # ------------------------------------------------------------ what it says of data

    def predict_log_proba(self, X):
        """`log p(y | x)`, float64 (n_samples, n_classes), in the order of ``classes_``."""
        rbm = self._fitted()
        log_p = self._log_p(rbm, self._checked(X, features=rbm.visible.n_columns - 1)[1])
        return log_p if len(self.classes_) > 1 else np.zeros((len(log_p), 1))

    def predict_proba(self, X):
        """`p(y | x)`, float64 (n_samples, n_classes), in the order of ``classes_``."""
        return floatmath.exp(np.maximum(self.predict_log_proba(X), -708.0))

    def predict(self, X):
        """The most probable label of each example, (n_samples,)."""
        best = self.predict_log_proba(X).argmax(axis=1)
        return self.classes_[best]

    def decision_function(self, X):
        """`log p(y | x)`, (n_samples, n_classes); of two classes `log p(second) - log p(first)`, (n_samples,)."""
        log_p = self.predict_log_proba(X)
        return log_p[:, 1] - log_p[:, 0] if len(self.classes_) == 2 else log_p

    def _log_p(self, rbm: RBM, states) -> np.ndarray:
        label = LabelColumn(rbm.visible, -1)
        out = np.empty((states.shape[0], label.n_states))
        for rows, part in parts_of(states):
            out[rows] = log_label_probabilities(rbm, label, _joint(part, None, label), self._threads())
        return out

    # ------------------------------------------------------------ samples

    def sample(self, n_samples=1, label=None, n_sweeps=1000):
        """Samples of the features given a label, or of both, new ones at each call.

        Parameters
        ----------
        n_samples : int
        label : a label, or array (n_samples,) of labels, or None
            None: labels are drawn too.
        n_sweeps : int
            Gibbs sweeps of each sample's chain; long against its mixing time, or samples follow the model only roughly.

        Returns
        -------
        X : uint8 (n_samples, n_features)
        y : (n_samples,)
        """
        rbm, n = self._fitted(), validate.integer(n_samples, "n_samples", 0)
        clamp = None
        if label is not None:
            given = np.broadcast_to(np.asarray(arrays.readable(label)), (n,))
            codes = np.searchsorted(self.classes_, given).clip(0, len(self.classes_) - 1)
            if not bool((self.classes_[codes] == given).all()):
                raise ValueError(f"label must be one of the classes, {', '.join(map(repr, self.classes_.tolist()))}")
            clamp = np.full((n, rbm.visible.n_columns), np.nan)
            clamp[:, -1] = codes
        drawn = rbm.sample(n, n_sweeps, self._next_seed(), clamp=clamp, n_threads=self._threads())
        return np.ascontiguousarray(drawn[:, :-1]), self.classes_[np.minimum(drawn[:, -1], len(self.classes_) - 1)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _classes(labels) -> np.ndarray:
    """Different labels, sorted."""
    classes = np.unique(np.asarray(arrays.readable(labels)))
    if not 0 < len(classes) <= MOST_STATES:
        raise ValueError(f"y must have at most {MOST_STATES} classes, got {len(classes)}")
    return classes


def _joint(states, codes: np.ndarray | None, label: LabelColumn):
    """Features, a BitMatrix or numbers, and codes (n,), -1 or None: no label, as states of the joint layer: a
    CodeMatrix, or float32 (n, V)."""
    n, none = states.shape[0], label.n_states
    if isinstance(states, BitMatrix):
        row = np.full(n, none, np.uint8) if codes is None else np.where(codes < 0, none, codes).astype(np.uint8)
        return CodeMatrix(np.concatenate([states.planes, row[None]]), label.unit)
    out = np.zeros((n, label.unit.n), np.float64 if codes is None else np.float32)
    out[:, : label.units.start] = dense(states)
    return out if codes is None else label.with_labels(out, codes)


def _fractions(states, codes: np.ndarray, label: LabelColumn) -> Fractions:
    """The same of numbers that are probabilities of ones."""
    off = np.zeros((states.shape[0], label.units.start), np.uint8)
    return Fractions(label.joined(off, codes), dense(states), label.unit)


def _totals(states, codes: np.ndarray, n_classes: int, weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """(in how many examples each unit of the joint layer is on, of how many, for each)."""
    sums, n = weighted_sums(states, weight)
    one_hot = BitMatrix.from_states((codes[:, None] == np.arange(n_classes)).astype(np.uint8))
    counts, _ = weighted_sums(one_hot, weight)
    return np.concatenate([sums, counts]), np.concatenate([np.full(sums.size, n), np.full(n_classes, counts.sum())])
