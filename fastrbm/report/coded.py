"""What a report shows of layers with categories or real columns: logos or bars of weights, statistics of columns,
samples as text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._core import floatmath
from .._core.display import number
from ..plot import charts, columns, grids, letters, statistics
from ..plot import sites as layout
from ..plot import weights as drawn
from ..plot.grids import NAMED, checked_shape, default_shape
from .page import Page, figure

if TYPE_CHECKING:
    from ..rbm import RBM
    from ..states.bits import BitMatrix

_ROWS = 12  # examples as text
_COLUMNS = 10  # of a table of labels
_LETTERS = 400  # of a sequence
_UNITS = 8  # hidden units of a table, and of bars
_LOGOS = 6  # hidden units of a logo
_LOGO_SITES = 5  # fewer have bars
_BARS = 8  # a hidden unit
_HISTOGRAMS = 6  # real columns
MOMENTS = "means", "standard deviations"


class Picture(NamedTuple):
    """The segment that is shown as pictures: its columns, their shape, and whether they are real."""

    columns: slice
    shape: tuple[int, int]
    real: bool = False


def picture_of(rbm: RBM, shape: Any) -> Picture | None:
    """The segment of two values, or of real ones, that is a picture: by the user's shape, or by its size. Yes and no of
    a survey are none."""
    segment = layout.pictured(rbm.visible)
    if segment is None:
        if shape is not None:
            raise ValueError("shape is for pictures of units of two values or real ones, of which the model has none")
        return None
    columns = segment[0]
    n, real = columns.stop - columns.start, bool(layout.of_model(rbm).real[columns.start])
    if shape is not None:
        return Picture(columns, checked_shape(shape, n) or (1, n), real)
    found = default_shape(n, 4 if rbm.visible_names is None and not real else NAMED)
    return None if found is None else Picture(columns, found, real)


def independent(units: np.ndarray, sites: layout.Sites, weight: np.ndarray | None = None) -> np.ndarray:
    """The log-likelihood of each example, (n,), whose units these are, (n, units), under columns that know nothing of
    each other, each with its frequencies in these examples, by weight. One more example counts, which has all values of
    a column alike."""
    means, n = np.average(units, axis=0, weights=weight), len(units) if weight is None else float(weight.sum())
    sizes = np.repeat(np.where(sites.categorical, sites.sizes, 2), sites.sizes)
    discrete, single = (~np.repeat(kind, sites.sizes) for kind in (sites.real, sites.real | sites.categorical))
    p = np.where(discrete, means, 0.5)
    on, off = (np.log((part * n + 1.0 / sizes) / (n + 1.0)) for part in (p, 1 - p))
    both = np.einsum("ij,j->i", units[:, discrete], on[discrete])
    return both + np.einsum("ij,j->i", 1.0 - units[:, single], off[single])


def independent_reals(rbm: RBM, values: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """The same of real columns, in units' values (n, columns): each normal, with its mean and variance. The variance is
    at least that of the model's unit given hidden units: the density of a column that hardly varies has no bound, and
    says nothing of how columns depend on each other. The density is per unit of the data."""
    widths = np.square(rbm.visible.sides()[2:4].max(axis=0))  # 1 / gamma, 0 of units that are not real
    if values.shape[1] == 0:
        return np.zeros(len(values))
    mean = np.average(values, axis=0, weights=weight)
    wide = np.maximum(np.average((values - mean) ** 2, axis=0, weights=weight), widths[widths > 0])
    each = np.log(2.0 * np.pi * wide) + np.square(values - mean) / wide
    return -0.5 * each.sum(axis=1) - floatmath.total(rbm.visible.log_scales)


def knowledge(rbm: RBM) -> str:
    """What columns by themselves know of the data."""
    real = layout.of_model(rbm).real
    words = ["frequencies"] * bool((~real).any()) + ["mean and variance"] * bool(real.any())
    return " or ".join(words)


def pulls(rbm: RBM) -> tuple[str, str]:
    """What positive weights make a hidden unit where their visible units are on, and negative ones."""
    return ("larger", "smaller") if rbm.hidden.real else ("likelier to be on", "less likely")


def real_moments(rbm: RBM, states: BitMatrix, weight: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """(means, standard deviations) of the real columns, in the data's units."""
    return columns.moments(columns.real_values(rbm, states), None if weight is None else weight / weight.sum())


