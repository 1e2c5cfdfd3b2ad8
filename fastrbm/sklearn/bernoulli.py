"""The scikit-learn estimator: BernoulliRBM with the arguments, methods and attributes of the class of that name."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import validate_data

from .._core import validate
from ..likelihood import fractions
from ..likelihood import score as likelihood_score
from ..likelihood.pseudo import pseudo_of
from ..rbm import RBM
from ..states.bits import BitMatrix
from ..states.numbers import parts_of
from ..states.totals import dense
from ..units.bernoulli import Bernoulli
from .common import plain, warn_of
from .transformer import Transformer, as_rows

__all__ = ["BernoulliRBM"]

_SHOWN = 64, 16, 1024  # examples behind the line of a verbose fit: one in so many of the data, but at least, at most
_EVERY = 16  # and of each of them one feature in so many, so that it costs some hundredths of an iteration


class BernoulliRBM(Transformer):
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
    Outside of training, numbers enter the fields as they are, to the nearest multiple of `2^-22`. Binary data, dense or
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

    _parameter_constraints = Transformer._parameter_constraints | {"dynamic_binarization": ["boolean"]}

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

    def _type(self, n_features: int) -> Bernoulli:
        return Bernoulli(n_features)

    def _shown(self, states) -> np.ndarray:
        """Some examples, float64, as many as make each feature come up as often as every other in the line of fit."""
        n, (part, least, most) = states.shape[0], _SHOWN
        some = min(n, max(least, min(n // part, most)))
        some -= some % min(_EVERY, some)
        rows = states[np.linspace(0, n - 1, some).astype(np.intp)]
        return rows.to_states().astype(np.float64) if isinstance(rows, BitMatrix) else dense(rows)

    def _progress(self, rbm: RBM, shown: np.ndarray) -> str:
        every = min(_EVERY, len(shown))
        mean = every * pseudo_of(rbm, shown, self._threads(), every).mean()
        return f"pseudo-likelihood = {mean:.2f}"

    # ------------------------------------------------------------ what it says of data

    def free_energy(self, X):
        """`F(v)` = -log of the sum over h of `exp(-E(v, h))` of each example, in nats, (n_samples,):
        `log p(v) = -F(v) - log Z`. Fractions enter by the same formula, `-b'v - sum_j softplus(c_j + (v'W)_j)`."""
        rbm = self._fitted()
        parts = parts_of(self._checked(X, rbm=rbm)[1])
        return np.concatenate([fractions.free_energy(rbm, part, self._threads()) for _, part in parts])

    def score_samples(self, X, every=1):
        """The pseudo-log-likelihood of each example, (n_samples,): sum over features i of `log(p(v) / (p(v) + p(u)))`,
        where u is v with `v_i` turned into `1 - v_i`. Of all features, so it is the same whatever the order. The line
        that a verbose fit prints is the mean over some examples, each with some features of its own.

        every : int, optional
            Of real-valued data turn one feature in so many, by turns, other ones in the next example, and multiply the
            sum by `every`: an estimate, in about that part of the time. (scikit-learn's class turns one, at random.)
            Data of 0 and 1 have the sum over all features, which is cheap. 1, the default, is the sum itself.
        """
        rbm = self._fitted()
        X, states = self._checked(X, rbm=rbm)
        every = validate.integer(every, "every", 1, X.shape[1])
        if isinstance(states, BitMatrix):
            return pseudo_of(rbm, states, self._threads())
        return np.concatenate([every * pseudo_of(rbm, part, self._threads(), every) for _, part in parts_of(states)])

    def score(self, X, y=None):
        """Mean log-likelihood, in nats: exact where a layer has up to 20 units, else by annealed importance sampling
        from both sides (1,000 steps), whose warnings are worth reading. Fractions enter by `-F(v) - log Z`, which is at
        most the mean over binary examples with these probabilities."""
        rbm = self._fitted()
        X, states = self._checked(X, rbm=rbm)
        if isinstance(states, BitMatrix):
            return likelihood_score(rbm, states, n_betas=1000, n_threads=self._threads()).mean
        drawn = (np.random.default_rng(self._seed).random(X.shape) < dense(states)).astype(np.uint8)
        log_z = likelihood_score(rbm, drawn, n_betas=1000, n_threads=self._threads()).log_partition.value
        parts = [-fractions.free_energy(rbm, part, self._threads()) for _, part in parts_of(states)]
        return float(np.concatenate(parts).mean() - log_z)

    # Scripts written for scikit-learn's class call these.

    def _free_energy(self, v):
        return self.free_energy(v)

    def _mean_hiddens(self, v):
        v, single = as_rows(v)
        p = self._means(v)
        return p[0] if single else p

    def _sample_hiddens(self, v, rng):
        p = self._mean_hiddens(v)
        return rng.uniform(size=p.shape) < p

    def _sample_visibles(self, h, rng):
        h, single = as_rows(h)
        p = self._fitted().mean_visible(h, self._threads())
        drawn = rng.uniform(size=p.shape) < p
        return drawn[0] if single else drawn

    def inpaint(self, X, n_sweeps=1000):
        """X (n_samples, n_features) of 0, 1 and NaN, with a draw in place of each NaN, given the rest: uint8. What is
        masked, or missing in a data frame, counts as NaN."""
        rbm = self._fitted()
        X = validate_data(
            self, plain(X, missing=True), reset=False, ensure_all_finite="allow-nan", dtype=(np.float64, np.float32)
        )
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
