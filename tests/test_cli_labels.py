"""Labels on the command line: fastrbm train --labels and fastrbm classify, against the same calls in Python."""

import csv
import json

import numpy as np
import pytest
from test_cli import fastrbm

import fastrbm as fr

SHORT = ["--hidden", "6", "--epochs", "3", "--quiet"]
RNG = np.random.default_rng(0)
Y = RNG.integers(0, 3, 90)
BITS = (RNG.random((90, 12)) < 0.2 + 0.6 * RNG.random((3, 12))[Y]).astype(np.uint8)
JOINT = np.column_stack([BITS, Y]).astype(np.uint8)
WORDS = np.array(["cat", "dog", "eel"])
VISIBLE = [fr.units.Bernoulli(12), fr.units.Categorical(1, 3)]


def write(name, rows, head=None):
    with open(name, "w", newline="") as file:
        csv.writer(file).writerows([head, *rows] if head else [*rows])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("bits.npy", BITS)
    np.save("gray.npy", BITS * 200 + 3)
    np.save("y.npy", Y)
    np.save("joint.npy", JOINT)
    np.save("holes.npy", np.where(np.arange(90) < 70, Y, -1))
    names = [f"p{k}" for k in range(12)]
    write("numbers.csv", JOINT.tolist(), [*names, "kind"])
    write("words.csv", [[*row[:2], WORDS[k], *row[2:]] for row, k in zip(BITS.tolist(), Y, strict=True)],
          [*names[:2], "kind", *names[2:]])  # fmt: skip
    colors, kinds = np.where(BITS[:, 0], "red", "blue"), WORDS[Y].tolist()
    write("survey.csv", zip(colors, ["", *kinds[1:]], Y + BITS[:, 1], strict=True), ["color", "kind", "rooms"])
    write("reals.csv", [[f"{x:.3f}", WORDS[k], f"{x * x:.3f}"] for k, x in zip(Y, RNG.normal(Y, 0.3), strict=True)],
          ["a", "kind", "b"])  # fmt: skip
    return tmp_path


def done(capsys, *arguments):
    code, out, err = fastrbm(capsys, *arguments)
    assert code == 0, err
    return out


def trained(gradient, X=JOINT, column=12, optimizer=None, centered=False, **more):
    visible = more.pop("visible", VISIBLE)
    rbm = fr.RBM.from_data(X, 6, 0, visible=visible)
    optimizer = optimizer or fr.optim.Adam(fr.optim.Linear(0.005, 0.0))
    fr.fit(rbm, X, gradient, optimizer, epochs=3, seed=0, centered=centered, **more)
    return rbm


def same(name, rbm):
    found = fr.load(name)
    return found.visible == rbm.visible and np.array_equal(found.weights, rbm.weights)


GRADIENTS = {
    "discriminative": lambda: trained(fr.gradient.Discriminative(12)),
    "hybrid --alpha 0.2 --chains 20": lambda: trained(fr.gradient.Hybrid(fr.gradient.PCD(20), 0.2, 12)),
    "hybrid --optimizer sgd --learning-rate 0.1": lambda: trained(
        fr.gradient.Hybrid(fr.gradient.PCD(256), 0.01, 12), optimizer=fr.optim.SGD(fr.optim.Linear(0.1, 0.0), l2=0.001)
    ),
    "pcd": lambda: trained(
        fr.gradient.PCD(256), optimizer=fr.optim.SGD(fr.optim.Linear(0.1, 0.0), l2=0.001), centered=True
    ),
}


@pytest.mark.parametrize("options", GRADIENTS)
@pytest.mark.parametrize("data", [["joint.npy", "--labels", "12"], ["bits.npy", "--labels", "y.npy"]])
def test_options_reach_the_training(folder, capsys, data, options):
    out = done(capsys, "train", *data, *SHORT, "--method", *options.split(), "--out", "m.npz")
    rbm = GRADIENTS[options]()
    assert same("m.npz", rbm)
    p = fr.likelihood.label_probabilities(rbm, JOINT)
    assert f"labels: {(p.argmax(axis=1) != Y).mean():.2%} of 90 training examples wrong" in out
    assert ("more likely than noise" in out) == (options != "discriminative")


