"""Docstrings: every example runs, and every public name has one. Pages are in test_pages.py."""

import doctest
import importlib
import inspect
import pkgutil
import re

import pytest

import fastrbm as fr

MODULES = [
    name for _, name, _ in pkgutil.walk_packages(fr.__path__, "fastrbm.") if not name.endswith(("__main__", "_cpu"))
    and "_kernels_" not in name
]  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name):
    if name.startswith(("fastrbm.plot", "fastrbm.report")):
        pytest.importorskip("matplotlib")
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def public_objects():
    for module in (fr, fr.datasets, fr.diagnostics, fr.gradient, fr.likelihood, fr.optim):
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                yield f"{module.__name__}.{name}", thing


@pytest.mark.parametrize("name, thing", list(public_objects()), ids=lambda x: x if isinstance(x, str) else "")
def test_public_names_are_documented(name, thing):
    assert inspect.getdoc(thing), name
    if inspect.isclass(thing):
        for attribute, value in vars(thing).items():
            if not attribute.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                documented = inspect.getdoc(value) or f"\n{attribute} :" in inspect.getdoc(thing)
                listed = re.search(rf"^\s*(\w+, )*{attribute}(, \w+)* : ", inspect.getdoc(thing), re.MULTILINE)
                assert documented or listed, f"{name}.{attribute}"


def test_public_names_of_the_design_exist():
    for name in (
        "RBM", "Chains", "Moments", "fit", "load", "show_config", "gradient.Exact", "gradient.CD", "gradient.PCD",
        "gradient.MonteCarlo", "likelihood.exact", "likelihood.ais", "likelihood.score", "likelihood.pseudo",
        "optim.SGD", "datasets.load_digits", "datasets.bars_and_stripes", "datasets.load",
    ):  # fmt: skip
        thing = fr
        for part in name.split("."):
            thing = getattr(thing, part)
