"""The command line: its main job, and one line with exit code 2 for every mistake."""

import json
import os
import re
import signal
import subprocess
import sys
import warnings
from contextlib import contextmanager

import numpy as np
import pytest

import fastrbm as fr
from fastrbm import __main__, cli
from fastrbm.cli import speed
from fastrbm.cli.commands import build_parser, command_parser


def fastrbm(capsys, *arguments):
    """(exit code, standard output, standard error)"""
    try:
        code = cli.main([str(a) for a in arguments])
    except SystemExit as stop:  # argparse
        code = stop.code
    out, err = capsys.readouterr()
    return code, out, err


def test_train_sample_and_load(tmp_path, capsys):
    model, samples = tmp_path / "m.npz", tmp_path / "s.npy"
    code, out, err = fastrbm(capsys, "train", "digits", "--hidden", 20, "--epochs", 20, "--seed", 3, "--out", model)
    assert code == 0 and "1,797 examples x 64 units, 20 hidden units" in out and f"Saved {model}" in out
    assert "epoch 20/20  shuffled gap " in err
    rbm = fr.load(model)
    assert (rbm.n_visible, rbm.n_hidden) == (64, 20)
    code, out, err = fastrbm(capsys, "sample", model, "-n", 7, "--sweeps", 5, "--seed", 2, "--quiet", "--out", samples)
    assert code == 0 and "7 samples x 64 units after 5 sweeps" in out and err == ""
    assert np.array_equal(np.load(samples), rbm.sample(7, 5, seed=2))
    for name, read in (("s.npz", lambda p: np.load(p)["samples"]), ("s.csv", lambda p: np.loadtxt(p, delimiter=","))):
        assert fastrbm(capsys, "sample", model, "-n", 7, "--sweeps", 5, "--seed", 2, "--out", tmp_path / name)[0] == 0
        assert np.array_equal(read(tmp_path / name), np.load(samples))


def test_options_reach_the_training(tmp_path, capsys):
    model = tmp_path / "m.npz"
    arguments = "--hidden 9 --epochs 2 --batch-size 50 --chains 30 --sweeps 2 --learning-rate 0.1 --seed 4 --threads 2"
    assert fastrbm(capsys, "train", "digits", *arguments.split(), "--quiet", "--out", model)[2] == ""
    X = fr.datasets.load_digits()
    rbm = fr.RBM.from_data(X, 9, seed=4)
    sgd = fr.optim.SGD(fr.optim.Linear(0.1), l2=1e-3)
    fr.fit(rbm, X, fr.gradient.PCD(30, 2, 4), sgd, epochs=2, batch_size=50, seed=4)
    assert np.array_equal(fr.load(model).weights, rbm.weights)


def test_train_on_a_file_of_real_values(tmp_path, capsys):
    gray = np.random.default_rng(0).integers(0, 256, (40, 5))
    np.savetxt(tmp_path / "gray.csv", gray, fmt="%d", delimiter=",")
    model = tmp_path / "m.npz"
    code, out, _ = fastrbm(capsys, "train", tmp_path / "gray.csv", "--epochs", 1, "--out", model)
    assert code == 0 and "real-valued data: a unit is 1 from 128 up" in out
    code, out, _ = fastrbm(capsys, "train", tmp_path / "gray.csv", "--epochs", 1, "--threshold", 7, "--out", model)
    assert code == 0 and "a unit is 1 from 7 up" in out


