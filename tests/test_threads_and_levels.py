"""How many threads, which ISA level, and what a fork does."""

import math
import os
import subprocess
import sys

import pytest

from fastrbm._core import _cpu, dispatch, threads


def python(program, **environment):
    return subprocess.run(
        [sys.executable, "-c", program], env=os.environ | environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("cap", dispatch.LEVELS)
def test_the_cap_is_obeyed_and_never_raises(cap):
    run = python(
        "from fastrbm._core import dispatch as _kernels; print(_kernels.LEVEL, _kernels.kernels.__name__)",
        FASTRBM_ISA=cap,
    )
    level, module = run.stdout.split()
    assert dispatch.LEVELS.index(level) <= dispatch.LEVELS.index(cap)
    assert level in dispatch.available_levels() and module == f"fastrbm._core._kernels_{level}"
    assert (
        level == [x for x in dispatch.available_levels() if dispatch.LEVELS.index(x) <= dispatch.LEVELS.index(cap)][-1]
    )


def test_a_cap_above_the_cpu(monkeypatch):
    monkeypatch.setattr(_cpu, "level", lambda: 0)
    monkeypatch.setenv("FASTRBM_ISA", "avx512")
    assert dispatch._choose() == "base"
    monkeypatch.setattr(_cpu, "level", lambda: -1)
    with pytest.raises(ImportError, match="needs a CPU with SSE4.2"):
        dispatch._choose()


def test_the_matrix_unit_needs_leave(monkeypatch):
    """Asked for only where it would be used; without it, the next level."""
    asked, built = [], set(dispatch.LEVELS)
    monkeypatch.setattr(_cpu, "level", lambda: 3)
    monkeypatch.setattr(
        dispatch.importlib.util, "find_spec", lambda name: name if name.rpartition("_")[2] in built else None
    )
    monkeypatch.setattr(_cpu, "ask_for_matrices", lambda: asked.append(True))
    monkeypatch.setenv("FASTRBM_ISA", "avx512")
    assert dispatch._choose() == "avx512" and not asked
    monkeypatch.delenv("FASTRBM_ISA")
    built.remove("amx")
    assert dispatch._choose() == "avx512" and not asked
    built.add("amx")
    assert dispatch._choose() == "avx512" and asked


def test_a_wrong_cap():
    run = python("import fastrbm; fastrbm.RBM", FASTRBM_ISA="sse9")
    assert run.returncode == 1 and "FASTRBM_ISA='sse9' is not one of base, avx2, avx512, amx" in run.stderr


def test_each_level_is_its_own_machine_code():
    lanes = {"base": 4, "avx2": 8, "avx512": 16, "amx": 16}
    for level in dispatch.available_levels():
        assert dispatch.load(level).LEVEL_LANES == lanes[level]
        assert dispatch.load(level).LEVEL_MATRICES == (level == "amx")


def test_openmp_num_threads(monkeypatch):
    if not _cpu.openmp_version():
        pytest.skip("built without OpenMP")
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert threads.default_threads() == 5
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert threads.default_threads() == 3
    for nonsense in ("", "0", "many"):
        monkeypatch.setenv("OMP_NUM_THREADS", nonsense)
        assert threads.default_threads() == threads._machine_threads()


def test_small_work_stays_serial(monkeypatch):
    monkeypatch.setattr(threads, "_share", threads.Share(lambda: (0, 0)))  # what other programs do does not count
    assert threads.resolve(None, 1000) == 1
    assert threads.resolve(None, 1e12) == threads.default_threads()
    assert threads.resolve(3, 1) == 3


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux")
def test_affinity_counts():
    program = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); " \
        "from fastrbm._core import threads as _threads; print(_threads.default_threads())"  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert run.stdout == "1\n"


def test_cgroup_quota(tmp_path):
    assert threads.cgroup_quota(tmp_path) == math.inf
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert threads.cgroup_quota(tmp_path) == math.inf
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert threads.cgroup_quota(tmp_path) == 1.5
    (tmp_path / "cpu.max").unlink()
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("200000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert threads.cgroup_quota(tmp_path) == 2.0
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert threads.cgroup_quota(tmp_path) == math.inf


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_forked_child_runs_serially_and_does_not_hang():
    """libgomp hangs in a child forked after the parent used it; the child must finish, with the same bits."""
    program = """
import os, numpy as np, fastrbm as fr
rbm = fr.RBM(np.ones((200, 100)))
ours = rbm.sample(300, 5, n_threads=2)
child = os.fork()
if child == 0:
    theirs = rbm.sample(300, 5, n_threads=2)
    os._exit(0 if np.array_equal(ours, theirs) and fr._core.threads.default_threads() == 1 else 3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    run = python(program)
    assert run.stdout == "0\n", run.stderr


TEAM = """
import os
import fastrbm as fr
before = os.sched_getaffinity(0)
rbm = fr.RBM.from_data(fr.datasets.load_digits(), 100, seed=0)
chains = fr.Chains(rbm, 300)
for _ in range(200):
    chains.sweep(1, n_threads=2)
tasks = [int(task) for task in os.listdir("/proc/self/task")]
print(len(tasks) > 1, all(os.sched_getaffinity(task) == before for task in tasks))
"""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux tells where threads may run")
@pytest.mark.skipif(_cpu.openmp_version() == 0, reason="this build has no OpenMP")
def test_spreading_leaves_no_thread_bound():
    """Threads that were put on one CPU are moved apart, and may still run wherever the process may."""
    assert python(TEAM).stdout.split() == ["True", "True"]
