"""Traces: numbers of chains as they run, one a sweep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .._core import philox, validate
from ..sampling.chains import Chains
from ..sampling.tempering import TemperedChains
from .axes import Axes, axes_of, projections

if TYPE_CHECKING:
    from ..states.bits import BitMatrix

N_AXES = 2
MOST_AXES = 64


def traces(
    chains: Chains | TemperedChains,
    n_sweeps: int,
    data: ArrayLike | None = None,
    n_axes: int = N_AXES,
    n_threads: int | None = None,
) -> dict[str, np.ndarray]:
    """Run chains on, and note after each sweep several numbers of each, of which at least one tells most modes apart.

    Modes of like weight can have like free energies: then chains that never cross between them have the same trace
    of `F(v)`, and no diagnostic of it sees that they do not. They differ along a principal axis.

    Parameters
    ----------
    chains : Chains or TemperedChains
        Run on by n_sweeps. Of tempered chains, those at beta 1 count.
    n_sweeps : int
        At least 1; :func:`summary` needs 4.
    data : array (n, columns), data frame or BitMatrix, of the units' values, optional
        Whose principal axes are taken. By default those of all the states that the chains go through, which are kept
        (packed) until the end.
    n_axes : int
        Up to 64; there are fewer where states do not vary along as many.
    n_threads : int, optional
        No effect on the numbers.

    Returns
    -------
    dict of str to float64 (n_sweeps, chains)
        ``free_energy``, in nats; ``mean_activity``, the mean of the visible units' values (the same number for all
        states where all units are categories; of real units z, not the data's numbers); ``axis_1``, ``axis_2``, ...: v
        along the principal axes, from the mean of what they were found from. Axes come from up to 1,000 states, by 30
        power iterations each.

    Raises
    ------
    TypeError, ValueError
        Where an argument is of the wrong kind or does not fit the model.

    Examples
    --------
    >>> import fastrbm as fr
    >>> rbm = fr.RBM.from_data(fr.datasets.load_digits(), n_hidden=16, seed=0)
    >>> found = fr.diagnostics.traces(fr.Chains(rbm, n_chains=3), 10)
    >>> {name: trace.shape for name, trace in found.items()}
    {'free_energy': (10, 3), 'mean_activity': (10, 3), 'axis_1': (10, 3), 'axis_2': (10, 3)}
    """
    rbm = _checked(chains).rbm
    n_sweeps = validate.integer(n_sweeps, "n_sweeps", 1, philox.MOST_SWEEPS)
    n_axes = validate.integer(n_axes, "n_axes", 0, MOST_AXES)
    if data is not None:
        states = rbm._states(data, "data")
        if not len(states):
            raise ValueError("data must have at least one example")
        return record(chains, n_sweeps, axes_of(rbm, states, n_axes), n_threads)
    now = chains.visible_bits
    kept = np.empty((len(now.planes), n_sweeps, len(now)), np.uint8)
    found = record(chains, n_sweeps, Axes(np.zeros((0, rbm.n_visible)), np.zeros(0)), n_threads, kept)
    pooled = now._like(kept.reshape(len(kept), -1))
    axes = axes_of(rbm, pooled, n_axes)
    along = projections(rbm, pooled, axes).reshape(-1, n_sweeps, len(now))
    return found | {f"axis_{k}": places for k, places in enumerate(along, 1)}


def free_energy_trace(chains: Chains, n_sweeps: int, n_threads: int | None = None) -> np.ndarray:
    """Run chains on, and note `F(v)` of each after each sweep: float64 (n_sweeps, chains), in nats.

    It does not tell modes of like weight apart: :func:`traces` do.

    Examples
    --------
    >>> import fastrbm as fr
    >>> rbm = fr.RBM.from_data(fr.datasets.load_digits(), n_hidden=16, seed=0)
    >>> fr.diagnostics.free_energy_trace(fr.Chains(rbm, n_chains=3), 10).shape
    (10, 3)
    """
    n_sweeps = validate.integer(n_sweeps, "n_sweeps", 1, philox.MOST_SWEEPS)
    trace = np.empty((n_sweeps, len(_checked(chains))))
    for row, states in zip(trace, _swept(chains, n_sweeps, n_threads), strict=True):
        row[:] = chains.rbm.free_energy(states, n_threads)
    return trace


def record(
    chains: Chains | TemperedChains, n_sweeps: int, axes: Axes, n_threads: int | None, kept: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Traces along given axes; kept, if given, gets the planes of all states, (rows, n_sweeps, chains)."""
    rbm, shape = chains.rbm, (n_sweeps, len(chains))
    found = {name: np.empty(shape) for name in ("free_energy", "mean_activity")}
    found |= {f"axis_{k}": np.empty(shape) for k in range(1, len(axes.directions) + 1)}
    free_energy, activity, *along = found.values()
    for t, states in enumerate(_swept(chains, n_sweeps, n_threads)):
        free_energy[t] = rbm.free_energy(states, n_threads)
        activity[t] = rbm.visible.unit_values(states.to_states(n_threads)).mean(axis=1)
        for trace, places in zip(along, projections(rbm, states, axes), strict=True):
            trace[t] = places
        if kept is not None:
            kept[:, t] = states.planes
    return found


def _checked(chains: Chains | TemperedChains) -> Chains | TemperedChains:
    if not isinstance(chains, (Chains, TemperedChains)):
        raise TypeError(f"chains must be Chains or TemperedChains, not {type(chains).__name__}")
    return chains


def _swept(chains: Chains | TemperedChains, n_sweeps: int, n_threads: int | None) -> Iterator[BitMatrix]:
    """The visible states after each sweep."""
    for _ in range(n_sweeps):
        chains.sweep(1, n_threads)
        yield chains.visible_bits
