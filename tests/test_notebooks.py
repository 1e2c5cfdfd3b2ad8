"""Notebooks: progress that rewrites itself and is on no red ground, and objects as HTML."""

import dataclasses
import sys
import types
import warnings
from html.parser import HTMLParser

import numpy as np
import pytest

import fastrbm as fr
from fastrbm._core import display, progress
from fastrbm._core.warn import warn
from fastrbm.sampling import gibbs, inpainting
from fastrbm.training.verdict import Finding, TrainingWarning

X = fr.datasets.load_digits()


class Bar:
    """What tqdm.auto gives in a notebook, as far as it is used."""

    made = []

    def __init__(self, total, dynamic_ncols):
        self.total, self.n, self.start_t, self.shown, self.closed = total, 0, 100.0, [], None
        self.container = types.SimpleNamespace(children=[None, types.SimpleNamespace(max=total), None])
        Bar.made.append(self)

    def set_description_str(self, text, refresh):
        self.name = text

    def set_postfix_str(self, text):
        self.shown.append((self.n, self.name, text))

    def close(self):
        self.closed = self.n, self.total, self.container.children[1].max


@pytest.fixture
def notebook(monkeypatch):
    """A kernel of IPython, without tqdm; the lines that it shows one after another in one place."""
    shell = types.SimpleNamespace(kernel=object())
    shell.lines, shell.html = [], []

    def display(text, raw, display_id=None):
        assert raw and (display_id is True) is not ("text/html" in text or bool(shell.lines))
        (shell.html if "text/html" in text else shell.lines).append(text.get("text/html", text["text/plain"]))
        return types.SimpleNamespace(update=display)

    module = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=display))
    monkeypatch.setattr(progress, "find_spec", lambda name: None)
    return shell


