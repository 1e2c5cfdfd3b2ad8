"""Persistent contrastive divergence with fast weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import philox, saved, validate
from .._core.coupling import NotNormalizable
from .._core.defaults import CHAINS
from .._core.describe import Described
from .._core.direction import Direction, parts_of
from .._core.settings import Setting
from .._core.synonyms import keywords
from ..moments import PhaseStates
from ..sampling import gibbs
from ..sampling.chains import Chains
from ..states.saved import saved_bits
from .base import Gradient, refuse_absent

if TYPE_CHECKING:
    from ..rbm import RBM


class _FastChains(Chains):
    _stream, _start_stream = philox.FAST, philox.FAST_START


class FastPCD(Described):
    """PCD whose chains see weights that learn faster and forget (Tieleman & Hinton 2009).

    The chains sample the model with parameters `theta + phi`; after each call `phi <- decay phi + rate (gradient)`. So
    where chains sit, energy rises at once and drives them on: they mix better than the model would let them. phi is
    temporary: with the gradient at 0 it dies out, and the chains then sample the model itself. (phi follows the plain
    gradient, also where theta follows the centered one.) Where an optimizer decays or bounds weights, the gradient
    comes to rest where it balances that, and phi at rate / (1 - decay) times this gradient, 0.2 by default: the means
    of the model then end a little beside those of the data. :class:`PCD` has no such bias. Where phi would make a model
    with real units in both layers that cannot be normalized, it starts anew.

    Parameters
    ----------
    n_chains, n_sweeps, seed : int
        As for :class:`PCD`.
    rate : float
        Learning rate of the fast parameters phi, below that of the model. With 0, this is PCD.
    decay : float
        What is left of phi after each call, from 0 up to, but not including, 1.

    Attributes
    ----------
    chains : Chains or None
        The chains, once there are any; chains.rbm is the model with the fast parameters added.

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.load_digits()
    >>> rbm = fr.RBM.from_data(X, n_hidden=16, seed=0)
    >>> fr.gradient.FastPCD(n_chains=50)(rbm, X[:100])
    Gradient(64, 16) of 100 examples and 50 of the model
    """

    divides = True
    divided_entries = ("fast0",)
    n_chains = Setting(validate.integer, 1, philox.MOST_CHAINS)
    n_sweeps = Setting(validate.integer, 1, philox.MOST_SWEEPS)
    rate = Setting(validate.real, 0.0)
    decay = Setting(validate.below_one)
    seed = Setting(validate.seed)

    @keywords()
    def __init__(
        self, n_chains: int = CHAINS, n_sweeps: int = 1, rate: float = 0.01, decay: float = 0.95, seed: int = 0
    ) -> None:
        self.n_chains, self.n_sweeps, self.rate, self.decay, self.seed = n_chains, n_sweeps, rate, decay, seed
        self._own: tuple[RBM, Chains, RBM] | None = None  # model, its chains, the faster model that they follow
        self._fast: list[np.ndarray] = []  # phi: tiles, visible bias, hidden bias, and what else is trained
        self._scale = 1.0

    def scale_next(self, scale: float) -> None:
        """Let phi learn from the next call's gradient times this number, as the model does where batches have
        weights."""
        self._scale = scale

    @property
    def _rbm(self) -> RBM | None:
        """The model that phi and the chains are of."""
        return None if self._own is None else self._own[0]

    @property
    def chains(self) -> Chains | None:
        return None if self._own is None else self._own[1]

    def __call__(
        self, rbm: RBM, X: ArrayLike, sample_weight: ArrayLike | None = None, n_threads: int | None = None
    ) -> Gradient:
        scale, self._scale = self._scale, 1.0
        refuse_absent(X, self)
        positive = PhaseStates.of_data(rbm, X, sample_weight, n_threads)
        own, fast = self._own, self._fast  # once: another thread may set others meanwhile
        if own is None or own[0] is not rbm:
            self._own = own = self._start(rbm, self.n_chains, n_threads)
            fast = []
        _, chains, faster = own
        faster._parameters = rbm._parameters
        if fast:
            try:
                faster._move(Direction(*fast), 1.0, n_threads=n_threads)
            except NotNormalizable:  # real units in both layers, and theta + phi has no distribution: phi starts anew
                fast = []
        chains.rbm = faster
        fixed = gibbs.fixed_buffer(len(chains), rbm._parameters)
        chains._sweep(self.n_sweeps, fixed, n_threads)
        layer = faster._parameters.to_hidden  # which drew them: its means may count in another unit than the model's
        negative = PhaseStates.of_states(rbm, chains.visible_bits, fixed, n_threads, layer=layer)
        gradient = Gradient(positive, negative, n_threads)
        if self.rate or fast:
            now = parts_of(gradient)
            rate, decay = np.float32(self.rate * scale), np.float32(self.decay)
            old = fast or [np.zeros_like(part) for part in now]
            fast = [decay * phi + rate * part for phi, part in zip(old, now, strict=True)]
        self._fast = fast
        return gradient

    def _convert(self, tiles_to: Callable[[np.ndarray], np.ndarray]) -> None:
        """See fastrbm/training/divided.py."""
        self._fast = [*(tiles_to(tiles) for tiles in self._fast[:1]), *self._fast[1:]]

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps: the chains and the fast parameters."""
        if self._own is None:
            return {}
        return self._own[1].get_state() | {f"fast{k}": part.copy() for k, part in enumerate(self._fast)}

    def set_state(self, state: dict[str, Any], rbm: RBM) -> None:
        """Go on, with this model, from a state that get_state gave."""
        own, fast = None, []
        if state:
            fast = saved.parts(state, ("fast0", "fast1", "fast2", "fast3"))
            if fast:
                saved.fits((fast[1].size, fast[2].size), (rbm.n_visible, rbm.n_hidden), "the state")
            own = self._start(rbm, len(saved_bits(state, "visible", None, rbm.visible)))
            own[1].set_state(state)
        self._own, self._fast = own, fast

    def _start(self, rbm: RBM, n_chains: int, n_threads: int | None = None) -> tuple[RBM, Chains, RBM]:
        faster = rbm.copy()
        return rbm, _FastChains(faster, n_chains, self.seed, n_threads=n_threads), faster

    def __repr__(self) -> str:
        return (
            f"FastPCD(n_chains={self.n_chains}, n_sweeps={self.n_sweeps}, rate={self.rate!r}, decay={self.decay!r}, "
            f"seed={self.seed})"
        )
