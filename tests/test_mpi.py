"""Real jobs of mpiexec, on several ranks: the digests that are written down, signals, ranks that fail or are killed.

Each job has a time limit: one that hangs fails, and does not hang pytest. What needs no MPI is in test_ranks_training
and test_ranks_sampling.
"""

import importlib.util
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
from helpers import LEVELS
from test_checkpoint import assert_same_files, entries
from test_fit import EXPECTED, PROGRAMS

import fastrbm as fr
from fastrbm import cli

MPIEXEC = shutil.which("mpiexec", path=sysconfig.get_path("scripts")) or shutil.which("mpiexec")
pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("mpi4py") is None, reason="needs mpi4py"),
    pytest.mark.skipif(MPIEXEC is None, reason="needs mpiexec"),
]
LIMIT = 120  # seconds that a job may take, on a busy machine with two CPUs; one that is to be ended goes on for more
# ranks that wait leave the CPUs to others: there may be fewer of these
POLITE = {
    "MPIR_CVAR_POLLS_BEFORE_YIELD": "1", "MPIR_CVAR_CH4_PROGRESS_THROTTLE": "true",
    "MPIR_CVAR_CH4_PROGRESS_THROTTLE_NO_PROGRESS_COUNT": "1",
}  # fmt: skip
# the package that is tested, wherever a job runs
ENV = os.environ | POLITE | {"PYTHONPATH": os.pathsep.join([str(Path(fr.__file__).parent.parent), *sys.path])}
X = fr.datasets.load_digits()


