"""Logos, bars of categories, and statistics of sites and pairs: what is drawn is what a direct count gives."""

from types import SimpleNamespace

import numpy as np
import pytest

import fastrbm as fr
from fastrbm import plot
from fastrbm.plot import letters, statistics, weights
from fastrbm.plot import sites as layout

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.collections import PathCollection, PolyCollection  # noqa: E402

RNG = np.random.default_rng(0)
PROTEIN = "ACDEFGHIKLMNPQRSTVWY-"


def sites_of(sizes):
    """Categorical sites, each with its number of categories."""
    return fr.units.Categorical(len(sizes), sizes)


def model(matrix, *segments, names=None, categories=None):
    visible = SimpleNamespace(segments=segments, n=sum(s.n for s in segments))
    return SimpleNamespace(
        weights=np.asarray(matrix, np.float32), visible=visible, visible_names=names, visible_categories=categories
    )


def mixed(hidden=3, **names):
    segments = fr.units.Bernoulli(2), sites_of((3, 3)), fr.units.Spin(1)
    return model(np.random.default_rng(1).normal(size=(9, hidden)), *segments, **names)


DNA = model(RNG.normal(size=(20, 7)), sites_of((5,) * 4))
WORDS = model(
    RNG.normal(size=(6, 3)), sites_of((3, 2)), fr.units.Bernoulli(1), names=("odor", "cap ($)", "ring"),
    categories=(("foul", "none", "x" * 60), ("flat", "bell"), None),
)  # fmt: skip
CODES = RNG.integers(0, 4, (300, 6)) * RNG.integers(0, 2, (300, 1))
DRAWS = RNG.integers(0, 4, (200, 6))
DIGITS = fr.datasets.load_digits()


@pytest.fixture(autouse=True)
def close():
    plt.close("all")  # what other tests left
    yield
    plt.close("all")


