"""Population annealing: samples in which every mode has its weight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .._core import philox, threads, validate
from .._core.progress import Countdown
from .._core.warn import warn
from ..states.bits import BitMatrix
from .path import N_STEPS, Path, path_of
from .resampling import anneal, descendants

if TYPE_CHECKING:
    from ..rbm import RBM

__all__ = ["Population", "population_annealing"]

FEW_FAMILIES = 25  # below this, the weight of a mode may be off by 0.1, one standard error
_FEWEST_CHAINS = 256  # of a population that sample takes its starts from
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
    standard_error : float
        Of log_partition, in nats: sqrt(1 / families - 1 / n_chains), what the sizes of the families tell of it (Lee &
        Whiteley 2018). It knows nothing of modes that no chain visited.
    """

    visible: BitMatrix
    log_partition: float
    families: float
    ess: float

    @property
    def standard_error(self) -> float:
        return math.sqrt(max(1.0 / self.families - 1.0 / len(self.visible), 0.0))


def population_annealing(
    path: RBM | Path,
    n_chains: int = 1024,
    n_steps: int | None = None,
    seed: int = 0,
    base_bias: ArrayLike | None = None,
    progress: bool = False,
    n_threads: int | None = None,
) -> Population:
    """Draw samples by annealing a population of chains that are resampled by their weights on the way (Hukushima & Iba
    2003; Machta 2010).

    The chains start at exact draws from the path's base-rate model and go up the path, by default through the
    distributions exp(-beta E(v, h) + (1 - beta) r'v) with beta from 0 up to 1. Before each move a chain's weight is
    multiplied by the ratio of the two unnormalized distributions at the state that it is in. When the weights become
    unequal, the population is resampled: a chain has a number of copies that is its weight, rounded up or down
    (systematic resampling). A mode that chains find too seldom gains weight as beta rises, and one that they find too
    often loses it: the ends have the weights that the modes have, where single chains keep those of their start.

    Parameters
    ----------
    path : RBM or Path
        A model stands for the path of its temperatures.
    n_chains : int
        The population, at least 1. Tens of chains say little about weights.
    n_steps : int, optional
        Even steps of beta, by default 200, each of which costs about one and a half sweeps. A Path has its own.
    seed : int
        The same seed gives the same population.
    base_bias : array (V,), optional
        r. By default b + W E[h] with hidden units as they are at beta 0: on half of the time. A Path has its own.
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
    path = path_of(path, n_steps, base_bias)
    n = validate.integer(n_chains, "n_chains", 1, philox.MOST_CHAINS)
    seed = validate.seed(seed)
    validate.flag(progress, "progress")
    threads.resolve(n_threads)
    visible = path.base_states(n, seed, philox.POPULATION, n_threads)
    streams = philox.POPULATION, philox.RESAMPLE
    with Countdown("population annealing", n * path.n_steps, progress) as countdown:
        end = anneal(path, visible, True, seed, streams, _RESAMPLE_BELOW, 1, n_threads, countdown)
        chosen, _ = descendants(end.log_weights, seed, philox.RESAMPLE, path.n_steps - 1)
    sizes = np.bincount(end.family[chosen], minlength=n) / n
    visible.planes[:] = visible.planes[:, chosen]
    return Population(visible, path.log_base + end.log_ratio, 1.0 / float((sizes * sizes).sum()), end.ess)


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
