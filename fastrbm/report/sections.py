"""The sections of a report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core.display import number
from ..diagnostics.meeting import Meeting
from ..diagnostics.summary import Summary
from ..likelihood.results import unseen
from ..plot import charts, compare, grids, responses, sites
from ..plot.weights import zero_sum
from ..training.history import History
from ..training.record import in_words
from . import coded
from .page import Page, figure
from .verdict import RHAT, interval, nats

if TYPE_CHECKING:
    from ..likelihood import Score
    from ..rbm import RBM
    from ..states.bits import BitMatrix

_ACTIVITY_EXAMPLES = 2000
_DEAD = 0.001  # a hidden unit whose mean is as near as this to 0 or 1 says nothing about an example; nor does a real
# one whose mean varies that little over the data, as a part of its variance at its mean input
_INPUTS = 6  # real hidden units whose inputs are drawn


def alone(rbm: RBM, examples: BitMatrix) -> np.ndarray:
    """The log-likelihood of each example, (n,), under units, or columns, that know nothing of each other, with the
    means of the data; of real columns also with their variances."""
    units, layer = examples.to_units().astype(np.float64), sites.of_model(rbm)
    alone = coded.independent(units, layer)
    real = layer.real[layer.column]
    return alone + coded.independent_reals(rbm, units[:, real]) if real.any() else alone


def score(page: Page, score: Score, reported: list[str], rbm: RBM, each: np.ndarray) -> None:
    alone = float(each.mean())
    words, mean = ("units", "mean") if rbm.visible.layout is None else ("columns", coded.knowledge(rbm))
    page.heading("Score")
    page.text(
        f"The model gives the data a mean log-likelihood of {nats(score.mean)} nats per example. {words.capitalize()} "
        f"that know nothing of each other, each with its {mean} in these data, give {nats(alone)}: what the model has "
        f"learned of how {words} depend on each other is worth {nats(score.mean - alone)} nats per example."
    )
    if rbm.visible.real:
        page.text(
            "Of real columns the likelihood is a density, per unit of each of the data's columns: it may be above 0, "
            "and in other units of the data it is another number. Differences of models are the same in all units. "
            "Columns by themselves are taken as at least as wide as the model's units given hidden ones."
        )
    exact = score.lower == score.upper
    if not exact:
        page.text(
            f"The normalizing constant Z is estimated, by {score.method}. Its uncertainty alone puts the mean between "
            f"{nats(score.lower)} and {nats(score.upper)} nats."
        )
    for warning in [*reported, getattr(score.log_partition, "warning", "")]:
        if warning:
            page.text(f"Warning: {warning}.", warning=True)
    if score.method == "AIS":
        page.text(
            "Warning: AIS alone gives too high a likelihood on average; the method bidirectional shows by how much.",
            warning=True,
        )
    z = score.log_partition
    by_log_z, error = "none: log Z is exact", "none: log Z is exact"
    if not exact:
        by_log_z = interval(score.lower, score.upper) + unseen(score)
        error = f"{score.log_z_error:.2g} nats, from the spread of the chains"
    page.table({
        "mean log-likelihood": f"{nats(score.mean)} nats per example",
        "by the uncertainty of log Z": by_log_z,
        "standard error, data": "one example has none" if len(each) == 1
        else f"{score.standard_error:.2f} nats, from the spread of the examples",
        "standard error, log Z": error,
        "log Z": f"{nats(z.value)} nats, {z.method}" + ("" if exact else f", {interval(z.lower, z.upper)}"),
        f"independent {words}": f"{nats(alone)} nats per example",
    })  # fmt: skip


def data(page: Page, rbm: RBM, examples: BitMatrix) -> None:
    means = examples.to_units().mean(axis=0)
    page.heading("Data")
    if rbm.visible.layout is not None:
        values = examples.to_states()
        constant = int((values.min(axis=0) == values.max(axis=0)).sum())
        layer = sites.of_model(rbm)
        rows = {
            "examples": f"{len(examples):,}, each of {rbm.visible.n_columns:,} columns",
            "columns that never change": f"{constant:,}",
        }
        if layer.categorical.any():
            rows["categories that are not in them"] = f"{_absent(means, layer):,}"
        if layer.real.any():
            of_data = coded.real_moments(rbm, examples)
            rows |= {f"{name} of real columns": _range(x) for name, x in zip(coded.MOMENTS, of_data, strict=True)}
        page.table(rows)
        return
    page.table({
        "examples": f"{len(examples):,}, each of {examples.n_units:,} units",
        "units that are 1": f"{means.mean():.1%}",
        "units that never change": f"{int(((means == 0) | (means == 1)).sum()):,}",
    })  # fmt: skip


def _range(values: np.ndarray) -> str:
    low, high = float(values.min()), float(values.max())
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def _absent(means: np.ndarray, layer: sites.Sites) -> int:
    """How many categories no example has."""
    return int(((means == 0) & layer.categorical[layer.column]).sum())


def model(page: Page, rbm: RBM, examples: BitMatrix, name: str, activity: np.ndarray, n_threads) -> None:
    matrix = zero_sum(rbm.weights, sites.of_model(rbm))
    norms = np.linalg.norm(matrix, axis=0)
    own = rbm.hidden.own
    rows = {
        "name": name,
        "visible and hidden units": f"{rbm.n_visible:,} and {rbm.n_hidden:,}",
        "unit types": sites.words_of(rbm.visible, rbm.hidden),
    }
    for side, units in (("visible", rbm.visible), ("hidden", rbm.hidden)):
        if units.real:
            ranges = (f"{word} {_range(np.array(ends))}" for word, ends in sites.ranges_of(units).items())
            rows[f"parameters of {side} units"] = ", ".join(ranges)
    n_parameters = rbm.n_visible * rbm.n_hidden + rbm.n_visible + rbm.n_hidden + (0 if own is None else own.size)
    page.heading("Model")
    page.table(rows | {
        "parameters": f"{n_parameters:,}",
        "norm of the weights": f"{np.sqrt((norms**2).sum()):.3g}",
        "norms of hidden units": f"{norms.min():.3g} to {norms.max():.3g}, median {np.median(norms):.3g}",
        "largest weight": f"{np.abs(matrix).max():.3g}",
    } | _of_hidden(rbm, examples, activity, n_threads))  # fmt: skip


def weights(page: Page, rbm: RBM, shape) -> None:
    more, less = coded.pulls(rbm)
    shown = min(grids.PICTURES, rbm.n_hidden)
    fig, ax = figure(7.5, 6.5)
    grids.filters(rbm, shape, grids.PICTURES, ax=ax)
    meaning = (
        f"What a hidden unit looks for: visible units that its red weights join make it {more}, blue ones {less}. "
        "Pictures of pure noise are units that have learned nothing yet."
    )
    seen = f"Weights of the {shown:,} hidden units of largest norms, as pictures"
    page.pictures((fig, seen, meaning), coded.spectrum(rbm))


def _of_hidden(rbm: RBM, examples: BitMatrix, activity: np.ndarray, n_threads) -> dict[str, str]:
    """What the hidden units do on data, which have this activity there."""
    if not rbm.hidden.real:
        dead = int(((activity < _DEAD) | (activity > 1 - _DEAD)).sum())
        return {
            "mean of P(h = 1 | v) on data": f"{activity.mean():.1%}",
            "dead hidden units":
            f"{dead:,} of {rbm.n_hidden:,} (on data, on or off in all but {_DEAD:.1%} of examples)",
        }  # fmt: skip
    some = _some(examples, _ACTIVITY_EXAMPLES)
    spread = rbm.mean_hidden(some, n_threads).var(axis=0, dtype=np.float64)
    values = rbm.visible.unit_values(some.to_states()).mean(axis=0)
    field = np.einsum("i,ij->j", values, rbm.weights.astype(np.float64)) + rbm.hidden_bias
    mean, square = rbm.hidden.moments_of(field)
    dead = int((spread < _DEAD * (square - mean * mean)).sum())
    return {
        "means of hidden units on data": f"{_range(activity)}, median {np.median(activity):.3g}",
        "dead hidden units": f"{dead:,} of {rbm.n_hidden:,} (the variance of E[h | v] over the data is below "
        f"{_DEAD:.1%} of the variance of h at the unit's mean input)",
    }  # fmt: skip


def inputs(page: Page, rbm: RBM, examples: BitMatrix, sample_weight) -> None:
    n = min(_INPUTS, rbm.n_hidden)
    fig, ax = figure(*((11.0, 6.0) if n > 3 else (11.0, 3.5)))
    responses.inputs(rbm, examples, n=n, sample_weight=sample_weight, ax=ax)
    meaning = (
        "Bars: the inputs I = v'W of hidden units over the data. Curve: the mean of the unit at such an input. Where "
        "inputs form groups and the curve is far apart between them, the unit tells kinds of examples apart; where the "
        "curve is flat, inputs make no difference; where it is straight, the unit is nearly a Gaussian one, which sees "
        "pairs of visible units alone."
    )
    seen = f"Histograms of the inputs of the {n:,} hidden units of largest norms, and their means at these inputs"
    page.heading("Inputs of hidden units")
    page.pictures((fig, seen, meaning), wide=True)


def activity(rbm: RBM, states: BitMatrix, n_threads) -> np.ndarray:
    """How often each hidden unit is on, given some of these states; of real units, their means."""
    means = rbm.mean_hidden(_some(states, _ACTIVITY_EXAMPLES), n_threads).mean(axis=0, dtype=np.float64)
    return (means - rbm.hidden.off) / rbm.hidden.step


def _some(states: BitMatrix, most: int) -> BitMatrix:
    """At most so many states, from all over them."""
    return states[np.linspace(0, len(states) - 1, min(len(states), most)).astype(np.intp)]


def samples(page: Page, rbm: RBM, examples: BitMatrix, samples: BitMatrix, shape, n_sweeps: int, sample_weight) -> None:
    page.heading("Samples")
    page.text(
        f"The states of {len(samples):,} Gibbs chains after {2 * n_sweeps:,} sweeps, from starts that know the visible "
        "biases only. They follow the model's distribution only if the chains have forgotten their starts: "
        "see the next section."
    )
    drawn = _some(examples, grids.PICTURES)
    pictures = []
    layered = rbm.visible.layout is not None
    if layered:
        coded.samples(page, rbm, examples, drawn, samples, shape, sample_weight)
    for title, states, meaning in (
        (
            (
                "Samples of the model",
                samples,
                "Samples unlike any of the data, or like few of them, show what is amiss.",
            ),
            ("Data", drawn, f"{len(drawn):,} of {len(examples):,} examples, from all over them, to compare with."),
        )
        if not layered
        else ()
    ):
        fig, ax = figure()
        grids.samples(states, shape, grids.PICTURES, ax=ax).set_title(title)
        pictures.append((fig, f"{title}: {min(grids.PICTURES, len(states)):,} states, as pictures", meaning))
    pictures += coded.moments(rbm, examples, samples, sample_weight)
    fig, ax = figure()
    compare.energies(rbm, examples, samples, ax=ax)
    of_data, of_samples = rbm.free_energy(examples).mean(), rbm.free_energy(samples).mean()
    gap = of_samples - of_data
    meaning = (
        f"F(v) = -log p(v) - log Z. To the model, its samples are on average {abs(gap):.1f} nats "
        f"{'less' if gap > 0 else 'more'} likely than the data; of a model that fits, the two histograms agree."
    )
    if rbm.visible.real:
        meaning += " v are the units' values: those of real columns are in multiples of their scale."
    seen = f"Histograms of free energies: data with mean {of_data:.1f} nats, samples with mean {of_samples:.1f} nats"
    pictures.append((fig, seen, meaning))
    fig, ax = figure()
    compare.principal_axes(examples, samples, ax=ax, rbm=rbm if layered else None)
    meaning = (
        "The two directions along which the data vary most. Samples should lie where data do, and as densely: groups "
        "without samples are modes that the model lacks, or that its chains do not reach."
    )
    pictures.append((fig, "Data and samples as points on the data's first two principal axes", meaning))
    page.pictures(*pictures)


def mixing(page: Page, traces: dict[str, np.ndarray], found: Summary, met: Meeting) -> None:
    page.heading("How the chains move")
    with page.sides():
        with page.side():
            _moves(page, found, met)
        with page.side():
            fig, ax = figure()
            charts.autocorrelation(traces[found.worst], ax=ax)
            n_sweeps = len(traces[found.worst])
            meaning = (
                f"Of the trace {found.worst}, whose R-hat is the worst, over {n_sweeps:,} sweeps. 0: the past is "
                "forgotten."
            )
            page.pictures((fig, f"Autocorrelation of {found.worst} against lag", meaning))


def _moves(page: Page, found: Summary, met: Meeting) -> None:
    """The traces, and whether chains from different starts meet."""
    head = ["trace", "mean", "standard error", "R-hat", "bulk ESS", "tail ESS", "tau_int (sweeps)"]
    page.grid(head, [list(found.row(name)) for name in found.traces])
    page.text(
        f"Numbers of {met.n_chains:,} chains, one a sweep: their free energies in nats, the means of their visible "
        "units, and where they are along the axes on which the data vary most. The worst line counts: chains in "
        "different modes may have like free energies."
    )
    page.text(
        "R-hat compares the spread between chains, and between the halves of each, with that within them, by ranks: "
        "near 1 if they have seen the same distribution. Effective sample sizes (ESS) say how many independent draws "
        "all the states of the chains are worth, for the bulk and for the tails of the distribution. tau_int, the "
        "integrated autocorrelation time, says how many sweeps of a chain are worth one of them; > where the run is "
        "too short to tell."
    )
    if found.rhat > RHAT:
        page.text(
            f"Warning: the worst R-hat is {found.rhat:.2f} ({found.worst}). The chains have not forgotten where they "
            "started, so that the samples above may miss modes or weigh them wrongly. More sweeps help, or tempered "
            "chains (TemperedChains, gradient.Tempered).",
            warning=True,
        )
    rows = met.rows()
    page.grid(list(rows[0]), [list(row) for row in rows[1:]])
    page.text(met.words if met.agree else f"Warning: {met.words}", warning=not met.agree)


def training(page: Page, trained: Mapping[str, Any], history: History | None, rbm: RBM) -> None:
    rows = {name: words for name, words in in_words(trained).items() if not (history and name.startswith("last "))}
    page.heading("Training")
    with page.sides():
        if rows:
            with page.side():
                page.table(rows)
        if history:
            with page.side():
                last = {history.about(name).label: x for name, x in history.last.items() if not math.isnan(x)}
                page.table({label: f"{x:.6g}" for label, x in last.items()})
    if history:
        _curves(page, history, rbm)


def _curves(page: Page, history: History, rbm: RBM) -> None:
    last = history.last
    drawn = [name for name in history.columns if name not in ("epoch", "update", "seconds")]
    drawn = [name for name in drawn if np.isfinite(np.asarray(history[name], np.float64)).any()]
    if "epoch" not in history.columns or not drawn:
        return
    pictures = []
    for name in drawn:
        fig, ax = figure(6.5, 3.5)
        charts.learning_curve(history, name, ax=ax, rbm=rbm)
        words = history.about(name).label
        pictures.append((fig, f"{words} against the epoch, {last[name]:.6g} at the end", words))
    page.pictures(*pictures)
