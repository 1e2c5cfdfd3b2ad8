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
from matplotlib.patches import StepPatch  # noqa: E402

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
    plt.close("all")  # what other tests left
    yield
    plt.close("all")


ODD = fr.RBM(np.ones((7, 1)))  # no square, one hidden unit
RNG = np.random.default_rng(2)
DRELU = fr.RBM(RNG.integers(-20, 20, (64, 8)) / 64, hidden=fr.units.DReLU(8, RNG.normal(size=8), RNG.normal(size=8)))
GAUSSIAN = fr.RBM(
    RNG.normal(size=(9, 3)), visible=fr.units.Gaussian(9, mean=np.arange(9.0), scale=10.0 ** np.arange(-4, 5))
)
REALS = GAUSSIAN.sample(90, 10)
COLUMNS = [fr.units.Gaussian(2, mean=[10, -3], scale=[2, 0.5]), fr.units.Categorical(2, 3), fr.units.Spin(1)]
MIXED = fr.RBM(  # in no gauge, and small where both layers are real
    np.concatenate([RNG.integers(-20, 20, (2, 5)) / 256, RNG.integers(-20, 20, (7, 5)) / 64 + 0.5]),
    hidden_bias=RNG.normal(size=5), visible=COLUMNS,
    hidden=fr.units.DReLU(5, RNG.normal(size=5), RNG.normal(size=5)),
)  # fmt: skip
TABLE = np.column_stack(
    [RNG.normal(10, 2, 60), RNG.normal(-3, 0.5, 60), RNG.integers(0, 3, (60, 2)), RNG.integers(0, 2, 60) * 2 - 1]
)
ACTIVITY = fr.History()
ACTIVITY.record(epoch=1, hidden_activity=3.0, reconstruction_error=0.5)
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
    "samples, of a mixed model": lambda **o: plot.samples(TABLE, rbm=MIXED, **o),
    "samples, one of a model": lambda **o: plot.samples(REALS[:1], rbm=GAUSSIAN, **o),
    "learning curve": lambda **o: plot.learning_curve(history(), **o),
    "learning curve, two": lambda **o: plot.learning_curve(history(), ["shuffled_gap", "log_likelihood"], **o),
    "learning curve, one epoch": lambda **o: plot.learning_curve(history(1), **o),
    "learning curve, not measured": lambda **o: plot.learning_curve(history(1), "tau_int", **o),
    "learning curve, runs": lambda **o: plot.learning_curve(
        {"a": history(), "b": history(5)}, ["shuffled_gap", "log_likelihood"], log="x", **o
    ),
    "spectrum": lambda **o: plot.spectrum({"one": RBM, "another": ODD}, log="xy", **o),
    "spectrum, all zero": lambda **o: plot.spectrum(fr.RBM(np.zeros((9, 4))), **o),
    "spectrum, one unit": lambda **o: plot.spectrum(fr.RBM([[2.0]]), log=None, **o),
    "moments": lambda **o: plot.moments(RBM, X, SAMPLES, label="run", **o),
    "moments, mixed": lambda **o: plot.moments(MIXED, TABLE, TABLE[:9], **o),
    "moments, one example": lambda **o: plot.moments(GAUSSIAN, REALS[:1], REALS[:1], **o),
    "energies": lambda **o: plot.energies(RBM, X, SAMPLES, **o),
    "energies, logarithmic": lambda **o: plot.energies(RBM, X, SAMPLES, log="y", **o),
    "energies, constant": lambda **o: plot.energies(ODD, np.ones((1, 7)), np.ones((2, 7)), **o),
    "principal axes": lambda **o: plot.principal_axes(X, SAMPLES, **o),
    "principal axes, constant": lambda **o: plot.principal_axes(np.ones((5, 4)), np.zeros((2, 4)), **o),
    "principal axes, one unit": lambda **o: plot.principal_axes([[0], [1]], [[1]], **o),
    "principal axes, one example": lambda **o: plot.principal_axes(X[:1], fr.BitMatrix.from_states(SAMPLES), **o),
    "autocorrelation": lambda **o: plot.autocorrelation(TRACE, **o),
    "autocorrelation, logarithmic": lambda **o: plot.autocorrelation(TRACE, log="y", **o),
    "autocorrelation, short": lambda **o: plot.autocorrelation([1.0, 2.0, 1.5], **o),
    "autocorrelation, constant": lambda **o: plot.autocorrelation(np.ones(50), **o),
    "inputs": lambda **o: plot.inputs(DRELU, X[::9], n=3, **o),
    "inputs, one unit": lambda **o: plot.inputs(fr.RBM([[1.0]], hidden="relu"), [[1], [0]], **o),
    "inputs, all alike": lambda **o: plot.inputs(fr.RBM(np.zeros((64, 3)), hidden="gaussian"), X[:1], **o),
    "filters, of real units": lambda **o: plot.filters(GAUSSIAN, **o),
    "samples, of real units": lambda **o: plot.samples(REALS, limits=(-20, 1000), **o),
    "energies, of real units": lambda **o: plot.energies(MIXED, TABLE, TABLE[:9], **o),
    "principal axes, of real units": lambda **o: plot.principal_axes(TABLE, TABLE[:9], rbm=MIXED, **o),
    "marginals, mixed": lambda **o: plot.marginals(TABLE, TABLE[:9], rbm=MIXED, **o),
    "marginals, constant": lambda **o: plot.marginals(np.ones((1, 1)), np.ones((2, 1)), **o),
    "column moments": lambda **o: plot.column_moments(REALS, REALS[:20], **o),
    "column moments, constant": lambda **o: plot.column_moments(np.ones((1, 2)), np.zeros((1, 2)), **o),
    "pair correlations, mixed": lambda **o: plot.pair_correlations(TABLE, TABLE[:9], MIXED, **o),
    "site frequencies, mixed": lambda **o: plot.site_frequencies(TABLE, TABLE[:9], MIXED, **o),
    "logos, mixed": lambda **o: plot.logos(MIXED, **o),
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
    assert line.get_xydata().tolist() == [[2.0, 7.0], [4.0, 7.0]] and ax.get_ylabel() == "tau_int (sweeps)"
    assert plot.learning_curve(history(1)).lines[0].get_marker() == "o"  # a line through one point is not seen


