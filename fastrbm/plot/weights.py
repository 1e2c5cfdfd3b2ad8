"""Weights of hidden units by site and category: logos of letters, and bars with names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import arrays, validate
from ..datasets.alignments import ALPHABETS, Alphabet
from . import sites as layout
from .common import LINES, axes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..rbm import RBM

_ROWS = 5  # hidden units, where n and hidden are not given
SITES = 80  # more letters in a row are too narrow to read
_BARS = 10
_BLOCKS = 2  # hidden units with bars, where hidden is not given
_LONGEST = 40  # letters of a name
_POSITIVE, _NEGATIVE, _BAR, _GRAY = "#B2182B", "#2166AC", "#56B4E9", "0.68"

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
    sites, weights, names, labels = _read(rbm, alphabet)
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
    sites, weights, names, labels = _read(rbm, alphabet)
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


def unit_names(sites: layout.Sites, names: Sequence[str], labels: Sequence[Sequence[str]]) -> list[str]:
    """What each visible unit is called: column = category, or the column alone where it has one unit."""
    result = []
    for kind, name, own in zip(sites.kinds, names, labels, strict=True):
        name = shortened(name if not name.isdigit() else f"column {name}")
        result += (
            [f"{name} = {shortened(label)}" for label in own] if kind == layout.CATEGORICAL or own != ("",) else [name]
        )
    return result


def _read(rbm: Any, alphabet: Any):
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


def hidden_units(weights: np.ndarray, hidden: Any, n: int | None, default: int) -> list[int]:
    """The hidden units to show."""
    there = weights.shape[1]
    if hidden is None:
        n = default if n is None else validate.integer(n, "n", 1)
        return np.argsort(-np.linalg.norm(weights, axis=0), kind="stable")[:n].tolist()
    return indices(hidden, "hidden", there, "hidden units")


def indices(value: Any, name: str, there: int, what: str) -> list[int]:
    if arrays.index(value) is not None:
        value = [value]
    if not isinstance(value, (Sequence, np.ndarray, range)) or isinstance(value, str):
        raise TypeError(f"{name} must be an integer or a sequence of integers, not {validate.kind(value)}")
    result = [validate.integer(i, f"{name}[{k}]", 0) for k, i in enumerate(value)]
    if not result or max(result) >= there:
        got = f"{max(result)} where there are {there:,}, from 0" if result else "none"
        raise ValueError(f"{name} must be numbers of {what}, got {got}")
    return result


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


def site_ticks(ax: Axes, names: Sequence[str]) -> None:
    """Names at the places 0, 1, ... of x."""
    n = len(names)
    if [str(i) for i in range(n)] == list(names):
        ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    else:
        names = [short(name) for name in names]
        longest = max(map(len, names))
        upright = longest > 2 and n > 6 or n > 40 or n * longest > 60
        every = max(1, math.ceil(n / 100))
        ax.set_xticks(range(0, n, every), names[::every], rotation=90 if upright else 0, fontsize="small")
    ax.set_xlim(-0.7, n - 0.3)


def _without_letters(sites: layout.Sites) -> str:
    """What the columns without letters have."""
    real, two = sites.real.any(), bool((~sites.real & ~sites.categorical).any())
    return " or ".join(["bit or spin"] * two + ["real unit"] * bool(real))


def _legend(ax: Axes, colors: dict[str, str]) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=color, label=short(name)) for name, color in colors.items()]
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize="small",
              handlelength=1.0)  # fmt: skip


def head(weights: np.ndarray, unit: int) -> str:
    """What a hidden unit is called, and the norm of its weights."""
    return f"hidden unit {unit}, norm {np.linalg.norm(weights[:, unit]):.3g}"


def _nice(top: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is at most 0.8 top."""
    power = 10.0 ** math.floor(math.log10(0.8 * top))
    return next(k * power for k in (5, 2, 1) if k * power <= 0.8 * top * (1 + 1e-9))


def short(name: str) -> str:
    """A name of bounded length, in which matplotlib sees no formula."""
    return escaped(shortened(name))


def shortened(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 3]}..."


def escaped(text: str) -> str:
    return text.replace("$", r"\$")
