"""What traces say of chains, in a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .._core.display import grid, one_line, titled
from .convergence import all_of
from .correlation import AutocorrelationTime, autocorrelation_time
from .series import checked_series

_HEAD = ("trace", "mean", "MCSE", "R-hat", "bulk ESS", "tail ESS", "tau")


class TraceSummary(NamedTuple):
    """Of one trace: its mean and the standard error of that (:func:`mcse`), :func:`rhat`, both kinds of :func:`ess`,
    and :func:`autocorrelation_time`. All but the mean are NaN where all numbers are alike."""

    mean: float
    mcse: float
    rhat: float
    bulk_ess: float
    tail_ess: float
    tau: AutocorrelationTime


@dataclass(frozen=True)
class Summary:
    """What several traces say of the same chains. Prints as a table.

    Attributes
    ----------
    traces : dict of str to TraceSummary
    n_draws : int
        Sweeps times chains.
    """

    traces: dict[str, TraceSummary]
    n_draws: int

    @property
    def rhat(self) -> float:
        """The worst R-hat of all traces: the chains agree where it is near 1. NaN where no trace varies."""
        return max((t.rhat for t in self.traces.values() if not math.isnan(t.rhat)), default=math.nan)

    @property
    def ess(self) -> float:
        """The smallest effective sample size, of bulks and tails of all traces. NaN where no trace varies."""
        sizes = [size for t in self.traces.values() for size in (t.bulk_ess, t.tail_ess)]
        return min((size for size in sizes if not math.isnan(size)), default=math.nan)

    @property
    def worst(self) -> str:
        """The name of the trace with the worst R-hat; the first one where no trace varies."""
        return max(self.traces, key=lambda name: -math.inf if math.isnan(r := self.traces[name].rhat) else r)

    def __repr__(self) -> str:
        return one_line(self, "rhat", "worst", "ess", "n_draws")

    def _repr_html_(self) -> str:
        rows = [[escape(cell) for cell in self.row(name)] for name in self.traces]
        return titled("Summary", grid(_HEAD, rows), self._last)

    def __str__(self) -> str:
        cells = [_HEAD, *(self.row(name) for name in self.traces)]
        widths = [max(len(row[k]) for row in cells) for k in range(len(_HEAD))]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
            for row in cells
        ]
        return "\n".join([*lines, self._last])

    @property
    def _last(self) -> str:
        """The line below the table."""
        if math.isnan(self.rhat):
            return "no trace varies"
        return f"worst R-hat {self.rhat:.3f} ({self.worst}), smallest ESS {self.ess:,.0f} of {self.n_draws:,} draws"

    def row(self, name: str) -> tuple[str, ...]:
        """A line of the table, as text: name, mean, MCSE, R-hat, bulk and tail ESS, tau."""
        t = self.traces[name]
        if math.isnan(t.rhat):
            return name, f"{t.mean:.4g}", *["-"] * 5
        tau = "-" if math.isnan(t.tau.value) else f"{'' if t.tau.enough else '> '}{t.tau.value:.3g}"
        return name, f"{t.mean:.4g}", f"{t.mcse:.2g}", f"{t.rhat:.3f}", f"{t.bulk_ess:,.0f}", f"{t.tail_ess:,.0f}", tau


def summary(traces: Mapping[str, ArrayLike]) -> Summary:
    """R-hat, effective sample sizes, standard error and autocorrelation time of each trace, and the worst of all.

    Parameters
    ----------
    traces : mapping of str to array (n_sweeps, chains) or (n_sweeps,)
        Such as :func:`traces` gives: of the same chains, at least 4 sweeps.

    Returns
    -------
    Summary

    Raises
    ------
    TypeError
        Where traces is no mapping.
    ValueError
        Where it is empty, a trace is no such array, or they are not of one shape.

    Examples
    --------
    Two modes, all units off and all on, between which no chain crosses. Half of the chains are in either: the mean
    activity tells.

    >>> import numpy as np, fastrbm as fr
    >>> rbm = fr.RBM(np.full((20, 2), 3.0), np.full(20, -3.0), np.full(2, -30.0))
    >>> chains = fr.Chains(rbm, 8, start=np.repeat([[0], [1]], 4, axis=0) * np.ones((1, 20)))
    >>> traces = fr.diagnostics.traces(chains, 1000)
    >>> fr.diagnostics.split_rhat(traces["free_energy"]) < 1.01, fr.diagnostics.summary(traces).rhat > 1.5
    (True, True)
    """
    checked = _checked(traces)
    found = {}
    for name, x in checked.items():
        rhat, bulk, tail, error = all_of(x)
        found[name] = TraceSummary(float(x.mean()), error, rhat, bulk, tail, autocorrelation_time(x))
    return Summary(found, next(iter(checked.values())).size)


def to_inference_data(traces: Mapping[str, ArrayLike]) -> Any:
    """Traces as an ``arviz.InferenceData``, for its tables and plots: each a variable of the group ``posterior``, of
    dimensions (chain, draw).

    Parameters
    ----------
    traces : mapping of str to array (n_sweeps, chains) or (n_sweeps,)
        As for :func:`summary`.

    Returns
    -------
    arviz.InferenceData

    Raises
    ------
    ImportError
        Without ArviZ below 1.0: ``pip install "arviz<1"``.
    TypeError, ValueError
        As for :func:`summary`.

    Examples
    --------
    >>> import numpy as np, fastrbm as fr
    >>> found = {"free_energy": np.random.default_rng(0).normal(size=(100, 4))}
    >>> fr.diagnostics.to_inference_data(found).posterior["free_energy"].shape  # doctest: +SKIP
    (4, 100)
    """
    checked = _checked(traces)
    try:
        from arviz import InferenceData, from_dict
    except ImportError:
        raise ImportError("to_inference_data needs ArviZ, below 1.0: pip install 'arviz<1'") from None
    data: InferenceData = from_dict(posterior={name: np.ascontiguousarray(x.T) for name, x in checked.items()})
    return data


def _checked(traces: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
    """float64 (n_sweeps, chains) of each."""
    if not isinstance(traces, Mapping):
        raise TypeError(f"traces must be a mapping of names to arrays, not {type(traces).__name__}")
    checked = {str(name): checked_series(x, f"traces[{name!r}]") for name, x in traces.items()}
    shapes = {x.shape for x in checked.values()}
    if len(shapes) != 1:
        raise ValueError(f"traces must have at least one, all of one shape, got {sorted(shapes)}")
    if (n := shapes.pop()[0]) < 4:
        raise ValueError(f"traces must have at least 4 sweeps, got {n}")
    return checked
