"""Persistent contrastive divergence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from .._core import philox, validate
from .._core.defaults import CHAINS
from .._core.describe import Described
from .._core.settings import Setting
from .._core.synonyms import keywords
from ..moments import Moments, PhaseStates
from ..sampling import gibbs
from ..sampling.chains import Chains
from ..states.saved import saved_bits
from .base import Gradient, refuse_absent

if TYPE_CHECKING:
    from ..rbm import RBM


class _TrainingChains(Chains):
    """Chains with streams of their own: a user's Chains of the same seed must not repeat the numbers that the model was
    trained on."""

    _stream, _start_stream = philox.PCD, philox.PCD_START


class PCD(Described):
    """Persistent contrastive divergence (Younes 1989; Tieleman 2008): the negative phase from chains that go on.

    At each call the chains do n_sweeps sweeps under the model as it is now, and the negative phase is the average
    over them of `v s'`, v and s. With parameters held still this converges to the exact gradient plus noise of variance
    `Var / n_chains`; while they move it is biased by about learning rate times mixing time.

    Parameters
    ----------
    n_chains : int
        Number of chains, whatever the batch size.
    n_sweeps : int
        Sweeps a call.
    seed : int
        Of the chains.

    Attributes
    ----------
    chains : Chains or None
        The chains, once there are any; set it to chains of your own to start them elsewhere. They belong to one
        model: a call with another model starts new ones.

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.load_digits()
    >>> rbm = fr.RBM.from_data(X, n_hidden=16, seed=0)
    >>> g = fr.gradient.PCD(n_chains=64, n_sweeps=1, seed=0)(rbm, X[:100])
    >>> g.positive.total, g.negative.total
    (100.0, 64.0)
    """

    divides = True
    n_chains = Setting(validate.integer, 1, philox.MOST_CHAINS)
    n_sweeps = Setting(validate.integer, 1, philox.MOST_SWEEPS)
    seed = Setting(validate.seed)

    @keywords()
    def __init__(self, n_chains: int = CHAINS, n_sweeps: int = 1, seed: int = 0) -> None:
        self.n_chains, self.n_sweeps, self.seed = n_chains, n_sweeps, seed
        self._chains: Chains | None = None

    @property
    def chains(self) -> Chains | None:
        """The chains, once there are any."""
        return self._chains

    @chains.setter
    def chains(self, chains: Chains | None) -> None:
        if chains is not None and not isinstance(chains, Chains):
            raise TypeError(f"chains must be Chains or None, not {type(chains).__name__}")
        if chains is not None and (chains._beta is not None or chains._clamp is not None):
            raise ValueError("chains must sample the model itself, at beta 1 and with all units free")
        self._chains = chains

    def __call__(
        self, rbm: RBM, X: ArrayLike, sample_weight: ArrayLike | None = None, n_threads: int | None = None
    ) -> Gradient:
        refuse_absent(X, self)
        return self._against(rbm, PhaseStates.of_data(rbm, X, sample_weight, n_threads), n_threads)

    def _against(self, rbm: RBM, positive: PhaseStates | Moments, n_threads: int | None) -> Gradient:
        """The gradient with this positive phase."""
        chains = self._start(rbm, n_threads)
        fixed = gibbs.fixed_buffer(len(chains), rbm._parameters)
        # the sweep ends in p(h | v), which is all that the moments need beside v
        chains._sweep(self.n_sweeps, fixed, n_threads)
        return Gradient(positive, PhaseStates.of_states(rbm, chains.visible_bits, fixed, n_threads), n_threads)

    def _start(self, rbm: RBM, n_threads: int | None) -> Chains:
        """The chains of this model, new ones where there are none yet."""
        chains = self._chains  # once: another thread may set others meanwhile
        if chains is None or chains.rbm is not rbm:
            self._chains = chains = _TrainingChains(rbm, self.n_chains, self.seed, n_threads=n_threads)
        return chains

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps: the chains."""
        return {} if self.chains is None else self.chains.get_state()

    def set_state(self, state: dict[str, Any], rbm: RBM) -> None:
        """Go on, with this model, from a state that get_state gave."""
        chains = None
        if state:
            n = len(saved_bits(state, "visible", None, rbm.visible))
            chains = _TrainingChains(rbm, n, self.seed)
            chains.set_state(state)
        self.chains = chains

    def __repr__(self) -> str:
        return f"PCD(n_chains={self.n_chains}, n_sweeps={self.n_sweeps}, seed={self.seed})"
