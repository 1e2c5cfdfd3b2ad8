"""The sections of a report, and the order in which they are made."""

from __future__ import annotations

import math
import warnings
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import output, validate, workload
from .._core.config import get_config
from .._core.progress import Countdown
from .._core.version import __version__
from ..diagnostics.axes import axes_of
from ..diagnostics.meeting import Meeting, chains_from, compare
from ..diagnostics.summary import Summary, summary
from ..diagnostics.tracing import N_AXES, record
from ..likelihood.score import score as likelihood_score
from ..plot import charts, grids, responses, sites
from ..plot.common import need_matplotlib
from ..plot.grids import checked_shape
from ..plot.weights import zero_sum
from ..sampling.annealing import population_annealing
from ..sampling.chains import Chains
from ..sampling.model import model
from ..training.history import History
from ..training.record import in_a_sentence, in_words, last_row
from ..training.variance import visible_size
from . import coded
from .page import Page, figure
from .verdict import RHAT, answers, interval, nats

if TYPE_CHECKING:
    from ..likelihood import Score
    from ..rbm import RBM
    from ..states.bits import BitMatrix

__all__ = ["report"]

_ACTIVITY_EXAMPLES = 2000
_DEAD = 0.001  # a hidden unit whose mean is as near as this to 0 or 1 says nothing about an example; nor does a real
# one whose mean varies that little over the data, as a part of its variance at its mean input
_INPUTS = 6  # real hidden units whose inputs are drawn
_STEP = 50  # sweeps between two looks at the progress line, at most


def report(
    rbm: RBM,
    X,
    path: str | PathLike,
    *,
    history: History | None = None,
    name: str = "an RBM",
    data_name: str | None = None,
    date: str | None = None,
    command: str | None = None,
    shape=None,
    sample_weight=None,
    n_samples: int = 256,
    n_sweeps: int = 1000,
    method: str = "auto",
    n_chains: int | None = None,
    n_betas: int | None = None,
    tolerance: float = 0.5,
    seconds: float | None = None,
    seed: int = 0,
    progress: bool = False,
    n_threads: int | None = None,
) -> Score:
    """Write a report on a model as one HTML file that needs no other.

    It begins with four lines: is the model fitted, do its chains mix, can its likelihood be trusted, does it overfit;
    each with its numbers, and with what to do where the answer is bad. Chains mix where those from the data, those from
    the biases and annealed samples end in one distribution (:func:`fastrbm.diagnostics.meet`), and the worst R-hat of
    several traces (:func:`fastrbm.diagnostics.traces`) is at most 1.1.

    Above them it says on what data and, given a date, when it was made, and how the model was trained
    (:attr:`RBM.training_record`).

    Of units of two values it shows weights and samples as pictures. Of categorical sites it shows logos of weights, or
    bars where categories are no single letters; samples as text; frequencies and pair correlations of samples against
    data. Of real columns it shows distributions, means and standard deviations in the data's units; of real hidden
    units their inputs over the data (:func:`fastrbm.plot.inputs`).

    The same arguments on the same machine and versions give the same file: it holds no date but the one that it is
    given, and no times but those of the history. It is written under another name first and then renamed.

    Parameters
    ----------
    rbm : RBM
    X : array (n, columns), data frame or BitMatrix, of the units' values
        The examples that the model is held against, at least one; better not those that it was trained on.
    path : path
        The file to write, such as ``report.html``.
    history : History, optional
        Of the training; its columns are drawn, and what its end shows is said at the top; without it, what the last row
        in :attr:`RBM.training_record` shows. Overfitting shows only where the training had validation data.
    name : str
        What the report calls the model, such as its file.
    data_name : str, optional
        What it calls the data, such as their file.
    date : str, optional
        When it is made, in whatever form.
    command : str, optional
        How the report was asked for, to be shown in it.
    shape : (height, width), optional
        Of the pictures; by default a square where the number of visible units is one, else a table. Of a layer of
        several segments, or of real units, that of its largest segment of units of two values or real ones.
    sample_weight : array (n,), optional
        Weights of the examples: of the score, as for :func:`fastrbm.likelihood.score`, and of columns by themselves;
        of the frequencies of categories and pairs of them, the moments of real columns, and the inputs of hidden units.
    n_samples : int
        Gibbs chains whose states are the samples; they start at draws from the visible biases alone. As many chains
        that start at data, and as many annealed samples, are compared with them.
    n_sweeps : int
        Sweeps before the chains are looked at, and again sweeps in which they are; at least 4.
    method, n_chains, n_betas, tolerance, seconds
        Of the score, as for :func:`fastrbm.likelihood.score`.
    seed : int
        Of chains and annealing.
    progress : bool
        Show progress lines on standard error.
    n_threads : int, optional
        See :func:`fastrbm.show_config`. No effect on the numbers.

    Returns
    -------
    Score
        The one in the report.

    Raises
    ------
    TypeError, ValueError
        Where an argument is of the wrong kind or does not fit the model.
    OSError
        When the file cannot be written; that is tried before the work.
    ImportError
        Without matplotlib.

    Examples
    --------
    >>> import os, tempfile
    >>> import fastrbm as fr, fastrbm.report
    >>> X = fr.datasets.load_digits()
    >>> rbm = fr.RBM.from_data(X, n_hidden=10, seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     score = fr.report.report(rbm, X, os.path.join(folder, "report.html"), n_sweeps=20)
    ...     os.listdir(folder)
    ['report.html']
    >>> print(score)
    mean log-likelihood -25.113 +- 0.092 (data) nats (1,797 examples, log Z exact)
    """
    need_matplotlib()
    from matplotlib import style

    layered = model(rbm).visible.layout is not None
    shape = coded.picture_of(rbm, shape) if layered else checked_shape(shape, rbm.n_visible)
    if history is not None and not isinstance(history, History):
        raise TypeError(f"history must be a History or None, not {type(history).__name__}")
    n_samples, n_sweeps = (
        validate.integer(n_samples, "n_samples", 1, 1 << 32),
        validate.integer(n_sweeps, "n_sweeps", 4),
    )
    examples = rbm._states(X, "X")
    if sample_weight is not None:
        sample_weight = validate.sample_weight(sample_weight, len(examples))
    output.check(path)  # now, not after the chains have run
    settings: dict[str, Any] = {"method": method, "seed": seed}
    settings |= {"tolerance": tolerance, "seconds": seconds} if n_betas is None and n_chains is None else {}
    settings |= {"n_chains": n_chains, "n_betas": n_betas}
    settings = {name: value for name, value in settings.items() if value is not None}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        score = likelihood_score(
            rbm, examples, **settings, progress=progress, n_threads=n_threads, sample_weight=sample_weight
        )
    reported = [str(warning.message) for warning in caught]
    samples, traces, met = _run_chains(rbm, examples, n_samples, n_sweeps, seed, progress, n_threads)
    found, alone = summary(traces), _alone(rbm, examples, sample_weight)
    page = Page(f"Report on {name}")
    about = f"On {data_name or 'data'}: {len(examples):,} examples."
    page.about(about + (f" Made {date}." if date else "") + f" fastrbm {__version__}.")
    trained = rbm.training_record
    if trained and (words := in_a_sentence(trained)):
        page.about(words)
    known = last_row(trained) if history is None else history
    page.answers(answers(score, alone, reported, found, met, known, visible_size(rbm)))
    with style.context("default"):
        _score(page, score, reported, rbm, examples, alone)
        _model(page, rbm, examples, samples, shape, name, n_threads)
        if rbm.hidden.real:
            _inputs(page, rbm, examples, sample_weight)
        _samples(page, rbm, examples, samples, shape, n_sweeps, sample_weight)
        _mixing(page, traces, found, met)
        if trained or history:
            page.heading("Training")
        if trained:
            rows = in_words(trained)
            page.table({name: words for name, words in rows.items() if not (history and name.startswith("last "))})
        if history:
            _training(page, history, rbm)
        page.heading("How this was made")
        if command:
            page.code(command)
        page.table(settings | {"n_samples": n_samples, "n_sweeps": n_sweeps} | get_config())
    output.replace_file(path, page.html().encode())
    return score


