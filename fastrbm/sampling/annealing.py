"""Population annealing: samples in which every mode has its weight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .._core import floatmath, philox, threads, validate, workload
from .._core.dispatch import kernels
from .._core.progress import Countdown
from .._core.segments import placed
from .._core.warn import warn
from ..states.bits import BitMatrix
from .gibbs import chain_calls, independent_states
from .model import model

if TYPE_CHECKING:
    from ..rbm import RBM

__all__ = ["Population", "population_annealing"]

N_STEPS = 200  # of the default path
FEW_FAMILIES = 25  # below this, the weight of a mode may be off by 0.1, one standard error
_FEWEST_CHAINS = 256  # of a population that sample takes its starts from
_LARGEST_BIAS = 1e29  # of the base-rate model that is chosen here: any will do, but parameters have a bound
_RESAMPLE_BELOW = 0.9  # of the chains: the effective sample size at which chains are chosen anew by weight


@dataclass(frozen=True, eq=False)
class Population:
    """What population annealing ends with.

    Attributes
    ----------
    visible : BitMatrix (n_chains, V)
        Equally weighted samples of the model. Those of one family are alike until they are moved on.
    log_partition : float
        An estimate of log Z, in nats; that of Z has no bias.
    families : float
        The effective number of families, 1 / sum_k f_k^2, where f_k is the part of the population that descends from
        chain k of the start: n_chains if all chains had one descendant each, 1 if all are of one family. The weight p
        of a mode is known to about sqrt(p (1 - p) / families).
    ess : float
        The smallest effective sample size (sum w)^2 / sum w^2 that was seen.
    """

    visible: BitMatrix
    log_partition: float
    families: float
    ess: float


def population_annealing(
    rbm: RBM,
    n_chains: int = 1024,
    n_steps: int = N_STEPS,
    seed: int = 0,
    base_bias: ArrayLike | None = None,
    progress: bool = False,
    n_threads: int | None = None,
) -> Population:
    """Draw samples by annealing a population of chains that are resampled by their weights on the way (Hukushima & Iba
    2003; Machta 2010).

    The chains start at exact draws from a base-rate model, p_0(v) ~ exp(r'v), and go through the distributions
    exp(-beta E(v, h) + (1 - beta) r'v), with beta from 0 up to 1 in even steps. Before each move a chain's weight is
    multiplied by the ratio of the two unnormalized distributions at the state that it is in. When the weights become
    unequal, the population is resampled: a chain has a number of copies that is its weight, rounded up or down
    (systematic resampling). A mode that chains find too seldom gains weight as beta rises, and one that they find too
    often loses it: the ends have the weights that the modes have, where single chains keep those of their start.

    Parameters
    ----------
    rbm : RBM
    n_chains : int
        The population, at least 1. Tens of chains say little about weights.
    n_steps : int
        Steps of beta, each of which costs about one and a half sweeps.
    seed : int
        The same seed gives the same population.
    base_bias : array (V,), optional
        r. By default b + W E[h] with hidden units as they are at beta 0: on half of the time.
    progress : bool
        Show a line on standard error.
    n_threads : int, optional
        No effect on the result.

    Returns
    -------
    Population
        Whether to believe it, its ``families`` say.

    Examples
    --------
    >>> import fastrbm as fr
    >>> rbm = fr.RBM([[6.0], [6.0], [6.0]], [-3.0, -3.0, -3.0], [-9.0])  # two modes: 000 and 111, alike in weight
    >>> population = fr.population_annealing(rbm, n_chains=2000, seed=0)
    >>> bool(abs(population.visible.to_states().mean() - 0.5) < 0.1), population.families > 500
    (True, True)
    >>> abs(population.log_partition - fr.likelihood.exact(rbm).value) < 0.1
    True
    """
    model(rbm)
    n = validate.integer(n_chains, "n_chains", 1, philox.MOST_CHAINS)
    n_steps, seed = validate.integer(n_steps, "n_steps", 1, philox.MOST_SWEEPS), validate.seed(seed)
    validate.flag(progress, "progress")
    threads.resolve(n_threads)
    annealer = Annealer(rbm, hot_bias(rbm) if base_bias is None else base_bias)
    betas = np.linspace(0.0, 1.0, n_steps + 1).astype(np.float32)
    visible = independent_states(rbm.visible, annealer.bias, n, seed, philox.POPULATION, n_threads)
    log_z, family, log_weights, smallest = annealer.log_base, np.arange(n), np.zeros(n), float(n)
    with Countdown("population annealing", n_steps, progress) as countdown:
        for step in range(n_steps):
            log_weights += annealer.move(visible, betas[step : step + 2], seed, philox.POPULATION, 1 + step, n_threads)
            top = float(log_weights.max())
            weights = floatmath.exp(np.maximum(log_weights - top, -708.0))
            total = np.add.accumulate(weights)  # one after the other: the same bits on any machine
            ess = float(total[-1]) ** 2 / float(np.add.accumulate(weights * weights)[-1])
            smallest = min(smallest, ess)
            if ess < _RESAMPLE_BELOW * n or step == n_steps - 1:
                log_z += top + float(floatmath.log(total[-1] / n))
                chosen = _systematic(total, seed, step)
                visible.planes[:] = visible.planes[:, chosen]
                family, log_weights = family[chosen], np.zeros(n)
            countdown.done(step + 1)
    sizes = np.bincount(family, minlength=n) / n
    return Population(visible, log_z, 1.0 / float((sizes * sizes).sum()), smallest)


def annealed_starts(rbm: RBM, n: int, n_sweeps: int, seed: int, n_threads: int | None) -> BitMatrix:
    """n visible states for chains of so many sweeps to start from, by population annealing that costs no more than
    these; a warning where they are of few families."""
    steps = min(N_STEPS, n_sweeps)
    population = population_annealing(rbm, max(n, _FEWEST_CHAINS), steps, seed, n_threads=n_threads)
    if population.families < FEW_FAMILIES:
        spread = min(0.5, 0.5 / math.sqrt(population.families))
        warn(
            f"sample: the weight of a mode is known to +-{spread:.2f} only, since the {len(population.visible):,} "
            f"chains of population annealing are of {population.families:.1f} families. More chains, or "
            "population_annealing with more steps, make it sharper; TemperedChains may too"
        )
    order = philox.permutation(len(population.visible), seed, philox.RESAMPLE, 0)
    return population.visible[order[:n]]


class Annealer:
    """Moves chains of a model along the path from a base-rate model, and weighs them."""

    def __init__(self, rbm: RBM, base_bias: ArrayLike) -> None:
        p = rbm._parameters
        self.bias = validate.parameter(base_bias, "base_bias", (rbm.n_visible,))
        self._rbm, self._reference = rbm, placed(self.bias, p.to_visible.to)
        self._difference = p.wide_visible_bias - self.bias
        self._n_tiles = p.to_hidden.tiles_array.shape[0] + p.to_visible.tiles_array.shape[0]

    @property
    def log_base(self) -> float:
        """log Z_0 = H log 2 + sum_i cgf(r_i)."""
        terms = self._rbm.visible.cgf(self.bias.astype(np.float64))
        return self._rbm.n_hidden * math.log(2.0) + float(np.add.accumulate(terms)[-1])

    def move(
        self, visible: BitMatrix, betas: np.ndarray, seed: int, stream: int, first_sweep: int, n_threads: int | None,
        countdown: Countdown | None = None, first_chain: int = 0,
    ) -> np.ndarray:  # fmt: skip
        """Take chains first_chain, first_chain + 1, ... along betas, in place, in calls short enough for Ctrl-C.

        Returns the logarithms of their weights, float64 (n,). A countdown gets chains times steps."""
        p, n, n_steps = self._rbm._parameters, len(visible), len(betas) - 1
        sizes, out = (self._rbm.n_visible, self._rbm.n_hidden), np.empty(n)
        for part, first, count, used in chain_calls(n, n_steps, sizes, workload.annealing(*sizes), n_threads):
            size = part.stop - part.start
            planes = visible.planes[:, part]
            if first == 0:
                hidden, weights = BitMatrix.empty(size, self._rbm.n_hidden), np.zeros((self._n_tiles, size))
            kernels.anneal(
                planes, hidden.planes, p.to_visible, p.to_hidden, self._reference, self._difference,
                betas[first : first + count + 1], seed, stream, first_sweep + first, first_chain + part.start, weights,
                used,
            )  # fmt: skip
            if countdown:
                countdown.done(part.start * n_steps + size * (first + count))
            if first + count == n_steps:
                out[part] = np.add.accumulate(weights, axis=0)[-1]
        return out


def hot_bias(rbm: RBM) -> np.ndarray:
    """b + W E[h] at beta 0, float32 (V,): sums in one order, so the same bits on any machine."""
    mean = rbm.hidden.off + 0.5 * rbm.hidden.step
    inputs = mean * np.add.accumulate(rbm.weights.astype(np.float64), axis=1)[:, -1]
    return (rbm.visible_bias + inputs).clip(-_LARGEST_BIAS, _LARGEST_BIAS).astype(np.float32)


def _systematic(total: np.ndarray, seed: int, step: int) -> np.ndarray:
    """Which chains go on, by weight: n even points of their running sum, from a random one on, each of the chain that
    it falls to. So a chain of more than average weight goes on at least once."""
    n = len(total)
    start = (int(philox.words(4, seed, philox.RESAMPLE, step + 1)[0]) + 0.5) * 2.0**-32
    points = (np.arange(n) + start) * (total[-1] / n)
    return np.minimum(np.searchsorted(total, points, side="right"), n - 1)
