"""The command line on tables of categories, codes and aligned sequences: what goes in comes out in the same form."""

import csv
import json

import numpy as np
import pytest
from test_cli import fastrbm

import fastrbm as fr
from fastrbm.cli.data import Form
from fastrbm.cli.sample import _clamp
from fastrbm.cli.words import CommandError

SHORT = ["--hidden", "4", "--epochs", "3", "--quiet"]
RNG = np.random.default_rng(0)
GROUP = RNG.integers(0, 3, 60)
SURVEY = {
    "color": np.array(["red", "light, blue", "green"])[GROUP].tolist(),
    "rooms": (GROUP + RNG.integers(0, 3, 60) + 1).tolist(),
    "smokes": np.where(GROUP == 0, "yes", "no").tolist(),
    "child": (RNG.random(60) < 0.5).tolist(),
}
CODES = ((GROUP[:, None] + RNG.integers(0, 3, (60, 9))) % 5).astype(np.uint8)


def write_csv(path, table, header=True):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        if header:
            writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
    return path


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv("survey.csv", SURVEY)
    fr.datasets.write_fasta("family.fasta", CODES, "rna")
    fr.datasets.write_fasta("family.fa.gz", CODES, "rna")
    np.save("codes.npy", CODES)
    return tmp_path


def done(capsys, *arguments):
    code, out, err = fastrbm(capsys, *arguments)
    assert code == 0, err
    return out


# ---------------------------------------------------------------- tables


def test_a_table_there_and_back(folder, capsys):
    said = done(capsys, "train", "survey.csv", *SHORT, "--out", "m.npz", "--validation", "survey.csv")
    assert said.startswith("categories: color 3, rooms 5; two values: smokes, child\n60 examples x 4 columns, 4 hidden")
    rbm = fr.load("m.npz")
    assert rbm.visible_names == tuple(SURVEY)
    assert rbm.visible_categories == (
        ("green", "light, blue", "red"), (1, 2, 3, 4, 5), ("no", "yes"), (False, True),
    )  # fmt: skip
    said = done(capsys, "sample", "m.npz", "-n", 50, "--sweeps", 5, "--seed", 3, "--out", "s.csv")
    assert said == "50 samples x 4 columns after 5 sweeps. Saved s.csv\n"
    names, *rows = rows_of("s.csv")
    assert names == list(SURVEY) and len(rows) == 50
    drawn = rbm.to_frame(rbm.sample(50, 5, 3), like={})
    assert rows == [list(map(str, row)) for row in zip(*drawn.values(), strict=True)]
    score = json.loads(done(capsys, "score", "m.npz", "survey.csv", "--json"))
    coded = fr.datasets.load_categories("survey.csv")
    assert score["mean"] == fr.likelihood.score(rbm, coded.codes).mean
    assert json.loads(done(capsys, "score", "m.npz", "s.csv", "--json"))["examples"] == 50
    done(capsys, "train", "s.csv", *SHORT, "--out", "again.npz")  # samples are data


def test_some_of_the_categories_are_enough_for_a_score(folder, capsys):
    """Codes are those of the model, not those that later data alone would have."""
    done(capsys, "train", "survey.csv", *SHORT, "--out", "m.npz")
    write_csv("two.csv", {"color": ["red"], "rooms": [4], "smokes": ["yes"], "child": ["false"]})
    score = json.loads(done(capsys, "score", "m.npz", "two.csv", "--json"))
    rbm = fr.load("m.npz")
    assert score["mean"] == fr.likelihood.score(rbm, [[2, 3, 1, 0]]).mean


def test_samples_of_clamped_columns(folder, capsys):
    done(capsys, "train", "survey.csv", *SHORT, "--out", "m.npz")
    clamp = ["--clamp", "color=light, blue", "--clamp", "rooms=2", "--clamp", "3=True"]
    done(capsys, "sample", "m.npz", "-n", 8, "--sweeps", 3, *clamp, "--out", "s.csv")
    assert {tuple(row[k] for k in (0, 1, 3)) for row in rows_of("s.csv")[1:]} == {("light, blue", "2", "True")}
    for pair, message in (
        ("colors=red", "the model has columns color, rooms, smokes, child; did you mean 'color'?"),
        ("color=rad", "the values of this column are green, light, blue, red; did you mean 'red'?"),
        ("color", "--clamp must be COLUMN=VALUE"),
        ("4=red", "the model has columns"),
    ):
        code, _, err = fastrbm(capsys, "sample", "m.npz", "--clamp", pair, "--out", "s.csv")
        assert code == 2 and message in err and err.count("\n") == 1