def _run_chains(
    rbm, examples, n_samples, n_sweeps, seed, progress, n_threads
) -> tuple[BitMatrix, dict[str, np.ndarray], Meeting]:
    """Where chains from the biases are after 2 n_sweeps sweeps; their traces over the second half of them; and whether
    they met others after the first half."""
    chains = Chains(rbm, n_samples, seed, n_threads=n_threads)
    others = chains_from(rbm, examples, n_samples, seed, n_threads)
    step = min(_STEP, workload.steps_a_call(workload.sweep(rbm.n_visible, rbm.n_hidden).of(n_samples)))
    axes, parts = axes_of(rbm, examples, N_AXES), []
    with Countdown("sampling", 3 * n_sweeps, progress) as line:
        for k, some in enumerate((others, chains)):
            while left := n_sweeps - some.n_sweeps_done:
                some.sweep(min(step, left), n_threads)
                line.done(k * n_sweeps + some.n_sweeps_done)
        population = population_annealing(rbm, n_samples, seed=seed, n_threads=n_threads)
        ends = others.visible_bits, chains.visible_bits, population
        met = compare(rbm, examples, *ends, n_sweeps, n_threads)
        while left := 2 * n_sweeps - chains.n_sweeps_done:
            parts.append(record(chains, min(step, left), axes, n_threads))
            line.done(n_sweeps + chains.n_sweeps_done)
    traces = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return chains.visible_bits, traces, met


