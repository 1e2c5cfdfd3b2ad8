"""Conditional scores: the distribution of a few visible units given all the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .._core import arrays, floatmath, threads, validate
from ..sampling.model import model
from ..states.bits import packed

if TYPE_CHECKING:
    from ..rbm import RBM

MAX_UNITS = 16
MOST_STATES = 1 << MAX_UNITS
_EXAMPLES = 1 << 12


def conditional(rbm: RBM, X: ArrayLike, units: Sequence[int], n_threads: int | None = None) -> np.ndarray:
    """`log p(v_A | v_B)` of a few visible units or sites A given all the others, B: of a label given an image, say.

        p(v_A | v_B) = exp(-F(v_A, v_B)) / sum_a exp(-F(a, v_B))

    The sum goes over all states of the units A. It needs no log Z.

    Parameters
    ----------
    rbm : RBM
    X : array (n, columns) or BitMatrix, of the units' values
    units : sequence of int
        A: from 1 to 16 different columns of X, numbered from 0, of at most 65,536 states together, none of them real.

    Returns
    -------
    float64 (n,), in nats.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrbm as fr
    >>> X = fr.datasets.bars_and_stripes(2)
    >>> rbm = fr.RBM.from_data(X, n_hidden=4, seed=0)
    >>> fr.likelihood.conditional(rbm, X, units=[0, 1]).shape
    (6,)
    """
    bits = model(rbm)._states(X, "X")
    threads.resolve(n_threads)
    try:
        units = [validate.integer(unit, "units", 0) for unit in np.atleast_1d(arrays.plain(units, "units"))]
    except (TypeError, OverflowError):
        raise TypeError(f"units must be a sequence of integers, got {validate.shown(units)}") from None
    n_columns, sizes = rbm.visible.n_columns, rbm.visible.n_states_of_columns
    if not 1 <= len(units) <= MAX_UNITS or len(set(units)) != len(units) or max(units) >= n_columns:
        raise ValueError(f"units must be 1 to {MAX_UNITS} different numbers below {n_columns}, got {units}")
    for unit in units:
        if sizes[unit] == 0:
            raise ValueError(
                f"units must have states to enumerate: column {unit} has real values (but v_B may have some)"
            )
    n_states = math.prod(sizes[unit] for unit in units)
    if n_states > MOST_STATES:
        raise ValueError(f"units must have at most {MOST_STATES:,} states together, got {n_states:,}")
    out = np.empty(len(bits))
    for start in range(0, len(bits), _EXAMPLES):
        part = bits[start : start + _EXAMPLES]
        own = -rbm.free_energy(part, n_threads)
        peak, total = np.full(len(part), -np.inf), np.zeros(len(part))
        states = part.to_states()
        for number in range(n_states):
            rest = number
            for unit in units:
                rest, states[:, unit] = divmod(rest, sizes[unit])
            weight = -rbm.free_energy(packed(states, rbm.visible), n_threads)
            top = np.maximum(peak, weight)
            total = total * _exp(peak - top) + _exp(weight - top)
            peak = top
        out[start : start + len(part)] = own - peak - floatmath.log(total)
    return out


def _exp(x: np.ndarray) -> np.ndarray:
    return floatmath.exp(np.maximum(x, -708.0))
