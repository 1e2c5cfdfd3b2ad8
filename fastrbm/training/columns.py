"""Columns of a history: what each is called, in which unit it is, and whether it should be large or small."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .._core import validate

_NATS = "nats per example"


@dataclass(frozen=True)
class Column:
    """What a column of a history is. Plots, reports, the progress line and :class:`fastrbm.EarlyStopping` go by it.

    Parameters
    ----------
    label : str
        In words, as an axis has them.
    unit : str
        Such as "nats per example"; empty where there is none. Columns of one unit may share an axis.
    mode : "max", "min" or None
        Whether it should be large or small; None where neither is better.

    Examples
    --------
    >>> import fastrbm as fr
    >>> fr.metrics.Column("dead units", "hidden units", "min")
    Column(label='dead units', unit='hidden units', mode='min')
    """

    label: str
    unit: str = ""
    mode: str | None = None

    def __post_init__(self) -> None:
        for name in ("label", "unit"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"{name} must be a str, not {getattr(self, name)!r}")
        if self.mode is not None:
            validate.one_of(self.mode, "mode", ("max", "min"))

    @property
    def title(self) -> str:
        """The label and its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def show(self, value: float) -> str:
        """The label and a value, with two decimals where it is in nats, else with four."""
        digits = 0 if isinstance(value, int) else 2 if self.unit.startswith("nats") else 4
        return f"{self.label} {value:.{digits}f}"


# Every column that the package writes. Those of metrics are named by the metric.
KNOWN = {
    "epoch": Column("epoch"),
    "update": Column("update", "updates"),
    "seconds": Column("seconds", "seconds"),
    "learning_rate": Column("learning rate", "step per gradient"),
    "reconstruction_error": Column("reconstruction error", "fraction of units", "min"),
    "shuffled_gap": Column("shuffled gap", _NATS, "max"),
    "hidden_activity": Column("hidden activity", "probability"),
    "weight_norm": Column("weight norm", "nats"),
    "free_energy_gap": Column("free-energy gap", _NATS, "min"),
    "pseudo_likelihood": Column("pseudo-likelihood", _NATS, "max"),
    "log_likelihood": Column("log-likelihood", _NATS, "max"),
    "log_likelihood_error": Column("log-likelihood error", _NATS),
    "tau_int": Column("tau_int", "sweeps", "min"),
    "rhat": Column("R-hat", "ratio", "min"),
}  # fmt: skip


def known(name: str) -> Column:
    """What a column of this name is: one of the package's own, or its name in words."""
    if singular := re.fullmatch(r"sv([1-9]\d*)", name):
        return Column(f"singular value {singular[1]}", "nats")
    return KNOWN.get(name) or Column(name.replace("_", " "))


def columns_of(names: Iterable[str]) -> dict[str, Column]:
    """What columns are: names of known ones, or a mapping that says it of each."""
    given = names if isinstance(names, Mapping) else {}
    return {name: given.get(name) or known(name) for name in names}


def of_reals(visible: bool, hidden: bool) -> dict[str, Column]:
    """The columns that are something else where the visible or the hidden units are real."""
    error = {"reconstruction_error": Column("reconstruction error", "per column", "min")} if visible else {}
    return error | ({"hidden_activity": Column("hidden activity", "mean of E[h | v]")} if hidden else {})