def _alone(rbm: RBM, examples: BitMatrix, weight: np.ndarray | None) -> float:
    """The mean log-likelihood of units, or columns, that know nothing of each other, with the means of the data; of
    real columns also with their variances."""
    units = examples.to_units()
    means, n = np.average(units, axis=0, weights=weight), len(examples) if weight is None else float(weight.sum())
    if rbm.visible.layout is not None:
        layer = sites.of_model(rbm)
        alone = coded.independent(means, n, layer)
        return alone + coded.independent_reals(rbm, units[:, layer.real[layer.column]], weight)
    smooth = (means * n + 0.5) / (n + 1)
    return float((means * np.log(smooth) + (1 - means) * np.log1p(-smooth)).sum())


def _score(page: Page, score: Score, reported: list[str], rbm: RBM, examples: BitMatrix, alone: float) -> None:
    means = examples.to_units().mean(axis=0)
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
    page.table({
        "mean log-likelihood": f"{nats(score.mean)} nats per example",
        "by the uncertainty of log Z": "none: log Z is exact" if exact else interval(score.lower, score.upper),
        "standard error, data": "one example has none" if not math.isfinite(score.standard_error)
        else f"{score.standard_error:.2f} nats, from the spread of the examples",
        "standard error, log Z": "none: log Z is exact" if exact else f"{score.log_z_error:.2g} nats",
        "log Z": f"{nats(z.value)} nats, {z.method}" + ("" if exact else f", {interval(z.lower, z.upper)}"),
        f"independent {words}": f"{nats(alone)} nats per example",
    })  # fmt: skip
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
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _absent(means: np.ndarray, layer: sites.Sites) -> int:
    """How many categories no example has."""
    return int(((means == 0) & layer.categorical[layer.column]).sum())


def _model(page: Page, rbm: RBM, examples: BitMatrix, samples: BitMatrix, shape, name: str, n_threads) -> None:
    layered = rbm.visible.layout is not None
    matrix = zero_sum(rbm.weights, sites.of_model(rbm)) if layered else rbm.weights.astype(np.float64)
    norms = np.linalg.norm(matrix, axis=0)
    activity = _activity(rbm, examples, n_threads)
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
    if layered:
        coded.weights(page, rbm, shape, activity, _activity(rbm, samples, n_threads))
        return
    more, less = coded.pulls(rbm)
    shown = min(grids.PICTURES, rbm.n_hidden)
    fig, ax = figure(7.5, 6.5)
    grids.filters(rbm, shape, grids.PICTURES, ax=ax)
    meaning = (
        f"What a hidden unit looks for: visible units that its red weights join make it {more}, blue ones {less}. "
        "Pictures of pure noise are units that have learned nothing yet."
    )
    page.pictures((fig, f"Weights of the {shown:,} hidden units of largest norms, as pictures", meaning))


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


def _inputs(page: Page, rbm: RBM, examples: BitMatrix, sample_weight) -> None:
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


def _activity(rbm: RBM, states: BitMatrix, n_threads) -> np.ndarray:
    """How often each hidden unit is on, given some of these states; of real units, their means."""
    means = rbm.mean_hidden(_some(states, _ACTIVITY_EXAMPLES), n_threads).mean(axis=0, dtype=np.float64)
    return (means - rbm.hidden.off) / rbm.hidden.step


def _some(states: BitMatrix, most: int) -> BitMatrix:
    """At most so many states, from all over them."""
    return states[np.linspace(0, len(states) - 1, min(len(states), most)).astype(np.intp)]


def _samples(
    page: Page, rbm: RBM, examples: BitMatrix, samples: BitMatrix, shape, n_sweeps: int, sample_weight
) -> None:
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
        pictures += coded.samples(page, rbm, examples, drawn, samples, shape, sample_weight)
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
    fig, ax = figure()
    charts.energies(rbm, examples, samples, ax=ax)
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
    charts.principal_axes(examples, samples, ax=ax, rbm=rbm if layered else None)
    meaning = (
        "The two directions along which the data vary most. Samples should lie where data do, and as densely: groups "
        "without samples are modes that the model lacks, or that its chains do not reach."
    )
    pictures.append((fig, "Data and samples as points on the data's first two principal axes", meaning))
    page.pictures(*pictures)


def _mixing(page: Page, traces: dict[str, np.ndarray], found: Summary, met: Meeting) -> None:
    page.heading("How the chains move")
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
    fig, ax = figure()
    charts.autocorrelation(traces[found.worst], ax=ax)
    n_sweeps = len(traces[found.worst])
    meaning = (
        f"Of the trace {found.worst}, whose R-hat is the worst, over {n_sweeps:,} sweeps. 0: the past is forgotten."
    )
    page.pictures((fig, f"Autocorrelation of {found.worst} against lag", meaning))


def _training(page: Page, history: History, rbm: RBM) -> None:
    last = history.last
    page.table({history.about(name).label: f"{x:.6g}" for name, x in last.items() if not math.isnan(x)})
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
