"""Logos: weights of hidden units over sites, as stacks of letters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from . import sites as layout
from .common import LINES, axes_of
from .names import head, hidden_units, indices, short, site_ticks
from .weights import category_weights, read

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..rbm import RBM

_ROWS = 5  # hidden units, where n and hidden are not given
SITES = 80  # more letters in a row are too narrow to read
_BAR, _GRAY = "#56B4E9", "0.68"

# Colors of amino acids, by what their side chains are like
_CLASSES = {
    "negative": ("DE", "#D55E00"), "positive": ("KRH", "#0072B2"), "polar": ("STNQ", "#009E73"),
    "aromatic": ("FWY", "#E69F00"), "hydrophobic": ("AVLIM", "0.1"), "C, G, P": ("CGP", "#CC79A7"),
}  # fmt: skip
_BASES = {"A": "#009E73", "C": "#0072B2", "G": "#E69F00", "T": "#D55E00", "U": "#D55E00"}
_GAPS = "-.~"
_OTHER_ACIDS, _OTHER_BASES = "XBZJUO*?", "NX?"  # what sequences may have beside the twenty acids, and beside bases


def logos(rbm: RBM, hidden=None, alphabet=None, n: int | None = None, columns=None, *, ax: Axes | None = None) -> Axes:
    """Draw the weights of hidden units over sites as stacks of letters.

    Each hidden unit has a row, all on one scale. At each site, a letter is as high as the weight of its category is
    large, above the axis where it is positive and below where it is negative, the largest at the outside. Weights are
    drawn in the zero-sum gauge: at each site, the mean over the categories is subtracted, which does not change the
    model. A Bernoulli unit, a spin or a real unit is a bar without a letter, as high as its weight.

    Parameters
    ----------
    rbm : RBM
        With at least one segment of categorical units whose categories are single letters: those of alphabet or of
        ``rbm.visible_categories``, or digits. Without, :func:`category_weights` draws bars in its place.
    hidden : int or sequence of ints, optional
        Hidden units to show, in this order. By default the n of the largest Euclidean norms (in the zero-sum gauge).
    alphabet : str or sequence of labels, or Alphabet, optional
        Of the categories in the order of their codes, such as ``"ACDEFGHIKLMNPQRSTVWY-"``, or a name of
        :class:`fastrbm.datasets.Alphabet`, such as ``"protein"``.
    n : int, optional
        Without hidden: how many to show, 5, or as many as there are.
    columns : sequence of ints, optional
        Columns of the data to show, in this order. By default all; of more than 80, the 80 of the largest norms.
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes
        Letters of amino acids are colored by class, those of bases and others one by one; gaps are gray.

    Raises
    ------
    TypeError, ValueError
        Where an argument is of the wrong kind, or alphabet has not one label for each category.
    ImportError
        Without matplotlib.

    Examples
    --------
    Without categorical units these are bars:

    >>> import matplotlib; matplotlib.use("Agg")
    >>> import fastrbm as fr, fastrbm.plot
    >>> ax = fr.plot.logos(fr.RBM([[1.0, 0.1], [-2.0, 0.3]]), hidden=0)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['column 1', 'column 0']
    """
    sites, weights, names, labels = read(rbm, alphabet)
    if not are_letters(sites, labels):
        return category_weights(rbm, hidden, alphabet, ax=ax)
    shown = hidden_units(weights, hidden, n, _ROWS)
    columns = _columns(sites, weights[:, shown], columns)
    some = sites.take(columns)
    units = np.concatenate([np.arange(sites.starts[i], sites.starts[i] + sites.sizes[i]) for i in columns])
    values = weights[units][:, shown]
    letters = [label for i in columns for label in (labels[i] if sites.categorical[i] else ("",))]
    palette, legend = _colors(sorted({label for row in labels for label in row if len(label) == 1}))
    ax = axes_of(ax, size(len(columns), len(shown)))
    pitch, up, down = _draw_letters(ax, values, some, letters, palette)
    _rows(ax, weights, shown, pitch, up, down)
    site_ticks(ax, [names[i] for i in columns])
    if legend is None:
        legend = {letter: palette[letter] for letter in palette if letter in letters and letter not in _GAPS}
    if set(letters) & set(_GAPS):
        legend["gap"] = _GRAY
    if "" in letters:
        legend[_without_letters(some)] = _BAR
    _legend(ax, legend)
    all_of_them = "" if len(columns) == sites.n_columns else f" ({len(columns):,} of {sites.n_columns:,})"
    ax.set_xlabel(f"site{all_of_them}")
    ax.set_ylabel("weight (nats)")
    ax.set_title("Weights of hidden units")
    return ax


def stacks(values: np.ndarray, sizes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """(bottoms, heights), each (V,), of one letter for each value: at each site, positive values upward from 0 and
    negative ones downward, small ones first."""
    heights = np.abs(np.asarray(values, np.float64))
    bottoms = np.empty_like(heights)
    start = 0
    for q in sizes:
        site = slice(start, start + q)
        size, positive = heights[site], values[site] > 0
        order = np.argsort(size, kind="stable")
        for sign in (positive, ~positive):
            own = order[sign[order]]
            ends = np.cumsum(size[own])
            bottoms[start + own] = ends - size[own] if sign is positive else -ends
        start += q
    return bottoms, heights


def size(n_sites: int, n_rows: int) -> tuple[float, float]:
    """Inches of a figure in which a logo of so many sites and hidden units can be read."""
    return min(max(0.24 * n_sites + 2.0, 5.0), 16.0), min(1.3 * n_rows + 1.0, 16.0)


def are_letters(sites: layout.Sites, labels: Sequence[Sequence[str]]) -> bool:
    """Whether there are categories, and all of them are single letters."""
    own = [label for row, there in zip(labels, sites.categorical, strict=True) if there for label in row]
    return bool(own) and all(len(label) == 1 for label in own)


def _columns(sites: layout.Sites, weights: np.ndarray, columns: Any) -> np.ndarray:
    """The columns to show."""
    if columns is not None:
        return np.array(indices(columns, "columns", sites.n_columns, "columns of the data"))
    if sites.n_columns <= SITES:
        return np.arange(sites.n_columns)
    norms = np.add.reduceat((weights**2).sum(axis=1), sites.starts)
    return np.sort(np.argsort(-norms, kind="stable")[:SITES])


def _colors(letters: Sequence[str]) -> tuple[dict[str, str], dict[str, str] | None]:
    """The color of each letter, and the legend where colors are of classes."""
    palette = dict.fromkeys(letters, _GRAY)
    own = {letter: letter.upper() for letter in letters if letter not in _GAPS}
    acids = {letter: color for members, color in _CLASSES.values() for letter in members}
    bases, twenty = (set(own.values()) - set(others) for others in (_OTHER_BASES, _OTHER_ACIDS))
    if set("ACG") <= bases <= set(_BASES):
        return palette | {letter: _BASES.get(up, _GRAY) for letter, up in own.items()}, None
    if len(twenty) >= 15 and twenty <= set(acids):
        legend = {name: color for name, (_, color) in _CLASSES.items()}
        return palette | {letter: acids.get(up, _GRAY) for letter, up in own.items()}, legend
    return palette | {letter: LINES[k % len(LINES)] for k, letter in enumerate(own)}, None


@lru_cache(maxsize=512)
def _glyph(letter: str):
    """The outline of a letter, as high as 1, and as wide as 1 where it is not a narrow one; centered at x = 0. Where it
    has none (a space, or no letter), a box."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.path import Path
    from matplotlib.textpath import TextPath

    if letter.strip() and letter not in _GAPS:
        bold = FontProperties(family="DejaVu Sans", weight="bold")
        outline = TextPath((0, 0), letter.replace("$", r"\$"), size=100, prop=bold)
        vertices = np.array(outline.vertices)
        box = outline.get_extents() if len(vertices) else None  # not of vertices: those of closing strokes are (0, 0)
        if box is not None and box.width > 0 and box.height > 0:
            low, high = box.get_points()
            wide = max(high[0] - low[0], 55.0)  # of an E; an I is not drawn out to that
            vertices -= ((low[0] + high[0]) / 2, low[1])
            return Path(vertices / (wide, high[1] - low[1]), outline.codes)
    return Path([(-0.5, 0), (0.5, 0), (0.5, 1), (-0.5, 1), (-0.5, 0)], closed=True)


