"""Whether chains that start far apart end in one distribution."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import philox, validate, workload
from .._core.display import grid, one_line, titled
from .._core.progress import Countdown
from ..ranks import shared
from ..sampling.annealing import population_annealing
from ..sampling.chains import Chains
from ..sampling.model import model
from ..sampling.starts import FEW
from .axes import axes_of, projections
from .convergence import folded, normal_scores

if TYPE_CHECKING:
    from ..rbm import RBM
    from ..sampling.annealing import Population
    from ..states.bits import BitMatrix

_FALSE_ALARMS = 0.001  # of models whose chains mix, in all comparisons together
_AXES = 3
_OTHERS = "chains from the biases", "annealed samples"  # what chains from the data are compared with


@dataclass(frozen=True, eq=False)
class Meeting:
    """How far the ends of chains from the data are from two other sets of states, in standard errors.

    Row 0 of each array compares them with the ends of chains from draws of the biases, row 1 with annealed samples.
    Prints as a table and two sentences.

    Attributes
    ----------
    units : float64 (2, V)
        Of the means of the visible units.
    axes : float64 (2, k)
        Of the places along the first three principal axes of the data, or as many as these vary along: the larger
        difference of those in location and in spread.
    free_energy : float64 (2,)
        Of the free energies, likewise.
    threshold : float
        The limit: what none of them reaches in 999 of 1,000 meetings of chains that mix.
    families : float
        Of the annealed samples: :class:`fastrbm.Population`.
    n_chains : int
        Of each kind.
    n_sweeps : int
        Of each chain.
    """

    units: np.ndarray
    axes: np.ndarray
    free_energy: np.ndarray
    threshold: float
    families: float
    n_chains: int
    n_sweeps: int

    def __repr__(self) -> str:
        return one_line(self, "agree", "worst", "threshold", "families", "n_chains", "n_sweeps")

    @property
    def worst(self) -> float:
        """The largest difference of all, in standard errors."""
        return max(largest for row in self._largest() for largest, _ in row)

    @property
    def agree(self) -> bool:
        """Whether no difference exceeds the threshold."""
        return self.worst <= self.threshold

    @property
    def words(self) -> str:
        """What was seen, and where they do not agree what to do."""
        few = ""
        if self.families < FEW:
            few = f"annealed samples are of {self.families:.1f} families only, and say little"
        if self.agree:
            return (
                f"Chains from the data, {_OTHERS[0]} and {_OTHERS[1]} end in one distribution after "
                f"{self.n_sweeps:,} sweeps, as far as {self.n_chains:,} of each can tell: no difference is larger than "
                f"{self.worst:.1f} standard errors, and {self.threshold:.1f} are the limit."
            ) + (f" But {few}." if few else "")
        largest = [max(row) for row in self._largest()]
        if largest[0][0] > self.threshold:
            k, advice = 0, "Chains hardly cross between modes: take more sweeps, or"
        else:
            k, advice = 1, "The model has modes that these chains miss, or weigh wrongly:"
        samplers = f"TemperedChains ({few})" if few else "RBM.sample (annealed) or TemperedChains"
        return (
            f"Chains from the data and {_OTHERS[k]} end apart after {self.n_sweeps:,} sweeps: by {largest[k][0]:.1f} "
            f"standard errors ({largest[k][1]}), and {self.threshold:.1f} are the limit. {advice} sample by "
            f"{samplers}, and train by gradient.Tempered."
        )

    def rows(self) -> list[tuple[str, ...]]:
        """A table as text: its head, then the largest difference of units, axes and the free energy."""
        columns = zip(*self._largest(), strict=True)
        names = [f"means of units ({self.units.shape[1]:,})"]
        names += [f"principal axes of the data ({self.axes.shape[1]})"] if self.axes.size else []
        names += ["free energy"]
        cells = [
            tuple(f"{apart:.1f}" + f" ({where})" * (where not in names) for apart, where in pair) for pair in columns
        ]
        head = ("largest difference (standard errors)", *_OTHERS)
        return [head, *((name, *pair) for name, pair in zip(names, cells, strict=True))]

    def _largest(self) -> list[list[tuple[float, str]]]:
        """For both comparisons the largest difference of each kind, and where it is."""
        return [
            [(float(u.max()), f"unit {int(u.argmax())}")]
            + ([(float(a.max()), f"axis {int(a.argmax()) + 1}")] if a.size else [])
            + [(float(f), "free energy")]
            for u, a, f in zip(self.units, self.axes, self.free_energy, strict=True)
        ]

    def _repr_html_(self) -> str:
        head, *rows = self.rows()
        return titled("Meeting", grid(head, [[escape(cell) for cell in row] for row in rows]), self.words)

    def __str__(self) -> str:
        rows = self.rows()
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, self.words])


@shared
def meet(
    rbm: RBM,
    X: ArrayLike,
    n_chains: int = 512,
    n_sweeps: int = 1000,
    seed: int = 0,
    progress: bool = False,
    n_threads: int | None = None,
    *,
    comm: Any = None,
) -> Meeting:
    """Let chains start at the data, and as many at draws from the visible biases, and see whether they end in one
    distribution, and that of annealed samples.

    They do if chains forget where they started; how well the model fits the data does not matter. If chains do not
    forget, they stay in the modes that they started in. Then modes have wrong weights in their samples, and a training
    by such chains learns these weights. R-hat sees this only where chains of one kind of start are in several modes.

    What is compared after the sweeps, as differences in standard errors:

    - the means of the visible units: the root of twice the log of the likelihood ratio of two binomial distributions,
      against one mean for both, with the counts half a count nearer to each other. Its tails are normal for rare units,
      too. Of real units differences of mean normal scores, as below;
    - places along the first three principal axes of the data, and free energies: differences of mean normal scores
      (van der Waerden 1952), which have no heavy tails, of the numbers, and of their distances from the median.

    Chains are as many draws as they are; annealed samples are as many as they have families. The limit is such that one
    meeting in 1,000 of chains that mix ends in a false alarm (Bonferroni, over all comparisons).

    Parameters
    ----------
    rbm : RBM
    X : array (n, columns), data frame or BitMatrix, of the units' values
        At least one example; as many as there are chains, from all over them, are where chains start. Where there are
        fewer, several chains start at one.
    n_chains : int
        Of each kind. That a mode has another weight shows, for a weight of about p, from a difference of
        `5 sqrt(2 p (1 - p) / n_chains)` on.
    n_sweeps : int
        Of the chains; annealing takes its 200 steps.
    seed : int
        Of chains and annealing.
    progress : bool
        Show a line on standard error.
    n_threads : int, optional
        No effect on the chains.
    comm : communicator, optional
        Of mpi4py: its ranks share the chains, all with the same arguments, and all get the same result; see the
        docs' page On a cluster.

    Returns
    -------
    Meeting
        ``agree``, and in ``words`` what was seen and what to do. Agreement is no proof: nothing here sees a mode that
        no start leads to, and none of the annealed samples reached.

    Raises
    ------
    TypeError, ValueError
        Where an argument is of the wrong kind or does not fit the model.

    Examples
    --------
    Two modes, all units off (a tenth of the weight) and all on. Chains do not cross between them.

    >>> import numpy as np, fastrbm as fr
    >>> rbm = fr.RBM(np.full((20, 2), 3.0), np.full(20, -2.89), np.full(2, -30.0))
    >>> X = np.zeros((100, 20))
    >>> X[10:] = 1
    >>> met = fr.diagnostics.meet(rbm, X, n_sweeps=200)
    >>> met.agree, met.worst > 2 * met.threshold
    (False, True)
    """
    model(rbm)
    n = validate.integer(n_chains, "n_chains", 1, philox.MOST_CHAINS // 2)
    n_sweeps = validate.integer(n_sweeps, "n_sweeps", 1, philox.MOST_SWEEPS)
    validate.flag(progress, "progress")
    data = rbm._states(X, "X")
    if not len(data):
        raise ValueError("X must have at least one example")
    pair = Chains(rbm, n, seed, n_threads=n_threads), chains_from(rbm, data, n, seed, n_threads)
    step = workload.steps_a_call(workload.sweep(rbm.n_visible, rbm.n_hidden).of(n))
    with Countdown("sampling", 2 * n_sweeps, progress) as line:
        for k, chains in enumerate(pair):
            while left := n_sweeps - chains.n_sweeps_done:
                chains.sweep(min(step, left), n_threads)
                line.done(k * n_sweeps + chains.n_sweeps_done)
    population = population_annealing(rbm, n, seed=seed, progress=progress, n_threads=n_threads)
    from_biases, from_data = (chains.visible_bits for chains in pair)
    return compare(rbm, data, from_data, from_biases, population, n_sweeps, n_threads)


def chains_from(rbm: RBM, data: BitMatrix, n: int, seed: int, n_threads: int | None) -> Chains:
    """n chains that start at data, from all over them, and have other numbers than the first n of this seed."""
    start = data[np.linspace(0, len(data) - 1, n).astype(np.intp)]
    return Chains(rbm, n, seed, start, n_threads=n_threads, first_chain=n)


def compare(
    rbm: RBM, data: BitMatrix, from_data: BitMatrix, from_biases: BitMatrix, population: Population, n_sweeps: int,
    n_threads: int | None,
) -> Meeting:  # fmt: skip
    """What the ends of as many chains of both kinds, and annealed samples, have to say."""
    n, axes = len(from_data), axes_of(rbm, data, _AXES)
    one, *others = (
        (
            states.to_values(),
            np.concatenate([projections(rbm, states, axes), rbm.free_energy(states, n_threads)[None]]),
        )
        for states in (from_data, from_biases, population.visible)
    )
    units, rest = [], []
    for (values, numbers), draws in zip(others, (float(n), population.families), strict=True):
        units.append(_units_apart(rbm, one[0], values, n, draws))
        rest.append([_scores_apart(*pair, n, draws) for pair in zip(one[1], numbers, strict=True)])
    comparisons = 2 * (len(units[0]) + 2 * len(rest[0]))
    threshold = NormalDist().inv_cdf(1.0 - _FALSE_ALARMS / (2 * comparisons))
    apart = np.array(rest)
    return Meeting(np.array(units), apart[:, :-1], apart[:, -1], threshold, population.families, n, n_sweeps)


def _units_apart(rbm: RBM, x: np.ndarray, y: np.ndarray, m: float, n: float) -> np.ndarray:
    """How far the means of units are apart, of values (states, V) that are worth m and n draws."""
    out, first = _means_apart(x.mean(axis=0), y.mean(axis=0), m, n), 0
    for segment in rbm.visible.segments:
        for unit in range(first, first + segment.n) if segment.real else ():
            out[unit] = _location_apart(np.concatenate([x[:, unit], y[:, unit]]), len(x), m, n)
        first += segment.n
    return out


def _means_apart(p: np.ndarray, q: np.ndarray, m: float, n: float) -> np.ndarray:
    """How far the means of units in m and in n draws are apart, in standard errors: the root of twice the log of the
    likelihood ratio, with the counts half a count nearer to each other."""
    gap = np.maximum(np.abs(p - q) - 0.5 / m - 0.5 / n, 0.0) * np.sign(p - q)
    both = (m * p + n * q) / (m + n)
    p, q = both + gap * n / (m + n), both - gap * m / (m + n)
    return np.sqrt(2.0 * np.maximum(m * _relative_entropy(p, both) + n * _relative_entropy(q, both), 0.0))


def _relative_entropy(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """p log(p / q) + (1 - p) log((1 - p) / (1 - q)), 0 log 0 being 0."""
    terms = np.zeros_like(q)
    for a, b in ((p, q), (1.0 - p, 1.0 - q)):
        some = (a > 0.0) & (b > 0.0)
        terms[some] += a[some] * np.log(a[some] / b[some])
    return terms


def _scores_apart(x: np.ndarray, y: np.ndarray, m: float, n: float) -> float:
    """How far numbers that are worth m and n draws are apart in location, or in spread if that is more, in standard
    errors: by their normal scores."""
    both = np.concatenate([x, y])
    return max(_location_apart(numbers, len(x), m, n) for numbers in (both, folded(both)))


def _location_apart(both: np.ndarray, n_first: int, m: float, n: float) -> float:
    """How far the first of numbers are from the others in location, in standard errors: by their normal scores."""
    scores = normal_scores(both)
    error = float(scores.std(ddof=1)) * np.sqrt(1.0 / m + 1.0 / n)
    if not error > 0.0:
        return 0.0
    return abs(float(scores[:n_first].mean() - scores[n_first:].mean())) / float(error)
