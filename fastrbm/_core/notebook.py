"""Whether a notebook shows what is written, and text as its normal output: what is on standard error is red there."""

from __future__ import annotations

import sys
import textwrap
from html import escape
from importlib import import_module
from typing import Any

COLUMNS = 100  # a longer line would do no harm there, but is harder to read


def running() -> bool:
    """Whether this is a kernel of IPython, whose output a notebook shows."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def show(text: str, html: str | None = None, **how: Any) -> Any:
    """Display text, or where it can be shown HTML; what display returns."""
    display: Any = import_module("IPython.display").display
    return display({"text/plain": text} | ({} if html is None else {"text/html": html}), raw=True, **how)


def paragraph(title: str, words: str) -> None:
    """Display words below a title."""
    show(textwrap.fill(f"{title}: {words}", COLUMNS), f"<p><strong>{escape(title)}</strong>: {escape(words)}</p>")
