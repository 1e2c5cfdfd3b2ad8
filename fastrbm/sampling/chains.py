"""Chains: persistent Gibbs chains."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import philox, saved, threads, validate
from .._core.settings import Setting
from .._core.synonyms import keywords
from ..ranks import shared
from ..states.saved import saved_bits
from . import gibbs
from .clamp import Clamp
from .model import check_beta, checked_model, model
from .starts import start_chains
from .together import Together

if TYPE_CHECKING:
    from ..rbm import RBM
    from ..states.bits import BitMatrix

__all__ = ["Chains"]


class Chains(Together):
    """Gibbs chains of a model, which remember where they are.

    A sweep draws v from `p(v | h)` and then h from `p(h | v)`, so that (v, h) is a joint state at all times. The chains
    follow the model: when its parameters change, the next sweep uses the new ones (this is what persistent contrastive
    divergence does; Tieleman 2008). One thread at a time may sweep them: two at once leave states of no
    distribution.

    Parameters
    ----------
    rbm : RBM
    n_chains : int
        At least 1.
    seed : int
        Chains with the same model, seed and start take the same path, whatever the threads or the machine. (The chains
        of :meth:`RBM.sample` and of ``gradient.PCD`` draw other numbers under the same seed.)
    start : array (n_chains, V) or BitMatrix, optional
        Where they start; by default at draws from the visible biases alone.
    beta : float or array (n_chains,)
        Inverse temperatures: chain k samples `exp(-beta_k E)`.
    n_threads : int, optional
        For the start. No effect on the states.
    clamp, clamp_hidden : array (V,) or (n_chains, V), (H,) or (n_chains, H), optional
        A unit's value where it is clamped, NaN where it is free: the chains sample the free units given the others.
        clamp may be a data frame, or a dict of columns, as for :meth:`RBM.sample`.
    first_chain : int
        The number of the first chain: these are chains first_chain, first_chain + 1, ... of all those that the seed
        has, and take the paths that they take among all.
    comm : communicator, optional
        Of mpi4py: its ranks share the chains, at each sweep, too, all with the same arguments, and all get the same
        states; see the docs' page On a cluster.

    Attributes
    ----------
    rbm : RBM
        May be replaced by a model of the same shape.
    n_sweeps_done : int
        Sweeps since the start.

    Examples
    --------
    >>> import fastrbm as fr
    >>> rbm = fr.RBM.from_data(fr.datasets.load_digits(), n_hidden=16, seed=0)
    >>> chains = fr.Chains(rbm, n_chains=3, seed=0)
    >>> chains.sweep(10)
    >>> chains.visible.shape, chains.hidden.shape
    ((3, 64), (3, 16))
    """

    _stream, _start_stream = philox.CHAINS, philox.CHAIN_START
    n_sweeps_done = Setting(validate.integer, 0, philox.MOST_SWEEPS)

    @keywords()
    @shared
    def __init__(
        self,
        rbm: RBM,
        n_chains: int = 512,
        seed: int = 0,
        start: ArrayLike | None = None,
        beta: ArrayLike = 1.0,
        n_threads: int | None = None,
        clamp: ArrayLike | None = None,
        clamp_hidden: ArrayLike | None = None,
        first_chain: int = 0,
        *,
        comm: Any = None,
    ) -> None:
        self._rbm = model(rbm)
        n_chains = validate.integer(n_chains, "n_chains", 1, philox.MOST_CHAINS)
        self._first_chain = validate.integer(first_chain, "first_chain", 0, philox.MOST_CHAINS - n_chains)
        self._seed = validate.seed(seed)
        self._beta = validate.inverse_temperature(beta, n_chains)
        self._clamp = Clamp.of(rbm._clamp(clamp), clamp_hidden, n_chains, (rbm.visible, rbm.hidden))
        self._visible, self._hidden = start_chains(
            rbm, n_chains, self._seed, self._start_stream, start, n_threads, clamp=self._clamp, beta=self._beta,
            first_chain=self._first_chain,
        )  # fmt: skip
        self.n_sweeps_done = 0
        self._comm, self._agreed = comm, None if comm is None else rbm._parameters

    def sweep(self, n_sweeps: int = 1, n_threads: int | None = None) -> None:
        """Advance every chain by n_sweeps sweeps. Ctrl-C leaves valid chains, somewhere on the way."""
        with self._sharing(self._rbm, n_sweeps, self.n_sweeps_done):
            self._sweep(validate.integer(n_sweeps, "n_sweeps", 0, philox.MOST_SWEEPS), None, n_threads)

    @property
    def rbm(self) -> RBM:
        """The model; it may be replaced by another of the same shape."""
        return self._rbm

    @rbm.setter
    def rbm(self, rbm: RBM) -> None:
        self._rbm = checked_model(rbm, self._rbm)

    def _sweep(self, n_sweeps: int, fixed: np.ndarray | None, n_threads: int | None) -> None:
        first = self.n_sweeps_done + 1
        threads.resolve(n_threads)
        gibbs.check_capacity(first, n_sweeps)
        parameters, visible, hidden = self.rbm._parameters, self._visible, self._hidden
        saved.fits((visible.n_units, hidden.n_units), parameters.shape, "chains")
        # counted before they are done: sweeps that Ctrl-C cut short must not draw their numbers a second time
        self.n_sweeps_done += n_sweeps
        gibbs.sweep(
            parameters, visible, hidden, n_sweeps, seed=self._seed, stream=self._stream,
            first_sweep=first, first_chain=self._first_chain, beta=self._beta, clamp=self._clamp, fixed=fixed,
            n_threads=n_threads,
        )  # fmt: skip

    @property
    def visible(self) -> np.ndarray:
        """The visible states, the units' values (n_chains, V), read-only, unpacked anew at each access."""
        return _read_only(self.rbm.visible.values(self._visible.to_states()))

    @property
    def hidden(self) -> np.ndarray:
        """The hidden states, the units' values (n_chains, H), read-only, unpacked anew at each access."""
        return _read_only(self.rbm.hidden.values(self._hidden.to_states()))

    @property
    def visible_bits(self) -> BitMatrix:
        """The visible states themselves, packed: on is the higher value. A later sweep changes them in place."""
        return self._visible

    @property
    def hidden_bits(self) -> BitMatrix:
        """The hidden states themselves, packed: on is the higher value. A later sweep changes them in place."""
        return self._hidden

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps: both layers' packed states, and which random numbers come next."""
        state: dict[str, Any] = {
            "visible": self._visible.planes.copy(), "hidden": self._hidden.planes.copy(), "seed": self._seed,
            "stream": self._stream, "n_sweeps_done": self.n_sweeps_done,
        }  # fmt: skip
        if self._first_chain:
            state["first_chain"] = self._first_chain
        return state if self._beta is None else state | {"beta": self._beta.copy()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a state that get_state gave."""
        n = len(self)
        visible = saved_bits(state, "visible", n, self._rbm.visible)
        hidden = saved_bits(state, "hidden", n, self._rbm.hidden)
        seed, stream = saved.count(state, "seed", saved.SEEDS), saved.count(state, "stream", saved.STREAMS)
        n_sweeps_done = saved.count(state, "n_sweeps_done", philox.MOST_SWEEPS)
        beta = saved.array(state, "beta", np.float32, (n,), 0.0) if "beta" in state else None
        first_chain = saved.count(state, "first_chain", philox.MOST_CHAINS - n) if "first_chain" in state else 0
        if self._clamp is not None:
            self._clamp.apply(visible, hidden)
        self._visible, self._hidden, self.n_sweeps_done = visible, hidden, n_sweeps_done
        self._seed, self._stream, self._beta, self._first_chain = seed, stream, beta, first_chain

    def save(self, path: str | PathLike[str]) -> None:
        """Write the chains and their model to a file (.npz), from which :func:`fastrbm.load_chains` goes on to the same
        bits: states, seed and sweeps done, beta, and what is clamped. Errors as for :meth:`RBM.save`, of which
        :func:`fastrbm.load` reads the model alone."""
        clamped = {} if self._clamp is None else self._clamp.get_state((self._rbm.visible, self._rbm.hidden))
        self._rbm._save_chains(validate.path(path), self.get_state() | clamped)

    @classmethod
    def _of_state(cls, rbm: RBM, state: dict[str, Any]) -> Chains:
        """Chains of a model that go on from what a file had."""
        chains = object.__new__(cls)
        chains._rbm, chains._visible = rbm, saved_bits(state, "visible", None, rbm.visible)
        chains._clamp = Clamp.of_state(state, len(chains), (rbm.visible, rbm.hidden))
        chains.set_state(state)
        check_beta(rbm, chains._beta)
        return chains

    def __len__(self) -> int:
        return len(self._visible)

    def __repr__(self) -> str:
        return f"Chains({self.rbm!r}, n_chains={len(self)}, n_sweeps_done={self.n_sweeps_done})"


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