# ---------------------------------------------------------------- weights


def weights(page: Page, rbm: RBM, picture: Picture | None, activity: np.ndarray, in_samples: np.ndarray) -> None:
    """Pictures of the weights, and a table of the hidden units of the largest norms."""
    sites, labels = layout.of_model(rbm), layout.labels_of(rbm)
    more, less = pulls(rbm)
    matrix = drawn.zero_sum(rbm.weights, sites)
    norms = np.linalg.norm(matrix, axis=0)
    order = np.argsort(-norms, kind="stable")
    if picture is not None:
        fig, ax = figure(7.5, 6.5)
        grids.filters(rbm, picture.shape, grids.PICTURES, ax=ax)
        meaning = (
            f"What a hidden unit looks for in the {'real units' if picture.real else 'units of two values'}: red "
            f"weights make it {more}, blue ones {less}."
        )
        page.pictures((fig, "Weights of hidden units over the pictures", meaning), spectrum(rbm))
    kept = _kept(rbm, picture)
    known = [own if c else ("",) for own, c in zip(labels, sites.categorical, strict=True)]
    if letters.are_letters(sites, known) and len(kept) >= _LOGO_SITES:
        n = min(_LOGOS, rbm.n_hidden)
        fig, ax = figure(*letters.size(min(len(kept), letters.SITES), n))
        letters.logos(rbm, n=n, columns=None if picture is None else kept, ax=ax)
        meaning = (
            f"Letters above the line make a hidden unit {more}, letters below it {less}: they change its input by as "
            "many nats as they are high. At each site the weights sum to 0."
        )
        page.pictures((fig, f"Weights of the {n:,} hidden units of largest norms, as logos", meaning), wide=True)
    elif kept:
        parts = []
        for first in range(0, min(_UNITS, rbm.n_hidden), 2):
            units = order[first : first + 2].tolist()
            fig, ax = figure(6.5, 0.8 + 0.26 * len(units) * (min(_BARS, len(matrix)) + 1.4))
            drawn.category_weights(rbm if picture is None else _without(rbm, kept), units, n=_BARS, ax=ax)
            meaning = f"Red values make a hidden unit {more}, blue ones {less}."
            meaning += "" if picture is None else " The norms are those of the weights of these columns alone."
            parts.append((fig, f"The largest weights of hidden units {', '.join(map(str, units))}", meaning))
        page.pictures(*parts)
    names = drawn.unit_names(sites, layout.names_of(rbm), _short_labels(labels, sites))
    rows = []
    for j in order[:_UNITS]:
        largest = np.argsort(-np.abs(matrix[:, j]), kind="stable")[:3]
        words = "; ".join(f"{names[u]} {matrix[u, j]:+.2f}" for u in largest)
        both = [f"{x[j]:.3g}" if rbm.hidden.real else f"{x[j]:.1%}" for x in (activity, in_samples)]
        rows.append([str(j), f"{norms[j]:.3g}", *both, words])
    what, head = ("their means", "mean") if rbm.hidden.real else ("how often they are on", "on")
    page.text(f"The hidden units of the largest norms: {what}, and their largest weights.")
    page.grid(["hidden unit", "norm", f"{head} in the data", f"{head} in the samples", "largest weights (nats)"], rows)


def spectrum(rbm: RBM) -> tuple[Any, str, str]:
    """A picture of the singular values of the weights, what is seen on it and what that means."""
    fig, ax = figure(7.5, 6.5)
    charts.spectrum(rbm, ax=ax)
    meaning = (
        "How many directions of the data the model has found: the singular values that stand out above the others. "
        "Those of a random start lie close together."
    )
    return fig, "Singular values of the weights, largest first", meaning


