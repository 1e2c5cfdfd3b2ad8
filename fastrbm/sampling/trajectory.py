"""Trajectory: models that a training went through, near enough for chains to go from one to the next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import floatmath, philox, saved, validate, workload
from .._core.describe import Described
from .._core.settings import Setting
from .._core.synonyms import keywords
from ..states.bits import BitMatrix, zeros
from ..states.saved import saved_bits
from ..units.real import LARGEST_GAMMA, SMALLEST_GAMMA
from . import gibbs
from .path import Path
from .resampling import swap_rate

if TYPE_CHECKING:
    from ..rbm import RBM

__all__ = ["Trajectory"]

_PART_OF_COST = 0.05  # of a training, that looking at its model takes at the most
_LOOKS_AT_ONCE = 40  # beside: a training is fastest at its start
_A_LOOK = 1 << 26  # connections of the same time that a look takes beside its free energies, 0.2 ms
_FEWEST_UPDATES = 4  # between two looks: the fewest that one call of a kernel does
_SWEEPS = 5  # from the states of a training's chains, or of a trajectory's own, at each look
_MOST_STEPS = 20  # between neighbors that swap too seldom


def _rate(value: float, name: str) -> float:
    return validate.below_one(validate.positive(value, name), name)


@dataclass(frozen=True)
class Kept:
    """A model of a training, how it exchanges states with the one before, and visible states of its time."""

    rbm: RBM
    update: int
    swap_rate: float
    states: BitMatrix


class Trajectory(Described):
    """The models of a training that ``fit(trajectory=)`` keeps (Decelle, Furtlehner & Seoane 2021; Bereux et al. 2024).

    From time to time a training looks at its model. It estimates at which rate that model and the one that was kept
    last would exchange states. This is the mean of

        min(1, exp(F_k(v_k) + F_l(v_l) - F_k(v_l) - F_l(v_k)))

    over pairs of the states that were kept with the one and some of this time. Below target_rate it
    keeps a copy of the model, with these states. The first of all is the base-rate model, independent units with the
    means of the data; the last is the result of the training. So chains can pass from independent draws to the model in
    steps that they do not refuse, whatever modes it has by now.

    The states of this time start at those of the negative phase's chains and do 5 sweeps of the model, in copies. (The
    chains of a training lag behind a model that learns fast, and would have it swap far too easily: of 805 sites at a
    rate of 0.1, at rates of 0.3 where 0.03 is true, with 5 sweeps as with 400.) Where the gradient has no chains of the
    model (``gradient.CD``), they go on from the look before, and at first from training data.

    At each look, it is estimated when the rate would fall to the target if the model went on as fast. The next look is
    half-way there, or at the end of an epoch before. As many looks are made as take 5 % of the training's work, and 40
    more, since a training is fastest at its start. Where a model moves too far between two looks, its swap rate is
    below the target, and the path has points between the two.

    Parameters
    ----------
    target_rate : float
        Above 0 and below 1.
    n_chains : int
        States that are kept with each model, and that rates are estimated by, at the most: as many as the gradient has
        chains.
    most : int
        Models, at least 2. Where there would be more, every other one goes, and the rate below which one is kept falls
        to its fourth power, about that of twice the distance. 784 x 500 units take 3 MB a model, of checkpoints 1.6 MB.

    Attributes
    ----------
    models : tuple of RBM
        In the order of the training. After it, the last one is its result.
    updates : int64 (n,)
        After which update each was kept.
    swap_rates : float64 (n,)
        The estimate, of each and the one before.
    states : tuple of BitMatrix
        The visible states of each one's time.
    path : Path
        From the base-rate model to the last one. Where neighbors swap less than at target_rate, there are points
        between them.

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.load_digits()
    >>> rbm = fr.RBM.from_data(X, n_hidden=16, seed=0)
    >>> trajectory = fr.sampling.Trajectory(target_rate=0.6)
    >>> history = fr.fit(rbm, X, epochs=200, trajectory=trajectory)
    >>> len(trajectory.models) > 2, int(trajectory.updates[-1])
    (True, 3000)
    >>> chains = fr.TemperedChains(trajectory.path, n_chains=100)
    >>> chains.sweep(10)
    """

    target_rate = Setting(_rate)
    n_chains = Setting(validate.integer, 1, philox.MOST_CHAINS)
    most = Setting(validate.integer, 2)

    @keywords()
    def __init__(self, target_rate: float = 0.3, n_chains: int = 128, most: int = 64) -> None:
        self.target_rate, self.n_chains, self.most = target_rate, n_chains, most
        self._kept: tuple[Kept, ...] = ()
        self._last: Kept | None = None  # the result of the training
        self._base: Kept | None = None

    # ------------------------------------------------------------ what there is

    @property
    def kept(self) -> tuple[Kept, ...]:
        """What was kept so far, without the result of a training that has ended."""
        return self._kept

    @property
    def base(self) -> Kept:
        """The base-rate model, with exact draws from it."""
        if self._base is None:
            raise ValueError("the trajectory is empty: pass it to fit(trajectory=) first")
        return self._base

    @property
    def _all(self) -> tuple[Kept, ...]:
        return self._kept if self._last is None else (*self._kept, self._last)

    @property
    def models(self) -> tuple[RBM, ...]:
        """In the order of the training."""
        return tuple(kept.rbm for kept in self._all)

    @property
    def updates(self) -> np.ndarray:
        """After which update each was kept, int64."""
        return np.array([kept.update for kept in self._all], np.int64)

    @property
    def swap_rates(self) -> np.ndarray:
        """Of each and the one before, float64."""
        return np.array([kept.swap_rate for kept in self._all])

    @property
    def states(self) -> tuple[BitMatrix, ...]:
        """The visible states of each one's time."""
        return tuple(kept.states for kept in self._all)

    @property
    def path(self) -> Path:
        """From the base-rate model to the last one."""
        if not self._all:
            raise ValueError("the trajectory is empty: pass it to fit(trajectory=) first")
        return Path(self.models, points=self._points(), base_bias=self.base.rbm.visible_bias)

    def _points(self) -> np.ndarray:
        """One a model, and between neighbors that swap too seldom as many as bring their rate near the target: the
        logarithm of a rate goes about like the square of the distance."""
        points, target = [np.zeros(1)], math.log(self.target_rate)
        for k, kept in enumerate(self._all):
            apart = math.sqrt(_log(kept.swap_rate) / target)
            n_steps = 1 if apart < math.sqrt(2.0) else min(_MOST_STEPS, math.ceil(apart))
            points.append(k + np.arange(1, n_steps + 1) / n_steps)
        return np.concatenate(points)

    # ------------------------------------------------------------ a training

    def start(
        self, rbm: RBM, base_bias: np.ndarray, examples: BitMatrix, seed: int, update_work: int, n_batches: int,
        n_threads: int | None = None,
    ) -> None:  # fmt: skip
        """Forget all, before a training of this model. examples: where chains of its own start; update_work:
        connections of an update; n_batches: updates of an epoch."""
        V, H = rbm.n_visible, rbm.n_hidden
        base = _independent(rbm, base_bias)
        states = gibbs.independent_states(base.visible, base_bias, self.n_chains, seed, philox.TRAJECTORY, n_threads)
        self._base, self._kept, self._last = Kept(base, 0, 1.0, states), (), None
        self._seed, self._n_batches, self._n_looks, self._halvings = seed, n_batches, 0, 0
        self._own = examples[np.resize(np.arange(len(examples)), self.n_chains)]
        sweeps = _SWEEPS * workload.sweep(V, H).of(self.n_chains)
        work = sweeps + 4 * workload.free_energy(V, H).of(self.n_chains) + _A_LOOK
        self._updates_a_look = work / (_PART_OF_COST * update_work)
        self.next_update = _FEWEST_UPDATES

    def look(self, rbm: RBM, update: int, chains: BitMatrix | None, n_threads: int | None = None) -> None:
        """At next_update, or as soon as may be after it: keep a copy of the model if it is far enough from the last one
        that was kept. chains: visible states of the negative phase's."""
        states, before = self._now(rbm, chains, n_threads), self._kept[-1] if self._kept else self.base
        rate = self._swap_rate(before, rbm, states, n_threads)
        limit = self.target_rate
        for _ in range(self._halvings):
            limit = limit**2 * limit**2
        kept, gap = self._kept, max(1, update - before.update)
        reach = gap * math.sqrt(_log(limit) / _log(rate)) if rate < 1.0 else 2.0 * gap
        if rate < limit:
            kept = (*kept, Kept(rbm.copy(), update, rate, states))
            wait = reach / 2
        else:
            wait = (min(reach, 2.0 * gap) - gap) / 2
        if len(kept) > self.most:
            kept = self._every_other(kept, n_threads)
            self._halvings += 1
        self._n_looks += 1
        self._kept, self.next_update = kept, self._next(update, wait)

    def finish(self, rbm: RBM, update: int, chains: BitMatrix | None, n_threads: int | None = None) -> None:
        """The training has ended with this model."""
        before = self._kept[-1] if self._kept else self.base
        if self._kept and _same(rbm, before.rbm):
            self._last = None
            return
        states = self._now(rbm, chains, n_threads, last=True)
        self._last = Kept(rbm.copy(), update, self._swap_rate(before, rbm, states, n_threads), states)

    def _next(self, update: int, wait: float) -> int:
        """The update to look at next: after so many or at the last end of an epoch before, if there may be a look by
        then, else at the first after it."""
        allowed, n_batches = self._updates_a_look * (self._n_looks + 1 - _LOOKS_AT_ONCE), self._n_batches
        then = update + max(_FEWEST_UPDATES, int(wait))
        if then < allowed:
            return math.ceil(allowed / n_batches) * n_batches
        ends = then // n_batches * n_batches
        return ends if ends >= max(update + _FEWEST_UPDATES, allowed) else then

    def _now(self, rbm: RBM, chains: BitMatrix | None, n_threads: int | None, last: bool = False) -> BitMatrix:
        """Visible states of this time. Those of the end are drawn as the next look's would be."""
        start = self._own if chains is None else chains[: self.n_chains]
        visible, hidden = start.copy(), zeros(len(start), rbm.hidden)
        for k in range(_SWEEPS):
            sweep = 1 + self._n_looks * _SWEEPS + k
            gibbs.refresh(rbm._parameters, visible, hidden, self._seed, philox.TRAJECTORY, sweep, 0, n_threads)
        if chains is None and not last:
            self._own = visible.copy()
        return visible

    def _swap_rate(self, before: Kept, rbm: RBM, states: BitMatrix, n_threads: int | None) -> float:
        return swap_rate(rbm, before.rbm, states, before.states, n_threads)

    def _every_other(self, kept: tuple[Kept, ...], n_threads: int | None) -> tuple[Kept, ...]:
        """Half of them, the newest among these."""
        fewer: list[Kept] = []
        for each in kept[(len(kept) - 1) % 2 :: 2]:
            before = fewer[-1] if fewer else self.base
            rate = self._swap_rate(before, each.rbm, each.states, n_threads)
            fewer.append(Kept(each.rbm, each.update, rate, each.states))
        return tuple(fewer)

    # ------------------------------------------------------------ checkpoints

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps: all of it but the result of the training."""
        base, kept = self.base, self._kept
        V, H = base.rbm.n_visible, base.rbm.n_hidden
        state: dict[str, Any] = {
            "weights": np.array([each.rbm.weights for each in kept], np.float32).reshape(-1, V, H),
            "visible_bias": np.array([each.rbm.visible_bias for each in kept], np.float32).reshape(-1, V),
            "hidden_bias": np.array([each.rbm.hidden_bias for each in kept], np.float32).reshape(-1, H),
            "updates": np.array([each.update for each in kept], np.int64),
            "swap_rates": np.array([each.swap_rate for each in kept], np.float64),
            "sizes": np.array([len(each.states) for each in kept], np.int64),
            "base_bias": base.rbm.visible_bias.copy(), "base_states": base.states.planes.copy(),
            "next_update": self.next_update, "n_looks": self._n_looks, "halvings": self._halvings,
            "own": self._own.planes.copy(),
        }  # fmt: skip
        if base.rbm.hidden.own is not None:
            shape = base.rbm.hidden.own.shape
            state["hidden_own"] = np.array([each.rbm.hidden.own for each in kept], np.float32).reshape(-1, *shape)
        if base.rbm.visible.gammas is not None:
            gammas = np.array([each.rbm.visible.gammas for each in kept], np.float32)
            state["visible_gammas"] = gammas.reshape(-1, V)
        if kept:
            state["states"] = np.concatenate([each.states.planes for each in kept], axis=1)
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a state that get_state gave, in a training that start was called for."""
        like = self.base.rbm
        V, H, unit = like.n_visible, like.n_hidden, like.visible
        weights = saved.array(state, "weights", np.float32, (None, V, H))
        n = len(weights)
        visible_bias = saved.array(state, "visible_bias", np.float32, (n, V))
        hidden_bias = saved.array(state, "hidden_bias", np.float32, (n, H))
        updates = saved.array(state, "updates", np.int64, (n,), 0, saved.COUNTS)
        rates = saved.array(state, "swap_rates", np.float64, (n,), 0.0, 1.0)
        sizes = saved.array(state, "sizes", np.int64, (n,), 1, self.n_chains)
        base_bias = saved.array(state, "base_bias", np.float32, (V,))
        base_states = saved_bits(state, "base_states", None, unit)
        states_of_own = saved_bits(state, "own", self.n_chains, unit)
        next_update, n_looks = (saved.count(state, name) for name in ("next_update", "n_looks"))
        halvings = saved.count(state, "halvings", 64)
        parts: list[BitMatrix] = []
        if n:
            ends = np.add.accumulate(sizes)
            states = saved_bits(state, "states", int(ends[-1]), unit)
            parts = [states[end - size : end].copy() for size, end in zip(sizes.tolist(), ends.tolist(), strict=True)]
        if n > self.most or bool((np.diff(updates) <= 0).any()):
            raise ValueError(f"the state's updates must go up, at most {self.most} of them")
        visible, hidden = [unit] * n, [like.hidden] * n
        if like.hidden.own is not None:
            values = saved.array(state, "hidden_own", np.float32, (n, *like.hidden.own.shape))
            hidden = [like.hidden.with_own(each) for each in values]
        if unit.gammas is not None:
            gammas = saved.array(state, "visible_gammas", np.float32, (n, V), SMALLEST_GAMMA, LARGEST_GAMMA)
            visible = [unit.with_gammas(each) for each in gammas]
        models = [
            type(like)(*parameters, visible=of_visible, hidden=of_hidden)
            for *parameters, of_visible, of_hidden in zip(
                weights, visible_bias, hidden_bias, visible, hidden, strict=True
            )
        ]
        kept = tuple(map(Kept, models, updates.tolist(), rates.tolist(), parts))
        base = _independent(like, base_bias)
        self._base, self._kept, self._last, self._own = Kept(base, 0, 1.0, base_states), kept, None, states_of_own
        self.next_update, self._n_looks, self._halvings = next_update, n_looks, halvings

    def __repr__(self) -> str:
        return f"Trajectory(target_rate={self.target_rate!r}, n_chains={self.n_chains}, most={self.most})"


def _independent(rbm: RBM, base_bias: np.ndarray) -> RBM:
    """The base-rate model: no weights, units as they are at beta 0."""
    V, H = rbm.n_visible, rbm.n_hidden
    units: dict[str, Any] = {"visible": rbm.visible.with_beta(0.0), "hidden": rbm.hidden.with_beta(0.0)}
    return type(rbm)(np.zeros((V, H)), base_bias, np.zeros(H), **units)


def _log(rate: float) -> float:
    """The same bits on any machine."""
    return float(floatmath.log(np.array(min(max(rate, 1e-300), 1.0 - 1e-12))))


def _same(one: RBM, other: RBM) -> bool:
    return (one.visible, one.hidden) == (other.visible, other.hidden) and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ("weights", "visible_bias", "hidden_bias")
    )
