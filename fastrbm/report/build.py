"""The report: what is computed for it, and the order of its sections."""

from __future__ import annotations

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
from ..diagnostics.summary import summary
from ..diagnostics.tracing import N_AXES, record
from ..likelihood.score import score as likelihood_score
from ..plot.common import need_matplotlib
from ..plot.grids import checked_shape
from ..sampling.annealing import population_annealing
from ..sampling.chains import Chains
from ..sampling.model import model
from ..training.history import History
from ..training.record import in_a_sentence, last_row
from ..training.variance import visible_size
from . import coded, sections
from .page import Page
from .verdict import answers

if TYPE_CHECKING:
    from ..likelihood import Score
    from ..rbm import RBM
    from ..states.bits import BitMatrix

__all__ = ["report"]

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
        Weights of the examples, for the frequencies of categories and pairs of them, the moments of real columns, and
        the inputs of hidden units alone.
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
        score = likelihood_score(rbm, examples, **settings, progress=progress, n_threads=n_threads)
    reported = [str(warning.message) for warning in caught]
    samples, traces, met = _run_chains(rbm, examples, n_samples, n_sweeps, seed, progress, n_threads)
    found, alone = summary(traces), sections.alone(rbm, examples)
    page = Page(f"Report on {name}")
    about = f"On {data_name or 'data'}: {len(examples):,} examples."
    page.about(about + (f" Made {date}." if date else "") + f" fastrbm {__version__}.")
    trained = rbm.training_record
    if trained and (words := in_a_sentence(trained)):
        page.about(words)
    known = last_row(trained) if history is None else history
    page.answers(answers(score, alone, reported, found, met, known, visible_size(rbm)))
    activity = sections.activity(rbm, examples, n_threads)
    with style.context("default"):
        with page.sides():
            with page.side():
                sections.score(page, score, reported, rbm, alone)
            with page.side():
                sections.data(page, rbm, examples)
                sections.model(page, rbm, examples, name, activity, n_threads)
        if layered:
            coded.weights(page, rbm, shape, activity, sections.activity(rbm, samples, n_threads))
        else:
            sections.weights(page, rbm, shape)
        if rbm.hidden.real:
            sections.inputs(page, rbm, examples, sample_weight)
        sections.samples(page, rbm, examples, samples, shape, n_sweeps, sample_weight)
        sections.mixing(page, traces, found, met)
        if trained or history:
            sections.training(page, trained or {}, history, rbm)
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