class Job:
    """python arguments, on so many ranks; a context that leaves nothing behind."""

    def __init__(self, size, *arguments, **environment):
        self.process = subprocess.Popen(
            [MPIEXEC, "-n", str(size), sys.executable, "-W", "ignore", *map(str, arguments)],
            env=ENV | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def end(self):
        """(exit code, standard output, standard error) once it has ended."""
        out, err = self.process.communicate(timeout=LIMIT)
        return self.process.returncode, out, err


def printed(size, *arguments, **environment):
    with Job(size, *arguments, **environment) as job:
        code, out, err = job.end()
    assert code == 0, err
    return out


# ------------------------------------------------------------ the same bits

DIGESTS = """
import os, sys
rank, levels = int(os.environ["PMI_RANK"]), sys.argv[1].split(",")
os.environ["FASTRBM_ISA"] = levels[rank % len(levels)]  # this rank's
from mpi4py import MPI
import functools
import hashlib
import fastrbm as fr
from fastrbm._core.dispatch import LEVEL
comm, lines = MPI.COMM_WORLD, []
assert LEVEL == os.environ["FASTRBM_ISA"] and comm.Get_size() == int(sys.argv[2])
for program in sys.argv[4:]:
    names = {"fr": fr, "hashlib": hashlib, "n_threads": 1, "fit": functools.partial(fr.fit, comm=comm)}
    exec(program.replace("fr.fit(", "fit("), names)
    lines.append(names["digest"].hexdigest())
if sys.argv[3] == "halves":  # two trainings side by side
    half = comm.Split(rank % 2)
    X = fr.datasets.load_digits()
    rbm = fr.RBM.from_data(X, 150)
    fr.fit(rbm, X, epochs=1, seed=rank % 2, comm=half)
    alone = fr.RBM.from_data(X, 150)
    fr.fit(alone, X, epochs=1, seed=rank % 2)
    lines.append(str((rbm.weights == alone.weights).all()))
    samples = rbm.sample(200, 5, method="gibbs", comm=half)
    lines.append(str((samples == alone.sample(200, 5, method="gibbs")).all()))
for each in comm.gather(lines) or ():
    print(*each)
"""


@pytest.mark.parametrize("size, levels", [(1, LEVELS[-1:]), (2, LEVELS[-1:]), (4, LEVELS)], ids=str)
def test_the_digests_that_are_written_down(size, levels):
    """Of test_fit, by one rank, by two, and by four with a level each; and what two halves do side by side."""
    names, more = (["basic"], ["True", "True"]) if size == 4 else (["basic", "methods"], [])
    programs = [PROGRAMS[name] for name in names]
    out = printed(size, "-c", DIGESTS, ",".join(levels), size, "halves" if size == 4 else "", *programs)
    assert out.splitlines() == [" ".join([*(EXPECTED[name] for name in names), *more])] * size


def test_the_command_line(tmp_path, capsys):
    """What it says and writes is as of one process, by rank 0; what is wrong is said once."""

    def both(ending, *arguments):
        command, times = [str(argument) for argument in arguments], r"in [\d.]+ s|\d threads?|2 ranks"
        files = (["--out", f"{tmp_path}/{name}.{ending}"] * bool(ending) for name in ("alone", "ranks"))
        assert cli.main([*command, *next(files)]) == 0
        alone = capsys.readouterr().out.replace("alone.", "ranks.")
        out = printed(2, "-m", "fastrbm", *command, *next(files), "--mpi")
        assert re.sub(times, "", out) == re.sub(times, "", alone) and out.count("\n") >= 1
        if ending:
            assert (tmp_path / f"alone.{ending}").read_bytes() == (tmp_path / f"ranks.{ending}").read_bytes()
        return out

    command = "train", "digits", "--epochs", 2, "--hidden", 100, "--quiet"
    assert "1,797 examples x 64 units, 100 hidden units, 2 ranks\n30 updates in " in both("npz", *command)
    both("npy", "sample", tmp_path / "alone.npz", "-n", 500, "--sweeps", 20)
    both("", "score", tmp_path / "alone.npz", "digits", "--quiet", "--betas", 50)
    with Job(2, "-m", "fastrbm", *command, "--mpi", "--out", tmp_path / "no" / "c.npz") as job:
        code, out, err = job.end()
    assert code == 2 and out == ""
    assert err == f"fastrbm: --out {tmp_path}/no/c.npz: there is no folder {tmp_path}/no\n"
    assert len(list(tmp_path.iterdir())) == 4


# ------------------------------------------------------------ signals, failures, kills

PROGRAM = """
import os, signal, sys, time
from mpi4py import MPI
import fastrbm as fr
from fastrbm._core import signals
signals._ECHO = 60.0  # seconds that ranks wait for their own signal, however late it comes
path, epochs, seconds, fail = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job ignores
comm, X = MPI.COMM_WORLD, fr.datasets.load_digits()
rank = comm.Get_rank()
with open(f"{path}.{rank}.pid", "w") as file:
    file.write(str(os.getpid()))
rbm, pcd = fr.RBM.from_data(X, n_hidden=150, seed=0), fr.gradient.PCD(100, seed=1)
def shown(state):
    if fail == "callback" and rank == 1:
        raise KeyError("no such thing")
    if rank == 0:
        print(state.epoch, flush=True)
        if fail == f"wait {state.epoch}":
            time.sleep(1e6)
class Rate:
    def __call__(self, progress):
        if fail == "rate" and rank == 1 and progress:
            raise KeyError("no such thing")
        return 0.1
    def describe(self):
        return "Rate"
try:
    fr.fit(rbm, X, pcd, fr.optim.SGD(Rate(), momentum=0.5), epochs=epochs, seed=2, averaging=fr.optim.Averaging(),
           metrics=fr.metrics.PseudoLikelihood(every=1), callbacks=shown, checkpoint=path, checkpoint_seconds=seconds,
           resume=True, comm=comm)
finally:
    print(f"rank {rank}: {pcd.chains.n_sweeps_done} updates, {hash(rbm.weights.tobytes())}", file=sys.stderr)
"""


def train(path, size, epochs, seconds=1e9, fail=""):
    return Job(size, "-c", PROGRAM, path, epochs, seconds, fail, PYTHONHASHSEED="0")


def pids_of(path, size):
    return [int(Path(f"{path}.{rank}.pid").read_text()) for rank in range(size)]


def whole_run(path, epochs):
    """The same training, uninterrupted, in one process."""

    class Rate:
        def __call__(self, progress):
            return 0.1

        def describe(self):
            return "Rate"

    rbm, sgd = fr.RBM.from_data(X, n_hidden=150, seed=0), fr.optim.SGD(Rate(), momentum=0.5)
    fr.fit(
        rbm, X, fr.gradient.PCD(100, seed=1), sgd, epochs=epochs, seed=2, averaging=fr.optim.Averaging(),
        metrics=fr.metrics.PseudoLikelihood(every=1), checkpoint=path, checkpoint_seconds=1e9, resume=True,
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore::fastrbm.TrainingWarning")
@pytest.mark.parametrize("number, size", [(signal.SIGINT, 3), (signal.SIGTERM, 2)], ids=["SIGINT", "SIGTERM"])
def test_a_signal_stops_all_ranks_after_the_same_update(tmp_path, number, size):
    """SIGINT to mpiexec, SIGTERM to one rank after the other, to the second when the first has broken off the training.
    The checkpoint is good: one process goes on from it to the bits of a training without interruption."""
    cut, whole = tmp_path / "cut.npz", tmp_path / "whole.npz"
    with train(cut, size, 10**5) as job:
        assert job.process.stdout.readline() == "1\n"
        if number == signal.SIGINT:
            job.process.send_signal(number)
        else:
            first, second = pids_of(cut, size)
            os.kill(first, number)
            while not cut.exists():
                assert job.process.poll() is None
                time.sleep(0.002)
            os.kill(second, number)
        code, _, err = job.end()
    stopped = re.findall(r"rank \d: (\d+ updates, -?\d+)", err)
    assert code != 0 and len(stopped) == size and len(set(stopped)) == 1, err
    update = int(entries(cut)["training/update"])
    assert stopped[0].startswith(f"{update} updates")
    epochs = update // 15 + 2
    for path in (cut, whole):
        whole_run(path, epochs)
    assert_same_files(cut, whole)


@pytest.mark.parametrize("fail", ["callback", "rate"])
def test_an_error_on_one_rank_ends_the_job_with_its_words(tmp_path, fail):
    """Of a callback, which all ranks agree on, and of a schedule, which ends the others; plain python, no -m mpi4py."""
    with train(tmp_path / "c.npz", 2, 10**5, fail=fail) as job:
        code, _, err = job.end()
    assert code != 0 and "KeyError: 'no such thing'" in err
    if fail == "callback":
        assert "rank 1 of 2 failed: 'no such thing'" in err  # on rank 0
    else:
        assert "fastrbm, rank 1 of 2, ends all ranks:\nTraceback" in err


def test_a_rank_that_is_killed_ends_the_job(tmp_path):
    with train(tmp_path / "c.npz", 2, 10**5) as job:
        assert job.process.stdout.readline() == "1\n"
        os.kill(pids_of(tmp_path / "c.npz", 2)[1], signal.SIGKILL)
        assert job.end()[0] != 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::fastrbm.TrainingWarning")
def test_kill_9_of_random_ranks(tmp_path):
    """20 kills of a random rank of three at random moments, however late of the next three epochs; two or four ranks go
    on, and three again. The end is as of a training that nobody killed, in each array."""
    rng, cut, whole = random.Random(0), tmp_path / "cut.npz", tmp_path / "whole.npz"
    updates, epochs, size = [], 63, 3
    for k in range(20):
        with train(cut, size, epochs, 0.0, f"wait {3 * (k + 1)}") as job:
            assert job.process.stdout.readline()  # the end of an epoch
            time.sleep(rng.uniform(0.0, 0.1))
            os.kill(pids_of(cut, size)[rng.randrange(size)], signal.SIGKILL)
            assert job.end()[0] != 0  # of the kill, or of a rank that found the other gone
        updates.append(int(entries(cut)["training/update"]))  # whole at any moment
        assert fr.load(cut).n_hidden == 150
        size = 3 if size != 3 else rng.choice((2, 4))
    with train(cut, size, epochs) as job:
        code, _, err = job.end()
    assert code == 0, err
    print(f"killed after updates {updates} of {15 * epochs}; ended on {size} ranks")
    assert updates == sorted(updates)
    whole_run(whole, epochs)
    assert_same_files(cut, whole)


# ------------------------------------------------------------ what was not started as ranks


@pytest.mark.parametrize("name", ["PMI_SIZE", "SLURM_STEP_NUM_TASKS"])
def test_processes_that_do_not_know_of_each_other_are_refused(tmp_path, name):
    """Each would do all of the work, and all would write one file."""
    program = "from mpi4py import MPI; import fastrbm as fr; fr.RBM([[1.0]]).sample(1, comm=MPI.COMM_WORLD)"
    if name != "PMI_SIZE":
        program = "from fastrbm.cli import main; main(['train', 'digits', '--mpi'])"
    run = subprocess.run(
        [sys.executable, "-c", program], env=ENV | {name: "2"}, capture_output=True, text=True, timeout=LIMIT,
        cwd=tmp_path,
    )  # fmt: skip
    assert f"{name} says that 2 processes were started, but MPI knows of one" in run.stderr
    assert not list(tmp_path.iterdir())


def test_mpi_without_mpi4py(tmp_path):
    """And nothing else ever imports it."""
    program = """
import sys
sys.modules["mpi4py"] = None
from fastrbm.cli import main
train = "train", "digits", "--epochs", "1", "--quiet"
print(main([*train, "--mpi"]), main(train))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, env=ENV)
    assert 'pip install "fastrbm[mpi]" mpich' in run.stderr and run.stderr.count("\n") == 1
    assert run.stdout.endswith("2 0\n")
