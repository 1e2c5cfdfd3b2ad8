"""The scikit-learn estimator for real-valued data: GaussianRBM."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from .._core import floatmath
from .._core.defaults import REAL_RATE
from ..likelihood import ais, exact
from ..likelihood import score as likelihood_score
from ..likelihood.score import EXACT_UNITS
from ..rbm import RBM
from ..sampling.gibbs import states_given
from ..states.bits import BitMatrix
from ..states.totals import column_moments
from ..training.by_contents import order_of
from ..training.measuring import Basics
from ..units.gaussian import Gaussian
from ..units.unit import Unit
from .common import explaining, plain
from .transformer import Transformer

__all__ = ["GaussianRBM"]

# what to do, by what scikit-learn or pandas say
_CURES = {
    "convert string": "; ColumnTransformer picks out the columns of numbers",
    "contains NaN": "\nSimpleImputer, a step before this one, fills in missing values; fastrbm.fit(missing='latent') "
    "trains with them.",
}
_SHOWN = 256  # examples behind the line of a verbose fit
_STEPS = 1000  # of annealed importance sampling


class GaussianRBM(Transformer):
    """A restricted Boltzmann machine of real-valued data as a scikit-learn transformer: Gaussian visible units, hidden
    units of 0 and 1.

    It learns as :class:`BernoulliRBM` does, by persistent contrastive divergence (Tieleman 2008), and standardizes the
    features by itself: the units hold `(x - mean) / scale`, with the mean and the standard deviation of the data of
    fit, or of the first call of partial_fit. A feature that is constant has scale 1. A StandardScaler before it changes
    nothing but rounding. What comes out is in the units of the data.

    Parameters
    ----------
    n_components : int
        Hidden units.
    learning_rate : float
        Of every update, above 0. At large rates weights grow without end, which raises FloatingPointError.
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
        partial_fit counts from the next fit on.
    learn_variance : bool
        Whether the variances of features given the hidden units are learned, too (see :func:`fastrbm.fit`); else they
        are those of the data, which leaves little for hidden units to explain.
    centered : bool
        The centered gradient (:class:`fastrbm.gradient.Centering`).
    n_jobs : int or None
        Threads; None: as :mod:`fastrbm` chooses, -1: all CPUs. No effect on the results.

    Attributes
    ----------
    components_ : float32 (n_components, n_features)
        Weights of standardized features, read-only: to change them, assign an array.
    intercept_hidden_, intercept_visible_ : float32 (n_components,), (n_features,)
        Biases, likewise. As of :class:`BernoulliRBM`, all three can be assigned without a fit; the features are then
        taken as standardized.
    h_samples_ : float32 (n_chains, n_components)
        The hidden states of the chains after the last update.
    mean_, scale_ : float64 (n_features,)
        What features are standardized by.
    rbm_ : fastrbm.RBM
        The model itself.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    Notes
    -----
    Standardized features count to the nearest multiple of `2^-12`, and must be below 2048. What fit learns depends
    neither on the order of the rows nor on how they are stored.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrbm.sklearn import GaussianRBM
    >>> X = np.random.default_rng(0).normal(170.0, 10.0, (200, 3))
    >>> model = GaussianRBM(n_components=2, random_state=0).fit(X)
    >>> model.transform(X).shape, model.sample(4).shape
    ((200, 2), (4, 3))
    """

    _parameter_constraints = Transformer._parameter_constraints | {"learn_variance": ["boolean"]}

    def __init__(
        self,
        n_components=256,
        *,
        learning_rate=REAL_RATE,
        batch_size=10,
        n_iter=10,
        verbose=0,
        random_state=None,
        n_sweeps=1,
        n_chains=None,
        learn_variance=True,
        centered=False,
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
        self.learn_variance = learn_variance
        self.centered = centered
        self.n_jobs = n_jobs

    # ------------------------------------------------------------ data

    def _checked(self, X, reset: bool = False, rbm: RBM | None = None, features: int | None = None) -> tuple:
        """X as scikit-learn requires it checked, and its states, or, before there is a model, itself."""
        with explaining(_CURES):
            X = validate_data(self, plain(X), dtype=(np.float64, np.float32), reset=reset)
        if rbm is None:
            return X, X
        if X.shape[1] != rbm.n_visible:  # another thread may have fitted meanwhile
            raise ValueError(f"X has {X.shape[1]} features where the model has {rbm.n_visible}")
        return X, self._encoded(X, rbm.visible)

    def _type(self, n_features: int) -> Unit:
        return Gaussian(n_features).settled()

    def _visible_of(self, states, weight: np.ndarray | None) -> Unit:
        order = order_of(states)
        moments = column_moments(states[order], None if weight is None else weight[order])
        return Gaussian.of_moments(states.shape[1], *moments)

    def _encoded(self, states, unit: Unit):
        return states_given(states, unit.n, "X", unit=unit)

    def _shown(self, states) -> Any:
        rows = states[np.linspace(0, len(states) - 1, min(len(states), _SHOWN)).astype(np.intp)]
        return Basics(rows.to_states(), None, self._seed, rows.unit)

    def _progress(self, rbm: RBM, shown: Any) -> str:
        error = shown.measure(rbm, 0, self._threads())["reconstruction_error"]
        return f"reconstruction error = {error:.3f} standard deviations"

    @property
    def mean_(self):
        return self._model("mean_").visible.data_mean  # type: ignore[attr-defined]

    @property
    def scale_(self):
        return self._model("scale_").visible.scale  # type: ignore[attr-defined]

    # ------------------------------------------------------------ what it says of data

    def inverse_transform(self, X):
        """`E[v | h]` in the units of the data, float64 (n_samples, n_features), of hidden states, or their
        probabilities as transform gives them, (n_samples, n_components)."""
        return self._fitted().mean_visible(X, self._threads())

    def score_samples(self, X):
        """The log-likelihood of each example, `log p(x)`, in nats, (n_samples,), as a density of the data in their own
        units. Of up to 20 hidden units exactly; of more, log Z is estimated by annealed importance sampling (1,000
        steps), whose likelihoods are too high on average, by the same number for all examples."""
        rbm = self._fitted()
        _, states = self._checked(X, rbm=rbm)
        if rbm.n_hidden <= EXACT_UNITS:
            log_z = exact(rbm, n_threads=self._threads()).value
        else:
            log_z = ais(rbm, n_betas=_STEPS, n_threads=self._threads()).value
        return self._densities(rbm, states, log_z)

    def score(self, X, y=None):
        """Mean log-likelihood, in nats, as a density of the data in their own units: exact where there are up to 20
        hidden units, else by annealed importance sampling from both sides (1,000 steps), whose warnings are worth
        reading."""
        rbm = self._fitted()
        _, states = self._checked(X, rbm=rbm)
        log_z = likelihood_score(rbm, states, n_betas=_STEPS, n_threads=self._threads()).log_partition.value
        return float(self._densities(rbm, states, log_z).mean())

    def _densities(self, rbm: RBM, states: BitMatrix, log_z: float) -> np.ndarray:
        """log p(x), whose scale is that of p(z) over those of the features."""
        scales = floatmath.total(floatmath.log(rbm.visible.scale))  # type: ignore[attr-defined]
        return -rbm._free_energy(states, self._threads()) - (log_z + scales)

    def inpaint(self, X, n_sweeps=1000):
        """X (n_samples, n_features) with a draw in place of each NaN, given the rest: float64. What is masked, or
        missing in a data frame, counts as NaN."""
        rbm = self._fitted()
        X = validate_data(
            self, plain(X, missing=True), reset=False, ensure_all_finite="allow-nan", dtype=(np.float64, np.float32)
        )
        return rbm.inpaint(X, n_sweeps, self._next_seed(), self._threads())

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