def words_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def timed(start, epochs):
    table = fr.History()
    for k in range(1, epochs + 1):
        table.record(epoch=k, update=15 * k, seconds=0.25 * k, weight_norm=start * k, sv1=start * 2.0**-k)
    return table


@pytest.mark.parametrize("x", ["epoch", "update", "seconds"])
def test_runs_are_compared_in_one_call_or_in_several(x):
    runs = {"short": timed(1.0, 3), "long": timed(3.0, 40)}
    late = fr.History()
    late.record(**{name: float(column[-1]) for name, column in runs["long"].items()})
    for first, second in ((late, runs["short"]), (runs["short"], late)):
        low, high = plot.learning_curve(second, x=x, ax=plot.learning_curve(first, x=x)).get_xlim()
        assert low < runs["short"][x][0] and late[x][0] < high
    together = plot.learning_curve(runs, "weight_norm", x=x, log="xy")
    ax = plt.figure().subplots()
    for key, run in runs.items():
        assert plot.learning_curve(run, "weight_norm", x=x, log="xy", ax=ax, label=key) is ax
    for own in (together, ax):
        assert words_of(own) == ["short", "long"] and own.get_xlabel() == x
        assert own.get_xscale() == own.get_yscale() == "log"
        assert [line.get_color() for line in own.lines] == ["#0072B2", "#D55E00"]
        for line, run in zip(own.lines, runs.values(), strict=True):
            assert np.array_equal(line.get_xydata(), np.stack([run[x], run["weight_norm"]], axis=1))
        low, high = own.get_xlim()
        assert low < runs["long"][x][0] and runs["long"][x][-1] < high  # all of both runs is in view
    linear = plot.learning_curve(runs["long"], x=x, ax=plt.figure().subplots())
    assert linear.get_xscale() == "linear" and linear.get_ylabel() == "weight norm (nats)"  # no clock is drawn