def test_score(tmp_path, capsys):
    model = tmp_path / "m.npz"
    fastrbm(capsys, "train", "digits", "--hidden", 24, "--epochs", 20, "--quiet", "--out", model)
    code, out, err = fastrbm(capsys, "score", model, "digits", "--betas", 300, "--chains", 50)
    assert code == 0 and out.startswith("mean log-likelihood -") and out.count("\n") == 1 and "reverse AIS  100%" in err
    code, out, _ = fastrbm(capsys, "score", model, "digits", "--betas", 300, "--chains", 50, "--json")
    numbers = json.loads(out)
    expected = fr.likelihood.score(fr.load(model), fr.datasets.load_digits(), n_chains=50, n_betas=300)
    assert code == 0 and numbers["mean"] == expected.mean and numbers["examples"] == 1797
    assert numbers["lower"] < numbers["mean"] < numbers["upper"] and numbers["method"] == "AIS and reverse AIS"
    small = tmp_path / "s.npz"
    fastrbm(capsys, "train", "digits", "--hidden", 5, "--epochs", 2, "--quiet", "--out", small)
    code, out, err = fastrbm(capsys, "score", small, "digits", "--quiet")
    assert code == 0 and "log Z exact" in out and err == ""
    code, _, err = fastrbm(capsys, "score", model, "bars-and-stripes")
    assert code == 2 and err == "fastrbm: bars-and-stripes has 16 columns where the model has 64\n"
    turned = tmp_path / "turned.npy"
    np.save(turned, fr.datasets.load_digits()[:100].T)
    code, _, err = fastrbm(capsys, "score", model, turned)
    assert code == 2 and err.endswith(
        " 100 columns where the model has 64; it has 64 rows: are its examples in columns?\n"
    )


def test_every_command_that_writes_takes_a_short_option(tmp_path):
    parser = build_parser()
    for command in ("train", "sample", "inpaint", "classify", "report"):
        actions = [a for a in command_parser(parser, command)._actions if "--out" in a.option_strings]
        assert [a.option_strings for a in actions] == [["-o", "--out"]], command


def test_score_to_a_tolerance_and_along_a_path(tmp_path, capsys):
    model, other, path = tmp_path / "m.npz", tmp_path / "o.npz", tmp_path / "p.npz"
    options = ("--hidden", 24, "--epochs", 5, "--quiet", "--out")
    fastrbm(capsys, "train", "digits", "--trajectory", path, *options, model)
    fastrbm(capsys, "train", "digits", "--seed", 1, *options, other)
    code, out, err = fastrbm(capsys, "score", model, "digits", "--path", path, "--tolerance", 1)
    assert code == 0 and "annealing both ways" in out and "steps up  100%" in err
    short = "--tolerance", 0.001, "--seconds", 1e-9
    code, out, _ = fastrbm(capsys, "score", model, "digits", *short, "--json", "--quiet")
    numbers = json.loads(out)
    assert code == 0 and "the tolerance of 0.001" in numbers["warning"] and 0 < numbers["log_z_error"] < 1
    code, _, err = fastrbm(capsys, "score", other, "digits", "--path", path, "--quiet")
    assert code == 2 and "path must be a Path whose last model is rbm (--path" in err
    assert fastrbm(capsys, "score", model, "digits", "--tolerance", 0)[0] == 2


def test_info(capsys):
    code, out, _ = fastrbm(capsys, "info")
    assert code == 0
    for word in ("fastrbm", "numpy", "ISA level", "threads", "OpenMP"):
        assert word in out


def test_info_of_a_file(tmp_path, capsys):
    """Of a model its sizes; of a checkpoint also how far the training is, which --json gives to scripts."""
    model, run = tmp_path / "m.npz", tmp_path / "run.npz"
    fastrbm(capsys, "train", "digits", "--hidden", 9, "--epochs", 3, "--quiet", "--out", model, "--checkpoint", run)
    code, out, _ = fastrbm(capsys, "info", model)
    assert code == 0 and "hidden units" in out and "649" in out and "set-up" not in out  # 64 x 9 + 64 + 9
    code, out, _ = fastrbm(capsys, "info", run, "--json")
    facts = json.loads(out)
    assert code == 0 and facts["visible_units"] == 64 and facts["last_epoch"] == 3 and facts["last_update"] == 45
    assert facts["norm_of_the_weights"] == pytest.approx(np.linalg.norm(fr.load(model).weights))
    assert facts["kind"].startswith("checkpoint") and facts["set_up_epochs"] == "3"
    assert json.loads(fastrbm(capsys, "info", "--json")[1])["fastrbm"] == fr.__version__


