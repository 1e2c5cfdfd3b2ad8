"""Marginal likelihoods: of examples some of whose entries are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .._core import floatmath, threads
from ..sampling.model import hidden_bits, model
from ..states.bits import packed
from ..states.missing import has_missing, known_parts

if TYPE_CHECKING:
    from ..rbm import RBM

MOST_STATES = 1 << 16  # of what is missing of an example, which are gone through
MAX_HIDDEN = 20  # units of the hidden layer, whose states are gone through otherwise
_STATES = 1 << 12  # completed examples, or hidden states, at a time
_FIELDS = 1 << 20  # numbers at a time


def marginal(rbm: RBM, X: ArrayLike, n_threads: int | None = None) -> np.ndarray:
    """`log p*(known)` = log sum over what is missing of `exp(-F(v))` of each example, in nats: the log-likelihood of
    what is known, plus log Z.

    Exact, by one of two enumerations, whichever has fewer states: of the states of what is missing, up to 65,536, by
    their free energies; or of the hidden layer, up to 20 units,

        p*(known) = sum_h exp(c'h) prod_{known i} exp(field_i(h) v_i) prod_{missing i} sum_a exp(field_i(h) a),

    `field = b + W h`, in float64, at `2^H V` multiplications an example. The latter's matrix products are NumPy's, so
    that its last bits may differ between machines. Of an example of which nothing is missing it is `-F(v)`. The sum
    over a missing real unit is an integral, which only the second way can do, and needs hidden units of two values.
    Then it is the log of a density of the units' values, as F is.

    Parameters
    ----------
    rbm : RBM
    X : array (n, columns), data frame or BitMatrix, of the units' values
        NaN, None, pandas.NA, what is masked, and -1 in columns of categories are missing.

    Returns
    -------
    float64 (n,)

    Raises
    ------
    ValueError
        When what is missing of an example has more than 65,536 states, or is real, and the model has more than 20
        hidden units, or real ones.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrbm as fr
    >>> rbm = fr.RBM([[1.0], [2.0]], [0.5, -1.0])
    >>> nothing = [[np.nan, np.nan]]
    >>> bool(np.isclose(fr.likelihood.marginal(rbm, nothing)[0], fr.likelihood.exact(rbm).value))
    True
    """
    threads.resolve(n_threads)
    model(rbm)._check_names(X, "X")
    X = rbm._coded(X, "X")
    if not has_missing(X, rbm.visible):
        return -rbm.free_energy(X, n_threads)
    parts, missing = known_parts(X, rbm.visible, "X")
    sizes = np.array(rbm.visible.n_states_of_columns, np.float64)
    n_states = np.where(missing, np.where(sizes > 0, sizes, np.inf), 1.0).prod(axis=1)
    of_hidden = 2.0**rbm.n_hidden if hidden_bits(rbm) <= MAX_HIDDEN else np.inf
    completed = (n_states <= MOST_STATES) & (n_states <= of_hidden)
    if not completed.all() and of_hidden == np.inf:
        row = int(np.argmin(completed))
        raise ValueError(
            f"X[{row}] has missing entries of {n_states[row]:.3g} joint states: the likelihood of what is known is "
            f"exact up to {MOST_STATES:,} of them, or for models of up to {MAX_HIDDEN} hidden units of two values, and "
            f"this one has {rbm.n_hidden}{' real ones' if rbm.hidden.real else ''}; "
            "leave such rows out, or fill them in (RBM.inpaint) and say so: that is another likelihood"
        )
    out = np.empty(len(parts))
    out[completed] = _over_missing(rbm, parts[completed], missing[completed], n_threads)
    if not completed.all():
        out[~completed] = _over_hidden(rbm, parts[~completed], missing[~completed])
    return out


def _over_missing(rbm: RBM, parts: np.ndarray, missing: np.ndarray, n_threads: int | None) -> np.ndarray:
    """By the free energies of all completions of each example."""
    out, sizes = np.empty(len(parts)), np.array(rbm.visible.n_states_of_columns)
    for row, gone in enumerate(missing):
        columns = np.flatnonzero(gone)
        n_states = int(sizes[columns].prod()) if columns.size else 1
        pieces = []
        for start in range(0, n_states, _STATES):
            rest = np.arange(start, min(start + _STATES, n_states))
            states = np.repeat(parts[row : row + 1], len(rest), axis=0)
            for column in columns:
                rest, states[:, column] = np.divmod(rest, sizes[column])
            pieces.append(-rbm.free_energy(packed(states, rbm.visible), n_threads))
        out[row] = _log_sum(np.concatenate(pieces)[None])[0]
    return out


def _over_hidden(rbm: RBM, parts: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """By all states of the hidden layer."""
    visible, hidden = rbm.visible, rbm.hidden
    W, b, c = (array.astype(np.float64) for array in (rbm.weights, rbm.visible_bias, rbm.hidden_bias))
    known = visible.unit_values(parts) * ~np.repeat(missing, visible.units_of_columns, axis=1)
    gone, n_states = missing.astype(np.float64), 1 << rbm.n_hidden
    peak, total = np.full(len(parts), -np.inf), np.zeros(len(parts))
    step = max(1, min(_STATES, _FIELDS // max(rbm.n_visible, len(parts))))
    for start in range(0, n_states, step):
        numbers = np.arange(start, min(start + step, n_states))
        states = hidden.off + hidden.step * ((numbers[:, None] >> np.arange(rbm.n_hidden)) & 1)
        fields = b + states @ W.T
        log_weight = known @ fields.T + gone @ visible.cgf(fields).T + states @ c
        top = np.maximum(peak, log_weight.max(axis=1))
        total = total * _exp(peak - top) + _exp(log_weight - top[:, None]).sum(axis=1)
        peak = top
    return peak + floatmath.log(total) - visible.own_energy(parts)  # that of what is missing is 0


def _log_sum(values: np.ndarray) -> np.ndarray:
    """log sum exp of each row, its terms added one after the other."""
    top = values.max(axis=1)
    return top + floatmath.log(np.add.accumulate(_exp(values - top[:, None]), axis=1)[:, -1])


def _exp(x: np.ndarray) -> np.ndarray:
    return floatmath.exp(np.maximum(x, -708.0))
