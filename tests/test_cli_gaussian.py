"""Real-valued data on the command line."""

import csv
import json

import numpy as np
import pytest
from test_cli import fastrbm as run

import fastrbm as fr
from fastrbm import cli


def fastrbm(capsys, *arguments):
    """Standard output."""
    code, out, err = run(capsys, *arguments)
    assert code == 0, err
    return out


NAMES = "height,weight,offset,constant"


def numbers(n=200):
    rng = np.random.default_rng(0)
    return rng.normal([170, 70, 1e6, 3], [10, 15, 1, 0], (n, 4))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    X = numbers()
    np.save("x.npy", X)
    np.savetxt("x.csv", X, delimiter=",", header=NAMES, comments="", fmt="%.17g")
    np.savetxt("valid.csv", X[:50], delimiter=",", header=NAMES, comments="", fmt="%.17g")
    rows = [["" if (i + j) % 7 == 0 else repr(float(x)) for j, x in enumerate(row)] for i, row in enumerate(X)]
    with open("gaps.csv", "w", newline="") as file:
        csv.writer(file).writerows([NAMES.split(","), *rows])
    np.save("gaps.npy", [[float(cell or "nan") for cell in row] for row in rows])
    return tmp_path


SHORT = ["--visible", "gaussian", "--hidden", "4", "--epochs", "3", "--quiet"]


def model(hidden="bernoulli", **options):
    X = numbers()
    rbm = fr.RBM.from_data(X, 4, visible="gaussian", hidden=hidden)
    fr.fit(rbm, X, epochs=3, **options)
    return rbm


def same(a, b):
    names = ("weights", "visible_bias", "hidden_bias")
    return (a.visible, a.hidden) == (b.visible, b.hidden) and all(
        np.array_equal(getattr(a, x), getattr(b, x)) for x in names
    )


@pytest.mark.parametrize("data", ["x.npy", "x.csv", "x.npy --on-disk"])
def test_train(folder, capsys, data):
    out = fastrbm(capsys, "train", *data.split(), *SHORT, "--validation", "valid.csv", "--score", "log-likelihood")
    found = fr.load("rbm.npz")
    assert same(found, model()) and (found.visible.gamma != 1.0).any()
    assert found.visible_names == (tuple(NAMES.split(",")) if "csv" in data else None)
    assert "200 examples x 4 columns" in out and "standard deviations off" in out


@pytest.mark.parametrize("hidden", ["relu", "drelu", "gaussian", "spin"])
def test_hidden_types_and_fixed_variances(folder, capsys, hidden):
    fastrbm(capsys, "train", "x.npy", *SHORT, "--hidden-type", hidden)
    assert same(fr.load("rbm.npz"), model(hidden))
    fastrbm(capsys, "train", "x.npy", *SHORT, "--hidden-type", hidden, "--fixed-variance")
    assert same(fr.load("rbm.npz"), model(hidden, learn_variance=False))
    fastrbm(capsys, "train", "digits", *SHORT[2:], "--hidden-type", hidden)
    assert fr.load("rbm.npz").hidden.name == hidden


def test_sample_score_info_and_inpaint(folder, capsys):
    fastrbm(capsys, "train", "x.csv", *SHORT, "--hidden-type", "drelu")
    rbm = fr.load("rbm.npz")
    assert "4 gaussian; hidden drelu" in (info := fastrbm(capsys, "info", "rbm.npz"))
    assert all(f"\n{name} " in info for name in ("visible mean", "visible scale", "hidden delta", "hidden xi"))
    assert "height, weight, offset, constant" in info
    fastrbm(capsys, "sample", "rbm.npz", "-n", "5", "--sweeps", "9", "--out", "s.csv")
    fastrbm(capsys, "sample", "rbm.npz", "-n", "5", "--sweeps", "9", "--out", "s.npy")
    with open("s.csv") as file:
        lines = list(csv.reader(file))
    samples = rbm.sample(5, 9)
    assert lines[0] == NAMES.split(",") and np.array_equal(np.load("s.npy"), samples)
    assert np.allclose(np.array(lines[1:], float), samples, rtol=1e-9)
    fastrbm(capsys, "sample", "rbm.npz", "-n", "5", "--sweeps", "9", "--clamp", "weight=80.5", "--out", "s.npy")
    assert (np.abs(np.load("s.npy")[:, 1] - 80.5) < 0.01).all()
    found = json.loads(fastrbm(capsys, "score", "rbm.npz", "valid.csv", "--json"))
    assert np.isfinite(found["mean"]) and found["examples"] == 50
    fastrbm(capsys, "inpaint", "rbm.npz", "gaps.csv", "--sweeps", "5", "--out", "full.npy")
    gaps, full = np.load("gaps.npy"), np.load("full.npy")
    assert np.isnan(gaps).sum() > 100 and np.array_equal(full[~np.isnan(gaps)], gaps[~np.isnan(gaps)])
    fr.RBM.from_data(numbers(), 2, visible="gaussian").save("plain.npz")
    fastrbm(capsys, "sample", "plain.npz", "-n", "3", "--sweeps", "2", "--out", "s.csv")
    assert np.loadtxt("s.csv", delimiter=",").shape == (3, 4) and "." in open("s.csv").read()


@pytest.mark.parametrize("data", ["gaps.npy", "gaps.csv"])
def test_missing_numbers(folder, capsys, data):
    fastrbm(capsys, "train", data, *SHORT, "--missing", "latent")
    gaps = np.load("gaps.npy")
    wanted = fr.RBM.from_data(gaps, 4, visible="gaussian")
    fr.fit(wanted, gaps, epochs=3, missing="latent")
    assert same(fr.load("rbm.npz"), wanted)


def test_settings(folder, capsys):
    printed = fastrbm(capsys, "train", "x.npy", *SHORT, "--hidden-type", "relu", "--fixed-variance", "--print-config")
    (folder / "run.toml").write_text(printed)
    fastrbm(capsys, "train", "x.npy", "--config", "run.toml")
    assert same(fr.load("rbm.npz"), model("relu", learn_variance=False))


def test_a_report(folder, capsys):
    pytest.importorskip("matplotlib")
    fastrbm(capsys, "train", "x.csv", *SHORT, "--report", "r.html")
    page = (folder / "r.html").read_text()
    assert "Means and standard deviations of 4 real columns" in page and "reconstruction error" in page
    assert "<td>height</td>" in page


MISTAKES = [
    ("x.npy --visible gaussian --threshold 3", "--threshold is for units of two values, and does nothing with"),
    ("x.npy --visible gaussian --dynamic-binarization", "--dynamic-binarization is for units of two values"),
    ("x.npy --visible gaussian --score pseudo-likelihood", "has no closed form with --visible gaussian"),
    ("x.npy --visible gaussian --states 3", "--states is the number of categories"),
    ("gaps.npy --visible gaussian", "gaps.npy, row 1, column 1 of 4: the value is missing or infinite: train with"),
    ("gaps.npy --visible gaussian --missing absent --method cd", "--missing absent is for categorical sites"),
    ("x.npy --fixed-variance", "--fixed-variance is for --visible gaussian"),
    ("x.npy", "of real numbers with --visible gaussian"),
    ("x.csv", "of real numbers with --visible gaussian"),
    ("x.npy --visible gaussian --learning-rate 1e9", "try a smaller learning rate"),
]


@pytest.mark.parametrize("arguments, message", MISTAKES)
def test_mistakes(folder, capsys, arguments, message):
    assert cli.main(["train", *arguments.split(), "--epochs", "3", "--quiet"]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
