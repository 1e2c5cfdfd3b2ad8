"""Pseudo-log-likelihood, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import floatmath, threads, validate, workload
from .._core.dispatch import kernels
from .._core.layout import FIXED_BITS, to_fixed_point
from .._core.segments import segments_of
from ..ranks import own_share, shared
from ..sampling.labels import fields_of
from ..sampling.model import model
from ..states.bits import BitMatrix, packed
from ..units.gaussian import Gaussian
from .fractions import free_energy

if TYPE_CHECKING:
    from ..rbm import RBM
    from ..units.unit import Unit

_CAPACITY = 600.0  # a product of factors exp(+-w) stays in float64's range while the sum of |w| is below this
_NARROW_CAPACITY = 80.0  # the same of float32
_NUMBERS = 1 << 16  # fields of hidden units at a time: they stay in cache
_FLIP = 32  # connections that a flip costs each hidden unit; see threads.PASS


@shared
def pseudo(
    rbm: RBM, X: ArrayLike, n_threads: int | None = None, *, per_site: bool = False, comm: Any = None
) -> np.ndarray:
    """sum_i log p(v_i | v_1 .. v_V without v_i) of each example, over all sites (units of two values, or categorical
    sites): deterministic, no log Z, no sampling. (Other programs report the mean over sites.)

    log p(v_i | rest) = -softplus(F(v) - F(v with unit i flipped)); the fields c + W'v are computed once an example, and
    a flip changes them by multiples of W_ij (Besag 1975). Costs two multiplications for each weight and example. The
    fields are on the kernels' grid (:attr:`RBM.grid`), the flips are not. With real hidden units log p(v_i | rest) is a
    difference of their cgf: of Gaussian ones as cheap; of ReLU and DReLU units it takes an evaluation for each hidden
    unit, state of a site, and example, in NumPy: about a second for 10 million of them.

    Parameters
    ----------
    rbm : RBM
    X : array (n, columns) or BitMatrix, of the units' values
    per_site : bool
        The terms of the sum, one for each column of X.
    comm : communicator, optional
        Of mpi4py: its ranks share the examples, all with the same arguments, and all get the same result; see the
        docs' page On a cluster.

    Returns
    -------
    float64 (n,), or (n, columns), in nats, the same bits on any machine.

    Raises
    ------
    ValueError
        Where visible units are real: given the others, such a unit follows a mixture that has no closed form.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrbm as fr
    >>> bool(np.isclose(fr.likelihood.pseudo(fr.RBM(np.zeros((10, 3))), np.zeros((1, 10))), -10 * np.log(2)))
    True
    """
    refuse_real(model(rbm), "pseudo")
    states = rbm._states(X, "X")
    validate.flag(per_site, "per_site")
    return of_sites(rbm, states, n_threads) if per_site else pseudo_of(rbm, states, n_threads)


def refuse_real(rbm: RBM, name: str) -> None:
    """ValueError where visible units are real: p(v_i | rest) has no closed form then."""
    if rbm.visible.real:
        raise ValueError(
            f"{name} has no closed form where visible units are real, each a mixture given the others: take the "
            "log-likelihood (likelihood.score, metrics.LogLikelihood)"
        )


def of_sites(rbm: RBM, states: BitMatrix, n_threads: int | None = None) -> np.ndarray:
    """log p(v_i | v without v_i) of each column of checked states, float64 (n, columns)."""
    refuse_real(rbm, "pseudo")
    n = len(states)
    out = np.empty((n, rbm.visible.n_columns))
    with own_share(n, _FLIP * n * rbm.n_visible * rbm.n_hidden, (out, 0)) as own:
        _of_sites(rbm, states[own], out[own], n_threads)
    return out


def _of_sites(rbm: RBM, states: BitMatrix, out: np.ndarray, n_threads: int | None) -> None:
    """of_sites, written to out."""
    if rbm.hidden.real:
        _by_cgf(rbm, states, out, n_threads)
        return
    p = rbm._parameters
    segments = segments_of(rbm.visible.layout or ((rbm.visible.name, rbm.visible.n),))
    largest = 2.0 * float(np.max(rbm.visible.step)) * rbm.hidden.step * float(np.abs(p.to_hidden.tiles_array).max())
    if largest > _CAPACITY:
        _by_states(rbm, states, out, n_threads)
        return
    capacity = max(1, int(_CAPACITY / max(largest, 1e-3)))
    shape = rbm.n_visible, rbm.n_hidden
    for part in workload.parts(len(states), workload.pseudo(*shape)):
        used = threads.resolve(n_threads, _FLIP * (part.stop - part.start) * shape[0] * shape[1])
        kernels.pseudo_of_sites(
            states._planes[:, part], p.to_hidden, segments, p.wide_visible_bias, capacity, out[part], used
        )


def _by_cgf(rbm: RBM, states: BitMatrix, out: np.ndarray, n_threads: int | None) -> None:
    """of_sites by the cgf of real hidden units, at the fields that each state of a site makes."""
    threads.resolve(n_threads)
    n, hidden, gaussian = len(states), rbm.hidden, isinstance(rbm.hidden, Gaussian)
    W, b = rbm.weights.astype(np.float64), rbm.visible_bias.astype(np.float64)
    columns = _states_of_columns(rbm)
    rows = max(1, _NUMBERS // rbm.n_hidden)
    for start in range(0, n, rows):
        part = states[start : start + rows]
        parts, fields = part.to_states(), fields_of(rbm, part)
        for column, (units, values) in enumerate(columns):
            own, weights = values @ b[units], values @ W[units]  # of each state; one term, or one that is not 0
            now = parts[:, column].astype(np.intp)
            # an absent site is in a state without weights
            own, weights = np.append(own, 0.0), np.concatenate([weights, np.zeros((1, rbm.n_hidden))])
            terms = np.empty((len(own) - 1, len(parts)))
            for state in range(len(terms)):
                change = weights[state] - weights[now]
                gain = _gaussian_gain(hidden, fields, change) if gaussian else hidden.cgf(fields + change)
                terms[state] = own[state] + np.add.accumulate(gain, axis=1)[:, -1]
            top = terms.max(axis=0)
            total = top + floatmath.log(np.add.accumulate(floatmath.exp(np.maximum(terms - top, -708.0)), axis=0)[-1])
            there = now < len(terms)
            out[start : start + len(parts), column] = np.where(
                there, terms[np.where(there, now, 0), np.arange(len(now))] - total, 0.0
            )


def _gaussian_gain(hidden: Unit, fields: np.ndarray, change: np.ndarray) -> np.ndarray:
    """cgf(f + d) - cgf(f) of Gaussian units: d (f + d / 2) / gamma."""
    return change * (fields + 0.5 * change) * np.square(hidden.sides()[2])


def _states_of_columns(rbm: RBM) -> list[tuple[slice, np.ndarray]]:
    """Of each column of the data its units, and their values in each of its states, (states, units)."""
    found, first = [], 0
    for segment in rbm.visible.segments:
        for size in segment.units_of_columns:
            values = np.eye(size) if segment.layout else np.array([[segment.off], [segment.off + segment.step]])
            found.append((slice(first, first + size), values))
            first += size
    return found


def _by_states(rbm: RBM, states: BitMatrix, out: np.ndarray, n_threads: int | None) -> None:
    """The same from a free energy for each state of each site, for weights whose exponentials leave float64's range."""
    parts, own = states.to_states(), -rbm._free_energy(states, n_threads)
    for column, n_states in enumerate(rbm.visible.n_states_of_columns):
        terms = np.empty((n_states, len(parts)))
        changed = parts.copy()
        for state in range(n_states):
            changed[:, column] = state
            terms[state] = -rbm._free_energy(packed(changed, rbm.visible), n_threads)
        top = terms.max(axis=0)
        total = np.add.accumulate(floatmath.exp(np.maximum(terms - top, -708.0)), axis=0)[-1]
        out[:, column] = np.where(parts[:, column] < n_states, own - top - floatmath.log(total), 0.0)


