"""TemperedChains: Gibbs chains at several temperatures that change places."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import floatmath, philox, saved, threads, validate
from .._core.settings import Setting
from ..states.bits import BitMatrix, of_planes
from ..states.saved import saved_bits
from . import gibbs
from .model import checked_model, model
from .path import Path
from .starts import start_chains, warn_of_few

if TYPE_CHECKING:
    from ..rbm import RBM

__all__ = ["TemperedChains"]

MOST_BETAS = 1 << 16
_UNKNOWN, _DOWN, _UP = 0, 1, 2  # a state's round trip: since it was the coldest, then since it was the hottest
_GAP = 1.2  # length of the path from one temperature to the next, for which about 0.4 of swaps are accepted
_MOST_OF_SAMPLE = 100  # temperatures of RBM.sample
_RECENT = 100  # swap attempts that rates of swaps are averaged over


def ladder(betas: ArrayLike, name: str) -> np.ndarray:
    """A checked ladder of inverse temperatures, float64, from 1 downward."""
    array = np.asarray(betas)
    if array.dtype.kind not in "iuf" or array.ndim != 1 or not 0 < array.size <= MOST_BETAS:
        raise ValueError(f"{name} must be a sequence of numbers, from 1 downward")
    array = array.astype(np.float64)
    if array[0] != 1 or not bool((np.diff(array) < 0).all()) or not array[-1] >= 0:
        raise ValueError(f"{name} must start at 1 and go down, each below the one before, to 0 at the least")
    return array


def check_target_rate(value: float | None, name: str) -> float | None:
    """None, or a rate strictly between 0 and 1."""
    if value is None:
        return None
    rate = validate.real(value, name, 0.0, 1.0)
    if rate in (0.0, 1.0):
        raise ValueError(f"{name} must be above 0 and below 1, got {rate:g}")
    return rate


class TemperedChains:
    """Parallel tempering (Swendsen & Wang 1986; Desjardins et al. 2010): chains that can leave their mode.

    At each of n_betas inverse temperatures 1 = beta_1 > ... > beta_K >= 0, n_chains chains sample exp(-beta_k E).
    Before each sweep, neighbors (k, k + 1), those of even k and those of odd k in turns, exchange their states (v, h)
    with the probability

        min(1, exp((beta_k - beta_l) (E_k - E_l))),

    which leaves the joint distribution of all temperatures as it is. A state that wanders down to a hot chain, where
    modes hang together, and up again comes back in any mode.

    Parameters
    ----------
    rbm : RBM
    n_chains : int
        Chains at each temperature.
    n_betas : int
        Temperatures, K. A sweep costs K times that of n_chains plain chains.
    betas : array (K,), optional
        The ladder, from 1 downward, which stays as it is. By default K even steps down to 0, to be adapted.
    target_rate : float or None
        Without betas, the gaps of the ladder are adapted until neighbors swap at this rate, which moves its lower
        end: with more temperatures it reaches further down, and not below 0. The adaptation fades (Miasojedow, Moulines
        & Vihola 2013). None: the ladder stays as it is.
    seed : int
    start : array (n_chains, V) or BitMatrix, optional
        Where chains of all temperatures start; by default at draws from the visible biases alone.

    Attributes
    ----------
    betas : float64 (K,)
        The ladder as it is now.
    n_sweeps_done : int

    Examples
    --------
    >>> import fastrbm as fr
    >>> rbm = fr.RBM.from_data(fr.datasets.load_digits(), n_hidden=16, seed=0)
    >>> chains = fr.TemperedChains(rbm, n_chains=50, n_betas=4, seed=0)
    >>> chains.sweep(100)
    >>> chains.visible.shape, chains.swap_rates.shape
    ((50, 64), (3,))
    """

    _stream, _start_stream, _swap_stream = philox.TEMPERED, philox.TEMPERED_START, philox.SWAP
    n_sweeps_done = Setting(validate.integer, 0, philox.MOST_SWEEPS)
    target_rate = Setting(check_target_rate)
    _betas: np.ndarray
    _log_gaps: np.ndarray  # logarithms of the gaps between them
    _least_gain = 0.0  # of the adaptation, which goes like the number of swaps to the power of -3/4

    def __init__(
        self,
        rbm: RBM,
        n_chains: int = 128,
        n_betas: int = 10,
        betas: ArrayLike | None = None,
        target_rate: float | None = 0.4,
        seed: int = 0,
        start: ArrayLike | None = None,
        n_threads: int | None = None,
    ) -> None:
        self._rbm = model(rbm)
        self._n = validate.integer(n_chains, "n_chains", 1, philox.MOST_CHAINS)
        self._seed = validate.seed(seed)
        self.target_rate = target_rate
        n_betas = validate.integer(n_betas, "n_betas", 1, MOST_BETAS)
        if betas is None:
            self._set_ladder(np.linspace(1.0, 0.0, n_betas) if n_betas > 1 else np.ones(1))
        else:
            self._set_ladder(ladder(betas, "betas"))
            self.target_rate = None
        K = self._betas.size
        if start is not None:
            states = rbm._states(start, "start")
            if len(states) != self._n:
                raise ValueError(f"start must have as many examples as there are chains, {self._n}, got {len(states)}")
            start = states[np.tile(np.arange(self._n), K)]
        self._visible, self._hidden = start_chains(
            rbm, K * self._n, self._seed, self._start_stream, start, n_threads, beta=self._chain_betas()
        )
        self.n_sweeps_done = self._n_swaps = 0
        self._rates = np.full(K - 1, np.nan)  # of swaps, of late
        self._swap_attempts = np.zeros(K - 1)
        self._round_trips = 0
        self._trip = np.full((K, self._n), _UNKNOWN, np.uint8)  # of the state that is here
        self._trip[0] = _DOWN

    def sweep(self, n_sweeps: int = 1, n_threads: int | None = None) -> None:
        """n_sweeps sweeps of every chain, swaps before each."""
        self._sweep(validate.integer(n_sweeps, "n_sweeps", 0, philox.MOST_SWEEPS), None, n_threads)

    def _sweep(self, n_sweeps: int, fixed: np.ndarray | None, n_threads: int | None) -> None:
        """fixed, if given, gets P(h | v) of all chains, as in gibbs.sweep."""
        threads.resolve(n_threads)
        gibbs.check_capacity(max(self.n_sweeps_done, self._n_swaps) + 1, n_sweeps)
        for done in range(n_sweeps):
            self._swap(n_threads)
            self.n_sweeps_done += 1
            parameters = self.rbm._parameters
            saved.fits((self._visible.n_units, self._hidden.n_units), parameters.shape, "chains")
            gibbs.sweep(
                parameters, self._visible, self._hidden, 1, seed=self._seed, stream=self._stream,
                first_sweep=self.n_sweeps_done, beta=self._chain_betas(),
                fixed=fixed if done == n_sweeps - 1 else None, n_threads=n_threads,
            )  # fmt: skip

    def _chain_betas(self) -> np.ndarray:
        """Of all chains, the coldest first, float32 (K n_chains,)."""
        return np.repeat(self._betas, self._n).astype(np.float32)

    def _swap(self, n_threads: int | None) -> None:
        """Exchange states of neighbors; even pairs and odd pairs take turns."""
        K, n = self._betas.size, self._n
        self._n_swaps += 1
        first = np.arange(self._n_swaps % 2, K - 1, 2)  # the colder of each pair
        if first.size == 0:
            return
        energy = self.rbm.energy(self._visible, self._hidden, n_threads).reshape(K, n)
        gap = (self._betas[first] - self._betas[first + 1])[:, None]
        exponent = gap * (energy[first] - energy[first + 1])
        probability = floatmath.exp(np.clip(exponent, -700.0, 0.0))
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
            self._adapt(first, rates)

    def _exchange(self, moved: np.ndarray) -> None:
        """Put the state of place moved[k] in place k, and follow the round trips."""
        for bits in (self._visible, self._hidden):
            bits.planes[:] = bits.planes[:, moved]
        trip = self._trip.reshape(-1)[moved].reshape(self._trip.shape)
        trip[-1][trip[-1] == _DOWN] = _UP
        self._round_trips += int((trip[0] == _UP).sum())
        trip[0] = _DOWN
        self._trip = trip

    def _adapt(self, pairs: np.ndarray, rates: np.ndarray) -> None:
        """Move the logarithms of the gaps of these pairs toward the target."""
        gain = max(1.0 / math.sqrt(self._n_swaps * math.sqrt(self._n_swaps)), self._least_gain)
        self._log_gaps[pairs] = np.minimum(self._log_gaps[pairs] + gain * (rates - self.target_rate), 0.0)
        gaps = floatmath.exp(np.maximum(self._log_gaps, -700.0))
        self._betas = _rounded(np.maximum(1.0 - np.concatenate([[0.0], np.add.accumulate(gaps)]), 0.0))

    def _set_ladder(self, betas: np.ndarray) -> None:
        self._betas = _rounded(betas)
        self._log_gaps = floatmath.log(np.maximum(-np.diff(betas), 1e-6)) if betas.size > 1 else np.zeros(0)

    @property
    def rbm(self) -> RBM:
        """The model; it may be replaced by another of the same shape."""
        return self._rbm

    @rbm.setter
    def rbm(self, rbm: RBM) -> None:
        self._rbm = checked_model(rbm, self._rbm)

    @property
    def betas(self) -> np.ndarray:
        """The ladder as it is now, float64 (K,)."""
        return self._betas.copy()

    @property
    def n_states(self) -> int:
        """States at all temperatures, K n_chains."""
        return len(self._visible)

    @property
    def visible(self) -> np.ndarray:
        """The visible states at beta 1, the units' values (n_chains, V)."""
        return self.rbm.visible.values(self.visible_bits.to_states())

    @property
    def hidden(self) -> np.ndarray:
        """The hidden states at beta 1, the units' values (n_chains, H)."""
        return self.rbm.hidden.values(self.hidden_bits.to_states())

    @property
    def visible_bits(self) -> BitMatrix:
        """The visible states at beta 1, packed: a view."""
        return self._visible[: self._n]

    @property
    def hidden_bits(self) -> BitMatrix:
        """The hidden states at beta 1, packed: a view."""
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
            "visible": self._visible.planes, "hidden": self._hidden.planes, "betas": self._betas,
            "log_gaps": self._log_gaps, "rates": self._rates, "swap_attempts": self._swap_attempts, "trip": self._trip,
        }  # fmt: skip
        return {name: array.copy() for name, array in arrays.items()} | {
            "round_trips": self._round_trips, "n_swaps": self._n_swaps, "n_sweeps_done": self.n_sweeps_done,
            "seed": self._seed,
        }  # fmt: skip

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a state that get_state gave."""
        K, n = self._trip.shape
        trip = saved.array(state, "trip", np.uint8, (K, n), _UNKNOWN, _UP)
        visible = saved_bits(state, "visible", K * n, self._rbm.visible)
        hidden = saved_bits(state, "hidden", K * n, self._rbm.hidden)
        betas = saved.array(state, "betas", np.float64, (K,), 0.0, 1.0)
        if betas[0] != 1.0 or not bool((np.diff(betas) <= 0).all()) or not np.array_equal(betas, _rounded(betas)):
            raise ValueError("the state's betas must go down from 1, as float32 has them")
        log_gaps = saved.array(state, "log_gaps", np.float64, (K - 1,), high=0.0)
        rates = saved.array(state, "rates", np.float64, (K - 1,), 0.0, 1.0 + 1e-9, nan=True)
        swap_attempts = saved.array(state, "swap_attempts", np.float64, (K - 1,), 0.0, philox.MOST_SWEEPS)
        n_swaps = saved.count(state, "n_swaps", philox.MOST_SWEEPS)
        n_sweeps_done = saved.count(state, "n_sweeps_done", philox.MOST_SWEEPS)
        seed = saved.count(state, "seed", saved.SEEDS)
        self._round_trips = saved.count(state, "round_trips")  # the last one that may be refused
        self._visible, self._hidden, self._betas, self._log_gaps = visible, hidden, betas, log_gaps
        self._rates, self._swap_attempts, self._trip = rates, swap_attempts, trip
        self._n_swaps, self.n_sweeps_done, self._seed = n_swaps, n_sweeps_done, seed

    def __setstate__(self, state: dict[str, Any]) -> None:
        """From a pickle; one that was read from a memory map holds arrays that cannot be written."""
        self.__dict__.update(state)
        for name in ("_log_gaps", "_rates", "_swap_attempts", "_trip"):
            setattr(self, name, np.array(getattr(self, name)))

    def __repr__(self) -> str:
        return f"TemperedChains({self.rbm!r}, n_chains={self._n}, n_betas={self._betas.size})"


def _rounded(betas: np.ndarray) -> np.ndarray:
    """As the kernels take them: swaps must know the very distributions that are sampled."""
    return betas.astype(np.float32).astype(np.float64)


class _SampleChains(TemperedChains):
    """Chains with streams of their own: a user's TemperedChains of the same seed must not repeat their numbers."""

    _stream = _start_stream = philox.SAMPLE_TEMPERED
    _swap_stream = philox.SAMPLE_SWAP