def _kept(rbm: RBM, picture: Picture | None) -> list[int]:
    """The columns that are not those of the pictures."""
    n_columns = rbm.visible.n_columns
    return [i for i in range(n_columns) if picture is None or not picture.columns.start <= i < picture.columns.stop]


def _short_labels(labels: list[tuple[str, ...]], sites: layout.Sites) -> list[tuple[str, ...]]:
    """One label for each unit: of a column of two values, that of the higher one, where it is not 1."""
    return [
        own if c else ("",) if not own or own[1] in ("1", "True") else (own[1],)
        for own, c in zip(labels, sites.categorical, strict=True)
    ]  # fmt: skip


class _Part(NamedTuple):
    """Some columns of a model, as far as pictures of weights ask for them."""

    weights: np.ndarray
    visible: Any
    visible_names: list[str]
    visible_categories: list[tuple[Any, ...] | None] | None


class _Layer(NamedTuple):
    segments: tuple[Any, ...]


def _without(rbm: RBM, kept: list[int]) -> Any:
    """The model without the segment that is shown as pictures."""
    sites = layout.of_model(rbm)
    away = layout.pictured(rbm.visible)
    column, segments = 0, []
    for segment in rbm.visible.segments:
        if away is None or column != away[0].start:
            segments.append(segment)
        column += segment.n_columns
    names, known = layout.names_of(rbm), rbm.visible_categories
    return _Part(
        rbm.weights[np.isin(sites.column, kept)], _Layer(tuple(segments)), [names[i] for i in kept],
        None if known is None else [known[i] for i in kept],
    )  # fmt: skip


# ---------------------------------------------------------------- samples


def samples(
    page: Page, rbm: RBM, examples: BitMatrix, some: BitMatrix, states: BitMatrix, picture: Picture | None,
    sample_weight: Any,
) -> None:  # fmt: skip
    """Samples beside data as text, and as pictures where there are any; distributions of real columns."""
    kinds = (
        ("Samples of the model", states, "Samples unlike any of the data, or like few of them, show what is amiss."),
        ("Data", some, f"{len(some):,} of {len(examples):,} examples, from all over them, to compare with."),
    )
    if picture is not None:
        parts = []
        limits = _limits(rbm.visible.values(some.to_states())[:, picture.columns]) if picture.real else None
        for title, given, meaning in kinds:
            fig, ax = figure()
            shown = given[: grids.PICTURES].to_states()
            shown = rbm.visible.values(shown) if picture.real else shown
            grids.samples(
                shown[:, picture.columns], picture.shape, grids.PICTURES, ax=ax, limits=limits
            ).set_title(title)  # fmt: skip
            parts.append((fig, f"{title}: {len(shown):,} states, as pictures", meaning))
        page.pictures(*parts)
    if _kept(rbm, picture):
        page.texts(*((title, *_text(rbm, given, picture), meaning) for title, given, meaning in kinds))
    if layout.of_model(rbm).real.any():
        _reals(page, rbm, examples, states, layout.of_model(rbm), sample_weight)


def moments(rbm: RBM, examples: BitMatrix, states: BitMatrix, sample_weight: Any) -> list[tuple[Any, str, str]]:
    """Pictures of the statistics of samples against those of data: of columns, and of pairs."""
    parts, sites = [], layout.of_model(rbm)
    if sites.real.any():
        fig, ax = figure()
        columns.column_moments(examples, states, rbm, sample_weight, ax=ax)
        meaning = (
            "How far samples are from data in the mean and in the standard deviation of each real column. A column "
            "that the model has right is where the lines cross; the box is what chance explains."
        )
        parts.append((fig, ax.get_title(), meaning))
    if not sites.real.all():
        fig, ax = figure()
        statistics.site_frequencies(examples, states, rbm, sample_weight=sample_weight, ax=ax)
        what = "category is there" if sites.categorical.any() else "unit is 1"
        meaning = (
            f"How often each {what}, in samples and data. Points off the line are drawn too often or too rarely; the "
            "band is what chance explains."
        )
        parts.append((fig, ax.get_title(), meaning))
    if rbm.visible.n_columns > 1:
        fig, ax = figure()
        statistics.pair_correlations(examples, states, rbm, sample_weight=sample_weight, ax=ax)
        what = (
            "How pairs of columns vary together, in samples and data, each column in multiples of its scale."
            if sites.real.all()
            else "What pairs of categories at two sites have in common beyond their frequencies, in samples and data."
            if sites.categorical.any()
            else "What pairs of units have in common beyond their frequencies, in samples and data."
        )
        meaning = (
            f"{what} A slope below 1 says that the model has learned a part of it; few samples or examples scatter the "
            "points."
        )
        parts.append((fig, ax.get_title(), meaning))
    return parts