def test_a_run_has_a_color_and_its_columns_have_dashes():
    runs = {"a": timed(1.0, 3), "b": timed(3.0, 3)}
    lines = plot.learning_curve(runs, ["weight_norm", "sv1"]).lines
    looks = [(line.get_color(), line.get_linestyle()) for line in lines]
    assert looks == [("#0072B2", "-"), ("#0072B2", "--"), ("#D55E00", "-"), ("#D55E00", "--")]
    assert [line.get_label() for line in lines[:2]] == ["a: weight norm", "a: singular value 1"]
    (line,) = plot.learning_curve(runs["a"], color="k").lines
    assert line.get_color() == "k" and not line.axes.get_legend()


def test_numbers_of_log_axes_are_plain():
    ax = plot.learning_curve(timed(1.0, 40), x="update", log="x")
    ax.figure.canvas.draw()
    shown = [text.get_text() for which in ("minor", "major") for text in ax.get_xticklabels(which=which)]
    assert {"20", "50", "100", "200", "500"} <= set(shown)


def test_the_spectrum_is_that_of_the_weights():
    after = fr.RBM(RBM.weights[:, [*range(18), 0, 0]])  # of rank 18; LAPACK's last two are rounding
    ax = plot.spectrum({"before": RBM, "after": after})
    assert ax.get_yscale() == "log" and words_of(ax) == ["before", "after (2 more are 0)"]
    for line, rbm, n in zip(ax.lines, (RBM, after), (20, 18), strict=True):
        W = rbm.weights.astype(float)
        # eigenvalues of W'W err by some 64 ulp of the largest; the smallest is a hundredth of it or more
        expected = np.sqrt(np.linalg.eigvalsh(W.T @ W)[::-1][:n])
        assert line.get_xdata().tolist() == list(range(1, n + 1)) and np.allclose(line.get_ydata(), expected, rtol=1e-9)
    assert plot.spectrum(after, log=None).lines[0].get_ydata()[18:].tolist() == [0, 0]
    assert plot.spectrum(RBM, ax=ax, label="again", color="k") is ax and len(ax.lines) == 3


def test_moments_of_model_and_data_are_those_of_a_count():
    weight = np.arange(len(X))
    ax = plot.moments(RBM, X, SAMPLES, sample_weight=weight)
    means, pairs = ax.child_axes
    above = np.triu_indices(64, 1)
    cov = [np.cov(X.T, bias=True, aweights=weight), np.cov(SAMPLES.T, bias=True)]
    expected = [
        np.stack([weight @ X / weight.sum(), SAMPLES.mean(axis=0)], axis=1),
        np.stack([own[above] for own in cov], axis=1),
    ]
    for panel, points in zip((means, pairs), expected, strict=True):
        # sums of 1,797 float64 that are at most 1
        assert np.allclose(panel.collections[0].get_offsets(), points, atol=1e-12)
        (equal,) = panel.lines
        assert np.array_equal(equal.get_xdata(), equal.get_ydata()) and equal.get_label() == "equal"
        r, slope = np.corrcoef(points.T)[0, 1], np.polyfit(*points.T, 1)[0]
        assert panel.get_title().endswith(f": r = {r:.3f}, slope {slope:.3f}")


def test_moments_of_two_models_are_on_the_same_panels():
    other = fr.RBM(RBM.weights, visible_bias=np.full(64, 3.0))
    ax = plot.moments(RBM, X, SAMPLES, label="one")
    before = ax.child_axes[:]
    plot.moments(other, X, other.sample(20, 5), ax=ax, label="other", color="k")
    assert ax.child_axes == before and len(before) == 2
    for panel in before:
        assert [words.split(":")[0] for words in words_of(panel)] == ["one", "other", "equal"]
        assert len(panel.lines) == 1 and len(panel.collections) == 2
        low, high = panel.get_xlim()
        for points in panel.collections:
            assert low < np.min(points.get_offsets()) and np.max(points.get_offsets()) < high


