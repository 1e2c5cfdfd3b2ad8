"""The face for scikit-learn: BernoulliRBM with the arguments, methods and attributes of the class of that name."""

from __future__ import annotations

import math
import time
import warnings
from numbers import Integral, Real

import numpy as np

from . import _fractions, _random, _threads
from ._cases import Batches, Cases, limits_of, parts_of, states_of, states_of_good, totals
from ._source import dense, drawn_states
from ._updates import Updates, possible
from .bits import BitMatrix
from .gradient import PCD, Centring, Gradient
from .gradient._weighted import relative_weight
from .likelihood import score as likelihood_score
from .moments import Moments
from .optim import SGD
from .rbm import RBM

try:
    from scipy.sparse import issparse
    from scipy.special import expit
    from sklearn import get_config
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.utils import check_random_state
    from sklearn.utils._param_validation import Interval, validate_parameter_constraints
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        f'fastrbm.sklearn needs scikit-learn 1.6 or newer: pip install "fastrbm[sklearn]" ({error})'
    ) from error

__all__ = ["BernoulliRBM"]

_UPDATES = 256  # in a call of several iterations, at most
_SHOWN = 1024  # cases whose pseudo-likelihood a verbose fit prints


class BernoulliRBM(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A restricted Boltzmann machine as a scikit-learn transformer.

    Takes the place of ``sklearn.neural_network.BernoulliRBM``: the arguments, methods and attributes of that class
    mean here what they mean there. It learns by persistent contrastive divergence (Tieleman 2008).

    Parameters
    ----------
    n_components : int
        Hidden units.
    learning_rate : float
        Of every update, above 0.
    batch_size : int
        Cases an update.
    n_iter : int
        Times that fit goes through the data.
    verbose : int
        Above 0: a line an iteration.
    random_state : int, RandomState or None
        With an int, fit gives the same bits on any machine (not so with draw=False and values outside [0, 1]).
    n_sweeps : int
        Gibbs sweeps an update.
    n_chains : int or None
        Persistent chains; None: as many as batch_size. As for n_components, a change after the first fit or
        partial_fit counts from the next fit on.
    centred : bool
        The centred gradient (:class:`fastrbm.gradient.Centring`): better likelihoods with large batches; the hidden
        units are then on half of the time, which makes poorer features for a linear classifier.
    draw : bool
        Whether training takes numbers between 0 and 1 for probabilities of ones and draws binary states from them,
        anew each time; else they enter as they are, which is slower (and what scikit-learn does).
    n_jobs : int or None
        Threads; None: as :mod:`fastrbm` chooses, -1: all CPUs. No effect on the results.

    Attributes
    ----------
    components_ : float32 (n_components, n_features)
        Weights, read-only: to change them, assign an array.
    intercept_hidden_, intercept_visible_ : float32 (n_components,), (n_features,)
        Biases, likewise. All three can be assigned once there is a model.
    h_samples_ : float32 (n_chains, n_components)
        The hidden states of the chains after the last update. Cannot be assigned.
    rbm_ : fastrbm.RBM
        The model itself.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    Notes
    -----
    Data are 0 and 1, or numbers from 0 to 1, each the probability that the unit is on. Others are taken too, with a
    warning: where states are drawn they count as the nearer of 0 and 1. Outside of training, numbers enter the fields
    as they are. Binary data, dense or CSR, of any dtype, are packed to bits and never become floats. What fit
    learns depends neither on the order of the rows nor on how they are stored, and a sample_weight of 2 is a row that
    is there twice.

    Different from scikit-learn's class, on purpose: the visible biases start at what fits the data's means, and the
    chains at draws from them; rows are shuffled; fractions are drawn (see ``draw``); each phase of the gradient is
    divided by its own number of cases; a parameter that would not stay finite raises FloatingPointError;
    ``score_samples`` takes the mean over all features that could be flipped, not one at random; ``gibbs`` draws anew at
    each call; parameters are float32.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrbm.sklearn import BernoulliRBM
    >>> X = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
    >>> model = BernoulliRBM(n_components=2, random_state=0).fit(X)
    >>> model.transform(X).shape
    (4, 2)
    """

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "n_iter": [Interval(Integral, 0, None, closed="left")],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "n_sweeps": [Interval(Integral, 1, None, closed="left")],
        "n_chains": [Interval(Integral, 1, None, closed="left"), None],
        "centred": ["boolean"],
        "draw": ["boolean"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        n_components=256,
        *,
        learning_rate=0.1,
        batch_size=10,
        n_iter=10,
        verbose=0,
        random_state=None,
        n_sweeps=1,
        n_chains=None,
        centred=False,
        draw=True,
        n_jobs=None,
    ):
        self.n_components = n_components
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.verbose = verbose
        self.random_state = random_state
        self.n_sweeps = n_sweeps
        self.n_chains = n_chains
        self.centred = centred
        self.draw = draw
        self.n_jobs = n_jobs

    # ------------------------------------------------------------ training

    def fit(self, X, y=None, sample_weight=None):
        """Learn from X (n_samples, n_features), dense or CSR; y is not used. Returns self.

        sample_weight (n_samples,), not negative: a case of weight k counts as k cases, one of weight 0 as none, one of
        1.5 as one or two, from iteration to iteration. Where the total is below the number of cases, they count in
        proportion.
        """
        self._check_arguments()
        X, states = self._checked(X, reset=True)
        weight = self._weights(sample_weight, X)
        self._start()
        cases = Cases(states, weight, self._seed, self.draw)
        self._begin(*totals(states, weight))
        self._see(weight, X.shape[0])
        began, iteration = time.perf_counter(), 1
        # small trainings do several iterations at a time
        step = 1 if self.verbose else max(1, _UPDATES // -(-cases.n // int(self.batch_size)))
        while iteration <= self.n_iter:
            epochs = range(iteration, min(iteration + step, self.n_iter + 1))
            self._learn(cases.batches(epochs, int(self.batch_size), self._threads()))
            if self.verbose:
                now = time.perf_counter()
                some = X[np.linspace(0, X.shape[0] - 1, min(X.shape[0], _SHOWN)).astype(np.intp)]
                mean = _fractions.pseudo(self.rbm_, states_of(some), self._threads()).mean()
                words = f"Iteration {iteration}, pseudo-likelihood = {mean:.2f}, time = {now - began:.2f}s"
                print(f"[{type(self).__name__}] {words}")
                began = now
            iteration += step
        return self

    def partial_fit(self, X, y=None, sample_weight=None):
        """One update by the cases of X, all in one batch; the chains go on from the last call. Returns self.

        sample_weight (n_samples,), not negative: the update counts by the mean weight of its cases over that of all
        cases since the first call.
        """
        first = not hasattr(self, "rbm_")
        if first:
            self._check_arguments()
        X, states = self._checked(X, reset=first)
        weight = self._weights(sample_weight, X)
        if first:
            self._start()
            self._begin(*totals(states, weight))
        if self.draw and not isinstance(states, BitMatrix):
            self._n_draws += 1
            drawn = drawn_states(states, np.arange(states.shape[0]), self._seed, 2**32 - self._n_draws)
            states = BitMatrix(np.ascontiguousarray(drawn.T), states.shape[1])
        # arguments may have been set anew; chains and units stay as many as they are
        self._gradient.n_sweeps = int(self.n_sweeps)
        self._update(states, weight, self._see(weight, states.shape[0]))
        return self

    def _see(self, weight: np.ndarray | None, n: int) -> float:
        """Note the weights of n more cases; returns their mean over that of all that were seen since the start."""
        total = float(n) if weight is None else math.fsum(weight)
        self._weight_seen = getattr(self, "_weight_seen", 0.0) + total  # none where weights were assigned, not learned
        self._cases_seen = getattr(self, "_cases_seen", 0) + n
        return relative_weight(total, n, self._weight_seen / self._cases_seen)

    def _start(self) -> None:
        if isinstance(self.random_state, Integral):
            self._seed = int(self.random_state)
        else:
            self._seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        self._n_draws = 0
        self._weight_seen, self._cases_seen = 0.0, 0

    def _begin(self, sums: np.ndarray, n: float) -> None:
        self.rbm_ = RBM._from_totals(sums, n, int(self.n_components), self._seed)
        self._gradient = PCD(int(self.n_chains or self.batch_size), int(self.n_sweeps), self._seed)
        self._offsets = Centring()

    def _learn(self, batches: Batches) -> None:
        """An update by each batch: in calls of many updates where that can be, then update by update."""
        done, size = 0, int(self.batch_size)
        optimizer, centring = SGD(self.learning_rate), self._offsets if self.centred else None
        if batches.packed is not None and possible(self._gradient, optimizer, centring, size):
            many = Updates(self.rbm_, self._gradient, optimizer, centring, self._threads())
            rates = np.full(len(batches), float(self.learning_rate))
            now = -1
            while now and done < len(batches):
                part = slice(done, done + many.most(size))
                now = many.run(batches.packed, batches.rows, batches.ends[part.start : part.stop + 1], rates[part])
                done += now
        for k in range(done, len(batches)):
            self._update(batches[k])

    def _update(self, batch, weight: np.ndarray | None = None, scale: float = 1.0) -> None:
        estimate = self._estimate(batch, weight).scaled(scale)
        if self.centred:
            estimate = self._offsets(estimate)
        SGD(self.learning_rate).update(self.rbm_, estimate, n_threads=self._threads())

    def _estimate(self, batch, weight: np.ndarray | None) -> Gradient:
        if not isinstance(batch, BitMatrix):
            batch = dense(batch)
            if batch.min() < 0.0 or batch.max() > 1.0:
                return self._gradient._against(self.rbm_, self._moments(batch, weight), self._threads())
        return self._gradient(self.rbm_, batch, weight, self._threads())

    def _moments(self, batch: np.ndarray, weight: np.ndarray | None) -> Moments:
        """The positive phase of numbers outside [0, 1], which the kernels do not take."""
        hidden = expit(_fractions.fields(self.rbm_, batch))
        weight = np.ones(len(batch)) if weight is None else weight
        return Moments((batch * weight[:, None]).T @ hidden, weight @ batch, weight @ hidden, float(weight.sum()))

    # ------------------------------------------------------------ attributes

    @property
    def components_(self):
        return self.rbm_.weights.T

    @components_.setter
    def components_(self, value):
        self.rbm_.set_parameters(weights=np.asarray(value).T)

    @property
    def intercept_visible_(self):
        return self.rbm_.visible_bias

    @intercept_visible_.setter
    def intercept_visible_(self, value):
        self.rbm_.set_parameters(visible_bias=value)

    @property
    def intercept_hidden_(self):
        return self.rbm_.hidden_bias

    @intercept_hidden_.setter
    def intercept_hidden_(self, value):
        self.rbm_.set_parameters(hidden_bias=value)

    @property
    def h_samples_(self):
        chains = self._gradient.chains
        if chains is None:
            return np.zeros((self._gradient.n_chains, self.rbm_.n_hidden), np.float32)
        return chains.hidden.astype(np.float32)

    @property
    def _n_features_out(self):
        return self.rbm_.n_hidden

    # ------------------------------------------------------------ what it says of data

    def transform(self, X):
        """P(h = 1 | v) of each case, (n_samples, n_components); float32 for float32 data, else float64."""
        check_is_fitted(self)
        X, states = self._checked(X)
        out = np.empty((X.shape[0], self.rbm_.n_hidden), np.float32 if X.dtype == np.float32 else np.float64)
        for rows, part in parts_of(states):
            if isinstance(part, BitMatrix):
                out[rows] = self.rbm_.mean_hidden(part, self._threads())
            else:
                out[rows] = expit(_fractions.fields(self.rbm_, part))
        return out

    def score_samples(self, X):
        """The pseudo-log-likelihood of each case, (n_samples,): sum over features i of log(p(v) / (p(v) + p(v'))),
        where v' is v with v_i turned into 1 - v_i. Of all features, so it is the same whatever the order."""
        check_is_fitted(self)
        return _fractions.pseudo(self.rbm_, self._checked(X)[1], self._threads())

    def score(self, X, y=None):
        """Mean log-likelihood, in nats: exact where a layer has up to 20 units, else by annealed importance sampling
        from both sides (1,000 steps), whose warnings are worth reading. Fractions enter by -F(v) - log Z, which is at
        most the mean over binary cases with these probabilities."""
        check_is_fitted(self)
        X, states = self._checked(X)
        if isinstance(states, BitMatrix):
            return likelihood_score(self.rbm_, states, n_betas=1000, n_threads=self._threads()).mean
        drawn = (np.random.default_rng(self._seed).random(X.shape) < dense(X)).astype(np.uint8)
        log_z = likelihood_score(self.rbm_, drawn, n_betas=1000, n_threads=self._threads()).log_partition.value
        return float(
            np.concatenate([-_fractions.free_energy(self.rbm_, part) for _, part in parts_of(states)]).mean() - log_z
        )

    def gibbs(self, v):
        """One Gibbs step from v (n_samples, n_features): hidden units given v, then visible ones given those, bool."""
        check_is_fitted(self)
        v, states = self._checked(v)
        rbm, seed = self.rbm_, self._next_seed()
        if not isinstance(states, BitMatrix):
            states = dense(states)
            if states.min() < 0.0 or states.max() > 1.0:
                p = expit(_fractions.fields(rbm, states))
                hidden = (np.random.default_rng(seed).random(p.shape) < p).view(np.uint8)
                return rbm.sample_visible(hidden, seed, self._threads()).view(np.bool_)
        hidden = rbm.sample_hidden(states, seed, self._threads())
        return rbm.sample_visible(hidden, seed, self._threads()).view(np.bool_)

    # ------------------------------------------------------------ samples

    def sample(self, n_samples=100, n_sweeps=1000):
        """Samples of the visible layer after so many sweeps, uint8 (n_samples, n_features); new ones at each call."""
        check_is_fitted(self)
        return self.rbm_.sample(n_samples, n_sweeps, self._next_seed(), n_threads=self._threads())

    def inpaint(self, X, n_sweeps=1000):
        """X (n_samples, n_features) of 0, 1 and NaN, with a draw in place of each NaN, given the rest: uint8."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, ensure_all_finite="allow-nan", dtype=(np.float64, np.float32))
        return self.rbm_.inpaint(X, n_sweeps, self._next_seed(), self._threads())

    # ------------------------------------------------------------ what the methods share

    def _check_arguments(self) -> None:
        """As scikit-learn's decorator for fit does, which takes as long as three to six small updates more."""
        if not get_config()["skip_parameter_validation"]:
            names = [name for name in sorted(self._parameter_constraints) if hasattr(self, name)]
            values = {name: getattr(self, name) for name in names}
            validate_parameter_constraints(self._parameter_constraints, values, type(self).__name__)

    def _checked(self, X, reset: bool = False) -> tuple:
        """X as scikit-learn wants it checked, and its states."""
        states, limits = states_of_good(X)
        good = states is not None  # then check_array would find nothing, and take as long as three small updates
        if good and self._fits_in(X, reset):
            self.n_features_in_ = X.shape[1]
        else:
            X = validate_data(self, X, accept_sparse="csr", dtype="numeric", reset=reset, skip_check_array=good)
        if issparse(X) and not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
        if X.dtype.kind not in "biuf":
            raise TypeError(f"X must hold real numbers, not {X.dtype}")
        states = states if good else states_of(X)
        if reset:
            low, high = limits or limits_of(states)
            if low < 0 or high > 1:
                words = f"X has values from {low:g} to {high:g}; an RBM is for numbers from 0 to 1"
                warnings.warn(words, stacklevel=3)
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
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if not weight.any():
            raise ValueError("sample_weight must not be zero for all cases")
        return weight

    def _next_seed(self) -> int:
        """A seed of its own for each call that draws."""
        self._n_draws += 1
        return int(_random.words(4, self._seed, _random.FACE, first=4 * self._n_draws)[:2].view(np.uint64)[0])

    def _threads(self) -> int | None:
        if self.n_jobs is None:
            return None
        from joblib import effective_n_jobs

        return min(effective_n_jobs(self.n_jobs), _threads.MOST)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
