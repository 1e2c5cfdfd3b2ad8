"""fastrbm train: every option reaches the training, settings files, checkpoints, and one line for every mistake."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest
from test_cli import fastrbm, measured

import fastrbm as fr
from fastrbm import cli

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

X = fr.datasets.load_digits()
SHORT = ["--hidden", "6", "--epochs", "3", "--quiet"]


def model_of(**options):
    arguments = {"epochs": 3, "seed": 0} | options
    data = arguments.pop("X", X)
    rbm = fr.RBM.from_data(data, 6, sample_weight=arguments.get("sample_weight"))
    history = fr.fit(rbm, data, **({"gradient": fr.gradient.PCD(256)} | arguments))
    return rbm, history


LINEAR = fr.optim.Linear(0.1, 0.0)
CASES = {
    "--method tempered --betas 3 --chains 20": lambda: {"gradient": fr.gradient.Tempered(20, 3)},
    "--method fast-pcd --chains 20 --sweeps 2": lambda: {"gradient": fr.gradient.FastPCD(20, 2)},
    "--method cd --sweeps 2": lambda: {"gradient": fr.gradient.CD(2)},
    "--uncentered": lambda: {"centered": False},
    "--optimizer adam": lambda: {"optimizer": fr.optim.Adam(fr.optim.Linear(0.0005))},
    "--optimizer adam --learning-rate 0.01 --l1 1e-4": lambda: {
        "optimizer": fr.optim.Adam(fr.optim.Linear(0.01), l1=1e-4)
    },
    "--schedule constant --learning-rate 0.03": lambda: {"optimizer": fr.optim.SGD(0.03, l2=1e-3)},
    "--schedule cosine --final-rate 0.01": lambda: {"optimizer": fr.optim.SGD(fr.optim.Cosine(0.1, 0.01), l2=1e-3)},
    "--schedule inverse-time": lambda: {"optimizer": fr.optim.SGD(fr.optim.InverseTime(0.1, 0.001), l2=1e-3)},
    "--warm-up 0.5": lambda: {"optimizer": fr.optim.SGD(fr.optim.WarmUp(LINEAR, 0.5), l2=1e-3)},
    "--momentum 0.5 --nesterov --l1 1e-3 --l2 1e-2 --max-norm 0.1": lambda: {
        "optimizer": fr.optim.SGD(LINEAR, 0.5, 0.01, 0.001, nesterov=True, max_norm=0.1)
    },
    "--l1b 0.5": lambda: {"optimizer": fr.optim.SGD(LINEAR, l1b=0.5, l2=1e-3)},
    "--average 0.5": lambda: {"averaging": fr.optim.Averaging(0.5)},
    "--sample-weight {tmp}/w.npy": lambda: {"sample_weight": np.arange(len(X))},
    "--sample-weight {tmp}/w.csv": lambda: {"sample_weight": np.arange(len(X))},
}


@pytest.mark.parametrize("options", CASES)
def test_options_reach_the_training(tmp_path, capsys, options):
    np.save(tmp_path / "w.npy", np.arange(len(X)))
    np.savetxt(tmp_path / "w.csv", np.arange(len(X)))
    out = tmp_path / "m.npz"
    arguments = options.replace("{tmp}", str(tmp_path)).split()
    code, _, err = fastrbm(capsys, "train", "digits", *SHORT, *arguments, "--out", out)
    assert code == 0 and err == ""
    assert np.array_equal(fr.load(out).weights, model_of(**CASES[options]())[0].weights)


def test_real_values_as_probabilities_and_examples_on_disk(tmp_path, capsys):
    out = tmp_path / "m.npz"
    np.save(tmp_path / "gray.npy", np.random.default_rng(0).integers(0, 256, (200, 30)).astype(np.uint8))
    gray = np.load(tmp_path / "gray.npy")
    assert fastrbm(capsys, "train", tmp_path / "gray.npy", *SHORT, "--dynamic-binarization", "--out", out)[0] == 0
    rbm, _ = model_of(X=(gray.astype(np.float32) / np.float32(255)), dynamic_binarization=True)
    assert np.array_equal(fr.load(out).weights, rbm.weights)
    np.save(tmp_path / "x.npy", X)
    assert fastrbm(capsys, "train", tmp_path / "x.npy", *SHORT, "--on-disk", "--out", out)[0] == 0
    assert np.array_equal(fr.load(out).weights, model_of()[0].weights)


def test_real_valued_examples_on_disk_are_refused_with_what_to_do(tmp_path, capsys):
    np.save(tmp_path / "gray.npy", np.random.default_rng(0).integers(0, 256, (200, 30)).astype(np.uint8))
    code, _, err = fastrbm(capsys, "train", tmp_path / "gray.npy", *SHORT, "--on-disk", "--out", tmp_path / "m.npz")
    assert code == 2 and "save numpy.load('gray.npy') >= 128 with numpy.save" in err and err.count("\n") == 1
    assert not (tmp_path / "m.npz").exists()


def test_scores_early_stopping_and_history(tmp_path, capsys):
    np.save(tmp_path / "v.npy", X[:300])
    arguments = ["--validation", tmp_path / "v.npy", "--score", "log-likelihood", "--mixing"]
    out, table = tmp_path / "m.npz", tmp_path / "h.jsonl"
    code, said, _ = fastrbm(
        capsys, "train", "digits", *SHORT, *arguments, "--score-every", 1, "--history", table, "--out", out
    )
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    assert code == 0 and [row["epoch"] for row in rows] == [1, 2, 3]
    score = fr.likelihood.score(fr.load(out), X[:300]).mean
    assert rows[-1]["log_likelihood"] == score and rows[-1]["tau_int"] >= 0.5 and "free_energy_gap" in rows[0]
    assert f"log-likelihood: {score:.2f} nats per example, last, epoch 3" in said
    stop = ["--patience", 2, "--score-every", 2, "--learning-rate", 3, "--schedule", "constant", "--hidden", 10]
    stop += ["--epochs", 60, "--quiet"]
    code, said, _ = fastrbm(capsys, "train", "digits", *arguments, *stop, "--history", tmp_path / "h.csv", "--out", out)
    history = np.genfromtxt(tmp_path / "h.csv", delimiter=",", names=True)
    best = np.nanmax(history["log_likelihood"])
    assert code == 0 and fr.likelihood.score(fr.load(out), X[:300]).mean == best and history["epoch"][-1] < 60
    assert f"log-likelihood: {best:.2f} nats per example, best, and saved, epoch" in said
    gap = history["shuffled_gap"][int(np.nanargmax(history["log_likelihood"]))]
    assert f"{gap:.1f} nats per example more likely" in said  # of the model that is saved, not of the last


def test_progress_shows_rate_epoch_score_and_time_left(tmp_path, capsys):
    np.save(tmp_path / "v.npy", X[:300])
    _, _, err = fastrbm(
        capsys, "train", "digits", "--epochs", 20, "--validation", tmp_path / "v.npy", "--score", "pseudo-likelihood",
        "--score-every", 1, "--out", tmp_path / "m.npz",
    )  # fmt: skip
    line = err.splitlines()[-1]
    for words in ("epoch 20/20", "free-energy gap ", "pseudo-likelihood -", "updates/s", "0:00 left"):
        assert words in line


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "x.npy is not an .npy file"),
        (np.float64(3), "holds an array of shape"),
        (np.zeros(5), "holds an array of"),
    ],
)
def test_bad_files_on_disk(tmp_path, capsys, content, message):
    if isinstance(content, bytes):
        (tmp_path / "x.npy").write_bytes(content)
    else:
        np.save(tmp_path / "x.npy", content)
    code, _, err = fastrbm(capsys, "train", tmp_path / "x.npy", *SHORT, "--on-disk", "--out", tmp_path / "m.npz")
    assert code == 2 and err.startswith("fastrbm: ") and message in err and err.count("\n") == 1


def test_what_diverges_leaves_its_last_good_model(tmp_path, capsys):
    out, table = tmp_path / "m.npz", tmp_path / "h.csv"
    wild = [
        "--learning-rate",
        "1e28",
        "--momentum",
        "0.99",
        "--schedule",
        "constant",
        "--epochs",
        400,
        "--average",
        "0.5",
    ]
    code, said, err = fastrbm(
        capsys, "train", "digits", "--quiet", "--hidden", 6, *wild, "--out", out, "--history", table
    )
    assert code == 2 and "the step would make" in err and f"broken off; the average so far is in {out}" in said
    assert np.isfinite(fr.load(out).weights).all()


def test_what_is_broken_off_leaves_its_path(tmp_path, capsys, monkeypatch):
    """Of the models that were kept until then."""
    from fastrbm.cli import train

    def broken(*arguments, **options):
        fr.fit(*arguments, **options)
        raise FloatingPointError("broken")

    monkeypatch.setattr(train, "fit", broken)
    out, path = tmp_path / "m.npz", tmp_path / "p.npz"
    options = ["--hidden", 8, "--epochs", 30, "--quiet", "--trajectory", path, "--out", out]
    code, said, err = fastrbm(capsys, "train", "digits", *options)
    assert code == 2 and "broken" in err and "of the training, on a path of" in said
    assert np.array_equal(fr.load_path(path).rbm.weights, fr.load(out).weights)


# ---------------------------------------------------------------- checkpoints


KILLED = """
import os, signal, sys
from fastrbm.cli import main
from fastrbm.training import checkpoint

