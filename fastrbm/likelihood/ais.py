"""Annealed importance sampling: log Z from a model without weights up to the model, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import arrays, philox, threads, validate
from .._core.progress import Countdown
from .._core.synonyms import keywords
from .._core.warn import warn
from ..ranks import shared
from ..sampling.base_rate import data_bias
from ..sampling.model import model
from ..sampling.path import Path
from ..sampling.points import MOST_STEPS
from ..sampling.starts import chain_ends
from .results import LogPartition
from .weights import MARKOV, mean_weight, width

if TYPE_CHECKING:
    from ..rbm import RBM

N_BETAS = 10_000
_STANDARD = ((0.5, 500), (0.9, 4000), (1.0, 10_000))  # up to which beta, in how many steps
MOST_START_SWEEPS = philox.MOST_SWEEPS - 5000
_BASE_CHAINS, _BASE_SWEEPS = 512, 200
_START_SWEEPS = 5000


def standard_betas(n_betas: int = 14_500) -> np.ndarray:
    """A schedule of inverse temperatures from 0 to 1, float32 (n_betas + 1,).

    Of 14,500 steps, 500 go to 0.5, 4,000 on to 0.9 and 10,000 on to 1 (Salakhutdinov & Murray 2008); other numbers in
    the same proportions.

    >>> import fastrbm as fr
    >>> betas = fr.likelihood.standard_betas()
    >>> betas[[0, 500, 4500, 14500]].round(3).tolist(), len(betas)
    ([0.0, 0.5, 0.8999999761581421, 1.0], 14501)
    """
    n_betas = validate.integer(n_betas, "n_betas", 1, MOST_STEPS)
    whole, ends, points = sum(n for _, n in _STANDARD), [0.0], [0]
    for end, n in _STANDARD:
        points.append(points[-1] + n)
        ends.append(end)
    place = np.arange(n_betas + 1) * (whole / n_betas)
    return np.interp(place, points, ends).astype(np.float32)


@keywords()
@shared
def ais(
    path: RBM | Path,
    n_chains: int = 100,
    n_betas: int | None = None,
    seed: int = 0,
    data: ArrayLike | None = None,
    base_bias: ArrayLike | None = None,
    betas: ArrayLike | None = None,
    progress: bool = False,
    n_threads: int | None = None,
    *,
    comm: Any = None,
) -> LogPartition:
    """Estimate log Z by annealed importance sampling (Neal 2001; Salakhutdinov & Murray 2008).

    Chains start at exact draws from the base-rate model, `p_0(v) ~ exp(r'v)`, and go up the path, as a rule through the
    distributions `exp(-beta E(v, h) + (1 - beta) r'v)` (of real units see :class:`fastrbm.sampling.Path`). Before each
    move a chain's weight is multiplied by the ratio of the two unnormalized distributions of v at the state it is in.
    The mean weight times the base-rate model's own

        Z_0 = 2^H prod_i exp(cgf(r_i))

    has expectation Z. So log Z is under-estimated on average, and likelihoods are over-estimated: see
    :func:`bidirectional`.

    Parameters
    ----------
    path : RBM or Path
        A model stands for a path of its temperatures, of which n_betas, data, base_bias and betas say the rest. A
        :class:`fastrbm.sampling.Path` has its own: leave them out.
    n_chains : int
        Independent chains, at least 1.
    n_betas : int, optional
        Steps of the standard schedule, :func:`standard_betas`; 10,000 by default.
    seed : int
    data : array (n, V) or BitMatrix, optional
        Data whose smoothed means the base-rate model has.
    base_bias : array (V,), optional
        r itself. Without data and base_bias, the means of samples of the model serve (512 chains, 200 sweeps).
    betas : array, optional
        A schedule of your own, from 0 up to 1, in place of n_betas.
    progress : bool
        Show a line on standard error.
    n_threads : int, optional
        No effect on the result.
    comm : communicator, optional
        Of mpi4py: its ranks share the chains, all with the same arguments, and all get the same result; see the
        docs' page On a cluster.

    Returns
    -------
    LogPartition
        Its interval for Z goes from `1 - 3 s` to `1 / (1 - 3 s)` times the estimate. s is the relative standard error
        of the mean weight, from the spread of the chains' weights. The upper end is not `1 + 3 s`, since weights are
        skew: few are large, and a mean is more often too small than too large. Where `3 s` reaches 1 there is no upper
        end. The lower end is at most 6.6 nats below the estimate, by Markov's inequality, which holds for any weights.
        The spread is the one that was seen: it says nothing of modes that no chain visited.

    Warns
    -----
    UserWarning
        When the effective sample size is below a tenth of the chains, or below 2.

    Examples
    --------
    >>> import fastrbm as fr
    >>> rbm = fr.RBM.from_data(fr.datasets.load_digits(), n_hidden=10, seed=0)
    >>> estimate, truth = fr.likelihood.ais(rbm, n_betas=200), fr.likelihood.exact(rbm)
    >>> abs(estimate.value - truth.value) < 0.1
    True
    """
    n_chains, seed = checked(n_chains, seed, progress, n_threads)
    path = annealing_path(path, n_betas, betas, data, base_bias, seed, n_threads)
    visible = path.base_states(n_chains, seed, philox.ANNEAL, n_threads)
    with Countdown("AIS", n_chains * path.n_steps, progress) as countdown:
        ratios = path.move(visible, 0, path.n_steps, seed, philox.ANNEAL, 1, n_threads, countdown)
    mean, error, ess = mean_weight(ratios)
    value = path.log_base + mean
    _warn_if_small(ess, n_chains, "AIS")
    return LogPartition(value, value - min(width(error), MARKOV), value + width(error), "AIS", ess, ratios, error)


@keywords()
@shared
def reverse_ais(
    path: RBM | Path,
    start: ArrayLike | None = None,
    n_chains: int = 100,
    n_betas: int | None = None,
    seed: int = 0,
    n_sweeps: int = 0,
    data: ArrayLike | None = None,
    base_bias: ArrayLike | None = None,
    betas: ArrayLike | None = None,
    progress: bool = False,
    n_threads: int | None = None,
    *,
    comm: Any = None,
) -> LogPartition:
    """Estimate log Z by annealing the other way: from states of the model down to the base-rate model.

    With starting states drawn exactly from the model, the mean weight has expectation `Z_0 / Z`, so that log Z is
    over-estimated on average: the other side of :func:`ais`. Data, or the ends of long chains, are not exact draws; the
    estimate is as good as they are.

    Parameters
    ----------
    path : RBM or Path
        As for :func:`ais`.
    start : array (n, V) or BitMatrix, optional
        Exact samples, or data. Of more than n_chains examples, as many are chosen by seed; fewer are used in turn. By
        default the ends of chains of 5,000 sweeps.
    n_sweeps : int
        Sweeps of the model that the starting states do first.
    n_chains, n_betas, seed, data, base_bias, betas, progress, n_threads, comm
        As for :func:`ais`; data defaults to start.

    Returns
    -------
    LogPartition
        Its interval is as for :func:`ais`.
    """
    n_chains, seed = checked(n_chains, seed, progress, n_threads)
    n_sweeps = validate.integer(n_sweeps, "n_sweeps", 0, MOST_START_SWEEPS)
    rbm = path.rbm if isinstance(path, Path) else model(path, "path")
    if start is None:
        n_sweeps += _START_SWEEPS
        states = None
    else:
        states = rbm._states(start, "start")
        if len(states) == 0:
            raise ValueError("start must have at least one example")
        if not isinstance(path, Path) and data is None and base_bias is None:
            data = states
        order = philox.permutation(len(states), seed, philox.REVERSE, 0)
        states = states[np.resize(order, n_chains)]
    path = annealing_path(path, n_betas, betas, data, base_bias, seed, n_threads)
    visible = chain_ends(rbm, n_chains, n_sweeps, seed, philox.REVERSE_START, states, n_threads=n_threads)
    with Countdown("reverse AIS", n_chains * path.n_steps, progress) as countdown:
        ratios = path.move(visible, path.n_steps, 0, seed, philox.REVERSE, 1, n_threads, countdown)
    mean, error, ess = mean_weight(ratios)
    value = path.log_base - mean
    _warn_if_small(ess, n_chains, "reverse AIS")
    upper = value + min(width(error), MARKOV)
    return LogPartition(value, value - width(error), upper, "reverse AIS", ess, -ratios, error)


def checked(n_chains: int, seed: int, progress: bool, n_threads: int | None) -> tuple[int, int]:
    """(n_chains, seed), after a look at the arguments that all annealing has."""
    validate.flag(progress, "progress")
    threads.resolve(n_threads)
    return validate.integer(n_chains, "n_chains", 1, philox.MOST_CHAINS), validate.seed(seed)


def annealing_path(
    given: RBM | Path, n_betas: int | None, betas: ArrayLike | None, data: ArrayLike | None,
    base_bias: ArrayLike | None, seed: int, n_threads: int | None,
) -> Path:  # fmt: skip
    """A path as it is; or that of a model's temperatures along the standard schedule, from the base-rate model of data,
    or of samples of the model."""
    if isinstance(given, Path):
        more = {"n_betas": n_betas, "betas": betas, "data": data, "base_bias": base_bias}
        extra = [name for name, value in more.items() if value is not None]
        if extra:
            raise ValueError(f"a Path has its own steps and base: leave out {', '.join(extra)}")
        return given
    rbm = model(given, "path")
    if betas is None:
        points = standard_betas(N_BETAS if n_betas is None else n_betas)
    else:
        points = _checked_betas(betas)
    if base_bias is None:
        if data is None:
            data = chain_ends(rbm, _BASE_CHAINS, _BASE_SWEEPS, seed, philox.BASE_RATE, n_threads=n_threads)
        base_bias = data_bias(rbm, data)
    return Path(rbm, points=points, base_bias=base_bias)


def _checked_betas(betas: ArrayLike) -> np.ndarray:
    array = arrays.numbers(betas, "betas")
    if array.dtype.kind not in "iuf" or array.ndim != 1 or not 2 <= len(array) <= MOST_STEPS + 1:
        raise ValueError("betas must be a sequence of at least two numbers, from 0 to 1")
    array = array.astype(np.float64)
    if array[0] != 0 or array[-1] != 1 or not bool((np.diff(array) >= 0).all()):
        raise ValueError("betas must go from 0 up to 1, none below the one before")
    return array


def _warn_if_small(ess: float, n_chains: int, name: str) -> None:
    if n_chains > 1 and ess < max(0.1 * n_chains, 2.0):
        warn(
            f"{name}: the effective sample size is {ess:.1f} of {n_chains} chains, so that its interval means little; "
            "use more betas (n_betas, --betas)"
        )
