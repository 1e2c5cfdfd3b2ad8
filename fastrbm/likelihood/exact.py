"""Exact log Z, by enumeration of the smaller layer; in closed form where all units are Gaussian."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import floatmath, threads, validate, workload
from .._core.dispatch import kernels
from .._core.progress import Countdown
from .._core.segments import segments_of
from .._core.synonyms import keywords
from ..ranks import own_share, shared
from ..sampling.model import enumerated_units, hidden_bits, hidden_states, model, visible_bits, visible_states
from ..units.gaussian import Gaussian
from .results import LogPartition

if TYPE_CHECKING:
    from ..rbm import RBM
    from ..units.unit import Unit

MAX_UNITS = 25
_NUMBERS = 1 << 18  # of states and fields at a time
_LOW_UNITS = 6  # units of the low part of a state: a table of 64 rows of fields
_HIGH_STATES = 256  # high parts a call, at most: bounds the memory


@keywords()
@shared
def exact(
    rbm: RBM, progress: bool = False, n_threads: int | None = None, *, comm: Any = None
) -> LogPartition:  # fmt: skip
    """log Z by enumeration of the smaller layer, the other one summed out.

        Z = sum_s exp(a's) prod_k (1 + exp(d_k + (s'M)_k))

    The sum is over the states s of the smaller layer, with its bias a, the other layer's bias d, and `M = W` or
    `M = W'`. (The factors are those of hidden units of 0 and 1; of others they are `exp(cgf(d_k + (s'M)_k))`.) A
    categorical site has as many states as categories; where it is summed out, its factor is the sum over them. In
    float64 throughout, on the float32 parameters themselves; memory for 320 rows of the larger layer; time
    `2^min(V, H) max(V, H)` exponentials.

    A layer with real units has no states to enumerate, and is summed out: its factor is the integral of each. Where all
    units of both layers are Gaussian,

        log Z = ((V + H) log(2 pi) + t' A^-1 t - log det A) / 2,

    with `A = [[G_v, -W], [-W', G_h]]`, G the diagonal matrices of gamma, and `t = (b, c)`. (The last bits of that are
    NumPy's, unlike those of sums.) Z is that of the values z of visible Gaussian units, not of the data in units of
    their own.

    Parameters
    ----------
    rbm : RBM
        With at most 25 units in its smaller layer, or as few states where there are categories; or with Gaussian units
        alone.
    progress : bool
        Show a line on standard error.
    n_threads : int, optional
        No effect on the result.
    comm : communicator, optional
        Of mpi4py: its ranks share the states, all with the same arguments, and all get the same result; see the
        docs' page On a cluster.

    Raises
    ------
    ValueError
        When the smaller layer is larger, or both layers have real units that are not all Gaussian.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrbm as fr
    >>> rbm = fr.RBM(np.zeros((30, 3)))
    >>> z = fr.likelihood.exact(rbm)
    >>> bool(np.isclose(z.value, 33 * np.log(2)))
    True
    """
    validate.flag(progress, "progress")
    threads.resolve(n_threads)
    check_exact(model(rbm))
    if all_gaussian(rbm):
        value = _of_gaussians(rbm)
        return LogPartition(value, value, value, "exact")
    n_units = enumerated_units(rbm)
    if rbm.hidden.real or rbm.visible.real or (rbm.visible.layout is not None and n_units < rbm.n_hidden):
        value = _by_terms(rbm, progress)
        return LogPartition(value, value, value, "exact")
    n_units = min(rbm.n_hidden, rbm.n_visible) if rbm.visible.layout is None else rbm.n_hidden
    W, own_bias, other_bias = rbm.weights.astype(np.float64), rbm.visible_bias, rbm.hidden_bias
    own, other = rbm.visible, rbm.hidden
    if own.layout is not None or rbm.n_hidden < rbm.n_visible:
        W, own_bias, other_bias, own, other = W.T, other_bias, own_bias, other, own
    # of segments, eight more: the last site's categories are read in groups of eight
    width = -(-other.n // 8) * 8 + 8 * (other.layout is not None)
    padded, bias = np.zeros((n_units, width)), np.zeros(width)
    padded[:, : other.n], bias[: other.n] = other.log_odds(W), other.log_odds(other_bias.astype(np.float64))
    own_bias = own_bias.astype(np.float64)

    n_low = min(n_units, _LOW_UNITS)
    low, low_bias = _part(0, 1 << n_low, padded[:n_low], own_bias[:n_low], own)
    connections = W.shape[1] << n_units
    used = threads.resolve(n_threads, connections)
    n_high = 1 << (n_units - n_low)
    peaks, totals = np.empty(n_high), np.empty(n_high)
    with (
        Countdown("enumeration", n_high, progress) as countdown,
        own_share(n_high, connections, (peaks, 0), (totals, 0)) as mine,
    ):
        work, n_mine = workload.exponentials(len(low) * padded.shape[1]), mine.stop - mine.start
        for part in workload.parts(n_mine, work, most=_HIGH_STATES, blocks=(1,)):
            start, stop = mine.start + part.start, mine.start + part.stop
            high, high_bias = _part(start, stop, padded[n_low:], own_bias[n_low:], own)
            kernels.enumerate_states(
                high + bias, high_bias, low, low_bias, "bernoulli" if other.layout else other.name,
                segments_of(other.layout), other.n, peaks[start:stop], totals[start:stop], used,
            )  # fmt: skip
            countdown.done(part.stop * n_high // n_mine)
    peak, total = -np.inf, 0.0
    for p, t in zip(peaks.tolist(), totals.tolist(), strict=True):
        top = max(peak, p)
        total = total * _exp(peak - top) + t * _exp(p - top)
        peak = top
    value = peak + float(floatmath.log(total))
    return LogPartition(value, value, value, "exact")


def check_exact(rbm: RBM) -> None:
    """ValueError where log Z can be neither enumerated nor written down."""
    if all_gaussian(rbm):
        return
    n_units = enumerated_units(rbm)
    if math.isinf(n_units):
        raise ValueError(
            f"log Z of {rbm.visible!r} with {rbm.hidden!r} has no closed form: both layers have real units, and not "
            "all are Gaussian; use likelihood.bidirectional"
        )
    if n_units > MAX_UNITS:
        raise ValueError(
            f"enumeration takes at most {MAX_UNITS} units in the smaller layer; this model has {rbm.n_visible} visible "
            f"and {rbm.n_hidden} hidden units: use likelihood.bidirectional"
        )


def all_gaussian(rbm: RBM) -> bool:
    """Whether all units of both layers are Gaussian."""
    return isinstance(rbm.visible, Gaussian) and isinstance(rbm.hidden, Gaussian)


def _of_gaussians(rbm: RBM) -> float:
    """By Cholesky's decomposition of the Schur complement of the larger layer: of I - M M', with M = W_ij /
    sqrt(gamma_i gamma_j), or of I - M' M."""
    widths, logs = (np.concatenate([unit.sides()[row] for unit in (rbm.visible, rbm.hidden)]) for row in (2, 4))
    t = np.concatenate([rbm.visible_bias, rbm.hidden_bias]).astype(np.float64) * widths
    V = rbm.n_visible
    M, own, other = widths[:V, None] * rbm.weights.astype(np.float64) * widths[V:], t[:V], t[V:]
    if V > rbm.n_hidden:
        M, own, other = M.T, other, own
    # u with M other + own summed out: t'A^-1 t = |other|^2 + |L^-1 (own + M other)|^2
    try:
        L = np.linalg.cholesky(np.eye(len(M)) - M @ M.T)
    except np.linalg.LinAlgError:
        raise ValueError("log Z is infinite: the quadratic part of the energy is not positive definite") from None
    u = np.linalg.solve(L, own + M @ other)
    square = float(other @ other + u @ u)
    log_det = 2.0 * float(np.log(np.diag(L)).sum() + logs.sum())
    return 0.5 * (t.size * math.log(2.0 * math.pi) + square - log_det)


def _by_terms(rbm: RBM, progress: bool) -> float:
    """log sum_s exp(-F(s)) over all states of the layer that has fewer: term by term in one order, the same bits on any
    machine."""
    W, own_bias, other_bias = (array.astype(np.float64) for array in (rbm.weights, rbm.visible_bias, rbm.hidden_bias))
    own, other, n_states = rbm.visible, rbm.hidden, math.prod(rbm.visible.n_states_of_columns)
    by_hidden = hidden_bits(rbm) < visible_bits(rbm)
    if by_hidden:
        W, own_bias, other_bias, own, other, n_states = W.T, other_bias, own_bias, other, own, 1 << rbm.n_hidden
    peak, total = -np.inf, 0.0
    step = max(1, _NUMBERS // (rbm.n_visible + rbm.n_hidden))
    with Countdown("enumeration", n_states, progress) as countdown:
        for start in range(0, n_states, step):
            stop = min(start + step, n_states)
            values = own.unit_values(hidden_states(rbm, start, stop) if by_hidden else visible_states(rbm, start, stop))
            fields, biases = np.tile(other_bias, (len(values), 1)), np.zeros(len(values))
            for unit in range(own.n):
                fields += values[:, unit, None] * W[unit]
                biases += values[:, unit] * own_bias[unit]
            weights = biases + np.add.accumulate(other.cgf(fields), axis=1)[:, -1]
            top = max(peak, float(weights.max()))
            terms = floatmath.exp(np.maximum(weights - top, -708.0))
            total = total * _exp(peak - top) + float(np.add.accumulate(terms)[-1])
            peak = top
            countdown.done(start + len(values))
    return peak + float(floatmath.log(total))


def _exp(x: float) -> float:
    return float(floatmath.exp(np.array(max(x, -708.0))))


def _part(start: int, stop: int, weights: np.ndarray, bias: np.ndarray, own: Unit) -> tuple[np.ndarray, np.ndarray]:
    """What the states numbered start .. stop - 1 of these units, of own's type, add to log odds (stop - start, K), and
    their biases, added unit by unit."""
    numbers = np.arange(start, stop)
    fields, biases = np.zeros((stop - start, weights.shape[1])), np.zeros(stop - start)
    for unit in range(len(weights)):
        on = ((numbers >> unit) & 1).astype(bool)
        fields[on] += (own.off + own.step) * weights[unit]
        biases[on] += (own.off + own.step) * bias[unit]
        if own.off:
            fields[~on] += own.off * weights[unit]
            biases[~on] += own.off * bias[unit]
    return fields, biases
