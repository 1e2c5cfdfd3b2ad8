"""Bidirectional AIS: log Z from both sides, and combined."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import validate
from .._core.synonyms import keywords
from ..ranks import shared
from ..sampling.model import model
from ..sampling.path import Path
from .ais import MOST_START_SWEEPS, ais, annealing_path, checked, reverse_ais
from .bennett import acceptance_ratio
from .results import Bidirectional, LogPartition
from .tolerance import to_tolerance
from .weights import MARKOV

if TYPE_CHECKING:
    from ..rbm import RBM

_CLOSE = 1.0  # nats: what counts as agreement where the weights are too few to give an error
_ENOUGH = 10  # chains each way, from which the combined estimate's error, a large-sample formula, is to be trusted


@keywords()
@shared
def bidirectional(
    path: RBM | Path,
    data: ArrayLike | None = None,
    n_chains: int | None = None,
    n_betas: int | None = None,
    seed: int = 0,
    n_sweeps: int = 0,
    betas: ArrayLike | None = None,
    progress: bool = False,
    n_threads: int | None = None,
    *,
    tolerance: float = 0.5,
    seconds: float | None = None,
    comm: Any = None,
) -> Bidirectional:
    """log Z from both sides: by chains that are annealed up to the model, and by chains that are annealed down from it.

    On average the first give too small a log Z. The second, started from states that follow the model, give too large a
    one (Grosse, Ghahramani & Adams 2015, "Sandwiching the marginal likelihood using bidirectional Monte Carlo"). Where
    they agree, the two are combined, by Bennett's acceptance ratio where no chain was resampled (Bennett 1976; Shirts
    et al. 2003). Where they do not agree, the result says so in words.

    By default the run is as long as it has to be. Populations of chains go up and down a path whose points are where
    they serve best (:meth:`Path.adapted <fastrbm.sampling.Path.adapted>`), resampled by their weights where these
    become unequal, with more steps and chains from round to round, until half of the interval is within the tolerance.
    Upward chains start at the base rates of the data, or of the model's hot end, or in the mode of a hidden unit,
    whichever sees the most of Z. Down go data, the ends of the upward chains, and the ends of chains from modes of
    single hidden units. The result must be consistent with all of them, and with :func:`lower_bound`.

    With n_chains, n_betas or betas it is one run of AIS and one of reverse AIS on that schedule.

    Parameters
    ----------
    path : RBM or Path
        As for :func:`ais`.
    data : array (n, columns) or BitMatrix, optional
        Starting states of downward chains, and the base rates where a model is given. By default both come from chains
        of the model.
    n_chains, n_betas, seed, betas, progress, n_threads, comm
        As for :func:`ais`.
    n_sweeps : int
        Sweeps of the model that the starting states of downward chains do first.
    tolerance : float
        In nats, above 0: what half of the interval should be.
    seconds : float, optional
        Start no further round after so much time. Where this ends it, the result depends on the machine. By default the
        end is at `2^25` chains times steps, of the upward chains and the downward ones, and fewer beyond 1,024 x 1,024:
        two minutes or so.

    Returns
    -------
    Bidirectional
        An interval by populations is never below 0.05 nats either way: no run of a few thousand chains excludes that a
        mode of 5 % of the weight was missed.

    Examples
    --------
    >>> import fastrbm as fr
    >>> rbm = fr.RBM.from_data(fr.datasets.load_digits(), n_hidden=10, seed=0)
    >>> both = fr.likelihood.bidirectional(rbm)
    >>> both.agree, abs(both.value - fr.likelihood.exact(rbm).value) < 0.1
    (True, True)
    """
    chosen, seed = checked(100 if n_chains is None else n_chains, seed, progress, n_threads)
    n_sweeps = validate.integer(n_sweeps, "n_sweeps", 0, MOST_START_SWEEPS)
    tolerance, seconds = limits(tolerance, seconds)
    if n_chains is None and n_betas is None and betas is None:
        rbm = path.rbm if isinstance(path, Path) else model(path, "path")
        states = None if data is None else rbm._states(data, "data")
        if states is not None and len(states) == 0:
            raise ValueError("data must have at least one example")
        return to_tolerance(path, states, tolerance, seconds, seed, n_sweeps, progress, n_threads)
    if not isinstance(path, Path):
        path = annealing_path(path, n_betas, betas, data, None, seed, n_threads)
    elif n_betas is not None or betas is not None:
        raise ValueError("a Path has its own steps: leave out n_betas and betas")
    how: dict[str, Any] = {"n_chains": chosen, "seed": seed, "progress": progress, "n_threads": n_threads}
    forward, reverse = ais(path, **how), reverse_ais(path, data, n_sweeps=n_sweeps, **how)
    assert forward.log_ratios is not None and reverse.log_ratios is not None and forward.ess and reverse.ess  # annealed
    ess = min(forward.ess, reverse.ess)
    ratio, error = acceptance_ratio(forward.log_ratios, reverse.log_ratios)
    value = path.log_base + ratio
    ratios = np.concatenate([forward.log_ratios, reverse.log_ratios])
    combined = LogPartition(value, value - 3 * error, value + 3 * error, "Bennett's ratio", ess, ratios, error)
    meet = forward.lower <= reverse.upper and reverse.lower <= forward.upper
    bounded = math.isfinite(forward.upper - reverse.lower) and chosen >= _ENOUGH
    agree = meet and (bounded or abs(forward.value - reverse.value) <= _CLOSE)
    size: dict[str, Any] = {"n_chains": chosen, "n_steps": path.n_steps}
    if agree and bounded:
        return Bidirectional(value, combined.lower, combined.upper, forward, reverse, combined, True, **size)
    ends = [forward.lower, reverse.upper]
    ends += [min(forward.upper, forward.value + MARKOV), max(reverse.lower, reverse.value - MARKOV)]
    if chosen < _ENOUGH:  # the spread of so few weights says little: Markov's inequality holds for any
        ends += [forward.value - MARKOV, reverse.value + MARKOV]
    middle = value if agree else (forward.value + reverse.value) / 2
    return Bidirectional(middle, min(ends), max(ends), forward, reverse, combined, agree, **size)


def limits(tolerance: float, seconds: float | None) -> tuple[float, float | None]:
    """The arguments that say when to end, after a look at them."""
    tolerance = validate.real(tolerance, "tolerance", 0.0)
    if tolerance == 0.0:
        raise ValueError("tolerance must be above 0")
    return tolerance, None if seconds is None else validate.real(seconds, "seconds", 0.0)
