"""The command line: data held out, what a model file remembers of its data, names above samples."""

import re

import numpy as np
import pytest
from test_cli import fastrbm
from test_cli_train import SHORT

import fastrbm as fr
from fastrbm import cli
from fastrbm._core import philox

X = fr.datasets.load_digits()


def rows_of(n, part, seed=0):
    order = philox.permutation(n, seed, philox.HELD_OUT, 0)
    count = round(part * n)
    return np.sort(order[count:]), np.sort(order[:count])


# ---------------------------------------------------------------- --validation 0.2


@pytest.mark.parametrize("seed", [0, 7])
def test_a_part_is_held_out(tmp_path, capsys, seed):
    """It is not trained on, nor do biases know of it; the weights of examples go with them; the words tell."""
    np.save(tmp_path / "w.npy", np.arange(len(X)))
    out = tmp_path / "m.npz"
    options = [*SHORT, "--validation", 0.2, "--seed", seed, "--sample-weight", tmp_path / "w.npy", "--out", out]
    code, said, err = fastrbm(capsys, "train", "digits", *options)
    assert code == 0 and err == "" and "Nothing was held out" not in said
    assert said.startswith(
        f"359 of 1,797 examples are held out for validation, chosen by --seed {seed}\n1,438 examples"
    )
    kept, held = rows_of(len(X), 0.2, seed)
    assert np.array_equal(np.sort(np.concatenate([kept, held])), np.arange(len(X)))
    rbm = fr.RBM.from_data(X[kept], 6, seed, sample_weight=kept)
    more = {"epochs": 3, "seed": seed, "sample_weight": kept, "validation": X[held]}
    fr.fit(rbm, X[kept], gradient=fr.gradient.PCD(256, seed=seed), **more)
    assert np.array_equal(fr.load(out).weights, rbm.weights)
    record = fr.load(out).training_record
    assert record["data_name"] == "digits" and record["validation_name"] == "0.2 of digits, held out"
    assert {k: v for k, v in record.items() if not k.endswith("_name")} == rbm.training_record