def _draw_letters(ax: Axes, values: np.ndarray, sites: layout.Sites, letters, palette) -> tuple[float, float, float]:
    """Draw a row of stacks for each column of values; how far rows are apart, and how far they reach up and down."""
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path

    drawn = [stacks(column, sites.sizes) for column in values.T]
    up = max(float((bottom + height).max()) for bottom, height in drawn)
    down = max(float(-bottom.min()) for bottom, _ in drawn)
    if up + down == 0:
        up = down = 1.0
    up, down = max(up, 0.05 * down), max(down, 0.05 * up)
    pitch = 1.22 * (up + down)
    paths, colors = [], []
    for k, (bottoms, heights) in enumerate(drawn):
        ax.axhline(-k * pitch, color="0.5", linewidth=0.6, zorder=0)
        for u in np.flatnonzero(heights > 0):
            glyph = _glyph(letters[u])
            place = np.array([sites.column[u], bottoms[u] - k * pitch])
            paths.append(Path(glyph.vertices * (0.92, heights[u]) + place, glyph.codes))
            colors.append(palette[letters[u]] if letters[u] else _BAR)
    ax.add_collection(PathCollection(paths, facecolors=colors, linewidths=0), autolim=False)
    return pitch, up, down


def _rows(ax: Axes, weights: np.ndarray, shown: Sequence[int], pitch: float, up: float, down: float) -> None:
    """The scale of each row, and which hidden unit it is."""
    step = _nice(max(up, down))
    ticks, words = [], []
    for k, j in enumerate(shown):
        for tick in (step, 0.0, -step):
            if -down <= tick <= up:
                ticks.append(tick - k * pitch)
                words.append(f"{tick:g}".replace("-", "\N{MINUS SIGN}"))
        ax.annotate(head(weights, j), (0, up - k * pitch), (4, 1), ("axes fraction", "data"), "offset points",
                    va="bottom", fontsize="small")  # fmt: skip
    ax.set_yticks(ticks, words, fontsize="small")
    ax.set_ylim(-(len(shown) - 1) * pitch - down - 0.03 * pitch, up + 0.17 * pitch)


def _without_letters(sites: layout.Sites) -> str:
    """What the columns without letters have."""
    real, two = sites.real.any(), bool((~sites.real & ~sites.categorical).any())
    return " or ".join(["bit or spin"] * two + ["real unit"] * bool(real))


def _legend(ax: Axes, colors: dict[str, str]) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=color, label=short(name)) for name, color in colors.items()]
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize="small",
              handlelength=1.0)  # fmt: skip


def _nice(top: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is at most 0.8 top."""
    power = 10.0 ** math.floor(math.log10(0.8 * top))
    return next(k * power for k in (5, 2, 1) if k * power <= 0.8 * top * (1 + 1e-9))
