"""The code on README and docs/*.md and in docstrings, and what runs it."""

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

import fastrbm as fr
from fastrbm import cli

ROOT = Path(__file__).parent.parent
_DOCS = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "reference").glob("*.md")]
PAGES = ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in _DOCS)]
BLOCK = re.compile(r"^```(python|sh|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# what a block needs that fastrbm does not, by what it says
EXTRAS = {
    "sklearn": ("sklearn",),
    "import pandas": ("pandas",),
    "from scipy": ("scipy",),
    "matplotlib": ("matplotlib",),
    "ToTensorBoard": ("tensorboardX",),
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


def run_page(page, blocks=None):
    """Run the blocks, or those of the page, in order, the Python in one namespace; a text block is what the block
    before it prints. A block that needs a package which is not there is passed over, and so are those that need its
    names or files."""
    namespace, printed, passed_over = {"__name__": page}, None, False
    same = doctest.OutputChecker()
    for kind, code in blocks_of(page) if blocks is None else blocks:
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


def run_docstrings(name):
    """Run the examples of a module."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        failed = doctest.testmod(importlib.import_module(name)).failed
    assert not failed, out.getvalue()