def pseudo_of(rbm: RBM, states: BitMatrix | np.ndarray, n_threads: int | None = None, every: int = 1) -> np.ndarray:
    """pseudo, of checked states, which may be fractions, float64 (n, V): sum_i log(p(v) / (p(v) + p(v'))), where v' is
    v with v_i turned into 1 - v_i. every: of example k only the units i with i mod every = k mod every (fractions
    alone).
    """
    threads.resolve(n_threads)
    refuse_real(rbm, "pseudo")
    if rbm.hidden.real and not isinstance(states, BitMatrix):
        raise ValueError(f"X must hold states, not fractions, where hidden units are real ({rbm.hidden!r})")
    if rbm.visible.layout is not None or rbm.hidden.real:
        if not isinstance(states, BitMatrix):
            raise ValueError("X must hold states, not probabilities, where units are categorical or of segments")
        return np.add.accumulate(of_sites(rbm, states, n_threads), axis=1)[:, -1]  # the same bits on any machine
    n = len(states)
    out = np.empty(n)
    if not isinstance(states, BitMatrix):
        if every > 1:  # the number of an example decides
            return _by_products(rbm, states, n_threads, every)
        numbers = to_fixed_point(states)
        whole = ((numbers == 0) | (numbers == 1 << FIXED_BITS)).all(axis=1)  # such rows have the bits of 0 and 1
        out[~whole] = _by_products(rbm, states[~whole], n_threads)
        out[whole] = _by_products(rbm, BitMatrix.from_states((numbers[whole] > 0).view(np.uint8)), n_threads)
        return out
    with own_share(n, _FLIP * n * rbm.n_visible * rbm.n_hidden, (out, 0)) as own:
        out[own] = _by_products(rbm, states[own], n_threads, every)
    return out


