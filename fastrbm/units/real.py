"""What units with real values share: their grid, and the parameters of their own energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .._core import arrays, floatmath, validate
from .._core.layout import REAL_BITS, REAL_LARGEST
from .._core.settings import once
from .unit import Unit, read_only

GRID = 2.0**-REAL_BITS  # a value is a whole number of these
SMALLEST_GAMMA, LARGEST_GAMMA = 2.0**-8, 2.0**12  # between which standard deviations fit the grid and its range
_NUMBERS = 1 << 20  # that are read at a time
_MOST = REAL_LARGEST * GRID


class Real(Unit):
    """n units with real values x: E has U(x) - b x for each, with an own energy U whose parameters belong to the
    description.

    A value is kept as an integer H: x = H / 4096, so |x| < 2048. :meth:`parts` gives int32 H, without fractions.

    Attributes
    ----------
    gamma : float32 (n,)
        Of the own energy's quadratic part, gamma x^2 / 2.
    """

    off, step, dtype, real = 0.0, 1.0, np.float64, True
    numbers = "numbers"
    defaults: ClassVar[dict[str, float]]  # the parameters that the constructor takes, by name
    _own: dict[str, np.ndarray]
    _key: tuple[Any, ...]

    def _keep(self, n: int, **given: ArrayLike | None) -> None:
        """What the constructors do: check the parameters, and keep read-only copies."""
        Unit.__init__(self, n)
        own = {
            name: numbers_of(self.defaults[name] if value is None else value, name, self.n, _dtype(name))
            for name, value in given.items()
        }
        check_gamma(own["gamma"], "gamma")
        self._take(own)

    def _take(self, own: dict[str, np.ndarray]) -> None:
        """Let these, checked, be the parameters."""
        object.__setattr__(self, "_own", own)
        object.__setattr__(self, "_key", (type(self), self.n, *(array.tobytes() for array in own.values())))

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        return dict(self._own)

    @property
    def gamma(self) -> np.ndarray:
        return self._own["gamma"]

    @once
    def plain(self) -> Unit:
        return type(self)(self.n)

    def between(self, other: Unit, bias: np.ndarray, other_bias: np.ndarray, s: float) -> tuple[np.ndarray, Unit]:
        if self == other:
            return super().between(other, bias, other_bias, s)
        if self.plain != other.plain or not isinstance(other, Real):
            raise ValueError(f"no model is between {self!r} and {other!r}: they read the data's columns in other ways")
        return self._between(other, bias, other_bias, s)

    def _between(self, other: Real, bias: np.ndarray, other_bias: np.ndarray, s: float) -> tuple[np.ndarray, Unit]:
        own = self._own | {"gamma": (1.0 - s) * self.gamma.astype(np.float64) + s * other.gamma.astype(np.float64)}
        return (1.0 - s) * bias + s * other_bias, type(self)(self.n, **own)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Real) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuilt, (type(self), self.n, dict(self._own))

    def __repr__(self) -> str:
        own = [f", {name}={_shown(array)}" for name, array in self._changed().items()]
        return f"{type(self).__name__}({self.n}{''.join(own)})"

    def _changed(self) -> dict[str, np.ndarray]:
        """The parameters that are not all at their default."""
        return {name: array for name, array in self._own.items() if bool((array != self.defaults[name]).any())}

    def describe(self) -> dict[str, Any]:
        return super().describe() | {name: array.tolist() for name, array in self._changed().items()}

    def part(self, columns: np.ndarray) -> Real:
        return type(self)(int(columns.sum()), **{name: array[columns] for name, array in self._own.items()})

    def joined(self, other: Real) -> Real:
        """These units, and then others of the same type."""
        own = {name: np.concatenate((array, other._own[name])) for name, array in self._own.items()}
        return type(self)(self.n + other.n, **own)

    @classmethod
    def of_parameters(cls, n: int, parameters: Mapping[str, ArrayLike]) -> tuple[np.ndarray | None, Real]:
        """(biases float64 (n,), or None where they are not given; units) from numbers or arrays (n,) by name: theta,
        which is the bias, and gamma.

        ValueError where a name is none of these, or a value cannot be.
        """
        names = ("theta", "gamma")
        check_names(cls, parameters, names)
        theta = parameters.get("theta")
        bias = None if theta is None else numbers_of(theta, "theta", n, np.float64)
        return bias, cls(n, **{"gamma": parameters.get("gamma")})

    # ------------------------------------------------------------ states

    @property
    def layout(self) -> tuple[tuple[str, Any], ...]:
        return ((self.name, self.n),)

    @property
    def n_states_of_columns(self) -> tuple[int, ...]:
        return (0,) * self.n

    def _unit_values(self, array: np.ndarray) -> np.ndarray:
        """What units count for where the data's columns hold these numbers."""
        return array.astype(np.float64)

    def _in_range(self, grid: np.ndarray) -> np.ndarray:
        """Which numbers of grid steps are states; false for NaN."""
        return np.abs(grid) <= REAL_LARGEST

    def _on_grid(self, array: np.ndarray) -> np.ndarray:
        """In steps of the grid, float64 whole numbers, or what is none."""
        with np.errstate(invalid="ignore", over="ignore"):
            return np.rint(self._unit_values(array) / GRID)

    def parts(self, array: np.ndarray, fractions: bool) -> np.ndarray | None:
        out = np.empty(array.shape, np.int32)
        step = max(1, _NUMBERS // max(1, array.shape[1]))  # rows at a time, so that what is made of them stays small
        for start in range(0, len(array), step):
            rows = slice(start, start + step)
            grid = self._on_grid(array[rows])
            if not bool(self._in_range(grid).all()):
                return None
            out[rows] = grid
        return out

    def complaint(
        self, array: np.ndarray, name: str, fractions: bool, rows: Sequence[int] | np.ndarray | None,
        places: tuple[np.ndarray, np.ndarray] | None = None, first_column: int = 0,
    ) -> str:  # fmt: skip
        if places is not None:
            return f"{name} must be dense where units have real values"
        first = int(np.argmin(self._in_range(self._on_grid(array)).reshape(-1)))
        row, column = divmod(first, array.shape[1])
        at = f"{name}[{row if rows is None else rows[row]}, {first_column + column}]"
        bad = float(array.reshape(-1)[first])
        if np.isnan(bad):
            return f"{name} contains NaN, the first at {at}: leave such rows out, or fill them in (RBM.inpaint)"
        if np.isinf(bad):
            return f"{name} must hold finite numbers; {at} is {bad:g}"
        return self._out_of_range(name, at, bad, column, first_column)

    def _out_of_range(self, name: str, at: str, bad: float, column: int, first_column: int) -> str:
        return f"{name} must hold numbers from -2048 to 2048, these excluded; {at} is {bad:g}"

    def values(self, parts: np.ndarray) -> np.ndarray:
        return self.units_on(parts)

    def units_on(self, parts: np.ndarray) -> np.ndarray:
        return parts * GRID

    def expected(self, means: np.ndarray) -> np.ndarray:
        return self.mean(means)

    def hardened(self, fractions: np.ndarray) -> np.ndarray:
        return np.rint(fractions / GRID).clip(-REAL_LARGEST, REAL_LARGEST).astype(np.int32)

    # ------------------------------------------------------------ energies and moments

    def far_values(self) -> tuple[np.ndarray, ...]:
        _, _, plus, minus, _, _ = self.sides()
        return np.minimum(3.0 * plus, _MOST), np.maximum(-3.0 * minus, -_MOST)

    def sides(self) -> np.ndarray:
        return self._sides

    @once
    def _sides(self) -> np.ndarray:
        root, log = 1.0 / np.sqrt(self.gamma.astype(np.float64)), floatmath.log(self.gamma) * 0.5
        zero = np.zeros(self.n)
        return read_only(np.stack([zero, zero, root, root, log, log]))

    def own_energy(self, parts: np.ndarray) -> np.ndarray:
        x = self.units_on(parts)
        return np.add.accumulate(self._own_energies(x), axis=1)[:, -1]

    def _own_energies(self, x: np.ndarray) -> np.ndarray:
        """U of each unit."""
        return self.gamma * 0.5 * (x * x)

    def mean(self, probability: np.ndarray) -> np.ndarray:
        """What is passed: in the place of probabilities the kernels have the means of real units."""
        return probability

    def log_odds(self, field: np.ndarray) -> np.ndarray:
        return field

    def moments_of(self, field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`(E[x], E[x^2])` of units with these fields, float64 (..., n)."""
        raise NotImplementedError

    def mean_of(self, field: np.ndarray) -> np.ndarray:
        return self.moments_of(field)[0]


def numbers_of(value: ArrayLike, name: str, n: int, dtype: DTypeLike) -> np.ndarray:
    """A number, or an array (n,), as a read-only array (n,): finite, without a negative zero."""
    given = arrays.numbers(value, name)
    if given.shape not in ((), (n,)):
        raise ValueError(f"{name} must be a number or an array of shape ({n},), got shape {given.shape}")
    with np.errstate(over="ignore"):
        array = np.array(np.broadcast_to(given, (n,)), dtype)
    validate.check_finite(array, name)
    array += 0.0
    return read_only(array)


def check_names(kind: type[Real], parameters: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raise where parameters have other names than these."""
    if not isinstance(parameters, Mapping):
        raise TypeError(f"parameters must be a dict of {', '.join(names)}, not {validate.kind(parameters)}")
    unknown = [name for name in parameters if name not in names]
    if unknown:
        raise ValueError(
            f"parameters of {kind.__name__} units are {', '.join(names)}, got {validate.shown(unknown[0])}"
        )


def check_gamma(gamma: np.ndarray, name: str) -> None:
    good = (gamma >= SMALLEST_GAMMA) & (gamma <= LARGEST_GAMMA)
    if not bool(good.all()):
        where, bad = validate.first_of(~good, gamma, (0,))
        raise ValueError(
            f"{name}[{where}] is {bad:g}, outside {SMALLEST_GAMMA:g} to {LARGEST_GAMMA:g}: rescale the unit (h / l, "
            "W l, theta l, gamma l^2 is the same model)"
        )


def _dtype(name: str) -> type:
    """The data's own scales are as exact as data can be; parameters of the model are as exact as weights."""
    return np.float64 if name in ("mean", "scale") else np.float32


def _shown(array: np.ndarray) -> str:
    low, high = float(array.min()), float(array.max())
    return f"{low:g}" if low == high else f"{low:g}..{high:g}"


def rebuilt(kind: type[Real], n: int, own: dict[str, np.ndarray]) -> Real:
    """What a pickle holds."""
    return kind(n, **own)
