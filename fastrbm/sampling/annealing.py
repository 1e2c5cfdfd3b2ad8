"""Population annealing: samples in which every mode has its weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import floatmath, philox, threads, validate, workload
from .._core.display import one_line
from .._core.progress import Countdown
from .._core.synonyms import keywords
from ..ranks import shared
from ..states.bits import BitMatrix, zeros
from . import gibbs
from .modes import SWEEPS, clustered, mode_biases, search_work, to_grid
from .path import Path, path_of
from .points import N_STEPS
from .resampling import anneal, descendants, effective_size, error_of, families_of, normalized
from .starts import FEW, warn_of_few

if TYPE_CHECKING:
    from ..rbm import RBM

__all__ = ["Population", "population_annealing"]

_FEWEST_CHAINS = 512  # of a population that sample takes its starts from
_SECOND = 1 << 31  # the first chain of a second population under the same seed
_HOPELESS = 2.0  # families, below which four times the work is not tried
_STRETCH = 10  # steps between two draws of a chain's base, and single steps at the end, where bases become one
_MORE = (
    "More chains, or population_annealing with more steps, make it sharper; method='tempered' or TemperedChains may too"
)
_NUMBERS = 1 << 22  # values of units at a time: bounds the memory
_SHARED = 256  # chains of one base, below which threads would only wait for each other
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
        The effective number of families, `1 / sum_k f_k^2`, where `f_k` is the part of the population that descends
        from chain k of the start, or, where that makes it smaller, the part of the weight before the last resampling
        (of chains of nearly one weight each has one descendant): n_chains if no chain counts for more than another, 1
        if all are of one family. The weight p of a mode is known to about `sqrt(p (1 - p) / families)`.
    ess : float
        The smallest effective sample size `(sum w)^2 / sum w^2` that was seen.
    standard_error : float
        Of log_partition, in nats: `sqrt(1 / families - 1 / n_chains)`, what the sizes of the families tell of it (Lee &
        Whiteley 2018); infinite for one chain. It knows nothing of modes that no chain visited.
    """

    visible: BitMatrix
    log_partition: float
    families: float
    ess: float

    def __repr__(self) -> str:
        return one_line(self, "log_partition", "families", "ess", "visible")

    @property
    def standard_error(self) -> float:
        return error_of(self.families, len(self.visible))


