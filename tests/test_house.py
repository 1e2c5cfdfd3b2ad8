"""The house: arrows between modules point one way, the reference implementation stands alone, names load when used."""

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from functools import cache
from graphlib import CycleError
from pathlib import Path

import floors
import numpy as np
import pytest

import fastrbm as fr
from fastrbm import reference
from fastrbm._core import floatmath, layout

MOST_FLOORS = 13
ARROWS = floors.graph()

# Whatever stands in one row may import from the rows below it, and within its own package. A package, or a module of
# the top folder, has one row. RBM samples by sampling/, whose own modules know a model only by its base class.
ROWS = [
    ("__main__",),
    ("cli",),
    ("sklearn", "report"),
    ("plot",),
    ("training",),
    ("optim",),
    ("gradient", "likelihood", "diagnostics"),
    ("moments", "loading"),
    ("rbm",),
    ("sampling",),
    ("units", "states"),
    ("datasets", "ranks"),
    ("_core",),
]
ROW = {name: k for k, row in enumerate(ROWS) for name in row}


def package(module):
    return module.split(".")[1] if "." in module else ""


def test_no_circle_and_few_floors():
    floors.floors(floors.graph(implied=True))
    assert len(floors.floors(ARROWS)) <= MOST_FLOORS, " -> ".join(floors.chain(ARROWS))


def test_a_circle_and_the_floors_of_a_small_graph():
    """The tool finds what it is for."""
    arrows = {"a": {"b", "c"}, "b": {"c"}, "c": set(), "d": {"c"}}
    assert floors.floors(arrows) == [["c"], ["b", "d"], ["a"]] and floors.chain(arrows) == ["a", "b", "c"]
    with pytest.raises(CycleError):
        floors.floors(arrows | {"c": {"a"}})


def test_what_the_graph_holds(tmp_path):
    """Imports of every form count, but for those of annotations, other packages and compiled modules."""
    package = tmp_path / "p"
    (package / "q").mkdir(parents=True)
    (package / "__init__.py").write_text("from .a import x\n")
    (package / "a.py").write_text(
        "import numpy\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import b\n"
    )
    (package / "b.py").write_text("def f():\n    from .q import c\n")
    (package / "q" / "__init__.py").write_text("")
    (package / "q" / "c.py").write_text("from .. import a\nfrom . import _compiled\nimport p.b\n")
    arrows = {"p": {"p.a"}, "p.a": set(), "p.b": {"p.q.c"}, "p.q": set(), "p.q.c": {"p.a", "p.b"}}
    assert floors.graph(package) == arrows
    assert floors.graph(package, implied=True) == arrows | {"p.b": {"p.q", "p.q.c"}}


def test_arrows_point_one_way():
    for module, imported in ARROWS.items():
        if module == "fastrbm" or package(module) == "reference":
            continue
        for below in imported:
            assert below != "fastrbm", f"{module} imports the package itself"
            same = package(module) == package(below)
            assert same or ROW[package(module)] < ROW[package(below)], f"{module} imports {below}"


def test_the_reference_stands_alone():
    for module, imported in ARROWS.items():
        for below in imported:
            one, other = package(module) == "reference", package(below) == "reference"
            assert one == other, f"{module} imports {below}"


def test_the_layout_is_that_of_the_reference():
    for name in ("TILE", "FIXED_BITS", "ROWS"):
        assert getattr(layout, name) == getattr(reference, name)
    matrix = np.arange(19 * 70, dtype=np.float32).reshape(19, 70)
    tiles = layout.to_tiles(matrix)
    assert np.array_equal(tiles, reference.to_tiles(matrix)) and tiles.dtype == np.float32
    assert np.array_equal(layout.from_tiles(tiles, 19, 70), matrix)
    assert np.array_equal(reference.from_tiles(tiles, 19, 70), matrix)


def test_floatmath_gives_the_bits_of_the_reference():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-700, 700, 5000), rng.uniform(-2, 2, 5000), [0.0, -0.0, -708.0, 700.0]])
    assert floatmath.exp(x).tobytes() == reference.exp_negative_d(x).tobytes()
    assert floatmath.softplus(x).tobytes() == reference.softplus(x).tobytes()
    positive = np.exp(x)
    assert floatmath.log(positive).tobytes() == reference.log(positive).tobytes()


@cache
def nodes():
    """What the tests of this file look at in the source of each module, by its path."""
    kinds = ast.Assign, ast.Attribute, ast.ImportFrom
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in (floors.ROOT / "fastrbm").rglob("*.py")}
    return {path: [node for node in ast.walk(tree) if isinstance(node, kinds)] for path, tree in trees.items()}