def test_small_frequencies_fill_their_panel():
    """Those of spikes are small; others are seen from 0 to 1. Spins have frequencies, not means."""
    spikes = (RNG.random((400, 6)) < 0.03).astype(np.uint8)
    few = plot.moments(fr.RBM.from_data(spikes, 2), spikes, spikes[::2]).child_axes[0]
    assert 0 < max(few.get_xlim()[1], few.get_ylim()[1]) < 0.1 and few.get_title().startswith("Means: r = ")
    assert plot.site_frequencies(spikes, spikes).get_ylim()[1] < 0.1
    spins = 2 * spikes.astype(int) - 1
    turned = plot.moments(fr.RBM.from_data(-spins, 2, visible="spin"), -spins, -spins).child_axes[0]
    assert turned.get_xlim() == (-0.02, 1.02) and turned.get_title().startswith("Frequencies: r = ")


def test_moments_draw_samples_by_a_seed(monkeypatch):
    monkeypatch.setattr(plot.statistics, "_SAMPLES", 50)
    small = fr.RBM(RNG.normal(size=(5, 2)))
    drawn = [
        plot.moments(small, X[:, 20:25], *given, **o).child_axes[0].collections[0].get_offsets()
        for given, o in (((), {"seed": 3}), ((small.sample(50, seed=3),), {}), ((), {"seed": 4}))
    ]
    assert np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[0], drawn[2])


def test_points_of_several_calls_have_labels_and_colors():
    for draw in (plot.site_frequencies, plot.pair_correlations, plot.column_moments):
        ax = draw(X[:, 20:26], X[::2, 20:26], label="half")
        draw(X[:, 20:26], SAMPLES[:, 20:26], ax=ax, label="model")
        words = [text.split(":")[0] for text in words_of(ax)]
        assert words.count("half") == words.count("model") == 1 and words.count("two standard errors") <= 1
        points = [c for c in ax.collections if len(c.get_offsets()) > 1]
        assert [matplotlib.colors.to_hex(c.get_facecolor()[0]).upper() for c in points] == ["#0072B2", "#009E73"]
    ax = plot.autocorrelation(TRACE, label="one")
    plot.autocorrelation(TRACE[:, :1], ax=ax, label="other", color="k")
    assert [words.split(",")[0] for words in words_of(ax)] == ["one", "other"]
    many = plot.pair_correlations(RNG.integers(0, 2, (9, 200)), RNG.integers(0, 2, (9, 200)), color="k")
    assert len(many.collections[0].get_offsets()) == 10_000 and "10,000 of 19,900 pairs" in words_of(many)


def test_columns_have_their_names():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(TABLE[:, :2], columns=["wing", "long_$name"])
    named = fr.RBM.from_data(frame, n_hidden=3, visible="gaussian")
    far = plot.column_moments(TABLE[:, :2], TABLE[:, :2] + [0, 5], named)
    assert [text.get_text() for text in far.texts] == [r"long_\$name"]
    table = plot.filters(named)
    assert [text.get_text() for text in table.get_xticklabels()] == ["wing", r"long_\$name"]
    assert plot.moments(named, frame, frame).child_axes[0].get_title() == "Means: r and slope not defined"  # all are 0


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


def quadrature(side, field):
    """The mean of a real unit with these fields, whose own energy is side(x), by the trapezoid rule."""
    x = np.linspace(-30, 30, 24_001)
    u = side(x)
    logs = field[:, None] * x - u
    density = np.exp(logs - logs.max(axis=1, keepdims=True))
    return (density * x).sum(axis=1) / density.sum(axis=1)


def own_energy(hidden, j):
    """The energy of a unit without its bias, by the definitions in its documentation."""
    if hidden.name == "gaussian":
        return lambda x: hidden.gamma[j] * x**2 / 2
    if hidden.name == "relu":
        return lambda x: np.where(x > 0, hidden.gamma[j] * x**2 / 2, np.where(x == 0, np.log(2), np.inf))  # half of it
    delta, xi, gamma = (float(own[j]) for own in (hidden.delta, hidden.xi, hidden.gamma))
    eta = xi / (1 + abs(xi))
    plus, minus = gamma / (1 + eta), gamma / (1 - eta)
    return lambda x: np.where(x >= 0, plus * x**2 / 2 - delta / (1 + eta) * x, minus * x**2 / 2 + delta / (1 - eta) * x)