def test_a_table_without_names(folder, capsys):
    """Codes alone are seen to have none; of text, --no-header says so."""
    np.savetxt("codes.csv", CODES, "%d", ",")
    write_csv("plain.csv", SURVEY, header=False)
    for data, options in (("codes.csv", []), ("plain.csv", ["--no-header"])):
        done(capsys, "train", data, *SHORT, *options, "--out", "m.npz")
        rbm = fr.load("m.npz")
        assert rbm.visible_names is None and rbm.visible_categories is not None
        done(capsys, "sample", "m.npz", "-n", 5, "--sweeps", 2, "--out", "s.csv")
        assert len(rows_of("s.csv")) == 5
        for later in (data, "s.csv"):
            done(capsys, "score", "m.npz", later, "--quiet")


def test_a_table_of_0_and_1_is_as_before(folder, capsys):
    bits = {"a": [0, 1, 1, 0], "b": [1, 1, 0, 0]}
    write_csv("bits.csv", bits)
    done(capsys, "train", "bits.csv", *SHORT, "--out", "m.npz")
    rbm = fr.load("m.npz")
    assert isinstance(rbm.visible, fr.units.Bernoulli) and rbm.visible_categories is None
    done(capsys, "sample", "m.npz", "-n", 3, "--sweeps", 2, "--out", "s.csv")
    assert rows_of("s.csv")[0] == ["a", "b"]


def test_pixels_and_a_label(folder, capsys):
    bits = RNG.integers(0, 2, (40, 16))
    table = {f"pixel{k}": bits[:, k].tolist() for k in range(16)} | {
        "label": np.array(["x", "y", "z"])[bits.sum(1) % 3]
    }
    write_csv("pictures.csv", table)
    done(capsys, "train", "pictures.csv", *SHORT, "--out", "m.npz")
    rbm = fr.load("m.npz")
    assert rbm.visible.segments == (fr.units.Bernoulli(16), fr.units.Categorical(1, 3))
    assert rbm.visible_categories[-1] == ("x", "y", "z")


def test_missing_entries(folder, capsys):
    """Latent in training, marginal in a score, and filled in."""
    pytest.importorskip("matplotlib")
    holes = {name: [*column] for name, column in SURVEY.items()}
    holes["color"][3] = holes["rooms"][5] = holes["smokes"][5] = holes["child"][9] = ""
    write_csv("holes.csv", holes)
    said = done(capsys, "train", "holes.csv", *SHORT, "--missing", "latent", "--out", "m.npz", "--report", "r.html")
    assert "Nothing was held out, so that overfitting would not show: --validation FILE, of complete examples" in said
    assert said.startswith("categories: color 3, rooms 5; two values: smokes, child; 1.7% of the entries are missing\n")
    assert "(57 examples, " in said and "of the training examples in which nothing is missing. Saved r.html" in said
    X = fr.datasets.load_categories("holes.csv").codes
    X = np.where(X < 0, np.nan, X)
    rbm = fr.load("m.npz")
    same = fr.RBM.from_data(X, 4, seed=0, visible=rbm.visible)
    fr.fit(same, X, fr.gradient.PCD(256), epochs=3, seed=0, missing="latent")
    assert np.array_equal(same.weights, rbm.weights)
    done(capsys, "train", "holes.csv", *SHORT, "--missing", "latent", "--missing-sweeps", 2, "--out", "m2.npz")
    fewer = fr.RBM.from_data(X, 4, seed=0, visible=rbm.visible)
    fr.fit(fewer, X, fr.gradient.PCD(256), epochs=3, seed=0, missing="latent", missing_sweeps=2)
    assert np.array_equal(fr.load("m2.npz").weights, fewer.weights) and not np.array_equal(fewer.weights, rbm.weights)
    score = json.loads(done(capsys, "score", "m.npz", "holes.csv", "--json"))
    assert score["mean"] == fr.likelihood.score(rbm, X).mean
    done(capsys, "inpaint", "m.npz", "holes.csv", "--out", "filled.csv", "--sweeps", 10)
    filled = rows_of("filled.csv")
    assert filled[0] == list(SURVEY) and [row for row in filled if "" in row] == []
    assert sum(a != b for a, b in zip(filled, rows_of("holes.csv"), strict=True)) == 3
    np.save("x.npy", X)
    done(capsys, "train", "x.npy", *SHORT, "--missing", "absent", "--states", 5, "--method", "cd", "--out", "m.npz")
    assert fr.load("m.npz").visible == fr.units.Categorical(4, 5)


