"""What a unit type is: the questions that the rest of the package asks, and the answers that most types share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .._core import validate

_MOST = 1 << 40


def read_only(array: np.ndarray) -> np.ndarray:
    """A view of an array, which cannot be made writable, unlike the array that owns its memory."""
    array.flags.writeable = False
    return array.view()


class _Fixed:
    """What cannot be changed once it is made: models and chains that have it rely on it."""

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name} of {self!r} cannot be set: make other units")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name} of {self!r} cannot be deleted")


@dataclass(frozen=True)
class Unit(_Fixed):
    """n units of one type, each of which has two values. It is kept as a bit, which is on for the higher value.

    A site of several categories is as many units of 0 and 1, of which one is on (:class:`Categorical`). Real units
    (:class:`Gaussian`, :class:`ReLU`, :class:`DReLU`) have any value, and an own energy whose parameters belong to the
    description.

    What a type answers, here and in the kernels (src/units.pxi), where ``name`` leads to the same type:

    1. store: :meth:`parts` reads what users have, :meth:`values` gives it back;
    2. contribute: a unit adds its value times its weights to the fields of the other layer;
    3. draw: on with probability sigmoid(:meth:`log_odds` of the field);
    4. mean: :meth:`mean`;
    5. cumulant generating function: :meth:`cgf` of a field;
    6. energy: -bias times value, and :meth:`own_energy`;
    7. statistics: the value; one parameter that the model trains, the bias;
    8. initial parameters: :meth:`bias_of` data;
    9. gauge: :meth:`zero_sum`; a layer of two values has no direction that changes nothing.

    Attributes
    ----------
    n : int
        How many.
    name : str
        Of the type, in files, messages and options.
    off, step : float
        The lower value, and how far above it the higher one is.
    dtype : numpy dtype
        Of states that users get.
    """

    n: int

    name: ClassVar[str]
    off: ClassVar[Any]  # of segments of several types, an array (n,), and step likewise
    step: ClassVar[Any]
    dtype: ClassVar[Any]
    numbers: ClassVar[str]  # which users may pass, for messages
    real: ClassVar[bool] = False  # whether values are real numbers
    trained: ClassVar[tuple[str, ...]] = ()  # the parameters of the own energy that a training changes, beside the bias

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", validate.integer(self.n, "n", 1, _MOST))

    @property
    def segments(self) -> tuple[Unit, ...]:
        """The parts of a layer, each of one type."""
        return (self,)

    @property
    def n_columns(self) -> int:
        """Columns of the data: one for each unit, or for each site."""
        return self.n

    @property
    def layout(self) -> tuple[tuple[str, Any], ...] | None:
        """What kernels.Segments takes; None where all units are of one type of two values."""
        return None

    @property
    def plain(self) -> Unit:
        """These units without the parameters of their own energy, for comparing types."""
        return self

    def settled(self) -> Unit:
        """These units with nothing left open, as a model has them."""
        return self

    def with_beta(self, beta: float) -> Unit:
        """The units of the model at an inverse temperature: its weights and fields times beta. The quadratic part of an
        own energy stays as it is, so that the distribution is one at beta 0, too."""
        return self

    def between(self, other: Unit, bias: np.ndarray, other_bias: np.ndarray, s: float) -> tuple[np.ndarray, Unit]:
        """(biases, units) whose energy is `1 - s` times that of these units plus s times that of others of the same
        type, for biases float64 (n,) of both.

        ValueError where no units of the type have such an energy.
        """
        return (1.0 - s) * bias + s * other_bias, self

    def far_values(self) -> tuple[np.ndarray, ...]:
        """Of real units values (n,) in the middle of which most of a mode is that a single unit makes: three standard
        deviations from 0, on either side or on the only one."""
        raise NotImplementedError

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """What the description of real units holds, arrays (n,) by name; nothing of others."""
        return {}

    @property
    def gammas(self) -> np.ndarray | None:
        """gamma of Gaussian units, 1 of others, float32 (n,); None where there are no Gaussian ones."""
        return None

    def with_gammas(self, gammas: np.ndarray) -> Unit:
        """Units whose Gaussian ones have other gammas, (n,)."""
        return self

    @property
    def own(self) -> np.ndarray | None:
        """The values of :attr:`trained`, float32 (K, n); None where there are none."""
        return None

    def with_own(self, values: np.ndarray) -> Unit:
        """Units with other values of :attr:`trained`, (K, n)."""
        raise NotImplementedError

    def half_means(self, field: np.ndarray) -> np.ndarray:
        """What own_gradient takes the sums of, of units with these fields, float64 (4, ..., n)."""
        raise NotImplementedError

    def own_gradient(self, sums: np.ndarray) -> np.ndarray:
        """What sums (4, n) over examples of `E[max(x, 0)]`, `E[min(x, 0)]` and their squares' means are as sums of the
        derivatives of the cgf by :attr:`trained`, float64 (K, n)."""
        raise NotImplementedError

    def sides(self) -> np.ndarray:
        """What the kernels read of real units, float64 (6, n); zeros for others. Of the positive side, then of the
        negative one: theta less the bias (rows 0, 1), `1 / sqrt(gamma)` (2, 3), `log(gamma) / 2` (4, 5)."""
        return np.zeros((6, self.n))

    @property
    def shifted(self) -> bool:
        """Whether any unit counts for something where it is off."""
        off = self.off
        return off != 0 if isinstance(off, (int, float)) else bool(np.any(off))  # asked for in every update

    @property
    def even(self) -> bool:
        """Whether the values of all units are equally far apart."""
        return np.ndim(self.step) == 0

    def units_on(self, parts: np.ndarray) -> np.ndarray:
        """Which units are on, uint8 (n, units), in states as :meth:`parts` gives them; of real units their values,
        float64."""
        return parts

    def unit_values(self, parts: np.ndarray) -> np.ndarray:
        """What each unit counts for, float64 (n, units): v in `E(v, h)`."""
        return self.off + self.step * self.units_on(parts).astype(np.float64)

    def describe(self) -> dict[str, Any]:
        """What a file says of these units."""
        return {"type": self.name, "n": self.n}

    def parts(self, array: np.ndarray, fractions: bool) -> np.ndarray | None:
        """The data of a user, numbers (n, m), as the kernels hold them: uint8 bits; int32 of a layer with real units.
        Where fractions may be, and there are some: float64, from 0 to 1. None where the numbers are none of these."""
        raise NotImplementedError

    def complaint(
        self, array: np.ndarray, name: str, fractions: bool, rows: Sequence[int] | np.ndarray | None,
        places: tuple[np.ndarray, np.ndarray] | None = None, first_column: int = 0,
    ) -> str:  # fmt: skip
        """Why :meth:`parts` refused these numbers, which begin at this column."""
        raise NotImplementedError

    def values(self, parts: np.ndarray) -> np.ndarray:
        """What :meth:`parts` gives as the values of units, in their dtype; float64 fractions of on as numbers between
        the values."""
        raise NotImplementedError

    def check_data(self, array: np.ndarray, name: str) -> None:
        """ValueError where all data of a user, as a whole, were meant for units of another type."""

    def mean(self, probability: np.ndarray) -> np.ndarray:
        """The mean value of units that are on with these probabilities, of their dtype."""
        return self.off + self.step * probability

    def mean_of(self, field: np.ndarray) -> np.ndarray:
        """The mean value of units with these fields, float64 (..., units)."""
        with np.errstate(over="ignore"):  # of exp: to infinity, which gives the right 0
            return self.mean(1.0 / (1.0 + np.exp(-self.log_odds(field))))

    def moments_of(self, field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`(E[x], E[x^2])` of real units with these fields, float64 (..., n)."""
        raise NotImplementedError

    def log_odds(self, field: np.ndarray) -> np.ndarray:
        """`log(P(on) / P(off))` of a unit with this field."""
        return self.step * field

    def expected(self, means: np.ndarray) -> np.ndarray:
        """What users get of probabilities of on, (n, units): these; of real units, whose means stand in their place,
        the means in the data's units."""
        return means

    def hardened(self, fractions: np.ndarray) -> np.ndarray:
        """The likeliest states, as :meth:`parts` gives them, of units that are on with probabilities (n, units); of
        real units their means, which stand in the place of probabilities."""
        return (fractions >= 0.5).astype(np.uint8)

    def drawn(self, fractions: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """States, as :meth:`parts` gives them, of units that are on with probabilities (n, units), by random numbers
        between 0 and 1, (n, n_columns). Layers with real units have no fractions."""
        return (numbers < fractions).astype(np.uint8)

    @property
    def n_states_of_columns(self) -> tuple[int, ...]:
        """How many states a column of the data may have, for each; 0 of real ones, which have no such number. What
        multiplies these has to look at :attr:`real` first."""
        return (2,) * self.n

    @property
    def units_of_columns(self) -> tuple[int, ...]:
        """How many units each column of the data has."""
        return (1,) * self.n

    @property
    def log_scales(self) -> np.ndarray:
        """The logarithm of what a column of the data changes by where its unit's value changes by 1, float64
        (n_columns,): log p of the data's numbers is log p of the units' values less these. 0 of units that are not
        real, whose distributions have no density."""
        return np.zeros(self.n_columns)

    def part(self, columns: np.ndarray) -> Unit:
        """A layer of some of the columns, bool (n_columns,), at least one."""
        return type(self)(int(columns.sum()))

    def cgf(self, field: np.ndarray) -> np.ndarray:
        """`log sum_x exp(x field)` over both values, float64, the same bits on any machine. Of real units the integral
        of `exp(x field - U(x))`, with the own energy U."""
        raise NotImplementedError

    def own_energy(self, parts: np.ndarray) -> np.ndarray:
        """What E has of these units beside -bias times value, float64 (n,), in states as :meth:`parts` gives them."""
        return np.zeros(len(parts))

    def bias_of(self, sums: np.ndarray, n: float | np.ndarray, log: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """The biases of units by themselves that have the means of data, in sums of which of n examples (one number
        for all, or one a unit) each is on, smoothed by one example half-way between the values: no bias is infinite."""
        means = (sums + 0.5) / (n + 1.0)
        logs = log(np.concatenate((means, 1.0 - means)))
        return (logs[: means.size] - logs[means.size :]) / self.step

    def zero_sum(self, field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Fields (units, ...) float64 in the gauge in which those of each site sum to zero over its categories, and
        what was taken off in all, (...). Both are the same model: one of a site's categories is always on."""
        return field, np.zeros(field.shape[1:])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.n})"