def _limits(values: np.ndarray) -> tuple[float, float]:
    """What is white and what is black in pictures like these of the data."""
    low, high = (float(x) for x in np.quantile(values, (0.01, 0.99)))
    if low == high:
        return low - 0.5, high + 0.5
    step = 10.0 ** math.floor(math.log10(high - low)) / 100.0  # numbers for readers
    return math.floor(low / step + 0.5) * step, math.floor(high / step + 0.5) * step


def _reals(
    page: Page, rbm: RBM, examples: BitMatrix, states: BitMatrix, sites: layout.Sites, sample_weight: Any
) -> None:
    """Distributions of real columns, and a table of their means and standard deviations."""
    n = min(_HISTOGRAMS, int(sites.real.sum()))
    fig, ax = figure(11.0, 6.0 if n > 3 else 3.5)
    columns.marginals(examples, states, n=n, rbm=rbm, sample_weight=sample_weight, ax=ax)
    meaning = (
        "The columns in which samples are farthest from data: the distance is the largest difference of their "
        "cumulative distributions."
    )
    page.pictures((fig, f"Histograms of {n:,} real columns in data and samples", meaning), wide=True)
    names = [name for name, real in zip(layout.names_of(rbm), sites.real, strict=True) if real]
    table = [*real_moments(rbm, examples, sample_weight), *real_moments(rbm, states)]
    rows = [[name, *(number(x[i]) for x in table)] for i, name in enumerate(names[:_COLUMNS])]
    if len(names) > _COLUMNS:
        page.text(f"The first {_COLUMNS} of {len(names):,} real columns:")
    head = ["mean", "standard deviation"]
    page.grid(["column", *(f"{word} in the {kind}" for kind in ("data", "samples") for word in head)], rows)


def _text(rbm: RBM, given: BitMatrix, picture: Picture | None) -> tuple[list[str] | None, list[str], list[list[str]]]:
    """(lines of letters or None, names of columns, rows of labels) of the first states."""
    labels, names = layout.labels_of(rbm), layout.names_of(rbm)
    kept, real = _kept(rbm, picture), layout.of_model(rbm).real
    if picture is not None and len(kept) == 1 and not real[kept[0]]:  # the label of each picture, in their places
        values = given[: grids.PICTURES].to_states()[:, kept[0]]
        words = [labels[kept[0]][value] for value in values]
        name = names[kept[0]] if rbm.visible_names else f"column {kept[0]}"
        return None, [name] + [""] * 7, [words[k : k + 8] for k in range(0, len(words), 8)]
    parts = given[:_ROWS].to_states()
    if (
        not real[kept].any()
        and all(len(label) == 1 for i in kept for label in labels[i])
        and len(kept) > 1
        and rbm.visible_names is None
    ):
        more = "..." if len(kept) > _LETTERS else ""
        return ["".join(labels[i][row[i]] for i in kept[:_LETTERS]) + more for row in parts], [], []
    head = [names[i] for i in kept[:_COLUMNS]] + ["..."] * (len(kept) > _COLUMNS)
    values = rbm.visible.values(parts)
    rows = [
        [number(values[k, i]) if real[i] else labels[i][row[i]] for i in kept[:_COLUMNS]]
        + ["..."] * (len(kept) > _COLUMNS)
        for k, row in enumerate(parts)
    ]  # fmt: skip
    return None, head, rows
