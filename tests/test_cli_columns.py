"""The command line on tables of text beside real numbers: header, categories and numbers come out as they went in."""

import json

import numpy as np
import pytest
from test_cli_categories import done, rows_of, write_csv

import fastrbm as fr
from fastrbm.cli.data import drawn_of
from fastrbm.cli.form import Form, content

RNG = np.random.default_rng(0)
N, SHORT = 60, ["--hidden", "3", "--epochs", "3", "--quiet"]
KIND = RNG.integers(0, 3, N)
TABLE = {
    "kind": np.array(["u", "v, w", "x"])[KIND].tolist(), "length": (KIND * 10.0 + RNG.normal(0, 2, N)).tolist(),
    "age": RNG.integers(18, 90, N).tolist(), "rooms": RNG.integers(1, 4, N).tolist(),
    "child": (RNG.random(N) < 0.5).tolist(), "always": [2.5] * N,
}  # fmt: skip
REAL = ("length", "age", "always")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv("table.csv", TABLE)
    holes = {name: list(column) for name, column in TABLE.items()}
    gaps = [(0, "kind"), (1, "length"), (2, "age"), (3, "child"), (3, "length"), *((4, name) for name in TABLE)]
    for row, name in gaps:
        holes[name][row] = ""
    write_csv("holes.csv", holes)
    return tmp_path


def test_a_table_there_and_back(folder, capsys):
    said = done(capsys, "train", "table.csv", *SHORT, "--out", "m.npz", "--validation", "table.csv")
    assert "categories: kind 3, rooms 3; two values: child; real numbers, standardized: length, age, always\n" in said
    table, rbm = fr.datasets.load_categories("table.csv"), fr.load("m.npz")
    own = fr.RBM.from_data(table, 3, seed=0)
    fr.fit(own, table.codes, fr.gradient.PCD(256), epochs=3, validation=table.codes)
    assert np.array_equal(rbm.weights, own.weights) and rbm.visible == own.visible
    assert rbm.visible_categories == table.categories and rbm.visible_names == tuple(TABLE)
    done(capsys, "sample", "m.npz", "-n", 30, "--sweeps", 5, "--clamp", "length=3.5", "--out", "s.csv", "--quiet")
    names, *rows = rows_of("s.csv")
    drawn = dict(zip(names, zip(*rows, strict=True), strict=True))
    assert names == list(TABLE) and set(drawn["kind"]) <= set(TABLE["kind"])
    assert set(drawn["child"]) == {"True", "False"}
    assert set(drawn["rooms"]) <= {"1", "2", "3"} and all(abs(float(x) - 3.5) < 0.01 for x in drawn["length"])
    assert any("." in x for x in drawn["age"])
    for data in ("table.csv", "s.csv"):  # samples are data
        score = json.loads(done(capsys, "score", "m.npz", data, "--json"))
        codes = fr.datasets.load_codes(data, rbm.visible_names, rbm.visible_categories)
        assert score["mean"] == pytest.approx(fr.likelihood.score(rbm, codes).mean, abs=1e-12)
    done(capsys, "train", "s.csv", *SHORT, "--real", "length", "--out", "again.npz")
    assert "column age                    real numbers" in done(capsys, "info", "m.npz")


def test_gaps_are_filled_and_nothing_else_changes(folder, capsys):
    said = done(capsys, "train", "holes.csv", *SHORT, "--missing", "latent", "--out", "m.npz")
    assert "; 3.1% of the entries are missing\n" in said
    done(capsys, "inpaint", "m.npz", "holes.csv", "--sweeps", 5, "--out", "filled.csv", "--quiet")
    names, *rows = rows_of("filled.csv")
    rbm, head = fr.load("m.npz"), rows_of("holes.csv")
    assert names == head[0] == list(TABLE)
    for row, before in zip(rows, head[1:], strict=True):
        for name, cell, old in zip(names, row, before, strict=True):
            if old:
                assert float(cell) == float(old) if name in REAL else cell == old
            else:
                assert np.isfinite(float(cell)) if name in REAL else cell in map(str, TABLE[name])
    X = fr.datasets.load_codes("holes.csv", rbm.visible_names, rbm.visible_categories)
    mean = rbm.inpaint(X, 5, 0, most_probable=True)[4, 2]
    assert rows[4][2] == format(mean, ".10g")
    known = np.zeros((1, 2), bool)
    known[0, 0] = True
    form = Form(fr.units.Gaussian(2))
    assert content(np.full((1, 2), 1 / 3), ".csv", form, known).decode() == "0.3333333333333333,0.3333333333\n"


