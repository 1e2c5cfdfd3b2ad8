"""Statistics of data against those of samples: frequencies at single sites, correlations of pairs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import validate
from ..sampling.model import model as model_of
from . import sites as layout
from .common import MODEL, axes_of, label_panels, next_color, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..rbm import RBM

_UNITS = 3000  # pairs of so many are 4.5 million: a second, and 200 MB
_POINTS = 10_000  # more hide each other, and are counted in cells instead
_CELLS = 70  # across a picture
_SAMPLES = 2000  # where none are given: errors of frequencies are at most 0.011


def site_frequencies(
    X, samples, rbm: RBM | None = None, sizes=None, sample_weight=None, *, ax: Axes | None = None,
    label: str | None = None, color=None,
) -> Axes:  # fmt: skip
    """Draw how often samples have each category at each site, against how often data have it.

    Parameters
    ----------
    X : array (n, columns) or BitMatrix
        Data: codes 0, 1, ... of categories, bits (0, 1), spins (-1, 1), or columns of all of them; of a model, one-hot
        data (n, V), too.
    samples : array (n_samples, columns) or BitMatrix
        Likewise, such as ``rbm.sample(1000)``.
    rbm : RBM, optional
        The model whose visible layer says what the columns are. Its real columns are left out: they have
        :func:`column_moments` and :func:`marginals`.
    sizes : int or sequence of ints, optional
        Without rbm: all columns are categorical, with so many categories. Without both, a column of 0 and 1 has bits,
        one of -1 and 1 spins, and others codes.
    sample_weight : array (n,), optional
        Weights of the examples of X.
    ax, label, color : optional
        As for :func:`learning_curve`. With a label, what the title says of the agreement is in the legend.

    Returns
    -------
    Axes
        A point for each category of each site; for bits and spins, a point for each column, the frequency of 1. The
        band is two standard errors of the difference of both frequencies, where examples and samples are independent
        and the model is right. The title has Pearson's correlation of the points, and the slope of their regression of
        samples on data. Of more than 10,000 points, their number in each cell; with a label or a color, 10,000 points
        from all over them.

    Raises
    ------
    TypeError, ValueError
        Where an argument is of the wrong kind, or X or samples do not fit the columns.
    ImportError
        Without matplotlib.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import fastrbm as fr, fastrbm.plot
    >>> X = fr.datasets.load_digits()
    >>> fr.plot.site_frequencies(X[::2], X[1::2]).get_title()
    'Single-site frequencies: r = 0.999, slope 0.995'
    """
    sites, (data, model), weights = _read(X, samples, rbm, sizes, sample_weight)
    counted = ~sites.real[sites.column]
    if not counted.any():
        raise ValueError("rbm must have columns of categories, bits or spins; real ones have column_moments")
    x, y = frequencies(data, sites, "X", weights)[counted], frequencies(model, sites, "samples")[counted]
    effective = data.shape[0] if weights is None else weights.sum() ** 2 / (weights**2).sum()
    ax = axes_of(ax, color=color)
    another = bool(ax.collections)
    grid = np.linspace(0, 1, 1001)
    error = 2 * np.sqrt(grid * (1 - grid) * (1 / effective + 1 / model.shape[0]))
    ax.fill_between(grid, grid - error, grid + error, color="0.85", linewidth=0, zorder=0,
                    label=None if another else "two standard errors")  # fmt: skip
    what = f"categories at {sites.n_columns:,} sites" if sites.categorical.all() else "units"
    agreed = _against(ax, x, y, f"{x.size:,} {what}", _ends_of_frequencies(x, y), label, color)
    ax.set_xlabel("frequency in the data")
    ax.set_ylabel("frequency in the samples")
    ax.set_title(f"Single-site frequencies{agreed}")
    return ax


def pair_correlations(
    X, samples, rbm: RBM | None = None, sizes=None, sample_weight=None, *, ax: Axes | None = None,
    label: str | None = None, color=None,
) -> Axes:  # fmt: skip
    """Draw the connected correlations of pairs in samples against those in data.

    `C_ij(a, b) = f_ij(a, b) - f_i(a) f_j(b)`, f the frequencies of category a at site i and b at site j, for all
    pairs of sites and all of their categories. A real column has one value in their place, that of its unit: of
    Gaussian units in multiples of their ``scale``, so that C_ij of two standardized columns is Pearson's correlation.

    Parameters
    ----------
    X, samples, rbm, sizes, sample_weight, ax, label, color
        As for :func:`site_frequencies`, but that real columns of rbm count; at least two columns. The columns of
        more than 3,000 units are too many: as many of them as have 3,000 are taken, from all over them.

    Returns
    -------
    Axes
        A point for each pair of categories of each pair of sites; for bits and spins, `C_ij(1, 1)`, of spins a quarter
        of their covariance. Many points, and the title, are as of :func:`site_frequencies`.

    Raises
    ------
    TypeError, ValueError, ImportError
        As for :func:`site_frequencies`.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import fastrbm as fr, fastrbm.plot
    >>> X = fr.datasets.load_digits()
    >>> fr.plot.pair_correlations(X[::2], X[1::2]).get_title()
    'Pair correlations: r = 0.955, slope 0.936'
    """
    sites, (data, model), weights = _read(X, samples, rbm, sizes, sample_weight)
    if sites.n_columns < 2:
        raise ValueError("pair correlations need at least two columns, got 1")
    columns = some_columns(sites)
    x = correlations(data, sites, "X", weights, columns)
    y = correlations(model, sites, "samples", None, columns)
    ax = axes_of(ax, color=color)
    taken = f", of {columns.size:,} of {sites.n_columns:,} columns" if columns.size < sites.n_columns else ""
    agreed = _against(ax, x, y, f"{x.size:,} pairs{taken}", ends_of(x, y), label, color)
    ax.set_xlabel("connected correlation in the data")
    ax.set_ylabel("connected correlation in the samples")
    ax.set_title(f"Pair correlations{agreed}")
    return ax


def moments(
    rbm: RBM, X, samples=None, *, seed: int = 0, sample_weight=None, ax: Axes | None = None, label: str | None = None,
    color=None,
) -> Axes:  # fmt: skip
    """Draw the moments of a model against those of data: means of visible units, and connected correlations of pairs.

    A mean is the frequency of a category, or of the value 1 of a bit or spin (of magnetization m: `(1 + m) / 2`); a
    real column has the mean of its unit. Correlations are those of :func:`pair_correlations`.

    Parameters
    ----------
    rbm : RBM
    X : array (n, columns) or BitMatrix, of the units' values
        Data.
    samples : array (n_samples, columns) or BitMatrix, likewise, optional
        Samples of the model, by default ``rbm.sample(2000, seed=seed)``. Of a model whose chains mix badly, give
        better ones.
    seed : int
        Of the samples, where they are not given.
    sample_weight : array (n,), optional
        Weights of the examples of X.
    ax, label, color : optional
        As for :func:`site_frequencies`; ax gets two small axes (``ax.child_axes``), which a second call with the same
        ax uses again.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError, ImportError
        As for :func:`pair_correlations`.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import fastrbm as fr, fastrbm.plot
    >>> X = fr.datasets.load_digits()
    >>> rbm = fr.RBM.from_data(X, n_hidden=16, seed=0)
    >>> ax = fr.plot.moments(rbm, X, label="before")
    >>> _ = fr.fit(rbm, X, epochs=20)
    >>> ax = fr.plot.moments(rbm, X, ax=ax, label="after")
    >>> [panel.get_title() for panel in ax.child_axes]
    ['Means', 'Pair correlations']
    """
    X = layout.packed(model_of(rbm), X, "X")  # mistakes are seen before chains run
    if layout.of_model(rbm).n_columns < 2:
        raise ValueError("pair correlations need at least two columns, got 1")
    samples = layout.packed(rbm, rbm.sample(_SAMPLES, seed=seed) if samples is None else samples, "samples")
    sites, (data, model), weights = _read(X, samples, rbm, None, sample_weight)
    columns = some_columns(sites)
    first = "Means" if sites.bits or sites.real.any() else "Frequencies"  # of spins they are no means
    both = (
        (first, "units", frequencies(data, sites, "X", weights), frequencies(model, sites, "samples")),
        ("Pair correlations", "pairs", correlations(data, sites, "X", weights, columns),
         correlations(model, sites, "samples", None, columns)),
    )  # fmt: skip
    ax = axes_of(ax, (9.6, 5.0), color)
    for panel, (title, what, x, y) in zip(ax.child_axes[:2] or panels(ax, 2, right=True), both, strict=True):
        limits = ends_of(x, y)
        if what == "units":  # errors of means are to be seen beside the spread of the columns
            real = bool(sites.real.any())
            if real and np.ptp(x) <= 2.0**-12:  # of standardized columns: no more than what their values are rounded to
                x = np.full_like(x, x.mean())
            limits = (min(limits[0], -1.0), max(limits[1], 1.0)) if real else _ends_of_frequencies(x, y)
        agreed = _against(panel, x, y, f"{x.size:,} {what}", limits, label, color)
        panel.set_title(f"{title}{agreed}", fontsize="small")
        legend = panel.legend(loc="upper left", fontsize="small")
        legend.set_in_layout(False)  # a long label takes no room from the panels
    label_panels(ax, "Moments of data and model", "in the data", "in samples of the model")
    return ax


def ends_of(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The range of both, with a margin."""
    low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    margin = 0.04 * (high - low) or 0.01
    return low - margin, high + margin