def test_info_tells_how_a_model_was_trained(tmp_path, capsys):
    """In words, whatever the file holds; of one that was changed, that nothing is known."""
    X, path = fr.datasets.load_digits(), tmp_path / "m.npz"
    rbm = fr.RBM.from_data(X, 9)
    fr.fit(rbm, X, epochs=3, seed=2**64 - 1, centered=False)
    rbm._keep_record({**rbm.training_record, "data_name": "a\x1b[2J.npy", "odd": "b\nc"})
    rbm.save(path)
    lines = [" ".join(line.split()) for line in fastrbm(capsys, "info", path)[1].splitlines()]
    last = rbm.training_record["last"]
    for line in (
        f"trained by fastrbm {fr.__version__}",
        "trained on a\\x1b[2J.npy: 1,797 examples of 64 units, checksum ae4a47d5",
        f"gradient {fr.gradient.PCD()!r}", "centered no", "seed 18446744073709551615", "updates 45", "epochs 3",
        "ended complete", f"last shuffled gap {last['shuffled_gap']:.6g}", "odd b c",
    ):  # fmt: skip
        assert line in lines, line
    assert any(re.fullmatch(r"written \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", line) for line in lines)
    record = json.loads(fastrbm(capsys, "info", path, "--json")[1])["training_record"]
    assert record["last"] == dict(last) and record["odd"] == "b\nc"
    rbm.set_parameters(hidden_bias=np.zeros(9))
    rbm.save(path)
    assert "training record none: it was not trained" in " ".join(fastrbm(capsys, "info", path)[1].split())
    assert json.loads(fastrbm(capsys, "info", path, "--json")[1])["training_record"] is None


def test_info_of_chains_and_paths(tmp_path, capsys):
    """What kind of file it is, and how many chains or models it has."""
    X, kept = fr.datasets.load_digits(), fr.sampling.Trajectory()
    rbm = fr.RBM.from_data(X, 9)
    fr.fit(rbm, X, epochs=3, trajectory=kept)
    chains = fr.Chains(rbm, 7)
    chains.sweep(5)
    chains.save(tmp_path / "chains.npz")
    fr.TemperedChains(rbm, 4, 3).save(tmp_path / "tempered.npz")
    kept.path.save(tmp_path / "path.npz")

    def lines(name):
        code, out, _ = fastrbm(capsys, "info", tmp_path / name)
        assert code == 0
        return [" ".join(line.split()) for line in out.splitlines()]

    assert {"kind Chains of a model", "chains 7", "sweeps done 5", "updates 45"} < set(lines("chains.npz"))
    assert {"kind TemperedChains of a model", "chains 4"} < set(lines("tempered.npz"))
    found = lines("path.npz")
    assert {"kind path to a model", f"models {len(kept.path.models)}", f"steps {kept.path.n_steps}"} < set(found)
    assert not any(line.startswith("training record") for line in found)


def test_info_of_real_units(tmp_path, capsys):
    """The ranges of the parameters of their own energies."""
    visible = fr.units.Gaussian(2, mean=[170, -1.5], scale=[10, 0.25])
    fr.RBM(np.ones((2, 3)) / 9, visible=visible, hidden=fr.units.DReLU(3, [-1, 0, 2], 0.5)).save(tmp_path / "m.npz")
    code, out, _ = fastrbm(capsys, "info", tmp_path / "m.npz")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert code == 0
    for line in (
        "unit types 2 gaussian; hidden drelu", "parameters 17", "visible gamma 1", "visible mean -1.5 to 170",
        "visible scale 0.25 to 10", "hidden delta -1 to 2", "hidden xi 0.5", "hidden gamma 1",
    ):  # fmt: skip
        assert line in lines
    facts = json.loads(fastrbm(capsys, "info", tmp_path / "m.npz", "--json")[1])
    assert facts["hidden_delta"] == [-1, 2] and facts["visible_gamma"] == [1, 1]


@pytest.mark.slow
def test_bench(capsys):
    code, out, _ = fastrbm(capsys, "bench", "--size", "20x10", "--chains", 16)
    assert code == 0 and "PCD-1 update" in out and "checked" in out
    numbers = json.loads(fastrbm(capsys, "bench", "--size", "20x10", "--chains", 16, "--json")[1])
    assert (numbers["visible"], numbers["hidden"], numbers["chains"]) == (20, 10, 16)
    assert numbers["sweep_ratio"] == pytest.approx(numbers["sweep_numpy"] / numbers["sweep_fastrbm"])