@pytest.mark.parametrize("kind", ["bernoulli", "spin", "gaussian", "relu", "drelu"])
def test_inputs_are_sums_of_weights_and_the_curve_is_the_mean(kind):
    """Of real columns, categories and spins, and in the zero-sum gauge: the unit's own field is the same one."""
    hidden = {"gaussian": fr.units.Gaussian(5, gamma=2.0), "drelu": MIXED.hidden}.get(kind, kind)
    rbm = fr.RBM(MIXED.weights, hidden_bias=MIXED.hidden_bias, visible=MIXED.visible, hidden=hidden)
    one_hot = np.concatenate([np.eye(3)[TABLE[:, i].astype(int)] for i in (2, 3)], axis=1)
    units = np.column_stack([(TABLE[:, 0] - 10) / 2, (TABLE[:, 1] + 3) / 0.5, one_hot, TABLE[:, 4]])
    W = rbm.weights.astype(np.float64)
    gauged, shift = W.copy(), np.zeros(5)
    for site in (slice(2, 5), slice(5, 8)):
        gauged[site] -= W[site].mean(axis=0)
        shift += W[site].mean(axis=0)
    weight = np.arange(60)
    ax = plot.inputs(rbm, TABLE, sample_weight=weight)
    order = np.argsort(-np.linalg.norm(gauged, axis=0))
    assert [panel.get_title().split(",")[0] for panel in ax.child_axes] == [f"hidden unit {j}" for j in order]
    for j, panel in zip(order, ax.child_axes, strict=True):
        fractions, edges = panel.patches[0].get_data()[:2]
        given = units @ gauged[:, j]
        # a value is kept in steps of 2^-12, and weights sum to below 8
        assert abs(edges[0] - given.min()) < 8 * 2.0**-12 and abs(edges[-1] - given.max()) < 8 * 2.0**-12
        assert fractions.sum() == pytest.approx(1)
        middle = fractions @ (edges[1:] + edges[:-1]) / 2
        assert abs(middle - weight @ given / weight.sum()) < (edges[1] - edges[0]) / 2 + 8 * 2.0**-12
        (curve,) = panel.child_axes[0].lines
        x, y = (values[::20] for values in curve.get_data())
        assert (x[0], x[-1]) == (edges[0], edges[-1])
        field = float(rbm.hidden_bias[j]) + shift[j] + x
        if kind in ("bernoulli", "spin"):
            expected = 1 / (1 + np.exp(-field * (2 if kind == "spin" else 1)))
        else:
            expected = quadrature(own_energy(rbm.hidden, j), field)
        # steps of 0.0025: a kink of the density errs by a twelfth of their square times the change of its slope
        assert np.allclose(y, expected, atol=1e-5)
    assert panel.child_axes[0].get_ylabel() == ("E[h | I]" if rbm.hidden.real else "P(h = 1 | I)")


def test_marginals_are_in_the_units_of_the_data():
    samples = TABLE[:20]
    ax = plot.marginals(TABLE, samples, rbm=MIXED)
    assert [panel.get_title()[:8] for panel in ax.child_axes] == ["column 0", "column 1"]
    for i, panel in enumerate(ax.child_axes):
        (data, edges), (model, others) = ((p.get_data()[0], p.get_data()[1]) for p in panel.patches[1::2])
        assert np.array_equal(edges, others)
        # values are kept in steps of 2^-12 of a scale of at most 2
        assert abs(edges[0] - TABLE[:, i].min()) < 2.0**-12 and abs(edges[-1] - TABLE[:, i].max()) < 2.0**-12
        for drawn, values in ((data, TABLE[:, i]), (model, samples[:, i])):
            assert drawn.sum() == pytest.approx(1)
            assert abs(drawn @ (edges[1:] + edges[:-1]) / 2 - values.mean()) < edges[1] - edges[0]


def test_the_farthest_columns_are_shown():
    data = np.zeros((50, 9))
    data[:, 1:] = RNG.normal(size=(50, 8))
    samples = data.copy()
    samples[:, 0] = 1.0  # constant in the data: the last to be shown, however far
    samples[:, 5] += 1.0
    samples[:, 2] += 3.0
    ax = plot.marginals(data, samples, n=2)
    apart = [max(abs(np.mean(data[:, i] <= t) - np.mean(samples[:, i] <= t)) for t in [*data[:, i], *samples[:, i]])
             for i in (2, 5)]  # fmt: skip
    titles = [f"column {i}, distance {d:.2f}" for i, d in zip((2, 5), apart, strict=True)]
    assert [panel.get_title() for panel in ax.child_axes] == titles
    twice = plot.marginals(data, samples, columns=[2], sample_weight=np.repeat([1, 0], 25))
    assert twice.child_axes[0].get_title() == plot.marginals(data[:25], samples, columns=2).child_axes[0].get_title()