def some_of_the_columns(**options):
    """Where 300 are taken, not 3,000, whose pairs need a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "_UNITS", 300)
        return plot.pair_correlations(RNG.integers(0, 2, (5, 310)), RNG.integers(0, 2, (5, 310)), **options)


CALLS = {
    "logos": lambda **o: plot.logos(DNA, alphabet="ACGT-", **o),
    "logos, of proteins": lambda **o: plot.logos(model(np.eye(42, 2), sites_of((21, 21))), alphabet=PROTEIN, **o),
    "logos, codes are digits": lambda **o: plot.logos(DNA, hidden=[6, 0], **o),
    "logos, mixed": lambda **o: plot.logos(mixed(), alphabet="a$-", **o),
    "logos, one site": lambda **o: plot.logos(model([[1.0], [2.0]], sites_of((2,))), **o),
    "logos, one category": lambda **o: plot.logos(model([[1.0], [2.0]], sites_of((1, 1))), **o),
    "logos, all zero": lambda **o: plot.logos(model(np.zeros((6, 2)), sites_of((3, 3))), **o),
    "logos, none below the axis": lambda **o: plot.logos(
        model([[2.0], [1.0], [1.0]], fr.units.Bernoulli(1), sites_of((2,))), **o
    ),
    "logos, many sites": lambda **o: plot.logos(model(RNG.normal(size=(400, 2)), sites_of((2,) * 200)), **o),
    "logos, some sites": lambda **o: plot.logos(DNA, columns=[3, 1], **o),
    "logos, of words": lambda **o: plot.logos(WORDS, **o),
    "logos, of bits": lambda **o: plot.logos(fr.RBM(RNG.normal(size=(30, 3))), **o),
    "bars": lambda **o: plot.category_weights(WORDS, **o),
    "bars, of a protein": lambda **o: plot.category_weights(DNA, 2, "ACGT-", 4, **o),
    "bars, all zero": lambda **o: plot.category_weights(model(np.zeros((6, 2)), sites_of((3, 3))), **o),
    "bars, one": lambda **o: plot.category_weights(fr.RBM([[2.0]]), **o),
    "frequencies": lambda **o: plot.site_frequencies(CODES, DRAWS, sizes=4, **o),
    "frequencies, of bits": lambda **o: plot.site_frequencies(DIGITS, fr.BitMatrix.from_states(DIGITS[:9]), **o),
    "frequencies, constant": lambda **o: plot.site_frequencies([[0, 1]], [[0, 1]], **o),
    "frequencies, one category": lambda **o: plot.site_frequencies([[0], [0]], [[0]], sizes=1, **o),
    "frequencies, many": lambda **o: plot.site_frequencies(
        RNG.integers(0, 2, (20, 10_001)), RNG.integers(0, 2, (20, 10_001)), **o
    ),
    "pairs": lambda **o: plot.pair_correlations(CODES, DRAWS, sizes=4, **o),
    "pairs, many": lambda **o: plot.pair_correlations(
        RNG.integers(0, 8, (50, 20)), RNG.integers(0, 8, (50, 20)), sizes=8, **o
    ),
    "pairs, more columns than are taken": lambda **o: some_of_the_columns(**o),
    "pairs, constant": lambda **o: plot.pair_correlations(np.ones((3, 4)), np.ones((1, 4)), **o),
    "pairs, one category": lambda **o: plot.pair_correlations([[0, 0]], [[0, 0]], sizes=1, **o),
}  # fmt: skip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("call", CALLS)
def test_every_picture_is_labeled_and_can_be_drawn(call, tmp_path):
    ax = CALLS[call]()
    ax.figure.savefig(tmp_path / "picture.png", dpi=40)
    assert ax.get_title() and ax.get_xlabel() and ax.get_ylabel()
    words = " ".join(text.get_text() for text in ax.figure.findobj(matplotlib.text.Text))
    assert "nan" not in words.lower().split()


@pytest.mark.parametrize("call", CALLS)
def test_pictures_go_where_they_are_asked_to(call):
    figure, (left, right) = plt.subplots(1, 2)
    assert CALLS[call](ax=right) is right
    assert not left.has_data() and not left.get_xlabel()
    assert plt.get_fignums() == [figure.number]


# logos


def test_the_gauge_is_that_of_zero_sums():
    sites = layout.of_model(mixed())
    matrix = RNG.normal(size=(9, 4))
    gauged = weights.zero_sum(matrix, sites)
    assert np.array_equal(gauged[[0, 1, 8]], matrix[[0, 1, 8]])  # bits and spins have none
    for site in (slice(2, 5), slice(5, 8)):
        # sums of three float64 of order 1
        assert np.allclose(gauged[site].sum(axis=0), 0, atol=1e-14)
        assert np.allclose(np.diff(gauged[site], axis=0), np.diff(matrix[site], axis=0), atol=1e-14)
    assert np.array_equal(weights.zero_sum([[3.0], [4.0]], layout.of_sizes(1, 2)), np.zeros((2, 1)))


def test_stacks_have_the_largest_outside():
    bottoms, heights = letters.stacks(np.array([1.0, -2.0, 3.0, -0.5, 0.0, -1.0]), (5, 1))
    assert heights.tolist() == [1.0, 2.0, 3.0, 0.5, 0.0, 1.0]
    assert bottoms.tolist() == [0.0, -2.5, 1.0, -0.5, 0.0, -1.0]


def letters_of(ax):
    """(left, bottom, right, top) of each letter of a logo, and its color."""
    (collection,) = (c for c in ax.collections if isinstance(c, PathCollection))
    boxes = np.array([path.get_extents().extents for path in collection.get_paths()]).reshape(-1, 4)
    return boxes, collection.get_facecolors()


def test_letters_are_as_high_as_weights_are_large():
    ax = plot.logos(DNA, hidden=[4, 1], alphabet="ACGT-")
    boxes, colors = letters_of(ax)
    w = DNA.weights.astype(np.float64).reshape(4, 5, 7)
    w -= w.mean(axis=1, keepdims=True)
    expected = np.concatenate([w[:, :, 4].reshape(-1), w[:, :, 1].reshape(-1)])
    # outlines are float64; the weights are of order 1
    assert np.allclose(boxes[:, 3] - boxes[:, 1], np.abs(expected), atol=1e-12)
    assert np.allclose((boxes[:, 0] + boxes[:, 2]) / 2, np.tile(np.repeat(np.arange(4), 5), 2), atol=1e-12)
    assert (boxes[:, 2] - boxes[:, 0] < 1).all()  # no letter is in its neighbor's place
    zero = [line.get_ydata()[0] for line in ax.lines]
    rows = np.repeat(zero, 20)
    above = expected > 0
    assert (boxes[above, 1] > rows[above] - 1e-12).all() and (boxes[~above, 3] < rows[~above] + 1e-12).all()
    low, high = ax.get_ylim()
    assert low < boxes[:, 1].min() and boxes[:, 3].max() < high
    assert boxes[20:, 3].max() < boxes[:20, 1].min()  # rows are apart
    heads = [text.get_text() for text in ax.texts]
    norms = [np.linalg.norm(w[:, :, j]) for j in (4, 1)]
    assert heads == [f"hidden unit {j}, norm {norm:.3g}" for j, norm in zip((4, 1), norms, strict=True)]
    assert len({tuple(color) for color in colors}) == 5
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["A", "C", "G", "T", "gap"]


def test_hidden_units_of_the_largest_norms_are_shown():
    """The norm is that in the zero-sum gauge: a constant added to all categories of a site does not count."""
    matrix = np.zeros((6, 8))
    matrix[0] = [1, 5, 2, 0, 9, 3, 4, 6]
    matrix[3:, 3] = 100.0
    ax = plot.logos(model(matrix, sites_of((3, 3))), n=3)
    assert [text.get_text().split(",")[0] for text in ax.texts] == ["hidden unit 4", "hidden unit 7", "hidden unit 1"]
    assert len(plot.logos(model(matrix, sites_of((3, 3)))).texts) == 5


def test_a_mixed_layer_has_bars_and_letters():
    rbm = mixed(1, names=("a", "b", "one", "two", "up"))
    ax = plot.logos(rbm, alphabet="xyz")
    boxes, colors = letters_of(ax)
    expected = weights.zero_sum(rbm.weights, layout.of_model(rbm))[:, 0]
    assert np.allclose(boxes[:, 3] - boxes[:, 1], np.abs(expected), atol=1e-12)
    assert np.array_equal(colors[0], colors[1]) and np.array_equal(colors[0], colors[8])
    assert not (colors[2:8] == colors[0]).all(axis=1).any()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b", "one", "two", "up"]


def test_real_units_have_bars_and_a_legend():
    segments = fr.units.Gaussian(1), fr.units.Categorical(1, 3), fr.units.Spin(1)
    rbm = fr.RBM([[0.5], [2.0], [1.0], [0.0], [-1.0]], visible=list(segments))
    boxes, colors = letters_of(plot.logos(rbm))
    assert boxes[:, 3] - boxes[:, 1] == pytest.approx([0.5, 1.0, 1.0, 1.0])  # the middle category has no height
    assert np.array_equal(colors[0], colors[-1])
    legends = [[text.get_text() for text in plot.logos(m).get_legend().get_texts()] for m in (
        rbm, fr.RBM(rbm.weights[:4], visible=list(segments[:2])), fr.RBM(rbm.weights[1:], visible=list(segments[1:]))
    )]  # fmt: skip
    assert [legend[-1] for legend in legends] == ["bit or spin or real unit", "real unit", "bit or spin"]


def test_of_many_sites_those_of_the_largest_weights_are_drawn():
    matrix = np.tile([[1.0], [-1.0]], (100, 1)) * 0.01
    matrix[2 * 50 : 2 * 90] *= 100
    ax = plot.logos(model(matrix, sites_of((2,) * 100)))
    ticks = [label.get_text() for label in ax.get_xticklabels()]
    assert len(ticks) == 80 and ticks[-40:] == [str(i) for i in range(50, 90)] and "80 of 100" in ax.get_xlabel()
    chosen = plot.logos(DNA, hidden=0, columns=[3, 1])
    w = weights.zero_sum(DNA.weights, layout.of_sizes(5, 4))[:, 0]
    boxes, _ = letters_of(chosen)
    assert np.allclose(boxes[:, 3] - boxes[:, 1], np.abs(np.concatenate([w[15:20], w[5:10]])), atol=1e-12)
    assert [label.get_text() for label in chosen.get_xticklabels()] == ["3", "1"]


def test_colors_are_of_classes_for_proteins():
    palette, legend = letters._colors(sorted(PROTEIN + "X"))
    assert palette["D"] == palette["E"] == legend["negative"] and palette["K"] == palette["R"] == legend["positive"]
    assert palette["N"] == legend["polar"] and palette["-"] == palette["X"] and len(set(palette.values())) == 7
    for rna in ("ACGU-", "acgun"):
        palette, legend = letters._colors(sorted(rna))
        assert legend is None and len({palette[letter] for letter in rna}) == 5
    palette, _ = letters._colors(["a", "b", "n"])
    assert len(set(palette.values())) == 3


def test_letters_or_words():
    assert not plot.logos(WORDS).collections and plot.logos(WORDS).patches
    assert letters.are_letters(layout.of_model(DNA), [tuple("ACGT-")] * 4)
    assert not letters.are_letters(layout.of_model(DNA), [("A", "C", "G", "T", "gap")] * 4)
    assert not letters.are_letters(layout.of_model(fr.RBM([[1.0]])), [("",)])
    eleven = model(np.ones((11, 1)), sites_of((11,)))  # the code 10 is no letter
    assert plot.logos(eleven).patches and letters_of(plot.logos(eleven, alphabet="abcdefghijk"))


def bars_of(ax):
    return [(tick.get_text(), bar.get_width()) for tick, bar in zip(ax.get_yticklabels(), ax.patches, strict=True)]


def test_bars_are_the_largest_weights_with_their_names():
    names = [
        "odor = foul",
        "odor = none",
        f"odor = {'x' * 25}...{'x' * 12}",
        r"cap (\$) = flat",
        r"cap (\$) = bell",
        "ring",
    ]
    w = weights.zero_sum(WORDS.weights, layout.of_model(WORDS))
    expected = []
    for j in (2, 0):
        order = np.argsort(-np.abs(w[:, j]), kind="stable")[:4]
        expected += [(names[u], w[u, j]) for u in order]
    ax = plot.category_weights(WORDS, [2, 0], n=4)
    assert bars_of(ax) == expected and [text.get_text()[:13] for text in ax.texts] == ["hidden unit 2", "hidden unit 0"]
    low, high = ax.get_ylim()
    assert low > high  # the first is on top
    bit = model([[1.0]], fr.units.Bernoulli(1), names=("ring",), categories=(("no", "yes"),))
    assert bars_of(plot.category_weights(bit)) == [("ring = yes", 1.0)]
    assert bars_of(plot.category_weights(DNA, 0, "ACGT-", 1))[0][0].startswith("column ")


# statistics


def count(states, sizes, weight=None):
    """Frequencies and connected correlations, one by one."""
    weight = np.ones(len(states)) if weight is None else np.asarray(weight, float)
    share = weight / weight.sum()
    units = [(i, a) for i, q in enumerate(sizes) for a in range(q)]
    single = {(i, a): share[states[:, i] == a].sum() for i, a in units}
    pairs = [
        share[(states[:, i] == a) & (states[:, j] == b)].sum() - single[i, a] * single[j, b]
        for i, a in units for j, b in units if i < j
    ]  # fmt: skip
    return np.array(list(single.values())), np.array(pairs)


SIZES = (4, 5, 4, 4, 6, 4)
WEIGHT = RNG.integers(0, 4, len(CODES))


@pytest.mark.parametrize("weight", [None, WEIGHT, WEIGHT / 7])
def test_frequencies_and_correlations_are_those_of_a_count(weight, monkeypatch):
    monkeypatch.setattr(layout, "_BLOCK", 27 * 70)  # blocks of 70 rows
    sites = layout.of_sizes(SIZES, 6)
    single, pairs = count(CODES, SIZES, weight)
    # sums of 300 float64 that are at most 1
    assert np.allclose(statistics.frequencies(CODES, sites, "X", weight), single, atol=1e-13)
    got = statistics.correlations(CODES, sites, "X", weight)
    # in the order of a matrix: of a unit with the units of all columns after it
    assert got.shape == pairs.shape and np.allclose(got, pairs, atol=1e-13)
    if weight is None:
        for ax, x, y in (
            (plot.site_frequencies(CODES, DRAWS, sizes=SIZES), single, count(DRAWS, SIZES)[0]),
            (plot.pair_correlations(CODES, DRAWS, sizes=SIZES), pairs, count(DRAWS, SIZES)[1]),
        ):
            (points,) = (c for c in ax.collections if isinstance(c, PathCollection))
            assert np.allclose(points.get_offsets(), np.stack([x, y], axis=1), atol=1e-13)
            r, slope = np.corrcoef(x, y)[0, 1], np.polyfit(x, y, 1)[0]
            assert ax.get_title().endswith(f"r = {r:.3f}, slope {slope:.3f}")


def test_weights_are_repeated_examples():
    sites = layout.of_sizes(4, 6)
    repeated = np.repeat(CODES, WEIGHT, axis=0)
    one = plot.pair_correlations(CODES, DRAWS, sizes=4, sample_weight=WEIGHT).collections[0].get_offsets()
    other = plot.pair_correlations(repeated, DRAWS, sizes=4).collections[0].get_offsets()
    assert np.allclose(one, other, atol=1e-13)
    exact = statistics.correlations(repeated, sites, "X")
    assert np.allclose(one[:, 0], exact, atol=1e-13)


def test_bits_spins_and_codes_in_one_table():
    rbm = mixed()
    codes = RNG.integers(0, 3, (50, 2))
    bits, spins = RNG.integers(0, 2, (50, 2)), 2 * RNG.integers(0, 2, (50, 1)) - 1
    states = np.hstack([bits, codes, spins]).astype(np.int16)
    units = np.hstack([bits, codes[:, :1] == [0, 1, 2], codes[:, 1:] == [0, 1, 2], spins == 1]).astype(float)
    sites = layout.of_model(rbm)
    assert np.allclose(statistics.frequencies(states, sites, "X"), units.mean(axis=0), atol=1e-13)
    covariance = np.cov(units.T, bias=True)[sites.column[:, None] < sites.column]
    assert np.allclose(statistics.correlations(states, sites, "X"), covariance, atol=1e-13)
    one_hot = units.copy()
    one_hot[:, -1:] = spins
    bit_matrix = fr.BitMatrix.from_states(units.astype(np.uint8))
    for form in (one_hot, states.astype(np.float32), bit_matrix):
        assert np.allclose(statistics.correlations(form, sites, "X"), covariance, atol=1e-13)
    assert plot.site_frequencies(bit_matrix, states, rbm).get_title().endswith("r = 1.000, slope 1.000")
    guessed = layout.guess(states, states)
    assert guessed == sites
    assert sites.values == ((0, 1), (0, 1), (0, 2), (0, 2), (-1, 1)) and sites.kinds[1:3] == (layout.TWO, "categorical")


def test_bits_in_any_form_have_the_same_frequencies():
    sites = layout.of_model(fr.RBM(np.ones((64, 1))))
    forms = [DIGITS, DIGITS.astype(bool), DIGITS.astype(np.float32), fr.BitMatrix.from_states(DIGITS)]
    for form in forms:
        assert np.allclose(statistics.frequencies(form, sites, "X"), DIGITS.mean(axis=0), atol=1e-13)
    sparse = pytest.importorskip("scipy.sparse").csr_matrix(DIGITS)
    assert np.allclose(statistics.frequencies(layout.table(sparse, "X"), sites, "X"), DIGITS.mean(axis=0), atol=1e-13)
    assert plot.site_frequencies(sparse, DIGITS).get_title().endswith("r = 1.000, slope 1.000")


def test_many_points_are_counted_in_cells():
    X, samples = RNG.integers(0, 8, (100, 20)), RNG.integers(0, 8, (50, 20))
    ax = plot.pair_correlations(X, samples, sizes=8)
    (cells,) = (c for c in ax.collections if isinstance(c, PolyCollection))
    pairs = 20 * 19 // 2 * 64
    assert cells.get_array().sum() == pairs > 10_000
    assert f"{pairs:,} pairs" in ax.child_axes[0].get_ylabel()


def test_of_very_many_columns_some_are_taken():
    assert np.array_equal(statistics.some_columns(layout.of_sizes(3, 1000)), np.arange(1000))
    for sites in (layout.of_sizes(2, 10_000), layout.of_sizes([255] * 50, 50)):
        columns = statistics.some_columns(sites)
        assert len(set(columns)) == len(columns) and sum(sites.sizes[i] for i in columns) <= 3000
        assert columns[0] == 0 and columns[-1] == sites.n_columns - 1


def test_what_has_no_correlation_has_no_number():
    assert statistics.agreement(np.ones(3) / 3, np.arange(3.0)) == "r and slope not defined"
    assert statistics.agreement(np.arange(3.0), np.ones(3) / 3) == "r not defined, slope 0.000"
    assert statistics.agreement(np.arange(3.0), -2 * np.arange(3.0)) == "r = -1.000, slope -2.000"


RBM = fr.RBM(np.ones((6, 2)))
MISTAKES = [
    (lambda: plot.logos(CODES), TypeError, "rbm must be an RBM, not ndarray"),
    (lambda: plot.logos(DNA, 7), ValueError, "hidden must be numbers of hidden units, got 7 where there are 7, from 0"),
    (lambda: plot.logos(DNA, []), ValueError, "hidden must be numbers of hidden units, got none"),
    (lambda: plot.logos(DNA, [-1]), ValueError, r"hidden\[0\] must be at least 0"),
    (lambda: plot.logos(DNA, "all"), TypeError, "hidden must be an integer or a sequence of integers, not str"),
    (lambda: plot.logos(DNA, [0.5]), TypeError, r"hidden\[0\] must be an integer, not float"),
    (lambda: plot.logos(DNA, n=0), ValueError, "n must be at least 1"),
    (lambda: plot.logos(DNA, columns=[4]), ValueError, "columns must be numbers of columns of the data, got 4"),
    (lambda: plot.logos(DNA, alphabet="ACGT"), ValueError, "alphabet must have 5 labels, .* of column 0, got 4"),
    (lambda: plot.logos(DNA, alphabet="protein"), ValueError, "alphabet must have 5 labels, .* of column 0, got 21"),
    (lambda: plot.logos(DNA, alphabet="ACGTA"), ValueError, "alphabet must have each label once, it has 'A' 2 times"),
    (lambda: plot.logos(DNA, alphabet=5), TypeError, "alphabet must be a string or a sequence of labels, not int"),
    (lambda: plot.logos(DNA, ax=plt.figure()), TypeError, "ax must be a matplotlib Axes, not Figure"),
    (lambda: plot.logos(model(np.ones((3, 1)), sites_of((2,)))), ValueError, r"weights must have 2 rows, .* \(3, 1\)"),
    (lambda: plot.category_weights(WORDS, n=0), ValueError, "n must be at least 1"),
    (lambda: plot.site_frequencies(CODES[0], DRAWS), ValueError, "X must have two dimensions"),
    (lambda: plot.site_frequencies(CODES, DRAWS[:0]), ValueError, "samples must have at least one example"),
    (lambda: plot.site_frequencies(CODES, DRAWS[:, :5]), ValueError, "samples has 5 columns where X has 6"),
    (lambda: plot.site_frequencies(CODES, DRAWS, DNA), ValueError, "X has 6 columns where 4, or 20 for one-hot"),
    (lambda: plot.site_frequencies(CODES > 0, CODES[:, :3] > 0, RBM), ValueError, "samples has 3 columns where 6 are"),
    (lambda: plot.site_frequencies(CODES, DRAWS, RBM, 3), ValueError, "give rbm or sizes, not both"),
    (lambda: plot.site_frequencies(CODES, DRAWS, sizes=[4, 4]), ValueError, "sizes must have an integer for each of 6"),
    (lambda: plot.site_frequencies(CODES, DRAWS, sizes=0), ValueError, r"sizes\[0\] must be at least 1"),
    (lambda: plot.site_frequencies(CODES, DRAWS, sizes="4"), TypeError, "sizes must be an integer or a sequence"),
    (
        lambda: plot.site_frequencies([[0, 0], [1, 3]], [[0, 0]], sizes=3),
        ValueError, r"X must hold codes from 0 to 2 in column 1; X\[1, 1\] is 3",
    ),
    (lambda: plot.site_frequencies([[0, 0.5]], [[0, 0]]), ValueError, r"X must hold 0 or 1 in column 1; X\[0, 1\]"),
    (lambda: plot.site_frequencies([[-1, 1]], [[0, 1]]), ValueError, r"samples must hold -1 or 1 in column 0"),
    (lambda: plot.site_frequencies([[0, np.nan]], [[0, 1]]), ValueError, r"X\[0, 1\] is nan"),
    (lambda: plot.site_frequencies([[0, 3e3]], [[0, 1]]), ValueError, "codes of categories must be below 255, got"),
    (
        lambda: plot.site_frequencies(np.eye(20), np.zeros((1, 4)), DNA),
        ValueError, "X must have one category on at each site; row 0 has 0 in column 1",
    ),
    (
        lambda: plot.site_frequencies(CODES, DRAWS, sample_weight=[1.0]),
        ValueError, r"sample_weight must have shape \(300,\)",
    ),
    (lambda: plot.pair_correlations([[0], [1]], [[1]]), ValueError, "pair correlations need at least two columns"),
]  # fmt: skip


@pytest.mark.parametrize("call, kind, words", MISTAKES, ids=[m[2] for m in MISTAKES])
def test_mistakes_name_the_argument(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
    assert len(plt.get_fignums()) <= 1  # none but the user's: checks come before figures


def test_alphabets_have_names():
    legends = [
        [text.get_text() for text in plot.logos(DNA, alphabet=alphabet).get_legend().get_texts()]
        for alphabet in ("-ACGT", "dna", fr.datasets.Alphabet("dna"))
    ]
    assert legends[0] == ["A", "C", "G", "T", "gap"] and legends.count(legends[0]) == 3