@pytest.fixture
def widgets(notebook, monkeypatch):
    monkeypatch.setattr(progress, "find_spec", lambda name: name in ("tqdm", "ipywidgets"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", types.SimpleNamespace(tqdm=Bar))
    monkeypatch.setattr(Bar, "made", [])
    return Bar.made


def test_the_line_of_a_notebook_is_rewritten_and_not_red(notebook, capsys):
    fr.fit(fr.RBM.from_data(X, 4), X, epochs=5, progress=True)
    assert capsys.readouterr() == ("", "")
    lines = notebook.lines
    assert len(lines) >= 5 and lines[0].startswith("epoch 1/5  ") and lines[-1].startswith("epoch 5/5  shuffled gap ")
    assert all(len(line) <= 100 for line in lines)


def test_warnings_of_a_notebook_are_not_red(notebook, capsys, monkeypatch):
    """They are shown as output where Python would write them, and else as filters have it."""

    def warned():
        warn("a < b and so on", TrainingWarning)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with monkeypatch.context() as patch:  # pytest would record it
            patch.setattr(warnings, "showwarning", print_warning)
            warned()
    assert notebook.html == ["<p><strong>TrainingWarning</strong>: a &lt; b and so on</p>"]
    assert capsys.readouterr() == ("", "")
    with pytest.warns(TrainingWarning, match="a < b"):
        warned()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warned()
        warnings.simplefilter("error")
        with pytest.raises(TrainingWarning):
            warned()
    assert len(notebook.html) == 1 and capsys.readouterr() == ("", "")
    del notebook.kernel
    with pytest.warns(TrainingWarning):
        warned()
    assert len(notebook.html) == 1


def print_warning(message, category, filename, lineno, file=None, line=None):
    """As Python does it."""
    print(warnings.formatwarning(message, category, filename, lineno, line), file=file or sys.stderr)


def test_a_terminal_of_ipython_is_no_notebook(notebook, capsys):
    del notebook.kernel
    fr.fit(fr.RBM.from_data(X, 4), X, epochs=2, progress=True)
    out, err = capsys.readouterr()
    assert not out and err.startswith("epoch 1/2")


def test_tqdm_where_it_is(widgets, capsys):
    fr.fit(fr.RBM.from_data(X, 4), X, epochs=3, progress=True, validation=X[:50])
    (bar,) = widgets
    assert [(n, name) for n, name, _ in bar.shown if n % 15 == 0] == [(15 * k, f"epoch {k}/3") for k in (1, 2, 3)]
    assert bar.shown[-1][2].startswith("free-energy gap ") and "reconstruction error 0." in bar.shown[-1][2]
    assert bar.closed == (45, 45, 45) and bar.start_t < 100.0
    assert capsys.readouterr() == ("", "")


def test_a_bar_of_a_training_that_stops_early_is_complete(widgets):
    fr.fit(fr.RBM.from_data(X, 4), X, epochs=20, progress=True, callbacks=[lambda state: state.epoch == 2])
    assert widgets[0].closed[:2] == (30, 30)


def test_a_bar_of_a_training_that_cools_down_has_its_new_length(widgets):
    stop = fr.EarlyStopping("epoch", patience=2, mode="min", cool_down=0.5)
    fr.fit(fr.RBM.from_data(X, 4), X, epochs=20, progress=True, callbacks=[stop])
    assert widgets[0].closed == (75, 75, 75)  # 3 epochs, and half as many, rounded up


def test_a_bar_of_a_training_that_breaks_off_is_not(widgets):
    def break_off(state):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fr.fit(fr.RBM.from_data(X, 4), X, epochs=20, progress=True, callbacks=[break_off])
    assert widgets[0].closed == (15, 300, 300)


def test_a_bar_that_breaks_costs_nothing(widgets, monkeypatch):
    monkeypatch.setattr(Bar, "set_postfix_str", None)
    history = fr.fit(fr.RBM.from_data(X, 4), X, epochs=3, progress=True)
    assert history["epoch"].tolist() == [1, 2, 3] and len(widgets) == 1


def test_a_bar_for_annealing(widgets):
    fr.likelihood.ais(fr.RBM.from_data(X, 4), n_betas=20, n_chains=8, progress=True)
    (bar,) = widgets
    assert bar.name == "AIS" and bar.closed == (160, 160, 160)


# ---------------------------------------------------------------- what objects look like


class Elements(HTMLParser):
    """The tags of a piece of HTML, which must be closed, and all of its text."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def objects():
    named = fr.RBM.from_data(X, n_hidden=16, seed=0)
    named._visible_names = tuple(f"<{k}>" for k in range(64))
    history = fr.fit(named.copy(), X, epochs=200, metrics=[fr.metrics.PseudoLikelihood(every=100)], seed=0)
    history.record(**dict.fromkeys(history, float("nan")))
    history.findings = (Finding("odd", "a < b"), Finding("more", "a > b"))
    short = fr.History()
    short.record(epoch=1, score=float("nan"))
    ais = fr.likelihood.ais(named, n_betas=20, n_chains=30)
    off = dataclasses.replace(
        fr.likelihood.bidirectional(named, X[:50], n_betas=20, n_chains=30), agree=False, reason="they are <far> apart"
    )
    chains = fr.Chains(named, 20)
    return {
        "model": named, "spins": fr.RBM(np.zeros((3, 2)), visible="spin"), "history": history, "short": short,
        "no rows": fr.History(), "exact": fr.likelihood.exact(named), "ais": ais, "both ways": off,
        "score": fr.likelihood.score(named, X[:50]), "one example": fr.likelihood.score(named, X[:1]),
        "doubted": dataclasses.replace(fr.likelihood.score(named, X[:50]), log_partition=off, upper=0.0),
        "population": fr.population_annealing(named, 100, 20), "chains": chains,
        "summary": fr.diagnostics.summary(fr.diagnostics.traces(chains, 20)),
        "meeting": fr.diagnostics.meet(named, X[:100], n_sweeps=20),
        "along": fr.likelihood.along(fr.sampling.Path(named, n_steps=3), X[:50], n_chains=10),
    }  # fmt: skip


@pytest.fixture(scope="module")
def shown():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return objects()


def test_every_repr_is_one_line(shown):
    for name, thing in shown.items():
        assert "\n" not in repr(thing) and len(repr(thing)) < 200, name
        assert repr(thing).startswith(type(thing).__name__), name


def test_html_is_whole_and_needs_nothing_else(shown):
    pages = {name: Elements(thing._repr_html_()) for name, thing in shown.items() if hasattr(thing, "_repr_html_")}
    assert len(pages) == 13
    for name, page in pages.items():
        assert {tag for tag, _ in page.tags} <= {*"div strong table thead tbody tr th td p svg polyline".split()}, name
        for tag, attributes in page.tags:
            assert not {"src", "href", "onclick"} & {*attributes} and "color" not in attributes.get("style", ""), name
            assert tag != "polyline" or attributes["stroke"] == "currentColor"
    text = {name: page.text for name, page in pages.items()}
    assert "<0>, <1>" in text["model"] and "Spin(3)" in text["spins"] and "1,024, root mean square 0.0" in text["model"]
    assert "they are <far> apart" in text["both ways"] and "NO" in text["both ways"]
    assert "they are <far> apart" in text["doubted"] and "by log Z" in text["doubted"]
    assert (
        "by the data" in text["score"]
        and "by the data" not in text["one example"]
        and "(1 example)" in text["one example"]
    )
    assert f"{shown['score'].mean:.3f} nats per example (50 examples)" in text["score"] and "exact" in text["exact"]
    assert "not measured" in text["short"] and "1 row" in text["short"] and "0 rows" in text["no rows"]
    for name in ("summary", "meeting"):  # all that is printed, too
        printed = str(shown[name]).splitlines()
        assert "".join(text[name].split()) == "".join([name.capitalize(), *printed]).replace(" ", ""), name
    assert "a < b" in text["history"] and "a > b" in text["history"] and "21 rows" in text["history"]


def test_a_curve_goes_through_what_was_measured(shown):
    history = shown["history"]
    page = Elements(history._repr_html_())
    curves = [attributes["points"].split() for tag, attributes in page.tags if tag == "polyline"]
    assert len(curves) == len(history.columns)
    for name, points in zip(history, curves, strict=True):
        column = history[name][np.isfinite(history[name])]
        heights = 22 - np.array([float(point.split(",")[1]) for point in points])  # of up to 20 pixels, in tenths
        expected = 20 * (column - column.min()) / np.ptp(column)
        assert len(points) == len(column) and np.abs(heights - expected).max() <= 0.051, name
        assert all(0 <= float(x) <= 120 for x, _ in (point.split(",") for point in points))


@pytest.mark.parametrize(
    "values, points",
    [([], 0), ([1.0], 0), ([np.nan, 1.0], 0), ([1.0, np.inf, 2.0], 2), ([3.0, 3.0], 2), ([-1e308, 1e308], 0)],
)
def test_curves_of_few_numbers(values, points):
    html = display.curve(np.array(values))
    assert html.count(",") == points and "nan" not in html


# ---------------------------------------------------------------- progress of samples


@pytest.mark.parametrize(
    "how, names",
    [
        ({}, ["population annealing", "sampling"]), ({"method": "gibbs"}, ["sampling"]),
        ({"method": "tempered"}, ["tempered sampling"]), ({"clamp": {0: 1}}, ["population annealing", "sampling"]),
    ],
)  # fmt: skip
def test_sampling_shows_progress_and_is_the_same(how, names, monkeypatch, capsys):
    rbm = fr.RBM.from_data(X, 16, seed=0)
    counts = {}
    done = progress.Countdown.done
    monkeypatch.setattr(
        progress.Countdown, "done",
        lambda self, count: (counts.setdefault(self.name, []).append(count / self.total), done(self, count)),
    )  # fmt: skip
    quiet = rbm.sample(30, 400, **how)
    assert capsys.readouterr() == ("", "")
    counts.clear()
    assert np.array_equal(rbm.sample(30, 400, progress=True, **how), quiet)
    lines = capsys.readouterr().err.splitlines()
    assert list(counts) == names and [line.split("  ")[0] for line in lines] == names
    for seen in counts.values():
        assert seen == sorted(seen) and seen[-1] == 1.0
    with pytest.raises(TypeError, match="progress must be True or False"):
        rbm.sample(3, progress=1)


@pytest.mark.parametrize("how", [{}, {"n_draws": 3}, {"most_probable": True}, {"probabilities": True, "n_draws": 2}])
def test_inpainting_shows_progress_and_is_the_same(how, monkeypatch, capsys):
    """Draws that are swept in several parts count on from each other."""
    monkeypatch.setattr(inpainting, "_CHAINS", 10)
    rbm, given, seen = fr.RBM.from_data(X, 16, seed=0), np.where(X[:7] == 1, np.nan, X[:7]), []
    done = progress.Countdown.done
    monkeypatch.setattr(
        progress.Countdown,
        "done",
        lambda self, count: (seen.append((self.before + count) / self.total), done(self, count)),
    )
    quiet = rbm.inpaint(given, 40, **how)
    assert capsys.readouterr() == ("", "")
    seen.clear()
    assert np.array_equal(rbm.inpaint(given, 40, progress=True, **how), quiet)
    assert capsys.readouterr().err.splitlines() == ["inpainting  100%  0:00 left"]
    n = how.get("n_draws", 30 if "most_probable" in how else 1)
    assert seen == sorted(seen) and seen[-1] == 1.0
    assert all(np.isclose(seen, k / n).any() for k in range(1, n + 1))  # after each draw
    with pytest.raises(TypeError, match="progress must be True or False"):
        rbm.inpaint(given, 3, progress=1)


def test_progress_of_sampling_comes_often():
    """Four million sweeps of one call are not one step."""
    seen = []
    countdown = types.SimpleNamespace(done=seen.append)
    rbm = fr.RBM.from_data(X, 16, seed=0)
    visible, hidden = (fr.BitMatrix.from_states(np.zeros((2000, n), np.uint8)) for n in (64, 16))
    gibbs.sweep(
        rbm._parameters, visible, hidden, 2000, seed=0, stream=1, first_sweep=1, countdown=countdown, n_threads=1
    )
    assert seen == sorted(seen) and seen[-1] == 2000 * 2000 and len(seen) > 5


def test_quiet_on_the_command_line(tmp_path, capsys):
    fr.RBM.from_data(X, 4).save(tmp_path / "m.npz")
    np.save(tmp_path / "x.npy", np.where(X[:5] == 1, np.nan, X[:5]))
    model, ending = str(tmp_path / "m.npz"), ["--sweeps", "20", "--out", str(tmp_path / "s.npy")]
    for command, words in (
        (["sample", model, "-n", "5"], "sampling"), (["inpaint", model, str(tmp_path / "x.npy")], "inpainting")
    ):  # fmt: skip
        for more, shown in ([], True), (["--quiet"], False), (["--json"], False):
            assert fr.cli.main([*command, *ending, *more]) == 0
            assert (f"{words}  100%" in capsys.readouterr().err) is shown
