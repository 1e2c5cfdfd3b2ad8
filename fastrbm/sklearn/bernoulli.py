"""The scikit-learn estimator: BernoulliRBM with the arguments, methods and attributes of the class of that name."""

from __future__ import annotations

import math
import time
from numbers import Integral, Real

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

# private, but there is no public way to have a parameter refused in scikit-learn's words
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import validate_data

from .._core import arrays, philox, validate
from ..gradient.centering import Centering
from ..gradient.pcd import PCD
from ..likelihood import fractions
from ..likelihood import score as likelihood_score
from ..likelihood.pseudo import pseudo_of
from ..optim.sgd import SGD
from ..rbm import RBM
from ..states.bits import BitMatrix
from ..states.numbers import parts_of
from ..states.totals import dense, weighted_sums
from ..training.by_contents import ByContents
from ..training.data import OneBatch, drawn_bits
from ..training.loop import Loop
from ..units.bernoulli import Bernoulli
from .common import Estimator, warn_of

__all__ = ["BernoulliRBM"]

_SHOWN = 64, 16, 1024  # examples behind the line of a verbose fit: one in so many of the data, but at least, at most
_EVERY = 16  # and of each of them one feature in so many, so that it costs some hundredths of an iteration
_ASSIGNED = {"components_": "weights", "intercept_visible_": "visible_bias", "intercept_hidden_": "hidden_bias"}


