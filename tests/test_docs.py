"""Docstrings: every example runs, and every public name has one. Pages are in test_pages.py."""

import importlib.util
import inspect
import pkgutil
import re
import sys
import types

import pytest
from pages import ROOT, run_docstrings

import fastrbm as fr

MODULES = [
    name for _, name, _ in pkgutil.walk_packages(fr.__path__, "fastrbm.") if not name.endswith(("__main__", "_cpu"))
    and "_kernels_" not in name
]  # fmt: skip


@pytest.mark.beside(run=run_docstrings)
@pytest.mark.parametrize("name", MODULES)
def test_doctests(name, beside):
    if name.startswith(("fastrbm.plot", "fastrbm.report")):
        pytest.importorskip("matplotlib")
    beside()


def test_a_docstring_that_is_wrong_fails(monkeypatch):
    monkeypatch.setitem(sys.modules, "wrong", types.ModuleType("wrong", ">>> 1 + 1\n3\n"))
    with pytest.raises(AssertionError, match="Expected:"):
        run_docstrings("wrong")


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


spec = importlib.util.spec_from_file_location("formulas", ROOT / "docs" / "formulas.py")
formulas = importlib.util.module_from_spec(spec)
spec.loader.exec_module(formulas)


def docstrings():
    """(name, docstring) of what the reference has."""
    for name, thing in public_objects():
        yield name, inspect.getdoc(thing)
        if inspect.isclass(thing):
            for attribute, value in vars(thing).items():
                if not attribute.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                    yield f"{name}.{attribute}", inspect.getdoc(value) or ""


def test_formulas_of_docstrings_have_the_notation_that_the_site_reads():
    """In single backticks and in indented lines; docs/formulas.py refuses what it cannot read."""
    inline = re.compile(r"(?<![`:\w])`([^`]+)`(?!`)")
    found = {"in a line": 0, "displayed": 0}
    for name, text in docstrings():
        try:
            found["displayed"] += formulas.displayed(text.split("\n")).count(".. math::")
            found["in a line"] += len([formulas.tex(formula) for formula in inline.findall(text)])
        except ValueError as error:
            pytest.fail(f"{name}: {error}")
    assert found["in a line"] > 150 and found["displayed"] > 20


@pytest.mark.parametrize(
    "plain, tex",
    [
        ("E(v, h) = -v'W h", r"E(v, h) = -v^{\top}W h"),
        ("<v s'>_data - <v>_model", r"\langle v s^{\top}\rangle _{\mathrm{data}} - \langle v\rangle _{\mathrm{model}}"),
        ("0 < x <= 1", r"0 < x \leq  1"),
        ("W_ij / sqrt(gamma_i gamma_j)", r"W_{i j} / \sqrt{\gamma _{i} \gamma _{j}}"),
        ("2^(n+1) - 2^-22", "2^{n+1} - 2^{-22}"),
        ("p(v | h), |xi|", r"p(v \mid  h), |\xi |"),
        ("log p*_b(v)", r"\log  p^{\ast }_{b}(v)"),
        ("m_hat / (1 - beta1^t)", r"\hat{m} / (1 - \beta_{1}^{t})"),
        ("sum_{known i} rate * x_{s+t}", r"\sum _{\mathrm{known}\;i} \mathrm{rate} \cdot  x_{s+t}"),
        ("gamma_plus x, learning_rate u", r"\gamma _{+} x, \mathrm{learning\_rate}\,u"),
        ("2 field", r"2\,\mathrm{field}"),
    ],
)
def test_a_formula_as_tex(plain, tex):
    assert formulas.tex(plain) == tex


@pytest.mark.parametrize("plain", ["sqrt(x", "x_", "2^", "price in $", "``code``"])
def test_what_is_no_formula_is_refused(plain):
    with pytest.raises(ValueError, match="formula"):
        formulas.tex(plain)


def test_indented_lines_are_formulas_and_examples_are_not():
    text = "Energy.\n\n    x = 1,\n    y = 2\n\nrate : float\n    Of u.\n\n    More of u.\n\n>>> 1\n1"
    shown = "\n".join(formulas.displayed(text.split("\n")))
    assert shown.startswith("Energy.\n\n.. math::\n\n    x = 1,\n\n.. math::\n\n    y = 2\n\nrate : float\n")
    assert shown.count(".. math::") == 2 and shown.endswith("\n    More of u.\n\n>>> 1\n1\n")
