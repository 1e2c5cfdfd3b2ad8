"""How many threads: quotas of nested control groups, an affinity that changes, threadpoolctl, limits, other load."""

import math
import os
import resource
import subprocess
import sys

import numpy as np
import pytest

from fastrbm._core import _cpu
from fastrbm._core import threads as _threads

OPENMP = pytest.mark.skipif(_cpu.openmp_version() == 0, reason="this build has no OpenMP")
LINUX = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux")


def python(program, **environment):
    kept = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    return subprocess.run(
        [sys.executable, "-c", program], env=kept | environment, capture_output=True, text=True, timeout=120
    )


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


# ------------------------------------------------------------ control groups


def test_the_least_quota_from_the_own_group_to_the_root(tmp_path):
    root, membership = tmp_path / "cgroup", tmp_path / "membership"
    write(membership, "0::/a/b/c\n")
    write(root / "a/b/c/cpu.max", "max 100000\n")
    assert _threads.cgroup_quota(root, membership) == math.inf
    write(root / "a/cpu.max", "150000 100000\n")
    assert _threads.cgroup_quota(root, membership) == 1.5
    write(root / "a/b/cpu.max", "300000 100000\n")  # more than around it
    assert _threads.cgroup_quota(root, membership) == 1.5
    write(root / "a/b/c/cpu.max", "50000 50000\n")
    assert _threads.cgroup_quota(root, membership) == 1.0
    write(root / "other/cpu.max", "1000 100000\n")  # of others
    assert _threads.cgroup_quota(root, membership) == 1.0


@pytest.mark.parametrize("folder", ["cpu", "cpu,cpuacct"])
def test_version_1(tmp_path, folder):
    root, membership = tmp_path / "cgroup", tmp_path / "membership"
    write(membership, f"5:memory:/m\n4:{folder}:/jobs/7\n1:name=systemd:/x\n0::/x\n")
    write(root / "memory/m/cpu.cfs_quota_us", "1\n")
    write(root / "memory/m/cpu.cfs_period_us", "100000\n")
    write(root / folder / "jobs/7/cpu.cfs_quota_us", "-1\n")
    write(root / folder / "jobs/7/cpu.cfs_period_us", "100000\n")
    assert _threads.cgroup_quota(root, membership) == math.inf
    write(root / folder / "jobs/cpu.cfs_quota_us", "250000\n")
    write(root / folder / "jobs/cpu.cfs_period_us", "100000\n")
    assert _threads.cgroup_quota(root, membership) == 2.5


@pytest.mark.parametrize("path", ["/docker/0123", "/../..", "/", "/a b/c:d"])
def test_a_path_that_is_not_there_ends_at_the_root(tmp_path, path):
    """In a container the path may be the host's, while the container's own group is mounted as the root."""
    write(tmp_path / "membership", f"0::{path}\n")
    write(tmp_path / "cgroup/cpu.max", "200000 100000\n")
    assert _threads.cgroup_quota(tmp_path / "cgroup", tmp_path / "membership") == 2.0
    assert _threads.cgroup_quota(tmp_path / "cgroup", tmp_path / "none") == 2.0


@pytest.mark.parametrize("text", ["", "x", "1 0", "100000", "max"])
def test_nonsense_is_no_quota(tmp_path, text):
    write(tmp_path / "membership", "0::/a\nnonsense\n")
    write(tmp_path / "cgroup/a/cpu.max", text)
    assert _threads.cgroup_quota(tmp_path / "cgroup", tmp_path / "membership") == math.inf


# ------------------------------------------------------------ affinity, OpenMP's own setting


def test_values_are_kept_for_a_while(monkeypatch):
    now, calls = [0.0], []
    monkeypatch.setattr(_threads.time, "monotonic", lambda: now[0])
    value = _threads._kept_for(0.1)(lambda: calls.append(now[0]) or len(calls))
    assert [value(), value()] == [1, 1]
    now[0] = 0.2
    assert value() == 2 and calls == [0.0, 0.2]


@LINUX
@OPENMP
def test_an_affinity_that_changes_after_the_first_call_is_seen():
    program = """
import os, time
import fastrbm as fr
from fastrbm._core import threads as _threads
rbm = fr.RBM.from_data(fr.datasets.load_digits(), 100)
rbm.sample(2000, 2)
before = _threads.default_threads()
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
time.sleep(0.2)
rbm.sample(2000, 2)
print(before, _threads.default_threads())
"""
    before, after = python(program).stdout.split()
    assert int(before) >= 1 and after == "1"


@OPENMP
def test_settings_of_openmp_count_while_they_hold(monkeypatch):
    monkeypatch.setattr(_threads, "_machine_threads", lambda: 8)
    monkeypatch.setattr(_threads, "_AT_FIRST", 8)
    monkeypatch.setattr(_threads._cpu, "openmp_version", lambda: 201511)
    for limit, threads in ((8, 8), (1, 1), (3, 3), (100, 8)):
        monkeypatch.setattr(_threads._cpu, "openmp_threads", lambda limit=limit: limit)
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        assert _threads.default_threads() == threads
        monkeypatch.setenv("OMP_NUM_THREADS", "5")
        assert _threads.default_threads() == min(5, threads)
    monkeypatch.setattr(_threads, "_AT_FIRST", 2)  # the runtime has seen fewer CPUs than there are, and nobody set it
    monkeypatch.setattr(_threads._cpu, "openmp_threads", lambda: 2)
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert _threads.default_threads() == 8


@LINUX
@OPENMP
def test_threadpool_limits():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    before = _threads.default_threads()
    with threadpoolctl.threadpool_limits(1):
        assert _threads.default_threads() == 1 and _threads.resolve(None) == 1
        assert _threads.resolve(2) == 2  # the argument is the caller's own word
    assert _threads.default_threads() == before


