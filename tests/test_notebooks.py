"""Notebooks: progress that rewrites itself and is on no red ground, and objects as HTML."""

import sys
import types

import numpy as np
import pytest

import fastrbm as fr
from fastrbm._core import progress

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
    """A kernel of IPython, without tqdm; what it writes."""
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
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
    text, red = capsys.readouterr()
    assert text.startswith("\repoch 1/5") and text.count("\n") == 1 and text.endswith("\n") and not red
    assert text.count("\r") >= 5 and all(len(line) <= 100 for line in text.split("\r"))


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
