"""Moments <v h'>, <v>, <h>: what both phases of the gradient are made of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from ._core import arrays, threads, validate, workload
from ._core.dispatch import kernels
from ._core.layout import FIXED_BITS, REAL_BITS, ROWS, TILE, to_fixed_point
from ._core.parameters import refuse_whole
from ._core.settings import Setting
from .sampling import gibbs
from .sampling.model import model
from .states.bits import BitMatrix, CodeMatrix
from .units.unit import Unit

if TYPE_CHECKING:
    from .rbm import RBM
    from .sampling.chains import Chains

__all__ = ["Moments"]

ROWS_A_PART = 16 * ROWS  # examples at a time, at most: bounds the memory


def _sums(value: ArrayLike, name: str, n_axes: int) -> np.ndarray:
    """Sums over examples: float64, contiguous."""
    array = arrays.numbers(value, name)
    if array.ndim != n_axes or array.size == 0:
        axes = f"{n_axes} dimension{'s' * (n_axes - 1)}"
        raise ValueError(f"{name} must be numbers in {axes}, got {array.dtype} of shape {array.shape}")
    return np.ascontiguousarray(array, np.float64)


class Moments:
    """Averages of `v s'`, v and s over a set of examples, where `s = E[h | v] = sigmoid(c + W'v)`, or `tanh(c + W'v)`
    of spins, or the mean of a real unit with field `c + W'v`.

    Using s in place of a sampled h is exact for data and lowers the variance for samples (Rao-Blackwell). Kept as sums,
    so that moments of parts add up to the moments of the whole: with states of 0 and 1 and no weights, s is rounded to
    a multiple of `2^-22` and the sums are exact, the same bits however the examples are split or ordered. (Of real
    hidden units s is rounded to a multiple of the finest power of two for which 22 bits hold any mean that the model's
    weights allow.)

    Attributes
    ----------
    weights : float64 (V, H)
        `<v s'>`.
    visible : float64 (V,)
        `<v>`.
    hidden : float64 (H,)
        `<s>`.
    own : float64 (K, H) or None
        The means of the derivatives of the hidden units' cgf by what else a training changes of them: delta and xi of
        dReLU units.
    total : float
        The number of examples, or their total weight.
    """

    weight_sum = Setting(_sums, 2)
    visible_sum = Setting(_sums, 1)
    hidden_sum = Setting(_sums, 1)
    total = Setting(validate.real, 0.0)

    def __init__(
        self, weight_sum: np.ndarray, visible_sum: np.ndarray, hidden_sum: np.ndarray, total: float,
        own_sum: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        self.weight_sum, self.visible_sum, self.hidden_sum, self.total = weight_sum, visible_sum, hidden_sum, total
        self.own_sum = None if own_sum is None else _sums(own_sum, "own_sum", 2)
        _ = self.shape

    @property
    def shape(self) -> tuple[int, int]:
        """(V, H). ValueError where the sums are not those of one model."""
        weight_sum, visible_sum, hidden_sum, _ = self._sums
        shape = visible_sum.size, hidden_sum.size
        if weight_sum.shape != shape:
            raise ValueError(
                f"weight_sum, visible_sum and hidden_sum must be of one model, (V, H), (V,) and (H,), got shapes "
                f"{weight_sum.shape}, {visible_sum.shape} and {hidden_sum.shape}"
            )
        return shape

    @property
    def _sums(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """The settings weight_sum, visible_sum, hidden_sum and total themselves, for what is asked in every update."""
        own = vars(self)
        return own["weight_sum"], own["visible_sum"], own["hidden_sum"], own["total"]

    @property
    def weights(self) -> np.ndarray:
        return self.weight_sum / self.total

    @property
    def means(self) -> tuple[np.ndarray, np.ndarray]:
        """`<v>` and `<s>`, float64 (V,) and (H,)."""
        return self.visible, self.hidden

    @property
    def visible(self) -> np.ndarray:
        return self.visible_sum / self.total

    @property
    def hidden(self) -> np.ndarray:
        return self.hidden_sum / self.total

    @property
    def own(self) -> np.ndarray | None:
        return None if self.own_sum is None else self.own_sum / self.total

    def __add__(self, other: Moments) -> Moments:
        """The moments of both sets of examples together."""
        if not isinstance(other, Moments):
            return NotImplemented
        if self.shape != other.shape:
            raise ValueError(f"both moments must be of one model, got those of {self.shape} and {other.shape} units")
        return Moments(
            self.weight_sum + other.weight_sum,
            self.visible_sum + other.visible_sum,
            self.hidden_sum + other.hidden_sum,
            self.total + other.total,
            None if self.own_sum is None or other.own_sum is None else self.own_sum + other.own_sum,
        )

    @classmethod
    def of_data(
        cls, rbm: RBM, X: ArrayLike, sample_weight: ArrayLike | None = None, n_threads: int | None = None
    ) -> Moments:
        """The positive phase: moments of data under `p(h | v)`.

        Parameters
        ----------
        rbm : RBM
        X : array (n, V) or BitMatrix
            At least one example, of the units' values, or of numbers between them.
        sample_weight : array (n,), optional
            Not negative; rounded to multiples of `2^-22` of the largest (up to a factor of 2). An example of weight 0
            counts for nothing.

        Examples
        --------
        >>> import fastrbm as fr
        >>> X = fr.datasets.bars_and_stripes(2)
        >>> rbm = fr.RBM.from_data(X, n_hidden=4, seed=0)
        >>> m = fr.Moments.of_data(rbm, X)
        >>> m.visible
        array([0.5, 0.5, 0.5, 0.5])
        """
        data = _examples(rbm, X)
        n = data.shape[0]
        weight = None if sample_weight is None else validate.sample_weight(sample_weight, n)
        moments, scale = nothing(rbm), 1.0
        if weight is not None:
            weight, scale = whole_weights(weight)
        # fractions add up in blocks of ROWS, so that cuts elsewhere would change the last bits
        for rows in workload.parts(n, workload.moments(rbm.n_visible, rbm.n_hidden), most=ROWS_A_PART, blocks=(ROWS,)):
            fixed = gibbs.fixed_buffer(rows.stop - rows.start, rbm._parameters)
            layer = rbm._parameters.to_hidden
            gibbs.half_step(layer, data[rows], fixed=fixed, n_threads=n_threads)
            own = None if weight is None else weight[rows]
            fixed, sums = means_of(rbm, layer, fixed, rows.stop - rows.start, own, scale, n_threads)
            add(moments, data[rows], fixed, layer, own, scale, n_threads)
            if sums is not None:
                moments.own_sum = sums if moments.own_sum is None else moments.own_sum + sums
        return of_values(moments, (rbm.visible, rbm.hidden))

    @classmethod
    def of_chains(cls, rbm: RBM, chains: Chains, n_threads: int | None = None) -> Moments:
        """The negative phase: moments of the visible states of chains, under rbm's `p(h | v)`."""
        if not isinstance(getattr(chains, "visible_bits", None), BitMatrix):  # tempered chains will do
            raise TypeError(f"chains must be Chains, not {type(chains).__name__}")
        model(rbm)._states(chains.visible_bits, "chains")  # says what is wrong with those of another model
        return cls.of_data(rbm, chains.visible_bits, n_threads=n_threads)

    def __repr__(self) -> str:
        return f"Moments(n_visible={self.visible_sum.size}, n_hidden={self.hidden_sum.size}, total={self.total:g})"


