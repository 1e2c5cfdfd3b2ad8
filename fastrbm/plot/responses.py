"""The inputs of hidden units over data, and what the units make of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core import validate
from ..sampling.model import model
from ..states.bits import BitMatrix
from . import sites as layout
from .common import DATA, MODEL, axes_of, bins, columns_of, label_panels, panels
from .names import head, hidden_units

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..rbm import RBM
    from ..units.unit import Unit

_PANELS = 6  # hidden units, where n and hidden are not given
_POINTS = 201  # of a curve
_BLOCK = 1 << 22  # numbers of a block of examples


def inputs(
    rbm: RBM, X, hidden=None, n: int | None = None, sample_weight=None, *, ax: Axes | None = None
) -> Axes:  # fmt: skip
    """Draw histograms of the inputs of hidden units over data, and as a curve the mean of each unit at an input.

    The input of hidden unit j is `I_j = sum_i v_i W_ij`, its mean `E[h_j | I_j]`, with its bias; of units of two
    values the curve is `P(h_j = 1 | I_j)`. Where the histogram has two groups with different means, the unit tells two
    kinds of examples apart (Tubiana, Cocco & Monasson 2019, "Learning protein constitutive motifs from sequence data",
    figures 3 to 6).

    Weights are taken in the zero-sum gauge, as for :func:`logos`: an input is the sum of the heights of an example's
    letters.

    Parameters
    ----------
    rbm : RBM
    X : array (n_examples, columns) or BitMatrix, of the units' values
        At least one example.
    hidden : int or sequence of ints, optional
        Hidden units to show, in this order. By default the n of the largest Euclidean norms (in the zero-sum gauge).
    n : int, optional
        Without hidden: how many to show, 6, or as many as there are.
    sample_weight : array (n_examples,), optional
        Weights of the examples.
    ax : matplotlib Axes, optional
        It gets a small axes for each hidden unit (``ax.child_axes``), which has one for the curve.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        Where an argument is of the wrong kind, or X does not fit the model.
    ImportError
        Without matplotlib.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import fastrbm as fr, fastrbm.plot
    >>> X = fr.datasets.load_digits()
    >>> rbm = fr.RBM.from_data(X, n_hidden=16, seed=0, hidden="drelu")
    >>> ax = fr.plot.inputs(rbm, X, n=4)
    >>> len(ax.child_axes), ax.get_xlabel()
    (4, 'input I of a hidden unit (nats)')
    """
    states = layout.packed(model(rbm), X, "X")
    weights, shift = rbm.visible.zero_sum(rbm.weights.astype(np.float64))
    shown = hidden_units(weights, hidden, n, _PANELS)
    share = None if sample_weight is None else validate.sample_weight(sample_weight, len(states))
    share = np.full(len(states), 1.0 / len(states)) if share is None else share / share.sum()
    # of examples with absent sites, too, the curve is at the field that the unit has
    given = inputs_of(rbm, states, shown) - shift[shown]
    bias = rbm.hidden_bias.astype(np.float64) + shift
    columns = columns_of(len(shown))
    ax = axes_of(ax, (max(3.2 * columns, 5.0), 2.3 * -(-len(shown) // columns) + 1.0))
    curve = "E[h | I]" if rbm.hidden.real else "P(h = 1 | I)"
    for k, (j, panel) in enumerate(zip(shown, panels(ax, len(shown), right=True), strict=True)):
        edges = bins(given[:, k])
        fractions = np.histogram(given[:, k], edges, weights=share)[0]
        panel.stairs(fractions, edges, fill=True, color=DATA, alpha=0.4)
        panel.set_ylim(0.0, 1.05 * fractions.max())
        panel.set_title(head(weights, j), fontsize="small")
        panel.tick_params(axis="y", labelcolor=DATA)
        other = panel.inset_axes((0, 0, 1, 1), sharex=panel)
        other.patch.set_visible(False)
        other.xaxis.set_visible(False)
        other.yaxis.tick_right()
        other.yaxis.set_label_position("right")
        other.tick_params(axis="y", labelsize="small", labelcolor=MODEL)
        other.locator_params(axis="y", nbins=4)
        if (k + 1) % columns == 0 or k + 1 == len(shown):
            other.set_ylabel(curve, color=MODEL)
        grid = np.linspace(edges[0], edges[-1], _POINTS)
        other.plot(grid, mean_at(rbm.hidden, j, bias[j] + grid), color=MODEL, linewidth=1.5)
        if not rbm.hidden.real:
            other.set_ylim(-0.03, 1.03)
    label_panels(ax, "Inputs of hidden units", "input I of a hidden unit (nats)", "fraction of examples")
    ax.yaxis.label.set_color(DATA)
    return ax


def inputs_of(rbm: RBM, states: BitMatrix, units) -> np.ndarray:
    """v'W of some hidden units, float64 (n, units), of states of the visible layer."""
    weights = rbm.weights[:, units].astype(np.float64)
    found = np.empty((len(states), weights.shape[1]))
    step = max(1, _BLOCK // rbm.n_visible)
    for start in range(0, len(states), step):
        values = rbm.visible.unit_values(states[start : start + step].to_states())
        found[start : start + step] = np.einsum("ij,jk->ik", values, weights)
    return found


def mean_at(units: Unit, j: int, field: np.ndarray) -> np.ndarray:
    """The mean of one of the units at fields (n,); of units of two values the probability of the higher one."""
    one = units.part(np.arange(units.n) == j)
    mean = one.mean_of(field[:, None])[:, 0]
    return mean if units.real else (mean - units.off) / units.step
