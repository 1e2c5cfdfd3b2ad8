"""Weights of hidden units by column and category, as bars with names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import validate
from ..datasets.alphabets import ALPHABETS, Alphabet
from . import sites as layout
from .common import axes_of
from .names import escaped, head, hidden_units, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..rbm import RBM

_BARS = 10
_BLOCKS = 2  # hidden units with bars, where hidden is not given
_POSITIVE, _NEGATIVE = "#B2182B", "#2166AC"


def category_weights(rbm: RBM, hidden=None, alphabet=None, n: int | None = None, *, ax: Axes | None = None) -> Axes:
    """Draw the largest weights of hidden units as bars, with the names of columns and categories.

    Parameters
    ----------
    rbm : RBM
        Names are those of ``rbm.visible_names`` and ``rbm.visible_categories``, where it has them, else numbers.
    hidden : int or sequence of ints, optional
        Hidden units to show, in this order. By default the two of the largest Euclidean norms.
    alphabet
        Labels of the categories, as for :func:`logos`.
    n : int, optional
        Bars of each hidden unit, at least 1: the 10 largest, or as many as there are.
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes
        The hidden units one below another, for each its largest absolute weights, in the zero-sum gauge, the largest
        on top.

    Raises
    ------
    TypeError, ValueError, ImportError
        As for :func:`logos`.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import fastrbm as fr, fastrbm.plot
    >>> ax = fr.plot.category_weights(fr.RBM([[1.0], [-2.0], [0.5]]), n=2)
    >>> [(label.get_text(), float(bar.get_width())) for label, bar in zip(ax.get_yticklabels(), ax.patches)]
    [('column 1', -2.0), ('column 0', 1.0)]
    """
    sites, weights, names, labels = read(rbm, alphabet)
    shown = hidden_units(weights, hidden, None, _BLOCKS)
    n = min(_BARS if n is None else validate.integer(n, "n", 1), len(weights))
    words = unit_names(sites, names, labels)
    places, values, ticks, heads = [], [], [], []
    for k, j in enumerate(shown):
        order = np.argsort(-np.abs(weights[:, j]), kind="stable")[:n]
        top = k * (n + 1.4)
        places += [top + i for i in range(n)]
        values += weights[order, j].tolist()
        ticks += [words[u] for u in order]
        heads.append(top - 0.85)
    ax = axes_of(ax, (6.5, min(1.1 + 0.24 * (n + 1.4) * len(shown), 14.0)))
    ax.barh(places, values, height=0.8, color=[_POSITIVE if x > 0 else _NEGATIVE for x in values])
    ax.axvline(0, color="0.4", linewidth=0.8)
    for top, j in zip(heads, shown, strict=True):
        ax.annotate(head(weights, j), (0, top), (4, 0), ("axes fraction", "data"), "offset points",
                    va="center", fontsize="small", fontweight="bold")  # fmt: skip
    top = max(max(map(abs, values)), 1e-30) * 1.08
    low, high = min(values), max(values)
    ax.set_xlim(-top if low < 0 else -0.02 * top, top if high > 0 or low == 0 else 0.02 * top)
    ax.set_ylim(places[-1] + 0.7, -1.5)
    ax.set_yticks(places, [escaped(tick) for tick in ticks], fontsize="small")
    ax.grid(axis="x", alpha=0.3)
    ax.set_axisbelow(True)
    ax.set_xlabel("weight (nats)")
    ax.set_ylabel(f"{n:,} of {len(weights):,} weights, largest first")
    ax.set_title("Weights of hidden units")
    return ax


def zero_sum(weights: np.ndarray, sites: layout.Sites) -> np.ndarray:
    """Weights (V, H), float64, with the mean over the categories of each categorical site subtracted."""
    weights = np.asarray(weights, np.float64)
    if weights.ndim != 2 or len(weights) != sites.n_units:
        raise ValueError(f"weights must have {sites.n_units} rows, one for each category, got shape {weights.shape}")
    sums = np.add.reduceat(weights, sites.starts, axis=0)
    means = sums / np.array(sites.sizes)[:, None] * sites.categorical[:, None]
    return weights - means[sites.column]


def unit_names(sites: layout.Sites, names: Sequence[str], labels: Sequence[Sequence[str]]) -> list[str]:
    """What each visible unit is called: column = category, or the column alone where it has one unit."""
    result = []
    for kind, name, own in zip(sites.kinds, names, labels, strict=True):
        name = shortened(name if not name.isdigit() else f"column {name}")
        result += (
            [f"{name} = {shortened(label)}" for label in own] if kind == layout.CATEGORICAL or own != ("",) else [name]
        )
    return result


def read(rbm: Any, alphabet: Any):
    """Columns, weights in the zero-sum gauge, the names of columns, and the labels of the units of each."""
    sites = layout.of_model(rbm)
    weights = zero_sum(rbm.weights, sites)
    names = getattr(rbm, "visible_names", None) or [str(i) for i in range(sites.n_columns)]
    categories = getattr(rbm, "visible_categories", None) or (None,) * sites.n_columns
    given = None if alphabet is None else _alphabet(alphabet)
    labels: list[tuple[str, ...]] = []
    for i, (kind, q, known) in enumerate(zip(sites.kinds, sites.sizes, categories, strict=True)):
        if kind != layout.CATEGORICAL:
            labels.append((str(known[1]),) if known is not None and len(known) == 2 else ("",))
        elif given is not None:
            if len(given) != q:
                raise ValueError(
                    f"alphabet must have {q} labels, one for each category of column {i}, got {len(given)}"
                )
            labels.append(given)
        else:
            labels.append(tuple(map(str, range(q) if known is None else known)))
    return sites, weights, [str(name) for name in names], labels


def _alphabet(value: Any) -> tuple[str, ...]:
    if isinstance(value, Alphabet) or isinstance(value, str) and value in ALPHABETS:
        value = Alphabet(value).letters if isinstance(value, str) else value.letters
    if not isinstance(value, (str, Sequence, np.ndarray)):
        raise TypeError(f"alphabet must be a string or a sequence of labels, not {validate.kind(value)}")
    labels = tuple(map(str, value))
    if len(set(labels)) != len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise ValueError(f"alphabet must have each label once, it has {twice!r} {labels.count(twice)} times")
    return labels
