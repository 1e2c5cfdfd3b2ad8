"""Types: mypy finds nothing in the package, the stubs are true of the compiled modules, a user's mistake is found."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fastrbm as fr
from fastrbm._core import dispatch

ROOT = Path(__file__).parent.parent

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed: the extra lint has it"),
    pytest.mark.skipif(not Path(fr.__file__).is_relative_to(ROOT), reason="mypy reads the source tree"),
]

USER = """
import numpy as np
import fastrbm as fr

X = fr.datasets.load_digits()
rbm = fr.RBM.from_data(X, n_hidden=16, seed=0)
history = fr.fit(rbm, X, gradient=fr.gradient.PCD(), optimizer=fr.optim.SGD(0.05), epochs=1, callbacks=[print])
chains = fr.Chains(rbm, n_chains=8, start=X[:8], beta=np.ones(8))
bits = fr.BitMatrix.from_states([[0, 1], [1, 1]])
reveal_type(rbm.sample(16))
reveal_type(rbm.free_energy(bits))
reveal_type(rbm.sample(4, start=chains.visible_bits[:4]))
reveal_type(history["epoch"])
reveal_type(fr.gradient.CD(1)(rbm, X, sample_weight=np.ones(len(X))))
reveal_type(fr.likelihood.ais(rbm, data=X, n_betas=100).value)
reveal_type(fr.load("digits-rbm.npz").n_hidden)
rbm.sample("16")
rbm.sampel(16)
fr.Chains(X)
"""
REVEALED = ["ndarray", "ndarray", "ndarray", "ndarray", "Gradient", "float", "int"]
MISTAKES = [
    'has incompatible type "str"; expected "int"',
    '"RBM" has no attribute "sampel"',
    'Argument 1 to "Chains" has incompatible type',
]


def run(*arguments):
    command = [sys.executable, "-m", *(str(argument) for argument in arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_package(tmp_path):
    done = run("mypy", "--cache-dir", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_stubs_are_true():
    """What a stub lacks, test_build.py sees."""
    modules = ["fastrbm._core._cpu", *(f"fastrbm._core._kernels_{level}" for level in dispatch.available_levels())]
    options = ["--ignore-missing-stub", "--ignore-disjoint-bases", "--mypy-config-file", "pyproject.toml"]
    done = run("mypy.stubtest", *options, *modules)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_a_user_sees(tmp_path):
    script = tmp_path / "user.py"
    script.write_text(USER)
    done = run("mypy", "--strict", "--cache-dir", tmp_path, script)
    reported = done.stdout.splitlines()
    revealed = [line for line in reported if "Revealed type" in line]
    assert len(revealed) == len(REVEALED), done.stdout
    for line, kind in zip(revealed, REVEALED, strict=True):
        assert re.search(rf'Revealed type is "[\w.]*\b{kind}\b', line), line
    errors = [line for line in reported if ": error:" in line and "user.py" in line]
    assert len(errors) == len(MISTAKES), done.stdout
    for line, mistake in zip(errors, MISTAKES, strict=True):
        assert mistake in line
