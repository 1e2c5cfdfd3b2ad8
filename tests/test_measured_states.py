"""A model is compared with states drawn from fractions, not with fractions cut at 1/2, whose means are others."""

import json
import warnings

import numpy as np
import pytest
from helpers import Loader
from test_cli import fastrbm

import fastrbm as fr
from fastrbm import cli
from fastrbm.states import drawn as module
from fastrbm.states.drawn import drawn_parts
from fastrbm.states.fractions import Fractions
from fastrbm.training import data, fit, measuring

u = fr.units
# two pictures, below 1/2 everywhere
FAINT = np.random.default_rng(0).permutation(np.repeat(np.kron([[0.45, 0.02], [0.02, 0.45]], np.ones(32)), 900, axis=0))
FAINT = FAINT.astype(np.float32)
LAYERS = [u.Bernoulli(6), u.Spin(6), u.Categorical(3, 2), u.Row([u.Categorical(1, 4), u.Bernoulli(2)])]


def fractions_of(unit, n, seed=0):
    """One row of probabilities, n times; those of a site sum to 1."""
    row = np.random.default_rng(seed).random(6)
    for segment, at in unit._units() if isinstance(unit, u.Row) else [(unit, slice(0, 6))]:
        if isinstance(segment, u.Categorical):
            q = segment.sizes[0]
            row[at] = (row[at].reshape(-1, q) / row[at].reshape(-1, q).sum(axis=1, keepdims=True)).reshape(-1)
    return np.tile(row, (n, 1))


@pytest.mark.parametrize("unit", LAYERS, ids=lambda unit: type(unit).__name__)
def test_probabilities_are_those_of_the_fractions(unit, monkeypatch):
    """Each unit is on as often, within 5 standard errors; by the same numbers wherever the examples are cut."""
    n = 40_000
    fractions = fractions_of(unit, n)
    states = drawn_parts(fractions, unit, 3, 50)
    assert states.dtype == np.uint8 and states.shape == (n, unit.n_columns)
    on = measuring.packed(states, unit).to_units() == 1
    p = fractions[0]
    assert (np.abs(on.mean(axis=0) - p) < 5 * np.sqrt(p * (1 - p) / n)).all()
    monkeypatch.setattr(module, "_NUMBERS", 70)
    parts = [drawn_parts(fractions[a:b], unit, 3, 50, first=a) for a, b in ((0, 1), (1, 1), (1, 2000))]
    assert np.array_equal(np.concatenate(parts), states[:2000])
    assert not np.array_equal(drawn_parts(fractions[:99], unit, 3, 50, 1), states[:99])
    assert drawn_parts(states, unit, 3, 50) is states


def test_certain_units_are_certain_and_sites_have_no_other_categories():
    sure = np.tile([0.0, 1.0, 1e-30, 0.0, 0.0, 1.0], (1000, 1))
    assert (drawn_parts(sure, u.Bernoulli(6), 0, 50) == [0, 1, 0, 0, 0, 1]).all()
    assert (drawn_parts(sure, u.Categorical(2, 3), 0, 50) == [1, 2]).all()
    assert (drawn_parts(sure[:, ::-1].copy(), u.Categorical(2, 3), 0, 50) == [0, 1]).all()


