"""Learning-rate schedules: functions of the fraction of the training that is done, from 0 to 1.

A plain number is the constant schedule; any function of your own will do as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from .._core import validate
from .._core.describe import Described


@dataclass(frozen=True)
class _FromTo(Described):
    start: float
    stop: float = 0.0

    def __post_init__(self) -> None:
        # Python floats, also of NumPy's scalars: what comes out must not depend on its rules of promotion
        object.__setattr__(self, "start", validate.real(self.start, "start", 0.0))
        object.__setattr__(self, "stop", validate.real(self.stop, "stop", 0.0))


@dataclass(frozen=True)
class Linear(_FromTo):
    """A rate that goes linearly from start, at the beginning of training, to stop, at its end.

    >>> import fastrbm as fr
    >>> fr.optim.Linear(0.1, 0.0)(0.25)
    0.07500000000000001
    """

    def __call__(self, progress: float) -> float:
        return self.start + (self.stop - self.start) * progress


def _sine(x: float) -> float:
    """sin x for |x| <= pi/2 by its series to x^21 / 21!: the same bits on any machine, unlike a C library's."""
    square, term, total = x * x, x, x
    for k in range(2, 22, 2):
        term = -term * square / (k * (k + 1))
        total += term
    return total


@dataclass(frozen=True)
class Cosine(_FromTo):
    """A rate that goes from start to stop along half a period of the cosine (Loshchilov & Hutter 2017): slowly at both
    ends.

    >>> import fastrbm as fr
    >>> round(fr.optim.Cosine(0.1, 0.0)(0.25), 4)
    0.0854
    """

    def __call__(self, progress: float) -> float:
        return self.stop + (self.start - self.stop) * (0.5 + 0.5 * max(-1.0, _sine(math.pi * (0.5 - progress))))


@dataclass(frozen=True)
class InverseTime(_FromTo):
    """`start / (1 + k t)`, with the k that makes it stop at the end: the 1/t rule of stochastic approximation (Robbins
    & Monro 1951).

    >>> import fastrbm as fr
    >>> fr.optim.InverseTime(0.1, 0.01)(1 / 9)
    0.05
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 < self.stop <= self.start:
            raise ValueError(f"stop must be above 0 and at most start, got {self.stop:g} with start {self.start:g}")

    def __call__(self, progress: float) -> float:
        return self.start / (1.0 + (self.start / self.stop - 1.0) * progress)


@dataclass(frozen=True)
class WarmUp(Described):
    """Another schedule (or a number), but rising in proportion to progress over the first fraction of the training.

    >>> import fastrbm as fr
    >>> rate = fr.optim.WarmUp(fr.optim.Linear(0.1, 0.0), fraction=0.5)
    >>> rate(0.0), rate(0.25), rate(0.5)
    (0.0, 0.037500000000000006, 0.05)
    """

    _open = ("schedule",)

    schedule: Callable[[float], float] | float
    fraction: float = 0.05

    def __post_init__(self) -> None:
        if not callable(self.schedule):
            object.__setattr__(self, "schedule", validate.real(self.schedule, "schedule", 0.0))
        object.__setattr__(self, "fraction", validate.positive(self.fraction, "fraction", 1.0))

    def __call__(self, progress: float) -> float:
        rate = self.schedule(progress) if callable(self.schedule) else self.schedule
        return rate * min(1.0, progress / self.fraction)
