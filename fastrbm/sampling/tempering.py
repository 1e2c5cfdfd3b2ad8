"""TemperedChains: Gibbs chains on several rungs, temperatures or the models of a path, that change places."""

from __future__ import annotations

import math
from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import philox, saved, threads, validate
from .._core.settings import Setting
from .._core.synonyms import keywords
from ..ranks import shared
from ..states.bits import BitMatrix, of_planes, zeros
from ..states.saved import saved_bits
from . import gibbs
from .ladder import MOST_BETAS, TARGET_RATE, Temperatures, check_target_rate, ladder
from .model import checked_model, model
from .path import Path, population
from .resampling import acceptance
from .rungs import Models
from .starts import start_chains
from .together import Together

if TYPE_CHECKING:
    from ..rbm import RBM

__all__ = ["TemperedChains"]

_BETAS = 10
_UNKNOWN, _DOWN, _UP = 0, 1, 2  # a state's round trip: since it was the coldest, then since it was the hottest
_RECENT = 100  # swap attempts that rates of swaps are averaged over


class TemperedChains(Together):
    """Parallel tempering (Swendsen & Wang 1986; Desjardins et al. 2010): chains that can leave their mode.

    At each of n_betas inverse temperatures `1 = beta_1 > ... > beta_K >= 0`, n_chains chains sample `exp(-beta_k E)`.
    Before each sweep, neighbors `(k, k + 1)`, those of even k and those of odd k in turns, exchange their states (v, h)
    with the probability

        min(1, exp((beta_k - beta_l) (E_k - E_l))),

    which leaves the joint distribution of all temperatures as it is. (Of real units the quadratic part of E does not
    scale with beta, and is no part of E here. With real hidden units modes of like weight have other weights at such
    temperatures; a Path keeps them.) A state that wanders down to a hot chain, where
    modes hang together, and up again comes back in any mode.

    Given a path, the rungs are the distributions at its points, from its last model, the coldest, down to the base-rate
    model, whose chains are independent draws at each sweep: trajectory tempering, where the path has the models of a
    training (Bereux, Decelle, Furtlehner, Rosset & Seoane 2024, arXiv 2405.15376). Neighbors exchange their visible
    states with the probability

        min(1, exp(F_k(v_k) + F_l(v_l) - F_k(v_l) - F_l(v_k))),

    where F_k is the free energy of rung k, and draw h anew. Where modes come into being at once as a model cools, no
    temperature joins them; along a training they grow apart in small steps.

    Parameters
    ----------
    path : RBM or Path
        A model, for a ladder of its temperatures; or a path, each of whose points is a rung: K of them cost K times the
        sweeps, and about as much again for the swaps. :meth:`Path.thinned` leaves out those that are not needed.
    n_chains : int
        Chains at each temperature.
    n_betas : int, optional
        Of a model: temperatures, K, by default 10. A sweep costs K times that of n_chains plain chains.
    betas : array (K,), optional
        Of a model: the ladder, from 1 downward, which stays as it is. By default K even steps down to 0, to be adapted.
    target_rate : float or None
        Of a model without betas: the gaps of the ladder are adapted until neighbors swap at this rate, which moves its
        lower end: with more temperatures it reaches further down, and not below 0. The adaptation fades (Miasojedow,
        Moulines & Vihola 2013). None: the ladder stays as it is.
    seed : int
    start : array (n_chains, V) or BitMatrix, optional
        Where chains start: n_chains examples for all rungs alike, or K n_chains, the coldest rung first. By default, of
        a model, draws from the visible biases alone; of a path, the states that population annealing has at each point.
    comm : communicator, optional
        Of mpi4py: its ranks share the chains, at each sweep, too, all with the same arguments, and all get the same
        states; see the docs' page On a cluster.

    Attributes
    ----------
    betas : float64 (K,)
        Of a model: the ladder as it is now.
    n_rungs : int
        K.
    n_sweeps_done : int

    Examples
    --------
    >>> import fastrbm as fr
    >>> rbm = fr.RBM.from_data(fr.datasets.load_digits(), n_hidden=16, seed=0)
    >>> chains = fr.TemperedChains(rbm, n_chains=50, n_betas=4, seed=0)
    >>> chains.sweep(100)
    >>> chains.visible.shape, chains.swap_rates.shape
    ((50, 64), (3,))
    >>> chains = fr.TemperedChains(fr.sampling.Path(rbm, n_steps=2), n_chains=50)
    >>> chains.sweep(10)
    >>> chains.n_rungs, bool((chains.swap_rates > 0.9).all())  # an untrained model is nearly one of independent units
    (3, True)
    """

    _stream, _start_stream, _swap_stream = philox.TEMPERED, philox.TEMPERED_START, philox.SWAP
    n_sweeps_done = Setting(validate.integer, 0, philox.MOST_SWEEPS)
    target_rate = Setting(check_target_rate)
    _least_gain = 0.0  # of the adaptation, which goes like the number of swaps to the power of -3/4

    @keywords()
    @shared
    def __init__(
        self,
        path: RBM | Path,
        n_chains: int = 128,
        n_betas: int | None = None,
        betas: ArrayLike | None = None,
        target_rate: float | None = TARGET_RATE,
        seed: int = 0,
        start: ArrayLike | None = None,
        n_threads: int | None = None,
        *,
        comm: Any = None,
    ) -> None:
        self.target_rate = target_rate
        if n_betas is not None:
            n_betas = validate.integer(n_betas, "n_betas", 1, MOST_BETAS)
        rungs: Temperatures | Models
        if isinstance(path, Path):
            if n_betas is not None or betas is not None or self.target_rate not in (None, TARGET_RATE):
                raise ValueError("a Path has its own rungs: leave out n_betas, betas and target_rate")
            rbm, self.target_rate = path.rbm, None
            rungs = Models([path.model_at(point) for point in path.points[-2::-1]])
        elif betas is None:
            K = _BETAS if n_betas is None else n_betas
            rbm, rungs = model(path, "path"), Temperatures(np.linspace(1.0, 0.0, K) if K > 1 else np.ones(1))
        else:
            rbm, rungs, self.target_rate = model(path, "path"), Temperatures(ladder(betas, "betas")), None
        self._set_up(rbm, rungs, n_chains, seed, start, n_threads)
        self._comm, self._agreed = comm, None if comm is None else rbm._parameters

    def _set_up(
        self, rbm: RBM, rungs: Temperatures | Models, n_chains: int, seed: int, start: ArrayLike | None,
        n_threads: int | None,
    ) -> None:  # fmt: skip
        self._rbm, self._rungs, K = rbm, rungs, len(rungs)
        self._n = validate.integer(n_chains, "n_chains", 1, philox.MOST_CHAINS)
        self._seed = validate.seed(seed)
        states = None if start is None else rbm._states(start, "start")
        if states is not None and len(states) not in (self._n, K * self._n):
            raise ValueError(f"start must have as many examples as there are chains, {self._n}, got {len(states)}")
        if isinstance(rungs, Models):
            joint = self._start_of_models(rungs, states, n_threads)
        else:
            given = None if states is None else states[np.resize(np.arange(len(states)), K * self._n)]
            joint = start_chains(
                rbm, K * self._n, self._seed, self._start_stream, given, n_threads, beta=rungs.of_chains(self._n)
            )
        self.n_sweeps_done = self._n_swaps = 0
        self._rates = np.full(K - 1, np.nan)  # of swaps, of late
        self._swap_attempts = np.zeros(K - 1)
        self._round_trips = 0
        trip = np.full((K, self._n), _UNKNOWN, np.uint8)  # of the state that is here
        trip[0] = _DOWN
        self._hold(*joint, trip)

    def _hold(self, visible: BitMatrix, hidden: BitMatrix, trip: np.ndarray) -> None:
        """Take these joint states, and where each is on its round trip, uint8 (K, n): into the rows of one array, so
        that an exchange is one copy, and Ctrl-C cannot come in between."""
        rows = np.concatenate([visible.planes, hidden.planes, trip.reshape(1, -1)])
        middle = len(visible.planes)
        both = of_planes(rows[:middle], self._rbm.visible), of_planes(rows[middle:-1], self._rbm.hidden)
        self._rows, self._trip, (self._visible, self._hidden) = rows, rows[-1].reshape(trip.shape), both

    def _start_of_models(
        self, rungs: Models, states: BitMatrix | None, n_threads: int | None
    ) -> tuple[BitMatrix, BitMatrix]:
        """Joint states from visible ones, or from what population annealing has on its way from the hottest rung."""
        rbm, n, K = self._rbm, self._n, len(rungs)
        all_visible, all_hidden = zeros(K * n, rbm.visible), zeros(K * n, rbm.hidden)
        models, how = (rbm, *rungs.hotter), (self._seed, self._start_stream, n_threads)
        if states is None:
            for k, (_, visible, hidden) in enumerate(population(models[::-1], n, *how)):
                place = slice((K - 1 - k) * n, (K - k) * n)
                all_visible.planes[:, place], all_hidden.planes[:, place] = visible.planes, hidden.planes
            return all_visible, all_hidden
        all_visible.planes[:] = states.planes[:, np.resize(np.arange(len(states)), K * n)]
        for k, each in enumerate(models):
            place = slice(k * n, (k + 1) * n)
            gibbs.half_step(
                each._parameters.to_hidden, all_visible[place], kind=philox.HIDDEN, seed=self._seed,
                stream=self._start_stream, out=all_hidden[place], first_chain=k * n, n_threads=n_threads,
            )  # fmt: skip
        return all_visible, all_hidden

    def sweep(self, n_sweeps: int = 1, n_threads: int | None = None) -> None:
        """n_sweeps sweeps of every chain, swaps before each."""
        with self._sharing(self._rbm, n_sweeps, self.n_sweeps_done):
            self._sweep(validate.integer(n_sweeps, "n_sweeps", 0, philox.MOST_SWEEPS), None, n_threads)

    def _sweep(self, n_sweeps: int, fixed: np.ndarray | None, n_threads: int | None) -> None:
        """fixed, if given, gets P(h | v) of the coldest chains at least, as in gibbs.sweep."""
        threads.resolve(n_threads)
        gibbs.check_capacity(max(self.n_sweeps_done, self._n_swaps) + 1, n_sweeps)
        for done in range(n_sweeps):
            self._swap(n_threads)
            self.n_sweeps_done += 1
            saved.fits((self._visible.n_units, self._hidden.n_units), self.rbm._parameters.shape, "chains")
            self._rungs.sweep(
                self.rbm, self._visible, self._hidden, self._n, self._seed, self._stream, self.n_sweeps_done,
                fixed if done == n_sweeps - 1 else None, n_threads,
            )  # fmt: skip

    def _swap(self, n_threads: int | None) -> None:
        """Exchange states of neighbors; even pairs and odd pairs take turns."""
        K, n = len(self._rungs), self._n
        self._n_swaps += 1
        first = np.arange(self._n_swaps % 2, K - 1, 2)  # the colder of each pair
        if first.size == 0:
            return
        probability = acceptance(self._rungs.exponents(self.rbm, self._visible, self._hidden, first, n_threads))
        words = philox.words(first.size * n, self._seed, self._swap_stream, self._n_swaps).reshape(-1, n)
        accept = (words + 0.5) * 2.0**-32 < probability
        place = np.arange(K * n).reshape(K, n)
        colder, hotter = place[first].copy(), place[first + 1].copy()
        place[first] = np.where(accept, hotter, colder)
        place[first + 1] = np.where(accept, colder, hotter)
        self._exchange(place.reshape(-1))
        rates = np.add.accumulate(probability, axis=1)[:, -1] / n  # one after the other: the same bits anywhere
        self._swap_attempts[first] += 1
        late = np.maximum(1.0 / self._swap_attempts[first], 1.0 / _RECENT)
        self._rates[first] = np.where(
            self._swap_attempts[first] == 1, rates, (1.0 - late) * self._rates[first] + late * rates
        )
        if self.target_rate is not None:
            self._adapt(first, rates, self.target_rate)

    def _exchange(self, moved: np.ndarray) -> None:
        """Put the state of place moved[k] in place k, and follow the round trips."""
        self._rows[:] = self._rows[:, moved]
        hottest, coldest = self._trip[-1], self._trip[0]
        hottest[hottest == _DOWN] = _UP
        self._round_trips += int((coldest == _UP).sum())
        coldest[:] = _DOWN

    def _follow(self, hotter: Sequence[RBM]) -> None:
        """Go on with other models below the coldest rung. One that was there keeps its chains; those of a new one start
        as copies of the coldest."""
        assert isinstance(self._rungs, Models)
        old, n = [self._rbm, *self._rungs.hotter], self._n
        new = [self._rbm, *hotter]
        came_from = [next((k for k, model in enumerate(old) if model is each), 0) for each in new]
        stayed = np.array([old[k] is each for k, each in zip(came_from, new, strict=True)])
        place = (np.array(came_from)[:, None] * n + np.arange(n)).reshape(-1)
        pairs = np.array(came_from[:-1], int)
        together = stayed[1:] & stayed[:-1] & (np.diff(came_from) == 1)
        rates, attempts = np.append(self._rates, np.nan), np.append(self._swap_attempts, 0.0)
        visible, hidden = self._visible[place], self._hidden[place]
        trip = np.where(stayed[:, None], self._trip[came_from], np.uint8(_UNKNOWN))
        self._rungs = Models(hotter)
        self._hold(visible, hidden, trip)
        self._rates = np.where(together, rates[pairs], np.nan)
        self._swap_attempts = np.where(together, attempts[pairs], 0.0)

    def _adapt(self, pairs: np.ndarray, rates: np.ndarray, target_rate: float) -> None:
        """Move the rungs of these pairs, less and less, until they swap at the target."""
        gain = max(1.0 / math.sqrt(self._n_swaps * math.sqrt(self._n_swaps)), self._least_gain)
        self._rungs.adapt(pairs, rates - target_rate, gain)

    @property
    def rbm(self) -> RBM:
        """The model; it may be replaced by another of the same shape."""
        return self._rbm

    @rbm.setter
    def rbm(self, rbm: RBM) -> None:
        self._rbm = checked_model(rbm, self._rbm)

    @property
    def betas(self) -> np.ndarray:
        """Of a model: the ladder as it is now, float64 (K,)."""
        if not isinstance(self._rungs, Temperatures):
            raise AttributeError("chains of a path have no betas; its points say where they are")
        return self._rungs.betas.copy()

    @property
    def n_rungs(self) -> int:
        """Temperatures, or points of the path, K."""
        return len(self._rungs)

    @property
    def n_states(self) -> int:
        """States on all rungs, K n_chains."""
        return len(self._visible)

    @property
    def visible(self) -> np.ndarray:
        """The visible states of the coldest rung, the units' values (n_chains, V)."""
        return self.rbm.visible.values(self.visible_bits.to_states())

    @property
    def hidden(self) -> np.ndarray:
        """The hidden states of the coldest rung, the units' values (n_chains, H)."""
        return self.rbm.hidden.values(self.hidden_bits.to_states())

    @property
    def visible_bits(self) -> BitMatrix:
        """The visible states of the coldest rung, packed: a view."""
        return self._visible[: self._n]

    @property
    def hidden_bits(self) -> BitMatrix:
        """The hidden states of the coldest rung, packed: a view."""
        return self._hidden[: self._n]

    @property
    def swap_rates(self) -> np.ndarray:
        """For each pair of neighbors, the mean probability that they swapped, over about their last 100 swap attempts,
        (K - 1,); NaN before the first."""
        return self._rates.copy()

    @property
    def round_trip_rate(self) -> float:
        """Round trips of a state from the coldest chain to the hottest and back, for each chain and sweep."""
        return self._round_trips / (self._n * max(self._n_swaps, 1))

    def __len__(self) -> int:
        return self._n

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        arrays = {
            "visible": self._visible.planes, "hidden": self._hidden.planes, "rates": self._rates,
            "swap_attempts": self._swap_attempts, "trip": self._trip,
        }  # fmt: skip
        return {name: array.copy() for name, array in arrays.items()} | self._rungs.get_state() | {
            "round_trips": self._round_trips, "n_swaps": self._n_swaps, "n_sweeps_done": self.n_sweeps_done,
            "seed": self._seed,
        }  # fmt: skip

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a state that get_state gave."""
        K, n = self._trip.shape
        trip = saved.array(state, "trip", np.uint8, (K, n), _UNKNOWN, _UP)
        visible = saved_bits(state, "visible", K * n, self._rbm.visible)
        hidden = saved_bits(state, "hidden", K * n, self._rbm.hidden)
        rungs = self._rungs.read_state(state)
        rates = saved.array(state, "rates", np.float64, (K - 1,), 0.0, 1.0 + 1e-9, nan=True)
        swap_attempts = saved.array(state, "swap_attempts", np.float64, (K - 1,), 0.0, philox.MOST_SWEEPS)
        n_swaps = saved.count(state, "n_swaps", philox.MOST_SWEEPS)
        n_sweeps_done = saved.count(state, "n_sweeps_done", philox.MOST_SWEEPS)
        seed = saved.count(state, "seed", saved.SEEDS)
        self._round_trips = saved.count(state, "round_trips")  # the last one that may be refused
        self._rungs.set_state(rungs)
        self._hold(visible, hidden, trip)
        self._rates, self._swap_attempts = rates, swap_attempts
        self._n_swaps, self.n_sweeps_done, self._seed = n_swaps, n_sweeps_done, seed

    def save(self, path: str | PathLike[str]) -> None:
        """Write the chains and their model to a file (.npz), from which :func:`fastrbm.load_chains` goes on to the same
        bits. Errors as for :meth:`RBM.save`; ValueError for chains of a path."""
        if not isinstance(self._rungs, Temperatures):
            raise ValueError(
                "chains of a path have a model on each rung, and a file of chains has one: pickle them, or save the "
                "path (Path.save) and start chains anew"
            )
        more: dict[str, Any] = {
            "stream": self._stream, "swap_stream": self._swap_stream, "least_gain": self._least_gain,
        }  # fmt: skip
        if self.target_rate is not None:
            more["target_rate"] = self.target_rate
        self._rbm._save_chains(validate.path(path), self.get_state() | more)

    @classmethod
    def _of_state(cls, rbm: RBM, state: dict[str, Any]) -> TemperedChains:
        """Chains of a model that go on from what a file had."""
        trip = saved.array(state, "trip", np.uint8, (None, None), _UNKNOWN, _UP)
        if trip.size == 0:
            raise ValueError("the state's trip must not be empty")
        chains = object.__new__(cls)
        chains._rbm, chains._trip, chains._n = rbm, trip, trip.shape[1]
        chains._rungs = Temperatures(np.linspace(1.0, 0.0, len(trip)) if len(trip) > 1 else np.ones(1))
        chains.target_rate = saved.number(state, "target_rate") if "target_rate" in state else None
        chains.set_state(state)
        chains._stream, chains._swap_stream = (
            saved.count(state, name, saved.STREAMS) for name in ("stream", "swap_stream")
        )
        chains._least_gain = saved.number(state, "least_gain")
        return chains

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        del state["_rows"]  # which the others are parts of
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """From a pickle; one that was read from a memory map holds arrays that cannot be written."""
        self.__dict__.update(state)
        self._rates, self._swap_attempts = np.array(self._rates), np.array(self._swap_attempts)
        self._hold(self._visible, self._hidden, self._trip)

    def __repr__(self) -> str:
        rungs = "n_betas" if isinstance(self._rungs, Temperatures) else "n_rungs"
        return f"TemperedChains({self.rbm!r}, n_chains={self._n}, {rungs}={self.n_rungs})"
