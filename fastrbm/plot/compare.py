"""Data beside samples: their free energies, and their places on principal axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core import validate
from ..diagnostics.axes import along
from ..diagnostics.axes import principal_axes as principal_axes_of
from ..sampling.model import model
from ..states.bits import BitMatrix, CodeMatrix
from . import sites
from .common import axes_of, pair, set_scales, states_of, steps

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..rbm import RBM

_POINTS = 2000  # examples of each kind in principal_axes; more points hide each other
_BINS = 40


def energies(rbm: RBM, X, samples, *, log: str | None = None, ax: Axes | None = None, labels=None, colors=None) -> Axes:
    """Draw histograms of the free energies of data and of samples, over the same bins.

    A model that fits gives both the same: its samples are as likely to it as the data are.

    Parameters
    ----------
    rbm : RBM
    X : array (n, columns) or BitMatrix, of the units' values
        Data.
    samples : array (n_samples, columns) or BitMatrix, of the units' values
        Such as ``rbm.sample(1000)``.
    log : "y", optional
        Fractions on a logarithmic axis, to see the tails.
    ax : matplotlib Axes, optional
    labels : (of data, of samples), optional
        What the legend calls them, such as ``("training", "test")``; by default data and samples.
    colors : (of data, of samples), optional
        Colors of matplotlib.

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
    if log is not None:
        validate.one_of(log, "log", ("y",))
    both = pair(labels, colors)
    packed = [_packed(rbm, states, name) for states, name in ((X, "X"), (samples, "samples"))]
    free = [rbm.free_energy(states) for states in packed]
    edges = np.histogram_bin_edges(np.concatenate(free), _BINS)
    ax = axes_of(ax)
    set_scales(ax, log)
    for (label, color), values in zip(both, free, strict=True):
        steps(ax, values, edges, color, f"{label}: mean {values.mean():,.1f}")
    if log is not None:
        ax.set_ylim(bottom=0.5 / max(map(len, free)))
    ax.set_xlabel("free energy F(v) (nats)")
    ax.set_ylabel("fraction of examples")
    ax.legend()
    ax.set_title(f"Free energies of {both[0][0]} and {both[1][0]}")
    return ax


def principal_axes(X, samples, *, rbm: RBM | None = None, ax: Axes | None = None, labels=None, colors=None) -> Axes:
    """Draw data and samples as points on the data's first two principal axes.

    Parameters
    ----------
    X : array (n, V) or BitMatrix, of 0 and 1; with rbm, of the values of its units
        Data. Of more than 2,000 examples, 2,000 from all over them are taken, for the axes too; of samples likewise.
    samples : array (n_samples, V) or BitMatrix, likewise
    rbm : RBM, optional
        The model whose visible layer says what the columns are: a category is a direction of its own, 0 or 1. Data with
        real columns need it; of Gaussian units these count in multiples of their ``scale``.
    ax, labels, colors : optional
        As for :func:`energies`.

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
    both = pair(labels, colors)
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
    for (label, color), states in zip(both, (data, model), strict=True):
        x, y = (along(states - mean, axis) for axis in axes)
        size = min(max(4000 / len(states), 6), 30)  # few points are large, so that they are seen among many
        ax.scatter(x, y, s=size, alpha=0.6, linewidths=0, color=color, label=f"{label} ({len(states):,})")
    for name, part, write in (("first", parts[0], ax.set_xlabel), ("second", parts[1], ax.set_ylabel)):
        write(f"{name} principal axis ({part:.1%} of the data's variance)".replace("%", " %"))
    ax.legend()
    ax.set_title("The data's first two principal axes")
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
    found = principal_axes_of(centered, 2)
    axes, parts = np.zeros((2, centered.shape[1])), np.zeros(2)
    axes[: len(found)] = found
    whole = float(np.square(centered).sum())
    for k, axis in enumerate(found):
        parts[k] = float(np.square(along(centered, axis)).sum()) / whole
    return axes, parts
