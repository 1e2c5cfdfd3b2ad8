"""What a unit type is: the questions that the rest of the package asks, and the answers that most types share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .._core import validate

_MOST = 1 << 40


@dataclass(frozen=True)
class Unit:
    """n units of one type, each of which has two values. It is kept as a bit, which is on for the higher value.

    What a type answers, here and in the kernels (src/units.pxi), where ``name`` leads to the same type:

    1. store: :meth:`parts` reads what users have, :meth:`values` gives it back;
    2. contribute: a unit adds its value times its weights to the fields of the other layer;
    3. draw: on with probability sigmoid(:meth:`log_odds` of the field);
    4. mean: :meth:`mean`;
    5. cumulant generating function: :meth:`cgf` of a field;
    6. energy: -bias times value;
    7. statistics: the value, ``off`` or ``off + step``; one parameter, the bias;
    8. initial parameters: :meth:`bias` from means;
    9. gauge: none; a layer of two values has no direction that changes nothing.

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
    off: ClassVar[float]
    step: ClassVar[float]
    dtype: ClassVar[Any]
    numbers: ClassVar[str]  # which users may pass, for messages

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", validate.integer(self.n, "n", 1, _MOST))

    def parts(self, array: np.ndarray, fractions: bool) -> np.ndarray | None:
        """Numbers (n, m) of users as uint8 bits, or, where they are welcome and there are any, as float64 fractions of
        on; None where they are neither."""
        raise NotImplementedError

    def complaint(
        self, array: np.ndarray, name: str, fractions: bool, rows: Sequence[int] | np.ndarray | None,
        places: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> str:  # fmt: skip
        """Why :meth:`parts` refused these numbers."""
        raise NotImplementedError

    def values(self, parts: np.ndarray) -> np.ndarray:
        """uint8 bits as the values of units, in their dtype; float64 fractions of on as numbers between the values."""
        raise NotImplementedError

    def check_data(self, array: np.ndarray, name: str) -> None:
        """ValueError where all data of a user, as a whole, were meant for units of another type."""

    def mean(self, probability: np.ndarray) -> np.ndarray:
        """The mean value of units that are on with these probabilities, of their dtype."""
        return self.off + self.step * probability

    def log_odds(self, field: np.ndarray) -> np.ndarray:
        """log(P(on) / P(off)) of a unit with this field."""
        return self.step * field

    def cgf(self, field: np.ndarray) -> np.ndarray:
        """log sum_x exp(x field) over both values, float64, the same bits on any machine."""
        raise NotImplementedError

    def bias(self, log_odds: np.ndarray) -> np.ndarray:
        """The bias of a unit by itself that has these log odds."""
        return log_odds / self.step

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.n})"