@keywords()
@shared
def population_annealing(
    path: RBM | Path,
    n_chains: int = 1024,
    n_steps: int | None = None,
    seed: int = 0,
    base_bias: ArrayLike | None = None,
    progress: bool = False,
    n_threads: int | None = None,
    *,
    modes: ArrayLike | None = None,
    comm: Any = None,
) -> Population:
    """Draw samples by annealing a population of chains that are resampled by their weights on the way (Hukushima & Iba
    2003; Machta 2010).

    The chains start at exact draws from the path's base-rate model and go up the path, by default through the
    distributions `exp(-beta E(v, h) + (1 - beta) r'v)` with beta from 0 up to 1. Before each move a chain's weight is
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
        r. By default `b + W E[h]` with hidden units as they are at beta 0: on half of the time. A Path has its own.
    progress : bool
        Show a line on standard error.
    n_threads : int, optional
        No effect on the result.
    modes : array (K, V), optional
        Biases of K more base-rate models, such as :func:`fastrbm.sampling.mode_biases` finds: half of the chains start
        at draws from these, as many from each, and the path's first distribution is the mixture of them all. The ends
        have the right weights whatever the modes are. Where modes are far apart, this is what lets chains find them:
        along the temperatures of such a model, all its weight goes from one mode to another at once.
    comm : communicator, optional
        Of mpi4py: its ranks share the chains, all with the same arguments, and all get the same result; see the
        docs' page On a cluster.

    Returns
    -------
    Population
        Whether to believe it, its ``families`` say. Of modes that no chain found they know nothing.

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
    return _annealed(path, n, seed, modes, progress, n_threads)


def _annealed(
    path: Path, n: int, seed: int, modes: ArrayLike | None, progress: bool, n_threads: int | None, first_chain: int = 0
) -> Population:
    """Population annealing by the numbers of chains first_chain, first_chain + 1, ..."""
    with Countdown("population annealing", n * path.n_steps, progress) as countdown:
        if modes is not None:
            return _of_mixture(path, n, seed, _Mixture(path, modes, n), countdown, n_threads, first_chain)
        visible = path.base_states(n, seed, philox.POPULATION, n_threads, first_chain)
        streams = philox.POPULATION, philox.RESAMPLE
        end = anneal(path, visible, True, seed, streams, _RESAMPLE_BELOW, 1, n_threads, countdown, first_chain)
    chosen, _ = descendants(end.log_weights, seed, philox.RESAMPLE, path.n_steps - 1, first_chain)
    visible.planes[:] = visible.planes[:, chosen]
    families = min(_families(end.family[chosen]), end.families)
    return Population(visible, path.log_base + end.log_ratio, families, end.ess)


def _of_mixture(
    path: Path, n: int, seed: int, mixture: _Mixture, countdown: Countdown, n_threads: int | None, first_chain: int
) -> Population:
    """The same from a mixture of bases; the chains take other places at each move."""
    visible = mixture.start(n, seed, n_threads, first_chain)
    log_z, family, log_weights, smallest, step, families = 0.0, np.arange(n), np.zeros(n), float(n), 0, float(n)
    while step < path.n_steps:
        order, gained = mixture.move(visible, step, seed, n_threads, first_chain)
        family, log_weights = family[order], log_weights[order] + gained
        step = mixture.last(step)
        ess = effective_size(normalized(log_weights)[0])
        smallest = min(smallest, ess)
        if step == path.n_steps:
            families = families_of(family, log_weights)
        if ess < _RESAMPLE_BELOW * n or step == path.n_steps:
            chosen, log_mean = descendants(log_weights, seed, philox.RESAMPLE, step - 1, first_chain)
            visible.planes[:] = visible.planes[:, chosen]
            log_z += log_mean
            family, log_weights = family[chosen], np.zeros(n)
        countdown.done(n * step)
    return Population(visible, log_z, min(_families(family), families), smallest)


def _families(family: np.ndarray) -> float:
    """Their effective number, by integers."""
    sizes = np.bincount(family).astype(np.int64)
    return float(len(family)) ** 2 / float(np.square(sizes).sum())


class _Mixture:
    """A path whose base is a mixture of base-rate models: the path's own, with half of the weight, and one for each
    mode, alike.

    At beta it has p(v, h) in proportion to exp(-beta E(v, h)) sum_k w_k exp((1 - beta) (r_k'v - A_k)), with A_k = log
    sum_v exp(r_k'v). Where E alone makes one mode heavier than another by far at some beta, so that all chains are lost
    to it, here each mode has a weight of about its own all the way: at the start its base's, at the end the model's.

    A chain moves with a base k that is drawn given v, with probabilities in proportion to w_k exp((1 - beta) (r_k'v -
    A_k)): which leaves the distribution of v as it is, and makes its move one of the path with that base alone. Over
    several steps beta is that of their start, and the weight is the base's own. Of a single step the weight is that of
    the mixtures, summed over bases, and beta is that of its end: there the move must leave the mixture as it is.
    """

    def __init__(self, path: Path, modes: ArrayLike, n: int) -> None:
        rbm = path.rbm
        given = validate.parameter(modes, "modes", (None, rbm.n_visible))[: n // 2]
        self._paths = [
            Path(path.models, points=path.points, base_bias=bias)
            for bias in to_grid(np.concatenate([path.base_bias[None], given]).astype(np.float64), rbm.visible)
        ]
        self._biases = np.array([p.base_bias for p in self._paths], np.float64)
        self._log_norms = np.array([p.log_base for p in self._paths])
        each = n // 2 // max(1, len(given))
        self._counts = np.array([n - each * len(given)] + [each] * len(given))
        self._log_shares = floatmath.log(self._counts / n)
        self._betas = path.visible_beta(path.points)
        self._hot = int(np.searchsorted(path.points, 1.0))  # steps before the first model

    def start(self, n: int, seed: int, n_threads: int | None, first_chain: int) -> BitMatrix:
        """n exact draws of v from the mixture, in the order of its parts."""
        out, first = zeros(n, self._paths[0].rbm.visible), 0
        for path, count in zip(self._paths, self._counts.tolist(), strict=True):
            drawn = path.base_states(count, seed, philox.POPULATION, n_threads, first_chain + first)
            out.planes[:, first : first + count] = drawn.planes
            first += count
        return out

    def last(self, first: int) -> int:
        """The point number to which chains go from number first with one base."""
        return min(first + _STRETCH, max(first + 1, self._hot - _STRETCH))

    def move(
        self, visible: BitMatrix, first: int, seed: int, n_threads: int | None, first_chain: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Take chains from point number first to :meth:`last`, in place but in another order.

        Returns that order, and the logarithms of the weights that they get: of one step, summed over bases.
        """
        last, n = self.last(first), len(visible)
        if first >= self._hot:
            weights = self._paths[0].move(
                visible, first, last, seed, philox.POPULATION, 1 + first, n_threads, first_chain=first_chain
            )
            return np.arange(n), weights
        words = philox.words(n, seed, philox.BASE, 1 + first, 4 * first_chain)
        base, weights, step = np.empty(n, np.intp), np.empty(n), self._betas[last] - self._betas[first]
        rows = max(1, _NUMBERS // (visible.n_units + len(self._paths)))
        for start in range(0, n, rows):
            part = slice(start, start + rows)
            base[part], weights[part] = self._drawn(visible[part], words[part], first, last)
        order = np.argsort(base, kind="stable")
        base, weights = base[order], weights[order]
        visible.planes[:] = visible.planes[:, order]
        ends = np.searchsorted(base, np.arange(len(self._paths) + 1))
        for k, (start, stop) in enumerate(zip(ends, ends[1:], strict=False)):
            if start < stop:
                weights[start:stop] += step * self._log_norms[k] + self._paths[k].move(
                    visible[start:stop], first, last, seed, philox.POPULATION, 1 + first,
                    n_threads if stop - start >= _SHARED else 1, first_chain=first_chain + int(start),
                )  # fmt: skip
        return order, weights

    def _drawn(self, visible: BitMatrix, words: np.ndarray, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """The base of each chain, by a random word; and what the weight of a single step has beside that of its base's
        path, so that it is that of all bases at once."""
        fields = self._fields(visible)
        before = fields * (1.0 - self._betas[first]) + self._log_shares
        after = fields * (1.0 - self._betas[last]) + self._log_shares
        single = last == first + 1
        sums = _running_sums(after if single else before)
        base = (sums <= ((words + 0.5) * 2.0**-32 * sums[:, -1])[:, None]).sum(axis=1)
        if not single:
            return base, np.zeros(len(base))
        step = self._betas[last] - self._betas[first]
        return base, step * fields[np.arange(len(base)), base] + _log_sum(after) - _log_sum(before)

    def _fields(self, visible: BitMatrix) -> np.ndarray:
        """r_k'v - A_k, float64 (n, K + 1), but for the hidden layer's part of A_k."""
        values = self._paths[0].rbm.visible.unit_values(visible.to_states())
        return np.einsum("ij,kj->ik", values, self._biases) - (self._log_norms - self._paths[0].log_hidden_base)


def _log_sum(x: np.ndarray) -> np.ndarray:
    """log sum_k exp(x_ik), float64 (n,)."""
    return x.max(axis=1) + floatmath.log(_running_sums(x)[:, -1])


def _running_sums(x: np.ndarray) -> np.ndarray:
    """Of exp(x_ik) along k, less the largest x_ik of each row."""
    return np.add.accumulate(floatmath.exp(np.maximum(x - x.max(axis=1, keepdims=True), -700.0)), axis=1)


def annealed_starts(
    rbm: RBM, n: int, n_sweeps: int, seed: int, n_threads: int | None, progress: bool = False
) -> BitMatrix:
    """n visible states for chains of so many sweeps to start from; a warning where they are of few families."""
    population = of_modes(rbm, max(n, _FEWEST_CHAINS), min(N_STEPS, n_sweeps), seed, n_threads, progress)
    chains, families = f"the {len(population.visible):,} chains of population annealing", population.families
    warn_of_few(families, f"{chains} are of {families:.1f} families. {_MORE}")
    order = philox.permutation(len(population.visible), seed, philox.RESAMPLE, 0)
    return population.visible[order[:n]]


def of_modes(
    rbm: RBM, n_chains: int, n_steps: int, seed: int, n_threads: int | None, progress: bool = False,
    again: bool = True,
) -> Population:  # fmt: skip
    """Population annealing from the modes that short chains find.

    Where its ends are of few families and steps are not few, the modes that it ended in join the others, and twice the
    chains take twice the steps, unless again is False; not where nearly all are of one family.
    """
    modes = mode_biases(rbm, min(SWEEPS, n_steps), seed, n_threads)
    population = _annealed(Path(rbm, n_steps), n_chains, seed, modes, progress, n_threads)
    if again and n_steps >= N_STEPS and _HOPELESS <= population.families < FEW:
        modes = np.concatenate([_modes_of(rbm, population.visible, seed, n_threads), modes])
        population = _annealed(Path(rbm, 2 * n_steps), 2 * n_chains, seed, modes, progress, n_threads, _SECOND)
    return population


def work_of_modes(rbm: RBM, n_chains: int, n_steps: int, again: bool) -> int:
    """The work of :func:`of_modes`, in connections (workload); again: with a second population."""
    work = search_work(rbm, min(SWEEPS, n_steps))
    step = workload.annealing(rbm.n_visible, rbm.n_hidden)
    return work + n_steps * step.of(n_chains) + (2 * n_steps * step.of(2 * n_chains) if again else 0)


def _modes_of(rbm: RBM, visible: BitMatrix, seed: int, n_threads: int | None) -> np.ndarray:
    """The modes (K, V) that visible states are in."""
    hidden = zeros(len(visible), rbm.hidden)
    gibbs.half_step(
        rbm._parameters.to_hidden, visible, kind=philox.HIDDEN, seed=seed, stream=philox.MODE_SEARCH,
        first_chain=_SECOND, out=hidden, n_threads=n_threads,
    )  # fmt: skip
    return clustered(rbm, visible, hidden, n_threads)