def _ends_of_frequencies(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """From 0 to 1; where all are small, as of spikes, to the largest."""
    high = float(max(x.max(), y.max()))
    return 0.0, 1.04 * high if 0 < high < 0.5 else 1.0


def frequencies(states: Any, sites: layout.Sites, name: str, weights: np.ndarray | None = None) -> np.ndarray:
    """(n_units,) float64: how often each category is there, and each bit or spin is 1; of real columns, which only a
    CodeMatrix may have, the units' means."""
    total = np.zeros(sites.n_units + 1)
    if sites.real.any():
        for rows, values in layout.units(states, sites, name, np.float64):
            total[:-1] += (values if weights is None else values * weights[rows, None]).sum(axis=0)
    else:
        for rows, on in layout.blocks(states, sites, name):
            each = None if weights is None else np.repeat(weights[rows], sites.n_columns)
            total += np.bincount(on.reshape(-1), each, minlength=sites.n_units + 1)
    return total[:-1] / (states.shape[0] if weights is None else weights.sum())


def correlations(
    states: Any, sites: layout.Sites, name: str, weights: np.ndarray | None = None, columns: np.ndarray | None = None
) -> np.ndarray:
    """(pairs,) float64: the connected correlations of all pairs of units of different columns, ordered as the rows of a
    matrix above its diagonal. Cost: n U^2 multiplications, U the units of these columns. Of a layer with real columns,
    states is a CodeMatrix."""
    columns = np.arange(sites.n_columns) if columns is None else columns
    units = np.flatnonzero(np.isin(sites.column, columns))
    both = np.zeros((units.size, units.size))
    single = np.zeros(units.size)
    # sums of ones are exact in float32 up to 2^24 rows, and a block has fewer: its rows have two units or more
    dtype = np.float32 if weights is None else np.float64
    for rows, values in layout.units(states, sites, name, dtype):
        ones = values[:, units]
        scaled = ones if weights is None else ones * weights[rows, None]
        both += scaled.T @ ones
        single += scaled.sum(axis=0, dtype=np.float64)
    total = states.shape[0] if weights is None else weights.sum()
    both /= total
    single /= total
    both -= np.outer(single, single)
    column = sites.column[units]
    return both[column[:, None] < column[None, :]]


def some_columns(sites: layout.Sites) -> np.ndarray:
    """All columns, or at least two from all over them, of about 3,000 units or fewer together."""
    if sites.n_units <= _UNITS:
        return np.arange(sites.n_columns)
    n = max(2, int(sites.n_columns * _UNITS / sites.n_units))
    return np.linspace(0, sites.n_columns - 1, n).astype(np.intp)


def pearson_and_slope(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Pearson's correlation, and the slope of the regression of y on x; NaN where they are not defined."""
    u, v = x - x.mean(), y - y.mean()
    # means of equal numbers have rounding errors: a spread as small as those is none
    xx, yy = (float((d**2).sum()) if np.ptp(z) > 1e-14 else 0.0 for d, z in ((u, x), (v, y)))
    xy = float((u * v).sum())
    return xy / math.sqrt(xx * yy) if xx > 0 and yy > 0 else math.nan, xy / xx if xx > 0 else math.nan


def agreement(x: np.ndarray, y: np.ndarray) -> str:
    """Pearson's correlation and the slope, in words."""
    r, slope = pearson_and_slope(x, y)
    if math.isnan(slope):
        return "r and slope not defined"
    return f"{'r not defined' if math.isnan(r) else f'r = {r:.3f}'}, slope {slope + 0.0:.3f}"


def _read(X: Any, samples: Any, rbm: Any, sizes: Any, sample_weight: Any):
    """What the columns are, both tables, and the weights."""
    if rbm is not None and sizes is not None:
        raise ValueError("give rbm or sizes, not both")
    if rbm is not None and layout.of_model(rbm).real.any():
        packed = layout.packed(rbm, X, "X"), layout.packed(rbm, samples, "samples")
        weights = None if sample_weight is None else validate.sample_weight(sample_weight, len(packed[0]))
        return layout.of_model(rbm), packed, weights
    tables = layout.table(X, "X"), layout.table(samples, "samples")
    width = tables[0].shape[1]
    if rbm is None and tables[1].shape[1] != width:
        raise ValueError(f"samples has {tables[1].shape[1]} columns where X has {width}")
    if rbm is not None:
        sites = layout.of_model(rbm)
    else:
        sites = layout.guess(*tables) if sizes is None else layout.of_sizes(sizes, width)
    weights = None if sample_weight is None else validate.sample_weight(sample_weight, tables[0].shape[0])
    return sites, tables, weights


def _against(
    ax: Axes, x: np.ndarray, y: np.ndarray, words: str, limits: tuple[float, float], label: str | None, color: Any
) -> str:
    """Draw y against x as points, or as numbers of points, with the line where both are equal; what the title says of
    the agreement, which the legend says where there is a label."""
    low, high = limits
    agreed = f": {agreement(x, y)}"
    if x.size > _POINTS and label is None and color is None:
        cells = ax.hexbin(x, y, gridsize=_CELLS, extent=(low, high, low, high), bins="log", mincnt=1, cmap="viridis_r",
                          linewidths=0.1)  # fmt: skip
        bar = ax.inset_axes((1.03, 0.1, 0.04, 0.8))
        ax.figure.colorbar(cells, cax=bar, label=f"points in a cell ({words})")
    else:
        if x.size > _POINTS:
            words = f"{_POINTS:,} of {words}"
            some = np.linspace(0, x.size - 1, _POINTS).astype(np.intp)
            x, y = x[some], y[some]
        size = min(max(6000 / x.size, 5), 30)
        ax.scatter(x, y, s=size, alpha=0.5, linewidths=0, color=next_color(ax) if color is None else color,
                   label=words if label is None else f"{label}{agreed}")  # fmt: skip
    margin = 0.02 * (high - low)
    before = next((line for line in ax.lines if line.get_label() == "equal"), None)
    if before is not None:  # of an earlier call on these axes
        low, high = (end(np.append(before.get_xdata(), own)) for end, own in ((np.min, low), (np.max, high)))
        before.remove()
    ax.plot([low, high], [low, high], color=MODEL, linewidth=1, label="equal", zorder=3)
    ax.set_xlim(low - margin, high + margin)
    ax.set_ylim(low - margin, high + margin)
    ax.set_aspect("equal")
    for axis in (ax.xaxis, ax.yaxis):
        axis.get_major_locator().set_params(nbins=6)
    ax.legend(loc="upper left")
    return agreed if label is None else ""
