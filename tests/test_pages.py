"""README and docs/*.md: their code runs, their output is what they show, and the site builds without a warning."""

import contextlib
import doctest
import importlib.util
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import fastrbm as fr
from fastrbm import cli

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(python|sh|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# what a block needs that fastrbm does not, by what it says
EXTRAS = {
    "sklearn": ("sklearn",),
    "import pandas": ("pandas",),
    "matplotlib": ("matplotlib",),
    "fr.plot": ("matplotlib", "fastrbm.plot"),
}


def blocks_of(page):
    return BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


def missing(code):
    """The first package that the code needs and that is not here."""
    needed = [name for word, names in EXTRAS.items() if word in code for name in names]
    return next((name for name in needed if importlib.util.find_spec(name) is None), None)


def run_python(code, page, namespace):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, page, "exec"), namespace)
    return out.getvalue()


def run_commands(code):
    """Lines that call fastrbm; others (installing, say) are for the reader. In this process, which saves loading the
    package for each line; in one of its own where the line sets what is read as the package loads."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(fr.__file__).parent.parent), *sys.path])}
    out = ""
    for line in code.replace("\\\n", " ").splitlines():
        words, settings = shlex.split(line, comments=True), {}
        while words and re.match(r"[A-Z_]+=", words[0]):
            name, _, value = words.pop(0).partition("=")
            settings[name] = value
        if words[:1] == ["fastrbm"]:
            if settings:
                done = subprocess.run(
                    [sys.executable, "-m", *words],
                    capture_output=True,
                    text=True,
                    timeout=120,
                    env=env | settings,
                    check=False,
                )
                returned, stdout, stderr = done.returncode, done.stdout, done.stderr
            else:
                returned, stdout, stderr = run_here(words[1:])
            assert returned == 0, f"{line}\n{stdout}{stderr}"
            out += stdout
    return out


def run_here(arguments):
    """(exit code, standard output, standard error) of the command line, called."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            returned = cli.main(arguments)
        except SystemExit as stop:  # argparse
            returned = stop.code
    return returned, out.getvalue(), err.getvalue()


def run_page(page, blocks):
    """Run the blocks in order, the Python in one namespace; a text block is what the block before it prints. A block
    that needs a package which is not there is passed over, and so are those that need its names or files."""
    namespace, printed, passed_over = {"__name__": page}, None, False
    same = doctest.OutputChecker()
    for kind, code in blocks:
        if kind == "text":
            assert printed is None or same.check_output(code, printed, doctest.ELLIPSIS), (
                f"{page} shows\n{code}\nbut its code prints\n{printed}"
            )
        elif missing(code) or passed_over and kind == "sh":
            printed, passed_over = None, True
        else:
            try:
                printed = run_python(code, page, namespace) if kind == "python" else run_commands(code)
            except NameError:
                if not passed_over:
                    raise
                printed = None


@pytest.mark.parametrize("page", [page for page in PAGES if blocks_of(page)])
def test_code_on_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    run_page(page, blocks_of(page))


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
