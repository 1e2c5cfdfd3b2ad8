"""Gaussian units: real values, normally distributed given the other layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._core import floatmath
from .._core.settings import once
from .real import Real, check_gamma, rebuilt
from .unit import read_only

_HALF_LOG_TWO_PI = 0.9189385332046727
_CONSTANT = 2.0**-22  # standard deviations per mean


class Gaussian(Real):
    """Real units z: E has `gamma z^2 / 2 - b z` for each, so given a field f, z is normal, with mean `f / gamma` and
    variance `1 / gamma`.

    As visible units they describe standardized data: a column of the data holds `mean + scale z`. As hidden units that
    are summed out they leave pairwise couplings `W diag(1 / gamma) W'` of the visible units (a Hopfield model).

    Parameters
    ----------
    n : int
        How many.
    gamma : float or array (n,)
        From `2^-8` to `2^12`; 1 by default.
    mean, scale : float or array (n,)
        Of the data's columns; 0 and 1 by default. A scale is above 0. Where neither is given, :meth:`RBM.from_data`
        takes both from the data.

    Attributes
    ----------
    gamma : float32 (n,)
    data_mean : float64 (n,)
        What is given as mean.
    scale : float64 (n,)
    open : bool
        Whether mean and scale were left open.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrbm as fr
    >>> unit = fr.units.Gaussian(2, mean=[170.0, 70.0], scale=[10.0, 15.0])
    >>> parts = unit.parts(np.array([[180.0, 55.0]]), False)
    >>> unit.unit_values(parts), unit.values(parts)
    (array([[ 1., -1.]]), array([[180.,  55.]]))
    """

    name = "gaussian"
    open: bool
    defaults = {"gamma": 1.0, "mean": 0.0, "scale": 1.0}

    def __init__(
        self, n: int, gamma: ArrayLike | None = None, mean: ArrayLike | None = None, scale: ArrayLike | None = None
    ) -> None:
        self._keep(n, gamma=gamma, mean=mean, scale=scale)
        object.__setattr__(self, "open", mean is None and scale is None)
        if not bool((self.scale > 0).all()):
            first = int(np.argmin(self.scale > 0))
            raise ValueError(f"scale must be above 0, got scale[{first}] = {self.scale[first]:g}")

    @classmethod
    def of_moments(cls, n: int, mean: ArrayLike, variance: ArrayLike) -> Gaussian:
        """Units of data whose columns have these means and variances, numbers or arrays (n,).

        A column that is constant has scale 1. So has one whose standard deviation is at most `2^-22` of its mean:
        float32 numbers have 24 bits, so what differs there may be rounding alone.
        """
        return cls(n).of_columns(mean, variance)

    def of_columns(self, mean: ArrayLike, variance: ArrayLike) -> Gaussian:
        """These units, with mean and scale of such columns: see :meth:`of_moments`."""
        mean, deviation = np.asarray(mean, np.float64), np.sqrt(np.maximum(variance, 0.0))
        scale = np.where(deviation <= _CONSTANT * np.abs(mean), 1.0, deviation)
        return type(self)(self.n, self.gamma, mean, scale)

    @property
    def gammas(self) -> np.ndarray:
        return self.gamma

    def with_gammas(self, gammas: np.ndarray) -> Gaussian:
        """These units with other gammas: an update makes such, so that what stays as it is, is not checked again."""
        gamma = np.array(gammas, np.float32)
        check_gamma(gamma, "gamma")
        units = object.__new__(type(self))
        object.__setattr__(units, "n", self.n)
        object.__setattr__(units, "open", False)
        units._take(self._own | {"gamma": read_only(gamma)})
        vars(units)["plain"] = self.plain
        return units

    def settled(self) -> Gaussian:
        return type(self)(self.n, **self._own) if self.open else self

    def __reduce__(self) -> tuple[Any, ...]:
        own = {name: array for name, array in self._own.items() if name == "gamma" or not self.open}
        return rebuilt, (type(self), self.n, own)

    @property
    def data_mean(self) -> np.ndarray:
        return self._own["mean"]

    @property
    def scale(self) -> np.ndarray:
        return self._own["scale"]

    @once
    def plain(self) -> Gaussian:
        """The mean and the scale of the data stay: they say which data a state stands for."""
        return Gaussian(self.n, mean=self.data_mean, scale=self.scale)

    @property
    def log_scales(self) -> np.ndarray:
        return floatmath.log(self.scale)

    def _unit_values(self, array: np.ndarray) -> np.ndarray:
        return (array.astype(np.float64) - self.data_mean) / self.scale

    def _out_of_range(self, name: str, at: str, bad: float, column: int, first_column: int) -> str:
        mean, scale = float(self.data_mean[column]), float(self.scale[column])
        if mean == 0.0 and scale == 1.0:
            return super()._out_of_range(name, at, bad, column, first_column)
        unit = "" if scale == 1.0 else " standard deviations"
        return f"{at} is {bad:g}, beyond 2048{unit} of column {first_column + column}, whose mean is {mean:g}"

    def values(self, parts: np.ndarray) -> np.ndarray:
        return self.data_mean + self.scale * self.units_on(parts)

    def mean(self, probability: np.ndarray) -> np.ndarray:
        """Means of z, which the kernels have in the place of probabilities, in the data's units."""
        return (self.data_mean + self.scale * probability).astype(probability.dtype)

    def cgf(self, field: np.ndarray) -> np.ndarray:
        """log of the integral of `exp(x field - gamma x^2 / 2)`: `field^2 / (2 gamma) + log(2 pi / gamma) / 2`."""
        _, _, root, _, log, _ = self.sides()
        z = field * root
        return z * z * 0.5 + (_HALF_LOG_TWO_PI - log)

    def moments_of(self, field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = field / self.gamma.astype(np.float64)
        return mean, mean * mean + 1.0 / self.gamma.astype(np.float64)

    def bias_of(self, sums: np.ndarray, n: float | np.ndarray, log: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """gamma times the mean of z; 0 where no example is known."""
        return self.gamma * (sums / np.where(np.asarray(n) > 0, n, 1.0))
