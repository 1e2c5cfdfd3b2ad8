"""docs/cluster.md does what it says, on two ranks, and bench/ranks.py starts."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import ranks as bench
from ranks_by_threads import on_ranks

import fastrbm as fr

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
ENV = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(fr.__file__).parent.parent), *sys.path])}
LIMIT = 120  # seconds

needs_mpi = pytest.mark.skipif(
    importlib.util.find_spec("mpi4py") is None or bench.mpiexec() is None, reason="needs mpi4py and mpich"
)


def block(kind, page=PAGE, k=0):
    return re.findall(rf"^```{kind}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)[k]


@pytest.fixture
def script(tmp_path):
    """train.py of the page, in a folder of its own."""
    (tmp_path / "train.py").write_text(block("py"), encoding="utf-8")
    return tmp_path


@needs_mpi
def test_the_script_of_the_page_prints_what_the_page_shows(script):
    command = [bench.mpiexec(), "-n", "2", sys.executable, "-m", "mpi4py", "train.py"]
    done = subprocess.run(command, cwd=script, env=ENV, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stderr
    shown = re.search(r"It prints\n\n```\n(.*?)```", PAGE, re.DOTALL)[1]
    assert done.stdout == shown
    assert fr.load(script / "rbm.npz").n_hidden == 128 and np.load(script / "samples.npy").shape == (1000, 64)


@pytest.mark.parametrize("k", [0, 1])
def test_the_batch_files_of_the_page_are_bash(k):
    done = subprocess.run(["bash", "-n"], input=block("bash", k=k), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def start(folder, batch_file, commands, checkpoint):
    """The batch file of the page, with these commands in place of those of a cluster; what comes of SIGTERM to it, once
    the training has written its first checkpoint: another one."""
    (folder / "job.sh").write_text(re.sub(r"(?m)^(module|\.) .*$", "", batch_file), encoding="utf-8")
    for name, text in {"scontrol": 'echo "scontrol $*"', **commands}.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    env = ENV | {"PATH": f"{folder}:{os.environ['PATH']}", "SLURM_CPUS_PER_TASK": "1", "SLURM_JOB_ID": "77"}
    with subprocess.Popen(["bash", "job.sh"], cwd=folder, env=env, stdout=subprocess.PIPE, text=True) as job:
        while not checkpoint.exists():
            assert job.poll() is None
            time.sleep(0.01)
        first = checkpoint.stat().st_mtime_ns
        job.send_signal(signal.SIGTERM)
        assert job.communicate(timeout=LIMIT)[0].endswith("scontrol requeue 77\n")
    assert checkpoint.stat().st_mtime_ns > first


@pytest.mark.slow
def test_the_batch_file_of_one_node_starts_itself_again(tmp_path):
    np.save(tmp_path / "data.npy", fr.datasets.load_digits())
    options = "--epochs 100000 --checkpoint-seconds 2 --quiet"
    command = {"fastrbm": f'exec "{sys.executable}" -m fastrbm "$@" {options}'}
    start(tmp_path, block("bash"), command, tmp_path / "run.npz")
    assert fr.load(tmp_path / "run.npz").n_visible == 64


@needs_mpi
@pytest.mark.slow
def test_the_batch_file_starts_itself_again(script):
    """With mpiexec in the place of srun, and scontrol that says what it was asked for: SIGTERM to the script ends all
    ranks with a checkpoint."""
    training = (script / "train.py").read_text(encoding="utf-8")
    training = training.replace("epochs=40", "epochs=100_000, checkpoint_seconds=2")
    (script / "train.py").write_text(training, encoding="utf-8")
    srun = f'while [[ "$1" == --* ]]; do shift; done; exec "{bench.mpiexec()}" -n 2 "$@"'
    commands = {"srun": srun, "python": f'exec "{sys.executable}" "$@"'}
    start(script, block("bash", k=1), commands, script / "run.checkpoint.npz")
    assert fr.load(script / "run.checkpoint.npz").n_hidden == 128


@pytest.mark.filterwarnings("ignore::fastrbm.TrainingWarning")
def test_the_estimator_of_the_page_extending_takes_part():
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    namespace = {"fr": fr, "X": fr.datasets.load_digits()}
    exec(next(code for code in re.findall(r"(?s)```python\n(.*?)```", text) if "MoreAndMore" in code), namespace)

    def train(comm):
        rbm = fr.RBM.from_data(namespace["X"], n_hidden=150, seed=0)
        fr.fit(rbm, namespace["X"], namespace["MoreAndMore"](64), epochs=5, seed=0, comm=comm)  # two sweeps at the end
        return rbm.weights

    alone = train(None)
    for weights in on_ranks(3, train):
        assert np.array_equal(weights, alone)


# ------------------------------------------------------------ bench/ranks.py


@pytest.mark.slow
@needs_mpi
def test_the_benchmark_starts():
    command = [
        sys.executable,
        str(ROOT / "bench" / "ranks.py"),
        "--sizes",
        "70x130x8",
        "--updates",
        "4",
        "--rounds",
        "1",
    ]
    done = subprocess.run(command, env=ENV, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stderr
    heads, size, *rows = done.stdout.splitlines()
    assert size == "70x130x8, the same bits from all"
    assert [row.split("  ")[1] for row in rows] == list(bench.CONTENDERS)
    received = int(rows[-1].split()[-2].replace(",", ""))
    # rank 0 has one of two visible tiles and one of three hidden ones: of the two others come 72 columns of 64 weights,
    # bits of 66 hidden (72 with their bytes) and 6 visible units (8) for 8 chains, and the two doubles a row of sums
    assert received >= 4 * 72 * 64 + 9 * 8 + 1 * 8


def test_results_that_differ_are_reported(monkeypatch):
    monkeypatch.setattr(bench, "run", lambda size, updates, ranks, *_: [{"digest": str(ranks), "parts": []}])
    with pytest.raises(ArithmeticError, match="results differ"):
        bench.in_turns("8x8x8", 4, bench.CONTENDERS, 1)


def test_ranks_are_predicted_to_divide_the_arithmetic_and_to_add_the_exchange():
    costs = object.__new__(bench.Costs)
    costs.fixed = costs.of_byte = costs.of_exchange = costs.exchanges = 0
    assert costs.seconds("1024x1024x8", 1.0, 4, None) == 0.25
    assert costs.seconds("1024x512x8", 1.0, 16, None) == costs.seconds("1024x512x8", 1.0, 8, None) == 1 / 8  # tiles
    costs.fixed, costs.exchanges, costs.of_byte, costs.of_exchange = 0.5, 10, 3e-9, 1e-9
    n_bytes = bench.expected_bytes("1024x1024x8", 4)
    assert n_bytes == 0.75 * (8 * 2048 / 8 + 4.25 * 2**20 / 4)
    latencies = 8 * 2 + 2 * 3  # gathers by doubling, two exchanges of all with all
    expected = 0.25 + 0.5 + latencies * 1e-3 + n_bytes * ((3e-9 - 1e-9) / bench.CORES + 1 / 1e9)
    assert costs.seconds("1024x1024x8", 1.0, 4, (1e-3, 1e9)) == pytest.approx(expected, rel=1e-12)


def test_predictions_go_to_their_place_on_the_page(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "PAGE", tmp_path / "page.md")
    bench.PAGE.write_text(f"before\n{bench.START}\nold\n{bench.END}\nafter\n", encoding="utf-8")
    bench.write("| new |\n")
    assert bench.PAGE.read_text(encoding="utf-8") == f"before\n{bench.START}\n| new |\n{bench.END}\nafter\n"
    assert PAGE.count(bench.START) == PAGE.count(bench.END) == 1