def test_labels_beside_real_numbers(folder, capsys):
    """The label is a column of the table, or a file; the others are standardized, whichever way they are named."""
    write_csv("numbers.csv", {name: TABLE[name] for name in ("kind", "length", "age")})
    np.savetxt("kinds.csv", KIND, "%d")
    write_csv("rest.csv", {name: TABLE[name] for name in TABLE if name != "kind"})
    scale = np.std(TABLE["length"])
    models = []
    for data, more in (
        ("numbers.csv", ["--labels", "kind"]), ("numbers.csv", ["--labels", "kind", "--visible", "gaussian"]),
        ("table.csv", ["--labels", "kind", "--method", "hybrid"]), ("rest.csv", ["--labels", "kinds.csv"]),
    ):  # fmt: skip
        done(capsys, "train", data, *more, *SHORT, "--out", "m.npz")
        rbm = fr.load("m.npz")
        real = next(segment for segment in rbm.visible.segments if segment.real)
        assert real.scale[0] == pytest.approx(scale, rel=1e-6)
        models.append(rbm)
        if data != "rest.csv":
            out = done(capsys, "classify", "m.npz", data, "--labels", "kind", "--out", "p.csv")
            assert f"of {N} examples wrong" in out and rows_of("p.csv")[0] == ["kind", "p(u)", "p(v, w)", "p(x)"]
    assert np.array_equal(models[0].weights, models[1].weights)


def test_columns_that_are_named_real(folder, capsys):
    write_csv("numbers.csv", {"a": TABLE["rooms"], "b": TABLE["length"], "c": [k % 2 for k in range(N)]})
    said = done(capsys, "train", "numbers.csv", *SHORT, "--real", "a", "--fixed-variance", "--out", "m.npz")
    assert "two values: c; real numbers, standardized: a, b\n" in said
    rbm = fr.load("m.npz")
    assert rbm.visible.segments[0].gamma.tolist() == [1.0, 1.0] and rbm.visible_categories == (None, None, (0, 1))
    write_csv("one.csv", {"b": TABLE["length"][:1]})
    done(capsys, "train", "one.csv", *SHORT, "--real", "b", "--out", "m.npz")
    assert rows_of("one.csv")[1][0] == repr(float(fr.load("m.npz").visible.data_mean[0]))


def test_gray_values_beside_a_label_are_drawn_anew(folder, capsys):
    gray = RNG.random((N, 5)).round(3)
    write_csv("gray.csv", {f"p{k}": gray[:, k].tolist() for k in range(5)} | {"kind": TABLE["kind"]})
    options = ["--labels", "kind", "--dynamic-binarization", "--method", "hybrid", "--validation", "0.3"]
    said = json.loads(done(capsys, "train", "gray.csv", *options, *SHORT, "--out", "m.npz", "--json"))
    assert said["labels"] == 18
    rest = np.sort(fr._core.philox.permutation(N, 0, fr._core.philox.HELD_OUT, 0)[18:])
    X = np.column_stack([gray, KIND])[rest]
    rbm = fr.RBM.from_data(X, 3, visible=[fr.units.Bernoulli(5), fr.units.Categorical(1, 3)])
    gradient, rate = fr.gradient.Hybrid(fr.gradient.PCD(256), 0.01), fr.optim.Linear(0.005, 0.0)
    fr.fit(rbm, X, gradient, fr.optim.Adam(rate), epochs=3, centered=False, dynamic_binarization=True)
    assert np.array_equal(fr.load("m.npz").weights, rbm.weights)
    held = np.sort(fr._core.philox.permutation(N, 0, fr._core.philox.HELD_OUT, 0)[:18])
    drawn = drawn_of(np.column_stack([gray[held], KIND[held]]), rbm.visible, 0)
    p = fr.likelihood.label_probabilities(fr.load("m.npz"), drawn)
    assert said["label_log_likelihood"] == pytest.approx(np.log(p[np.arange(18), KIND[held]]).mean(), abs=1e-9)