def test_a_part_of_other_data(tmp_path, capsys, monkeypatch):
    """Of tables, sequences with weights, real numbers, probabilities, from a settings file; a file is a file whatever
    its name."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    with open("t.csv", "w") as file:
        file.write("color,size\n" + "".join(f"{c},{s}\n" for c, s in rng.choice(["red", "blue", "green"], (50, 2))))
    with open("s.fasta", "w") as file:
        file.writelines(f">{k}\n{''.join(rng.choice(list('ACGU-'), 6))}\n" for k in range(50))
    np.save("x.npy", rng.normal(size=(50, 3)))
    np.save("gray.npy", rng.integers(0, 256, (50, 8)).astype(np.uint8))
    np.save("0.2.npy", X[:9])
    (tmp_path / "0.2").mkdir()
    (tmp_path / "run.toml").write_text("validation = 0.2\n")
    for arguments in (
        ["t.csv"], ["s.fasta", "--sequence-weights", 0.5], ["x.npy", "--visible", "gaussian"],
        ["gray.npy", "--dynamic-binarization"],
    ):  # fmt: skip
        code, said, err = fastrbm(capsys, "train", *arguments, *SHORT, "--validation", ".2", "--out", "m.npz")
        assert code == 0 and "10 of 50 examples are held out" in said and "40 examples x" in said, err
        record = fr.load("m.npz").training_record
        assert record["validation"].startswith("10 examples of") and record["data"].startswith("40 examples of")
    code, said, _ = fastrbm(capsys, "train", "digits", *SHORT, "--validation", "0.2.npy", "--out", "m.npz")
    assert code == 0 and "held out" not in said and fr.load("m.npz").training_record["validation_name"] == "0.2.npy"
    assert "unknown kind of file" in fastrbm(capsys, "train", "digits", *SHORT, "--validation", "0.2")[2]
    (tmp_path / "0.2").rmdir()
    code, said, _ = fastrbm(capsys, "train", "digits", *SHORT, "--config", "run.toml", "--out", "m.npz")
    assert code == 0 and "359 of 1,797 examples are held out" in said


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["digits", "--validation", "20"], "must be above 0 and below 1, such as 0.2 (and there is no such file)"),
        (["digits", "--validation", "nan"], "must be above 0 and below 1"),
        (["digits", "--validation", "0.0001"], "0.0001 of 1,797 examples is 0, and must leave some on both sides"),
        (["digits", "--validation", "0.9999"], "is 1,797, and must leave some on both sides"),
        (["x.npy", "--on-disk", "--validation", "0.2"], "--on-disk leaves on the disk: give a file"),
        (["gaps.npy", "--missing", "latent", "--validation", "0.5"], "examples with missing entries: give a file of"),
        (["digits", "--validation", "0,2"], "no file 0,2"),
    ],
)
def test_parts_that_cannot_be_held_out(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X)
    np.save("gaps.npy", np.where(np.eye(64)[:20] == 1, np.nan, X[:20]))
    code, _, err = fastrbm(capsys, "train", *arguments, *SHORT, "--out", "m.npz")
    assert code == 2 and message in err and err.count("\n") == 1
    assert not (tmp_path / "m.npz").exists()


def test_a_held_out_part_stays_the_same_after_an_interruption(tmp_path, capsys):
    arguments = ["train", "digits", *SHORT, "--validation", 0.3, "--checkpoint", tmp_path / "run.npz", "--resume"]
    for name in ("one.npz", "two.npz"):
        assert fastrbm(capsys, *arguments, "--out", tmp_path / name)[0] == 0
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_what_is_broken_off_has_its_record(tmp_path, capsys):
    """Of an average, too, which is made afterwards."""
    wild = ["--learning-rate", "1e28", "--momentum", "0.99", "--schedule", "constant", "--epochs", 400]
    options = ["--hidden", 6, "--quiet", *wild, "--average", "0.5", "--out", tmp_path / "m.npz"]
    assert fastrbm(capsys, "train", "digits", *options)[0] == 2
    record = fr.load(tmp_path / "m.npz").training_record
    assert record["ended"] == "broken off" and record["data_name"] == "digits"
    assert record["averaging"] == "Averaging(last=0.5, every=32)"


# ---------------------------------------------------------------- sample


def test_names_head_the_samples(tmp_path, capsys):
    """Of bits as of categories; a model without names has no such line."""
    rbm, path, out = fr.RBM(np.zeros((3, 2)), [9.0, -9.0, 9.0]), tmp_path / "m.npz", tmp_path / "s.csv"
    arguments = ["sample", path, "-n", 2, "--sweeps", 3, "--clamp", "1=1", "--out", out]
    for names, text in ((None, "1,1,1\n1,1,1\n"), (("a", "b,c", "d"), 'a,"b,c",d\n1,1,1\n1,1,1\n')):
        rbm._visible_names = names
        rbm.save(path)
        assert fastrbm(capsys, *arguments)[0] == 0 and out.read_text() == text
    assert fastrbm(capsys, *[{"--clamp": "--given"}.get(a, a) for a in arguments])[0] == 0  # its old name


@pytest.mark.parametrize("part", [[], ["--validation", 0.25]])
def test_a_report_says_what_it_is_about(tmp_path, capsys, monkeypatch, part):
    pytest.importorskip("matplotlib")
    seen = []
    monkeypatch.setattr(cli.report, "report", lambda rbm, X, path, **how: seen.append((len(X), how)))
    options = ["--hidden", 4, "--epochs", 1, "--quiet", "--out", tmp_path / "m.npz", "--report", tmp_path / "r.html"]
    code, said, _ = fastrbm(capsys, "train", "bars-and-stripes", *options, *part)
    ((n, how),) = seen
    names = ("bars-and-stripes (the training examples)", "0.25 of bars-and-stripes, held out")
    assert code == 0 and how["data_name"] == names[bool(part)] and n == (8 if part else 30)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", how["date"])