def test_no_constant_of_the_layout_is_there_twice():
    constants = {name for name in vars(layout) if name.isupper()}
    assert len(constants) >= 8
    for file, found in nodes().items():
        if file.parent.name == "reference" or file.name == "layout.py":
            continue
        for node in found:
            if isinstance(node, ast.Assign):
                names = {target.id for target in node.targets if isinstance(target, ast.Name)}
                assert not names & constants, file


def test_private_names_of_a_module_are_its_own():
    """But for compiled modules, which only dispatch imports and hands on."""
    found = set()
    for path, own in nodes().items():
        module, others = ".".join(path.relative_to(floors.ROOT).with_suffix("").parts), set()
        for node in own:
            if isinstance(node, ast.ImportFrom) and node.level:
                for alias, name in zip(node.names, floors._names(node, module.rpartition(".")[0]), strict=True):
                    found |= {(module, name)} if alias.name.startswith("_") and alias.name != "__version__" else set()
                    others |= {alias.asname or alias.name} if name in ARROWS else set()
        for node in own:
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in others:
                found |= {(module, node.attr)} if node.attr.startswith("_") else set()
    compiled = {name for _, name in found if name.rpartition(".")[2] in ("_cpu", "_kernels_base")}
    assert {(module, name) for module, name in found if name not in compiled} == set()


def test_of_scikit_learn_only_what_is_public_is_used():
    """But for the checks of settings, which have no public form."""
    private = set()
    for own in nodes().values():
        for node in own:
            if isinstance(node, ast.ImportFrom) and not node.level and str(node.module).partition(".")[0] == "sklearn":
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                private |= {name for name in names if any(part.startswith("_") for part in name.split("."))}
    assert {name.rpartition(".")[0] for name in private} == {"sklearn.utils._param_validation"}


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_the_package_alone_loads_next_to_nothing():
    loaded = python("import sys, fastrbm; print(*sys.modules)")
    assert "numpy" not in loaded
    ours = {name for name in loaded if name.partition(".")[0] == "fastrbm"}
    assert ours == {"fastrbm", "fastrbm._core", "fastrbm._core.version"}


def test_packages_load_when_they_are_used():
    """Each as the first one of a process; the processes run at the same time."""
    names = ["plot", "report", "cli", "metrics", "datasets", "sampling", "training"]
    names += ["sklearn"] * (importlib.util.find_spec("sklearn") is not None)
    code = "import sys, fastrbm as fr; print(getattr(fr, sys.argv[1]).__name__)"
    runs = [subprocess.Popen([sys.executable, "-c", code, name], stdout=subprocess.PIPE, text=True) for name in names]
    printed = [run.communicate()[0].strip() for run in runs]
    for name, there in zip(names, printed, strict=True):
        assert there in (f"fastrbm.{name}", f"fastrbm.training.{name}"), name


def test_type_checkers_see_the_names_that_are_loaded():
    (branch,) = (
        node for node in ast.parse(Path(fr.__file__).read_text(encoding="utf-8")).body if isinstance(node, ast.If)
    )
    reported = {alias.asname or alias.name for node in branch.body for alias in node.names}
    assert reported == {*fr._HOMES, *fr._MODULES} and set(dir(fr)) == reported | {"__version__"}
    for name in fr.__all__:
        assert getattr(fr, name) is getattr(fr, name)
    with pytest.raises(AttributeError, match="module 'fastrbm' has no attribute 'sampel'"):
        _ = fr.sampel


def test_an_editable_install_is_a_path(tmp_path):
    """An import hook would come too late where Python is started beside a clone named fastrbm: its folder, which has no
    __init__.py, would be found first, as a namespace."""
    pytest.importorskip("setuptools")
    clone, wheels = tmp_path / "fastrbm", tmp_path / "wheels"
    wheels.mkdir()
    leave = shutil.ignore_patterns("*.so", "__pycache__")  # without setup.py nothing is compiled
    shutil.copytree(floors.ROOT / "fastrbm", clone / "fastrbm", ignore=leave)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(floors.ROOT / name, clone)
    make = "import sys; from setuptools import build_meta; build_meta.build_editable(sys.argv[1])"
    subprocess.run([sys.executable, "-c", make, str(wheels)], cwd=clone, check=True, capture_output=True)
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (name for name in archive.namelist() if name.endswith(".pth"))
        there = archive.read(path).decode().strip()
        assert Path(there) == clone and not [name for name in archive.namelist() if "finder" in name]
    code, environment = "import fastrbm; print(fastrbm.__file__)", os.environ | {"PYTHONPATH": there}
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, env=environment
    )
    assert Path(found.stdout.strip()).parent == clone / "fastrbm"


def test_old_and_new_name_of_the_metrics():
    assert fr.metrics is fr.metrics
