"""Persistent contrastive divergence with parallel tempering, along temperatures or a path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import philox, validate
from .._core.defaults import BETAS, TEMPERED_CHAINS
from .._core.describe import Described
from .._core.settings import Setting
from .._core.synonyms import keywords
from ..moments import PhaseStates
from ..sampling import gibbs
from ..sampling.ladder import MOST_BETAS, TARGET_RATE, check_target_rate, ladder
from ..sampling.model import checked_model
from ..sampling.path import Path
from ..sampling.rungs import Models
from ..sampling.tempering import TemperedChains
from ..sampling.trajectory import Trajectory
from .base import Gradient, refuse_absent

if TYPE_CHECKING:
    from ..rbm import RBM


class _TrainingChains(TemperedChains):
    """Chains with streams of their own, whose ladder keeps up with a model that moves."""

    _stream, _start_stream = philox.TEMPERED_PCD, philox.TEMPERED_PCD_START
    _swap_stream = philox.TEMPERED_PCD_SWAP
    _least_gain = 0.01

    @classmethod
    def above(
        cls, rbm: RBM, hotter: list[RBM], n_chains: int, seed: int, n_threads: int | None = None
    ) -> _TrainingChains:
        """Chains of a model, and of others below it."""
        for each in hotter:
            checked_model(each, rbm)
        chains = object.__new__(cls)
        chains.target_rate = None
        chains._set_up(rbm, Models(hotter), n_chains, seed, None, n_threads)
        return chains


def _given_ladder(betas: ArrayLike | None, name: str) -> np.ndarray | None:
    return None if betas is None else ladder(betas, name)


def _along_path(path: Path | Trajectory | None, name: str) -> Path | Trajectory | None:
    if path is not None and not isinstance(path, (Path, Trajectory)):
        raise TypeError(f"{name} must be a sampling.Path, a sampling.Trajectory or None, not {type(path).__name__}")
    return path


def _tempered_chains(chains: TemperedChains | None, name: str) -> TemperedChains | None:
    if chains is not None and not isinstance(chains, TemperedChains):
        raise TypeError(f"{name} must be TemperedChains or None, not {type(chains).__name__}")
    return chains


class Tempered(Described):
    """PCD whose chains exchange states with hotter ones (Desjardins et al. 2010; Cho, Raiko & Ilin 2010).

    The negative phase is the average over the chains at beta 1 of `v s'`, v and s. The hotter ones cross from mode to
    mode, so that the model is seen whole even where plain chains stay where they are. Costs about n_betas times the
    sweeps of :class:`PCD`; see :class:`fastrbm.TemperedChains` for the swaps and the ladder.

    Parameters
    ----------
    n_chains : int
        Chains at each temperature.
    n_betas : int
        Temperatures.
    n_sweeps : int
        Sweeps a call, with swaps before each.
    betas : array (n_betas,), optional
        The ladder, from 1 downward. By default even steps down to 0.
    target_rate : float or None
        What rate of swaps the ladder is adapted to, all through the training. None: it stays as it is.
    seed : int
    path : sampling.Path or sampling.Trajectory, optional
        The hotter chains are of other models, in place of temperatures (:class:`fastrbm.TemperedChains` of a path).
        Leave out n_betas, betas and target_rate then. A path stays as it is. The trained model is the rung after its
        last one, and should be near it, as when a training goes on. A trajectory grows: each model that ``fit`` keeps
        becomes the rung before the trained model, with copies of its chains. An update costs a sweep for each rung, and
        about as much for swaps.

    Attributes
    ----------
    chains : TemperedChains or None
        The chains, once there are any, with swap_rates, round_trip_rate and betas. They belong to one model: a call
        with another starts new ones.

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.load_digits()
    >>> rbm = fr.RBM.from_data(X, n_hidden=16, seed=0)
    >>> tempered = fr.gradient.Tempered(n_chains=50, n_betas=4)
    >>> tempered(rbm, X[:100])
    Gradient(64, 16) of 100 examples and 50 of the model
    """

    divides = True
    n_chains = Setting(validate.integer, 1, philox.MOST_CHAINS)
    n_betas = Setting(validate.integer, 1, MOST_BETAS)
    n_sweeps = Setting(validate.integer, 1, philox.MOST_SWEEPS)
    betas = Setting(_given_ladder)
    target_rate = Setting(check_target_rate)
    seed = Setting(validate.seed)
    path = Setting(_along_path)
    chains = Setting(_tempered_chains)
    _open = ("path",)

    @keywords()
    def __init__(
        self,
        n_chains: int = TEMPERED_CHAINS,
        n_betas: int = BETAS,
        n_sweeps: int = 1,
        betas: ArrayLike | None = None,
        target_rate: float | None = TARGET_RATE,
        seed: int = 0,
        path: Path | Trajectory | None = None,
    ) -> None:
        self.path = path
        self.n_chains, self.n_betas, self.n_sweeps = n_chains, n_betas, n_sweeps
        self.betas = _given_ladder(betas, "betas")
        self.target_rate, self.seed = target_rate, seed
        self.chains = None
        has_ladder = not (self.betas is None and self.n_betas == BETAS and self.target_rate in (None, TARGET_RATE))
        if path is not None and has_ladder:
            raise ValueError("a path has its own rungs: leave out n_betas, betas and target_rate")

    def _new_chains(self, rbm: RBM, n_threads: int | None = None) -> TemperedChains:
        if self.path is not None:
            return _TrainingChains.above(rbm, self._hotter(), self.n_chains, self.seed, n_threads)
        return _TrainingChains(
            rbm, self.n_chains, self.n_betas, self.betas, self.target_rate, self.seed, n_threads=n_threads
        )

    def _hotter(self) -> list[RBM]:
        """The models below the one that is trained, the coldest first."""
        if isinstance(self.path, Trajectory):
            return [*(kept.rbm for kept in reversed(self.path.kept)), self.path.base.rbm]
        assert self.path is not None
        return [self.path.model_at(point) for point in self.path.points[::-1]]

    def _follow(self, chains: TemperedChains) -> None:
        """Let chains have the rungs that a trajectory has by now."""
        if isinstance(self.path, Trajectory) and isinstance(chains._rungs, Models):
            hotter, known = self._hotter(), chains._rungs.hotter
            if len(hotter) != len(known) or any(a is not b for a, b in zip(hotter, known, strict=True)):
                chains._follow(hotter)

    def __call__(
        self, rbm: RBM, X: ArrayLike, sample_weight: ArrayLike | None = None, n_threads: int | None = None
    ) -> Gradient:
        refuse_absent(X, self)
        positive = PhaseStates.of_data(rbm, X, sample_weight, n_threads)
        chains = self.chains  # once: another thread may set others meanwhile
        if chains is None or chains.rbm is not rbm:
            self.chains = chains = self._new_chains(rbm, n_threads)
        self._follow(chains)
        fixed = gibbs.fixed_buffer(chains.n_states, rbm._parameters)
        chains._sweep(self.n_sweeps, fixed, n_threads)
        # the coldest come first
        cold = gibbs.fixed_buffer(len(chains), rbm._parameters)
        cold[:, : len(chains)] = fixed[:, : len(chains)]
        return Gradient(positive, PhaseStates.of_states(rbm, chains.visible_bits, cold, n_threads), n_threads)

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps: the chains and their ladder."""
        if self.chains is None:
            return {}
        self._follow(self.chains)  # the next call would: so the state has the rungs that the trajectory has
        return self.chains.get_state()

    def set_state(self, state: dict[str, Any], rbm: RBM) -> None:
        """Go on, with this model, from a state that get_state gave."""
        chains = None
        if state:
            chains = self._new_chains(rbm)
            chains.set_state(state)
        self.chains = chains

    def __repr__(self) -> str:
        betas = self.n_betas if self.betas is None else self.betas.size
        fixed = "" if self.betas is None else f", betas={self.betas.tolist()}"
        if self.path is not None:
            return f"Tempered(n_chains={self.n_chains}, n_sweeps={self.n_sweeps}, seed={self.seed}, path={self.path!r})"
        return (
            f"Tempered(n_chains={self.n_chains}, n_betas={betas}, n_sweeps={self.n_sweeps}{fixed}, "
            f"target_rate={self.target_rate!r}, seed={self.seed})"
        )