def test_moments_of_columns_are_those_of_a_count():
    samples = REALS[:30] + [0, 1e-4, 0, 0, 0, 0, 0, 0, 50.0]
    weight = np.arange(90)
    (points,) = (
        c for c in plot.column_moments(REALS, samples, GAUSSIAN, weight).collections if len(c.get_offsets()) > 1
    )
    mean = weight @ REALS / weight.sum()
    spread = np.sqrt(weight @ (REALS - mean) ** 2 / weight.sum())
    expected = np.stack([(samples.mean(axis=0) - mean) / spread, samples.std(axis=0) / spread], axis=1)
    # values are kept in steps of 2^-12 of a scale, which is at most their spread
    assert np.allclose(points.get_offsets(), expected, atol=2.0**-12)
    half = plot.column_moments(np.column_stack([REALS[:, 0], np.ones(90)]), samples[:, :2])
    assert "1 columns (1 constant ones are left out)" in [text.get_text() for text in half.get_legend().get_texts()]


def test_correlations_of_real_columns_are_in_their_scales():
    ax = plot.pair_correlations(TABLE, TABLE[::2], MIXED)
    (points,) = (c for c in ax.collections if len(c.get_offsets()) > 1)
    column = np.array([0, 1, 2, 2, 2, 3, 3, 3, 4])
    pairs = column[:, None] < column
    for values, drawn in zip((TABLE, TABLE[::2]), np.transpose(points.get_offsets()), strict=True):
        one_hot = [np.eye(3)[values[:, i].astype(int)] for i in (2, 3)]
        units = np.column_stack([(values[:, 0] - 10) / 2, (values[:, 1] + 3) / 0.5, *one_hot, values[:, 4] > 0])
        # values of order 3 in steps of 2^-12
        assert np.allclose(drawn, np.cov(units.T, bias=True)[pairs], atol=4 * 2.0**-12)


def test_pictures_of_packed_states_have_the_units_of_the_data():
    packed = MIXED._states(TABLE, "X")
    one, two = (plot.samples(states, n=4, limits=(-5, 20)).images[0].get_array() for states in (TABLE, packed))
    assert np.allclose(one, two, atol=2.0**-12)
    one, two = (plot.inputs(MIXED, states, 0).child_axes[0].patches[0].get_data()[1] for states in (TABLE, packed))
    assert np.array_equal(one, two)


def test_history_of_real_units_has_no_probabilities():
    for rbm, label in ((DRELU, "hidden activity (mean of E[h | v])"), (RBM, "hidden activity (probability)")):
        assert plot.learning_curve(ACTIVITY, "hidden_activity", rbm=rbm).get_ylabel() == label
    drawn = plot.learning_curve(ACTIVITY, "reconstruction_error", rbm=MIXED)
    assert drawn.get_ylabel() == "reconstruction error (per column)"


PACKED = GAUSSIAN._states(REALS, "X")


def named(rbm, names):
    rbm._visible_names = tuple(names)
    return rbm


def test_samples_of_a_model_have_names_and_the_range_of_each_column():
    model = named(MIXED.copy(), ["height", "weight", "a $ of more than twenty-four letters", "smokes", "s"])
    ax = plot.samples(TABLE, n=20, rbm=model)
    expected = TABLE[:20].copy()
    low, high = TABLE[:, :2].min(axis=0), TABLE[:, :2].max(axis=0)
    expected[:, :2] = (expected[:, :2] - low) / (high - low)  # the grid of real units has 2^-16 of a scale
    expected[:, 2:] = (expected[:, 2:] - [0, 0, -1]) / 2
    assert np.abs(ax.images[0].get_array() - expected).max() < 1e-3 and ax.images[0].get_clim() == (0, 1)
    words = [label.get_text() for label in ax.get_xticklabels()]
    assert words == ["height", "weight", r"a \$ of more th...letters", "smokes", "s"]
    assert "20 of 60 states" in ax.get_ylabel() and ax.get_xlabel() == "column of the data"
    assert (
        plot.samples(TABLE[:1], rbm=model).images[0].get_array()[0, :2] == 0.5
    ).all()  # of one state no column varies