def _by_products(rbm: RBM, states: BitMatrix | np.ndarray, n_threads: int | None, every: int = 1) -> np.ndarray:
    """pseudo_of units of two values: the changes of the fields are factors."""
    p = rbm._parameters
    layer, bias = p.to_hidden, p.visible_bias.astype(np.float64)
    largest = rbm.visible.step * rbm.hidden.step * float(np.abs(layer.tiles_array).max())  # of a change of log odds
    most = _CAPACITY if isinstance(states, BitMatrix) else _NARROW_CAPACITY
    if largest > most:
        return _by_flips(rbm, states, n_threads, every)
    n = states.shape[0]
    out = np.empty(n)
    capacity = max(1, int(most / max(largest, 1e-3)))
    shape = rbm.n_visible, rbm.n_hidden
    if isinstance(states, BitMatrix):
        parts = workload.parts(n, workload.pseudo(*shape))
    else:
        parts = workload.fraction_parts(n, workload.pseudo_of_fractions(*shape, every), rbm.n_visible, 32 * every)
    for part in parts:
        used = threads.resolve(n_threads, _FLIP * (part.stop - part.start) * shape[0] * shape[1] // every)
        if isinstance(states, BitMatrix):
            kernels.pseudo_sums(states._planes[:, part], layer, bias, capacity, out[part], used)
        else:
            numbers = to_fixed_point(states[part])
            kernels.pseudo_sums_of_fractions(numbers, layer, bias, capacity, every, out[part], used)
    return out


def _by_flips(rbm: RBM, states: BitMatrix | np.ndarray, n_threads: int | None, every: int = 1) -> np.ndarray:
    """The same from V + 1 free energies per example, for weights whose exponentials leave float64's range."""
    flipped: BitMatrix | np.ndarray
    if isinstance(states, BitMatrix):
        flipped = states.copy()
    else:
        flipped = to_fixed_point(states) * 2.0**-FIXED_BITS  # on which 1 - (1 - v) is v
    free, out = free_energy(rbm, states, n_threads), np.zeros(states.shape[0])
    for unit in range(rbm.n_visible):
        _flip(flipped, unit)
        rows = slice(unit % every, None, every)
        out[rows] -= floatmath.softplus((free - free_energy(rbm, flipped, n_threads))[rows])
        _flip(flipped, unit)
    return out


def _flip(states: BitMatrix | np.ndarray, unit: int) -> None:
    if isinstance(states, BitMatrix):
        states._planes[unit // 8] ^= np.uint8(1 << unit % 8)
    else:
        states[:, unit] = 1.0 - states[:, unit]