def test_dropped_columns(folder, capsys):
    names = [f"n{k}" for k in range(60)]
    write_csv("people.csv", {"id": names} | SURVEY | {"kg": (RNG.random(60) * 50).tolist()})
    drop = ["--drop", "id", "--drop", "kg"]
    done(capsys, "train", "people.csv", *SHORT, *drop, "--out", "m.npz")
    done(capsys, "train", "survey.csv", *SHORT, "--out", "s.npz")
    assert fr.load("m.npz").visible_names == tuple(SURVEY)
    assert np.array_equal(fr.load("m.npz").weights, fr.load("s.npz").weights)
    score = done(capsys, "score", "m.npz", "people.csv", *drop, "--quiet")
    assert score == done(capsys, "score", "m.npz", "survey.csv", "--quiet")
    done(capsys, "inpaint", "m.npz", "people.csv", *drop, "--out", "c.csv")
    assert rows_of("c.csv") == rows_of("survey.csv")
    code, _, err = fastrbm(capsys, "score", "m.npz", "people.csv", "--quiet")
    assert code == 2 and "it has 'id', 'kg', which the model has not: leave out such columns (--drop)" in err
    bits = {"id": names, "a": [0, 1] * 30, "b": [1, 1, 0] * 20}
    write_csv("bits.csv", bits)
    done(capsys, "train", "bits.csv", *SHORT, "--drop", "id", "--out", "b.npz")
    done(capsys, "score", "b.npz", "bits.csv", "--drop", "id", "--quiet")


# ---------------------------------------------------------------- codes


def test_codes(folder, capsys):
    said = done(capsys, "train", "codes.npy", *SHORT, "--visible", "categorical", "--states", 7, "--out", "m.npz")
    assert said.startswith("codes of 7 categories\n")
    assert fr.load("m.npz").visible == fr.units.Categorical(9, 7)
    done(capsys, "train", "codes.npy", *SHORT, "--visible", "categorical", "--out", "m.npz")
    assert fr.load("m.npz").visible == fr.units.Categorical(9, 5)
    done(capsys, "train", "codes.npy", *SHORT, "--states", 5, "--on-disk", "--out", "d.npz")
    assert np.array_equal(fr.load("d.npz").weights, fr.load("m.npz").weights)
    np.savetxt("codes.csv", CODES, "%d", ",")
    done(capsys, "train", "codes.csv", *SHORT, "--states", 5, "--out", "c.npz")
    assert np.array_equal(fr.load("c.npz").weights, fr.load("m.npz").weights)
    rbm = fr.RBM.from_data(CODES, 4, seed=0, visible=fr.units.Categorical(9, 5))
    fr.fit(rbm, CODES, fr.gradient.PCD(256), epochs=3, seed=0)
    assert np.array_equal(rbm.weights, fr.load("m.npz").weights)
    done(capsys, "sample", "m.npz", "-n", 3, "--sweeps", 2, "--out", "s.npy")
    done(capsys, "sample", "m.npz", "-n", 3, "--sweeps", 2, "--out", "s.csv")
    assert np.array_equal(np.load("s.npy"), np.loadtxt("s.csv", delimiter=","))
    for data in ("codes.npy", "codes.csv", "s.npy"):
        done(capsys, "score", "m.npz", data, "--quiet")


# ---------------------------------------------------------------- sequences


