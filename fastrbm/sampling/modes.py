"""The modes of a model, as far as short chains find them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core import floatmath, philox, threads, validate, workload
from ..states.bits import BitMatrix, packed, zeros
from . import gibbs
from .gibbs import independent_states
from .model import model

if TYPE_CHECKING:
    from ..rbm import RBM
    from ..units.unit import Unit

__all__ = ["mode_biases"]

SWEEPS = 100  # of a chain that looks for a mode
_CHAINS, _FEWEST_CHAINS, _ENTRIES = 512, 64, 1 << 24  # of them; fewer where their means have more entries than that
_MOST = 31  # modes
_APART, _WIDER = 0.1, 1.4  # of the columns: mean difference of two modes, and by how much more where there are too many
_PSEUDO = 10.0  # examples that a mode counts as: with the smoothing, no unit of its base is on with less than 0.05
_SINGLE = 4  # one in so many chains starts with a single hidden unit on
_GRID = 1 << 10  # biases are multiples of 1 / this, so that sums of them are exact in any order
_NUMBERS = 1 << 20  # probabilities at a time: bounds the memory
_LARGEST, _TINY = 30.0, 1e-12  # bias; probability
_LARGEST_OF_REALS = 4096.0  # a bias


def mode_biases(rbm: RBM, n_sweeps: int = SWEEPS, seed: int = 0, n_threads: int | None = None) -> np.ndarray:
    """The modes that short chains find, as biases of independent visible units that have the means of v in each.

    512 chains start at random hidden states, half of whose units are on, and a quarter of them with a single hidden
    unit on (of real units: draws given random visible states, and a single unit far from 0). A random hidden state is
    at the border of many modes; so chains fall into all of them, where draws from the visible biases fall into the one
    that these are of. Two ends are of one mode if their `E[v | h]` differ by less than a tenth of the columns. Where
    that would make more than 31 modes, a larger difference is allowed. A mode into which few hidden states fall may be
    missing.

    Parameters
    ----------
    rbm : RBM
    n_sweeps : int
        Of each chain, at least 1.
    seed : int
        The same seed gives the same modes.
    n_threads : int, optional
        No effect on the result.

    Returns
    -------
    float32 (K, V)
        K is at most 31, about the heaviest first: what :func:`population_annealing` takes as ``modes``.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrbm as fr
    >>> rbm = fr.RBM(np.full((20, 2), 3.0), np.full(20, -3.0), np.full(2, -30.0))  # all units off, or all on
    >>> sorted(np.sign(fr.sampling.mode_biases(rbm)[:, 0]).tolist())
    [-1.0, 1.0]
    """
    model(rbm)
    n_sweeps = validate.integer(n_sweeps, "n_sweeps", 1, philox.MOST_SWEEPS)
    seed = validate.seed(seed)
    threads.resolve(n_threads)
    n = _n_chains(rbm)
    on, alone = _random_parts(rbm, n, seed, n_threads), single_parts(rbm)
    single = min(n // _SINGLE, len(alone))
    on[:single] = alone[np.arange(single) * len(alone) // single]
    hidden, visible = packed(on, rbm.hidden), zeros(n, rbm.visible)
    gibbs.sweep(
        rbm._parameters, visible, hidden, n_sweeps, seed=seed, stream=philox.MODE_SEARCH, first_sweep=1,
        n_threads=n_threads,
    )  # fmt: skip
    return clustered(rbm, visible, hidden, n_threads)


def search_work(rbm: RBM, n_sweeps: int) -> int:
    """The work of :func:`mode_biases`, in connections (workload)."""
    return n_sweeps * workload.sweep(rbm.n_visible, rbm.n_hidden).of(_n_chains(rbm))


def _n_chains(rbm: RBM) -> int:
    return min(_CHAINS, max(_FEWEST_CHAINS, _ENTRIES // rbm.n_visible))


def _random_parts(rbm: RBM, n: int, seed: int, n_threads: int | None) -> np.ndarray:
    """Random hidden states, (n, H), as Unit.parts gives them, at the border of many modes: draws without a field. Those
    of real units would be near 0 in all modes; so they are drawn given visible states that are drawn without a field.
    """
    unit = rbm.visible if rbm.hidden.real else rbm.hidden
    states = independent_states(unit, np.zeros(unit.n, np.float32), n, seed, philox.MODE_SEARCH, n_threads)
    if not rbm.hidden.real:
        return states.to_states(n_threads)
    hidden = zeros(n, rbm.hidden)
    gibbs.half_step(
        rbm._parameters.to_hidden, states, kind=philox.HIDDEN, seed=seed, stream=philox.MODE_SEARCH, out=hidden,
        n_threads=n_threads,
    )  # fmt: skip
    return hidden.to_states(n_threads)


def single_parts(rbm: RBM) -> np.ndarray:
    """Hidden states of a single unit each, as Unit.parts gives them, (K, H), for units 0, 1, .. H - 1 and so on again:
    the one that is on; of real units one that is three standard deviations from 0, on the one side of it, then on the
    other, then at its mean given the visible states that send it the most, then the least."""
    hidden = rbm.hidden
    if not hidden.real:
        return np.eye(hidden.n, dtype=np.uint8)
    far = hidden.far_values()
    ends = [hidden.mean_of(rbm.hidden_bias + field) for field in _largest_fields(rbm)[: len(far)]]
    return np.concatenate([hidden.hardened(np.diag(values)) for values in (*far, *ends)])


def _largest_fields(rbm: RBM) -> tuple[np.ndarray, np.ndarray]:
    """What visible states send to each hidden unit at the most, and at the least, float64 (H,); real ones within three
    standard deviations."""
    W, first = rbm.weights.astype(np.float64), 0
    most, least = np.zeros(rbm.n_hidden), np.zeros(rbm.n_hidden)
    for segment in rbm.visible.segments:
        for unit, size in enumerate(segment.units_of_columns):
            rows = W[first : first + size]
            if segment.real:
                rows = rows * np.array([0.0, *(values[unit] for values in segment.far_values())])[:, None]
            elif not segment.layout:
                rows = rows * np.array([[segment.off], [segment.off + segment.step]])
            most, least, first = most + rows.max(axis=0), least + rows.min(axis=0), first + size
    return most, least


def clustered(rbm: RBM, visible: BitMatrix, hidden: BitMatrix, n_threads: int | None = None) -> np.ndarray:
    """The biases (K, V) of the modes that joint states are in: of those whose E[v | h] are alike, and the less
    they have to be alike the more there are, that of the heaviest.

    The heaviest come first, by log p*(v) - log p(v | h), which is log p*(h) - log p(h | v): the logarithm of the mass
    of all v with this h, and of what other h a typical one of these has.
    """
    unit, means = rbm.visible, np.empty(visible.shape[:1] + (rbm.n_visible,), np.float32)
    gibbs.half_step(rbm._parameters.to_visible, hidden, probabilities=means, n_threads=n_threads)
    places = np.rint(means * np.float32(_GRID)).astype(np.int32)  # integers: their sums are exact in any order
    mass = -rbm._free_energy(visible, n_threads) - _log_conditional(rbm, visible, hidden, means, n_threads)
    order, apart = np.argsort(-mass, kind="stable"), _APART
    while (leaders := _leaders(places, order, apart * _GRID * unit.n_columns)) is None:
        apart *= _WIDER
    pseudo, base = places[leaders] * (_PSEUDO / _GRID), unit.with_beta(0.0)
    return to_grid(np.array([base.bias_of(sums, _PSEUDO, floatmath.log) for sums in pseudo]), unit)


def _leaders(places: np.ndarray, order: np.ndarray, apart: float) -> list[int] | None:
    """Of places in this order, those that are farther than that from all that were chosen before; None where these are
    too many. The mean of all that are near would be one of states above the mode's, and of others beside it."""
    left = np.ones(len(places), bool)
    leaders: list[int] = []
    for k in order.tolist():
        if left[k]:
            if len(leaders) == _MOST:
                return None
            left &= np.abs(places - places[k]).sum(axis=1) > apart
            leaders.append(k)
    return leaders