def tempered_samples(rbm: RBM, n: int, n_sweeps: int, seed: int, n_threads: int | None) -> BitMatrix:
    """n visible states of tempered chains that start at draws from the base-rate model and do n * n_sweeps sweeps in
    all.

    Betas are even in thermodynamic length, which makes rates of swaps about even, from 0 up to 1. The last state of
    each chain is taken, and those before it at even times of the second half. A warning where states made few round
    trips.
    """
    pilot = Path(rbm, base_bias=np.zeros(rbm.n_visible)).adapted(seed=seed, n_threads=n_threads)
    assert pilot.length is not None
    n_betas = min(_MOST_OF_SAMPLE, 2 + math.ceil(pilot.length / _GAP))
    betas = np.interp(np.linspace(0.0, 1.0, n_betas), np.linspace(0.0, 1.0, pilot.n_steps + 1), pilot.points)
    betas = np.unique(betas.astype(np.float32))[::-1]
    each = min(len(betas), n, max(1, n_sweeps // 2))  # samples of a chain
    n_chains = -(-n // each)
    sweeps = max(each, n * n_sweeps // (n_chains * len(betas)))
    base = Path(rbm).base_states(n_chains, seed, philox.SAMPLE_TEMPERED, n_threads)
    chains = _SampleChains(rbm, n_chains, betas=betas, seed=seed, start=base, n_threads=n_threads)
    times = np.rint(np.linspace(sweeps / 2, sweeps, each + 1)).astype(int)[1:]
    states = []
    for time in times.tolist():
        chains.sweep(time - chains.n_sweeps_done, n_threads)
        states.append(chains.visible_bits.planes.copy())
    round_trips = chains.round_trip_rate * n_chains * chains.n_sweeps_done
    made = f"{n_chains:,} tempered chains made {round_trips:.0f} round trips"
    warn_of_few(round_trips, f"{made}. More sweeps make it sharper")
    return of_planes(np.ascontiguousarray(np.concatenate(states[::-1], axis=1)[:, :n]), rbm.visible)
