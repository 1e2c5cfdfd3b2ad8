"""Charts of trainings, models and chains: learning curves, singular values, autocorrelation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .._core import validate
from .._core.spectrum import ROUNDING, singular_values
from ..diagnostics.correlation import autocorrelation as autocorrelation_of
from ..diagnostics.correlation import autocorrelation_time
from ..sampling.model import Model, model
from ..training.columns import of_reals
from ..training.history import History
from .common import axes_of, named, next_color, set_scales

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..rbm import RBM

_CLOCKS = ("epoch", "update", "seconds")
_LOGS = ("x", "y", "xy")
_DASHES = ("-", "--", ":", "-.")


def learning_curve(
    history: History | Mapping[str, History], columns=None, *, x: str = "epoch", log: str | None = None,
    rbm: RBM | None = None, ax: Axes | None = None, label: str | None = None, color=None,
) -> Axes:  # fmt: skip
    """Draw columns of a history, or of several to compare runs. Values that were not measured (NaN) are passed over.

    Parameters
    ----------
    history : History, or mapping of str to History
        The keys of a mapping are the labels of its runs.
    columns : str or list of str, optional
        Columns of one unit, such as nats. By default ``shuffled_gap``; where there is none, the first column that is
        not ``epoch``, ``update`` or ``seconds``.
    x : "epoch", "update" or "seconds"
        The column to draw against.
    log : "x", "y" or "xy", optional
        Which axes are logarithmic; all numbers on such an axis must be positive.
    rbm : RBM, optional
        The model, whose unit types say what the hidden activity and the reconstruction error are of.
    ax : matplotlib Axes, optional
        By default those of a new figure. What is on it stays: several calls draw several runs.
    label : str, optional
        Of a run, in the legend.
    color : color of matplotlib, optional
        By default the next that is not on the axes. Where a run has a color, its columns differ by their dashes.

    Returns
    -------
    Axes

    Raises
    ------
    KeyError
        Where a history has no such column.
    TypeError, ValueError, ImportError
        Where a history is empty or lacks the column x, the columns have different units, or a number on a logarithmic
        axis is not positive; as for :func:`filters`.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import fastrbm as fr, fastrbm.plot
    >>> X = fr.datasets.load_digits()
    >>> runs = {
    ...     f"{n} hidden units": fr.fit(fr.RBM.from_data(X, n_hidden=n, seed=0), X, epochs=40) for n in (16, 64)
    ... }
    >>> ax = fr.plot.learning_curve(runs, "reconstruction_error", x="update", log="x")
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('update', 'reconstruction error (fraction of units)')
    >>> [line.get_label() for line in ax.lines]
    ['16 hidden units', '64 hidden units']
    """
    runs = named(history, History, "a History", "history", label, color)
    validate.one_of(x, "x", _CLOCKS)
    if log is not None:
        validate.one_of(log, "log", _LOGS)
    for _, run in runs:
        if x not in run.columns or len(run.columns) < 2:
            raise ValueError(f"history must have a column {x} and others, got {', '.join(run.columns) or 'none'}")
    first = runs[0][1]
    if columns is None:
        others = [name for name in first.columns if name not in _CLOCKS] or [c for c in first.columns if c != x]
        columns = "shuffled_gap" if "shuffled_gap" in others else others[0]
    columns = [columns] if isinstance(columns, str) else list(columns)
    about = {name: first.about(name) for name in columns}
    if rbm is not None:  # a history from a file does not know whether units are real
        real = of_reals(model(rbm).visible.real, rbm.hidden.real)
        about |= {name: real[name] for name in columns if name in real}
    units = {name: about[name].unit for name in columns}
    if len(columns) == 0 or len(set(units.values())) > 1:
        listed = ", ".join(f"{name} ({unit or 'of its own'})" for name, unit in units.items())
        raise ValueError(f"columns must be of one unit, got {listed or 'none'}: draw others on axes of their own")
    clocks = [np.asarray(run[x], np.float64) for _, run in runs]
    values = [[np.asarray(run[name], np.float64) for name in columns] for _, run in runs]
    for letter, names, tables in (("x", [x], [[clock] for clock in clocks]), ("y", columns, values)):
        for name, numbers in (each for table in tables for each in zip(names, table, strict=True)):
            if letter in (log or "") and (numbers <= 0).any():
                raise ValueError(f"log={log!r} requires positive numbers, {name} has {numbers[numbers <= 0][0]:.4g}")
    ax = axes_of(ax, color=color)
    before = ax.get_xlim() if ax.lines else None
    set_scales(ax, log)
    by_run = len(runs) > 1 or color is not None or runs[0][0] is not None
    for (key, _), clock, table in zip(runs, clocks, values, strict=True):
        of_run = next_color(ax) if color is None else color
        for k, (name, y) in enumerate(zip(columns, table, strict=True)):
            known = np.isfinite(y)
            words = about[name].label if key is None else f"{key}: {about[name].label}" if len(columns) > 1 else key
            ax.plot(
                clock[known], y[known], label=words if known.any() else f"{words}: not measured",
                color=of_run if by_run else next_color(ax), linestyle=_DASHES[k % len(_DASHES)] if by_run else "-",
                marker="o" if known.sum() <= 30 else None, markersize=4,
            )  # fmt: skip
    low, high = min(c[0] for c in clocks), max(c[-1] for c in clocks)
    if ax.get_xscale() == "log":
        low, high = low / 1.1, high * 1.1
    else:  # all rows are in view, measured or not
        margin = max(0.5 if x != "seconds" else 1e-9, 0.03 * float(high - low))
        low, high = low - margin, high + margin
        ax.xaxis.get_major_locator().set_params(integer=x != "seconds")
    ax.set_xlim((low, high) if before is None else (min(low, before[0]), max(high, before[1])))
    ax.set_xlabel(first.about(x).label)
    ax.set_ylabel(about[columns[0]].title if len(columns) == 1 else units[columns[0]])  # several have a legend
    if len(ax.lines) > 1 or runs[0][0] is not None or not any(np.isfinite(y).any() for y in values[0]):
        ax.legend()
    ax.grid(alpha=0.3)
    ax.set_title("Training")
    return ax


def spectrum(
    rbm: RBM | Mapping[str, RBM], *, log: str | None = "y", ax: Axes | None = None, label: str | None = None,
    color=None,
) -> Axes:  # fmt: skip
    """Draw the singular values of the weights, largest first, of a model or of several, such as before and after.

    Those of a random start form a bulk. Those that training has moved out of it are directions of the data that the
    model has found (Decelle, Fissore & Furtlehner 2017, "Spectral dynamics of learning in restricted Boltzmann
    machines"); :class:`metrics.SingularValues <fastrbm.training.metrics.SingularValues>` follows them through a
    training.

    Parameters
    ----------
    rbm : RBM, or mapping of str to RBM
        The keys of a mapping are the labels of its models.
    log : "x", "y" or "xy", optional
        Which axes are logarithmic. Values below 1e-6 of the largest may be rounding and count as 0; a logarithmic axis
        leaves them out, and the legend says how many they are.
    ax, label, color : optional
        As for :func:`learning_curve`.

    Returns
    -------
    Axes
        A line for each model, with as many points as its smaller layer has units.

    Raises
    ------
    TypeError, ValueError, ImportError
        As for :func:`filters`.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import fastrbm as fr, fastrbm.plot
    >>> ax = fr.plot.spectrum({"one": fr.RBM([[3.0, 0.0], [0.0, 4.0]]), "other": fr.RBM([[2.0, 0.0], [0.0, 0.0]])})
    >>> [line.get_ydata().tolist() for line in ax.lines]
    [[4.0, 3.0], [2.0]]
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['one', 'other (1 more is 0)']
    """
    models = named(rbm, Model, "an RBM", "rbm", label, color)
    if log is not None:
        validate.one_of(log, "log", _LOGS)
    found = [singular_values(own.weights) for _, own in models]
    ax = axes_of(ax, color=color)
    set_scales(ax, log)
    for (key, _), values in zip(models, found, strict=True):
        values = np.where(values <= ROUNDING * values[0], 0.0, values)
        shown = values[values > 0] if ax.get_yscale() == "log" else values
        words = "singular values" if key is None else key
        if left_out := values.size - shown.size:
            words += f" ({left_out:,} more {'is' if left_out == 1 else 'are'} 0)"
        ax.plot(np.arange(1, shown.size + 1), shown, label=words, color=next_color(ax) if color is None else color,
                marker="o", markersize=4 if values.size <= 30 else 2, linewidth=1)  # fmt: skip
    if ax.get_xscale() == "linear":
        ax.xaxis.get_major_locator().set_params(integer=True)
        if max(values.size for values in found) == 1 and len(ax.lines) == len(found):
            ax.set_xlim(0.0, 2.0)  # that of one point is narrower than the distance of two integers
    ax.set_xlabel("number of the singular value, largest first")
    ax.set_ylabel("singular value of W (nats)")
    if len(ax.lines) > 1 or ax.lines[0].get_label() != "singular values":
        ax.legend()
    ax.grid(alpha=0.3)
    ax.set_title("Singular values of the weights")
    return ax


def autocorrelation(
    series, *, log: str | None = None, ax: Axes | None = None, label: str | None = None, color=None
) -> Axes:
    """Draw the autocorrelation of chains, as far as Sokal's window and half as far again.

    Parameters
    ----------
    series : array (n,) or (n, chains)
        One number a sweep for each chain, such as :func:`fastrbm.diagnostics.free_energy_trace` gives.
    log : "y", optional
        A logarithmic axis, on which an exponential decay is a straight line; values of 0 and below are left out.
    ax, label, color : optional
        As for :func:`learning_curve`.

    Returns
    -------
    Axes
        With the integrated autocorrelation time tau_int in its legend.

    Raises
    ------
    TypeError, ValueError, ImportError
        As for :func:`fastrbm.diagnostics.autocorrelation`; without matplotlib.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import numpy as np, fastrbm.plot
    >>> ax = fastrbm.plot.autocorrelation(np.random.default_rng(0).normal(size=(1000, 4)))
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('lag (sweeps)', 'autocorrelation')
    """
    rho = autocorrelation_of(series)
    time = autocorrelation_time(series)
    if log is not None:
        validate.one_of(log, "log", ("y",))
        rho = np.where(rho > 0, rho, math.nan)
    ax = axes_of(ax, color=color)
    set_scales(ax, log)
    color = next_color(ax) if color is None else color
    prefix = "" if label is None else f"{label}, "
    if math.isnan(rho[0]):
        ax.plot([], [], color=color, label=f"{prefix}the series is constant")
        ax.set_xlim(0.0, rho.size)
    else:
        far = min(rho.size, max(21, time.window + time.window // 2 + 1))
        said = "not to be had from so short a series" if math.isnan(time.value) else f"{time.value:.3g} sweeps"
        if not math.isnan(time.value) and not time.enough:
            said += " or more: the series is short"
        marker = "o" if far <= 30 else None
        words = f"{prefix}tau_int: {said}"
        ax.plot(np.arange(far), rho[:far], color=color, label=words, marker=marker, markersize=4)
        window = f"summed up to lag {time.window}" if label is None else None
        ax.axvline(time.window, color="0.4" if label is None else color, linestyle=":", label=window)
    if log is None:
        ax.axhline(0, color="0.6", linewidth=0.8)
        ax.set_ylim(top=1.05)
    ax.set_xlabel("lag (sweeps)")
    ax.set_ylabel("autocorrelation")
    ax.legend()
    ax.set_title("How the chains forget")
    return ax
