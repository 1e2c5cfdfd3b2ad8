"""Columns of real numbers: their distributions, means and standard deviations in samples against those in data."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import validate
from . import sites as layout
from .common import MODEL, axes_of, bins, columns_of, label_panels, next_color, numbers_of, pair, panels, steps
from .names import indices, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..rbm import RBM

_PANELS = 6  # columns, where n and columns are not given
_LINE = 30  # letters in a line of a title, which is about as wide as a panel
_NAMED = 5  # points with a name
_POINTS = 5000  # columns; more hide each other


def marginals(
    X,
    samples,
    columns=None,
    n: int | None = None,
    rbm: RBM | None = None,
    sample_weight=None,
    *,
    ax: Axes | None = None,
    labels=None,
    colors=None,
) -> Axes:
    """Draw histograms of real columns in data and in samples, over the same bins, in the data's units.

    Parameters
    ----------
    X : array (n_examples, columns) or BitMatrix
        Data, at least one example.
    samples : array (n_samples, columns) or BitMatrix
        Likewise, such as ``rbm.sample(1000)``.
    columns : int or sequence of ints, optional
        Columns to show, in this order. By default the n in which samples are farthest from data, by the largest
        difference of their cumulative distributions (Kolmogorov and Smirnov); columns that are constant in the data
        come last.
    n : int, optional
        Without columns: how many to show, 6, or as many as there are.
    rbm : RBM, optional
        The model whose visible layer says which columns are real, and what they are called. Without, all are.
    sample_weight : array (n_examples,), optional
        Weights of the examples of X.
    ax : matplotlib Axes, optional
        It gets a small axes for each column (``ax.child_axes``).
    labels, colors : optional
        As for :func:`energies`.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        Where an argument is of the wrong kind, X or samples do not fit the columns, or none is real.
    ImportError
        Without matplotlib.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import numpy as np, fastrbm as fr, fastrbm.plot
    >>> rbm = fr.RBM(np.zeros((2, 3)), visible=fr.units.Gaussian(2, mean=[170.0, 70.0], scale=[10.0, 15.0]))
    >>> ax = fr.plot.marginals([[180.0, 60.0], [160.0, 80.0]], rbm.sample(100), rbm=rbm)
    >>> [panel.get_title().split(",")[0] for panel in ax.child_axes]
    ['column 0', 'column 1']
    """
    both = pair(labels, colors)
    real, names, (data, model), share = _read(X, samples, rbm, sample_weight)
    apart = np.array([distance(x, y, share) for x, y in zip(data.T, model.T, strict=True)])
    if columns is None:
        n = _PANELS if n is None else validate.integer(n, "n", 1)
        constant = np.ptp(data, axis=0) == 0
        shown = np.sort(np.lexsort((-apart, constant))[:n]).tolist()
    else:
        there = real.tolist()
        asked = indices(columns, "columns", data.shape[1] if rbm is None else rbm.visible.n_columns, "columns")
        if not set(asked) <= set(there):
            wrong = next(i for i in asked if i not in there)
            raise ValueError(f"columns must be real ones, column {wrong} is not")
        shown = [there.index(i) for i in asked]
    across = columns_of(len(shown))
    ax = axes_of(ax, (max(3.0 * across, 5.0), 2.3 * -(-len(shown) // across) + 1.0))
    titles = [textwrap.fill(f"{names[i]}, distance {apart[i]:.2f}", _LINE) for i in shown]
    lines = 1 + max(title.count("\n") for title in titles)
    for k, (i, panel) in enumerate(zip(shown, panels(ax, len(shown), lines=lines), strict=True)):
        edges = bins(data[:, i], model[:, i], n=30)
        for (label, color), values, weights in zip(both, (data, model), (share, None), strict=True):
            steps(panel, values[:, i], edges, color, label, weights)
        panel.set_title(titles[k], fontsize="small")
        if k == 0:
            panel.legend(fontsize="small")
    label_panels(
        ax,
        f"Real columns in {both[0][0]} and {both[1][0]}",
        "value, in the data's units",
        "fraction of examples",
        lines,
    )
    return ax


def column_moments(
    X, samples, rbm: RBM | None = None, sample_weight=None, *, ax: Axes | None = None, label: str | None = None,
    color=None,
) -> Axes:  # fmt: skip
    """Draw how far the means and the standard deviations of real columns in samples are from those in data.

    Parameters
    ----------
    X, samples, rbm, sample_weight
        As for :func:`marginals`.
    ax, label, color : optional
        As for :func:`learning_curve`.

    Returns
    -------
    Axes
        A point for each column that is not constant in the data: the difference of its means, in its standard
        deviations in the data, and the ratio of its standard deviations. Where samples are like data it is at (0, 1).
        The box is two standard errors either way, where examples and samples are independent and normal. Of more than
        5,000 columns, 5,000 from all over them are taken. The five that are farthest outside of the box have their
        names, where there is room for them.

    Raises
    ------
    TypeError, ValueError, ImportError
        As for :func:`marginals`.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import numpy as np, fastrbm.plot
    >>> rng = np.random.default_rng(0)
    >>> ax = fastrbm.plot.column_moments(rng.normal(5, 2, (100, 3)), rng.normal(5, 2, (100, 3)))
    >>> ax.get_title()
    'Means and standard deviations of 3 real columns'
    """
    _, names, (data, model), share = _read(X, samples, rbm, sample_weight)
    columns = data.shape[1]
    some = np.linspace(0, columns - 1, min(columns, _POINTS)).astype(np.intp)
    (mean, spread), (mean_of_samples, spread_of_samples) = moments(data[:, some], share), moments(model[:, some])
    varies = np.ptp(data[:, some], axis=0) > 0
    x = (mean_of_samples - mean)[varies] / spread[varies]
    y = spread_of_samples[varies] / spread[varies]
    effective = len(data) if share is None else 1.0 / (share**2).sum()
    error = 2.0 * math.sqrt(1.0 / effective + 1.0 / len(model))
    ax = axes_of(ax, color=color)
    another = bool(ax.collections)
    color = next_color(ax) if color is None else color
    ax.fill_between([-error, error], 1 - error / math.sqrt(2), 1 + error / math.sqrt(2), color="0.85", linewidth=0,
                    label=None if another else "two standard errors", zorder=0)  # fmt: skip
    ax.axvline(0.0, color=MODEL, linewidth=1)
    ax.axhline(1.0, color=MODEL, linewidth=1)
    left_out = f" ({varies.size - x.size:,} constant ones are left out)" if x.size < varies.size else ""
    size = min(max(6000 / max(x.size, 1), 5), 30)
    ax.scatter(x, y, s=size, alpha=0.5, linewidths=0, color=color, zorder=3,
               label=f"{x.size:,} columns{left_out}" if label is None else label)  # fmt: skip
    ax.margins(0.1)  # for names
    outside = np.maximum(np.abs(x), np.abs(y - 1) * math.sqrt(2))
    for i in np.argsort(-outside, kind="stable")[:_NAMED]:
        if outside[i] > error:
            _write_name(ax, names[some[varies][i]], (float(x[i]), float(y[i])), color)
    ax.set_xlabel("mean in samples less that in data, in standard deviations of the data")
    ax.set_ylabel("standard deviation in samples, as a part of that in data")
    ax.set_title(f"Means and standard deviations of {columns:,} real column{'s' * (columns > 1)}")
    ax.legend()
    return ax


def _write_name(ax: Axes, name: str, point: tuple[float, float], color: Any) -> None:
    """A name beside a point, unless another one is there."""
    left = point[0] < sum(ax.get_xlim()) / 2
    text = ax.annotate(name, point, (4 if left else -4, 3), textcoords="offset points", ha="left" if left else "right",
                       fontsize="small", color=color)  # fmt: skip
    box = text.get_window_extent()
    if any(box.overlaps(other.get_window_extent()) for other in ax.texts if other is not text):
        text.remove()


def moments(values: np.ndarray, share: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(means, standard deviations) of the columns of values, of rows with a share each, which sum to 1."""
    mean = np.average(values, axis=0, weights=share)
    return mean, np.sqrt(np.average((values - mean) ** 2, axis=0, weights=share))


