"""What is shipped: the wheel holds every module, stub and data file, and the stubs name what the modules have."""

import ast
import importlib
import importlib.util
import inspect
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from fastrbm import reference
from fastrbm._core import dispatch

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """The sdist, unpacked. Made from a clean copy of this tree: what a build left behind must not end up in it."""
    folder = tmp_path_factory.mktemp("sdist")
    leave = shutil.ignore_patterns("build", "dist", ".*", "*.so", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, folder / "copy", ignore=leave)
    make = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", make, str(folder)], cwd=folder / "copy", check=True, stdout=subprocess.DEVNULL
    )
    (path,) = folder.glob("fastrbm-*.tar.gz")
    shutil.unpack_archive(path, folder)
    return folder / path.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """The wheel, built from the sdist."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", folder, sdist]
    subprocess.run([str(part) for part in command], check=True)
    (path,) = folder.glob("fastrbm-*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.mark.slow
def test_the_sdist_holds_what_builds_tests_and_explains(sdist):
    for folder in ("src", "fastrbm", "tests", "bench", "docs", "examples"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".pyi", ".pyx", ".pxi", ".pxd", ".h", ".md"):
                assert (sdist / path.relative_to(ROOT)).exists(), path
    for name in ("CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "README.md", "setup.py"):
        assert (sdist / name).exists(), name


@pytest.mark.slow
def test_the_wheel_holds_everything(wheel):
    names = set(wheel.namelist())
    for path in (ROOT / "fastrbm").rglob("*"):
        if path.suffix in (".py", ".pyi", ".npz", ".txt", ".typed"):
            assert path.relative_to(ROOT).as_posix() in names, path
    levels = dispatch.LEVELS if platform.machine().lower() in ("x86_64", "amd64") else ("base",)
    if sys.platform != "linux" or importlib.util.find_spec("fastrbm._core._kernels_amx") is None:  # or an old assembler
        levels = tuple(level for level in levels if level != "amx")
    built = {name.split("/")[-1].split(".")[0] for name in names if name.endswith((".so", ".pyd"))}
    assert built == {"_cpu"} | {f"_kernels_{level}" for level in levels}
    for name in ("fastrbm/py.typed", "fastrbm/datasets/digits.npz", "fastrbm/datasets/LICENSE-digits.txt"):
        assert name in names
    assert any(name.endswith("LICENSE") for name in names)


@pytest.mark.slow
def test_the_wheel_holds_nothing_else(wheel):
    """No sources of the compiled core, no tests, no benchmarks."""
    roots = {name.split("/")[0] for name in wheel.namelist()}
    assert {root for root in roots if not root.endswith(".dist-info")} == {"fastrbm"}
    assert not [name for name in wheel.namelist() if name.endswith((".c", ".pyx", ".pxi", ".h"))]


@pytest.mark.slow
def test_the_wheel_says_what_it_needs(wheel):
    (metadata,) = [name for name in wheel.namelist() if name.endswith("METADATA")]
    lines = wheel.read(metadata).decode().splitlines()
    needs = [line for line in lines if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert len(needs) == 1 and needs[0].startswith("Requires-Dist: numpy")
    assert "License-Expression: BSD-3-Clause" in lines


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has a GIL at all times")
@pytest.mark.skipif(os.environ.get("PYTHON_GIL") == "0", reason="PYTHON_GIL asks for none")
def test_a_free_threaded_python_has_turned_its_lock_on():
    assert sys._is_gil_enabled()


@pytest.mark.parametrize("name", ["_cpu", *(f"_kernels_{level}" for level in dispatch.available_levels())])
def test_stubs_name_what_the_modules_have(name):
    module = importlib.import_module(f"fastrbm._core.{name}")
    assert {n for n in dir(module) if not n.startswith("_")} == names_in_stub(name)


def stub_tree(name):
    return ast.parse((ROOT / "fastrbm" / "_core" / f"{name}.pyi").read_text(encoding="utf-8"))


def names_in_stub(name):
    names = set()
    for node in stub_tree(name).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            names.add(node.target.id)
        elif isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            names |= names_in_stub(node.module)
    return names


def test_one_signature_for_kernel_stub_and_reference():
    functions = [node for node in stub_tree("_kernels_base").body if isinstance(node, ast.FunctionDef)]
    assert len(functions) > 10
    for node in functions:
        in_stub = [argument.arg for argument in node.args.args]
        if node.name in (
            "team_time",
            "barrier_count",
            "paths",
            "training_memory",
        ):  # what happened, no result of anything: without a reference implementation
            continue
        assert list(inspect.signature(getattr(reference, node.name)).parameters) == in_stub
        for level in dispatch.available_levels():
            assert list(inspect.signature(getattr(dispatch.load(level), node.name)).parameters) == in_stub
        # by one thread: memory is what limits, or there is little to do
        by_one = node.name in (
            "pack_numbers", "sum_fractions", "hash_rows", "logs", "largest_input",
            "truncated_moments", "truncated_draws", "normal_draws",
        )  # fmt: skip
        optional = len(node.args.defaults)  # what a model that is divided among ranks asks for besides
        assert by_one or in_stub[len(in_stub) - optional - 1] == "n_threads"
