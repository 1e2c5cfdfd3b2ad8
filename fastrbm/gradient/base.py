"""Gradient: positive phase minus negative phase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .._core import threads, validate
from .._core.direction import Update, Velocity, along_offsets, outcome, outcome_of, padded_to, rows_for
from .._core.dispatch import kernels
from .._core.layout import TILE, from_tiles, to_tiles
from .._core.parameters import refuse_whole
from .._core.settings import once
from ..moments import Moments, PhaseStates, complete
from ..states.missing import absent_sites
from ..units.unit import Unit

if TYPE_CHECKING:
    from .._core.division import Division

_PARTS = "tiles", "weights", "visible_bias", "hidden_bias", "own"


class Gradient(Update):
    """The gradient of the mean log-likelihood, or an estimate of it: one subtraction of one type.

        d log p(v)/dtheta = -E_{p(h|v)}[dE/dtheta] + E_{p(v,h)}[dE/dtheta]

    E is linear in its parameters, so that with `s = E[h | v]` this is

        dW = <v s'>_data - <v s'>_model,    db = <v>_data - <v>_model,    dc = <s>_data - <s>_model.

    Each phase is an average over its own number of examples. What a training step does not need is computed when it is
    asked for. A centered gradient (see :class:`Centering`) has other components than these; it still vanishes where
    they do. The arrays are read-only; an object of your own with the three arrays serves ``RBM.step`` and optimizers
    too.

    Attributes
    ----------
    positive, negative : Moments
        Of the data, and of the model or its chains.
    weights : (V, H)
        float64 where it comes from Moments; float32 where it comes from the states themselves.
    visible_bias : float64 (V,)
    hidden_bias : float64 (H,)
        In nats per unit of the parameter.
    own : float64 (K, H) or None
        By what else a training changes of the hidden units: delta and xi of dReLU units, where both phases have it.
    scale : float
        What the difference of the phases is multiplied by: see :meth:`scaled`.
    offsets : float64 (V,) and (H,), or None
        What it is centered by.
    plain_biases : float64 (V,) and (H,)
        The biases' parts without centering.
    decays : bool
        Whether an update along it takes the decay of the weights into the biases' parts by itself; else the optimizer
        does.
    """

    def __init__(
        self,
        positive: Moments | PhaseStates,
        negative: Moments | PhaseStates,
        n_threads: int | None = None,
        offsets: tuple[np.ndarray, np.ndarray] | None = None,
        scale: float = 1.0,
    ) -> None:
        for name, phase in (("positive", positive), ("negative", negative)):
            if not isinstance(phase, (Moments, PhaseStates)):
                raise TypeError(f"{name} must be Moments, not {type(phase).__name__}")
            if phase.total == 0.0:
                raise ValueError(f"{name} must be of at least one example")
        threads.resolve(n_threads)
        if isinstance(positive, PhaseStates) and isinstance(negative, PhaseStates) and not positive.units[0].even:
            # the kernels' factor of a difference is one for all units
            positive, negative = positive.moments(n_threads), negative.moments(n_threads)
        complete(positive, negative)
        self._phases = positive, negative
        self._shape = positive.shape
        if self.shape != negative.shape:
            raise ValueError(f"both phases must be moments of one model, got shapes {self.shape} and {negative.shape}")
        self._n_threads = n_threads
        if offsets is not None and not (isinstance(offsets, (tuple, list)) and len(offsets) == 2):
            raise TypeError(f"offsets must be a pair of arrays, (V,) and (H,), not {validate.kind(offsets)}")
        self._offsets = None if offsets is None else self._checked(*offsets)
        self._scale = validate.real(scale, "scale", 0.0)
        self._along: tuple[np.ndarray, np.ndarray] | None = None  # weights' part times either offset

    @property
    def shape(self) -> tuple[int, int]:
        """The number of visible and of hidden units."""
        return self._shape

    @property
    def scale(self) -> float:
        """What the difference of the phases is multiplied by."""
        return self._scale

    def centered(self, visible_offset: np.ndarray, hidden_offset: np.ndarray) -> Gradient:
        """This gradient with `v - mu` (V,) for v and `h - lambda` (H,) for h: see :class:`Centering`."""
        return Gradient(*self._phases, self._n_threads, (visible_offset, hidden_offset), self.scale)

    def _checked(self, visible_offset: np.ndarray, hidden_offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Offsets of this model, float64."""
        offsets: list[np.ndarray] = []
        for name, offset, size in zip(
            ("visible_offset", "hidden_offset"), (visible_offset, hidden_offset), self.shape, strict=True
        ):
            array = validate.offset(offset, name)
            if array is None or array.size != size:
                raise ValueError(f"{name} must hold {size} finite numbers, got {0 if array is None else array.size}")
            offsets.append(array)
        return offsets[0], offsets[1]

    def scaled(self, factor: float) -> Gradient:
        """This gradient times a number, in all its parts. A batch of a weighted data set counts by its mean weight over
        that of all the data: :func:`fastrbm.fit` scales its gradients so."""
        factor = validate.real(factor, "factor", 0.0)
        return Gradient(*self._phases, self._n_threads, self._offsets, self.scale * factor)

    @once
    def positive(self) -> Moments:
        return _moments(self._phases[0])

    @once
    def negative(self) -> Moments:
        return _moments(self._phases[1])

    @property
    def weights(self) -> np.ndarray:
        return self._weights

    @property
    def visible_bias(self) -> np.ndarray:
        return self._biases[0].view()

    @property
    def hidden_bias(self) -> np.ndarray:
        return self._biases[1].view()

    @once
    def own(self) -> np.ndarray | None:
        data, model = (phase.own for phase in self._phases)
        return None if data is None or model is None else _read_only((data - model) * self.scale)

    @once
    def _weights(self) -> np.ndarray:
        if self._division is not None:
            refuse_whole("weights")
        if self._overrides("tiles") and not self._overrides("weights"):
            return _read_only(np.ascontiguousarray(from_tiles(self.tiles, *self.shape)))
        if self._states() is not None:
            return _read_only(np.ascontiguousarray(from_tiles(self._difference, *self.shape)))
        weights = (self.positive.weights - self.negative.weights) * self.scale
        if weights.shape != self.shape:
            raise ValueError(f"the moments of a gradient of {self.shape} units are now of {weights.shape}")
        if self._offsets is not None:
            (mu, lam), (dv, dh) = self._offsets, self._differences
            weights -= np.outer(mu, dh) + np.outer(dv, lam)
            # one sum after another: the same bits on any machine
            along = (np.add.accumulate(weights * lam, axis=1)[:, -1], np.add.accumulate(weights.T * mu, axis=1)[:, -1])
            self._along = along
        return _read_only(weights)

    @once
    def tiles(self) -> np.ndarray:
        """The weights' part, float32, in the kernels' layout (see src/README.md): what an update reads."""
        known = self._states() is not None and not self._overrides("weights")
        return self._difference if known else to_tiles(self.weights)

    @once
    def _difference(self) -> np.ndarray:
        """The difference of the phases' states, in tiles."""
        states = self._states()
        assert states is not None
        out = np.empty(self._tile_shape, np.float32)
        used = threads.resolve(self._n_threads, out.size * int(sum(phase.total for phase in states)))
        along = self._workspace(out.shape, states[0].units)
        centering = self._centering(out.shape, states[0].units)
        by_tile = self._by_tile(out.shape, centering)
        if len(out):
            kernels.difference(
                *_sides(*states, self.scale), centering, self._own_hidden, out, *along, used, by_tile,
                states[0].segments,
            )  # fmt: skip
        self._along = self._added(along, by_tile)[0]
        return out

    @property
    def _division(self) -> Division | None:
        """Of the model, whose phases have the tiles that this rank has."""
        positive = self._phases[0]
        return positive.division if isinstance(positive, PhaseStates) else None

    @property
    def _own_hidden(self) -> int:
        """How many hidden units this rank has."""
        return self.shape[1] if self._division is None else self._division.own_hidden

    @property
    def _tile_shape(self) -> tuple[int, int, int]:
        return -(-self._own_hidden // TILE), -(-self.shape[0] // 8) * 8, TILE

    def ascend(
        self,
        weights: np.ndarray,
        rate: float,
        l2: float,
        l1: float,
        limit: float,
        out: np.ndarray,
        transposed: np.ndarray,
        n_threads: int,
        division: Division | None = None,
        velocity: Velocity | None = None,
    ) -> tuple[int, float, float]:
        """The update of the weights, in one pass with the difference of the phases where that is not yet known."""
        decay, states = (rate, l2, l1, limit, out, transposed), self._states()
        self._decayed = None
        if "_difference" in self.__dict__ or states is None:
            result = super().ascend(weights, *decay, n_threads, division, velocity)
            if self._offsets is not None and (l2 or l1):
                self._decayed = along_offsets(self.tiles, self._offsets, n_threads, division, weights, l2, l1)
            return result
        if not self._tile_shape == weights.shape == out.shape:
            raise ValueError(f"a gradient of {self.shape} units cannot change weights in tiles of {weights.shape}")
        units = states[0].units
        centering, along = self._centering(out.shape, units), self._workspace(out.shape, units)
        rows = None if division is None else rows_for(weights)
        by_tile, sums = self._by_tile(out.shape, centering), (0, 0.0, 0.0)
        if len(weights):
            sums = kernels.step(
                *_sides(*states, self.scale), centering, self._own_hidden, weights, *decay, *along, n_threads, rows,
                by_tile, states[0].segments, velocity,
            )  # fmt: skip
        numbers = () if division is None or rows is None else outcome_of(sums[0], sums[1], rate)
        products, largest, totals = self._added(along, by_tile, rows, numbers)
        if l2 or l1:
            self._decayed = products
        else:
            self._along = products
        return sums if division is None or rows is None else outcome(division, largest, totals)

    def bias_parts(self) -> tuple[np.ndarray, np.ndarray]:
        if self._decayed is None or self._offsets is None:
            return super().bias_parts()
        (visible, hidden), along = self._differences, self._decayed
        return visible - along[0], hidden - along[1]

    @property
    def offsets(self) -> tuple[np.ndarray, np.ndarray] | None:  # type: ignore[override]
        """What it is centered by."""
        return self._offsets

    decays = True
    _decayed: tuple[np.ndarray, np.ndarray] | None = None  # _along less decay, of the last update

    @property
    def plain_biases(self) -> tuple[np.ndarray, np.ndarray]:
        """The biases' parts without centering."""
        return self._differences

    @property
    def has_own_parts(self) -> bool:  # type: ignore[override]
        """Whether this is of a subclass with arrays of its own, and no ascend: then they are what counts."""
        return type(self).ascend is Gradient.ascend and self._overrides(*_PARTS)

    def _overrides(self, *names: str) -> bool:
        return any(getattr(type(self), name) is not getattr(Gradient, name) for name in names)

    def _keeps_parts(self, method: str) -> bool:
        """Whether what centered or scaled makes of this gradient has its parts: a subclass with parts of its own says
        so by a method of its own."""
        return self._overrides(method) or not self._overrides(*_PARTS)

    @property
    def work(self) -> int:
        """What ascend has to do beside the update itself, in connections."""
        if "_difference" in self.__dict__ or self._states() is None:
            return 0
        return self.shape[0] * self.shape[1] * int(self._phases[0].total + self._phases[1].total)

    def _states(self) -> tuple[PhaseStates, PhaseStates] | None:
        """The phases, where both still have their states."""
        positive, negative = self._phases
        return (positive, negative) if isinstance(positive, PhaseStates) and isinstance(negative, PhaseStates) else None

    def _centering(self, shape: tuple[int, ...], units: tuple[Unit, Unit]) -> tuple[np.ndarray, ...] | None:
        """Offsets, the same less the values of units that are off, and differences of means as kernels.difference takes
        them, for tiles of this shape; None where they change nothing."""
        if self._offsets is None and not any(unit.shifted for unit in units):
            return None
        offsets = (np.zeros(self.shape[0]), np.zeros(self.shape[1])) if self._offsets is None else self._offsets
        shifts = [offset - unit.off for offset, unit in zip(offsets, units, strict=True)]
        lengths = (shape[1], shape[0] * TILE) * 3
        own = slice(None) if self._division is None else self._division.hidden.own_units
        values = [pair for both in (offsets, shifts, self._differences) for pair in (both[0], both[1][own])]
        return tuple(map(padded_to, values, lengths))

    def _workspace(
        self, shape: tuple[int, ...], units: tuple[Unit, Unit]
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Where the kernels put the weights' part times either offset."""
        if self._offsets is None and not any(unit.shifted for unit in units):
            return None, None
        return np.empty(shape[1]), np.empty(shape[0] * TILE)

    def _by_tile(self, shape: tuple[int, ...], centering: object) -> np.ndarray | None:
        """Where the kernels put what the first of these adds up over this rank's tiles."""
        return None if self._division is None or centering is None else np.empty(shape[:2])

    def _added(
        self, along: tuple[np.ndarray | None, np.ndarray | None], by_tile: np.ndarray | None = None,
        rows: np.ndarray | None = None, numbers: Sequence[float] = (),
    ) -> tuple[tuple[np.ndarray, np.ndarray] | None, list[float], np.ndarray]:  # fmt: skip
        """The products with either offset. Of a divided model, added up over the ranks; and the largest of each of some
        numbers, and what rows, numbers of visible units tile by tile, add up to."""
        (visible, hidden), largest, sums = along, list(numbers), np.empty(0)
        if self._division is not None:
            parts = [part for part in (rows, by_tile) if part is not None]
            own = None if hidden is None else hidden[: self._own_hidden]
            added, hidden, largest = self._division.totals(parts, own, numbers)
            sums = added[0] if rows is not None else sums
            visible = None if by_tile is None else added[-1]
        if visible is None or hidden is None:
            return None, largest, sums
        return (visible[: self.shape[0]], hidden[: self.shape[1]]), largest, sums

    @property
    def data_means(self) -> tuple[np.ndarray, np.ndarray]:
        """`<v>` and `<s>` of the positive phase, float64 (V,) and (H,)."""
        return self._phases[0].means

    @once
    def _differences(self) -> tuple[np.ndarray, np.ndarray]:
        states = self._states()
        if states is not None:
            visible, hidden = states[0].less(states[1])
        else:
            (v, h), (model_v, model_h) = (phase.means for phase in self._phases)
            visible, hidden = v - model_v, h - model_h
        return visible * self.scale, hidden * self.scale

    @once
    def _biases(self) -> tuple[np.ndarray, np.ndarray]:
        visible, hidden = self._differences
        if self._offsets is not None:
            along = self._weights_along()
            visible, hidden = visible - along[0], hidden - along[1]
        return _read_only(visible), _read_only(hidden)

    def _weights_along(self) -> tuple[np.ndarray, np.ndarray]:
        if self._along is None:
            _ = self._weights if self._states() is None else self._difference
        assert self._along is not None
        return self._along

    def __repr__(self) -> str:
        positive, negative = self._phases
        return f"{type(self).__name__}{self.shape} of {positive.total:g} examples and {negative.total:g} of the model"


def refuse_absent(X: object, estimator: object) -> None:
    """ValueError where sites of X are absent: chains of the whole model are no match for its examples."""
    if absent_sites(X) is not None:
        raise ValueError(
            f"{type(estimator).__name__} cannot have absent sites in X: its negative phase is of the whole model, in "
            f"which "
            "all sites are there; take gradient.CD, whose chains start at the data and have the sites of their example"
        )


def _read_only(array: np.ndarray) -> np.ndarray:
    """An update reads the phases: an edit of what is shown here would be lost."""
    array.flags.writeable = False
    return array


def _sides(
    positive: PhaseStates, negative: PhaseStates, scale: float
) -> tuple[np.ndarray, np.ndarray, float, np.ndarray, np.ndarray, float, bool]:
    """The phases, scaled, as kernels.difference takes them."""
    v, h = positive.units
    factors = [phase.unit * scale * v.step * h.step / phase.total for phase in (positive, negative)]
    return (
        positive.transposed, positive.fixed, factors[0], negative.transposed, negative.fixed, factors[1], h.real,
    )  # fmt: skip


def _moments(phase: Moments | PhaseStates) -> Moments:
    return phase.moments() if isinstance(phase, PhaseStates) else phase
