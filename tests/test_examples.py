"""examples/: each script runs, in small, and prints what it should."""

import importlib.util
import os
import re
import runpy
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastrbm as fr

EXAMPLES = Path(__file__).parent.parent / "examples"


def write_idx(path, array):
    path.write_bytes(struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes())
    return str(path)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a script as it is run from a shell; in this process, where that saves loading all that it needs, unless
    alone."""

    def run(script, *arguments, needs=("matplotlib", "fastrbm.plot"), alone=False):
        for name in needs:
            if importlib.util.find_spec(name) is None:
                pytest.skip(f"needs {name}")
        out = (by_itself if alone else here)(str(EXAMPLES / script), *arguments)
        if "picture: " in out:
            picture = tmp_path / re.search(r"picture: (.*)", out)[1]
            assert picture.read_bytes().startswith(b"\x89PNG")
        return out

    def by_itself(*command):
        path = os.pathsep.join([str(Path(fr.__file__).parent.parent), *sys.path])
        env = os.environ | {"PYTHONPATH": path, "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def here(*command):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("MPLBACKEND", "agg")
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        monkeypatch.setattr(sys, "argv", [*command])
        capsys.readouterr()
        runpy.run_path(command[0], run_name="__main__")
        return capsys.readouterr().out

    yield run
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def number(pattern, text):
    return float(re.search(pattern.replace("#", r"(-?[\d.]+)"), text)[1])


def test_all_are_tested():
    text = Path(__file__).read_text(encoding="utf-8")
    for script in EXAMPLES.glob("*.py"):
        assert f'run("{script.name}"' in text


def test_digits(run):
    out = run("digits.py", "--epochs", "20", "--hidden", "32", alone=True)
    assert number("mean log-likelihood #", out) > number("means alone: #", out)


def test_images(run, tmp_path):
    pictures = 255 * fr.datasets.load_digits().reshape(-1, 8, 8)
    files = [
        write_idx(tmp_path / name, part) for name, part in (("a.idx", pictures[:1500]), ("b.idx", pictures[1500:]))
    ]
    out = run("images.py", *files, "--epochs", "30", "--hidden", "32", "--betas", "500")
    assert "1,500 pictures of 64 pixels" in out
    assert number("mean log-likelihood #", out) > number("means alone: #", out)


def test_genomes(run, tmp_path):
    X = fr.datasets.load_digits()[:400]
    np.savez(tmp_path / "packed.npz", bits=np.packbits(X, axis=1), n_vis=64)
    small = ("--epochs", "5", "--hidden", "16", "--chains", "16", "--sweeps", "20")
    packed = run("genomes.py", "packed.npz", "--betas", "3", *small)
    assert "320 examples of 64 units, 15 updates" in packed and "neighbors swap at" in packed
    np.save(tmp_path / "plain.npy", X)
    assert "320 examples" in run("genomes.py", "plain.npy", "--betas", "1", *small)


def test_classification(run):
    out = run("classification.py", "--iterations", "2", needs=("sklearn",))
    assert number("pixels: # %", out) > 60 and number("features: # %", out) > 60


def test_labels(run):
    out = run("labels.py", "--epochs", "40", "--hidden", "64", needs=("matplotlib", "fastrbm.plot", "sklearn"))
    assert number("# % of 360", out) > 75 and number("# of 100 samples", out) > 60  # chance: 10


def test_sequences(run, tmp_path):
    out = run("sequences.py", "--epochs", "80")
    assert number("log-likelihood #", out) > number("independent sites: #", out) + 2
    assert number("base pairs: # %", out) > number("ones, # % by chance", out) + 10
    codes = fr.datasets.read_fasta(tmp_path / "designed.fasta", "rna")
    assert codes.shape == (1000, 16)
    out = run("sequences.py", "designed.fasta", "--alphabet", "rna", "--epochs", "2", "--out", "again.fasta")
    assert "800 sequences of 16 sites" in out and "base pairs" not in out


def test_survey(run):
    out = run("survey.py", "--epochs", "60", needs=())
    assert "2,000 rows of 6 columns, 20% missing" in out
    assert number("answers: # % right", out) > number("column: # %", out) + 3
    assert "drawn home: farm" in out
    out = run("survey.py", "drawn.csv", "--epochs", "2", "--out", "again.csv", needs=())
    assert "1,000 rows of 6 columns, 0% missing" in out