def test_a_wrong_result_is_not_timed(monkeypatch):
    """The check can fail: a baseline whose hidden units ignore their biases is found out."""
    monkeypatch.setattr(speed.NumpyRBM, "mean_hidden", lambda self, v: speed.sigmoid_(v @ self.W + 0.1))
    with pytest.raises(ArithmeticError, match="of NumPy differs"):
        speed.compare(20, 10, 16, rounds=1)


def test_json_of_sample_and_train(tmp_path, capsys):
    model, samples = tmp_path / "m.npz", tmp_path / "s.npy"
    code, out, err = fastrbm(capsys, "train", "digits", "--hidden", 9, "--epochs", 3, "--json", "--out", model)
    assert code == 0 and out.count("\n") == 1 and f"Saved {model}" in err
    last = json.loads(out)
    assert last["model"] == str(model) and last["epoch"] == 3 and last["reconstruction_error"] > 0
    code, out, _ = fastrbm(capsys, "sample", model, "-n", 2, "--sweeps", 1, "--json", "--out", samples)
    assert json.loads(out) == {"samples": 2, "units": 64, "sweeps": 1, "out": str(samples)}


def test_methods_of_sample(tmp_path, capsys):
    X = fr.datasets.load_digits()
    rbm, start = fr.RBM.from_data(X, 9, seed=1, weight_scale=0.5), tmp_path / "x.npy"
    rbm.save(tmp_path / "m.npz")
    np.save(start, X[:9])

    def drawn(*options):
        arguments = ["sample", tmp_path / "m.npz", "-n", 7, "--sweeps", 30, *options, "--out", tmp_path / "s.npy"]
        code, _, err = fastrbm(capsys, *arguments)
        return np.load(tmp_path / "s.npy") if code == 0 else err

    for options, same in (
        (("--method", "gibbs", "--start", start), {"method": "gibbs", "start": X[:7]}),
        (("--start", start, "--beta", 0.5), {"start": X[:7], "beta": 0.5}),
        (("--method", "annealed", "--beta", 0.5), {"beta": 0.5}),
    ):
        assert (drawn(*options) == rbm.sample(7, 30, **same)).all()
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        expected = rbm.sample(7, 30, method="tempered")
    assert (drawn("--method", "tempered") == expected).all()
    assert "--start is for --method gibbs" in drawn("--method", "tempered", "--start", start)
    np.save(start, X[:6])
    assert "has 6 examples where -n asks for 7" in drawn("--start", start)


def test_report(tmp_path, capsys):
    """Of a model file, and at the end of a training, whose history it has; its command is shown in it, escaped."""
    pytest.importorskip("matplotlib")
    model, run, page = tmp_path / "<b>.npz", tmp_path / "run.npz", tmp_path / "r.html"
    training = ["train", "digits", "--hidden", 9, "--epochs", 3, "--quiet", "--shape", "4x16", "--checkpoint", run]
    code, out, _ = fastrbm(capsys, *training, "--out", model, "--report", page)
    text = page.read_text()
    assert code == 0 and f"of the training examples. Saved {page}" in out
    assert "each 4 x 16" not in text and "<h2>Training</h2>" in text and "<b>" not in text and "&lt;b&gt;" in text
    quick = ["-n", 8, "--sweeps", 20]
    code, out, err = fastrbm(capsys, "report", model, "digits", "-o", page, *quick, "--history", run)
    assert code == 0 and out.startswith("mean log-likelihood -") and "sampling  100%" in err
    assert "against the epoch" in page.read_text()
    code, _, err = fastrbm(capsys, "report", model, "digits", "--quiet", "-o", page, *quick)
    assert code == 0 and err == "" and "against the epoch" not in page.read_text()
    assert (
        "Trained on digits: 1,797 examples" in page.read_text()
        and "On digits: 1,797 examples. Made 20" in page.read_text()
    )
    for arguments, message in (
        (["--shape", "3x3"], "shape must hold 64 units, got 3 x 3 = 9"),
        (["--shape", "3"], "must be height and width"),
        (["-o", "r.pdf"], "its name must end in .html or .htm"),
        (["--history", model], "is not a fastrbm checkpoint"),
        (["--history", tmp_path / "no.csv"], "no.csv: No such file"),
    ):
        code, _, err = fastrbm(capsys, "report", model, "digits", "--quiet", "-o", page, *quick, *arguments)
        assert code == 2 and message in err and err.count("\n") == 1