def test_sequences_there_and_back(folder, capsys):
    out = done(capsys, "train", "family.fasta", *SHORT, "--sequence-weights", 0.2, "--out", "m.npz")
    weights = fr.datasets.sequence_weights(CODES, threshold=0.2)
    assert "9 sites of 5 letters, rna -ACGU (guessed; --alphabet)" in out
    assert f"effective number of sequences {weights.sum():.1f}" in out
    rbm = fr.load("m.npz")
    assert rbm.visible == fr.units.Categorical(9, 5) and rbm.visible_categories == (tuple("-ACGU"),) * 9
    same = fr.RBM.from_data(CODES, 4, seed=0, visible=rbm.visible, sample_weight=weights)
    fr.fit(same, CODES, fr.gradient.PCD(256), epochs=3, seed=0, sample_weight=weights)
    assert np.array_equal(rbm.weights, same.weights)
    drawn = rbm.sample(6, 4, seed=2)
    for name in ("s.fasta", "s.fa.gz", "s.afa"):
        said = done(capsys, "sample", "m.npz", "-n", 6, "--sweeps", 4, "--seed", 2, "--out", name)
        assert said == f"6 samples x 9 sites after 4 sweeps. Saved {name}\n"
        assert np.array_equal(fr.datasets.read_fasta(name, "rna"), drawn)
        assert json.loads(done(capsys, "score", "m.npz", name, "--json"))["examples"] == 6
    score = json.loads(done(capsys, "score", "m.npz", "family.fasta", "--sequence-weights", 0.2, "--json"))
    assert score["mean"] == fr.likelihood.score(rbm, CODES, sample_weight=weights).mean
    assert score["total_weight"] == weights.sum() and score["examples"] == len(CODES)
    np.save("w.npy", weights)
    again = json.loads(done(capsys, "score", "m.npz", "family.fasta", "--sample-weight", "w.npy", "--json"))
    assert again == score
    done(capsys, "sample", "m.npz", "-n", 6, "--sweeps", 4, "--seed", 2, "--out", "s.csv")
    assert ["".join(row) for row in rows_of("s.csv")] == fr.datasets.decode_sequences(drawn, "rna")
    done(capsys, "sample", "m.npz", "--sweeps", 4, "--clamp", "2=G", "--out", "s.fasta")
    assert (fr.datasets.read_fasta("s.fasta", "rna")[:, 2] == 3).all()
    for data in ("family.fa.gz", "codes.npy", "s.csv"):
        done(capsys, "score", "m.npz", data, "--quiet")


@pytest.mark.parametrize(
    "alphabet, letters, words",
    [
        ([], "-ACGU", "rna -ACGU (guessed"),
        (["--alphabet", "rna"], "-ACGU", "rna -ACGU\n"),
        (["--alphabet", "RNA"], "-ACGU", "rna -ACGU\n"),
        (["--alphabet", "UGCA-"], "UGCA-", "UGCA-\n"),
    ],
)
def test_alphabets(folder, capsys, alphabet, letters, words):
    assert words in done(capsys, "train", "family.fasta", *SHORT, *alphabet, "--out", "m.npz")
    assert fr.load("m.npz").visible_categories[0] == tuple(letters)


@pytest.mark.parametrize(
    "lines, alphabet",
    [
        (["ACGT-", "AC.TN"], "dna"),
        (["ACGU-", "ACGT-"], "rna"),
        (["AC-"], "dna"),
        (["ACDEF"], "protein"),
        (["acgu"], "rna"),
    ],
)
def test_an_alphabet_is_guessed(tmp_path, lines, alphabet):
    path = tmp_path / "x.fa"
    path.write_text("".join(f">T\n{line}\n" for line in lines))
    assert fr.datasets.alignments.guessed_alphabet(path) == alphabet


def test_letters_that_an_alphabet_has_not(folder, capsys):
    (folder / "x.fasta").write_text(">a\nACDX-\n>b\nACaDE-\n")
    code, _, err = fastrbm(capsys, "train", "x.fasta", *SHORT, "--out", "m.npz")
    assert code == 2 and "choose another one by --alphabet, or, with a gap in it, read such" in err
    assert err.endswith("letters as gaps by --unknown gap\n")
    code, _, err = fastrbm(capsys, "train", "x.fasta", *SHORT, "--unknown", "gap", "--out", "m.npz")
    assert (
        code == 2 and "by --insertions drop, or read them as uppercase letters and '-' by --insertions match\n" in err
    )
    done(capsys, "train", "x.fasta", *SHORT, "--unknown", "gap", "--insertions", "drop", "--out", "m.npz")
    assert fr.load("m.npz").visible.n_sites == 5