def test_gray_values_a_part_held_out_and_unknown_labels(folder, capsys):
    done(capsys, "train", "gray.npy", "--labels", "y.npy", *SHORT, "--method", "discriminative", "--out", "m.npz")
    assert same("m.npz", trained(fr.gradient.Discriminative(12)))
    holes = np.where(np.arange(90) < 70, Y, -1)
    X = np.column_stack([BITS, holes]).astype(np.int16)
    out = done(capsys, "train", "bits.npy", "--labels", "holes.npy", *SHORT, "--method", "hybrid", "--out", "m.npz")
    assert "3 labels, of 70 of 90 examples" in out and "of 70 training examples wrong" in out
    assert same("m.npz", trained(fr.gradient.Hybrid(fr.gradient.PCD(256), 0.01, 12), X))
    short = [*SHORT, "--validation", "0.2", "--method", "hybrid", "--json", "--out", "m.npz"]
    said = json.loads(done(capsys, "train", "joint.npy", "--labels", "-1", *short))
    assert said["labels"] == 18 and 0 <= said["label_error"] <= 1 and said["label_log_likelihood"] < 0


@pytest.mark.parametrize("data", ["numbers.csv", "words.csv", "survey.csv", "reals.csv"])
def test_tables(folder, capsys, data):
    """Train, classify with and without the column, draw by label."""
    more = ["--visible", "gaussian"] if data == "reals.csv" else []
    done(capsys, "train", data, "--labels", "kind", *more, *SHORT, "--method", "hybrid", "--out", "m.npz")
    rbm = fr.load("m.npz")
    column = rbm.visible_names.index("kind")
    out = done(capsys, "classify", "m.npz", data, "--labels", "kind", "--out", "p.csv")
    with open(data, newline="") as file:
        head, *rows = csv.reader(file)
    assert head == list(rbm.visible_names)
    with open("p.csv", newline="") as file:
        (title, *labels), *found = csv.reader(file)
    known = [str(label) for label in rbm.visible_categories[column]] if rbm.visible_categories else ["0", "1", "2"]
    assert title == "kind" and labels == [f"p({label})" for label in known]
    assert known == (["0", "1", "2"] if data == "numbers.csv" else WORDS.tolist())
    p = np.array([row[1:] for row in found], float)
    assert [row[0] for row in found] == [known[k] for k in p.argmax(axis=1)] and np.allclose(
        p.sum(axis=1), 1, atol=3e-6
    )
    true = [row[column] for row in rows]
    wrong = [a != row[0] for a, row in zip(true, found, strict=True) if a]
    assert f"labels: {np.mean(wrong):.2%} of {len(wrong)} examples wrong" in out
    write("rest.csv", [row[:column] + row[column + 1 :] for row in [head, *rows]])
    assert "wrong" not in done(capsys, "classify", "m.npz", "rest.csv", "--labels", "kind", "--out", "q.csv")
    assert (folder / "q.csv").read_bytes() == (folder / "p.csv").read_bytes()
    done(capsys, "sample", "m.npz", "-n", 5, "--sweeps", 3, "--clamp", f"kind={known[1]}", "--quiet", "--out", "s.csv")
    with open("s.csv", newline="") as file:
        assert [row[column] for row in csv.reader(file)] == ["kind"] + 5 * [known[1]]
    done(capsys, "score", "m.npz", "s.csv", "--quiet")
    done(capsys, "sample", "m.npz", "-n", 5, "--sweeps", 3, "--clamp", f"kind={known[1]}", "--quiet", "--out", "s.tsv")
    assert (folder / "s.tsv").read_text() == (folder / "s.csv").read_text().replace(",", "\t")
    done(capsys, "classify", "m.npz", "s.tsv", "--labels", "kind", "--out", "t.tsv")
    done(capsys, "classify", "m.npz", "s.csv", "--labels", "kind", "--out", "t.csv")
    assert (folder / "t.tsv").read_text() == (folder / "t.csv").read_text().replace(",", "\t")


