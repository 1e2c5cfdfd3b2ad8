"""What holds for every test, and in the processes that tests start: NumPy's own threads are off. And tests that run
beside all others: examples in docstrings, and the code on the pages."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import pytest

# Read as NumPy is loaded. The matrices here are small, and OpenBLAS's threads wait for each other for longer than they
# work: where the cores are busy, an SVD of 1797 x 64 takes 0.9 s with two of them and 4 ms with one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def _on_their_way(request, tmp_path_factory):
    """Of each test with the mark beside(run=), what run(**parameters of the test) comes to, in a folder of its own:
    from the first test on, two at a time. Most tests keep one core busy, and these need a sixth of the time of all."""
    marked = {item.nodeid: item for item in request.session.items if item.get_closest_marker("beside")}
    if not marked or "PYTEST_XDIST_WORKER" in os.environ:  # each of whose workers knows all tests
        yield {}
        return
    import processes

    pool = ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), processes.begin)
    yield {
        name: pool.submit(
            processes.run_in, tmp_path_factory.mktemp("beside"), item.get_closest_marker("beside").kwargs["run"],
            item.callspec.params,
        )
        for name, item in marked.items()
    }  # fmt: skip
    pool.shutdown(cancel_futures=True)


@pytest.fixture
def beside(request, _on_their_way, tmp_path, monkeypatch):
    """Wait for what runs beside this test; its error is raised here."""
    started = _on_their_way.get(request.node.nodeid)
    if started is not None:
        return lambda: started.result(timeout=600)
    monkeypatch.chdir(tmp_path)
    return lambda: request.node.get_closest_marker("beside").kwargs["run"](**request.node.callspec.params)