def test_a_report_without_matplotlib_is_refused_before_the_training(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    arguments = ["--epochs", 3, "--out", tmp_path / "m.npz", "--report", tmp_path / "r.html"]
    code, out, err = fastrbm(capsys, "train", "digits", *arguments)
    assert code == 2 and out == "" and err == "fastrbm: pictures need matplotlib: pip install matplotlib\n"


@pytest.mark.parametrize("command", [[], ["train"], ["sample"], ["score"], ["report"], ["info"], ["bench"]])
def test_help(capsys, command):
    code, out, _ = fastrbm(capsys, *command, "--help")
    assert code == 0 and out.startswith("usage: fastrbm")
    assert not command or "example" in out


MISTAKES = [
    (["trian"], "did you mean 'train'?"),
    (["train", "digits", "--method", "pdc"], "did you mean 'pcd'?"),
    (["train"], "the following arguments are required: DATA"),
    (["train", "digits", "--hiden", "3"], "unrecognized arguments: --hiden 3; did you mean '--hidden'?"),
    (["train", "digits", "--hidden", "0"], "argument --hidden: must be at least 1, got 0"),
    (["train", "digits", "--hidden", "x"], "argument --hidden: invalid integer value: 'x'"),
    (["train", "digits", "--learning-rate", "nan"], "argument --learning-rate: must be above 0, got nan"),
    (["train", "digits", "--seed", str(2**64)], "argument --seed: must be at most 18446744073709551615"),
    (["train", "digits", "--learning-rate", "1e35"], "the step would make"),
    (
        ["train", "digitz"],
        "no file digitz, and no bundled set of that name (digits, bars-and-stripes); did you mean 'digits'?",
    ),
    (["train", "{tmp}/bda.npy"], "bad.npy'?"),
    (["train", "{tmp}/bad.npy"], "bad.npy is not an .npy file"),
    (["train", "{tmp}/bad.txt"], "unknown kind of file"),
    (["train", "{tmp}"], "unknown kind of file"),
    (["train", "{tmp}/x.npz", "--out", "{tmp}/x.npz"], "is also a file to read from, or to write something else to"),
    (["sample", "{tmp}/x.npz", "--out", "{tmp}/x.npz"], "is also a file to read from, or to write something else to"),
    (["train", "digits", "--hidden", str(10**9)], "n_hidden must be at most 16777216"),
    (["train", "digits", "--out", "{tmp}/m.csv"], "its name must end in .npz"),
    (["train", "digits", "--out", "{tmp}/no/m.npz"], "there is no folder"),
    (["train", "digits", "--out", "{tmp}/folder.npz"], "is a folder"),
    (["sample", "{tmp}/missing.npz", "--out", "{tmp}/s.npy"], "missing.npz: No such file or directory"),
    (["sample", "{tmp}/bad.npy", "--out", "{tmp}/s.npy"], "bad.npy is not a fastrbm model"),
    (["info", "{tmp}/missing.npz"], "missing.npz: No such file or directory"),
    (["info", "{tmp}/bad.npy"], "bad.npy is not a fastrbm model"),
    (["bench", "--size", "784"], "argument --size: must be height and width, such as 28x28, got 784"),
    (["sample", "{tmp}/bad.npy"], "the following arguments are required: -o/--out"),
    (["sample", "{tmp}/bad.npy", "--out", "s.png"], "its name must end in .npy or .npz or .csv"),
]


@pytest.mark.parametrize("arguments, message", MISTAKES, ids=lambda a: " ".join(a) if isinstance(a, list) else "")
def test_mistakes_get_one_line_and_exit_code_2(tmp_path, capsys, arguments, message):
    (tmp_path / "bad.npy").write_bytes(b"not numpy")
    (tmp_path / "bad.txt").write_bytes(b"0,1\n")
    (tmp_path / "x.npz").write_bytes(b"anything")
    (tmp_path / "folder.npz").mkdir()
    arguments = [a.replace("{tmp}", str(tmp_path)) for a in arguments]
    if arguments[:2] == ["train", "digits"] and "--out" not in arguments:
        arguments += ["--quiet", "--out", str(tmp_path / "m.npz")]
    code, _, err = fastrbm(capsys, *arguments)
    assert code == 2
    assert err.startswith("fastrbm") and err.count("\n") == 1 and message in err


def test_the_module_runs():
    run = subprocess.run([sys.executable, "-m", "fastrbm", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout == f"fastrbm {fr.__version__}\n"


def test_a_wrong_instruction_set_is_reported_in_one_line():
    """It is found out while the package is imported, before there is a command line."""
    environment = os.environ | {"FASTRBM_ISA": "magic"}
    run = subprocess.run([sys.executable, "-m", "fastrbm", "info"], capture_output=True, text=True, env=environment)
    assert run.returncode == 2 and run.stderr == "fastrbm: FASTRBM_ISA='magic' is not one of base, avx2, avx512, amx\n"
    run = subprocess.run(
        [sys.executable, "-c", "import fastrbm; fastrbm.RBM"], capture_output=True, text=True, env=environment
    )
    assert run.returncode == 1 and "Traceback" in run.stderr  # a program gets the exception


@pytest.mark.parametrize(
    "error, code, line", [(KeyboardInterrupt(), 130, "interrupted"), (ImportError("no kernels"), 2, "no kernels")]
)
def test_what_stops_the_import_is_reported_in_one_line(monkeypatch, capsys, error, code, line):
    class Stopped:
        def find_spec(self, name, *more):
            if name == "fastrbm.cli.commands":
                raise error

    monkeypatch.delitem(sys.modules, "fastrbm.cli.commands", raising=False)
    monkeypatch.delattr(cli, "commands", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Stopped(), *sys.meta_path])
    assert __main__.main() == code and capsys.readouterr().err == f"fastrbm: {line}\n"
    monkeypatch.setattr(sys, "stderr", None)
    assert __main__.main() == code


def test_ctrl_c_while_modules_are_loaded():
    """Some of them make other errors of a KeyboardInterrupt: unicodedata a SyntaxError."""
    code = """if True:
        import os, signal, sys, time
        class Stop:
            def find_spec(self, name, *more):
                if name == "fastrbm.cli.commands":
                    try:
                        os.kill(os.getpid(), signal.SIGINT)
                        time.sleep(5)
                    except KeyboardInterrupt:
                        raise SyntaxError("cannot be loaded") from None
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.meta_path.insert(0, Stop())
        from fastrbm.__main__ import main
        sys.exit(main())"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.returncode == 130 and run.stderr == "fastrbm: interrupted\n"


@contextmanager
def interruptible(*arguments):
    """A Python process that heeds SIGINT, even where this one was started in the background and ignores it."""
    run = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield run
    finally:
        run.kill()
        run.wait()


def measured(process):
    """Wait for the first measurement of a training, which its progress line then shows."""
    while "shuffled gap" not in (line := process.stderr.readline()):
        assert line.startswith("epoch "), line + process.communicate()[1]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_saves_the_model(tmp_path):
    """A real SIGINT: exit code 130, no traceback, and the model of the last complete update."""
    model = tmp_path / "m.npz"
    with interruptible("-m", "fastrbm", "train", "digits", "--epochs", "1000000", "--out", str(model)) as run:
        measured(run)
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
    assert run.returncode == 130 and "Traceback" not in err and "interrupted" in err
    assert f"the model of the last complete update is in {model}" in out
    start = fr.RBM.from_data(fr.datasets.load_digits(), 128, seed=0)
    assert np.abs(fr.load(model).weights - start.weights).max() > 0.01


def test_processes_that_do_not_know_of_each_other(capsys, tmp_path, monkeypatch):
    """mpiexec without --mpi: each process trains, and writes the same file. That is allowed, and said."""
    train = "train", "digits", "--hidden", 2, "--epochs", 1, "--quiet", "--out", tmp_path / "m.npz"
    for size, said in ("2", True), ("1", False), ("", False):
        monkeypatch.setenv("PMI_SIZE", size)
        code, _, err = fastrbm(capsys, *train)
        line = "fastrbm: PMI_SIZE says that 2 processes were started: each does all of the work (add --mpi to share it)"
        assert code == 0 and (line in err.splitlines()) == said
