"""Pictures: every axes is labeled, what is drawn is what was computed, odd inputs get a picture or a clear error."""

import math
import subprocess
import sys

import numpy as np
import pytest

import fastrbm as fr
from fastrbm import diagnostics, plot

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

X = fr.datasets.load_digits()
RBM = fr.RBM.from_data(X, 20, seed=1, weight_scale=0.1)
SAMPLES = RBM.sample(50, 20)
TRACE = np.random.default_rng(0).normal(size=(400, 3)).cumsum(axis=0) * 0.1 + np.random.default_rng(1).normal(
    size=(400, 3)
)


def history(epochs=3):
    table = fr.History()
    for k in range(1, epochs + 1):
        table.record(epoch=k, shuffled_gap=k * 1.5, tau_int=math.nan if k % 2 else 7.0, log_likelihood=-90.0 + k)
    return table


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


ODD = fr.RBM(np.ones((7, 1)))  # no square, one hidden unit
CALLS = {
    "filters": lambda **o: plot.filters(RBM, **o),
    "filters, a shape": lambda **o: plot.filters(RBM, (4, 16), 5, **o),
    "filters, a table": lambda **o: plot.filters(ODD, **o),
    "filters, all zero": lambda **o: plot.filters(fr.RBM(np.zeros((9, 4))), **o),
    "filters, one unit": lambda **o: plot.filters(fr.RBM([[2.0]]), **o),
    "samples": lambda **o: plot.samples(SAMPLES, **o),
    "samples, bits": lambda **o: plot.samples(fr.BitMatrix.from_states(SAMPLES), n=3, **o),
    "samples, one": lambda **o: plot.samples(SAMPLES[:1], **o),
    "samples, a table": lambda **o: plot.samples(SAMPLES[:, :11], **o),
    "samples, probabilities": lambda **o: plot.samples(RBM.mean_visible(RBM.mean_hidden(X[:9])), **o),
    "learning curve": lambda **o: plot.learning_curve(history(), **o),
    "learning curve, two": lambda **o: plot.learning_curve(history(), ["shuffled_gap", "log_likelihood"], **o),
    "learning curve, one epoch": lambda **o: plot.learning_curve(history(1), **o),
    "learning curve, not measured": lambda **o: plot.learning_curve(history(1), "tau_int", **o),
    "energies": lambda **o: plot.energies(RBM, X, SAMPLES, **o),
    "energies, constant": lambda **o: plot.energies(ODD, np.ones((1, 7)), np.ones((2, 7)), **o),
    "principal axes": lambda **o: plot.principal_axes(X, SAMPLES, **o),
    "principal axes, constant": lambda **o: plot.principal_axes(np.ones((5, 4)), np.zeros((2, 4)), **o),
    "principal axes, one unit": lambda **o: plot.principal_axes([[0], [1]], [[1]], **o),
    "principal axes, one example": lambda **o: plot.principal_axes(X[:1], fr.BitMatrix.from_states(SAMPLES), **o),
    "autocorrelation": lambda **o: plot.autocorrelation(TRACE, **o),
    "autocorrelation, short": lambda **o: plot.autocorrelation([1.0, 2.0, 1.5], **o),
    "autocorrelation, constant": lambda **o: plot.autocorrelation(np.ones(50), **o),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("call", CALLS)
def test_every_picture_is_labeled_and_can_be_drawn(call, tmp_path):
    ax = CALLS[call]()
    ax.figure.savefig(tmp_path / "picture.png", dpi=40)
    assert ax.get_title() and ax.get_xlabel() and ax.get_ylabel()
    for other in ax.figure.axes:  # a color bar has one direction
        assert other.get_xlabel() or other.get_ylabel()
    words = " ".join(text.get_text() for text in ax.figure.findobj(matplotlib.text.Text))
    assert "nan" not in words.lower().split()


@pytest.mark.parametrize("call", CALLS)
def test_pictures_go_where_they_are_asked_to(call):
    figure, (left, right) = plt.subplots(1, 2)
    assert CALLS[call](ax=right) is right
    assert not left.has_data() and not left.get_xlabel()
    assert plt.get_fignums() == [figure.number]


def tiles(ax, shape, n):
    """The pictures of a grid, (n, height, width), cut out of its image."""
    (image,) = ax.images
    mosaic = np.ma.filled(image.get_array(), np.nan)
    assert np.isnan(mosaic[0]).all() and np.isnan(mosaic[:, 0]).all()
    height, width = shape
    columns = (mosaic.shape[1] - 1) // (width + 1)
    corners = [(k // columns * (height + 1) + 1, k % columns * (width + 1) + 1) for k in range(n)]
    return np.stack([mosaic[y : y + height, x : x + width] for y, x in corners])


def test_filters_are_the_weights_by_norm():
    ax = plot.filters(RBM, (4, 16), 7)
    order = np.argsort(-np.linalg.norm(RBM.weights, axis=0))[:7]
    assert np.array_equal(tiles(ax, (4, 16), 7), RBM.weights.T[order].reshape(7, 4, 16))
    low, high = ax.images[0].get_clim()
    assert low == -high and high == np.abs(RBM.weights[:, order]).max()
    red, green, blue, _ = ax.images[0].cmap(0.5)
    assert min(red, green, blue) > 0.95  # 0 is white
    assert ax.get_xlabel() == "7 of 20 hidden units, largest norms first"
    assert np.array_equal(plot.filters(ODD).images[0].get_array(), np.ones((1, 7)))


def test_samples_are_the_states():
    assert np.array_equal(tiles(plot.samples(SAMPLES, n=11), (8, 8), 11), SAMPLES[:11].reshape(11, 8, 8))
    table = plot.samples(SAMPLES[:, :11]).images[0]
    assert np.array_equal(table.get_array(), SAMPLES[:, :11]) and table.get_clim() == (0, 1)


def test_a_learning_curve_passes_over_what_was_not_measured():
    ax = plot.learning_curve(history(5), "tau_int")
    (line,) = ax.lines
    assert line.get_xydata().tolist() == [[2.0, 7.0], [4.0, 7.0]] and ax.get_ylabel() == "tau int (sweeps)"
    assert plot.learning_curve(history(1)).lines[0].get_marker() == "o"  # a line through one point is not seen


def test_histograms_are_those_of_the_free_energies():
    ax = plot.energies(RBM, X, fr.BitMatrix.from_states(SAMPLES))
    (_, data, edges), (_, model, others) = ((None, *p.get_data()[:2]) for p in ax.patches[1::2])
    assert np.array_equal(edges, others)
    for drawn, states in ((data, X), (model, SAMPLES)):
        assert np.array_equal(drawn, np.histogram(RBM.free_energy(states), edges)[0] / len(states))
        assert drawn.sum() == pytest.approx(1)  # the bins hold them all


def test_points_are_the_projections():
    ax = plot.principal_axes(X, SAMPLES)
    centered = X - X.mean(axis=0)
    values, vectors = np.linalg.eigh(centered.T @ centered)
    for scatter, states in zip(ax.collections, (X, SAMPLES), strict=True):
        expected = (states - X.mean(axis=0)) @ vectors[:, [-1, -2]]
        # eigenvectors have no sign; float64 rounding of sums of 64 terms of order 1
        assert np.allclose(np.abs(scatter.get_offsets()), np.abs(expected), atol=1e-9)
    assert ax.get_xlabel() == f"first principal axis ({values[-1] / values.sum() * 100:.1f} % of the data's variance)"
    assert ax.get_ylabel() == f"second principal axis ({values[-2] / values.sum() * 100:.1f} % of the data's variance)"


def test_of_many_examples_some_are_drawn():
    many = np.random.default_rng(0).integers(0, 2, (4001, 5))
    data, model = plot.principal_axes(many, many).collections
    assert len(data.get_offsets()) == len(model.get_offsets()) == 2000


def test_autocorrelation_is_that_of_diagnostics():
    ax = plot.autocorrelation(TRACE)
    x, y = ax.lines[0].get_data()
    time = diagnostics.autocorrelation_time(TRACE)
    assert np.array_equal(y, diagnostics.autocorrelation(TRACE)[: len(x)]) and x[-1] >= time.window
    assert f"tau_int: {time.value:.3g} sweeps" in ax.get_legend().get_texts()[0].get_text()


MISTAKES = [
    (lambda: plot.filters(X), TypeError, "rbm must be an RBM, not ndarray"),
    (lambda: plot.filters(RBM, (3, 3)), ValueError, r"shape must hold 64 units, got 3 x 3 = 9"),
    (lambda: plot.filters(RBM, 8), TypeError, r"shape must be \(height, width\), got 8"),
    (lambda: plot.filters(RBM, n=0), ValueError, "n must be at least 1"),
    (lambda: plot.filters(RBM, ax=plt.figure()), TypeError, "ax must be a matplotlib Axes, not Figure"),
    (lambda: plot.samples(X[0]), ValueError, "states must have two dimensions"),
    (lambda: plot.samples(X * 3), ValueError, "states must hold 0 or 1"),
    (lambda: plot.samples(X[:0]), ValueError, "states must have at least one example"),
    (lambda: plot.learning_curve([1, 2]), TypeError, "history must be a History, not list"),
    (lambda: plot.learning_curve(fr.History()), ValueError, "history must have a column epoch and others, got none"),
    (lambda: plot.learning_curve(history(), "gap"), KeyError, "no column 'gap'"),
    (lambda: plot.learning_curve(history(), []), ValueError, "columns must be of one unit, got none"),
    (lambda: plot.learning_curve(history(), ["tau_int", "log_likelihood"]), ValueError, "columns must be of one unit"),
    (lambda: plot.energies(RBM, X[:, :9], X), ValueError, "X has 9 units per example where the model has 64"),
    (lambda: plot.energies(RBM, X, X[:0]), ValueError, "samples must have at least one example"),
    (lambda: plot.principal_axes(X, X[:, :9]), ValueError, "samples has 9 units per example"),
    (
        lambda: plot.principal_axes(X, fr.BitMatrix.empty(3, 9)),
        ValueError,
        "samples has 9 units per example where 64 are",
    ),
    (lambda: plot.autocorrelation(["a"]), ValueError, "series must be an array of numbers"),
]


@pytest.mark.parametrize("call, kind, words", MISTAKES, ids=[m[2] for m in MISTAKES])
def test_mistakes_name_the_argument(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
    assert len(plt.get_fignums()) <= 1  # none but the user's: checks come before figures


def test_without_matplotlib():
    """fastrbm does not import it, and a picture without it says what to do."""
    program = (
        "import sys, fastrbm as fr, fastrbm.plot\nassert 'matplotlib' not in sys.modules\n"
        "sys.modules['matplotlib'] = None\nfr.plot.filters(fr.RBM([[1.0]]))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    last = run.stderr.splitlines()[-1]
    assert last == 'ImportError: pictures need matplotlib: pip install "fastrbm[plot]"', run.stderr