class BernoulliRBM(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):
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
        Examples per update.
    n_iter : int
        Times that fit goes through the data.
    verbose : int
        Above 0: a line an iteration.
    random_state : int, RandomState or None
        With an int, fit gives the same bits on any machine.
    n_sweeps : int
        Gibbs sweeps an update.
    n_chains : int or None
        Persistent chains; None: as many as batch_size. As for n_components, a change after the first fit or
        partial_fit counts from the next fit on. learning_rate, n_sweeps, centered, dynamic_binarization and n_jobs
        count at once.
    centered : bool
        The centered gradient (:class:`fastrbm.gradient.Centering`): better likelihoods with large batches; the hidden
        units are then on half of the time, which makes poorer features for a linear classifier.
    dynamic_binarization : bool
        Whether training takes numbers between 0 and 1 for probabilities of ones and draws binary states from them,
        anew each time; else they enter as they are, which is slower (and what scikit-learn does).
    n_jobs : int or None
        Threads; None: as :mod:`fastrbm` chooses, -1: all CPUs. No effect on the results.

    Attributes
    ----------
    components_ : float32 (n_components, n_features)
        Weights, read-only: to change them, assign an array.
    intercept_hidden_, intercept_visible_ : float32 (n_components,), (n_features,)
        Biases, likewise. All three can be assigned without a fit, in any order: ``components_`` then says how many
        units there are, and biases that were not assigned are 0. partial_fit goes on from them, fit begins anew.
    h_samples_ : float32 (n_chains, n_components)
        The hidden states of the chains after the last update, read-only. Can be assigned too, 0 and 1 of any number
        of chains: partial_fit goes on from there.
    rbm_ : fastrbm.RBM
        The model itself.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    Notes
    -----
    Data are 0 and 1, or numbers from 0 to 1, each the probability that the unit is on. Others count as the nearer of 0
    and 1, in every method, with a warning where that is more than rounding (1e-6). So spins of -1 and 1 are 0 and 1.
    Outside of training, numbers enter the fields as they are, to the nearest multiple of 2^-22. Binary data, dense or
    sparse, of any dtype, are packed to bits and never become floats. What fit learns depends neither on the order of
    the rows nor on how they are stored, and a sample_weight of 2 is a row that is there twice. What the methods say of
    a row is the same bits on any machine, whatever rows are beside it; several threads may ask one estimator.

    Different from scikit-learn's class, on purpose: the visible biases start at what fits the data's means, and the
    chains at draws from them; rows are shuffled; fractions are drawn (see ``dynamic_binarization``); each phase of the
    gradient is divided by its own number of examples; a parameter that would not stay finite raises FloatingPointError;
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
        "centered": ["boolean"],
        "dynamic_binarization": ["boolean"],
        "n_jobs": [Interval(Integral, 1, None, closed="left"), Interval(Integral, None, -1, closed="right"), None],
    }
    _gradient: PCD | None = None  # none before a training
    _offsets: Centering | None = None
    _waiting: dict[str, np.ndarray] = {}  # attributes that were assigned before there is a model to take them

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
        centered=False,
        dynamic_binarization=True,
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
        self.centered = centered
        self.dynamic_binarization = dynamic_binarization
        self.n_jobs = n_jobs

    # ------------------------------------------------------------ training

    def fit(self, X, y=None, sample_weight=None):
        """Learn from X (n_samples, n_features), dense or CSR; y is not used. Returns self.

        sample_weight (n_samples,), not negative: an example of weight k counts as k examples, one of weight 0 as none,
        one of 1.5 as one or two, from iteration to iteration. Where the total is below the number of examples, they
        count in proportion.
        """
        self._check_arguments()
        X, states = self._checked(X, reset=True)
        weight = self._weights(sample_weight, X)
        seed = self._start()
        units = Bernoulli(X.shape[1]), Bernoulli(int(self.n_components))
        source = ByContents(states, units[0], int(self.batch_size), seed, weight, self.dynamic_binarization)
        # of this call, whatever other threads do
        rbm, gradient, offsets = self._begin(*weighted_sums(states, weight), units)
        self._see(weight, X.shape[0])
        loop = self._loop(rbm, gradient, offsets, source, int(self.n_iter) * source.n_batches)
        if not self.verbose:
            loop.run(int(self.n_iter) * source.n_batches)
            return self
        shown, began = self._shown(states), time.perf_counter()
        for iteration in range(1, int(self.n_iter) + 1):
            loop.run(iteration * source.n_batches)
            now = time.perf_counter()
            every = min(_EVERY, len(shown))
            mean = every * pseudo_of(rbm, shown, self._threads(), every).mean()
            words = f"Iteration {iteration}, pseudo-likelihood = {mean:.2f}, time = {now - began:.2f}s"
            print(f"[{type(self).__name__}] {words}")
            began = now
        return self

    def _loop(self, rbm: RBM, gradient: PCD, offsets: Centering, source: ByContents | OneBatch, n_updates: int) -> Loop:
        centering = offsets if self.centered else None
        return Loop(rbm, source, gradient, SGD(self.learning_rate), centering, n_updates, n_threads=self._threads())

    def _shown(self, states) -> np.ndarray:
        """Some examples, float64, as many as make each feature come up as often as every other in the line of fit."""
        n, (part, least, most) = states.shape[0], _SHOWN
        some = min(n, max(least, min(n // part, most)))
        some -= some % min(_EVERY, some)
        rows = states[np.linspace(0, n - 1, some).astype(np.intp)]
        return rows.to_states().astype(np.float64) if isinstance(rows, BitMatrix) else dense(rows)

    def partial_fit(self, X, y=None, sample_weight=None):
        """One update by the examples of X, all in one batch; the chains go on from the last call. Returns self.

        sample_weight (n_samples,), not negative: the update counts by the mean weight of its examples over that of all
        examples since the first call.
        """
        self._check_arguments()
        first = "rbm_" not in vars(self)
        X, states = self._checked(X, reset=first)
        weight = self._weights(sample_weight, X)
        if first:
            self._check_waiting(int(self.n_components), X.shape[1])
            waiting = self._waiting
            self._start()
            units = Bernoulli(X.shape[1]), Bernoulli(int(self.n_components))
            self._begin(*weighted_sums(states, weight), units)
            self._take(waiting)
        if self.dynamic_binarization and not isinstance(states, BitMatrix):
            states = drawn_bits(states, self._seed, 2**32 - self._next_draw())
        rbm, (gradient, offsets) = self.rbm_, self._chained()
        gradient.n_sweeps = validate.integer(self.n_sweeps, "n_sweeps", 1)
        mean_weight = self._see(weight, states.shape[0])
        states = states if isinstance(states, BitMatrix) else dense(states)
        self._loop(rbm, gradient, offsets, OneBatch(states, weight, mean_weight), 1).run(1)
        return self

    def _see(self, weight: np.ndarray | None, n: int) -> float:
        """Note the weights of n more examples; returns the mean of all that were seen since the start."""
        total = float(n) if weight is None else math.fsum(weight)
        self._weight_seen = getattr(self, "_weight_seen", 0.0) + total  # none where weights were assigned, not learned
        self._examples_seen = getattr(self, "_examples_seen", 0) + n
        return self._weight_seen / self._examples_seen

    def _start(self) -> int:
        self._weight_seen, self._examples_seen = 0.0, 0
        return self._new_seed()

    def _begin(self, sums: np.ndarray, n: float, units: tuple[Bernoulli, Bernoulli]) -> tuple[RBM, PCD, Centering]:
        rbm = RBM._from_totals(sums, n, units, self._seed)
        self.rbm_, self._waiting = rbm, {}
        return rbm, *self._new_chains()

    def _new_chains(self) -> tuple[PCD, Centering]:
        gradient = PCD(int(self.n_chains or self.batch_size), int(self.n_sweeps), self._seed)
        self._gradient, self._offsets = gradient, (offsets := Centering())
        return gradient, offsets

    def _chained(self) -> tuple[PCD, Centering]:
        """The gradient with its chains, and the offsets; of a model that was assigned, as the arguments are when it is
        first trained."""
        gradient, offsets = self._gradient, self._offsets
        return self._new_chains() if gradient is None or offsets is None else (gradient, offsets)

    # ------------------------------------------------------------ attributes

    @property
    def components_(self):
        return self._model("components_").weights.T

    @components_.setter
    def components_(self, value):
        self._assign("components_", value)

    @property
    def intercept_visible_(self):
        waiting = self._waiting.get("intercept_visible_")
        return self._model("intercept_visible_").visible_bias if waiting is None else waiting

    @intercept_visible_.setter
    def intercept_visible_(self, value):
        self._assign("intercept_visible_", value)

    @property
    def intercept_hidden_(self):
        waiting = self._waiting.get("intercept_hidden_")
        return self._model("intercept_hidden_").hidden_bias if waiting is None else waiting

    @intercept_hidden_.setter
    def intercept_hidden_(self, value):
        self._assign("intercept_hidden_", value)

    @property
    def h_samples_(self):
        hidden = self._waiting.get("h_samples_")
        if hidden is None:
            rbm, gradient = self._model("h_samples_"), self._gradient
            n = int(self.n_chains or self.batch_size) if gradient is None else gradient.n_chains
            chains = None if gradient is None else gradient.chains
            hidden = np.zeros((n, rbm.n_hidden)) if chains is None else chains.hidden
        hidden = hidden.astype(np.float32)
        hidden.flags.writeable = False
        return hidden

    @h_samples_.setter
    def h_samples_(self, value):
        rbm = vars(self).get("rbm_")
        hidden = validate.states(value, None if rbm is None else rbm.n_hidden, "h_samples_")
        if len(hidden) == 0:
            raise ValueError("h_samples_ must have at least one chain")
        if rbm is None:
            self._waiting = self._waiting | {"h_samples_": hidden}
        else:
            self._take({"h_samples_": hidden})

    def _model(self, name: str) -> RBM:
        try:
            return vars(self)["rbm_"]
        except KeyError:
            words = f"{type(self).__name__} has no {name} before it is fitted or has components_"
            raise AttributeError(words) from None

    def _assign(self, name: str, value) -> None:
        array = validate.parameter(value, name, (None, None) if name == "components_" else (None,))
        rbm = vars(self).get("rbm_")
        if rbm is not None:
            sizes = {"intercept_visible_": (rbm.n_visible,), "intercept_hidden_": (rbm.n_hidden,)}
            shape = sizes.get(name, (rbm.n_hidden, rbm.n_visible))
            if array.shape == shape:
                rbm.set_parameters(**{_ASSIGNED[name]: array.T})
                return
            if name != "components_" or self._gradient is not None:
                raise ValueError(f"{name} must have shape {shape}, as the model has, got {array.shape}")
        if name != "components_":
            self._waiting = self._waiting | {name: array}
            return
        self._check_waiting(*array.shape)
        self._start()
        self.rbm_, self.n_features_in_ = RBM(array.T), array.shape[1]
        waiting, self._waiting = self._waiting, {}
        self._take(waiting)

    def _check_waiting(self, n_components: int, n_features: int) -> None:
        """Raise where what was assigned before there is a model does not fit into one of so many units."""
        sizes = {"intercept_visible_": n_features, "intercept_hidden_": n_components, "h_samples_": n_components}
        for name, array in self._waiting.items():
            if array.shape[-1] != sizes[name]:
                raise ValueError(f"{name} of shape {array.shape} does not fit {n_components} x {n_features} components")

    def _take(self, assigned: dict[str, np.ndarray]) -> None:
        """Give the model biases and hidden states of chains that fit it."""
        for name, array in assigned.items():
            if name != "h_samples_":
                self._assign(name, array)
                continue
            gradient, _ = self._chained()
            done = 0 if gradient.chains is None else gradient.chains.n_sweeps_done
            if gradient.chains is None or len(gradient.chains) != len(array):
                self._gradient = gradient = PCD(len(array), gradient.n_sweeps, self._seed)
            chains = gradient._start(self.rbm_, self._threads())
            planes = BitMatrix.from_states(array).planes
            chains.set_state(chains.get_state() | {"hidden": planes, "n_sweeps_done": done})

    @property
    def _n_features_out(self):
        return self._model("_n_features_out").n_hidden

    # ------------------------------------------------------------ what it says of data

    def transform(self, X):
        """P(h = 1 | v) of each example, (n_samples, n_components); float32 for float32 data, else float64."""
        return self._means(X)

    def _means(self, X):
        rbm = self._fitted()
        X, states = self._checked(X, rbm=rbm)
        out = np.empty((X.shape[0], rbm.n_hidden), np.float32 if X.dtype == np.float32 else np.float64)
        for rows, part in parts_of(states):
            out[rows] = rbm._mean(rbm._parameters.to_hidden, part, self._threads())
        return out

    def free_energy(self, X):
        """F(v) = -log of the sum over h of exp(-E(v, h)) of each example, in nats, (n_samples,): log p(v) = -F(v) - log
        Z. Fractions enter by the same formula, -b'v - sum_j softplus(c_j + (v'W)_j)."""
        rbm = self._fitted()
        parts = parts_of(self._checked(X, rbm=rbm)[1])
        return np.concatenate([fractions.free_energy(rbm, part, self._threads()) for _, part in parts])

    def score_samples(self, X):
        """The pseudo-log-likelihood of each example, (n_samples,): sum over features i of log(p(v) / (p(v) + p(v'))),
        where v' is v with v_i turned into 1 - v_i. Of all features, so it is the same whatever the order. The line
        that a verbose fit prints is the mean over some examples, each with some features of its own."""
        rbm = self._fitted()
        parts = parts_of(self._checked(X, rbm=rbm)[1])
        return np.concatenate([pseudo_of(rbm, part, self._threads()) for _, part in parts])

    def score(self, X, y=None):
        """Mean log-likelihood, in nats: exact where a layer has up to 20 units, else by annealed importance sampling
        from both sides (1,000 steps), whose warnings are worth reading. Fractions enter by -F(v) - log Z, which is at
        most the mean over binary examples with these probabilities."""
        rbm = self._fitted()
        X, states = self._checked(X, rbm=rbm)
        if isinstance(states, BitMatrix):
            return likelihood_score(rbm, states, n_betas=1000, n_threads=self._threads()).mean
        drawn = (np.random.default_rng(self._seed).random(X.shape) < dense(states)).astype(np.uint8)
        log_z = likelihood_score(rbm, drawn, n_betas=1000, n_threads=self._threads()).log_partition.value
        parts = [-fractions.free_energy(rbm, part, self._threads()) for _, part in parts_of(states)]
        return float(np.concatenate(parts).mean() - log_z)

    def gibbs(self, v):
        """One Gibbs step from v (n_samples, n_features), or a single example (n_features,): hidden units given v, then
        visible ones given those, bool."""
        rbm, v, single = self._fitted(), *_as_rows(v)
        states, seed = self._checked(v, rbm=rbm)[1], self._next_seed()
        states = states if isinstance(states, BitMatrix) else dense(states)
        hidden = rbm._draw(rbm._parameters.to_hidden, rbm.hidden, states, seed, philox.HIDDEN, self._threads())
        drawn = rbm.sample_visible(hidden, seed, self._threads()).view(np.bool_)
        return drawn[0] if single else drawn

    # Scripts written for scikit-learn's class call these.

    def _free_energy(self, v):
        return self.free_energy(v)

    def _mean_hiddens(self, v):
        v, single = _as_rows(v)
        p = self._means(v)
        return p[0] if single else p

    def _sample_hiddens(self, v, rng):
        p = self._mean_hiddens(v)
        return rng.uniform(size=p.shape) < p

    def _sample_visibles(self, h, rng):
        h, single = _as_rows(h)
        p = self._fitted().mean_visible(h, self._threads())
        drawn = rng.uniform(size=p.shape) < p
        return drawn[0] if single else drawn

    # ------------------------------------------------------------ samples

    def sample(self, n_samples=100, n_sweeps=1000):
        """Samples of the visible layer after so many sweeps, uint8 (n_samples, n_features); new ones at each call."""
        rbm, n = self._fitted(), validate.integer(n_samples, "n_samples", 0)
        return rbm.sample(n, n_sweeps, self._next_seed(), n_threads=self._threads())

    def inpaint(self, X, n_sweeps=1000):
        """X (n_samples, n_features) of 0, 1 and NaN, with a draw in place of each NaN, given the rest: uint8. What is
        masked, or missing in a data frame, counts as NaN."""
        rbm = self._fitted()
        if isinstance(X, np.ndarray) and not isinstance(X, np.matrix):
            X = arrays.numbers(X, "X", missing=True)
        X = validate_data(self, X, reset=False, ensure_all_finite="allow-nan", dtype=(np.float64, np.float32))
        known = X[~np.isnan(X)]
        if known.size and not 0 <= known.min() <= known.max() <= 1:
            warn_of(float(known.min()), float(known.max()))
            X = X.clip(0, 1)
        return rbm.inpaint(X, n_sweeps, self._next_seed(), self._threads())

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _as_rows(v) -> tuple:
    """v with its examples in rows, and whether it was a single example, (n_features,)."""
    single = np.ndim(v) == 1
    return (np.asarray(v)[None] if single else v), single