# ---------------------------------------------------------------- info


def test_info(folder, capsys):
    done(capsys, "train", "survey.csv", *SHORT, "--out", "m.npz")
    out = done(capsys, "info", "m.npz")
    assert "2 sites of 3 to 5 categories, 2 bernoulli; hidden bernoulli\n" in out
    assert "column color                  green, light, blue, red\n" in out
    facts = json.loads(done(capsys, "info", "m.npz", "--json"))
    assert facts["columns"] == 4 and facts["categories"]["rooms"] == [1, 2, 3, 4, 5]
    done(capsys, "train", "family.fasta", *SHORT, "--out", "m.npz")
    assert json.loads(done(capsys, "info", "m.npz", "--json"))["alphabet"] == "-ACGU"


# ---------------------------------------------------------------- reports


@pytest.mark.parametrize(
    "data, options, words",
    [
        ("survey.csv", [], ["light, blue", "independent columns", "color"]),
        ("family.fasta", ["--sequence-weights", "0.2"], ["as logos", "<pre>"]),
    ],
)
def test_reports(folder, capsys, data, options, words):
    pytest.importorskip("matplotlib")
    quick = ["--betas", 20, "-n", 8, "--sweeps", 5, "--quiet"]
    done(capsys, "train", data, *SHORT, *options, "--out", "m.npz")
    done(capsys, "report", "m.npz", data, "-o", "r.html", *quick, *options)
    text = (folder / "r.html").read_text()
    for word in [*words, "Single-site frequencies", "Pair correlations"]:
        assert word in text
    code, _, err = fastrbm(capsys, "report", "m.npz", data, "-o", "r.html", *quick, "--shape", "2x2")
    assert code == 2 and "shape" in err and err.count("\n") == 1


# ---------------------------------------------------------------- mistakes