def test_a_table_with_names_is_no_picture_of_three_by_three():
    survey = named(fr.RBM(np.ones((9, 2))), "abcdefghi")
    assert [label.get_text() for label in plot.filters(survey).get_xticklabels()] == list("abcdefghi")
    assert plot.samples(np.eye(9), rbm=survey).images[0].get_array().shape == (9, 9)
    assert plot.filters(fr.RBM(np.ones((9, 2)))).get_xlabel() == "2 of 2 hidden units, largest norms first"
    pixels = named(RBM.copy(), map(str, range(64)))
    assert "hidden units" in plot.filters(pixels).get_xlabel()


def test_data_and_samples_have_the_names_and_colors_that_are_asked_for():
    both = {"labels": ("training", "test"), "colors": ["k", (0.0, 0.5, 0.0)]}
    expected = [(0.0, 0.0, 0.0), (0.0, 0.5, 0.0)]
    for ax in (
        plot.energies(RBM, X, SAMPLES, **both),
        plot.principal_axes(X, SAMPLES, **both),
        plot.marginals(REALS, REALS[:9], n=2, **both).child_axes[0],
    ):
        handles, labels = ax.get_legend_handles_labels()
        assert [label.split(":")[0].split(" (")[0] for label in labels] == ["training", "test"]
        drawn = [np.ravel(h.get_edgecolor() if isinstance(h, StepPatch) else h.get_facecolor()) for h in handles]
        assert [tuple(color[:3]) for color in drawn] == expected
    assert plot.energies(RBM, X, SAMPLES, **both).get_title() == "Free energies of training and test"


def test_names_of_columns_do_not_hide_each_other():
    far = REALS * 3.0
    names = [text.get_text() for text in plot.column_moments(REALS, far).texts]
    assert names and len(names) == len(set(names)) <= 5
    ax = plot.column_moments(np.repeat(REALS[:, :1], 5, axis=1), np.repeat(far[:, :1], 5, axis=1))
    assert [text.get_text() for text in ax.texts] == ["column 0"]


def test_long_names_take_lines_in_the_titles_of_panels():
    names = [f"a name of many letters, number {k}, in milligrams" for k in range(9)]
    panels = plot.marginals(REALS, REALS[:9], rbm=named(GAUSSIAN.copy(), names)).child_axes
    for panel in panels:
        assert max(map(len, panel.get_title().split("\n"))) <= 30 and "distance" in panel.get_title()


