"""What the estimators return: numbers with their intervals, which print as one readable line."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from .._core.display import facts, one_line, titled

METHODS = ("auto", "exact", "bidirectional", "ais")  # of score


class _Interval:
    """A number and its interval, which holds it whatever the rounding of its ends."""

    _center = "value"
    _named: tuple[str, ...] = ()  # what repr shows beside the center and the interval
    lower: float
    upper: float

    def __post_init__(self) -> None:
        center = getattr(self, self._center)
        object.__setattr__(self, "lower", min(self.lower, center))
        object.__setattr__(self, "upper", max(self.upper, center))

    def __repr__(self) -> str:
        return one_line(self, self._center, "lower", "upper", *self._named)


@dataclass(frozen=True, repr=False)
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
        Effective sample size of the chains' importance weights, `(sum w)^2 / sum w^2`; None where there are none.
    log_ratios : float64 (n_chains,) or None
        Each chain's estimate of log Z less the log Z of the reference, as it enters the mean; None where there is none.
    standard_error : float
        Of value, in nats; 0 where it is exact, infinite where the weights are too few to tell.
    """

    _named = ("method",)
    value: float
    lower: float
    upper: float
    method: str
    ess: float | None = None
    log_ratios: np.ndarray | None = field(default=None, repr=False, compare=False)
    standard_error: float = 0.0

    def __float__(self) -> float:
        return self.value

    def _repr_html_(self) -> str:
        rows = {"log Z": _nats(self)}
        if self.ess is not None:
            of = "" if self.log_ratios is None else f" of {len(self.log_ratios):,} chains"
            rows["effective sample size"] = f"{self.ess:,.1f}{of}"
        return titled(type(self).__name__, facts(rows | {"method": self.method}))

    def __str__(self) -> str:
        if self.ess is None:
            return f"log Z = {self.value:.4f}, {self.method}"
        of = "" if self.log_ratios is None else f" of {len(self.log_ratios)}"
        return (
            f"log Z = {self.value:.2f} ({self.lower:.2f} to {self.upper:.2f}), {self.method}, effective sample size "
            f"{self.ess:.1f}{of}"
        )


@dataclass(frozen=True, repr=False)
class Bidirectional(_Interval):
    """log Z from both sides, by :func:`bidirectional`.

    Attributes
    ----------
    value, lower, upper : float
        Where the two agree: their combined estimate and its interval of three standard errors (of AIS with fewer than
        10 chains, or weights too skew for an error, an interval that holds both with theirs). Where they do not: the
        middle between them, and an interval that holds both with their errors. Agreement is no proof: a mode that no
        chain went near, up or down, changes neither. What upward chains see is a lower bound, but for their noise.
    forward, reverse : LogPartition
        Annealing up to the model, which errs toward small log Z; and down from it, which errs the other way.
    combined : LogPartition
        Of the two: by Bennett's acceptance ratio, or their mean by precision where chains were resampled.
    agree : bool
        Whether the intervals of forward and reverse meet, and all else that is known fits them.
    reason, short : str
        Why they do not agree, and why the interval is wider than was asked for, in words.
    n_chains, n_steps : int
        Of each direction, in the last round.
    bound : float
        A number that log Z is not below: see :func:`lower_bound`.
    """

    _named = ("agree",)
    value: float
    lower: float
    upper: float
    forward: LogPartition
    reverse: LogPartition
    combined: LogPartition
    agree: bool
    reason: str = ""
    short: str = ""
    n_chains: int = 0
    n_steps: int = 0
    bound: float = -math.inf

    @property
    def method(self) -> str:
        """How log Z was found."""
        return "AIS and reverse AIS" if self.forward.method == "AIS" else "annealing both ways"

    @property
    def standard_error(self) -> float:
        """Of value, in nats; where the two do not agree, a sixth of the interval."""
        return self.combined.standard_error if self.agree else (self.upper - self.lower) / 6

    def ended(self, tolerance: float, what: str) -> Bidirectional:
        """This one, which something ended before its interval was narrow enough."""
        half = (self.upper - self.lower) / 2
        return replace(
            self,
            short=f"half of the interval is {half:.2f} nats, more than the tolerance of {tolerance:g}: {what} came to "
            f"an end after {self.n_chains:,} chains of {self.n_steps:,} steps",
        )

    def __float__(self) -> float:
        return self.value

    def _repr_html_(self) -> str:
        rows = {
            "log Z": _nats(self),
            self.forward.method: _nats(self.forward),
            self.reverse.method: _nats(self.reverse),
        }
        agree = {"do they agree?": "yes" if self.agree else "NO"}
        return titled(type(self).__name__, facts(rows | agree), self.warning if not self.agree or self.short else "")

    def __str__(self) -> str:
        line = (
            f"log Z = {self.value:.2f} ({self.lower:.2f} to {self.upper:.2f}), {self.forward.method} "
            f"{self.forward.value:.2f}, {self.reverse.method} {self.reverse.value:.2f}"
        )
        return line if self.agree else f"{line}; {self.warning}"

    @property
    def warning(self) -> str:
        """What to make of a disagreement, or of an interval wider than was asked for, in words; else empty."""
        if self.agree or self.reason:
            return "; ".join(words for words in (self.reason, self.short) if words)
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