MISTAKES = [
    (["train", "family.fasta", "--visible", "bernoulli"], "holds sequences, whose units are categorical"),
    (["train", "family.fasta", "--visible", "spin"], "leave out --visible"),
    (["train", "family.fasta", "--threshold", "1"], "--threshold is for real values, and does nothing with sequences"),
    (["train", "family.fasta", "--scale", "5"], "--scale is for real values"),
    (["train", "family.fasta", "--dynamic-binarization"], "--dynamic-binarization is for real values"),
    (["train", "family.fasta", "--states", "5"], "--states does nothing with sequences"),
    (["train", "family.fasta", "--on-disk"], "--on-disk does nothing with sequences"),
    (["train", "family.fasta", "--key", "x"], "--key does nothing with sequences"),
    (["train", "family.fasta", "--no-header"], "--no-header does nothing with sequences"),
    (["train", "family.fasta", "--alphabet", "ACA"], "alphabet must be one of protein,"),
    (["train", "family.fasta", "--alphabet", "ACGT-N"], "line 2: 'U' is no letter of the alphabet ACGT-N"),
    (["train", "family.fasta", "--sequence-weights", "0"], "argument --sequence-weights: must be above 0"),
    (["train", "family.fasta", "--sequence-weights", "0.2", "--sample-weight", "w.npy"], "not both"),
    (["train", "familie.fasta"], "did you mean 'family.fasta'?"),
    (["train", "empty.fasta"], "empty.fasta has no sequences"),
    (
        ["train", "survey.csv", "--alphabet", "rna"],
        "--alphabet is for aligned sequences, in a file that ends in .fasta",
    ),
    (["score", "sequences.npz", "family.fasta", "--sequence-weights", "0.2", "--sample-weight", "w.npy"], "not both"),
    (["score", "sequences.npz", "codes.npy", "--sequence-weights", "0.2"], "is for aligned sequences"),
    (["train", "codes.npy", "--sequence-weights", "0.2"], "--sequence-weights is for aligned sequences"),
    (["train", "survey.csv", "--visible", "bernoulli"], "is not a number (column 'color'"),
    (["train", "survey.csv", "--threshold", "2"], "is not a number"),
    (["train", "codes.npy"], "or, of codes of categories, train with --visible categorical"),
    (["train", "codes.npy", "--states", "4"], "codes.npy must hold codes from 0 to 3"),
    (["train", "codes.npy", "--states", "300"], "argument --states: must be at most 255, got 300"),
    (["train", "codes.npy", "--states", "5", "--visible", "spin"], "does nothing with --visible spin"),
    (["train", "codes.npy", "--states", "5", "--threshold", "1"], "--threshold is for real values"),
    (["train", "codes.npy", "--states", "5", "--no-header"], "--no-header is for a .csv of categories"),
    (["train", "real.npy", "--visible", "categorical"], "must hold codes"),
    (
        ["train", "holes.csv"],
        "holes.csv, line 3, column 2 ('b'): the value is missing, as in 1 of 3 rows: train with --missing",
    ),
    (["train", "holes.csv", "--missing", "absent"], "--missing absent needs --method cd"),
    (["train", "holes.csv", "--missing", "latent", "--on-disk"], "--on-disk does nothing with --missing"),
    (["train", "family.fasta", "--missing", "latent"], "--missing does nothing with sequences"),
    (["train", "numbers.csv"], "numbers.csv, line 3, column 2: it is empty (column 'b'; an RBM needs every value"),
    (
        ["train", "real.csv", "--visible", "categorical"],
        "column 2 ('b') is real-valued (1.5), no category: say --visible gaussian where",
    ),
    (["train", "real.csv", "--real", "c"], "--real names 'c', which is no column of real.csv"),
    (["train", "real.csv", "--real", "a"], "column 1 ('a') must hold finite numbers; row 0 (counted from 0) has 'red'"),
    (["train", "real.csv", "--real", "b", "--visible", "gaussian"], "--real is for a .csv whose other columns are"),
    (["train", "codes.npy", "--real", "b"], "--real is for a .csv whose other columns are categories"),
    (["train", "survey.csv", "--fixed-variance"], "--fixed-variance is for gaussian columns, and there are none"),
    (["train", "id.csv"], "another text in each of its 30 rows, such as 'n0': an identifier? Leave it out (--drop)"),
    (["train", "survey.csv", "--drop", "colors"], "survey.csv has no column 'colors' to drop"),
    (["train", "survey.csv", "--drop", "color,rooms"], "no column 'color,rooms' to drop: drop several one by one"),
    (["train", "codes.npy", "--states", "5", "--drop", "0"], "--drop needs a .csv with names of columns"),
    (["train", "survey.csv", "--visible", "categorical", "--max-levels", "4"], "of more than 4 it is a quantity"),
    (["train", "codes.npy", "--visible", "potts"], "did you mean 'categorical'?"),
    (["sample", "table.npz", "--clamp", "x", "--out", "s.csv"], "--clamp must be COLUMN=VALUE, got x"),
    (["train", "plain.csv", "--hidden-type", "categorical"], "invalid choice: 'categorical'"),
    (["train", "survey.csv", "--validation", "color.csv"], "it lacks 'rooms', 'smokes', 'child'"),
    (["train", "survey.csv", "--validation", "codes.npy"], "codes.npy has 9 columns where the model has 4"),
    (["train", "digits", "--validation", "bars-and-stripes"], "bars-and-stripes has 16 columns where the model has 64"),
    (["train", "codes.npy", "--missing", "latent"], "codes.npy must hold 0, 1, or NaN (missing); codes.npy["),
    (["score", "table.npz", "-"], "(digits, bars-and-stripes); standard input is not read: give a file"),
    (["score", "", "digits"], "model must not be empty"),
    (["train", "digits", "--history", ""], "history must not be empty"),
    (["sample", "table.npz", "--out", "a\0.npy"], "out must not hold a null character"),
    (["sample", "table.npz", "--out", "s.fasta"], "the model's columns are no letters of one alphabet"),
    (["sample", "table.npz", "--out", "s.txt"], "its name must end in .npy or .npz or .csv or .tsv or .fasta"),
    (
        ["score", "table.npz", "pink.csv"],
        "pink.csv, line 2, column 1 ('color'): 'pink' is none of its categories: green",
    ),
    (["report", "table.npz", "hole.csv"], "hole.csv has missing entries: fill them in first (fastrbm inpaint)"),
    (["score", "table.npz", "ragged.csv"], "ragged.csv, line 2: it has 2 cells where 4 are required"),
    (["score", "table.npz", "color.csv"], "it lacks 'rooms'"),
    (["score", "table.npz", "family.fasta"], "the model's columns are no letters of one alphabet"),
    (
        ["score", "table.npz", "codes.npy", "--threshold", "1"],
        "--threshold is for real values; the model has categories",
    ),
    (["score", "table.npz", "codes.npy"], "codes.npy has 9 columns where the model has 4"),
    (["score", "table.npz", "digits"], "digits has 64 columns where the model has 4"),
    (["score", "sequences.npz", "survey.csv"], "it has 4 cells where 9 are required"),
    (["score", "sequences.npz", "family.fasta", "--alphabet", "rna"], "unrecognized arguments: --alphabet rna"),
]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    there = tmp_path_factory.mktemp("models")
    table = fr.datasets.load_categories(write_csv(there / "survey.csv", SURVEY))
    visible = [fr.units.Categorical(2, (3, 5)), fr.units.Bernoulli(2)]
    rbm = fr.RBM.from_data(table.codes, 2, visible=visible)
    rbm._visible_names, rbm._visible_categories = table.names, table.categories
    rbm.save(there / "table.npz")
    rbm = fr.RBM.from_data(CODES, 2, visible=fr.units.Categorical(9, 5))
    rbm._visible_categories = (tuple("-ACGU"),) * 9
    rbm.save(there / "sequences.npz")
    return there


