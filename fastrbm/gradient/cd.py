"""Contrastive divergence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import philox, saved, validate
from .._core.describe import Described
from .._core.settings import Setting
from .._core.synonyms import keywords
from ..moments import PhaseStates
from ..sampling import gibbs
from ..sampling.clamp import Clamp, ClampedLayer
from ..sampling.model import model
from ..states.bits import BitMatrix, CodeMatrix, zeros
from ..states.missing import free_if_present
from .base import Gradient

if TYPE_CHECKING:
    from ..rbm import RBM


class CD(Described):
    """Contrastive divergence, CD-k (Hinton 2002): the negative phase from chains of k sweeps that start at the data.

    Cheap and biased: it is the gradient of no function, and its bias falls geometrically with k. A fractional X
    drives the first half step as it is; from there on the chains are binary.

    The only estimator for data with absent sites (``fit(missing="absent")``; Salakhutdinov, Mnih & Hinton 2007): its
    chains start at the data, so that each has the sites of its example. An absent site sends nothing and is not drawn;
    what comes out is the mean, over the examples, of CD's gradients of the RBMs that have the sites present alone.

    Parameters
    ----------
    n_sweeps : int
        k, at least 1.
    seed : int
        Each call goes on to new random numbers; a new estimator with the same seed repeats them.
    first_chain : int
        The number of the chain that starts at the first row of X: row k of a batch is chain k, so that this is the
        place of X in its batch where X is a part of one.

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.bars_and_stripes(3)
    >>> rbm = fr.RBM.from_data(X, n_hidden=8, seed=0)
    >>> g = fr.gradient.CD(n_sweeps=3)(rbm, X)
    >>> g.weights.shape
    (9, 8)
    """

    divides = True
    takes_absent = True
    n_sweeps = Setting(validate.integer, 1, philox.MOST_SWEEPS)
    seed = Setting(validate.seed)
    first_chain = Setting(validate.integer, 0, philox.MOST_CHAINS - 1)

    @keywords()
    def __init__(self, n_sweeps: int = 1, seed: int = 0, first_chain: int = 0) -> None:
        self.n_sweeps, self.seed, self.first_chain = n_sweeps, seed, first_chain
        self._next_sweep = 0

    def __call__(
        self, rbm: RBM, X: ArrayLike, sample_weight: ArrayLike | None = None, n_threads: int | None = None
    ) -> Gradient:
        data = model(rbm)._states(X, "X", fractions=True)
        n, n_sweeps = data.shape[0], self.n_sweeps
        positive = PhaseStates.of_data(rbm, data, sample_weight, n_threads)
        first = self._next_sweep
        gibbs.check_capacity(first, n_sweeps + 1)
        self._next_sweep = first + n_sweeps + 1
        visible, clamp = _chains_of(data, rbm)
        hidden = zeros(n, rbm.hidden)
        fixed = gibbs.fixed_buffer(n, rbm._parameters)
        place: dict[str, Any] = {"seed": self.seed, "stream": philox.CD, "first_chain": self.first_chain}
        gibbs.half_step(
            rbm._parameters.to_hidden, data, kind=philox.HIDDEN, sweep=first, out=hidden, n_threads=n_threads, **place
        )
        gibbs.sweep(
            rbm._parameters, visible, hidden, n_sweeps, first_sweep=first + 1, fixed=fixed, clamp=clamp,
            n_threads=n_threads, **place,
        )  # fmt: skip
        return Gradient(positive, PhaseStates.of_states(rbm, visible, fixed, n_threads, sample_weight), n_threads)

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps: how far the random numbers are used up."""
        return {"next_sweep": self._next_sweep}

    def set_state(self, state: dict[str, Any], rbm: RBM) -> None:
        """Go on from a state that get_state gave."""
        self._next_sweep = saved.count(state, "next_sweep", philox.MOST_SWEEPS)

    def __repr__(self) -> str:
        share = f", first_chain={self.first_chain}" if self.first_chain else ""
        return f"CD(n_sweeps={self.n_sweeps}, seed={self.seed}{share})"


def _chains_of(data: BitMatrix | np.ndarray, rbm: RBM) -> tuple[BitMatrix, Clamp | None]:
    """Visible states for chains that start at data, and what is clamped in them: absent sites stay absent."""
    free = free_if_present(data)
    if free is None or not isinstance(data, CodeMatrix):
        return zeros(data.shape[0], rbm.visible), None
    rbm._has_absent = True
    # what is not absent is drawn before it is read
    return data.copy(), Clamp(ClampedLayer(data, free), None)
