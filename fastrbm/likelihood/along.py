"""Log-likelihoods of all models of a path, by the ratios of their partition functions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import floatmath, philox, threads, validate
from .._core.display import one_line
from .._core.synonyms import keywords
from .._core.warn import warn
from ..ranks import shared
from ..sampling.path import Path
from ..sampling.rungs import Models
from ..sampling.tempering import TemperedChains
from ..sampling.trajectory import Trajectory
from .bennett import acceptance_ratio, reverse_share
from .density import log_density

_FEW_SWAPS = 0.03  # a rate below which neighbors are too far apart
_PART_BEFORE = 4  # one in so many sweeps comes before those that count


@dataclass(frozen=True, eq=False)
class Along:
    """Log-likelihoods along a path, by :func:`along`. Prints as a table.

    Attributes
    ----------
    updates : int64 (n,)
        After which update of the training each model was kept; of a path that is no trajectory, 1, 2, ...
    mean : float64 (n,)
        The mean log-likelihood of the data under each, in nats; of real units as :func:`score` has it.
    standard_error : float64 (n,)
        Of the mean, from the spread of the examples.
    log_z : float64 (n,)
        Of each model.
    log_z_error : float64 (n,)
        Its standard error, from the spread of the chains. It knows nothing of modes that no chain visited.
    """

    updates: np.ndarray
    mean: np.ndarray
    standard_error: np.ndarray
    log_z: np.ndarray
    log_z_error: np.ndarray

    def __len__(self) -> int:
        return len(self.mean)

    def __repr__(self) -> str:
        return one_line(self, "updates", "mean", "log_z")

    def __str__(self) -> str:
        lines = ["  update  log-likelihood  +- (log Z)  +- (data)"]
        for row in zip(self.updates, self.mean, self.log_z_error, self.standard_error, strict=True):
            lines.append("{:8,d}  {:14.2f}  {:10.2f}  {:9.2f}".format(*row))
        return "\n".join(lines)


@keywords()
@shared
def along(
    path: Path | Trajectory,
    X: ArrayLike,
    n_sweeps: int = 40,
    n_chains: int | None = None,
    seed: int = 0,
    n_threads: int | None = None,
    *,
    comm: Any = None,
) -> Along:
    """The log-likelihood of data under every model of a path, or of a training's trajectory.

    log Z of the base-rate model is known. That of each other model follows from the model before it, by Bennett's
    acceptance ratio (Bennett 1976) of visible states of both. The states come from :class:`fastrbm.TemperedChains`
    along the path. Those of a trajectory start where the chains of its training were. Such chains lag behind their
    model, more so at large learning rates, so that estimates from them alone (n_sweeps=0, nearly free) are wrong. A few
    sweeps mend that where neighbors swap. (Bereux, Decelle, Furtlehner, Rosset & Seoane 2024, arXiv
    2405.15376.)

    Each chain of the coldest rung belongs to a column of chains, one a rung, which exchange states among themselves
    alone. So columns are independent, if they started so, and log_z_error is the standard error of a mean over them:
    of the sums of all steps, so that it holds what successive sweeps, and neighboring steps, have in common. It is
    a spread that was seen. Sweeps that are too few for the chains to forget a wrong start, and modes that no chain
    visited, do not show in it: where swap rates or round trips of such chains are near 0, do not believe it. (A path
    that starts by population annealing may have columns of one family.)

    Parameters
    ----------
    path : Path or Trajectory
    X : array (n, columns) or BitMatrix
        At least one example, none of them with missing entries.
    n_sweeps : int
        Of the tempered chains; the first quarter is not counted. 0: the states of the trajectory as they are.
    n_chains : int, optional
        At each point of a path, at least 2, by default 128. A trajectory has its own.
    seed : int
        The same seed gives the same result.
    n_threads : int, optional
        No effect on the result.
    comm : communicator, optional
        Of mpi4py: its ranks share the chains, all with the same arguments, and all get the same result; see the
        docs' page On a cluster.

    Returns
    -------
    Along

    Warns
    -----
    UserWarning
        When neighbors exchange less than 0.03 of their states.

    Examples
    --------
    >>> import fastrbm as fr
    >>> X = fr.datasets.load_digits()
    >>> rbm = fr.RBM.from_data(X, n_hidden=10, seed=0)
    >>> history = fr.fit(rbm, X, epochs=100, trajectory=True)
    >>> scores = fr.likelihood.along(history.trajectory, X)
    >>> bool(abs(scores.mean[-1] - fr.likelihood.score(rbm, X).mean) < 5 * scores.log_z_error[-1])
    True
    """
    if not isinstance(path, (Path, Trajectory)):
        raise TypeError(f"path must be a sampling.Path or a sampling.Trajectory, not {type(path).__name__}")
    n_sweeps = validate.integer(n_sweeps, "n_sweeps", 0, philox.MOST_SWEEPS)
    seed = validate.seed(seed)
    threads.resolve(n_threads)
    bits = (path if isinstance(path, Path) else path.path).rbm._states(X, "X")
    if len(bits) == 0:
        raise ValueError("X must have at least one example")
    chains, way, updates = _chains(path, n_chains, seed, n_threads)
    steps, errors = _steps(chains, n_sweeps, n_threads)
    _warn_if_apart(chains.swap_rates[::-1])
    # the coldest rung comes first
    ends = np.searchsorted(way.points, np.arange(1, len(way.models) + 1)) - 1
    log_z = way.log_base + np.add.accumulate(steps[::-1])[ends]
    influence = np.add.accumulate(errors[::-1], axis=0)[ends]
    n, m = influence.shape[1], len(bits)
    log_z_error = np.sqrt(np.add.accumulate(np.square(influence), axis=1)[:, -1] / (n * (n - 1)))
    free = np.array([each._free_energy(bits, n_threads) for each in way.models])
    mean = -np.add.accumulate(free, axis=1)[:, -1] / m
    density = log_density(way.rbm)
    spread = np.add.accumulate(np.square(free + mean[:, None]), axis=1)[:, -1]
    error = np.sqrt(spread / (m * (m - 1))) if m > 1 else np.full(len(free), math.nan)
    return Along(updates, mean - log_z + density, error, log_z, log_z_error)


def _warn_if_apart(swap_rates: np.ndarray) -> None:
    """Of the pairs of neighbors, the hottest first; NaN where there were no swaps."""
    apart = np.flatnonzero(swap_rates < _FEW_SWAPS)
    if apart.size:
        k = int(apart[0])
        warn(
            f"along: points {k} and {k + 1} of the path exchange {swap_rates[k]:.3f} of their states only, so "
            "that log Z from there on, and its error, are not to be trusted. A path with more points, or a training "
            "at a smaller learning rate, helps"
        )


def _chains(
    given: Path | Trajectory, n_chains: int | None, seed: int, n_threads: int | None
) -> tuple[TemperedChains, Path, np.ndarray]:
    """Chains along a path, the path, and the updates of its models."""
    if isinstance(given, Path):
        n = validate.integer(128 if n_chains is None else n_chains, "n_chains", 2, philox.MOST_CHAINS)
        chains = TemperedChains(given, n, seed=seed, n_threads=n_threads)
        return chains, given, np.arange(1, len(given.models) + 1)
    if n_chains is not None:
        raise ValueError("a Trajectory has its own chains: leave out n_chains")
    path, states = given.path, (given.base.states, *given.states)
    n = min(map(len, states))
    if n < 2:
        raise ValueError("the trajectory must have at least 2 states of each model")
    # a point between two models has the states of the later one
    which = np.ceil(path.points[::-1]).astype(int)
    start = states[0]._like(np.concatenate([states[k].planes[:, :n] for k in which], axis=1))
    return TemperedChains(path, n, seed=seed, start=start, n_threads=n_threads), path, given.updates


def _steps(chains: TemperedChains, n_sweeps: int, n_threads: int | None) -> tuple[np.ndarray, np.ndarray]:
    """(log Z_k - log Z_(k+1) for each pair of rungs, what each column of chains adds to its error, (K - 1, n))."""
    rungs, pairs = chains._rungs, np.arange(chains.n_rungs - 1)
    assert isinstance(rungs, Models)
    before, seen = n_sweeps // _PART_BEFORE, []
    for done in range(n_sweeps + 1):
        if done:
            chains.sweep(1, n_threads)
        if done > before or n_sweeps == 0:
            seen.append(rungs.log_ratios(chains.rbm, chains._visible, pairs, n_threads))
    # of each pair, (sweeps, n)
    steps, errors = np.empty(len(pairs)), np.empty((len(pairs), len(chains)))
    for k in pairs.tolist():
        reverse, forward = (np.array([ratios[side][k] for ratios in seen]) for side in (0, 1))
        steps[k], _ = acceptance_ratio(forward.reshape(-1), reverse.reshape(-1))
        errors[k] = _influence(forward, reverse, steps[k])
    return steps, errors


def _influence(forward: np.ndarray, reverse: np.ndarray, ratio: float) -> np.ndarray:
    """What each column of forward and reverse log ratios (sweeps, n) moves Bennett's ratio by, times n.

    The ratio L is where the mean of s over forward states is that of 1 - s over reverse ones, with s = 1 / (1 +
    exp(L - x)); so a column whose means differ by d moves it by d / n over the mean of s (1 - s) of both.
    """
    up, down = reverse_share(forward, ratio), reverse_share(reverse, ratio)
    slope = sum(floatmath.total((s * (1.0 - s)).reshape(-1)) / s.size for s in (up, down))
    apart = np.add.accumulate(up + down - 1.0, axis=0)[-1] / len(up)
    return apart / max(slope, 1e-300)
