"""README and docs/*.md: their code runs, their output is what they show, and the site builds without a warning."""

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pages import BLOCK, PAGES, ROOT, blocks_of, run_page

import fastrbm as fr


@pytest.mark.beside(run=run_page)
@pytest.mark.parametrize("page", [page for page in PAGES if blocks_of(page)])
def test_code_on_a_page_runs(page, beside):
    beside()


@pytest.mark.parametrize(
    "blocks",
    [
        [("python", "import fastrbm as fr\n"), ("python", "fr.no_such_name\n")],
        [("python", "print(1)\n"), ("text", "2\n")],
        [("sh", "fastrbm score no-such-model.npz digits\n")],
    ],
)
def test_a_page_whose_code_breaks_fails(blocks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((AssertionError, AttributeError)):
        run_page("a page", blocks)


def test_the_error_that_the_readme_shows():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^> (ValueError: .*)$", text, re.MULTILINE)
    X = fr.datasets.load_digits()
    with pytest.raises(ValueError) as caught:
        fr.RBM.from_data(X, 3).free_energy(2 * X)
    assert f"ValueError: {caught.value}" == shown


def test_the_readme_is_short_and_says_how_to_set_up():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 80
    venv = "python3 -m venv .venv && .venv/bin/pip install -e"
    assert f"{venv} . && .venv/bin/fastrbm train digits --out digits-rbm.npz" in lines
    assert f'{venv} ".[test]" && .venv/bin/python -m pytest' in lines


def test_new_benchmarks_leave_what_is_written_by_hand(tmp_path, monkeypatch):
    """bench/compare.py --write makes its own sections of docs/benchmarks.md anew, and no other."""
    import report

    page = tmp_path / "benchmarks.md"
    shutil.copy(ROOT / "docs" / "benchmarks.md", page)
    kept = report.by_hand(page.read_text(encoding="utf-8"))
    assert kept[0].startswith("## Categorical units\n\n`python bench/categorical.py`") and kept[0].endswith("```")
    monkeypatch.setattr(report, "DOCS", tmp_path)
    monkeypatch.setattr(report, "chart", lambda rows, path: None)
    times = [("NumPy", 2e-3), ("fastrbm", 1e-3), ("PyTorch", 5e-4)]
    for _ in range(2):
        report.write([("8x4", 16, "sweep", name, seconds, 40.0) for name, seconds in times], ["sweep"])
        text = page.read_text(encoding="utf-8")
        assert re.findall(r"^## .*$", text, re.MULTILINE) == [
            "## 8x4, 16 chains",
            "## Categorical units",
            "## Where fastrbm is slower",
        ]
        assert kept[0] in text and text.endswith("- sweep, 8x4, 16 chains: PyTorch takes 0.50 of fastrbm's time\n")


SEARCHED = (
    "overfitting, regularization, early stopping, imputation, pandas, GPU, SLURM, spin, partition function".split(", ")
)


@pytest.mark.parametrize("word", SEARCHED)
def test_a_search_finds(word):
    """Sphinx's search puts headings first: each of the words is in one."""
    headings = [
        line.lower()
        for page in PAGES
        for line in BLOCK.sub("", (ROOT / page).read_text(encoding="utf-8")).splitlines()
        if line.startswith("#")
    ]
    assert any(word.lower() in heading for heading in headings)


def test_links_lead_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", (ROOT / page).read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", link):
                assert ((ROOT / page).parent / link).exists(), f"{page}: {link}"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as CONTRIBUTING.md says: warnings are errors."""
    for name in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(name)
    out = tmp_path_factory.mktemp("site")
    env = os.environ | {"PYTHONPATH": str(Path(fr.__file__).parent.parent)}
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "docs", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def attributes_of(thing):
    """The names in the section Attributes of its docstring."""
    section = re.search(r"^Attributes\n-+\n(.*?)(?=^\w[^\n]*\n---|\Z)", inspect.getdoc(thing), re.DOTALL | re.MULTILINE)
    lines = re.findall(r"^(\w+(?:, \w+)*)(?: : .*)?$", section[1], re.MULTILINE) if section else []
    return [name for line in lines for name in line.split(", ")]


def test_the_reference_has_every_public_name(site):
    from sphinx.util.inventory import InventoryFile

    with open(site / "objects.inv", "rb") as file:
        inventory = InventoryFile.load(file, "", os.path.join)
    objects = inventory.data if hasattr(inventory, "data") else inventory
    known = {name for kind, names in objects.items() if kind.startswith("py:") for name in names}
    for module in (fr, fr.datasets, fr.diagnostics, fr.gradient, fr.likelihood, fr.metrics, fr.optim):
        for name in module.__all__:
            if callable(getattr(module, name)):
                assert f"{module.__name__}.{name}" in known
                for attribute in attributes_of(getattr(module, name)):
                    assert f"{module.__name__}.{name}.{attribute}" in known
    # attributes: one of several on a line, and one that ends in an underscore
    for name in (
        "likelihood.Bidirectional.upper",
        "sklearn.BernoulliRBM.components_",
        "sklearn.BernoulliRBM.h_samples_",
    ):
        assert f"fastrbm.{name}" in known


def test_the_reference_lists_its_names(site):
    """Each page of the reference that is of functions and classes begins with all of them, one line each."""
    for page in (site / "reference").glob("*.html"):
        text = page.read_text(encoding="utf-8")
        own = re.findall(r'<dl class="py (?:class|function|exception)">\n<dt class="[^"]*" id="([\w.]+)"', text)
        tables = re.findall(r'<table class="names.*?</table>', text, re.DOTALL)
        listed = re.findall(r'href="#([\w.]+)"', "".join(tables))
        assert len(own) < 2 or set(own) <= set(listed), page.name


def test_nothing_on_the_site_is_left_unrendered(site):
    for page in site.rglob("*.html"):
        if "_modules" not in page.parts:
            assert not re.search(r"(:class:|:func:|:meth:)`", page.read_text(encoding="utf-8")), page.name


def test_the_site_needs_no_network(site):
    """Links may lead elsewhere; what a page loads by itself may not."""
    loads = r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["'](?:https?:)?//|<link\b[^>]*\bhref=["'](?:https?:)?//"""
    for page in site.rglob("*.html"):
        assert not re.search(loads, page.read_text(encoding="utf-8")), page.name
    for sheet in site.rglob("*.css"):
        assert not re.search(
            r"(?:@import|url\()\s*[\"']?(?:url\([\"']?)?(?:https?:)?//", sheet.read_text(encoding="utf-8")
        )


def test_formulas_are_drawn_by_the_browser(site):
    """As MathML: none is left as TeX, and none as an error."""
    at_least = {"theory": 50, "reference/model": 30, "reference/optim": 10, "reference/likelihood": 30}
    for name, number in at_least.items():
        page = (site / f"{name}.html").read_text(encoding="utf-8")
        assert page.count("<math") > number and "merror" not in page
    for page in site.rglob("*.html"):
        text = re.sub(r"<(pre|code|script)\b.*?</\1>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.search(r"\\(?:frac|sum|mathrm|mathbb|log|theta|partial)\b", text), page.name


def test_the_index_of_the_search_has(site):
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    titles = " ".join(json.loads(text[text.index("{") : text.rindex("}") + 1])["alltitles"]).lower()
    assert all(word.lower() in titles for word in SEARCHED)