# ------------------------------------------------------------ the argument


@pytest.mark.parametrize("value", [True, False, np.True_, np.array(2.7), np.array([2, 3]), 2.0, "2", np.float64(2), 1j])
def test_what_is_no_integer_is_refused(value):
    with pytest.raises(TypeError, match="n_threads must be an integer or None, not "):
        _threads.resolve(value)


@pytest.mark.parametrize("value", [0, -1, 1025, 2**31, 2**64, 10**400])
def test_what_is_no_number_of_threads_is_refused(value):
    with pytest.raises(ValueError, match="n_threads must be at least 1 and at most 1024, got "):
        _threads.resolve(value)


@OPENMP
def test_more_threads_than_help_are_not_used(monkeypatch):
    monkeypatch.setattr(_threads, "_that_start", lambda n: n)
    for cpus, used in ((1, 16), (2, 16), (4, 16), (32, 128), (1000, 1024)):
        monkeypatch.setattr(_threads, "_cpus", lambda cpus=cpus: cpus)
        assert _threads.resolve(1024) == used and _threads.resolve(7) == 7
    assert _threads.resolve(np.int8(3)) == 3


@OPENMP
def test_threads_that_cannot_start_are_not_used(monkeypatch):
    """An OpenMP runtime would end the process."""
    started = []

    class Thread(_threads.threading.Thread):
        def start(self):
            if len(started) == 9:
                raise RuntimeError("can't start new thread")
            started.append(self)
            super().start()

    monkeypatch.setattr(_threads.threading, "Thread", Thread)
    monkeypatch.setattr(_threads, "_started", _threads.threading.local())
    assert _threads._that_start(4) == 4 and not started  # so few are not tried
    assert _threads._that_start(6) == 6 and len(started) == 9  # and some to spare
    assert not any(thread.is_alive() for thread in started)
    assert _threads._that_start(6) == 6  # known by now: not tried again
    started.clear()
    assert _threads._that_start(50) == 5 and len(started) == 9


@LINUX
@OPENMP
@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become a user without processes")
def test_a_limit_on_processes_ends_no_process():
    program = f"""
import os, resource, sys
sys.path[:0] = {[os.path.dirname(os.path.dirname(_threads.__file__)), *sys.path]!r}
import numpy as np, fastrbm as fr
from fastrbm._core import threads as _threads
_threads._ALWAYS = 200
rbm = fr.RBM(np.ones((70, 30)))
ours = rbm.sample(300, 3, n_threads=1)
os.setuid(10_000 + os.getpid() % 50_000)  # of other runs of this test the user is another one
resource.setrlimit(resource.RLIMIT_NPROC, (40, 40))
print(np.array_equal(ours, rbm.sample(300, 3, n_threads=200)), _threads.resolve(200) < 40)
"""
    run = python(program, OPENBLAS_NUM_THREADS="1")
    assert run.stdout == "True True\n", run.stderr
    assert resource.RLIMIT_NPROC is not None


# ------------------------------------------------------------ other load


class Machine:
    """CPUs that teams get, and a clock."""

    def __init__(self):
        self.now, self.asked, self.had = 0.0, 0, 0
        self.share = _threads.Share(lambda: (self.asked, self.had), lambda: self.now)

    def call(self, wanted, cpus, seconds=0.05):
        """The threads of a call of so many seconds while so many CPUs are left."""
        threads = self.share.threads(wanted)
        self.now += seconds
        if threads > 1:
            self.asked += int(1e9 * threads * seconds)
            self.had += int(1e9 * min(threads, cpus) * seconds)
        return threads


def test_a_quiet_machine_gets_all_threads():
    machine = Machine()
    assert {machine.call(8, 8) for _ in range(100)} == {8}
    assert {machine.call(2, 1.9) for _ in range(100)} == {2}  # threads that wake late, or a short other program


@pytest.mark.parametrize(
    "wanted, cpus, few", [(2, 4 / 3, 1), (2, 1.5, 1), (2, 0.8, 1), (8, 7.1, 7), (8, 0.2, 1), (64, 31.6, 32)]
)
def test_threads_that_do_not_run_are_left_out_for_a_while(wanted, cpus, few):
    machine = Machine()
    used = [machine.call(wanted, cpus) for _ in range(1200)]  # a minute
    assert used[0] == wanted and used[1] == few
    assert set(used) == {wanted, few}
    assert used[600:].count(wanted) <= 5  # tried again ever more rarely, up to 8 seconds
    machine_again = [machine.call(wanted, wanted) for _ in range(200)]  # the others have ended
    assert machine_again[-1] == wanted and machine_again.index(wanted) <= 8 / 0.05 + 1


def test_fewer_threads_never_become_more():
    machine = Machine()
    machine.call(8, 4)
    assert machine.call(8, 4) == 4 and machine.call(2, 4) == 2


def test_short_calls_decide_nothing():
    machine = Machine()
    assert {machine.call(2, 1, seconds=1e-4) for _ in range(90)} == {2}  # 9 ms of two threads


@OPENMP
def test_teams_are_timed():
    """Calls of several threads add to both times, no more than those can spend; calls of one thread do not."""
    program = """
import time
import numpy as np, fastrbm as fr
from fastrbm._core.dispatch import kernels
chains = fr.Chains(fr.RBM(np.ones((200, 100))), 1000, n_threads=1)
chains.sweep(5, n_threads=1)
print(kernels.team_time() == (0, 0))
started = time.perf_counter_ns()
chains.sweep(100, n_threads=2)
spent, had = kernels.team_time()
print(0 < had, 0 < spent <= 2 * (time.perf_counter_ns() - started))
"""
    run = python(program)
    assert run.stdout.split() == ["True", "True", "True"], run.stderr