@pytest.mark.parametrize("arguments, message", MISTAKES, ids=lambda a: " ".join(a) if isinstance(a, list) else "")
def test_mistakes_get_one_line_and_exit_code_2(folder, models, capsys, arguments, message):
    for name in ("table.npz", "sequences.npz"):
        (folder / name).write_bytes((models / name).read_bytes())
    np.save("w.npy", np.ones(60))
    np.save("real.npy", RNG.normal(size=(20, 3)))
    (folder / "empty.fasta").write_text("")
    (folder / "holes.csv").write_text("a,b\nred,1\nblue,\ngreen,2\n")
    (folder / "numbers.csv").write_text("a,b\n0,1\n1,\n1,1\n")
    (folder / "real.csv").write_text("a,b\nred,1.5\nblue,0.25\n")
    (folder / "id.csv").write_text("name,b\n" + "".join(f"n{k},{k % 2}\n" for k in range(30)))
    write_csv("plain.csv", SURVEY)
    write_csv("color.csv", {"color": SURVEY["color"]})
    write_csv("pink.csv", {"color": ["pink"], "rooms": [1], "smokes": ["no"], "child": [True]})
    write_csv("hole.csv", {"color": ["red"], "rooms": [1], "smokes": [""], "child": [True]})
    (folder / "ragged.csv").write_text("color,rooms,smokes,child\nred,1\n")
    if arguments[0] == "train":
        arguments = [*arguments, *SHORT, "--out", "m.npz"]
    code, _, err = fastrbm(capsys, *arguments)
    assert code == 2 and err.startswith("fastrbm") and err.count("\n") == 1 and message in err, err
    assert not (folder / "m.npz").exists()


@pytest.mark.parametrize(
    "column, value, right, words",
    [(0, "0.5", "1", "0, 1"), (2, "0.5", "-1", "-1, 1"), (3, "-1", "2", "0, 1, 2"), (4, "x", "0.5", "numbers")],
)
def test_values_that_a_column_has_not(column, value, right, words):
    units = fr.units
    form = Form(fr.RBM(np.zeros((8, 2)), visible=[units.Bernoulli(2), units.Spin(1), units.Categorical(1, 3),
                                                  units.Gaussian(2)]).visible)  # fmt: skip
    with pytest.raises(CommandError, match=rf"--clamp {column}={value}: the values of this column are {words}"):
        _clamp([f"{column}={value}"], form)
    assert _clamp([f"{column}={right}"], form)[column] == float(right)