MISTAKES = [
    (lambda: plot.inputs(X, X), TypeError, "rbm must be an RBM, not ndarray"),
    (lambda: plot.inputs(DRELU, X[:0]), ValueError, "X must have at least one example"),
    (lambda: plot.inputs(DRELU, X[:, :9]), ValueError, "X has 9 units per example"),
    (lambda: plot.inputs(DRELU, X, hidden=8), ValueError, "hidden must be numbers of hidden units, got 8"),
    (lambda: plot.inputs(DRELU, X, n=0), ValueError, "n must be at least 1"),
    (lambda: plot.inputs(DRELU, X, sample_weight=[1.0]), ValueError, r"sample_weight must have shape \(1797,\)"),
    (lambda: plot.inputs(GAUSSIAN, REALS * np.nan), ValueError, "X contains NaN"),
    (lambda: plot.marginals(X, X, rbm=RBM), ValueError, "rbm must have real visible units"),
    (lambda: plot.marginals(TABLE, TABLE, columns=[2], rbm=MIXED), ValueError, "column 2 is not"),
    (lambda: plot.marginals(TABLE, TABLE, columns=[5], rbm=MIXED), ValueError, "columns must be numbers of columns"),
    (lambda: plot.marginals([[np.nan]], [[1.0]]), ValueError, r"X must hold finite numbers; X\[0, 0\] is nan"),
    (lambda: plot.marginals(TABLE, TABLE[0]), ValueError, r"samples must be \(examples, columns\)"),
    (lambda: plot.column_moments(TABLE, TABLE[:, :2]), ValueError, "samples has 2 columns where X has 5"),
    (lambda: plot.site_frequencies(REALS, REALS, GAUSSIAN), ValueError, "real ones have column_moments"),
    (lambda: plot.site_frequencies(PACKED, REALS), ValueError, "X has real columns, .* give rbm"),
    (lambda: plot.principal_axes(PACKED, PACKED), ValueError, "X has real columns, .* give rbm"),
    (lambda: plot.pair_correlations(TABLE, TABLE), ValueError, "of a model with real columns give rbm"),
    (lambda: plot.samples(REALS), ValueError, "states must hold 0 or 1, or fractions"),
    (lambda: plot.samples(REALS, limits=1), TypeError, r"limits must be \(low, high\), got 1"),
    (lambda: plot.samples(REALS, limits=(1, 1)), ValueError, "low below high, got 1 and 1"),
    (lambda: plot.samples(REALS * np.inf, limits=(0, 1)), ValueError, "states must hold finite numbers"),
    (lambda: plot.samples(TABLE, limits=(0, 1), rbm=MIXED), ValueError, "give limits or rbm, not both"),
    (lambda: plot.samples(TABLE[:, :2], rbm=MIXED), ValueError, "states has 2 columns"),
    (lambda: plot.samples(TABLE * np.nan, rbm=MIXED), ValueError, "states contains NaN"),
    (lambda: plot.energies(RBM, X, X, labels="data"), TypeError, r"labels must be \(of data, of samples\), not str"),
    (lambda: plot.energies(RBM, X, X, labels=("a",)), ValueError, "labels must be two, of data and of samples, got 1"),
    (lambda: plot.energies(RBM, X, X, log="x"), ValueError, "log must be"),
    (lambda: plot.principal_axes(X, X, colors=("k", "no color")), ValueError, r"colors\[1\] is 'no color'"),
    (lambda: plot.marginals(REALS, REALS, colors=3), TypeError, "colors must be"),
    (lambda: plot.autocorrelation(TRACE, log="x"), ValueError, "log must be"),
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
    (lambda: plot.learning_curve(history(), x="time"), ValueError, "x must be"),
    (lambda: plot.learning_curve(history(), x="update"), ValueError, "history must have a column update and others"),
    (lambda: plot.learning_curve(history(), log="z"), ValueError, "log must be"),
    (
        lambda: plot.learning_curve(history(), "log_likelihood", log="y"),
        ValueError,
        "log='y' requires positive numbers, log_likelihood has -89",
    ),
    (lambda: plot.learning_curve({"a": history(), "b": 1}), TypeError, r"history\['b'\] must be a History, not int"),
    (lambda: plot.learning_curve({}), ValueError, "history must have at least one entry"),
    (lambda: plot.learning_curve({"a": history()}, label="b"), ValueError, "label and color are of one curve"),
    (lambda: plot.learning_curve(history(), color="no color"), ValueError, "color must be a color of matplotlib"),
    (lambda: plot.spectrum(X), TypeError, "rbm must be an RBM, not ndarray"),
    (lambda: plot.spectrum({"a": RBM, "b": X}), TypeError, r"rbm\['b'\] must be an RBM, not ndarray"),
    (lambda: plot.spectrum(RBM, log="log"), ValueError, "log must be"),
    (lambda: plot.moments(X, X), TypeError, "rbm must be an RBM, not ndarray"),
    (lambda: plot.moments(RBM, X[:, :9]), ValueError, "X has 9 units per example"),
    (lambda: plot.moments(RBM, X, X[:0]), ValueError, "samples must have at least one example"),
    (lambda: plot.moments(fr.RBM([[1.0]]), [[1]]), ValueError, "pair correlations need at least two columns"),
    (lambda: plot.autocorrelation(["a"]), TypeError, "series must be an array of numbers"),
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
    assert last == "ImportError: pictures need matplotlib: pip install matplotlib", run.stderr