def distance(x: np.ndarray, y: np.ndarray, share: np.ndarray | None = None) -> float:
    """The largest difference of the cumulative distributions of numbers x, with a share each, and of y."""
    share = np.full(len(x), 1.0 / len(x)) if share is None else share
    order = np.argsort(x, kind="stable")
    cumulated = np.concatenate(([0.0], np.cumsum(share[order])))
    points = np.concatenate([x, y])
    below = cumulated[np.searchsorted(x[order], points, side="right")]
    return float(np.abs(below - np.searchsorted(np.sort(y), points, side="right") / len(y)).max())


def real_values(rbm: RBM, states: Any) -> np.ndarray:
    """The real columns of packed states of the visible layer, float64 (n, columns), in the data's units."""
    values: np.ndarray = rbm.visible.values(states.to_states())[:, layout.of_model(rbm).real]
    return values


def _read(X: Any, samples: Any, rbm: RBM | None, sample_weight: Any):
    """Which columns are real, what they are called, the tables of both, and the share of each example of X."""
    given = (X, "X"), (samples, "samples")
    if rbm is None:
        tables = [numbers_of(value, name) for value, name in given]
        if tables[0].shape[1] != tables[1].shape[1]:
            raise ValueError(f"samples has {tables[1].shape[1]} columns where X has {tables[0].shape[1]}")
        real = np.arange(tables[0].shape[1])
        names = [f"column {i}" for i in real]
    else:
        real = np.flatnonzero(layout.of_model(rbm).real)
        if not real.size:
            raise ValueError("rbm must have real visible units; columns of others have site_frequencies")
        tables = [real_values(rbm, layout.packed(rbm, value, name)) for value, name in given]
        known = layout.names_of(rbm)
        names = [f"column {known[i]}" if known[i].isdigit() else short(known[i]) for i in real]
    share = None if sample_weight is None else validate.sample_weight(sample_weight, len(tables[0]))
    return real, names, tables, None if share is None else share / share.sum()
