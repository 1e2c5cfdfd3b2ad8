"""Children that are forked, and signal handlers that run, while the package is at work elsewhere: nobody waits for a
lock that nobody will give back."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import fastrbm as fr
from fastrbm._core.settings import once

X = fr.datasets.load_digits()[:200]
PATIENCE = 60.0  # seconds until a child counts as stuck; it needs a few hundredths

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def use(rbm, folder, seed):
    """A little of everything that could hold a lock."""
    other = rbm.copy()
    fr.fit(other, X, fr.gradient.PCD(20, seed=seed), epochs=1)
    fr.fit(rbm, X, fr.gradient.CD(seed=seed), fr.optim.SGD(0.01, momentum=0.5), epochs=1)
    rbm.sample(10, 5, seed=seed)
    assert rbm.weights.shape == (64, 16)
    path = os.path.join(folder, f"{os.getpid()}-{threading.get_ident()}.npz")
    rbm.save(path)
    assert fr.load(path).n_hidden == 16


class Busy:
    """Threads that sample, fit and save with one model as long as the context lasts."""

    def __init__(self, rbm, folder, n=3):
        self.over, self.errors, self.rbm, self.folder = False, [], rbm, folder
        self.threads = [threading.Thread(target=self.work, args=(k,)) for k in range(n)]

    def work(self, k):
        try:
            while not self.over:
                use(self.rbm, self.folder, k)
        except Exception as error:
            self.errors.append(error)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self.over = True
        for thread in self.threads:
            thread.join()


def how_it_ended(child):
    """The exit code of a child, or None for one that is stuck, which is killed."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def forks(n, folder):
    rbm = fr.RBM.from_data(X, 16, seed=0)
    use(rbm, folder, 0)
    codes = []
    with Busy(rbm, folder) as busy:
        for k in range(n):
            time.sleep(0.0007 * (k % 7))  # at all kinds of moments
            child = os.fork()
            if child == 0:
                try:
                    use(rbm, folder, k)
                    os._exit(0)
                except BaseException:
                    os._exit(1)
            codes.append(how_it_ended(child))
            if codes[-1] is None:
                break
    assert not busy.errors
    return codes


# Python warns of any fork beside threads
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forks_beside_threads(tmp_path):
    assert forks(12, tmp_path) == [0] * 12


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_200_forks_beside_threads(tmp_path):
    assert forks(200, tmp_path) == [0] * 200


def test_values_that_are_worked_out_once_hold_no_lock():
    """While one object works out its own, another can; functools.cached_property has one lock for all before 3.12."""
    inside, go_on, done = threading.Event(), threading.Event(), []

    class Slow:
        @once
        def value(self):
            if threading.current_thread() is thread:
                inside.set()
                go_on.wait()
            return 1

    thread = threading.Thread(target=lambda: Slow().value)
    other = threading.Thread(target=lambda: done.append(Slow().value))
    thread.start()
    inside.wait()
    other.start()
    other.join(PATIENCE)
    try:
        assert done == [1]
    finally:
        go_on.set()
        thread.join()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no timer here")
def test_a_signal_handler_that_uses_the_model():
    """It runs in the middle of whatever the main thread does; of itself it may not wait."""
    rbm, seen = fr.RBM.from_data(X, 16, seed=0), []
    pcd = fr.gradient.PCD(20)

    def handler(number, frame):
        seen.append(float(rbm.free_energy(X[:5]).mean()))
        rbm.step(pcd(rbm, X[:20]), 0.001)
        signal.setitimer(signal.ITIMER_REAL, 0.001)  # the next one, when this is over

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        end = time.monotonic() + PATIENCE
        while len(seen) < 20 and time.monotonic() < end:
            fr.fit(rbm, X, pcd, fr.optim.SGD(0.01, momentum=0.5), epochs=1, batch_size=20)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(seen) >= 20 and np.isfinite(seen).all() and np.isfinite(rbm.weights).all()