def whole_weights(weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights (n,) as whole numbers up to 2^22, float64, in units of scale / 2^22; and scale, a power of two."""
    scale = 2.0 ** math.frexp(weight.max())[1]
    return np.rint(weight / scale * (1 << FIXED_BITS)), scale


def of_values(moments: Moments, units: tuple[Unit, Unit]) -> Moments:
    """Sums over bits as sums over what units count for, in place: of x = off + step bit. All of it is exact."""
    (v, h), n = units, moments.total
    if v.shifted or h.shifted:
        visible, hidden = v.step * moments.visible_sum, h.step * moments.hidden_sum
        moments.weight_sum *= np.reshape(v.step * h.step, (-1, 1))
        moments.weight_sum += (h.off * visible)[:, None] + np.reshape(v.off, (-1, 1)) * (hidden + h.off * n)
        moments.visible_sum, moments.hidden_sum = v.off * n + visible, h.off * n + hidden
    return moments


def means_of(
    rbm: RBM, layer: kernels.Layer, given: np.ndarray, n: int, weight: np.ndarray | None = None, scale: float = 1.0,
    n_threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:  # fmt: skip
    """(fixed as add takes it; what the own of Moments sums up, float64 (K, H), or None where there is nothing of the
    kind), of what this hidden layer gave of n examples, in a fixed_buffer: that itself, or the means of dReLU units,
    made of their fields. The sums are exact ones of numbers on a grid, so the same bits in any order. weight and scale
    as for add."""
    hidden, division = rbm.hidden, rbm._parameters.division
    if not hidden.trained:
        return given, None
    n_units = hidden.n if division is None else division.own_hidden
    fixed, sums, part = np.zeros(given.shape, np.float32), np.zeros((8, n_units)), np.empty((8, n_units))
    work = workload.means_of_sides(n_units)
    used = threads.resolve(n_threads, work.of(n))
    for rows in workload.parts(n, work) if n_units else []:  # of this rank
        factors = None if weight is None else weight[rows] * (2.0**-FIXED_BITS)
        kernels.real_means(given[:, rows], layer, factors, fixed[:, rows], part, rows.stop - rows.start, used)
        sums += part
    sums = sums[:4] + sums[4:]
    if division is not None:
        sums = np.stack([division.hidden.all_units(row) for row in sums])
    return fixed, hidden.own_gradient(sums * scale)


def nothing(rbm: RBM) -> Moments:
    """Sums over no example yet: total is 0, and what is in weight_sum and hidden_sum does not matter."""
    if rbm._parameters.division is not None:
        refuse_whole("moments")
    moments, weight_sum = object.__new__(Moments), np.empty((rbm.n_visible, rbm.n_hidden))
    # which need no check
    vars(moments).update(
        weight_sum=weight_sum, visible_sum=np.zeros(rbm.n_visible), hidden_sum=np.empty(rbm.n_hidden), total=0.0
    )
    moments.own_sum = None
    return moments


def add(
    moments: Moments,
    states: BitMatrix | np.ndarray,
    fixed: np.ndarray,
    layer: kernels.Layer,
    weight: np.ndarray | None = None,
    scale: float = 1.0,
    n_threads: int | None = None,
) -> None:
    """Add examples to moments of bits in place.

    states: BitMatrix, or float64 (n, V); fixed: their P(h | v) in units of 2^-22, or means in those of the hidden
    layer, float32 (tiles, 8 ceil(n/8), 64), zero past the last example; weight: float64 (n,) of integers up to 2^22, in
    units of scale / 2^22.
    """
    n = states.shape[0]
    unit = 2.0**-layer.fixed_bits * scale
    if weight is not None:
        fixed[:, :n] = np.rint(fixed[:, :n] * (weight * 2.0**-FIXED_BITS)[None, :, None])
    accumulate = moments.total != 0.0
    one = 2.0**-FIXED_BITS * scale  # of a weight
    moments.total += n if weight is None else float(weight.sum()) * one
    used = threads.resolve(n_threads, moments.weight_sum.size * n)
    if not isinstance(states, BitMatrix) or _are_real(states):
        if not accumulate:
            moments.weight_sum[...], moments.hidden_sum[...] = 0.0, 0.0
        _add_numbers(moments, states, fixed, weight, unit, one, used)
        return
    signed = layer.to is not None
    transposed = np.empty((-(-n // 8), states.n_units), np.uint8)
    kernels.transpose(states._planes, states.n_units, states.segments, transposed, used)
    kernels.moments(
        transposed, fixed, signed, unit, accumulate, moments.weight_sum, moments.hidden_sum, used, states.segments
    )
    if weight is None:
        kernels.count_bits(states._planes, states.n_units, states.segments, moments.visible_sum, used)
    else:
        # integers below 2^53: exact in whatever order BLAS adds them
        moments.visible_sum += states.weighted_sums(weight) * one


def _are_real(states: BitMatrix) -> TypeGuard[CodeMatrix]:
    """Whether any unit of these states is real."""
    return states.segments is not None and states.segments.real


def _add_numbers(
    moments: Moments, states: CodeMatrix | np.ndarray, fixed: np.ndarray, weight: np.ndarray | None, unit: float,
    one: float, n_threads: int,
) -> None:  # fmt: skip
    """add, of fractions or of states with real units; unit: of the hidden means, one: of a weight."""
    n = states.shape[0]
    weight_sum, visible_sum, hidden_sum, _ = moments._sums
    if isinstance(states, CodeMatrix):
        grid, step, most = states.to_grid(), 2.0**-REAL_BITS, ROWS // 2
    else:
        grid, step, most = to_fixed_point(states), 2.0**-FIXED_BITS, ROWS
    # 504 rows of products of two 22-bit numbers are exact in float64, or 252 where one of them has 23 bits
    kernels.moments_of_numbers(grid, fixed, most, unit * step, weight_sum, n_threads)
    for start in range(0, n, most):  # not by BLAS, whose threads would keep the CPUs from the next call's for a while
        rows = slice(start, start + most)
        weighted = grid[rows] if weight is None else grid[rows] * weight[rows, None]
        visible_sum += weighted.sum(axis=0) * (step if weight is None else one * step)
    for tile, sums in enumerate(fixed[:, :n].sum(axis=1, dtype=np.float64)):
        own = hidden_sum[tile * TILE : (tile + 1) * TILE]
        own += sums[: own.size] * unit


def _examples(rbm: RBM, X: ArrayLike) -> BitMatrix | np.ndarray:
    data = model(rbm)._states(X, "X", fractions=True)
    if data.shape[0] == 0:
        raise ValueError("X must have at least one example")
    return data


class PhaseStates:
    """Examples with their fixed-point P(h | v), kept as they are until it is known what they are needed for: a gradient
    takes the difference of two phases in one pass, without either's <v s'>. given: what a hidden layer gave of them, in
    a fixed_buffer; layer: which, the model's own by default.

    Attributes
    ----------
    transposed : uint8 (ceil(n/8), V)
        As kernels.transpose has it by these segments.
    segments : Segments or None
        Of the visible layer.
    fixed : float32 (tiles, 8 ceil(n/8), 64)
        Of a divided model this rank's tiles; all else is of all units.
    visible_sum, hidden_sum : float64 (V,), (H,)
        Of bits, not of the values that they stand for.
    total : float
    unit : float
        What the numbers of fixed count in: 2^-22, of real hidden units another power of two.
    """

    def __init__(
        self, rbm: RBM, states: BitMatrix, given: np.ndarray, n_threads: int | None = None,
        weight: np.ndarray | None = None, scale: float = 1.0, layer: kernels.Layer | None = None,
    ) -> None:  # fmt: skip
        """given becomes this object's, and weighted; weight and scale as for add."""
        n, one = len(states), 2.0**-FIXED_BITS * scale  # of a weight
        layer = rbm._parameters.to_hidden if layer is None else layer
        self.shape = rbm.n_visible, rbm.n_hidden
        self.total = float(n) if weight is None else float(weight.sum()) * one
        self.segments = states.segments
        fixed, self.own_sum = means_of(rbm, layer, given, n, weight, scale, n_threads)
        self.fixed, self.unit = fixed, 2.0**-layer.fixed_bits * scale
        self.transposed = np.empty((-(-n // 8), rbm.n_visible), np.uint8)
        self.division = division = rbm._parameters.division
        n_hidden = rbm.n_hidden if division is None else division.own_hidden
        self.visible_sum, self._hidden_sum = np.empty(rbm.n_visible), np.empty(n_hidden)
        used = threads.resolve(n_threads, 4 * threads.PASS * n * (rbm.n_visible // 8 + rbm.n_hidden))
        kernels.prepare_phase(
            states._planes, self.segments, fixed, self.unit, self.transposed, self.visible_sum, self._hidden_sum,
            None if weight is None else (weight, one), used,
        )  # fmt: skip
        self._complete = division is None
        self.units = rbm.visible, rbm.hidden

    @property
    def hidden_sum(self) -> np.ndarray:
        """Of a divided model, this rank's units know theirs until somebody asks for all."""
        complete(self)
        return self._hidden_sum

    @hidden_sum.setter
    def hidden_sum(self, sums: np.ndarray) -> None:
        self._hidden_sum = sums

    @classmethod
    def of_data(
        cls, rbm: RBM, X: ArrayLike, sample_weight: ArrayLike | None = None, n_threads: int | None = None
    ) -> PhaseStates | Moments:
        """Of data; where they have fractions, or are very many, their moments at once."""
        data = _examples(rbm, X)
        if not isinstance(data, BitMatrix) or len(data) > ROWS_A_PART:
            return Moments.of_data(rbm, data, sample_weight, n_threads)
        fixed = gibbs.fixed_buffer(len(data), rbm._parameters)
        gibbs.half_step(rbm._parameters.to_hidden, data, fixed=fixed, n_threads=n_threads)
        return cls.of_states(rbm, data, fixed, n_threads, sample_weight)

    @classmethod
    def of_states(
        cls, rbm: RBM, states: BitMatrix, given: np.ndarray, n_threads: int | None = None,
        sample_weight: ArrayLike | None = None, layer: kernels.Layer | None = None,
    ) -> PhaseStates | Moments:  # fmt: skip
        """Of states and what a layer gave of them; where visible units are real, the moments at once."""
        weight, scale = None, 1.0
        if sample_weight is not None:
            weight, scale = whole_weights(validate.sample_weight(sample_weight, len(states)))
        if not _are_real(states):
            return cls(rbm, states, given, n_threads, weight, scale, layer)
        moments, layer = nothing(rbm), rbm._parameters.to_hidden if layer is None else layer
        fixed, moments.own_sum = means_of(rbm, layer, given, len(states), weight, scale, n_threads)
        add(moments, states, fixed, layer, weight, scale, n_threads)
        return of_values(moments, (rbm.visible, rbm.hidden))

    @property
    def own(self) -> np.ndarray | None:
        """As of Moments."""
        return None if self.own_sum is None else self.own_sum / self.total

    @property
    def means(self) -> tuple[np.ndarray, np.ndarray]:
        """<v> and <s>."""
        v, h = self.units
        return v.off + v.step * (self.visible_sum / self.total), h.off + h.step * (self.hidden_sum / self.total)

    def less(self, other: PhaseStates) -> tuple[np.ndarray, np.ndarray]:
        """The means of this phase minus those of another one of the same model, rounded as kernels.train does."""
        v, h = self.units
        return (
            v.step * (self.visible_sum / self.total - other.visible_sum / other.total),
            h.step * (self.hidden_sum / self.total - other.hidden_sum / other.total),
        )

    def moments(self, n_threads: int | None = None) -> Moments:
        """The averages themselves."""
        if self.division is not None:
            refuse_whole("moments")
        sums = self.visible_sum.copy(), self.hidden_sum.copy()
        moments = Moments(np.empty(self.shape), *sums, self.total, self.own_sum)
        used = threads.resolve(n_threads, moments.weight_sum.size * int(self.total))
        all_of_fixed = np.empty(self.shape[1])  # which is more than hidden_sum in a LabelPhase
        signed = self.units[1].real
        kernels.moments(
            self.transposed, self.fixed, signed, self.unit, False, moments.weight_sum, all_of_fixed, used, self.segments
        )
        return of_values(moments, self.units)


def complete(*phases: PhaseStates | Moments) -> None:
    """Let all ranks have the sums of all hidden units, of phases of a divided model: in one exchange."""
    lacking = [phase for phase in phases if isinstance(phase, PhaseStates) and not phase._complete]
    if lacking and lacking[0].division is not None:
        own = np.stack([phase._hidden_sum for phase in lacking], axis=1)
        for phase, sums in zip(lacking, lacking[0].division.hidden.all_units(own).T, strict=True):
            phase._hidden_sum, phase._complete = np.ascontiguousarray(sums), True
