"""Charts: training, energies, principal axes, autocorrelation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..diagnostics.correlation import autocorrelation as autocorrelation_of
from ..diagnostics.correlation import autocorrelation_time
from ..sampling.model import model
from ..states.bits import BitMatrix, CodeMatrix
from ..training.columns import of_reals
from ..training.history import History
from . import sites
from .common import DATA, LINES, MODEL, axes_of, states_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..rbm import RBM

_POINTS = 2000  # examples of each kind in principal_axes: an SVD of so many is quick, and more points hide each other
_BINS = 40


def learning_curve(history: History, columns=None, ax: Axes | None = None, rbm: RBM | None = None) -> Axes:
    """Draw columns of a history against the epoch. Values that were not measured (NaN) are passed over.

    Parameters
    ----------
    history : History
    columns : str or list of str, optional
        Columns of one unit, such as nats. By default ``shuffled_gap``; where there is none, the first column that is
        not ``epoch``.
    ax : matplotlib Axes, optional
    rbm : RBM, optional
        The model, whose unit types say what the hidden activity and the reconstruction error are of.

    Returns
    -------
    Axes

    Raises
    ------
    KeyError
        Where history has no such column.
    TypeError, ValueError, ImportError
        Where history is empty or lacks ``epoch``, or the columns have different units; as for :func:`filters`.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import fastrbm as fr, fastrbm.plot
    >>> X = fr.datasets.load_digits()
    >>> history = fr.fit(fr.RBM.from_data(X, n_hidden=16, seed=0), X, epochs=40)
    >>> fr.plot.learning_curve(history, "reconstruction_error").get_ylabel()
    'reconstruction error (fraction of units)'
    """
    if not isinstance(history, History):
        raise TypeError(f"history must be a History, not {type(history).__name__}")
    if "epoch" not in history.columns or len(history.columns) < 2:
        raise ValueError(f"history must have a column epoch and others, got {', '.join(history.columns) or 'none'}")
    if columns is None:
        others = [name for name in history.columns if name != "epoch"]
        columns = "shuffled_gap" if "shuffled_gap" in others else others[0]
    columns = [columns] if isinstance(columns, str) else list(columns)
    about = {name: history.about(name) for name in columns}
    if rbm is not None:  # a history from a file does not know whether units are real
        real = of_reals(model(rbm).visible.real, rbm.hidden.real)
        about |= {name: real[name] for name in columns if name in real}
    units = {name: about[name].unit for name in columns}
    if len(columns) == 0 or len(set(units.values())) > 1:
        listed = ", ".join(f"{name} ({unit or 'of its own'})" for name, unit in units.items())
        raise ValueError(f"columns must be of one unit, got {listed or 'none'}: draw others on axes of their own")
    values = [np.asarray(history[name], np.float64) for name in columns]
    epochs = history["epoch"]
    ax = axes_of(ax)
    for k, (name, y) in enumerate(zip(columns, values, strict=True)):
        known = np.isfinite(y)
        words = about[name].label if known.any() else f"{about[name].label}: not measured"
        marker = "o" if known.sum() <= 30 else None
        color = LINES[k % len(LINES)]
        ax.plot(epochs[known], y[known], label=words, color=color, marker=marker, markersize=4)
    unit = units[columns[0]]
    margin = max(0.5, 0.03 * float(epochs[-1] - epochs[0]))  # all epochs are in view, measured or not
    ax.set_xlim(epochs[0] - margin, epochs[-1] + margin)
    ax.set_xlabel("epoch")
    ax.set_ylabel(about[columns[0]].title if len(columns) == 1 else unit)  # several have a legend
    ax.xaxis.get_major_locator().set_params(integer=True)
    if len(columns) > 1 or not any(np.isfinite(y).any() for y in values):
        ax.legend()
    ax.grid(alpha=0.3)
    ax.set_title("Training")
    return ax


def energies(rbm: RBM, X, samples, ax: Axes | None = None) -> Axes:
    """Draw histograms of the free energies of data and of samples, over the same bins.

    A model that fits gives both the same: its samples are as likely to it as the data are.

    Parameters
    ----------
    rbm : RBM
    X : array (n, columns) or BitMatrix, of the units' values
        Data.
    samples : array (n_samples, columns) or BitMatrix, of the units' values
        Such as ``rbm.sample(1000)``.
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError, ImportError
        As for :func:`filters`.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import fastrbm as fr, fastrbm.plot
    >>> X = fr.datasets.load_digits()
    >>> rbm = fr.RBM.from_data(X, n_hidden=16, seed=0)
    >>> fr.plot.energies(rbm, X, rbm.sample(100, n_sweeps=10)).get_xlabel()
    'free energy F(v) (nats)'
    """
    model(rbm)
    kinds = (("data", X, "X", DATA), ("samples", samples, "samples", MODEL))
    packed = {word: _packed(rbm, states, name) for word, states, name, _ in kinds}
    free = {word: rbm.free_energy(states) for word, states in packed.items()}
    edges = np.histogram_bin_edges(np.concatenate(list(free.values())), _BINS)
    ax = axes_of(ax)
    for word, _, _, color in kinds:
        fractions = np.histogram(free[word], edges)[0] / len(free[word])
        label = f"{word}: mean {free[word].mean():.1f}"
        ax.stairs(fractions, edges, fill=True, color=color, alpha=0.25)
        ax.stairs(fractions, edges, color=color, linewidth=1.5, label=label)
    ax.set_xlabel("free energy F(v) (nats)")
    ax.set_ylabel("fraction of examples")
    ax.legend()
    ax.set_title("Free energies of data and samples")
    return ax


def principal_axes(X, samples, ax: Axes | None = None, rbm: RBM | None = None) -> Axes:
    """Draw data and samples as points on the data's first two principal axes.

    Parameters
    ----------
    X : array (n, V) or BitMatrix, of 0 and 1; with rbm, of the values of its units
        Data. Of more than 2,000 examples, 2,000 from all over them are taken, for the axes too; of samples likewise.
    samples : array (n_samples, V) or BitMatrix, likewise
    ax : matplotlib Axes, optional
    rbm : RBM, optional
        The model whose visible layer says what the columns are: a category is a direction of its own, 0 or 1. Data with
        real columns need it; of Gaussian units these count in multiples of their ``scale``.

    Returns
    -------
    Axes
        An axis points to where its largest component is positive; the labels say how much of the data's variance is
        along it.

    Raises
    ------
    TypeError, ValueError, ImportError
        As for :func:`filters`.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import fastrbm as fr, fastrbm.plot
    >>> X = fr.datasets.load_digits()
    >>> fr.plot.principal_axes(X, X[:100]).get_xlabel()
    "first principal axis (11.4 % of the data's variance)"
    """
    if rbm is not None and sites.of_model(rbm).real.any():
        data, model = (_some_values(rbm, states, name) for states, name in ((X, "X"), (samples, "samples")))
    elif rbm is not None or isinstance(X, CodeMatrix):
        given = sites.of_layer(X.unit) if rbm is None else sites.of_model(rbm)
        data, model = (_on(given, states, name) for states, name in ((X, "X"), (samples, "samples")))
    else:
        data = states_of(X, None, "X", _POINTS).astype(np.float64)
        model = states_of(samples, data.shape[1], "samples", _POINTS).astype(np.float64)
    mean = data.mean(axis=0)
    axes, parts = _principal(data - mean)
    ax = axes_of(ax)
    for word, states, color in (("data", data, DATA), ("samples", model, MODEL)):
        x, y = axes @ (states - mean).T
        size = min(max(4000 / len(states), 6), 30)  # few points are large, so that they are seen among many
        ax.scatter(x, y, s=size, alpha=0.6, linewidths=0, color=color, label=f"{word} ({len(states):,})")
    for name, part, label in (("first", parts[0], ax.set_xlabel), ("second", parts[1], ax.set_ylabel)):
        label(f"{name} principal axis ({part:.1%} of the data's variance)".replace("%", " %"))
    ax.legend()
    ax.set_title("Data and samples on the data's principal axes")
    return ax


def autocorrelation(series, ax: Axes | None = None) -> Axes:
    """Draw the autocorrelation of chains, as far as Sokal's window and half as far again.

    Parameters
    ----------
    series : array (n,) or (n, chains)
        One number a sweep for each chain, such as :func:`fastrbm.diagnostics.free_energy_trace` gives.
    ax : matplotlib Axes, optional

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
    ax = axes_of(ax)
    if math.isnan(rho[0]):
        ax.plot([], [], label="the series is constant")
    else:
        far = min(rho.size, max(21, time.window + time.window // 2 + 1))
        said = "not to be had from so short a series" if math.isnan(time.value) else f"{time.value:.3g} sweeps"
        if not math.isnan(time.value) and not time.enough:
            said += " or more: the series is short"
        ax.plot(np.arange(far), rho[:far], color=DATA, label=f"tau_int: {said}", marker="o" if far <= 30 else None)
        ax.axvline(time.window, color="0.4", linestyle=":", label=f"summed up to lag {time.window}")
    ax.axhline(0, color="0.6", linewidth=0.8)
    ax.set_xlabel("lag (sweeps)")
    ax.set_ylabel("autocorrelation")
    ax.legend()
    ax.set_title("How the chains forget")
    return ax


def _packed(rbm: RBM, states, name: str) -> BitMatrix:
    """States of the visible layer, of at least one example."""
    if rbm.visible.layout is None:
        return BitMatrix.from_states(states_of(states, rbm.n_visible, name))
    return sites.packed(rbm, states, name)


def _some_values(rbm: RBM, states, name: str) -> np.ndarray:
    """The values of the visible units, float64 (n, units), in some examples from all over them."""
    given = sites.packed(rbm, states, name)
    return given[np.linspace(0, len(given) - 1, min(len(given), _POINTS)).astype(np.intp)].to_units()


def _on(layer: sites.Sites, states, name: str) -> np.ndarray:
    """Which units are on, float64 (n, units), in some examples from all over them."""
    table = sites.table(states, name)
    if table.shape[0] > _POINTS:
        table = table[np.linspace(0, table.shape[0] - 1, _POINTS).astype(np.intp)]
    parts = [sites.one_hot(on, layer.n_units, np.float64) for _, on in sites.blocks(table, layer, name)]
    return np.concatenate(parts)


def _principal(centered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first two principal axes (2, V), and the part of the variance along each; zeros where there is none."""
    _, singular, axes = np.linalg.svd(centered, full_matrices=False)
    variance = singular**2
    two, parts = np.zeros((2, centered.shape[1])), np.zeros(2)
    k = min(2, len(axes))
    two[:k] = axes[:k]
    if variance.sum() > 0:
        parts[:k] = variance[:k] / variance.sum()
    largest = np.take_along_axis(two, np.abs(two).argmax(axis=1)[:, None], axis=1)
    return two * np.where(largest < 0, -1.0, 1.0), parts
