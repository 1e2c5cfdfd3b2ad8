"""README and docs/*.md: their code runs, their output is what they show, and the site builds without a warning."""

import multiprocessing
import os
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pages
import pytest
from pages import PAGES, ROOT, blocks_of, run_page

import fastrbm as fr


@pytest.fixture(scope="module")
def running(request, tmp_path_factory):
    """The pages that are asked for, on their way, two at a time, since each keeps about one core busy."""
    items = [item for item in request.session.items if getattr(item, "function", None) is test_code_on_a_page_runs]
    pool = ProcessPoolExecutor(2, multiprocessing.get_context("spawn"))
    yield {
        page: pool.submit(pages.run_in, tmp_path_factory.mktemp("page"), page)
        for page in (item.callspec.params["page"] for item in items)
    }
    pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks_of(page)])
def test_code_on_a_page_runs(page, running):
    running[page].result()


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


def test_nothing_on_the_site_is_left_unrendered(site):
    for page in site.rglob("*.html"):
        if "_modules" not in page.parts:
            assert not re.search(r"(:class:|:func:|:meth:)`", page.read_text(encoding="utf-8")), page.name