def _log_conditional(
    rbm: RBM, visible: BitMatrix, hidden: BitMatrix, means: np.ndarray, n_threads: int | None
) -> np.ndarray:
    """log p(v | h), float64 (n,), where these are the means of v given h; of real units the logarithm of a density."""
    if rbm.visible.real:
        return -rbm.energy(visible, hidden, n_threads) - log_masses(rbm, hidden)
    two = np.concatenate([np.full(s.n, s.layout is None) for s in rbm.visible.segments])
    out, rows = np.empty(len(means)), max(1, _NUMBERS // rbm.n_visible)
    for start in range(0, len(means), rows):
        part = slice(start, start + rows)
        on, p = visible[part].to_units() == 1, np.clip(means[part].astype(np.float64), _TINY, 1.0)
        out[part] = floatmath.row_sums(floatmath.log(np.where(on, p, np.where(two, np.maximum(1.0 - p, _TINY), 1.0))))
    return out


def log_masses(rbm: RBM, hidden: BitMatrix) -> np.ndarray:
    """log of the sum, or integral, of exp(-E(v, h)) over v, float64 (n,). Weights are on the kernels' grid, so that
    sums of what h sends are exact in any order."""
    p, unit, out = rbm._parameters, rbm.hidden, np.empty(len(hidden))
    scale = 2.0**p.to_visible.exponent
    weights, rows = np.rint(rbm.weights * np.float32(scale)).astype(np.float64), max(1, _NUMBERS // rbm.n_visible)
    for start in range(0, len(hidden), rows):
        part = slice(start, start + rows)
        parts = hidden[part].to_states()
        h = unit.unit_values(parts)
        fields = p.wide_visible_bias + np.einsum("ij,kj->ik", h, weights) / scale
        out[part] = floatmath.row_sums(h, p.wide_hidden_bias) + floatmath.row_sums(rbm.visible.cgf(fields))
        out[part] -= unit.own_energy(parts)
    return out


def to_grid(biases: np.ndarray, unit: Unit) -> np.ndarray:
    """Rounded, so that sums over units are exact."""
    most = np.concatenate([np.full(s.n, _LARGEST_OF_REALS if s.real else _LARGEST) for s in unit.segments])
    return (np.rint(np.clip(biases, -most, most) * _GRID) / _GRID).astype(np.float32)
