"""What the transformers share: training, attributes and samples of a model whose hidden units are 0 and 1."""

from __future__ import annotations

import math
import time
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

# private, but there is no public way to have a parameter refused in scikit-learn's words
from sklearn.utils._param_validation import Interval

from .._core import arrays, philox, validate
from ..gradient.centering import Centering
from ..gradient.pcd import PCD
from ..optim.sgd import SGD
from ..rbm import RBM
from ..states.bits import BitMatrix
from ..states.numbers import parts_of
from ..states.totals import dense, weighted_sums
from ..training.by_contents import ByContents
from ..training.data import OneBatch
from ..training.examples import drawn_bits
from ..training.loop import Loop
from ..units.bernoulli import Bernoulli
from ..units.unit import Unit
from .common import COUNT, HIDDEN, RATE, SWEEPS, THREADS, Estimator

_ASSIGNED = {"components_": "weights", "intercept_visible_": "visible_bias", "intercept_hidden_": "hidden_bias"}


class Transformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):
    """The base class of the transformers, which differ in their visible units."""

    _parameter_constraints: dict[str, list[Any] | str] = {
        "n_components": [HIDDEN],
        "learning_rate": [RATE],
        "batch_size": [COUNT],
        "n_iter": [Interval(Integral, 0, None, closed="left")],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "n_sweeps": [SWEEPS],
        "n_chains": [COUNT, None],
        "centered": ["boolean"],
        "n_jobs": THREADS,
    }
    _gradient: PCD | None = None  # none before a training
    _offsets: Centering | None = None
    _waiting: dict[str, np.ndarray] = {}  # attributes that were assigned before there is a model to take them
    dynamic_binarization = False  # whether numbers are probabilities from which states are drawn
    learn_variance = False  # of Gaussian visible units
    n_components: Any
    learning_rate: Any
    batch_size: Any
    n_iter: Any
    verbose: Any
    random_state: Any
    n_sweeps: Any
    n_chains: Any
    centered: Any
    n_jobs: Any

    def _type(self, n_features: int) -> Unit:
        """The visible units of a model whose weights are assigned."""
        raise NotImplementedError

    def _takes(self, rbm: RBM) -> bool:
        return type(rbm.visible) is type(self._type(rbm.n_visible))

    def _visible_of(self, states, weight: np.ndarray | None) -> Unit:
        """The visible units for the data of a first call."""
        return self._type(states.shape[1])

    def _encoded(self, states, unit: Unit):
        """Checked data as states of these units."""
        return states

    def _shown(self, states) -> Any:
        """Some examples, by which a verbose fit says how far it is."""
        raise NotImplementedError

    def _progress(self, rbm: RBM, shown: Any) -> str:
        """How far it is, in words."""
        raise NotImplementedError

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
        units = self._visible_of(states, weight), Bernoulli(int(self.n_components))
        states = self._encoded(states, units[0])
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
            words = f"Iteration {iteration}, {self._progress(rbm, shown)}, time = {now - began:.2f}s"
            print(f"[{type(self).__name__}] {words}")
            began = now
        return self

    def _loop(self, rbm: RBM, gradient: PCD, offsets: Centering, source: ByContents | OneBatch, n_updates: int) -> Loop:
        centering = offsets if self.centered else None
        return Loop(
            rbm, source, gradient, SGD(self.learning_rate), centering, n_updates, n_threads=self._threads(),
            learn_variance=self.learn_variance,
        )  # fmt: skip

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
            units = self._visible_of(states, weight), Bernoulli(int(self.n_components))
            self._begin(*weighted_sums(self._encoded(states, units[0]), weight), units)
            self._take(waiting)
        states = self._encoded(states, self.rbm_.visible)
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

    def _begin(self, sums: np.ndarray, n: float, units: tuple[Unit, Unit]) -> tuple[RBM, PCD, Centering]:
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
        self.rbm_, self.n_features_in_ = RBM(array.T, visible=self._type(array.shape[1])), array.shape[1]
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
        """`P(h = 1 | v)` of each example, (n_samples, n_components); float32 for float32 data, else float64."""
        return self._means(X)

    def _means(self, X):
        rbm = self._fitted()
        X, states = self._checked(X, rbm=rbm)
        out = np.empty((X.shape[0], rbm.n_hidden), np.float32 if X.dtype == np.float32 else np.float64)
        for rows, part in parts_of(states):
            out[rows] = rbm._mean(rbm._parameters.to_hidden, part, self._threads())
        return out

    def gibbs(self, v):
        """One Gibbs step from v (n_samples, n_features), or a single example (n_features,): hidden units given v, then
        visible ones given those: bool of units of 0 and 1, float64 of real ones."""
        rbm, v, single = self._fitted(), *as_rows(v)
        states, seed = self._checked(v, rbm=rbm)[1], self._next_seed()
        states = states if isinstance(states, BitMatrix) else dense(states)
        hidden = rbm._draw(rbm._parameters.to_hidden, rbm.hidden, states, seed, philox.HIDDEN, self._threads())
        drawn = rbm.sample_visible(hidden, seed, self._threads())
        drawn = drawn.view(np.bool_) if drawn.dtype == np.uint8 else drawn
        return drawn[0] if single else drawn

    # ------------------------------------------------------------ samples

    def sample(self, n_samples=100, n_sweeps=1000):
        """Samples of the visible layer after so many sweeps, (n_samples, n_features): uint8 of units of 0 and 1,
        float64 of real ones. New ones at each call."""
        rbm, n = self._fitted(), validate.integer(n_samples, "n_samples", 0)
        return rbm.sample(n, n_sweeps, self._next_seed(), n_threads=self._threads())


def as_rows(v) -> tuple:
    """v with its examples in rows, and whether it was a single example, (n_features,)."""
    single = np.ndim(v := arrays.readable(v)) == 1
    return (arrays.plain(v, "v")[None] if single else v), single