@dataclass(frozen=True, repr=False)
class Score(_Interval):
    """Log-likelihood of data under a model, in nats.

    Attributes
    ----------
    per_example : float64 (n,)
        `log p(v)` of each example, with log Z at its estimate.
    mean : float
    standard_error : float
        Of the mean, from the spread of the examples: how far other data of as many examples would move it.
    lower, upper : float
        The mean with log Z at the two ends of its interval: how far the estimate of log Z may be off. By populations
        that is never less than 0.05 nats, however small log_z_error is: a mode that no chain saw may be that heavy.
    log_partition : LogPartition or Bidirectional
    total_weight : float or None
        Of the examples, where they have weights; mean and standard_error are weighted then.
    """

    _center = "mean"
    _named = ("standard_error", "method")
    per_example: np.ndarray = field(repr=False, compare=False)
    mean: float
    standard_error: float
    lower: float
    upper: float
    log_partition: LogPartition | Bidirectional
    total_weight: float | None = None

    @property
    def method(self) -> str:
        """How log Z was found."""
        return self.log_partition.method

    def __float__(self) -> float:
        return self.mean

    @property
    def log_z_error(self) -> float:
        """The standard error of log Z, in nats: by how much other random numbers would move the mean."""
        return self.log_partition.standard_error

    def _repr_html_(self) -> str:
        rows = {"mean log-likelihood": f"{self.mean:.3f} nats per example ({_examples(self)})"}
        if math.isfinite(self.standard_error):
            rows["by the data"] = f"\u00b1 {self.standard_error:.3f} (standard error)"
        if self.lower < self.upper:
            rows["by log Z"] = (
                f"\u00b1 {self.log_z_error:.2g} (standard error), {self.lower:.2f} to {self.upper:.2f}{unseen(self)}"
            )
        warning = getattr(self.log_partition, "warning", "")
        return titled(type(self).__name__, facts(rows | {"log Z": self.method}), warning)

    def __str__(self) -> str:
        exact = self.lower == self.upper
        digits = 3 if exact else 2
        line = f"mean log-likelihood {self.mean:.{digits}f}"
        if math.isfinite(self.standard_error):
            line += f" +- {self.standard_error:.{digits}f} (data)"
        examples = _examples(self)
        if exact:
            return f"{line} nats ({examples}, log Z exact)"
        if math.isfinite(self.log_z_error) and not unseen(self):
            line += f" +- {self.log_z_error:{'.2f' if self.log_z_error >= 0.01 else '.1g'}} (log Z)"
        line += f" nats, {self.lower:.2f} to {self.upper:.2f} by the uncertainty of log Z ({examples}, {self.method})"
        warning = getattr(self.log_partition, "warning", "")
        return f"{line}. {warning}" if warning else line


def unseen(score: Score) -> str:
    """What makes the interval wider than chance, of which it has three standard errors; empty where nothing does."""
    return ", modes that no chain saw included" if score.upper - score.lower > 7.0 * score.log_z_error else ""


def _examples(score: Score) -> str:
    words = f"{len(score.per_example):,} example{'s'[: len(score.per_example) > 1]}"
    return words if score.total_weight is None else f"{words} of total weight {score.total_weight:,.1f}"


def _nats(estimate: LogPartition | Bidirectional) -> str:
    """A value and its interval, in words."""
    if estimate.lower == estimate.upper:
        return f"{estimate.value:.4f} nats"
    return f"{estimate.value:.2f} nats ({estimate.lower:.2f} to {estimate.upper:.2f})"