write, left = checkpoint.write, iter(range(20))

def last(*arguments):
    write(*arguments)
    if next(left, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)

checkpoint.write = last
main(sys.argv[1:])
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_killed_run_is_resumed(tmp_path, capsys):
    """Killed after 21 updates of 900; at any moment, and again and again: test_killed.py."""
    out, whole = tmp_path / "m.npz", tmp_path / "w.npz"
    arguments = ["train", "digits", "--hidden", "20", "--epochs", "60", "--quiet", "--average", "0.3"]
    killed = [*arguments, "--out", str(out), "--resume", "--checkpoint-seconds", "0"]
    run = subprocess.run([sys.executable, "-c", KILLED, *killed], capture_output=True, text=True)
    beside = tmp_path / "m.checkpoint.npz"
    assert run.returncode == -signal.SIGKILL and beside.exists() and not out.exists(), run.stderr
    code, said, _ = fastrbm(capsys, *killed[:-1], "1e9")
    assert code == 0 and f"Going on from {beside}" in said
    assert fastrbm(capsys, *arguments, "--out", whole)[0] == 0
    assert np.array_equal(fr.load(out).weights, fr.load(whole).weights)
    code, _, err = fastrbm(capsys, *arguments, "--out", out, "--checkpoint", beside)
    assert code == 2 and err == f"fastrbm: --checkpoint {beside} exists: add --resume to go on from it, or remove it\n"
    code, _, err = fastrbm(capsys, *killed, "--l1", "1e-3")
    assert code == 2 and "is of a training with optimizer SGD" in err and err.count("\n") == 1


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_leaves_model_and_checkpoint(tmp_path):
    out = tmp_path / "m.npz"
    arguments = ["train", "digits", "--epochs", "1000000", "--out", str(out), "--checkpoint", str(tmp_path / "c.npz")]
    process = subprocess.Popen(
        [sys.executable, "-m", "fastrbm", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    measured(process)
    process.send_signal(signal.SIGINT)
    said, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err and f"is in {out}" in said
    assert np.array_equal(fr.load(out).weights, fr.load(tmp_path / "c.npz").weights)


# ---------------------------------------------------------------- settings


def settings(capsys, *arguments):
    code, out, err = fastrbm(capsys, "train", *arguments, "--print-config")
    assert code == 0 and err == ""
    return out


def test_settings_are_printed_and_read_back(tmp_path, capsys):
    first = settings(
        capsys, "digits", "--hidden", 7, "--l1", "1e-5", "--nesterov", "--seed", 2**64 - 1, "--key", 'a "b"\x7f'
    )
    values = tomllib.loads(first)
    assert values["data"] == "digits" and values["hidden"] == 7 and values["l1"] == 1e-5 and values["nesterov"] is True
    assert values["key"] == 'a "b"\x7f' and "threshold" not in values and "# threshold =" in first
    (tmp_path / "run.toml").write_text(first)
    assert settings(capsys, "--config", tmp_path / "run.toml") == first
    changed = tomllib.loads(settings(capsys, "--config", tmp_path / "run.toml", "--hidden", 9))
    assert changed == values | {"hidden": 9}
    # every option but those that make no sense in a file
    parser = cli.build_parser()
    known = {a.dest.replace("_", "-") for a in parser._subparsers._group_actions[0].choices["train"]._actions}
    printed = {line.lstrip("# ").partition(" =")[0] for line in first.splitlines()[1:]}
    assert printed == known - {"help", "config", "print-config", "resume", "json", "mpi"}


def test_training_from_a_settings_file(tmp_path, capsys):
    (tmp_path / "run.toml").write_text(
        'data = "digits"\nhidden = 6\nepochs = 3\nquiet = true\nmethod = "cd"\nsweeps = 2\n'
    )
    assert fastrbm(capsys, "train", "--config", tmp_path / "run.toml", "--out", tmp_path / "m.npz")[0] == 0
    expected, _ = model_of(gradient=fr.gradient.CD(2))
    assert np.array_equal(fr.load(tmp_path / "m.npz").weights, expected.weights)


MISTAKES = [
    ('hiden = 3', "no setting 'hiden'; there are alpha, alphabet, average, batch-size, "),
    ('hidden = 0', "hidden must be at least 1, got 0"),
    ('hidden = 1.5', "hidden must be a whole number, got 1.5"),
    ('hidden = true', "hidden must be a number or a string, got True"),
    ('hidden = [1]', "hidden must be a number or a string, got [1]"),
    ('nesterov = 1', "nesterov must be true or false, got 1"),
    ('drop = "id"', "drop must be a list of strings, got 'id'"),
    ('method = "magic"', "method must be one of pcd, tempered, fast-pcd, cd, discriminative, hybrid, got 'magic'"),
    ('out = 3', "out must be a string, got 3"),
    ('hidden 3', "is not TOML"),
    ('resume = true', "no setting 'resume'"),
]  # fmt: skip


@pytest.mark.parametrize("text, message", MISTAKES)
def test_mistakes_in_a_settings_file(tmp_path, capsys, text, message):
    (tmp_path / "run.toml").write_text(text)
    code, _, err = fastrbm(capsys, "train", "digits", "--config", tmp_path / "run.toml")
    assert code == 2 and err.startswith(f"fastrbm: {tmp_path / 'run.toml'}") and err.count("\n") == 1 and message in err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--config", "{tmp}/none.toml"], "none.toml: No such file or directory"),
        (["--checkpoint", "{tmp}/m.npz"], "is also a file to read from, or to write something else to"),
        (["--checkpoint", "{tmp}/folder/../m.npz"], "is also a file to read from"),
        (["--validation", "{tmp}/v.csv", "--history", "{tmp}/v.csv"], "is also a file to read from"),
        (["--sample-weight", "{tmp}/v.csv", "--history", "{tmp}/v.csv"], "is also a file to read from"),
        (["--dynamic-binarization", "--threshold", "3"], "--threshold does nothing with --dynamic-binarization"),
        (["--final-rate", "0.1", "--schedule", "constant"], "--final-rate does nothing with --schedule constant"),
        (["--sample-weight", "{tmp}/empty.npy"], "empty.npy is not an .npy file"),
        (["--sample-weight", "{tmp}/objects.npy"], "objects.npy holds Python objects, not numbers"),
        (["--checkpoint", "{tmp}/c.txt"], "its name must end in .npz"),
        (["--history", "{tmp}/h.txt"], "its name must end in .csv or .jsonl"),
        (["--patience", "3"], "--score-every and --patience need --score pseudo-likelihood or log-likelihood"),
        (["--patience", "3", "--score", "log-likelihood"], "--patience needs --validation"),
        (["--optimizer", "adam", "--momentum", "0.5"], "--momentum and --nesterov are of --optimizer sgd"),
        (["--nesterov"], "nesterov needs a momentum above 0"),
        (["--final-rate", "0.2", "--schedule", "inverse-time"], "stop must be above 0 and at most start"),
        (["--average", "2"], "argument --average: must be at least 0 and at most 1, got 2"),
        (["--max-norm", "0"], "argument --max-norm: must be above 0, got 0"),
        (["--on-disk"], "--on-disk needs a .npy file, got digits"),
        (["--sample-weight", "{tmp}/w.npy"], "w.npy: No such file or directory"),
        (["--validation", "{tmp}/v.npy"], "no file"),
        (["--validation", "bars-and-stripes"], "bars-and-stripes has 16 columns where the model has 64"),
    ],
)
def test_mistakes_get_one_line(tmp_path, capsys, arguments, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "v.csv").write_text("1,0\n")
    (tmp_path / "empty.npy").write_bytes(b"")
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    arguments = [a.replace("{tmp}", str(tmp_path)) for a in arguments]
    code, _, err = fastrbm(capsys, "train", "digits", *SHORT, "--out", tmp_path / "m.npz", *arguments)
    assert code == 2 and err.startswith("fastrbm") and err.count("\n") == 1 and message in err
    with suppress(FileNotFoundError):
        (tmp_path / "m.npz").unlink()
        pytest.fail("a model was written")


def test_the_best_score_is_reported_of_the_end_of_its_epoch(tmp_path, capsys):
    """Epochs with many updates have rows within, of the same epoch, in which the score was not measured."""
    X = fr.datasets.load_digits()
    np.save(tmp_path / "train.npy", X[:1500])
    np.save(tmp_path / "valid.npy", X[1500:])
    out = tmp_path / "m.npz"
    assert cli.main([
        "train", str(tmp_path / "train.npy"), "--hidden", "8", "--epochs", "2", "--batch-size", "5", "--validation",
        str(tmp_path / "valid.npy"), "--score", "pseudo-likelihood", "--score-every", "1", "--patience", "3", "--quiet",
        "--out", str(out),
    ]) == 0  # fmt: skip
    best = fr.likelihood.pseudo(fr.load(out), X[1500:][np.linspace(0, 296, 256).astype(int)]).mean()
    assert f"pseudo-likelihood: {best:.2f} nats per example, best, and saved" in capsys.readouterr().out
