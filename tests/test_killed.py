"""Trainings that are killed, or interrupted by a signal: what their checkpoint leaves."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from test_checkpoint import assert_same_files, entries

import fastrbm as fr

PROGRAM = """
import sys
import fastrbm as fr
X, last = fr.datasets.load_digits(), int(sys.argv[4])
def wait(state):
    print(state.epoch, flush=True)
    if state.epoch == last:
        sys.stdin.read()  # for the signal
rbm = fr.RBM.from_data(X, n_hidden=50, seed=0)
pcd = fr.gradient.PCD(100, seed=1)
sgd = fr.optim.SGD(fr.optim.Linear(0.1, 0.0), momentum=0.5)
fr.fit(rbm, X, pcd, sgd, epochs=int(sys.argv[2]), seed=2, averaging=fr.optim.Averaging(), validation=X[:100],
       metrics=fr.metrics.PseudoLikelihood(every=1), checkpoint=sys.argv[1], checkpoint_seconds=float(sys.argv[3]),
       callbacks=wait, resume=True)
rbm.save(sys.argv[1] + ".model.npz")
"""


def run(path, epochs, seconds, last=0):
    """A training, which waits at the end of the last epoch given."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, (path, epochs, seconds, last))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def killed_again_and_again(folder, kills, epochs):
    """Kill a training so many times at random moments; the checkpoint it ends with, and one without kills. However late
    a kill comes, epochs are left for the next ones."""
    rng, path, a_leg = np.random.default_rng(0), folder / "cut.npz", epochs // (kills + 1)
    for k in range(kills):
        process = run(path, epochs, 0.0, (k + 1) * a_leg)
        assert process.stdout.readline()  # the end of an epoch
        time.sleep(rng.uniform(0.0, 0.05))
        process.kill()
        error = process.communicate()[1]
        assert process.returncode == -signal.SIGKILL, error
        assert fr.load(path).n_hidden == 50  # whole at any moment
    for end in (path, folder / "whole.npz"):
        process = run(end, epochs, 1e9)
        error = process.communicate()[1]
        assert process.returncode == 0, error
    return path, folder / "whole.npz"


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_9(tmp_path, kills):
    cut, whole = killed_again_and_again(tmp_path, kills, epochs=12 * kills)
    assert_same_files(cut, whole)
    assert_same_files(f"{cut}.model.npz", f"{whole}.model.npz")
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "cut.npz", "cut.npz.model.npz", "whole.npz", "whole.npz.model.npz",
    ]  # fmt: skip


TERMINATED = """
import sys
import fastrbm as fr
X = fr.datasets.load_digits()
rbm = fr.RBM.from_data(X, n_hidden=50, seed=0)
try:
    fr.fit(rbm, X, fr.gradient.PCD(100, seed=1), fr.optim.SGD(0.1, momentum=float(sys.argv[3])),
           epochs=int(sys.argv[2]), seed=2, validation=X[:100], metrics=fr.metrics.PseudoLikelihood(every=1),
           callbacks=lambda state: print(state.epoch, flush=True), checkpoint=sys.argv[1], checkpoint_seconds=1e9,
           resume=True)
finally:
    rbm.save(sys.argv[1] + ".model.npz")
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("momentum", [0.0, 0.5])  # many updates a call, and one
@pytest.mark.parametrize("times", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_sigterm_at_random_moments(tmp_path, times, momentum):
    """Checkpoint and model are there each time, though none was due; resumed, they lead to the same bits."""

    def start(path, epochs):
        command = [sys.executable, "-c", TERMINATED, str(path), str(epochs), str(momentum)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    rng, cut, whole, update = np.random.default_rng(1), tmp_path / "cut.npz", tmp_path / "whole.npz", 0
    for _ in range(times):
        process = start(cut, 10**6)
        assert process.stdout.readline()  # the end of an epoch
        time.sleep(rng.uniform(0.0, 0.05))
        process.terminate()
        error = process.communicate(timeout=60)[1]
        assert process.returncode == 143 and error == b"", error
        before, update = update, int(entries(cut)["training/update"])
        assert update >= before  # equal where the leg had time for a measurement that was broken off, and no more
        for name in ("weights", "visible_bias", "hidden_bias"):
            assert np.array_equal(getattr(fr.load(cut), name), getattr(fr.load(f"{cut}.model.npz"), name))
    epochs = update // 15 + 2
    for path in (cut, whole):
        process = start(path, epochs)
        process.communicate()
        assert process.returncode == 0
    assert_same_files(cut, whole)
    assert_same_files(f"{cut}.model.npz", f"{whole}.model.npz")
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_writes_a_checkpoint(tmp_path):
    """The first SIGINT waits for the end of the update and a checkpoint, though none was due."""
    path = tmp_path / "c.npz"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.replace("rbm.save", "print"), str(path), "1000000", "1e9", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert process.stdout.readline()  # the end of an epoch
    assert process.poll() is None and not path.exists()
    process.send_signal(signal.SIGINT)
    assert b"KeyboardInterrupt" in process.communicate(timeout=60)[1]
    assert entries(path)["training/update"] > 0
    assert fr.load(path).n_visible == 64
