"""What the estimators return: numbers with their intervals, which print as one readable line."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

METHODS = ("auto", "exact", "bidirectional", "ais")  # of score


class _Interval:
    """A number and its interval, which holds it whatever the rounding of its ends."""

    _center = "value"
    lower: float
    upper: float

    def __post_init__(self) -> None:
        center = getattr(self, self._center)
        object.__setattr__(self, "lower", min(self.lower, center))
        object.__setattr__(self, "upper", max(self.upper, center))


@dataclass(frozen=True)
class LogPartition(_Interval):
    """log Z of a model, in nats.

    Attributes
    ----------
    value : float
        The estimate.
    lower, upper : float
        Its interval: three standard errors for an estimate by sampling, the value itself where it is exact.
    method : str
    ess : float or None
        Effective sample size of the chains' importance weights, (sum w)^2 / sum w^2; None where there are none.
    log_ratios : float64 (n_chains,) or None
        Each chain's estimate of log Z less the log Z of the reference, as it enters the mean; None where there is none.
    """

    value: float
    lower: float
    upper: float
    method: str
    ess: float | None = None
    log_ratios: np.ndarray | None = field(default=None, repr=False, compare=False)

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        if self.ess is None or self.log_ratios is None:
            return f"log Z = {self.value:.4f}, {self.method}"
        return (
            f"log Z = {self.value:.2f} ({self.lower:.2f} to {self.upper:.2f}), {self.method}, effective sample size "
            f"{self.ess:.1f} of {len(self.log_ratios)}"
        )


@dataclass(frozen=True)
class Bidirectional(_Interval):
    """log Z from both sides, by :func:`bidirectional`.

    Attributes
    ----------
    value, lower, upper : float
        Where the two agree: Bennett's combined estimate and its interval of three standard errors (with fewer than 10
        chains, or weights too skew for an error, an interval that holds both with theirs). Where they do not: the
        middle between them, and an interval that holds both with their errors. Agreement is no proof where data and
        base rates lie in one mode and the model has others.
    forward, reverse : LogPartition
        Annealing up to the model, which errs toward small log Z; and down from it, which errs the other way.
    combined : LogPartition
        Bennett's acceptance ratio between the two.
    agree : bool
        Whether the intervals of forward and reverse meet; where one has no end, also whether they are within 1 nat.
    """

    value: float
    lower: float
    upper: float
    forward: LogPartition
    reverse: LogPartition
    combined: LogPartition
    agree: bool

    @property
    def method(self) -> str:
        """How log Z was found."""
        return "AIS and reverse AIS"

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        line = (
            f"log Z = {self.value:.2f} ({self.lower:.2f} to {self.upper:.2f}), AIS {self.forward.value:.2f}, "
            f"reverse AIS {self.reverse.value:.2f}"
        )
        return line if self.agree else f"{line}; {self.warning}"

    @property
    def warning(self) -> str:
        """What to make of a disagreement, in words; empty where there is none."""
        if self.agree:
            return ""
        gap = abs(self.forward.value - self.reverse.value)
        if self.forward.lower <= self.reverse.upper and self.reverse.lower <= self.forward.upper:
            return (
                f"AIS and reverse AIS DISAGREE by {gap:.2f} nats, and their effective chains are too few to tell which "
                "is off (use more betas)"
            )
        return (
            f"AIS and reverse AIS DISAGREE by {gap:.2f} nats, more than their errors explain: neither is to be "
            "trusted alone (more betas bring them together; so do starting states that follow the model)"
        )


@dataclass(frozen=True)
class Score(_Interval):
    """Log-likelihood of data under a model, in nats.

    Attributes
    ----------
    per_example : float64 (n,)
        log p(v) of each example, with log Z at its estimate.
    mean : float
    standard_error : float
        Of the mean, from the spread of the examples: how far other data of as many examples would move it.
    lower, upper : float
        The mean with log Z at the two ends of its interval: how far the estimate of log Z may be off.
    log_partition : LogPartition or Bidirectional
    """

    _center = "mean"
    per_example: np.ndarray = field(repr=False, compare=False)
    mean: float
    standard_error: float
    lower: float
    upper: float
    log_partition: LogPartition | Bidirectional

    @property
    def method(self) -> str:
        """How log Z was found."""
        return self.log_partition.method

    def __float__(self) -> float:
        return self.mean

    def __str__(self) -> str:
        spread = f"{len(self.per_example):,} examples, standard error {self.standard_error:.2f}"
        if self.lower == self.upper:
            return f"mean log-likelihood {self.mean:.3f} nats ({spread}; log Z exact)"
        line = (
            f"mean log-likelihood {self.mean:.2f} nats, {self.lower:.2f} to {self.upper:.2f} by the uncertainty of "
            f"log Z ({spread}; {self.method})"
        )
        warning = getattr(self.log_partition, "warning", "")
        return f"{line}. {warning}" if warning else line
