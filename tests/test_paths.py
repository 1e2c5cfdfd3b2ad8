"""Every path of the kernels really runs where it should: by the counts of a debug build, for each instruction set."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import build_layers, modules, pack
from test_rough import EXAMPLES, half_steps
from test_train_kernel import run as train

import fastrbm as fr
from fastrbm import reference
from fastrbm._core.dispatch import kernels

ROOT = Path(__file__).parent.parent
MODULES = modules()
PLANS = {"small_tables", "large_tables", "matrix_unit"}
counts = pytest.mark.skipif(not kernels.paths(), reason="paths are counted in a build with FASTRBM_DEBUG=1 only")
each_level = pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)


def ran(module, call):
    """How often each path ran in a call, of those that did."""
    before = module.paths()
    call()
    return {name: count - before[name] for name, count in module.paths().items() if count > before[name]}


def plan(module, n, n_visible):
    """The table in product_plan.h."""
    if module.LEVEL_MATRICES and n >= 16 and n_visible > 64:
        return "matrix_unit"
    two_passes = n_visible <= 64 and module.LEVEL_MANY < 256  # of large tables, at base and avx2
    return "small_tables" if n < module.LEVEL_MANY or two_passes else "large_tables"


@counts
@each_level
@pytest.mark.parametrize("n_visible", [1, 64, 65, 784])
def test_the_product_that_is_planned(module, n_visible):
    layer = build_layers(module, np.ones((n_visible, 70), "f4"), np.zeros(n_visible, "f4"), np.zeros(70, "f4"))[1]
    seen = set()
    for n in (1, 15, 16, 63, 64, 255, 256):
        planes, acc = pack(np.ones((n, n_visible), np.uint8)), np.empty((n, 70), np.int32)
        paths = ran(module, lambda a=(planes, layer.tiles_array, layer.exponent, acc, 1): module.product(*a))
        assert {name: paths[name] for name in PLANS & set(paths)} == {plan(module, n, n_visible): 2}  # two tiles
        seen |= set(paths)
    assert "large_tables" in seen or n_visible <= 64 or module.LEVEL_MATRICES


@counts
@each_level
def test_words_of_zeros_are_listed_where_they_are_many(module):
    layer = build_layers(module, np.ones((64, 64), "f4"), np.zeros(64, "f4"), np.zeros(64, "f4"))[1]
    for zeros, listed in ((0, 0), (1, 0), (2, 1), (15, 1)):  # of 15 words: an eighth is enough
        states = np.ones((15, 64), np.uint8)
        states[:zeros] = 0
        acc = np.empty((15, 64), np.int32)
        call = (pack(states), layer.tiles_array, layer.exponent, acc, 1)
        assert ran(module, lambda a=call: module.product(*a)).get("words_listed", 0) == listed


@counts
@each_level
@pytest.mark.parametrize("cold, n_sweeps, flips", [(True, 12, True), (True, 2, False), (False, 12, False)])
def test_sums_are_kept_where_few_units_flip(module, cold, n_sweeps, flips):
    """Cold: biases that decide every unit, so that none flips once the chains are there. Hot: half of them do."""
    bias = np.where(np.arange(100) % 2, 30, -30).astype(np.float32) if cold else np.zeros(100, np.float32)
    to_visible, to_hidden = build_layers(module, np.zeros((100, 70), "f4"), bias, np.zeros(70, "f4"))
    visible, hidden = pack(np.zeros((1100, 100), np.uint8)), pack(np.zeros((1100, 70), np.uint8))
    call = (visible, hidden, to_visible, to_hidden, None, 5, 1, 1, n_sweeps, 0, None, None, None, 2)
    paths = ran(module, lambda: module.sweep(*call))
    assert ("sums_kept" in paths) == ("sums_flipped" in paths) == flips
    assert ("sums_flipped" in paths) == flips


@counts
@each_level
@pytest.mark.parametrize("k", range(len(EXAMPLES)))
def test_rough_fields_draw_where_they_decide(module, k):
    def paths(of_weights, exact):
        example = *EXAMPLES[k][:2], of_weights, *EXAMPLES[k][3:]
        return {"rough_fields", "rough_redrawn"} & set(ran(module, lambda: half_steps(module, example, 1, None, exact)))

    usual = EXAMPLES[k][2]
    assert paths(usual, False) == {"rough_fields", "rough_redrawn"}
    assert not paths(usual, True) and not paths(1000 * usual, False)


@counts
@each_level
@pytest.mark.parametrize("n, folded", [(504, False), (505, True)])
def test_more_rows_than_int32_has_room_for_are_folded(module, n, folded):
    states = np.ones((n, 20), np.uint8)
    bits = np.empty((-(-n // 8), 20), np.uint8)
    reference.transpose(pack(states), 20, None, bits)
    fixed = np.zeros((1, 8 * len(bits), 64), np.float32)
    out, along = np.empty((1, 24, 64), np.float32), (np.empty(24), np.empty(64))
    phase = bits, fixed, 1.0
    paths = ran(module, lambda: module.difference(*phase, *phase, False, None, 30, out, *along, 1))
    assert ("sums_folded" in paths) == folded


@counts
@each_level
@pytest.mark.parametrize(
    "shape, n_chains, n_threads, exchanged",
    [
        ((64, 256), 20, 2, True),
        ((64, 256), 20, 1, False),  # nobody to exchange with
        ((64, 256), 200, 2, False),  # chains, not few
        ((64, 64), 20, 2, False),  # one tile
    ],
)
def test_updates_in_one_call(module, shape, n_chains, n_threads, exchanged):
    example = module, shape, n_chains, 2, 30, True, True, n_threads
    paths = ran(module, lambda: train(*example))
    assert paths["fused_update"] == 5
    assert ("sums_exchanged" in paths) == exchanged


@counts
@pytest.mark.parametrize("momentum, fused", [(0.0, True), (0.5, False)])
def test_a_fit_takes_the_updates_in_one_call_where_it_can(momentum, fused):
    X = fr.datasets.load_digits()[:200]
    rbm = fr.RBM.from_data(X, 16, seed=0)
    call = {"optimizer": fr.optim.SGD(0.1, momentum=momentum), "epochs": 2, "batch_size": 10}
    assert ran(kernels, lambda: fr.fit(rbm, X, **call)).get("fused_update", 0) == (40 if fused else 0)


def test_a_release_build_counts_nothing():
    """Empty, or all of them: never a part."""
    for module in MODULES.values():
        assert not module.paths() or PLANS < set(module.paths())


@pytest.mark.slow
def test_a_debug_build(tmp_path):
    """A copy with all checks and counts passes the tests of this file, none of them skipped, and of the kernels."""
    leave = shutil.ignore_patterns("build", "dist", ".*", "*.so", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, tmp_path / "copy", ignore=leave)
    environment = dict(os.environ, FASTRBM_DEBUG="1", PYTHONPATH=str(tmp_path / "copy"))
    build = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    subprocess.run(build, cwd=tmp_path / "copy", env=environment, check=True, capture_output=True)
    names = [f"tests/test_{name}.py" for name in ("paths", "kernels", "train_kernel")]
    tests = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *names]
    run = subprocess.run(tests, cwd=tmp_path / "copy", env=environment, capture_output=True, text=True)
    assert run.returncode == 0 and "skipped" not in run.stdout, run.stdout