def test_classify_numbers(folder, capsys):
    done(capsys, "train", "gray.npy", "--labels", "y.npy", *SHORT, "--method", "discriminative", "--out", "m.npz")
    rbm = fr.load("m.npz")
    p = fr.likelihood.label_probabilities(rbm, BITS)
    said = json.loads(done(capsys, "classify", "m.npz", "bits.npy", "--labels", "y.npy", "--out", "p.npy", "--json"))
    assert np.array_equal(np.load("p.npy"), p) and said["label_error"] == (p.argmax(axis=1) != Y).mean()
    assert said["label_log_likelihood"] == pytest.approx(np.log(p[np.arange(90), Y]).mean(), rel=1e-12)
    for data in ("gray.npy", "joint.npy", "numbers.csv"):
        done(capsys, "classify", "m.npz", data, "--out", "q.npz")
        assert np.array_equal(np.load("q.npz")["probabilities"], p)


def test_sequences(folder, capsys):
    codes = np.where(BITS > 0, Y[:, None] + 1, 4)
    fr.datasets.write_fasta("s.fasta", codes, "rna")
    short = [*SHORT, "--alphabet", "rna", "--method", "hybrid", "--out", "m.npz"]
    done(capsys, "train", "s.fasta", "--labels", "y.npy", *short)
    rbm = fr.load("m.npz")
    X = np.column_stack([codes, Y])
    units = [fr.units.Categorical(12, 5), fr.units.Categorical(1, 3)]
    assert same("m.npz", trained(fr.gradient.Hybrid(fr.gradient.PCD(256), 0.01, 12), X, visible=units))
    done(capsys, "classify", "m.npz", "s.fasta", "--labels", "y.npy", "--out", "p.npy")
    assert np.array_equal(np.load("p.npy"), fr.likelihood.label_probabilities(rbm, X))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["train", "joint.npy", "--method", "hybrid"], "--method hybrid needs --labels"),
        (["train", "joint.npy", "--alpha", "1"], "--alpha is of --method hybrid; a learning rate is --learning-rate"),
        (["train", "joint.npy", "--labels", "13"], "no such file, and the data have columns 0 to 12"),
        (["train", "numbers.csv", "--labels", "knid"], "did you mean 'kind'?"),
        (["train", "bits.npy", "--labels", "joint.npy"], "it must be one column"),
        (["train", "bits.npy", "--labels", "few.npy"], "there are 9 labels of 90 examples"),
        (["train", "bits.npy", "--labels", "half.npy"], "that of row 2 is 0.5"),
        (["train", "bits.npy", "--labels", "none.npy"], "there is no label"),
        (["train", "s.fasta", "--labels", "1"], "of sequences, labels are in a file of their own"),
        (["train", "joint.npy", "--on-disk", "--labels", "12"], "--labels does nothing with --on-disk"),
        (
            ["train", "joint.npy", "--labels", "12", "--method", "discriminative", "--report", "r.html"],
            "does not learn",
        ),
        (["train", "bits.npy", "--labels", "o.npz"], "--out o.npz is also a file to read from"),
        (["classify", "m.npz", "y.npy"], "it must be (examples, units)"),
        (["classify", "m.npz", "few.csv"], "few.csv has 2 columns where the model has 13, or 12 without the label"),
        (["classify", "m.npz", "bits.npy", "--labels", "few.npy"], "there are 9 labels of 90 examples"),
        (["classify", "m.npz", "bits.npy", "--labels", "kind"], "no such file, and the data have columns 0 to 12"),
        (["classify", "bits.npy", "m.npz"], "MODEL comes first, then DATA"),
    ],
)
def test_mistakes(folder, capsys, arguments, message):
    np.save("few.npy", Y[:9])
    np.save("half.npy", np.array([1, 0.5] + 88 * [1]))
    np.save("none.npy", np.full(90, np.nan))
    np.savez("o.npz", Y)
    write("few.csv", [[0, 1], [1, 0]])
    fr.RBM.from_data(JOINT, 3, visible=VISIBLE).save("m.npz")
    more = ["--out", "o.npz" if arguments[0] == "train" else "o.csv"]
    code, _, err = fastrbm(capsys, *arguments, *more)
    assert code == 2 and message in err and err.count("\n") == 1, err