def trained(X):
    rbm = fr.RBM.from_data(X, 4, seed=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = fr.fit(rbm, X, dynamic_binarization=True, epochs=40, n_threads=1, trajectory=True)
    return history, [str(w.message) for w in caught]


class Batches:
    def __len__(self):
        return 15

    def __iter__(self):
        return (FAINT[k : k + 128] for k in range(0, len(FAINT), 128))


@pytest.mark.parametrize("X", [FAINT, Batches()], ids=["array", "batches"])
def test_faint_pictures_are_no_fault_of_the_chains(X, monkeypatch):
    """The means of chains are those of the fractions; those of fractions that are cut at 1/2 are 0, and so are the
    free-energy gap to shuffled examples and what the trajectory sees."""
    history, reported = trained(X)
    assert not reported and history["shuffled_gap"][-1] > 0.05
    for place in (measuring, fit, data):  # as it was
        monkeypatch.setattr(place, "drawn_parts", lambda numbers, unit, *more, **which: unit.hardened(numbers))
    history, reported = trained(X)
    assert "The chains of the training are unlike the data" in reported[0] and history["shuffled_gap"][-1] == 0.0


def test_measured_states_do_not_depend_on_how_fractions_are_kept(tmp_path):
    np.save(tmp_path / "x.npy", FAINT)
    stores = FAINT, FAINT.astype(np.float64), np.load(tmp_path / "x.npy", mmap_mode="r")
    for draw in (True, False):
        histories = []
        for X in stores:
            rbm = fr.RBM.from_data(FAINT, 4, seed=0)
            history = fr.fit(rbm, X, dynamic_binarization=draw, epochs=2, n_threads=1)
            histories.append([history[name].tolist() for name in ("reconstruction_error", "shuffled_gap")])
        assert histories[0] == histories[1] == histories[2]


def test_soft_categories_are_drawn():
    """Sites whose categories have probabilities: batches among which some are codes."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, (200, 2))
    soft = np.tile([0.6, 0.3, 0.1, 0.2, 0.2, 0.6], (200, 1))
    source = data.source_of(Loader(soft, codes), u.Categorical(2, 3), 128, 0)
    some = source.some_examples()
    assert some.shape == (256, 2) and np.array_equal(some[200:], codes[:56])
    # 0.1 and 0.6 of 200, within 5 standard errors
    assert abs((some[:200, 0] == 2).mean() - 0.1) < 5 * 0.3 / np.sqrt(200)
    assert abs((some[:200, 1] == 2).mean() - 0.6) < 5 * 0.5 / np.sqrt(200)


def test_units_of_two_values_beside_sites_are_drawn(monkeypatch):
    """Each as often as its fraction says; the codes beside stay; by the same numbers wherever examples are cut."""
    unit, n = u.Row([u.Bernoulli(64), u.Categorical(1, 3)]), len(FAINT)
    codes = np.arange(n)[:, None] % 3
    X = np.concatenate([FAINT, codes], axis=1)
    states = drawn_parts(Fractions.read(X, unit, "X"), unit, 3, 50)
    apart = np.abs(states[:, :64].mean(axis=0) - FAINT.mean(axis=0))
    assert (apart < 5 * np.sqrt(0.25 / n)).all() and np.array_equal(states[:, 64:], codes)
    monkeypatch.setattr(module, "_NUMBERS", 700)
    parts = [drawn_parts(Fractions.read(X[a:b], unit, "X"), unit, 3, 50, first=a) for a, b in ((0, 1), (1, n))]
    assert np.array_equal(np.concatenate(parts), states)
    source = data.source_of(X, unit, 128, 0, None, True)
    assert abs(source.some_examples()[:, :64].mean() - FAINT.mean()) < 5 * np.sqrt(0.25 / (256 * 64))


def test_the_command_line_draws_where_the_training_did(tmp_path, capsys, monkeypatch):
    """Validation examples, score and report; a threshold has its way. A model whose units are independent with the
    fractions' means has the cross-entropy of these as its score, and of pictures cut at 1/2 another."""
    rng, seen = np.random.default_rng(0), []
    monkeypatch.setattr(cli.report, "report", lambda rbm, X, path, **how: seen.append(X) or fr.likelihood.score(rbm, X))
    np.save(tmp_path / "gray.npy", rng.choice([76, 51], (2000, 30)).astype(np.uint8))  # 0.3 and 0.2 of 255
    model, gray = tmp_path / "m.npz", tmp_path / "gray.npy"
    arguments = ["--dynamic-binarization", "--scale", 255, "--hidden", 1, "--epochs", 3, "--quiet"]
    code, out, _ = fastrbm(
        capsys, "train", gray, *arguments, "--validation", 0.2, "--report", tmp_path / "r.html", "--out", model
    )
    assert code == 0
    assert "dynamic binarization" in fastrbm(capsys, "info", model)[1]
    wanted = -30 * (-0.25 * np.log(0.25) - 0.75 * np.log(0.75))
    # a row's -log p varies by log 3 times the root of 30 x 3 / 16, and 400 validation examples by the most
    error = 5 * np.log(3) * np.sqrt(30 * 3 / 16 / 400)
    assert abs(float(out.split("mean log-likelihood ")[1].split()[0]) - wanted) < error
    scores = [["score", model, gray, "--scale", 255, "--json"], ["score", model, gray, "--threshold", 128, "--json"]]
    drawn_, cut = (json.loads(fastrbm(capsys, *each)[1])["mean"] for each in scores)
    assert abs(drawn_ - wanted) < error and abs(cut - 30 * np.log(0.75)) < error
    code, out, _ = fastrbm(capsys, "score", model, gray, "--scale", 255, "--quiet")
    assert "states are drawn from these real values" in out
    code, out, _ = fastrbm(capsys, "report", model, gray, "--scale", 255, "--out", tmp_path / "s.html")
    assert "states are drawn from these real values" in out
    assert all(abs(X.mean() - 0.25) < 5 * np.sqrt(3 / 16 / X.size) for X in seen) and len(seen) == 2
