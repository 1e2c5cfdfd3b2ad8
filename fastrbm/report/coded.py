"""What a report shows of layers with categories: logos or bars of weights, statistics of sites, samples as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..plot import grids, statistics
from ..plot import sites as layout
from ..plot import weights as drawn
from ..plot.grids import checked_shape, default_shape
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
_SIDE = 8  # of the smallest picture whose pixels may have names


class Picture(NamedTuple):
    """The segment that is shown as pictures: its columns, and their shape."""

    columns: slice
    shape: tuple[int, int]


def picture_of(rbm: RBM, shape: Any) -> Picture | None:
    """The segment of two values that is a picture: by the user's shape, or by its size. Yes and no of a survey are
    none."""
    segment = layout.two_valued(rbm.visible)
    if segment is None:
        if shape is not None:
            raise ValueError("shape is for pictures of units of two values, of which the model has none")
        return None
    columns = segment[0]
    n = columns.stop - columns.start
    if shape is not None:
        return Picture(columns, checked_shape(shape, n) or (1, n))
    found = default_shape(n)
    if found is None or found[0] < (4 if rbm.visible_names is None else _SIDE):
        return None
    return Picture(columns, found)


def independent(means: np.ndarray, n: int, sites: layout.Sites) -> float:
    """The mean log-likelihood of columns that know nothing of each other, each with its frequencies in n examples: the
    means of the units. One more example counts, which has all values of a column alike."""
    sizes = np.repeat(np.where(sites.categorical, sites.sizes, 2), sites.sizes)
    on = means * np.log((means * n + 1.0 / sizes) / (n + 1.0))
    off = (1 - means) * np.log(((1 - means) * n + 1.0 / sizes) / (n + 1.0))
    return float(on.sum() + off[~np.repeat(sites.categorical, sites.sizes)].sum())


# ---------------------------------------------------------------- weights


def weights(page: Page, rbm: RBM, picture: Picture | None, activity: np.ndarray, in_samples: np.ndarray) -> None:
    """Pictures of the weights, and a table of the hidden units of the largest norms."""
    sites, labels = layout.of_model(rbm), layout.labels_of(rbm)
    matrix = drawn.zero_sum(rbm.weights, sites)
    norms = np.linalg.norm(matrix, axis=0)
    order = np.argsort(-norms, kind="stable")
    if picture is not None:
        fig, ax = figure(7.5, 6.5)
        grids.filters(rbm, picture.shape, grids.PICTURES, ax=ax)
        meaning = (
            "What a hidden unit looks for in the units of two values: red weights make it likelier to be on, blue ones "
            "less likely."
        )
        page.pictures((fig, "Weights of hidden units over the pictures", meaning))
    kept = _kept(rbm, picture)
    letters = drawn.are_letters(sites, [own if c else ("",) for own, c in zip(labels, sites.categorical, strict=True)])
    if letters and len(kept) >= _LOGO_SITES:
        n = min(_LOGOS, rbm.n_hidden)
        fig, ax = figure(*drawn.size(min(len(kept), drawn.SITES), n))
        drawn.logos(rbm, n=n, columns=None if picture is None else kept, ax=ax)
        meaning = (
            "Letters above the line make a hidden unit likelier to be on, letters below it less likely, by as many "
            "nats as they are high. At each site the weights sum to 0."
        )
        page.pictures((fig, f"Weights of the {n:,} hidden units of largest norms, as logos", meaning), wide=True)
    else:
        parts = []
        for first in range(0, min(_UNITS, rbm.n_hidden), 2):
            units = order[first : first + 2].tolist()
            fig, ax = figure(6.5, 0.8 + 0.26 * len(units) * (min(_BARS, len(matrix)) + 1.4))
            drawn.category_weights(rbm if picture is None else _without(rbm, kept), units, n=_BARS, ax=ax)
            meaning = "Red values make a hidden unit likelier to be on, blue ones less likely."
            meaning += "" if picture is None else " The norms are those of the weights of these columns alone."
            parts.append((fig, f"The largest weights of hidden units {', '.join(map(str, units))}", meaning))
        page.pictures(*parts)
    names = drawn.unit_names(sites, layout.names_of(rbm), _short_labels(labels, sites))
    rows = []
    for j in order[:_UNITS]:
        largest = np.argsort(-np.abs(matrix[:, j]), kind="stable")[:3]
        words = "; ".join(f"{names[u]} {matrix[u, j]:+.2f}" for u in largest)
        rows.append([str(j), f"{norms[j]:.3g}", f"{activity[j]:.1%}", f"{in_samples[j]:.1%}", words])
    page.text("The hidden units of the largest norms: how often they are on, and their largest weights.")
    page.grid(["hidden unit", "norm", "on in the data", "on in the samples", "largest weights (nats)"], rows)


def _kept(rbm: RBM, picture: Picture | None) -> list[int]:
    """The columns that are not those of the pictures."""
    n_columns = rbm.visible.n_columns
    return [i for i in range(n_columns) if picture is None or not picture.columns.start <= i < picture.columns.stop]


def _short_labels(labels: list[tuple[str, ...]], sites: layout.Sites) -> list[tuple[str, ...]]:
    """One label for each unit: of a column of two values, that of the higher one, where it is not 1."""
    return [
        own if c else ("",) if own[1] in ("1", "True") else (own[1],)
        for own, c in zip(labels, sites.categorical, strict=True)
    ]  # fmt: skip


class _Part(NamedTuple):
    """Some columns of a model, as far as pictures of weights ask for them."""

    weights: np.ndarray
    visible: Any
    visible_names: list[str]
    visible_categories: list[tuple[Any, ...]] | None


class _Layer(NamedTuple):
    segments: tuple[Any, ...]


def _without(rbm: RBM, kept: list[int]) -> Any:
    """The model without the segment that is shown as pictures."""
    sites = layout.of_model(rbm)
    away = layout.two_valued(rbm.visible)
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
) -> list[tuple[Any, str, str]]:  # fmt: skip
    """Samples beside data as text, and as pictures where there are any; returns the pictures of statistics."""
    kinds = (
        ("Samples of the model", states, "Samples unlike any of the data, or like few of them, show what is amiss."),
        ("Data", some, f"{len(some):,} of {len(examples):,} examples, from all over them, to compare with."),
    )
    if picture is not None:
        parts = []
        for title, given, meaning in kinds:
            fig, ax = figure()
            shown = given[: grids.PICTURES].to_states()
            grids.samples(shown[:, picture.columns], picture.shape, grids.PICTURES, ax=ax).set_title(title)
            parts.append((fig, f"{title}: {len(shown):,} states, as pictures", meaning))
        page.pictures(*parts)
    page.texts(*((title, *_text(rbm, given, picture), meaning) for title, given, meaning in kinds))
    fig, ax = figure()
    statistics.site_frequencies(examples, states, rbm, sample_weight=sample_weight, ax=ax)
    title = ax.get_title()
    meaning = (
        "How often each category is there, in samples and data. Points off the line are categories that are drawn too "
        "often or too rarely; the band is what chance explains."
    )
    parts = [(fig, title, meaning)]
    if rbm.visible.n_columns > 1:
        fig, ax = figure()
        statistics.pair_correlations(examples, states, rbm, sample_weight=sample_weight, ax=ax)
        meaning = (
            "What pairs of categories at two sites have in common beyond their frequencies, in samples and data. A "
            "slope below 1 says that the model has learned a part of it; few samples or examples scatter the points."
        )
        parts.append((fig, ax.get_title(), meaning))
    return parts


def _text(rbm: RBM, given: BitMatrix, picture: Picture | None) -> tuple[list[str] | None, list[str], list[list[str]]]:
    """(lines of letters or None, names of columns, rows of labels) of the first states."""
    labels, names = layout.labels_of(rbm), layout.names_of(rbm)
    kept = _kept(rbm, picture)
    if picture is not None and len(kept) == 1:  # the label of each picture, in their places
        values = given[: grids.PICTURES].to_states()[:, kept[0]]
        words = [labels[kept[0]][value] for value in values]
        return None, [names[kept[0]]] + [""] * 7, [words[k : k + 8] for k in range(0, len(words), 8)]
    parts = given[:_ROWS].to_states()
    if all(len(label) == 1 for i in kept for label in labels[i]) and len(kept) > 1 and rbm.visible_names is None:
        more = "..." if len(kept) > _LETTERS else ""
        return ["".join(labels[i][row[i]] for i in kept[:_LETTERS]) + more for row in parts], [], []
    head = [names[i] for i in kept[:_COLUMNS]] + ["..."] * (len(kept) > _COLUMNS)
    rows = [[labels[i][row[i]] for i in kept[:_COLUMNS]] + ["..."] * (len(kept) > _COLUMNS) for row in parts]
    return None, head, rows
